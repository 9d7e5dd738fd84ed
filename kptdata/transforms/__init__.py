"""Transforms: what was drawn, as plain data, apart from the geometry and effects that follow.

>>> import numpy as np
>>> from kptdata import transforms
>>> augmentation = transforms.standard_augmentation("hrnet")
>>> draw = augmentation.draw(np.random.default_rng(0))
>>> transforms.Draw.from_json(draw.to_json()) == draw
True
"""

from __future__ import annotations

from kptdata.transforms._archives import images_present, is_image_source
from kptdata.transforms.augmentation import Augmentation, Draw, standard_augmentation
from kptdata.transforms.effects import EFFECTS, Effect, effect_from_dict, effect_to_dict
from kptdata.transforms.geometry import Geometry
from kptdata.transforms.images import Photo, Picture, read_image, read_reduced
from kptdata.transforms.laws import LAWS, Amounts, HalfBodyRule, Law, Ranges
from kptdata.transforms.pixels import TRANSFORMS, PixelTransform, build_transform
from kptdata.transforms.samples import Meta, Sample, Spaces, encode_target, make_sample, warped
from kptdata.transforms.topdown import Instances, PlainCrop, Region, UDPCrop, place, region_of

__all__ = [
    "EFFECTS",
    "LAWS",
    "TRANSFORMS",
    "Amounts",
    "Augmentation",
    "Draw",
    "Effect",
    "Geometry",
    "HalfBodyRule",
    "Instances",
    "Law",
    "Meta",
    "Photo",
    "Picture",
    "PixelTransform",
    "PlainCrop",
    "Ranges",
    "Region",
    "Sample",
    "Spaces",
    "UDPCrop",
    "build_transform",
    "effect_from_dict",
    "effect_to_dict",
    "encode_target",
    "images_present",
    "is_image_source",
    "make_sample",
    "place",
    "read_image",
    "read_reduced",
    "region_of",
    "standard_augmentation",
    "warped",
]

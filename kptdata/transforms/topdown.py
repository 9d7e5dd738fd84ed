"""Top-down geometry: from a person's box and a draw to the one map into the network's input.

The steps and their order are those of the field: mirror the picture, let a half stand for the
body, pad the box, shift it, resize it, widen it to the input's aspect ratio, turn, crop. The last
three are the codec's crop rule, plain or UDP, so what is cropped can be decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.codecs.crop import TopDown
from kptdata.errors import OptionError
from kptdata.schema import Schema
from kptdata.transforms.augmentation import Augmentation, Draw
from kptdata.transforms.geometry import Geometry

__all__ = ["Instances", "PlainCrop", "Region", "UDPCrop", "place", "region_of"]


class Instances(NamedTuple):
    """People of one picture, N of them with K keypoints, in the pixels of one space."""

    xy: NDArray[np.float64]  # (N, K, 2), NaN where not labelled
    labelled: NDArray[np.bool_]  # (N, K)
    bbox: NDArray[np.float64]  # (N, 4) xywh

    def moved(self, geometry: Geometry) -> Instances:
        """Return the same people after `geometry`, with their names after a mirror."""
        xy, labelled = geometry.keypoints(self.xy, self.labelled)
        return Instances(xy, labelled, geometry.boxes(self.bbox))


class Region(NamedTuple):
    """A part of a picture: its centre and size, before the aspect ratio is seen to."""

    center: NDArray[np.float64]  # (2,) pixels
    scale: NDArray[np.float64]  # (2,) width and height, pixels, padding included


@dataclass(frozen=True)
class PlainCrop(TopDown):
    """The crop rule of codecs that count pixels, for use without a codec.

    Args:
        input_size: width and height of the crop.
    """

    input_size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_size", tuple(self.input_size))


@dataclass(frozen=True)
class UDPCrop(PlainCrop):
    """The crop rule of codecs that count the steps between pixels, for use without a codec."""

    udp = True


def place(
    person: Instances,
    draw: Draw,
    rule: Any,
    schema: Schema,
    image_wh: Sequence[int],
    augmentation: Augmentation | None = None,
) -> Geometry:
    """Return the one map from a picture to the network's input.

    Args:
        person: one person, N = 1, in the picture's pixels.
        draw: what was drawn.
        rule: a codec of single crops, or `PlainCrop` or `UDPCrop`.
        schema: pairs, and halves of the body.
        image_wh: width and height of the picture.
        augmentation: says when a half can stand for a body; that of ``mmpose`` by default.

    Raises:
        OptionError: the schema has no pairs and is to be flipped; the box has no area or the map
            cannot be undone; not one person is given.
    """
    if len(person.xy) != 1:
        raise OptionError(f"person: expected one, got {len(person.xy)}")
    mirror = Geometry.mirror(image_wh, schema, draw.direction) if draw.flip else None
    seen = person if mirror is None else person.moved(mirror)
    region = region_of(seen, draw, schema, rule.padding, augmentation)
    box = np.concatenate([region.center - region.scale / 2, region.scale])
    crop = rule.crop(box, rotation=draw.rotation, padding=1.0)
    if not np.isfinite(crop.matrix).all():
        raise OptionError(
            f"bbox: expected a box with area, got {person.bbox[0].tolist()}; "
            "filter such people out, or make boxes from keypoints"
        )
    geometry = Geometry.crop(crop, image_wh)
    return geometry if mirror is None else mirror.then(geometry)


def region_of(
    person: Instances,
    draw: Draw,
    schema: Schema,
    padding: float = 1.25,
    augmentation: Augmentation | None = None,
) -> Region:
    """Return the region of a picture that a draw chooses, for one person of that picture."""
    known = augmentation or _DEFAULT
    corner, size = person.bbox[0, :2], person.bbox[0, 2:]
    region = Region(corner + size / 2, size * padding)
    if draw.half_body:
        region = _half_body(person, draw, schema, known) or region
    return Region(region.center + np.array(draw.shift) * region.scale, region.scale * draw.scale)


def _half_body(
    person: Instances, draw: Draw, schema: Schema, augmentation: Augmentation
) -> Region | None:
    """Return the region about the first half with enough labelled keypoints, if there is one."""
    xy, labelled = person.xy[0], person.labelled[0]
    if labelled.sum() < augmentation.half_body_min:
        return None
    rule = augmentation.half_body_rule
    halves = [(schema.upper_body, rule.min_upper), (schema.lower_body, rule.min_lower)]
    for half, least in halves if draw.upper else reversed(halves):
        points = xy[half[labelled[half]]]
        size = np.ptp(points, axis=0) if len(points) else np.zeros(2)
        if len(points) >= least and size.max() > 0:
            return Region(points.mean(axis=0), size * augmentation.half_body_padding)
    return None


_DEFAULT = Augmentation()

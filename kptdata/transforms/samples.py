"""Typed samples: what a model sees, what it is trained on, and the way back to the picture.

Three spaces: raw, the pixels of the picture as it is stored; input, the pixels of the crop that a
network sees; output, the cells of its heatmaps. Every change of space is a method of `Spaces`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.codecs.codec_list import CodecList, SampleFields, sample_fields
from kptdata.errors import OptionError
from kptdata.schema import Schema
from kptdata.transforms.augmentation import Augmentation, Draw
from kptdata.transforms.geometry import Geometry
from kptdata.transforms.images import Photo
from kptdata.transforms.topdown import Instances, place

__all__ = ["Meta", "Sample", "Spaces", "encode_target", "make_sample", "warped"]


@dataclass(frozen=True, eq=False)
class Spaces:
    """Where a sample's pixels lie: raw, input and output space, and the ways between them.

    Points are (..., P, 2). A mirror exchanges names: only the methods for keypoints do that.

    Attributes:
        geometry: raw to input.
        stride: pixels of the input per cell of the output, along x and y; None without an output
            space.
        offset: where in its cell a cell's own place is: 0, or 0.5 for Megvii's heatmaps.
    """

    geometry: Geometry
    stride: tuple[float, float] | None = None
    offset: float = 0.0

    @classmethod
    def of(cls, geometry: Geometry, codec: Any) -> Spaces:
        """Return the spaces of a crop and of the codec that it was made for."""
        if isinstance(codec, CodecList):
            return cls.of(geometry, codec.codecs[codec.decoder])
        stride = getattr(codec, "stride", None)
        if stride is None:
            return cls(geometry)
        return cls(geometry, (stride[0], stride[1]), _OFFSETS.get(type(codec).__name__, 0.0))

    def raw_to_input(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Take points of the stored picture to the crop."""
        return self.geometry.points(xy)

    def input_to_raw(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Take points of the crop to the stored picture."""
        return self.geometry.inverse.points(xy)

    def input_to_output(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Take points of the crop to cells. Raises `OptionError` without an output space."""
        return np.asarray(xy, np.float64) / self._cells - self.offset

    def output_to_input(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Take cells to points of the crop. Raises `OptionError` without an output space."""
        return (np.asarray(xy, np.float64) + self.offset) * self._cells

    def raw_to_output(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Take points of the stored picture to cells."""
        return self.input_to_output(self.raw_to_input(xy))

    def output_to_raw(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Take cells to points of the stored picture."""
        return self.input_to_raw(self.output_to_input(xy))

    def predicted(self, decoded: Any) -> Any:
        """Take decoded keypoints to the stored picture, each under the name it has there.

        Args:
            decoded: what a codec's `decode` returned for this one sample, or any NamedTuple with
                `xy` (..., K, 2) and `score` (..., K).
        """
        back = self.geometry.inverse
        xy, score = back.keypoints(decoded.xy, decoded.score)
        return decoded._replace(xy=xy, score=score)

    @property
    def _cells(self) -> NDArray[np.float64]:
        if self.stride is None:
            raise OptionError("stride: this codec has no heatmaps, and so no output space")
        return np.array(self.stride)


_OFFSETS = {"MegviiHeatmap": 0.5}


class Meta(NamedTuple):
    """Where a sample came from: plain values that a batch can hold."""

    row: int = -1  # of the dataset
    file_name: str = ""
    draw: str = ""  # JSON of the draw


class Sample(NamedTuple):
    """One crop with everything about it."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB, input space
    instances: Instances  # in input space, named as the crop shows them
    spaces: Spaces
    target: Any  # what the codec's `encode` returned; None without a codec that encodes
    meta: Meta


def make_sample(
    image: NDArray[np.uint8] | Photo,
    person: Instances,
    draw: Draw,
    codec: Any,
    schema: Schema,
    *,
    augmentation: Augmentation | None = None,
    available: Mapping[str, Any] | None = None,
    meta: Meta | None = None,
    encode: bool = True,
) -> Sample:
    """Crop one person under a draw: one warp, the effects on its pixels, the target.

    Args:
        image: (H, W, 3) RGB, raw space; or a photo, decoded as coarsely as the crop allows.
        person: one person, N = 1, raw space.
        draw: what was drawn.
        codec: a codec of single crops, a `CodecList`, or `PlainCrop` or `UDPCrop` for no target.
        schema: names, pairs, halves and weights.
        augmentation: how it was drawn.
        available: further fields that a codec may ask for, by the names of `encode`.
        meta: where the sample comes from.
        encode: make the target; many at once are encoded faster than one by one.

    Raises:
        OptionError: the box has no area, a flip without pairs, a field that the codec lacks.
        ArrayError: an array has another shape.
    """
    known = augmentation or Augmentation()
    size_wh = image.size_wh if isinstance(image, Photo) else image.shape[1::-1]
    geometry = place(person, draw, codec, schema, size_wh, known)
    crop = warped(image, geometry)
    for effect in draw.effects:
        crop = effect.apply(crop)
    moved = person.moved(geometry)
    target = None
    if encode and hasattr(codec, "encode"):
        fields = {"bbox": person.bbox, **(available or {})}
        if known.use_schema_weights:
            fields["weight"] = schema.weights.astype(np.float32)
        target = encode_target(codec, moved.xy.astype(np.float32), moved.labelled, fields)
    return Sample(crop, moved, Spaces.of(geometry, codec), target, meta or Meta())


def warped(image: NDArray[np.uint8] | Photo, geometry: Geometry) -> NDArray[np.uint8]:
    """Warp a picture, or a photo from the coarsest pixels that have one for each of the crop's."""
    if not isinstance(image, Photo):
        return geometry.image(image)
    picture = image.picture(geometry.scale)
    size_wh = (picture.image.shape[1], picture.image.shape[0])
    reduced = Geometry(picture.matrix, image.size_wh, size_wh)
    return reduced.inverse.then(geometry).image(picture.image)


def encode_target(
    codec: Any,
    xy: Any,
    labelled: Any,
    available: Mapping[str, Any],
) -> Any:
    """Encode keypoints (..., N, K, 2), passing those of the `available` fields that a codec names.

    Raises:
        OptionError: the codec needs a field that is not available.
    """
    kind: Any = type(codec)
    fields = sample_fields(codec) if isinstance(codec, CodecList) else _fields_of(kind)
    missing = [name for name in fields.required if name not in available]
    if missing:
        raise OptionError(
            f"codec: {type(codec).__name__} needs {', '.join(missing)}, which these samples lack; "
            f"they have {', '.join(available)}"
        )
    names = fields.required + fields.optional
    passed = {name: available[name] for name in names if name in available}
    return codec.encode(xy, labelled, **passed)


@lru_cache(maxsize=64)
def _fields_of(kind: Any) -> SampleFields:
    """Read the signature of a codec's class once: it takes as long as a small target."""
    return sample_fields(kind)

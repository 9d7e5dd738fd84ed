"""One instance through a codec: its crop, its target, and what decoding gives back."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.errors import DatasetError, OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset
    from kptdata.viz._draw import Picture

__all__ = ["Encoded", "encode_instance"]


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a network would see of one instance, and be trained on.

    Attributes:
        picture: (h, w, 3) the network input, RGB.
        corners: (4, 2) of the crop in the image, pixels.
        per_pixel: image pixels per pixel of the network input.
        xy: (K, 2) annotated points in the input, NaN where not labelled.
        target: the codec's bundle, without batch axes, one person.
        outputs: the arguments of `decode`: a model's, or what a perfect model would put out.
        decoded: (K, 2) in the input, NaN where undecodable.
        score: (K,).
        predicted: whether `outputs` came from a model.
    """

    picture: Picture
    corners: NDArray[np.float64]
    per_pixel: float
    xy: NDArray[np.float64]
    target: Any
    outputs: tuple[Any, ...]
    decoded: NDArray[np.float64]
    score: NDArray[np.float64]
    predicted: bool

    @property
    def difference(self) -> NDArray[np.float64]:
        """(K, 2) decoded minus annotated, pixels of the network input; NaN where either lacks."""
        return self.decoded - self.xy


def encode_instance(
    image: Picture,
    dataset: PoseDataset,
    row: int,
    codec: Any,
    outputs: tuple[Any, ...] | None = None,
) -> Encoded:
    """Crop instance `row` as the codec does and encode its points.

    Args:
        image: (H, W, 3) RGB that the coordinates are pixels of.
        dataset: holds the instance, with a box.
        row: which instance.
        codec: a codec of one crop per person.
        outputs: a model's outputs for this instance, in the order of the codec's `decode`,
            without batch axis; by default what a perfect model would put out.

    Raises:
        DatasetError: the instance has no box.
        OptionError: the codec makes no crops, or asks for more than points.
    """
    import cv2

    _check_codec(codec)
    box = dataset.column("bbox")[row]
    if not (np.isfinite(box).all() and (box[2:] > 0).all()):
        raise DatasetError(
            f"instance {dataset.ids[row]} has no box to crop by; kptdata.ops.with_boxes makes one"
        )
    crop = codec.crop(box)
    width, height = crop.input_size
    xy = crop.to_input(dataset.xy[row])
    target = codec.encode(xy[None], dataset.labelled[row][None])
    used = tuple(outputs) if outputs is not None else codec.as_output(target)
    decoded = codec.decode(*used)
    frame = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
    corners = crop.to_image(frame)
    return Encoded(
        picture=np.asarray(cv2.warpAffine(image, crop.matrix, (width, height)), dtype=np.uint8),
        corners=corners,
        per_pixel=float(np.linalg.norm(corners[1] - corners[0]) / width),
        xy=xy,
        target=target,
        outputs=used,
        decoded=np.asarray(decoded.xy, dtype=np.float64).reshape(-1, 2),
        score=np.asarray(decoded.score, dtype=np.float64).reshape(-1),
        predicted=outputs is not None,
    )


def _check_codec(codec: Any) -> None:
    name = type(codec).__name__
    if not hasattr(codec, "crop"):
        raise OptionError(
            f"codec: {name} makes no crops of single people, so it has no such picture"
        )
    needed = [
        parameter.name
        for parameter in inspect.signature(codec.encode).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    ]
    if needed:
        raise OptionError(f"codec: {name} also encodes {', '.join(needed)}, not points alone")

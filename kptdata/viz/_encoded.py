"""One instance through a codec: its crop, its target, and what decoding gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.codecs import sample_fields
from kptdata.errors import DatasetError, OptionError
from kptdata.viz._fields import People, decodes_depth, depth, fields_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset
    from kptdata.viz._draw import Picture

__all__ = ["Encoded", "encode_image", "encode_instance"]


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
        depth: (K,) millimetres behind the root, for a codec with depth; else None.
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
    depth: NDArray[np.float64] | None = None

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
        DatasetError: the instance has no box, or the dataset lacks what the codec encodes besides.
        OptionError: the codec makes no crops.
    """
    import cv2

    if not hasattr(codec, "crop"):
        name = type(codec).__name__
        raise OptionError(
            f"codec: {name} makes no crops of single people, so it has no such picture"
        )
    box = dataset.column("bbox")[row]
    if not (np.isfinite(box).all() and (box[2:] > 0).all()):
        raise DatasetError(
            f"instance {dataset.ids[row]} has no box to crop by; kptdata.ops.with_boxes makes one"
        )
    crop = codec.crop(box)
    width, height = crop.input_size
    xy = crop.to_input(dataset.xy[row])
    people = People(codec, dataset, np.array([row]), (image.shape[1], image.shape[0]))
    behind = depth(people)[0] if decodes_depth(codec) else None
    points = xy if behind is None else np.concatenate([xy, behind[:, None]], axis=-1)
    target = codec.encode(points[None], dataset.labelled[row][None], **fields_of(people))
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
        decoded=np.asarray(decoded.xy, dtype=np.float64)[..., :2].reshape(-1, 2),
        score=np.asarray(decoded.score, dtype=np.float64).reshape(-1),
        predicted=outputs is not None,
        depth=behind,
    )


def encode_image(image: Picture, dataset: PoseDataset, row: int, codec: Any) -> tuple[Any, People]:
    """Encode instance `row`, or all people of its image, by a codec that makes no crops.

    Codecs that ask for the image's size and boxes take all people of an image that have labelled
    points, box and area; others take a sequence, here of one frame.

    Args:
        image: (H, W, 3) RGB that the coordinates are pixels of.
        dataset: holds the instance.
        row: which instance.
        codec: a codec of sequences or whole images.

    Returns:
        The codec's bundle without batch axes, and the people that it is of.

    Raises:
        DatasetError: the dataset lacks what the codec encodes besides points.
        ArrayError: the codec is for another number of keypoints.
    """
    rows = np.array([row], dtype=np.intp)
    if {"image_size", "bbox"} <= set(sample_fields(codec).required):
        whole = np.isfinite(dataset.column("bbox")).all(axis=1)
        whole &= np.isfinite(dataset.column("area")) & dataset.labelled.any(axis=1)
        others = np.flatnonzero(whole & (dataset.image == dataset.image[row]))
        rows = np.concatenate([rows, others[others != row]])
    people = People(codec, dataset, rows, (image.shape[1], image.shape[0]))
    target = codec.encode(dataset.xy[rows], dataset.labelled[rows], **fields_of(people))
    return target, people

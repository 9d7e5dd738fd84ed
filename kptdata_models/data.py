"""Top-down samples: a box of an image, augmented, warped once, with its encoded target.

A sample depends on seed, epoch and position alone, never on workers, order or earlier draws.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, FileError, OptionError
from kptdata.ledger import Ledger
from kptdata.ops import filter_instances
from kptdata.transforms import (
    Augmentation,
    Draw,
    Instances,
    Photo,
    encode_target,
    make_sample,
    read_image,
)
from kptdata_models.columns import SampleColumns

__all__ = [
    "Augmentation",
    "Draw",
    "Sample",
    "TopdownDataset",
    "Unencoded",
    "encode_batch",
    "encode_target",
    "join_points",
    "read_image",
    "usable_instances",
    "warp_image",
]

Image = NDArray[np.uint8] | Photo

_log = logging.getLogger(__name__)


class Unencoded(NamedTuple):
    """What a target is made of; a batch of them has the same fields with an axis in front."""

    xy: Any  # (1, K, 2) float32, pixels of the crop
    labelled: Any  # (1, K)
    fields: dict[str, Any]  # what else a codec may ask for, (1, ...)


class Sample(NamedTuple):
    """One person, ready for a model; a batch of them has the same fields with an axis in front."""

    image: Tensor | NDArray[np.uint8]  # (3, H, W) RGB
    target: Any  # what the codec's `encode` returned, or `Unencoded`
    row: int  # of the dataset
    matrix: NDArray[np.float64]  # (2, 3) image pixels to input pixels
    bad: int = -1  # row that was asked for, where another stands for it as its image is bad


class TopdownDataset(Dataset[Sample]):
    """The instances of a dataset as samples of one person each.

    A key is a position, or a pair (epoch, position): the epoch comes with the key, so that workers
    need not be told when it changes.

    Args:
        dataset: every instance has a box with area; see `usable_instances`.
        images: folder of the images.
        codec: makes crop and target.
        augmentation: how samples vary.
        seed: of all draws.
        cache: keep decoded images in memory; every loading process keeps its own.
        on_bad_image: ``error``, or ``skip`` to take the next instance instead, which the sample's
            field `bad` tells.
        decode: ``full``, or ``reduced`` to decode a JPEG file no finer than the crop needs.

    Raises:
        OptionError: the schema pairs no points and is to be flipped; no such `on_bad_image`, no
            such `decode`.
    """

    def __init__(
        self,
        dataset: PoseDataset,
        images: str | Path,
        codec: Any,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        cache: bool = False,
        on_bad_image: str = "error",
        decode: str = "full",
    ) -> None:
        self.dataset = dataset
        self._columns = SampleColumns(dataset)
        self.images = Path(images)
        self.codec = codec
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self.on_bad_image = on_bad_image
        self.decode = decode
        self.encoded = True
        self._kept: dict[int, Image] | None = {} if cache else None
        self._last: dict[int, Image] = {}
        if decode not in {"full", "reduced"}:
            raise OptionError(f"decode: expected full or reduced, got {decode!r}")
        if on_bad_image not in {"error", "skip"}:
            raise OptionError(f"on_bad_image: expected error or skip, got {on_bad_image!r}")
        if self.augmentation.flip and not dataset.schema.has_swaps:
            raise OptionError(
                f"data.transform.flip: schema {dataset.schema.name!r} pairs no left with a right "
                f"keypoint; declare `swap` in the schema, or set data.transform.flip = 0"
            )

    def __len__(self) -> int:
        return len(self._columns)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what a loading process does not need: the dataset, and images already read."""
        kept: dict[int, Any] | None = None if self._kept is None else {}
        return {**self.__dict__, "dataset": None, "_kept": kept, "_last": {}}

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        epoch, row = key if isinstance(key, tuple) else (0, key)
        draw = self.augmentation.draw(np.random.default_rng([self.seed, epoch, row]))
        return self.sample(row, draw)

    def sample(self, row: int, draw: Draw) -> Sample:
        """Return the sample of an instance under a given draw.

        Raises:
            FileError: its image cannot be read, and is not to be skipped.
        """
        place, image = self._readable(row)
        person = self._person(place)
        fields = {"bbox": person.bbox.copy(), "area": self._columns.area[place : place + 1].copy()}
        made = make_sample(
            image,
            person,
            draw,
            self.codec,
            self._columns.schema,
            augmentation=self.augmentation,
            available=fields,
            encode=self.encoded,
        )
        target = made.target
        if not self.encoded:
            moved = made.instances
            target = Unencoded(moved.xy.astype(np.float32), moved.labelled.copy(), fields)
        pixels = _planes(made.image)
        bad = -1 if place == row else row
        matrix = made.spaces.geometry.matrix.copy()  # batches are made of writeable arrays
        return Sample(pixels, target, place, matrix, bad)

    @property
    def weights(self) -> NDArray[np.float32] | None:
        """The schema's weights (K,), if they multiply those of the targets."""
        asked = self.augmentation.use_schema_weights
        return self._columns.schema.weights.astype(np.float32) if asked else None

    def unencoded(self) -> TopdownDataset:
        """Return the same samples with `Unencoded` targets, for `encode_batch`."""
        other = copy.copy(self)
        other.encoded = False
        return other

    def path(self, row: int) -> Path:
        """Return the image file of an instance."""
        return self.images / self._columns.file_name(row)

    def _readable(self, row: int) -> tuple[int, Image]:
        """Return the instance and its image, or the next instance whose image can be read."""
        if self.on_bad_image == "error":
            return row, self._image(row)
        for step in range(len(self)):
            place = (row + step) % len(self)
            try:
                return place, self._image(place)
            except FileError as error:
                _log.info("skipped: %s", error)
        raise FileError("no image of the dataset can be read", path=self.images)

    def _image(self, row: int) -> Image:
        """Read an image, unless it is kept or was the last one: people of one image follow."""
        place = int(self._columns.image[row])
        kept = self._kept if self._kept is not None else self._last
        if place not in kept:
            path = self.path(row)
            image = read_image(path) if self.decode == "full" else Photo(path)
            if self._kept is None:
                self._last.clear()
            kept[place] = image
        return kept[place]

    def _person(self, row: int) -> Instances:
        one, columns = slice(row, row + 1), self._columns
        return Instances(columns.xy[one], columns.labelled[one], columns.bbox[one])


def _planes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (3, H, W) of (H, W, 3); OpenCV's way takes a quarter of the time of NumPy's."""
    import cv2

    planes = np.empty((3, *image.shape[:2]), np.uint8)
    cv2.split(image, [planes[0], planes[1], planes[2]])
    return planes


def join_points(points: Sequence[Unencoded]) -> Unencoded:
    """Stack what the targets of a batch are made of."""
    fields = {name: np.stack([p.fields[name] for p in points]) for name in points[0].fields}
    xy, labelled = (np.stack([getattr(p, name) for p in points]) for name in ("xy", "labelled"))
    return Unencoded(xy, labelled, fields)


def encode_batch(codec: Any, points: Unencoded, weights: Any = None) -> Any:
    """Encode the targets of a batch at once.

    Args:
        codec: what encodes.
        points: fields (B, 1, ...) of one array library, which the target is of, too.
        weights: (K,) of the schema, if they multiply those of the target.
    """
    fields = points.fields if weights is None else points.fields | {"weight": weights}
    return encode_target(codec, points.xy, points.labelled, fields)


def warp_image(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], size_wh: Sequence[int]
) -> NDArray[np.uint8]:
    """Return the crop (H, W, 3) that `matrix` (2, 3) makes; outside the image it is black."""
    import cv2

    crop = cv2.warpAffine(image, matrix, (int(size_wh[0]), int(size_wh[1])), flags=cv2.INTER_LINEAR)
    return np.asarray(crop)


def usable_instances(dataset: PoseDataset, *, labelled: bool = True) -> tuple[PoseDataset, Ledger]:
    """Keep the instances that a sample can be made of, counting the others by rule.

    Args:
        dataset: what was read.
        labelled: ask for a labelled keypoint too, without which there is nothing to learn.

    Raises:
        DatasetError: none is left.
    """
    box = dataset.column("bbox")
    rules = {
        "its image is not listed": dataset.image >= 0,
        "no box with area": (box[:, 2:] > 0).all(axis=1),
        "a crowd": dataset.column("iscrowd") != 1,
    }
    if labelled:
        rules["no labelled keypoint"] = dataset.labelled.any(axis=1)
    kept, ledger = filter_instances(dataset, rules)
    if not len(kept):
        raise DatasetError(f"no instance can be used: {ledger}")
    return kept, ledger

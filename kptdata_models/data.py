"""Top-down samples: a box of an image, augmented, warped once, with its encoded target.

A sample depends on seed, epoch and position alone, never on workers, order or earlier draws.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from kptdata.affine import compose
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, FileError, OptionError
from kptdata.keypoints import swap
from kptdata.ledger import Ledger
from kptdata.ops import filter_instances

__all__ = [
    "Augmentation",
    "Draw",
    "Sample",
    "TopdownDataset",
    "encode_target",
    "read_image",
    "usable_instances",
    "warp_image",
]


class Draw(NamedTuple):
    """What was drawn for one sample; all geometry follows from it."""

    flip: bool = False
    half_body: bool = False
    upper: bool = True
    scale: float = 1.0
    rotation: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Augmentation:
    """How much samples vary; the default does not vary them at all.

    Args:
        flip: chance of mirroring left to right.
        half_body: chance of seeing the upper or the lower half of a body alone.
        half_body_min: least number of labelled keypoints of a body that is halved.
        scale: smallest and largest factor of the box's size.
        scale_prob: chance of changing the size.
        rotation: largest angle, degrees, either way.
        rotation_prob: chance of turning.
        shift: largest shift, as a fraction of the box, either way along both axes.
        shift_prob: chance of shifting.

    Raises:
        OptionError: a chance is not in 0..1, or a range is the wrong way round.
    """

    flip: float = 0.0
    half_body: float = 0.0
    half_body_min: int = 9
    scale: tuple[float, float] = (1.0, 1.0)
    scale_prob: float = 1.0
    rotation: float = 0.0
    rotation_prob: float = 1.0
    shift: float = 0.0
    shift_prob: float = 1.0

    def __post_init__(self) -> None:
        for name in ("flip", "half_body", "scale_prob", "rotation_prob", "shift_prob"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name}: expected a chance in 0..1, got {getattr(self, name)}")
        object.__setattr__(self, "scale", tuple(self.scale))
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise OptionError(f"scale: expected two positive factors in order, got {self.scale}")

    def draw(self, rng: np.random.Generator) -> Draw:
        """Draw once; the number of random values used does not depend on the outcome."""
        chances = rng.random(6)
        amounts = [_truncated_normal(rng) for _ in range(4)]
        low, high = self.scale
        shifted = self.shift * (chances[4] < self.shift_prob)
        return Draw(
            flip=bool(chances[0] < self.flip),
            half_body=bool(chances[1] < self.half_body),
            upper=bool(chances[5] < 0.5),
            scale=1.0
            if chances[2] >= self.scale_prob
            else (low + high) / 2 + amounts[0] * (high - low) / 2,
            rotation=self.rotation * amounts[1] * (chances[3] < self.rotation_prob),
            shift=(shifted * amounts[2], shifted * amounts[3]),
        )


def _truncated_normal(rng: np.random.Generator) -> float:
    """Draw from a standard normal distribution cut off at -1 and 1."""
    # 64 tries fail once in 10^31.
    tries = rng.standard_normal(64)
    return float(tries[np.argmax(np.abs(tries) <= 1)])


class Sample(NamedTuple):
    """One person, ready for a model; a batch of them has the same fields with an axis in front."""

    image: Tensor | NDArray[np.uint8]  # (3, H, W) RGB
    target: Any  # what the codec's `encode` returned
    row: int  # of the dataset
    matrix: NDArray[np.float64]  # (2, 3) image pixels to input pixels


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
    ) -> None:
        self.dataset = dataset
        self.images = Path(images)
        self.codec = codec
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self._kept: dict[int, NDArray[np.uint8]] | None = {} if cache else None
        if self.augmentation.flip and not dataset.schema.has_swaps:
            raise OptionError(
                f"data.transform.flip: schema {dataset.schema.name!r} pairs no left with a right "
                f"keypoint; declare `swap` in the schema, or set data.transform.flip = 0"
            )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        epoch, row = key if isinstance(key, tuple) else (0, key)
        draw = self.augmentation.draw(np.random.default_rng([self.seed, epoch, row]))
        return self.sample(row, draw)

    def sample(self, row: int, draw: Draw) -> Sample:
        """Return the sample of an instance under a given draw."""
        image = self._image(row)
        person = self._person(row, image.shape[1], draw)
        padding = self.codec.padding if person.padding is None else person.padding
        crop = self.codec.crop(
            person.bbox,
            rotation=draw.rotation,
            shift=draw.shift,
            padding=padding * draw.scale,
        )
        xy = crop.to_input(person.xy).astype(np.float32)
        target = encode_target(
            self.codec,
            xy[None],
            person.labelled[None],
            {
                "weight": self._weights,
                "bbox": person.bbox[None],
                "area": self.dataset.column("area")[row : row + 1],
            },
        )
        matrix = compose(crop.matrix, person.mirror)
        warped = warp_image(image, matrix, self.codec.input_size)
        return Sample(np.ascontiguousarray(warped.transpose(2, 0, 1)), target, row, matrix)

    def path(self, row: int) -> Path:
        """Return the image file of an instance."""
        return self.images / str(self.dataset.images.file_name[self.dataset.image[row]])

    def _image(self, row: int) -> NDArray[np.uint8]:
        if self._kept is None:
            return read_image(self.path(row))
        place = int(self.dataset.image[row])
        if place not in self._kept:
            self._kept[place] = read_image(self.path(row))
        return self._kept[place]

    # Columns that would be computed for all instances each time that one is asked for.

    @cached_property
    def _labelled(self) -> NDArray[np.bool_]:
        return self.dataset.labelled

    @cached_property
    def _swap_indices(self) -> list[int]:
        indices: list[int] = self.dataset.schema.swap_indices.tolist()
        return indices

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        return self.dataset.schema.weights.astype(np.float32)

    def _person(self, row: int, image_width: int, draw: Draw) -> _Person:
        bbox = self.dataset.column("bbox")[row]
        person = _Person(self.dataset.xy[row], self._labelled[row], bbox)
        if draw.flip:
            person = person.mirrored(image_width, self._swap_indices)
        if draw.half_body and person.labelled.sum() >= self.augmentation.half_body_min:
            schema = self.dataset.schema
            halves = (schema.upper_body, schema.lower_body)
            person = person.halved(halves if draw.upper else halves[::-1])
        return person


class _Person(NamedTuple):
    xy: NDArray[np.float64]  # (K, 2) image pixels
    labelled: NDArray[np.bool_]  # (K,)
    bbox: NDArray[np.float64]  # (4,) xywh
    mirror: NDArray[np.float64] = np.eye(2, 3)  # (2, 3) of the image
    padding: float | None = None  # other than the codec's own

    def mirrored(self, image_width: int, swap_indices: Sequence[int]) -> _Person:
        """Mirror the image left to right: x becomes w - 1 - x."""
        mirror = np.array([[-1.0, 0.0, image_width - 1.0], [0.0, 1.0, 0.0]])
        x, y, w, h = self.bbox
        return self._replace(
            xy=swap(self.xy @ mirror[:, :2].T + mirror[:, 2], swap_indices, -2),
            labelled=swap(self.labelled, swap_indices),
            bbox=np.array([image_width - 1.0 - x - w, y, w, h]),
            mirror=mirror,
        )

    def halved(self, halves: Sequence[NDArray[np.intp]]) -> _Person:
        """Take the box about the first half with two labelled keypoints, if there is one."""
        for half in halves:
            known = half[self.labelled[half]]
            points = self.xy[known]
            size = np.ptp(points, axis=0) if len(points) else np.zeros(2)
            if len(points) >= 2 and size.max() > 0:
                size = np.maximum(size, 1.0)
                box = np.concatenate([points.mean(axis=0) - size / 2, size])
                return self._replace(bbox=box, padding=1.5)
        return self


def encode_target(
    codec: Any,
    xy: NDArray[np.float32],
    labelled: NDArray[np.bool_],
    available: Mapping[str, Any],
) -> Any:
    """Encode keypoints (N, K, 2), passing those of the `available` fields that the codec names.

    Raises:
        OptionError: the codec needs a field that is not available.
    """
    parameters = inspect.signature(codec.encode).parameters.values()
    named = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    missing = [p.name for p in named if p.default is p.empty and p.name not in available]
    if missing:
        raise OptionError(
            f"codec: {type(codec).__name__} needs {', '.join(missing)}, which these samples lack; "
            f"they have {', '.join(available)}"
        )
    passed = {p.name: available[p.name] for p in named if p.name in available}
    return codec.encode(xy, labelled, **passed)


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) RGB, its stored pixels as they are: annotations count those.

    Raises:
        FileError: the file is not there or is no image.
    """
    import cv2

    if not Path(path).is_file():
        raise FileError("no such image", path=path, fix="check the images folder of the run file")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise FileError("not an image that OpenCV can read", path=path)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


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

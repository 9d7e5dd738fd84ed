"""Random changes of a crop's pixels: each draws an effect, or none.

Every class is a frozen record of ranges with a chance `prob`; `draw` returns what to do as plain
values (`kptdata.transforms.effects`). How many random numbers it uses does not depend on what they
are, except that a noise asks for a seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kptdata._plugins import Table
from kptdata.errors import OptionError, UnknownNameError
from kptdata.transforms.effects import (
    ApplyBlur,
    ApplyColour,
    ApplyHoles,
    ApplyHSV,
    ApplyLighting,
    ApplyNoise,
    Effect,
)

__all__ = [
    "TRANSFORMS",
    "Blur",
    "CoarseDropout",
    "GaussianBlur",
    "GaussianNoise",
    "HSVJitter",
    "MedianBlur",
    "MotionBlur",
    "PCALighting",
    "PhotometricDistortion",
    "PixelTransform",
    "build_transform",
]


class PixelTransform(Protocol):
    """Draws what to do to a crop's pixels."""

    def draw(self, rng: np.random.Generator) -> Effect | None:
        """Return an effect, or None to leave the picture as it is."""


@dataclass(frozen=True)
class PhotometricDistortion:
    """Brightness, contrast, saturation, hue and order of channels, each changed half of the time.

    Args:
        brightness_delta: largest number added, either way.
        contrast_range: smallest and largest factor.
        saturation_range: smallest and largest factor.
        hue_delta: largest number of half degrees added to the hue, either way.
        swap_channels: exchange channels at all.
        reference: see `ApplyColour`.
        prob: chance of anything being changed.

    References:
        Liu et al., "SSD", ECCV 2016, arXiv:1512.02325.
    """

    brightness_delta: float = 32
    contrast_range: tuple[float, float] = (0.5, 1.5)
    saturation_range: tuple[float, float] = (0.5, 1.5)
    hue_delta: int = 18
    swap_channels: bool = True
    reference: bool = False
    prob: float = 1.0

    def __post_init__(self) -> None:
        _check_prob(self.prob)
        for name in ("contrast_range", "saturation_range"):
            object.__setattr__(self, name, _range(name, getattr(self, name)))

    def draw(self, rng: np.random.Generator) -> ApplyColour | None:
        """Return what to do to the colours."""
        chance, *flags = rng.random(5)
        brightness, contrast, last, swap = (flag < 0.5 for flag in flags)
        amounts = rng.random(3)
        tone = int(rng.integers(4))  # as in the reference: nothing, saturation, hue, both
        hue = int(rng.integers(-self.hue_delta, self.hue_delta + 1))
        first, second, third = rng.permutation(3).tolist()
        if chance >= self.prob:
            return None
        return ApplyColour(
            brightness=_within((-self.brightness_delta, self.brightness_delta), amounts[0])
            if brightness
            else 0.0,
            contrast=_within(self.contrast_range, amounts[1]) if contrast else 1.0,
            contrast_last=bool(last),
            saturation=_within(self.saturation_range, amounts[2]) if tone in {1, 3} else 1.0,
            hue=hue if tone in {2, 3} else 0,
            channels=(first, second, third) if swap and self.swap_channels else (0, 1, 2),
            reference=self.reference,
        )


@dataclass(frozen=True)
class HSVJitter:
    """Whole numbers added to hue, saturation and value, each half of the time.

    MMPose calls this YOLOXHSVRandomAug.
    """

    hue_delta: int = 5
    saturation_delta: int = 30
    value_delta: int = 30
    prob: float = 1.0

    def __post_init__(self) -> None:
        _check_prob(self.prob)

    def draw(self, rng: np.random.Generator) -> ApplyHSV | None:
        """Return what to do to the colours."""
        chance, *numbers = rng.random(7)
        deltas = (self.hue_delta, self.saturation_delta, self.value_delta)
        gains = [
            int(delta * (2 * numbers[i] - 1)) if numbers[i + 3] < 0.5 else 0
            for i, delta in enumerate(deltas)
        ]
        return ApplyHSV(*gains) if chance < self.prob else None


@dataclass(frozen=True)
class PCALighting:
    """A colour along the main axes of natural colours, by normal numbers of deviation `alpha_std`.

    References:
        Krizhevsky et al., "ImageNet Classification with Deep CNNs", NIPS 2012, section 4.1.
    """

    alpha_std: float = 0.1
    eigenvalues: tuple[float, float, float] = (55.4625, 4.7940, 1.1475)
    eigenvectors: tuple[tuple[float, float, float], ...] = (
        (-0.5675, 0.7192, 0.4009),
        (-0.5808, -0.0045, -0.8140),
        (-0.5836, -0.6948, 0.4203),
    )
    prob: float = 1.0

    def __post_init__(self) -> None:
        _check_prob(self.prob)

    def draw(self, rng: np.random.Generator) -> ApplyLighting | None:
        """Return the colour to add."""
        chance, alpha = rng.random(), rng.standard_normal(3) * self.alpha_std
        red, green, blue = np.array(self.eigenvectors) @ (alpha * np.array(self.eigenvalues))
        made = ApplyLighting((float(red), float(green), float(blue)))
        return made if chance < self.prob else None


@dataclass(frozen=True)
class GaussianNoise:
    """Normal noise whose deviation is even in `sigma`, levels of 0..255."""

    sigma: tuple[float, float] = (0.0, 10.0)
    prob: float = 1.0

    def __post_init__(self) -> None:
        _check_prob(self.prob)
        object.__setattr__(self, "sigma", _range("sigma", self.sigma))

    def draw(self, rng: np.random.Generator) -> ApplyNoise | None:
        """Return deviation and seed."""
        chance, amount = rng.random(2)
        seed = int(rng.integers(2**32))
        return ApplyNoise(_within(self.sigma, amount), seed) if chance < self.prob else None


@dataclass(frozen=True)
class _RandomBlur:
    """A blur of an odd number of pixels, from the smaller to the larger of `kernel`."""

    kernel: tuple[int, int] = (3, 7)
    prob: float = 1.0

    _kind = "box"

    def __post_init__(self) -> None:
        _check_prob(self.prob)
        object.__setattr__(self, "kernel", tuple(self.kernel))
        low, high = _range("kernel", self.kernel)
        if low < 1 or low % 2 == 0 or high % 2 == 0:
            raise OptionError(f"kernel: expected positive odd numbers, got {self.kernel}")

    def draw(self, rng: np.random.Generator) -> ApplyBlur | None:
        """Return kind and size."""
        chance, turn = rng.random(2)
        low, high = self.kernel
        kernel = low + 2 * int(rng.integers((high - low) // 2 + 1))
        angle = 180 * float(turn) if self._kind == "motion" else 0.0
        return ApplyBlur(kernel, self._kind, angle) if chance < self.prob else None


class Blur(_RandomBlur):
    """The mean of a square of pixels."""


class MedianBlur(_RandomBlur):
    """The median of a square of pixels."""

    _kind = "median"


class GaussianBlur(_RandomBlur):
    """A Gaussian blur; OpenCV chooses its deviation by the kernel's size."""

    _kind = "gaussian"


class MotionBlur(_RandomBlur):
    """The mean along a line in a random direction."""

    _kind = "motion"


@dataclass(frozen=True)
class CoarseDropout:
    """Rectangles painted over, as if something stood before the person.

    Args:
        holes: least and largest number of rectangles.
        size: least and largest side, as a fraction of the picture's.
        fill: red, green, blue.
        prob: chance of any rectangle.
    """

    holes: tuple[int, int] = (1, 1)
    size: tuple[float, float] = (0.2, 0.4)
    fill: tuple[int, int, int] = (0, 0, 0)
    prob: float = 0.5

    def __post_init__(self) -> None:
        _check_prob(self.prob)
        object.__setattr__(self, "holes", tuple(self.holes))
        object.__setattr__(self, "size", _range("size", self.size))
        object.__setattr__(self, "fill", tuple(self.fill))
        if not 0 < self.holes[0] <= self.holes[1]:
            raise OptionError(f"holes: expected positive numbers in order, got {self.holes}")
        if self.size[1] > 1:
            raise OptionError(f"size: expected fractions of the picture, got {self.size}")

    def draw(self, rng: np.random.Generator) -> ApplyHoles | None:
        """Return the rectangles."""
        chance = rng.random()
        count = int(rng.integers(self.holes[0], self.holes[1] + 1))
        rows = rng.random((self.holes[1], 4))[:count]
        if chance >= self.prob:
            return None
        return ApplyHoles(tuple(self._hole(row.tolist()) for row in rows), self.fill)

    def _hole(self, row: list[float]) -> tuple[float, float, float, float]:
        width, height = _within(self.size, row[0]), _within(self.size, row[1])
        return row[2] * (1 - width), row[3] * (1 - height), width, height


TRANSFORMS: Table[type[PixelTransform]] = Table(
    "transform",
    {
        "Blur": "kptdata.transforms.pixels:Blur",
        "CoarseDropout": "kptdata.transforms.pixels:CoarseDropout",
        "GaussianBlur": "kptdata.transforms.pixels:GaussianBlur",
        "GaussianNoise": "kptdata.transforms.pixels:GaussianNoise",
        "HSVJitter": "kptdata.transforms.pixels:HSVJitter",
        "MedianBlur": "kptdata.transforms.pixels:MedianBlur",
        "MotionBlur": "kptdata.transforms.pixels:MotionBlur",
        "PCALighting": "kptdata.transforms.pixels:PCALighting",
        "PhotometricDistortion": "kptdata.transforms.pixels:PhotometricDistortion",
    },
)


def build_transform(table: Mapping[str, Any]) -> PixelTransform:
    """Return the change of pixels that a table of a run file names by ``type``.

    Raises:
        UnknownNameError: no such transform, or it has no such argument; near names are listed.
        OptionError: a value does not fit.
    """
    arguments = {key: value for key, value in table.items() if key != "type"}
    if "type" not in table:
        raise OptionError(f"type: missing; choose from {', '.join(TRANSFORMS)}")
    kind: Any = TRANSFORMS.load(str(table["type"]))
    if dataclasses.is_dataclass(kind):
        known = [field.name for field in dataclasses.fields(kind)]
        for name in arguments:
            if name not in known:
                raise UnknownNameError(f"argument of {table['type']}", name, known)
    made: PixelTransform = kind(**arguments)
    return made


def _within(bounds: tuple[float, float], part: float) -> float:
    low, high = bounds
    return float(low + (high - low) * part)


def _range(name: str, values: tuple[float, float]) -> tuple[float, float]:
    if len(values) != 2 or not 0 <= values[0] <= values[1]:
        raise OptionError(f"{name}: expected two numbers in order, got {tuple(values)}")
    return float(values[0]), float(values[1])


def _check_prob(prob: float) -> None:
    if not 0 <= prob <= 1:
        raise OptionError(f"prob: expected a chance in 0..1, got {prob}")

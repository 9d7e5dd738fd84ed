"""The random laws of the field, by name: how much a box is resized, turned and shifted.

A law turns the ranges that a run states into amounts; its own chances hold where the run states
none. Both are tested against these formulas:

``mmpose``
    v ~ normal(0, 1) cut off at -1 and 1, anew for each of size, angle and both shifts.
    Size ``(low + high) / 2 + v * (high - low) / 2`` always, angle ``v * rotation`` with chance
    0.6, shift ``v * shift`` of the padded box with chance 0.3.
``hrnet``
    Size ``clip(n * sf + 1, 1 - sf, 1 + sf)``, n ~ normal(0, 1) and sf = high - 1, always; angle
    ``clip(n * rf, -2 rf, 2 rf)`` with chance 0.6; no shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, Protocol

import numpy as np

from kptdata._plugins import Table
from kptdata.errors import OptionError

__all__ = ["LAWS", "Amounts", "HRNetLaw", "HalfBodyRule", "Law", "MMPoseLaw", "Ranges"]


class Ranges(NamedTuple):
    """How far a box may vary."""

    scale: tuple[float, float] = (1.0, 1.0)  # smallest and largest factor of its size
    rotation: float = 0.0  # degrees
    shift: float = 0.0  # fraction of the padded box


class Amounts(NamedTuple):
    """How much a box varies this time."""

    scale: float = 1.0
    rotation: float = 0.0  # degrees, anticlockwise
    shift: tuple[float, float] = (0.0, 0.0)  # fractions of the padded box


class HalfBodyRule(NamedTuple):
    """When a half of a body can stand for it, and which.

    The preferred half is taken if it has enough labelled keypoints, else the other one if that has;
    else the body stays whole.
    """

    min_upper: int
    min_lower: int
    upper: float  # chance that the upper half is preferred


_MMPOSE_HALVES = HalfBodyRule(min_upper=2, min_lower=3, upper=0.7)
# HRNet prefers the upper half where a normal number, not a uniform one, is below 0.5.
_HRNET_HALVES = HalfBodyRule(min_upper=3, min_lower=3, upper=NormalDist().cdf(0.5))


class Law(Protocol):
    """Turns random numbers into amounts.

    A law of your own is a class, or a function, that returns such an object when it is called
    without arguments; name it by its dotted path.
    """

    half_body: HalfBodyRule
    scale_prob: float
    rotation_prob: float
    shift_prob: float

    def check(self, ranges: Ranges) -> None:
        """Raise `OptionError` where the law has no meaning for these ranges."""

    def amounts(self, rng: np.random.Generator, ranges: Ranges) -> Amounts:
        """Draw; how many random numbers are used does not depend on what they are."""


@dataclass(frozen=True)
class MMPoseLaw:
    """Normal numbers cut off at one standard deviation, as in MMPose's RandomBBoxTransform."""

    half_body: HalfBodyRule = _MMPOSE_HALVES
    scale_prob: float = 1.0
    rotation_prob: float = 0.6
    shift_prob: float = 0.3

    def check(self, ranges: Ranges) -> None:
        """Accept all ranges."""

    def amounts(self, rng: np.random.Generator, ranges: Ranges) -> Amounts:
        """Draw four numbers."""
        across, down, size, angle = (_cut_normal(u) for u in rng.random(4))
        low, high = ranges.scale
        return Amounts(
            scale=(low + high) / 2 + size * (high - low) / 2,
            rotation=angle * ranges.rotation,
            shift=(across * ranges.shift, down * ranges.shift),
        )


@dataclass(frozen=True)
class HRNetLaw:
    """Clipped normal numbers, as in the code of HRNet and SimpleBaseline."""

    half_body: HalfBodyRule = _HRNET_HALVES
    scale_prob: float = 1.0
    rotation_prob: float = 0.6
    shift_prob: float = 0.0

    def check(self, ranges: Ranges) -> None:
        """Raise `OptionError` for a shift, or for sizes that are not 1 - sf and 1 + sf."""
        low, high = ranges.scale
        if ranges.shift:
            raise OptionError(
                f"shift: the law 'hrnet' does not shift, got {ranges.shift}; "
                'set shift = 0, or law = "mmpose"'
            )
        if abs(low + high - 2) > 1e-9:
            raise OptionError(
                f"scale: the law 'hrnet' expects 1 - sf and 1 + sf, got {ranges.scale}"
            )

    def amounts(self, rng: np.random.Generator, ranges: Ranges) -> Amounts:
        """Draw two numbers."""
        size, angle = rng.standard_normal(2)
        factor, most = ranges.scale[1] - 1, ranges.rotation
        return Amounts(
            scale=float(np.clip(size * factor + 1, 1 - factor, 1 + factor)),
            rotation=float(np.clip(angle * most, -2 * most, 2 * most)),
        )


_NORMAL = NormalDist()
_LOW, _HIGH = _NORMAL.cdf(-1.0), _NORMAL.cdf(1.0)


def _cut_normal(uniform: float) -> float:
    """Turn a uniform number of 0..1 into a normal one of -1..1."""
    value = _NORMAL.inv_cdf(_LOW + float(uniform) * (_HIGH - _LOW))
    return min(max(value, -1.0), 1.0)


LAWS: Table[type[Law]] = Table(
    "law",
    {"mmpose": "kptdata.transforms.laws:MMPoseLaw", "hrnet": "kptdata.transforms.laws:HRNetLaw"},
)

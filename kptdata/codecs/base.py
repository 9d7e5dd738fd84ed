"""The contract of all codecs: what goes in, what comes out, and what every bundle holds.

Axes everywhere: ``...`` any leading (batch) axes, ``N`` people, ``K`` keypoints, ``D`` coordinates.
Pixels: the centre of the top-left pixel is (0, 0); see docs/coordinates.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from kptdata._array import Array, asarray_like, check_array, namespace
from kptdata.errors import ArrayError, OptionError

__all__ = ["Bound", "Codec", "DecodedKeypoints", "Target_co"]

Target_co = TypeVar("Target_co", covariant=True)


class DecodedKeypoints(NamedTuple, Generic[Array]):
    """What a model output means. Undecodable keypoints are NaN with score 0."""

    xy: Array  # (..., N, K, D) pixels of the network input
    score: Array  # (..., N, K) what it means is said by the codec's `score_meaning`
    instance_score: Array  # (..., N) mean of the keypoint scores


class Bound(NamedTuple):
    """How far ``decode(encode(xy))`` may be from `xy`, per axis, and where that holds.

    The error comes in the unit of that axis (pixels of the network input; millimetres for depth).
    It holds for points at least `border` away from the first and the last pixel of the input.
    """

    error: tuple[float, ...]
    border: float = 0.0


class Codec(Protocol[Target_co]):
    """Keypoints to what a network is trained on, and what it puts out back to keypoints.

    A concrete codec spells its keyword-only parameters out; they are named like the fields of a
    sample, and whoever calls passes those that the signature names.
    """

    def encode(self, xy: Any, labelled: Any, *args: Any, **kwargs: Any) -> Target_co:
        """Turn keypoints `xy` (..., N, K, D) and `labelled` (..., N, K) bool into a target."""

    def decode(self, *args: Any, **kwargs: Any) -> DecodedKeypoints[Any]:
        """Turn model outputs, shaped like the fields of the target, into keypoints."""


class Points(NamedTuple, Generic[Array]):
    """Checked keypoints: finite coordinates (0 where unknown) and which of them are known."""

    xy: Array  # (..., N, K, D)
    known: Array  # (..., N, K) bool


def check_points(xy: Array, labelled: Array, axes: int = 2) -> Points[Array]:
    """Check the two arrays that every `encode` takes; a NaN or infinite point is not known.

    Raises:
        ArrayError: `xy` is not (..., N, K, `axes`) or not real; `labelled` is not (..., N, K) bool.
    """
    check_array("xy", xy, f"(..., N, K, {axes})")
    check_array("labelled", labelled, xy.shape[:-1], "bool")
    known = labelled & all_finite(xy)
    return Points(namespace(xy).where(known[..., None], xy, 0.0), known)


def all_finite(xy: Array) -> Any:
    """Tell which points (..., D) have finite coordinates only: (...) bool."""
    finite = namespace(xy).isfinite(xy)
    every = finite[..., 0]
    for axis in range(1, xy.shape[-1]):  # 2 or 3: cheaper than a reduction over so short an axis
        every = every & finite[..., axis]
    return every


def weigh(used: Array, weight: Array | None, like: Array) -> Array:
    """Turn `used` (..., N, K) bool into weights of the dtype of `like`, times `weight`.

    Raises:
        ArrayError: `weight` cannot be broadcast to (..., N, K).
    """
    weights = namespace(like).astype(used, like.dtype)
    if weight is None:
        return weights
    check_array("weight", weight, "(..., K)", "number")
    if not _broadcasts(tuple(weight.shape), tuple(used.shape)):
        expected, found = tuple(used.shape), tuple(weight.shape)
        raise ArrayError(f"weight: expected shape {expected} or its last axes, got {found}")
    return weights * asarray_like(weight, like)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    tail = to[len(to) - len(shape) :] if len(shape) <= len(to) else None
    return tail is not None and all(a in (1, b) for a, b in zip(shape, tail, strict=True))


def decoded(xy: Array, score: Array) -> DecodedKeypoints[Array]:
    """Bundle keypoints `xy` (..., N, K, D) and `score` (..., N, K) with the instances' scores."""
    count = max(score.shape[-1], 1)
    return DecodedKeypoints(xy, score, namespace(score).sum(score, axis=-1) / count)


def _is_number(value: object) -> bool:
    """Say whether a setting, which may come from a file as text, is a number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


def positive_sizes(name: str, sizes: Iterable[int], count: int = 2) -> tuple[int, ...]:
    """Return `sizes` as a tuple of `count` positive whole numbers, or raise `OptionError`."""
    found = tuple(sizes) if isinstance(sizes, Iterable) else (sizes,)
    if len(found) != count or not all(_is_whole(s) and s > 0 for s in found):
        raise OptionError(f"{name}: expected {count} positive whole numbers, got {found}")
    return tuple(int(s) for s in found)


def positive(name: str, value: float) -> None:
    """Raise `OptionError` unless `value` is above 0."""
    if not (_is_number(value) and value > 0):
        raise OptionError(f"{name}: expected a positive number, got {value!r}")


def odd(name: str, value: int) -> None:
    """Raise `OptionError` unless `value` is a positive odd whole number, as kernel sizes are."""
    if not _is_whole(value) or value <= 0 or value % 2 == 0:
        raise OptionError(f"{name}: expected a positive odd number, got {value!r}")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise `OptionError` unless `value` is one of `choices`."""
    if value not in choices:
        raise OptionError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def at_least(name: str, value: float, low: float) -> None:
    """Raise `OptionError` unless `value` is `low` or more."""
    if not (_is_number(value) and value >= low):
        raise OptionError(f"{name}: expected {low} or more, got {value!r}")


def multiple(name: str, array: Array, axis: int, count: int) -> None:
    """Raise `ArrayError` unless the size of `array` along `axis` is a multiple of `count`."""
    if array.shape[axis] % count:
        raise ArrayError(
            f"{name}: expected a multiple of {count} along axis {axis}, got {tuple(array.shape)}"
        )

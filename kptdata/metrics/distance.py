"""Distances between predicted and true points, and their averages: EPE, NME, MPJPE and its kin.

Axes: ``...`` any leading axes, N instances, K keypoints, D coordinates (2 or 3). NumPy only.

NaN means undefined: the truth is not labelled, or its normaliser is not above 0. Infinity means a
miss: labelled, but nothing was predicted. Means and medians leave both out; `pck` counts a miss as
wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._array import check_array
from kptdata.errors import ArrayError, OptionError

__all__ = ["ALIGNMENTS", "ErrorSummary", "align", "distances", "mpjpe", "summarise"]

ALIGNMENTS = ("none", "scale", "procrustes")


class ErrorSummary(NamedTuple):
    """Averages over all finite distances; NaN if there is none."""

    mean: float
    median: float
    compared: int  # finite distances
    missed: int  # labelled points without a prediction
    per_keypoint: NDArray[np.float64]  # (K,) mean; NaN where none


def distances(
    xy: NDArray[np.float64],
    truth: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    normaliser: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the Euclidean distance (..., K) of each labelled point, over its normaliser if given.

    Args:
        xy: (..., K, D) predicted points, NaN where nothing was predicted.
        truth: (..., K, D) true points.
        labelled: (..., K).
        normaliser: (...) one length per instance, or (..., D) one per axis.

    Raises:
        ArrayError: shapes do not fit.
    """
    check_array("xy", xy, "(..., K, D)")
    check_array("truth", truth, xy.shape)
    check_array("labelled", labelled, xy.shape[:-1], "bool")
    delta = np.asarray(xy, dtype=np.float64) - truth
    defined = labelled
    if normaliser is not None:
        length = _per_axis(np.asarray(normaliser, dtype=np.float64), xy.shape)
        valid = length > 0
        defined = labelled & valid.all(axis=-1)
        delta = delta / np.where(valid, length, 1.0)
    out = np.linalg.norm(delta, axis=-1)
    out[np.isnan(out)] = np.inf
    out[~defined] = np.nan
    return out


def _per_axis(normaliser: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(..., 1, 1) or (..., 1, D)."""
    if normaliser.shape == shape[:-2]:
        return normaliser[..., None, None]
    if normaliser.shape == (*shape[:-2], shape[-1]):
        return normaliser[..., None, :]
    raise ArrayError(
        f"normaliser: expected shape {shape[:-2]} or {(*shape[:-2], shape[-1])}, got "
        f"{normaliser.shape}"
    )


def summarise(distance: NDArray[np.float64]) -> ErrorSummary:
    """Average distances (N, K): EPE if they are in pixels, NME if they are normalised.

    >>> summarise(np.array([[3.0, np.nan], [1.0, np.inf]]))[:4]
    (2.0, 2.0, 2, 1)
    """
    finite = np.isfinite(distance)
    values = distance[finite]
    counts = finite.sum(axis=0)
    sums = np.where(finite, distance, 0.0).sum(axis=0)
    return ErrorSummary(
        mean=float(values.mean()) if values.size else float("nan"),
        median=float(np.median(values)) if values.size else float("nan"),
        compared=values.size,
        missed=int(np.isposinf(distance).sum()),
        per_keypoint=np.where(counts > 0, sums / np.maximum(counts, 1), np.nan),
    )


def mpjpe(
    xyz: NDArray[np.float64],
    truth: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    alignment: str = "none",
    *,
    reference: bool = False,
) -> float:
    """Return the mean per-joint position error, in the points' unit; NaN if none is labelled.

    ``scale`` gives N-MPJPE (each prediction is multiplied by its best factor), ``procrustes``
    PA-MPJPE (best rotation, factor and shift).

    Args:
        xyz: (N, K, D) predicted points.
        truth: (N, K, D).
        labelled: (N, K).
        alignment: one of `ALIGNMENTS`.
        reference: align on all points, also those not labelled, as MMPose does.

    References:
        Ionescu et al., "Human3.6M", TPAMI 2014; Rhodin et al., CVPR 2018 (N-MPJPE).
    """
    check_array("xyz", xyz, "(N, K, D)")
    used = np.ones_like(labelled) if reference else labelled
    aligned = align(xyz, truth, used, alignment)
    return summarise(distances(aligned, truth, labelled)).mean


def align(
    xyz: NDArray[np.float64],
    truth: NDArray[np.float64],
    used: NDArray[np.bool_],
    alignment: str,
) -> NDArray[np.float64]:
    """Return predictions (N, K, D) moved onto the truth by the best transform of a kind.

    Only points in `used` (N, K) that were predicted decide the transform.

    Raises:
        OptionError: no such alignment.
    """
    if alignment not in ALIGNMENTS:
        raise OptionError(f"alignment: expected one of {', '.join(ALIGNMENTS)}, got {alignment!r}")
    if alignment == "none":
        return xyz
    weight = (used & np.isfinite(xyz).all(axis=-1) & np.isfinite(truth).all(axis=-1))[..., None]
    x, y = np.where(weight, xyz, 0.0), np.where(weight, truth, 0.0)
    if alignment == "scale":
        return xyz * _ratio((x * y).sum(axis=(1, 2)), (x * x).sum(axis=(1, 2)))[:, None, None]
    count = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    x_mean, y_mean = x.sum(axis=1, keepdims=True) / count, y.sum(axis=1, keepdims=True) / count
    rotation, factor = _best_turn(
        np.where(weight, x - x_mean, 0.0), np.where(weight, y - y_mean, 0.0)
    )
    return factor[:, None, None] * (xyz - x_mean) @ rotation + y_mean


def _best_turn(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (N, D, D), without reflection, and factor (N,) that bring centred x nearest to y."""
    u, values, vt = np.linalg.svd(np.swapaxes(x, 1, 2) @ y)
    mirrored = np.linalg.det(u @ vt) < 0
    sign = np.ones_like(values)
    sign[mirrored, -1] = -1.0
    factor = _ratio((values * sign).sum(axis=1), (x * x).sum(axis=(1, 2)))
    return (u * sign[:, None, :]) @ vt, factor


def _ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient, 1 where a prediction has no extent."""
    return np.where(under > 0, over / np.where(under > 0, under, 1.0), 1.0)

"""Percentage of correct keypoints (PCK) and the area under its curve.

Axes: N instances, K keypoints. A keypoint is correct if its distance over the normaliser is below
the threshold; what differs between the many PCKs is the normaliser, the comparison and the mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._array import check_array
from kptdata.errors import OptionError

__all__ = ["MPII_HEAD_FACTOR", "Pck", "auc", "head_sizes", "pck", "pck_curve"]

MPII_HEAD_FACTOR = 0.6  # MPII's head size is this times the diagonal of the head box


class Pck(NamedTuple):
    """Share of correct keypoints, 0 to 1."""

    per_keypoint: NDArray[np.float64]  # (K,) NaN where no instance counts
    mean: float  # over keypoints that have a value; NaN if none has
    weighted: float  # over all counted points: each keypoint weighs as often as it is labelled
    counts: NDArray[np.intp]  # (K,) instances that count


def pck(
    distance: NDArray[np.float64],
    threshold: float,
    *,
    inclusive: bool = False,
    counted: NDArray[np.bool_] | None = None,
) -> Pck:
    """Return the share of distances (N, K) below `threshold`; NaN is left out, inf is wrong.

    Args:
        distance: over the normaliser, as `distances` gives it.
        threshold: share of the normaliser.
        inclusive: a distance equal to the threshold is correct (MPII's rule).
        counted: (K,) keypoints that take part in the means; all by default.

    >>> pck(np.array([[0.1, np.nan], [0.3, 0.1]]), 0.2).per_keypoint.tolist()
    [0.5, 1.0]
    """
    check_array("distance", distance, "(N, K)")
    defined = ~np.isnan(distance)
    correct = distance <= threshold if inclusive else distance < threshold
    right, counts = (correct & defined).sum(axis=0), defined.sum(axis=0)
    share = np.where(counts > 0, right / np.maximum(counts, 1), np.nan)
    used = (counts > 0) if counted is None else (counts > 0) & counted
    total = counts[used].sum()
    return Pck(
        per_keypoint=share,
        mean=float(share[used].mean()) if used.any() else float("nan"),
        weighted=float((share[used] * (counts[used] / total)).sum()) if total else float("nan"),
        counts=counts,
    )


def pck_curve(
    distance: NDArray[np.float64], thresholds: NDArray[np.float64], *, inclusive: bool = False
) -> NDArray[np.float64]:
    """Return the mean over keypoints of PCK at each threshold (T,), NaN if nothing counts."""
    values = [pck(distance, float(t), inclusive=inclusive).mean for t in thresholds]
    return np.array(values, dtype=np.float64)


def auc(distance: NDArray[np.float64], num_thresholds: int = 20) -> float:
    """Return the mean of PCK at the thresholds 0, 1/T, ..., (T - 1)/T; NaN if nothing counts.

    `distance` (N, K) is over the largest error of the curve: 30 pixels for hands.

    Raises:
        OptionError: fewer than one threshold.

    References:
        Zimmermann and Brox, "Learning to Estimate 3D Hand Pose", ICCV 2017, arXiv:1705.01389.
    """
    if num_thresholds < 1:
        raise OptionError(f"num_thresholds: expected 1 or more, got {num_thresholds}")
    return float(pck_curve(distance, np.arange(num_thresholds) / num_thresholds).mean())


def head_sizes(
    head_boxes: NDArray[np.float64], factor: float = MPII_HEAD_FACTOR
) -> NDArray[np.float64]:
    """Return MPII's head size (N,), pixels: `factor` times the diagonal of a head box (N, 4), xywh.

    >>> head_sizes(np.array([[10.0, 10.0, 30.0, 40.0]])).tolist()
    [30.0]
    """
    check_array("head_boxes", head_boxes, "(N, 4)")
    size: NDArray[np.float64] = factor * np.linalg.norm(head_boxes[:, 2:], axis=1)
    return size

"""Object keypoint similarity (OKS) of many pairs at once.

Axes: G ground truths, D predictions, K keypoints, P pairs. NumPy only.

A pair's similarity is ``mean_k exp(-d_k^2 / (2 area (2 sigma_k)^2))`` over the labelled keypoints
of the ground truth. The order of every sum is that of COCO's evaluation, so that figures agree to
the last bit.

References:
    Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", ICCV
    2017; the evaluation page of cocodataset.org.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._array import check_array
from kptdata.errors import OptionError
from kptdata.metrics._runs import runs

__all__ = ["OksTargets", "check_sigmas", "oks_matrix", "oks_of_pairs"]

_CELLS = 1 << 16  # keypoints of one batch of pairs: few enough to stay in the cache
_EPS = np.spacing(1.0)


class OksTargets(NamedTuple):
    """What the similarity is measured against."""

    xy: NDArray[np.float64]  # (G, K, 2) pixels; ignored where not labelled
    labelled: NDArray[np.bool_]  # (G, K)
    area: NDArray[np.float64]  # (G,) square pixels
    bbox: NDArray[np.float64]  # (G, 4) xywh; read only where nothing is labelled


def check_sigmas(sigmas: NDArray[np.float64], num_keypoints: int) -> NDArray[np.float64]:
    """Return `sigmas` as float64 (K,).

    Raises:
        OptionError: not one finite, positive number per keypoint.
    """
    values = np.asarray(sigmas, dtype=np.float64)
    if values.shape != (num_keypoints,):
        raise OptionError(
            f"sigmas: expected {num_keypoints} numbers, one per keypoint, got {values.size}; "
            "give the schema's own, uniform:<value> or borrow:<schema>"
        )
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if bad.size:
        raise OptionError(
            f"sigmas: expected finite numbers above 0, got {values[bad[0]]} for keypoint {bad[0]}"
        )
    return values


def oks_of_pairs(
    targets: OksTargets,
    xy: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    target_row: NDArray[np.intp],
    row: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the similarity (P,), 0 to 1, of `xy[row]` to `targets[target_row]`.

    A ground truth without a labelled keypoint is compared by its box grown by its own size on each
    side: keypoints inside are at distance 0. A predicted NaN keypoint has similarity 0.

    Args:
        targets: ground truths.
        xy: (D, K, 2) predicted points, pixels.
        sigmas: (K,) standard deviations of the annotation, as fractions of the object's size.
        target_row: (P,) rows of `targets`.
        row: (P,) rows of `xy`.
    """
    variances = (sigmas * 2) ** 2
    labelled_count = targets.labelled.sum(axis=1)[target_row]
    order = np.argsort(labelled_count.astype(np.int16), kind="stable")
    out = np.zeros(len(order))
    batch = max(1, _CELLS // max(1, xy.shape[1]))
    for start, stop in runs(labelled_count[order]):
        points = int(labelled_count[order[start]])
        for at in range(start, stop, batch):
            pairs = order[at : min(at + batch, stop)]
            similarity = _similarity(targets, xy, variances, target_row[pairs], row[pairs], points)
            out[pairs] = similarity
    return out


def _similarity(
    targets: OksTargets,
    xy: NDArray[np.float64],
    variances: NDArray[np.float64],
    target_row: NDArray[np.intp],
    row: NDArray[np.intp],
    points: int,
) -> NDArray[np.float64]:
    """Similarity of pairs whose ground truths all have this number of labelled points.

    Equal counts make equal rows, so that each row is summed in the order of a sum of its own.
    """
    found = xy[row]
    if points == 0:
        bbox = targets.bbox[target_row]
        error = np.square(_beyond(found[..., 0], bbox[:, 0], bbox[:, 2]))
        error += np.square(_beyond(found[..., 1], bbox[:, 1], bbox[:, 3]))
    else:
        found -= targets.xy[target_row]
        found *= found
        error = found[..., 0] + found[..., 1]
    error /= variances
    error /= targets.area[target_row, None] + _EPS
    error *= -0.5
    if 0 < points < xy.shape[1]:
        error = error[targets.labelled[target_row]].reshape(len(row), points)
    np.exp(error, out=error)
    total: NDArray[np.float64] = error.sum(axis=1)
    if np.isnan(total).any():
        total = np.nan_to_num(error).sum(axis=1)
    return total / max(1, error.shape[1])


def _beyond(
    values: NDArray[np.float64], start: NDArray[np.float64], side: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance (P, K) along one axis to the side of a box, grown by its own length at both ends."""
    below = (start - side)[:, None] - values
    np.maximum(below, 0, out=below)
    above = values - (start + side * 2)[:, None]
    np.maximum(above, 0, out=above)
    below += above
    return below


def oks_matrix(
    targets: OksTargets, xy: NDArray[np.float64], sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the similarity (D, G) of every prediction to every ground truth.

    Raises:
        ArrayError: shapes do not fit.
        OptionError: `sigmas` is not one positive number per keypoint.

    >>> seen, area = np.ones((1, 1), bool), np.array([100.0])
    >>> one = OksTargets(np.zeros((1, 1, 2)), seen, area, np.zeros((1, 4)))
    >>> oks_matrix(one, np.zeros((2, 1, 2)), np.array([0.1])).tolist()
    [[1.0], [1.0]]
    """
    check_array("xy", xy, "(D, K, 2)")
    count, keypoints = targets.labelled.shape
    check_array("targets.xy", targets.xy, (count, keypoints, 2))
    check_array("xy", xy, (len(xy), keypoints, 2))
    row, target_row = np.divmod(np.arange(len(xy) * count), max(1, count))
    flat = oks_of_pairs(targets, xy, check_sigmas(sigmas, keypoints), target_row, row)
    return flat.reshape(len(xy), count)

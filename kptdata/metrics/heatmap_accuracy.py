"""Accuracy while training: PCK between the peaks of predicted and target heatmaps or SimCC vectors.

Axes: N instances, K keypoints, H and W of the map. Works on NumPy arrays and torch tensors.
This is a quick sign of progress, in cells of the map; it is not the PCK of an evaluation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from kptdata._array import Array, check_array

__all__ = ["Accuracy", "heatmap_accuracy", "simcc_accuracy"]


class Accuracy(NamedTuple):
    """Share of correct peaks, 0 to 1."""

    per_keypoint: Any  # (K,) NaN where no instance counts
    mean: Any  # scalar array, over keypoints that have a value; 0 if none has
    count: Any  # scalar array, number of keypoints that have a value


def heatmap_accuracy(
    output: Array,
    target: Array,
    labelled: Array,
    threshold: float = 0.05,
    *,
    reference: bool = False,
) -> Accuracy:
    """Compare the peaks of `output` and `target`, both (N, K, H, W).

    A peak is correct if its distance to the target's, x over the width and y over the height of the
    map, is below `threshold`. A map without a positive value has its peak at (-1, -1).

    Args:
        output: predicted maps.
        target: maps made from the labels.
        labelled: (N, K) bool, which points count.
        threshold: share of the map's size.
        reference: divide x by the height and y by the width, as MMPose does.

    Raises:
        ArrayError: shapes do not fit.
    """
    check_array("output", output, "(N, K, H, W)")
    check_array("target", target, output.shape)
    height, width = output.shape[-2:]
    size = (height, width) if reference else (width, height)
    return _accuracy(_peaks(output), _peaks(target), labelled, size, threshold)


def simcc_accuracy(
    x: Array, y: Array, target: Array, labelled: Array, split_ratio: float, threshold: float = 0.05
) -> Accuracy:
    """Compare the peaks of SimCC vectors `x` (N, K, Wx) and `y` (N, K, Wy) with points.

    Args:
        x: predicted distribution over columns, `split_ratio` bins per pixel.
        y: predicted distribution over rows.
        target: (N, K, 2) true points, pixels of the input.
        labelled: (N, K) bool, which points count.
        split_ratio: bins per pixel.
        threshold: share of the input's size.

    Raises:
        ArrayError: shapes do not fit.
    """
    check_array("x", x, "(N, K, W)")
    check_array("y", y, "(N, K, H)")
    check_array("target", target, (*x.shape[:-1], 2))
    xp = array_namespace(x, y)
    peak = xp.stack([xp.argmax(x, axis=-1), xp.argmax(y, axis=-1)], axis=-1)
    peak = xp.astype(peak, target.dtype)
    lowest = xp.minimum(xp.max(x, axis=-1), xp.max(y, axis=-1))
    peak = xp.where((lowest > 0)[..., None], peak, xp.full_like(peak, -1.0)) / split_ratio
    size = (int(x.shape[-1] / split_ratio), int(y.shape[-1] / split_ratio))
    return _accuracy(peak, target, labelled, size, threshold)


def _peaks(maps: Array) -> Array:
    """(N, K, 2) cell of the highest value, (-1, -1) where none is positive."""
    xp = array_namespace(maps)
    width = maps.shape[-1]
    flat = xp.reshape(maps, (*maps.shape[:-2], maps.shape[-2] * width))
    best = xp.argmax(flat, axis=-1)
    peak = xp.astype(xp.stack([best % width, best // width], axis=-1), maps.dtype)
    return xp.where((xp.max(flat, axis=-1) > 0)[..., None], peak, xp.full_like(peak, -1.0))


def _accuracy(
    xy: Array, truth: Array, labelled: Array, size_wh: tuple[int, int], threshold: float
) -> Accuracy:
    check_array("labelled", labelled, xy.shape[:-1], "bool")
    xp = array_namespace(xy)
    size = xp.asarray(size_wh, dtype=xy.dtype, device=device(xy))
    delta = (xy - truth) / size
    correct = (xp.sum(delta * delta, axis=-1) < threshold**2) & labelled
    counts = xp.astype(xp.sum(xp.astype(labelled, xy.dtype), axis=0), xy.dtype)
    right = xp.sum(xp.astype(correct, xy.dtype), axis=0)
    used = counts > 0
    share = right / xp.where(used, counts, xp.ones_like(counts))
    number = xp.sum(xp.astype(used, xy.dtype))
    mean = xp.sum(share) / xp.clip(number, 1, None)
    undefined = xp.full_like(share, float("nan"))
    return Accuracy(xp.where(used, share, undefined), mean, xp.astype(number, xp.int64))

"""Outputs of a mirrored input, mirrored back, and averaged with those of the input itself."""

from __future__ import annotations

from typing import Any

from kptdata._array import Array, namespace

__all__ = ["mean_of_mirrored", "mirror_coordinates", "mirror_maps", "swap"]


def mirror_maps(maps: Array, swap_indices: Any, *, shift: int = 0, axis: int = -3) -> Array:
    """Mirror maps or rows along their last axis and swap left and right keypoints.

    Args:
        maps: keypoints lie along `axis`, columns along the last.
        swap_indices: (K,) which keypoint each is after mirroring.
        shift: then move everything by so many cells to the right, or to the left if negative; the
            cells at the end are repeated.
        axis: -3 for maps (..., K, H, W), -2 for rows (..., K, W).
    """
    xp = namespace(maps)
    mirrored = xp.flip(swap(maps, swap_indices, axis), axis=-1)
    if shift > 0:
        first = [mirrored[..., :1]] * shift
        return xp.concat([*first, mirrored[..., :-shift]], axis=-1)
    if shift < 0:
        last = [mirrored[..., -1:]] * -shift
        return xp.concat([mirrored[..., -shift:], *last], axis=-1)
    return mirrored


def mirror_coordinates(xy: Array, swap_indices: Any, *, shift: float) -> Array:
    """Mirror fractions of the input size (..., K, D) and swap left and right keypoints.

    ``x`` becomes ``1 - x - shift``; with a shift of one pixel's width that is exactly the mirrored
    pixel.
    """
    xp = namespace(xy)
    swapped = swap(xy, swap_indices, -2)
    return xp.concat([1 - shift - swapped[..., :1], swapped[..., 1:]], axis=-1)


def mean_of_mirrored(output: Array, mirrored: Array) -> Array:
    """Return the average of two outputs for the same input."""
    return 0.5 * (output + mirrored)


def swap(values: Array, swap_indices: Any, axis: int) -> Array:
    """Reorder the keypoints, which lie along `axis`, as mirroring renames them."""
    xp = namespace(values)
    order = xp.asarray(swap_indices, dtype=xp.int64, device=values.device)
    return xp.take(values, order, axis=axis)

"""DARK: a peak between cells, from one Newton step on the logarithm of the smoothed map.

By default only a patch about each peak is smoothed, and a step counts only where the surface is a
summit and the step is at most one cell; the reference smooths the whole map and takes any step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from kptdata._array import Array, blur, constant, divide, namespace, patch_blur
from kptdata.codecs._peaks import Peaks, patches, quarter_shift

__all__ = ["Step", "fall_back", "keep_top", "plain_step", "udp_step"]

# What the reference puts in place of smaller and larger values before the logarithm.
_FLOOR = 1e-10
_UDP_FLOOR, _UDP_CEILING = 1e-3, 50.0
_EPSILON = 2.0**-23
FAINT_STRONG = 0.05, 50.0  # peaks outside are refined like these


class Step(NamedTuple):
    """A refinement of every peak."""

    move: Any  # (..., K, 2) cells, 0 where there is no accepted step
    refused: Any  # (..., K) bool: no summit, or further than a cell


def plain_step(maps: Array, peak: Peaks, kernel_size: int, *, reference: bool) -> Step:
    """Return the step of DARK with second differences over two cells, none near the border.

    Args:
        maps: (..., K, H, W).
        peak: of these maps.
        kernel_size: odd number of cells of the smoothing kernel.
        reference: smooth the whole map, take any step.
    """
    xp = namespace(maps)
    height, width = maps.shape[-2:]
    smooth = _smoothed(maps, peak, 2, kernel_size, reference=reference)
    log = xp.log(xp.where(smooth < _FLOOR, _FLOOR, smooth))
    x, y = peak.place[..., 0], peak.place[..., 1]
    inner = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return _newton(log @ constant(_plain_differences, maps), inner, reference=reference)


def udp_step(maps: Array, peak: Peaks, kernel_size: int, *, reference: bool) -> Step:
    """Return the step of DARK as UDP takes it: differences over one cell, the border repeated.

    Args:
        maps: (..., K, H, W).
        peak: of these maps.
        kernel_size: odd number of cells of the smoothing kernel.
        reference: smooth the whole map, take any step.
    """
    xp = namespace(maps)
    height, width = maps.shape[-2:]
    smooth = _smoothed(maps, peak, 1, kernel_size, reference=reference)
    smooth = xp.where(smooth < _UDP_FLOOR, _UDP_FLOOR, smooth)
    log = xp.log(xp.where(smooth > _UDP_CEILING, _UDP_CEILING, smooth))
    log = _repeat_border(log, peak, width, height)
    slopes = log @ constant(_udp_differences, maps)
    if reference:  # the reference adds float32's epsilon before it inverts
        slopes = slopes + constant(np.array, maps, (0.0, 0.0, _EPSILON, 0.0, _EPSILON))
    return _newton(slopes, None, reference=reference)


def fall_back(
    step: Step, peak: Peaks, width: int, height: int, *, reference: bool
) -> tuple[Any, Any]:
    """Return the moves, the quarter shift where a step was refused, and where that was."""
    if reference:
        return step.move, peak.index < 0  # any step is taken
    xp = namespace(step.move)
    quarter = quarter_shift(peak, width, height)
    return xp.where(step.refused[..., None], quarter, step.move), step.refused


@lru_cache(maxsize=1)
def _plain_differences() -> Any:
    """Return how 5 x 5 cells make the slopes in x, y, xx, xy and yy: (25, 5)."""
    cell = np.eye(25).reshape(5, 5, 25)
    one = 0.5 * (cell[2, 3] - cell[2, 1]), 0.5 * (cell[3, 2] - cell[1, 2])
    across = 0.25 * (cell[2, 4] - 2 * cell[2, 2] + cell[2, 0])
    mixed = 0.25 * (cell[3, 3] - cell[1, 3] - cell[3, 1] + cell[1, 1])
    down = 0.25 * (cell[4, 2] - 2 * cell[2, 2] + cell[0, 2])
    return np.stack([*one, across, mixed, down], axis=-1)


@lru_cache(maxsize=1)
def _udp_differences() -> Any:
    """Return how 3 x 3 cells make the slopes in x, y, xx, xy and yy: (9, 5)."""
    cell = np.eye(9).reshape(3, 3, 9)
    middle, right, left, below, above = cell[1, 1], cell[1, 2], cell[1, 0], cell[2, 1], cell[0, 1]
    mixed = 0.5 * (cell[2, 2] - right - below + 2 * middle - left - above + cell[0, 0])
    return np.stack(
        [
            0.5 * (right - left),
            0.5 * (below - above),
            right - 2 * middle + left,
            mixed,
            below - 2 * middle + above,
        ],
        axis=-1,
    )


def _smoothed(maps: Array, peak: Peaks, radius: int, kernel_size: int, *, reference: bool) -> Any:
    """Return the smoothed neighbourhood of each peak (..., K, (2 r + 1)^2).

    The logarithm's derivatives do not depend on a factor, but what is cut off before it does. As
    the reference does with the whole map, the neighbourhood keeps its maximum; here a peak fainter
    or stronger than that makes sense for is refined like the nearest that is not.
    """
    xp = namespace(maps)
    height, width = maps.shape[-2:]
    if reference:
        smooth = blur(maps, kernel_size)
        kept = divide(xp.max(maps, axis=(-2, -1)), xp.max(smooth, axis=(-2, -1)))
        smooth = xp.reshape(smooth * kept[..., None, None], peak.rows.shape)
        everywhere = peak._replace(rows=smooth, found=peak.index >= 0)
        return patches(everywhere, radius, width, height)
    patch = patches(peak, radius + kernel_size // 2, width, height)
    # Minus infinity times the matrix's zeros would be NaN.
    low = xp.where(peak.found, -1e3 * peak.value, 0.0)[..., None]
    patch = xp.where(patch < low, low, patch)
    smooth = patch @ constant(patch_blur, patch, radius, kernel_size)
    return smooth * keep_top(xp.max(smooth, axis=-1), peak.value)[..., None]


def keep_top(smooth: Array, value: Array) -> Any:
    """Return the factor that brings the maximum of a smoothed neighbourhood back to its `value`."""
    xp = namespace(smooth)
    faint, strong = FAINT_STRONG
    value = xp.where(value > strong, strong, xp.where(value > faint, value, faint))
    return value / xp.where(smooth > 0, smooth, 1.0)


def _repeat_border(log: Array, peak: Peaks, width: int, height: int) -> Array:
    """Put the nearest cell of the map in place of those beyond its border, in (..., K, 9)."""
    xp = namespace(log)
    x, y = peak.place[..., 0, None], peak.place[..., 1, None]
    above, middle, below = log[..., :3], log[..., 3:6], log[..., 6:]
    above = xp.where(y <= 0, middle, above)
    below = xp.where(y >= height - 1, middle, below)
    three = xp.reshape(xp.concat([above, middle, below], axis=-1), (*log.shape[:-1], 3, 3))
    left, middle, right = three[..., 0], three[..., 1], three[..., 2]
    left = xp.where(x <= 0, middle, left)
    right = xp.where(x >= width - 1, middle, right)
    return xp.reshape(xp.stack([left, middle, right], axis=-1), log.shape)


def _newton(slopes: Array, allowed: Array | None, *, reference: bool) -> Step:
    """Return the step to where a surface of second order with slopes (..., K, 5) is level.

    Where not `allowed` there is neither a step nor a refusal.
    """
    xp = namespace(slopes)
    x, y, xx, xy, yy = (slopes[..., which] for which in range(5))
    determinant = xx * yy - xy * xy
    regular = determinant != 0
    move = xp.stack([xy * y - yy * x, xy * x - xx * y], axis=-1)
    move = move / xp.where(regular, determinant, 1.0)[..., None]
    if reference:
        taken = regular
    else:
        # A determinant above 0 and one negative curvature: the Hessian is negative definite.
        near = move[..., 0] * move[..., 0] + move[..., 1] * move[..., 1] <= 1
        taken = (xx < 0) & (determinant > 0) & near
    refused = ~taken
    if allowed is not None:
        taken, refused = taken & allowed, refused & allowed
    return Step(xp.where(taken[..., None], move, 0.0), refused)

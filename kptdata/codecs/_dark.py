"""DARK: a peak between cells, from one Newton step on the logarithm of the smoothed map.

By default only a patch about each peak is smoothed, and a step counts only where the surface is a
summit and the step is at most one cell; the reference smooths the whole map and takes any step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kptdata._array import Array, asarray_like, blur, divide, namespace, patch_blur
from kptdata.codecs._peaks import Peaks, patches

__all__ = ["Step", "plain_step", "udp_step"]

# What the reference puts in place of smaller values before the logarithm.
_FLOOR = 1e-10
_UDP_FLOOR, _UDP_CEILING = 1e-3, 50.0


class Step(NamedTuple):
    """A refinement of every peak."""

    x: Any  # (..., K) cells, 0 where there is no accepted step
    y: Any  # (..., K)
    refused: Any  # (..., K) bool: no summit, or further than a cell


class _Slopes(NamedTuple):
    x: Any
    y: Any
    xx: Any
    xy: Any
    yy: Any


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
    log = xp.log(_at_least(_smoothed(maps, peak, 2, kernel_size, reference=reference), _FLOOR))
    slopes = _Slopes(
        0.5 * (log[..., 2, 3] - log[..., 2, 1]),
        0.5 * (log[..., 3, 2] - log[..., 1, 2]),
        0.25 * (log[..., 2, 4] - 2 * log[..., 2, 2] + log[..., 2, 0]),
        0.25 * (log[..., 3, 3] - log[..., 1, 3] - log[..., 3, 1] + log[..., 1, 1]),
        0.25 * (log[..., 4, 2] - 2 * log[..., 2, 2] + log[..., 0, 2]),
    )
    x, y = peak.x, peak.y
    inner = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return _newton(slopes, inner, reference=reference)


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
    log = xp.log(_at_most(_at_least(smooth, _UDP_FLOOR), _UDP_CEILING))
    log = _repeat_border(log, peak, width, height)
    middle = log[..., 1, 1]
    right, left = log[..., 1, 2], log[..., 1, 0]
    below, above = log[..., 2, 1], log[..., 0, 1]
    slopes = _Slopes(
        0.5 * (right - left),
        0.5 * (below - above),
        right - 2 * middle + left,
        0.5 * (log[..., 2, 2] - right - below + middle + middle - left - above + log[..., 0, 0]),
        below - 2 * middle + above,
    )
    if reference:
        epsilon = 1.1920929e-07  # of float32: regularises the reference's inverse
        slopes = slopes._replace(xx=slopes.xx + epsilon, yy=slopes.yy + epsilon)
    everywhere = peak.x >= (-1 if reference else 0)
    return _newton(slopes, everywhere, reference=reference)


def _smoothed(maps: Array, peak: Peaks, radius: int, kernel_size: int, *, reference: bool) -> Array:
    """Return the smoothed neighbourhood of each peak (..., K, 2 r + 1, 2 r + 1).

    The logarithm's derivatives do not depend on a factor. The reference scales so that smoothing
    keeps the maximum of the map; here the highest cell of the neighbourhood becomes 1, so that a
    faint map is refined like a strong one.
    """
    xp = namespace(maps)
    if reference:
        smooth = blur(maps, kernel_size)
        kept = divide(xp.max(maps, axis=(-2, -1)), xp.max(smooth, axis=(-2, -1)))
        return patches(smooth * kept[..., None, None], peak, radius)
    patch = patches(maps, peak, radius + kernel_size // 2)
    shape = (*patch.shape[:-2], 2 * radius + 1, 2 * radius + 1)
    row = xp.reshape(patch, (*patch.shape[:-2], patch.shape[-1] ** 2))
    row = _at_least(row, -1e3 * peak.value[..., None])  # minus infinity would turn zeros to NaN
    row = row @ asarray_like(patch_blur(radius, kernel_size), row)
    top = xp.max(row, axis=-1)
    return xp.reshape(row / xp.where(top > 0, top, 1.0)[..., None], shape)


def _repeat_border(log: Array, peak: Peaks, width: int, height: int) -> Array:
    """Put the nearest cell of the map in place of those beyond its border, in (..., K, 3, 3)."""
    xp = namespace(log)
    x, y = peak.x[..., None], peak.y[..., None]
    left = xp.where(x <= 0, log[..., 1], log[..., 0])
    right = xp.where(x >= width - 1, log[..., 1], log[..., 2])
    log = xp.stack([left, log[..., 1], right], axis=-1)
    above = xp.where(y <= 0, log[..., 1, :], log[..., 0, :])
    below = xp.where(y >= height - 1, log[..., 1, :], log[..., 2, :])
    return xp.stack([above, log[..., 1, :], below], axis=-2)


def _newton(slopes: _Slopes, allowed: Array, *, reference: bool) -> Step:
    xp = namespace(slopes.x)
    determinant = slopes.xx * slopes.yy - slopes.xy * slopes.xy
    regular = determinant != 0
    safe = xp.where(regular, determinant, 1.0)
    x = (slopes.xy * slopes.y - slopes.yy * slopes.x) / safe
    y = (slopes.xy * slopes.x - slopes.xx * slopes.y) / safe
    if reference:
        taken = allowed & regular
    else:
        # A determinant above 0 and one negative curvature: the Hessian is negative definite.
        summit = (slopes.xx < 0) & (determinant > 0)
        taken = allowed & summit & (x * x + y * y <= 1)
    return Step(xp.where(taken, x, 0.0), xp.where(taken, y, 0.0), allowed & ~taken)


def _at_least(values: Array, low: Array | float) -> Array:
    xp = namespace(values)
    return xp.where(values < low, low, values)


def _at_most(values: Array, high: float) -> Array:
    xp = namespace(values)
    return xp.where(values > high, high, values)

"""Where a heatmap is highest, and its neighbourhood."""

from __future__ import annotations

from typing import Any, NamedTuple

from kptdata._array import Array, cells, gather, namespace, peaks


class Peaks(NamedTuple):
    """The highest cell of every map.

    A map without a positive finite peak, or with the same value everywhere, has none: `found` is
    False there, and `x` and `y` are meaningless (-1 for the reference).
    """

    x: Any  # (..., K) integer column
    y: Any  # (..., K) integer row
    value: Any  # (..., K)
    found: Any  # (..., K) bool


def find_peaks(maps: Array, *, reference: bool = False) -> Peaks:
    """Find the highest cell of each map (..., K, H, W); of equal cells the first, row by row."""
    xp = namespace(maps)
    height, width = maps.shape[-2:]
    index, value, flat = peaks(xp.reshape(maps, (*maps.shape[:-2], height * width)))
    y = index // width
    x = index - y * width
    found = xp.isfinite(value) & (value > 0) & ~flat
    if reference:
        nowhere = value <= 0
        x, y = xp.where(nowhere, -1, x), xp.where(nowhere, -1, y)
    return Peaks(x, y, value, found)


def patches(maps: Array, peak: Peaks, radius: int) -> Array:
    """Cut patches (..., K, 2 r + 1, 2 r + 1) about the peaks; beyond the border they are 0."""
    xp = namespace(maps)
    height, width = maps.shape[-2:]
    reach = cells(2 * radius + 1, peak.x) - radius
    x, y = peak.x[..., None] + reach, peak.y[..., None] + reach
    x_in, y_in = (x >= 0) & (x < width), (y >= 0) & (y < height)
    index = xp.where(y_in, y, 0)[..., :, None] * width + xp.where(x_in, x, 0)[..., None, :]
    side = 2 * radius + 1
    flat_index = xp.reshape(index, (*index.shape[:-2], side * side))
    flat_maps = xp.reshape(maps, (*maps.shape[:-2], height * width))
    patch = xp.reshape(gather(flat_maps, flat_index), index.shape)
    return xp.where(y_in[..., :, None] & x_in[..., None, :], patch, 0.0)


def quarter_shift(maps: Array, peak: Peaks, noise: float = 0.0) -> tuple[Array, Array]:
    """Return 0.25 of a cell toward the higher neighbour, in x and in y (..., K).

    As in the reference there is none in the first two columns and the last, nor in the first row;
    the same for rows.

    Args:
        maps: (..., K, H, W).
        peak: of these maps.
        noise: neighbours are equal that differ by no more than this part of the peak.
    """
    height, width = maps.shape[-2:]
    x, y = peak.x, peak.y
    beside = patches(maps, peak, 1)
    least = peak.value * noise
    across = (x > 1) & (x < width - 1) & (y > 0)
    down = (y > 1) & (y < height - 1) & (x > 0)
    return (
        _quarter(beside[..., 1, 2], beside[..., 1, 0], across, least),
        _quarter(beside[..., 2, 1], beside[..., 0, 1], down, least),
    )


def _quarter(after: Array, before: Array, allowed: Array, least: Array) -> Array:
    # Comparisons and not the sign of a difference: infinite neighbours give no NaN.
    xp = namespace(least)
    higher = xp.astype((after > before + least) & allowed, least.dtype)
    lower = xp.astype((before > after + least) & allowed, least.dtype)
    return 0.25 * (higher - lower)


def settle(x: Array, y: Array, peak: Peaks, *, reference: bool) -> tuple[Array, Array, Array]:
    """Return `x`, `y` and the score; where nothing was found NaN and 0, but for the reference."""
    if reference:
        return x, y, peak.value
    xp = namespace(peak.value)
    nan = float("nan")
    return (
        xp.where(peak.found, x, nan),
        xp.where(peak.found, y, nan),
        xp.where(peak.found, peak.value, 0.0),
    )

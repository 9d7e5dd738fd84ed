"""Where a heatmap is highest, and its neighbourhood. What depends on the cell is looked up."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from kptdata._array import Array, cells, constant, gather_near, namespace, peaks


class Peaks(NamedTuple):
    """The highest cell of every map.

    A map without a positive finite peak, or with the same value everywhere, has none: `found` is
    False there. For the reference a map without a positive cell has its peak at (-1, -1).
    """

    rows: Any  # (..., K, H W) the maps
    index: Any  # (..., K) into the row
    place: Any  # (..., K, 2) x and y, cells
    value: Any  # (..., K)
    found: Any  # (..., K) bool


def find_peaks(maps: Array, *, reference: bool = False) -> Peaks:
    """Find the highest cell of each map (..., K, H, W); of equal cells the first, row by row."""
    xp = namespace(maps)
    height, width = maps.shape[-2:]
    rows = xp.reshape(maps, (*maps.shape[:-2], height * width))
    index, value, flat = peaks(rows)
    found = xp.isfinite(value) & (value > 0) & ~flat
    place = constant(_places, maps, width, height)[index]
    if reference:
        nowhere = value <= 0
        index = xp.where(nowhere, 0, index)
        place = xp.where(nowhere[..., None], -1.0, place)
    return Peaks(rows, index, place, value, found)


@lru_cache(maxsize=16)
def _places(width: int, height: int) -> Any:
    """Return x and y of every cell: (S, 2)."""
    y, x = np.divmod(np.arange(width * height), width)
    return np.stack([x, y], axis=-1)


@lru_cache(maxsize=16)
def _quarters(width: int, height: int) -> Any:
    """Return the shift that each cell may take in x and in y, a quarter or none: (S, 2).

    As in the reference there is none in the first two columns and the last, nor in the first row;
    the same for rows.
    """
    x, y = _places(width, height).T
    across = (x > 1) & (x < width - 1) & (y > 0)
    down = (y > 1) & (y < height - 1) & (x > 0)
    return 0.25 * np.stack([across, down], axis=-1)


def patches(peak: Peaks, radius: int, width: int, height: int) -> Any:
    """Cut patches (..., K, (2 r + 1)^2) about the peaks; 0 beyond the border and of no peak."""
    xp = namespace(peak.value)
    side = 2 * radius + 1
    reach = cells(side, peak.index) - radius
    offset = xp.reshape(reach[:, None] * width + reach, (side * side,))
    near = gather_near(peak.rows, peak.index[..., None] + offset)
    column = peak.place[..., None] + xp.astype(reach, peak.value.dtype)  # (..., K, 2, side)
    x, y = column[..., 0, :], column[..., 1, :]
    x_in = (x >= 0) & (x < width) & peak.found[..., None]
    y_in = (y >= 0) & (y < height)
    inside = xp.reshape(y_in[..., :, None] & x_in[..., None, :], near.shape)
    return xp.where(inside, near, 0.0)


def quarter_shift(peak: Peaks, width: int, height: int, noise: float = 0.0) -> Any:
    """Return 0.25 of a cell toward the higher neighbour, in x and in y: (..., K, 2).

    Args:
        peak: of maps of `width` and `height`.
        width: cells of the maps.
        height: cells of the maps.
        noise: neighbours are equal that differ by no more than this part of the peak.
    """
    xp = namespace(peak.value)
    beside = constant(np.array, peak.index, (1, width, -1, -width))
    near = gather_near(peak.rows, peak.index[..., None] + beside)
    after, before = near[..., :2], near[..., 2:]
    dtype = peak.value.dtype
    # Comparisons and not the sign of a difference: infinite neighbours give no NaN.
    if noise:
        least = (peak.value * noise)[..., None]
        higher, lower = after > before + least, before > after + least
    else:
        higher, lower = after > before, before > after
    way = xp.astype(higher, dtype) - xp.astype(lower, dtype)
    return way * constant(_quarters, peak.value, width, height)[peak.index]


def settle(place: Array, peak: Peaks, *, reference: bool) -> tuple[Any, Any]:
    """Return `place` (..., K, 2) and the score; where nothing was found NaN and 0.

    The reference gives what it has.
    """
    if reference:
        return place, peak.value
    xp = namespace(peak.value)
    return (
        xp.where(peak.found[..., None], place, float("nan")),
        xp.where(peak.found, peak.value, 0.0),
    )

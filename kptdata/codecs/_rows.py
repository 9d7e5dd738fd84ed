"""Where a row of bins is highest, and DARK in one dimension."""

from __future__ import annotations

from typing import Any, NamedTuple

from kptdata._array import (
    Array,
    band_matrix,
    cells,
    constant,
    divide,
    gather,
    namespace,
    patch_blur,
    peaks,
)
from kptdata.codecs._dark import keep_top

_FLOOR, _CEILING = 1e-3, 50.0  # what the reference cuts values to before the logarithm


class Summit(NamedTuple):
    """The highest bin of every row, perhaps between bins."""

    row: Any  # (..., S) as it came; for the reference's DARK its logarithm
    index: Any  # (...) integer bin; -1 where the reference finds none
    place: Any  # (...) the same as a number of the rows' dtype, perhaps refined
    value: Any  # (...)
    found: Any  # (...) bool: positive, finite, and the row is not the same everywhere
    refused: Any  # (...) bool: a DARK step was not taken


def find_summit(row: Array) -> Summit:
    """Find the highest bin of each row (..., S)."""
    xp = namespace(row)
    index, value, flat = peaks(row)
    found = xp.isfinite(value) & (value > 0) & ~flat
    return Summit(row, index, xp.astype(index, row.dtype), value, found, index < 0)


def nowhere(summit: Summit, where: Array) -> Summit:
    """Return the summit with the reference's bin -1 `where` (...) it finds nothing."""
    xp = namespace(summit.row)
    index = xp.where(where, -1, summit.index)
    return summit._replace(index=index, place=xp.astype(index, summit.row.dtype))


def refine_row(summit: Summit, kernel_size: int, *, reference: bool) -> Summit:
    """Move a summit by DARK's step along the row.

    Args:
        summit: of the rows.
        kernel_size: odd width of the smoothing, bins.
        reference: smooth the whole row and take any step.
    """
    xp = namespace(summit.row)
    if reference:
        row = _log_of_smoothed(summit.row, kernel_size)
        near = _reference_stretch(row, summit.index)
    else:
        row = summit.row
        near = _log_about(summit, kernel_size)
    slope = 0.5 * (near[..., 3] - near[..., 1])
    bend = 1e-9 + 0.25 * (near[..., 4] - 2 * near[..., 2] + near[..., 0])
    step = -slope / xp.where(bend == 0, 1.0, bend)
    if reference:
        return summit._replace(row=row, place=summit.place + step)
    taken = (bend < 0) & (xp.abs(step) <= 1)
    moved = xp.where(taken, step, _quarter(summit))
    return summit._replace(place=summit.place + moved, refused=~taken)


def _log_of_smoothed(row: Array, kernel_size: int) -> Array:
    xp = namespace(row)
    smooth = row @ constant(band_matrix, row, row.shape[-1], kernel_size, "zero").T
    smooth = smooth * divide(xp.max(row, axis=-1), xp.max(smooth, axis=-1))[..., None]
    return xp.log(_between(smooth))


def _reference_stretch(log: Array, index: Array) -> Any:
    """Return five bins about `index`, the border repeated twice; at bin -1 the reference wraps."""
    size = log.shape[-1]
    xp = namespace(log)
    padded = (index[..., None] + cells(5, index)) % (size + 4) - 2
    padded = xp.where(padded < 0, 0, xp.where(padded > size - 1, size - 1, padded))
    return gather(log, padded)


def _log_about(summit: Summit, kernel_size: int) -> Any:
    """Return the logarithm of five smoothed bins about each summit, the border repeated."""
    row, place = summit.row, summit.index
    xp = namespace(row)
    size = row.shape[-1]
    reach = 2 + kernel_size // 2
    index = place[..., None] + (cells(2 * reach + 1, place) - reach)
    inside = (index >= 0) & (index < size) & summit.found[..., None]
    stretch = xp.where(inside, gather(row, xp.where(inside, index, 0)), 0.0)
    # Minus infinity would turn the zeros of the product into NaN.
    low = xp.where(summit.found, -1e3 * summit.value, 0.0)[..., None]
    stretch = xp.where(stretch < low, low, stretch)
    smooth = stretch @ constant(patch_blur, row, 2, kernel_size, 1)
    smooth = smooth * keep_top(xp.max(smooth, axis=-1), summit.value)[..., None]
    nearest = place[..., None] + (cells(5, place) - 2)
    nearest = xp.where(nearest < 0, 0, xp.where(nearest > size - 1, size - 1, nearest))
    return xp.log(_between(gather(smooth, nearest - place[..., None] + 2)))


def _between(values: Array) -> Array:
    xp = namespace(values)
    return xp.where(values < _FLOOR, _FLOOR, xp.where(values > _CEILING, _CEILING, values))


def _quarter(summit: Summit) -> Any:
    """Return a quarter of a bin toward the higher neighbour."""
    row, place = summit.row, summit.index
    xp = namespace(row)
    size = row.shape[-1]
    after = gather(row, xp.where(place + 1 < size, place + 1, place)[..., None])[..., 0]
    before = gather(row, xp.where(place > 0, place - 1, place)[..., None])[..., 0]
    higher, lower = (xp.astype(way, row.dtype) for way in (after > before, after < before))
    return 0.25 * (higher - lower)

"""Gaussian targets as products of one row and one column: each map is written once."""

from __future__ import annotations

from typing import Any, NamedTuple

from kptdata._array import Array, cells, exp, gather, interleave, namespace


class Rows(NamedTuple):
    """One axis of the gaussians of all keypoints."""

    values: Any  # (..., S)
    seen: Any  # (...) bool: some of it lies on the map


def patch_rows(x: Array, size: int, sigma: float, *, subcell: bool, reference: bool) -> Rows:
    """Return gaussians that end after three sigma, one axis of them.

    The centre is the nearest cell or, with `subcell`, `x` itself; the window is about the nearest
    cell in both. The reference truncates toward zero, so that with a fraction in three sigma or
    left of the map its peaks are one cell off; `reference` repeats that.

    Args:
        x: (...) centres in cells, finite.
        size: cells of the axis.
        sigma: standard deviation in cells.
        subcell: whether the peak lies between cells.
        reference: whether to truncate like the reference.
    """
    xp = namespace(x)
    radius = 3 * sigma
    whole = xp.trunc if reference else xp.floor
    nearest = whole(x + 0.5)
    left, right = whole(nearest - radius), whole(nearest + (radius + 1))
    peak = left + (2 * radius + 1) // 2 if reference else nearest
    if subcell:
        peak = peak + (x - nearest)
    cell = cells(size, x)
    away = cell - peak[..., None]
    curve = exp(away * away * (-0.5 / sigma**2))
    inside = (cell >= left[..., None]) & (cell < right[..., None])
    seen = (left < size) & ((right >= 0) if reference else (right > 0))
    return Rows(xp.where(inside, curve, 0.0), seen)


def full_rows(x: Array, size: int, sigma: float) -> Rows:
    """Return gaussians about `x` over the whole axis; a keypoint counts up to three sigma outside.

    What is below 1e-18 of the peak is 0, so that no product is too small for the dtype to hold in
    full: such numbers make whatever reads them slow.
    """
    xp = namespace(x)
    away = cells(size, x) - x[..., None]
    exponent = away * away * (-0.5 / sigma**2)
    curve = xp.where(exponent > -41.0, exp(exponent), 0.0)
    radius = 3 * sigma
    return Rows(curve, (x - radius < size) & (x + (radius + 1) >= 0))


def merge(column: Array, row: Array) -> Array:
    """Multiply columns (..., N, K, H) and rows (..., N, K, W) to maps (..., K, H, W).

    Of several people the higher value counts; nobody gives zeros.
    """
    xp = namespace(row)
    people = row.shape[-3]
    if people == 1:
        return column[..., 0, :, :, None] * row[..., 0, :, None, :]
    maps = column[..., :, None] * row[..., None, :]
    if people == 0:
        return xp.sum(maps, axis=-4)
    return xp.max(maps, axis=-4)


def merge_discs(x: Array, y: Array, x2: Array, y2: Array) -> Array:
    """Draw discs of radius 1 and the offsets in x and y: (..., 3 K, H, W).

    Of several people the discs are united and each cell holds the offsets of the nearest.

    Args:
        x: (..., N, K, W) offsets in radii; `y` (..., N, K, H).
        y: see `x`.
        x2: squares of `x`, large for people that do not count; `y2` those of `y`.
        y2: see `x2`.
    """
    xp = namespace(x)
    people = x.shape[-3]
    distance = y2[..., :, None] + x2[..., None, :]  # (..., N, K, H, W)
    if people == 1:
        across, down, disc = x[..., 0, :, None, :], y[..., 0, :, :, None], distance[..., 0, :, :, :]
    elif people == 0:
        zero = xp.sum(distance, axis=-4)
        across = down = zero
        disc = zero + 2
    else:
        nearest = xp.argmin(distance, axis=-4)[..., None, :, :, :]
        across = gather(xp.broadcast_to(x[..., :, None, :], distance.shape), nearest, -4)[
            ..., 0, :, :, :
        ]
        down = gather(xp.broadcast_to(y[..., :, None], distance.shape), nearest, -4)[
            ..., 0, :, :, :
        ]
        disc = xp.min(distance, axis=-4)
    return interleave(xp.astype(disc <= 1, x.dtype), across, down)

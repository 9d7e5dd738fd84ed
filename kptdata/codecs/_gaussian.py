"""Gaussian targets as products of one row and one column: each map is written once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from kptdata._array import (
    Array,
    Stamps,
    asarray_like,
    cells,
    exp,
    gather,
    namespace,
    outer,
    stack_maps,
    stamp,
)


class Factors(NamedTuple):
    """Rows and columns whose products are the maps of all keypoints.

    Where `corner` is None they span the map; else they are patches whose first cell is there.
    """

    rows: Any  # (..., N, K, W) or (..., N, K, n)
    columns: Any  # (..., N, K, H) or (..., N, K, n)
    corner: Any  # (..., N, K, 2) integer x and y, or None
    seen: Any  # (..., N, K) bool: some of the gaussian lies on the map

    def hide(self, known: Any) -> Factors:
        """Return the factors with nothing left of keypoints that are not `known` or not seen."""
        seen = self.seen & known
        rows = namespace(self.rows).where(seen[..., None], self.rows, 0.0)
        return self._replace(rows=rows, seen=seen)


def window(
    place: Array, size: tuple[int, ...], sigma: float, *, subcell: bool, reference: bool
) -> Factors:
    """Return gaussians that end after three sigma.

    The centre is the nearest cell or, with `subcell`, `place` itself; the window is about the
    nearest cell in both. The reference truncates toward zero, so that with a fraction in three
    sigma or left of the map its peaks are one cell off; `reference` repeats that.

    Args:
        place: (..., N, K, 2) centres in cells, finite.
        size: width and height of the maps.
        sigma: standard deviation in cells.
        subcell: whether the peak lies between cells.
        reference: whether to truncate like the reference.
    """
    xp = namespace(place)
    radius = 3 * sigma
    whole = xp.trunc if reference else xp.floor
    nearest = whole(place + 0.5)
    left, right = whole(nearest - radius), whole(nearest + (radius + 1))
    peak = left + (2 * radius + 1) // 2 if reference else nearest
    if subcell:
        peak = peak + (place - nearest)
    limit = asarray_like(size, place)
    seen = (left < limit) & ((right >= 0) if reference else (right > 0))
    seen = seen[..., 0] & seen[..., 1]
    side = math.floor(radius) + math.ceil(radius) + 1
    if side <= min(size):
        first = xp.minimum(xp.maximum(left, xp.zeros_like(left)), limit - side)
        cell = first[..., None] + cells(side, place)
        curves = _curve(cell, peak, left, right, sigma)
        corner = xp.astype(first, xp.int64)
        return Factors(curves[..., 0, :], curves[..., 1, :], corner, seen)
    rows, columns = (
        _curve(cells(size[axis], place), peak[..., axis], left[..., axis], right[..., axis], sigma)
        for axis in (0, 1)
    )
    return Factors(rows, columns, None, seen)


def _curve(cell: Array, peak: Array, left: Array, right: Array, sigma: float) -> Array:
    xp = namespace(cell)
    away = cell - peak[..., None]
    inside = (cell >= left[..., None]) & (cell < right[..., None])
    return xp.where(inside, exp(away * away * (-0.5 / sigma**2)), 0.0)


def everywhere(place: Array, size: tuple[int, ...], sigma: float) -> Factors:
    """Return gaussians over the whole map; a keypoint counts up to three sigma outside.

    What is below 1e-18 of the peak is 0, so that no product is too small for the dtype to hold in
    full: such numbers make whatever reads them slow.
    """
    xp = namespace(place)
    curves = []
    for axis in (0, 1):
        away = cells(size[axis], place) - place[..., axis, None]
        exponent = away * away * (-0.5 / sigma**2)
        curves.append(xp.where(exponent > -41.0, exp(exponent), 0.0))
    radius = 3 * sigma
    seen = (place - radius < asarray_like(size, place)) & (place + (radius + 1) >= 0)
    return Factors(curves[0], curves[1], None, seen[..., 0] & seen[..., 1])


def draw(factors: Factors, size: tuple[int, ...]) -> Any:
    """Multiply rows and columns to maps (..., K, H, W) of `size` (W, H).

    Of several people the higher value counts; nobody gives zeros.
    """
    if factors.corner is None:
        maps = outer(factors.columns, factors.rows)
    else:
        patches = factors.columns[..., :, None] * factors.rows[..., None, :]
        maps = stamp(Stamps(patches, factors.corner), *size)
    return merged(maps, -4)


def merged(maps: Array, axis: int) -> Any:
    """Take the maximum of all people, who lie along `axis`; nobody gives zeros."""
    xp = namespace(maps)
    people = maps.shape[axis]
    if people == 1:  # nothing to compare: no copy
        return xp.squeeze(maps, axis=axis)
    return xp.max(maps, axis=axis) if people else xp.sum(maps, axis=axis)


def discs(place: Array, radius: float, size: tuple[int, ...], shown: Array) -> Any:
    """Draw discs and the offsets in x and y: (..., 3 K, H, W), offsets in radii.

    Of several people the discs are united and each cell holds the offsets of the nearest.

    Args:
        place: (..., N, K, 2) centres in cells, finite.
        radius: of the discs, cells.
        size: width and height of the maps.
        shown: (..., N, K) bool: the others leave nothing.
    """
    xp = namespace(place)
    x, y = ((place[..., axis, None] - cells(size[axis], place)) / radius for axis in (0, 1))
    people = shown.shape[-2]
    if people == 1:
        disc = _disc(place[..., 0, :, :], radius, size, shown[..., 0, :])
        x, y = (xp.where(shown[..., None], offset, 0.0)[..., 0, :, :] for offset in (x, y))
        shape = (*shown.shape[:-2], shown.shape[-1], size[1], size[0])
        return stack_maps(shape, disc, x[..., :, None, :], y[..., :, None])
    return _discs_of_many(x, y, shown)


def _disc(place: Array, radius: float, size: tuple[int, ...], shown: Array) -> Any:
    """Return discs as patches, or as whole maps where a patch would be larger than the map."""
    xp = namespace(place)
    reach = math.ceil(radius) + 1
    side = 2 * reach + 1
    if side > min(size):
        x, y = ((place[..., axis, None] - cells(size[axis], place)) / radius for axis in (0, 1))
        inside = (y * y)[..., :, None] + (x * x)[..., None, :] <= 1
        return xp.astype(inside & shown[..., None, None], place.dtype)
    limit = asarray_like(size, place) - side
    first = xp.minimum(xp.maximum(xp.floor(place) - reach, xp.zeros_like(place)), limit)
    offset = (place[..., None] - (first[..., None] + cells(side, place))) / radius
    square = offset * offset
    inside = square[..., 1, :, None] + square[..., 0, None, :] <= 1
    patch = xp.astype(inside & shown[..., None, None], place.dtype)
    return Stamps(patch, xp.astype(first, xp.int64))


def _discs_of_many(x: Array, y: Array, shown: Array) -> Any:
    xp = namespace(x)
    distance = (y * y)[..., :, None] + (x * x)[..., None, :]
    distance = xp.where(shown[..., None, None], distance, float("inf"))
    if shown.shape[-2] == 0:
        nothing = xp.sum(distance, axis=-4)
        return stack_maps(nothing.shape, nothing, nothing, nothing)
    nearest = xp.argmin(distance, axis=-4)[..., None, :, :, :]
    disc = xp.astype(xp.min(distance, axis=-4) <= 1, x.dtype)
    across, down = (
        gather(_hidden(xp.broadcast_to(offset, distance.shape), shown), nearest, -4)
        for offset in (x[..., :, None, :], y[..., :, None])
    )
    return stack_maps(disc.shape, disc, across[..., 0, :, :, :], down[..., 0, :, :, :])


def _hidden(maps: Array, shown: Array) -> Any:
    return namespace(maps).where(shown[..., None, None], maps, 0.0)

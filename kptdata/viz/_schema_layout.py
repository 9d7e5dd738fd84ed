"""Where a drawing of a schema puts its points: as the schema says, else derived from its links."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.schema import Schema

__all__ = ["reference_layout"]


def reference_layout(schema: Schema) -> NDArray[np.float64]:
    """Return a position (K, 2) in 0..1 for each point: x right, y down, seen from the front.

    The positions are the schema's own (`Keypoint.at`) if it has them all. If not, each connected
    part of the skeleton is spread so that distances follow the number of links between points,
    turned so that pairs lie side by side, and given a cell of a grid.
    """
    stated = [point.at for point in schema.keypoints]
    if all(at is not None for at in stated):
        return np.array(stated, np.float64).reshape(-1, 2)
    parts = _parts(schema)
    columns = ceil(sqrt(len(parts)))
    xy = np.zeros((schema.num_keypoints, 2))
    for cell, rows in enumerate(parts):
        corner = np.array([cell % columns, cell // columns])
        xy[rows] = (corner + 0.1 + 0.8 * _spread(schema, rows)) / columns
    return xy


def _parts(schema: Schema) -> list[list[int]]:
    """Return the rows of each connected part in order; points without any link are one part."""
    part = np.arange(schema.num_keypoints)
    for start, end in schema.link_indices.tolist():
        part[part == part[end]] = part[start]
    found = [np.flatnonzero(part == label).tolist() for label in dict.fromkeys(part.tolist())]
    alone = [row for rows in found for row in rows if len(rows) == 1]
    return [rows for rows in found if len(rows) > 1] + ([alone] if alone else [])


def _spread(schema: Schema, rows: list[int]) -> NDArray[np.float64]:
    """Return positions (n, 2) in 0..1 of one part of the skeleton."""
    if len(rows) == 1:
        return np.full((1, 2), 0.5)
    steps = _steps(schema, rows)
    if not np.isfinite(steps).all():  # points without links: a circle, in order
        turn = 2 * np.pi * np.arange(len(rows)) / len(rows)
        return 0.5 + 0.5 * np.stack([np.sin(turn), -np.cos(turn)], -1)
    xy = _turned(schema, rows, _scaled(steps))
    low, high = xy.min(0), xy.max(0)
    return np.asarray(0.5 + (xy - (low + high) / 2) / max((high - low).max(), 1e-9))


def _steps(schema: Schema, rows: list[int]) -> NDArray[np.float64]:
    """Return how many links lie between any two points (n, n), infinity where there is no way."""
    place = {row: i for i, row in enumerate(rows)}
    steps = np.full((len(rows), len(rows)), np.inf)
    np.fill_diagonal(steps, 0)
    for start, end in schema.link_indices.tolist():
        if start in place:
            steps[place[start], place[end]] = steps[place[end], place[start]] = 1
    for middle in range(len(rows)):
        steps = np.minimum(steps, steps[:, middle, None] + steps[None, middle])
    return steps


def _scaled(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points (n, 2) whose distances come nearest to `steps` (classical scaling)."""
    centre = np.eye(len(steps)) - 1 / len(steps)
    values, vectors = np.linalg.eigh(-0.5 * centre @ steps**2 @ centre)
    return np.asarray(vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0)))


def _turned(schema: Schema, rows: list[int], xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `xy` turned: pairs side by side, left ones on the right, early rows up."""
    place = {row: i for i, row in enumerate(rows)}
    pairs = [
        (place[row], place[swap])
        for row, swap in enumerate(schema.swap_indices.tolist())
        if row in place and swap in place and (row < swap)
    ]
    names = schema.canonical_names
    pairs = [(b, a) if "left" in names[rows[a]] else (a, b) for a, b in pairs]
    if pairs:
        across = (xy[[b for _, b in pairs]] - xy[[a for a, _ in pairs]]).mean(0)
        length = np.hypot(*across)
        if length > 1e-9:
            right = across / length
            xy = np.stack([xy @ right, xy @ np.array([-right[1], right[0]])], -1)
    half = len(rows) // 2
    if xy[:half, 1].mean() > xy[half:, 1].mean():
        xy = xy * [1, -1]
    return xy

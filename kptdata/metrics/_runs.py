"""Runs of equal values in a sorted array: where groups begin and end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["place_in_run", "run_starts", "runs"]


def run_starts(values: NDArray[Any]) -> NDArray[np.intp]:
    """Return the first position of each run of equal neighbours.

    >>> run_starts(np.array([3, 3, 5, 9, 9])).tolist()
    [0, 2, 3]
    """
    new = np.ones(len(values), dtype=bool)
    new[1:] = values[1:] != values[:-1]
    return np.flatnonzero(new)


def runs(values: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Yield the start and stop of each run of equal neighbours."""
    yield from pairwise([*run_starts(values).tolist(), len(values)])


def place_in_run(values: NDArray[Any]) -> NDArray[np.intp]:
    """Return the position of each element within its run of equal neighbours.

    >>> place_in_run(np.array([3, 3, 5, 9, 9])).tolist()
    [0, 1, 0, 0, 1]
    """
    starts = run_starts(values)
    sizes = np.diff(starts, append=len(values))
    return np.arange(len(values)) - np.repeat(starts, sizes)

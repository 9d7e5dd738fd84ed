"""Kinds of COCO values: which JSON is canonical for a typed column, and what the rest still says.

A value that is not canonical keeps its text beside the column, and the text wins on writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, is_missing

__all__ = [
    "Box",
    "Column",
    "Flag",
    "Grid",
    "Identifier",
    "Integer",
    "Kind",
    "Number",
    "Size",
    "Text",
    "Truth",
    "Vector",
]

EXACT = 2.0**53
"""From here on, neighbouring whole numbers are one float64."""


class Column(Protocol):
    """A column under construction, chunk by chunk."""

    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        """Store values of the kind's type (UNSET: absent); return positions that must keep text."""

    def add_texts(self, start: int, texts: Sequence[Any]) -> bool:
        """Store undecoded values if the column has a quick way for them; say whether it had."""

    def finish(self) -> tuple[NDArray[Any], Mapping[int, bytes]]:
        """Return the column, and texts of rows that turned out not to be canonical in it."""


class Kind(Protocol):
    """A kind of value: its type for the decoder, and a column of it."""

    type: Any
    quick: bool  # whether columns may have a quick way for undecoded values

    def column(self, count: int) -> Column:
        """Start a column of `count` rows, all missing."""

    def salvage(self, value: Any) -> Any:
        """Return what a parsed value that is not of the type still says, UNSET if nothing."""

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which rows (n,) of a column hold nothing that can be written."""


class SlowColumn:
    """A column that has no quick way for undecoded values."""

    def add_texts(self, start: int, texts: Sequence[Any]) -> bool:  # noqa: ARG002 - a contract
        """Store nothing."""
        return False


class _Array(SlowColumn):
    """A column that is one array."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def finish(self) -> tuple[NDArray[Any], Mapping[int, bytes]]:
        return self.values, {}

    def _store(self, start: int, values: Sequence[Any], blank: Any) -> None:
        if UnsetType in set(map(type, values)):
            values = [blank if v is UNSET else v for v in values]
        self.values[start : start + len(values)] = values


class _Numbers(_Array):
    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        self._store(start, values, np.nan)
        stored = self.values[start : start + len(values)]
        with np.errstate(invalid="ignore"):
            coarse = np.abs(stored) >= EXACT
        return _positions(coarse)


class Number:
    """A finite number: float64, missing NaN."""

    type: Any = float
    quick = False

    def column(self, count: int) -> Column:
        return _Numbers(np.full(count, np.nan))

    def salvage(self, value: Any) -> Any:  # noqa: ARG002 - the kind's contract
        return UNSET

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return ~np.isfinite(column)


class _Vectors(_Array):
    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        size = self.values.shape[1]
        odd = []
        if set(map(type, values)) != {list} or set(map(len, values)) != {size}:
            odd = [i for i, v in enumerate(values) if v is not UNSET and len(v) != size]
        self._store(start, _without(values, odd), [np.nan] * size)
        stored = self.values[start : start + len(values)]
        with np.errstate(invalid="ignore"):
            coarse = (np.abs(stored) >= EXACT).any(axis=1)
        return sorted({*odd, *_positions(coarse)})


class Vector:
    """So many finite numbers: float64 (size,), missing NaN."""

    type: Any = list[float]
    quick = False

    def __init__(self, size: int) -> None:
        self._size = size

    def column(self, count: int) -> Column:
        return _Vectors(np.full((count, self._size), np.nan))

    def salvage(self, value: Any) -> Any:  # noqa: ARG002 - the kind's contract
        return UNSET

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return ~np.isfinite(column).all(axis=1)


class Box(Vector):
    """Four finite numbers, x, y, width, height: float64 (4,), missing NaN."""

    def __init__(self) -> None:
        super().__init__(4)


class _Grids(_Array):
    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        height, width = self.values.shape[1:]
        odd = [
            i
            for i, v in enumerate(values)
            if v is not UNSET and (len(v) != height or {width} != set(map(len, v)))
        ]
        self._store(start, _without(values, odd), np.full((height, width), np.nan))
        stored = self.values[start : start + len(values)]
        with np.errstate(invalid="ignore"):
            coarse = (np.abs(stored) >= EXACT).any(axis=(1, 2))
        return sorted({*odd, *_positions(coarse)})


class Grid:
    """Lists of finite numbers, all of one length: float64 (height, width), missing NaN."""

    type: Any = list[list[float]]
    quick = False

    def __init__(self, height: int, width: int) -> None:
        self._shape = (height, width)

    def column(self, count: int) -> Column:
        return _Grids(np.full((count, *self._shape), np.nan))

    def salvage(self, value: Any) -> Any:  # noqa: ARG002 - the kind's contract
        return UNSET

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return ~np.isfinite(column).all(axis=(1, 2))


class _Integers(_Array):
    def __init__(self, values: NDArray[Any], low: int, high: int, blank: int) -> None:
        super().__init__(values)
        self._low, self._high, self._blank = low, high, blank

    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        low, high = self._low, self._high
        if set(map(type, values)) == {int} and low <= min(values) and max(values) <= high:
            self.values[start : start + len(values)] = values
            return []
        odd = [i for i, v in enumerate(values) if v is not UNSET and not low <= v <= high]
        self._store(start, _without(values, odd), self._blank)
        return odd


class Integer:
    """A whole number: int64, missing `MISSING_INT`."""

    type: Any = int
    quick = False

    def column(self, count: int) -> Column:
        limits = np.iinfo(np.int64)
        values = np.full(count, MISSING_INT)
        return _Integers(values, limits.min + 1, limits.max, MISSING_INT)

    def salvage(self, value: Any) -> Any:
        return _whole(value)

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return is_missing(column)


class Flag:
    """0 or 1: int8, missing -1. ``true`` and ``false`` are read, and kept as they are."""

    type: Any = int
    quick = False

    def column(self, count: int) -> Column:
        return _Integers(np.full(count, -1, np.int8), 0, 1, -1)

    def salvage(self, value: Any) -> Any:
        return int(value) if isinstance(value, bool) else _whole(value)

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return (column != 0) & (column != 1)


class _Truths(_Array):
    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        self._store(start, values, -1)
        return []


class Truth:
    """``true`` or ``false``: int8, missing -1."""

    type: Any = bool
    quick = False

    def column(self, count: int) -> Column:
        return _Truths(np.full(count, -1, np.int8))

    def salvage(self, value: Any) -> Any:  # noqa: ARG002 - the kind's contract
        return UNSET

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return (column != 0) & (column != 1)


class Size:
    """A positive whole number of pixels: int64, missing 0."""

    type: Any = int
    quick = False

    def column(self, count: int) -> Column:
        return _Integers(np.zeros(count, np.int64), 1, 2**62, 0)

    def salvage(self, value: Any) -> Any:
        return _whole(value)

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return column <= 0


class _Texts(_Array):
    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        self._store(start, values, "")
        return [i for i, v in enumerate(values) if v == ""]


class Text:
    """Text that is not empty, missing ""."""

    type: Any = str
    quick = False

    def column(self, count: int) -> Column:
        return _Texts(np.full(count, "", dtype=TEXT))

    def salvage(self, value: Any) -> Any:  # noqa: ARG002 - the kind's contract
        return UNSET

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return is_missing(column)


class _Identifiers(SlowColumn):
    """Whole numbers or texts; where both occur, the numbers become text and keep their own."""

    def __init__(self, count: int) -> None:
        self._numbers = np.full(count, MISSING_INT)
        self._texts: dict[int, str] = {}

    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        if set(map(type, values)) == {int}:
            with suppress(OverflowError):
                self._numbers[start : start + len(values)] = values
                return _positions(self._numbers[start : start + len(values)] == MISSING_INT)
        return [i for i, v in enumerate(values) if not self._add_one(start + i, v)]

    def _add_one(self, row: int, value: Any) -> bool:
        if isinstance(value, str):
            self._texts[row] = value
            return value != ""
        limits = np.iinfo(np.int64)
        if value is UNSET or not limits.min < value <= limits.max:
            return value is UNSET
        self._numbers[row] = value
        return True

    def finish(self) -> tuple[NDArray[Any], Mapping[int, bytes]]:
        if not self._texts:
            return self._numbers, {}
        numbered = np.flatnonzero(self._numbers != MISSING_INT).tolist()
        column = np.full(len(self._numbers), "", dtype=TEXT)
        texts = self._texts | {row: str(self._numbers[row]) for row in numbered}
        for row, text in texts.items():
            column[row] = text
        return column, {row: texts[row].encode() for row in numbered}


class Identifier:
    """A whole number or text: int64 (missing `MISSING_INT`) or text (missing "")."""

    type: Any = int | str
    quick = False

    def column(self, count: int) -> Column:
        return _Identifiers(count)

    def salvage(self, value: Any) -> Any:
        return _whole(value)

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        return is_missing(column)


def _whole(value: Any) -> Any:
    """Return a float such as 7.0 as the whole number that it is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNSET


def _without(values: Sequence[Any], positions: Sequence[int]) -> Sequence[Any]:
    if not positions:
        return values
    out = set(positions)
    return [UNSET if i in out else v for i, v in enumerate(values)]


def _positions(mask: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(mask).tolist()

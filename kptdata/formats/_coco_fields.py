"""Columns to JSON objects, a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType
from numpy.typing import NDArray

from kptdata._columns import TEXT, RawColumn, is_missing
from kptdata.formats._coco_kinds import EXACT, Kind
from kptdata.formats._coco_rows import BadValueError, read_column
from kptdata.formats._json import is_plain_key

__all__ = ["Fields", "Getter", "interleaved", "whole_numbers"]

_CHUNK = 2000
Getter = Callable[[NDArray[np.intp]], list[Any]]
"""Row numbers -> one value per row, UNSET where the row has no such key."""


class Fields:
    """The keys of JSON objects and where their values come from."""

    def __init__(self) -> None:
        self._getters: dict[str, Getter] = {}
        self.stale = 0  # kept texts that no longer say what their column does

    def set(self, key: str, getter: Getter) -> None:
        """Give rows a key."""
        self._getters[key] = getter

    def text(self, key: str, texts: RawColumn) -> None:
        """Give rows a key whose values are kept texts."""
        self._getters[key] = lambda rows: [
            UNSET if (text := texts[row]) is None else Raw(text) for row in rows.tolist()
        ]

    def column(
        self, key: str, kind: Kind, column: NDArray[Any] | None, texts: RawColumn | None
    ) -> None:
        """Give rows a key from a typed column; a text that says the same wins."""
        if column is not None:
            self._getters[key] = _values(column, kind)
        if texts is not None:
            typed = kind.column(len(texts)).finish()[0] if column is None else column
            self.overlay(key, texts, _agreeing(texts, kind, typed))

    def overlay(self, key: str, texts: RawColumn, valid: NDArray[np.bool_]) -> None:
        """Let kept texts win in the rows where they are valid; count the others."""
        self.stale += int((texts.present & ~valid).sum())
        under = self._getters.get(key)

        def getter(rows: NDArray[np.intp]) -> list[Any]:
            values = [UNSET] * len(rows) if under is None else under(rows)
            for i in np.flatnonzero(valid[rows]).tolist():
                values[i] = Raw(texts[int(rows[i])])
            return values

        self._getters[key] = getter

    def values(self, key: str, rows: NDArray[np.intp]) -> list[Any]:
        """Return what these rows hold under a key, UNSET where they do not have it."""
        return self._getters[key](rows)

    def chunks(self, rows: NDArray[np.intp]) -> Iterator[bytes]:
        """Yield the JSON objects of these rows with commas between them, a chunk at a time."""
        encoder = msgspec.json.Encoder()
        for number, objects in enumerate(self._objects(rows)):
            text = encoder.encode(objects)[1:-1]
            yield b",\n" + text if number else text

    def singly(self, rows: NDArray[np.intp]) -> Iterator[bytes]:
        """Yield the JSON object of each of these rows."""
        encoder = msgspec.json.Encoder()
        for objects in self._objects(rows):
            yield from map(encoder.encode, objects)

    def _objects(self, rows: NDArray[np.intp]) -> Iterator[list[Any]]:
        make = _object_maker(list(self._getters))
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            columns = [getter(some) for getter in self._getters.values()]
            yield list(map(make, *columns))


def _object_maker(keys: Sequence[str]) -> Callable[..., Any]:
    """Return a function of one value per key that makes an object without those that are UNSET."""
    if not all(map(is_plain_key, keys)):
        return lambda *values: {k: v for k, v in zip(keys, values, strict=True) if v is not UNSET}
    names = {f"f{i}": key for i, key in enumerate(keys)}
    fields: list[Any] = [(name, Any | UnsetType, UNSET) for name in names]
    return msgspec.defstruct("Row", fields, rename=names, gc=False)


def _values(column: NDArray[Any], kind: Kind) -> Getter:
    """Give the values of a typed column, whole numbers as integers."""

    def getter(rows: NDArray[np.intp]) -> list[Any]:
        values = column[rows]
        gone = kind.absent(values)
        if values.dtype.kind == "f":
            values[gone] = 0
            found = whole_numbers(values)
        else:
            found = values.tolist()
        if not gone.any():
            return list(found)
        return [UNSET if g else v for g, v in zip(gone.tolist(), found, strict=True)]

    return getter


def whole_numbers(values: NDArray[np.float64]) -> Any:
    """Return finite numbers, of any shape, as nested lists in which whole ones are integers."""
    whole = (values == np.floor(values)) & (np.abs(values) < EXACT)
    if whole.all():
        return values.astype(np.int64).tolist()
    mixed = values.astype(object)
    mixed[whole] = values[whole].astype(np.int64).astype(object)
    return mixed.tolist()


def _agreeing(texts: RawColumn, kind: Kind, column: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell in which rows a kept text says what the column holds."""
    valid = np.zeros(len(texts), bool)
    rows = np.flatnonzero(texts.present)
    held = column[rows]
    try:
        read = read_column([texts[row] for row in rows.tolist()], kind)
    except BadValueError:
        return valid
    if (read.dtype == TEXT) != (held.dtype == TEXT):
        read, held = _as_text(read), _as_text(held)
    same = (read == held) | (is_missing(read) & is_missing(held))
    valid[rows] = same.all(axis=tuple(range(1, same.ndim)))
    return valid


def _as_text(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype == TEXT:
        return column
    text = column.astype(TEXT)
    text[is_missing(column)] = ""
    return text


def interleaved(
    parts: Sequence[tuple[Fields, NDArray[np.intp], NDArray[np.int64]]],
) -> Iterator[bytes]:
    """Yield the objects of several tables by their place in the source, commas between them.

    Args:
        parts: fields, rows to write, place of each of these rows.
    """

    def placed(number: int) -> Iterator[tuple[int, int, bytes]]:
        fields, rows, places = parts[number]
        sequence = np.argsort(places, kind="stable")
        for place, text in zip(
            places[sequence].tolist(), fields.singly(rows[sequence]), strict=True
        ):
            yield place, number, text

    for count, (_, _, text) in enumerate(merge(*map(placed, range(len(parts))))):
        yield b",\n" + text if count else text

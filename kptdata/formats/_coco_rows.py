"""Rows of JSON objects to columns: known keys typed, all others kept as text.

Rows are decoded a few thousand at a time as a struct that forbids unknown keys, so that no key can
be dropped. A chunk with a new key, or with a value of another type, is decoded key by key; the
struct then learns the key, or leaves the odd one to be decoded by itself.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.errors import FormatError
from kptdata.formats._coco_kinds import Column, Kind
from kptdata.formats._json import duplicate_key, is_plain_key, loads_or_none

__all__ = [
    "BadValueError",
    "RowTable",
    "read_column",
    "read_rows",
    "read_values",
    "refuse_duplicates",
]

_CHUNK = 1000
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class BadValueError(Exception):
    """A value without which nothing can be made of the row; gets its place from the reader."""

    def __init__(self, position: int, problem: str, expected: str, found: str) -> None:
        super().__init__(problem)
        self.position, self.problem = position, problem
        self.expected, self.found = expected, found


@dataclass(frozen=True)
class RowTable:
    """Columns of rows.

    Attributes:
        columns: typed, of the keys that any row has.
        raw: texts of other keys, and of values that are not canonical.
        marks: quotation marks that the keys and values account for.
        count: number of rows.
        kinds: key -> kind of value.
    """

    columns: Mapping[str, NDArray[Any]]
    raw: dict[str, RawColumn]
    marks: int
    count: int
    kinds: Mapping[str, Kind]

    def column(self, key: str) -> NDArray[Any]:
        """Return a typed column, all missing where no row has the key."""
        if key in self.columns:
            return self.columns[key]
        return self.kinds[key].column(self.count).finish()[0]


def read_rows(
    rows: Sequence[Raw], kinds: Mapping[str, Kind], path: Path, label: str = "annotation"
) -> RowTable:
    """Read JSON objects into columns.

    Args:
        rows: the text of each.
        kinds: key -> kind of value.
        path: the file, for messages.
        label: what a row is, for messages.

    Raises:
        FormatError: a row is no object, or holds a value that its column refuses.
    """
    reader = _Reader(len(rows), kinds, path, label)
    with _no_collection():
        for start in range(0, len(rows), _CHUNK):
            reader.read(start, rows[start : start + _CHUNK])
    return reader.finish()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out while millions of lists, none in a cycle, come and go."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def refuse_duplicates(rows: Sequence[Raw], path: Path, label: str = "annotation") -> None:
    """Look through rows for one that has a key twice: the decoder keeps only the last.

    Raises:
        FormatError: it is named, and the key.
    """
    for row, raw in enumerate(rows):
        text = bytes(raw)
        found = _OBJECT.decode(raw)
        # Each key brings two quotation marks.
        marks = 2 * len(found) + sum(bytes(value).count(b'"') for value in found.values())
        key = duplicate_key(text) if text.count(b'"') != marks else None
        if key is not None:
            raise FormatError(
                f"the key {key!r} stands there twice",
                path=path,
                place=place_of(row, text, label),
                expected="each key once",
                fix="remove one of the two",
            )


def place_of(row: int, text: bytes, label: str) -> str:
    """Name a row by its id, or by its position."""
    found = loads_or_none(text)
    if isinstance(found, dict) and isinstance(found.get("id"), int | str):
        return f"{label} {found['id']}"
    return f"{label}s[{row}]"


def read_column(texts: Sequence[bytes], kind: Kind) -> NDArray[Any]:
    """Read one value per row as `read_rows` does. Raises `BadValueError`."""
    return read_values(texts, kind)[0]


def read_values(texts: Sequence[bytes], kind: Kind) -> tuple[NDArray[Any], list[int]]:
    """Read one value per row; also return the rows whose text is not canonical.

    Raises:
        BadValueError: nothing can be made of a value.
    """
    column = kind.column(len(texts))
    values, odd = _decode_each([Raw(text) for text in texts], kind)
    kept = {*odd, *column.add(0, values)}
    found, more = column.finish()
    return found, sorted({*kept, *more})


class _Reader:
    def __init__(self, count: int, kinds: Mapping[str, Kind], path: Path, label: str) -> None:
        self._count, self._kinds, self._path, self._label = count, kinds, path, label
        self._columns: dict[str, Column] = {}
        self._texts: dict[str, NDArray[np.object_]] = {}
        self._marks = 0
        # Known keys that the struct leaves undecoded: their columns know a quicker way, or some of
        # their values are not of the type.
        self._quick = {key for key, kind in kinds.items() if kind.quick}
        self._odd: set[str] = set()
        self._keys: list[str] = []  # met so far
        self._decoder = self._new_decoder()

    def _new_decoder(self) -> msgspec.json.Decoder[Any] | None:
        """Return a decoder for the keys met so far, None if a struct cannot have them."""
        if not self._keys or not all(map(is_plain_key, self._keys)):
            return None
        names = {f"f{i}": key for i, key in enumerate(self._keys)}
        fields: list[tuple[str, Any, Any]] = []
        for name, key in names.items():
            typed = key in self._kinds and key not in self._quick | self._odd
            type_ = self._kinds[key].type if typed else Raw
            fields.append((name, type_ | UnsetType, UNSET))
        struct = msgspec.defstruct(
            "Row", fields, rename=names, forbid_unknown_fields=True, gc=False
        )
        return msgspec.json.Decoder(struct)

    def read(self, start: int, rows: Sequence[Raw]) -> None:
        columns = self._typed(rows)
        if columns is None:
            columns = self._by_key(start, rows)
            self._decoder = None
        for key, values in zip(self._keys, columns, strict=True):
            self._marks += self._store(start, rows, key, values)
        if self._decoder is None:
            self._decoder = self._new_decoder()

    def _typed(self, rows: Sequence[Raw]) -> Iterable[Sequence[Any]] | None:
        """Return the values of a chunk by key, through the struct; None if it does not fit."""
        if self._decoder is None:
            return None
        try:
            decoded = list(map(self._decoder.decode, rows))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        names = [f"f{i}" for i in range(len(self._keys))]
        if len(names) == 1:
            return [[getattr(row, names[0]) for row in decoded]]
        return zip(*map(attrgetter(*names), decoded), strict=True)

    def _by_key(self, start: int, rows: Sequence[Raw]) -> Iterable[Sequence[Any]]:
        """Return the values of a chunk by key, undecoded; learn new keys."""
        decoded = [self._object(start + i, row) for i, row in enumerate(rows)]
        known = dict.fromkeys(self._keys)
        known |= dict.fromkeys(key for row in decoded for key in row)
        self._keys = list(known)
        return [[row.get(key, UNSET) for row in decoded] for key in self._keys]

    def _object(self, row: int, raw: Raw) -> dict[str, Raw]:
        try:
            found: dict[str, Raw] = _OBJECT.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise FormatError(
                f"not a JSON object that can be read as {self._label}",
                path=self._path,
                place=f"{self._label}s[{row}]",
                found=repr(bytes(raw)[:40].decode(errors="replace")),
                fix="correct or remove that entry",
            ) from None
        return found

    def _store(self, start: int, rows: Sequence[Raw], key: str, values: Sequence[Any]) -> int:
        """Store one key of a chunk; return the quotation marks of its keys and values."""
        types = set(map(type, values))
        stated = [v for v in values if v is not UNSET] if UnsetType in types else values
        if not stated:
            return 0
        try:
            if Raw in types:
                self._store_undecoded(start, key, values, complete=stated is values)
                return 2 * len(stated) + b"".join(stated).count(b'"')
            for position in self._column(key).add(start, values):
                # The struct has decoded the value; its text is still in the row.
                text = bytes(_OBJECT.decode(rows[position])[key])
                self._column_of_text(key)[start + position] = text
        except BadValueError as error:
            raise self._refusal(start, rows, key, error) from None
        texts = sum(isinstance(v, str) for v in stated) if str in types else 0
        return 2 * (len(stated) + texts)

    def _store_undecoded(
        self, start: int, key: str, values: Sequence[Any], *, complete: bool
    ) -> None:
        kind = self._kinds.get(key)
        if kind is None:
            texts = [None if v is UNSET else bytes(v) for v in values]
            self._column_of_text(key)[start : start + len(values)] = texts
            return
        if key in self._quick:
            if complete and self._column(key).add_texts(start, values):
                return
            self._quick.discard(key)
            self._decoder = None
        decoded, odd = _decode_each(values, kind)
        if odd:
            self._odd.add(key)
        for position in {*odd, *self._column(key).add(start, decoded)}:
            self._column_of_text(key)[start + position] = bytes(values[position])

    def _column(self, key: str) -> Column:
        if key not in self._columns:
            self._columns[key] = self._kinds[key].column(self._count)
        return self._columns[key]

    def _column_of_text(self, key: str) -> NDArray[np.object_]:
        if key not in self._texts:
            self._texts[key] = np.full(self._count, None, dtype=object)
        return self._texts[key]

    def finish(self) -> RowTable:
        columns = {}
        for key, column in self._columns.items():
            columns[key], odd = column.finish()
            for row, text in odd.items():
                if self._column_of_text(key)[row] is None:
                    self._column_of_text(key)[row] = text
        raw = {key: RawColumn(self._texts[key]) for key in self._keys if key in self._texts}
        return RowTable(columns, raw, self._marks, self._count, self._kinds)

    def _refusal(
        self, start: int, rows: Sequence[Raw], key: str, error: BadValueError
    ) -> FormatError:
        text = bytes(rows[error.position])
        return FormatError(
            f"{key}: {error.problem}",
            path=self._path,
            place=place_of(start + error.position, text, self._label),
            expected=error.expected,
            found=error.found,
            fix=f"correct {key!r} there, or leave that {self._label} out",
        )


def _decode_each(values: Sequence[Any], kind: Kind) -> tuple[list[Any], list[int]]:
    """Decode undecoded values; return them and the positions of those that are not of the type."""
    present = [v for v in values if v is not UNSET]
    try:
        together = msgspec.json.decode(b"[" + b",".join(present) + b"]", type=list[kind.type])  # type: ignore[name-defined]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_singly(values, kind)
    found = iter(together)
    return [UNSET if v is UNSET else next(found) for v in values], []


def _decode_singly(values: Sequence[Any], kind: Kind) -> tuple[list[Any], list[int]]:
    decoder = msgspec.json.Decoder(kind.type)
    decoded: list[Any] = []
    odd = []
    for position, value in enumerate(values):
        if value is UNSET:
            decoded.append(UNSET)
            continue
        try:
            decoded.append(decoder.decode(value))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            odd.append(position)
            try:
                decoded.append(kind.salvage(loads_or_none(bytes(value))))
            except BadValueError as error:
                error.position = position
                raise
    return decoded, odd

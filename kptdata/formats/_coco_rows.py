"""Rows of JSON objects to columns: known keys typed, all others kept as text.

Rows are decoded a few thousand at a time as a struct that forbids unknown keys, so that no key can
be dropped. A chunk with a new key, or with a value of another type, is decoded key by key; the
struct then learns the key, or leaves the odd one to be decoded by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.errors import FormatError
from kptdata.formats._coco_kinds import Column, Kind
from kptdata.formats._json import duplicate_key, is_plain_key, loads_or_none

__all__ = ["BadValueError", "RowTable", "read_column", "read_rows"]

_CHUNK = 1000


class BadValueError(Exception):
    """A value without which nothing can be made of the row; gets its place from the reader."""

    def __init__(self, position: int, problem: str, expected: str, found: str) -> None:
        super().__init__(problem)
        self.position, self.problem = position, problem
        self.expected, self.found = expected, found


class RowTable(NamedTuple):
    """Columns of rows: typed by key, other keys and not canonical values as text."""

    columns: dict[str, NDArray[Any]]
    raw: dict[str, RawColumn]
    quotes: int  # quotation marks in the text of all rows


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
        FormatError: a row is no object, has a key twice, or holds a value that its column refuses.
    """
    reader = _Reader(len(rows), kinds, path, label)
    for start in range(0, len(rows), _CHUNK):
        reader.read(start, rows[start : start + _CHUNK])
    return reader.finish()


def read_column(texts: Sequence[bytes], kind: Kind) -> NDArray[Any]:
    """Read one value per row as `read_rows` does. Raises `BadValueError`."""
    column = kind.column(len(texts))
    values, _ = _decode_each([Raw(text) for text in texts], kind)
    column.add(0, values)
    return column.finish()[0]


class _Reader:
    def __init__(self, count: int, kinds: Mapping[str, Kind], path: Path, label: str) -> None:
        self._count, self._kinds, self._path, self._label = count, kinds, path, label
        self._columns: dict[str, Column] = {k: kind.column(count) for k, kind in kinds.items()}
        self._texts: dict[str, NDArray[np.object_]] = {}
        self._quotes = 0
        self._as_text: set[str] = set()  # known keys that the struct leaves undecoded
        self._keys: list[str] = []  # met so far
        self._decoder = self._new_decoder()

    def _new_decoder(self) -> msgspec.json.Decoder[Any] | None:
        """Return a decoder for the keys met so far, None if a struct cannot have them."""
        if not self._keys or not all(map(is_plain_key, self._keys)):
            return None
        names = {f"f{i}": key for i, key in enumerate(self._keys)}
        fields: list[tuple[str, Any, Any]] = []
        for name, key in names.items():
            typed = key in self._kinds and key not in self._as_text
            type_ = self._kinds[key].type if typed else Raw
            fields.append((name, type_ | UnsetType, UNSET))
        struct = msgspec.defstruct(
            "Row", fields, rename=names, forbid_unknown_fields=True, gc=False
        )
        return msgspec.json.Decoder(list[struct])  # type: ignore[valid-type]

    def read(self, start: int, rows: Sequence[Raw]) -> None:
        text = b"[" + b",".join(rows) + b"]"
        columns = self._typed(text)
        if columns is None:
            columns = self._by_key(start, rows, text)
            self._decoder = None
        known = 0
        for key, values in zip(self._keys, columns, strict=True):
            known += self._store(start, rows, key, values)
        if self._decoder is None:
            self._decoder = self._new_decoder()
        quotes = text.count(b'"')
        self._quotes += quotes
        # A key brings two quotation marks: as many are left over for each key that came twice.
        if quotes != known:
            self._refuse_duplicates(start, rows)

    def _typed(self, text: bytes) -> Iterable[Sequence[Any]] | None:
        """Return the values of a chunk by key, through the struct; None if it does not fit."""
        if self._decoder is None:
            return None
        try:
            decoded = self._decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        names = [f"f{i}" for i in range(len(self._keys))]
        if len(names) == 1:
            return [[getattr(row, names[0]) for row in decoded]]
        return zip(*map(attrgetter(*names), decoded), strict=True)

    def _by_key(self, start: int, rows: Sequence[Raw], text: bytes) -> Iterable[Sequence[Any]]:
        """Return the values of a chunk by key, undecoded; learn new keys."""
        try:
            decoded = msgspec.json.decode(text, type=list[dict[str, Raw]])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._no_object(start, rows, error) from None
        known = dict.fromkeys(self._keys)
        known |= dict.fromkeys(key for row in decoded for key in row)
        self._keys = list(known)
        return [[row.get(key, UNSET) for row in decoded] for key in self._keys]

    def _store(self, start: int, rows: Sequence[Raw], key: str, values: Sequence[Any]) -> int:
        """Store one key of a chunk; return the quotation marks of its keys and values."""
        types = set(map(type, values))
        marks = 2 * (len(values) - (values.count(UNSET) if UnsetType in types else 0))
        if types == {UnsetType}:
            return marks
        kind = self._kinds.get(key)
        undecoded = Raw in types
        if undecoded:
            texts = [None if v is UNSET else bytes(v) for v in values]
            marks += b"".join([t for t in texts if t is not None]).count(b'"')
        elif str in types:
            marks += 2 * sum(isinstance(v, str) for v in values)
        if kind is None:
            self._column_of_text(key)[start : start + len(values)] = texts
            return marks
        kept: list[int] = []
        try:
            if undecoded:
                values, kept = _decode_each(values, kind)
                if kept:
                    self._as_text.add(key)
            kept = sorted({*kept, *self._columns[key].add(start, values)})
        except BadValueError as error:
            raise self._refusal(start, rows, key, error) from None
        for position in kept:
            # The struct has decoded the value; its text is still in the row.
            text = texts[position] if undecoded else _text_of(rows[position], key)
            self._column_of_text(key)[start + position] = text
        return marks

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
        return RowTable(columns, raw, self._quotes)

    # Refusals

    def _place(self, row: int, text: bytes) -> str:
        found = loads_or_none(text)
        if isinstance(found, dict) and isinstance(found.get("id"), int | str):
            return f"{self._label} {found['id']}"
        return f"{self._label}s[{row}]"

    def _refusal(
        self, start: int, rows: Sequence[Raw], key: str, error: BadValueError
    ) -> FormatError:
        text = bytes(rows[error.position])
        return FormatError(
            f"{key}: {error.problem}",
            path=self._path,
            place=self._place(start + error.position, text),
            expected=error.expected,
            found=error.found,
            fix=f"correct {key!r} there, or leave that {self._label} out",
        )

    def _no_object(self, start: int, rows: Sequence[Raw], error: Exception) -> FormatError:
        for row, raw in enumerate(rows, start):
            try:
                msgspec.json.decode(raw, type=dict[str, Raw])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return FormatError(
                    f"not a JSON object that can be read as {self._label}",
                    path=self._path,
                    place=f"{self._label}s[{row}]",
                    found=repr(bytes(raw)[:40].decode(errors="replace")),
                    fix="correct or remove that entry",
                )
        return FormatError(str(error), path=self._path)

    def _refuse_duplicates(self, start: int, rows: Sequence[Raw]) -> None:
        for row, raw in enumerate(rows, start):
            text = bytes(raw)
            key = duplicate_key(text)
            if key is not None:
                raise FormatError(
                    f"the key {key!r} stands there twice",
                    path=self._path,
                    place=self._place(row, text),
                    expected="each key once",
                    fix="remove one of the two",
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


def _text_of(row: Raw, key: str) -> bytes:
    return bytes(msgspec.json.decode(row, type=dict[str, Raw])[key])

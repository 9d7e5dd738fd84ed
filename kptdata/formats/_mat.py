"""MATLAB 5 files (``save -v6`` and ``-v7``) to the values of `_mat_values`.

The bytes are read here and not by SciPy, whose reader ends the whole process on some damaged files,
and which does not tell all shapes of text apart. The tests hold this reader against SciPy's.

Source: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import struct as packing
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kptdata.errors import FormatError
from kptdata.formats._mat_values import (
    EMPTY,
    FLOATS,
    INTEGERS,
    Value,
    cell,
    char,
    char_units,
    is_field_name,
    numeric,
    struct,
)
from kptdata.formats.base import read_bytes, read_head

__all__ = ["CHAR_CODINGS", "CLASSES", "STORAGE", "read_mat", "variables_at_head"]

MATRIX, COMPRESSED = 14, 15
CLASSES = {
    1: "cell", 2: "struct", 4: "char", 6: "double", 7: "single", 8: "int8", 9: "uint8",
    10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64",
}  # fmt: skip
"""Number of a class -> its name."""

STORAGE = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
"""Number of an element type -> NumPy's name for it."""

CHAR_CODINGS = {1: "latin-1", 2: "latin-1", 16: "utf-8"}
_WIDE_CODINGS = {3: "utf-16", 4: "utf-16", 17: "utf-16", 18: "utf-32"}
_OTHERS = {3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an opaque object"}

_HEADER = 128
_COMPLEX, _LOGICAL = 8, 2
_MAX_DEPTH = 60
_MEMO = 64  # bytes; a single number with its class and shape takes no more
_MOST_PACKED = 1100  # no zlib stream unpacks to more than 1,032 times its size


def read_mat(path: Path) -> dict[str, Value]:
    """Read all variables of a file.

    Raises:
        FileError: the file cannot be read.
        FormatError: it is no MATLAB 5 file, is damaged, or holds objects, sparse or complex values.
    """
    data = read_bytes(path)
    order = _byte_order(data, path)
    whole = _Reader(data, order, path, {})
    found: dict[str, Value] = {}
    at = _HEADER
    while at < len(data):
        kind, start, size, after = whole.tag(at, len(data), padded=False)
        if kind == COMPRESSED:
            unpacked = _unpacked(data[start : start + size], order, whole, start)
            inner = _Reader(unpacked, order, path, whole.memo, place="unpacked byte")
            name, value = inner.variable(0)
        else:
            name, value = whole.variable(at)
        if name in found:
            raise whole.error(f"the variable {name!r} stands there twice", at)
        if name:  # an unnamed one serves MATLAB's objects only, and those are refused
            found[name] = value
        at = after
    return found


def variables_at_head(path: Path) -> tuple[str, ...]:
    """Return the names of the variables in a file's first bytes; none if it is no MATLAB file."""
    head = read_head(path)
    found: list[str] = []
    with suppress(FormatError):  # the head may end within a variable
        found.extend(_names(head, _byte_order(head, path), path))
    return tuple(found)


def _names(head: bytes, order: str, path: Path) -> Iterator[str]:
    pair = packing.Struct(order + "2I")
    at = _HEADER
    while at + 8 <= len(head):
        kind, size = pair.unpack_from(head, at)
        body = head[at : at + 8 + size]
        if kind == COMPRESSED:
            try:
                body = zlib.decompressobj().decompress(body[8:], 512)
            except zlib.error:
                return
        body = body[:512]
        reader = _Reader(body, order, path, {})
        # Flags and dimensions come first.
        after = 8
        for _ in range(2):
            after = reader.tag(after, len(body))[-1]
        _, start, length, _ = reader.tag(after, len(body))
        yield body[start : start + length].decode("latin-1")
        at += 8 + size


def _byte_order(data: bytes, path: Path) -> str:
    """Check the first bytes and return the file's byte order as `struct` writes it."""
    if data[:10] == b"MATLAB 7.3":
        raise FormatError(
            "a MATLAB 7.3 file, which is HDF5",
            path=path,
            expected="MATLAB 5",
            fix="in MATLAB: load it and save it with -v7",
        )
    marks = {b"IM": "<", b"MI": ">"}
    order = marks.get(data[126:128])
    if not data.startswith(b"MATLAB 5.0") or order is None:
        raise FormatError(
            "no MATLAB file",
            path=path,
            place="byte 0",
            expected="'MATLAB 5.0'",
            found=repr(data[:10])[1:],
            fix="name the format that it is in",
        )
    return order


def _unpacked(packed: bytes, order: str, outer: _Reader, start: int) -> bytes:
    """Unpack a compressed variable; never to more than its own first bytes say."""
    stream = zlib.decompressobj()
    try:
        head = stream.decompress(packed, 8)
        if len(head) < 8:
            raise outer.error("the compressed variable ends too early", start)
        size = packing.unpack(order + "2I", head)[1]
        if size > _MOST_PACKED * len(packed):
            raise outer.error("a compressed variable gives an impossible size", start)
        body = stream.decompress(stream.unconsumed_tail, size + 1)
    except zlib.error as error:
        raise outer.error(f"a compressed variable is damaged ({error})", start) from None
    if len(body) != size or not stream.eof:
        raise outer.error("a compressed variable is cut off", start)
    return head + body


class _Reader:
    """Reads the matrices in a run of bytes; what a number's bytes mean is remembered."""

    def __init__(
        self, data: bytes, order: str, path: Path, memo: dict[bytes, Value], place: str = "byte"
    ) -> None:
        self.data, self.order, self.path, self.memo, self.place = data, order, path, memo, place
        self._pair = packing.Struct(order + "2I").unpack_from
        self._names: dict[tuple[int, bytes], list[str]] = {}

    def error(self, problem: str, at: int) -> FormatError:
        """Return the error for a damaged place."""
        return FormatError(
            problem,
            path=self.path,
            place=f"{self.place} {at}",
            fix="copy, download or save the file again",
        )

    def tag(self, at: int, end: int, *, padded: bool = True) -> tuple[int, int, int, int]:
        """Return type, start, size of the element at `at`, and where the next one begins.

        The element must end by `end`.
        """
        if at + 8 > end:
            raise self.error("the file ends too early", at)
        kind, size = self._pair(self.data, at)
        if kind >> 16:  # up to four bytes within the tag itself
            if kind >> 16 > 4:
                raise self.error("damaged: a short element of more than four bytes", at)
            return kind & 0xFFFF, at + 4, kind >> 16, at + 8
        after = at + 8 + size
        if after > end:
            raise self.error("damaged or cut off: an element is longer than what holds it", at)
        return kind, at + 8, size, min(after + (-size % 8 if padded else 0), end)

    def variable(self, at: int) -> tuple[str, Value]:
        """Read the named matrix at `at`."""
        kind, start, size, _ = self.tag(at, len(self.data))
        if kind != MATRIX:
            raise self.error(f"damaged: an element of type {kind} where a variable begins", at)
        return self._matrix(start, start + size, 0)

    def _value(self, at: int, end: int, depth: int) -> tuple[Value, int]:
        """Read the unnamed matrix at `at`; return it and where the next one begins."""
        kind, start, size, after = self.tag(at, end)
        if kind != MATRIX:
            raise self.error(f"damaged: an element of type {kind} where a value begins", at)
        found = self._matrix(start, start + size, depth)[1]
        if size <= _MEMO and after == start + size:
            self.memo[self.data[at:after]] = found
        return found, after

    def _matrix(self, at: int, end: int, depth: int) -> tuple[str, Value]:
        """Read the inside of a matrix element: flags, dimensions, name, contents."""
        if at == end:
            return "", EMPTY
        if depth > _MAX_DEPTH:
            raise self.error("nested too deep", at)
        element, start, size, after = self.tag(at, end)
        if element != 6 or size != 8:
            raise self.error("damaged: no array flags", at)
        flags = self._pair(self.data, start)[0]
        kind = self._class(flags & 0xFF, at)
        if flags >> 8 & _COMPLEX:
            raise self.error("holds complex numbers, which are not read", at)
        shape, at = self._shape(after, end)
        element, start, size, after = self.tag(at, end)
        if element not in (1, 2):
            raise self.error("damaged: no name", at)
        named = self.data[start : start + size].decode("latin-1")
        at = after
        if kind == "struct":
            return named, self._struct(at, end, shape, depth)
        if kind == "cell":
            values, _ = self._values(at, end, math.prod(shape), depth)
            return named, cell(values, shape)
        if kind == "char":
            return named, self._char(at, end, shape)
        return named, self._numeric(at, end, kind, shape, logical=bool(flags >> 8 & _LOGICAL))

    def _class(self, number: int, at: int) -> str:
        if number in _OTHERS:
            raise FormatError(
                f"holds {_OTHERS[number]}, which is not read",
                path=self.path,
                place=f"{self.place} {at}",
                expected="numbers, text, cells and structs",
                fix="in MATLAB: load the file and save the variables that you need",
            )
        if number not in CLASSES:
            raise self.error(f"damaged: no class has the number {number}", at)
        return CLASSES[number]

    def _shape(self, at: int, end: int) -> tuple[tuple[int, ...], int]:
        kind, start, size, after = self.tag(at, end)
        if kind != 5 or size % 4 or not 8 <= size <= 128:
            raise self.error("damaged: no dimensions", at)
        shape = packing.unpack_from(f"{self.order}{size // 4}i", self.data, start)
        # Each element takes up bytes, so that no array has more of them than the file.
        if min(shape) < 0 or math.prod(shape) > len(self.data):
            raise self.error("damaged: impossible dimensions", at)
        return shape, after

    def _values(self, at: int, end: int, count: int, depth: int) -> tuple[list[Value], int]:
        if 8 * count > end - at:
            raise self.error("damaged: more elements than there are bytes for", at)
        values = []
        remembered, data, pair = self.memo.get, self.data, self._pair
        for _ in range(count):
            # Most values are numbers whose bytes have been seen before.
            size = pair(data, at)[1] if at + 8 <= end else 0
            value = remembered(data[at : at + 8 + size]) if size <= _MEMO else None
            if value is None or at + 8 + size > end:
                value, at = self._value(at, end, depth + 1)
            else:
                at += 8 + size
            values.append(value)
        return values, at

    def _struct(self, at: int, end: int, shape: tuple[int, ...], depth: int) -> Value:
        kind, start, size, after = self.tag(at, end)
        kind_of_names, names_start, names_size, after = self.tag(after, end)
        if kind != 5 or size != 4 or kind_of_names not in (1, 2):
            raise self.error("damaged: no field names", at)
        length = packing.unpack_from(self.order + "i", self.data, start)[0]
        names = self._field_names(length, names_start, names_size)
        count = math.prod(shape)
        if not names and count > 1:
            raise self.error("holds a struct array without fields, which is not read", at)
        values, _ = self._values(after, end, count * len(names), depth)
        return struct({name: values[i :: len(names)] for i, name in enumerate(names)}, shape)

    def _field_names(self, length: int, start: int, size: int) -> list[str]:
        if not size:
            return []
        if length <= 0 or size % length:
            raise self.error("damaged: field names of an impossible length", start)
        raw = self.data[start : start + size]
        known = self._names.get((length, raw))
        if known is not None:
            return known
        parts = [raw[i : i + length].split(b"\0")[0] for i in range(0, size, length)]
        names = [part.decode("latin-1") for part in parts]
        if len(set(names)) < len(names) or not all(map(is_field_name, names)):
            raise self.error("damaged: field names that are no names or not unique", start)
        self._names[length, raw] = names
        return names

    def _char(self, at: int, end: int, shape: tuple[int, ...]) -> Value:
        if not math.prod(shape):
            return char("", shape)
        kind, start, size, _ = self.tag(at, end)
        coding = CHAR_CODINGS.get(kind)
        if coding is None and kind in _WIDE_CODINGS:
            coding = _WIDE_CODINGS[kind] + ("-le" if self.order == "<" else "-be")
        if coding is None:
            raise self.error(f"damaged: text of the element type {kind}", at)
        try:
            written = self.data[start : start + size].decode(coding)
        except UnicodeDecodeError:
            raise self.error("damaged: text that cannot be decoded", at) from None
        if math.prod(shape) not in (len(written), char_units(written)):
            raise self.error("damaged: text of another length than its dimensions say", at)
        return char(
            written, (1, char_units(written)) if len(shape) == 2 and shape[0] == 1 else shape
        )

    def _numeric(
        self, at: int, end: int, kind: str, shape: tuple[int, ...], *, logical: bool
    ) -> Value:
        count = math.prod(shape)
        items: Sequence[Any] = ()
        if count:
            element, start, size, _ = self.tag(at, end)
            storage = STORAGE.get(element)
            if storage is None or size != count * int(storage[1]):
                raise self.error("damaged: numbers of another count than the dimensions say", at)
            stored = np.frombuffer(self.data, self.order + storage, count, start)
            items = self._in_class(stored, kind, at)
        if logical:
            return numeric("logical", [bool(v) for v in items], shape)
        return numeric(kind, items, shape)

    def _in_class(self, stored: np.ndarray[Any, Any], kind: str, at: int) -> list[Any]:
        items: list[Any] = stored.tolist()
        if kind in FLOATS:
            return [float(v) for v in items]
        low, stop = INTEGERS[kind]
        if not all(low <= v < stop and v == int(v) for v in items):  # NaN is in no range
            raise self.error(f"damaged: a number that {kind} does not have", at)
        return [int(v) for v in items]

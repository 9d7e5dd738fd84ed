"""The values of `_mat_values` to MATLAB 5 files; the same values give the same bytes."""

from __future__ import annotations

import struct as packing
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kptdata.errors import DatasetError
from kptdata.formats._mat_values import Matrix, Value, is_field_name, matrix

__all__ = ["mat_bytes"]

_TEXT = b"MATLAB 5.0 MAT-file, written by kptdata"
_HEADER = _TEXT.ljust(116) + bytes(8) + packing.pack("<H2s", 0x0100, b"IM")
_COMPRESSED, _MATRIX, _INT8, _INT32, _UTF8, _UINT32 = 15, 14, 1, 5, 16, 6
_LOGICAL_FLAG = 2 << 8

# Class -> its number, the number of the element type, and how `struct` writes one.
_NUMBERS = {
    "double": (6, 9, "d"), "single": (7, 7, "f"), "int8": (8, 1, "b"), "uint8": (9, 2, "B"),
    "int16": (10, 3, "h"), "uint16": (11, 4, "H"), "int32": (12, 5, "i"), "uint32": (13, 6, "I"),
    "int64": (14, 12, "q"), "uint64": (15, 13, "Q"), "logical": (9 | _LOGICAL_FLAG, 2, "B"),
}  # fmt: skip
_CELL, _STRUCT, _CHAR = 1, 2, 4

# A double of one element but for its eight bytes: the form that most numbers have.
_DOUBLE_HEAD = packing.pack(
    "<14I", _MATRIX, 56, _UINT32, 8, 6, 0, _INT32, 8, 1, 1, _INT8, 0, 9, 8
)  # fmt: skip
_DOUBLE = packing.Struct("<d").pack


def mat_bytes(variables: Mapping[str, Value]) -> Iterator[bytes]:
    """Yield a file that holds these variables, compressed.

    Raises:
        DatasetError: something is no value as `_mat_values` describes them.
    """
    yield _HEADER
    writer = _Writer()
    for name, value in variables.items():
        packed = zlib.compress(writer.matrix(matrix(value), name))
        yield packing.pack("<2I", _COMPRESSED, len(packed))
        yield packed


class _Writer:
    """Makes the bytes of values; those of single numbers other than doubles are remembered."""

    def __init__(self) -> None:
        self._memo: dict[tuple[str, Any], bytes] = {}

    def _value(self, value: Value) -> bytes:
        if type(value) is float:
            return _DOUBLE_HEAD + _DOUBLE(value)
        if isinstance(value, dict) and len(value) == 1:
            (key,) = value.items()
            if isinstance(key[1], int):
                # 1 and true are equal keys, but each class has a tag of its own.
                found = self._memo.get(key)
                if found is None:
                    found = self._memo[key] = self.matrix(matrix(value))
                return found
        return self.matrix(matrix(value))

    def matrix(self, held: Matrix, name: str = "") -> bytes:
        """Return a matrix element."""
        if held.kind == "struct":
            flags, contents = _STRUCT, self._struct(held)
        elif held.kind == "cell":
            flags, contents = _CELL, b"".join(map(self._value, held.items))
        elif held.kind == "char":
            flags, contents = _CHAR, _element(_UTF8, _utf8(held.items))
        elif held.kind in _NUMBERS:
            flags, storage, code = _NUMBERS[held.kind]
            contents = _element(storage, _packed(held.kind, held.items, code))
        else:
            raise DatasetError(f"not a MATLAB value: there is no class {held.kind!r}")
        head = packing.pack("<4I", _UINT32, 8, flags, 0)
        shape = _element(_INT32, packing.pack(f"<{len(held.shape)}i", *held.shape))
        named = _element(_INT8, name.encode("latin-1"))
        body = b"".join((head, shape, named, contents))
        return packing.pack("<2I", _MATRIX, len(body)) + body

    def _struct(self, held: Matrix) -> bytes:
        fields: Mapping[str, Sequence[Value]] = held.items
        for name in fields:
            if not is_field_name(name):
                raise DatasetError(f"not a MATLAB value: a struct with the field {name!r}")
        length = 64 if any(len(name) > 31 for name in fields) else 32
        names = b"".join(name.encode().ljust(length, b"\0") for name in fields)
        values = (column[i] for i in range(held.size) for column in fields.values())
        # MATLAB wants the length in the short form.
        size = packing.pack("<2HI", _INT32, 4, length)
        return size + _element(_INT8, names) + b"".join(map(self._value, values))


def _utf8(written: Any) -> bytes:
    try:
        return str(written).encode()
    except UnicodeEncodeError as error:
        raise DatasetError(f"not a MATLAB value: {error}") from None


def _packed(kind: str, items: Sequence[Any], code: str) -> bytes:
    try:
        return packing.pack(f"<{len(items)}{code}", *items)
    except (packing.error, OverflowError) as error:
        raise DatasetError(f"not a MATLAB value: {kind}: {error}") from None


def _element(kind: int, data: bytes) -> bytes:
    return packing.pack("<2I", kind, len(data)) + data + bytes(-len(data) % 8)

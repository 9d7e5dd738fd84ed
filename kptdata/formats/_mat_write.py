"""The values of `_mat_values` to MATLAB 5 files; the same values give the same bytes."""

from __future__ import annotations

import struct as packing
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from kptdata.errors import DatasetError
from kptdata.formats._mat_values import Matrix, Value, is_field_name, matrix

__all__ = ["mat_bytes"]

_TEXT = b"MATLAB 5.0 MAT-file, written by kptdata"
_HEADER = _TEXT.ljust(116) + bytes(8) + packing.pack("<H2s", 0x0100, b"IM")
_COMPRESSED, _MATRIX, _INT8, _INT32, _UINT16, _UINT32 = 15, 14, 1, 5, 4, 6
_LOGICAL_FLAG = 2 << 8

# Class -> its number, the number of the element type, and how `struct` writes one.
_NUMBERS = {
    "double": (6, 9, "d"), "single": (7, 7, "f"), "int8": (8, 1, "b"), "uint8": (9, 2, "B"),
    "int16": (10, 3, "h"), "uint16": (11, 4, "H"), "int32": (12, 5, "i"), "uint32": (13, 6, "I"),
    "int64": (14, 12, "q"), "uint64": (15, 13, "Q"), "logical": (9 | _LOGICAL_FLAG, 2, "B"),
}  # fmt: skip
_CELL, _STRUCT, _CHAR = 1, 2, 4

# A whole double of one element, but for its eight bytes: the form that nearly all values have.
_SCALAR = packing.Struct("<14I d")
_SCALAR_HEAD = (_MATRIX, 56, _UINT32, 8, 6, 0, _INT32, 8, 1, 1, _INT8, 0, 9, 8)


def mat_bytes(variables: Mapping[str, Value]) -> Iterator[bytes]:
    """Yield a file that holds these variables, compressed.

    Raises:
        DatasetError: something is no value as `_mat_values` describes them.
    """
    yield _HEADER
    for name, value in variables.items():
        packed = zlib.compress(_matrix(matrix(value), name))
        yield packing.pack("<2I", _COMPRESSED, len(packed))
        yield packed


def _value(value: Value) -> bytes:
    if type(value) is float:
        return _SCALAR.pack(*_SCALAR_HEAD, value)
    return _matrix(matrix(value))


def _matrix(held: Matrix, name: str = "") -> bytes:
    if held.kind == "struct":
        flags, contents = _STRUCT, _struct(held)
    elif held.kind == "cell":
        flags, contents = _CELL, b"".join(map(_value, held.items))
    elif held.kind == "char":
        written = str(held.items).encode("utf-16-le")
        flags, contents = _CHAR, _element(_UINT16, written)
    elif held.kind in _NUMBERS:
        flags, storage, code = _NUMBERS[held.kind]
        contents = _element(storage, _packed(held, code))
    else:
        raise DatasetError(f"not a MATLAB value: there is no class {held.kind!r}")
    head = [
        _element(_UINT32, packing.pack("<2I", flags, 0)),
        _element(_INT32, packing.pack(f"<{len(held.shape)}i", *held.shape)),
        _element(_INT8, name.encode("latin-1")),
    ]
    body = b"".join(head) + contents
    return packing.pack("<2I", _MATRIX, len(body)) + body


def _packed(held: Matrix, code: str) -> bytes:
    try:
        return packing.pack(f"<{held.size}{code}", *held.items)
    except packing.error as error:
        raise DatasetError(f"not a MATLAB value: {held.kind}: {error}") from None


def _struct(held: Matrix) -> bytes:
    fields: Mapping[str, list[Any]] = held.items
    for name in fields:
        if not is_field_name(name):
            raise DatasetError(f"not a MATLAB value: a struct with the field {name!r}")
    length = 64 if any(len(name) > 31 for name in fields) else 32
    names = b"".join(name.encode().ljust(length, b"\0") for name in fields)
    values = (column[i] for i in range(held.size) for column in fields.values())
    # MATLAB wants the length in the short form.
    size = packing.pack("<2HI", _INT32, 4, length)
    return size + _element(_INT8, names) + b"".join(map(_value, values))


def _element(kind: int, data: bytes) -> bytes:
    return packing.pack("<2I", kind, len(data)) + data + bytes(-len(data) % 8)

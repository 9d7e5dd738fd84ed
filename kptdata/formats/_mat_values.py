"""MATLAB values as JSON-ready ones, with nothing lost, and their plain meaning.

====================================  =======================================================
MATLAB                                here
====================================  =======================================================
double 1x1, finite                    a number
double 0x0                            ``[]``
char 1xn, n > 0                       text
struct 1x1                            an object: field -> value
any other struct                      ``{"@struct": {field: [values]}, "@shape": [1, 16]}``
any other single number               ``{"@uint8": 7}``, ``{"@logical": true}``
anything else                         ``{"@<class>": elements, "@shape": [rows, columns]}``
====================================  =======================================================

Elements are listed column by column, as MATLAB keeps them; text of several rows likewise. Numbers
that JSON does not have are the texts ``nan``, ``inf`` and ``-inf``. Values may be shared between
places and are never changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kptdata.errors import DatasetError

__all__ = [
    "EMPTY",
    "FLOATS",
    "INTEGERS",
    "NUMBERS",
    "Matrix",
    "Value",
    "WrongValueError",
    "as_value",
    "cell",
    "char",
    "char_units",
    "describe",
    "elements",
    "is_field_name",
    "matrix",
    "number",
    "numeric",
    "plain",
    "record",
    "struct",
    "struct_columns",
    "text",
    "unset",
]

Value = Any
"""A MATLAB value as above."""

EMPTY: Value = []
"""MATLAB's ``[]``, which stands for "nothing here" in the fields of a struct array."""

FLOATS = ("double", "single")
INTEGERS = {
    f"{sign}int{bits}": ((-(2 ** (bits - 1)), 2 ** (bits - 1)) if not sign else (0, 2**bits))
    for bits in (8, 16, 32, 64)
    for sign in ("", "u")
}
"""Class -> least value and the one past the greatest."""

NUMBERS = (*FLOATS, *INTEGERS, "logical")
"""All classes of numbers."""

_NUMBER_TAGS = {f"@{kind}" for kind in NUMBERS}

_EXACT = 2**53
_FIELD = re.compile(r"[A-Za-z]\w{0,62}", re.ASCII)


class WrongValueError(Exception):
    """A value is not what its place asks for; whoever knows the file says where."""

    def __init__(self, field: str, expected: str, value: Value) -> None:
        self.field, self.expected, self.found = field, expected, describe(value)
        super().__init__(f"{field}: expected {expected}, found {self.found}")


class Matrix(NamedTuple):
    """A value taken apart: class, shape and elements.

    Elements: a list; one text for ``char``; field -> list for ``struct``.
    """

    kind: str
    shape: tuple[int, ...]
    items: Any

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def is_field_name(name: str) -> bool:
    """Tell whether a struct may have a field of this name."""
    return _FIELD.fullmatch(name) is not None


def char_units(written: str) -> int:
    """Count characters as MATLAB does, in units of UTF-16."""
    return len(written) + sum(c > "\uffff" for c in written)


# Making values


def numeric(kind: str, items: Sequence[Any], shape: Sequence[int]) -> Value:
    """Return numbers of a class as a value."""
    if kind in FLOATS:
        items = [v if math.isfinite(v) else str(v) for v in items]
    if tuple(shape) == (1, 1):
        single = items[0]
        return single if kind == "double" and type(single) is float else {f"@{kind}": single}
    if kind == "double" and tuple(shape) == (0, 0):
        return EMPTY
    return {f"@{kind}": list(items), "@shape": list(shape)}


def char(written: str, shape: Sequence[int] | None = None) -> Value:
    """Return text as a value; one row unless `shape` says otherwise."""
    row = (1, char_units(written)) if written else (0, 0)
    if written and tuple(shape or row) == row:
        return written
    return {"@char": written, "@shape": list(shape or row)}


def cell(items: Sequence[Value], shape: Sequence[int]) -> Value:
    """Return values in a cell array."""
    return {"@cell": list(items), "@shape": list(shape)}


def struct(columns: Mapping[str, Sequence[Value]], shape: Sequence[int]) -> Value:
    """Return a struct array from the values of each field."""
    if tuple(shape) == (1, 1):
        return {name: values[0] for name, values in columns.items()}
    held = {name: list(values) for name, values in columns.items()}
    return {"@struct": held, "@shape": list(shape)}


# Looking into values


def matrix(value: Value) -> Matrix:
    """Take a value apart.

    Raises:
        DatasetError: it is none of the forms above.
    """
    if type(value) in (float, int):
        return Matrix("double", (1, 1), [float(value)])
    if isinstance(value, str) and value:
        return Matrix("char", (1, char_units(value)), value)
    if isinstance(value, list) and not value:
        return Matrix("double", (0, 0), value)
    if not isinstance(value, dict):
        raise DatasetError(f"not a MATLAB value: {value!r}")
    tag = next(iter(value), "")
    if not tag.startswith("@"):
        return Matrix("struct", (1, 1), {name: [held] for name, held in value.items()})
    return _tagged(tag[1:], value)


def _tagged(kind: str, value: Mapping[str, Any]) -> Matrix:
    items = value["@" + kind]
    if "@shape" not in value:
        return Matrix(kind, (1, 1), _finite([items]) if kind in FLOATS else [items])
    shape = tuple(value["@shape"])
    size = math.prod(shape)
    columns = items.values() if kind == "struct" and isinstance(items, dict) else [items]
    listed = all(isinstance(held, list) and len(held) == size for held in columns)
    if not (isinstance(items, str) if kind == "char" else listed):
        raise DatasetError(f"not a MATLAB value: {kind} of the shape {shape} with other elements")
    return Matrix(kind, shape, _finite(items) if kind in FLOATS else items)


def _finite(items: Iterable[Any]) -> list[float]:
    return [float(v) for v in items]


def elements(value: Value) -> list[Value]:
    """Return the elements of any array as values of their own; text is one element."""
    held = matrix(value)
    if held.kind == "char":
        return [value]
    if held.kind == "cell":
        return list(held.items)
    if held.kind == "struct":
        return [{name: values[i] for name, values in held.items.items()} for i in range(held.size)]
    return [numeric(held.kind, [v], (1, 1)) for v in held.items]


def describe(value: Value) -> str:
    """Say in words what a value is."""
    held = matrix(value)
    if held.kind == "char" and isinstance(value, str):
        return f"the text {value!r}"
    if held.kind in NUMBERS and held.size == 1:
        return f"{held.items[0]!r}"
    if not held.size:
        return "nothing" if held.kind == "double" else f"an empty {held.kind}"
    return f"{held.kind} of {'x'.join(map(str, held.shape))}"


def unset(value: Value) -> bool:
    """Tell whether a value says nothing: no number, or a struct of nothing else."""
    if not value and isinstance(value, list):
        return True
    if not isinstance(value, dict) or (len(value) == 1 and next(iter(value)) in _NUMBER_TAGS):
        return False
    held = matrix(value)
    if held.kind == "struct":
        return held.size == 1 and all(unset(values[0]) for values in held.items.values())
    return held.kind in NUMBERS and not held.size


def number(value: Value, field: str) -> float | None:
    """Return a single number of any class as a float; None for an empty array of numbers.

    Raises:
        WrongValueError: it is something else.
    """
    if type(value) is float:
        return value
    if type(value) is dict and len(value) == 1:
        ((tag, single),) = value.items()
        if tag in _NUMBER_TAGS:
            return float(single)
    held = matrix(value)
    if held.kind not in NUMBERS or held.size > 1:
        raise WrongValueError(field, "a number", value)
    return float(held.items[0]) if held.size else None


def text(value: Value, field: str) -> str:
    """Return one line of text, possibly empty.

    Raises:
        WrongValueError: it is something else.
    """
    if isinstance(value, str):
        return value
    held = matrix(value)
    if held.size and (held.kind != "char" or held.shape[0] > 1):
        raise WrongValueError(field, "text", value)
    return str(held.items) if held.kind == "char" else ""


def struct_columns(value: Value, field: str) -> tuple[Mapping[str, Sequence[Value]], int]:
    """Return the values of each field of a struct array, and the number of its elements.

    An empty array of any class is a struct array of no elements.

    Raises:
        WrongValueError: it is something else.
    """
    held = matrix(value)
    if held.kind == "struct":
        return held.items, held.size
    if held.size:
        raise WrongValueError(field, "a struct", value)
    return {}, 0


def record(value: Value, field: str) -> Mapping[str, Value] | None:
    """Return the fields of a single struct; None for an empty array.

    Raises:
        WrongValueError: it is something else.
    """
    columns, count = struct_columns(value, field)
    if count > 1:
        raise WrongValueError(field, "a single struct", value)
    return {name: values[0] for name, values in columns.items()} if count else None


# What a value means without its class and shape


def plain(value: Value) -> Any:
    """Return what a value says as ordinary JSON: numbers, text, lists, objects.

    Fields of a struct that say nothing are left out; a number that is not finite is null.
    """
    if isinstance(value, str):
        return value
    held = matrix(value)
    if held.kind == "char":
        return held.items if held.size == 0 or held.shape[0] == 1 else _rows_of_text(held)
    if held.kind == "cell":
        return [plain(v) for v in held.items]
    if held.kind == "struct":
        rows = [
            {name: plain(v) for name, v in row.items() if not unset(v)} for row in elements(value)
        ]
        return rows[0] if held.size == 1 else rows
    items = [_plain_number(v) for v in held.items]
    return items[0] if held.size == 1 else _nested(items, held.shape)


def _plain_number(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _nested(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """List elements by rows; a single row or column is a flat list."""
    if len(items) == max(shape, default=0) or not items:
        return items
    import numpy as np

    order = np.arange(len(items)).reshape(shape, order="F")
    boxed = np.empty(len(items), dtype=object)
    boxed[:] = items
    nested: list[Any] = boxed[order].tolist()
    return nested


def _rows_of_text(held: Matrix) -> list[str]:
    rows = held.shape[0]
    return [held.items[i::rows] for i in range(rows)]


def as_value(meaning: Any) -> Value:
    """Return a value that means this plain JSON.

    Raises:
        ValueError: no MATLAB value does.
    """
    made = _made(meaning)
    if plain(made) != meaning:
        raise ValueError("MATLAB has no such value")
    return made


def _made(meaning: Any) -> Value:
    if meaning is None:
        return numeric("double", [math.nan], (1, 1))
    if isinstance(meaning, bool):
        return {"@logical": meaning}
    if isinstance(meaning, float) or (isinstance(meaning, int) and abs(meaning) < _EXACT):
        return float(meaning)
    if isinstance(meaning, int):
        return _large(meaning)
    if isinstance(meaning, str):
        return char(meaning)
    if isinstance(meaning, dict):
        if not all(map(is_field_name, meaning)):
            raise ValueError("a key is no field name")
        return {name: _made(held) for name, held in meaning.items()}
    return _array_of(meaning)


def _large(meaning: int) -> Value:
    """Return a whole number that a double may not hold exactly."""
    for kind in ("int64", "uint64"):
        low, stop = INTEGERS[kind]
        if low <= meaning < stop:
            return {f"@{kind}": meaning}
    raise ValueError("no class holds so large a number")


def _array_of(meaning: Sequence[Any]) -> Value:
    """Return a row or table of numbers where the list is one, a cell array otherwise."""
    if len(meaning) > 1 and all(map(_is_number, meaning)):
        return numeric("double", list(map(float, meaning)), (1, len(meaning)))
    lengths = {len(row) if isinstance(row, list) else -1 for row in meaning}
    if len(meaning) > 1 and len(lengths) == 1 and min(lengths) > 1:
        columns = list(zip(*meaning, strict=True))
        if all(_is_number(v) for column in columns for v in column):
            flat = [float(v) for column in columns for v in column]
            return numeric("double", flat, (len(meaning), len(columns)))
    return cell([_made(v) for v in meaning], (1, len(meaning)) if meaning else (0, 0))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _EXACT

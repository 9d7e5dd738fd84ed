"""What a column of a dataset may hold: element type, axes, and the value that says "missing".

One table describes all columns, so that checking, indexing, joining and comparing are written once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import DatasetError

__all__ = ["COLUMNS", "MISSING_INT", "TEXT", "Column", "RawColumn", "as_column", "is_missing"]

TEXT = np.dtypes.StringDType()
MISSING_INT = np.iinfo(np.int64).min
"""Stands for "no value" in integer columns, where NaN cannot."""


@dataclass(frozen=True)
class Column:
    """Axes behind N (``K`` is the schema's number of keypoints) and kind of element.

    Kinds: ``float`` (float64, missing NaN), ``flag`` (int8, missing -1), ``int`` (int64, missing
    `MISSING_INT`), ``text`` (missing ""), ``id`` (int64 or text).
    """

    kind: str
    axes: tuple[int | str, ...] = ()


COLUMNS = {
    "given_xy": Column("float", ("K", 2)),
    "xyz": Column("float", ("K", 3)),
    "keypoint_score": Column("float", ("K",)),
    "bbox": Column("float", (4,)),
    "bbox_source": Column("text"),
    "area": Column("float"),
    "area_source": Column("text"),
    "iscrowd": Column("flag"),
    "score": Column("float"),
    "track": Column("id"),
    "id": Column("id"),
    "category": Column("int"),
    "answers": Column("id"),
}
"""The optional columns of `PoseDataset`; None stands for all missing."""

_DTYPES: dict[str, Any] = {
    "float": np.float64, "flag": np.int8, "int": np.int64, "text": TEXT, "bool": np.bool_,
}  # fmt: skip
_FILL: dict[str, Any] = {"float": np.nan, "flag": -1, "int": MISSING_INT, "text": ""}


def as_column(name: str, values: Any, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return `values` as a read-only array of the kind's element type and of this shape.

    Raises:
        DatasetError: the values do not convert, or have another shape.
    """
    if kind == "id":
        kind = _id_kind(values)
    try:
        array = np.asarray(values, dtype=_DTYPES[kind])
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f"{name}: expected {kind} values, got {_describe(values)}: {error}"
        ) from None
    if array.shape != shape:
        raise DatasetError(f"{name}: expected shape {shape}, got {array.shape}")
    view = array.view()
    view.flags.writeable = False
    return view


def _id_kind(values: Any) -> str:
    dtype = getattr(values, "dtype", None)
    if dtype is None:
        return "text" if any(isinstance(v, str) for v in values) else "int"
    return "int" if np.issubdtype(dtype, np.integer) else "text"


def _describe(values: Any) -> str:
    dtype = getattr(values, "dtype", None)
    return str(dtype) if dtype is not None else type(values).__name__


def missing(kind: str, shape: tuple[int, ...], like: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return an all-missing column; an ``id`` column takes its element type from `like`."""
    if kind == "id":
        kind = "text" if like is not None and like.dtype == TEXT else "int"
    return np.full(shape, _FILL[kind], dtype=_DTYPES[kind])


def is_missing(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which elements, of any shape, hold no value."""
    if array.dtype == TEXT:
        empty: NDArray[np.bool_] = array == ""
        return empty
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype == np.int8:
        return array == _FILL["flag"]
    if array.dtype == np.int64:
        return array == MISSING_INT
    return np.zeros(array.shape, dtype=bool)


class RawColumn(Sequence[bytes | None]):
    """One JSON text per row, verbatim; None where the source had no such key.

    Args:
        values: the texts (UTF-8 bytes, one JSON value each) or None.

    >>> column = RawColumn([b"1.50", None])
    >>> column[0], column.parsed(0), column[1]
    (b'1.50', 1.5, None)
    """

    __slots__ = ("_values",)

    def __init__(self, values: Iterable[bytes | None] | NDArray[np.object_]) -> None:
        if not isinstance(values, np.ndarray):
            listed = list(values)
            values = np.empty(len(listed), dtype=object)
            values[:] = listed
        self._values: NDArray[np.object_] = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, row: Any) -> Any:
        found = self._values[row]
        return RawColumn(found) if isinstance(found, np.ndarray) else found

    def __repr__(self) -> str:
        return f"RawColumn({len(self)} rows, {int(self.present.sum())} present)"

    @property
    def present(self) -> NDArray[np.bool_]:
        """(N,) True where the source had the key."""
        return np.fromiter((v is not None for v in self._values), dtype=bool, count=len(self))

    def parsed(self, row: int) -> Any:
        """Return the value of one row as plain Python; None where absent (or JSON null)."""
        text = self._values[row]
        return None if text is None else json.loads(text)

    @classmethod
    def from_values(cls, values: Iterable[Any]) -> RawColumn:
        """Make a column of plain Python values; None stays absent."""
        return cls(
            None if v is None else json.dumps(v, ensure_ascii=False).encode() for v in values
        )

    @classmethod
    def absent(cls, length: int) -> RawColumn:
        """Make a column with no value in any row."""
        return cls(np.full(length, None, dtype=object))

    @classmethod
    def joined(cls, parts: Sequence[RawColumn]) -> RawColumn:
        """Put columns one behind the other."""
        return cls(np.concatenate([part._values for part in parts]))  # noqa: SLF001 - its own class

    def same_as(self, other: RawColumn) -> bool:
        """Tell whether all rows hold equal JSON values; spacing and key order do not count."""
        if len(self) != len(other):
            return False
        return all(a == b or _equal_json(a, b) for a, b in zip(self, other, strict=True))


def _equal_json(a: bytes | None, b: bytes | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(json.loads(a) == json.loads(b))

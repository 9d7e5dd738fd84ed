"""The table of DeepLabCut in HDF5, as pandas and PyTables lay it out, without either of them.

pandas has two layouts. The fixed one keeps index levels, codes and blocks as datasets. The other is
one dataset of records, with the columns in attributes that are pickles: those are read by
`plain_value`, which unpickles nothing. Cells, or an index, that are pickled are refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FormatError, MissingDependencyError
from kptdata.formats._dlc_sheet import FRAMES, LEVELS, PARTS, PATH, Sheet, check_sheet
from kptdata.formats._hdf5 import check_dataset, h5py_of, opened_hdf5
from kptdata.formats._pickled import PickleError, plain_value

__all__ = ["KEY", "h5_bytes", "keys_in", "read_h5"]

KEY = "df_with_missing"

_FIXED, _TABLE = "frame", "frame_table"
_MOST_LEVELS = 8


class _Index(NamedTuple):
    """Labels of rows or columns: names of the levels, and a tuple for each label."""

    names: tuple[str, ...]
    labels: list[tuple[Any, ...]]


def keys_in(path: Path) -> list[str]:
    """Return the names under which a file has tables of DeepLabCut; none if it cannot be read.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    try:
        with opened_hdf5(path) as (file, _):
            found = _groups(file)
            return [key for key, group in found.items() if _is_ours(group)]
    except MissingDependencyError:
        raise
    except (FormatError, OSError):
        return []


def _groups(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kind = h5py_of().Group

    def visit(name: Any, item: Any) -> None:
        whole = isinstance(name, str) and isinstance(item, kind)
        if whole and _text(item, "pandas_type"):
            found[name] = item

    file.visititems(visit)
    return found


def _is_ours(group: Any) -> bool:
    """Tell whether header rows of DeepLabCut are there, without reading the table."""
    if _text(group, "pandas_type") == _TABLE:
        text = _text(group, "info")
        return all(name in text for name in LEVELS[0])
    count = _number(group, "axis0_nlevels")
    levels = [group.get(f"axis0_level{i}") for i in range(min(count, _MOST_LEVELS))]
    return tuple(_text(level, "name") for level in levels if level is not None) in LEVELS


def _text(item: Any, name: str) -> str:
    """Return an attribute as text, empty if it is none."""
    value = item.attrs.get(name)
    if isinstance(value, bytes | np.bytes_):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""


def _number(item: Any, name: str) -> int:
    value = item.attrs.get(name, 0)
    return int(value) if isinstance(value, int | np.integer) else 0


def read_h5(path: Path, key: str | None = None) -> Sheet:
    """Read a table.

    Args:
        path: the file.
        key: name of the table; by default the only one, or ``df_with_missing``.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file cannot be read.
        FormatError: it is not in the format, or holds pickled values; the place is named.
    """
    with opened_hdf5(path) as (file, limit):
        name, group = _chosen(file, path, key)
        reader = _Reader(path, limit, name, group)
        sheet = reader.table() if _text(group, "pandas_type") == _TABLE else reader.fixed()
        return check_sheet(sheet, path)


def _chosen(file: Any, path: Path, key: str | None) -> tuple[str, Any]:
    groups = _groups(file)
    wanted = key.strip("/") if key is not None else KEY
    if key is None and wanted not in groups and len(groups) == 1:
        (wanted,) = groups
    if wanted in groups:
        return wanted, groups[wanted]
    listed = ", ".join(groups) or "no table of pandas"
    raise FormatError(
        f"no table {wanted!r}" if groups else "no HDF5 of DeepLabCut",
        path=path,
        expected=f"a table {wanted!r} as pandas writes it",
        found=listed,
        fix="name one of the tables (key=...)" if groups else "name the format of the file",
    )


class _Reader:
    """Reads one table of an open file."""

    def __init__(self, path: Path, limit: int, name: str, group: Any) -> None:
        self._path, self._limit, self._name, self._group = path, limit, name, group

    def _wrong(self, place: str, expected: str, found: str, fix: str | None = None) -> FormatError:
        return FormatError(
            "not as pandas writes it",
            path=self._path,
            place=f"{self._name}/{place}",
            expected=expected,
            found=found,
            fix=fix,
        )

    def fixed(self) -> Sheet:
        """Return the sheet of the fixed layout."""
        columns = self._columns(self._index("axis0"))
        index, rows = self._rows(self._index("axis1"))
        values = np.full((len(rows), len(columns)), np.nan)
        count = _number(self._group, "nblocks")
        if not 0 < count <= len(columns):
            raise self._wrong("nblocks", "a number of blocks", str(count))
        places = {column: place for place, column in enumerate(columns)}
        filled: list[int] = []
        for number in range(count):
            items = self._columns(self._index(f"block{number}_items"))
            block = self._block(f"block{number}_values", (len(rows), len(items)))
            mine = [places.get(item, -1) for item in items]
            values[:, mine] = block
            filled += mine
        if sorted(filled) != list(range(len(columns))):
            raise self._wrong("block0_items", "each column in one block", "others")
        return Sheet(columns, index, rows, values)

    def _dataset(self, name: str) -> Any:
        link = self._group.get(name, getlink=True)
        item = self._group.get(name) if isinstance(link, h5py_of().HardLink) else None
        if not isinstance(item, h5py_of().Dataset):
            found = "none" if link is None else type(link).__name__
            raise self._wrong(name, "a dataset", found)
        if _text(item, "PSEUDOATOM") or item.dtype.kind == "O":
            raise self._wrong(
                name,
                "numbers or text",
                "pickled objects, which are not unpickled",
                "read the file with pandas and write it again with numbers, or use the CSV",
            )
        check_dataset(item, f"{self._name}/{name}", self._path, self._limit)
        return item

    def _array(self, name: str) -> NDArray[Any]:
        """Return a dataset; one of no size is kept as a single cell, with its true shape beside."""
        item = self._dataset(name)
        if "shape" not in item.attrs:
            return np.asarray(item[()])
        shape = self._plain(item, "shape", name)
        whole = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
        if not whole or 0 not in shape or max(shape) > self._limit:
            raise self._wrong(name, "the shape of nothing", str(shape))
        return np.zeros(shape)

    def _plain(self, item: Any, attribute: str, place: str) -> Any:
        value = item.attrs.get(attribute)
        if not isinstance(value, bytes | np.bytes_):
            raise self._wrong(f"{place}@{attribute}", "a pickle of plain values", repr(value)[:40])
        try:
            return plain_value(bytes(value))
        except PickleError as error:
            raise self._wrong(
                f"{place}@{attribute}",
                "a pickle of plain values",
                str(error),
                "write the file again with pandas, if you trust it",
            ) from None

    def _index(self, key: str) -> _Index:
        variety = _text(self._group, f"{key}_variety")
        if variety == "regular":
            name = _text(self._group.get(key, self._group), "name")
            return _Index((name,), [(label,) for label in self._labels(key)])
        count = _number(self._group, f"{key}_nlevels")
        if variety != "multi" or not 0 < count <= _MOST_LEVELS:
            found = f"{variety or 'nothing'} of {count} levels"
            raise self._wrong(key, "an index", found)
        names, parts = [], []
        for level in range(count):
            labels = self._labels(f"{key}_level{level}")
            codes = self._array(f"{key}_label{level}")
            if codes.ndim != 1 or codes.dtype.kind not in "iuf":
                raise self._wrong(f"{key}_label{level}", "whole numbers", str(codes.dtype))
            if codes.size and not 0 <= codes.min() <= codes.max() < len(labels):
                raise self._wrong(
                    f"{key}_label{level}", f"0 to {len(labels) - 1}", str(codes.min())
                )
            names.append(_text(self._group[f"{key}_level{level}"], "name"))
            parts.append([labels[int(code)] for code in codes.tolist()])
        if len({len(part) for part in parts}) != 1:
            raise self._wrong(key, "levels of one length", str([len(part) for part in parts]))
        return _Index(tuple(names), list(zip(*parts, strict=True)))

    def _labels(self, name: str) -> list[Any]:
        array = self._array(name)
        if array.ndim != 1:
            raise self._wrong(name, "labels in a row", str(array.shape))
        if not array.size:
            return []
        kind = _text(self._group[name], "kind")
        return self._label_values(array, kind, name)

    def _label_values(self, array: NDArray[Any], kind: str, name: str) -> list[Any]:
        if array.dtype.kind == "S":
            try:
                return [label.decode() for label in array.tolist()]
            except UnicodeDecodeError as error:
                raise self._wrong(name, "UTF-8", repr(error.object[:20])) from None
        if array.dtype.kind in "iu" and kind in ("integer", ""):
            return [int(label) for label in array.tolist()]
        raise self._wrong(name, "text or whole numbers", f"{kind or 'values'} as {array.dtype}")

    def _columns(self, index: _Index) -> tuple[tuple[str, ...], ...]:
        if index.names not in LEVELS:
            raise self._wrong(
                "columns",
                "levels scorer, perhaps individuals, bodyparts and coords",
                ", ".join(index.names),
            )
        return tuple(tuple(map(str, label)) for label in index.labels)

    def _rows(self, index: _Index) -> tuple[str, Sequence[str] | NDArray[np.int64]]:
        labels = index.labels
        if len(index.names) > 1:
            return PARTS, ["/".join(map(str, label)) for label in labels]
        if labels and all(type(label) is int for (label,) in labels):
            numbers = np.array([label for (label,) in labels], np.int64)
            if numbers.min() < 0:
                raise self._wrong("rows", "numbers of frames", str(numbers.min()))
            return FRAMES, numbers
        return PATH, [str(label) for (label,) in labels]

    def _block(self, name: str, shape: tuple[int, int]) -> NDArray[np.float64]:
        array = self._array(name)
        empty = "shape" in self._group[name].attrs
        stored = array if _number(self._group[name], "transposed") and not empty else array.T
        return self._numbers(stored, name, shape)

    def _numbers(
        self, array: NDArray[Any], name: str, shape: tuple[int, int]
    ) -> NDArray[np.float64]:
        if array.dtype.kind not in "fiu" or array.shape != shape:
            raise self._wrong(name, f"numbers of the shape {shape}", f"{array.shape} {array.dtype}")
        return array.astype(np.float64)

    def table(self) -> Sheet:
        """Return the sheet of the layout of records."""
        if _text(self._group, "table_type") != "appendable_frame":
            raise self._wrong(
                "table", "appendable_frame", _text(self._group, "table_type") or "nothing"
            )
        item = self._dataset("table")
        fields = item.dtype.names or ()
        if item.ndim != 1 or "index" not in fields:
            raise self._wrong("table", "records with an index", str(item.dtype))
        columns = self._columns(self._table_columns())
        records = item[()]
        kind = _text(item, "index_kind")
        labels = self._label_values(records["index"], kind, "table, index") if len(records) else []
        index, rows = self._rows(_Index(("",), [(label,) for label in labels]))
        values = np.full((len(rows), len(columns)), np.nan)
        places = {column: place for place, column in enumerate(columns)}
        for field in fields:
            if field != "index":
                names = self._plain(item, f"{field}_kind", "table")
                mine = [places.get(column, -1) for column in self._tuples(names)]
                if -1 in mine:
                    raise self._wrong(f"table, {field}", "columns of the table", "others")
                block = records[field].reshape(len(rows), -1)
                values[:, mine] = self._numbers(block, f"table, {field}", (len(rows), len(mine)))
        return Sheet(columns, index, rows, values)

    def _table_columns(self) -> _Index:
        axes = self._plain(self._group, "non_index_axes", "table")
        info = self._plain(self._group, "info", "table")
        try:
            ((_, columns),) = axes
            names = tuple(map(str, info[1]["names"]))
        except (TypeError, ValueError, KeyError, IndexError):
            found = f"{str(axes)[:40]}, {str(info)[:40]}"
            raise self._wrong("table", "columns and their levels", found) from None
        return _Index(names, self._tuples(columns))

    def _tuples(self, found: Any) -> list[tuple[str, ...]]:
        whole = isinstance(found, list) and all(isinstance(each, tuple) for each in found)
        if not whole or len({len(each) for each in found}) > 1:
            raise self._wrong("table", "columns as tuples", str(found)[:40])
        return [tuple(map(str, each)) for each in found]


# Writing: the fixed layout


def h5_bytes(sheet: Sheet) -> bytes:
    """Return a file with the sheet in the fixed layout; the same sheet gives the same bytes.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    h5py = h5py_of()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        writer = _Writer(h5py, file)
        writer.note(file, CLASS="GROUP", PYTABLES_FORMAT_VERSION="2.1", TITLE=None, VERSION="1.0")
        group = file.create_group(KEY)
        writer.group = group
        writer.note(group, CLASS="GROUP", TITLE=None, VERSION="1.0", encoding="UTF-8")
        writer.note(group, errors="strict", pandas_type=_FIXED, ndim=2, nblocks=1)
        levels = LEVELS[sheet.several]
        for key in ("axis0", "block0_items"):
            writer.multi(key, levels, sheet.columns)
        if sheet.index == PARTS and len(sheet.rows):
            writer.multi("axis1", (None,) * 3, [tuple(str(row).split("/")) for row in sheet.rows])
        else:
            writer.note(group, axis1_variety="regular")
            writer.labels("axis1", sheet.rows, None)
        writer.array("block0_values", sheet.values)
    return buffer.getvalue()


class _Writer:
    """Writes datasets with the attributes by which PyTables knows them."""

    group: Any

    def __init__(self, h5py: Any, file: Any) -> None:
        self._h5py, self.group = h5py, file

    def note(self, item: Any, **attributes: Any) -> None:
        """Set attributes: whole numbers, text, or pickles as bytes; None is a text of no length."""
        for name, value in attributes.items():
            if isinstance(value, str) and value:
                text = value.encode()
                kind = self._h5py.string_dtype("utf-8", len(text))
                item.attrs.create(name, text, dtype=kind)
            elif isinstance(value, bytes):
                item.attrs.create(name, np.bytes_(value))
            elif isinstance(value, int | np.integer):
                item.attrs.create(name, value if isinstance(value, np.integer) else np.int64(value))
            else:
                item.attrs.create(name, self._h5py.Empty("S1"))

    def array(self, name: str, values: NDArray[Any]) -> Any:
        """Write an array; one of no size is a single cell, with its true shape beside."""
        if values.size:
            item = self.group.create_dataset(name, data=values)
            self.note(item, transposed=np.uint8(1))
        else:
            item = self.group.create_dataset(name, data=np.zeros((1,) * values.ndim))
            shape = "".join(f"I{n}\n" for n in values.T.shape)
            kind = "|S1" if values.dtype.kind == "S" else values.dtype.name
            self.note(
                item, transposed=np.uint8(0), value_type=kind, shape=f"({shape}tp0\n.".encode()
            )
        self.note(item, CLASS="ARRAY", FLAVOR="numpy", TITLE=None, VERSION="2.4")
        return item

    def labels(self, name: str, labels: Iterable[Any], title: str | None) -> None:
        """Write labels, and what they are called."""
        if isinstance(labels, np.ndarray):
            item, kind = self.array(name, labels), "integer"
        else:
            encoded = [str(label).encode() for label in labels]
            length = max(map(len, encoded), default=1) or 1
            item, kind = self.array(name, np.array(encoded, dtype=f"S{length}")), "string"
            self.note(item, nan_rep=None)
        self.note(item, kind=kind, name=_NONE if title is None else title)

    def multi(
        self, key: str, names: Sequence[str | None], labels: Sequence[tuple[str, ...]]
    ) -> None:
        """Write an index of several levels: sorted labels of each, and codes."""
        self.note(self.group, **{f"{key}_variety": "multi", f"{key}_nlevels": len(names)})
        for number, name in enumerate(names):
            found = [label[number] for label in labels]
            level = sorted(set(found))
            codes = {label: code for code, label in enumerate(level)}
            kind = np.int8 if len(level) < 128 else np.int32
            self.labels(f"{key}_level{number}", level, name)
            item = self.group[f"{key}_level{number}"]
            self.note(item, **{f"{key}_name{name}": _NONE if name is None else name})
            self.array(f"{key}_label{number}", np.array([codes[label] for label in found], kind))


_NONE = b"N."
"""How PyTables writes that there is nothing: the pickle of None."""

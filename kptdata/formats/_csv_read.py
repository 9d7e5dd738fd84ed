"""Columns of a wide CSV to a dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._collect import id_column
from kptdata.formats._csv_header import BOX, JSON, Role, point_names
from kptdata.formats._csv_text import Layout, Table
from kptdata.formats._named_points import Fit, Points, fit_points
from kptdata.schema import Schema
from kptdata.visibility import Visibility, is_labelled

__all__ = [
    "IMAGE_KEYS",
    "LAYOUT",
    "OWN",
    "dataset_of",
    "fit_header",
    "implied_states",
    "is_faces",
    "is_json_number",
]

Floats = NDArray[np.float64]
Texts = Sequence[str]

OWN = "csv"
LAYOUT = f"layout:{OWN}"
IMAGE_KEYS = ("file_name", "id", "sequence", "frame")
"""Columns that together say which image a row belongs to."""

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"(-?[0-9]{1,19})(\.0*)?")
_COUNTED = re.compile(r"(?:.*[^0-9])?([0-9]+)")
_FLAGS = {"": -1, "0": 0, "1": 1, "false": 0, "true": 1, "0.0": 0, "1.0": 1}
_LAYOUT_FIELDS = ("header", "delimiter", "newline", "bom")


def dataset_of(table: Table, schema: Schema | None, *, zero_one: bool = False) -> PoseDataset:
    """Make the dataset of a table.

    Args:
        table: the columns of a file.
        schema: of the points, if the caller wants one.
        zero_one: the states of points say only whether they are labelled, 0 or 1.

    Raises:
        FormatError: a cell does not say what its column should; line and column are named.
        SchemaError: `schema` has other points.
    """
    fit = fit_header(table.layout, schema, table.path)
    images, image = _images(table)
    category, categories = _categories(table)
    places = [table.get("place", axis) for axis in ("x", "y")]
    numbers = [role.key for role in table.layout.roles if role.kind == "number"]
    return PoseDataset(
        schema=fit.schema,
        images=images,
        image=image,
        **_points(table, fit, zero_one=zero_one),
        **_values(table),
        bbox=_boxes(table),
        category=category,
        categories=categories,
        numbers={name: table.get("number", name) for name in numbers},
        points={} if places[0] is None else {"center": np.stack(places, axis=-1)[:, None]},
        extras=_extras(table),
        meta={LAYOUT: _layout_text(table.layout)},
    )


def _layout_text(layout: Layout) -> bytes:
    return msgspec.json.encode({k: getattr(layout, k) for k in _LAYOUT_FIELDS})


def fit_header(layout: Layout, schema: Schema | None, path: Path) -> Fit:
    """Return the schema of a header's points; names that only count go by their number.

    Raises:
        SchemaError: `schema` has other points.
    """
    names = point_names(layout.roles)
    points = Points(names, title="custom" if names else "boxes")
    try:
        return fit_points(points, schema, path, "header")
    except SchemaError:
        counts = [match and int(match[1]) for match in map(_COUNTED.fullmatch, names)]
        stems = {name.rstrip("0123456789") for name in names}
        if schema is None or len(stems) > 1 or len(names) != schema.num_keypoints:
            raise
        order = sorted(counts, key=lambda count: -1 if count is None else count)
        first = order[0] if order else 0
        if first not in (0, 1) or order != list(range(first, first + len(order))):
            raise
        rows = {n: c - first for n, c in zip(names, counts, strict=True) if c is not None}
        return Fit(schema, rows)


# Points


def is_faces(layout: Layout) -> bool:
    """Tell whether a file is a table of faces, where a y that is not positive says "missing"."""
    return Role("place", "x") in layout.roles and all(r.kind != "state" for r in layout.roles)


def implied_states(x: Floats, y: Floats, *, faces: bool) -> NDArray[np.uint8]:
    """Return the states of points, of any shape, that no column states."""
    there = np.isfinite(x) & np.isfinite(y)
    if faces:
        there &= np.nan_to_num(y) > 0
    return np.where(there, Visibility.LABELLED, Visibility.UNLABELLED).astype(np.uint8)


def _points(table: Table, fit: Fit, *, zero_one: bool) -> dict[str, Any]:
    shape = (table.count, fit.schema.num_keypoints)
    states = np.full(shape, Visibility.UNLABELLED, np.uint8)
    stated, scores = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    faces = is_faces(table.layout)
    for name, k in fit.rows.items():
        x, y = table.get("x", name), table.get("y", name)
        _refuse_half(table, name, x, y)
        stated[:, k, 0], stated[:, k, 1] = x, y
        states[:, k] = _states(table, name, implied_states(x, y, faces=faces), zero_one=zero_one)
        score = table.get("point_score", name)
        if score is not None:
            scores[:, k] = score
    labelled = is_labelled(states)
    given = np.where(labelled[..., None], np.nan, stated)
    return {
        "xy": np.where(labelled[..., None], stated, np.nan),
        "visibility": states,
        "given_xy": None if np.isnan(given).all() else given,
        "keypoint_score": None if np.isnan(scores).all() else scores,
    }


def _refuse_half(table: Table, name: str, x: Floats, y: Floats) -> None:
    for gone, other, axis in ((x, y, "x"), (y, x, "y")):
        half = np.flatnonzero(np.isnan(gone) & ~np.isnan(other))
        if len(half):
            raise table.wrong(
                Role(axis, name),
                int(half[0]),
                "half of a point",
                "both coordinates, or neither",
                "fill the cell, or empty the other one",
            )


def _states(
    table: Table, name: str, implied: NDArray[np.uint8], *, zero_one: bool
) -> NDArray[np.uint8]:
    stated = table.get("state", name)
    if stated is None:
        return implied
    known = ~np.isnan(stated)
    allowed = [0.0, 1.0] if zero_one else [float(state) for state in Visibility]
    strange = np.flatnonzero(known & ~np.isin(stated, allowed))
    role = Role("state", name)
    if len(strange):
        raise table.wrong(
            role,
            int(strange[0]),
            "no state of a point",
            "0 or 1" if zero_one else "0 not labelled, 1 occluded, 2 visible, 3 absent, 4 labelled",
            "correct the cell; a likelihood belongs in a column such as "
            f"'{name}_score', not in one of states",
        )
    states = np.where(known, np.nan_to_num(stated), implied).astype(np.uint8)
    if zero_one:
        states = np.where(known & (states == 1), Visibility.LABELLED, states).astype(np.uint8)
    empty = np.flatnonzero(is_labelled(states) & (implied == Visibility.UNLABELLED))
    if len(empty):
        raise table.wrong(
            role,
            int(empty[0]),
            "a labelled point without coordinates",
            "0, or coordinates in the columns of the point",
            "correct one of the cells",
        )
    return states


# Columns of instances


def _boxes(table: Table) -> Floats | None:
    box = [table.get("box", key) for key in BOX]
    if box[0] is not None:
        return np.stack(box, axis=1)
    left, top, right, bottom = (
        table.get("corner", key) for key in ("left", "top", "right", "bottom")
    )
    if left is None:
        return None
    return np.stack([left, top, right - left, bottom - top], axis=1)


def _values(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("score", "area"):
        found[name] = table.get("value", name)
    for name in ("id", "track", "answers"):
        cells = table.get("value", name)
        if cells is not None:
            found[name] = id_column(cell or None for cell in cells)
    for name in ("bbox_source", "area_source"):
        cells = table.get("value", name)
        if cells is not None:
            found[name] = np.array(cells, dtype=TEXT)
    flags = table.get("value", "iscrowd")
    if flags is not None:
        found["iscrowd"] = _flags(table, flags)
    return found


def _flags(table: Table, cells: Texts) -> NDArray[np.int8]:
    values = [_FLAGS.get(cell.strip().lower()) for cell in cells]
    if None in values:
        raise table.wrong(
            Role("value", "iscrowd"), values.index(None), "no flag", "0, 1 or nothing",
            "correct the cell",
        )  # fmt: skip
    return np.array(values, np.int8)


def _whole(table: Table, role: Role, blank: int) -> NDArray[np.int64]:
    """Return whole numbers; a point and zeros behind them are what tools add to columns."""
    cells = table.get(*role)
    known: dict[str, int] = {"": blank}
    for row, cell in enumerate(cells):
        if cell not in known:
            match = _WHOLE.fullmatch(cell.strip())
            if match is None or abs(int(match[1])) >= 2**63:
                raise table.wrong(
                    role, row, "no whole number", "a whole number, or nothing",
                    "correct the cell, or rename the column",
                )  # fmt: skip
            known[cell] = int(match[1])
    return np.array([known[cell] for cell in cells], np.int64)


def _categories(table: Table) -> tuple[NDArray[np.int64] | None, dict[int, str]]:
    names, numbered = table.get("value", "category"), table.get("value", "category_id")
    if numbered is None:
        if names is None:
            return None, {}
        found = {name: n for n, name in enumerate(dict.fromkeys(filter(None, names)), 1)}
        column = [found.get(name, MISSING_INT) for name in names]
        return np.array(column, np.int64), {n: name for name, n in found.items()}
    numbers = _whole(table, Role("value", "category_id"), MISSING_INT)
    categories: dict[int, str] = {}
    named = [""] * len(numbers) if names is None else names
    for row, (number, name) in enumerate(zip(numbers.tolist(), named, strict=True)):
        _refuse_other_name(table, row, number, name, categories)
    return numbers, {number: name for number, name in categories.items() if name}


def _refuse_other_name(
    table: Table, row: int, number: int, name: str, categories: dict[int, str]
) -> None:
    if categories.setdefault(number, name) != name or (number == MISSING_INT and name):
        raise table.wrong(
            Role("value", "category"),
            row,
            "a category whose number says another",
            f"{categories[number]!r}" if number != MISSING_INT else "a number beside the name",
            "correct one of the cells",
        )


def _extras(table: Table) -> dict[str, RawColumn]:
    found: dict[str, RawColumn] = {}
    for place, role in enumerate(table.layout.roles):
        if role.kind not in ("json", "extra"):
            continue
        cells, key = table.cells[place], role.key
        if role.kind == "json":
            texts = [cell.encode() or None for cell in cells]
            if key in found or not all(map(_is_json, texts)):
                key, texts = f"{key}{JSON}", _texts(cells)
        else:
            texts = _texts(cells)
        if any(text is not None for text in texts):
            if key in found:
                raise _twice(table, key)
            found[key] = RawColumn(texts)
    return found


def _twice(table: Table, key: str) -> FormatError:
    return FormatError(
        "two columns of one name",
        path=table.path,
        place="header",
        expected="each name once",
        found=repr(key),
        fix="rename one of the columns",
    )


def _is_json(text: bytes | None) -> bool:
    try:
        json.loads(text or b"0", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


def is_json_number(text: str) -> bool:
    """Tell whether a cell is a number as JSON writes it; ``0012`` is none."""
    return _JSON_NUMBER.fullmatch(text) is not None


def _texts(cells: Texts) -> list[bytes | None]:
    """Return cells as JSON: as numbers if all are, letter by letter; as texts otherwise."""
    if all(is_json_number(cell) for cell in cells if cell):
        return [cell.encode() or None for cell in cells]
    encode = msgspec.json.Encoder().encode
    return [encode(cell) if cell else None for cell in cells]


# Images


def _images(table: Table) -> tuple[ImageTable, NDArray[np.intp]]:
    """Return the images in the order in which rows name them, and the image of each row."""
    columns = [table.get("image", key) for key in IMAGE_KEYS]
    blank = [""] * table.count
    keys = list(zip(*(blank if cells is None else cells for cells in columns), strict=True))
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    places = {key: place for place, key in enumerate(dict.fromkeys(k for k in keys if any(k)))}
    image = np.array([places.get(key, -1) for key in keys], np.intp)
    rows = [first[key] for key in places]
    found: dict[str, Any] = {"file_name": [key[0] for key in places]}
    if columns[1] is not None and any(columns[1]):
        found["id"] = _image_ids(table, rows)
    if columns[2] is not None:
        found["sequence"] = np.array([key[2] for key in places], dtype=TEXT)
    if columns[3] is not None:
        found["frame"] = _whole(table, Role("image", "frame"), MISSING_INT)[rows]
    for side in ("width", "height"):
        if table.get("image", side) is not None:
            found[side] = _sizes(table, side, image, rows)
    return ImageTable.of(**found), image


def _image_ids(table: Table, rows: Sequence[int]) -> NDArray[Any]:
    cells = table.get("image", "id")
    empty = next((row for row in rows if not cells[row]), None)
    if empty is not None:
        raise table.wrong(
            Role("image", "id"), empty, "an image without id", "an id, as other images have",
            "fill the cell, or leave the column out",
        )  # fmt: skip
    return id_column(cells[row] for row in rows)


def _sizes(
    table: Table, side: str, image: NDArray[np.intp], rows: Sequence[int]
) -> NDArray[np.int64]:
    """Return the size of each image, which all its rows must state alike."""
    role = Role("image", side)
    stated = _whole(table, role, 0)
    sizes = stated[rows] if rows else np.zeros(0, np.int64)
    wanted = np.where(image >= 0, np.append(sizes, 0)[image], 0)
    other = np.flatnonzero((stated != wanted) | (stated < 0))
    if len(other):
        row = int(other[0])
        raise table.wrong(
            role, row, "another size than the image has",
            f"{wanted[row]}" if image[row] >= 0 and wanted[row] >= 0 else "none, or an image",
            "correct the cell",
        )  # fmt: skip
    return sizes

"""MacaquePose's table: one row for each picture, its people as JSON in two cells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._csv_header import plain
from kptdata.formats._csv_text import header_of, records
from kptdata.formats._people import Person, Point, datasets_of
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = ["is_macaque", "read_macaque"]

_COLUMNS = ("image_file_name", "keypoints", "segmentation")
_FAR = 1e12


def is_macaque(text: str) -> bool:
    """Tell whether a text begins with the header of such a table."""
    return sorted(plain(name) for name in header_of(text)) == sorted(_COLUMNS)


def read_macaque(
    text: str, schema: Schema | None, path: Path, provenance: tuple[str, ...]
) -> tuple[PoseDataset, ...]:
    """Read a table; points without a position are unlabelled, and no box is stated.

    Raises:
        FormatError: a row is not as the table has it; its line is named.
        SchemaError: `schema` has none of the points.
    """
    at = [[plain(name) for name in header_of(text)].index(name) for name in _COLUMNS]
    files: list[str] = []
    people: list[Person] = []
    order: dict[str, None] = {}
    for line, cells in _rows(text, path):
        if len(cells) != len(_COLUMNS):
            raise _wrong(path, line, "row", f"{len(_COLUMNS)} cells", len(cells))
        name, keypoints, segments = (cells[place] for place in at)
        listed = _list(keypoints, path, line, "keypoints")
        outlines = _list(segments or "[]", path, line, "segmentation") or [[]] * len(listed)
        if len(outlines) != len(listed):
            raise _wrong(path, line, "segmentation", f"{len(listed)} people", len(outlines))
        for points, outline in zip(listed, outlines, strict=True):
            person = Person(len(files), None, _points(points, path, line))
            if outline:
                person.notes["segmentation"] = _outline(outline, path, line)
                person.notes["segments"] = [segment.get("name") for segment in outline]
            order.update(dict.fromkeys(point.name for point in person.points))
            people.append(person)
        files.append(name)
    table = ImageTable.of(files)
    return datasets_of(people, table, schema, path, order=order, meta={}, provenance=provenance)


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    rows = records(text, ",")
    try:
        next(rows, None)
        yield from rows
    except csv.Error as error:
        raise FormatError(f"not as CSV has it: {error}", path=path, fix="export it again") from None


def _wrong(path: Path, line: int, key: str, expected: str, found: Any) -> FormatError:
    return FormatError(
        "not as MacaquePose has it",
        path=path,
        place=f"line {line}, {key}",
        expected=expected,
        found=repr(found)[:60],
    )


def _list(cell: str, path: Path, line: int, key: str) -> list[Any]:
    try:
        found = msgspec.json.decode(cell)
    except (msgspec.MsgspecError, RecursionError):
        found = cell
    if not isinstance(found, list) or not all(isinstance(one, list) for one in found):
        raise _wrong(path, line, key, "a JSON list with a list for each person", found)
    return found


def _points(points: list[Any], path: Path, line: int) -> list[Point]:
    found: dict[str, Point] = {}
    for point in points:
        name = point.get("name") if isinstance(point, dict) else None
        if not isinstance(name, str) or name in found:
            raise _wrong(path, line, "keypoints", "each point once, with its name", point)
        place = point.get("position")
        if place is None:
            nan = float("nan")
            found[name] = Point(name, nan, nan, Visibility.UNLABELLED)
            continue
        x, y = _pair(place, path, line, "keypoints")
        found[name] = Point(name, x, y, Visibility.LABELLED)
    return list(found.values())


def _pair(place: Any, path: Path, line: int, key: str) -> tuple[float, float]:
    good = isinstance(place, list) and len(place) == 2
    if not good or not all(type(v) in (int, float) and abs(v) < _FAR for v in place):
        raise _wrong(path, line, key, "[x, y]", place)
    return float(place[0]), float(place[1])


def _outline(segments: list[Any], path: Path, line: int) -> list[list[float]]:
    """Return polygons as COCO keeps them: x, y, x, y, ..."""
    found = []
    for segment in segments:
        corners = segment.get("segment") if isinstance(segment, dict) else None
        if not isinstance(corners, list):
            raise _wrong(path, line, "segmentation", "a polygon under 'segment'", segment)
        pairs = [_pair(corner, path, line, "segmentation") for corner in corners]
        found.append([value for pair in pairs for value in pair])
    return found

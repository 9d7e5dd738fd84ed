"""The table that DeepLabCut keeps as CSV and as HDF5, and its CSV.

Columns have several header rows: ``scorer``, maybe ``individuals``, ``bodyparts``, ``coords``. Rows
are named by a path, by its three parts, or by the number of a frame.
"""

from __future__ import annotations

import csv
import io
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FormatError
from kptdata.formats.base import read_bytes

__all__ = [
    "FRAMES",
    "INDEXES",
    "LEVELS",
    "LIKELIHOOD",
    "PARTS",
    "PATH",
    "Sheet",
    "check_sheet",
    "csv_text",
    "looks_like_csv",
    "named_rows",
    "read_csv",
]

PATH, PARTS, FRAMES = INDEXES = ("path", "parts", "frames")
"""How rows are named."""

LEVELS = (("scorer", "bodyparts", "coords"), ("scorer", "individuals", "bodyparts", "coords"))
LIKELIHOOD = "likelihood"

_FRAME = re.compile(r"0|[1-9][0-9]{0,17}")
_MOST_CELL = 1 << 20


@dataclass(frozen=True)
class Sheet:
    """A table as a file has it.

    Attributes:
        columns: what the header rows say of each column; with or without the individual.
        index: how rows are named, one of `INDEXES`.
        rows: (R,) a path, its three parts joined by ``/``, or the number of a frame.
        values: (R, C) numbers, NaN where a cell is empty.
    """

    columns: tuple[tuple[str, ...], ...]
    index: str
    rows: Sequence[str] | NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def several(self) -> bool:
        """Whether columns name individuals."""
        return bool(self.columns) and len(self.columns[0]) == len(LEVELS[1])

    @property
    def scorer(self) -> str:
        """Who labelled, or the network that predicted."""
        return self.columns[0][0]


def check_sheet(sheet: Sheet, path: Path) -> Sheet:
    """Return the sheet if its columns are what DeepLabCut writes.

    Raises:
        FormatError: there are several scorers, a column is there twice or lacks its other half,
            coordinates are of three dimensions, or a value is infinite.
    """
    scorers = list(dict.fromkeys(column[0] for column in sheet.columns))
    if len(scorers) != 1:
        raise _wrong(path, "scorer", "one scorer", ", ".join(map(repr, scorers[:4])) or "none")
    seen: set[tuple[str, ...]] = set()
    for column in sheet.columns:
        if column in seen:
            raise _wrong(path, " ".join(column[1:]), "each column once", "it is there twice")
        seen.add(column)
    if any(column[-1] == "z" for column in sheet.columns):
        raise FormatError(
            "coordinates in space",
            path=path,
            place="coords",
            expected="x, y and perhaps likelihood, in pixels",
            found="z",
            fix="read the files of the single cameras",
        )
    for column in sheet.columns:
        for half in "xy":
            if (*column[:-1], half) not in seen:
                raise _wrong(path, " ".join(column[1:-1]), "columns x and y", f"no column {half}")
    infinite = np.isinf(sheet.values)
    if infinite.any():
        row, place = np.argwhere(infinite)[0].tolist()
        where = f"row {sheet.rows[row]!s}, {' '.join(sheet.columns[place][1:])}"
        raise _wrong(path, where, "a finite number or nothing", str(sheet.values[row, place]))
    return sheet


def _wrong(path: Path, place: str, expected: str, found: str) -> FormatError:
    return FormatError(
        "not as DeepLabCut has it", path=path, place=place, expected=expected, found=found
    )


# CSV


def looks_like_csv(head: bytes) -> bool:
    """Tell whether a file that begins so has DeepLabCut's header rows, as far as they are seen.

    A header row of many individuals is longer than what is read of a file to recognise it.
    """
    lines = head.split(b"\n", len(LEVELS[1]))[: len(LEVELS[1])]
    names = tuple(
        line.partition(b",")[0].decode(errors="replace") for line in lines if b"," in line
    )
    seen = [levels for levels in LEVELS if levels == names[: len(levels)]]
    cut = len(lines) < len(LEVELS[1]) and any(levels[: len(names)] == names for levels in LEVELS)
    return bool(names) and (bool(seen) or cut)


def read_csv(path: Path) -> Sheet:
    """Read a CSV file.

    Raises:
        FileError: it cannot be read.
        FormatError: it is not in the format; line and column are named.
    """
    data = read_bytes(path)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _wrong(path, f"byte {error.start}", "UTF-8", repr(data[error.start])) from None
    if not looks_like_csv(data):
        first = text[:40].partition("\n")[0]
        raise FormatError(
            "no CSV of DeepLabCut",
            path=path,
            place="line 1",
            expected="header rows scorer, perhaps individuals, bodyparts and coords",
            found=repr(first),
            fix="name the format that the file is in",
        )
    limit = csv.field_size_limit(_MOST_CELL)
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        return check_sheet(_parsed(lines, path), path)
    except csv.Error as error:
        raise _wrong(path, f"line {lines.line_num}", "CSV", str(error)) from None
    finally:
        csv.field_size_limit(limit)


def _parsed(lines: Any, path: Path) -> Sheet:
    header = [row for row in islice(lines, len(LEVELS[0])) if row]
    if [row[0] for row in header[1:2]] == [LEVELS[1][1]]:
        header += islice(lines, 1)
    if tuple(row[0] for row in header) not in LEVELS:
        found = ", ".join(row[0] for row in header)
        raise _wrong(path, "line 1", f"header rows {', '.join(LEVELS[1])}", found)
    width = len(header[0])
    for row in header:
        if len(row) != width:
            found = f"{len(row)} cells in the row {row[0]}"
            raise _wrong(path, f"line {lines.line_num}", f"{width} cells in each row", found)
    lead = 1
    while lead < width and not any(row[lead] for row in header):
        lead += 1
    columns = tuple(zip(*(row[lead:] for row in header), strict=True))
    values = array("d")
    rows: list[str] = []
    for row in lines:
        if row:
            if len(row) != width:
                place = f"line {lines.line_num}"
                raise _wrong(path, place, f"{width} cells", f"{len(row)}")
            rows.append("/".join(row[:lead]))
            values.extend(_numbers(row[lead:], columns, path, lines.line_num))
    index, named = (PARTS, rows) if lead > 1 else named_rows(rows)
    return Sheet(columns, index, named, np.array(values).reshape(len(rows), len(columns)))


def _numbers(
    cells: Sequence[str], columns: Sequence[tuple[str, ...]], path: Path, line: int
) -> list[float]:
    try:
        if "_" not in "".join(cells):  # which Python would allow between digits
            return [float(cell) if cell else math.nan for cell in cells]
    except ValueError:
        pass
    for cell, column in zip(cells, columns, strict=True):
        if not _is_number(cell):
            place = f"line {line}, {' '.join(column[1:])}"
            raise _wrong(path, place, "a number or nothing", repr(cell[:40]))
    return []  # not reached: one of the cells is no number


def _is_number(cell: str) -> bool:
    try:
        return not cell or ("_" not in cell and float(cell) is not None)
    except ValueError:
        return False


def named_rows(rows: Sequence[str]) -> tuple[str, Sequence[str] | NDArray[np.int64]]:
    """Return what the texts of one column name, and the rows: paths, or numbers of frames."""
    if rows and all(map(_FRAME.fullmatch, rows)):
        return FRAMES, np.array(rows, np.int64)
    return PATH, rows


def csv_text(sheet: Sheet) -> Iterator[bytes]:
    """Yield the CSV of a sheet as pandas writes it, some rows at a time."""
    lead = 3 if sheet.index == PARTS else 1
    levels = LEVELS[sheet.several]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for level, name in enumerate(levels):
        blanks = [""] * (lead - 1)
        writer.writerow([name, *blanks, *(column[level] for column in sheet.columns)])
    rows = sheet.rows if isinstance(sheet.rows, Sequence) else sheet.rows.tolist()
    for row, values in zip(rows, sheet.values, strict=True):
        named = row.split("/") if lead > 1 else [row]
        writer.writerow([*named, *("" if math.isnan(v) else v for v in values.tolist())])
        if buffer.tell() > _MOST_CELL:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()

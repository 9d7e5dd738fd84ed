"""Text of a CSV file to columns and back: numbers become arrays, texts stay texts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FormatError
from kptdata.formats._csv_header import Role, point_names, roles_of

__all__ = [
    "DELIMITERS",
    "Layout",
    "Table",
    "best_layout",
    "header_of",
    "is_numeric",
    "lines_of",
    "read_table",
    "records",
]

Floats = NDArray[np.float64]

DELIMITERS = (",", ";", "\t")
_CHUNK = 1 << 14  # rows
_HEADER = 1 << 20  # characters in which it must end
_MISSING = frozenset(("", "nan", "NaN", "NAN", "NA", "null"))
_NUMBER = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*")
_NUMERIC = ("x", "y", "state", "point_score", "box", "corner", "number", "place")
_DECODER = msgspec.json.Decoder(list[float | None])
_MINUS_ZERO = re.compile(rb"(?<![^,])-0,")
_QUOTED = re.compile('["\r\n]')


class Layout(NamedTuple):
    """How a file is laid out."""

    header: tuple[str, ...]
    roles: tuple[Role, ...]
    delimiter: str = ","
    newline: str = "\n"
    bom: bool = False

    def places(self) -> dict[Role, int]:
        """Return the column of each role."""
        return {role: place for place, role in reversed(list(enumerate(self.roles)))}


@dataclass
class Table:
    """The columns of a file: arrays where `is_numeric`, lists of texts elsewhere."""

    layout: Layout
    cells: list[Any]
    count: int
    path: Path
    text: str = ""

    def get(self, kind: str, key: str) -> Any:
        """Return the column of a role, None if the file has none."""
        place = self.layout.places().get(Role(kind, key))
        return None if place is None else self.cells[place]

    def wrong(self, role: Role, row: int, problem: str, expected: str, fix: str) -> FormatError:
        """Return the error for a cell."""
        place = self.layout.places()[role]
        value = self.cells[place][row]
        found = repr(value)[:60] if isinstance(value, str) else f"{value:g}"
        return FormatError(
            problem,
            path=self.path,
            place=f"line {self._line(row)}, column {self.layout.header[place]!r}",
            expected=expected,
            found="an empty cell" if found in ("nan", "''") else found,
            fix=fix,
        )

    def _line(self, row: int) -> int:
        """Return the line on which a row ends."""
        reader = _reader(self.text, self.layout.delimiter)
        rows = (reader.line_num for cells in reader if cells)
        return next(islice(rows, row + 1, None), row + 2)


def is_numeric(role: Role) -> bool:
    """Tell whether cells of a role are numbers that an array holds."""
    return role.kind in _NUMERIC or role in (Role("value", "score"), Role("value", "area"))


def header_of(text: str, delimiter: str = ",") -> list[str]:
    """Return the names in the first line that is not blank; none if its quotes are not closed."""
    try:
        return next(filter(None, _reader(text[:_HEADER], delimiter)), [])
    except csv.Error:
        return []


def records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a text, blank lines left out, with the line on which each ends.

    Raises:
        csv.Error: quotes are not as they should be.
    """
    reader = _reader(text, delimiter)
    with _any_length(len(text)):
        for cells in reader:
            if cells:
                yield reader.line_num, cells


def best_layout(text: str) -> Layout | None:
    """Return the layout of a file, by the delimiter that finds the most; None if none finds any."""
    found = []
    for delimiter in DELIMITERS:
        header = header_of(text, delimiter)
        roles = roles_of(header)
        layout = Layout(tuple(header), roles, delimiter)
        if point_names(roles) or any(role.kind in ("box", "corner") for role in roles):
            found.append((sum(role.kind != "extra" for role in roles), layout))
    if not found:
        return None
    return max(found, key=lambda item: item[0])[1]


def read_table(text: str, layout: Layout, path: Path) -> Table:
    """Take the text of a file apart.

    Raises:
        FormatError: a row has more or fewer cells than the header, a number is none, or quotes are
            not closed; the line is named.
    """
    table = Table(layout, [], 0, path, text)
    parts: list[list[Any]] = [[] for _ in layout.roles]
    for columns, count in _chunks(table):
        for place, (role, cells) in enumerate(zip(layout.roles, columns, strict=True)):
            if is_numeric(role):
                values, bad = _floats(cells)
                if bad is not None:
                    raise _no_number(table, role, table.count + bad)
                parts[place].append(values)
            else:
                parts[place] += cells
        table.count += count
    table.cells = [
        np.concatenate([np.zeros(0), *part]) if is_numeric(role) else part
        for role, part in zip(layout.roles, parts, strict=True)
    ]
    return table


def _chunks(table: Table) -> Iterator[tuple[Sequence[Sequence[str]], int]]:
    """Yield columns of some rows at a time, blank lines left out."""
    lines = _plain_lines(table.text)
    with _any_length(len(table.text)):
        yield from _quoted_chunks(table) if lines is None else _plain_chunks(table, lines)


def _plain_lines(text: str) -> list[str] | None:
    """Return the lines of a text in which nothing is quoted; None for any other."""
    returns = text.count("\r")
    if '"' in text or (returns and not returns == text.count("\r\n") == text.count("\n")):
        return None
    return [line for line in text.split("\r\n" if returns else "\n") if line]


def _plain_chunks(table: Table, lines: list[str]) -> Iterator[tuple[Sequence[Sequence[str]], int]]:
    delimiter, width = table.layout.delimiter, len(table.layout.header)
    for start in range(1, len(lines), _CHUNK):
        some = lines[start : start + _CHUNK]
        if {line.count(delimiter) for line in some} != {width - 1}:
            _refuse_width(table, [line.split(delimiter) for line in some], width)
        cells = delimiter.join(some).split(delimiter)
        yield [cells[place::width] for place in range(width)], len(some)


def _quoted_chunks(table: Table) -> Iterator[tuple[Sequence[Sequence[str]], int]]:
    reader = _reader(table.text, table.layout.delimiter)
    width = len(table.layout.header)
    try:
        next((cells for cells in reader if cells), None)
        while rows := list(islice(reader, _CHUNK)):
            rows = [row for row in rows if row] if [] in rows else rows
            if set(map(len, rows)) - {width}:
                _refuse_width(table, rows, width)
            if rows:
                yield list(zip(*rows, strict=True)), len(rows)
    except csv.Error as error:
        raise FormatError(
            f"not as CSV has it: {error}",
            path=table.path,
            place=f"line {reader.line_num}",
            fix="close the quotes there, or export the file again",
        ) from None


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


@contextmanager
def _any_length(size: int) -> Iterator[None]:
    """Let cells be as long as the file, which is in memory anyway."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, size))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _refuse_width(table: Table, rows: Sequence[Sequence[str]], width: int) -> None:
    row, cells = next((i, cells) for i, cells in enumerate(rows) if len(cells) != width)
    raise FormatError(
        "a row that does not fit the header",
        path=table.path,
        place=f"line {table._line(table.count + row)}",  # noqa: SLF001 - its own module
        expected=f"{width} cells",
        found=f"{len(cells)}",
        fix="quote cells that hold the delimiter, or export the file again",
    )


def _floats(cells: Sequence[str]) -> tuple[Floats, int | None]:
    """Return numbers, NaN where a cell says "none", and the place of the first wrong cell."""
    # The decoder of JSON reads numbers in a fifth of the time; what it does not know is looked at
    # one by one.
    joined = ",".join(cells).replace(",,", ",null,").replace(",,", ",null,")
    ends = ("null" if not cells[0] else "", "null" if len(cells) > 1 and not cells[-1] else "")
    try:
        found = _DECODER.decode(f"[{ends[0]}{joined}{ends[1]}]")
    except msgspec.DecodeError:
        found = []
    if len(found) == len(cells):
        return np.array(found, np.float64), None
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell.strip() not in _MISSING:
            number = float(cell) if cell.isascii() and _NUMBER.fullmatch(cell) else np.inf
            if not np.isfinite(number):
                return values, row
            values[row] = number
    return values, None


def _no_number(table: Table, role: Role, row: int) -> FormatError:
    reader = _reader(table.text, table.layout.delimiter)
    place = table.layout.places()[role]
    cells: list[str] = next(islice((cells for cells in reader if cells), row + 1, None), [])
    value = cells[place] if place < len(cells) else ""
    comma = re.fullmatch(r"\s*-?[0-9]+,[0-9]+\s*", value)
    return FormatError(
        "no number",
        path=table.path,
        place=f"line {reader.line_num}, column {table.layout.header[place]!r}",
        expected="a finite number, or nothing",
        found=repr(value)[:60],
        fix="write decimals with a point" if comma else "correct the cell, or rename the column",
    )


# Writing


def lines_of(table: Table) -> Iterator[bytes]:
    """Yield the text of a file."""
    layout = table.layout
    if layout.bom:
        yield b"\xef\xbb\xbf"
    yield _joined([_quoted([name], layout.delimiter) for name in layout.header], layout)
    for start in range(0, table.count, _CHUNK):
        stop = min(start + _CHUNK, table.count)
        columns = [
            _number_cells(cells[start:stop])
            if isinstance(cells, np.ndarray)
            else _quoted(cells[start:stop], layout.delimiter)
            for cells in table.cells
        ]
        yield _joined(columns, layout)


def _joined(columns: list[list[str]], layout: Layout) -> bytes:
    rows = map(layout.delimiter.join, zip(*columns, strict=True))
    return (layout.newline.join(rows) + layout.newline).encode()


def _number_cells(values: Floats) -> list[str]:
    """Return the shortest texts that are read as these numbers; nothing for NaN."""
    text = msgspec.json.encode(values.tolist())[1:-1] + b","
    text = text.replace(b".0,", b",").replace(b"null", b"")
    if b"-0," in text:  # which JSON reads as a whole number, without its sign
        text = _MINUS_ZERO.sub(b"-0.0,", text)
    return text.decode().split(",")[:-1]


def _quoted(cells: Sequence[str], delimiter: str) -> list[str]:
    joined = "".join(cells)
    if delimiter not in joined and _QUOTED.search(joined) is None:
        return list(cells)
    return [
        '"' + cell.replace('"', '""') + '"' if delimiter in cell or _QUOTED.search(cell) else cell
        for cell in cells
    ]

"""Tables of DeepLabCut to datasets: an instance is an individual in a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT
from kptdata.dataset import ImageTable, PoseDataset, RawColumn
from kptdata.errors import SchemaError
from kptdata.formats._collect import id_column, text_of
from kptdata.formats._dlc_sheet import LIKELIHOOD, Sheet
from kptdata.formats._named_points import Fit, Points, fit_points
from kptdata.formats._tree import safe_name
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = [
    "COORDS",
    "LABELED",
    "LAYOUT",
    "OWN",
    "SCORER",
    "UNIQUE",
    "Group",
    "datasets_of",
    "fits_of",
    "groups_of",
    "points_of",
]

OWN = "deeplabcut"
SCORER = "scorer"
"""File-level text: who labelled, or the network that predicted."""

LAYOUT = f"layout:{OWN}"
"""How the file names rows, and its individuals, points and coordinates in their order."""

COORDS = "coords"
"""Extra of an instance: coordinates other than x, y and likelihood."""

UNIQUE = "single"
"""The individual that has the points which are there once."""

LABELED = "labeled-data"
_TITLES = {False: "animal", True: "unique_bodyparts"}
_INTEGERS = re.compile(r"[0-9]+")
_USUAL = ("x", "y", LIKELIHOOD)


@dataclass
class Group:
    """Individuals with the same points.

    Attributes:
        names: of the points, in the order of the columns.
        individuals: their names and places among all; one without a name if none are named.
        unique: whether these are the points that are there once.
    """

    names: tuple[str, ...]
    unique: bool
    individuals: dict[str, int] = field(default_factory=dict)


def groups_of(sheet: Sheet) -> list[Group]:
    """Return the groups of a sheet; the points that are there once have one of their own."""
    parts: dict[str, dict[str, None]] = {}
    for column in sheet.columns:
        individual = column[1] if sheet.several else ""
        parts.setdefault(individual, {})[column[-2]] = None
    found: dict[tuple[bool, frozenset[str]], Group] = {}
    for place, (individual, names) in enumerate(parts.items()):
        unique = sheet.several and individual == UNIQUE
        group = found.setdefault((unique, frozenset(names)), Group(tuple(names), unique))
        group.individuals[individual] = place
    return list(found.values())


def points_of(group: Group, links: Sequence[tuple[str, str]] = ()) -> Points:
    """Return the points of a group, with those of `links` that join two of them."""
    known = [pair for pair in links if set(pair) <= set(group.names)]
    return Points(group.names, title=_TITLES[group.unique], links=tuple(known))


def fits_of(
    groups: Sequence[Group], links: Sequence[tuple[str, str]], schema: Schema | None, path: Path
) -> list[Fit]:
    """Return the schema of each group: the given one where it fits, at least once.

    Raises:
        SchemaError: `schema` fits none.
    """
    fits: list[Fit] = []
    misfit: SchemaError | None = None
    for group in groups:
        points = points_of(group, links)
        if schema is not None:
            try:
                fits.append(fit_points(points, schema, path, "bodyparts"))
                continue
            except SchemaError as error:
                misfit = misfit or error
        fits.append(fit_points(points, None, path, "bodyparts"))
    if misfit is not None and all(fit.schema is not schema for fit in fits):
        raise misfit
    return fits


def datasets_of(
    sheet: Sheet,
    groups: Sequence[Group],
    fits: Sequence[Fit],
    path: Path,
    meta: Mapping[str, bytes],
    provenance: tuple[str, ...] = (),
) -> tuple[PoseDataset, ...]:
    """Return a dataset for each group.

    Args:
        sheet: the table.
        groups: of it.
        fits: the schema of each.
        path: of the file, whose name says which video predictions are of.
        meta: other file-level texts.
        provenance: where the data comes from.

    Raises:
        FormatError: a picture is named by a path that is absolute or leads out of its folder.
    """
    images = _images(sheet, path)
    cells = [_Cells(sheet, group, fit) for group, fit in zip(groups, fits, strict=True)]
    every = np.sort(np.concatenate([cell.place for cell in cells] or [np.zeros(0, np.int64)]))
    found = []
    for group, cell in zip(groups, cells, strict=True):
        note = text_of(_layout(sheet, group))
        said = {SCORER: text_of(sheet.scorer), LAYOUT: note, **meta}
        found.append(
            PoseDataset(
                images=images,
                order=np.searchsorted(every, cell.place),
                meta=said,
                provenance=provenance,
                **cell.columns(),
            )
        )
    return tuple(found)


def _layout(sheet: Sheet, group: Group) -> dict[str, Any]:
    coords = list(dict.fromkeys(column[-1] for column in sheet.columns))
    note: dict[str, Any] = {"index": sheet.index, "bodyparts": list(group.names)}
    if sheet.several:
        note["individuals"] = list(group.individuals)
    return note | {"coords": coords}


class _Cells:
    """The cells of a group: which of its individuals are in which rows, and what they have."""

    def __init__(self, sheet: Sheet, group: Group, fit: Fit) -> None:
        self._sheet, self._group, self._fit = sheet, group, fit
        self._known = {column: place for place, column in enumerate(sheet.columns)}
        coords = dict.fromkeys(column[-1] for column in sheet.columns)
        self._places = {coord: self._columns_of(coord) for coord in coords}
        there = np.zeros((len(sheet.values), len(group.individuals)), bool)
        for who, columns in enumerate(zip(*self._places.values(), strict=True)):
            mine = np.concatenate(columns)
            there[:, who] = (~np.isnan(sheet.values[:, mine[mine >= 0]])).any(axis=1)
        self.row, self.who = np.nonzero(there)
        total = len({column[1] for column in sheet.columns}) if sheet.several else 1
        order = np.array(list(group.individuals.values()), np.int64)
        self.place: NDArray[np.int64] = self.row * total + order[self.who]

    def _columns_of(self, coord: str) -> NDArray[np.intp]:
        """(I, K) the column of each individual's points, in the schema's order; -1 for none."""
        found = np.full((len(self._group.individuals), self._fit.schema.num_keypoints), -1)
        scorer, several = self._sheet.scorer, self._sheet.several
        for who, individual in enumerate(self._group.individuals):
            lead = (scorer, individual) if several else (scorer,)
            for name in self._group.names:
                place = self._known.get((*lead, name, coord), -1)
                found[who, self._fit.rows[name]] = place
        return found

    def _values(self, coord: str) -> NDArray[np.float64]:
        """(N, K) the values of a coordinate, NaN where there is none."""
        columns = self._places[coord][self.who]
        values = self._sheet.values[self.row[:, None], columns]
        return np.where(columns >= 0, values, np.nan)

    def columns(self) -> dict[str, Any]:
        """Return the columns of the dataset that the cells fill."""
        xy = np.stack([self._values("x"), self._values("y")], axis=-1)
        missing = np.isnan(xy)
        labelled = np.asarray(~missing.any(axis=-1))
        filled: dict[str, Any] = {
            "schema": self._fit.schema,
            "image": self.row,
            "xy": np.where(labelled[..., None], xy, np.nan),
            "visibility": np.where(labelled, Visibility.LABELLED, Visibility.UNLABELLED),
        }
        half = np.asarray(~labelled & ~missing.all(axis=-1))
        if half.any():
            filled["given_xy"] = np.where(half[..., None], xy, np.nan)
        if LIKELIHOOD in self._places:
            filled["keypoint_score"] = self._values(LIKELIHOOD)
        if self._sheet.several:
            filled["track"] = id_column(self._group.individuals)[self.who]
        others = [coord for coord in self._places if coord not in _USUAL]
        if others:
            filled["extras"] = {COORDS: self._others(others)}
        return filled

    def _others(self, coords: Sequence[str]) -> RawColumn:
        found: list[dict[str, dict[str, float]]] = [{} for _ in self.row]
        for coord in coords:
            values = self._values(coord)
            for row, column in np.argwhere(~np.isnan(values)).tolist():
                name = self._fit.schema.names[column]
                found[row].setdefault(coord, {})[name] = float(values[row, column])
        return RawColumn.from_values(each or None for each in found)


# Pictures


def _images(sheet: Sheet, path: Path) -> ImageTable:
    if isinstance(sheet.rows, np.ndarray):
        return _frames(sheet.rows, _video(path, sheet.scorer))
    names = [row.replace("\\", "/") for row in sheet.rows]
    for name in names:
        safe_name(name, path, "rows")
    videos, numbers = zip(*map(_video_and_frame, names), strict=True) if names else ((), ())
    said = any(videos)
    raw = [row if row != name else None for row, name in zip(sheet.rows, names, strict=True)]
    note = {f"file:{OWN}": RawColumn.from_values(raw)} if any(raw) else {}
    return ImageTable.of(
        names,
        sequence=list(videos) if said else None,
        frame=np.array(numbers, np.int64) if said else None,
        extras=note,
    )


def _video_and_frame(name: str) -> tuple[str, int]:
    """Return the video that a labelled picture is of, and its frame, as its path says."""
    parts = name.split("/")
    if len(parts) < 3 or parts[-3] != LABELED:
        return "", MISSING_INT
    numbers = _INTEGERS.findall(PurePosixPath(parts[-1]).stem)
    known = numbers and len(numbers[-1]) <= 18
    return parts[-2], int(numbers[-1]) if known else MISSING_INT


def _frames(frames: NDArray[np.int64], video: str) -> ImageTable:
    """Name frames as DeepLabCut names them when it takes them out of the video."""
    count = int(frames.max()) + 1 if len(frames) else 1
    digits = math.ceil(math.log10(count)) if count > 1 else 1
    return ImageTable.of(
        [f"{LABELED}/{video}/img{frame:0{digits}d}.png" for frame in frames.tolist()],
        sequence=[video] * len(frames),
        frame=frames,
    )


def _video(path: Path, scorer: str) -> str:
    """Return the video that predictions are of: what their file's name has before the network."""
    stem = path.name.partition(".")[0] if path.suffix == ".gz" else path.stem
    before = stem.partition(scorer)[0] if scorer in stem else stem.partition("DLC_")[0]
    return before or stem

"""Datasets to a table of DeepLabCut: which individual an instance is, and what cells hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import DatasetError, FormatError
from kptdata.formats._dlc_read import COORDS, LAYOUT, UNIQUE, datasets_of, groups_of, points_of
from kptdata.formats._dlc_sheet import FRAMES, LIKELIHOOD, PARTS, PATH, Sheet, named_rows
from kptdata.formats._named_points import Fit, schema_read
from kptdata.formats._plan import Plan, join_images, plan_of
from kptdata.formats._tree import safe_name
from kptdata.schema import Schema

__all__ = ["Written", "written"]

_MADE = "individual"
_LEAD = 3  # parts of labeled-data/<video>/<picture>


@dataclass(frozen=True)
class Written:
    """A table, and what it is read as.

    Attributes:
        sheet: the table.
        datasets: what is written, in the order of their columns.
        plan: the order of the instances.
        readings: what each dataset is read as.
        schemas: what each is read with if nobody names a schema.
    """

    sheet: Sheet
    datasets: tuple[PoseDataset, ...]
    plan: Plan
    readings: tuple[PoseDataset, ...]
    schemas: list[Schema | None]


def written(
    datasets: Sequence[PoseDataset],
    path: Path,
    *,
    scorer: str,
    index: str | None,
    multi: bool | None,
    named: Callable[[ImageTable], list[str]] | None = None,
    links: bool = False,
) -> Written:
    """Put datasets into a table.

    Args:
        datasets: what is written.
        path: where to, for messages and for the video that frames are of.
        scorer: who labelled.
        index: how rows are named; by default as they were, or as the names of the images allow.
        multi: whether columns name individuals; by default if somebody does.
        named: what gives each image another name, by which rows are sorted.
        links: whether what is written says which points are joined.

    Raises:
        DatasetError: the datasets have more skeletons than a table can hold.
        FormatError: a name or a number of instances that a table cannot hold.
    """
    ordered, unique = _ordered(datasets, path)
    several = _several(ordered, multi=multi)
    _, places = join_images([dataset.images for dataset in ordered])
    cells = [_cells(dataset) for dataset in ordered]
    who = [
        _Individuals(dataset, places[n], _in_use(cells[n]))
        if several and not unique[n]
        else _one(dataset, places[n], _in_use(cells[n]), UNIQUE if several else "", path)
        for n, dataset in enumerate(ordered)
    ]
    moved = [d.replace(order=one.place) for d, one in zip(ordered, who, strict=True)]
    plan = plan_of(moved, [_in_use(one) for one in cells], named)
    names = (named or _names)(plan.images)
    for name in names:
        safe_name(name, path, "file name")
    frames = plan.images.column("frame") if named is None else np.zeros(0, np.int64)
    kind, rows = _rows(names, frames, _layouts(ordered), index, path)
    coords = _coords(ordered, cells)
    columns: list[tuple[str, ...]] = []
    starts, parts = [], []
    for dataset, one in zip(ordered, who, strict=True):
        starts.append(len(columns))
        parts.append(_part_order(dataset))
        listed = [dataset.schema.names[k] for k in parts[-1]]
        for individual in one.names:
            lead = (scorer, individual) if several else (scorer,)
            columns += [(*lead, part, coord) for part in listed for coord in coords]
    _refuse_nul(columns, names, path)
    values = np.full((len(rows), len(columns)), np.nan)
    for number, one in enumerate(who):
        mine = plan.rows[number]
        at = plan.places[number][ordered[number].image[mine]]
        width = len(parts[number]) * len(coords)
        first = starts[number] + one.place[mine] * width
        for c, coord in enumerate(coords):
            held = cells[number][coord][mine][:, parts[number]]
            column = first[:, None] + np.arange(len(parts[number])) * len(coords) + c
            values[at[:, None], column] = held
    sheet = Sheet(tuple(columns), kind, rows, values)
    return Written(sheet, tuple(ordered), plan, *_read_back(sheet, ordered, plan, path, links))


def _read_back(
    sheet: Sheet, datasets: Sequence[PoseDataset], plan: Plan, path: Path, links: bool
) -> tuple[tuple[PoseDataset, ...], list[Schema | None]]:
    groups = groups_of(sheet)
    fits = [Fit(d.schema, {name: k for k, name in enumerate(d.schema.names)}) for d in datasets]
    found = datasets_of(sheet, groups, fits, path, {})
    readings = [
        reading.with_images(np.unique(places))
        for reading, places in zip(found, plan.places, strict=True)
    ]
    schemas = []
    for dataset, group in zip(datasets, groups, strict=True):
        pairs = [(link.start, link.end) for link in dataset.schema.links] if links else []
        schemas.append(schema_read(points_of(group, pairs), path))
    return tuple(readings), schemas


# Which columns there are


def _ordered(datasets: Sequence[PoseDataset], path: Path) -> tuple[list[PoseDataset], list[bool]]:
    """Return the datasets, the points that are there once behind the others, and which those are.

    Raises:
        DatasetError: several skeletons that individuals would have, or one without points.
    """
    for dataset in datasets:
        if not dataset.schema.num_keypoints:
            raise DatasetError(
                f"write: {path}: DeepLabCut holds points, and a dataset has none. Fix: leave it out"
            )
    if len(datasets) == 1:
        return list(datasets), [_is_unique(datasets[0])]
    unique = [_is_unique(dataset) for dataset in datasets]
    if len(datasets) > 2 or sum(unique) != 1:
        names = ", ".join(dataset.schema.name for dataset in datasets)
        raise DatasetError(
            f"write: {path}: DeepLabCut holds one skeleton, and points that are there once (track "
            f"{UNIQUE!r}); found the skeletons {names}. Fix: write them one by one, or map them "
            f"to one schema (--schema)"
        )
    order = sorted((0, 1), key=lambda number: unique[number])
    return [datasets[number] for number in order], [False, True]


def _is_unique(dataset: PoseDataset) -> bool:
    """Tell whether a dataset is of points that are there once, by its tracks or its file."""
    tracks = dataset.column("track")
    if len(dataset):
        return bool(tracks.dtype == TEXT and (tracks == UNIQUE).all())
    return _layout(dataset).get("individuals") == [UNIQUE]


def _several(datasets: Sequence[PoseDataset], *, multi: bool | None) -> bool:
    """Tell whether columns name individuals."""
    if multi is not None:
        return multi or len(datasets) > 1
    if len(datasets) > 1 or "individuals" in _layout(datasets[0]):
        return True
    (dataset,) = datasets
    tracked = bool(_tracked(dataset).any())
    rows = dataset.image[_in_use(_cells(dataset)) & (dataset.image >= 0)]
    return tracked or len(np.unique(rows)) < len(rows)


def _tracked(dataset: PoseDataset) -> NDArray[np.bool_]:
    tracks = dataset.column("track")
    return np.asarray(tracks != ("" if tracks.dtype == TEXT else MISSING_INT))


def _layout(dataset: PoseDataset) -> Mapping[str, Any]:
    """Return how the file was laid out that a dataset was read from, as far as it is known."""
    note = RawColumn([dataset.meta.get(LAYOUT)]).parsed(0)
    return note if isinstance(note, dict) else {}


def _layouts(datasets: Sequence[PoseDataset]) -> Iterator[Mapping[str, Any]]:
    return (note for dataset in datasets if (note := _layout(dataset)))


def _texts(values: Any) -> list[str]:
    """Return a list of texts, each once; empty if it is none."""
    listed = values if isinstance(values, list) else []
    return list(dict.fromkeys(value for value in listed if isinstance(value, str) and value))


def _part_order(dataset: PoseDataset) -> list[int]:
    """Return the points in the order that their columns had, then the others."""
    rank = {name: place for place, name in enumerate(_texts(_layout(dataset).get("bodyparts")))}
    names = dataset.schema.names
    return sorted(range(len(names)), key=lambda k: (rank.get(names[k], len(rank)), k))


def _coords(datasets: Sequence[PoseDataset], cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the coordinates of each point: x, y, and what else there is or was."""
    said = [coord for note in _layouts(datasets) for coord in _texts(note.get("coords"))]
    held = {c for one in cells for c in one}
    scored = any(np.isfinite(one[LIKELIHOOD]).any() for one in cells)
    known = [coord for coord in dict.fromkeys(said) if coord in held]
    return tuple(dict.fromkeys([*known, "x", "y", *([LIKELIHOOD] if scored else [])]))


class _Individuals:
    """Who each instance is: the individual of its track, or one who is not in its image yet.

    Attributes:
        names: of the individuals, in the order of their columns.
        place: (N,) place of each instance's individual; of those that are not written, 0.
    """

    def __init__(
        self, dataset: PoseDataset, places: NDArray[np.intp], kept: NDArray[np.bool_]
    ) -> None:
        said = [n for n in _texts(_layout(dataset).get("individuals")) if n != UNIQUE]
        known = {name: place for place, name in enumerate(said)}
        self.place = np.zeros(len(dataset), np.int64)
        tracks = [str(t) for t in dataset.column("track").tolist()]
        tracked = [
            mine and track != UNIQUE
            for mine, track in zip(_tracked(dataset).tolist(), tracks, strict=True)
        ]
        rows = np.flatnonzero(kept & (dataset.image >= 0))
        image = np.append(places, -1)[dataset.image]
        rows = rows[np.lexsort((rows, dataset.order[rows], image[rows]))]
        taken: dict[int, set[str]] = {}
        for row in rows.tolist():
            if tracked[row]:
                taken.setdefault(int(image[row]), set()).add(tracks[row])
        given: dict[int, set[str]] = {}
        for row in rows.tolist():
            at = int(image[row])
            mine, others = given.setdefault(at, set()), taken.setdefault(at, set())
            name = tracks[row] if tracked[row] and tracks[row] not in mine else _free(others)
            mine.add(name)
            others.add(name)
            self.place[row] = known.setdefault(name, len(known))
        self.names = list(known) or [f"{_MADE}1"]


def _free(taken: set[str]) -> str:
    number = 1
    while f"{_MADE}{number}" in taken:
        number += 1
    return f"{_MADE}{number}"


@dataclass(frozen=True)
class _One:
    place: NDArray[np.int64]
    names: tuple[str, ...]


def _one(
    dataset: PoseDataset,
    places: NDArray[np.intp],
    kept: NDArray[np.bool_],
    name: str,
    path: Path,
) -> _One:
    """Return the only individual: one without a name, or the points that are there once.

    Raises:
        FormatError: an image has two instances.
    """
    image = np.append(places, -1)[dataset.image]
    images, counts = np.unique(image[kept & (image >= 0)], return_counts=True)
    if (counts > 1).any():
        row = int(images[int(np.argmax(counts > 1))])
        raise FormatError(
            f"the individual {name!r} is there once in each image"
            if name
            else "a table without individuals holds one instance in each image",
            path=path,
            place=f"image {row + 1}",
            expected="one instance",
            found=f"{counts.max()}",
            fix="give the instances other tracks"
            if name
            else "write a table with individuals (multi=True)",
        )
    return _One(np.zeros(len(dataset), np.int64), (name,))


# Which rows there are


def _names(images: ImageTable) -> list[str]:
    """Return the names of images; with back-slashes if they had them and are the same otherwise."""
    names: list[str] = images.file_name.tolist()
    notes = images.extras.get("file:deeplabcut")
    if notes is not None:
        for row in np.flatnonzero(notes.present).tolist():
            raw = notes.parsed(row)
            if isinstance(raw, str) and raw.replace("\\", "/") == names[row]:
                names[row] = raw
    return names


def _rows(
    names: list[str],
    frames: NDArray[np.int64],
    notes: Iterable[Mapping[str, Any]],
    index: str | None,
    path: Path,
) -> tuple[str, Sequence[str] | NDArray[np.int64]]:
    split = bool(names) and all(
        len(parts := name.replace("\\", "/").split("/")) == _LEAD and all(parts) for name in names
    )
    counted = len(np.unique(frames)) == len(names) and bool((frames >= 0).all())
    able = {PATH: True, PARTS: split or not names, FRAMES: counted}
    if index is not None and not able[index]:
        needs = {PARTS: "names of three parts (labeled-data/video/image.png)"}
        raise FormatError(
            f"rows cannot be named by {index}",
            path=path,
            expected=needs.get(index, "a table of one video, with a frame for each image"),
            found=", ".join(map(repr, names[:2])),
            fix=f"leave index out, or name rows by {PATH}",
        )
    said = next((note.get("index") for note in notes), None)
    said = said if isinstance(said, str) and able.get(said) else None
    wanted = index or said or (PARTS if split and names[0].startswith("labeled-data") else PATH)
    if wanted == FRAMES:
        return FRAMES, frames
    return (PARTS, _slashed(names)) if wanted == PARTS else named_rows(names)


def _slashed(names: list[str]) -> list[str]:
    return [name.replace("\\", "/") for name in names]


def _refuse_nul(columns: Iterable[tuple[str, ...]], names: Iterable[str], path: Path) -> None:
    for text in (*(text for column in columns for text in column), *names):
        if "\0" in text:
            raise FormatError("a name that holds a NUL", path=path, found=repr(text))


# What cells hold


def _cells(dataset: PoseDataset) -> dict[str, NDArray[np.float64]]:
    """Return (N, K) numbers for each coordinate that a table can hold."""
    xy = np.where(dataset.labelled[..., None], dataset.xy, np.nan)
    if dataset.given_xy is not None:
        half = np.isfinite(dataset.given_xy).sum(axis=-1) == 1
        half &= np.isnan(dataset.given_xy).any(axis=-1) & ~dataset.labelled
        xy = np.where(half[..., None], dataset.given_xy, xy)
    score = dataset.column("keypoint_score")
    found = {"x": xy[..., 0], "y": xy[..., 1]}
    found[LIKELIHOOD] = np.where(np.isfinite(score), score, np.nan)
    said = _texts(_layout(dataset).get("coords"))
    others = [coord for coord in said if coord not in found and coord != "z"]
    if others and COORDS in dataset.extras:
        found |= _others(dataset, others)
    return found


def _others(dataset: PoseDataset, coords: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    found = {coord: np.full(dataset.visibility.shape, np.nan) for coord in coords}
    places = {name: k for k, name in enumerate(dataset.schema.names)}
    texts = dataset.extras[COORDS]
    for row in np.flatnonzero(texts.present).tolist():
        said = texts.parsed(row)
        for coord in coords:
            held = said.get(coord) if isinstance(said, dict) else None
            for name, value in held.items() if isinstance(held, dict) else ():
                if name in places and isinstance(value, float):
                    found[coord][row, places[name]] = value
    return found


def _in_use(cells: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """(N,) whether an instance has anything that a table holds."""
    used = [~np.isnan(values).all(axis=1) for values in cells.values()]
    return np.asarray(np.any(used, axis=0))

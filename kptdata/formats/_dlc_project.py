"""The folder of a DeepLabCut project: its card ``config.yaml``, and a table for each video."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FileError, FormatError, MissingDependencyError
from kptdata.formats._collect import text_of
from kptdata.formats._dlc_h5 import h5_bytes, read_h5
from kptdata.formats._dlc_read import LABELED, OWN, UNIQUE, groups_of
from kptdata.formats._dlc_sheet import FRAMES, PARTS, PATH, Sheet, check_sheet, csv_text, read_csv
from kptdata.formats._dlc_write import Written
from kptdata.formats._tree import safe_name
from kptdata.formats._yaml import dump_yaml, load_yaml
from kptdata.formats.base import read_bytes, read_head

__all__ = ["CONFIG", "Project", "is_project", "read_project", "renamed", "tree"]

CONFIG = "config.yaml"
_CARD = f"config:{OWN}"
_KEYS = tuple(
    re.compile(rb"^%s\s*:" % key, re.M) for key in (b"bodyparts", b"scorer", b"video_sets")
)
_MULTI = "MULTI!"
_LABELS = "CollectedData_"
_NO_VIDEO = "images"

_NEW: Mapping[str, Any] = {
    "Task": "",
    "scorer": "",
    "date": "",
    "multianimalproject": False,
    "identity": None,
    "project_path": "",
    "video_sets": {},
    "start": 0,
    "stop": 1,
    "numframes2pick": 20,
    "skeleton_color": "black",
    "pcutoff": 0.6,
    "dotsize": 12,
    "alphavalue": 0.7,
    "colormap": "rainbow",
    "TrainingFraction": [0.95],
    "iteration": 0,
    "default_net_type": "resnet_50",
    "default_augmenter": "default",
    "snapshotindex": -1,
    "batch_size": 8,
    "cropping": False,
    "x1": 0,
    "x2": 640,
    "y1": 277,
    "y2": 624,
    "corner2move2": [50, 50],
    "move2corner": True,
}
"""What the card of a new project says beside the points: settings that its training asks for."""


@dataclass(frozen=True)
class Project:
    """What a project holds.

    Attributes:
        folder: of the project.
        sheet: the tables of all videos, one below the other.
        links: pairs of points that its skeleton joins.
        meta: the card.
        notes: what is to be said about the tables.
    """

    folder: Path
    sheet: Sheet
    links: tuple[tuple[str, str], ...]
    meta: Mapping[str, bytes]
    notes: tuple[str, ...]


def is_project(path: Path) -> bool:
    """Tell whether a path is the card of a project, or a folder with one."""
    card = path / CONFIG if path.is_dir() else path
    head = read_head(card) if card.is_file() else b""
    return all(key.search(head) for key in _KEYS)


def read_project(path: Path) -> Project:
    """Read what the scorer of a project has labelled.

    Of a table that is there as HDF5 and as CSV, DeepLabCut uses the first, and so does this.

    Raises:
        FileError: there is no card, or a table cannot be read.
        FormatError: card or table are not in the format, or contradict each other.
        MissingDependencyError: PyYAML is not installed, or h5py and there is no CSV.
    """
    folder = path if path.is_dir() else path.parent
    card_path = folder / CONFIG
    if not card_path.is_file():
        raise FileError(
            f"no {CONFIG} in the folder",
            path=path,
            expected="a project of DeepLabCut, or one of its CSV or HDF5 files",
            fix="name the folder of the project",
        )
    card = load_yaml(read_bytes(card_path), card_path)
    scorer = card.get("scorer")
    if not isinstance(scorer, str | int) or isinstance(scorer, bool) or scorer == "":
        raise _wrong(card_path, "scorer", "a name", repr(scorer))
    sheets = [_columns_of(card, str(scorer), card_path)]
    notes: list[str] = []
    for video in sorted(folder.glob(f"{LABELED}/*/")):
        files = [video / f"{_LABELS}{scorer}{suffix}" for suffix in (".h5", ".csv")]
        there = [file for file in files if file.is_file()]
        if there:
            sheets.append(_read_one(there, notes))
            _check_levels(sheets[0], sheets[-1], there[0])
    links = _links(card.get("skeleton"))
    sheet = _joined(sheets, path)
    _note_others(folder, str(scorer), sheets, notes)
    return Project(folder, sheet, links, {_CARD: text_of(card)}, tuple(notes))


def _wrong(path: Path, place: str, expected: str, found: str) -> FormatError:
    return FormatError(
        "no card of DeepLabCut", path=path, place=place, expected=expected, found=found[:80]
    )


def _read_one(files: Sequence[Path], notes: list[str]) -> Sheet:
    """Read the first of two files that should say the same, and note if they do not."""
    if len(files) == 1:
        return (read_h5 if files[0].suffix == ".h5" else read_csv)(files[0])
    other = read_csv(files[1])
    try:
        found = read_h5(files[0])
    except MissingDependencyError:
        notes.append(f"{files[1]} was read, as h5py is not installed")
        return other
    if not _same(found, other):
        notes.append(f"{files[1]} says other things than the HDF5 beside it, which was read")
    return found


def _same(one: Sheet, other: Sheet) -> bool:
    return (
        one.columns == other.columns
        and list(one.rows) == list(other.rows)
        and np.array_equal(one.values, other.values, equal_nan=True)
    )


def _note_others(folder: Path, scorer: str, sheets: Sequence[Sheet], notes: list[str]) -> None:
    files = sorted({f.stem for f in folder.glob(f"{LABELED}/*/{_LABELS}*.*")})
    others = [name for name in files if name != f"{_LABELS}{scorer}"]
    if others:
        notes.append(f"of other scorers than {scorer}, not read: {', '.join(others)}")
    if others and len(sheets) == 1:
        raise FileError(
            f"the scorer {scorer!r} of {CONFIG} has labelled nothing",
            path=folder,
            found=", ".join(others),
            fix=f"correct the scorer in {CONFIG}",
        )


# The card


def _names(card: Mapping[str, Any], key: str, path: Path) -> list[str]:
    found = card.get(key) or []
    if not isinstance(found, list) or not all(isinstance(n, str | int | float) for n in found):
        raise _wrong(path, key, "a list of names", repr(found))
    return [str(name) for name in found]


def _columns_of(card: Mapping[str, Any], scorer: str, path: Path) -> Sheet:
    """Return a table without rows that has the columns which the card says."""
    columns: list[tuple[str, ...]] = []
    if card.get("multianimalproject"):
        people = dict.fromkeys(_names(card, "individuals", path), "multianimalbodyparts")
        for individual, key in (people | {UNIQUE: "uniquebodyparts"}).items():
            columns += [(scorer, individual, part) for part in _names(card, key, path)]
    else:
        columns = [(scorer, part) for part in _names(card, "bodyparts", path)]
    if not columns:
        raise _wrong(path, "bodyparts", "names of points", "none")
    both = tuple(dict.fromkeys((*column, half) for column in columns for half in "xy"))
    return check_sheet(Sheet(both, PATH, [], np.zeros((0, len(both)))), path)


def _links(skeleton: Any) -> tuple[tuple[str, str], ...]:
    """Return pairs of names that chains of names join, each once."""
    found: dict[frozenset[str], tuple[str, str]] = {}
    for chain in skeleton if isinstance(skeleton, list) else ():
        names = [str(name) for name in chain] if isinstance(chain, list) else []
        for pair in pairwise(names):
            if len(set(pair)) == 2:
                found.setdefault(frozenset(pair), pair)
    return tuple(found.values())


def _check_levels(card: Sheet, sheet: Sheet, path: Path) -> None:
    if sheet.index == FRAMES:
        raise FormatError(
            "predictions among labels", path=path, expected="rows named by paths", found="frames"
        )
    if card.several != sheet.several or card.scorer != sheet.scorer:
        kinds = {False: "one animal", True: "individuals"}
        raise FormatError(
            f"not what {CONFIG} says",
            path=path,
            place="header rows",
            expected=f"{kinds[card.several]}, labelled by {card.scorer!r}",
            found=f"{kinds[sheet.several]}, labelled by {sheet.scorer!r}",
            fix=f"correct {CONFIG}, or read the file by itself",
        )


def _joined(sheets: Sequence[Sheet], path: Path) -> Sheet:
    """Put tables one below the other; columns are those of the first, then those of others."""
    columns = tuple(dict.fromkeys(column for sheet in sheets for column in sheet.columns))
    places = {column: place for place, column in enumerate(columns)}
    rows: list[str] = []
    values = []
    for sheet in sheets:
        block = np.full((len(sheet.values), len(columns)), np.nan)
        block[:, [places[column] for column in sheet.columns]] = sheet.values
        values.append(block)
        rows += [str(row) for row in sheet.rows]
    index = next((sheet.index for sheet in sheets[1:]), PARTS)
    return check_sheet(Sheet(columns, index, rows, np.concatenate(values)), path)


# Writing


def renamed(images: ImageTable, path: Path) -> list[str]:
    """Return where a project keeps images: labeled-data/VIDEO/IMAGE.

    Raises:
        FormatError: two images would share a place, or a name leads out of the folder.
    """
    found: dict[str, str] = {}
    videos = images.column("sequence").tolist()
    for name, video in zip(images.file_name.tolist(), videos, strict=True):
        parts = safe_name(name, path, "images").parts
        if len(parts) == 3 and parts[0] == LABELED:
            place = "/".join(parts)
        else:
            folder = video or "_".join(p for p in parts[:-1] if p != LABELED) or _NO_VIDEO
            folder = re.sub(r"[/\\:\0\r\n]", "_", folder).strip(". ") or _NO_VIDEO
            place = f"{LABELED}/{folder}/{parts[-1]}"
        if found.setdefault(place, name) != name:
            raise FormatError(
                "two images would share a place",
                path=path,
                place=place,
                found=f"{found[place]!r} and {name!r}",
                fix="rename one of the images",
            )
    places = {name: place for place, name in found.items()}
    return [places[name] for name in images.file_name.tolist()]


def tree(result: Written, path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files of a project.

    Raises:
        FileError: the folder has labels of the same scorer that would be read together with these.
    """
    sheet = result.sheet
    names = [str(row) for row in sheet.rows]
    folders = {}
    for folder, run in groupby(range(len(names)), key=lambda n: names[n].rpartition("/")[0]):
        folders[folder] = list(run)
    written = {f"{folder}/{_LABELS}{sheet.scorer}" for folder in folders}
    for file in sorted(path.glob(f"{LABELED}/*/{_LABELS}{sheet.scorer}.*")):
        if file.relative_to(path).with_suffix("").as_posix() not in written:
            raise FileError(
                "the folder holds other labels of the same scorer, which would be read with these",
                path=path,
                found=file.relative_to(path).as_posix(),
                fix="write to another folder",
            )
    yield CONFIG, dump_yaml(_card(result, list(folders), path))
    for folder, rows in folders.items():
        part = Sheet(sheet.columns, sheet.index, [names[n] for n in rows], sheet.values[rows])
        stem = f"{folder}/{_LABELS}{sheet.scorer}"
        yield f"{stem}.csv", b"".join(csv_text(part))
        yield f"{stem}.h5", h5_bytes(part)


def _card(result: Written, folders: Sequence[str], path: Path) -> dict[str, Any]:
    """Return the card: what it said before, and the points and videos that are written."""
    sheet = result.sheet
    texts = [dataset.meta[_CARD] for dataset in result.datasets if _CARD in dataset.meta]
    before = msgspec.json.decode(texts[0]) if texts else None
    card = dict(before) if isinstance(before, dict) else {**_NEW, "Task": path.name}
    card |= {"scorer": sheet.scorer, "multianimalproject": sheet.several}
    groups = {group.unique: group for group in groups_of(sheet)}
    names = {unique: list(group.names) for unique, group in groups.items()}
    if sheet.several:
        people = groups[False].individuals if False in groups else {}
        card |= {
            "individuals": list(people),
            "multianimalbodyparts": names.get(False, []),
            "uniquebodyparts": names.get(True, []),
            "bodyparts": _MULTI,
        }
    else:
        card["bodyparts"] = names[False]
    card["skeleton"] = _skeleton(result.datasets, card.get("skeleton"))
    card["video_sets"] = _videos(result, folders, card.get("video_sets"))
    return card


def _skeleton(datasets: Sequence[PoseDataset], before: Any) -> Any:
    """Return pairs of names; chains as they were, if they join the same points."""
    pairs = [(link.start, link.end) for d in datasets for link in d.schema.links]
    names = {name for dataset in datasets for name in dataset.schema.names}
    said = [pair for pair in _links(before) if set(pair) <= names]
    same = {frozenset(pair) for pair in said} == {frozenset(pair) for pair in pairs}
    return before if same and before else [list(pair) for pair in pairs]


def _videos(result: Written, folders: Sequence[str], before: Any) -> dict[str, Any]:
    """Name a video for each folder, as DeepLabCut finds folders by the names of videos."""
    found = dict(before) if isinstance(before, dict) else {}
    known = {re.split(r"[/\\]", str(name))[-1].rpartition(".")[0] for name in found}
    images = result.plan.images
    sizes: dict[str, tuple[int, int]] = {}
    rows = [str(row).rpartition("/")[0] for row in result.sheet.rows]
    for folder, size in zip(rows, images.wh.tolist(), strict=True):
        sizes.setdefault(folder, tuple(size))
    for folder in folders:
        video = folder.rpartition("/")[2]
        if video not in known:
            width, height = sizes[folder]
            found[f"videos/{video}.avi"] = {"crop": f"0, {width}, 0, {height}"}
    return found

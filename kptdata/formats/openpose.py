"""OpenPose: one JSON file for each picture; read and written as a folder, or one file by itself.

Coordinates are pixels of the project's frame (the tool's default); nothing is shifted.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kptdata._columns import MISSING_INT
from kptdata.dataset import ImageTable, PoseDataset, RawColumn
from kptdata.errors import FileError, FormatError, OptionError
from kptdata.formats._collect import text_of
from kptdata.formats._images import upright_size
from kptdata.formats._json import decode, require_utf8
from kptdata.formats._openpose_names import (
    NOTHING,
    frames_of,
    is_file_name,
    named,
    pictures,
)
from kptdata.formats._openpose_read import (
    VERSION,
    Frame,
    Group,
    People,
    columns_2d,
    columns_3d,
    default_form,
    read_frame,
)
from kptdata.formats._openpose_scale import in_pixels, require_pixels
from kptdata.formats._openpose_write import (
    OWN,
    images_read,
    json_names,
    pages,
    schemas_read,
    sheets_of,
)
from kptdata.formats._plan import TREE_LOSSES, accounts, plan_of
from kptdata.formats._tree import write_tree
from kptdata.formats.base import (
    Sniff,
    WriteReport,
    atomic_write,
    read_bytes,
    read_head,
    refuse_losses,
    require_file,
)
from kptdata.schema import Schema

__all__ = ["FOLDER", "LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "OpenPose JSON"
SUFFIXES = ()  # .json is COCO ground truth; this must be asked for
FOLDER = True
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "schema": "facts of the schema beside the order of its points",
    "instances": "people whose image is not listed",
    "visibility": "whether points are occluded, visible or stated to be absent",
    "given_xy": "coordinates stated for points that are not labelled, where they are 0, 0",
    "xyz": "3D points at 0, 0, 0 with a confidence of 0, or not finite",
    "keypoint_score": "confidences of 0 and less of labelled points, more of others, or infinite",
    "bbox": "boxes",
    "score": "scores of people",
    "track": "tracks that are no whole numbers from 0",
    "category": "categories",
    "categories": "names of categories",
    "numbers": "numbers other than the confidences of 3D points",
    "extras": "extras of people other than 'openpose'",
    "image_extras": "extras of images other than 'openpose' and 'part_candidates'",
    "image_id": "ids of images other than their place among the files, from 1",
    "image_size": "sizes of images",
    "file_name": "endings of file names (to be had from the folder of images)",
    "sequence": "videos other than those that file names say",
    "frame": "numbers of frames other than those that file names say",
}
"""What the files cannot hold."""

_PEOPLE = re.compile(rb'"people"\s*:\s*\[')
_LISTS = re.compile(rb'"(pose|face|hand_left|hand_right)_keypoints(_[23]d)?"\s*:\s*(\[|null)')
_BARE = re.compile(rb'\{\s*("version"\s*:\s*[0-9.]+\s*,\s*)?"people"\s*:\s*\[\s*\]')


def sniff(path: str | Path) -> Sniff:
    """Say whether a path is an OpenPose file, or a folder of them, from the first one."""
    path = Path(path)
    files = [path / name for name in _files(path)[:1]] if path.is_dir() else [path]
    for file in files:
        head = read_head(file).lstrip() if file.is_file() else b""
        if head[:1] == b"{" and _PEOPLE.search(head) and _LISTS.search(head):
            return Sniff(0.95, (f"{file.name} with lists of keypoints of people",))
        if _BARE.match(head):
            return Sniff(0.7, (f"{file.name} with a list of no people",))
    return Sniff(0.0, ("no JSON object with people and their lists of keypoints",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,
    keypoint_scale: int | None = None,
) -> tuple[PoseDataset, ...]:
    """Read a file, or all ``*_keypoints.json`` below a folder, into one dataset per kind of body.

    Args:
        path: the file or the folder.
        schema: of the points, and so which lists are points; by default the body, and face and
            hands if any person has them. Other lists are kept as extras.
        images: folder of the images, for their names and sizes.
        keypoint_scale: what the coordinates are, as the tool's option of that name numbers it:
            0 pixels of the image, 3 fractions from 0 to 1, 4 from -1 to 1.

    Raises:
        FileError: a file cannot be read, or the folder holds none.
        FormatError: a file is not in the format, its coordinates look like fractions and
            `keypoint_scale` does not say so, or the size that they are fractions of is not known.
        SchemaError: `schema` does not fit the points, or a list of another length has none.
        OptionError: the coordinates of that `keypoint_scale` cannot be told.
    """
    path = Path(path)
    if keypoint_scale not in (None, 0, 3, 4):
        raise OptionError(
            f"keypoint_scale: expected 0, 3 or 4, got {keypoint_scale!r}: with 1 and 2 they are "
            "pixels of a picture whose size no file states"
        )
    folder, names = (path, _files(path)) if path.is_dir() else (path.parent, [path.name])
    if not names:
        raise FileError(
            "no file *_keypoints.json in the folder",
            path=path,
            fix="name the folder that holds them, or one file",
        )
    names = [name for name in names if name != NOTHING or not path.is_dir()]
    people = People(schema)
    frames = [_frame(folder / name, number, people) for number, name in enumerate(names)]
    if path.is_dir() and not names:
        _frame(folder / NOTHING, 0, People(None))
    groups = people.groups()
    table = _images(frames, names, groups, people, images)
    scales = [f.scale if keypoint_scale is None else keypoint_scale for f in frames]
    datasets = []
    for group in groups:
        owners = np.array([people.images[n] for n in group.members.tolist()], np.intp)
        require_pixels(group.flat, owners, scales, path, names)
        flat = in_pixels(group.flat, owners, scales, table, path, names)
        datasets.append(_dataset(group._replace(flat=flat), owners, people, table, path))
    return tuple(datasets)


def _files(folder: Path) -> list[str]:
    """Return the files below a folder, sorted; links to folders are not followed."""
    found = []
    for base, _, names in os.walk(folder):
        above = Path(base).relative_to(folder).as_posix()
        mine = [name for name in names if is_file_name(name)]
        found += mine if above == "." else [f"{above}/{name}" for name in mine if name != NOTHING]
    return sorted(found)


def _frame(file: Path, number: int, people: People) -> Frame:
    data = read_bytes(require_file(file))
    require_utf8(data, file)
    try:
        found = decode(data, Any, file)
    except msgspec.ValidationError as error:
        raise FormatError(str(error), path=file) from None
    frame = read_frame(found, file)
    people.add(frame, number, file)
    frame.people = []
    return frame


def _images(
    frames: Sequence[Frame],
    names: Sequence[str],
    groups: Sequence[Group],
    people: People,
    folder: Path | None,
) -> ImageTable:
    bare = [named(name).picture for name in names]
    found = bare if folder is None else pictures(bare, folder)
    sizes = np.array([frame.size for frame in frames], np.int64).reshape(-1, 2)
    for row, name in enumerate(found if folder is not None else ()):
        if name != bare[row]:
            sizes[row] = upright_size(folder / name)  # type: ignore[operator]
    forms = _usual_forms(groups, people, len(frames))
    notes = [_note(f, n, form) for f, n, form in zip(frames, names, forms, strict=True)]
    columns: dict[str, list[Any]] = {
        "part_candidates": [frame.candidates for frame in frames],
        OWN: [frame.others or None for frame in frames],
        f"file:{OWN}": [note or None for note in notes],
    }
    extras = {
        key: RawColumn(None if value is None else text_of(value) for value in values)
        for key, values in columns.items()
        if any(value is not None for value in values)
    }
    return ImageTable.of(
        found, width=sizes[:, 0], height=sizes[:, 1], extras=extras, **frames_of(bare)
    )


def _usual_forms(groups: Sequence[Group], people: People, count: int) -> list[Any]:
    """Return the form that the people of each file have if nothing is noted."""
    found: list[Any] = [None] * count
    owners = np.array(people.images, np.intp)
    for group in reversed(groups):
        form = default_form(group.layout)
        for row in np.unique(owners[group.members]).tolist():
            found[row] = form
    return found


def _note(frame: Frame, name: str, usual: Mapping[str, str] | None) -> dict[str, Any]:
    """Return what to write back of a file, beside what it says."""
    note: dict[str, Any] = {}
    told = named(name)
    if told.is_usual and f"{told.picture}_keypoints.json" != name:
        note["json"] = name
    if frame.version != VERSION or type(frame.version) is not float:
        note["version"] = frame.version
    if frame.size != (0, 0):
        note["canvas"] = True
    if frame.form is not None and frame.form != usual:
        note["form"] = frame.form
    return note


def _dataset(
    group: Group, owners: Any, people: People, table: ImageTable, path: Path
) -> PoseDataset:
    members = group.members.tolist()
    tracks = np.array([people.tracks[number] for number in members], np.int64)
    others = [people.others.get(number) for number in members]
    columns: dict[str, Any] = columns_2d(group.flat) | columns_3d(group.deep)
    if (tracks >= 0).any():
        columns["track"] = np.where(tracks >= 0, tracks, MISSING_INT)
    if any(others):
        columns["extras"] = {OWN: RawColumn(text_of(o) if o else None for o in others)}
    notes = [f"read {path} as {OWN}"]
    aside = Counter(
        key for other in others if other for key in other if key.partition("_keypoints")[1]
    )
    if aside:
        listed = ", ".join(f"{key} ({n})" for key, n in sorted(aside.items()))
        notes.append(f"lists kept as extras: {listed}")
    return PoseDataset(
        schema=group.layout.schema,
        images=table,
        image=owners,
        order=group.members,
        provenance=tuple(notes),
        **columns,
    )


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write a folder of files; or one file, where `path` ends in ``.json``.

    Raises:
        SchemaError: the format has no list for the points of a dataset.
        FormatError: two images would share a file, a name leads out of the folder, one file is
            asked for and there is not one image, or something would be lost under `strict`.
        FileError: the files cannot be written, or the folder holds others of this kind.
    """
    path = Path(path)
    kept = [np.ones(len(dataset), bool) for dataset in datasets]
    plan = plan_of(datasets, kept, lambda images: json_names(images, path))
    names = json_names(plan.images, path)
    images = images_read(plan.images, names)
    sheets = sheets_of(plan, datasets, images, path)
    lost, invented = accounts(
        plan, datasets, [sheet.reading for sheet in sheets], schemas_read(sheets), OWN
    )
    refuse_losses(path, lost, LOSSES, strict=strict)
    files = pages(plan, sheets, images, names)
    if path.suffix == ".json":
        _write_one(files, len(names), path)
    else:
        _refuse_others(path, names)
        write_tree(path, files if names else iter([(NOTHING, b'{"version":1.3,"people":[]}\n')]))
    return WriteReport(path, OWN, len(plan.owned), lost, invented, LOSSES)


def _write_one(files: Iterator[tuple[str, bytes]], count: int, path: Path) -> None:
    if count != 1:
        raise FormatError(
            "an OpenPose file holds one image",
            path=path,
            expected="a dataset of one image",
            found=f"{count}",
            fix="name a folder to write to",
        )
    atomic_write(path, (content for _, content in files))


def _refuse_others(folder: Path, names: Sequence[str]) -> None:
    """Refuse to mix files with others that are there already."""
    mine = set(names) or {NOTHING}
    others = sorted(set(_files(folder)) - mine) if folder.is_dir() else []
    if others:
        raise FileError(
            "the folder holds other files of this kind, which would be read together with these",
            path=folder,
            found=", ".join(others[:3]),
            fix="write to another folder",
        )

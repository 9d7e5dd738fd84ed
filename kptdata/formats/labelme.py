"""LabelMe: one JSON file for each image; read and written as a folder, or one file by itself.

Coordinates are pixels of the project's frame; nothing is shifted. LabelMe knows shapes, not people:
docs/formats/labelme.md says how people are found in them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from kptdata.dataset import ImageTable, PoseDataset, RawColumn
from kptdata.errors import FileError, FormatError
from kptdata.formats._collect import text_of
from kptdata.formats._images import upright_size
from kptdata.formats._json import require_utf8
from kptdata.formats._labelme_read import OWN, Page, people_of, read_page
from kptdata.formats._labelme_write import images_read, json_names, pages, sheets_of
from kptdata.formats._long_numbers import decode_keeping_digits
from kptdata.formats._people import Person, datasets_of, schemas_of_used_points
from kptdata.formats._plan import TREE_LOSSES, accounts, classes_of, plan_of
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
from kptdata.paths import is_file
from kptdata.schema import Schema

__all__ = ["FOLDER", "LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "LabelMe"
SUFFIXES = ()  # .json is COCO ground truth; this must be asked for
FOLDER = True
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "schema": "facts of the schema beside the names of points that somebody labelled",
    "visibility": "points stated not to be in the image become unlabelled",
    "category": "numbers of categories other than their order, and those of people without a box",
    "score": "scores of people without a box",
    "bbox": "boxes of negative size, or that are not finite",
    "extras": "extras other than description and flags of a box",
    "image_extras": "extras of images other than flags and those of LabelMe",
    "image_id": "ids of images other than their place among the files, from 1",
    "image_size": "sizes of images of which only one side is known",
    "file_name": "file names that are not written in the shortest way",
}
"""What the files cannot hold."""

LABELS = "labels.txt"
"""Names that the tool offers, classes and points; the order of the points is theirs here."""

_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')
_ABOUT = re.compile(rb'"(imagePath|imageData|imageHeight|shape_type|version)"\s*:')


def sniff(path: str | Path) -> Sniff:
    """Say whether a path is a LabelMe file, or a folder of them, from the first one."""
    path = Path(path)
    files = [path / name for name in _files(path)[:1]] if path.is_dir() else [path]
    if path.is_dir() and not files and (path / LABELS).is_file():
        return Sniff(0.3, (f"a folder with {LABELS} and no JSON",))
    for file in files:
        head = read_head(file).lstrip() if file.is_file() else b""
        if head[:1] == b"{" and _SHAPES.search(head) and _ABOUT.search(head):
            return Sniff(0.95, (f"{file.name} with shapes of an image",))
    return Sniff(0.0, ("no JSON file with shapes of an image",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,
    image_data: bool = False,
) -> tuple[PoseDataset, ...]:
    """Read a file, or all JSON files below a folder, into one dataset per skeleton.

    Args:
        path: the file or the folder.
        schema: schema of the points; names that nobody labelled are in no file.
        images: folder of the images, where files name them elsewhere, or lack their size.
        image_data: keep pictures that are stored in the files; they are large.

    Raises:
        FileError: a file cannot be read, or the folder holds none.
        FormatError: a file is not in the format, or names an image outside of the folder; the
            shape is named.
        SchemaError: `schema` does not fit the points.
    """
    path = Path(path)
    folder, names = (path, _files(path)) if path.is_dir() else (path.parent, [path.name])
    if not names and not (path / LABELS).is_file():
        raise FileError(
            "no JSON file in the folder", path=path, fix="name the folder that holds them"
        )
    rules: Counter[str] = Counter()
    people: list[Person] = []
    found: list[Page] = []
    for number, name in enumerate(names):
        page = _page(folder / name, name, images, keep_data=image_data)
        mine, placed = people_of(page, number)
        people += mine
        rules += placed
        page.shapes = []
        found.append(page)
    notes = [f"read {path} as {OWN}"]
    if rules:
        notes.append("points grouped: " + ", ".join(f"{n} by {rule}" for rule, n in rules.items()))
    stored = sum(page.has_data for page in found)
    if stored and not image_data:
        notes.append(f"imageData of {stored} files left out")
    return datasets_of(
        people,
        _images(found),
        schema,
        path,
        order=_order(folder),
        meta={},
        provenance=tuple(notes),
    )


def _files(folder: Path) -> list[str]:
    """Return the JSON files below a folder, sorted; links to folders are not followed."""
    found = []
    for base, _, names in os.walk(folder):
        above = Path(base).relative_to(folder).as_posix()
        mine = [name for name in names if name.endswith(".json")]
        found += mine if above == "." else [f"{above}/{name}" for name in mine]
    return sorted(found)


def _page(file: Path, name: str, images: Path | None, *, keep_data: bool) -> Page:
    require_file(file)
    data = read_bytes(file)
    require_utf8(data, file)
    found = decode_keeping_digits(data, file)
    page = read_page(found, file, name, inside=images is None, keep_data=keep_data)
    if page.size == (0, 0):
        for folder in [images] if images is not None else [file.parents[name.count("/")]]:
            if is_file(folder / page.file_name):
                page.size = upright_size(folder / page.file_name)
    return page


def _order(folder: Path) -> list[str]:
    """Return the names of ``labels.txt``, none if it is not there."""
    path = folder / LABELS
    if not path.is_file() or path.stat().st_size > 1_000_000:
        return []
    return path.read_text("utf-8", errors="replace").splitlines()


def _images(found: Sequence[Page]) -> ImageTable:
    keys = dict.fromkeys(key for page in found for key in page.extras)
    extras = {
        key: RawColumn(text_of(p.extras[key]) if key in p.extras else None for p in found)
        for key in keys
    }
    return ImageTable.of(
        [page.file_name for page in found],
        width=np.array([page.size[0] for page in found], np.int64),
        height=np.array([page.size[1] for page in found], np.int64),
        extras=extras,
    )


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write a folder of files, with ``labels.txt``; or one file, where `path` ends in ``.json``.

    Raises:
        DatasetError: a class name with two skeletons.
        FormatError: two images would share a file, a name leads out of the folder, one file is
            asked for and there is not one image, or something would be lost under `strict`.
        FileError: the files cannot be written, or the folder holds others of this kind.
    """
    path = Path(path)
    kept = [
        np.asarray(np.isfinite(d.column("bbox")).all(axis=1) | d.labelled.any(axis=1))
        for d in datasets
    ]
    plan = plan_of(datasets, kept, lambda images: json_names(images, path))
    names = json_names(plan.images, path)
    classes = classes_of(datasets)
    images = images_read(plan.images)
    sheets = sheets_of(plan, datasets, classes, images)
    readings = [sheet.reading for sheet in sheets]
    schemas = schemas_of_used_points(datasets, readings, path)
    lost, invented = accounts(plan, datasets, readings, schemas, OWN)
    refuse_losses(path, lost, LOSSES, strict=strict)
    files = pages(plan, sheets, images, names)
    if path.suffix == ".json":
        _write_one(files, len(names), path)
    else:
        _refuse_others(path, names)
        points = [name for dataset in datasets for name in dataset.schema.names]
        labels = [n for n in dict.fromkeys([*classes.names, *points]) if n.splitlines() == [n]]
        text = "".join(f"{label}\n" for label in labels).encode()
        write_tree(path, iter([(LABELS, text), *files]))
    return WriteReport(path, OWN, len(plan.owned), lost, invented, LOSSES)


def _write_one(files: Iterator[tuple[str, bytes]], count: int, path: Path) -> None:
    if count != 1:
        raise FormatError(
            "a LabelMe file holds one image",
            path=path,
            expected="a dataset of one image",
            found=f"{count}",
            fix="name a folder to write to",
        )
    atomic_write(path, (content for _, content in files))


def _refuse_others(folder: Path, names: Sequence[str]) -> None:
    """Refuse to mix files with others that are there already."""
    others = sorted(set(_files(folder)) - set(names)) if folder.is_dir() else []
    if others:
        raise FileError(
            "the folder holds other JSON files, which would be read together with these",
            path=folder,
            found=", ".join(others[:3]),
            fix="write to another folder",
        )

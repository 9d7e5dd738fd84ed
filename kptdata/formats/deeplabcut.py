"""DeepLabCut: a table as CSV or HDF5, of labelled pictures or of predictions, or a whole project.

Coordinates are pixels of the project's frame; nothing is shifted. docs/formats/deeplabcut.md says
how tables are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kptdata.dataset import PoseDataset
from kptdata.errors import MissingDependencyError, OptionError
from kptdata.formats._dlc_h5 import h5_bytes, keys_in, read_h5
from kptdata.formats._dlc_project import CONFIG, is_project, read_project, renamed, tree
from kptdata.formats._dlc_read import OWN, SCORER, datasets_of, fits_of, groups_of
from kptdata.formats._dlc_sheet import INDEXES, csv_text, looks_like_csv, read_csv
from kptdata.formats._dlc_write import written
from kptdata.formats._hdf5 import SIGNATURE
from kptdata.formats._images import sized
from kptdata.formats._plan import TREE_LOSSES, accounts
from kptdata.formats._tree import write_tree
from kptdata.formats.base import (
    Sniff,
    WriteReport,
    atomic_write,
    read_head,
    refuse_losses,
)
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "DeepLabCut"
SUFFIXES = ()  # .csv and .h5 are other formats' too; this must be asked for
OPTIONS = ("scorer", "index", "multi")
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "schema": "facts of the schema beside the names of its points (a project says its links too)",
    "instances": "people whose image is not listed, or who have no point",
    "order": "place of an instance: images in their order, in each the individuals in theirs",
    "xy": "coordinates",
    "visibility": "whether points are seen or occluded, unlabelled or absent: a point is there, or "
    "it is not",
    "keypoint_score": "scores that are not finite",
    "bbox": "boxes",
    "score": "scores of instances",
    "track": "tracks that are twice in an image, and whether they are numbers",
    "category": "categories",
    "categories": "categories",
    "images": "images",
    "image_id": "ids of images other than their place, from 1",
    "file_name": "file names that are not where a project keeps them (labeled-data/VIDEO/IMAGE), "
    "or not those of frames",
    "sequence": "videos other than the folder of an image, or than what the file of predictions "
    "is named after",
    "frame": "frames other than the last number in the name of an image",
    "meta": "file-level texts other than the scorer",
}
"""What the tables cannot hold."""

_SCORER = "kptdata"
_NAMED = re.compile(r"CollectedData_(.+)\.(?:csv|h5)")
_H5 = (".h5", ".hdf5")


def sniff(path: str | Path) -> Sniff:
    """Say whether a path is a table of DeepLabCut, from its header rows, or a project."""
    path = Path(path)
    if path.is_dir() or path.name == CONFIG:
        if is_project(path):
            return Sniff(0.95, (f"{CONFIG} with the keys bodyparts, scorer and video_sets",))
        return Sniff(0.0, (f"no {CONFIG} with the keys bodyparts, scorer and video_sets",))
    head = read_head(path)
    if looks_like_csv(head):
        return Sniff(0.95, ("header rows scorer, bodyparts, coords",))
    if not head.startswith(SIGNATURE):
        return Sniff(0.0, ("neither header rows of DeepLabCut nor HDF5",))
    try:
        found = keys_in(path)
    except MissingDependencyError as error:
        return Sniff(0.0, (str(error),))
    if found:
        return Sniff(0.95, (f"HDF5 with {found[0]}: scorer, bodyparts, coords",))
    return Sniff(0.0, ("HDF5 without a table of scorer, bodyparts and coords",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,
    key: str | None = None,
) -> tuple[PoseDataset, ...]:
    """Read a table, or all that the scorer of a project has labelled.

    The points that are there once ("single") are a dataset of their own.

    Args:
        path: the CSV or HDF5 file; the folder of a project, or its ``config.yaml``.
        schema: schema of the points, where another than one with these names is wanted.
        images: folder of the images, for their sizes; by default that of the project.
        key: name of the table in an HDF5 file that has several.

    Raises:
        FileError: a file cannot be read.
        FormatError: it is not in the format, or holds pickles that are more than plain values.
        SchemaError: `schema` does not fit the points.
        MissingDependencyError: h5py, or PyYAML for a project, is not installed.
    """
    path = Path(path)
    if path.is_dir() or path.name == CONFIG:
        project = read_project(path)
        sheet, links, meta, notes = project.sheet, project.links, project.meta, project.notes
        images = images or project.folder
    else:
        is_h5 = read_head(path, len(SIGNATURE)) == SIGNATURE
        sheet = read_h5(path, key) if is_h5 else read_csv(path)
        links, meta, notes = (), {}, ()
    groups = groups_of(sheet)
    fits = fits_of(groups, links, schema, path)
    said = (f"read {path} as {OWN}", *notes)
    found = datasets_of(sheet, groups, fits, path, meta, said)
    return tuple(sized(dataset, images) for dataset in found)


def write_all(
    datasets: Sequence[PoseDataset],
    path: str | Path,
    *,
    strict: bool = False,
    scorer: str | None = None,
    index: str | None = None,
    multi: bool | None = None,
) -> WriteReport:
    """Write a CSV or HDF5 file, where `path` ends so, or a project with both in each folder.

    Images are not copied.

    Args:
        datasets: one skeleton, and perhaps the points that are there once (track "single").
        path: the file, or the folder of the project.
        strict: refuse, before the first byte, if anything would be lost.
        scorer: who labelled; by default what ``CollectedData_SCORER`` says, then the data.
        index: how rows are named: ``path``, ``parts`` (three columns) or ``frames``. By default as
            they were, else ``parts`` for names that are labeled-data/VIDEO/IMAGE.
        multi: whether columns name individuals; by default if tracks, or two instances in an
            image, do.

    Raises:
        OptionError: no such `index`, or a `scorer` that is no name.
        DatasetError: more skeletons than that.
        FormatError: a name that the format cannot hold, or something would be lost under `strict`.
        FileError: the file cannot be written, or a project has labels of the scorer elsewhere.
        MissingDependencyError: h5py, or PyYAML for a project, is not installed.
    """
    path = Path(path)
    if index is not None and index not in INDEXES:
        raise OptionError(f"index: expected one of {', '.join(INDEXES)}, got {index!r}")
    is_file = path.suffix in (".csv", ".gz", *_H5)
    who = _scorer(datasets, path, scorer)
    result = written(
        datasets,
        path,
        scorer=who,
        index=index,
        multi=multi,
        named=None if is_file else lambda table: renamed(table, path),
        links=not is_file,
    )
    lost, invented = accounts(result.plan, result.datasets, result.readings, result.schemas, OWN)
    refuse_losses(path, lost, LOSSES, strict=strict)
    if not is_file:
        write_tree(path, tree(result, path))
    elif path.suffix in _H5:
        atomic_write(path, [h5_bytes(result.sheet)])
    else:
        atomic_write(path, csv_text(result.sheet))
    count = sum(map(len, result.readings))
    return WriteReport(path, OWN, count, lost, invented, LOSSES)


def _scorer(datasets: Sequence[PoseDataset], path: Path, given: str | None) -> str:
    """Return who labelled: as asked for, as the name of the file says, as the data says."""
    named = _NAMED.fullmatch(path.name)
    if given is not None and not _is_scorer(given):
        raise OptionError(f"scorer: expected a name, which names files, got {given!r}")
    said: list[Any] = [given, named and named[1]]
    said += [msgspec.json.decode(d.meta[SCORER]) for d in datasets if SCORER in d.meta]
    return next((one for one in said if _is_scorer(one)), _SCORER)


def _is_scorer(said: Any) -> bool:
    return isinstance(said, str) and re.fullmatch(r"[^/\\\0\r\n]+", said) is not None

"""MPII's release: one MATLAB 5 file with the struct RELEASE.

The file counts pixels from 1; joints, ``objpos`` and head boxes are moved by -1 to the project's
frame. docs/formats/mpii.md says how each field is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kptdata.dataset import PoseDataset
from kptdata.formats._account import LOSSES as _ALL_LOSSES
from kptdata.formats._account import account
from kptdata.formats._images import sized
from kptdata.formats._mat import read_mat, variables_at_head
from kptdata.formats._mat_write import mat_bytes
from kptdata.formats._mpii_box import checked_schema, only_dataset
from kptdata.formats._mpii_build import build
from kptdata.formats._mpii_release import VARIABLE, dataset_of
from kptdata.formats.base import Sniff, WriteReport, atomic_write, read_head, refuse_losses
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "MPII release (.mat)"
SUFFIXES = (".mat",)
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **_ALL_LOSSES,
    "xy": "last binary digits of coordinates, which a file that counts from 1 cannot hold",
    "boxes": "named boxes other than 'head'",
    "points": "named points other than 'objpos'",
    "numbers": "named numbers other than 'scale'",
    "extras": "other values of people whose key is no MATLAB name or whose value MATLAB lacks",
    "image_extras": "other values of images, likewise",
    "meta": "file-level texts, likewise",
}
"""What a release cannot hold."""


def sniff(path: Path) -> Sniff:
    """Say whether a file looks like an MPII release, from the names of its variables."""
    path = Path(path)
    head = read_head(path, 128) if path.is_file() else b""
    if not head.startswith(b"MATLAB"):
        return Sniff(0.0, ("not a MATLAB file",))
    if head.startswith(b"MATLAB 7.3"):
        return Sniff(0.0, ("a MATLAB 7.3 file; MATLAB makes one for this reader with save -v7",))
    names = variables_at_head(path)
    if VARIABLE in names:
        return Sniff(0.95, (f"a MATLAB 5 file with a variable {VARIABLE}",))
    return Sniff(0.0, (f"a MATLAB 5 file without a variable {VARIABLE}",))


def read_all(
    path: Path, *, schema: Schema | None = None, images: Path | None = None
) -> tuple[PoseDataset, ...]:
    """Read a release into one dataset.

    Args:
        path: the file.
        schema: MPII's, or another one of the same 16 names.
        images: folder of the images, for their sizes, which the file does not give.

    Raises:
        FileError: the file, or an image, cannot be read.
        FormatError: it is not in the format; image, person and field are named.
        SchemaError: the schema has other points.
    """
    path = Path(path)
    own = checked_schema(schema, path)
    dataset = dataset_of(read_mat(path), path, own)
    return (sized(dataset.noted(f"read {path} as mpii"), images),)


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write one dataset of MPII's 16 points as a release.

    What was read from a release goes back with the same fields, classes, shapes and order wherever
    the columns still say the same. A place or scale that is missing is made from the box.

    Raises:
        DatasetError: several datasets, or other points than MPII's.
        FormatError: something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    dataset = only_dataset(tuple(datasets), path)
    built = build(dataset)
    read_back = dataset_of(built.variables, path, checked_schema(None, path))
    lost, invented = account(
        dataset, read_back, built.rows, np.arange(len(dataset.images)), own="mpii"
    )
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, mat_bytes(built.variables))
    return WriteReport(path, "mpii", len(read_back), lost, invented, LOSSES)

"""COCO ground truth: one JSON object with images, annotations and categories.

Every key of the file is kept and written back. A value goes to a typed column if it is canonical
there (a number, four numbers, 0 or 1); otherwise its text stays in ``extras`` and is written back
as long as the column still says what the text says. Coordinates are pixels of the project's frame,
as COCO's are; nothing is shifted. docs/formats/coco.md says how each key is read. What was
read in a dialect (`kptdata.formats.coco_dialects`) keeps the keys of that dialect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kptdata.dataset import PoseDataset
from kptdata.formats._coco_truth import read_ground_truth
from kptdata.formats._coco_write import AREAS, LOSSES, write_ground_truth
from kptdata.formats._dialect_data import with_own_keys
from kptdata.formats.base import Sniff, WriteReport, read_head
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "COCO keypoints"
SUFFIXES = (".json", ".json.gz")
OPTIONS = ("complete", "area", "keep_empty")

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:\s*\[)?|[{}\[\]]')
_HEAD = 1 << 18


def sniff(path: str | Path) -> Sniff:
    """Say whether a file looks like COCO ground truth, from its first bytes."""
    head = read_head(Path(path), _HEAD).lstrip() if Path(path).is_file() else b""
    if head[:1] != b"{":
        return Sniff(0.0, ("not a JSON object",))
    if (found := _first_list(head)) is not None:
        return Sniff(0.9, (f"a JSON object with a list of {found}",))
    return Sniff(0.0, ("a JSON object without images and annotations at its beginning",))


def _first_list(head: bytes) -> str | None:
    """Return which of COCO's lists comes first at the top level of an object."""
    depth = 0
    for token in _TOKEN.finditer(head):
        text = token.group()
        if token.group(1) and depth == 1 and text.startswith((b'"images"', b'"annotations"')):
            return text.split(b'"')[1].decode()
        if text[:1] in b"{[" or token.group(1):
            depth += 1
        elif text in b"}]":
            depth -= 1
    return None


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,  # noqa: ARG001 - COCO states sizes itself
    category: int | str | None = None,
) -> tuple[PoseDataset, ...]:
    """Read a file into one dataset per skeleton.

    Args:
        path: the file, possibly gzipped.
        schema: schema of the points, where the file does not name them or several would do;
            ``coco_wholebody`` joins the body, foot, face and hand lists of an annotation.
        images: not needed here.
        category: read only this category, by name or id.

    Raises:
        FileError: the file cannot be read.
        FormatError: it is not in the format; the message names the annotation.
        SchemaError: the points are not named and no schema is given, or `schema` does not fit.
    """
    return read_ground_truth(Path(path), schema=schema, category=category)


def write_all(
    datasets: Sequence[PoseDataset],
    path: str | Path,
    *,
    strict: bool = False,
    complete: bool | None = None,
    area: str = AREAS[0],
    keep_empty: bool = False,
) -> WriteReport:
    """Write datasets, one per skeleton, into one file.

    Args:
        datasets: what to write; interleaved by their `order`.
        path: where to; ``.gz`` is compressed.
        strict: refuse, before the first byte, if anything would be lost.
        complete: give what evaluation needs and the source does not say: ``iscrowd`` 0, boxes
            from points, ``area``, ``num_keypoints``, ids. By default for data that was not read
            from COCO.
        area: rule for areas that are given: ``box053`` (0.53 of the box, as CrowdPose and AIC are
            evaluated), ``box``, ``hull`` (convex hull of the labelled points) or ``none``.
        keep_empty: when completing, also write people with neither points nor a box.

    Raises:
        OptionError: no such rule for `area`.
        FormatError: something would be lost under `strict`.
        FileError: the file cannot be written.
        DatasetError: two datasets have different images under one id.
    """
    datasets, lost = with_own_keys(datasets)
    return write_ground_truth(
        datasets,
        Path(path),
        strict=strict,
        complete=complete,
        area=area,
        keep_empty=keep_empty,
        lost=lost,
    )

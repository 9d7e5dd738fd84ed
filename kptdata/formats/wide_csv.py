"""Wide CSV: one row for each instance, its points in columns such as ``nose_x``, ``nose_y``.

Pixels of the project's frame; nothing is shifted. Columns are known by their name, in any order;
docs/formats/csv.md lists the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, FormatError
from kptdata.formats._account import LOSSES as _ALL_LOSSES
from kptdata.formats._account import account
from kptdata.formats._csv_header import plain, point_names
from kptdata.formats._csv_macaque import is_macaque, read_macaque
from kptdata.formats._csv_read import OWN, dataset_of
from kptdata.formats._csv_text import Layout, best_layout, lines_of, read_table
from kptdata.formats._csv_write import written
from kptdata.formats._images import sized
from kptdata.formats._json import require_utf8
from kptdata.formats._named_points import Points, schema_read
from kptdata.formats.base import (
    Sniff,
    WriteReport,
    atomic_write,
    read_bytes,
    read_head,
    refuse_losses,
)
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "wide CSV"
SUFFIXES = (".csv", ".csv.gz", ".tsv")
OPTIONS: tuple[str, ...] = ()
_HELD = (
    *("order", "xy", "visibility", "bbox_source", "area_source", "iscrowd", "track"),
    *("answers", "file_name", "sequence", "frame"),
)
LOSSES: Mapping[str, str] = {
    **{key: text for key, text in _ALL_LOSSES.items() if key not in _HELD},
    "schema": "facts of the schema beside the names of its points",
    "given_xy": "coordinates of points that are not labelled, where one of the two is not finite",
    "keypoint_score": "scores of points that are not finite",
    "score": "scores of instances that are not finite",
    "area": "areas that are not finite",
    "bbox": "boxes that are not finite, or that two corners give back only in their last digits",
    "id": "ids of instances",
    "category": "numbers of categories",
    "categories": "categories without an instance, or without a name",
    "image": "which of several images of one name and id an instance belongs to",
    "images": "images without people, and images of one name and id with another",
    "image_order": "order of images other than that in which people name them",
    "image_id": "ids of images, where one has none",
    "image_size": "sizes of images that are negative",
    "image_extras": "other values of images",
    "extras": "other values of instances",
}
"""What the table cannot hold."""

_BOM = b"\xef\xbb\xbf"
_NO_TEXT = (b"{", b"[", b"<", b"\x00")


def sniff(path: str | Path) -> Sniff:
    """Say whether a file is a wide CSV, from its header."""
    head = read_head(Path(path)) if Path(path).is_file() else b""
    if not head or head.lstrip()[:1] in _NO_TEXT or b"\0" in head:
        return Sniff(0.0, ("no table",))
    text = head.decode("utf-8", "ignore")
    if is_macaque(text):
        return Sniff(0.9, ("the header of MacaquePose's table",))
    layout = best_layout(text)
    if layout is None or _other(layout) is not None:
        return Sniff(0.0, ("no header with columns such as nose_x and nose_y",))
    count = len(point_names(layout.roles))
    named = any(role.kind == "image" for role in layout.roles)
    reason = f"a header with {count} points" + (" and an image" if named else "")
    if not count:
        return Sniff(0.6 if named else 0.0, ("a header with boxes and no points",))
    return Sniff(0.9 if named else 0.7, (reason,))


def _other(layout: Layout) -> tuple[str, str] | None:
    """Say what a table is that only looks like one of ours, and what to do about it."""
    names = [plain(name) for name in layout.header]
    if names[0] in ("scorer", "bodyparts", "individuals"):
        return "DeepLabCut's table, with three rows of headers", "name its format"
    if any(name.endswith("_ncams") for name in names):
        return "3D points of several cameras, not pixels of one", "project them first"
    return None


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,
    zero_one: bool = False,
) -> tuple[PoseDataset, ...]:
    """Read a table into one dataset.

    Args:
        path: the file, possibly gzipped.
        schema: schema of the points; points whose names only count (``x0``, ``kpt_3_x``) go by
            their number.
        images: folder of the images, for their sizes.
        zero_one: the states of points say only whether they are labelled, 0 or 1; otherwise they
            are COCO's, and 1 is occluded.

    Raises:
        FileError: the file, or an image, cannot be read.
        FormatError: it is no such table; line and column are named.
        SchemaError: `schema` does not fit the points.
    """
    path = Path(path)
    data = read_bytes(path, marked=True)
    require_utf8(data, path)
    text = data.removeprefix(_BOM).decode()
    read = f"read {path} as {OWN}"
    if is_macaque(text):
        found = read_macaque(text, schema, path, (f"{read}, MacaquePose's table",))
        return tuple(sized(dataset, images) for dataset in found)
    table = read_table(text, _layout(text, path)._replace(bom=data[:3] == _BOM), path)
    dataset = dataset_of(table, schema, zero_one=zero_one)
    notes = [read]
    stated = any(role.kind == "state" for role in table.layout.roles)
    if stated and not zero_one and dataset.visibility.max(initial=0) == 1:
        notes.append("states are 0 and 1 throughout; 1 was read as occluded (see zero_one)")
    return (sized(dataset.replace(provenance=tuple(notes)), images),)


def _layout(text: str, path: Path) -> Layout:
    layout = best_layout(text)
    if layout is None:
        start = text.lstrip()[:60].splitlines()
        raise FormatError(
            "no wide CSV",
            path=path,
            place="header",
            expected="columns such as nose_x and nose_y, or bbox_x, bbox_y, bbox_w and bbox_h",
            found=repr(start[0]) if start else "an empty line",
            fix="name the format that it is in, or rename its columns",
        )
    other = _other(layout)
    if other is not None:
        raise FormatError(f"this is {other[0]}", path=path, place="header", fix=other[1])
    names = [name for name in layout.header if name.strip()]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise FormatError(
            "two columns of one name", path=path, place="header", expected="each name once",
            found=repr(twice[0]), fix="rename one of the columns",
        )  # fmt: skip
    head = text[: 1 << 20]
    end = head.find("\n")
    newline = "\r" if end < 0 and "\r" in head else "\n"
    return layout._replace(newline="\r\n" if head[end - 1 : end] == "\r" else newline)


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write one dataset, a row for each instance, in their order.

    A dataset that was read from such a file keeps its columns, delimiter and line ends; a name in
    ``.tsv`` means tabs.

    Raises:
        DatasetError: several datasets; a header has one skeleton.
        FormatError: something would be lost under `strict`, or the name of a point means something
            else in a header.
        FileError: the file cannot be written.
    """
    path = Path(path)
    if len(datasets) != 1:
        given = ", ".join(dataset.schema.name for dataset in datasets)
        raise DatasetError(
            f"{path}: a wide CSV holds one skeleton; expected one dataset, found {given}. "
            f"Fix: write them to several files"
        )
    dataset = datasets[0]
    rows = np.argsort(dataset.order, kind="stable")
    found = written(dataset[rows], path)
    read_back = dataset_of(found.table, dataset.schema)
    lost, invented = account(dataset, read_back, rows, found.image_rows, own=OWN)
    points = point_names(found.table.layout.roles)
    alone = schema_read(Points(points, title="custom" if points else "boxes"), path)
    lost["schema"] += alone is None or _facts(alone) != _facts(dataset.schema)
    lost["image_order"] += int((found.image_rows != np.sort(found.image_rows)).sum())
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, lines_of(found.table))
    return WriteReport(path, OWN, len(dataset), lost, invented, LOSSES)


def _facts(schema: Schema) -> dict[str, object]:
    """Return what a schema says; its own name is a label, not a fact."""
    return {k: v for k, v in schema.to_dict().items() if k not in ("name", "title")}

"""CVAT for images 1.1: one XML file, or the archive that CVAT exports it in.

Coordinates are pixels of the project's frame. CVAT writes two digits behind the point; we write as
many as a number has. docs/formats/cvat_images.md says how each element is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kptdata.dataset import PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._collect import text_of
from kptdata.formats._cvat_file import MEMBER, ROOT, document, head_of, schema_of
from kptdata.formats._cvat_images import OWN, ImageReader
from kptdata.formats._cvat_labels import labels_of, new_meta
from kptdata.formats._cvat_text import boxed
from kptdata.formats._cvat_write import (
    Sheet,
    box_labels,
    image_texts,
    images_read,
    sheets_of,
)
from kptdata.formats._plan import TREE_LOSSES, Classes, Plan, accounts, classes_of, plan_of
from kptdata.formats._tree import refuse_unnamed
from kptdata.formats._xml import Node, children_of_root, opened
from kptdata.formats.base import Sniff, WriteReport, atomic_write, refuse_losses
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "CVAT for images 1.1"
SUFFIXES = (".xml",)
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "instances": "people whose image is not listed, and boxes that are not finite",
    "visibility": "points labelled without a word on occlusion become visible",
    "given_xy": "coordinates (0, 0) given for points that are not labelled",
    "extras": "extras other than source, z_order, group_id and attributes",
    "image_id": "ids of images that are no whole numbers",
    "image_extras": "extras of images other than split",
}
"""What the file cannot hold."""

_META = f"{OWN}:meta"


def sniff(path: str | Path) -> Sniff:
    """Say whether a file looks like CVAT for images, from its first bytes."""
    head = head_of(Path(path))
    if f"<{ROOT}".encode() not in head:
        return Sniff(0.0, ("no XML with the root <annotations>",))
    if b"<image " in head:
        return Sniff(0.95, ("<annotations> with <image>",))
    if b"<track " in head:
        return Sniff(0.0, ("<annotations> with <track>",))
    if b"<mode>interpolation</mode>" in head:
        return Sniff(0.5, ("<annotations> of a video, without shapes at its beginning",))
    return Sniff(0.6, ("<annotations> without shapes at its beginning",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,  # noqa: ARG001 - CVAT states sizes itself
) -> tuple[PoseDataset, ...]:
    """Read a file into one dataset per skeleton; boxes that belong to nobody have one too.

    Args:
        path: the XML file, or an archive with ``annotations.xml``.
        schema: schema of the points, where they have places and no names, or others would do.
        images: not needed here.

    Raises:
        FileError: the file cannot be read.
        FormatError: it is not in the format, or declares entities; image and shape are named.
        SchemaError: points have no names and no schema is given, or `schema` does not fit.
        MissingDependencyError: defusedxml is not installed.
    """
    path = Path(path)
    meta: Node | None = None
    reader: ImageReader | None = None
    with opened(path, MEMBER) as file:
        for node in children_of_root(file, path, ROOT):
            if node.tag == "track":
                raise FormatError(
                    "tracks of a video",
                    path=path,
                    expected="<image> elements",
                    found="<track>",
                    fix="read it as cvat_video",
                )
            if node.tag == "meta":
                meta = node
            elif node.tag == "image":
                reader = reader or ImageReader(path, labels_of(meta, path))
                reader.image(node)
    reader = reader or ImageReader(path, labels_of(meta, path))
    table = reader.finish()
    kept = {} if meta is None else {_META: text_of(meta.to_value())}
    return reader.shapes.datasets(schema, table, kept, (f"read {path} as {OWN}",))


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write datasets, one per skeleton, into one file; people with a box are tied to it by a group.

    Raises:
        DatasetError: a class name with two skeletons.
        FormatError: a name that XML cannot hold, or something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    kept = [
        np.ones(len(d), bool) if d.schema.num_keypoints else np.asarray(boxed(d)) for d in datasets
    ]
    plan = plan_of(datasets, kept)
    refuse_unnamed(plan.images, path)
    classes = classes_of(datasets)
    images = images_read(plan.images)
    sheets = sheets_of(plan, datasets, classes, images)
    schemas = [schema_of(d, classes.of(n), path) for n, d in enumerate(datasets)]
    readings = [sheet.reading for sheet in sheets]
    lost, invented = accounts(plan, datasets, readings, schemas, OWN)
    meta = _meta(datasets, classes, sheets, plan, path)
    refuse_losses(path, lost, LOSSES, strict=strict)
    texts = image_texts(plan, sheets, images, path)
    atomic_write(path, document(meta, texts, path))
    return WriteReport(path, OWN, len(plan.owned), lost, invented, LOSSES)


def _meta(
    datasets: Sequence[PoseDataset],
    classes: Classes,
    sheets: Sequence[Sheet],
    plan: Plan,
    path: Path,
) -> Node:
    found = [Node.from_value(json.loads(d.meta[_META])) for d in datasets if _META in d.meta]
    named = [
        (name, datasets[owner].schema)
        for name, owner in zip(classes.names, classes.owner, strict=True)
    ]
    count = len(plan.images)
    task = {
        "name": "keypoints",
        "size": str(count),
        "mode": "annotation",
        "overlap": "0",
        "start_frame": "0",
        "stop_frame": str(max(count - 1, 0)),
        "frame_filter": "",
    }
    return new_meta(next(iter(found), None), named, box_labels(sheets), path, task)

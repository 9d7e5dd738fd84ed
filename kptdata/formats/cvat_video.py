"""CVAT for video 1.1: one XML file of tracks, or the archive that CVAT exports it in.

Every frame of a track is read, also those that CVAT has interpolated (they are marked).
docs/formats/cvat_video.md says how each element is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from kptdata.dataset import PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._collect import text_of
from kptdata.formats._cvat_file import MEMBER, ROOT, document, head_of, schema_of
from kptdata.formats._cvat_frames import Frames, frames_of
from kptdata.formats._cvat_labels import labels_of, new_meta, task_of
from kptdata.formats._cvat_track_write import (
    Part,
    Track,
    parts_of,
    plan_of_tracks,
    track_texts,
    tracks_of,
)
from kptdata.formats._cvat_tracks import OWN, TrackReader, videos_of
from kptdata.formats._plan import TREE_LOSSES, Classes, accounts, classes_of, join_images
from kptdata.formats._xml import Node, children_of_root, opened, xml_of
from kptdata.formats.base import Sniff, WriteReport, atomic_write, refuse_losses
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "CVAT for video 1.1"
SUFFIXES = (".xml",)
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "instances": "people whose image is not listed, or whose points all are absent: that says "
    "that a track has ended",
    "order": "place of an instance among those of other tracks",
    "visibility": "points labelled without a word on occlusion become visible",
    "given_xy": "coordinates (0, 0) given for points that are not labelled",
    "extras": "extras other than source and group_id of a track, z_order, attributes and keyframe",
    "track": "tracks with two categories, or twice in a frame",
    "file_name": "file names of images: frames are numbered",
    "image_id": "ids of images other than their frame",
    "image_size": "sizes of images that differ within a video",
    "frame": "frames that are there twice, or far too far apart",
    "sequence": "spaces in names of videos",
    "image_extras": "extras of images",
}
"""What the file cannot hold."""

_META = f"{OWN}:meta"
_OTHERS = "cvat_tracks"
"""File-level text: tracks of other shapes, which are written back."""


def sniff(path: str | Path) -> Sniff:
    """Say whether a file looks like CVAT for video, from its first bytes."""
    head = head_of(Path(path))
    if f"<{ROOT}".encode() not in head:
        return Sniff(0.0, ("no XML with the root <annotations>",))
    if b"<track " in head:
        return Sniff(0.95, ("<annotations> with <track>",))
    if b"<image " in head:
        return Sniff(0.0, ("<annotations> with <image>",))
    if b"<mode>interpolation</mode>" in head:
        return Sniff(0.6, ("<annotations> of a video, without shapes at its beginning",))
    return Sniff(0.5, ("<annotations> without shapes at its beginning",))


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
        FormatError: it is not in the format, or declares entities; track and frame are named.
        SchemaError: points have no names and no schema is given, or `schema` does not fit.
        MissingDependencyError: defusedxml is not installed.
    """
    path = Path(path)
    meta: Node | None = None
    reader: TrackReader | None = None
    with opened(path, MEMBER) as file:
        for node in children_of_root(file, path, ROOT):
            if node.tag == "image":
                raise FormatError(
                    "images",
                    path=path,
                    expected="<track> elements",
                    found="<image>",
                    fix="read it as cvat_images",
                )
            if node.tag == "meta":
                meta = node
            elif node.tag == "track":
                reader = reader or TrackReader(path, labels_of(meta, path), videos_of(meta, path))
                reader.track(node)
    reader = reader or TrackReader(path, labels_of(meta, path), videos_of(meta, path))
    table, rows = reader.finish()
    kept = {} if meta is None else {_META: text_of(meta.to_value())}
    if reader.others:
        kept[_OTHERS] = text_of(reader.others)
    return reader.shapes.datasets(schema, table, kept, (f"read {path} as {OWN}",), rows)


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write datasets, one per skeleton, into one file; each instance in a frame is a keyframe.

    A person with boxes is tied to the track of its boxes by a group. Where a track is not in the
    next frame, it is said to be outside there.

    Raises:
        DatasetError: a class name with two skeletons.
        FormatError: a name that XML cannot hold, or something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    images, places = join_images([dataset.images for dataset in datasets])
    frames = frames_of(images)
    tracks = tracks_of(datasets, frames, places)
    plan = plan_of_tracks(tracks, datasets, frames, places)
    classes = classes_of(datasets)
    parts = parts_of(plan, tracks, datasets, classes)
    schemas = [schema_of(d, classes.of(n), path) for n, d in enumerate(datasets)]
    lost, invented = accounts(plan, datasets, [part.reading for part in parts], schemas, OWN)
    lost["meta"] -= _kept_others(datasets, lost["meta"])
    invented["frames between those of the images"] += frames.between
    meta = _meta(datasets, classes, parts, tracks, frames, path)
    refuse_losses(path, +lost, LOSSES, strict=strict)
    others = (xml_of(node, path, "  ") for node in _others(datasets))
    texts = [*track_texts(tracks, parts, frames, path), *others]
    atomic_write(path, document(meta, iter(texts), path))
    return WriteReport(path, OWN, len(plan.owned), +lost, invented, LOSSES)


def _others(datasets: Sequence[PoseDataset]) -> list[Node]:
    """Return tracks of other shapes, as the first dataset that has any holds them."""
    for dataset in datasets:
        values = json.loads(dataset.meta.get(_OTHERS, b"[]"))
        nodes = [Node.from_value(value) for value in values] if isinstance(values, list) else []
        if any(nodes):
            return [node for node in nodes if node is not None]
    return []


def _kept_others(datasets: Sequence[PoseDataset], most: int) -> int:
    """Count the file-level texts of other tracks, which no reading of a dataset holds."""
    return min(most, sum(_OTHERS in dataset.meta for dataset in datasets))


def _meta(
    datasets: Sequence[PoseDataset],
    classes: Classes,
    parts: Sequence[Part],
    tracks: Sequence[Track],
    frames: Frames,
    path: Path,
) -> Node:
    """Return the description: kept labels, and the frames that are written."""
    found = [Node.from_value(json.loads(d.meta[_META])) for d in datasets if _META in d.meta]
    kept = next(iter(found), None)
    named = [
        (name, datasets[owner].schema)
        for name, owner in zip(classes.names, classes.owner, strict=True)
    ]
    boxes = [parts[t.number].box_track(t)["label"] for t in tracks if t.box_id]
    meta = new_meta(kept, named, boxes, path, {})
    labels = task_of(meta).find("labels") or Node("labels")
    rest = [child for child in meta.children if child is not task_of(meta)]
    tasks = frames.tasks()
    if frames.several:
        listed = Node("tasks", children=[Node("task", children=task) for task in tasks])
        own = Node("project", children=[Node("name", text="keypoints"), listed, labels])
        return Node("meta", children=[own, *rest])
    fresh = {node.tag: node for node in [*tasks[0], labels]}
    # What a description says already stays where it stands; its id stays altogether.
    children = [c if c.tag == "id" else fresh.get(c.tag, c) for c in task_of(meta).children]
    told = (
        {child.tag for child in children}
        | {"tasks"}
        | ({"id", "mode", "overlap"} if kept else set())
    )
    children = [c for c in children if c.tag != "tasks"]
    children += [node for tag, node in fresh.items() if tag not in told]
    return Node("meta", children=[Node("task", children=children), *rest])

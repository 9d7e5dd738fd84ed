"""Label Studio's JSON export: a list of tasks, regions in percent of the image.

Multiplied by the size, the numbers are pixels of the project's frame; nothing is shifted.
docs/formats/label_studio.md says how people are found in loose regions.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kptdata.dataset import ImageTable, PoseDataset, RawColumn
from kptdata.errors import FormatError
from kptdata.formats._collect import id_column, text_of
from kptdata.formats._json import decode, require_utf8
from kptdata.formats._label_studio_group import Group, group_regions
from kptdata.formats._label_studio_regions import OWN, Task, read_task
from kptdata.formats._label_studio_write import (
    check_sizes,
    config_of,
    images_read,
    sheets_of,
    tasks,
)
from kptdata.formats._long_numbers import decode_keeping_digits
from kptdata.formats._people import Person, Point, datasets_of, schemas_of_used_points
from kptdata.formats._plan import TREE_LOSSES, accounts, classes_of, plan_of
from kptdata.formats._tree import no_name, refuse_unnamed
from kptdata.formats.base import (
    Sniff,
    WriteReport,
    atomic_write,
    read_bytes,
    read_head,
    refuse_losses,
)
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = [
    "LOSSES",
    "OPTIONS",
    "SUFFIXES",
    "TITLE",
    "labeling_config",
    "read_all",
    "sniff",
    "write_all",
]

TITLE = "Label Studio JSON"
SUFFIXES = ()  # .json is COCO ground truth; this must be asked for
OPTIONS = ("prelabels", "model_version")
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "schema": "facts of the schema beside the names of points that somebody labelled",
    "visibility": "points stated not to be in the image become unlabelled",
    "id": "ids of instances that others have too, or with a /",
    "extras": "extras other than the rotation of a box",
    "image_extras": "extras of images other than those of Label Studio",
    "image_size": "sizes of images of which only one side is known",
}
"""What the file cannot hold."""

_META = f"{OWN}:predictions"
_KEYS = re.compile(rb'"(annotations|predictions|result|data)"\s*:')


def sniff(path: str | Path) -> Sniff:
    """Say whether a file looks like Label Studio's export, from its first bytes."""
    head = read_head(Path(path)).lstrip() if Path(path).is_file() else b""
    if head[:1] != b"[":
        return Sniff(0.0, ("not a JSON list",))
    found = {match.group(1).decode() for match in _KEYS.finditer(head)}
    if "data" in found and found & {"annotations", "predictions"}:
        return Sniff(0.95, ("a JSON list of tasks with data and annotations",))
    if head.strip() == b"[]":
        return Sniff(0.1, ("an empty JSON list",))
    return Sniff(0.0, ("a JSON list without tasks",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,  # noqa: ARG001 - regions state the size themselves
) -> tuple[PoseDataset, ...]:
    """Read an export into one dataset per skeleton.

    Of several annotations of a task the newest that is not cancelled counts; predictions count
    where nobody annotated. The provenance says how points were put together to people.

    Args:
        path: the file, possibly gzipped.
        schema: schema of the points; names that nobody labelled are in no file.
        images: not needed here.

    Raises:
        FileError: the file cannot be read.
        FormatError: it is not in the format; task and result are named.
        SchemaError: `schema` does not fit the points.
    """
    path = Path(path)
    counts: Counter[str] = Counter()
    people: list[Person] = []
    found: list[Task] = []
    for number, raw in enumerate(_rows(path)):
        task = read_task(decode_keeping_digits(raw, path, f"tasks[{number}]"), number, path)
        if not task.file_name:
            raise no_name(path, f"task {task.id if task.id is not None else number}")
        _refuse_lost_names(task, number, path)
        groups, rules = group_regions(task)
        counts += rules
        people += [_person(task, group, number) for group in groups]
        task.regions, task.relations = [], []
        found.append(task)
    used = [task.predicted for task in found if task.extras[f"task:{OWN}"].get("annotation")]
    meta = {_META: b"true"} if used and all(used) else {}
    rules_said = ", ".join(f"{n} by {rule}" for rule, n in counts.items())
    notes = [f"points grouped: {rules_said}"] if counts else []
    return datasets_of(
        people,
        _images(found),
        schema,
        path,
        meta=meta,
        provenance=(f"read {path} as {OWN}", *notes),
    )


def _rows(path: Path) -> list[msgspec.Raw]:
    data = read_bytes(path)
    require_utf8(data, path)
    try:
        rows: list[msgspec.Raw] = decode(data, list[msgspec.Raw], path)
    except msgspec.ValidationError:
        raise FormatError(
            "not a list of tasks",
            path=path,
            expected="a JSON list",
            found=repr(data[:20].decode(errors="replace")),
            fix="export the project as JSON",
        ) from None
    return rows


def _person(task: Task, group: Group, image: int) -> Person:
    head = group.box or group.points[0]
    facts = {} if group.box is not None else head.facts
    category = head.label if group.box is not None else facts.get("category")
    names = [point.label or "" for point in group.points]
    person = Person(image, category if isinstance(category, str) else None)
    for name, point in zip(names, group.points, strict=True):
        x, y = point.at if point.state != Visibility.UNLABELLED else (math.nan, math.nan)
        person.points.append(Point(name, x, y, point.state, point.score))
    score = head.score if group.box is not None else facts.get("score")
    if isinstance(score, float | int) and not math.isnan(score):
        person.columns["score"] = float(score)
    elif not math.isnan(task.score):
        person.columns["score"] = task.score
    person.columns["id"] = head.id or f"{image}.{len(names)}"
    if group.box is not None:
        person.columns["bbox"] = group.box.at
        _note_box(person, group.box.note)
    notes = {n: _point_note(p, head.id, n) for n, p in zip(names, group.points, strict=True)}
    if any(notes.values()):
        person.notes[f"keypoints:{OWN}"] = {n: note for n, note in notes.items() if note}
    return person


def _refuse_lost_names(task: Task, number: int, path: Path) -> None:
    """Refuse points called after their class: the tool's import of COCO forgets their names.

    Raises:
        FormatError: there are more than two such points for each box of the class.
    """
    boxes = Counter(region.label for region in task.regions if region.is_box)
    points = Counter(region.label for region in task.regions if not region.is_box)
    for label, count in points.items():
        if label in boxes and count > 2 * boxes[label]:
            raise FormatError(
                f"{count} points are called {label!r}, as their class is",
                path=path,
                place=f"task {number if task.id is None else task.id}",
                expected="names of keypoints",
                found="what Label Studio's import of COCO makes of them",
                fix="import the original annotations with kptdata, or label the points by name",
            )


def _note_box(person: Person, note: Mapping[str, Any]) -> None:
    value = dict(note.get("value", {}))
    rotation = value.pop("rotation", 0)
    if rotation:
        person.notes["rotation"] = rotation
    kept = {**note, "value": value}
    if not value:
        del kept["value"]
    person.notes[f"region:{OWN}"] = kept


def _point_note(point: Any, root: str, name: str) -> dict[str, Any]:
    """Return what to write back of a point; nothing where it is as we write it."""
    note = dict(point.note)
    if note.get("type") == "keypointlabels":
        del note["type"]
    if point.id and point.id not in (root, f"{root}/{name}"):
        note["id"] = point.id
    return note


def _images(found: Sequence[Task]) -> ImageTable:
    ids = [task.id for task in found]
    keys = dict.fromkeys(key for task in found for key in task.extras)
    extras = {
        key: RawColumn(text_of(t.extras[key]) if key in t.extras else None for t in found)
        for key in keys
    }
    return ImageTable.of(
        [task.file_name for task in found],
        id=id_column(ids) if found and None not in ids else None,
        width=np.array([task.size[0] for task in found], np.int64),
        height=np.array([task.size[1] for task in found], np.int64),
        extras=extras,
    )


def write_all(
    datasets: Sequence[PoseDataset],
    path: str | Path,
    *,
    strict: bool = False,
    prelabels: bool | None = None,
    model_version: str = "kptdata",
) -> WriteReport:
    """Write datasets as tasks; the points of a person have its box as their parent.

    The ids of instances are those of the regions, so that corrections can be told apart from what
    was there before.

    Args:
        datasets: what to write; interleaved image by image.
        path: where to; ``.gz`` is compressed.
        strict: refuse, before the first byte, if anything would be lost.
        prelabels: write predictions, for annotators to correct, not annotations. By default for
            data with scores, unless it was read from annotations.
        model_version: what predictions are said to come from.

    Raises:
        DatasetError: a class name with two skeletons.
        FormatError: an image with people has no size, or something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    kept = [
        np.asarray(np.isfinite(d.column("bbox")).all(axis=1) | d.labelled.any(axis=1))
        for d in datasets
    ]
    plan = plan_of(datasets, kept)
    check_sizes(plan, path)
    refuse_unnamed(plan.images, path)
    classes = classes_of(datasets, fill=False)
    images = images_read(plan)
    sheets = sheets_of(plan, datasets, classes, images)
    readings = [sheet.reading for sheet in sheets]
    schemas = schemas_of_used_points(datasets, readings, path)
    lost, invented = accounts(plan, datasets, readings, schemas, OWN)
    refuse_losses(path, lost, LOSSES, strict=strict)
    predicted = _are_predictions(datasets) if prelabels is None else prelabels
    texts = tasks(plan, sheets, images, prelabels=predicted, model_version=model_version)
    atomic_write(path, _text(texts))
    return WriteReport(path, OWN, len(plan.owned), lost, invented, LOSSES)


def _are_predictions(datasets: Sequence[PoseDataset]) -> bool:
    if any(f"task:{OWN}" in dataset.images.extras for dataset in datasets):
        return all(_META in dataset.meta for dataset in datasets)
    return any(
        column is not None and not np.isnan(column).all()
        for dataset in datasets
        for column in (dataset.score, dataset.keypoint_score)
    )


def _text(texts: Iterator[bytes]) -> Iterator[bytes]:
    yield b"["
    for number, text in enumerate(texts):
        yield (b",\n" if number else b"\n") + text
    yield b"\n]\n"


def labeling_config(*datasets: PoseDataset) -> str:
    """Return the labelling interface (XML) that fits what `write_all` makes of these datasets."""
    classes = classes_of(datasets)
    schemas = [
        (n, datasets[owner].schema) for n, owner in zip(classes.names, classes.owner, strict=True)
    ]
    return config_of(schemas).decode()

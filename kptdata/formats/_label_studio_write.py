"""Datasets to the tasks of Label Studio."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import TEXT, RawColumn, is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._collect import id_column
from kptdata.formats._inverse import exact_quotient, inverse, not_tiny
from kptdata.formats._label_studio_regions import OWN, file_name_of
from kptdata.formats._people import Met, classes_met
from kptdata.formats._plan import Classes, Plan, held, without_absent
from kptdata.schema import Schema
from kptdata.visibility import Visibility, is_labelled

__all__ = ["Sheet", "check_sizes", "config_of", "images_read", "sheets_of", "tasks"]

Floats = NDArray[np.float64]

_CHOICES = {Visibility.OCCLUDED: "occluded", Visibility.VISIBLE: "visible"}
_MARKER = 0.3  # percent: size of a point on the screen, no fact
_IMAGE_KEYS = ("data", "meta", "other_annotations", "other_predictions", "label_studio_shapes")


@dataclass(frozen=True)
class Sheet:
    """What is written of one dataset.

    Attributes:
        dataset: the dataset.
        rows: of it, in the order of the file.
        labels: of their classes, None where there is none.
        ids: of their regions.
        percent: (n, K, 2) points; texts of those that no float64 decodes to are in `long`.
        box: (n, 4) boxes, percent, NaN for none; likewise.
        long: (row, point or -1 for the box, axis) -> text.
        notes: row -> name of a point, or "" for the box -> what its items say besides.
        reading: what they are read as.
    """

    dataset: PoseDataset
    rows: NDArray[np.intp]
    labels: tuple[str | None, ...]
    ids: tuple[str, ...]
    percent: Floats
    box: Floats
    long: dict[tuple[int, int, int], str]
    notes: dict[int, dict[str, Any]]
    reading: PoseDataset


def check_sizes(plan: Plan, path: Path) -> None:
    """Refuse images with people and without a size. Raises `FormatError`."""
    used = np.diff(plan.starts) > 0
    unknown = np.flatnonzero(used & (plan.images.wh <= 0).any(axis=1))
    if len(unknown):
        row = int(unknown[0])
        raise FormatError(
            f"{len(unknown)} images have no size, and all numbers are percent of it",
            path=path,
            place=f"image {plan.images.file_name[row] or plan.images.id[row]}",
            expected="width and height",
            found=f"{plan.images.width[row]} x {plan.images.height[row]}",
            fix="name the folder of the images (images=..., --images)",
        )


def images_read(plan: Plan) -> ImageTable:
    """Return the table of images as tasks are read."""
    images = plan.images
    extras = {key: images.extras[key] for key in _IMAGE_KEYS if key in images.extras}
    for key in ("data", "meta"):
        if key in extras:
            values = [extras[key].parsed(row) for row in range(len(images))]
            extras[key] = RawColumn.from_values(
                (v or None) if isinstance(v, dict) else None for v in values
            )
    for key in _IMAGE_KEYS[2:]:
        if key in extras:
            values = [extras[key].parsed(row) for row in range(len(images))]
            extras[key] = RawColumn.from_values(
                (v or None) if isinstance(v, list) else None for v in values
            )
    return ImageTable.of(
        [file_name_of(reference) for reference in _references(images)],
        id=id_column(images.id.tolist()) if len(images) else images.id,
        width=images.width,
        height=images.height,
        extras=extras,
    )


def _references(images: ImageTable) -> list[str]:
    """Return what each task says where its image is: what it said before, if it is that image."""
    notes = images.extras.get(f"task:{OWN}", RawColumn.absent(len(images)))
    found = []
    for row, name in enumerate(images.file_name.tolist()):
        note = notes.parsed(row)
        kept = note.get("image") if isinstance(note, dict) else None
        good = isinstance(kept, list) and len(kept) == 2 and file_name_of(str(kept[1])) == name
        found.append(str(kept[1]) if good and kept is not None else name)
    return found


def sheets_of(
    plan: Plan, datasets: Sequence[PoseDataset], classes: Classes, images: ImageTable
) -> list[Sheet]:
    """Say what is written of each dataset."""
    ids, met = _ids(plan, datasets), classes_met(plan, classes)
    return [
        _sheet(plan, number, dataset, classes, images, ids[number], met[number])
        for number, dataset in enumerate(datasets)
    ]


def _ids(plan: Plan, datasets: Sequence[PoseDataset]) -> list[list[str]]:
    """Return the region id of each instance: its own if no other has it."""
    taken: set[str] = set()
    found: list[list[str]] = []
    for dataset, rows in zip(datasets, plan.rows, strict=True):
        column = dataset.column("id")[rows]
        names: list[str] = np.where(is_missing(column), "", column.astype(TEXT)).tolist()
        for place, name in enumerate(names):
            if name in taken or "/" in name:
                names[place] = ""
            taken.add(names[place])
        found.append(names)
    unused = (f"p{number}" for number in count(1) if f"p{number}" not in taken)
    return [[name or next(unused) for name in names] for names in found]


def _sheet(
    plan: Plan,
    number: int,
    dataset: PoseDataset,
    classes: Classes,
    images: ImageTable,
    ids: list[str],
    met: Met,
) -> Sheet:
    rows = plan.rows[number]
    image = plan.places[number][dataset.image[rows]]
    wh = plan.images.wh[image].astype(float)
    states = without_absent(dataset.visibility[rows])
    long: dict[tuple[int, int, int], str] = {}
    size = np.broadcast_to(wh[:, None], dataset.xy[rows].shape)
    xy = not_tiny(dataset.xy[rows])
    percent = _percent(xy, size, long)
    box = not_tiny(dataset.column("bbox")[rows])
    box = np.where(np.isfinite(box).all(axis=1, keepdims=True), box, np.nan)
    sides = np.concatenate([wh, wh], axis=1)
    shares = _percent(box[:, None], sides[:, None], long, is_box=True)[:, 0]
    kinds = classes.numbers[number][rows]
    boxed = np.asarray(~np.isnan(box).any(axis=1))
    score = dataset.column("score")[rows]
    score = np.where(np.isfinite(score), score, np.nan)
    points = dataset.column("keypoint_score")[rows]
    points = np.where(np.isfinite(points) & is_labelled(states), points, np.nan)
    reading = held(
        plan,
        number,
        dataset,
        images,
        xy=xy,
        visibility=states,
        bbox=box,
        id=id_column(ids),
        score=score,
        keypoint_score=points,
        category=met.column,
        categories=met.categories,
        extras=_rotations(dataset, rows, boxed),
    )
    names = tuple(classes.names[kind] if kind >= 0 else None for kind in kinds.tolist())
    notes = _notes(dataset, rows)
    return Sheet(dataset, rows, names, tuple(ids), percent, shares, long, notes, reading)


def _rotations(
    dataset: PoseDataset, rows: NDArray[np.intp], boxed: NDArray[np.bool_]
) -> dict[str, RawColumn]:
    """Return the extra that a box holds: its rotation."""
    texts = dataset.extras.get("rotation")
    if texts is None:
        return {}
    values = [texts[rows].parsed(place) for place in range(len(rows))]
    return {
        "rotation": RawColumn.from_values(
            v if _is_rotation(v) and there else None
            for v, there in zip(values, boxed.tolist(), strict=True)
        )
    }


def _is_rotation(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


def _percent(
    pixels: Floats, size: Floats, long: dict[tuple[int, int, int], str], *, is_box: bool = False
) -> Floats:
    """(n, P, A) percent of (n, P, A) pixels; NaN stays NaN."""
    with np.errstate(invalid="ignore"):
        found = inverse(pixels, pixels / size * 100, lambda p: p / 100 * size)
        inexact = (found / 100 * size != pixels) & ~np.isnan(pixels)
    for row, point, axis in np.argwhere(inexact).tolist():
        whole = Decimal(int(size[row, point, axis])).scaleb(-2)
        text = exact_quotient((float(pixels[row, point, axis]),), whole)
        long[row, -1 if is_box else point, axis] = text
    return found


def _notes(dataset: PoseDataset, rows: NDArray[np.intp]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for key in (f"region:{OWN}", f"keypoints:{OWN}"):
        for place, text in enumerate(dataset.extras[key][rows] if key in dataset.extras else ()):
            if text is not None:
                value = json.loads(text)
                found.setdefault(place, {}).update(
                    {"": value} if key.startswith("region") else value
                )
    return found


# Tasks


def tasks(
    plan: Plan,
    sheets: Sequence[Sheet],
    images: ImageTable,
    *,
    prelabels: bool,
    model_version: str,
) -> Iterator[bytes]:
    """Yield the text of each task."""
    encoder = msgspec.json.Encoder()
    writers = [_RegionWriter(sheet) for sheet in sheets]
    notes = plan.images.extras.get(f"task:{OWN}", RawColumn.absent(len(plan.images)))
    references = _references(plan.images)
    columns = (images.id.tolist(), images.width.tolist(), images.height.tolist())
    for row, (people, identity, width, height) in enumerate(
        zip(plan.by_image(), *columns, strict=True)
    ):
        note = notes.parsed(row)
        note = note if isinstance(note, dict) else {}
        extra = {key: images.extras[key].parsed(row) for key in images.extras}
        results = [
            item for number, place in people for item in writers[number].items(place, width, height)
        ]
        shapes = extra.get("label_studio_shapes") or []
        results += note.get("relations", [])
        annotation = {**note.get("annotation", {}), "result": results + shapes}
        lists = {
            key: list(extra.get(f"other_{key}") or []) for key in ("annotations", "predictions")
        }
        if results or shapes or "annotation" in note:
            mine = {"model_version": model_version, **annotation} if prelabels else annotation
            mine |= _mean_score(sheets, people) if prelabels else {}
            lists["predictions" if prelabels else "annotations"].insert(0, mine)
        image_key = note["image"][0] if note.get("image") else "image"
        meta = {**(extra.get("meta") or {})}
        if width > 0 and height > 0 and not results:
            meta |= {"width": width, "height": height}
        task = {
            "id": identity,
            "data": {image_key: references[row], **(extra.get("data") or {})},
            **note.get("task", {}),
            **({"meta": meta} if meta else {}),
            **{key: held for key, held in lists.items() if held or key == "annotations"},
        }
        yield encoder.encode(task)


def _mean_score(sheets: Sequence[Sheet], people: list[tuple[int, int]]) -> dict[str, float]:
    """Return the score of a whole prediction, by which Label Studio sorts tasks."""
    scores = [float(sheets[number].reading.column("score")[place]) for number, place in people]
    known = [score for score in scores if not math.isnan(score)]
    return {"score": sum(known) / len(known)} if known else {}


class _RegionWriter:
    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._names = sheet.dataset.schema.names
        self._states = sheet.reading.visibility.tolist()
        self._percent, self._box = sheet.percent.tolist(), sheet.box.tolist()
        self._scores = sheet.reading.column("keypoint_score").tolist()
        self._score = sheet.reading.column("score").tolist()
        rotations = sheet.reading.extras.get("rotation")
        self._rotations = None if rotations is None else rotations

    def items(self, place: int, width: int, height: int) -> list[dict[str, Any]]:
        """Return the items of a person: its box, or its first point, is the parent of the rest."""
        sheet, identity = self._sheet, self._sheet.ids[place]
        usual = {
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
        }
        notes = sheet.notes.get(place, {})
        found: list[dict[str, Any]] = []
        parent = ""
        if not math.isnan(self._box[place][0]):
            found += self._boxed(place, usual, notes.get("", {}))
            parent = identity
        for k, name in enumerate(self._names):
            if self._states[place][k] != Visibility.UNLABELLED:
                note = notes.get(name, {})
                own = note.get("id") or (f"{identity}/{name}" if parent else identity)
                if not parent:
                    own = identity
                found += self._point(place, k, usual, note, own, parent)
                parent = parent or own
        return found

    def _number(self, place: int, point: int, axis: int, value: float) -> Any:
        text = self._sheet.long.get((place, point, axis))
        return value if text is None else msgspec.Raw(text.encode())

    def _boxed(
        self, place: int, usual: dict[str, Any], note: dict[str, Any]
    ) -> list[dict[str, Any]]:
        names = ("x", "y", "width", "height")
        value: dict[str, Any] = {
            name: self._number(place, -1, axis, self._box[place][axis])
            for axis, name in enumerate(names)
        }
        value["rotation"] = (self._rotations.parsed(place) if self._rotations else None) or 0
        label = self._sheet.labels[place]
        kind = note.get("type", "rectanglelabels") if label is not None else "rectangle"
        item = {
            "id": self._sheet.ids[place],
            "type": kind,
            "from_name": "bbox",
            **usual,
            **note.get("item", {}),
            "value": {**value, **note.get("value", {})},
        }
        return self._finished(item, label, note, self._score[place])

    def _point(
        self,
        place: int,
        k: int,
        usual: dict[str, Any],
        note: dict[str, Any],
        own: str,
        parent: str,
    ) -> list[dict[str, Any]]:
        x, y = (self._number(place, k, axis, self._percent[place][k][axis]) for axis in (0, 1))
        item = {
            "id": own,
            **({"parentID": parent} if parent else {}),
            "type": note.get("type", "keypointlabels"),
            "from_name": "kp",
            **usual,
            **note.get("item", {}),
            "value": {"x": x, "y": y, "width": _MARKER, **note.get("value", {})},
        }
        if not parent:
            item |= self._facts(place, item)
        state = self._states[place][k]
        item["value"].pop("hidden", None)
        found = self._finished(item, self._names[k], note, self._scores[place][k])
        if state in _CHOICES:
            said = dict(note.get("choice") or {"from_name": "visibility", **usual})
            said |= {"id": own, "type": "choices", "value": {"choices": [_CHOICES[state]]}}
            found.append(said)
        return found

    def _facts(self, place: int, item: dict[str, Any]) -> dict[str, Any]:
        """Return the class and score of a person without a box, on its first point."""
        said: dict[str, Any] = {"id": self._sheet.ids[place]}
        if self._sheet.labels[place] is not None:
            said["category"] = self._sheet.labels[place]
        score = self._score[place]
        if not math.isnan(score):
            said["score"] = score
        meta = item.get("meta")
        return {"meta": {**(meta if isinstance(meta, dict) else {}), "kptdata": said}}

    def _finished(
        self, item: dict[str, Any], label: str | None, note: dict[str, Any], score: float
    ) -> list[dict[str, Any]]:
        """Add label and score; a label of its own item stays there."""
        if not math.isnan(score):
            item["score"] = score
        others = list(note.get("others", []))
        labels = [label, *note.get("labels", [])] if label is not None else []
        if labels and item["type"].endswith("labels"):
            item["value"][item["type"]] = labels
            labels = []
        for other in others:
            kind = other.get("type", "")
            if labels and kind.endswith("labels") and isinstance(other.get("value"), dict):
                other["value"] = {**other["value"], kind: labels}
                labels = []
            other["id"] = item["id"]
        if labels:
            item["type"] = f"{item['type']}labels"
            item["value"][item["type"]] = labels
        return [item, *others]


def config_of(schemas: Sequence[tuple[str, Schema]]) -> bytes:
    """Return the labelling interface for what is written: classes, points in order, states."""
    from kptdata.formats._xml import Node, xml_of

    path = Path("config")
    names = dict.fromkeys(name for _, schema in schemas for name in schema.names)
    boxes = [Node("Label", {"value": label}) for label, _ in schemas]
    points = [Node("Label", {"value": name, "model_index": str(k)}) for k, name in enumerate(names)]
    states = [Node("Choice", {"value": value}) for value in _CHOICES.values()]
    view = Node(
        "View",
        children=[
            Node("Image", {"name": "image", "value": "$image"}),
            Node("RectangleLabels", {"name": "bbox", "toName": "image"}, children=boxes),
            Node("KeyPointLabels", {"name": "kp", "toName": "image"}, children=points),
            Node(
                "Choices",
                {"name": "visibility", "toName": "image", "perRegion": "true", "whenTagName": "kp"},
                children=states,
            ),
        ],
    )
    return xml_of(view, path).encode()

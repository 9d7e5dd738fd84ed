"""Datasets to Datumaro items."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn, is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.formats._collect import id_column
from kptdata.formats._datumaro_read import COLUMNS, OTHERS, OWN, SCORES, Label
from kptdata.formats._plan import Classes, Plan
from kptdata.formats._trivia import is_trivia
from kptdata.visibility import Visibility

__all__ = ["LAYOUT", "Classified", "categories_of", "classified", "items_of", "layout_of"]

LAYOUT = f"layout:{OWN}"
_STATES = {Visibility.OCCLUDED: 1, Visibility.VISIBLE: 2, Visibility.LABELLED: 2}
_IMAGE_COLUMNS = ("id", "sequence", "frame")


def layout_of(dataset: PoseDataset) -> dict[str, Any]:
    """Return what a dataset remembers of its file beside the items."""
    note = json.loads(dataset.meta.get(LAYOUT, b"{}"))
    return note if isinstance(note, dict) else {}


@dataclass(frozen=True)
class Classified:
    """The labels of a file.

    Attributes:
        labels: in the order of their numbers; those of the source stay where they were.
        numbers: for each dataset, the label of each of its instances, -1 for none.
        owned: for each dataset, the labels with its skeleton that it has.
    """

    labels: tuple[Label, ...]
    numbers: tuple[NDArray[np.int64], ...]
    owned: tuple[tuple[int, ...], ...]


def classified(
    datasets: Sequence[PoseDataset], classes: Classes, before: Sequence[Label]
) -> Classified:
    """List the labels of a file.

    Args:
        datasets: what is written.
        classes: their classes.
        before: the labels that the source had.
    """
    names = list(dict.fromkeys([*(label.name for label in before), *classes.names]))
    labels = {label.name: label for label in before}
    owned: list[tuple[int, ...]] = []
    for number, dataset in enumerate(datasets):
        said = {dataset.categories[c] for c in dataset.categories}
        used = np.unique(classes.numbers[number])
        mine = said | {classes.names[kind] for kind in used.tolist() if kind >= 0}
        mine |= {name for name, owner in zip(classes.names, classes.owner, strict=True)
                 if owner == number}  # fmt: skip
        for name in mine:
            labels[name] = _label(name, dataset)
        owned.append(tuple(sorted(names.index(name) for name in mine)))
    places = np.array([names.index(name) for name in classes.names] + [-1], np.int64)
    numbers = tuple(
        np.where(is_missing(dataset.column("category")), -1, places[column])
        if not dataset.schema.num_keypoints
        else places[column]
        for dataset, column in zip(datasets, classes.numbers, strict=True)
    )
    return Classified(tuple(labels[name] for name in names), numbers, tuple(owned))


def _label(name: str, dataset: PoseDataset) -> Label:
    schema = dataset.schema
    if not schema.num_keypoints:
        return Label(name, None)
    return Label(name, schema.names, tuple((link.start, link.end) for link in schema.links))


def categories_of(labels: Sequence[Label], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the categories of a file; what the source said of a label stays if it still holds."""
    labels_before = before.get("label") or {}
    said = {label["name"]: label for label in reversed(labels_before.get("labels") or [])}
    points = {
        int(item["label_id"]): item for item in (before.get("points") or {}).get("items") or ()
    }
    order = dict.fromkeys([*(n for n in points if n < len(labels)), *range(len(labels))])
    items = [_points_item(n, labels[n], points.get(n)) for n in order if labels[n].points]
    bare = {"parent": "", "attributes": []}
    named = {
        "labels": [said.get(label.name, {"name": label.name, **bare}) for label in labels],
        "label_groups": [],
        "attributes": [],
    }
    kept = {key: value for key, value in labels_before.items() if key != "labels"}
    found = {**before, "label": named | kept}
    if items or "points" in before:
        found["points"] = {**(before.get("points") or {}), "items": items}
    return found


def _points_item(number: int, label: Label, before: Any) -> dict[str, Any]:
    names = label.points or ()
    if before is not None and tuple(before["labels"]) == names:
        return dict(before)
    at = {name: k for k, name in enumerate(names)}
    joints = [[at[start], at[end]] for start, end in label.links]
    return {"label_id": number, "labels": list(names), "joints": joints, "positions": []}


# Items


def items_of(
    plan: Plan, datasets: Sequence[PoseDataset], kinds: Classified, *, shared: bool
) -> list[dict[str, Any]]:
    """Return the items of a file.

    Args:
        plan: their order.
        datasets: what is written.
        kinds: the labels.
        shared: let people share a group of an item where their source did.
    """
    sheets = [
        _Sheet(dataset[rows], numbers[rows])
        for dataset, rows, numbers in zip(datasets, plan.rows, kinds.numbers, strict=True)
    ]
    named = any(label.points for label in kinds.labels)
    found = []
    heads = _heads(plan.images)
    for head, others, people in zip(heads, _others(plan.images), plan.by_image(), strict=True):
        kept = [
            pair for pair in others if named or pair[1].get("type") not in ("points", "skeleton")
        ]
        groups = _Groups([said.get("group") for _, said in kept], shared=shared)
        wanted = [sheets[number].group(place) for number, place in people]
        groups.reserve(wanted)
        annotations: list[dict[str, Any]] = []
        for (number, place), group in zip(people, wanted, strict=True):
            for at, shape in sheets[number].shapes(place, group, groups):
                if at is None:
                    annotations.append(shape)
                else:
                    kept.append([at, shape])
        for index, said in sorted(kept, key=lambda pair: int(pair[0])):
            annotations.insert(index, said)
        found.append({"id": head.pop("id"), "annotations": annotations, **head})
    return found


class _Groups:
    """The groups of an item."""

    def __init__(self, taken: Sequence[Any], *, shared: bool) -> None:
        self._taken = {group for group in taken if type(group) is int}
        self._shared = shared
        self._given: set[int] = set()

    def reserve(self, wanted: Sequence[int]) -> None:
        self._taken.update(wanted)

    def give(self, wanted: int, number: int, *, needed: bool) -> int:
        """Return a group: the wanted one, none if none is needed, or one that nobody has."""
        if wanted and (self._shared or wanted not in self._given):
            self._given.add(wanted)
            return wanted
        if not needed:
            return 0
        if number <= 0 or number in self._taken:
            number = 1
            while number in self._taken:
                number += 1
        self._taken.add(number)
        return number


class _Sheet:
    """The people of one dataset, as lists."""

    def __init__(self, dataset: PoseDataset, labels: NDArray[np.int64]) -> None:
        self._names = dataset.schema.names
        stated = np.where(dataset.labelled[..., None], dataset.xy, dataset.column("given_xy"))
        stated[~np.isfinite(stated).all(axis=-1)] = 0
        self._xy = stated.reshape(len(dataset), 2 * len(self._names)).tolist()
        self._marked = (dataset.labelled | (stated != 0).any(axis=-1)).any(axis=1).tolist()
        self._states = dataset.visibility.tolist()
        box = dataset.column("bbox")
        self._boxed = np.isfinite(box).all(axis=1).tolist()
        self._box = box.tolist()
        scores = dataset.column("keypoint_score")
        self._scored = np.isfinite(scores).any(axis=1).tolist()
        self._scores = scores.tolist()
        self._labels = labels.tolist()
        self._ids = self._whole(dataset, "id", 0)
        self._tracks = self._whole(dataset, "track", -1)
        self._facts = _facts(dataset)
        self._notes = {
            key: dataset.extras.get(f"{key}:{OWN}", RawColumn.absent(len(dataset)))
            for key in ("group", "shapes")
        }

    @staticmethod
    def _whole(dataset: PoseDataset, name: str, blank: int) -> list[int]:
        column = dataset.column(name)
        if column.dtype == TEXT:
            return [blank] * len(dataset)
        return np.where(is_missing(column), blank, column).tolist()

    def group(self, place: int) -> int:
        """Return the group that a person had."""
        group = self._notes["group"].parsed(place)
        return group if type(group) is int else 0

    def shapes(
        self, place: int, group: int, groups: _Groups
    ) -> Iterator[tuple[int | None, dict[str, Any]]]:
        """Yield the annotations of a person, with their places where they do not stand together."""
        notes = self._notes["shapes"].parsed(place)
        notes = notes if isinstance(notes, dict) else {}
        boxed = self._boxed[place]
        pointed = bool(self._names) and (self._marked[place] or not boxed or "points" in notes)
        own = groups.give(group, self._ids[place], needed=boxed and pointed)
        kinds = [kind for kind, is_there in (("bbox", boxed), ("points", pointed)) if is_there]
        if list(notes)[:1] == ["points"] or "at" in (notes.get("bbox") or {}):
            kinds.sort(key="bbox".__eq__)
        if "at" in (notes.get("points") or {}):
            kinds.sort()
        for kind in kinds:
            note = notes.get(kind) or {}
            first = kind == ("bbox" if boxed else "points")
            rest = {
                key for other in kinds for key, *_ in (notes.get(other) or {}).get("attributes", ())
            }
            attributes = self._attributes(place, note, rest if first else None)
            scored = kind == "points" and self._scored[place]
            if scored:
                attributes[SCORES] = [None if math.isnan(v) else v for v in self._scores[place]]
            label = self._labels[place]
            shape = {
                "id": note.get("id", self._ids[place]),
                "type": kind,
                "attributes": attributes,
                "group": own,
                "label_id": label if label >= 0 else None,
            }
            if self._tracks[place] >= 0:
                shape["object_id"] = self._tracks[place]
            at = note.get("at")
            shape |= self._place(place, kind, note) | (note.get("others") or {})
            yield (at if type(at) is int and len(kinds) == 2 and kind == kinds[1] else None), shape

    def _attributes(
        self, place: int, note: Mapping[str, Any], rest: set[str] | None
    ) -> dict[str, Any]:
        """Return the attributes of a shape; all that no note (`rest`) speaks of, if it is first."""
        facts = self._facts.get(place, {})
        found: dict[str, Any] = {}
        for key, *value in note.get("attributes") or ():
            if value:
                found[key] = value[0]
            elif key in facts:
                found[key] = facts[key]
        if rest is not None:
            found |= {key: value for key, value in facts.items() if key not in rest}
        return found

    def _place(self, place: int, kind: str, note: Mapping[str, Any]) -> dict[str, Any]:
        if kind == "bbox":
            return {"z_order": 0, "bbox": self._box[place]}
        flat, states = self._xy[place], self._states[place]
        codes = [_STATES.get(state, 0) for state in states]
        if note.get("type") == "skeleton":
            triples = [v for k, code in enumerate(codes) for v in (*flat[2 * k : 2 * k + 2], code)]
            return {"type": "skeleton", "points": triples, "z_order": 0}
        found: dict[str, Any] = {"points": flat, "z_order": 0}
        if set(states) != {Visibility.LABELLED}:
            found["visibility"] = codes
        return found


def _facts(dataset: PoseDataset) -> dict[int, dict[str, Any]]:
    """Return the attributes of each person: extras, and columns under the names of attributes."""
    found: dict[int, dict[str, Any]] = {}
    for key, column in COLUMNS.items():
        values = dataset.column(column)
        there = values >= 0 if column == "iscrowd" else np.isfinite(values)
        for row in np.flatnonzero(there).tolist():
            value = values[row].item()
            found.setdefault(row, {})[key] = bool(value) if column == "iscrowd" else value
    for key, texts in dataset.extras.items():
        if not is_trivia(key, OWN):
            for row, text in enumerate(texts):
                if text is not None:
                    found.setdefault(row, {}).setdefault(key, json.loads(text))
    return found


# Images


def _others(images: ImageTable) -> Iterator[list[list[Any]]]:
    """Yield the annotations of each image that are no people's."""
    raw = images.extras.get(OTHERS, RawColumn.absent(len(images)))
    for row in range(len(images)):
        pairs = raw.parsed(row)
        pairs = pairs if isinstance(pairs, list) else []
        yield [pair for pair in pairs if _is_placed(pair)]


def _is_placed(pair: Any) -> bool:
    placed = isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int
    return placed and isinstance(pair[1], dict) and isinstance(pair[1].get("type"), str)


def _heads(images: ImageTable) -> Iterator[dict[str, Any]]:
    """Yield what each item says beside its annotations."""
    notes = images.extras.get(f"item:{OWN}", RawColumn.absent(len(images)))
    listed = [note if isinstance(note := notes.parsed(r), dict) else {} for r in range(len(images))]
    names = _item_ids(images, listed)
    typed = _image_values(images, names)
    for row, (file_name, (width, height)) in enumerate(
        zip(images.file_name.tolist(), images.wh.tolist(), strict=True)
    ):
        attr = {key: values[row] for key, values in typed.items() if values[row] is not None}
        for key, texts in images.extras.items():
            if not is_trivia(key, OWN) and key != OTHERS and texts[row] is not None:
                attr.setdefault(key, texts.parsed(row))
        head: dict[str, Any] = {"id": names[row]}
        if attr:
            head["attr"] = attr
        picture: dict[str, Any] = {"path": file_name} if file_name else {}
        if width > 0 and height > 0:
            picture["size"] = [height, width]
        picture |= listed[row].get("image") or {}
        if picture:
            head["image"] = picture
        yield head | {k: v for k, v in listed[row].items() if k not in ("id", "image")}


def _item_ids(images: ImageTable, notes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the id of each item: that of its source, or the name of its file without its end."""
    found: dict[str, None] = {}
    for note, name, number in zip(
        notes, images.file_name.tolist(), images.id.tolist(), strict=True
    ):
        folder, slash, last = name.rpartition("/")
        stem = f"{folder}{slash}{last.rpartition('.')[0] or last}" or str(number)
        kept = note.get("id")
        wanted = base = kept if isinstance(kept, str) and kept not in found else stem
        count = 1
        while wanted in found:
            count += 1
            wanted = f"{base}_{count}"
        found[wanted] = None
    return list(found)


def _image_values(images: ImageTable, names: Sequence[str]) -> dict[str, list[Any]]:
    """Return attributes that stand for columns: an id where that of the item says another."""
    found: dict[str, list[Any]] = {}
    kept = id_column(names)
    if kept.dtype != images.id.dtype or kept.tolist() != images.id.tolist():
        found["id"] = images.id.tolist()
    for key, blank in (("sequence", ""), ("frame", MISSING_INT)):
        values = images.column(key).tolist()
        if any(value != blank for value in values):
            found[key] = [None if value == blank else value for value in values]
    return found

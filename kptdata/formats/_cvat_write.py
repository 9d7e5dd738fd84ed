"""Datasets to the ``<image>`` elements of CVAT for images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.formats._cvat_images import OWN, SHAPES
from kptdata.formats._cvat_text import (
    FACTS,
    Facts,
    Points,
    attributes_text,
    boxed,
    children_text,
    corner_texts,
    facts_of,
    states_read,
    user_text,
)
from kptdata.formats._plan import Classes, Plan, held
from kptdata.formats._xml import Node, escaped, xml_of
from kptdata.visibility import is_labelled

__all__ = [
    "Sheet",
    "box_labels",
    "fact_keys",
    "given_read",
    "image_texts",
    "images_read",
    "sheets_of",
]


_NEW_BOX = {"source": "manual", "occluded": "0", "z_order": "0"}


@dataclass(frozen=True)
class Sheet:
    """What is written of one dataset.

    Attributes:
        dataset: the dataset.
        rows: of it, in the order of the file.
        labels: of their classes.
        facts: what their shapes say besides.
        groups: (n,) group of each, 0 for none.
        corners: of their boxes, as text; None where there is no box.
        reading: what they are read as.
    """

    dataset: PoseDataset
    rows: NDArray[np.intp]
    labels: tuple[str, ...]
    facts: Facts
    groups: NDArray[np.int64]
    corners: tuple[str | None, ...]
    reading: PoseDataset

    def box_label(self, place: int) -> str:
        """Return the label of a person's box."""
        note = self.facts.note("box", place)
        attrib = note.get("attrib", {}) if isinstance(note, dict) else {}
        label = attrib.get("label", f"{self.labels[place]}_box")
        return str(label)


def sheets_of(
    plan: Plan, datasets: Sequence[PoseDataset], classes: Classes, images: ImageTable
) -> list[Sheet]:
    """Say what is written of each dataset."""
    keys = [fact_keys(dataset, "keyframe") for dataset in datasets]
    facts = [
        facts_of(d, rows, k, OWN) for d, rows, k in zip(datasets, plan.rows, keys, strict=True)
    ]
    has_box = [boxed(d)[rows] for d, rows in zip(datasets, plan.rows, strict=True)]
    groups = _groups(plan, datasets, facts, has_box)
    sheets = []
    for number, dataset in enumerate(datasets):
        rows = plan.rows[number]
        box = np.where(has_box[number][:, None], dataset.column("bbox")[rows], np.nan)
        listed, box[has_box[number]] = corner_texts(box[has_box[number]])
        texts = iter(listed)
        corners = tuple(next(texts) if there else None for there in has_box[number].tolist())
        kinds = classes.numbers[number][rows]
        reading = held(
            plan,
            number,
            dataset,
            images,
            visibility=states_read(dataset.visibility[rows]),
            given_xy=given_read(dataset, rows),
            bbox=box,
            category=kinds + 1,
            categories=classes.of(number),
            extras=facts[number].columns(),
        )
        labels = tuple(classes.names[kind] for kind in kinds.tolist())
        sheets.append(Sheet(dataset, rows, labels, facts[number], groups[number], corners, reading))
    return sheets


def fact_keys(dataset: PoseDataset, *without: str) -> list[str]:
    """Return the extras that the shapes of a dataset hold; only a loose box is itself occluded."""
    gone = {*without} | ({"occluded"} if dataset.schema.num_keypoints else set())
    return [key for key in FACTS if key not in gone]


def given_read(dataset: PoseDataset, rows: NDArray[np.intp]) -> NDArray[np.float64] | None:
    """Return coordinates under points that are not labelled; the origin stands for none."""
    if dataset.given_xy is None:
        return None
    given = dataset.given_xy[rows]
    told = np.isfinite(given).all(axis=-1) & (given != 0).any(axis=-1)
    told &= ~is_labelled(dataset.visibility[rows])
    return np.where(told[..., None], given, np.nan)


def _groups(
    plan: Plan,
    datasets: Sequence[PoseDataset],
    facts: Sequence[Facts],
    has_box: Sequence[NDArray[np.bool_]],
) -> list[NDArray[np.int64]]:
    """Give each person with a box a group of its own, and the others what they had.

    A group that holds one person and one box and nothing else ties the two.
    """
    found = [np.zeros(len(rows), np.int64) for rows in plan.rows]
    foreign = plan.images.extras.get(SHAPES, RawColumn.absent(len(plan.images)))
    for row, people in enumerate(plan.by_image()):
        taken = Counter(_groups_of_shapes(foreign.parsed(row)))
        tied = []
        for number, place in people:
            group = facts[number].get("group_id", place)
            if datasets[number].schema.num_keypoints and has_box[number][place]:
                facts[number].drop("group_id", place)
                tied.append((number, place))
            elif group:
                found[number][place] = group
                taken[group] += 1
        free = 1
        for number, place in tied:
            own = facts[number].note("group", place)
            if type(own) is not int or own == 0 or own in taken or abs(own) >= 2**31:
                while free in taken:
                    free += 1
                own = free
            found[number][place] = own
            taken[own] += 1
        _untie(people, datasets, facts, found, taken)
    return found


def _groups_of_shapes(shapes: Any) -> Iterator[int]:
    for node in _shapes(shapes).values():
        group = node.attrib.get("group_id", "0")
        if group.lstrip("-").isdigit() and int(group):
            yield int(group)


def _shapes(values: Any) -> dict[int, Node]:
    """Return other shapes by their place among all."""
    found = {}
    for value in values if isinstance(values, list) else ():
        if isinstance(value, list) and len(value) == 2 and type(value[0]) is int:
            node = Node.from_value(value[1])
            if node is not None:
                found[value[0]] = node
    return found


def _untie(
    people: list[tuple[int, int]],
    datasets: Sequence[PoseDataset],
    facts: Sequence[Facts],
    found: list[NDArray[np.int64]],
    taken: Counter[int],
) -> None:
    """Take a loose box out of a group in which it would look like a person's own."""
    for number, place in people:
        group = int(found[number][place])
        if group and taken[group] == 2 and not datasets[number].schema.num_keypoints:
            facts[number].drop("group_id", place)
            found[number][place] = 0
            taken[group] -= 1


def images_read(images: ImageTable) -> ImageTable:
    """Return the table of images as a file states it."""
    ids = images.id
    if ids.dtype.kind != "i" or (len(ids) and max(abs(int(i)) for i in ids) >= 2**31):
        ids = np.arange(len(images))
    extras: dict[str, RawColumn] = {}
    if "split" in images.extras:
        texts = images.extras["split"]
        values = [texts.parsed(row) for row in range(len(images))]
        extras["split"] = RawColumn.from_values(v if isinstance(v, str) else None for v in values)
    if SHAPES in images.extras:
        texts = images.extras[SHAPES]
        kept = [
            [[n, x.to_value()] for n, x in _shapes(texts.parsed(r)).items()]
            for r in range(len(images))
        ]
        extras[SHAPES] = RawColumn.from_values(value or None for value in kept)
    width, height = (np.clip(size, 0, 2**31 - 1) for size in (images.width, images.height))
    return ImageTable.of(images.file_name, id=ids, width=width, height=height, extras=extras)


def box_labels(sheets: Sequence[Sheet]) -> list[str]:
    """Return the labels of people's boxes."""
    labels: dict[str, None] = {}
    for sheet in sheets:
        if sheet.dataset.schema.num_keypoints:
            places = [p for p, corners in enumerate(sheet.corners) if corners is not None]
            labels |= dict.fromkeys(sheet.box_label(place) for place in places)
    return list(labels)


def image_texts(
    plan: Plan, sheets: Sequence[Sheet], images: ImageTable, path: Path
) -> Iterator[str]:
    """Yield the ``<image>`` elements."""
    writers = [_ShapeWriter(sheet, path) for sheet in sheets]
    splits = images.extras.get("split", RawColumn.absent(len(images)))
    foreign = images.extras.get(SHAPES, RawColumn.absent(len(images)))
    notes = plan.images.extras.get(f"image:{OWN}", RawColumn.absent(len(images)))
    columns = (images.id, images.file_name, images.width, images.height)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for row, ((id_, name, width, height), people) in enumerate(
        zip(rows, plan.by_image(), strict=True)
    ):
        split, note = splits.parsed(row), notes.parsed(row)
        subset = "" if split is None else f' subset="{escaped(split, path)}"'
        more = attributes_text(note, path) if isinstance(note, dict) else ""
        shapes = [writers[number].shape(place) for number, place in people]
        for index, node in sorted(_shapes(foreign.parsed(row)).items()):
            shapes.insert(index, xml_of(node, path, "    "))
        yield (
            f'  <image id="{id_}" name="{escaped(name, path)}"{subset} width="{width}" '
            f'height="{height}"{more}>\n{"".join(shapes)}  </image>\n'
        )


class _ShapeWriter:
    def __init__(self, sheet: Sheet, path: Path) -> None:
        self._sheet, self._path = sheet, path
        self._points = Points(sheet.dataset, sheet.rows, path, "      ")
        self._labels = {label: escaped(label, path) for label in set(sheet.labels)}

    def shape(self, place: int) -> str:
        """Return a person with its box, or a box."""
        if not self._sheet.dataset.schema.num_keypoints:
            return self._loose_box(place)
        box = self._own_box(place) if self._sheet.corners[place] is not None else ""
        facts = self._sheet.facts
        source, head = self._head(place)
        points = self._points.text(place, {"source": source}, facts.note("keypoints", place))
        return f"{box}    <skeleton {head}>\n{points}{self._inner(place)}    </skeleton>\n"

    def _head(self, place: int) -> tuple[str, str]:
        """Return source and attributes that all shapes have."""
        facts = self._sheet.facts
        source = escaped(facts.get("source", place) or "manual", self._path)
        depth = facts.get("z_order", place) or 0
        group = int(self._sheet.groups[place])
        tied = f' group_id="{group}"' if group else ""
        note = facts.note("skeleton", place)
        more = attributes_text(note["attrib"], self._path) if note else ""
        label = self._labels[self._sheet.labels[place]]
        return source, f'label="{label}" source="{source}" z_order="{depth}"{tied}{more}'

    def _inner(self, place: int) -> str:
        facts = self._sheet.facts
        note = facts.note("skeleton", place)
        kept = children_text(note["children"], self._path, "      ") if note else ""
        return user_text(facts.get("attributes", place), self._path, "      ") + kept

    def _own_box(self, place: int) -> str:
        sheet = self._sheet
        note = sheet.facts.note("box", place)
        note = note if isinstance(note, dict) else {"attrib": _NEW_BOX}
        attrib = {key: text for key, text in note["attrib"].items() if key != "label"}
        inner = children_text(note.get("children", ()), self._path, "      ")
        end = f"\n{inner}    </box>" if inner else "</box>"
        return (
            f'    <box label="{escaped(sheet.box_label(place), self._path)}" '
            f"{sheet.corners[place]}{attributes_text(attrib, self._path)} "
            f'group_id="{sheet.groups[place]}">{end}\n'
        )

    def _loose_box(self, place: int) -> str:
        _, head = self._head(place)
        hidden = 1 if self._sheet.facts.get("occluded", place) else 0
        inner = self._inner(place)
        end = f"\n{inner}    </box>" if inner else "</box>"
        return f'    <box {head} occluded="{hidden}" {self._sheet.corners[place]}>{end}\n'

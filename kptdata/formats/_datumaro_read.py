"""Datumaro items to people: points and boxes that share a group are one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kptdata._columns import MISSING_INT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._collect import text_of
from kptdata.formats._json import kind_of
from kptdata.formats._named_points import Fit, Points, fit_points, unnamed_points
from kptdata.schema import Schema
from kptdata.visibility import Visibility, is_labelled

__all__ = [
    "COLUMNS",
    "OTHERS",
    "OWN",
    "SCORES",
    "Label",
    "Person",
    "columns_of",
    "datasets_of",
    "labels_of",
    "people_of",
]

OWN = "datumaro"
OTHERS = "datumaro_annotations"
"""Extra of an image: annotations that are neither keypoints nor boxes, with their places."""
SCORES = "keypoint_scores"
"""Attribute of points: their scores."""

COLUMNS = {"is_crowd": "iscrowd", "score": "score", "area": "area"}
"""Attribute -> column of the dataset."""

_FAR = 1e12
_SHAPES = ("points", "bbox", "skeleton")
_KNOWN = (
    "id",
    "type",
    "attributes",
    "group",
    "label_id",
    "points",
    "bbox",
    "visibility",
    "object_id",
)
_STATES = np.array([Visibility.UNLABELLED, Visibility.OCCLUDED, Visibility.VISIBLE], np.uint8)


@dataclass(frozen=True)
class Label:
    """A class: its name, names of its points (None: it has none), and pairs that a line joins."""

    name: str
    points: tuple[str, ...] | None
    links: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Person:
    """An instance. `xy` and `states` are flat lists of its points, None where there are none."""

    image: int
    label: int | None
    place: str
    xy: list[float] | None = None
    states: list[int] | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    scores: list[float] | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def labels_of(categories: Any, path: Path) -> list[Label]:
    """Return the classes of a file, in the order of their numbers.

    Raises:
        FormatError: they are not as the format has them.
    """
    try:
        named = [str(label["name"]) for label in categories.get("label", {}).get("labels", ())]
        points: dict[int, Any] = {}
        for item in categories.get("points", {}).get("items", ()):
            points[int(item["label_id"])] = item
        return [_label(name, points.get(number)) for number, name in enumerate(named)]
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        raise FormatError(
            "categories that are not as Datumaro has them",
            path=path,
            place="categories",
            expected="labels with names, and points with names and joints",
            found=f"{type(error).__name__}: {error}",
            fix="export the file again",
        ) from None


def _label(name: str, item: Any) -> Label:
    names = tuple(map(str, item["labels"])) if item else ()
    if not names:
        return Label(name, None)
    joints = [(int(a), int(b)) for a, b in item.get("joints") or ()]
    ends = [end for joint in joints for end in joint]
    # Files that came from COCO count from 1.
    base = int(max(ends, default=0) >= len(names) and min(ends, default=0) >= 1)
    if any(not 0 <= end - base < len(names) for end in ends):
        joints = []
    links = [(names[a - base], names[b - base]) for a, b in joints if a != b]
    unique = {frozenset(link): link for link in links}
    return Label(name, names, tuple(unique.values()))


def people_of(
    items: Sequence[Any], labels: Sequence[Label], path: Path
) -> tuple[list[Person], list[list[Any]]]:
    """Return the people of all items, and what else is annotated in each.

    Raises:
        FormatError: an annotation is not as the format has it; item and annotation are named.
    """
    people: list[Person] = []
    others: list[list[Any]] = []
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("annotations", []), list):
            raise FormatError(
                "no item", path=path, place=f"items[{number}]",
                expected="an object with a list of annotations", found=kind_of(item),
            )  # fmt: skip
        reader = _Reader(number, item, labels, path)
        people += reader.people
        others.append(reader.others)
    return people, others


class _Reader:
    """The annotations of one item."""

    def __init__(self, number: int, item: Any, labels: Sequence[Label], path: Path) -> None:
        self.people: list[Person] = []
        self.others: list[Any] = []
        self._number, self._labels, self._path = number, labels, path
        self._name = f"item {str(item.get('id', number))[:60]!r}"
        self._open: dict[tuple[int, bool], Person] = {}
        for index, said in enumerate(item.get("annotations", ())):
            place = f"{self._name}, annotations[{index}]"
            if not isinstance(said, dict) or not isinstance(said.get("type"), str):
                raise self._wrong(place, "no annotation", "an object with a type", said)
            if said["type"] not in _SHAPES:
                self.others.append([index, said])
            elif said["type"] == "bbox":
                self._box(said, place, index)
            else:
                self._points(said, place, index)

    def _wrong(self, place: str, problem: str, expected: str, found: Any) -> FormatError:
        return FormatError(
            problem, path=self._path, place=place, expected=expected, found=repr(found)[:60]
        )

    def _whole(self, said: Any, key: str, place: str) -> int | None:
        value = said.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is not None and (type(value) is not int or abs(value) >= 2**63):
            raise self._wrong(f"{place}, {key}", "no whole number", "a whole number", value)
        return value

    def _label(self, said: Any, place: str) -> int | None:
        number = self._whole(said, "label_id", place)
        if number is not None and not 0 <= number < len(self._labels):
            expected = f"0 to {len(self._labels) - 1}" if self._labels else "no label"
            raise self._wrong(f"{place}, label_id", "no such label", expected, number)
        return number

    def _numbers(self, values: Any, count: int | None, place: str) -> list[float]:
        good = isinstance(values, list) and (count is None or len(values) == count)
        for value in values if good else ():
            plain = type(value) is float or type(value) is int
            good = good and plain and abs(value) < _FAR
        if not good:
            expected = "numbers" if count is None else f"{count} numbers"
            raise self._wrong(place, "not as Datumaro has it", expected, values)
        return list(map(float, values))

    def _member(self, said: Any, place: str, index: int) -> Person:
        """Return the person that a shape belongs to: that of its group, or a new one."""
        is_box = said["type"] == "bbox"
        group = self._whole(said, "group", place) or 0
        label = self._label(said, place)
        other = self._open.get((group, not is_box)) if group else None
        if other is not None and other.label == label and (group, is_box) not in self._open:
            self._open[group, is_box] = other
            if other is not self.people[-1]:  # others stand between its shapes
                shapes = other.notes.setdefault(f"shapes:{OWN}", {})
                shapes["bbox" if is_box else "points"] = {"at": index}
            elif is_box:
                other.notes.setdefault(f"shapes:{OWN}", {"points": {}})
            return other
        person = Person(self._number, label, place)
        self.people.append(person)
        if group:
            self._open.setdefault((group, is_box), person)
            person.notes[f"group:{OWN}"] = group
        return person

    def _box(self, said: Any, place: str, index: int) -> None:
        box = self._numbers(said.get("bbox"), 4, f"{place}, bbox")
        person = self._member(said, place, index)
        person.columns["bbox"] = box
        self._facts(person, said, place, "bbox")

    def _points(self, said: Any, place: str, index: int) -> None:
        label = self._label(said, place)
        names = None if label is None else self._labels[label].points
        count = None if names is None else len(names)
        if count is None and any(mine.points for mine in self._labels):
            self.others.append([index, said])  # points that nobody names, beside some that are
            return
        axes = 3 if said["type"] == "skeleton" else 2
        wanted = None if count is None else axes * count
        flat = self._numbers(said.get("points"), wanted, f"{place}, points")
        if len(flat) % axes:
            raise self._wrong(f"{place}, points", "half of a point", "pairs", len(flat))
        person = self._member(said, place, index)
        states = said.get("visibility")
        if axes == 3:
            states = [int(v) if v in (0, 1, 2) else v for v in flat[2::3]]
            flat = [value for n, value in enumerate(flat) if n % 3 != 2]
        person.xy = flat
        if states is not None:
            good = isinstance(states, list) and 2 * len(states) == len(flat)
            if not good or any(type(v) is not int or not 0 <= v <= 2 for v in states):
                expected = f"{len(flat) // 2} times 0, 1 or 2"
                raise self._wrong(f"{place}, visibility", "no states", expected, states)
            person.states = states
        self._facts(person, said, place, said["type"])

    def _facts(self, person: Person, said: Any, place: str, kind: str) -> None:
        """Take what a shape says beside its place; the first shape's ids are the person's."""
        columns, number = person.columns, self._whole(said, "id", place) or 0
        columns.setdefault("id", number)
        track = self._whole(said, "object_id", place)
        if track is not None and track >= 0:
            columns.setdefault("track", track)
        note: dict[str, Any] = {} if columns["id"] == number else {"id": number}
        if kind == "skeleton":
            note["type"] = kind
        others = {k: v for k, v in said.items() if k not in _KNOWN and (k, v) != ("z_order", 0)}
        if others:
            note["others"] = others
        attributes = said.get("attributes") or {}
        if not isinstance(attributes, dict):
            raise self._wrong(f"{place}, attributes", "no attributes", "an object", attributes)
        mine = self._attributes(person, attributes)
        if mine:
            note["attributes"] = mine
        if note:
            shapes = person.notes.setdefault(f"shapes:{OWN}", {})
            shapes.setdefault("bbox" if kind == "bbox" else "points", {}).update(note)

    def _attributes(self, person: Person, attributes: Mapping[str, Any]) -> list[Any]:
        """Sort attributes into columns and extras; return [key] or [key, value] of each.

        The value stands there where the other shape says something else.
        """
        mine: list[Any] = []
        for key, value in attributes.items():
            if key == SCORES and person.xy is not None and person.scores is None:
                scores = _scores(value, len(person.xy) // 2)
                if scores is not None:
                    person.scores = scores
                    continue
            column = COLUMNS.get(key)
            same = column is not None and _typed(person, column, value)
            if not same and (column is None or column not in person.columns):
                same = _same(person.notes.setdefault(key, value), value)
            mine.append([key] if same else [key, value])
        return mine


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _scores(value: Any, count: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != count or set(value) <= {None}:
        return None
    if any(v is not None and type(v) not in (int, float) for v in value):
        return None
    return [math.nan if v is None else float(v) for v in value]


def _typed(person: Person, column: str, value: Any) -> bool:
    """Put an attribute into a column; False if it does not fit, or the column says other."""
    if column == "iscrowd":
        good = type(value) is bool
    else:
        good = type(value) in (int, float) and abs(value) < _FAR
    return good and bool(person.columns.setdefault(column, value) == value)


# Datasets


def datasets_of(
    people: Sequence[Person],
    labels: Sequence[Label],
    images: ImageTable,
    schema: Schema | None,
    path: Path,
    meta: Mapping[str, bytes],
) -> tuple[PoseDataset, ...]:
    """Return one dataset per skeleton; classes that name the same points share one.

    Raises:
        SchemaError: `schema` has none of the points, or none is given and nobody names the points.
    """
    fits = _fits(people, labels, schema, path)
    hashes = {number: fit.schema.hash() for number, fit in fits.items()}
    grouped: dict[str, list[int]] = {}
    for row, person in enumerate(people):
        grouped.setdefault(hashes[person.label], []).append(row)
    keys = list(dict.fromkeys(hashes.values()))
    found = []
    for key in [key for key in keys if key in grouped] or keys[:1]:
        rows = grouped.get(key, [])
        fit = next(fit for number, fit in fits.items() if hashes[number] == key)
        mine = {n + 1: label.name for n, label in enumerate(labels) if hashes[n] == key}
        columns = columns_of([people[row] for row in rows], fits, fit.schema.num_keypoints)
        found.append(
            PoseDataset(
                schema=fit.schema,
                images=images,
                order=np.array(rows, np.int64),
                categories=mine,
                meta=meta,
                **columns,
            )
        )
    return tuple(found)


def _fits(
    people: Sequence[Person], labels: Sequence[Label], schema: Schema | None, path: Path
) -> dict[int | None, Fit]:
    """Return the schema of each class, and of people without one."""
    named = [number for number, label in enumerate(labels) if label.points]
    if not named:
        return dict.fromkeys((*range(len(labels)), None), _unnamed(people, schema, path))
    boxes = Fit(Schema.from_names((), name="boxes"), {})
    fits: dict[int | None, Fit] = dict.fromkeys((*range(len(labels)), None), boxes)
    misfit: SchemaError | None = None
    for number in named:
        label = labels[number]
        points = Points(label.points or (), title=label.name, links=label.links)
        place = f"points of {label.name!r}"
        if schema is not None:
            try:
                fits[number] = fit_points(points, schema, path, place)
                continue
            except SchemaError as error:
                misfit = error
        fits[number] = fit_points(points, None, path, place)
    if misfit is not None and all(fits[number].schema is not schema for number in named):
        raise misfit
    return fits


def _unnamed(people: Sequence[Person], schema: Schema | None, path: Path) -> Fit:
    sizes = {len(person.xy) // 2 for person in people if person.xy is not None}
    if schema is None and sizes:
        raise unnamed_points(max(sizes), path, "categories", "name them in its categories")
    chosen = schema or Schema.from_names((), name="boxes")
    wrong = next((size for size in sizes if size != chosen.num_keypoints), None)
    if wrong is not None:
        raise SchemaError(
            f"the file does not hold the keypoints of {chosen.name}", path=path, place="items",
            expected=f"{chosen.num_keypoints} points", found=f"{wrong}", fix="give another schema",
        )  # fmt: skip
    return Fit(chosen, {name: k for k, name in enumerate(chosen.names)})


def columns_of(
    people: Sequence[Person], fits: Mapping[int | None, Fit], size: int
) -> dict[str, Any]:
    """Return the columns of the people of one skeleton, of `size` points."""
    count = len(people)
    stated, scores = np.full((count, size, 2), np.nan), np.full((count, size), np.nan)
    states = np.full((count, size), Visibility.UNLABELLED, np.uint8)
    for number, fit in fits.items():
        rows = [r for r, p in enumerate(people) if p.label == number and p.xy is not None]
        if rows:
            target = np.array(list(fit.rows.values()), np.intp)
            at = np.array(rows)[:, None]
            stated[at, target] = np.array([people[r].xy for r in rows]).reshape(len(rows), -1, 2)
            states[at, target] = Visibility.LABELLED
            known = [r for r in rows if people[r].states is not None]
            if known:
                codes = np.array([people[r].states for r in known])
                states[np.array(known)[:, None], target] = _STATES[codes]
            for r in rows:
                if people[r].scores is not None:
                    scores[r, target] = people[r].scores
    labelled = is_labelled(states)
    given = np.where(labelled[..., None] | (stated == 0).all(-1, keepdims=True), np.nan, stated)
    keys = dict.fromkeys(key for person in people for key in person.notes)
    return {
        "image": np.array([person.image for person in people], np.intp),
        "xy": np.where(labelled[..., None], stated, np.nan),
        "visibility": states,
        "given_xy": None if np.isnan(given).all() else given,
        "keypoint_score": None if np.isnan(scores).all() else scores,
        "category": np.array([MISSING_INT if p.label is None else p.label + 1 for p in people]),
        "extras": {
            key: RawColumn(text_of(p.notes[key]) if key in p.notes else None for p in people)
            for key in keys
        },
        **_typed_columns(people),
    }


def _typed_columns(people: Sequence[Person]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, blank, dtype in (
        ("score", np.nan, np.float64),
        ("area", np.nan, np.float64),
        ("iscrowd", -1, np.int8),
        ("track", MISSING_INT, np.int64),
        ("id", 0, np.int64),
        ("bbox", [np.nan] * 4, np.float64),
    ):
        if any(name in person.columns for person in people):
            values = np.array([person.columns.get(name, blank) for person in people], dtype)
            found[name] = np.where(values == 0, MISSING_INT, values) if name == "id" else values
    return found

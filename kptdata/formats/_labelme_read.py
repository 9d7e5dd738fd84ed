"""LabelMe files to people: points and rectangles of one group, or of one place."""

from __future__ import annotations

import math
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kptdata.errors import FormatError
from kptdata.formats._inverse import product
from kptdata.formats._json import kind_of
from kptdata.formats._long_numbers import LongFloat
from kptdata.formats._people import Person, Point
from kptdata.formats._tree import safe_name
from kptdata.visibility import Visibility

__all__ = ["DEFAULTS", "OWN", "SHAPES", "Page", "people_of", "read_page"]

OWN = "labelme"
SHAPES = "labelme_shapes"
"""Extra of an image: the shapes that are no keypoints, with their places among the others."""

DEFAULTS: Mapping[str, Any] = {"description": "", "flags": {}, "mask": None}
"""Keys of a shape that say nothing, and are there nevertheless."""

_FAR = 1e12
_POINT = ("label", "points", "group_id", "shape_type", "score")
_FILE = ("shapes", "imagePath", "imageHeight", "imageWidth", "imageData")


@dataclass(slots=True)
class Shape:
    """A point or a rectangle.

    Attributes:
        index: among the shapes of the file.
        label: its label.
        at: x, y of a point, or x, y, w, h of a rectangle.
        is_box: whether it is a rectangle.
        group: its group, None for none.
        said: the shape itself.
    """

    index: int
    label: str
    at: tuple[float, ...]
    is_box: bool
    group: int | str | None
    said: dict[str, Any]


@dataclass
class Page:
    """A file: its image, what it says about it, and its shapes."""

    file_name: str
    size: tuple[int, int]
    shapes: list[Shape]
    extras: dict[str, Any] = field(default_factory=dict)
    has_data: bool = False


def read_page(found: Any, path: Path, name: str, *, inside: bool, keep_data: bool) -> Page:
    """Take a file apart.

    Args:
        found: its JSON.
        path: the file, for messages.
        name: its name relative to the folder that is read.
        inside: refuse images outside of that folder; otherwise their last part is taken.
        keep_data: keep the picture that is stored in the file.

    Raises:
        FormatError: it is no LabelMe file; the shape is named.
    """
    if not isinstance(found, dict) or not isinstance(found.get("shapes"), list):
        raise FormatError(
            "no LabelMe file",
            path=path,
            expected="an object with a list of 'shapes'",
            found=kind_of(found),
            fix="name the format that it is in, or move the file elsewhere",
        )
    image = found.get("imagePath")
    shapes, others = [], []
    for index, said in enumerate(found["shapes"]):
        shape = _shape(said, index, path)
        if shape is None:
            others.append([index, said])
        else:
            shapes.append(shape)
    sizes = [found.get(key) for key in ("imageWidth", "imageHeight")]
    known = all(type(size) is int and 0 < size < 2**31 for size in sizes)
    page = Page(
        file_name=_image_name(image, path, name, inside=inside),
        size=(sizes[0], sizes[1]) if known else (0, 0),  # type: ignore[arg-type]
        shapes=shapes,
        has_data=found.get("imageData") is not None,
    )
    if others:
        page.extras[SHAPES] = others
    if found.get("flags"):
        page.extras["flags"] = found["flags"]
    rest = {k: v for k, v in found.items() if k not in (*_FILE, "version", "flags")}
    if rest:
        page.extras["labelme"] = rest
    note: dict[str, Any] = {"json": name}
    note |= {key: found[key] for key in ("version", "imagePath") if key in found}
    if keep_data and page.has_data:
        note["imageData"] = found["imageData"]
    page.extras[f"file:{OWN}"] = note
    return page


def _image_name(image: Any, path: Path, name: str, *, inside: bool) -> str:
    if not isinstance(image, str) or not image:
        raise FormatError(
            "no image is named", path=path, place="imagePath", expected="a file name",
            found=repr(image)[:40],
        )  # fmt: skip
    plain = image.replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(name), plain))
    if inside:
        return str(safe_name(joined, path, "imagePath"))
    return str(safe_name(joined.rpartition("/")[2], path, "imagePath"))


def _shape(said: Any, index: int, path: Path) -> Shape | None:
    """Return a point or rectangle, None for another shape. Raises `FormatError`."""
    place = f"shapes[{index}]"
    if not isinstance(said, dict) or not isinstance(said.get("label"), str):
        raise FormatError("not a shape", path=path, place=place, expected="an object with a label")
    kind, corners = said.get("shape_type", "polygon"), said.get("points")
    if kind not in ("point", "rectangle"):
        return None
    points = [_pair(pair, path, place) for pair in corners] if isinstance(corners, list) else []
    group = said.get("group_id")
    if isinstance(group, bool) or not isinstance(group, int | str | None):
        raise FormatError("no group", path=path, place=place, found=repr(group)[:40])
    if kind == "point" and len(points) == 1:
        return Shape(index, said["label"], points[0], is_box=False, group=group, said=said)
    box = _box(points) if kind == "rectangle" else None
    if box is None:
        raise FormatError(
            f"a {kind} with {len(points)} points",
            path=path,
            place=f"{place} {said['label']!r}",
            expected="one" if kind == "point" else "two opposite corners",
            fix="draw it again",
        )
    return Shape(index, said["label"], box, is_box=True, group=group, said=said)


def _pair(pair: Any, path: Path, place: str) -> tuple[float, float]:
    good = isinstance(pair, list) and len(pair) == 2
    numbers = pair if good else []
    for number in numbers:
        plain = isinstance(number, int | float) and not isinstance(number, bool)
        good = good and plain and abs(number) < _FAR
    if not good:
        raise FormatError(
            "no point", path=path, place=place, expected="[x, y]", found=repr(pair)[:40]
        )
    return pair[0], pair[1]


def _box(points: list[tuple[float, float]]) -> tuple[float, ...] | None:
    """Return xywh of corners in any order: two opposite ones, or all four."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if len(points) == 4:
        upright = len(set(xs)) <= 2 and len(set(ys)) <= 2 and len(set(points)) == 4
        if not upright:
            return None
    elif len(points) != 2:
        return None
    low, high = (min(xs), min(ys)), (max(xs, key=_exactly), max(ys, key=_exactly))
    sides = [_difference(high[axis], low[axis]) for axis in (0, 1)]
    return float(low[0]), float(low[1]), sides[0], sides[1]


def _exactly(value: float) -> tuple[float, bool]:
    """Order numbers; of two that are one float64, that with more digits is the larger."""
    return float(value), isinstance(value, LongFloat)


def _difference(high: float, low: float) -> float:
    if isinstance(high, LongFloat):
        return product(high.text, 1, float(low))
    return float(high) - float(low)


# People


def people_of(page: Page, image: int) -> tuple[list[Person], Counter[str]]:
    """Return the people of a file, in its order, and how many points each rule placed.

    1. ``group_id``; of several rectangles in a group the largest is the person's.
    2. Without a group: the only rectangle that has none.
    3. The smallest rectangle around the point that has no point of that name yet.
    4. The image holds one person.
    """
    rules: Counter[str] = Counter()
    grouped: dict[Any, list[Shape]] = {}
    for shape in page.shapes:
        if shape.group is not None:
            grouped.setdefault((type(shape.group), shape.group), []).append(shape)
    parts: list[tuple[Shape | None, list[Shape]]] = []
    for shapes in grouped.values():
        boxes = sorted((s for s in shapes if s.is_box), key=lambda s: -s.at[2] * s.at[3])
        points = [shape for shape in shapes if not shape.is_box]
        rules["group_id"] += len(points)
        parts.append((boxes[0] if boxes else None, points))
        parts += [(box, []) for box in boxes[1:]]
    parts += _ungrouped([shape for shape in page.shapes if shape.group is None], rules)
    split = [part for box, points in parts for part in _without_twins(box, points)]
    split.sort(key=lambda part: min(s.index for s in _members(part)))
    return [_person(box, points, image) for box, points in split], rules


def _members(part: tuple[Shape | None, list[Shape]]) -> Iterable[Shape]:
    box, points = part
    return points if box is None else [box, *points]


def _ungrouped(shapes: list[Shape], rules: Counter[str]) -> list[tuple[Shape | None, list[Shape]]]:
    boxes = sorted((s for s in shapes if s.is_box), key=lambda s: (s.at[2] * s.at[3], s.index))
    found: list[tuple[Shape | None, list[Shape]]] = [(box, []) for box in boxes]
    rest: list[Shape] = []
    for shape in shapes:
        if shape.is_box:
            continue
        if len(boxes) == 1:
            rules["the only rectangle"] += 1
            found[0][1].append(shape)
            continue
        around = (part for part in found if _has_room(part, shape))
        home = next(around, None)
        rules["containment" if home else "image"] += 1
        (rest if home is None else home[1]).append(shape)
    return [*found, (None, rest)] if rest else found


def _has_room(part: tuple[Shape | None, list[Shape]], point: Shape) -> bool:
    box, points = part
    if box is None:
        return False
    x, y, w, h = box.at
    inside = x <= point.at[0] <= x + w and y <= point.at[1] <= y + h
    return inside and all(other.label != point.label for other in points)


def _without_twins(
    box: Shape | None, points: list[Shape]
) -> list[tuple[Shape | None, list[Shape]]]:
    """Put second points of one name into people of their own."""
    people: list[list[Shape]] = [[]]
    for point in points:
        for person in people:
            if all(other.label != point.label for other in person):
                person.append(point)
                break
        else:
            people.append([point])
    return [(box if place == 0 else None, person) for place, person in enumerate(people)]


def _person(box: Shape | None, points: list[Shape], image: int) -> Person:
    person = Person(image, None if box is None else box.label)
    for shape in points:
        x, y = float(shape.at[0]), float(shape.at[1])
        person.points.append(Point(shape.label, x, y, _state(shape.said), _score(shape.said)))
    if box is not None:
        person.columns["bbox"] = box.at
        if not math.isnan(_score(box.said)):
            person.columns["score"] = _score(box.said)
        for key in ("description", "flags"):
            if box.said.get(key):
                person.notes[key] = box.said[key]
        note = _note(box.said, ("description", "flags"))
        if not _is_plain(box):
            note["points"] = box.said["points"]
        if note:
            person.notes[f"shape:{OWN}"] = note
    notes = {shape.label: _point_note(shape.said) for shape in points}
    if any(notes.values()):
        person.notes[f"keypoints:{OWN}"] = {n: note for n, note in notes.items() if note}
    groups = [shape.group for shape in ([box] if box else []) + points]
    person.notes[f"group:{OWN}"] = groups[0]
    return person


def _is_plain(box: Shape) -> bool:
    """Tell whether the corners stand as we write them: top left, bottom right."""
    points = box.said["points"]
    return len(points) == 2 and points[0][0] <= points[1][0] and points[0][1] <= points[1][1]


def _state(said: Mapping[str, Any]) -> int:
    """Return the state that flags say; LabelMe itself has none."""
    flags = said.get("flags")
    hidden = flags.get("occluded") if isinstance(flags, dict) else None
    if hidden is None:
        hidden = said.get("difficult")  # as one dialect has it
    if hidden is True:
        return Visibility.OCCLUDED
    return Visibility.VISIBLE if hidden is False else Visibility.LABELLED


def _score(said: Mapping[str, Any]) -> float:
    value = said.get("score")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and abs(value) < _FAR else math.nan  # type: ignore[arg-type]


def _note(said: Mapping[str, Any], known: Iterable[str] = ()) -> dict[str, Any]:
    """Return keys that say something else, and which usual ones are not there."""
    usual = (*_POINT, *known)
    note: dict[str, Any] = {}
    others = {k: v for k, v in said.items() if k not in usual and DEFAULTS.get(k, _note) != v}
    if others:
        note["others"] = others
    absent = [key for key in DEFAULTS if key not in said]
    if absent:
        note["absent"] = absent
    return note


def _point_note(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to write back of a point, its state apart."""
    note = _note({k: v for k, v in said.items() if k != "difficult"})
    flags = said.get("flags")
    others = note.get("others", {})
    if isinstance(flags, dict) and "flags" in others:
        rest = {key: value for key, value in flags.items() if key != "occluded"}
        others.pop("flags")
        if rest:
            others["flags"] = rest
        if not others:
            del note["others"]
    if isinstance(said.get("difficult"), bool) and "occluded" not in (flags or {}):
        note["difficult"] = True
    return note

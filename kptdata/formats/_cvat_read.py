"""Shapes of a CVAT file to instances: skeletons, points and the boxes that belong to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._collect import Collector
from kptdata.formats._inverse import is_long, product
from kptdata.formats._named_points import Fit, Points, fit_points, unnamed_points
from kptdata.formats._xml import Node
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = ["Kind", "Shapes", "box_of", "coordinates", "flag", "integer", "state_of"]

_FAR = 1e12  # pixels
_OWN_POINT = frozenset({"label", "outside", "occluded", "points", "labelled", "frame"})
_OWN_SKELETON = frozenset({"label", "source", "z_order", "group_id", "frame", "keyframe"})
_ELEMENTS = ("points", "attribute", "track")


def flag(node: Node, key: str, path: Path, place: str) -> bool:
    """Return an attribute that is 0 or 1; False if it is not there. Raises `FormatError`."""
    text = node.attrib.get(key, "0")
    if text not in ("0", "1"):
        raise FormatError(f"{key}: neither 0 nor 1", path=path, place=place, found=repr(text))
    return text == "1"


def integer(text: str | None, what: str, path: Path, place: str) -> int:
    """Return a whole number that fits 32 bits. Raises `FormatError`."""
    try:
        value = int(text or "")
    except ValueError:
        value = 2**31
    if not -(2**31) < value < 2**31:
        raise FormatError(
            f"{what}: no whole number", path=path, place=place, found=repr((text or "")[:40])
        )
    return value


def coordinates(text: str, path: Path, place: str) -> list[tuple[float, float]]:
    """Return the points of ``x,y;x,y``. Raises `FormatError`."""
    found = []
    for pair in text.split(";"):
        try:
            x, y = map(float, pair.split(","))
        except ValueError:
            x = y = math.nan
        if not (abs(x) < _FAR and abs(y) < _FAR):
            raise FormatError(
                "no coordinates", path=path, place=place, expected="x,y", found=repr(pair[:40])
            )
        found.append((x, y))
    return found


def box_of(node: Node, path: Path, place: str) -> tuple[float, float, float, float]:
    """Return xywh of a ``<box>``. Raises `FormatError`."""
    texts = [node.attrib.get(key, "") for key in ("xtl", "ytl", "xbr", "ybr")]
    try:
        left, top, right, bottom = map(float, texts)
    except ValueError:
        left = top = right = bottom = math.nan
    if not max(abs(left), abs(top), abs(right), abs(bottom)) < _FAR:
        raise FormatError("no corners of a box", path=path, place=place, found=repr(texts)[:80])
    width = product(texts[2], 1, left) if is_long(texts[2]) else right - left
    height = product(texts[3], 1, top) if is_long(texts[3]) else bottom - top
    return left, top, width, height


def _user_attributes(nodes: Iterable[Node]) -> dict[str, str]:
    """Return what annotators stated: name -> text of the ``<attribute>`` children."""
    return {n.attrib.get("name", ""): n.text for n in nodes if n.tag == "attribute"}


@dataclass
class Kind:
    """Instances of one skeleton: where they gather, and what their points are."""

    collector: Collector
    points: Points
    labels: list[str] = field(default_factory=list)
    positional: bool = False


class Shapes:
    """The instances of a file, skeleton by skeleton.

    Args:
        path: the file, for messages.
        own: name of the format, for keys of its own notes.
        skeletons: name of a label -> its points.
    """

    def __init__(self, path: Path, own: str, skeletons: Mapping[str, Points]) -> None:
        self.path, self.own = path, own
        self._skeletons = skeletons
        self.kinds: dict[Any, Kind] = {}
        self.numbers: dict[str, int] = {}
        for label, points in skeletons.items():
            self.number(label)
            self.kind(_key(label, points), points, label)

    def number(self, label: str) -> int:
        """Return the number of a category, from 1."""
        return self.numbers.setdefault(label, len(self.numbers) + 1)

    def kind(self, key: Any, points: Points, label: str | None) -> Kind:
        """Return where instances of one skeleton gather."""
        if key not in self.kinds:
            self.kinds[key] = Kind(Collector(points.names), points)
        kind = self.kinds[key]
        if label is not None and label not in kind.labels:
            kind.labels.append(label)
        return kind

    def skeleton(self, node: Node, label: str, image: int, order: int, place: str) -> Collector:
        """Add a ``<skeleton>`` with its elements; its other values become extras."""
        points = self._skeletons.get(label, Points((), complete=False, title=label))
        collector = self.kind(_key(label, points), points, label).collector
        collector.begin(image, order)
        collector.set("category", self.number(label))
        self.describe(collector, node, _OWN_SKELETON, f"skeleton:{self.own}")
        usual = {
            "source": node.attrib.get("source", "manual"),
            "keyframe": node.attrib.get("keyframe", "1"),
        }
        notes = {}
        for child in node.children:
            if child.tag == "points":
                note = self._element(collector, child, usual, points, place)
                if note:
                    notes[child.attrib["label"]] = note
        if notes:
            collector.note(f"keypoints:{self.own}", notes)
        return collector

    def _element(
        self,
        collector: Collector,
        node: Node,
        usual: Mapping[str, str],
        points: Points,
        place: str,
    ) -> dict[str, Any]:
        """Add a point; return what else is said about it."""
        name = node.attrib.get("label")
        if name is None or (points.names and name not in collector.names):
            raise FormatError(
                "a point that the skeleton does not have",
                path=self.path,
                place=place,
                expected=", ".join(points.names)[:200] or "a label",
                found=repr(name),
                fix="correct the label of the point",
            )
        at = f"{place}, point {name!r}"
        listed = coordinates(node.attrib.get("points", ""), self.path, at)
        if len(listed) != 1:
            raise FormatError("several coordinates of a point", path=self.path, place=at)
        x, y = listed[0]
        state = state_of(node, self.path, at)
        if state in (Visibility.ABSENT, Visibility.UNLABELLED) and x == y == 0:
            x = y = math.nan
        if not collector.point(name, x, y, state):
            raise FormatError(
                "a point is there twice", path=self.path, place=at, fix="remove one of the two"
            )
        return _note(node, usual)

    def describe(
        self, collector: Collector, node: Node, own: frozenset[str], note_key: str
    ) -> None:
        """Keep what a shape says besides its place: source, depth, group and attributes."""
        source, depth = node.attrib.get("source", "manual"), node.attrib.get("z_order", "0")
        if source != "manual":
            collector.note("source", source)
        if depth != "0":
            collector.note("z_order", integer(depth, "z_order", self.path, note_key))
        attributes = _user_attributes(node.children)
        if attributes:
            collector.note("attributes", attributes)
        others = {key: text for key, text in node.attrib.items() if key not in own}
        children = [c.to_value() for c in node.children if c.tag not in _ELEMENTS]
        if others or children:
            collector.note(note_key, {"attrib": others, "children": children})

    # Results

    def datasets(
        self,
        schema: Schema | None,
        images: ImageTable,
        meta: Mapping[str, bytes],
        provenance: tuple[str, ...],
        image_rows: NDArray[np.intp] | None = None,
    ) -> tuple[PoseDataset, ...]:
        """Return one dataset per skeleton; `image_rows` are rows of images by their first number.

        Raises:
            SchemaError: `schema` fits no skeleton, or points have no names and there is none.
        """
        kinds = [kind for kind in self.kinds.values() if len(kind.collector)]
        kinds = kinds or list(self.kinds.values())[:1] or [self.kind("nothing", Points(()), None)]
        fits, misfit = [], None
        for kind in kinds:
            fit, error = self._fit(kind, schema)
            fits.append(fit)
            misfit = misfit or error
        if misfit is not None and all(fit.schema is not schema for fit in fits):
            raise misfit
        return tuple(
            kind.collector.dataset(
                fit,
                images,
                categories={self.numbers[label]: label for label in kind.labels},
                meta=meta,
                provenance=provenance,
                image_rows=image_rows,
            )
            for kind, fit in zip(kinds, fits, strict=True)
        )

    def _fit(self, kind: Kind, schema: Schema | None) -> tuple[Fit, SchemaError | None]:
        if kind.positional:
            return self._positional(kind, schema), None
        points = kind.points._replace(names=tuple(kind.collector.names))
        place = f"label {kind.labels[0]!r}" if kind.labels else "labels"
        if schema is not None and (points.names or not schema.num_keypoints):
            try:
                return fit_points(points, schema, self.path, place), None
            except SchemaError as error:
                return fit_points(points, None, self.path, place), error
        if schema is not None and not len(kind.collector):
            return Fit(schema, {}), None  # a file that names nothing contradicts nothing
        misfit = None if schema is None else _no_points(schema, self.path)
        return fit_points(points, None, self.path, place), misfit

    def _positional(self, kind: Kind, schema: Schema | None) -> Fit:
        count, label = len(kind.collector.names), kind.labels[0]
        if schema is not None and schema.num_keypoints == count:
            return Fit(schema, {name: k for k, name in enumerate(kind.collector.names)})
        fix = "draw a skeleton in place of the points"
        raise unnamed_points(count, self.path, f"label {label!r}", fix)


def _key(label: str, points: Points) -> tuple[str, object]:
    """Return what skeletons share that share a dataset: the names of their points."""
    return ("skeleton", points.names or label)


def _no_points(schema: Schema, path: Path) -> SchemaError:
    return SchemaError(
        f"the file does not hold the keypoints of {schema.name}",
        path=path,
        expected=f"the {schema.num_keypoints} points of {schema.name}",
        found="boxes only",
        fix="read it without a schema",
    )


_STATES = {
    ("0", "0"): Visibility.VISIBLE,
    ("0", "1"): Visibility.OCCLUDED,
    ("1", "0"): Visibility.ABSENT,
    ("1", "1"): Visibility.ABSENT,
}
"""Outside and occluded -> state: outside wins."""


def state_of(node: Node, path: Path, place: str) -> Visibility:
    """Return the state of a point. That nobody labelled it is ours to say, see the docs.

    Raises:
        FormatError: a flag is neither 0 nor 1.
    """
    attrib = node.attrib
    state = _STATES.get((attrib.get("outside", "0"), attrib.get("occluded", "0")))
    if state is None:
        hidden = flag(node, "outside", path, place) or flag(node, "occluded", path, place)
        return Visibility.OCCLUDED if hidden else Visibility.VISIBLE
    if state == Visibility.ABSENT and attrib.get("labelled") == "0":
        return Visibility.UNLABELLED
    return state


def _note(node: Node, usual: Mapping[str, str]) -> dict[str, Any]:
    """Return what an element says besides its place and what its skeleton says as well."""
    found: dict[str, Any] = {}
    others = {k: v for k, v in node.attrib.items() if k not in _OWN_POINT and usual.get(k) != v}
    if others:
        found["attrib"] = others
    if node.children:
        found["children"] = [child.to_value() for child in node.children]
    # An occluded flag under an outside one says nothing, and is kept.
    if node.attrib.get("outside") == "1" and node.attrib.get("occluded") == "1":
        found["occluded"] = True
    return found

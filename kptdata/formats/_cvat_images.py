"""The ``<image>`` elements of CVAT for images, to instances."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from kptdata.dataset import ImageTable, RawColumn
from kptdata.errors import FormatError
from kptdata.formats._collect import Collector, text_of
from kptdata.formats._cvat_labels import Label
from kptdata.formats._cvat_read import Shapes, box_of, coordinates, flag, integer
from kptdata.formats._named_points import Points
from kptdata.formats._tree import safe_name
from kptdata.formats._xml import Node
from kptdata.visibility import Visibility

__all__ = ["OWN", "SHAPES", "ImageReader"]

OWN = "cvat_images"
_PAIR = {"skeleton": 1, "box": 1}
SHAPES = "cvat_shapes"
"""Extra of an image: the shapes that are no keypoints, with their places among the others."""

_FACTS = ("id", "name", "width", "height", "subset")
_BOX = frozenset({"label", "source", "occluded", "xtl", "ytl", "xbr", "ybr", "z_order", "group_id"})


class _Loose(NamedTuple):
    """A ``<points>`` outside of any skeleton, or the box of a group of them.

    What they are is known when the last image is read.
    """

    node: Node
    image: int
    order: int
    place: str


class ImageReader:
    """Collects images and their shapes.

    Args:
        path: the file, for messages.
        labels: what the file declares.
    """

    def __init__(self, path: Path, labels: dict[str, Label]) -> None:
        self._path, self._labels = path, labels
        skeletons = {n: label.points for n, label in labels.items() if label.kind == "skeleton"}
        self.shapes = Shapes(path, OWN, skeletons)
        self._columns: dict[str, list[Any]] = {"id": [], "file_name": [], "width": [], "height": []}
        self._extras: dict[str, dict[int, bytes]] = {}
        self._loose: list[_Loose] = []
        self._waiting: dict[tuple[int, int], _Loose] = {}  # boxes of groups of points
        self._order = 0

    def image(self, node: Node) -> None:
        """Read one ``<image>``. Raises `FormatError`."""
        row = len(self._columns["id"])
        name = node.attrib.get("name", "")
        place = f"image {name or row!r}"
        safe_name(name, self._path, place)
        self._columns["file_name"].append(name)
        self._columns["id"].append(
            integer(node.attrib.get("id", str(row)), "id", self._path, place)
        )
        for key in ("width", "height"):
            size = integer(node.attrib.get(key, "0"), key, self._path, place)
            self._columns[key].append(max(size, 0))
        if "subset" in node.attrib:
            self._extra("split", row, node.attrib["subset"])
        others = {key: text for key, text in node.attrib.items() if key not in _FACTS}
        if others:
            self._extra(f"image:{OWN}", row, others)
        self._shapes_of(node, row, place)

    def _extra(self, key: str, row: int, value: Any) -> None:
        self._extras.setdefault(key, {})[row] = text_of(value)

    def _shapes_of(self, node: Node, row: int, place: str) -> None:
        others = []
        groups = self._groups(node, place)
        boxes: dict[int, Node] = {}
        owners: dict[int, tuple[Collector, int]] = {}
        for index, child in enumerate(node.children):
            at = f"{place}, shape {index + 1} <{child.tag}>"
            group = self._group(child, at)
            members = groups[group]
            order = self._order
            own_box = child.tag == "box" and members == _PAIR
            self._order += child.tag in ("skeleton", "points", "box") and not own_box
            if child.tag == "skeleton":
                label = child.attrib.get("label", "")
                owner = self.shapes.skeleton(child, label, row, order, at)
                self._note_group(owner, group, paired=members == _PAIR)
                owners[group] = (owner, len(owner) - 1)
            elif child.tag == "points":
                self._loose.append(_Loose(child, row, order, at))
            elif own_box:
                boxes[group] = child
            elif child.tag == "box" and members["box"] == 1 and members.keys() == {"box", "points"}:
                self._waiting[row, group] = _Loose(child, row, order, at)
            elif child.tag == "box":
                self._loose_box(_Loose(child, row, order, at))
            else:
                others.append([index, child.to_value()])
        for group, box in boxes.items():
            owner, mine = owners[group]
            self._own_box(owner, box, place, mine)
        if others:
            self._extra(SHAPES, row, others)

    def _groups(self, node: Node, place: str) -> dict[int, Counter[str]]:
        """Count who is in each group of an image; group 0 is no group."""
        groups: dict[int, Counter[str]] = {0: Counter(none=1)}
        for child in node.children:
            group = self._group(child, place)
            if group:
                groups.setdefault(group, Counter())[child.tag] += 1
        return groups

    def _group(self, node: Node, place: str) -> int:
        text = node.attrib.get("group_id")
        return 0 if text is None else integer(text, "group_id", self._path, place)

    def _note_group(self, collector: Collector, group: int, *, paired: bool) -> None:
        """Keep a group; one that only ties a box to its person is a way of writing."""
        if group:
            collector.note(f"group:{OWN}" if paired else "group_id", group)

    def _own_box(self, collector: Collector, node: Node, place: str, row: int) -> None:
        collector.set("bbox", box_of(node, self._path, place), row)
        collector.note(f"box:{OWN}", _box_note(node), row)

    def _loose_box(self, loose: _Loose) -> None:
        """Read a box that belongs to nobody: an instance without points."""
        node, label = loose.node, loose.node.attrib.get("label", "")
        collector = self.shapes.kind("boxes", Points((), title="boxes"), label).collector
        collector.begin(loose.image, loose.order)
        collector.set("category", self.shapes.number(label))
        collector.set("bbox", box_of(node, self._path, loose.place))
        self._note_group(collector, self._group(node, loose.place), paired=False)
        self.shapes.describe(collector, node, _BOX, f"skeleton:{OWN}")
        if flag(node, "occluded", self._path, loose.place):
            collector.note("occluded", value=True)

    # Points without a skeleton

    def finish(self) -> ImageTable:
        """Read what could not be read before the last image, and return the table of images.

        Raises:
            FormatError: points of one label are many in one shape and another number elsewhere.
        """
        listed: dict[str, set[int]] = {}
        for loose in self._loose:
            found = coordinates(loose.node.attrib.get("points", ""), self._path, loose.place)
            listed.setdefault(loose.node.attrib.get("label", ""), set()).add(len(found))
        people: dict[tuple[int, int], list[tuple[Collector, int]]] = {}
        loose_points = sorted(self._loose, key=lambda p: (p.image, self._group(p.node, p.place)))
        for loose in loose_points:
            counts = listed[loose.node.attrib.get("label", "")]
            if len(counts) > 1:
                raise self._uneven(loose, counts)
            key = (loose.image, self._group(loose.node, loose.place))
            mine = people.setdefault(key, [])
            collector = self._single(loose, mine) if counts == {1} else self._several(loose)
            owner = (collector, len(collector) - 1)
            if owner not in mine:
                mine.append(owner)
        for key, box in self._waiting.items():
            if len(people[key]) == 1:
                collector, row = people[key][0]
                self._own_box(collector, box.node, box.place, row)
            else:
                self._loose_box(box)
        rows = len(self._columns["id"])
        extras = {
            key: RawColumn(values.get(row) for row in range(rows))
            for key, values in self._extras.items()
        }
        return ImageTable.of(self._columns.pop("file_name"), **self._columns, extras=extras)

    def _uneven(self, loose: _Loose, counts: set[int]) -> FormatError:
        return FormatError(
            "points of one label whose number differs from shape to shape",
            path=self._path,
            place=loose.place,
            expected="as many in each",
            found=" and ".join(map(str, sorted(counts))),
            fix="take them out, or give each point a label of its own",
        )

    def _several(self, loose: _Loose) -> Collector:
        """Read many points in one shape: an instance whose points have places and no names."""
        node, label = loose.node, loose.node.attrib.get("label", "")
        found = coordinates(node.attrib["points"], self._path, loose.place)
        names = tuple(map(str, range(len(found))))
        kind = self.shapes.kind(("several", len(found)), Points(names, title=label), label)
        kind.positional = True
        kind.collector.begin(loose.image, loose.order)
        kind.collector.set("category", self.shapes.number(label))
        for name, (x, y) in zip(names, found, strict=True):
            kind.collector.point(name, x, y, self._state_of(loose))
        self._describe(kind.collector, loose)
        return kind.collector

    def _single(self, loose: _Loose, people: list[tuple[Collector, int]]) -> Collector:
        """Read one point with the name of a joint; those of a group are one instance."""
        points = Points((), complete=False, title="points")
        collector = self.shapes.kind("single", points, None).collector
        (at,) = coordinates(loose.node.attrib["points"], self._path, loose.place)
        label, state = loose.node.attrib.get("label", ""), self._state_of(loose)
        last = (collector, len(collector) - 1)
        if last not in people or not collector.point(label, *at, state):
            collector.begin(loose.image, loose.order)
            collector.point(label, *at, state)
        self._describe(collector, loose)
        return collector

    def _describe(self, collector: Collector, loose: _Loose) -> None:
        self._note_group(collector, self._group(loose.node, loose.place), paired=False)
        self.shapes.describe(collector, loose.node, _BOX | {"points"}, f"skeleton:{OWN}")

    def _state_of(self, loose: _Loose) -> Visibility:
        hidden = flag(loose.node, "occluded", self._path, loose.place)
        return Visibility.OCCLUDED if hidden else Visibility.VISIBLE


def _box_note(node: Node) -> dict[str, Any]:
    """Return what a person's box says besides its corners."""
    others = {k: v for k, v in node.attrib.items() if k not in ("xtl", "ytl", "xbr", "ybr")}
    others.pop("group_id", None)
    return {"attrib": others, "children": [child.to_value() for child in node.children]}

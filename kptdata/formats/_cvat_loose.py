"""Shapes outside of any skeleton: points by the name of a joint, points by place, boxes.

What a ``<points>`` means is known when all have been seen: a label whose shapes have one point each
is a joint.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kptdata.errors import FormatError
from kptdata.formats._collect import Collector
from kptdata.formats._cvat_read import Shapes, box_of, coordinates, flag, integer
from kptdata.formats._named_points import Points
from kptdata.formats._xml import Node
from kptdata.visibility import Visibility

__all__ = ["Loose", "LooseShapes", "group_of"]

_OWN = frozenset(
    {"label", "source", "occluded", "outside", "xtl", "ytl", "xbr", "ybr", "points", "z_order"}
    | {"group_id", "frame", "keyframe"}
)
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


class Loose(NamedTuple):
    """A shape, the image that it is in, its place in the file in number and word, its track."""

    node: Node
    image: int
    order: int
    place: str
    track: str | None = None


def group_of(node: Node, path: Path, place: str) -> int:
    """Return the group of a shape or track, 0 if it is in none. Raises `FormatError`."""
    text = node.attrib.get("group_id")
    return 0 if text is None else integer(text, "group_id", path, place)


class LooseShapes:
    """Collects loose shapes.

    Args:
        shapes: where instances gather.
    """

    def __init__(self, shapes: Shapes) -> None:
        self._shapes, self._path, self._own = shapes, shapes.path, shapes.own
        self._points: list[Loose] = []
        self._waiting: dict[tuple[int, int], Loose] = {}

    def points(self, loose: Loose) -> None:
        """Keep a ``<points>`` until all are known."""
        self._points.append(loose)

    def box_of_points(self, loose: Loose, group: int) -> None:
        """Keep the only box of a group of points."""
        self._waiting[loose.image, group] = loose

    def note_group(self, collector: Collector, group: int, *, paired: bool) -> None:
        """Keep a group; one that only ties a box to its person is a way of writing."""
        if group:
            collector.note(f"group:{self._own}" if paired else "group_id", group)

    def own_box(self, collector: Collector, node: Node, place: str, row: int) -> None:
        """Give an instance its box."""
        collector.set("bbox", box_of(node, self._path, place), row)
        others = {k: v for k, v in node.attrib.items() if k not in (*_CORNERS, "group_id", "frame")}
        children = [child.to_value() for child in node.children]
        collector.note(f"box:{self._own}", {"attrib": others, "children": children}, row)

    def box(self, loose: Loose) -> Collector:
        """Read a box that belongs to nobody: an instance without points."""
        node, label = loose.node, loose.node.attrib.get("label", "")
        collector = self._shapes.kind("boxes", Points((), title="boxes"), label).collector
        collector.begin(loose.image, loose.order)
        collector.set("category", self._shapes.number(label))
        collector.set("bbox", box_of(node, self._path, loose.place))
        if loose.track is not None:
            collector.set("track", loose.track)
        self._describe(collector, loose)
        if flag(node, "occluded", self._path, loose.place):
            collector.note("occluded", value=True)
        return collector

    def finish(self) -> None:
        """Read all points.

        Raises:
            FormatError: points of one label are many in one shape and another number elsewhere.
        """
        listed: dict[str, set[int]] = {}
        for loose in self._points:
            found = coordinates(loose.node.attrib.get("points", ""), self._path, loose.place)
            listed.setdefault(loose.node.attrib.get("label", ""), set()).add(len(found))
        people: dict[tuple[int, int], list[tuple[Collector, int]]] = {}
        for loose in sorted(self._points, key=lambda p: (p.image, self._group(p))):
            counts = listed[loose.node.attrib.get("label", "")]
            if len(counts) > 1:
                raise self._uneven(loose, counts)
            mine = people.setdefault((loose.image, self._group(loose)), [])
            collector = self._single(loose, mine) if counts == {1} else self._several(loose)
            owner = (collector, len(collector) - 1)
            if owner not in mine:
                mine.append(owner)
        for key, box in self._waiting.items():
            if len(people[key]) == 1:
                collector, row = people[key][0]
                self.own_box(collector, box.node, box.place, row)
            else:
                self.box(box)

    def _group(self, loose: Loose) -> int:
        return group_of(loose.node, self._path, loose.place)

    def _uneven(self, loose: Loose, counts: set[int]) -> FormatError:
        return FormatError(
            "points of one label whose number differs from shape to shape",
            path=self._path,
            place=loose.place,
            expected="as many in each",
            found=" and ".join(map(str, sorted(counts))),
            fix="take them out, or give each point a label of its own",
        )

    def _several(self, loose: Loose) -> Collector:
        """Read many points in one shape: an instance whose points have places and no names."""
        node, label = loose.node, loose.node.attrib.get("label", "")
        found = coordinates(node.attrib["points"], self._path, loose.place)
        names = tuple(map(str, range(len(found))))
        kind = self._shapes.kind(("several", len(found)), Points(names, title=label), label)
        kind.positional = True
        kind.collector.begin(loose.image, loose.order)
        kind.collector.set("category", self._shapes.number(label))
        for name, (x, y) in zip(names, found, strict=True):
            kind.collector.point(name, x, y, self._state_of(loose))
        self._describe(kind.collector, loose)
        return kind.collector

    def _single(self, loose: Loose, people: list[tuple[Collector, int]]) -> Collector:
        """Read one point with the name of a joint; those of a group are one instance."""
        points = Points((), complete=False, title="points")
        collector = self._shapes.kind("single", points, None).collector
        (at,) = coordinates(loose.node.attrib["points"], self._path, loose.place)
        label, state = loose.node.attrib.get("label", ""), self._state_of(loose)
        last = (collector, len(collector) - 1)
        if last not in people or not collector.point(label, *at, state):
            collector.begin(loose.image, loose.order)
            collector.point(label, *at, state)
        self._describe(collector, loose)
        return collector

    def _describe(self, collector: Collector, loose: Loose) -> None:
        self.note_group(collector, self._group(loose), paired=False)
        self._shapes.describe(collector, loose.node, _OWN, f"skeleton:{self._own}")

    def _state_of(self, loose: Loose) -> Visibility:
        hidden = flag(loose.node, "occluded", self._path, loose.place)
        return Visibility.OCCLUDED if hidden else Visibility.VISIBLE

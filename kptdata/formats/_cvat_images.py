"""The ``<image>`` elements of CVAT for images, to instances."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from kptdata.dataset import ImageTable, RawColumn
from kptdata.formats._collect import Collector, text_of
from kptdata.formats._cvat_labels import Label
from kptdata.formats._cvat_loose import Loose, LooseShapes, group_of
from kptdata.formats._cvat_read import Shapes, integer
from kptdata.formats._tree import no_name
from kptdata.formats._xml import Node

__all__ = ["OWN", "SHAPES", "ImageReader"]

OWN = "cvat_images"
_PAIR = {"skeleton": 1, "box": 1}
SHAPES = "cvat_shapes"
"""Extra of an image: the shapes that are no keypoints, with their places among the others."""

_FACTS = ("id", "name", "width", "height", "subset")


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
        self._loose = LooseShapes(self.shapes)
        self._order = 0

    def image(self, node: Node) -> None:
        """Read one ``<image>``. Raises `FormatError`."""
        row = len(self._columns["id"])
        name = node.attrib.get("name", "")
        place = f"image {name or row!r}"
        if not name:
            raise no_name(self._path, place)
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
            group = group_of(child, self._path, at)
            members = groups[group]
            order = self._order
            own_box = child.tag == "box" and members == _PAIR
            self._order += child.tag in ("skeleton", "points", "box") and not own_box
            if child.tag == "skeleton":
                label = child.attrib.get("label", "")
                owner = self.shapes.skeleton(child, label, row, order, at)
                self._loose.note_group(owner, group, paired=members == _PAIR)
                owners[group] = (owner, len(owner) - 1)
            elif child.tag == "points":
                self._loose.points(Loose(child, row, order, at))
            elif own_box:
                boxes[group] = child
            elif child.tag == "box" and members["box"] == 1 and members.keys() == {"box", "points"}:
                self._loose.box_of_points(Loose(child, row, order, at), group)
            elif child.tag == "box":
                self._loose.box(Loose(child, row, order, at))
            else:
                others.append([index, child.to_value()])
        for group, box in boxes.items():
            owner, mine = owners[group]
            self._loose.own_box(owner, box, place, mine)
        if others:
            self._extra(SHAPES, row, others)

    def _groups(self, node: Node, place: str) -> dict[int, Counter[str]]:
        """Count who is in each group of an image; group 0 is no group."""
        groups: dict[int, Counter[str]] = {0: Counter(none=1)}
        for child in node.children:
            group = group_of(child, self._path, place)
            if group:
                groups.setdefault(group, Counter())[child.tag] += 1
        return groups

    def finish(self) -> ImageTable:
        """Read what could not be read before the last image, and return the table of images."""
        self._loose.finish()
        rows = len(self._columns["id"])
        extras = {
            key: RawColumn(values.get(row) for row in range(rows))
            for key, values in self._extras.items()
        }
        return ImageTable.of(self._columns.pop("file_name"), **self._columns, extras=extras)

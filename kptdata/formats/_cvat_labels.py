"""The labels of a CVAT file: which skeletons there are, and what their points are called.

Sublabels are labels with a ``<parent>``. The order of the points and the lines between them stand
only in the drawing of a skeleton, a text of SVG elements with nodes that count from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kptdata.errors import FormatError
from kptdata.formats._named_points import Points
from kptdata.formats._xml import Node, escaped, fragment
from kptdata.schema import Schema

__all__ = ["Label", "label_nodes", "labels_of", "new_meta", "task_of"]

_GRAPHS = ("skeleton", "any")


@dataclass(frozen=True)
class Label:
    """A label without a parent.

    Attributes:
        name: of the label.
        kind: ``skeleton``, ``points``, ``rectangle``, ...
        names: of the points of a skeleton, in the order of its drawing.
        links: pairs of names that the drawing joins.
        nodes: its own element, and those of its sublabels.
    """

    name: str
    kind: str
    names: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    nodes: tuple[Node, ...]

    @property
    def points(self) -> Points:
        """What a schema is made of."""
        return Points(self.names, title=self.name, links=self.links)


def task_of(meta: Node | None) -> Node:
    """Return the task, project or job that a file describes; an empty one if none is."""
    for tag in ("task", "project", "job"):
        found = meta.find(tag) if meta is not None else None
        if found is not None:
            return found
    return Node("task")


def labels_of(meta: Node | None, path: Path) -> dict[str, Label]:
    """Return the labels without a parent, by name, in the order of the file.

    Raises:
        FormatError: two labels have one name, or the drawing of a skeleton contradicts its points.
    """
    listed = task_of(meta).find("labels")
    nodes = [] if listed is None else [n for n in listed.children if n.tag == "label"]
    below: dict[str, list[Node]] = {}
    for node in nodes:
        if node.said("parent"):
            below.setdefault(node.said("parent"), []).append(node)
    found: dict[str, Label] = {}
    for node in nodes:
        name = node.said("name")
        if node.said("parent"):
            continue
        if name in found:
            raise FormatError(
                "two labels have one name", path=path, place="labels", found=repr(name)
            )
        found[name] = _label(node, name, below.get(name, []), path)
    return found


def _label(node: Node, name: str, below: list[Node], path: Path) -> Label:
    kind = node.said("type")
    nodes = (node, *below)
    own = tuple(child.said("name") for child in below)
    if kind not in _GRAPHS and not own:
        return Label(name, kind, (), (), nodes)
    place = f"label {name!r}"
    drawn, links = _drawing(node, path, place)
    if not drawn:
        return Label(name, "skeleton" if own else kind, own, (), nodes)
    if own and sorted(own) != sorted(drawn):
        raise FormatError(
            "the drawing of the skeleton has other points than its sublabels",
            path=path,
            place=place,
            expected=", ".join(sorted(own))[:200],
            found=", ".join(sorted(drawn))[:200],
            fix="correct the <svg> of the label",
        )
    return Label(name, "skeleton", drawn, links, nodes)


def _drawing(
    node: Node, path: Path, place: str
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return names in the order of the drawing and links; nothing where it does not name points."""
    text = node.said("svg")
    elements = fragment(text, path, place) if text else []
    numbers: dict[str, str] = {}
    for element in elements:
        name = element.attrib.get("data-label-name")
        if element.tag == "circle" and name is not None:
            number = element.attrib.get("data-node-id", str(len(numbers) + 1))
            if number in numbers or name in numbers.values():
                raise FormatError(
                    "a point of the drawing is there twice", path=path, place=place, found=name
                )
            numbers[number] = name
    links = []
    for element in elements:
        ends = (element.attrib.get("data-node-from"), element.attrib.get("data-node-to"))
        if element.tag == "line" and None not in ends:
            pair = tuple(numbers.get(str(end)) for end in ends)
            if numbers and None not in pair and pair[0] != pair[1]:
                links.append((str(pair[0]), str(pair[1])))
    return tuple(numbers.values()), tuple(dict.fromkeys(links))


# Writing


def new_meta(
    kept: Node | None,
    classes: Sequence[tuple[str, Schema]],
    boxes: Sequence[str],
    path: Path,
    task: Mapping[str, str],
) -> Node:
    """Return the description of a task: what was kept of one, with these labels.

    Args:
        kept: the description that the data was read with.
        classes: name and schema of each class; without points it is a rectangle.
        boxes: labels of rectangles beside the skeletons.
        path: the file, for messages.
        task: tag -> text of what a new description says; a kept one keeps its own, but for sizes.
    """
    known = labels_of(kept, path) if kept is not None else {}
    nodes: list[Node] = []
    for name, schema in classes:
        label = known.pop(name, None)
        same = label is not None and sorted(label.names) == sorted(schema.names)
        nodes += label.nodes if same and label is not None else label_nodes(name, schema)
    for label in known.values():
        nodes += label.nodes
    told = {name for name, _ in classes} | set(known)
    if kept is not None and _all_kept(kept, classes, boxes, path):
        return kept
    for name in dict.fromkeys(boxes):
        if name not in told:
            nodes += [_label_node(name, "rectangle", "#00ffff")]
    labels = Node("labels", children=nodes)
    old = task_of(kept) if kept is not None else Node("task")
    children = [c for c in old.children if c.tag != "labels"]
    told_of = {c.tag for c in children}
    for tag, text in task.items():
        if tag not in told_of:
            children.append(Node(tag, text=text))
    rest = [c for c in kept.children if c.tag != old.tag] if kept is not None else []
    return Node("meta", children=[Node(old.tag, children=[*children, labels]), *rest])


def _all_kept(
    kept: Node, classes: Sequence[tuple[str, Schema]], boxes: Sequence[str], path: Path
) -> bool:
    known = labels_of(kept, path)
    return set(boxes) <= known.keys() and all(
        name in known and sorted(known[name].names) == sorted(schema.names)
        for name, schema in classes
    )


def label_nodes(name: str, schema: Schema) -> Iterator[Node]:
    """Yield the elements of a new label: a skeleton with its sublabels, or a rectangle."""
    if not schema.num_keypoints:
        yield _label_node(name, "rectangle", "#00ffff")
        return
    yield _label_node(name, "skeleton", "#ff0000", svg=_svg(schema))
    for point in schema.keypoints:
        yield _label_node(point.name, "points", point.colour, parent=name)


def _label_node(name: str, kind: str, colour: str, **more: str) -> Node:
    said = {"name": name, "color": colour, "type": kind, "attributes": "", **more}
    return Node("label", children=[Node(tag, text=text) for tag, text in said.items()])


def _svg(schema: Schema) -> str:
    """Return the drawing: points where the schema draws them, else on a circle; lines first."""
    places = [_place(schema, k) for k in range(schema.num_keypoints)]
    parts = []
    for start, end in schema.link_indices.tolist():
        (x1, y1), (x2, y2) = places[start], places[end]
        parts.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" data-type="edge" '
            f'data-node-from="{start + 1}" data-node-to="{end + 1}"></line>'
        )
    for number, (point, (x, y)) in enumerate(zip(schema.keypoints, places, strict=True), 1):
        name = escaped(point.name, Path(schema.name))
        parts.append(
            f'<circle r="0.75" cx="{x}" cy="{y}" data-type="element node" '
            f'data-element-id="{number}" data-node-id="{number}" data-label-name="{name}"></circle>'
        )
    return "".join(parts)


def _place(schema: Schema, k: int) -> tuple[float, float]:
    at: Any = schema.keypoints[k].at
    if at is not None:
        return round(5 + 90 * at[0], 2), round(5 + 90 * at[1], 2)
    angle = 2 * math.pi * k / schema.num_keypoints
    return round(50 + 40 * math.sin(angle), 2), round(50 - 40 * math.cos(angle), 2)

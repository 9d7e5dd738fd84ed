"""Which points OpenPose's lists hold: a body of one of three kinds, a face, two hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kptdata.schema import Keypoint, Schema, load_schema

__all__ = ["BODIES", "BODY", "PARTS", "Layout", "known_layout", "layout_for"]

BODY = "pose"
PARTS: Mapping[str, int] = {"face": 70, "hand_left": 21, "hand_right": 21}
"""Part beside the body -> number of points."""

BODIES: Mapping[int, str] = {25: "body25", 18: "coco_openpose", 15: "openpose_mpi"}
"""Number of points of a body -> its schema."""

_WHOLE = "openpose_wholebody"
_FACE = "openpose_face"
_WRISTS = {"LWrist": "left_wrist", "RWrist": "right_wrist"}


@dataclass(frozen=True)
class Layout:
    """A schema and where each list's points are in it.

    Attributes:
        schema: the points.
        rows: part -> its points' rows in the schema, in the order of the list.
    """

    schema: Schema
    rows: Mapping[str, NDArray[np.intp]]

    @property
    def body(self) -> int:
        """How many points the body has, 0 for none."""
        return len(self.rows.get(BODY, ()))


@cache
def layout_for(body: int, *, whole: bool) -> Layout:
    """Return the layout of a body of so many points (0 for none), with face and hands or not."""
    if not whole and body:
        return _of(load_schema(BODIES[body]), body, {})
    if body == 25:
        return _of(load_schema(_WHOLE), body, PARTS)
    return _of(_composed(body), body, PARTS)


def _of(schema: Schema, body: int, parts: Mapping[str, int]) -> Layout:
    rows: dict[str, NDArray[np.intp]] = {}
    start = 0
    for part, size in {BODY: body, **parts}.items():
        if size:
            rows[part] = np.arange(start, start + size)
            start += size
    return Layout(schema, rows)


def _composed(body: int) -> Schema:
    """Return a body other than BODY_25, or none, with the face and the hands of the whole body."""
    whole = load_schema(_WHOLE)
    own = load_schema(BODIES[body]) if body else None
    wrists = {p.canonical: p.name for p in own.keypoints} if own is not None else {}
    added = [_hung(point, wrists) for point in whole.keypoints[25:]]
    names = {point.name for point in added}
    links = tuple(link for link in whole.links if link.start in names and link.end in names)
    normalisers = {k: n for k, n in whole.normalisers.items() if set(n.points) <= names}
    if own is None:
        title = "OpenPose output with face and hands, 112 points"
        return replace(
            whole, name="openpose_face_hands", title=title, keypoints=tuple(added), links=links,
            formulas={}, normalisers=normalisers,
        )  # fmt: skip
    return replace(
        own,
        name=f"{own.name}_face_hands",
        title=f"{own.title}, with face and hands",
        keypoints=(*(replace(point, sigma=None) for point in own.keypoints), *added),
        links=(*own.links, *links),
        sigma_source=None,
        preferred=False,
        normalisers={**normalisers, **own.normalisers},
    )


def _hung(point: Keypoint, wrists: Mapping[str, str]) -> Keypoint:
    """Return a point of a hand as a child of this body's wrist."""
    if point.parent not in _WRISTS:
        return point
    return replace(point, parent=wrists.get(_WRISTS[point.parent]))


@cache
def _known() -> Mapping[frozenset[str], Layout]:
    found = [layout_for(body, whole=whole) for whole in (False, True) for body in BODIES]
    found.append(layout_for(0, whole=True))
    found.append(_of(load_schema(_FACE), 0, {"face": PARTS["face"]}))
    return {frozenset(layout.schema.names): layout for layout in found}


def known_layout(schema: Schema) -> Layout | None:
    """Return the layout of a schema that has exactly the points of one, in whatever order."""
    found = _known().get(frozenset(schema.names))
    if found is None or schema == found.schema:
        return found
    order = np.array([schema.index(name) for name in found.schema.names], np.intp)
    return Layout(schema, {part: order[rows] for part, rows in found.rows.items()})

"""The header of a wide CSV: what each column holds, by its name and never by its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

__all__ = ["BOX", "JSON", "Role", "beside", "plain", "point_names", "roles_of"]


class Role(NamedTuple):
    """What a column holds.

    Kinds: ``x``, ``y``, ``state``, ``point_score`` of the point `key`; ``box`` (`key` x, y, w, h)
    or ``corner`` (left, top, right, bottom); ``value`` of the column `key` of a dataset; ``image``
    for the column `key` of its images; ``number`` and ``place`` for a named number and for the x or
    y of the named point "center"; ``json`` and ``extra`` for the extra `key`, as JSON or as text.
    """

    kind: str
    key: str


JSON = ":json"
"""End of the name of a column whose cells are JSON texts."""

BOX = ("x", "y", "w", "h")
_CORNERS = ("left", "top", "right", "bottom")

_FIELDS: Mapping[str, str] = {
    "x": "x",
    "y": "y",
    "v": "state",
    "vis": "state",
    "visibility": "state",
    "score": "point_score",
    "likelihood": "point_score",
    "confidence": "point_score",
    "conf": "point_score",
    "prob": "point_score",
}
"""Word in the name of a column -> kind of what it says about a point."""

_FIELD = "|".join(sorted(_FIELDS, key=len, reverse=True))
_STYLES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<name>.*[^\s_.:-])[\s_.:-]+(?P<field>{_FIELD})",  # nose_x
        rf"(?P<field>{_FIELD})[\s_.:-]+(?P<name>[^\s_.:-].*)",  # x_nose
        rf"(?P<field>{_FIELD})(?P<name>[0-9]+)",  # x0
    )
)

_VALUES: Mapping[Role, tuple[str, ...]] = {
    Role("image", "file_name"): (
        "file_name", "filename", "image_file_name", "image_name", "image_file", "image_filename",
        "image_path", "img_name", "img_path", "filepath", "file_path", "path", "image", "img",
        "file",
    ),
    Role("image", "id"): ("image_id", "img_id"),
    Role("image", "sequence"): ("video", "sequence", "video_name"),
    Role("image", "frame"): ("frame", "frame_idx", "frame_index", "frame_id", "frame_number"),
    Role("image", "width"): ("image_width", "img_width", "width"),
    Role("image", "height"): ("image_height", "img_height", "height"),
    Role("value", "id"): ("id", "instance_id", "annotation_id", "ann_id"),
    Role("value", "track"): ("track", "track_id"),
    Role("value", "category"): ("category", "category_name", "class", "class_name", "label"),
    Role("value", "category_id"): ("category_id", "class_id"),
    Role("value", "score"): ("score", "instance_score", "confidence"),
    Role("value", "area"): ("area",),
    Role("value", "iscrowd"): ("iscrowd", "is_crowd"),
    Role("value", "bbox_source"): ("bbox_source",),
    Role("value", "area_source"): ("area_source",),
    Role("value", "answers"): ("answers",),
}  # fmt: skip
"""Role -> names, the surest first: where two columns have one role, the other is an extra."""

_BOXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("box", ("bbox_x", "bbox_y", "bbox_w", "bbox_h")),
    ("box", ("bbox_x", "bbox_y", "bbox_width", "bbox_height")),
    ("box", ("bbox_left", "bbox_top", "bbox_width", "bbox_height")),
    ("box", ("box_x", "box_y", "box_w", "box_h")),
    ("box", ("x", "y", "w", "h")),
    ("box", ("x", "y", "width", "height")),
    ("corner", ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")),
    ("corner", ("bbox_xmin", "bbox_ymin", "bbox_xmax", "bbox_ymax")),
    ("corner", ("xmin", "ymin", "xmax", "ymax")),
    ("corner", ("x_min", "y_min", "x_max", "y_max")),
    ("corner", ("left", "top", "right", "bottom")),
    ("corner", ("x1", "y1", "x2", "y2")),
)
_FACES = ("scale", "center_w", "center_h")
"""Columns of the tables of faces (300W, WFLW, AFLW, COFW) that HRNet is trained on."""


def plain(name: str) -> str:
    """Return a name without differences of spelling: ``File Name`` is ``file_name``."""
    return re.sub(r"[\s._-]+", "_", name.strip().lower())


def roles_of(header: Sequence[str]) -> tuple[Role, ...]:
    """Return what each column of a header holds."""
    names = [plain(name) for name in header]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    found = dict(_boxes(first))
    if all(name in first for name in _FACES):
        found |= {first["center_w"]: Role("place", "x"), first["center_h"]: Role("place", "y")}
        numbers = [name for name in ("scale", "box_size") if name in first]
        found |= {first[name]: Role("number", name) for name in numbers}
    for role, spellings in _VALUES.items():
        place = next((first[s] for s in spellings if first.get(s, -1) not in (-1, *found)), None)
        if place is not None:
            found[place] = role
    found |= _points([name if place not in found else "" for place, name in enumerate(header)])
    return tuple(found.get(place) or _extra(name) for place, name in enumerate(header))


def _extra(name: str) -> Role:
    if name.endswith(JSON):
        return Role("json", name.removesuffix(JSON))
    return Role("extra", name)


def _boxes(first: Mapping[str, int]) -> Iterator[tuple[int, Role]]:
    for kind, names in _BOXES:
        numbered = names[0] == "x1" and ("x0" in first or "x3" in first)
        if all(name in first for name in names) and not numbered:
            keys = BOX if kind == "box" else _CORNERS
            for name, key in zip(names, keys, strict=True):
                yield first[name], Role(kind, key)
            return


def _points(header: Sequence[str]) -> dict[int, Role]:
    """Return the columns of points, in the one way of naming them that gives the most points."""
    found = [_points_in(header, style) for style in _STYLES]
    return max(found, key=lambda roles: sum(role.kind == "x" for role in roles.values()))


def _points_in(header: Sequence[str], style: re.Pattern[str]) -> dict[int, Role]:
    places: dict[Role, int] = {}
    for place, name in enumerate(header):
        match = style.fullmatch(name.strip())
        if match is not None:
            role = Role(_FIELDS[match["field"].lower()], match["name"])
            places.setdefault(role, place)
    whole = {r.key for r in places if r.kind == "x" and Role("y", r.key) in places}
    return {place: role for role, place in places.items() if role.key in whole}


def point_names(roles: Sequence[Role]) -> tuple[str, ...]:
    """Return the names of points in the order of their x."""
    return tuple(role.key for role in roles if role.kind == "x")


def beside(header: str, word: str) -> str:
    """Return the name of a column beside that of an x: ``x_nose`` and ``v`` give ``v_nose``."""
    for style in _STYLES:
        match = style.fullmatch(header.strip())
        if match is not None and match["field"].lower() == "x":
            whole = match.string
            return whole[: match.start("field")] + word + whole[match.end("field") :]
    return f"{header}_{word}"

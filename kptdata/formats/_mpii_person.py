"""One person of MPII's ``annorect``: the struct's fields to typed values and back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.formats._mat_values import (
    EMPTY,
    Value,
    WrongValueError,
    matrix,
    number,
    record,
    struct,
    struct_columns,
)
from kptdata.formats._mpii_box import ORIGIN
from kptdata.visibility import Visibility

__all__ = ["FLAGS", "HEAD", "TYPED", "People", "Person", "people", "read_person", "typed_fields"]

HEAD = ("x1", "y1", "x2", "y2")
TYPED = (*HEAD, "annopoints", "scale", "objpos")
"""The fields that the columns hold, in the release's order."""

NUM_POINTS = 16
_POINT = ("x", "y", "id", "is_visible")

FLAGS = ("number", "text '1'", "text '0'", "empty", "absent")
"""How ``is_visible`` may be written; counted while reading."""

_STATES: Mapping[float | None, Visibility] = {0.0: Visibility.OCCLUDED, 1.0: Visibility.VISIBLE}
_TEXTS = {"0": Visibility.OCCLUDED, "1": Visibility.VISIBLE}


class Person(NamedTuple):
    """What one struct says, in the file's frame.

    Attributes:
        points: id, x, y, state of each point, in the file's order.
        head: x1, y1, x2, y2, or NaN.
        scale: or NaN.
        objpos: x, y, or NaN.
        held: fields of which these say everything.
    """

    points: Sequence[tuple[int, float, float, int]]
    head: tuple[float, ...]
    scale: float
    objpos: tuple[float, ...]
    held: frozenset[str]


class People(NamedTuple):
    """N people in pixels counted from 0; NaN where something is missing.

    Attributes:
        xy: (N, 16, 2).
        visibility: (N, 16).
        head: (N, 4) xywh.
        scale: (N,).
        objpos: (N, 2).
    """

    xy: NDArray[np.float64]
    visibility: NDArray[np.uint8]
    head: NDArray[np.float64]
    scale: NDArray[np.float64]
    objpos: NDArray[np.float64]


def read_person(fields: Mapping[str, Value], facts: Counter[str]) -> Person:
    """Read the fields of one person; count in `facts` how visibility is written.

    Raises:
        WrongValueError: a field is not what it should be.
    """
    points, all_points = _points(fields.get("annopoints", EMPTY), facts)
    head, all_head = _numbers(fields, HEAD, "")
    place = record(fields.get("objpos", EMPTY), "objpos") or {}
    objpos, all_place = _numbers(place, ("x", "y"), "objpos.")
    scale = number(fields.get("scale", EMPTY), "scale")
    held = {"scale"}
    held |= {"annopoints"} if all_points else set()
    held |= set(HEAD) if all_head else set()
    held |= {"objpos"} if all_place else set()
    return Person(points, head, math.nan if scale is None else scale, objpos, frozenset(held))


def _numbers(
    fields: Mapping[str, Value], names: Sequence[str], prefix: str
) -> tuple[tuple[float, ...], bool]:
    """Return numbers that stand together, NaN unless all are there; and whether that is all."""
    found = [number(fields.get(name, EMPTY), prefix + name) for name in names]
    known = [v for v in found if v is not None]
    complete = len(known) == len(names) and all(map(math.isfinite, known))
    nothing_else = not prefix or set(fields) <= set(names)
    values = tuple(known) if complete else (math.nan,) * len(names)
    return values, nothing_else and (complete or not known)


def _points(
    value: Value, facts: Counter[str]
) -> tuple[Sequence[tuple[int, float, float, int]], bool]:
    outer = record(value, "annopoints")
    if outer is None:
        return (), True
    columns, count = struct_columns(outer.get("point", EMPTY), "annopoints.point")
    if not count:
        return (), set(outer) <= {"point"}
    for name in _POINT[:3]:
        if name not in columns:
            raise WrongValueError(f"annopoints.point.{name}", "a number", EMPTY)
    flags = columns.get("is_visible", [None] * count)
    points = []
    seen: set[int] = set()
    for number_, x, y, flag in zip(columns["id"], columns["x"], columns["y"], flags, strict=True):
        index = _point_id(number_, seen)
        points.append((index, _coordinate(x, "x"), _coordinate(y, "y"), _state(flag, facts)))
    return points, set(outer) <= {"point"} and set(columns) <= set(_POINT)


def _point_id(value: Value, seen: set[int]) -> int:
    found = number(value, "annopoints.point.id")
    if found is None or not (0 <= found < NUM_POINTS and found == int(found)):
        raise WrongValueError("annopoints.point.id", "a whole number from 0 to 15", value)
    if int(found) in seen:
        raise WrongValueError("annopoints.point.id", "each id once", value)
    seen.add(int(found))
    return int(found)


def _coordinate(value: Value, axis: str) -> float:
    found = number(value, f"annopoints.point.{axis}")
    if found is None or not math.isfinite(found):
        raise WrongValueError(f"annopoints.point.{axis}", "a finite number", value)
    return found


def _state(flag: Value | None, facts: Counter[str]) -> int:
    if flag is None:
        facts["absent"] += 1
        return Visibility.LABELLED
    if isinstance(flag, str):
        # In Python bool('0') is true, in MATLAB '0' is 48: the text is what its digit says.
        state = _TEXTS.get(flag)
        facts[f"text '{flag}'"] += 1
    elif flag == EMPTY or not matrix(flag).size:
        facts["empty"] += 1
        return Visibility.LABELLED
    else:
        state = _STATES.get(number(flag, "annopoints.point.is_visible"))
        facts["number"] += 1
    if state is None:
        raise WrongValueError("annopoints.point.is_visible", "0, 1, '0', '1' or nothing", flag)
    return state


def people(found: Sequence[Person]) -> People:
    """Put people into arrays, in pixels counted from 0."""
    count = len(found)
    xy = np.full((count, NUM_POINTS, 2), np.nan)
    visibility = np.zeros((count, NUM_POINTS), np.uint8)
    rows = np.repeat(np.arange(count), [len(person.points) for person in found])
    listed = [point for person in found for point in person.points]
    if listed:
        index, x, y, state = map(np.array, zip(*listed, strict=True))
        xy[rows, index] = np.stack([x, y], axis=1) - ORIGIN
        visibility[rows, index] = state
    corners = np.array([person.head for person in found], np.float64).reshape(count, 4)
    head = np.concatenate([corners[:, :2] - ORIGIN, corners[:, 2:] - corners[:, :2]], axis=1)
    objpos = np.array([person.objpos for person in found], np.float64).reshape(count, 2) - ORIGIN
    scale = np.array([person.scale for person in found], np.float64)
    return People(xy, visibility, head, scale, objpos)


# Back


def typed_fields(these: People, row: int) -> dict[str, Value]:
    """Return the fields of one person as the release has them, all numbers double."""
    corner = these.head[row, :2] + ORIGIN
    fields = _fields(HEAD, [*corner, *(corner + these.head[row, 2:])])
    fields["annopoints"] = _annopoints(these.xy[row] + ORIGIN, these.visibility[row])
    fields |= _fields(("scale",), [these.scale[row]])
    place = _fields(("x", "y"), these.objpos[row] + ORIGIN)
    fields["objpos"] = EMPTY if place["x"] is EMPTY else place
    return fields


def _fields(names: Sequence[str], values: Iterable[float]) -> dict[str, Value]:
    """Name numbers that stand together; all are empty unless all are finite."""
    listed = list(map(float, values))
    if not all(map(math.isfinite, listed)):
        return dict.fromkeys(names, EMPTY)
    return dict(zip(names, listed, strict=True))


def _annopoints(xy: NDArray[np.float64], visibility: NDArray[np.uint8]) -> Value:
    flags = {Visibility.OCCLUDED: 0.0, Visibility.VISIBLE: 1.0, Visibility.LABELLED: EMPTY}
    rows = [
        (x, y, float(index), flags[Visibility(state)])
        for index, ((x, y), state) in enumerate(zip(xy.tolist(), visibility.tolist(), strict=True))
        if state in flags
    ]
    if not rows:
        return EMPTY
    columns = dict(zip(_POINT, map(list, zip(*rows, strict=True)), strict=True))
    return {"point": struct(columns, (1, len(rows)))}

"""Lists of MediaPipe landmarks to rows of x, y, z, visibility and presence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FormatError
from kptdata.formats._json import kind_of
from kptdata.formats._long_numbers import LongFloat
from kptdata.schema import Schema, load_schema

__all__ = [
    "FIELDS",
    "SIZES",
    "Landmarks",
    "is_extra",
    "known_kind",
    "landmarks_of",
    "people_in",
    "schema_of",
]

Floats = NDArray[np.float64]

FIELDS = ("x", "y", "z", "visibility", "presence")
SIZES: Mapping[str, tuple[int, ...]] = {"pose": (33,), "hand": (21,), "face": (468, 478)}
"""Kind -> how many landmarks it may have."""

_INDEX = ("index", "id", "point_index", "landmark_index")
_ALIASES = {"v": "visibility", "p": "presence", "score": "visibility"}
_FAR = 1e12  # nothing is so many pictures, or metres, away


class Landmarks(NamedTuple):
    """The landmarks of a pose, a hand or a face.

    Attributes:
        values: (K, 5) of `FIELDS`, NaN where there is none.
        others: row -> other keys of the point.
        long: row, axis and text of places with more digits than a float64 holds.
    """

    values: Floats
    others: dict[int, dict[str, Any]]
    long: tuple[tuple[int, int, str], ...] = ()


def is_extra(key: str) -> bool:
    """Tell whether a key of a point is none that a reader takes for something of its own."""
    return key not in (*FIELDS, *_ALIASES, *_INDEX, "name")


def _kind_of_size(size: int) -> str:
    """Return what has so many landmarks, empty for nothing."""
    return next((kind for kind, sizes in SIZES.items() if size in sizes), "")


@cache
def schema_of(kind: str, size: int) -> Schema:
    """Return the schema of a kind. A face's landmarks are numbered, nothing is known of pairs."""
    if kind != "face":
        return load_schema(f"mediapipe_{kind}")
    names = [f"mediapipe_face_{k}" for k in range(size)]
    return Schema.from_names(names, name=f"mediapipe_face{size}")


def known_kind(schema: Schema) -> tuple[str, int] | None:
    """Return kind and size of a schema that has exactly the landmarks of one, in any order."""
    for kind, sizes in SIZES.items():
        for size in sizes:
            if schema.num_keypoints == size:
                same = frozenset(schema_of(kind, size).names) == frozenset(schema.names)
                return (kind, size) if same else None
    return None


@cache
def _rows(kind: str, size: int) -> Mapping[str, int]:
    names = schema_of(kind, size).names
    rows = {_plain(name): row for row, name in enumerate(names)}
    if kind == "hand":  # the interface's own names say which finger it is
        rows |= {_plain(n.replace("_", "_finger_")): row for row, n in enumerate(names) if row > 4}
    return rows


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def people_in(value: Any, path: Path, place: str) -> list[Any]:
    """Return the lists of landmarks of a key: of nobody, one or several; None for a missing one.

    Raises:
        FormatError: it is something else.
    """
    value = _unwrapped(value)
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError("no landmarks", path=path, place=place, expected="a list",
                          found=kind_of(value))  # fmt: skip
    inner = [_unwrapped(each) for each in value]
    if any(_is_people(each) for each in inner):
        return inner
    return [inner] if any(each is not None for each in inner) else inner


def _unwrapped(value: Any) -> Any:
    """Return the list inside of what the older interface's messages are written as."""
    if isinstance(value, dict) and isinstance(value.get("landmark"), list):
        return value["landmark"]
    return value


def _is_people(value: Any) -> bool:
    """Tell whether a value is a list of points, present or not, and no point of some numbers."""
    if not isinstance(value, list):
        return False
    return not 0 < len(value) <= len(FIELDS) or any(isinstance(v, dict | list) for v in value)


def landmarks_of(points: Any, kind: str, path: Path, place: str) -> Landmarks:
    """Return the landmarks of one pose, hand or face.

    Points that carry their names or numbers are placed by these, others by their order.

    Raises:
        FormatError: the list has another length, or a point is none.
    """
    if not isinstance(points, list):
        raise FormatError("no landmarks", path=path, place=place, expected="a list",
                          found=kind_of(points))  # fmt: skip
    kind = kind or _kind_of_size(len(points))
    size = len(points) if len(points) in SIZES.get(kind, ()) else SIZES.get(kind, (0,))[0]
    values = _alike(points)
    if values is not None and len(values) == size:
        return Landmarks(values, {})
    values = np.full((size, len(FIELDS)), np.nan)
    others: dict[int, dict[str, Any]] = {}
    long: list[tuple[int, int, str]] = []
    seen: set[int] = set()
    for index, point in enumerate(points):
        spot = f"{place}[{index}]"
        row, rest = _placed(point, index, kind, size, path, spot)
        if row is None or row in seen or row >= size:
            raise _wrong_number(points, kind, path, place)
        seen.add(row)
        if point is not None:
            found = _values(point, path, spot)
            values[row] = found
            long += [(row, axis, v.text) for axis, v in enumerate(found[:2]) if _is_long(v)]
        if rest:
            others[row] = rest
    if len(seen) != size and not all(_has_place(point) for point in points):
        raise _wrong_number(points, kind, path, place)
    return Landmarks(values, others, tuple(long))


def _is_long(value: float) -> TypeGuard[LongFloat]:
    return isinstance(value, LongFloat)


def _alike(points: Sequence[Any]) -> Floats | None:
    """Return the values of plain points that all have the same keys, None for others."""
    first = points[0] if points else None
    if not isinstance(first, dict) or not first.keys() <= set(FIELDS):
        return None
    keys = first.keys()
    if "x" not in keys or "y" not in keys:
        return None
    if not all(type(point) is dict and point.keys() == keys for point in points):
        return None
    values = np.full((len(points), len(FIELDS)), np.nan)
    for column, name in enumerate(FIELDS):
        if name in keys:
            given = [point[name] for point in points]
            if not set(map(type, given)) <= {int, float} or max(map(abs, given)) > _FAR:
                return None
            values[:, column] = given
    return values


def _placed(
    point: Any, index: int, kind: str, size: int, path: Path, place: str
) -> tuple[int | None, dict[str, Any]]:
    """Return the row of a point, and its keys that say something else."""
    if not isinstance(point, dict):
        return index, {}
    rest = {k: v for k, v in point.items() if k not in FIELDS and k not in _ALIASES}
    for key in _INDEX:
        if type(rest.get(key)) is int and 0 <= rest[key] < max(size, 1):
            index = rest.pop(key)
            break
    name = rest.get("name")
    if not isinstance(name, str):
        return index, rest
    del rest["name"]
    row = _rows(kind, size).get(_plain(name)) if size else None
    if row is None:
        raise FormatError(
            "no landmark has this name",
            path=path,
            place=place,
            expected=f"a name of {schema_of(kind, size).name}" if size else "a known kind",
            found=repr(name)[:40],
        )
    return row, rest


def _has_place(point: Any) -> bool:
    return isinstance(point, dict) and ("name" in point or any(key in point for key in _INDEX))


def _values(point: Any, path: Path, place: str) -> list[float]:
    if isinstance(point, list) and 2 <= len(point) <= len(FIELDS):
        given = dict(zip(FIELDS, point, strict=False))
    elif isinstance(point, dict) and "x" in point and "y" in point:
        given = {_ALIASES.get(str(key), str(key)): value for key, value in point.items()}
    else:
        raise FormatError("no landmark", path=path, place=place, expected="x and y",
                          found=repr(point)[:40])  # fmt: skip
    values = [_number(given.get(name), name, path, place) for name in FIELDS]
    if math.isnan(values[0]) or math.isnan(values[1]):  # nothing of it is a place
        return [math.nan] * len(FIELDS)
    return values


def _number(value: Any, name: str, path: Path, place: str) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float, LongFloat) or abs(value) > _FAR:
        raise FormatError("no number", path=path, place=f"{place}.{name}",
                          found=repr(value)[:40])  # fmt: skip
    return value if _is_long(value) else float(value)


def _wrong_number(points: Sequence[Any], kind: str, path: Path, place: str) -> FormatError:
    wanted = (
        " or ".join(map(str, SIZES[kind]))
        if kind
        else "33 of a pose, 21 of a hand, 468 or 478 of a face"
    )
    return FormatError(
        f"not the landmarks of a {kind}" if kind else "neither a pose, a hand nor a face",
        path=path,
        place=place,
        expected=f"{wanted}, each once; null for one that is missing",
        found=f"{len(points)}",
        fix="give each point its 'name', or export all of them",
    )

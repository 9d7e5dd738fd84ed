"""OpenPose files to columns: lists of x, y, confidence and of x, y, z, confidence."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FormatError, SchemaError
from kptdata.formats._json import kind_of
from kptdata.formats._named_points import unnamed_points
from kptdata.formats._openpose_layout import (
    BODIES,
    BODY,
    PARTS,
    Layout,
    known_layout,
    layout_for,
)
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = [
    "SCORE_3D",
    "VERSION",
    "Form",
    "Frame",
    "Group",
    "People",
    "columns_2d",
    "columns_3d",
    "default_form",
    "list_key",
    "read_frame",
]

Floats = NDArray[np.float64]
Form = dict[str, str]
"""Key of a person -> how it is filled: ``list``, ``empty`` or ``null``."""

VERSION = 1.3
SCORE_3D = "keypoints:xyz_score"
"""Numbers of an instance: the confidences of its 3D points."""


def list_key(part: str, dims: int) -> str:
    """Return the key of a list of points."""
    return f"{part}_keypoints_{dims}d"


_KEYS = ["person_id", *(list_key(part, dims) for dims in (2, 3) for part in (BODY, *PARTS))]
_LISTS = {list_key(part, dims): (part, dims) for dims in (2, 3) for part in (BODY, *PARTS)}
_LISTS |= {f"{part}_keypoints": (part, 2) for part in (BODY, *PARTS)}  # before version 1.2


def default_form(layout: Layout) -> Form:
    """Return the form that people have without a note."""
    filled = {list_key(part, 2) for part in layout.rows} | {"person_id"}
    return {key: "list" if key in filled else "empty" for key in _KEYS}


# A file


@dataclass
class Frame:
    """A file: one picture.

    Attributes:
        people: as they are in the file.
        version: what it says of itself, None for nothing.
        size: width and height of the canvas that some tools state, 0 where not.
        scale: what its coordinates are, where it says so, as the tool numbers it.
        candidates: raw candidates of points, if they are there.
        others: what else it says.
        form: of its first person.
    """

    people: list[dict[str, Any]]
    version: Any = None
    size: tuple[int, int] = (0, 0)
    scale: int | None = None
    candidates: Any = None
    others: dict[str, Any] = field(default_factory=dict)
    form: Form | None = None


def read_frame(found: Any, path: Path) -> Frame:
    """Take a file apart.

    Raises:
        FormatError: it is not OpenPose's.
    """
    people = found.get("people") if isinstance(found, dict) else None
    if not isinstance(people, list):
        raise FormatError(
            "no OpenPose file",
            path=path,
            expected="an object with a list of 'people'",
            found=kind_of(found),
            fix="name the format that it is in, or move the file elsewhere",
        )
    for index, person in enumerate(people):
        if not isinstance(person, dict):
            place = f"people[{index}]"
            raise FormatError("no person", path=path, place=place, found=kind_of(person))
    rest = dict(found)
    del rest["people"]
    size = (rest.get("canvas_width"), rest.get("canvas_height"))
    if all(type(side) is int and 0 < side < 2**31 for side in size):
        del rest["canvas_width"], rest["canvas_height"]
    else:
        size = (0, 0)
    scale = rest.get("keypoint_scale")
    if type(scale) is int and 0 <= scale <= 4:
        del rest["keypoint_scale"]
    else:
        scale = None
    return Frame(
        people,
        version=rest.pop("version", None),
        size=size,  # type: ignore[arg-type]
        scale=scale,
        candidates=rest.pop("part_candidates", None),
        others=rest,
        form=_form(people[0]) if people else None,
    )


def _form(person: Mapping[str, Any]) -> Form:
    return {
        key: "null" if value is None else "empty" if value == [] else "list"
        for key, value in person.items()
        if key in _LISTS or key == "person_id"
    }


# People


class Group(NamedTuple):
    """People with one kind of body, and their points as the lists have them.

    Attributes:
        layout: what the points are.
        members: (n,) which people, in the order in which they were added.
        flat: (n, K, 3) x, y and confidence, 0 where there is nothing.
        deep: (n, K, 4) x, y, z and confidence; None where no list has any.
    """

    layout: Layout
    members: NDArray[np.intp]
    flat: Floats
    deep: Floats | None


class People:
    """All people of the files.

    Args:
        schema: what the caller wants their points to be; None for what the lists say.
    """

    def __init__(self, schema: Schema | None) -> None:
        self.images: list[int] = []
        self.tracks: list[int] = []
        self.others: dict[int, dict[str, Any]] = {}
        self._bodies: list[int] = []
        self._lists: dict[tuple[str, int, int], tuple[array[int], array[float]]] = {}
        self._whole = False
        self._given = None if schema is None else known_layout(schema)
        self._positional = schema is not None and self._given is None
        if schema is not None and self._given is None:
            rows = {BODY: np.arange(schema.num_keypoints)} if schema.num_keypoints else {}
            self._given = Layout(schema, rows)

    def add(self, frame: Frame, image: int, path: Path) -> None:
        """Add the people of a file.

        Raises:
            FormatError: a list is no list of points.
            SchemaError: the points are not those of the schema.
        """
        for index, person in enumerate(frame.people):
            number = len(self.images)
            self.images.append(image)
            self.tracks.append(-1)
            self._bodies.append(0)
            for key, value in person.items():
                place = f"people[{index}].{key}"
                if key == "person_id":
                    self.tracks[number] = _track(value, path, place)
                elif key not in _LISTS:
                    self.others.setdefault(number, {})[key] = value
                elif value:
                    self._add_list(number, key, value, path, place)
                elif value not in (None, []):
                    raise _no_list(value, path, place)

    def _add_list(self, number: int, key: str, value: Any, path: Path, place: str) -> None:
        part, dims = _LISTS[key]
        size = _num_points(value, part, dims, path, place)
        if part == BODY:
            self._check_body(size, path, place)
        if self._given is not None and part not in self._given.rows:
            self.others.setdefault(number, {})[key] = value
            return
        if part == BODY:
            self._bodies[number] = size
        else:
            self._whole = True
        stored = (part, size, dims)
        rows, values = self._lists.setdefault(stored, (array("q"), array("d")))
        rows.append(number)
        values.extend(value)

    def _check_body(self, size: int, path: Path, place: str) -> None:
        """Raise `SchemaError` if a body of so many points is not what it should be."""
        if self._given is None:
            if size not in BODIES:
                fix = "write the points of body25 (kpt convert --schema)"
                raise unnamed_points(size, path, place, fix)
        elif BODY in self._given.rows:
            known = size in BODIES and self._positional
            if known or size != self._given.body:
                meant = BODIES.get(size, f"{size} points")
                raise SchemaError(
                    f"the file does not hold the keypoints of {self._given.schema.name}",
                    path=path,
                    place=place,
                    expected=f"{self._given.body} points",
                    found=f"{size}, as {meant} has" if size in BODIES else f"{size}",
                    fix="read it without a schema and map it (kptdata.ops.map_schema, "
                    "kpt convert --schema)",
                )

    def groups(self) -> list[Group]:
        """Return the people in groups of equal points, those of the first person first."""
        met = dict.fromkeys(size for size in self._bodies if size)
        first = next(iter(met), 0)
        bodies = np.array([size or first for size in self._bodies], np.intp)
        if self._given is not None:
            layouts = {first: self._given}
        elif first == 0 and not self._whole:
            layouts = {0: layout_for(25, whole=False)}
        else:
            layouts = {size: layout_for(size, whole=self._whole) for size in met or (0,)}
        return [
            self._group(layout, np.flatnonzero(bodies == size)) for size, layout in layouts.items()
        ]

    def _group(self, layout: Layout, members: NDArray[np.intp]) -> Group:
        place = np.full(len(self._bodies), -1, np.intp)
        place[members] = np.arange(len(members))
        deep = any((part, len(rows), 3) in self._lists for part, rows in layout.rows.items())
        return Group(
            layout,
            members,
            self._filled(layout, place, len(members), 2),
            self._filled(layout, place, len(members), 3) if deep else None,
        )

    def _filled(self, layout: Layout, place: NDArray[np.intp], count: int, dims: int) -> Floats:
        found = np.zeros((count, layout.schema.num_keypoints, dims + 1))
        for part, rows in layout.rows.items():
            numbers, values = self._lists.get((part, len(rows), dims), (array("q"), array("d")))
            if len(numbers):
                at = place[np.frombuffer(numbers, np.int64)]
                points = np.frombuffer(values, np.float64).reshape(-1, len(rows), dims + 1)
                found[at[at >= 0][:, None], rows] = points[at >= 0]
        return found


def _track(value: Any, path: Path, place: str) -> int:
    """Return the number of a person, -1 for none."""
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else -1
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or value >= 2**63:
        raise FormatError(
            "no number of a person",
            path=path,
            place=place,
            expected="a list of one whole number, -1 for none",
            found=repr(value)[:40],
        )
    return max(value, -1)


def _num_points(value: Any, part: str, dims: int, path: Path, place: str) -> int:
    """Return how many points a list has. Raises `FormatError`."""
    if not isinstance(value, list) or not set(map(type, value)) <= {int, float}:
        raise _no_list(value, path, place)
    size, rest = divmod(len(value), dims + 1)
    if rest or (part in PARTS and size != PARTS[part]):
        expected = f"{PARTS[part]} points of" if part in PARTS else "points of"
        raise FormatError(
            "no list of points",
            path=path,
            place=place,
            expected=f"{expected} {dims + 1} numbers each",
            found=f"{len(value)} numbers",
            fix="export the file again",
        )
    if max(map(abs, value)) > 1e300:
        raise FormatError("a number that is too large", path=path, place=place)
    return size


def _no_list(value: Any, path: Path, place: str) -> FormatError:
    within = value if isinstance(value, list) else ()
    odd = next((v for v in within if type(v) not in (int, float)), value)
    return FormatError(
        "no list of points", path=path, place=place, expected="numbers", found=repr(odd)[:40]
    )


# Columns


def columns_2d(flat: Floats) -> dict[str, NDArray[Any]]:
    """Return the columns that x, y and confidence (n, K, 3) mean.

    A confidence of 0 is a missing point; what stands beside it is kept as given.
    """
    score = flat[..., 2]
    found = score > 0
    given = ~found & (flat[..., :2] != 0).any(axis=-1)
    columns = {
        "xy": np.where(found[..., None], flat[..., :2], np.nan),
        "visibility": np.where(found, Visibility.LABELLED, Visibility.UNLABELLED).astype(np.uint8),
        "keypoint_score": np.where(score != 0, score, np.nan),
    }
    if given.any():
        columns["given_xy"] = np.where(given[..., None], flat[..., :2], np.nan)
    return columns


def columns_3d(deep: Floats | None) -> dict[str, Any]:
    """Return the columns that x, y, z and confidence (n, K, 4) mean; all 0 is nothing."""
    if deep is None:
        return {}
    there = (deep != 0).any(axis=-1)
    return {
        "xyz": np.where(there[..., None], deep[..., :3], np.nan),
        "numbers": {SCORE_3D: np.where(there, deep[..., 3], np.nan)},
    }


def rows_of(values: Sequence[Any], members: NDArray[np.intp]) -> list[Any]:
    """Return the values of these people."""
    return [values[number] for number in members.tolist()]

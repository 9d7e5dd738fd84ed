"""MediaPipe frames to people, hands and faces, and these to the columns of datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import Space
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._mediapipe_frames import Frame, Listed, is_handedness, listed
from kptdata.formats._mediapipe_points import (
    FIELDS,
    SIZES,
    Landmarks,
    known_kind,
    landmarks_of,
    people_in,
    schema_of,
)
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = [
    "OWN",
    "SPACE",
    "WORLD",
    "Group",
    "Met",
    "columns_of",
    "groups_of",
    "is_frame",
    "looks_like_pixels",
]

Floats = NDArray[np.float64]

OWN = "mediapipe"
SPACE = Space(unit="m", frame="root", axes="right down forward", root=None)
"""What world landmarks mean: metres from the middle of the hips, or of the hand."""

WORLD = "keypoints:world_"
_PIXELS = 3.0  # sizes of the picture


@dataclass
class Met:
    """A pose, a hand or a face of a frame.

    Attributes:
        frame: number of its frame.
        kind: what it is.
        image: its landmarks as fractions of the picture.
        world: in metres, None where there are none.
        notes: extras, as JSON values.
    """

    frame: int
    kind: str
    image: Landmarks
    world: Landmarks | None = None
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Group:
    """All that have one schema.

    Attributes:
        schema: the landmarks.
        rows: (K,) row of the schema of each landmark of the interface.
        members: who they are.
        orders: their places in the file.
    """

    schema: Schema
    rows: NDArray[np.intp]
    members: list[Met]
    orders: list[int]


def met_in(frame: Frame, number: int, only: str, path: Path) -> list[Met]:
    """Return all that a frame lists, in the order of its keys.

    Keys that list another kind than `only`, if that is given, become other keys of the frame.

    Raises:
        FormatError: a list is none of landmarks, or lists of one thing have different lengths.
    """
    found: list[Met] = []
    by_list: dict[Listed, list[Met | None]] = {}
    hands: list[Met | None] = []
    for key, of in frame.lists.items():
        place = f"{frame.place}.{key}".lstrip(".")
        if not of.world and _wanted(of, only):
            if of in by_list:
                raise FormatError("landmarks are listed twice", path=path, place=place)
            mine = _met(frame.said[key], of, number, path, place)
            by_list[of] = mine
            found += [each for each in mine if each is not None]
            if not of.side:
                hands += [each for each in mine if each is None or each.kind == "hand"]
    wrong = {each.kind for each in found} - {only}
    if only and wrong:
        raise _other_kind(only, wrong.pop(), path, frame.place or None)
    for key, of in frame.lists.items():
        place = f"{frame.place}.{key}".lstrip(".")
        if of.world and of._replace(world=False) in by_list:
            _add_world(by_list[of._replace(world=False)], frame.said[key], path, place)
        elif of.world and _wanted(of, only) and people_in(frame.said[key], path, place):
            raise FormatError("metres without a place in the picture", path=path, place=place,
                              expected="the landmarks of the picture beside them")  # fmt: skip
        elif of.world or of not in by_list:
            frame.others[key] = frame.said[key]
    _add_handedness(frame, hands, path)
    return found


def is_frame(said: dict[str, Any]) -> bool:
    """Tell whether lists are such as `met_in` takes."""
    lists = {key: found for key in said if (found := listed(key)) is not None}
    try:
        met_in(Frame("", lists, said), 0, "", Path())
    except (FormatError, SchemaError):
        return False
    return True


def _wanted(listed: Listed, only: str) -> bool:
    return not only or listed.kind in ("", only)


def _other_kind(only: str, found: str, path: Path, place: str | None) -> SchemaError:
    return SchemaError(
        f"the file does not hold the landmarks of a {only}",
        path=path,
        place=place,
        expected=f"a {only}",
        found=f"a {found}",
        fix="read it without a schema and map it (kptdata.ops.map_schema, kpt convert --schema)",
    )


def _met(value: Any, listed: Listed, number: int, path: Path, place: str) -> list[Met | None]:
    found: list[Met | None] = []
    for index, points in enumerate(people_in(value, path, place)):
        if not points:
            found.append(None)
            continue
        landmarks = landmarks_of(points, listed.kind, path, f"{place}[{index}]")
        size = len(landmarks.values)
        kind = listed.kind or next(k for k, sizes in SIZES.items() if size in sizes)
        met = Met(number, kind, landmarks)
        if listed.side:
            met.notes["hand"] = listed.side
        if landmarks.others:
            met.notes.setdefault(OWN, {})["points"] = _listed(landmarks.others)
        found.append(met)
    return found


def _listed(others: Mapping[int, dict[str, Any]]) -> list[list[Any]]:
    return [[row, said] for row, said in sorted(others.items())]


def _add_world(mine: Sequence[Met | None], value: Any, path: Path, place: str) -> None:
    people = people_in(value, path, place)
    if people and len(people) != len(mine):
        raise _uneven(len(mine), len(people), path, place)
    for index, (met, points) in enumerate(zip(mine, people, strict=False)):
        if points and met is not None:
            world = landmarks_of(points, met.kind, path, f"{place}[{index}]")
            if len(world.values) != len(met.image.values):
                raise _uneven(len(met.image.values), len(world.values), path, place)
            met.world = world
            if world.others:
                met.notes.setdefault(OWN, {})["world"] = _listed(world.others)


def _uneven(expected: int, found: int, path: Path, place: str) -> FormatError:
    return FormatError("lists that belong together differ in length", path=path, place=place,
                       expected=f"{expected}", found=f"{found}")  # fmt: skip


def _add_handedness(frame: Frame, hands: Sequence[Met | None], path: Path) -> None:
    for key, value in frame.said.items():
        if not is_handedness(key):
            continue
        if value in (None, []):
            continue
        if not isinstance(value, list) or len(value) != len(hands):
            if hands:
                place = f"{frame.place}.{key}".lstrip(".")
                found = len(value) if isinstance(value, list) else 1
                raise _uneven(len(hands), found, path, place)
            frame.others[key] = value  # of hands that are not read
            continue
        for met, said in zip(hands, value, strict=True):
            if met is not None and said is not None:
                met.notes["handedness"] = said


# Columns


def groups_of(
    frames: Sequence[Frame], schema: Schema | None, path: Path
) -> tuple[list[Group], list[Met]]:
    """Return all that is in the frames, grouped by schema, and in the order of the file.

    Raises:
        FormatError: a frame is not in the format.
        SchemaError: `schema` has other points.
    """
    wanted = None if schema is None else known_kind(schema)
    if schema is not None and wanted is None:
        names = ", ".join(schema_of(kind, SIZES[kind][0]).name for kind in SIZES)
        raise SchemaError(
            f"MediaPipe has no landmarks like the points of {schema.name}",
            path=path,
            expected=names,
            found=f"{schema.num_keypoints} points",
            fix="read it without a schema and map it (kptdata.ops.map_schema, "
            "kpt convert --schema)",
        )
    only = "" if wanted is None else wanted[0]
    everyone = [met for n, frame in enumerate(frames) for met in met_in(frame, n, only, path)]
    held: dict[tuple[str, int], Group] = {}
    for order, met in enumerate(everyone):
        key = (met.kind, len(met.image.values))
        if key not in held:
            held[key] = _group(*key, schema if key == wanted else None)
        if only and key != wanted:
            raise _other_kind(only, f"{met.kind} of {key[1]} points", path, frames[met.frame].place)
        held[key].members.append(met)
        held[key].orders.append(order)
    if not held:
        first = next((x.kind for f in frames for x in f.lists.values() if x.kind), "pose")
        key = wanted or (first, SIZES[first][0])
        held[key] = _group(*key, schema)
    return list(held.values()), everyone


def _group(kind: str, size: int, schema: Schema | None) -> Group:
    usual = schema_of(kind, size)
    chosen = schema or usual
    rows = np.array([chosen.index(name) for name in usual.names], np.intp)
    return Group(chosen, rows, [], [])


def looks_like_pixels(image: Floats) -> bool:
    """Tell whether most landmarks (n, K, 2) would be far outside of the picture as fractions."""
    places = image[~np.isnan(image).any(axis=-1)]
    return len(places) > 0 and float(np.median(np.abs(places).max(axis=-1))) > _PIXELS


def columns_of(image: Floats, world: Floats | None, wh: NDArray[np.int64] | None) -> dict[str, Any]:
    """Return the columns that landmarks mean, in the order of the schema.

    Args:
        image: (n, K, 5) fractions, or pixels.
        world: (n, K, 5) metres, None where nobody has any.
        wh: (n, 2) sizes of the pictures; None if `image` is in pixels.
    """
    there = ~np.isnan(image[..., :2]).any(axis=-1)
    xy = image[..., :2] if wh is None else image[..., :2] * wh[:, None, :]
    columns: dict[str, Any] = {
        "xy": xy,
        "visibility": np.where(there, Visibility.LABELLED, Visibility.UNLABELLED).astype(np.uint8),
        "keypoint_score": image[..., 3],
    }
    numbers = {"keypoints:z": image[..., 2], "keypoints:presence": image[..., 4]}
    if world is not None:
        known = np.asarray(~np.isnan(world[..., :3]).any(axis=-1))
        columns["xyz"] = np.where(known[..., None], world[..., :3], np.nan)
        columns["space"] = SPACE
    columns["numbers"] = {name: v for name, v in numbers.items() if not np.isnan(v).all()}
    if world is not None:
        columns["numbers"] |= _of_world(image, world, known)
    return columns


def _of_world(image: Floats, world: Floats, known: NDArray[np.bool_]) -> dict[str, Floats]:
    """Return what is said beside metres, if it is not what is said beside the picture's place."""
    found = {}
    for place in (3, 4):
        one, other = image[..., place], world[..., place]
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        if (known & ~same).any():
            found[f"{WORLD}{FIELDS[place]}"] = np.where(known, other, np.nan)
    return found

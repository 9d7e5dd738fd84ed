"""Datasets to frames of MediaPipe landmarks, as the newer interface names them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._collect import text_of
from kptdata.formats._inverse import exact_quotient, inverse, not_tiny, product
from kptdata.formats._mediapipe_frames import is_handedness, is_taken, listed
from kptdata.formats._mediapipe_points import FIELDS, SIZES, is_extra, known_kind, schema_of
from kptdata.formats._mediapipe_read import (
    OWN,
    SPACE,
    WORLD,
    columns_of,
    is_frame,
    looks_like_pixels,
)
from kptdata.formats._plan import Plan, held
from kptdata.formats._tree import safe_name
from kptdata.formats._trivia import is_trivia
from kptdata.schema import Schema

__all__ = [
    "CONTAINER",
    "Sheet",
    "file_of",
    "images_read",
    "kind_of",
    "meta_read",
    "schemas_read",
    "sheets_of",
]

Floats = NDArray[np.float64]

CONTAINER = f"container:{OWN}"
_FAR = 1e12
_DIGITS = 9


@dataclass(frozen=True)
class Sheet:
    """What is written of one dataset.

    Attributes:
        kind: ``pose``, ``hand`` or ``face``.
        order: (K,) row of the schema of each landmark of the interface.
        image: (n, K, 5) landmarks as fractions, in the order of the schema.
        long: person, landmark, axis -> text of a fraction that no float64 is exact for.
        world: (n, K, 5) landmarks in metres; None if nobody has any.
        notes: (n,) extras that are written.
        reading: what they are read as.
    """

    kind: str
    order: NDArray[np.intp]
    image: Floats
    long: Mapping[tuple[int, int, int], str]
    world: Floats | None
    notes: list[dict[str, Any]]
    reading: PoseDataset


# Beside the people


def images_read(images: ImageTable, kinds: Sequence[str], path: Path) -> ImageTable:
    """Return the table of images as a file with landmarks of these kinds states it.

    Raises:
        FormatError: a name leads out of its folder.
    """
    known = ((images.wh > 0) & (images.wh < 2**31)).all(axis=1)
    frames = images.column("frame")
    frames = np.where(frames >= 0, frames, MISSING_INT)
    videos = images.column("sequence")
    extras = {}
    if OWN in images.extras:
        texts = [_text(_others(raw, kinds)) for raw in images.extras[OWN]]
        extras[OWN] = RawColumn(texts)
    return ImageTable.of(
        [str(safe_name(name, path, "images")) for name in images.file_name.tolist()],
        width=np.where(known, images.width, 0),
        height=np.where(known, images.height, 0),
        sequence=videos if (videos != "").any() else None,
        frame=frames if (frames != MISSING_INT).any() else None,
        extras=extras,
    )


def _others(text: bytes | None, kinds: Sequence[str]) -> dict[str, msgspec.Raw]:
    """Return the other keys of a frame, as texts: those that no reader takes for its own.

    Lists of landmarks of kinds that nobody asked for are such keys.
    """
    found = {k: value for k, value in _object(text).items() if _is_other(k, kinds)}
    lists = {k: msgspec.json.decode(v) for k, v in found.items() if listed(k) or is_handedness(k)}
    if lists and not is_frame(lists):
        return {k: value for k, value in found.items() if k not in lists}
    return found


def _is_other(key: str, kinds: Sequence[str]) -> bool:
    of = listed(key)
    if of is not None or is_handedness(key):
        kind = "hand" if of is None else of.kind
        return kind != "" and kind not in kinds
    return not is_taken(key)


def _object(text: bytes | None) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(text or b"{}", type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:  # no object
        return {}


def _text(values: Mapping[str, Any]) -> bytes | None:
    return msgspec.json.encode(values) if values else None


def meta_read(datasets: Sequence[PoseDataset]) -> dict[str, bytes]:
    """Return the file-level texts that are written: of several the first."""
    found: dict[str, bytes] = {}
    for dataset in datasets:
        for key, text in dataset.meta.items():
            own = is_taken(key) or key in ("frames", "normalized")
            if key == CONTAINER or not (is_trivia(key, OWN) or own):
                found.setdefault(key, text)
    return found


# People


def sheets_of(
    plan: Plan,
    datasets: Sequence[PoseDataset],
    images: ImageTable,
    meta: Mapping[str, bytes],
    path: Path,
) -> list[Sheet]:
    """Say what is written of each dataset.

    Raises:
        SchemaError: MediaPipe has no such points.
        FormatError: the size of a picture with people is not known.
    """
    kinds = [kind_of(dataset.schema, path) for dataset in datasets]
    sides = _sides(plan, datasets, [kind for kind, _ in kinds])
    return [
        _sheet(plan, number, dataset, images, meta, kinds[number], sides[number], path)
        for number, dataset in enumerate(datasets)
    ]


def kind_of(schema: Schema, path: Path) -> tuple[str, int]:
    """Return kind and number of the landmarks of a schema. Raises `SchemaError` for another."""
    found = known_kind(schema)
    if found is None:
        raise SchemaError(
            f"MediaPipe has no landmarks like the points of {schema.name}",
            path=path,
            expected=", ".join(schema_of(kind, SIZES[kind][0]).name for kind in SIZES),
            found=f"{schema.num_keypoints} points",
            fix="map it to one of them (kptdata.ops.map_schema, kpt convert --schema "
            "mediapipe_pose)",
        )
    return found


def _sides(plan: Plan, datasets: Sequence[PoseDataset], kinds: Sequence[str]) -> list[list[str]]:
    """Return, for each instance, the side under whose key it is written; empty for none.

    Frames whose hands do not all have a side of their own list them as hands.
    """
    found = [[""] * len(rows) for rows in plan.rows]
    stated = []
    for dataset, rows in zip(datasets, plan.rows, strict=True):
        raw = dataset.extras.get("hand", RawColumn.absent(len(dataset)))[rows]
        stated.append([{b'"left"': "left", b'"right"': "right"}.get(v, "") for v in raw])
    for people in plan.by_image():
        hands = [(number, place) for number, place in people if kinds[number] == "hand"]
        given = [stated[number][place] for number, place in hands]
        if all(given) and len(set(given)) == len(given):
            for (number, place), side in zip(hands, given, strict=True):
                found[number][place] = side
    return found


def _sheet(
    plan: Plan,
    number: int,
    dataset: PoseDataset,
    images: ImageTable,
    meta: Mapping[str, bytes],
    kind: tuple[str, int],
    sides: Sequence[str],
    path: Path,
) -> Sheet:
    rows = plan.rows[number]
    at = plan.places[number][dataset.image[rows]]
    wh = images.wh[at]
    if (wh <= 0).any():
        name = images.file_name[int(at[int(np.argmax((wh <= 0).any(axis=1)))])]
        raise FormatError(
            "the size of a picture with landmarks is not known, and they are fractions of it",
            path=path,
            place=name,
            fix="read the source with its pictures (images=..., --images)",
        )
    image, world = _image(dataset, rows, wh), _world(dataset, rows)
    usual = schema_of(*kind)
    order = np.array([dataset.schema.index(name) for name in usual.names], np.intp)
    there = {"points": ~np.isnan(image[..., 0])[:, order]}
    if world is not None:
        there["world"] = ~np.isnan(world[..., 0])[:, order]
    notes = [
        _notes(dataset, int(row), kind[0], sides[place], {k: v[place] for k, v in there.items()})
        for place, row in enumerate(rows)
    ]
    columns = columns_of(image, world, wh)
    if any(notes):
        keys = dict.fromkeys(key for note in notes for key in note)
        columns["extras"] = {
            key: RawColumn(text_of(n[key]) if key in n else None for n in notes) for key in keys
        }
    long = _long(not_tiny(dataset.xy[rows]), columns["xy"], wh)
    for (place, k, axis), text in long.items():
        columns["xy"][place, k, axis] = product(text, int(wh[place, axis]))
    reading = held(plan, number, dataset, images, meta=meta, **columns)
    return Sheet(kind[0], order, image, long, world, notes, reading)


def _image(dataset: PoseDataset, rows: NDArray[np.intp], wh: NDArray[np.int64]) -> Floats:
    xy, size = not_tiny(dataset.xy[rows]), wh[:, None, :].astype(np.float64)
    image = np.full((*xy.shape[:2], len(FIELDS)), np.nan)
    image[..., :2] = _fractions(xy, size)
    image[..., 3] = dataset.column("keypoint_score")[rows]
    for place, name in ((2, "keypoints:z"), (4, "keypoints:presence")):
        image[..., place] = _number(dataset, name)[rows]
    image = np.where(np.abs(image) < _FAR, image, np.nan)
    there = ~np.isnan(image[..., :2]).any(axis=-1, keepdims=True)
    return np.where(there, image, np.nan)


def _fractions(xy: Floats, size: Floats) -> Floats:
    """Return fractions that are read as `xy`; of several those that a file is likely to have had.

    These are short decimals, and numbers of half the digits, as the interface computes them.
    """
    found = inverse(xy, xy / size, lambda f: f * size)
    with np.errstate(over="ignore", invalid="ignore"):
        likely = found.astype(np.float32).astype(np.float64)
        for other in (likely, *(np.round(found, digits) for digits in range(_DIGITS, 0, -1))):
            found = np.where(other * size == xy, other, found)
    return found


def _long(wanted: Floats, read: Floats, wh: NDArray[np.int64]) -> dict[tuple[int, int, int], str]:
    """Return texts of the fractions of places that would not be read as they are."""
    found = {}
    for place, k, axis in np.argwhere((read != wanted) & ~np.isnan(read)).tolist():
        term = float(wanted[place, k, axis])
        found[(place, k, axis)] = exact_quotient((term,), int(wh[place, axis]))
    return found


def _number(dataset: PoseDataset, name: str) -> Floats:
    column = dataset.numbers.get(name)
    if column is None or column.shape != dataset.visibility.shape:
        return np.full(dataset.visibility.shape, np.nan)
    return column.astype(np.float64)


def _world(dataset: PoseDataset, rows: NDArray[np.intp]) -> Floats | None:
    """Return the landmarks in metres, if that is what the 3D points are."""
    if dataset.space != SPACE or dataset.xyz is None:
        return None
    world = np.full((len(rows), dataset.schema.num_keypoints, len(FIELDS)), np.nan)
    world[..., :3] = dataset.xyz[rows]
    for place, usual in ((3, dataset.column("keypoint_score")),
                         (4, _number(dataset, "keypoints:presence"))):  # fmt: skip
        name = f"{WORLD}{FIELDS[place]}"
        given = _number(dataset, name) if name in dataset.numbers else usual
        world[..., place] = given[rows]
    world = np.where(np.abs(world) < _FAR, world, np.nan)
    known = ~np.isnan(world[..., :3]).any(axis=-1)
    return np.where(known[..., None], world, np.nan) if known.any() else None


def _notes(
    dataset: PoseDataset, row: int, kind: str, side: str, there: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    """Return the extras of an instance that are written, as they are read."""
    found: dict[str, Any] = {}
    if kind == "hand" and "handedness" in dataset.extras and not side:
        said = dataset.extras["handedness"].parsed(row)
        if said is not None:
            found["handedness"] = said
    if side:
        found["hand"] = side
    kept = dataset.extras[OWN].parsed(row) if OWN in dataset.extras else None
    points = {key: _of_points(kept, key, mask) for key, mask in there.items()}
    if any(points.values()):
        found[OWN] = {key: said for key, said in points.items() if said}
    return found


def _of_points(kept: Any, key: str, there: NDArray[np.bool_]) -> list[list[Any]]:
    """Return other keys of points that are there, in their order."""
    pairs = kept.get(key) if isinstance(kept, dict) else None
    found: dict[int, dict[str, Any]] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        good = isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int
        if good and 0 <= pair[0] < len(there) and there[pair[0]] and isinstance(pair[1], dict):
            said = {k: v for k, v in pair[1].items() if is_extra(k)}
            if said:
                found[pair[0]] = said
    return [[row, said] for row, said in sorted(found.items())]


def schemas_read(datasets: Sequence[PoseDataset], sheets: Sequence[Sheet]) -> list[Schema | None]:
    """Return the schemas that datasets are read with if nobody names one."""
    return [
        schema_of(sheet.kind, dataset.schema.num_keypoints)
        for dataset, sheet in zip(datasets, sheets, strict=True)
    ]


# The file


def file_of(
    plan: Plan, sheets: Sequence[Sheet], images: ImageTable, meta: Mapping[str, bytes]
) -> Iterator[bytes]:
    """Yield the file, frame by frame."""
    encoder = msgspec.json.Encoder()
    named = {key: msgspec.Raw(text) for key, text in meta.items() if not is_trivia(key, OWN)}
    if any(looks_like_pixels(sheet.image[..., :2]) for sheet in sheets):
        named["normalized"] = msgspec.Raw(b"true")
    bare = meta.get(CONTAINER) == b'"list"' and not named
    yield b"[" if bare else b'{"frames":['
    comma = b"\n"
    kinds = list(dict.fromkeys(sheet.kind for sheet in sheets))
    heads = _heads(images)
    raw = images.extras.get(OWN, RawColumn.absent(len(images)))
    others = [_object(text) for text in raw]
    for row, people in enumerate(plan.by_image()):
        yield comma + encoder.encode(heads[row] | _lists_of(sheets, people, kinds) | others[row])
        comma = b",\n"
    if bare:
        yield b"\n]\n"
        return
    yield b"\n]"
    for key, value in named.items():
        yield b",\n" + encoder.encode(key) + b":" + bytes(value)
    yield b"}\n"


def _heads(images: ImageTable) -> list[dict[str, Any]]:
    """Return what each frame says of its picture."""
    found = []
    columns = (images.column("sequence").tolist(), images.column("frame").tolist())
    rows = zip(images.file_name.tolist(), images.wh.tolist(), *columns, strict=True)
    for name, (width, height), video, number in rows:
        head: dict[str, Any] = {"image": name}
        if video:
            head["video"] = video
        if number >= 0:
            head["frame"] = number
        if width:
            head |= {"width": width, "height": height}
        found.append(head)
    return found


def _lists_of(
    sheets: Sequence[Sheet], people: Sequence[tuple[int, int]], kinds: Sequence[str]
) -> dict[str, Any]:
    frame: dict[str, Any] = {}
    for kind in kinds:
        mine = [(sheets[n], place) for n, place in people if sheets[n].kind == kind]
        sided = [sheet.notes[place].get("hand", "") for sheet, place in mine]
        if any(sided):
            for (sheet, place), side in zip(mine, sided, strict=True):
                frame |= _lists([(sheet, place)], f"{side}_hand", alone=True)
        else:
            frame |= _lists(mine, kind, alone=False)
            said = [sheet.notes[place].get("handedness") for sheet, place in mine]
            if any(value is not None for value in said):
                frame["handedness"] = said
    return frame


def _lists(mine: Sequence[tuple[Sheet, int]], name: str, *, alone: bool) -> dict[str, Any]:
    """Return the lists of landmarks, in the picture and in metres."""
    image = [_points(sheet, sheet.image, place) for sheet, place in mine]
    found: dict[str, Any] = {f"{name}_landmarks": image[0] if alone else image}
    world = [
        None if sheet.world is None or np.isnan(sheet.world[place]).all()
        else _points(sheet, sheet.world, place)
        for sheet, place in mine
    ]  # fmt: skip
    if any(value is not None for value in world):
        found[f"{name}_world_landmarks"] = world[0] if alone else world
    return found


def _points(sheet: Sheet, values: Floats, place: int) -> list[dict[str, Any] | None]:
    found: list[dict[str, Any] | None] = []
    for point in values[place, sheet.order].tolist():
        named = {name: v for name, v in zip(FIELDS, point, strict=True) if not math.isnan(v)}
        found.append(named or None)
    if values is sheet.image:
        for row, k in enumerate(sheet.order.tolist()):
            for axis, name in enumerate(("x", "y")):
                text = sheet.long.get((place, k, axis)) if sheet.long else None
                if text is not None:
                    found[row][name] = msgspec.Raw(text.encode())  # type: ignore[index]
    key = "points" if values is sheet.image else "world"
    for row, said in sheet.notes[place].get(OWN, {}).get(key, ()):
        found[row] = (found[row] or {}) | said
    return found

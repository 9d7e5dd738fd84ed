"""MPII in the layout of HRNet and MMPose: a JSON list with one object per person.

Keys: ``image``, ``center`` (MPII's objpos), ``scale``, ``joints`` (16 x 2), ``joints_vis`` (16).
Pixels count from 1. ``joints_vis`` says whether a joint is annotated and not whether it is seen, so
points are read as labelled without a word on occlusion. docs/formats/mpii.md has the details.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset, RawColumn
from kptdata.errors import FormatError
from kptdata.formats._account import LOSSES as _ALL_LOSSES
from kptdata.formats._account import account
from kptdata.formats._images import sized
from kptdata.formats._json import decode, duplicate_key, kind_of, loads_or_none, require_utf8
from kptdata.formats._mpii_box import (
    ORIGIN,
    box_columns,
    checked_schema,
    only_dataset,
    place_from_boxes,
)
from kptdata.formats._mpii_rows import by_name, listed
from kptdata.formats._trivia import is_trivia
from kptdata.formats.base import (
    Sniff,
    WriteReport,
    atomic_write,
    read_bytes,
    read_head,
    refuse_losses,
)
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "MPII as HRNet and MMPose keep it (.json)"
SUFFIXES = ()  # .json is COCO; this layout must be asked for
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **_ALL_LOSSES,
    "xy": "last binary digits of coordinates, which a file that counts from 1 cannot hold",
    "visibility": "whether a point is seen or occluded: the file says only that it is annotated",
    "points": "named points other than 'objpos', or its last binary digits",
    "numbers": "named numbers other than 'scale'",
    "extras": "other values of people that have the name of a key of the format",
    "images": "images without people, and images that share their file name with another",
    "image": "people of an image that shares its file name with another",
}
"""What the layout cannot hold."""

_TYPED = ("image", "center", "scale", "joints", "joints_vis")
_POINTS = ("joints", "joints_vis")
_NAME = "mpii_hrnet"
_POINT_NOTES, _PLACE_NOTES = f"keypoints:{_NAME}", f"center:{_NAME}"
_MISSING = -1.0
_COUNT = 16


def sniff(path: Path) -> Sniff:
    """Say whether a file looks like the layout, from its first object."""
    head = read_head(Path(path)).lstrip() if Path(path).is_file() else b""
    if head[:1] != b"[":
        return Sniff(0.0, ("not a JSON list",))
    keys = _first_keys(head)
    if {"image", "center"} <= keys and not keys & {"image_id", "keypoints"}:
        return Sniff(0.9, ("a JSON list whose first object has the keys image and center",))
    return Sniff(0.0, ("a JSON list whose first object lacks the keys image and center",))


def _first_keys(head: bytes) -> set[str]:
    text = head.decode("utf-8", "ignore")[1:].lstrip()
    try:
        first, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return set()
    return set(first) if isinstance(first, dict) else set()


class _Person(NamedTuple):
    """One object, its values as the file states them; extras are texts."""

    image: str
    center: list[float]
    scale: float
    joints: list[list[float]]
    joints_vis: list[float]
    others: Mapping[str, bytes]


def read_all(
    path: Path, *, schema: Schema | None = None, images: Path | None = None
) -> tuple[PoseDataset, ...]:
    """Read a file into one dataset, one image per distinct name.

    Args:
        path: the file, possibly gzipped.
        schema: MPII's, or another one of the same 16 names.
        images: folder of the images, for their sizes, which the file does not give.

    Raises:
        FileError: the file, or an image, cannot be read.
        FormatError: it is not in the format; person and key are named.
        SchemaError: the schema has other points.
    """
    path = Path(path)
    rows = _rows(path)
    own = checked_schema(schema, path)
    people = [_person(row, n, path) for n, row in enumerate(rows)]
    return (sized(_dataset(people, own).noted(f"read {path} as {_NAME}"), images),)


def _rows(path: Path) -> list[Raw]:
    text = read_bytes(path)
    require_utf8(text, path)
    try:
        rows: list[Raw] = decode(text, list[Raw], path)
    except msgspec.ValidationError:
        found = kind_of(loads_or_none(text) if len(text) < 100 else {})
        raise FormatError(
            "no HRNet-style file", path=path, expected="a list of people", found=found
        ) from None
    return rows


def _person(row: Raw, n: int, path: Path) -> _Person:
    """Read one object; keys that the layout does not have stay text."""
    place = f"person [{n}]"
    try:
        fields: dict[str, Raw] = decode(row, dict[str, Raw], path, place)
    except msgspec.ValidationError:
        found = kind_of(loads_or_none(bytes(row)))
        raise FormatError(
            "no person", path=path, place=place, expected="an object", found=found
        ) from None
    if bytes(row).count(b'"') != 2 * len(fields) + sum(
        bytes(v).count(b'"') for v in fields.values()
    ):
        _refuse_duplicate(row, path, place)
    others = {key: bytes(text) for key, text in fields.items() if key not in _TYPED}
    values = {key: _value(fields, key, path, place) for key in _TYPED if key in fields}
    for key in ("image", "center", "scale"):
        if key not in values:
            raise _wrong(path, place, key, "the key", "none")
    if ("joints" in values) != ("joints_vis" in values):
        raise _wrong(path, place, "joints", "joints and joints_vis, or neither", "one of them")
    if "joints" not in values:  # the test set
        others[_POINT_NOTES] = b"{}"
    return _Person(
        values["image"],
        values["center"],
        values["scale"],
        values.get("joints", [[_MISSING] * 2] * _COUNT),
        values.get("joints_vis", [0.0] * _COUNT),
        others,
    )


def _refuse_duplicate(row: Raw, path: Path, place: str) -> None:
    key = duplicate_key(bytes(row))
    if key is not None:
        raise _wrong(path, place, key, "each key once", "it twice")


_TYPES: Mapping[str, tuple[Any, str]] = {
    "image": (str, "a file name"),
    "center": (tuple[float, float], "two numbers"),
    "scale": (float, "a number"),
    "joints": (list[tuple[float, float]], "16 pairs of numbers"),
    "joints_vis": (list[float], "16 numbers, 0 or 1"),
}


def _value(fields: Mapping[str, Raw], key: str, path: Path, place: str) -> Any:
    kind, expected = _TYPES[key]
    try:
        found = decode(fields[key], kind, path, f"{place}, {key}")
    except msgspec.ValidationError:
        raise _wrong(path, place, key, expected, _short(fields[key])) from None
    if key in _POINTS and len(found) != _COUNT:
        raise _wrong(path, place, key, expected, f"{len(found)}")
    if key == "joints_vis" and not all(v in (0.0, 1.0) for v in found):
        raise _wrong(path, place, key, expected, _short(fields[key]))
    return found


def _short(text: Raw) -> str:
    written = bytes(text).decode("utf-8", "replace")
    return written if len(written) <= 40 else written[:37] + "..."


def _wrong(path: Path, place: str, key: str, expected: str, found: str) -> FormatError:
    return FormatError(
        "not as HRNet has it",
        path=path,
        place=f"{place}, {key}",
        expected=expected,
        found=found,
        fix="correct the value, or name the format that the file is in",
    )


def _dataset(people: Sequence[_Person], schema: Schema) -> PoseDataset:
    """Make the dataset; what the columns would not give back exactly is noted as text."""
    count = len(people)
    stated = np.array([p.joints for p in people], np.float64).reshape(count, _COUNT, 2)
    labelled = np.array([p.joints_vis for p in people]).reshape(count, _COUNT) == 1
    shifted = stated - ORIGIN
    canonical: NDArray[np.bool_] = np.all(stated == _MISSING, axis=-1)
    given = np.where((labelled | canonical)[..., None], np.nan, shifted)
    objpos = np.array([p.center for p in people], np.float64).reshape(count, 2) - ORIGIN
    images, image = by_name([p.image for p in people])
    columns: dict[str, Any] = box_columns(objpos, np.array([p.scale for p in people], np.float64))
    dataset = PoseDataset(
        schema=schema,
        images=images,
        image=image,
        xy=np.where(labelled[..., None], shifted, np.nan),
        visibility=np.where(labelled, Visibility.LABELLED, Visibility.UNLABELLED).astype(np.uint8),
        given_xy=None if np.isnan(given).all() else given,
        id=np.arange(1, count + 1),
        **columns,
    )
    texts: dict[str, dict[int, bytes]] = {}
    for n, (person, (joints, center)) in enumerate(
        zip(people, _stated(dataset, objpos), strict=True)
    ):
        for key, text in person.others.items():
            texts.setdefault(key, {})[n] = text
        if [list(v) for v in person.joints] != joints:
            texts.setdefault(_POINT_NOTES, {})[n] = msgspec.json.encode({"joints": person.joints})
        if list(person.center) != center:
            texts.setdefault(_PLACE_NOTES, {})[n] = msgspec.json.encode(person.center)
    extras = {key: RawColumn(map(held.get, range(count))) for key, held in texts.items()}
    return dataset.replace(extras=extras)


def _stated(
    dataset: PoseDataset, objpos: NDArray[np.float64]
) -> Iterator[tuple[list[list[float]], list[float]]]:
    """Yield joints and centre of each person as the file states them."""
    points = np.where(dataset.labelled[..., None], dataset.xy, dataset.column("given_xy")) + ORIGIN
    points[np.isnan(points).any(axis=-1)] = _MISSING
    gone = np.isnan(objpos).any(axis=1, keepdims=True)
    place = np.where(gone, _MISSING, objpos + ORIGIN)
    return zip(points.tolist(), place.tolist(), strict=True)


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write one dataset of MPII's 16 points, people in their order.

    A place or scale that is missing is made from the box.

    Raises:
        DatasetError: several datasets, or other points than MPII's.
        FormatError: something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    dataset = only_dataset(tuple(datasets), path)
    plan = listed(dataset)
    kept = dataset[plan.rows]
    objects = list(_objects(kept, plan.names))
    people = [_person(Raw(msgspec.json.encode(o)), n, path) for n, o in enumerate(objects)]
    read_back = _dataset(people, checked_schema(None, path))
    lost, invented = account(dataset, read_back, plan.rows, plan.image_rows, own=_NAME)
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, _text(objects))
    return WriteReport(path, _NAME, len(kept), lost, invented, LOSSES)


def _objects(kept: PoseDataset, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    objpos, scale = place_from_boxes(kept)
    scales = np.where(np.isfinite(scale), scale, _MISSING).tolist()
    absent = RawColumn.absent(len(kept))
    point_notes, place_notes = (
        kept.extras.get(key, absent) for key in (_POINT_NOTES, _PLACE_NOTES)
    )
    # By first appearance, as reading will find them: the same bytes the second time.
    others = {
        key: kept.extras[key]
        for key in sorted(
            kept.extras, key=lambda k: int(kept.extras[k].present.argmax()) if len(kept) else 0
        )
        if key not in _TYPED and not is_trivia(key, _NAME)
    }
    for n, (joints, center) in enumerate(_stated(kept, objpos)):
        yield {
            "image": names[n],
            "center": _noted(place_notes[n], center),
            "scale": scales[n],
            **_points(point_notes[n], joints, kept.labelled[n].tolist()),
            **{key: Raw(text) for key, texts in others.items() if (text := texts[n]) is not None},
        }


def _noted(text: bytes | None, values: Any) -> Any:
    """Return numbers as they were read, where they still are the numbers of the columns."""
    if text is None:
        return values
    noted: Any = msgspec.json.decode(text)
    try:
        same = np.array_equal(np.subtract(noted, ORIGIN), np.subtract(values, ORIGIN))
    except (TypeError, ValueError):  # a note that somebody changed
        return values
    return noted if same else values


def _points(text: bytes | None, joints: list[list[float]], labelled: list[bool]) -> dict[str, Any]:
    """Return the keys of the points; none for a person of the test set."""
    noted = None if text is None else msgspec.json.decode(text)
    if noted == {} and not any(labelled) and all(v == [_MISSING] * 2 for v in joints):
        return {}
    if isinstance(noted, dict) and "joints" in noted:
        joints = _noted(msgspec.json.encode(noted["joints"]), joints)
    return {"joints": joints, "joints_vis": list(map(int, labelled))}


def _text(objects: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    yield b"["
    for n, one in enumerate(objects):
        yield (b",\n" if n else b"") + encoder.encode(one)
    yield b"]\n"

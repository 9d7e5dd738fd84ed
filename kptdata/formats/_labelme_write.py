"""Datasets to LabelMe files, one for each image."""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._inverse import exact_quotient, inverse, not_tiny, product
from kptdata.formats._labelme_read import DEFAULTS, OWN, SHAPES
from kptdata.formats._people import Met, classes_met
from kptdata.formats._plan import Classes, Plan, held, without_absent
from kptdata.formats._tree import safe_name
from kptdata.visibility import Visibility, is_labelled

__all__ = ["Sheet", "images_read", "json_names", "pages", "sheets_of"]

Floats = NDArray[np.float64]

_VERSION = "5.5.0"
_KEPT = ("flags", "labelme")


@dataclass(frozen=True)
class Sheet:
    """What is written of one dataset.

    Attributes:
        names: of the points.
        labels: of the classes.
        xy: (n, K, 2) places of the points.
        corners: of the boxes, as numbers or long texts; None for none.
        facts: row -> key -> value: extras and notes.
        reading: what they are read as.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    xy: list[Any]
    corners: tuple[list[Any] | None, ...]
    facts: dict[int, dict[str, Any]]
    reading: PoseDataset


def json_names(images: ImageTable, path: Path) -> list[str]:
    """Return the file of each image: the one it came from, or that with its name.

    Raises:
        FormatError: two images would share a file, or a name leads out of the folder.
    """
    notes = images.extras.get(f"file:{OWN}", RawColumn.absent(len(images)))
    found: dict[str, str] = {}
    for row, image in enumerate(images.file_name.tolist()):
        inside = safe_name(image, path, "images")
        name = f"{inside.with_suffix('')}.json"
        note = notes.parsed(row)
        kept = note.get("json") if isinstance(note, dict) else None
        if isinstance(kept, str) and kept.endswith(".json"):
            name = str(safe_name(kept, path, "images"))
        if name in found:
            raise FormatError(
                "two images would share a file",
                path=path,
                place=name,
                found=f"{found[name]!r} and {image!r}",
                fix="rename one of the images",
            )
        found[name] = image
    return list(found)


def images_read(images: ImageTable) -> ImageTable:
    """Return the table of images as files state it, in the order of their names."""
    extras: dict[str, RawColumn] = {}
    for key in (SHAPES, *_KEPT):
        if key in images.extras:
            values = [images.extras[key].parsed(row) for row in range(len(images))]
            able = _is_shapes if key == SHAPES else _is_object
            extras[key] = RawColumn.from_values(v if v and able(v) else None for v in values)
    known = (images.width > 0) & (images.height > 0)
    known &= (images.width < 2**31) & (images.height < 2**31)
    return ImageTable.of(
        [posixpath.normpath(name.replace("\\", "/")) for name in images.file_name.tolist()],
        width=np.where(known, images.width, 0),
        height=np.where(known, images.height, 0),
        extras=extras,
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_shapes(value: Any) -> bool:
    """Tell whether a value is a list of shapes with their places."""
    return isinstance(value, list) and all(
        isinstance(each, list) and len(each) == 2 and type(each[0]) is int and _is_object(each[1])
        for each in value
    )


def sheets_of(
    plan: Plan, datasets: Sequence[PoseDataset], classes: Classes, images: ImageTable
) -> list[Sheet]:
    """Say what is written of each dataset. Only a rectangle says a class."""
    boxed = [np.isfinite(d.column("bbox")).all(axis=1) for d in datasets]
    numbers = tuple(
        np.where(mask, column, -1) for mask, column in zip(boxed, classes.numbers, strict=True)
    )
    met = classes_met(plan, Classes(classes.names, classes.owner, numbers))
    return [
        _sheet(plan, number, dataset, classes, images, met[number])
        for number, dataset in enumerate(datasets)
    ]


def _sheet(
    plan: Plan,
    number: int,
    dataset: PoseDataset,
    classes: Classes,
    images: ImageTable,
    met: Met,
) -> Sheet:
    rows = plan.rows[number]
    states = without_absent(dataset.visibility[rows])
    box = dataset.column("bbox")[rows]
    there = np.asarray(np.isfinite(box).all(axis=1))
    low = np.minimum(box[:, :2], box[:, :2] + box[:, 2:])
    box = np.concatenate([low, not_tiny(np.abs(box[:, 2:]))], axis=1)
    box = np.where(there[:, None], box, np.nan)
    listed, box[there] = _corners(box[there])
    corners = iter(listed)
    scores = dataset.column("keypoint_score")[rows]
    score = np.where(there, dataset.column("score")[rows], np.nan)
    facts = _facts(dataset, rows)
    reading = held(
        plan,
        number,
        dataset,
        images,
        visibility=states,
        bbox=box,
        score=np.where(np.isfinite(score), score, np.nan),
        keypoint_score=np.where(np.isfinite(scores) & is_labelled(states), scores, np.nan),
        category=met.column,
        categories=met.categories,
        extras=_extras_read(facts, there),
    )
    kinds = classes.numbers[number][rows].tolist()
    return Sheet(
        dataset.schema.names,
        tuple(classes.names[kind] for kind in kinds),
        dataset.xy[rows].tolist(),
        tuple(next(corners) if mine else None for mine in there.tolist()),
        facts,
        reading,
    )


def _corners(box: Floats) -> tuple[list[list[Any]], Floats]:
    """Return top left and bottom right of (n, 4) xywh, and the boxes that they are read as."""
    low, size = box[:, :2], box[:, 2:]
    high = inverse(size, low + size, lambda f: f - low)
    exact, read = high - low == size, box.copy()
    found = []
    for row, (near, far) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        for axis in (0, 1):
            if not exact[row, axis]:
                text = exact_quotient((near[axis], float(size[row, axis])), 1)
                read[row, 2 + axis] = product(text, 1, near[axis])
                far[axis] = msgspec.Raw(text.encode())
        found.append([near, far])
    return found, read


def _facts(dataset: PoseDataset, rows: NDArray[np.intp]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    notes = tuple(f"{key}:{OWN}" for key in ("shape", "keypoints", "group"))
    for key in ("description", "flags", *notes):
        for place, text in enumerate(dataset.extras[key][rows] if key in dataset.extras else ()):
            if text is not None:
                found.setdefault(place, {})[key.removesuffix(f":{OWN}")] = json.loads(text)
    return found


def _extras_read(
    facts: dict[int, dict[str, Any]], there: NDArray[np.bool_]
) -> dict[str, RawColumn]:
    """Return the extras that a rectangle holds."""
    found = {}
    for key, kind in (("description", str), ("flags", dict)):
        values = [facts.get(place, {}).get(key) for place in range(len(there))]
        if any(value is not None for value in values):
            found[key] = RawColumn.from_values(
                value if isinstance(value, kind) and value and mine else None
                for value, mine in zip(values, there.tolist(), strict=True)
            )
    return found


# Files


def pages(
    plan: Plan, sheets: Sequence[Sheet], images: ImageTable, names: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file."""
    encoder = msgspec.json.Encoder()
    notes = plan.images.extras.get(f"file:{OWN}", RawColumn.absent(len(plan.images)))
    columns = (images.file_name.tolist(), images.wh.tolist(), names)
    rows = enumerate(zip(plan.by_image(), *columns, strict=True))
    for row, (people, image, (width, height), name) in rows:
        note = notes.parsed(row)
        note = note if isinstance(note, dict) else {}
        said = {key: raw.parsed(row) for key, raw in images.extras.items()}
        shapes = _shapes_of(sheets, people)
        for index, shape in said.get(SHAPES) or ():
            shapes.insert(index, shape)
        page = {
            "version": note.get("version", _VERSION),
            "flags": said.get("flags") or {},
            **(said.get("labelme") or {}),
            "shapes": shapes,
            "imagePath": _image_path(note, image, name),
            "imageData": note.get("imageData"),
            "imageHeight": height or None,
            "imageWidth": width or None,
        }
        yield name, msgspec.json.format(encoder.encode(page), indent=1) + b"\n"


def _image_path(note: dict[str, Any], image: str, name: str) -> str:
    """Return the image as seen from the file: as it was said before, if that still means it."""
    folder = posixpath.dirname(name)
    kept = note.get("imagePath")
    if isinstance(kept, str):
        joined = posixpath.normpath(posixpath.join(folder, kept.replace("\\", "/")))
        if joined == image or joined.rpartition("/")[2] == image:
            return kept
    return posixpath.relpath(image, folder or ".")


def _shapes_of(sheets: Sequence[Sheet], people: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return the shapes of an image's people, each in a group that no other has."""
    wanted = [sheets[number].facts.get(place, {}).get("group") for number, place in people]
    taken: set[Any] = {group for group in wanted if group is not None}
    given: set[Any] = set()
    free = 1
    found: list[dict[str, Any]] = []
    for (number, place), group in zip(people, wanted, strict=True):
        facts = sheets[number].facts.get(place, {})
        alone = len(people) == 1 and "group" in facts
        own = group
        if (group is None and not alone) or group in given or not _is_group(group):
            while free in taken:
                free += 1
            own = free
            taken.add(own)
        given.add(own)
        found += _person(sheets[number], place, own)
    return found


def _is_group(group: Any) -> bool:
    return group is None or isinstance(group, str) or (type(group) is int)


def _person(sheet: Sheet, place: int, group: Any) -> list[dict[str, Any]]:
    facts = sheet.facts.get(place, {})
    found = []
    if sheet.corners[place] is not None:
        said = {k: v for k, v in facts.items() if k in ("description", "flags") and v}
        note = facts.get("shape", {})
        corners = _kept_corners(note.get("points"), sheet.reading.column("bbox")[place])
        score = float(sheet.reading.column("score")[place])
        found.append(
            _shape(
                sheet.labels[place],
                corners or sheet.corners[place],
                group,
                "rectangle",
                score,
                said | note.get("others", {}),
                note.get("absent", ()),
            )
        )
    notes = facts.get("keypoints", {})
    scores = sheet.reading.column("keypoint_score")[place].tolist()
    for k, state in enumerate(sheet.reading.visibility[place].tolist()):
        if state != Visibility.UNLABELLED:
            note = notes.get(sheet.names[k], {})
            said = _with_state(dict(note.get("others", {})), state, by_key=note.get("difficult"))
            absent = [key for key in note.get("absent", ()) if key not in said]
            at = [sheet.xy[place][k]]
            found.append(_shape(sheet.names[k], at, group, "point", scores[k], said, absent))
    return found


def _kept_corners(points: Any, box: Floats) -> list[Any] | None:
    """Return corners in the order that they had, if they still are those of the box."""
    if not isinstance(points, list):
        return None
    xs, ys = [float(p[0]) for p in points], [float(p[1]) for p in points]
    same = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] == box.tolist()
    return points if same else None


def _with_state(said: dict[str, Any], state: int, *, by_key: Any) -> dict[str, Any]:
    if state == Visibility.LABELLED:
        return said
    hidden = state == Visibility.OCCLUDED
    if by_key:
        return said | {"difficult": hidden}
    return said | {"flags": {"occluded": hidden, **said.get("flags", {})}}


def _shape(
    label: str,
    points: Any,
    group: Any,
    kind: str,
    score: float,
    said: dict[str, Any],
    absent: Sequence[str],
) -> dict[str, Any]:
    shape = {"label": label, "points": points, "group_id": group, "shape_type": kind}
    shape |= {key: value for key, value in DEFAULTS.items() if key not in absent}
    if not math.isnan(score):
        shape["score"] = score
    return shape | said

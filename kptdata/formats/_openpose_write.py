"""Datasets to OpenPose files, one for each image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._openpose_layout import (
    BODIES,
    BODY,
    PARTS,
    Layout,
    known_layout,
    layout_for,
)
from kptdata.formats._openpose_names import frames_of, is_file_name, json_name, named
from kptdata.formats._openpose_read import (
    SCORE_3D,
    VERSION,
    Form,
    columns_2d,
    columns_3d,
    default_form,
    list_key,
)
from kptdata.formats._openpose_scale import looks_like_fractions
from kptdata.formats._plan import Plan, held
from kptdata.formats._tree import safe_name
from kptdata.schema import Schema

__all__ = ["OWN", "Sheet", "images_read", "json_names", "pages", "schemas_read", "sheets_of"]

Floats = NDArray[np.float64]

OWN = "openpose"
_TINY = 1e-9  # the confidence of a point that is there and has none above 0, which means missing
_FAR = 1e300
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_CANDIDATES = "part_candidates"
_TAKEN = ("people", "version", _CANDIDATES, "canvas_width", "canvas_height", "keypoint_scale")
_SPELLED = {f"{part}_keypoints": (part, 2) for part in (BODY, *PARTS)} | {
    list_key(part, dims): (part, dims) for dims in (2, 3) for part in (BODY, *PARTS)
}


@dataclass(frozen=True)
class Sheet:
    """What is written of one dataset.

    Attributes:
        layout: where the points go.
        flat: (n, K, 3) x, y and confidence, 0 for nothing.
        deep: (n, K, 4) x, y, z and confidence; None if no point is 3D.
        tracks: (n,) numbers of people, -1 for none.
        others: row -> other keys, as texts.
        whole: whether any list of a face or a hand is written.
        reading: what they are read as.
    """

    layout: Layout
    flat: Floats
    deep: Floats | None
    tracks: list[int]
    others: Mapping[int, Mapping[str, msgspec.Raw]]
    whole: bool
    reading: PoseDataset


# Images


def json_names(images: ImageTable, path: Path) -> list[str]:
    """Return the file of each image: the one it came from, or that with its name.

    Raises:
        FormatError: two images would share a file, or a name leads out of the folder.
    """
    notes = _notes(images)
    found: dict[str, str] = {}
    for row, image in enumerate(images.file_name.tolist()):
        name = json_name(str(safe_name(image, path, "images")))
        kept = notes[row].get("json")
        if isinstance(kept, str) and is_file_name(kept):
            kept = str(safe_name(kept, path, "images"))
            if f"{named(kept).picture}_keypoints.json" == name:
                name = kept
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


def _notes(images: ImageTable) -> list[dict[str, Any]]:
    raw = images.extras.get(f"file:{OWN}", RawColumn.absent(len(images)))
    notes = [raw.parsed(row) for row in range(len(images))]
    return [note if isinstance(note, dict) else {} for note in notes]


def images_read(images: ImageTable, names: Sequence[str]) -> ImageTable:
    """Return the table of images as files state it, in the order of their names."""
    stems = [named(name).picture for name in names]
    notes = _notes(images)
    stated = np.array([note.get("canvas") is True for note in notes], bool)
    stated &= ((images.wh > 0) & (images.wh < 2**31)).all(axis=1)
    extras: dict[str, RawColumn] = {}
    if _CANDIDATES in images.extras:
        kept = [None if v == b"null" else v for v in images.extras[_CANDIDATES]]
        extras[_CANDIDATES] = RawColumn(kept)
    if OWN in images.extras:
        extras[OWN] = RawColumn(_text(_keys_of(raw, _TAKEN)) for raw in images.extras[OWN])
    extras[f"file:{OWN}"] = RawColumn.from_values(note or None for note in notes)
    return ImageTable.of(
        stems,
        width=np.where(stated, images.width, 0),
        height=np.where(stated, images.height, 0),
        extras={key: raw for key, raw in extras.items() if raw.present.any()},
        **frames_of(stems),
    )


def _keys_of(text: bytes | None, taken: Sequence[str]) -> dict[str, msgspec.Raw]:
    """Return the values of an object, as texts, but for keys that are written anyway."""
    try:
        found = msgspec.json.decode(text or b"{}", type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:  # no object
        return {}
    return {key: value for key, value in found.items() if key not in taken}


def _text(values: Mapping[str, msgspec.Raw]) -> bytes | None:
    return msgspec.json.encode(values) if values else None


# People


def sheets_of(
    plan: Plan, datasets: Sequence[PoseDataset], images: ImageTable, path: Path
) -> list[Sheet]:
    """Say what is written of each dataset.

    Raises:
        SchemaError: the format has no list for the points.
    """
    return [
        _sheet(plan, number, dataset, images, _layout(dataset.schema, path))
        for number, dataset in enumerate(datasets)
    ]


def _layout(schema: Schema, path: Path) -> Layout:
    layout = known_layout(schema)
    if layout is None:
        raise SchemaError(
            f"OpenPose has no list for the points of {schema.name}",
            path=path,
            expected=f"{', '.join(BODIES.values())}, or openpose_wholebody",
            found=f"{schema.num_keypoints} points",
            fix="map it to one of them (kptdata.ops.map_schema, kpt convert --schema body25)",
        )
    return layout


def _sheet(
    plan: Plan, number: int, dataset: PoseDataset, images: ImageTable, layout: Layout
) -> Sheet:
    rows = plan.rows[number]
    flat, deep = _flat(dataset, rows), _deep(dataset, rows)
    tracks = _tracks(dataset.column("track")[rows])
    others = {}
    if OWN in dataset.extras:
        texts = enumerate(dataset.extras[OWN][rows])
        others = {row: _others(text, layout) for row, text in texts if text is not None}
    columns: dict[str, Any] = columns_2d(flat) | columns_3d(deep)
    if any(others.values()):
        columns["extras"] = {OWN: RawColumn(_text(others.get(row, {})) for row in range(len(rows)))}
    numbers = np.array(tracks, np.int64)
    columns["track"] = np.where(numbers >= 0, numbers, MISSING_INT)
    reading = held(plan, number, dataset, images, **columns)
    forms = [note.get("form") for note in _notes(plan.images)]
    met = {int(row) for row in plan.places[number][dataset.image[rows]].tolist()}
    whole = _has_parts(layout, flat, deep, [forms[row] for row in sorted(met)])
    whole |= any(_spelled(key)[0] in PARTS for other in others.values() for key in other)
    return Sheet(layout, flat, deep, tracks, others, whole, reading)


def _has_parts(layout: Layout, flat: Floats, deep: Floats | None, forms: Sequence[Any]) -> bool:
    """Tell whether a list of a face or a hand is not empty: it has points, or is to have zeros."""
    for part, rows in layout.rows.items():
        if part in PARTS:
            keys = [key for key, (of, _) in _SPELLED.items() if of == part]
            filled = any(
                not isinstance(form, dict) or any(form.get(key) == "list" for key in keys)
                for form in forms
            )
            if filled or flat[:, rows].any() or (deep is not None and deep[:, rows].any()):
                return True
    return False


def _spelled(key: str) -> tuple[str, int]:
    return _SPELLED.get(key, (BODY, 0))


def _flat(dataset: PoseDataset, rows: NDArray[np.intp]) -> Floats:
    near = (np.abs(dataset.xy[rows]) < _FAR).all(axis=-1)
    labelled = dataset.labelled[rows] & near
    score = dataset.column("keypoint_score")[rows]
    score = np.where(np.isfinite(score) & (np.abs(score) < _FAR), score, np.nan)
    given = dataset.column("given_xy")[rows]
    given = np.where((np.abs(given) < _FAR).all(axis=-1, keepdims=True), given, 0.0)
    stated = np.where(np.isnan(score), 1.0, np.where(score > 0, score, _TINY))
    confidence = np.where(labelled, stated, np.where(score < 0, score, 0.0))
    places = np.where(labelled[..., None], dataset.xy[rows], given)
    return np.concatenate([places, confidence[..., None]], axis=-1)


def _deep(dataset: PoseDataset, rows: NDArray[np.intp]) -> Floats | None:
    places = dataset.column("xyz")[rows]
    there = (np.abs(places) < _FAR).all(axis=-1)
    if not there.any():
        return None
    score = dataset.numbers.get(SCORE_3D)
    if score is None or score.shape != dataset.visibility.shape:
        score = np.ones(dataset.visibility.shape)
    score = score[rows].astype(np.float64)
    score = np.where(np.abs(score) < _FAR, score, 1.0)
    deep = np.concatenate([places, score[..., None]], axis=-1)
    return np.where(there[..., None], deep, 0.0)


def _tracks(column: NDArray[Any]) -> list[int]:
    """Return the whole numbers from 0 of a column of tracks, -1 for others."""
    if column.dtype == TEXT:
        return [int(text) if _NUMBER.fullmatch(text) else -1 for text in column.tolist()]
    return [max(number, -1) for number in column.tolist()]


def _others(text: bytes, layout: Layout) -> dict[str, msgspec.Raw]:
    """Return the other keys of a person; lists only where a reader takes them as such."""
    found = _keys_of(text, ("person_id",))
    return {key: value for key, value in found.items() if _is_other(key, value, layout)}


def _is_other(key: str, value: msgspec.Raw, layout: Layout) -> bool:
    if key not in _SPELLED:
        return True
    part, dims = _SPELLED[key]
    if part in layout.rows:
        return False
    try:
        numbers = msgspec.json.decode(value, type=list[float])
    except msgspec.ValidationError:
        return False
    sizes = [PARTS[part]] if part in PARTS else list(BODIES)
    fits = len(numbers) in [size * (dims + 1) for size in sizes]
    return fits and max(map(abs, numbers)) < _FAR


def schemas_read(sheets: Sequence[Sheet]) -> list[Schema | None]:
    """Return the schemas that datasets are read with if nobody names one."""
    whole = any(sheet.whole for sheet in sheets)
    bodies = [_body(sheet) for sheet in sheets]
    first = next((body for body in bodies if body), 0)
    found: list[Schema | None] = []
    for body in bodies:
        size = body or first
        found.append(layout_for(size or (0 if whole else 25), whole=whole).schema)
    return found


def _body(sheet: Sheet) -> int:
    """Return how many points the bodies have that are written, 0 if there is none."""
    if len(sheet.flat) and sheet.layout.body:
        return sheet.layout.body
    lists = (v for o in sheet.others.values() for k, v in o.items() if _spelled(k) == (BODY, 2))
    return next((len(msgspec.json.decode(v)) // 3 for v in lists), 0)


# Files


def pages(
    plan: Plan, sheets: Sequence[Sheet], images: ImageTable, names: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file."""
    encoder = msgspec.json.Encoder()
    notes = _notes(images)
    near = any(looks_like_fractions(sheet.flat) for sheet in sheets)
    for row, people in enumerate(plan.by_image()):
        note = notes[row]
        page: dict[str, Any] = {}
        version = note.get("version", VERSION)
        if version is not None:
            page["version"] = version
        form = note.get("form")
        page["people"] = [
            _person(sheets[number], place, form if isinstance(form, dict) else None)
            for number, place in people
        ]
        raw = images.extras[_CANDIDATES][row] if _CANDIDATES in images.extras else None
        if raw is not None:
            page[_CANDIDATES] = msgspec.Raw(raw)
        if images.width[row]:
            page["canvas_width"] = int(images.width[row])
            page["canvas_height"] = int(images.height[row])
        if near:
            page["keypoint_scale"] = 0
        if OWN in images.extras:
            page |= _keys_of(images.extras[OWN][row], ())
        yield names[row], encoder.encode(page) + b"\n"


def _person(sheet: Sheet, place: int, form: Form | None) -> dict[str, Any]:
    usual = default_form(sheet.layout)
    kinds = usual if form is None else form
    spelled = {_SPELLED[key]: key for key in kinds if key in _SPELLED}
    person: dict[str, Any] = {}
    others = dict(sheet.others.get(place, {}))
    for key in dict.fromkeys([*kinds, *usual]):
        if key == "person_id":
            if key in kinds or sheet.tracks[place] >= 0:
                empty = kinds.get(key) == "empty" and sheet.tracks[place] < 0
                person[key] = [] if empty else [sheet.tracks[place]]
        elif key in _SPELLED and spelled.get(_SPELLED[key], key) == key:
            numbers = _list(sheet, place, *_SPELLED[key], always=kinds.get(key) == "list")
            if numbers is not None:
                person[key] = numbers
            elif key in others:
                person[key] = others.pop(key)
            elif key in kinds:
                person[key] = None if kinds[key] == "null" else []
    return person | others


def _list(sheet: Sheet, place: int, part: str, dims: int, *, always: bool) -> list[float] | None:
    """Return the numbers of a list, None if it has none."""
    source = sheet.flat if dims == 2 else sheet.deep
    rows = sheet.layout.rows.get(part)
    if rows is None:
        return None
    if source is None:
        return [0.0] * (len(rows) * (dims + 1)) if always else None
    points = source[place, rows]
    if not always and not points.any():
        return None
    found: list[float] = points.ravel().tolist()
    return found

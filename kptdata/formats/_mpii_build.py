"""A dataset to MPII's RELEASE struct: what was read goes back as it was, the rest is made anew.

The notes that reading left (keys ``:mpii``) win only where they still say what the columns say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset, RawColumn
from kptdata.errors import DatasetError
from kptdata.formats._mat_values import (
    EMPTY,
    NUMBERS,
    Value,
    WrongValueError,
    as_value,
    cell,
    is_field_name,
    matrix,
    numeric,
    plain,
    record,
    struct,
    unset,
)
from kptdata.formats._mpii_box import place_from_boxes
from kptdata.formats._mpii_person import (
    HEAD,
    TYPED,
    People,
    Person,
    people,
    read_person,
    typed_fields,
)
from kptdata.formats._mpii_release import (
    BESIDE,
    FILE_NOTES,
    IMAGE_NOTES,
    PERSON_NOTES,
    VARIABLE,
    VARIABLES,
)
from kptdata.formats._trivia import is_trivia
from kptdata.visibility import Visibility, is_labelled

__all__ = ["Built", "build"]

_FIELDS = ("annolist", "img_train", "version", "single_person", "act", "video_list")
_VERSION = "12"
_NOBODY = Person((), (math.nan,) * 4, math.nan, (math.nan,) * 2, frozenset())
_NO_ACT = {"cat_name": EMPTY, "act_name": EMPTY, "act_id": EMPTY}
_DEFAULTS: Mapping[str, Value] = {"img_train": 1.0, "single_person": EMPTY, "act": _NO_ACT}
_CONTAINERS: Mapping[str, Mapping[str, Any]] = {
    "img_train": {"kind": "double", "shape": (1, -1)},
    "single_person": {"kind": "cell", "shape": (-1, 1)},
    "act": {"kind": "struct", "shape": (-1, 1), "fields": list(_NO_ACT)},
}


class Built(NamedTuple):
    """The variables of a file.

    Attributes:
        variables: name -> value.
        rows: row of the dataset of each person, in the file's order.
    """

    variables: dict[str, Value]
    rows: NDArray[np.intp]


def build(dataset: PoseDataset) -> Built:
    """Return what a file of this dataset holds: all images, each with its people by `order`."""
    listed = np.flatnonzero(dataset.image >= 0)
    rows = listed[np.lexsort((listed, dataset.order[listed], dataset.image[listed]))]
    kept = dataset[rows]
    notes = [_parsed(text) for text in _texts(kept.extras, PERSON_NOTES, len(kept))]
    fields = _all_fields(kept, notes)
    ends = np.searchsorted(kept.image, np.arange(len(kept.images) + 1))
    numbers = [note.get("person") for note in notes]
    images = _ImageFields(kept, [slice(a, b) for a, b in pairwise(ends)], fields, numbers)
    return Built({VARIABLE: _release(kept, images), **_variables(kept)}, rows)


def _texts(extras: Mapping[str, RawColumn], key: str, count: int) -> RawColumn:
    return extras.get(key, RawColumn.absent(count))


def _parsed(text: bytes | None) -> dict[str, Any]:
    """Return the object of a note; empty where there is none."""
    found = {} if text is None else msgspec.json.decode(text)
    return found if isinstance(found, dict) else {}


def _variables(dataset: PoseDataset) -> dict[str, Value]:
    return {k: v for k, v in _parsed(dataset.meta.get(VARIABLES)).items() if k != VARIABLE}


def restated(value: Value | None, text: bytes | None) -> Value | None:
    """Return the value that says what `text` says: the kept one where it still does.

    Nothing to say is EMPTY where the field is there, and None where it is not.
    """
    nothing = None if value is None else EMPTY
    if text is None:
        return value if value is not None and unset(value) else nothing
    meaning = msgspec.json.decode(text)
    if value is not None and not unset(value) and plain(value) == meaning:
        return value
    try:
        return as_value(meaning)
    except ValueError:
        return nothing


# People


def _all_fields(kept: PoseDataset, notes: Sequence[Mapping[str, Any]]) -> list[dict[str, Value]]:
    """Return the fields of each person."""
    raw = [_fields_of(note) for note in notes]
    these, same = _people_of(kept), _agreeing(kept, raw)
    extras = {
        key: texts
        for key, texts in kept.extras.items()
        if is_field_name(key) and not is_trivia(key, "mpii")
    }
    found = []
    for n, fields in enumerate(raw):
        own = dict.fromkeys(TYPED) if fields is None else fields
        made = typed_fields(these, n)
        agreed = {name for name, part in _PARTS.items() if fields is not None and same[part][n]}
        texts = {key: column[n] for key, column in extras.items()}
        found.append(_person(own, made, agreed, texts))
    return found


_PARTS = {
    **dict.fromkeys(HEAD, "head"),
    "annopoints": "points",
    "scale": "scale",
    "objpos": "objpos",
}


def _person(
    raw: Mapping[str, Value | None],
    made: Mapping[str, Value],
    agreed: set[str],
    texts: Mapping[str, bytes | None],
) -> dict[str, Value]:
    """Put one person together, in the order of the fields that were read."""
    fields: dict[str, Value] = {}
    for name, value in raw.items():
        if name in TYPED:
            fields[name] = value if name in agreed else made[name]
        else:
            fields[name] = restated(value, texts.get(name))
    for name in TYPED:
        if name not in fields and name not in agreed and not unset(made[name]):
            fields[name] = made[name]
    for name, written in texts.items():
        value = None if name in fields or name in TYPED else restated(None, written)
        if value is not None:
            fields[name] = value
    return fields


def _fields_of(note: Mapping[str, Any]) -> dict[str, Value] | None:
    fields = note.get("fields")
    return fields if isinstance(fields, dict) else None


def _people_of(kept: PoseDataset) -> People:
    objpos, scale = place_from_boxes(kept)
    head = kept.boxes.get("head", np.full((len(kept), 4), np.nan))
    return People(kept.xy, kept.visibility, head, scale, objpos)


def _agreeing(
    kept: PoseDataset, raw: Sequence[Mapping[str, Value] | None]
) -> dict[str, NDArray[np.bool_]]:
    """Tell for each part of a person whether what was read still says what the columns say."""
    noted = people([_NOBODY if fields is None else _reread(fields) for fields in raw])
    states = np.where(is_labelled(kept.visibility), kept.visibility, Visibility.UNLABELLED)
    count = len(kept)
    head = kept.boxes.get("head", np.full((count, 4), np.nan))
    objpos, scale = place_from_boxes(kept)
    return {
        "points": _equal(noted.xy, kept.xy) & (noted.visibility == states).all(axis=1),
        "head": _equal(noted.head, head),
        "scale": _equal(noted.scale[:, None], scale[:, None]),
        "objpos": _equal(noted.objpos, objpos),
    }


def _equal(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.all(same, axis=tuple(range(1, a.ndim)))


def _reread(fields: Mapping[str, Value]) -> Person:
    try:
        return read_person(fields, Counter())
    except (WrongValueError, DatasetError):  # a note that somebody changed
        return _NOBODY


# Images


class _ImageFields:
    """Makes the elements of ``annolist`` and what stands beside them.

    Args:
        kept: people in the file's order.
        people: the rows of each image's people.
        fields: the fields of each person.
        numbers: number that each person had in its image when it was read, or None.
    """

    def __init__(
        self,
        kept: PoseDataset,
        people: Sequence[slice],
        fields: Sequence[dict[str, Value]],
        numbers: Sequence[Any],
    ) -> None:
        self.images, self.people, self.fields = kept.images, people, fields
        self.extras = kept.images.extras
        count = len(self.images)
        self.notes = [_parsed(text) for text in _texts(self.extras, IMAGE_NOTES, count)]
        self.numbers = numbers

    def annolist(self) -> list[dict[str, Value]]:
        """Return the fields of each image."""
        names = [
            key for key in self.extras
            if is_field_name(key) and key not in ("image", "annorect", *BESIDE)
        ]  # fmt: skip
        found = []
        for i, file_name in enumerate(self.images.file_name.tolist()):
            noted = self.notes[i].get("annolist")
            raw = noted if isinstance(noted, dict) else {}
            fields: dict[str, Value] = {"image": _named(raw.get("image"), file_name)}
            fields["annorect"] = self._annorect(i)
            for key in dict.fromkeys([*raw, *names]):
                if key != "image":
                    text = self.extras[key][i] if key in self.extras else None
                    fields[key] = restated(raw.get(key), text)
            found.append({key: value for key, value in fields.items() if value is not None})
        return found

    def _annorect(self, i: int) -> Value:
        here = self.fields[self.people[i]]
        noted = self.notes[i].get("annorect")
        raw = noted if isinstance(noted, dict) else {}
        if not here:
            return raw.get("value", EMPTY)
        listed = [name for name in raw.get("fields", ()) if all(name in row for row in here)]
        names = list(dict.fromkeys([*listed, *(name for row in here for name in row)]))
        columns = {name: [row.get(name, EMPTY) for row in here] for name in names}
        return struct(columns, _along(raw.get("shape", (1, -1)), len(here)))

    def beside(self, name: str) -> list[Value | None]:
        """Return what each image has of a field of `BESIDE`, None where nothing is known."""
        texts = _texts(self.extras, name, len(self.images))
        found = []
        for i, text in enumerate(texts):
            raw = self.notes[i].get("beside")
            value = raw.get(name) if isinstance(raw, dict) else None
            if name == "single_person":
                text = self._renumbered(i, text)  # noqa: PLW2901 - the people may be others now
            found.append(restated(value, text))
        return found

    def _renumbered(self, i: int, text: bytes | None) -> bytes | None:
        """Let the numbers of separate people follow those people, if some have gone."""
        numbers = self.numbers[self.people[i]]
        if text is None or list(numbers) == list(range(1, len(numbers) + 1)) or None in numbers:
            return text
        place = {number: new for new, number in enumerate(numbers, 1)}
        listed = msgspec.json.decode(text)
        left = [place[n] for n in (listed if isinstance(listed, list) else [listed]) if n in place]
        return msgspec.json.encode(left if len(left) > 1 else left[0]) if left else None


def _named(raw: Value | None, file_name: str) -> Value:
    """Return ``image``, with what it held beside the name."""
    noted = record(raw, "image") if isinstance(raw, dict) else None
    if noted is not None and (plain(noted.get("name", EMPTY)) or "") == file_name:
        return raw
    return {**(noted or {}), "name": as_value(file_name)}


def _along(shape: Sequence[int], count: int) -> tuple[int, ...]:
    """Return a shape for `count` elements: the given one, or a row or column as it is one."""
    if math.prod(shape) == count and min(shape) >= 0:
        return tuple(shape)
    return (1, count) if shape[0] == 1 else (count, 1)


# The file


def _release(kept: PoseDataset, images: _ImageFields) -> Value:
    notes = _parsed(kept.meta.get(FILE_NOTES))
    rows = images.annolist()
    order = dict.fromkeys(notes.get("annolist", {}).get("fields", ("image", "annorect")))
    names = list(order | dict.fromkeys(name for row in rows for name in row))
    shape = _along(notes.get("annolist", {}).get("shape", (1, -1)), len(rows))
    found: dict[str, Value | None] = {
        "annolist": struct({k: [row.get(k, EMPTY) for row in rows] for k in names}, shape)
    }
    containers = notes.get("beside", {}) if notes else _CONTAINERS
    for name in BESIDE:
        found[name] = _beside(images.beside(name), containers.get(name), name)
    found |= _others(kept.meta, notes)
    order = dict.fromkeys([*notes.get("fields", _FIELDS), *found])
    return {name: value for name in order if (value := found.get(name)) is not None}


def _others(meta: Mapping[str, bytes], notes: Mapping[str, Any]) -> dict[str, Value | None]:
    """Return the fields of RELEASE that are about the file as a whole."""
    raw = notes.get("others", {})
    taken = ("annolist", *BESIDE, VARIABLES)
    keys = [key for key in {**raw, **meta} if is_field_name(key) and key not in taken]
    found = {key: restated(raw.get(key), meta.get(key)) for key in keys}
    if not notes:
        found.setdefault("version", _VERSION)
        found.setdefault("video_list", cell([], (1, 0)))
    return found


def _beside(
    values: Sequence[Value | None], container: Mapping[str, Any] | None, name: str
) -> Value | None:
    """Put one value per image into the array that the field is."""
    if container is None:
        if all(value is None for value in values):
            return None
        container = _CONTAINERS[name]
    if "value" in container:
        if all(value is None or unset(value) for value in values):
            return container["value"]
        container = _CONTAINERS[name]
    default = _DEFAULTS[name]
    filled = [default if value is None else value for value in values]
    shape = _along(container["shape"], len(filled))
    held = [matrix(value) for value in filled]
    kind = container["kind"]
    if kind in NUMBERS and all(one.kind in NUMBERS and one.size == 1 for one in held):
        kinds = {one.kind for one in held} or {kind}
        single = kinds.pop() if len(kinds) == 1 else "double"
        return numeric(single, [one.items[0] for one in held], shape)
    if kind == "struct" and all(one.kind == "struct" and one.size == 1 for one in held):
        names = dict.fromkeys([*container.get("fields", ()), *(k for v in filled for k in v)])
        return struct({k: [v.get(k, EMPTY) for v in filled] for k in names}, shape)
    return cell(filled, shape)

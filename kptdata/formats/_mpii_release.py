"""MPII's RELEASE struct to a dataset; nothing is left behind.

What the columns do not hold goes to extras under its own name, by what it means; how it is written
(classes, order of fields, shapes) goes to keys that end in ``:mpii`` and makes the way back exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from kptdata.dataset import ImageTable, PoseDataset, RawColumn
from kptdata.errors import FormatError
from kptdata.formats._mat_values import (
    EMPTY,
    Value,
    WrongValueError,
    elements,
    matrix,
    plain,
    record,
    struct_columns,
    text,
    unset,
)
from kptdata.formats._mpii_box import box_columns
from kptdata.formats._mpii_person import FLAGS, Person, people, read_person
from kptdata.formats._trivia import FACTS
from kptdata.schema import Schema

__all__ = [
    "BESIDE",
    "FILE_NOTES",
    "IMAGE_NOTES",
    "PERSON_NOTES",
    "VARIABLE",
    "VARIABLES",
    "dataset_of",
]

VARIABLE = "RELEASE"
PERSON_NOTES, IMAGE_NOTES, FILE_NOTES = "annorect:mpii", "annolist:mpii", "RELEASE:mpii"
VARIABLES = "variables"
"""Key of `PoseDataset.meta` for the file's variables other than RELEASE."""

BESIDE = ("img_train", "single_person", "act")
"""Fields of RELEASE that have one element per image."""

_ENCODE = msgspec.json.Encoder().encode


class Row(NamedTuple):
    """One element of ``annolist``: its fields, and what stands beside it."""

    fields: Mapping[str, Value]
    beside: Mapping[str, Value]


@dataclass
class _Found:
    """What is collected image by image."""

    path: Path
    names: list[str] = field(default_factory=list)
    image: list[int] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    facts: Counter[str] = field(default_factory=Counter)
    person_texts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    image_texts: dict[str, dict[int, bytes]] = field(default_factory=dict)


def dataset_of(variables: Mapping[str, Value], path: Path, schema: Schema) -> PoseDataset:
    """Return the dataset that a file's variables are.

    Raises:
        FormatError: there is no RELEASE, or it is not built as it should be; the place is named.
    """
    release = _release(variables, path)
    found = _Found(path)
    shape, rows, names = _rows(release, path)
    for row in rows:
        _image(row, found)
    these = people(found.people)
    count = len(found.people)
    images = ImageTable.of(found.names, extras=_columns(found.image_texts, len(found.names)))
    return PoseDataset(
        schema=schema,
        images=images,
        image=np.array(found.image, np.intp),
        xy=these.xy,
        visibility=these.visibility,
        id=np.arange(1, count + 1),
        boxes={"head": these.head},
        extras=_columns(found.person_texts, count),
        meta=_meta(variables, release, found.facts, {"fields": names, "shape": shape}),
        **box_columns(these.objpos, these.scale),  # type: ignore[arg-type]
    )


def _release(variables: Mapping[str, Value], path: Path) -> Mapping[str, Value]:
    if VARIABLE not in variables:
        raise FormatError(
            "no MPII release",
            path=path,
            expected="a variable RELEASE",
            found=", ".join(map(repr, variables)) or "no variable",
            fix="name the format that it is in",
        )
    try:
        return _with_field(variables[VARIABLE], VARIABLE, "annolist")
    except WrongValueError as error:
        raise _placed(error, path, None) from None


def _with_field(value: Value, name: str, field_name: str) -> Mapping[str, Value]:
    """Return the fields of a single struct that must have a certain one."""
    fields = record(value, name)
    if fields is None or field_name not in fields:
        raise WrongValueError(name, f"a struct with a field {field_name}", value)
    return fields


def _placed(error: WrongValueError, path: Path, place: str | None) -> FormatError:
    where = error.field if place is None else f"{place}, {error.field}"
    return FormatError(
        "not as MPII has it", path=path, place=where, expected=error.expected, found=error.found
    )


def _rows(
    release: Mapping[str, Value], path: Path
) -> tuple[Sequence[int], Iterator[Row], Sequence[str]]:
    """Return the shape of annolist, its elements, and the names of its fields."""
    try:
        columns, count = struct_columns(release["annolist"], "annolist")
    except WrongValueError as error:
        raise _placed(error, path, VARIABLE) from None
    beside = {}
    for name in BESIDE:
        if name in release and not unset(release[name]):
            beside[name] = elements(release[name])
            if len(beside[name]) != count:
                raise FormatError(
                    "not one element per image",
                    path=path,
                    place=f"{VARIABLE}.{name}",
                    expected=f"{count}, as annolist has",
                    found=str(len(beside[name])),
                )
    clash = sorted(set(columns) & set(BESIDE))
    if clash:
        raise FormatError(
            f"the field {clash[0]!r} stands in annolist and beside it", path=path, place=VARIABLE
        )
    rows = (
        Row({k: v[i] for k, v in columns.items()}, {k: v[i] for k, v in beside.items()})
        for i in range(count)
    )
    return matrix(release["annolist"]).shape, rows, list(columns)


def _image(row: Row, found: _Found) -> None:
    """Collect one image and its people."""
    number = len(found.names)
    place = f"image {number + 1}"
    rect = row.fields.get("annorect", EMPTY)
    try:
        image = _with_field(row.fields.get("image", EMPTY), "image", "name")
        found.names.append(text(image["name"], "image.name"))
        columns, count = struct_columns(rect, "annorect")
    except WrongValueError as error:
        raise _placed(error, found.path, place) from None
    for r in range(count):
        _person({name: values[r] for name, values in columns.items()}, number, r + 1, found)
    held = {"annorect", "image"} if len(image) == 1 else {"annorect"}
    _keep(row.fields, held, number, found.image_texts)
    _keep(row.beside, (), number, found.image_texts)
    others = {name: value for name, value in row.fields.items() if name != "annorect"}
    people_of = {"fields": list(columns), "shape": matrix(rect).shape} if count else {"value": rect}
    notes = {"annolist": others, "annorect": people_of, "beside": row.beside}
    found.image_texts.setdefault(IMAGE_NOTES, {})[number] = _ENCODE(notes)


def _person(fields: Mapping[str, Value], image: int, number: int, found: _Found) -> None:
    try:
        person = read_person(fields, found.facts)
    except WrongValueError as error:
        place = f"image {image + 1} ({found.names[-1]}), person {number}"
        raise _placed(error, found.path, place) from None
    row = len(found.people)
    found.people.append(person)
    found.image.append(image)
    _keep(fields, person.held, row, found.person_texts)
    notes = _ENCODE({"person": number, "fields": fields})
    found.person_texts.setdefault(PERSON_NOTES, {})[row] = notes


def _keep(
    fields: Mapping[str, Value], held: Any, row: int, texts: dict[str, dict[int, bytes]]
) -> None:
    """Keep what the columns do not hold, as the plain JSON that it means."""
    for name, value in fields.items():
        if name not in held and not unset(value):
            texts.setdefault(name, {})[row] = _ENCODE(plain(value))


def _columns(texts: Mapping[str, Mapping[int, bytes]], count: int) -> dict[str, RawColumn]:
    """Make columns of the texts; they are read often under their own names, so notes come last."""
    ordered = sorted(texts, key=lambda name: ":" in name)
    return {name: RawColumn(map(texts[name].get, range(count))) for name in ordered}


def _meta(
    variables: Mapping[str, Value],
    release: Mapping[str, Value],
    facts: Counter[str],
    annolist: Mapping[str, Any],
) -> dict[str, bytes]:
    others = {k: v for k, v in release.items() if k not in ("annolist", *BESIDE)}
    meta = {name: _ENCODE(plain(value)) for name, value in others.items() if not unset(value)}
    beside = {name: _container(release[name]) for name in BESIDE if name in release}
    notes = {"fields": list(release), "annolist": annolist, "beside": beside, "others": others}
    meta[FILE_NOTES] = _ENCODE(notes)
    meta[f"{FACTS}is_visible"] = _ENCODE({flag: facts[flag] for flag in FLAGS})
    more = {name: value for name, value in variables.items() if name != VARIABLE}
    if more:
        meta[VARIABLES] = _ENCODE(more)
    return meta


def _container(value: Value) -> dict[str, Any]:
    """Describe an array without its elements."""
    held = matrix(value)
    if unset(value):
        return {"value": value}
    found: dict[str, Any] = {"kind": held.kind, "shape": held.shape}
    return found | ({"fields": list(held.items)} if held.kind == "struct" else {})

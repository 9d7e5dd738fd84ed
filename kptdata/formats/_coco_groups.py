"""Which annotations of a COCO file belong to which skeleton, and what schema that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType
from numpy.typing import NDArray

from kptdata.errors import FormatError, SchemaError
from kptdata.formats._coco_categories import (
    Skeleton,
    chosen,
    first_contradiction,
    named_schema,
    no_names,
    same_names,
    skeletons,
)
from kptdata.formats._coco_points import Part, parts_of, whole
from kptdata.formats._json import loads_or_none
from kptdata.schema import Schema, fitting_schemas

__all__ = ["Group", "Reading", "groups_of", "list_lengths", "readings", "unnamed_reading"]

_SAMPLE = 20


@dataclass(frozen=True)
class Group:
    """The annotations of one skeleton.

    Attributes:
        skeleton: its names and categories.
        places: (n,) positions of the annotations in the file.
        rows: their texts.
    """

    skeleton: Skeleton
    places: NDArray[np.int64]
    rows: Sequence[Raw]


@dataclass(frozen=True)
class Reading:
    """How the points of a group are read: schema, and which key holds which of its points."""

    schema: Schema
    layout: tuple[Part, ...]


class _Category(msgspec.Struct):
    category_id: int | UnsetType = UNSET


class _Lists(msgspec.Struct):
    keypoints: Raw | UnsetType = UNSET
    foot_kpts: Raw | UnsetType = UNSET


def groups_of(
    rows: Sequence[Raw], categories: bytes | None, category: int | str | None, path: Path
) -> list[Group]:
    """Divide annotations by skeleton; a skeleton without any is left out unless all are so.

    Raises:
        FormatError: no category is called `category`, or an annotation's category is unknown and
            so is its skeleton.
    """
    found = skeletons(categories)
    if category is None and len(found) == 1:
        return [Group(found[0], np.arange(len(rows)), rows)]
    numbers = np.array([_category_of(row) for row in rows], dtype=np.int64)
    if category is not None:
        skeleton, number = chosen(found, category, path)
        one = Skeleton(skeleton.names, {number: skeleton.categories[number]})
        return [_group(one, numbers == number, rows)]
    known = [number for skeleton in found for number in skeleton.categories]
    lost = np.flatnonzero(~np.isin(numbers, known))
    if len(lost):
        raise _unknown_category(int(lost[0]), rows, known, path)
    groups = [_group(s, np.isin(numbers, list(s.categories)), rows) for s in found]
    if not len(rows):
        return [next((g for g in groups if g.skeleton.names), groups[0])]
    return [group for group in groups if len(group.rows)]


def _group(skeleton: Skeleton, mask: NDArray[np.bool_], rows: Sequence[Raw]) -> Group:
    places = np.flatnonzero(mask)
    return Group(skeleton, places, [rows[place] for place in places.tolist()])


def _category_of(row: Raw) -> int:
    try:
        number = msgspec.json.decode(row, type=_Category).category_id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return -1
    return number if isinstance(number, int) and abs(number) < 2**62 else -1


def _unknown_category(
    place: int, rows: Sequence[Raw], known: Sequence[int], path: Path
) -> FormatError:
    found = loads_or_none(bytes(rows[place]))
    entry: dict[str, Any] = found if isinstance(found, dict) else {}
    return FormatError(
        "the annotation's category is not in the file, which has several skeletons",
        path=path,
        place=f"annotation {entry['id']}" if "id" in entry else f"annotations[{place}]",
        expected="category_id " + " or ".join(map(str, sorted(known))),
        found=repr(entry.get("category_id")),
        fix="add the category, or read one category (category=...)",
    )


# Schemas


def readings(
    groups: Sequence[Group], schema: Schema | None, path: Path, *, misnamed: Sequence[str] = ()
) -> list[Reading]:
    """Say how each group is read: as `schema` if its points are that, else as what it names.

    Args:
        groups: of one file.
        schema: what was asked for.
        path: the file, for messages.
        misnamed: names that are known to be wrong in files of this kind; those that have them are
            read as `schema` all the same.

    Raises:
        SchemaError: a group names no points and no schema is given; what is given fits no group.
    """
    if schema is None:
        return [_own_reading(group, path) for group in groups]
    fits = [
        whole(schema)
        if misnamed and group.skeleton.names == tuple(misnamed)
        else _fitting_layout(group, schema, alone=len(groups) == 1)
        for group in groups
    ]
    if not any(fits):
        raise _misfit(groups[0], schema, path)
    return [
        _own_reading(group, path) if layout is None else Reading(schema, layout)
        for group, layout in zip(groups, fits, strict=True)
    ]


def _own_reading(group: Group, path: Path) -> Reading:
    names = group.skeleton.names
    lengths = list_lengths(group.rows)
    if not names:
        return unnamed_reading(lengths, path)
    schema = named_schema(group.skeleton, path)
    # Where all lists agree on another length, the names are at fault and not an annotation.
    if len(set(lengths)) == 1 and lengths[0] not in (3 * len(names), 2 * len(names)):
        count, rest = divmod(lengths[0], 3)
        if not rest:
            raise _other_count(len(names), count, path)
    return Reading(schema, whole(schema))


def _other_count(named: int, held: int, path: Path) -> SchemaError:
    fitting = ", ".join(fitting_schemas(held))
    return SchemaError(
        f"the categories name {named} keypoints and the annotations hold {held}",
        path=path,
        place="categories.keypoints",
        fix=f"give the schema (schema=..., --schema); with {held} points: {fitting}"
        if fitting
        else "correct the names, or the lists of points",
    )


def unnamed_reading(lengths: Sequence[int], path: Path) -> Reading:
    """Return how annotations are read that name no points: boxes only, if they have none.

    Raises:
        SchemaError: they have points; the message gives their number and the schemas that fit.
    """
    if lengths:
        count = lengths[0]
        raise no_names(count // 3 if count % 3 == 0 else count // 2, path)
    boxes = Schema.from_names((), name="boxes")
    return Reading(boxes, whole(boxes))


def _fitting_layout(group: Group, schema: Schema, *, alone: bool) -> tuple[Part, ...] | None:
    """Return where the points of `schema` are in a group, None if the group has others.

    Names decide where there are as many as points; otherwise the lists themselves do, as files that
    were extended (133 points under 17 names) keep their old names.
    """
    names, parts = group.skeleton.names, parts_of(schema)
    count = schema.num_keypoints
    if len(names) == count and not all(name.isdigit() for name in names):
        return whole(schema) if first_contradiction(schema, names) is None else None
    lengths = set(list_lengths(group.rows))
    if lengths & {3 * count, 2 * count}:
        return whole(schema)
    if parts is not None and _may_be_in_parts(group, schema, parts, has_lists=bool(lengths)):
        return parts
    # Without names and points, anything fits; beside other skeletons these are boxes.
    return whole(schema) if alone and not names and not lengths else None


def _may_be_in_parts(
    group: Group, schema: Schema, parts: Sequence[Part], *, has_lists: bool
) -> bool:
    body = schema.names[: parts[0].length]
    if group.skeleton.names and not same_names(body, group.skeleton.names):
        return False
    return _has_parts(group.rows) or not has_lists


def _has_parts(rows: Sequence[Raw]) -> bool:
    return any(found.foot_kpts is not UNSET for found in _lists(rows))


def list_lengths(rows: Sequence[Raw]) -> list[int]:
    """Return how many numbers the first few lists of points hold, absent and empty ones aside."""
    texts = (bytes(f.keypoints) for f in _lists(rows) if isinstance(f.keypoints, Raw))
    lengths = (_numbers_in(loads_or_none(text)) for text in texts)
    return list(islice(filter(None, lengths), _SAMPLE))


def _lists(rows: Sequence[Raw]) -> Any:
    decoder = msgspec.json.Decoder(_Lists)
    for row in rows:
        try:
            yield decoder.decode(row)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


def _numbers_in(value: Any) -> int:
    if not isinstance(value, list):
        return 0
    nested = value and all(isinstance(v, list) for v in value)
    return 3 * len(value) if nested else len(value)


def _misfit(group: Group, schema: Schema, path: Path) -> SchemaError:
    names, count = group.skeleton.names, schema.num_keypoints
    place = first_contradiction(schema, names) if len(names) == count else None
    if place is not None:
        found = f"{names[place]!r} at {place}"
        wanted = f"{schema.names[place]!r}"
    else:
        lengths = list_lengths(group.rows)
        found = f"{lengths[0] // 3 if lengths else len(names)} points"
        wanted = f"the {count} points of {schema.name}"
    return SchemaError(
        f"the file does not hold the keypoints of {schema.name}",
        path=path,
        place="categories.keypoints",
        expected=wanted,
        found=found,
        fix="read it without a schema and map it (kptdata.ops.map_schema, kpt convert --schema)",
    )

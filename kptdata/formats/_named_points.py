"""Schemas for files that name their points: by name, never by position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kptdata.errors import SchemaError
from kptdata.schema import (
    Keypoint,
    Schema,
    fitting_schemas,
    infer_schema,
    list_schemas,
    load_schema,
)

__all__ = ["Fit", "Points", "fit_points", "schema_read", "unnamed_points"]

_SHORT = {"l": "left", "r": "right"}


class Points(NamedTuple):
    """The points of one skeleton as a file states them.

    Attributes:
        names: in the file's order.
        complete: whether these are all that the skeleton has, used or not.
        title: what the skeleton is called, for a schema made of it.
        links: pairs of names that the file joins by a line.
        swaps: name -> name that takes its place in a mirrored picture.
    """

    names: tuple[str, ...]
    complete: bool = True
    title: str = "custom"
    links: tuple[tuple[str, str], ...] = ()
    swaps: Mapping[str, str] = {}


class Fit(NamedTuple):
    """A schema, and the row of its points that each name of the file stands for."""

    schema: Schema
    rows: Mapping[str, int]


def fit_points(points: Points, given: Schema | None, path: Path, place: str) -> Fit:
    """Return the schema of a file's points: the given one, a bundled one, or one made of the names.

    A bundled schema is taken if it has exactly these names, in whatever order.

    Args:
        points: what the file states.
        given: the schema that the caller wants, if any.
        path: the file, for messages.
        place: where in it the names are, for messages.

    Raises:
        SchemaError: the given schema has other points, or a name is there twice.
    """
    twice = [name for name in points.names if points.names.count(name) > 1]
    if twice:
        raise SchemaError(
            "a keypoint name is there twice",
            path=path,
            place=place,
            expected="each name once",
            found=repr(twice[0]),
            fix="rename one of the two",
        )
    if given is not None:
        return Fit(given, _rows_in(given, points, path, place))
    schema = _bundled(points.names) if points.names else Schema.from_names((), name="boxes")
    schema = schema or _made_of(points, path, place)
    return Fit(schema, {name: schema.index(name) for name in points.names})


def _rows_in(given: Schema, points: Points, path: Path, place: str) -> dict[str, int]:
    known: dict[str, int] = {}
    for row, point in enumerate(given.keypoints):
        for name in (point.canonical, *point.aliases):
            known.setdefault(_plain(name), row)
    for row, name in enumerate(given.names):
        known[_plain(name)] = row
    exact = {name: row for row, name in enumerate(given.names)}
    rows = {n: exact.get(n, known.get(_plain(n), -1)) for n in points.names}
    strange = [name for name, row in rows.items() if row < 0]
    taken = len(set(rows.values())) < len(rows)
    if not strange and not taken and (not points.complete or len(rows) == given.num_keypoints):
        return rows
    found = f"{strange[0]!r}" if strange else f"{len(rows)} names"
    raise SchemaError(
        f"the file does not hold the keypoints of {given.name}",
        path=path,
        place=place,
        expected=f"the {given.num_keypoints} points of {given.name}",
        found=found,
        fix="read it without a schema and map it (kptdata.ops.map_schema, kpt convert --schema)",
    )


def _plain(name: str) -> str:
    """Return a name without differences of spelling: ``L_Eye`` is ``left eye``."""
    words = re.split(r"[\W_]+", name.lower().strip())
    return " ".join(_SHORT.get(word, word) for word in words if word)


def _bundled(names: Sequence[str]) -> Schema | None:
    try:
        return infer_schema(names).schema
    except SchemaError:
        pass
    wanted = frozenset(names)
    same = [s for s in map(load_schema, list_schemas()) if frozenset(s.names) == wanted]
    return next((schema for schema in same if schema.preferred), same[0] if same else None)


def _made_of(points: Points, path: Path, place: str) -> Schema:
    title = re.sub(r"\s+", " ", points.title).strip() or "custom"
    try:
        bare = Schema.from_names(points.names, name=title, links=points.links)
        if not points.swaps:
            return bare
        swapped: list[Keypoint] = [
            replace(point, swap=points.swaps.get(point.name)) for point in bare.keypoints
        ]
        return Schema(bare.name, tuple(swapped), bare.links)
    except SchemaError as error:
        raise SchemaError(
            error.problem,
            path=path,
            place=place,
            expected=error.expected,
            found=error.found,
            fix="correct the names there, or give a schema (schema=..., --schema)",
        ) from None


def schema_read(points: Points, path: Path) -> Schema | None:
    """Return the schema that points are read as if nobody names one; None if they cannot be."""
    try:
        return fit_points(points, None, path, "names").schema
    except SchemaError:
        return None


def unnamed_points(num_keypoints: int, path: Path, place: str, fix: str) -> SchemaError:
    """Return the error for a file that does not name its K points; `fix` says where names go."""
    fitting = ", ".join(fitting_schemas(num_keypoints)) or "none is bundled, write one"
    return SchemaError(
        f"the file does not name its {num_keypoints} keypoints",
        path=path,
        place=place,
        expected="their names, or a schema",
        fix=f"give the schema (schema=..., --schema); with {num_keypoints} points: {fitting}. "
        f"Or {fix}",
    )

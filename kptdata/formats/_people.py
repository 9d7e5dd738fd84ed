"""Instances of files that group loose shapes: which of them have one skeleton, and what it is.

Such files say neither what a skeleton is nor which points it has; what is known is the names that
occur under each class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import SchemaError
from kptdata.formats._collect import Collector
from kptdata.formats._named_points import Fit, Points, fit_points, schema_read
from kptdata.formats._plan import Classes, Plan
from kptdata.schema import Schema

__all__ = ["Met", "Person", "Point", "classes_met", "datasets_of", "schemas_of_used_points"]

Names = tuple[str, ...]


@dataclass(slots=True)
class Point:
    """A point: its name, place in pixels, state, and score (NaN for none)."""

    name: str
    x: float
    y: float
    state: int
    score: float = float("nan")


@dataclass(slots=True)
class Person:
    """An instance as it was put together from shapes.

    Attributes:
        image: row of the images.
        category: name of its class, None where nothing says it.
        points: each name once.
        columns: typed columns but image, order, category and points: bbox, id, score.
        notes: extras, as JSON values.
    """

    image: int
    category: str | None
    points: list[Point] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def datasets_of(
    people: Sequence[Person],
    images: ImageTable,
    schema: Schema | None,
    path: Path,
    *,
    order: Iterable[str] = (),
    meta: Mapping[str, bytes],
    provenance: tuple[str, ...],
) -> tuple[PoseDataset, ...]:
    """Return one dataset per skeleton.

    Classes with the same points share one; a class without any point has boxes only. With a given
    schema, everything whose points it has belongs to it.

    Args:
        people: in the order of the file.
        images: their images.
        schema: of the points, if the caller wants one.
        path: the file, for messages.
        order: names of points in the order that they should have.
        meta: file-level texts.
        provenance: where the data comes from.

    Raises:
        SchemaError: `schema` has none of the points.
    """
    numbers: dict[str, int] = {}
    for person in people:
        if person.category is not None:
            numbers.setdefault(person.category, len(numbers) + 1)
    names = _names_by_class(people, order)
    fits = _fits(names, schema, path)
    groups: dict[str, tuple[Fit, Collector, list[str]]] = {}
    for category, fit in fits.items():
        key = fit.schema.hash()
        group = groups.setdefault(key, (fit, Collector(), []))
        if category is not None:
            group[2].append(category)
    for place, person in enumerate(people):
        fit, collector, _ = groups[fits[person.category].schema.hash()]
        _add(collector, person, place, numbers)
    found = [group for group in groups.values() if len(group[1])] or list(groups.values())[:1]
    return tuple(
        collector.dataset(
            Fit(fit.schema, {name: _row(fits, name, fit) for name in collector.names}),
            images,
            categories={numbers[category]: category for category in categories},
            meta=meta,
            provenance=provenance,
        )
        for fit, collector, categories in found
    )


def _row(fits: Mapping[str | None, Fit], name: str, own: Fit) -> int:
    """Return the row of a name in a schema that several classes may spell differently."""
    for fit in fits.values():
        if fit.schema is own.schema and name in fit.rows:
            return fit.rows[name]
    return own.schema.index(name)


def _names_by_class(people: Sequence[Person], order: Iterable[str]) -> dict[str | None, Names]:
    rank = {name: place for place, name in enumerate(order)}
    found: dict[str | None, dict[str, None]] = {}
    for person in people:
        names = found.setdefault(person.category, {})
        for point in person.points:
            names[point.name] = None
    return {
        category: tuple(sorted(names, key=lambda name: rank.get(name, len(rank))))
        for category, names in found.items()
    }


def _fits(
    names: Mapping[str | None, Names], schema: Schema | None, path: Path
) -> dict[str | None, Fit]:
    """Return the schema of each class."""
    if not any(names.values()):
        bare = schema or Schema.from_names((), name="boxes")
        return dict.fromkeys(names or [None], Fit(bare, {}))
    own = _joined(names)
    fits: dict[str | None, Fit] = {}
    misfit: SchemaError | None = None
    made: dict[Names, Fit] = {}  # of names that classes share
    titles = {mine: category for category, mine in reversed(own.items()) if category}
    for category, mine in own.items():
        points = Points(mine, complete=False, title=titles.get(mine) or "custom")
        place = "points" if category is None else f"points of {category!r}"
        if schema is not None and (mine or schema.num_keypoints):
            try:
                fits[category] = fit_points(points, schema, path, place)
                continue
            except SchemaError as error:
                misfit = error
        fits[category] = made.setdefault(mine, fit_points(points, None, path, place))
    used = [fits[category].schema for category, mine in names.items() if mine]
    if misfit is not None and all(found is not schema for found in used):
        raise misfit
    return fits


def _joined(names: Mapping[str | None, Names]) -> dict[str | None, Names]:
    """Let classes with the same names have them in one order; who has no class joins a class."""
    orders: dict[frozenset[str], Names] = {}
    for mine in names.values():
        orders.setdefault(frozenset(mine), mine)
    own = {category: orders[frozenset(mine)] for category, mine in names.items()}
    if names.get(None):
        unknown = frozenset(names[None])
        wider = {mine for c, mine in own.items() if c is not None and unknown <= frozenset(mine)}
        if len(wider) == 1:
            own[None] = wider.pop()
    return own


def _add(collector: Collector, person: Person, place: int, numbers: Mapping[str, int]) -> None:
    collector.begin(person.image, place)
    if person.category is not None:
        collector.set("category", numbers[person.category])
    for point in person.points:
        collector.point(point.name, point.x, point.y, point.state, point.score)
    for column, value in person.columns.items():
        collector.set(column, value)
    for key, value in person.notes.items():
        collector.note(key, value)


class Met(NamedTuple):
    """Classes as a dataset is read that says of each instance only the name of its class."""

    column: NDArray[np.int64]
    categories: dict[int, str]


def classes_met(plan: Plan, classes: Classes) -> list[Met]:
    """Number classes from 1 as they are met in the file."""
    kinds = np.full(len(plan.owned), -1, np.int64)
    for owner, rows in enumerate(plan.rows):
        kinds[plan.owners == owner] = classes.numbers[owner][rows]
    numbers: dict[int, int] = {}
    for kind in kinds.tolist():
        if kind >= 0:
            numbers.setdefault(kind, len(numbers) + 1)
    found = []
    for owner in range(len(plan.rows)):
        mine = kinds[plan.owners == owner].tolist()
        column = np.array([numbers.get(kind, MISSING_INT) for kind in mine], np.int64)
        used = sorted({numbers[kind] for kind in mine if kind >= 0})
        names = {number: classes.names[kind] for kind, number in numbers.items()}
        found.append(Met(column, {number: names[number] for number in used}))
    return found


def schemas_of_used_points(
    datasets: Sequence[PoseDataset], readings: Sequence[PoseDataset], path: Path
) -> list[Schema | None]:
    """Return the schemas that datasets are read with if nobody names one.

    A name that no point has is in no file.
    """
    found = []
    for dataset, reading in zip(datasets, readings, strict=True):
        labelled = reading.labelled
        used = np.flatnonzero(labelled.any(axis=0)).tolist()
        first = {k: int(np.argmax(labelled[:, k])) for k in used}
        names = tuple(dataset.schema.names[k] for k in sorted(used, key=first.__getitem__))
        title = next(iter(reading.categories.values()), "custom")
        found.append(schema_read(Points(names, complete=False, title=title), path))
    return found

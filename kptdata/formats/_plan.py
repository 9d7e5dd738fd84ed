"""What a writer puts where: one table of images, one order of instances, one list of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import DatasetError
from kptdata.formats._account import LOSSES as _ALL_LOSSES
from kptdata.formats._account import account
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = [
    "TREE_LOSSES",
    "Classes",
    "Plan",
    "accounts",
    "class_name",
    "classes_of",
    "held",
    "join_images",
    "plan_of",
    "without_absent",
]

TREE_LOSSES: Mapping[str, str] = {
    **_ALL_LOSSES,
    "schema": "facts of the schema beside the names of its points",
    "instances": "people whose image is not listed, or who have neither a box nor a point",
    "order": "place of an instance among those of other images",
    "xy": "coordinates that change in their last digits",
    "bbox": "boxes that change in their last digits, or are not finite",
    "id": "ids of instances",
    "category": "numbers of categories other than 1, 2, 3 in their order",
    "categories": "numbers of categories, and categories without an instance",
    "images": "images",
    "image_id": "ids of images",
}
"""Losses in the words of formats that hold instances image by image."""


@dataclass(frozen=True)
class Plan:
    """The order of a file that holds instances image by image.

    Attributes:
        images: all images, in the order of the file.
        places: for each dataset, the row of `images` that each of its images has.
        rows: for each dataset, its rows that are written, in the order of the file.
        owners: (T,) number of the dataset of each instance, in the order of the file.
        owned: (T,) its row there.
        starts: (M + 1,) where the instances of each image begin.
    """

    images: ImageTable
    places: tuple[NDArray[np.intp], ...]
    rows: tuple[NDArray[np.intp], ...]
    owners: NDArray[np.intp]
    owned: NDArray[np.intp]
    starts: NDArray[np.intp]

    def by_image(self) -> Iterator[list[tuple[int, int]]]:
        """Yield, image by image, the instances: dataset and place among its `rows`."""
        places = np.zeros(len(self.owned), np.intp)
        for number in range(len(self.rows)):
            mine = self.owners == number
            places[mine] = np.arange(np.count_nonzero(mine))
        pairs = list(zip(self.owners.tolist(), places.tolist(), strict=True))
        for start, stop in pairwise(self.starts.tolist()):
            yield pairs[start:stop]


def plan_of(
    datasets: Sequence[PoseDataset],
    kept: Sequence[NDArray[np.bool_]],
    names: Callable[[ImageTable], Sequence[str]] | None = None,
) -> Plan:
    """Put instances in the order of a file.

    Args:
        datasets: what is written.
        kept: for each, which instances are; those without an image never are.
        names: what gives each image the name by which a folder lists it; by default images keep
            their order.
    """
    images, places = join_images([dataset.images for dataset in datasets])
    if names is not None:
        order = np.argsort(np.array(names(images), dtype=object), kind="stable")
        images, rank = images[order], np.argsort(order)
        places = [rank[place] for place in places]
    rows = [
        np.flatnonzero(mask & (dataset.image >= 0))
        for dataset, mask in zip(datasets, kept, strict=True)
    ]
    owners = np.repeat(np.arange(len(datasets)), [len(r) for r in rows])
    owned = np.concatenate(rows) if rows else np.zeros(0, np.intp)
    at = [p[d.image[r]] for p, d, r in zip(places, datasets, rows, strict=True)]
    orders = [d.order[r] for d, r in zip(datasets, rows, strict=True)]
    image, place = np.concatenate(at), np.concatenate(orders)
    sorted_ = np.lexsort((owned, owners, place, image))
    owners, owned, image = owners[sorted_], owned[sorted_], image[sorted_]
    starts = np.searchsorted(image, np.arange(len(images) + 1))
    written = tuple(owned[owners == number] for number in range(len(datasets)))
    return Plan(images, tuple(places), written, owners, owned, starts)


def join_images(tables: Sequence[ImageTable]) -> tuple[ImageTable, list[NDArray[np.intp]]]:
    """Join tables; a row of a later one with the id and name of an earlier row is that image."""
    first = tables[0]
    places: list[NDArray[np.intp]] = [np.arange(len(first))]
    if all(table is first for table in tables):
        return first, [places[0]] * len(tables)
    known = {key: row for row, key in reversed(list(enumerate(_keys(first))))}
    picked = [(0, row) for row in range(len(first))]
    for number, table in enumerate(tables[1:], 1):
        place = []
        for row, key in enumerate(_keys(table)):
            if key not in known:
                known[key] = len(picked)
                picked.append((number, row))
            place.append(known[key])
        places.append(np.array(place, np.intp))
    return _picked_images(tables, picked), places


def _keys(table: ImageTable) -> list[tuple[str, str]]:
    names, ids = table.file_name.tolist(), table.id.tolist()
    return [(str(i), name) for i, name in zip(ids, names, strict=True)]


def _picked_images(tables: Sequence[ImageTable], picked: list[tuple[int, int]]) -> ImageTable:
    columns: dict[str, Any] = {}
    for name in ("id", "file_name", "width", "height"):
        held = [getattr(table, name).tolist() for table in tables]
        columns[name] = [held[n][row] for n, row in picked]
    if any(isinstance(i, str) for i in columns["id"]):
        columns["id"] = [str(i) for i in columns["id"]]
    for name in ("sequence", "frame", "camera"):
        if any(getattr(table, name) is not None for table in tables):
            held = [table.column(name).tolist() for table in tables]
            columns[name] = [held[n][row] for n, row in picked]
    keys = {key: None for table in tables for key in table.extras}
    extras = {
        key: RawColumn(
            tables[n].extras[key][row] if key in tables[n].extras else None for n, row in picked
        )
        for key in keys
    }
    return ImageTable.of(columns.pop("file_name"), **columns, extras=extras)


@dataclass(frozen=True)
class Classes:
    """The classes of a file, and what each instance is.

    Attributes:
        names: of the classes, in the order of their ids.
        owner: for each class, the dataset whose skeleton it has.
        numbers: for each dataset, (N,) the place in `names` of each instance's class; -1 where the
            instance has none.
    """

    names: tuple[str, ...]
    owner: tuple[int, ...]
    numbers: tuple[NDArray[np.int64], ...]

    @property
    def categories(self) -> dict[int, str]:
        """Number from 1 -> name, as files without numbers are read."""
        return dict(enumerate(self.names, 1))

    def of(self, number: int) -> dict[int, str]:
        """Return the categories with the skeleton of one dataset, as they are read."""
        return {i: n for i, n in self.categories.items() if self.owner[i - 1] == number}


def class_name(schema: Schema) -> str:
    """Name the only class: a body with wrists is a person, anything else what its schema is."""
    return "person" if "left_wrist" in schema.canonical_names else schema.name


def classes_of(datasets: Sequence[PoseDataset], *, fill: bool = True) -> Classes:
    """List the classes of datasets.

    Args:
        datasets: what is written.
        fill: give instances without a category the first one of their dataset.

    Raises:
        DatasetError: a name stands for two skeletons.
    """
    found: dict[tuple[int, int], tuple[int, str]] = {}  # (id, dataset) -> dataset, name
    for number, dataset in enumerate(datasets):
        column = dataset.column("category")
        names = dict(dataset.categories)
        for other in np.unique(column[column != MISSING_INT]).tolist():
            names.setdefault(other, str(other))
        if fill and (not names or (column == MISSING_INT).any()):
            names.setdefault(min(names, default=1), class_name(dataset.schema))
        found |= {(i, number): (number, name) for i, name in names.items()}
    owners: dict[str, int] = {}
    for _, (number, name) in sorted(found.items()):
        hash_ = datasets[number].schema.hash()
        if datasets[owners.setdefault(name, number)].schema.hash() != hash_:
            raise DatasetError(
                f"write: the category {name!r} has two skeletons, "
                f"{datasets[owners[name]].schema.name} and {datasets[number].schema.name}. "
                f"Fix: rename it in one of the datasets"
            )
    places = {name: place for place, name in enumerate(owners)}
    numbers = []
    for number, dataset in enumerate(datasets):
        column = dataset.column("category")
        own = {i: places[name] for (i, n), (_, name) in found.items() if n == number}
        default = min((i for i in own), default=None) if fill else None
        first = -1 if default is None else own[default]
        numbers.append(_looked_up(column, own, first))
    return Classes(tuple(owners), tuple(owners.values()), tuple(numbers))


def _looked_up(column: NDArray[np.int64], own: dict[int, int], other: int) -> NDArray[np.int64]:
    values, places = np.unique(column, return_inverse=True)
    wanted = np.array([own.get(v, other) for v in values.tolist()], np.int64)
    return wanted[places]


def without_absent(states: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return states as a file has them that cannot say that a point is not in the image."""
    return np.where(states == Visibility.ABSENT, Visibility.UNLABELLED, states).astype(np.uint8)


def held(
    plan: Plan, number: int, dataset: PoseDataset, images: ImageTable, **columns: Any
) -> PoseDataset:
    """Return what a file will be read as: the planned rows of one dataset, over its own images.

    Args:
        plan: the order of the file.
        number: of the dataset.
        dataset: the dataset.
        images: all images as the file states them.
        **columns: columns of the planned rows as the file states them; others are not in it.
    """
    own = np.unique(plan.places[number])
    rows = plan.rows[number]
    image = np.searchsorted(own, plan.places[number][dataset.image[rows]])
    base: dict[str, Any] = {
        "schema": dataset.schema,
        "images": images[own],
        "image": image,
        "xy": dataset.xy[rows],
        "visibility": dataset.visibility[rows],
    }
    return PoseDataset(**(base | columns))


def accounts(
    plan: Plan,
    datasets: Sequence[PoseDataset],
    readings: Sequence[PoseDataset],
    schemas: Sequence[Schema | None],
    own: str,
) -> tuple[Counter[str], Counter[str]]:
    """Count what is lost and invented, over all datasets.

    Args:
        plan: the order of the file.
        datasets: what is written.
        readings: what each is read as.
        schemas: what each is read with if nobody names a schema.
        own: name of the format.
    """
    lost, invented = Counter[str](), Counter[str]()
    for dataset, schema in zip(datasets, schemas, strict=True):
        lost["schema"] += schema is None or _facts(schema) != _facts(dataset.schema)
    for number, (dataset, reading) in enumerate(zip(datasets, readings, strict=True)):
        places = plan.places[number]
        back = {place: row for row, place in reversed(list(enumerate(places.tolist())))}
        image_rows = np.array([back[p] for p in np.unique(places).tolist()], np.intp)
        found = account(dataset, reading, plan.rows[number], image_rows, own)
        lost += found.lost
        invented += found.invented
    return lost, invented


def _facts(schema: Schema) -> dict[str, Any]:
    """Return what a schema says; its own name is a label, not a fact."""
    return {k: v for k, v in schema.to_dict().items() if k not in ("name", "title")}

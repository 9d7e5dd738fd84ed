"""Datasets of several files to one: over one table of images, in one schema or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._concat import concat
from kptdata._map_schema import map_schema
from kptdata._schema_joint import shared_schema, union_schema
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, OptionError
from kptdata.ledger import Ledger
from kptdata.schema import Schema

__all__ = ["gather", "merge"]

_POINTS = ("union", "intersection")


def merge(
    datasets: Sequence[PoseDataset],
    *,
    schema: Schema | None = None,
    points: str = "union",
    name: str = "merged",
) -> tuple[PoseDataset, Ledger]:
    """Put datasets of different schemas one behind the other, in one schema.

    Points are the same by canonical name or alias, never by position. A point that a dataset's
    schema lacks is unlabelled there, whatever its neighbours are; nothing becomes occluded. Images,
    ids and categories are joined as `concat` does.

    Args:
        datasets: one or more.
        schema: the schema of the result; its formulas are used.
        points: without a schema: ``union`` of all points, or the ``intersection``.
        name: of a schema that is made.

    Returns:
        The joined dataset, and an account: instances that lost a labelled point or got a new id
        are ``repaired``; the notes count points lost and left unlabelled, images merged and
        renumbered, and facts of later files that differ.

    Raises:
        OptionError: no such `points`.
        SchemaError: there is no point in common, or a dataset has none of `schema`.
        DatasetError: no dataset is given, or cameras or 3D spaces differ.
    """
    if points not in _POINTS:
        raise OptionError(f"points: expected one of {', '.join(_POINTS)}, got {points!r}")
    if not datasets:
        raise DatasetError("merge: no dataset given")
    target = schema or _common([dataset.schema for dataset in datasets], points, name)
    mapped, lost, notes = [], [], dict[str, int]()
    for dataset in datasets:
        result, ledger = map_schema(dataset, target)
        mapped.append(result)
        losers = [i for ids in ledger.repaired.values() for i in ids]
        lost.append(np.isin(dataset.ids, np.array(losers, dataset.ids.dtype)))
        for note, count in ledger.notes.items():
            notes[note] = notes.get(note, 0) + count
    joined, ledger = concat(mapped)
    repaired = _combined(joined, np.concatenate(lost), ledger)
    title = f"merge {', '.join(d.schema.name for d in datasets)} to {target.name}"
    account = Ledger(ledger.total, repaired=repaired, notes=notes | dict(ledger.notes))
    return joined.noted(title), account


def _common(schemas: Sequence[Schema], points: str, name: str) -> Schema:
    if len({schema.hash() for schema in schemas}) == 1:
        return schemas[0]
    make = union_schema if points == "union" else shared_schema
    return make(list({schema.hash(): schema for schema in schemas}.values()), name)


def _combined(joined: PoseDataset, lost: NDArray[np.bool_], ledger: Ledger) -> dict[str, list[Any]]:
    """Return each changed instance once, under what happened to it."""
    fresh = ledger.repaired.get("new id", ())
    renewed = np.isin(joined.ids, np.array(fresh, joined.ids.dtype))
    return {
        "lost labelled points": joined.ids[lost & ~renewed].tolist(),
        "new id": joined.ids[renewed & ~lost].tolist(),
        "lost labelled points, new id": joined.ids[lost & renewed].tolist(),
    }


def gather(
    files: Sequence[Sequence[PoseDataset]],
) -> tuple[tuple[PoseDataset, ...], Ledger]:
    """Join what several files hold: one dataset for each schema, all over one table of images.

    Images, ids and categories are joined over all files as `concat` does, so that the result can
    be written into one file.

    Args:
        files: the datasets of each file, as `kptdata.read_all` gives them.

    Returns:
        The datasets, in the order in which their schemas come first, and the account of all
        instances.

    Raises:
        DatasetError: no dataset is given, or cameras or 3D spaces differ.
    """
    parts = [dataset for file in files for dataset in file]
    if not parts:
        raise DatasetError("gather: no dataset given")
    outlines = [_outline(dataset) for dataset in parts]
    joined, ledger = concat(outlines)
    stops = np.cumsum([len(dataset) for dataset in parts]).tolist()
    starts = _starts(files)
    placed = []
    for dataset, start, stop in zip(parts, starts, stops, strict=True):
        mine = slice(stop - len(dataset), stop)
        placed.append(_placed(dataset, joined, mine, start))
    groups: dict[str, list[PoseDataset]] = {}
    for dataset in placed:
        groups.setdefault(dataset.schema.hash(), []).append(dataset)
    found, notes = [], dict(ledger.notes)
    for group in groups.values():
        stacked, account = concat(group)
        order = np.concatenate([dataset.order for dataset in group])
        found.append(group[0] if len(group) == 1 else stacked.replace(order=order))
        for note, count in account.notes.items():
            notes[note] = notes.get(note, 0) + count
    return tuple(found), Ledger(ledger.total, repaired=ledger.repaired, notes=notes)


def _outline(dataset: PoseDataset) -> PoseDataset:
    """Return a dataset without points: what concerns images, ids and categories."""
    return PoseDataset(
        schema=Schema.from_names((), name="boxes"),
        images=dataset.images,
        image=dataset.image,
        xy=np.zeros((len(dataset), 0, 2)),
        visibility=np.zeros((len(dataset), 0), np.uint8),
        id=dataset.id,
        category=dataset.category,
        categories=dataset.categories,
        cameras=dataset.cameras,
    )


def _starts(files: Sequence[Sequence[PoseDataset]]) -> list[int]:
    """Return, for each dataset, where the places of its file begin: skeletons of a file mix."""
    starts, start = [], 0
    for file in files:
        starts += [start] * len(file)
        start += max((int(dataset.order.max(initial=-1)) + 1 for dataset in file), default=0)
    return starts


def _placed(dataset: PoseDataset, joined: PoseDataset, mine: slice, start: int) -> PoseDataset:
    numbers = {name: number for number, name in joined.categories.items()}
    return dataset.replace(
        images=joined.images,
        image=joined.image[mine],
        id=None if joined.id is None else joined.id[mine],
        category=None if dataset.category is None else joined.column("category")[mine],
        categories={numbers[name]: name for name in dataset.categories.values()},
        order=dataset.order + start,
    )

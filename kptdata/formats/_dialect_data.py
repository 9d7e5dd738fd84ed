"""Datasets as a dialect's file has them, and as we have them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from kptdata.dataset import ImageTable, PoseDataset
from kptdata.formats._coco_dialects import DIALECTS
from kptdata.formats._coco_read import LAYOUT
from kptdata.formats._coco_write import was_mapped
from kptdata.formats._dialect import Dialect, note_of
from kptdata.formats._dialect_fields import demote_fields, promote_fields
from kptdata.formats._dialect_images import demote_images, promote_images
from kptdata.formats._dialect_lists import narrowed
from kptdata.formats._dialect_points import points_of_file, points_to_file
from kptdata.schema import load_schema

__all__ = ["as_in_file", "dialect_of", "is_own", "of_file", "with_own_keys"]


def dialect_of(dataset: PoseDataset) -> Dialect | None:
    """Return the dialect that a dataset was read in."""
    layout = json.loads(dataset.meta.get(LAYOUT, b"{}"))
    return DIALECTS.get(str(layout.get("dialect")))


def is_own(dataset: PoseDataset, dialect: Dialect) -> bool:
    """Tell whether the keypoints, if there are any, are those that files of a dialect hold."""
    read_so = dialect_of(dataset) is dialect and not was_mapped(dataset)
    if read_so or not dataset.schema.num_keypoints:
        return True
    fuller = dialect.fuller[:1] if dialect.fuller else ()
    known = (load_schema(name) for name in (dialect.schema, *dialect.also, *fuller))
    return any(dataset.schema.names == schema.names for schema in known)


def of_file(datasets: Sequence[PoseDataset], dialect: Dialect) -> tuple[PoseDataset, ...]:
    """Give datasets that were read as COCO's what the dialect means by them."""
    tables: dict[int, ImageTable] = {}
    found = []
    for dataset in datasets:
        if is_own(dataset, dialect):
            table = dataset.images
            if id(table) not in tables:
                tables[id(table)] = promote_images(table, dialect.fields)
            own = promote_fields(points_of_file(dataset, dialect), dialect.fields)
            found.append(own.replace(images=tables[id(table)]))
        else:
            found.append(dataset)
    return tuple(found)


def as_in_file(
    datasets: Sequence[PoseDataset], dialect: Dialect
) -> tuple[list[PoseDataset], Counter[str]]:
    """Return datasets as COCO's writer writes them for a dialect, and what is lost on the way."""
    lost: Counter[str] = Counter()
    ready = [
        points_to_file(narrowed(dataset, dialect, lost), dialect, lost)
        if is_own(dataset, dialect)
        else dataset
        for dataset in datasets
    ]
    return _with_keys(ready, lost, dialect), lost


def with_own_keys(
    datasets: Sequence[PoseDataset],
) -> tuple[list[PoseDataset], Counter[str]]:
    """Give datasets that were read in a dialect its keys, as any file of COCO's may have them.

    Points and boxes stay as they are, since COCO's ``v`` and pixels mean what ours do, and names
    that are known to be wrong are not written.
    """
    lost: Counter[str] = Counter()
    ready = []
    for dataset in datasets:
        dialect = dialect_of(dataset)
        if dialect is not None:
            narrow = narrowed(dataset, dialect, lost)
            wrong = {"categories"} if dialect.misnamed else set()
            meta = {k: v for k, v in narrow.meta.items() if k not in wrong}
            dataset = narrow.replace(meta=meta)  # noqa: PLW2901
        ready.append(dataset)
    return _with_keys(ready, lost, None), lost


def _without_notes(dataset: PoseDataset) -> PoseDataset:
    """Drop what dialects noted on their own way of writing, as nothing else understands it."""
    notes = {
        note_of(key, dialect) for key in ("keypoints", "bbox") for dialect in DIALECTS.values()
    }
    extras = {key: texts for key, texts in dataset.extras.items() if key not in notes}
    return dataset if len(extras) == len(dataset.extras) else dataset.replace(extras=extras)


def _with_keys(
    datasets: Sequence[PoseDataset], lost: Counter[str], dialect: Dialect | None
) -> list[PoseDataset]:
    """Turn columns into the keys of a dialect, and then of the one that each was read in."""
    tables: dict[int, ImageTable] = {}
    ready = []
    for dataset in datasets:
        read_in = dialect_of(dataset)
        table, changed = dataset.images, _without_notes(dataset)
        for one in {id(d): d for d in (dialect, read_in) if d is not None}.values():
            own = is_own(dataset, one)
            changed, stale = demote_fields(changed, one.fields, own_points=own)
            lost["stale_text"] += stale
            if id(table) not in tables:
                tables[id(table)], stale = demote_images(table, one.fields)
                lost["stale_text"] += stale
            table = tables[id(table)]
        ready.append(changed.replace(images=table))
    return ready

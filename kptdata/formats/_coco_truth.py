"""COCO ground truth to datasets: one per skeleton, as the file has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kptdata.dataset import PoseDataset
from kptdata.formats._coco_file import load_file, refuse_duplicate_keys
from kptdata.formats._coco_groups import groups_of, readings
from kptdata.formats._coco_read import LAYOUT, image_rows, read_annotations, read_images
from kptdata.formats._coco_rows import refuse_duplicates
from kptdata.schema import Schema

__all__ = ["read_ground_truth"]


def read_ground_truth(
    path: Path,
    *,
    schema: Schema | None,
    category: int | str | None,
    dialect: str | None = None,
    misnamed: Sequence[str] = (),
) -> tuple[PoseDataset, ...]:
    """Read a file; see `kptdata.formats.coco.read_all`.

    Args:
        path: the file.
        schema: schema of the points.
        category: read only this category.
        dialect: name of the dialect that it is read in, which the datasets remember.
        misnamed: names in ``categories`` that do not count, as they are known to be wrong.
    """
    file = load_file(path)
    groups = groups_of(file.annotations, file.others.get("categories"), category, path)
    planned = readings(groups, schema, path, misnamed=misnamed)
    table, marks = read_images(file.images, path)
    parts: list[dict[str, Any]] = []
    for group, reading in zip(groups, planned, strict=True):
        rows, columns = read_annotations(group.rows, reading, path)
        marks += rows.marks
        columns |= {"image": image_rows(table, rows), "images": table, "extras": rows.raw}
        columns |= {"order": group.places, "categories": group.skeleton.categories}
        parts.append(columns)
    if category is None:
        refuse_duplicate_keys(file, marks, path)
    else:  # the other annotations were not read
        refuse_duplicates(groups[0].rows, path)
    keys, others = list(file.keys), file.others
    del file, groups, group  # the text of the whole file, before the columns are checked
    return tuple(
        PoseDataset(
            **columns,
            meta=others | {LAYOUT: _layout(keys, columns["schema"], dialect)},
            provenance=(f"read {path} as {dialect or 'coco'}",),
        )
        for columns in parts
    )


def _layout(keys: Sequence[str], schema: Schema, dialect: str | None) -> bytes:
    layout = {"keys": keys, "schema": schema.hash()}
    return json.dumps(layout | ({"dialect": dialect} if dialect else {})).encode()

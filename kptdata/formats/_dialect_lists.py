"""A dialect with a second, fuller list of points: read as the schema of the one or of the other."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.dataset import PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._coco_points import (
    Part,
    agreeing_points,
    is_stated,
    point_lists,
    points_of_texts,
    whole,
)
from kptdata.formats._coco_read import LAYOUT
from kptdata.formats._coco_write import lost_points
from kptdata.formats._dialect import Dialect, note_of
from kptdata.schema import Schema, load_schema

__all__ = ["narrowed", "takes_fuller", "widened"]


def takes_fuller(schema: Schema | None, dialect: Dialect) -> bool:
    """Tell whether points are those of the dialect's fuller list."""
    if schema is None or dialect.fuller is None:
        return False
    return schema.names == load_schema(dialect.fuller[0]).names


def widened(dataset: PoseDataset, dialect: Dialect, schema: Schema, path: Path) -> PoseDataset:
    """Return a dataset with the points of the fuller list; people without one keep their others.

    Raises:
        FormatError: a fuller list is no list of so many points.
    """
    part = _fuller_part(dialect, schema)
    texts = dataset.extras.get(part.key, RawColumn.absent(len(dataset)))
    rows = np.flatnonzero(texts.present)
    arrays = points_of_texts([texts[row] for row in rows.tolist()], part)
    if arrays is None:
        raise _bad_list(dataset, part, texts, path)
    columns = {
        "xy": _wider(dataset.xy, rows, arrays.xy, part.length),
        "visibility": _wider(dataset.visibility, rows, arrays.visibility, part.length),
        "given_xy": _wider(dataset.column("given_xy"), rows, arrays.given_xy, part.length),
        "keypoint_score": _wider(dataset.column("keypoint_score"), rows, arrays.score, part.length),
    }
    wide = dataset.replace(
        **columns, schema=schema, meta={**dataset.meta, LAYOUT: _layout(dataset, schema)}
    )
    # What the shorter list says otherwise, or in a way of its own, is noted.
    short = whole(dataset.schema)[0]
    old = dataset.extras.get(short.key, RawColumn.absent(len(dataset)))
    lists = RawColumn(
        None if not stated else text or msgspec.json.encode(points)
        for stated, text, points in zip(
            is_stated(dataset, short),
            old,
            point_lists(dataset, short, scored=False)(np.arange(len(dataset))),
            strict=True,
        )
    )
    plain = agreeing_points(wide, short, lists, scored=False) & ~old.present
    extras = {key: texts for key, texts in dataset.extras.items() if key != short.key}
    noted = [None if p else text for p, text in zip(plain.tolist(), lists, strict=True)]
    if any(text is not None for text in noted):
        extras[note_of(short.key, dialect)] = RawColumn(noted)
    return wide.replace(extras=extras)


def _fuller_part(dialect: Dialect, schema: Schema) -> Part:
    key = dialect.fuller[1] if dialect.fuller else "keypoints"
    return Part(key, 0, schema.num_keypoints)


def _wider(
    held: NDArray[Any], rows: NDArray[np.intp], found: NDArray[Any] | None, count: int
) -> NDArray[Any]:
    blank = 0 if held.dtype == np.uint8 else np.nan
    wide = np.full((len(held), count, *held.shape[2:]), blank, held.dtype)
    wide[:, : held.shape[1]] = held
    wide[rows] = blank if found is None else found
    return wide


def _layout(dataset: PoseDataset, schema: Schema) -> bytes:
    layout = json.loads(dataset.meta[LAYOUT])
    return json.dumps(layout | {"schema": schema.hash()}).encode()


def _bad_list(dataset: PoseDataset, part: Part, texts: RawColumn, path: Path) -> FormatError:
    row = next(
        row
        for row in np.flatnonzero(texts.present).tolist()
        if points_of_texts([texts[row]], part) is None
    )
    return FormatError(
        f"{part.key}: not a list of points",
        path=path,
        place=f"annotation {dataset.ids[row]}",
        expected=f"{3 * part.length} numbers ({part.length} points)",
        found=repr(texts[row][:40].decode(errors="replace")),
        fix=f"correct {part.key!r} there, or read the shorter list (without a schema)",
    )


def narrowed(dataset: PoseDataset, dialect: Dialect, lost: Counter[str]) -> PoseDataset:
    """Return a dataset of the fuller list as the file has it: the shorter one, and a key more."""
    if not takes_fuller(dataset.schema, dialect):
        return dataset
    schema = load_schema(dialect.schema)
    part = _fuller_part(dialect, dataset.schema)
    short, rest = whole(schema)[0], Part(part.key, schema.num_keypoints, part.length)
    extras = dict(dataset.extras)
    old = extras.get(part.key, RawColumn.absent(len(dataset)))
    kept = agreeing_points(dataset, part, old, scored=False)
    lost += lost_points(dataset, rest, kept, scored=False)
    # People of the file that had the shorter list alone have it alone, as long as it says all.
    alone = (LAYOUT in dataset.meta) & ~old.present & ~dataset.labelled[:, rest.start :].any(axis=1)
    lists = point_lists(dataset, part, scored=False)(np.arange(len(dataset)))
    extras[part.key] = RawColumn(
        text if keep else None if skip else msgspec.json.encode(points)
        for text, keep, skip, points in zip(old, kept.tolist(), alone.tolist(), lists, strict=True)
    )
    noted = extras.pop(note_of(short.key, dialect), None)
    base = dataset.replace(
        schema=schema,
        xy=dataset.xy[:, : short.stop],
        visibility=dataset.visibility[:, : short.stop],
        given_xy=dataset.column("given_xy")[:, : short.stop],
        keypoint_score=dataset.column("keypoint_score")[:, : short.stop],
        xyz=None if dataset.xyz is None else dataset.xyz[:, : short.stop],
        extras=extras,
        meta=dict(dataset.meta),
    )
    if LAYOUT in dataset.meta and json.loads(dataset.meta[LAYOUT])["schema"] == (
        dataset.schema.hash()
    ):
        base = base.replace(meta={**base.meta, LAYOUT: _layout(dataset, schema)})
    lengths = dataset.numbers.get(f"keypoints:{short.key}")
    if lengths is not None:
        base = _without_points(base, kept & (lengths == 0))
    return base if noted is None else _with_noted(base, short, noted, kept | alone)


def _without_points(dataset: PoseDataset, mask: NDArray[np.bool_]) -> PoseDataset:
    """Unlabel the points of people whom the file gives the fuller list alone."""
    rows = np.flatnonzero(mask)
    return dataset.replace(
        xy=_put(dataset.xy, rows, None),
        visibility=_put(dataset.visibility, rows, np.zeros(1, np.uint8)),
        given_xy=_put(dataset.column("given_xy"), rows, None),
        keypoint_score=_put(dataset.column("keypoint_score"), rows, None),
    )


def _with_noted(
    dataset: PoseDataset, part: Part, noted: RawColumn, valid: NDArray[np.bool_]
) -> PoseDataset:
    """Put shorter lists in place that said something else, of people that have not changed."""
    rows = np.flatnonzero(noted.present & valid)
    arrays = points_of_texts([noted[row] for row in rows.tolist()], part)
    if arrays is None:
        return dataset
    texts = np.full(len(dataset), None, dtype=object)
    for row in rows.tolist():
        texts[row] = noted[row]
    return dataset.replace(
        xy=_put(dataset.xy, rows, arrays.xy),
        visibility=_put(dataset.visibility, rows, arrays.visibility),
        given_xy=_put(dataset.column("given_xy"), rows, arrays.given_xy),
        keypoint_score=_put(dataset.column("keypoint_score"), rows, arrays.score),
        extras={**dataset.extras, part.key: RawColumn(texts)},
    )


def _put(held: NDArray[Any], rows: NDArray[np.intp], found: NDArray[Any] | None) -> NDArray[Any]:
    values = held.copy()
    values[rows] = np.nan if found is None else found
    return values

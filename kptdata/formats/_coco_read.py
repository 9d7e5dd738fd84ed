"""COCO rows to datasets: what ground truth and results have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, is_missing
from kptdata.dataset import ImageTable, RawColumn
from kptdata.formats._coco_groups import Reading
from kptdata.formats._coco_kinds import (
    Box,
    Flag,
    Identifier,
    Integer,
    Kind,
    Number,
    Size,
    Text,
)
from kptdata.formats._coco_points import PointArrays, Points, parts_of, whole
from kptdata.formats._coco_rows import RowTable, read_rows
from kptdata.schema import Schema

__all__ = [
    "BOXES",
    "COLUMNS",
    "IMAGE_KINDS",
    "LAYOUT",
    "image_rows",
    "read_annotations",
    "read_images",
]

LAYOUT = "layout:coco"
"""Key of `PoseDataset.meta` that remembers the file's own keys and the schema it was read as."""

RESULTS_LAYOUT = "layout:coco_results"
"""The same for data read from a list of results."""

COLUMNS: Mapping[str, tuple[str, Kind]] = {
    "id": ("id", Identifier()),
    "image_id": ("image", Identifier()),
    "category_id": ("category", Integer()),
    "bbox": ("bbox", Box()),
    "area": ("area", Number()),
    "iscrowd": ("iscrowd", Flag()),
    "score": ("score", Number()),
    "track_id": ("track", Identifier()),
}
"""Key of an annotation -> column of the dataset, and the kind of value."""

BOXES = {
    "bbox_head": "head",
    "face_box": "face",
    "lefthand_box": "left_hand",
    "righthand_box": "right_hand",
}
"""Key of an annotation -> name in `PoseDataset.boxes`."""

IMAGE_KINDS: Mapping[str, Kind] = {
    "id": Identifier(),
    "file_name": Text(),
    "width": Size(),
    "height": Size(),
}


def read_images(rows: Sequence[Raw], path: Path) -> tuple[ImageTable, int]:
    """Return the table of a file's images, and the quotation marks that they account for."""
    table = read_rows(rows, IMAGE_KINDS, path, "image")
    columns = {key: table.column(key) for key in IMAGE_KINDS}
    return ImageTable(**columns, extras=table.raw), table.marks


def image_rows(images: ImageTable, table: RowTable) -> NDArray[np.intp]:
    """Find the image of each annotation; of the texts of `image_id`, those of no image stay."""
    wanted, texts = table.column("image_id"), table.raw.pop("image_id", None)
    if TEXT not in (images.id.dtype, wanted.dtype) and texts is None:
        rows = _numbered_rows(images.id, wanted)
    else:
        rows = _keyed_rows(images, wanted, texts)
    kept = np.full(len(rows), None, dtype=object)
    for row in np.flatnonzero(rows < 0).tolist():
        if texts is not None and texts[row] is not None:
            kept[row] = texts[row]
        elif not is_missing(wanted[row : row + 1])[0]:
            kept[row] = json.dumps(wanted[row : row + 1].tolist()[0], ensure_ascii=False).encode()
    if any(text is not None for text in kept):
        table.raw["image_id"] = RawColumn(kept)
    return rows


def _numbered_rows(known: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    values, first = np.unique(known, return_index=True)
    place = np.searchsorted(values, wanted)
    rows = np.append(first, -1)[place]
    hit = np.append(values, MISSING_INT)[place] == wanted
    return np.where(hit & (wanted != MISSING_INT), rows, -1).astype(np.intp)


def _keyed_rows(
    images: ImageTable, wanted: NDArray[Any], texts: RawColumn | None
) -> NDArray[np.intp]:
    """Compare ids as JSON does: 7 is not "7"."""
    rows: dict[Any, int] = {}
    for row, key in enumerate(id_keys(images.id, images.extras.get("id"))):
        rows.setdefault(key, row)
    rows.pop(None, None)
    return np.array([rows.get(key, -1) for key in id_keys(wanted, texts)], dtype=np.intp)


def id_keys(ids: NDArray[Any], texts: RawColumn | None) -> list[Any]:
    """Return one hashable key per id, None where there is none."""
    keys: list[Any] = [
        None if gone else value
        for value, gone in zip(ids.tolist(), is_missing(ids).tolist(), strict=True)
    ]
    if texts is not None:
        for row in np.flatnonzero(texts.present):
            value = texts.parsed(int(row))
            known = isinstance(value, int | str | float) and not isinstance(value, bool)
            keys[row] = value if known else None
    return keys


# Annotations


def read_annotations(
    rows: Sequence[Raw], reading: Reading, path: Path, *, scored: bool = False
) -> tuple[RowTable, dict[str, Any]]:
    """Read annotations into the columns of a dataset, all but `image` and `extras`.

    Args:
        rows: their texts.
        reading: schema, and where its points are.
        path: the file, for messages.
        scored: whether the third number of a point is its score.

    Raises:
        FormatError: an annotation cannot be read; it is named.
    """
    schema, layout = reading.schema, reading.layout
    points = PointArrays(len(rows), schema.num_keypoints)
    kinds: dict[str, Kind] = {key: kind for key, (_, kind) in COLUMNS.items()}
    kinds |= {key: Box() for key in BOXES}
    if schema.num_keypoints:
        kinds |= {part.key: Points(part, points, scored=scored) for part in layout}
    table = read_rows(rows, kinds, path)
    for part in layout if schema.num_keypoints else ():
        points.lengths.setdefault(part.key, np.zeros(len(rows), np.int64))
    columns: dict[str, Any] = {
        name: _or_none(table.columns.get(key))
        for key, (name, _) in COLUMNS.items()
        if name != "image"
    }
    columns |= {
        "schema": schema,
        "xy": points.xy,
        "visibility": points.visibility,
        "given_xy": points.given_xy,
        "keypoint_score": points.score,
        "boxes": {
            name: box
            for key, name in BOXES.items()
            if (box := _or_none(table.columns.get(key))) is not None
        },
        "numbers": _stated_lengths(points, schema),
    }
    return table, columns


def _or_none(column: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if column is None or is_missing(column).all() else column


def _stated_lengths(points: PointArrays, schema: Schema) -> dict[str, NDArray[np.int64]]:
    """Note the lengths of lists that are not what the schema lets expect: absent, or whole."""
    usual = {part.key: part.length for part in parts_of(schema) or whole(schema)}
    return {
        f"keypoints:{key}": lengths
        for key, lengths in points.lengths.items()
        if (lengths != usual[key]).any()
    }

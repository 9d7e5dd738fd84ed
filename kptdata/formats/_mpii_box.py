"""What the MPII formats share: the schema, the person's box, and the 1-based frame.

Every file of the family counts pixels from 1. In it a person has a rough centre ``objpos`` and a
``scale``, the height in units of 200 pixels; the box is the square that evaluation crops.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import TEXT
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, SchemaError
from kptdata.schema import Schema, load_schema, map_schemas

__all__ = [
    "BOX_SOURCE",
    "CATEGORIES",
    "ORIGIN",
    "box_columns",
    "checked_schema",
    "only_dataset",
    "place_from_boxes",
    "square_boxes",
]

ORIGIN = 1.0
"""The files' number of the first pixel."""

BOX_SOURCE = "from_objpos"
CATEGORIES = {1: "person"}

_HEIGHT = 200.0  # pixels at scale 1
_LOWER = 15.0  # pixels at scale 1 by which the box lies below objpos
_UNKNOWN = -1.0  # x of an objpos that is not known, in the files' frame


def checked_schema(schema: Schema | None, path: Path) -> Schema:
    """Return the schema to read with: MPII's, or a given one of the same points.

    Raises:
        SchemaError: the given schema has other points.
    """
    own = load_schema("mpii")
    if schema is None:
        return own
    if schema.names != own.names:
        raise SchemaError(
            "the schema does not fit the file",
            path=path,
            expected="the 16 points of MPII",
            found=f"{schema.name!r} with {schema.num_keypoints} points",
            fix="read the file without a schema and map the result",
        )
    return schema


def only_dataset(datasets: tuple[PoseDataset, ...], path: Path) -> PoseDataset:
    """Return the one dataset that a file of the family can hold.

    Raises:
        DatasetError: there are several, or it has other points than MPII's.
    """
    own = load_schema("mpii")
    for dataset in datasets:
        if dataset.schema.names != own.names:
            missing = map_schemas(dataset.schema, own).missing
            gaps = f", and nothing for {', '.join(missing)}" if missing else ""
            left = ", which leaves those unlabelled" if missing else ""
            raise DatasetError(
                f"{path}: MPII files hold the 16 points of the schema 'mpii', the dataset has the "
                f"{dataset.schema.num_keypoints} points of {dataset.schema.name!r}{gaps}. "
                f"Fix: map it first (kpt convert --schema mpii{left})"
            )
    if len(datasets) != 1:
        raise DatasetError(
            f"{path}: MPII files hold one dataset, {len(datasets)} are given. "
            f"Fix: join them with ops.concat, or write one file each"
        )
    return datasets[0]


def square_boxes(objpos: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the boxes (N, 4) xywh of people at `objpos` (N, 2), in pixels counted from 0.

    A square of 200 `scale` (N,), lowered by 15 `scale` unless x says that the place is unknown; NaN
    where the place is NaN or the scale is not positive.
    """
    known = np.where(scale > 0, scale, np.nan)
    lowered = np.where(objpos[:, 0] == _UNKNOWN - ORIGIN, 0.0, _LOWER * known)
    side = _HEIGHT * known
    left, top = objpos[:, 0] - side / 2, objpos[:, 1] + lowered - side / 2
    boxes = np.stack([left, top, side, side], axis=1)
    boxes[~np.isfinite(boxes).all(axis=1)] = np.nan
    return boxes


def box_columns(objpos: NDArray[np.float64], scale: NDArray[np.float64]) -> dict[str, object]:
    """Return the columns of a dataset that follow from places (N, 2) and scales (N,)."""
    boxes = square_boxes(objpos, scale)
    source = np.full(len(boxes), "", dtype=TEXT)
    source[~np.isnan(boxes[:, 0])] = BOX_SOURCE
    return {
        "bbox": boxes,
        "bbox_source": source,
        "points": {"objpos": objpos[:, None]},
        "numbers": {"scale": scale},
        "category": np.ones(len(boxes), np.int64),
        "categories": CATEGORIES,
    }


def place_from_boxes(dataset: PoseDataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places (N, 2) and scales (N,); where they are missing, those that the boxes give.

    A box's larger side is 200 times the scale, and its centre 15 times the scale below the place.
    """
    count = len(dataset)
    scale = dataset.numbers.get("scale", np.full(count, np.nan))
    scale = np.array(scale if scale.shape == (count,) else np.full(count, np.nan), np.float64)
    objpos = dataset.points.get("objpos", np.full((count, 1, 2), np.nan))[:, 0].copy()
    box = dataset.column("bbox")
    size = box[:, 2:].max(axis=1)
    # A box without size gives no scale, and one that is not finite neither.
    usable = np.isfinite(box).all(axis=1) & (size > 0)
    gone = np.isnan(scale) & usable
    scale[gone] = size[gone] / _HEIGHT
    gone = np.isnan(objpos).any(axis=1) & usable
    objpos[gone] = box[gone, :2] + box[gone, 2:] / 2
    objpos[gone, 1] -= _LOWER * np.nan_to_num(scale[gone])
    return objpos, scale

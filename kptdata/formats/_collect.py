"""Instances as a reader meets them, point by point, to the columns of a dataset."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.formats._named_points import Fit
from kptdata.visibility import Visibility, is_labelled

__all__ = ["Collector", "id_column", "text_of"]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOATS = {"bbox": 4, "score": 1, "area": 1}
_IDS = ("id", "track")


def text_of(value: Any) -> bytes:
    """Return a value as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def id_column(values: Iterable[Any]) -> NDArray[Any]:
    """Return ids as numbers if all look like numbers, as text otherwise; None is missing."""
    listed = [None if v is None else str(v) for v in values]
    if all(v is None or (_NUMBER.fullmatch(v) and v != "-0") for v in listed):
        return np.array([MISSING_INT if v is None else int(v) for v in listed], np.int64)
    return np.array(["" if v is None else v for v in listed], dtype=TEXT)


class Collector:
    """The instances of one skeleton, filled one after the other.

    Points may be named in any order, and need not be known beforehand.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: dict[str, int] = {}
        for name in names:
            self.names.setdefault(name, len(self.names))
        self._images, self._orders = array("q"), array("q")
        self._rows, self._points, self._states = array("q"), array("q"), array("B")
        self._xy, self._scores = array("d"), array("d")
        self._columns: dict[str, dict[int, Any]] = {}
        self._extras: dict[str, dict[int, bytes]] = {}
        self._seen: set[str] = set()

    def __len__(self) -> int:
        return len(self._images)

    def begin(self, image: int, order: int) -> None:
        """Start an instance: in which row of the images, at which place of the file."""
        self._images.append(image)
        self._orders.append(order)
        self._seen = set()

    def point(self, name: str, x: float, y: float, state: int, score: float = float("nan")) -> bool:
        """Add a point to the instance; False, and nothing added, if it has that point already."""
        if name in self._seen:
            return False
        self._seen.add(name)
        self._rows.append(len(self._images) - 1)
        self._points.append(self.names.setdefault(name, len(self.names)))
        self._states.append(state)
        self._xy.append(x)
        self._xy.append(y)
        self._scores.append(score)
        return True

    def set(self, column: str, value: Any, row: int = -1) -> None:
        """Give the last instance, or another, a value of a typed column: bbox, score, id, ..."""
        self._columns.setdefault(column, {})[row if row >= 0 else len(self) - 1] = value

    def note(self, key: str, value: Any, row: int = -1) -> None:
        """Give the last instance, or another, a JSON value under another key."""
        self._extras.setdefault(key, {})[row if row >= 0 else len(self) - 1] = text_of(value)

    def dataset(
        self,
        fit: Fit,
        images: ImageTable,
        *,
        categories: Mapping[int, str],
        meta: Mapping[str, bytes],
        provenance: tuple[str, ...],
        image_rows: NDArray[np.intp] | None = None,
    ) -> PoseDataset:
        """Return the dataset of all instances, with the points in the order of the schema.

        Args:
            fit: the schema, and where each name goes.
            images: the table of images.
            categories: id -> name.
            meta: file-level texts.
            provenance: where the data comes from.
            image_rows: row of `images` of each image number, where they are not the same.
        """
        image = np.array(self._images, np.intp)
        count, size = len(self), fit.schema.num_keypoints
        target = np.array([fit.rows[name] for name in self.names], np.intp)
        rows = np.frombuffer(self._rows, np.int64) if self._rows else np.zeros(0, np.int64)
        columns = target[np.array(self._points, np.int64)] if self._rows else rows
        states = np.array(self._states, np.uint8)
        xy = np.array(self._xy, np.float64).reshape(-1, 2)
        labelled = is_labelled(states)
        filled: dict[str, Any] = {
            "visibility": np.full((count, size), Visibility.UNLABELLED, np.uint8),
            "xy": np.full((count, size, 2), np.nan),
        }
        filled["visibility"][rows, columns] = states
        filled["xy"][rows[labelled], columns[labelled]] = xy[labelled]
        given = ~labelled & ~np.isnan(xy).any(axis=1)
        if given.any():
            filled["given_xy"] = np.full((count, size, 2), np.nan)
            filled["given_xy"][rows[given], columns[given]] = xy[given]
        scores = np.array(self._scores, np.float64)
        if not np.isnan(scores).all():
            filled["keypoint_score"] = np.full((count, size), np.nan)
            filled["keypoint_score"][rows, columns] = scores
        return PoseDataset(
            schema=fit.schema,
            images=images,
            image=image if image_rows is None else image_rows[image],
            order=np.array(self._orders, np.int64),
            categories=categories,
            meta=meta,
            provenance=provenance,
            extras={key: self._raw(values) for key, values in self._extras.items()},
            **filled,
            **self._typed(),
        )

    def _raw(self, values: Mapping[int, bytes]) -> RawColumn:
        return RawColumn(values.get(row) for row in range(len(self)))

    def _typed(self) -> dict[str, Any]:
        count = len(self)
        found: dict[str, Any] = {}
        for name, values in self._columns.items():
            if name in _IDS:
                found[name] = id_column(values.get(row) for row in range(count))
                continue
            shape: tuple[int, ...] = (count,)
            if name in _FLOATS:
                shape = (count, 4) if _FLOATS[name] == 4 else shape
                column = np.full(shape, np.nan)
            else:
                column = np.full(shape, MISSING_INT, np.int64)
            column[list(values)] = list(values.values())
            found[name] = column
        return found

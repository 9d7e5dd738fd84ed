"""What a dialect's points and boxes mean: its own ``v`` and first pixel, to ours and back.

Where the way back is not exact in the last digit, the text of the file is noted beside the column
(`note_of`) and written again as long as the column still says the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.dataset import PoseDataset
from kptdata.formats._coco_fields import whole_numbers
from kptdata.formats._coco_kinds import Box
from kptdata.formats._coco_points import (
    PointArrays,
    equal_points,
    nested_lists,
    point_lists,
    points_of_texts,
    whole,
)
from kptdata.formats._coco_read import BOXES
from kptdata.formats._coco_rows import read_column
from kptdata.formats._dialect import Dialect, note_of
from kptdata.formats._json import loads_or_none
from kptdata.visibility import Visibility

__all__ = ["LOSSES", "points_of_file", "points_to_file"]

LOSSES = {
    "visibility_occluded": "occluded points become labelled ones: v = 1 says no more here",
    "visibility_visible": "visible points become labelled ones: v = 2 says no more here",
}
"""What a dialect whose ``v`` says less than COCO's cannot hold."""


class _Arrays(NamedTuple):
    """The point columns of some rows."""

    xy: NDArray[np.float64]
    visibility: NDArray[np.uint8]
    given_xy: NDArray[np.float64] | None
    score: NDArray[np.float64] | None

    @classmethod
    def of(cls, dataset: PoseDataset) -> _Arrays:
        return cls(dataset.xy, dataset.visibility, dataset.given_xy, dataset.keypoint_score)

    def at(self, rows: NDArray[np.intp]) -> _Arrays:
        return _Arrays(*(None if a is None else a[rows] for a in self))  # type: ignore[arg-type]

    def same_rows(self, other: _Arrays) -> NDArray[np.bool_]:
        """Tell which rows are equal."""
        shape = self.visibility.shape
        same = self.visibility == other.visibility
        same &= equal_points(self.xy, other.xy, shape)
        same &= equal_points(self.given_xy, other.given_xy, shape)
        same &= equal_points(self.score, other.score, shape)
        rows: NDArray[np.bool_] = same.all(axis=1)
        return rows

    def changed(self, dialect: Dialect, *, to_file: bool) -> _Arrays:
        """Return the same points in the terms of the file, or of a file's points in ours."""
        move = dialect.origin if to_file else -dialect.origin
        states = self.visibility.copy()
        if dialect.labelled is not None:
            pair = (Visibility.LABELLED, dialect.labelled)
            old, new = pair if to_file else pair[::-1]
            states[self.visibility == old] = new
        given = None if self.given_xy is None else self.given_xy + move
        return _Arrays(self.xy + move, states, given, self.score)


# From the file


def points_of_file(dataset: PoseDataset, dialect: Dialect) -> PoseDataset:
    """Return a dataset that was read as COCO's with points and boxes in our terms."""
    if dialect.nested and dataset.schema.num_keypoints:
        dataset = _without_nested(dataset)
    if dialect.labelled is None and not dialect.origin:
        return dataset
    stated = _Arrays.of(dataset)
    ours = stated.changed(dialect, to_file=False)
    extras = dict(dataset.extras)
    uneven = ~ours.changed(dialect, to_file=True).same_rows(stated)
    if "keypoints" in extras:
        uneven &= ~extras["keypoints"].present
    if uneven.any():
        lists = point_lists(dataset, whole(dataset.schema)[0], scored=False)
        extras[note_of("keypoints", dialect)] = _note(uneven, lists(np.flatnonzero(uneven)))
    bbox = dataset.bbox
    if bbox is not None and dialect.origin:
        bbox = _moved(bbox, -dialect.origin)
        differs = _moved(bbox, dialect.origin) != dataset.bbox
        uneven = (differs & np.isfinite(bbox)).any(axis=1)
        if uneven.any():
            texts = whole_numbers(dataset.column("bbox")[uneven])
            extras[note_of("bbox", dialect)] = _note(uneven, texts)
    return dataset.replace(
        xy=ours.xy,
        visibility=ours.visibility,
        given_xy=ours.given_xy,
        bbox=bbox,
        boxes={name: _moved(box, -dialect.origin) for name, box in dataset.boxes.items()},
        extras=extras,
    )


def _without_nested(dataset: PoseDataset) -> PoseDataset:
    """Drop texts of lists in lists that say no more than the columns: they are written so again."""
    part = whole(dataset.schema)[0]
    texts = dataset.extras.get(part.key)
    if texts is None:
        return dataset
    kept = list(texts)
    rows = np.flatnonzero(texts.present)
    lists = nested_lists(point_lists(dataset, part, scored=False))(rows)
    for row, points in zip(rows.tolist(), lists, strict=True):
        if loads_or_none(texts[row]) == points:
            kept[row] = None
    extras = {k: v for k, v in dataset.extras.items() if k != part.key}
    if any(text is not None for text in kept):
        extras[part.key] = RawColumn(kept)
    return dataset.replace(extras=extras)


def _note(mask: NDArray[np.bool_], values: Iterable[Any]) -> RawColumn:
    texts = np.full(len(mask), None, dtype=object)
    for row, value in zip(np.flatnonzero(mask).tolist(), values, strict=True):
        texts[row] = msgspec.json.encode(value)
    return RawColumn(texts)


def _moved(boxes: NDArray[np.float64], move: int) -> NDArray[np.float64]:
    return boxes + np.array([move, move, 0, 0])


# To the file


def points_to_file(dataset: PoseDataset, dialect: Dialect, lost: Counter[str]) -> PoseDataset:
    """Return a dataset whose points and boxes are to be written as COCO's are."""
    if dialect.labelled is None and not dialect.origin:
        return dataset
    return _in_terms_of_file(dataset, dialect, lost)


def _in_terms_of_file(dataset: PoseDataset, dialect: Dialect, lost: Counter[str]) -> PoseDataset:
    held, extras = _Arrays.of(dataset), dict(dataset.extras)
    ready = held.changed(dialect, to_file=True)
    exact = np.zeros(len(dataset), bool)
    for texts in (extras.get("keypoints"), extras.pop(note_of("keypoints", dialect), None)):
        if texts is not None and dataset.schema.num_keypoints:
            exact |= _restore(ready, held, texts, dataset, dialect)
    if dialect.labelled is not None:
        state = Visibility(dialect.labelled)
        count = int((held.visibility[~exact] == state).sum())
        lost[f"visibility_{state.name.lower()}"] += count
    bbox, own = dataset.bbox, extras.pop(note_of("bbox", dialect), None)
    if bbox is not None and dialect.origin:
        bbox = _boxes_of_file(bbox, own, dialect.origin)
    return dataset.replace(
        xy=ready.xy,
        visibility=ready.visibility,
        given_xy=ready.given_xy,
        bbox=bbox,
        boxes={
            name: _moved(box, dialect.origin) if name in BOXES.values() else box
            for name, box in dataset.boxes.items()
        },
        extras=extras,
    )


def _restore(
    ready: _Arrays, held: _Arrays, texts: RawColumn, dataset: PoseDataset, dialect: Dialect
) -> NDArray[np.bool_]:
    """Put the points of texts in place that still say what is held; return where."""
    done = np.zeros(len(dataset), bool)
    rows = np.flatnonzero(texts.present)
    part = whole(dataset.schema)[0]
    arrays = points_of_texts([texts[row] for row in rows.tolist()], part)
    if arrays is None:
        return done
    stated = _of_texts(arrays)
    same = stated.changed(dialect, to_file=False).same_rows(held.at(rows))
    done[rows[same]] = True
    for target, source in ((ready.xy, stated.xy), (ready.given_xy, stated.given_xy)):
        if target is not None and source is not None:
            target[rows[same]] = source[same]
    ready.visibility[rows[same]] = stated.visibility[same]
    return done


def _of_texts(arrays: PointArrays) -> _Arrays:
    return _Arrays(arrays.xy, arrays.visibility, arrays.given_xy, arrays.score)


def _boxes_of_file(
    held: NDArray[np.float64], texts: RawColumn | None, origin: int
) -> NDArray[np.float64]:
    boxes = _moved(held, origin)
    rows = np.flatnonzero(texts.present) if texts is not None else np.array([], np.intp)
    if texts is not None and len(rows):
        stated = read_column([texts[row] for row in rows.tolist()], Box())
        same = (_moved(stated, -origin) == held[rows]).all(axis=1)
        boxes[rows[same]] = stated[same]
    return boxes

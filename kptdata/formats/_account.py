"""What a file will say, held against what the dataset says: every difference is counted.

A writer makes, in memory, the dataset that its file will be read as, and this module compares the
two. So no value can change without being counted, whatever the writer forgot to think of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import COLUMNS, TEXT, RawColumn, is_missing
from kptdata.dataset import PoseDataset
from kptdata.formats._trivia import is_trivia

__all__ = ["LOSSES", "Account", "account"]

LOSSES: Mapping[str, str] = {
    "schema": "the schema's own name and facts: the file is read as the schema 'mpii'",
    "instances": "people whose image is not listed",
    "order": "place of an instance among the others",
    "image": "which of several images an instance belongs to",
    "xy": "coordinates of points that the file holds rounded or not at all",
    "visibility": "states of points",
    "given_xy": "coordinates stated for points that are not labelled",
    "xyz": "3D coordinates of points",
    "space": "what the 3D coordinates mean",
    "keypoint_score": "scores of keypoints",
    "bbox": "boxes other than the square around objpos",
    "bbox_source": "where boxes come from",
    "area": "areas",
    "area_source": "where areas come from",
    "iscrowd": "crowd flags",
    "score": "scores of instances",
    "track": "tracks",
    "id": "ids of instances other than their place in the file, from 1",
    "category": "categories other than 1",
    "categories": "categories other than 1, a person",
    "answers": "which ground truth a prediction answers",
    "boxes": "named boxes",
    "points": "named points",
    "numbers": "named numbers",
    "extras": "other values of instances",
    "images": "images without people",
    "image_id": "ids of images other than their place in the file, from 1",
    "file_name": "file names of images",
    "image_size": "sizes of images",
    "sequence": "which video an image belongs to",
    "frame": "position of an image in its video",
    "camera": "camera of an image",
    "cameras": "cameras",
    "image_extras": "other values of images",
    "meta": "file-level texts",
}
"""Every loss that `account` can find, in words; a format declares those that it can have."""

_ABSENT = object()
_IMAGE_COLUMNS = {
    "id": "image_id",
    "file_name": "file_name",
    "width": "image_size",
    "height": "image_size",
    "sequence": "sequence",
    "frame": "frame",
    "camera": "camera",
}


class Account(NamedTuple):
    """Values of the dataset that the file does not hold, and values that only the file states."""

    lost: Counter[str]
    invented: Counter[str]


def account(
    dataset: PoseDataset,
    read_back: PoseDataset,
    rows: NDArray[np.intp],
    image_rows: NDArray[np.intp],
    own: str,
) -> Account:
    """Compare a dataset with what its file is read as.

    Args:
        dataset: what is written.
        read_back: what reading gives.
        rows: row of `dataset` of each instance of `read_back`.
        image_rows: row of `dataset.images` of each image of `read_back`.
        own: name of the format, whose own notes are no values.
    """
    found = Account(Counter(), Counter())
    kept = dataset[rows]
    found.lost["schema"] += dataset.schema.hash() != read_back.schema.hash()
    found.lost["instances"] += len(dataset) - len(rows)
    found.lost["order"] += int((_ranks(kept.order) != _ranks(read_back.order)).sum())
    _links(kept, read_back, image_rows, found)
    _points(kept, read_back, found)
    for name, spec in COLUMNS.items():
        if getattr(kept, name) is not None or getattr(read_back, name) is not None:
            before, after = kept.column(name), read_back.column(name)
            points = "K" in spec.axes and len(spec.axes) > 1
            _column(name, before, after, found, points=points or name == "bbox")
    for group in ("boxes", "points", "numbers"):
        _group(group, getattr(kept, group), getattr(read_back, group), found)
    _texts("extras", kept.extras, read_back.extras, own, found)
    _images(dataset, read_back, image_rows, own, found)
    _file(dataset, read_back, own, found)
    return Account(Counter(+found.lost), Counter(+found.invented))


def _ranks(order: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.argsort(np.argsort(order, kind="stable"), kind="stable")


def _links(
    kept: PoseDataset, read_back: PoseDataset, image_rows: NDArray[np.intp], found: Account
) -> None:
    linked = np.where(read_back.image >= 0, np.append(image_rows, -1)[read_back.image], -1)
    found.lost["image"] += int((linked != kept.image).sum())


def _points(kept: PoseDataset, read_back: PoseDataset, found: Account) -> None:
    moved = (kept.xy != read_back.xy).any(axis=-1) & kept.labelled
    found.lost["xy"] += int(moved.sum())
    found.lost["visibility"] += int((kept.visibility != read_back.visibility).sum())


def _column(
    name: str, before: NDArray[Any], after: NDArray[Any], found: Account, *, points: bool
) -> None:
    """Count elements, or whole last axes (points, boxes), that differ."""
    if (before.dtype == TEXT) != (after.dtype == TEXT):
        before, after = _as_text(before), _as_text(after)
    had, has = ~is_missing(before), ~is_missing(after)
    differ = (before != after) & (had | has)
    if points:
        had, has, differ = (np.any(mask, axis=-1) for mask in (had, has, differ))
    found.lost[name] += int((had & differ).sum())
    found.invented[name] += int((~had & has).sum())


def _as_text(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype == TEXT:
        return column
    text = column.astype(TEXT)
    text[is_missing(column)] = ""
    return text


def _group(
    group: str,
    before: Mapping[str, NDArray[Any]],
    after: Mapping[str, NDArray[Any]],
    found: Account,
) -> None:
    for name in {**before, **after}:
        one, other = before.get(name), after.get(name)
        if one is None or other is None or one.shape != other.shape:
            found.lost[group] += _rows_with(one, group)
            if one is None:
                found.invented[name] += _rows_with(other, group)
            continue
        change = Account(Counter(), Counter())
        _column(name, one, other, change, points=group != "numbers")
        found.lost[group] += change.lost[name]
        found.invented[name] += change.invented[name]


def _rows_with(column: NDArray[Any] | None, group: str) -> int:
    """Count what a column of a group holds: boxes, points or numbers."""
    if column is None:
        return 0
    held = ~np.isnan(column) if column.dtype.kind == "f" else np.ones(column.shape, bool)
    return int((held if group == "numbers" else held.any(axis=-1)).sum())


def _texts(
    label: str,
    before: Mapping[str, RawColumn],
    after: Mapping[str, RawColumn],
    own: str,
    found: Account,
) -> None:
    absent = RawColumn.absent(
        max((len(raw) for raw in (*before.values(), *after.values())), default=0)
    )
    for key in {**before, **after}:
        if not is_trivia(key, own):
            pairs = zip(before.get(key, absent), after.get(key, absent), strict=True)
            lost, invented = _differing(pairs)
            found.lost[label] += lost
            found.invented[key] += invented


def _differing(pairs: Iterator[tuple[bytes | None, bytes | None]]) -> tuple[int, int]:
    lost = invented = 0
    for one, other in pairs:
        if one != other:
            same = _parsed(one) == _parsed(other)
            lost += one is not None and not same
            invented += one is None
    return lost, invented


def _parsed(text: bytes | None) -> Any:
    return _ABSENT if text is None else msgspec.json.decode(text)


def _images(
    dataset: PoseDataset,
    read_back: PoseDataset,
    rows: NDArray[np.intp],
    own: str,
    found: Account,
) -> None:
    found.lost["images"] += len(dataset.images) - len(set(rows.tolist()))
    kept, read = dataset.images[rows], read_back.images
    for name, loss in _IMAGE_COLUMNS.items():
        before, after = kept.column(name), read.column(name)
        if name in ("width", "height", "camera"):  # what stands for "not known" is no value
            unknown = -1 if name == "camera" else 0
            found.lost[loss] += int(((before != after) & (before != unknown)).sum())
            continue
        change = Account(Counter(), Counter())
        _column(name, before, after, change, points=False)
        found.lost[loss] += change.lost[name]
        found.invented[loss] += change.invented[name]
    _texts("image_extras", kept.extras, read.extras, own, found)


def _file(dataset: PoseDataset, read_back: PoseDataset, own: str, found: Account) -> None:
    for key in {**dataset.meta, **read_back.meta}:
        if not is_trivia(key, own):
            lost, invented = _differing(iter([(dataset.meta.get(key), read_back.meta.get(key))]))
            found.lost["meta"] += lost
            found.invented[key] += invented
    before, after = dict(dataset.categories), dict(read_back.categories)
    found.lost["categories"] += sum(after.get(number) != name for number, name in before.items())
    found.lost["cameras"] += 0 if dataset.cameras is None else len(dataset.cameras)
    found.lost["space"] += dataset.space is not None and dataset.space != read_back.space

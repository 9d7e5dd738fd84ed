"""What evaluation needs and a source other than COCO does not say; every value is counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn, is_missing
from kptdata.dataset import PoseDataset
from kptdata.errors import OptionError
from kptdata.formats._coco_points import parts_of
from kptdata.formats._coco_read import BOXES

__all__ = ["AREAS", "COCO", "Completion", "Habits", "check_area", "with_counts"]

AREAS = ("box053", "box", "hull", "none")
"""Rules for the area of an instance that has none."""

_VALID = {"face_valid": 2, "lefthand_valid": 3, "righthand_valid": 4, "foot_valid": 1}


@dataclass(frozen=True)
class Habits:
    """How files of one kind are written, where they differ from COCO's.

    Attributes:
        format: name of the format, for the report.
        category: name and supercategory of a category that is made up; None: after the schema.
        first_link: number of the first point in ``skeleton``.
        without: keys that are not made up.
        counted: how many points ``num_keypoints`` counts; None: all, or those of the body.
        nested: whether each point is a list of its own.
    """

    format: str = "coco"
    category: tuple[str, str] | None = None
    first_link: int = 1
    without: Collection[str] = ()
    counted: int | None = None
    nested: bool = False


COCO = Habits()


def check_area(area: str) -> None:
    """Refuse a rule that does not exist. Raises `OptionError`."""
    if area not in AREAS:
        raise OptionError(f"area: expected one of {', '.join(AREAS)}, got {area!r}")


class Completion:
    """A dataset with what was missing, and the accounts of it.

    Args:
        dataset: what to complete.
        area: a rule of `AREAS`.
        keep_empty: keep people with neither points nor a box.
        next_id: first annotation id to give.
        next_category: category id to give.
        habits: of the file.
    """

    def __init__(
        self,
        dataset: PoseDataset,
        *,
        area: str,
        keep_empty: bool,
        next_id: int = 1,
        next_category: int = 1,
        habits: Habits = COCO,
    ) -> None:
        self.lost: Counter[str] = Counter()
        self.invented: Counter[str] = Counter()
        self._area = "none" if "area" in habits.without else area
        self._habits = habits
        dataset = self._without_empty(dataset, keep_empty=keep_empty)
        dataset = self._with_ids(dataset, next_id)
        dataset = self._with_categories(dataset, next_category)
        dataset = self._with_boxes(dataset)
        dataset = self._with_areas(dataset)
        dataset = self._with_crowds(dataset)
        dataset = with_counts(dataset, self.invented, habits)
        self.dataset = _with_parts(dataset, self.invented)

    def _without_empty(self, dataset: PoseDataset, *, keep_empty: bool) -> PoseDataset:
        unboxed = ~np.isfinite(dataset.column("bbox")).all(axis=1)
        empty = unboxed & ~dataset.labelled.any(axis=1)
        if keep_empty or not empty.any():
            return dataset
        self.lost["empty_instance"] += int(empty.sum())
        return dataset[~empty]

    def _with_ids(self, dataset: PoseDataset, next_id: int) -> PoseDataset:
        ids = dataset.column("id").copy()
        gone = is_missing(ids)
        zero = ids == 0 if ids.dtype != TEXT else np.zeros(len(ids), bool)
        if not (gone | zero).any():
            return dataset
        self.invented["id"] += int(gone.sum())
        self.lost["id_zero"] += int(zero.sum())
        if ids.dtype == TEXT:
            taken = set(ids.tolist())
            free = (str(n) for n in range(next_id, next_id + 2 * len(ids)) if str(n) not in taken)
            for row in np.flatnonzero(gone):
                ids[row] = next(free)
        else:
            start = max(next_id, int(ids.max(initial=0)) + 1)
            ids[gone | zero] = np.arange(start, start + int((gone | zero).sum()))
        return dataset.replace(id=ids)

    def _with_categories(self, dataset: PoseDataset, number: int) -> PoseDataset:
        category = dataset.column("category").copy()
        gone = category == MISSING_INT
        names = dict(dataset.categories)
        if gone.any() or not names:
            own = next(iter([*names, *np.unique(category[~gone]).tolist()]), number)
            given = self._habits.category
            names.setdefault(own, given[0] if given else _category_name(dataset))
            self.invented["category_id"] += int(gone.sum())
            category[gone] = own
        for other in np.unique(category).tolist():
            names.setdefault(other, str(other))
        return dataset.replace(category=category, categories=names)

    def _with_boxes(self, dataset: PoseDataset) -> PoseDataset:
        boxes = dataset.column("bbox").copy()
        gone = ~np.isfinite(boxes).all(axis=1)
        if "bbox" in self._habits.without or not gone.any():
            return dataset
        self.invented["bbox"] += int(gone.sum())
        some = gone & dataset.labelled.any(axis=1)
        boxes[gone] = 0.0
        boxes[some] = _extent(dataset.xy[some])
        return dataset.replace(bbox=boxes)

    def _with_areas(self, dataset: PoseDataset) -> PoseDataset:
        areas = dataset.column("area").copy()
        gone = ~np.isfinite(areas)
        if self._area == "none" or not gone.any():
            return dataset
        self.invented[f"area ({self._area})"] += int(gone.sum())
        if self._area == "hull":
            areas[gone] = [_hull_area(points) for points in dataset.xy[gone]]
        else:
            box = dataset.column("bbox")[gone, 2:].prod(axis=1)
            areas[gone] = 0.53 * box if self._area == "box053" else box
        return dataset.replace(area=areas)

    def _with_crowds(self, dataset: PoseDataset) -> PoseDataset:
        crowd = dataset.column("iscrowd").copy()
        gone = crowd < 0
        if "iscrowd" in self._habits.without or not gone.any():
            return dataset
        self.invented["iscrowd"] += int(gone.sum())
        crowd[gone] = 0
        return dataset.replace(iscrowd=crowd)


def with_counts(dataset: PoseDataset, invented: Counter[str], habits: Habits = COCO) -> PoseDataset:
    """Give ``num_keypoints`` where there is none: the labelled points, of the body only."""
    if "num_keypoints" in habits.without:
        return dataset
    parts = parts_of(dataset.schema)
    body = slice(0, parts[0].stop if parts else habits.counted)
    texts = dataset.extras.get("num_keypoints", RawColumn.absent(len(dataset)))
    counts = np.count_nonzero(dataset.labelled[:, body], axis=1).tolist()
    invented["num_keypoints"] += int((~texts.present).sum())
    filled = RawColumn(
        str(count).encode() if text is None else text
        for text, count in zip(texts, counts, strict=True)
    )
    return dataset.replace(extras={**dataset.extras, "num_keypoints": filled})


def _with_parts(dataset: PoseDataset, invented: Counter[str]) -> PoseDataset:
    """Give a whole body its boxes of parts and whether each part is valid."""
    parts = parts_of(dataset.schema)
    if parts is None:
        return dataset
    extras, boxes = dict(dataset.extras), dict(dataset.boxes)
    for key, number in _VALID.items():
        own = slice(parts[number].start, parts[number].stop)
        valid = np.asarray(dataset.labelled[:, own].any(axis=1))
        if key not in extras:
            invented[key] += len(dataset)
            extras[key] = RawColumn(b"true" if v else b"false" for v in valid.tolist())
        box_key = key.replace("_valid", "_box")
        if box_key in BOXES and BOXES[box_key] not in boxes:
            invented[box_key] += len(dataset)
            box = np.zeros((len(dataset), 4))
            box[valid] = _extent(dataset.xy[valid][:, own])
            boxes[BOXES[box_key]] = box
    return dataset.replace(extras=extras, boxes=boxes)


def _category_name(dataset: PoseDataset) -> str:
    """Name the only category: a body with wrists is a person, anything else what its schema is."""
    return "person" if "left_wrist" in dataset.schema.canonical_names else dataset.schema.name


def _extent(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4) xywh around (n, K, 2) points of which at least one per row is not NaN."""
    known = ~np.isnan(xy)
    low = np.min(xy, axis=1, where=known, initial=np.inf)
    high = np.max(xy, axis=1, where=known, initial=-np.inf)
    return np.concatenate([low, high - low], axis=1)


def _hull_area(points: NDArray[np.float64]) -> float:
    """Return the area of the convex hull of (K, 2) points, NaN left out; 0 for fewer than three."""
    known = sorted({(x, y) for x, y in points.tolist() if not math.isnan(x)})
    hull = _half_hull(known) + _half_hull(known[::-1])
    return 0.5 * abs(
        sum(_cross((0.0, 0.0), a, b) for a, b in zip(hull, hull[1:] + hull[:1], strict=True))
    )


def _half_hull(points: list[Any]) -> list[Any]:
    chain: list[Any] = []
    for point in points:
        while len(chain) > 1 and _cross(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain[:-1]


def _cross(o: Any, a: Any, b: Any) -> float:
    return float((a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]))

"""Keypoint lists ``x, y, v, x, y, v, ...`` to arrays and back.

Ground truth and results differ in the third number: ``v`` is 0, 1 or 2 in the one, the score of the
point in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.dataset import PoseDataset
from kptdata.formats._coco_fields import whole_numbers
from kptdata.formats._coco_kinds import EXACT
from kptdata.formats._coco_rows import BadValueError, read_column
from kptdata.formats._digits import parse_whole_numbers
from kptdata.formats._json import kind_of
from kptdata.schema import Schema
from kptdata.visibility import Visibility, is_labelled

__all__ = [
    "Part",
    "PointArrays",
    "Points",
    "agreeing_points",
    "equal_points",
    "is_stated",
    "layout_to_write",
    "nested_lists",
    "parts_of",
    "point_lists",
    "points_of_texts",
    "whole",
]

_PARTS = {
    "keypoints": "body",
    "foot_kpts": "foot",
    "face_kpts": "face",
    "lefthand_kpts": "left_hand",
    "righthand_kpts": "right_hand",
}
"""Key of a whole-body annotation -> group of the schema's points that it holds, in order."""

_STATED_V = np.array([0.0, 1.0, 2.0, 0.0, 2.0])  # state -> v
_PART_SIZES = (17, 6, 68, 21, 21)


@dataclass(frozen=True)
class Part:
    """A key that holds points, and which of the schema's they are."""

    key: str
    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of points under the key."""
        return self.stop - self.start


def whole(schema: Schema) -> tuple[Part, ...]:
    """Return the usual layout: all points under ``keypoints``."""
    return (Part("keypoints", 0, schema.num_keypoints),)


def parts_of(schema: Schema) -> tuple[Part, ...] | None:
    """Return the layout of a whole body in parts, None if the schema's points do not form one."""
    sizes = zip(_PARTS.values(), _PART_SIZES, strict=True)
    wanted = [group for group, size in sizes for _ in range(size)]
    if [point.group for point in schema.keypoints] != wanted:
        return None
    stops = np.cumsum(_PART_SIZES).tolist()
    return tuple(
        Part(key, stop - size, stop)
        for key, size, stop in zip(_PARTS, _PART_SIZES, stops, strict=True)
    )


class PointArrays:
    """The point columns of N rows, filled part by part and chunk by chunk."""

    def __init__(self, count: int, num_keypoints: int) -> None:
        self.xy = np.full((count, num_keypoints, 2), np.nan)
        self.visibility = np.zeros((count, num_keypoints), np.uint8)
        self.given_xy: NDArray[np.float64] | None = None
        self.score: NDArray[np.float64] | None = None
        self.lengths: dict[str, NDArray[np.int64]] = {}

    def give(self, place: tuple[slice, slice], xy: NDArray[np.float64]) -> None:
        """Store coordinates of unlabelled points, if there are any."""
        if not np.isnan(xy).all():
            if self.given_xy is None:
                self.given_xy = np.full_like(self.xy, np.nan)
            self.given_xy[place] = xy

    def rate(self, place: tuple[slice, slice], score: NDArray[np.float64]) -> None:
        """Store scores, if there are any."""
        if not np.isnan(score).all():
            if self.score is None:
                self.score = np.full(self.xy.shape[:2], np.nan)
            self.score[place] = score


class Points:
    """The kind of a keypoint list.

    Args:
        part: the key and its points.
        arrays: where to store them.
        scored: whether the third number is a score (results) and not a visibility.
    """

    type: Any = list[float]
    quick = True

    def __init__(self, part: Part, arrays: PointArrays, *, scored: bool = False) -> None:
        self._part, self._arrays, self._scored = part, arrays, scored

    def column(self, count: int) -> _PointColumn:
        """Start filling the arrays."""
        lengths = np.zeros(count, np.int64)
        self._arrays.lengths[self._part.key] = lengths
        return _PointColumn(self._part, self._arrays, lengths, scored=self._scored)

    def absent(self, column: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which rows had no list; the column holds the lengths of lists."""
        return np.asarray(column == 0)

    def salvage(self, value: Any) -> Any:
        """Flatten nested lists; null or a single number stands for "no points"."""
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return UNSET
        expected = f"a list of {3 * self._part.length} numbers"
        if not isinstance(value, list):
            raise BadValueError(0, "not a list of points", expected, kind_of(value))
        if value and all(isinstance(v, list) and len(v) in {2, 3} for v in value):
            value = [n for v in value for n in ([*v, np.nan] if len(v) == 2 else v)]
        for place, number in enumerate(value):
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise BadValueError(
                    0, "not a list of points", expected, f"{kind_of(number)} at {place}"
                )
        return [float(v) if abs(v) < EXACT or np.isnan(v) else _coarse(v) for v in value]


def _coarse(value: float) -> float:
    """Return a number too large for float64 as one that fits; its text is kept beside it."""
    return float(min(max(value, -1e300), 1e300))


class _PointColumn:
    def __init__(
        self, part: Part, arrays: PointArrays, lengths: NDArray[np.int64], *, scored: bool
    ) -> None:
        self._part, self._arrays, self._lengths, self._scored = part, arrays, lengths, scored

    def add(self, start: int, values: Sequence[Any]) -> list[int]:
        length = self._part.length
        odd: list[int] = []
        if set(map(_length, values)) != {3 * length}:
            values, odd = self._regular(start, values)
        else:
            self._lengths[start : start + len(values)] = length
        flat = np.fromiter(chain.from_iterable(values), np.float64, 3 * length * len(values))
        return sorted({*odd, *self._place(start, flat.reshape(len(values), length, 3))})

    def add_texts(self, start: int, texts: Sequence[Any]) -> bool:
        """Store lists of whole numbers, as COCO's own are."""
        length = self._part.length
        numbers = parse_whole_numbers(texts, 3 * length)
        if numbers is None or (not self._scored and numbers[:, 2::3].max() > 2):
            return False
        self._lengths[start : start + len(texts)] = length
        self._place(start, numbers.reshape(len(texts), length, 3))
        return True

    def _place(self, start: int, triples: NDArray[np.float64]) -> list[int]:
        """Store points; return which rows hold something that is not canonical."""
        place = (slice(start, start + len(triples)), slice(self._part.start, self._part.stop))
        strange = (
            self._store_scores(place, triples) if self._scored else self._store(place, triples)
        )
        if np.abs(triples).max(initial=0.0) >= EXACT:
            strange |= (np.abs(triples[..., :2]) >= EXACT).any(axis=-1)
        return np.flatnonzero(strange.any(axis=-1)).tolist() if strange.any() else []

    def _store(self, place: tuple[slice, slice], triples: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Store ground truth; return where ``v`` is not 0, 1 or 2."""
        xy, v = triples[..., :2], np.ascontiguousarray(triples[..., 2])
        plain = (v == 0) | (v == 1) | (v == 2)
        unlabelled = v <= 0
        states = np.full(v.shape, Visibility.LABELLED, np.uint8)
        states[plain] = v[plain]
        states[unlabelled] = Visibility.UNLABELLED
        self._arrays.visibility[place] = states
        self._arrays.xy[place] = np.where(unlabelled[..., None], np.nan, xy)
        given = unlabelled & ((xy[..., 0] != 0) | (xy[..., 1] != 0))
        if given.any():
            self._arrays.give(place, np.where(given[..., None], xy, np.nan))
        strange = ~plain
        if strange.any():
            self._arrays.rate(place, np.where(strange & ~unlabelled, v, np.nan))
        return strange

    def _store_scores(
        self, place: tuple[slice, slice], triples: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        stated = (self._lengths[place[0]] > 0)[:, None] & np.ones(triples.shape[1], bool)
        self._arrays.xy[place] = np.where(stated[..., None], triples[..., :2], np.nan)
        self._arrays.visibility[place] = np.where(stated, Visibility.LABELLED, 0)
        score = np.where(stated, triples[..., 2], np.nan)
        self._arrays.rate(place, score)
        strange: NDArray[np.bool_] = stated & ~(np.abs(score) < EXACT)
        return strange

    def _regular(self, start: int, values: Sequence[Any]) -> tuple[list[list[float]], list[int]]:
        """Make every list 3 K long; return which were not so, and keep their text."""
        length = self._part.length
        regular, odd = [], []
        for position, value in enumerate(values):
            row = start + position
            if value is UNSET or len(value) == 0:
                regular.append([0.0] * (3 * length))
                odd += [] if value is UNSET else [position]
                continue
            self._lengths[row] = length
            if len(value) == 3 * length:
                regular.append(value)
            elif len(value) == 2 * length:
                regular.append(
                    [n for i in range(length) for n in (*value[2 * i : 2 * i + 2], np.nan)]
                )
                odd.append(position)
            else:
                raise BadValueError(
                    position,
                    "wrong number of points",
                    f"{3 * length} numbers ({length} points)",
                    f"{len(value)} numbers",
                )
        return regular, odd

    def finish(self) -> tuple[NDArray[Any], Mapping[int, bytes]]:
        return self._lengths, {}


def _length(value: Any) -> int:
    return -1 if value is UNSET else len(value)


def point_lists(
    dataset: PoseDataset, part: Part, *, scored: bool
) -> Callable[[NDArray[np.intp]], list[Any]]:
    """Give the list of a part's points for each row; what is not labelled is 0, 0 unless given."""
    own = slice(part.start, part.stop)

    def getter(rows: NDArray[np.intp]) -> list[Any]:
        states = dataset.visibility[rows, own]
        xy = dataset.xy[rows, own]
        if dataset.given_xy is not None:
            given = dataset.given_xy[rows, own]
            xy = np.where(is_labelled(states)[..., None], xy, given)
        xy = np.where(np.isfinite(xy), xy, 0.0)
        third = _scores(dataset, rows, own, states) if scored else _STATED_V[states]
        triples = np.concatenate([xy, third[..., None]], axis=-1)
        return list(whole_numbers(triples.reshape(len(rows), 3 * part.length)))

    return getter


def nested_lists(
    lists: Callable[[NDArray[np.intp]], list[Any]],
) -> Callable[[NDArray[np.intp]], list[Any]]:
    """Give each point of the lists a list of its own."""
    return lambda rows: [[flat[i : i + 3] for i in range(0, len(flat), 3)] for flat in lists(rows)]


def _scores(
    dataset: PoseDataset, rows: NDArray[np.intp], own: slice, states: NDArray[np.uint8]
) -> NDArray[np.float64]:
    score = dataset.column("keypoint_score")[rows, own]
    return np.where(np.isfinite(score), score, is_labelled(states).astype(float))


def agreeing_points(
    dataset: PoseDataset, part: Part, texts: RawColumn, *, scored: bool
) -> NDArray[np.bool_]:
    """Tell in which rows a kept list of points says what the dataset holds."""
    valid = np.zeros(len(dataset), bool)
    rows = np.flatnonzero(texts.present)
    own = slice(part.start, part.stop)
    arrays = points_of_texts([texts[row] for row in rows.tolist()], part, scored=scored)
    if arrays is None:
        return valid
    same = arrays.visibility == dataset.visibility[rows, own]
    pairs = [
        (arrays.xy, dataset.xy),
        (arrays.given_xy, dataset.given_xy),
        (arrays.score, dataset.keypoint_score),
    ]
    for read, held in pairs:
        same &= equal_points(read, None if held is None else held[rows, own], same.shape)
    valid[rows] = same.all(axis=1)
    return valid


def points_of_texts(
    texts: Sequence[bytes], part: Part, *, scored: bool = False
) -> PointArrays | None:
    """Read kept lists of a part's points; None if one of them is no such list."""
    arrays = PointArrays(len(texts), part.length)
    try:
        read_column(texts, Points(Part(part.key, 0, part.length), arrays, scored=scored))
    except BadValueError:
        return None
    return arrays


def equal_points(
    a: NDArray[np.float64] | None, b: NDArray[np.float64] | None, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Compare per point; NaN equals NaN, and an array that is not there."""
    if a is None and b is None:
        return np.ones(shape, bool)
    some = a if a is not None else b
    a, b = (np.full_like(some, np.nan) if v is None else v for v in (a, b))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return same if same.ndim == 2 else same.all(axis=-1)


def is_stated(dataset: PoseDataset, part: Part) -> NDArray[np.bool_]:
    """Tell which rows have the key of a part: all, but for those that the source left out."""
    lengths = dataset.numbers.get(f"keypoints:{part.key}")
    if lengths is None:
        return np.ones(len(dataset), bool)
    own = slice(part.start, part.stop)
    used = dataset.labelled[:, own].any(axis=1)
    return (lengths != 0) | used


def layout_to_write(dataset: PoseDataset) -> tuple[Part, ...]:
    """Return where the points go: the parts of a whole body, unless they came in one list."""
    lengths = dataset.numbers.get("keypoints:keypoints")
    count = dataset.schema.num_keypoints
    if lengths is not None and count and (lengths == count).any():
        return whole(dataset.schema)
    return parts_of(dataset.schema) or whole(dataset.schema)

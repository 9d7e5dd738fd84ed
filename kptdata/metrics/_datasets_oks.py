"""What OKS needs from a dataset: sigmas, areas, boxes, and who does not count."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, OptionError
from kptdata.metrics._datasets_images import ImageMatch, shown
from kptdata.metrics.ap import Predictions, Truths
from kptdata.metrics.oks import check_sigmas
from kptdata.schema import Schema, load_schema, map_schemas

__all__ = [
    "AREAS",
    "Areas",
    "Sigmas",
    "areas_of",
    "full_xy",
    "predictions_of",
    "sigmas_of",
    "truths_of",
]

AREAS: Mapping[str, str] = {
    "annotation": "as annotated",
    "mask": "of the annotated mask",
    "box053": "box width x height x 0.53",
    "box": "box width x height",
    "hull": "extent of the labelled keypoints",
}
"""Area policy -> what the area of a ground truth is."""
_SMALLEST = 1.0  # square pixels; below, no tool meant an area
_BLOCK = 4096  # rows looked at in one go, so that they stay in the cache


class Sigmas(NamedTuple):
    """Falloff of each keypoint and where it came from."""

    values: NDArray[np.float64]  # (K,)
    source: str


def sigmas_of(schema: Schema, asked: str | Sequence[float] | NDArray[np.float64] | None) -> Sigmas:
    """Return ``uniform:0.05``, ``borrow:<schema>`` or K numbers as sigmas; None: the schema's own.

    Raises:
        OptionError: the schema has none and none were asked for, or what was asked for does not
            fit.
    """
    if asked is None:
        if schema.sigmas is None:
            raise OptionError(
                f"sigmas: schema {schema.name!r} has none, and OKS needs one per keypoint. Fix: "
                "--sigmas uniform:0.05, or --sigmas borrow:<schema> to take them by keypoint name"
            )
        return Sigmas(
            schema.sigmas, f"schema {schema.name}, {schema.sigma_source or 'source not stated'}"
        )
    if not isinstance(asked, str):
        return Sigmas(_fitting(schema, np.asarray(asked, dtype=np.float64)), "given")
    kind, _, value = asked.partition(":")
    if kind == "uniform" and value:
        return Sigmas(_fitting(schema, np.full(schema.num_keypoints, _number(value))), asked)
    if kind == "borrow" and value:
        return Sigmas(_borrowed(schema, load_schema(value)), f"borrowed from schema {value}")
    raise OptionError(f"sigmas: expected uniform:<value> or borrow:<schema>, got {asked!r}")


def _fitting(schema: Schema, values: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        return check_sigmas(values, schema.num_keypoints)
    except OptionError as error:
        raise OptionError(f"{error} (schema {schema.name!r})") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"sigmas: expected uniform:<number>, got uniform:{text}") from None


def _borrowed(schema: Schema, lender: Schema) -> NDArray[np.float64]:
    if lender.sigmas is None:
        raise OptionError(f"sigmas: schema {lender.name!r} has none to borrow; try coco or halpe26")
    source = dict(map_schemas(lender, schema).exact)
    missing = [name for name in schema.names if name not in source]
    if missing:
        raise OptionError(
            f"sigmas: {lender.name} has no point for {', '.join(missing[:5])} of {schema.name}"
            f"{' and others' if len(missing) > 5 else ''}; use uniform:<value>, or borrow elsewhere"
        )
    return lender.sigmas[[lender.index(source[name]) for name in schema.names]]


@dataclass(frozen=True)
class Areas:
    """Area of each ground truth (N,), square pixels, and how it came about."""

    values: NDArray[np.float64]
    policy: str
    source: str


def areas_of(
    truth: PoseDataset, policy: str, counts: NDArray[np.bool_], *, refuse: bool = True
) -> Areas:
    """Return the areas by a policy.

    Args:
        truth: ground truth.
        policy: a key of `AREAS`.
        counts: (N,) instances whose area decides something.
        refuse: refuse areas of one square pixel or less.

    Raises:
        OptionError: no such policy.
        DatasetError: an area is missing or too small to be one.
    """
    if policy not in AREAS:
        raise OptionError(f"area: expected one of {', '.join(AREAS)}, got {policy!r}")
    values = _AREA_RULES[policy](truth)
    other = "box053" if policy != "box053" else "hull"
    missing = np.flatnonzero(np.isnan(values) & counts)
    if missing.size:
        raise DatasetError(
            f"ground truth: {missing.size} annotations have no area ({AREAS[policy]}), first id "
            f"{shown(truth.ids, missing[0])}. Fix: choose another source, e.g. --area {other}"
        )
    tiny = np.flatnonzero((values <= _SMALLEST) & counts)
    if tiny.size and refuse:
        raise DatasetError(
            f"ground truth: {tiny.size} annotations have an area of {_SMALLEST:g} square pixel or "
            f"less ({AREAS[policy]}), first id {shown(truth.ids, tiny[0])} with "
            f"{values[tiny[0]]:g}; their OKS would be 0 whatever is predicted. Fix: --area "
            f"{other}, or --reference to evaluate all the same"
        )
    return Areas(values, policy, _stated_source(truth, policy))


def _stated_source(truth: PoseDataset, policy: str) -> str:
    if policy != "annotation" or truth.area_source is None:
        return AREAS[policy]
    stated = sorted({str(s) for s in truth.area_source.tolist() if s})
    return f"{AREAS[policy]} ({', '.join(stated)})" if stated else AREAS[policy]


def _box_area(truth: PoseDataset) -> NDArray[np.float64]:
    area: NDArray[np.float64] = truth.column("bbox")[:, 2:].prod(axis=1)
    return area


def _mask_area(truth: PoseDataset) -> NDArray[np.float64]:
    raw = truth.extras.get("segmentation")
    if raw is None:
        return np.full(len(truth), np.nan)
    return np.array(
        [_segmentation_area(raw.parsed(row)) for row in range(len(truth))], dtype=np.float64
    )


def _segmentation_area(segmentation: Any) -> float:
    """Area of polygons (their outline's) or of a run-length code (its pixels')."""
    if not segmentation:
        return float("nan")
    if isinstance(segmentation, list):
        return float(sum(_polygon_area(np.reshape(p, (-1, 2))) for p in segmentation))
    counts = segmentation.get("counts", [])
    runs = _decode_runs(counts) if isinstance(counts, str) else counts
    return float(sum(runs[1::2]))


def _polygon_area(xy: NDArray[np.float64]) -> float:
    x, y = xy[:, 0], xy[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _decode_runs(text: str) -> list[int]:
    """Run lengths of COCO's compressed code: five bits a character.

    From the fourth run on it holds the difference to the run before last.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


def _hull_area(truth: PoseDataset) -> NDArray[np.float64]:
    return extent_area(truth.xy)


def extent_area(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width times height of the points (N, K, 2) that are there; NaN where none is."""
    if not xy.shape[1]:
        return np.full(len(xy), np.nan)
    area = np.empty(len(xy))
    for start in range(0, len(xy), _BLOCK):
        # Points first: a reduction over the middle axis takes five times as long.
        points = np.ascontiguousarray(np.moveaxis(xy[start : start + _BLOCK], 0, -1))
        side = np.fmax.reduce(points, axis=0) - np.fmin.reduce(points, axis=0)
        np.multiply(side[0], side[1], out=area[start : start + _BLOCK])
    return area


_AREA_RULES = {
    "annotation": lambda truth: truth.column("area"),
    "mask": _mask_area,
    "box053": lambda truth: _box_area(truth) * 0.53,
    "box": _box_area,
    "hull": _hull_area,
}


def full_xy(dataset: PoseDataset) -> NDArray[np.float64]:
    """(N, K, 2) coordinates, also those stated for points that are not labelled."""
    if dataset.given_xy is None:
        return dataset.xy
    return np.where(np.isnan(dataset.xy), dataset.given_xy, dataset.xy)


def stated_empty(truth: PoseDataset) -> tuple[NDArray[np.bool_], int]:
    """(N,) True where an instance has no keypoints, as stated; and how often labels differ."""
    empty: NDArray[np.bool_] = truth.num_labelled == 0
    stated = _stated_counts(truth)
    if stated is None:
        return empty, 0
    known = stated >= 0
    said = np.where(known, stated == 0, empty)
    return np.asarray(said), int((said != empty).sum())


def _stated_counts(truth: PoseDataset) -> NDArray[np.int64] | None:
    """(N,) `num_keypoints` as the file states it, -1 where it does not."""
    if "num_keypoints" in truth.numbers:
        values = np.asarray(truth.numbers["num_keypoints"], dtype=np.float64)
        return np.where(np.isnan(values), -1, values).astype(np.int64)
    raw = truth.extras.get("num_keypoints")
    if raw is None:
        return None
    given = json.loads(b"[" + b",".join(text or b"null" for text in raw) + b"]")
    return np.array([v if isinstance(v, int) else -1 for v in given], dtype=np.int64)


def truths_of(
    truth: PoseDataset,
    match: ImageMatch,
    area: NDArray[np.float64],
    empty: NDArray[np.bool_],
    *,
    reference: bool = False,
) -> tuple[Truths, NDArray[np.intp]]:
    """Return the arrays of instances whose image and category are listed, and their rows.

    With `reference` annotation id 0 cannot be matched, and of annotations with one id the last
    stands for all, as in pycocotools.
    """
    place, known = _category_places(truth, truth)
    rows = np.flatnonzero((match.truth >= 0) & known)
    if reference:
        rows = _last_of_same_id(truth.ids, rows[np.argsort(match.truth[rows], kind="stable")])
    ids = truth.ids[rows]
    zero = ids == 0 if reference and ids.dtype.kind == "i" else None
    arrays = Truths(
        xy=truth.xy[rows],
        labelled=truth.labelled[rows],
        image=match.truth[rows],
        area=area[rows],
        bbox=truth.column("bbox")[rows],
        crowd=truth.column("iscrowd")[rows] == 1,
        empty=empty[rows],
        category=place[rows],
        unmatchable=zero,
    )
    return arrays, rows


def _last_of_same_id(ids: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    last = {value: row for row, value in enumerate(ids.tolist())}
    return np.array([last[value] for value in ids[rows].tolist()], dtype=np.intp)


def category_ids(truth: PoseDataset) -> NDArray[np.int64]:
    """(C,) class ids, sorted: those that the file lists, else those that instances have."""
    if truth.categories:
        return np.array(sorted(truth.categories), dtype=np.int64)
    return np.zeros(1, np.int64) if truth.category is None else np.unique(truth.category)


def _category_places(
    truth: PoseDataset, dataset: PoseDataset
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(N,) place of each class among those of the ground truth, and whether it is one of them."""
    ids = category_ids(truth)
    if truth.category is None or dataset.category is None or not len(ids):
        return np.zeros(len(dataset), np.intp), np.ones(len(dataset), bool)
    place = np.minimum(np.searchsorted(ids, dataset.category), len(ids) - 1)
    return place, ids[place] == dataset.category


def predictions_of(
    truth: PoseDataset,
    predictions: PoseDataset,
    match: ImageMatch,
    score: NDArray[np.float64],
    area_points: NDArray[np.intp] | None = None,
) -> tuple[Predictions, NDArray[np.intp]]:
    """Return the arrays of predictions that can match something, and their rows.

    A prediction's own area is its box's where it has one, else the extent of its keypoints
    (of `area_points` only, if given).
    """
    category, known = _category_places(truth, predictions)
    keep = (match.prediction >= 0) & known
    xy = full_xy(predictions)
    area = extent_area(xy if area_points is None else xy[:, area_points])
    if predictions.bbox is not None:
        boxed = _box_area(predictions)
        area = np.where(np.isnan(boxed), area, boxed)
    rows = np.flatnonzero(keep)
    if len(rows) == len(predictions):
        return Predictions(xy, match.prediction, score, area, category), rows
    return Predictions(
        xy[rows], match.prediction[rows], score[rows], area[rows], category[rows]
    ), rows

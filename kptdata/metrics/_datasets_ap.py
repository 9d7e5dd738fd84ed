"""The metrics that rank predictions: COCO's AP over OKS, CrowdPose's levels, whole-body parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError
from kptdata.metrics._datasets_images import ImageMatch
from kptdata.metrics._datasets_oks import (
    Areas,
    Sigmas,
    areas_of,
    category_ids,
    predictions_of,
    sigmas_of,
    stated_empty,
    truths_of,
)
from kptdata.metrics._datasets_points import Spec
from kptdata.metrics.ap import COCO_BANDS, AveragePrecision, Predictions, Truths, average_precision
from kptdata.metrics.distance import distances, summarise
from kptdata.metrics.result import Figure, MetricResult

__all__ = ["DETAILS", "RANKED_METRICS", "RankedSubject"]

Table = TypeVar("Table", Truths, Predictions)

LEVELS: Mapping[str, tuple[float, float]] = {
    "AP_easy": (-math.inf, 0.2),
    "AP_medium": (0.2, 0.8),
    "AP_hard": (0.8, math.inf),
}
"""CrowdPose's levels by the image's crowd index: from, up to."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "body": ("body",),
    "foot": ("foot",),
    "face": ("face",),
    "lefthand": ("left_hand",),
    "righthand": ("right_hand",),
    "wholebody": ("body", "foot", "face", "left_hand", "right_hand"),
}
_EXTRA_BANDS = {"small": (0.0, 32.0**2)}


@dataclass(frozen=True)
class RankedSubject:
    """What is ranked against what.

    Attributes:
        truth: ground truth.
        predictions: all predictions, after rescoring and suppression.
        score: (D,) their scores.
        match: which image is which.
        sigmas: as asked for; None for the schema's own.
        area: policy for areas of ground truths.
        max_dets: predictions per image that take part.
        details: any of ``keypoint``, ``category``, ``size``.
        reference: pycocotools' behaviour wherever ours differs.
    """

    truth: PoseDataset
    predictions: PoseDataset
    score: NDArray[np.float64]
    match: ImageMatch
    sigmas: str | NDArray[np.float64] | None
    area: str
    max_dets: int = 20
    details: tuple[str, ...] = ()
    reference: bool = False

    @cached_property
    def oks_sigmas(self) -> Sigmas:
        """Falloff per keypoint."""
        return sigmas_of(self.truth.schema, self.sigmas)

    @cached_property
    def _stated(self) -> tuple[NDArray[np.bool_], int]:
        return stated_empty(self.truth)

    @cached_property
    def areas(self) -> Areas:
        """Area of each ground truth."""
        counts = ~self._stated[0] & (self.truth.column("iscrowd") != 1)
        return areas_of(self.truth, self.area, counts, refuse=not self.reference)

    @cached_property
    def _truths(self) -> tuple[Truths, NDArray[np.intp]]:
        areas = np.nan_to_num(self.areas.values, nan=0.0)
        empty = self._stated[0]
        return truths_of(self.truth, self.match, areas, empty, reference=self.reference)

    @property
    def truths(self) -> Truths:
        """Arrays of the ground truths."""
        return self._truths[0]

    @property
    def truth_rows(self) -> NDArray[np.intp]:
        """Rows of the dataset that `truths` holds."""
        return self._truths[1]

    @cached_property
    def _ranked(self) -> tuple[Predictions, NDArray[np.intp]]:
        return predictions_of(self.truth, self.predictions, self.match, self.score)

    @property
    def ranked(self) -> Predictions:
        """Arrays of the predictions."""
        return self._ranked[0]

    @property
    def ranked_rows(self) -> NDArray[np.intp]:
        """Rows of the dataset that `ranked` holds."""
        return self._ranked[1]

    @cached_property
    def categories(self) -> NDArray[np.int64]:
        """Class ids, sorted."""
        return category_ids(self.truth)

    def evaluate(
        self,
        truths: Truths | None = None,
        ranked: Predictions | None = None,
        sigmas: NDArray[np.float64] | None = None,
        bands: Mapping[str, tuple[float, float]] = COCO_BANDS,
    ) -> AveragePrecision:
        """Run the protocol, by default on everything."""
        return average_precision(
            self.truths if truths is None else truths,
            self.ranked if ranked is None else ranked,
            self.oks_sigmas.values if sigmas is None else sigmas,
            num_categories=max(1, len(self.categories)),
            max_dets=self.max_dets,
            bands=bands,
        )

    def points(self, rows: NDArray[np.intp]) -> tuple[Truths, Predictions, NDArray[np.float64]]:
        """Arrays of some keypoints alone; who has none of them does not count."""
        labelled = self.truths.labelled[:, rows]
        truths = self.truths._replace(
            xy=self.truths.xy[:, rows],
            labelled=labelled,
            empty=np.asarray(~labelled.any(axis=1)),
        )
        return (
            truths,
            self.ranked._replace(xy=self.ranked.xy[:, rows]),
            self.oks_sigmas.values[rows],
        )

    def facts(self) -> tuple[str, ...]:
        """Where sigmas and areas came from, and what was decided."""
        return (
            f"sigmas: {self.oks_sigmas.source}",
            f"area of ground truths: {self.areas.source} (--area {self.area})",
            *self._odd_labels(),
            *self._left_out(),
            *self._identity(),
        )

    def _odd_labels(self) -> tuple[str, ...]:
        _, differing = self._stated
        if not differing:
            return ()
        return (f"{differing} ground truths state a num_keypoints that is not so: taken as stated",)

    def _left_out(self) -> tuple[str, ...]:
        truths = int((self.match.truth >= 0).sum()) - len(self.truth_rows)
        ranked = int((self.match.prediction >= 0).sum()) - len(self.ranked_rows)
        lost = {
            "ground truths are of a category that their file does not list": truths,
            "predictions are of a category that the ground truth does not have": ranked,
        }
        return tuple(f"{count} {what}: left out" for what, count in lost.items() if count)

    def _identity(self) -> tuple[str, ...]:
        ids = self.truth.ids
        out = []
        zero = int((ids == 0).sum()) if ids.dtype.kind == "i" and self.truth.id is not None else 0
        if zero:
            what = "never matched, as in pycocotools" if self.reference else "matched as any other"
            out.append(f"annotation id 0: {what}")
        twice = len(ids) - len(np.unique(ids))
        if twice:
            what = "the last stands for all" if self.reference else "each counts on its own"
            out.append(f"{twice} annotations repeat the id of another: {what}")
        return tuple(out)


def _why(found: AveragePrecision, band: str = "all") -> str:
    return "0 ground truths" if found.counts[band].counted == 0 else "no such threshold"


def _band_of(name: str, found: AveragePrecision) -> str:
    initial = name.partition("_")[2]
    return next((b for b in found.bands if b != "all" and b[0].upper() == initial), "all")


def _stats(found: AveragePrecision, prefix: str = "") -> tuple[Figure, ...]:
    return tuple(
        Figure(f"{prefix}{name}", value, "", _why(found, _band_of(name, found)))
        for name, value in found.stats().items()
    )


def _count_facts(found: AveragePrecision, max_dets: int) -> tuple[str, ...]:
    lines = []
    for name, (low, high) in found.bands.items():
        count = found.counts[name]
        span = "" if name == "all" else f" ({low:g} to {high:g} px2)"
        ignored = {
            "crowds": count.crowd,
            "without keypoints": count.empty,
            "outside the band": count.outside,
        }
        why = ", ".join(f"{n} {reason}" for reason, n in ignored.items() if n)
        lines.append(
            f"{name}{span}: {count.counted} ground truths counted"
            + (f", ignored: {why}" if why else "")
            + f"; {count.predictions} predictions"
            + (
                f", {count.matched_ignored} of them set aside (on ignored ones)"
                if count.matched_ignored
                else ""
            )
        )
    if found.beyond_max_dets:
        lines.append(
            f"{found.beyond_max_dets} predictions are not among the best {max_dets} of their image"
        )
    return tuple(lines)


def _counts(found: AveragePrecision) -> dict[str, object]:
    return {
        "bands": {name: count._asdict() for name, count in found.counts.items()},
        "beyond_max_dets": found.beyond_max_dets,
    }


def _oks(subject: RankedSubject, spec: Spec) -> MetricResult:
    found = subject.evaluate()
    details = _pixel_errors(subject, found)
    details += [figure for kind in subject.details for figure in _DETAILS[kind](subject, found)]
    return MetricResult(
        spec.text,
        _stats(found),
        tuple(details),
        subject.facts() + _count_facts(found, subject.max_dets),
        _counts(found) | {"sigmas": subject.oks_sigmas.source, "area": subject.area},
    )


def _pixel_errors(subject: RankedSubject, found: AveragePrecision) -> list[Figure]:
    """Say what AP does not: how many pixels off those are that were found."""
    truth, prediction = found.pairs
    truths = subject.truths
    error = summarise(
        distances(subject.ranked.xy[prediction], truths.xy[truth], truths.labelled[truth])
    )
    where = f"at OKS {found.thresholds[0]:g}"
    return [
        Figure(f"EPE mean {where}", error.mean, "px", "nobody was found"),
        Figure(f"EPE median {where}", error.median, "px", "nobody was found"),
    ]


def _by_keypoint(subject: RankedSubject, _: AveragePrecision) -> list[Figure]:
    out = []
    for row, name in enumerate(subject.truth.schema.names):
        found = subject.evaluate(*subject.points(np.array([row])), {"all": COCO_BANDS["all"]})
        out.append(Figure(f"AP[{name}]", found.ap(), "", _why(found)))
    return out


def _by_category(subject: RankedSubject, found: AveragePrecision) -> list[Figure]:
    out = []
    for place, category in enumerate(subject.categories.tolist()):
        name = subject.truth.categories.get(category, str(category))
        out.append(Figure(f"AP[{name}]", found.ap(category=place), "", "0 ground truths"))
        out.append(Figure(f"AR[{name}]", found.ar(category=place), "", "0 ground truths"))
    return out


def _by_size(subject: RankedSubject, _: AveragePrecision) -> list[Figure]:
    found = subject.evaluate(bands={"all": COCO_BANDS["all"], **_EXTRA_BANDS, **_without_all()})
    out = []
    for band in found.bands:
        if band != "all":
            out.append(Figure(f"AP[{band}]", found.ap(band), "", _why(found, band)))
            out.append(Figure(f"AR[{band}]", found.ar(band), "", _why(found, band)))
    return out


def _without_all() -> dict[str, tuple[float, float]]:
    return {name: band for name, band in COCO_BANDS.items() if name != "all"}


_DETAILS: Mapping[str, Callable[[RankedSubject, AveragePrecision], list[Figure]]] = {
    "keypoint": _by_keypoint,
    "category": _by_category,
    "size": _by_size,
}
DETAILS = tuple(_DETAILS)


def _crowdpose(subject: RankedSubject, spec: Spec) -> MetricResult:
    if subject.area == "annotation":
        subject = replace(subject, area="box053")
    index = _crowd_index(subject)
    found = subject.evaluate()
    figures = [f for f in _stats(found) if not f.name.endswith(("_M", "_L"))]
    facts = list(subject.facts() + _count_facts(found, subject.max_dets))
    for name, (low, high) in LEVELS.items():
        level = (index >= low) & (index < high)
        part = subject.evaluate(_on(subject.truths, level), _on(subject.ranked, level))
        value = round(part.ap(), 4) if subject.reference else part.ap()
        figures.append(Figure(name, value, "", _why(part)))
        facts.append(
            f"{name}: {int(level.sum())} images with a crowd index of {max(low, 0):g} to "
            f"{min(high, 1):g}"
        )
    return MetricResult(spec.text, tuple(figures), (), tuple(facts), _counts(found))


def _crowd_index(subject: RankedSubject) -> NDArray[np.float64]:
    """(I,) crowd index of each image, in the order of the match."""
    raw = subject.truth.images.extras.get("crowdIndex")
    if raw is None or not raw.present.all():
        raise DatasetError(
            "crowdpose: expected a crowdIndex on every image of the ground truth, found "
            f"{0 if raw is None else int(raw.present.sum())} of {len(subject.truth.images)}. "
            "Fix: use CrowdPose's own file, or --metric oks"
        )
    values = np.array([raw.parsed(row) for row in range(len(raw))], dtype=np.float64)
    return values[subject.match.rows]


def _on(table: Table, images: NDArray[np.bool_]) -> Table:
    """The rows on these images."""
    kept = images[table.image]
    columns = table._asdict().items()
    picked: dict[str, Any] = {n: None if c is None else c[kept] for n, c in columns}
    return table._replace(**picked)


def _wholebody(subject: RankedSubject, spec: Spec) -> MetricResult:
    groups = np.array([point.group for point in subject.truth.schema.keypoints])
    lacking = [part for part, names in PARTS.items() if not np.isin(groups, names).any()]
    if lacking:
        raise DatasetError(
            f"wholebody: schema {subject.truth.schema.name!r} has no points of "
            f"{', '.join(lacking)}. "
            "Fix: use --metric oks"
        )
    body = np.flatnonzero(groups == "body")
    ranked, rows = predictions_of(
        subject.truth, subject.predictions, subject.match, subject.score, area_points=body
    )
    figures: list[Figure] = []
    facts = list(subject.facts())
    for part, names in PARTS.items():
        picked = np.flatnonzero(np.isin(groups, names))
        truths, mine, sigmas = subject.points(picked)
        score = subject.predictions.numbers.get(f"{part}_score")
        own = ranked.score if score is None else np.asarray(score, dtype=np.float64)[rows]
        found = subject.evaluate(truths, mine._replace(area=ranked.area, score=own), sigmas)
        figures += _stats(found, f"{part} ")
        count = found.counts["all"]
        from_what = "score" if score is None else f"{part}_score"
        facts.append(
            f"{part}: {count.counted} ground truths counted, {len(picked)} points, ranked by "
            f"{from_what}"
        )
    return MetricResult(spec.text, tuple(figures), (), tuple(facts))


RANKED_METRICS: Mapping[str, Callable[[RankedSubject, Spec], MetricResult]] = {
    "oks": _oks,
    "crowdpose": _crowdpose,
    "wholebody": _wholebody,
}

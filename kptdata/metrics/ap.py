"""Average precision and recall over object keypoint similarity: COCO's protocol on arrays.

Axes: G ground truths, D predictions, K keypoints, T thresholds, R recall points, C categories,
A area bands. Figures equal pycocotools' to the last bit on files whose annotation ids are positive.

References:
    Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv:1405.0312; the
    keypoint evaluation page of cocodataset.org.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._array import check_array
from kptdata.errors import OptionError
from kptdata.metrics._matching import (
    Candidates,
    Ranking,
    find_candidates,
    match_greedily,
    rank_predictions,
)
from kptdata.metrics._runs import sort_by
from kptdata.metrics.oks import OksTargets, check_sigmas

__all__ = [
    "COCO_BANDS",
    "AveragePrecision",
    "BandCount",
    "Pairs",
    "Predictions",
    "Truths",
    "average_precision",
    "match_instances",
]

COCO_BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"all": (0.0, 1e5**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e5**2)}
)
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
_EPS = np.spacing(1.0)


class Truths(NamedTuple):
    """Ground truths, in the order of their file."""

    xy: NDArray[np.float64]  # (G, K, 2) pixels; anything where not labelled
    labelled: NDArray[np.bool_]  # (G, K)
    image: NDArray[np.intp]  # (G,) place of the image among all image ids, sorted
    area: NDArray[np.float64]  # (G,) square pixels
    bbox: NDArray[np.float64]  # (G, 4) xywh
    crowd: NDArray[np.bool_]  # (G,) never counts, can be matched again
    empty: NDArray[np.bool_]  # (G,) never counts: stated to have no keypoints
    category: NDArray[np.intp]  # (G,) 0 to C - 1
    unmatchable: NDArray[np.bool_] | None = None  # (G,) pycocotools: annotation id 0


class Predictions(NamedTuple):
    """Predictions, in the order of their file."""

    xy: NDArray[np.float64]  # (D, K, 2) pixels, NaN where nothing was predicted
    image: NDArray[np.intp]  # (D,) place of the image, as in `Truths`
    score: NDArray[np.float64]  # (D,) higher is better, never NaN
    area: NDArray[np.float64]  # (D,) square pixels
    category: NDArray[np.intp]  # (D,) 0 to C - 1


class BandCount(NamedTuple):
    """Who was counted in one area band, all categories together."""

    counted: int  # ground truths
    crowd: int  # ignored: crowds
    empty: int  # ignored: no labelled keypoint
    outside: int  # ignored: area outside the band
    predictions: int  # whose own area lies in the band
    matched_ignored: int  # predictions set aside at the lowest threshold: matched an ignored one


class Pairs(NamedTuple):
    """Predictions and the ground truths they hit, at the first threshold in the first band."""

    truth: NDArray[np.intp]  # (M,) rows of the ground truths
    prediction: NDArray[np.intp]  # (M,) rows of the predictions


@dataclass(frozen=True)
class AveragePrecision:
    """Precision and recall of every setting; -1 where a category has no ground truth in a band.

    Attributes:
        precision: (T, R, C, A) interpolated, at each recall point.
        recall: (T, C, A) highest recall.
        thresholds: (T,).
        bands: name -> smallest and largest area, both included.
        counts: name of band -> who was counted.
        pairs: who hit whom.
        beyond_max_dets: predictions that were left out as not among the best of their image.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    bands: Mapping[str, tuple[float, float]]
    counts: Mapping[str, BandCount] = field(repr=False)
    pairs: Pairs = field(repr=False)
    beyond_max_dets: int

    def ap(
        self, band: str = "all", threshold: float | None = None, category: int | None = None
    ) -> float:
        """Return the mean precision over recall points, thresholds, categories; or NaN."""
        return _mean(self._pick(self.precision, band, threshold, category))

    def ar(
        self, band: str = "all", threshold: float | None = None, category: int | None = None
    ) -> float:
        """Return the mean of the highest recall over thresholds, categories; or NaN."""
        return _mean(self._pick(self.recall, band, threshold, category))

    def _pick(
        self, values: NDArray[np.float64], band: str, threshold: float | None, category: int | None
    ) -> NDArray[np.float64]:
        values = values[..., list(self.bands).index(band)]
        if threshold is not None:
            values = values[np.flatnonzero(self.thresholds == threshold)]
        return values if category is None else values[..., category]

    def stats(self) -> dict[str, float]:
        """Return the figures that COCO prints: AP and AR, at 0.5 and 0.75, and per band."""
        bands = [name for name in self.bands if name != "all"]
        out: dict[str, float] = {}
        for name, figure in (("AP", self.ap), ("AR", self.ar)):
            out[name] = figure()
            out |= {f"{name}{round(t * 100)}": figure(threshold=t) for t in (0.5, 0.75)}
            out |= {f"{name}_{band[0].upper()}": figure(band) for band in bands}
        return out


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else float("nan")


def average_precision(
    truths: Truths,
    predictions: Predictions,
    sigmas: NDArray[np.float64],
    *,
    num_categories: int = 1,
    thresholds: NDArray[np.float64] = THRESHOLDS,
    recall_points: NDArray[np.float64] = RECALL_POINTS,
    bands: Mapping[str, tuple[float, float]] = COCO_BANDS,
    max_dets: int = 20,
) -> AveragePrecision:
    """Evaluate predictions against ground truths by COCO's keypoint protocol.

    Args:
        truths: G ground truths.
        predictions: D predictions.
        sigmas: (K,) fractions of the object's size, above 0.
        num_categories: C; an instance only matches one of its own category.
        thresholds: (T,) least similarity of a match, ascending.
        recall_points: (R,) where precision is read.
        bands: name -> smallest and largest area; the first is the one for all.
        max_dets: predictions per image and category that take part, best first.

    Raises:
        ArrayError: shapes do not fit.
        OptionError: bad sigmas, or a score is NaN.
    """
    _check(truths, predictions)
    sigmas = check_sigmas(sigmas, truths.xy.shape[1])
    limits = np.array(list(bands.values()))
    ranking, candidates = _pair_up(truths, predictions, sigmas, max_dets, float(thresholds.min()))
    ignored = (truths.crowd | truths.empty)[:, None] | ~_within(truths.area, limits)
    category = predictions.category[ranking.rows]
    place = _global_place(predictions.score[ranking.rows], category)
    outcome = np.zeros((len(thresholds) * len(bands), len(place)), dtype=np.uint8)
    settings = np.repeat(thresholds, len(bands))
    everywhere = np.tile(ignored, (1, len(thresholds)))
    hits = [_NO_PAIRS]
    for made in match_greedily(candidates, settings, everywhere, truths.crowd):
        state = np.where(everywhere[made.truth, made.setting], _SET_ASIDE, _HIT)
        if truths.unmatchable is not None:
            state[truths.unmatchable[made.truth] & (state == _HIT)] = _NOTHING
        outcome[made.setting, place[made.place]] = state
        first = (made.setting == 0) & (state == _HIT)
        hits.append(Pairs(made.truth[first], ranking.rows[made.place[first]]))
    in_band = np.empty((len(bands), len(place)), dtype=bool)
    in_band[:, place] = _within(predictions.area[ranking.rows], limits).T
    curves = _Curves(
        outcome=outcome.reshape(len(thresholds), len(bands), -1),
        in_band=in_band,
        starts=np.searchsorted(category, np.arange(num_categories + 1)),
        positives=_count(~ignored, truths.category, num_categories),
    )
    precision, recall = curves.all(recall_points)
    counts = _band_counts(truths, ignored, in_band, outcome[: len(bands)], tuple(bands))
    return AveragePrecision(
        precision=precision,
        recall=recall,
        thresholds=thresholds,
        bands=MappingProxyType(dict(bands)),
        counts=counts,
        pairs=Pairs(*map(np.concatenate, zip(*hits, strict=True))),
        beyond_max_dets=len(predictions.score) - len(ranking.rows),
    )


_NO_PAIRS = Pairs(np.empty(0, np.intp), np.empty(0, np.intp))
_NOTHING, _HIT, _SET_ASIDE = np.uint8(0), np.uint8(1), np.uint8(2)


def _check(truths: Truths, predictions: Predictions) -> None:
    count, keypoints = truths.labelled.shape
    check_array("truths.xy", truths.xy, (count, keypoints, 2))
    check_array("truths.area", truths.area, (count,))
    check_array("truths.bbox", truths.bbox, (count, 4))
    for name in ("crowd", "empty"):
        check_array(f"truths.{name}", getattr(truths, name), (count,), "bool")
    check_array("predictions.xy", predictions.xy, (len(predictions.score), keypoints, 2))
    for name in ("score", "area"):
        check_array(f"predictions.{name}", getattr(predictions, name), (len(predictions.xy),))
    for label, table in (("truths", truths), ("predictions", predictions)):
        for name in ("image", "category"):
            check_array(f"{label}.{name}", getattr(table, name), (len(table.xy),), "int")
    unscored = np.flatnonzero(np.isnan(predictions.score))
    if unscored.size:
        raise OptionError(
            f"predictions.score: expected numbers, got NaN in {unscored.size} rows, first row "
            f"{unscored[0]}"
        )


def _pair_up(
    truths: Truths,
    predictions: Predictions,
    sigmas: NDArray[np.float64],
    max_dets: int | None,
    min_oks: float,
) -> tuple[Ranking, Candidates]:
    images = 1 + max(truths.image.max(initial=0), predictions.image.max(initial=0))
    # Category first: each category is then one run of groups, and its images keep their order.
    ranking = rank_predictions(
        predictions.score, predictions.category * images + predictions.image, max_dets
    )
    candidates = find_candidates(
        OksTargets(truths.xy, truths.labelled, truths.area, truths.bbox),
        truths.category * images + truths.image,
        predictions.xy,
        ranking,
        sigmas,
        min_oks,
    )
    return ranking, candidates


def _within(area: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N, A) True where an area lies in a band, both ends included."""
    return ~((area[:, None] < limits[:, 0]) | (area[:, None] > limits[:, 1]))


def _global_place(score: NDArray[np.float64], category: NDArray[np.intp]) -> NDArray[np.intp]:
    """Position of each ranked prediction in its category's list, one category after the other."""
    place = np.empty(len(score), dtype=np.intp)
    place[sort_by(category, np.argsort(-score, kind="stable"))] = np.arange(len(score))
    return place


def _count(
    flags: NDArray[np.bool_], category: NDArray[np.intp], num_categories: int
) -> NDArray[np.intp]:
    """(C, A) True flags (N, A) per category and band."""
    out = np.zeros((num_categories, flags.shape[1]), dtype=np.intp)
    np.add.at(out, category, flags)
    return out


@dataclass(frozen=True)
class _Curves:
    """Precision over recall, read off the predictions in order of score.

    Attributes:
        outcome: (T, A, D') what each prediction matched.
        in_band: (A, D') whether a prediction that matches nothing counts as false.
        starts: (C + 1,) where the predictions of each category begin.
        positives: (C, A) ground truths that count.
    """

    outcome: NDArray[np.uint8]
    in_band: NDArray[np.bool_]
    starts: NDArray[np.intp]
    positives: NDArray[np.intp]

    def all(
        self, recall_points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        thresholds, bands, _ = self.outcome.shape
        categories = len(self.positives)
        precision = np.full((thresholds, len(recall_points), categories, bands), -1.0)
        recall = np.full((thresholds, categories, bands), -1.0)
        counted = np.zeros((bands, self.in_band.shape[1] + 1), dtype=np.int64)
        np.cumsum(self.in_band, axis=1, out=counted[:, 1:])
        for c, b in np.argwhere(self.positives > 0):
            positives = self.positives[c, b]
            rows = slice(self.starts[c], self.starts[c + 1])
            needed = np.searchsorted(
                np.arange(1, positives + 1) / positives, recall_points, side="left"
            )
            so_far = counted[b, rows.start + 1 : rows.stop + 1] - counted[b, rows.start]
            for t in range(thresholds):
                best = self._envelope(self.outcome[t, b, rows], self.in_band[b, rows], so_far)
                reached = needed < len(best)
                precision[t, :, c, b] = 0.0
                precision[t, reached, c, b] = best[needed[reached]]
                recall[t, c, b] = len(best) / positives
        return precision, recall

    @staticmethod
    def _envelope(
        outcome: NDArray[np.uint8], in_band: NDArray[np.bool_], so_far: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Highest precision from each hit on; between hits it only falls, so hits suffice."""
        matched = np.flatnonzero(outcome)
        state = outcome[matched]
        hit = state == _HIT
        # `so_far` took the area of a matched prediction to decide; but its match does.
        change = np.cumsum((state != _SET_ASIDE).astype(np.int64) - in_band[matched])
        counted = (so_far[matched] + change)[hit]
        precision = np.arange(1, len(counted) + 1) / (counted + _EPS)
        best: NDArray[np.float64] = np.maximum.accumulate(precision[::-1])[::-1]
        return best


def _band_counts(
    truths: Truths,
    ignored: NDArray[np.bool_],
    in_band: NDArray[np.bool_],
    outcome: NDArray[np.uint8],
    bands: tuple[str, ...],
) -> Mapping[str, BandCount]:
    crowd = int(truths.crowd.sum())
    empty = int((truths.empty & ~truths.crowd).sum())
    out = {}
    for b, name in enumerate(bands):
        total_ignored = int(ignored[:, b].sum())
        out[name] = BandCount(
            counted=len(ignored) - total_ignored,
            crowd=crowd,
            empty=empty,
            outside=total_ignored - crowd - empty,
            predictions=int(in_band[b].sum()),
            matched_ignored=int((outcome[b] == _SET_ASIDE).sum()),
        )
    return MappingProxyType(out)


def match_instances(
    truths: Truths,
    predictions: Predictions,
    sigmas: NDArray[np.float64],
    *,
    min_oks: float = 0.5,
) -> NDArray[np.intp]:
    """Return, per prediction (D,), the row of the ground truth that it answers, -1 for none.

    Predictions choose in order of score by COCO's rule; each ground truth is given away once.
    """
    _check(truths, predictions)
    sigmas = check_sigmas(sigmas, truths.xy.shape[1])
    ranking, candidates = _pair_up(truths, predictions, sigmas, None, min_oks)
    answer = np.full(len(predictions.score), -1, dtype=np.intp)
    ignored = (truths.crowd | truths.empty)[:, None]
    nobody = np.zeros(len(ignored), dtype=bool)
    for made in match_greedily(candidates, np.array([min_oks]), ignored, nobody):
        answer[ranking.rows[made.place]] = made.truth
    return answer

"""Suppression of repeated predictions, for all images at once.

Axes: N predictions, K keypoints. Every function takes `image` (N,), the number of each prediction's
image (None for one image), and returns the rows that stay: image by image, best first. Of equal
scores the earlier row is the better one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kptdata._array import check_array
from kptdata.errors import OptionError
from kptdata.metrics._matching import Ranking, rank_predictions
from kptdata.metrics._runs import run_starts, runs
from kptdata.metrics.oks import check_sigmas

__all__ = ["NMS_MODES", "box_nms", "nearby_joints_nms", "oks_between", "oks_nms", "soft_oks_nms"]

NMS_MODES = ("oks_nms", "soft_oks_nms", "none")
_PAIRS = 1 << 16  # pairs compared in one go
_EPS = np.spacing(1.0)

Rows = NDArray[np.intp]
Overlap = Callable[[Rows, Rows], NDArray[np.float64]]


def oks_between(
    xy: NDArray[np.float64],
    area: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    first: Rows,
    second: Rows,
    visible: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the similarity (P,) of predictions `first` and `second`, over the mean of their areas.

    Args:
        xy: (N, K, 2) pixels.
        area: (N,) square pixels.
        sigmas: (K,).
        first: (P,) rows.
        second: (P,) rows.
        visible: (N, K) points that count; a pair without a common one has similarity 0.
    """
    delta = xy[second] - xy[first]
    np.square(delta, out=delta)
    error = delta[..., 0] + delta[..., 1]
    error /= (sigmas * 2) ** 2
    error /= ((area[first] + area[second]) / 2 + _EPS)[:, None] * 2
    similarity = np.exp(-error)
    used = np.isfinite(similarity)
    if visible is not None:
        used &= visible[first] & visible[second]
    total: NDArray[np.float64] = np.where(used, similarity, 0.0).sum(axis=1)
    return total / np.maximum(used.sum(axis=1), 1)


def oks_nms(
    xy: NDArray[np.float64],
    area: NDArray[np.float64],
    score: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    threshold: float = 0.9,
    *,
    image: Rows | None = None,
    visible: NDArray[np.bool_] | None = None,
) -> Rows:
    """Drop every prediction whose similarity to a better one that stays is above `threshold`.

    Args:
        xy: (N, K, 2) pixels.
        area: (N,) square pixels.
        score: (N,).
        sigmas: (K,).
        threshold: highest similarity that is let through.
        image: (N,).
        visible: (N, K) points that count; all by default.
    """
    sigmas = _check(xy, area, score, sigmas)
    return _suppress(
        rank_predictions(score, _groups(image, len(score)), None),
        lambda first, second: oks_between(xy, area, sigmas, first, second, visible),
        threshold,
    )


def soft_oks_nms(
    xy: NDArray[np.float64],
    area: NDArray[np.float64],
    score: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    threshold: float = 0.9,
    *,
    max_dets: int = 20,
    image: Rows | None = None,
    visible: NDArray[np.bool_] | None = None,
) -> Rows:
    """Take an image's best prediction, lower the others by ``exp(-oks^2 / threshold)``, repeat.

    Arguments are those of `oks_nms`; `max_dets` predictions stay per image, with their own scores.

    References:
        Bodla et al., "Soft-NMS", ICCV 2017, arXiv:1704.04503, with the similarity in place of the
        overlap.
    """
    sigmas = _check(xy, area, score, sigmas)
    ranking = rank_predictions(score, _groups(image, len(score)), None)
    left = np.arange(len(ranking.rows))  # places that are still to be had
    value = score[ranking.rows]
    picks: list[Rows] = []
    while len(left) and len(picks) < max_dets:
        begin = run_starts(ranking.group[left])
        best = np.maximum.reduceat(value[left], begin)
        at_best = left[value[left] == np.repeat(best, np.diff(begin, append=len(left)))]
        pick = at_best[run_starts(ranking.group[at_best])]
        picks.append(pick)
        pick_of = np.repeat(pick, np.diff(begin, append=len(left)))
        others = left != pick_of
        left, pick_of = left[others], pick_of[others]
        for a, b in pairwise([*range(0, len(left), _PAIRS), len(left)]):
            rows, against = ranking.rows[left[a:b]], ranking.rows[pick_of[a:b]]
            similarity = oks_between(xy, area, sigmas, against, rows, visible)
            value[left[a:b]] *= np.exp(-(similarity**2) / threshold)
    if not picks:
        return np.empty(0, np.intp)
    chosen = np.concatenate(picks)
    order = np.argsort(ranking.group[chosen], kind="stable")
    return ranking.rows[chosen[order]]


def box_nms(
    xyxy: NDArray[np.float64],
    score: NDArray[np.float64],
    threshold: float,
    *,
    image: Rows | None = None,
    reference: bool = False,
) -> Rows:
    """Drop every box (N, 4) whose overlap (IoU) with a better one that stays is above `threshold`.

    Args:
        xyxy: edges, pixels.
        score: (N,).
        threshold: highest overlap that is let through.
        image: (N,).
        reference: sides are one pixel longer (x2 - x1 + 1), as in MMPose.
    """
    check_array("xyxy", xyxy, (len(score), 4))
    extra = 1.0 if reference else 0.0
    area = (xyxy[:, 2:] - xyxy[:, :2] + extra).prod(axis=1)

    def overlap(first: Rows, second: Rows) -> NDArray[np.float64]:
        low = np.maximum(xyxy[first, :2], xyxy[second, :2])
        high = np.minimum(xyxy[first, 2:], xyxy[second, 2:])
        common = np.maximum(0.0, high - low + extra).prod(axis=1)
        union = area[first] + area[second] - common
        return np.divide(common, union, out=np.zeros_like(common), where=union > 0)

    return _suppress(rank_predictions(score, _groups(image, len(score)), None), overlap, threshold)


def nearby_joints_nms(
    xy: NDArray[np.float64],
    score: NDArray[np.float64],
    distance_threshold: float = 0.05,
    *,
    num_nearby: int | None = None,
    max_dets: int = 30,
    image: Rows | None = None,
) -> Rows:
    """Of predictions with many keypoints close to each other, keep the best.

    Two keypoints are close if they are nearer than `distance_threshold` times the diagonal of the
    instance's extent; two instances if more than `num_nearby` keypoints are (by default half of
    them).

    Args:
        xy: (N, K, 2) pixels.
        score: (N,).
        distance_threshold: share of the diagonal, above 0.
        num_nearby: below K.
        max_dets: predictions that stay per image, 0 for all.
        image: (N,).

    Raises:
        OptionError: a threshold makes no sense.

    References:
        Geng et al., "Bottom-Up Human Pose Estimation via Disentangled Keypoint Regression" (DEKR),
        CVPR 2021, arXiv:2104.02300.
    """
    check_array("xy", xy, "(N, K, 2)")
    limit = xy.shape[1] // 2 if num_nearby is None else num_nearby
    if distance_threshold <= 0 or not limit < xy.shape[1]:
        raise OptionError(
            "nearby_joints_nms: expected distance_threshold above 0 and num_nearby below "
            f"{xy.shape[1]}, got {distance_threshold} and {limit}"
        )
    ranking = rank_predictions(score, _groups(image, len(score)), None)
    radius = np.linalg.norm(np.ptp(xy, axis=1), axis=1) * distance_threshold

    def close(first: Rows, second: Rows) -> NDArray[np.bool_]:
        apart = np.linalg.norm(xy[first] - xy[second], axis=-1)
        near: NDArray[np.bool_] = (apart < radius[first, None]).sum(axis=1) > limit
        return near

    one, other = _close_pairs(ranking, close)
    kept = _keep_best_of_close(ranking, one, other)
    if max_dets > 0:
        kept &= _count_before(kept, ranking.group) < max_dets
    return ranking.rows[kept]


def _check(
    xy: NDArray[np.float64],
    area: NDArray[np.float64],
    score: NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> NDArray[np.float64]:
    check_array("xy", xy, (len(score), xy.shape[1] if np.ndim(xy) > 1 else 0, 2))
    check_array("area", area, (len(score),))
    return check_sigmas(sigmas, xy.shape[1])


def _groups(image: Rows | None, count: int) -> Rows:
    return np.zeros(count, np.intp) if image is None else np.unique(image, return_inverse=True)[1]


def _later_pairs(ranking: Ranking) -> Iterator[tuple[Rows, Rows]]:
    """Yield places (better, worse) of every two predictions of an image, in blocks."""
    count = len(ranking.rows)
    starts = run_starts(ranking.group)
    stop_of = np.repeat(starts + np.diff(starts, append=count), np.diff(starts, append=count))
    later = stop_of - np.arange(count) - 1
    ends = np.cumsum(later)
    total = int(ends[-1]) if count else 0
    cuts = np.searchsorted(ends, np.arange(0, total, _PAIRS), side="right")
    for a, b in pairwise([*cuts.tolist(), count]):
        first = np.repeat(np.arange(a, b), later[a:b])
        step = np.arange(len(first)) - np.repeat(np.cumsum(later[a:b]) - later[a:b], later[a:b])
        yield first, first + 1 + step


def _suppress(ranking: Ranking, overlap: Overlap, threshold: float) -> Rows:
    firsts, seconds = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for first, second in _later_pairs(ranking):
        above = overlap(ranking.rows[first], ranking.rows[second]) > threshold
        firsts.append(first[above])
        seconds.append(second[above])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    order = np.argsort(ranking.rank[first], kind="stable")
    first, second = first[order], second[order]
    dropped = np.zeros(len(ranking.rows), dtype=bool)
    # All that could drop a prediction of rank r are better than r, so their own fate is known.
    for start, stop in runs(ranking.rank[first]):
        stays = ~dropped[first[start:stop]]
        dropped[second[start:stop][stays]] = True
    return ranking.rows[~dropped]


def _close_pairs(
    ranking: Ranking, close: Callable[[Rows, Rows], NDArray[np.bool_]]
) -> tuple[Rows, Rows]:
    """Places (one, other): other is close to one; each place is close to itself."""
    everyone = np.arange(len(ranking.rows))
    ones, others = [everyone], [everyone]
    for first, second in _later_pairs(ranking):
        for one, other in ((first, second), (second, first)):
            near = close(ranking.rows[one], ranking.rows[other])
            ones.append(one[near])
            others.append(other[near])
    one, other = np.concatenate(ones), np.concatenate(others)
    order = np.lexsort((other, one, ranking.rank[one]))
    return one[order], other[order]


def _keep_best_of_close(ranking: Ranking, one: Rows, other: Rows) -> NDArray[np.bool_]:
    kept = np.zeros(len(ranking.rows), dtype=bool)
    settled = np.zeros(len(ranking.rows), dtype=bool)
    for start, stop in runs(ranking.rank[one]):
        mine, near = one[start:stop], other[start:stop]
        begin = run_starts(mine)
        best = near[begin]  # places are sorted, and the first is the best
        fresh = ~settled[mine[begin]] & ~settled[best]
        kept[best[fresh]] = True
        settled[near[np.repeat(fresh, np.diff(begin, append=len(mine)))]] = True
    return kept


def _count_before(flags: NDArray[np.bool_], group: Rows) -> Rows:
    """Number of True flags of the same group in front of each."""
    before: Rows = np.cumsum(flags, dtype=np.intp) - flags
    starts = run_starts(group)
    return np.asarray(before - np.repeat(before[starts], np.diff(starts, append=len(group))))

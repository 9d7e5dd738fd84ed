"""Greedy matching of predictions to ground truths, all images, thresholds and area bands at once.

COCO's rule: in each image, predictions in order of score take the free ground truth with the
highest similarity, at least the threshold; counted ground truths go before ignored ones, the later
of equals wins, and a crowd can be taken any number of times. Images do not touch each other, so the
predictions of rank 1 of all images are matched in one step, then those of rank 2, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.metrics._runs import place_in_run, run_starts, runs, sort_by
from kptdata.metrics.oks import OksTargets, oks_of_pairs

_PAIRS = 1 << 20  # pairs looked at in one go
_PERFECT = 1 - 1e-10  # a threshold of 1 asks for a little less, as COCO's does


class Ranking(NamedTuple):
    """Predictions by group (an image and a category), best first."""

    rows: NDArray[np.intp]  # (D',) rows of the predictions, group after group
    group: NDArray[np.intp]  # (D',) of each
    rank: NDArray[np.intp]  # (D',) 0 for the best of its group


class Candidates(NamedTuple):
    """Pairs that can match, sorted by rank, then prediction, then from worst to best."""

    place: NDArray[np.intp]  # (P,) position in the ranking
    truth: NDArray[np.intp]  # (P,) row of the ground truths
    oks: NDArray[np.float64]  # (P,)
    rank: NDArray[np.intp]  # (P,)


class Matches(NamedTuple):
    """Pairs that were made in one step."""

    place: NDArray[np.intp]  # (M,) position in the ranking
    truth: NDArray[np.intp]  # (M,) row of the ground truths
    setting: NDArray[np.intp]  # (M,) which threshold and band


def rank_predictions(
    score: NDArray[np.float64], group: NDArray[np.intp], max_dets: int | None
) -> Ranking:
    """Sort by group, then score, the earlier of equals first; keep `max_dets` of a group."""
    rows = sort_by(group, np.argsort(-score, kind="stable"))
    ranked = group[rows]
    rank = place_in_run(ranked)
    if max_dets is None:
        return Ranking(rows, ranked, rank)
    kept = rank < max_dets
    return Ranking(rows[kept], ranked[kept], rank[kept])


def find_candidates(
    targets: OksTargets,
    target_group: NDArray[np.intp],
    xy: NDArray[np.float64],
    ranking: Ranking,
    sigmas: NDArray[np.float64],
    min_oks: float,
) -> Candidates:
    """Return all pairs of one group with a similarity of at least `min_oks`.

    Memory stays bounded: pairs are looked at in blocks, and few of them are kept.
    """
    by_group = np.argsort(target_group, kind="stable")
    sorted_group = target_group[by_group]
    first = np.searchsorted(sorted_group, ranking.group, side="left")
    counts = np.searchsorted(sorted_group, ranking.group, side="right") - first
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(0, total, _PAIRS), side="right")
    parts = [_NO_PAIRS]
    for start, stop in pairwise([*cuts.tolist(), len(ends)]):
        number = counts[start:stop]
        place = np.repeat(np.arange(start, stop), number)
        step = np.arange(len(place)) - np.repeat(np.cumsum(number) - number, number)
        truth = by_group[np.repeat(first[start:stop], number) + step]
        oks = oks_of_pairs(targets, xy, sigmas, truth, ranking.rows[place])
        near = oks >= min_oks
        parts.append((place[near], truth[near], oks[near]))
    place, truth, oks = (np.concatenate(column) for column in zip(*parts, strict=True))
    rank = ranking.rank[place]
    order = np.lexsort((truth, oks, place, rank))
    return Candidates(place[order], truth[order], oks[order], rank[order])


_NO_PAIRS = (np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


def match_greedily(
    candidates: Candidates,
    thresholds: NDArray[np.float64],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
) -> Iterator[Matches]:
    """Match, rank after rank, in every setting.

    Args:
        candidates: the pairs to choose from.
        thresholds: (S,) least similarity of each setting.
        ignored: (G, S) True where a ground truth does not count in a setting.
        crowd: (G,) True where a ground truth may be taken again.
    """
    least = np.minimum(thresholds, _PERFECT)
    taken = np.zeros(ignored.shape, dtype=bool)
    for start, stop in runs(candidates.rank):
        place, truth = candidates.place[start:stop], candidates.truth[start:stop]
        count = stop - start
        free = candidates.oks[start:stop, None] >= least
        free &= ~taken[truth]
        # Later in the list is better; what counts is better than anything ignored.
        worth = np.arange(count, dtype=np.int32)[:, None] + np.int32(count) * ~ignored[truth]
        worth = np.where(free, worth, np.int32(-1))
        best = np.maximum.reduceat(worth, run_starts(place), axis=0)
        found, setting = np.nonzero(best >= 0)
        pair = best[found, setting] % count
        chosen = truth[pair]
        taken[chosen, setting] = ~crowd[chosen]
        yield Matches(place[pair], chosen, setting)

"""Which prediction is for which ground truth: by `answers`, by OKS, or by row if asked."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import is_missing
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError
from kptdata.metrics._datasets_images import shown
from kptdata.metrics.ap import Predictions, Truths, match_instances

__all__ = ["MIN_OKS", "Rows", "rows_by_answers", "rows_by_oks", "rows_by_order"]

MIN_OKS = 0.1  # below it a prediction is for nobody


class Rows(NamedTuple):
    """The prediction of each ground truth."""

    prediction: NDArray[np.intp]  # (N,) row of the predictions, -1 where there is none
    by: str
    facts: tuple[str, ...]


def rows_by_order(truth: PoseDataset, predictions: PoseDataset) -> Rows:
    """Row by row.

    Raises:
        DatasetError: the numbers of rows differ.
    """
    if len(truth) != len(predictions):
        raise DatasetError(
            f"--row-aligned: {len(truth)} ground truths and {len(predictions)} predictions; "
            "expected as many. Fix: leave the option out, rows are then matched by answers or OKS"
        )
    return Rows(np.arange(len(truth)), "row (as asked)", ())


def rows_by_answers(
    truth: PoseDataset, predictions: PoseDataset, score: NDArray[np.float64]
) -> Rows | None:
    """By the id of the ground truth that each prediction says it is for; None if none says so.

    Raises:
        DatasetError: no prediction names a ground truth of the file, or two of these share an id.
    """
    if predictions.answers is None or is_missing(predictions.answers).all():
        return None
    order = _by_score(score)
    order = order[~is_missing(predictions.answers[order])]
    rows = {value: row for row, value in enumerate(truth.ids.tolist())}
    if len(rows) < len(truth):
        raise DatasetError(
            f"ground truth: {len(truth) - len(rows)} ids are used twice, so that `answers` cannot "
            "name one. Fix: renumber the annotations"
        )
    answered = np.array(
        [rows.get(v, -1) for v in predictions.answers[order].tolist()], dtype=np.intp
    )
    found = answered >= 0
    if not found.any():
        raise DatasetError(
            f"predictions: none of {len(order)} answers is the id of a ground truth, first "
            f"{shown(predictions.answers, order[0])}. Fix: check that the files belong together, "
            "or use --row-aligned"
        )
    facts = [
        f"{n} predictions {why}: left out"
        for n, why in _left_out(len(predictions), order, found)
        if n
    ]
    return _first_per_truth(len(truth), order[found], answered[found], "answers", facts)


def _left_out(
    total: int, order: NDArray[np.intp], found: NDArray[np.bool_]
) -> list[tuple[int, str]]:
    return [
        (total - len(order), "do not say which ground truth they are for"),
        (int((~found).sum()), "are for a ground truth that is not in the file"),
    ]


def rows_by_oks(
    truths: Truths,
    truth_rows: NDArray[np.intp],
    count: int,
    predictions: Predictions,
    prediction_rows: NDArray[np.intp],
    sigmas: NDArray[np.float64],
) -> Rows:
    """By similarity: best score first, each prediction takes the free ground truth most like it."""
    answer = match_instances(truths, predictions, sigmas, min_oks=MIN_OKS)
    found = np.flatnonzero(answer >= 0)
    out = np.full(count, -1, dtype=np.intp)
    out[truth_rows[answer[found]]] = prediction_rows[found]
    extra = len(answer) - len(found)
    facts = (
        (f"{extra} predictions are like no ground truth that was free: left out",) if extra else ()
    )
    return Rows(out, f"OKS of at least {MIN_OKS:g}, best score first", facts)


def _by_score(score: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")


def _first_per_truth(
    count: int, order: NDArray[np.intp], answered: NDArray[Any], by: str, facts: list[str]
) -> Rows:
    truth, first = np.unique(answered, return_index=True)
    out = np.full(count, -1, dtype=np.intp)
    out[truth] = order[first]
    repeated = len(answered) - len(truth)
    if repeated:
        facts.append(
            f"{repeated} predictions answer a ground truth that a better one answers: left out"
        )
    return Rows(out, by, tuple(facts))

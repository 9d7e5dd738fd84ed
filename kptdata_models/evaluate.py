"""Figures of predictions: the share of correct keypoints, the mean error in pixels, and others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.metrics import Scoring, evaluate
from kptdata.metrics.arrays import distances, pck, summarise
from kptdata.metrics.datasets import RANKED_METRICS, parse_metric

__all__ = ["OWN", "mean_pose", "measure", "measure_more"]

OWN = ("pck", "epe")
"""What `measure` gives, whatever a run asks for."""


def measure(
    truth: PoseDataset, predictions: PoseDataset, *, threshold: float = 0.05
) -> dict[str, float]:
    """Compare predictions with the instances that they answer, row by row.

    Args:
        truth: instances with boxes.
        predictions: as many, in the same order.
        threshold: of PCK, as a fraction of the longer side of the box.

    Returns:
        ``pck``, 0..1: share of labelled keypoints closer than the threshold, a keypoint without
        prediction being wrong; ``epe``: mean distance in pixels, those without prediction left out.
        NaN where nothing is labelled.
    """
    side = truth.column("bbox")[:, 2:].max(axis=1)
    relative = distances(predictions.xy, truth.xy, truth.labelled, side)
    pixels = distances(predictions.xy, truth.xy, truth.labelled)
    return {"pck": pck(relative, threshold).weighted, "epe": summarise(pixels).mean}


def measure_more(
    truth: PoseDataset,
    predictions: PoseDataset,
    metrics: Sequence[str],
    *,
    area: str = "annotation",
    sigmas: str | None = None,
) -> dict[str, float]:
    """Compute further metrics in the boxes of `truth`.

    Those that rank predictions score and suppress them as ``kpt eval CHECKPOINT`` does; those of
    points measure every prediction against the instance that it answers.

    Args:
        truth: instances.
        predictions: as many, in the same order.
        metrics: as for `kptdata.metrics.evaluate`; those of `measure` are left out.
        area: as for `kptdata.metrics.evaluate`.
        sigmas: as for `kptdata.metrics.evaluate`.

    Returns:
        The first figure of each by the metric's text: of ``oks``, AP.

    Raises:
        KptDataError: no such metric, or the data lack what it needs.
    """
    further = [metric for metric in dict.fromkeys(metrics) if metric not in OWN]
    ranked = [metric for metric in further if parse_metric(metric).name in RANKED_METRICS]
    points = [metric for metric in further if metric not in ranked]
    # The score of a box alone: scoring joins it with those of the keypoints.
    given = truth.column("score")
    scored = predictions.replace(score=np.where(np.isnan(given), 1.0, given))
    figures: dict[str, float] = {}
    for names, scoring in ((ranked, Scoring.mmpose()), (points, Scoring())):
        if names:
            found = evaluate(truth, scored, names, area=area, sigmas=sigmas, scoring=scoring)
            figures |= {result.metric: result.figures[0].value for result in found.results}
    return {metric: figures[metric] for metric in further}


def mean_pose(train: PoseDataset, target: PoseDataset) -> NDArray[np.float64]:
    """Predict for every box of `target` the mean pose of `train`, (N, K, 2) pixels.

    It is the baseline that has not seen the image: positions as fractions of the box.
    """
    box = train.column("bbox")[:, None]
    fractions = (train.xy - box[..., :2]) / box[..., 2:]
    known = np.isfinite(fractions)
    mean = np.where(known, fractions, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    goal = target.column("bbox")[:, None]
    pose: NDArray[np.float64] = goal[..., :2] + mean * goal[..., 2:]
    return pose

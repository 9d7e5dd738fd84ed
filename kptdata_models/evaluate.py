"""Figures of predictions: the share of correct keypoints, the mean error in pixels, and others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.metrics.arrays import distances, pck, summarise

__all__ = ["mean_pose", "measure"]


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

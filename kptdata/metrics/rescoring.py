"""Scores of instances from the scores of their boxes and keypoints, before evaluation.

Axes: N instances, K keypoints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kptdata._array import check_array
from kptdata.errors import OptionError

__all__ = ["SCORE_MODES", "rescore"]

SCORE_MODES = ("bbox", "keypoint", "bbox_keypoint", "bbox_rle")


def rescore(
    score: NDArray[np.float64],
    keypoint_score: NDArray[np.float64],
    mode: str = "bbox_keypoint",
    threshold: float = 0.2,
) -> NDArray[np.float64]:
    """Return the score (N,) of each instance.

    ``bbox`` keeps `score`; ``keypoint`` is the mean of the keypoint scores; ``bbox_keypoint``
    multiplies `score` by the mean of the keypoint scores above `threshold` (0 if none is);
    ``bbox_rle`` adds the mean and the highest keypoint score to `score`.

    Args:
        score: (N,) of the box.
        keypoint_score: (N, K).
        mode: one of `SCORE_MODES`.
        threshold: least keypoint score that counts in ``bbox_keypoint``.

    Raises:
        OptionError: no such mode.

    >>> rescore(np.array([0.5]), np.array([[0.1, 0.8]])).tolist()
    [0.4]
    """
    if mode not in SCORE_MODES:
        raise OptionError(f"score mode: expected one of {', '.join(SCORE_MODES)}, got {mode!r}")
    check_array("keypoint_score", keypoint_score, (len(score), *keypoint_score.shape[1:]))
    if mode == "bbox":
        return score
    if mode == "keypoint":
        return np.asarray(keypoint_score.mean(axis=1))
    if mode == "bbox_rle":
        return np.asarray(score + keypoint_score.mean(axis=1) + keypoint_score.max(axis=1))
    above = keypoint_score > threshold
    total = np.where(above, keypoint_score, 0.0).sum(axis=1)
    return np.asarray(score * (total / np.maximum(above.sum(axis=1), 1)))

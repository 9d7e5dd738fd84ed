"""What is known about one keypoint: five states, never inferred from coordinates."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Visibility", "is_labelled"]


class Visibility(IntEnum):
    """State of a keypoint, stored as uint8.

    `UNLABELLED`, `OCCLUDED` and `VISIBLE` have COCO's values. `ABSENT` states that the point is
    not in the image. `LABELLED` has coordinates but no word about occlusion (MPII's empty
    ``is_visible``, LabelMe, DeepLabCut, predictions). Unlabelled and absent points are NaN.
    """

    UNLABELLED = 0
    OCCLUDED = 1
    VISIBLE = 2
    ABSENT = 3
    LABELLED = 4


def is_labelled(visibility: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which states, of any shape, come with coordinates: occluded, visible and labelled.

    >>> is_labelled(np.array([0, 1, 2, 3, 4], dtype=np.uint8)).tolist()
    [False, True, True, False, True]
    """
    return (
        (visibility == Visibility.OCCLUDED)
        | (visibility == Visibility.VISIBLE)
        | (visibility == Visibility.LABELLED)
    )

"""Direct regression: a linear layer from a vector to coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from kptdata_models.heads.coordinates import CoordinateHead
from kptdata_models.losses.regression import SmoothL1Loss

__all__ = ["RegressionHead", "RegressionOutput"]


class RegressionOutput(NamedTuple):
    """What a regression head predicts."""

    coords: Tensor  # (B, K, 2) fractions of the input's width and height


class RegressionHead(CoordinateHead[RegressionOutput]):
    """Coordinates from a pooled vector, as in DeepPose.

    Args:
        in_channels: length of the vector; a map of one cell is taken as a vector. With
            `feature_points`, the channels of the map.
        num_joints: number of keypoints.
        codec: a regression codec.
        loss: a module, or a table ``{type, ...}``; by default `SmoothL1Loss` with weights.
        feature_points: regress from the places of so many features of a map, of which the first
            begin as the keypoints; 0 from a vector.
        in_index: which map.

    References:
        Toshev and Szegedy, "DeepPose", CVPR 2014, arXiv:1312.4659.
    """

    def __init__(
        self,
        in_channels: int,
        num_joints: int,
        codec: Any = None,
        loss: nn.Module | Mapping[str, Any] | None = None,
        *,
        feature_points: int = 0,
        in_index: int = -1,
    ) -> None:
        super().__init__(
            2, in_channels, num_joints, codec, loss, SmoothL1Loss, feature_points, in_index
        )

    def _regress(self, chosen: Tensor) -> RegressionOutput:
        return RegressionOutput(self._values(chosen))

    def as_decoded(self, output: RegressionOutput) -> tuple[Tensor, ...]:
        """Return coordinates (B, 1, K, 2)."""
        return (output.coords[:, None],)

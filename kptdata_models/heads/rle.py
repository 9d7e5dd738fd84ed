"""Regression with a deviation per coordinate, trained by residual log-likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from kptdata_models.heads.coordinates import CoordinateHead
from kptdata_models.losses.rle import RLELoss

__all__ = ["RLEHead", "RLEOutput"]


class RLEOutput(NamedTuple):
    """What an RLE head predicts."""

    coords: Tensor  # (B, K, 2) fractions of the input's width and height
    sigma: Tensor  # (B, K, 2) deviations before the sigmoid


class RLEHead(CoordinateHead[RLEOutput]):
    """Coordinates and their deviations from a pooled vector.

    Args:
        in_channels: length of the vector; a map of one cell is taken as a vector. With
            `feature_points`, the channels of the map.
        num_joints: number of keypoints.
        codec: a regression codec.
        loss: a module, or a table ``{type, ...}``; by default `RLELoss` with weights.
        feature_points: regress from the places of so many features of a map, of which the first
            begin as the keypoints, and deviations from a mean over it; 0 all from a vector.
        in_index: which map.

    References:
        Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021,
        arXiv:2107.11291.
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
        # Where a feature is does not tell how sure it is.
        values = 2 if feature_points else 4
        super().__init__(
            values, in_channels, num_joints, codec, loss, RLELoss, feature_points, in_index
        )
        self.deviations = nn.Linear(in_channels, num_joints * 2) if feature_points else None

    def _regress(self, chosen: Tensor) -> RLEOutput:
        values = self._values(chosen)
        if self.deviations is None:
            return RLEOutput(values[..., :2], values[..., 2:])
        return RLEOutput(values, self._per_keypoint(self.deviations(chosen.mean(dim=(2, 3)))))

    def as_decoded(self, output: RLEOutput) -> tuple[Tensor, ...]:
        """Return coordinates and deviations in 0..1, both (B, 1, K, 2)."""
        return output.coords[:, None], output.sigma[:, None].sigmoid()

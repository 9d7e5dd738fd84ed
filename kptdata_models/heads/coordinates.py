"""What heads that regress coordinates share: a linear layer from a vector, or from places."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from kptdata.errors import OptionError
from kptdata_models.accuracy import pose_accuracy
from kptdata_models.heads.base import PoseHead, make_loss, one_person
from kptdata_models.heads.feature_points import FeaturePoints

__all__ = ["CoordinateHead"]

Output = TypeVar("Output", bound=tuple[Tensor, ...])


class CoordinateHead(PoseHead[Output]):
    """A few values per keypoint, of which the first two are its coordinates.

    The output is a tuple that begins with the coordinates (B, K, 2), as the loss takes it.

    Args:
        values: how many values a keypoint has.
        in_channels: length of the vector; a map of one cell is taken as a vector. With
            `feature_points`, the channels of the map.
        num_joints: number of keypoints.
        codec: a regression codec.
        loss: a module, or a table ``{type, ...}`` in the place of `default_loss`.
        default_loss: made with weights.
        feature_points: regress from the places of so many features of a map; 0 from a vector. The
            first features stand for the keypoints when training starts.
        in_index: which map.

    Raises:
        OptionError: `feature_points` is negative.
    """

    def __init__(
        self,
        values: int,
        in_channels: int,
        num_joints: int,
        codec: Any,
        loss: nn.Module | Mapping[str, Any] | None,
        default_loss: type[nn.Module],
        feature_points: int,
        in_index: int,
    ) -> None:
        super().__init__()
        if feature_points < 0:
            raise OptionError(f"feature_points: expected 0 or more, got {feature_points}")
        self.in_channels = in_channels
        self.in_index = in_index
        self.num_joints = num_joints
        self.codec = codec
        self.loss_module = make_loss(loss, default_loss, use_target_weight=True)
        self.points = FeaturePoints(in_channels, feature_points) if feature_points else None
        self.fc = nn.Linear(feature_points * 2 or in_channels, num_joints * values)
        if feature_points:
            self._start_at_points(values)

    def forward(self, maps: Sequence[Tensor]) -> Output:
        """Return coordinates and what else there is, in the precision of the weights."""
        chosen = maps[self.in_index]
        # Half precision cannot tell neighbouring pixels apart, whatever the maps were computed in.
        with torch.autocast(chosen.device.type, enabled=False):
            return self._regress(chosen.to(self.fc.weight.dtype))

    def loss(self, maps: Sequence[Tensor], target: Any) -> dict[str, Tensor]:
        """Return ``loss_kpt`` and ``acc_pose``."""
        output = self(maps)
        labels = one_person("keypoint_labels", target.keypoint_labels, 3)
        weights = one_person("keypoint_weights", target.keypoint_weights, 2)
        return {
            "loss_kpt": self.loss_module(*output, labels, weights[..., None]),
            "acc_pose": pose_accuracy(output[0].detach(), labels, weights, (1, 1)),
        }

    @abstractmethod
    def _regress(self, chosen: Tensor) -> Output:
        """Return the output for a vector (B, C), or a map (B, C, H, W)."""

    def _values(self, chosen: Tensor) -> Tensor:
        """Return the values (B, K, values)."""
        vector = chosen if self.points is None else self.points(chosen)
        return self._per_keypoint(self.fc(vector.flatten(1)))

    def _per_keypoint(self, values: Tensor) -> Tensor:
        return values.reshape(len(values), self.num_joints, -1)

    def _start_at_points(self, values: int) -> None:
        """Let the first places be the coordinates: from any mixture, a feature learns its joint."""
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        with torch.no_grad():
            weight = self.fc.weight.view(self.num_joints, values, -1, 2)
            for axis in range(2):
                weight[:, axis, :, axis].diagonal().add_(1)

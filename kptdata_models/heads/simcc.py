"""SimCC: a distribution over bins along x and one along y, per keypoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from kptdata.errors import OptionError
from kptdata_models.accuracy import axis_peaks, pose_accuracy
from kptdata_models.heads.base import PoseHead, make_loss, one_person
from kptdata_models.heads.heatmap import HeatmapHead
from kptdata_models.losses.classification import KLDiscretLoss

__all__ = ["SimCCHead", "SimCCOutput"]


class SimCCOutput(NamedTuple):
    """What a SimCC head predicts."""

    simcc_x: Tensor  # (B, K, width * split ratio) logits
    simcc_y: Tensor  # (B, K, height * split ratio) logits


class SimCCHead(PoseHead[SimCCOutput]):
    """Deconvolutions to one map per keypoint, then a linear layer per axis.

    Args:
        in_channels: channels of the feature map.
        out_channels: number of keypoints.
        in_featuremap_size: width and height of the feature map.
        codec: a SimCC codec; gives `input_size` and `simcc_split_ratio` where they are left out.
        input_size: width and height of the network's input.
        simcc_split_ratio: bins per pixel.
        deconv_out_channels: channels after each deconvolution; empty or None for none.
        deconv_kernel_sizes: 2, 3 or 4 for each deconvolution; 4 by default.
        final_layer: arguments of the convolution to one map per keypoint (``kernel_size``).
        in_index: which of the maps is used; the last one by default.
        loss: a module, or a table ``{type, ...}``; by default `KLDiscretLoss` with weights.

    References:
        Li et al., "SimCC", ECCV 2022, arXiv:2107.03332.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        in_featuremap_size: Sequence[int],
        codec: Any = None,
        *,
        input_size: Sequence[int] | None = None,
        simcc_split_ratio: float | None = None,
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | bool = True,
        in_index: int = -1,
        loss: nn.Module | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        size = _from_codec("input_size", input_size, codec)
        ratio = _from_codec("simcc_split_ratio", simcc_split_ratio, codec)
        deconv = tuple(deconv_out_channels or ())
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.in_featuremap_size = tuple(in_featuremap_size)
        self.codec = codec
        self.in_index = in_index
        self.loss_module = make_loss(loss, KLDiscretLoss, use_target_weight=True)
        self.deconv_head = HeatmapHead(
            in_channels,
            out_channels,
            deconv_out_channels=deconv,
            deconv_kernel_sizes=deconv_kernel_sizes,
            final_layer=final_layer,
            in_index=in_index,
        )
        cells = in_featuremap_size[0] * in_featuremap_size[1] * 4 ** len(deconv)
        self.mlp_head_x = nn.Linear(cells, int(size[0] * ratio))
        self.mlp_head_y = nn.Linear(cells, int(size[1] * ratio))

    def forward(self, maps: Sequence[Tensor]) -> SimCCOutput:
        """Return logits per axis."""
        x = self.deconv_head(maps).heatmaps.flatten(2)
        return SimCCOutput(self.mlp_head_x(x), self.mlp_head_y(x))

    def loss(self, maps: Sequence[Tensor], target: Any) -> dict[str, Tensor]:
        """Return ``loss_kpt`` and ``acc_pose``."""
        output = self(maps)
        wanted = (
            one_person("keypoint_x_labels", target.keypoint_x_labels, 3),
            one_person("keypoint_y_labels", target.keypoint_y_labels, 3),
        )
        weights = one_person("keypoint_weights", target.keypoint_weights, 2)
        bins = (output.simcc_x.shape[-1], output.simcc_y.shape[-1])
        accuracy = pose_accuracy(
            axis_peaks(output.simcc_x.detach(), output.simcc_y.detach()),
            axis_peaks(*wanted),
            weights,
            bins,
        )
        return {"loss_kpt": self.loss_module(output, wanted, weights), "acc_pose": accuracy}

    def as_decoded(self, output: SimCCOutput) -> tuple[Tensor, ...]:
        """Return logits (B, 1, K, bins) of each axis."""
        return output.simcc_x[:, None], output.simcc_y[:, None]


def _from_codec(name: str, value: Any, codec: Any) -> Any:
    found = getattr(codec, name, None) if value is None else value
    if found is None:
        raise OptionError(f"{name}: expected a value, or a codec that has one; got neither")
    return found

"""Heatmaps: one map per keypoint, after optional deconvolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from kptdata.errors import OptionError
from kptdata_models.accuracy import heatmap_peaks, pose_accuracy
from kptdata_models.heads.base import PoseHead, make_loss, one_person, softmax_of_cells
from kptdata_models.losses.heatmap import (
    CombinedTargetMSELoss,
    KeypointCrossEntropyLoss,
    KeypointMSELoss,
)

__all__ = ["HeatmapHead", "HeatmapOutput"]

# Kernel size of a deconvolution that doubles the size -> (padding, output padding).
_DECONV_PADDING = {4: (1, 0), 3: (1, 1), 2: (0, 0)}


class HeatmapOutput(NamedTuple):
    """What a heatmap head predicts."""

    heatmaps: Tensor  # (B, K, H, W)


class HeatmapHead(PoseHead[HeatmapOutput]):
    """Deconvolutions that double the size each, plain convolutions, one last convolution.

    With the default deconvolutions it is the head of SimpleBaseline; without any, that of HRNet.

    Args:
        in_channels: channels of the feature map.
        out_channels: channels of the heatmaps: one per keypoint, three for combined targets.
        codec: a heatmap codec.
        deconv_out_channels: channels after each deconvolution; empty or None for none.
        deconv_kernel_sizes: 2, 3 or 4 for each deconvolution; 4 by default.
        conv_out_channels: channels after each convolution that follows.
        conv_kernel_sizes: odd kernel size of each; 1 by default.
        final_layer: arguments of the last convolution (``kernel_size``); False for none.
        softmax: outputs are logits, of which the softmax over all cells is decoded: heatmaps that
            add up to 1, whose highest cell is the score.
        in_index: which of the maps is used; the last one by default.
        loss: a module, or a table ``{type, ...}``; by default, each with weights,
            `KeypointCrossEntropyLoss` for a softmax, `CombinedTargetMSELoss` for a codec with
            offsets, else `KeypointMSELoss`.

    References:
        Xiao et al., "Simple Baselines", ECCV 2018, arXiv:1804.06208.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        codec: Any = None,
        *,
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = None,
        conv_out_channels: Sequence[int] | None = None,
        conv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | bool = True,
        softmax: bool = False,
        in_index: int = -1,
        loss: nn.Module | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.codec = codec
        self.in_index = in_index
        self.softmax = softmax
        self.loss_module = make_loss(loss, _default_loss(codec, softmax), use_target_weight=True)
        deconv = tuple(deconv_out_channels or ())
        conv = tuple(conv_out_channels or ())
        self.deconv_layers = _deconv_layers(
            in_channels, deconv, _sizes("deconv_kernel_sizes", deconv_kernel_sizes, deconv, 4)
        )
        channels = deconv[-1] if deconv else in_channels
        self.conv_layers = _conv_layers(
            channels, conv, _sizes("conv_kernel_sizes", conv_kernel_sizes, conv, 1)
        )
        channels = conv[-1] if conv else channels
        self.final_layer = _final_layer(channels, out_channels, final_layer)
        _initialise(self)

    def forward(self, maps: Sequence[Tensor]) -> HeatmapOutput:
        """Return heatmaps."""
        x = self.conv_layers(self.deconv_layers(maps[self.in_index]))
        return HeatmapOutput(self.final_layer(x))

    def loss(self, maps: Sequence[Tensor], target: Any) -> dict[str, Tensor]:
        """Return ``loss_kpt`` and ``acc_pose``."""
        heatmaps = self(maps).heatmaps
        weights = one_person("keypoint_weights", target.keypoint_weights, 2)
        loss = self.loss_module(heatmaps, target.heatmaps, weights)
        # A codec with offsets interleaves them with the heatmaps proper.
        step = heatmaps.shape[1] // weights.shape[1]
        height, width = heatmaps.shape[-2:]
        accuracy = pose_accuracy(
            heatmap_peaks(heatmaps.detach()[:, ::step]),
            heatmap_peaks(target.heatmaps[:, ::step]),
            weights,
            (width, height),
        )
        return {"loss_kpt": loss, "acc_pose": accuracy}

    def as_decoded(self, output: HeatmapOutput) -> tuple[Tensor, ...]:
        """Return the heatmaps."""
        return (softmax_of_cells(output.heatmaps) if self.softmax else output.heatmaps,)


def _default_loss(codec: Any, softmax: bool) -> type[nn.Module]:
    if softmax:
        return KeypointCrossEntropyLoss
    combined = getattr(codec, "heatmap_type", None) == "combined"
    return CombinedTargetMSELoss if combined else KeypointMSELoss


def _sizes(
    name: str, sizes: Sequence[int] | None, channels: Sequence[int], default: int
) -> tuple[int, ...]:
    if sizes is None:
        return (default,) * len(channels)
    if len(sizes) != len(channels):
        raise OptionError(
            f"{name}: expected {len(channels)} sizes, one per layer, got {len(sizes)}"
        )
    return tuple(sizes)


def _deconv_layers(
    in_channels: int, channels: Sequence[int], sizes: Sequence[int]
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out_channels, size in zip(channels, sizes, strict=True):
        if size not in _DECONV_PADDING:
            raise OptionError(f"deconv_kernel_sizes: expected 2, 3 or 4, got {size}")
        padding, output_padding = _DECONV_PADDING[size]
        layers += [
            nn.ConvTranspose2d(
                in_channels,
                out_channels,
                size,
                stride=2,
                padding=padding,
                output_padding=output_padding,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
        in_channels = out_channels
    return nn.Sequential(*layers)


def _conv_layers(in_channels: int, channels: Sequence[int], sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out_channels, size in zip(channels, sizes, strict=True):
        layers += [
            nn.Conv2d(in_channels, out_channels, size, padding=size // 2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
        in_channels = out_channels
    return nn.Sequential(*layers)


def _final_layer(
    in_channels: int, out_channels: int, options: Mapping[str, Any] | bool
) -> nn.Module:
    if options is False:
        return nn.Identity()
    arguments = {"kernel_size": 1} | (dict(options) if isinstance(options, Mapping) else {})
    return nn.Conv2d(in_channels, out_channels, **arguments)


def _initialise(head: nn.Module) -> None:
    """Start near zero, where the targets are: nearly all of a target heatmap is background."""
    for part in head.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, std=0.001)
            if part.bias is not None:
                nn.init.zeros_(part.bias)

"""Losses on heatmaps: weighted squared error, hard keypoint mining, heatmap with offsets."""

from __future__ import annotations

from functools import reduce

from torch import Tensor, nn

from kptdata.errors import ArrayError, OptionError

__all__ = [
    "CombinedTargetMSELoss",
    "KeypointCrossEntropyLoss",
    "KeypointMSELoss",
    "KeypointOHKMMSELoss",
]


def _given(weights: Tensor | None) -> Tensor:
    if weights is None:
        raise ArrayError("target_weights: needed because use_target_weight is set, got None")
    return weights


def _per_cell(weights: Tensor) -> Tensor:
    """Give weights (B, K) two trailing axes; maps (B, K, H, W) pass through."""
    if weights.ndim not in {2, 4}:
        found = tuple(weights.shape)
        raise ArrayError(f"target_weights: expected shape (B, K) or (B, K, H, W), got {found}")
    return weights[..., None, None] if weights.ndim == 2 else weights


class KeypointMSELoss(nn.Module):
    """Mean squared error over all cells; weights and masks scale cells before the mean.

    The mean counts every cell, those of weight 0 too, so a sample with few labelled keypoints
    weighs less than one with many.

    Args:
        use_target_weight: multiply by `target_weights`; without it they are not read.
        skip_empty_channel: ignore channels whose target is zero everywhere.
        loss_weight: factor of the result.
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        skip_empty_channel: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.skip_empty_channel = skip_empty_channel
        self.loss_weight = loss_weight

    def forward(
        self,
        output: Tensor,
        target: Tensor,
        target_weights: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar.

        Args:
            output: predicted heatmaps (B, K, H, W).
            target: heatmaps of the same shape, finite.
            target_weights: (B, K) or (B, K, H, W); needed with `use_target_weight`.
            mask: cells that count, (B, K, H, W) or (B, 1, H, W).
        """
        factors = [] if mask is None else [mask]
        if self.use_target_weight:
            if target_weights is None:
                raise ArrayError(
                    "target_weights: needed because use_target_weight is set, got None"
                )
            factors.append(_per_cell(target_weights))
        if self.skip_empty_channel:
            factors.append((target != 0).flatten(2).any(dim=2)[..., None, None])
        error = (output - target).square()
        return reduce(lambda left, right: left * right, factors, error).mean() * self.loss_weight


class KeypointCrossEntropyLoss(nn.Module):
    """Cross-entropy between target heatmaps and the softmax of the output over all cells.

    Most cells of a heatmap are background, which a squared error learns first and for long; here
    cells compete, and small networks learn many times faster. A target is divided by its sum; one
    that is zero everywhere counts as little as one of weight 0.

    Args:
        use_target_weight: multiply by `target_weights`.
        loss_weight: factor of the result.
    """

    def __init__(self, use_target_weight: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean over keypoints that count, of logits and targets (B, K, H, W)."""
        wanted = target.flatten(2)
        total = wanted.sum(dim=2)
        weights = (total > 0).to(output.dtype)
        if self.use_target_weight:
            if target_weights is None:
                raise ArrayError(
                    "target_weights: needed because use_target_weight is set, got None"
                )
            weights = weights * target_weights
        share = wanted / total.clamp(min=1e-6)[..., None]
        entropy = -(share * output.flatten(2).log_softmax(dim=2)).sum(dim=2)
        return (entropy * weights).sum() / weights.sum().clamp(min=1e-6) * self.loss_weight


class KeypointOHKMMSELoss(nn.Module):
    """Mean squared error of the `topk` worst keypoints of each sample.

    Args:
        use_target_weight: multiply output and target by the weights before comparing them.
        topk: how many keypoints of a sample count.
        loss_weight: factor of the result.

    References:
        Chen et al., "Cascaded Pyramid Network", CVPR 2018, arXiv:1711.07319.
    """

    def __init__(
        self, use_target_weight: bool = False, topk: int = 8, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if topk <= 0:
            raise OptionError(f"topk: expected a positive number, got {topk}")
        self.use_target_weight = use_target_weight
        self.topk = topk
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weights: Tensor) -> Tensor:
        """Return the loss of heatmaps (B, K, H, W) with weights (B, K), a scalar."""
        if output.shape[1] < self.topk:
            raise OptionError(
                f"topk: expected at most the number of keypoints {output.shape[1]}, got {self.topk}"
            )
        error = output - target
        if self.use_target_weight:
            error = error * _per_cell(target_weights)
        hardest = error.square().mean(dim=(2, 3)).topk(self.topk, dim=1).values
        return hardest.mean() * self.loss_weight


class CombinedTargetMSELoss(nn.Module):
    """Squared error of a heatmap and of x and y offsets, three channels per keypoint.

    Offsets count in proportion to the target heatmap, so only near the keypoint.

    Args:
        use_target_weight: multiply each keypoint's channels by its weight.
        loss_weight: factor of the result.

    References:
        Huang et al., "The Devil is in the Details", CVPR 2020, arXiv:1911.07524.
    """

    def __init__(self, use_target_weight: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weights: Tensor) -> Tensor:
        """Return the loss of maps (B, 3 K, H, W), heatmap then x then y, with weights (B, K)."""
        if output.shape[1] % 3:
            raise ArrayError(f"output: expected three channels per keypoint, got {output.shape[1]}")
        predicted = output.reshape(len(output), -1, 3, *output.shape[2:])
        wanted = target.reshape(len(target), -1, 3, *target.shape[2:])
        # The weight multiplies output and target, so that it enters the square twice.
        weight = target_weights[..., None, None] if self.use_target_weight else output.new_ones(())
        heat = wanted[:, :, 0] * weight
        heat_error = (predicted[:, :, 0] * weight - heat).square().mean()
        offset_error = (heat[:, :, None] * (predicted[:, :, 1:] - wanted[:, :, 1:])).square()
        # Two offset maps: the mean over both counts half of the sum of their means.
        return (0.5 * heat_error + offset_error.mean()) * self.loss_weight

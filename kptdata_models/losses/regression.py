"""Losses on coordinates: smooth L1, L1 and squared error, weighted before they are compared."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from kptdata.errors import ArrayError

__all__ = ["L1Loss", "MSELoss", "SmoothL1Loss", "SoftWeightSmoothL1Loss"]

_Criterion = Callable[[Tensor, Tensor], Tensor]


class _WeightedLoss(nn.Module):
    """Compare ``output * weight`` with ``target * weight`` and take the mean of all values.

    Args:
        use_target_weight: multiply both by `target_weight`; without it they are not read.
        loss_weight: factor of the result.
    """

    criterion: _Criterion

    def __init__(self, use_target_weight: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss, a scalar.

        Args:
            output: predicted coordinates (B, K, D).
            target: coordinates of the same shape, finite.
            target_weight: (B, K, D), or (B, K) for all axes alike.
        """
        if not self.use_target_weight:
            return self.compare(output, target).mean() * self.loss_weight
        if target_weight is None:
            raise ArrayError("target_weight: needed because use_target_weight is set, got None")
        if target_weight.ndim == output.ndim - 1:
            target_weight = target_weight[..., None]
        return self.weighted(output, target, target_weight) * self.loss_weight

    def compare(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error of each value."""
        raise NotImplementedError

    def weighted(self, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the mean of the weighted errors."""
        return self.compare(output * weight, target * weight).mean()


class SmoothL1Loss(_WeightedLoss):
    """Quadratic below 1, absolute above: the loss of direct regression."""

    def compare(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error of each value."""
        return functional.smooth_l1_loss(output, target, reduction="none")


class L1Loss(_WeightedLoss):
    """Absolute difference."""

    def compare(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error of each value."""
        return (output - target).abs()


class MSELoss(_WeightedLoss):
    """Squared difference."""

    def compare(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error of each value."""
        return (output - target).square()


class SoftWeightSmoothL1Loss(_WeightedLoss):
    """Smooth L1 times the weight, so that a weight scales the error linearly.

    Args:
        use_target_weight: multiply by `target_weight`.
        supervise_empty: values of weight 0 count in the mean.
        beta: where the quadratic part ends.
        loss_weight: factor of the result.
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        supervise_empty: bool = True,
        beta: float = 1.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(use_target_weight, loss_weight)
        self.supervise_empty = supervise_empty
        self.beta = beta

    def compare(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error of each value."""
        return functional.smooth_l1_loss(output, target, reduction="none", beta=self.beta)

    def weighted(self, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the mean of the weighted errors."""
        error = self.compare(output, target) * weight
        if self.supervise_empty:
            return error.mean()
        return error.sum() / (weight.expand_as(error) > 0).sum().clamp(min=1)

"""Losses on probabilities: Kullback-Leibler for SimCC, binary cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from kptdata.errors import ArrayError

__all__ = ["BCELoss", "KLDiscretLoss"]


class KLDiscretLoss(nn.Module):
    """Kullback-Leibler divergence of the predicted from the wanted position, per axis.

    Args:
        beta: inverse temperature of the prediction's softmax.
        label_softmax: put the labels through a softmax too.
        label_beta: inverse temperature of the labels' softmax.
        use_target_weight: multiply by the keypoints' weights.
        loss_weight: factor of the result.

    References:
        Li et al., "SimCC", ECCV 2022, arXiv:2107.03332; Jiang et al., "RTMPose", arXiv:2303.07399.
    """

    def __init__(
        self,
        beta: float = 1.0,
        label_softmax: bool = False,
        label_beta: float = 10.0,
        use_target_weight: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.beta = beta
        self.label_softmax = label_softmax
        self.label_beta = label_beta
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(
        self,
        pred_simcc: Sequence[Tensor],
        gt_simcc: Sequence[Tensor],
        target_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar: means over bins, summed over axes and samples, divided by K.

        Args:
            pred_simcc: logits per axis, each (B, K, bins of the axis).
            gt_simcc: labels of the same shapes.
            target_weight: (B, K); needed with `use_target_weight`.
        """
        per_keypoint = torch.stack(
            [self._divergence(p, t) for p, t in zip(pred_simcc, gt_simcc, strict=True)]
        ).sum(dim=0)
        if self.use_target_weight:
            if target_weight is None:
                raise ArrayError("target_weight: needed because use_target_weight is set, got None")
            per_keypoint = per_keypoint * target_weight
        return per_keypoint.sum() / per_keypoint.shape[-1] * self.loss_weight

    def _divergence(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probability = functional.log_softmax(logits * self.beta, dim=-1)
        if self.label_softmax:
            labels = functional.softmax(labels * self.label_beta, dim=-1)
        return functional.kl_div(log_probability, labels, reduction="none").mean(dim=-1)


class BCELoss(nn.Module):
    """Binary cross-entropy, for visibility and other yes-or-no outputs.

    Args:
        use_target_weight: multiply by `target_weight`.
        loss_weight: factor of the result.
        use_sigmoid: the output is a probability already; else it is put through a sigmoid.
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
        use_sigmoid: bool = False,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight
        self.use_sigmoid = use_sigmoid

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss of values (B, K) or (B, K, ...), a scalar."""
        compare = (
            functional.binary_cross_entropy
            if self.use_sigmoid
            else functional.binary_cross_entropy_with_logits
        )
        error = compare(output, target, reduction="none")
        if self.use_target_weight:
            if target_weight is None:
                raise ArrayError("target_weight: needed because use_target_weight is set, got None")
            trailing = (1,) * (error.ndim - target_weight.ndim)
            error = error * target_weight.reshape(*target_weight.shape, *trailing)
        return error.mean() * self.loss_weight

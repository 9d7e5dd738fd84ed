"""Residual log-likelihood estimation: a flow learns the shape of the regression error."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kptdata.errors import OptionError

__all__ = ["RLELoss", "RealNVP"]

_DISTRIBUTIONS = ("laplace", "gaussian")


def _coupling_net(*last: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, 64), nn.LeakyReLU(), nn.Linear(64, 64), nn.LeakyReLU(), nn.Linear(64, 2), *last
    )


class RealNVP(nn.Module):
    """A normalising flow over points of the plane: six affine coupling layers.

    References:
        Dinh et al., "Density estimation using Real NVP", ICLR 2017, arXiv:1605.08803.
    """

    loc: Tensor
    cov: Tensor
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(2))
        self.register_buffer("cov", torch.eye(2))
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * 3))
        self.s = nn.ModuleList(_coupling_net(nn.Tanh()) for _ in self.mask)
        self.t = nn.ModuleList(_coupling_net() for _ in self.mask)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=0.01)

    def log_prob(self, points: Tensor) -> Tensor:
        """Return the log density (N,) of `points` (N, 2)."""
        log_det = points.new_zeros(points.shape[0])
        for mask, scale_net, shift_net in zip(
            self.mask.flip(0), reversed(self.s), reversed(self.t), strict=True
        ):
            kept = mask * points
            scale = scale_net(kept) * (1 - mask)
            shift = shift_net(kept) * (1 - mask)
            points = (1 - mask) * (points - shift) * torch.exp(-scale) + kept
            log_det = log_det - scale.sum(dim=1)
        return self._base_log_prob(points) + log_det

    def _base_log_prob(self, points: Tensor) -> Tensor:
        centred = points - self.loc
        whitened = torch.linalg.solve(self.cov, centred.mT).mT
        squared = (centred * whitened).sum(dim=-1)
        return -0.5 * (squared + torch.logdet(self.cov) + 2 * math.log(2 * math.pi))


class RLELoss(nn.Module):
    """Negative log likelihood of the error in units of the predicted deviation.

    Args:
        use_target_weight: multiply by the keypoints' weights.
        size_average: divide by the number of samples.
        residual: add the base distribution, so that the flow learns the residual only.
        q_distribution: base distribution, ``laplace`` or ``gaussian``.
        sigma_floor: smallest deviation, as a fraction of the input size. Without a floor a
            confident network divides by almost nothing and the loss turns infinite; 0 is the
            formula of the paper. The gradient passes through the floor, so that a deviation
            can leave it again.
        loss_weight: factor of the result.

    References:
        Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021,
        arXiv:2107.11291.
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        *,
        size_average: bool = True,
        residual: bool = True,
        q_distribution: str = "laplace",
        sigma_floor: float = 1e-4,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if q_distribution not in _DISTRIBUTIONS:
            choices = " or ".join(_DISTRIBUTIONS)
            raise OptionError(f"q_distribution: expected {choices}, got {q_distribution!r}")
        if sigma_floor < 0:
            raise OptionError(f"sigma_floor: expected 0 or more, got {sigma_floor}")
        self.use_target_weight = use_target_weight
        self.size_average = size_average
        self.residual = residual
        self.q_distribution = q_distribution
        self.sigma_floor = sigma_floor
        self.loss_weight = loss_weight
        self.flow_model = RealNVP()

    def forward(
        self, pred: Tensor, sigma: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss, a scalar.

        Args:
            pred: coordinates (B, K, 2), fractions of the input size.
            sigma: deviations (B, K, 2) before the sigmoid.
            target: coordinates (B, K, 2), finite.
            target_weight: (B, K, 2) or (B, K); read with `use_target_weight`.
        """
        # The quotient below needs the precision of the target, whatever the network computes in.
        pred, sigma = pred.to(target.dtype), sigma.to(target.dtype)
        deviation = self._floored(sigma.sigmoid())
        error = (pred - target) / (deviation + 1e-9)
        log_flow = self.flow_model.log_prob(error.reshape(-1, 2)).reshape(*pred.shape[:-1], 1)
        loss = torch.log(deviation) - log_flow
        if self.residual:
            loss = loss + self._base(error, deviation)
        if self.use_target_weight and target_weight is not None:
            weight = target_weight if target_weight.ndim == pred.ndim else target_weight[..., None]
            loss = loss * weight
        total = loss.sum() * self.loss_weight
        return total / len(loss) if self.size_average else total

    def _floored(self, deviation: Tensor) -> Tensor:
        return deviation + (self.sigma_floor - deviation).clamp(min=0).detach()

    def _base(self, error: Tensor, deviation: Tensor) -> Tensor:
        if self.q_distribution == "laplace":
            return torch.log(deviation * 2) + error.abs()
        return torch.log(deviation * math.sqrt(2 * math.pi)) + 0.5 * error.square()

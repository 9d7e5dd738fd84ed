"""`acc_pose`, the share of keypoints found, as logged while training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["axis_peaks", "heatmap_peaks", "pose_accuracy"]


@torch.no_grad()
def pose_accuracy(
    found: Tensor, wanted: Tensor, weight: Tensor, size_wh: Sequence[float], threshold: float = 0.05
) -> Tensor:
    """Return the share of keypoints within `threshold` of the size, a mean over keypoint kinds.

    Args:
        found: predicted positions (B, K, 2), in any unit.
        wanted: true positions of the same shape and unit.
        weight: (B, K); only those above 0 count.
        size_wh: width and height that distances are divided by, in the same unit.
        threshold: largest distance, as a fraction.

    Returns:
        A scalar in 0..1; 0 where nothing counts.
    """
    size = torch.as_tensor(size_wh, dtype=found.dtype, device=found.device)
    close = torch.linalg.vector_norm((found - wanted) / size, dim=-1) < threshold
    counted = weight > 0
    number = counted.sum(dim=0)
    share = (close & counted).sum(dim=0) / number.clamp(min=1)
    return share.sum() / (number > 0).sum().clamp(min=1)


@torch.no_grad()
def heatmap_peaks(heatmaps: Tensor) -> Tensor:
    """Return the cell of each map's maximum, (B, K, 2) as x, y, of maps (B, K, H, W)."""
    best = heatmaps.flatten(2).argmax(dim=2)
    width = heatmaps.shape[-1]
    return torch.stack([best % width, best // width], dim=-1).to(heatmaps.dtype)


@torch.no_grad()
def axis_peaks(simcc_x: Tensor, simcc_y: Tensor) -> Tensor:
    """Return the bin of each axis' maximum, (B, K, 2), of scores (B, K, bins)."""
    peaks = torch.stack([simcc_x.argmax(dim=-1), simcc_y.argmax(dim=-1)], dim=-1)
    return peaks.to(simcc_x.dtype)

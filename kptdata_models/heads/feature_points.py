"""Feature points: where in an image each of many learnt features is, as numbers to regress from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kptdata_models.heads.base import softmax_of_cells

__all__ = ["FeaturePoints"]


class FeaturePoints(nn.Module):
    """The mean place of each of `count` features of a map, each after a softmax over its cells.

    A mean over a map forgets where things are, and a network has to say it in the strengths of its
    channels; here places are numbers from the start, so small networks learn coordinates quickly.
    Before training a feature is nearly everywhere alike, and so its place the middle.

    Args:
        in_channels: channels of the map.
        count: number of features.

    References:
        Levine et al., "End-to-End Training of Deep Visuomotor Policies", JMLR 2016,
        arXiv:1504.00702, section 5.1.
    """

    def __init__(self, in_channels: int, count: int) -> None:
        super().__init__()
        self.features = nn.Conv2d(in_channels, count, 1)
        nn.init.normal_(self.features.weight, std=0.001)
        nn.init.zeros_(self.features.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """Return places (B, count, 2), fractions of width and height, of maps (B, C, H, W)."""
        height, width = maps.shape[-2:]
        shares = softmax_of_cells(self.features(maps))
        places = []
        for summed, size in ((-2, width), (-1, height)):
            centres = (torch.arange(size, device=maps.device, dtype=maps.dtype) + 0.5) / size
            places.append((shares.sum(dim=summed) * centres).sum(dim=-1))
        return torch.stack(places, dim=-1)

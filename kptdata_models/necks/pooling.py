"""Global average pooling: one vector per map."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["GlobalAveragePooling"]


class GlobalAveragePooling(nn.Module):
    """Average each map (B, C, H, W) over its cells, giving (B, C)."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the maps that the head sees."""
        return tuple(x.mean(dim=(2, 3)) for x in maps)

"""Select, concatenate and rescale feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from kptdata.errors import OptionError

__all__ = ["FeatureMapProcessor"]


class FeatureMapProcessor(nn.Module):
    """Pick maps, join them along channels, resize them, cut off negative values: in this order.

    Args:
        select_index: the maps to keep, a number or several; all by default.
        concat: join the kept maps; those of another size are brought to the size of the first.
        scale_factor: factor of height and width.
        apply_relu: cut off negative values.
        align_corners: passed to the bilinear resize.
    """

    def __init__(
        self,
        select_index: int | Sequence[int] | None = None,
        concat: bool = False,
        scale_factor: float = 1.0,
        apply_relu: bool = False,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if scale_factor <= 0:
            raise OptionError(f"scale_factor: expected a positive number, got {scale_factor}")
        self.select_index = (select_index,) if isinstance(select_index, int) else select_index
        self.concat = concat
        self.scale_factor = scale_factor
        self.apply_relu = apply_relu
        self.align_corners = align_corners

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the maps that the head sees."""
        kept = list(maps) if self.select_index is None else [maps[i] for i in self.select_index]
        if self.concat and len(kept) > 1:
            height, width = kept[0].shape[-2:]
            kept = [torch.cat([self._resize(x, (height, width)) for x in kept], dim=1)]
        if self.scale_factor != 1:
            kept = [self._resize(x, self._scaled(x)) for x in kept]
        if self.apply_relu:
            kept = [functional.relu(x) for x in kept]
        return tuple(kept)

    def _scaled(self, x: Tensor) -> tuple[int, int]:
        height, width = x.shape[-2:]
        return int(height * self.scale_factor), int(width * self.scale_factor)

    def _resize(self, x: Tensor, shape_hw: tuple[int, int]) -> Tensor:
        if tuple(x.shape[-2:]) == shape_hw:
            return x
        return functional.interpolate(
            x, size=shape_hw, mode="bilinear", align_corners=self.align_corners
        )

"""Feature pyramid: coarse maps pass their meaning down to fine ones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from kptdata.errors import OptionError

__all__ = ["FPN"]


class _Convolution(nn.Module):
    """A convolution under the name ``conv``, as published checkpoints nest it."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2
        )
        nn.init.xavier_uniform_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return result


class FPN(nn.Module):
    """Feature pyramid network over maps of falling size.

    Args:
        in_channels: channels of each map that comes in, finest first.
        out_channels: channels of every map that goes out.
        num_outs: how many maps go out; beyond those that came in, each halves the one before.
        start_level: the first map that is used.

    References:
        Lin et al., "Feature Pyramid Networks", CVPR 2017, arXiv:1612.03144.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int | None = None,
        start_level: int = 0,
    ) -> None:
        super().__init__()
        used = tuple(in_channels)[start_level:]
        if not used:
            raise OptionError(
                f"start_level: expected less than the {len(in_channels)} maps, got {start_level}"
            )
        self.in_channels = tuple(in_channels)
        self.start_level = start_level
        self.num_outs = len(used) if num_outs is None else num_outs
        if self.num_outs < len(used):
            raise OptionError(f"num_outs: expected at least {len(used)}, got {num_outs}")
        self.lateral_convs = nn.ModuleList(_Convolution(c, out_channels, 1) for c in used)
        self.fpn_convs = nn.ModuleList(_Convolution(out_channels, out_channels, 3) for _ in used)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the maps that the head sees."""
        used = maps[self.start_level :]
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, used, strict=True)]
        for i in reversed(range(len(laterals) - 1)):
            coarser = functional.interpolate(
                laterals[i + 1], size=laterals[i].shape[-2:], mode="nearest"
            )
            laterals[i] = laterals[i] + coarser
        outputs = [conv(x) for conv, x in zip(self.fpn_convs, laterals, strict=True)]
        while len(outputs) < self.num_outs:
            outputs.append(functional.max_pool2d(outputs[-1], 1, stride=2))
        return tuple(outputs)

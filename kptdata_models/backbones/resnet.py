"""ResNet, 18 to 152 layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kptdata.errors import OptionError
from kptdata_models.backbones.blocks import BasicBlock, Bottleneck, initialise, residual_layer

__all__ = ["ResNet"]

_DEPTHS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(nn.Module):
    """Residual network; stage ``i`` has ``base_channels * 2 ** i`` planes.

    Args:
        depth: 18, 34, 50, 101 or 152.
        in_channels: channels of the image.
        stem_channels: channels after the first convolution.
        base_channels: planes of the first stage.
        num_stages: how many of the four stages are built.
        strides: stride of each stage.
        dilations: dilation of each stage.
        out_indices: the stages whose maps are returned.
        frozen_stages: stages, counted from the stem, that do not learn: -1 none, 0 the stem, 1 the
            first stage too.
        norm_eval: keep normalisation statistics fixed while training.

    References:
        He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385; the stride sits on the
        3x3 convolution of a bottleneck.
    """

    def __init__(
        self,
        depth: int,
        *,
        in_channels: int = 3,
        stem_channels: int = 64,
        base_channels: int = 64,
        num_stages: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        out_indices: Sequence[int] = (3,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
    ) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            raise OptionError(f"depth: expected one of {', '.join(map(str, _DEPTHS))}, got {depth}")
        if not 1 <= num_stages <= 4:
            raise OptionError(f"num_stages: expected 1 to 4, got {num_stages}")
        if not out_indices or not all(0 <= i < num_stages for i in out_indices):
            raise OptionError(
                f"out_indices: expected stages from 0 to {num_stages - 1}, got {tuple(out_indices)}"
            )
        block, num_blocks = _DEPTHS[depth]
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.conv1 = nn.Conv2d(in_channels, stem_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = stem_channels
        self.layer_names = tuple(f"layer{i + 1}" for i in range(num_stages))
        for i, name in enumerate(self.layer_names):
            planes = base_channels * 2**i
            layer = residual_layer(
                block, channels, planes, num_blocks[i], stride=strides[i], dilation=dilations[i]
            )
            self.add_module(name, layer)
            channels = planes * block.expansion
        initialise(self)
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of `out_indices` for images (B, C, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = []
        for i, name in enumerate(self.layer_names):
            x = self.get_submodule(name)(x)
            if i in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True) -> ResNet:
        """Set training mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        if mode:
            self._freeze()
        return self

    def _freeze(self) -> None:
        frozen: list[nn.Module] = [] if self.frozen_stages < 0 else [self.conv1, self.bn1]
        frozen += [self.get_submodule(n) for n in self.layer_names[: max(self.frozen_stages, 0)]]
        for module in frozen:
            module.eval()
            module.requires_grad_(False)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

"""Residual blocks of ResNet and HRNet, with the parameter names of published checkpoints."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["BLOCKS", "BasicBlock", "Bottleneck", "conv3x3", "initialise", "residual_layer"]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias that keeps the size, divided by `stride`."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        3,
        stride=stride,
        padding=dilation,
        dilation=dilation,
        bias=False,
    )


class _ResidualBlock(nn.Module):
    """What both blocks share: the sum with the input and the way to match its shape."""

    expansion: int

    def __init__(self, in_channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        out_channels = planes * self.expansion
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut: Tensor = x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(self.residual(x) + shortcut)
        return result

    def residual(self, x: Tensor) -> Tensor:
        """Return what the block adds to its input."""
        raise NotImplementedError


class BasicBlock(_ResidualBlock):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, in_channels: int, planes: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(in_channels, planes, stride)
        self.conv1 = conv3x3(in_channels, planes, stride, dilation)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)

    def residual(self, x: Tensor) -> Tensor:
        """Return what the block adds to its input."""
        x = self.relu(self.bn1(self.conv1(x)))
        result: Tensor = self.bn2(self.conv2(x))
        return result


class Bottleneck(_ResidualBlock):
    """1x1, 3x3 (which carries the stride), 1x1; four times as many channels come out."""

    expansion = 4

    def __init__(self, in_channels: int, planes: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(in_channels, planes, stride)
        out_channels = planes * self.expansion
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride, dilation)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def residual(self, x: Tensor) -> Tensor:
        """Return what the block adds to its input."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        result: Tensor = self.bn3(self.conv3(x))
        return result


BLOCKS: dict[str, type[BasicBlock | Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


def residual_layer(
    block: type[BasicBlock | Bottleneck],
    in_channels: int,
    planes: int,
    num_blocks: int,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """Return `num_blocks` blocks in a row; the first one changes channels and size."""
    rest = (
        block(planes * block.expansion, planes, dilation=dilation) for _ in range(num_blocks - 1)
    )
    return nn.Sequential(block(in_channels, planes, stride, dilation), *rest)


def initialise(module: nn.Module) -> None:
    """Draw the weights of a backbone: convolutions by He et al., normalisation as the identity."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)

"""HRNet: parallel branches of several resolutions that exchange their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from kptdata.errors import OptionError, UnknownNameError
from kptdata_models.backbones.blocks import BLOCKS, conv3x3, initialise, residual_layer

__all__ = ["HRNet", "HRStage"]


@dataclass(frozen=True)
class HRStage:
    """One stage: `num_modules` exchanges between as many branches as `num_channels` has entries.

    Args:
        num_modules: how often the branches exchange their maps.
        num_blocks: residual blocks of each branch, per exchange.
        num_channels: planes of each branch, finest first.
        block: ``basic`` or ``bottleneck``.
    """

    num_modules: int
    num_blocks: Sequence[int]
    num_channels: Sequence[int]
    block: str = "basic"

    def __post_init__(self) -> None:
        if self.block not in BLOCKS:
            raise UnknownNameError("residual block", self.block, BLOCKS)
        if len(self.num_blocks) != len(self.num_channels):
            raise OptionError(
                f"num_blocks: expected {len(self.num_channels)} numbers, one per branch, "
                f"got {len(self.num_blocks)}"
            )

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of each branch's output."""
        return tuple(c * BLOCKS[self.block].expansion for c in self.num_channels)


def _stages(width: int) -> tuple[HRStage, ...]:
    channels = [width * 2**i for i in range(4)]
    return (
        HRStage(1, (4,), (64,), "bottleneck"),
        HRStage(1, (4,) * 2, channels[:2]),
        HRStage(4, (4,) * 3, channels[:3]),
        HRStage(3, (4,) * 4, channels),
    )


def _down(in_channels: int, out_channels: int, *, relu: bool = True) -> nn.Sequential:
    layers = [conv3x3(in_channels, out_channels, stride=2), nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class _Exchange(nn.Module):
    """Residual blocks on each branch, then every output branch sums all branches, resized."""

    def __init__(self, stage: HRStage, in_channels: Sequence[int], num_outputs: int) -> None:
        super().__init__()
        block = BLOCKS[stage.block]
        self.branches = nn.ModuleList(
            residual_layer(block, channels, planes, number)
            for channels, planes, number in zip(
                in_channels, stage.num_channels, stage.num_blocks, strict=True
            )
        )
        channels = stage.out_channels
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resize(channels, source, goal) for source in range(len(channels)))
            for goal in range(num_outputs)
        )
        self.relu = nn.ReLU()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [self.relu(self._fuse(layers, maps)) for layers in self.fuse_layers]

    @staticmethod
    def _fuse(layers: Any, maps: list[Tensor]) -> Tensor:
        total: Tensor = layers[0](maps[0])
        for layer, x in zip(layers[1:], maps[1:], strict=True):
            total = total + layer(x)
        return total


def _resize(channels: Sequence[int], source: int, goal: int) -> nn.Module:
    """Bring the map of branch `source` to the channels and size of branch `goal`."""
    if source == goal:
        return nn.Identity()
    if source > goal:
        return nn.Sequential(
            nn.Conv2d(channels[source], channels[goal], 1, bias=False),
            nn.BatchNorm2d(channels[goal]),
            nn.Upsample(scale_factor=2 ** (source - goal), mode="nearest"),
        )
    steps = [_down(channels[source], channels[source]) for _ in range(goal - source - 1)]
    return nn.Sequential(*steps, _down(channels[source], channels[goal], relu=False))


class HRNet(nn.Module):
    """High-resolution network; the finest branch keeps a quarter of the image's size.

    Args:
        width: channels of the finest branch (32 for w32, 48 for w48); or give `stages`.
        stages: the stages themselves, as `HRStage` or as mappings of its fields; the first has one
            branch, each later one a branch more or as many.
        in_channels: channels of the image.
        multiscale_output: return all branches of the last stage; else the finest alone.

    References:
        Sun et al., "Deep High-Resolution Representation Learning", CVPR 2019, arXiv:1902.09212.
    """

    def __init__(
        self,
        width: int | None = None,
        stages: Sequence[HRStage | Mapping[str, Any]] | None = None,
        in_channels: int = 3,
        multiscale_output: bool = False,
    ) -> None:
        super().__init__()
        specs = _read_stages(width, stages)
        self.conv1 = conv3x3(in_channels, 64, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv3x3(64, 64, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        first = specs[0]
        self.layer1 = residual_layer(
            BLOCKS[first.block], 64, first.num_channels[0], first.num_blocks[0]
        )
        self.num_stages = len(specs)
        channels = first.out_channels
        for i, stage in enumerate(specs[1:], start=1):
            last = i == len(specs) - 1
            self.add_module(f"transition{i}", _transition(channels, stage.num_channels))
            self.add_module(f"stage{i + 1}", _stage(stage, last and not multiscale_output))
            channels = stage.out_channels
        initialise(self)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of the last stage for images (B, C, H, W), finest first."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        maps: list[Tensor] = [self.layer1(x)]
        for i in range(1, self.num_stages):
            transition: Any = self.get_submodule(f"transition{i}")
            # A new branch starts from the coarsest map there is.
            sources = maps + maps[-1:] * (len(transition) - len(maps))
            maps = [layer(source) for layer, source in zip(transition, sources, strict=True)]
            maps = self.get_submodule(f"stage{i + 1}")(maps)
        return tuple(maps)


def _read_stages(
    width: int | None, stages: Sequence[HRStage | Mapping[str, Any]] | None
) -> tuple[HRStage, ...]:
    if (width is None) == (stages is None):
        raise OptionError("width: expected either width or stages, got both or neither")
    if width is not None:
        return _stages(width)
    specs = tuple(s if isinstance(s, HRStage) else HRStage(**s) for s in stages or ())
    branches = [len(s.num_channels) for s in specs]
    if not branches or branches[0] != 1:
        raise OptionError(f"stages: expected a first stage of one branch, got branches {branches}")
    if any(b < a for a, b in pairwise(branches)):
        raise OptionError(f"stages: expected no stage with fewer branches, got {branches}")
    return specs


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Return what turns the maps of one stage into the inputs of the next, a module per branch."""
    layers: list[nn.Module] = []
    for i, channels in enumerate(after):
        if i >= len(before):
            steps = i - len(before) + 1
            widths = [before[-1]] * steps + [channels]
            layers.append(nn.Sequential(*(_down(widths[s], widths[s + 1]) for s in range(steps))))
        elif before[i] == channels:
            layers.append(nn.Identity())
        else:
            layers.append(
                nn.Sequential(
                    conv3x3(before[i], channels),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(inplace=True),
                )
            )
    return nn.ModuleList(layers)


def _stage(stage: HRStage, finest_only: bool) -> nn.Sequential:
    exchanges = []
    for i in range(stage.num_modules):
        in_channels = stage.num_channels if i == 0 else stage.out_channels
        last = i == stage.num_modules - 1
        outputs = 1 if last and finest_only else len(stage.num_channels)
        exchanges.append(_Exchange(stage, in_channels, outputs))
    return nn.Sequential(*exchanges)

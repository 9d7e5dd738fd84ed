"""Backbones: shapes, stages, freezing, refusals. Values of the reference: tests/test_replay.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kptdata.errors import OptionError, UnknownNameError
from kptdata_models.backbones import BACKBONES, HRNet, HRStage, ResNet


def shapes(backbone: nn.Module, size_wh: tuple[int, int] = (64, 96)) -> list[tuple[int, ...]]:
    """Run on a device without memory: shapes alone."""
    with torch.device("meta"):
        x = torch.empty(2, 3, size_wh[1], size_wh[0])
    return [tuple(y.shape[1:]) for y in backbone.to("meta").eval()(x)]


@pytest.fixture(autouse=True)
def on_meta():
    with torch.device("meta"):
        yield


def test_table_names_are_class_names():
    assert [BACKBONES.load(name).__name__ for name in BACKBONES] == list(BACKBONES)


@pytest.mark.parametrize(
    ("depth", "parameters", "channels"),
    [
        (18, 11_176_512, 512),
        (34, 21_284_672, 512),
        (50, 23_508_032, 2048),
        (101, 42_500_160, 2048),
        (152, 58_143_808, 2048),
    ],
)
def test_resnet_has_the_published_number_of_parameters(depth, parameters, channels):
    backbone = ResNet(depth)
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert shapes(backbone) == [(channels, 3, 2)]


def test_resnet_returns_the_stages_asked_for():
    backbone = ResNet(18, base_channels=8, stem_channels=4, out_indices=(0, 1, 2, 3))
    assert shapes(backbone) == [(8, 24, 16), (16, 12, 8), (32, 6, 4), (64, 3, 2)]


def test_resnet_strides_and_dilations():
    backbone = ResNet(18, base_channels=8, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
    assert shapes(backbone) == [(64, 12, 8)]


def test_frozen_stages_do_not_learn_and_stay_in_evaluation_mode():
    backbone = ResNet(18, base_channels=8, frozen_stages=1).train()
    learning = {name.split(".")[0] for name, p in backbone.named_parameters() if p.requires_grad}
    assert learning == {"layer2", "layer3", "layer4"}
    assert not backbone.bn1.training
    assert not backbone.layer1.training
    assert backbone.layer2.training


def test_norm_eval_fixes_the_statistics():
    backbone = ResNet(18, base_channels=8, norm_eval=True).train()
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(m.training for m in norms)
    assert backbone.conv1.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 20}, "depth: expected one of 18, 34, 50, 101, 152, got 20"),
        ({"depth": 18, "num_stages": 5}, "num_stages: expected 1 to 4"),
        ({"depth": 18, "num_stages": 2}, "out_indices: expected stages from 0 to 1"),
    ],
)
def test_resnet_refuses_options(options, message):
    with pytest.raises(OptionError, match=message):
        ResNet(**options)


@pytest.mark.parametrize(("width", "parameters"), [(32, 28_535_552), (48, 63_594_912)])
def test_hrnet_has_the_published_number_of_parameters(width, parameters):
    assert sum(p.numel() for p in HRNet(width).parameters()) == parameters


def test_hrnet_keeps_a_quarter_of_the_size():
    assert shapes(HRNet(8)) == [(8, 24, 16)]
    assert shapes(HRNet(8, multiscale_output=True)) == [
        (8, 24, 16),
        (16, 12, 8),
        (32, 6, 4),
        (64, 3, 2),
    ]


def test_hrnet_of_any_stages():
    stages = [
        HRStage(1, (1,), (16,), "basic"),
        {
            "num_modules": 2,
            "num_blocks": [1, 2, 1],
            "num_channels": [4, 8, 12],
            "block": "bottleneck",
        },
    ]
    backbone = HRNet(stages=stages, multiscale_output=True)
    assert shapes(backbone) == [(16, 24, 16), (32, 12, 8), (48, 6, 4)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, OptionError, "width: expected either width or stages"),
        ({"stages": [HRStage(1, (1, 1), (4, 8))]}, OptionError, "first stage of one branch"),
        (
            {
                "stages": [
                    HRStage(1, (1,), (4,)),
                    HRStage(1, (1, 1), (4, 8)),
                    HRStage(1, (1,), (4,)),
                ]
            },
            OptionError,
            "no stage with fewer branches",
        ),
    ],
)
def test_hrnet_refuses_options(options, error, message):
    with pytest.raises(error, match=message):
        HRNet(**options)


def test_a_stage_is_checked():
    with pytest.raises(UnknownNameError, match="did you mean bottleneck"):
        HRStage(1, (1,), (4,), "bottelneck")
    with pytest.raises(OptionError, match="num_blocks: expected 2 numbers"):
        HRStage(1, (1,), (4, 8))

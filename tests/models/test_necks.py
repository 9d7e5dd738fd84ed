"""Necks: pooling, pyramid, and select, concat, rescale."""

from __future__ import annotations

import pytest
import torch

from kptdata.errors import OptionError
from kptdata_models.necks import FPN, NECKS, FeatureMapProcessor, GlobalAveragePooling


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    sizes = [(4, 8, 6), (8, 4, 3), (16, 2, 2)]
    return tuple(torch.randn(2, *size, generator=generator) for size in sizes)


def test_table_names_are_class_names():
    assert [NECKS.load(name).__name__ for name in NECKS] == list(NECKS)


def test_pooling_averages_each_channel(maps):
    pooled = GlobalAveragePooling()(maps)
    assert [tuple(x.shape) for x in pooled] == [(2, 4), (2, 8), (2, 16)]
    torch.testing.assert_close(pooled[0], maps[0].flatten(2).mean(dim=2))


def test_select_concat_rescale_relu(maps):
    (joined,) = FeatureMapProcessor(
        select_index=[0, 1], concat=True, scale_factor=2.0, apply_relu=True
    )(maps)
    assert joined.shape == (2, 12, 16, 12)
    assert joined.min() == 0

    (picked,) = FeatureMapProcessor(select_index=2)(maps)
    assert picked is maps[2]
    assert FeatureMapProcessor()(maps) == maps


def test_rescale_to_a_smaller_map(maps):
    sizes = [tuple(x.shape[-2:]) for x in FeatureMapProcessor(scale_factor=0.5)(maps)]
    assert sizes == [(4, 3), (2, 1), (1, 1)]


def test_scale_must_be_positive():
    with pytest.raises(OptionError, match="scale_factor: expected a positive number, got 0"):
        FeatureMapProcessor(scale_factor=0)


def test_pyramid_keeps_sizes_and_adds_coarser_maps(maps):
    torch.manual_seed(0)
    out = FPN([4, 8, 16], 5, num_outs=4)(maps)
    assert [tuple(x.shape) for x in out] == [(2, 5, 8, 6), (2, 5, 4, 3), (2, 5, 2, 2), (2, 5, 1, 1)]


def test_pyramid_passes_meaning_down_only(maps):
    torch.manual_seed(0)
    neck = FPN([4, 8, 16], 5)
    changed = (*maps[:2], maps[2] + 1)
    before, after = neck(maps), neck(changed)
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    finer = (maps[0] + 1, *maps[1:])
    torch.testing.assert_close(neck(finer)[2], before[2], rtol=0, atol=0)


def test_pyramid_has_the_parameter_names_of_published_checkpoints():
    names = set(FPN([4, 8], 5).state_dict())
    assert {"lateral_convs.0.conv.weight", "fpn_convs.1.conv.bias"} <= names


def test_pyramid_refuses_levels():
    with pytest.raises(OptionError, match="start_level: expected less than the 2 maps, got 2"):
        FPN([4, 8], 5, start_level=2)
    with pytest.raises(OptionError, match="num_outs: expected at least 2, got 1"):
        FPN([4, 8], 5, num_outs=1)

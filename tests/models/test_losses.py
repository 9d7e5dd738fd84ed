"""Losses: weights, masks, floors, refusals. Values of the reference: tests/test_replay.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kptdata.errors import ArrayError, OptionError
from kptdata_models.losses import (
    LOSSES,
    CombinedTargetMSELoss,
    KeypointMSELoss,
    KeypointOHKMMSELoss,
    KLDiscretLoss,
    L1Loss,
    RLELoss,
    SmoothL1Loss,
    SoftWeightSmoothL1Loss,
)
from kptdata_models.losses.rle import RealNVP


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 5, 8, 6, generator=generator) for _ in range(2)]


def test_table_names_are_class_names():
    for name in LOSSES:
        loss = LOSSES.load(name)
        assert loss.__name__ == name
        assert isinstance(loss(), nn.Module)


def test_heatmap_loss_is_the_mean_of_squares(maps):
    output, target = maps
    assert KeypointMSELoss()(output, target) == pytest.approx(((output - target) ** 2).mean())


def test_weight_zero_leaves_a_keypoint_out_and_keeps_the_mean_over_all_cells(maps):
    output, target = maps
    weights = torch.ones(2, 5)
    weights[:, 1] = 0
    kept = [0, 2, 3, 4]

    loss = KeypointMSELoss(use_target_weight=True)(output, target, weights)

    expected = ((output - target)[:, kept] ** 2).sum() / output.numel()
    assert loss == pytest.approx(expected)


def test_weights_per_cell_and_mask_multiply(maps):
    output, target = maps
    weights = torch.full((2, 5), 2.0)
    per_cell = weights[..., None, None].expand_as(output)
    mask = torch.zeros(2, 1, 8, 6)
    mask[..., :3] = 1
    loss = KeypointMSELoss(use_target_weight=True)

    assert loss(output, target, weights, mask) == loss(output, target, per_cell, mask)
    assert loss(output, target, weights, mask) == pytest.approx(
        2 * ((output - target)[..., :3] ** 2).sum() / output.numel()
    )


def test_empty_channels_are_left_out_on_request(maps):
    output, target = maps
    target[0, 3] = 0
    output.requires_grad_()

    KeypointMSELoss(skip_empty_channel=True)(output, target).backward()

    assert (output.grad[0, 3] == 0).all()
    assert (output.grad[1, 3] != 0).any()


def test_missing_weights_are_refused(maps):
    for loss in (KeypointMSELoss(use_target_weight=True), L1Loss(use_target_weight=True)):
        with pytest.raises(ArrayError, match=r"target_weights?: needed"):
            loss(*maps)


def test_wrong_weight_shape_is_named(maps):
    with pytest.raises(ArrayError, match=r"target_weights: .* got \(5,\)"):
        KeypointMSELoss(use_target_weight=True)(*maps, torch.ones(5))


def test_hard_keypoints_alone_have_a_gradient(maps):
    output, target = maps
    output = (target + torch.arange(5.0)[:, None, None] * 0.1).requires_grad_()

    KeypointOHKMMSELoss(topk=2)(output, target, torch.ones(2, 5)).backward()

    assert (output.grad[:, :3] == 0).all()
    assert (output.grad[:, 3:] != 0).any()


def test_more_hard_keypoints_than_keypoints_is_refused(maps):
    with pytest.raises(OptionError, match="topk: expected at most the number of keypoints 5"):
        KeypointOHKMMSELoss(topk=8)(*maps, torch.ones(2, 5))
    with pytest.raises(OptionError, match="topk: expected a positive number"):
        KeypointOHKMMSELoss(topk=0)


def test_offsets_count_only_where_the_target_heatmap_is():
    target = torch.zeros(1, 3, 4, 4)
    target[0, 0, 1, 1] = 1
    output = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()

    CombinedTargetMSELoss(use_target_weight=True)(output, target, torch.ones(1, 1)).backward()

    assert (output.grad[0, 1:] != 0).nonzero().tolist() == [[0, 1, 1], [1, 1, 1]]


def test_combined_loss_needs_three_channels_per_keypoint():
    with pytest.raises(ArrayError, match="output: expected three channels per keypoint, got 4"):
        CombinedTargetMSELoss()(torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2), torch.ones(1, 1))


def test_coordinate_weights_may_lack_the_last_axis():
    output, target = torch.ones(2, 3, 2), torch.zeros(2, 3, 2)
    weight = torch.tensor([[1.0, 0, 1], [1, 1, 1]])
    loss = SmoothL1Loss(use_target_weight=True)
    assert loss(output, target, weight) == loss(output, target, weight[..., None].expand(2, 3, 2))


def test_soft_weights_scale_linearly_and_zero_weights_leave_the_mean():
    output, target = torch.full((1, 2, 2), 3.0), torch.zeros(1, 2, 2)
    weight = torch.tensor([[0.5, 0.0]])
    loss = SoftWeightSmoothL1Loss(use_target_weight=True, supervise_empty=False)
    assert loss(output, target, weight) == pytest.approx(0.5 * 2.5)


def test_kl_is_zero_for_the_label_itself():
    labels = torch.rand(2, 3, 10, generator=torch.Generator().manual_seed(0)).softmax(-1)
    same = (labels.log(), labels.log())
    assert KLDiscretLoss()(same, (labels, labels), torch.ones(2, 3)).item() == pytest.approx(
        0, abs=1e-6
    )


def test_kl_beta_sharpens_prediction_and_label_alike():
    generator = torch.Generator().manual_seed(0)
    px, py, tx, ty = (torch.randn(2, 3, 10, generator=generator) for _ in range(4))
    scaled = KLDiscretLoss(beta=4.0, label_softmax=True, label_beta=2.0)
    plain = KLDiscretLoss(label_softmax=True, label_beta=1.0)
    weight = torch.ones(2, 3)
    torch.testing.assert_close(
        scaled((px, py), (tx, ty), weight), plain((px * 4, py * 4), (tx * 2, ty * 2), weight)
    )


@pytest.mark.parametrize("floor", [0.0, 1e-4, 1e-2])
def test_rle_floor_bounds_the_loss_of_a_confident_network(floor):
    pred = torch.zeros(1, 4, 2, requires_grad=True)
    sigma = torch.full((1, 4, 2), -200.0, requires_grad=True)

    loss = RLELoss(sigma_floor=floor)(pred, sigma, torch.full((1, 4, 2), 0.1))
    loss.backward()

    finite = bool(torch.isfinite(loss)) and bool(torch.isfinite(pred.grad).all())
    assert finite == (floor > 0)


def test_rle_floor_changes_nothing_above_it():
    generator = torch.Generator().manual_seed(0)
    pred, sigma, target = (torch.rand(2, 3, 2, generator=generator) for _ in range(3))
    with_floor, without = RLELoss(), RLELoss(sigma_floor=0.0)
    without.load_state_dict(with_floor.state_dict())
    assert with_floor(pred, sigma, target) == without(pred, sigma, target)


def test_rle_deviation_can_leave_the_floor():
    sigma = torch.full((1, 1, 2), -10.0, requires_grad=True)
    RLELoss(sigma_floor=1e-2)(torch.zeros(1, 1, 2), sigma, torch.ones(1, 1, 2)).backward()
    assert (sigma.grad < 0).all()  # a step down the gradient makes the deviation larger


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"q_distribution": "cauchy"}, "q_distribution: expected laplace or gaussian"),
        ({"sigma_floor": -1.0}, "sigma_floor: expected 0 or more"),
    ],
)
def test_rle_refuses_options(options, message):
    with pytest.raises(OptionError, match=message):
        RLELoss(**options)


def test_flow_is_a_density():
    torch.manual_seed(0)
    flow = RealNVP()
    for net in (*flow.s, *flow.t):
        nn.init.normal_(net[4].weight, std=0.3)
    axis = torch.linspace(-12, 12, 400)
    points = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = flow.log_prob(points).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1, abs=2e-3)

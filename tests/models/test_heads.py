"""Heads with their codecs: perfect outputs have no loss, decoding is the codec's, flips agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from kptdata import codecs
from kptdata.errors import ArrayError, OptionError
from kptdata_models.heads import (
    HEADS,
    HeatmapHead,
    HeatmapOutput,
    RegressionHead,
    RLEHead,
    SimCCHead,
)

SIZE = (32, 48)
SWAP = (0, 2, 1)
MSRA = codecs.build("MSRAHeatmap", input_size=SIZE, heatmap_size=(16, 24), sigma=1.5)
UDP = codecs.build("UDPHeatmap", input_size=SIZE, heatmap_size=(16, 24), sigma=1.5)
COMBINED = codecs.build(
    "UDPHeatmap", input_size=SIZE, heatmap_size=(16, 24), heatmap_type="combined"
)
REGRESSION = codecs.build("RegressionLabel", input_size=SIZE)
SIMCC = codecs.build("SimCCLabel", input_size=SIZE, sigma=2.0, simcc_split_ratio=2.0)

MAKERS = {
    "heatmap": (MSRA, lambda: HeatmapHead(8, 3, MSRA, deconv_out_channels=[4])),
    "udp": (UDP, lambda: HeatmapHead(8, 3, UDP, deconv_out_channels=[4])),
    "combined": (COMBINED, lambda: HeatmapHead(8, 9, COMBINED, deconv_out_channels=[4])),
    "softmax": (MSRA, lambda: HeatmapHead(8, 3, MSRA, deconv_out_channels=[4], softmax=True)),
    "regression": (REGRESSION, lambda: RegressionHead(8, 3, REGRESSION)),
    "rle": (REGRESSION, lambda: RLEHead(8, 3, REGRESSION)),
    "points": (REGRESSION, lambda: RegressionHead(8, 3, REGRESSION, feature_points=5)),
    "rle-points": (REGRESSION, lambda: RLEHead(8, 3, REGRESSION, feature_points=5)),
    "simcc": (SIMCC, lambda: SimCCHead(8, 3, (8, 12), SIMCC, deconv_out_channels=[4])),
}


@pytest.fixture(params=MAKERS)
def kind(request):
    return request.param


@pytest.fixture
def head(kind):
    torch.manual_seed(0)
    return MAKERS[kind][1]()


def features(kind):
    shape = (2, 8) if kind in {"regression", "rle"} else (2, 8, 12, 8)
    return (torch.randn(shape, generator=torch.Generator().manual_seed(1)),)


def targets(kind, labelled=True):
    rng = np.random.default_rng(0)
    codec = MAKERS[kind][0]
    samples = []
    for _ in range(2):
        xy = rng.uniform(6, np.array(SIZE) - 7, (1, 3, 2)).astype(np.float32)
        known = np.full((1, 3), labelled)
        samples.append(codec.encode(xy, known))
    return default_collate(samples)


def test_table_names_are_class_names():
    assert [HEADS.load(name).__name__ for name in HEADS] == list(HEADS)


def test_loss_is_finite_named_and_has_a_gradient_everywhere(kind, head):
    terms = head.loss(features(kind), targets(kind))

    assert set(terms) == {"loss_kpt", "acc_pose"}
    assert 0 <= float(terms["acc_pose"]) <= 1
    terms["loss_kpt"].backward()
    assert torch.isfinite(terms["loss_kpt"])
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())


def test_unlabelled_people_give_no_gradient(kind, head):
    terms = head.loss(features(kind), targets(kind, labelled=False))
    terms["loss_kpt"].backward()
    assert all(not p.grad.any() for p in head.parameters() if p.grad is not None)
    assert terms["acc_pose"] == 0


def test_prediction_has_one_person_per_sample(kind, head):
    found = head.eval().predict(features(kind))
    assert found.xy.shape == (2, 1, 3, 2)
    assert found.score.shape == (2, 1, 3)
    assert found.instance_score.shape == (2, 1)


def test_flip_test_with_its_own_mirror_image_is_symmetric(kind, head):
    """Averaging an output with its mirrored self, mirrored, gives a symmetric pose or the same."""
    head.eval()
    merged = head.outputs(features(kind), features(kind), SWAP)
    again = head.codec.flip_merge(merged, merged, SWAP)
    plain = head.outputs(features(kind))
    assert [x.shape for x in merged] == [x.shape for x in plain]
    assert all(torch.isfinite(x).all() for x in again)


def test_flip_test_needs_the_pairs(kind, head):
    with pytest.raises(OptionError, match="swap_indices: needed"):
        head.predict(features(kind), features(kind))


def test_several_people_per_sample_are_refused(kind, head):
    target = targets(kind)
    doubled = target._replace(keypoint_weights=target.keypoint_weights.repeat(1, 2, 1))
    with pytest.raises(ArrayError, match="expected one person per sample"):
        head.loss(features(kind), doubled)


@pytest.mark.parametrize("codec", [MSRA, UDP], ids=["msra", "udp"])
def test_accuracy_is_one_for_the_target_itself(codec):
    class Echo(HeatmapHead):
        def forward(self, maps):
            return HeatmapOutput(maps[-1])

    target = default_collate(
        [codec.encode(np.full((1, 3, 2), 12, np.float32), np.ones((1, 3), bool))]
    )
    terms = Echo(8, 3, codec).loss((target.heatmaps,), target)
    assert terms["acc_pose"] == 1
    assert terms["loss_kpt"] == 0


def test_softmax_heatmaps_add_up_to_one():
    head = MAKERS["softmax"][1]().eval()
    (maps,) = head.outputs(features("softmax"))
    torch.testing.assert_close(maps.sum(dim=(2, 3)), torch.ones(2, 3))
    assert head.predict(features("softmax")).xy.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deconv_kernel_sizes": [4, 4]}, "deconv_kernel_sizes: expected 1 sizes"),
        ({"deconv_kernel_sizes": [5]}, "deconv_kernel_sizes: expected 2, 3 or 4"),
        (
            {"conv_out_channels": [4], "conv_kernel_sizes": []},
            "conv_kernel_sizes: expected 1 sizes",
        ),
    ],
)
def test_heatmap_head_refuses_options(options, message):
    with pytest.raises(OptionError, match=message):
        HeatmapHead(8, 3, MSRA, **{"deconv_out_channels": [4]} | options)


def test_simcc_head_takes_sizes_from_its_codec_or_asks():
    assert SimCCHead(8, 3, (8, 12), SIMCC).mlp_head_x.out_features == 64
    with pytest.raises(OptionError, match="input_size: expected a value, or a codec"):
        SimCCHead(8, 3, (8, 12))


def test_a_loss_may_be_a_module_or_a_table():
    from kptdata_models.losses import KeypointOHKMMSELoss, L1Loss

    table = {"type": "KeypointOHKMMSELoss", "topk": 2, "use_target_weight": True}
    assert isinstance(HeatmapHead(8, 3, MSRA, loss=table).loss_module, KeypointOHKMMSELoss)
    module = L1Loss()
    assert RegressionHead(8, 3, REGRESSION, loss=module).loss_module is module


def test_feature_points_are_the_places_of_features():
    from kptdata_models.heads.feature_points import FeaturePoints

    points = FeaturePoints(2, 2)
    with torch.no_grad():
        points.features.weight.copy_(torch.eye(2)[..., None, None] * 1000)
        points.features.bias.zero_()
    maps = torch.zeros(1, 2, 4, 8)
    maps[0, 0, 3, 1] = 1.0  # row 3 of 4, column 1 of 8
    maps[0, 1, 0, 6] = maps[0, 1, 0, 7] = 1.0  # between two cells
    x, y = points(maps)[0].T
    torch.testing.assert_close(x, torch.tensor([1.5 / 8, 7 / 8]))
    torch.testing.assert_close(y, torch.tensor([3.5 / 4, 0.5 / 4]))
    flat = points(torch.zeros(1, 2, 4, 8))
    torch.testing.assert_close(flat, torch.full((1, 2, 2), 0.5))
    mirrored_x, mirrored_y = points(maps.flip(-1))[0].T
    torch.testing.assert_close(mirrored_x, 1 - x)
    torch.testing.assert_close(mirrored_y, y)


def points_at(head, keypoints):
    """Let the first features be channels of a map, sharp, the others everywhere alike."""
    with torch.no_grad():
        head.points.features.weight.zero_()
        for k in range(keypoints):
            head.points.features.weight[k, k] = 1000.0


@pytest.mark.parametrize("kind", ["points", "rle-points"])
def test_coordinates_begin_as_the_places_of_the_first_features(kind):
    torch.manual_seed(0)
    head = MAKERS[kind][1]()
    points_at(head, 3)
    maps = torch.zeros(1, 8, 12, 8)
    cells = [(2, 1), (11, 7), (5, 3)]
    for k, (row, column) in enumerate(cells):
        maps[0, k, row, column] = 1.0
    places = torch.tensor([[(column + 0.5) / 8, (row + 0.5) / 12] for row, column in cells])
    found = head((maps,)).coords[0]
    # What else is added has weights of deviation 0.01: ten places in 0..1.
    torch.testing.assert_close(found, places, rtol=0, atol=0.01 * 10**0.5 * 3)
    assert not torch.equal(found, places)


@pytest.mark.parametrize("kind", ["regression", "rle", "points", "rle-points"])
def test_coordinates_are_exact_in_mixed_precision(kind, head):
    maps = features(kind)
    exact = head(maps)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = head(maps)
    for one, other in zip(exact, mixed, strict=True):
        assert other.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_deviations_do_not_come_from_places():
    """Where a feature is does not tell how sure it is: shifted maps give the same deviations."""
    torch.manual_seed(0)
    head = MAKERS["rle-points"][1]()
    points_at(head, 3)
    maps = torch.randn(1, 8, 12, 8)
    one, other = head((maps,)), head((maps.roll(3, dims=-1),))
    torch.testing.assert_close(one.sigma, other.sigma)
    assert not torch.allclose(one.coords, other.coords, atol=0.05)

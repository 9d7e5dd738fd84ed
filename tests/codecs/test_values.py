"""Targets and keypoints worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kptdata import codecs

YES = np.ones((1, 1), bool)
E2 = math.exp(-1 / 2)


def one(x, y, dtype=float):
    return np.array([[[x, y]]], dtype)


def test_msra_is_a_gaussian_about_the_nearest_cell(asarray):
    codec = codecs.MSRAHeatmap((40, 28), (10, 7), sigma=1)

    target = codec.encode(asarray(one(17.9, 10.1)), asarray(YES))

    # 17.9 / 4 is nearest to cell 4, 10.1 / 4 to cell 3; three cells each way.
    row = [0, *(math.exp(-(d**2) / 2) for d in (-3, -2, -1, 0, 1, 2, 3)), 0, 0]
    np.testing.assert_allclose(target.heatmaps[0, 3], row, rtol=1e-12)
    np.testing.assert_allclose(target.heatmaps[0, 2], np.array(row) * E2, rtol=1e-12)
    assert target.keypoint_weights.tolist() == [[1]]
    assert codec.decode(target.heatmaps).xy.tolist() == [[[16, 12]]]


def test_quarter_shift_goes_to_the_higher_neighbour(asarray):
    maps = np.zeros((1, 7, 10))
    maps[0, 3, 4], maps[0, 3, 5], maps[0, 2, 4] = 1, 0.5, 0.2

    decoded = codecs.MSRAHeatmap((40, 28), (10, 7), sigma=1).decode(asarray(maps))

    assert decoded.xy.tolist() == [[[4 * 4.25, 4 * 2.75]]]
    assert decoded.score.tolist() == [[1]]


@pytest.mark.parametrize(
    ("x", "weight"),
    [(-18.1, 0), (-13, 1), (0, 1), (39, 1), (49.9, 1), (50.1, 0), (math.nan, 0), (math.inf, 0)],
)
def test_msra_weighs_what_reaches_the_map(x, weight):
    codec = codecs.MSRAHeatmap((40, 28), (10, 7), sigma=1)

    target = codec.encode(one(x, 12), YES)

    assert target.keypoint_weights.tolist() == [[weight]]
    assert target.heatmaps.any() == bool(weight)


def test_left_of_the_map_is_outside_and_not_the_first_cell():
    safe, reference = (
        codecs.MSRAHeatmap((40, 28), (10, 7), sigma=1, reference=r) for r in (False, True)
    )
    left = one(-5, 12)  # cell -1.25: nearest is -1, the reference truncates to 0

    assert safe.encode(left, YES).heatmaps[0, 3, 0] == E2
    assert reference.encode(left, YES).heatmaps[0, 3, 0] == 1


def test_a_gaussian_peaks_at_its_keypoint_though_three_sigma_is_no_whole_number():
    for codec, peak in (
        (codecs.MSRAHeatmap((40, 40), (10, 10), sigma=1.5), 2),
        (codecs.MSRAHeatmap((40, 40), (10, 10), sigma=1.5, reference=True), 3),
    ):
        heatmaps = codec.encode(one(8, 8), YES).heatmaps
        assert np.unravel_index(heatmaps[0].argmax(), (10, 10)) == (peak, peak)


def test_people_are_merged_by_maximum(asarray):
    codec = codecs.MSRAHeatmap((40, 28), (10, 7), sigma=1)
    xy = np.array([[[8.0, 12]], [[24, 12]]])

    both = codec.encode(asarray(xy), asarray(np.ones((2, 1), bool))).heatmaps

    alone = [codec.encode(xy[i : i + 1], YES).heatmaps for i in range(2)]
    np.testing.assert_array_equal(both, np.maximum(*alone))


def test_udp_counts_steps_between_pixels(asarray):
    codec = codecs.UDPHeatmap((41, 31), (11, 11), sigma=1)

    target = codec.encode(asarray(one(40, 30)), asarray(YES))

    assert target.heatmaps[0, 10, 10] == 1
    assert codec.stride == (4, 3)


def test_udp_by_steps_and_the_reference_by_size():
    maps = codecs.UDPHeatmap((41, 31), (21, 21), sigma=1.5).encode(one(20, 15), YES).heatmaps
    options = {"sigma": 1.5, "blur_kernel_size": 5}

    right = codecs.UDPHeatmap((41, 31), (21, 21), **options).decode(maps)
    reference = codecs.UDPHeatmap((41, 31), (21, 21), **options, reference=True).decode(maps)

    np.testing.assert_allclose(right.xy[0, 0], [20, 15], atol=1e-6)
    np.testing.assert_allclose(reference.xy[0, 0], [20 * 41 / 40, 15 * 31 / 30], atol=1e-6)


def test_combined_maps_are_a_disc_and_two_offsets(asarray):
    codec = codecs.UDPHeatmap((41, 31), (11, 11), "combined", radius_factor=2 / 11)

    maps = codec.encode(asarray(one(20, 15)), asarray(YES)).heatmaps

    disc, across, down = maps
    assert disc.sum() == 13  # cells within two of (5, 5)
    np.testing.assert_allclose(across[0], (5 - np.arange(11)) / 2)
    np.testing.assert_allclose(down[:, 0], (5 - np.arange(11)) / 2)


def test_combined_offsets_are_those_of_the_nearest_person(asarray):
    codec = codecs.UDPHeatmap((41, 31), (11, 11), "combined", radius_factor=2 / 11)
    xy = np.array([[[8.0, 15]], [[32, 15]]])

    _, across, _ = codec.encode(asarray(xy), asarray(np.ones((2, 1), bool))).heatmaps

    assert across[5].tolist() == [1, 0.5, 0, -0.5, -1, -1.5, 1, 0.5, 0, -0.5, -1]


@pytest.mark.parametrize(
    ("x", "y", "weight"),
    [(-7.9, 15, 1), (-8.1, 15, 0), (47.9, 15, 1), (48.1, 15, 0), (20, 35.9, 1), (20, 36.1, 0),
     (20, -5.9, 1), (20, -6.1, 0)],
)  # fmt: skip
def test_a_disc_counts_while_it_touches_a_cell(x, y, weight, asarray):
    """A radius of two cells: of 8 pixels across and 6 down."""
    codec = codecs.UDPHeatmap((41, 31), (11, 11), "combined", radius_factor=2 / 11)

    target = codec.encode(asarray(one(x, y)), asarray(YES))

    assert target.keypoint_weights.tolist() == [[weight]]
    assert bool(target.heatmaps[0].any()) == bool(weight)


@pytest.mark.parametrize("factor", [0.1, 0.6, 5.0])
def test_discs_of_any_size_are_whole(factor, asarray, rng):
    codec = codecs.UDPHeatmap((96, 128), (24, 32), "combined", radius_factor=factor)
    xy = rng.uniform(0, 95, (4, 1, 3, 2))
    radius = factor * 32

    disc = codec.encode(asarray(xy), asarray(np.ones((4, 1, 3), bool))).heatmaps[:, ::3]

    place = xy[:, 0] / codec.stride
    x = place[..., 0, None, None] - np.arange(24)
    y = place[..., 1, None, None] - np.arange(32)[:, None]
    np.testing.assert_array_equal(disc, (x**2 + y**2 <= radius**2) * 1.0)


def test_megvii_peaks_at_255_in_the_cell_that_holds_the_point(asarray):
    codec = codecs.MegviiHeatmap((40, 40), (10, 10), kernel_size=5)

    target = codec.encode(asarray(one(23.9, 16)), asarray(YES))

    assert target.heatmaps[0, 4].tolist() == [0, 0, 0, 42.5, 170, 255, 170, 42.5, 0, 0]
    assert codec.decode(target.heatmaps).xy.tolist() == [[[22, 18]]]
    assert codec.decode(target.heatmaps).score.tolist() == [[1.5]]


def test_simcc_is_a_gaussian_about_the_nearest_bin(asarray):
    codec = codecs.SimCCLabel((8, 4), sigma=(1, 2), normalize=False)

    target = codec.encode(asarray(one(3.2, 1)), asarray(YES))

    np.testing.assert_allclose(
        target.keypoint_x_labels[0, 0], np.exp(-((np.arange(16) - 6) ** 2) / 2)
    )
    np.testing.assert_allclose(
        target.keypoint_y_labels[0, 0], np.exp(-((np.arange(8) - 2) ** 2) / 8)
    )
    assert codec.decode(*target[:2]).xy.tolist() == [[[3, 1]]]


def test_simcc_normalises_by_sigma():
    plain, normal = (codecs.SimCCLabel((8, 4), sigma=2.0, normalize=n) for n in (False, True))

    ratio = plain.encode(one(3, 1), YES)[0] / normal.encode(one(3, 1), YES)[0]

    np.testing.assert_allclose(ratio, 2 * math.sqrt(2 * math.pi))


def test_simcc_standard_smooths_labels(asarray):
    codec = codecs.SimCCLabel((4, 3), "standard", simcc_split_ratio=1, label_smooth_weight=0.3)

    target = codec.encode(asarray(one(2, 0)), asarray(YES))

    np.testing.assert_allclose(target.keypoint_x_labels[0, 0], [0.1, 0.1, 0.7, 0.1])
    np.testing.assert_allclose(target.keypoint_y_labels[0, 0], [0.7, 0.15, 0.15])


@pytest.mark.parametrize(("x", "weight"), [(-0.2, 1), (-0.3, 0), (3.7, 1), (3.8, 0)])
def test_simcc_standard_weighs_bins_that_exist(x, weight):
    codec = codecs.SimCCLabel((4, 3), "standard")

    assert codec.encode(one(x, 1), YES).keypoint_weights.tolist() == [[weight]]


def test_simcc_visibility_is_the_lower_softmax_peak(asarray):
    codec = codecs.SimCCLabel((2, 1), sigma=1.0, decode_visibility=True, decode_beta=2.0)
    x, y = np.array([[[1.0, 0, 0, 0]]]), np.array([[[1.0, 0]]])

    decoded = codec.decode(asarray(x), asarray(y))

    sure_x, sure_y = 1 / (1 + 3 * math.exp(-2)), 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(decoded.visibility, [[min(sure_x, sure_y)]])
    assert decoded.score.tolist() == [[1]]


@pytest.mark.parametrize(
    ("x", "y", "label", "weight"),
    [
        (0, 0, (0, 0), 1),
        (96, 64, (0.5, 0.25), 1),
        (191, 255, (191 / 192, 255 / 256), 1),
        (192, 0, (1, 0), 0),
        (-0.5, 0, (-0.5 / 192, 0), 0),
        (math.nan, math.nan, (0, 0), 0),
    ],
)
def test_regression_is_a_fraction_of_the_input(asarray, x, y, label, weight):
    target = codecs.RegressionLabel((192, 256)).encode(asarray(one(x, y)), asarray(YES))

    assert target.keypoint_labels.tolist() == [[list(label)]]
    assert target.keypoint_weights.tolist() == [[weight]]


def test_regression_scores_by_sigma(asarray):
    codec = codecs.RegressionLabel((192, 256))
    labels, sigma = np.array([[[0.5, 0.25]]]), np.array([[[0.5, 1.0]]])

    apart = codec.decode(asarray(labels), asarray(sigma))
    joined = codec.decode(asarray(np.concatenate([labels, sigma], axis=-1)))

    for decoded in (apart, joined):
        assert decoded.xy.tolist() == [[[96, 64]]]
        assert decoded.score.tolist() == [[0.25]]
        assert decoded.instance_score.tolist() == [0.25]


def test_integral_maps_sum_to_one(asarray, rng):
    codec = codecs.IntegralRegressionLabel((96, 128), (24, 32), sigma=2.0)
    xy = rng.uniform(0, 95, (2, 3, 4, 2))
    labelled = np.ones((2, 3, 4), bool)
    labelled[0, :, 1] = False

    heatmaps = codec.encode(asarray(xy), asarray(labelled)).heatmaps

    expected = np.ones((2, 4))
    expected[0, 1] = 0
    np.testing.assert_allclose(heatmaps.sum((-2, -1)), expected)


def test_hand_voxels_and_the_depth_between_hands(asarray):
    codec = codecs.Hand3DHeatmap(
        (64, 64), 16, (16, 16, 16), 400, 16, 400, 16, sigma=1, max_bound=255.0
    )
    fields = {
        "rel_root_depth": asarray(np.array(100.0)),
        "rel_root_valid": asarray(np.array(1.0)),
        "hand_type": asarray(np.array([[1, 0]])),
        "hand_type_valid": asarray(np.array([1])),
    }

    target = codec.encode(asarray(np.array([[[20.0, 36, -50]]])), asarray(YES), **fields)
    decoded = codec.decode(*codec.as_output(target))

    assert target.heatmaps[6, 9, 5] == 255  # depth, row, column
    assert target.root_depth.tolist() == [(100 / 400 + 0.5) * 16]
    assert decoded.xy.tolist() == [[[20, 36, -50]]]
    assert decoded.root_depth.tolist() == [100]
    assert decoded.hand_type.tolist() == [[1, 0]]


def test_edpose_keeps_the_best_queries_in_order(asarray):
    codec = codecs.EDPoseLabel(num_select=2, num_keypoints=1)
    logits = np.array([[0.1, 0.3], [0.9, 0.2], [0.3, 0.0]])
    boxes = np.array([[0.5, 0.5, 0.2, 0.4]] * 3)
    keypoints = np.array([[0.1, 0.2, 1], [0.3, 0.4, 1], [0.5, 0.6, 1]])

    decoded = codec.decode(*map(asarray, (logits, boxes, keypoints)), image_size=(100, 200))

    assert decoded.instance_score.tolist() == [0.9, 0.3]
    np.testing.assert_allclose(decoded.xy[:, 0], [[30, 80], [10, 40]])
    np.testing.assert_allclose(decoded.bbox[0], [40, 60, 20, 80])

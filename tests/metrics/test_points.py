"""Distances, PCK, AUC and MPJPE on arrays: hand-made values and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from kptdata.errors import ArrayError, OptionError
from kptdata.metrics.arrays import (
    ALIGNMENTS,
    auc,
    distances,
    head_sizes,
    mpjpe,
    pck,
    pck_curve,
    summarise,
)

NAN, INF = np.nan, np.inf


def test_distances_say_what_is_undefined_and_what_is_missed():
    truth = np.array([[[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]])
    found = np.array([[[3.0, 4.0], [NAN, NAN], [1.0, 1.0]]])
    labelled = np.array([[True, True, False]])

    np.testing.assert_array_equal(distances(found, truth, labelled), [[5.0, INF, NAN]])


@pytest.mark.parametrize(
    ("normaliser", "expected"),
    [
        pytest.param([10.0], 0.5, id="one-length"),
        pytest.param([[3.0, 4.0]], np.sqrt(2), id="one-per-axis"),
        pytest.param([0.0], NAN, id="zero"),
        pytest.param([-1.0], NAN, id="negative"),
        pytest.param([NAN], NAN, id="nan"),
        pytest.param([[3.0, 0.0]], NAN, id="zero-in-one-axis"),
    ],
)
def test_normaliser(normaliser, expected):
    found = distances(
        np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2)), np.ones((1, 1), bool), np.array(normaliser)
    )

    np.testing.assert_allclose(found, [[expected]], rtol=1e-15)


def test_normaliser_of_another_shape_is_refused():
    points = np.zeros((2, 1, 2))
    with pytest.raises(
        ArrayError, match=r"normaliser: expected shape \(2,\) or \(2, 2\), got \(3,\)"
    ):
        distances(points, points, np.ones((2, 1), bool), np.ones(3))


def test_integer_labels_are_refused():
    points = np.zeros((1, 1, 2))
    with pytest.raises(ArrayError, match="labelled: expected bool"):
        distances(points, points, np.full((1, 1), 2))


def test_summary_leaves_misses_out_and_counts_them():
    found = summarise(np.array([[1.0, NAN, INF], [3.0, NAN, 8.0]]))

    assert found[:4] == (4.0, 3.0, 3, 1)
    np.testing.assert_array_equal(found.per_keypoint, [2.0, NAN, 8.0])


def test_summary_of_nothing_is_nan():
    found = summarise(np.empty((0, 2)))

    assert np.isnan(found.mean)
    assert np.isnan(found.median)
    assert np.isnan(found.per_keypoint).all()


def test_pck_values():
    distance = np.array([[0.1, 0.2, NAN], [0.3, INF, NAN]])

    found = pck(distance, 0.2)

    np.testing.assert_array_equal(found.per_keypoint, [0.5, 0.0, NAN])
    assert found.mean == 0.25
    assert found.counts.tolist() == [2, 2, 0]
    assert pck(distance, 0.2, inclusive=True).mean == 0.5


def test_pck_weighs_by_labels_and_leaves_keypoints_out():
    distance = np.array([[0.0, 9.0], [0.0, NAN], [0.0, NAN]])

    assert pck(distance, 0.5).mean == 0.5
    assert pck(distance, 0.5).weighted == 0.75
    assert pck(distance, 0.5, counted=np.array([True, False])).weighted == 1.0


def test_pck_of_nothing_is_nan():
    found = pck(np.full((3, 2), NAN), 0.5)

    assert np.isnan(found.mean)
    assert np.isnan(found.weighted)


def test_auc_counts_thresholds_from_zero():
    """Half way to the limit: wrong at 0 to 10 of 20, right at 11 to 19."""
    assert auc(np.array([[0.5]])) == pytest.approx(9 / 20)
    assert auc(np.array([[0.0]])) == pytest.approx(19 / 20)
    with pytest.raises(OptionError, match="num_thresholds: expected 1 or more, got 0"):
        auc(np.array([[0.0]]), 0)


@given(st.lists(st.floats(0, 2), min_size=1, max_size=20))
def test_pck_rises_with_the_threshold(values):
    curve = pck_curve(np.array(values)[:, None], np.linspace(0, 2.1, 9))

    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == 1.0


def test_head_size_is_six_tenths_of_the_diagonal():
    assert head_sizes(np.array([[5.0, 5.0, 3.0, 4.0]])).tolist() == [3.0]


@given(st.integers(0, 2**32 - 1), st.integers(2, 3))
def test_mpjpe_does_not_see_what_its_alignment_removes(seed, axes):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 100, (3, 8, axes))
    labelled = np.ones((3, 8), bool)
    turn = (
        Rotation.random(rng=rng).as_matrix() if axes == 3 else np.array([[0.6, -0.8], [0.8, 0.6]])
    )
    moved = 2.5 * truth @ turn + rng.normal(0, 100, axes)

    assert mpjpe(truth, truth, labelled) == 0
    assert mpjpe(0.1 * truth, truth, labelled, "scale") < 1e-9
    assert mpjpe(moved, truth, labelled, "procrustes") < 1e-9
    assert mpjpe(moved, truth, labelled) > 1


def test_procrustes_does_not_mirror():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 100, (1, 8, 3))

    assert mpjpe(truth * [-1, 1, 1], truth, np.ones((1, 8), bool), "procrustes") > 1


def test_unlabelled_points_do_not_steer_the_alignment():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 100, (1, 8, 3))
    labelled = np.arange(8)[None] < 7
    found = np.where(labelled[..., None], 3 * truth, 1e5)

    assert mpjpe(found, truth, labelled, "procrustes") < 1e-9
    assert mpjpe(found, truth, labelled, "procrustes", reference=True) > 1
    found[0, 7] = NAN
    assert mpjpe(found, truth, labelled, "procrustes") < 1e-9


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_mpjpe_of_a_pose_without_extent_is_finite(alignment):
    truth = np.arange(12.0).reshape(1, 4, 3)

    assert np.isfinite(mpjpe(np.zeros((1, 4, 3)), truth, np.ones((1, 4), bool), alignment))


def test_unknown_alignment_lists_the_known():
    points = np.zeros((1, 1, 3))
    with pytest.raises(OptionError, match="expected one of none, scale, procrustes, got 'affine'"):
        mpjpe(points, points, np.ones((1, 1), bool), "affine")

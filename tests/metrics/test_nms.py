"""Suppression and rescoring: hand-made values; images in one call do not touch each other."""

from __future__ import annotations

import numpy as np
import pytest

from kptdata.errors import OptionError
from kptdata.metrics.arrays import (
    box_nms,
    nearby_joints_nms,
    oks_nms,
    rescore,
    soft_oks_nms,
)

SIGMAS = np.array([0.1, 0.1, 0.1])
POSE = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
AREA = np.full(3, 2500.0)


def crowd_of(rng, count, images):
    """Poses near a few places, so that many are alike; scores without ties."""
    place = rng.integers(0, 3, count)[:, None, None] * 80.0
    xy = POSE + place + rng.normal(0, 6, (count, 3, 2))
    return (
        xy,
        np.full(count, 2500.0),
        rng.permutation(count) / count,
        rng.integers(0, images, count),
    )


SUPPRESSIONS = {
    "oks": lambda xy, area, score, image: oks_nms(xy, area, score, SIGMAS, 0.5, image=image),
    "soft": lambda xy, area, score, image: soft_oks_nms(
        xy, area, score, SIGMAS, 0.5, max_dets=4, image=image
    ),
    "nearby": lambda xy, area, score, image: nearby_joints_nms(xy, score, 0.1, image=image),
    "box": lambda xy, area, score, image: box_nms(
        np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1), score, 0.5, image=image
    ),
}


@pytest.mark.parametrize("name", SUPPRESSIONS)
def test_all_images_at_once_is_each_image_alone(name, rng):
    suppress = SUPPRESSIONS[name]
    poses = crowd_of(rng, 60, 5)

    together = suppress(*poses)

    alone = []
    for image in range(5):
        rows = np.flatnonzero(poses[3] == image)
        alone += rows[suppress(*(column[rows] for column in poses))].tolist()
    assert together.tolist() == alone
    assert 0 < len(together) < 60


@pytest.mark.parametrize("name", SUPPRESSIONS)
def test_nothing_in_nothing_out(name):
    empty = (np.empty((0, 3, 2)), np.empty(0), np.empty(0), np.empty(0, int))

    assert SUPPRESSIONS[name](*empty).tolist() == []


def test_oks_nms_keeps_the_better_of_two():
    xy = np.array([POSE, POSE + 1, POSE + 500])

    assert oks_nms(xy, AREA, np.array([0.5, 0.9, 0.1]), SIGMAS, 0.9).tolist() == [1, 2]


def test_the_earlier_of_equal_scores_stays():
    xy = np.array([POSE, POSE, POSE])

    assert oks_nms(xy, AREA, np.ones(3), SIGMAS).tolist() == [0]


def test_images_may_have_any_number():
    xy = np.array([POSE, POSE, POSE])
    image = np.array([70_000, -1, 70_000])

    assert oks_nms(xy, AREA, np.array([0.5, 0.6, 0.7]), SIGMAS, image=image).tolist() == [1, 2]


def test_a_dropped_prediction_drops_nobody():
    """A is like B, B is like C, A is not like C: B goes, C stays."""
    xy = np.array([POSE, POSE + 8, POSE + 16])

    assert oks_nms(xy, AREA, np.array([0.9, 0.8, 0.7]), SIGMAS, 0.3).tolist() == [0, 2]


def test_points_that_are_not_visible_do_not_count():
    xy = np.array([POSE, POSE + np.array([[0, 0], [400, 0], [0, 400]])])
    visible = np.array([[True, False, False]] * 2)

    assert oks_nms(xy, AREA[:2], np.array([0.9, 0.8]), SIGMAS).tolist() == [0, 1]
    assert oks_nms(xy, AREA[:2], np.array([0.9, 0.8]), SIGMAS, visible=visible).tolist() == [0]


def test_soft_nms_puts_the_different_one_before_the_copy():
    xy = np.array([POSE, POSE, POSE + 500])

    assert soft_oks_nms(xy, AREA, np.array([0.9, 0.8, 0.5]), SIGMAS).tolist() == [0, 2, 1]
    kept = soft_oks_nms(xy, AREA, np.array([0.9, 0.8, 0.5]), SIGMAS, max_dets=2)
    assert kept.tolist() == [0, 2]


def test_box_nms_counts_edges_and_the_reference_pixels():
    """Overlap 50 of 150 with edges; with a pixel more on each side 66 of 176."""
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0]])
    score = np.array([0.9, 0.8])

    assert box_nms(boxes, score, 0.35).tolist() == [0, 1]
    assert box_nms(boxes, score, 0.35, reference=True).tolist() == [0]


def test_nearby_joints_nms():
    xy = np.array([POSE, POSE + 0.5, POSE + 500])

    assert nearby_joints_nms(xy, np.array([0.1, 0.9, 0.5])).tolist() == [1, 2]
    assert nearby_joints_nms(xy, np.array([0.1, 0.9, 0.5]), max_dets=1).tolist() == [1]
    with pytest.raises(OptionError, match=r"num_nearby below 3, got 0\.05 and 3"):
        nearby_joints_nms(xy, np.ones(3), num_nearby=3)


@pytest.mark.parametrize("num_nearby", [0, 1, 2])
def test_nearby_joints_nms_is_the_loop_that_it_says(num_nearby, rng):
    """Best score first; each takes the best of those close to it, and settles all of them."""
    for _ in range(30):
        xy, _, score, _ = crowd_of(rng, 12, 1)
        xy *= rng.uniform(0.3, 1.5, (12, 1, 1))  # so that A may be close to B and B not to A
        radius = 0.2 * np.hypot(*np.ptp(xy, axis=1).T)
        near = np.linalg.norm(xy[:, None] - xy[None], axis=-1) < radius[:, None, None]
        close = near.sum(axis=-1) > num_nearby
        kept, settled = [], set()
        for one in np.argsort(-score):
            others = np.flatnonzero(close[one])
            best = others[score[others].argmax()]
            if one not in settled and best not in settled:
                kept.append(best)
                settled |= set(others.tolist())

        found = nearby_joints_nms(xy, score, 0.2, num_nearby=num_nearby, max_dets=0)

        assert sorted(found.tolist()) == sorted(kept)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("bbox", 0.5),
        ("keypoint", 0.4),
        ("bbox_keypoint", 0.5 * 0.55),
        ("bbox_rle", 0.5 + 0.4 + 0.8),
    ],
)
def test_rescoring(mode, expected):
    found = rescore(np.array([0.5]), np.array([[0.1, 0.3, 0.8]]), mode)

    assert found[0] == pytest.approx(expected)


def test_rescoring_without_a_good_keypoint_is_zero():
    assert rescore(np.array([0.5]), np.array([[0.2, 0.1]])).tolist() == [0.0]


def test_unknown_mode_lists_the_known():
    with pytest.raises(
        OptionError, match="expected one of bbox, keypoint, bbox_keypoint, bbox_rle"
    ):
        rescore(np.array([0.5]), np.array([[0.2]]), "best")

"""OKS and average precision on arrays: hand-made values, then pycocotools to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from coco_cases import CocoCase, draw_case, run_pycocotools

from kptdata.errors import ArrayError, OptionError
from kptdata.metrics.arrays import (
    AveragePrecision,
    OksTargets,
    Predictions,
    Truths,
    average_precision,
    match_instances,
    oks_matrix,
)

SIGMAS = np.array([0.1, 0.2])


def truths(xy, image=None, *, area=2500.0, crowd=False, category=0):
    xy = np.asarray(xy, dtype=float)
    count = len(xy)
    labelled = ~np.isnan(xy).any(axis=-1)
    return Truths(
        xy=xy,
        labelled=labelled,
        image=np.zeros(count, int) if image is None else np.asarray(image),
        area=np.full(count, area),
        bbox=np.tile([0.0, 0.0, 50.0, 50.0], (count, 1)),
        crowd=np.full(count, crowd),
        empty=~labelled.any(axis=1),
        category=np.full(count, category),
    )


def predictions(xy, score, image=None, *, area=2500.0, category=0):
    xy = np.asarray(xy, dtype=float)
    return Predictions(
        xy=xy,
        image=np.zeros(len(xy), int) if image is None else np.asarray(image),
        score=np.asarray(score, dtype=float),
        area=np.full(len(xy), area),
        category=np.full(len(xy), category),
    )


POSE = [[10.0, 10.0], [40.0, 40.0]]
FAR = [[900.0, 900.0], [800.0, 800.0]]


def from_case(case: CocoCase) -> AveragePrecision:
    images = sorted(image["id"] for image in case.truth["images"])
    annotations, count = case.truth["annotations"], len(case.sigmas)
    points = np.array([a["keypoints"] for a in annotations], dtype=float).reshape(-1, count, 3)

    def column(key, dtype):
        return np.array([a[key] for a in annotations], dtype=dtype)

    found = np.array([r["keypoints"] for r in case.results], dtype=float).reshape(-1, count, 3)
    return average_precision(
        Truths(
            xy=points[..., :2].copy(),
            labelled=points[..., 2] > 0,
            image=np.searchsorted(images, column("image_id", int)),
            area=column("area", float),
            bbox=column("bbox", float).reshape(-1, 4),
            crowd=column("iscrowd", bool),
            empty=column("num_keypoints", int) == 0,
            category=column("category_id", int) - 1,
        ),
        Predictions(
            xy=found[..., :2].copy(),
            image=np.searchsorted(images, [r["image_id"] for r in case.results]),
            score=np.array([r["score"] for r in case.results]),
            area=np.ptp(found[..., :2], axis=1).prod(axis=1),
            category=np.array([r["category_id"] for r in case.results]) - 1,
        ),
        case.sigmas,
        num_categories=len(case.truth["categories"]),
    )


@pytest.mark.parametrize("block", range(10))
def test_equals_pycocotools(block):
    """Ties in score, crowds, images without either side, no keypoints, areas on band borders."""
    for seed in range(block * 40, (block + 1) * 40):
        case = draw_case(seed)
        theirs, ours = run_pycocotools(case), from_case(case)

        np.testing.assert_array_equal(ours.precision, theirs.eval["precision"][..., 0])
        np.testing.assert_array_equal(ours.recall, theirs.eval["recall"][..., 0])
        stats = np.nan_to_num(list(ours.stats().values()), nan=-1)
        np.testing.assert_array_equal(stats, theirs.stats)


def test_random_cases_reach_the_corners():
    """What the cases are for must be in them."""
    cases = [draw_case(seed) for seed in range(100)]
    annotations = [a for case in cases for a in case.truth["annotations"]]

    assert any(a["iscrowd"] for a in annotations)
    assert any(a["num_keypoints"] == 0 for a in annotations)
    assert {1024.0, 9216.0} <= {a["area"] for a in annotations}
    assert any(not case.truth["annotations"] for case in cases)
    assert any(len({r["score"] for r in case.results}) < len(case.results) for case in cases)
    for rows in ([c.truth["annotations"] for c in cases], [c.results for c in cases]):
        assert any(
            {image["id"] for image in case.truth["images"]} - {row["image_id"] for row in mine}
            for case, mine in zip(cases, rows, strict=True)
        )


def test_oks_values():
    """One point at distance d: exp(-d^2 / (2 area (2 sigma)^2)); the other exact."""
    targets = OksTargets(
        np.array([POSE]), np.ones((1, 2), bool), np.array([100.0]), np.zeros((1, 4))
    )
    moved = np.array([POSE]) + np.array([[3.0, 4.0], [0.0, 0.0]])

    found = oks_matrix(targets, moved, SIGMAS)

    np.testing.assert_allclose(found, [[(np.exp(-25 / (2 * 100 * 0.04)) + 1) / 2]], rtol=1e-15)


def test_oks_without_labels_is_measured_to_the_grown_box():
    targets = OksTargets(
        np.full((1, 2, 2), np.nan),
        np.zeros((1, 2), bool),
        np.array([100.0]),
        np.array([[10.0, 10.0, 10.0, 10.0]]),
    )

    found = oks_matrix(targets, np.array([[[0.0, 0.0], [30.0, 30.0]], FAR]), SIGMAS)

    assert found[0, 0] == 1.0
    assert found[1, 0] < 1e-9


def test_oks_of_a_missing_prediction_is_zero():
    targets = OksTargets(
        np.array([POSE]), np.ones((1, 2), bool), np.array([100.0]), np.zeros((1, 4))
    )

    found = oks_matrix(targets, np.array([[[10.0, 10.0], [np.nan, np.nan]]]), SIGMAS)

    assert found.tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("found", "scores", "ap", "ar"),
    [
        pytest.param([POSE], [0.9], 1.0, 1.0, id="perfect"),
        pytest.param([FAR, POSE], [0.9, 0.5], 0.5, 1.0, id="false-one-first"),
        pytest.param([POSE, POSE], [0.9, 0.5], 1.0, 1.0, id="copy-after-the-hit"),
        pytest.param([FAR], [0.9], 0.0, 0.0, id="nothing-found"),
        pytest.param(np.empty((0, 2, 2)), [], 0.0, 0.0, id="no-predictions"),
    ],
)
def test_ap_of_one_ground_truth(found, scores, ap, ar):
    result = average_precision(truths([POSE]), predictions(found, scores), SIGMAS)

    assert result.ap() == pytest.approx(ap, abs=1e-15)
    assert result.ar() == ar


def test_undefined_is_nan_and_counted():
    result = average_precision(truths([POSE], area=2500.0), predictions([POSE], [1.0]), SIGMAS)

    assert np.isnan(result.ap("large"))
    assert result.counts["large"].counted == 0
    assert result.counts["large"].outside == 1
    assert result.stats()["AP_M"] == pytest.approx(1.0, abs=1e-15)


def test_counts_add_up():
    both = truths([POSE, FAR, [[np.nan] * 2] * 2], image=[0, 1, 2])
    both = both._replace(crowd=np.array([False, True, False]))

    result = average_precision(both, predictions([POSE], [1.0]), SIGMAS)

    for count in result.counts.values():
        assert count.counted + count.crowd + count.empty + count.outside == 3
    assert result.counts["all"] == (1, 1, 1, 0, 1, 0)


def test_crowd_takes_any_number():
    result = average_precision(
        truths([FAR, POSE], image=[0, 0])._replace(crowd=np.array([False, True])),
        predictions([POSE, POSE, FAR], [0.9, 0.8, 0.7]),
        SIGMAS,
    )

    assert result.ap() == pytest.approx(1.0, abs=1e-15)
    assert result.counts["all"].matched_ignored == 2


def test_max_dets_leaves_the_rest_out():
    found = predictions([FAR] * 20 + [POSE], np.linspace(1, 0.1, 21))

    assert average_precision(truths([POSE]), found, SIGMAS).ar() == 0.0
    assert average_precision(truths([POSE]), found, SIGMAS, max_dets=21).ar() == 1.0
    assert average_precision(truths([POSE]), found, SIGMAS).beyond_max_dets == 1


def test_unmatchable_ground_truth_is_taken_and_never_hit():
    """Pycocotools and annotation id 0."""
    marked = truths([POSE])._replace(unmatchable=np.array([True]))

    assert average_precision(marked, predictions([POSE], [1.0]), SIGMAS).ar() == 0.0


def test_matching_gives_each_ground_truth_once():
    found = predictions([POSE, FAR, POSE], [0.5, 0.6, 0.9])

    assert match_instances(truths([POSE, FAR]), found, SIGMAS).tolist() == [-1, 1, 0]


def test_images_and_categories_do_not_mix():
    found = predictions([POSE], [1.0], image=[1])

    assert average_precision(truths([POSE], image=[0]), found, SIGMAS).ar() == 0.0
    other = predictions([POSE], [1.0], category=1)
    assert average_precision(truths([POSE]), other, SIGMAS, num_categories=2).ar() == 0.0


def test_inputs_stay_as_they_are():
    case = draw_case(3)
    one, other = from_case(case), from_case(case)
    given, found = truths([POSE, FAR]), predictions([POSE], [1.0])
    before = [column.copy() for column in (*given[:-1], *found)]

    average_precision(given, found, SIGMAS)

    for column, old in zip((*given[:-1], *found), before, strict=True):
        np.testing.assert_array_equal(column, old)
    np.testing.assert_array_equal(one.precision, other.precision)


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        (np.array([0.1]), "sigmas: expected 2 numbers, one per keypoint, got 1"),
        (np.array([0.1, 0.0]), "sigmas: expected finite numbers above 0, got 0.0 for keypoint 1"),
        (np.array([-0.1, 0.1]), "got -0.1 for keypoint 0"),
        (np.array([0.1, np.nan]), "got nan for keypoint 1"),
    ],
)
def test_bad_sigmas_are_refused(sigmas, message):
    with pytest.raises(OptionError, match=message):
        average_precision(truths([POSE]), predictions([POSE], [1.0]), sigmas)


def test_nan_score_is_refused():
    with pytest.raises(
        OptionError, match=r"predictions.score: expected numbers, got NaN in 1 rows"
    ):
        average_precision(truths([POSE]), predictions([POSE], [np.nan]), SIGMAS)


def test_wrong_shapes_are_named():
    with pytest.raises(ArrayError, match=r"predictions.xy: expected shape \(1, 2, 2\)"):
        average_precision(truths([POSE]), predictions([[*POSE, *POSE]], [1.0]), SIGMAS)

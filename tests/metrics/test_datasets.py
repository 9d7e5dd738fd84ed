"""`evaluate` on datasets: what is matched with what, which figures come out, what is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from coco_cases import draw_case, run_pycocotools

import kptdata as kd
from kptdata.errors import DatasetError, OptionError, UnknownNameError
from kptdata.metrics import METRICS, Scoring, evaluate
from kptdata.metrics.datasets import AREAS, DETAILS, parse_metric

COCO = kd.load_schema("coco")
IMAGES = kd.ImageTable.of(["a.jpg", "b.jpg"], id=[7, 8])


def poses(count, schema=COCO, seed=0):
    return np.random.default_rng(seed).uniform(0, 200, (count, schema.num_keypoints, 2))


def people(xy, image=(0, 0, 1), *, schema=COCO, images=IMAGES, **columns):
    """Ground truth: fully visible people with ids 11, 12, ... and boxes of 200 x 100 pixels."""
    count = len(xy)
    given = {
        "visibility": np.full(xy.shape[:2], kd.Visibility.VISIBLE),
        "bbox": np.tile([0.0, 0.0, 200.0, 100.0], (count, 1)),
        "area": np.full(count, 10_000.0),
        "id": np.arange(11, 11 + count),
    }
    return kd.PoseDataset(
        schema=schema, images=images, image=np.array(image), xy=xy, **(given | columns)
    )


def answers(xy, image=(0, 0, 1), *, schema=COCO, images=IMAGES, **columns):
    """Predictions with scores from 0.9 down, in the order of the ground truth."""
    given = {
        "visibility": np.full(xy.shape[:2], kd.Visibility.LABELLED),
        "score": np.linspace(0.9, 0.1, len(xy)),
    }
    return kd.PoseDataset(
        schema=schema, images=images, image=np.array(image), xy=xy, **(given | columns)
    )


XY = poses(3)
TRUTH = people(XY)


def said(found, text):
    facts = [*found.facts, *(fact for result in found.results for fact in result.facts)]
    return [fact for fact in facts if text in fact]


# Average precision


@pytest.mark.parametrize("seed", range(100, 130))
def test_files_equal_pycocotools(seed, tmp_path):
    """T17: the same JSON files, read by us, evaluated by us."""
    case = draw_case(seed)
    (tmp_path / "truth.json").write_text(json.dumps(case.truth))
    (tmp_path / "results.json").write_text(json.dumps(case.results))

    truth = kd.read(tmp_path / "truth.json", format="coco")
    predictions = kd.read(tmp_path / "results.json", format="coco_results", schema=truth.schema)
    found = evaluate(truth, predictions, sigmas=case.sigmas)

    stats = [figure.value for figure in found.results[0].figures]
    np.testing.assert_array_equal(np.nan_to_num(stats, nan=-1), run_pycocotools(case).stats)


def test_annotation_zero_counts_unless_the_reference_is_asked_for():
    truth = people(XY, id=np.array([0, 1, 2]))

    assert evaluate(truth, answers(XY))["AR"] == 1.0
    found = evaluate(truth, answers(XY), reference=True)
    assert found["AR"] == pytest.approx(2 / 3)
    assert said(found, "annotation id 0: never matched, as in pycocotools")
    original = kd.evaluators.evaluate_with("pycocotools", truth, answers(XY))
    assert found["AP"] == original["AP"]


@pytest.mark.parametrize("block", range(4))
def test_reference_takes_every_deviation_back(block, tmp_path):
    """Annotation id 0, repeated ids, areas of nothing, num_keypoints that are not so."""
    for seed in range(300 + 15 * block, 300 + 15 * (block + 1)):
        case = plant(draw_case(seed), np.random.default_rng(seed))
        (tmp_path / "truth.json").write_text(json.dumps(case.truth))
        (tmp_path / "results.json").write_text(json.dumps(case.results))

        truth = kd.read(tmp_path / "truth.json", format="coco")
        predictions = kd.read(tmp_path / "results.json", format="coco_results", schema=truth.schema)
        found = evaluate(truth, predictions, sigmas=case.sigmas, reference=True)

        stats = [figure.value for figure in found.results[0].figures]
        np.testing.assert_array_equal(np.nan_to_num(stats, nan=-1), run_pycocotools(case).stats)


def plant(case, rng):
    """Spoil some annotations in ways in which ours differs from pycocotools unless told not to."""
    annotations = case.truth["annotations"]
    for spoil in rng.permutation(4)[:2] if len(annotations) > 2 else ():
        one = annotations[rng.integers(len(annotations))]
        if spoil == 0:
            one["id"] = 0
        elif spoil == 1:
            one["id"] = annotations[rng.integers(len(annotations))]["id"]
        elif spoil == 2:
            one["area"] = float(rng.choice([0, 0.5, 1]))
        else:
            one["num_keypoints"] = int(rng.integers(0, 3))
    if rng.random() < 0.3:
        for result in case.results:
            result["bbox"] = [0, 0, *rng.choice([31.0, 32.0, 33.0, 96.0], 2).tolist()]
    return case


def test_repeated_ids_count_unless_the_reference_is_asked_for():
    truth = people(XY, id=np.array([5, 5, 6]))

    found = evaluate(truth, answers(XY))
    assert found["AR"] == 1.0
    assert said(found, "1 annotations repeat the id of another: each counts on its own")
    assert evaluate(truth, answers(XY), reference=True)["AR"] == pytest.approx(2 / 3)


def test_stated_num_keypoints_decides_and_is_counted():
    truth = people(XY, extras={"num_keypoints": kd.RawColumn([b"0", b"17", b"17"])})

    found = evaluate(truth, answers(XY))

    assert found.results[0].counts["bands"]["all"]["empty"] == 1
    assert said(found, "1 ground truths state a num_keypoints that is not so")


def test_undefined_figures_say_why():
    found = evaluate(TRUTH, answers(XY))

    figure = next(f for f in found.results[0].figures if f.name == "AP_M")
    assert str(figure) == "n/a (0 ground truths)"
    assert figure.to_dict() == {
        "name": "AP_M",
        "value": None,
        "unit": "",
        "why": "0 ground truths",
    }
    assert "\noks,AP_M,,\n" in found.to_csv()
    json.dumps(found.to_dict(), allow_nan=False)


def test_account_of_bands_adds_up():
    truth = people(XY, iscrowd=np.array([0, 1, 0]), area=np.array([10_000.0, 10_000.0, 2_000.0]))

    bands = evaluate(truth, answers(XY)).results[0].counts["bands"]

    assert bands["all"]["counted"] == 2
    for count in bands.values():
        assert sum(count[k] for k in ("counted", "crowd", "empty", "outside")) == 3


def test_details_per_keypoint_category_and_size():
    moved = XY.copy()
    moved[:, 0] += 500
    truth = people(XY, category=np.array([1, 1, 2]), categories={1: "cat", 2: "dog", 3: "cow"})
    predictions = answers(moved, category=np.array([1, 1, 2]))

    found = evaluate(truth, predictions, details=DETAILS)

    assert found["AP[nose]"] == 0.0
    assert found["AP[left_eye]"] == pytest.approx(1.0)
    assert found["AP[cat]"] == pytest.approx(found["AP[dog]"])
    assert np.isnan(found["AP[cow]"])
    assert np.isnan(found["AP[small]"])
    with pytest.raises(OptionError, match="details: expected any of keypoint, category, size"):
        evaluate(truth, predictions, details=["colour"])


def test_prediction_of_another_category_is_left_out():
    truth = people(XY, category=np.ones(3, int), categories={1: "person"})

    found = evaluate(truth, answers(XY, category=np.array([1, 1, 2])))

    assert found["AR"] == pytest.approx(2 / 3)
    assert said(found, "1 predictions are of a category that the ground truth does not have")


def test_ground_truth_of_an_unlisted_category():
    """As pycocotools, but not silently; metrics of points do not ask for a list."""
    truth = people(XY, category=np.array([4, 4, 1]), categories={1: "person"})
    predictions = answers(XY, category=np.array([4, 4, 1]))

    found = evaluate(truth, predictions, ["oks", "pck"])

    assert found.results[0].counts["bands"]["all"]["counted"] == 1
    assert said(found, "2 ground truths are of a category that their file does not list")
    assert found["PCK@0.2[bbox_max]"] == 100.0


def test_crowdpose_levels():
    schema = kd.load_schema("crowdpose")
    images = kd.ImageTable.of(
        ["a.jpg", "b.jpg", "c.jpg"],
        extras={"crowdIndex": kd.RawColumn([b"0.1", b"0.2", b"0.9"])},
    )
    xy = poses(3, schema)
    truth = people(xy, (0, 1, 2), schema=schema, images=images, area=None)
    predictions = answers(xy[:2], (0, 1), schema=schema, images=images)

    found = evaluate(truth, predictions, "crowdpose")

    assert found["AP_easy"] == pytest.approx(1.0)
    assert found["AP_medium"] == pytest.approx(1.0)
    assert found["AP_hard"] == 0.0
    assert said(found, "area of ground truths: box width x height x 0.53")
    with pytest.raises(DatasetError, match="crowdIndex on every image"):
        evaluate(TRUTH, answers(XY), "crowdpose")


def test_wholebody_parts():
    schema = kd.load_schema("coco_wholebody")
    xy = poses(3, schema)
    astray = xy.copy()
    astray[:, 17:23] += 900
    predictions = answers(astray, schema=schema, numbers={"foot_score": np.ones(3)})

    found = evaluate(people(xy, schema=schema), predictions, "wholebody")

    assert found["body AP"] == pytest.approx(1.0)
    assert found["foot AP"] == 0.0
    assert found["wholebody AP50"] == pytest.approx(1.0)
    assert said(found, "foot: 3 ground truths counted, 6 points, ranked by foot_score")
    with pytest.raises(DatasetError, match="schema 'coco' has no points of foot, face"):
        evaluate(TRUTH, answers(XY), "wholebody")


# Areas and sigmas


@pytest.mark.parametrize(
    ("area", "message"),
    [
        pytest.param(
            [0.0, 9e3, 9e3], "1 annotations have an area of 1 square pixel or less", id="0"
        ),
        pytest.param([9e3, 1.0, 9e3], "first id 12 with 1; .*--area box053", id="1"),
        pytest.param([9e3, 9e3, np.nan], "1 annotations have no area .*first id 13", id="missing"),
    ],
)
def test_areas_that_are_none_are_refused(area, message):
    """T1."""
    with pytest.raises(DatasetError, match=message):
        evaluate(people(XY, area=np.array(area)), answers(XY))


def test_areas_of_those_who_do_not_count_do_not_matter():
    truth = people(XY, area=np.array([0.0, 9e3, 9e3]), iscrowd=np.array([1, 0, 0]))

    assert evaluate(truth, answers(XY))["AR"] == 1.0


def test_tiny_areas_are_evaluated_on_request():
    truth = people(XY, area=np.array([0.5, 9e3, 9e3]))

    assert 0 < evaluate(truth, answers(XY), reference=True)["AP"] <= 1


def test_area_policies():
    polygon = json.dumps([[0, 0, 10, 0, 10, 20, 0, 20]]).encode()
    code = json.dumps({"counts": [3, 4, 5, 6], "size": [3, 6]}).encode()
    mask = _compressed([3, 4, 5, 6, 7, 80])
    text = json.dumps({"counts": mask, "size": [15, 7]}).encode()
    truth = people(XY, extras={"segmentation": kd.RawColumn([polygon, code, text])})
    wanted = {
        "annotation": [1e4] * 3,
        "mask": [200.0, 10.0, 90.0],
        "box053": [10_600.0] * 3,
        "box": [20_000.0] * 3,
        "hull": np.ptp(XY, axis=1).prod(axis=1),
    }

    from kptdata.metrics._datasets_oks import areas_of

    assert wanted.keys() == AREAS.keys()
    for policy, values in wanted.items():
        found = areas_of(truth, policy, np.ones(3, bool))
        np.testing.assert_allclose(found.values, values, err_msg=policy)
        stated = said(evaluate(truth, answers(XY), area=policy), f"(--area {policy})")
        assert len(stated) == 1
    with pytest.raises(OptionError, match="area: expected one of annotation, mask"):
        evaluate(TRUTH, answers(XY), area="circle")


def _compressed(runs):
    """COCO's text of run lengths, by pycocotools."""
    from pycocotools import mask

    bits = np.concatenate([np.full(n, i % 2) for i, n in enumerate(runs)]).astype(np.uint8)
    encoded = mask.encode(np.asfortranarray(bits.reshape(15, 7, order="F")))
    assert mask.area(encoded) == 90
    return encoded["counts"].decode()


def test_sigmas_by_name_and_their_source():
    schema = kd.Schema.from_names(["nose", "left_eye"], name="two")
    xy = poses(1, schema)
    truth = people(xy, (0,), schema=schema)
    predictions = answers(xy, (0,), schema=schema)

    with pytest.raises(OptionError, match=r"schema 'two' has none.*uniform:0.05.*borrow:<schema>"):
        evaluate(truth, predictions)
    assert said(evaluate(truth, predictions, sigmas="uniform:0.1"), "sigmas: uniform:0.1")
    borrowed = evaluate(truth, predictions, sigmas="borrow:coco")
    assert said(borrowed, "sigmas: borrowed from schema coco")
    assert said(evaluate(TRUTH, answers(XY)), "sigmas: schema coco, measured")


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        pytest.param(
            np.full(16, 0.1), r"expected 17 numbers.*got 16.*\(schema 'coco'\)", id="too-few"
        ),
        pytest.param("uniform:0", "above 0, got 0.0 for keypoint 0", id="zero"),
        pytest.param("uniform:-1", "above 0, got -1.0", id="negative"),
        pytest.param("uniform:nan", "above 0, got nan", id="nan"),
        pytest.param("uniform:much", "expected uniform:<number>, got uniform:much", id="no-number"),
        pytest.param("0.05", "expected uniform:<value> or borrow:<schema>, got '0.05'", id="bare"),
        pytest.param("borrow:mpii", "mpii has no point for nose, left_eye", id="no-such-point"),
        pytest.param(
            "borrow:lapa", "'lapa' has none to borrow|no point for", id="nothing-to-borrow"
        ),
    ],
)
def test_bad_sigmas(sigmas, message):
    """T2."""
    truth = people(XY)
    with pytest.raises(OptionError, match=message):
        evaluate(truth, answers(XY), sigmas=sigmas)


# Images


def test_images_by_file_name_where_ids_differ():
    images = kd.ImageTable.of(["val/b.jpg", "val/a.jpg"], id=[1, 2])

    found = evaluate(TRUTH, answers(XY, (1, 1, 0), images=images))

    assert found["AR"] == 1.0
    assert said(found, "images matched by file name")


def test_images_by_file_name_where_ids_mean_other_files():
    images = kd.ImageTable.of(["b.jpg", "a.jpg"], id=[7, 8])

    found = evaluate(TRUTH, answers(XY, (1, 1, 0), images=images))

    assert found["AR"] == 1.0
    assert said(found, "2 image ids mean other files in the ground truth")


def test_text_ids_are_compared_as_text():
    """T3."""
    images = kd.ImageTable.of(["", ""], id=["7", "8"])

    found = evaluate(TRUTH, answers(XY, images=images))

    assert found["AR"] == 1.0
    assert said(
        found, "image ids of the predictions are text such as '7': compared as text, 2 of 2"
    )


def test_file_names_as_ids():
    images = kd.ImageTable.of(["", ""], id=["a", "b.jpg"])

    assert evaluate(TRUTH, answers(XY, images=images))["AR"] == 1.0


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        pytest.param(
            [70, 80], r"3 predictions are on 2 images .* such as 7, 8, found 70, 80", id="other"
        ),
        pytest.param(
            [7, 80], "1 predictions are on 1 images .*--skip-unknown-images", id="one-other"
        ),
        pytest.param([11, 13], "ids of annotations .* are id and image_id swapped", id="swapped"),
        pytest.param(
            ["tensor(7)", "tensor(8)"], r"text of a tensor.*int\(image_id\), here 7", id="tensor"
        ),
    ],
)
def test_images_that_do_not_match_are_named(ids, message):
    """T3."""
    images = kd.ImageTable.of(["", ""], id=ids)
    with pytest.raises(DatasetError, match=message):
        evaluate(TRUTH, answers(XY, images=images))


def test_unknown_images_can_be_left_out():
    images = kd.ImageTable.of(["", ""], id=[7, 80])

    found = evaluate(TRUTH, answers(XY, images=images), skip_unknown_images=True)

    assert found["AR"] == pytest.approx(2 / 3)
    assert said(found, "1 predictions are on 1 images that the ground truth does not list")


def test_ground_truth_on_unlisted_images():
    assert said(evaluate(people(XY, (0, 0, -1)), answers(XY)), "1 ground truths name an image")
    truth = people(XY, (-1, -1, -1), id=np.array([7, 8, 7]))
    with pytest.raises(DatasetError, match="are id and image_id swapped"):
        evaluate(truth, answers(XY))


def test_two_images_with_one_id():
    images = kd.ImageTable.of(["a.jpg", "b.jpg"], id=[7, 7])
    with pytest.raises(DatasetError, match="image id 7 is listed twice"):
        evaluate(people(XY, images=images), answers(XY))


# Rows


def test_rows_by_answers():
    """In another order; one ground truth answered twice, one not at all, one unknown."""
    order = [2, 0, 0, 1]
    predictions = answers(
        XY[order] + np.array([0, 0, 50, 0])[:, None, None],
        np.array([0, 0, 1])[order],
        score=np.array([0.5, 0.9, 0.8, 0.1]),
        answers=np.array([13, 11, 11, 99]),
    )

    found = evaluate(TRUTH, predictions, "epe")

    assert found["EPE mean"] == 0.0
    assert said(found, "rows matched by answers")
    assert said(found, "1 predictions are for a ground truth that is not in the file")
    assert said(found, "1 predictions answer a ground truth that a better one answers")
    assert said(found, "1 of 3 ground truths have no prediction")


def test_who_has_no_score_answers_last():
    predictions = answers(
        np.stack([XY[0] + 50, XY[0], XY[0] + 90]),
        (0, 0, 0),
        score=np.array([np.nan, -5.0, np.nan]),
        answers=np.array([11, 11, 11]),
    )

    assert evaluate(TRUTH, predictions, "epe")["EPE mean"] == 0.0


def test_rows_by_oks():
    found = evaluate(TRUTH, answers(XY[[2, 1, 0]], (1, 0, 0)), ["pck", "epe"])

    assert found["PCK@0.2[bbox_max]"] == 100.0
    assert found["EPE median"] == 0.0
    assert said(found, "rows matched by OKS of at least 0.1")
    assert not said(found, "like no ground truth")


def test_predictions_that_are_like_nobody_are_counted():
    twice = answers(np.concatenate([XY, XY[:2]]), (0, 0, 1, 0, 0))

    found = evaluate(TRUTH, twice, "epe")

    assert said(found, "2 predictions are like no ground truth that was free: left out")


def test_rows_by_order_only_if_asked_for():
    shuffled = answers(XY[[1, 2, 0]])

    assert evaluate(TRUTH, shuffled, "epe", row_aligned=True)["EPE mean"] > 10
    with pytest.raises(DatasetError, match="3 ground truths and 2 predictions"):
        evaluate(TRUTH, answers(XY[:2], (0, 0)), "epe", row_aligned=True)


def test_answers_that_fit_nowhere():
    with pytest.raises(
        DatasetError, match="none of 3 answers is the id of a ground truth, first 1"
    ):
        evaluate(TRUTH, answers(XY, answers=np.array([1, 2, 3])), "epe")


# Points


def test_missing_predictions_are_wrong_and_counted():
    found = evaluate(TRUTH, answers(XY[:2], (0, 0)), ["pck@0.1", "auc"])

    assert found["PCK@0.1[bbox_max]"] == pytest.approx(200 / 3)
    assert found["AUC@30px"] == pytest.approx(2 / 3 * 19 / 20)
    assert found["EPE mean"] == 0.0
    assert said(found, "1 of 3 ground truths have no prediction")


def test_normalisers():
    """Boxes of 200 x 100; all points 20 px off."""
    off = answers(XY + np.array([20.0, 0.0]), answers=TRUTH.id)

    def nme(name):
        return evaluate(TRUTH, off, f"nme[{name}]")[f"NME[{name}]"]

    assert nme("bbox_max") == pytest.approx(20 / 200)
    assert nme("bbox_width") == pytest.approx(20 / 200)
    assert nme("bbox_height") == pytest.approx(20 / 100)
    assert nme("bbox_diagonal") == pytest.approx(20 / np.hypot(200, 100))
    assert nme("bbox_sqrt_area") == pytest.approx(20 / np.sqrt(20_000))
    torso = np.linalg.norm(XY[:, 11] - XY[:, 6], axis=1)
    assert nme("torso") == pytest.approx(np.mean(20 / torso))
    eyes = np.linalg.norm(XY[:, 1] - XY[:, 2], axis=1)
    assert nme("left_eye,right_eye") == pytest.approx(np.mean(20 / eyes))
    assert evaluate(TRUTH, off, "pck@0.15[bbox_height]")["PCK@0.15[bbox_height]"] == 0.0
    with pytest.raises(
        UnknownNameError, match=r"unknown normaliser 'torsoo': did you mean torso\?"
    ):
        nme("torsoo")
    with pytest.raises(UnknownNameError, match="unknown keypoint"):
        nme("left_eye,right_horn")


def test_instances_without_a_normaliser_are_counted():
    truth = people(XY, bbox=np.array([[0, 0, 10, 10.0], [np.nan] * 4, [0, 0, 0, 0.0]]))

    found = evaluate(truth, answers(XY, answers=truth.id), "pck")

    assert said(found, "2 ground truths have no bbox_max: left out")
    with pytest.raises(DatasetError, match="needs the box 'bbox', which no ground truth has"):
        evaluate(people(XY, bbox=None), answers(XY), "pck", area="annotation")


def test_pckh_needs_head_boxes():
    schema = kd.load_schema("mpii")
    xy = poses(3, schema)
    heads = np.tile([0.0, 0.0, 30.0, 40.0], (3, 1))  # head size 0.6 x 50 = 30
    near = answers(xy + np.array([14.0, 0.0]), schema=schema, answers=np.array([11, 12, 13]))

    found = evaluate(people(xy, schema=schema, boxes={"head": heads}), near, "pckh")

    assert found["PCKh@0.5 mean"] == pytest.approx(100.0)
    assert found["PCKh@0.1 mean"] == 0.0
    with pytest.raises(DatasetError, match="needs the box 'head'"):
        evaluate(people(xy, schema=schema), near, "pckh")


def test_head_size_is_mpiis_where_a_schema_states_none():
    schema = kd.Schema.from_names(["nose", "left_eye"], name="two")
    xy = poses(3, schema)
    heads = np.tile([0.0, 0.0, 30.0, 40.0], (3, 1))  # head size 0.6 x 50 = 30
    off = answers(
        xy + np.array([[16.0, 0.0], [14.0, 0.0]]), schema=schema, answers=np.array([11, 12, 13])
    )
    truth = people(xy, schema=schema)

    for measured in (
        truth.replace(boxes={"head": heads}),
        truth.replace(numbers={"head_size": np.full(3, 30.0)}),
    ):
        found = evaluate(measured, off, "pckh")

        assert found["PCKh@0.5 nose"] == 0.0
        assert found["PCKh@0.5 left_eye"] == 100.0


@pytest.mark.parametrize(
    ("name", "normaliser", "ends"),
    [("300w", "interocular", (36, 45)), ("coco_wholebody_hand", "palm", (0, 9))],
)
def test_normalisers_of_faces_and_hands(name, normaliser, ends):
    schema = kd.load_schema(name)
    xy = poses(3, schema)
    off = answers(xy + np.array([0.0, 10.0]), schema=schema, answers=np.array([11, 12, 13]))
    length = np.linalg.norm(xy[:, ends[0]] - xy[:, ends[1]], axis=1)

    found = evaluate(people(xy, schema=schema), off, f"nme[{normaliser}]")

    assert found[f"NME[{normaliser}]"] == pytest.approx(np.mean(10 / length))


def test_jhmdb_takes_the_predicted_torso_where_the_true_one_is_none():
    schema = kd.load_schema("jhmdb")
    xy = poses(3, schema)
    names = schema.normalisers["torso"].points
    xy[0, schema.index(names[0])] = xy[0, schema.index(names[1])]
    predictions = answers(poses(3, schema), schema=schema, answers=np.array([11, 12, 13]))

    found = evaluate(people(xy, schema=schema), predictions, "jhmdb")

    assert said(found, "1 torsos are shorter than 1 px")
    assert found["PCK@0.2[torso] elbow"] == 100.0


def test_mpjpe():
    xyz = np.random.default_rng(0).normal(0, 100, (3, 17, 3))
    truth = people(XY, xyz=xyz, space=kd.Space(unit="mm"))
    predictions = answers(XY, xyz=2 * xyz + [0.0, 0.0, 50.0], answers=truth.id)

    found = evaluate(truth, predictions, ["mpjpe", "n-mpjpe", "pa-mpjpe"])

    assert found["MPJPE"] > found["N-MPJPE"] > found["PA-MPJPE"]
    assert found["PA-MPJPE"] < 1e-9
    assert found.results[0].figures[0].unit == "mm"
    with pytest.raises(DatasetError, match="the predictions has no 3D points"):
        evaluate(truth, answers(XY), "mpjpe")


def test_mpjpe_leaves_out_who_has_no_prediction():
    xyz = np.random.default_rng(0).normal(0, 100, (3, 17, 3))
    truth = people(XY, xyz=xyz, space=kd.Space(unit="mm"))
    off = np.array([3.0, 100.0])[:, None, None] * [1.0, 0, 0]
    predictions = answers(XY[:2], (0, 0), xyz=xyz[[0, 2]] + off, answers=np.array([11, 13]))

    found = evaluate(truth, predictions, "mpjpe")

    assert found["MPJPE"] == pytest.approx(51.5)
    assert said(found, "34 points compared, alignment: none")


def test_pixel_errors_come_with_every_metric_of_points():
    found = evaluate(TRUTH, answers(XY), "pck")

    assert found["EPE mean"] == found["EPE median"] == 0.0


# Scores, suppression, odd predictions


def test_scoring_is_printed_and_works():
    twice = np.concatenate([XY, XY])
    predictions = answers(
        twice, (0, 0, 1, 0, 0, 1), keypoint_score=np.full((6, 17), 0.5), score=np.full(6, 0.8)
    )

    plain = evaluate(TRUTH, predictions)
    thinned = evaluate(TRUTH, predictions, scoring=Scoring.mmpose())

    assert said(plain, "score: as given; suppression: none")
    assert said(plain, "3 predictions repeat another of their image point for point")
    assert said(
        thinned,
        "score: bbox_keypoint (keypoint scores above 0.2); suppression: oks_nms at 0.9, "
        "3 of 6 dropped",
    )
    assert plain["AP"] < thinned["AP"]
    soft = evaluate(TRUTH, predictions, scoring=Scoring(nms="soft_oks_nms"))
    assert soft["AR"] == 1.0


def test_suppression_measures_by_boxes_where_there_are_some():
    """Points off by a little: alike at the size of the box, not at that of the pose."""
    xy = np.concatenate([XY[:1], XY[:1] + 15.0])
    boxes = np.array([[0, 0, 900.0, 900], [0, 0, 900.0, 900]])

    def left(**columns):
        found = evaluate(TRUTH, answers(xy, (0, 0), **columns), scoring=Scoring(nms="oks_nms"))
        return said(found, "suppression: oks_nms at 0.9")[0].rpartition(", ")[2]

    assert left() == "0 of 2 dropped"
    assert left(bbox=boxes) == "1 of 2 dropped"
    assert left(bbox=np.full((2, 4), np.nan)) == "0 of 2 dropped"


def test_scoring_needs_what_it_uses():
    with pytest.raises(DatasetError, match="needs a score per keypoint"):
        evaluate(TRUTH, answers(XY), scoring=Scoring(mode="keypoint"))
    with pytest.raises(OptionError, match="scoring nms: expected one of oks_nms"):
        Scoring(nms="hard")


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (np.array([0.9, np.nan, 0.1]), "1 of 3 have a score that is NaN or missing, first row 1"),
        (None, "3 of 3 have no score"),
    ],
)
def test_scores_that_are_none(score, message):
    with pytest.raises(DatasetError, match=message):
        evaluate(TRUTH, answers(XY, score=score))


def test_points_need_no_score():
    predictions = answers(XY, score=None)

    assert evaluate(TRUTH, predictions, "epe")["EPE mean"] == 0.0


@pytest.mark.parametrize("metric", ["oks", "pck", "epe", "auc", "nme[bbox_max]"])
def test_no_predictions(metric):
    none = answers(np.empty((0, 17, 2)), np.empty(0, int))

    found = evaluate(TRUTH, none, metric)

    assert said(found, "there are no predictions")
    json.dumps(found.to_dict(), allow_nan=False)


def test_no_ground_truth():
    found = evaluate(TRUTH[:0], answers(XY), ["oks", "pck"])

    assert np.isnan(found["AP"])
    assert np.isnan(found["PCK@0.2[bbox_max]"])


def test_prediction_with_a_missing_point():
    xy = XY.copy()
    xy[0, 3] = np.nan
    states = np.full((3, 17), kd.Visibility.LABELLED)
    states[0, 3] = kd.Visibility.UNLABELLED

    found = evaluate(TRUTH, answers(xy, visibility=states), ["oks", "epe"])

    assert said(found, "50 points compared, 1 labelled points have no prediction")
    assert 0.9 < found["AP"] < 1


# Schemas and names


def test_predictions_are_mapped_by_name():
    back = kd.Schema.from_names(COCO.names[::-1], name="backwards")

    found = evaluate(TRUTH, answers(XY[:, ::-1], schema=back))

    assert found["AP"] == pytest.approx(1.0)
    assert said(found, "predictions mapped from schema backwards to coco by name")


def test_schemas_that_do_not_fit_are_refused():
    schema = kd.load_schema("mpii")
    with pytest.raises(DatasetError, match=r"the predictions \(mpii\) have no left_eye|no nose"):
        evaluate(TRUTH, answers(poses(3, schema), schema=schema))


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("oks", ("oks", None, None)),
        ("pck@0.05", ("pck", 0.05, None)),
        ("PCK@.1[torso]", ("pck", 0.1, "torso")),
        ("nme[left_eye,right_eye]", ("nme", None, "left_eye,right_eye")),
        ("pa-mpjpe", ("pa-mpjpe", None, None)),
    ],
)
def test_metric_names(text, spec):
    assert parse_metric(text)[1:] == spec


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("pckk", UnknownNameError, r"unknown metric 'pckk': did you mean pck"),
        ("pck@", OptionError, "expected name, name@threshold"),
        ("pck@0", OptionError, "expected a threshold above 0, got 0"),
        ("pck@1.2.3", OptionError, "expected a number after @, got '1.2.3'"),
        ("pck[torso]@0.2", OptionError, "expected name, name@threshold"),
    ],
)
def test_metric_names_that_are_none(text, error, message):
    with pytest.raises(error, match=message):
        evaluate(TRUTH, answers(XY), text)


def test_every_metric_is_on_its_page():
    page = (kd.__path__[0] + "/../docs/metrics.md").replace("kptdata/../", "")
    with open(page, encoding="utf-8") as file:  # noqa: PTH123
        text = file.read()

    for name in (*METRICS, *AREAS):
        assert f"| `{name}` |" in text


def test_inputs_stay_as_they_are():
    predictions = answers(XY)
    before = XY.copy()

    evaluate(TRUTH, predictions, ["oks", "pck", "epe"], scoring=Scoring(nms="oks_nms"))

    np.testing.assert_array_equal(XY, before)

"""COCO results: scores of points, images from ids, and what a list cannot hold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from coco_files import annotation, evaluate, ground_truth, parsed, same_json, save
from datasets import crowd

import kptdata as kd
from kptdata import FormatError, ImageTable, SchemaError, load_schema
from kptdata.formats import coco_results
from kptdata.visibility import Visibility

COCO = load_schema("coco")


def result(**changes: Any) -> dict[str, Any]:
    """Return one result; a change to `...` leaves the key out."""
    points = [v for k in range(17) for v in (10.5 * k, 20 + k, 0.0625 * k)]
    base = {"image_id": 7, "category_id": 1, "keypoints": points, "score": 0.5}
    return {key: value for key, value in (base | changes).items() if value is not ...}


def test_values(tmp_path):
    rows = [result(), result(image_id=3, bbox=[1, 2, 3, 4.5], score=0.25), result()]
    (ds,) = coco_results.read_all(save(rows, tmp_path / "r.json"), schema=COCO)

    assert ds.images.id.tolist() == [7, 3]
    assert ds.image.tolist() == [0, 1, 0]
    assert ds.score.tolist() == [0.5, 0.25, 0.5]
    assert (ds.visibility == Visibility.LABELLED).all()
    assert ds.xy[0, 0].tolist() == [0, 20]
    np.testing.assert_array_equal(ds.keypoint_score[0], np.arange(17) * 0.0625)
    np.testing.assert_array_equal(ds.bbox, [[np.nan] * 4, [1, 2, 3, 4.5], [np.nan] * 4])
    assert ds.id is None


RESULTS: dict[str, list[dict[str, Any]]] = {
    "as usual": [result(), result(image_id=3)],
    "nothing": [],
    "scores of any size": [result(keypoints=[1, 2, -3.5] * 17, score=-1), result(score=1e300)],
    "undetected points": [result(keypoints=[0, 0, 0] * 17)],
    "text ids": [result(image_id="a"), result(image_id="b"), result(image_id="a")],
    "ids of both kinds": [result(image_id="7"), result(image_id=7), result(image_id="7")],
    "odd ids": [result(image_id=i) for i in (1, None, ..., 1.5, True)],
    "no category": [result(category_id=...), result(category_id="person")],
    "no score": [result(score=...), result(score=None), result(score="0.5")],
    "other keys": [result(area=5, id=3, center=[1, 2], segmentation=[]), result(bbox=[])],
    "some without points": [result(), result(keypoints=...), result(keypoints=[])],
    "pairs": [result(keypoints=[[1, 2]] * 17)],
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_come_back(case, tmp_path):
    source, target = save(RESULTS[case], tmp_path / "a.json"), tmp_path / "b.json"

    report = coco_results.write_all(coco_results.read_all(source, schema=COCO), target)

    assert same_json(parsed(target), RESULTS[case])
    assert not report.lost
    assert not report.invented


def test_whole_bodies_come_back(tmp_path):
    parts = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    rows = [result(wholebody_score=0.5, **{k: [1.5, 2, 0.5] * n for k, n in parts.items()})]
    source, target = save(rows, tmp_path / "a.json"), tmp_path / "b.json"
    datasets = coco_results.read_all(source, schema=load_schema("coco_wholebody"))

    coco_results.write_all(datasets, target)

    assert datasets[0].keypoint_score[0, 17] == 0.5
    assert same_json(parsed(target), rows)


def test_boxes_alone_need_no_schema(tmp_path):
    source = save([result(keypoints=..., bbox=[1, 2, 3, 4])], tmp_path / "a.json")

    (ds,) = coco_results.read_all(source)

    assert ds.schema.num_keypoints == 0
    assert ds.bbox.tolist() == [[1, 2, 3, 4]]


def test_points_need_a_schema(tmp_path):
    source = save([result()], tmp_path / "a.json")
    with pytest.raises(SchemaError, match=r"17 names.*with 17 points: .*coco"):
        coco_results.read_all(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([result(), result(keypoints=[1] * 50)], r"annotations\[1\]: keypoints: wrong number"),
        ([result(id=8, keypoints="x")], r"annotation 8: keypoints: not a list of points"),
        ([1], r"annotations\[0\]: not a JSON object"),
        ({"annotations": []}, "not a list; expected a list of objects"),
        ([{"joints": [[1, 2]], "image": "a.jpg"}], r"no COCO results; .*found 'joints', 'image'"),
        (json.dumps([result()]).replace("0.5}", "NaN}"), "NaN is no JSON number"),
        (json.dumps([result()]).replace("0.5}", '0.5, "score": 1}'), "'score' stands there twice"),
    ],
)
def test_message(content, message, tmp_path):
    path = save(content, tmp_path / "a.json")
    with pytest.raises(FormatError, match=message) as caught:
        coco_results.read_all(path, schema=COCO)
    assert str(caught.value).startswith(str(path))


def test_predictions_are_evaluated(tmp_path):
    truth, results = tmp_path / "gt.json", tmp_path / "dt.json"
    ds = crowd(9)
    kd.write(ds, truth, format="coco")
    predicted = ds.replace(
        visibility=np.where(ds.labelled, np.uint8(Visibility.LABELLED), ds.visibility),
        keypoint_score=np.where(ds.labelled, 0.75, np.nan),
        score=np.linspace(0.1, 0.9, 9),
    )

    report = kd.write(predicted, results, format="coco_results")

    np.testing.assert_allclose(evaluate(truth, results)[0], 1.0)
    assert report.lost["unlabelled"] == int((~ds.labelled).sum())
    assert report.invented == {"category_id": 9}
    first = parsed(results)[0]["keypoints"][2::3]
    assert first == [0.75 if shown else 0 for shown in ds.labelled[0].tolist()]


def test_what_the_evaluator_needs_is_given_and_counted(tmp_path):
    report = kd.write(crowd(4), tmp_path / "a.json", format="coco_results")

    rows = parsed(tmp_path / "a.json")
    assert [row["score"] for row in rows] == [1] * 4
    assert [row["category_id"] for row in rows] == [1] * 4
    assert report.invented["score"] == 4
    assert report.invented["keypoint_score"] == int(crowd(4).labelled.sum())
    assert report.lost["file_name"] == 2
    assert "images" not in report.lost


def test_ground_truth_as_results_and_back(tmp_path):
    content = ground_truth(annotation(1), annotation(2, image_id=9))
    ds = kd.read(save(content, tmp_path / "a.json"), format="coco")

    kd.write(ds, tmp_path / "r.json", format="coco_results")
    found = kd.read(tmp_path / "r.json", schema="coco")

    np.testing.assert_array_equal(found.xy, ds.xy)
    assert found.images.id.tolist() == [7, 9]
    kd.write(found, tmp_path / "b.json", format="coco")
    assert parsed(tmp_path / "b.json")["annotations"][0]["iscrowd"] == 0


def test_images_without_results_are_counted(tmp_path):
    ds = crowd(1).replace(images=ImageTable.of(["a", "b", "c"]))
    assert kd.write(ds, tmp_path / "a.json", format="coco_results").lost["images"] == 2


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("[]", 0.2),
        ('[{"image_id": 1, "category_id": 1, "score": 1}]', 0.9),
        ('[{"image_id": 1}]', 0),
        ('{"image_id": 1, "category_id": 1, "score": 1}', 0),
    ],
)
def test_sniff(text, confidence, tmp_path):
    assert coco_results.sniff(save(text, tmp_path / "a.json")).confidence == confidence

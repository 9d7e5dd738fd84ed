"""A detector's boxes in the place of annotated ones: which count, and who is told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from kpt.commands.eval import command as evaluate
from kpt.commands.predict import command as predict

import kptdata as kd
from kptdata.errors import FileError, OptionError
from kptdata_models import detected_people
from kptdata_models.train import fit

PEOPLE = kd.PoseDataset(
    schema=kd.load_schema("coco"),
    images=kd.ImageTable.of(["a.jpg", "b.jpg"], id=[785, 40083], width=[640] * 2, height=[480] * 2),
    image=[0],
    xy=np.full((1, 17, 2), 5.0),
    visibility=np.full((1, 17), 2),
    category=[1],
    categories={1: "person"},
)
BOX = [10.0, 20.0, 100.0, 200.0]
MOVED = [20.0, 20.0, 100.0, 200.0]  # IoU with BOX: 90 / 110
ROWS = [
    {"image_id": 40083, "category_id": 1, "bbox": BOX, "score": 0.5},
    {"image_id": 785, "category_id": 1, "bbox": BOX, "score": 0.25},
    {"image_id": 785, "category_id": 1, "bbox": MOVED, "score": 0.75},
    {"image_id": 785, "category_id": 2, "bbox": BOX, "score": 1.0},
    {"image_id": 3, "category_id": 1, "bbox": BOX, "score": 1.0},
    {"image_id": 785, "category_id": 1, "bbox": [1, 2, 0, 4], "score": 1.0},
]


def written(tmp_path, rows):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2]),
        ({"score_threshold": 0.5}, [0, 2]),
        ({"nms": 90 / 110}, [0, 1, 2]),  # what overlaps no more than that stays
        ({"nms": 0.8}, [0, 2]),
        ({"nms": 0.8, "score_threshold": 0.8}, []),
    ],
)
def test_which_boxes_count(tmp_path, options, kept):
    found, ledger = detected_people(PEOPLE, written(tmp_path, ROWS), **options)

    assert found.bbox.tolist() == [ROWS[row]["bbox"] for row in kept]
    assert found.score.tolist() == [ROWS[row]["score"] for row in kept]
    assert found.images.id[found.image].tolist() == [ROWS[row]["image_id"] for row in kept]
    assert found.images.file_name.tolist() == ["a.jpg", "b.jpg"]
    assert found.id is None
    assert (ledger.total, ledger.kept) == (6, len(kept))
    assert {rule: len(ids) for rule, ids in ledger.skipped.items()} | {
        "another category": 1, "its image is not listed": 1, "no box with area": 1
    } == {rule: len(ids) for rule, ids in ledger.skipped.items()}  # fmt: skip


def test_a_file_about_other_images_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"boxes\.json: no box lies in a listed image"):
        detected_people(PEOPLE, written(tmp_path, [ROWS[4]]))


@pytest.mark.parametrize("name", ["nms", "score_threshold"])
def test_thresholds_are_fractions(tmp_path, name):
    with pytest.raises(OptionError, match=f"{name}: expected 0 to 1, got 2"):
        detected_people(PEOPLE, written(tmp_path, ROWS), **{name: 2})


def test_boxes_without_scores_have_no_threshold(tmp_path):
    kd.write(PEOPLE.replace(bbox=[BOX]), tmp_path / "plain.json", format="coco")
    found, _ = detected_people(PEOPLE, tmp_path / "plain.json")
    assert found.score.tolist() == [1.0]
    with pytest.raises(OptionError, match="has no scores"):
        detected_people(PEOPLE, tmp_path / "plain.json", nms=0.5)


def test_the_detector_of_the_samples(shared):
    folder = shared / "samples" / "coco"
    people = kd.read(folder / "test_coco.json")
    every, _ = detected_people(people, folder / "test_coco_det_AP_H_56.json")
    sure, ledger = detected_people(
        people, folder / "test_coco_det_AP_H_56.json", score_threshold=0.5, nms=0.5
    )
    assert len(every) == 118
    assert 0 < len(sure) < 118
    assert ledger.kept == len(sure)


def test_commands_look_into_detected_boxes(run, people, tmp_path):
    truth = kd.read(people / "val" / "annotations.json")
    images = people / "val" / "images"
    rows = [
        {
            "image_id": int(truth.images.id[truth.image[row]]), "category_id": 1,
            "bbox": truth.bbox[row].tolist(), "score": score,
        }
        for row in range(len(truth)) for score in (0.9, 0.3)
    ]  # fmt: skip
    boxes = written(tmp_path, rows)
    checkpoint = fit(run, tmp_path / "run").last
    annotations = str(people / "val" / "annotations.json")
    options = ["--boxes", str(boxes), "--box-score", "0.5", "--box-nms", "0.7"]

    done = CliRunner().invoke(
        evaluate, [str(checkpoint), annotations, "--images", str(images), *options, "--json"]
    )
    assert done.exit_code == 0, done.output
    assert f"boxes of {boxes}: {2 * len(truth)} in, " in done.stderr
    assert f"skipped {len(truth)}: its score is below 0.5" in done.stderr
    figures = {
        f["name"]: f["value"] for m in json.loads(done.stdout)["metrics"] for f in m["figures"]
    }
    assert "AP" in figures

    words = [str(checkpoint), str(images), "-o", str(tmp_path / "found.json")]
    done = CliRunner().invoke(predict, [*words, "--annotations", annotations, *options])
    assert done.exit_code == 0, done.output
    found = kd.read(tmp_path / "found.json", format="coco")
    assert 0 < len(found) <= len(truth)
    assert set(found.images.file_name) == set(truth.images.file_name)

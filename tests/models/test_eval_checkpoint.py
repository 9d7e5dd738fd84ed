"""``kpt eval CHECKPOINT GT``: a model is measured by the metrics that files are measured by."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from kpt.commands.eval import command

import kptdata as kd
from kptdata_models.predict import load
from kptdata_models.train import fit


@pytest.fixture
def checkpoint(run, tmp_path):
    return fit(run, tmp_path / "run").folder / "last.ckpt"


def test_figures_are_those_of_evaluate(checkpoint, people):
    truth = people / "val" / "annotations.json"
    words = [str(checkpoint), str(truth), "--images", str(people / "val" / "images")]

    done = CliRunner().invoke(command, [*words, "--metric", "oks", "--metric", "pck@0.5", "--json"])

    assert done.exit_code == 0, done.output
    metrics = json.loads(done.stdout)["metrics"]
    known = kd.read(truth)
    found = load(checkpoint).predict_dataset(known, people / "val" / "images").dataset
    expected = kd.metrics.evaluate(known, found, "pck@0.5")
    figures = {f["name"]: f["value"] for m in metrics for f in m["figures"]}
    assert figures["PCK@0.5[bbox_max]"] == pytest.approx(expected["PCK@0.5[bbox_max]"])
    assert figures["AP"] is not None
    facts = json.loads(done.stdout)["facts"]
    assert any("score: bbox_keypoint" in fact and "oks_nms at 0.9" in fact for fact in facts)
    assert f"predicting for {len(known)} of {len(known)} instances" in done.stderr


def test_people_without_boxes_are_refused(checkpoint, people, tmp_path):
    known = kd.read(people / "val" / "annotations.json")
    kd.write(known.replace(bbox=None, area=None), tmp_path / "loose.csv")
    words = [str(checkpoint), str(tmp_path / "loose.csv"), "--schema", "coco"]
    with pytest.raises(kd.OptionError, match="instances has a box to look into"):
        CliRunner().invoke(command, words, catch_exceptions=False)

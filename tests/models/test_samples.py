"""Real people: a run on COCO's and on MPII's samples trains, resumes, evaluates and draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from kpt.main import group

from kptdata_models.log import read_log
from kptdata_models.runfile import Run

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
COCO, MPII = SAMPLES / "coco-mini", SAMPLES / "mpii"

pytestmark = pytest.mark.skipif(not COCO.is_dir(), reason="the samples are not beside the checkout")

CASES = {
    "coco": (
        {
            name: {
                "annotations": str(COCO / f"person_keypoints_{name}2017.json"),
                "images": str(COCO / f"{name}2017"),
                "first": 12,
            }
            for name in ("train", "val")
        },
        {"metrics": ["oks"]},
        (86, 68),
    ),
    "mpii-mat": (
        {
            name: {"annotations": str(MPII / "mpii_release_sample.mat"), "images": str(MPII)}
            for name in ("train", "val")
        },
        {"metrics": ["oks", "pck@0.2"], "area": "box053"},
        (5, 5),
    ),
    "mpii-json": (
        {
            name: {"annotations": str(MPII / "test_mpii.json"), "images": str(MPII)}
            for name in ("train", "val")
        },
        {"metrics": ["pck@0.2"]},
        (5, 5),
    ),
    "mpii-trb": (
        {
            name: {
                "annotations": str(MPII / "test_mpii_trb.json"),
                "images": str(MPII),
                "boxes": "keypoints",
            }
            for name in ("train", "val")
        },
        {"metrics": ["pck@0.2"]},
        (5, 5),
    ),
}


def kpt(*words):
    return CliRunner().invoke(group, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.parametrize("case", CASES)
def test_a_run_on_real_people(case, plan, tmp_path):
    data, evaluation, kept = CASES[case]
    plan["data"] = data | {"transform": {"flip": 0.5, "half_body": 0.3, "scale": [0.8, 1.2]}}
    plan["eval"] = evaluation | {"flip_test": True}
    plan["train"] |= {"epochs": 1, "checkpoint_every": 2, "ema": 0.9}
    (tmp_path / "run.toml").write_text(Run.from_dict(plan).to_toml())
    out = tmp_path / "out"
    words = ["train", tmp_path / "run.toml", "-o", out]

    first = kpt(*words)
    second = kpt(*words, "--resume", "auto", "--set", "train.epochs=2")

    assert (first.exit_code, second.exit_code) == (0, 0)
    for place, count in zip(("data.train: ", "data.val: "), kept, strict=True):
        assert f"{count} kept" in next(
            line for line in first.output.splitlines() if line.startswith(place)
        )
    assert f"resumed from {out / 'last.ckpt'}" in second.output
    log = read_log(out / "metrics.csv")
    assert len(log["val/epe"]) == 2
    assert {f"val/{name}" for name in evaluation["metrics"]} <= set(log)
    names = sorted(path.name for path in (out / "samples").iterdir())
    assert names == ["epoch_0000.png", "epoch_0001.png"]

    if case == "mpii-trb":  # the file has no boxes, and commands make none
        return
    truth, images = data["val"]["annotations"], data["val"]["images"]
    figures = kpt(
        "eval", out / "best.ckpt", truth, "--images", images, "--metric", "pck@0.2", "--json"
    )
    assert figures.exit_code == 0
    assert 0 <= json.loads(figures.stdout)["metrics"][0]["figures"][0]["value"] <= 100
    drawn = kpt(
        "viz", "heatmaps", truth, "--images", images, "-o", tmp_path / "maps",
        "--checkpoint", out / "best.ckpt", "--limit", 2,
    )  # fmt: skip
    assert drawn.exit_code == 0
    assert len(list((tmp_path / "maps").iterdir())) == 2

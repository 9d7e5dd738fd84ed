"""``kpt train``, ``kpt model``, ``kpt predict``: thin, and clear about what is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from kpt.main import group

from kptdata import read, write
from kptdata.errors import OptionError
from kptdata_models.runfile import Run


def kpt(*words):
    return CliRunner().invoke(group, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def run_file(run: Run, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(run.to_toml())
    return path


def test_model_shows_stages_or_data(run_file):
    shown = kpt("model", run_file)
    assert shown.exit_code == 0
    assert "backbone.layer4" in shown.output
    assert "GFLOPs" in shown.output
    data = json.loads(kpt("model", run_file, "--json").stdout)
    assert data["input_size"] == [64, 64]
    assert data["stages"][-1]["shape"] == [[17, 16, 16]]
    with pytest.raises(OptionError, match=r"set model.head.in_channels = 32"):
        kpt("model", run_file, "--set", "model.head.in_channels=256")


def test_train_then_predict(run_file, people, tmp_path):
    out, images = tmp_path / "run", people / "val" / "images"
    trained = kpt("train", run_file, "-o", out, "--set", "train.epochs=1", "--overfit", 2)
    assert trained.exit_code == 0
    assert "data.train: " in trained.output
    assert f"best checkpoint: {out / 'best.ckpt'}" in trained.output

    checkpoint, found = out / "last.ckpt", tmp_path / "found.json"
    with pytest.raises(OptionError, match="--boxes FILE, or --boxes whole-image"):
        kpt("predict", checkpoint, images, "-o", found)

    truth = people / "val" / "annotations.json"
    maps = tmp_path / "maps.npz"
    words = ["predict", checkpoint, images, "-o", found]
    kpt(*words, "--boxes", truth, "--format", "coco", "--heatmaps", maps)
    known = read(truth, format="coco")
    assert len(read(found, format="coco")) == len(known)
    assert np.load(maps)["output0"].shape == (len(known), 17, 16, 16)

    kpt(*words, "--boxes", "whole-image")
    whole = read(found, format="coco")
    assert len(whole) == 4
    np.testing.assert_array_equal(whole.bbox, [[0, 0, 128, 128]] * 4)

    one = images / str(known.images.file_name[1])
    kpt("predict", checkpoint, one, "-o", found, "--boxes", truth, "--format", "coco")
    assert len(read(found, format="coco")) == (known.image == 1).sum()

    write(known[:0], tmp_path / "none.json", format="coco")
    options = ["--boxes", tmp_path / "none.json", "--format", "coco", "--heatmaps", maps]
    nobody = kpt(*words, *options)
    assert "0 instances" in nobody.output
    assert len(read(found, format="coco")) == 0
    assert np.load(maps)["output0"].shape == (0, 17, 16, 16)

    (tmp_path / "stranger.jpg").write_bytes(one.read_bytes())
    words = ["predict", checkpoint, tmp_path / "stranger.jpg", "-o", found]
    with pytest.raises(OptionError, match=r"--boxes: .* does not list stranger.jpg"):
        kpt(*words, "--boxes", truth, "--format", "coco")

"""Several processes: they end, and give the figures of one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kptdata.synth import synth
from kptdata_models.log import read_log
from kptdata_models.runfile import Run
from kptdata_models.train import fit


def single_module(words):
    return [sys.executable, "-m", "kpt", *words], 2


def torchrun(words):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [sys.executable, *launcher, "-m", "kpt", *words], 1


@pytest.mark.parametrize("launch", [single_module, torchrun])
def test_two_processes_validate_seven_images_as_one_does(plan, people, tmp_path, launch):
    synth(7, tmp_path / "seven", seed=3, size=(96, 96))
    plan["data"]["val"] |= {
        "annotations": str(tmp_path / "seven" / "annotations.json"),
        "images": str(tmp_path / "seven" / "images"),
    }
    plan["model"]["head"]["softmax"] = True
    # Without a step that changes anything, both kinds of run judge the same weights: nothing is
    # learnt, and frozen statistics do not see who is in whose batch.
    plan["model"]["backbone"]["norm_eval"] = True
    plan["model"]["head"] |= {"deconv_out_channels": [], "conv_out_channels": []}
    plan["codec"]["heatmap_size"] = [2, 2]
    plan["train"] |= {"epochs": 1, "lr": 0.0}
    single = fit(Run.from_dict(plan), tmp_path / "single")

    words = ["train", str(tmp_path / "run.toml"), "-o", str(tmp_path / "double")]
    command, plan["train"]["devices"] = launch(words)
    (tmp_path / "run.toml").write_text(Run.from_dict(plan).to_toml())
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr

    log = read_log(tmp_path / "double" / "metrics.csv")
    for name, value in single.metrics.items():
        (found,) = log[f"val/{name}"].values()
        assert abs(found - value) <= 1e-9, name
    assert done.stderr.count("best checkpoint: ") == 1
    steps = len(log["train/loss"])
    assert steps == -(-len(read_log(tmp_path / "single" / "metrics.csv")["train/loss"]) // 2)

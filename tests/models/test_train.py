"""Training: what a run leaves behind, that it can be repeated, killed and resumed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from kptdata.errors import DatasetError, FileError, KptDataError, OptionError
from kptdata_models.log import read_log
from kptdata_models.module import learning_rate_factor
from kptdata_models.runfile import Run, TrainSpec
from kptdata_models.train import fit

STEPS = "train/loss"


class KillAt(pl.Callback):
    """End the process as a power cut would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train_elsewhere(plan, out: Path, *, resume=None, step=None):
    """Train in a process of its own, ended at `step`."""
    if step is not None:
        plan = plan | {
            "train": plan["train"] | {"callbacks": [{"type": f"{__name__}:KillAt", "step": step}]}
        }
    code = (
        "import importlib.util, json, sys\n"
        f"spec = importlib.util.spec_from_file_location({__name__!r}, {__file__!r})\n"
        f"module = importlib.util.module_from_spec(spec); sys.modules[{__name__!r}] = module\n"
        "spec.loader.exec_module(module)\n"
        "from kptdata_models.runfile import Run\n"
        "from kptdata_models.train import fit\n"
        f"fit(Run.from_dict({plan!r}), {str(out)!r}, resume={resume!r})\n"
    )
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def test_a_run_leaves_its_file_log_checkpoints_and_pictures(run, tmp_path):
    said = []

    result = fit(run, tmp_path / "out", say=said.append)

    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"run.toml", "metrics.csv", "last.ckpt", "best.ckpt", "samples", "tensorboard"} == names
    assert len(list((tmp_path / "out" / "samples").iterdir())) == 2
    assert said[0].startswith("data.train: ")
    assert " kept" in said[0]
    log = read_log(tmp_path / "out" / "metrics.csv")
    assert set(log) == {
        "train/loss",
        "train/loss_kpt",
        "train/acc_pose",
        "val/pck",
        "val/epe",
    }
    assert result.metrics["pck"] == list(log["val/pck"].values())[-1]


def test_the_same_seed_gives_the_same_losses(plan, tmp_path):
    logs = []
    for name, workers in (("a", 0), ("b", 2)):
        plan["train"]["workers"] = workers
        fit(Run.from_dict(plan), tmp_path / name)
        logs.append(read_log(tmp_path / name / "metrics.csv")[STEPS])
    assert logs[0] == logs[1]
    plan["seed"] = 1
    fit(Run.from_dict(plan), tmp_path / "c")
    assert read_log(tmp_path / "c" / "metrics.csv")[STEPS] != logs[0]


@pytest.mark.parametrize(
    ("options", "step"),
    [
        pytest.param({"checkpoint_every": 2, "ema": 0.9}, 8, id="within-an-epoch"),
        pytest.param({"warmup_steps": 4, "schedule": "cosine"}, 8, id="after-an-epoch"),
        pytest.param({}, 2, id="before-the-first-checkpoint"),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(plan, tmp_path, options, step):
    plan["train"] |= options | {"epochs": 3}
    fit(Run.from_dict(plan), tmp_path / "whole")
    killed = train_elsewhere(plan, tmp_path / "killed", step=step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    fit(Run.from_dict(plan), tmp_path / "killed", resume="auto")

    whole = read_log(tmp_path / "whole" / "metrics.csv")
    resumed = read_log(tmp_path / "killed" / "metrics.csv")
    assert resumed.keys() == whole.keys()
    assert len(whole[STEPS]) > step
    for name, values in whole.items():
        assert resumed[name].keys() == values.keys()
        for at, value in values.items():
            assert resumed[name][at] == pytest.approx(value, abs=1e-7, nan_ok=True), (name, at)


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("head", ["HeatmapHead", "RLEHead"])
def test_options_work_together(plan, tmp_path, precision, head):
    plan["train"] |= {
        "precision": precision,
        "clip_grad_norm": 1.0,
        "accumulate": 2,
        "ema": 0.9,
        "schedule": "multistep",
        "milestones": [1],
        "warmup_steps": 2,
        "optimizer": "SGD",
    }
    plan["eval"] = {"flip_test": True, "batch_size": 3}
    if head == "RLEHead":
        plan["model"] |= {"neck": {"type": "GlobalAveragePooling"}, "head": {"type": head}}
        plan["codec"] = {"type": "RegressionLabel", "input_size": [64, 64]}
    result = fit(Run.from_dict(plan), tmp_path / "out")
    log = read_log(tmp_path / "out" / "metrics.csv")
    assert all(map(math.isfinite, log[STEPS].values()))
    assert 0 <= result.metrics["pck"] <= 1


def test_learning_rate_follows_the_schedule():
    multistep = TrainSpec(schedule="multistep", milestones=(2, 3), gamma=0.1, warmup_steps=3)
    rates = [learning_rate_factor(multistep, step, 40, 10) for step in (0, 1, 3, 19, 20, 30)]
    assert rates == pytest.approx([0.25, 0.5, 1, 1, 0.1, 0.01])
    cosine = TrainSpec(schedule="cosine")
    rates = [learning_rate_factor(cosine, step, 40, 10) for step in (0, 10, 20, 40, 50)]
    assert rates == pytest.approx([1, (1 + 2**-0.5) / 2, 0.5, 0, 0])
    assert learning_rate_factor(TrainSpec(), 7, 40, 10) == 1


def test_training_learns(plan, tmp_path):
    plan["train"] |= {"epochs": 30, "lr": 5e-3, "val_every": 30}
    plan["data"]["transform"] = {}
    result = fit(Run.from_dict(plan), tmp_path / "out", overfit=2)
    log = read_log(tmp_path / "out" / "metrics.csv")[STEPS]
    assert log[29] < log[0] / 2
    assert set(result.metrics) == {"pck", "epe"}


def test_a_folder_in_use_is_refused(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(FileError, match=r"not empty.*--resume auto"):
        fit(run, tmp_path / "out")


class NotANumber(torch.nn.MSELoss):
    def forward(self, output, target, weights):
        del target, weights
        return output.sum() * float("nan")


def test_a_folder_that_cannot_be_made_is_refused(run, tmp_path):
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(FileError, match=r"taken.*: cannot be made: .* \(-o\)"):
        fit(run, tmp_path / "taken" / "run")


def test_a_loss_that_is_not_finite_names_the_samples(plan, tmp_path):
    plan["model"]["head"]["loss"] = {"type": f"{__name__}:NotANumber"}
    with pytest.raises(DatasetError, match=r"not finite at step 0.*instances .*\.jpg"):
        fit(Run.from_dict(plan), tmp_path / "out")


def test_a_checkpoint_of_another_schema_is_refused(plan, people, tmp_path):
    first = fit(Run.from_dict(plan), tmp_path / "a")
    for name in ("train", "val"):
        plan["data"][name] = {
            "type": f"{__name__}:mpii_people",
            "options": {"folder": str(people / name)},
            "images": str(people / name / "images"),
        }
    with pytest.raises(OptionError, match=r"predicts 17 keypoints of 'coco'.* 16 of 'mpii'"):
        fit(Run.from_dict(plan), tmp_path / "b", resume=first.last)


def mpii_people(folder):
    """Return the people of a folder under MPII's names."""
    import kptdata as kd

    dataset = kd.read(Path(folder) / "annotations.json", format="coco")
    return kd.ops.map_schema(dataset, kd.load_schema("mpii"))[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["codec"].update(sigma=0), "codec.sigma: expected a positive number"),
        (lambda p: p["codec"].update(input_size=[70, 64]), r"set codec.input_size = \[96, 64\]"),
        (lambda p: p["model"]["head"].update(out_channels=5), "set model.head.out_channels = 17"),
        (lambda p: p["data"]["train"].update(images="/nowhere"), "no such folder"),
        (lambda p: p["train"].update(optimiser="SGD"), r"\[train\].*did you mean optimizer"),
        (lambda p: p["train"].update(callbacks=[{"type": "builtins:int"}]), "Lightning callback"),
    ],
    ids=["sigma", "stride", "keypoints", "folder", "key", "callback"],
)
def test_mistakes_are_found_before_the_first_step(plan, tmp_path, change, message):
    change(plan)
    with pytest.raises(KptDataError, match=message):
        fit(Run.from_dict(plan), tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.csv").exists()


def test_missing_images_are_counted_or_refused(plan, people, tmp_path):
    import shutil

    images = tmp_path / "images"
    shutil.copytree(people / "train" / "images", images)
    sorted(images.iterdir())[0].unlink()
    plan["data"]["train"]["images"] = str(images)
    with pytest.raises(FileError, match=r"1 of 6 images that data.train names are not there"):
        fit(Run.from_dict(plan), tmp_path / "out")
    plan["data"]["train"]["missing_images"] = "skip"
    said = []
    fit(Run.from_dict(plan), tmp_path / "out", say=said.append)
    assert "its image is not in the folder" in said[0]

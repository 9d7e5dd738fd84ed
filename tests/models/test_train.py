"""Training: what a run leaves behind, that it can be repeated, killed and resumed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

import kptdata as kd
from kptdata.errors import DatasetError, FileError, KptDataError, OptionError
from kptdata_models import load
from kptdata_models.backbones import ResNet
from kptdata_models.checkpoint import KEY
from kptdata_models.log import read_log
from kptdata_models.module import learning_rate_factor
from kptdata_models.runfile import Run, TrainSpec
from kptdata_models.train import fit

STEPS = "train/loss"
STEM = "model.backbone.conv1.weight"


class KillAt(pl.Callback):
    """End the process as a power cut would."""

    def __init__(self, step: int, batch: int = 0) -> None:
        self.step = step
        self.batch = batch  # of those that are gathered for the step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        gathered = batch_idx % pl_module.run.train.accumulate
        if (trainer.global_step, gathered) == (self.step, self.batch):
            os.kill(os.getpid(), signal.SIGKILL)


class WithDropout(ResNet):
    """A backbone whose training draws at random."""

    def forward(self, x):
        return tuple(torch.nn.functional.dropout(m, 0.2, self.training) for m in super().forward(x))


def train_elsewhere(plan, out: Path, *, resume=None, step=None):
    """Train in a process of its own, ended at `step`, in the last of its batches."""
    if step is not None:
        batch = plan["train"].get("accumulate", 1) - 1
        end = {"type": f"{__name__}:KillAt", "step": step, "batch": batch}
        plan = plan | {"train": plan["train"] | {"callbacks": [end]}}
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
        pytest.param({"checkpoint_every": 2, "ema": 0.9}, "middle", id="within-an-epoch"),
        pytest.param({"checkpoint_every": 1, "accumulate": 2}, 3, id="within-a-step"),
        pytest.param(
            {"warmup_steps": 4, "schedule": "cosine", "channels_last": True},
            8,
            id="after-an-epoch",
        ),
        pytest.param({}, 2, id="before-the-first-checkpoint"),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(plan, tmp_path, options, step):
    plan["train"] |= options | {"epochs": 3}
    plan["model"]["backbone"]["type"] = f"{__name__}:WithDropout"
    fit(Run.from_dict(plan), tmp_path / "whole")
    per_epoch = len(read_log(tmp_path / "whole" / "metrics.csv")[STEPS]) // 3
    if step == "middle":
        # The last checkpoint is of this very step, in the middle of an epoch.
        step = next(s for s in range(per_epoch + 2, 2 * per_epoch - 1) if s % 2 == 0)
    killed = train_elsewhere(plan, tmp_path / "killed", step=step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    fit(Run.from_dict(plan), tmp_path / "killed", resume="auto")

    whole = read_log(tmp_path / "whole" / "metrics.csv")
    resumed = read_log(tmp_path / "killed" / "metrics.csv")
    assert resumed.keys() == whole.keys()
    assert len(whole[STEPS]) > step
    rows = (tmp_path / "killed" / "metrics.csv").read_text().splitlines()
    assert len(rows) == len(set(rows)) == 1 + sum(map(len, whole.values()))
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


def test_channels_last_changes_nothing_but_rounding(plan, tmp_path):
    logs = []
    for channels_last in (False, True):
        plan["train"] |= {"channels_last": channels_last, "epochs": 1}
        out = tmp_path / str(channels_last)
        result = fit(Run.from_dict(plan), out)
        logs.append(read_log(out / "metrics.csv"))
        weight = torch.load(result.last, weights_only=True)["state_dict"][STEM]
        assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    for one, other in zip(*(log[STEPS].values() for log in logs), strict=True):
        assert other == pytest.approx(one, rel=1e-3)


def test_batches_of_a_step_draw_differently(plan, tmp_path):
    drawn = []
    plan["train"] |= {"epochs": 2, "accumulate": 2, "callbacks": [{"type": f"{__name__}:Draws"}]}
    Draws.seen = drawn
    fit(Run.from_dict(plan), tmp_path / "out")
    assert len(drawn) == len(set(drawn)) > 4


class Draws(pl.Callback):
    """Note what the first random number of each batch would be."""

    seen: list[float]

    def on_before_backward(self, *_):
        self.seen.append(torch.rand(()).item())


def test_the_average_follows_every_step_of_the_optimizer(plan, tmp_path):
    plan["train"] |= {"epochs": 1, "ema": 0.5, "accumulate": 4, "batch_size": 2}
    plan["train"]["callbacks"] = [{"type": f"{__name__}:Weights"}]
    Weights.seen = []
    result = fit(Run.from_dict(plan), tmp_path / "out")
    start, *after = Weights.seen
    expected = start
    for step, weight in enumerate(after, 1):
        expected = torch.lerp(expected, weight, 1 - min(0.5, (1 + step) / (10 + step)))
    content = torch.load(result.last, weights_only=True)
    assert content["global_step"] == len(after) > 1
    torch.testing.assert_close(content[KEY]["ema"][Weights.name], expected)


class Weights(pl.Callback):
    """Keep one weight as it is at the start and after each step of the optimizer."""

    name = "model.head.final_layer.weight"
    seen: list[torch.Tensor]

    def on_train_start(self, trainer, pl_module):
        self.steps = 0
        self.seen.append(pl_module.state_dict()[self.name].clone())

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step != self.steps:
            self.steps = trainer.global_step
            self.seen.append(pl_module.state_dict()[self.name].clone())


def test_clipping_bounds_the_gradient(plan, tmp_path):
    plan["train"] |= {"epochs": 1, "clip_grad_norm": 1e-3, "optimizer": "SGD", "lr": 1.0}
    plan["train"]["callbacks"] = [{"type": f"{__name__}:Norms"}]
    Norms.seen = []
    fit(Run.from_dict(plan), tmp_path / "out")
    assert Norms.seen
    assert max(Norms.seen) <= 1e-3 * (1 + 1e-4)


class Norms(pl.Callback):
    """Keep the norm of the gradient that the optimizer gets."""

    seen: list[float]

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        gradients = [p.grad.flatten() for p in pl_module.parameters() if p.grad is not None]
        if gradients:
            self.seen.append(torch.cat(gradients).norm().item())


def test_accumulated_batches_are_a_step_of_their_mean(plan, tmp_path):
    """Two batches of two are one step of four, where statistics of the batch play no part."""
    plan["model"]["backbone"]["norm_eval"] = True
    plan["model"]["head"] |= {"deconv_out_channels": [], "conv_out_channels": []}
    plan["codec"]["heatmap_size"] = [2, 2]
    plan["data"]["train"]["first"] = 8
    plan["train"] |= {"epochs": 1, "optimizer": "SGD", "lr": 0.1, "ema": 0.0}
    found = []
    for name, change in (("a", {"batch_size": 4}), ("b", {"batch_size": 2, "accumulate": 2})):
        run = Run.from_dict(plan | {"train": plan["train"] | change})
        content = torch.load(fit(run, tmp_path / name).last, weights_only=True)
        assert content["global_step"] == 2
        found.append(content["state_dict"])
    for name, value in found[0].items():
        if value.is_floating_point():
            torch.testing.assert_close(found[1][name], value, rtol=1e-5, atol=1e-6)


def test_pictures_are_drawn_each_epoch_with_or_without_validation(plan, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    plan["train"] |= {"epochs": 3, "val_every": 2, "ema": 0.5}
    fit(Run.from_dict(plan), tmp_path / "a")
    names = [f"epoch_{n:04d}.png" for n in range(3)]
    assert sorted(p.name for p in (tmp_path / "a" / "samples").iterdir()) == names
    del plan["data"]["val"]
    result = fit(Run.from_dict(plan), tmp_path / "b")
    assert sorted(p.name for p in (tmp_path / "b" / "samples").iterdir()) == names
    assert result.best == result.last
    assert not list((tmp_path / "here").iterdir())


def test_further_metrics_are_those_of_kpt_eval(plan, people, tmp_path):
    plan["eval"] = {"metrics": ["oks", "pck", "pck@0.5"]}
    plan["train"]["monitor"] = "oks"
    result = fit(Run.from_dict(plan), tmp_path / "out")
    assert set(result.metrics) == {"pck", "epe", "oks", "pck@0.5"}
    log = read_log(tmp_path / "out" / "metrics.csv")
    truth = kd.read(people / "val" / "annotations.json")
    found = load(result.last).predict_dataset(truth, people / "val" / "images").dataset
    scored = found.replace(score=np.ones(len(found)))
    scoring = kd.metrics.Scoring.mmpose()
    expected = kd.metrics.evaluate(truth, scored, ["oks", "pck@0.5"], scoring=scoring)
    assert result.metrics["oks"] == pytest.approx(expected["AP"])
    assert result.metrics["pck@0.5"] == pytest.approx(expected["PCK@0.5[bbox_max]"])
    assert list(log["val/oks"].values())[-1] == result.metrics["oks"]
    content = torch.load(result.best, weights_only=True)["callbacks"]
    assert any("val/oks" in name for name in content)


def test_metrics_of_points_need_no_sigmas(plan, people, tmp_path):
    """A schema without sigmas can be measured by PCK, and by OKS where they are given."""
    for name in ("train", "val"):
        plan["data"][name] = {
            "type": f"{__name__}:nameless_people",
            "options": {"folder": str(people / name)},
            "images": str(people / name / "images"),
        }
    plan["data"]["transform"] = {}
    plan["train"]["epochs"] = 1
    plan["eval"] = {"metrics": ["pck@0.2", "oks"]}
    with pytest.raises(OptionError, match=r"eval.metrics: sigmas: .* \[eval\] area or sigmas"):
        fit(Run.from_dict(plan), tmp_path / "out")
    plan["eval"]["sigmas"] = "uniform:0.05"
    result = fit(Run.from_dict(plan), tmp_path / "out")
    assert set(result.metrics) == {"pck", "epe", "pck@0.2", "oks"}


def nameless_people(folder):
    """Return the people of a folder under a schema that has names alone."""
    dataset = kd.read(Path(folder) / "annotations.json", format="coco")
    return dataset.replace(schema=kd.Schema.from_names(dataset.schema.names, name="bare"))


def test_the_best_checkpoint_survives_a_resumption(plan, tmp_path):
    plan["train"] |= {"epochs": 4, "monitor": "epe", "monitor_mode": "min"}
    whole = fit(Run.from_dict(plan), tmp_path / "whole")
    fit(Run.from_dict(plan | {"train": plan["train"] | {"epochs": 2}}), tmp_path / "parts")
    parts = fit(Run.from_dict(plan), tmp_path / "parts", resume="auto")
    epe = read_log(tmp_path / "whole" / "metrics.csv")["val/epe"]
    one, other = (torch.load(r.best, weights_only=True) for r in (whole, parts))
    assert one["global_step"] - 1 == min(epe, key=epe.__getitem__)
    assert other["global_step"] == one["global_step"]
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(other["state_dict"][name], value, rtol=0, atol=1e-7)


def test_a_checkpoint_of_another_model_is_refused(plan, tmp_path):
    first = fit(Run.from_dict(plan), tmp_path / "a")
    plan["model"]["backbone"]["stem_channels"] = 8
    with pytest.raises(FileError, match=r"last.ckpt: holds another model: .*model.weights"):
        fit(Run.from_dict(plan), tmp_path / "b", resume=first.last)
    assert not (tmp_path / "b").exists()


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


STOP = "lightning.pytorch.callbacks:EarlyStopping"
AUXILIARY = {"type": "HeatmapHead", "deconv_out_channels": [8, 8, 8], "weight": "much"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["codec"].update(sigma=0), "codec.sigma: expected a positive number"),
        (lambda p: p["codec"].update(input_size=[70, 64]), r"set codec.input_size = \[96, 64\]"),
        (lambda p: p["model"]["head"].update(out_channels=5), "set model.head.out_channels = 17"),
        (lambda p: p["data"]["train"].update(images="/nowhere"), "no such folder"),
        (lambda p: p["train"].update(optimiser="SGD"), r"\[train\].*did you mean optimizer"),
        (lambda p: p["train"].update(callbacks=[{"type": "builtins:int"}]), "Lightning callback"),
        (
            lambda p: p["train"].update(callbacks=[{"type": "mine"}]),
            r"callbacks.0.type: expected a",
        ),
        (lambda p: p["train"].update(callbacks=[{"type": STOP, "every": 1}]), "cannot be made of"),
        (lambda p: p["train"].update(optimizer="AdamX"), "train.optimizer.*did you mean Adam"),
        (lambda p: p["train"].update(optimizer="no.such.Thing"), "train.optimizer: no.such.Thing"),
        (lambda p: p["train"].update(optimizer=STOP), "train.optimizer: .* cannot be made of"),
        (lambda p: p["train"].update(optimizer="LBFGS", weight_decay=1.0), "'weight_decay'"),
        (lambda p: p["train"].update(accelerator="abacus"), "train.accelerator.*'abacus'"),
        (lambda p: p["train"].update(monitor="oks"), "train.monitor 'oks'"),
        (
            lambda p: p["train"].update(workers=-1),
            r"\[train\]: workers: expected 0 or more, got -1",
        ),
        (lambda p: p["train"].update(milestones=[0]), "milestones: expected 1 or more, got 0"),
        (lambda p: p["train"].update(lr=float("nan")), "lr: expected 0 or more, got nan"),
        (lambda p: p["train"].update(ema=1.0), "ema: expected 0 or more and less than 1"),
        (lambda p: p.update(seed=-1), "seed: expected 0 or more, got -1"),
        (lambda p: p.update(eval={"metrics": ["okz"]}), "unknown metric 'okz'"),
        (lambda p: p.update(eval={"metrics": ["nme[forehead]"]}), r"eval.metrics: .*'forehead'"),
        (lambda p: p.update(eval={"batch_size": 0}), "batch_size: expected 1 or more, got 0"),
        (lambda p: p.update(eval={"threshold": 0.0}), "threshold: expected more than 0"),
        (lambda p: p["codec"].update(type="no.such:Thing"), "codec.type: no.such:Thing"),
        (lambda p: p["model"]["backbone"].update(type="math:x"), "model.backbone.type: math:x"),
        (lambda p: p["model"].update(auxiliary=[AUXILIARY]), "model.auxiliary.0.weight: expected"),
        (
            lambda p: p["data"]["train"].update(type="kptdata:read", options={"file": "a"}),
            "data.train.options: kptdata:read cannot be made of",
        ),
    ],
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

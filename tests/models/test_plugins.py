"""Your own parts by dotted path: one package outside the repository supplies all seven kinds."""

from __future__ import annotations

import sys
import textwrap

import pytest

from kptdata_models import load
from kptdata_models.log import read_log
from kptdata_models.runfile import Run
from kptdata_models.train import fit

PACKAGE = '''
"""A package that knows nothing of any table."""

import dataclasses

import kptdata as kd
import lightning.pytorch as pl
import torch
from kptdata.codecs import MSRAHeatmap
from kptdata_models import HeatmapHead

STEPS = []


class Backbone(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 4, stride=4)

    def forward(self, x):
        return (self.conv(x),)


class Neck(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = torch.nn.ReLU()

    def forward(self, maps):
        return tuple(self.relu(x) for x in maps)


class Head(HeatmapHead):
    def loss(self, maps, target):
        return super().loss(maps, target) | {"my_figure": torch.tensor(7.0)}


class Loss(torch.nn.Module):
    def __init__(self, power, use_target_weight=True):
        super().__init__()
        self.power = power

    def forward(self, output, target, weights):
        return ((output - target).abs() ** self.power).mean()


@dataclasses.dataclass(frozen=True)
class Codec(MSRAHeatmap):
    note: str = ""


class Callback(pl.Callback):
    def __init__(self, every):
        self.every = every

    def on_train_batch_end(self, trainer, *_):
        STEPS.append(trainer.global_step)


def people(path, count):
    return kd.read(path, format="coco")[:count]
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "site" / "somebody"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "pose.py").write_text(textwrap.dedent(PACKAGE))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield "somebody.pose"
    for name in [n for n in sys.modules if n.split(".")[0] == "somebody"]:
        del sys.modules[name]


def test_all_seven_kinds(package, plan, people, tmp_path):
    plan["data"]["train"] = {
        "type": f"{package}:people",
        "options": {"path": str(people / "train" / "annotations.json"), "count": 4},
        "images": str(people / "train" / "images"),
    }
    plan["codec"] |= {"type": f"{package}.Codec", "note": "mine"}
    plan["model"] = {
        "backbone": {"type": f"{package}:Backbone", "width": 8},
        "neck": {"type": f"{package}:Neck"},
        "head": {
            "type": f"{package}:Head",
            "deconv_out_channels": [],
            "loss": {"type": f"{package}:Loss", "power": 1.5},
        },
    }
    plan["train"]["callbacks"] = [{"type": f"{package}:Callback", "every": 1}]

    result = fit(Run.from_dict(plan), tmp_path / "out")

    log = read_log(tmp_path / "out" / "metrics.csv")
    assert set(log["train/my_figure"].values()) == {7.0}
    assert sys.modules[package].STEPS == [1, 2, 3, 4]
    predictor = load(result.last)
    assert type(predictor.model.codec).__module__ == package
    assert predictor.model.codec.note == "mine"
    assert type(predictor.model.head.loss_module).__name__ == "Loss"

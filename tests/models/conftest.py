"""A tiny series of drawn people, and a run that trains on it in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kptdata.synth import synth
from kptdata_models.runfile import Run


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with ``train`` and ``val``: a few drawn people each, in COCO's layout."""
    folder = tmp_path_factory.mktemp("people")
    synth(6, folder / "train", seed=1, size=(128, 128))
    synth(4, folder / "val", seed=2, size=(128, 128))
    return folder


def document(people: Path) -> dict[str, Any]:
    """Return the smallest run there is, as a parsed run file."""
    sources = {
        name: {
            "annotations": str(people / name / "annotations.json"),
            "images": str(people / name / "images"),
            "format": "coco",
        }
        for name in ("train", "val")
    }
    return {
        "data": {**sources, "transform": {"flip": 0.5, "rotation": 20, "scale": [0.8, 1.2]}},
        "codec": {
            "type": "MSRAHeatmap",
            "input_size": [64, 64],
            "heatmap_size": [16, 16],
            "sigma": 1.5,
        },
        "model": {
            "backbone": {"type": "ResNet", "depth": 18, "stem_channels": 4, "base_channels": 4},
            "head": {"type": "HeatmapHead", "deconv_out_channels": [8, 8, 8]},
        },
        "train": {"epochs": 2, "batch_size": 2, "lr": 1e-3, "pictures": 2, "accelerator": "cpu"},
    }


@pytest.fixture
def plan(people: Path) -> dict[str, Any]:
    """Give a fresh copy of that document, to be changed."""
    return document(people)


@pytest.fixture
def run(plan: dict[str, Any]) -> Run:
    """Give the run."""
    return Run.from_dict(plan)

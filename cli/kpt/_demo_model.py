"""The trained part of ``kpt demo``: the run file, and the figures beside a baseline."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kptdata import PoseDataset

__all__ = ["RUN", "compare", "write_run"]

METRIC = "pck@0.05[bbox_max]"

# Small enough for two cores: 0.9 million parameters, inputs of 64 x 64.
RUN = """\
seed = 0

[data.train]
annotations = "train/annotations.json"
images = "train/images"
cache = true

[data.val]
annotations = "held_out/annotations.json"
images = "held_out/images"
cache = true

[data.transform]
flip = 0.5

[codec]
type = "MSRAHeatmap"
input_size = [64, 64]
heatmap_size = [32, 32]
sigma = 1.2
unbiased = true

[model.backbone]
type = "ResNet"
depth = 18
stem_channels = 32
base_channels = 32
num_stages = 3
out_indices = [0, 1, 2]

[model.neck]
type = "FPN"
out_channels = 64

[model.head]
type = "HeatmapHead"
in_index = 0
softmax = true
deconv_out_channels = [48]

[train]
epochs = 10
batch_size = 64
lr = 4e-3
schedule = "cosine"
warmup_steps = 20
weight_decay = 0.01
channels_last = true
val_every = 5
"""


def write_run(out: Path) -> str:
    """Write the run file, and say what it trains on and that the held-out people are others."""
    (out / "run.toml").write_text(RUN, encoding="utf-8")
    train, held_out = (_hashes(out / name / "images") for name in ("train", "held_out"))
    if train & held_out:
        raise RuntimeError("an image is in both series")
    return (
        f"{out / 'run.toml'}\n{len(train)} images to train on, {len(held_out)} held out, "
        f"{len(train & held_out)} in both (by SHA-256)\n\n{RUN}"
    )


def _hashes(folder: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def compare(out: Path) -> str:
    """Say how well held-out people are found, beside a guess that has not seen the image."""
    import kptdata as kd
    from kptdata_models import load
    from kptdata_models.evaluate import mean_pose

    train = kd.read(out / "train" / "annotations.json")
    truth = kd.read(out / "held_out" / "annotations.json")
    truth = truth[truth.labelled.any(axis=1)]
    found = load(out / "run" / "best.ckpt").predict_dataset(truth, out / "held_out" / "images")
    guess = _guess(truth, mean_pose(train, truth))
    return (
        f"{METRIC} on {len(truth)} held-out people\n"
        f"  model                          {_figure(truth, found.dataset):.3f}\n"
        f"  mean pose of the training set  {_figure(truth, guess):.3f}\n"
    )


def _guess(truth: PoseDataset, xy: object) -> PoseDataset:
    import numpy as np

    import kptdata as kd

    return kd.PoseDataset(
        schema=truth.schema,
        images=truth.images,
        image=truth.image,
        xy=np.asarray(xy),
        visibility=np.full(truth.visibility.shape, kd.Visibility.LABELLED, np.uint8),
        score=np.ones(len(truth)),
        answers=truth.ids,
    )


def _figure(truth: PoseDataset, predictions: PoseDataset) -> float:
    import kptdata as kd

    result = kd.metrics.evaluate(truth, predictions, METRIC)
    return float(result["PCK@0.05[bbox_max]"] or 0.0) / 100

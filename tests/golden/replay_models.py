"""Replay of recorded models: the layout of the parameters and the outputs on a random input."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from replay_cases import Backend, Case, NoCounterpartError
from torch import nn

from kptdata_models.backbones import BACKBONES
from kptdata_models.heads import HEADS
from kptdata_models.necks import NECKS

# The largest error, as a share of the standard deviation of the recorded output.
TOLERANCE = 1e-4
_FOUND: dict[Path, list[str]] = {}


class Recorded(nn.Module):
    """Backbone, neck and head under the names that checkpoints give them."""

    def __init__(self, backbone: nn.Module, neck: nn.Module | None, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, x: torch.Tensor) -> Any:
        """Return the head's raw output."""
        maps = self.backbone(x)
        return self.head(maps if self.neck is None else self.neck(maps))


def replay(case: Case, backend: Backend) -> list[str]:
    """Build the model, load the recorded layout strictly, run it and compare."""
    del backend
    # Models are torch alone: what one backend found holds for the other.
    if case.file not in _FOUND:
        _FOUND[case.file] = run(case)
    return _FOUND[case.file]


def run(case: Case) -> list[str]:
    """Replay one model."""
    # Without memory for parameters, which are replaced by the recorded ones at once.
    with torch.device("meta"):
        model = build(case.entry)
    try:
        model.load_state_dict(weights(case.entry["layout"]), strict=True, assign=True)
    except RuntimeError as error:
        return [f"layout: {error}"]
    shape = tuple(case.entry["input_shape"])
    x = torch.from_numpy(np.random.default_rng(7).normal(size=shape).astype(np.float32))
    with torch.no_grad():
        found = flatten(model.eval()(x), case.entry["outputs"])
    return [
        difference
        for name, figures in case.entry["outputs"].items()
        for difference in compare(name, figures, found[name])
    ]


def build(entry: Mapping[str, Any]) -> Recorded:
    """Build a recorded model from our parts.

    Raises:
        NoCounterpartError: a part is not one of ours.
    """
    if entry["estimator"] != "TopdownPoseEstimator":
        raise NoCounterpartError(entry["estimator"])
    parts = {"backbone": BACKBONES, "neck": NECKS, "head": HEADS}
    built: dict[str, Any] = {"neck": None}
    for key, table in parts.items():
        if entry[key] is None:
            continue
        options = dict(entry[key])
        kind = options.pop("type")
        if kind not in table:
            raise NoCounterpartError(kind)
        built[key] = table.load(kind)(**translate(options))
    return Recorded(**built)


def translate(options: dict[str, Any]) -> dict[str, Any]:
    """Turn the reference's spelling of arguments into ours."""
    options.pop("decoder", None)
    if "extra" in options:
        stages = options.pop("extra")
        options["stages"] = [
            {k: v for k, v in stage.items() if k != "num_branches"}
            | {"block": stage["block"].lower()}
            for _, stage in sorted(stages.items())
        ]
    return options


def weights(layout: Mapping[str, list[int]]) -> dict[str, torch.Tensor]:
    """Fill a layout by the rule that the golden folder states."""
    return {name: torch.from_numpy(weight(name, tuple(shape))) for name, shape in layout.items()}


@cache
def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw one entry of a state dict; its name seeds the generator."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if name.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        values = rng.normal(0, 0.1, shape)
    elif len(shape) > 1:
        values = rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
    elif name.endswith(("weight", ".g", "gamma", "scale")):
        values = rng.uniform(0.8, 1.2, shape)
    else:
        values = rng.normal(0, 0.02, shape)
    return np.asarray(values, np.float32)


def flatten(output: Any, recorded: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Name a head's fields as the recording does: in order, or joined to one array."""
    fields = [field.numpy() for field in output]
    if len(recorded) == 1:
        return {name: np.concatenate(fields, axis=-1) for name in recorded}
    return {f"out.{i}": field for i, field in enumerate(fields)}


def compare(name: str, figures: Mapping[str, Any], found: np.ndarray) -> list[str]:
    """Compare shape, mean, deviation and samples with an array."""
    if list(found.shape) != figures["shape"]:
        return [f"{name}: expected shape {figures['shape']}, found {list(found.shape)}"]
    limit = TOLERANCE * figures["std"]
    errors = {
        "mean": abs(found.mean(dtype=np.float64) - figures["mean"]),
        "std": abs(found.std(dtype=np.float64) - figures["std"]),
        "sample": np.abs(found.ravel()[figures["sample_index"]] - figures["sample"]).max(),
    }
    return [
        f"{name}.{key}: error {error:.3g}, expected below {limit:.3g}"
        for key, error in errors.items()
        if not error < limit
    ]

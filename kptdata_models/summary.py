"""What a run's model is made of: stages with shapes and strides, parameters, operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from kptdata.schema import load_schema
from kptdata_models.build import build_codec, build_model
from kptdata_models.estimator import TopdownPoseEstimator
from kptdata_models.runfile import Run
from kptdata_models.sources import load_source

__all__ = ["Stage", "Summary", "summarise_model", "summarise_run"]


class Stage(NamedTuple):
    """One part of a model."""

    name: str
    shape: tuple[tuple[int, ...], ...]  # of each output for one input, without the batch axis
    stride: tuple[float, ...]  # pixels of the input per cell of each map; empty for no map
    parameters: int


class Summary(NamedTuple):
    """A model and its cost for one input."""

    stages: tuple[Stage, ...]
    input_size: tuple[int, int]  # width, height
    parameters: int
    gflops: float  # 10^9 multiply-add pairs of convolutions and products of matrices

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        stages = [stage._asdict() for stage in self.stages]
        return self._asdict() | {"stages": stages}


def summarise_run(run: Run) -> Summary:
    """Build the model of a run and measure it; the data are read only if no schema is named.

    Raises:
        KptDataError: parts do not fit; the message names the key and the value to set.
    """
    codec = build_codec(run.codec)
    source = run.data.train
    schema = (
        load_schema(source.schema)
        if source.schema is not None
        else load_source(source, "data.train").dataset.schema
    )
    return summarise_model(build_model(run.model, codec, schema))


def summarise_model(model: TopdownPoseEstimator) -> Summary:
    """Measure a model by running it once on an empty image."""
    width, height = model.codec.input_size
    parts = _parts(model)
    outputs: dict[str, Any] = {}
    hooks = [part.register_forward_hook(_keeper(outputs, name)) for name, part in parts.items()]
    counter = FlopCounterMode(display=False)
    mode = model.training
    model.eval()
    try:
        with torch.no_grad(), counter:
            model(torch.zeros(1, 3, height, width))
    finally:
        model.train(mode)
        for hook in hooks:
            hook.remove()
    stages = tuple(
        _stage(name, part, outputs[name], width) for name, part in parts.items() if name in outputs
    )
    count = sum(p.numel() for p in model.parameters())
    return Summary(stages, (width, height), count, counter.get_total_flops() / 2e9)


def _parts(model: TopdownPoseEstimator) -> dict[str, nn.Module]:
    parts: dict[str, nn.Module] = {
        f"backbone.{name}": part for name, part in model.backbone.named_children()
    }
    parts["backbone"] = model.backbone
    if model.neck is not None:
        parts["neck"] = model.neck
    parts |= {f"head.{name}": part for name, part in model.head.named_children()}
    parts["head"] = model.head
    return parts


def _keeper(outputs: dict[str, Any], name: str) -> Callable[[nn.Module, Any, Any], None]:
    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        del module, inputs
        outputs[name] = output

    return keep


def _stage(name: str, part: nn.Module, output: Any, width: int) -> Stage:
    tensors = [output] if isinstance(output, Tensor) else [x for x in output if torch.is_tensor(x)]
    shapes = tuple(tuple(int(s) for s in x.shape[1:]) for x in tensors)
    strides = tuple(width / shape[-1] for shape in shapes if len(shape) == 3)
    return Stage(name, shapes, strides, sum(p.numel() for p in part.parameters()))

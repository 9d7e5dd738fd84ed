"""Replay of recorded losses: value, and gradient in the first input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from replay_cases import Backend, Case, NoCounterpartError, differences, to_backend

from kptdata_models.losses import LOSSES, RLELoss


def replay(case: Case, backend: Backend) -> list[str]:
    """Compute the loss and compare; losses are torch alone, so `backend` makes no difference."""
    del backend
    kind = case.entry.get("loss")
    if kind not in LOSSES:
        raise NoCounterpartError(kind or case.name)
    params, arrays = dict(case.params), case.arrays()
    inputs = [
        to_backend(arrays[f"in{i}.{name}"], "torch") for i, name in enumerate(case.entry["inputs"])
    ]
    if kind == "RLELoss":
        # The formula of the reference has no floor; the default floor is tested elsewhere.
        params["sigma_floor"] = 0.0
    loss = LOSSES.load(kind)(**params)
    if isinstance(loss, RLELoss):
        set_recorded_flow(loss, inputs, arrays["grad_in0"])
    inputs[0].requires_grad_()
    value = loss(*arguments(kind, inputs))
    value.sum().backward()
    found: Mapping[str, Any] = {"out0": value, "grad_in0": inputs[0].grad}
    return [
        difference
        for key, expected in arrays.items()
        if not key.startswith("in")
        for difference in differences(key, expected, found[key])
    ]


def arguments(kind: str, inputs: list[torch.Tensor]) -> list[Any]:
    """Group the recorded arrays as the loss takes them."""
    if kind == "KLDiscretLoss":
        return [tuple(inputs[:2]), tuple(inputs[2:4]), *inputs[4:]]
    return list(inputs)


def set_recorded_flow(loss: RLELoss, inputs: list[torch.Tensor], gradient: np.ndarray) -> None:
    """Give the flow the random weights of the recording, which the recording does not hold.

    A freshly initialised flow has weights near zero and biases that are not, so it is an affine map
    of each axis: ``z = a * error + b``. The gradient of its log density is
    ``-a * (a * error + b)``: two numbers per axis are fitted to one number per keypoint. Value and
    gradient are then compared as for any other loss.
    """
    pred, sigma, target, *weights = (x.numpy().astype(np.float64) for x in inputs)
    weight = weights[0] if weights and loss.use_target_weight else np.ones_like(pred)
    deviation = 1 / (1 + np.exp(-sigma))
    error = (pred - target) / deviation
    samples = len(pred) if loss.size_average else 1
    flow = gradient * deviation * samples / loss.loss_weight
    if loss.residual:
        base = np.sign(error) if loss.q_distribution == "laplace" else error
        flow = flow - weight * base
    both_axes = weight.sum(axis=-1)
    kept = both_axes > 0
    flow = flow[kept] / both_axes[kept][:, None]
    with torch.no_grad():
        for net in (*loss.flow_model.s, *loss.flow_model.t):
            for parameter in net.parameters():
                parameter.zero_()
        for axis in range(2):
            slope, intercept = np.polyfit(error[kept][:, axis], flow[:, axis], 1)
            set_affine(loss, axis, math.sqrt(slope), intercept / math.sqrt(slope))


def set_affine(loss: RLELoss, axis: int, factor: float, shift: float) -> None:
    """Set the flow's last biases so that it maps `axis` to ``factor * x + shift``."""
    layers = [i for i, mask in enumerate(loss.flow_model.mask) if mask[axis] == 0]
    for i in layers:
        loss.flow_model.s[i][4].bias[axis] = math.atanh(-math.log(factor) / len(layers))
    # The last layer is applied first; it subtracts before any factor.
    loss.flow_model.t[layers[-1]][4].bias[axis] = -shift / factor

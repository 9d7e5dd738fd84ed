"""Without `reference`, figures equal the reference's wherever the reference behaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import replay_codecs
from replay_cases import find_cases

from kptdata import codecs

GOLDEN = Path(__file__).parents[1] / "golden"
SHARED = GOLDEN.parents[2] / "shared" / "golden"
CASES = [
    case
    for root in (GOLDEN, SHARED)
    for case in find_cases(root, "codecs")
    if case.params["codec"] in codecs.CODECS
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.root.parent.name}-{case.name}")
def test_default_equals_the_reference_where_it_behaves(case):
    found = replay_codecs.run(case, "numpy", reference=False)
    behaves = _behaves(case)

    for key, figure in case.expected().items():
        expected = _right_stride(case, figure) if key == "keypoints" else figure
        kept = np.broadcast_to(behaves.get(key, True), np.shape(expected))
        # Roots are exact here and float32 there; gaussians are products here.
        np.testing.assert_allclose(
            np.where(kept, found[key], 0), np.where(kept, expected, 0), rtol=2e-5, atol=1e-6
        )


def test_most_of_the_reference_behaves():
    shares = [
        np.mean(np.broadcast_to(mask, (6,) if np.ndim(mask) == 0 else np.shape(mask)))
        for case in CASES
        for mask in _behaves(case).values()
    ]

    assert np.mean(shares) > 0.8


def _behaves(case: Any) -> dict[str, Any]:
    """Say for each output where the reference behaves, as a mask that broadcasts to it."""
    name, op = case.params["codec"], case.params["op"]
    params = {key: value for key, value in case.params.items() if key not in ("codec", "op")}
    inputs = case.inputs()
    if name == "Hand3DHeatmap" and op == "encode":  # it draws what is not labelled
        return _drawn(case, inputs)
    if name not in ("MSRAHeatmap", "UDPHeatmap", "MegviiHeatmap", "SimCCLabel") and not (
        name == "IntegralRegressionLabel" and op == "encode"
    ):
        return {}
    codec = codecs.build(name, **params)
    return _decoding(codec, inputs) if op == "decode" else _encoding(codec, inputs)


def _drawn(case: Any, inputs: Any) -> dict[str, Any]:
    labelled = inputs["keypoints_visible"][0] > 0.5
    depth = case.params["heatmap_size"][2]
    return {"heatmaps": np.repeat(labelled, depth)[:, None, None]}


def _encoding(codec: Any, inputs: Any) -> dict[str, Any]:
    """A window that starts left of the map is truncated the wrong way unless 3 sigma is whole."""
    place = inputs["keypoints"][0]
    if isinstance(codec, codecs.SimCCLabel):
        return {}
    place = place / np.array(codec.stride)
    right = place >= -0.5
    if isinstance(codec, codecs.MegviiHeatmap):
        right = place >= 0
    elif (3 * codec.sigma) % 1 and not getattr(codec, "unbiased", False):
        right = np.floor(place + 0.5) >= 3 * codec.sigma
    behaves = right.all(-1) | (inputs["keypoints_visible"][0] < 0.5)
    if getattr(codec, "heatmap_type", "") == "combined":  # discs off the map keep their weight
        last = np.array(codec.heatmap_size) - 1
        behaves = ((place > -1) & (place < last + 1)).all(-1) | ~(
            inputs["keypoints_visible"][0] > 0
        )
        return {"heatmaps": np.repeat(behaves, 3)[:, None, None], "keypoint_weights": behaves}
    return {"heatmaps": behaves[:, None, None], "keypoint_weights": behaves}


def _decoding(codec: Any, inputs: Any) -> dict[str, Any]:
    """Maps without a peak decode to -1 cell, and any step of DARK is taken."""
    arrays = list(inputs.values())
    found = codec.decode(*arrays).score > 0
    good = found.copy()
    if hasattr(codec, "fallbacks"):
        good &= ~codec.fallbacks(*arrays)
    if getattr(codec, "use_dark", False):  # noise: the smoothed row is highest somewhere else
        good &= codec.decode(*arrays).score > 0.2
    return {"keypoints": good[..., None], "scores": found, "scores.0": found, "scores.1": found}


def _right_stride(case: Any, keypoints: Any) -> Any:
    """Undo that the reference's UDP multiplies by the size where it divided by the steps."""
    if case.params["codec"] != "UDPHeatmap":
        return keypoints
    size = np.array(case.params["input_size"])
    return keypoints * (size - 1) / size

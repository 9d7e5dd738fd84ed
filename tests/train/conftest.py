"""What all trainings share: drawn people, a run per head, and no warning let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kptdata.synth import synth

SHARED = Path(__file__).parents[3] / "shared"


def heads(size: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Return ``codec`` and ``model`` of a run per kind of head, for inputs of `size` (w, h)."""
    width, height = size
    heatmap = {
        "type": "MSRAHeatmap",
        "input_size": [width, height],
        "heatmap_size": [width // 2, height // 2],
        "sigma": 1.2,
        "unbiased": True,
    }
    simcc = {"type": "SimCCLabel", "input_size": [width, height], "sigma": 2.0}
    regression = heatmap | {
        "type": "IntegralRegressionLabel",
        "heatmap_size": [width // 4, height // 4],
        "sigma": 0.8,
    }
    pyramid = {
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "stem_channels": 32,
            "base_channels": 32,
            "num_stages": 3,
            "out_indices": [0, 1, 2],
        },
        "neck": {"type": "FPN", "out_channels": 64},
    }
    maps = {"type": "HeatmapHead", "in_index": 0, "softmax": True}
    # Trained along with regression: where a joint is on the map teaches the map to show it.
    along = maps | {"deconv_out_channels": []}
    points = {"feature_points": 128, "in_index": 0}
    l1 = {"type": "L1Loss", "use_target_weight": True}
    return {
        "heatmap": {
            "codec": heatmap,
            "model": pyramid | {"head": maps | {"deconv_out_channels": [48]}},
        },
        "simcc": {
            "codec": simcc,
            "model": pyramid
            | {"head": {"type": "SimCCHead", "in_index": 0, "deconv_out_channels": []}},
        },
        "regression": {
            "codec": regression,
            "model": pyramid
            | {
                "head": points | {"type": "RegressionHead", "loss": l1},
                "auxiliary": [along | {"weight": 0.1}],
            },
        },
        "rle": {
            "codec": regression,
            "model": pyramid
            | {
                "head": points | {"type": "RLEHead"},
                "auxiliary": [along | {"weight": 60.0}],
            },
        },
    }


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give ``train`` and ``held_out``: other seeds, so other bodies, textures and occluders."""
    folder = tmp_path_factory.mktemp("people")
    synth(5000, folder / "train", seed=21)
    synth(300, folder / "held_out", seed=22)
    return folder


@pytest.fixture(scope="session")
def coco_mini() -> Path:
    """Give the 60 images of COCO beside the checkout."""
    folder = SHARED / "samples" / "coco-mini"
    if not folder.is_dir():
        pytest.skip("the samples are not beside the checkout")
    return folder

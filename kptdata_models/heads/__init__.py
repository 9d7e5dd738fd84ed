"""Heads: feature maps to keypoints, each built with its codec, found by name through `HEADS`."""

from __future__ import annotations

from typing import Any

from kptdata.plugins import Table
from kptdata_models.heads.base import PoseHead
from kptdata_models.heads.heatmap import HeatmapHead, HeatmapOutput
from kptdata_models.heads.regression import RegressionHead, RegressionOutput
from kptdata_models.heads.rle import RLEHead, RLEOutput
from kptdata_models.heads.simcc import SimCCHead, SimCCOutput

__all__ = [
    "HEADS",
    "HeatmapHead",
    "HeatmapOutput",
    "PoseHead",
    "RLEHead",
    "RLEOutput",
    "RegressionHead",
    "RegressionOutput",
    "SimCCHead",
    "SimCCOutput",
]

HEADS: Table[type[PoseHead[Any]]] = Table(
    "head",
    {
        "HeatmapHead": "kptdata_models.heads.heatmap:HeatmapHead",
        "RegressionHead": "kptdata_models.heads.regression:RegressionHead",
        "RLEHead": "kptdata_models.heads.rle:RLEHead",
        "SimCCHead": "kptdata_models.heads.simcc:SimCCHead",
    },
    group="kptdata_models.heads",
)

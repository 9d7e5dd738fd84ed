"""Models that train on encoded keypoint targets: parts, loops and predictors."""

from __future__ import annotations

from kptdata_models.backbones import BACKBONES, HRNet, HRStage, ResNet
from kptdata_models.heads import HEADS, HeatmapHead, PoseHead, RegressionHead, RLEHead, SimCCHead
from kptdata_models.losses import LOSSES
from kptdata_models.necks import FPN, NECKS, FeatureMapProcessor, GlobalAveragePooling
from kptdata_models.weights import WeightMatch, load_weights, read_weights

__all__ = [
    "BACKBONES",
    "FPN",
    "HEADS",
    "LOSSES",
    "NECKS",
    "FeatureMapProcessor",
    "GlobalAveragePooling",
    "HRNet",
    "HRStage",
    "HeatmapHead",
    "PoseHead",
    "RLEHead",
    "RegressionHead",
    "ResNet",
    "SimCCHead",
    "WeightMatch",
    "load_weights",
    "read_weights",
]

"""Models that train on encoded keypoint targets: parts, loops and predictors.

`load` makes a predictor of a checkpoint; `kptdata_models.train.fit` trains a run file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kptdata_models.backbones import BACKBONES, HRNet, HRStage, ResNet
    from kptdata_models.checkpoint import Checkpoint, read_checkpoint
    from kptdata_models.data import Augmentation, TopdownDataset, read_image
    from kptdata_models.detections import detected_people
    from kptdata_models.estimator import Preprocessor, TopdownPoseEstimator
    from kptdata_models.heads import (
        HEADS,
        HeatmapHead,
        PoseHead,
        RegressionHead,
        RLEHead,
        SimCCHead,
    )
    from kptdata_models.losses import LOSSES
    from kptdata_models.necks import FPN, NECKS, FeatureMapProcessor, GlobalAveragePooling
    from kptdata_models.predict import Predictions, Predictor, load
    from kptdata_models.runfile import Run, read_run
    from kptdata_models.summary import Summary, summarise_run
    from kptdata_models.train import Result, fit
    from kptdata_models.weights import WeightMatch, load_weights, read_weights

_HOMES = {
    "backbones": ("BACKBONES", "HRNet", "HRStage", "ResNet"),
    "checkpoint": ("Checkpoint", "read_checkpoint"),
    "data": ("Augmentation", "TopdownDataset", "read_image"),
    "detections": ("detected_people",),
    "estimator": ("Preprocessor", "TopdownPoseEstimator"),
    "heads": ("HEADS", "HeatmapHead", "PoseHead", "RLEHead", "RegressionHead", "SimCCHead"),
    "losses": ("LOSSES",),
    "necks": ("FPN", "NECKS", "FeatureMapProcessor", "GlobalAveragePooling"),
    "predict": ("Predictions", "Predictor", "load"),
    "runfile": ("Run", "read_run"),
    "summary": ("Summary", "summarise_run"),
    "train": ("Result", "fit"),
    "weights": ("WeightMatch", "load_weights", "read_weights"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BACKBONES",
    "FPN",
    "HEADS",
    "LOSSES",
    "NECKS",
    "Augmentation",
    "Checkpoint",
    "FeatureMapProcessor",
    "GlobalAveragePooling",
    "HRNet",
    "HRStage",
    "HeatmapHead",
    "PoseHead",
    "Predictions",
    "Predictor",
    "Preprocessor",
    "RLEHead",
    "RegressionHead",
    "ResNet",
    "Result",
    "Run",
    "SimCCHead",
    "Summary",
    "TopdownDataset",
    "TopdownPoseEstimator",
    "WeightMatch",
    "detected_people",
    "fit",
    "load",
    "load_weights",
    "read_checkpoint",
    "read_image",
    "read_run",
    "read_weights",
    "summarise_run",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch and Lightning take seconds."""
    if name not in _HOME:
        raise AttributeError(f"module 'kptdata_models' has no attribute {name!r}")
    return getattr(import_module(f"kptdata_models.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

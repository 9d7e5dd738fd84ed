"""Training losses: plain modules, one idea per file, found by name through `LOSSES`."""

from __future__ import annotations

from torch import nn

from kptdata.plugins import Table
from kptdata_models.losses.classification import BCELoss, KLDiscretLoss
from kptdata_models.losses.heatmap import (
    CombinedTargetMSELoss,
    KeypointMSELoss,
    KeypointOHKMMSELoss,
)
from kptdata_models.losses.regression import L1Loss, MSELoss, SmoothL1Loss, SoftWeightSmoothL1Loss
from kptdata_models.losses.rle import RLELoss

__all__ = [
    "LOSSES",
    "BCELoss",
    "CombinedTargetMSELoss",
    "KLDiscretLoss",
    "KeypointCrossEntropyLoss",
    "KeypointMSELoss",
    "KeypointOHKMMSELoss",
    "L1Loss",
    "MSELoss",
    "RLELoss",
    "SmoothL1Loss",
    "SoftWeightSmoothL1Loss",
]

LOSSES: Table[type[nn.Module]] = Table(
    "loss",
    {
        "KeypointMSELoss": "kptdata_models.losses.heatmap:KeypointMSELoss",
        "KeypointOHKMMSELoss": "kptdata_models.losses.heatmap:KeypointOHKMMSELoss",
        "KeypointCrossEntropyLoss": "kptdata_models.losses.heatmap:KeypointCrossEntropyLoss",
        "CombinedTargetMSELoss": "kptdata_models.losses.heatmap:CombinedTargetMSELoss",
        "SmoothL1Loss": "kptdata_models.losses.regression:SmoothL1Loss",
        "SoftWeightSmoothL1Loss": "kptdata_models.losses.regression:SoftWeightSmoothL1Loss",
        "L1Loss": "kptdata_models.losses.regression:L1Loss",
        "MSELoss": "kptdata_models.losses.regression:MSELoss",
        "RLELoss": "kptdata_models.losses.rle:RLELoss",
        "KLDiscretLoss": "kptdata_models.losses.classification:KLDiscretLoss",
        "BCELoss": "kptdata_models.losses.classification:BCELoss",
    },
    group="kptdata_models.losses",
)

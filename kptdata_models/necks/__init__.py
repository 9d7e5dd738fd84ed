"""Necks: what stands between backbone and head, found by name through `NECKS`.

A neck is called with the backbone's tuple of maps and returns a tuple.
"""

from __future__ import annotations

from torch import nn

from kptdata.plugins import Table
from kptdata_models.necks.feature_map import FeatureMapProcessor
from kptdata_models.necks.fpn import FPN
from kptdata_models.necks.pooling import GlobalAveragePooling

__all__ = ["FPN", "NECKS", "FeatureMapProcessor", "GlobalAveragePooling"]

NECKS: Table[type[nn.Module]] = Table(
    "neck",
    {
        "GlobalAveragePooling": "kptdata_models.necks.pooling:GlobalAveragePooling",
        "FPN": "kptdata_models.necks.fpn:FPN",
        "FeatureMapProcessor": "kptdata_models.necks.feature_map:FeatureMapProcessor",
    },
    group="kptdata_models.necks",
)

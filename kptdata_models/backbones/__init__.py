"""Backbones: images in, feature maps out, found by name through `BACKBONES`.

A backbone is called with images (B, C, H, W) and returns a tuple of maps, finest first. Nothing
else is asked of it: channels and strides are measured by running it.
"""

from __future__ import annotations

from torch import nn

from kptdata.plugins import Table
from kptdata_models.backbones.hrnet import HRNet, HRStage
from kptdata_models.backbones.resnet import ResNet

__all__ = ["BACKBONES", "HRNet", "HRStage", "ResNet"]

BACKBONES: Table[type[nn.Module]] = Table(
    "backbone",
    {
        "ResNet": "kptdata_models.backbones.resnet:ResNet",
        "HRNet": "kptdata_models.backbones.hrnet:HRNet",
    },
    group="kptdata_models.backbones",
)

"""Drawing: schemas, annotations, targets and predictions as pictures."""

from __future__ import annotations

from kptdata.viz._pictures import read_picture, write_picture
from kptdata.viz.annotations import Style, draw_annotations
from kptdata.viz.augment import augment_gallery, draw_augmented
from kptdata.viz.gallery import Gallery, annotation_gallery, heatmap_gallery, target_gallery
from kptdata.viz.heatmaps import HeatmapPicture, Panel, draw_heatmaps
from kptdata.viz.html import Page, Section
from kptdata.viz.schema_picture import draw_schema, save_schema_picture
from kptdata.viz.sheet import contact_sheets
from kptdata.viz.targets import draw_bundle, draw_targets

__all__ = [
    "Gallery",
    "HeatmapPicture",
    "Page",
    "Panel",
    "Section",
    "Style",
    "annotation_gallery",
    "augment_gallery",
    "contact_sheets",
    "draw_annotations",
    "draw_augmented",
    "draw_bundle",
    "draw_heatmaps",
    "draw_schema",
    "draw_targets",
    "heatmap_gallery",
    "read_picture",
    "save_schema_picture",
    "target_gallery",
    "write_picture",
]

"""Metrics as pure functions on arrays; `kptdata.metrics.datasets` applies them to datasets."""

from __future__ import annotations

from kptdata.metrics.ap import (
    COCO_BANDS,
    AveragePrecision,
    BandCount,
    Pairs,
    Predictions,
    Truths,
    average_precision,
    match_instances,
)
from kptdata.metrics.distance import ALIGNMENTS, ErrorSummary, align, distances, mpjpe, summarise
from kptdata.metrics.heatmap_accuracy import Accuracy, heatmap_accuracy, simcc_accuracy
from kptdata.metrics.nms import (
    NMS_MODES,
    box_nms,
    nearby_joints_nms,
    oks_between,
    oks_nms,
    soft_oks_nms,
)
from kptdata.metrics.oks import OksTargets, oks_matrix, oks_of_pairs
from kptdata.metrics.pck import MPII_HEAD_FACTOR, Pck, auc, head_sizes, pck, pck_curve
from kptdata.metrics.rescoring import SCORE_MODES, rescore

__all__ = [
    "ALIGNMENTS",
    "COCO_BANDS",
    "MPII_HEAD_FACTOR",
    "NMS_MODES",
    "SCORE_MODES",
    "Accuracy",
    "AveragePrecision",
    "BandCount",
    "ErrorSummary",
    "OksTargets",
    "Pairs",
    "Pck",
    "Predictions",
    "Truths",
    "align",
    "auc",
    "average_precision",
    "box_nms",
    "distances",
    "head_sizes",
    "heatmap_accuracy",
    "match_instances",
    "mpjpe",
    "nearby_joints_nms",
    "oks_between",
    "oks_matrix",
    "oks_nms",
    "oks_of_pairs",
    "pck",
    "pck_curve",
    "rescore",
    "simcc_accuracy",
    "soft_oks_nms",
    "summarise",
]

"""COCO's original evaluators on two datasets: for those who want the original's own figures.

`kptdata.metrics` computes the same without them; here they are imported when they are asked for.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, MissingDependencyError, OptionError
from kptdata.metrics.datasets import RankedSubject, evaluation_arrays
from kptdata.metrics.result import Evaluation, Figure, MetricResult

__all__ = ["BACKENDS", "evaluate_with"]

BACKENDS = {"pycocotools": "kptdata", "xtcocotools": "kptdata[xtcocotools]"}
"""Evaluator -> what installs it."""
STATS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")


def evaluate_with(
    backend: str,
    truth: PoseDataset,
    predictions: PoseDataset,
    *,
    sigmas: str | NDArray[np.float64] | None = None,
    area: str = "annotation",
    skip_unknown_images: bool = False,
) -> Evaluation:
    """Run an original evaluator; arguments as for `kptdata.metrics.evaluate`.

    Raises:
        OptionError: no such evaluator.
        MissingDependencyError: it is not installed, or does not import with this NumPy.
        DatasetError: there are no predictions; the originals cannot evaluate none.
    """
    if backend not in BACKENDS:
        raise OptionError(f"backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
    coco_class, eval_class = _load(backend)
    if not len(predictions):
        raise DatasetError(
            f"{backend} cannot evaluate an empty list of predictions. Fix: leave --backend out"
        )
    subject, facts = evaluation_arrays(
        truth,
        predictions,
        sigmas=sigmas,
        area=area,
        skip_unknown_images=skip_unknown_images,
        reference=True,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco_class()
        known.dataset = {
            "info": {},
            "images": [{"id": place} for place in range(len(subject.match.rows))],
            "categories": [{"id": c} for c in range(max(1, len(subject.categories)))],
            "annotations": _annotations(subject),
        }
        known.createIndex()
        evaluator = _run(backend, eval_class, known, _results(subject), subject.oks_sigmas.values)
    figures = tuple(
        Figure(name, float(value) if value > -1 else float("nan"), "", "0 ground truths")
        for name, value in zip(STATS, evaluator.stats, strict=True)
    )
    done = f"evaluated by {backend} {version(backend)}"
    return Evaluation((MetricResult("oks", figures, (), (done, *subject.facts())),), facts)


def _load(backend: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    try:
        coco, evaluation = (import_module(f"{backend}.{name}") for name in ("coco", "cocoeval"))
    except (ImportError, ValueError, AttributeError) as error:
        # A wheel built for another NumPy raises ValueError or AttributeError.
        extra = BACKENDS[backend].partition("[")[2].rstrip("]") or "all"
        raise MissingDependencyError(backend, extra, f"--backend {backend}") from error
    return coco.COCO, evaluation.COCOeval


def _annotations(subject: RankedSubject) -> list[dict[str, Any]]:
    truths, ids = subject.truths, subject.truth.ids[subject.truth_rows]
    numbers = ids if ids.dtype.kind == "i" else np.arange(1, len(ids) + 1)
    third = np.where(truths.labelled, 2.0, 0.0)[..., None]
    points = np.concatenate([np.nan_to_num(truths.xy), third], axis=-1).reshape(len(ids), -1)
    columns = {
        "id": numbers.tolist(),
        "image_id": truths.image.tolist(),
        "category_id": truths.category.tolist(),
        "keypoints": points.tolist(),
        "num_keypoints": np.where(truths.empty, 0, truths.labelled.sum(axis=1).clip(1)).tolist(),
        "area": truths.area.tolist(),
        "bbox": np.nan_to_num(truths.bbox).tolist(),
        "iscrowd": truths.crowd.astype(int).tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _results(subject: RankedSubject) -> list[dict[str, Any]]:
    ranked = subject.ranked
    ones = np.ones((*ranked.xy.shape[:2], 1))
    points = np.concatenate([np.nan_to_num(ranked.xy), ones], axis=-1).reshape(len(ranked.xy), -1)
    columns = {
        "image_id": ranked.image.tolist(),
        "category_id": ranked.category.tolist(),
        "keypoints": points.tolist(),
        "score": ranked.score.tolist(),
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    boxes = subject.predictions.column("bbox")[subject.ranked_rows]
    if not np.isnan(boxes).any():
        for row, box in zip(rows, boxes.tolist(), strict=True):
            row["bbox"] = box
    return rows


def _run(
    backend: str,
    eval_class: Callable[..., Any],
    known: Any,
    results: list[dict[str, Any]],
    sigmas: NDArray[np.float64],
) -> Any:
    found = known.loadRes(results)
    if backend == "xtcocotools":
        evaluator = eval_class(known, found, "keypoints", sigmas)
    else:
        evaluator = eval_class(known, found, "keypoints")
        evaluator.params.kpt_oks_sigmas = sigmas
    for step in (evaluator.evaluate, evaluator.accumulate, evaluator.summarize):
        step()
    return evaluator

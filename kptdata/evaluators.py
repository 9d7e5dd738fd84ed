"""COCO's original evaluators on two datasets: for those who want the original's own figures.

`kptdata.metrics` computes the same without them; here they are imported when they are asked for.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, MissingDependencyError, OptionError
from kptdata.metrics.datasets import RankedSubject, Scoring, evaluation_arrays
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
    scoring: Scoring | None = None,
    skip_unknown_images: bool = False,
) -> Evaluation:
    """Run an original evaluator; arguments as for `kptdata.metrics.evaluate`.

    Rescoring and suppression come before it and are ours: the originals have neither. They rank
    the best 20 predictions of an image, whatever is asked for.

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
        scoring=scoring,
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
        evaluator = _run(backend, eval_class, known, subject)
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
        extra = BACKENDS[backend].partition("[")[2].rstrip("]") or "all"
        raise MissingDependencyError(
            backend, extra, f"--backend {backend}", _trouble(backend, error)
        ) from error
    return coco.COCO, evaluation.COCOeval


def _trouble(backend: str, error: Exception) -> str:
    """What keeps an installed evaluator from importing: mostly a wheel built for another NumPy."""
    if find_spec(backend) is None:
        return ""
    return (
        f"is installed and does not import with NumPy {np.__version__} ({error}). Fix: build it "
        f"here: pip install cython setuptools; pip install --force-reinstall --no-deps "
        f"--no-build-isolation --no-binary {backend} {backend}"
    )


def _annotations(subject: RankedSubject) -> list[dict[str, Any]]:
    truths, ids = subject.truths, subject.truth.ids[subject.truth_rows]
    numbers = ids if ids.dtype.kind == "i" else np.arange(1, len(ids) + 1)
    third = np.where(truths.labelled, 2.0, 0.0)[..., None]
    points = _flat(np.nan_to_num(truths.xy), third)
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
    points = _flat(np.nan_to_num(ranked.xy), ones)
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


def _flat(xy: NDArray[np.float64], third: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3 K) coordinates and what stands behind each pair of them; N may be 0."""
    triples = np.concatenate([xy, third], axis=-1)
    return triples.reshape(len(xy), triples.shape[1] * 3)


def _run(backend: str, eval_class: Callable[..., Any], known: Any, subject: RankedSubject) -> Any:
    found, sigmas = known.loadRes(_results(subject)), subject.oks_sigmas.values
    if backend == "xtcocotools":
        evaluator = eval_class(known, found, "keypoints", sigmas)
    else:
        evaluator = eval_class(known, found, "keypoints")
        evaluator.params.kpt_oks_sigmas = sigmas
    for step in (evaluator.evaluate, evaluator.accumulate, evaluator.summarize):
        step()
    return evaluator

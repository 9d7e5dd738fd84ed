"""Metrics of two datasets: ground truth and predictions in, named figures and an account out.

References:
    MMPose's metrics, whose figures these reproduce; docs/metrics.md has a definition of each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kptdata import ops
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, OptionError, UnknownNameError
from kptdata.metrics._datasets_ap import DETAILS, RANKED_METRICS, RankedSubject
from kptdata.metrics._datasets_images import match_images
from kptdata.metrics._datasets_oks import AREAS, extent_area, full_xy
from kptdata.metrics._datasets_points import POINT_METRICS, Spec, Subject
from kptdata.metrics._datasets_rows import Rows, rows_by_answers, rows_by_oks, rows_by_order
from kptdata.metrics.nms import NMS_MODES, oks_nms, soft_oks_nms
from kptdata.metrics.rescoring import SCORE_MODES, rescore
from kptdata.metrics.result import Evaluation, MetricResult

__all__ = [
    "AREAS",
    "DETAILS",
    "METRICS",
    "NMS_MODES",
    "RANKED_METRICS",
    "SCORE_MODES",
    "RankedSubject",
    "Scoring",
    "evaluate",
    "evaluation_arrays",
    "parse_metric",
]

METRICS = (*RANKED_METRICS, *POINT_METRICS)
_SPEC = re.compile(r"(?P<name>[a-zA-Z-]+)(?:@(?P<value>[0-9.]+))?(?:\[(?P<norm>[^\]]+)\])?")


@dataclass(frozen=True)
class Scoring:
    """How predictions are scored and thinned out before they are ranked.

    Attributes:
        mode: ``bbox`` (the score as given), ``keypoint``, ``bbox_keypoint`` or ``bbox_rle``.
        keypoint_threshold: least keypoint score that counts in ``bbox_keypoint``.
        nms: ``oks_nms``, ``soft_oks_nms`` or ``none``.
        nms_threshold: highest similarity of two predictions that both stay.

    Raises:
        OptionError: no such mode.
    """

    mode: str = "bbox"
    keypoint_threshold: float = 0.2
    nms: str = "none"
    nms_threshold: float = 0.9

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("mode", self.mode, SCORE_MODES),
            ("nms", self.nms, NMS_MODES),
        ):
            if value not in choices:
                raise OptionError(
                    f"scoring {name}: expected one of {', '.join(choices)}, got {value!r}"
                )

    @classmethod
    def mmpose(cls) -> Scoring:
        """Return what MMPose's COCO metric does unless told otherwise."""
        return cls(mode="bbox_keypoint", nms="oks_nms")

    def __str__(self) -> str:
        score = {"bbox": "as given", "keypoint": "mean keypoint score"}.get(self.mode, self.mode)
        if self.mode == "bbox_keypoint":
            score += f" (keypoint scores above {self.keypoint_threshold:g})"
        nms = self.nms if self.nms == "none" else f"{self.nms} at {self.nms_threshold:g}"
        return f"score: {score}; suppression: {nms}"


def evaluate(
    truth: PoseDataset,
    predictions: PoseDataset,
    metric: str | Sequence[str] = "oks",
    *,
    sigmas: str | NDArray[np.float64] | None = None,
    area: str = "annotation",
    scoring: Scoring | None = None,
    details: Sequence[str] = (),
    max_dets: int = 20,
    row_aligned: bool = False,
    skip_unknown_images: bool = False,
    reference: bool = False,
) -> Evaluation:
    """Compare predictions with ground truth.

    Args:
        truth: ground truth.
        predictions: predictions; mapped to the schema of the ground truth by keypoint name.
        metric: one or more of `METRICS`, with threshold and normaliser where they take one:
            ``oks``, ``pck@0.05[torso]``, ``nme[left_eye,right_eye]``, ``auc@30``.
        sigmas: ``uniform:<value>``, ``borrow:<schema>`` or (K,) numbers; the schema's own by
            default.
        area: where the area of a ground truth comes from, a key of `AREAS`.
        scoring: rescoring and suppression; none by default.
        details: more figures of ``oks``: ``keypoint``, ``category``, ``size``.
        max_dets: predictions per image that are ranked.
        row_aligned: for metrics of points, row i of both sides belong together; else rows are
            matched by `answers`, or by OKS where there are none.
        skip_unknown_images: leave out predictions on images that the ground truth does not list.
        reference: do as pycocotools does where ours differs: annotation id 0 is never matched, of
            annotations with one id the last stands for all, tiny areas are evaluated, CrowdPose's
            levels are rounded to four digits.

    Raises:
        UnknownNameError: no such metric, normaliser or schema.
        OptionError: an option makes no sense, or sigmas are needed and there are none.
        DatasetError: the files do not belong together, or lack what a metric needs.
    """
    specs = [parse_metric(text) for text in ([metric] if isinstance(metric, str) else metric)]
    for kind in details:
        if kind not in DETAILS:
            raise OptionError(f"details: expected any of {', '.join(DETAILS)}, got {kind!r}")
    specs = _with_pixel_error(specs)
    scoring = scoring or Scoring()
    ranks = any(spec.name in RANKED_METRICS for spec in specs) or scoring != Scoring()
    subject, known = evaluation_arrays(
        truth,
        predictions,
        sigmas=sigmas,
        area=area,
        skip_unknown_images=skip_unknown_images,
        reference=reference,
        scoring=scoring,
        ranked=ranks,
    )
    subject = replace(subject, max_dets=max_dets, details=tuple(details))
    facts = [*known, *_odd_predictions(subject)]
    points = None
    results: list[MetricResult] = []
    for spec in specs:
        if spec.name in RANKED_METRICS:
            results.append(RANKED_METRICS[spec.name](subject, spec))
            continue
        if points is None:
            points, rows = _align(subject, row_aligned=row_aligned)
            facts += [f"rows matched by {rows.by}", *rows.facts]
        results.append(POINT_METRICS[spec.name](points, spec))
    return Evaluation(tuple(results), tuple(facts))


def evaluation_arrays(
    truth: PoseDataset,
    predictions: PoseDataset,
    *,
    sigmas: str | NDArray[np.float64] | None = None,
    area: str = "annotation",
    skip_unknown_images: bool = False,
    reference: bool = False,
    scoring: Scoring | None = None,
    ranked: bool = True,
) -> tuple[RankedSubject, tuple[str, ...]]:
    """Bring both sides together: one schema, matched images, scores; and say what was done.

    Arguments and errors are those of `evaluate`; with `ranked` every prediction needs a score.
    """
    predictions, facts = _same_schema(truth, predictions)
    match = match_images(truth, predictions, skip_unknown=skip_unknown_images)
    facts += [f"images matched by {match.by}: {_image_counts(truth, predictions)}", *match.facts]
    scoring = scoring or Scoring()
    score = _scores(predictions, scoring, required=ranked)
    subject = RankedSubject(truth, predictions, score, match, sigmas, area, reference=reference)
    if scoring.nms != "none":
        subject = _suppress(subject, scoring)
    if ranked:
        facts.append(_scoring_fact(scoring, len(predictions), len(subject.predictions)))
    return subject, tuple(facts)


def parse_metric(text: str) -> Spec:
    """Read ``name@threshold[normaliser]``.

    Raises:
        OptionError: the text does not read so.
        UnknownNameError: no such metric.

    >>> parse_metric("pck@0.2[torso]")[1:]
    ('pck', 0.2, 'torso')
    """
    found = _SPEC.fullmatch(text.strip())
    if found is None:
        raise OptionError(
            f"metric: expected name, name@threshold or name@threshold[normaliser], got {text!r}"
        )
    name = found["name"].lower()
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    try:
        value = None if found["value"] is None else float(found["value"])
    except ValueError:
        raise OptionError(
            f"metric {text!r}: expected a number after @, got {found['value']!r}"
        ) from None
    if value is not None and not value > 0:
        raise OptionError(f"metric {text!r}: expected a threshold above 0, got {value:g}")
    return Spec(text, name, value, found["norm"])


def _with_pixel_error(specs: list[Spec]) -> list[Spec]:
    """Metrics of 2D points always come with the error in pixels."""
    two_d = [s for s in specs if s.name in POINT_METRICS and not s.name.endswith("mpjpe")]
    if two_d and not any(s.name == "epe" for s in specs):
        return [*specs, Spec("epe", "epe", None, None)]
    return specs


def _same_schema(truth: PoseDataset, predictions: PoseDataset) -> tuple[PoseDataset, list[str]]:
    if truth.schema.names == predictions.schema.names:
        return predictions, []
    mapped, ledger = ops.map_schema(predictions, truth.schema)
    filled = mapped.labelled.sum(axis=0) > 0
    missing = [name for row, name in enumerate(truth.schema.names) if not filled[row]]
    if missing and len(predictions):
        raise DatasetError(
            f"schemas: the predictions ({predictions.schema.name}) have no {', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''} of the ground truth's ({truth.schema.name}). "
            "Fix: map both sides to the points that they share: kpt convert --schema"
        )
    note = (
        f"predictions mapped from schema {predictions.schema.name} to {truth.schema.name} by name"
    )
    return mapped, [f"{note}: {ledger}"]


def _image_counts(truth: PoseDataset, predictions: PoseDataset) -> str:
    images = len(np.unique(predictions.image[predictions.image >= 0]))
    return (
        f"{len(truth.images)} in the ground truth, {images} with predictions; "
        f"{len(truth)} ground truths, {len(predictions)} predictions"
    )


def _scores(predictions: PoseDataset, scoring: Scoring, *, required: bool) -> NDArray[np.float64]:
    """(D,) score of each prediction.

    Raises:
        DatasetError: scores are needed and missing or NaN.
    """
    given = predictions.column("score")
    if scoring.mode != "bbox":
        if predictions.keypoint_score is None:
            raise DatasetError(
                f"predictions: --score-mode {scoring.mode} needs a score per keypoint, and there "
                "is none. Fix: --score-mode bbox"
            )
        given = rescore(given, predictions.keypoint_score, scoring.mode, scoring.keypoint_threshold)
    bad = np.flatnonzero(np.isnan(given))
    if required and bad.size:
        what = "no score" if predictions.score is None else "a score that is NaN or missing"
        raise DatasetError(
            f"predictions: {bad.size} of {len(given)} have {what}, first row {bad[0]}; "
            "predictions are ranked by score. Fix: write a finite score, or use --score-mode "
            "keypoint where keypoints have scores"
        )
    return given


def _suppress(subject: RankedSubject, scoring: Scoring) -> RankedSubject:
    predictions = subject.predictions
    xy = full_xy(predictions)
    area = np.where(
        np.isnan(predictions.column("bbox")[:, 2]),
        extent_area(xy),
        predictions.column("bbox")[:, 2:].prod(axis=1),
    )
    function = oks_nms if scoring.nms == "oks_nms" else soft_oks_nms
    sigmas = subject.oks_sigmas.values
    image = predictions.image
    kept = np.sort(function(xy, area, subject.score, sigmas, scoring.nms_threshold, image=image))
    match = subject.match._replace(prediction=subject.match.prediction[kept])
    return replace(subject, predictions=predictions[kept], score=subject.score[kept], match=match)


def _scoring_fact(scoring: Scoring, before: int, after: int) -> str:
    return str(scoring) + (
        f", {before - after} of {before} dropped" if scoring.nms != "none" else ""
    )


def _odd_predictions(subject: RankedSubject) -> list[str]:
    predictions = subject.predictions
    if not len(predictions):
        return ["there are no predictions: nothing is found"]
    copies = _count_copies(subject)
    out = []
    if copies:
        out.append(
            f"{copies} predictions repeat another of their image point for point: they count "
            "as any other (drop them with --nms oks_nms)"
        )
    return out


def _count_copies(subject: RankedSubject) -> int:
    """Predictions that have all points of an earlier one in the same image."""
    xy, image = full_xy(subject.predictions), subject.match.prediction
    flat = (np.nan_to_num(xy) if np.isnan(xy).any() else xy).reshape(len(xy), -1)
    # Equal points have equal fingerprints; the few that agree are then compared in full.
    weights = np.random.default_rng(0).uniform(1, 2, flat.shape[1])
    fingerprint = np.einsum("nc,c->n", flat, weights) + 1e4 * image
    order = np.argsort(fingerprint, kind="stable")
    alike = np.flatnonzero(np.diff(fingerprint[order]) == 0)
    a, b = order[alike], order[alike + 1]
    return int(((image[a] == image[b]) & (flat[a] == flat[b]).all(axis=1)).sum())


def _align(subject: RankedSubject, *, row_aligned: bool) -> tuple[Subject, Rows]:
    truth, predictions = subject.truth, subject.predictions
    if row_aligned:
        rows = rows_by_order(truth, predictions)
    else:
        rows = rows_by_answers(truth, predictions, subject.score) or _align_by_oks(subject)
    counts = truth.labelled.any(axis=1) & (truth.column("iscrowd") != 1)
    kept = np.flatnonzero(counts)
    mine = rows.prediction[kept]
    found = (mine >= 0)[:, None, None]
    xy = (
        np.where(found, full_xy(predictions)[mine], np.nan)
        if len(predictions)
        else _nowhere(truth, kept, 2)
    )
    xyz = None
    if predictions.xyz is not None:
        xyz = (
            np.where(found, predictions.xyz[mine], np.nan)
            if len(predictions)
            else _nowhere(truth, kept, 3)
        )
    return Subject(truth[kept], xy, xyz, int((mine < 0).sum())), rows


def _nowhere(truth: PoseDataset, kept: NDArray[np.intp], axes: int) -> NDArray[np.float64]:
    return np.full((len(kept), truth.schema.num_keypoints, axes), np.nan)


def _align_by_oks(subject: RankedSubject) -> Rows:
    # Points are compared in categories that the file does not list, too.
    plain = replace(subject, truth=subject.truth.replace(categories={}), reference=False)
    # Who has no score chooses last.
    ranked = plain.ranked._replace(score=np.nan_to_num(plain.ranked.score, nan=-np.inf))
    return rows_by_oks(
        plain.truths,
        plain.truth_rows,
        len(plain.truth),
        ranked,
        plain.ranked_rows,
        plain.oks_sigmas.values,
    )

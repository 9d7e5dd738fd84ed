"""The metrics that compare points one to one: PCK and its kin, AUC, EPE, NME, MPJPE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, OptionError, UnknownNameError
from kptdata.metrics.distance import distances, mpjpe, summarise
from kptdata.metrics.pck import Pck, auc, pck
from kptdata.metrics.result import Figure, MetricResult
from kptdata.schema import Normaliser, Schema

__all__ = ["POINT_METRICS", "Spec", "Subject", "normaliser_names"]

BOX_LENGTHS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "max_side": lambda wh: wh.max(axis=1),
    "diagonal": lambda wh: np.linalg.norm(wh, axis=1),
    "width": lambda wh: wh[:, 0],
    "height": lambda wh: wh[:, 1],
    "sqrt_area": lambda wh: np.sqrt(wh.prod(axis=1)),
}
BOX_NORMALISERS = {
    "bbox_max": "max_side",
    "bbox_diagonal": "diagonal",
    "bbox_width": "width",
    "bbox_height": "height",
    "bbox_sqrt_area": "sqrt_area",
}
_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_HEADS = ("head_top", "head")
_NOT_COUNTED = ("pelvis", "thorax")  # by MPII's evaluation
_MPII_CURVE = np.arange(0, 0.51, 0.01)


class Spec(NamedTuple):
    """A metric as it was asked for: ``pck@0.2[torso]``."""

    text: str
    name: str
    value: float | None
    normaliser: str | None


@dataclass(frozen=True)
class Subject:
    """Ground truths that count, and the prediction of each; N rows.

    Attributes:
        truth: ground truths with a labelled point, no crowds.
        xy: (N, K, 2) predicted points, NaN where there is no prediction.
        xyz: (N, K, 3) predicted points in 3D, or None.
        unanswered: ground truths without a prediction.
    """

    truth: PoseDataset
    xy: NDArray[np.float64]
    xyz: NDArray[np.float64] | None
    unanswered: int

    @property
    def schema(self) -> Schema:
        """Of both sides."""
        return self.truth.schema

    def pixels(self) -> NDArray[np.float64]:
        """(N, K) distance of each labelled point; infinite where there is no prediction."""
        return distances(self.xy, self.truth.xy, self.truth.labelled)

    def over(self, length: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K) distance over one length per instance."""
        return distances(self.xy, self.truth.xy, self.truth.labelled, length)

    def missed(self) -> tuple[str, ...]:
        """What became of ground truths without a prediction."""
        if not self.unanswered:
            return ()
        return (
            f"{self.unanswered} of {len(self.truth)} ground truths have no prediction: "
            "wrong in PCK and AUC, left out of mean and median errors",
        )


def normaliser_names(schema: Schema) -> tuple[str, ...]:
    """Return the names that a normaliser may have with this schema."""
    return tuple(dict.fromkeys([*schema.normalisers, *BOX_NORMALISERS]))


def normaliser_length(subject: Subject, name: str) -> NDArray[np.float64]:
    """Return the length (N,), pixels, that a name stands for; NaN where the instance lacks it.

    Raises:
        UnknownNameError: no such normaliser.
        DatasetError: no ground truth has the box that it is made of.
    """
    schema = subject.schema
    if "," in name:
        return _point_length(subject, tuple(part.strip() for part in name.split(",")))
    rule = schema.normalisers.get(name)
    if rule is None:
        if name not in BOX_NORMALISERS:
            raise UnknownNameError(
                "normaliser", name, [*normaliser_names(schema), "<point>,<point>"]
            )
        rule = Normaliser(box="bbox", of=BOX_NORMALISERS[name])
    if rule.points:
        return _point_length(subject, rule.points) * rule.factor
    return _box_length(subject.truth, rule, name)


def _point_length(subject: Subject, names: tuple[str, ...]) -> NDArray[np.float64]:
    if len(names) != 2:
        raise OptionError(f"normaliser: expected two points, got {', '.join(names)}")
    a, b = (_point(subject.schema, name) for name in names)
    length: NDArray[np.float64] = np.linalg.norm(
        subject.truth.xy[:, a] - subject.truth.xy[:, b], axis=1
    )
    return length


def _point(schema: Schema, name: str) -> int:
    if name in schema.names:
        return schema.index(name)
    if name in schema.canonical_names:
        return schema.canonical_names.index(name)
    raise UnknownNameError("keypoint", name, schema.names)


def _box_length(truth: PoseDataset, rule: Normaliser, name: str) -> NDArray[np.float64]:
    box = truth.column("bbox") if rule.box == "bbox" else truth.boxes.get(str(rule.box))
    if box is None or (len(box) and np.isnan(box).all()):
        raise DatasetError(
            f"normaliser {name!r} needs the box {rule.box!r}, which no ground truth has. "
            f"Fix: choose another normaliser: {', '.join(normaliser_names(truth.schema))}"
        )
    return BOX_LENGTHS[rule.of](box[:, 2:]) * rule.factor


def _head_length(subject: Subject) -> NDArray[np.float64]:
    """MPII's head size; `head_size` as a number wins over the box where a file has only that."""
    if "head" not in subject.truth.boxes and "head_size" in subject.truth.numbers:
        size = np.asarray(subject.truth.numbers["head_size"], dtype=np.float64)
        return size.reshape(len(size), -1)[:, 0]
    rule = subject.schema.normalisers.get("head", Normaliser(box="head", of="diagonal", factor=0.6))
    return _box_length(subject.truth, rule, "head")


def _undefined(length: NDArray[np.float64], name: str) -> tuple[str, ...]:
    lacking = int((~(length > 0)).sum())
    return (f"{lacking} ground truths have no {name}: left out",) if lacking else ()


def _why(subject: Subject) -> str:
    return "0 ground truths" if not len(subject.truth) else "no labelled point with this normaliser"


def _per_keypoint(schema: Schema, name: str, found: Pck) -> tuple[Figure, ...]:
    return tuple(
        Figure(f"{name} {keypoint}", 100 * float(value), "%", "0 labelled points")
        for keypoint, value in zip(schema.names, found.per_keypoint, strict=True)
    )


def _pck(subject: Subject, spec: Spec) -> MetricResult:
    threshold = 0.2 if spec.value is None else spec.value
    norm = spec.normaliser or "bbox_max"
    length = normaliser_length(subject, norm)
    found = pck(subject.over(length), threshold)
    name = f"PCK@{threshold:g}[{norm}]"
    figures = (
        Figure(name, 100 * found.mean, "%", _why(subject)),
        Figure(f"{name} over points", 100 * found.weighted, "%", _why(subject)),
    )
    facts = (
        f"correct: nearer than {threshold:g} x {norm}; mean over keypoints, then over all points",
        *_undefined(length, norm),
        *subject.missed(),
    )
    return MetricResult(spec.text, figures, _per_keypoint(subject.schema, name, found), facts)


def _groups(schema: Schema) -> dict[str, list[int]]:
    """Name of a joint -> rows of its points: both sides together."""
    names = schema.canonical_names
    head = next((h for h in _HEADS if h in names), None)
    out = {"head": [names.index(head)]} if head else {}
    for limb in _LIMBS:
        rows = [
            names.index(f"{side}_{limb}") for side in ("left", "right") if f"{side}_{limb}" in names
        ]
        if rows:
            out[limb] = rows
    return out


def _grouped(subject: Subject, name: str, found: Pck) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            f"{name} {joint}",
            100 * float(np.mean(found.per_keypoint[rows])),
            "%",
            "0 labelled points",
        )
        for joint, rows in _groups(subject.schema).items()
    )


def _pckh(subject: Subject, spec: Spec) -> MetricResult:
    threshold = 0.5 if spec.value is None else spec.value
    length = _head_length(subject)
    distance = subject.over(length)
    counted = ~np.isin(subject.schema.canonical_names, _NOT_COUNTED)

    def at(limit: float) -> Pck:
        return pck(distance, limit, inclusive=True, counted=counted)

    found, name = at(threshold), f"PCKh@{threshold:g}"
    curve = np.array([at(float(t)).weighted for t in _MPII_CURVE])
    why = _why(subject)
    figures = (
        *_grouped(subject, name, found),
        Figure(f"{name} mean", 100 * found.weighted, "%", why),
        Figure("PCKh@0.1 mean", 100 * at(0.1).weighted, "%", why),
        Figure("HRNet Mean@0.1 (0.11)", 100 * at(float(_MPII_CURVE[11])).weighted, "%", why),
        Figure("PCKh AUC 0 to 0.5", 100 * float(np.trapezoid(curve, _MPII_CURVE) / 0.5), "%", why),
    )
    facts = (
        f"correct: at most {threshold:g} x head size (0.6 x diagonal of the head box); "
        "mean weighted by labelled points, pelvis and thorax left out",
        "HRNet and MMPose print as Mean@0.1 what lies at 0.11",
        *_undefined(length, "head box"),
        *subject.missed(),
    )
    return MetricResult(spec.text, figures, _per_keypoint(subject.schema, name, found), facts)


def _torso_length(subject: Subject) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The true torso; the predicted one where the true one is shorter than a pixel."""
    length = normaliser_length(subject, "torso")
    points = subject.schema.normalisers["torso"].points
    a, b = (subject.schema.index(name) for name in points)
    short = length < 1
    predicted = np.linalg.norm(subject.xy[:, a] - subject.xy[:, b], axis=1)
    facts = (f"{int(short.sum())} torsos are shorter than 1 px: the predicted one was taken",)
    return np.where(short, predicted, length), facts if short.any() else ()


def _jhmdb(subject: Subject, spec: Spec) -> MetricResult:
    threshold = 0.2 if spec.value is None else spec.value
    torso, facts = _torso_length(subject)
    figures: list[Figure] = []
    lacking: tuple[str, ...] = ()
    for norm, length in (("torso", torso), ("bbox_max", normaliser_length(subject, "bbox_max"))):
        found = pck(subject.over(length), threshold)
        name = f"PCK@{threshold:g}[{norm}]"
        figures += _grouped(subject, name, found)
        figures.append(Figure(f"{name} mean", 100 * found.mean, "%", _why(subject)))
        lacking += _undefined(length, norm)
    return MetricResult(spec.text, tuple(figures), (), (*facts, *lacking, *subject.missed()))


def _auc(subject: Subject, spec: Spec) -> MetricResult:
    limit = 30.0 if spec.value is None else spec.value
    facts: tuple[str, ...] = ()
    if spec.normaliser is None:
        distance, name = subject.pixels() / limit, f"AUC@{limit:g}px"
    else:
        length = normaliser_length(subject, spec.normaliser)
        distance, name = subject.over(length) / limit, f"AUC@{limit:g}[{spec.normaliser}]"
        facts = _undefined(length, spec.normaliser)
    figure = Figure(name, auc(distance), "", _why(subject))
    steps = "mean of PCK at 20 thresholds: 0, 1/20, ..., 19/20 of the limit"
    return MetricResult(spec.text, (figure,), (), (steps, *facts, *subject.missed()))


def _epe(subject: Subject, spec: Spec) -> MetricResult:
    found = summarise(subject.pixels())
    why = _why(subject)
    figures = (
        Figure("EPE mean", found.mean, "px", why),
        Figure("EPE median", found.median, "px", why),
    )
    details = tuple(
        Figure(f"EPE {keypoint}", float(value), "px", "no predicted point with a label")
        for keypoint, value in zip(subject.schema.names, found.per_keypoint, strict=True)
    )
    facts = (
        f"{found.compared} points compared, {found.missed} labelled points have no prediction",
    )
    return MetricResult(spec.text, figures, details, facts + subject.missed())


def _nme(subject: Subject, spec: Spec) -> MetricResult:
    norm = spec.normaliser or (
        "interocular" if "interocular" in subject.schema.normalisers else "bbox_max"
    )
    length = normaliser_length(subject, norm)
    found = summarise(subject.over(length))
    figures = (
        Figure(f"NME[{norm}]", found.mean, "", _why(subject)),
        Figure(f"NME[{norm}] median", found.median, "", _why(subject)),
    )
    facts = (f"{found.compared} points compared", *_undefined(length, norm), *subject.missed())
    return MetricResult(spec.text, figures, (), facts)


_ALIGNMENT = {"mpjpe": "none", "n-mpjpe": "scale", "pa-mpjpe": "procrustes"}


def _mpjpe(subject: Subject, spec: Spec) -> MetricResult:
    if subject.truth.xyz is None or subject.xyz is None:
        side = "ground truth" if subject.truth.xyz is None else "predictions"
        raise DatasetError(
            f"{spec.text}: the {side} has no 3D points (xyz). Fix: choose a 2D metric such as epe"
        )
    unit = subject.truth.space.unit if subject.truth.space is not None else "unknown"
    truth = subject.truth.xyz
    known = np.asarray(np.isfinite(truth + subject.xyz).all(axis=-1))
    value = mpjpe(subject.xyz, truth, known, _ALIGNMENT[spec.name])
    figure = Figure(spec.name.upper(), value, "units" if unit == "unknown" else unit, _why(subject))
    facts = [f"{int(known.sum())} points compared, alignment: {_ALIGNMENT[spec.name]}"]
    if unit == "unknown":
        facts.append("the unit is that of the files, which do not state it")
    return MetricResult(spec.text, (figure,), (), (*facts, *subject.missed()))


POINT_METRICS: Mapping[str, Callable[[Subject, Spec], MetricResult]] = {
    "pck": _pck,
    "pckh": _pckh,
    "jhmdb": _jhmdb,
    "auc": _auc,
    "epe": _epe,
    "nme": _nme,
    "mpjpe": _mpjpe,
    "pa-mpjpe": _mpjpe,
    "n-mpjpe": _mpjpe,
}

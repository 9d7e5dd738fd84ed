"""Replay the group ``metrics``: PCK, AUC, EPE, NME, MPJPE, similarity, suppression, heatmap PCK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from replay_cases import Backend, Case, NoCounterpartError, differences

from kptdata.metrics import arrays

# Keypoint scores above this counted in `keep_visthr`; the index does not say so.
VISIBLE_SCORE = 0.2
# The reference computes its distances in float64 and keeps them in float32.
HALF_STEP = np.finfo(np.float32).eps / 2

Inputs = dict[str, Any]


def replay(case: Case, backend: Backend) -> list[str]:
    """Return what differs in one case; only the heatmap metric takes torch tensors."""
    expected = case.expected()
    for outputs, run in _RUNS.items():
        if outputs == expected.keys():
            inputs = case.inputs(backend if run is _heatmap_pck else "numpy")
            found = run(case, inputs)
            break
    else:
        raise NoCounterpartError(case.name)
    return [
        difference
        for name, figure in expected.items()
        for difference in differences(
            name,
            figure,
            found[name],
            missing=-1 if name in _UNDEFINED else None,
            atol=_ATOL.get(name),
        )
    ]


def _distance(inputs: Inputs, normaliser: np.ndarray | None = None) -> np.ndarray:
    return arrays.distances(inputs["pred"], inputs["gt"], inputs["mask"], normaliser)


def _or_zero(value: float) -> float:
    """Return what the reference says of nothing at all: 0 where we say NaN."""
    return 0.0 if np.isnan(value) else value


def _pck(case: Case, inputs: Inputs) -> Inputs:
    found = arrays.pck(_distance(inputs, inputs["norm_factor"]), case.params["thr"])
    defined = int((found.counts > 0).sum())
    return {
        "acc_per_kpt": found.per_keypoint,
        "avg_acc": _or_zero(found.mean),
        "cnt": defined,
    }


def _auc(case: Case, inputs: Inputs) -> Inputs:
    distance = _distance(inputs) / case.params["norm_factor"]
    return {"auc": _or_zero(arrays.auc(distance, case.params["num_thrs"]))}


def _epe(_: Case, inputs: Inputs) -> Inputs:
    return {"epe": _or_zero(arrays.summarise(_distance(inputs)).mean)}


def _nme(_: Case, inputs: Inputs) -> Inputs:
    normaliser = inputs["normalize_factor"][:, 0]
    return {"nme": _or_zero(arrays.summarise(_distance(inputs, normaliser)).mean)}


def _mpjpe(_: Case, inputs: Inputs) -> Inputs:
    points = (inputs["pred"], inputs["gt"], inputs["mask"])
    return {kind: arrays.mpjpe(*points, kind, reference=True) for kind in arrays.ALIGNMENTS}


def _similarity(_: Case, inputs: Inputs) -> Inputs:
    count = len(inputs["area"])
    first, second = np.divmod(np.arange(count * count), count)
    oks = arrays.oks_between(inputs["keypoints"], inputs["area"], inputs["sigmas"], first, second)
    return {"oks": oks.reshape(count, count).astype(np.float32)}


def _oks_nms(case: Case, inputs: Inputs) -> Inputs:
    poses = (
        inputs["keypoints"],
        inputs["area"],
        inputs["scores"],
        inputs["sigmas"],
        case.params["thr"],
    )
    visible = inputs["keypoint_scores"] > VISIBLE_SCORE
    return {
        "keep": arrays.oks_nms(*poses),
        "keep_visthr": arrays.oks_nms(*poses, visible=visible),
        "soft_keep": arrays.soft_oks_nms(*poses),
    }


def _box_nms(case: Case, inputs: Inputs) -> Inputs:
    boxes = inputs["dets"]
    return {"keep": arrays.box_nms(boxes[:, :4], boxes[:, 4], case.params["thr"], reference=True)}


def _heatmap_pck(case: Case, inputs: Inputs) -> Inputs:
    maps = (inputs["output"], inputs["target"], inputs["mask"])
    found = arrays.heatmap_accuracy(*maps, case.params["thr"], reference=True)
    return {"acc": found.per_keypoint, "avg": found.mean, "cnt": found.count}


_RUNS: dict[frozenset[str], Callable[[Case, Inputs], Inputs]] = {
    frozenset({"acc_per_kpt", "avg_acc", "cnt"}): _pck,
    frozenset({"auc"}): _auc,
    frozenset({"epe"}): _epe,
    frozenset({"nme"}): _nme,
    frozenset({"none", "scale", "procrustes"}): _mpjpe,
    frozenset({"oks"}): _similarity,
    frozenset({"keep", "keep_visthr", "soft_keep"}): _oks_nms,
    frozenset({"keep"}): _box_nms,
    frozenset({"acc", "avg", "cnt"}): _heatmap_pck,
}
_UNDEFINED = frozenset({"acc_per_kpt", "acc"})
_ATOL = {"avg": 8 * HALF_STEP}

"""Replay the group ``ap``: COCO's statistics for ground truth and results in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from replay_cases import Backend, Case, NoCounterpartError, differences

from kptdata.metrics.arrays import AveragePrecision, Predictions, Truths, average_precision

EXACT = 1e-12
ROUNDED = 5e-5  # CrowdPose's three levels are rounded to four digits
LEVELS = {"AP_easy": (-np.inf, 0.2), "AP_medium": (0.2, 0.8), "AP_hard": (0.8, np.inf)}
PARTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
PART_NAMES = {
    "keypoints_body": PARTS[:1],
    "keypoints_foot": PARTS[1:2],
    "keypoints_face": PARTS[2:3],
    "keypoints_lefthand": PARTS[3:4],
    "keypoints_righthand": PARTS[4:],
    "keypoints_wholebody": PARTS,
}
_KNOWN = {"pycocotools", "xtcocotools", "xtcocotools_use_area_false"}
_INPUTS = {"gt", "results", "sigmas", "stats_names", "iou_type", "use_area", "parts"}


def replay(case: Case, backend: Backend) -> list[str]:
    """Return what differs in one case."""
    unknown = case.entry.keys() - _KNOWN - _INPUTS
    if unknown:
        raise NoCounterpartError(f"{case.name}: {sorted(unknown)}")
    truth = json.loads(case.file.read_text())
    results = json.loads((case.root / case.entry["results"]).read_text())
    sigmas = np.asarray(case.entry["sigmas"])
    if "parts" in case.entry:
        return _compare_parts(case, truth, results, sigmas)
    out = []
    for key in sorted(_KNOWN & case.entry.keys()):
        use_area = case.entry.get("use_area", True) and key != "xtcocotools_use_area_false"
        found = evaluate(truth, results, sigmas, use_area=use_area)
        stats = found.stats()
        if case.entry.get("iou_type") == "keypoints_crowd":
            stats = {name: stats[name] for name in list(stats) if not name.endswith(("_M", "_L"))}
            stats |= _levels(truth, results, sigmas, use_area=use_area)
        out += _compare(key, case.entry[key], stats)
    return out


def _compare(key: str, expected: Sequence[float], stats: Mapping[str, float]) -> list[str]:
    exact = [name for name in stats if name not in LEVELS]
    found = [stats[name] for name in exact]
    out = differences(key, np.array(expected[: len(exact)]), found, rtol=0, atol=EXACT, missing=-1)
    rounded = [stats[name] for name in stats if name in LEVELS]
    if rounded or len(expected) != len(exact):
        levels = np.array(expected[len(exact) :])
        out += differences(f"{key} levels", levels, rounded, rtol=0, atol=ROUNDED, missing=-1)
    return out


def _compare_parts(
    case: Case, truth: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray
) -> list[str]:
    spans = case.entry["parts"]
    out = []
    for name, expected in case.entry["xtcocotools"].items():
        parts = PART_NAMES[name]
        picked = np.concatenate([sigmas[slice(*spans[part])] for part in parts])
        found = evaluate(truth, results, picked, parts=parts)
        out += _compare(name, expected, found.stats())
    return out


def _levels(
    truth: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray, *, use_area: bool
) -> dict[str, float]:
    out = {}
    for level, (low, high) in LEVELS.items():
        images = [image for image in truth["images"] if low <= image["crowdIndex"] < high]
        ids = {image["id"] for image in images}
        part = truth | {
            "images": images,
            "annotations": [a for a in truth["annotations"] if a["image_id"] in ids],
        }
        mine = [result for result in results if result["image_id"] in ids]
        out[level] = evaluate(part, mine, sigmas, use_area=use_area).ap()
    return out


def evaluate(
    truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: np.ndarray,
    *,
    use_area: bool = True,
    parts: Sequence[str] = PARTS[:1],
) -> AveragePrecision:
    """Evaluate parsed COCO files with the project's own function on arrays."""
    images = sorted(image["id"] for image in truth["images"])
    categories = sorted(category["id"] for category in truth["categories"])
    annotations = truth["annotations"]
    points = _points(annotations, parts, len(sigmas))
    bbox = np.array([a["bbox"] for a in annotations], dtype=float).reshape(-1, 4)
    area = (
        np.array([a["area"] for a in annotations]) if use_area else bbox[:, 2:].prod(axis=1) * 0.53
    )
    labelled = points[..., 2] > 0
    truths = Truths(
        xy=points[..., :2].copy(),
        labelled=labelled,
        image=np.searchsorted(images, [a["image_id"] for a in annotations]),
        area=area.astype(float),
        bbox=bbox,
        crowd=np.array([a["iscrowd"] for a in annotations], dtype=bool),
        empty=~labelled.any(axis=1),
        category=np.searchsorted(categories, [a["category_id"] for a in annotations]),
    )
    extent = np.ptp(_points(results, PARTS[:1], None)[..., :2], axis=1)
    predictions = Predictions(
        xy=_points(results, parts, len(sigmas))[..., :2].copy(),
        image=np.searchsorted(images, [r["image_id"] for r in results]),
        score=np.array([r["score"] for r in results], dtype=float),
        area=extent.prod(axis=1),
        category=np.searchsorted(categories, [r["category_id"] for r in results]),
    )
    return average_precision(truths, predictions, sigmas, num_categories=len(categories))


def _points(
    rows: Sequence[Mapping[str, Any]], parts: Sequence[str], num_keypoints: int | None
) -> np.ndarray:
    texts = [[value for part in parts for value in row[part]] for row in rows]
    count = len(texts[0]) // 3 if num_keypoints is None else num_keypoints
    return np.array(texts, dtype=float).reshape(len(rows), count, 3)

"""Random COCO evaluations that hit the corners of the protocol, and pycocotools' answer to them."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any, NamedTuple

import numpy as np

__all__ = ["CocoCase", "draw_case", "run_pycocotools"]

# Sides whose products lie on, just inside and just outside the borders of the area bands.
_SIDES = (32.0, 50.0, 64.0, 96.0, 200.0)
_BORDERS = (1024.0, 9216.0, float(np.nextafter(9216, 1e9)), float(np.nextafter(1024, 0)))


class CocoCase(NamedTuple):
    """One evaluation."""

    truth: dict[str, Any]
    results: list[dict[str, Any]]
    sigmas: np.ndarray


def draw_case(seed: int) -> CocoCase:
    """Draw an evaluation: some with crowds, people without keypoints, ties, too many results."""
    rng = np.random.default_rng(seed)
    keypoints = int(rng.choice([1, 2, 5, 8, 9, 14, 17, 21, 133]))
    categories = int(rng.choice([1, 1, 2, 3]))
    images = rng.permutation(100)[: int(rng.integers(1, 8))] + 1
    annotations = [
        _draw_annotation(rng, number + 1, images, keypoints, categories)
        for number in range(int(rng.integers(0, 25)))
    ]
    count = 200 if rng.random() < 0.1 else int(rng.integers(1, 60))
    results = [_draw_result(rng, annotations, images, keypoints, categories) for _ in range(count)]
    names = [f"point{k}" for k in range(keypoints)]
    truth = {
        "images": [
            {"id": int(i), "file_name": f"{i}.jpg", "width": 600, "height": 600} for i in images
        ],
        "annotations": annotations,
        "categories": [
            {"id": c + 1, "name": f"kind{c}", "keypoints": names, "skeleton": []}
            for c in range(categories)
        ],
    }
    sigmas = rng.uniform(0.02, 0.3, keypoints) if rng.random() < 0.5 else np.full(keypoints, 0.05)
    return CocoCase(truth, results, sigmas)


def _draw_annotation(
    rng: np.random.Generator, number: int, images: np.ndarray, keypoints: int, categories: int
) -> dict[str, Any]:
    visibility = rng.integers(0, 3, keypoints) * (rng.random() < 0.85)
    wh, corner = rng.choice(_SIDES, 2), rng.uniform(0, 300, 2)
    xy = corner + rng.random((keypoints, 2)) * wh
    xy = np.round(xy, int(rng.choice([0, 2]))) * (visibility > 0)[:, None]
    area = float(rng.choice([wh.prod(), 0.53 * wh.prod(), *_BORDERS]))
    return {
        "id": number,
        "image_id": int(rng.choice(images)),
        "category_id": int(rng.integers(1, categories + 1)),
        "bbox": [*corner.tolist(), *wh.tolist()],
        "area": area,
        "iscrowd": int(rng.random() < 0.12),
        "num_keypoints": int((visibility > 0).sum()),
        "keypoints": np.c_[xy, visibility].ravel().tolist(),
    }


def _draw_result(
    rng: np.random.Generator,
    annotations: list[dict[str, Any]],
    images: np.ndarray,
    keypoints: int,
    categories: int,
) -> dict[str, Any]:
    """Draw a result near a ground truth, or anywhere; scores of few digits tie."""
    image, category = int(rng.choice(images)), int(rng.integers(1, categories + 1))
    xy = rng.uniform(0, 400, (keypoints, 2))
    if annotations and rng.random() < 0.8:
        near = annotations[rng.integers(len(annotations))]
        error = rng.normal(0, rng.choice([0, 1, 4, 10, 30]), (keypoints, 2))
        xy = np.array(near["keypoints"]).reshape(-1, 3)[:, :2] + error
        image = near["image_id"]
        category = near["category_id"] if rng.random() < 0.9 else category
    elif rng.random() < 0.5:
        xy[1:] = xy[0] + 32.0  # an extent of 1024 square pixels: on the border of a band
    return {
        "image_id": image,
        "category_id": category,
        "keypoints": np.c_[xy, np.ones(keypoints)].ravel().tolist(),
        "score": float(np.round(rng.random(), int(rng.choice([1, 2, 8])))),
    }


def run_pycocotools(case: CocoCase) -> Any:
    """Return pycocotools' evaluator after it has run."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(case.truth)
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(copy.deepcopy(case.results)), "keypoints")
        evaluator.params.kpt_oks_sigmas = case.sigmas
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator

"""Small COCO files made for the tests; each knob is one thing that real files do differently."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "NAMES",
    "annotation",
    "evaluate",
    "ground_truth",
    "parsed",
    "same_json",
    "save",
    "wholebody",
]

NAMES = [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
]  # fmt: skip


def annotation(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return one annotation of 17 points; a change to `...` leaves the key out."""
    points = [v for k in range(17) for v in (10 * k + number, 20 + k, 2)]
    base = {
        "id": number,
        "image_id": 7,
        "category_id": 1,
        "keypoints": points,
        "num_keypoints": 17,
        "bbox": [10.5, 20, 170, 17.25],
        "area": 2932.5,
        "iscrowd": 0,
        "segmentation": [[1.5, 2, 3, 4, 5, 6]],
    }
    return {key: value for key, value in (base | changes).items() if value is not ...}


def ground_truth(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a file's content; without annotations given, there are two in two images."""
    base = {
        "info": {"description": "made for tests", "year": 2026},
        "licenses": [{"id": 1, "name": "none", "url": ""}],
        "images": [
            {"id": 7, "file_name": "a/7.jpg", "width": 640, "height": 480, "license": 1},
            {"id": 9, "file_name": "9.jpg", "width": 320, "height": 200},
        ],
        "annotations": list(annotations) or [annotation(1), annotation(2, image_id=9)],
        "categories": [
            {
                "id": 1,
                "name": "person",
                "supercategory": "person",
                "keypoints": NAMES,
                "skeleton": [[16, 14], [14, 12]],
            }
        ],
    }
    return {key: value for key, value in (base | changes).items() if value is not ...}


def wholebody(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an annotation with foot, face and hand lists."""

    def points(count: int, start: int) -> list[float]:
        return [v for k in range(count) for v in (start + k + 0.25, start - k, 1)]

    parts = {
        "foot_kpts": points(6, 100),
        "face_kpts": points(68, 200),
        "lefthand_kpts": [0.0, 0.0, 0.0] * 21,
        "righthand_kpts": points(21, 400),
        "face_box": [200.5, 130, 70, 71],
        "lefthand_box": [0.0, 0.0, 0.0, 0.0],
        "righthand_box": [400, 380, 22, 22],
        "face_valid": True,
        "lefthand_valid": False,
        "righthand_valid": True,
        "foot_valid": True,
    }
    return annotation(number, **(parts | changes))


def save(content: Any, path: Path) -> Path:
    """Write JSON; text and bytes go out as they are."""
    if isinstance(content, str | bytes):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        path.write_text(json.dumps(content, ensure_ascii=False))
    return path


def parsed(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_bytes())


def same_json(a: Any, b: Any) -> bool:
    """Compare as JSON does: 1 is 1.0, but true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_json(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same_json, a, b))
    return bool(a == b)


def evaluate(path: Path, results: Path | list[dict[str, Any]]) -> np.ndarray:
    """Return pycocotools' ten figures."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        found = truth.loadRes(str(results) if isinstance(results, Path) else results)
        evaluation = COCOeval(truth, found, "keypoints")
        if len(truth.anns):
            k = len(next(iter(truth.anns.values()))["keypoints"]) // 3
            evaluation.params.kpt_oks_sigmas = np.full(k, 0.05)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats

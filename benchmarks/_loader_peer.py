"""MMPose's side of the loader benchmark; runs in .venv-peers and prints milliseconds as JSON.

python _loader_peer.py PEOPLE.npz IMAGES PASSES
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from time import process_time
from typing import Any

import cv2
import numpy as np

warnings.simplefilter("ignore")
cv2.setNumThreads(1)
import mmpose.datasets.transforms  # noqa: E402, F401 - registers the transforms
import torch  # noqa: E402
from mmcv.transforms import Compose  # noqa: E402
from mmpose.registry import TRANSFORMS  # noqa: E402

torch.set_num_threads(1)
CODEC = {"type": "MSRAHeatmap", "input_size": (192, 256), "heatmap_size": (48, 64), "sigma": 2}
PIPELINE = [
    {"type": "LoadImage"}, {"type": "GetBBoxCenterScale"}, {"type": "RandomFlip"},
    {"type": "RandomHalfBody"}, {"type": "RandomBBoxTransform"},
    {"type": "TopdownAffine", "input_size": (192, 256)},
    {"type": "GenerateTarget", "encoder": CODEC}, {"type": "PackPoseInputs"},
]  # fmt: skip


def main(people: str, images: str, passes: int) -> None:
    """Time the standard pipeline over all people."""
    pipeline = Compose([TRANSFORMS.build(step) for step in PIPELINE])
    with np.load(people) as file:
        columns = dict(file)

    def once() -> float:
        start = process_time()
        for row in range(len(columns["image"])):
            pipeline(results(columns, row, Path(images)))
        return (process_time() - start) / len(columns["image"]) * 1000

    np.random.seed(0)  # noqa: NPY002 - what the transforms draw from
    print(json.dumps(min(once() for _ in range(passes))))


def results(columns: dict[str, Any], row: int, images: Path) -> dict[str, Any]:
    """What MMPose's dataset hands to the pipeline."""
    x, y, w, h = columns["bbox"][row]
    swaps = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    return {
        "img_id": int(columns["image"][row]), "img_path": str(images / columns["name"][row]),
        "bbox": np.array([[x, y, x + w, y + h]], np.float32), "bbox_score": np.ones(1, np.float32),
        "keypoints": np.nan_to_num(columns["xy"][row])[None].astype(np.float32),
        "keypoints_visible": columns["labelled"][row][None].astype(np.float32),
        "id": row, "flip_indices": swaps, "category_id": 1, "iscrowd": 0, "segmentation": None,
        "upper_body_ids": list(range(11)), "lower_body_ids": list(range(11, 17)),
        "flip_pairs": [], "dataset_keypoint_weights": np.ones(17, np.float32),
    }  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""MMPose's side of the loader benchmark; runs in .venv-peers and prints its figures as JSON.

python _loader_peer.py --child pipeline FOLDER PASSES
python _loader_peer.py --child large TRAIN.json IMAGES
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np

warnings.simplefilter("ignore")
cv2.setNumThreads(1)
import mmpose.datasets.transforms  # noqa: E402, F401 - registers the transforms
import torch  # noqa: E402
from _process import resident_mb  # noqa: E402
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


def pipeline(folder: str, passes: str) -> dict[str, float]:
    """Time the standard pipeline over all people: milliseconds a sample."""
    steps = Compose([TRANSFORMS.build(step) for step in PIPELINE])
    with np.load(Path(folder) / "people.npz") as file:
        columns = dict(file)

    def once() -> float:
        start = process_time()
        for row in range(len(columns["image"])):
            steps(results(columns, row, Path(folder)))
        return (process_time() - start) / len(columns["image"]) * 1000

    np.random.seed(0)  # noqa: NPY002 - what the transforms draw from
    return {"ms": min(once() for _ in range(int(passes)))}


def large(source: str, images: str) -> dict[str, float]:
    """Seconds until the dataset has read its file, and the memory of a process that loads."""
    from mmengine.dataset import pseudo_collate
    from mmpose.datasets import CocoDataset
    from torch.utils.data import DataLoader

    names = sorted(path.name for path in Path(images).iterdir())

    class Few(CocoDataset):
        """Look at a few small pictures, whatever the file names."""

        def get_data_info(self, idx: int) -> dict[str, Any]:
            info = super().get_data_info(idx)
            info["img_path"] = f"{images}/{names[idx % len(names)]}"
            return info

    start = perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        steps = [TRANSFORMS.build(step) for step in PIPELINE]
        dataset = Few(ann_file=source, data_mode="topdown", pipeline=steps)
    found = {"start_s": perf_counter() - start}
    loader = DataLoader(
        dataset, batch_size=32, shuffle=True, num_workers=1, collate_fn=pseudo_collate
    )
    batches = iter(loader)
    for _ in range(1000 // 32):
        next(batches)
    (process,) = batches._workers  # noqa: SLF001 - nobody else knows
    return found | {"mb_1000": resident_mb(process.pid)}


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
    _, kind, *arguments = sys.argv[1:]
    print(json.dumps({"pipeline": pipeline, "large": large}[kind](*arguments)))

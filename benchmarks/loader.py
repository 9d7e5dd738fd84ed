"""The standard top-down training pipeline beside MMPose 1.3.2's, on the same images in one run.

    python benchmarks/loader.py [--json] [--people 260] [--passes 3]

Both sides decode the image, flip, choose half bodies, vary the box, crop 192x256 in one thread,
encode MSRA heatmaps and pack; MMPose in its own environment (``.venv-peers``; benchmarks/peers.txt
says what is in it), this project in this one. ``grouped`` is our order in which people of one image
follow each other. Figures are the best of the passes, milliseconds of
processor time a sample.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import cv2
import numpy as np
import torch

from kptdata import ImageTable, PoseDataset, codecs, load_schema
from kptdata.transforms import standard_augmentation
from kptdata_models.data import TopdownDataset
from kptdata_models.loaders import TrainBatches

ROOT = Path(__file__).parents[1]
SIZE = (640, 480)
PEOPLE_PER_IMAGE = 2.6  # as in COCO


def draw(folder: Path, people: int) -> PoseDataset:
    """Write photographs' stand-ins as JPEG files, and people over them."""
    rng = np.random.default_rng(0)
    count = round(people / PEOPLE_PER_IMAGE)
    names = [f"{number:05d}.jpg" for number in range(count)]
    for name in names:
        smooth = cv2.resize(rng.integers(0, 256, (60, 80, 3)).astype(np.uint8), SIZE)
        grain = rng.normal(0, 6, (SIZE[1], SIZE[0], 3))
        picture = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    box = rng.uniform((0, 0, 90, 120), (400, 200, 240, 280), (people, 4))
    xy = box[:, None, :2] + rng.random((people, 17, 2)) * box[:, None, 2:]
    labelled = rng.random((people, 17)) < 0.75
    labelled[:, 0] = True
    return PoseDataset(
        schema=load_schema("coco"),
        images=ImageTable.of(names, width=[SIZE[0]] * count, height=[SIZE[1]] * count),
        image=rng.integers(0, count, people),
        xy=np.where(labelled[..., None], xy, np.nan),
        visibility=np.where(labelled, 2, 0).astype(np.uint8),
        bbox=box,
    )


def ours(dataset: PoseDataset, folder: Path, passes: int, *, grouped: bool) -> float:
    """Milliseconds a sample."""
    codec = codecs.build("MSRAHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
    samples = TopdownDataset(dataset, folder, codec, augmentation=standard_augmentation("mmpose"))
    groups = dataset.image if grouped else None
    best = float("inf")
    for epoch in range(passes):
        batches = TrainBatches(len(dataset), 32, seed=0, epoch=lambda e=epoch: e, groups=groups)
        keys = [key for batch in batches for key in batch]
        start = process_time()
        for key in keys:
            sample = samples[key]
            torch.as_tensor(sample.image)
        best = min(best, (process_time() - start) / len(keys) * 1000)
    return best


def theirs(dataset: PoseDataset, folder: Path, passes: int) -> float:
    """Milliseconds a sample of MMPose."""
    path = folder / "people.npz"
    names = np.array([str(name) for name in dataset.images.file_name])
    np.savez(
        path, image=dataset.image, name=names[dataset.image], bbox=dataset.bbox, xy=dataset.xy,
        labelled=dataset.labelled,
    )  # fmt: skip
    python = ROOT / ".venv-peers" / "bin" / "python"
    script = Path(__file__).with_name("_loader_peer.py")
    done = subprocess.run(
        [python, script, path, folder, str(passes)], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=260)
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = draw(folder, options.people)
        figures: dict[str, Any] = {
            "ours_ms": ours(dataset, folder, options.passes, grouped=False),
            "grouped_ms": ours(dataset, folder, options.passes, grouped=True),
            "mmpose_ms": theirs(dataset, folder, options.passes),
        }
    figures["ratio"] = figures["mmpose_ms"] / figures["ours_ms"]
    figures["grouped_ratio"] = figures["mmpose_ms"] / figures["grouped_ms"]
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:14} {value:8.3f}")


if __name__ == "__main__":
    main()

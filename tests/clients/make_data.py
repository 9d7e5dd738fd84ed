"""Write drawn people in every layout that another tool reads, and the points by themselves.

    python tests/clients/make_data.py FOLDER

``points.json`` is what each client compares with: made from the columns of the dataset, not by any
of the writers under test.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import _sleap_data
import numpy as np

import kptdata as kd
from kptdata.synth import synth

IMAGES, SIZE, SEED = 24, (320, 240), 5


def main(folder: Path) -> None:
    """Make the folder anew."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    series = synth(IMAGES, folder / "drawn", seed=SEED, size=SIZE)
    dataset = prepared(series.dataset)
    (folder / "points.json").write_text(json.dumps(facts(dataset), indent=1), "utf-8")
    for write in WRITERS:
        write(dataset, series.images, folder)
    print(f"{len(dataset)} people in {len(dataset.images)} pictures: {folder}")  # noqa: T201


def prepared(dataset: kd.PoseDataset) -> kd.PoseDataset:
    """Keep people with labelled points, all inside: of others the clients think differently."""
    width, height = SIZE
    inside = ((dataset.xy >= 0) & (dataset.xy <= [width - 1, height - 1])).all(axis=-1)
    labelled = dataset.labelled & inside
    dataset = dataset.replace(
        xy=np.where(labelled[..., None], dataset.xy, np.nan),
        visibility=np.where(labelled, dataset.visibility, kd.Visibility.UNLABELLED),
        given_xy=None,
    )
    return dataset[labelled.any(axis=1)]


def facts(dataset: kd.PoseDataset) -> list[dict[str, Any]]:
    """Return one entry a person: picture, box, and name -> x, y, visibility of labelled points."""
    names = dataset.schema.names
    return [
        {
            "file_name": str(dataset.images.file_name[dataset.image[row]]),
            "bbox": dataset.bbox[row].tolist(),
            "points": {
                names[k]: [*dataset.xy[row, k].tolist(), int(dataset.visibility[row, k])]
                for k in np.flatnonzero(dataset.labelled[row]).tolist()
            },
        }
        for row in range(len(dataset))
    ]


def _yolo(dataset: kd.PoseDataset, images: Path, folder: Path) -> None:
    kd.write(dataset, folder / "yolo", format="yolo_pose")
    shutil.copytree(images, folder / "yolo" / "images" / "train")


def _coco(dataset: kd.PoseDataset, images: Path, folder: Path) -> None:
    (folder / "coco" / "annotations").mkdir(parents=True)
    kd.write(
        dataset, folder / "coco" / "annotations" / "person_keypoints_train.json", format="coco"
    )
    shutil.copytree(images, folder / "coco" / "images" / "train")
    truth = kd.read(folder / "coco" / "annotations" / "person_keypoints_train.json")
    results = truth.replace(score=np.linspace(0.1, 0.9, len(truth)))
    kd.write(results, folder / "coco" / "results.json", format="coco_results")


def _cvat(dataset: kd.PoseDataset, images: Path, folder: Path) -> None:
    (folder / "cvat").mkdir()
    kd.write(dataset, folder / "cvat" / "train.xml", format="cvat_images")
    shutil.copytree(images, folder / "cvat" / "images")


def _datumaro(dataset: kd.PoseDataset, images: Path, folder: Path) -> None:
    (folder / "datumaro" / "annotations").mkdir(parents=True)
    kd.write(dataset, folder / "datumaro" / "annotations" / "train.json", format="datumaro")
    shutil.copytree(images, folder / "datumaro" / "images" / "train")


def _deeplabcut(dataset: kd.PoseDataset, _images: Path, folder: Path) -> None:
    """Write people as animals of one table, and one a picture as a table of a single animal."""
    (folder / "deeplabcut").mkdir()
    first = dataset[np.unique(dataset.image, return_index=True)[1]]
    for name, some in (("many", dataset), ("single", first)):
        for suffix in ("csv", "h5"):
            path = folder / "deeplabcut" / f"CollectedData_{name}.{suffix}"
            kd.write(some, path, format="deeplabcut")


WRITERS = (_yolo, _coco, _cvat, _datumaro, _deeplabcut, _sleap_data.write)

if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Ultralytics finds no corrupt label in our YOLO-pose tree, and loads our numbers.

python tests/clients/ultralytics_client.py DATA_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

from _facts import Person, compare, wanted


def main(folder: Path) -> None:
    """Verify every label file, then load the tree as a training does."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    card = check_det_dataset(str(folder / "yolo" / "data.yaml"), autodownload=False)
    names = card["kpt_names"][0]
    dataset = YOLODataset(img_path=card["train"], data=card, task="pose", augment=False)
    cached = dataset.cache_labels(folder / "yolo" / "labels" / "checked.cache")
    found, missing, empty, corrupt, total = cached["results"]
    expected = len({person["file_name"] for person in wanted(folder)})
    if corrupt or missing or cached["msgs"] or found - empty != expected:
        raise SystemExit(f"{cached['results']}: {cached['msgs']}")
    people = []
    for label in dataset.labels:
        height, width = label["shape"]
        for points in label["keypoints"]:
            kept = {
                name: (float(x) * width, float(y) * height, int(v))
                for name, (x, y, v) in zip(names, points, strict=True)
                if v
            }
            people.append(Person(Path(label["im_file"]).name, kept))
    print(f"ultralytics: {total} pictures, {corrupt} corrupt")  # noqa: T201
    # It keeps fractions in single precision.
    rounding = 320 * 2.0**-24
    print(f"ultralytics: {compare(people, folder, tolerance=rounding)}")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""pycocotools and xtcocotools load our COCO files and evaluate ground truth as its own result.

python tests/clients/cocotools_client.py DATA_DIR
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from pathlib import Path

from _facts import Person, compare


def main(folder: Path) -> None:
    """Load, compare and evaluate with each of the two."""
    for package in ("pycocotools", "xtcocotools"):
        coco = importlib.import_module(f"{package}.coco")
        evaluation = importlib.import_module(f"{package}.cocoeval")
        with contextlib.redirect_stdout(io.StringIO()):
            truth = coco.COCO(str(folder / "coco/annotations/person_keypoints_train.json"))
            results = truth.loadRes(str(folder / "coco/results.json"))
            run = evaluation.COCOeval(truth, results, "keypoints")
            run.evaluate()
            run.accumulate()
            run.summarize()
        print(f"{package}: {compare(people_of(truth), folder, tolerance=0.0)}")  # noqa: T201
        if run.stats[0] != 1.0:
            raise SystemExit(f"{package}: AP of the ground truth as its own result {run.stats[0]}")
        print(f"{package}: AP {run.stats[0]} of the ground truth as its own result")  # noqa: T201


def people_of(truth: object) -> list[Person]:
    """Return the people of a loaded file."""
    (category,) = truth.dataset["categories"]
    people = []
    for annotation in truth.anns.values():
        values = annotation["keypoints"]
        points = zip(category["keypoints"], values[::3], values[1::3], values[2::3], strict=True)
        kept = {name: (x, y, v) for name, x, y, v in points if v}
        people.append(Person(truth.imgs[annotation["image_id"]]["file_name"], kept))
    return people


if __name__ == "__main__":
    main(Path(sys.argv[1]))

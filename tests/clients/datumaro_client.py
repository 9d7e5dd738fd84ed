"""Datumaro imports our Datumaro JSON, our COCO keypoints and our CVAT images.

    python tests/clients/datumaro_client.py DATA_DIR

It keeps coordinates as float32 with two digits behind the point, whatever the format; so two
digits are what can agree.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from _facts import Person, compare
from datumaro.components.annotation import AnnotationType
from datumaro.components.dataset import Dataset

TOLERANCE = 0.005 + 320 * 2.0**-24  # half of the last digit, and that of a float32 below 320


def main(folder: Path) -> None:
    """Import and compare."""
    ours = Dataset.import_from(str(folder / "datumaro"), "datumaro")
    coco = Dataset.import_from(str(folder / "coco"), "coco_person_keypoints")
    cvat = Dataset.import_from(str(folder / "cvat"), "cvat")
    for title, people in (
        ("Datumaro JSON", skeletons(ours)),
        ("COCO keypoints", skeletons(coco)),
        ("CVAT for images", loose(cvat)),
    ):
        agreed = compare(list(people), folder, tolerance=TOLERANCE)
        print(f"datumaro, {title}: {agreed}")  # noqa: T201
    boxes = [sorted(boxes_of(found)) for found in (ours, coco)]
    if boxes[0] != boxes[1]:
        raise SystemExit("boxes of Datumaro JSON and of COCO differ")


def file_name(item: object) -> str:
    """Return the name of the picture of an item."""
    return Path(item.media.path).name


def boxes_of(dataset: Dataset) -> Iterator[tuple[str, list[float]]]:
    """Yield the boxes, with the names of their pictures."""
    for item in dataset:
        for found in item.annotations:
            if found.type == AnnotationType.bbox:
                yield file_name(item), found.get_bbox()


def skeletons(dataset: Dataset) -> Iterator[Person]:
    """Yield people whose points are one annotation, in a group with a box."""
    categories = dataset.categories()[AnnotationType.points].items
    for item in dataset:
        boxes = {a.group for a in item.annotations if a.type == AnnotationType.bbox}
        for found in item.annotations:
            if found.type == AnnotationType.points:
                if not found.group or found.group not in boxes:
                    raise SystemExit(f"{item.id}: points in no group with a box")
                names = categories[found.label].labels
                values = zip(
                    names, found.points[::2], found.points[1::2], found.visibility, strict=True
                )
                yield Person(file_name(item), {n: (x, y, int(v)) for n, x, y, v in values if v})


def loose(dataset: Dataset) -> Iterator[Person]:
    """Yield people whose points are annotations of their own, in the order of the skeleton.

    Datumaro does not say which points are outside; those are at the origin, and no drawn point is.
    """
    labels = dataset.categories()[AnnotationType.label]
    for item in dataset:
        points: dict[str, tuple[float, ...]] = {}
        for found in item.annotations:
            if found.type != AnnotationType.points:
                continue
            name = labels[found.label].name
            if name in points:
                yield Person(file_name(item), _labelled(points))
                points = {}
            points[name] = (*found.points, 1 if found.attributes["occluded"] else 2)
        if points:
            yield Person(file_name(item), _labelled(points))


def _labelled(points: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
    return {name: point for name, point in points.items() if point[:2] != (0.0, 0.0)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))

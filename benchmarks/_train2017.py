"""A COCO file of train2017's size, drawn at random in COCO's own spelling.

64,115 images, 262,465 people with polygons, about 190 MB, and a key that first appears in
annotation 50,001.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["IMAGES", "PEOPLE", "equal", "make"]

IMAGES, PEOPLE, KEYPOINTS = 64_115, 262_465, 17
WITHOUT_KEYPOINTS = 0.43  # share of train2017's people
LATE = 50_000  # row of the first annotation with an unknown key


def make(path: str, scale: str) -> dict[str, Any]:
    """Write the file, or a smaller one, and say how large it is."""
    images, people = int(IMAGES * float(scale)), int(PEOPLE * float(scale))
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(_file(images, people))
    return {"people": people, "megabytes": Path(path).stat().st_size / 1e6}


def _file(images: int, people: int) -> Iterator[str]:
    import numpy as np

    from kptdata import load_schema

    rng = np.random.default_rng(2017)
    yield '{"info": {"description": "drawn at random"},"licenses": [],"images": ['
    yield ",".join(map(_image, range(1, images + 1)))
    yield '],"annotations": ['
    for start in range(0, people, 5000):
        rows = _people(rng, start, min(5000, people - start), images)
        yield ("," if start else "") + ",".join(rows)
    schema = load_schema("coco")
    category = {"supercategory": "person", "id": 1, "name": "person"}
    links = (schema.link_indices + 1).tolist()
    yield '],"categories": ['
    yield json.dumps(category | {"keypoints": schema.names, "skeleton": links}) + "]}"


def _image(number: int) -> str:
    url = "http://images.cocodataset.org/train2017"
    return json.dumps(
        {
            "license": 3,
            "file_name": f"{number:012}.jpg",
            "coco_url": f"{url}/{number:012}.jpg",
            "height": 480,
            "width": 640,
            "date_captured": "2013-11-14 11:18:45",
            "flickr_url": f"http://farm9.staticflickr.com/8186/{number:010}_4e622c8349_z.jpg",
            "id": number,
        }
    )


def _people(rng: Any, start: int, count: int, images: int) -> Iterator[str]:
    import numpy as np

    v = rng.choice([0, 1, 2], (count, KEYPOINTS), p=[0.4, 0.1, 0.5])
    v[rng.random(count) < WITHOUT_KEYPOINTS] = 0
    xy = rng.integers(0, [640, 480], (count, KEYPOINTS, 2)) * (v > 0)[..., None]
    points = np.concatenate([xy, v[..., None]], axis=2).reshape(count, -1).tolist()
    boxes = (rng.integers(0, 64_000, (count, 4)) / 100).tolist()
    areas = (rng.integers(0, 10**9, count) / 10**4).tolist()
    image = rng.integers(1, images + 1, count).tolist()
    corners = np.clip(rng.gamma(2.2, 13.0, count), 3, 150).astype(int).tolist()
    for row in range(count):
        polygon = (rng.integers(0, 64_000, 2 * corners[row]) / 100).tolist()
        entry = {
            "segmentation": [polygon],
            "num_keypoints": int((v[row] > 0).sum()),
            "area": areas[row],
            "iscrowd": 0,
            "keypoints": points[row],
            "image_id": image[row],
            "bbox": boxes[row],
            "category_id": 1,
            "id": start + row + 1,
        }
        if start + row >= LATE and (start + row) % 1000 == 0:
            entry["checked"] = {"by": ["a", None], "on": start + row}
        yield json.dumps(entry, separators=(",", ": "))


def equal(source: str, target: str) -> dict[str, float]:
    """Count the annotations that were written back with every key and value."""
    import msgspec

    rows = msgspec.defstruct("Rows", [("annotations", list[msgspec.Raw])])
    before, after = (
        msgspec.json.decode(Path(path).read_bytes(), type=rows).annotations
        for path in (source, target)
    )
    pairs = zip(before, after, strict=True)
    same = sum(msgspec.json.decode(a) == msgspec.json.decode(b) for a, b in pairs)
    return {"people": len(before), "equal": same}

"""Small annotation files, good and bad, for the tests of the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kptdata as kd

__all__ = ["UNREADABLE", "document", "person"]


def person(number: int, image: int, x: float, **other: Any) -> dict[str, Any]:
    """A COCO annotation whose 17 points stand on a slope, the last one occluded."""
    points = [v for k in range(17) for v in (x + k, 20.5 + 2 * k, 1 if k == 16 else 2)]
    box = [x - 2, 18.0, 22.0, 40.0]
    return {
        "id": number, "image_id": image, "category_id": 1, "bbox": box, "area": 450.5,
        "iscrowd": 0, "num_keypoints": 17, "keypoints": points, **other,
    }  # fmt: skip


def document(*people: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A COCO file of two images, 7 and 8."""
    coco = kd.load_schema("coco")
    category = {
        "id": 1, "name": "person", "supercategory": "person", "keypoints": list(coco.names),
        "skeleton": [[a + 1, b + 1] for a, b in coco.link_indices.tolist()],
    }  # fmt: skip
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 120, "height": 90} for i in (7, 8)]
    return {"images": images, "annotations": list(people), "categories": [category], **other}


def _truncated(folder: Path) -> Path:
    text = json.dumps(document(person(1, 7, 10)))
    (folder / "cut.json").write_text(text[: len(text) // 2])
    return folder / "cut.json"


def _written(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


UNREADABLE: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "none.json",
    "missing-folder": lambda folder: folder / "none" / "none.json",
    "empty": _written("empty.json", b""),
    "empty-mat": _written("empty.mat", b""),
    "truncated": _truncated,
    "truncated-gzip": _written("cut.json.gz", b"\x1f\x8b\x08\x00\x00"),
    "picture": _written("picture.jpg", b"\xff\xd8\xff\xe0 not annotations"),
    "text": _written("notes.txt", b"these are my notes\n"),
    "other-json": _written("package.json", b'{"name": "left-pad", "version": "1.0.0"}'),
    "list-json": _written("list.json", b"[1, 2, 3]"),
    "binary-json": _written("binary.json", bytes(range(256))),
    "byte-order-mark": _written("bom.json", b"\xef\xbb\xbf" + json.dumps(document()).encode()),
    "not-a-number": _written(
        "nan.json", json.dumps(document(person(1, 7, 10, area=float("nan")))).encode()
    ),
    "not-a-mat": _written("fake.mat", b"MATLAB 5.0 MAT-file" + b"\x00" * 200),
    "folder": lambda folder: folder,
}

"""Drawn scenes as the dataset of each layout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata._synth_body import LANDMARKS
from kptdata._synth_scene import Hidden, Person, Scene
from kptdata.dataset import ImageTable, PoseDataset, RawColumn
from kptdata.schema import Schema, load_schema
from kptdata.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


__all__ = ["LAYOUTS", "Drawn", "Layout", "as_dataset", "record"]


@dataclass(frozen=True)
class Layout:
    """How a series is annotated: schema, format, name of the annotation file, name of an image."""

    schema: str
    format: str
    file_name: str
    image_name: str


LAYOUTS = {
    "mpii": Layout("mpii", "mpii", "annotations.mat", "{:09d}.jpg"),
    "coco": Layout("coco", "coco", "annotations.json", "{:012d}.jpg"),
    "coco-wholebody": Layout("coco_wholebody", "coco", "annotations.json", "{:012d}.jpg"),
}
"""What ``layout`` may be."""

_PART_BOXES = ("face", "left_hand", "right_hand")
_PART_MARGIN = 0.1  # of the part's larger side
_PERSON_HEIGHT = 200.0  # pixels at MPII's scale 1
_LOWERED = 15.0  # MPII's box lies this much below objpos, pixels at scale 1


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is kept of one person when its picture has been written."""

    image: int
    xy: NDArray[np.float64]
    hidden: NDArray[np.uint8]
    bbox: NDArray[np.float64]
    extent: NDArray[np.float64]
    head_box: NDArray[np.float64]
    area: float
    segmentation: bytes


def record(scene: Scene, image: int) -> list[Drawn]:
    """Keep what the annotations of a scene need, without its pixels."""
    return [
        Drawn(image, p.xy, p.hidden, p.bbox, p.extent, p.head_box, p.area, _run_lengths(p))
        for p in scene.people
    ]


def _run_lengths(person: Person) -> bytes:
    """Write a mask as COCO does for RLE: lengths of runs down the columns, the first run unset."""
    flat = np.concatenate([[False], person.mask.ravel(order="F")])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], edges, [person.mask.size]]))
    size = list(person.mask.shape)
    return json.dumps({"counts": counts.tolist(), "size": size}, separators=(",", ":")).encode()


def as_dataset(
    drawn: Sequence[Drawn], count: int, size: tuple[int, int], layout: str
) -> PoseDataset:
    """Make the dataset of `count` images of `size` (width, height) in a layout.

    Points outside the image are unlabelled; hidden ones are occluded.
    """
    plan = LAYOUTS[layout]
    schema = load_schema(plan.schema)
    rows = [LANDMARKS.index(name) for name in schema.names]
    xy = _stack([d.xy[rows] for d in drawn], (len(rows), 2))
    hidden = _stack([d.hidden[rows] for d in drawn], (len(rows),))
    visibility = np.full(hidden.shape, Visibility.OCCLUDED, np.uint8)
    visibility[hidden == Hidden.SHOWN] = Visibility.VISIBLE
    visibility[hidden == Hidden.OUTSIDE] = Visibility.UNLABELLED
    images = ImageTable.of(
        [plan.image_name.format(i + 1) for i in range(count)],
        width=np.full(count, size[0]),
        height=np.full(count, size[1]),
    )
    columns = _mpii(drawn) if layout == "mpii" else _coco(drawn, schema, size)
    return PoseDataset(
        schema=schema,
        images=images,
        image=np.array([d.image for d in drawn], dtype=np.intp),
        xy=np.where((visibility == Visibility.UNLABELLED)[..., None], np.nan, xy),
        visibility=visibility,
        provenance=(f"drawn by kptdata.synth as {layout}",),
        **columns,
    )


def _stack(rows: list[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    return np.stack(rows) if rows else np.zeros((0, *shape))


def _mpii(drawn: Sequence[Drawn]) -> dict[str, Any]:
    """Place people as MPII does: a centre, a height in units of 200 px, the head's box."""
    extent = _stack([d.extent for d in drawn], (4,))
    scale = extent[:, 2:].max(axis=1, initial=0.0) / _PERSON_HEIGHT
    centre = extent[:, :2] + extent[:, 2:] / 2
    centre = centre - np.stack([np.zeros_like(scale), _LOWERED * scale], axis=1)
    return {
        "boxes": {"head": _stack([d.head_box for d in drawn], (4,))},
        "points": {"objpos": centre[:, None]},
        "numbers": {"scale": scale},
    }


def _coco(drawn: Sequence[Drawn], schema: Schema, size: tuple[int, int]) -> dict[str, Any]:
    count = len(drawn)
    columns = {
        "id": np.arange(1, count + 1),
        "bbox": _stack([d.bbox for d in drawn], (4,)),
        "bbox_source": ["drawn"] * count,
        "area": np.array([d.area for d in drawn], dtype=np.float64),
        "area_source": ["drawn"] * count,
        "iscrowd": np.zeros(count, np.int8),
        "category": np.ones(count, np.int64),
        "categories": {1: "person"},
        "extras": {"segmentation": RawColumn([d.segmentation for d in drawn])},
    }
    groups = [k.group for k in schema.keypoints]
    parts = [part for part in _PART_BOXES if part in groups]
    if parts:
        columns["boxes"] = {part: _part_boxes(drawn, schema, part, size) for part in parts}
    return columns


def _part_boxes(
    drawn: Sequence[Drawn], schema: Schema, part: str, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Box a part's points that are in the image, xywh (N, 4); NaN where there are none."""
    rows = [LANDMARKS.index(k.name) for k in schema.keypoints if k.group == part]
    boxes = np.full((len(drawn), 4), np.nan)
    for box, person in zip(boxes, drawn, strict=True):
        points = person.xy[rows][person.hidden[rows] != Hidden.OUTSIDE]
        if len(points):
            margin = _PART_MARGIN * np.ptp(points, axis=0).max()
            low = np.maximum(points.min(axis=0) - margin, 0)
            box[:] = (*low, *(np.minimum(points.max(axis=0) + margin, size) - low))
    return boxes

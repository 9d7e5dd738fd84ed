"""A plain dataset, and one value after another to plant in it: all that the dataset type has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import kptdata as kd
from kptdata import CameraTable, ImageTable, PoseDataset, RawColumn, Space, load_schema
from kptdata.visibility import Visibility

__all__ = ["PLANTS", "plain", "with_images"]

NAN = np.nan
V = Visibility


def plain(schema: str, count: int = 4, **columns: Any) -> PoseDataset:
    """Return people that every format should manage: all points visible, at whole pixels."""
    chosen = load_schema(schema)
    keypoints = chosen.num_keypoints
    grid = np.arange(count * keypoints * 2, dtype=float).reshape(count, keypoints, 2)
    base = {
        "schema": chosen,
        "images": ImageTable.of(
            ["a.jpg", "b.jpg", "c.jpg"], width=[640, 640, 480], height=[480, 480, 640]
        ),
        "image": np.array([0, 0, 1, 2])[:count],
        "xy": grid + 10,
        "visibility": np.full((count, keypoints), V.VISIBLE),
        "id": np.arange(1, count + 1),
        "bbox": np.tile([1.0, 2.0, 300.0, 400.0], (count, 1)),
        "area": np.full(count, 1000.0),
        "iscrowd": np.zeros(count, np.int8),
        "score": np.full(count, 0.5),
        "category": np.ones(count, np.int64),
        "categories": {1: "person"},
    }
    return PoseDataset(**(base | columns))


def with_states(ds: PoseDataset, *states: Visibility) -> PoseDataset:
    """Give the first points of the first instance these states."""
    visibility, xy = ds.visibility.copy(), ds.xy.copy()
    for k, state in enumerate(states):
        visibility[0, k] = state
        if state in (V.UNLABELLED, V.ABSENT):
            xy[0, k] = NAN
    return ds.replace(visibility=visibility, xy=xy)


def given_under(ds: PoseDataset, state: Visibility, place: tuple[float, float]) -> PoseDataset:
    """State coordinates under a point that is not labelled."""
    given_xy = np.full_like(ds.xy, NAN)
    given_xy[0, 1] = place
    return with_states(ds, V.VISIBLE, state).replace(given_xy=given_xy)


def some(ds: PoseDataset, value: Any, blank: Any = NAN) -> list[Any]:
    """Return a column with a value in the first row only."""
    return [value] + [blank] * (len(ds) - 1)


def shifted(ds: PoseDataset) -> PoseDataset:
    """Move a point to where binary fractions do not end."""
    xy = ds.xy.copy()
    xy[0, 0] = (0.1 + 0.2, 1e5 / 3)
    return ds.replace(xy=xy)


def with_images(ds: PoseDataset, **columns: Any) -> PoseDataset:
    """Change the table of images."""
    table = ds.images
    base = {"id": table.id, "width": table.width, "height": table.height}
    file_name = columns.pop("file_name", table.file_name)
    return ds.replace(images=ImageTable.of(file_name, **(base | columns)))


def texts(ds: PoseDataset, *values: str | None) -> RawColumn:
    """Return a column of JSON texts, absent where there are too few."""
    given = [None if v is None else v.encode() for v in values]
    return RawColumn(given + [None] * (len(ds) - len(given)))


CAMERA = CameraTable(
    name=["left"],
    intrinsics=np.eye(3)[None],
    rotation=np.eye(3)[None],
    translation=np.zeros((1, 3)),
    distortion=np.zeros((1, 5)),
)

PLANTS: dict[str, Callable[[PoseDataset], PoseDataset]] = {
    "occluded": lambda ds: with_states(ds, V.OCCLUDED, V.OCCLUDED),
    "unlabelled": lambda ds: with_states(ds, V.UNLABELLED),
    "absent": lambda ds: with_states(ds, V.VISIBLE, V.ABSENT),
    "labelled": lambda ds: with_states(ds, V.LABELLED),
    "nothing labelled": lambda ds: with_states(ds, *[V.UNLABELLED] * ds.schema.num_keypoints),
    "fractions": shifted,
    "negative": lambda ds: ds.replace(xy=-ds.xy),
    "given under unlabelled": lambda ds: given_under(ds, V.UNLABELLED, (3.25, 4.0)),
    "given under absent": lambda ds: given_under(ds, V.ABSENT, (5.5, 6.5)),
    "given at the origin": lambda ds: given_under(ds, V.UNLABELLED, (0.0, 0.0)),
    "keypoint score": lambda ds: ds.replace(
        keypoint_score=np.linspace(0, 1, ds.visibility.size).reshape(ds.visibility.shape)
    ),
    "one keypoint score": lambda ds: ds.replace(
        keypoint_score=np.where(np.arange(ds.visibility.size) == 3, 0.25, NAN).reshape(
            ds.visibility.shape
        )
    ),
    "3D points": lambda ds: ds.replace(
        xyz=np.ones((*ds.visibility.shape, 3)), space=Space(unit="mm")
    ),
    "cameras": lambda ds: ds.replace(cameras=CAMERA),
    "no box": lambda ds: ds.replace(bbox=np.r_[np.full((1, 4), NAN), ds.bbox[1:]]),
    "no boxes": lambda ds: ds.replace(bbox=None),
    "infinite box": lambda ds: ds.replace(bbox=np.r_[[[0, 0, np.inf, 1]], ds.bbox[1:]]),
    "box of no size": lambda ds: ds.replace(bbox=np.r_[[[5.5, 6, 0, 0]], ds.bbox[1:]]),
    "source of boxes": lambda ds: ds.replace(bbox_source=some(ds, "detected", "")),
    "no area": lambda ds: ds.replace(area=some(ds, NAN, 5.0)),
    "area": lambda ds: ds.replace(area=some(ds, 1 / 3, 0.0)),
    "source of areas": lambda ds: ds.replace(area_source=some(ds, "box053", "")),
    "crowd": lambda ds: ds.replace(iscrowd=some(ds, 1, 0)),
    "crowd not stated": lambda ds: ds.replace(iscrowd=some(ds, -1, 0)),
    "score": lambda ds: ds.replace(score=some(ds, 0.75, 0.125)),
    "no score": lambda ds: ds.replace(score=None),
    "track": lambda ds: ds.replace(track=np.arange(len(ds)) * 7),
    "named track": lambda ds: ds.replace(track=some(ds, "left player", "")),
    "ids": lambda ds: ds.replace(id=np.arange(len(ds))[::-1] * 3 + 5),
    "id 0": lambda ds: ds.replace(id=np.arange(len(ds))),
    "named ids": lambda ds: ds.replace(id=[f"person {i}" for i in range(len(ds))]),
    "no ids": lambda ds: ds.replace(id=None),
    "two categories": lambda ds: ds.replace(
        category=np.arange(len(ds)) % 2 + 1, categories={1: "person", 2: "rider"}
    ),
    "no category": lambda ds: ds.replace(category=None, categories={}),
    "answers": lambda ds: ds.replace(answers=np.arange(len(ds)) + 40),
    "head boxes": lambda ds: ds.replace(boxes={"head": np.arange(len(ds) * 4.0).reshape(-1, 4)}),
    "other boxes": lambda ds: ds.replace(boxes={"torso": np.ones((len(ds), 4))}),
    "points": lambda ds: ds.replace(points={"objpos": np.full((len(ds), 1, 2), 7.5)}),
    "numbers": lambda ds: ds.replace(numbers={"scale": np.arange(len(ds)) + 0.5}),
    "whole numbers": lambda ds: ds.replace(numbers={"age": np.arange(len(ds))}),
    "extras": lambda ds: ds.replace(extras={"note": texts(ds, '{"a": [1, 2.50, null]}', '""')}),
    "extra with the name of a column": lambda ds: ds.replace(extras={"bbox": texts(ds, '"big"')}),
    "extras of images": lambda ds: with_images(
        ds, extras={"licence": RawColumn([b"3", None, b"{}"])}
    ),
    "image without people": lambda ds: ds.replace(image=np.zeros(len(ds), int)),
    "instance without image": lambda ds: ds.replace(image=some(ds, -1, 0)),
    "unknown sizes": lambda ds: with_images(ds, width=[0, 0, 0], height=[0, 0, 0]),
    "folders": lambda ds: with_images(ds, file_name=["x/a.png", "x/ä.png", "y/a.png"]),
    "image ids": lambda ds: with_images(ds, id=[30, 10, 20]),
    "named images": lambda ds: with_images(ds, id=["z", "y", "x"]),
    "image id twice": lambda ds: with_images(ds, id=[7, 7, 8]),
    "videos": lambda ds: with_images(
        ds, sequence=["v", "v", ""], frame=[0, 1, kd.dataset.MISSING_INT]
    ),
    "image cameras": lambda ds: with_images(ds, camera=[0, 0, -1]).replace(cameras=CAMERA),
    "file-level texts": lambda ds: ds.replace(meta={"info": b'{"year": 2017}', "more": b"[1]"}),
}

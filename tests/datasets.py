"""Small datasets that several tests share; what each one means is said where it is made."""

from __future__ import annotations

from typing import Any

import numpy as np

from kptdata import ImageTable, PoseDataset, RawColumn, Schema, Visibility, load_schema

V = Visibility


def person_pair(**columns: Any) -> PoseDataset:
    """Two people of three keypoints in two images, one keypoint in each state."""
    schema = Schema.from_names(["nose", "left_eye", "right_eye"], name="three")
    visibility = np.array(
        [[V.VISIBLE, V.OCCLUDED, V.LABELLED], [V.UNLABELLED, V.ABSENT, V.VISIBLE]]
    )
    xy = np.array([[[1, 2], [3, 4], [5, 6]], [[np.nan] * 2, [np.nan] * 2, [7, 8]]], dtype=float)
    images = ImageTable.of(["a.png", "b.png"], id=[10, 20], width=[640, 0], height=[480, 0])
    given = {"schema": schema, "images": images, "image": [0, 1], "xy": xy}
    return PoseDataset(**(given | {"visibility": visibility} | columns))


def full_pair() -> PoseDataset:
    """`person_pair` with a value in every column of the type."""
    nan = np.nan
    return person_pair(
        given_xy=[[[nan, nan]] * 3, [[0.5, 0.25], [nan, nan], [nan, nan]]],
        xyz=np.arange(18.0).reshape(2, 3, 3),
        keypoint_score=[[0.1, 0.2, 0.3], [nan, nan, 0.9]],
        bbox=[[0, 0, 10, 20], [nan] * 4],
        bbox_source=["annotated", ""],
        area=[106.0, nan],
        area_source=["annotated", ""],
        iscrowd=[0, 1],
        score=[0.5, nan],
        track=[3, 4],
        id=[100, 200],
        category=[1, 1],
        answers=[7, 8],
        boxes={"head": [[1, 1, 2, 2], [nan] * 4]},
        points={"objpos": [[[5, 5]], [[6, 6]]]},
        numbers={"scale": [1.5, 2.5]},
        extras={"note": RawColumn([b'"hi"', None])},
        order=[1, 0],
        categories={1: "person"},
        meta={"info": b'{"year": 2017}'},
    )


def crowd(count: int, *, schema: str = "coco", seed: int = 0) -> PoseDataset:
    """`count` people, three in an image, half of their points visible; ids from 1."""
    rng = np.random.default_rng(seed)
    chosen = load_schema(schema)
    visibility = rng.integers(0, 3, (count, chosen.num_keypoints)).astype(np.uint8)
    xy = rng.uniform(0, 200, (count, chosen.num_keypoints, 2))
    xy[visibility == V.UNLABELLED] = np.nan
    images = ImageTable.of([f"{i}.png" for i in range((count + 2) // 3)])
    return PoseDataset(
        schema=chosen,
        images=images,
        image=np.arange(count) // 3,
        xy=xy,
        visibility=visibility,
        id=np.arange(1, count + 1),
    )

"""Hypothesis strategies: what the project's data may look like."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kptdata import ImageTable, PoseDataset, RawColumn, Schema
from kptdata.visibility import is_labelled

__all__ = [
    "arrays",
    "boxes_xyxy",
    "datasets",
    "image_sizes",
    "leading_axes",
    "points",
    "regions",
    "swaps",
]

COORDINATE = 10_000.0  # pixels: larger than the images of the field, either side of the origin


def leading_axes(max_size: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw leading axes: none, one or two, empty ones included."""
    return hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=max_size)


def arrays(
    shape: tuple[int, ...], low: float, high: float, dtype: str = "float64"
) -> st.SearchStrategy[np.ndarray]:
    """Draw finite arrays of a `shape`, values in `low`..`high`."""
    width = np.dtype(dtype).itemsize * 8
    return hnp.arrays(dtype, shape, elements=st.floats(low, high, width=width))


def image_sizes() -> st.SearchStrategy[tuple[int, int]]:
    """Draw (width, height) in pixels."""
    return st.tuples(st.integers(1, 6000), st.integers(1, 6000))


@st.composite
def points(draw: st.DrawFn, num_keypoints: int = 4) -> np.ndarray:
    """Draw (..., K, 2) pixels, inside and outside any image."""
    shape = (*draw(leading_axes()), num_keypoints, 2)
    return draw(arrays(shape, -COORDINATE, COORDINATE))


@st.composite
def boxes_xyxy(draw: st.DrawFn, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Draw (..., 4) boxes with right >= left and bottom >= top; of no area, too."""
    leading = draw(leading_axes()) if shape is None else shape
    low = draw(arrays((*leading, 2), -COORDINATE, COORDINATE))
    wh = draw(arrays((*leading, 2), 0, COORDINATE))
    return np.concatenate([low, low + wh], axis=-1)


@st.composite
def regions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw centre (..., 2), size (..., 2) from 1 px and angle (...) in degrees of crops."""
    leading = draw(leading_axes())
    center = draw(arrays((*leading, 2), -COORDINATE, COORDINATE))
    scale = draw(arrays((*leading, 2), 1, COORDINATE))
    return center, scale, draw(arrays(leading, -360, 360))


@st.composite
def swaps(draw: st.DrawFn, num_keypoints: int = 4) -> tuple[int, ...]:
    """Draw left/right partners of K keypoints: mutual pairs, the rest alone."""
    order = draw(st.permutations(range(num_keypoints)))
    partner = list(range(num_keypoints))
    for pair in range(draw(st.integers(0, num_keypoints // 2))):
        left, right = order[2 * pair], order[2 * pair + 1]
        partner[left], partner[right] = right, left
    return tuple(partner)


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def datasets(draw: st.DrawFn, schema: Schema, max_size: int = 5) -> PoseDataset:
    """Draw a dataset of a `schema`: any state of points, columns and images there or not."""
    count, num_images = draw(st.integers(0, max_size)), draw(st.integers(1, 4))
    shape = (count, schema.num_keypoints)
    visibility = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 4)))
    xy = draw(arrays((*shape, 2), -COORDINATE, COORDINATE))
    xy[~is_labelled(visibility)] = np.nan
    columns = {
        "bbox": arrays((count, 4), -COORDINATE, COORDINATE),
        "area": arrays((count,), 0, COORDINATE),
        "iscrowd": hnp.arrays(np.int8, count, elements=st.integers(-1, 1)),
        "score": arrays((count,), 0, 1),
        "keypoint_score": arrays(shape, 0, 1),
        "given_xy": arrays((*shape, 2), -COORDINATE, COORDINATE),
        "track": hnp.arrays(np.int64, count, elements=st.integers(0, 99)),
        "category": hnp.arrays(np.int64, count, elements=st.integers(1, 2)),
        "id": st.just(np.arange(1, count + 1)) | st.just([f"p{i}" for i in range(count)]),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(columns))))
    given = {name: draw(columns[name]) for name in sorted(chosen)}
    if "given_xy" in given:
        given["given_xy"][is_labelled(visibility)] = np.nan
    if "bbox" in given and count:
        given["bbox"][draw(st.integers(0, count - 1))] = np.nan
    if draw(st.booleans()):
        given["boxes"] = {"head": draw(arrays((count, 4), 0, COORDINATE))}
        given["numbers"] = {"scale": draw(arrays((count,), 0, 10))}
    if draw(st.booleans()):
        texts = draw(st.lists(_JSON, min_size=count, max_size=count))
        given["extras"] = {"note": RawColumn.from_values(texts)}
    return PoseDataset(
        schema=schema,
        images=ImageTable.of(
            [f"{i}.jpg" for i in range(num_images)],
            width=draw(hnp.arrays(np.int64, num_images, elements=st.integers(0, 9))),
        ),
        image=draw(hnp.arrays(np.intp, count, elements=st.integers(0, num_images - 1))),
        xy=xy,
        visibility=visibility,
        categories={1: "person", 2: "rider"},
        **given,
    )

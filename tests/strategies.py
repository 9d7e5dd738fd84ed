"""Hypothesis strategies: what the project's data may look like."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

__all__ = ["arrays", "boxes_xyxy", "image_sizes", "leading_axes", "points", "regions", "swaps"]

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

"""Crop matrices and what is done with them: pure functions on NumPy arrays and torch tensors.

A matrix (2, 3) takes pixel coordinates (x, y, 1) of one image to pixel coordinates of another; in
both the centre of the top-left pixel is (0, 0) (docs/coordinates.md). Axes: ``...`` any leading
axes. Matrices have the type, dtype and device of the region given; everything is differentiable in
every array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from array_api_compat import array_namespace

from kptdata._array import Array, asarray_like, check_array
from kptdata.errors import OptionError

__all__ = ["apply", "compose", "invert", "udp_warp_matrix", "warp_matrix"]


def warp_matrix(
    center: Array,
    scale: Array,
    rot: float | Array,
    output_size: tuple[float, float],
    *,
    shift: Sequence[float] | Array = (0.0, 0.0),
    fix_aspect_ratio: bool = True,
) -> Array:
    """Return matrices (..., 2, 3) that put a region of an image into a crop, by sizes in pixels.

    The region's centre goes to ``output_size / 2`` and its width to the crop's width, both counted
    in pixels (not in steps from the first to the last pixel: that is `udp_warp_matrix`). It is
    computed in float64 in closed form: an entry is off by less than 16 rounding steps of the
    largest of its terms, and is then rounded to the dtype of `center`. MMPose solves the same for
    three points in float32, so its matrices differ from these by the rounding of those points.

    Args:
        center: (..., 2) centre of the region, pixels.
        scale: (..., 2) its width and height, pixels; where one is not positive, the matrix is NaN.
        rot: degrees, a number or an array (...); a positive angle turns the picture anticlockwise.
        output_size: width and height of the crop.
        shift: moves the centre by this fraction of `scale`; two numbers or an array (..., 2).
        fix_aspect_ratio: enlarge by one factor, that of the width; else width and height each by
            their own, after the turn.

    Raises:
        ArrayError: `center` or `scale` has another shape.
        OptionError: a side of `output_size` is not positive.
    """
    _check_region(center, scale, output_size)
    xp = array_namespace(center)
    center64, scale64 = xp.astype(center, xp.float64), xp.astype(scale, xp.float64)
    size = asarray_like(output_size, center64)
    stretch = size / _positive(scale64)
    if fix_aspect_ratio:
        stretch = xp.broadcast_to(stretch[..., :1], stretch.shape)
    start = center64 + scale64 * asarray_like(shift, center64)
    matrix = _about(start, size / 2, stretch, asarray_like(rot, center64))
    return xp.astype(matrix, center.dtype)


def udp_warp_matrix(
    center: Array,
    scale: Array,
    rot: float | Array,
    output_size: tuple[float, float],
    *,
    reference: bool = False,
) -> Array:
    """Return matrices (..., 2, 3) that put a region into a crop, by steps between pixels.

    The region's left and top edges go to the centres of the first pixels, its right and bottom
    edges to those of the last ones: its width is stretched by ``(w - 1) / scale``. So flips and
    resizes of the crop agree exactly with those of the image. Width and height are stretched each
    by their own factor, after the turn. Computed as in `warp_matrix`, to the same bound.

    Args:
        center: (..., 2) centre of the region, pixels.
        scale: (..., 2) its width and height, pixels; where one is not positive, the matrix is NaN.
        rot: degrees, a number or an array (...); a positive angle turns the picture anticlockwise.
        output_size: width and height of the crop.
        reference: turn the other way, as MMPose does in this matrix and not in the plain one.

    Raises:
        ArrayError: `center` or `scale` has another shape.
        OptionError: a side of `output_size` is not positive.

    References:
        Huang et al., "The Devil is in the Details", CVPR 2020, arXiv:1911.07524.
    """
    _check_region(center, scale, output_size)
    xp = array_namespace(center)
    center64, scale64 = xp.astype(center, xp.float64), xp.astype(scale, xp.float64)
    steps = asarray_like(output_size, center64) - 1
    angle = asarray_like(rot, center64)
    stretch = steps / _positive(scale64)
    matrix = _about(center64, steps / 2, stretch, -angle if reference else angle)
    return xp.astype(matrix, center.dtype)


def apply(matrix: Array, xy: Array) -> Array:
    """Take points `xy` (..., P, 2) through `matrix` (..., 2, 3); NaN points stay NaN.

    Leading axes broadcast; of two dtypes the result has the wider one.

    Raises:
        ArrayError: `matrix` or `xy` has another shape.

    >>> import numpy as np
    >>> apply(np.array([[2.0, 0.0, 1.0], [0.0, 2.0, 0.0]]), np.array([[3.0, 4.0]])).tolist()
    [[7.0, 8.0]]
    """
    check_array("matrix", matrix, "(..., 2, 3)")
    check_array("xy", xy, "(..., P, 2)")
    xp = array_namespace(matrix, xy)
    dtype = xp.result_type(matrix, xy)
    matrix, xy = xp.astype(matrix, dtype), xp.astype(xy, dtype)
    return xy @ xp.matrix_transpose(matrix[..., :2]) + matrix[..., None, :, 2]


def invert(matrix: Array) -> Array:
    """Return the matrices (..., 2, 3) that undo `matrix` (..., 2, 3); NaN where nothing can.

    Raises `ArrayError`.
    """
    check_array("matrix", matrix, "(..., 2, 3)")
    xp = array_namespace(matrix)
    a, b, c, d = (matrix[..., i, j] for i in range(2) for j in range(2))
    determinant = a * d - b * c
    nowhere = xp.full_like(determinant, math.nan)
    determinant = xp.where(determinant == 0, nowhere, determinant)[..., None]
    adjugate = xp.stack([xp.stack([d, -b], axis=-1), xp.stack([-c, a], axis=-1)], axis=-2)
    linear = adjugate / determinant[..., None]
    return _matrix(linear, -_times(linear, matrix[..., 2]))


def compose(outer: Array, inner: Array) -> Array:
    """Return the matrices (..., 2, 3) that do what `inner` does, and then what `outer` does.

    Raises:
        ArrayError: `outer` or `inner` has another shape.
    """
    check_array("outer", outer, "(..., 2, 3)")
    check_array("inner", inner, "(..., 2, 3)")
    linear = outer[..., :2] @ inner[..., :2]
    return _matrix(linear, _times(outer[..., :2], inner[..., 2]) + outer[..., 2])


def _about(start: Array, end: Array, stretch: Array, angle_deg: Array) -> Array:
    """Turn anticlockwise, stretch along the axes of the result, and take `start` to `end`."""
    xp = array_namespace(start)
    angle = angle_deg * (math.pi / 180)
    cos, sin = xp.cos(angle), xp.sin(angle)
    turn = xp.stack([xp.stack([cos, sin], axis=-1), xp.stack([-sin, cos], axis=-1)], axis=-2)
    linear = stretch[..., :, None] * turn
    return _matrix(linear, end - _times(linear, start))


def _matrix(linear: Array, translation: Array) -> Array:
    xp = array_namespace(linear)
    shape = xp.broadcast_arrays(linear[..., 0], translation)[0].shape
    linear = xp.broadcast_to(linear, (*shape, 2))
    column = xp.broadcast_to(translation, shape)[..., None]
    return xp.concat([linear, column], axis=-1)


def _times(linear: Array, vector: Array) -> Array:
    return (linear @ vector[..., None])[..., 0]


def _positive(scale: Array) -> Array:
    xp = array_namespace(scale)
    return xp.where(scale > 0, scale, xp.full_like(scale, math.nan))


def _check_region(center: Array, scale: Array, output_size: tuple[float, float]) -> None:
    check_array("center", center, "(..., 2)")
    check_array("scale", scale, center.shape)
    if len(output_size) != 2 or not min(output_size) > 0:
        raise OptionError(f"output_size: expected two positive sizes, got {output_size}")

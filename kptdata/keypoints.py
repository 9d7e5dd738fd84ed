"""Flip, clip and measure keypoints: pure functions on NumPy arrays and torch tensors.

Axes: ``...`` any leading axes, ``K`` keypoints. Coordinates are pixels with the centre of the
top-left pixel at (0, 0), x right, y down (docs/coordinates.md). Results have the type, dtype and
device of the coordinates given; inputs are never changed; NaN coordinates stay NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple

from array_api_compat import array_namespace, device

from kptdata._array import Array, asarray_like, check_array
from kptdata.errors import OptionError, UnknownNameError

__all__ = [
    "DIRECTIONS",
    "Keypoints",
    "clip",
    "distances",
    "flip",
    "flip_about_point",
    "flip_about_x",
    "flip_points",
    "mirrored_axes",
    "swap",
]

# Which of x and y a flip mirrors. Two mirrors are half a turn: left stays left.
_MIRRORED = {"horizontal": (True, False), "vertical": (False, True), "diagonal": (True, True)}
DIRECTIONS: tuple[str, ...] = tuple(_MIRRORED)


class Keypoints(NamedTuple, Generic[Array]):
    """Coordinates and what is known about them, changed together."""

    xy: Array  # (..., K, D) coordinates
    visibility: Array  # (..., K) in the type that was given


def mirrored_axes(direction: str) -> tuple[bool, bool]:
    """Tell whether a flip in this `direction` mirrors x, and whether it mirrors y.

    Raises:
        UnknownNameError: the direction is not one of `DIRECTIONS`.

    >>> mirrored_axes("horizontal")
    (True, False)
    """
    if direction not in _MIRRORED:
        raise UnknownNameError("direction", direction, DIRECTIONS)
    return _MIRRORED[direction]


def flip(
    xy: Array,
    visibility: Array,
    image_size: Sequence[float] | Array,
    swap_indices: Sequence[int] | Array,
    direction: str = "horizontal",
) -> Keypoints[Array]:
    """Mirror an image's keypoints and exchange left and right where the flip does.

    Args:
        xy: (..., K, 2) pixels.
        visibility: (..., K), any type; moves with its keypoint.
        image_size: width and height, or an array (..., 2) of them.
        swap_indices: for each keypoint, the one that it becomes in the mirror; its own inverse.
        direction: ``horizontal`` (x becomes w - 1 - x), ``vertical`` (y becomes h - 1 - y) or
            ``diagonal`` (both, half a turn, which exchanges nothing).

    Raises:
        ArrayError: `xy` or `visibility` has another shape.
        OptionError: `swap_indices` is no such permutation of the keypoints.
        UnknownNameError: `direction` is none of the three.
    """
    check_array("xy", xy, "(..., K, 2)")
    check_array("visibility", visibility, xy.shape[:-1], "any")
    moved = flip_points(xy, image_size, direction)
    if all(mirrored_axes(direction)):
        return Keypoints(moved, array_namespace(visibility).asarray(visibility, copy=True))
    return Keypoints(swap(moved, swap_indices, -2), swap(visibility, swap_indices))


def flip_points(
    xy: Array, image_size: Sequence[float] | Array, direction: str = "horizontal"
) -> Array:
    """Mirror points (..., K, 2) of an image of `image_size` (w, h), each keeping its place in K.

    Raises:
        ArrayError: `xy` has another shape.
        UnknownNameError: `direction` is not one of `DIRECTIONS`.
    """
    check_array("xy", xy, "(..., K, 2)")
    xp = array_namespace(xy)
    mirrored = xp.asarray(mirrored_axes(direction), device=device(xy))
    last = asarray_like(image_size, xy)[..., None, :] - 1
    return xp.where(mirrored, last - xy, xy)


def swap(values: Array, swap_indices: Sequence[int] | Array, axis: int = -1) -> Array:
    """Exchange left and right keypoints of `values` along `axis`.

    Raises:
        OptionError: `swap_indices` is not a permutation of that axis which is its own inverse.

    >>> import numpy as np
    >>> swap(np.array([10, 20, 30]), (0, 2, 1)).tolist()
    [10, 30, 20]
    """
    xp = array_namespace(values)
    indices = [int(index) for index in swap_indices]
    count = values.shape[axis]
    if sorted(indices) != list(range(count)) or any(indices[j] != i for i, j in enumerate(indices)):
        raise OptionError(
            f"swap_indices: expected mutual pairs over {count} keypoints, got {indices}; "
            "each keypoint must be named by the one that it names"
        )
    return xp.take(values, xp.asarray(indices, dtype=xp.int64, device=device(values)), axis=axis)


def clip(xy: Array, visibility: Array, image_size: Sequence[float] | Array) -> Keypoints[Array]:
    """Set the visibility of keypoints outside the image to 0; coordinates stay.

    The image is the box (0, 0, w, h), its edges included, as in COCO. A NaN point is in no image.

    Args:
        xy: (..., K, 2) pixels.
        visibility: (..., K), any type.
        image_size: width and height, or an array (..., 2) of them.

    Raises:
        ArrayError: `xy` or `visibility` has another shape.
    """
    check_array("xy", xy, "(..., K, 2)")
    check_array("visibility", visibility, xy.shape[:-1], "any")
    xp = array_namespace(xy)
    size = asarray_like(image_size, xy)[..., None, :]
    inside = xp.all((xy >= 0) & (xy <= size), axis=-1)
    return Keypoints(
        xp.asarray(xy, copy=True), xp.where(inside, visibility, xp.zeros_like(visibility))
    )


def flip_about_x(
    xyz: Array, visibility: Array, swap_indices: Sequence[int] | Array, x: float | Array = 0.5
) -> Keypoints[Array]:
    """Mirror keypoints (..., K, D) at the plane of a given `x`, and exchange left and right.

    This flip is for coordinates without an image: poses in metres, or divided by a size.

    Args:
        xyz: (..., K, D) coordinates, any D from 1 up; only the first of them is mirrored.
        visibility: (..., K), any type; moves with its keypoint.
        swap_indices: for each keypoint, the one that it becomes in the mirror; its own inverse.
        x: where the mirror is: a number, or an array (...) of them.

    Raises:
        ArrayError: `xyz` or `visibility` has another shape.
        OptionError: `swap_indices` is no such permutation of the keypoints.
    """
    check_array("xyz", xyz, "(..., K, D)")
    check_array("visibility", visibility, xyz.shape[:-1], "any")
    xp = array_namespace(xyz)
    first = xp.arange(xyz.shape[-1], device=device(xyz)) == 0
    mirrored = xp.where(first, 2 * asarray_like(x, xyz)[..., None, None] - xyz, xyz)
    return Keypoints(swap(mirrored, swap_indices, -2), swap(visibility, swap_indices))


def flip_about_point(
    xyz: Array,
    visibility: Array,
    swap_indices: Sequence[int] | Array,
    center_index: int | Sequence[int] = 0,
) -> Keypoints[Array]:
    """Mirror keypoints (..., K, D) at one of them, such as the root, or at the mean of several.

    Args:
        xyz: (..., K, D) coordinates, any D from 1 up; only the first of them is mirrored.
        visibility: (..., K), any type; moves with its keypoint.
        swap_indices: for each keypoint, the one that it becomes in the mirror; its own inverse.
        center_index: the keypoint or keypoints in whose (mean) x the mirror stands. Where one is
            NaN, the whole row of x becomes NaN.

    Raises:
        ArrayError: `xyz` or `visibility` has another shape.
        OptionError: `center_index` is empty or not in K, or `swap_indices` is no such permutation.
    """
    check_array("xyz", xyz, "(..., K, D)")
    count = xyz.shape[-2]
    centres = [center_index] if isinstance(center_index, int) else [int(i) for i in center_index]
    if not centres or not all(-count <= index < count for index in centres):
        raise OptionError(f"center_index: expected indices into {count} keypoints, got {centres}")
    x = sum(xyz[..., index, 0] for index in centres) / len(centres)
    return flip_about_x(xyz, visibility, swap_indices, x)


def distances(a: Array, b: Array) -> Array:
    """Return the Euclidean distances (..., K) between points `a` and `b`, both (..., K, D).

    NaN where a coordinate of either is NaN. The gradient at distance 0 is not defined.

    Raises:
        ArrayError: `a` has no such shape, or `b` has not the shape of `a`.
    """
    check_array("a", a, "(..., K, D)")
    check_array("b", b, a.shape)
    xp = array_namespace(a, b)
    return xp.sqrt(xp.sum((a - b) ** 2, axis=-1))

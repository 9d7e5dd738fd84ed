"""The camera of a frame, as lifting codecs need it."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple

from kptdata._array import Array, divide, namespace

__all__ = ["Camera", "camera_to_image"]


class Camera(NamedTuple, Generic[Array]):
    """A pinhole camera without its place in the world; NaN focal lengths are not known."""

    image_size: Array  # (..., 2) width and height, pixels
    focal: Array  # (..., 2) focal lengths in x and y, pixels
    center: Array  # (..., 2) principal point, pixels


def camera_to_image(xyz: Array, camera: Camera[Array], root_index: int) -> tuple[Array, Array]:
    """Project points of camera space to thousands of pixels, depth scaled like the image plane.

    Args:
        xyz: (..., T, K, 3) camera space.
        camera: `focal` and `center` (2,) or (..., 2).
        root_index: the keypoint that depth is counted from.

    Returns:
        Points (..., T, K, 3), and what turns a length at the root back into one of camera space,
        (..., T).
    """
    xp = namespace(xyz)
    focal, center = (_per_frame(part) / 1000 for part in (camera.focal, camera.center))
    flat = divide(xyz[..., :2], xyz[..., 2:]) * focal[..., None, :] + center[..., None, :]
    # The field measures a square of side 2 about the root and guards against none by a thousandth.
    width = divide(2 * focal[..., 0], xyz[..., root_index, 2]) + 0.001
    depth = (xyz[..., 2] - xyz[..., root_index, None, 2]) * (width / 2)[..., None]
    points: Any = xp.concat([flat, depth[..., None]], axis=-1)
    return points, 2 / width


def _per_frame(values: Array) -> Array:
    return values[..., None, :]

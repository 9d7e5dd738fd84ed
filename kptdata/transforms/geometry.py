"""Where pixels and points go: one affine map, the exchange of names that a mirror makes, the size.

Axes: ``...`` any leading axes, ``K`` keypoints. Pixels: the centre of the top-left pixel is (0, 0);
see docs/coordinates.md. NumPy alone, and one matrix at a time: a loader does this for every sample,
and the functions for any array library take several times as long (tests hold both to each other).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.codecs.crop import Crop
from kptdata.errors import ArrayError, OptionError, UnknownNameError
from kptdata.keypoints import Keypoints, mirrored_axes
from kptdata.schema import Schema

__all__ = ["INTERPOLATIONS", "Geometry", "mirror_matrix", "swaps_of"]

_CV2_LIMIT = 32766  # OpenCV warps no picture with a longer side
INTERPOLATIONS: tuple[str, ...] = ("nearest", "linear", "cubic", "area")


@dataclass(frozen=True, eq=False)
class Geometry:
    """A map from one picture to another that moves pixels, points, boxes and masks alike.

    Attributes:
        matrix: (2, 3) float64, pixels of the one to pixels of the other.
        source_wh: width and height of the one.
        size_wh: width and height of the other.
        order: for each keypoint of the result, the one it was; None where names stay.

    Raises:
        ArrayError: `matrix` is no (2, 3).
        OptionError: a size is not positive.
    """

    matrix: NDArray[np.float64]
    source_wh: tuple[int, int]
    size_wh: tuple[int, int]
    order: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64)
        if matrix.shape != (2, 3):
            raise ArrayError(f"matrix: expected shape (2, 3), got {matrix.shape}")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        for name in ("source_wh", "size_wh"):
            object.__setattr__(self, name, _size(name, getattr(self, name)))
        if self.order is not None:
            order = tuple(int(place) for place in self.order)
            still = order == tuple(range(len(order)))
            object.__setattr__(self, "order", None if still else order)

    # Making

    @classmethod
    def identity(cls, size_wh: Sequence[int]) -> Geometry:
        """Return the map that changes nothing."""
        return cls(np.eye(2, 3), _size("size_wh", size_wh), _size("size_wh", size_wh))

    @classmethod
    def mirror(
        cls, size_wh: Sequence[int], schema: Schema, direction: str = "horizontal"
    ) -> Geometry:
        """Return the mirror of a picture: x becomes w - 1 - x, left names become right ones.

        Args:
            size_wh: width and height of the picture.
            schema: pairs left and right.
            direction: ``horizontal``, ``vertical`` or ``diagonal``, which exchanges no names.

        Raises:
            OptionError: the schema pairs no points.
            UnknownNameError: no such direction.
        """
        size = _size("size_wh", size_wh)
        return cls(mirror_matrix(size, direction), size, size, swaps_of(schema, direction))

    @classmethod
    def crop(cls, crop: Crop[Any], source_wh: Sequence[int]) -> Geometry:
        """Return the map into a crop that a codec made."""
        return cls(np.asarray(crop.matrix), _size("source_wh", source_wh), crop.input_size)

    @classmethod
    def pad(cls, size_wh: Sequence[int], before: Sequence[int], after: Sequence[int]) -> Geometry:
        """Return the map that puts pixels around a picture, or cuts them off where negative.

        Args:
            size_wh: width and height of the picture.
            before: pixels on the left and on the top.
            after: pixels on the right and at the bottom.
        """
        width, height = _size("size_wh", size_wh)
        matrix = np.array([[1.0, 0, before[0]], [0, 1, before[1]]])
        size = (width + before[0] + after[0], height + before[1] + after[1])
        return cls(matrix, (width, height), _size("size_wh", size))

    @classmethod
    def resize(cls, source_wh: Sequence[int], size_wh: Sequence[int]) -> Geometry:
        """Return the map of a resize that keeps the picture's edges, as OpenCV's does.

        A centre at x goes to ``(x + 0.5) * w_new / w - 0.5``.
        """
        old, new = _size("source_wh", source_wh), _size("size_wh", size_wh)
        scale = np.array(new, float) / old
        matrix = np.concatenate([np.diag(scale), (scale * 0.5 - 0.5)[:, None]], axis=1)
        return cls(matrix, old, new)

    # Composing

    def then(self, after: Geometry) -> Geometry:
        """Return the one map that does this and then `after`.

        Raises:
            OptionError: `after` starts from a picture of another size, or other keypoints.
        """
        if after.source_wh != self.size_wh:
            raise OptionError(f"after: expected a map of {self.size_wh}, got {after.source_wh}")
        matrix = _compose(after.matrix, self.matrix)
        return Geometry(matrix, self.source_wh, after.size_wh, _composed(self.order, after.order))

    @property
    def scale(self) -> float:
        """Pixels of the result per pixel of the source, in the direction that has most."""
        return float(np.linalg.norm(self.matrix[:, :2], 2))

    @property
    def inverse(self) -> Geometry:
        """The way back. A box that was turned comes back as the larger, upright hull of its hull.

        Raises:
            OptionError: the map puts all points on one line.
        """
        (a, b, x), (c, d, y) = self.matrix.tolist()
        determinant = a * d - b * c
        if not abs(determinant) > 0:
            raise OptionError(f"matrix: expected one that can be undone, got {self.matrix}")
        matrix = np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]]) / determinant
        order = None if self.order is None else tuple(np.argsort(self.order).tolist())
        return Geometry(matrix, self.size_wh, self.source_wh, order)

    # Applying

    def points(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Move points (..., P, 2), each keeping its place in P; NaN stays NaN."""
        moved: NDArray[np.float64] = xy @ self.matrix[:, :2].T + self.matrix[:, 2]
        return moved

    def keypoints(self, xy: NDArray[Any], visibility: NDArray[Any]) -> Keypoints[Any]:
        """Move keypoints `xy` (..., K, 2) with their `visibility` (..., K), and rename them.

        Raises:
            ArrayError: K is not the number of keypoints that the mirror was made for.
        """
        return Keypoints(self.renamed(self.points(xy), -2), self.renamed(visibility, -1))

    def renamed(self, values: NDArray[Any], axis: int = -1) -> NDArray[Any]:
        """Return a copy of `values` whose keypoints along `axis` have their names after the map.

        Raises:
            ArrayError: that axis is not as long as the schema that the mirror was made for.
        """
        values = np.asarray(values)
        if self.order is None:
            return values.copy()
        if values.shape[axis] != len(self.order):
            raise ArrayError(
                f"values: expected {len(self.order)} keypoints along axis {axis}, "
                f"got {values.shape}"
            )
        return np.take(values, self.order, axis=axis)

    def boxes(self, xywh: NDArray[Any]) -> NDArray[np.float64]:
        """Move boxes (..., 4); a turned one becomes the smallest upright box around it."""
        middle = self.points(xywh[..., :2] + xywh[..., 2:] / 2)
        size = xywh[..., 2:] @ np.abs(self.matrix[:, :2]).T
        return np.concatenate([middle - size / 2, size], axis=-1)

    def image(
        self, image: NDArray[Any], *, interpolation: str = "linear", border: float = 0
    ) -> NDArray[Any]:
        """Warp a picture (H, W) or (H, W, C) once, to (h, w) or (h, w, C).

        Args:
            image: the picture, of `source_wh`.
            interpolation: ``nearest``, ``linear``, ``cubic`` or ``area``.
            border: value outside the picture.

        Raises:
            ArrayError: the picture has another size.
            UnknownNameError: no such interpolation.
        """
        import cv2

        if image.ndim not in {2, 3} or image.shape[1::-1] != self.source_wh:
            width, height = self.source_wh
            raise ArrayError(f"image: expected shape ({height}, {width}, ...), got {image.shape}")
        if interpolation not in INTERPOLATIONS:
            raise UnknownNameError("interpolation", interpolation, INTERPOLATIONS)
        flags = getattr(cv2, f"INTER_{interpolation.upper()}")
        part, matrix = self._part(image)
        values = (border,) * 4
        return np.asarray(
            cv2.warpAffine(part, matrix, self.size_wh, flags=flags, borderValue=values)
        )

    def mask(self, mask: NDArray[Any], *, border: int = 0) -> NDArray[Any]:
        """Warp a mask or a map of labels (H, W): values stay as they are, none is mixed.

        Raises `ArrayError` as `image` does; a mask of bool stays one.
        """
        if mask.dtype == bool:
            return self.mask(mask.astype(np.uint8), border=border).astype(bool)
        return self.image(mask, interpolation="nearest", border=border)

    def _part(self, image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Cut a picture too long for OpenCV to what the warp looks at."""
        if max(self.source_wh) <= _CV2_LIMIT:
            return image, self.matrix
        right, bottom = np.array(self.size_wh, float) - 0.5
        seen = self.inverse.points(
            np.array([[-0.5, -0.5], [right, -0.5], [-0.5, bottom], [right, bottom]])
        )
        low = np.clip(np.floor(seen.min(axis=0)) - 4, 0, np.array(self.source_wh) - 1).astype(int)
        high = np.clip(np.ceil(seen.max(axis=0)) + 5, low + 1, low + _CV2_LIMIT).astype(int)
        part = image[low[1] : high[1], low[0] : high[0]]
        return part, _compose(self.matrix, np.array([[1.0, 0, low[0]], [0, 1, low[1]]]))


def _compose(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix: NDArray[np.float64] = outer[:, :2] @ inner
    matrix[:, 2] += outer[:, 2]
    return matrix


def mirror_matrix(size_wh: Sequence[int], direction: str = "horizontal") -> NDArray[np.float64]:
    """Return the matrix (2, 3) of a mirror: x becomes w - 1 - x. Raises `UnknownNameError`."""
    matrix = np.eye(2, 3)
    for axis, mirrored in enumerate(mirrored_axes(direction)):
        if mirrored:
            matrix[axis, axis], matrix[axis, 2] = -1.0, size_wh[axis] - 1.0
    return matrix


def swaps_of(schema: Schema, direction: str = "horizontal") -> tuple[int, ...] | None:
    """Return the rows that a mirror exchanges; None where it exchanges none (half a turn).

    Raises:
        OptionError: the schema pairs no left with a right point.
        UnknownNameError: no such direction.
    """
    if all(mirrored_axes(direction)):
        return None
    if not schema.has_swaps:
        raise OptionError(
            f"flip: schema {schema.name!r} pairs no left with a right keypoint; "
            "declare `swap` in the schema, or do not flip"
        )
    return tuple(schema.swap_indices.tolist())


def _composed(
    first: tuple[int, ...] | None, second: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    if first is None or second is None:
        return first or second
    if len(first) != len(second):
        raise OptionError(f"after: expected {len(first)} keypoints, got {len(second)}")
    return tuple(first[place] for place in second)


def _size(name: str, size_wh: Sequence[int]) -> tuple[int, int]:
    if len(size_wh) != 2 or not min(size_wh) > 0:
        raise OptionError(f"{name}: expected a positive width and height, got {tuple(size_wh)}")
    return int(size_wh[0]), int(size_wh[1])

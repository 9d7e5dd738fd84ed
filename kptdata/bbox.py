"""Convert, clip, flip and compare boxes: pure functions on NumPy arrays and torch tensors.

A box is its edges in pixels, in the frame where the centre of the top-left pixel is (0, 0):
``xyxy`` left, top, right, bottom; ``xywh`` left, top, width, height, so that right = x + w
(docs/coordinates.md). Axes: ``...`` any leading axes. Results have the type, dtype and device of
the boxes given; inputs are never changed; a NaN box is no box, and stays NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple

from array_api_compat import array_namespace, device

from kptdata._array import Array, asarray_like, check_array
from kptdata.errors import OptionError, UnknownNameError
from kptdata.keypoints import flip_points, mirrored_axes

__all__ = [
    "BBOX_FORMATS",
    "CenterScale",
    "clip",
    "corners",
    "corners2xyxy",
    "cs2xywh",
    "cs2xyxy",
    "fix_aspect_ratio",
    "flip",
    "giou",
    "iof",
    "iou",
    "xywh2cs",
    "xywh2xyxy",
    "xyxy2cs",
    "xyxy2xywh",
]


class CenterScale(NamedTuple, Generic[Array]):
    """A box as the place and size of a crop."""

    center: Array  # (..., 2) pixels
    scale: Array  # (..., 2) width and height, pixels


def xyxy2xywh(xyxy: Array) -> Array:
    """Turn left, top, right, bottom (..., 4) into left, top, width, height. Raises `ArrayError`."""
    check_array("xyxy", xyxy, "(..., 4)")
    return _join(xyxy[..., :2], xyxy[..., 2:] - xyxy[..., :2])


def xywh2xyxy(xywh: Array) -> Array:
    """Turn left, top, width, height (..., 4) into left, top, right, bottom. Raises `ArrayError`."""
    check_array("xywh", xywh, "(..., 4)")
    return _join(xywh[..., :2], xywh[..., :2] + xywh[..., 2:])


def xyxy2cs(xyxy: Array, padding: float = 1.0) -> CenterScale[Array]:
    """Return centre and size of boxes (..., 4), the size multiplied by `padding`.

    Raises:
        ArrayError: `xyxy` has another shape.
        OptionError: `padding` is not positive.

    >>> import numpy as np
    >>> center, scale = xyxy2cs(np.array([10.0, 20.0, 30.0, 60.0]), padding=1.25)
    >>> center.tolist(), scale.tolist()
    ([20.0, 40.0], [25.0, 50.0])
    """
    check_array("xyxy", xyxy, "(..., 4)")
    _check_padding(padding)
    low, high = xyxy[..., :2], xyxy[..., 2:]
    return CenterScale((low + high) * 0.5, (high - low) * padding)


def xywh2cs(xywh: Array, padding: float = 1.0) -> CenterScale[Array]:
    """Return centre and size of boxes (..., 4), the size multiplied by `padding`.

    Raises:
        ArrayError: `xywh` has another shape.
        OptionError: `padding` is not positive.
    """
    check_array("xywh", xywh, "(..., 4)")
    _check_padding(padding)
    return CenterScale(xywh[..., :2] + xywh[..., 2:] * 0.5, xywh[..., 2:] * padding)


def cs2xyxy(center: Array, scale: Array, padding: float = 1.0) -> Array:
    """Undo `xyxy2cs`: `center` and padded `scale`, both (..., 2), become boxes (..., 4).

    Raises:
        ArrayError: `center` or `scale` has another shape.
        OptionError: `padding` is not positive.
    """
    return xywh2xyxy(cs2xywh(center, scale, padding))


def cs2xywh(center: Array, scale: Array, padding: float = 1.0) -> Array:
    """Undo `xywh2cs`: `center` and padded `scale`, both (..., 2), become boxes (..., 4).

    Raises:
        ArrayError: `center` or `scale` has another shape.
        OptionError: `padding` is not positive.
    """
    check_array("center", center, "(..., 2)")
    check_array("scale", scale, center.shape)
    _check_padding(padding)
    wh = scale / padding
    return _join(center - wh * 0.5, wh)


def fix_aspect_ratio(scale: Array, aspect_ratio: float) -> Array:
    """Enlarge one side of `scale` (..., 2) so that width / height is `aspect_ratio`.

    Raises:
        ArrayError: `scale` has another shape.
        OptionError: `aspect_ratio` is not positive.

    >>> import numpy as np
    >>> fix_aspect_ratio(np.array([[30.0, 20.0], [30.0, 80.0]]), 0.75).tolist()
    [[30.0, 40.0], [60.0, 80.0]]
    """
    check_array("scale", scale, "(..., 2)")
    if not aspect_ratio > 0:
        raise OptionError(f"aspect_ratio: expected a positive number, got {aspect_ratio}")
    xp = array_namespace(scale)
    width, height = scale[..., 0], scale[..., 1]
    wide = width > height * aspect_ratio
    return xp.stack(
        [
            xp.where(wide, width, height * aspect_ratio),
            xp.where(wide, width / aspect_ratio, height),
        ],
        axis=-1,
    )


def corners(xyxy: Array) -> Array:
    """Return the corners (..., 4, 2) of boxes (..., 4).

    Their order is left top, left bottom, right top, right bottom. Raises `ArrayError`.
    """
    check_array("xyxy", xyxy, "(..., 4)")
    xp = array_namespace(xyxy)
    places = xp.asarray([0, 1, 0, 3, 2, 1, 2, 3], dtype=xp.int64, device=device(xyxy))
    return xp.reshape(xp.take(xyxy, places, axis=-1), (*xyxy.shape[:-1], 4, 2))


def corners2xyxy(corners: Array) -> Array:
    """Return the smallest upright boxes (..., 4) around `corners` (..., P, 2) in any order, P >= 1.

    The corners may be those of turned boxes. A NaN corner makes a NaN box. Raises `ArrayError`.
    """
    check_array("corners", corners, "(..., P, 2)")
    xp = array_namespace(corners)
    return _join(xp.min(corners, axis=-2), xp.max(corners, axis=-2))


def clip(xyxy: Array, image_size: Sequence[float] | Array) -> Array:
    """Cut boxes (..., 4) to their image, the box (0, 0, w, h).

    A box outside the image becomes one of no area on its border.

    Args:
        xyxy: (..., 4) boxes.
        image_size: width and height, or an array (..., 2) of them.

    Raises:
        ArrayError: `xyxy` has another shape.
    """
    check_array("xyxy", xyxy, "(..., 4)")
    xp = array_namespace(xyxy)
    size = asarray_like(image_size, xyxy)
    most = xp.concat([size, size], axis=-1)
    return xp.minimum(xp.maximum(xyxy, xp.zeros_like(xyxy)), most)


def flip(
    bbox: Array,
    image_size: Sequence[float] | Array,
    *,
    bbox_format: str,
    direction: str = "horizontal",
    reference: bool = False,
) -> Array:
    """Mirror boxes with their image: an edge at x goes to w - 1 - x, as a point would.

    Args:
        bbox: (..., 4) boxes, or (..., 2) centres for the format ``center``.
        image_size: width and height, or an array (..., 2) of them.
        bbox_format: ``xyxy``, ``xywh`` or ``center``.
        direction: ``horizontal``, ``vertical`` or ``diagonal`` (both).
        reference: do as MMPose does with ``xywh``: it mirrors the left top corner and calls the
            result the left top corner, though it is the right one. Other formats are not affected.

    Raises:
        ArrayError: `bbox` has another shape.
        UnknownNameError: `bbox_format` or `direction` is not known.
    """
    if bbox_format not in _FLIPS:
        raise UnknownNameError("bbox_format", bbox_format, BBOX_FORMATS)
    if bbox_format == "xywh" and reference:
        check_array("bbox", bbox, "(..., 4)")
        return _join(_flip_center(bbox[..., :2], image_size, direction), bbox[..., 2:])
    return _FLIPS[bbox_format](bbox, image_size, direction)


def _flip_center(center: Array, image_size: Sequence[float] | Array, direction: str) -> Array:
    check_array("bbox", center, "(..., 2)")
    return flip_points(center[..., None, :], image_size, direction)[..., 0, :]


def _flip_xyxy(xyxy: Array, image_size: Sequence[float] | Array, direction: str) -> Array:
    check_array("bbox", xyxy, "(..., 4)")
    xp = array_namespace(xyxy)
    mirrored = xp.asarray(mirrored_axes(direction), device=device(xyxy))
    low = _flip_center(xyxy[..., :2], image_size, direction)
    high = _flip_center(xyxy[..., 2:], image_size, direction)
    return _join(xp.where(mirrored, high, low), xp.where(mirrored, low, high))


def _flip_xywh(xywh: Array, image_size: Sequence[float] | Array, direction: str) -> Array:
    check_array("bbox", xywh, "(..., 4)")
    xp = array_namespace(xywh)
    mirrored = xp.asarray(mirrored_axes(direction), device=device(xywh))
    low, wh = xywh[..., :2], xywh[..., 2:]
    # The edge that a mirror makes the low one is the high one.
    return _join(_flip_center(xp.where(mirrored, low + wh, low), image_size, direction), wh)


_FLIPS: dict[str, Callable[[Any, Any, str], Any]] = {
    "xyxy": _flip_xyxy,
    "xywh": _flip_xywh,
    "center": _flip_center,
}
BBOX_FORMATS: tuple[str, ...] = tuple(_FLIPS)


class _Overlap(NamedTuple, Generic[Array]):
    """Areas of all pairs of M boxes a and N boxes b, pixels squared."""

    area_a: Array  # (..., M, 1)
    inter: Array  # (..., M, N)
    union: Array  # (..., M, N)
    a: Array  # (..., M, 1, 4)
    b: Array  # (..., 1, N, 4)


def iou(a: Array, b: Array) -> Array:
    """Return intersection over union, 0..1, of all pairs of boxes.

    Boxes without area and NaN boxes overlap nothing: 0.

    Args:
        a: (..., M, 4) boxes, xyxy.
        b: (..., N, 4) boxes, xyxy.

    Returns:
        (..., M, N).

    Raises:
        ArrayError: `a` or `b` has another shape.
    """
    overlap = _overlap(a, b)
    return _ratio(overlap.inter, overlap.union)


def iof(a: Array, b: Array) -> Array:
    """Return intersection over foreground, 0..1: the share of a box of `a` that is in one of `b`.

    Shapes, empty boxes and errors as for `iou`.
    """
    overlap = _overlap(a, b)
    return _ratio(overlap.inter, overlap.area_a)


def giou(a: Array, b: Array) -> Array:
    """Return generalised IoU, -1..1: IoU less the share of the common hull that neither box fills.

    Shapes and errors as for `iou`. Two boxes whose hull has no area, and NaN boxes, give 0.

    References:
        Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019, arXiv:1902.09630.
    """
    overlap = _overlap(a, b)
    xp = array_namespace(overlap.inter)
    low = xp.minimum(overlap.a[..., :2], overlap.b[..., :2])
    high = xp.maximum(overlap.a[..., 2:], overlap.b[..., 2:])
    hull = _area(high - low)
    return _ratio(overlap.inter, overlap.union) - _ratio(hull - overlap.union, hull)


def _overlap(a: Array, b: Array) -> _Overlap[Array]:
    check_array("a", a, "(..., M, 4)")
    check_array("b", b, "(..., N, 4)")
    xp = array_namespace(a, b)
    a, b = a[..., :, None, :], b[..., None, :, :]
    low = xp.maximum(a[..., :2], b[..., :2])
    high = xp.minimum(a[..., 2:], b[..., 2:])
    area_a, area_b = _area(a[..., 2:] - a[..., :2]), _area(b[..., 2:] - b[..., :2])
    inter = _area(high - low)
    return _Overlap(area_a, inter, area_a + area_b - inter, a, b)


def _area(wh: Array) -> Array:
    xp = array_namespace(wh)
    positive = xp.maximum(wh, xp.zeros_like(wh))
    return positive[..., 0] * positive[..., 1]


def _ratio(part: Array, whole: Array) -> Array:
    xp = array_namespace(part, whole)
    some = whole > 0
    one = xp.ones_like(whole)
    ratio = part / xp.where(some, whole, one)
    return xp.where(some, ratio, xp.zeros_like(ratio))


def _join(first: Array, second: Array) -> Array:
    return array_namespace(first).concat([first, second], axis=-1)


def _check_padding(padding: float) -> None:
    if not padding > 0:
        raise OptionError(f"padding: expected a positive factor, got {padding}")

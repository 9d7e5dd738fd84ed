"""Anti-aliased, shaded shapes on a float image, by signed distance.

Image arrays are (H, W, 3) float32 in 0..255, RGB; positions are pixels, the centre of the top-left
pixel at (0, 0). The painting functions draw on the canvas that they are given: it is theirs.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.floating[Any]]"  # float32 all through

__all__ = ["Canvas", "Field", "background", "capsules", "paint", "polygon"]

OUTLINE = 0.62
_AMBIENT, _DIFFUSE = 0.62, 0.52


@dataclass(frozen=True, eq=False)
class Canvas:
    """An image being painted, and who owns each pixel.

    Attributes:
        image: (H, W, 3) float32.
        owner: (H, W) int32: number of the shape on top, 0 for the background.
        light: (3,) unit vector towards the light: right, down, to the viewer.
    """

    image: Floats
    owner: NDArray[np.int32]
    light: Floats


class Field(NamedTuple):
    """A shape over the patch of pixels that it touches.

    `distance` (h, w) is in pixels, negative inside; `normal` (3, h, w) is the surface's unit normal
    (right, down, to the viewer); `along` (h, w) runs 0..1 from the shape's start to its end.
    """

    rows: slice
    columns: slice
    distance: Floats
    normal: Floats
    along: Floats


def _window(
    canvas: Canvas, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[slice, slice] | None:
    height, width = canvas.owner.shape
    x0, y0 = (int(v) for v in np.floor(np.maximum(low - 1, 0)))
    x1 = int(min(np.ceil(high[0] + 2), width))
    y1 = int(min(np.ceil(high[1] + 2), height))
    return None if x0 >= x1 or y0 >= y1 else (slice(y0, y1), slice(x0, x1))


def _grid(rows: slice, columns: slice) -> tuple[Floats, Floats]:
    x = np.arange(columns.start, columns.stop, dtype=np.float32)
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    return x, y


def _normal(gx: Floats, gy: Floats, rim: Floats) -> Floats:
    """Bulge a flat shape: `rim` is 0 on its ridge and 1 at its edge, (gx, gy) points outwards."""
    return np.stack([gx * rim, gy * rim, np.sqrt(np.maximum(1 - rim * rim, 0))])


def _nearest(distance: Floats, *values: Floats) -> tuple[Floats, ...]:
    """Pick from each of `values` (S, h, w) the entry of the shape with the least `distance`."""
    if len(distance) == 1:
        return tuple(v[0] for v in values)
    count, height, width = distance.shape
    flat = distance.reshape(count, -1)
    pick = flat.argmin(axis=0) * flat.shape[1] + np.arange(flat.shape[1])
    return tuple(v.ravel()[pick].reshape(height, width) for v in values)


def capsules(
    canvas: Canvas, start: NDArray[np.float64], end: NDArray[np.float64], radii: NDArray[np.float64]
) -> Field | None:
    """Measure the union of tapered capsules; None where it is outside the image.

    `start` and `end` (S, 2) are pixels, `radii` (S, 2) the radius at each end, pixels.
    """
    reach = radii.max(axis=1, keepdims=True)
    low = np.minimum(start, end) - reach
    high = np.maximum(start, end) + reach
    window = _window(canvas, low.min(axis=0), high.max(axis=0))
    if window is None:
        return None
    x, y = _grid(*window)
    a, span, r = (v.astype(np.float32)[:, :, None, None] for v in (start, end - start, radii))
    px, py = x - a[:, 0], y - a[:, 1]
    length = np.maximum(span[:, 0] ** 2 + span[:, 1] ** 2, np.float32(1e-6))
    t = np.clip((px * span[:, 0] + py * span[:, 1]) / length, 0, 1)
    gx, gy = px - t * span[:, 0], py - t * span[:, 1]
    away = np.sqrt(gx * gx + gy * gy)
    radius = r[:, 0] + t * (r[:, 1] - r[:, 0])
    distance = away - radius
    t, gx, gy, away, radius = _nearest(distance, t, gx, gy, away, radius)
    distance = away - radius
    unit = 1 / np.maximum(away, np.float32(1e-6))
    rim = np.clip(away / np.maximum(radius, np.float32(1e-6)), 0, 1)
    return Field(*window, distance, _normal(gx * unit, gy * unit, rim), t)


def polygon(
    canvas: Canvas, corners: NDArray[np.float64], radius: float, axis: NDArray[np.float64]
) -> Field | None:
    """Measure a convex polygon (P, 2), pixels, grown by `radius`; `axis` (2, 2) gives `along`."""
    window = _window(canvas, corners.min(axis=0) - radius, corners.max(axis=0) + radius)
    if window is None:
        return None
    x, y = _grid(*window)
    a = corners.astype(np.float32)[:, :, None, None]
    span = (np.roll(corners, -1, axis=0) - corners).astype(np.float32)[:, :, None, None]
    px, py = x - a[:, 0], y - a[:, 1]
    length = np.maximum(span[:, 0] ** 2 + span[:, 1] ** 2, np.float32(1e-6))
    t = np.clip((px * span[:, 0] + py * span[:, 1]) / length, 0, 1)
    gx, gy = px - t * span[:, 0], py - t * span[:, 1]
    away = np.sqrt(gx * gx + gy * gy)
    gx, gy, away = _nearest(away, gx, gy, away)
    side = span[:, 0] * py - span[:, 1] * px
    inside = np.all(side >= 0, axis=0) | np.all(side <= 0, axis=0)
    sign = np.where(inside, np.float32(-1), np.float32(1))
    distance = sign * away - np.float32(radius)
    unit = sign / np.maximum(away, np.float32(1e-6))
    rim = np.clip(1 + distance / np.float32(radius * 1.6), 0, 1)
    down = (axis[1] - axis[0]).astype(np.float32)
    along = ((x - axis[0, 0]) * down[0] + (y - axis[0, 1]) * down[1]) / max(
        float(down @ down), 1e-6
    )
    return Field(*window, distance, _normal(gx * unit, gy * unit, rim), along.astype(np.float32))


def paint(
    canvas: Canvas,
    field: Field | None,
    colour: Floats | Callable[[Field], Floats],
    *,
    owner: int | None = None,
    outline: float = 1.0,
    flat: bool = False,
) -> None:
    """Lay a shape over the canvas.

    Args:
        canvas: what is painted on, in place.
        field: the shape; None paints nothing.
        colour: (3,) RGB, or a function of the field that gives (h, w, 3).
        owner: number that the covered pixels take; None leaves the owner as it is.
        outline: width of the darker rim, pixels.
        flat: leave out shading and rim.
    """
    if field is None:
        return
    cover = np.clip(0.5 - field.distance, 0, 1)
    tone = colour(field) if callable(colour) else colour
    if not flat:
        light = canvas.light
        lit = field.normal[0] * light[0] + field.normal[1] * light[1] + field.normal[2] * light[2]
        shade = _AMBIENT + _DIFFUSE * np.maximum(lit, 0)
        rim = np.clip(field.distance + np.float32(outline + 0.5), 0, 1)
        tone = tone * (shade * (1 - (1 - np.float32(OUTLINE)) * rim))[..., None]
    patch = canvas.image[field.rows, field.columns]
    patch += cover[..., None] * (tone - patch)
    if owner is not None:
        canvas.owner[field.rows, field.columns][cover > 0.5] = owner


# -------------------------------------------------------------------------------------- background
def background(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Draw a textured scene without people: (H, W, 3) float32, 0..255."""
    width = size[0]
    tones = np.stack([_muted(rng) for _ in range(3)])
    tones[1] = (tones[0] + tones[1]) / 2
    mix = _clouds(rng, size, cells=int(rng.integers(2, 5)))[..., None]
    image = tones[0] + (tones[1] - tones[0]) * mix
    if rng.random() < 0.6:
        image = _floor(rng, image, tones[2])
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))](rng, size)
    image = (image * (1 + np.float32(rng.uniform(0.04, 0.15)) * pattern[..., None])).astype(
        np.float32
    )
    grain = _clouds(rng, size, cells=max(8, width // 5))
    return np.clip(image * (0.94 + 0.12 * grain)[..., None], 0, 255).astype(np.float32)


def _muted(rng: np.random.Generator) -> Floats:
    tone = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.45), rng.uniform(0.3, 0.9))
    return 255 * np.array(tone, dtype=np.float32)


def _clouds(rng: np.random.Generator, size: tuple[int, int], cells: int) -> Floats:
    import cv2

    coarse = rng.random((cells + 1, cells + 1), dtype=np.float32)
    smooth = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return np.clip(smooth, 0, 1)


def _floor(rng: np.random.Generator, image: Floats, tone: Floats) -> Floats:
    height, width = image.shape[:2]
    horizon = rng.uniform(0.45, 0.85) * height + rng.uniform(-0.06, 0.06) * np.arange(width)
    below = np.clip(np.arange(height)[:, None] - horizon, 0, 1).astype(np.float32)[..., None]
    fade = np.linspace(0.85, 1.1, height, dtype=np.float32)[:, None, None]
    return image + below * (tone * fade - image)


def _slant(rng: np.random.Generator, size: tuple[int, int], upright: bool = False) -> Floats:
    angle = (0.0 if upright else rng.uniform(0, np.pi)) + rng.normal(0, 0.03)
    x, y = np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32)[:, None]
    return (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / np.float32(max(size))


def _stripes(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    return np.sin(_slant(rng, size) * np.float32(2 * np.pi * rng.uniform(4, 22))).astype(np.float32)


def _checks(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    pitch = np.float32(2 * np.pi * rng.uniform(2, 9))
    wave = np.sin(_slant(rng, size) * pitch) * np.sin(_slant(rng, size) * pitch)
    return np.clip(wave * 6, -1, 1).astype(np.float32)


def _bricks(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    pitch = max(size) * float(rng.uniform(0.05, 0.12))
    x, y = np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32)[:, None]
    row = np.floor(y / pitch)
    mortar = max(1.0, 0.1 * pitch)
    seam = (y % pitch < mortar) | ((x + row * pitch) % (2 * pitch) < mortar)
    tint = rng.uniform(-0.5, 0.5, (64, 64)).astype(np.float32)
    column = np.floor((x + row * pitch) / (2 * pitch))
    blocks = tint[row.astype(int) % 64, column.astype(int) % 64]
    return np.where(seam, np.float32(-1), blocks).astype(np.float32)


def _blots(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    return np.clip(8 * (_clouds(rng, size, cells=int(rng.integers(6, 14))) - 0.5), -1, 1)


_PATTERNS = (_stripes, _checks, _bricks, _blots)

"""Marks, lines and letters on an RGB picture, placed to a fraction of a pixel.

Pictures are (H, W, 3) uint8; the functions here draw on the picture that they are given. Positions
are (x, y) pixels, the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from kptdata.errors import MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BLUE", "DIM", "GREEN", "GROUND", "INK", "ORANGE", "PANEL", "RED", "WHITE",
    "Colour", "Frame", "Picture", "blank", "cross", "disc", "fit", "letters", "line", "outline",
    "paste", "plus", "reticle", "square", "text", "text_size",
]  # fmt: skip

Picture: TypeAlias = "NDArray[np.uint8]"
Colour: TypeAlias = tuple[int, int, int]

GROUND: Colour = (24, 27, 32)
PANEL: Colour = (38, 42, 50)
INK: Colour = (236, 239, 244)
DIM: Colour = (150, 158, 172)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
GREEN: Colour = (64, 224, 128)
ORANGE: Colour = (255, 168, 48)
BLUE: Colour = (80, 180, 255)
RED: Colour = (255, 84, 84)

_BITS = 4  # fractional bits of OpenCV's coordinates
_ONE = 1 << _BITS


class Frame(NamedTuple):
    """How a resized picture lies over its original: pixel edges go to pixel edges."""

    scale: tuple[float, float]

    def place(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take points (..., 2) of the original to the picture."""
        moved: NDArray[np.float64] = (np.asarray(xy) + 0.5) * self.scale - 0.5
        return moved


def blank(width: int, height: int, colour: Colour = GROUND) -> Picture:
    """Return a picture of one colour."""
    return np.full((height, width, 3), colour, dtype=np.uint8)


def fit(image: Picture, least: int, most: int) -> tuple[Picture, Frame]:
    """Resize so that the longer side is between `least` and `most` pixels."""
    import cv2

    height, width = image.shape[:2]
    longer = max(width, height)
    factor = min(max(longer, least), most) / longer
    if factor == 1:
        return image.copy(), Frame((1.0, 1.0))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    picture = np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)
    return picture, Frame((size[0] / width, size[1] / height))


def _fixed(xy: Any) -> tuple[int, int]:
    # Far outside is as good as anywhere outside, and OpenCV's integers are short.
    x, y = np.clip(np.asarray(xy, dtype=np.float64), -20_000, 20_000)
    return round(float(x) * _ONE), round(float(y) * _ONE)


def line(picture: Picture, start: Any, end: Any, colour: Colour, width: float = 1.0) -> None:
    """Draw a smooth line; a width below 1.5 is a hairline."""
    import cv2

    cv2.line(picture, _fixed(start), _fixed(end), colour, max(1, round(width)), cv2.LINE_AA, _BITS)


def outline(picture: Picture, corners: Any, colour: Colour, width: float = 1.0) -> None:
    """Draw a closed polygon (P, 2)."""
    corners = np.asarray(corners, dtype=np.float64)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        line(picture, start, end, colour, width)


def disc(
    picture: Picture, at: Any, radius: float, colour: Colour, *, width: float | None = None
) -> None:
    """Draw a filled disc, or a ring of `width`."""
    import cv2

    thick = -1 if width is None else max(1, round(width))
    cv2.circle(picture, _fixed(at), max(1, round(radius * _ONE)), colour, thick, cv2.LINE_AA, _BITS)


def square(picture: Picture, at: Any, radius: float, colour: Colour) -> None:
    """Draw a filled square that stands on a corner."""
    import cv2

    steps = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)]) * radius * 1.2
    corners = np.array([_fixed(np.asarray(at) + step) for step in steps], dtype=np.int32)
    cv2.fillConvexPoly(picture, corners, colour, cv2.LINE_AA, _BITS)


def cross(picture: Picture, at: Any, radius: float, colour: Colour, width: float = 1.0) -> None:
    """Draw a diagonal cross."""
    at = np.asarray(at, dtype=np.float64)
    for step in (np.array([radius, radius]), np.array([radius, -radius])):
        line(picture, at - step, at + step, colour, width)


def plus(picture: Picture, at: Any, radius: float, colour: Colour, width: float = 1.0) -> None:
    """Draw an upright cross."""
    at = np.asarray(at, dtype=np.float64)
    for step in (np.array([radius, 0.0]), np.array([0.0, radius])):
        line(picture, at - step, at + step, colour, width)


def reticle(picture: Picture, at: Any, radius: float, colour: Colour, width: float = 1.0) -> None:
    """Draw four ticks that point at a place and leave it free."""
    at = np.asarray(at, dtype=np.float64)
    for step in np.array([(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)]):
        line(picture, at + 0.6 * radius * step, at + radius * step, colour, width)


def paste(picture: Picture, part: Picture, x: int, y: int) -> None:
    """Put `part` with its top-left corner at (x, y); what sticks out is cut off."""
    rows = slice(max(y, 0), min(y + part.shape[0], picture.shape[0]))
    columns = slice(max(x, 0), min(x + part.shape[1], picture.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        picture[rows, columns] = part[
            rows.start - y : rows.stop - y, columns.start - x : columns.stop - x
        ]


# ----------------------------------------------------------------------------------------- letters
@lru_cache(maxsize=4)
def _font(bold: bool) -> Any:
    try:
        import matplotlib as mpl
        from matplotlib.ft2font import FT2Font
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "all", "writing on pictures") from error
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FT2Font(f"{mpl.get_data_path()}/fonts/ttf/{name}")


@lru_cache(maxsize=4096)
def letters(string: str, size: float, bold: bool = False) -> NDArray[Any]:
    """Return how much ink covers each pixel of a line of text, (h, w) 0..1."""
    font = _font(bold)
    font.set_size(size, 72)
    font.set_text(string or " ", 0)
    font.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.asarray(font.get_image(), dtype=np.float32) / 255
    ink.flags.writeable = False
    return ink


def text_size(string: str, size: float, bold: bool = False) -> tuple[int, int]:
    """Return width and height in pixels of the ink of a line of text."""
    height, width = letters(string, size, bold).shape
    return width, height


def text(
    picture: Picture,
    string: str,
    at: Sequence[float],
    size: float,
    colour: Colour = INK,
    *,
    anchor: str = "lm",
    bold: bool = False,
    halo: Colour | None = None,
) -> None:
    """Write one line.

    Args:
        picture: what is written on.
        string: the text.
        at: where its anchor goes.
        size: of the letters, pixels.
        colour: of the letters.
        anchor: ``l``, ``m`` or ``r`` across, then ``t``, ``m`` or ``b`` down.
        bold: heavier letters.
        halo: colour of a rim that keeps the letters legible on a photograph.
    """
    import cv2

    ink = letters(string, size, bold)
    reach = max(1, round(size / 9)) if halo is not None else 0
    ink = np.pad(ink, reach)
    height, width = ink.shape
    x = round(at[0] - {"l": reach, "m": width / 2, "r": width - reach}[anchor[0]])
    y = round(at[1] - {"t": reach, "m": height / 2, "b": height - reach}[anchor[1]])
    if halo is not None:
        side = 2 * reach + 1
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        _lay(picture, cv2.dilate(ink, disk) * 0.85, halo, x, y)
    _lay(picture, ink, colour, x, y)


def _lay(picture: Picture, cover: NDArray[Any], colour: Colour, x: int, y: int) -> None:
    rows = slice(max(y, 0), min(y + cover.shape[0], picture.shape[0]))
    columns = slice(max(x, 0), min(x + cover.shape[1], picture.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = cover[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x, None]
    under = picture[rows, columns].astype(np.float32)
    mixed = under + part * (np.array(colour, dtype=np.float32) - under)
    picture[rows, columns] = np.rint(mixed).astype(np.uint8)

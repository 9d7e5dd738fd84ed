"""Contact sheets: pictures side by side on pages of the same grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kptdata.errors import OptionError
from kptdata.viz._draw import GROUND, blank, paste

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kptdata.viz._draw import Picture

__all__ = ["contact_sheets", "parse_grid"]

_GAP = 8  # pixels
_PAGE = 2000  # pixels: about the longer side of a page


def parse_grid(text: str) -> tuple[int, int]:
    """Read ``4x3`` as 4 columns and 3 rows.

    Raises:
        OptionError: it is not two whole numbers from 1 to 40.

    >>> parse_grid("4x3")
    (4, 3)
    """
    columns, _, rows = text.lower().partition("x")
    if columns.isdigit() and rows.isdigit() and 1 <= int(columns) <= 40 and 1 <= int(rows) <= 40:
        return int(columns), int(rows)
    raise OptionError(f"sheet: expected COLUMNSxROWS such as 4x4, got {text!r}")


def contact_sheets(
    pictures: Iterable[Picture], grid: tuple[int, int], *, cell: int | None = None
) -> Iterator[Picture]:
    """Lay pictures out, one page at a time; a last page that is not full is cut to its rows.

    Args:
        pictures: (H, W, 3) uint8 RGB of any sizes, reduced to fit their cell, never enlarged.
        grid: columns and rows of a page.
        cell: side of a cell in pixels; by default such that a page is about 2000 pixels.
    """
    side = cell or max(160, min(800, _PAGE // max(grid)))
    page: list[Picture] = []
    for picture in pictures:
        page.append(_reduced(picture, side))
        if len(page) == grid[0] * grid[1]:
            yield _page(page, grid[0], side)
            page = []
    if page:
        yield _page(page, min(grid[0], len(page)), side)


def _reduced(picture: Picture, side: int) -> Picture:
    import cv2

    height, width = picture.shape[:2]
    factor = min(1.0, side / max(height, width))
    if factor == 1.0:
        return picture
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _page(pictures: list[Picture], columns: int, side: int) -> Picture:
    """Lay pictures out in rows as high as their highest picture."""
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    heights = [max(p.shape[0] for p in row) for row in rows]
    step = side + _GAP
    sheet = blank(columns * step + _GAP, sum(heights) + (len(rows) + 1) * _GAP, GROUND)
    top = _GAP
    for row, tallest in zip(rows, heights, strict=True):
        for i, picture in enumerate(row):
            height, width = picture.shape[:2]
            paste(
                sheet, picture, _GAP + i * step + (side - width) // 2, top + (tallest - height) // 2
            )
        top += tallest + _GAP
    return sheet

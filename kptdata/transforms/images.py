"""Pictures from files: bytes to (H, W, 3) uint8 RGB, and every way they can be bad, by name.

The stored pixels are given as they are stored: annotations count those, so a note in the file that
a viewer should turn the picture (EXIF) is not followed. Grey, 16-bit and CMYK pictures become RGB.
A path may lead into a zip archive: ``train.zip/000001.jpg``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FileError, OptionError
from kptdata.transforms._archives import read_bytes

__all__ = ["REDUCTIONS", "Photo", "Picture", "read_image", "read_reduced"]

REDUCTIONS = (1, 2, 4, 8)


class Picture(NamedTuple):
    """A picture, possibly decoded at a fraction of its size."""

    image: NDArray[np.uint8]  # (h, w, 3) RGB
    matrix: NDArray[np.float64]  # (2, 3) stored pixels to pixels of `image`


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 3) RGB, its stored pixels as they are.

    Raises:
        FileError: the file is not there, is no picture, or stops in the middle of one.
    """
    return _decode(read_bytes(Path(path)), Path(path), 1)


def read_reduced(path: str | Path, reduction: int) -> Picture:
    """Read a picture at 1, 1/2, 1/4 or 1/8 of its size, which is faster for JPEG files.

    A pixel of the result is the mean of a square of stored ones, centre on centre.

    Raises:
        FileError: as `read_image`.
        OptionError: `reduction` is not one of `REDUCTIONS`.
    """
    if reduction not in REDUCTIONS:
        raise OptionError(f"reduction: expected one of {REDUCTIONS}, got {reduction}")
    return _picture(read_bytes(Path(path)), Path(path), reduction)


class Photo:
    """A picture file whose pixels are decoded when they are looked at, as coarsely as will do.

    A decoder of JPEG files skips the work for pixels that a small crop would average anyway.

    Args:
        path: the file.

    Attributes:
        size_wh: width and height of the stored picture.

    Raises:
        FileError: as `read_image`; damage within the pixels shows when they are decoded.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._data = read_bytes(self._path)
        self._pictures: dict[int, Picture] = {}
        size = _jpeg_size(self._data.tobytes())
        self._reducible = size is not None
        if size is None:
            height, width = self.picture(1).image.shape[:2]
            size = (width, height)
        self.size_wh: tuple[int, int] = size

    def picture(self, scale: float) -> Picture:
        """Return the coarsest picture that has a pixel for each pixel of a crop at `scale`.

        Args:
            scale: pixels of the crop per stored pixel, in the direction that has most.

        Raises:
            FileError: the file is damaged.
        """
        fits = [r for r in REDUCTIONS if r * scale <= 1] if self._reducible else []
        reduction = max(fits, default=1)
        if reduction not in self._pictures:
            self._pictures[reduction] = _picture(self._data, self._path, reduction)
        return self._pictures[reduction]


def _picture(data: NDArray[np.uint8], path: Path, reduction: int) -> Picture:
    image = _decode(data, path, reduction)
    start = (1 / reduction - 1) / 2
    return Picture(image, np.array([[1 / reduction, 0, start], [0, 1 / reduction, start]]))


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height from the frame header of a JPEG file; None for anything else."""
    place = 2 if data[:2] == b"\xff\xd8" else len(data)
    while place + 9 <= len(data) and data[place] == _MARK:
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = (int.from_bytes(data[place + i : place + i + 2]) for i in (5, 7))
            return (width, height) if width and height else None
        bare = marker == _MARK or marker in _ALONE
        step = 1 if marker == _MARK else 2
        place += step if bare else 2 + int.from_bytes(data[place + 2 : place + 4])
    return None


_MARK = 0xFF
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # tables and extensions among them
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a length


def _decode(data: NDArray[np.uint8], path: Path, reduction: int) -> NDArray[np.uint8]:
    import cv2

    if _is_cut_jpeg(data):
        raise FileError("a JPEG file that stops before its end", path=path, fix="get it again")
    colour = "COLOR" if reduction == 1 else f"REDUCED_COLOR_{reduction}"
    flags = getattr(cv2, f"IMREAD_{colour}") | cv2.IMREAD_IGNORE_ORIENTATION
    image: Any = None
    reason = ""
    if len(data):
        try:
            image = cv2.imdecode(data, flags)
        except cv2.error as error:  # a picture of more pixels than OpenCV reads
            reason = f": {error.err or error.msg}".rstrip()
    if image is None:
        raise FileError(f"not an image that OpenCV can read{reason}", path=path)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _is_cut_jpeg(data: NDArray[np.uint8]) -> bool:
    """Tell a JPEG whose last scan has no end: OpenCV would paint the rest grey and say nothing."""
    if data[:2].tobytes() != b"\xff\xd8" or b"\xff\xd9" in data[-64:].tobytes():
        return False
    text = data.tobytes()
    return text.rfind(b"\xff\xd9") < text.rfind(b"\xff\xda")

"""Pictures from files: bytes to (H, W, 3) uint8 RGB, and every way they can be bad, by name.

The stored pixels are given as they are stored: annotations count those, so a note in the file that
a viewer should turn the picture (EXIF) is not followed. Grey, 16-bit and CMYK pictures become RGB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FileError, OptionError
from kptdata.paths import is_file

__all__ = ["REDUCTIONS", "Picture", "read_image", "read_reduced"]

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
    return _decode(_bytes(Path(path)), Path(path), 1)


def read_reduced(path: str | Path, reduction: int) -> Picture:
    """Read a picture at 1, 1/2, 1/4 or 1/8 of its size, which is faster for JPEG files.

    A pixel of the result is the mean of a square of stored ones, centre on centre.

    Raises:
        FileError: as `read_image`.
        OptionError: `reduction` is not one of `REDUCTIONS`.
    """
    if reduction not in REDUCTIONS:
        raise OptionError(f"reduction: expected one of {REDUCTIONS}, got {reduction}")
    image = _decode(_bytes(Path(path)), Path(path), reduction)
    start = (1 / reduction - 1) / 2
    return Picture(image, np.array([[1 / reduction, 0, start], [0, 1 / reduction, start]]))


def _bytes(path: Path) -> NDArray[np.uint8]:
    if not is_file(path):
        raise FileError("no such image", path=path, fix="check the images folder of the run file")
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise FileError(f"cannot be read ({error.strerror})", path=path) from error


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

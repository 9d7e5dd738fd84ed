"""Picture files: found, read as RGB, written as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kptdata.errors import FileError
from kptdata.formats.base import atomic_write
from kptdata.paths import image_path, is_file
from kptdata.viz._draw import PANEL, blank

if TYPE_CHECKING:
    from kptdata.dataset import PoseDataset
    from kptdata.viz._draw import Picture

__all__ = ["Loaded", "encode", "load_image", "make_folder", "read_picture", "write_picture"]

_PLAIN_SIDE = 16  # pixels: least side of a plain canvas


class Loaded(NamedTuple):
    """A picture, and whether it is the real one (and not a plain canvas in its place)."""

    picture: Picture
    real: bool


def read_picture(path: str | Path) -> Picture:
    """Read a picture as (H, W, 3) RGB, pixels as stored: an orientation mark in it is ignored.

    Raises:
        FileError: the file is missing or no picture.
    """
    import cv2

    path = Path(path)
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", path=path) from None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(data, flags) if len(data) else None
    if image is None:
        raise FileError(
            "is not a picture that OpenCV can read", path=path, fix="replace or remove that file"
        )
    return np.ascontiguousarray(image[..., ::-1])


def load_image(
    dataset: PoseDataset, row: int, folder: Path | None, *, plain: bool
) -> Loaded | None:
    """Return image `row` of a dataset, a plain canvas of its size if `plain`, or None.

    Looks in `folder` for the file by its name as given, then by its last part. Raises `FileError`
    if the name leads out of the folder.
    """
    name = str(dataset.images.file_name[row])
    if folder is not None and name:
        for path in (image_path(folder, name), folder / Path(name).name):
            if is_file(path):
                return Loaded(read_picture(path), real=True)
    return Loaded(_plain(dataset, row), real=False) if plain else None


def _plain(dataset: PoseDataset, row: int) -> Picture:
    """Make a canvas of the stated size, or large enough for all points where none is stated."""
    width, height = (int(v) for v in dataset.images.wh[row])
    if min(width, height) <= 0:
        xy = dataset.xy[dataset.image == row].reshape(-1, 2)
        xy = xy[np.isfinite(xy).all(axis=1)]
        far = xy.max(axis=0, initial=0) if len(xy) else np.zeros(2)
        width, height = (max(_PLAIN_SIDE, int(1.05 * v) + 2) for v in far)
    return blank(width, height, PANEL)


def encode(picture: Picture, suffix: str = ".png") -> bytes:
    """Encode as PNG or JPEG; the same picture gives the same bytes."""
    import cv2

    options = (
        [cv2.IMWRITE_JPEG_QUALITY, 88] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    )
    _, data = cv2.imencode(suffix, picture[..., ::-1], options)
    return bytes(data.tobytes())


def write_picture(picture: Picture, path: str | Path) -> None:
    """Write a PNG. Raises `FileError` if that cannot be done."""
    path = Path(path)
    make_folder(path.parent)
    atomic_write(path, [encode(picture)])


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if need be. Raises `FileError` if that cannot be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot be made: {error.strerror or error}", path=path, fix="name another folder"
        ) from None

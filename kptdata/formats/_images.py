"""Sizes of images, from their headers."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FileError
from kptdata.paths import image_path, is_file

__all__ = ["sized", "upright_size"]

_ORIENTATION = 0x0112  # EXIF tag
_SIDEWAYS = (5, 6, 7, 8)


def sized(dataset: PoseDataset, folder: Path | None) -> PoseDataset:
    """Return the dataset with the sizes of the images that are in `folder`.

    A size is that of the stored raster: an EXIF orientation tag does not swap width and height,
    because the tools that people annotated with do not turn the picture either. An image that is
    not there keeps the size that it has.

    Raises:
        FileError: a file is there and is no image, or a name leads out of the folder.
    """
    if folder is None:
        return dataset
    table = dataset.images
    sizes = _sizes(image_path(folder, name) for name in table.file_name.tolist())
    found = sizes[:, 0] > 0
    kept = {name: getattr(table, name) for name in ("sequence", "frame", "camera", "extras")}
    images = ImageTable(
        id=table.id,
        file_name=table.file_name,
        width=np.where(found, sizes[:, 0], table.width),
        height=np.where(found, sizes[:, 1], table.height),
        **kept,
    )
    step = f"sizes of {int(found.sum())} of {len(table)} images from their headers in {folder}"
    return dataset.replace(images=images).noted(step)


def _sizes(paths: Iterable[Path]) -> NDArray[np.int64]:
    """(M, 2) width and height of files, 0 where there is none."""
    return np.array([_size(path) for path in paths], np.int64).reshape(-1, 2)


def _size(path: Path) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    if not is_file(path):
        return 0, 0
    try:
        with warnings.catch_warnings():
            # Nothing is unpacked here, however large the picture is.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.size
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        problem = f"no image whose size can be read ({type(error).__name__})"
        raise FileError(problem, path=path, fix="replace the file or leave --images out") from None
    except (OSError, SyntaxError, ValueError) as error:  # what damaged headers make Pillow raise
        raise FileError(f"cannot be read as an image: {error}", path=path) from None


def upright_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image as it is shown, its EXIF orientation applied.

    Tools that load a picture before they divide by its size turn it first.

    Raises:
        FileError: the file is not there, or is no image.
    """
    from PIL import Image

    size = _size(path)
    if size[0] <= 0:
        raise FileError("no such image", path=path, fix="check the folder of images")
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return size  # EXIF data that is damaged turns nothing
    return (size[1], size[0]) if turned in _SIDEWAYS else size

"""What the two per-person layouts of MPII share: rows in the file's order, images by their name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import ImageTable, PoseDataset

__all__ = ["Listed", "by_name", "listed"]


class Listed(NamedTuple):
    """How a dataset goes into a file with one row per person.

    Attributes:
        rows: row of the dataset of each person, by `order`; people without an image are left out.
        names: file name of each person's image.
        image_rows: row of the dataset's images of each image that the file will be read to have.
    """

    rows: NDArray[np.intp]
    names: list[str]
    image_rows: NDArray[np.intp]


def by_name(names: Sequence[str]) -> tuple[ImageTable, NDArray[np.intp]]:
    """Return one image per distinct name, in the order of appearance, and the image of each row."""
    place = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return ImageTable.of(place), np.array([place[name] for name in names], np.intp)


def listed(dataset: PoseDataset) -> Listed:
    """Plan the rows of a file."""
    found = np.flatnonzero(dataset.image >= 0)
    rows = found[np.argsort(dataset.order[found], kind="stable")]
    images = dataset.image[rows]
    names = dataset.images.file_name[images].tolist()
    first = dict(zip(reversed(names), images[::-1].tolist(), strict=True))
    image_rows = np.array([first[name] for name in dict.fromkeys(names)], np.intp)
    return Listed(rows, names, image_rows)

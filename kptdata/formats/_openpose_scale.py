"""OpenPose's ``--keypoint_scale``: pixels or fractions, of which no file says which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import ImageTable
from kptdata.errors import FormatError

__all__ = ["in_pixels", "looks_like_fractions", "require_pixels"]

Floats = NDArray[np.float64]


def looks_like_fractions(flat: Floats) -> bool:
    """Tell whether points (..., 3) all are within one pixel of the origin, and not whole."""
    places = flat[flat[..., 2] > 0][..., :2]
    near = len(places) > 0 and bool((np.abs(places) <= 1).all())
    return near and bool((places != np.round(places)).any())


def require_pixels(
    flat: Floats,
    owners: NDArray[np.intp],
    scales: Sequence[int | None],
    path: Path,
    names: Sequence[str],
) -> None:
    """Refuse coordinates that look like fractions, where nobody says that they are pixels.

    Raises:
        FormatError: the first file with such coordinates is named.
    """
    unknown = np.array([scale is None for scale in scales], bool)
    mine = unknown[owners]
    if looks_like_fractions(flat[mine]):
        first = names[int(owners[mine][0])]
        likely = 4 if (flat[mine][..., :2] < 0).any() else 3
        raise FormatError(
            "the coordinates look like fractions of the image's size",
            path=path,
            place=first,
            expected="pixels (--keypoint_scale 0 of the tool)",
            found="no coordinate beyond 1",
            fix=f"say what they are (keypoint_scale={likely}, --source-set "
            f"keypoint_scale={likely}, and the folder of images), or 0 if they are pixels",
        )


def in_pixels(
    flat: Floats,
    owners: NDArray[np.intp],
    scales: Sequence[int | None],
    images: ImageTable,
    path: Path,
    names: Sequence[str],
) -> Floats:
    """Return the points (n, K, 3) with pixels in place of fractions; missing ones stay 0.

    A fraction of 0 is the centre of the first pixel, 1 that of the last one.

    Raises:
        FormatError: an image's size is not known, or the fractions are of one that no file states.
    """
    kinds = np.array([scale or 0 for scale in scales], np.int64)[owners]
    if not kinds.any():
        return flat
    wh = images.wh[owners]
    unknown = (kinds > 0) & ((wh <= 0).any(axis=1) | np.isin(kinds, (1, 2)))
    if unknown.any():
        row = int(owners[int(np.argmax(unknown))])
        raise FormatError(
            "the size that the coordinates are fractions of is not known",
            path=path,
            place=names[row],
            expected=f"an image {images.file_name[row]} with any usual ending",
            fix="give the folder of images (images=..., --images)",
        )
    last = (wh - 1)[:, None, :]
    plus = np.where(kinds == 4, 1.0, 0.0)[:, None, None]
    pixels = (flat[..., :2] + plus) / (1 + plus) * last
    scaled = (kinds > 0)[:, None, None] & (flat != 0).any(axis=-1, keepdims=True)
    return np.concatenate([np.where(scaled, pixels, flat[..., :2]), flat[..., 2:]], axis=-1)

"""Procedural people: images with exact keypoints, for demonstrations and tests.

A body with joints is posed in three dimensions, seen by a camera and painted part by part; what is
visible is read off the painted image, so keypoints, visibility, boxes and areas are exact by
construction. A limb's left and right share one colour: side shows only in how the body is turned.

>>> scene = draw_scene(seed=0, index=0, size=(64, 48))
>>> scene.image.shape, len(scene.people) > 0
((48, 64, 3), True)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kptdata._synth_body import LANDMARKS
from kptdata._synth_layout import LAYOUTS, Drawn, Layout, as_dataset, record
from kptdata._synth_scene import Hidden, Person, Scene, draw_scene
from kptdata.errors import FileError, OptionError, UnknownNameError
from kptdata.formats import write

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset

__all__ = [
    "LANDMARKS",
    "LAYOUTS",
    "Hidden",
    "Layout",
    "Person",
    "Scene",
    "Series",
    "draw_scene",
    "synth",
]

_LEAST_SIDE = 16
_JPEG_QUALITY = 92


@dataclass(frozen=True, eq=False)
class Series:
    """What `synth` wrote.

    Attributes:
        dataset: the people, as they were written.
        annotations: the annotation file.
        images: the folder of the pictures.
    """

    dataset: PoseDataset
    annotations: Path
    images: Path


def synth(
    n: int,
    out_dir: str | Path,
    *,
    layout: str = "coco",
    seed: int = 0,
    size: tuple[int, int] = (256, 256),
    on_image: Callable[[int], object] | None = None,
) -> Series:
    """Draw `n` images of people and write them with their annotations.

    The folder gets ``images/`` and ``annotations.json`` or ``annotations.mat``. The same arguments
    give the same bytes, and a longer series begins with the images of a shorter one.

    Args:
        n: number of images, 0 or more.
        out_dir: where to; made if it is not there.
        layout: ``mpii``, ``coco`` or ``coco-wholebody``, a key of `LAYOUTS`.
        seed: name of the series, 0 or more.
        size: width and height of an image, pixels, both at least 16.
        on_image: called with the number of images done after each one.

    Raises:
        OptionError: `n`, `seed` or `size` makes no sense.
        UnknownNameError: no such layout.
        FileError: a file cannot be written.
    """
    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)
    if n < 0 or seed < 0:
        raise OptionError(f"{'n' if n < 0 else 'seed'}: expected 0 or more, got {min(n, seed)}")
    if min(size) < _LEAST_SIDE:
        raise OptionError(f"size: expected two sides of at least {_LEAST_SIDE} pixels, got {size}")
    plan = LAYOUTS[layout]
    images = Path(out_dir) / "images"
    try:
        images.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot be made: {error.strerror}", path=images, fix="name another folder"
        ) from None
    drawn: list[Drawn] = []
    for index in range(n):
        scene = draw_scene(seed, index, size)
        _write_image(images / plan.image_name.format(index + 1), scene.image)
        drawn += record(scene, index)
        if on_image is not None:
            on_image(index + 1)
    dataset = as_dataset(drawn, n, size, layout)
    annotations = Path(out_dir) / plan.file_name
    write(dataset, annotations, format=plan.format)
    return Series(dataset, annotations, images)


def _write_image(path: Path, image: NDArray[np.uint8]) -> None:
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, data = cv2.imencode(path.suffix, image[..., ::-1], options)
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror}", path=path) from None

"""Draws of a pipeline as pictures: the crop with its points, and the same taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.transforms import Augmentation, Draw, Geometry, Instances, Sample, make_sample
from kptdata.viz._draw import DIM, GREEN, INK, WHITE, blank, outline, paste, text
from kptdata.viz.annotations import Style, draw_annotations
from kptdata.viz.gallery import Gallery, instance_gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset
    from kptdata.viz._draw import Picture

__all__ = ["augment_gallery", "draw_augmented"]

_MARGIN, _CAPTION = 12, 44
_SIDE = 420  # pixels: the longer side of a panel without words
_HALF = 2  # what is outside the crop is dimmed by this


def draw_augmented(
    image: Picture,
    dataset: PoseDataset,
    row: int,
    codec: Any,
    *,
    augmentation: Augmentation,
    draws: int = 6,
    seed: int = 0,
    keypoints: tuple[str, ...] = (),
    labels: str = "none",
    title: str | None = None,
) -> Picture:
    """Draw one instance under several draws: crops above, each taken back to the image below.

    Args:
        image: (H, W, 3) RGB, the stored image.
        dataset: holds the instance.
        row: of the instance.
        codec: makes the crops; `PlainCrop` and `UDPCrop` do as well.
        augmentation: what is drawn from.
        draws: how many.
        seed: of the draws.
        keypoints: names or patterns of the points to draw; empty draws all.
        labels: ``none``, ``names`` or ``indices`` beside the points.
        title: one line above all.

    Raises:
        OptionError: the instance has no box with area, or is to be flipped without pairs.
    """
    person = dataset[row : row + 1]
    raw = Instances(person.xy, person.labelled, person.column("bbox"))
    style = Style(boxes=False, labels=labels, keypoints=keypoints, sides=(_SIDE, _SIDE))
    if labels != "none":
        style = replace(style, sides=(_SIDE, 1000))
    columns = []
    for number in range(draws):
        draw = augmentation.draw(np.random.default_rng([seed, row, number]))
        sample = make_sample(image, raw, draw, codec, dataset.schema, augmentation=augmentation)
        columns.append(_column(image, person, sample, draw, style))
    height = max(column.shape[0] for column in columns)
    width = sum(column.shape[1] + _MARGIN for column in columns) + _MARGIN
    page = blank(width, height + _CAPTION + _MARGIN)
    text(page, title or "draws", (_MARGIN, 20), 15, INK, bold=True)
    left = _MARGIN
    for column in columns:
        paste(page, column, left, _CAPTION)
        left += column.shape[1] + _MARGIN
    return page


def augment_gallery(
    dataset: PoseDataset,
    out_dir: str | Path,
    codec: Any,
    *,
    augmentation: Augmentation,
    draws: int = 6,
    seed: int = 0,
    labels: str = "none",
    **options: Any,
) -> Gallery:
    """Draw instances under draws of an augmentation.

    Args:
        dataset: holds the instances; those without a box are cropped by their points.
        out_dir: folder for the PNG files and ``index.html``.
        codec: makes the crops.
        augmentation: what is drawn from.
        draws: how many per instance.
        seed: of the draws.
        labels: ``none``, ``names`` or ``indices``.
        **options: as for `target_gallery`.

    Raises:
        OptionError: an instance is to be flipped and the schema has no pairs.
        FileError: none of the images is there, or a file cannot be written.
        UnknownNameError: an id or a keypoint is not there.
    """

    def one(image: Picture, boxed: PoseDataset, row: int, **how: Any) -> Picture:
        return draw_augmented(
            image, boxed, row, codec,
            augmentation=augmentation, draws=draws, seed=seed, labels=labels, **how,
        )  # fmt: skip

    return instance_gallery(dataset, out_dir, one, "Augmentation", **options)


def _column(
    image: Picture, person: PoseDataset, sample: Sample, draw: Draw, style: Style
) -> Picture:
    """Return one draw: the crop with its points, two lines of words, the way back."""
    geometry = sample.spaces.geometry
    crop = draw_annotations(sample.image, _moved(person, geometry), style)
    back = geometry.inverse
    inside = back.mask(np.ones(sample.image.shape[:2], bool))
    returned = np.where(inside[..., None], back.image(sample.image), image // _HALF)
    edge = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (np.array(geometry.size_wh) - 1)
    outline(returned, back.points(edge), GREEN, 1.5)
    home = _moved(_moved(person, geometry), back)
    below = draw_annotations(returned, home, style)
    width = max(crop.shape[1], below.shape[1])
    column = blank(width, crop.shape[0] + below.shape[0] + _CAPTION)
    paste(column, crop, 0, 0)
    for place, words in enumerate(_words(draw)):
        text(column, words, (0, crop.shape[0] + 15 + 17 * place), 12, (WHITE, DIM)[place])
    paste(column, below, 0, crop.shape[0] + _CAPTION)
    return column


def _words(draw: Draw) -> tuple[str, str]:
    half = f"{'upper' if draw.upper else 'lower'} half" if draw.half_body else ""
    first = [f"flip {draw.direction}" if draw.flip else "no flip", half]
    second = [f"size {draw.scale:.2f}", f"{draw.rotation:+.0f} deg"]
    if any(draw.shift):
        second.append(f"shift {draw.shift[0]:+.2f} {draw.shift[1]:+.2f}")
    effects = [type(effect).__name__.removeprefix("Apply").lower() for effect in draw.effects]
    return ", ".join(filter(None, first + effects)), ", ".join(second)


def _moved(person: PoseDataset, geometry: Geometry) -> PoseDataset:
    """Return one instance in the pixels of another picture, renamed where it is mirrored."""
    xy, visibility = geometry.keypoints(person.xy, person.visibility)
    nowhere: NDArray[np.float64] | None = None
    return person.replace(
        xy=xy, visibility=visibility, given_xy=nowhere, bbox=nowhere, boxes={}, points={}
    )

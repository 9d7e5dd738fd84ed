"""Scenes: who stands where, what is painted over what, and what shows in the end.

A body with joints is posed in three dimensions, seen by a camera and painted part by part; what is
visible is read off the painted image, so keypoints, visibility, boxes and areas are exact by
construction. A limb's left and right share one colour: side shows only in how the body is turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from kptdata._synth_paint import Canvas, Field, background, capsules, paint, polygon
from kptdata._synth_person import (
    Figure,
    carries,
    draw_colours,
    draw_figure,
    paint_figure,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Hidden", "Person", "Scene", "draw_scene"]

_COUNTS = (0.50, 0.27, 0.14, 0.09)  # chance of one, two, three, four people
_OCCLUDED = 0.36  # chance that an occluder is put in front of a person
_CUT = 0.13  # chance that a person is pushed over the border
_LEAST_SHOWN = 0.4  # of the painted body; people who show less are left out
_BODY = np.arange(17)  # the landmarks that occluders aim at
_LEAST_PIXELS = 12
_SHAPES = 32  # owner numbers per person
_OCCLUDER = 1 << 20


class Hidden(IntEnum):
    """Why a landmark cannot be seen, stored as uint8."""

    SHOWN = 0
    BY_SELF = 1
    BY_PERSON = 2
    BY_OCCLUDER = 3
    OUTSIDE = 4


@dataclass(frozen=True, eq=False)
class Person:
    """One person of a scene.

    Attributes:
        xy: (137, 2) exact landmarks, pixels, in the order of `LANDMARKS`, outside the image too.
        hidden: (137,) uint8, see `Hidden`.
        mask: (H, W) bool: the pixels that show this person.
        bbox: (4,) xywh, pixels, tight around `mask`.
        extent: (4,) xywh, pixels, the whole body, hidden and cut parts included.
        head_box: (4,) xywh, pixels, the head's outline cut at the image border; NaN outside.
        colours: kind of limb -> RGB, 0..255, one for both sides.
    """

    xy: NDArray[np.float64]
    hidden: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    bbox: NDArray[np.float64]
    extent: NDArray[np.float64]
    head_box: NDArray[np.float64]
    colours: Mapping[str, NDArray[np.float32]]

    @property
    def area(self) -> float:
        """Number of pixels that show this person."""
        return float(self.mask.sum())


@dataclass(frozen=True, eq=False)
class Scene:
    """A painted image, (H, W, 3) uint8 RGB, and its people, far to near."""

    image: NDArray[np.uint8]
    people: tuple[Person, ...]


@dataclass(frozen=True, eq=False)
class _Occluder:
    """A thing in front of everybody: corners (P, 2) grown by a radius, pixels."""

    corners: NDArray[np.float64]
    radius: float
    tones: NDArray[np.float32]  # (2, 3)
    stripes: float


def draw_scene(seed: int, index: int, size: tuple[int, int] = (256, 256)) -> Scene:
    """Draw image number `index` of the series `seed`.

    The result depends on nothing else: not on how many images are drawn, nor in which order.

    Args:
        seed: name of the series, 0 or more.
        index: number within the series, 0 or more.
        size: width and height, pixels.
    """
    rng = np.random.default_rng([seed, index])
    backdrop = background(rng, size)
    light = np.array([rng.uniform(-0.7, 0.7), -0.75, rng.uniform(0.5, 0.9)])
    light = (light / np.linalg.norm(light)).astype(np.float32)
    figures = _draw_crowd(rng, size)
    limbs = [_draw_limb(rng, size) for _ in range(int(rng.integers(1, 5)))]
    occluders = [
        _draw_occluder(rng, f, size) if rng.random() < _OCCLUDED else None for f in figures
    ]
    grain = rng.standard_normal(backdrop.shape, dtype=np.float32) * np.float32(rng.uniform(1, 5))
    while True:
        canvas = Canvas(backdrop.copy(), np.zeros((size[1], size[0]), np.int32), light)
        for limb in limbs:
            _paint_limb(canvas, limb)
        people = _paint_crowd(canvas, figures, occluders)
        keep = [i for i, (_, shown) in enumerate(people) if shown >= _LEAST_SHOWN]
        if len(keep) == len(figures):
            image = np.clip(canvas.image + grain, 0, 255).round().astype(np.uint8)
            return Scene(image, tuple(person for person, _ in people))
        if not keep:  # the nearest person stays, without what hides it
            keep, occluders = [len(figures) - 1], [None] * len(figures)
        figures, occluders = [figures[i] for i in keep], [occluders[i] for i in keep]


def _paint_crowd(
    canvas: Canvas, figures: list[Figure], occluders: list[_Occluder | None]
) -> list[tuple[Person, float]]:
    """Paint everybody, then what hides them; return people and the share of each that shows."""
    painted = []
    for row, figure in enumerate(figures):
        paint_figure(canvas, figure, row * _SHAPES)
        painted.append(int((canvas.owner // _SHAPES == row)[canvas.owner > 0].sum()))
    for thing in occluders:
        if thing is not None:
            _paint_occluder(canvas, thing)
    people = [_read(canvas, figure, row) for row, figure in enumerate(figures)]
    return [
        (p, p.area / max(n, 1) if p.area >= _LEAST_PIXELS else 0.0)
        for p, n in zip(people, painted, strict=True)
    ]


# ---------------------------------------------------------------------------------------- planning
def _draw_crowd(rng: np.random.Generator, size: tuple[int, int]) -> list[Figure]:
    """Draw one to four people and place them, far to near."""
    count = 1 + int(rng.choice(4, p=_COUNTS))
    tall = {1: (0.5, 0.98), 2: (0.45, 0.9), 3: (0.4, 0.8), 4: (0.38, 0.7)}[count]
    centres: list[NDArray[np.float64]] = []
    figures = []
    for _ in range(count):
        figure = draw_figure(rng)
        span = figure.extent[2:] - figure.extent[:2]
        # The larger side of the body, whatever its pose, is a share of the image's smaller side.
        scale = float(rng.uniform(*tall)) * min(size) / float(span.max())
        centre = _place(rng, span * scale, size, centres)
        centres.append(centre)
        middle = (figure.extent[2:] + figure.extent[:2]) / 2
        figures.append(figure.moved(scale, centre - scale * middle))
    return figures


def _place(
    rng: np.random.Generator,
    span: NDArray[np.float64],
    size: tuple[int, int],
    others: list[NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Choose the centre of a body of `span` (2,) pixels: by somebody, over the border, anywhere."""
    whole = np.array(size, dtype=np.float64)
    room = np.maximum(whole - span, 0)
    centre = span / 2 + rng.random(2) * room + np.minimum(whole - span, 0) / 2
    if others and rng.random() < 0.7:
        beside = others[int(rng.integers(len(others)))]
        step = rng.uniform(0.5, 1.05) * span[0] * rng.choice([-1, 1])
        centre[0] = np.clip(beside[0] + step, 0.3 * span[0], whole[0] - 0.3 * span[0])
    if rng.random() < _CUT:
        axis = int(rng.random() < 0.5)
        over = rng.uniform(-0.05, 0.25) * span[axis]
        centre[axis] = over if rng.random() < 0.4 else whole[axis] - over
    return centre


@dataclass(frozen=True, eq=False)
class _Limb:
    """A loose limb that belongs to nobody: a bent chain of points (P, 2), pixels."""

    points: NDArray[np.float64]
    radii: NDArray[np.float64]
    tones: NDArray[np.float32]


def _draw_limb(rng: np.random.Generator, size: tuple[int, int]) -> _Limb:
    length = float(rng.uniform(0.06, 0.17)) * min(size)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.9, 2))
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=1) * length
    points = rng.random(2) * size + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    radii = length * np.array([0.2, 0.15, 0.1]) * rng.uniform(0.7, 1.4)
    colours = draw_colours(rng)
    pair = (("upper_arm", "forearm"), ("thigh", "shin"))[int(rng.integers(2))]
    return _Limb(points, radii, np.stack([colours[kind] for kind in pair]))


def _draw_occluder(
    rng: np.random.Generator, figure: Figure, size: tuple[int, int]
) -> _Occluder | None:
    """Draw a box, disc or pole over one of the figure's joints; None if none is in the image."""
    inside = _inside(figure.xy[_BODY], size)
    if not inside.any():
        return None
    at = figure.xy[_BODY[int(rng.choice(np.flatnonzero(inside)))]]
    reach = float((figure.extent[2:] - figure.extent[:2]).max())
    kind = int(rng.integers(3))
    half = reach * np.array([rng.uniform(0.04, 0.10), rng.uniform(0.04, 0.10)])
    if kind == 1:
        half = np.full(2, 0.01 * reach)
    elif kind == 2:
        half = reach * np.array([rng.uniform(0.008, 0.02), 1.0])
    turn = rng.uniform(0, np.pi) if kind == 0 else rng.normal(0, 0.12)
    across, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    corners = at + signs[:, :1] * half[0] * across + signs[:, 1:] * half[1] * down
    radius = reach * float(rng.uniform(0.05, 0.10) if kind == 1 else rng.uniform(0.008, 0.02))
    tones = np.stack([draw_colours(rng)["torso"], draw_colours(rng)["torso_stripe"]])
    stripes = float(rng.uniform(1, 5)) if rng.random() < 0.6 else 0.0
    return _Occluder(corners, radius, tones, stripes)


# ---------------------------------------------------------------------------------------- painting
def _paint_limb(canvas: Canvas, limb: _Limb) -> None:
    for i in (0, 1):
        ends = limb.points[[i]], limb.points[[i + 1]], limb.radii[None, i : i + 2]
        paint(canvas, capsules(canvas, *ends), limb.tones[i], outline=0.8)


def _paint_occluder(canvas: Canvas, thing: _Occluder) -> None:
    axis = np.stack([thing.corners[:2].mean(axis=0), thing.corners[2:].mean(axis=0)])
    first, second = thing.tones

    def tone(field: Field) -> NDArray[np.float32]:
        wave = np.clip(0.5 + 4 * np.sin(field.along * np.float32(6.2832 * thing.stripes)), 0, 1)
        return first + (second - first) * wave[..., None].astype(np.float32)

    field = polygon(canvas, thing.corners, thing.radius, axis)
    paint(canvas, field, tone if thing.stripes else first, owner=_OCCLUDER)


# ----------------------------------------------------------------------------------------- reading
def _inside(xy: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = np.all((xy >= 0) & (xy <= np.array(size) - 1), axis=-1)
    return result


def _read(canvas: Canvas, figure: Figure, row: int) -> Person:
    """Read off the painted image what shows of the person whose shapes own `row`'s numbers."""
    owner = canvas.owner
    size = (owner.shape[1], owner.shape[0])
    mask = (owner > row * _SHAPES) & (owner < (row + 1) * _SHAPES)
    x1, y1, x2, y2 = figure.extent
    return Person(
        xy=figure.xy,
        hidden=_hidden(owner, figure, row),
        mask=mask,
        bbox=_tight_box(mask),
        extent=np.array([x1, y1, x2 - x1, y2 - y1]),
        head_box=_cut(figure.head_box, size),
        colours=figure.colours,
    )


def _hidden(owner: NDArray[np.int32], figure: Figure, row: int) -> NDArray[np.uint8]:
    size = (owner.shape[1], owner.shape[0])
    inside = _inside(figure.xy, size)
    x, y = np.rint(np.where(inside[:, None], figure.xy, 0)).astype(int).T
    top = owner[y, x]
    result = np.select(
        [
            ~inside,
            top == _OCCLUDER,
            (top > 0) & (top // _SHAPES != row),
            carries(figure, top % _SHAPES),
        ],
        [Hidden.OUTSIDE, Hidden.BY_OCCLUDER, Hidden.BY_PERSON, Hidden.SHOWN],
        Hidden.BY_SELF,
    )
    return result.astype(np.uint8)


def _tight_box(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Find xywh (4,) of the pixels that are set; NaN if none is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.full(4, np.nan)
    x, y = columns[0], rows[0]
    return np.array([x, y, columns[-1] - x + 1, rows[-1] - y + 1], dtype=np.float64)


def _cut(xyxy: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Cut a box at the image border and return it as xywh (4,); NaN if nothing is left."""
    low, high = np.maximum(xyxy[:2], 0), np.minimum(xyxy[2:], np.array(size))
    return np.concatenate([low, high - low]) if np.all(high > low) else np.full(4, np.nan)

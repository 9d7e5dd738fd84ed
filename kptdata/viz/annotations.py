"""Annotations on their images: boxes, skeletons, and one mark per keypoint that tells its state."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from kptdata.errors import OptionError, UnknownNameError
from kptdata.visibility import Visibility
from kptdata.viz._draw import (
    DIM,
    GROUND,
    INK,
    WHITE,
    blank,
    cross,
    disc,
    fit,
    line,
    outline,
    square,
    text,
    text_size,
)
from kptdata.viz._labels import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset
    from kptdata.schema import Schema
    from kptdata.viz._draw import Colour, Frame, Picture

__all__ = ["LABELS", "MARKS", "Style", "choose_keypoints", "draw_annotations"]

LABELS = ("none", "names", "indices")
MARKS = {
    "visible": "disc",
    "occluded": "ring",
    "labelled": "diamond",
    "stated": "cross",
}
"""Mark of each state; ``stated`` are coordinates under an unlabelled or absent point."""

_ROOM_FOR_WORDS = 1000  # pixels: least longer side of a picture with words on it
_DENSE = 40  # points; more than these need smaller words and more room
_PEOPLE: tuple[Colour, ...] = (
    (255, 214, 64), (80, 200, 255), (255, 120, 160),
    (140, 235, 120), (200, 150, 255), (255, 160, 80),
)  # fmt: skip
_EDGE: Colour = (16, 18, 22)


@dataclass(frozen=True)
class Style:
    """What is drawn, and how large.

    Attributes:
        boxes: the instances' boxes.
        named_boxes: further boxes, such as ``head`` or ``left_hand``.
        skeleton: the schema's links.
        labels: ``none``, ``names`` or ``indices`` beside the points.
        keypoints: names or patterns (``left_*``) of the points to draw; empty draws all.
        title: one line under the picture; None leaves out the line and the legend.
        sides: least and most of the drawn image's longer side, pixels.

    Raises:
        OptionError: `labels` is none of its choices.
    """

    boxes: bool = True
    named_boxes: bool = False
    skeleton: bool = True
    labels: str = "none"
    keypoints: tuple[str, ...] = ()
    title: str | None = None
    sides: tuple[int, int] = (560, 1600)

    def __post_init__(self) -> None:
        if self.labels not in LABELS:
            raise OptionError(f"labels: expected one of {', '.join(LABELS)}, got {self.labels!r}")


def choose_keypoints(schema: Schema, patterns: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which points (K,) the names or patterns choose; no patterns choose all.

    Raises:
        UnknownNameError: a pattern fits no name; near names are listed.
    """
    if not patterns:
        return np.ones(schema.num_keypoints, bool)
    chosen = np.zeros(schema.num_keypoints, bool)
    for pattern in patterns:
        fits = [
            fnmatchcase(point.name, pattern) or fnmatchcase(point.canonical, pattern)
            for point in schema.keypoints
        ]
        if not any(fits):
            raise UnknownNameError("keypoint", pattern, schema.names)
        chosen |= np.array(fits)
    return chosen


def draw_annotations(image: Picture, dataset: PoseDataset, style: Style | None = None) -> Picture:
    """Draw all instances of `dataset` on one image; both stay as they are.

    Small images are enlarged and huge ones reduced until marks and words can be read; marks shrink
    where points are close together.

    Args:
        image: (H, W, 3) uint8 RGB that the coordinates are pixels of.
        dataset: the instances of that image.
        style: by default boxes, skeletons and points without names.

    Returns:
        A picture (H', W', 3) uint8 RGB, with a line of title and legend below if there is a title.

    Raises:
        UnknownNameError: the style names a keypoint that the schema does not have.
    """
    style = style or Style()
    chosen = choose_keypoints(dataset.schema, style.keypoints)
    picture, frame = fit(image, *_sides(style, int(chosen.sum())))
    colours = [_PEOPLE[i % len(_PEOPLE)] for i in range(len(dataset))]
    if style.boxes:
        _draw_boxes(picture, frame, dataset, colours, named=style.named_boxes)
    points = [_Points.of(dataset, row, chosen, frame, picture) for row in range(len(dataset))]
    for person in points:
        if style.skeleton:
            _draw_links(picture, dataset.schema, person)
        _draw_marks(picture, dataset.schema, person)
    if style.labels != "none":
        _write_labels(picture, dataset.schema, points, by_name=style.labels == "names")
    if style.title is None:
        return picture
    states = {s for person in points for s in person.state if s}
    return np.concatenate([picture, _caption(picture.shape[1], style.title, states)])


def _sides(style: Style, points: int) -> tuple[int, int]:
    """Return least and most of the picture's longer side: words need room."""
    least, most = style.sides
    if style.labels != "none":
        least = max(least, _ROOM_FOR_WORDS + 400 * (points > _DENSE))
    return min(least, most), most


@dataclass(frozen=True, eq=False)
class _Points:
    """One instance's points on the picture: xy (K, 2), mark radius (K,), state ("" draws none)."""

    xy: NDArray[np.float64]
    radius: NDArray[np.float64]
    state: tuple[str, ...]

    @classmethod
    def of(
        cls,
        dataset: PoseDataset,
        row: int,
        chosen: NDArray[np.bool_],
        frame: Frame,
        picture: Picture,
    ) -> _Points:
        xy, states = dataset.xy[row], dataset.visibility[row]
        state = np.full(len(states), "", dtype=object)
        for value, name in _STATES.items():
            state[(states == value) & chosen] = name
        if dataset.given_xy is not None:
            stated = (state == "") & chosen & np.isfinite(dataset.given_xy[row]).all(axis=1)
            xy = np.where(stated[:, None], dataset.given_xy[row], xy)
            state[stated] = "stated"
        placed = frame.place(xy)
        drawn = state != ""
        radius = _radii(placed, drawn, _Points._largest(placed[drawn], picture))
        return cls(placed, radius, tuple(state.tolist()))

    @staticmethod
    def _largest(xy: NDArray[np.float64], picture: Picture) -> float:
        """Return the largest mark that suits the picture and the instance, pixels."""
        body = float(np.ptp(xy, axis=0).max()) if len(xy) > 1 else 0.0
        by_picture = 0.0075 * max(picture.shape[:2])
        return float(np.clip(min(by_picture, 0.022 * body) if body else by_picture, 2.2, 11))


_STATES = {
    Visibility.VISIBLE: "visible",
    Visibility.OCCLUDED: "occluded",
    Visibility.LABELLED: "labelled",
}


def _radii(
    xy: NDArray[np.float64], drawn: NDArray[np.bool_], largest: float
) -> NDArray[np.float64]:
    """Give each point (K,) a radius that leaves its second neighbour visible."""
    radius = np.full(len(xy), largest)
    rows = np.flatnonzero(drawn)
    if len(rows) > 3:
        apart = np.linalg.norm(xy[rows, None] - xy[None, rows], axis=-1)
        near = np.sort(apart, axis=1)[:, 2]
        radius[rows] = np.clip(0.4 * near, 1.6, largest)
    return radius


# ----------------------------------------------------------------------------------------- drawing
def _draw_boxes(
    picture: Picture, frame: Frame, dataset: PoseDataset, colours: list[Colour], *, named: bool
) -> None:
    width = max(1.0, max(picture.shape[:2]) / 600)
    columns = [("", dataset.column("bbox"))]
    if named:
        columns += list(dataset.boxes.items())
    for name, boxes in columns:
        for row in np.flatnonzero(np.isfinite(boxes).all(axis=1)):
            x, y, w, h = boxes[row]
            # Edges, not centres: (0, 0, w, h) goes around the whole picture.
            corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)]) * frame.scale - 0.5
            corners = np.clip(corners, 0, np.array(picture.shape[1::-1]) - 1)
            outline(picture, corners, _EDGE, width + 2)
            outline(picture, corners, colours[row], width)
            if name:
                _name_box(picture, name, corners[0], colours[row])


def _name_box(picture: Picture, name: str, corner: NDArray[np.float64], colour: Colour) -> None:
    """Write above the box, or inside it where the picture ends above it."""
    size = 11
    room = text_size(name, size)[1] + 5
    down, anchor = (-3, "lb") if corner[1] >= room else (3, "lt")
    text(picture, name, corner + np.array([3.0, down]), size, colour, anchor=anchor, halo=_EDGE)


def _draw_links(picture: Picture, schema: Schema, points: _Points) -> None:
    drawn = [bool(s) and s != "stated" for s in points.state]
    links = [
        (a, b, _rgb(colour))
        for (a, b), colour in zip(schema.link_indices, schema.link_colours, strict=True)
        if drawn[a] and drawn[b]
    ]
    widths = [
        float(np.clip(0.75 * min(points.radius[a], points.radius[b]), 1, 6)) for a, b, _ in links
    ]
    for (a, b, _), width in zip(links, widths, strict=True):
        line(picture, points.xy[a], points.xy[b], _EDGE, width + 2)
    for (a, b, colour), width in zip(links, widths, strict=True):
        line(picture, points.xy[a], points.xy[b], colour, width)


def _rgb(colour: NDArray[np.uint8]) -> Colour:
    red, green, blue = (int(value) for value in colour)
    return red, green, blue


def _draw_marks(picture: Picture, schema: Schema, points: _Points) -> None:
    # Certain points last: they lie over the others.
    order = ("stated", "labelled", "occluded", "visible")
    for state in order:
        for row in [i for i, s in enumerate(points.state) if s == state]:
            colour = _rgb(schema.colours[row])
            draw_mark(picture, state, points.xy[row], float(points.radius[row]), colour)


def draw_mark(
    picture: Picture, state: str, at: NDArray[np.float64], radius: float, colour: Colour
) -> None:
    """Draw the mark of a state (a key of `MARKS`)."""
    rim = max(1.0, 0.22 * radius)
    if state == "visible":
        disc(picture, at, radius + rim, _EDGE)
        disc(picture, at, radius + 0.5 * rim, WHITE)
        disc(picture, at, radius - 0.3 * rim, colour)
    elif state == "occluded":
        disc(picture, at, radius + rim, _EDGE)
        disc(picture, at, radius + 0.5 * rim, colour)
        disc(picture, at, 0.5 * radius, _EDGE)
    elif state == "labelled":
        square(picture, at, radius + rim, _EDGE)
        square(picture, at, radius, colour)
    else:
        width = max(1.0, 0.35 * radius)
        cross(picture, at, 0.9 * radius, _EDGE, width + 2)
        cross(picture, at, 0.9 * radius, colour, width)


def _write_labels(
    picture: Picture, schema: Schema, people: list[_Points], *, by_name: bool
) -> None:
    every = [np.array([s != "" for s in p.state], bool) for p in people]
    xy = np.concatenate(
        [p.xy[rows] for p, rows in zip(people, every, strict=True)] or [np.zeros((0, 2))]
    )
    size = 13 if schema.num_keypoints <= _DENSE else 10.5
    labels = Labels(picture, xy, size)
    for person, rows in zip(people, every, strict=True):
        words = [schema.names[i] if by_name else str(i) for i in np.flatnonzero(rows)]
        labels.write(words, person.xy[rows], person.radius[rows])


_LEGEND = {
    "visible": "visible",
    "occluded": "occluded",
    "labelled": "labelled, occlusion not stated",
    "stated": "stated, not labelled",
}


def _caption(width: int, title: str, states: set[str]) -> Picture:
    """Draw the strip below a picture: its title, and what the marks mean."""
    size, margin = 13, 12
    names = [name for name in _LEGEND if name in states]
    needed = sum(text_size(_LEGEND[n], size)[0] + 30 for n in names)
    one_line = text_size(title, size)[0] + needed + 3 * margin <= width
    strip = blank(width, 30 if one_line or not names else 54, GROUND)
    text(strip, title, (margin, 15), size, INK)
    x = float(width - margin - needed + 12 if one_line else margin + 4)
    y = 15 if one_line else 39
    for name in names:
        draw_mark(strip, name, np.array([x, y]), 5, (80, 180, 255))
        text(strip, _LEGEND[name], (x + 11, y), size, DIM)
        x += text_size(_LEGEND[name], size)[0] + 30
    return strip

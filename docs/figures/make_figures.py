"""Draw the pictures of the documentation: ``python docs/figures/make_figures.py [NAME ...]``.

The files beside this script are its output, committed so that the pages show without building.
"""

# ruff: noqa: INP001 - a script, no package

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from kptdata._synth_layout import as_dataset, record
from kptdata.codecs import build
from kptdata.synth import draw_scene
from kptdata.transforms import TRANSFORMS, build_transform, standard_augmentation
from kptdata.viz import Style, draw_annotations, draw_augmented, draw_heatmaps

HERE = Path(__file__).parent
INK, DIM, LINE = "#1f2430", "#6b7484", "#c9ced8"
PIXEL, CELL, UDP, EDGE, POINT = "#e8ebf1", "#2f6fde", "#1f9d63", "#b3561f", "#d6336c"
WIDTH, CELLS = 16, 4  # pixels and cells of the example
KEYPOINT = 9.2


def figure(width: float, height: float) -> tuple[Any, Any]:
    """Make a figure with one axes that covers it, counted in inches from the top left."""
    made = Figure(figsize=(width, height), dpi=160, facecolor="white")
    FigureCanvasAgg(made)
    axes = made.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return made, axes


def save(made: Any, name: str) -> None:
    """Write a PNG without a time stamp."""
    made.savefig(HERE / name, metadata={"Software": None})


# --------------------------------------------------------------------------------- coordinates.png
LEFT, STEP = 3.85, 0.42  # inches: where pixel 0 is, and from one pixel to the next


def at(x: float) -> float:
    """Place pixel coordinate `x` on the figure."""
    return LEFT + x * STEP


def coordinates() -> None:
    """One row of 16 pixels under the rules that turn it into 4 cells, and the quarter shift."""
    made, axes = figure(14.0, 8.1)
    axes.text(0.35, 0.42, "One row of 16 pixels, and 4 heatmap cells over it", size=15,
              weight="bold", color=INK, va="center")  # fmt: skip
    pixel_row(axes, 1.25)
    for x in (0, 15):
        axes.plot([at(x), at(x)], [1.45, 6.35], color=LINE, linewidth=0.8, zorder=0)
    axes.plot([at(KEYPOINT)] * 2, [0.98, 6.35], color=POINT, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.text(at(KEYPOINT), 0.86, f"a keypoint at x = {KEYPOINT}", color=POINT, size=9.5,
              ha="center")  # fmt: skip
    plain_row(axes, 2.55)
    udp_row(axes, 3.95)
    edge_row(axes, 5.35)
    flip_note(axes, 6.75)
    quarter(made)
    save(made, "coordinates.png")


def title(axes: Any, y: float, name: str, rule: str, colour: str, *lines: str) -> None:
    """Write a rule's name and formula left of its row."""
    axes.text(0.35, y - 0.2, name, color=colour, size=11.5, weight="bold", va="center")
    axes.text(0.35, y + 0.05, rule, color=INK, size=9.5, va="center", family="monospace")
    for i, text in enumerate(lines):
        axes.text(0.35, y + 0.28 + 0.19 * i, text, color=DIM, size=8.6, va="center")


def pixel_row(axes: Any, y: float) -> None:
    """Draw pixels as squares about their centres."""
    title(axes, y, "Pixels", "centre of the first = 0", INK)
    for x in range(WIDTH):
        square(axes, x - 0.5, x + 0.5, y, 0.21, PIXEL, LINE)
        axes.plot(at(x), y, ".", color=INK, markersize=4)
        axes.text(at(x), y + 0.32, str(x), color=DIM, size=8, ha="center", va="center")
    axes.text(at(-0.5), y - 0.33, "-0.5", color=DIM, size=8, ha="center", va="center")
    axes.text(at(15.5), y - 0.33, "15.5", color=DIM, size=8, ha="center", va="center")


def square(
    axes: Any,
    left: float,
    right: float,
    y: float,
    half: float,
    face: str,
    edge: str,
    alpha: float = 1,
) -> None:
    """Draw a box from pixel coordinate `left` to `right` about height `y`."""
    axes.add_patch(
        Rectangle((at(left), y - half), at(right) - at(left), 2 * half, facecolor=face,
                  edgecolor=edge, linewidth=1, alpha=alpha)
    )  # fmt: skip


def cells(axes: Any, y: float, places: np.ndarray, reach: float, colour: str) -> None:
    """Draw cells at their centres, with the pixels that are nearest to each."""
    for i, place in enumerate(places):
        left, right = max(place - reach, -0.5), min(place + reach, WIDTH - 0.5)
        square(axes, left, right, y, 0.2, colour, "white", alpha=0.16)
        axes.plot(at(place), y, "o", color=colour, markersize=8)
        axes.text(
            at(place), y + 0.36, f"cell {i}", color=colour, size=8.5, ha="center", va="center"
        )


def plain_row(axes: Any, y: float) -> None:
    """Draw the plain rule: sizes are divided."""
    places = np.arange(CELLS) * WIDTH / CELLS
    title(axes, y, "Plain (MSRA)", "cell i is pixel 4 i,  4 = 16 / 4", CELL,
          "int(x / 4 + 0.5): the +0.5 rounds", "to the nearest cell: 9.2 is in cell 2")  # fmt: skip
    cells(axes, y, places, 2, CELL)
    arrow(axes, KEYPOINT, places[2], y - 0.3, CELL)
    span(axes, 12, 15, y + 0.12, "3 pixels beyond", CELL)


def udp_row(axes: Any, y: float) -> None:
    """Draw the UDP rule: steps are divided."""
    places = np.arange(CELLS) * (WIDTH - 1) / (CELLS - 1)
    rule = "cell i is pixel 5 i,  5 = 15 / 3"
    about = "first on first, last on last; the gaussian", "stands at 1.84: nothing is rounded"
    title(axes, y, "UDP", rule, UDP, *about)
    cells(axes, y, places, 2.5, UDP)
    x = np.linspace(KEYPOINT - 4.5, KEYPOINT + 4.5, 100)
    axes.plot(at(x), y - 0.2 - 0.42 * np.exp(-((x - KEYPOINT) ** 2) / 5), color=UDP, linewidth=1.4)


def edge_row(axes: Any, y: float) -> None:
    """Draw the rule of resized pictures: edges on edges."""
    places = (np.arange(CELLS) + 0.5) * WIDTH / CELLS - 0.5
    rule = "cell i is pixel (i + 0.5) 4 - 0.5"
    about = "how pictures are resized; the -0.5 turns", "an edge into a centre. MSRA has no -0.5"
    title(axes, y, "Edges on edges", rule, EDGE, *about)
    cells(axes, y, places, 2, EDGE)
    span(axes, 0, 1.5, y - 0.12, "1.5", EDGE)


def arrow(axes: Any, start: float, end: float, y: float, colour: str) -> None:
    """Draw where a keypoint is moved to."""
    axes.annotate("", (at(end), y), (at(start), y),
                  arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.4})  # fmt: skip
    axes.text(at(end) - 0.07, y, "rounded", color=colour, size=8.5, ha="right", va="center")


def span(axes: Any, start: float, end: float, y: float, text: str, colour: str) -> None:
    """Draw a distance and what it is."""
    axes.annotate("", (at(end), y), (at(start), y),
                  arrowprops={"arrowstyle": "<->", "color": colour, "linewidth": 1})  # fmt: skip
    axes.text(at((start + end) / 2), y - 0.12, text, color=colour,
              size=8, ha="center", va="center")  # fmt: skip


def flip_note(axes: Any, y: float) -> None:
    """Draw both grids and their mirror images."""
    about = (
        "the plain grid and its mirror image are",
        "0.75 cell apart: shift one cell, 0.25 is left",
        "UDP's grid is its own mirror image",
    )
    title(axes, y, "Flip test", "x becomes 15 - x", INK, *about)
    plain = np.arange(CELLS) * 4.0
    udp = np.arange(CELLS) * 5.0
    for places, row, colour in ((plain, y - 0.12, CELL), (udp, y + 0.42, UDP)):
        axes.plot([at(0), at(15)], [row, row], color=LINE, linewidth=1, zorder=0)
        axes.plot(at(places), np.full(CELLS, row), "o", color=colour, markersize=8)
        axes.plot(at(15 - places), np.full(CELLS, row), "o", markerfacecolor="none",
                  markeredgecolor=POINT, markersize=12, markeredgewidth=1.5)  # fmt: skip
    axes.plot(at(0.05), y + 0.95, "o", color=DIM, markersize=7)
    axes.text(at(0.5), y + 0.95, "cells", color=DIM, size=8.6, va="center")
    axes.plot(at(2.4), y + 0.95, "o", markerfacecolor="none", markeredgecolor=POINT, markersize=11,
              markeredgewidth=1.5)  # fmt: skip
    key = "cells of the mirrored picture, mirrored back"
    axes.text(at(2.9), y + 0.95, key, color=DIM, size=8.6, va="center")


def quarter(made: Any) -> None:
    """Chart a predicted peak and the quarter of a cell towards its higher neighbour."""
    axes = made.add_axes((0.805, 0.37, 0.175, 0.4))
    values = np.exp(-((np.arange(5) - 2.3) ** 2) / 2.4)
    axes.bar(
        np.arange(5), values, width=0.86, color=["#c6d6f5"] * 2 + [CELL] + ["#8fb1ee", "#c6d6f5"]
    )
    axes.axvline(2.3, color=POINT, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.axvspan(1.5, 2.5, color=CELL, alpha=0.08)
    axes.annotate("", (2.25, 1.1), (2.0, 1.1),
                  arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.4,
                              "shrinkA": 0, "shrinkB": 0})  # fmt: skip
    axes.text(2.2, 1.165, "+0.25", color=INK, size=10, ha="right", va="bottom", weight="bold")
    axes.text(2.4, 1.03, "truth", color=POINT, size=8.5, ha="left", va="bottom")
    axes.set(ylim=(0, 1.34), xlim=(-0.6, 4.6), yticks=[], xticks=range(5))
    axes.tick_params(colors=DIM, labelsize=8.5, length=0)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.set_xlabel("heatmap cell", color=DIM, size=9)
    box = made.axes[0]
    box.text(11.25, 1.05, "Quarter shift", color=CELL, size=11.5, weight="bold",
             va="center")  # fmt: skip
    box.text(11.25, 1.3, "MSRA decoding, a predicted map", color=INK, size=9.5, va="center")
    notes = (
        "The highest cell is 2, so the truth is",
        "between 1.5 and 2.5. Cell 3 is higher",
        "than cell 1: it is in the right half,",
        "whose middle is 2 + 0.25.",
        "At most a quarter of a cell is left.",
    )
    for i, text in enumerate(notes):
        box.text(11.25, 5.75 + 0.21 * i, text, color=DIM, size=8.8, va="center")


# -------------------------------------------------------------------------------------- readme.png
HEIGHT, GAP = 330, 8  # pixels


def readme() -> None:
    """Draw annotations, one person's crop, its heatmaps, and a whole body, in a row."""
    side = Style(sides=(HEIGHT, HEIGHT))
    image, people = drawn_people(14, "coco")
    codec = build("UDPHeatmap", input_size=(192, 256), heatmap_size=(48, 64))
    maps = draw_heatmaps(image, people, 0, codec)
    parts = [draw_annotations(image, people, side), reduced(maps.crop), reduced(maps.overlay)]
    image, people = drawn_people(11, "coco-wholebody")
    parts.append(draw_annotations(image, people, side))
    ground = np.full((HEIGHT, GAP, 3), 255, np.uint8)
    row = np.concatenate([p for part in parts for p in (part, ground)][:-1], axis=1)
    Image.fromarray(row).quantize(256).save(HERE / "readme.png", optimize=True)


def drawn_people(index: int, layout: str) -> tuple[Any, Any]:
    """Draw a scene and return its picture and its dataset."""
    scene = draw_scene(21, index)
    return scene.image, as_dataset(record(scene, 0), 1, (256, 256), layout)


def reduced(picture: Any) -> Any:
    """Bring a picture to the row's height."""
    size = round(picture.shape[1] * HEIGHT / picture.shape[0]), HEIGHT
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def transforms() -> None:
    """Draw five draws of the usual training transforms, and the change of pixels of each kind."""
    image, people = drawn_people(3, "coco")
    codec = build("UDPHeatmap", input_size=(192, 256), heatmap_size=(48, 64))
    usual = draw_augmented(
        image, people, 0, codec, augmentation=standard_augmentation("mmpose"), draws=5, seed=4,
        title="law = mmpose",
    )  # fmt: skip
    save_small(usual, "transforms.png", 1200)
    crops = []
    for name in TRANSFORMS:
        effect = build_transform({"type": name, "prob": 1.0}).draw(np.random.default_rng(5))
        crops.append(np.asarray(image if effect is None else effect.apply(image)))
    save_small(np.concatenate(crops, axis=1), "pixels.png", 1200)


def save_small(picture: Any, name: str, width: int) -> None:
    """Save a picture as wide as a page."""
    size = width, round(picture.shape[0] * width / picture.shape[1])
    small = Image.fromarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    small.quantize(160).save(HERE / name, optimize=True)


FIGURES = {"coordinates": coordinates, "readme": readme, "transforms": transforms}


def main() -> None:
    """Draw the figures that are named, or all."""
    for name in sys.argv[1:] or FIGURES:
        FIGURES[name]()


if __name__ == "__main__":
    main()

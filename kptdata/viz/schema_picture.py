"""A picture of a keypoint schema: its points, links and names on a plain ground."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.errors import FileError, MissingDependencyError
from kptdata.formats.base import atomic_write
from kptdata.viz._schema_layout import reference_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.schema import Schema

__all__ = ["draw_schema", "reference_layout", "save_schema_picture"]

_GROUND, _INK, _FAINT = "#23272e", "#f2f2f2", "#8a919c"
_NAMED = 40  # points; more names than this cannot be read beside one figure
_INCH = 100  # pixels
_LINE = 0.23  # inches from one name to the next
_LETTER = 0.092  # inches
_LIGHT = np.array([0.3, 0.59, 0.11])  # how bright red, green and blue are to the eye


def draw_schema(schema: Schema) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3), red, green, blue, of the points and links of `schema`.

    Up to 40 points are named in two columns beside the figure; more are numbered in it. The side
    that is the person's left is on the right, as seen from the front.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "all", "drawing a schema") from error
    page = _Page.of(schema)
    figure = Figure(figsize=page.inches, dpi=_INCH, facecolor=_GROUND)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, page.inches[0]), ylim=(page.inches[1], 0))
    axes.axis("off")
    _draw_title(axes, schema, page)
    _draw_skeleton(axes, schema, page)
    if page.named:
        _draw_names(axes, schema, page)
    else:
        _draw_numbers(axes, page)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def save_schema_picture(schema: Schema, path: str | Path) -> None:
    """Write the picture of `schema` as PNG. Raises `FileError` if it cannot be written."""
    from matplotlib.image import imsave

    if Path(path).suffix.lower() != ".png":
        raise FileError("is not the name of a PNG file", path=path, fix="let the name end in .png")
    png = io.BytesIO()
    imsave(png, draw_schema(schema), format="png", metadata={"Software": "kptdata"})
    atomic_write(path, [png.getvalue()])


@dataclass(frozen=True)
class _Page:
    """Measures of one picture, in inches from the top left corner."""

    xy: NDArray[np.float64]  # (K, 2) the points
    inches: tuple[float, float]
    named: bool

    @classmethod
    def of(cls, schema: Schema) -> _Page:
        at = reference_layout(schema)
        named = schema.num_keypoints <= _NAMED
        low, size = at.min(0, initial=1), np.ptp(at, 0) if len(at) else np.zeros(2)
        tall = _body_height(schema.num_keypoints, size)
        longest = max((len(name) for name in schema.names), default=0)
        margin = 0.9 + _LETTER * (longest + 4) if named else 0.6
        figure = np.maximum(size, 1e-9) * tall
        width = max(figure[0] + 2 * margin, 6.0)
        xy = (at - low) * tall + [(width - figure[0]) / 2, 1.1]
        return cls(xy, (width, figure[1] + 1.9), named)


def _body_height(count: int, size: NDArray[np.float64]) -> float:
    """Return inches per unit of the layout: room for the names, or for the numbers."""
    if count <= _NAMED:
        wanted = max(5.5, (count / 2 + 2) * _LINE)
        return float(min(wanted / max(size[1], 1e-9), 7.5 / max(size[0], 1e-9), 40.0))
    return 10.0 if count < 120 else 17.0


def _draw_title(axes: Any, schema: Schema, page: _Page) -> None:
    axes.text(0.3, 0.42, schema.name, color=_INK, size=17, weight="bold", va="center")
    about = f"{schema.num_keypoints} points, {len(schema.links)} links"
    if any("left" in name for name in schema.canonical_names):
        about += "; left is the subject's own left"
    axes.text(0.3, 0.72, about, color=_FAINT, size=10, va="center")
    if schema.title:
        bottom = page.inches[1] - 0.3
        axes.text(0.3, bottom, schema.title, color=_FAINT, size=10, va="center")


def _draw_skeleton(axes: Any, schema: Schema, page: _Page) -> None:
    small = not page.named
    for (start, end), link in zip(schema.link_indices, schema.links, strict=True):
        line = page.xy[[start, end]]
        width = 1.4 if small else 3.2
        # The pale line below keeps a dark colour visible on the dark ground.
        axes.plot(*line.T, color=_INK, linewidth=width + 1, alpha=0.25, zorder=1)
        axes.plot(*line.T, color=link.colour, linewidth=width, alpha=0.8, zorder=2)
    axes.scatter(
        *page.xy.T,
        s=16 if small else 130,
        c=[point.colour for point in schema.keypoints],
        edgecolors=_INK,
        linewidths=0.4 if small else 1.0,
        zorder=3,
    )


def _draw_names(axes: Any, schema: Schema, page: _Page) -> None:
    """Write each point's number in it, and its name in the column of its side, joined by a line."""
    for number, (px, py) in enumerate(page.xy):
        ink = _GROUND if schema.colours[number] @ _LIGHT > 110 else _INK
        axes.text(
            px, py + 0.005, str(number), color=ink, size=6.5, ha="center", va="center", zorder=4
        )
    right = _sides(page.xy)
    low, high = page.xy.min(0, initial=9), page.xy.max(0, initial=0)
    for is_right, x in ((False, low[0] - 0.45), (True, high[0] + 0.45)):
        # At one height the outer point comes first: its line is straight, the other's passes by.
        outward = page.xy[:, 0] * (-1 if is_right else 1)
        side_rows = np.flatnonzero(right == is_right)
        rows = sorted(side_rows, key=lambda row: (round(page.xy[row, 1], 3), outward[row]))
        heights = _apart(page.xy[rows, 1], 0.9, page.inches[1] - 0.65)
        for row, y in zip(rows, heights, strict=True):
            name = schema.names[row]
            label = f"{row}  {name}" if is_right else f"{name}  {row}"
            side = "left" if is_right else "right"
            axes.text(x, y, label, color=_INK, size=10.5, ha=side, va="center", zorder=4)
            point, near = page.xy[row], x + (-0.08 if is_right else 0.08)
            axes.plot([near, point[0]], [y, point[1]], color=_FAINT, linewidth=0.6, zorder=1)


def _sides(xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points (K,) are named on the right: those there, and half of the middle."""
    middle = (xy[:, 0].min(initial=9) + xy[:, 0].max(initial=0)) / 2
    right = xy[:, 0] > middle + 1e-3
    between = np.flatnonzero(np.abs(xy[:, 0] - middle) <= 1e-3)
    for row in between[np.argsort(xy[between, 1], kind="stable")]:
        decided = np.setdiff1d(np.arange(len(xy)), between[xy[between, 1] > xy[row, 1]])
        right[row] = right[decided].sum() * 2 < len(decided)
    return right


def _apart(heights: NDArray[np.float64], top: float, bottom: float) -> NDArray[np.float64]:
    """Return rising `heights` moved to lie a line apart, between `top` and `bottom`."""
    placed = heights.copy()
    for row in range(len(placed)):
        above = top if row == 0 else placed[row - 1] + _LINE
        placed[row] = max(placed[row], above)
    for row in reversed(range(len(placed))):
        below = bottom if row == len(placed) - 1 else placed[row + 1] - _LINE
        placed[row] = min(placed[row], below)
    return placed


def _draw_numbers(axes: Any, page: _Page) -> None:
    """Write the number of each point beside it, where it covers least."""
    taken = np.empty((0, 4))
    for row, (x, y) in enumerate(page.xy):
        half = np.array([0.031 * len(str(row)), 0.045])
        boxes = np.array([_box(x, y, dx, dy, half) for dx, dy in _AROUND])
        cost = [_covered(box, taken, page.xy) for box in boxes]
        best = boxes[int(np.argmin(cost))]
        taken = np.vstack([taken, best])
        centre = (best[:2] + best[2:]) / 2
        axes.text(*centre, str(row), color=_INK, size=7, ha="center", va="center", zorder=4)


_AROUND = tuple(
    (float(np.cos(turn)) * reach, float(np.sin(turn)) * reach)
    for reach in (1.0, 1.6, 2.2)
    for turn in np.arange(8) * np.pi / 4
)


def _box(x: float, y: float, dx: float, dy: float, half: NDArray[np.float64]) -> Any:
    centre = np.array([x + dx * (half[0] + 0.035), y + dy * (half[1] + 0.035)])
    return np.concatenate([centre - half, centre + half])


def _covered(
    box: NDArray[np.float64], taken: NDArray[np.float64], points: NDArray[np.float64]
) -> float:
    """Return how much a number's `box` (4,) would cover of other numbers and of points."""
    inside = np.minimum(box[2:], taken[:, 2:]) - np.maximum(box[:2], taken[:, :2])
    numbers = np.maximum(inside, 0).prod(-1).sum() * 400
    near = (np.abs(points - (box[:2] + box[2:]) / 2) < (box[2:] - box[:2]) / 2 + 0.02).all(-1)
    return float(numbers + near.sum())

"""The dark figures that targets are drawn on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.errors import MissingDependencyError

if TYPE_CHECKING:
    from kptdata.viz._draw import Picture

__all__ = ["DIM", "INK", "LINE", "dress", "heading", "new_figure", "rendered", "shades"]

GROUND, PANEL, INK, DIM, LINE = "#181b20", "#262a32", "#eceff4", "#96a0b0", "#3a404c"
_DPI = 100


def new_figure(inches: tuple[float, float]) -> Any:
    """Make an empty figure of this width and height.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "all", "drawing targets") from error
    figure = Figure(figsize=inches, dpi=_DPI, facecolor=GROUND)
    FigureCanvasAgg(figure)
    return figure


def rendered(figure: Any) -> Picture:
    """Return the figure as (H, W, 3) uint8 RGB."""
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3].copy()


def dress(axes: Any) -> None:
    """Give axes the dark ground and quiet ticks."""
    axes.set_facecolor(PANEL)
    axes.tick_params(colors=DIM, labelsize=9)
    axes.xaxis.label.set_color(DIM)
    axes.yaxis.label.set_color(DIM)
    for spine in axes.spines.values():
        spine.set_color(LINE)


def heading(figure: Any, title: str) -> None:
    """Write the first line of a figure."""
    height = figure.get_size_inches()[1]
    figure.text(0.02, 1 - 0.3 / height, title, color=INK, size=13, weight="bold", va="center")


def shades(count: int) -> list[Any]:
    """Return `count` colours that neighbours do not share."""
    from colorsys import hsv_to_rgb

    return [hsv_to_rgb((i * 0.381966) % 1.0, 0.45 + 0.15 * (i % 2), 1.0) for i in range(count)]

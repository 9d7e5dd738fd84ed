"""Heatmaps as pictures: the crop, one named panel per keypoint, and what decoding makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kptdata.errors import OptionError
from kptdata.viz._draw import (
    BLUE,
    DIM,
    GREEN,
    GROUND,
    INK,
    ORANGE,
    PANEL,
    WHITE,
    blank,
    cross,
    fit,
    outline,
    paste,
    plus,
    reticle,
    text,
    text_size,
)
from kptdata.viz._encoded import Encoded, encode_instance
from kptdata.viz.annotations import Style, choose_keypoints, draw_annotations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset
    from kptdata.schema import Schema
    from kptdata.viz._draw import Picture

__all__ = ["HeatmapPicture", "Panel", "draw_heatmaps", "has_heatmaps"]

_TOP = 430  # pixels: height of the pictures above the panels
_GAP, _MARGIN, _HEAD, _FOOT = 10, 16, 22, 36
_LEAST_WIDTH = 1180
# Most panels -> least and most of a panel's width, pixels.
_PANELS = ((8, 220, 300), (24, 160, 240), (70, 124, 160), (10_000, 108, 132))
# Where in its cell the point lies that a cell's number stands for.
_CELL_CENTRE = {"MegviiHeatmap": 0.5}


class Panel(NamedTuple):
    """Where a keypoint's heatmap is in the picture; positions are its pixels, NaN for none."""

    name: str
    left: int
    top: int
    width: int
    height: int
    peak: tuple[float, float]
    decoded: tuple[float, float]
    annotated: tuple[float, float]


@dataclass(frozen=True, eq=False)
class HeatmapPicture:
    """A picture (H, W, 3) uint8 RGB, where its panels are, and its larger parts on their own."""

    picture: Picture
    panels: tuple[Panel, ...]
    crop: Picture
    overlay: Picture


def has_heatmaps(codec: Any) -> bool:
    """Tell whether a codec's targets have heatmaps over a crop."""
    return hasattr(codec, "crop") and len(getattr(codec, "heatmap_size", ())) == 2


def draw_heatmaps(
    image: Picture,
    dataset: PoseDataset,
    row: int,
    codec: Any,
    *,
    outputs: tuple[Any, ...] | None = None,
    keypoints: tuple[str, ...] = (),
    marks: bool = True,
    title: str = "",
) -> HeatmapPicture:
    """Draw one instance as a heatmap codec sees it.

    Above: the image with the crop's frame, the crop with its points, all heatmaps over the crop.
    Below: per keypoint its heatmap over the faded crop, its highest cell, the decoded and the
    annotated point, and decoded minus annotated in pixels of the network input.

    Args:
        image: (H, W, 3) uint8 RGB that the coordinates are pixels of.
        dataset: holds the instance, with a box.
        row: which instance.
        codec: a codec with heatmaps.
        outputs: a model's outputs for this instance (without batch axis) in place of the target.
        keypoints: names or patterns of the keypoints to draw; empty draws all.
        marks: whether peaks and points are marked in the panels.
        title: first line of the picture.

    Raises:
        OptionError: the codec has no heatmaps.
        DatasetError: the instance has no box.
        UnknownNameError: `keypoints` names a point that the schema does not have.
    """
    if not has_heatmaps(codec):
        raise OptionError(
            f"codec: {type(codec).__name__} has no heatmaps; draw_targets shows its targets"
        )
    chosen = choose_keypoints(dataset.schema, keypoints)
    encoded = encode_instance(image, dataset, row, codec, outputs)
    maps = _maps(encoded, codec)
    parts = _draw_parts(image, dataset, row, encoded, maps, codec)
    top = _side_by_side(parts)
    plan = _Plan.of(len(maps) // dataset.schema.num_keypoints * int(chosen.sum()), top, encoded)
    page = blank(plan.width, plan.height)
    text(page, title or "heatmaps", (_MARGIN, 18), 15, INK, bold=True)
    text(page, _account(encoded, codec), (_MARGIN, 40), 12, DIM)
    paste(page, top, _MARGIN, plan.first_top)
    panels = _draw_panels(page, plan, encoded, maps, codec, dataset.schema, chosen, marks=marks)
    _draw_legend(page)
    return HeatmapPicture(page, panels, parts[1], parts[2])


def _maps(encoded: Encoded, codec: Any) -> NDArray[np.float64]:
    """Return the maps (M, H, W) to draw: the model's, or the target's."""
    width, height = codec.heatmap_size
    found = encoded.outputs[0] if encoded.predicted else encoded.target.heatmaps
    return np.asarray(found, dtype=np.float64).reshape(-1, height, width)


def _stride(codec: Any) -> NDArray[np.float64]:
    given = getattr(codec, "stride", None)
    if given is None:
        given = np.divide(codec.input_size, codec.heatmap_size)
    return np.asarray(given, dtype=np.float64)


def _cell_place(codec: Any, cell: Any) -> NDArray[np.float64]:
    """Take cells (..., 2) to pixels of the network input."""
    offset = _CELL_CENTRE.get(type(codec).__name__, 0.0)
    placed: NDArray[np.float64] = (np.asarray(cell) + offset) * _stride(codec)
    return placed


# ------------------------------------------------------------------------------------------ layout
@dataclass(frozen=True)
class _Plan:
    """Measures of a page, pixels; `scale` is panel pixels per pixel of the network input."""

    width: int
    height: int
    first_top: int
    panels_top: int
    columns: int
    panel: tuple[int, int]
    scale: float

    @classmethod
    def of(cls, count: int, top: Picture, encoded: Encoded) -> _Plan:
        height, width = encoded.picture.shape[:2]
        inner = max(top.shape[1], _LEAST_WIDTH)
        columns = _columns(count, inner)
        across = int((inner + _GAP) / columns - _GAP)
        scale = across / width
        panel = across, max(1, round(height * scale))
        rows = -(-count // columns)
        panels_top = 56 + top.shape[0] + 14
        bottom = panels_top + rows * (panel[1] + _HEAD + _FOOT) + 34
        return cls(inner + 2 * _MARGIN, bottom, 56, panels_top, columns, panel, scale)

    def corner(self, index: int) -> tuple[int, int]:
        """Return where panel number `index` has its top-left pixel."""
        column, row = index % self.columns, index // self.columns
        x = _MARGIN + column * (self.panel[0] + _GAP)
        return x, self.panels_top + row * (self.panel[1] + _HEAD + _FOOT) + _HEAD

    def place(self, xy: Any) -> NDArray[np.float64]:
        """Take points (..., 2) of the network input to a panel."""
        placed: NDArray[np.float64] = (np.asarray(xy) + 0.5) * self.scale - 0.5
        return placed


def _columns(count: int, width: int) -> int:
    """Choose how many panels stand side by side: legible ones, and few empty places."""
    least, most = next(sides for upto, *sides in _PANELS if count <= upto)
    fewest, highest = -(-(width + _GAP) // (most + _GAP)), (width + _GAP) // (least + _GAP)
    return min(
        range(fewest, max(fewest, highest) + 1), key=lambda c: -(-count // c) * c - count + 0.5 * c
    )


def _account(encoded: Encoded, codec: Any) -> str:
    error = np.linalg.norm(encoded.difference, axis=-1)
    known = np.isfinite(error)
    source = "predicted" if encoded.predicted else "target"
    size = "input {}x{}, maps {}x{}".format(*codec.input_size, *codec.heatmap_size)
    if not known.any():
        return f"{type(codec).__name__}, {size}, {source}; no point can be compared"
    mean = float(error[known].mean())
    return (
        f"{type(codec).__name__}, {size}, {source}; decoded minus annotated: mean {mean:.2f}, "
        f"most {error[known].max():.2f} px of the input (1 px there is {encoded.per_pixel:.2f} px "
        f"of the image)"
    )


# --------------------------------------------------------------------------------------- above all
def _draw_parts(
    image: Picture,
    dataset: PoseDataset,
    row: int,
    encoded: Encoded,
    maps: NDArray[np.float64],
    codec: Any,
) -> tuple[Picture, Picture, Picture]:
    """Draw the image with the crop's frame, the crop with points, and the crop under all maps."""
    one = dataset[row : row + 1]
    whole = draw_annotations(image, one, Style(sides=(480, 900)))
    scale = np.array(whole.shape[1::-1]) / image.shape[1::-1]
    whole, corners = _with_room(whole, (encoded.corners + 0.5) * scale - 0.5)
    outline(whole, corners, (20, 20, 20), 4)
    outline(whole, corners, ORANGE, 2)
    inside = one.replace(xy=encoded.xy[None], given_xy=None)
    crop = draw_annotations(encoded.picture, inside, Style(boxes=False, sides=(_TOP, _TOP)))
    over = _overlay(encoded, maps, codec, dataset.schema, crop.shape[1::-1])
    return whole, crop, over


def _with_room(
    picture: Picture, corners: NDArray[np.float64]
) -> tuple[Picture, NDArray[np.float64]]:
    """Widen a picture until a frame outside it is seen, up to 3/4 of its size on each side."""
    size = np.array(picture.shape[1::-1])
    before = np.clip(np.ceil(3 - corners.min(axis=0)), 0, size * 3 // 4).astype(int)
    after = np.clip(np.ceil(corners.max(axis=0) + 3 - size), 0, size * 3 // 4).astype(int)
    width, height = (before + size + after).tolist()
    page = blank(width, height, PANEL)
    paste(page, picture, *before.tolist())
    return page, corners + before


def _side_by_side(parts: tuple[Picture, Picture, Picture]) -> Picture:
    names = ("image, box and crop", "network input", "all heatmaps")
    gap = np.full((_TOP + 24, _GAP, 3), GROUND, np.uint8)
    columns = []
    for part, name in zip(map(_tall, parts), names, strict=True):
        column = blank(part.shape[1], _TOP + 24)
        paste(column, part, 0, 24)
        text(column, name, (0, 11), 12, DIM)
        columns += [column, gap]
    return np.concatenate(columns[:-1], axis=1)


def _tall(picture: Picture) -> Picture:
    """Bring a picture to the height of the top row; wide ones are reduced and centred."""
    import cv2

    height, width = picture.shape[:2]
    factor = min(_TOP / height, 1.7 * _TOP / width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    page = blank(size[0], _TOP, PANEL)
    paste(page, small, 0, (_TOP - size[1]) // 2)
    return page


def _overlay(
    encoded: Encoded,
    maps: NDArray[np.float64],
    codec: Any,
    schema: Schema,
    size: tuple[int, int],
) -> Picture:
    per = len(maps) // schema.num_keypoints
    scale = size[0] / encoded.picture.shape[1]
    glow = np.zeros((size[1], size[0], 3))
    for heat, colour in zip(maps[::per], schema.colours, strict=True):
        top = heat.max(initial=0.0)
        if top > 0:
            layer = _resized(np.maximum(heat, 0) / top, codec, scale, size)
            glow = np.maximum(glow, layer[..., None] * colour.astype(float))
    base, _ = fit(encoded.picture, max(size), max(size))
    grey = base.mean(axis=-1, keepdims=True) * 0.55
    cover = glow.max(axis=-1, keepdims=True) / 255
    return np.clip(grey * (1 - cover) + glow, 0, 255).round().astype(np.uint8)


def _resized(
    heat: NDArray[np.float64], codec: Any, scale: float, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Lay a map (H, W) over a picture of the network input, each cell where it belongs."""
    import cv2

    stride, start = _stride(codec), _cell_place(codec, (0, 0))
    shift = (start + 0.5) * scale - 0.5
    matrix = np.array([[stride[0] * scale, 0, shift[0]], [0, stride[1] * scale, shift[1]]])
    laid = cv2.warpAffine(
        heat, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(laid, dtype=np.float64)


# ------------------------------------------------------------------------------------------ panels
def _draw_panels(
    page: Picture,
    plan: _Plan,
    encoded: Encoded,
    maps: NDArray[np.float64],
    codec: Any,
    schema: Schema,
    chosen: NDArray[np.bool_],
    *,
    marks: bool,
) -> tuple[Panel, ...]:
    per = len(maps) // schema.num_keypoints
    kinds = ("", "x offset", "y offset") if per == 3 else ("",) * per
    panels: list[Panel] = []
    for k in np.flatnonzero(chosen):
        for part in range(per):
            corner = plan.corner(len(panels))
            heat = maps[k * per + part]
            _draw_ground(page, plan, corner, encoded, heat, codec, signed=part > 0)
            panel = _place_marks(plan, corner, encoded, heat, codec, int(k), schema.names[k])
            if marks:
                _draw_points(page, panel, peak=part == 0)
            _write_panel(page, panel, encoded, int(k), kinds[part], heat)
            panels.append(panel)
    return tuple(panels)


def _draw_ground(
    page: Picture,
    plan: _Plan,
    corner: tuple[int, int],
    encoded: Encoded,
    heat: NDArray[np.float64],
    codec: Any,
    *,
    signed: bool,
) -> None:
    import cv2

    base = cv2.resize(encoded.picture, plan.panel, interpolation=cv2.INTER_AREA)
    grey = base.mean(axis=-1, keepdims=True) * 0.45
    top = np.nanmax(np.abs(heat), initial=0.0)
    if top > 0 and np.isfinite(top):
        laid = _resized(np.nan_to_num(heat) / top, codec, plan.scale, plan.panel)
        cover = np.abs(laid)[..., None] if signed else np.clip(laid, 0, 1)[..., None]
        grey = grey * (1 - cover) + _tone(laid, signed=signed) * cover
    paste(
        page,
        np.clip(grey, 0, 255).round().astype(np.uint8) + np.zeros((1, 1, 3), np.uint8),
        *corner,
    )


_WARM = np.array([(0, 0, 0), (120, 28, 109), (237, 105, 37), (252, 255, 164)], float)


def _tone(values: NDArray[np.float64], *, signed: bool) -> NDArray[np.float64]:
    """Colour values: dark to bright over 0..1; or blue below and red above 0."""
    if signed:
        red, blue = np.array([255.0, 96, 64]), np.array([72.0, 140, 255])
        return np.where(values[..., None] > 0, red, blue)
    at = np.clip(values, 0, 1) * (len(_WARM) - 1)
    steps = np.arange(len(_WARM))
    return np.stack([np.interp(at, steps, _WARM[:, c]) for c in range(3)], axis=-1)


def _place_marks(
    plan: _Plan,
    corner: tuple[int, int],
    encoded: Encoded,
    heat: NDArray[np.float64],
    codec: Any,
    k: int,
    name: str,
) -> Panel:
    peak = np.full(2, np.nan)
    if np.nanmax(heat, initial=0.0) > 0:
        row, column = np.unravel_index(np.nanargmax(heat), heat.shape)
        peak = _cell_place(codec, (column, row))

    def at(xy: NDArray[np.float64]) -> tuple[float, float]:
        x, y = plan.place(xy) + corner
        return float(x), float(y)

    marks = at(peak), at(encoded.decoded[k]), at(encoded.xy[k])
    return Panel(name, *corner, *plan.panel, *marks)


def _draw_points(page: Picture, panel: Panel, *, peak: bool) -> None:
    rows = slice(panel.top, panel.top + panel.height)
    columns = slice(panel.left, panel.left + panel.width)
    part = page[rows, columns]  # marks stay within the panel
    here = np.array([panel.left, panel.top])

    def seen(at: tuple[float, float]) -> bool:
        return bool(np.isfinite(at).all())

    if seen(panel.annotated):
        cross(part, np.array(panel.annotated) - here, 4, GREEN)
    if seen(panel.decoded):
        reticle(part, np.array(panel.decoded) - here, 13, WHITE)
    if peak and seen(panel.peak):
        x, y = np.array(panel.peak) - here
        plus(part, (x, y), 3.5, BLUE)
        part[round(y), round(x)] = BLUE  # sharp, whatever the fraction of a pixel


def _write_panel(
    page: Picture, panel: Panel, encoded: Encoded, k: int, kind: str, heat: NDArray[np.float64]
) -> None:
    name = f"{panel.name} {kind}".strip()
    size = 11.5
    while size > 8 and text_size(name, size)[0] > panel.width:
        size -= 0.5
    text(page, name, (panel.left, panel.top - 9), size, INK)
    y = panel.top + panel.height + 10
    dx, dy = encoded.difference[k]
    if np.isfinite(dx):
        # Adding 0 turns -0.00 into +0.00.
        moved = f"\u0394 {round(dx, 2) + 0:+.2f} {round(dy, 2) + 0:+.2f}".replace("-", "\u2212")
        text(page, moved, (panel.left, y), 10.5, INK)
        score = f"score {encoded.score[k]:.2f}" if encoded.predicted else f"peak {heat.max():.2f}"
        if not kind:
            text(page, score, (panel.left, y + 14), 10.5, DIM)
        return
    labelled = bool(np.isfinite(encoded.xy[k]).all())
    why = "not decodable" if labelled else "not labelled"
    text(page, why, (panel.left, y), 10.5, ORANGE if labelled else DIM)
    if encoded.predicted:
        text(page, f"score {encoded.score[k]:.2f}", (panel.left, y + 14), 10.5, DIM)


def _draw_legend(page: Picture) -> None:
    y, x = page.shape[0] - 18, _MARGIN + 8.0
    for name in ("highest cell", "decoded", "annotated"):
        if name == "highest cell":
            plus(page, (x, y), 4, BLUE)
        elif name == "decoded":
            reticle(page, (x, y), 8, WHITE)
        else:
            cross(page, (x, y), 4.5, GREEN)
        text(page, name, (x + 13, y), 11.5, DIM)
        x += text_size(name, 11.5)[0] + 40
    note = "\u0394: decoded minus annotated, pixels of the network input, x then y"
    text(page, note, (page.shape[1] - _MARGIN, y), 11.5, DIM, anchor="rm")

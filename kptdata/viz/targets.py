"""Targets of any codec as pictures: rows of bins, fractions, weights, maps, volumes, poses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.viz._depth_targets import draw_lifting, draw_people, draw_voxels
from kptdata.viz._draw import blank, paste
from kptdata.viz._encoded import Encoded, encode_image, encode_instance
from kptdata.viz._target_figure import DIM, INK, dress, heading, new_figure, rendered, shades
from kptdata.viz.annotations import choose_keypoints
from kptdata.viz.heatmaps import draw_heatmaps, has_heatmaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset
    from kptdata.schema import Schema
    from kptdata.viz._draw import Picture

__all__ = ["draw_bundle", "draw_targets"]

_MANY = 24  # maps of a bundle that are drawn


def draw_targets(
    image: Picture,
    dataset: PoseDataset,
    row: int,
    codec: Any,
    *,
    keypoints: tuple[str, ...] = (),
    title: str = "",
) -> Picture:
    """Draw what a codec makes of one instance, (H, W, 3) uint8 RGB.

    Heatmaps are drawn as by `draw_heatmaps`; rows of bins along the sides of the crop that they
    run over; fractions on the crop with their values; boxes of voxels from the front and from the
    side; lifted poses likewise; fractions of the image for all its people at once; anything else
    field by field. Of a list of codecs each is drawn, one below the other.

    What a codec encodes besides points is read from the dataset: 3D points from `xyz`, the camera
    from `cameras`, `bbox` and `area`, single values such as ``hand_type`` from `numbers`. Codecs
    of sequences get the instance as a sequence of one frame.

    Args:
        image: (H, W, 3) uint8 RGB that the coordinates are pixels of.
        dataset: holds the instance, with a box where the codec crops.
        row: which instance.
        codec: any codec.
        keypoints: names or patterns of the keypoints to draw; empty draws all.
        title: first line of the picture.

    Raises:
        DatasetError: the instance has no box, or the dataset lacks a column that the codec needs.
        ArrayError: the codec is for another number of keypoints.
        UnknownNameError: `keypoints` names a point that the schema does not have.
    """
    chosen = choose_keypoints(dataset.schema, keypoints)
    if hasattr(codec, "codecs"):
        each = (
            draw_targets(image, dataset, row, one, keypoints=keypoints, title=title)
            for one in codec.codecs
        )
        return _stacked(list(each))
    if has_heatmaps(codec):
        drawn = draw_heatmaps(image, dataset, row, codec, keypoints=keypoints, title=title)
        return drawn.picture
    rows, line = np.flatnonzero(chosen), f"{title}  {type(codec).__name__}".strip()
    if hasattr(codec, "crop"):
        return _draw_crop(encode_instance(image, dataset, row, codec), codec, dataset, rows, line)
    target, people = encode_image(image, dataset, row, codec)
    fields = getattr(target, "_fields", ())
    if "lifting_target_label" in fields:
        return draw_lifting(image, target, people, rows, line)
    if {"keypoints", "bbox", "area"} <= set(fields):
        return draw_people(image, target, people, rows, line)
    return draw_bundle(target, title=line)


def _draw_crop(
    encoded: Encoded, codec: Any, dataset: PoseDataset, rows: NDArray[np.intp], line: str
) -> Picture:
    fields = getattr(encoded.target, "_fields", ())
    if "keypoint_x_labels" in fields:
        return _draw_bins(encoded, dataset.schema, rows, line)
    if "keypoint_labels" in fields:
        return _draw_fractions(encoded, dataset.schema, rows, line)
    if encoded.depth is not None and "heatmaps" in fields:
        return draw_voxels(encoded, codec, dataset.schema, rows, line)
    return draw_bundle(encoded.target, title=line)


def _stacked(pictures: list[Picture]) -> Picture:
    page = blank(max(p.shape[1] for p in pictures), sum(p.shape[0] for p in pictures))
    top = 0
    for picture in pictures:
        paste(page, picture, 0, top)
        top += picture.shape[0]
    return page


# ---------------------------------------------------------------------------------------- SimCC
def _draw_bins(encoded: Encoded, schema: Schema, rows: NDArray[np.intp], title: str) -> Picture:
    """Draw x bins below the crop and y bins beside it, one curve per keypoint."""
    height, width = encoded.picture.shape[:2]
    tall = 6.4
    wide = tall * width / height
    figure = new_figure((wide + 5.0, tall + 2.9))
    size = figure.get_size_inches()
    crop = figure.add_axes((0.7 / size[0], 2.0 / size[1], wide / size[0], tall / size[1]))
    below = figure.add_axes((0.7 / size[0], 0.65 / size[1], wide / size[0], 1.25 / size[1]))
    beside = figure.add_axes(
        ((wide + 0.8) / size[0], 2.0 / size[1], 1.25 / size[0], tall / size[1])
    )
    crop.imshow(encoded.picture, extent=(-0.5, width - 0.5, height - 0.5, -0.5), alpha=0.75)
    for axes in (crop, below, beside):
        dress(axes)
    x_rows = np.asarray(encoded.target.keypoint_x_labels).reshape(schema.num_keypoints, -1)
    y_rows = np.asarray(encoded.target.keypoint_y_labels).reshape(schema.num_keypoints, -1)
    x_at = np.arange(x_rows.shape[1]) * width / x_rows.shape[1]
    y_at = np.arange(y_rows.shape[1]) * height / y_rows.shape[1]
    colours = shades(len(rows))
    for shade, k in zip(colours, rows, strict=True):
        if not np.isfinite(encoded.xy[k]).all():
            continue
        below.plot(x_at, x_rows[k], color=shade, linewidth=1.2)
        beside.plot(y_rows[k], y_at, color=shade, linewidth=1.2)
        x, y = encoded.decoded[k]
        crop.plot([x, x], [y, height], color=shade, linewidth=0.5, alpha=0.7)
        crop.plot([x, width], [y, y], color=shade, linewidth=0.5, alpha=0.7)
        crop.plot(*encoded.xy[k], "o", color=shade, markersize=6, markeredgecolor="white")
    crop.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    below.set(xlim=(-0.5, width - 0.5), xlabel="keypoint_x_labels, at the input's x, px")
    beside.set(ylim=(height - 0.5, -0.5), xlabel="keypoint_y_labels, at y")
    beside.yaxis.tick_right()
    _names(figure, schema, rows, colours, encoded, left=(wide + 2.75) / size[0])
    heading(figure, title)
    return rendered(figure)


# ---------------------------------------------------------------------------------- regression
def _draw_fractions(
    encoded: Encoded, schema: Schema, rows: NDArray[np.intp], title: str
) -> Picture:
    """Draw fractions of the input on the crop, with their values beside it."""
    height, width = encoded.picture.shape[:2]
    tall = max(5.0, 0.22 * len(rows) + 1)
    wide = min(tall, 6.5) * width / height
    figure = new_figure((wide + 5.6, tall + 1.5))
    size = figure.get_size_inches()
    axes = figure.add_axes((0.75 / size[0], 0.65 / size[1], wide / size[0], tall / size[1]))
    right, bottom = 0.5 / width, 0.5 / height
    extent = (-right, 1 - right, 1 - bottom, -bottom)
    axes.imshow(encoded.picture, extent=extent, alpha=0.8, aspect="auto")
    dress(axes)
    labels = np.asarray(encoded.target.keypoint_labels, dtype=np.float64)
    labels = labels.reshape(schema.num_keypoints, -1)[:, :2]
    colours = shades(len(rows))
    for shade, k in zip(colours, rows, strict=True):
        if np.isfinite(encoded.xy[k]).all():
            axes.plot(*labels[k], "o", color=shade, markersize=7, markeredgecolor="white")
    axes.set(xlabel="keypoint_labels x, fraction of the input's width", ylabel="y, of its height")
    lines = [f"{x:.4f}  {y:.4f}" for x, y in labels[rows]]
    left = (wide + 1.1) / size[0]
    _names(figure, schema, rows, colours, encoded, left=left, values=lines)
    heading(figure, title)
    return rendered(figure)


# ------------------------------------------------------------------------------- any other bundle
def draw_bundle(target: Any, *, title: str = "") -> Picture:
    """Draw every field of a target bundle without batch axes, (H, W, 3) uint8 RGB.

    Maps are shown side by side, tables of numbers as tiles, single numbers as bars. At most 24
    maps of a field are shown, evenly spread; the heading says of how many.
    """
    fields = target._asdict() if hasattr(target, "_asdict") else dict(enumerate(target))
    arrays = {str(name): np.atleast_1d(np.asarray(value)) for name, value in fields.items()}
    figure = new_figure((12.0, 1.0 + 2.4 * len(arrays)))
    height = figure.get_size_inches()[1]
    for i, (name, array) in enumerate(arrays.items()):
        top = 1 - (0.75 + 2.4 * i) / height
        _draw_field(figure, name, array, (top - 2.1 / height, top - 0.15 / height))
    heading(figure, title or type(target).__name__)
    return rendered(figure)


def _draw_field(figure: Any, name: str, array: NDArray[Any], span: tuple[float, float]) -> None:
    shape = "x".join(map(str, array.shape))
    maps = array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else None
    is_map = maps is not None and min(array.shape[-2:]) > 8
    note = f"{name} ({shape})"
    if is_map and maps is not None and len(maps) > _MANY:
        note += f", {_MANY} of {len(maps)} maps"
    figure.text(0.04, span[1] + 0.004, note, color=INK, size=11, va="bottom")
    low, high = span
    if is_map and maps is not None:
        shown = maps[np.unique(np.linspace(0, len(maps) - 1, _MANY).round().astype(int))]
        for i, one in enumerate(shown):
            width = 0.92 / _MANY * 2
            x, y = 0.04 + (i % 12) * width, low + (1 - i // 12) * (high - low) / 2
            axes = figure.add_axes((x, y, width * 0.94, (high - low) / 2 * 0.94))
            axes.imshow(one, cmap="inferno")
            axes.set(xticks=[], yticks=[])
        return
    axes = figure.add_axes((0.06, low, 0.9, high - low))
    dress(axes)
    flat = array.reshape(-1) if array.ndim == 1 or array.size <= 64 else None
    if flat is not None:
        axes.bar(np.arange(len(flat)), flat, color="#50b4ff")
    else:
        tiles = array.reshape(-1, array.shape[-1]).astype(float)
        axes.imshow(
            tiles.T if tiles.shape[0] > tiles.shape[1] else tiles, aspect="auto", cmap="viridis"
        )


def _names(
    figure: Any,
    schema: Schema,
    rows: NDArray[np.intp],
    colours: list[Any],
    encoded: Encoded,
    *,
    left: float,
    values: list[str] | None = None,
) -> None:
    """Write the keypoints' names in their colours, with values if there are any."""
    height = figure.get_size_inches()[1]
    step = min(0.24, (height - 1.2) / max(len(rows), 1))
    for i, (shade, k) in enumerate(zip(colours, rows, strict=True)):
        known = bool(np.isfinite(encoded.xy[k]).all())
        y = 1 - (0.75 + i * step) / height
        size = float(np.clip(step * 46, 4, 10))
        name = schema.names[k] + ("" if known else ", not labelled")
        figure.text(left, y, name, color=shade if known else DIM, size=size, va="center")
        if values is not None and known:
            figure.text(0.985, y, values[i], color=INK, size=size, va="center", ha="right",
                        family="monospace")  # fmt: skip

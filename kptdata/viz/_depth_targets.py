"""Targets with depth, and of whole images: voxels, lifted poses, everybody's fractions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.viz._target_figure import DIM, INK, LINE, dress, heading, new_figure, rendered, shades

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.schema import Schema
    from kptdata.viz._draw import Picture
    from kptdata.viz._encoded import Encoded
    from kptdata.viz._fields import People

__all__ = ["draw_lifting", "draw_people", "draw_voxels"]

_PANEL_INCHES = 3.4


# --------------------------------------------------------------------------------- lifted poses
def draw_lifting(
    image: Picture, target: Any, people: People, rows: NDArray[np.intp], title: str
) -> Picture:
    """Draw the network's 2D input, and the 3D label from the front and from the side.

    Args:
        image: (H, W, 3) RGB.
        target: a lifting codec's bundle of one frame.
        people: whose it is.
        rows: the keypoints to draw.
        title: first line.
    """
    schema, row = people.dataset.schema, people.rows[0]
    shown = np.isin(np.arange(schema.num_keypoints), rows)[:, None]
    flat = np.where(shown & people.dataset.labelled[row][:, None], _inputs(target, schema), np.nan)
    solid = np.where(shown, _labels(target, people), np.nan)
    figure = new_figure((4 * _PANEL_INCHES + 1.2, _PANEL_INCHES + 1.5))
    photo, entry, front, side = _panels(figure, 4)
    photo.imshow(image, alpha=0.85)
    photo.set(xticks=[], yticks=[], xlabel="image and annotated points")
    _skeleton(photo, np.where(shown, people.dataset.xy[row], np.nan), schema)
    _skeleton(entry, flat, schema)
    _skeleton(front, solid[:, :2], schema)
    _skeleton(side, solid[:, [2, 1]], schema)
    entry.set(xlabel="keypoint_labels: x and y")
    front.set(xlabel="lifting_target_label: x and y")
    side.set(xlabel="lifting_target_label: depth and y")
    for axes in (entry, front, side):
        axes.margins(0.12)
        axes.set_aspect("equal", adjustable="datalim")
        axes.invert_yaxis()
        axes.axhline(0, color=LINE, linewidth=0.8, zorder=0)
        axes.axvline(0, color=LINE, linewidth=0.8, zorder=0)
    heading(figure, title)
    return rendered(figure)


def _inputs(target: Any, schema: Schema) -> NDArray[np.float64]:
    """Return x and y of the first frame, (K, 2), whether they are laid out as channels or not."""
    values = np.asarray(target.keypoint_labels, dtype=np.float64)
    if values.ndim == 2:  # (K D, T)
        values = values.T.reshape(values.shape[1], schema.num_keypoints, -1)
    return values[0, :, :2]


def _labels(target: Any, people: People) -> NDArray[np.float64]:
    """Return the label of the first frame, (K, 3), NaN where it weighs nothing or is left out."""
    label = np.asarray(target.lifting_target_label, dtype=np.float64)[0]
    known = np.asarray(target.lifting_target_weight)[0] > 0
    label = np.where(known[:, None], label, np.nan)
    if len(label) < people.dataset.schema.num_keypoints:
        label = np.insert(label, people.codec.roots[0], np.nan, axis=0)
    return label


# --------------------------------------------------------------------------------------- voxels
def draw_voxels(
    encoded: Encoded, codec: Any, schema: Schema, rows: NDArray[np.intp], title: str
) -> Picture:
    """Draw boxes of voxels from the front and from the side, the highest of all keypoints' values.

    Args:
        encoded: one instance's pair of hands.
        codec: its codec.
        schema: names and colours of the keypoints.
        rows: the keypoints to draw.
        title: first line.
    """
    width, height, deep = codec.heatmap_size
    of = np.arange(schema.num_keypoints)
    of = of if codec.joint_indices is None else of[list(codec.joint_indices)]
    boxes = np.asarray(encoded.target.heatmaps).reshape(len(of), deep, height, width)
    boxes = boxes[np.isin(of, rows)]
    xy = np.where(np.isin(np.arange(schema.num_keypoints), rows)[:, None], encoded.xy, np.nan)
    figure = new_figure((3 * _PANEL_INCHES + 1.0, _PANEL_INCHES + 2.0))
    crop, front, side = _panels(figure, 3, bottom=1.15)
    crop.imshow(encoded.picture, alpha=0.85)
    _skeleton(crop, xy, schema)
    crop.set(xticks=[], yticks=[], xlabel="crop and annotated points")
    front.imshow(boxes.max(axis=(0, 1), initial=0), cmap="inferno", aspect="auto")
    side.imshow(boxes.max(axis=(0, 3), initial=0).T, cmap="inferno", aspect="auto")
    front.set(xlabel="heatmaps: x and y, voxels")
    side.set(xlabel="heatmaps: depth and y, voxels")
    heading(figure, title)
    tall = figure.get_size_inches()[1]
    for i, line in enumerate(_hand_lines(encoded.target, codec)):
        figure.text(0.025, (0.52 - 0.24 * i) / tall, line, color=INK, size=10, va="center")
    return rendered(figure)


def _hand_lines(target: Any, codec: Any) -> tuple[str, str]:
    depth = np.asarray(target.root_depth).item()
    right, left = np.asarray(target.type).reshape(-1)
    sure = np.asarray(target.root_depth_weight).item(), np.asarray(target.type_weight).item()
    return (
        f"root_depth {depth:.1f} of {codec.heatmap_size_root} cells, weight {sure[0]:g}",
        f"type: right {right:g}, left {left:g}, weight {sure[1]:g}",
    )


# ------------------------------------------------------------------------------------ whole images
def draw_people(
    image: Picture, target: Any, people: People, rows: NDArray[np.intp], title: str
) -> Picture:
    """Draw the boxes and keypoints of everybody in an image, in fractions of it.

    Args:
        image: (H, W, 3) RGB.
        target: the bundle of N people.
        people: whose it is.
        rows: the keypoints to draw.
        title: first line.
    """
    schema = people.dataset.schema
    height, width = image.shape[:2]
    tall = 5.2
    wide = float(np.clip(tall * width / height, 2.5, 10))
    figure = new_figure((wide + 4.6, tall + 1.5))
    size = figure.get_size_inches()
    axes = figure.add_axes((0.75 / size[0], 0.75 / size[1], wide / size[0], tall / size[1]))
    dress(axes)
    axes.imshow(image, extent=(0, 1, 1, 0), alpha=0.75, aspect="auto")
    axes.set(xlabel="fraction of the image's width", ylabel="fraction of its height")
    labels = np.asarray(target.keypoints, dtype=np.float64)
    shown = (np.asarray(target.keypoint_weights) > 0) & np.isin(np.arange(labels.shape[1]), rows)
    boxes, areas = np.asarray(target.bbox), np.asarray(target.area)
    left, step = (wide + 1.0) / size[0], min(0.75, (tall - 0.2) / len(boxes))
    for i, (colour, box) in enumerate(zip(shades(len(boxes)), boxes, strict=True)):
        x, y, w, h = box.tolist()
        corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h), (-w, -h)]) / 2 + (x, y)
        axes.plot(*corners.T, color=colour, linewidth=1.6)
        axes.plot(x, y, "+", color=colour, markersize=11, markeredgewidth=2)
        _skeleton(axes, np.where(shown[i][:, None], labels[i], np.nan), schema)
        top = 1 - (0.85 + i * step) / size[1]
        name = f"instance {people.dataset.ids[people.rows[i]]}, area {areas[i]:.4f}"
        figure.text(left, top, name, color=colour, size=10, va="center")
        where = f"bbox {x:.3f} {y:.3f} {w:.3f} {h:.3f}"
        figure.text(left, top - 0.22 / size[1], where, color=DIM, size=10, va="center")
    axes.set(xlim=(0, 1), ylim=(1, 0))
    heading(figure, title)
    return rendered(figure)


# ----------------------------------------------------------------------------------------- shared
def _panels(figure: Any, count: int, *, bottom: float = 0.75) -> list[Any]:
    """Add `count` panels side by side, the same size."""
    wide, tall = figure.get_size_inches()
    step = (wide - 0.6) / count
    spans = [(0.55 + i * step, bottom, step - 0.5, tall - bottom - 0.7) for i in range(count)]
    panels = [figure.add_axes((x / wide, y / tall, w / wide, h / tall)) for x, y, w, h in spans]
    for axes in panels:
        dress(axes)
    return panels


def _skeleton(axes: Any, points: NDArray[np.float64], schema: Schema) -> None:
    """Draw links and points (K, 2); NaN leaves a point and its links out."""
    for (start, end), colour in zip(schema.link_indices, schema.link_colours, strict=True):
        ends = points[[start, end]]
        if np.isfinite(ends).all():
            axes.plot(*ends.T, color=colour / 255, linewidth=2)
    seen = np.isfinite(points).all(axis=1)
    axes.scatter(*points[seen].T, s=18, c=schema.colours[seen] / 255, edgecolors="white",
                 linewidths=0.6, zorder=3)  # fmt: skip

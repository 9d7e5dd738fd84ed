"""Draw the targets of every codec: ``python docs/figures/make_codec_figures.py [CODEC ...]``.

The files in ``codecs/`` beside this script are its output. The people are the project's own: a
drawn scene for codecs of points, one drawn body and two hands with exact depth for the others.
"""

# ruff: noqa: INP001 - a script, no package

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

import kptdata as kd
from kptdata._synth_body import NODES, _hand
from kptdata._synth_layout import as_dataset, record
from kptdata._synth_paint import Canvas, background
from kptdata._synth_person import _CAMERA_DISTANCE, draw_figure, paint_figure
from kptdata.codecs import build
from kptdata.synth import draw_scene
from kptdata.viz import draw_targets

OUT = Path(__file__).parent / "codecs"
WIDTH, NARROW = 700, 560  # pixels: most figures, and that of several codecs
BODY = 1.7  # metres: the height of the drawn body
BODY_SEED = 5
FEW = ("nose", "left_shoulder", "right_wrist", "left_knee")


# ---------------------------------------------------------------------------------------- samples
def scene() -> tuple[Any, Any]:
    """Return a drawn scene's picture and its dataset."""
    drawn = draw_scene(21, 14)
    return smooth(drawn.image), as_dataset(record(drawn, 0), 1, (256, 256), "coco")


def crowd() -> tuple[Any, Any]:
    """Return a drawn scene of several people and its dataset."""
    drawn = draw_scene(21, 6, (320, 256))
    return smooth(drawn.image), as_dataset(record(drawn, 0), 1, (320, 256), "coco")


def smooth(image: Any) -> Any:
    """Take the grain off a picture, for smaller files."""
    return cv2.bilateralFilter(image, 9, 40, 7)


def body() -> tuple[Any, Any]:
    """Return the picture of one body and its dataset with 3D points and the camera."""
    rng, side, tall = np.random.default_rng(BODY_SEED), 256, 215.0
    figure = draw_figure(rng)
    middle = (figure.extent[2:] + figure.extent[:2]) / 2
    placed = figure.moved(tall, np.full(2, side / 2) - tall * middle)
    light = np.array([-0.4, -0.7, 0.6], np.float32)
    canvas = Canvas(background(rng, (side, side)), np.zeros((side, side), np.int32), light)
    paint_figure(canvas, placed, 0)
    schema = kd.load_schema("h36m")
    centre = np.full(2, side / 2) - tall * middle
    points = np.array([at_node(placed.xyz, c) for c in schema.canonical_names])
    distance = _CAMERA_DISTANCE - points[:, 2]  # body heights
    focal = tall * _CAMERA_DISTANCE
    xyz = np.column_stack([(points[:, :2] - centre) * distance[:, None] / focal, distance]) * BODY
    matrix = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    cameras = kd.CameraTable(
        ["drawn"], matrix[None], np.eye(3)[None], np.zeros((1, 3)), np.zeros((1, 5))
    )
    images = kd.ImageTable.of(["body"], width=[side], height=[side], camera=[0])
    dataset = kd.PoseDataset(
        schema=schema, images=images, image=np.zeros(1, np.intp), xy=points[None, :, :2],
        visibility=np.full((1, len(points)), 2, np.uint8), xyz=xyz[None], cameras=cameras,
        space=kd.Space(unit="m"), bbox=np.array([[20.0, 10, 216, 236]]),
    )  # fmt: skip
    return smooth(canvas.image.clip(0, 255).round().astype(np.uint8)), dataset


BETWEEN = {  # points that the drawn body does not name
    "spine": ("pelvis", "thorax"), "neck_base": ("thorax", "upper_neck"),
    "neck": ("thorax", "upper_neck"), "head": ("upper_neck", "head_top"),
}  # fmt: skip


def at_node(nodes: Any, name: str) -> Any:
    """Return the node called `name`, or the middle of the two that it lies between."""
    return np.mean([nodes[NODES[n]] for n in BETWEEN.get(name, (name,))], axis=0)


def hands() -> tuple[Any, Any]:
    """Return the picture of two hands and its dataset with depth, its hands' types and distance."""
    schema, side, zoom = kd.load_schema("interhand3d"), 256, 1050.0
    shape = {"hand_root": np.zeros(3)} | _hand(14.0, 24.0)
    xyz = np.zeros((schema.num_keypoints, 3))  # body heights, right, down and away
    for k, name in enumerate(schema.canonical_names):
        hand, point = name.split("_", 1)
        x, y, z = cv2.Rodrigues(np.deg2rad([0.0, -28.0, 14.0]))[0] @ shape[point]
        xyz[k] = (-0.052 - z, y, x) if hand == "right" else (0.046 + z, y - 0.012, x + 0.03)
    xy = xyz[:, :2] * zoom + (side / 2, 0.74 * side)
    image = np.full((side, side, 3), (52, 60, 72), np.uint8)
    for start, end in schema.link_indices:
        ends = [tuple(int(v) for v in xy[i].round()) for i in (start, end)]
        cv2.line(image, *ends, (176, 138, 118), 13, cv2.LINE_AA)
    wrists = [schema.index(f"{hand}_wrist") for hand in ("right", "left")]
    away = np.diff(xyz[wrists, 2]) * BODY * 1000
    dataset = kd.PoseDataset(
        schema=schema, images=kd.ImageTable.of(["hands"], width=[side], height=[side]),
        image=np.zeros(1, np.intp), xy=xy[None], xyz=(xyz * BODY)[None],
        visibility=np.full((1, len(xy)), 2, np.uint8), space=kd.Space(unit="m"),
        bbox=np.array([[26.0, 26, side - 52, side - 52]]),
        numbers={"rel_root_depth": away, "rel_root_valid": np.ones(1),
                 "hand_type": np.ones((1, 2)), "hand_type_valid": np.ones(1)},
    )  # fmt: skip
    return image, dataset


# ---------------------------------------------------------------------------------------- figures
MAPS = {"input_size": (192, 256), "heatmap_size": (48, 64)}
Sample = Callable[[], tuple[Any, Any]]
CODECS: dict[str, tuple[Sample, dict[str, Any], tuple[str, ...]]] = {
    "EDPoseLabel": (crowd, {}, ()),
    "Hand3DHeatmap": (hands, {}, ()),
    "ImagePoseLifting": (body, {"num_keypoints": 17}, ()),
    "IntegralRegressionLabel": (scene, MAPS | {"sigma": 2.0}, FEW),
    "MSRAHeatmap": (scene, MAPS | {"sigma": 2.0}, FEW),
    "MegviiHeatmap": (scene, MAPS | {"kernel_size": 11}, FEW),
    "MotionBERTLabel": (body, {"num_keypoints": 17, "mode": "train"}, ()),
    "RegressionLabel": (scene, {"input_size": (192, 256)}, ()),
    "SimCCLabel": (scene, {"input_size": (192, 256)}, FEW),
    "UDPHeatmap": (scene, MAPS | {"sigma": 2.0}, FEW),
    "VideoPoseLifting": (body, {"num_keypoints": 17}, ()),
}


def picture(name: str) -> Any:
    """Draw one codec's targets, (H, W, 3) uint8 RGB."""
    if name == "CodecList":
        image, people = scene()
        parts = (
            build("MSRAHeatmap", **MAPS, sigma=2.0),
            build("RegressionLabel", input_size=(192, 256)),
        )
        return draw_targets(image, people, 0, build(name, codecs=parts), keypoints=FEW)
    sample, params, keypoints = CODECS[name]
    image, people = sample()
    return draw_targets(image, people, 0, build(name, **params), keypoints=keypoints)


def save(name: str) -> None:
    """Write one codec's figure, small enough for a page."""
    drawn = picture(name)
    scale = (NARROW if name == "CodecList" else WIDTH) / drawn.shape[1]
    size = round(drawn.shape[1] * scale), round(drawn.shape[0] * scale)
    reduced = Image.fromarray(drawn).resize(size, Image.Resampling.LANCZOS)
    reduced.quantize(palette=palette(reduced), dither=Image.Dither.NONE).save(
        OUT / f"{name}.png", optimize=True
    )


def palette(image: Any) -> Any:
    """Choose 104 colours: most by how much of the image they fill, others for its small marks."""
    chosen: list[int] = []
    for method, count in ((Image.Quantize.MEDIANCUT, 64), (Image.Quantize.MAXCOVERAGE, 40)):
        chosen += image.quantize(count, method).getpalette()[: 3 * count]
    made = Image.new("P", (1, 1))
    made.putpalette(chosen)
    return made


def main() -> None:
    """Draw the figures that are named, or all."""
    OUT.mkdir(exist_ok=True)
    for name in sys.argv[1:] or sorted([*CODECS, "CodecList"]):
        save(name)


if __name__ == "__main__":
    main()

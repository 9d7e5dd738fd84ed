"""Freeze 30 cases of MMPose 1.3.2's transforms: recorded draws in, arrays out.

Run in the environment of the peers, from the root of the repository::

    .venv-peers/bin/python tests/golden/make_transforms.py

It writes ``transforms/index.json`` (the draws) and ``transforms/arrays.npz`` (what goes in, what
comes out). Random numbers are drawn here, written down, and handed to the transforms in place of
their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmpose.datasets.transforms import (
    GenerateTarget,
    GetBBoxCenterScale,
    PhotometricDistortion,
    RandomBBoxTransform,
    RandomFlip,
    RandomHalfBody,
    TopdownAffine,
    YOLOXHSVRandomAug,
)

FOLDER = Path(__file__).parent / "transforms"
WIDTH, HEIGHT = 90, 70
INPUT = (48, 64)
# COCO's 17 points.
SWAPS = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
UPPER = list(range(11))
LOWER = list(range(11, 17))
WEIGHTS = [1, 1, 1, 1, 1, 1, 1, 1.2, 1.2, 1.5, 1.5, 1, 1, 1.2, 1.2, 1.5, 1.5]


def picture(rng: np.random.Generator, width: int = 45, height: int = 35) -> Any:
    """A smooth picture (H, W, 3) BGR, so that a hundredth of a pixel is not a level of grey."""
    coarse = rng.integers(0, 256, (8, 10, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def top_down(number: int, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """One case of the whole geometry."""
    udp, direction = bool(number % 2), [None, "horizontal", "vertical", "diagonal"][number % 4]
    direction = "horizontal" if number in {4, 5, 8, 9} else direction
    half = [None, "upper", "lower"][number % 3]
    np.random.seed(number)  # noqa: NPY002 - what the transforms draw from
    random = RandomBBoxTransform(rotate_prob=0.8, shift_prob=0.8)
    offset, scale, rotate = random._get_transform_params(1)
    if number < 2:
        offset, scale, rotate = offset * 0, scale * 0 + 1, rotate * 0
    image = picture(rng, WIDTH, HEIGHT)
    labelled = rng.random((1, 17)) < (0.9 if half else 0.7)
    keypoints = rng.uniform((20, 10), (70, 60), (1, 17, 2)) * labelled[..., None]
    bbox = np.array([[22.0, 12.0, 66.0, 57.0]]) + rng.uniform(-4, 4, (1, 4))
    results = {
        "img": image, "img_shape": (HEIGHT, WIDTH), "flip_indices": SWAPS,
        "bbox": bbox.astype(np.float32), "keypoints": keypoints.astype(np.float32),
        "keypoints_visible": labelled.astype(np.float32),
        "upper_body_ids": UPPER, "lower_body_ids": LOWER,
        "dataset_keypoint_weights": np.array(WEIGHTS, np.float32),
    }  # fmt: skip
    arrays = {
        "image": image, "bbox": results["bbox"][0], "xy": results["keypoints"][0],
        "labelled": labelled[0],
    }  # fmt: skip
    flip = RandomFlip()
    flip._choose_direction = lambda: direction
    random._get_transform_params = lambda count: (offset, scale, rotate)
    codec = {"type": "MSRAHeatmap", "input_size": INPUT, "heatmap_size": (12, 16), "sigma": 1}
    steps = [
        GetBBoxCenterScale(),
        flip,
        RandomHalfBody(prob=1.0 if half else 0.0, upper_prioritized_prob=float(half == "upper"),
                       min_total_keypoints=9 if half else 99),
        random,
        TopdownAffine(INPUT, use_udp=udp),
        GenerateTarget(codec, use_dataset_keypoint_weights=True),
    ]  # fmt: skip
    for step in steps:
        results = step(results)
    arrays |= {
        "crop": results["img"],
        "input_xy": results["transformed_keypoints"][0],
        "input_labelled": results["keypoints_visible"][0] > 0,
        "weights": results["keypoint_weights"][0],
    }
    draw = {
        "udp": udp, "direction": direction, "half": half, "shift": offset[0].tolist(),
        "scale": float(scale[0, 0]), "rotate": float(rotate[0]),
    }  # fmt: skip
    return draw, arrays


def colours(number: int, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """One case of the photometric distortion."""
    image = picture(rng)
    np.random.seed(number)  # noqa: NPY002 - what the transforms draw from
    step = PhotometricDistortion()
    flags = list(step._random_flags())
    if number < 4:  # each mode of contrast and of hue and saturation at least once
        flags[0], flags[2], flags[3] = number % 2, 1, number
    step._random_flags = lambda: tuple(flags)
    names = [
        "contrast_mode", "brightness_flag", "contrast_flag", "hsv_mode", "swap_flag",
        "brightness_beta", "contrast_alpha", "saturation_alpha", "hue_delta", "swap_channel_order",
    ]  # fmt: skip
    plain = {name: np.asarray(flag).tolist() for name, flag in zip(names, flags, strict=True)}
    return plain, {"image": image, "changed": step({"img": image.copy()})["img"]}


def hsv(number: int, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """One case of YOLOX's jitter."""
    image = picture(rng)
    np.random.seed(number)  # noqa: NPY002 - what the transforms draw from
    step = YOLOXHSVRandomAug()
    gains = step._get_hsv_gains()
    step._get_hsv_gains = lambda: gains
    return {"gains": gains.tolist()}, {
        "image": image,
        "changed": step({"img": image.copy()})["img"],
    }


def main() -> None:
    """Write all cases."""
    index, arrays = [], {}
    for kind, make, count in [("top_down", top_down, 18), ("colour", colours, 8), ("hsv", hsv, 4)]:
        for number in range(count):
            draw, made = make(number, np.random.default_rng([len(kind), number]))
            name = f"{kind}_{number:02d}"
            index.append({"name": name, "kind": kind, "draw": draw})
            arrays |= {f"{name}.{key}": value for key, value in made.items()}
    FOLDER.mkdir(exist_ok=True)
    facts = {"peer": "mmpose 1.3.2", "input_size": INPUT, "weights": WEIGHTS, "cases": index}
    (FOLDER / "index.json").write_text(json.dumps(facts, indent=1) + "\n")
    np.savez_compressed(FOLDER / "arrays.npz", **arrays)


if __name__ == "__main__":
    main()

"""What the codec benchmark encodes and decodes; read by both sides, so it needs NumPy alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

BATCH, KEYPOINTS, FRAMES = 64, 17, 27
INPUT, MAPS = (192, 256), (48, 64)
SIZES = {"input_size": INPUT, "heatmap_size": MAPS}


class Case(NamedTuple):
    """One codec with its parameters, which both sides share."""

    codec: str
    params: dict[str, Any]
    kind: str = "top-down"
    ops: tuple[str, ...] = ("encode", "decode")


CASES = {
    "MSRA": Case("MSRAHeatmap", SIZES | {"sigma": 2.0}),
    "DARK": Case("MSRAHeatmap", SIZES | {"sigma": 2.0, "unbiased": True}),
    "DARK, denormal maps": Case(
        "MSRAHeatmap", SIZES | {"sigma": 2.0, "unbiased": True}, "denormal", ("decode",)
    ),
    "UDP": Case("UDPHeatmap", SIZES),
    "UDP combined": Case("UDPHeatmap", SIZES | {"heatmap_type": "combined"}),
    "Megvii": Case("MegviiHeatmap", SIZES | {"kernel_size": 11}),
    "SimCC": Case("SimCCLabel", {"input_size": INPUT, "sigma": (4.9, 5.66), "normalize": False}),
    "SimCC, DARK": Case(
        "SimCCLabel",
        {"input_size": INPUT, "sigma": (4.9, 5.66), "normalize": False, "use_dark": True},
        ops=("decode",),
    ),
    "Integral": Case("IntegralRegressionLabel", SIZES | {"sigma": 2.0}),
    "Regression": Case("RegressionLabel", {"input_size": INPUT}),
    "Hand 3D": Case(
        "Hand3DHeatmap", {"heatmap_size": (16, 16, 16), "depth_size": 16, "sigma": 1}, "hand"
    ),
    "Image lifting": Case("ImagePoseLifting", {"num_keypoints": KEYPOINTS}, "image"),
    "Video lifting": Case("VideoPoseLifting", {"num_keypoints": KEYPOINTS}, "video"),
    "MotionBERT": Case("MotionBERTLabel", {"num_keypoints": KEYPOINTS}, "motionbert"),
    "ED-Pose": Case("EDPoseLabel", {"num_select": 20, "num_keypoints": KEYPOINTS}, "edpose"),
}


def draw(kind: str, batch: int) -> dict[str, np.ndarray]:
    """Draw keypoints and what else a kind of codec encodes, one row per instance."""
    rng = np.random.default_rng(0)
    if kind == "hand":
        xy = rng.uniform(0, 1, (batch, 1, 42, 3)) * [255, 255, 300] - [0, 0, 150]
    else:
        people = {"edpose": 5, "video": FRAMES, "motionbert": FRAMES}.get(kind, 1)
        xy = rng.uniform(0, 1, (batch, people, KEYPOINTS, 2)) * [INPUT[0] - 1, INPUT[1] - 1]
    arrays = {"xy": xy.astype(np.float32)}
    if kind in ("image", "video", "motionbert"):
        shape = (*arrays["xy"].shape[:-1], 3)
        arrays["target"] = (rng.normal(size=shape) + np.array([0, 0, 5])).astype(np.float32)
    if kind == "edpose":
        arrays["bbox"] = rng.uniform(10, 100, (batch, 5, 4)).astype(np.float32)
        arrays["area"] = rng.uniform(10, 100, (batch, 5)).astype(np.float32)
        arrays["logits"] = rng.uniform(0, 1, (batch, 100, 2)).astype(np.float32)
        arrays["boxes"] = rng.uniform(0, 1, (batch, 100, 4)).astype(np.float32)
        arrays["queries"] = rng.uniform(0, 1, (batch, 100, 3 * KEYPOINTS)).astype(np.float32)
    return arrays


def best(run: Callable[[], Any], seconds: float, clock: Callable[[], float] | None = None) -> float:
    """Return the shortest time of `run` in microseconds, tried for so many seconds.

    By default the processor's time of this process, which other programs disturb least.
    """
    clock = clock or time.process_time
    run()
    begun = time.perf_counter()
    run()
    inner = max(1, min(2000, int(0.004 / max(time.perf_counter() - begun, 1e-7))))
    shortest, end = float("inf"), time.perf_counter() + seconds
    while True:
        begun = clock()
        for _ in range(inner):
            run()
        shortest = min(shortest, (clock() - begun) / inner)
        if time.perf_counter() > end:
            return shortest * 1e6

"""How far decoded keypoints are from those that were encoded: the table in docs/codecs.md.

    python benchmarks/codec_errors.py [--json]

2,000 points at random places of an input of 192 x 256 pixels; distances in pixels of that input.
Then the codecs of another kind of input: 200 joints of hands on 256 x 256 pixels and 400 mm of
depth, 3D poses of 2 m at 4 m, people of an image of 640 x 480 pixels.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from kptdata import codecs

INPUT, POINTS = (192, 256), 2_000
MAPS = ((24, 32), (48, 64), (96, 128))
ON_MAPS: dict[str, dict[str, Any]] = {
    "MSRAHeatmap": {"sigma": 2.0},
    "MSRAHeatmap, unbiased": {"sigma": 2.0, "unbiased": True},
    "UDPHeatmap": {},
    "UDPHeatmap, combined": {"heatmap_type": "combined"},
    "MegviiHeatmap": {"kernel_size": 11},
}
ALONE: dict[str, dict[str, Any]] = {
    "SimCCLabel, 1 bin per pixel": {"simcc_split_ratio": 1.0},
    "SimCCLabel, 2 bins per pixel": {},
    "SimCCLabel, 3 bins per pixel": {"simcc_split_ratio": 3.0},
    "RegressionLabel": {},
    "IntegralRegressionLabel": {"heatmap_size": (48, 64), "sigma": 2.0},
}
VOXELS = (16, 32, 64)
JOINTS_OF_HANDS, BLOCK = 200, 50  # fewer, so many at a time: boxes of voxels are large
JOINTS, FRAMES, IMAGE = 20, 4, (640, 480)


def main() -> None:
    """Print the table, or the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one object as JSON")
    report = {"top_down": measure(), "others": measure_others()}
    if parser.parse_args().json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join([*rows(report["top_down"]), "", *other_rows(report["others"])]))


def measure() -> dict[str, dict[str, Any]]:
    """Return mean and largest distance of each case, and the largest away from the border."""
    report = {}
    for name, params in ON_MAPS.items():
        for size in MAPS:
            label = f"{name}, {size[0]} x {size[1]}"
            report[label] = _errors(name, params | {"heatmap_size": size})
    for name, params in ALONE.items():
        report[name] = _errors(name, params)
    return report


def _errors(name: str, params: dict[str, Any]) -> dict[str, Any]:
    codec: Any = codecs.build(name.partition(",")[0], input_size=INPUT, **params)
    last = np.array(INPUT) - 1
    draw = np.random.default_rng(0).uniform(0, 1, (POINTS, 1, 1, 2)) * last
    xy = draw.astype(np.float32)
    target = codec.encode(xy, np.ones((POINTS, 1, 1), bool))
    off = np.linalg.norm(codec.decode(*codec.as_output(target)).xy - xy, axis=-1).ravel()
    border = codec.bound.border
    inside = ((xy >= border) & (xy <= last - border)).all(-1).ravel()
    away = float(off[inside].max()) if inside.any() else None
    return {"mean": float(off.mean()), "max": float(off.max()), "border": border, "away": away}


def measure_others() -> dict[str, dict[str, Any]]:
    """Return mean and largest distance of the codecs of hands, 3D poses and whole images."""
    report = {}
    for voxels in VOXELS:
        across, depth = _hand_errors(voxels)
        report[f"Hand3DHeatmap, {voxels} x {voxels} x {voxels}"] = _summary(across, "px")
        report[f"Hand3DHeatmap, {voxels} x {voxels} x {voxels}, depth"] = _summary(depth, "mm")
    for name in ("ImagePoseLifting", "VideoPoseLifting"):
        report[name] = _summary(_lifting_errors(name), "mm")
    report["MotionBERTLabel, train to test label"] = _summary(_motionbert_errors(), "mm")
    report["EDPoseLabel"] = _summary(_edpose_errors(), "px")
    return report


def _summary(off: np.ndarray, unit: str) -> dict[str, Any]:
    return {"mean": float(off.mean()), "max": float(off.max()), "unit": unit}


def _hand_errors(voxels: int) -> tuple[np.ndarray, np.ndarray]:
    codec = codecs.Hand3DHeatmap(
        heatmap_size=(voxels,) * 3, depth_size=voxels, sigma=voxels / 32, max_bound=255.0
    )
    depth = codec.heatmap3d_depth_bound
    last = [255, 255, depth / 2 - depth / voxels]  # the last voxel begins where it ends
    xyz = np.random.default_rng(0).uniform([0, 0, -depth / 2], last, (JOINTS_OF_HANDS, 1, 1, 3))
    xyz = xyz.astype(np.float32)
    found = np.empty_like(xyz)
    for start in range(0, JOINTS_OF_HANDS, BLOCK):
        some = xyz[start : start + BLOCK]
        one = np.ones(len(some), np.float32)
        two = np.ones((len(some), 1, 2), np.float32)
        target = codec.encode(
            some,
            np.ones(some.shape[:-1], bool),
            rel_root_depth=one,
            rel_root_valid=one,
            hand_type=two,
            hand_type_valid=one[:, None],
        )
        found[start : start + BLOCK] = codec.decode(*codec.as_output(target)).xy
    off = found - xyz
    return np.linalg.norm(off[..., :2], axis=-1), np.abs(off[..., 2])


def _poses() -> dict[str, Any]:
    shape = (POINTS // JOINTS // FRAMES, FRAMES, JOINTS)
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-1000, -1000, 3000], [1000, 1000, 5000], (*shape, 3)).astype(np.float32)
    size = np.broadcast_to(np.array(IMAGE, np.float32), (shape[0], 2))
    seen = np.ones(shape, bool)
    return {
        "xy": xyz[..., :2] / xyz[..., 2:] * 1000,
        "labelled": seen,
        "lifting_target": xyz,
        "lifting_target_visible": seen,
        "camera": codecs.Camera(size, np.full_like(size, 1000), size / 2),
    }


def _lifting_errors(name: str) -> np.ndarray:
    codec: Any = codecs.build(name, num_keypoints=JOINTS, remove_root=True)
    poses = _poses()
    if name == "ImagePoseLifting":
        poses.pop("camera")
    decoded = codec.decode(*codec.as_output(codec.encode(**poses)))
    return np.linalg.norm(decoded.xy - poses["lifting_target"], axis=-1)


def _motionbert_errors() -> np.ndarray:
    poses = _poses()
    train, test = (codecs.MotionBERTLabel(JOINTS, mode=mode) for mode in ("train", "test"))
    trained = train.encode(**poses)
    size = np.broadcast_to(poses["camera"].image_size[:, None], (*poses["xy"].shape[:2], 2))
    decoded = train.decode(trained.lifting_target_label, image_size=size, factor=trained.factor)
    return np.linalg.norm(decoded.xy - test.encode(**poses).lifting_target_label, axis=-1)


def _edpose_errors() -> np.ndarray:
    people = 5
    codec = codecs.EDPoseLabel(num_select=people, num_keypoints=JOINTS)
    shape = (POINTS // JOINTS // people, people, JOINTS, 2)
    xy = np.random.default_rng(0).uniform(0, 1, shape) * (np.array(IMAGE) - 1)
    xy = xy.astype(np.float32)
    box = np.concatenate([xy.min(2), np.ptp(xy, axis=2)], axis=-1)
    target = codec.encode(
        xy, np.ones(shape[:-1], bool), bbox=box, area=box[..., 2] * box[..., 3], image_size=IMAGE
    )
    decoded = codec.decode(*codec.as_output(target), image_size=IMAGE)
    # Queries come sorted by score; equal scores keep their order.
    return np.linalg.norm(decoded.xy - xy, axis=-1)


def other_rows(report: dict[str, dict[str, Any]]) -> list[str]:
    """Return the rows of the second Markdown table."""
    lines = ["| codec | mean | largest |", "|---|---:|---:|"]
    for name, row in report.items():
        unit = row["unit"]
        lines.append(f"| {name} | {row['mean']:.3f} {unit} | {row['max']:.3f} {unit} |")
    return lines


def rows(report: dict[str, dict[str, Any]]) -> list[str]:
    """Return the rows of a Markdown table."""
    lines = [
        "| codec | mean | largest | largest, away from the border | border |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in report.items():
        away = "no room" if row["away"] is None else f"{row['away']:.3f}"
        lines.append(
            f"| {name} | {row['mean']:.3f} | {row['max']:.3f} | {away} | {row['border']:.0f} px |"
        )
    return lines


if __name__ == "__main__":
    main()

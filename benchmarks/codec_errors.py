"""How far decoded keypoints are from those that were encoded: the table in docs/codecs.md.

    python benchmarks/codec_errors.py [--json]

2,000 points at random places of an input of 192 x 256 pixels; distances in pixels of that input.
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
}


def main() -> None:
    """Print the table, or the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one object as JSON")
    report = measure()
    print(json.dumps(report, indent=2) if parser.parse_args().json else "\n".join(rows(report)))


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

"""Replay the group ``bbox``: conversions, clips, overlaps, flips and crop matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from replay_cases import Backend, Case, NoCounterpartError, differences

from kptdata import affine, bbox

# The figures of `clip` were made with this image; the index does not say so.
CLIP_SIZE = (300, 200)
HALF_STEP = np.finfo(np.float32).eps / 2


def replay(case: Case, backend: Backend) -> list[str]:
    """Return what differs in one case."""
    inputs, expected = case.inputs(backend), case.expected()
    for given, run in _RUNS.items():
        if given == inputs.keys():
            found = run(case, inputs)
            break
    else:
        raise NoCounterpartError(case.name)
    atol = _warp_tolerances(case) if "warp" in expected else {}
    return [
        difference
        for name, figure in expected.items()
        for difference in differences(name, figure, found[name], atol=atol.get(name))
    ]


def _convert(case: Case, inputs: dict[str, Any]) -> dict[str, Any]:
    xyxy, padding = inputs["xyxy"], case.params.get("padding", 1.0)
    center, scale = bbox.xyxy2cs(xyxy, padding)
    corners = bbox.corners(xyxy)
    return {
        "xywh": bbox.xyxy2xywh(xyxy),
        "center": center,
        "scale": scale,
        "xyxy_from_cs": bbox.cs2xyxy(center, scale, padding),
        "xywh_from_cs": bbox.cs2xywh(center, scale, padding),
        "corner": corners,
        "xyxy_from_corner": bbox.corners2xyxy(corners),
        "clip": bbox.clip(xyxy, case.params.get("shape_wh", CLIP_SIZE)),
    }


def _overlaps(case: Case, inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "iou": bbox.iou(inputs["a"], inputs["b"]),
        "giou": bbox.giou(inputs["a"], inputs["b"]),
        "iof": bbox.iof(inputs["a"], inputs["b"]),
    }


def _flip(case: Case, inputs: dict[str, Any]) -> dict[str, Any]:
    flipped = bbox.flip(
        inputs["bbox"],
        case.params["image_size"],
        bbox_format=case.params["bbox_format"],
        direction=case.params["direction"],
        reference=True,
    )
    return {"bbox": flipped}


def _warp(case: Case, inputs: dict[str, Any]) -> dict[str, Any]:
    region = (inputs["center"], inputs["scale"], case.params["rot"], case.params["output_size"])
    plain = affine.warp_matrix(*region)
    shift = case.params.get("shift", (0.0, 0.0))
    return {
        "warp": plain,
        "warp_inv": affine.invert(plain),
        "warp_shift": affine.warp_matrix(*region, shift=shift),
        "warp_free_aspect": affine.warp_matrix(*region, fix_aspect_ratio=False),
        "udp": affine.udp_warp_matrix(*region, reference=True),
    }


_RUNS = {
    frozenset({"xyxy"}): _convert,
    frozenset({"a", "b"}): _overlaps,
    frozenset({"bbox"}): _flip,
    frozenset({"center", "scale"}): _warp,
}


def _warp_tolerances(case: Case) -> dict[str, np.ndarray]:
    """Bound what the reference loses by rounding its three points of the image to float32.

    A point is off by d, half a rounding step of its largest coordinate (twice that where the third
    point is made from the rounded two). A difference of two points is off by 2 d, over a length of
    half the region: so are the four factors, and the shift by that times the point that it belongs
    to, and d itself.
    """
    arrays = case.arrays("in.")
    center, scale = arrays["center"].astype(np.float64), arrays["scale"].astype(np.float64)
    size = np.asarray(case.params["output_size"], dtype=np.float64)
    shift = np.asarray(case.params.get("shift", (0.0, 0.0)))
    farthest = float(np.max(np.abs(center) + scale * (1 + np.abs(shift))))
    point = 2 * HALF_STEP * farthest

    def forward(stretch: float, shortest: float) -> np.ndarray:
        factor = stretch * 2 * point / (shortest / 2)
        return _both(factor, 2 * factor * farthest + stretch * point)

    stretch = size / scale
    back = 2 * point / (float(size.min()) / 2)
    return {
        "warp": forward(stretch[0], scale[0]),
        "warp_shift": forward(stretch[0], scale[0]),
        "warp_free_aspect": forward(stretch.max(), scale.min()),
        "warp_inv": _both(back, 2 * back * float(size.max()) + point),
    }


def _both(factor: float, translation: float) -> np.ndarray:
    return np.array([[factor, factor, translation]] * 2)

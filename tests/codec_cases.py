"""Keypoints that every codec should manage, and perfect outputs made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kptdata import codecs

INPUT = {"input_size": (96, 128)}
MAPS = INPUT | {"heatmap_size": (24, 32)}
PARAMS: dict[str, dict[str, Any]] = {
    "EDPoseLabel": {"num_select": 5},
    "Hand3DHeatmap": {
        "image_size": (64, 64),
        "heatmap_size": (16, 16, 16),
        "root_heatmap_size": 16,
        "heatmap_size_root": 16,
        "depth_size": 16,
        "sigma": 1,
    },
    "ImagePoseLifting": {},
    "IntegralRegressionLabel": MAPS | {"sigma": 1.5},
    "MSRAHeatmap": MAPS | {"sigma": 1.5},
    "MegviiHeatmap": MAPS | {"kernel_size": 5},
    "MotionBERTLabel": {},
    "RegressionLabel": INPUT,
    "SimCCLabel": INPUT,
    "UDPHeatmap": MAPS | {"blur_kernel_size": 5},
    "VideoPoseLifting": {},
}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "ImagePoseLifting": [
        {"remove_root": True, "save_index": True, "concat_vis": True, "reshape_keypoints": False},
    ],
    "IntegralRegressionLabel": [{"unbiased": True, "normalize": False}],
    "MSRAHeatmap": [{"unbiased": True, "blur_kernel_size": 7}, {"sigma": 9.0}],
    "MotionBERTLabel": [{"mode": "train", "concat_vis": True, "rootrel": True}],
    "SimCCLabel": [
        {"sigma": (4.9, 5.66), "normalize": False, "use_dark": True, "decode_visibility": True},
        {"smoothing_type": "standard", "label_smooth_weight": 0.1, "simcc_split_ratio": 1.5},
    ],
    "UDPHeatmap": [{"heatmap_type": "combined", "radius_factor": 0.1}],
    "VideoPoseLifting": [{"remove_root": True, "normalize_camera": True, "root_index": 3}],
}


class Sample(NamedTuple):
    """What `encode` is given; every array of `fields` has the leading axes of `xy`."""

    xy: Any
    labelled: Any
    fields: dict[str, Any]


def make(name: str, keypoints: int, **changes: Any) -> Any:
    """Return the codec called `name` for so many keypoints."""
    if name == "CodecList":
        several = tuple(make(n, keypoints, **changes) for n in ("MSRAHeatmap", "RegressionLabel"))
        return codecs.CodecList(several)
    kind = codecs.CODECS.load(name)
    params = PARAMS.get(name, INPUT) | changes
    if "num_keypoints" in inspect.signature(kind).parameters:
        params = params | {"num_keypoints": keypoints}
        if params.get("root_index", 0) >= keypoints:
            params["root_index"] = 0
    return kind(**params)


def cases(names: Any = None) -> list[tuple[str, dict[str, Any]]]:
    """Return every codec of the live table, as it is and in its variants."""
    return [
        (name, changes)
        for name in (names or codecs.CODECS)
        for changes in ({}, *VARIANTS.get(name, ()))
    ]


def case_id(value: Any) -> str:
    """Name a case after its codec and what is changed."""
    if isinstance(value, dict):
        return "-".join(f"{key}={change}" for key, change in value.items()) or "default"
    return str(value)


def sample(
    codec: Any,
    rng: np.random.Generator,
    *,
    lead: tuple[int, ...] = (),
    people: int = 1,
    keypoints: int = 17,
    dtype: str = "float32",
    inside: float | None = None,
) -> Sample:
    """Draw keypoints on the codec's input, at least `inside` or its border away from the edge."""
    border = codec.bound.border if inside is None else inside
    shape = (*lead, people, keypoints)
    width, height = getattr(codec, "input_size", (640, 480))
    x = rng.uniform(min(border, width / 2 - 1), max(width - 1 - border, width / 2), shape)
    y = rng.uniform(min(border, height / 2 - 1), max(height - 1 - border, height / 2), shape)
    axes = [x, y]
    if isinstance(codec, codecs.Hand3DHeatmap):
        depth = codec.heatmap3d_depth_bound  # its last voxel ends half a voxel before the bound
        axes.append(rng.uniform(-depth / 2, depth / 2 - depth / codec.heatmap_size[2], shape))
    labelled = rng.uniform(size=shape) < 0.8
    drawn = {
        name: FIELDS[name](rng, lead, people, keypoints, dtype)
        for name in codecs.sample_fields(codec).required
    }
    return Sample(np.stack(axes, axis=-1).astype(dtype), labelled, drawn)


def _camera(rng: Any, lead: Any, people: int, keypoints: int, dtype: str) -> Any:
    size = np.broadcast_to(np.array([640, 480], dtype), (*lead, 2)).copy()
    focal = rng.uniform(900, 1200, (*lead, 2)).astype(dtype)
    return codecs.Camera(size, focal, size / 2)


def _target(rng: Any, lead: Any, people: int, keypoints: int, dtype: str) -> Any:
    return rng.normal((0, 0, 5), size=(*lead, people, keypoints, 3)).astype(dtype)


def _boxes(rng: Any, lead: Any, people: int, keypoints: int, dtype: str) -> Any:
    return rng.uniform(20, 200, (*lead, people, 4)).astype(dtype)


FIELDS: dict[str, Callable[..., Any]] = {
    "area": lambda rng, lead, people, keypoints, dtype: rng.uniform(
        100, 9000, (*lead, people)
    ).astype(dtype),
    "bbox": _boxes,
    "camera": _camera,
    "hand_type": lambda rng, lead, people, keypoints, dtype: rng.integers(0, 2, (*lead, people, 2)),
    "hand_type_valid": lambda rng, lead, people, keypoints, dtype: np.ones((*lead, people), dtype),
    "image_size": lambda rng, lead, people, keypoints, dtype: np.broadcast_to(
        np.array([640, 480], dtype), (*lead, 2)
    ).copy(),
    "lifting_target": _target,
    "lifting_target_visible": lambda rng, lead, people, keypoints, dtype: (
        rng.uniform(size=(*lead, people, keypoints)) < 0.8
    ),
    "rel_root_depth": lambda rng, lead, people, keypoints, dtype: np.asarray(
        rng.uniform(-150, 150, lead), dtype
    ),
    "rel_root_valid": lambda rng, lead, people, keypoints, dtype: np.ones(lead, dtype),
}


def over_arrays(change: Callable[[Any], Any], value: Any) -> Any:
    """Apply `change` to every array of nested tuples, NamedTuples and dicts."""
    if isinstance(value, dict):
        return {key: over_arrays(change, one) for key, one in value.items()}
    if isinstance(value, tuple):
        parts = [over_arrays(change, one) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return change(value)


def arrays_of(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Return every array of nested tuples and dicts, with the name of its field."""
    if isinstance(value, (tuple, dict)):
        names = list(value) if isinstance(value, dict) else getattr(value, "_fields", range(99))
        pairs = zip(names, value.values() if isinstance(value, dict) else value, strict=False)
        return [found for key, one in pairs for found in arrays_of(one, f"{name}.{key}")]
    return [(name.lstrip("."), value)]


def encode(codec: Any, drawn: Sample, **more: Any) -> Any:
    """Encode a sample."""
    return codec.encode(drawn.xy, drawn.labelled, **drawn.fields, **more)


def plain(array: Any) -> Any:
    """Return a NumPy array, whatever it was."""
    return np.asarray(array) if isinstance(array, (np.ndarray, np.generic)) else array.numpy()

"""30 frozen cases of MMPose 1.3.2's transforms: its draws in, its arrays out.

Made by ``tests/golden/make_transforms.py``. The reference keeps boxes, matrices and points in
float32 and warps a mirrored picture; here one float64 matrix does both, so points differ by the
rounding of float32 and pixels by that of OpenCV's interpolation (1/32 of a pixel).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kptdata import codecs, load_schema
from kptdata.bbox import xyxy2xywh
from kptdata.transforms import Augmentation, Draw, Instances, make_sample
from kptdata.transforms.effects import ApplyColour, ApplyHSV

FOLDER = Path(__file__).parents[1] / "golden" / "transforms"
INDEX = json.loads((FOLDER / "index.json").read_text())
CASES = {case["name"]: case for case in INDEX["cases"]}
INPUT = tuple(INDEX["input_size"])
COCO = load_schema("coco")


@pytest.fixture(scope="module")
def stored():
    with np.load(FOLDER / "arrays.npz") as file:
        return dict(file)


def names(kind):
    return [name for name, case in CASES.items() if case["kind"] == kind]


def test_there_are_thirty():
    assert len(CASES) == 30
    assert COCO.weights.tolist() == INDEX["weights"]
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", names("top_down"))
def test_geometry(name, stored):
    draw = CASES[name]["draw"]
    get = {key: stored[f"{name}.{key}"] for key in (
        "image", "bbox", "xy", "labelled", "crop", "input_xy", "input_labelled", "weights",
    )}  # fmt: skip
    xy = np.where(get["labelled"][:, None], get["xy"].astype(float), np.nan)
    person = Instances(xy[None], get["labelled"][None], xyxy2xywh(get["bbox"].astype(float))[None])
    ours = Draw(
        flip=draw["direction"] is not None,
        direction=draw["direction"] or "horizontal",
        half_body=draw["half"] is not None,
        upper=draw["half"] == "upper",
        scale=draw["scale"],
        # The reference turns UDP crops the other way (see `affine.udp_warp_matrix`).
        rotation=-draw["rotate"] if draw["udp"] else draw["rotate"],
        shift=tuple(draw["shift"]),
    )
    kind = {"type": "UDPHeatmap"} if draw["udp"] else {"type": "MSRAHeatmap", "sigma": 1}
    codec = codecs.from_config(kind | {"input_size": INPUT, "heatmap_size": (12, 16)})
    rgb = np.ascontiguousarray(get["image"][..., ::-1])

    sample = make_sample(rgb, person, ours, codec, COCO, augmentation=Augmentation())

    known = get["input_labelled"]
    np.testing.assert_array_equal(sample.instances.labelled[0], known)
    np.testing.assert_allclose(sample.instances.xy[0, known], get["input_xy"][known], atol=2e-3)
    difference = np.abs(sample.image.astype(int) - get["crop"][..., ::-1])
    assert difference.max() <= 8
    assert difference.mean() < 0.5
    if not draw["udp"]:
        np.testing.assert_allclose(
            sample.target.keypoint_weights[0], get["weights"].ravel(), rtol=1e-6
        )


@pytest.mark.parametrize("name", names("colour"))
def test_photometric_distortion(name, stored):
    draw = CASES[name]["draw"]
    order = draw["swap_channel_order"]  # of blue, green, red
    tone = draw["hsv_mode"]
    effect = ApplyColour(
        brightness=draw["brightness_beta"] * draw["brightness_flag"],
        contrast=draw["contrast_alpha"] if draw["contrast_flag"] else 1.0,
        contrast_last=draw["contrast_mode"] == 1,
        saturation=draw["saturation_alpha"] if tone in {1, 3} else 1.0,
        hue=draw["hue_delta"] if tone in {2, 3} else 0,
        channels=tuple(2 - order[2 - c] for c in range(3)) if draw["swap_flag"] else (0, 1, 2),
        reference=True,
    )
    bgr = effect.apply(np.ascontiguousarray(stored[f"{name}.image"][..., ::-1]))[..., ::-1]
    np.testing.assert_array_equal(bgr, stored[f"{name}.changed"])


@pytest.mark.parametrize("name", names("hsv"))
def test_hsv_jitter(name, stored):
    effect = ApplyHSV(*CASES[name]["draw"]["gains"])
    bgr = effect.apply(np.ascontiguousarray(stored[f"{name}.image"][..., ::-1]))[..., ::-1]
    np.testing.assert_array_equal(bgr, stored[f"{name}.changed"])

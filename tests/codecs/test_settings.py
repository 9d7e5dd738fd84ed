"""Settings of codecs, which may come from a file or a command line, are checked before use."""

from __future__ import annotations

import inspect

import pytest

from kptdata import codecs
from kptdata.errors import OptionError

SIZES = {"input_size": (192, 256), "heatmap_size": (48, 64)}


@pytest.mark.parametrize("sigma", ["a", None, -1, 0, float("nan"), True, [2.0]], ids=str)
def test_a_number_is_asked_for(sigma):
    with pytest.raises(OptionError, match="sigma: expected a positive number, got "):
        codecs.build("UDPHeatmap", **SIZES, sigma=sigma)


@pytest.mark.parametrize(
    "size", [5, "big", (192,), (192, 0), (192, -1), (192, 0.5), (192, float("inf")), ("a", "b")],
    ids=str,
)  # fmt: skip
def test_sizes_are_asked_for(size):
    with pytest.raises(OptionError, match="input_size: expected 2 positive whole numbers, got "):
        codecs.build("MSRAHeatmap", **(SIZES | {"input_size": size}), sigma=2.0)


@pytest.mark.parametrize("kernel", ["a", None, 4, 0, -3, 2.5, float("nan")], ids=str)
def test_odd_numbers_are_asked_for(kernel):
    with pytest.raises(OptionError, match="kernel_size: expected a positive odd number, got "):
        codecs.build("MegviiHeatmap", **SIZES, kernel_size=kernel)


def test_whole_numbers_may_be_written_as_fractions():
    codec = codecs.build("MSRAHeatmap", input_size=[192.0, 256.0], heatmap_size=(48, 64), sigma=2)

    assert codec.input_size == (192, 256)


DEFAULTS = {
    "MSRAHeatmap": {"unbiased": False, "blur_kernel_size": 11},
    "UDPHeatmap": {
        "heatmap_type": "gaussian", "sigma": 2.0, "radius_factor": 0.0546875,
        "blur_kernel_size": 11,
    },
    "MegviiHeatmap": {},
    "SimCCLabel": {
        "smoothing_type": "gaussian", "sigma": 6.0, "simcc_split_ratio": 2.0,
        "label_smooth_weight": 0.0, "normalize": True, "use_dark": False,
        "decode_visibility": False, "decode_beta": 150.0,
    },
    "RegressionLabel": {},
    "IntegralRegressionLabel": {"unbiased": False, "blur_kernel_size": 11, "normalize": True},
    "Hand3DHeatmap": {
        "image_size": (256, 256), "root_heatmap_size": 64, "heatmap_size": (64, 64, 64),
        "heatmap3d_depth_bound": 400.0, "heatmap_size_root": 64, "root_depth_bound": 400.0,
        "depth_size": 64, "use_different_joint_weights": False, "sigma": 2,
        "joint_indices": None, "max_bound": 1.0,
    },
    "ImagePoseLifting": {
        "root_index": 0, "remove_root": False, "save_index": False, "reshape_keypoints": True,
        "concat_vis": False, "keypoints_mean": None, "keypoints_std": None, "target_mean": None,
        "target_std": None,
    },
    "VideoPoseLifting": {
        "zero_center": True, "root_index": 0, "remove_root": False, "save_index": False,
        "reshape_keypoints": True, "concat_vis": False, "normalize_camera": False,
    },
    "MotionBERTLabel": {"root_index": 0, "concat_vis": False, "rootrel": False, "mode": "test"},
    "EDPoseLabel": {"num_select": 100, "num_keypoints": 17},
    "CodecList": {"decoder": -1},
}  # fmt: skip


@pytest.mark.parametrize("name", codecs.CODECS)
def test_what_is_not_said_is_as_in_the_field(name):
    if name not in DEFAULTS:  # newer than this list: its own tests say what it takes
        pytest.skip(f"{name} has tests of its own")
    parameters = inspect.signature(codecs.CODECS.load(name)).parameters
    found = {n: p.default for n, p in parameters.items() if p.default is not p.empty}

    assert found.pop("reference", False) is False
    assert found == DEFAULTS[name]

"""Several codecs at once, codecs by name, and what a pipeline may ask of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from kptdata import codecs
from kptdata.errors import OptionError, UnknownNameError

LARGE = codecs.MSRAHeatmap((96, 128), (24, 32), 2.0)
SMALL = codecs.MSRAHeatmap((96, 128), (12, 16), 1.0)
LABEL = codecs.RegressionLabel((96, 128))
LEVELS = codecs.CodecList((SMALL, LARGE))
XY = np.array([[[20.0, 30], [70, 100], [300, 20]]])
LABELLED = np.array([[True, True, True]])


def test_levels_have_a_target_each(asarray):
    small, large = LEVELS.encode(asarray(XY), asarray(LABELLED))

    assert small.heatmaps.shape == (3, 16, 12)
    assert large.heatmaps.shape == (3, 32, 24)


def test_mixed_targets_are_those_of_their_codecs():
    maps, labels = codecs.CodecList((LARGE, LABEL)).encode(XY, LABELLED)

    np.testing.assert_array_equal(maps.heatmaps, LARGE.encode(XY, LABELLED).heatmaps)
    np.testing.assert_array_equal(labels.keypoint_labels, XY / [96, 128])


def test_weight_reaches_every_target():
    weight = np.array([1.0, 3, 5])

    for target in codecs.CodecList((LARGE, LABEL)).encode(XY, LABELLED, weight=weight):
        assert target.keypoint_weights.tolist() == [[1, 3, 0]]


@pytest.mark.parametrize(("decoder", "stride"), [(0, 8), (-1, 4), (1, 4)])
def test_one_codec_decodes(decoder, stride):
    several = codecs.CodecList((SMALL, LARGE), decoder)
    target = several.encode(XY, LABELLED)

    decoded = several.decode(*several.as_output(target))

    assert several.bound == (SMALL, LARGE)[decoder].bound
    assert (np.abs(decoded.xy - XY)[:, :2] <= 0.75 * stride).all()
    merged = several.flip_merge(several.as_output(target), several.as_output(target), [0, 1, 2])
    assert merged[0].shape[-1] == 96 // stride
    crop = several.crop(np.array([0.0, 0, 96, 128]))
    np.testing.assert_array_equal(several.to_image(decoded, crop).xy, crop.to_image(decoded.xy))


def test_each_codec_gets_the_fields_that_it_names():
    edpose = codecs.EDPoseLabel(num_keypoints=3)
    several = codecs.CodecList((edpose, codecs.EDPoseLabel(num_keypoints=3, num_select=5)))
    fields = {
        "bbox": np.ones((1, 4)),
        "area": np.ones(1),
        "image_size": np.array([96.0, 128]),
    }

    assert codecs.sample_fields(several).required == ("bbox", "area", "image_size")
    assert codecs.sample_fields(several).optional == ("weight",)
    assert len(several.encode(XY, LABELLED, **fields)) == 2
    with pytest.raises(OptionError, match="camera: no codec of the list takes it"):
        several.encode(XY, LABELLED, **fields, camera=1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "expected at least one"),
        ((LARGE, codecs.UDPHeatmap((96, 128), (24, 32))), "one crop rule"),
        ((LARGE, codecs.MSRAHeatmap((48, 64), (12, 16), 2.0)), "one input size"),
    ],
)
def test_codecs_of_different_inputs_are_refused(parts, message):
    with pytest.raises(OptionError, match=message):
        codecs.CodecList(parts)


def test_a_decoder_that_is_none_is_refused():
    with pytest.raises(OptionError, match="decoder: expected one of 2, got 2"):
        codecs.CodecList((SMALL, LARGE), 2)


def test_run_files_name_codecs():
    table = {"type": "UDPHeatmap", "input_size": [96, 128], "heatmap_size": [24, 32]}

    assert codecs.from_config(table) == codecs.UDPHeatmap((96, 128), (24, 32))
    several = codecs.from_config([table, table | {"heatmap_size": [12, 16]}])
    assert [c.heatmap_size for c in several.codecs] == [(24, 32), (12, 16)]
    assert codecs.build(
        "kptdata.codecs.udp_heatmap:UDPHeatmap", input_size=(4, 4), heatmap_size=(2, 2)
    )


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"input_size": [4, 4]}, OptionError, "type: missing"),
        ({"type": "UDPHeatmaps"}, UnknownNameError, "did you mean UDPHeatmap"),
        ({"type": "UDPHeatmap", "input_size": [4, 4]}, OptionError, "heatmap_size: missing"),
        ({"type": "RegressionLabel", "input_sizes": 1}, UnknownNameError, "mean input_size"),
        ({"type": "RegressionLabel", "input_size": [0, 4]}, OptionError, "input_size: expected"),
        ({"type": "RegressionLabel", "input_size": [4.5, 4]}, OptionError, "input_size: expected"),
    ],
    ids=str,
)
def test_a_wrong_table_is_refused(config: Any, error: Any, message: str):
    with pytest.raises(error, match=message):
        codecs.from_config(config)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("MSRAHeatmap", {"sigma": 0}, "sigma: expected a positive"),
        ("MSRAHeatmap", {"blur_kernel_size": 4}, "blur_kernel_size: expected a positive odd"),
        ("MSRAHeatmap", {"heatmap_size": (3,)}, "heatmap_size: expected 2"),
        ("UDPHeatmap", {"heatmap_type": "both"}, "heatmap_type: expected one of gaussian"),
        ("UDPHeatmap", {"heatmap_size": (1, 5)}, "heatmap_size: expected 2 or more"),
        ("SimCCLabel", {"smoothing_type": "x"}, "smoothing_type: expected one of"),
        ("SimCCLabel", {"label_smooth_weight": 0.1}, "only for smoothing_type 'standard'"),
        ("SimCCLabel", {"smoothing_type": "standard", "label_smooth_weight": 2}, "0 to 1"),
        ("MotionBERTLabel", {"mode": "eval"}, "mode: expected one of train, test"),
        ("ImagePoseLifting", {"root_index": 17}, "root_index: expected keypoints"),
        ("ImagePoseLifting", {"keypoints_mean": [[0, 0]] * 17}, "expected both or neither"),
        (
            "ImagePoseLifting",
            {"target_mean": [[0] * 3] * 16, "target_std": [[1] * 3] * 17},
            "target_mean: expected 17 rows",
        ),
        ("EDPoseLabel", {"num_select": 0}, "num_select: expected a positive"),
        ("Hand3DHeatmap", {"depth_size": -1}, "depth_size: expected a positive"),
    ],
    ids=str,
)
def test_an_argument_that_makes_no_sense_is_refused(name, params, message):
    given = {
        "MSRAHeatmap": {"input_size": (4, 4), "heatmap_size": (2, 2), "sigma": 1},
        "UDPHeatmap": {"input_size": (4, 4), "heatmap_size": (2, 2)},
        "SimCCLabel": {"input_size": (4, 4)},
        "MotionBERTLabel": {"num_keypoints": 17},
        "ImagePoseLifting": {"num_keypoints": 17},
    }.get(name, {})

    with pytest.raises(OptionError, match=message):
        codecs.build(name, **(given | params))


def test_hands_with_joint_weights_want_them():
    codec = codecs.Hand3DHeatmap(use_different_joint_weights=True)
    fields = dict.fromkeys(codecs.sample_fields(codec).required)

    with pytest.raises(OptionError, match="weight: expected with use_different_joint_weights"):
        codec.encode(np.zeros((1, 42, 3)), np.ones((1, 42), bool), **fields)


def test_public_names_are_there_and_load_on_use():
    assert set(codecs.__all__) == set(dir(codecs))
    for name in codecs.__all__:
        assert getattr(codecs, name)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = codecs.Nothing


def test_importing_codecs_loads_no_codec():
    heavy = ["torch", "cv2", "kptdata.codecs.udp_heatmap"]
    code = f"import sys, kptdata.codecs; print([n for n in {heavy} if n in sys.modules])"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"

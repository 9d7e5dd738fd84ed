"""Models from tables: completed from what is measured, refused where they do not fit."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from kptdata import codecs, load_schema
from kptdata.codecs import MSRAHeatmap
from kptdata.errors import KptDataError, OptionError, UnknownNameError
from kptdata_models.build import build_codec, build_model
from kptdata_models.runfile import ModelSpec, Run
from kptdata_models.summary import summarise_model, summarise_run

SCHEMA = load_schema("coco")
HEATMAP = {"type": "MSRAHeatmap", "input_size": [64, 64], "heatmap_size": [16, 16], "sigma": 2.0}
REGRESSION = {"type": "RegressionLabel", "input_size": [64, 64]}
INTEGRAL = HEATMAP | {"type": "IntegralRegressionLabel"}
SIMCC = {"type": "SimCCLabel", "input_size": [64, 64], "sigma": 3.0}
RESNET = {"type": "ResNet", "depth": 18, "stem_channels": 4, "base_channels": 4}
GAP = {"type": "GlobalAveragePooling"}
POINTS = {"type": "RegressionHead", "feature_points": 20}
HEAD = {"type": "HeatmapHead", "deconv_out_channels": [8, 8, 8]}


def build(codec, **model):
    return build_model(ModelSpec(**{"backbone": RESNET} | model), build_codec(codec), SCHEMA)


@pytest.mark.parametrize(
    ("codec", "model"),
    [
        (HEATMAP, {"head": HEAD}),
        (HEATMAP | {"type": "UDPHeatmap", "heatmap_type": "combined"}, {"head": HEAD}),
        (REGRESSION, {"neck": GAP, "head": {"type": "RegressionHead"}}),
        (REGRESSION, {"neck": GAP, "head": {"type": "RLEHead"}}),
        (SIMCC, {"head": {"type": "SimCCHead", "deconv_out_channels": [8]}}),
        (
            HEATMAP,
            {
                "backbone": RESNET | {"out_indices": [0, 1, 2, 3]},
                "neck": {"type": "FeatureMapProcessor", "concat": True},
                "head": HEAD | {"deconv_out_channels": []},
            },
        ),
        (
            HEATMAP | {"heatmap_size": [2, 2]},
            {
                "backbone": RESNET | {"out_indices": [2, 3]},
                "neck": {"type": "FPN", "out_channels": 8},
                "head": HEAD | {"deconv_out_channels": []},
            },
        ),
    ],
    ids=["heatmap", "combined", "regression", "rle", "simcc", "concat", "fpn"],
)
def test_channels_and_sizes_are_filled_in(codec, model):
    estimator = build(codec, **model)
    found = estimator.eval()(torch.zeros(2, 3, 64, 64), mode="predict")
    assert found.keypoints.xy.shape == (2, 1, 17, 2)


@pytest.mark.parametrize(
    ("codec", "model", "message"),
    [
        (HEATMAP, {"head": HEAD | {"in_channels": 9}}, "set model.head.in_channels = 32"),
        (HEATMAP, {"head": HEAD | {"out_channels": 9}}, "set model.head.out_channels = 17"),
        (
            HEATMAP,
            {"head": HEAD | {"deconv_out_channels": [8]}},
            r"set codec.heatmap_size = \[4, 4\]",
        ),
        (HEATMAP | {"sigma": 0}, {"head": HEAD}, "codec.sigma: expected a positive"),
        (HEATMAP | {"sgma": 0}, {"head": HEAD}, "did you mean sigma"),
        (HEATMAP | {"type": "MSRAHeatmaps"}, {"head": HEAD}, "did you mean MSRAHeatmap"),
        (HEATMAP | {"input_size": [64, 80]}, {"head": HEAD}, r"set codec.input_size = \[64, 96\]"),
        (
            HEATMAP | {"input_size": [68, 64]},
            {"backbone": {"type": "HRNet", "width": 4}, "head": HEAD},
            r"HRNet cannot take .* set codec.input_size = \[96, 64\]",
        ),
        (
            REGRESSION,
            {"head": {"type": "RegressionHead"}},
            'set model.neck.type = "GlobalAveragePooling"',
        ),
        (REGRESSION, {"neck": GAP, "head": HEAD}, "leave the pooling neck out"),
        (REGRESSION, {"neck": GAP, "head": POINTS}, "leave the pooling neck out"),
        (
            REGRESSION,
            {"head": POINTS | {"feature_points": -1}},
            "model.head.feature_points: expected 0 or more, got -1",
        ),
        (HEATMAP, {"head": {"type": "HeatmapHed"}}, "did you mean HeatmapHead"),
        (HEATMAP, {"head": {"in_channels": 32}}, "model.head.type: missing; choose from"),
        (HEATMAP, {"head": HEAD | {"channels": 1}}, r"key in \[model.head\] of HeatmapHead"),
        (HEATMAP, {"backbone": {"type": "ResNet"}, "head": HEAD}, "model.backbone.depth: missing"),
        (
            HEATMAP,
            {"backbone": RESNET | {"depth": 19}, "head": HEAD},
            "model.backbone.depth: expected one of 18",
        ),
        (
            HEATMAP,
            {"neck": {"type": "FPN", "in_channels": [3], "out_channels": 8}, "head": HEAD},
            r"set model.neck.in_channels = \[32\]",
        ),
        (
            HEATMAP,
            {"neck": {"type": "FeatureMapProcessor", "select_index": 5}, "head": HEAD},
            "model.neck: FeatureMapProcessor cannot take",
        ),
        (
            HEATMAP,
            {"head": HEAD, "preprocessor": {"std": [0, 1, 1]}},
            "model.preprocessor.std: expected three positive",
        ),
        (HEATMAP, {"head": HEAD, "preprocessor": {"men": [0]}}, "did you mean mean"),
        (
            HEATMAP,
            {"head": HEAD, "auxiliary": [HEAD | {"in_channels": 1}]},
            "set model.auxiliary.0.in_channels = 32",
        ),
        (
            REGRESSION,
            {"neck": GAP, "head": {"type": "RegressionHead"}, "auxiliary": [HEAD]},
            "model.auxiliary.0: HeatmapHead cannot take features .* leave the pooling neck out",
        ),
        (
            REGRESSION,
            {"head": POINTS, "auxiliary": [HEAD]},
            r"model.auxiliary.0: the loss of HeatmapHead cannot take what RegressionLabel encodes "
            r"\(keypoint_labels, keypoint_weights\).*'heatmaps'; choose a codec",
        ),
        (
            INTEGRAL,
            {"head": POINTS, "auxiliary": [HEAD | {"deconv_out_channels": [8]}]},
            r"model.auxiliary.0: the loss .* set codec.heatmap_size = \[4, 4\]",
        ),
        (
            HEATMAP,
            {"head": HEAD | {"loss": {"type": "RLELoss"}}},
            "model.head: the loss of HeatmapHead cannot take what MSRAHeatmap encodes",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_key_to_set(codec, model, message):
    with pytest.raises(KptDataError, match=message):
        build(codec, **model)


def test_a_codec_without_crops_is_refused():
    table = {"type": "ImagePoseLifting", "num_keypoints": 17, "root_index": 0}
    with pytest.raises(KptDataError, match="codec"):
        build_codec(table)


def test_auxiliary_heads_add_their_weighted_loss():
    torch.manual_seed(0)
    estimator = build(HEATMAP, head=HEAD, auxiliary=[HEAD | {"weight": 0.5}])
    codec = codecs.from_config(HEATMAP)
    target = codec.encode(torch.full((2, 1, 17, 2), 20.0), torch.ones(2, 1, 17, dtype=torch.bool))
    terms = estimator(torch.zeros(2, 3, 64, 64), target, mode="loss")
    torch.testing.assert_close(
        terms["loss"], terms["loss_kpt"] + 0.5 * terms["auxiliary0_loss_kpt"]
    )


def test_an_auxiliary_head_may_learn_what_the_codec_does_not_decode():
    estimator = build(INTEGRAL, head=POINTS, auxiliary=[HEAD])
    codec = codecs.from_config(INTEGRAL)
    target = codec.encode(torch.full((2, 1, 17, 2), 20.0), torch.ones(2, 1, 17, dtype=torch.bool))
    images = torch.zeros(2, 3, 64, 64)
    terms = estimator(images, target, mode="loss")
    terms["auxiliary0_loss_kpt"].backward()
    assert all(p.grad is not None for p in estimator.auxiliary.parameters())
    assert estimator(images, mode="predict").keypoints.xy.shape == (2, 1, 17, 2)


def test_modes_are_checked():
    estimator = build(HEATMAP, head=HEAD)
    with pytest.raises(OptionError, match="mode: expected one of tensor, loss, predict"):
        estimator(torch.zeros(1, 3, 64, 64), mode="train")
    with pytest.raises(OptionError, match="target: needed in the mode 'loss'"):
        estimator(torch.zeros(1, 3, 64, 64), mode="loss")


def test_preprocessor_follows_the_channel_order():
    plain = build(HEATMAP, head=HEAD, preprocessor={"mean": [1, 2, 3], "std": [1, 1, 2]})
    swapped = build(
        HEATMAP, head=HEAD, preprocessor={"mean": [1, 2, 3], "channel_order": "bgr"}
    ).preprocessor
    image = torch.tensor([10, 20, 30], dtype=torch.uint8).reshape(1, 3, 1, 1)
    assert plain.preprocessor(image).flatten().tolist() == [9, 18, 13.5]
    assert (swapped(image) * swapped.std + swapped.mean).flatten().tolist() == pytest.approx(
        [30, 20, 10]
    )
    with pytest.raises(OptionError, match="channel_order: expected rgb or bgr"):
        build(HEATMAP, head=HEAD, preprocessor={"channel_order": "hsv"})


def test_summary_counts_stages_strides_parameters_and_operations():
    summary = summarise_model(build(HEATMAP, head=HEAD))
    stages = {stage.name: stage for stage in summary.stages}
    assert stages["backbone"].shape == ((32, 2, 2),)
    assert stages["backbone.layer1"].stride == (4.0,)
    assert stages["head"].shape == ((17, 16, 16),)
    assert summary.parameters == stages["backbone"].parameters + stages["head"].parameters
    first = 3 * 4 * 7 * 7 * 32 * 32
    blocks = [4 * (4 * 4 * 9) * 16**2, *(_stage(c, n) for c, n in ((8, 8), (16, 4), (32, 2)))]
    deconvolutions = 16 * (32 * 8 * 2**2 + 8 * 8 * 4**2 + 8 * 8 * 8**2)
    last = 8 * 17 * 16**2
    assert summary.gflops * 1e9 == first + sum(blocks) + deconvolutions + last


def _stage(channels, cells):
    """Multiplications of two basic blocks, the first of which halves the size."""
    before = channels // 2
    one = 9 * before * channels + before * channels + 3 * 9 * channels * channels
    return one * cells * cells


def test_a_named_schema_spares_reading_the_data(plan):
    plan["data"]["train"] |= {"annotations": "nowhere.json", "schema": "coco"}
    assert summarise_run(Run.from_dict(plan)).input_size == (64, 64)


def test_unknown_backbone():
    with pytest.raises(UnknownNameError, match="unknown backbone"):
        build(HEATMAP, backbone={"type": "VGG"}, head=HEAD)


@dataclasses.dataclass(frozen=True)
class OneByOne(MSRAHeatmap):
    """A codec that takes a batch for the people of one image."""

    def encode(self, xy, labelled, **fields):
        return super().encode(xy.reshape(-1, *xy.shape[-2:]), labelled.reshape(-1, xy.shape[-2]))


def test_a_codec_that_knows_no_batches_is_refused(plan):
    plan["codec"]["type"] = f"{__name__}:OneByOne"
    run = Run.from_dict(plan)
    with pytest.raises(OptionError, match=r"codec.type: OneByOne.encode gives .* for two samples"):
        build_model(run.model, build_codec(run.codec), SCHEMA)

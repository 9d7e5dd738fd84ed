"""Decoders inside a model: traced with a dynamic batch, on fake tensors, in ONNX, gradients."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache

import numpy as np
import onnxruntime
import pytest
import torch
from codec_cases import encode, make, sample
from torch._subclasses.fake_tensor import FakeTensorMode

from kptdata import codecs

INPUT, MAPS, KEYPOINTS = (96, 128), (24, 32), 5
CODECS = {
    "regression": codecs.RegressionLabel(INPUT),
    "integral": codecs.IntegralRegressionLabel(INPUT, MAPS, 2.0),
    "msra": codecs.MSRAHeatmap(INPUT, MAPS, 2.0),
    "dark": codecs.MSRAHeatmap(INPUT, MAPS, 2.0, unbiased=True, blur_kernel_size=7),
    "udp": codecs.UDPHeatmap(INPUT, MAPS, blur_kernel_size=7),
    "combined": codecs.UDPHeatmap(INPUT, MAPS, "combined", blur_kernel_size=5),
    "megvii": codecs.MegviiHeatmap(INPUT, MAPS, 7),
    "simcc": codecs.SimCCLabel(INPUT, sigma=3.0),
    "simcc-dark": codecs.SimCCLabel(INPUT, sigma=3.0, use_dark=True),
    "simcc-visibility": codecs.SimCCLabel(INPUT, sigma=3.0, decode_visibility=True),
    "list": codecs.CodecList((codecs.RegressionLabel(INPUT), codecs.MSRAHeatmap(INPUT, MAPS, 2.0))),
}
NAMES = ["keypoints", "scores", "visibility"]
each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


class Head(torch.nn.Module):
    """What is left of a model once its layers are left out."""

    def __init__(self, codec):
        super().__init__()
        self.codec = codec

    def forward(self, *outputs):
        decoded = self.codec.decode(*outputs)
        more = (decoded.visibility,) if hasattr(decoded, "visibility") else ()
        return decoded.xy, decoded.score, *more


def outputs(codec, batch, seed=0):
    """Maps with a peak: perfect ones and a little noise."""
    draw = torch.Generator().manual_seed(seed)
    xy = 20 + 50 * torch.rand(batch, 1, KEYPOINTS, 2, generator=draw)
    perfect = codec.as_output(codec.encode(xy, torch.ones(batch, 1, KEYPOINTS, dtype=torch.bool)))
    return tuple(o + 0.002 * o.abs().max() * torch.randn(o.shape, generator=draw) for o in perfect)


@lru_cache
def export(codec):
    return exported(codec, outputs(codec, 2))


def exported(codec, example):
    batch = torch.export.Dim("batch", min=1)
    shapes = (tuple({0: batch} for _ in example),)
    return torch.export.export(Head(codec), example, dynamic_shapes=shapes)


@each_codec
def test_traced_with_a_dynamic_batch(codec):
    traced = export(codec).module()

    for batch in (1, 7):
        given = outputs(codec, batch, seed=1)
        for found, expected in zip(traced(*given), Head(codec)(*given), strict=True):
            torch.testing.assert_close(found, expected)


def session_of(program, names):
    with warnings.catch_warnings():  # the exporter's own deprecations
        warnings.simplefilter("ignore")
        onnx = torch.onnx.export(program, dynamo=True, output_names=names, verbose=False)
    file = io.BytesIO()
    onnx.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    assert [o.name for o in session.get_outputs()] == names
    return session


def compare(session, codec, given):
    """The session, NumPy and torch: one answer."""
    inputs = [one.name for one in session.get_inputs()]
    arrays = [o.numpy() for o in given]
    found = session.run(None, dict(zip(inputs, arrays, strict=True)))
    for expected in (Head(codec)(*arrays), [o.numpy() for o in Head(codec)(*given)]):
        np.testing.assert_allclose(found[0], expected[0], atol=1e-4)
        for one, other in zip(found[1:], expected[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@each_codec
def test_onnxruntime_gives_the_same_numbers(codec):
    names = NAMES if getattr(codec, "decode_visibility", False) else NAMES[:2]
    session = session_of(export(codec), names)

    for batch in (1, 7):
        compare(session, codec, outputs(codec, batch, seed=batch))


@pytest.mark.parametrize("joined", [False, True], ids=["apart", "joined"])
def test_a_predicted_sigma_is_traced_too(joined):
    codec = CODECS["regression"]

    def with_sigma(batch):
        draw = torch.Generator().manual_seed(batch)
        labels, sigma = torch.rand(2, batch, 1, KEYPOINTS, 2, generator=draw)
        return (torch.cat([labels, sigma], -1),) if joined else (labels, sigma)

    session = session_of(exported(codec, with_sigma(2)), NAMES[:2])

    for batch in (1, 7):
        compare(session, codec, with_sigma(batch))


@each_codec
def test_decodes_fake_tensors(codec):
    with FakeTensorMode() as mode:
        fake = [mode.from_tensor(o) for o in outputs(codec, 3)]
        decoded = codec.decode(*fake)

    assert decoded.xy.shape == (3, 1, KEYPOINTS, 2)
    assert decoded.score.shape == (3, 1, KEYPOINTS)


@pytest.mark.parametrize(
    ("name", "flows"),
    [
        ("regression", True), ("integral", True), ("dark", True), ("udp", True),
        ("combined", True), ("simcc-dark", True), ("msra", False), ("megvii", False),
        ("simcc", False),
    ],
)  # fmt: skip
def test_gradients_flow_where_the_maths_is_smooth(name, flows):
    codec = CODECS[name]
    given = tuple(o.requires_grad_() for o in outputs(codec, 2))

    decoded = codec.decode(*given)

    if name not in ("regression", "integral"):  # those say how sure they are by sigma only
        assert all(g.abs().sum() > 0 for g in grads(decoded.score, given[:1]))
    if flows:
        assert all(g.isfinite().all() and g.abs().sum() > 0 for g in grads(decoded.xy, given))
    else:
        assert not decoded.xy.requires_grad or not any(
            g.abs().sum() for g in grads(decoded.xy, given)
        )


def test_gradients_reach_the_rows_through_visibility():
    codec = CODECS["simcc-visibility"]
    given = tuple(o.requires_grad_() for o in outputs(codec, 2))

    # The lower of the two axes counts, so each row is reached by some keypoints.
    assert all(g.abs().sum() > 0 for g in grads(codec.decode(*given).visibility, given))


@pytest.mark.parametrize(
    ("name", "through"),
    [
        ("Hand3DHeatmap", {"score": [0], "root_depth": [1], "xy": []}),
        ("EDPoseLabel", {"xy": [2], "bbox": [1]}),
        ("ImagePoseLifting", {"xy": [0, 1]}),
        ("VideoPoseLifting", {"xy": [0, 1]}),
        ("MotionBERTLabel", {"xy": [0]}),
    ],
)
def test_gradients_of_the_others_flow_as_they_say(name, through, rng):
    codec = make(name, KEYPOINTS)
    perfect = codec.as_output(encode(codec, sample(codec, rng, lead=(2,), keypoints=KEYPOINTS)))
    given = tuple(torch.from_numpy(np.array(one, "float32")).requires_grad_() for one in perfect)

    decoded = codec.decode(*given)

    for field, reached in through.items():
        result = getattr(decoded, field)
        sums = [
            float(g.abs().sum()) if result.requires_grad else 0.0
            for g in (grads(result, given) if result.requires_grad else given)
        ]
        assert [place for place, total in enumerate(sums) if total] == reached, field


def grads(result, inputs):
    found = torch.autograd.grad(result.sum(), inputs, retain_graph=True, allow_unused=True)
    return [torch.zeros(1) if g is None else g for g in found]


def test_a_codec_stays_a_value_in_a_compiled_model():
    """A frozen codec is an attribute of the module; nothing of it is traced as state."""
    assert not list(Head(CODECS["udp"]).state_dict())
    assert CODECS["udp"] == codecs.UDPHeatmap(INPUT, MAPS, blur_kernel_size=7)

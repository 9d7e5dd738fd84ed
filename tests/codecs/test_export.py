"""Decoders inside a model: traced with a dynamic batch, on fake tensors, in ONNX, gradients."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache

import numpy as np
import onnxruntime
import pytest
import torch
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
}
each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


class Head(torch.nn.Module):
    """What is left of a model once its layers are left out."""

    def __init__(self, codec):
        super().__init__()
        self.codec = codec

    def forward(self, *outputs):
        decoded = self.codec.decode(*outputs)
        return decoded.xy, decoded.score


def outputs(codec, batch, seed=0):
    """Maps with a peak: perfect ones and a little noise."""
    draw = torch.Generator().manual_seed(seed)
    xy = 20 + 50 * torch.rand(batch, 1, KEYPOINTS, 2, generator=draw)
    perfect = codec.as_output(codec.encode(xy, torch.ones(batch, 1, KEYPOINTS, dtype=torch.bool)))
    return tuple(o + 0.002 * o.abs().max() * torch.randn(o.shape, generator=draw) for o in perfect)


@lru_cache
def export(codec):
    example = outputs(codec, 2)
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


@each_codec
def test_onnxruntime_gives_the_same_numbers(codec):
    with warnings.catch_warnings():  # the exporter's own deprecations
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            export(codec), dynamo=True, output_names=["keypoints", "scores"], verbose=False
        )
    file = io.BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    assert [o.name for o in session.get_outputs()] == ["keypoints", "scores"]

    for batch in (1, 7):
        given = outputs(codec, batch, seed=batch)
        names = [one.name for one in session.get_inputs()]
        arrays = [o.numpy() for o in given]
        keypoints, scores = session.run(None, dict(zip(names, arrays, strict=True)))
        decoded = codec.decode(*arrays)
        for expected in (decoded, [o.numpy() for o in Head(codec)(*given)]):
            np.testing.assert_allclose(keypoints, expected[0], atol=1e-4)
            np.testing.assert_allclose(scores, expected[1], rtol=1e-5, atol=1e-6)


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


def grads(result, inputs):
    found = torch.autograd.grad(result.sum(), inputs, retain_graph=True, allow_unused=True)
    return [torch.zeros(1) if g is None else g for g in found]


def test_a_codec_stays_a_value_in_a_compiled_model():
    """A frozen codec is an attribute of the module; nothing of it is traced as state."""
    assert not list(Head(CODECS["udp"]).state_dict())
    assert CODECS["udp"] == codecs.UDPHeatmap(INPUT, MAPS, blur_kernel_size=7)

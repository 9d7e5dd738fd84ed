"""`decode(encode(xy))` is within the bound that the codec states: a thousand cases per codec."""

from __future__ import annotations

import numpy as np
import pytest
from codec_cases import encode, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from kptdata import codecs

PEOPLE, KEYPOINTS = 3, 2
SIDES = st.integers(40, 200)


@st.composite
def maps(draw, least_stride=1):
    """Sizes of an input and of its heatmaps; the strides need be neither whole nor equal."""
    heatmap_size = (draw(st.integers(24, 48)), draw(st.integers(24, 48)))
    stretch = st.floats(least_stride, 5)
    return tuple(round(s * draw(stretch)) for s in heatmap_size), heatmap_size


@st.composite
def msra(draw):
    return codecs.MSRAHeatmap(*draw(maps()), sigma=draw(st.floats(0.5, 4)))


@st.composite
def unbiased(draw):
    kernel = draw(st.sampled_from([3, 5, 7, 9, 11]))
    sigma = draw(st.floats(0.6, 3))
    return codecs.MSRAHeatmap(*draw(maps()), sigma, unbiased=True, blur_kernel_size=kernel)


@st.composite
def udp(draw):
    kernel = draw(st.sampled_from([3, 5, 7, 9, 11]))
    return codecs.UDPHeatmap(*draw(maps()), sigma=draw(st.floats(0.6, 3)), blur_kernel_size=kernel)


@st.composite
def combined(draw):
    factor = draw(st.floats(0.05, 0.3))
    return codecs.UDPHeatmap(*draw(maps()), "combined", radius_factor=factor, blur_kernel_size=5)


@st.composite
def megvii(draw):
    return codecs.MegviiHeatmap(*draw(maps()), kernel_size=draw(st.sampled_from([3, 5, 7])))


@st.composite
def simcc(draw):
    return codecs.SimCCLabel(
        (draw(SIDES), draw(SIDES)),
        draw(st.sampled_from(["gaussian", "standard"])),
        (draw(st.floats(1, 8)), draw(st.floats(1, 8))),
        draw(st.floats(0.5, 4)),
        normalize=draw(st.booleans()),
    )


@st.composite
def simcc_dark(draw):
    sigma = (draw(st.floats(1, 4)), draw(st.floats(1, 4)))
    return codecs.SimCCLabel((draw(SIDES), draw(SIDES)), sigma=sigma, use_dark=True)


@st.composite
def regression(draw):
    return codecs.RegressionLabel((draw(SIDES), draw(SIDES)))


@st.composite
def integral(draw):
    return codecs.IntegralRegressionLabel(*draw(maps()), sigma=2)


@st.composite
def hand(draw):
    side = draw(st.integers(8, 20))
    image = round(side * draw(st.floats(1, 4)))
    return codecs.Hand3DHeatmap(
        (image, image), heatmap_size=(side, side, side), depth_size=side, sigma=1
    )


FAMILIES = [msra, unbiased, udp, combined, megvii, simcc, simcc_dark, regression, integral, hand]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
@settings(max_examples=1000)
@given(st.data())
def test_decoding_is_within_the_bound(family, data):
    codec = data.draw(family())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    drawn = sample(codec, rng, lead=(PEOPLE,), keypoints=KEYPOINTS)
    drawn.labelled[...] = True
    width, height = codec.input_size
    border, least = codec.bound.border, min(width, height) - 1
    if 2 * border >= least:  # no room: nothing is promised
        return

    target = encode(codec, drawn)
    decoded = codec.decode(*codec.as_output(target))

    assert (target.keypoint_weights == 1).all()
    rounding = 1e-6 * max(width, height, 400)
    error = np.array(codec.bound.error) + rounding * (codec.bound.error[0] > 1e-3)
    assert (np.abs(decoded.xy - drawn.xy) <= error).all()


@pytest.mark.parametrize(
    "codec",
    [
        codecs.MSRAHeatmap((192, 256), (48, 64), 2.0),
        codecs.MSRAHeatmap((192, 256), (48, 64), 2.0, unbiased=True),
        codecs.UDPHeatmap((192, 256), (48, 64)),
        codecs.MegviiHeatmap((192, 256), (48, 64), 11),
        codecs.SimCCLabel((192, 256)),
    ],
    ids=lambda codec: type(codec).__name__,
)
def test_the_bound_is_not_idle(codec, rng):
    """A bound that is never come near to would not notice a fault of half its size."""
    drawn = sample(codec, rng, lead=(500,))
    drawn.labelled[...] = True
    error = np.abs(codec.decode(*codec.as_output(encode(codec, drawn))).xy - drawn.xy).max()

    dark = getattr(codec, "unbiased", False) or isinstance(codec, codecs.UDPHeatmap)
    assert error < max(codec.bound.error)
    if not dark:  # rounding reaches half a cell: two thirds of it with the quarter shift
        assert error > 0.6 * max(codec.bound.error)

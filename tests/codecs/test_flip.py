"""Flip test: what a mirrored input gives is the mirrored result."""

from __future__ import annotations

import numpy as np
import pytest
from codec_cases import plain

from kptdata import codecs

INPUT, MAPS = (96, 128), (24, 32)
SWAP = np.array([0, 2, 1, 3])
LABELLED = np.ones((1, 4), bool)

# How far the mirrored result is from the result for the mirrored input, pixels: none where cells
# and pixels are mirrored about the same axis.
CASES = [
    pytest.param(codecs.UDPHeatmap(INPUT, MAPS), 1e-3, id="udp"),
    pytest.param(codecs.UDPHeatmap(INPUT, MAPS, "combined", blur_kernel_size=3), 1e-3, id="comb"),
    pytest.param(codecs.RegressionLabel(INPUT), 1e-4, id="regression"),
    pytest.param(codecs.IntegralRegressionLabel(INPUT, MAPS, 2.0), 1e-4, id="integral"),
    pytest.param(codecs.MSRAHeatmap(INPUT, MAPS, 2.0), 1 + 1e-4, id="msra"),
    pytest.param(codecs.MSRAHeatmap(INPUT, MAPS, 2.0, unbiased=True), 1 + 0.1, id="dark"),
    pytest.param(codecs.MegviiHeatmap(INPUT, MAPS, 5), 1 + 1e-4, id="megvii"),
    pytest.param(codecs.SimCCLabel(INPUT, sigma=3.0), 0.5 + 1e-4, id="simcc"),
]


def mirror(xy, swap=SWAP):
    mirrored = xy[..., swap, :].copy()
    mirrored[..., 0] = INPUT[0] - 1 - mirrored[..., 0]
    return mirrored


def model(codec, rng, xy):
    """Stand in for a model: perfect outputs for keypoints that are a little off."""
    moved = (xy + rng.normal(0, 0.3, xy.shape)).astype("float32")
    outputs = codec.as_output(codec.encode(moved, np.broadcast_to(LABELLED, xy.shape[:-1])))
    # A little noise: of two equal cells the first counts, which is not the mirrored one.
    return tuple((o * (1 + rng.normal(0, 1e-4, o.shape))).astype("float32") for o in outputs)


@pytest.fixture
def xy(rng):
    return rng.uniform(45, 50, (20, 1, 4, 2)).astype("float32")


@pytest.mark.parametrize(("codec", "off"), CASES)
def test_a_mirrored_input_gives_the_mirrored_result(codec, off, xy, rng, asarray):
    straight, mirrored = model(codec, rng, xy), model(codec, rng, mirror(xy))
    a, b = (tuple(map(asarray, outputs)) for outputs in (straight, mirrored))

    result = codec.decode(*codec.flip_merge(a, b, SWAP))
    of_mirrored = codec.decode(*codec.flip_merge(b, a, SWAP))

    assert np.abs(plain(of_mirrored.xy) - mirror(plain(result.xy))).max() <= off


@pytest.mark.parametrize(("codec", "off"), CASES)
def test_merging_agrees_with_both(codec, off, xy, rng):
    straight, mirrored = model(codec, rng, xy), model(codec, rng, mirror(xy))

    result = codec.decode(*codec.flip_merge(straight, mirrored, SWAP)).xy

    cell = max(getattr(codec, "stride", (1, 1)))
    assert np.abs(result - xy).max() < 2 * cell


def test_simcc_with_the_shift_is_exact(xy, rng):
    codec = codecs.SimCCLabel(INPUT, sigma=3.0)
    straight, mirrored = model(codec, rng, xy), model(codec, rng, mirror(xy))

    result = codec.decode(*codec.flip_merge(straight, mirrored, SWAP, shift=True)).xy
    of_mirrored = codec.decode(*codec.flip_merge(mirrored, straight, SWAP, shift=True)).xy

    np.testing.assert_allclose(of_mirrored, mirror(result), atol=1e-4)


def test_heatmaps_are_mirrored_swapped_and_shifted(asarray):
    maps = np.arange(8.0).reshape(2, 1, 4)
    codec = codecs.MSRAHeatmap((4, 1), (4, 1), 1.0)
    nothing = np.zeros_like(maps)

    shifted = codec.flip_merge((asarray(nothing),), (asarray(maps),), [1, 0])
    plain = codec.flip_merge((asarray(nothing),), (asarray(maps),), [1, 0], shift=False)

    assert (2 * plain[0]).tolist() == [[[7, 6, 5, 4]], [[3, 2, 1, 0]]]
    assert (2 * shifted[0]).tolist() == [[[7, 7, 6, 5]], [[3, 3, 2, 1]]]


def test_offsets_in_x_change_their_sign(asarray):
    codec = codecs.UDPHeatmap((4, 2), (4, 2), "combined")
    maps = np.ones((6, 2, 4))

    (merged,) = codec.flip_merge((asarray(maps * 0),), (asarray(maps),), [1, 0])

    assert (2 * merged[:, 0, 0]).tolist() == [1, -1, 1, 1, -1, 1]


def test_coordinates_are_mirrored_by_pixels(asarray):
    codec = codecs.RegressionLabel((10, 10))
    labels = np.array([[[0.2, 0.3, 0.05, 0.06]]])
    zero = asarray(np.zeros((1, 1, 4)))

    (by_pixel,) = codec.flip_merge((zero,), (asarray(labels),), [0])
    (by_size,) = codec.flip_merge((zero,), (asarray(labels),), [0], shift=False)

    np.testing.assert_allclose(2 * by_pixel, [[[0.7, 0.3, 0.05, 0.06]]])
    np.testing.assert_allclose(2 * by_size, [[[0.8, 0.3, 0.05, 0.06]]])

"""Decoding of maps that no keypoint made: runaway steps, weak peaks, NaN, flat or negative."""

from __future__ import annotations

import numpy as np
import pytest
from codec_cases import plain

from kptdata import codecs

SIZES = ((96, 128), (24, 32))
DARK = codecs.MSRAHeatmap(*SIZES, sigma=2.0, unbiased=True)
UDP = codecs.UDPHeatmap(*SIZES)
COMBINED = codecs.UDPHeatmap(*SIZES, "combined", blur_kernel_size=3)
PLAIN = codecs.MSRAHeatmap(*SIZES, sigma=2.0)
MEGVII = codecs.MegviiHeatmap(*SIZES, kernel_size=5)
ROWS = codecs.SimCCLabel((96, 128), sigma=2.0, use_dark=True)

each_refined = pytest.mark.parametrize("codec", [DARK, UDP], ids=["plain", "udp"])
each_map = pytest.mark.parametrize(
    "codec", [PLAIN, DARK, UDP, COMBINED, MEGVII], ids=["msra", "dark", "udp", "combined", "megvii"]
)


def outputs(codec, value, dtype="float32"):
    """Maps or rows that hold one value everywhere."""
    if codec is ROWS:
        return np.full((5, 192), value, dtype)[None], np.full((5, 256), value, dtype)[None]
    return (np.full((15, 32, 24), value, dtype),)


def gaussian(place=(12.3, 15.8), sigma=2.0, height=1.0):
    x, y = np.arange(24) - place[0], np.arange(32)[:, None] - place[1]
    return (height * np.exp(-(x**2 + y**2) / (2 * sigma**2))).astype("float32")[None]


def argmax(maps):
    y, x = np.unravel_index(maps.reshape(len(maps), -1).argmax(-1), maps.shape[1:])
    return np.stack([x, y], axis=-1)


@pytest.mark.parametrize("codec", [PLAIN, DARK, UDP, COMBINED, MEGVII, ROWS])
@pytest.mark.parametrize("value", [0.0, -1.0, 0.5, np.nan, np.inf, -np.inf], ids=str)
def test_maps_without_a_peak_are_nan_and_zero(codec, value, asarray):
    decoded = codec.decode(*map(asarray, outputs(codec, value)))

    assert np.isnan(plain(decoded.xy)).all()
    assert not decoded.score.any()
    assert not decoded.instance_score.any()


@each_map
def test_one_bad_map_leaves_the_others_alone(codec, rng):
    maps = np.concatenate([gaussian() * (255 if codec is MEGVII else 1)] * 6)
    good = codec.decode(maps)
    bad = maps.copy()
    bad[0:3, 4, 5] = np.nan

    decoded = codec.decode(bad)

    first = 1 if codec is COMBINED else 3
    assert np.isnan(decoded.xy[0, :first]).all()
    np.testing.assert_array_equal(decoded.xy[0, first:], good.xy[0, first:])


@each_refined
@pytest.mark.parametrize("background", [0.0, -0.02, -1e6, -np.inf], ids=str)
def test_no_step_is_longer_than_a_cell(codec, background, rng):
    noise = rng.normal(0, 0.02, (400, 32, 24)).astype("float32")
    weak = 0.05 * np.concatenate([gaussian(p) for p in rng.uniform(3, 20, (400, 2))]) + noise
    maps = np.where(weak < 0, background, weak).astype("float32")

    moved = codec.decode(maps).xy[0] / np.array(codec.stride) - argmax(maps)

    assert (np.linalg.norm(moved, axis=-1) <= 1 + 1e-5).all()


@each_refined
def test_the_reference_takes_steps_of_any_length(codec, rng):
    maps = rng.normal(0, 0.02, (400, 32, 24)).astype("float32")
    reference = type(codec)(**{**vars(codec), "reference": True})

    moved = reference.decode(maps).xy[0] / np.array(codec.stride) - argmax(maps)

    assert np.abs(moved).max() > 5
    assert not reference.fallbacks(maps).any()


@each_refined
def test_a_refused_step_is_the_quarter_shift_and_is_counted(codec, rng):
    maps = rng.normal(0, 0.02, (400, 32, 24)).astype("float32")

    refused = codec.fallbacks(maps)
    moved = codec.decode(maps).xy[0] / np.array(codec.stride) - argmax(maps)

    assert 20 < refused.sum() < 400
    x, y = argmax(maps).T
    inner = refused & (x > 1) & (x < 23) & (y > 1) & (y < 31)
    np.testing.assert_allclose(np.abs(moved[inner]), 0.25, atol=1e-4)


@each_refined
def test_a_clean_gaussian_is_never_refused(codec, rng):
    maps = np.concatenate(
        [gaussian(p, s) for p in rng.uniform(8, 15, (50, 2)) for s in (1.5, 2, 3)]
    )

    assert not codec.fallbacks(maps).any()


@each_refined
@pytest.mark.parametrize("height", [1e-20, 1e-6, 0.01, 1.0, 200.0, 1e20])
def test_faint_and_strong_maps_are_refined_alike(codec, height):
    decoded = codec.decode(gaussian(height=height))

    truth = np.array([12.3, 15.8]) * codec.stride
    np.testing.assert_allclose(decoded.xy[0, 0], truth, atol=0.1)
    np.testing.assert_allclose(decoded.score[0], height, rtol=0.05)


def test_a_map_full_of_denormal_numbers_decodes(asarray):
    maps = gaussian(sigma=1.5) + np.float32(1e-42)

    decoded = DARK.decode(asarray(maps))

    np.testing.assert_allclose(decoded.xy[0, 0], np.array([12.3, 15.8]) * 4, atol=0.1)


def test_rows_refuse_runaway_steps_too(rng):
    x, y = rng.normal(0, 0.02, (1, 400, 192)), rng.normal(0, 0.02, (1, 400, 256))

    moved = ROWS.decode(x, y).xy[0, :, 0] * 2 - x[0].argmax(-1)

    assert ROWS.fallbacks(x, y).any()
    assert (np.abs(moved) <= 1 + 1e-6).all()


def test_of_equal_cells_the_first_counts(asarray):
    maps = np.zeros((1, 32, 24), "float32")
    maps[0, 9, 7] = maps[0, 9, 20] = maps[0, 20, 3] = 1

    assert PLAIN.decode(asarray(maps)).xy[0, 0].tolist() == [28, 36]


def test_reference_gives_minus_one_cell_for_an_empty_map(asarray):
    codec = codecs.MSRAHeatmap(*SIZES, sigma=2.0, reference=True)

    decoded = codec.decode(asarray(np.zeros((1, 32, 24), "float32")))

    assert decoded.xy.tolist() == [[[-4, -4]]]
    assert decoded.score.tolist() == [[0]]


def test_a_negative_row_is_no_corner_of_the_crop(asarray):
    codec = codecs.SimCCLabel((96, 128))
    x, y = np.zeros((1, 1, 192), "float32"), np.full((1, 1, 256), -1, "float32")
    x[..., 50] = 1
    y[..., 9] = -0.5

    assert np.isnan(plain(codec.decode(asarray(x), asarray(y)).xy)).all()
    reference = codecs.SimCCLabel((96, 128), reference=True).decode(asarray(x), asarray(y))
    assert reference.xy.tolist() == [[[-0.5, -0.5]]]
    assert reference.score.tolist() == [[-0.5]]

"""Changes of pixels: ranges, chances, exact effects, and draws that can be saved and done again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kptdata.errors import OptionError, UnknownNameError
from kptdata.transforms import (
    EFFECTS,
    TRANSFORMS,
    Augmentation,
    Draw,
    build_transform,
    effect_from_dict,
    effect_to_dict,
)
from kptdata.transforms.effects import (
    ApplyBlur,
    ApplyColour,
    ApplyHoles,
    ApplyHSV,
    ApplyLighting,
    ApplyNoise,
)

COUNT = 2000


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (32, 24, 3), dtype=np.uint8)


def effects(name, count=COUNT, **options):
    rng = np.random.default_rng(3)
    transform = build_transform({"type": name, **options})
    return [transform.draw(rng) for _ in range(count)]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_can_be_saved_and_done_again(name, image):
    before = image.copy()
    for effect in effects(name, 20, prob=1.0):
        again = effect_from_dict(json.loads(json.dumps(effect_to_dict(effect))))
        assert again == effect
        changed = effect.apply(image)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert changed.flags.c_contiguous
        np.testing.assert_array_equal(again.apply(image), changed)
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_has_a_chance(name):
    drawn = effects(name, prob=0.3)
    assert abs(np.mean([e is not None for e in drawn]) - 0.3) < 0.05
    assert not any(effects(name, 50, prob=0.0))
    with pytest.raises(OptionError, match=r"prob: expected a chance in 0..1"):
        build_transform({"type": name, "prob": 1.2})
    with pytest.raises(UnknownNameError, match=f"argument of {name} 'prb': did you mean prob"):
        build_transform({"type": name, "prb": 0.5})


def test_near_names():
    with pytest.raises(UnknownNameError, match="did you mean CoarseDropout"):
        build_transform({"type": "CoarseDropOut2"})
    with pytest.raises(OptionError, match="type: missing; choose from Blur"):
        build_transform({"prob": 1})
    with pytest.raises(UnknownNameError, match="unknown effect 'blurr': did you mean blur"):
        effect_from_dict({"type": "blurr"})
    with pytest.raises(OptionError, match=r"effect blur: .*size"):
        effect_from_dict({"type": "blur", "size": 3})
    assert set(EFFECTS) == {"blur", "colour", "holes", "hsv", "lighting", "noise"}


def test_photometric_ranges():
    drawn = effects("PhotometricDistortion")
    assert abs(np.mean([e.brightness != 0 for e in drawn]) - 0.5) < 0.05
    assert 30 < max(abs(e.brightness) for e in drawn) <= 32
    changed = [e.contrast for e in drawn if e.contrast != 1]
    assert abs(len(changed) / COUNT - 0.5) < 0.05
    assert 0.5 <= min(changed) < 0.55
    assert 1.45 < max(changed) <= 1.5
    assert abs(np.mean([e.saturation != 1 for e in drawn]) - 0.5) < 0.05
    assert {e.hue for e in drawn} == set(range(-18, 19))
    # Half of the time the channels are put in one of six orders.
    assert abs(np.mean([e.channels != (0, 1, 2) for e in drawn]) - 0.5 * 5 / 6) < 0.05
    assert abs(np.mean([e.contrast_last for e in drawn]) - 0.5) < 0.05


def test_hsv_jitter_ranges():
    drawn = effects("HSVJitter", hue_delta=5, saturation_delta=30, value_delta=20)
    for name, most in [("hue", 5), ("saturation", 30), ("value", 20)]:
        values = [getattr(e, name) for e in drawn]
        assert max(map(abs, values)) == most - 1  # cut off toward 0, as in the reference
        assert 0.45 < np.mean([v == 0 for v in values]) < 0.65


def test_lighting_follows_its_formula():
    drawn = np.array([e.rgb for e in effects("PCALighting", 20_000, alpha_std=0.1)])
    vectors = build_transform({"type": "PCALighting"}).eigenvectors
    along = drawn @ np.array(vectors)
    expected = 0.1 * np.array([55.4625, 4.7940, 1.1475])
    np.testing.assert_allclose(along.std(axis=0), expected, rtol=0.03)
    assert np.abs(along.mean(axis=0)).max() < 0.15


def test_noise_is_normal_and_its_own(image):
    grey = np.full((128, 128, 3), 128, np.uint8)
    noise = ApplyNoise(8.0, seed=4).apply(grey).astype(float) - 128
    assert abs(noise.std() - 8) < 0.2
    assert abs(noise.mean()) < 0.2
    assert (ApplyNoise(8.0, seed=5).apply(image) != ApplyNoise(8.0, seed=4).apply(image)).any()


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (ApplyColour(), [100, 150, 200]),
        (ApplyColour(brightness=20), [120, 170, 220]),
        (ApplyColour(contrast=1.5), [150, 225, 255]),
        (ApplyColour(contrast=1.5, contrast_last=True), [150, 225, 255]),
        (ApplyColour(contrast=1.1, reference=True), [100, 150, 200]),
        (ApplyColour(contrast=1.1, contrast_last=True, reference=True), [121, 181, 242]),
        (ApplyColour(channels=(2, 0, 1)), [200, 100, 150]),
        (ApplyColour(saturation=0.0), [200, 200, 200]),
        (ApplyColour(hue=60), [200, 100, 150]),
        (ApplyColour(hue=-120), [200, 100, 150]),
        (ApplyHSV(value=30), [115, 172, 230]),
        (ApplyLighting((1.4, -1.6, 100.0)), [101, 148, 255]),
        (ApplyBlur(3), [100, 150, 200]),
        (ApplyHoles(((0.0, 0.0, 1.0, 1.0),), (1, 2, 3)), [1, 2, 3]),
    ],
    ids=str,
)
def test_effects_of_one_colour(effect, expected):
    image = np.full((9, 9, 3), (100, 150, 200), np.uint8)
    # Through HSV and back a level of 255 may go astray.
    assert np.abs(effect.apply(image)[4, 4].astype(int) - expected).max() <= 1


def test_dropout_paints_its_rectangles(image):
    effect = ApplyHoles(((0.25, 0.5, 0.5, 0.25),), (7, 8, 9))
    changed = effect.apply(image)
    assert (changed[16:24, 6:18] == (7, 8, 9)).all()
    changed[16:24, 6:18] = image[16:24, 6:18]
    np.testing.assert_array_equal(changed, image)


def test_dropout_stays_inside():
    for effect in effects("CoarseDropout", prob=1.0, holes=[1, 3], size=[0.2, 0.4]):
        assert 1 <= len(effect.holes) <= 3
        for left, top, width, height in effect.holes:
            assert min(left, top) >= 0
            assert max(left + width, top + height) <= 1 + 1e-12
            assert 0.2 <= min(width, height) <= max(width, height) <= 0.4


@pytest.mark.parametrize(
    ("kind", "width"), [("box", 3), ("gaussian", 3), ("median", 0), ("motion", 3)]
)
def test_blurs_spread_a_point(kind, width):
    image = np.zeros((15, 15, 3), np.uint8)
    image[7, 7] = 255
    spread = ApplyBlur(3, kind).apply(image)[7, :, 0] > 0
    assert spread.sum() == width


def test_a_motion_blur_has_a_direction():
    image = np.zeros((15, 15, 3), np.uint8)
    image[7, 7] = 255
    upright = ApplyBlur(5, "motion", 90.0).apply(image)[..., 0] > 20
    assert upright.any(axis=1).sum() == 5
    assert upright.any(axis=0).sum() == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Blur", {"kernel": [2, 4]}, "kernel: expected positive odd numbers"),
        ("Blur", {"kernel": [5, 3]}, "kernel: expected two numbers in order"),
        ("GaussianNoise", {"sigma": [3, 1]}, "sigma: expected two numbers in order"),
        ("CoarseDropout", {"size": [0.2, 1.4]}, "size: expected fractions"),
        ("CoarseDropout", {"holes": [0, 2]}, "holes: expected positive numbers"),
        ("PhotometricDistortion", {"contrast_range": [1.5, 0.5]}, "contrast_range: expected two"),
    ],
)
def test_ranges_that_make_no_sense(name, options, message):
    with pytest.raises(OptionError, match=message):
        build_transform({"type": name, **options})


# Draws


def test_a_draw_is_plain_data():
    augmentation = Augmentation(
        flip=0.5, half_body=0.3, scale=(0.5, 1.5), rotation=80, shift=0.16,
        flip_direction="vertical",
        pixels=tuple({"type": name, "prob": 0.8} for name in TRANSFORMS),
    )  # fmt: skip
    for seed in range(100):
        draw = augmentation.draw(np.random.default_rng(seed))
        assert Draw.from_json(draw.to_json()) == draw
        assert draw == augmentation.draw(np.random.default_rng(seed))
    json.dumps(draw.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("{", OptionError, "draw: expected JSON"),
        ('{"rotaton": 3}', UnknownNameError, "key of a draw 'rotaton': did you mean rotation"),
        ('{"direction": "up"}', UnknownNameError, "unknown direction 'up'"),
        ('{"effects": [{"type": "glow"}]}', UnknownNameError, "unknown effect 'glow'"),
    ],
)
def test_a_draw_that_is_none(text, kind, message):
    with pytest.raises(kind, match=message):
        Draw.from_json(text)


def test_an_effect_is_a_dataclass():
    with pytest.raises(OptionError, match="effect: expected a dataclass"):
        effect_to_dict("blur")

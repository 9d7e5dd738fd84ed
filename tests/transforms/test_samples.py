"""Typed samples: spaces and the ways between them, targets, weights, predictions back."""

from __future__ import annotations

import numpy as np
import pytest

from kptdata import codecs, load_schema
from kptdata.errors import OptionError
from kptdata.transforms import (
    Augmentation,
    Draw,
    Instances,
    Meta,
    PlainCrop,
    encode_target,
    make_sample,
    standard_augmentation,
)

COCO = load_schema("coco")
SIZE = (320, 240)
CODECS = {
    "msra": {"type": "MSRAHeatmap", "input_size": (96, 128), "heatmap_size": (24, 32), "sigma": 2},
    "udp": {"type": "UDPHeatmap", "input_size": (96, 128), "heatmap_size": (24, 32)},
    "megvii": {
        "type": "MegviiHeatmap", "input_size": (96, 128), "heatmap_size": (24, 32),
        "kernel_size": 5,
    },
    "simcc": {"type": "SimCCLabel", "input_size": (96, 128)},
    "regression": {"type": "RegressionLabel", "input_size": (96, 128)},
}  # fmt: skip


@pytest.fixture(params=CODECS)
def codec(request):
    return codecs.from_config(CODECS[request.param])


@pytest.fixture
def person(rng):
    labelled = rng.random((1, 17)) < 0.8
    xy = np.where(labelled[..., None], rng.uniform((90, 70), (200, 180), (1, 17, 2)), np.nan)
    return Instances(xy, labelled, np.array([[80.0, 60, 130, 130]]))


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)


def test_predictions_come_back_under_their_names(codec, person, image, rng):
    augmentation = standard_augmentation(rotation=40, scale=(0.8, 1.2))
    low, high = np.array(codec.bound.border), np.array(codec.input_size) - 1 - codec.bound.border
    for _ in range(5):
        sample = make_sample(image, person, augmentation.draw(rng), codec, COCO)
        decoded = codec.decode(*codec.as_output(sample.target))
        raw = sample.spaces.predicted(decoded)
        inside = ((sample.instances.xy >= low) & (sample.instances.xy <= high)).all(axis=-1)
        good = sample.spaces.geometry.inverse.renamed(inside)
        pixel = np.linalg.norm(sample.spaces.geometry.inverse.matrix[:, :2], 2)
        error = np.abs(raw.xy - person.xy)[good]
        assert good.any()
        assert error.max() <= pixel * np.hypot(*codec.bound.error) + 1e-3


def test_perfect_predictions_come_back_exactly(codec, person, image, rng):
    augmentation = standard_augmentation()
    for _ in range(20):
        sample = make_sample(image, person, augmentation.draw(rng), codec, COCO)
        perfect = codecs.DecodedKeypoints(
            sample.instances.xy, sample.instances.labelled.astype(float), np.ones(1)
        )
        raw = sample.spaces.predicted(perfect)
        np.testing.assert_allclose(raw.xy, person.xy, atol=1e-6)
        np.testing.assert_array_equal(raw.score > 0, person.labelled)


def test_spaces_there_and_back(codec, person, image, rng):
    spaces = make_sample(image, person, Draw(flip=True, rotation=20), codec, COCO).spaces
    xy = rng.uniform(0, 200, (50, 2))
    np.testing.assert_allclose(spaces.input_to_raw(spaces.raw_to_input(xy)), xy, atol=1e-9)
    if not hasattr(codec, "stride"):
        with pytest.raises(OptionError, match="stride: this codec has no heatmaps"):
            spaces.raw_to_output(xy)
        return
    np.testing.assert_allclose(spaces.output_to_raw(spaces.raw_to_output(xy)), xy, atol=1e-9)
    np.testing.assert_allclose(
        spaces.input_to_output(spaces.raw_to_input(xy)), spaces.raw_to_output(xy)
    )


@pytest.mark.parametrize("name", ["msra", "udp", "megvii"])
def test_the_highest_cell_is_where_output_space_says(name, person, image):
    codec = codecs.from_config(CODECS[name])
    sample = make_sample(image, person, Draw(), codec, COCO)
    cells = sample.spaces.input_to_output(sample.instances.xy[0])
    for keypoint in np.flatnonzero(person.labelled[0]):
        peak = sample.target.heatmaps[keypoint].argmax()
        y, x = np.unravel_index(peak, sample.target.heatmaps.shape[1:])
        assert np.abs(cells[keypoint] - (x, y)).max() <= 0.5 + 1e-6


def test_one_warp_then_effects(person, image):
    draw = Augmentation(pixels=({"type": "CoarseDropout", "prob": 1.0},)).draw(
        np.random.default_rng(0)
    )
    plain = make_sample(image, person, draw._replace(effects=()), PlainCrop((96, 128)), COCO)
    dropped = make_sample(image, person, draw, PlainCrop((96, 128)), COCO)
    np.testing.assert_array_equal(dropped.image, draw.effects[0].apply(plain.image))
    np.testing.assert_array_equal(plain.image, plain.spaces.geometry.image(image))
    assert plain.target is None
    assert plain.meta == Meta()


def weights_of(target):
    return target.keypoint_weights[0]


@pytest.mark.parametrize("several", [False, True], ids=["one", "list"])
def test_schema_weights_multiply_every_target(several, person, image):
    tables = [CODECS["msra"], CODECS["regression"]]
    codec = codecs.from_config(tables if several else tables[0])
    made = {}
    for used in (True, False):
        augmentation = Augmentation(use_schema_weights=used)
        target = make_sample(image, person, Draw(), codec, COCO, augmentation=augmentation).target
        made[used] = target if several else (target,)
    assert (COCO.weights != 1).any()
    for weighed, plain in zip(made[True], made[False], strict=True):
        assert weights_of(plain).any()
        np.testing.assert_allclose(weights_of(weighed), weights_of(plain) * COCO.weights, rtol=1e-6)


def test_a_codec_is_given_what_it_names():
    class Asks:
        def encode(self, xy, labelled, *, weight=None, area):
            return xy, weight, area

    xy, labelled = np.zeros((1, 2, 2), np.float32), np.ones((1, 2), bool)
    assert encode_target(Asks(), xy, labelled, {"area": 5, "bbox": 1})[1:] == (None, 5)
    with pytest.raises(OptionError, match="codec: Asks needs area, which these samples lack"):
        encode_target(Asks(), xy, labelled, {"bbox": 1})


def test_nothing_that_goes_in_is_changed(person, image, codec):
    before = [image.copy(), *(column.copy() for column in person)]
    make_sample(image, person, Draw(flip=True, half_body=True, rotation=9), codec, COCO)
    for then, now in zip(before, [image, *person], strict=True):
        np.testing.assert_array_equal(then, now)


def test_one_person_at_a_time(person, image):
    two = Instances(*(np.concatenate([column, column]) for column in person))
    with pytest.raises(OptionError, match="person: expected one, got 2"):
        make_sample(image, two, Draw(), PlainCrop((96, 128)), COCO)

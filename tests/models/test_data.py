"""Top-down samples: one warp that agrees with the points, draws that depend on nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from kptdata import ImageTable, PoseDataset, codecs, load_schema
from kptdata.errors import DatasetError, FileError, OptionError
from kptdata_models.data import (
    Augmentation,
    Draw,
    TopdownDataset,
    encode_target,
    read_image,
    usable_instances,
)

CODEC = codecs.build("MSRAHeatmap", input_size=(48, 64), heatmap_size=(24, 32), sigma=1.0)
SCHEMA = load_schema("coco")


@pytest.fixture
def dots(tmp_path):
    """Give one image with a bright dot at each of three keypoints, and its dataset."""
    import cv2

    image = np.zeros((120, 160, 3), np.uint8)
    xy = np.full((1, 17, 2), np.nan)
    xy[0, :3] = [[60, 40], [80, 50], [50, 70]]
    visibility = np.where(np.isfinite(xy[..., 0]), 2, 0).astype(np.uint8)
    for x, y in xy[0, :3].astype(int):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    cv2.imwrite(str(tmp_path / "dots.png"), image)
    dataset = PoseDataset(
        schema=SCHEMA,
        images=ImageTable.of(["dots.png"], width=[160], height=[120]),
        image=np.zeros(1, int),
        xy=xy,
        visibility=visibility,
        bbox=np.array([[40.0, 30, 50, 50]]),
    )
    return TopdownDataset(dataset, tmp_path, CODEC)


def bright(image, place):
    x, y = np.round(place).astype(int)
    return image[:, y, x].mean()


@pytest.mark.parametrize(
    "draw",
    [
        Draw(),
        Draw(flip=True),
        Draw(scale=1.3, rotation=30.0),
        Draw(flip=True, scale=0.9, rotation=-20.0, shift=(0.05, -0.08)),
        Draw(half_body=True),
    ],
    ids=["plain", "flip", "rotate", "all", "half"],
)
def test_pixels_and_target_agree(dots, draw):
    dots.augmentation = Augmentation(half_body_min=2)
    sample = dots.sample(0, draw)

    assert sample.image.shape == (3, 64, 48)
    found = CODEC.decode(sample.target.heatmaps).xy[0]
    names = [0, 2, 1] if draw.flip else [0, 1, 2]
    truth = dots.dataset.xy[0, :3] @ sample.matrix[:, :2].T + sample.matrix[:, 2]
    for keypoint, place in zip(names, truth, strict=True):
        assert sample.target.keypoint_weights[0, keypoint] == 1
        assert np.abs(found[keypoint] - place).max() <= 1.5
        assert bright(sample.image, place) > 100
    assert not sample.target.keypoint_weights[0, 3:].any()


def test_a_flipped_sample_is_the_mirrored_sample(dots):
    plain, flipped = dots.sample(0, Draw()), dots.sample(0, Draw(flip=True))
    place = dots.dataset.xy[0, 0]
    x, y = plain.matrix[:, :2] @ place + plain.matrix[:, 2]
    mirrored = flipped.matrix[:, :2] @ place + flipped.matrix[:, 2]
    # This codec's crops put the middle of a box at half of the 48 columns, flipped or not.
    np.testing.assert_allclose(mirrored, [48 - x, y], atol=1e-9)


def test_a_sample_depends_on_seed_epoch_and_position_alone(dots):
    dots.augmentation = Augmentation(flip=0.5, rotation=40, scale=(0.7, 1.3), shift=0.1)
    first = dots[3, 0]
    np.testing.assert_array_equal(dots[3, 0].image, first.image)
    assert (dots[4, 0].matrix != first.matrix).any()
    dots.seed = 1
    assert (dots[3, 0].matrix != first.matrix).any()


def test_draws_stay_in_their_ranges():
    augmentation = Augmentation(
        flip=0.3, half_body=0.2, scale=(0.5, 1.5), rotation=40, rotation_prob=0.6, shift=0.16
    )
    draws = [augmentation.draw(np.random.default_rng(i)) for i in range(400)]
    assert 0.2 < np.mean([d.flip for d in draws]) < 0.4
    assert 0.3 < np.mean([d.rotation == 0 for d in draws]) < 0.5
    assert 0.5 <= min(d.scale for d in draws) < 0.7
    assert 30 < max(abs(d.rotation) for d in draws) <= 40
    assert 0.1 < max(abs(d.shift[0]) for d in draws) <= 0.16


def test_nothing_varies_by_default():
    assert Augmentation().draw(np.random.default_rng(0))._replace(upper=True) == Draw()


def test_schema_weights_are_applied(dots):
    weights = SCHEMA.weights
    target = dots.sample(0, Draw()).target
    np.testing.assert_allclose(target.keypoint_weights[0, :3], weights[:3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip": 1.5}, "flip: expected a chance"),
        ({"scale": (1.2, 0.8)}, "scale: expected two positive factors in order"),
    ],
)
def test_augmentation_refuses(options, message):
    with pytest.raises(OptionError, match=message):
        Augmentation(**options)


def test_flips_need_pairs(dots, tmp_path):
    from kptdata import Schema

    nobody = dots.dataset.replace(schema=Schema.from_names(SCHEMA.names, name="fly"))
    with pytest.raises(OptionError, match=r"data.transform.flip: schema 'fly' pairs no left"):
        TopdownDataset(nobody, tmp_path, CODEC, augmentation=Augmentation(flip=0.5))


def test_a_codec_is_given_what_it_names():
    class Asks:
        def encode(self, xy, labelled, *, weight=None, area):
            return xy, weight, area

    xy, labelled = np.zeros((1, 2, 2), np.float32), np.ones((1, 2), bool)
    assert encode_target(Asks(), xy, labelled, {"area": 5, "bbox": 1})[1:] == (None, 5)
    with pytest.raises(OptionError, match="codec: Asks needs area"):
        encode_target(Asks(), xy, labelled, {"bbox": 1})


def test_images_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileError, match="no such image"):
        read_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(FileError, match="not an image"):
        read_image(tmp_path / "text.png")


def test_unusable_instances_are_counted_by_rule(dots):
    row = dots.dataset
    many = row[[0, 0, 0, 0]].replace(
        bbox=np.array([[0, 0, 9, 9], [0, 0, 0, 9], [np.nan] * 4, [0, 0, 9, 9]], float),
        iscrowd=np.array([0, 0, 0, 1], np.int8),
        id=np.arange(4),
    )
    kept, ledger = usable_instances(many)
    assert kept.ids.tolist() == [0]
    assert dict(ledger.skipped) == {
        "no box with area": (1, 2),
        "a crowd": (3,),
    }
    with pytest.raises(DatasetError, match="no instance can be used: 1 in, 0 kept"):
        usable_instances(many[[1]])

"""Targets of every codec of the table as pictures, read from a dataset's columns."""

from __future__ import annotations

import numpy as np
import pytest
from codec_cases import make

import kptdata as kd
from kptdata.codecs import CODECS, build, sample_fields
from kptdata.viz import draw_targets, target_gallery
from kptdata.viz._encoded import encode_image, encode_instance
from kptdata.viz._fields import People, depth, fields_of

SIDE = 128
HANDS, BODY = "interhand3d", "h36m"


def columns(schema, count):
    """Two instances of one image with everything that any codec asks for."""
    rng = np.random.default_rng(0)
    keypoints = schema.num_keypoints
    xyz = rng.normal((0, 0, 4000), 60, (count, keypoints, 3))
    matrix = np.array([[1000.0, 0, 64], [0, 1100, 60], [0, 0, 1]])
    return {
        "schema": schema,
        "images": kd.ImageTable.of(["a"], width=[SIDE], height=[SIDE], camera=[0]),
        "image": np.zeros(count, np.intp),
        "xy": rng.uniform(20, 100, (count, keypoints, 2)),
        "visibility": np.full((count, keypoints), 2, np.uint8),
        "xyz": xyz,
        "bbox": np.tile([15.0, 15, 90, 90], (count, 1)),
        "area": np.full(count, 4000.0),
        "cameras": kd.CameraTable(
            ["c"], matrix[None], np.eye(3)[None], np.zeros((1, 3)), np.zeros((1, 5))
        ),
        "space": kd.Space(unit="mm"),
        "numbers": {
            "rel_root_depth": np.full(count, 30.0),
            "rel_root_valid": np.ones(count),
            "hand_type": np.tile([1.0, 0.0], (count, 1)),
            "hand_type_valid": np.ones(count),
        },
    }


def people(codec, **changes):
    schema = kd.load_schema(HANDS if "hand_type" in sample_fields(codec).required else BODY)
    return kd.PoseDataset(**(columns(schema, 2) | changes))


IMAGE = np.full((SIDE, SIDE, 3), 70, np.uint8)
NEEDS = [
    ("EDPoseLabel", {}, "bbox"),
    ("EDPoseLabel", {}, "area"),
    ("Hand3DHeatmap", {}, "bbox"),
    ("Hand3DHeatmap", {}, "xyz"),
    ("Hand3DHeatmap", {}, "numbers"),
    ("ImagePoseLifting", {}, "xyz"),
    ("MotionBERTLabel", {}, "xyz"),
    ("MotionBERTLabel", {}, "cameras"),
    ("VideoPoseLifting", {}, "xyz"),
    ("VideoPoseLifting", {"normalize_camera": True}, "cameras"),
]


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_has_a_picture_of_its_targets(name):
    codec = make(name, 17)
    dataset = people(codec)
    picture = draw_targets(IMAGE, dataset, 1, codec, title="instance")
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.std() > 5
    assert (picture == draw_targets(IMAGE, dataset, 1, codec, title="instance")).all()


@pytest.mark.parametrize(("name", "params", "column"), NEEDS)
def test_a_missing_column_is_named_with_its_codec_and_a_way_out(name, params, column):
    codec = make(name, 17, **params)
    lacking = people(codec, **{column: {} if column == "numbers" else None})
    told = rf"codec {name} needs .* no {column}.*; .*(dataset\.replace\(|kptdata\.ops\.with_boxes)"
    if column == "bbox" and hasattr(codec, "crop"):
        told = r"no box to crop by; kptdata\.ops\.with_boxes makes one"
    with pytest.raises(kd.DatasetError, match=told):
        draw_targets(IMAGE, lacking, 0, codec)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ImagePoseLifting", {"remove_root": True, "concat_vis": True}),
        ("ImagePoseLifting", {"reshape_keypoints": False}),
        ("VideoPoseLifting", {"normalize_camera": True, "remove_root": True}),
        ("MotionBERTLabel", {"mode": "train", "concat_vis": True}),
        ("Hand3DHeatmap", {"joint_indices": (0, 5, 20)}),
    ],
)
def test_switches_of_codecs_are_drawn_too(name, params):
    codec = make(name, 17, **params)
    dataset = people(codec)
    some = dataset.schema.names[:4]
    assert draw_targets(IMAGE, dataset, 0, codec, keypoints=some).std() > 5


def test_unlabelled_points_are_left_out():
    codec = make("MotionBERTLabel", 17)
    whole = people(codec)
    xy, xyz, seen = whole.xy.copy(), whole.xyz.copy(), whole.visibility.copy()
    xy[0, 3:6], xyz[0, 3:6], seen[0, 3:6] = np.nan, np.nan, 0
    partly = whole.replace(xy=xy, xyz=xyz, visibility=seen)
    drawn = draw_targets(IMAGE, partly, 0, codec)
    assert (drawn != draw_targets(IMAGE, whole, 0, codec)).any()


def test_video_lifting_without_the_camera_needs_the_images_size_alone():
    codec = make("VideoPoseLifting", 17)
    assert draw_targets(IMAGE, people(codec, cameras=None), 0, codec).std() > 5


def test_fields_are_what_the_columns_say():
    codec = build("VideoPoseLifting", num_keypoints=17, normalize_camera=True)
    dataset = people(codec)
    row = People(codec, dataset, np.array([1]), (SIDE, SIDE))
    fields = fields_of(row)
    assert (fields["lifting_target"] == dataset.xyz[1:]).all()
    assert fields["camera"].focal.tolist() == [1000, 1100]
    assert fields["camera"].center.tolist() == [64, 60]

    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    cameras = kd.CameraTable(
        ["c"], dataset.cameras.intrinsics, turn[None], np.array([[1.0, 2, 3]]), np.zeros((1, 0))
    )
    world = dataset.replace(cameras=cameras, space=kd.Space(unit="mm", frame="world"))
    moved = fields_of(People(codec, world, np.array([1]), (SIDE, SIDE)))["lifting_target"]
    x, y, z = np.moveaxis(dataset.xyz[1], -1, 0)
    np.testing.assert_allclose(moved[0], np.column_stack([1 - y, 2 + x, 3 + z]))


def test_depth_counts_millimetres_from_each_hands_own_wrist():
    codec = make("Hand3DHeatmap", 42)
    dataset = people(codec)
    z = depth(People(codec, dataset, np.array([0]), (SIDE, SIDE)))[0]
    names, given = dataset.schema.names, dataset.xyz[0, :, 2]
    for hand in ("left", "right"):
        wrist, tip = names.index(f"{hand}_wrist"), names.index(f"{hand}_thumb4")
        assert z[wrist] == 0
        assert z[tip] == pytest.approx(given[tip] - given[wrist])
    metres = dataset.replace(xyz=dataset.xyz / 1000, space=kd.Space(unit="m"))
    np.testing.assert_allclose(depth(People(codec, metres, np.array([0]), (SIDE, SIDE)))[0], z)
    encoded = encode_instance(IMAGE, dataset, 0, codec)
    np.testing.assert_allclose(encoded.depth, z)


def test_a_whole_image_is_encoded_with_the_instance_first():
    codec = make("EDPoseLabel", 17)
    target, row = encode_image(IMAGE, people(codec), 1, codec)
    assert row.rows.tolist() == [1, 0]
    assert target.bbox.shape == (2, 4)


class WithAge:
    """A plug-in's codec that asks for a number of its own."""

    def encode(self, xy, labelled, *, age):
        return (np.where(labelled, xy[..., 0], 0.0), age)


def test_a_plug_ins_codec_is_drawn_field_by_field_from_numbers():
    dataset = people(WithAge())
    with pytest.raises(kd.DatasetError, match=r"WithAge needs age.*numbers\['age'\]"):
        draw_targets(IMAGE, dataset, 0, WithAge())
    aged = dataset.replace(numbers={"age": np.array([3.0, 4.0])})
    assert draw_targets(IMAGE, aged, 0, WithAge()).std() > 5


def test_the_gallery_draws_codecs_without_crops(tmp_path):
    codec = make("ImagePoseLifting", 17)
    gallery = target_gallery(people(codec), tmp_path, codec, plain=True)
    assert len(gallery.files) == 2

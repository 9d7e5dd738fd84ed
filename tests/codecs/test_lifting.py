"""Lifting: roots off and on again, cameras, and MotionBERT's two kinds of labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from codec_cases import encode, sample

from kptdata import codecs
from kptdata.errors import ArrayError


@pytest.fixture
def target():
    return np.arange(24.0).reshape(2, 4, 3) ** 1.5


def lift(codec, target, xy=None, visible=None, **more):
    shape = target.shape[:-1]
    return codec.encode(
        np.zeros((*shape, 2)) if xy is None else xy,
        np.ones(shape, bool),
        lifting_target=target,
        lifting_target_visible=np.ones(shape, bool) if visible is None else visible,
        **more,
    )


@pytest.mark.parametrize("root", [0, 2, (1, 3)])
@pytest.mark.parametrize("remove", [False, True])
def test_the_root_comes_off_and_on_again(root, remove, target, asarray):
    codec = codecs.ImagePoseLifting(4, root, remove_root=remove, save_index=True)

    label = lift(codec, target)
    decoded = codec.decode(asarray(label.lifting_target_label), asarray(label.target_root))

    removed = remove and root != (1, 3)
    np.testing.assert_allclose(label.target_root, target[:, np.atleast_1d(root)].mean(1))
    assert label.lifting_target_label.shape == (2, 3 if removed else 4, 3)
    assert label.lifting_target_weight.shape == (2, 3 if removed else 4)
    assert codec.target_root_index == (root if removed else None)
    np.testing.assert_allclose(decoded.xy, target)


def test_unknown_targets_weigh_nothing(target):
    target[0, 1] = math.nan
    label = lift(codecs.ImagePoseLifting(4), target)

    assert label.lifting_target_weight.tolist() == [[1, 0, 1, 1], [1, 1, 1, 1]]
    assert np.isfinite(label.lifting_target_label).all()


def test_means_and_deviations_are_taken_off(target):
    ones, twos = np.ones((4, 2)), np.full((4, 2), 2)
    codec = codecs.ImagePoseLifting(
        4,
        keypoints_mean=ones,
        keypoints_std=twos.tolist(),
        target_mean=[[3.0] * 3] * 4,
        target_std=[[2.0] * 3] * 4,
    )
    xy = np.arange(16.0).reshape(2, 4, 2)

    label = lift(codec, target, xy)

    expected = ((xy - 1) / 2).transpose(1, 2, 0).reshape(8, 2)
    np.testing.assert_allclose(label.keypoint_labels, expected)
    np.testing.assert_allclose(codec.decode(*codec.as_output(label)).xy, target)
    assert hash(codec)


def test_video_inputs_are_half_image_widths_about_the_middle(target, asarray):
    camera = codecs.Camera(*(np.array(v, float) for v in ((640, 480), (1000, 900), (330, 250))))
    codec = codecs.VideoPoseLifting(
        4, reshape_keypoints=False, concat_vis=True, normalize_camera=True
    )
    xy = np.broadcast_to(np.array([640.0, 0]), (2, 4, 2))

    label = lift(codec, target, xy, camera=camera)

    np.testing.assert_allclose(label.keypoint_labels[0, 0], [1, -0.75, 1])
    np.testing.assert_allclose(label.focal, [1000 / 320, 900 / 320])
    np.testing.assert_allclose(label.center, [10 / 320, 10 / 320])


def test_video_without_zero_centre_keeps_the_target(target):
    camera = codecs.Camera(np.array([640.0, 480]), np.ones(2), np.ones(2))

    label = lift(codecs.VideoPoseLifting(4, zero_center=False), target, camera=camera)

    np.testing.assert_array_equal(label.lifting_target_label, target)
    assert not label.target_root.any()


@pytest.mark.parametrize("given_factor", [False, True])
def test_a_decoded_train_label_is_the_test_label(given_factor, rng):
    train, test = (codecs.MotionBERTLabel(17, mode=mode) for mode in ("train", "test"))
    drawn = sample(train, rng, lead=(3,), people=5, dtype="float64")
    more = {"factor": np.full((3, 5, 1), 2.5)} if given_factor else {}
    size = np.broadcast_to(drawn.fields["camera"].image_size[:, None], (3, 5, 2))

    trained, tested = encode(train, drawn, **more), encode(test, drawn, **more)
    decoded = train.decode(trained.lifting_target_label, image_size=size, factor=trained.factor)

    np.testing.assert_allclose(decoded.xy, tested.lifting_target_label, atol=1e-12)
    np.testing.assert_array_equal(trained.factor, tested.factor)


def test_motionbert_projects_with_the_camera_and_without_takes_targets_as_they_are(target):
    target = target + 5
    known = codecs.Camera(*(np.array(v, float) for v in ((1000, 800), (1100, 1200), (500, 400))))
    unknown = known._replace(focal=np.full(2, math.nan))
    codec = codecs.MotionBERTLabel(4)

    projected = lift(codec, target, camera=known)
    as_is = lift(codec, target, camera=unknown)

    ratio = (2 * 1.1 / target[:, 0, 2] + 0.001) / 2
    flat = target[..., :2] / target[..., 2:] * [1.1, 1.2]
    depth = (target[..., 2] - target[:, :1, 2]) * ratio[:, None]
    np.testing.assert_allclose(projected.factor[:, 0], 1 / ratio)
    expected = np.concatenate([flat - flat[:, :1], depth[..., None]], -1) / ratio[:, None, None]
    np.testing.assert_allclose(projected.lifting_target_label, expected, atol=1e-12)
    np.testing.assert_allclose(as_is.lifting_target_label, 4 * (target - target[:, :1]))


def test_a_root_of_another_shape_is_refused(target):
    codec = codecs.ImagePoseLifting(4)

    with pytest.raises(ArrayError, match=r"target_root: expected shape \(2, 3\)"):
        codec.decode(target, np.zeros(3))
    with pytest.raises(ArrayError, match="lifting_target_visible: expected bool"):
        lift(codec, target, visible=np.ones((2, 4)))

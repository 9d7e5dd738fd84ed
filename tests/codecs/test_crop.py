"""The crop rule: there and back, padding and aspect, and no crop of another convention."""

from __future__ import annotations

import math

import numpy as np
import pytest
from codec_cases import plain
from hypothesis import given
from hypothesis import strategies as st

from kptdata import codecs
from kptdata.errors import ArrayError, OptionError

PLAIN = codecs.MSRAHeatmap((96, 128), (24, 32), 2.0)
UDP = codecs.UDPHeatmap((96, 128), (24, 32))
each_rule = pytest.mark.parametrize("codec", [PLAIN, UDP], ids=["plain", "udp"])


@each_rule
@given(
    st.floats(-500, 500), st.floats(1, 900), st.floats(1, 900), st.floats(-180, 180),
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
)  # fmt: skip
def test_there_and_back(codec, corner, width, height, rotation, shift):
    box = np.array([corner, -corner, width, height])
    xy = np.array([[0.0, 0], [corner, 3], [1000, -1000]])

    crop = codec.crop(box, rotation=rotation, shift=shift)

    np.testing.assert_allclose(crop.to_image(crop.to_input(xy)), xy, atol=1e-8)


def test_a_box_of_the_right_shape_fills_the_crop_but_for_the_padding():
    box = np.array([10.0, 20, 96, 128])

    same = PLAIN.crop(box, padding=1.0)
    padded = PLAIN.crop(box)

    np.testing.assert_allclose(same.matrix, [[1, 0, -10], [0, 1, -20]], atol=1e-12)
    np.testing.assert_allclose(padded.matrix[:, :2], np.eye(2) / 1.25)
    np.testing.assert_allclose(padded.to_input(np.array([[58.0, 84]])), [[48, 64]])


def test_udp_takes_edges_to_the_first_and_last_pixel():
    crop = UDP.crop(np.array([10.0, 20, 96, 128]), padding=1.0)

    edges = crop.to_input(np.array([[10.0, 20], [106, 148]]))

    np.testing.assert_allclose(edges, [[0, 0], [95, 127]], atol=1e-9)


@each_rule
def test_narrow_and_wide_boxes_keep_their_shape(codec, asarray):
    boxes = np.array([[0.0, 0, 300, 10], [0, 0, 10, 300]])

    crop = codec.crop(asarray(boxes), padding=1.0)
    ends = plain(crop.to_input(asarray(np.array([[[0.0, 5], [300, 5]], [[5, 0], [5, 300]]]))))

    assert str(crop.matrix.dtype).endswith("float64")
    assert (ends >= -1e-6).all()
    np.testing.assert_allclose(ends[0, 1, 0] - ends[0, 0, 0], 95 if codec.udp else 96)
    np.testing.assert_allclose(ends[1, 1, 1] - ends[1, 0, 1], 127 if codec.udp else 128)


@each_rule
def test_a_positive_angle_turns_the_picture_anticlockwise(codec):
    crop = codec.crop(np.array([0.0, 0, 96, 128]), rotation=90.0, padding=1.0)

    right_of_centre = crop.to_input(np.array([[48.0, 64], [58, 64]]))

    assert right_of_centre[1, 1] < right_of_centre[0, 1] - 5


@each_rule
def test_the_shift_is_a_fraction_of_the_padded_region(codec):
    box = np.array([0.0, 0, 96, 128])

    moved = codec.crop(box, shift=(0.1, 0.0)).to_image(np.array([[48.0, 64]]))
    still = codec.crop(box).to_image(np.array([[48.0, 64]]))

    np.testing.assert_allclose(moved - still, [[12, 0]], atol=1e-9)


@pytest.mark.parametrize("box", [[3, 4, 0, 0], [math.nan] * 4, [0, 0, -1, -5]], ids=str)
@each_rule
def test_a_box_without_area_gives_nan(codec, box):
    crop = codec.crop(np.array(box, float))

    assert np.isnan(crop.to_input(np.zeros((1, 2)))).all()


@each_rule
def test_a_line_is_widened_to_a_crop(codec):
    crop = codec.crop(np.array([10.0, 20, 0, 128]), padding=1.0)

    np.testing.assert_allclose(crop.to_input(np.array([[10.0, 84]])), [[48, 64]], atol=0.5 + 1e-9)


@each_rule
def test_decoded_keypoints_go_back_to_the_image(codec, rng):
    boxes = np.array([[100.0, 200, 300, 400], [50, 60, 70, 80]])
    crop = codec.crop(boxes, rotation=20.0)
    inside = rng.uniform(40, 60, (2, 1, 3, 2))

    decoded = codec.decode(*codec.as_output(codec.encode(inside, np.ones((2, 1, 3), bool))))
    there = codec.to_image(decoded, crop)

    np.testing.assert_allclose(there.xy, crop.to_image(decoded.xy))
    stretch = np.abs(np.linalg.det(crop.inverse[..., :2])) ** 0.5
    error = np.linalg.norm(there.xy - crop.to_image(inside), axis=-1).max((1, 2))
    assert (error <= np.hypot(*codec.bound.error) * stretch + 1e-6).all()
    assert there.score is decoded.score


def test_a_crop_of_another_convention_is_refused():
    box = np.array([0.0, 0, 5, 5])
    decoded = UDP.decode(np.zeros((1, 32, 24), "float32"))

    with pytest.raises(OptionError, match=r"crop: .*plain kind.*this codec's crop"):
        UDP.to_image(decoded, PLAIN.crop(box))
    with pytest.raises(OptionError, match=r"crop: .*\(48, 64\)"):
        UDP.to_image(decoded, codecs.UDPHeatmap((48, 64), (12, 16)).crop(box))


@each_rule
def test_wrong_arguments_are_named(codec):
    with pytest.raises(ArrayError, match="box: expected"):
        codec.crop(np.zeros(3))
    with pytest.raises(OptionError, match="padding"):
        codec.crop(np.ones(4), padding=0.0)
    with pytest.raises(ArrayError, match="xy: expected"):
        codec.crop(np.ones(4)).to_input(np.zeros((3, 3)))

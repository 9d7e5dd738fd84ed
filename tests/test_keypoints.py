"""`kptdata.keypoints`: flips undo themselves, clips keep to the image, distances are exact."""

from __future__ import annotations

import numpy as np
import pytest
import strategies as sts
from hypothesis import given
from hypothesis import strategies as st

from kptdata import keypoints
from kptdata.errors import ArrayError, OptionError, UnknownNameError

NAN = np.nan
# Nose, left and right eye of an image of 10 x 6 pixels.
XY = np.array([[1.0, 2.0], [0.0, 0.0], [9.0, 5.0]])
VISIBILITY = np.array([2, 1, 0], dtype=np.uint8)
SWAP = (0, 2, 1)
# Two subtractions in pixels of at most 10,000 and 6,000: each rounds to half a step.
PX = 4 * np.finfo(np.float64).eps * sts.COORDINATE


@pytest.mark.parametrize(
    ("direction", "xy", "visibility"),
    [
        ("horizontal", [[8, 2], [0, 5], [9, 0]], [2, 0, 1]),
        ("vertical", [[1, 3], [9, 0], [0, 5]], [2, 0, 1]),
        ("diagonal", [[8, 3], [9, 5], [0, 0]], [2, 1, 0]),
    ],
)
def test_flip_mirrors_and_exchanges(asarray, direction, xy, visibility):
    out = keypoints.flip(asarray(XY), asarray(VISIBILITY), (10, 6), SWAP, direction)

    assert type(out.xy) is type(asarray(XY))
    assert out.visibility.dtype == asarray(VISIBILITY).dtype
    assert out.xy.tolist() == xy
    assert out.visibility.tolist() == visibility


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_flip_moves_any_kind_of_visibility(asarray, dtype):
    visibility = asarray(VISIBILITY.astype(dtype))

    out = keypoints.flip(asarray(XY), visibility, (10, 6), SWAP)

    assert out.visibility.dtype == visibility.dtype
    np.testing.assert_array_equal(out.visibility, VISIBILITY.astype(dtype)[list(SWAP)])


def test_flip_keeps_nan_with_its_keypoint(asarray):
    xy = np.array([[1.0, 2.0], [NAN, NAN], [9.0, 5.0]])

    out = keypoints.flip(asarray(xy), asarray(VISIBILITY), (10, 6), SWAP)

    np.testing.assert_array_equal(out.xy, [[8, 2], [0, 5], [NAN, NAN]])


def test_flip_with_an_image_size_for_each_row(asarray):
    xy = asarray(np.stack([XY, XY]))
    visibility = asarray(np.stack([VISIBILITY, VISIBILITY]))
    sizes = asarray(np.array([[10, 6], [20, 6]]))

    out = keypoints.flip(xy, visibility, sizes, SWAP)

    assert out.xy[:, 0, 0].tolist() == [8, 18]


@given(
    xy=sts.points(),
    size=sts.image_sizes(),
    swap=sts.swaps(),
    direction=st.sampled_from(keypoints.DIRECTIONS),
)
def test_flip_twice_changes_nothing(xy, size, swap, direction):
    visibility = np.arange(xy[..., 0].size).reshape(xy.shape[:-1])
    before = xy.copy()

    once = keypoints.flip(xy, visibility, size, swap, direction)
    twice = keypoints.flip(once.xy, once.visibility, size, swap, direction)

    np.testing.assert_allclose(twice.xy, xy, rtol=0, atol=PX)
    np.testing.assert_array_equal(twice.visibility, visibility)
    np.testing.assert_array_equal(xy, before)


@given(xy=sts.points(), size=sts.image_sizes(), swap=sts.swaps())
def test_diagonal_is_horizontal_then_vertical(xy, size, swap):
    seen = np.ones(xy.shape[:-1], bool)

    once = keypoints.flip(xy, seen, size, swap, "horizontal")
    twice = keypoints.flip(once.xy, seen, size, swap, "vertical")

    np.testing.assert_array_equal(
        twice.xy, keypoints.flip(xy, seen, size, swap, "diagonal").xy, strict=True
    )


def test_points_are_flipped_without_exchange(asarray):
    assert keypoints.flip_points(asarray(XY), (10, 6)).tolist() == [[8, 2], [9, 0], [0, 5]]


@pytest.mark.parametrize(
    "swap",
    [(0, 1), (0, 2, 2), (1, 2, 0), (0, 1, 3), (0, -1, 1)],
    ids=["short", "twice", "cycle", "past-the-end", "negative"],
)
def test_swap_refuses_what_is_no_pairing(asarray, swap):
    with pytest.raises(OptionError, match="swap_indices: expected mutual pairs over 3 keypoints"):
        keypoints.swap(asarray(VISIBILITY), swap)


def test_swap_takes_the_read_only_array_of_a_schema(asarray):
    indices = np.array(SWAP)
    indices.flags.writeable = False

    assert keypoints.swap(asarray(XY), indices, axis=-2).tolist() == XY[list(SWAP)].tolist()


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        pytest.param((0, 0), True, id="left-top"),
        pytest.param((10, 6), True, id="right-bottom-edge"),
        pytest.param((10.001, 3), False, id="right-of-it"),
        pytest.param((-0.001, 3), False, id="left-of-it"),
        pytest.param((5, 6.001), False, id="below"),
        pytest.param((5, -0.001), False, id="above"),
        pytest.param((NAN, NAN), False, id="nan"),
    ],
)
def test_clip_hides_what_is_outside(asarray, point, kept):
    xy, visibility = np.array([point], float), np.array([2], dtype=np.uint8)

    out = keypoints.clip(asarray(xy), asarray(visibility), (10, 6))

    np.testing.assert_array_equal(out.xy, xy)
    assert out.visibility.tolist() == [2 * kept]
    assert out.visibility.dtype == asarray(visibility).dtype


def test_results_share_no_memory_with_inputs():
    xy, visibility = XY.copy(), VISIBILITY.copy()

    for out in (
        keypoints.clip(xy, visibility, (10, 6)),
        keypoints.flip(xy, visibility, (10, 6), SWAP, "diagonal"),
    ):
        assert not np.shares_memory(out.xy, xy)
        assert not np.shares_memory(out.visibility, visibility)


def test_flip_about_x_mirrors_the_first_coordinate_only(asarray):
    xyz = np.array([[[0.0, 1.0, 2.0], [1.0, 3.0, 4.0], [2.0, 5.0, 6.0]]])

    out = keypoints.flip_about_x(asarray(xyz), asarray(VISIBILITY[None]), SWAP, 0.75)

    assert out.xy.tolist() == [[[1.5, 1, 2], [-0.5, 5, 6], [0.5, 3, 4]]]
    assert out.visibility.tolist() == [[2, 0, 1]]


def test_flip_about_x_with_a_mirror_for_each_row(asarray):
    xyz, seen = np.zeros((2, 3, 2)), np.ones((2, 3), bool)

    out = keypoints.flip_about_x(asarray(xyz), asarray(seen), SWAP, asarray(np.array([1.0, 2.0])))

    assert out.xy[..., 0].tolist() == [[2, 2, 2], [4, 4, 4]]


@pytest.mark.parametrize(
    ("center_index", "x"),
    [(1, [2, 0, 1]), (-1, [4, 2, 3]), ((1, 2), [3, 1, 2]), ([0], [0, -2, -1])],
)
def test_flip_about_point_mirrors_at_the_mean_of_its_points(asarray, center_index, x):
    xyz = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])

    out = keypoints.flip_about_point(asarray(xyz), asarray(VISIBILITY), SWAP, center_index)

    assert out.xy[..., 0].tolist() == x


@pytest.mark.parametrize("center_index", [3, -4, (), (0, 7)], ids=str)
def test_flip_about_point_refuses_other_indices(asarray, center_index):
    with pytest.raises(OptionError, match="center_index: expected indices into 3 keypoints"):
        keypoints.flip_about_point(asarray(XY), asarray(VISIBILITY), SWAP, center_index)


@given(xyz=sts.points(), swap=sts.swaps())
def test_flip_about_a_midline_point_twice_changes_nothing(xyz, swap):
    seen = np.ones(xyz.shape[:-1], bool)
    root = next((k for k, partner in enumerate(swap) if partner == k), None)
    centres = [0, swap[0]] if root is None else root

    once = keypoints.flip_about_point(xyz, seen, swap, centres)
    twice = keypoints.flip_about_point(once.xy, seen, swap, centres)

    np.testing.assert_allclose(twice.xy, xyz, rtol=0, atol=4 * PX)


def test_distances(asarray):
    a = np.array([[[0.0, 0.0], [1.0, 1.0], [NAN, 1.0]]])
    b = np.array([[[3.0, 4.0], [1.0, 1.0], [1.0, 1.0]]])

    np.testing.assert_array_equal(keypoints.distances(asarray(a), asarray(b)), [[5, 0, NAN]])


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3, 2), (2, 0, 2)], ids=str)
def test_nothing_in_nothing_out(asarray, shape):
    xy, seen = asarray(np.zeros(shape)), asarray(np.zeros(shape[:-1], bool))
    swap = SWAP[: shape[-2]]

    for out in (
        keypoints.flip(xy, seen, (10, 6), swap),
        keypoints.clip(xy, seen, (10, 6)),
        keypoints.flip_about_x(xy, seen, swap),
    ):
        assert out.xy.shape == xy.shape
        assert out.visibility.shape == seen.shape
    assert keypoints.distances(xy, xy).shape == seen.shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_type_of_the_coordinates(asarray, dtype):
    xy, seen = asarray(XY.astype(dtype)), asarray(VISIBILITY)

    for out in (
        keypoints.flip(xy, seen, (10, 6), SWAP),
        keypoints.flip(xy, seen, asarray(np.array([10, 6])), SWAP),
        keypoints.clip(xy, seen, (10, 6)),
        keypoints.flip_about_point(xy, seen, SWAP),
    ):
        assert out.xy.dtype == xy.dtype
    assert keypoints.distances(xy, xy).dtype == xy.dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: keypoints.flip(a(XY[:, 0]), a(VISIBILITY), (9, 9), SWAP), r"xy: .*\(3,\)"),
        (lambda a: keypoints.flip(a(XY), a(VISIBILITY[:2]), (9, 9), SWAP), r"visibility: .*\(2,\)"),
        (lambda a: keypoints.flip(a(VISIBILITY[:, None]), a(VISIBILITY), (9, 9), SWAP), r"xy: "),
        (lambda a: keypoints.clip(a(np.zeros((3, 3))), a(VISIBILITY), (9, 9)), r"xy: .*\(3, 3\)"),
        (lambda a: keypoints.clip(a(XY.astype(int)), a(VISIBILITY), (9, 9)), r"xy: .*int64"),
        (lambda a: keypoints.flip_about_x(a(XY), a(XY), SWAP), r"visibility: .*\(3, 2\)"),
        (lambda a: keypoints.distances(a(XY), a(XY[:2])), r"b: expected shape \(3, 2\)"),
    ],
)
def test_wrong_array_is_named(asarray, call, message):
    with pytest.raises(ArrayError, match=message):
        call(asarray)


def test_unknown_direction_lists_the_choices(asarray):
    with pytest.raises(UnknownNameError, match="direction 'horizontl': did you mean horizontal"):
        keypoints.flip_points(asarray(XY), (10, 6), "horizontl")

"""The backend-aware helpers: both libraries agree, and the quick ways equal the plain ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from kptdata import _array
from kptdata.errors import ArrayError


@pytest.mark.parametrize(
    ("array", "shape", "kind", "message"),
    [
        (np.zeros(3), "(..., K, 2)", "real", r"x: expected shape \(\.\.\., K, 2\), got \(3,\)"),
        (np.zeros((3, 3)), "(..., K, 2)", "real", r"got \(3, 3\)"),
        (np.zeros((3, 2), int), "(..., K, 2)", "real", "expected real elements, got int64"),
        (np.zeros((3, 2), bool), "(..., K, 2)", "number", "expected number elements, got bool"),
        (np.zeros((3, 2)), (3, 3), "real", r"expected shape \(3, 3\), got \(3, 2\)"),
        ([1, 2], "(K,)", "real", "expected an array of shape .*, got list"),
        (np.zeros(()), "(..., K)", "real", r"got \(\)"),
    ],
)
def test_wrong_arrays_are_named(array, shape, kind, message, asarray):
    given = array if isinstance(array, list) else asarray(array)

    with pytest.raises(
        ArrayError, match=message.replace("int64", ".*int64").replace("bool", ".*bool")
    ):
        _array.check_array("x", given, shape, kind)


@pytest.mark.parametrize("shape", ["(..., K, 2)", "(N, K, 2)", "(..., 2)", (2, 3, 2)], ids=str)
def test_right_arrays_pass(shape, asarray):
    _array.check_array("x", asarray(np.zeros((2, 3, 2))), shape)


@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 11, 17, 23])
def test_kernels_are_those_of_opencv(size):
    np.testing.assert_allclose(
        _array.gaussian_kernel(size), cv2.getGaussianKernel(size, 0).ravel(), atol=1e-12
    )


@pytest.mark.parametrize(
    ("border", "flag"), [("zero", cv2.BORDER_CONSTANT), ("reflect", cv2.BORDER_REFLECT_101)]
)
@pytest.mark.parametrize("size", [3, 11, 23])
def test_blur_is_that_of_opencv(border, flag, size, rng, asarray):
    maps = rng.normal(size=(2, 3, 16, 12)).astype("float32")

    smooth = _array.blur(asarray(maps), size, border)

    expected = [
        [cv2.GaussianBlur(m, (size, size), 0, borderType=flag) for m in row] for row in maps
    ]
    if border == "zero":  # OpenCV pads with zeros only if told so for each side: do it by hand
        half = size // 2
        padded = np.pad(maps, ((0, 0), (0, 0), (half, half), (half, half)))
        expected = [
            [cv2.GaussianBlur(m, (size, size), 0)[half:-half, half:-half] for m in row]
            for row in padded
        ]
    np.testing.assert_allclose(smooth, expected, atol=1e-6)


def test_a_smoothed_patch_is_a_part_of_the_smoothed_map(rng):
    maps = rng.normal(size=(20, 20))
    radius, size = 2, 7
    reach = radius + size // 2

    patch = maps[10 - reach : 11 + reach, 9 - reach : 10 + reach].reshape(-1)
    middle = (patch @ _array.patch_blur(radius, size)).reshape(5, 5)

    np.testing.assert_allclose(middle, _array.blur(maps, size)[8:13, 7:12])


@pytest.mark.parametrize("size", [7, 64, 97, 192, 3072])
@pytest.mark.parametrize("lead", [(5,), (2, 3), (0, 3)], ids=str)
def test_peaks_are_argmax_with_the_first_of_equals(size, lead, rng, asarray):
    rows = rng.integers(0, 6, (*lead, size)).astype("float32")
    flat_row = np.zeros((*lead, size), "float32")

    index, value, flat = _array.peaks(asarray(rows))

    np.testing.assert_array_equal(index, rows.argmax(-1))
    np.testing.assert_array_equal(value, rows.max(-1))
    assert not flat.any()
    assert _array.peaks(asarray(flat_row))[2].all()


def test_a_nan_is_the_highest(asarray):
    rows = np.arange(192.0)[None].repeat(2, 0)
    rows[1, 40] = np.nan

    index, value, flat = _array.peaks(asarray(rows))

    assert index.tolist() == [191, 40]
    assert np.isnan(float(value[1]))
    assert not flat.any()


def test_gather_picks_along_any_axis(rng, asarray):
    array, index = rng.normal(size=(4, 5, 6)), rng.integers(0, 4, (4, 5, 6))

    for axis in (-1, -2, 0):
        found = _array.gather(asarray(array), asarray(index), axis)
        np.testing.assert_array_equal(found, np.take_along_axis(array, index, axis))


def test_gather_near_is_gather_inside(rng, asarray):
    array, index = rng.normal(size=(4, 6)), rng.integers(-3, 9, (4, 5))

    found = np.where(
        (index >= 0) & (index < 6), _array.gather_near(asarray(array), asarray(index)), 0
    )

    inside = np.take_along_axis(array, index.clip(0, 5), -1)
    np.testing.assert_array_equal(found, np.where((index >= 0) & (index < 6), inside, 0))


def test_slides_are_stretches_of_the_table(asarray):
    table, start = np.arange(10.0), np.array([[0, 3], [7, 2]])

    found = _array.slide(asarray(table), asarray(start), 3)

    assert found.tolist() == [[[0, 1, 2], [3, 4, 5]], [[7, 8, 9], [2, 3, 4]]]


def test_stamps_and_products_draw_the_same_maps(rng, asarray):
    rows, columns = rng.normal(size=(2, 3, 12)), rng.normal(size=(2, 3, 16))
    corner = rng.integers(0, 7, (2, 3, 2))
    for i in np.ndindex(2, 3):  # nothing beyond a patch of five
        rows[i] *= (np.arange(12) >= corner[i][0]) & (np.arange(12) < corner[i][0] + 5)
        columns[i] *= (np.arange(16) >= corner[i][1]) & (np.arange(16) < corner[i][1] + 5)
    whole = columns[..., :, None] * rows[..., None, :]
    patches = np.stack([
        whole[i][corner[i][1] : corner[i][1] + 5, corner[i][0] : corner[i][0] + 5]
        for i in np.ndindex(2, 3)
    ]).reshape(2, 3, 5, 5)  # fmt: skip

    drawn = _array.stamp(_array.Stamps(asarray(patches), asarray(corner)), 12, 16)

    np.testing.assert_array_equal(drawn, whole)
    np.testing.assert_allclose(_array.outer(asarray(columns), asarray(rows)), whole)


def test_stacked_maps_alternate(asarray):
    one, row = asarray(np.ones((2, 3, 4))), asarray(np.full((2, 1, 4), 2.0))
    stamps = _array.Stamps(asarray(np.full((2, 2, 2), 3.0)), asarray(np.array([[0, 0], [2, 1]])))

    maps = _array.stack_maps((2, 3, 4), one, row, stamps)

    assert maps.shape == (6, 3, 4)
    assert maps[:, 2, 3].tolist() == [1, 2, 0, 1, 2, 3]


def test_exponents_that_underflow_are_clamped_in_torch():
    exponent = torch.tensor([-500.0, -1.0])

    assert 0 < _array.exp(exponent)[0] < 1e-34
    assert _array.exp(exponent.numpy())[0] == 0


def test_division_by_zero_is_no_warning(asarray):
    found = _array.divide(asarray(np.array([0.0, 1.0])), asarray(np.zeros(2)))

    assert np.isnan(float(found[0]))
    assert np.isinf(float(found[1]))


def test_constants_follow_the_dtype_and_cannot_be_changed():
    kept = _array.constant(np.array, np.zeros(1, "float32"), (1, 2))

    assert kept.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 5
    assert _array.constant(np.array, torch.zeros(1), (1, 2)).dtype == torch.float32

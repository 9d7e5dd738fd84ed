"""`kptdata.affine`: crops put points where they say; they can be undone and differentiated."""

from __future__ import annotations

import numpy as np
import pytest
import strategies as sts
from hypothesis import given

from kptdata import affine
from kptdata.errors import ArrayError, OptionError

CENTER, SCALE, SIZE = np.array([100.0, 50.0]), np.array([40.0, 80.0]), (192, 256)


def crops(center, scale, rot, size=SIZE):
    """Return every kind of crop matrix for a region."""
    return {
        "plain": affine.warp_matrix(center, scale, rot, size),
        "shifted": affine.warp_matrix(center, scale, rot, size, shift=(0.1, -0.05)),
        "free": affine.warp_matrix(center, scale, rot, size, fix_aspect_ratio=False),
        "udp": affine.udp_warp_matrix(center, scale, rot, size),
        "udp_reference": affine.udp_warp_matrix(center, scale, rot, size, reference=True),
    }


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("plain", (100, 50), (96, 128)),
        ("plain", (80, 50), (0, 128)),
        ("plain", (120, 50), (192, 128)),
        ("plain", (100, 10), (96, 128 - 40 * 192 / 40)),  # one factor: that of the width
        ("free", (100, 10), (96, 0)),
        ("free", (100, 90), (96, 256)),
        ("shifted", (104, 46), (96, 128)),
        ("udp", (80, 10), (0, 0)),
        ("udp", (120, 90), (191, 255)),
        ("udp", (100, 50), (95.5, 127.5)),
    ],
)
def test_upright_crops_put_points_in_their_places(asarray, kind, source, target):
    matrix = crops(asarray(CENTER), asarray(SCALE), 0)[kind]

    out = affine.apply(matrix, asarray(np.array([source], float)))

    np.testing.assert_allclose(out, [target], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "above"),
    [
        ("plain", (0, 128)),
        ("free", (0, 128)),
        ("udp", (0, 127.5)),
        ("udp_reference", (191, 127.5)),
    ],
)
def test_a_quarter_turn_is_anticlockwise(asarray, kind, above):
    """What was above the centre by half the width is then at its left."""
    matrix = crops(asarray(CENTER), asarray(SCALE), 90)[kind]

    out = affine.apply(matrix, asarray(CENTER - [[0, 20]]))

    np.testing.assert_allclose(out, [above], rtol=0, atol=1e-12)


@given(region=sts.regions(), size=sts.image_sizes())
def test_warp_then_inverse_gives_the_points_back(region, size):
    """To 1e-9 px, or 50 rounding steps of the farthest image pixel that a crop reaches."""
    center, scale, rot = region
    # A side of one pixel has no width to stretch between pixel centres.
    size = (size[0] + 1, size[1] + 1)
    xy = center[..., None, :] + scale[..., None, :] * [[0, 0], [-0.5, 0.25], [3, 4]]

    for kind, matrix in crops(center, scale, rot, size).items():
        inverse = affine.invert(matrix)
        reach = np.abs(inverse[..., :2]) @ size + np.abs(inverse[..., 2]) + np.abs(center)
        atol = max(1e-9, 50 * np.finfo(np.float64).eps * np.max(reach, initial=0))
        back = affine.apply(inverse, affine.apply(matrix, xy))
        np.testing.assert_allclose(back, xy, rtol=0, atol=atol, err_msg=kind)
        unit = affine.compose(inverse, matrix)
        expected = np.broadcast_to(np.eye(3)[:2], unit.shape)
        np.testing.assert_allclose(unit, expected, rtol=0, atol=atol, err_msg=kind)


@given(region=sts.regions())
def test_composition_is_one_after_the_other(region):
    center, scale, rot = region
    first = affine.warp_matrix(center, scale, rot, (192, 256))
    second = affine.udp_warp_matrix(center, scale, rot / 2, (48, 64))
    xy = center[..., None, :] + scale[..., None, :] * [[0, 0], [-0.5, 0.25]]

    out = affine.apply(affine.compose(second, first), xy)
    expected = affine.apply(second, affine.apply(first, xy))

    # A matrix entry is off by rounding steps of its largest term, about center x stretch x stretch.
    terms = 1e4 * 256 * 64
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=64 * np.finfo(float).eps * terms)


def test_closed_form_keeps_its_stated_bound(rng):
    """Against the same formulas in extended precision."""
    center, scale = rng.uniform(-1e4, 1e4, (200, 2)), rng.uniform(1, 1e4, (200, 2))
    rot = rng.uniform(-180, 180, 200)
    wide_center, wide_scale = center.astype(np.longdouble), scale.astype(np.longdouble)
    angle = rot.astype(np.longdouble) * (np.arccos(np.longdouble(-1)) / 180)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)
    stretch = np.array(SIZE) / wide_scale
    linear = stretch[..., None] * turn
    moved = np.einsum("nij,nj->ni", linear, wide_center)
    exact = np.concatenate([linear, (np.array(SIZE) / 2 - moved)[..., None]], axis=-1)

    found = affine.warp_matrix(center, scale, rot, SIZE, fix_aspect_ratio=False)

    most = np.abs(center).max(axis=-1)[:, None] * stretch + np.array(SIZE) / 2
    terms = np.concatenate([np.repeat(stretch[..., None], 2, -1), most[..., None]], axis=-1)
    assert np.all(np.abs(found - exact) <= 16 * np.finfo(np.float64).eps * terms)


def test_float32_regions_round_once(asarray):
    center, scale = asarray(CENTER.astype(np.float32)), asarray(SCALE.astype(np.float32))

    for kind, matrix in crops(center, scale, 30).items():
        exact = crops(CENTER, SCALE, 30)[kind]
        assert matrix.dtype == center.dtype
        np.testing.assert_array_equal(matrix, exact.astype(np.float32))


def test_a_batch_is_its_members(asarray, rng):
    center, scale = rng.uniform(0, 500, (3, 4, 2)), rng.uniform(10, 500, (3, 4, 2))
    rot = rng.uniform(-90, 90, (3, 4))
    xy = rng.uniform(0, 500, (3, 4, 5, 2))

    batch = crops(asarray(center), asarray(scale), asarray(rot))

    for kind, matrix in batch.items():
        assert tuple(matrix.shape) == (3, 4, 2, 3)
        points, inverse = affine.apply(matrix, asarray(xy)), affine.invert(matrix)
        for i, j in np.ndindex(3, 4):
            one = crops(center[i, j], scale[i, j], rot[i, j])[kind]
            np.testing.assert_allclose(matrix[i, j], one, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(points[i, j], affine.apply(one, xy[i, j]), rtol=1e-12)
            np.testing.assert_allclose(inverse[i, j], affine.invert(one), rtol=1e-9, atol=1e-12)


def test_shift_may_differ_in_a_batch(asarray):
    center, scale = asarray(np.stack([CENTER] * 2)), asarray(np.stack([SCALE] * 2))
    shift = asarray(np.array([[0.0, 0.0], [0.5, 0.25]]))

    out = affine.warp_matrix(center, scale, 0.0, SIZE, shift=shift)

    target = affine.apply(out, asarray(np.array([[[100.0, 50.0]], [[120.0, 70.0]]])))
    assert target.tolist() == [[[96, 128]], [[96, 128]]]


def test_one_matrix_serves_many_points_and_many_matrices_one_set(asarray):
    matrix = asarray(np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]]))
    xy = asarray(np.array([[1.0, 1.0], [np.nan, np.nan]]))

    np.testing.assert_array_equal(affine.apply(matrix, xy), [[3, 3], [np.nan, np.nan]])
    assert tuple(affine.apply(asarray(np.zeros((5, 2, 3))), xy).shape) == (5, 2, 2)
    assert tuple(affine.apply(matrix, asarray(np.zeros((5, 4, 2)))).shape) == (5, 4, 2)


def test_points_and_matrices_may_differ_in_type(asarray):
    matrix = asarray(np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]]))
    xy = asarray(np.array([[1.0, 1.0]], dtype=np.float32))

    assert affine.apply(matrix, xy).dtype == matrix.dtype
    assert affine.apply(matrix, xy).tolist() == [[3, 3]]


def test_nothing_in_nothing_out(asarray):
    empty, rot = asarray(np.zeros((0, 2))), asarray(np.zeros(0))

    for matrix in crops(empty, empty, rot).values():
        assert tuple(matrix.shape) == (0, 2, 3)
        assert tuple(affine.invert(matrix).shape) == (0, 2, 3)
        assert tuple(affine.compose(matrix, matrix).shape) == (0, 2, 3)
        assert tuple(affine.apply(matrix, asarray(np.zeros((0, 17, 2)))).shape) == (0, 17, 2)


@pytest.mark.parametrize("scale", [(0, 10), (10, 0), (-1, 10), (np.nan, 10)], ids=str)
def test_a_region_without_area_has_no_crop(asarray, scale):
    """The plain matrix of one factor needs the width alone."""
    matrices = crops(asarray(CENTER), asarray(np.array(scale, float)), 0)

    for kind, matrix in matrices.items():
        if kind not in {"plain", "shifted"} or not scale[0] > 0:
            assert np.isnan(np.asarray(matrix)).any(), kind


def test_a_flat_matrix_has_no_inverse(asarray):
    assert np.isnan(np.asarray(affine.invert(asarray(np.ones((2, 3)))))).all()


def test_gradients_flow_into_every_argument():
    torch = pytest.importorskip("torch")
    arguments = [
        torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for value in ([[100.0, 50.0], [30.0, 40.0]], [[40.0, 80.0], [20.0, 10.0]], [30.0, -70.0])
    ]
    xy = torch.tensor([[[5.0, 6.0]], [[7.0, 8.0]]], dtype=torch.float64, requires_grad=True)

    def there_and_back(center, scale, rot, xy):
        plain = affine.warp_matrix(center, scale, rot, SIZE, shift=(0.1, 0.2))
        udp = affine.udp_warp_matrix(center, scale, rot, SIZE)
        return affine.apply(affine.compose(udp, affine.invert(plain)), xy)

    assert torch.autograd.gradcheck(there_and_back, (*arguments, xy))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: affine.warp_matrix(a(np.zeros(3)), a(SCALE), 0, SIZE), r"center: .*\(3,\)"),
        (
            lambda a: affine.warp_matrix(a(CENTER), a(np.ones((1, 2))), 0, SIZE),
            r"scale: .*\(1, 2\)",
        ),
        (
            lambda a: affine.udp_warp_matrix(a(np.zeros(2, int)), a(SCALE), 0, SIZE),
            "center: .*int64",
        ),
        (lambda a: affine.apply(a(np.zeros((3, 3))), a(np.zeros((1, 2)))), r"matrix: .*\(3, 3\)"),
        (lambda a: affine.apply(a(np.zeros((2, 3))), a(CENTER)), r"xy: .*\(2,\)"),
        (lambda a: affine.invert(a(np.zeros((3, 3)))), r"matrix: .*\(3, 3\)"),
        (lambda a: affine.compose(a(np.zeros((2, 3))), a(CENTER)), r"inner: .*\(2,\)"),
        (lambda a: affine.compose(a(CENTER), a(np.zeros((2, 3)))), r"outer: .*\(2,\)"),
    ],
)
def test_wrong_array_is_named(asarray, call, message):
    with pytest.raises(ArrayError, match=message):
        call(asarray)


@pytest.mark.parametrize("size", [(0, 256), (192, -1), (192,), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("name", ["warp_matrix", "udp_warp_matrix"])
def test_output_size_must_be_two_positive_sizes(name, size):
    with pytest.raises(OptionError, match="output_size: expected two positive sizes"):
        getattr(affine, name)(CENTER, SCALE, 0, size)

"""`kptdata.bbox`: conversions undo each other, flips undo themselves, overlaps are 0 to 1."""

from __future__ import annotations

import numpy as np
import pytest
import strategies as sts
from hypothesis import given
from hypothesis import strategies as st

from kptdata import bbox
from kptdata.errors import ArrayError, OptionError, UnknownNameError
from kptdata.keypoints import DIRECTIONS

NAN = np.nan
XYXY = np.array([[10.0, 20.0, 30.0, 60.0]])
# A few operations on edges of at most 2 x 10,000 px, each off by half a rounding step.
PX = 8 * np.finfo(np.float64).eps * sts.COORDINATE


def test_conversions_have_the_values_of_the_page(asarray):
    xyxy = asarray(XYXY)
    xywh = bbox.xyxy2xywh(xyxy)
    center, scale = bbox.xyxy2cs(xyxy, padding=1.25)

    assert xywh.tolist() == [[10, 20, 20, 40]]
    assert center.tolist() == [[20, 40]]
    assert scale.tolist() == [[25, 50]]
    assert [part.tolist() for part in bbox.xywh2cs(xywh, 1.25)] == [[[20, 40]], [[25, 50]]]
    assert bbox.xywh2xyxy(xywh).tolist() == XYXY.tolist()
    assert bbox.cs2xyxy(center, scale, 1.25).tolist() == XYXY.tolist()
    assert bbox.cs2xywh(center, scale, 1.25).tolist() == [[10, 20, 20, 40]]
    assert bbox.corners(xyxy).tolist() == [[[10, 20], [10, 60], [30, 20], [30, 60]]]


@given(xyxy=sts.boxes_xyxy(), padding=st.floats(0.5, 3))
def test_conversions_undo_each_other(xyxy, padding):
    before = xyxy.copy()
    xywh = bbox.xyxy2xywh(xyxy)

    same = [
        bbox.xywh2xyxy(xywh),
        bbox.cs2xyxy(*bbox.xyxy2cs(xyxy, padding), padding),
        bbox.cs2xyxy(*bbox.xywh2cs(xywh, padding), padding),
        bbox.xywh2xyxy(bbox.cs2xywh(*bbox.xyxy2cs(xyxy, padding), padding)),
    ]

    for found in same:
        np.testing.assert_allclose(found, xyxy, rtol=0, atol=PX)
    np.testing.assert_array_equal(bbox.corners2xyxy(bbox.corners(xyxy)), xyxy, strict=True)
    np.testing.assert_array_equal(xyxy, before)


def test_corners_of_a_turned_box_give_the_box_around_it(asarray):
    diamond = np.array([[2.0, 0.0], [0.0, 1.0], [2.0, 5.0], [4.0, 1.0]])

    assert bbox.corners2xyxy(asarray(diamond)).tolist() == [0, 0, 4, 5]


@pytest.mark.parametrize(
    ("scale", "ratio", "expected"),
    [
        ((30, 20), 0.75, (30, 40)),
        ((30, 80), 0.75, (60, 80)),
        ((30, 40), 0.75, (30, 40)),
        ((30, 30), 0.75, (30, 40)),  # a square is too wide for 3 : 4, and too tall for 4 : 2
        ((30, 30), 2.0, (60, 30)),
    ],
)
def test_fix_aspect_ratio_enlarges_one_side(asarray, scale, ratio, expected):
    assert tuple(bbox.fix_aspect_ratio(asarray(np.array(scale, float)), ratio).tolist()) == expected


@pytest.mark.parametrize(
    ("xyxy", "expected"),
    [
        pytest.param((1, 2, 3, 4), (1, 2, 3, 4), id="inside"),
        pytest.param((-5, -5, 20, 20), (0, 0, 10, 6), id="around"),
        pytest.param((12, 1, 14, 2), (10, 1, 10, 2), id="right-of-it"),
        pytest.param((1, -9, 2, -7), (1, 0, 2, 0), id="above"),
        pytest.param((NAN, NAN, NAN, NAN), (NAN, NAN, NAN, NAN), id="nan"),
    ],
)
def test_clip_cuts_to_the_image(asarray, xyxy, expected):
    np.testing.assert_array_equal(bbox.clip(asarray(np.array(xyxy, float)), (10, 6)), expected)


def test_clip_with_an_image_size_for_each_box(asarray):
    boxes, sizes = asarray(np.array([[0.0, 0, 9, 9]] * 2)), asarray(np.array([[5, 6], [7, 8]]))

    assert bbox.clip(boxes, sizes).tolist() == [[0, 0, 5, 6], [0, 0, 7, 8]]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("horizontal", (69, 20, 89, 60)),
        ("vertical", (10, 19, 30, 59)),
        ("diagonal", (69, 19, 89, 59)),
    ],
)
def test_flip_moves_edges_as_points(asarray, direction, expected):
    """In an image of 100 x 80."""
    xyxy = asarray(XYXY[0])
    options = {"image_size": (100, 80), "direction": direction}

    out = bbox.flip(xyxy, **options, bbox_format="xyxy")
    xywh = bbox.flip(bbox.xyxy2xywh(xyxy), **options, bbox_format="xywh")
    center = bbox.flip(bbox.xyxy2cs(xyxy).center, **options, bbox_format="center")

    assert tuple(out.tolist()) == expected
    assert bbox.xywh2xyxy(xywh).tolist() == out.tolist()
    assert center.tolist() == bbox.xyxy2cs(out).center.tolist()


def test_reference_flip_of_xywh_forgets_the_width(asarray):
    xywh = asarray(np.array([10.0, 20.0, 20.0, 40.0]))
    options = {"image_size": (100, 80), "bbox_format": "xywh"}

    assert bbox.flip(xywh, **options).tolist() == [69, 20, 20, 40]
    assert bbox.flip(xywh, **options, reference=True).tolist() == [89, 20, 20, 40]


@given(xyxy=sts.boxes_xyxy(), size=sts.image_sizes(), direction=st.sampled_from(DIRECTIONS))
def test_flip_twice_changes_nothing(xyxy, size, direction):
    xywh = bbox.xyxy2xywh(xyxy)
    center = bbox.xyxy2cs(xyxy).center

    for given_format, boxes in (("xyxy", xyxy), ("xywh", xywh), ("center", center)):
        once = bbox.flip(boxes, size, bbox_format=given_format, direction=direction)
        twice = bbox.flip(once, size, bbox_format=given_format, direction=direction)
        np.testing.assert_allclose(twice, boxes, rtol=0, atol=PX)


@pytest.mark.parametrize(
    ("a", "b", "iou", "iof", "giou"),
    [
        pytest.param((0, 0, 2, 2), (0, 0, 2, 2), 1, 1, 1, id="same"),
        pytest.param((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3, 1 / 2, 1 / 3, id="half"),
        pytest.param((0, 0, 2, 2), (0, 0, 4, 4), 1 / 4, 1, 1 / 4, id="within"),
        pytest.param((0, 0, 1, 1), (2, 0, 3, 1), 0, 0, -1 / 3, id="apart"),
        pytest.param((0, 0, 1, 1), (1, 1, 2, 2), 0, 0, -1 / 2, id="corner-to-corner"),
        pytest.param((1, 1, 1, 1), (1, 1, 1, 1), 0, 0, 0, id="no-area"),
        pytest.param((3, 3, 1, 1), (0, 0, 4, 4), 0, 0, 0, id="inside-out"),
        pytest.param((NAN, NAN, NAN, NAN), (0, 0, 4, 4), 0, 0, 0, id="nan"),
        pytest.param((0, 0, 1e-4, 1e-4), (0, 0, 1e-4, 1e-4), 1, 1, 1, id="tiny"),
    ],
)
def test_overlap_of_two_boxes(asarray, a, b, iou, iof, giou):
    pair = asarray(np.array([a], float)), asarray(np.array([b], float))

    assert bbox.iou(*pair).tolist() == [[pytest.approx(iou)]]
    assert bbox.iof(*pair).tolist() == [[pytest.approx(iof)]]
    assert bbox.giou(*pair).tolist() == [[pytest.approx(giou)]]


@given(a=sts.boxes_xyxy((3,)), b=sts.boxes_xyxy((2,)))
def test_iou_is_symmetric_and_a_share(a, b):
    iou = bbox.iou(a, b)

    assert ((iou >= 0) & (iou <= 1)).all()
    # The union adds the two areas in another order.
    step = np.finfo(np.float64).eps
    np.testing.assert_allclose(iou, bbox.iou(b, a).T, rtol=8 * step)
    giou = bbox.giou(a, b)
    assert (giou <= iou + 1e-12).all()
    assert (giou >= -1 - 1e-12).all()
    # Where b is within a, the union is the area of a up to the rounding of one sum.
    assert ((bbox.iof(a, b) >= iou * (1 - 8 * step)) & (bbox.iof(a, b) <= 1)).all()
    has_area = (a[:, 2:] > a[:, :2]).all(axis=-1) & (np.prod(a[:, 2:] - a[:, :2], axis=-1) > 0)
    np.testing.assert_array_equal(np.diagonal(bbox.iou(a, a)), has_area)


@pytest.mark.parametrize("name", ["iou", "iof", "giou"])
def test_overlaps_of_a_batch_are_those_of_its_members(asarray, rng, name):
    a, b = rng.uniform(0, 50, (4, 5, 4)), rng.uniform(0, 50, (4, 3, 4))
    overlap = getattr(bbox, name)

    out = overlap(asarray(a), asarray(b))

    assert tuple(out.shape) == (4, 5, 3)
    for row in range(4):
        np.testing.assert_array_equal(out[row], overlap(a[row], b[row]))


@pytest.mark.parametrize("shapes", [((0, 4), (3, 4)), ((3, 4), (0, 4)), ((2, 0, 4), (2, 0, 4))])
def test_overlaps_of_nothing(asarray, shapes):
    a, b = (asarray(np.zeros(shape)) for shape in shapes)

    expected = (*shapes[0][:-1], shapes[1][-2])
    assert {tuple(f(a, b).shape) for f in (bbox.iou, bbox.iof, bbox.giou)} == {expected}


@pytest.mark.parametrize("leading", [(0,), (2, 0), (), (3,)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapes_and_types_follow_the_boxes(asarray, leading, dtype):
    boxes = asarray(np.ones((*leading, 4), dtype))
    sizes = asarray(np.ones((*leading, 2), dtype))

    four = [
        bbox.xyxy2xywh(boxes),
        bbox.xywh2xyxy(boxes),
        bbox.cs2xyxy(sizes, sizes),
        bbox.cs2xywh(sizes, sizes),
        bbox.clip(boxes, (10, 6)),
        bbox.corners2xyxy(bbox.corners(boxes)),
        *(
            bbox.flip(boxes, (10, 6), bbox_format=name, reference=reference)
            for name in ("xyxy", "xywh")
            for reference in (False, True)
        ),
    ]
    two = [
        *bbox.xyxy2cs(boxes),
        *bbox.xywh2cs(boxes),
        bbox.fix_aspect_ratio(sizes, 0.75),
        bbox.flip(sizes, (10, 6), bbox_format="center"),
    ]

    assert {tuple(out.shape) for out in four} == {(*leading, 4)}
    assert {tuple(out.shape) for out in two} == {(*leading, 2)}
    assert {out.dtype for out in four + two} == {boxes.dtype}
    assert {type(out) for out in four + two} == {type(boxes)}


def test_backends_agree(rng):
    torch = pytest.importorskip("torch")
    a, b = (np.sort(rng.uniform(0, 50, (2, 6, 2, 2)), axis=-2).reshape(2, 6, 4) for _ in "ab")

    for name in ("iou", "iof", "giou"):
        overlap = getattr(bbox, name)
        found = overlap(torch.from_numpy(a), torch.from_numpy(b))
        np.testing.assert_allclose(found, overlap(a, b), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda a: bbox.xyxy2xywh(a(np.zeros(3))),
            r"xyxy: expected shape \(\.\.\., 4\), got \(3,\)",
        ),
        (lambda a: bbox.xywh2xyxy(a(np.zeros((2, 4), int))), "xywh: expected real .*int64"),
        (lambda a: bbox.xyxy2cs(a(np.zeros(2))), r"xyxy: .*\(2,\)"),
        (lambda a: bbox.xywh2cs(a(np.zeros(2))), r"xywh: .*\(2,\)"),
        (lambda a: bbox.cs2xyxy(a(np.zeros(2)), a(np.zeros((1, 2)))), r"scale: .*\(1, 2\)"),
        (lambda a: bbox.corners(a(np.zeros(2))), r"xyxy: .*\(2,\)"),
        (lambda a: bbox.corners2xyxy(a(np.zeros(2))), r"corners: .*\(2,\)"),
        (lambda a: bbox.clip(a(np.zeros(2)), (3, 3)), r"xyxy: .*\(2,\)"),
        (lambda a: bbox.fix_aspect_ratio(a(np.zeros(4)), 1), r"scale: .*\(4,\)"),
        (lambda a: bbox.flip(a(np.zeros(4)), (3, 3), bbox_format="center"), r"bbox: .*\(4,\)"),
        (lambda a: bbox.flip(a(np.zeros(2)), (3, 3), bbox_format="xyxy"), r"bbox: .*\(2,\)"),
        (lambda a: bbox.iou(a(np.zeros(4)), a(np.zeros((1, 4)))), r"a: .*M, 4.*\(4,\)"),
        (lambda a: bbox.iou(a(np.zeros((1, 4))), a(np.zeros(4))), r"b: .*N, 4.*\(4,\)"),
    ],
)
def test_wrong_array_is_named(asarray, call, message):
    with pytest.raises(ArrayError, match=message):
        call(asarray)


@pytest.mark.parametrize("padding", [0, -1, NAN])
@pytest.mark.parametrize("name", ["xyxy2cs", "xywh2cs"])
def test_padding_must_be_positive(name, padding):
    with pytest.raises(OptionError, match="padding: expected a positive factor"):
        getattr(bbox, name)(XYXY, padding)


@pytest.mark.parametrize("ratio", [0, -1, NAN])
def test_aspect_ratio_must_be_positive(ratio):
    with pytest.raises(OptionError, match="aspect_ratio: expected a positive number"):
        bbox.fix_aspect_ratio(np.ones(2), ratio)


def test_unknown_names_list_the_choices():
    with pytest.raises(UnknownNameError, match="bbox_format 'xyhw': did you mean xywh"):
        bbox.flip(XYXY, (9, 9), bbox_format="xyhw")
    with pytest.raises(UnknownNameError, match="direction 'up': choose from horizontal, vertical"):
        bbox.flip(XYXY, (9, 9), bbox_format="xyxy", direction="up")

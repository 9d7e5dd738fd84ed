"""One map moves pixels, points, boxes and masks alike, composes, and comes back."""

from __future__ import annotations

import numpy as np
import pytest

from kptdata import Schema, load_schema
from kptdata.errors import ArrayError, OptionError, UnknownNameError
from kptdata.transforms import Geometry, Instances, PlainCrop, UDPCrop, place, standard_augmentation

COCO = load_schema("coco")
SIZE = (320, 240)


def person_of(rng, box=None, size=SIZE):
    """One person with most points labelled, its box around some of them."""
    labelled = rng.random((1, 17)) < 0.8
    xy = np.where(labelled[..., None], rng.uniform((0, 0), size, (1, 17, 2)), np.nan)
    box = rng.uniform((0, 0, 20, 20), (200, 120, 120, 120))[None] if box is None else box
    return Instances(xy, labelled, np.asarray(box, float))


def chessboard(size=SIZE, square=20):
    y, x = np.mgrid[: size[1], : size[0]]
    board = np.where((x // square + y // square) % 2, 230, 25).astype(np.uint8)
    inner = np.stack(
        np.meshgrid(np.arange(square, size[0], square), np.arange(square, size[1], square)), -1
    )
    return np.repeat(board[..., None], 3, axis=2), inner.reshape(-1, 2) - 0.5


def refined(grey, points):
    """Corners found near `points`, to a fraction of a pixel."""
    import cv2

    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 60, 1e-4)
    found = cv2.cornerSubPix(
        np.ascontiguousarray(grey), points.astype(np.float32)[:, None].copy(), (4, 4), (-1, -1),
        criteria,
    )  # fmt: skip
    return found[:, 0]


@pytest.mark.parametrize("rule", [PlainCrop((192, 256)), UDPCrop((192, 256))], ids=["plain", "udp"])
@pytest.mark.parametrize("law", ["mmpose", "hrnet"])
def test_thousands_of_draws_come_back(rng, rule, law):
    augmentation = standard_augmentation(law, half_body=0.5)
    worst = 0.0
    for _ in range(1000):
        person = person_of(rng)
        geometry = place(person, augmentation.draw(rng), rule, COCO, SIZE, augmentation)
        there = person.moved(geometry)
        xy, labelled = geometry.inverse.keypoints(there.xy, there.labelled)
        np.testing.assert_array_equal(labelled, person.labelled)
        np.testing.assert_array_equal(np.isnan(xy), np.isnan(person.xy))
        worst = max(worst, np.nanmax(np.abs(xy - person.xy), initial=0))
    assert worst < 1e-6


@pytest.mark.parametrize("udp", [False, True], ids=["plain", "udp"])
@pytest.mark.parametrize(("flip", "rotation"), [(False, 0), (True, 0), (False, 30), (True, -20)])
def test_chessboard_corners_are_where_the_points_are(udp, flip, rotation):
    from kptdata.transforms import Draw

    image, corners = chessboard()
    rule = UDPCrop((256, 256)) if udp else PlainCrop((256, 256))
    person = Instances(
        np.zeros((1, 17, 2)), np.ones((1, 17), bool), np.array([[60.0, 30, 180, 180]])
    )
    draw = Draw(flip=flip, rotation=rotation, shift=(0.02, -0.03))
    geometry = place(person, draw, rule, COCO, SIZE)

    there = geometry.points(corners)
    inside = ((there > 12) & (there < 256 - 13)).all(axis=1)
    assert inside.sum() > 30
    grey = geometry.image(image)[..., 0]
    assert np.abs(refined(grey, there[inside]) - there[inside]).max() < 0.5

    back = geometry.inverse.image(geometry.image(image))[..., 0]
    wide = ((there > 40) & (there < 256 - 41)).all(axis=1)
    assert wide.sum() > 10
    assert np.abs(refined(back, corners[wide]) - corners[wide]).max() < 0.5


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "diagonal"])
def test_a_flip_twice_is_the_identity_with_names(rng, direction):
    person = person_of(rng)
    image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    mask = rng.random((SIZE[1], SIZE[0])) < 0.5
    once = Geometry.mirror(SIZE, COCO, direction)
    twice = once.then(once)

    assert twice.order is None
    np.testing.assert_array_equal(twice.matrix, np.eye(2, 3))
    moved = person.moved(once).moved(once)
    np.testing.assert_allclose(moved.xy, person.xy, atol=1e-12)
    np.testing.assert_allclose(moved.bbox, person.bbox, atol=1e-12)
    np.testing.assert_array_equal(moved.labelled, person.labelled)
    np.testing.assert_array_equal(once.image(once.image(image)), image)
    np.testing.assert_array_equal(once.mask(once.mask(mask)), mask)


def test_a_flip_exchanges_names_and_mirrors_pixels(rng):
    person, mirror = person_of(rng), Geometry.mirror(SIZE, COCO)
    image = rng.integers(0, 256, (SIZE[1], SIZE[0]), dtype=np.uint8)
    there = person.moved(mirror)
    left, right = COCO.index("left_wrist"), COCO.index("right_wrist")
    np.testing.assert_allclose(there.xy[0, left, 0], SIZE[0] - 1 - person.xy[0, right, 0])
    assert there.labelled[0, left] == person.labelled[0, right]
    np.testing.assert_array_equal(mirror.image(image), image[:, ::-1])
    x, y, w, h = person.bbox[0]
    np.testing.assert_allclose(there.bbox[0], [SIZE[0] - 1 - x - w, y, w, h])


def test_no_flip_without_pairs():
    with pytest.raises(OptionError, match="flip: schema 'fly' pairs no left"):
        Geometry.mirror(SIZE, Schema.from_names(["head", "tail"], name="fly"))
    half_turn = Geometry.mirror(SIZE, Schema.from_names(["head"], name="fly"), "diagonal")
    assert half_turn.order is None


def test_maps_compose_into_one_warp(rng):
    image, corners = chessboard()
    steps = [
        Geometry.mirror(SIZE, COCO),
        Geometry.pad(SIZE, (16, 8), (0, 8)),
        Geometry.resize((336, 256), (168, 128)),
    ]
    whole = steps[0].then(steps[1]).then(steps[2])

    points, picture = corners, image
    for step in steps:
        points, picture = step.points(points), step.image(picture)
    np.testing.assert_allclose(whole.points(corners), points, atol=1e-9)
    assert whole.size_wh == (168, 128)
    assert whole.image(image).shape == picture.shape
    assert np.abs(whole.image(image).astype(float) - picture).mean() < 3


def test_a_resize_is_that_of_opencv(rng):
    import cv2

    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    ours = Geometry.resize((80, 60), (40, 30)).image(image)
    assert np.abs(ours.astype(int) - cv2.resize(image, (40, 30))).max() <= 2


def test_boxes_are_hulls(rng):
    from kptdata.transforms import Draw

    person = person_of(rng, box=[[100.0, 60, 80, 100]])
    turned = place(person, Draw(rotation=90), PlainCrop((200, 200)), COCO, SIZE)
    moved = person.moved(turned).bbox[0]
    scale = 200 / 125
    np.testing.assert_allclose(moved[2:], np.array([100, 80]) * scale)
    straight = place(person, Draw(flip=True, scale=0.8), UDPCrop((200, 200)), COCO, SIZE)
    back = straight.inverse.boxes(straight.boxes(person.bbox))
    np.testing.assert_allclose(back, person.bbox, atol=1e-9)


def test_it_agrees_with_the_functions_for_any_array_library(rng):
    from kptdata import affine, bbox

    inner, outer = rng.normal(size=(2, 2, 3))
    one, two = Geometry(inner, SIZE, SIZE), Geometry(outer, SIZE, SIZE)
    person = person_of(rng)
    np.testing.assert_allclose(one.then(two).matrix, affine.compose(outer, inner), rtol=1e-12)
    np.testing.assert_allclose(one.inverse.matrix, affine.invert(inner), rtol=1e-9)
    np.testing.assert_allclose(one.points(person.xy), affine.apply(inner, person.xy), rtol=1e-12)
    corners = affine.apply(inner, bbox.corners(bbox.xywh2xyxy(person.bbox)))
    hull = bbox.xyxy2xywh(bbox.corners2xyxy(corners))
    np.testing.assert_allclose(one.boxes(person.bbox), hull, atol=1e-9)


def test_a_mask_keeps_its_values(rng):
    labels = rng.integers(0, 5, (SIZE[1], SIZE[0])).astype(np.uint8) * 50
    geometry = Geometry.resize(SIZE, (100, 90))
    assert set(np.unique(geometry.mask(labels))) <= {0, 50, 100, 150, 200}
    assert geometry.mask(labels > 100).dtype == bool


def test_a_picture_longer_than_opencv_warps(rng):
    long = np.zeros((4, 40_000), np.uint8)
    long[1:3, 39_000:39_010] = 200
    person = Instances(
        np.zeros((1, 17, 2)), np.ones((1, 17), bool), np.array([[38_990.0, 0, 30, 4]])
    )
    from kptdata.transforms import Draw

    geometry = place(person, Draw(), PlainCrop((64, 64)), COCO, (40_000, 4))
    x, y = np.round(geometry.points(np.array([[39_004.0, 1.5]]))[0]).astype(int)
    assert geometry.image(long)[y, x] == 200


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda g: g.image(np.zeros((5, 5))), ArrayError, r"image: expected shape \(240, 320"),
        (lambda g: g.image(np.zeros((240, 320)), interpolation="lin"), UnknownNameError, "linear"),
        (lambda g: g.then(Geometry.identity((3, 3))), OptionError, "after: expected a map of"),
        (lambda g: Geometry(np.zeros((2, 3)), SIZE, SIZE).inverse, OptionError, "can be undone"),
        (lambda g: Geometry(np.eye(3), SIZE, SIZE), ArrayError, r"matrix: expected shape \(2, 3\)"),
        (lambda g: Geometry.identity((0, 4)), OptionError, "size_wh: expected a positive"),
        (lambda g: Geometry.mirror(SIZE, COCO).renamed(np.zeros(4)), ArrayError, "17 keypoints"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call(Geometry.identity(SIZE))


@pytest.mark.parametrize("box", [[0.0, 0, 0, 0], [np.nan] * 4])
def test_a_box_without_area_is_refused(rng, box):
    from kptdata.transforms import Draw

    with pytest.raises(OptionError, match="bbox: expected a box with area"):
        place(person_of(rng, box=[box]), Draw(), PlainCrop((64, 64)), COCO, SIZE)

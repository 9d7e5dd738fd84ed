"""Annotations on images: marks where the points are, legible at any size, inputs untouched."""

from __future__ import annotations

import numpy as np
import pytest

import kptdata as kd
from kptdata.viz import Style, contact_sheets, draw_annotations
from kptdata.viz._draw import Frame, fit, text_size
from kptdata.viz.annotations import choose_keypoints
from kptdata.viz.sheet import parse_grid

GREY = 90


def people(schema, count=1, side=100.0, seed=0):
    """People with points spread over a square of this side, all visible."""
    k = schema.num_keypoints
    xy = np.random.default_rng(seed).uniform(0.1 * side, 0.9 * side, (count, k, 2))
    return kd.PoseDataset(
        schema=schema,
        images=kd.ImageTable.of(["a.png"], width=[round(side)], height=[round(side)]),
        image=np.zeros(count, np.intp),
        xy=xy,
        visibility=np.full((count, k), kd.Visibility.VISIBLE, np.uint8),
        bbox=np.tile([0.1 * side, 0.1 * side, 0.8 * side, 0.8 * side], (count, 1)),
    )


def plain(width, height):
    return np.full((height, width, 3), GREY, np.uint8)


def four_states():
    """One person, one point of each kind of mark, far apart."""
    schema = kd.Schema.from_names(["a", "b", "c", "d", "e"], name="five")
    xy = np.array([[[20.0, 20], [80, 20], [20, 80], [np.nan, np.nan], [np.nan, np.nan]]])
    given = np.full((1, 5, 2), np.nan)
    given[0, 3] = (80, 80)
    return kd.PoseDataset(
        schema=schema,
        images=kd.ImageTable.of(["a.png"]),
        image=np.zeros(1, np.intp),
        xy=xy,
        visibility=np.array([[2, 1, 4, 3, 0]], np.uint8),
        given_xy=given,
    )


def test_each_state_has_its_own_mark_in_its_place():
    ds = four_states()
    colour = ds.schema.colours[0].astype(int)
    picture = draw_annotations(plain(100, 100), ds).astype(int)
    frame = Frame((picture.shape[1] / 100, picture.shape[0] / 100))

    def at(x, y):
        return np.rint(frame.place(np.array([x, y], float))).astype(int)

    def patch(x, y):
        column, row = at(x, y)
        return picture[row - 9 : row + 10, column - 9 : column + 10]

    places = {"visible": (20, 20), "occluded": (80, 20), "labelled": (20, 80), "stated": (80, 80)}
    middles = {name: patch(*xy)[9, 9] for name, xy in places.items()}
    assert np.abs(middles["visible"] - colour).max() < 12
    assert middles["occluded"].max() < 60
    assert np.abs(middles["labelled"] - colour).max() < 12
    patches = [patch(20, 20), patch(80, 20), patch(20, 80), patch(80, 80)]
    for i, one in enumerate(patches):
        assert (one != GREY).any()
        for other in patches[:i]:
            assert (one != other).any()
    changed = (picture != GREY).any(axis=-1)
    rows, columns = np.nonzero(changed)
    near = [at(20, 20), at(80, 20), at(20, 80), at(80, 80)]
    far = np.min([np.hypot(columns - x, rows - y) for x, y in near], axis=0)
    assert far.max() < 14


def test_nothing_is_changed():
    ds = people(kd.load_schema("coco"))
    image = plain(100, 100)
    before = ds.xy.copy()
    draw_annotations(image, ds, Style(labels="names", title="a"))
    assert (image == GREY).all()
    assert (ds.xy == before).all()


@pytest.mark.parametrize("side", [64, 640, 6000])
@pytest.mark.parametrize("name", ["coco", "300w", "halpe"])
@pytest.mark.parametrize("labels", ["none", "indices"])
def test_legible_from_64_to_6000_pixels_with_17_68_and_136_points(side, name, labels):
    schema = kd.load_schema(name)
    ds = people(schema, side=float(side))
    picture = draw_annotations(plain(side, side), ds, Style(labels=labels, boxes=False))

    assert 480 <= max(picture.shape) <= 1600
    scale = picture.shape[0] / side
    at = np.rint((ds.xy[0] + 0.5) * scale - 0.5).astype(int)
    marked = (picture != GREY).any(axis=-1)
    assert marked[at[:, 1], at[:, 0]].all()
    assert marked.mean() < 0.75
    # Every mark is large enough to be seen: at least 2 pixels around its point.
    for x, y in at:
        assert marked[y - 1 : y + 2, x - 1 : x + 2].all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (7000, 30)])
def test_odd_shapes_are_drawn(shape):
    ds = people(kd.load_schema("coco"), side=10.0)
    picture = draw_annotations(plain(*shape), ds, Style(labels="names", title="odd"))
    assert picture.ndim == 3
    assert max(picture.shape[:2]) <= 1700


def test_no_people_no_marks():
    ds = people(kd.load_schema("coco"))[:0]
    picture = draw_annotations(plain(600, 600), ds)
    assert (picture == GREY).all()


def test_points_far_outside_are_no_trouble():
    ds = people(kd.load_schema("coco"))
    far = ds.replace(xy=ds.xy + 1e7)
    assert (draw_annotations(plain(600, 600), far, Style(boxes=False)) == GREY).all()


def test_a_box_of_the_whole_image_is_seen_on_all_sides():
    ds = people(kd.load_schema("coco")).replace(bbox=np.array([[0.0, 0, 600, 400]]))
    picture = draw_annotations(plain(600, 400), ds, Style(skeleton=False, keypoints=("nose",)))
    for side in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (side != GREY).any(axis=-1).mean() > 0.9


@pytest.mark.parametrize("top", [0.0, 8.0, 300.0])
def test_the_name_of_a_box_is_whole_wherever_the_box_is(top):
    ds = people(kd.load_schema("coco")).replace(boxes={"head": np.array([[100.0, top, 200, 90]])})
    style = Style(skeleton=False, keypoints=("nose",), boxes=True, named_boxes=True)
    picture = draw_annotations(plain(600, 600), ds, style).astype(int)
    bare = draw_annotations(plain(600, 600), ds.replace(boxes={"": ds.boxes["head"]}), style)
    ink = np.abs(picture - bare).sum(axis=-1) > 0

    wide, tall = text_size("head", 11)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert np.ptp(rows) + 1 >= tall
    assert np.ptp(columns) + 1 >= wide


def test_subsets_by_name_and_pattern():
    schema = kd.load_schema("coco")
    chosen = choose_keypoints(schema, ["left_*", "nose"])
    assert [n for n, c in zip(schema.names, chosen, strict=True) if c] == [
        n for n in schema.names if n == "nose" or n.startswith("left_")
    ]
    assert choose_keypoints(schema, []).all()
    with pytest.raises(kd.UnknownNameError, match="did you mean left_wrist"):
        choose_keypoints(schema, ["left_wris"])
    ds = people(schema)
    some = draw_annotations(plain(600, 600), ds, Style(boxes=False, keypoints=("nose",)))
    every = draw_annotations(plain(600, 600), ds, Style(boxes=False))
    assert (some != GREY).sum() < (every != GREY).sum() / 5


def test_labels_must_be_known():
    with pytest.raises(kd.OptionError, match="labels: expected one of none, names, indices"):
        Style(labels="name")


def test_the_title_goes_below_with_a_legend_of_what_is_drawn():
    ds = four_states()
    bare = draw_annotations(plain(100, 100), ds)
    titled = draw_annotations(plain(100, 100), ds, Style(title="a picture"))
    assert (titled[: bare.shape[0]] == bare).all()
    assert titled.shape[0] - bare.shape[0] in (30, 54)


def test_fit_puts_edges_on_edges():
    picture, frame = fit(plain(100, 50), 400, 400)
    assert picture.shape == (200, 400, 3)
    assert frame.place(np.array([[-0.5, -0.5], [99.5, 49.5]])).tolist() == [
        [-0.5, -0.5],
        [399.5, 199.5],
    ]


def test_contact_sheets_fill_pages():
    pictures = [plain(100 + 10 * i, 80) for i in range(7)]
    pages = list(contact_sheets(pictures, (3, 2), cell=120))
    assert len(pages) == 2
    assert pages[0].shape[1] == 3 * 128 + 8
    assert list(contact_sheets([], (3, 2))) == []


@pytest.mark.parametrize("text", ["", "4", "0x3", "4x", "axb", "41x2"])
def test_bad_grids(text):
    with pytest.raises(kd.OptionError, match="sheet: expected COLUMNSxROWS"):
        parse_grid(text)


def test_letters_have_a_size():
    wide, tall = text_size("left_wrist", 12)
    assert 50 < wide < 90
    assert 9 < tall < 16

"""Pictures of schemas: every one can be drawn, nothing overlaps, left is on the right."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from kptdata.errors import FileError
from kptdata.schema import Keypoint, Link, Schema, list_schemas, load_schema
from kptdata.viz import schema_picture
from kptdata.viz.schema_picture import draw_schema, reference_layout, save_schema_picture


@pytest.mark.parametrize("name", list_schemas())
def test_layout_of_every_schema(name):
    schema = load_schema(name)
    xy = reference_layout(schema)
    assert xy.shape == (schema.num_keypoints, 2)
    assert xy.min() >= 0
    assert xy.max() <= 1
    assert len(np.unique(xy.round(4), axis=0)) == len(xy)


@pytest.mark.parametrize("name", ["coco", "halpe26", "coco_wholebody", "mpii", "body25"])
def test_the_persons_left_is_on_the_right(name):
    schema = load_schema(name)
    xy = reference_layout(schema)
    for point in schema.keypoints:
        if point.canonical in {"left_shoulder", "left_hip", "left_ankle"}:
            assert xy[schema.index(point.name), 0] > xy[schema.index(str(point.swap)), 0]


@pytest.mark.parametrize("name", ["coco", "300w", "deepfashion2"])
def test_points_are_drawn_in_their_colours(name):
    schema = load_schema(name)
    picture = draw_schema(schema)
    assert picture.dtype == np.uint8
    assert min(picture.shape[:2]) > 300
    for colour in np.unique(schema.colours, axis=0):
        assert (picture == colour).all(-1).any()
    np.testing.assert_array_equal(draw_schema(schema), picture)


def boxes_of_texts(schema: Schema) -> list[tuple[str, np.ndarray]]:
    """Draw, and return each written text with its box (4,) in pixels."""
    from matplotlib.axes import Axes

    written = []
    original = Axes.text

    def record(self, *args, **keys):
        text = original(self, *args, **keys)
        written.append(text)
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Axes, "text", record)
        picture = draw_schema(schema)
    boxes = [text.get_window_extent() for text in written]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= picture.shape[1]
        assert box.y1 <= picture.shape[0]
    return [(t.get_text(), np.array(b.extents)) for t, b in zip(written, boxes, strict=True)]


NAMED = (
    "zebra",
    "coco",
    "humanart21",
    "horse10",
    "halpe26",
    "mediapipe_pose",
    "locust",
    "mpii_trb",
)


@pytest.mark.parametrize("name", NAMED)
def test_names_do_not_overlap_and_lie_in_the_picture(name):
    schema = load_schema(name)
    texts = boxes_of_texts(schema)
    assert all(any(n in text for text, _ in texts) for n in schema.names)
    for (one, a), (other, b) in combinations(texts, 2):
        apart = (a[2:] <= b[:2] + 1).any() or (b[2:] <= a[:2] + 1).any()
        assert apart, (one, other)


def test_many_points_are_numbered():
    texts = [text for text, _ in boxes_of_texts(load_schema("wflw"))]
    assert {str(row) for row in range(98)} <= set(texts)


def ring(count: int) -> Schema:
    names = [f"p{row}" for row in range(count)]
    return Schema.from_names(names, "ring", list(zip(names, names[1:] + names[:1], strict=True)))


def test_layout_is_derived_where_the_schema_states_none():
    xy = reference_layout(ring(12))
    distance = np.hypot(*(xy - xy.mean(0)).T)
    np.testing.assert_allclose(distance, distance[0], rtol=1e-6)  # a ring becomes a circle
    assert reference_layout(Schema.from_names(["a"])).tolist() == [[0.5, 0.5]]
    assert len(np.unique(reference_layout(Schema.from_names("abcdef")).round(6), axis=0)) == 6


def test_derived_layout_puts_pairs_side_by_side():
    points = (
        Keypoint("head"),
        Keypoint("left_hand", swap="right_hand"),
        Keypoint("right_hand", swap="left_hand"),
        Keypoint("tail"),
    )
    pairs = [("head", "left_hand"), ("head", "right_hand"), ("head", "tail")]
    xy = reference_layout(Schema("x", points, tuple(Link(*pair) for pair in pairs)))
    assert xy[1, 0] > xy[2, 0]
    assert xy[1, 1] == pytest.approx(xy[2, 1])


def test_parts_without_links_between_them_do_not_overlap():
    names = [f"p{row}" for row in range(8)]
    links = [(names[row], names[row + 1]) for row in (0, 1, 4, 5)]
    xy = reference_layout(Schema.from_names(names, "parts", links))
    assert len(np.unique(xy.round(6), axis=0)) == 8


def test_empty_schema_can_be_drawn():
    assert draw_schema(Schema("boxes", ())).size


def test_save(tmp_path):
    import cv2

    schema = load_schema("zebra")
    path = tmp_path / "zebra.png"
    save_schema_picture(schema, path)
    np.testing.assert_array_equal(
        cv2.imread(str(path))[..., ::-1], schema_picture.draw_schema(schema)
    )
    with pytest.raises(FileError, match="cannot be written"):
        save_schema_picture(schema, tmp_path / "no" / "zebra.png")

"""Which schema a COCO file is read as: its names decide, what is given must not contradict them."""

from __future__ import annotations

from typing import Any

import pytest
from coco_files import NAMES, annotation, ground_truth, save

from kptdata import FormatError, Schema, SchemaError, load_schema
from kptdata.formats import coco


def unnamed(num_keypoints: int = 17, **changes: Any) -> dict[str, Any]:
    """Return a file that does not name its points."""
    row = annotation(keypoints=[1, 2, 2] * num_keypoints)
    return ground_truth(row, categories=[{"id": 1, "name": "x", "keypoints": []} | changes])


def test_points_without_names_need_a_schema(tmp_path):
    path = save(unnamed(68), tmp_path / "a.json")

    with pytest.raises(SchemaError, match=r"68 names.*--schema.*300w.*coco_wholebody_face"):
        coco.read_all(path)
    (ds,) = coco.read_all(path, schema=load_schema("300w"))
    assert ds.schema.name == "300w"
    with pytest.raises(SchemaError, match=r"keypoints of coco; expected the 17.*found 68 points"):
        coco.read_all(path, schema=load_schema("coco"))


def test_no_schema_has_so_many_points(tmp_path):
    with pytest.raises(SchemaError, match="write a schema for these 3333 points"):
        coco.read_all(save(unnamed(3333), tmp_path / "a.json"))


def test_names_that_count_are_no_names(tmp_path):
    content = unnamed(17, keypoints=[str(i) for i in range(17)])

    (ds,) = coco.read_all(save(content, tmp_path / "a.json"), schema=load_schema("coco"))

    assert ds.schema.name == "coco"


def test_more_names_than_points(tmp_path):
    path = save(unnamed(17, keypoints=[*NAMES, "a", "b"]), tmp_path / "a.json")

    with pytest.raises(SchemaError, match=r"name 19 keypoints and the annotations hold 17.*ap10k"):
        coco.read_all(path)
    (ds,) = coco.read_all(path, schema=load_schema("coco"))
    assert ds.xy[0, 0].tolist() == [1, 2]


def test_a_schema_that_swaps_left_and_right_is_refused(tmp_path):
    swapped = [
        n.replace("left", "l").replace("right", "left").replace("l_", "right_") for n in NAMES
    ]
    path = save(unnamed(17, keypoints=swapped), tmp_path / "a.json")

    with pytest.raises(SchemaError, match=r"expected 'left_eye', found 'right_eye' at 1"):
        coco.read_all(path, schema=load_schema("coco"))


@pytest.mark.parametrize(
    "names",
    [
        [n.title().replace("_", " ") for n in NAMES],
        [n.replace("left", "L").replace("right", "R") for n in NAMES],
        ["tip of the nose", *NAMES[1:]],
    ],
    ids=["spaced", "short", "one unknown"],
)
def test_a_schema_may_spell_names_in_its_own_way(names, tmp_path):
    path = save(unnamed(17, keypoints=names), tmp_path / "a.json")

    (ds,) = coco.read_all(path, schema=load_schema("coco"))

    assert ds.schema.name == "coco"


def test_names_twice(tmp_path):
    path = save(unnamed(2, keypoints=["a", "a"]), tmp_path / "a.json")
    with pytest.raises(SchemaError, match=path.name):
        coco.read_all(path)


def test_unknown_names_make_a_schema(tmp_path):
    path = save(unnamed(2, keypoints=["hinge", "handle"]), tmp_path / "a.json")

    (ds,) = coco.read_all(path)

    assert ds.schema == Schema.from_names(["hinge", "handle"], name="x")


@pytest.mark.parametrize(
    ("lists", "error", "message"),
    [
        ([[1] * 48] * 2, SchemaError, "name 17 keypoints and the annotations hold 16.*mpii"),
        ([[1] * 9999], SchemaError, "hold 3333.*correct the names, or the lists"),
        ([[1] * 48, [1] * 51], FormatError, "annotation 0: keypoints: wrong number of points"),
        ([[1] * 50] * 2, FormatError, "annotation 0: .*found 50 numbers"),
    ],
)
def test_lists_that_are_not_of_the_length_of_the_names(lists, error, message, tmp_path):
    rows = [annotation(n, keypoints=points) for n, points in enumerate(lists)]
    with pytest.raises(error, match=message):
        coco.read_all(save(ground_truth(*rows), tmp_path / "a.json"))

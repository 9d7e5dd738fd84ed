"""Datumaro JSON: what is read from a file typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kptdata as kd
from kptdata import (
    FormatError,
    ImageTable,
    KptDataError,
    PoseDataset,
    RawColumn,
    Schema,
    SchemaError,
    Visibility,
    load_schema,
)
from kptdata.formats import datumaro

FILE = Path(__file__).parents[1] / "data" / "datumaro" / "train.json"
NAN = np.nan
V = Visibility
TWO = Schema.from_names(["nose", "tail"], name="fish")


def typed() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def read(path: Path, content: Any, **options: Any) -> tuple[PoseDataset, ...]:
    path.write_text(json.dumps(content))
    return datumaro.read_all(path, **options)


def parts() -> dict[str, PoseDataset]:
    return {ds.schema.name: ds for ds in kd.read_all(FILE)}


def box(*xywh: float, **more: Any) -> dict[str, Any]:
    base = {"id": 0, "type": "bbox", "attributes": {}, "group": 0, "label_id": 0, "z_order": 0}
    return base | {"bbox": list(xywh)} | more


def points(*flat: float, **more: Any) -> dict[str, Any]:
    base = {"id": 0, "type": "points", "attributes": {}, "group": 0, "label_id": 0, "z_order": 0}
    return base | {"points": list(flat)} | more


def page(*annotations: Any, names: tuple[str, ...] = ("nose", "tail"), **more: Any) -> Any:
    categories: dict[str, Any] = {"label": {"labels": [{"name": "fish", "parent": ""}]}}
    if names:
        item = {"label_id": 0, "labels": list(names), "joints": [], "positions": []}
        categories["points"] = {"items": [item]}
    items = [{"id": "a", "annotations": list(annotations), "image": {"path": "a.jpg"}}]
    return {"dm_format_version": "1.0", "categories": categories, "items": items} | more


def people(**columns: Any) -> PoseDataset:
    base = {
        "schema": TWO,
        "images": ImageTable.of(["a.jpg", "sub/b.jpg"], width=[64, 0], height=[48, 0]),
        "image": [0, 1],
        "xy": np.arange(8.0).reshape(2, 2, 2),
        "visibility": np.full((2, 2), V.VISIBLE),
        "category": [1, 1],
        "categories": {1: "fish"},
    }
    return PoseDataset(**(base | columns))


# Reading


def test_values_are_as_they_were_typed():
    fish = parts()["fish"]

    assert fish.schema.names == ("nose", "fin", "tail")
    assert [(link.start, link.end) for link in fish.schema.links] == [
        ("nose", "tail"),
        ("fin", "tail"),
    ]
    np.testing.assert_array_equal(fish.xy[0], [[10.5, 20.25], [NAN, NAN], [30, 40]])
    assert fish.visibility.tolist() == [[V.VISIBLE, V.UNLABELLED, V.OCCLUDED], [V.LABELLED] * 3]
    np.testing.assert_array_equal(fish.bbox, [[1, 2, 30.25, 40], [NAN] * 4])
    np.testing.assert_array_equal(fish.score, [0.5, NAN])
    assert fish.iscrowd.tolist() == [0, -1]
    assert fish.id.tolist() == [4, 5]
    assert fish.categories == {1: "fish"}
    assert list(fish.extras["note"]) == [b'"x"', None]
    assert list(fish.extras["occluded"]) == [b"true", None]
    assert fish.meta["author"] == b'"me"'


def test_pictures():
    images = parts()["cat"].images

    assert images.id.tolist() == [12, 7, 5]
    assert images.file_name.tolist() == ["sea_one.jpg", "", "three.png"]
    assert images.wh.tolist() == [[64, 48], [0, 0], [0, 0]]
    assert images.frame.tolist() == [3, kd.dataset.MISSING_INT, kd.dataset.MISSING_INT]
    assert list(images.extras["source"]) == [b'"cam"', None, None]


def test_classes_with_other_points_have_datasets_of_their_own():
    found = parts()

    assert {name: len(ds) for name, ds in found.items()} == {"fish": 2, "boxes": 1, "cat": 1}
    assert found["boxes"].categories == {2: "stone"}
    assert found["boxes"].bbox.tolist() == [[0, 0, 3, 4]]
    assert found["cat"].track.tolist() == [8]


def test_trap_20_coordinates_under_an_absent_point_are_kept():
    cat = parts()["cat"]

    assert cat.given_xy.tolist()[0][0] == [1, 2]
    assert np.isnan(parts()["fish"].column("given_xy")).all()  # (0, 0) says nothing


def test_trap_18_lines_that_count_from_1():
    assert [(link.start, link.end) for link in parts()["cat"].schema.links] == [("ear", "tail")]


def test_annotations_that_are_no_people_stay_where_they_were():
    others = parts()["fish"].images.extras["datumaro_annotations"]

    assert [(index, said["type"]) for index, said in others.parsed(0)] == [
        (1, "polygon"),
        (5, "points"),
    ]
    assert [said["caption"] for _, said in others.parsed(1)] == ["hello"]


def test_what_was_read_is_written_as_it_was(tmp_path):
    path = tmp_path / "train.json"

    report = kd.formats.write_all(kd.read_all(FILE), path, format="datumaro")

    assert json.loads(path.read_text()) == typed()
    assert not {*report.lost} - {"schema"}
    first = path.read_bytes()
    kd.formats.write_all(kd.read_all(path), path, format="datumaro")
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("annotations", "found"),
    [
        pytest.param([box(1, 2, 3, 4, group=1), points(1, 2, 3, 4, group=1)], [(1, 2)], id="group"),
        pytest.param(
            [points(1, 2, 3, 4, group=1), box(1, 2, 3, 4, group=1)], [(1, 2)], id="turned"
        ),
        pytest.param([box(1, 2, 3, 4), points(1, 2, 3, 4)], [(1, 0), (0, 2)], id="group-0"),
        pytest.param(
            [box(1, 2, 3, 4, group=1), points(1, 2, 3, 4, group=2)], [(1, 0), (0, 2)], id="other"
        ),
        pytest.param(
            [box(1, 2, 3, 4, group=1), box(1, 2, 3, 4, group=1), points(1, 2, 3, 4, group=1)],
            [(1, 2), (1, 0)],
            id="two-boxes",
        ),
        pytest.param(
            [points(1, 2, 3, 4, group=1), points(1, 2, 3, 4, group=1), box(1, 2, 3, 4, group=1)],
            [(1, 2), (0, 2)],
            id="two-people",
        ),
        pytest.param(
            [box(1, 2, 3, 4, group=1, label_id=None), points(1, 2, 3, 4, group=1)],
            [(1, 0), (0, 2)],
            id="another-class",
        ),
    ],
)
def test_groups(annotations, found, tmp_path):
    path = tmp_path / "t.json"
    datasets = read(path, page(*annotations))

    said = sorted(
        (
            int(ds.order[row]),
            int(np.isfinite(ds.column("bbox")[row]).all()),
            int(ds.num_labelled[row]),
        )
        for ds in datasets
        for row in range(len(ds))
    )
    assert [pair for _, *pair in said] == [list(pair) for pair in found]
    datumaro.write_all(datasets, path)
    assert json.loads(path.read_text())["items"][0]["annotations"] == annotations


def test_skeletons_of_the_fork_that_cvat_uses(tmp_path):
    skeleton = points(1, 2, 2, 3, 4, 1, type="skeleton", points_attributes=[{}, {"a": 1}])
    path = tmp_path / "t.json"

    (ds,) = read(path, page(skeleton))
    datumaro.write_all((ds,), path)

    assert ds.xy.tolist() == [[[1, 2], [3, 4]]]
    assert ds.visibility.tolist() == [[V.VISIBLE, V.OCCLUDED]]
    assert json.loads(path.read_text())["items"][0]["annotations"] == [skeleton]


def test_a_bundled_schema_goes_by_name(tmp_path):
    names = tuple(reversed(load_schema("coco").names))

    (ds,) = read(tmp_path / "t.json", page(points(*range(34)), names=names))

    assert ds.schema == load_schema("coco")
    assert ds.xy[0].tolist() == [[2 * k, 2 * k + 1] for k in range(16, -1, -1)]


def test_points_that_nobody_names_need_a_schema(tmp_path):
    content = page(points(1, 2, 3, 4), names=())

    with pytest.raises(SchemaError, match=r"t\.json.*does not name its 2 keypoints"):
        read(tmp_path / "t.json", content)
    with pytest.raises(SchemaError, match="17 points, found 2"):
        read(tmp_path / "t.json", content, schema=load_schema("coco"))
    (ds,) = read(tmp_path / "t.json", content, schema=TWO)
    assert ds.xy.tolist() == [[[1, 2], [3, 4]]]


def test_a_schema_of_other_points(tmp_path):
    with pytest.raises(SchemaError, match=r"points of 'fish'.*keypoints of coco"):
        read(tmp_path / "t.json", page(points(1, 2, 3, 4)), schema=load_schema("coco"))


def test_attributes_that_two_shapes_state(tmp_path):
    shapes = [
        box(1, 2, 3, 4, group=3, id=3, attributes={"score": 1, "pose": "up", "is_crowd": "no"}),
        points(1, 2, 3, 4, group=3, id=8, attributes={"score": 0.25, "pose": "down", "age": [1]}),
    ]
    path = tmp_path / "t.json"

    (ds,) = read(path, page(*shapes))
    datumaro.write_all((ds,), path)

    assert ds.score.tolist() == [1]
    assert {key: list(raw) for key, raw in ds.extras.items() if ":" not in key} == {
        "pose": [b'"up"'],
        "age": [b"[1]"],
        "is_crowd": [b'"no"'],
    }
    assert json.loads(path.read_text())["items"][0]["annotations"] == shapes


# Refusals


def item(*annotations: Any, **more: Any) -> Any:
    return {**page(), "items": [{"id": "a", "annotations": list(annotations), **more}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no Datumaro file.*found a list"),
        ({"categories": [], "items": []}, "no Datumaro file.*'categories', 'items'"),
        (page(infos=3), "infos: infos that are none"),
        ({**page(), "categories": {"label": {"labels": [3]}}}, "categories that are not"),
        ({**page(), "items": [3]}, r"items\[0\]: no item.*found a number"),
        ({**page(), "items": [{"id": 3}]}, r"items\[0\]: an item that is not"),
        (item(image={"path": 3}), r"items\[0\]: an item that is not"),
        (item(image={"size": [1]}), r"items\[0\], image: no size"),
        (item(3), r"item 'a', annotations\[0\]: no annotation"),
        (item(box(1, 2, 3)), r"annotations\[0\], bbox.*expected 4 numbers"),
        (item(box(1, 2, 3, True)), r"annotations\[0\], bbox.*expected 4 numbers"),
        (item(points(1, 2, 3)), r"annotations\[0\], points.*expected 4 numbers"),
        (
            item(points(1, 2, 3, 4, label_id=1)),
            r"label_id: no such label; expected 0 to 0, found 1",
        ),
        (item(points(1, 2, 3, 4, group="x")), "group: no whole number"),
        (item(points(1, 2, 3, 4, visibility=[2])), "visibility: no states.*2 times 0, 1 or 2"),
        (item(points(1, 2, 3, 4, visibility=[2, 3])), "visibility: no states"),
        (item(points(1, 2, 3, 4, attributes=[1])), "attributes: no attributes"),
        (item(points(1, 2, 3, 4, 5, 6, type="skeleton")), "no states"),
    ],
)
def test_refusals_name_the_place(content, message, tmp_path):
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / "t.json", content)

    assert "t.json" in str(caught.value)


def test_a_number_that_no_float_holds(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps(page(points(1, 2, 3, 4))).replace("[1, 2", "[1e999, 2"))

    with pytest.raises(FormatError, match=r"t\.json: a number that is none.*out of range"):
        datumaro.read_all(path)


def test_sniff(tmp_path):
    legacy = {k: v for k, v in typed().items() if k in ("categories", "items")}
    for content, confidence in ((typed(), 0.95), (legacy, 0.85), ({"items": []}, 0)):
        (tmp_path / "t.json").write_text(json.dumps(content))

        assert datumaro.sniff(tmp_path / "t.json").confidence == confidence


# Writing


def test_what_is_written(tmp_path):
    ds = people(
        visibility=[[V.VISIBLE, V.OCCLUDED], [V.UNLABELLED, V.VISIBLE]],
        xy=[[[1.5, 2], [3, 1 / 3]], [[NAN, NAN], [6, 7]]],
        bbox=[[1, 2, 3, 4], [NAN] * 4],
        id=[30, 31],
        score=[0.5, NAN],
        keypoint_score=[[NAN, NAN], [NAN, 0.75]],
        extras={"pose": RawColumn([b'"up"', None])},
        meta={"info": b'{"year": 1}'},
    )
    path = tmp_path / "t.json"

    report = kd.write(ds, path, format="datumaro", strict=False)

    written = json.loads(path.read_text())
    assert written["infos"] == {"info": {"year": 1}}
    assert written["categories"]["points"]["items"] == [
        {"label_id": 0, "labels": ["nose", "tail"], "joints": [], "positions": []}
    ]
    first, second = written["items"]
    assert (first["id"], first["image"]) == ("a", {"path": "a.jpg", "size": [48, 64]})
    assert (second["id"], second["image"]) == ("sub/b", {"path": "sub/b.jpg"})
    shared = {"id": 30, "group": 30, "label_id": 0, "z_order": 0}
    assert first["annotations"] == [
        shared | {"type": "bbox", "bbox": [1, 2, 3, 4], "attributes": {"score": 0.5, "pose": "up"}},
        shared
        | {"type": "points", "points": [1.5, 2, 3, 1 / 3], "visibility": [2, 1], "attributes": {}},
    ]
    (alone,) = second["annotations"]
    assert alone["group"] == 0
    assert alone["attributes"] == {"keypoint_scores": [None, 0.75]}
    assert alone["points"] == [0, 0, 6, 7]
    assert not report.lost
    assert not report.invented
    (back,) = datumaro.read_all(path)
    assert back.schema == ds.schema
    np.testing.assert_array_equal(back.keypoint_score, ds.keypoint_score)


def test_states_without_a_word_on_occlusion_are_left_out_or_counted(tmp_path):
    path = tmp_path / "t.json"
    pure = people(visibility=np.full((2, 2), V.LABELLED))
    mixed = people(visibility=[[V.LABELLED, V.VISIBLE], [V.LABELLED, V.LABELLED]])

    assert "visibility" not in kd.write(pure, path, format="datumaro").lost
    assert kd.write(mixed, path, format="datumaro").lost["visibility"] == 1
    assert kd.read(path).visibility.tolist() == [[V.VISIBLE, V.VISIBLE], [V.LABELLED, V.LABELLED]]


def test_groups_of_a_picture_are_never_shared(tmp_path):
    """Ids that several people have do not bind one's box to another's points."""
    path = tmp_path / "t.json"
    count = 4
    ds = people(
        image=[0] * count,
        xy=np.arange(count * 4.0).reshape(count, 2, 2),
        visibility=np.full((count, 2), V.VISIBLE),
        bbox=np.arange(count * 4.0).reshape(count, 4) + 1,
        id=[1, 1, 0, 2],
        category=[1] * count,
    )

    kd.write(ds, path, format="datumaro")
    back = kd.read(path)

    np.testing.assert_array_equal(back.xy, ds.xy)
    np.testing.assert_array_equal(back.bbox, ds.bbox)
    groups = [a["group"] for a in json.loads(path.read_text())["items"][0]["annotations"]]
    assert groups[::2] == groups[1::2]
    assert len(set(groups)) == count


def test_people_taken_out_do_not_bind_what_is_left(tmp_path):
    """A box and points of one group that were two people stay two."""
    path = tmp_path / "t.json"
    (ds,) = read(
        path,
        page(
            box(1, 1, 1, 1, group=5),
            points(1, 2, 3, 4, group=5),
            points(5, 6, 7, 8, group=5),
            box(2, 2, 2, 2, group=5),
        ),
    )
    boxed = ds.replace(bbox=np.where(np.arange(len(ds))[:, None] == 0, NAN, ds.bbox))

    datumaro.write_all((boxed,), path)
    (back,) = datumaro.read_all(path)

    np.testing.assert_array_equal(back.bbox, boxed.bbox)
    np.testing.assert_array_equal(back.xy, boxed.xy)


def test_a_mapped_dataset_gets_the_names_of_its_schema(tmp_path):
    fish = parts()["fish"]
    mapped = fish.replace(
        schema=Schema.from_names(["a", "b", "c"], name="fish", links=[("a", "c")])
    )

    datumaro.write_all((mapped,), tmp_path / "t.json")

    categories = json.loads((tmp_path / "t.json").read_text())["categories"]
    assert [label["name"] for label in categories["label"]["labels"]] == ["fish", "stone", "cat"]
    named = {i["label_id"]: (i["labels"], i["joints"]) for i in categories["points"]["items"]}
    assert named[0] == (["a", "b", "c"], [[0, 2]])
    assert named[2] == (["ear", "tail"], [[1, 2]])


def test_items_of_one_name_get_ids_of_their_own(tmp_path):
    ds = people(images=ImageTable.of(["a.jpg", "a.png"], id=[7, 8]))

    kd.write(ds, tmp_path / "t.json", format="datumaro", strict=True)

    items = json.loads((tmp_path / "t.json").read_text())["items"]
    assert [(i["id"], i["attr"]["id"]) for i in items] == [("a", 7), ("a_2", 8)]


def test_to_coco_and_back(tmp_path):
    """Ids, boxes, scores and points pass through both formats."""
    ds = people(bbox=[[1, 2, 3, 4], [5, 6, 7, 8]], id=[3, 4], area=[12.5, 7], iscrowd=[0, 1])
    kd.write(ds, tmp_path / "d.json", format="datumaro")

    kd.write(kd.read(tmp_path / "d.json"), tmp_path / "c.json", format="coco")
    kd.write(kd.read(tmp_path / "c.json"), tmp_path / "e.json", format="datumaro")

    back = kd.read(tmp_path / "e.json", schema=TWO)
    for name in ("xy", "visibility", "bbox", "id", "area", "iscrowd", "category"):
        np.testing.assert_array_equal(getattr(back, name), getattr(ds, name))


def test_damage(tmp_path):
    text, rng = FILE.read_bytes(), np.random.default_rng(1)
    path, messages = tmp_path / "t.json", []
    for _ in range(1000):
        data = bytearray(text)
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(0, len(data)))
            data[at : at + int(rng.integers(0, 4))] = rng.choice(
                [b"", b"0", b"[", b'"', b"null", b"-"]
            )
        path.write_bytes(data)
        try:
            datumaro.write_all(datumaro.read_all(path), tmp_path / "o.json")
        except KptDataError as error:
            messages.append(str(error))
    assert len(messages) > 300
    assert all(".json" in message for message in messages)

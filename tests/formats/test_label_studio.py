"""Label Studio: what is read from a file typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from kptdata.formats import label_studio
from kptdata.formats._label_studio_regions import file_name_of

TOY = Path(__file__).parents[1] / "data" / "label_studio" / "toy.json"
NAN = np.nan
V = Visibility
THREE = Schema.from_names(["nose", "left_eye", "right_eye"], name="three")


def read(path: Path, **options: Any) -> PoseDataset:
    return kd.read(path, format="label_studio", **options)


def item(kind: str, identity: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    names = {"from_name": "x", "to_name": "image"}
    return {"id": identity, "type": kind, **names, **size, "value": value, **more}


def point(name: str, x: float, y: float, identity: str = "", **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.3, "keypointlabels": [name], **more.pop("value", {})}
    return item("keypointlabels", identity or f"{name}-{x}", value, **more)


def box(identity: str, x: float, y: float, w: float, h: float, name: str = "cat", **more: Any):
    value = {"x": x, "y": y, "width": w, "height": h, "rotation": 0, "rectanglelabels": [name]}
    return item("rectanglelabels", identity, value | more.pop("value", {}), **more)


def relation(a: str, b: str) -> dict[str, str]:
    return {"type": "relation", "from_id": a, "to_id": b, "direction": "right"}


def task(*items: Any, number: int = 1, **more: Any) -> dict[str, Any]:
    data = {"image": f"{number}.jpg"}
    return {"id": number, "data": data, "annotations": [{"result": list(items)}], **more}


def saved(tmp_path: Path, *tasks: Any) -> Path:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks))
    return path


def people(count: int = 2, **columns: Any) -> PoseDataset:
    base = {
        "schema": THREE,
        "images": ImageTable.of(["a.jpg", "b.jpg"], width=[640, 333], height=[480, 77]),
        "image": np.arange(count) % 2,
        "xy": np.arange(count * 6.0).reshape(count, 3, 2) + 0.1,
        "visibility": np.full((count, 3), V.LABELLED),
        "bbox": np.tile([1.0, 2, 30, 40.7], (count, 1)),
        "id": [f"r{k}" for k in range(count)],
        "category": np.ones(count, int),
        "categories": {1: "person"},
    }
    return PoseDataset(**(base | columns))


# Reading


def test_a_file_typed_by_hand():
    ds = read(TOY)

    assert ds.schema.names == ("nose", "left_eye")
    assert ds.images.file_name.tolist() == ["000007.jpg"]
    assert ds.images.wh.tolist() == [[640, 480]]
    np.testing.assert_allclose(ds.xy, [[[160, 80], [166, 74]]], rtol=1e-15)
    np.testing.assert_allclose(ds.bbox, [[100, 50, 120, 300]], rtol=1e-15)
    assert ds.visibility.tolist() == [[V.LABELLED, V.LABELLED]]
    assert ds.id.tolist() == ["box1"]
    assert ds.categories == {1: "person"}
    assert read(TOY, schema=THREE).visibility.tolist() == [[4, 4, 0]]


def test_what_was_read_is_written_back(tmp_path):
    report = kd.write(read(TOY), tmp_path / "a.json", format="label_studio")

    assert not report.lost
    old, new = (json.loads(path.read_text()) for path in (TOY, tmp_path / "a.json"))
    results = [held[0]["annotations"][0].pop("result") for held in (old, new)]
    assert old == new
    for before, after in zip(*results, strict=True):
        value = before.get("value", {}), after.get("value", {})
        assert {**before, "value": 0} == {**after, "value": 0}
        assert value[0].keys() == value[1].keys()
        assert [v for v in value[0].values() if isinstance(v, float)] == pytest.approx(
            [v for v in value[1].values() if isinstance(v, float)], rel=1e-15
        )


def test_trap_33_numbers_are_percent(tmp_path):
    ds = read(saved(tmp_path, task(point("nose", 25, 50))))

    assert ds.xy.tolist() == [[[50, 50]]]


NOSES = [point("nose", 15, 15, "n1"), point("nose", 65, 15, "n2")]
TAILS = [point("tail", 20, 20, "t1"), point("tail", 70, 20, "t2")]
BOXES = [box("b1", 10, 10, 30, 30), box("b2", 60, 10, 30, 30)]
TWO_CATS = [[[30, 15], [40, 20]], [[130, 15], [140, 20]]]


def tied(items: list[dict[str, Any]], *parents: str) -> list[dict[str, Any]]:
    return [i | {"parentID": parent} for i, parent in zip(items, parents, strict=True)]


@pytest.mark.parametrize(
    ("items", "rule"),
    [
        pytest.param(
            [*tied(NOSES, "b1", "b2"), *tied(TAILS, "b1", "b2"), *BOXES],
            "4 by parentID",
            id="1-parent",
        ),
        pytest.param(
            [*NOSES, *tied(TAILS, "n1", "n2")],
            "2 by parentID",
            id="1-parent-is-a-point",
        ),
        pytest.param(
            [
                *NOSES, *TAILS, *BOXES,
                relation("n1", "b1"), relation("b1", "t1"), relation("b2", "n2"),
                relation("t2", "b2"), relation("b1", "b2"), relation("n1", "n1"),
            ],
            "4 by relation",
            id="2-relation-in-any-direction",
        ),
        pytest.param(
            [*NOSES, *TAILS, relation("n1", "t1"), relation("t2", "n2")],
            "4 by relation",
            id="2-relation-of-points",
        ),
        pytest.param(
            [NOSES[0], TAILS[0], BOXES[0], TAILS[1], NOSES[1], BOXES[1]],
            "4 by order",
            id="3-order",
        ),
        pytest.param(
            [*BOXES, *TAILS, *NOSES],
            "4 by containment",
            id="4-containment",
        ),
        pytest.param(
            [NOSES[0], NOSES[1], BOXES[0], TAILS[0], TAILS[1], BOXES[1]],
            "4 by containment",
            id="3-order-that-the-boxes-contradict",
        ),
    ],
)  # fmt: skip
def test_trap_33_four_conventions_of_grouping(tmp_path, items, rule):
    ds = read(saved(tmp_path, task(*items)))

    order = np.argsort(ds.xy[:, 0, 0])
    names = ds.schema.names
    columns = [names.index("nose"), names.index("tail")]
    np.testing.assert_allclose(ds.xy[order][:, columns], TWO_CATS)
    if "b1" in {i.get("id") for i in items}:
        assert ds.id[order].tolist() == ["b1", "b2"]
        np.testing.assert_allclose(ds.bbox[order], [[20, 10, 60, 30], [120, 10, 60, 30]])
    assert f"points grouped: {rule}" in ds.provenance


def test_trap_33_without_any_sign_there_is_one_person_in_an_image(tmp_path):
    ds = read(saved(tmp_path, task(NOSES[0], TAILS[1]), task(NOSES[1], TAILS[1], number=2)))

    assert ds.image.tolist() == [0, 1]
    assert "points grouped: 4 by image" in ds.provenance


def test_trap_34_a_second_point_of_a_name_is_another_person(tmp_path):
    ds = read(saved(tmp_path, task(*NOSES, *TAILS)))

    assert len(ds) == 2
    assert ds.labelled.all()


def test_the_smallest_box_around_a_point_has_it(tmp_path):
    outer = box("outer", 0, 0, 100, 100)
    ds = read(saved(tmp_path, task(outer, BOXES[0], NOSES[0])))

    assert ds.id.tolist() == ["outer", "b1"]
    assert ds.labelled.tolist() == [[False], [True]]


def test_trap_35_points_without_names_are_refused(tmp_path):
    points = [point("cat", k, k, f"p{k}") for k in range(5)]
    with pytest.raises(FormatError, match="task 1: 5 points are called 'cat', as their class is"):
        read(saved(tmp_path, task(box("b", 0, 0, 9, 9), *points)))


def test_trap_35_hidden_points(tmp_path):
    hidden = {"value": {"hidden": True}}
    ds = read(
        saved(
            tmp_path,
            task(point("nose", 5, 5, **hidden), point("tail", 0, 0, **hidden)),
        )
    )

    assert ds.visibility.tolist() == [[V.OCCLUDED, V.UNLABELLED]]


def test_trap_56_the_newest_annotation_that_is_not_cancelled_counts(tmp_path):
    def annotation(x, when, **more):
        return {"result": [point("nose", x, 50)], "created_at": when, **more}

    mixed = {
        "id": 4,
        "data": {"image": "a.jpg"},
        "annotations": [
            annotation(1, "2025-01-01T00:00:00Z", id=1),
            annotation(2, "2025-03-01T00:00:00Z", id=2),
            annotation(3, "2025-04-01T00:00:00Z", id=3, was_cancelled=True),
            annotation(4, "2025-02-01T00:00:00Z", id=4),
        ],
        "predictions": [{"result": [], "score": 0.5}],
    }

    ds = read(saved(tmp_path, mixed))

    assert ds.xy.tolist() == [[[4, 50]]]
    assert len(json.loads(ds.images.extras["other_annotations"][0])) == 3
    kd.write(ds, tmp_path / "back.json", format="label_studio")
    (back,) = json.loads((tmp_path / "back.json").read_text())
    assert sorted(a["id"] for a in back["annotations"]) == [1, 2, 3, 4]
    assert back["predictions"] == mixed["predictions"]
    assert not read(tmp_path / "back.json").differences(ds)


def test_predictions_count_where_nobody_annotated(tmp_path):
    results = [
        box("b", 10, 10, 30, 30, score=0.75),
        point("nose", 15, 15, parentID="b", score=0.5),
    ]
    predicted = {
        "id": 1,
        "data": {"image": "a.jpg"},
        "annotations": [],
        "predictions": [{"model_version": "m1", "score": 0.75, "result": results}],
    }

    ds = read(saved(tmp_path, predicted))

    assert ds.score.tolist() == [0.75]
    assert ds.keypoint_score.tolist() == [[0.5]]
    kd.write(ds, tmp_path / "back.json", format="label_studio")
    (back,) = json.loads((tmp_path / "back.json").read_text())
    assert back["annotations"] == []
    assert back["predictions"][0]["model_version"] == "m1"


def test_states_are_choices_for_a_region(tmp_path):
    choice = item("choices", "n", {"choices": ["Occluded"]})
    ds = read(saved(tmp_path, task(point("nose", 5, 5, "n"), choice, point("tail", 6, 6))))

    assert ds.visibility.tolist() == [[V.OCCLUDED, V.LABELLED]]


def test_label_items_of_a_plain_region_name_it(tmp_path):
    labels = item("labels", "k", {"x": 5, "y": 5, "labels": ["nose"]})
    geometry = item("keypoint", "k", {"x": 5, "y": 5, "width": 1})

    ds = read(saved(tmp_path, task(geometry, labels)))

    assert ds.schema.names == ("nose",)
    kd.write(ds, tmp_path / "back.json", format="label_studio")
    assert not read(tmp_path / "back.json").differences(ds)


def test_classes_with_other_points_give_datasets_of_their_own(tmp_path):
    items = [
        box("b1", 10, 10, 30, 30, "cat"), point("nose", 15, 15, "n1", parentID="b1"),
        box("b2", 60, 10, 30, 30, "car"), point("wheel", 65, 15, "w1", parentID="b2"),
        box("b3", 60, 10, 30, 30, "sign"),
    ]  # fmt: skip
    path = saved(tmp_path, task(*items))

    cat, car, sign = kd.read_all(path, format="label_studio")

    assert [ds.schema.names for ds in (cat, car, sign)] == [("nose",), ("wheel",), ()]
    assert [dict(ds.categories) for ds in (cat, car, sign)] == [{1: "cat"}, {2: "car"}, {3: "sign"}]
    kd.formats.write_all((sign, car, cat), tmp_path / "back.json", format="label_studio")
    for before, after in zip(
        (cat, car, sign), kd.read_all(tmp_path / "back.json", format="label_studio"), strict=True
    ):
        assert not after.differences(before)
    with pytest.raises(SchemaError, match="expected the 2 points of other"):
        read(path, schema=Schema.from_names(["x", "y"], name="other"))


def test_t7_bundled_schemas_are_known_by_their_names(tmp_path):
    coco = load_schema("coco")
    items = [point(n, coco.index(n), 1) for n in sorted(coco.names)]

    ds = read(saved(tmp_path, task(*items)))

    assert ds.schema == coco
    np.testing.assert_allclose(ds.xy[0, :, 0], np.arange(17) * 2)


def test_other_regions_come_back(tmp_path):
    brush = item("brushlabels", "m", {"format": "rle", "rle": [1, 2], "brushlabels": ["fur"]})
    turned = box("b", 10, 10, 30, 30, value={"rotation": 12.5})
    extra = {"agreement": 0.5, "meta": {"who": "me"}, "data": {"image": "1.jpg", "site": 7}}
    path = saved(tmp_path, task(turned, point("nose", 15, 15, parentID="b"), brush, **extra))

    ds = read(path)

    assert json.loads(ds.extras["rotation"][0]) == 12.5
    assert json.loads(ds.images.extras["label_studio_shapes"][0]) == [brush]
    assert json.loads(ds.images.extras["data"][0]) == {"site": 7}
    kd.write(ds, tmp_path / "back.json", format="label_studio")
    (old,), (new,) = (json.loads(p.read_text()) for p in (path, tmp_path / "back.json"))
    assert {k: v for k, v in new.items() if k != "annotations"} == {
        k: v for k, v in old.items() if k != "annotations"
    }
    assert brush in new["annotations"][0]["result"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("/data/upload/1/1a2b3c4d-000007.jpg", "000007.jpg"),
        ("/data/upload/1/000007.jpg", "000007.jpg"),
        ("/data/local-files/?d=cats/a%20b.jpg", "cats/a b.jpg"),
        ("s3://bucket/cats/a.jpg", "a.jpg"),
        ("https://example.org/x/a%20b.jpg?size=3", "a b.jpg"),
        ("cats/a.jpg", "cats/a.jpg"),
        ("/home/me/a.jpg", "a.jpg"),
    ],
)
def test_references_to_images(reference, name):
    assert file_name_of(reference) == name


def test_a_task_without_an_image_is_refused(tmp_path):
    bad = task(point("nose", 1, 1)) | {"data": {"image": ""}}
    with pytest.raises(FormatError, match=r"task 1: no file name"):
        read(saved(tmp_path, bad))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("data"), "task 1: not a task"),
        (lambda t: t.update(annotation_id=3, data=1), "flattened export"),
        (lambda t: t.update(annotations=3), "not a list of annotations"),
        (lambda t: t.update(annotations=[3]), "not a list of annotations"),
        (lambda t: t["annotations"][0].update(result=3), "not a list of annotations"),
        (lambda t: t["annotations"][0].update(result=[3]), "task 1, result 0: not a region"),
        (lambda t: t["data"].clear(), "no image"),
        (lambda t: _first(t).pop("original_width"), "result 1: the size of the image"),
        (lambda t: _first(t).update(original_width=0), "the size of the image"),
        (lambda t: _first(t)["value"].update(x="a"), "x is no number"),
        (lambda t: _first(t)["value"].update(y=True), "y is no number"),
        (lambda t: _first(t)["value"].update(y=1e300), "y is no number"),
    ],
)
def test_damage_is_named(tmp_path, change, message):
    bad = task(point("nose", 1, 1))
    change(bad)
    with pytest.raises(FormatError, match=message):
        read(saved(tmp_path, bad))


def _first(bad: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = bad["annotations"][0]["result"][0]
    return found


def test_sniffing(tmp_path):
    assert kd.formats.sniff(TOY) == "label_studio"
    assert label_studio.sniff(tmp_path).confidence == 0


# Writing


SIZES = st.integers(1, 10_000)
SHARES = st.just(0.0) | st.floats(1e-9, 1)


@settings(max_examples=100)
@given(SIZES, SIZES, st.lists(SHARES, min_size=10, max_size=10))
def test_pixels_come_back_to_the_last_bit(tmp_path_factory, width, height, shares):
    xy = np.array(shares[:6]).reshape(1, 3, 2) * (width, height)
    bbox = np.array(shares[6:])[None] * (width, height, width, height)
    table = ImageTable.of(["a.jpg"], width=[width], height=[height])
    ds = people(1, images=table, xy=xy, bbox=bbox)
    path = tmp_path_factory.mktemp("t") / "a.json"

    assert not kd.write(ds, path, format="label_studio").lost
    back = read(path, schema=THREE)
    assert not back.replace(extras={}).differences(ds.replace(images=back.images))


@pytest.mark.parametrize("state", V)
def test_t6_states_survive_or_are_counted(tmp_path, state):
    visibility = np.full((2, 3), V.VISIBLE)
    visibility[0, 1] = state
    xy = people().xy.copy()
    xy[0, 1] = xy[0, 1] if state in (1, 2, 4) else NAN

    report = kd.write(
        people(visibility=visibility, xy=xy), tmp_path / "a.json", format="label_studio"
    )

    back = int(read(tmp_path / "a.json", schema=THREE).visibility[0, 1])
    assert back == (V.UNLABELLED if state == V.ABSENT else state)
    assert report.lost.get("visibility", 0) == (state == V.ABSENT)


def test_people_without_a_box_are_held_together_by_their_first_point(tmp_path):
    ds = people(bbox=None, score=[0.5, NAN])

    report = kd.write(ds, tmp_path / "a.json", format="label_studio")

    assert not report.lost
    assert "bbox" not in report.invented
    back = read(tmp_path / "a.json")
    assert back.id.tolist() == ["r0", "r1"]
    assert back.score[0] == 0.5
    assert back.category.tolist() == [1, 1]
    assert not back.labelled.all() or np.isnan(back.column("bbox")).all()
    results = json.loads((tmp_path / "a.json").read_text())[0]["predictions"][0]["result"]
    assert [r.get("parentID") for r in results] == [None, "r0", "r0"]


def test_scores_make_predictions_to_correct(tmp_path):
    ds = people(score=[0.25, 0.75], keypoint_score=np.full((2, 3), 0.5))
    kd.write(ds, tmp_path / "a.json", format="label_studio", model_version="m2")

    first, _ = json.loads((tmp_path / "a.json").read_text())

    assert first["annotations"] == []
    assert first["predictions"][0]["model_version"] == "m2"
    assert first["predictions"][0]["score"] == 0.25
    assert [r["score"] for r in first["predictions"][0]["result"]] == [0.25, 0.5, 0.5, 0.5]
    kd.write(ds, tmp_path / "b.json", format="label_studio", prelabels=False)
    assert "predictions" not in json.loads((tmp_path / "b.json").read_text())[0]
    assert read(tmp_path / "b.json").score.tolist() == [0.25, 0.75]


def test_ids_are_stable_so_that_corrections_can_be_told(tmp_path):
    kd.write(people(), tmp_path / "a.json", format="label_studio")
    tasks = json.loads((tmp_path / "a.json").read_text())
    tasks[1]["annotations"][0]["result"][1]["value"]["x"] = 50.0  # somebody moves a point
    (tmp_path / "b.json").write_text(json.dumps(tasks))

    before, after = read(tmp_path / "a.json"), read(tmp_path / "b.json")

    assert before.id.tolist() == after.id.tolist() == ["r0", "r1"]
    moved = np.abs(before.xy - after.xy).max(axis=-1) > 1e-9
    assert np.argwhere(moved).tolist() == [[1, 0]]


def test_ids_that_cannot_be_kept_are_counted(tmp_path):
    report = kd.write(people(id=["a", "a"]), tmp_path / "a.json", format="label_studio")
    assert report.lost["id"] == 1
    assert len(set(read(tmp_path / "a.json").id.tolist())) == 2


def test_images_without_people_keep_their_size(tmp_path):
    ds = people(1)

    kd.write(ds, tmp_path / "a.json", format="label_studio")

    assert read(tmp_path / "a.json").images.wh.tolist() == ds.images.wh.tolist()


def test_the_size_of_the_image_is_needed(tmp_path):
    bare = ImageTable.of(["a.jpg", "b.jpg"])
    with pytest.raises(FormatError, match=r"2 images have no size.*--images"):
        kd.write(people(images=bare), tmp_path / "a.json", format="label_studio")


def test_extras_are_counted(tmp_path):
    ds = people(extras={"rotation": RawColumn([b"3", b'"x"']), "area": RawColumn([b"1", None])})
    assert kd.write(ds, tmp_path / "a.json", format="label_studio").lost["extras"] == 2


def test_the_labelling_interface_names_all_in_order():
    root = ET.fromstring(label_studio.labeling_config(people()))

    points = root.find("KeyPointLabels")
    assert [p.attrib["value"] for p in points] == list(THREE.names)
    assert [p.attrib["model_index"] for p in points] == ["0", "1", "2"]
    assert [b.attrib["value"] for b in root.find("RectangleLabels")] == ["person"]
    assert root.find("Choices").attrib["perRegion"] == "true"


def test_a_thousand_damaged_files(tmp_path):
    rng = np.random.default_rng(17)
    content = TOY.read_bytes()
    path = tmp_path / "a.json"
    refused = 0
    for _ in range(1500):
        data = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, len(data)))
            junk = rng.choice([b'"', b"[", b"}", b"0", b"-", b"null", b"1e999", b",", b"\xff"])
            data[at : at + int(rng.integers(0, 6))] = junk
        path.write_bytes(bytes(data))
        try:
            kd.read_all(path, format="label_studio")
        except KptDataError:
            refused += 1
    assert refused > 800

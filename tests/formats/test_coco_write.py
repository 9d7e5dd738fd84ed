"""COCO ground truth from data that is not COCO, changed data, and what the report says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import NAMES, annotation, evaluate, ground_truth, parsed, save, wholebody
from datasets import crowd, full_pair

import kptdata as kd
from kptdata import DatasetError, FormatError, ImageTable, OptionError, PoseDataset, load_schema
from kptdata.visibility import Visibility

NAN = np.nan


def as_results(path: Path) -> list[dict[str, Any]]:
    """Return the ground truth as its own result."""
    return [
        {k: a[k] for k in ("image_id", "category_id", "keypoints")} | {"score": 1.0}
        for a in parsed(path)["annotations"]
        if a["num_keypoints"]
    ]


def person(schema: str = "mpii", **columns: Any) -> PoseDataset:
    """Return three people: all points, none but a box, neither."""
    chosen = load_schema(schema)
    count = chosen.num_keypoints
    visibility = np.full((3, count), Visibility.LABELLED)
    visibility[1:] = Visibility.UNLABELLED
    xy = np.stack(np.meshgrid(np.arange(3), np.arange(count)), axis=-1).transpose(1, 0, 2) * 10.0
    xy[1:] = NAN
    base = {
        "schema": chosen,
        "images": ImageTable.of(["a.jpg", "b.jpg"]),
        "image": [0, 1, 1],
        "xy": xy + np.array([1, 2]),
        "visibility": visibility,
        "bbox": [[NAN] * 4, [5, 6, 30, 40], [NAN] * 4],
    }
    return PoseDataset(**(base | columns))


# Completing


def test_a_source_without_coco_texts_is_completed(tmp_path):
    ds = crowd(7)
    path = tmp_path / "a.json"

    report = kd.write(ds.replace(id=None), path, format="coco")

    content = parsed(path)
    assert [a["id"] for a in content["annotations"]] == [1, 2, 3, 4, 5, 6, 7]
    for row, entry in enumerate(content["annotations"]):
        shown = ds.xy[row][ds.labelled[row]]
        low, size = shown.min(axis=0), np.ptp(shown, axis=0)
        assert entry["iscrowd"] == 0
        assert entry["category_id"] == 1
        assert entry["num_keypoints"] == len(shown)
        np.testing.assert_allclose(entry["bbox"], [*low, *size])
        np.testing.assert_allclose(entry["area"], 0.53 * size.prod())
    assert content["categories"] == [
        {
            "id": 1,
            "name": "person",
            "supercategory": "person",
            "keypoints": NAMES,
            "skeleton": [[int(a) + 1, int(b) + 1] for a, b in ds.schema.link_indices],
        }
    ]
    assert dict(report.invented) == {
        "id": 7,
        "category_id": 7,
        "bbox": 7,
        "area (box053)": 7,
        "iscrowd": 7,
        "num_keypoints": 7,
        "categories": 1,
    }
    assert not report.lost


def test_the_result_can_be_evaluated(tmp_path):
    path = tmp_path / "a.json"
    kd.write(person(), path, format="coco", keep_empty=True)
    np.testing.assert_allclose(evaluate(path, as_results(path))[0], 1.0)

    bare = tmp_path / "bare.json"
    kd.write(person(), bare, format="coco", complete=False)
    with pytest.raises(KeyError):
        evaluate(bare, [{"image_id": 1, "category_id": 1, "keypoints": [1] * 48, "score": 1}])


@pytest.mark.parametrize(
    ("rule", "areas"),
    [("box053", [1590, 636]), ("box", [3000, 1200]), ("hull", [1500, 0]), ("none", [None, None])],
)
def test_rules_for_areas(rule, areas, tmp_path):
    ds = person()
    xy, visibility = ds.xy.copy(), ds.visibility.copy()
    xy[0], visibility[0] = NAN, Visibility.UNLABELLED
    # A triangle with sides along the axes, and a point inside it.
    for k, place in enumerate([(10, 10), (60, 10), (10, 70), (20, 20)]):
        xy[0, k], visibility[0, k] = place, Visibility.VISIBLE
    ds = ds.replace(xy=xy, visibility=visibility)
    path = tmp_path / "a.json"

    report = kd.write(ds, path, format="coco", area=rule)

    found = [a.get("area") for a in parsed(path)["annotations"]]
    assert found == pytest.approx(areas) if rule != "none" else found == areas
    assert report.invented.get(f"area ({rule})", 0) == (0 if rule == "none" else 2)


def test_unknown_rule_for_areas(tmp_path):
    with pytest.raises(OptionError, match="area: expected one of box053, box, hull, none, got 'x'"):
        kd.write(person(), tmp_path / "a.json", format="coco", area="x")


def test_people_with_neither_points_nor_a_box(tmp_path):
    path = tmp_path / "a.json"

    report = kd.write(person(), path, format="coco")
    assert report.lost["empty_instance"] == 1
    assert report.instances == len(parsed(path)["annotations"]) == 2

    report = kd.write(person(), path, format="coco", keep_empty=True)
    assert "empty_instance" not in report.lost
    assert parsed(path)["annotations"][2]["bbox"] == [0, 0, 0, 0]
    assert parsed(path)["annotations"][2]["keypoints"] == [0] * 48


def test_what_is_stated_is_not_replaced(tmp_path):
    ds = person(area=[1.0, 0.0, 2.0], iscrowd=[1, 0, 1], id=[4, 9, 2], category=[3, 3, 3])
    path = tmp_path / "a.json"

    report = kd.write(ds.replace(categories={3: "athlete"}), path, format="coco")

    rows = parsed(path)["annotations"]
    assert [r["area"] for r in rows] == [1, 0]
    assert [r["iscrowd"] for r in rows] == [1, 0]
    assert [r["id"] for r in rows] == [4, 9]
    assert [r["category_id"] for r in rows] == [3, 3]
    assert parsed(path)["categories"][0]["name"] == "athlete"
    assert set(report.invented) == {"bbox", "num_keypoints", "categories"}


def test_what_is_stated_in_part_is_completed_in_part(tmp_path):
    ds = crowd(3).replace(
        iscrowd=[1, -1, 0], category=[5, kd.dataset.MISSING_INT, 5], categories={5: "athlete"},
        bbox=[[1, 2, 3, 4], [0, 0, 10, 20], [5, 5, 6, 7]], area=[7, NAN, NAN], id=None,
    )  # fmt: skip
    path = tmp_path / "a.json"

    report = kd.write(ds, path, format="coco", area="box")

    rows = parsed(path)["annotations"]
    assert [r["iscrowd"] for r in rows] == [1, 0, 0]
    assert [r["category_id"] for r in rows] == [5, 5, 5]
    assert [r["area"] for r in rows] == [7, 200, 42]
    assert report.invented["iscrowd"] == report.invented["category_id"] == 1
    assert report.invented["area (box)"] == 2
    assert report.invented["id"] == 3


def test_a_category_without_a_name_gets_one_and_none_is_made_beside_it(tmp_path):
    path = tmp_path / "a.json"

    report = kd.write(crowd(3).replace(category=[5, 6, 5], categories={}), path, format="coco")

    assert [(c["id"], c["name"]) for c in parsed(path)["categories"]] == [(5, "person"), (6, "6")]
    assert report.invented["categories"] == 2
    assert "category_id" not in report.invented


def test_ids_that_are_text_are_completed_by_free_ones(tmp_path):
    path = tmp_path / "a.json"
    ids = np.array(["1", "", "b"], dtype=np.dtypes.StringDType())

    report = kd.write(crowd(3).replace(id=ids), path, format="coco")

    assert [a["id"] for a in parsed(path)["annotations"]] == ["1", "2", "b"]
    assert report.invented["id"] == 1


def test_id_0_is_renumbered_where_evaluation_would_miss_it(tmp_path):
    path = tmp_path / "a.json"

    report = kd.write(crowd(3).replace(id=[0, 1, 2]), path, format="coco")

    assert [a["id"] for a in parsed(path)["annotations"]] == [3, 1, 2]
    assert report.lost["id_zero"] == 1


def test_never_from_coco_to_coco(tmp_path):
    bare = {"id": 0, "image_id": 7, "category_id": 1, "keypoints": [1, 2, 2] * 17}
    content = ground_truth(bare, images=[{"id": 7}], info=..., licenses=...)
    ds = kd.read(save(content, tmp_path / "a.json"), format="coco")

    report = kd.write(ds[:], tmp_path / "b.json", format="coco")

    assert parsed(tmp_path / "b.json") == content
    assert not report.invented
    assert kd.write(ds, tmp_path / "b.json", format="coco", complete=True).invented["iscrowd"] == 1


def test_a_whole_body_is_written_in_parts(tmp_path):
    ds = crowd(2, schema="coco_wholebody")
    path = tmp_path / "a.json"

    report = kd.write(ds, path, format="coco")

    content = parsed(path)
    entry = content["annotations"][0]
    lengths = {
        key: len(entry[key])
        for key in entry
        if key.endswith(("kpts", "keypoints")) and key != "num_keypoints"
    }
    assert lengths == {
        "keypoints": 51,
        "foot_kpts": 18,
        "face_kpts": 204,
        "lefthand_kpts": 63,
        "righthand_kpts": 63,
    }
    assert entry["face_valid"] is True
    assert len(entry["lefthand_box"]) == 4
    assert entry["num_keypoints"] == int(ds.labelled[0, :17].sum())
    assert len(content["categories"][0]["keypoints"]) == 17
    assert max(max(pair) for pair in content["categories"][0]["skeleton"]) <= 17
    assert report.invented["face_valid"] == 2
    found = kd.read(path, format="coco", schema="coco_wholebody")
    np.testing.assert_array_equal(found.xy, ds.xy)
    np.testing.assert_array_equal(found.visibility, ds.visibility)


@pytest.mark.parametrize(
    ("key", "group"),
    [("face", "face"), ("lefthand", "left_hand"), ("righthand", "right_hand"), ("foot", "foot")],
)
def test_a_part_is_valid_and_boxed_by_its_own_points(key, group, tmp_path):
    """Only that part is labelled: the others are not valid and have empty boxes."""
    ds = crowd(1, schema="coco_wholebody")
    own = np.isin(np.arange(133), [*range(17), *ds.schema.group_indices(group)])
    lone = ds.replace(
        xy=np.where(own[:, None], ds.xy, np.nan), visibility=np.where(own, ds.visibility, 0)
    )
    labelled = lone.xy[0, ds.schema.group_indices(group)]

    kd.write(lone, tmp_path / "a.json", format="coco")

    (entry,) = parsed(tmp_path / "a.json")["annotations"]
    valid = {name: entry[f"{name}_valid"] for name in ("face", "lefthand", "righthand", "foot")}
    assert valid == {name: name == key for name in valid}
    low, high = np.nanmin(labelled, axis=0), np.nanmax(labelled, axis=0)
    for name in ("face", "lefthand", "righthand"):
        expected = [*low, *(high - low)] if name == key else [0, 0, 0, 0]
        assert entry[f"{name}_box"] == pytest.approx(expected)


def test_two_datasets_get_categories_of_their_own(tmp_path):
    people, hands = crowd(2), crowd(3, schema="freihand").replace(id=None)
    path = tmp_path / "a.json"

    kd.write_all([people.replace(id=None), hands], path, format="coco")

    content = parsed(path)
    names = [(c["id"], c["name"]) for c in content["categories"]]
    assert names == [(1, "person"), (2, hands.schema.name)]
    assert sorted(a["id"] for a in content["annotations"]) == [1, 2, 3, 4, 5]
    found = kd.read_all(path, format="coco")
    assert [len(ds) for ds in found] == [2, 3]


def test_one_category_id_for_two_things_is_refused(tmp_path):
    one = crowd(1).replace(category=[1], categories={1: "person"})
    other = crowd(1, schema="freihand").replace(category=[1], categories={1: "hand"})

    with pytest.raises(DatasetError, match="category 1 is 'person' in one dataset and 'hand'"):
        kd.write_all([one, other], tmp_path / "a.json", format="coco")
    assert not (tmp_path / "a.json").exists()


def test_one_image_id_for_two_files_is_refused(tmp_path):
    other = crowd(1).replace(images=ImageTable.of(["other.png"]))
    with pytest.raises(DatasetError, match=r"image 1 is '0.png' in one dataset and 'other.png'"):
        kd.write_all([crowd(1), other], tmp_path / "a.json", format="coco")


def test_images_of_two_datasets_are_joined(tmp_path):
    one = crowd(2)
    other = crowd(2, seed=1).replace(
        images=ImageTable.of(["0.png", "1.png"]), image=[0, 1], id=[8, 9]
    )

    kd.write_all([one, other], tmp_path / "a.json", format="coco")

    assert [i["file_name"] for i in parsed(tmp_path / "a.json")["images"]] == ["0.png", "1.png"]


# Changed data


def test_after_a_mapping_categories_and_counts_are_made_anew(tmp_path):
    ds = kd.read(save(ground_truth(), tmp_path / "a.json"), format="coco")
    mapped, _ = kd.ops.map_schema(ds, load_schema("crowdpose"))

    report = kd.write(mapped, tmp_path / "b.json", format="coco")

    content = parsed(tmp_path / "b.json")
    (category,) = content["categories"]
    assert category["keypoints"] == list(load_schema("crowdpose").names)
    assert (category["id"], category["name"], category["supercategory"]) == (1, "person", "person")
    assert [a["num_keypoints"] for a in content["annotations"]] == mapped.num_labelled.tolist()
    assert [len(a["keypoints"]) for a in content["annotations"]] == [42, 42]
    assert content["info"] == ground_truth()["info"]
    assert dict(report.invented) == {"categories": 1, "num_keypoints": 2}


def test_a_text_wins_only_as_long_as_it_is_true(tmp_path):
    rows = [annotation(n, keypoints=[3, 4, 0.5] * 17, iscrowd=False) for n in (1, 2)]
    ds = kd.read(save(ground_truth(*rows), tmp_path / "a.json"), format="coco")
    xy, crowds = ds.xy.copy(), ds.iscrowd.copy()
    xy[1] += 1
    crowds[1] = 1

    report = kd.write(ds.replace(xy=xy, iscrowd=crowds), tmp_path / "b.json", format="coco")

    first, second = parsed(tmp_path / "b.json")["annotations"]
    assert first == rows[0]
    assert second["keypoints"] == [4, 5, 2] * 17
    assert second["iscrowd"] == 1
    assert dict(report.lost) == {"stale_text": 2, "visibility_labelled": 17, "keypoint_score": 17}


@pytest.mark.parametrize("axis", [0, 1])
def test_a_text_is_stale_if_one_number_of_one_point_changes(axis, tmp_path):
    row = annotation(keypoints=[3, 4, 0.5] + [5, 6, 2] * 16)
    ds = kd.read(save(ground_truth(row), tmp_path / "a.json"), format="coco")
    xy = ds.xy.copy()
    xy[0, 8, axis] += 1

    kd.write(ds.replace(xy=xy), tmp_path / "b.json", format="coco")

    (written,) = parsed(tmp_path / "b.json")["annotations"]
    assert written["keypoints"][24:27] == [5 + (axis == 0), 6 + (axis == 1), 2]


def test_a_text_is_stale_if_the_stated_coordinates_go(tmp_path):
    row = annotation(keypoints=[3, 4, -1] + [5, 6, 2] * 16)
    ds = kd.read(save(ground_truth(row), tmp_path / "a.json"), format="coco")

    kd.write(ds.replace(given_xy=None), tmp_path / "b.json", format="coco")

    (written,) = parsed(tmp_path / "b.json")["annotations"]
    assert written["keypoints"][:3] == [0, 0, 0]


def test_a_new_box_replaces_a_text(tmp_path):
    content = ground_truth(annotation(bbox=None), annotation(2, bbox=[]))
    ds = kd.read(save(content, tmp_path / "a.json"), format="coco")
    boxed, _ = kd.ops.with_boxes(ds)

    report = kd.write(boxed, tmp_path / "b.json", format="coco")

    assert [a["bbox"] for a in parsed(tmp_path / "b.json")["annotations"]] == [
        [1, 20, 160, 16],
        [2, 20, 160, 16],
    ]
    assert report.lost["stale_text"] == 2


def test_rows_and_images_can_be_left_out(tmp_path):
    ds = kd.read(save(ground_truth(), tmp_path / "a.json"), format="coco")

    kd.write(ds.with_images([1]), tmp_path / "b.json", format="coco")

    content = parsed(tmp_path / "b.json")
    assert [i["id"] for i in content["images"]] == [9]
    assert content["annotations"] == ground_truth()["annotations"][1:]


def test_whole_numbers_have_no_point(tmp_path):
    kd.write(
        kd.read(save(ground_truth(), tmp_path / "a.json"), format="coco"),
        tmp_path / "b.json",
        format="coco",
    )

    text = (tmp_path / "b.json").read_text()
    assert '"bbox":[10.5,20,170,17.25]' in text
    assert '"keypoints":[1,20,2,11,21,2' in text
    assert "NaN" not in text


# Losses


def test_every_loss_is_counted(tmp_path):
    ds = full_pair().replace(cameras=None)

    report = kd.write(ds, tmp_path / "a.json", format="coco", keep_empty=True)

    assert dict(report.lost) == {
        "visibility_absent": 1,
        "visibility_labelled": 1,
        "keypoint_score": 4,
        "xyz": 18,
        "answers": 2,
        "bbox_source": 1,
        "area_source": 1,
        "points": 2,
        "numbers": 2,
    }
    assert "points labelled without a word on occlusion" in str(report)
    with pytest.raises(FormatError, match=r"would lose: absent points.*\(1\).*--strict"):
        kd.write(ds, tmp_path / "b.json", format="coco", strict=True)
    assert not (tmp_path / "b.json").exists()


def test_head_boxes_tracks_and_extras_are_not_lost(tmp_path):
    ds = full_pair()
    kd.write(ds, tmp_path / "a.json", format="coco")

    first = parsed(tmp_path / "a.json")["annotations"][0]
    assert first["bbox_head"] == [1, 1, 2, 2]
    assert first["track_id"] == 3
    assert first["note"] == "hi"
    assert parsed(tmp_path / "a.json")["info"] == {"year": 2017}


def test_the_report_is_json(tmp_path):
    report = kd.write(full_pair(), tmp_path / "a.json", format="coco")
    assert json.loads(json.dumps(report.to_dict()))["format"] == "coco"


def test_parts_come_from_the_file_again(tmp_path):
    rows = [wholebody(1), wholebody(2)]
    path = save(ground_truth(annotations=rows), tmp_path / "a.json")
    ds = kd.read(path, format="coco", schema="coco_wholebody")
    xy = ds.xy.copy()
    xy[:, 17] = (7, 8)  # the first of the feet

    kd.write(ds.replace(xy=xy), tmp_path / "b.json", format="coco")

    entry = parsed(tmp_path / "b.json")["annotations"][0]
    assert entry["foot_kpts"] == [7, 8, 1, *rows[0]["foot_kpts"][3:]]
    assert entry["face_kpts"] == rows[0]["face_kpts"]

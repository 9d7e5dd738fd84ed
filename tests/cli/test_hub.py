"""``kpt merge``, ``split``, ``filter``, and patterns and folders as inputs: files and accounts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_files import document, person
from contracts.test_formats import SETTINGS, Setting
from format_plants import PLANTS, plain

import kptdata as kd
from kptdata.formats import FORMATS


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    """Three COCO files with people on images of their own, a note, and a picture."""
    place = tmp_path / "labels"
    place.mkdir()
    for number in range(3):
        people = [person(1, 7, 10.0 + number), person(2, 8, 40.0 + number, score=number / 4)]
        images = [{"id": i, "file_name": f"{number}-{i}.jpg", "width": 120, "height": 90}
                  for i in (7, 8)]  # fmt: skip
        (place / f"{number}.json").write_text(json.dumps(document(*people, images=images)))
    (place / "notes.txt").write_text("these are my notes")
    (place / "0-7.jpg").write_bytes(b"\xff\xd8\xff")
    return place


@pytest.fixture
def skeletons(tmp_path):
    """One file with two skeletons: people of 17 points and hands of 2."""
    hand = {"id": 2, "name": "hand", "keypoints": ["wrist", "tip"], "skeleton": []}
    text = document(person(1, 7, 10.0), person(2, 8, 20.0))
    text["categories"].append(hand)
    text["annotations"].insert(1, {
        "id": 3, "image_id": 7, "category_id": 2, "bbox": [1.0, 1.0, 9.0, 9.0], "area": 81.0,
        "iscrowd": 0, "num_keypoints": 2, "keypoints": [1.5, 2.5, 2, 3.5, 4.5, 1],
    })  # fmt: skip
    path = tmp_path / "skeletons.json"
    path.write_text(json.dumps(text))
    return path


class TestManyInputs:
    @pytest.mark.parametrize("way", ["pattern", "folder", "list"])
    def test_several_files_are_one_dataset(self, kpt, folder, tmp_path, way):
        sources = {
            "pattern": [folder / "*.json"],
            "folder": [folder],
            "list": sorted(folder.glob("*.json")),
        }[way]
        target = tmp_path / "all.json"

        status, out, err = kpt("convert", *sources, target)

        assert (status, out) == (0, "")
        found = kd.read(target)
        assert len(found) == 6
        assert len(found.images) == 6
        assert len(set(found.id.tolist())) == len(set(found.images.id.tolist())) == 6
        assert found.xy[:, 0, 0].tolist() == [10, 40, 11, 41, 12, 42]
        assert "read: 6 in, 6 kept" in err
        assert "repaired 4: new id" in err
        assert "images renumbered: 4" in err
        assert ("no format knows" in err or "no known format, left out: 1" in err) == (
            way == "folder"
        )

    def test_a_pattern_goes_into_folders(self, kpt, folder, tmp_path):
        target = tmp_path / "all.json"
        assert kpt("convert", tmp_path / "**" / "[01].json", target).status == 0
        assert len(kd.read(target)) == 4

    def test_a_file_whose_name_is_a_pattern_is_that_file(self, kpt, coco_file, tmp_path):
        odd = coco_file.rename(tmp_path / "a[1].json")
        assert kpt("convert", odd, tmp_path / "b.json").status == 0

    def test_the_same_file_twice_is_read_once(self, kpt, coco_file, tmp_path):
        target = tmp_path / "b.json"
        kpt("convert", coco_file, tmp_path / "peop*.json", target)
        assert len(kd.read(target)) == 3

    def test_nothing_fits(self, fails, folder, tmp_path):
        message = fails("convert", folder / "*.xml", tmp_path / "x.json")
        assert "no file fits the pattern" in message

    def test_a_folder_without_annotations(self, fails, folder, tmp_path):
        for path in folder.glob("*.json"):
            path.unlink()
        message = fails("convert", folder, tmp_path / "x.json")
        assert "no annotations are in the folder" in message
        assert "notes.txt" in message

    def test_a_folder_that_is_one_dataset_is_read_as_one(self, kpt, coco_file, tmp_path):
        kpt("convert", coco_file, f"yolo_pose:{tmp_path / 'tree'}")
        status, _, err = kpt("convert", tmp_path / "tree", tmp_path / "back.json")

        assert status == 0
        assert "files read" not in err
        assert len(kd.read(tmp_path / "back.json")) == 3

    def test_formats_in_front_of_each(self, kpt, coco_file, mpii_file, tmp_path):
        status, _, _ = kpt(
            "merge", f"coco:{coco_file}", f"mpii:{mpii_file}", "-o", tmp_path / "both.json"
        )
        assert status == 0

    def test_one_damaged_file_stops_all(self, fails, folder, tmp_path):
        (folder / "1.json").write_text('{"images": [')
        message = fails("convert", folder / "*.json", tmp_path / "x.json")
        assert "1.json" in message
        assert not (tmp_path / "x.json").exists()


class TestSkeletons:
    def test_skeletons_of_a_file_are_written_back(self, kpt, skeletons, tmp_path):
        target = tmp_path / "again.json"

        status, _, err = kpt("convert", skeletons, target)

        assert status == 0
        assert "lost" not in err
        assert json.loads(target.read_text()) == json.loads(skeletons.read_text())

    def test_files_with_several_skeletons_are_joined_skeleton_by_skeleton(
        self, kpt, skeletons, tmp_path
    ):
        other = tmp_path / "other.json"
        other.write_text(skeletons.read_text().replace(".jpg", ".png"))
        target = tmp_path / "all.json"

        assert kpt("convert", skeletons, other, target).status == 0

        person_, hand = kd.read_all(target)
        assert (len(person_), len(hand)) == (4, 2)
        assert len(person_.images) == 4

    def test_a_format_with_one_size_refuses_them_and_fills_up_if_told(
        self, kpt, fails, skeletons, tmp_path
    ):
        message = fails("convert", skeletons, f"yolo_pose:{tmp_path / 'tree'}")
        assert "--pad" in message
        assert names_in(tmp_path) == ["skeletons.json"]

        status, _, _ = kpt("convert", skeletons, f"yolo_pose:{tmp_path / 'tree'}", "--pad")
        assert status == 0
        back = kd.read_all(tmp_path / "tree")
        assert {ds.schema.num_keypoints for ds in back} == {17, 2}

    def test_filter_and_split_keep_them_apart(self, kpt, skeletons, tmp_path):
        target = tmp_path / "few.json"
        kpt("filter", skeletons, target, "labelled('tip') or x('nose') > 15")
        person_, hand = kd.read_all(target)
        assert (person_.id.tolist(), hand.id.tolist()) == ([2], [3])

        kpt("split", skeletons, "-o", tmp_path / "parts", "--parts", "a=0.5,b=0.5")
        parts = [kd.read_all(tmp_path / "parts" / f"{name}.json") for name in "ab"]
        ids = sorted(i for part in parts for ds in part for i in ds.ids.tolist())
        assert ids == [1, 2, 3]


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "SRC", "coco:-"),
        ("merge", "SRC", "-o", "coco:-"),
        ("filter", "SRC", "coco:-", "1 > 0"),
    ],
    ids=lambda words: words[0],
)
def test_result_and_account_do_not_mix(fails, coco_file, words):
    named = [coco_file if word == "SRC" else word for word in words]
    assert "DST is stdout already" in fails(*named, "--json")


class TestMapping:
    def test_a_format_with_points_of_its_own_lists_what_is_lacking(
        self, kpt, fails, coco_file, tmp_path
    ):
        target = tmp_path / "x.mat"
        message = fails("convert", coco_file, target)
        assert "nothing for upper_neck, head_top" in message
        assert "kpt convert --schema mpii, which leaves those unlabelled" in message
        assert not target.exists()

        assert kpt("convert", coco_file, target, "--schema", "mpii").status == 0
        assert len(kd.read(target)) == 3

    def test_points_that_are_lacking_are_unlabelled_and_counted(self, kpt, mpii_file, tmp_path):
        target = tmp_path / "x.json"

        words = ("convert", mpii_file, f"coco:{target}", "--schema", "coco", "--json")
        account = kpt(*words).data

        found = kd.read(target)
        nose = found.schema.index("nose")
        assert (found.visibility[:, nose] == kd.Visibility.UNLABELLED).all()
        (step,) = account["steps"].values()
        note = "unlabelled, as mpii lacks them: nose, left_eye, right_eye, left_ear, right_ear"
        assert step["notes"][note] == 5 * len(found)

    def test_a_schema_that_the_source_fills(self, kpt, mpii_file, tmp_path):
        target = tmp_path / "x.json"
        words = ("convert", mpii_file, f"coco:{target}", "--schema")
        assert kpt(*words, "mhp").status == 0
        assert kd.read(target, schema="mhp").schema.name == "mhp"

    def test_strict_refuses_what_a_mapping_loses(self, fails, mpii_file, tmp_path):
        words = ("convert", mpii_file, f"coco:{tmp_path / 'x.json'}", "--schema", "coco")
        message = fails(*words, "--strict")

        assert "would lose" in message
        assert "lost pelvis" in message
        assert names_in(tmp_path) == []


class TestOptions:
    def test_options_of_the_writer(self, kpt, coco_file, tmp_path):
        tree = tmp_path / "tree"
        assert kpt("convert", coco_file, f"yolo_pose:{tree}", "--set", "dims=2").status == 0
        assert "kpt_shape: [17, 2]" in (tree / "data.yaml").read_text()

    def test_options_of_the_reader(self, kpt, skeletons, tmp_path):
        words = ("convert", skeletons, tmp_path / "x.json", "--source-set", "category=hand")
        assert kpt(*words).status == 0
        assert kd.read(tmp_path / "x.json").schema.num_keypoints == 2

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--set", "dmis=2"), "unknown option of the writer of yolo_pose 'dmis': did you mean"),
            (("--set", "dims"), "--set: expected KEY=VALUE, got 'dims'"),
            (("--area", "box"), "unknown option of the writer of yolo_pose 'area'"),
            (("--source-set", "categry=1"), "unknown option of the reader of coco 'categry'"),
        ],
    )
    def test_wrong_options_are_refused(self, fails, coco_file, tmp_path, words, message):
        assert message in fails("convert", coco_file, f"yolo_pose:{tmp_path / 'tree'}", *words)
        assert names_in(tmp_path) == ["people.json"]


class TestMerge:
    def test_union_of_two_schemas(self, kpt, coco_file, mpii_file, tmp_path):
        target = tmp_path / "both.json"

        status, out, err = kpt("merge", coco_file, mpii_file, "-o", target)

        assert (status, out) == (0, "")
        both, people = kd.read(target), kd.read(mpii_file)
        assert both.schema.num_keypoints == 21
        assert len(both) == 3 + len(people)
        assert (both.visibility[:3, 17:] == kd.Visibility.UNLABELLED).all()
        ankle = both.visibility[3:, both.schema.index("left_ankle")]
        own = people.visibility[:, people.schema.index("left_ankle")]
        assert ankle.tolist() == np.where(own == 4, 2, own).tolist()
        assert "unlabelled, as coco lacks them: pelvis, thorax, upper_neck, head_top: 12" in err
        assert "merge coco, mpii to merged" in err

    def test_intersection_and_json(self, kpt, coco_file, mpii_file, tmp_path):
        target = tmp_path / "both.json"
        words = ("merge", coco_file, mpii_file, "-o", target, "--points", "intersection", "--json")

        account = kpt(*words).data

        assert kd.read(target).schema.num_keypoints == 12
        step = account["steps"]["merge coco, mpii to merged"]
        assert step["total"] == step["kept"] == account["written"]["instances"]
        assert step["notes"]["lost nose"] == 3

    def test_a_given_schema(self, kpt, coco_file, mpii_file, tmp_path):
        target = tmp_path / "both.json"
        assert kpt("merge", coco_file, mpii_file, "-o", target, "--schema", "h36m").status == 0
        assert kd.read(target).schema.name == "h36m"

    def test_strict_refuses_lost_points(self, fails, coco_file, mpii_file, tmp_path):
        words = ("--points", "intersection", "--strict")
        message = fails("merge", coco_file, mpii_file, "-o", tmp_path / "x.json", *words)
        assert "would lose" in message
        assert names_in(tmp_path) == ["people.json"]

    def test_the_same_bytes_twice(self, kpt, coco_file, mpii_file, tmp_path):
        for name in ("a.json", "b.json"):
            kpt("merge", coco_file, mpii_file, "-o", tmp_path / name)
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


class TestFilter:
    def test_account_and_result(self, kpt, coco_file, tmp_path):
        target = tmp_path / "few.json"

        status, out, err = kpt("filter", coco_file, target, "x('nose') > 20 and image_id == 7")

        assert (status, out) == (0, "")
        found = kd.read(target)
        assert found.id.tolist() == [2]
        assert len(found.images) == 2
        assert "filter coco: 3 in, 1 kept" in err
        assert "skipped 1: x('nose') > 20 (ids 1)" in err
        assert "skipped 1: image_id == 7 (ids 3)" in err

    def test_images_without_instances_go_if_told(self, kpt, coco_file, tmp_path):
        target = tmp_path / "few.json"
        words = ("filter", coco_file, target, "image_id == 8", "--drop-images", "--json")

        account = kpt(*words).data

        assert kd.read(target).images.file_name.tolist() == ["8.jpg"]
        assert account["steps"]["drop images"]["notes"] == {"images left out": 1}
        assert account["steps"]["filter coco"]["kept"] == 1

    def test_the_format_is_that_of_the_source(self, kpt, coco_file, tmp_path):
        source, target = tmp_path / "results.json", tmp_path / "few.json"
        people = [{"image_id": 7, "category_id": 1, "score": s, "keypoints": [1.0, 2.0, 1.0] * 17}
                  for s in (0.25, 0.75)]  # fmt: skip
        source.write_text(json.dumps(people))

        assert kpt("filter", source, target, "score > 0.5", "--schema", "coco").status == 0
        assert json.loads(target.read_text()) == people[1:]
        words = ("filter", source, target, "score > 0.5", "--schema", "coco", "--to", "coco")
        assert kpt(*words).status == 0
        assert "annotations" in json.loads(target.read_text())

    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            ("arae > 1", "unknown column 'arae': did you mean area"),
            ("area >", "expression: invalid syntax"),
            ("__import__('os')", "unknown function '__import__'"),
        ],
    )
    def test_wrong_expressions(self, fails, coco_file, tmp_path, expression, message):
        assert message in fails("filter", coco_file, tmp_path / "x.json", expression)
        assert names_in(tmp_path) == ["people.json"]


class TestSplit:
    def test_parts_are_disjoint_and_complete(self, kpt, folder, tmp_path):
        status, out, err = kpt(
            "split", folder / "*.json", "-o", tmp_path / "parts", "--parts", "a=0.5,b=0.5"
        )

        assert (status, out) == (0, "")
        parts = [kd.read(tmp_path / "parts" / f"{name}.json") for name in "ab"]
        names = [name for part in parts for name in part.images.file_name.tolist()]
        assert sorted(names) == [f"{n}-{i}.jpg" for n in range(3) for i in (7, 8)]
        assert [len(part.images) for part in parts] == [3, 3]
        assert err.count("skipped 3: in another part") == 2

    def test_json_report_and_endings(self, kpt, coco_file, tmp_path):
        packed = tmp_path / "people.json.gz"
        kpt("convert", coco_file, packed, "--to", "coco")
        report = tmp_path / "report.json"
        words = ("split", packed, "-o", tmp_path / "p", "--report", report, "--json")

        account = kpt(*words).data

        assert names_in(tmp_path / "p") == ["train.json.gz", "val.json.gz"]
        assert set(account) == {"train", "val"}
        assert json.loads(report.read_text()) == account
        counts = [account[name]["written"]["instances"] for name in account]
        assert sum(counts) == 3

    def test_same_seed_same_parts(self, kpt, folder, tmp_path):
        for name, seed in (("one", 3), ("two", 3), ("three", 4)):
            kpt("split", folder, "-o", tmp_path / name, "--seed", seed, "--parts", "a=0.5,b=0.5")
        texts = [(tmp_path / name / "a.json").read_bytes() for name in ("one", "two", "three")]
        assert texts[0] == texts[1] != texts[2]

    def test_into_folders(self, kpt, coco_file, tmp_path):
        assert kpt("split", coco_file, "-o", tmp_path / "p", "--to", "yolo_pose").status == 0
        assert names_in(tmp_path / "p") == ["train", "val"]
        assert (tmp_path / "p" / "val" / "data.yaml").is_file()

    def test_an_error_leaves_nothing(self, fails, coco_file, tmp_path):
        text = json.loads(coco_file.read_text())
        text["images"][1]["width"] = 0
        coco_file.write_text(json.dumps(text))

        message = fails("split", coco_file, "-o", tmp_path / "p", "--to", "yolo_pose")

        assert "no size" in message
        assert names_in(tmp_path) == ["people.json"]

    @pytest.mark.parametrize("parts", ["train", "train=x", "../a=1", "=1", "a/b=1"])
    def test_wrong_parts(self, kpt, coco_file, tmp_path, parts):
        status, _, err = kpt("split", coco_file, "-o", tmp_path / "p", "--parts", parts)
        assert status == 2
        assert "--parts" in err

    def test_shares_that_do_not_add_up(self, fails, coco_file, tmp_path):
        message = fails("split", coco_file, "-o", tmp_path / "p", "--parts", "a=0.5,b=0.6")
        assert "add up to 1" in message
        assert names_in(tmp_path) == ["people.json"]


@pytest.mark.parametrize("name", FORMATS)
def test_losses_of_every_format_are_printed_reported_and_refused(kpt, fails, name, tmp_path):
    """What few formats can hold, from a file that can: tracks, videos and sources of boxes."""
    module, setting = FORMATS.load(name), SETTINGS.get(name, Setting())
    schema = setting.schema
    ds = PLANTS["videos"](PLANTS["source of boxes"](PLANTS["track"](plain(schema))))
    source, target = tmp_path / "source.json", tmp_path / setting.file
    kd.write(ds, source, format="coco")
    report = tmp_path / "report.json"

    words = ("convert", source, f"{name}:{target}", "--report", report, "--json")
    outcome = kpt(*words, "--source-schema", schema)

    assert outcome.status == 0, outcome.err
    account = json.loads(report.read_text())
    assert account == outcome.data
    written = account["written"]
    assert written["format"] == name
    assert set(written["lost"]) <= set(module.LOSSES)
    for key, count in written["lost"].items():
        assert f"  lost {count}: {module.LOSSES[key]}" in outcome.err
    for key, count in written["invented"].items():
        assert f"  invented {count}: {key}" in outcome.err
    before = names_in(tmp_path)
    if written["lost"]:
        strict = tmp_path / f"strict-{target.name}"
        message = fails(
            "convert", source, f"{name}:{strict}", "--strict", "--source-schema", schema
        )
        assert "would lose" in message
        assert names_in(tmp_path) == before

"""``kpt info``: counts that add up, data on stdout, and refusals of files that it cannot read."""

from __future__ import annotations

import json

import pytest
from cli_files import UNREADABLE, document, person

import kptdata as kd


def test_json_holds_the_counts(kpt, coco_file):
    status, _, err = (outcome := kpt("info", coco_file, "--json"))

    assert (status, err) == (0, "")
    facts = outcome.data
    assert (facts["file"], facts["format"]) == (str(coco_file), "coco")
    assert facts["schema"]["name"] == "coco"
    assert facts["counts"]["instances"] == 3
    assert facts["counts"]["images"] == 2
    assert facts["counts"]["labelled_keypoints"] == 51
    assert facts["visibility"]["right_ankle"]["occluded"] == 3
    assert facts["visibility"]["nose"]["visible"] == 3
    assert facts["area"]["median"] == 450.5
    assert facts["box_wh"]["width"]["max"] == 22
    assert facts["image_wh"]["unknown"] == 0
    assert facts["extras"]["mood"] == 1


def test_states_of_a_keypoint_add_up(kpt, mpii_file):
    facts = kpt("info", mpii_file, "--json").data

    assert facts["format"] == "mpii"
    assert len(facts["visibility"]) == 16
    for states in facts["visibility"].values():
        assert sum(states.values()) == facts["counts"]["instances"]


def test_text_for_people(kpt, coco_file):
    status, out, err = kpt("info", coco_file)

    assert (status, out) == (0, "")
    assert "schema coco, 17 keypoints" in err
    assert "instances: 3" in err
    assert "right_ankle" in err


def test_several_skeletons_give_a_list(kpt, tmp_path):
    fish = {"id": 2, "name": "fish", "keypoints": ["mouth", "tail"], "skeleton": [[1, 2]]}
    swimmer = person(2, 8, 5) | {"category_id": 2, "keypoints": [1, 2, 2, 3, 4, 2]}
    both = document(person(1, 7, 10), swimmer | {"num_keypoints": 2})
    both["categories"].append(fish)
    path = tmp_path / "both.json"
    path.write_text(json.dumps(both))

    first, second = kpt("info", path, "--json").data

    assert [first["schema"]["keypoints"], second["schema"]["keypoints"]] == [17, 2]


@pytest.mark.parametrize("name", ["[/b]", "[red]person", ":car:", "[link=x]", "{person}"])
def test_names_of_files_and_data_are_no_markup(kpt, tmp_path, name):
    """A bracket in a name must neither vanish nor break the printing."""
    key = name.strip(":")
    people = document(person(1, 7, 10, **{key: 1}))
    people["categories"][0] |= {"name": name, "keypoints": [f"{name}{i}" for i in range(17)]}
    folder = tmp_path / name.replace("/", "")
    folder.mkdir()
    path = folder / "people.json"
    path.write_text(json.dumps(people))

    status, _, err = kpt("info", path)

    assert status == 0
    for words in (str(path), f"category 1: {name}: 1", f"{name}16 ", f"as it is, {key}: 1"):
        assert words in err
    assert kpt("check", path).status == 0
    target = folder / "again.json"
    assert f"{target}: 1 instances" in kpt("convert", path, target).err


def test_no_annotations_is_no_error(kpt, tmp_path):
    path = tmp_path / "none.json"
    path.write_text(json.dumps(document()))

    facts = kpt("info", path, "--json").data

    assert facts["counts"]["instances"] == 0
    assert facts["area"] is None
    assert kpt("info", path).status == 0


@pytest.mark.parametrize("command", ["info", "check"])
@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_unreadable_input_is_one_line(fails, unreadable, command, as_json):
    assert str(unreadable) in fails(command, unreadable, *as_json)


@pytest.mark.parametrize("command", ["info", "check"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "cocco"), "unknown format 'cocco': did you mean coco?"),
        (("--schema", "cocoo"), "unknown schema 'cocoo': did you mean coco"),
        (("--schema", "mpii"), "mpii"),
        (("--images", "nowhere"), "nowhere: no such folder"),
    ],
    ids=str,
)
def test_wrong_option_values(fails, coco_file, command, words, message):
    assert message in fails(command, coco_file, *words)


def test_points_without_names_ask_for_a_schema(fails, kpt, tmp_path):
    nameless = document(person(1, 7, 10))
    del nameless["categories"][0]["keypoints"], nameless["categories"][0]["skeleton"]
    path = tmp_path / "nameless.json"
    path.write_text(json.dumps(nameless))

    message = fails("info", path)

    assert "17" in message
    assert "coco" in message
    assert kpt("info", path, "--schema", "coco", "--json").data["schema"]["name"] == "coco"


@pytest.mark.parametrize("length", [3, 50, 52, 54])
def test_a_wrong_number_of_points_names_the_annotation(fails, tmp_path, length):
    people = [person(i, 7, 10) for i in (1, 2, 3)]
    people[1]["keypoints"] = [1.0] * length
    path = tmp_path / "short.json"
    path.write_text(json.dumps(document(*people)))

    message = fails("info", path)

    assert "annotation" in message
    assert "2" in message
    assert str(length) in message


def test_a_prefix_names_the_format(kpt, fails, coco_file):
    assert kpt("info", f"coco:{coco_file}", "--json").data["format"] == "coco"
    assert "no such file" in fails("info", f"cocco:{coco_file}")
    assert str(coco_file) in fails("info", f"mpii:{coco_file}")


def test_library_and_command_agree(kpt, coco_file):
    facts = kpt("info", coco_file, "--json").data

    assert {k: facts[k] for k in facts if k not in ("file", "format")} == json.loads(
        json.dumps(kd.summarise(kd.read(coco_file)))
    )


def test_what_json_cannot_hold_is_named(fails, tmp_path):
    assert "byte-order mark" in fails("info", UNREADABLE["byte-order-mark"](tmp_path))
    assert "NaN" in fails("info", UNREADABLE["not-a-number"](tmp_path))

"""``kpt convert``: what comes out, what the account says, and that a refusal leaves nothing."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

import kptdata as kd


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_coco_comes_back_equal(kpt, coco_file, tmp_path):
    target = tmp_path / "again.json"

    status, out, err = kpt("convert", coco_file, f"coco:{target}")

    assert (status, out) == (0, "")
    assert "3 instances as coco" in err
    assert "lost" not in err
    assert "invented" not in err
    assert json.loads(target.read_text()) == json.loads(coco_file.read_text())
    assert names_in(tmp_path) == ["again.json", "people.json"]


def test_onto_itself(kpt, coco_file, tmp_path):
    before = json.loads(coco_file.read_text())

    assert kpt("convert", coco_file, f"coco:{coco_file}").status == 0
    assert json.loads(coco_file.read_text()) == before
    assert names_in(tmp_path) == [coco_file.name]


def test_gzip_in_and_out(kpt, coco_file, tmp_path):
    packed, again = tmp_path / "packed.json.gz", tmp_path / "again.json.gz"

    assert kpt("convert", coco_file, packed, "--to", "coco").status == 0
    assert kpt("convert", packed, again, "--to", "coco").status == 0

    assert json.loads(gzip.decompress(packed.read_bytes())) == json.loads(coco_file.read_text())
    assert packed.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("by", ["option", "prefix"])
def test_mpii_to_coco_with_another_schema(kpt, mpii_file, tmp_path, by):
    target, report = tmp_path / "coco.json", tmp_path / "report.json"
    places = {
        "option": (mpii_file, target, "--from", "mpii", "--to", "coco"),
        "prefix": (f"mpii:{mpii_file}", f"coco:{target}"),
    }

    status, out, err = kpt("convert", *places[by], "--schema", "coco", "--report", report)

    assert (status, out) == (0, "")
    source, result = kd.read(mpii_file), kd.read(target)
    assert result.schema.name == "coco"
    assert len(result) == len(source)
    wrist, same = source.schema.index("left_wrist"), result.schema.index("left_wrist")
    seen = source.labelled[:, wrist]
    assert result.xy[seen, same].tolist() == source.xy[seen, wrist].tolist()
    assert not result.labelled[:, result.schema.index("nose")].any()

    account = json.loads(report.read_text())
    assert account["written"]["instances"] == len(result)
    (step,) = account["steps"]
    assert step == "map mpii to coco"
    assert "thorax" in json.dumps(account["steps"])
    for line in ("map mpii to coco", "invented", "lost"):
        assert line in err


def test_every_person_gets_what_evaluation_needs(kpt, mpii_file, tmp_path):
    target = tmp_path / "coco.json"
    kpt("convert", mpii_file, f"coco:{target}", "--schema", "coco", "--area", "box")

    for row in json.loads(target.read_text())["annotations"]:
        assert row["iscrowd"] == 0
        assert row["area"] == pytest.approx(row["bbox"][2] * row["bbox"][3])


def test_strict_refuses_before_a_byte_is_written(fails, mpii_file, tmp_path):
    message = fails("convert", mpii_file, f"coco:{tmp_path / 'x.json'}", "--strict")

    assert "would lose" in message
    assert "--strict" in message
    assert names_in(tmp_path) == []


def test_strict_passes_what_loses_nothing(kpt, coco_file, tmp_path):
    assert kpt("convert", coco_file, f"coco:{tmp_path / 'x.json'}", "--strict").status == 0


def test_unreadable_input_leaves_nothing(fails, unreadable, tmp_path):
    before = names_in(tmp_path)

    message = fails("convert", unreadable, f"coco:{tmp_path / 'out.json'}")

    assert str(unreadable) in message
    assert names_in(tmp_path) == before


def test_missing_folder(fails, coco_file, tmp_path):
    target = tmp_path / "none" / "out.json"

    message = fails("convert", coco_file, f"coco:{target}")

    assert str(target) in message
    assert "create the folder" in message


def test_output_is_a_folder(fails, coco_file, tmp_path):
    (tmp_path / "out.json").mkdir()

    message = fails("convert", coco_file, f"coco:{tmp_path / 'out.json'}")

    assert "is a folder" in message
    assert names_in(tmp_path) == ["out.json", "people.json"]


def test_output_below_a_file(fails, coco_file, tmp_path):
    target = coco_file / "out.json"

    assert str(target) in fails("convert", coco_file, f"coco:{target}")
    assert names_in(tmp_path) == ["people.json"]


def test_a_report_that_cannot_be_written_stops_all(fails, coco_file, tmp_path):
    target, report = tmp_path / "x.json", tmp_path / "none" / "report.json"

    message = fails("convert", coco_file, f"coco:{target}", "--report", report)

    assert str(report.parent) in message
    assert "--report" in message
    assert not target.exists()


@pytest.mark.parametrize(
    ("place", "message"),
    [("", "is a folder"), ("people.json", "is SRC or DST"), ("x.json", "is SRC or DST")],
)
def test_a_report_in_a_place_that_is_taken_stops_all(fails, coco_file, tmp_path, place, message):
    before = coco_file.read_bytes()

    said = fails("convert", coco_file, tmp_path / "x.json", "--report", tmp_path / place)

    assert message in said
    assert "--report" in said
    assert coco_file.read_bytes() == before
    assert names_in(tmp_path) == ["people.json"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "cocoo", "--to", "coco"), "unknown format 'cocoo': did you mean coco"),
        (("--to", "cocoo"), "unknown format 'cocoo': did you mean coco"),
        (("--to", "coco", "--schema", "mpi"), "unknown schema 'mpi': did you mean mpii"),
        (("--to", "coco", "--images", "nowhere"), "nowhere: no such folder"),
    ],
    ids=str,
)
def test_wrong_names_say_what_is_near(fails, coco_file, tmp_path, words, message):
    before = names_in(tmp_path)

    assert message in fails("convert", coco_file, tmp_path / "out.json", *words)
    assert names_in(tmp_path) == before


def test_a_name_that_tells_no_format_is_refused(fails, coco_file, tmp_path):
    message = fails("convert", coco_file, tmp_path / "out.unknown")

    assert "the name does not tell the format" in message


def test_json_is_coco_unless_said_otherwise(kpt, coco_file, tmp_path):
    status, _, err = kpt("convert", coco_file, tmp_path / "out.json")

    assert status == 0
    assert "instances as coco" in err


@pytest.mark.parametrize(
    "words",
    [(), ("only-one",), ("a", "b", "--area", "big"), ("a", "b", "--stric")],
    ids=str,
)
def test_wrong_usage(kpt, words):
    status, out, err = kpt("convert", *words)

    assert (status, out) == (2, "")
    assert "Usage: kpt convert" in err


def test_a_schema_that_shares_nothing_is_not_silent(kpt, coco_file, tmp_path):
    err = kpt("convert", coco_file, f"coco:{tmp_path / 'x.json'}", "--schema", "fly").err

    assert "fly" in err
    assert "lost" in err or "no keypoint" in err


def test_same_bytes_twice(kpt, mpii_file, tmp_path):
    for name in ("a.json", "b.json"):
        kpt("convert", mpii_file, f"coco:{tmp_path / name}", "--schema", "coco")

    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_to_stdout(coco_file, tmp_path):
    """In a process of its own: what a pipe receives is the file, and the device stays one."""
    done = subprocess.run(
        [sys.executable, "-m", "kpt", "convert", coco_file, "coco:-"],
        capture_output=True, check=True,
    )  # fmt: skip

    assert json.loads(done.stdout) == json.loads(coco_file.read_text())
    assert "3 instances as coco" in done.stderr.decode()
    assert names_in(tmp_path) == ["people.json"]


# Dialects of COCO


def crowd_file(path):
    """Write one person of CrowdPose, without an area."""
    points = [n for k in range(14) for n in (10 + k, 20 + k, 2 - k % 3)]
    person = {"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0, "bbox": [1, 2, 30, 40],
              "keypoints": points, "num_keypoints": 8}  # fmt: skip
    image = {"id": 7, "file_name": "7.jpg", "width": 64, "height": 48, "crowdIndex": 0.75}
    category = {"id": 1, "name": "person", "keypoints": [], "skeleton": []}
    content = {"images": [image], "annotations": [person], "categories": [category]}
    path.write_text(json.dumps(content))
    return content


@pytest.mark.parametrize("way", ["options", "prefixes"])
def test_a_dialect_is_given_where_a_format_is(way, kpt, tmp_path):
    source, target = tmp_path / "a.json", tmp_path / "b.json"
    content = crowd_file(source)
    named = {
        "options": (source, target, "--from", "crowdpose", "--to", "crowdpose"),
        "prefixes": (f"crowdpose:{source}", f"crowdpose:{target}"),
    }
    status, out, err = kpt("convert", *named[way], "--strict")

    assert (status, out, err) == (0, "", f"{target}: 1 instances as crowdpose\n")
    assert json.loads(target.read_text()) == content


def test_a_dialect_knows_what_to_map_from(kpt, tmp_path):
    source, target = tmp_path / "a.json", tmp_path / "b.json"
    crowd_file(source)
    status, _, err = kpt("convert", source, target, "--from", "crowdpose", "--schema", "coco")

    assert status == 0
    assert "map crowdpose to coco" in err
    (image,) = json.loads(target.read_text())["images"]
    assert image["crowdIndex"] == 0.75


def test_into_a_dialect_only_what_its_files_have_is_made_up(kpt, tmp_path):
    assert kpt("synth", 2, "-o", tmp_path / "drawn", "--layout", "mpii").status == 0
    source, target = tmp_path / "drawn" / "annotations.mat", tmp_path / "a.json"
    into = (source, target, "--to", "crowdpose", "--schema", "crowdpose")

    assert "area" not in kpt("convert", *into).err
    people = json.loads(target.read_text())["annotations"]
    assert {"area", "keypoints", "iscrowd"} & people[0].keys() == {"keypoints", "iscrowd"}
    assert "invented" in kpt("convert", *into, "--area", "box").err
    people = json.loads(target.read_text())["annotations"]
    assert people[0]["area"] == people[0]["bbox"][2] * people[0]["bbox"][3]


def test_a_dialect_takes_no_other_points(fails, tmp_path):
    source, target = tmp_path / "a.json", tmp_path / "b.json"
    crowd_file(source)

    said = fails("convert", source, target, "--from", "crowdpose", "--to", "posetrack18")
    assert "files of posetrack18 hold the keypoints of posetrack18" in said
    assert not target.exists()

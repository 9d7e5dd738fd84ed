"""``kpt check``: exit status by severity, findings as data, chosen rules."""

from __future__ import annotations

import json

import pytest
from cli_files import document, person

import kptdata as kd


@pytest.fixture
def broken(tmp_path):
    """Two people with one id, one without any labelled point."""
    empty = person(9, 8, 30) | {"keypoints": [0] * 51, "num_keypoints": 0}
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document(person(4, 7, 10), person(4, 8, 20), empty)))
    return path


def test_nothing_found(kpt, coco_file):
    assert kpt("check", coco_file, "--json") == (0, "[]\n", "")

    status, _, err = kpt("check", coco_file)
    assert status == 0
    assert "3 instances checked, 0 findings" in err


def test_errors_are_status_1(kpt, broken):
    status, out, err = kpt("check", broken)

    assert (status, out) == (1, "")
    assert "error: duplicate-id" in err
    assert "warning: unlabelled-instance" in err
    assert "3 instances checked, 2 findings" in err


def test_warnings_are_status_0(kpt, broken):
    status, out, err = kpt("check", broken, "--rule", "unlabelled-instance")

    assert (status, out) == (0, "")
    assert "(9)" in err
    assert "duplicate" not in err


def test_findings_as_data(kpt, broken):
    outcome = kpt("check", broken, "--json")

    assert (outcome.status, outcome.err) == (1, "")
    by_rule = {finding["rule"]: finding for finding in outcome.data}
    assert by_rule["duplicate-id"]["ids"] == [4]
    assert by_rule["duplicate-id"]["severity"] == "error"
    assert by_rule["unlabelled-instance"]["ids"] == [9]
    assert all(finding["count"] == len(finding["ids"]) for finding in outcome.data)


def test_a_finding_names_the_rule_that_gives_it(kpt, broken):
    for finding in kpt("check", broken, "--json").data:
        assert kpt("check", broken, "--json", "--rule", finding["rule"]).data == [finding]


def test_images_are_looked_for(kpt, coco_file, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "8.jpg").write_bytes(b"x")

    outcome = kpt("check", coco_file, "--images", tmp_path / "images", "--json")

    assert outcome.status == 1
    assert [(f["rule"], f["ids"]) for f in outcome.data] == [("image-missing", ["7.jpg"])]


def test_drawn_people_are_clean(kpt, mpii_file):
    findings = kpt("check", mpii_file, "--images", mpii_file.parent / "images", "--json").data

    assert [f for f in findings if f["severity"] == "error"] == []


def test_unknown_rule(fails, coco_file):
    assert "unknown rule 'area-tinny': did you mean area-tiny" in fails(
        "check", coco_file, "--rule", "area-tinny"
    )


def test_checking_changes_nothing(kpt, broken):
    before = broken.read_bytes()
    kpt("check", broken)

    assert broken.read_bytes() == before
    assert [p.name for p in broken.parent.iterdir()] == [broken.name]


def test_library_and_command_agree(kpt, broken):
    found = [finding.to_dict() for finding in kd.check(kd.read(broken))]

    assert kpt("check", broken, "--json").data == json.loads(json.dumps(found))

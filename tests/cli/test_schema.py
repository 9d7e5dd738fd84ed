"""``kpt schema``: what it prints where, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from kpt.commands.schema import command

from kptdata.errors import FileError, FormatError, SchemaError, UnknownNameError
from kptdata.schema import Schema, list_schemas, load_schema

EXAMPLES = Path(__file__).parents[1] / "data" / "mmpose_dataset_info"


def kpt(*args: object) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args])


def fails(*args: object) -> BaseException:
    result = kpt(*args)
    assert result.exit_code == 1
    assert result.exception is not None
    return result.exception


def test_list():
    result = kpt("list")
    assert (result.exit_code, result.stdout) == (0, "")
    for name in list_schemas():
        assert name in result.stderr
    rows = json.loads(kpt("list", "--json").stdout)
    assert [row["file"] for row in rows] == list(list_schemas())
    assert rows[list_schemas().index("coco")]["keypoints"] == 17


def test_show_prints_every_point():
    result = kpt("show", "coco")
    assert (result.exit_code, result.stdout) == (0, "")
    for name in load_schema("coco").names:
        assert name in result.stderr
    assert "sigmas: measured" in result.stderr


def test_show_as_json_is_the_schema():
    data = json.loads(kpt("show", "mpii", "--json").stdout)
    assert Schema.from_dict(data) == load_schema("mpii")


def test_show_of_a_file_with_nothing_but_names(tmp_path):
    path = tmp_path / "bare.toml"
    path.write_text(Schema.from_names(["a[b]", "b"], "bare").to_toml())
    result = kpt("show", path)
    assert result.exit_code == 0
    assert "a[b]" in result.stderr
    assert "licence: not stated" in result.stderr


def test_show_draws(tmp_path):
    import cv2

    out = tmp_path / "coco.png"
    result = kpt("show", "coco", "-o", out)
    assert result.exit_code == 0
    picture = cv2.imread(str(out))
    assert picture.ndim == 3
    orange, green = (0, 128, 255), (0, 255, 0)  # blue, green, red
    columns = [np.flatnonzero((picture == c).all(-1).any(0)).mean() for c in (orange, green)]
    assert columns[0] < picture.shape[1] / 2 < columns[1]  # the right side is on the left


def test_show_says_why_it_cannot_write(tmp_path):
    assert isinstance(fails("show", "coco", "-o", tmp_path / "no" / "coco.png"), FileError)


def test_unknown_schema():
    error = fails("show", "cocoo")
    assert isinstance(error, UnknownNameError)
    assert "did you mean coco" in str(error)


def test_validate_all():
    result = kpt("validate", "--all")
    assert result.exit_code == 0
    assert result.stderr == f"{len(list_schemas())} checked, 0 findings\n"


def test_validate_reports_all_findings_and_exits_1(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('name = "bad"\nkeypoints = [{ name = "a", swap = "b", weight = -1 }]\n')
    result = kpt("validate", "coco", path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "swap: unknown point" in result.stderr
    assert "weight: wrong value" in result.stderr
    assert "2 checked, 2 findings" in result.stderr
    findings = json.loads(kpt("validate", path, "--json").stdout)
    assert [finding["place"] for finding in findings] == [
        "keypoints[0] (a).weight",
        "keypoints[0] (a).swap",
    ]
    assert all(finding["path"] == str(path) and finding["fix"] for finding in findings)


def test_validate_nothing_is_a_usage_error():
    assert kpt("validate").exit_code == 2


def test_infer_names():
    names = ",".join(load_schema("coco").names)
    result = kpt("infer", names)
    assert result.stderr.startswith("coco (same names: ")
    data = json.loads(kpt("infer", names, "--json").stdout)
    assert data[0]["schema"] == "coco"
    assert "ochuman" in data[0]["others"]
    assert isinstance(fails("infer", "nose,left_eye"), SchemaError)


def test_infer_file(tmp_path):
    path = tmp_path / "coco.json"
    categories = [
        {"id": 1, "name": "person", "keypoints": list(load_schema("coco").names)},
        {"id": 2, "name": "car"},
        {"id": 3, "name": "hand", "keypoints": list(load_schema("freihand").names)},
    ]
    path.write_text(json.dumps({"categories": categories}))
    lines = kpt("infer", path).stderr.splitlines()
    assert lines[0].startswith("person: coco")
    assert lines[1].startswith("hand: ")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("{", FormatError), ("[]", FormatError), ("[" * 99_999, FormatError)),
        *(('{"categories": 3}', FormatError), ('{"categories": [{"keypoints": []}]}', SchemaError)),
        (None, FileError),
    ],
)
def test_infer_refuses_other_files(tmp_path, text, kind):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    assert isinstance(fails("infer", path), kind)


def test_map():
    result = kpt("map", "mpii", "coco")
    assert result.exit_code == 0
    assert "mpii -> coco: 12 exact, 0 derived, 5 missing" in result.stderr
    for name in load_schema("coco").names:
        assert name in result.stderr
    assert "not used of mpii: pelvis, thorax, upper_neck, head_top" in result.stderr
    data = json.loads(kpt("map", "coco", "mpii", "--json").stdout)
    assert data["missing"] == ["upper_neck", "head_top"]
    assert set(data["derived"]) == {"pelvis", "thorax"}


def test_import_to_stdout_and_to_a_file(tmp_path):
    source, out = EXAMPLES / "broken_pairs.py", tmp_path / "pairs.toml"
    result = kpt("import", source)
    assert result.exit_code == 0
    assert "completed: 'right_ear' did not swap back" in result.stderr
    assert "7 points, 7 findings" in result.stderr
    assert kpt("import", source, "-o", out).stdout == ""
    assert out.read_text() == result.stdout
    assert load_schema(out).name == "pairs"
    assert isinstance(fails("import", tmp_path / "no.py"), FileError)

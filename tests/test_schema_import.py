"""Reading MMPose descriptions: as data, never run, with a finding for everything mended."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from kptdata.errors import FileError, SchemaError
from kptdata.schema import (
    ImportedSchema,
    import_dataset_info,
    list_schemas,
    load_schema,
    parse_toml,
    validate_schema,
)

EXAMPLES = Path(__file__).parent / "data" / "mmpose_dataset_info"
WHEEL = os.environ.get("KPTDATA_MMPOSE_WHEEL")


def load(name: str) -> tuple[ImportedSchema, list[str]]:
    imported = import_dataset_info(EXAMPLES / f"{name}.py")
    return imported, [str(finding) for finding in imported.findings]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_written_toml_is_a_valid_schema(path, tmp_path):
    schema, findings = import_dataset_info(path)
    out = tmp_path / "out.toml"
    out.write_text(schema.to_toml(), encoding="utf-8")
    assert validate_schema(out) == ()
    assert load_schema(out) == schema
    assert all(str(finding).startswith(f"{path}: ") for finding in findings)


def test_plain_file_comes_over_whole():
    (schema, _), findings = load("plain")
    assert findings == []
    assert schema.name == "lizard"
    assert schema.names == ("snout", "left_foot", "right_foot", "tail")
    assert schema.swap_indices.tolist() == [0, 2, 1, 3]
    assert [point.part for point in schema.keypoints] == ["upper", "lower", "lower", None]
    assert schema.keypoints[0].colour == "#ff8000"  # red, green, blue: the right side is orange
    assert schema.link_indices.tolist() == [[0, 3], [1, 3], [2, 3]]
    assert schema.weights.tolist() == [1, 1.2, 1.2, 1.5]
    assert (schema.sigma_source, schema.sigmas.tolist()) == ("uniform:0.05", [0.05] * 4)
    assert schema.paper.author == "Doe, Jane and Roe, Richard"
    assert (schema.paper.year, schema.paper.homepage) == (2021, "https://example.org/lizard")


def test_values_under_names_are_read_and_nothing_is_run():
    (schema, _), findings = load("named_values")
    assert schema.names == ("head", "wing L", "wing R")
    assert schema.canonical_names == ("head", "wing_l", "wing_r")
    assert [point.colour for point in schema.keypoints] == ["#0a141e", "#28323c", "#28323c"]
    assert schema.sigmas.tolist() == [0.02, 0.03, 0.03]
    assert schema.sigma_source == "borrowed:mmpose"
    assert any("nobody says where the sigmas come from" in f for f in findings)
    assert any("paper_info: left out" in f and "'More moths'" in f for f in findings)


def test_counts_that_do_not_fit_are_left_out():
    (schema, _), findings = load("wrong_counts")
    assert schema.sigmas is None
    assert schema.weights.tolist() == [1, 1, 1]
    assert ["expected 3 values, one per point; found 2" in f for f in findings] == [True, True]
    assert {f.split(": ")[1] for f in findings} == {"sigmas", "joint_weights"}


def test_broken_pairs_and_links():
    (schema, _), findings = load("broken_pairs")
    pairs = {point.name: point.swap for point in schema.keypoints if point.swap}
    assert pairs == {"left_ear": "right_ear", "right_ear": "left_ear", "q": "r", "r": "q"}
    assert [(link.start, link.end) for link in schema.links] == [("nose", "tail")]
    for part in (
        "(left_ear).swap: completed: 'right_ear' did not swap back",
        "(nose).swap: left out: swaps with itself",
        "(tail).swap: left out: swaps with an unknown point; found 'tale'",
        "(p).swap: left out: 'q' swaps with 'r'",
        "skeleton_info[1]: left out: a link to an unknown point",
        "skeleton_info[2]: left out: not a link of two points",
        "skeleton_info[3]: left out: not a link of two points",
    ):
        assert any(part in f for f in findings), part
    assert len(findings) == 7


def test_wrong_values_and_counting_names():
    (schema, _), findings = load("wrong_values")
    assert schema.canonical_names == ("values_0", "values_1", "values_2")
    assert (schema.sigmas, schema.weights.tolist()) == (None, [1, 1, 1])
    assert {point.colour for point in schema.keypoints} == {"#808080"}
    for part in (
        "keypoint_info: ids differ from the keys, which count; found '1: 3'",
        "[0] (kpt-0).color: left out: not three whole numbers",
        "[1] (kpt-1).color: left out",
        "[2] (kpt-2).color: left out",
        "[1] (kpt-1).type: left out: not 'upper' or 'lower'; found 'middle'",
        "sigmas: left out: not a number that can be used; found 0.0",
        "joint_weights: left out: not a number that can be used; found -1.0",
        "paper_info.year: left out: not a year; found 'in press'",
        "lower_body_ids: left out",
    ):
        assert any(part in f for f in findings), part
    assert len(findings) == 9


def test_points_of_a_bundled_schema_get_its_canonical_names():
    (schema, _), _ = load("same_as_bundled")
    assert schema.canonical_names == load_schema("deepfashion_lower").canonical_names


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "info.py"
    path.write_text(text)
    return path


POINT = "keypoint_info={0: dict(name='a', id=0)}"


def test_name_of_a_bundled_schema_with_other_points_is_not_taken(tmp_path):
    schema, findings = import_dataset_info(
        write(tmp_path, f"dataset_info = dict(dataset_name='coco', {POINT})")
    )
    assert schema.name == "info"
    assert "is a schema of ours with other points" in str(findings[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"no dataset description; expected .*found x"),
        ("dataset_info = 3", "no dataset description; found 3"),
        ("dataset_info = dict(", "line 1: not a Python file"),
        ("dataset_info = \x00", "not a Python file"),
        ("dataset_info = " + "(" * 5000, "not a Python file"),
        ("dataset_info = " + "-" * 5000 + "1", "info.py"),
        ("dataset_info = open('x')", r"line 1: more than data; .*found open\('x'\)"),
        ("\ndataset_info = dict(a=unknown)", "line 2: more than data; .*found unknown"),
        ("dataset_info = dict(**other)", "more than data"),
        ("dataset_info = {**other}", "more than data"),
        ("dataset_info = dict([1])", "more than data"),
        ("dataset_info = dict(a=[1] * 10**9)", "more than data"),
        ("dataset_info = dict(a=[1] * 99999999)", "more than data"),
        ("dataset_info = [i for i in x]", "more than data"),
        ("dataset_info = {(1, 2): 3}", "more than data"),
        ("dataset_info = {'a': 1}['b']", "more than data"),
        ("dataset_info = -'a'", "more than data"),
        ("dataset_info = dict(name='x')", "keypoint_info: no points"),
        ("dataset_info = dict(keypoint_info={0: 'nose'})", "keypoint_info: no points"),
        (
            "dataset_info = dict(keypoint_info={0: dict(name='a'), 1: dict(name='a')})",
            r"points cannot be told apart; .*found 'a'",
        ),
        ("dataset_info = dict(keypoint_info={0: dict(id=0)})", "points cannot be told apart"),
    ],
)
def test_what_is_no_description_is_refused(tmp_path, text, message):
    with pytest.raises(SchemaError, match=message):
        import_dataset_info(write(tmp_path, text))


def test_nothing_is_executed(tmp_path):
    proof = tmp_path / "proof"
    text = f"open({str(proof)!r}, 'w')\ndataset_info = dict({POINT})"
    assert import_dataset_info(write(tmp_path, text)).schema.names == ("a",)
    assert not proof.exists()


def test_missing_file():
    with pytest.raises(FileError, match="cannot be read"):
        import_dataset_info(EXAMPLES / "nowhere.py")


@pytest.mark.skipif(not WHEEL, reason="KPTDATA_MMPOSE_WHEEL does not name the mmpose 1.3.2 wheel")
def test_every_description_of_the_toolkit(tmp_path):
    assert WHEEL is not None
    count = 0
    with zipfile.ZipFile(WHEEL) as archive:
        for name in archive.namelist():
            if not name.startswith("mmpose/.mim/configs/_base_/datasets/"):
                continue
            path = tmp_path / Path(name).name
            path.write_bytes(archive.read(name))
            schema = import_dataset_info(path).schema
            assert parse_toml(schema.to_toml()) == schema
            same = [load_schema(n) for n in list_schemas()]
            assert schema.names in {ours.names for ours in same}, name
            count += 1
    assert count == 55

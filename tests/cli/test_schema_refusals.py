"""``kpt schema`` and ``kpt synth`` on wrong input: one line that says what to do."""

from __future__ import annotations

import pytest


@pytest.fixture
def files(tmp_path):
    (tmp_path / "notes.txt").write_text("these are my notes")
    (tmp_path / "open.py").write_text("dataset_info = dict(")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "cocoo"), "unknown schema 'cocoo': did you mean coco"),
        (("show", "{}/none.toml"), "none.toml: cannot be read: No such file or directory"),
        (("show", "{}/notes.txt"), "notes.txt: not TOML"),
        (("show", "coco", "-o", "{}/coco.txt"), "coco.txt: is not the name of a PNG file"),
        (("show", "coco", "-o", "{}/none/coco.png"), "create the folder first"),
        (("infer", "{}/none.json"), "none.json: cannot be read: No such file or directory"),
        (("infer", "{}/notes.txt"), "notes.txt: not JSON"),
        (("infer", "nose,left_eye"), "no schema has these names"),
        (
            ("import", "{}/open.py"),
            "open.py: line 1: not a Python file; found '(' was never closed",
        ),
        (("map", "mpii", "cocoo"), "unknown schema 'cocoo'"),
    ],
    ids=str,
)
def test_schema_refuses(fails, files, words, message):
    assert message in fails("schema", *(word.format(files) for word in words))


def test_a_file_needs_no_special_ending_to_be_a_schema(kpt, fails, files, monkeypatch):
    monkeypatch.chdir(files)
    (files / "mine").write_text('name = "mine"\nkeypoints = [\n    { name = "a" },\n]\n')

    assert "notes.txt: not TOML" in fails("schema", "show", "notes.txt")
    assert kpt("schema", "show", "mine").err.startswith("mine")


def test_synth_refuses_a_folder_that_is_a_file(fails, files):
    message = fails("synth", 2, "-o", files / "notes.txt")

    assert "notes.txt" in message
    assert "name another folder" in message


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("many", "-o", "x"), "not a valid integer"),
        ((3,), "Missing option '-o'"),
        ((3, "-o", "x", "--size", "big"), "expected WIDTHxHEIGHT"),
    ],
    ids=str,
)
def test_synth_usage(kpt, words, hint):
    status, out, err = kpt("synth", *words)

    assert (status, out) == (2, "")
    assert hint in err

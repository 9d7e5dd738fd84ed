"""``kpt`` itself: help, version, wrong words, exit status, and the installed script."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from kpt.main import COMMANDS

import kptdata as kd

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("kpt")


def start(*words: object, shell: bool = False) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"}
    command = " ".join(map(str, words)) if shell else [str(word) for word in words]
    return subprocess.run(
        command, shell=shell, capture_output=True, text=True, check=False, env=environment,
        cwd=ROOT.anchor, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",)], ids=str)
def test_help_lists_every_command(kpt, words):
    status, out, err = kpt(*words)

    assert status == (0 if words else 2)  # click 8.2: a group without a command is a usage error
    assert all(f"  {name} " in out + err for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(kpt, name):
    status, out, err = kpt(name, "--help")

    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: kpt {name} ")


def test_version_is_that_of_pyproject(kpt):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

    assert kpt("--version") == (0, f"kpt, version {version}\n", "")


@pytest.mark.parametrize(
    ("word", "hint"),
    [("convrt", "did you mean convert?"), ("shema", "did you mean schema?"), ("xyzzy", "--help")],
)
def test_unknown_command(kpt, word, hint):
    status, out, err = kpt(word)

    assert (status, out) == (2, "")
    assert f"no command '{word}'" in err
    assert hint in err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--nonsense",), "No such option"),
        (("schema", "shw"), "show"),
        (("info",), "Missing argument"),
        (("info", "a", "b"), "unexpected extra argument"),
        (("info", "a", "--jsn"), "--json"),
    ],
    ids=str,
)
def test_wrong_usage_is_status_2(kpt, words, hint):
    status, out, err = kpt(*words)

    assert (status, out) == (2, "")
    assert hint in err


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("info", LONG),
        ("check", LONG),
        ("convert", LONG, "x.json"),
        ("convert", "people.json", f"coco:{LONG}"),
        ("convert", "people.json", "x.json", "--schema", LONG),
        ("convert", "people.json", "x.json", "--images", LONG),
        ("schema", "show", LONG),
        ("schema", "infer", LONG),
        ("schema", "import", LONG),
        ("schema", "show", "coco", "-o", f"{LONG}.png"),
        ("synth", "1", "-o", LONG),
        ("viz", "annotations", "people.json", "--images", LONG, "-o", "out"),
        ("viz", "annotations", "people.json", "--plain", "-o", LONG),
        ("viz", "heatmaps", "people.json", "--plain", "-o", "out", "--codec", LONG),
        ("eval", LONG, LONG),
    ],
    ids=lambda words: " ".join(w.replace(LONG, "LONG") for w in words),
)
def test_a_name_that_is_too_long_is_one_message(fails, coco_file, monkeypatch, words):
    monkeypatch.chdir(coco_file.parent)

    fails(*words)

    assert [path.name for path in coco_file.parent.iterdir()] == [coco_file.name]


def test_all_names_of_a_long_schema_are_no_path(kpt):
    names = ",".join(kd.load_schema("coco_wholebody").names)

    assert "coco_wholebody" in kpt("schema", "infer", names).err


@pytest.mark.parametrize("start_with", [(SCRIPT,), (sys.executable, "-m", "kpt")], ids=str)
def test_it_starts_from_anywhere(start_with):
    done = start(*start_with, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: kpt ")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("schema", "show", "coco", "--json"), 0),
        (("schema", "show", "cocoo"), 1),
        (("schema", "shoo"), 2),
    ],
    ids=str,
)
def test_exit_status_of_the_script(words, status):
    done = start(SCRIPT, *words)

    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (status == 0)


def test_a_reader_that_goes_away_is_no_crash():
    done = start(SCRIPT, "schema list --json | head -c 10", shell=True)

    assert done.stdout == "[\n  {\n    "
    assert done.stderr == ""

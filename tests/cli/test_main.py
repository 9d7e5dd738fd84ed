"""``kpt`` itself: help, version, wrong words, exit status, and the installed script."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from kpt.main import COMMANDS

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

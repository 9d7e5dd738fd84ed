"""Run ``kpt`` in this process, and small files to run it on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cli_files import UNREADABLE, document, person
from kpt.main import main


class Outcome(NamedTuple):
    """What a command did: exit status, text on stdout (data) and on stderr (for people)."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What was printed on stdout, which must be strict JSON."""
        return json.loads(self.out, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    pytest.fail(f"{constant} is not JSON")


@pytest.fixture
def kpt(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Call the entry point itself, so that its handling of errors is tested too."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["kpt", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Outcome(status, out, err)

    return run


@pytest.fixture
def fails(kpt) -> Callable[..., str]:
    """Call a command that must refuse its input; give the one line that says why."""

    def run(*words: object) -> str:
        status, out, err = kpt(*words)
        assert (status, out) == (1, "")
        assert err.startswith("kpt: error: ")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture
def coco_file(tmp_path) -> Path:
    """Three people in two images, with a field that nobody knows."""
    people = person(1, 7, 10.25), person(2, 7, 60.0, mood="calm"), person(3, 8, 30.0)
    path = tmp_path / "people.json"
    path.write_text(json.dumps(document(*people, info={"year": 2024})))
    return path


@pytest.fixture(scope="session")
def mpii_file(tmp_path_factory) -> Path:
    """Drawn people in MPII's own layout, with their images beside it."""
    from kptdata.synth import synth

    folder = tmp_path_factory.mktemp("mpii")
    return synth(4, folder, layout="mpii", seed=3, size=(96, 96)).annotations


@pytest.fixture(params=UNREADABLE)
def unreadable(request, tmp_path) -> Path:
    """A path that holds no annotations, each for another reason."""
    return UNREADABLE[request.param](tmp_path)

"""`tests/golden/replay.py`: the figures here agree; what does not agree is named and counted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import replay
import replay_cases

from kptdata import codecs

GOLDEN = Path(__file__).parent / "golden"
OWN = ("bbox", "keypoint")


def run(capsys, *arguments):
    """Return exit status, printed lines and error text of the script."""
    try:
        status = replay.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    return status, out.splitlines(), err


@pytest.fixture
def folder(tmp_path):
    """Give a golden folder of the box figures alone, to be spoilt."""
    rows = [
        row
        for row in json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
        if row["group"] == "bbox"
    ]
    (tmp_path / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    shutil.copytree(GOLDEN / "bbox", tmp_path / "bbox")
    return tmp_path


def spoil(path, **arrays):
    """Replace arrays of an .npz file."""
    with np.load(path) as data:
        kept = dict(data)
    np.savez(path, **(kept | arrays))


@pytest.mark.parametrize("backend", replay_cases.BACKENDS)
@pytest.mark.parametrize("group", replay.GROUPS)
def test_every_figure_here_agrees(capsys, group, backend):
    cases = replay_cases.find_cases(GOLDEN, group)

    status, lines, _ = run(capsys, GOLDEN, "--group", group, "--backend", backend)

    assert lines == [f"matched {len(cases)}/{len(cases)}"]
    assert status == 0


@pytest.mark.parametrize("group", OWN)
def test_every_shared_figure_agrees(shared, capsys, group):
    cases = replay_cases.find_cases(shared / "golden", group)

    status, lines, _ = run(capsys, shared / "golden", "--group", group)

    assert lines == [f"matched {len(cases)}/{len(cases)}"]
    assert status == 0


@pytest.mark.parametrize("backend", replay_cases.BACKENDS)
@pytest.mark.parametrize("group", ["codecs", "metrics", "ap", "losses"])
def test_no_shared_figure_differs(shared, capsys, group, backend):
    """Some cases have no counterpart, and those are named; of the others none may differ."""
    cases = replay_cases.find_cases(shared / "golden", group)

    _, lines, _ = run(capsys, shared / "golden", "--group", group, "--backend", backend)

    missing = [line for line in lines if line.startswith("MISSING ")]
    assert lines == [*missing, f"matched {len(cases) - len(missing)}/{len(cases)}"]
    if group in ("metrics", "ap"):
        assert missing == []
    if group == "codecs":  # every codec of the table is compared
        names = {case.params["codec"] for case in cases if f"MISSING {case.name}" not in missing}
        assert names >= {n for n in {c.params["codec"] for c in cases} if n in codecs.CODECS}
        assert len(cases) - len(missing) >= 312


@pytest.mark.parametrize("group", OWN)
def test_the_figures_here_are_not_empty(group):
    assert len(replay_cases.find_cases(GOLDEN, group)) >= 12


def test_a_wrong_value_is_a_mismatch(folder, capsys):
    wrong = np.load(folder / "bbox/overlaps0.npz")["out.iou"].copy()
    wrong[2, 1] += 0.25
    spoil(folder / "bbox/overlaps0.npz", **{"out.iou": wrong})

    status, lines, _ = run(capsys, folder)

    total = len(replay_cases.find_cases(folder, "bbox"))
    assert status == 1
    assert len(lines) == 2
    assert lines[0].startswith("MISMATCH overlaps0: iou: 1 of 20 values differ, most at (2, 1)")
    assert lines[1] == f"matched {total - 1}/{total}"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"out.iou": np.zeros((3, 3))}, "iou: expected shape (3, 3), found (5, 4)"),
        ({"out.newcomer": np.zeros(3)}, "raised KeyError: 'newcomer'"),
    ],
)
def test_whatever_differs_is_said(folder, capsys, arrays, message):
    spoil(folder / "bbox/overlaps0.npz", **arrays)

    status, lines, _ = run(capsys, folder, "--only", "overlaps0")

    assert (status, lines) == (1, [f"MISMATCH overlaps0: {message}", "matched 0/1"])


def test_an_unreadable_file_is_a_mismatch(folder, capsys):
    (folder / "bbox/overlaps0.npz").write_bytes(b"no archive")

    status, lines, _ = run(capsys, folder, "--only", "overlaps0")

    assert status == 1
    assert lines[0].startswith("MISMATCH overlaps0: raised ")


def test_a_case_without_counterpart_fails_only_the_whole_replay(folder, capsys):
    row = {"file": "bbox/other0.npz", "group": "bbox", "name": "other0", "params": {}}
    (folder / "index.json").write_text(json.dumps([row]), encoding="utf-8")
    np.savez(folder / "bbox/other0.npz", **{"in.mystery": np.zeros(1), "out.mystery": np.zeros(1)})

    assert run(capsys, folder)[:2] == (1, ["MISSING other0", "matched 0/1"])
    assert run(capsys, folder, "--only", "other")[:2] == (0, ["MISSING other0", "matched 0/1"])


def test_a_group_without_a_module_is_missing(folder, capsys, monkeypatch):
    monkeypatch.setitem(replay.GROUPS, "bbox", "replay_of_nothing")

    status, lines, _ = run(capsys, folder, "--group", "bbox", "--only", "overlaps")

    assert (status, lines) == (0, ["MISSING overlaps0", "MISSING overlaps1", "matched 0/2"])


def test_a_listed_case_whose_file_is_elsewhere_is_left_out(folder, capsys):
    (folder / "bbox/overlaps0.npz").unlink()
    total = len(replay_cases.find_cases(folder, "bbox"))

    status, lines, _ = run(capsys, folder)

    assert (status, lines) == (0, [f"matched {total}/{total}"])


@pytest.mark.parametrize(
    ("prefixes", "count"),
    [
        (["overlaps"], 2),
        (["bbox/overlaps"], 2),
        (["BBox/Overlaps"], 2),
        (["overlaps1", "warp0"], 2),
        (["keypoint/"], 0),
        (["box/overlaps"], 0),
    ],
    ids=str,
)
def test_only_keeps_names_with_one_of_the_prefixes(folder, capsys, prefixes, count):
    status, lines, err = run(capsys, folder, "--only", *prefixes)

    assert (status, lines) == (0, [f"matched {count}/{count}"])
    assert ("none of its" in err) == (count == 0)


def test_a_group_without_an_index_is_empty(folder, capsys):
    assert run(capsys, folder, "--group", "losses")[:2] == (0, ["matched 0/0"])


def test_every_layout_of_an_index_is_read(tmp_path):
    files = {
        "losses/index.json": [{"file": "losses/l1.npz", "loss": "L1Loss", "params": {}}],
        "ap/index.json": {"coco17_0": {"gt": "ap/coco17_0_gt.json"}},
        "ap/coco17_0_gt.json": {},
        "models/res50.json": {"backbone": {}},
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    for name in ("l1", "unlisted"):
        np.savez(tmp_path / f"losses/{name}.npz", x=np.zeros(1))

    names = {g: [c.name for c in replay_cases.find_cases(tmp_path, g)] for g in replay.GROUPS}

    assert {group: found for group, found in names.items() if found} == {
        "losses": ["l1", "unlisted"],
        "ap": ["coco17_0"],
        "models": ["res50"],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            "expected index.json, losses/index.json, ap/index.json or models/*.json, found none",
        ),
        ("{", "cannot be read as JSON"),
        ('[{"name": "x"}]', "the index of group bbox is malformed: KeyError('group')"),
    ],
)
def test_a_wrong_folder_is_refused(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "index.json").write_text(content, encoding="utf-8")

    status, lines, err = run(capsys, tmp_path)

    assert (status, lines) == (2, [])
    assert message in err


def test_no_folder_is_refused(tmp_path, capsys):
    status, _, err = run(capsys, tmp_path / "nowhere")

    assert status == 2
    assert "found no folder" in err


@pytest.mark.parametrize(
    ("expected", "found", "agrees"),
    [
        ([1.0, np.nan], [1.0, np.nan], True),
        ([1.0, np.nan], [1.0, 2.0], False),
        ([1.0, 2.0], [1.0, np.nan], False),
        ([np.inf], [np.inf], True),
        ([np.inf], [-np.inf], False),
        ([100.0, 0.0], [100.0009, 0.0], True),
        ([100.0, 0.0], [100.0011, 0.0], False),
        ([100.0, 0.0], [100.0, 1e-13], True),
        ([100.0, 0.0], [100.0, 1e-12], False),
        ([100.0, 0.0], np.array([100.0, 9e-5], np.float32), True),
        ([100.0, 0.0], np.array([100.0, 1e-4], np.float32), False),
        ([100000], [100001], False),
        ([True, False], [True, True], False),
        ([], [], True),
    ],
)
def test_figures_are_compared_by_value(expected, found, agrees):
    assert (replay_cases.differences("figure", np.array(expected), found) == []) == agrees


def test_a_number_may_stand_for_no_value():
    figures = np.array([-1.0, 2.0]), np.array([np.nan, 2.0])

    assert replay_cases.differences("figure", *figures, missing=-1) == []
    assert replay_cases.differences("figure", *figures) != []


def test_it_runs_as_a_plain_script():
    script = [sys.executable, str(GOLDEN / "replay.py"), str(GOLDEN), "--group", "keypoint"]

    done = subprocess.run(script, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("matched ")

"""What is installed: the wheel's names and schema files, and schemas that load from everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCHEMAS = sorted(p.name for p in (ROOT / "schemas").glob("*.toml"))
TOP_LEVEL = {"kptdata", "kptdata_models", "kptdata_schemas", "kpt"}
LIST = (
    "import kptdata; print(len(kptdata.list_schemas()), kptdata.load_schema('coco').num_keypoints)"
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy of the tracked tree; nothing is fetched."""
    source = tmp_path_factory.mktemp("source") / "kptdata"
    out = tmp_path_factory.mktemp("wheel")
    skipped = shutil.ignore_patterns(
        ".git", ".venv*", "build", "*.egg-info", "__pycache__", ".*_cache"
    )
    shutil.copytree(ROOT, source, ignore=skipped)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_wheel_holds_the_packages_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if ".dist-info/" not in n}

    assert tops == TOP_LEVEL
    assert not [n for n in names if "test" in n.split("/")[-1] or "/tests/" in n]
    assert (
        sorted(
            n.split("/")[1]
            for n in names
            if n.startswith("kptdata_schemas/") and n.endswith(".toml")
        )
        == SCHEMAS
    )
    assert "kptdata_schemas/schema.schema.json" in names
    assert "kptdata/py.typed" in names


def test_wheel_holds_every_module(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = {"kptdata": "kptdata", "kptdata_models": "kptdata_models", "cli/kpt": "kpt"}
    modules = {
        f"{package}/{path.relative_to(ROOT / folder)}"
        for folder, package in folders.items()
        for path in (ROOT / folder).rglob("*.py")
    }
    assert modules - names == set()


def run(code: str, cwd: Path, *paths: Path | str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("where", ["/", "tests"])
def test_schemas_load_from_the_wheel(wheel, tmp_path, where):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = f"{LIST}; print(kptdata.__file__)"

    counts, file = run(code, ROOT / where, tmp_path).splitlines()

    assert counts == f"{len(SCHEMAS)} 17"
    assert Path(file).is_relative_to(tmp_path)


def test_schemas_load_from_the_editable_install(tmp_path):
    assert run(LIST, tmp_path) == f"{len(SCHEMAS)} 17"


def test_schemas_load_from_the_plain_checkout(tmp_path):
    """No install at all: only the checkout on the path, and no finder of an editable install."""
    code = (
        f"import sys; sys.meta_path = [f for f in sys.meta_path if 'ditable' not in str(f)]; {LIST}"
    )

    assert run(code, tmp_path, ROOT) == f"{len(SCHEMAS)} 17"


def test_packages_in_pyproject_are_those_of_the_tree():
    declared = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    folders = {
        "kptdata": "kptdata",
        "kptdata_models": "kptdata_models",
        "cli/kpt": "kpt",
        "schemas": "kptdata_schemas",
    }
    found = {
        ".".join((package, *path.parent.relative_to(ROOT / folder).parts))
        for folder, package in folders.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert declared == found


def test_top_level_of_the_repository():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    folders = {line.split("/")[0] for line in tracked.stdout.splitlines() if "/" in line}
    assert folders - {".ci", ".github"} <= {
        "kptdata", "kptdata_models", "schemas", "cli", "tests", "benchmarks", "docs",
    }  # fmt: skip

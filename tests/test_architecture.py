"""The house rules of the code: who may import whom, how long a module is, what an import costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"kptdata": ROOT / "kptdata", "kptdata_models": ROOT / "kptdata_models",
            "kpt": ROOT / "cli" / "kpt", "kptdata_schemas": ROOT / "schemas"}  # fmt: skip

# Each row may import only rows above it (and itself), function bodies included.
LAYERS = [
    ["kptdata_schemas"],
    ["kptdata.errors", "kptdata.ledger"],
    ["kptdata._array", "kptdata._plugins", "kptdata.plugins", "kptdata.paths"],
    ["kptdata.schema", "kptdata._schema_", "kptdata._formula", "kptdata.visibility",
     "kptdata.bbox", "kptdata.affine", "kptdata.keypoints"],
    ["kptdata.codecs", "kptdata.metrics"],
    ["kptdata.dataset", "kptdata._columns", "kptdata._tables", "kptdata._compare"],
    ["kptdata.ops", "kptdata._concat", "kptdata._map_schema", "kptdata._merge", "kptdata._query",
     "kptdata._query_", "kptdata._split", "kptdata.checks", "kptdata.summary",
     "kptdata.transforms",
     "kptdata.metrics.datasets", "kptdata.metrics._datasets_", "kptdata.evaluators"],
    ["kptdata.formats", "kptdata.conversion", "kptdata._sources"],
    ["kptdata.viz", "kptdata.synth", "kptdata._synth_"],
    ["kptdata"],
    ["kptdata_models"],
    ["kpt"],
]  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module of the project by its import name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")) if folder.is_dir() else []:
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join((package, *parts))] = path
    return found


MODULES = modules()


def layer(name: str) -> int:
    """The row of the longest entry that a module belongs to."""
    best, row = -1, -1
    for number, entries in enumerate(LAYERS):
        for entry in entries:
            fits = name == entry or name.startswith(entry if entry.endswith("_") else entry + ".")
            if fits and len(entry) > best:
                best, row = len(entry), number
    return row


def imports(path: Path) -> set[str]:
    """The project's modules that a file imports, in function bodies too, for typing not."""
    tree = ast.parse(path.read_text())
    for_typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_typing:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {
                f"{module}.{a.name}" if f"{module}.{a.name}" in MODULES else module
                for a in node.names
            }
    return names & MODULES.keys()


GRAPH = {name: imports(path) - {name} for name, path in MODULES.items()}


def test_every_module_has_a_layer():
    assert [name for name in MODULES if layer(name) < 0] == []


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_up_the_table(name):
    wrong = {
        other: f"layer {layer(other)} from layer {layer(name)}"
        for other in GRAPH[name]
        if layer(other) > layer(name)
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "name", [n for n in MODULES if n.split(".")[0] in {"kptdata_models", "kpt"}]
)
def test_companions_use_public_names_only(name):
    own = name.split(".")[0]
    private = [
        other
        for other in GRAPH[name]
        if other.split(".")[0] != own and any(part.startswith("_") for part in other.split("."))
    ]
    assert private == []


def test_no_cycles():
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != 1, " -> ".join((*trail[trail.index(name) :], name))
        if name not in state:
            state[name] = 1
            for other in sorted(GRAPH[name]):
                visit(other, (*trail, name))
            state[name] = 2

    for name in sorted(GRAPH):
        visit(name, ())


def test_no_module_imports_its_own_package():
    wrong = [
        (name, other)
        for name, others in GRAPH.items()
        for other in others
        if name.startswith(other + ".") and MODULES[other].name == "__init__.py"
    ]
    assert wrong == []


@pytest.mark.parametrize("path", MODULES.values(), ids=lambda p: str(p.relative_to(ROOT)))
def test_module_is_at_most_500_lines(path):
    assert len(path.read_text().splitlines()) <= 500


def calls(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize(
    "path", list((ROOT / "kptdata" / "codecs").rglob("*.py")), ids=lambda p: p.stem
)
def test_codecs_work_on_any_array_library(path):
    forbidden = {c for c in calls(path) if c.endswith(".numpy") or c == "np.asarray"}
    assert forbidden == set()


def all_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    froms = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    return {name.split(".")[0] for name in names | froms}


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0] == "kptdata"])
def test_data_side_never_imports_torch(name):
    assert not all_imports(MODULES[name]) & {"torch", "kptdata_models", "kpt", "lightning"}


@pytest.mark.parametrize("name", [n for n in MODULES if n.startswith("kptdata.metrics")])
def test_metrics_import_no_evaluator(name):
    assert not all_imports(MODULES[name]) & {"pycocotools", "xtcocotools", "faster_coco_eval"}


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0].startswith("kptdata")])
def test_library_does_not_print(name):
    assert "print" not in calls(MODULES[name])


def fresh(code: str) -> str:
    """Run code in a new interpreter; any warning is an error there."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LOADED = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted({{m.partition(".")[0] for m in set(sys.modules) - before}})))
"""


def third_party(statement: str) -> set[str]:
    lines = fresh(LOADED.format(statement=statement)).splitlines()
    return {n for n in json.loads(lines[-1]) if n not in sys.stdlib_module_names}


def test_import_kptdata_needs_numpy_and_array_api_compat_only():
    names = third_party("import kptdata")
    editable = {n for n in names if n.startswith("__editable__")}
    assert names - editable <= {"numpy", "array_api_compat", "kptdata", "kptdata_schemas"}


def test_kpt_help_needs_click_only():
    statement = (
        "import contextlib, io, kpt.main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    kpt.main.group(['--help'])"
    )
    names = third_party(statement)
    editable = {n for n in names if n.startswith("__editable__")}
    assert names - editable <= {"click", "kpt"}


def seconds(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    return min(float(fresh(code)) for _ in range(3))


def test_import_times_are_printed(capsys):
    """Times depend on the machine: they are shown, never judged."""
    numpy, ours = seconds("import numpy"), seconds("import kptdata")
    click, kpt = seconds("import click"), seconds("import click, kpt.main")
    with capsys.disabled():
        print(  # noqa: T201 - what this test is for
            f"\nimport numpy {numpy:.3f} s, kptdata {ours:.3f} s ({ours / numpy:.2f}x); "
            f"click {click:.3f} s, kpt.main {kpt:.3f} s"
        )


def test_only_our_errors_become_messages(monkeypatch, capsys):
    import click
    from kpt import main as entry

    import kptdata

    @click.command()
    def planted():
        return 1 / 0

    monkeypatch.setattr(entry.group, "get_command", lambda ctx, name: planted)
    monkeypatch.setattr(sys, "argv", ["kpt", "info"])
    with pytest.raises(ZeroDivisionError):
        entry.main()

    @click.command()
    def refused():
        raise kptdata.OptionError("margin: expected a positive number, got -1")

    monkeypatch.setattr(entry.group, "get_command", lambda ctx, name: refused)
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == ("kpt: error: margin: expected a positive number, got -1\n")


def test_every_command_is_in_the_table_and_says_what_the_table_says():
    from importlib import import_module

    from kpt.main import COMMANDS

    files = {p.stem for p in (ROOT / "cli" / "kpt" / "commands").glob("*.py")} - {"__init__"}
    assert set(COMMANDS) == files
    for name, line in COMMANDS.items():
        command = import_module(f"kpt.commands.{name}").command
        assert command.help.splitlines()[0] == line


def public_names() -> list[str]:
    """Every public name of the libraries, as ``module.name``."""
    from importlib import import_module

    return sorted(
        f"{module}.{name}"
        for module in ("kptdata", *(f"kptdata.{m}" for m in import_module("kptdata")._SUBMODULES))
        for name in import_module(module).__all__
    )


def test_public_names_are_those_of_the_snapshot():
    """A name that goes away breaks users. Update: python tests/test_architecture.py."""
    snapshot = (ROOT / "tests" / "golden" / "public_names.txt").read_text().split()
    assert public_names() == snapshot


if __name__ == "__main__":
    (ROOT / "tests" / "golden" / "public_names.txt").write_text("\n".join(public_names()) + "\n")

"""`Table`: built-in names, entry points, dotted paths, modules, and near names on a miss."""

import importlib.metadata
import json
import math

import pytest

from kptdata.errors import OptionError, UnknownNameError
from kptdata.plugins import Table, resolve

TABLE = Table("thing", {"floor": "math:floor", "maths": "math"})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("floor", math.floor, id="short-name"),
        pytest.param("maths", math, id="module"),
        pytest.param("json:dumps", json.dumps, id="colon-path"),
        pytest.param("json.dumps", json.dumps, id="dotted-path"),
        pytest.param("json.decoder:JSONDecoder.decode", json.JSONDecoder.decode, id="nested"),
    ],
)
def test_load(name, found):
    assert TABLE.load(name) is found


def test_miss_lists_near_names():
    with pytest.raises(UnknownNameError, match="unknown thing 'flor': did you mean floor"):
        TABLE.load("flor")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_package:Thing", "no module named 'no_such_package'"),
        ("json.no_such:Thing", "no module named 'json.no_such'"),
        ("json:no_such", "json has no attribute 'no_such'"),
    ],
)
def test_wrong_path_says_which_part(path, message):
    with pytest.raises(OptionError, match=message):
        resolve(path)


def test_entry_point_adds_and_does_not_replace(monkeypatch):
    points = [
        importlib.metadata.EntryPoint("ceil", "math:ceil", "kptdata.things"),
        importlib.metadata.EntryPoint("floor", "math:trunc", "kptdata.things"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    table = Table("thing", {"floor": "math:floor"})

    assert list(table) == ["floor", "ceil"]
    assert table.load("ceil") is math.ceil
    assert table.load("floor") is math.floor


def test_module_with_a_missing_dependency_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_plugin.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        resolve("broken_plugin:Thing")

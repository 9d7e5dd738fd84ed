"""Keypoint schemas: loading, rules and their messages, derived arrays, text, hash, recognition."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import pickle
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kptdata._schema_files as schema_files
import kptdata.schema as schema_module
from kptdata._formula import FormulaSyntaxError, find_cycle, parse_formula
from kptdata._schema_model import parse_schema
from kptdata._schema_rules import find_problems
from kptdata._schema_spec import SCHEMA, json_schema
from kptdata.errors import FileError, KptDataError, SchemaError, UnknownNameError
from kptdata.schema import (
    Keypoint,
    Link,
    Normaliser,
    Paper,
    Schema,
    fitting_schemas,
    infer_schema,
    list_schemas,
    load_schema,
    parse_toml,
    validate_schema,
    validate_schemas,
)

ROOT = Path(__file__).parent.parent
EVERY = pytest.mark.parametrize("name", list_schemas())


def document() -> dict[str, Any]:
    """Return a small valid document that uses every key."""
    return {
        "name": "tiny",
        "title": "Four points",
        "preferred": True,
        "sigma_source": "measured",
        "licence": "CC0-1.0",
        "keypoints": [
            {"name": "nose", "part": "upper", "group": "face", "sigma": 0.026, "at": [0.5, 0.1]},
            {
                "name": "L hip",
                "canonical": "left_hip",
                "swap": "R hip",
                "parent": "nose",
                "part": "lower",
                "colour": "#00ff00",
                "sigma": 0.107,
                "weight": 1.2,
                "aliases": ["l_hip"],
            },
            {"name": "R hip", "canonical": "right_hip", "swap": "L hip", "sigma": 0.107},
            {"name": "hip", "canonical": "pelvis", "sigma": 0.1},
        ],
        "links": [{"start": "nose", "end": "hip", "colour": "#3399ff"}],
        "paper": {"author": "A", "title": "T", "container": "C", "year": 2020, "homepage": "h"},
        "formulas": {"pelvis": "mean(left_hip, right_hip)"},
        "normalisers": {
            "hips": {"points": ["L hip", "R hip"]},
            "head": {"box": "head", "of": "diagonal", "factor": 0.6},
        },
    }


TINY = Schema.from_dict(document())


# --- loading


@EVERY
def test_every_schema_loads_by_name_and_by_path(name, tmp_path):
    schema = load_schema(name)
    path = tmp_path / "copy.toml"
    path.write_text(schema.to_toml(), encoding="utf-8")
    assert load_schema(path) == load_schema(str(path)) == schema
    assert load_schema(schema.name) is schema


def test_names_are_listed_without_parsing(monkeypatch):
    monkeypatch.setattr(tomllib, "loads", None)
    schema_files.bundled_names.cache_clear()
    names = list_schemas()
    assert names == tuple(sorted(names))
    assert "coco" in names


def test_unknown_name_lists_near_ones():
    with pytest.raises(UnknownNameError, match=r"unknown schema 'cocoo': did you mean coco"):
        load_schema("cocoo")
    with pytest.raises(UnknownNameError):
        validate_schema("cocoo")


def test_a_folder_of_a_strangers_schemas_is_not_taken(monkeypatch, tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(schema_files, "__file__", str(tmp_path / "package" / "x.py"))
    schema_files._folder.cache_clear()
    try:
        assert str(tmp_path) not in str(_installed_folder())
    finally:
        schema_files._folder.cache_clear()


def _installed_folder() -> object:
    try:
        return schema_files._folder()
    except ModuleNotFoundError as error:  # a plain checkout: nothing is installed
        return error.name


@pytest.mark.parametrize("text", [b"name = \xff", b"name = ", b"[[[[", b"a = " + b"[" * 99_999])
def test_what_is_no_toml_is_an_error_with_the_file(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_bytes(text)
    with pytest.raises(KptDataError, match=r"bad\.toml.*Fix: "):
        load_schema(path)


@pytest.mark.parametrize("path", ["nowhere.toml", "."])
def test_file_that_cannot_be_read(tmp_path, path):
    with pytest.raises(FileError, match="cannot be read"):
        load_schema(tmp_path / path)


@given(st.integers(0, 10**6), st.integers(0, 255), st.integers(0, 10**6))
def test_mutated_files_never_crash(at, byte, end):
    text = (ROOT / "schemas" / "mpii.toml").read_bytes()
    mutated = bytearray(text[: max(1, end % len(text))])
    mutated[at % len(mutated)] = byte
    with contextlib.suppress(SchemaError):
        parse_toml(bytes(mutated).decode("utf-8", "replace"))


# --- rules


def spoil(path: str, value: Any) -> dict[str, Any]:
    """Return the valid document with one value replaced; a value of `...` removes the key."""
    doc: Any = document()
    *way, key = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = doc
    for part in way:
        place = place[part]
    if value is ...:
        del place[key]
    elif isinstance(place, list) and key == len(place):
        place.append(value)
    else:
        place[key] = value
    return doc


# Broken by the shape of one value: JSON Schema says the same.
SHAPE = [
    ("name", ..., r"^tiny.toml: name: missing key"),
    ("name", "", r"name: wrong value; expected text on one line"),
    ("name", "a\nb", r"name: wrong value"),
    ("name", 3, r"name: wrong value.*found 3"),
    ("titel", "x", r"titel: unknown key.*did you mean 'title'\?"),
    ("title", ["x"], r"title: wrong value"),
    ("preferred", 1, r"preferred: wrong value; expected true or false, found 1"),
    ("sigma_source", "guessed", r"sigma_source: wrong value; expected 'measured'"),
    ("keypoints", ..., r"keypoints: missing key"),
    ("keypoints", {}, r"keypoints: wrong value; expected a list"),
    ("keypoints/0", "nose", r"keypoints\[0\]: wrong value; expected a table"),
    ("keypoints/0/name", ..., r"keypoints\[0\]\.name: missing key"),
    ("keypoints/0/part", "uper", r"\(nose\)\.part: wrong value.*write 'upper'"),
    ("keypoints/0/group", "Left Hand", r"\.group: wrong value"),
    ("keypoints/0/color", "#000000", r"\.color: unknown key.*did you mean 'colour'\?"),
    ("keypoints/0/colour", "red", r"\.colour: wrong value; expected a colour"),
    ("keypoints/0/colour", "#FF0000", r"in lower case"),
    ("keypoints/0/colour", [255, 0, 0], r"\.colour: wrong value"),
    ("keypoints/0/sigma", 0, r"\.sigma: wrong value; expected a finite number above 0, found 0"),
    ("keypoints/0/sigma", -0.1, r"\.sigma: .*found -0\.1"),
    ("keypoints/0/sigma", "0.1", r"\.sigma: .*found '0\.1'"),
    ("keypoints/0/sigma", True, r"\.sigma: .*found true"),
    ("keypoints/0/weight", -1, r"\.weight: wrong value; expected a finite number at least 0"),
    ("keypoints/0/at", [0.5], r"\.at: wrong length; expected 2 values, found 1"),
    ("keypoints/0/at", [0.5, 2], r"\.at\[1\]: wrong value; expected .*at least 0 and at most 1"),
    ("keypoints/1/aliases", "l_hip", r"\.aliases: wrong value; expected a list"),
    ("keypoints/1/aliases", ["x", "x"], r"\.aliases: wrong value; expected no item twice"),
    ("keypoints/1/swap", None, r"\.swap: wrong value"),
    ("links/0/start", ..., r"links\[0\]\.start: missing key"),
    ("links/0/width", 3, r"links\[0\]\.width: unknown key"),
    ("paper/year", "2020", r"paper\.year: wrong value; expected a whole number"),
    ("paper/doi", "x", r"paper\.doi: unknown key"),
    ("formulas", "pelvis", r"formulas: wrong value; expected a table"),
    ("formulas/pelvis", ["nose"], r"formulas\.pelvis: wrong value"),
    ("normalisers/hips/points", ["nose"], r"points: wrong length"),
    ("normalisers/hips/points", ["nose", "nose"], r"no item twice"),
    ("normalisers/hips/factor", 0, r"factor: wrong value"),
    ("normalisers/hips/of", "diagonal", r"of: wrong value; expected 'distance'"),
    ("normalisers/head/of", "diagonl", r"of: wrong value.*write 'diagonal'"),
    ("normalisers/head/of", ..., r"of: missing key"),
    ("normalisers/head/points", ["nose", "hip"], r"points: unknown key"),
]

# Broken between keys, or beyond what JSON can hold.
BETWEEN = [
    ("keypoints/0/sigma", float("nan"), r"\.sigma: wrong value.*found nan"),
    ("keypoints/0/sigma", float("inf"), r"\.sigma: wrong value.*found inf"),
    ("keypoints/0/sigma", 10**400, r"\.sigma: wrong value"),
    ("keypoints/0/weight", float("nan"), r"\.weight: wrong value"),
    ("keypoints/0/name", "hip", r"duplicate name; expected .* found 'hip', also of keypoints\[0\]"),
    ("keypoints/0/canonical", "pelvis", r"\.canonical: duplicate canonical"),
    ("keypoints/1/aliases", ["nose"], r"\.aliases: ambiguous alias.*'nose' of keypoints\[0\]"),
    ("keypoints/1/aliases", ["left_hip"], r"\.aliases: ambiguous alias"),
    ("keypoints/1/swap", "L hip", r"\.swap: a point swaps with itself"),
    ("keypoints/1/swap", "R hp", r"\.swap: unknown point.*did you mean 'R hip'\?"),
    ("keypoints/1/swap", "hip", r"one-sided swap; expected 'hip' to swap with 'L hip'"),
    ("keypoints/1/swap", ..., r"one-sided swap.*found no swap there"),
    ("keypoints/1/parent", "nosse", r"\.parent: unknown point.*did you mean 'nose'\?"),
    ("keypoints/0/parent", "L hip", r"cycle in parents.*nose -> L hip -> nose"),
    ("keypoints/0/parent", "nose", r"cycle in parents.*nose -> nose"),
    ("links/0/end", "hipp", r"links\[0\]\.end: unknown point; .*found 'hipp'.*did you mean 'hip'"),
    ("links/0/end", "nose", r"a link from a point to itself"),
    (
        "keypoints/0/sigma",
        ...,
        r"sigma count; expected a sigma for all 4 points .*found 3; none for",
    ),
    ("sigma_source", ..., r"sigmas without a source"),
    ("sigma_source", "uniform:0.1", r"\(nose\)\.sigma: not the uniform sigma"),
    ("formulas/pelvis", "mean(left_hip", r"formulas\.pelvis: no formula"),
    ("formulas/pelvis", "mean(left_hip, right_hop)", r"unknown point.*did you mean 'right_hip'"),
    ("formulas/pelvis", "pelvis", r"cycle in formulas.*pelvis -> pelvis"),
    ("formulas/middle", "mean(left_hip, right_hip)", r"formulas\.middle: unknown point"),
    ("normalisers/hips/points", ["L hip", "R hp"], r"normalisers\.hips\.points: unknown point"),
]


def findings(doc: dict[str, Any]) -> list[str]:
    names = {"left_shoulder", "right_shoulder"}
    return [str(f) for f in find_problems(doc, "tiny.toml", lambda: names)]


@pytest.mark.parametrize(("path", "value", "message"), SHAPE + BETWEEN)
def test_broken_rule_says_file_key_and_fix(path, value, message):
    found = findings(spoil(path, value))
    assert any(re.search(message, f) for f in found), found
    assert all(f.startswith("tiny.toml: ") and "Fix: " in f for f in found)
    with pytest.raises(SchemaError):
        parse_schema(spoil(path, value), "tiny.toml", lambda: ())


def test_valid_document_has_no_findings():
    assert findings(document()) == []


def test_sigma_source_without_sigmas():
    doc = document()
    for point in doc["keypoints"]:
        del point["sigma"]
    assert ["a source without sigmas" in f for f in findings(doc)] == [True]


def test_all_findings_come_at_once(tmp_path):
    path = tmp_path / "three.toml"
    path.write_text(
        'name = "three"\nkeypoints = [{ name = "a", swap = "a", sigma = nan }, { name = "a" }]\n'
        'links = [{ start = "a", end = "b" }]\n'
    )
    found = validate_schema(path)
    text = "\n".join(map(str, found))
    for part in ("duplicate name", "swaps with itself", "found nan", "sigma count", "found 'b'"):
        assert part in text
    with pytest.raises(SchemaError, match=rf"three\.toml: {len(found)} findings:") as caught:
        load_schema(path)
    assert all(str(finding) in str(caught.value) for finding in found)


def test_schema_made_in_python_obeys_the_same_rules():
    with pytest.raises(SchemaError, match="one-sided swap"):
        Schema("x", (Keypoint("a", swap="b"), Keypoint("b")))
    with pytest.raises(SchemaError, match="expected the name of a keypoint"):
        dataclasses.replace(TINY, links=(Link("nose", "tail"),))


def test_formulas_may_name_points_of_other_bundled_schemas(tmp_path):
    text = 'name = "x"\nkeypoints = [{ name = "middle" }]\n[formulas]\nmiddle = "mean(nose, %s)"\n'
    path = tmp_path / "x.toml"
    path.write_text(text % "left_hip")
    assert load_schema(path).formulas["middle"] == "mean(nose, left_hip)"
    path.write_text(text % "left_hop")
    with pytest.raises(SchemaError, match="did you mean 'left_hip'"):
        load_schema(path)


def test_bundled_schemas_have_no_findings():
    assert validate_schemas() == ()
    assert validate_schema("coco") == ()


def bundle(monkeypatch, **texts: str) -> None:
    """Put the bundled schemas aside for others."""
    monkeypatch.setattr(schema_module, "bundled_names", lambda: tuple(texts))
    monkeypatch.setattr(schema_module, "bundled_text", texts.__getitem__)
    monkeypatch.setattr(schema_module, "_load_bundled", schema_module._load_bundled.__wrapped__)
    monkeypatch.setattr(schema_module, "_vocabulary", schema_module._vocabulary.__wrapped__)


POINTS = 'keypoints = [{ name = "a" }]\n'


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"one": 'name = "two"\n' + POINTS}, r"one\.toml: name: wrong name.*found 'two'"),
        ({"one": "name = "}, r"one\.toml: not TOML"),
        (
            {"one": 'name = "one"\n' + POINTS, "two": 'name = "two"\n' + POINTS},
            r"preferred: schemas with equal names; .*found 0 of one, two",
        ),
        (
            {
                "one": 'name = "one"\nsigma_source = "borrowed:none"\n'
                'keypoints = [{ name = "a", sigma = 1 }]\n'
            },
            r"sigma_source: sigmas borrowed from an unknown schema.*found 'none'",
        ),
    ],
)
def test_rules_of_bundled_files(monkeypatch, texts, message):
    bundle(monkeypatch, **texts)
    found = [str(f) for f in validate_schemas()]
    assert len(found) == 1
    assert re.search(message, found[0])


# --- JSON Schema for editors


def test_committed_json_schema_is_the_one_of_the_rules():
    """Update: python tests/test_schema.py."""
    text = (ROOT / "schemas" / "schema.schema.json").read_text(encoding="utf-8")
    assert json.loads(text) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@EVERY
def test_json_schema_accepts_every_bundled_file(name):
    VALIDATOR.validate(tomllib.loads(schema_files.bundled_text(name)))


@pytest.mark.parametrize(("path", "value", "message"), SHAPE)
def test_json_schema_refuses_what_the_rules_refuse(path, value, message):
    del message
    assert list(SCHEMA.problems(spoil(path, value), ""))
    assert not VALIDATOR.is_valid(spoil(path, value))


VALUES = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 0.5, 2020, "", "x", "a b", "#00ff00", "#00FF00", "upper"),
        *("measured", "uniform:0.1", "distance", "diagonal", "\x00", [], {}, ["x"], ["x", "y"]),
        *([0.5, 0.5], {"name": "x"}, {"start": "x", "end": "y"}, {"points": ["x", "y"]}),
        {"box": "x"},
    ]
)


@given(st.data())
def test_json_schema_and_rules_judge_alike(data):
    doc = document()
    place: Any = doc
    for _ in range(data.draw(st.integers(0, 3))):
        inner = list(place.values() if isinstance(place, dict) else place)
        inner = [item for item in inner if isinstance(item, dict | list) and item]
        if not inner:
            break
        place = data.draw(st.sampled_from(inner))
    if isinstance(place, list):
        place[data.draw(st.integers(0, len(place) - 1))] = data.draw(VALUES)
    else:
        place[data.draw(st.sampled_from([*place, "other"]))] = data.draw(VALUES)
    assert VALIDATOR.is_valid(doc) == (not list(SCHEMA.problems(doc, "")))


# --- derived values


def test_derived_arrays():
    assert TINY.names == ("nose", "L hip", "R hip", "hip")
    assert TINY.canonical_names == ("nose", "left_hip", "right_hip", "pelvis")
    assert TINY.num_keypoints == 4
    assert TINY.index("R hip") == 2
    assert TINY.swap_indices.tolist() == [0, 2, 1, 3]
    assert TINY.has_swaps
    assert TINY.parent_indices.tolist() == [-1, 0, -1, -1]
    assert TINY.sigmas is not None
    assert TINY.sigmas.tolist() == [0.026, 0.107, 0.107, 0.1]
    assert TINY.weights.tolist() == [1, 1.2, 1, 1]
    assert TINY.link_indices.tolist() == [[0, 3]]
    assert TINY.upper_body.tolist() == [0]
    assert TINY.lower_body.tolist() == [1]
    assert TINY.group_indices("body").tolist() == [1, 2, 3]
    assert TINY.colours[1].tolist() == [0, 255, 0]
    assert TINY.link_colours.tolist() == [[51, 153, 255]]
    assert TINY.normalisers["head"] == Normaliser(box="head", of="diagonal", factor=0.6)
    assert TINY.paper == Paper("A", "T", "C", 2020, "h")


@EVERY
def test_arrays_of_every_schema(name):
    schema = load_schema(name)
    k, links = schema.num_keypoints, len(schema.links)
    shapes = {
        "swap_indices": (k,),
        "parent_indices": (k,),
        "weights": (k,),
        "colours": (k, 3),
        "link_indices": (links, 2),
        "link_colours": (links, 3),
    }
    for key, shape in shapes.items():
        array = getattr(schema, key)
        assert array.shape == shape, key
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    np.testing.assert_array_equal(schema.swap_indices[schema.swap_indices], np.arange(k))
    assert schema.sigmas is None or schema.sigmas.shape == (k,)
    assert schema.has_swaps == bool((schema.swap_indices != np.arange(k)).any())


def test_no_sigmas_is_none():
    assert Schema.from_names(["a"]).sigmas is None


def test_empty_schema_holds_boxes_only():
    empty = Schema("boxes", ())
    assert (empty.num_keypoints, empty.has_swaps) == (0, False)
    assert empty.colours.shape == (0, 3)
    assert empty.link_indices.shape == (0, 2)
    assert parse_toml(empty.to_toml()) == empty


def test_unknown_point_and_group_list_near_names():
    with pytest.raises(UnknownNameError, match="unknown keypoint of tiny 'nos': did you mean nose"):
        TINY.index("nos")
    with pytest.raises(UnknownNameError, match="unknown group of tiny 'bdy': did you mean body"):
        TINY.group_indices("bdy")


def test_schema_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TINY.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        TINY.formulas["x"] = "y"  # type: ignore[index]


def test_mappings_given_are_copied():
    formulas = {"a": "b"}
    schema = Schema("x", (Keypoint("a"), Keypoint("b")), formulas=formulas)
    formulas["b"] = "a"
    assert dict(schema.formulas) == {"a": "b"}


# --- text, data, hash


@EVERY
def test_written_schema_reads_back_equal_and_stable(name):
    schema = load_schema(name)
    text = schema.to_toml()
    assert parse_toml(text) == schema
    assert parse_toml(text).to_toml() == text


@EVERY
def test_schema_travels_as_json_and_pickle(name):
    schema = load_schema(name)
    back = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert back == schema == pickle.loads(pickle.dumps(schema)) == copy.deepcopy(schema)
    assert back.hash() == schema.hash()
    assert hash(back) == hash(schema)


def test_one_keypoint_per_line():
    lines = TINY.to_toml().splitlines()
    assert lines[0] == "#:schema ./schema.schema.json"
    wanted = (
        '  { name = "L hip", canonical = "left_hip", swap = "R hip", parent = "nose", '
        'part = "lower", colour = "#00ff00", sigma = 0.107, weight = 1.2, aliases = ["l_hip"] },'
    )
    assert wanted in lines


TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8
)  # no surrogates, no control characters


@given(st.lists(TEXT, unique=True, max_size=6), TEXT, st.floats(1e-300, 1e300))
def test_any_names_and_numbers_survive(names, title, sigma):
    points = tuple(Keypoint(n, sigma=sigma, weight=sigma, colour="#010203") for n in names)
    source = "measured" if names else None
    schema = Schema("any", points, title=title, sigma_source=source, formulas=dict.fromkeys((), ""))
    text = schema.to_toml()
    assert parse_toml(text) == schema
    assert parse_toml(text).to_toml() == text


def test_hash_is_of_the_content():
    doc = document()
    turned = {key: doc[key] for key in reversed(doc)}
    turned["keypoints"] = [{k: p[k] for k in reversed(p)} for p in doc["keypoints"]]
    assert Schema.from_dict(turned).hash() == TINY.hash()
    assert len(TINY.hash()) == 64
    assert dataclasses.replace(TINY, title="Other").hash() != TINY.hash()
    swapped = (TINY.keypoints[3], *TINY.keypoints[1:3], TINY.keypoints[0])
    assert dataclasses.replace(TINY, keypoints=swapped).hash() != TINY.hash()


def test_whole_numbers_equal_their_floats():
    doc = spoil("keypoints/1/weight", 1)
    assert Schema.from_dict(doc).hash() == Schema.from_dict(spoil("keypoints/1/weight", 1.0)).hash()
    assert Schema("x", (Keypoint("a", weight=2),)).keypoints[0].weight == 2.0


# --- recognition


@EVERY
def test_every_schema_is_recognised_by_its_names(name):
    schema = load_schema(name)
    found, others = infer_schema(list(schema.names))
    assert found.names == schema.names
    assert schema.name in (found.name, *others)
    assert found.preferred or not others


def test_coco_category_is_recognised():
    category = {"id": 1, "name": "person", "keypoints": list(load_schema("coco").names)}
    found, others = infer_schema(category)
    assert found.name == "coco"
    assert {"Human-Art", "macaque", "ochuman"} <= set(others)


def test_another_order_is_said():
    names = list(reversed(load_schema("jhmdb").names))
    with pytest.raises(SchemaError, match=r"the 15 names of jhmdb in another order"):
        infer_schema(names)


def test_no_match_names_what_comes_near():
    names = [*load_schema("coco").names, "tail"]
    with pytest.raises(SchemaError, match=r"found 18 names.*near ones: .*\(17 names equal\)"):
        infer_schema(names)


def test_no_match_at_all_names_schemas_of_that_size():
    with pytest.raises(SchemaError, match=r"8 names, '0' to '7'.*near ones: deepfashion_full"):
        infer_schema(list("01234567"))


@pytest.mark.parametrize(
    "names", [[], ["left_eye"], {"name": "person"}, {"keypoints": 17}, {"keypoints": [1]}, "nose"]
)
def test_what_cannot_be_recognised_is_refused(names):
    with pytest.raises(SchemaError):
        infer_schema(names)


def test_fitting_schemas_are_for_messages():
    assert {"coco", "h36m", "posetrack18"} <= set(fitting_schemas(17))
    assert fitting_schemas(5000) == ()


def test_bare_schema_of_unknown_data():
    schema = Schema.from_names(["snout", "tail"], name="mouse", links=[("snout", "tail")])
    assert schema.canonical_names == ("snout", "tail")
    assert (schema.has_swaps, schema.sigmas, schema.link_indices.tolist()) == (
        False,
        None,
        [[0, 1]],
    )
    with pytest.raises(SchemaError, match="duplicate name"):
        Schema.from_names(["a", "a"])


@pytest.mark.parametrize("name", ["kpt-3", "3", "Point 3", "keypoint_3", "landmark3"])
def test_names_that_only_count_are_qualified(name):
    assert Schema.from_names([name], name="mouse").canonical_names == ("mouse_3",)
    assert Schema.from_names(["thumb3"], name="mouse").canonical_names == ("thumb3",)


# --- formulas


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nose", [{"nose": 1}]),
        ("mean(a, b)", [{"a": 0.5, "b": 0.5}]),
        ("mean(a, b, c, d)", [{"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}]),
        ("mean(a, mean(b, c))", [{"a": 0.5, "b": 0.25, "c": 0.25}]),
        ("mean(a, a)", [{"a": 1}]),
        ("3/4*neck + 1/4*head_top", [{"neck": 0.75, "head_top": 0.25}]),
        ("0.25*a + 3/4*mean(b, c)", [{"a": 0.25, "b": 0.375, "c": 0.375}]),
        ("a | mean(b, c)", [{"a": 1}, {"b": 0.5, "c": 0.5}]),
        ("a | b | c", [{"a": 1}, {"b": 1}, {"c": 1}]),
    ],
)
def test_formula(text, wanted):
    found = [dict(zip(a.names, a.weights, strict=True)) for a in parse_formula(text).alternatives]
    assert found == [pytest.approx(terms) for terms in wanted]


@pytest.mark.parametrize(
    "text",
    [
        *("", "mean()", "mean(a, b", "a + b", "2*a", "a*0.5 + b*0.5", "a - b", "1/0*a + a"),
        *("max(a, b)", "mean(a, key=b)", "mean(*a)", "a.b", "a[0]", "a if b else c", "lambda: a"),
        *("1", "0*a + a", "__import__('os')", "mean(a, b) |", "a\x00", "a+" * 900 + "a"),
        *("(" * 300 + "a" + ")" * 300, "-1*a + 2*b", "True*a", "1e999*a", "a = b", "a; b"),
    ],
)
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(FormulaSyntaxError):
        parse_formula(text)


def test_cycles_are_found():
    assert find_cycle({"a": ("b", "c"), "b": ("c",), "c": ()}) == ()
    assert find_cycle({"a": ("b",), "b": ("c",), "c": ("b",)}) == ("b", "c", "b")
    long = {str(i): (str(i + 1),) for i in range(5000)}
    assert find_cycle(long) == ()


if __name__ == "__main__":
    text = json.dumps(json_schema(), indent=2) + "\n"
    (ROOT / "schemas" / "schema.schema.json").write_text(text, encoding="utf-8")

"""MATLAB files: our reader and writer against SciPy's, and what damage says."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from mpii_files import array, cells, load, one, same, save

from kptdata.errors import DatasetError, FileError, FormatError
from kptdata.formats._mat import read_mat, variables_at_head
from kptdata.formats._mat_values import (
    EMPTY,
    WrongValueError,
    as_value,
    describe,
    elements,
    matrix,
    number,
    plain,
    text,
    unset,
)
from kptdata.formats._mat_write import mat_bytes

CLASSES = ["double", "single", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))]
DTYPES = {"double": "f8", "single": "f4"}


def written(path: Path, **variables: object) -> Path:
    path.write_bytes(b"".join(mat_bytes(variables)))
    return path


def read(path: Path, value: object, *, packed: bool = True) -> object:
    return read_mat(save(path / "x.mat", {"x": value}, packed=packed))["x"]


# Reading


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (np.array([[2.5]]), 2.5),
        (np.zeros((0, 0)), []),
        (np.zeros((1, 0)), {"@double": [], "@shape": [1, 0]}),
        (np.array([[np.nan]]), {"@double": "nan"}),
        (np.array([[np.inf, -np.inf]]), {"@double": ["inf", "-inf"], "@shape": [1, 2]}),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), {"@double": [1.0, 3.0, 2.0, 4.0], "@shape": [2, 2]}),
        (np.array([[200]], np.uint8), {"@uint8": 200}),
        (np.array([[True]]), {"@logical": True}),
        (np.array([[-(2**63)]], np.int64), {"@int64": -(2**63)}),
        (np.array([[2**64 - 1]], np.uint64), {"@uint64": 2**64 - 1}),
        (np.array([[0.1]], np.float32), {"@single": float(np.float32(0.1))}),
        ("ab c", "ab c"),
        ("grün", "grün"),
        ("", {"@char": "", "@shape": [0, 0]}),
        (np.array(["ab", "cd"]), {"@char": "acbd", "@shape": [2, 2]}),
        (cells([1.0, "a"]), {"@cell": [1.0, "a"], "@shape": [2, 1]}),
        (one(a=1.0, b="x"), {"a": 1.0, "b": "x"}),
        (array([{"a": 1.0}, {"a": "x"}]), {"@struct": {"a": [1.0, "x"]}, "@shape": [1, 2]}),
        (array([], ["a"]), {"@struct": {"a": []}, "@shape": [1, 0]}),
        (one(a=one(b=cells([one(c=np.zeros((2, 0)))]))),
         {"a": {"b": {"@cell": [{"c": {"@double": [], "@shape": [2, 0]}}], "@shape": [1, 1]}}}),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_values(stored, value, packed, tmp_path):
    assert read(tmp_path, stored, packed=packed) == value


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 3), (0, 4), (2, 2, 2)], ids=str)
def test_numbers_go_there_and_back(kind, shape, tmp_path):
    stored = np.arange(np.prod(shape)).reshape(shape).astype(DTYPES.get(kind, kind))
    source = save(tmp_path / "a.mat", {"x": stored})

    value = read_mat(source)["x"]
    target = written(tmp_path / "b.mat", x=value)

    assert same(load(target)["x"], stored)
    assert read_mat(target)["x"] == value


SCALARS = st.one_of(
    st.floats(width=64),
    st.integers(0, 255).map(lambda v: {"@uint8": v}),
    st.booleans().map(lambda v: {"@logical": v}),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda v: {"@single": v}),
    st.text(
        st.characters(codec="utf-16-le", max_codepoint=0xFFFF, exclude_characters="\0"), max_size=5
    ).map(as_value),
    st.just(EMPTY),
).map(lambda v: {"@double": str(v)} if isinstance(v, float) and not np.isfinite(v) else v)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,40}", fullmatch=True)


def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    listed = st.lists(inner, max_size=3)
    return st.one_of(
        listed.map(lambda v: {"@cell": v, "@shape": [len(v), 1]}),
        st.dictionaries(NAMES, inner, min_size=1, max_size=3),
        st.lists(inner, min_size=2, max_size=3).map(
            lambda v: {"@struct": {"f": v, "g": v[::-1]}, "@shape": [1, len(v)]}
        ),
    )


@given(value=st.recursive(SCALARS, nested, max_leaves=12))
def test_any_value_goes_there_and_back(value, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("mat") / "x.mat", x=value)

    assert read_mat(path) == {"x": value}
    load(path)  # and SciPy reads it too


@pytest.mark.parametrize("length", [31, 32, 63])
def test_long_names_of_fields(length, tmp_path):
    value = {"a" * length: 1.0, "b": "x"}
    path = written(tmp_path / "x.mat", x=value)

    assert read_mat(path)["x"] == value
    assert load(path)["x"].dtype.names == ("a" * length, "b")


def test_the_same_values_give_the_same_bytes_without_a_clock(tmp_path):
    value = {"a": [], "b": {"@uint8": 3}}
    first = b"".join(mat_bytes({"x": value}))

    assert first == b"".join(mat_bytes({"x": value}))
    assert first[:116].rstrip() == b"MATLAB 5.0 MAT-file, written by kptdata"


def test_a_zero_keeps_its_sign(tmp_path):
    value = {"@cell": [{"@single": 0.0}, {"@single": -0.0}, 0.0, -0.0], "@shape": [1, 4]}
    found = load(written(tmp_path / "x.mat", x=value))["x"]

    assert [bool(np.signbit(v[0, 0])) for v in found[0]] == [False, True, False, True]


def test_bytes_in_the_other_order(tmp_path):
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">2I", kind, len(data)) + data + bytes(-len(data) % 8)

    # A double of two elements that are kept as 16-bit numbers, its name in the short form.
    inside = element(6, struct.pack(">2I", 6, 0)) + element(5, struct.pack(">2i", 1, 2))
    inside += struct.pack(">I4s", 1 << 16 | 1, b"x\0\0\0")
    inside += struct.pack(">I2h", 4 << 16 | 3, 1, -2)
    header = b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    path = tmp_path / "big.mat"
    path.write_bytes(header + element(14, inside))

    assert read_mat(path) == {"x": {"@double": [1.0, -2.0], "@shape": [1, 2]}}
    assert load(path)["x"].tolist() == [[1.0, -2.0]]


def test_names_of_variables(tmp_path):
    path = save(tmp_path / "x.mat", {"first": 1.0, "second": "a"}, packed=True)
    assert variables_at_head(path) == ("first", "second")
    path.write_bytes(b"MATLAB 5.0 but not for long")
    assert variables_at_head(path) == ()


# What is refused


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.array([[1j]]), "complex numbers"),
        (scipy.sparse.csc_matrix(np.eye(2)), "a sparse matrix.*Fix: in MATLAB"),
    ],
    ids=["complex", "sparse"],
)
def test_classes_that_are_not_read(stored, message, tmp_path):
    path = save(tmp_path / "x.mat", {"x": stored})

    with pytest.raises(FormatError, match=message):
        read_mat(path)


def damaged(path: Path, **changes: object) -> bytes:
    """An uncompressed file of one double, with a 32-bit number at a place changed."""
    save(path, {"x": np.arange(3.0)[None]}, packed=False)
    data = bytearray(path.read_bytes())
    for place, value in changes.items():
        data[int(place[1:]) : int(place[1:]) + 4] = struct.pack("<I", value)
    return bytes(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_128": 3}, "byte 128: damaged: an element of type 3 where a variable begins"),
        ({"_132": 9999}, "byte 128: damaged or cut off"),
        ({"_136": 5}, "byte 136: damaged: no array flags"),
        ({"_144": 99}, "byte 136: damaged: no class has the number 99"),
        ({"_144": 17}, "an opaque object"),
        ({"_152": 6}, "damaged: no dimensions"),
        ({"_164": 0xFFFFFFFF}, "impossible dimensions"),
        ({"_164": 0x7FFFFFFF}, "impossible dimensions"),
        ({"_164": 4}, "numbers of another count than the dimensions say"),
        ({"_168": 1 << 16 | 9}, "damaged: no name"),
        ({"_168": 5 << 16}, "a short element of more than four bytes"),
        ({"_176": 99}, "numbers of another count"),
    ],
    ids=str,
)
def test_damaged_bytes_are_placed(changes, message, tmp_path):
    path = tmp_path / "x.mat"
    path.write_bytes(damaged(path, **changes))

    with pytest.raises(FormatError, match=message):
        read_mat(path)


def packed_variable(inside: bytes, *, size: int | None = None) -> bytes:
    head = struct.pack("<2I", 14, len(inside) if size is None else size)
    stream = zlib.compress(head + inside)
    return _header() + struct.pack("<2I", 15, len(stream)) + stream


def _header() -> bytes:
    return b"MATLAB 5.0".ljust(116) + bytes(8) + struct.pack("<H2s", 0x0100, b"IM")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed_variable(b"", size=2**31), "impossible size"),
        (packed_variable(bytes(8), size=64), "cut off"),
        (packed_variable(bytes(64), size=8), "cut off"),
        (_header() + struct.pack("<2I", 15, 8) + bytes(8), "a compressed variable is damaged"),
        (_header() + struct.pack("<2I", 15, 9) + zlib.compress(b"a"), "ends too early"),
        (_header() + b"abc", "byte 128: the file ends too early"),
    ],
    ids=["impossible", "short", "long", "no stream", "too short", "no tag"],
)
def test_damaged_streams(content, message, tmp_path):
    path = tmp_path / "x.mat"
    path.write_bytes(content)

    with pytest.raises(FormatError, match=message):
        read_mat(path)


def test_numbers_outside_their_class(tmp_path):
    path = save(tmp_path / "x.mat", {"x": np.array([[1.5, 2.0]])}, packed=False)
    data = bytearray(path.read_bytes())
    data[144] = 9  # the class is uint8 now
    path.write_bytes(data)

    with pytest.raises(FormatError, match="a number that uint8 does not have"):
        read_mat(path)


def test_deep_nesting_is_refused(tmp_path):
    value: object = 1.0
    for _ in range(70):
        value = {"@cell": [value], "@shape": [1, 1]}

    with pytest.raises(FormatError, match="nested too deep"):
        read_mat(written(tmp_path / "x.mat", x=value))


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"MATLAB 7.3 MAT-file".ljust(600), FormatError, "MATLAB 7.3.*save it with -v7"),
        (b"hello", FormatError, "no MATLAB file; expected 'MATLAB 5.0', found 'hello'"),
        (b"MATLAB 5.0".ljust(128), FormatError, "no MATLAB file"),
        (b"", FileError, "empty"),
    ],
    ids=["7.3", "text", "no byte order", "empty"],
)
def test_other_files(content, error, message, tmp_path):
    path = tmp_path / "x.mat"
    path.write_bytes(content)

    with pytest.raises(error, match=message):
        read_mat(path)


def test_a_variable_that_stands_there_twice(tmp_path):
    path = save(tmp_path / "x.mat", {"x": 1.0})
    data = path.read_bytes()
    path.write_bytes(data + data[128:])

    with pytest.raises(FormatError, match="'x' stands there twice"):
        read_mat(path)


@pytest.mark.parametrize(
    "value",
    [
        {"@uint8": 256}, {"@uint8": 1.5}, {"@hamster": 1}, {"a b": 1.0}, True, None, [1.0],
        {"@cell": [1.0], "@shape": [2, 1]}, {"@struct": {"a": [1.0]}, "@shape": [1, 2]},
        {"@char": 5, "@shape": [1, 1]}, "\ud800",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_value_is_not_written(value):
    with pytest.raises(DatasetError, match="not a MATLAB value"):
        b"".join(mat_bytes({"x": value}))


# Meaning


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (2.5, 2.5),
        (3.0, 3),
        ("a", "a"),
        ({"@uint8": 7}, 7),
        ({"@logical": True}, True),
        ({"@double": "nan"}, None),
        ({"@double": [1.0, 2.5], "@shape": [1, 2]}, [1, 2.5]),
        ({"@double": [1.0, 3.0, 2.0, 4.0], "@shape": [2, 2]}, [[1, 2], [3, 4]]),
        ({"@char": "acbd", "@shape": [2, 2]}, ["ab", "cd"]),
        ({"@cell": [1.0, "a"], "@shape": [2, 1]}, [1, "a"]),
        ({"a": 1.0, "b": []}, {"a": 1}),
        ({"@struct": {"a": [1.0, []]}, "@shape": [1, 2]}, [{"a": 1}, {}]),
    ],
    ids=repr,
)
def test_plain(value, meaning):
    assert plain(value) == meaning


@pytest.mark.parametrize(
    "meaning",
    [0, 2.5, True, None, "", "x", [], [1, 2], [5], [[1, 2], [3, 4]], [[1], [2]], [[1, 2]],
     {"a": {"b": [1, "c", None]}}, [{"a": 1}, {"b": "x"}], 2**53 + 1, 2**63, -(2**62),
     [True, False], [[1, 2], [3]], "𝄞 clef"],
    ids=repr,
)  # fmt: skip
def test_meanings_become_values(meaning, tmp_path):
    value = as_value(meaning)

    assert plain(value) == meaning
    assert read_mat(written(tmp_path / "x.mat", x=value))["x"] == value


@pytest.mark.parametrize("meaning", [2**70, {"a b": 1}, {"a": {}, "1": 2}, "\ud800"], ids=repr)
def test_meanings_that_matlab_does_not_have(meaning):
    with pytest.raises(ValueError):
        b"".join(mat_bytes({"x": as_value(meaning)}))


def test_looking_into_values():
    assert number({"@uint8": 3}, "x") == 3.0
    assert number(EMPTY, "x") is None
    assert text({"@char": "", "@shape": [0, 0]}, "x") == ""
    assert elements({"@uint8": [1, 2], "@shape": [2, 1]}) == [{"@uint8": 1}, {"@uint8": 2}]
    assert elements("ab") == ["ab"]
    assert unset({"a": [], "b": {"@uint8": [], "@shape": [0, 0]}})
    assert not unset({"@uint8": 0})
    assert describe({"@cell": [], "@shape": [0, 3]}) == "an empty cell"
    assert matrix("𝄞").shape == (1, 2)
    with pytest.raises(WrongValueError, match="x: expected a number, found the text 'a'"):
        number("a", "x")
    with pytest.raises(WrongValueError, match="x: expected text, found 3"):
        text({"@uint8": 3}, "x")

"""Errors: message order, facts in fields, built-in parents, and that they survive pickling."""

import pickle

import pytest

from kptdata import errors
from kptdata.errors import (
    FileError,
    FormatError,
    KptDataError,
    MissingDependencyError,
    UnknownNameError,
)

KINDS = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_the_root_and_a_built_in_parent(kind):
    assert issubclass(kind, KptDataError)
    if kind is not KptDataError:
        assert issubclass(kind, (ValueError, LookupError, ImportError, OSError))


def test_message_names_place_expected_found_and_fix():
    error = FormatError(
        "wrong length",
        path="a.json",
        place="annotation 7",
        expected="51",
        found="50",
        fix="mend it",
    )

    assert str(error) == ("a.json: annotation 7: wrong length; expected 51, found 50. Fix: mend it")
    assert (error.path, error.place, error.expected) == ("a.json", "annotation 7", "51")


def test_found_alone_is_still_a_sentence():
    assert str(FileError("no such file", path="x", found="y")) == "x: no such file; found y"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MSRAHeatmop", "did you mean MSRAHeatmap?"),
        ("udp", "did you mean UDPHeatmap?"),
        ("zzz", "choose from MSRAHeatmap, UDPHeatmap"),
    ],
)
def test_unknown_name_lists_near_ones(name, hint):
    error = UnknownNameError("codec", name, ["MSRAHeatmap", "UDPHeatmap"])

    assert str(error) == f"unknown codec {name!r}: {hint}"


@pytest.mark.parametrize(
    "error",
    [
        FormatError("p", path="a", place="b", expected="c", found="d", fix="e"),
        UnknownNameError("codec", "x", ["y"]),
        MissingDependencyError("h5py", "formats", "reading .h5"),
        MissingDependencyError("h5py", "formats", "reading .h5", "is broken"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_pickled_error_is_the_same(error):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_long_list_of_choices_is_cut():
    message = str(UnknownNameError("instance", "x", map(str, range(1000))))

    assert message.startswith("unknown instance 'x': choose from 0, 1, 2, ")
    assert message.endswith("59, ... (1000 in all)")

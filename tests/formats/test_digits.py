"""`parse_whole_numbers`: exactly what JSON says, or nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptdata.formats._digits import parse_whole_numbers

VALUES = st.integers(0, 10**15 - 1) | st.integers(0, 3) | st.integers(0, 700)
ANY = st.one_of(
    VALUES,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([None, True, "1", "", "[1,2]", [], [1, 2], {"a": 1}]),
)


def texts(rows: list[object]) -> list[bytes]:
    """Return rows as JSON without spaces."""
    return [json.dumps(row, separators=(",", ":")).encode() for row in rows]


ROWS = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(VALUES, min_size=n, max_size=n), min_size=1, max_size=5)
)


@given(ROWS)
def test_whole_numbers(rows):
    found = parse_whole_numbers(texts(rows), len(rows[0]))

    assert found.dtype == np.float64
    assert found.tolist() == rows


@given(st.lists(ANY | st.lists(ANY, max_size=5), min_size=1, max_size=4), st.integers(1, 5))
def test_anything_else_is_left_alone(rows, length):
    found = parse_whole_numbers(texts(rows), length)

    if found is not None:
        assert found.tolist() == rows


@pytest.mark.parametrize(
    "rows",
    [
        [b"[1, 2]"],
        [b"[1,2]", b"[3]"],
        [b"[1]", b"[2,3]"],
        [b"[[1,2]]"],
        [b"[1,[2]]"],
        [b"1", b"[2,3,4]"],
        [b"[]"],
        [b"[-1,2]"],
        [b"[1e2,2]"],
        [b"[1,1000000000000000]"],
    ],
)
def test_left_alone(rows):
    assert parse_whole_numbers(rows, 2) is None

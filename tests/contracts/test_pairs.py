"""From every format to every other: points go by name, and states that both can hold survive.

Complaints T6 (0, 1, 2 that come out as something else), T7 (points in another order) and T8 (a
point outside the picture, for which people or pictures are dropped).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from contracts.test_formats import NAMES
from format_holds import ordered, setting
from format_plants import plain
from numpy.typing import NDArray

import kptdata as kd
from kptdata import FormatError, PoseDataset, load_schema, map_schemas
from kptdata.formats import FORMATS
from kptdata.visibility import Visibility

V = Visibility
PAIRS = [pytest.param(a, b, id=f"{a}-to-{b}") for a in NAMES for b in NAMES]
STATES = (V.VISIBLE, V.OCCLUDED, V.LABELLED, V.UNLABELLED, V.ABSENT)


def with_cycle(schema: str, states: tuple[Visibility, ...]) -> PoseDataset:
    """Return people whose points have these states in turn, another one first for each person."""
    ds = plain(schema)
    people, keypoints = ds.visibility.shape
    turn = (np.arange(keypoints) + np.arange(people)[:, None]) % len(states)
    visibility = np.array(states, np.uint8)[turn]
    visibility[:, 0] = states[0]
    # Inside the picture and nowhere twice, so that a person is known by the places.
    grid = np.arange(people * keypoints, dtype=float).reshape(people, keypoints)
    xy = np.stack([10 + grid, 20 + grid % 400], axis=-1)
    xy[~np.isin(visibility, (V.VISIBLE, V.OCCLUDED, V.LABELLED))] = np.nan
    return ds.replace(visibility=visibility, xy=xy)


def write(name: str, ds: PoseDataset, folder: Path) -> Path:
    """Write one dataset in a format."""
    path = folder / f"{name}-{setting(name).file}"
    FORMATS.load(name).write_all((ds,), path)
    return path


def read(name: str, path: Path) -> PoseDataset:
    """Read one dataset as the schema that the contract gives a format."""
    (found,) = kd.read_all(path, format=name, schema=setting(name).schema)
    return found


@cache
def held(name: str) -> frozenset[Visibility]:
    """Return the states that a format gives back as they were, with and without scores."""
    with TemporaryDirectory() as folder:
        return frozenset(
            state
            for state in STATES
            if all(comes_back(name, state, scored, Path(folder)) for scored in (True, False))
        )


@cache
def ever_held(name: str) -> frozenset[Visibility]:
    """Return the states that a format gives back, be it only for predictions or only for others."""
    with TemporaryDirectory() as folder:
        return frozenset(
            state
            for state in STATES
            if any(comes_back(name, state, scored, Path(folder)) for scored in (True, False))
        )


def comes_back(name: str, state: Visibility, scored: bool, folder: Path) -> bool:
    """Write points in a state and tell whether they are read in the same."""
    ds = with_cycle(setting(name).schema, (V.VISIBLE, state))
    ds = ordered(ds if scored else ds.replace(score=None))
    here = folder / f"{state.name}-{scored}"
    here.mkdir()
    found = ordered(read(name, write(name, ds, here)))
    assert len(ds) == len(found)
    mine = ds.visibility == state
    return bool((found.visibility[mine] == state).all())


def shared_rows(a: str, b: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the points, in either schema, that are the same by name."""
    source, target = load_schema(setting(a).schema), load_schema(setting(b).schema)
    exact = map_schemas(source, target).exact
    return (
        np.array([source.index(name) for _, name in exact], np.intp),
        np.array([target.index(name) for name, _ in exact], np.intp),
    )


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Give a file of each format that is asked for, written once for each set of states."""
    made: dict[tuple[str, tuple[Visibility, ...]], Path] = {}

    def get(name: str, states: tuple[Visibility, ...]) -> Path:
        key = (name, states)
        if key not in made:
            folder = tmp_path_factory.mktemp(name)
            made[key] = write(name, with_cycle(setting(name).schema, states), folder)
        return made[key]

    return get


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_t6_t7_states_survive_and_points_go_by_name(a, b, sources, tmp_path):
    states = tuple(state for state in STATES if state in held(a) & held(b))
    if not set(states) & {V.VISIBLE, V.OCCLUDED, V.LABELLED}:
        # No state of a labelled point is in both: places must go over all the same, by name.
        states = tuple(state for state in STATES if state in held(a))
    source, target = sources(a, states), tmp_path / setting(b).file
    before = read(a, source)
    words = {"source_format": a, "target_format": b, "source_schema": setting(a).schema}
    unsized, unnamed = (before.images.wh <= 0).any(), (before.images.file_name == "").any()
    try:
        result = kd.convert(source, target, schema=setting(b).schema, **words)
    except FormatError as error:
        # What a file does not say of its images is not made up by one that needs it.
        problems = (unsized and "size" in str(error), unnamed and "no file name" in str(error))
        assert any(problems), error  # noqa: PT017 - which of the two depends on the pair
        return

    after = ordered(read(b, target))
    before = ordered(before)
    mine, theirs = shared_rows(a, b)
    assert len(mine) > 0
    assert len(after) == len(before) == result.report.instances == 4
    was, now = before.visibility[:, mine], after.visibility[:, theirs]
    both = np.isin(was, tuple(held(a) & held(b)))
    np.testing.assert_array_equal(now[both], was[both])
    places = before.labelled[:, mine]
    np.testing.assert_array_equal(after.labelled[:, theirs][both], places[both])
    assert after.labelled[:, theirs][places].all()
    np.testing.assert_allclose(
        after.xy[:, theirs][places], before.xy[:, mine][places], rtol=0, atol=1e-6
    )
    if (now != was).any():
        assert result.report.lost


@pytest.mark.parametrize("name", NAMES)
def test_t8_a_point_just_outside_takes_nobody_with_it(name, tmp_path):
    """One at 1.02 of the width: the person and the picture stay, the point too or it is counted."""
    ds = plain(setting(name).schema)
    xy = ds.xy.copy()
    xy[0, 3] = (1.02 * 640, 100.0)
    ds = ds.replace(xy=xy, score=None)
    path = tmp_path / setting(name).file

    report = FORMATS.load(name).write_all((ds,), path)
    found = ordered(read(name, path))

    before = ordered(ds)
    assert len(found) == len(before)
    assert len(np.unique(found.image)) == 3
    same = np.isclose(found.xy, before.xy, rtol=0, atol=1e-6).all()
    assert same or report.lost["xy"] == 1
    assert found.labelled[:, :3].all()


@pytest.mark.parametrize("name", NAMES)
def test_every_format_holds_a_labelled_point_and_one_that_is_not(name):
    assert ever_held(name) & {V.VISIBLE, V.LABELLED}
    assert V.UNLABELLED in held(name) or "unlabelled" in FORMATS.load(name).LOSSES

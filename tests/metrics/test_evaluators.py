"""The originals on two datasets: their own figures, our scores, and refusals that help."""

from __future__ import annotations

import json

import numpy as np
import pytest
from coco_cases import draw_case, run_pycocotools

import kptdata as kd
from kptdata.errors import DatasetError, MissingDependencyError, OptionError
from kptdata.evaluators import BACKENDS, evaluate_with
from kptdata.metrics import Scoring


def read(case, folder):
    """Write a case as COCO files and read them."""
    for name, content in (("truth", case.truth), ("results", case.results)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    truth = kd.read(folder / "truth.json", format="coco")
    found = kd.read(folder / "results.json", format="coco_results", schema=truth.schema)
    return truth, found


def figures(evaluation):
    return {f.name: f.value for f in evaluation.results[0].figures}


@pytest.fixture
def files(tmp_path):
    return read(draw_case(3), tmp_path)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_originals_give_what_ours_gives(backend, tmp_path):
    """Where they import: xtcocotools has no wheel for NumPy 2, but builds from its source."""
    try:
        __import__(f"{backend}.cocoeval")
    except (ImportError, ValueError, AttributeError):
        pytest.skip(f"{backend} does not import here")
    for seed in range(500, 520):
        case = draw_case(seed)
        truth, found = read(case, tmp_path)

        theirs = evaluate_with(backend, truth, found, sigmas=case.sigmas)

        assert theirs.results[0].facts[0].startswith(f"evaluated by {backend} ")
        ours = figures(kd.metrics.evaluate(truth, found, sigmas=case.sigmas))
        assert list(figures(theirs)) == list(ours)
        np.testing.assert_array_equal(list(figures(theirs).values()), list(ours.values()))
        direct = np.where(run_pycocotools(case).stats > -1, run_pycocotools(case).stats, np.nan)
        np.testing.assert_array_equal(list(figures(theirs).values()), direct)


def test_scores_and_suppression_are_ours(files):
    truth, found = files
    found = found.replace(
        keypoint_score=np.random.default_rng(0).random((len(found), truth.schema.num_keypoints))
    )
    sigmas = np.full(truth.schema.num_keypoints, 0.1)

    plain, thinned = (
        evaluate_with("pycocotools", truth, found, sigmas=sigmas, scoring=scoring)
        for scoring in (None, Scoring.mmpose())
    )

    ours = kd.metrics.evaluate(truth, found, sigmas=sigmas, scoring=Scoring.mmpose())
    assert figures(thinned) == figures(ours)
    assert figures(thinned) != figures(plain)
    assert any("score: bbox_keypoint" in fact for fact in thinned.facts)


def test_no_ground_truth_is_undefined(files):
    truth, found = files

    evaluation = evaluate_with(
        "pycocotools", truth[:0], found, sigmas=np.full(truth.schema.num_keypoints, 0.1)
    )

    assert np.isnan(list(figures(evaluation).values())).all()


def test_no_predictions_are_refused(files):
    truth, found = files
    with pytest.raises(DatasetError, match=r"cannot evaluate an empty list .*leave --backend out"):
        evaluate_with("pycocotools", truth, found[:0])


def test_an_evaluator_that_is_not_there(files, monkeypatch):
    monkeypatch.setitem(BACKENDS, "nowheretools", "kptdata[nowheretools]")
    with pytest.raises(
        MissingDependencyError, match=r"is not installed: pip install 'kptdata\[nowheretools\]'"
    ):
        evaluate_with("nowheretools", *files)


def test_an_evaluator_that_is_there_and_does_not_import(files, tmp_path, monkeypatch):
    """As the wheel of xtcocotools beside NumPy 2."""
    (tmp_path / "brokentools").mkdir()
    (tmp_path / "brokentools" / "__init__.py").write_text("")
    (tmp_path / "brokentools" / "coco.py").write_text("raise ValueError('dtype size changed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(BACKENDS, "brokentools", "kptdata")
    with pytest.raises(
        MissingDependencyError,
        match=r"installed and does not import with NumPy .*dtype size changed.*Fix: build it here",
    ):
        evaluate_with("brokentools", *files)


def test_unknown_evaluator_lists_the_known(files):
    with pytest.raises(OptionError, match="expected one of pycocotools, xtcocotools, got 'mine'"):
        evaluate_with("mine", *files)

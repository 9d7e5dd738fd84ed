"""``kpt eval``: figures on stdout, and planted faults in files named with their fix."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from cli_files import document, person


def result(found, score=0.9, **other):
    """The result that repeats a person exactly."""
    triples = found["keypoints"]
    points = [n for k in range(17) for n in (*triples[3 * k : 3 * k + 2], 0.8)]
    return {
        "image_id": found["image_id"],
        "category_id": 1,
        "keypoints": points,
        "score": score,
    } | other


def figure(out, name):
    """Return what the table says behind a name."""
    return re.search(rf"^{re.escape(name)}  +(.+)$", out, re.MULTILINE)[1]


PEOPLE = person(1, 7, 10.25), person(2, 7, 60.0), person(3, 8, 30.0)


@pytest.fixture
def files(tmp_path):
    """Write ground truth and results; return both paths."""

    def write(people=PEOPLE, results=None, **other):
        found = (
            [result(p, 0.9 - 0.1 * i) for i, p in enumerate(PEOPLE)] if results is None else results
        )
        paths = tmp_path / "truth.json", tmp_path / "results.json"
        for path, content in zip(paths, (document(*people, **other), found), strict=True):
            path.write_text(json.dumps(content))
        return paths

    return write


def test_table(kpt, files):
    status, out, err = kpt("eval", *files())

    assert (status, err) == (0, "")
    assert figure(out, "AR") == "1.0000"
    assert figure(out, "AP_M") == "n/a (0 ground truths)"
    assert figure(out, "EPE median at OKS 0.5") == "0.000 px"
    assert "sigmas: schema coco, measured" in out
    assert "all: 3 ground truths counted; 3 predictions" in out
    assert "score: as given; suppression: none" in out


def test_json_is_data(kpt, files):
    data = kpt("eval", *files(), "--json").data

    figures = {f["name"]: f["value"] for f in data["metrics"][0]["figures"]}
    assert figures["AR"] == 1.0
    assert figures["AP_M"] is None
    assert data["metrics"][0]["counts"]["bands"]["all"]["counted"] == 3


def test_csv(kpt, files, tmp_path):
    outcome = kpt("eval", *files(), "--csv", "-")
    assert kpt("eval", *files(), "--csv", tmp_path / "figures.csv").status == 0

    assert (tmp_path / "figures.csv").read_text() == outcome.out
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert {r["figure"]: r["value"] for r in rows}["AR"] == "1.0"


def test_several_metrics(kpt, files):
    _, out, _ = kpt("eval", *files(), "--metric", "pck@0.1[torso]", "--metric", "oks")

    assert figure(out, "PCK@0.1[torso]") == "100.000 %"
    assert "EPE median" in out
    assert "rows matched by OKS of at least 0.1" in out


def test_coco_file_as_predictions(kpt, files):
    truth, _ = files()

    out = kpt("eval", truth, truth, "--metric", "epe").out

    assert figure(out, "EPE mean") == "0.000 px"


def test_scoring_options(kpt, files):
    paths = files(results=[result(p, 0.9) for p in PEOPLE] + [result(p, 0.5) for p in PEOPLE])

    plain, thinned = kpt("eval", *paths).out, kpt("eval", *paths, "--mmpose").out

    assert "3 predictions repeat another of their image point for point" in plain
    assert "suppression: oks_nms at 0.9, 3 of 6 dropped" in thinned
    other = kpt("eval", *paths, "--score-mode", "keypoint", "--nms", "soft_oks_nms").out
    assert "score: mean keypoint score; suppression: soft_oks_nms at 0.9" in other


def test_backend(kpt, files):
    ours, theirs = (
        kpt("eval", *files(), *extra, "--json").data["metrics"][0]["figures"]
        for extra in ((), ("--backend", "pycocotools"))
    )

    assert ours == theirs
    status, _, err = kpt("eval", *files(), "--backend", "pycocotools", "--metric", "epe")
    assert status == 2
    assert "--backend evaluates --metric oks alone" in err


def test_backend_with_scores_and_suppression(kpt, files):
    paths = files(results=[result(p, 0.9) for p in PEOPLE] + [result(p, 0.5) for p in PEOPLE])

    ours, theirs = (
        kpt("eval", *paths, "--mmpose", *extra, "--json").data
        for extra in ((), ("--backend", "pycocotools"))
    )

    assert ours["metrics"][0]["figures"] == theirs["metrics"][0]["figures"]
    assert any("oks_nms at 0.9, 3 of 6 dropped" in fact for fact in theirs["facts"])


@pytest.mark.parametrize(
    "option", [("--details", "keypoint"), ("--max-dets", 10), ("--row-aligned",)], ids=str
)
def test_backend_leaves_no_option_out_in_silence(kpt, files, option):
    status, _, err = kpt("eval", *files(), "--backend", "pycocotools", *option)

    assert status == 2
    assert f"--backend has no {option[0]}: leave one of them out" in err


def test_reference_and_annotation_zero(kpt, files):
    people = [PEOPLE[0] | {"id": 0}, *PEOPLE[1:]]

    assert figure(kpt("eval", *files(people)).out, "AR") == "1.0000"
    assert figure(kpt("eval", *files(people), "--reference").out, "AR") == "0.6667"


@pytest.mark.parametrize("area", [0, 1, None])
def test_areas_that_are_none(kpt, fails, files, area):
    """T1: AP 0 is never the silent answer."""
    people = [dict(p) for p in PEOPLE]
    people[1].pop("area") if area is None else people[1].update(area=area)

    assert "--area box053" in fails("eval", *files(people))
    out = kpt("eval", *files(people), "--area", "box053").out
    assert "area of ground truths: box width x height x 0.53" in out


@pytest.mark.parametrize(
    "sigmas", ["uniform:0", "uniform:-0.1", "uniform:nan", "borrow:mpii", "0.1"]
)
def test_sigmas_that_are_none(fails, files, sigmas):
    """T2."""
    assert "sigmas: " in fails("eval", *files(), "--sigmas", sigmas)


def test_schema_without_sigmas(kpt, fails, files):
    """T2: nothing is invented; both ways out are offered."""
    category = document()["categories"][0]
    names = [f"k{i}" for i in range(17)]
    paths = files(categories=[category | {"keypoints": names, "skeleton": []}])

    message = fails("eval", *paths)
    assert "--sigmas uniform:0.05" in message
    assert "--sigmas borrow:<schema>" in message
    assert "sigmas: uniform:0.05" in kpt("eval", *paths, "--sigmas", "uniform:0.05").out


def test_text_image_ids(kpt, files):
    """T3."""
    out = kpt("eval", *files(results=[result(p, image_id=str(p["image_id"])) for p in PEOPLE])).out

    assert figure(out, "AR") == "1.0000"
    assert (
        "image ids of the predictions are text such as '7': compared as text, 2 of 2 found" in out
    )


def test_tensor_image_ids(fails, files):
    """T3."""
    results = [result(p, image_id=f"tensor({p['image_id']})") for p in PEOPLE]

    assert "write int(image_id), here 7" in fails("eval", *files(results=results))


def test_swapped_ids(fails, files):
    """T3: the annotation's id where the image's belongs."""
    results = [result(p, image_id=p["id"]) for p in PEOPLE]

    assert "are id and image_id swapped?" in fails("eval", *files(results=results))


def test_unknown_images(kpt, fails, files):
    results = [result(PEOPLE[0]), result(PEOPLE[2], image_id=99)]

    message = fails("eval", *files(results=results))
    assert "found 99" in message
    assert "--skip-unknown-images" in message
    out = kpt("eval", *files(results=results), "--skip-unknown-images").out
    assert (
        "1 predictions are on 1 images that the ground truth does not list (ids 99): left out"
        in out
    )


@pytest.mark.parametrize("score", [None, "high"])
def test_scores_that_are_none(fails, files, score):
    results = [result(PEOPLE[0]), result(PEOPLE[2], score)]

    assert "score" in fails("eval", *files(results=results))


def test_nan_scores(fails, files):
    truth, results = files()
    results.write_text(results.read_text().replace('"score": 0.8', '"score": NaN'))

    assert "NaN" in fails("eval", truth, results)


def test_no_results(kpt, files):
    out = kpt("eval", *files(results=[])).out

    assert "there are no predictions: nothing is found" in out
    assert figure(out, "AR") == "0.0000"


def test_unknown_metric(fails, files):
    assert "unknown metric 'osk': did you mean oks?" in fails("eval", *files(), "--metric", "osk")


def test_file_that_cannot_be_read(fails, files, unreadable):
    assert str(unreadable) in fails("eval", files()[0], unreadable)

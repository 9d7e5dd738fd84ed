"""COCO keypoint evaluation beside its peers: JSON in, ten statistics out, fresh processes.

    python benchmarks/eval.py [--json] [--runs N] [--curve]

The data has the size of COCO val2017 (5,000 images, 11,004 ground truths) with 100,000 results,
drawn at random and written to a temporary folder. Each contestant is a process of its own; a peer
is run by the first interpreter that imports it (this one, then .venv-peers) and left out, with a
word, if none does. ``--curve`` adds time and memory of the evaluation on arrays, up to five million
results.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _process import alone, case, child, interpreter_of, peak_mb

IMAGES, TRUTHS, RESULTS, KEYPOINTS = 5_000, 11_004, 100_000, 17
WITHOUT_KEYPOINTS = 0.42  # share of val2017's people
CURVE = (100_000, 300_000, 1_000_000, 3_000_000, 5_000_000)
STATS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--runs", type=int, default=1, help="runs of each contestant; the best counts"
    )
    parser.add_argument("--results", type=int, default=RESULTS, help="number of results")
    parser.add_argument("--curve", action="store_true", help="also time and memory on arrays")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, *arguments = options.child
        print(json.dumps(CHILDREN[name](*arguments)))
        return
    report: dict[str, Any] = {"contestants": compare(options.results, options.runs)}
    if options.curve:
        report["curve"] = [_point(count) for count in CURVE]
    print(json.dumps(_cases(report), indent=2) if options.json else _table(report))


def compare(count: int, runs: int) -> dict[str, Any]:
    """Run every contestant on the same files."""
    with tempfile.TemporaryDirectory() as folder:
        truth, results = Path(folder) / "truth.json", Path(folder) / "results.json"
        # In a process of its own: a child's peak memory begins with that of its parent.
        child(sys.executable, __file__, "write", str(truth), str(results), str(count))
        found = {name: _contest(name, truth, results, runs) for name in CONTESTANTS}
    ours = found["kptdata"]
    for name, row in found.items():
        if "total_s" in row and name != "kptdata":
            row["kptdata_is_faster"] = round(row["total_s"] / ours["total_s"], 2)
            row["kptdata_evaluates_faster"] = round(row["evaluate_s"] / ours["evaluate_s"], 2)
            row["largest_difference"] = max(abs(row["stats"][s] - ours["stats"][s]) for s in STATS)
    return found


def _contest(name: str, truth: Path, results: Path, runs: int) -> dict[str, Any]:
    interpreter = interpreter_of(CONTESTANTS[name])
    if interpreter is None:
        return {"missing": f"no interpreter imports {CONTESTANTS[name]} (see benchmarks/peers.txt)"}
    rows = []
    for _ in range(runs):
        begun, spent = time.perf_counter(), _children_cpu()
        row = child(interpreter, __file__, name, str(truth), str(results))
        row |= {"total_s": time.perf_counter() - begun, "cpu_s": _children_cpu() - spent}
        rows.append(row)
    return min(rows, key=lambda row: row["total_s"])


def _children_cpu() -> float:
    """Processor seconds of all ended children: what a busy machine does not stretch."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# Contestants: each reads both files and returns seconds of evaluation, statistics and peak memory


def _kptdata(truth: str, results: str) -> dict[str, Any]:
    import kptdata as kd

    known = kd.read(truth, format="coco")
    found = kd.read(results, format="coco_results", schema=known.schema)
    begun = time.perf_counter()
    evaluation = kd.metrics.evaluate(known, found)
    took = time.perf_counter() - begun
    return {"evaluate_s": took, "stats": {s: evaluation[s] for s in STATS}, "peak_mb": peak_mb()}


def _original(package: str, truth: str, results: str) -> dict[str, Any]:
    from importlib import import_module

    with contextlib.redirect_stdout(io.StringIO()):
        known = import_module(f"{package}.coco").COCO(truth)
        found = known.loadRes(results)
        begun = time.perf_counter()
        evaluator = import_module(f"{package}.cocoeval").COCOeval(known, found, "keypoints")
        return _run(evaluator, begun)


def _faster(truth: str, results: str) -> dict[str, Any]:
    from faster_coco_eval import COCO, COCOeval_faster

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(truth)
        found = known.loadRes(results)
        begun = time.perf_counter()
        return _run(COCOeval_faster(known, found, "keypoints"), begun)


def _run(evaluator: Any, begun: float) -> dict[str, Any]:
    for step in (evaluator.evaluate, evaluator.accumulate, evaluator.summarize):
        step()
    took = time.perf_counter() - begun
    stats = dict(zip(STATS, map(float, evaluator.stats), strict=False))
    return {"evaluate_s": took, "stats": stats, "peak_mb": peak_mb()}


CONTESTANTS = {
    "kptdata": "kptdata",
    "faster-coco-eval": "faster_coco_eval",
    "pycocotools": "pycocotools",
    "xtcocotools": "xtcocotools.cocoeval",
}


# Data


def _draw(count: int, seed: int = 0) -> dict[str, Any]:
    """Draw people and results as arrays; half of the results lie near a person, 20 to an image."""
    import numpy as np

    rng = np.random.default_rng(seed)
    images, people = count * IMAGES // RESULTS, count * TRUTHS // RESULTS
    image = np.sort(rng.integers(0, images, people))
    wh, corner = np.exp(rng.uniform(3.2, 5.8, (people, 2))), rng.uniform(0, 400, (people, 2))
    xy = corner[:, None] + rng.random((people, KEYPOINTS, 2)) * wh[:, None]
    labelled = rng.random((people, KEYPOINTS)) < 0.7
    labelled[rng.random(people) < WITHOUT_KEYPOINTS] = False
    area = wh.prod(axis=1) * 0.53
    where = np.sort(np.arange(count) % images)
    first = np.searchsorted(image, where)
    here = np.maximum(np.searchsorted(image, where, side="right") - first, 1)
    near = np.minimum(first + rng.integers(0, 1 << 30, count) % here, people - 1)
    error = rng.uniform(0.01, 0.15, count) * np.sqrt(area[near])
    found = xy[near] + rng.normal(0, 1, (count, KEYPOINTS, 2)) * error[:, None, None]
    astray = rng.random(count) < 0.5
    found[astray] = rng.uniform(0, 500, (int(astray.sum()), KEYPOINTS, 2))
    return {
        "images": images,
        "image": image,
        "xy": xy,
        "labelled": labelled,
        "area": area,
        "bbox": np.concatenate([corner, wh], axis=1),
        "crowd": rng.random(people) < 0.02,
        "where": where,
        "found": found,
        "score": rng.random(count) * 0.5 + 0.3 * ~astray,
    }


def _write_files(truth: str, results: str, count: str) -> dict[str, Any]:
    import numpy as np

    from kptdata import load_schema

    data = _draw(int(count))
    v = np.where(data["labelled"], 2, 0)
    xy = np.round(data["xy"] * data["labelled"][..., None], 2)
    annotations = [
        {
            "id": row + 1,
            "image_id": int(data["image"][row]) + 1,
            "category_id": 1,
            "iscrowd": int(data["crowd"][row]),
            "area": round(float(data["area"][row]), 4),
            "bbox": np.round(data["bbox"][row], 2).tolist(),
            "num_keypoints": int(data["labelled"][row].sum()),
            "keypoints": [
                n
                for (x, y), s in zip(xy[row].tolist(), v[row].tolist(), strict=True)
                for n in (x, y, s)
            ],
        }
        for row in range(len(xy))
    ]
    names = list(load_schema("coco").names)
    Path(truth).write_text(
        json.dumps(
            {
                "images": [
                    {"id": i + 1, "file_name": f"{i + 1:012}.jpg", "width": 640, "height": 480}
                    for i in range(data["images"])
                ],
                "annotations": annotations,
                "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}],
            }
        )
    )
    scores = np.random.default_rng(1).random((len(data["score"]), KEYPOINTS, 1))
    points = (
        np.round(np.concatenate([data["found"], scores], axis=2), 3)
        .reshape(len(scores), -1)
        .tolist()
    )
    where, score = (data["where"] + 1).tolist(), data["score"].tolist()
    with Path(results).open("w") as file:
        json.dump(
            [
                {"image_id": i, "category_id": 1, "keypoints": p, "score": s}
                for i, p, s in zip(where, points, score, strict=True)
            ],
            file,
        )
    return {}


# Time and memory on arrays


def _point(count: int) -> dict[str, Any]:
    return child(sys.executable, __file__, "arrays", str(count))


def _arrays(count: str) -> dict[str, Any]:
    import numpy as np

    from kptdata import load_schema
    from kptdata.metrics.arrays import Predictions, Truths, average_precision

    number = int(count)
    data = _draw(number)
    people = len(data["image"])
    truths = Truths(
        xy=data["xy"],
        labelled=data["labelled"],
        image=data["image"],
        area=data["area"],
        bbox=data["bbox"],
        crowd=data["crowd"],
        empty=~data["labelled"].any(axis=1),
        category=np.zeros(people, np.intp),
    )
    predictions = Predictions(
        xy=data["found"],
        image=data["where"],
        score=data["score"],
        area=np.ptp(data["found"], axis=1).prod(axis=1),
        category=np.zeros(number, np.intp),
    )
    sigmas = load_schema("coco").sigmas
    begun = time.perf_counter()
    found = average_precision(truths, predictions, sigmas)
    took = time.perf_counter() - begun
    peak = peak_mb()
    return {
        "results": number,
        "evaluate_s": took,
        "microseconds_a_result": round(1e6 * took / number, 3),
        "peak_mb": peak,
        "bytes_a_result": round(peak * 1024 * 1024 / number),
        "AP": found.ap(),
    }


CHILDREN = {
    "kptdata": _kptdata,
    "pycocotools": lambda *files: _original("pycocotools", *files),
    "xtcocotools": lambda *files: _original("xtcocotools", *files),
    "faster-coco-eval": _faster,
    "arrays": _arrays,
    "write": _write_files,
}


def _cases(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the report as ``{case: {ours, peer, ratio, unit}}``."""
    ours, cases = report["contestants"]["kptdata"], {}
    for name, row in report["contestants"].items():
        if name == "kptdata" or "missing" in row:
            continue
        for title, key in (
            ("total time", "total_s"),
            ("total CPU", "cpu_s"),
            ("evaluation", "evaluate_s"),
        ):
            cases[f"{title}, {name} / ours"] = case(ours[key], row[key], "s", ours_last=True)
        cases[f"memory, ours / {name}"] = case(ours["peak_mb"], row["peak_mb"], "MB")
        cases[f"largest difference from {name}"] = alone(row["largest_difference"], "of AP and AR")
    for row in report.get("curve", ()):
        named = f"{row['results']:,} results as arrays"
        cases[f"{named}, time a result"] = alone(row["microseconds_a_result"], "us")
        cases[f"{named}, memory a result"] = alone(row["bytes_a_result"], "bytes")
    return cases


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{'':18}{'total s':>9}{'cpu s':>8}{'evaluate s':>12}{'peak MB':>9}"
        f"{'x total':>9}{'x evaluate':>12}"
    ]
    for name, row in report["contestants"].items():
        if "missing" in row:
            lines.append(f"{name:18}{row['missing']}")
            continue
        ratios = f"{row.get('kptdata_is_faster', 1):9}{row.get('kptdata_evaluates_faster', 1):12}"
        lines.append(
            f"{name:18}{row['total_s']:9.2f}{row['cpu_s']:8.2f}{row['evaluate_s']:12.2f}{row['peak_mb']:9.0f}{ratios}"
            f"  largest difference {row.get('largest_difference', 0.0):.1e}"
        )
    lines += [
        f"{row['results']:>9,} results as arrays: {row['evaluate_s']:6.2f} s, "
        f"{row['microseconds_a_result']:.2f} us and {row['bytes_a_result']} bytes a result"
        for row in report.get("curve", ())
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

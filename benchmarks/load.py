"""Reading and writing a COCO file of train2017's size beside its peers, each in a fresh process.

    python benchmarks/load.py [--json] [--scale S] [--runs N]

The file (64,115 images, 262,465 people with polygons, about 190 MB) is drawn at random, in COCO's
own spelling, with a key that first appears in annotation 50,001. A peer is run by the first
interpreter that imports it (this one, then .venv-peers) and left out, with a word, if none does.
Seconds are those of the call, by the clock and of the processor (the latter hardly depend on what
else runs on the machine); memory is the peak of the whole process. ``--json`` prints one object
``{case: {ours, peer, ratio, unit}}``; the name of a case says which way round its ratio is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
INTERPRETERS = (sys.executable, str(ROOT / ".venv-peers" / "bin" / "python"))
IMAGES, PEOPLE, KEYPOINTS = 64_115, 262_465, 17
WITHOUT_KEYPOINTS = 0.43  # share of train2017's people
LATE = 50_000  # row of the first annotation with an unknown key
PEERS = {"pycocotools": "pycocotools.coco", "mmpose": "mmpose.datasets"}
LIMITS = {
    "load time, pycocotools / ours": (">=", 3.0),
    "load CPU, pycocotools / ours": (">=", 3.0),
    "load memory, ours / pycocotools": ("<=", 0.55),
    "load time, mmpose / ours": (">=", 15.0),
    "load CPU, mmpose / ours": (">=", 15.0),
    "load memory, ours / mmpose": ("<=", 0.25),
    "write time / load time": ("<=", 1.25),
    "write CPU / load CPU": ("<=", 1.25),
    "write memory above load": ("<=", 100.0),
    "annotations kept equal": (">=", 1.0),
}
"""What issue and design ask for; `ratio` is held against it, or `ours` where there is no peer."""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the file, 1 = train2017")
    parser.add_argument("--runs", type=int, default=1, help="runs of each; the best counts")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, *arguments = options.child
        print(json.dumps(CHILDREN[name](*arguments)))
        return
    cases = compare(options.scale, options.runs)
    print(json.dumps(cases, indent=2) if options.json else _table(cases))


def compare(scale: float, runs: int) -> dict[str, dict[str, Any]]:
    """Run everything on the same file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "train.json", Path(folder) / "written.json"
        # In a process of its own: a child's peak memory begins with that of its parent.
        made = _child(sys.executable, "make", str(source), str(scale))
        print(f"{made['people']:,} people, {made['megabytes']:.0f} MB", file=sys.stderr)
        rows = [_child(sys.executable, "kptdata", str(source), str(target)) for _ in range(runs)]
        ours = {key: min(row[key] for row in rows) for key in rows[0]}
        equal = _child(sys.executable, "equal", str(source), str(target))
        found = {name: _peer(name, source, runs) for name in PEERS}
    return _cases(ours, equal, {name: row for name, row in found.items() if row})


def _peer(name: str, source: Path, runs: int) -> dict[str, Any] | None:
    for interpreter in INTERPRETERS:
        if Path(interpreter).exists() and _imports(interpreter, PEERS[name]):
            rows = [_child(interpreter, name, str(source)) for _ in range(runs)]
            return {key: min(row[key] for row in rows) for key in rows[0]}
    print(f"{name} left out: no interpreter imports it (benchmarks/peers.txt)", file=sys.stderr)
    return None


def _imports(interpreter: str, module: str) -> bool:
    done = subprocess.run([interpreter, "-c", f"import {module}"], capture_output=True, check=False)
    return done.returncode == 0


def _child(interpreter: str, *arguments: str) -> dict[str, Any]:
    command = [interpreter, "-W", "ignore", str(Path(__file__)), "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _cases(
    ours: dict[str, Any], equal: dict[str, Any], peers: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    cases = {}
    for name, row in peers.items():
        for title, key in (("time", "load_s"), ("CPU", "load_cpu_s")):
            case = _case(ours[key], row[key], "s", ours_last=True)
            cases[f"load {title}, {name} / ours"] = case
        cases[f"load memory, ours / {name}"] = _case(ours["load_mb"], row["load_mb"], "MB")
    cases["write time / load time"] = _case(ours["write_s"], ours["load_s"], "s")
    cases["write CPU / load CPU"] = _case(ours["write_cpu_s"], ours["load_cpu_s"], "s")
    cases["write memory above load"] = {
        "ours": round(ours["write_mb"] - ours["load_mb"], 1),
        "peer": None,
        "ratio": None,
        "unit": "MB",
    }
    cases["annotations kept equal"] = _case(equal["equal"], equal["people"], "annotations")
    return cases


def _case(ours: float, peer: float, unit: str, *, ours_last: bool = False) -> dict[str, Any]:
    ratio = peer / ours if ours_last else ours / peer
    return {
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(ratio, 3),
        "unit": unit,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Contestants


def _timed(prefix: str, call: Any) -> tuple[Any, dict[str, float]]:
    begun, begun_cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        kept = call()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    return kept, {f"{prefix}_s": seconds, f"{prefix}_cpu_s": cpu, f"{prefix}_mb": _peak_mb()}


def _kptdata(source: str, target: str) -> dict[str, float]:
    import kptdata as kd

    kd.formats.FORMATS.load("coco")  # imports are not timed, as those of the peers are not
    dataset, load = _timed("load", lambda: kd.read(source, format="coco"))
    _, write = _timed("write", lambda: kd.write(dataset, target, format="coco"))
    return load | write


def _pycocotools(source: str) -> dict[str, float]:
    from pycocotools.coco import COCO

    return _timed("load", lambda: COCO(source))[1]


def _mmpose(source: str) -> dict[str, float]:
    from mmpose.datasets import CocoDataset

    call = lambda: CocoDataset(ann_file=source, data_mode="topdown", pipeline=[])  # noqa: E731
    return _timed("load", call)[1]


def _equal(source: str, target: str) -> dict[str, float]:
    """Count the annotations that were written back with every key and value."""
    import msgspec

    rows = msgspec.defstruct("Rows", [("annotations", list[msgspec.Raw])])
    before, after = (
        msgspec.json.decode(Path(path).read_bytes(), type=rows).annotations
        for path in (source, target)
    )
    pairs = zip(before, after, strict=True)
    same = sum(msgspec.json.decode(a) == msgspec.json.decode(b) for a, b in pairs)
    return {"people": len(before), "equal": same}


# Data


def _make(path: str, scale: str) -> dict[str, Any]:
    images, people = int(IMAGES * float(scale)), int(PEOPLE * float(scale))
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(_file(images, people))
    return {"people": people, "megabytes": Path(path).stat().st_size / 1e6}


def _file(images: int, people: int) -> Iterator[str]:
    import numpy as np

    from kptdata import load_schema

    rng = np.random.default_rng(2017)
    yield '{"info": {"description": "drawn at random"},"licenses": [],"images": ['
    yield ",".join(map(_image, range(1, images + 1)))
    yield '],"annotations": ['
    for start in range(0, people, 5000):
        rows = _people(rng, start, min(5000, people - start), images)
        yield ("," if start else "") + ",".join(rows)
    schema = load_schema("coco")
    category = {"supercategory": "person", "id": 1, "name": "person"}
    links = (schema.link_indices + 1).tolist()
    yield '],"categories": ['
    yield json.dumps(category | {"keypoints": schema.names, "skeleton": links}) + "]}"


def _image(number: int) -> str:
    url = "http://images.cocodataset.org/train2017"
    return json.dumps(
        {
            "license": 3,
            "file_name": f"{number:012}.jpg",
            "coco_url": f"{url}/{number:012}.jpg",
            "height": 480,
            "width": 640,
            "date_captured": "2013-11-14 11:18:45",
            "flickr_url": f"http://farm9.staticflickr.com/8186/{number:010}_4e622c8349_z.jpg",
            "id": number,
        }
    )


def _people(rng: Any, start: int, count: int, images: int) -> Iterator[str]:
    import numpy as np

    v = rng.choice([0, 1, 2], (count, KEYPOINTS), p=[0.4, 0.1, 0.5])
    v[rng.random(count) < WITHOUT_KEYPOINTS] = 0
    xy = rng.integers(0, [640, 480], (count, KEYPOINTS, 2)) * (v > 0)[..., None]
    points = np.concatenate([xy, v[..., None]], axis=2).reshape(count, -1).tolist()
    boxes = (rng.integers(0, 64_000, (count, 4)) / 100).tolist()
    areas = (rng.integers(0, 10**9, count) / 10**4).tolist()
    image = rng.integers(1, images + 1, count).tolist()
    corners = np.clip(rng.gamma(2.2, 13.0, count), 3, 150).astype(int).tolist()
    for row in range(count):
        polygon = (rng.integers(0, 64_000, 2 * corners[row]) / 100).tolist()
        entry = {
            "segmentation": [polygon],
            "num_keypoints": int((v[row] > 0).sum()),
            "area": areas[row],
            "iscrowd": 0,
            "keypoints": points[row],
            "image_id": image[row],
            "bbox": boxes[row],
            "category_id": 1,
            "id": start + row + 1,
        }
        if start + row >= LATE and (start + row) % 1000 == 0:
            entry["checked"] = {"by": ["a", None], "on": start + row}
        yield json.dumps(entry, separators=(",", ": "))


CHILDREN: dict[str, Any] = {
    "make": _make,
    "kptdata": _kptdata,
    "equal": _equal,
    "pycocotools": _pycocotools,
    "mmpose": _mmpose,
}


def _table(cases: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'':34}{'ours':>12}{'peer':>12}{'ratio':>9}  asked"]
    for name, case in cases.items():
        sign, limit = LIMITS[name]
        reached = case["ours"] if case["ratio"] is None else case["ratio"]
        good = reached >= limit if sign == ">=" else reached <= limit
        peer, ratio = (
            "" if case[k] is None else f"{case[k]:.{2 if k == 'ratio' else 1}f}"
            for k in ("peer", "ratio")
        )
        lines.append(
            f"{name:34}{case['ours']:>9.1f} {case['unit'][:2]:2}{peer:>12}{ratio:>9}"
            f"  {sign} {limit:g}{'' if good else '  MISSED'}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

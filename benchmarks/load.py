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
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _process import alone, best, case, child, interpreter_of, table, timed
from _train2017 import equal, make

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
    print(json.dumps(cases, indent=2) if options.json else table(cases, LIMITS))


def compare(scale: float, runs: int) -> dict[str, dict[str, Any]]:
    """Run everything on the same file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "train.json", Path(folder) / "written.json"
        # In a process of its own: a child's peak memory begins with that of its parent.
        made = child(sys.executable, __file__, "make", str(source), str(scale))
        print(f"{made['people']:,} people, {made['megabytes']:.0f} MB", file=sys.stderr)
        ours = best(
            child(sys.executable, __file__, "kptdata", str(source), str(target))
            for _ in range(runs)
        )
        kept = child(sys.executable, __file__, "equal", str(source), str(target))
        found = {name: _peer(name, source, runs) for name in PEERS}
    return _cases(ours, kept, {name: row for name, row in found.items() if row})


def _peer(name: str, source: Path, runs: int) -> dict[str, Any] | None:
    interpreter = interpreter_of(PEERS[name])
    if interpreter is None:
        return None
    return best(child(interpreter, __file__, name, str(source)) for _ in range(runs))


def _cases(
    ours: dict[str, Any], kept: dict[str, Any], peers: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    cases = {}
    for name, row in peers.items():
        for title, key in (("time", "load_s"), ("CPU", "load_cpu_s")):
            cases[f"load {title}, {name} / ours"] = case(ours[key], row[key], "s", ours_last=True)
        cases[f"load memory, ours / {name}"] = case(ours["load_mb"], row["load_mb"], "MB")
    cases["write time / load time"] = case(ours["write_s"], ours["load_s"], "s")
    cases["write CPU / load CPU"] = case(ours["write_cpu_s"], ours["load_cpu_s"], "s")
    cases["write memory above load"] = alone(round(ours["write_mb"] - ours["load_mb"], 1), "MB")
    cases["annotations kept equal"] = case(kept["equal"], kept["people"], "annotations")
    return cases


# Contestants


def _kptdata(source: str, target: str) -> dict[str, float]:
    import kptdata as kd

    kd.formats.FORMATS.load("coco")  # imports are not timed, as those of the peers are not
    dataset, load = timed("load", lambda: kd.read(source, format="coco"))
    _, write = timed("write", lambda: kd.write(dataset, target, format="coco"))
    return load | write


def _pycocotools(source: str) -> dict[str, float]:
    from pycocotools.coco import COCO

    return timed("load", lambda: COCO(source))[1]


def _mmpose(source: str) -> dict[str, float]:
    from mmpose.datasets import CocoDataset

    call = lambda: CocoDataset(ann_file=source, data_mode="topdown", pipeline=[])  # noqa: E731
    return timed("load", call)[1]


CHILDREN: dict[str, Any] = {
    "make": make,
    "kptdata": _kptdata,
    "equal": equal,
    "pycocotools": _pycocotools,
    "mmpose": _mmpose,
}


if __name__ == "__main__":
    main()

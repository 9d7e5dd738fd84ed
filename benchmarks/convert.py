"""Converting a COCO file of train2017's size beside its peers, each in fresh processes.

    python benchmarks/convert.py [--json] [--scale S]

COCO is read and written as COCO, YOLO-pose and CVAT, and these are read back. Datumaro reads the
same file and exports COCO and CVAT (which it reads back only beside the pictures); sleap-io reads
it. A peer is run by the first interpreter that imports it (this one, .venv-peers,
.venv-clients/datumaro) and left out, with a word, if none does.
Seconds are those of the call, by the clock and of the processor (the latter hardly depend on what
else runs on the machine); memory is the peak of the whole process. ``--json`` prints one object
``{case: {ours, peer, ratio, unit}}``; the name of a case says which way round its ratio is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from _process import alone, case, child, interpreter_of, table, timed
from _train2017 import make

FORMATS = {"yolo_pose": "yolo", "cvat_images": "people.xml"}
PEERS = {"datumaro": "datumaro", "sleap_io": "sleap_io"}
LIMITS = {
    "load COCO time, datumaro / ours": (">=", 10.0),
    "load COCO time, sleap_io / ours": (">=", 4.0),
    "export COCO time, datumaro / ours": (">=", 20.0),
    "load COCO memory, ours / datumaro": ("<=", 0.5),
    "export COCO memory, ours / datumaro": ("<=", 0.5),
    "load COCO CPU, datumaro / ours": (">=", 10.0),
    "load COCO CPU, sleap_io / ours": (">=", 4.0),
    "export COCO CPU, datumaro / ours": (">=", 20.0),
}
"""What the project aims for."""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the file, 1 = train2017")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, *arguments = options.child
        print(json.dumps(CHILDREN[name](*arguments)))
        return
    cases = compare(options.scale)
    print(json.dumps(cases, indent=2) if options.json else table(cases, LIMITS))


def compare(scale: float) -> dict[str, dict[str, Any]]:
    """Run everything on the same file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "annotations" / "person_keypoints_train.json"
        source.parent.mkdir()
        (folder / "images").mkdir()  # Datumaro wants the folder, not the pictures
        # In a process of its own: a child's peak memory begins with that of its parent.
        made = child(sys.executable, __file__, "make", str(source), str(scale))
        print(f"{made['people']:,} people, {made['megabytes']:.0f} MB", file=sys.stderr)
        ours = child(sys.executable, __file__, "coco", str(source), str(folder / "out.json"))
        for kind, file in FORMATS.items():
            target = folder / file
            ours |= child(sys.executable, __file__, "write", str(source), kind, str(target))
            ours |= child(sys.executable, __file__, "read", kind, str(target))
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        peers = {}
        for peer, module in PEERS.items():
            interpreter = interpreter_of(module)
            if interpreter is not None:
                peers[peer] = child(interpreter, __file__, peer, str(source), str(folder / peer))
    return _cases(ours, peers)


def _cases(ours: dict[str, float], peers: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    cases: dict[str, dict[str, Any]] = {}
    for step in [key.removesuffix("_cpu_s") for key in ours if key.endswith("_cpu_s")]:
        rivals = {name: row for name, row in peers.items() if f"{step}_s" in row}
        if not rivals:
            cases[f"{step} time"] = alone(round(ours[f"{step}_s"], 3), "s")
            cases[f"{step} memory"] = alone(round(ours[f"{step}_mb"], 3), "MB")
        for name, row in rivals.items():
            for title, key in (("time", f"{step}_s"), ("CPU", f"{step}_cpu_s")):
                cases[f"{step} {title}, {name} / ours"] = case(
                    ours[key], row[key], "s", ours_last=True
                )
            key = f"{step}_mb"
            cases[f"{step} memory, ours / {name}"] = case(ours[key], row[key], "MB")
    return cases


# Contestants


def _coco(source: str, target: str) -> dict[str, float]:
    import kptdata as kd

    kd.formats.FORMATS.load("coco")  # imports are not timed, as those of the peers are not
    dataset, load = timed("load COCO", lambda: kd.read(source, format="coco"))
    _, export = timed("export COCO", lambda: kd.write(dataset, target, format="coco"))
    return load | export


def _write(source: str, kind: str, target: str) -> dict[str, float]:
    import kptdata as kd

    kd.formats.FORMATS.load(kind)
    dataset = kd.read(source, format="coco")
    return timed(f"export {_title(kind)}", lambda: kd.write(dataset, target, format=kind))[1]


def _read(kind: str, path: str) -> dict[str, float]:
    import kptdata as kd

    kd.formats.FORMATS.load(kind)
    return timed(f"load {_title(kind)}", lambda: kd.read_all(path, format=kind))[1]


def _title(kind: str) -> str:
    return {"yolo_pose": "YOLO", "cvat_images": "CVAT"}[kind]


def _datumaro(source: str, target: str) -> dict[str, float]:
    import datumaro

    def load() -> Any:
        dataset = datumaro.Dataset.import_from(source, "coco_person_keypoints")
        dataset.init_cache()
        return dataset

    dataset, found = timed("load COCO", load)
    for step, kind in (("export COCO", "coco_person_keypoints"), ("export CVAT", "cvat")):
        folder = f"{target}-{kind}"
        found |= timed(step, lambda f=folder, k=kind: dataset.export(f, k, save_media=False))[1]
    return found


def _sleap_io(source: str, _target: str) -> dict[str, float]:
    import sleap_io

    return timed("load COCO", lambda: sleap_io.load_coco(source))[1]


CHILDREN: dict[str, Any] = {
    "make": make,
    "coco": _coco,
    "write": _write,
    "read": _read,
    "datumaro": _datumaro,
    "sleap_io": _sleap_io,
}


if __name__ == "__main__":
    main()

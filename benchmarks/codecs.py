"""Every codec beside MMPose 1.3.2: microseconds per instance, one thread, the same inputs.

    python benchmarks/codecs.py [--json] [--seconds S] [--only TEXT]

Processor time, the best of many; 17 points, input 192 x 256, heatmaps 48 x 64. MMPose runs in an
environment of its own, `.venv-peers` (benchmarks/peers.txt says how to make it); without one its
column is empty. It has no batches, so its figure for a batch is a loop. The bound is how long this
machine takes to write (for encoding) or read (for decoding) the arrays of the case once, as many of
them in one go as there are instances. Where there is a GPU its column is wall-clock time.
"""

# ruff: noqa: E402  (threads are counted before NumPy is loaded)
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _codecs_cases import BATCH, CASES, INPUT, Case, best, draw

from kptdata import codecs

HERE = Path(__file__).parent
PEER = HERE.parent / ".venv-peers" / "bin" / "python"
UNIT = "us per instance"
ROWS: dict[str, Any] = {"single": 0, f"batch of {BATCH}": slice(None)}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one object as JSON")
    parser.add_argument("--seconds", type=float, default=0.4, help="time spent on each figure")
    parser.add_argument("--only", default="", help="print the cases whose name holds this text")
    options = parser.parse_args()
    report = {k: v for k, v in compare(options.seconds).items() if options.only in k}
    print(json.dumps(report, indent=2) if options.json else table(report))


def compare(seconds: float) -> dict[str, dict[str, Any]]:
    """Return for each case ours, the peer's, their ratio, torch's and the bound by memory."""
    report: dict[str, dict[str, Any]] = {}
    saved: dict[str, np.ndarray] = {}
    for name, case in CASES.items():
        outputs = _outputs(case)
        saved |= {f"{name}.{i}": one for i, one in enumerate(outputs)}
        for device, change in _devices():
            drawn = {key: change(value) for key, value in draw(case.kind, BATCH).items()}
            given = tuple(change(one) for one in outputs)
            for op in case.ops:
                for label, spent in _time(case, op, drawn, given, device, seconds).items():
                    report.setdefault(f"{name}, {op}, {label}", {"unit": UNIT})[device] = spent
        for op in case.ops:
            for label, spent in _bounds(case, op, outputs, seconds / 4).items():
                report[f"{name}, {op}, {label}"]["bound"] = spent
    peer = _peer(saved, seconds)
    for name, row in report.items():
        row["peer"] = round(peer[name], 2) if name in peer else None
        row["ratio"] = round(row["peer"] / row["ours"], 2) if name in peer else None
    return report


def _devices() -> list[tuple[str, Any]]:
    import torch

    torch.set_num_threads(1)
    devices: list[tuple[str, Any]] = [("ours", lambda a: a), ("torch", torch.from_numpy)]
    if torch.cuda.is_available():
        devices.append(("cuda", lambda a: torch.from_numpy(a).cuda()))
    return devices


def _time(
    case: Case,
    op: str,
    drawn: dict[str, Any],
    outputs: tuple[Any, ...],
    device: str,
    seconds: float,
) -> dict[str, float]:
    codec = codecs.build(case.codec, **case.params)
    found = {}
    for label, rows in ROWS.items():
        count = BATCH if isinstance(rows, slice) else 1
        if op == "encode":
            some = {key: value[rows] for key, value in drawn.items()}
            run = _encoder(codec, case.kind, some)
        else:
            run = _decoder(codec, tuple(one[rows] for one in outputs))
        clock = time.perf_counter if device == "cuda" else None
        found[label] = round(best(_synchronised(run, device), seconds, clock) / count, 2)
    return found


def _synchronised(run: Any, device: str) -> Any:
    if device != "cuda":
        return run
    import torch

    def wait() -> None:
        run()
        torch.cuda.synchronize()

    return wait


def _encoder(codec: Any, kind: str, drawn: dict[str, Any]) -> Any:
    xy = drawn["xy"]
    labelled = xy[..., 0] > -1e9
    fields = _fields(kind, drawn)
    return lambda: codec.encode(xy, labelled, **fields)


def _fields(kind: str, drawn: dict[str, Any]) -> dict[str, Any]:
    xy = drawn["xy"]
    if kind == "hand":
        depth = xy[..., 0, 0, 0]
        people = xy[..., :, :2, 0] * 0
        return {
            "rel_root_depth": depth, "rel_root_valid": depth * 0 + 1,
            "hand_type": people, "hand_type_valid": people[..., 0],
        }  # fmt: skip
    if kind == "edpose":
        return {"bbox": drawn["bbox"], "area": drawn["area"], "image_size": INPUT}
    if "target" not in drawn:
        return {}
    target = drawn["target"]
    fields = {"lifting_target": target, "lifting_target_visible": target[..., 0] > -1e9}
    if kind != "image":
        pair = xy[..., 0, 0, :] * 0
        fields["camera"] = codecs.Camera(pair + 1000, pair + 1100, pair + 500)
    return fields


def _decoder(codec: Any, outputs: tuple[Any, ...]) -> Any:
    if isinstance(codec, codecs.EDPoseLabel):
        return lambda: codec.decode(*outputs, image_size=INPUT)
    return lambda: codec.decode(*outputs)


def _outputs(case: Case) -> tuple[np.ndarray, ...]:
    """Return what a good network puts out: perfect targets and a little noise."""
    drawn = draw(case.kind, BATCH)
    if case.kind == "edpose":
        return drawn["logits"], drawn["boxes"], drawn["queries"]
    codec = codecs.build(case.codec, **case.params)
    perfect = codec.as_output(_encoder(codec, case.kind, drawn)())
    if case.kind == "denormal":  # the tails of a gaussian that nobody cut off
        return tuple(np.maximum(one, np.float32(1e-42)) for one in perfect)
    rng = np.random.default_rng(1)
    return tuple(
        (one + rng.normal(0, 0.01, one.shape) * np.abs(one).max()).astype(np.float32)
        for one in perfect[: 1 if "lifting" in case.codec.lower() else None]
    )


def _peer(saved: dict[str, np.ndarray], seconds: float) -> dict[str, float]:
    if not PEER.exists():
        print(f"{PEER} is not there: see benchmarks/peers.txt", file=sys.stderr)
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outputs.npz"
        np.savez(path, **saved)
        command = [str(PEER), str(HERE / "_codecs_peer.py"), str(path), str(seconds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    times: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return times


def _bounds(
    case: Case, op: str, outputs: tuple[np.ndarray, ...], seconds: float
) -> dict[str, float]:
    """Return how long the arrays of an instance take to write (encode) or read (decode) once."""
    arrays = list(outputs)
    if op == "encode":
        codec, drawn = codecs.build(case.codec, **case.params), draw(case.kind, BATCH)
        arrays = list(_arrays_of(_encoder(codec, case.kind, drawn)()))
    found = {}
    for label, rows in ROWS.items():
        some = [np.ascontiguousarray(one[rows]) for one in arrays if one.ndim and len(one) == BATCH]
        count = BATCH if isinstance(rows, slice) else 1
        found[label] = round(best(lambda a=some, o=op: _touch(a, o), seconds) / count, 2)
    return found


def _arrays_of(target: Any) -> Iterator[np.ndarray]:
    if isinstance(target, tuple):
        for one in target:
            yield from _arrays_of(one)
    else:
        yield np.asarray(target)


def _touch(arrays: list[np.ndarray], op: str) -> None:
    for one in arrays:
        if op == "encode":
            np.empty(one.shape, one.dtype).fill(1)
        else:
            one.reshape(-1).max()


def table(report: dict[str, dict[str, Any]]) -> str:
    """Return the report as a Markdown table."""
    columns = ["ours", "peer", "ratio", "bound", "torch"]
    if any("cuda" in row for row in report.values()):
        columns.append("cuda")
    titles = ["MMPose" if column == "peer" else column for column in columns]
    lines = [f"| case | {' | '.join(titles)} |", "|---|" + "---:|" * len(columns)]
    for name, row in report.items():
        cells = [
            "" if row.get(c) is None else f"{row[c]:.1f}{'x' if c == 'ratio' else ''}"
            for c in columns
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

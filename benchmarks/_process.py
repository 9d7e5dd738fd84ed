"""Contestants in fresh processes: who is there, what a call takes."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "alone", "best", "case", "child", "interpreter_of", "peak_mb", "resident_mb", "table", "timed",
]  # fmt: skip

ROOT = Path(__file__).parents[1]
INTERPRETERS = (
    sys.executable,
    str(ROOT / ".venv-peers" / "bin" / "python"),
    str(ROOT / ".venv-clients" / "datumaro" / "bin" / "python"),
)


def interpreter_of(module: str) -> str | None:
    """Return the first interpreter that imports a peer; None, with a word, if none does."""
    for interpreter in INTERPRETERS:
        command = [interpreter, "-W", "ignore", "-c", f"import {module}"]
        if Path(interpreter).exists():
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 0:
                return interpreter
    print(f"{module} left out: no interpreter imports it (CONTRIBUTING.md)", file=sys.stderr)
    return None


def child(interpreter: str, script: str, *arguments: str) -> dict[str, Any]:
    """Run ``script --child arguments`` and return the object that it prints last."""
    command = [interpreter, "-W", "ignore", script, "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def best(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the least of each figure."""
    listed = list(rows)
    return {key: min(row[key] for row in listed) for key in listed[0]}


def case(ours: float, peer: float, unit: str, *, ours_last: bool = False) -> dict[str, Any]:
    """Return one case of the printed object."""
    ratio = peer / ours if ours_last else ours / peer
    return {"ours": round(ours, 3), "peer": round(peer, 3), "ratio": round(ratio, 3), "unit": unit}


def alone(value: float, unit: str) -> dict[str, Any]:
    """Return one case that has no peer."""
    return {"ours": value, "peer": None, "ratio": None, "unit": unit}


def timed(prefix: str, call: Any) -> tuple[Any, dict[str, float]]:
    """Return what a call returns, and its seconds by clock and processor, and the peak memory."""
    begun, begun_cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        kept = call()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    return kept, {f"{prefix}_s": seconds, f"{prefix}_cpu_s": cpu, f"{prefix}_mb": peak_mb()}


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_mb(process: int) -> float:
    """Return the memory that a process has now, shared pages included, in MB."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    (line,) = (row for row in status.splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def table(cases: dict[str, dict[str, Any]], limits: dict[str, tuple[str, float]]) -> str:
    """Return the cases as lines, each beside what was asked for."""
    lines = [f"{'':40}{'ours':>12}{'peer':>12}{'ratio':>9}  asked"]
    for name, row in cases.items():
        peer, ratio = (
            "" if row[k] is None else f"{row[k]:.{2 if k == 'ratio' else 1}f}"
            for k in ("peer", "ratio")
        )
        asked = ""
        if name in limits:
            sign, limit = limits[name]
            reached = row["ours"] if row["ratio"] is None else row["ratio"]
            good = reached >= limit if sign == ">=" else reached <= limit
            asked = f"  {sign} {limit:g}{'' if good else '  MISSED'}"
        lines.append(f"{name:40}{row['ours']:>9.1f} {row['unit'][:2]:2}{peer:>12}{ratio:>9}{asked}")
    return "\n".join(lines)

"""What every client is compared with; the standard library alone, as each is installed apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

Points = dict[str, tuple[float, ...]]


class Person(NamedTuple):
    """Someone as a tool loaded them: picture, and name -> x, y and what else is compared."""

    file_name: str
    points: Points


def wanted(folder: Path) -> list[dict[str, Any]]:
    """Return the people that were written."""
    found: list[dict[str, Any]] = json.loads((folder / "points.json").read_text("utf-8"))
    return found


def compare(people: list[Person], folder: Path, *, tolerance: float, values: int = 3) -> str:
    """Pair people of a picture by their points; stop with the first difference.

    Args:
        people: what the tool loaded.
        folder: where ``points.json`` is.
        tolerance: of coordinates, pixels.
        values: how many values of a point are compared: 2 for x and y, 3 with the visibility.
    """
    ours = [
        Person(p["file_name"], {n: tuple(v[:values]) for n, v in p["points"].items()})
        for p in wanted(folder)
    ]
    if len(people) != len(ours):
        raise SystemExit(f"{len(ours)} people were written, {len(people)} were loaded")
    worst = 0.0
    for mine, theirs in zip(sorted(ours, key=_place), sorted(people, key=_place), strict=True):
        if mine.file_name != theirs.file_name or set(mine.points) != set(theirs.points):
            raise SystemExit(f"written: {mine}\nloaded: {theirs}")
        for name, point in mine.points.items():
            other = theirs.points[name]
            gap = max(abs(a - b) for a, b in zip(point[:2], other[:2], strict=True))
            worst = max(worst, gap)
            if gap > tolerance or tuple(point[2:]) != tuple(other[2:values]):
                raise SystemExit(f"{mine.file_name}, {name}: wrote {point}, loaded {other}")
    points = sum(len(p.points) for p in ours)
    return f"{len(ours)} people, {points} points agree; largest difference {worst:.2g} px"


def _place(person: Person) -> tuple[Any, ...]:
    """Sort by what rounding hardly changes."""
    first = sorted(person.points.items())
    return (
        person.file_name,
        tuple(name for name, _ in first),
        tuple(round(v, 1) for _, p in first for v in p[:2]),
    )

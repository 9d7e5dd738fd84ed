"""What an evaluation found: figures whose names say what they are, and what was done."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Evaluation", "Figure", "MetricResult"]


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        name: with everything that defines it: ``PCK@0.2[bbox_max]``.
        value: NaN where it is not defined.
        unit: ``%``, ``px``, another unit of length, or empty for a share from 0 to 1.
        why: the reason, where `value` is NaN.
    """

    name: str
    value: float
    unit: str = ""
    why: str = ""

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"n/a ({self.why})" if self.why else "n/a"
        digits = 3 if self.unit else 4
        return f"{self.value:.{digits}f}{' ' + self.unit if self.unit else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; an undefined figure is null with its reason."""
        out: dict[str, Any] = {"name": self.name, "value": self.value, "unit": self.unit}
        if math.isnan(self.value):
            out |= {"value": None, "why": self.why}
        return out


@dataclass(frozen=True)
class MetricResult:
    """The figures of one metric.

    Attributes:
        metric: as it was asked for.
        figures: the summary, in the order of its protocol.
        details: per keypoint, category or band.
        facts: sentences: what was counted, ignored, decided.
        counts: the same as numbers, for programs.
    """

    metric: str
    figures: tuple[Figure, ...]
    details: tuple[Figure, ...] = ()
    facts: tuple[str, ...] = ()
    counts: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "metric": self.metric,
            "figures": [figure.to_dict() for figure in self.figures],
            "details": [figure.to_dict() for figure in self.details],
            "facts": list(self.facts),
            "counts": self.counts or {},
        }


@dataclass(frozen=True)
class Evaluation:
    """Everything that one evaluation found.

    Attributes:
        results: one per metric, in the order asked for.
        facts: sentences about both files: images, schemas, decisions.

    ``evaluation["AP"]`` is the value of a figure.
    """

    results: tuple[MetricResult, ...]
    facts: tuple[str, ...] = ()

    def _figures(self) -> Iterator[tuple[str, Figure]]:
        for result in self.results:
            for figure in (*result.figures, *result.details):
                yield result.metric, figure

    def __getitem__(self, name: str) -> float:
        """Return the value of the first figure of this name; `KeyError` lists the names."""
        for _, figure in self._figures():
            if figure.name == name:
                return figure.value
        raise KeyError(f"{name!r}; figures are {', '.join(f.name for _, f in self._figures())}")

    def table(self, *, details: bool = True) -> str:
        """Return the figures as aligned text, what was done underneath."""
        blocks = []
        for result in self.results:
            shown = (*result.figures, *(result.details if details else ()))
            width = max((len(figure.name) for figure in shown), default=0)
            lines = [f"{figure.name:<{width}}  {figure}" for figure in shown]
            blocks.append(
                "\n".join([result.metric, *lines, *(f"  - {fact}" for fact in result.facts)])
            )
        if self.facts:
            blocks.append("\n".join(["data", *(f"  - {fact}" for fact in self.facts)]))
        return "\n\n".join(blocks)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, every digit kept."""
        return {
            "metrics": [result.to_dict() for result in self.results],
            "facts": list(self.facts),
        }

    def to_csv(self) -> str:
        """Return one row per figure: metric, figure, value (empty where undefined), unit."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["metric", "figure", "value", "unit"])
        for metric, figure in self._figures():
            value = "" if math.isnan(figure.value) else repr(float(figure.value))
            writer.writerow([metric, figure.name, value, figure.unit])
        return out.getvalue()

"""Metrics: pure functions in `kptdata.metrics.arrays`, `evaluate` for two datasets.

>>> from kptdata import metrics
>>> metrics.METRICS[:3]
('oks', 'crowdpose', 'wholebody')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kptdata.metrics import arrays, datasets
    from kptdata.metrics.datasets import METRICS, Scoring, evaluate
    from kptdata.metrics.result import Evaluation, Figure, MetricResult

__all__ = [
    "METRICS",
    "Evaluation",
    "Figure",
    "MetricResult",
    "Scoring",
    "arrays",
    "datasets",
    "evaluate",
]

_HOMES = {
    "METRICS": "datasets",
    "Scoring": "datasets",
    "evaluate": "datasets",
    "Evaluation": "result",
    "Figure": "result",
    "MetricResult": "result",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `datasets` stands above `arrays`."""
    if name in _HOMES:
        return getattr(import_module(f"kptdata.metrics.{_HOMES[name]}"), name)
    if name in {"arrays", "datasets"}:
        return import_module(f"kptdata.metrics.{name}")
    raise AttributeError(f"module 'kptdata.metrics' has no attribute {name!r}")

"""The log of a run as CSV: one row per value, appended, continued where a run is resumed."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

__all__ = ["CsvLog", "read_log"]

_COLUMNS = ("step", "name", "value")


class CsvLog(Logger):
    """Rows ``step,name,value``; rows of steps that a resumed run repeats are replaced.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        """Nothing: the run's folder has the name."""
        return ""

    @property
    def version(self) -> str:
        """Nothing, as for `name`."""
        return ""

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: the resolved run file is beside the log."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row per value; numbers are written so that they read back exactly."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(_COLUMNS)
            for name, value in metrics.items():
                if name != "epoch":
                    writer.writerow((step, name, repr(float(value))))

    def cut(self, step: int) -> None:
        """Drop the rows of `step` and later: they will be written again."""
        if not self.path.exists():
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["value"] is not None]
        kept = [row for row in rows if int(row["step"]) < step]
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)


def read_log(path: str | Path) -> dict[str, dict[int, float]]:
    """Read a log: name -> step -> value."""
    log: dict[str, dict[int, float]] = {}
    with Path(path).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            log.setdefault(row["name"], {})[int(row["step"])] = float(row["value"])
    return log

"""The table of errors in docs/codecs.md is what benchmarks/codec_errors.py measures."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("| \n").split("|")]


def test_the_page_has_the_measured_errors():
    spec = importlib.util.spec_from_file_location(
        "codec_errors", ROOT / "benchmarks" / "codec_errors.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "codecs.md").read_text().splitlines()
    written = {_cells(row)[0]: _cells(row) for row in page if row.startswith("|")}

    measured = script.rows(script.measure())[2:] + script.other_rows(script.measure_others())[2:]
    for row in measured:
        name, *numbers = _cells(row)
        for found, shown in zip(numbers, written[name][1:], strict=True):
            if found != shown:  # the last digit may turn on another machine
                assert float(found.split()[0]) == pytest.approx(float(shown.split()[0]), abs=2e-3)

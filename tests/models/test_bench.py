"""`kpt bench data`: figures that add up, as a table and as JSON."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from kptdata.errors import OptionError
from kptdata_models.bench import bench_data
from kptdata_models.runfile import Run


def test_figures_add_up(run):
    made = bench_data(run, samples=6)
    assert made.samples >= 6
    assert made.samples_per_second > 0
    assert set(made.stage_ms) == {"decode", "draw", "place", "warp", "effects", "target", "rest"}
    assert made.stage_ms[made.bound] == max(made.stage_ms.values())
    assert made.memory_mb > 10
    assert 0 < made.first_batch_s < 60
    assert f"bound by: {made.bound}" in str(made)
    with pytest.raises(OptionError, match="samples: expected 1 or more, got 0"):
        bench_data(run, samples=0)


def test_the_command(plan, tmp_path):
    from kpt.commands.bench import command

    path = tmp_path / "run.toml"
    path.write_text(Run.from_dict(plan).to_toml())
    done = CliRunner().invoke(
        command, ["data", str(path), "--samples", "4", "--set", "train.workers=1", "--json"]
    )
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures["workers"] == 1
    assert figures["samples"] >= 4

"""``kpt bench``: how fast a run's data loads."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("bench")
def command() -> None:
    """Measure how fast the data of a run loads, and what it waits for."""


@command.command("data")
@click.argument("run_file", type=click.Path(path_type=Path), metavar="RUN.toml")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY.KEY=VALUE",
    help="Override a value of the run file, such as train.workers=2; repeatable.",
)  # fmt: skip
@click.option(
    "--samples", default=256, show_default=True, type=click.IntRange(min=1), metavar="N",
    help="Load this many samples.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def data_command(run_file: Path, overrides: tuple[str, ...], samples: int, as_json: bool) -> None:
    """Load training samples and say how fast, with the time of each stage and what bounds it."""
    import json

    from kptdata_models.bench import bench_data
    from kptdata_models.runfile import read_run

    measured = bench_data(read_run(run_file, overrides), samples=samples)
    click.echo(json.dumps(measured.to_dict()) if as_json else str(measured))

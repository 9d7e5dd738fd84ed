"""``kpt model``: what a run's model is made of, and whether its parts fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kptdata_models.summary import Summary


@click.command("model")
@click.argument("run_file", type=click.Path(path_type=Path), metavar="RUN.toml")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY.KEY=VALUE",
    help="Override a value of the run file; may be given several times.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print data on stdout.")
def command(run_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show stages, shapes, strides, parameters and operations of a run's model."""
    from kpt._options import echo_json
    from kptdata_models.runfile import read_run
    from kptdata_models.summary import summarise_run

    summary = summarise_run(read_run(run_file, overrides))
    if as_json:
        echo_json(summary.to_dict())
    else:
        _print(summary)


def _print(summary: Summary) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "output", "stride", "parameters")
    for stage in summary.stages:
        shapes = ", ".join("x".join(map(str, shape)) for shape in stage.shape)
        strides = ", ".join(f"{stride:g}" for stride in stage.stride)
        table.add_row(stage.name, shapes, strides, f"{stage.parameters:,}")
    console = Console(stderr=True)
    console.print(table)
    width, height = summary.input_size
    console.print(
        f"input {width} x {height}: {summary.parameters:,} parameters, {summary.gflops:.3f} GFLOPs"
    )

"""``kpt train``: train the model that a run file describes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train")
@click.argument("run_file", type=click.Path(path_type=Path), metavar="RUN.toml")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="DIR",
    help="Folder of the run.  [default: runs/NAME of the run file]",
)  # fmt: skip
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY.KEY=VALUE",
    help="Override a value of the run file; may be given several times.",
)  # fmt: skip
@click.option(
    "--resume", metavar="auto|CKPT",
    help="Go on from a checkpoint; auto takes the last one of the folder, if there is one.",
)  # fmt: skip
@click.option(
    "--overfit", default=0, type=click.IntRange(min=0), metavar="N",
    help="Train and validate on N instances alone, without augmentation.",
)  # fmt: skip
def command(
    run_file: Path, out: Path | None, overrides: tuple[str, ...], resume: str | None, overfit: int
) -> None:
    """Train the model that a run file describes.

    Everything that does not fit is refused before the first step.
    """
    from kptdata_models.runfile import read_run
    from kptdata_models.train import fit

    folder = out or Path("runs") / run_file.stem
    fit(
        read_run(run_file, overrides),
        folder,
        resume=resume,
        overfit=overfit,
        say=lambda line: click.echo(line, err=True),
    )

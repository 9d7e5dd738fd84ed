"""Entry point: a lazy group that imports a command's module only when that command runs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

__all__ = ["COMMANDS", "group", "main"]

COMMANDS = {
    "bench": "Measure how fast the data of a run loads, and what it waits for.",
    "check": "Find problems in annotations: rule, severity, ids.",
    "convert": "Convert annotations from one format (and schema) to another.",
    "demo": "Show it all on drawn people: convert, check, draw, train and evaluate, on one page.",
    "eval": "Compare predictions with ground truth: AP, PCK, EPE, NME, MPJPE.",
    "filter": "Keep the instances for which an expression over columns holds.",
    "formats": "List the formats: what reads, what writes, and what each one cannot hold.",
    "info": "Say what an annotation file holds, and what it lacks.",
    "merge": "Join datasets of one or several schemas into one.",
    "model": "Show stages, shapes, strides, parameters and operations of a run's model.",
    "predict": "Predict keypoints in images with a trained model.",
    "schema": "List, show, check, recognise, map and import keypoint schemas.",
    "split": "Divide the images of a dataset at random, with their instances.",
    "synth": "Draw N images of people with exact keypoints, visibility, boxes and areas.",
    "train": "Train the model that a run file describes.",
    "viz": "Draw annotations, heatmaps and other targets: PNG files and a page that shows them.",
}
"""Name -> one line of help; the module is ``kpt.commands.<name>``."""


class LazyGroup(click.Group):
    """A group whose help needs the table alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command's module."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module: Any = import_module(f"kpt.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which names are near."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else "see kpt --help"
            ctx.fail(f"no command {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kptdata", prog_name="kpt")
def group() -> None:
    """Keypoint annotations: convert, check, draw, train, evaluate."""


def main() -> None:
    """Run ``kpt``; only the project's own errors become messages, anything else shows itself."""
    try:
        group(prog_name="kpt")
    except Exception as error:
        # Imported here, so that `kpt --help` stays without kptdata.
        from kptdata.errors import KptDataError

        if not isinstance(error, KptDataError):
            raise
        click.echo(f"kpt: error: {error}", err=True)
        sys.exit(1)

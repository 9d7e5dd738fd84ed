"""``kpt demo``: from drawn people to a trained model, command by command, on one page."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kptdata.viz import Page

__all__ = ["Done", "Step", "command", "run_step", "steps"]


@dataclass(frozen=True)
class Step:
    """One command of the demonstration.

    Attributes:
        title: its heading on the page.
        about: what it shows.
        arguments: what follows ``kpt``.
        shows: pattern of the pictures, under the demo's folder, that the command makes.
        shown: how many of them the page shows.
        quiet: leave out what the command prints.
        action: a function of the demo's folder in place of a command; it returns what to print.
    """

    title: str
    about: str
    arguments: tuple[str, ...]
    shows: str | None = None
    shown: int = 1
    quiet: bool = False
    action: Callable[[Path], str] | None = None


@dataclass(frozen=True)
class Done:
    """A step that has run: what was typed, what was printed, how long it took."""

    step: Step
    line: str
    output: str
    seconds: float


def steps(out: Path, *, train: bool = True) -> tuple[Step, ...]:
    """List the demonstration's commands, in order; they write under `out`."""
    mpii, images = str(out / "people" / "annotations.mat"), str(out / "people" / "images")
    coco, whole = str(out / "people.json"), str(out / "whole")
    return (
        Step(
            "People",
            "Drawn people with exact keypoints, in the layout of MPII's release: 16 points, "
            "1-based, head boxes.",
            ("synth", "120", "-o", str(out / "people"), "--layout", "mpii", "--seed", "1"),
        ),
        Step(
            "What is in a file",
            "The format is recognised from the file itself.",
            ("info", mpii),
        ),
        Step(
            "Annotations as pictures",
            "A disc is a visible point, a ring an occluded one.",
            ("viz", "annotations", mpii, "--images", images, "-o", str(out / "annotations"),
             "--sheet", "4x3", "--limit", "12"),
            shows="annotations/*.png",
        ),
        Step(
            "From one skeleton to another",
            "Points are mapped by what they are, not by their number; what has no counterpart is "
            "named.",
            ("schema", "map", "mpii", "coco"),
        ),
        Step(
            "MPII to COCO",
            "Every value that the new file cannot hold is counted, and every one that it needs and "
            "the old one lacks.",
            ("convert", mpii, f"coco:{coco}", "--schema", "coco", "--images", images),
        ),
        Step(
            "Checked",
            "Findings come with a rule and ids.",
            ("check", coco, "--images", images),
        ),
        Step(
            "Heatmaps",
            "What a network is trained on, decoded again: the codec's crop, one map per keypoint, "
            "and decoded minus annotated in pixels.",
            ("viz", "heatmaps", coco, "--images", images, "-o", str(out / "heatmaps"),
             "--codec", "UDPHeatmap", "--limit", "2"),
            shows="heatmaps/*.png",
        ),
        Step(
            "Other targets",
            "The same person as rows of bins.",
            ("viz", "targets", coco, "--images", images, "-o", str(out / "targets"),
             "--codec", "SimCCLabel", "--limit", "1"),
            shows="targets/*.png",
        ),
        Step(
            "Whole bodies",
            "The same drawn people have 133 points: body, feet, face and hands.",
            ("synth", "4", "-o", whole, "--layout", "coco-wholebody", "--seed", "6",
             "--size", "512x512"),
        ),
        Step(
            "133 points",
            "Marks shrink where points are close.",
            ("viz", "annotations", f"{whole}/annotations.json", "--schema", "coco_wholebody",
             "-o", str(out / "whole_annotations"), "--sheet", "2x2", "--limit", "4"),
            shows="whole_annotations/*.png",
        ),
        *(training_steps(out) if train else ()),
    )  # fmt: skip


def training_steps(out: Path) -> tuple[Step, ...]:
    """List the commands that train a model and judge it on people that it has not seen."""
    from kpt._demo_model import METRIC, compare, write_run

    held_out = out / "held_out"
    truth, images = str(held_out / "annotations.json"), str(held_out / "images")
    checkpoint, found = str(out / "run" / "best.ckpt"), str(out / "found.json")
    return (
        Step(
            "People to learn from",
            "More drawn people, in COCO's layout.",
            ("synth", "1200", "-o", str(out / "train"), "--seed", "11"),
        ),
        Step(
            "People to be judged on",
            "Another seed: other bodies, poses, clothes, backgrounds and occluders.",
            ("synth", "200", "-o", str(held_out), "--seed", "12"),
        ),
        Step("A run", "Everything that training depends on is in one file.", (), action=write_run),
        Step(
            "Stages, parameters, operations",
            "Parts that do not fit are refused here, with the key and the value to set.",
            ("model", str(out / "run.toml")),
        ),
        Step(
            "Training",
            "Targets left, predictions right, after the last epoch.",
            ("train", str(out / "run.toml"), "-o", str(out / "run")),
            shows="run/samples/*9.png",
        ),
        Step(
            "Better than a guess",
            "The guess puts the mean pose of the training set into each box.",
            (),
            action=compare,
        ),
        Step(
            "Evaluated",
            "The figures of the field, with an account of what was counted.",
            ("eval", checkpoint, truth, "--images", images, "--metric", "oks", "--metric", METRIC),
        ),
        Step(
            "Predicted heatmaps",
            "Target left, prediction right.",
            ("viz", "heatmaps", truth, "--images", images, "-o", str(out / "predicted_maps"),
             "--checkpoint", checkpoint, "--limit", "2"),
            shows="predicted_maps/*.png",
            shown=2,
        ),
        Step(
            "Predictions are a dataset",
            "They are written, read and drawn like annotations.",
            ("predict", checkpoint, images, "--boxes", truth, "-o", found),
        ),
        Step(
            "Drawn on the images",
            "Held-out people as the model sees them.",
            ("viz", "annotations", found, "--images", images, "-o", str(out / "found"),
             "--sheet", "4x3", "--limit", "12"),
            shows="found/*.png",
        ),
    )  # fmt: skip


def run_step(step: Step, out: Path) -> Done:
    """Run one command in this process as a shell would, and keep what it prints.

    Raises:
        KptDataError: the command failed with a message.
        ClickException: its arguments are wrong.
    """
    from kpt.main import group

    printed = StringIO()
    start = time.perf_counter()
    if step.action is not None:
        text = step.action(out)
        return Done(step, f"# {step.title.lower()}", text, time.perf_counter() - start)
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            group.main(list(step.arguments), prog_name="kpt", standalone_mode=False)
        except SystemExit as leave:  # a command that tells its finding by its exit status
            if leave.code not in (0, 1, None, False, True):
                raise
    line = shlex.join(["kpt", *step.arguments])
    return Done(step, line, printed.getvalue(), time.perf_counter() - start)


def write_page(out: Path, done: Sequence[Done]) -> Path:
    """Write ``index.html``: each command, what it printed and what it drew."""
    from kptdata.viz import Page

    total = sum(one.seconds for one in done)
    page = Page(
        "kptdata, from annotations to a trained model",
        f"Made by kpt demo: {len(done)} commands, {total:.0f} s. Each picture stands under the "
        "command that drew it.",
    )
    for one in done:
        _show(page, out, one)
    times = page.section("Time")
    times.table(
        ["command", "seconds"],
        [[one.line.split(" -", 1)[0], f"{one.seconds:.1f}"] for one in done],
    )
    page.save(out / "index.html")
    return out / "index.html"


def _show(page: Page, out: Path, one: Done) -> None:
    from kptdata.viz import read_picture

    section = page.section(one.step.title).text(one.step.about).command(one.line)
    if one.output.strip() and not one.step.quiet:
        section.output(one.output)
    if one.step.shows is not None:
        for path in sorted(out.glob(one.step.shows))[: one.step.shown]:
            section.picture(read_picture(path))


@click.command("demo")
@click.option(
    "-o", "--out", default="demo", show_default=True, type=click.Path(path_type=Path),
    metavar="DIR", help="Folder for everything that is made.",
)  # fmt: skip
@click.option(
    "--train/--no-train", default=True, show_default=True, help="Also train and judge a model."
)
def command(out: Path, train: bool) -> None:
    """Show it all on drawn people: convert, check, draw, train and evaluate, on one page."""
    done = []
    for step in steps(out, train=train):
        done.append(run_step(step, out))
        click.echo(f"{done[-1].seconds:6.1f} s  {done[-1].line}", err=True)
    page = write_page(out, done)
    seconds = sum(one.seconds for one in done)
    click.echo(f"{seconds:6.1f} s  in all; open {page}", err=True)
    sys.exit(0)

"""``kpt synth``: procedural people with exact keypoints."""

from __future__ import annotations

from pathlib import Path

import click


def parse_size(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, int]:
    """Read ``256x192`` as width and height."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.BadParameter(f"expected WIDTHxHEIGHT such as 256x192, got {text!r}")
    return int(width), int(height)


@click.command("synth")
@click.argument("n", type=click.IntRange(min=0))
@click.option(
    "-o", "--out", "out_dir", required=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Folder for images/ and the annotation file.",
)  # fmt: skip
@click.option(
    "--layout", default="coco", show_default=True, metavar="L",
    help="mpii (16 points, .mat), coco (17) or coco-wholebody (133).",
)  # fmt: skip
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="S",
    help="Another seed, other people.",
)  # fmt: skip
@click.option(
    "--size", default="256x256", show_default=True, callback=parse_size, metavar="WxH",
    help="Width and height of an image, pixels.",
)  # fmt: skip
def command(n: int, out_dir: Path, layout: str, seed: int, size: tuple[int, int]) -> None:
    """Draw N images of people with exact keypoints, visibility, boxes and areas.

    The same seed gives the same bytes.
    """
    from kpt._progress import progress
    from kptdata.synth import synth

    with progress("drawing", n) as advance:
        series = synth(n, out_dir, layout=layout, seed=seed, size=size, on_image=advance)
    click.echo(
        f"{n} images in {series.images}, {len(series.dataset)} people in {series.annotations}",
        err=True,
    )

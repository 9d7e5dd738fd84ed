"""``kpt split``: a dataset in parts, at random, by group, or with values shared out evenly."""

from __future__ import annotations

from pathlib import Path

import click

from kpt._hub import (
    Read,
    Write,
    check_places,
    locations,
    read_sources,
    reading_options,
    target_of,
    tell,
    writing_options,
)


def parse_parts(_context: click.Context, _option: click.Parameter, text: str) -> dict[str, float]:
    """Read ``train=0.8,val=0.2`` as names and shares."""
    parts = {}
    for part in text.split(","):
        name, _, share = (piece.strip() for piece in part.partition("="))
        try:
            parts[name] = float(share)
        except ValueError:
            raise click.BadParameter(f"expected NAME=SHARE such as val=0.2, got {part!r}") from None
        if not name or name.startswith(".") or any(sign in name for sign in "/\\\0"):
            raise click.BadParameter(f"{name!r} is no name of a file")
    return parts


@click.command("split")
@click.argument("src", nargs=-1, required=True)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Folder for a file (or folder) of each part; made if need be.",
)  # fmt: skip
@click.option(
    "--parts", default="train=0.8,val=0.2", show_default=True, callback=parse_parts,
    metavar="NAME=SHARE,...", help="Parts and their shares of the images, which add up to 1.",
)  # fmt: skip
@click.option("--by", metavar="COLUMN", help="Keep equal values together: sequence, track, ...")
@click.option("--stratify", metavar="COLUMN", help="Give each part its share of every value.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="S",
    help="Another seed, other parts.",
)  # fmt: skip
@reading_options
@writing_options
def command(
    src: tuple[str, ...],
    out: Path,
    parts: dict[str, float],
    by: str | None,
    stratify: str | None,
    seed: int,
    read: Read,
    write: Write,
) -> None:
    """Divide the images of a dataset at random, with their instances.

    Every instance is in one part, and all of an image in the same. DIR/NAME with the ending of SRC
    is written in the format of SRC if --to does not say otherwise.
    """
    import kptdata as kd
    from kptdata.conversion import write_parts

    check_places(write, locations(src, read)[0], out)
    datasets, steps = read_sources(src, read)
    target = target_of(str(out), src, read, write)
    found = kd.ops.split_all(datasets, parts, seed=seed, by=by, stratify=stratify)
    kind = target.format or "coco"
    results = write_parts(
        found,
        target.path,
        steps,
        target_format=kind,
        suffix=_suffix(src, kind, read),
        strict=write.strict,
        **write.options(),
    )
    tell(results, write)


def _suffix(src: tuple[str, ...], kind: str, read: Read) -> str | None:
    """Return the ending of the only source if the parts are of its format."""
    from kptdata.conversion import format_of_sources
    from kptdata.paths import is_file

    paths, formats = locations(src, read)
    if len(paths) != 1 or not is_file(paths[0]) or format_of_sources(paths, formats) != kind:
        return None
    endings = paths[0].suffixes
    return "".join(endings[-2:] if endings[-1:] == [".gz"] else endings[-1:])

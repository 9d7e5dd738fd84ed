"""``kpt convert``: one format and schema to another, with an account of what was lost."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("convert")
@click.argument("src")
@click.argument("dst")
@click.option("--from", "source_format", metavar="F", help="Format of SRC; sniffed by default.")
@click.option("--to", "target_format", metavar="F", help="Format of DST; by default from its name.")
@click.option("--schema", metavar="S", help="Keypoint schema of DST, by name or TOML file.")
@click.option("--source-schema", metavar="S", help="Schema of SRC, if the file does not name it.")
@click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Images of SRC.")
@click.option("--strict", is_flag=True, help="Refuse, before a byte is written, to lose anything.")
@click.option(
    "--area",
    type=click.Choice(["box053", "box", "hull", "none"]),
    default="box053",
    show_default=True,
    help="How to make up the area that COCO evaluation needs, where the source has none.",
)
@click.option("--keep-empty", is_flag=True, help="Also write people with neither points nor box.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Account as JSON.")
def command(
    src: str,
    dst: str,
    source_format: str | None,
    target_format: str | None,
    schema: str | None,
    source_schema: str | None,
    images: Path | None,
    strict: bool,
    area: str,
    keep_empty: bool,
    report: Path | None,
) -> None:
    """Convert annotations from one format (and schema) to another.

    SRC and DST are files, optionally with their format in front: mpii:train.mat coco:train.json.
    Text goes to stdout where DST is -, as in coco:-.
    What DST cannot hold is counted and printed; with --strict any loss is an error.
    """
    import kptdata as kd
    from kpt._options import echo_ledger, parse_location, write_json

    source, target = parse_location(src, source_format), parse_location(dst, target_format)
    if target.path == Path("-"):
        target = target._replace(path=Path("/dev/stdout"))
    if report is not None:
        _check_report(report, source.path, target.path)
    result = kd.convert(
        source.path,
        target.path,
        source_format=source.format,
        target_format=target.format,
        schema=schema,
        source_schema=source_schema,
        images=images,
        strict=strict,
        area=area,
        keep_empty=keep_empty,
    )
    if report is not None:
        write_json(result.to_dict(), report)
    for title, ledger in result.ledgers.items():
        echo_ledger(title, ledger)
    click.echo(str(result.report), err=True)


def _check_report(report: Path, source: Path, target: Path) -> None:
    """Refuse, before anything is written, a place where the account cannot or must not go."""
    import kptdata as kd

    if not report.parent.is_dir():
        raise kd.FileError("no such folder", path=report.parent, fix="create it, or move --report")
    if report.is_dir():
        raise kd.FileError("is a folder", path=report, fix="let --report name a file in it")
    if report.resolve() in (source.resolve(), target.resolve()):
        raise kd.FileError("is SRC or DST", path=report, fix="let --report name a file of its own")

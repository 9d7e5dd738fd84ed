"""``kpt info``: what an annotation file holds, and what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("info")
@click.argument("src")
@click.option("--from", "source_format", metavar="F", help="Format of SRC; sniffed by default.")
@click.option("--schema", metavar="S", help="Keypoint schema, if the file does not name it.")
@click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Images of SRC.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def command(
    src: str, source_format: str | None, schema: str | None, images: Path | None, as_json: bool
) -> None:
    """Say what an annotation file holds, and what it lacks.

    Counts, schema, visibility per keypoint, sizes of boxes and images, categories, areas, gaps.
    """
    import kptdata as kd
    from kpt._options import echo_json, parse_location

    source = parse_location(src, source_format)
    name = source.format or kd.formats.sniff(source.path)
    parts = kd.read_all(source.path, format=name, schema=schema, images=images)
    summaries = [{"file": str(source.path), "format": name} | kd.summarise(part) for part in parts]
    if as_json:
        echo_json(summaries[0] if len(summaries) == 1 else summaries)
        return
    for summary in summaries:
        _print(summary)


def _print(summary: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Names in files are not ours: brackets and colons in them are no markup and no emoji.
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    schema, counts = summary["schema"], summary["counts"]
    console.print(Text.assemble((summary["file"], "bold"), f"  {summary['format']}"))
    console.print(f"schema {schema['name']}, {schema['keypoints']} keypoints")
    for key, count in counts.items():
        console.print(f"  {key.replace('_', ' ')}: {count}")
    for name in ("box_wh", "image_wh"):
        for side in ("width", "height"):
            console.print(f"  {name[:-3]} {side}: {_span(summary[name][side])}")
    console.print(f"  images of unknown size: {summary['image_wh']['unknown']}")
    console.print(f"  area: {_span(summary['area'])}")
    for label, count in summary["categories"].items():
        console.print(f"  category {label}: {count}")
    _print_visibility(console, Table(box=None, pad_edge=False), summary["visibility"])
    gaps = {k: n for k, n in summary["missing"].items() if 0 < n < counts["instances"]}
    absent = [k for k, n in summary["missing"].items() if n == counts["instances"] > 0]
    for key, count in gaps.items():
        console.print(f"  no {key}: {count} instances")
    if absent:
        console.print(f"  not in the file: {', '.join(absent)}")
    # Keys with a colon say how one format wrote what the columns hold: no news for a reader.
    kept = {k: n for k, n in summary["extras"].items() if ":" not in k}
    for key, count in kept.items():
        console.print(f"  kept as it is, {key}: {count} instances")
    for key, value in summary["facts"].items():
        words = (
            ", ".join(f"{k} {n}" for k, n in value.items()) if isinstance(value, dict) else value
        )
        console.print(f"  {key}: {words}")


def _print_visibility(console: Any, table: Any, visibility: dict[str, dict[str, int]]) -> None:
    if not visibility:
        return
    states = list(next(iter(visibility.values())))
    table.add_column("keypoint")
    for state in states:
        table.add_column(state, justify="right")
    for name, counts in visibility.items():
        table.add_row(name, *(str(counts[state]) for state in states))
    console.print(table)


def _span(quantiles: dict[str, float] | None) -> str:
    if quantiles is None:
        return "none"
    return f"{quantiles['min']:g} to {quantiles['max']:g}, median {quantiles['median']:g}"

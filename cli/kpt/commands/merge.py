"""``kpt merge``: several datasets and schemas into one."""

from __future__ import annotations

import click

from kpt._hub import (
    Read,
    Write,
    check_places,
    locations,
    mapping_options,
    read_sources,
    tell,
    writing_options,
)


@click.command("merge")
@click.argument("src", nargs=-1, required=True)
@click.option("-o", "--out", "dst", required=True, metavar="DST", help="Where the result goes.")
@click.option(
    "--points",
    type=click.Choice(["union", "intersection"]),
    default="union",
    show_default=True,
    help="Points of the result: all that a source has, or those that all have.",
)
@click.option("--schema", metavar="S", help="Points of the result: those of this schema.")
@mapping_options
@writing_options
def command(
    src: tuple[str, ...], dst: str, points: str, schema: str | None, read: Read, write: Write
) -> None:
    """Join datasets of one or several schemas into one.

    Points are recognised by name, never by position. What a source has no word for is unlabelled
    there, not occluded. Images named by several sources are one; ids that clash are renumbered.
    """
    import kptdata as kd
    from kpt._options import parse_target
    from kptdata.conversion import write_steps

    target = parse_target(dst, write.target_format)
    check_places(write, locations(src, read)[0], target.path)
    chosen = None if schema is None else kd.load_schema(schema)
    datasets, steps = read_sources(src, read, chosen)
    merged, ledger = kd.ops.merge(datasets, schema=chosen, points=points)
    title = f"merge {', '.join(dict.fromkeys(d.schema.name for d in datasets))}"
    result = write_steps(
        [merged],
        target.path,
        steps | {f"{title} to {merged.schema.name}": ledger},
        target_format=target.format,
        strict=write.strict,
        **write.options(),
    )
    tell({"": result}, write)

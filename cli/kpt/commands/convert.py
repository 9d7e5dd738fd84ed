"""``kpt convert``: one format and schema to another, with an account of what was lost."""

from __future__ import annotations

import click

from kpt._hub import Read, Write, check_places, locations, mapping_options, tell, writing_options


@click.command("convert")
@click.argument("src", nargs=-1, required=True)
@click.argument("dst")
@click.option("--schema", metavar="S", help="Keypoint schema of DST, by name or TOML file.")
@click.option("--pad", is_flag=True, help="Fill up skeletons where the format gives all one size.")
@mapping_options
@writing_options
def command(
    src: tuple[str, ...], dst: str, schema: str | None, pad: bool, read: Read, write: Write
) -> None:
    """Convert annotations from one format (and schema) to another.

    SRC is a file, a folder or a pattern such as 'labels/*.json', or several of them, optionally
    with the format in front: mpii:train.mat coco:train.json; the dialects of COCO (kpt formats
    --dialects) are formats as well. Text goes to stdout where DST is -, as in coco:-. What DST
    cannot hold is counted and printed; with --strict any loss is an error.
    """
    import kptdata as kd
    from kpt._options import parse_settings, parse_target

    paths, formats = locations(src, read)
    target = parse_target(dst, write.target_format)
    check_places(write, paths, target.path)
    result = kd.convert(
        paths,
        target.path,
        source_format=formats,
        target_format=target.format,
        schema=schema,
        source_schema=read.source_schema,
        images=read.images,
        strict=write.strict,
        pad=pad,
        source_options=parse_settings("--source-set", read.source_set),
        **write.options(),
    )
    tell({"": result}, write)

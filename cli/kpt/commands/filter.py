"""``kpt filter``: the instances for which an expression holds."""

from __future__ import annotations

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


@click.command("filter")
@click.argument("src")
@click.argument("dst")
@click.argument("expr")
@click.option("--drop-images", is_flag=True, help="Also leave out images without instances.")
@reading_options
@writing_options
def command(src: str, dst: str, expr: str, drop_images: bool, read: Read, write: Write) -> None:
    """Keep the instances for which an expression over columns holds.

    EXPR is such as "area > 1024 and num_labelled >= 5 and category == 'person' and
    labelled('nose')". A comparison with a value that is not stated is false. DST is written in the
    format of SRC if --to does not say otherwise.
    """
    import kptdata as kd
    from kptdata.conversion import write_steps

    target = target_of(dst, [src], read, write)
    check_places(write, locations([src], read)[0], target.path)
    datasets, steps = read_sources([src], read)
    kept = []
    for number, dataset in enumerate(datasets):
        others = [other for n, other in enumerate(datasets) if n != number]
        found, ledger = kd.ops.filter_where(dataset, expr, others=others)
        steps[f"filter {dataset.schema.name}" + (f" ({number})" if number else "")] = ledger
        kept.append(found)
    if drop_images:
        chosen, gone = kd.ops.without_empty_images(kept)
        kept = list(chosen)
        steps["drop images"] = kd.Ledger(sum(map(len, kept)), notes={"images left out": gone})
    result = write_steps(
        kept,
        target.path,
        steps,
        target_format=target.format,
        strict=write.strict,
        **write.options(),
    )
    tell({"": result}, write)

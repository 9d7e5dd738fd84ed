"""``kpt formats``: the table of formats, and what each one cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kptdata.formats import FormatFacts


@click.command("formats")
@click.argument("names", nargs=-1, metavar="[FORMAT]...")
@click.option("--matrix", is_flag=True, help="Also read, write and keys of losses, format by row.")
@click.option("--dialects", is_flag=True, help="The dialects of COCO, given by name, instead.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def command(names: tuple[str, ...], matrix: bool, dialects: bool, as_json: bool) -> None:
    """List the formats: what reads, what writes, and what each one cannot hold.

    With a FORMAT, its options and its losses in words. The dialects of COCO (crowdpose,
    posetrack18, ...) are formats as well, given by name; of each, its schema and what to know.
    """
    import kptdata as kd
    from kpt._options import echo_json

    facts = kd.formats.catalogue(dialects=dialects)
    more = kd.formats.catalogue(dialects=True) if names else ()
    known = {fact.name: fact for fact in (*facts, *more)}
    for name in names:
        if name not in known:
            raise kd.UnknownNameError("format", name, known)
    chosen = [known[name] for name in names] or list(facts)
    if as_json:
        echo_json([fact.to_dict() for fact in chosen])
    elif matrix:
        _print_matrix(chosen)
    elif names:
        _print_each(chosen)
    elif dialects:
        _print_dialects(chosen)
    else:
        _print_list(chosen)


def _files(fact: FormatFacts) -> str:
    return " ".join([*fact.suffixes, *["(a folder)"] * fact.folder]) or "named with --to"


def _print_list(facts: list[FormatFacts]) -> None:
    console, table = _table("format", "what it is", "DST ends in")
    for fact in facts:
        table.add_row(fact.name, fact.title, _files(fact))
    console.print(table)


def _print_dialects(facts: list[FormatFacts]) -> None:
    from kptdata.formats import DIALECTS

    console, table = _table("dialect of COCO", "what it is", "schema")
    for fact in facts:
        table.add_row(fact.name, fact.title, DIALECTS[fact.name].schema)
    console.print(table)
    console.print("kpt formats DIALECT says what to know of it.")


def _print_matrix(facts: list[FormatFacts]) -> None:
    console, table = _table("format", "read", "write", "what is lost")
    table.show_lines = True
    for fact in facts:
        can = ("yes" if can else "no" for can in (fact.reads, fact.writes))
        table.add_row(fact.name, *can, ", ".join(fact.losses) or "nothing")
    console.print(table)
    console.print("kpt formats FORMAT says each loss in words; kpt convert counts them.")


def _print_each(facts: list[FormatFacts]) -> None:
    from rich.console import Console

    from kptdata.formats import DIALECTS

    console = Console(highlight=False, soft_wrap=True, markup=False)
    for fact in facts:
        console.print(f"{fact.name}: {fact.title}")
        if fact.name in DIALECTS:
            dialect = DIALECTS[fact.name]
            console.print(f"  a dialect of COCO with the points of {dialect.schema}")
            console.print(f"  {dialect.facts}")
        console.print(f"  DST ends in: {_files(fact)}")
        for way, options in (("reader", fact.read_options), ("writer", fact.write_options)):
            if options:
                console.print(f"  options of the {way}: {', '.join(options)}")
        console.print("  a file cannot hold:")
        for key, sentence in fact.losses.items():
            console.print(f"    {key}: {sentence}")


def _table(*columns: str) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return Console(highlight=False), table

"""``kpt schema``: list, show, check, recognise, map and import keypoint schemas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kptdata import Schema, SchemaError, SchemaMap

_JSON = click.option("--json", "as_json", is_flag=True, help="Print data on stdout.")


@click.group("schema")
def command() -> None:
    """List, show, check, recognise, map and import keypoint schemas.

    A schema is named, or given as the path of a TOML file.
    """


@command.command("list")
@_JSON
def list_command(*, as_json: bool) -> None:
    """List the bundled schemas."""
    from kpt._options import echo_json
    from kptdata.schema import list_schemas, load_schema

    rows = [{"file": name, **_summary(load_schema(name))} for name in list_schemas()]
    if as_json:
        echo_json(rows)
        return
    _print_table(
        f"{len(rows)} schemas",
        ("schema", "points", "links", "sigmas", "title"),
        [
            (r["file"], r["keypoints"], r["links"], r["sigma_source"] or "", r["title"])
            for r in rows
        ],
    )


@command.command("show")
@click.argument("schema")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Draw the skeleton there.",
)
@_JSON
def show_command(schema: str, output: Path | None, *, as_json: bool) -> None:
    """Show the points of SCHEMA as a table, and draw its skeleton (-o)."""
    from kpt._options import echo_json
    from kptdata.schema import load_schema

    loaded = load_schema(schema)
    if output is not None:
        from kptdata.viz.schema_picture import save_schema_picture

        save_schema_picture(loaded, output)
        click.echo(f"drawn: {output}", err=True)
    if as_json:
        echo_json(loaded.to_dict())
    else:
        _print_schema(loaded)


@command.command("validate")
@click.argument("schemas", nargs=-1, metavar="[SCHEMA]...")
@click.option("--all", "every", is_flag=True, help="Check all bundled schemas.")
@_JSON
def validate_command(schemas: tuple[str, ...], *, every: bool, as_json: bool) -> None:
    """Check SCHEMAs against every rule; exit 1 if there are findings."""
    from kpt._options import echo_json
    from kptdata.schema import list_schemas, validate_schema, validate_schemas

    if not schemas and not every:
        raise click.UsageError("name a SCHEMA, or give --all")
    findings = [finding for schema in schemas for finding in validate_schema(schema)]
    findings += validate_schemas() if every else ()
    if as_json:
        echo_json([_facts(finding) for finding in findings])
    _print_lines(findings)
    checked = len(schemas) + (len(list_schemas()) if every else 0)
    click.echo(f"{checked} checked, {len(findings)} findings", err=True)
    if findings:
        raise SystemExit(1)


@command.command("infer")
@click.argument("source", metavar="FILE.json|NAME,NAME,...")
@_JSON
def infer_command(source: str, *, as_json: bool) -> None:
    """Say which schema has the keypoint names of a COCO file, or those given.

    Names must be equal and in the same order; a number of points is never enough.
    """
    from kpt._options import echo_json
    from kptdata.schema import infer_schema

    results = []
    for label, names in _named_points(source).items():
        schema, others = infer_schema(names)
        results.append({"category": label, "schema": schema.name, "others": list(others)})
    if as_json:
        echo_json(results)
        return
    for result in results:
        where = f"{result['category']}: " if result["category"] else ""
        same = ", ".join(result["others"])
        click.echo(
            f"{where}{result['schema']}" + (f" (same names: {same})" if same else ""), err=True
        )


@command.command("map")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@_JSON
def map_command(source: str, target: str, *, as_json: bool) -> None:
    """Say which points of DST those of SRC fill: exactly, by formula, or not at all."""
    from kpt._options import echo_json
    from kptdata.schema import load_schema, map_schemas

    mapping = map_schemas(load_schema(source), load_schema(target))
    if as_json:
        echo_json(mapping.to_dict())
    else:
        _print_map(mapping)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.py")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="TOML",
    help="Write there, not to stdout.",
)
def import_command(file: Path, output: Path | None) -> None:
    """Turn an MMPose `dataset_info = dict(...)` file into a schema file.

    The Python is parsed, never run. What had to be mended or left out is printed.
    """
    from kptdata.schema import import_dataset_info

    schema, findings = import_dataset_info(file)
    _print_lines(findings)
    if output is None:
        click.echo(schema.to_toml(), nl=False)
    else:
        from kptdata.formats.base import atomic_write

        atomic_write(output, [schema.to_toml().encode()])
    where = "stdout" if output is None else str(output)
    click.echo(f"{schema.num_keypoints} points, {len(findings)} findings -> {where}", err=True)


def _summary(schema: Schema) -> dict[str, Any]:
    return {
        "name": schema.name,
        "title": schema.title,
        "keypoints": schema.num_keypoints,
        "links": len(schema.links),
        "sigma_source": schema.sigma_source,
        "preferred": schema.preferred,
        "licence": schema.licence,
        "hash": schema.hash(),
    }


def _facts(finding: SchemaError) -> dict[str, str | None]:
    keys = ("path", "place", "problem", "expected", "found", "fix")
    values = {key: getattr(finding, key) for key in keys}
    return {key: None if value is None else str(value) for key, value in values.items()}


def _named_points(source: str) -> dict[str, Sequence[str] | Mapping[str, Any]]:
    """Return what to recognise: the categories of a JSON file by name, or the names given."""
    from kptdata.paths import is_file

    if not (source.lower().endswith(".json") or is_file(source)):
        return {"": [name.strip() for name in source.split(",")]}
    import json

    from kptdata import FileError, FormatError

    try:
        document = json.loads(Path(source).read_bytes())
    except OSError as error:
        raise FileError(
            f"cannot be read: {error.strerror}", path=source, fix="check the path"
        ) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}", path=source, fix="give a COCO file") from error
    categories = document.get("categories") if isinstance(document, dict) else None
    rows = categories if isinstance(categories, list) else []
    found = [c for c in rows if isinstance(c, dict) and "keypoints" in c]
    if not found:
        raise FormatError(
            "no keypoint names",
            path=source,
            place="categories",
            expected="a category with `keypoints`",
            fix="give the names: kpt schema infer nose,left_eye,...",
        )
    return {str(category.get("name", row)): category for row, category in enumerate(found)}


def _print_schema(schema: Schema) -> None:
    from rich.text import Text

    rows = [
        (
            row,
            point.name,
            "" if point.canonical == point.name else point.canonical,
            point.swap or "",
            point.parent or "",
            point.part or "",
            point.group,
            Text.assemble(("■ ", point.colour), point.colour),
            "" if point.sigma is None else f"{point.sigma:g}",
            f"{point.weight:g}",
        )
        for row, point in enumerate(schema.keypoints)
    ]
    columns = (
        "",
        "name",
        "canonical",
        "swap",
        "parent",
        "part",
        "group",
        "colour",
        "sigma",
        "weight",
    )
    _print_table(f"{schema.name}: {schema.title}" if schema.title else schema.name, columns, rows)
    facts = {
        "links": str(len(schema.links)),
        "sigmas": schema.sigma_source or "none",
        "licence": schema.licence or "not stated",
        "paper": " ".join(filter(None, (schema.paper.title, schema.paper.homepage)))
        if schema.paper
        else "not stated",
        "formulas": "; ".join(f"{key} = {text}" for key, text in schema.formulas.items()) or "none",
        "normalisers": ", ".join(schema.normalisers) or "none",
        "hash": schema.hash(),
    }
    _print_lines(f"{key}: {text}" for key, text in facts.items())


def _print_map(mapping: SchemaMap) -> None:
    source_of = dict(mapping.exact)
    parents_of = {name: ", ".join(parents) for name, parents in mapping.derived}
    rows = []
    for row, name in enumerate(mapping.target.names):
        if name in source_of:
            rows.append((row, name, "exact", source_of[name]))
        elif name in parents_of:
            rows.append((row, name, "derived", parents_of[name]))
        else:
            rows.append((row, name, "missing", ""))
    kinds = ("exact", "derived", "missing")
    counts = ", ".join(f"{len(getattr(mapping, kind))} {kind}" for kind in kinds)
    title = f"{mapping.source.name} -> {mapping.target.name}: {counts}"
    _print_table(title, ("", mapping.target.name, "how", mapping.source.name), rows)
    if mapping.unused:
        _print_lines([f"not used of {mapping.source.name}: {', '.join(mapping.unused)}"])


def _print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = 160  # a pipe has no width; 80 would cut names
    # As `Text`, names with brackets are not taken for markup.
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console.print(table)


def _print_lines(lines: Iterable[object]) -> None:
    for line in lines:
        click.echo(str(line), err=True)

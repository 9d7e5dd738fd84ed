"""Keypoint schemas: load by name or path, list, check, recognise by names, map one to another.

A schema is chosen by name or path, never guessed from a number of points. The bundled ones are TOML
files in ``schemas/``. What only some calls need is imported in them: `import kptdata` stays light.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kptdata._schema_files import bundled_names, bundled_text, read_text, stem_of
from kptdata._schema_mapping import SchemaMap, map_schemas
from kptdata._schema_model import Keypoint, Link, Normaliser, Paper, Schema, parse_schema
from kptdata.errors import SchemaError, UnknownNameError
from kptdata.paths import is_file

__all__ = [
    "ImportedSchema",
    "Inference",
    "Keypoint",
    "Link",
    "Normaliser",
    "Paper",
    "Schema",
    "SchemaMap",
    "fitting_schemas",
    "import_dataset_info",
    "infer_schema",
    "list_schemas",
    "load_schema",
    "map_schemas",
    "parse_toml",
    "validate_schema",
    "validate_schemas",
]

# The bundled files write one point a line, its name first.
_NAME = re.compile(r'^name = "([^"\\]*)"', re.MULTILINE)
_PREFERRED = re.compile(r"^preferred = true", re.MULTILINE)
_POINT_NAMES = re.compile(r'^\s*\{ *name = ("(?:[^"\\]|\\.)*")', re.MULTILINE)


def list_schemas() -> tuple[str, ...]:
    """Return the names of the bundled schemas, in alphabetical order; no file is parsed."""
    return bundled_names()


def load_schema(name_or_path: str | Path) -> Schema:
    """Return a schema by the name of a bundled one, or by the path of a TOML file.

    A path is a `Path`, text that ends in ``.toml`` or holds a ``/``, or the name of a file that is
    there and of no bundled schema. A name may be spelled as its source does (``Human-Art``) or as
    its file is (``human_art``).

    Raises:
        UnknownNameError: no bundled schema has the name; near names are listed.
        FileError: the file cannot be read.
        SchemaError: the file breaks a rule; the message lists all that it breaks.
    """
    if _is_path(name_or_path):
        return parse_toml(read_text(Path(name_or_path)), name_or_path)
    return _load_bundled(_known_stem(str(name_or_path)))


def parse_toml(text: str, path: str | Path | None = None) -> Schema:
    """Return the schema that TOML `text` says; `path` is for the messages. Raises `SchemaError`."""
    return parse_schema(_document(text, path), path, _vocabulary)


def validate_schema(name_or_path: str | Path) -> tuple[SchemaError, ...]:
    """Return every rule that a bundled schema or a TOML file breaks, none if it is valid.

    Raises `UnknownNameError` or `FileError` if there is nothing to judge.
    """
    if _is_path(name_or_path):
        return _validate_text(read_text(Path(name_or_path)), name_or_path)
    stem = _known_stem(str(name_or_path))
    path = f"{stem}.toml"
    text = bundled_text(stem)
    return _validate_text(text, path) or _validate_place(_load_bundled(stem), stem, path)


def validate_schemas() -> tuple[SchemaError, ...]:
    """Return the findings of all bundled schemas, and of the rules between them."""
    findings = tuple(f for name in list_schemas() for f in validate_schema(name))
    return findings or _validate_preferred(map(_load_bundled, list_schemas()))


class Inference(NamedTuple):
    """The schema that names belong to, and the names of others with the same points."""

    schema: Schema
    others: tuple[str, ...]


def infer_schema(names: Sequence[str] | Mapping[str, Any]) -> Inference:
    """Return the bundled schema with exactly these keypoint names in this order.

    Of schemas with equal names the declared one is returned and the others are listed.

    Args:
        names: keypoint names, or an entry of a COCO file's ``categories``.

    Raises:
        SchemaError: no schema has these names; the message says which come near.
    """
    from kptdata._schema_text import quote

    wanted = _names_of(names)
    # Parsing sixty files takes a hundred times longer than asking their text for the names.
    quoted = [quote(name) for name in wanted]
    near = [stem for stem in list_schemas() if _POINT_NAMES.findall(bundled_text(stem)) == quoted]
    if not wanted or not near:
        raise _no_match(wanted)
    first = next((stem for stem in near if _PREFERRED.search(bundled_text(stem))), near[0])
    return Inference(_load_bundled(first), tuple(_name_of(s) for s in near if s != first))


def _name_of(stem: str) -> str:
    stated = _NAME.search(bundled_text(stem))
    return stated[1] if stated else _load_bundled(stem).name


class ImportedSchema(NamedTuple):
    """A schema read from another tool's file, and what had to be mended or left out."""

    schema: Schema
    findings: tuple[SchemaError, ...]


def import_dataset_info(path: str | Path) -> ImportedSchema:
    """Return the schema that an MMPose ``dataset_info = dict(...)`` file says, and what was mended.

    The file is parsed, never run.

    Raises:
        FileError: the file cannot be read.
        SchemaError: it is not such a file, or no schema can be made of it.
    """
    from kptdata._schema_import import convert_dataset_info

    return ImportedSchema(*convert_dataset_info(read_text(Path(path)), path, _bundled_or_none))


def fitting_schemas(num_keypoints: int) -> tuple[str, ...]:
    """Return the bundled schemas with this number of points: for messages, never for a choice."""
    return tuple(n for n in list_schemas() if _load_bundled(n).num_keypoints == num_keypoints)


def _is_path(name_or_path: str | Path) -> bool:
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml") or "/" in name_or_path:
        return True
    return stem_of(name_or_path) not in list_schemas() and is_file(name_or_path)


def _known_stem(name: str) -> str:
    if stem_of(name) not in list_schemas():
        raise UnknownNameError("schema", name, list_schemas())
    return stem_of(name)


def _bundled_or_none(name: str) -> Schema | None:
    return _load_bundled(stem_of(name)) if stem_of(name) in list_schemas() else None


@cache
def _load_bundled(stem: str) -> Schema:
    # Foreign names in formulas of bundled files are judged by `validate_schema`, once for all.
    path = f"{stem}.toml"
    return parse_schema(_document(bundled_text(stem), path), path)


@cache
def _vocabulary() -> frozenset[str]:
    schemas = [_load_bundled(stem) for stem in list_schemas()]
    points = [point for schema in schemas for point in schema.keypoints]
    return frozenset(name for point in points for name in (point.canonical, *point.aliases))


def _document(text: str, path: str | Path | None) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        fix = "correct the text there; strings need quotes, lists need commas"
        raise SchemaError(f"not TOML: {error}", path=path, fix=fix) from error


def _validate_text(text: str, path: str | Path) -> tuple[SchemaError, ...]:
    try:
        document = _document(text, path)
    except SchemaError as error:
        return (error,)
    from kptdata._schema_rules import find_problems

    return find_problems(document, path, _vocabulary)


def _validate_place(schema: Schema, stem: str, path: str) -> tuple[SchemaError, ...]:
    found = []
    if stem_of(schema.name) != stem:
        wanted = f"a name that becomes {stem!r} in lower case"
        fix = f"rename the file to {stem_of(schema.name)}.toml"
        found.append(
            SchemaError(
                "wrong name",
                path=path,
                place="name",
                expected=wanted,
                found=repr(schema.name),
                fix=fix,
            )
        )
    for source in (schema.sigma_source or "").split(", "):
        lender = source.removeprefix("borrowed:")
        if lender != source and lender not in list_schemas():
            found.append(
                SchemaError(
                    "sigmas borrowed from an unknown schema",
                    path=path,
                    place="sigma_source",
                    expected="a bundled schema",
                    found=repr(lender),
                    fix="see `kpt schema list`",
                )
            )
    return tuple(found)


def _validate_preferred(schemas: Iterable[Schema]) -> tuple[SchemaError, ...]:
    """Return a finding for each set of schemas with equal names and not one declared among them."""
    groups: dict[tuple[str, ...], list[Schema]] = {}
    for schema in schemas:
        groups.setdefault(schema.names, []).append(schema)
    return tuple(
        SchemaError(
            "schemas with equal names",
            path=f"{stem_of(group[0].name)}.toml",
            place="preferred",
            expected="one of them declared",
            found=f"{sum(s.preferred for s in group)} of {', '.join(s.name for s in group)}",
            fix="write `preferred = true` in exactly one of the files",
        )
        for group in groups.values()
        if len(group) > 1 and sum(s.preferred for s in group) != 1
    )


def _names_of(names: Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(names, Mapping):
        found = names.get("keypoints")
        if not isinstance(found, list) or not all(isinstance(n, str) for n in found):
            raise SchemaError(
                "a category without keypoint names",
                place="categories.keypoints",
                expected="a list of names",
                found=type(found).__name__,
                fix="name the schema, e.g. --schema coco",
            )
        return tuple(found)
    if isinstance(names, str):
        raise SchemaError(
            "one text where a list of names belongs", place="names", found=repr(names)
        )
    return tuple(names)


def _no_match(wanted: tuple[str, ...]) -> SchemaError:
    schemas = [_load_bundled(stem) for stem in list_schemas()]
    reordered = [s.name for s in schemas if wanted and sorted(s.names) == sorted(wanted)]
    if reordered:
        found = f"the {len(wanted)} names of {' and of '.join(reordered)} in another order"
        fix = "put the points in the schema's order, or write a schema file for this order"
        return SchemaError("no schema has these names", place="keypoints", found=found, fix=fix)
    fix = f"name a schema, or write one for these {len(wanted)} points (see docs/schemas.md)"
    near = _near(wanted, schemas) or ", ".join(fitting_schemas(len(wanted)))
    if near:
        fix += f"; near ones: {near}"
    found = f"{len(wanted)} names" + (f", {wanted[0]!r} to {wanted[-1]!r}" if wanted else "")
    return SchemaError("no schema has these names", place="keypoints", found=found, fix=fix)


def _near(wanted: tuple[str, ...], schemas: Sequence[Schema]) -> str:
    """Return the schemas that share most names, with the count of those shared."""
    shared = {s.name: len(set(wanted) & set(s.names)) for s in schemas}
    best = sorted((name for name in shared if shared[name]), key=lambda n: -shared[n])[:3]
    return ", ".join(f"{name} ({shared[name]} names equal)" for name in best)

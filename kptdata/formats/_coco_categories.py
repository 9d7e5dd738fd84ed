"""The ``categories`` of a COCO file: which skeletons there are, and which schema each one is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kptdata.errors import FormatError, SchemaError
from kptdata.formats._json import loads_or_none
from kptdata.schema import Schema, fitting_schemas, infer_schema

__all__ = [
    "Skeleton",
    "category_texts",
    "chosen",
    "first_contradiction",
    "named_schema",
    "no_names",
    "same_names",
    "skeletons",
]


@dataclass(frozen=True)
class Skeleton:
    """Categories that share their keypoint names.

    Attributes:
        names: of the keypoints, none where the file does not name them.
        categories: id -> name of the category.
    """

    names: tuple[str, ...]
    categories: Mapping[int, str]


def skeletons(text: bytes | None) -> list[Skeleton]:
    """Return the skeletons of a file's ``categories``, in order; at least one."""
    groups: dict[tuple[str, ...], dict[int, str]] = {}
    for entry in _entries(text):
        names = entry.get("keypoints")
        known = isinstance(names, list) and all(isinstance(n, str) for n in names)
        group = groups.setdefault(tuple(names) if known else (), {})  # type: ignore[arg-type]
        number = entry.get("id")
        if isinstance(number, int) and not isinstance(number, bool):
            group[number] = str(entry.get("name", number))
    return [Skeleton(names, categories) for names, categories in groups.items()] or [
        Skeleton((), {})
    ]


def _entries(text: bytes | None) -> list[dict[str, Any]]:
    found = None if text is None else loads_or_none(text)
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def named_schema(skeleton: Skeleton, path: Path) -> Schema:
    """Return the bundled schema with a skeleton's names, or a bare one made of them.

    Raises:
        SchemaError: the names cannot be a schema's (one stands there twice).
    """
    name = next(iter(skeleton.categories.values()), "custom")
    try:
        return _schema_of(skeleton.names, name)
    except SchemaError as error:
        raise SchemaError(
            error.problem, path=path, place="categories.keypoints", found=error.found, fix=error.fix
        ) from None


@lru_cache(maxsize=64)
def _schema_of(names: tuple[str, ...], name: str) -> Schema:
    try:
        return infer_schema(names).schema
    except SchemaError:
        return Schema.from_names(names, name=name)


_SHORT = {"l": "left", "r": "right", "f": "front", "b": "back"}


def _plain(name: str) -> str:
    """Return a name without differences of spelling: ``L_F_Paw`` is ``left front paw``."""
    words = re.split(r"[\W_]+", name.lower().strip())
    return " ".join(_SHORT.get(word, word) for word in words if word)


def same_names(own: Sequence[str], names: Sequence[str]) -> bool:
    """Tell whether two lists of names are the same but for their spelling."""
    return [_plain(n) for n in names] == [_plain(n) for n in own]


def first_contradiction(schema: Schema, names: Sequence[str]) -> int | None:
    """Return the place of the first name that tells that the points are not the schema's.

    A name may be one that the schema does not know, as files and schemas often spell a point in
    their own way, if at least half are known; it may not be that of another of its points.
    """
    own = [{_plain(n) for n in (p.name, p.canonical, *p.aliases)} for p in schema.keypoints]
    every = set().union(*own)
    known = [_plain(name) in mine for name, mine in zip(names, own, strict=True)]
    for place, name in enumerate(names):
        if not known[place] and _plain(name) in every:
            return place
    return None if 2 * sum(known) >= len(names) else known.index(False)


def no_names(num_keypoints: int, path: Path) -> SchemaError:
    """Return the error for a file that does not name its K points."""
    fitting = fitting_schemas(num_keypoints)
    return SchemaError(
        "the file does not name its keypoints",
        path=path,
        expected=f"{num_keypoints} names in categories, or a schema",
        fix=f"give the schema (schema=..., --schema); with {num_keypoints} points: "
        + ", ".join(fitting)
        if fitting
        else f"write a schema for these {num_keypoints} points (docs/schemas.md) and give it",
    )


def chosen(
    all_skeletons: Sequence[Skeleton], category: int | str, path: Path
) -> tuple[Skeleton, int]:
    """Return the skeleton and the id of a category, given by name or id.

    Raises:
        FormatError: no category is called so.
    """
    for skeleton in all_skeletons:
        for number, name in skeleton.categories.items():
            if category in (number, name, str(number)):
                return skeleton, number
    known = [f"{name!r} ({i})" for s in all_skeletons for i, name in s.categories.items()]
    raise FormatError(
        "no such category",
        path=path,
        place="categories",
        expected=", ".join(known) or "a file with categories",
        found=repr(category),
        fix="choose one of these",
    )


def category_texts(
    text: bytes | None,
    schemas: Mapping[int, tuple[Schema, str, Sequence[str]]],
    *,
    supercategory: str | None = None,
    first_link: int = 1,
) -> bytes:
    """Make ``categories`` anew: id -> schema, name and the keypoint names to write.

    What the old text says about a category besides its points (``supercategory``) is kept.
    """
    old = {e.get("id"): e for e in _entries(text)}
    entries = []
    for number in sorted(schemas):
        schema, name, names = schemas[number]
        kept = old.get(number, {})
        entry = dict(kept) if kept.get("name") == name else {"id": number, "name": name}
        entry.setdefault("supercategory", supercategory or name)
        entry["keypoints"] = list(names)
        links = [pair for pair in schema.link_indices.tolist() if max(pair) < len(names)]
        # COCO counts points from 1 here, some of its dialects from 0.
        entry["skeleton"] = [[a + first_link, b + first_link] for a, b in links]
        entries.append(entry)
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()

"""One schema for the points of several: all of them, or those that they share, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kptdata._schema_mapping import map_schemas
from kptdata._schema_model import Keypoint, Link, Normaliser, Schema
from kptdata.errors import SchemaError

__all__ = ["shared_schema", "union_schema"]


def union_schema(schemas: Sequence[Schema], name: str) -> Schema:
    """Return a schema with the points of all schemas.

    Points are those of the first schema, then those of the second that the first lacks, and so on;
    the same point is recognised by canonical name or alias. The first schema that has a point says
    what is known of it. Formulas are left out: what a dataset does not state is not computed.

    Args:
        schemas: one or more.
        name: of the result.
    """
    joined = _bare(schemas[0], name)
    for schema in schemas[1:]:
        joined = _with_points_of(joined, schema)
    return _told(joined, schemas, "and")


def shared_schema(schemas: Sequence[Schema], name: str) -> Schema:
    """Return a schema with the points of the first that all others have, by name or alias.

    Raises:
        SchemaError: there is none.
    """
    first = _bare(schemas[0], name)
    kept = set(first.names)
    for schema in schemas[1:]:
        kept &= {target for target, _ in map_schemas(schema, first).exact}
    if not kept:
        listed = ", ".join(schema.name for schema in schemas)
        raise SchemaError(
            f"the schemas {listed} have no point in common",
            fix="take all their points (points='union', --points union)",
        )
    return _told(_only(first, kept), schemas, "shared by")


def _bare(schema: Schema, name: str) -> Schema:
    return replace(schema, name=name, formulas={}, paper=None, preferred=False)


def _told(joined: Schema, schemas: Sequence[Schema], word: str) -> Schema:
    """Say where the points come from."""
    names = dict.fromkeys(schema.name for schema in schemas)
    licences = dict.fromkeys(schema.licence for schema in schemas if schema.licence)
    title = f"points {word} {', '.join(names)}"
    return replace(joined, title=title, licence="; ".join(licences))


def _sources(schemas: Sequence[Schema]) -> str | None:
    """Return where the sigmas of several schemas come from."""
    parts = [part for s in schemas if s.sigma_source for part in s.sigma_source.split(", ")]
    return ", ".join(dict.fromkeys(parts)) or None


def _with_points_of(joined: Schema, schema: Schema) -> Schema:
    plan = map_schemas(schema, joined)
    known = {source: target for target, source in plan.exact}
    taken = set(joined.names)
    for name in (name for name in schema.names if name not in known):
        point = schema.keypoints[schema.index(name)]
        choices = (name, point.canonical, f"{schema.name}_{name}", f"{schema.name}_{len(taken)}")
        known[name] = next(choice for choice in choices if choice not in taken)
        taken.add(known[name])
    fresh = set(known.values()) - set(joined.names)
    if not fresh:
        return joined
    canonical = set(joined.canonical_names)
    added = []
    for point in schema.keypoints:
        if known[point.name] not in fresh:
            continue
        own = point.canonical if point.canonical not in canonical else known[point.name]
        canonical.add(own)
        added.append(_renamed(replace(point, canonical=own), known.__getitem__))
    complete = all(p.sigma is not None for p in (*joined.keypoints, *added))
    points = (*joined.keypoints, *added)
    if not complete:
        points = tuple(replace(point, sigma=None) for point in points)
    links = [Link(known[a.start], known[a.end], a.colour) for a in schema.links]
    new = tuple(link for link in links if {link.start, link.end} & fresh)
    lengths = {
        key: _moved(length, known)
        for key, length in schema.normalisers.items()
        if key not in joined.normalisers
    }
    return replace(
        joined,
        keypoints=_unambiguous(_mutual(points)),
        links=(*joined.links, *new),
        normalisers=dict(joined.normalisers) | lengths,
        sigma_source=_sources([joined, schema]) if complete else None,
    )


def _moved(length: Normaliser, known: dict[str, str]) -> Normaliser:
    return replace(length, points=tuple(known[name] for name in length.points))


def _renamed(point: Keypoint, of: Callable[[str], str]) -> Keypoint:
    return replace(
        point,
        name=of(point.name),
        swap=of(point.swap) if point.swap else None,
        parent=of(point.parent) if point.parent else None,
    )


def _mutual(points: Sequence[Keypoint]) -> tuple[Keypoint, ...]:
    """Pair points that only one schema pairs; where two pair them differently, the first wins."""
    swaps = {point.name: point.swap for point in points}
    for name, swap in list(swaps.items()):
        if swap is not None and swaps[swap] is None:
            swaps[swap] = name
        elif swap is not None and swaps[swap] != name:
            swaps[name] = None
    return tuple(replace(point, swap=swaps[point.name]) for point in points)


def _unambiguous(points: Sequence[Keypoint]) -> tuple[Keypoint, ...]:
    """Take aliases away that are the name of another point, now that it is there."""
    taken = {point.canonical for point in points}
    found = []
    for point in points:
        aliases = tuple(alias for alias in point.aliases if alias not in taken)
        taken.update(aliases)
        found.append(replace(point, aliases=aliases))
    return tuple(found)


def _only(schema: Schema, kept: set[str]) -> Schema:
    """Return a schema of some of its points; a parent that goes is replaced by its own parent."""
    parents = {point.name: point.parent for point in schema.keypoints}

    def above(name: str | None) -> str | None:
        while name is not None and name not in kept:
            name = parents[name]
        return name

    points = tuple(
        replace(
            point,
            parent=above(point.parent),
            swap=point.swap if point.swap in kept else None,
        )
        for point in schema.keypoints
        if point.name in kept
    )
    links = tuple(link for link in schema.links if {link.start, link.end} <= kept)
    lengths = {k: v for k, v in schema.normalisers.items() if set(v.points) <= kept}
    return replace(schema, keypoints=points, links=links, normalisers=lengths)

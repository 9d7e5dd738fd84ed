"""The rules of a schema file that hold between its keys: names, pairs, links, trees, formulas.

Every rule is a function that reads the document and yields what is wrong; all run, so that a user
sees all findings at once. The shape of single values is in `_schema_spec`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from kptdata._formula import Formula, FormulaSyntaxError, find_cycle, parse_formula
from kptdata._schema_spec import SCHEMA, Problem, item_place
from kptdata.errors import SchemaError

__all__ = ["Vocabulary", "find_problems"]

Vocabulary = Callable[[], Collection[str]]  # canonical names of other schemas; asked only if needed


def find_problems(
    document: Mapping[str, Any],
    path: str | Path | None = None,
    vocabulary: Vocabulary | None = None,
) -> tuple[SchemaError, ...]:
    """Return every broken rule of a schema document, none for a valid one.

    Args:
        document: what the TOML file says, as `tomllib` reads it.
        path: the file, for the messages.
        vocabulary: canonical names that formulas may use beside the schema's own; None accepts any.
    """
    facts = _Facts(document, vocabulary)
    problems = list(SCHEMA.problems(document, ""))
    for rule in _RULES:
        problems.extend(rule(facts))
    return tuple(
        SchemaError(
            p.problem,
            path=path,
            place=p.place or None,
            expected=p.expected,
            found=p.found,
            fix=p.fix,
        )
        for p in problems
    )


class _Facts:
    """A document as the rules read it: what has the wrong type is left out, reported elsewhere."""

    def __init__(self, document: Mapping[str, Any], vocabulary: Vocabulary | None) -> None:
        self.document = document if isinstance(document, Mapping) else {}
        self.vocabulary = vocabulary

    @cached_property
    def keypoints(self) -> list[tuple[str, Mapping[str, Any]]]:
        return self._rows("keypoints", "name")

    @cached_property
    def links(self) -> list[tuple[str, Mapping[str, Any]]]:
        return self._rows("links", None)

    @cached_property
    def names(self) -> dict[str, Mapping[str, Any]]:
        return {p["name"]: p for _, p in self.keypoints if isinstance(p.get("name"), str)}

    @cached_property
    def canonical(self) -> dict[str, str]:
        """Canonical name to the place of the first point that has it."""
        found: dict[str, str] = {}
        for place, point in self.keypoints:
            found.setdefault(canonical_of(point), place)
        return found

    @cached_property
    def formulas(self) -> dict[str, Formula]:
        found = {}
        for key, text in self.texts("formulas").items():
            try:
                found[key] = parse_formula(text)
            except FormulaSyntaxError:
                continue  # reported by `_formula_syntax`
        return found

    def texts(self, key: str) -> dict[str, str]:
        """Return the entries of the table `key` whose value is text."""
        table = self.document.get(key)
        entries = table.items() if isinstance(table, Mapping) else ()
        return {str(k): v for k, v in entries if isinstance(v, str)}

    def _rows(self, key: str, label: str | None) -> list[tuple[str, Mapping[str, Any]]]:
        rows = self.document.get(key)
        if not isinstance(rows, list):
            return []
        return [
            (item_place(key, row, item, label), item)
            for row, item in enumerate(rows)
            if isinstance(item, Mapping)
        ]


def canonical_of(point: Mapping[str, Any]) -> str:
    """Return the canonical name of a keypoint's table: the key, else its name."""
    return str(point.get("canonical", point.get("name", "")))


def _unique_names(facts: _Facts) -> Iterator[Problem]:
    for key, value_of in (("name", lambda p: p.get("name")), ("canonical", canonical_of)):
        first: dict[str, str] = {}
        for place, point in facts.keypoints:
            value = value_of(point)
            if not isinstance(value, str) or not value:
                continue
            if value in first:
                yield Problem(
                    f"{place}.{key}",
                    f"duplicate {key}",
                    f"a {key} that no other point has",
                    f"{value!r}, also of {first[value]}",
                    "rename one of the two",
                )
            first.setdefault(value, place)


def _aliases(facts: _Facts) -> Iterator[Problem]:
    taken = dict(facts.canonical)
    for place, point in facts.keypoints:
        aliases = point.get("aliases")
        for alias in aliases if isinstance(aliases, list) else ():
            if not isinstance(alias, str):
                continue
            if taken.get(alias, place) != place or alias == canonical_of(point):
                yield Problem(
                    f"{place}.aliases",
                    "ambiguous alias",
                    "a name that no point of this schema has",
                    f"{alias!r} of {taken[alias]}",
                    "remove the alias",
                )
            taken.setdefault(alias, place)


def _swaps(facts: _Facts) -> Iterator[Problem]:
    for place, point in facts.keypoints:
        name, swap = point.get("name"), point.get("swap")
        if not isinstance(swap, str) or not isinstance(name, str):
            continue
        if swap == name:
            fix = "remove the key; a point on the middle line has no partner"
            yield Problem(
                f"{place}.swap", "a point swaps with itself", "another point", repr(swap), fix
            )
        elif swap not in facts.names:
            yield _unknown_point(f"{place}.swap", swap, facts.names)
        elif facts.names[swap].get("swap") != name:
            back = facts.names[swap].get("swap")
            yield Problem(
                f"{place}.swap",
                "one-sided swap",
                f"{swap!r} to swap with {name!r}",
                "no swap there" if back is None else repr(back),
                f"give {swap!r} the key `swap = {name!r}`",
            )


def _parents(facts: _Facts) -> Iterator[Problem]:
    edges: dict[str, tuple[str, ...]] = {}
    for place, point in facts.keypoints:
        parent = point.get("parent")
        if not isinstance(parent, str):
            continue
        if parent not in facts.names:
            yield _unknown_point(f"{place}.parent", parent, facts.names)
        else:
            edges[str(point.get("name"))] = (parent,)
    yield from _cycle("keypoints", "parents", edges)


def _links(facts: _Facts) -> Iterator[Problem]:
    for place, link in facts.links:
        for key in ("start", "end"):
            name = link.get(key)
            if isinstance(name, str) and name not in facts.names:
                yield _unknown_point(f"{place}.{key}", name, facts.names)
        if isinstance(link.get("start"), str) and link.get("start") == link.get("end"):
            found = repr(link["start"])
            yield Problem(
                place, "a link from a point to itself", "two points", found, "remove the link"
            )


def _sigmas(facts: _Facts) -> Iterator[Problem]:
    without = [place for place, point in facts.keypoints if "sigma" not in point]
    with_sigma = len(facts.keypoints) - len(without)
    if with_sigma and without:
        yield Problem(
            "keypoints",
            "sigma count",
            f"a sigma for all {len(facts.keypoints)} points or for none",
            f"{with_sigma}; none for {_some(without)}",
            "add the missing ones with their source, or remove all",
        )
    source = facts.document.get("sigma_source")
    if with_sigma and source is None:
        fix = "add `sigma_source = 'measured'`, 'borrowed:<schema>' or 'uniform:<value>'"
        yield Problem(
            "sigma_source", "sigmas without a source", "where they come from", "nothing", fix
        )
    if source is not None and facts.keypoints and not with_sigma:
        found = f"{source!r} and no sigma"
        yield Problem("sigma_source", "a source without sigmas", "sigmas", found, "remove the key")
    if isinstance(source, str):
        yield from _uniform_sigmas(facts, source)


def _uniform_sigmas(facts: _Facts, source: str) -> Iterator[Problem]:
    if not source.startswith("uniform:") or "," in source:
        return
    value = source.removeprefix("uniform:")
    for place, point in facts.keypoints:
        sigma = point.get("sigma")
        if isinstance(sigma, int | float) and repr(float(sigma)) != repr(_number(value)):
            fix = "correct the sigma or the source"
            yield Problem(f"{place}.sigma", "not the uniform sigma", value, repr(sigma), fix)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _formula_syntax(facts: _Facts) -> Iterator[Problem]:
    for key, text in facts.texts("formulas").items():
        try:
            parse_formula(text)
        except FormulaSyntaxError as error:
            fix = "write mean(a, b), 3/4*a + 1/4*b, a plain name, or several with | between"
            yield Problem(f"formulas.{key}", f"no formula: {error}", "a formula", repr(text), fix)


def _formula_names(facts: _Facts) -> Iterator[Problem]:
    own = {*facts.canonical, *facts.texts("formulas")}
    used = {name for formula in facts.formulas.values() for name in formula.names}
    for key, formula in facts.formulas.items():
        if key not in facts.canonical and key not in used:
            yield _unknown_point(f"formulas.{key}", key, facts.canonical, "canonical name")
        foreign = [name for name in formula.names if name not in own]
        if foreign and facts.vocabulary is not None:
            known = {*own, *facts.vocabulary()}
            for name in foreign:
                if name not in known:
                    yield _unknown_point(f"formulas.{key}", name, known, "canonical name")
    edges = {key: formula.names for key, formula in facts.formulas.items()}
    yield from _cycle("formulas", "formulas", edges)


def _normalisers(facts: _Facts) -> Iterator[Problem]:
    table = facts.document.get("normalisers")
    for key, value in table.items() if isinstance(table, Mapping) else ():
        points = value.get("points") if isinstance(value, Mapping) else None
        for name in points if isinstance(points, list) else ():
            if isinstance(name, str) and name not in facts.names:
                yield _unknown_point(f"normalisers.{key}.points", name, facts.names)


def _cycle(place: str, what: str, edges: Mapping[str, tuple[str, ...]]) -> Iterator[Problem]:
    cycle = find_cycle(edges)
    if cycle:
        fix = f"remove the one of {cycle[0]!r}"
        yield Problem(place, f"cycle in {what}", "a tree", " -> ".join(cycle), fix)


def _unknown_point(place: str, name: str, known: Iterable[str], kind: str = "name") -> Problem:
    near = get_close_matches(name, list(known), n=1)
    fix = f"did you mean {near[0]!r}?" if near else "use a name of this schema's keypoints"
    return Problem(place, "unknown point", f"the {kind} of a keypoint", repr(name), fix)


def _some(places: list[str]) -> str:
    shown = ", ".join(places[:3])
    return f"{shown} and {len(places) - 3} more" if len(places) > 3 else shown


_RULES: tuple[Callable[[_Facts], Iterator[Problem]], ...] = (
    _unique_names,
    _aliases,
    _swaps,
    _parents,
    _links,
    _sigmas,
    _formula_syntax,
    _formula_names,
    _normalisers,
)

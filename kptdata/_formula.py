"""The language of derived joints: what a formula says, read from text without evaluating it.

A formula is one or more alternatives, tried in order, joined by ``|``. An alternative is a weighted
sum of canonical names whose weights add up to one, so that it moves with the picture:

    mean(left_hip, right_hip)
    3/4*neck + 1/4*head_top
    nose | mean(neck, head_top)
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isclose

__all__ = ["Alternative", "Formula", "FormulaSyntaxError", "find_cycle", "parse_formula"]

_LONGEST = 1000  # characters; a formula is one line, and the parser below recurses


class FormulaSyntaxError(ValueError):
    """Text that is no formula; the message is one clause that says why."""


@dataclass(frozen=True)
class Alternative:
    """One weighted sum: `weights` add up to 1 and belong to `names`, all different."""

    names: tuple[str, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Formula:
    """A parsed formula: the first alternative whose names are all known is the one that counts."""

    alternatives: tuple[Alternative, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that any alternative uses, each once, in order of appearance."""
        return tuple(dict.fromkeys(n for each in self.alternatives for n in each.names))


def parse_formula(text: str) -> Formula:
    """Read a formula.

    Raises:
        FormulaSyntaxError: the text is not of the language, or weights do not add up to 1.

    >>> parse_formula("3/4*neck + 1/4*head_top").alternatives[0].weights
    (0.75, 0.25)
    """
    if len(text) > _LONGEST:
        raise FormulaSyntaxError(f"longer than {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise FormulaSyntaxError("cannot be read as names, mean(...), +, *, / and |") from error
    return Formula(tuple(_alternative(node) for node in _split(tree)))


def _split(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _split(node.left)
        yield from _split(node.right)
    else:
        yield node


def _alternative(node: ast.expr) -> Alternative:
    terms = _terms(node)
    total = sum(terms.values())
    if not isclose(total, 1.0, abs_tol=1e-9):
        raise FormulaSyntaxError(
            f"the weights of {' + '.join(terms)} add up to {total:g}, which moves the point "
            "with the origin of the picture; they must add up to 1"
        )
    return Alternative(tuple(terms), tuple(terms.values()))


def _terms(node: ast.expr) -> dict[str, float]:
    """Return the weight of each name in a sum, in order of appearance."""
    match node:
        case ast.Name(id=name):
            return {name: 1.0}
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _add(_terms(left), _terms(right))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _scale(_terms(right), _number(left))
        case ast.Call(func=ast.Name(id="mean"), args=[_, *_] as parts, keywords=[]):
            total: dict[str, float] = {}
            for part in parts:
                total = _add(total, _scale(_terms(part), 1 / len(parts)))
            return total
    raise FormulaSyntaxError(
        f"{ast.unparse(node)!r} is not a name, mean(name, ...), number*name or a sum of these"
    )


def _number(node: ast.expr) -> float:
    """Return a positive constant, written as a number or as a fraction of two."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and (
            0 < value < 1e6
        ):
            return float(value)
        case ast.BinOp(left=above, op=ast.Div(), right=below):
            return _number(above) / _number(below)
    raise FormulaSyntaxError(f"{ast.unparse(node)!r} is not a positive number such as 3/4 or 0.75")


def _add(left: Mapping[str, float], right: Mapping[str, float]) -> dict[str, float]:
    return {n: left.get(n, 0.0) + right.get(n, 0.0) for n in {**left, **right}}


def _scale(terms: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: weight * factor for name, weight in terms.items()}


def find_cycle(edges: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the nodes of one cycle of a directed graph, first repeated at the end; empty if none.

    >>> find_cycle({"a": ("b",), "b": ("c", "a"), "c": ()})
    ('a', 'b', 'a')
    """
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        pending = [iter((start,))]
        while pending:
            node = next(pending[-1], None)
            if node is None:
                pending.pop()
                if path:
                    done.add(path.pop())
            elif node in path:
                return (*path[path.index(node) :], node)
            elif node not in done and node in edges:
                path.append(node)
                pending.append(iter(edges[node]))
    return ()

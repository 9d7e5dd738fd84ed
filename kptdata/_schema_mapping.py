"""From the points of one schema to those of another: by canonical name, by alias, by formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kptdata._schema_model import Schema
from kptdata.errors import ArrayError
from kptdata.visibility import Visibility, is_labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata._formula import Alternative

__all__ = ["Derived", "SchemaMap", "map_schemas"]

# Knowledge about a point, least first. A derived point knows no more than the least of its parents.
_KNOWLEDGE = (
    Visibility.UNLABELLED,
    Visibility.ABSENT,
    Visibility.OCCLUDED,
    Visibility.LABELLED,
    Visibility.VISIBLE,
)
_RANK = np.argsort(np.array(_KNOWLEDGE))  # state -> rank
_STATE = np.array(_KNOWLEDGE, np.uint8)  # rank -> state


class Derived(NamedTuple):
    """A target point computed from source points."""

    name: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class SchemaMap:
    """How the K points of `source` fill the T points of `target`.

    Attributes:
        source: schema of the arrays given.
        target: schema of the arrays returned.
        exact: pairs of target name and the source name of the same point.
        derived: target name and the source names from which a formula computes it.
        weights: for each of `derived`, the weight of each parent; they add up to 1.
        missing: target names that nothing fills.
        unused: source names that go nowhere.
    """

    source: Schema
    target: Schema
    exact: tuple[tuple[str, str], ...]
    derived: tuple[Derived, ...]
    weights: tuple[tuple[float, ...], ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def is_identity(self) -> bool:
        """Whether arrays come back as they are: the same points in the same order."""
        rows = range(self.source.num_keypoints)
        return len(rows) == self.target.num_keypoints and self._exact_rows.tolist() == [*rows]

    def to_dict(self) -> dict[str, Any]:
        """Return what goes where as JSON-ready data."""
        return {
            "source": self.source.name,
            "target": self.target.name,
            "exact": dict(self.exact),
            "derived": {
                name: dict(zip(parents, weights, strict=True))
                for (name, parents), weights in zip(self.derived, self.weights, strict=True)
            },
            "missing": list(self.missing),
            "unused": list(self.unused),
        }

    @cached_property
    def _exact_rows(self) -> NDArray[np.intp]:
        """Source row (T,) of each target point, -1 where there is no such point."""
        rows = np.full(self.target.num_keypoints, -1, np.intp)
        for name, source in self.exact:
            rows[self.target.index(name)] = self.source.index(source)
        return rows

    @cached_property
    def _derived_rows(self) -> tuple[tuple[int, list[int]], ...]:
        return tuple(
            (self.target.index(name), [self.source.index(parent) for parent in parents])
            for name, parents in self.derived
        )

    def apply(
        self, xy: NDArray[np.floating], visibility: NDArray[np.uint8]
    ) -> tuple[NDArray[np.floating], NDArray[np.uint8]]:
        """Return coordinates (..., T, D) and visibility (..., T) of the target's points.

        A derived point needs every parent and is as visible as the least visible of them; if one
        has no coordinates it is unlabelled. Missing points are unlabelled, with NaN.

        Args:
            xy: coordinates (..., K, D), D = 2 or 3, any unit; NaN where not labelled.
            visibility: states (..., K).

        Raises:
            ArrayError: an array has another number of points.
        """
        states = self._visibility(visibility)
        moved = self.combine(xy)
        rows = [row for row, _ in self._derived_rows]
        moved[..., rows, :] = np.where(
            is_labelled(states[..., rows])[..., None], moved[..., rows, :], np.nan
        )
        return moved, states

    def combine(self, xy: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return coordinates (..., T, D) for `xy` (..., K, D); NaN where missing."""
        moved = self.take(xy, np.nan, axis=-2)
        for (row, parents), weights in zip(self._derived_rows, self.weights, strict=True):
            moved[..., row, :] = np.einsum(
                "...pd,p->...d", xy[..., parents, :], np.asarray(weights, xy.dtype)
            )
        return moved

    def take(self, array: NDArray[Any], fill: Any, axis: int = -1) -> NDArray[Any]:
        """Return any per-point array with its points along `axis` in the target's order.

        Derived and missing points are `fill`.
        """
        self._check(array, axis)
        rows = self._exact_rows
        moved = np.full(
            (*array.shape[:axis], len(rows), *_after(array.shape, axis)), fill, array.dtype
        )
        to: list[Any] = [slice(None)] * moved.ndim
        to[axis] = rows >= 0
        moved[tuple(to)] = np.take(array, rows[rows >= 0], axis)
        return moved

    def lowest(self, scores: NDArray[Any], fill: Any = np.nan) -> NDArray[Any]:
        """Return scores (..., T) for `scores` (..., K): a derived point has its parents' lowest."""
        moved = self.take(scores, fill)
        for row, parents in self._derived_rows:
            moved[..., row] = scores[..., parents].min(-1)
        return moved

    def _visibility(self, visibility: NDArray[np.uint8]) -> NDArray[np.uint8]:
        states = self.take(visibility, np.uint8(Visibility.UNLABELLED))
        for row, parents in self._derived_rows:
            state = _STATE[_RANK[visibility[..., parents]].min(-1)]
            states[..., row] = np.where(is_labelled(state), state, Visibility.UNLABELLED)
        return states

    def _check(self, array: NDArray[Any], axis: int) -> None:
        points = self.source.num_keypoints
        if array.ndim < -axis or array.shape[axis] != points:
            raise ArrayError(
                f"array: expected {points} points of schema {self.source.name!r} "
                f"along axis {axis}, got shape {array.shape}"
            )


def _after(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[axis + 1 :] if axis != -1 else ()


def map_schemas(source: Schema, target: Schema) -> SchemaMap:
    """Return which points of `target` those of `source` fill, exactly or by formula.

    A point matches the one with the same canonical name, then one of which either side's alias is
    the other's canonical name; a source point goes to one target point. What is left is computed by
    the target's formulas where every parent is in the source, directly or through another formula.
    """
    exact = _matches(source, target)
    recipes = _Recipes(source, target, exact)
    derived, weights, missing = [], [], []
    for point in target.keypoints:
        if point.name in exact:
            continue
        recipe = recipes.derive(point.canonical)
        if recipe is None:
            missing.append(point.name)
        else:
            derived.append(Derived(point.name, tuple(recipe)))
            weights.append(tuple(recipe.values()))
    used = {*exact.values(), *(name for _, parents in derived for name in parents)}
    return SchemaMap(
        source,
        target,
        tuple(exact.items()),
        tuple(derived),
        tuple(weights),
        tuple(missing),
        tuple(name for name in source.names if name not in used),
    )


def _matches(source: Schema, target: Schema) -> dict[str, str]:
    """Return target name to source name for the points that are the same, in the target's order."""
    by_name = {point.canonical: point.name for point in source.keypoints}
    matched = {p.name: by_name[p.canonical] for p in target.keypoints if p.canonical in by_name}
    free = {p.canonical: p for p in source.keypoints if p.name not in matched.values()}
    by_alias = {alias: p for p in free.values() for alias in p.aliases}
    for point in target.keypoints:
        if point.name in matched:
            continue
        names = [*point.aliases]
        found = by_alias.get(point.canonical) or next((free[n] for n in names if n in free), None)
        if found is not None and found.name not in matched.values():
            matched[point.name] = found.name
    return {name: matched[name] for name in target.names if name in matched}


class _Recipes:
    """Finds for a canonical name the weighted source points that give it."""

    def __init__(self, source: Schema, target: Schema, exact: Mapping[str, str]) -> None:
        from kptdata._formula import parse_formula

        # What stands for a name: the source point matched to the target's, else the source's own.
        self.direct = {alias: p.name for p in source.keypoints for alias in p.aliases}
        self.direct |= {p.canonical: p.name for p in source.keypoints}
        self.direct |= {p.canonical: exact[p.name] for p in target.keypoints if p.name in exact}
        self.formulas = {
            key: parse_formula(text).alternatives for key, text in target.formulas.items()
        }

    def derive(self, name: str) -> dict[str, float] | None:
        """Return source names and weights by the formula of `name`, None if a parent is lacking."""
        recipes = map(self._fill, self.formulas.get(name, ()))
        return next((recipe for recipe in recipes if recipe is not None), None)

    def _fill(self, alternative: Alternative) -> dict[str, float] | None:
        total: dict[str, float] = {}
        for name, weight in zip(alternative.names, alternative.weights, strict=True):
            direct = self.direct.get(name)
            parents = {direct: 1.0} if direct else self.derive(name)
            if parents is None:
                return None
            for parent, share in parents.items():
                total[parent] = total.get(parent, 0.0) + weight * share
        return total

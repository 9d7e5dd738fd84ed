"""The shape of a schema file: which keys there are and what each may hold.

One table serves two readers: `problems` judges a parsed document, and `json_schema` says the same
to editors (``schemas/schema.schema.json`` is its output). The rules between keys are in
`_schema_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple, Protocol

__all__ = ["KEYPOINT", "LINK", "NORMALISER", "PAPER", "SCHEMA", "Problem", "json_schema", "show"]

_LARGEST = 1e300  # beyond it lie infinities, and integers that no float holds
_LINE = r"^[^\u0000-\u001f\u007f\ud800-\udfff]+$"
_COLOUR = r"^#[0-9a-f]{6}$"
_WORD = r"^[a-z][a-z0-9_]*$"
_SOURCE = r"(measured|borrowed:[a-z0-9_]+|uniform:[0-9]*\.?[0-9]+)"
BOX_MEASURES = ("diagonal", "width", "height", "max_side", "sqrt_area")


class Problem(NamedTuple):
    """One broken rule: where it is, what is wrong, what was expected, what was found, the fix."""

    place: str
    problem: str
    expected: str | None = None
    found: str | None = None
    fix: str | None = None


class Shape(Protocol):
    """What a value may be."""

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""


def show(value: object) -> str:
    """Return `value` as a message shows it: short, and in TOML's words where they differ."""
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Text:
    """Text on one line, of a pattern or out of a list."""

    pattern: str = _LINE
    expected: str = "text on one line, not empty"
    choices: tuple[str, ...] = ()

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""
        if isinstance(value, str) and self._fits(value):
            return
        near = get_close_matches(str(value), self.choices, n=1) if self.choices else []
        fix = f"write {near[0]!r}" if near else f"write {self._wanted} there"
        yield Problem(place, "wrong value", self._wanted, show(value), fix)

    def _fits(self, value: str) -> bool:
        return (
            value in self.choices if self.choices else re.fullmatch(self.pattern, value) is not None
        )

    @property
    def _wanted(self) -> str:
        return " or ".join(map(repr, self.choices)) if self.choices else self.expected

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""
        if self.choices:
            return {"enum": list(self.choices)}
        return {"type": "string", "pattern": self.pattern}


@dataclass(frozen=True)
class Number:
    """A finite number in a range."""

    at_least: float | None = None
    more_than: float | None = None
    at_most: float | None = None
    whole: bool = False

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""
        if not self._fits(value):
            yield Problem(place, "wrong value", self._wanted, show(value), f"give {self._wanted}")

    def _fits(self, value: Any) -> bool:
        kinds = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return False
        # A NaN fails the first comparison, an infinity one of the two.
        return (
            -_LARGEST <= value <= _LARGEST
            and (self.at_least is None or value >= self.at_least)
            and (self.more_than is None or value > self.more_than)
            and (self.at_most is None or value <= self.at_most)
        )

    @property
    def _wanted(self) -> str:
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("at least", self.at_least),
                ("above", self.more_than),
                ("at most", self.at_most),
            )
            if bound is not None
        ]
        kind = "a whole number" if self.whole else "a finite number"
        return " ".join([kind, " and ".join(bounds)]).strip()

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""
        bounds = {
            "minimum": self.at_least,
            "exclusiveMinimum": self.more_than,
            "maximum": self.at_most,
        }
        given = {key: bound for key, bound in bounds.items() if bound is not None}
        return {"type": "integer" if self.whole else "number", **given}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""
        if not isinstance(value, bool):
            yield Problem(place, "wrong value", "true or false", show(value), "write true or false")

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Listing:
    """A list of values of one shape; `label` is the key that names an item in messages."""

    item: Shape
    length: int | None = None
    label: str | None = None
    unique: bool = False

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""
        if not isinstance(value, list):
            yield Problem(place, "wrong value", "a list", show(value), "put it in [brackets]")
            return
        if self.length is not None and len(value) != self.length:
            count = f"{self.length} values"
            yield Problem(place, "wrong length", count, f"{len(value)}", f"give {count}")
        if self.unique and any(item in value[:row] for row, item in enumerate(value)):
            yield Problem(place, "wrong value", "no item twice", show(value), "remove the second")
        for row, item in enumerate(value):
            yield from self.item.problems(item, item_place(place, row, item, self.label))

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""
        rule: dict[str, Any] = {"type": "array", "items": self.item.json_schema()}
        if self.length is not None:
            rule |= {"minItems": self.length, "maxItems": self.length}
        return rule | ({"uniqueItems": True} if self.unique else {})


def item_place(place: str, row: int, item: Any, label: str | None = "name") -> str:
    """Return where item `row` of a list is, with its name if any: ``keypoints[3] (nose)``."""
    name = item.get(label) if label and isinstance(item, Mapping) else None
    return f"{place}[{row}] ({name})" if isinstance(name, str) else f"{place}[{row}]"


@dataclass(frozen=True)
class Record:
    """A table with known keys."""

    keys: Mapping[str, Shape]
    required: tuple[str, ...] = ()

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""
        if not isinstance(value, Mapping):
            yield Problem(
                place, "wrong value", "a table", show(value), "write { key = value, ... }"
            )
            return
        for key in self.required:
            if key not in value:
                yield Problem(inside(place, key), "missing key", fix=f"add `{key} = ...`")
        for key, item in value.items():
            if key in self.keys:
                yield from self.keys[key].problems(item, inside(place, key))
            else:
                yield self._unknown(str(key), place)

    def _unknown(self, key: str, place: str) -> Problem:
        near = get_close_matches(key, self.keys, n=1)
        fix = f"did you mean {near[0]!r}?" if near else "remove it"
        return Problem(
            inside(place, key), "unknown key", f"one of {', '.join(self.keys)}", repr(key), fix
        )

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""
        return {
            "type": "object",
            "properties": {key: shape.json_schema() for key, shape in self.keys.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }


def inside(place: str, key: str) -> str:
    """Return the place of `key` within `place`."""
    return f"{place}.{key}" if place else key


@dataclass(frozen=True)
class Named:
    """A table from free names to values of one shape."""

    item: Shape

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""
        if not isinstance(value, Mapping):
            yield Problem(
                place, "wrong value", "a table", show(value), f"write a [{place}] section"
            )
            return
        for key, item in value.items():
            yield from Text().problems(key, inside(place, str(key)))
            yield from self.item.problems(item, inside(place, str(key)))

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""
        return {
            "type": "object",
            "propertyNames": Text().json_schema(),
            "additionalProperties": self.item.json_schema(),
        }


@dataclass(frozen=True)
class Either:
    """One shape if a table has the key `key`, another if not."""

    key: str
    present: Shape
    absent: Shape

    def problems(self, value: Any, place: str) -> Iterator[Problem]:
        """Yield what is wrong with `value`."""
        there = isinstance(value, Mapping) and self.key in value
        yield from (self.present if there else self.absent).problems(value, place)

    def json_schema(self) -> dict[str, Any]:
        """Return the same rule as JSON Schema."""
        return {
            "if": {"type": "object", "required": [self.key]},
            "then": self.present.json_schema(),
            "else": self.absent.json_schema(),
        }


_COLOUR_TEXT = Text(_COLOUR, "a colour such as '#3399ff', in lower case")
_FRACTION = Number(at_least=0, at_most=1)

KEYPOINT = Record(
    {
        "name": Text(),
        "canonical": Text(),
        "swap": Text(),
        "parent": Text(),
        "part": Text(choices=("upper", "lower")),
        "group": Text(_WORD, "a lower-case word such as 'body' or 'left_hand'"),
        "colour": _COLOUR_TEXT,
        "sigma": Number(more_than=0),
        "weight": Number(at_least=0),
        "aliases": Listing(Text(), unique=True),
        "at": Listing(_FRACTION, length=2),
    },
    required=("name",),
)
LINK = Record({"start": Text(), "end": Text(), "colour": _COLOUR_TEXT}, required=("start", "end"))
PAPER = Record(
    {
        "author": Text(),
        "title": Text(),
        "container": Text(),
        "year": Number(at_least=1800, at_most=2200, whole=True),
        "homepage": Text(),
    }
)
_FACTOR = Number(more_than=0)
NORMALISER = Either(
    "box",
    Record({"box": Text(), "of": Text(choices=BOX_MEASURES), "factor": _FACTOR}, ("box", "of")),
    Record(
        {
            "points": Listing(Text(), length=2, unique=True),
            "of": Text(choices=("distance",)),
            "factor": _FACTOR,
        },
        required=("points",),
    ),
)
SCHEMA = Record(
    {
        "name": Text(),
        "title": Text(),
        "preferred": Flag(),
        "sigma_source": Text(
            rf"^{_SOURCE}(, {_SOURCE})*$",
            "'measured', 'borrowed:<schema>', 'uniform:<value>' or several, with ', ' between",
        ),
        "licence": Text(),
        "keypoints": Listing(KEYPOINT, label="name"),
        "links": Listing(LINK),
        "paper": PAPER,
        "formulas": Named(Text()),
        "normalisers": Named(NORMALISER),
    },
    required=("name", "keypoints"),
)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a schema file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Keypoint schema of kptdata",
        "description": "Rules between keys are checked by `kpt schema validate`.",
        **SCHEMA.json_schema(),
    }

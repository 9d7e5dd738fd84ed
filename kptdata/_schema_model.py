"""What a keypoint schema is: frozen data, checked when made, and the arrays derived from it.

The rules, the text and the hash are imported where they are used: `import kptdata` needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.errors import SchemaError, UnknownNameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata._schema_rules import Vocabulary

__all__ = ["GREY", "Keypoint", "Link", "Normaliser", "Paper", "Schema", "parse_schema"]

GREY = "#808080"  # the colour of what has none


@dataclass(frozen=True)
class Keypoint:
    """One point of a schema.

    Attributes:
        name: the source's spelling, which files carry.
        canonical: our name, the only key for mapping; `name` if empty.
        swap: name of the point that takes this one's place in a mirrored picture.
        part: ``upper`` or ``lower`` half of a body, None where that means nothing.
        group: what the point belongs to: ``body``, ``foot``, ``face``, ``left_hand``, ...
        parent: name of the next point towards the root.
        colour: ``#rrggbb``.
        sigma: OKS falloff, a fraction of the square root of the area; None if nobody measured it.
        weight: factor of the point's loss.
        aliases: canonical names of other schemas that stand for the same point.
        at: where drawings of the schema put the point: x and y in 0..1 of a picture seen from the
            front, y down; None if not stated.
    """

    name: str
    canonical: str = ""
    swap: str | None = None
    part: str | None = None
    group: str = "body"
    parent: str | None = None
    colour: str = GREY
    sigma: float | None = None
    weight: float = 1.0
    aliases: tuple[str, ...] = ()
    at: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _set(self, "canonical", self.canonical or self.name)
        _set(self, "aliases", tuple(self.aliases))
        if self.at is not None:
            _set(self, "at", tuple(map(_real, self.at)))
        _set(self, "weight", _real(self.weight))
        _set(self, "sigma", _real(self.sigma))


@dataclass(frozen=True)
class Link:
    """A line of the skeleton between two points, by name."""

    start: str
    end: str
    colour: str = GREY


@dataclass(frozen=True)
class Normaliser:
    """A length by which errors are divided.

    Attributes:
        points: two keypoint names, if the length is their distance.
        box: name of a box (``bbox`` is the instance's own), if the length is one of the box's.
        of: ``distance`` for points; ``diagonal``, ``width``, ``height``, ``max_side`` or
            ``sqrt_area`` for a box.
        factor: the length is multiplied by this.
    """

    points: tuple[str, ...] = ()
    box: str | None = None
    of: str = "distance"
    factor: float = 1.0

    def __post_init__(self) -> None:
        _set(self, "points", tuple(self.points))
        _set(self, "factor", _real(self.factor))


@dataclass(frozen=True)
class Paper:
    """Where the schema was published."""

    author: str = ""
    title: str = ""
    container: str = ""
    year: int | None = None
    homepage: str = ""


@dataclass(frozen=True, repr=False)
class Schema:
    """The facts about one set of keypoints; every rule is checked when it is made.

    Attributes:
        name: the source's spelling; the file's name is this in lower case with ``_``.
        keypoints: the K points, in the order of files and arrays.
        links: lines of the skeleton.
        title: one line for people.
        formulas: canonical name to formula, for points that another schema does not have.
        sigma_source: ``measured``, ``borrowed:<schema>``, ``uniform:<value>``, a list of these, or
            None if there are no sigmas.
        normalisers: name to length for PCK and NME.
        licence: of the annotations.
        paper: where it was published.
        preferred: the declared one among schemas with equal names.

    Raises:
        SchemaError: a rule is broken; the message lists all that are.
    """

    name: str
    keypoints: tuple[Keypoint, ...]
    links: tuple[Link, ...] = ()
    title: str = ""
    formulas: Mapping[str, str] = field(default_factory=dict)
    sigma_source: str | None = None
    normalisers: Mapping[str, Normaliser] = field(default_factory=dict)
    licence: str = ""
    paper: Paper | None = None
    preferred: bool = False

    def __post_init__(self) -> None:
        _set(self, "keypoints", tuple(self.keypoints))
        _set(self, "links", tuple(self.links))
        _set(self, "formulas", MappingProxyType(dict(self.formulas)))
        _set(self, "normalisers", MappingProxyType(dict(self.normalisers)))
        _check(self.to_dict())

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Schema:
        """Return the schema that `to_dict` wrote. Raises `SchemaError`."""
        return parse_schema(document)

    @classmethod
    def from_names(
        cls, names: Sequence[str], name: str = "custom", links: Sequence[tuple[str, str]] = ()
    ) -> Schema:
        """Return a bare schema for unknown data: no swaps, no sigmas.

        Names that only count (``kpt-3``, ``7``) are qualified by `name`, so that they never match
        the points of another schema. Raises `SchemaError` for duplicate names.
        """
        points = tuple(Keypoint(n, qualified_name(n, name)) for n in names)
        return cls(name, points, tuple(Link(start, end) for start, end in links))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the K points as files spell them."""
        return tuple(point.name for point in self.keypoints)

    @cached_property
    def canonical_names(self) -> tuple[str, ...]:
        """Names of the K points as this project spells them."""
        return tuple(point.canonical for point in self.keypoints)

    @property
    def num_keypoints(self) -> int:
        """K."""
        return len(self.keypoints)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Return the row of the point called `name`. Raises `UnknownNameError` with near names."""
        if name not in self._rows:
            raise UnknownNameError(f"keypoint of {self.name}", name, self.names)
        return self._rows[name]

    @cached_property
    def swap_indices(self) -> NDArray[np.intp]:
        """Row (K,) that takes each row's place in a mirrored picture; its own inverse."""
        return _rows_array([self._rows[p.swap or p.name] for p in self.keypoints])

    @property
    def has_swaps(self) -> bool:
        """Whether any two points change places in a mirrored picture."""
        return any(point.swap for point in self.keypoints)

    @cached_property
    def parent_indices(self) -> NDArray[np.intp]:
        """Row (K,) of each point's parent, -1 where there is none."""
        return _rows_array([self._rows[p.parent] if p.parent else -1 for p in self.keypoints])

    @cached_property
    def sigmas(self) -> NDArray[np.float64] | None:
        """OKS falloffs (K,), or None if the schema has none."""
        values = [point.sigma for point in self.keypoints]
        return None if None in values else _frozen(np.array(values, np.float64))

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Factors of the loss (K,)."""
        return _frozen(np.array([point.weight for point in self.keypoints], np.float64))

    @cached_property
    def link_indices(self) -> NDArray[np.intp]:
        """Rows (L, 2) of the points that each link joins."""
        pairs = [(self._rows[link.start], self._rows[link.end]) for link in self.links]
        return _frozen(np.array(pairs, np.intp).reshape(-1, 2))

    @cached_property
    def upper_body(self) -> NDArray[np.intp]:
        """Rows of the points of the upper body."""
        return _rows_array([r for r, p in enumerate(self.keypoints) if p.part == "upper"])

    @cached_property
    def lower_body(self) -> NDArray[np.intp]:
        """Rows of the points of the lower body."""
        return _rows_array([r for r, p in enumerate(self.keypoints) if p.part == "lower"])

    def group_indices(self, group: str) -> NDArray[np.intp]:
        """Return the rows of the points of `group`. Raises `UnknownNameError`."""
        groups = tuple(dict.fromkeys(point.group for point in self.keypoints))
        if group not in groups:
            raise UnknownNameError(f"group of {self.name}", group, groups)
        return _rows_array([r for r, p in enumerate(self.keypoints) if p.group == group])

    @cached_property
    def colours(self) -> NDArray[np.uint8]:
        """Colours of the points (K, 3), red, green, blue."""
        return _rgb([point.colour for point in self.keypoints])

    @cached_property
    def link_colours(self) -> NDArray[np.uint8]:
        """Colours of the links (L, 3), red, green, blue."""
        return _rgb([link.colour for link in self.links])

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as JSON-ready data, defaults left out: what its TOML file says."""
        return _plain(self)

    def to_toml(self) -> str:
        """Return the text of the schema's file; the same schema always gives the same bytes."""
        from kptdata._schema_text import toml_text

        return toml_text(self.to_dict())

    def hash(self) -> str:
        """Return the SHA-256 of the content in hexadecimal; the order of keys does not matter."""
        import hashlib
        import json

        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def __hash__(self) -> int:
        return hash((self.name, self.names))

    def __repr__(self) -> str:
        return f"<Schema {self.name!r}, {self.num_keypoints} keypoints>"

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        # A mapping proxy cannot be pickled; data loaders and checkpoints need a schema that can.
        return _restore, (self.to_dict(),)


def parse_schema(
    document: Mapping[str, Any],
    path: str | Path | None = None,
    vocabulary: Vocabulary | None = None,
) -> Schema:
    """Return the schema that a document of the file format says.

    Args:
        document: tables as `tomllib` or `Schema.to_dict` give them.
        path: the file, for the messages.
        vocabulary: canonical names that formulas may use beside the schema's own; None accepts any.

    Raises:
        SchemaError: a rule is broken; the message lists all that are.
    """
    _check(document, path, vocabulary)
    return _restore(document)


def _restore(document: Mapping[str, Any]) -> Schema:
    given = dict(document)
    given["keypoints"] = tuple(Keypoint(**point) for point in document["keypoints"])
    given["links"] = tuple(Link(**link) for link in document.get("links", ()))
    given["normalisers"] = {
        key: Normaliser(**value) for key, value in document.get("normalisers", {}).items()
    }
    if "paper" in document:
        given["paper"] = Paper(**document["paper"])
    return Schema(**given)


def _check(
    document: Mapping[str, Any],
    path: str | Path | None = None,
    vocabulary: Vocabulary | None = None,
) -> None:
    """Raise one `SchemaError` for all rules that a document breaks."""
    from kptdata._schema_rules import find_problems

    problems = find_problems(document, path, vocabulary)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise SchemaError(f"{len(problems)} findings:{lines}", path=problems[0].path)


def _plain(record: Any) -> dict[str, Any]:
    """Return a record as a dict in the order of its file, without what equals the default."""
    defaults = {each.name: each.default for each in fields(record)}
    plain = {}
    for key in _keys(type(record).__name__) or defaults:
        value = getattr(record, key)
        empty = isinstance(value, Mapping) and not value
        named = key == "canonical" and value == record.name
        if not (empty or named or value == defaults[key]):
            plain[key] = _plain_value(value)
    return plain


@cache
def _keys(kind: str) -> tuple[str, ...]:
    """Return the keys of a schema or keypoint in the order of its file."""
    from kptdata._schema_spec import KEYPOINT, SCHEMA

    order = {"Keypoint": KEYPOINT, "Schema": SCHEMA}
    return tuple(order[kind].keys) if kind in order else ()


def _plain_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_value(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return _plain(value) if hasattr(value, "__dataclass_fields__") else value


def qualified_name(name: str, scheme: str) -> str:
    """Return a name that only counts (``kpt-3``, ``7``) with its scheme, any other as it is."""
    label, digits = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
    counting = label.strip("-_. ").lower() in {"", "kpt", "keypoint", "point", "landmark", "joint"}
    return f"{scheme}_{digits}" if digits and counting else name


def _set(record: object, key: str, value: object) -> None:
    object.__setattr__(record, key, value)  # the way into a frozen dataclass that is being made


def _real(value: Any) -> Any:
    """Return a whole number as a float; anything else as it is, for the rules to judge."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _rows_array(rows: list[int]) -> NDArray[np.intp]:
    return _frozen(np.array(rows, np.intp))


def _rgb(colours: list[str]) -> NDArray[np.uint8]:
    values = [bytes.fromhex(colour[1:]) for colour in colours]
    return _frozen(np.frombuffer(b"".join(values), np.uint8).reshape(-1, 3).copy())


def _frozen(array: Any) -> Any:
    array.setflags(write=False)
    return array

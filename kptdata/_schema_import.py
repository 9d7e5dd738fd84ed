"""From an MMPose ``dataset_info = dict(...)`` to a schema: read as data, mended where it is broken.

Every mend is a finding, so that a person can confirm it. Colours are taken as red, green, blue: the
toolkit's documentation says the reverse, its triples and pictures say this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kptdata._schema_literals import read_assignment
from kptdata._schema_model import GREY, Keypoint, Link, Paper, Schema, qualified_name
from kptdata._schema_spec import item_place, show
from kptdata.errors import SchemaError

__all__ = ["convert_dataset_info"]

_KNOWN = ("dataset_name", "paper_info", "keypoint_info", "skeleton_info", "joint_weights", "sigmas")


def convert_dataset_info(
    text: str, path: str | Path | None, bundled: Callable[[str], Schema | None]
) -> tuple[Schema, tuple[SchemaError, ...]]:
    """Return the schema of an MMPose description, and what had to be mended or left out.

    Args:
        text: Python that assigns ``dataset_info``; it is parsed, never run.
        path: the file, for the messages.
        bundled: gives our schema of a name, whose canonical names are used if its points are equal.

    Raises:
        SchemaError: the file is not such a description, or no schema can be made of it.
    """
    info = read_assignment(text, "dataset_info", path)
    if not isinstance(info, dict):
        fix = "give a file that assigns `dataset_info = dict(...)`"
        raise SchemaError("no dataset description", path=path, found=show(info), fix=fix)
    return _Conversion(info, path, bundled).run()


class _Conversion:
    """One description on its way; `findings` grows as its parts are read."""

    def __init__(
        self,
        info: Mapping[str, Any],
        path: str | Path | None,
        bundled: Callable[[str], Schema | None],
    ) -> None:
        self.info, self.path, self.bundled = info, path, bundled
        self.findings: list[SchemaError] = []
        self.rows = self._keypoint_rows()
        self.names = [self._line(row.get("name")) for _, row in self.rows]
        if not all(self.names) or len(set(self.names)) < len(self.names):
            twice = sorted({n for n in self.names if self.names.count(n) > 1})
            raise SchemaError(
                "points cannot be told apart",
                path=path,
                place="keypoint_info",
                expected="a name of its own for each point",
                found=", ".join(map(repr, twice)) or "a point without a name",
                fix="rename the points in the file",
            )
        self.name, self.same = self._identity()

    def run(self) -> tuple[Schema, tuple[SchemaError, ...]]:
        for key in self.info:
            if key not in _KNOWN:
                self.note(str(key), "left out: a schema has no such key")
        sigmas = self._numbers("sigmas", above_zero=True)
        weights = self._numbers("joint_weights", above_zero=False) or [1.0] * len(self.names)
        swaps, canonical = self._swaps(), self._canonical()
        points = tuple(
            Keypoint(
                name,
                canonical[name],
                swap=swaps.get(name),
                part=self._part(place, row),
                colour=self._colour(place, row),
                sigma=sigmas[i] if sigmas else None,
                weight=weights[i],
            )
            for i, ((place, row), name) in enumerate(zip(self.rows, self.names, strict=True))
        )
        source = self._sigma_source(sigmas)
        schema = Schema(self.name, points, self._links(), sigma_source=source, paper=self._paper())
        return schema, tuple(self.findings)

    def _identity(self) -> tuple[str, Schema | None]:
        """Return the schema's name, and our schema of that name if it has the same points."""
        stem = Path(self.path).stem if self.path else "imported"
        name = self._line(self.info.get("dataset_name")) or stem
        ours = self.bundled(name)
        if ours is None or ours.names == tuple(self.names):
            return name, ours
        self.note("dataset_name", f"is a schema of ours with other points; named {stem!r}", name)
        return stem, None

    def note(self, place: str, problem: str, found: Any = None, fix: str | None = None) -> None:
        shown = None if found is None else show(found)
        self.findings.append(
            SchemaError(problem, path=self.path, place=place, found=shown, fix=fix)
        )

    def _keypoint_rows(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the points in the order of their ids, each with its place in the file."""
        info = self.info.get("keypoint_info")
        if not isinstance(info, dict) or not all(isinstance(row, dict) for row in info.values()):
            raise SchemaError(
                "no points",
                path=self.path,
                place="keypoint_info",
                expected="{0: dict(name=..., id=0, ...), ...}",
                found=show(info),
                fix="give a file with keypoint_info",
            )
        rows = [(key, item_place("keypoint_info", key, row), row) for key, row in info.items()]
        other = [f"{key}: {row['id']}" for key, _, row in rows if row.get("id", key) != key]
        if other:
            self.note("keypoint_info", "ids differ from the keys, which count", ", ".join(other))
        if all(isinstance(key, int) for key, _, _ in rows):
            rows.sort(key=lambda row: row[0])
        return [(place, row) for _, place, row in rows]

    def _swaps(self) -> dict[str, str]:
        """Return the mutual pairs; a pair that only one side states is completed."""
        given = {
            name: str(row["swap"])
            for (_, row), name in zip(self.rows, self.names, strict=True)
            if row.get("swap")
        }
        pairs: dict[str, str] = {}
        for name, partner in given.items():
            place = f"keypoint_info ({name}).swap"
            if partner not in self.names:
                self.note(place, "left out: swaps with an unknown point", partner)
            elif partner == name:
                self.note(place, "left out: swaps with itself", partner)
            elif given.get(partner, name) != name:
                self.note(place, f"left out: {partner!r} swaps with {given[partner]!r}", partner)
            else:
                if partner not in given:
                    self.note(place, f"completed: {partner!r} did not swap back", partner)
                if pairs.get(partner, name) == name and pairs.get(name, partner) == partner:
                    pairs |= {name: partner, partner: name}
        return pairs

    def _links(self) -> tuple[Link, ...]:
        info = self.info.get("skeleton_info") or {}
        links = []
        for key, row in info.items() if isinstance(info, dict) else ():
            place = f"skeleton_info[{key}]"
            ends = row.get("link") if isinstance(row, dict) else None
            if not isinstance(ends, list) or len(ends) != 2 or ends[0] == ends[1]:
                self.note(place, "left out: not a link of two points", ends)
            elif not {str(end) for end in ends} <= set(self.names):
                self.note(place, "left out: a link to an unknown point", ends)
            else:
                links.append(Link(ends[0], ends[1], self._colour(place, row)))
        return tuple(links)

    def _numbers(self, key: str, *, above_zero: bool) -> list[float] | None:
        """Return one number per point, None if the file has none or they do not fit the points."""
        values = self.info.get(key)
        if not values:
            return None
        count = len(self.names)
        if not isinstance(values, list) or len(values) != count:
            found = len(values) if isinstance(values, list) else values
            self.note(key, f"left out: expected {count} values, one per point", found)
            return None
        low = 1e-300 if above_zero else 0.0
        wrong = [v for v in values if not isinstance(v, int | float) or not low <= v <= 1e300]
        if wrong:
            self.note(key, "left out: not a number that can be used", wrong[0])
            return None
        return [float(value) for value in values]

    def _sigma_source(self, sigmas: list[float] | None) -> str | None:
        if not sigmas:
            return None
        if len(set(sigmas)) == 1:
            return f"uniform:{sigmas[0]:f}".rstrip("0")
        fix = "write who measured them into sigma_source"
        self.note("sigmas", "nobody says where the sigmas come from; kept as mmpose's", fix=fix)
        return "borrowed:mmpose"

    def _canonical(self) -> dict[str, str]:
        """Return a canonical name for each point: our schema's, else one made from its name."""
        if self.same is not None:
            return dict(zip(self.same.names, self.same.canonical_names, strict=True))
        scheme = _word(self.name)
        made = {name: _word(qualified_name(name, scheme)) for name in self.names}
        if len(set(made.values())) < len(made):
            return {name: name for name in self.names}
        return made

    def _part(self, place: str, row: Mapping[str, Any]) -> str | None:
        part = row.get("type")
        if not part or part in {"upper", "lower"}:
            return part or None
        self.note(f"{place}.type", "left out: not 'upper' or 'lower'", part)
        return None

    def _colour(self, place: str, row: Mapping[str, Any]) -> str:
        triple = row.get("color", [128, 128, 128])
        whole = isinstance(triple, list) and all(isinstance(v, int) for v in triple)
        if whole and len(triple) == 3 and all(0 <= v <= 255 for v in triple):
            return "#" + bytes(triple).hex()
        self.note(f"{place}.color", "left out: not three whole numbers in 0..255", triple)
        return GREY

    def _paper(self) -> Paper | None:
        given = self.info.get("paper_info")
        papers = [p for p in (given if isinstance(given, list) else [given]) if isinstance(p, dict)]
        for extra in papers[1:]:
            self.note("paper_info", "left out: a schema names one paper", extra.get("title"))
        if not papers:
            return None
        author, title, container, homepage = (
            self._line(papers[0].get(key)) for key in ("author", "title", "container", "homepage")
        )
        return Paper(author, title, container, self._year(papers[0].get("year")), homepage)

    def _year(self, year: Any) -> int | None:
        if re.fullmatch(r"(1[89]|20|21)\d\d", str(year)):
            return int(year)
        if year not in (None, ""):
            self.note("paper_info.year", "left out: not a year", year)
        return None

    def _line(self, value: Any) -> str:
        return (
            " ".join(re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", " ", value).split())
            if isinstance(value, str)
            else ""
        )


def _word(name: str) -> str:
    return re.sub(r"\W+", "_", name.lower()).strip("_") or name

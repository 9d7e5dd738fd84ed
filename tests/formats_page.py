"""docs/formats/matrix.md, made from the live table of formats: ``python tests/formats_page.py``.

The text above the first marker is written by hand; everything from there on is what the formats say
of themselves.
"""

from __future__ import annotations

import re
from pathlib import Path

from kptdata.formats import FormatFacts, catalogue

__all__ = ["PAGE", "renewed"]

PAGE = Path(__file__).parents[1] / "docs" / "formats" / "matrix.md"
BEGIN = "<!-- made by tests/formats_page.py -->"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _codes(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _matrix(facts: tuple[FormatFacts, ...]) -> list[str]:
    rows = ["| format | read | write | what is lost |", "|---|---|---|---|"]
    for fact in facts:
        can = ["yes" if can else "no" for can in (fact.reads, fact.writes)]
        lost = _codes(list(fact.losses)) or "nothing"
        rows.append("| " + " | ".join([f"[`{fact.name}`](#{fact.name})", *can, lost]) + " |")
    return rows


def _section(fact: FormatFacts, earlier: list[FormatFacts]) -> list[str]:
    lines = ["", f"## {fact.name}", "", f"{_cell(fact.title)}."]
    if fact.suffixes:
        lines[-1] += f" Names of files: {_codes(fact.suffixes)}."
    for way, options in (("reader", fact.read_options), ("writer", fact.write_options)):
        if options:
            lines[-1] += f" Options of the {way}: {_codes(options)}."
    same = next((other for other in earlier if dict(other.losses) == dict(fact.losses)), None)
    if same is not None:
        return [*lines, "", f"Loses what [`{same.name}`](#{same.name}) loses."]
    table = [f"| `{key}` | {_cell(text)} |" for key, text in fact.losses.items()]
    return [*lines, "", "| lost | |", "|---|---|", *table]


def renewed(text: str) -> str:
    """Return the page with its tables as the formats are now."""
    facts = catalogue()
    lines = [BEGIN, "", *_matrix(facts)]
    for number, fact in enumerate(facts):
        lines += _section(fact, list(facts[:number]))
    head = text.partition(BEGIN)[0].rstrip()
    return re.sub(r"\n{3,}", "\n\n", "\n".join([head, "", *lines])) + "\n"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")

"""docs/formats/matrix.md, made from the live table of formats: ``python tests/formats_page.py``.

The text above the first marker is written by hand; everything from there on is what the formats say
of themselves, and what was found by writing values and reading them.
"""

from __future__ import annotations

import re
from pathlib import Path

from format_holds import HOLDS, holds

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


def _held(facts: tuple[FormatFacts, ...]) -> list[str]:
    titles = list(HOLDS)
    rows = [f"| format | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for fact in facts:
        cells = ["yes" if kept else "" for kept in holds(fact.name)]
        rows.append("| " + " | ".join([f"`{fact.name}`", *cells]) + " |")
    return rows


HELD = """
## What comes back

Found by writing a value into a file of each format and reading it: *yes* stands for values that are
exactly as they were. What is not is in the account, under one of the keys above. States of points
are those of people that someone annotated; a few formats hold others for predictions."""


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
    lines = [BEGIN, "", *_matrix(facts), *HELD.splitlines(), "", *_held(facts)]
    for number, fact in enumerate(facts):
        lines += _section(fact, list(facts[:number]))
    head = text.partition(BEGIN)[0].rstrip()
    return re.sub(r"\n{3,}", "\n\n", "\n".join([head, "", *lines])) + "\n"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")

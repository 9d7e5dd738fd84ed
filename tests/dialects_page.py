"""The tables of docs/formats/coco_dialects.md, made from the live one.

To make them: ``python tests/dialects_page.py``. The text above the marker is written by hand;
everything from there on is what the dialects say of themselves.
"""

from __future__ import annotations

import re
from pathlib import Path

from kptdata.formats import DIALECTS
from kptdata.formats._dialect import Choice, Coordinates, Dialect, FrameNumber, Pair, VideoFrame

__all__ = ["PAGE", "renewed"]

PAGE = Path(__file__).parents[1] / "docs" / "formats" / "coco_dialects.md"
BEGIN = "<!-- made by tests/dialects_page.py -->"


def _columns(dialect: Dialect) -> list[str]:
    """Say which key becomes which column."""
    said = []
    for rule in dialect.fields:
        if isinstance(rule, VideoFrame):
            said.append("`vid_id`, `frame_id`: `images.sequence`, `images.frame`")
        elif isinstance(rule, FrameNumber):
            said.append(f"`{rule.key}`: `images.frame`")
        elif isinstance(rule, Pair):
            said.append(f"`{rule.key}`: `points`")
        elif isinstance(rule, Coordinates):
            space = f"{rule.space.unit}, {rule.space.frame}, {rule.space.axes}"
            said.append(f"`{rule.key}`: `xyz` ({space})")
        elif isinstance(rule, Choice):
            said.append(f"`{rule.key}`: `numbers` (" + ", ".join(rule.codes) + ")")
        else:
            said.append(f"`{rule.key}`: `numbers`")
    return said


def _v(dialect: Dialect) -> str:
    if dialect.labelled is None:
        return "as COCO's"
    return f"{dialect.labelled} is `LABELLED`"


def _row(dialect: Dialect) -> str:
    fuller = dialect.fuller[:1] if dialect.fuller else ()
    schema = ", ".join(f"`{name}`" for name in (dialect.schema, *dialect.also, *fuller))
    first = "1" if dialect.origin else "0"
    return f"| [`{dialect.name}`](#{dialect.name}) | {schema} | {_v(dialect)} | {first} |"


def _section(dialect: Dialect) -> list[str]:
    facts = re.sub(r"\b\w+_\w+\b", r"`\g<0>`", dialect.facts)
    lines = ["", f"### {dialect.name}", "", f"{dialect.title}: {facts}."]
    columns = _columns(dialect)
    if columns:
        lines += ["", "Typed keys: " + "; ".join(columns) + "."]
    gone = ", ".join(f"`{key}`" for key in sorted(dialect.without))
    made = [f"no {gone}"] if gone else []
    if "area" not in dialect.without and dialect.area != "none":
        made.append(f"areas by the rule `{dialect.area}`")
    if dialect.counted:
        made.append(f"`num_keypoints` of the first {dialect.counted} points")
    if not dialect.first_link:
        made.append("links from 0")
    if made:
        lines += ["", "Made up for data from elsewhere: " + ", ".join(made) + "."]
    return lines


def renewed(text: str) -> str:
    """Return the page with its tables as the dialects are now."""
    lines = [BEGIN, "", "| dialect | schema | `v` | first pixel |", "|---|---|---|---|"]
    lines += [_row(dialect) for dialect in DIALECTS.values()]
    for dialect in DIALECTS.values():
        lines += _section(dialect)
    head = text.partition(BEGIN)[0].rstrip()
    return re.sub(r"\n{3,}", "\n\n", "\n".join([head, "", *lines])) + "\n"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")

"""The tables of docs/cli.md, made from the commands themselves: ``python tests/cli_page.py``.

Between two markers of each section stands what the commands say of themselves; the text around
them is written by hand. A command without a section gets one.
"""

from __future__ import annotations

import re
from pathlib import Path

import click
from kpt.main import COMMANDS, group

__all__ = ["PAGE", "context_of", "leaves", "renewed"]

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
BEGIN, END = "<!-- made by tests/cli_page.py -->", "<!-- end -->"


def context_of(command: click.Command, name: str | None = None) -> click.Context:
    """Make a context such as `kpt` gives; click keeps the help option of the first one it sees."""
    return click.Context(command, info_name=name, help_option_names=["-h", "--help"])


def leaves(command: click.Command, name: str) -> dict[str, click.Command]:
    """Return the commands that do something: ``kpt schema show`` -> its command."""
    if not isinstance(command, click.Group):
        return {name: command}
    context, found = context_of(command), {}
    for word in command.list_commands(context):
        below = command.get_command(context, word)
        assert below is not None
        found |= leaves(below, f"{name} {word}")
    return found


def _row(option: click.Option, context: click.Context) -> str:
    metavar = "" if option.is_flag else f" {option.make_metavar(context)}"
    names = [*option.opts[:-1], option.opts[-1] + metavar, *option.secondary_opts]
    record = option.get_help_record(context)
    text = " ".join(record[1].split()) if record else ""
    text = re.sub(r"(; )?\bx>=\d+\]$", "]", text)
    text = re.sub(r" ?\[([^]]+)\]$", r" (\1)", text).replace("<", "&lt;").strip()
    cells = [", ".join(f"`{name}`" for name in names), text]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(command: click.Command, name: str) -> str:
    context = context_of(command, name)
    pieces = [name, *command.collect_usage_pieces(context)]
    rows = [_row(p, context) for p in command.params if isinstance(p, click.Option)]
    table = ["| option | |", "|---|---|", *rows, ""] if rows else []
    usage = " ".join(piece for piece in pieces if piece != "[OPTIONS]")
    return "\n".join([f"`{usage}`", "", *table])


def _tables(name: str) -> str:
    command = group.get_command(context_of(group), name)
    assert command is not None
    found = leaves(command, f"kpt {name}")
    texts = []
    for path, leaf in found.items():
        says = [leaf.get_short_help_str(200), ""] if len(found) > 1 else []
        texts.append("\n".join([*([f"### {path}", ""] if says else []), *says, _table(leaf, path)]))
    return "\n".join([BEGIN, "", *texts, END])


def renewed(text: str) -> str:
    """Return the page with its tables as the commands are now."""
    for name, line in COMMANDS.items():
        heading = f"## kpt {name}\n"
        if heading not in text:
            later = [f"## kpt {after}\n" for after in COMMANDS if after > name]
            at = min((text.index(h) for h in later if h in text), default=len(text))
            text = f"{text[:at].rstrip()}\n\n{heading}\n{line}\n\n{BEGIN}\n{END}\n\n{text[at:]}"
        start = text.index(heading)
        begin, end = text.index(BEGIN, start), text.index(END, start)
        text = text[:begin] + _tables(name) + text[end + len(END) :]
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")

"""Pages of pictures, text and commands in one file: everything that they show is inside."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from kptdata.formats.base import atomic_write
from kptdata.viz._pictures import encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kptdata.viz._draw import Picture

__all__ = ["Page", "Section"]

_STYLE = """
:root { color-scheme: dark; --ground: #181b20; --panel: #22262e; --ink: #eceff4; --dim: #96a0b0;
        --line: #363c48; --mark: #50b4ff; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 30px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 48px 0 8px; padding-top: 20px; border-top: 1px solid var(--line); }
p { margin: 8px 0; max-width: 78ch; }
p.lead, figcaption { color: var(--dim); }
pre { background: #101216; border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px;
      overflow-x: auto; font: 14px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
pre.command::before { content: "$ "; color: var(--mark); }
table { border-collapse: collapse; margin: 12px 0; font-size: 15px; }
th, td { padding: 5px 16px 5px 0; text-align: left; border-bottom: 1px solid var(--line);
         font-variant-numeric: tabular-nums; }
th { color: var(--dim); font-weight: 500; }
figure { margin: 16px 0; }
figure img { max-width: 100%; height: auto; border-radius: 8px; display: block; }
figcaption { font-size: 14px; margin-top: 6px; }
"""


@dataclass
class Section:
    """A heading and what stands under it, top to bottom."""

    title: str
    _parts: list[str] = field(default_factory=list)

    def text(self, words: str) -> Section:
        """Add a paragraph of plain text."""
        self._parts.append(f"<p>{escape(words)}</p>")
        return self

    def command(self, line: str) -> Section:
        """Add a command as one would type it."""
        self._parts.append(f'<pre class="command">{escape(line)}</pre>')
        return self

    def output(self, words: str) -> Section:
        """Add what a command printed."""
        self._parts.append(f"<pre>{escape(words.rstrip())}</pre>")
        return self

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Section:
        """Add a table."""
        head = "".join(f"<th>{escape(name)}</th>" for name in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._parts.append(f"<table><tr>{head}</tr>{body}</table>")
        return self

    def picture(self, picture: Picture, caption: str = "", *, photo: bool = True) -> Section:
        """Add a picture (H, W, 3) uint8 RGB: as JPEG, or as PNG if it is no `photo`."""
        kind, suffix = ("jpeg", ".jpg") if photo else ("png", ".png")
        data = b64encode(encode(picture, suffix)).decode()
        height, width = picture.shape[:2]
        words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        self._parts.append(
            f'<figure><img src="data:image/{kind};base64,{data}" width="{width}" height="{height}"'
            f' alt="{escape(caption)}">{words}</figure>'
        )
        return self

    def html(self) -> str:
        """Return the section as markup."""
        return f"<section><h2>{escape(self.title)}</h2>{''.join(self._parts)}</section>"


@dataclass
class Page:
    """A page that needs no other file.

    Attributes:
        title: its heading.
        lead: one sentence under it.
    """

    title: str
    lead: str = ""
    _sections: list[Section] = field(default_factory=list)

    def section(self, title: str) -> Section:
        """Begin a new section."""
        self._sections.append(Section(title))
        return self._sections[-1]

    def html(self) -> str:
        """Return the page as markup."""
        body = "".join(section.html() for section in self._sections)
        lead = f'<p class="lead">{escape(self.lead)}</p>' if self.lead else ""
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head>"
            f"<body><main><h1>{escape(self.title)}</h1>{lead}{body}</main></body></html>\n"
        )

    def save(self, path: str | Path) -> None:
        """Write the page. Raises `FileError`."""
        atomic_write(path, [self.html().encode()])

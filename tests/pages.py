"""Pages of the documentation as things that can be run and looked up.

What a page promises, and `run_page` holds it to:

* Python blocks of one page run in order, in one namespace; bash blocks between them run in the same
  folder, which starts with what the first bash block of docs/cli.md leaves in it.
* What a statement prints is compared with the comment behind it (`print(x)  # 5`) or with the
  comment lines directly under it; ``...`` stands for any text, and runs of white space are equal.
* Of a bash block the lines that begin with ``kpt`` run. Comment lines directly under one are its
  output; ``# exit status 1`` behind one is its status, 0 otherwise.
* A TOML block whose first line is ``# name.toml`` is written to that file.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "KPT",
    "PAGES",
    "ROOT",
    "Block",
    "blocks",
    "commands",
    "heading_anchors",
    "inline_code",
    "links",
    "prepare",
    "run_page",
]

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
KPT = Path(sys.executable).with_name("kpt")

_FENCE = re.compile(r"^```(\w*)\s*$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*\ssrc=\"([^\"]+)\"")
_STATUS = re.compile(r"#.*\bexit status (\d)")
_FILE = re.compile(r"# (\S+\.toml)\n")


class Block(NamedTuple):
    """A fenced block: its language, text, and the number of its first line."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found, start, language, lines = [], 0, "", page.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if not fence:
            continue
        if start:
            text = "".join(f"{row}\n" for row in lines[start : number - 1])
            found.append(Block(language, text, start + 1))
            start = 0
        else:
            start, language = number, fence[1]
    assert not start, f"{page.name}:{start}: this block is never closed"
    return found


def _prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Return where a page points to, pictures included."""
    return [link or image for link, image in _LINK.findall(_prose(page))]


def inline_code(page: Path) -> list[str]:
    """Return the code spans of a page's prose."""
    return re.findall(r"(?<!`)`([^`]+)`(?!`)", _prose(page))


def heading_anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def commands(page: Path) -> list[str]:
    """Return every ``kpt`` command line of a page, of bash blocks and of prose."""
    shell = (line for b in blocks(page) if b.language == "bash" for line, _ in _shell_lines(b))
    return [text for text in (*shell, *inline_code(page)) if re.match(r"kpt( |$)", text)]


def prepare(page: Path, folder: Path) -> None:
    """Run a page's first bash block in `folder`."""
    first = next(block for block in blocks(page) if block.language == "bash")
    _run_bash(page, first, folder)


def run_page(page: Path, folder: Path) -> None:
    """Run a page's blocks in `folder`; an AssertionError names page and line."""
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    for block in blocks(page):
        if block.language == "python":
            _run_python(page, block, namespace)
        elif block.language == "bash":
            _run_bash(page, block, folder)
        elif block.language == "toml":
            tomllib.loads(block.text)
            if named := _FILE.match(block.text):
                (folder / named[1]).write_text(block.text, "utf-8")


def _run_python(page: Path, block: Block, namespace: dict[str, Any]) -> None:
    tree = ast.parse(block.text, filename=str(page))
    comments = _comments(block.text)
    ast.increment_lineno(tree, block.line - 1)
    for statement in tree.body:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module([statement], []), str(page), "exec"), namespace)
        last = (statement.end_lineno or statement.lineno) - block.line + 1
        expected = comments.get(last, "") if _is_print(statement) else ""
        if printed.getvalue():
            expected = expected or " ".join(_comments_under(block.text, last))
        _compare(printed.getvalue(), expected, f"{page.name}:{last + block.line - 1}")


def _is_print(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"
    )


def _comments(text: str) -> dict[int, str]:
    """Return the comments of a Python text by line."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def _comments_under(text: str, line: int) -> Iterator[str]:
    """Yield the comment lines that follow a line without a gap."""
    for row in text.splitlines()[line:]:
        if not row.startswith("#"):
            return
        yield row.lstrip("# ")


def _shell_lines(block: Block) -> Iterator[tuple[str, int]]:
    """Yield the lines of a shell text, continued ones joined, with the number of their last row."""
    held = ""
    for number, row in enumerate(block.text.splitlines(), 1):
        held += row.strip()
        if held.endswith("\\"):
            held = held[:-1]
            continue
        yield held, number
        held = ""


def _run_bash(page: Path, block: Block, folder: Path) -> None:
    path = os.pathsep.join([str(KPT.parent), os.environ.get("PATH", "")])
    env = os.environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "120"}
    for line, number in _shell_lines(block):
        if not line.startswith("kpt "):
            continue
        place = f"{page.name}:{block.line + number - 1}"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=folder, env=env, text=True, timeout=300,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        status = _STATUS.search(line)
        expected = int(status[1]) if status else 0
        assert done.returncode == expected, f"{place}: {line}: {done.returncode}\n{done.stdout}"
        _compare(done.stdout, " ".join(_comments_under(block.text, number)), place)


def _compare(printed: str, expected: str, place: str) -> None:
    """Hold a promise about output, if there is one."""
    if not expected:
        return
    pieces = (" ".join(piece.split()) for piece in expected.split("..."))
    pattern = ".*".join(re.escape(piece) for piece in pieces).replace(r"\ .*", r"\ ?.*")
    text = " ".join(printed.split())
    assert re.fullmatch(pattern, text), f"{place}: the page says\n{expected}\nprinted was\n{text}"

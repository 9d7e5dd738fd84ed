"""Every snippet of the documentation runs, and every name that it mentions exists."""

from __future__ import annotations

import pkgutil
import re
import shutil

import cli_page
import click
import dialects_page
import formats_page
import pytest
from cli_page import context_of
from kpt.main import COMMANDS, group
from pages import (
    KPT,
    PAGES,
    ROOT,
    blocks,
    commands,
    heading_anchors,
    inline_code,
    links,
    prepare,
    run_page,
)

from kptdata.checks import RULES
from kptdata.formats import FORMATS

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)

# What a bash block may hold beside `kpt ...`, which runs: a reader types it, a test does not.
NOT_RUN = ("make", "git clone ", "cd ", "pip install ", "python benchmarks/", "#", ".venv/bin/")
LANGUAGES = {"python", "bash", "toml", "json", "text"}
OTHER_OPTIONS = {"--no-deps"}  # of programs that are not ours


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """The folder that docs/cli.md promises to the examples of every page."""
    folder = tmp_path_factory.mktemp("drawn")
    prepare(ROOT / "docs" / "cli.md", folder)
    return folder


@each_page
def test_page_runs(page, drawn, tmp_path, monkeypatch):
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    run_page(page, tmp_path)


def test_a_page_that_is_wrong_is_found(tmp_path):
    page = tmp_path / "page.md"
    for text, wrong in {
        "```python\nprint(1 + 1)  # 3\n```\n": "page.md:2",
        "```python\nprint(1)\n\nprint(2)\n# 1\n```\n": "page.md:4",
        "```python\nx = [1, 2]\nprint(x)\n# [1,\n# 3]\n```\n": "page.md:3",
        "```bash\nmake test\nkpt schema show nobody\n```\n": "page.md:3",
        "```bash\nkpt schema show coco  # exit status 1\n```\n": "page.md:2",
        "```bash\nkpt --version\n# kpt, version 9\n```\n": "page.md:2",
    }.items():
        page.write_text(text)
        with pytest.raises(AssertionError, match=f"^{wrong}: "):
            run_page(page, tmp_path)


@each_page
def test_blocks_say_what_they_are(page):
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page.name}:{block.line}"
        if block.language == "bash":
            for row in block.text.replace("\\\n", " ").splitlines():
                assert not row or row.startswith(("kpt ", *NOT_RUN)), f"{page.name}: {row}"


@each_page
def test_links_lead_somewhere(page):
    for link in links(page):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        place = (page.parent / target) if target else page
        assert place.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in heading_anchors(place), f"{page.name}: {link}"


def find(line: str) -> tuple[click.Command, list[str]]:
    """Return the command that a line such as ``kpt schema show coco`` calls, and what follows."""
    command: click.Command = group
    words = line.replace("[", " ").replace("]", " ").split()[1:]
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        names = words.pop(0).split("|")
        known = command.list_commands(context_of(command))
        assert set(names) <= set(known), f"{line}: no such command"
        command = command.get_command(context_of(command), names[0])
    return command, words


def options(command: click.Command) -> set[str]:
    """Return the options of a command, the help included."""
    declared = [p for p in command.get_params(context_of(command)) if p.param_type_name]
    return {
        name
        for p in declared
        if isinstance(p, click.Option)
        for name in [*p.opts, *p.secondary_opts]
    } | {"--help"}


@each_page
def test_commands_and_their_options_exist(page):
    for line in commands(page):
        command, words = find(line.split(" #")[0])
        named = {re.split(r"[=,.)]", w)[0] for w in words if re.match(r"--?[a-z]", w)}
        assert named <= options(command), f"{page.name}: {line}"


@each_page
def test_options_in_prose_exist(page):
    known = set().union(*map(options, cli_page.leaves(group, "kpt").values())) | OTHER_OPTIONS
    named = {m[0] for code in inline_code(page) if (m := re.match(r"--[a-z][\w-]*", code))}
    assert named <= known, f"{page.name}: {sorted(named - known)}"


def test_every_page_is_reached_from_the_readme():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page.resolve())
        below = [(page.parent / link.split("#")[0]).resolve() for link in links(page)]
        todo += [p for p in below if p.suffix == ".md" and p.is_file() and p not in seen]

    assert not {str(p.relative_to(ROOT)) for p in PAGES if p.resolve() not in seen}


def test_every_format_is_on_the_page_of_formats():
    page = (ROOT / "docs" / "formats" / "index.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == list(FORMATS)


def test_page_of_what_formats_hold_is_what_the_formats_say():
    page = formats_page.PAGE.read_text("utf-8")

    assert page == formats_page.renewed(page), "run: python tests/formats_page.py"


def test_page_of_dialects_is_what_they_say():
    page = dialects_page.PAGE.read_text("utf-8")
    assert page == dialects_page.renewed(page), "run: python tests/dialects_page.py"


def test_every_rule_of_check_is_on_its_page():
    page = (ROOT / "docs" / "checks.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", page, flags=re.MULTILINE) == list(RULES)


def test_page_of_commands_is_what_the_commands_say():
    page = cli_page.PAGE.read_text("utf-8")

    assert page == cli_page.renewed(page), "run: python tests/cli_page.py"


def test_page_of_commands_holds_each_command_once():
    page = cli_page.PAGE.read_text("utf-8")

    assert re.findall(r"^## kpt (\w+)$", page, flags=re.MULTILINE) == list(COMMANDS)


def test_the_console_script_is_there():
    assert KPT.is_file(), "run: make install"


@each_page
def test_make_targets_exist(page):
    made = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = [*inline_code(page), *(row for b in blocks(page) for row in b.text.splitlines())]
    named = {m[1] for row in text if (m := re.match(r"make ([a-z]+)\b", row))}

    assert named <= made


@each_page
def test_names_of_the_library_exist(page):
    short = {"kd": "kptdata", "km": "kptdata_models"}
    for code in inline_code(page):
        if m := re.match(r"(kptdata|kptdata_models|kd|km)((?:\.\w+)+)", code):
            name = short.get(m[1], m[1]) + m[2]
            assert pkgutil.resolve_name(name) is not None, f"{page.name}: {code}"

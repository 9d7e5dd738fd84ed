"""What several commands share: locations such as ``mpii:train.mat``, options, accounts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from kptdata import Ledger

__all__ = [
    "Location",
    "check_report",
    "echo_json",
    "echo_ledger",
    "parse_location",
    "parse_settings",
    "parse_target",
    "write_json",
]


class Location(NamedTuple):
    """A path and, if it was named, its format."""

    path: Path
    format: str | None


def parse_location(text: str, named: str | None = None) -> Location:
    """Split ``format:path``; a format given by an option wins over the prefix."""
    from kptdata.formats import DIALECTS, FORMATS
    from kptdata.paths import exists

    prefix, colon, rest = text.partition(":")
    if colon and (prefix in FORMATS or prefix in DIALECTS) and not exists(text):
        return Location(Path(rest), named or prefix)
    return Location(Path(text), named)


def parse_settings(name: str, settings: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` texts, values as in TOML or plain words.

    Raises:
        OptionError: there is no ``=``.
    """
    import tomllib

    from kptdata import OptionError

    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise OptionError(f"{name}: expected KEY=VALUE, got {setting!r}")
        try:
            found[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value.strip()
    return found


def parse_target(text: str, named: str | None = None) -> Location:
    """Do as `parse_location` for what is written: ``-`` is stdout."""
    target = parse_location(text, named)
    stdout = target.path == Path("-")
    return target._replace(path=Path("/dev/stdout")) if stdout else target


def check_report(report: Path | None, *places: Path) -> None:
    """Refuse, before anything is written, a place where the account cannot or must not go.

    Args:
        report: where the account goes, if anywhere.
        places: what is read and written.
    """
    from kptdata import FileError
    from kptdata.paths import is_dir

    if report is None:
        return
    if not is_dir(report.parent):
        raise FileError("no such folder", path=report.parent, fix="create it, or move --report")
    if is_dir(report):
        raise FileError("is a folder", path=report, fix="let --report name a file in it")
    if report.resolve() in {place.resolve() for place in places}:
        raise FileError("is SRC or DST", path=report, fix="let --report name a file of its own")


def echo_json(value: Any) -> None:
    """Print data on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def write_json(value: Any, path: Path) -> None:
    """Write data beside the result, atomically."""
    from kptdata.formats.base import atomic_write

    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, [text.encode()])


def echo_ledger(title: str, ledger: Ledger) -> None:
    """Print an account on stderr, one line per rule."""
    click.echo(f"{title}: {ledger.total} in, {ledger.kept} kept", err=True)
    for name in ("repaired", "skipped", "added"):
        for rule, ids in getattr(ledger, name).items():
            few = ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
            click.echo(f"  {name} {len(ids)}: {rule} (ids {few})", err=True)
    for note, count in ledger.notes.items():
        click.echo(f"  {note}: {count}", err=True)

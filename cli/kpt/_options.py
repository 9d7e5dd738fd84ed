"""What several commands share: locations such as ``mpii:train.mat``, printing of accounts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from kptdata import Ledger

__all__ = ["Location", "echo_json", "echo_ledger", "parse_location", "write_json"]


class Location(NamedTuple):
    """A path and, if it was named, its format."""

    path: Path
    format: str | None


def parse_location(text: str, named: str | None = None) -> Location:
    """Split ``format:path``; a format given by an option wins over the prefix."""
    from kptdata.formats import FORMATS

    prefix, colon, rest = text.partition(":")
    if colon and prefix in FORMATS and not Path(text).exists():
        return Location(Path(rest), named or prefix)
    return Location(Path(text), named)


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

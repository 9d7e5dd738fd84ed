"""YAML of a data card: plain values only, no aliases (which can grow without end), no tags."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kptdata.errors import FormatError, MissingDependencyError

__all__ = ["dump_yaml", "load_yaml"]

_LARGEST = 1_000_000  # bytes; cards have a few hundred
_DEEPEST = 32  # levels; cards have two


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingDependencyError("yaml", "formats", "reading and writing data.yaml") from None
    return yaml


def load_yaml(data: bytes, path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML text holds, as JSON-ready values; numeric keys stay numbers.

    Raises:
        FormatError: it is no YAML mapping of plain values, or uses aliases.
        MissingDependencyError: PyYAML is not installed.
    """
    yaml = _yaml()
    if len(data) > _LARGEST:
        raise FormatError("too large for a data card", path=path, found=f"{len(data)} bytes")
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        _refuse_traps(yaml, yaml.parse(data, Loader=loader), path)
        found = yaml.load(data, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise FormatError(
            f"not YAML: {getattr(error, 'problem', None) or error}",
            path=path,
            place=None if mark is None else f"line {mark.line + 1}",
            fix="correct the text there",
        ) from None
    except RecursionError:
        raise FormatError("nested too deep", path=path) from None
    except (ValueError, OverflowError, TypeError) as error:  # a date that is none, a huge number
        raise FormatError(f"a value that is none: {error}", path=path) from None
    if not isinstance(found, dict):
        raise FormatError("no YAML mapping", path=path, expected="`key: value` lines")
    cleaned: dict[str, Any] = _plain(found)
    return cleaned


def _refuse_traps(yaml: Any, events: Iterable[Any], path: Path) -> None:
    """Refuse what makes a short text a huge or endless value: aliases and deep nesting."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            place = f"line {event.start_mark.line + 1}"
            raise FormatError("nested too deep", path=path, place=place)
        if isinstance(event, yaml.AliasEvent):
            raise FormatError(
                "a YAML alias",
                path=path,
                place=f"line {event.start_mark.line + 1}",
                expected="each value written out",
                found=f"*{event.anchor}",
                fix="write the value there",
            )


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, dict):
        return {k if isinstance(k, int) else str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(v) for v in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def dump_yaml(value: dict[str, Any]) -> bytes:
    """Return the text of a mapping, keys in their order; the same value gives the same bytes."""
    text: str = _yaml().safe_dump(
        value, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return text.encode()

"""Plain values as TOML text: the standard library reads TOML and does not write it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["toml_text"]


def toml_text(document: Mapping[str, Any]) -> str:
    """Return a document of tables, lists, texts, numbers and booleans; None entries are left out.

    >>> print(toml_text({"seed": 0, "codec": {"sigma": 2.0, "input_size": [192, 256]}}))
    seed = 0
    <BLANKLINE>
    [codec]
    sigma = 2.0
    input_size = [192, 256]
    <BLANKLINE>
    """
    return "\n".join(_lines(document, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    deeper = {k: v for k, v in table.items() if isinstance(v, Mapping) or _is_tables(v)}
    plain = {k: v for k, v in table.items() if k not in deeper and v is not None}
    if path and (plain or not deeper):
        yield f"\n[{'.'.join(path)}]"
    yield from (f"{_key(key)} = {_value(value)}" for key, value in plain.items())
    for key, value in deeper.items():
        place = (*path, _key(key))
        if isinstance(value, Mapping):
            yield from _lines(value, place)
            continue
        for one in value:
            yield f"\n[[{'.'.join(place)}]]"
            yield from (f"{_key(k)} = {_value(v)}" for k, v in one.items() if v is not None)


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(isinstance(one, Mapping) for one in value)
    )


def _key(key: str) -> str:
    bare = key.replace("-", "").replace("_", "")
    return key if bare.isascii() and bare.isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inside = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(inside) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False)

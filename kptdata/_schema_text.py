"""A schema document as TOML text: one keypoint per line, a stable order, nothing rounded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["quote", "toml_text"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(document: Mapping[str, Any]) -> str:
    """Return the text of a schema file for a document in the order of its keys."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield "#:schema ./schema.schema.json"
    tables = {key: value for key, value in document.items() if isinstance(value, Mapping)}
    for key, value in document.items():
        if isinstance(value, list):
            yield from ("", f"{key} = [", *(f"  {_value(item)}," for item in value), "]")
        elif key not in tables:
            yield f"{key} = {_value(value)}"
    for key, table in tables.items():
        yield from ("", f"[{key}]", *(f"{_key(k)} = {_value(v)}" for k, v in table.items()))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else quote(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return quote(value) if isinstance(value, str) else repr(value)


def quote(text: str) -> str:
    r"""Return `text` as a TOML basic string.

    >>> quote('a "b"')
    '"a \\"b\\""'
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

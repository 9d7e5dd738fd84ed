"""JSON text to its parts: values stay raw text until somebody knows what they should be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from kptdata.errors import FormatError

__all__ = ["decode", "duplicate_key", "is_plain_key", "kind_of", "loads_or_none", "require_utf8"]

T = TypeVar("T")

_BYTE = re.compile(r"\(byte (\d+)\)")
_NOT_NUMBERS = (b"NaN", b"Infinity", b"-Infinity")
_ESCAPED = re.compile(r'[\\"\x00-\x1f]')
_STEP = 1 << 20
_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}


def kind_of(value: Any) -> str:
    """Name the kind of a parsed JSON value, with its article, for messages."""
    return _NAMES.get(type(value), "a number")


def require_utf8(data: bytes, path: Path) -> None:
    """Refuse text that is not UTF-8. The decoder looks at strings only when it needs them.

    Raises:
        FormatError: the first byte that does not belong is named.
    """
    if data.isascii():
        return
    start = 0
    while start < len(data):
        stop = min(start + _STEP, len(data))
        while stop < len(data) and data[stop] & 0xC0 == 0x80:  # do not cut a character
            stop += 1
        try:
            data[start:stop].decode()
        except UnicodeDecodeError as error:
            at = start + error.start
            raise FormatError(
                "not UTF-8 text",
                path=path,
                place=f"byte {at}",
                found=repr(data[at : at + 8])[1:],
                fix="save the file as UTF-8",
            ) from None
        start = stop


def decode(data: bytes | Raw, type_: Any, path: Path, place: str | None = None) -> Any:
    """Decode JSON as a msgspec type; a `msgspec.ValidationError` passes through.

    Raises:
        FormatError: the text is no JSON: truncated, malformed, ``NaN``, or nested too deep.
    """
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise FormatError("nested too deep", path=path, place=place) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(bytes(data), str(error), path, place) from None


def _malformed(data: bytes, message: str, path: Path, place: str | None) -> FormatError:
    found = _BYTE.search(message)
    if found is None:
        return FormatError(
            "the JSON text ends too early" if "truncated" in message else message,
            path=path,
            place=place or f"byte {len(data)}",
            found=repr(data[-20:].decode(errors="replace")) + " at its end",
            fix="export or download the file again",
        )
    at = int(found.group(1))
    # The decoder may stop inside the word.
    for word in _NOT_NUMBERS:
        near = data.find(word, max(at - len(word), 0), at + len(word) + 1)
        if near >= 0:
            return FormatError(
                f"{word.decode()} is no JSON number",
                path=path,
                place=place or f"byte {near}",
                expected="a finite number, null, or no such key",
                found=repr(_excerpt(data, near)),
                fix="write null, or leave the key out",
            )
    line = data.count(b"\n", 0, at) + 1
    return FormatError(
        "not JSON: " + _BYTE.sub("", message).rpartition(":")[2].strip(),
        path=path,
        place=place or f"byte {at} (line {line})",
        found=repr(_excerpt(data, at)),
        fix="correct the text there",
    )


def _excerpt(data: bytes, at: int) -> str:
    return data[max(at - 12, 0) : at + 16].decode(errors="replace")


def is_plain_key(key: str) -> bool:
    """Tell whether a key is written as it is; only such keys can be fields of a struct."""
    return _ESCAPED.search(key) is None


def loads_or_none(text: bytes) -> Any:
    """Parse one JSON value that the decoder refused; None where Python cannot hold it either."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def duplicate_key(text: bytes) -> str | None:
    """Return the first key that an object has twice at its top level, None if none is."""
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    seen = set()
    for key, _ in pairs:
        if key in seen:
            return str(key)
        seen.add(key)
    return None

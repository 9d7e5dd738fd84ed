"""The outer shape of a COCO file: images, annotations, and everything else as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kptdata.errors import FormatError
from kptdata.formats._coco_rows import refuse_duplicates
from kptdata.formats._json import decode, duplicate_key, kind_of, loads_or_none, require_utf8
from kptdata.formats.base import read_bytes

__all__ = ["CocoFile", "load_file", "load_list", "refuse_duplicate_keys"]

_TABLES = ("images", "annotations")


class _Usual(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of nearly every file; one pass over the text finds all rows."""

    images: list[Raw] | UnsetType = UNSET
    annotations: list[Raw] | UnsetType = UNSET
    info: Raw | UnsetType = UNSET
    licenses: Raw | UnsetType = UNSET
    categories: Raw | UnsetType = UNSET


class CocoFile(NamedTuple):
    """One file, taken apart.

    Attributes:
        images: text of each image.
        annotations: text of each annotation.
        others: other keys -> their text.
        keys: all keys that the file has.
        text: the whole file.
    """

    images: list[Raw]
    annotations: list[Raw]
    others: dict[str, bytes]
    keys: tuple[str, ...]
    text: bytes


def load_file(path: Path) -> CocoFile:
    """Read a ground truth file.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no JSON object with images or annotations.
    """
    text = read_bytes(path)
    require_utf8(text, path)
    try:
        found = msgspec.structs.asdict(decode(text, _Usual, path))
    except msgspec.ValidationError:
        found = _unusual(text, path)
    keys = tuple(key for key, value in found.items() if value is not UNSET)
    if not set(keys) & set(_TABLES):
        raise FormatError(
            "no COCO file",
            path=path,
            expected="the keys 'images' and 'annotations'",
            found=", ".join(map(repr, keys[:6])) or "an empty object",
            fix="name the format that it is in",
        )
    others = {key: bytes(found[key]) for key in keys if key not in _TABLES}
    images, annotations = ([] if found[k] is UNSET else found[k] for k in _TABLES)
    return CocoFile(images, annotations, others, keys, text)


def _unusual(text: bytes, path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = decode(text, dict[str, Raw], path)
    except msgspec.ValidationError:
        what = kind_of(loads_or_none(text[:1] + text[-1:]) if text[:1] == b"[" else None)
        raise FormatError(
            "no COCO file",
            path=path,
            expected="an object with the keys 'images' and 'annotations'",
            found="a list" if text.lstrip()[:1] == b"[" else what,
            fix="a list of results is read with the format coco_results",
        ) from None
    for key in _TABLES:
        found[key] = _rows(found[key], key, path) if key in found else UNSET
    return found


def _rows(text: Raw | bytes, key: str | None, path: Path) -> list[Raw]:
    try:
        rows: list[Raw] = decode(text, list[Raw], path, key)
    except msgspec.ValidationError:
        head = bytes(text)[:40].decode(errors="replace")
        raise FormatError(
            "not a list", path=path, place=key, expected="a list of objects", found=repr(head)
        ) from None
    return rows


def load_list(path: Path) -> tuple[list[Raw], int]:
    """Read a file that is one JSON list, as results are; also count its quotation marks.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no JSON list.
    """
    text = read_bytes(path)
    require_utf8(text, path)
    return _rows(text, None, path), text.count(b'"')


def refuse_duplicate_keys(file: CocoFile, marks_in_rows: int, path: Path) -> None:
    """Refuse a file in which an object has a key twice: the decoder keeps only the last.

    A key brings two quotation marks: if there are as many as the rows that were read account for,
    none stands there twice, and nothing needs to be looked at again.

    Raises:
        FormatError: a key stands there twice; the annotation is named.
    """
    known = marks_in_rows + 2 * len(file.keys) + sum(t.count(b'"') for t in file.others.values())
    if file.text.count(b'"') == known:
        return
    refuse_duplicates(file.images, path, "image")
    refuse_duplicates(file.annotations, path)
    key = duplicate_key(file.text)
    if key is not None:
        raise FormatError(
            f"the key {key!r} stands there twice",
            path=path,
            place="top level",
            expected="each key once",
            fix="join the two",
        )

"""Datumaro items to images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kptdata._columns import MISSING_INT, TEXT, RawColumn
from kptdata.dataset import ImageTable
from kptdata.errors import FormatError
from kptdata.formats._collect import id_column, text_of
from kptdata.formats._datumaro_read import OTHERS, OWN

__all__ = ["images_of"]

_ITEM = ("id", "annotations", "attr", "image")


def images_of(items: Sequence[Any], others: Sequence[list[Any]], path: Path) -> ImageTable:
    """Return the table of images, one for each item.

    Raises:
        FormatError: an item has no id, or its picture is not as the format has it.
    """
    columns: dict[str, list[Any]] = {"file_name": [], "width": [], "height": []}
    extras: dict[str, dict[int, Any]] = {}
    for row, item in enumerate(items):
        name, size = _picture(item, row, path)
        columns["file_name"].append(name)
        columns["width"].append(size[1])
        columns["height"].append(size[0])
        if others[row]:
            extras.setdefault(OTHERS, {})[row] = others[row]
        note = {"id": item["id"]} | {k: v for k, v in item.items() if k not in _ITEM}
        extra = {k: v for k, v in (item.get("image") or {}).items() if k not in ("path", "size")}
        if extra:
            note["image"] = extra
        extras.setdefault(f"item:{OWN}", {})[row] = note
    attrs = [item.get("attr") or {} for item in items]
    typed = _image_columns(items, attrs)
    for row, attr in enumerate(attrs):
        for key, value in attr.items():
            if key not in typed:
                extras.setdefault(key, {})[row] = value
    raw = {
        key: RawColumn(text_of(held[row]) if row in held else None for row in range(len(items)))
        for key, held in extras.items()
    }
    return ImageTable.of(**columns, **typed, extras=raw)


def _picture(item: Any, row: int, path: Path) -> tuple[str, tuple[int, int]]:
    place = f"items[{row}]"
    picture, attr = item.get("image"), item.get("attr")
    name = picture.get("path") if isinstance(picture, dict) else None
    wrong = not isinstance(item.get("id"), str) or not isinstance(attr, dict | None)
    if wrong or not isinstance(picture, dict | None) or not isinstance(name, str | None):
        raise FormatError(
            "an item that is not as Datumaro has it", path=path, place=place,
            expected="texts as id and path of the image, and objects as image and attr",
            found=repr({k: v for k, v in item.items() if k != "annotations"})[:80],
        )  # fmt: skip
    size = (picture or {}).get("size")
    if size is None:
        return name or "", (0, 0)
    if not isinstance(size, list) or len(size) != 2 or not all(_is_size(v) for v in size):
        raise FormatError(
            "no size", path=path, place=f"{place}, image", expected="[height, width]",
            found=repr(size)[:60],
        )  # fmt: skip
    return name or "", (size[0], size[1])


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _image_columns(items: Sequence[Any], attrs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return columns that attributes state for all images; an id that not all have is none."""
    found: dict[str, Any] = {}
    ids = [attr.get("id") for attr in attrs]
    if ids and all(type(i) is int and abs(i) < 2**63 for i in ids):
        found["id"] = np.array(ids, np.int64)
    elif ids and all(isinstance(i, str) and i for i in ids):
        found["id"] = np.array(ids, dtype=TEXT)
    for key, kind in (("sequence", str), ("frame", int)):
        values = [attr.get(key) for attr in attrs]
        if any(v is not None for v in values) and _all_of(values, kind):
            blank: Any = "" if kind is str else MISSING_INT
            column = [blank if v is None else v for v in values]
            found[key] = np.array(column, dtype=TEXT if kind is str else np.int64)
    if "id" not in found:
        kept = id_column(item["id"] for item in items)
        return {"id": kept} | found if "id" not in {k for a in attrs for k in a} else found
    return found


def _all_of(values: Sequence[Any], kind: type) -> bool:
    good = all(v is None or type(v) is kind for v in values)
    return good and (kind is str or all(abs(v) < 2**63 for v in values if v is not None))

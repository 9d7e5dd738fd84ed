"""Equality of datasets, column by column, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import COLUMNS, TEXT, RawColumn, _equal_json

if TYPE_CHECKING:
    from kptdata.dataset import PoseDataset

__all__ = ["differences"]

_IMAGE_COLUMNS = ("id", "file_name", "width", "height", "sequence", "frame", "camera")


def differences(
    a: PoseDataset, b: PoseDataset, *, rtol: float = 0.0, atol: float = 0.0
) -> tuple[str, ...]:
    """Name what differs between two datasets; see `PoseDataset.differences`."""
    if a.schema.hash() != b.schema.hash():
        return (f"schema: {a.schema.name!r} and {b.schema.name!r} differ",)
    sizes = (len(a), len(a.images)), (len(b), len(b.images))
    if sizes[0] != sizes[1]:
        return (f"size: {sizes[0]} and {sizes[1]} (instances, images)",)
    return tuple(_found(a, b, rtol, atol))


def _found(a: PoseDataset, b: PoseDataset, rtol: float, atol: float) -> Iterator[str]:
    for name in _IMAGE_COLUMNS:
        yield from _array(f"images.{name}", a.images.column(name), b.images.column(name), 0, 0)
    yield from _raws("images.extras", a.images.extras, b.images.extras, len(a.images))
    for name in ("image", "xy", "visibility", "order"):
        yield from _array(name, getattr(a, name), getattr(b, name), rtol, atol)
    for name in COLUMNS:
        if getattr(a, name) is not None or getattr(b, name) is not None:
            yield from _array(name, a.column(name), b.column(name), rtol, atol)
    for group in ("boxes", "points", "numbers"):
        yield from _groups(group, getattr(a, group), getattr(b, group), rtol, atol)
    yield from _raws("extras", a.extras, b.extras, len(a))
    yield from _meta(a.meta, b.meta)
    if dict(a.categories) != dict(b.categories):
        yield f"categories: {dict(a.categories)} and {dict(b.categories)}"
    if a.space != b.space:
        yield f"space: {a.space} and {b.space}"
    yield from _cameras(a, b, rtol, atol)


def _array(name: str, a: NDArray[Any], b: NDArray[Any], rtol: float, atol: float) -> Iterator[str]:
    if a.shape != b.shape:
        yield f"{name}: shapes {a.shape} and {b.shape}"
        return
    if (a.dtype == TEXT) != (b.dtype == TEXT):
        a, b = a.astype(TEXT), b.astype(TEXT)
    if a.dtype == TEXT or (a.dtype.kind in "iub" and b.dtype.kind in "iub"):
        same = a == b
    else:
        same = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    if not np.all(same):
        where = tuple(int(i) for i in np.argwhere(~same)[0])
        count = int(np.size(same) - np.count_nonzero(same))
        yield f"{name}: {count} values differ, first at {where}: {a[where]} and {b[where]}"


def _groups(
    group: str,
    a: Mapping[str, NDArray[Any]],
    b: Mapping[str, NDArray[Any]],
    rtol: float,
    atol: float,
) -> Iterator[str]:
    for name in sorted({*a, *b}):
        label = f"{group}[{name!r}]"
        if name in a and name in b:
            yield from _array(label, a[name], b[name], rtol, atol)
        elif not np.isnan((a.get(name) if name in a else b[name]).astype(float)).all():  # type: ignore[union-attr]
            yield f"{label}: only in one"


def _raws(
    label: str, a: Mapping[str, RawColumn], b: Mapping[str, RawColumn], length: int
) -> Iterator[str]:
    for key in sorted({*a, *b}):
        absent = RawColumn.absent(length)
        if not a.get(key, absent).same_as(b.get(key, absent)):
            yield f"{label}[{key!r}]: values differ"


def _meta(a: Mapping[str, bytes], b: Mapping[str, bytes]) -> Iterator[str]:
    for key in sorted({*a, *b}):
        if not _equal_json(a.get(key), b.get(key)):
            yield f"meta[{key!r}]: texts differ"


def _cameras(a: PoseDataset, b: PoseDataset, rtol: float, atol: float) -> Iterator[str]:
    if (a.cameras is None) != (b.cameras is None):
        yield "cameras: only in one"
    elif a.cameras is not None and b.cameras is not None:
        for name in ("name", "intrinsics", "rotation", "translation", "distortion"):
            yield from _array(
                f"cameras.{name}", getattr(a.cameras, name), getattr(b.cameras, name), rtol, atol
            )

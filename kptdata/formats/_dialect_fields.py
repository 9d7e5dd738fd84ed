"""Keys of a dialect: from kept texts to typed columns after reading, and back before writing.

A text that is canonical becomes a value of its column, and goes; any other stays in ``extras`` and
is written back as long as the column says nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, RawColumn, is_missing
from kptdata.dataset import PoseDataset
from kptdata.formats._coco_fields import Fields
from kptdata.formats._coco_kinds import Grid, Integer, Kind, Number, Truth, Vector
from kptdata.formats._coco_rows import read_values
from kptdata.formats._dialect import Choice, Coordinates, FieldRule, Flag, Numeric, Pair
from kptdata.formats._json import loads_or_none

__all__ = ["demote_fields", "promote_fields"]


def promote_fields(dataset: PoseDataset, rules: Iterable[FieldRule]) -> PoseDataset:
    """Give keys of annotations the columns that the rules name."""
    draft = _Draft(dataset)
    for rule in rules:
        _promote(rule, draft)
    return draft.finished()


def demote_fields(
    dataset: PoseDataset, rules: Iterable[FieldRule], *, own_points: bool
) -> tuple[PoseDataset, int]:
    """Turn columns back into keys of annotations; also count texts that no longer agree.

    Args:
        dataset: what is to be written.
        rules: the dialect's.
        own_points: whether the keypoints are still those that the rules speak of.
    """
    draft = _Draft(dataset)
    for rule in rules:
        if own_points or not isinstance(rule, Coordinates):
            _demote(rule, draft)
    return draft.finished(), draft.stale


class _Draft:
    """The columns of a dataset while keys change between text and type."""

    def __init__(self, dataset: PoseDataset) -> None:
        self.dataset = dataset
        self.extras = dict(dataset.extras)
        self.numbers = dict(dataset.numbers)
        self.points = dict(dataset.points)
        self.xyz, self.space = dataset.xyz, dataset.space
        self.stale = 0

    def keep(self, key: str, texts: RawColumn, rows: Iterable[int]) -> None:
        """Leave only these rows of a key as text."""
        kept = np.full(len(texts), None, dtype=object)
        for row in rows:
            kept[row] = texts[row]
        if any(text is not None for text in kept):
            self.extras[key] = RawColumn(kept)
        else:
            self.extras.pop(key, None)

    def finished(self) -> PoseDataset:
        return self.dataset.replace(
            extras=self.extras,
            numbers=self.numbers,
            points=self.points,
            xyz=self.xyz,
            space=self.space,
        )


# One value per annotation


@singledispatch
def _promote(rule: FieldRule, draft: _Draft) -> None:
    """Rules of images have nothing to do here."""


@singledispatch
def _demote(rule: FieldRule, draft: _Draft) -> None:
    """Rules of images have nothing to do here."""


@_promote.register
def _(rule: Numeric, draft: _Draft) -> None:
    if rule.key not in draft.numbers:
        kind: Kind = Integer() if rule.whole else Number()
        _read_into(draft.numbers, rule.key, kind, draft)


@_demote.register
def _(rule: Numeric, draft: _Draft) -> None:
    held = draft.numbers.get(rule.key)
    if held is None or held.ndim != 1:
        return
    if held.dtype.kind == "f":
        _write_from(draft.numbers, rule.key, Number(), held.astype(np.float64), draft)
    elif held.dtype != np.int8:
        _write_from(draft.numbers, rule.key, Integer(), held.astype(np.int64), draft)


@_promote.register
def _(rule: Flag, draft: _Draft) -> None:
    if rule.key not in draft.numbers:
        _read_into(draft.numbers, rule.key, Truth(), draft)


@_demote.register
def _(rule: Flag, draft: _Draft) -> None:
    held = draft.numbers.get(rule.key)
    if held is not None and held.ndim == 1:
        _write_from(draft.numbers, rule.key, Truth(), held.astype(np.int8), draft, bool)


@_promote.register
def _(rule: Pair, draft: _Draft) -> None:
    if rule.key not in draft.points:
        _read_into(draft.points, rule.key, Vector(2), draft)
        if rule.key in draft.points:
            draft.points[rule.key] = draft.points[rule.key][:, None]


@_demote.register
def _(rule: Pair, draft: _Draft) -> None:
    held = draft.points.get(rule.key)
    if held is None or held.shape[1] != 1:
        return
    _write_from(draft.points, rule.key, Vector(2), held[:, 0], draft)
    if rule.key in draft.points:
        draft.points[rule.key] = draft.points[rule.key][:, None]


def _read_into(
    columns: dict[str, NDArray[Any]], key: str, kind: Kind, draft: _Draft
) -> NDArray[Any] | None:
    """Read the texts of a key into a column of that name, if any of them is of the kind."""
    texts = draft.extras.get(key)
    if texts is None:
        return None
    rows = np.flatnonzero(texts.present)
    values, odd = read_values([texts[row] for row in rows.tolist()], kind)
    if kind.absent(values).all():
        return None
    column = kind.column(len(texts)).finish()[0]
    column[rows] = values
    columns[key] = column
    draft.keep(key, texts, rows[odd].tolist())
    return column


def _write_from(
    columns: dict[str, NDArray[Any]],
    key: str,
    kind: Kind,
    column: NDArray[Any],
    draft: _Draft,
    as_json: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Write a column as texts of a key; what its kind cannot say stays in the column."""
    fields = Fields()
    fields.column(key, kind, column, draft.extras.get(key))
    draft.stale += fields.stale
    draft.extras[key] = _texts(fields.values(key, np.arange(len(column))), as_json)
    stated = ~is_missing(column).all(axis=tuple(range(1, column.ndim)))
    unsaid = kind.absent(column) & stated
    if not unsaid.any():
        del columns[key]
        return
    left = kind.column(len(column)).finish()[0]
    left[unsaid] = column[unsaid]
    columns[key] = left


def _texts(values: Iterable[Any], as_json: Callable[[Any], Any]) -> RawColumn:
    """Return values of a column, kept texts among them, as texts."""
    encode = msgspec.json.encode
    return RawColumn(
        None
        if value is UNSET
        else bytes(value)
        if isinstance(value, msgspec.Raw)
        else encode(as_json(value))
        for value in values
    )


# Words


@_promote.register
def _(rule: Choice, draft: _Draft) -> None:
    texts = draft.extras.get(rule.key)
    if texts is None or rule.key in draft.numbers:
        return
    size = len(next(iter(rule.codes.values())))
    column = np.full((len(texts), size), MISSING_INT)
    kept = []
    for row in np.flatnonzero(texts.present).tolist():
        code = _code(rule.codes, texts[row])
        if code is None:
            kept.append(row)
        else:
            column[row] = code
    if not is_missing(column).all():
        draft.numbers[rule.key] = column
        draft.keep(rule.key, texts, kept)


def _code(codes: Mapping[str, tuple[int, ...]], text: bytes) -> tuple[int, ...] | None:
    word = loads_or_none(text)
    return codes.get(word) if isinstance(word, str) else None


@_demote.register
def _(rule: Choice, draft: _Draft) -> None:
    held = draft.numbers.get(rule.key)
    words = {code: word for word, code in rule.codes.items()}
    if held is None or held.ndim != 2 or held.shape[1] != len(next(iter(words))):
        return
    old = draft.extras.get(rule.key, RawColumn.absent(len(held)))
    texts: list[bytes | None] = list(old)
    unsaid = np.asarray(~is_missing(held).any(axis=1))
    for row in np.flatnonzero(unsaid).tolist():
        word = words.get(tuple(held[row].tolist()))
        if word is not None:
            draft.stale += texts[row] is not None and _code(rule.codes, old[row]) is None
            texts[row] = json.dumps(word).encode()
            unsaid[row] = False
    draft.extras[rule.key] = RawColumn(texts)
    if unsaid.any():
        left = held.copy()
        left[~unsaid] = np.nan if held.dtype.kind == "f" else MISSING_INT
        draft.numbers[rule.key] = left
    else:
        del draft.numbers[rule.key]


# Points in space


def _kind_of(rule: Coordinates, keypoints: int) -> Kind:
    return Grid(keypoints, rule.width) if rule.nested else Vector(keypoints * rule.width)


@_promote.register
def _(rule: Coordinates, draft: _Draft) -> None:
    texts = draft.extras.get(rule.key)
    count = draft.dataset.schema.num_keypoints
    if texts is None or draft.xyz is not None or not count:
        return
    column = _read_into({}, rule.key, _kind_of(rule, count), draft)
    if column is None:
        return
    values = column.reshape(len(column), count, rule.width)
    # What stands where a 1 is expected is not known to be a coordinate.
    strange = ((values[..., 3:] != 1) & ~np.isnan(values[..., 3:])).any(axis=(1, 2))
    xyz = values[..., :3].copy()
    xyz[strange] = np.nan
    left = draft.extras.get(rule.key, RawColumn.absent(len(texts))).present
    draft.keep(rule.key, texts, np.flatnonzero(strange | left).tolist())
    if not np.isnan(xyz).all():
        draft.xyz, draft.space = xyz, rule.space


@_demote.register
def _(rule: Coordinates, draft: _Draft) -> None:
    if draft.xyz is None or draft.space != rule.space or not draft.xyz.shape[1]:
        return
    xyz = draft.xyz
    ones = np.ones((*xyz.shape[:2], rule.width - 3))
    ones[np.isnan(xyz).all(axis=2)] = np.nan
    values = np.concatenate([xyz, ones], axis=2)
    column = values if rule.nested else values.reshape(len(values), xyz.shape[1] * rule.width)
    kind = _kind_of(rule, xyz.shape[1])
    texts = draft.extras.get(rule.key)
    if texts is not None:  # what was no coordinate is no disagreement
        rows = np.flatnonzero(texts.present & np.isnan(xyz).all(axis=(1, 2)))
        column[rows] = read_values([texts[row] for row in rows.tolist()], kind)[0]
    left: dict[str, NDArray[Any]] = {rule.key: column}
    _write_from(left, rule.key, kind, column, draft)
    if rule.key in left:
        draft.xyz = left[rule.key].reshape(values.shape)[..., :3]
    else:
        draft.xyz = draft.space = None

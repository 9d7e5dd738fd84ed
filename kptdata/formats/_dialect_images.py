"""Videos and frames that a dialect states for an image: to the columns of the table, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import singledispatch
from typing import Any

import msgspec
import numpy as np

from kptdata._columns import MISSING_INT, RawColumn, is_missing
from kptdata.dataset import ImageTable
from kptdata.formats._dialect import FieldRule, FrameNumber, VideoFrame
from kptdata.formats._json import loads_or_none

__all__ = ["demote_images", "promote_images"]

_DIGITS = re.compile(r"[0-9]{1,12}")
_FRAMES = 10_000  # a frame has four digits


def promote_images(table: ImageTable, rules: Iterable[FieldRule]) -> ImageTable:
    """Give keys of images the columns that the rules name; the same table if there are none."""
    draft = _Draft(table)
    for rule in rules:
        _promote(rule, draft)
    return draft.finished()


def demote_images(table: ImageTable, rules: Iterable[FieldRule]) -> tuple[ImageTable, int]:
    """Turn columns back into keys of images; also count texts that no longer agree."""
    draft = _Draft(table)
    for rule in rules:
        _demote(rule, draft)
    return draft.finished(), draft.stale


class _Draft:
    """The columns of a table while keys change between text and type."""

    def __init__(self, table: ImageTable) -> None:
        self.table = table
        self.extras = dict(table.extras)
        self.sequence: list[str] = table.column("sequence").tolist()
        self.frame: list[int] = table.column("frame").tolist()
        self.stale = 0

    def texts(self, key: str) -> list[bytes | None]:
        return list(self.extras.get(key, RawColumn.absent(len(self.table))))

    def store(self, key: str, texts: list[bytes | None]) -> None:
        self.extras.pop(key, None)
        if any(text is not None for text in texts):
            self.extras[key] = RawColumn(texts)

    def put(self, key: str, values: list[Any]) -> None:
        """Give rows whose value is not None a text; the others keep theirs."""
        texts = self.texts(key)
        for row, value in enumerate(values):
            if value is not None:
                self.stale += texts[row] is not None
                texts[row] = msgspec.json.encode(value)
        self.store(key, texts)

    def finished(self) -> ImageTable:
        table = self.table
        sequence, frame = np.array(self.sequence, dtype=object), np.array(self.frame, np.int64)
        if self.extras == dict(table.extras):
            return table
        return ImageTable(
            id=table.id,
            file_name=table.file_name,
            width=table.width,
            height=table.height,
            sequence=None if not any(self.sequence) else sequence,
            frame=None if is_missing(frame).all() else frame,
            camera=table.camera,
            extras=self.extras,
        )


@singledispatch
def _promote(rule: FieldRule, draft: _Draft) -> None:
    """Rules of annotations have nothing to do here."""


@singledispatch
def _demote(rule: FieldRule, draft: _Draft) -> None:
    """Rules of annotations have nothing to do here."""


@_promote.register
def _(rule: VideoFrame, draft: _Draft) -> None:
    videos, frames = draft.texts("vid_id"), draft.texts("frame_id")
    for row, (video, frame) in enumerate(zip(videos, frames, strict=True)):
        name = None if video is None else loads_or_none(video)
        if not isinstance(name, str) or not name or draft.sequence[row]:
            continue
        draft.sequence[row], videos[row] = name, None
        stated = None if frame is None else loads_or_none(frame)
        number = stated % _FRAMES if type(stated) is int else -1
        if number >= 0 and _frame_id(rule, name, number) == stated:
            draft.frame[row], frames[row] = number, None
    draft.store("vid_id", videos)
    draft.store("frame_id", frames)


@_demote.register
def _(rule: VideoFrame, draft: _Draft) -> None:
    ids = [
        _frame_id(rule, name, number)
        for name, number in zip(draft.sequence, draft.frame, strict=True)
    ]
    draft.put("vid_id", [name or None for name in draft.sequence])
    draft.put("frame_id", ids)
    draft.sequence = [""] * len(ids)
    draft.frame = [
        MISSING_INT if said is not None else number
        for said, number in zip(ids, draft.frame, strict=True)
    ]


def _frame_id(rule: VideoFrame, video: str, frame: int) -> int | None:
    """Join the numbers of a video and a frame, None if that cannot be undone."""
    if not _DIGITS.fullmatch(video) or not 0 <= frame < _FRAMES:
        return None
    return int(rule.lead + video) * _FRAMES + frame


@_promote.register
def _(rule: FrameNumber, draft: _Draft) -> None:
    texts = draft.texts(rule.key)
    for row, text in enumerate(texts):
        if text is not None and _DIGITS.fullmatch(text.decode()) and draft.frame[row] < 0:
            draft.frame[row], texts[row] = int(text), None
    draft.store(rule.key, texts)


@_demote.register
def _(rule: FrameNumber, draft: _Draft) -> None:
    draft.put(rule.key, [None if n == MISSING_INT else n for n in draft.frame])
    draft.frame = [MISSING_INT] * len(draft.frame)

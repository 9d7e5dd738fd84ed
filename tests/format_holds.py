"""What each format gives back as it was: found by writing a value, reading it, and looking."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from contracts.test_formats import SETTINGS, Setting
from format_plants import PLANTS, plain

import kptdata as kd
from kptdata import KptDataError, PoseDataset
from kptdata.formats import FORMATS
from kptdata.visibility import Visibility

__all__ = ["HOLDS", "holds", "ordered", "setting"]

V = Visibility


def setting(name: str) -> Setting:
    """How the contract tests a format: file name, schema, whether sizes are needed."""
    return SETTINGS.get(name, Setting())


def ordered(ds: PoseDataset) -> PoseDataset:
    """Order people by their first labelled place, which is different for each."""
    if not len(ds):
        return ds
    first = ds.labelled.argmax(axis=1)
    return ds[np.argsort(ds.xy[np.arange(len(ds)), first, 0], kind="stable")]


Look = Callable[[PoseDataset, PoseDataset], bool]


def _state(state: Visibility) -> Look:
    def kept(before: PoseDataset, after: PoseDataset) -> bool:
        mine = before.visibility == state
        return bool(mine.any() and (after.visibility[mine] == state).all())

    return kept


def _equal(values: Callable[[PoseDataset], Any]) -> Look:
    def kept(before: PoseDataset, after: PoseDataset) -> bool:
        was, now = values(before), values(after)
        if isinstance(was, list) or was is None:
            return bool(was == now)
        same = was.shape == now.shape and was.dtype.kind == now.dtype.kind
        return same and bool(np.array_equal(was, now, equal_nan=was.dtype.kind == "f"))

    return kept


def _column(name: str) -> Look:
    return _equal(lambda ds: ds.column(name))


def _names(ds: PoseDataset) -> list[Any]:
    return [ds.categories.get(number) for number in ds.column("category").tolist()]


def _videos(ds: PoseDataset) -> list[str]:
    return list(ds.images.column("sequence")[ds.image].tolist())


def _with_digits(ds: PoseDataset) -> PoseDataset:
    """Move points of the first person, inside the picture, to where binary fractions go on."""
    xy = ds.xy.copy()
    xy[0, 0], xy[0, 1] = (0.1 + 0.2, 100 / 3), (1 / 3, 2 / 7)
    return ds.replace(xy=xy)


# Title of the column -> what is planted, and what must come back.
HOLDS: dict[str, tuple[Callable[[PoseDataset], PoseDataset], Look]] = {
    "visible": (PLANTS["occluded"], _state(V.VISIBLE)),
    "occluded": (PLANTS["occluded"], _state(V.OCCLUDED)),
    "labelled, no word on occlusion": (PLANTS["labelled"], _state(V.LABELLED)),
    "absent": (PLANTS["absent"], _state(V.ABSENT)),
    "unlabelled": (PLANTS["unlabelled"], _state(V.UNLABELLED)),
    "every digit": (_with_digits, _equal(lambda ds: ds.xy)),
    "point scores": (PLANTS["keypoint score"], _column("keypoint_score")),
    "score": (PLANTS["score"], _column("score")),
    "box": (PLANTS["occluded"], _column("bbox")),
    "area": (PLANTS["area"], _column("area")),
    "crowd": (PLANTS["crowd"], _column("iscrowd")),
    "track": (PLANTS["track"], _column("track")),
    "id": (PLANTS["ids"], _column("id")),
    "class": (PLANTS["two categories"], _equal(_names)),
    "image size": (PLANTS["occluded"], _equal(lambda ds: ds.images.wh[ds.image])),
    "video": (PLANTS["videos"], _equal(_videos)),
    "3D": (PLANTS["3D points"], _column("xyz")),
    "other keys": (PLANTS["extras"], _equal(lambda ds: list(ds.extras.get("note", ())))),
}
SCORED = ("score", "point scores")


@cache
def holds(name: str) -> tuple[bool, ...]:
    """Tell, for each column of `HOLDS`, whether a format gives its value back as it was."""
    with TemporaryDirectory() as folder:
        return tuple(
            _comes_back(name, title, Path(folder) / str(number))
            for number, title in enumerate(HOLDS)
        )


def _comes_back(name: str, title: str, folder: Path) -> bool:
    folder.mkdir()
    path = folder / setting(name).file
    plant, look = HOLDS[title]
    ds = plain(setting(name).schema)
    # What people annotated, not what a model predicted.
    ds = plant(ds if title in SCORED else ds.replace(score=None))
    try:
        FORMATS.load(name).write_all((ds,), path)
        (found,) = kd.read_all(path, format=name, schema=ds.schema)
    except KptDataError:
        return False
    return len(found) == len(ds) and look(ordered(ds), ordered(found))

"""What a dialect of COCO is made of: its habits, and rules for keys that are typed columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kptdata.dataset import Space

__all__ = [
    "Choice",
    "Coordinates",
    "Dialect",
    "FieldRule",
    "Flag",
    "FrameNumber",
    "Numeric",
    "Pair",
    "VideoFrame",
    "note_of",
]


@dataclass(frozen=True)
class Numeric:
    """A number of an annotation: ``numbers[key]``, int64 if `whole`, else float64."""

    key: str
    whole: bool = False


@dataclass(frozen=True)
class Flag:
    """``true`` or ``false`` of an annotation: ``numbers[key]``, int8, -1 where not stated."""

    key: str


@dataclass(frozen=True)
class Pair:
    """A place ``[x, y]`` of an annotation: ``points[key]``, so that it moves with the keypoints."""

    key: str


@dataclass(frozen=True)
class Choice:
    """A word of an annotation: ``numbers[key]``, (N, n) as `codes` has it."""

    key: str
    codes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Coordinates:
    """3D points of an annotation: ``xyz`` in `space`.

    Attributes:
        key: of the annotation.
        width: numbers per point: 3, or 4 where a 1 follows x, y and z.
        nested: whether each point is a list of its own.
        space: what the numbers mean.
    """

    key: str
    width: int
    nested: bool
    space: Space


@dataclass(frozen=True)
class VideoFrame:
    """``vid_id`` and ``frame_id`` of an image: ``images.sequence`` and ``images.frame``.

    ``frame_id`` is `lead`, the digits of the video and four digits of the frame in one number.
    """

    lead: str


@dataclass(frozen=True)
class FrameNumber:
    """A key of an image that holds the frame's number: ``images.frame``."""

    key: str


FieldRule = Numeric | Flag | Pair | Choice | Coordinates | VideoFrame | FrameNumber


@dataclass(frozen=True)
class Dialect:
    """What sets one dataset's files apart from COCO's.

    Attributes:
        name: as users give it: ``--from crowdpose``.
        title: what it is.
        schema: name of the schema that its points are read as.
        source: section of the field's format notes.
        also: other schemas that such files may hold.
        fuller: schema and key of a second list that holds more points than ``keypoints``.
        labelled: the ``v`` that says that a point is labelled and nothing on occlusion: 1 in files
            of 0 and 1, 2 where it is given to all; None: ``v`` is COCO's.
        origin: coordinates of the centre of the first pixel: 1 where files count from 1.
        fields: keys that become typed columns.
        nested: whether each keypoint is a list of its own.
        misnamed: the names in its ``categories``, where they are known to be wrong.
        category: name and supercategory of the category that is given to data without one.
        first_link: number of the first point in ``skeleton``: 1 as in COCO, or 0.
        area: rule by which an area is given where there is none; ``none`` where it has no areas.
        without: keys that its files do not have, so that none are made up.
        counted: how many of the points ``num_keypoints`` counts, from the first; None: all.
        facts: what else a user has to know.
    """

    name: str
    title: str
    schema: str
    source: str
    also: tuple[str, ...] = ()
    fuller: tuple[str, str] | None = None
    labelled: int | None = None
    origin: int = 0
    fields: tuple[FieldRule, ...] = ()
    nested: bool = False
    misnamed: tuple[str, ...] = ()
    category: tuple[str, str] = ("person", "person")
    first_link: int = 1
    area: str = "box"
    without: frozenset[str] = frozenset()
    counted: int | None = None
    facts: str = ""


def note_of(key: str, dialect: Dialect) -> str:
    """Name the extra that holds texts of a key as the dialect's file had them."""
    return f"{key}:{dialect.name}:coco"

"""Names of OpenPose's files and the pictures that they stand for, which no file names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kptdata._columns import MISSING_INT
from kptdata.errors import FormatError
from kptdata.paths import is_dir

__all__ = ["NOTHING", "Named", "frames_of", "is_file_name", "json_name", "named", "pictures"]

NOTHING = "_keypoints.json"
"""The file of a folder that lists no picture."""

_FILE = re.compile(r"(?P<stem>.+)_keypoints(?:_(?P<view>[0-9]+))?\.json", re.DOTALL)
_FRAME = re.compile(r"(?P<sequence>.+)_(?P<frame>[0-9]{12})", re.DOTALL)
_NO_VIDEO = re.compile(r"(?:.*/)?COCO_(?:train|val|test)20[0-9]{2}", re.DOTALL)
_PICTURES = (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".jp2",
             ".pgm", ".ppm", ".pbm", ".ras", ".sr")  # fmt: skip


class Named(NamedTuple):
    """What a file name says: the picture's name without its ending."""

    picture: str
    is_usual: bool


def is_file_name(name: str) -> bool:
    """Tell whether a name is one that the tool gives."""
    return name == NOTHING or _FILE.fullmatch(name) is not None


def named(name: str) -> Named:
    """Return what the name of a file, relative to its folder, says."""
    found = _FILE.fullmatch(name)
    if found is None:
        return Named(name.removesuffix(".gz").removesuffix(".json") or name, is_usual=False)
    stem, view = found["stem"], found["view"]
    return Named(stem if view is None else f"{stem}_{view}", is_usual=True)


def json_name(picture: str) -> str:
    """Return the file of a picture: its name without the ending, if it has one."""
    ending = next((e for e in _PICTURES if picture.lower().endswith(e)), "")
    return f"{picture[: len(picture) - len(ending)]}_keypoints.json"


def frames_of(pictures: Sequence[str]) -> dict[str, list[str] | list[int]]:
    """Return video and number of each frame that has the name of one; nothing where none has."""
    found = [_FRAME.fullmatch(name) for name in pictures]
    found = [None if m is None or _NO_VIDEO.fullmatch(m["sequence"]) else m for m in found]
    if not any(found):
        return {}
    return {
        "sequence": ["" if match is None else match["sequence"] for match in found],
        "frame": [MISSING_INT if match is None else int(match["frame"]) for match in found],
    }


def pictures(names: Sequence[str], folder: Path) -> list[str]:
    """Return the names with the endings of the pictures in `folder`, as far as they are there.

    Raises:
        FormatError: two pictures have a name.
    """
    known: dict[str, dict[str, list[str]]] = {}
    found = []
    for name in names:
        above, slash, stem = name.rpartition("/")
        if above not in known:
            known[above] = _by_stem(folder / above)
        endings = known[above].get(stem, [])
        if len(endings) > 1:
            raise FormatError(
                "two pictures have one name",
                path=folder,
                place=f"{name}_keypoints.json",
                found=" and ".join(f"{stem}{ending}" for ending in endings[:2]),
                fix="leave one of them in the folder",
            )
        found.append(f"{above}{slash}{stem}{endings[0]}" if endings else name)
    return found


def _by_stem(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(entry.name for entry in folder.iterdir()) if is_dir(folder) else []:
        stem, dot, ending = name.rpartition(".")
        if f".{ending.lower()}" in _PICTURES:
            found.setdefault(stem, []).append(f"{dot}{ending}")
    return found

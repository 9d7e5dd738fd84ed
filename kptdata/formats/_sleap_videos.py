"""The videos of a SLEAP project: films, lists of pictures, and pictures inside the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT
from kptdata.formats._sleap_file import Parts, wrong
from kptdata.formats._sleap_skeleton import unique

__all__ = ["Video", "film_row", "frame_names", "list_row", "places_of", "stem_of", "videos_of"]

_INSIDE = re.compile(r"video([0-9]{1,9})(/video)?")


@dataclass(frozen=True)
class Video:
    """A video as a file lists it.

    Attributes:
        row: what is written of it; of pictures inside the file, the video that they are from.
        name: of the sequence that its frames are, "" for loose pictures.
        stem: what the names of its frames begin with.
        files: names of its pictures, where it is a list of them; else None.
        frames: number of each picture within its sequence, `MISSING_INT` where it has none.
        width: pixels, 0 where not stated.
        height: pixels.
        number: what frames call it, where that is not its place among all.
    """

    row: dict[str, Any]
    name: str
    stem: str
    files: tuple[str, ...] | None
    frames: tuple[int, ...]
    width: int
    height: int
    number: int | None


def stem_of(name: str) -> str:
    """Return the last part of a path, without its suffix."""
    last = re.split(r"[\\/]", name.rstrip("\\/"))[-1]
    return last.rpartition(".")[0] or last


def frame_names(stem: str, frames: Sequence[int]) -> list[str]:
    """Return what the pictures of a film's frames are called; they are in no file."""
    return [f"{stem}/{frame:06d}.png" for frame in frames]


# Reading


def videos_of(parts: Parts, path: Path) -> list[Video]:
    """Return the videos of a file. Raises `FormatError`."""
    rows, numbers = [], []
    for place, row in enumerate(parts.videos):
        number = _number_inside(row)
        numbers.append(number)
        rows.append(_outside(row, number, parts, path, f"videos_json, row {place}"))
    said = [_name(row, path, f"videos_json, row {n}") for n, row in enumerate(rows)]
    fresh = iter(unique(name for name in said if name))
    names = [next(fresh) if name else "" for name in said]
    stems = unique(stem_of(name) or "video" for name in said)
    return [
        _video(row, name, stem, number)
        for row, name, stem, number in zip(rows, names, stems, numbers, strict=True)
    ]


def _backend(row: Mapping[str, Any]) -> Mapping[str, Any]:
    backend = row.get("backend")
    return backend if isinstance(backend, dict) else {}


def _number_inside(row: Mapping[str, Any]) -> int | None:
    """Return the number by which frames call a video whose pictures are in a file."""
    found = _INSIDE.fullmatch(str(_backend(row).get("dataset")))
    return int(found.group(1)) if found else None


def _outside(
    row: dict[str, Any], number: int | None, parts: Parts, path: Path, place: str
) -> dict[str, Any]:
    """Return a video as it is listed by a file that does not hold its pictures."""
    if _backend(row).get("filename", row.get("filename")) != ".":
        return row
    source = parts.sources.get(-1 if number is None else number)
    if source is None and isinstance(row.get("source_video"), dict):
        source = row["source_video"]
    if source is not None and _backend(source).get("filename", source.get("filename")) != ".":
        own = source if isinstance(source.get("backend"), dict) else {"backend": source}
        if "shape" not in own["backend"] and "shape" in _backend(row):
            return own | {"backend": own["backend"] | {"shape": row["backend"]["shape"]}}
        return own
    if number is None:
        raise wrong(path, place, "the dataset of the pictures", "none")
    backend = {**_backend(row), "filename": str(path)}
    return row | {"filename": str(path), "backend": backend}


def _files(row: Mapping[str, Any]) -> list[str] | None:
    """Return the names of a list of pictures, None if it is a film."""
    backend = _backend(row)
    for value in (backend.get("filenames"), backend.get("filename"), row.get("filename")):
        if isinstance(value, list):
            return [str(each) for each in value]
    return None


def _name(row: Mapping[str, Any], path: Path, place: str) -> str:
    own, files = row.get("sequence"), _files(row)
    if isinstance(own, str):
        return own
    if files is not None:
        parents = re.split(r"[\\/]", files[0])[:-1] if files else []
        return "/".join(parents) or "pictures"
    for value in (_backend(row).get("filename"), row.get("filename"), _backend(row).get("file")):
        if isinstance(value, str) and value:
            return value
    raise wrong(path, place, "the name of a file", "none")


def _video(row: dict[str, Any], name: str, stem: str, number: int | None) -> Video:
    files = _files(row)
    frames = () if files is None else _numbers(row.get("frames"), name, len(files))
    width, height = _size(_backend(row))
    held = None if files is None else tuple(files)
    return Video(row, name, stem, held, frames, width, height, number)


def _numbers(said: Any, name: str, count: int) -> tuple[int, ...]:
    """Return the number of each picture of a list: as said, or its place if it is a sequence."""
    if isinstance(said, list) and len(said) == count:
        numbers = [MISSING_INT if n is None else n for n in said]
        if all(type(n) is int and MISSING_INT <= n < -MISSING_INT for n in numbers):
            return tuple(numbers)
    return tuple(range(count)) if name else (MISSING_INT,) * count


def _size(backend: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and height; 0 where they are not stated."""
    shape = backend.get("shape")
    said = [backend.get("width_"), backend.get("height_")]
    if isinstance(shape, list) and len(shape) == 4:
        said = [shape[2], shape[1]]
    width, height = (n if type(n) is int and abs(n) < 2**62 else 0 for n in said)
    return width, height


def places_of(videos: Sequence[Video], used: NDArray[np.int64]) -> dict[int, int]:
    """Return the place of each video by the number by which frames call it.

    That is the place itself or, where the pictures are in a file, the number of the dataset that
    holds them. Only the numbers that frames use tell which.
    """
    places = {place: place for place in range(len(videos))}
    if set(used.tolist()) != set(places):
        places |= {v.number: place for place, v in enumerate(videos) if v.number is not None}
    return places


# Writing


def film_row(name: str, frames: int, width: int, height: int) -> dict[str, Any]:
    """Return what is listed of a film."""
    backend = {"type": "MediaVideo"} | _shape(frames, width, height)
    backend |= {
        "filename": name, "grayscale": False, "bgr": True, "dataset": "", "input_format": "",
    }  # fmt: skip
    return {"filename": name, "backend": backend}


def list_row(
    name: str, files: Sequence[str], frames: NDArray[np.int64], width: int, height: int
) -> dict[str, Any]:
    """Return what is listed of pictures.

    SLEAP has no name for such a list and no numbers but the places in it. Both are written beside
    what it reads, where they say something else.
    """
    listed = list(files)
    backend = {"type": "ImageVideo"} | _shape(len(listed), width, height)
    backend |= {"filename": listed[0], "filenames": listed, "grayscale": False}
    if "shape" in backend:
        backend |= {"height_": height, "width_": width, "channels_": 3}
    row: dict[str, Any] = {"filename": listed, "backend": backend, "sequence": name}
    places = np.arange(len(listed)) if name else np.full(len(listed), MISSING_INT)
    if (frames != places).any():
        row["frames"] = [None if n == MISSING_INT else n for n in frames.tolist()]
    return row


def video_of(name: str, files: Sequence[str] | None, width: int, height: int) -> Video:
    """Return the video of a file that has only one."""
    held = None if files is None else tuple(files)
    return Video({}, name, stem_of(name) or "video", held, (), width, height, None)


def _shape(frames: int, width: int, height: int) -> dict[str, Any]:
    return {"shape": [frames, height, width, 3]} if width or height else {}

"""The many shapes of MediaPipe dumps: which object is a frame, and which of its keys say what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kptdata.errors import FormatError
from kptdata.formats._json import kind_of

__all__ = [
    "LISTS",
    "SIDES",
    "Dump",
    "Frame",
    "Listed",
    "dump_of",
    "is_handedness",
    "is_taken",
    "listed",
]


class Listed(NamedTuple):
    """What a key of a frame lists.

    Attributes:
        kind: ``pose``, ``hand`` or ``face``; empty where only the number of points tells.
        world: whether it is in metres.
        side: ``left`` or ``right`` hand of a person, empty for others.
    """

    kind: str
    world: bool = False
    side: str = ""


SIDES = ("left", "right")
LISTS: Mapping[str, Listed] = {
    "poselandmarks": Listed("pose"),
    "poseworldlandmarks": Listed("pose", world=True),
    "handlandmarks": Listed("hand"),
    "handworldlandmarks": Listed("hand", world=True),
    "multihandlandmarks": Listed("hand"),
    "multihandworldlandmarks": Listed("hand", world=True),
    "facelandmarks": Listed("face"),
    "multifacelandmarks": Listed("face"),
    "landmarks": Listed(""),
    "worldlandmarks": Listed("", world=True),
    **{f"{side}handlandmarks": Listed("hand", side=side) for side in SIDES},
    **{f"{side}handworldlandmarks": Listed("hand", world=True, side=side) for side in SIDES},
}
"""Key without capitals and underscores -> what it lists, in the older and the newer interface."""

_HANDEDNESS = ("handedness", "handednesses", "multihandedness")
_NAME = ("image", "imagename", "imagepath", "imagefile", "filename", "file", "filepath", "path")
_VIDEO = ("video", "videoname", "videopath", "videofile")
_FRAME = ("frame", "frameindex", "frameidx", "framenumber", "framenr", "frameno", "frameid")
_WIDTH = ("width", "imagewidth", "imagew", "framewidth", "videowidth", "w")
_HEIGHT = ("height", "imageheight", "imageh", "frameheight", "videoheight", "h")
_ABOUT = ("metadata", "meta", "info", "video", "source")
_CONTAINERS = ("frames", "results", "detections", "images", "data", "poses", "landmarks")
_PICTURE = re.compile(r".+\.(jpe?g|png|bmp|webp|tiff?|gif|heic)", re.IGNORECASE | re.DOTALL)
_LONGEST = 4096


@dataclass
class Frame:
    """A picture and what was found in it.

    Attributes:
        place: where in the file it is, for messages.
        lists: key -> what it lists, in the order of the file.
        said: the frame itself.
        name: of the picture, empty where it has none.
        video: name of the video, empty where it has none.
        number: of the frame in its video, -1 where it has none.
        size: width and height, 0 where not stated.
        others: what else it says.
    """

    place: str
    lists: dict[str, Listed]
    said: dict[str, Any]
    name: str = ""
    video: str = ""
    number: int = -1
    size: tuple[int, int] = (0, 0)
    others: dict[str, Any] = field(default_factory=dict)


@dataclass
class Dump:
    """A file.

    Attributes:
        frames: in its order.
        container: ``list``, or what else holds them.
        size: of all pictures that do not state their own.
        normalized: whether coordinates are fractions, where the file says so.
        others: other keys beside the frames.
    """

    frames: list[Frame]
    container: str
    size: tuple[int, int] = (0, 0)
    normalized: bool | None = None
    others: dict[str, Any] = field(default_factory=dict)


def _plain(key: str) -> str:
    return re.sub(r"[\W_]+", "", key).lower()


def listed(key: str) -> Listed | None:
    """Return what a key of a frame lists, None for another key."""
    return LISTS.get(_plain(key))


def is_handedness(key: str) -> bool:
    """Tell whether a key says which hands are left and right."""
    return _plain(key) in _HANDEDNESS


def is_taken(key: str) -> bool:
    """Tell whether a key is one that a reader takes for something of its own."""
    plain = _plain(key)
    taken = (*_HANDEDNESS, *_NAME, *_VIDEO, *_FRAME, *_WIDTH, *_HEIGHT, *LISTS)
    return plain in taken


def dump_of(found: Any, path: Path) -> Dump:
    """Find the frames of a file.

    Raises:
        FormatError: there is none, or one is no frame.
    """
    if isinstance(found, list):
        return Dump(list(_from_list(found, path, "")), "list")
    if isinstance(found, dict):
        for key in _CONTAINERS:
            if _has_frames(found.get(key)) or (key == "frames" and found.get(key) == []):
                return _with_rest(found, key, path)
        if _is_frame(found):
            return Dump([_frame(found, "", path)], "one")
        if found and all(isinstance(v, dict) or v is None for v in found.values()):
            frames = {key: value for key, value in found.items() if value}
            if any(map(_is_frame, frames.values())):
                return Dump(list(_from_dict(found, path, "")), "dict")
    raise FormatError(
        "no landmarks in it",
        path=path,
        expected="frames with pose_landmarks, hand_landmarks or face_landmarks",
        found=kind_of(found),
        fix="name the format that it is in (--from)",
    )


def _is_frame(value: Any) -> bool:
    return isinstance(value, dict) and any(_plain(key) in LISTS for key in value)


def _has_frames(value: Any) -> bool:
    """Tell whether a value is a list or an object of frames."""
    held = value if isinstance(value, list) else list(value.values()) if _is_dict(value) else []
    return any(map(_is_frame, held))


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _with_rest(found: dict[str, Any], key: str, path: Path) -> Dump:
    held = found[key]
    of = _from_dict if isinstance(held, dict) else _from_list
    others = {k: v for k, v in found.items() if k != key}
    about = [others, *(v for k, v in others.items() if k.lower() in _ABOUT and _is_dict(v))]
    sizes = [_size_of(each) for each in about]
    if sizes[0] != (0, 0):  # which each frame then states
        others = {k: v for k, v in others.items() if _plain(k) not in (*_WIDTH, *_HEIGHT)}
    normalized = others.get("normalized")
    if isinstance(normalized, bool):
        del others["normalized"]
    return Dump(
        list(of(held, path, key)),
        key,
        size=next((size for size in sizes if size != (0, 0)), (0, 0)),
        normalized=normalized if isinstance(normalized, bool) else None,
        others=others,
    )


def _from_list(held: list[Any], path: Path, key: str) -> Iterator[Frame]:
    """Yield the frames of a list; a list of points is a frame, and a list of such lists several."""
    if held and all(map(_is_point, held)):
        yield Frame(f"{key}[0]", {"landmarks": Listed("")}, {"landmarks": held})
        return
    for index, value in enumerate(held):
        place = f"{key}[{index}]"
        if isinstance(value, list):
            yield Frame(place, {"landmarks": Listed("")}, {"landmarks": value})
        else:
            yield _frame({} if value is None else value, place, path)


def _is_point(value: Any) -> bool:
    if isinstance(value, dict):
        return "x" in value and "y" in value
    return isinstance(value, list) and 2 <= len(value) <= 5 and not isinstance(value[0], list)


def _from_dict(held: dict[str, Any], path: Path, key: str) -> Iterator[Frame]:
    for name, value in held.items():
        frame = _frame({} if value is None else value, f"{key}[{name!r}]"[:80], path)
        if name.isdecimal() and len(name) < 19:
            frame.number = int(name) if frame.number < 0 else frame.number
        elif not frame.name:
            frame.name = name
        yield frame


def _frame(said: Any, place: str, path: Path) -> Frame:
    if not isinstance(said, dict):
        raise FormatError("no frame", path=path, place=place or None, expected="an object",
                          found=kind_of(said))  # fmt: skip
    frame = Frame(place, {}, said)
    frame.size = _size_of(said)
    for key, value in said.items():
        plain = _plain(key)
        if plain in LISTS:
            frame.lists[key] = LISTS[plain]
        elif plain in _HANDEDNESS:
            continue
        elif plain in _NAME and not frame.name and _is_name(value):
            frame.name = value
        elif plain in _VIDEO and not frame.video and _is_name(value):
            frame.video = value
        elif plain in _FRAME and frame.number < 0 and _is_number(value):
            frame.number = value
        elif frame.size == (0, 0) or plain not in (*_WIDTH, *_HEIGHT):
            frame.others[key] = value
    return frame


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) < _LONGEST


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _size_of(said: Mapping[str, Any]) -> tuple[int, int]:
    """Return the size that an object states, 0 where it does not."""
    sides = []
    for names in (_WIDTH, _HEIGHT):
        found = [v for k, v in said.items() if _plain(k) in names and type(v) is int]
        sides.append(next((v for v in found if 0 < v < 2**31), 0))
    return (sides[0], sides[1]) if all(sides) else (0, 0)

"""The frames of the videos that a CVAT file describes, from the images of datasets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT
from kptdata.dataset import ImageTable
from kptdata.formats._cvat_tracks import MOST_FRAMES, frame_name
from kptdata.formats._xml import Node

__all__ = ["Frames", "frames_of"]


@dataclass(frozen=True)
class Frames:
    """Which image is which frame of which task.

    Attributes:
        images: as they are read, without frames that only lie between them.
        order: (M,) row in the given table of each image of `images`.
        task: (M,) number of the task of each image, as given.
        frame: (M,) its frame, as given.
        names: of the tasks.
        ranges: first, behind last and step of the frames of each task.
        between: frames that no image is.
    """

    images: ImageTable
    order: NDArray[np.intp]
    task: NDArray[np.intp]
    frame: NDArray[np.int64]
    names: tuple[str, ...]
    ranges: tuple[range, ...]
    between: int

    @property
    def several(self) -> bool:
        """Whether there is more than one task."""
        return len(self.names) > 1

    def tasks(self) -> list[list[Node]]:
        """Return what the file says about each task."""
        found = []
        sizes = {int(t): row for row, t in reversed(list(enumerate(self.task[self.order])))}
        for number, (name, frames) in enumerate(zip(self.names, self.ranges, strict=True)):
            said = {
                "id": str(number),
                "name": name,
                "size": str(len(frames)),
                "mode": "interpolation",
                "overlap": "0",
                "start_frame": str(frames.start if frames else 0),
                "stop_frame": str(frames[-1] if frames else 0),
                "frame_filter": f"step={frames.step}" if frames.step > 1 else "",
            }
            nodes = [Node(tag, text=text) for tag, text in said.items()]
            if number in sizes and self.images.width[sizes[number]] > 0:
                width, height = self.images.wh[sizes[number]].tolist()
                size = [Node("width", text=str(width)), Node("height", text=str(height))]
                nodes.append(Node("original_size", children=size))
            found.append(nodes)
        return found


def frames_of(images: ImageTable) -> Frames:
    """Give each image a task and a frame: its own, where each task has each frame once."""
    names = [" ".join(name.split()) for name in images.column("sequence").tolist()]
    listed = list(dict.fromkeys(names)) or [""]
    task = np.array([listed.index(name) for name in names], np.intp)
    frame = images.column("frame").astype(np.int64)
    ranges = []
    for number in range(len(listed)):
        mine = np.flatnonzero(task == number)
        if not _usable(frame[mine]):
            frame[mine] = np.arange(len(mine))
        ranges.append(_range(frame[mine].tolist()))
    order = np.lexsort((frame, task))
    several = len(listed) > 1
    wh = _sizes(images, task, len(listed))[order]
    sorted_ = frame[order]
    table = ImageTable.of(
        [frame_name(int(f)) for f in sorted_],
        id=np.arange(len(order)) if several else sorted_,
        width=wh[:, 0],
        height=wh[:, 1],
        sequence=[names[row] for row in order.tolist()] if any(names) else None,
        frame=sorted_,
    )
    between = sum(map(len, ranges)) - len(images)
    return Frames(table, order, task, frame, tuple(listed), tuple(ranges), between)


def _usable(frames: NDArray[np.int64]) -> bool:
    if (frames == MISSING_INT).any() or (frames < 0).any() or (frames >= 2**31 - 1).any():
        return False
    return len(np.unique(frames)) == len(frames) and len(_range(frames.tolist())) <= MOST_FRAMES


def _range(frames: Sequence[int]) -> range:
    """Return the shortest regular row of frames that holds these."""
    if not frames:
        return range(0)
    first, last = min(frames), max(frames)
    step = math.gcd(*(frame - first for frame in frames)) or 1
    return range(first, last + 1, step)


def _sizes(images: ImageTable, task: NDArray[np.intp], count: int) -> NDArray[np.int64]:
    """(M, 2) the one size that each task has: that of its first image with a size."""
    sizes = np.zeros((count, 2), np.int64)
    good = (images.wh > 0).all(axis=1) & (images.wh < 2**31).all(axis=1)
    for row in np.flatnonzero(good)[::-1]:
        sizes[task[row]] = images.wh[row]
    return sizes[task].reshape(-1, 2)

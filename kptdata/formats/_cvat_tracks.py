"""The ``<track>`` elements of CVAT for video, to instances: one for each frame of each track."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import ImageTable
from kptdata.errors import FormatError
from kptdata.formats._collect import Collector
from kptdata.formats._cvat_labels import Label, task_of
from kptdata.formats._cvat_loose import Loose, LooseShapes, group_of
from kptdata.formats._cvat_read import Shapes, flag, integer, state_of
from kptdata.formats._xml import Node
from kptdata.visibility import Visibility

__all__ = ["MOST_FRAMES", "OWN", "TrackReader", "Video", "frame_name", "videos_of"]

OWN = "cvat_video"
MOST_FRAMES = 1 << 20  # that are listed though nobody is in them: ten hours
_TRACK = frozenset({"id", "label", "source", "group_id", "task_id"})


class Video(NamedTuple):
    """A task: its id, name, size of its frames, and which frames it has."""

    id: str
    name: str
    width: int
    height: int
    frames: range


def frame_name(frame: int) -> str:
    """Return what CVAT calls the picture of a frame."""
    return f"frame_{frame:06d}.PNG"


def videos_of(meta: Node | None, path: Path) -> list[Video]:
    """Return the tasks that a file describes, at least one. Raises `FormatError`."""
    task = task_of(meta)
    listed = task.find("tasks")
    tasks = [task] if listed is None else [n for n in listed.children if n.tag == "task"]
    return [_video(node, path) for node in tasks or [task]]


def _video(task: Node, path: Path) -> Video:
    name = task.said("name")
    place = f"task {name or task.said('id')!r}"
    numbers = {}
    for tag in ("start_frame", "stop_frame"):
        text = task.said(tag)
        numbers[tag] = integer(text, tag, path, place) if text else None
    step = max(integer(_step(task.said("frame_filter")), "frame_filter", path, place), 1)
    first, last = numbers["start_frame"], numbers["stop_frame"]
    frames = range(0)
    if first is not None and last is not None and _is_video(task):
        frames = range(max(first, 0), last + 1, step)
    sizes = []
    for tag in ("width", "height"):
        found = task.find("original_size", tag)
        text = "" if found is None else found.text.strip()
        sizes.append(max(integer(text, tag, path, place), 0) if text else 0)
    return Video(task.said("id"), name, sizes[0], sizes[1], frames)


def _is_video(task: Node) -> bool:
    """Tell whether a task says that it has frames; one of none says 0 to 0 as well."""
    return task.said("size") != "0"


def _step(text: str) -> str:
    return text.strip().removeprefix("step=") or "1"


@dataclass
class _Track:
    """A track: the node itself, its shapes by frame, and its place among all."""

    node: Node
    frames: dict[int, Node]
    group: int
    place: str
    number: int
    paired: _Track | None = None


class TrackReader:
    """Collects tracks, then reads them.

    Args:
        path: the file, for messages.
        labels: what the file declares.
        videos: its tasks.
    """

    def __init__(self, path: Path, labels: Mapping[str, Label], videos: list[Video]) -> None:
        self._path, self._videos = path, videos
        skeletons = {n: label.points for n, label in labels.items() if label.kind == "skeleton"}
        self.shapes = Shapes(path, OWN, skeletons)
        self._loose = LooseShapes(self.shapes)
        self._tracks: list[_Track] = []
        self._frames: dict[tuple[str, int], int] = {}
        self._order = 0
        self.others: list[Any] = []

    def track(self, node: Node) -> None:
        """Take a ``<track>``. Raises `FormatError`."""
        number = len(self._tracks) + len(self.others)
        place = f"track {node.attrib.get('id', number)}"
        node = _unnested(node)
        shapes = [child for child in node.children if child.tag in ("skeleton", "box", "points")]
        if not shapes or {child.tag for child in node.children} - {shapes[0].tag}:
            self.others.append(node.to_value())
            return
        frames: dict[int, Node] = {}
        for child in shapes:
            frame = integer(child.attrib.get("frame"), "frame", self._path, place)
            if frame in frames or frame < 0:
                raise FormatError(
                    "a frame is there twice" if frame >= 0 else "a frame before the first",
                    path=self._path,
                    place=place,
                    found=f"frame {frame}",
                    fix="remove one of the two",
                )
            frames[frame] = child
        group = group_of(node, self._path, place)
        self._tracks.append(_Track(node, frames, group, place, number))

    def finish(self) -> tuple[ImageTable, NDArray[np.intp]]:
        """Read all tracks; return the table of images, and its row of each image number."""
        self._pair()
        for track in self._tracks:
            kind = next(iter(track.frames.values())).tag
            if kind == "skeleton":
                self._skeletons(track)
            elif kind == "points":
                self._points(track)
            elif track.paired is None:
                self._boxes(track)
        self._loose.finish()
        return self._images()

    def _pair(self) -> None:
        """Tie the only box of a group to its only skeleton, if it is never there alone."""
        members: dict[tuple[str, int], list[_Track]] = {}
        for track in self._tracks:
            if track.group:
                members.setdefault((self._task(track), track.group), []).append(track)
        for tracks in members.values():
            kinds = Counter(next(iter(t.frames.values())).tag for t in tracks)
            if kinds != {"skeleton": 1, "box": 1}:
                continue
            box, person = sorted(tracks, key=lambda t: next(iter(t.frames.values())).tag)
            there = {f for f, n in person.frames.items() if not self._is_gone(n, person.place)}
            if all(f in there or self._is_gone(n, box.place) for f, n in box.frames.items()):
                box.paired, person.paired = person, box

    def _task(self, track: _Track) -> str:
        return track.node.attrib.get("task_id", "")

    def _image(self, track: _Track, frame: int) -> int:
        return self._frames.setdefault((self._task(track), frame), len(self._frames))

    def _is_gone(self, node: Node, place: str) -> bool:
        """Tell whether a shape says that its track is not there from this frame on."""
        if node.tag != "skeleton":
            return flag(node, "outside", self._path, place)
        elements = [child for child in node.children if child.tag == "points"]
        states = {state_of(child, self._path, place) for child in elements}
        if elements:
            return states == {Visibility.ABSENT}
        return flag(node, "outside", self._path, place)

    def _skeletons(self, track: _Track) -> None:
        label = track.node.attrib.get("label", "")
        marks: list[Any] = []
        there: list[tuple[int, int]] = []  # row and frame of the instances
        for frame, node in sorted(track.frames.items()):
            place = f"{track.place}, frame {frame}"
            if self._is_gone(node, place):
                marks.append(node.to_value())
                continue
            node.attrib.setdefault("source", track.node.attrib.get("source", "manual"))
            image, self._order = self._image(track, frame), self._order + 1
            collector = self.shapes.skeleton(node, label, image, self._order - 1, place)
            if there:
                self._note_gap(track, collector, *there[-1], marks, frame)
            elif marks:
                collector.note(f"before:{OWN}", marks)
            self._describe(track, node, collector, first=not there)
            there.append((len(collector) - 1, frame))
            marks = []
            box = track.paired.frames.get(frame) if track.paired is not None else None
            if box is not None and not self._is_gone(box, place):
                self._loose.own_box(collector, box, place, there[-1][0])
        if not there:
            self.others.append(track.node.to_value())
        else:
            self._note_gap(track, collector, *there[-1], marks, None)

    def _note_gap(
        self,
        track: _Track,
        collector: Collector,
        row: int,
        frame: int,
        marks: list[Any],
        following: int | None,
    ) -> None:
        """Note on an instance how its track goes on, if not simply in the next frame.

        Marks say that the track is not there; a gap without one is what CVAT interpolates.
        """
        frames = self._video(track).frames
        step = frames.step
        goes_on = frame + step == following
        ends = following is None and frame + step >= frames.stop
        if marks or not (goes_on or ends):
            collector.note(f"after:{OWN}", {"next": following, "marks": marks}, row)

    def _video(self, track: _Track) -> Video:
        found = [video for video in self._videos if video.id == self._task(track)]
        return found[0] if found else self._videos[0]

    def _describe(self, track: _Track, node: Node, collector: Collector, *, first: bool) -> None:
        """Note what a frame and its track say about an instance."""
        collector.set("track", track.node.attrib.get("id", str(track.number)))
        if not flag(node, "keyframe", self._path, track.place) and "keyframe" in node.attrib:
            collector.note("keyframe", value=False)
        self._loose.note_group(collector, track.group, paired=track.paired is not None)
        note: dict[str, Any] = {}
        others = {k: v for k, v in track.node.attrib.items() if k not in _TRACK}
        if others:
            note["attrib"] = others
        if track.paired is not None:
            note["box"] = dict(track.paired.node.attrib)
        if first and note:
            collector.note(f"track:{OWN}", note)

    def _boxes(self, track: _Track) -> None:
        for frame, node in sorted(track.frames.items()):
            place = f"{track.place}, frame {frame}"
            if self._is_gone(node, place):
                continue
            for key in ("label", "source", "group_id"):
                if key in track.node.attrib:
                    node.attrib[key] = track.node.attrib[key]
            name = track.node.attrib.get("id", str(track.number))
            image = self._image(track, frame)
            collector = self._loose.box(Loose(node, image, self._order, place, name))
            if node.attrib.get("keyframe") == "0":
                collector.note("keyframe", value=False)
            self._order += 1

    def _points(self, track: _Track) -> None:
        for frame, node in sorted(track.frames.items()):
            place = f"{track.place}, frame {frame}"
            if not self._is_gone(node, place):
                for key in ("label", "source", "group_id"):
                    if key in track.node.attrib:
                        node.attrib[key] = track.node.attrib[key]
                self._loose.points(Loose(node, self._image(track, frame), self._order, place))
                self._order += 1

    # Frames

    def _images(self) -> tuple[ImageTable, NDArray[np.intp]]:
        numbers = {video.id: number for number, video in enumerate(self._videos)}
        used = [(numbers.get(task, 0), frame) for task, frame in self._frames]
        listed = [
            (number, frame)
            for number, video in enumerate(self._videos)
            if len(video.frames) <= MOST_FRAMES
            for frame in video.frames
        ]
        places = sorted({*used, *listed})
        row_of = {place: row for row, place in enumerate(places)}
        rows = np.array([row_of[place] for place in used], np.intp)
        frames = [frame for _, frame in places]
        owners = [self._videos[number] for number, _ in places]
        ids = frames if len(self._videos) == 1 else list(range(len(frames)))
        named = any(video.name for video in self._videos)
        table = ImageTable.of(
            [frame_name(frame) for frame in frames],
            id=np.array(ids, np.int64),
            width=np.array([video.width for video in owners], np.int64),
            height=np.array([video.height for video in owners], np.int64),
            sequence=[video.name for video in owners] if named else None,
            frame=np.array(frames, np.int64),
        )
        return table, rows


def _unnested(node: Node) -> Node:
    """Return a track of the layout of 2022, a track for each joint inside it, as today's.

    A joint is in a frame if its own track has it there.
    """
    joints = [child for child in node.children if child.tag == "track"]
    if not joints:
        return node
    frames: dict[str, Node] = {}
    for child in node.children:
        if child.tag == "skeleton":
            attrib = {k: v for k, v in child.attrib.items() if k not in ("points", "rotation")}
            kept = [c for c in child.children if c.tag != "points"]
            frames[attrib.get("frame", "")] = Node("skeleton", attrib, children=kept)
    for joint in joints:
        for child in joint.children:
            if child.tag == "points":
                frame = child.attrib.get("frame", "")
                own = frames.setdefault(frame, Node("skeleton", {"frame": frame, "keyframe": "1"}))
                attrib = {"label": joint.attrib.get("label", ""), **child.attrib}
                own.children.append(Node("points", attrib, children=child.children))
    for own in frames.values():
        if own.children:  # the points say it
            own.attrib = {k: v for k, v in own.attrib.items() if k not in ("outside", "occluded")}
    others = [c for c in node.children if c.tag not in ("skeleton", "track")]
    return Node("track", node.attrib, node.text, [*frames.values(), *others])

"""Datasets to the ``<track>`` elements of CVAT for video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import is_missing
from kptdata.dataset import PoseDataset
from kptdata.formats._collect import id_column
from kptdata.formats._cvat_frames import Frames
from kptdata.formats._cvat_text import (
    Facts,
    Points,
    attributes_text,
    boxed,
    children_text,
    corner_texts,
    facts_of,
    states_read,
    user_text,
)
from kptdata.formats._cvat_tracks import OWN
from kptdata.formats._cvat_write import fact_keys, given_read
from kptdata.formats._plan import Classes, Plan, held
from kptdata.formats._xml import Node, xml_of
from kptdata.visibility import Visibility

__all__ = ["Part", "Track", "parts_of", "plan_of_tracks", "track_texts", "tracks_of"]


@dataclass
class Track:
    """Rows of one dataset that are one track, by frame.

    Attributes:
        number: of the dataset.
        task: number of the task.
        rows: of the dataset.
        frames: of the rows.
        first: place of its first row among all instances.
        id: in the file.
        group: 0 for none.
        places: of the rows, among those of the dataset that are written.
        box_id: of the track of its boxes, "" for none.
    """

    number: int
    task: int
    rows: list[int]
    frames: list[int]
    first: int
    id: str = ""
    group: int = 0
    places: list[int] = field(default_factory=list)
    box_id: str = ""


def tracks_of(
    datasets: Sequence[PoseDataset], frames: Frames, places: Sequence[Any]
) -> list[Track]:
    """Divide the instances into tracks, in the order of the file.

    People whose points all are absent are left out: that is how a track says that it has ended.
    One track has one category and at most one instance in a frame; what is more is another track.

    Args:
        datasets: what is written.
        frames: of the images.
        places: for each dataset, the given row of each of its images.
    """
    found: list[Track] = []
    for number, dataset in enumerate(datasets):
        if dataset.schema.num_keypoints:
            kept = ~(dataset.visibility == Visibility.ABSENT).all(axis=1)
        else:
            kept = np.asarray(boxed(dataset))
        rows = np.flatnonzero(kept & (dataset.image >= 0))
        rows = rows[np.argsort(dataset.order[rows], kind="stable")]
        found += _of_dataset(number, dataset, rows.tolist(), frames, places[number])
    found.sort(key=lambda track: (track.first, track.number))
    _name(found, datasets)
    return found


def _of_dataset(
    number: int, dataset: PoseDataset, rows: list[int], frames: Frames, places: NDArray[np.intp]
) -> Iterator[Track]:
    names = dataset.column("track")
    missing, category = is_missing(names), dataset.column("category")
    known: dict[Any, Track] = {}
    seen: set[tuple[Any, int]] = set()
    for row in rows:
        image = int(places[dataset.image[row]])
        task, frame = int(frames.task[image]), int(frames.frame[image])
        own = (str(names[row]), int(category[row]), task)
        key: Any = ("single", row) if missing[row] else own
        if (key, frame) in seen:
            key = ("single", row)
        seen.add((key, frame))
        if key not in known:
            name = "" if missing[row] else str(names[row])
            known[key] = Track(number, task, [], [], int(dataset.order[row]), name)
        known[key].rows.append(row)
        known[key].frames.append(frame)
    for track in known.values():
        order = np.argsort(track.frames)
        track.rows = [track.rows[k] for k in order.tolist()]
        track.frames = sorted(track.frames)
        yield track


def _name(tracks: list[Track], datasets: Sequence[PoseDataset]) -> None:
    """Give each track, and the track of its boxes, a name that no other has."""
    taken: set[str] = set()
    for track in tracks:
        if track.id in taken:
            track.id = ""
        taken.add(track.id)
    free = (str(number) for number in range(2 * len(tracks) + len(taken) + 1))
    unused = (name for name in free if name not in taken)
    for track in tracks:
        track.id = track.id or next(unused)
    has_box = [boxed(d) & (d.schema.num_keypoints > 0) for d in datasets]
    for track in tracks:
        if has_box[track.number][track.rows].any():
            track.box_id = next(unused)


def plan_of_tracks(
    tracks: Sequence[Track], datasets: Sequence[PoseDataset], frames: Frames, places: Sequence[Any]
) -> Plan:
    """Return the order of the file; tells each track the places of its rows."""
    rank = np.argsort(frames.order)
    rows: list[list[int]] = [[] for _ in datasets]
    owners, owned = [], []
    for track in tracks:
        start = len(rows[track.number])
        track.places = list(range(start, start + len(track.rows)))
        rows[track.number] += track.rows
        owners += [track.number] * len(track.rows)
        owned += track.rows
    return Plan(
        images=frames.images,
        places=tuple(rank[np.asarray(place, np.intp)] for place in places),
        rows=tuple(np.array(mine, np.intp) for mine in rows),
        owners=np.array(owners, np.intp),
        owned=np.array(owned, np.intp),
        starts=np.zeros(len(frames.images) + 1, np.intp),
    )


@dataclass(frozen=True)
class Part:
    """What is written of one dataset: labels, facts, corners of boxes, and how it is read."""

    dataset: PoseDataset
    rows: NDArray[np.intp]
    labels: tuple[str, ...]
    facts: Facts
    corners: tuple[str | None, ...]
    reading: PoseDataset

    def box_track(self, track: Track) -> dict[str, str]:
        """Return the attributes of the track of a person's boxes."""
        note = self.facts.note("track", track.places[0])
        kept = note.get("box") if isinstance(note, dict) else None
        label = f"{self.labels[track.places[0]]}_box"
        base = {"id": track.box_id, "label": label, "source": "manual"}
        if isinstance(kept, dict):
            base |= {k: v for k, v in kept.items() if isinstance(v, str) and k != "id"}
        return base | {"group_id": str(track.group)}


def parts_of(
    plan: Plan, tracks: Sequence[Track], datasets: Sequence[PoseDataset], classes: Classes
) -> list[Part]:
    """Say what is written of each dataset."""
    facts = [
        facts_of(dataset, rows, fact_keys(dataset), OWN)
        for dataset, rows in zip(datasets, plan.rows, strict=True)
    ]
    _group(tracks, datasets, facts)
    ranks = np.zeros(len(plan.owned), np.int64)
    parts = []
    for number, dataset in enumerate(datasets):
        rows = plan.rows[number]
        has_box = boxed(dataset)[rows]
        box = np.where(has_box[:, None], dataset.column("bbox")[rows], np.nan)
        listed, box[has_box] = corner_texts(box[has_box])
        texts = iter(listed)
        kinds = classes.numbers[number][rows]
        ranks = np.flatnonzero(plan.owners == number)
        names = {p: t.id for t in tracks if t.number == number for p in t.places}
        reading = held(
            plan,
            number,
            dataset,
            plan.images,
            visibility=states_read(dataset.visibility[rows]),
            given_xy=given_read(dataset, rows),
            bbox=box,
            category=kinds + 1,
            categories=classes.of(number),
            track=id_column(names[place] for place in range(len(rows))),
            extras=facts[number].columns(),
            order=ranks,
        )
        labels = tuple(classes.names[kind] for kind in kinds.tolist())
        corners = tuple(next(texts) if there else None for there in has_box.tolist())
        parts.append(Part(dataset, rows, labels, facts[number], corners, reading))
    return parts


def _group(
    tracks: Sequence[Track], datasets: Sequence[PoseDataset], facts: Sequence[Facts]
) -> None:
    """Give tracks their groups, and all rows of a track the same source and group.

    A group of one person and one box ties the two.
    """
    taken: dict[int, Counter[int]] = {}
    for track in tracks:
        own, first = facts[track.number], track.places[0]
        source = own.get("source", first)
        group = None if track.box_id else own.get("group_id", first)
        track.group = group or 0
        taken.setdefault(track.task, Counter())[track.group] += 1
        for place in track.places:
            own.put("source", place, source)
            own.put("group_id", place, group)
    free = {task: count(1) for task in taken}
    for track in tracks:
        used = taken[track.task]
        if track.box_id:
            kept = facts[track.number].note("group", track.places[0])
            good = type(kept) is int and 0 < kept < 2**31 and kept not in used
            track.group = kept if good else next(n for n in free[track.task] if n not in used)
            used[track.group] += 1
    for track in tracks:
        loose = not datasets[track.number].schema.num_keypoints
        if loose and track.group and taken[track.task][track.group] == 2:
            taken[track.task][track.group] -= 1
            track.group = 0
            for place in track.places:
                facts[track.number].drop("group_id", place)


def track_texts(
    tracks: Sequence[Track], parts: Sequence[Part], frames: Frames, path: Path
) -> Iterator[str]:
    """Yield the ``<track>`` elements; that of a person's boxes follows the person."""
    writers = [_TrackWriter(part, frames, path) for part in parts]
    for track in tracks:
        yield from writers[track.number].texts(track)


class _TrackWriter:
    def __init__(self, part: Part, frames: Frames, path: Path) -> None:
        self._part, self._frames, self._path = part, frames, path
        self._points = Points(part.dataset, part.rows, path, "      ")

    def texts(self, track: Track) -> Iterator[str]:
        """Yield a track, and that of its boxes."""
        if not self._part.dataset.schema.num_keypoints:
            yield self._track(track, self._loose_boxes(track))
            return
        yield self._track(track, self._skeletons(track))
        if track.box_id:
            head = attributes_text(self._part.box_track(track) | self._task(track), self._path)
            yield f"  <track{head}>\n{''.join(self._boxes(track))}  </track>\n"

    def _task(self, track: Track) -> dict[str, str]:
        return {"task_id": str(track.task)} if self._frames.several else {}

    def _track(self, track: Track, shapes: list[str]) -> str:
        facts, first = self._part.facts, track.places[0]
        said = {"id": track.id, "label": self._part.labels[first]}
        said["source"] = facts.get("source", first) or "manual"
        if track.group:
            said["group_id"] = str(track.group)
        note = facts.note("track", first)
        more = note.get("attrib", {}) if isinstance(note, dict) else {}
        head = attributes_text(said | self._task(track) | more, self._path)
        return f"  <track{head}>\n{''.join(shapes)}  </track>\n"

    # Skeletons

    def _skeletons(self, track: Track) -> list[str]:
        facts = self._part.facts
        shapes = self._kept(facts.note("before", track.places[0]), -1, track.frames[0])
        for at, (place, frame) in enumerate(zip(track.places, track.frames, strict=True)):
            shapes.append(self._skeleton(place, frame))
            later = track.frames[at + 1] if at + 1 < len(track.frames) else None
            note = facts.note("after", place)
            gone = self._next(track, frame, later)
            if isinstance(note, dict) and note.get("next") == later:
                shapes += self._kept(note.get("marks"), frame, later)
            elif gone is not None:
                inner = self._points.gone(place, {"keyframe": "1"})
                head = f'    <skeleton frame="{gone}" keyframe="1" z_order="0">\n'
                shapes.append(f"{head}{inner}    </skeleton>\n")
        return shapes

    def _next(self, track: Track, frame: int, later: int | None) -> int | None:
        """Return the frame in which a track that was here is not there any more."""
        frames = self._frames.ranges[track.task]
        following = frame + frames.step
        if following >= frames.stop or following == later:
            return None
        return following

    def _kept(self, nodes: Any, above: int, below: int | None) -> list[str]:
        """Return the marks of a track's absence that still lie where it is absent."""
        found = []
        for value in nodes if isinstance(nodes, list) else ():
            node = Node.from_value(value)
            text = node.attrib.get("frame", "") if node is not None else ""
            if node is not None and text.isdigit() and above < int(text) < (below or 2**31):
                found.append(xml_of(node, self._path, "    "))
        return found

    def _skeleton(self, place: int, frame: int) -> str:
        facts = self._part.facts
        key = "0" if facts.get("keyframe", place) is False else "1"
        depth = facts.get("z_order", place) or 0
        note = facts.note("skeleton", place)
        more = attributes_text(note["attrib"], self._path) if note else ""
        points = self._points.text(place, {"keyframe": key}, facts.note("keypoints", place))
        return (
            f'    <skeleton frame="{frame}" keyframe="{key}" z_order="{depth}"{more}>\n'
            f"{points}{self._inner(place)}    </skeleton>\n"
        )

    def _inner(self, place: int) -> str:
        facts = self._part.facts
        note = facts.note("skeleton", place)
        kept = children_text(note["children"], self._path, "      ") if note else ""
        return user_text(facts.get("attributes", place), self._path, "      ") + kept

    # Boxes

    def _boxes(self, track: Track) -> list[str]:
        shapes: list[str] = []
        corners, there = "", False
        for at, (place, frame) in enumerate(zip(track.places, track.frames, strict=True)):
            own = self._part.corners[place]
            if own is None:
                if there:
                    shapes.append(_gone_box(frame, corners))
                there = False
                continue
            note = self._part.facts.note("box", place)
            attrib = dict(note["attrib"]) if isinstance(note, dict) else {}
            inner = children_text(note["children"], self._path, "      ") if note else ""
            shapes.append(_box(frame, own, attrib, inner, self._path))
            corners, there = own, True
            later = track.frames[at + 1] if at + 1 < len(track.frames) else None
            gone = self._next(track, frame, later)
            if gone is not None:
                shapes.append(_gone_box(gone, own))
                there = False
        return shapes

    def _loose_box(self, place: int, frame: int) -> str:
        facts = self._part.facts
        note = facts.note("skeleton", place)
        attrib = {
            "keyframe": "0" if facts.get("keyframe", place) is False else "1",
            "outside": "0",
            "occluded": "1" if facts.get("occluded", place) else "0",
            "z_order": str(facts.get("z_order", place) or 0),
            **(note["attrib"] if note else {}),
        }
        corners = self._part.corners[place] or ""
        return _box(frame, corners, attrib, self._inner(place), self._path)

    def _loose_boxes(self, track: Track) -> list[str]:
        found = []
        for at, (place, frame) in enumerate(zip(track.places, track.frames, strict=True)):
            found.append(self._loose_box(place, frame))
            later = track.frames[at + 1] if at + 1 < len(track.frames) else None
            gone = self._next(track, frame, later)
            if gone is not None:
                found.append(_gone_box(gone, self._part.corners[place] or ""))
        return found


def _box(frame: int, corners: str, attrib: dict[str, str], inner: str, path: Path) -> str:
    usual = {"keyframe": "1", "outside": "0", "occluded": "0", "z_order": "0"}
    said = {k: v for k, v in (usual | attrib).items() if k not in ("label", "source")}
    end = f"\n{inner}    </box>" if inner else "</box>"
    return f'    <box frame="{frame}" {corners}{attributes_text(said, path)}>{end}\n'


def _gone_box(frame: int, corners: str) -> str:
    flags = 'keyframe="1" outside="1" occluded="0" z_order="0"'
    return f'    <box frame="{frame}" {corners} {flags}></box>\n'

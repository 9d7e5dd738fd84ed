"""Datasets to the parts of a SLEAP project."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import RawColumn, is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._named_points import Fit, fit_points
from kptdata.formats._plan import Classes, Plan
from kptdata.formats._sleap_file import Parts, Table
from kptdata.formats._sleap_read import (
    LINK,
    OWN,
    PREDICTION,
    PROVENANCE,
    SKELETONS,
    SUGGESTIONS,
    track_names,
)
from kptdata.formats._sleap_skeleton import Bones, described, paired, written
from kptdata.formats._sleap_videos import (
    Video,
    film_row,
    frame_names,
    list_row,
    stem_of,
    videos_of,
)
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = ["Joint", "bones_for", "is_predicted", "joints_of", "kept_value", "parts_of"]

_LAYOUT = 1.2  # the first that has every field that is written here


class Joint(NamedTuple):
    """A skeleton of a file: of which class it is, and which row of the schema each node has."""

    bones: Bones
    fit: Fit


def kept_value(datasets: Sequence[PoseDataset], key: str, kind: type) -> Any:
    """Return a file-level value, as the first dataset that has it holds it; empty if none does."""
    for dataset in datasets:
        if key in dataset.meta:
            value = json.loads(dataset.meta[key])
            if isinstance(value, kind):
                return value
    return kind()


def _kept_objects(datasets: Sequence[PoseDataset], key: str) -> list[dict[str, Any]]:
    return [each for each in kept_value(datasets, key, list) if isinstance(each, dict)]


# Skeletons


def bones_for(schema: Schema, name: str) -> Bones:
    """Return the skeleton that a schema is."""
    swaps = [(p.name, p.swap) for p in schema.keypoints if p.swap is not None]
    pairs = tuple(pair for pair in paired(swaps) if pair in swaps)[::2]
    return Bones(name, schema.names, tuple((k.start, k.end) for k in schema.links), pairs)


def joints_of(
    datasets: Sequence[PoseDataset], classes: Classes, path: Path, own: str = OWN
) -> list[Joint]:
    """Return the skeleton of each class: as the format `own` read it, if the schema is the same."""
    found = []
    for name, owner in zip(classes.names, classes.owner, strict=True):
        schema = datasets[owner].schema
        bones, fit = _as_read(datasets[owner], name, own), None
        if bones is not None:
            try:
                fit = fit_points(bones.points(name), schema, path, f"skeleton {name!r}")
            except SchemaError:
                bones = None
        if bones is None or fit is None:
            bones = bones_for(schema, name)
            fit = Fit(schema, {point: row for row, point in enumerate(schema.names)})
        found.append(Joint(bones, fit))
    return found


def _as_read(dataset: PoseDataset, name: str, own: str) -> Bones | None:
    note = kept_value([dataset], f"skeletons:{own}", dict)
    held = note.get("skeletons")
    if note.get("schema") != dataset.schema.hash() or not isinstance(held, dict):
        return None
    return described(held.get(name))


# The whole


def parts_of(
    plan: Plan,
    datasets: Sequence[PoseDataset],
    classes: Classes,
    joints: Sequence[Joint],
    path: Path,
) -> Parts:
    """Return a file of the planned instances."""
    rows, video, index = _videos(plan.images, datasets, path)
    idle = [described(value) for value in kept_value(datasets, SKELETONS, list)]
    bones = [*(joint.bones for joint in joints), *(each for each in idle if each is not None)]
    tracks, track = _tracks(plan, datasets)
    metadata = written(bones) | {"videos": [], "tracks": [], "suggestions": []}
    tables = _points(plan, datasets, classes, joints)
    instances = tables["instances"]
    instances["track"] = track
    instances["from_predicted"] = _links(plan, datasets, instances["instance_type"])
    suggestions = _suggestions(datasets, rows, path)
    videos = videos_of(_videos_alone(rows), path)
    called = [place if v.number is None else v.number for place, v in enumerate(videos)]
    numbers = np.array(called, np.int64)[video] if len(video) else np.zeros(0, np.int64)
    tables["frames"] = {
        "frame_id": np.arange(len(plan.images)),
        "video": numbers,
        "frame_idx": index,
        "instance_id_start": plan.starts[:-1],
        "instance_id_end": plan.starts[1:],
    }
    marks = plan.images.extras.get("negative", RawColumn.absent(len(plan.images)))
    said = np.array([marks.parsed(n) is True for n in range(len(marks))], bool)
    tables["negative_frames"] = {"video_id": numbers[said], "frame_idx": index[said]}
    return Parts(
        format_id=_LAYOUT,
        metadata=metadata | {"negative_anchors": {}},
        videos=rows,
        tracks=tracks,
        suggestions=suggestions,
        provenance=kept_value(datasets, PROVENANCE, dict),
        tables=tables,
    )


# Videos


def _videos_alone(rows: list[dict[str, Any]]) -> Parts:
    return Parts(_LAYOUT, {}, rows, [], [], {}, {})


def _videos(
    images: ImageTable, datasets: Sequence[PoseDataset], path: Path
) -> tuple[list[dict[str, Any]], NDArray[np.intp], NDArray[np.int64]]:
    """Return the videos and, for each image, its video and its place in that."""
    rows = _kept_objects(datasets, f"videos:{OWN}")
    try:
        videos = videos_of(_videos_alone(rows), path)
    except FormatError:
        rows, videos = [], []
    video = np.full(len(images), -1, np.intp)
    index = np.zeros(len(images), np.int64)
    groups: dict[tuple[str, int, int], list[int]] = {}
    sequences, sizes = images.column("sequence").tolist(), images.wh.tolist()
    for row, (name, size) in enumerate(zip(sequences, sizes, strict=True)):
        groups.setdefault((name, *size), []).append(row)
    for number, each in enumerate(videos):
        mine = groups.get((each.name, each.width, each.height), [])
        taken = _taken(each, images, mine)
        video[list(taken.values())] = number
        index[list(taken.values())] = list(taken)
        mine[:] = sorted(set(mine) - set(taken.values()))
    frames = images.column("frame")
    for (name, width, height), members in groups.items():
        names, own = images.file_name[members].tolist(), frames[members]
        video[members] = len(rows)
        if members and _is_film(name, names, own):
            index[members] = own
            rows.append(film_row(name, int(own.max()) + 1, width, height))
        elif members:
            index[members] = np.arange(len(members))
            rows.append(list_row(name, names, own, width, height))
    return rows, video, index


def _taken(each: Video, images: ImageTable, rows: list[int]) -> dict[int, int]:
    """Return those of some images that still are in a video that was read: place -> row."""
    numbers, names = images.column("frame")[rows].tolist(), images.file_name[rows].tolist()
    found: dict[int, int] = {}
    if each.files is None:
        own = frame_names(each.stem, numbers)
        for row, number, name, wanted in zip(rows, numbers, names, own, strict=True):
            if number >= 0 and name == wanted:
                found.setdefault(number, row)
        return found
    listed: dict[tuple[str, int], int] = {}
    for place, pair in enumerate(zip(each.files, each.frames, strict=True)):
        listed.setdefault(pair, place)
    for row, wanted_pair in zip(rows, zip(names, numbers, strict=True), strict=True):
        if wanted_pair in listed:
            found.setdefault(listed[wanted_pair], row)
    return found


def _is_film(name: str, names: Sequence[str], frames: NDArray[np.int64]) -> bool:
    """Tell whether pictures are called what the frames of a film are; then there are no files."""
    usable = name not in ("", ".") and len(set(names)) == len(names)
    return (
        usable
        and bool((frames >= 0).all())
        and list(names) == frame_names(stem_of(name), frames.tolist())
    )


def _suggestions(
    datasets: Sequence[PoseDataset], rows: list[dict[str, Any]], path: Path
) -> list[dict[str, Any]]:
    """Return suggested frames; a video that only they have is added to `rows`."""
    found = []
    names = {v.name: place for place, v in enumerate(videos_of(_videos_alone(rows), path))}
    for value in _kept_objects(datasets, SUGGESTIONS):
        name = value.get("video")
        if isinstance(name, str) and name in names and name:
            found.append(value | {"video": str(names[name])})
        elif isinstance(name, str) and name not in ("", ".") and not name.isdecimal():
            names[name] = len(rows)
            rows.append(film_row(name, 1, 0, 0))
            found.append(value | {"video": str(names[name])})
        else:
            found.append(value)
    return found


# Instances


def is_predicted(dataset: PoseDataset) -> NDArray[np.bool_]:
    """Tell which instances are predictions: those with a score, or that were read as such."""
    scored = np.isfinite(dataset.column("score"))
    scored |= np.isfinite(dataset.column("keypoint_score")).any(axis=1)
    if PREDICTION in dataset.extras:
        scored |= dataset.extras[PREDICTION].present
    return scored


def _tracks(plan: Plan, datasets: Sequence[PoseDataset]) -> tuple[list[list[Any]], NDArray[Any]]:
    """Return the tracks, those that were read first, and the one of each instance."""
    tracks = [t for t in kept_value(datasets, f"tracks:{OWN}", list) if isinstance(t, list)]
    known = {name: number for number, name in enumerate(track_names(tracks))}
    names = np.full(len(plan.owned), "", object)
    for number, dataset in enumerate(datasets):
        column = dataset.column("track")
        texts = np.where(is_missing(column), "", column.astype("T").astype(object))
        names[plan.owners == number] = texts[plan.rows[number]]
    found = np.full(len(names), -1, np.int64)
    for row, name in enumerate(names.tolist()):
        if name:
            if name not in known:
                known[name] = len(tracks)
                tracks.append([0, name])
            found[row] = known[name]
    return tracks, found


def _links(
    plan: Plan, datasets: Sequence[PoseDataset], kind: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the prediction that each instance was made from, as its place in the file; or -1."""
    found = np.full(len(plan.owned), -1, np.int64)
    wanted = list(_asked(plan, datasets))
    if not wanted:
        return found
    place_of: dict[str, int] = {}
    for number, dataset in enumerate(datasets):
        ids = dataset.ids[plan.rows[number]].tolist()
        for place, own in zip(np.flatnonzero(plan.owners == number).tolist(), ids, strict=True):
            place_of.setdefault(str(own), place)
    for place, own, is_answer in wanted:
        other = place_of.get(own, -1)
        maker, made = (other, place) if is_answer else (place, other)
        usual = other >= 0 and (not is_answer or (kind[made] and not kind[maker]))
        if usual and found[maker] < 0:
            found[maker] = made
    return found


def _asked(plan: Plan, datasets: Sequence[PoseDataset]) -> Iterator[tuple[int, str, bool]]:
    """Yield place in the file, id of the other, and whether the first is a prediction of it."""
    for number, dataset in enumerate(datasets):
        rows, places = plan.rows[number], np.flatnonzero(plan.owners == number)
        answers = dataset.column("answers")[rows]
        for n in np.flatnonzero(~is_missing(answers)).tolist():
            yield int(places[n]), str(answers[n]), True
        if LINK in dataset.extras:
            links = dataset.extras[LINK][rows]
            for n in np.flatnonzero(links.present).tolist():
                yield int(places[n]), str(links.parsed(n)), False


# Points


def _points(
    plan: Plan, datasets: Sequence[PoseDataset], classes: Classes, joints: Sequence[Joint]
) -> dict[str, Any]:
    """Return the tables of instances and of both kinds of points."""
    count = len(plan.owned)
    predicted, skeleton = np.zeros(count, bool), np.zeros(count, np.int64)
    score, tracking = np.zeros(count), np.full(count, np.nan)
    for number, dataset in enumerate(datasets):
        mine, rows = plan.owners == number, plan.rows[number]
        predicted[mine] = is_predicted(dataset)[rows]
        skeleton[mine] = classes.numbers[number][rows]
        score[mine] = dataset.column("score")[rows]
        held = dataset.numbers.get("tracking_score")
        if held is not None and held.ndim == 1:
            tracking[mine] = held[rows]
    if not np.nan_to_num(tracking).any():  # says nothing, and is read as such
        tracking[:] = np.nan
    lengths = np.array([len(joint.bones.nodes) for joint in joints], np.int64)[skeleton]
    start = np.zeros(count, np.int64)
    for kind in (False, True):
        these = predicted == kind
        start[these] = np.cumsum(lengths[these]) - lengths[these]
    tables: dict[str, Any] = {
        "points": _blank(int(lengths[~predicted].sum())),
        "pred_points": _blank(int(lengths[predicted].sum())),
        "instances": {
            "instance_id": np.arange(count),
            "instance_type": predicted.astype(np.int64),
            "frame_id": np.repeat(np.arange(len(plan.images)), np.diff(plan.starts)),
            "skeleton": skeleton,
            "score": _single(np.where(predicted, score, 0.0)),
            "point_id_start": start,
            "point_id_end": start + lengths,
            "tracking_score": _single(tracking),
        },
    }
    for number, dataset in enumerate(datasets):
        places = np.flatnonzero(plan.owners == number)
        for which, joint in enumerate(joints):
            own = skeleton[places] == which
            for kind, name in ((False, "points"), (True, "pred_points")):
                these = own & (predicted[places] == kind)
                at = start[places[these]][:, None] + np.arange(len(joint.bones.nodes))
                _fill(tables[name], at, dataset, plan.rows[number][these], joint)
    return tables


def _single(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers as a file holds them, with half of the digits."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def _blank(count: int) -> dict[str, NDArray[Any]]:
    return {
        "x": np.full(count, np.nan),
        "y": np.full(count, np.nan),
        "visible": np.zeros(count, bool),
        "complete": np.zeros(count, bool),
        "score": np.full(count, np.nan),
    }


def _fill(
    table: Table, at: NDArray[np.int64], dataset: PoseDataset, rows: NDArray[np.intp], joint: Joint
) -> None:
    """Put points of some instances at their places in a table, in the order of the nodes."""
    order = np.array([joint.fit.rows[name] for name in joint.bones.nodes], np.intp)
    picked = np.ix_(rows, order)
    state = dataset.visibility[picked]
    for axis, key in enumerate("xy"):
        table[key][at] = dataset.xy[(*picked, axis)]
    table["visible"][at] = dataset.labelled[picked] & (state != Visibility.OCCLUDED)
    table["score"][at] = dataset.column("keypoint_score")[picked]
    confirmed = dataset.extras.get("complete")
    for n in np.flatnonzero(confirmed[rows].present).tolist() if confirmed is not None else ():
        names = confirmed.parsed(rows[n]) if confirmed is not None else None
        if isinstance(names, list):
            known = [dataset.schema.names[k] in names for k in order.tolist()]
            table["complete"][at[n]] = known

"""The parts of a SLEAP project as datasets, one per skeleton."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import SchemaError
from kptdata.formats._collect import id_column, text_of
from kptdata.formats._named_points import Fit, fit_points
from kptdata.formats._sleap_file import Parts, Table, wrong
from kptdata.formats._sleap_skeleton import Bones, bones_of, unique
from kptdata.formats._sleap_videos import Video, frame_names, places_of, videos_of
from kptdata.formats._trivia import FACTS
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = [
    "LINK",
    "OWN",
    "PREDICTION",
    "PROVENANCE",
    "SKELETONS",
    "SUGGESTIONS",
    "datasets_of",
    "track_names",
]

OWN = "sleap"
SKELETONS, SUGGESTIONS, PROVENANCE = "sleap_skeletons", "sleap_suggestions", "sleap_provenance"
"""File-level texts: skeletons of which there is no instance, suggested frames, provenance."""

LINK = "from_predicted"
"""Extra: id of the prediction that an instance was made from, if `answers` cannot say it."""

PREDICTION = f"prediction:{OWN}"
"""Note on an instance that was predicted and has no score."""

_USER, _PREDICTED = 0, 1
_CORNER = 0.5  # until layout 1.1 the corner of the first pixel was (0, 0)
_CENTRED = 1.1


@dataclass(frozen=True)
class _People:
    """The instances of a file, all skeletons together.

    Attributes:
        image: row of the images, -1 for those of no frame.
        skeleton: number of each one's skeleton.
        predicted: whether each was predicted.
        columns: typed columns and extras, as `PoseDataset` takes them.
        places: (N,) where each one's points begin, in the table of its kind.
        lengths: (N,) how many they are.
    """

    image: NDArray[np.intp]
    skeleton: NDArray[np.int64]
    predicted: NDArray[np.bool_]
    columns: dict[str, Any]
    places: NDArray[np.int64]
    lengths: NDArray[np.int64]


def datasets_of(
    parts: Parts,
    path: Path,
    schema: Schema | None,
    provenance: Sequence[str],
    owned: Sequence[tuple[int, Fit]] | None = None,
) -> tuple[PoseDataset, ...]:
    """Return one dataset per set of points.

    Args:
        parts: what the file holds.
        path: the file, for messages.
        schema: of the points, if the caller wants one.
        provenance: where the data comes from.
        owned: for each skeleton, the number of the dataset that it belongs to, and what it is read
            as, where that is known.

    Raises:
        FormatError: parts contradict each other; table and row are named.
        SchemaError: no skeleton has the points of `schema`.
    """
    videos = videos_of(parts, path)
    skeletons = bones_of(parts.metadata, path)
    images, image_of_frame = _images(parts, videos, path)
    people = _people(parts, image_of_frame, len(skeletons), path)
    titles = unique(bones.name or f"skeleton {n}" for n, bones in enumerate(skeletons))
    groups: dict[Any, list[int]] = {}
    if owned is None:
        fits = _fits(skeletons, titles, schema, path)
        keys: list[Any] = [fit.schema.hash() for fit in fits]
    else:
        fits, keys = [fit for _, fit in owned], [number for number, _ in owned]
    for number, key in enumerate(keys):
        groups.setdefault(key, []).append(number)
    used = set(people.skeleton.tolist())
    kept = [
        group for key, group in groups.items() if (used & set(group) if owned is None else key >= 0)
    ]
    kept = kept or list(groups.values())[:1]
    idle = [n for group in groups.values() if group not in kept for n in group]
    meta = _meta(parts, videos, [skeletons[n] for n in idle])
    said = [*provenance, *(f"{what}: {count}" for what, count in _facts(parts).items())]
    return tuple(
        _dataset(parts, people, images, group, fits, titles, path).replace(
            meta=meta | _notes(skeletons, group, titles, fits), provenance=tuple(said)
        )
        for group in kept
    )


def _fits(
    skeletons: Sequence[Bones], titles: Sequence[str], schema: Schema | None, path: Path
) -> list[Fit]:
    """Return the schema of each skeleton; skeletons with the same points share one."""
    shared: dict[Any, Fit] = {}
    found = []
    misfit: SchemaError | None = None
    for bones, title in zip(skeletons, titles, strict=True):
        place = f"skeleton {title!r}"
        fit: Fit | None = None
        if schema is not None:
            try:
                fit = fit_points(bones.points(title), schema, path, place)
            except SchemaError as error:
                misfit = misfit or error
        if fit is None:
            points = bones.points(title)
            key = (points.names, points.links, tuple(points.swaps.items()))
            if key not in shared:
                shared[key] = fit_points(points, None, path, place)
            fit = shared[key]
        found.append(fit)
    if misfit is not None and all(fit.schema is not schema for fit in found):
        raise misfit
    if not found:
        return [Fit(schema or Schema.from_names((), name="boxes"), {})]
    return found


# Pictures


def _images(
    parts: Parts, videos: Sequence[Video], path: Path
) -> tuple[ImageTable, NDArray[np.intp]]:
    """Return the table of labelled frames, and its row of each row of the file's table."""
    frames = parts.tables["frames"]
    places = places_of(videos, frames["video"])
    strange = ~np.isin(frames["video"], list(places))
    if strange.any():
        row = int(np.argmax(strange))
        found = f"video {frames['video'][row]}"
        raise wrong(path, f"frames, row {row}", f"one of {len(videos)} videos", found)
    numbers, back = np.unique(frames["video"], return_inverse=True)
    video = np.array([places[number] for number in numbers.tolist()], np.intp)[back]
    index = frames["frame_idx"]
    below = index < 0
    for number, each in enumerate(videos):
        if each.files is not None:
            below |= (video == number) & (index >= len(each.files))
    if below.any():
        row = int(np.argmax(below))
        place = f"frames, row {row}"
        raise wrong(path, place, "a frame of its video", f"frame_idx {index[row]}")
    pairs = np.stack([video, index], axis=1)
    _, first, back = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # in the order in which frames are met
    first = np.sort(first)
    table = _table(videos, video[first], index[first], _negative(parts, places))
    return table, rank[back.ravel()]


def _table(
    videos: Sequence[Video],
    video: NDArray[np.intp],
    index: NDArray[np.int64],
    negative: set[tuple[int, int]],
) -> ImageTable:
    count = len(video)
    names, sequences = np.full(count, "", object), np.full(count, "", object)
    numbers, sizes = index.copy(), np.zeros((count, 2), np.int64)
    for number, each in enumerate(videos):
        mine = np.flatnonzero(video == number)
        places = index[mine].tolist()
        if each.files is None:
            names[mine] = frame_names(each.stem, places)
        else:
            names[mine] = [each.files[place] for place in places]
            numbers[mine] = [each.frames[place] for place in places]
        sequences[mine] = each.name
        sizes[mine] = (each.width, each.height)
    here = zip(video.tolist(), index.tolist(), strict=True)
    marks = RawColumn(b"true" if pair in negative else None for pair in here)
    return ImageTable.of(
        names.tolist(),
        width=sizes[:, 0],
        height=sizes[:, 1],
        sequence=sequences.tolist() if any(sequences) else None,
        frame=numbers if (numbers != MISSING_INT).any() else None,
        extras={"negative": marks} if marks.present.any() else {},
    )


def _negative(parts: Parts, places: Mapping[int, int]) -> set[tuple[int, int]]:
    """Return video and frame of those of which somebody said that nobody is in them."""
    table = parts.tables["negative_frames"]
    said = zip(table["video_id"].tolist(), table["frame_idx"].tolist(), strict=True)
    return {(places.get(number, -1), frame) for number, frame in said}


# People


def _people(
    parts: Parts, image_of_frame: NDArray[np.intp], num_skeletons: int, path: Path
) -> _People:
    table = parts.tables["instances"]
    count = len(table["instance_id"])
    kind, skeleton = table["instance_type"], table["skeleton"]
    _refuse(path, "instance_type", kind, (kind != _USER) & (kind != _PREDICTED), "0 or 1")
    strange = (skeleton < 0) | (skeleton >= num_skeletons)
    _refuse(path, "skeleton", skeleton, strange, f"one of {num_skeletons} skeletons")
    predicted = kind == _PREDICTED
    start, end = table["point_id_start"], table["point_id_end"]
    size = np.where(
        predicted, len(parts.tables["pred_points"]["x"]), len(parts.tables["points"]["x"])
    )
    strange = (start < 0) | (end < start) | (end > size)
    _refuse(path, "point_id_end", end, strange, "a range of the points")
    columns: dict[str, Any] = {"id": np.arange(1, count + 1)}
    score = np.where(predicted, table["score"], np.nan)
    if not np.isnan(score).all():
        columns["score"] = np.where(np.isfinite(score), score, np.nan)
    columns |= _tracks(parts, table["track"], path)
    columns |= _links(table, predicted)
    tracking = table.get("tracking_score")
    if tracking is not None and np.any(np.isfinite(tracking) & (tracking != 0)):
        finite = np.where(np.isfinite(tracking), tracking, np.nan)
        columns["numbers"] = {"tracking_score": finite}
    image = _image_of_people(parts.tables["frames"], image_of_frame, count, path)
    return _People(image, skeleton, predicted, columns, start, end - start)


def _refuse(
    path: Path, name: str, values: NDArray[Any], strange: NDArray[np.bool_], expected: str
) -> None:
    if strange.any():
        row = int(np.argmax(strange))
        raise wrong(path, f"instances, row {row}", f"{name}: {expected}", str(values[row]))


def _image_of_people(
    frames: Table, image_of_frame: NDArray[np.intp], count: int, path: Path
) -> NDArray[np.intp]:
    start, end = frames["instance_id_start"], frames["instance_id_end"]
    strange = (start < 0) | (end < start) | (end > count)
    if strange.any():
        row = int(np.argmax(strange))
        found = f"{start[row]} to {end[row]}"
        raise wrong(path, f"frames, row {row}", f"a range of the {count} instances", found)
    lengths = end - start
    if lengths.sum() > count:
        raise wrong(path, "frames", "each instance in one frame", f"{lengths.sum()} of {count}")
    image = np.full(count, -1, np.intp)
    rows = np.repeat(start, lengths) + _counting(lengths)
    image[rows] = np.repeat(image_of_frame, lengths)
    if (np.bincount(rows, minlength=1) > 1).any():
        row = int(np.argmax(np.bincount(rows)))
        raise wrong(path, f"instances, row {row}", "an instance of one frame", "one of several")
    return image


def _counting(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, ... for each of several ranges, one behind the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _tracks(parts: Parts, track: NDArray[np.int64], path: Path) -> dict[str, Any]:
    names = track_names(parts.tracks)
    strange = track >= len(names)
    _refuse(path, "track", track, strange, f"one of {len(names)} tracks, or -1")
    if not (track >= 0).any():
        return {}
    listed = id_column([*names, None])  # the last one is what -1 stands for
    return {"track": listed[np.maximum(track, -1)]}


def track_names(tracks: Sequence[Sequence[Any]]) -> list[str]:
    """Return names of tracks, each once, though projects may have a name twice."""
    said = [str(t[1]) if len(t) > 1 and t[1] not in (None, "") else "" for t in tracks]
    return unique(name or f"track {n}" for n, name in enumerate(said))


def _links(table: Table, predicted: NDArray[np.bool_]) -> dict[str, Any]:
    """Say which prediction answers which instance that was made from it."""
    target = table["from_predicted"]
    makers = np.flatnonzero(target >= 0)
    row_of = {number: row for row, number in enumerate(table["instance_id"].tolist())}
    answers = np.full(len(target), MISSING_INT, np.int64)
    odd: dict[int, int] = {}
    for row, number in zip(makers.tolist(), target[makers].tolist(), strict=True):
        other = row_of.get(number)
        if other is None:
            continue
        usual = predicted[other] and not predicted[row]
        if usual and answers[other] == MISSING_INT:
            answers[other] = row + 1
        else:
            odd[row] = other + 1
    found: dict[str, Any] = {}
    if (answers != MISSING_INT).any():
        found["answers"] = answers
    if odd:
        found["extras"] = {LINK: RawColumn.from_values(odd.get(r) for r in range(len(target)))}
    return found


# Points


def _dataset(
    parts: Parts,
    people: _People,
    images: ImageTable,
    group: Sequence[int],
    fits: Sequence[Fit],
    titles: Sequence[str],
    path: Path,
) -> PoseDataset:
    schema = fits[group[0]].schema
    rows = np.flatnonzero(np.isin(people.skeleton, group))
    points = _points(parts, people, rows, group, fits, path)
    columns: dict[str, Any] = dict(people.columns)
    extras = dict(columns.pop("extras", {})) | points.pop("extras")
    numbers = {key: column[rows] for key, column in columns.pop("numbers", {}).items()}
    picked = {name: column[rows] for name, column in columns.items()}
    score = picked.get("score")
    if score is not None and np.isnan(score).all():
        del picked["score"]
    bare = people.predicted[rows] & ~_scored(score, points.get("keypoint_score"), len(rows))
    kept = {key: column[rows] for key, column in extras.items() if column[rows].present.any()}
    if bare.any():
        kept[PREDICTION] = RawColumn(b"true" if each else None for each in bare.tolist())
    return PoseDataset(
        schema=schema,
        images=images,
        image=people.image[rows],
        order=rows,
        category=people.skeleton[rows] + 1,
        categories={n + 1: titles[n] for n in group if titles},
        numbers={key: column for key, column in numbers.items() if np.isfinite(column).any()},
        extras=kept,
        **points,
        **picked,
    )


def _scored(
    score: NDArray[np.float64] | None, scores: NDArray[np.float64] | None, count: int
) -> NDArray[np.bool_]:
    """Tell which instances have any score."""
    found = np.zeros(count, bool)
    if score is not None:
        found |= ~np.isnan(score)
    if scores is not None:
        found |= ~np.isnan(scores).all(axis=1)
    return found


def _points(
    parts: Parts,
    people: _People,
    rows: NDArray[np.intp],
    group: Sequence[int],
    fits: Sequence[Fit],
    path: Path,
) -> dict[str, Any]:
    """Return the columns of points; `extras` over all instances of the file."""
    schema = fits[group[0]].schema
    shape = (len(rows), schema.num_keypoints)
    xy = np.full((*shape, 2), np.nan)
    seen, complete = np.zeros(shape, bool), np.zeros(shape, bool)
    scores = np.full(shape, np.nan)
    for number in group:
        order = np.array(list(fits[number].rows.values()), np.intp)
        mine = people.skeleton[rows] == number
        strange = np.zeros(len(people.lengths), bool)
        strange[rows[mine]] = people.lengths[rows[mine]] != len(order)
        _refuse(path, "points", people.lengths, strange, f"the {len(order)} of its skeleton")
        for kind, name in ((False, "points"), (True, "pred_points")):
            these = np.flatnonzero(mine & (people.predicted[rows] == kind))
            at = people.places[rows[these]][:, None] + np.arange(len(order))
            table, to = parts.tables[name], (these[:, None], order)
            for axis, key in enumerate("xy"):
                xy[(*to, axis)] = table[key][at]
            seen[to], complete[to] = table["visible"][at], table["complete"][at]
            if kind:
                scores[to] = table["score"][at]
    if np.isinf(xy).any():
        row = int(rows[np.argwhere(np.isinf(xy))[0][0]])
        raise wrong(path, f"instances, row {row}", "points at finite places, or NaN", "infinity")
    if parts.format_id < _CENTRED:
        xy -= _CORNER
    labelled = ~np.isnan(xy).any(axis=-1)
    xy[~labelled] = np.nan
    state = np.where(people.predicted[rows], Visibility.LABELLED, Visibility.VISIBLE)[:, None]
    state = np.where(seen, state, Visibility.OCCLUDED)
    found: dict[str, Any] = {
        "xy": xy,
        "visibility": np.where(labelled, state, Visibility.UNLABELLED).astype(np.uint8),
        "extras": _confirmed(complete, rows, len(people.lengths), schema),
    }
    if not np.isnan(scores).all():
        found["keypoint_score"] = np.where(np.isfinite(scores), scores, np.nan)
    return found


def _confirmed(
    complete: NDArray[np.bool_], rows: NDArray[np.intp], count: int, schema: Schema
) -> dict[str, RawColumn]:
    """Name the points of each instance that somebody confirmed."""
    if not complete.any():
        return {}
    texts: list[bytes | None] = [None] * count
    for place in np.flatnonzero(complete.any(axis=1)).tolist():
        names = [schema.names[k] for k in np.flatnonzero(complete[place]).tolist()]
        texts[rows[place]] = text_of(names)
    return {"complete": RawColumn(texts)}


# The file


def _meta(parts: Parts, videos: Sequence[Video], idle: Sequence[Bones]) -> dict[str, bytes]:
    meta = {f"videos:{OWN}": text_of([video.row for video in videos])}
    if parts.tracks:
        meta[f"tracks:{OWN}"] = text_of(parts.tracks)
    if parts.provenance:
        meta[PROVENANCE] = text_of(parts.provenance)
    if idle:
        meta[SKELETONS] = text_of([bones.to_value() for bones in idle])
    if parts.suggestions:
        meta[SUGGESTIONS] = text_of([_suggestion(row, videos) for row in parts.suggestions])
    if facts := _facts(parts):
        meta[f"{FACTS}{OWN}"] = text_of(facts)
    return meta


def _suggestion(row: Mapping[str, Any], videos: Sequence[Video]) -> dict[str, Any]:
    """Return a suggestion with the name of its video; that of loose pictures has none."""
    number = str(row.get("video"))
    known = number.isdecimal() and len(number) < 10 and int(number) < len(videos)
    name = videos[int(number)].name if known else ""
    return {**row, "video": name} if name else dict(row)


def _notes(
    skeletons: Sequence[Bones], group: Sequence[int], titles: Sequence[str], fits: Sequence[Fit]
) -> dict[str, bytes]:
    """Note what the schema does not say of a skeleton: its own name, order, links, weights."""
    if not skeletons:
        return {}
    notes = {titles[n]: skeletons[n].to_value() for n in group}
    held = {"schema": fits[group[0]].schema.hash(), "skeletons": notes}
    return {f"skeletons:{OWN}": text_of(held)}


def _facts(parts: Parts) -> dict[str, int]:
    """Count what a file holds beside poses."""
    facts = {f"{name}, left out": count for name, count in sorted(parts.others.items())}
    if parts.embedded:
        facts["pictures inside the file, left out"] = sum(parts.embedded.values())
    return facts

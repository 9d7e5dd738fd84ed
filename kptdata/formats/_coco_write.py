"""Datasets to COCO ground truth: what each key is made of, what is lost, what is invented."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from kptdata._columns import is_missing
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError
from kptdata.formats._coco_categories import category_texts, skeletons
from kptdata.formats._coco_complete import (
    AREAS,
    COCO,
    Completion,
    Habits,
    check_area,
    with_counts,
)
from kptdata.formats._coco_fields import Fields, Getter, interleaved
from kptdata.formats._coco_images import Images, link_of, lost_links
from kptdata.formats._coco_kinds import Box
from kptdata.formats._coco_points import (
    Part,
    agreeing_points,
    is_stated,
    layout_to_write,
    nested_lists,
    point_lists,
)
from kptdata.formats._coco_read import BOXES, COLUMNS, LAYOUT
from kptdata.formats.base import WriteReport, atomic_write, refuse_losses
from kptdata.schema import Schema
from kptdata.visibility import Visibility, is_labelled

__all__ = [
    "AREAS",
    "LOSSES",
    "annotation_fields",
    "joined_rows",
    "was_mapped",
    "write_ground_truth",
]

LOSSES: Mapping[str, str] = {
    "visibility_absent": "absent points become unlabelled (v = 0)",
    "visibility_labelled": "points labelled without a word on occlusion become visible (v = 2)",
    "given_at_origin": "coordinates (0, 0) given for an unlabelled point read as none given",
    "keypoint_score": "scores of keypoints",
    "xyz": "3D coordinates of points",
    "space": "what the 3D coordinates mean",
    "cameras": "cameras",
    "answers": "which ground truth a prediction answers",
    "bbox_source": "where boxes come from",
    "area_source": "where areas come from",
    "boxes": "named boxes other than " + ", ".join(BOXES.values()),
    "points": "named points beside the keypoints",
    "numbers": "named numbers",
    "not_finite": "values that are infinite or partly NaN",
    "not_a_flag": "iscrowd other than 0 and 1",
    "stale_text": "texts of the source that no longer agree with their column",
    "name_taken": "extra keys with the name of a key of the format",
    "image_link": "links to an image that has no id, or shares it with another",
    "sequence": "which video an image belongs to",
    "frame": "position of an image in its video",
    "camera": "camera of an image",
    "meta": "file-level texts that differ between datasets",
    "empty_instance": "people with neither points nor a box (--keep-empty writes them)",
    "id_zero": "annotation ids 0, which evaluation never matches: renumbered",
}
"""What COCO ground truth cannot hold."""


def write_ground_truth(
    datasets: Sequence[PoseDataset],
    path: Path,
    *,
    strict: bool,
    complete: bool | None,
    area: str,
    keep_empty: bool,
    habits: Habits = COCO,
    lost: Counter[str] | None = None,
    meaning: Mapping[str, str] = LOSSES,
) -> WriteReport:
    """Write datasets; see `kptdata.formats.coco.write_all`.

    Args:
        datasets: what to write.
        path: where to.
        strict: refuse any loss.
        complete: give what is missing.
        area: rule for areas that are given.
        keep_empty: also write people with neither points nor a box.
        habits: of the dialect, if it is one.
        lost: what preparing them for the dialect has lost already.
        meaning: loss -> sentence.
    """
    check_area(area)
    if complete is None:
        complete = any(LAYOUT not in dataset.meta for dataset in datasets)
    lost, invented = Counter(lost or {}), Counter[str]()
    ready = _prepared(
        datasets,
        lost,
        invented,
        complete=complete,
        area=area,
        keep_empty=keep_empty,
        habits=habits,
    )
    images = Images([dataset.images for dataset in ready])
    lost += images.lost
    tables = [annotation_fields(dataset, lost, nested=habits.nested) for dataset in ready]
    header = _header(ready, lost, invented, habits)
    refuse_losses(path, lost, meaning, strict=strict)
    atomic_write(path, _text(header, images, tables, ready))
    return WriteReport(path, habits.format, sum(map(len, ready)), lost, invented, meaning)


def _prepared(
    datasets: Sequence[PoseDataset],
    lost: Counter[str],
    invented: Counter[str],
    *,
    complete: bool,
    area: str,
    keep_empty: bool,
    habits: Habits,
) -> list[PoseDataset]:
    """Give each dataset what it lacks."""
    ready: list[PoseDataset] = []
    used = [number for dataset in datasets for number in dataset.categories]
    for dataset in datasets:
        if complete:
            ids = [d.id for d in ready if d.id is not None and d.id.dtype.kind == "i"]
            done = Completion(
                dataset,
                area=area,
                keep_empty=keep_empty,
                next_id=max((int(i.max(initial=0)) for i in ids), default=0) + 1,
                next_category=max(used, default=0) + 1,
                habits=habits,
            )
            lost += done.lost
            invented += done.invented
            used += done.dataset.categories
            ready.append(done.dataset)
        elif was_mapped(dataset):
            # The counts of the old points were dropped with them.
            ready.append(with_counts(dataset, invented, habits))
        else:
            ready.append(dataset)
    return ready


def was_mapped(dataset: PoseDataset) -> bool:
    """Tell whether the points are no longer those of the file that the dataset was read from."""
    if LAYOUT not in dataset.meta:
        return False
    return bool(json.loads(dataset.meta[LAYOUT])["schema"] != dataset.schema.hash())


def annotation_fields(
    dataset: PoseDataset, lost: Counter[str], *, scored: bool = False, nested: bool = False
) -> Fields:
    """Return the keys of a dataset's annotations; count what they cannot say."""
    fields, extras = Fields(), dataset.extras
    for key, (name, kind) in COLUMNS.items():
        if name != "image":
            fields.column(key, kind, getattr(dataset, name), extras.get(key))
            continue
        fields.set(key, link_of(dataset.images, dataset.image))
        if key in extras:
            fields.overlay(key, extras[key], (dataset.image < 0) & extras[key].present)
    layout = layout_to_write(dataset) if dataset.schema.num_keypoints else ()
    for part in layout:
        kept = _set_points(fields, dataset, part, scored=scored, nested=nested)
        lost += lost_points(dataset, part, kept, scored=scored)
    for key, name in BOXES.items():
        if name in dataset.boxes or key in extras:
            fields.column(key, Box(), dataset.boxes.get(name), extras.get(key))
    typed = {*COLUMNS, *BOXES, *(part.key for part in layout)}
    for key, texts in extras.items():
        if key not in typed:
            fields.text(key, texts)
    lost["stale_text"] += fields.stale
    lost += _lost_columns(dataset)
    return fields


def _set_points(
    fields: Fields, dataset: PoseDataset, part: Part, *, scored: bool, nested: bool
) -> NDArray[np.bool_]:
    """Give rows a list of points; return where a kept text is written in its place."""
    lists, stated = point_lists(dataset, part, scored=scored), is_stated(dataset, part)
    lists = nested_lists(lists) if nested else lists
    fields.set(part.key, _only_where(stated, lists))
    texts = dataset.extras.get(part.key)
    if texts is None:
        return np.zeros(len(dataset), bool)
    valid = agreeing_points(dataset, part, texts, scored=scored)
    fields.overlay(part.key, texts, valid)
    return valid


def _only_where(stated: NDArray[np.bool_], lists: Getter) -> Getter:
    """Leave the key out of rows where it is not stated."""
    if stated.all():
        return lists
    return lambda rows: [
        found if here else UNSET
        for found, here in zip(lists(rows), stated[rows].tolist(), strict=True)
    ]


def lost_points(
    dataset: PoseDataset, part: Part, kept: NDArray[np.bool_], *, scored: bool
) -> Counter[str]:
    """Count what a list of points cannot say, in the rows whose own text is not written."""
    own = slice(part.start, part.stop)
    states = dataset.visibility[~kept, own]
    lost: Counter[str] = Counter()
    if scored:
        lost["visibility"] = int(np.isin(states, (1, 2)).sum())
        lost["unlabelled"] = int((~is_labelled(states)[is_stated(dataset, part)[~kept]]).sum())
        return lost
    lost["visibility_absent"] = int((states == Visibility.ABSENT).sum())
    lost["visibility_labelled"] = int((states == Visibility.LABELLED).sum())
    if dataset.keypoint_score is not None:
        lost["keypoint_score"] = int((~np.isnan(dataset.keypoint_score[~kept, own])).sum())
    if dataset.given_xy is not None:
        given = dataset.given_xy[~kept, own]
        lost["given_at_origin"] = int((given == 0).all(axis=-1).sum())
        lost["not_finite"] = _not_finite(given.reshape(-1, 2))
    return lost


def _lost_columns(dataset: PoseDataset) -> Counter[str]:
    lost = Counter(image_link=lost_links(dataset.images, dataset.image))
    for name in ("xyz", "answers", "bbox_source", "area_source"):
        values = getattr(dataset, name)
        if values is not None:
            lost[name] = int((~is_missing(values)).sum())
    for name in ("cameras", "space"):
        lost[name] = int(getattr(dataset, name) is not None)
    for name in ("bbox", "area", "score"):
        lost["not_finite"] += _not_finite(getattr(dataset, name))
    for name, box in dataset.boxes.items():
        known = name in BOXES.values()
        lost["not_finite" if known else "boxes"] += (
            _not_finite(box) if known else int((~np.isnan(box).all(axis=1)).sum())
        )
    for points in dataset.points.values():
        lost["points"] += int((~np.isnan(points).all(axis=-1)).sum())
    for name, numbers in dataset.numbers.items():
        if not name.startswith("keypoints:"):
            lost["numbers"] += int((~is_missing(numbers)).sum())
    if dataset.iscrowd is not None:
        lost["not_a_flag"] = int((~np.isin(dataset.iscrowd, (-1, 0, 1))).sum())
    return lost


def _not_finite(column: NDArray[np.float64] | None) -> int:
    """Count rows that hold something, but not only finite numbers."""
    if column is None:
        return 0
    inner = tuple(range(1, column.ndim))
    return int((~np.isfinite(column).all(axis=inner) & ~np.isnan(column).all(axis=inner)).sum())


# The file around the annotations


def _header(
    datasets: Sequence[PoseDataset], lost: Counter[str], invented: Counter[str], habits: Habits
) -> dict[str, bytes]:
    """Return the file-level texts, categories among them."""
    header: dict[str, bytes] = {}
    for dataset in datasets:
        for key, text in dataset.meta.items():
            if key == LAYOUT:
                continue
            lost["meta"] += header.setdefault(key, text) != text
    if any(LAYOUT not in dataset.meta or not _categories_hold(dataset) for dataset in datasets):
        made = _new_categories(datasets)
        invented["categories"] += len(made)
        header["categories"] = category_texts(
            header.get("categories"),
            made,
            supercategory=habits.category[1] if habits.category else None,
            first_link=habits.first_link,
        )
    first = [key for key in ("info", "licenses", "categories") if key in header]
    return {key: header[key] for key in [*first, *(k for k in header if k not in first)]}


def _categories_hold(dataset: PoseDataset) -> bool:
    """Tell whether the text of ``categories`` still describes a dataset read with it."""
    if was_mapped(dataset):
        return False
    known = {
        i: n for s in skeletons(dataset.meta.get("categories")) for i, n in s.categories.items()
    }
    return all(known.get(number) == name for number, name in dataset.categories.items())


def _new_categories(
    datasets: Sequence[PoseDataset],
) -> dict[int, tuple[Schema, str, tuple[str, ...]]]:
    made: dict[int, tuple[Schema, str, tuple[str, ...]]] = {}
    for dataset in datasets:
        stop = layout_to_write(dataset)[0].stop
        for number, name in dataset.categories.items():
            entry = (dataset.schema, name, dataset.schema.names[:stop])
            if made.setdefault(number, entry)[1:] != entry[1:]:
                raise DatasetError(
                    f"write: category {number} is {made[number][1]!r} in one dataset and {name!r} "
                    f"in another; give them different ids"
                )
    return made


def _text(
    header: Mapping[str, bytes],
    images: Images,
    tables: Sequence[Fields],
    datasets: Sequence[PoseDataset],
) -> Iterator[bytes]:
    yield b"{"
    for key, text in header.items():
        yield json.dumps(key).encode() + b":" + text + b",\n"
    layouts = [json.loads(d.meta[LAYOUT])["keys"] for d in datasets if LAYOUT in d.meta]
    keys = [key for layout in layouts for key in layout] if len(layouts) == len(datasets) else []
    # A file that has only one of the two lists is written with that one.
    wanted = [k for k in ("images", "annotations") if not keys or k in keys]
    for number, key in enumerate(wanted):
        yield (b",\n" if number else b"") + json.dumps(key).encode() + b":[\n"
        yield from images.chunks() if key == "images" else joined_rows(tables, datasets)
        yield b"\n]"
    yield b"}\n"


def joined_rows(tables: Sequence[Fields], datasets: Sequence[PoseDataset]) -> Iterator[bytes]:
    """Yield the annotations of all datasets, interleaved by their place in the source."""
    rows = [np.arange(len(dataset)) for dataset in datasets]
    if len(datasets) == 1:
        return tables[0].chunks(rows[0])
    places = [dataset.order for dataset in datasets]
    return interleaved(list(zip(tables, rows, places, strict=True)))

"""Datasets to the label files and the card of a YOLO-pose tree."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import DatasetError, FormatError
from kptdata.formats._collect import text_of
from kptdata.formats._inverse import exact_quotient, inverse, not_tiny, product
from kptdata.formats._named_points import Points, schema_read
from kptdata.formats._plan import Classes, Plan, held, without_absent
from kptdata.formats._tree import safe_name
from kptdata.formats._yaml import dump_yaml
from kptdata.formats._yolo_card import KEYS, SPLITS
from kptdata.formats._yolo_read import CARD
from kptdata.formats._yolo_tree import LISTING
from kptdata.schema import Schema
from kptdata.visibility import Visibility, is_labelled

__all__ = [
    "OUTSIDE",
    "Layout",
    "Sheet",
    "check_sizes",
    "layout_of",
    "listed_images",
    "lost_flips",
    "schemas_read",
    "sheet_of",
    "tree",
]

OUTSIDE = ("unlabel", "clip", "keep")
"""What to do with points outside the image."""

_SPLIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NOT_SPLITS = (set(KEYS) - set(SPLITS)) | {"validation", "images", "labels"}
_GONE = -0.005  # of two numbers: negative, and within what the trainer's check lets pass
_V = np.array([0, 1, 2, 0, 2], np.float64)  # state -> third number

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """What the lines of a tree hold: K points of `dims` numbers; and of predictions, scores."""

    num_keypoints: int
    dims: int
    predictions: bool


@dataclass(frozen=True)
class Sheet:
    """The lines of one dataset.

    Attributes:
        values: (n, 5 + K D) class, box and points, in the order of the plan.
        long: row -> column -> text, where no float64 decodes to the pixel.
        tails: (n,) score and track behind each line, as far as they are written.
        reading: what they are read as.
    """

    values: Floats
    long: dict[int, dict[int, str]]
    tails: tuple[tuple[float, ...], ...]
    reading: PoseDataset


def layout_of(
    datasets: Sequence[PoseDataset],
    path: Path,
    *,
    dims: int | None,
    predictions: bool | None,
    pad: bool,
) -> Layout:
    """Return the layout of the lines.

    Raises:
        DatasetError: skeletons of different sizes, which a tree cannot hold without padding.
    """
    sizes = {dataset.schema.num_keypoints for dataset in datasets}
    if len(sizes) > 1 and not pad:
        listed = ", ".join(f"{d.schema.name} ({d.schema.num_keypoints})" for d in datasets)
        raise DatasetError(
            f"{path}: all classes of a YOLO-pose tree have the same number of keypoints, found "
            f"{listed}. Fix: write them one by one, or fill up the smaller ones (pad=True, --pad)"
        )
    notes = [json.loads(d.meta[CARD]) for d in datasets if CARD in d.meta]
    if dims is None:
        dims = 2 if notes and all(note.get("dims") == 2 for note in notes) else 3
    if predictions is None:
        predictions = bool(notes) and all(note.get("predictions") is True for note in notes)
    return Layout(max(sizes), dims, predictions)


def check_sizes(plan: Plan, path: Path) -> None:
    """Refuse images with people and without a size. Raises `FormatError`."""
    used = np.diff(plan.starts) > 0
    unknown = np.flatnonzero(used & (plan.images.wh <= 0).any(axis=1))
    if len(unknown):
        row = int(unknown[0])
        raise FormatError(
            f"{len(unknown)} images have no size, and all numbers are divided by it",
            path=path,
            place=f"image {plan.images.file_name[row] or plan.images.id[row]}",
            expected="width and height",
            found=f"{plan.images.width[row]} x {plan.images.height[row]}",
            fix="name the folder of the images (images=..., --images)",
        )


def splits_of(images: ImageTable) -> list[str]:
    """Return the split of each image: what its extra ``split`` says, ``train`` if it cannot be."""
    texts = images.extras.get("split", RawColumn.absent(len(images)))
    found = []
    for row in range(len(images)):
        value = texts.parsed(row)
        plain = isinstance(value, str) and _SPLIT.fullmatch(value) and value not in _NOT_SPLITS
        found.append(value if plain else "train")
    return found


def listed_images(images: ImageTable) -> ImageTable:
    """Return the table of images as a tree is read."""
    splits = splits_of(images)
    texts = {"split": RawColumn.from_values(splits)} if set(splits) - {"train"} else {}
    return ImageTable.of(
        images.file_name, id=images.id, width=images.width, height=images.height, extras=texts
    )


def sheet_of(
    plan: Plan,
    number: int,
    dataset: PoseDataset,
    classes: Classes,
    layout: Layout,
    images: ImageTable,
    outside: str,
) -> Sheet:
    """Return the lines of one dataset, and what they are read as."""
    rows = plan.rows[number]
    wh = plan.images.wh[plan.places[number][dataset.image[rows]]].astype(float)
    long: dict[int, dict[int, str]] = {}
    box = _boxes(dataset, rows, wh, outside)
    fractions, box = _box_fractions(box, wh, long)
    points, columns = _points(dataset, rows, wh, layout, outside, long)
    kinds = classes.numbers[number][rows]
    tails, scores = _tails(dataset, rows, layout)
    flat = points.reshape(len(rows), layout.num_keypoints * layout.dims)
    values = np.concatenate([kinds[:, None], fractions, flat], axis=1, dtype=np.float64)
    reading = held(
        plan,
        number,
        dataset,
        images,
        bbox=box,
        category=kinds + 1,
        categories=classes.of(number),
        **columns,
        **scores,
    )
    return Sheet(values, long, tails, reading)


def _boxes(dataset: PoseDataset, rows: NDArray[np.intp], wh: Floats, outside: str) -> Floats:
    """Return boxes (n, 4) that can be written; the extent of the points where there is none."""
    box = dataset.column("bbox")[rows].copy()
    gone = ~(np.isfinite(box).all(axis=1) & (box[:, 2:] >= 0).all(axis=1))
    xy = dataset.xy[rows][gone]
    known = ~np.isnan(xy)
    low = np.min(xy, axis=1, where=known, initial=np.inf)
    high = np.max(xy, axis=1, where=known, initial=-np.inf)
    box[gone] = np.concatenate([low, high - low], axis=1)
    if outside != "keep":  # a negative number anywhere makes the trainer drop the whole image
        out = (box[:, :2] + box[:, 2:] / 2 < 0).any(axis=1)
        low = np.clip(box[out, :2], 0, wh[out])
        high = np.clip(box[out, :2] + box[out, 2:], 0, wh[out])
        box[out] = np.concatenate([low, high - low], axis=1)
    return not_tiny(box)


def _box_fractions(
    box: Floats, wh: Floats, long: dict[int, dict[int, str]]
) -> tuple[Floats, Floats]:
    """(n, 4) centre and size as fractions, texts in `long` apart, and what they decode to."""
    size = inverse(box[:, 2:], box[:, 2:] / wh, lambda f: f * wh)
    half = box[:, 2:] / 2
    centre = inverse(box[:, :2], (box[:, :2] + half) / wh, lambda f: f * wh - half)
    for row, axis in np.argwhere(size * wh != box[:, 2:]).tolist():
        text = exact_quotient((float(box[row, 2 + axis]),), int(wh[row, axis]))
        long.setdefault(row, {})[3 + axis] = text
    read = box.copy()
    for row, axis in np.argwhere(centre * wh - half != box[:, :2]).tolist():
        terms = (float(box[row, axis]), float(half[row, axis]))
        text = exact_quotient(terms, int(wh[row, axis]))
        long.setdefault(row, {})[1 + axis] = text
        read[row, axis] = product(text, float(wh[row, axis]), float(half[row, axis]))
    return np.concatenate([centre, size], axis=1), read


def _points(
    dataset: PoseDataset,
    rows: NDArray[np.intp],
    wh: Floats,
    layout: Layout,
    outside: str,
    long: dict[int, dict[int, str]],
) -> tuple[Floats, dict[str, Any]]:
    """Return (n, K, D) numbers, and the columns that they are read as."""
    states = without_absent(dataset.visibility[rows])
    xy = dataset.xy[rows]
    if dataset.given_xy is not None:
        xy = np.where(is_labelled(states)[..., None], xy, dataset.given_xy[rows])
    xy = not_tiny(np.where(np.isfinite(xy).all(axis=-1, keepdims=True), xy, 0.0))
    size = np.broadcast_to(wh[:, None], xy.shape)
    xy, states = _brought_inside(xy, states, size, outside)
    if layout.dims == 2:
        # A negative number stands for "missing", so no such point can be written.
        states = np.where((xy < 0).any(axis=-1), Visibility.UNLABELLED, states)
        xy = np.where(is_labelled(states)[..., None], xy, 0.0)
        states = np.where(is_labelled(states), Visibility.LABELLED, Visibility.UNLABELLED)
    fractions = inverse(xy, xy / size, lambda f: f * size)
    for row, point, axis in np.argwhere(fractions * size != xy).tolist():
        text = exact_quotient((float(xy[row, point, axis]),), int(wh[row, axis]))
        long.setdefault(row, {})[5 + point * layout.dims + axis] = text
    return _numbers(dataset, rows, xy, fractions, states, layout)


def _numbers(
    dataset: PoseDataset,
    rows: NDArray[np.intp],
    xy: Floats,
    fractions: Floats,
    states: NDArray[np.uint8],
    layout: Layout,
) -> tuple[Floats, dict[str, Any]]:
    full = np.zeros((len(rows), layout.num_keypoints, layout.dims))
    own = slice(dataset.schema.num_keypoints)
    columns: dict[str, Any] = {}
    if layout.dims == 2:
        full[:] = _GONE
        full[:, own] = np.where(is_labelled(states)[..., None], fractions, _GONE)
    else:
        scores = _scores(dataset, rows, states, layout)
        scored = ~np.isnan(scores)
        states = np.where(states == Visibility.LABELLED, Visibility.VISIBLE, states)
        states = np.where(scored, Visibility.LABELLED, states)
        full[:, own, :2] = fractions
        full[:, own, 2] = np.where(scored, scores, _V[states])
        given = ~is_labelled(states) & np.asarray((xy != 0).any(axis=-1))
        columns["given_xy"] = np.where(given[..., None], xy, np.nan)
        columns["keypoint_score"] = scores
    columns["xy"] = np.where(is_labelled(states)[..., None], xy, np.nan)
    columns["visibility"] = states.astype(np.uint8)
    return full, columns


def _scores(
    dataset: PoseDataset, rows: NDArray[np.intp], states: NDArray[np.uint8], layout: Layout
) -> Floats:
    """Return what stands in place of ``v``, NaN where ``v`` does.

    A line of predictions holds scores only, and must not look like a line of 0, 1 and 2.
    """
    nothing = np.full(states.shape, np.nan)
    if not layout.predictions or dataset.keypoint_score is None:
        return nothing
    scores = dataset.keypoint_score[rows]
    told = (np.isfinite(scores) & is_labelled(states)).all(axis=1, keepdims=True)
    plain = np.isin(scores, (0.0, 1.0, 2.0)).all(axis=1, keepdims=True)
    return np.where(np.asarray(told) & ~plain, scores, nothing)


def _brought_inside(
    xy: Floats, states: NDArray[np.uint8], size: Floats, outside: str
) -> tuple[Floats, NDArray[np.uint8]]:
    """Treat points outside the image: one of them makes the trainer drop the whole image."""
    out = np.asarray(((xy < 0) | (xy > size)).any(axis=-1))
    if outside == "keep" or not out.any():
        return xy, states
    if outside == "clip":
        kept = is_labelled(states) | ~out
        return np.where(kept[..., None], np.clip(xy, 0, size), 0.0), states
    unlabelled = np.where(out, Visibility.UNLABELLED, states).astype(np.uint8)
    return np.where(out[..., None], 0.0, xy), unlabelled


def _tails(
    dataset: PoseDataset, rows: NDArray[np.intp], layout: Layout
) -> tuple[tuple[tuple[float, ...], ...], dict[str, Any]]:
    """Return score and track behind each line of predictions, and the columns they are read as."""
    if not layout.predictions or dataset.score is None:
        return ((),) * len(rows), {}
    score = dataset.score[rows]
    track = dataset.column("track")[rows]
    if track.dtype == TEXT:
        track = np.full(len(rows), MISSING_INT)
    known = np.isfinite(score)
    followed = known & (track != MISSING_INT) & (np.abs(track) < 2**53)
    tails = tuple(
        (s, float(t)) if f else (s,) if k else ()
        for s, t, k, f in zip(
            score.tolist(), track.tolist(), known.tolist(), followed.tolist(), strict=True
        )
    )
    columns: dict[str, Any] = {"score": np.where(known, score, np.nan)}
    if followed.any():
        columns["track"] = np.where(followed, track, MISSING_INT)
    return tails, columns


# Files


def tree(
    plan: Plan,
    datasets: Sequence[PoseDataset],
    sheets: Sequence[Sheet],
    classes: Classes,
    layout: Layout,
    path: Path,
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a tree: card, listing of images, label files.

    Raises:
        FormatError: two images would share a label file, or a name leads out of the tree.
    """
    splits = splits_of(plan.images)
    names = _label_names(plan.images, splits, path)
    card = path.name if path.suffix in (".yaml", ".yml") else "data.yaml"
    yield card, dump_yaml(_card(datasets, classes, layout, splits))
    yield LISTING, _listing(plan.images, splits)
    texts = [_texts(sheet) for sheet in sheets]
    for name, people in zip(names, plan.by_image(), strict=True):
        yield name, "".join([texts[number][place] for number, place in people]).encode()


def _label_names(images: ImageTable, splits: list[str], path: Path) -> list[str]:
    found: dict[str, str] = {}
    for name, split in zip(images.file_name.tolist(), splits, strict=True):
        inside = safe_name(name, path, "images")
        label = f"labels/{split}/{inside.with_suffix('')}.txt"
        if label in found:
            raise FormatError(
                "two images would share a label file",
                path=path,
                place=label,
                found=f"{found[label]!r} and {name!r}",
                fix="rename one of the images",
            )
        found[label] = name
    return list(found)


def _texts(sheet: Sheet) -> list[str]:
    """Return the lines; repr is the shortest text that is read back as the same number."""
    lines = []
    for row, (values, tail) in enumerate(zip(sheet.values.tolist(), sheet.tails, strict=True)):
        texts = list(map(repr, (*values, *tail)))
        for column, text in sheet.long.get(row, {}).items():
            texts[column] = text
        lines.append((" ".join(texts) + " ").replace(".0 ", " ")[:-1] + "\n")
    return lines


def _listing(images: ImageTable, splits: list[str]) -> bytes:
    columns = (images.id, images.file_name, images.width, images.height)
    rows = zip(*(column.tolist() for column in columns), splits, strict=True)
    keys = ("id", "file_name", "width", "height", "split")
    lines = [text_of(dict(zip(keys, row, strict=True))) for row in rows]
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def _card(
    datasets: Sequence[PoseDataset], classes: Classes, layout: Layout, splits: list[str]
) -> dict[str, Any]:
    """Return the document; ``path`` is left out, so that the tree may be moved."""
    own = dict.fromkeys([*(s for s in ("train", "val", "test") if s in splits), *splits])
    names = list(own) or ["train"]
    card: dict[str, Any] = {split: f"images/{split}" for split in names}
    # The trainer wants both.
    card.setdefault("train", f"images/{names[0]}")
    card.setdefault("val", card["train"])
    schemas = [datasets[owner].schema for owner in classes.owner]
    card["names"] = dict(enumerate(classes.names))
    card["kpt_shape"] = [layout.num_keypoints, layout.dims]
    flip = common_flip([dataset.schema for dataset in datasets], layout.num_keypoints)
    if flip is not None:
        card["flip_idx"] = flip
    card["kpt_names"] = {i: list(schema.names) for i, schema in enumerate(schemas)}
    sigmas = datasets[0].schema.sigmas
    same = len({dataset.schema.hash() for dataset in datasets}) == 1
    if same and sigmas is not None and len(sigmas) and (sigmas > 0).all():
        card["kpt_oks_sigmas"] = sigmas.tolist()
    return card | _other_keys(datasets)


def _other_keys(datasets: Sequence[PoseDataset]) -> dict[str, Any]:
    for dataset in datasets:
        if CARD in dataset.meta:
            other = json.loads(dataset.meta[CARD]).get("other")
            return {k: v for k, v in other.items() if k not in KEYS} if other else {}
    return {}


def common_flip(schemas: Sequence[Schema], count: int) -> list[int] | None:
    """Return the one ``flip_idx`` for all classes; None where they differ.

    Without it the trainer does not mirror, which is right where no one map is.
    """
    flips = {
        (*schema.swap_indices.tolist(), *range(schema.num_keypoints, count)) for schema in schemas
    }
    return list(flips.pop()) if len(flips) == 1 else None


def schemas_read(
    datasets: Sequence[PoseDataset], classes: Classes, layout: Layout, path: Path
) -> list[Schema | None]:
    """Return the schema that each dataset is read with if nobody names one."""
    flip = common_flip([dataset.schema for dataset in datasets], layout.num_keypoints)
    found = []
    for number, dataset in enumerate(datasets):
        title = next(iter(classes.of(number).values()), "custom")
        swaps = {p.name: p.swap for p in dataset.schema.keypoints if p.swap} if flip else {}
        found.append(schema_read(Points(dataset.schema.names, title=title, swaps=swaps), path))
    return found


def lost_flips(schemas: Sequence[Schema], layout: Layout) -> Counter[str]:
    """Count the classes of skeletons whose mirror pairs the card cannot say."""
    flip = common_flip(schemas, layout.num_keypoints)
    return Counter(flip_idx=0 if flip is not None else len(schemas))

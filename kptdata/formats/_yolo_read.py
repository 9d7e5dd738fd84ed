"""Label files of a YOLO-pose tree to datasets."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FileError, FormatError
from kptdata.formats._collect import id_column, text_of
from kptdata.formats._inverse import is_long, product
from kptdata.formats._named_points import Fit
from kptdata.formats._yolo_card import KEYS, Card
from kptdata.formats._yolo_tree import Item
from kptdata.paths import is_file
from kptdata.visibility import Visibility

__all__ = ["CARD", "Lines", "datasets_of", "decode_boxes", "read_lines", "table_of"]

CARD = "yolo_pose:card"
"""Key of a dataset's ``meta``: the other keys of the card, and what its lines held."""

_BOM = b"\xef\xbb\xbf"
_SHORT = 24  # characters that the text of a float64 needs
_FAR = 1e12  # pixels; beyond any picture, and no sum of such numbers overflows


@dataclass
class Lines:
    """The lines of all label files: class, box, points; then score and track of predictions."""

    width: int
    values: array[float] = field(default_factory=lambda: array("d"))
    image: array[int] = field(default_factory=lambda: array("q"))
    number: array[int] = field(default_factory=lambda: array("q"))  # line in its file
    extra: dict[int, list[float]] = field(default_factory=dict)  # row -> score, track
    long: dict[int, dict[int, str]] = field(default_factory=dict)  # row -> column -> text

    def table(self) -> NDArray[np.float64]:
        """(N, 5 + K D) numbers."""
        return np.array(self.values, np.float64).reshape(-1, self.width)


def read_lines(card: Card, items: list[Item]) -> Lines:
    """Read all label files.

    A line with a box and no points is a person without points; one or two numbers more than the
    card says are the score and the track of a prediction.

    Raises:
        FormatError: a line has another number of numbers, or something that is none.
    """
    lines = Lines(card.width)
    nothing = [0.0 if card.dims == 3 else -1.0] * (card.width - 5)
    for place, item in enumerate(items):
        if not is_file(item.label) or not item.label.stat().st_size:
            continue  # an image without people
        for number, line in enumerate(_text(item).split(b"\n"), 1):
            tokens = line.split()
            if not tokens:
                continue
            if not (len(tokens) == 5 or card.width <= len(tokens) <= card.width + 2):
                raise _wrong_count(card, item, number, len(tokens))
            try:
                values = [float(token) for token in tokens]
            except ValueError:
                raise _no_number(item, number, tokens) from None
            if max(map(len, tokens)) > _SHORT:
                lines.long[len(lines.image)] = {
                    column: token.decode()
                    for column, token in enumerate(tokens[: card.width])
                    if is_long(token)
                }
            if len(values) < card.width:
                values += nothing
            elif len(values) > card.width:
                lines.extra[len(lines.image)] = values[card.width :]
                del values[card.width :]
            lines.values.extend(values)
            lines.image.append(place)
            lines.number.append(number)
    return lines


def _text(item: Item) -> bytes:
    try:
        data = item.label.read_bytes()
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", path=item.label) from None
    return data.removeprefix(_BOM)


def _wrong_count(card: Card, item: Item, line: int, count: int) -> FormatError:
    return FormatError(
        "a line with another number of columns",
        path=item.label,
        place=f"line {line}",
        expected=f"{card.width} (class, box, {card.num_keypoints} points of {card.dims} numbers)",
        found=str(count),
        fix="correct the line, or kpt_shape of the card",
    )


def _no_number(item: Item, line: int, tokens: list[bytes]) -> FormatError:
    def is_number(token: bytes) -> bool:
        try:
            float(token)
        except ValueError:
            return False
        return True

    wrong = next(token for token in tokens if not is_number(token))
    return FormatError(
        "not a number",
        path=item.label,
        place=f"line {line}",
        found=repr(wrong[:40].decode(errors="replace")),
        fix="correct the line",
    )


def table_of(items: list[Item], used: NDArray[np.intp], card: Card) -> ImageTable:
    """Return the table of images; those with people need a size.

    Raises:
        FormatError: the size of an image is not known.
    """
    sizes = np.array([item.size() for item in items], np.int64).reshape(-1, 2)
    unknown = used[(sizes[used] <= 0).any(axis=1)]
    if len(unknown):
        item = items[int(unknown[0])]
        raise FormatError(
            "the size of the image is not known, and all numbers are divided by it",
            path=item.label,
            expected=f"the image {item.name} in the tree {card.root}",
            fix="put the images there, or name their folder (images=..., --images)",
        )
    ids = [item.listed.get("id") for item in items]
    splits = {item.split for item in items}
    named = [text_of(item.split) for item in items]
    return ImageTable.of(
        [item.name for item in items],
        id=id_column(ids) if items and None not in ids else None,
        width=sizes[:, 0],
        height=sizes[:, 1],
        extras={"split": RawColumn(named)} if splits - {"train"} else {},
    )


def datasets_of(
    card: Card,
    lines: Lines,
    items: list[Item],
    images: ImageTable,
    fits: Mapping[int, Fit],
    provenance: tuple[str, ...],
) -> tuple[PoseDataset, ...]:
    """Return one dataset per skeleton.

    Raises:
        FormatError: a number makes no sense where it stands; file and line are named.
    """
    table = lines.table()
    _check(card, lines, items, table)
    hashes = {number: fit.schema.hash() for number, fit in fits.items()}
    groups = {h: [n for n, other in hashes.items() if other == h] for h in hashes.values()}
    found = {h: np.flatnonzero(np.isin(table[:, 0], groups[h])) for h in groups}
    chosen = [h for h in groups if len(found[h])] or list(groups)[:1]
    return tuple(
        _dataset(card, lines, items, images, fits, groups[h], found[h], provenance) for h in chosen
    )


def _check(card: Card, lines: Lines, items: list[Item], table: NDArray[np.float64]) -> None:
    known = np.isin(table[:, 0], list(card.classes))
    finite = np.isfinite(table).all(axis=1) & (np.abs(table) < _FAR).all(axis=1)
    sides = (table[:, 3:5] >= 0).all(axis=1)
    rules = (
        (finite, "a number that is not finite, or too large", "a fraction of the image's size"),
        (known, "an unknown class", ", ".join(map(str, list(card.classes)[:20])) or "none"),
        (sides, "a box of negative size", "width and height from 0 to 1"),
    )
    for good, problem, expected in rules:
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            raise FormatError(
                problem,
                path=items[lines.image[row]].label,
                place=f"line {lines.number[row]}",
                expected=expected,
                found=" ".join(f"{v:g}" for v in table[row, :5]) + " ...",
                fix="correct the line, or names of the card",
            )


def decode_boxes(fractions: NDArray[np.float64], wh: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) xywh in pixels of (N, 4) centre and size as fractions of (N, 2) image sizes."""
    size = fractions[:, 2:] * wh
    return np.concatenate([fractions[:, :2] * wh - size / 2, size], axis=1)


def _boxes(
    lines: Lines, rows: NDArray[np.intp], table: NDArray[np.float64], wh: NDArray[np.float64]
) -> NDArray[np.float64]:
    box = decode_boxes(table[:, 1:5], wh)
    for place, row in enumerate(rows.tolist() if lines.long else []):
        texts = lines.long.get(row, {})
        for axis in (0, 1):
            size = float(wh[place, axis])
            if 3 + axis in texts:
                box[place, 2 + axis] = product(texts[3 + axis], size)
                box[place, axis] = table[place, 1 + axis] * size - box[place, 2 + axis] / 2
            if 1 + axis in texts:
                box[place, axis] = product(texts[1 + axis], size, box[place, 2 + axis] / 2)
    return box


def _pixels(
    card: Card,
    lines: Lines,
    rows: NDArray[np.intp],
    points: NDArray[np.float64],
    wh: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n, P, 2) pixels of (n, P, D) points."""
    xy = points[..., :2] * wh[:, None]
    for place, row in enumerate(rows.tolist() if lines.long else []):
        for column, text in lines.long.get(row, {}).items():
            point, axis = divmod(column - 5, card.dims)
            if 0 <= point < points.shape[1] and axis < 2:
                xy[place, point, axis] = product(text, float(wh[place, axis]))
    return xy


def _dataset(
    card: Card,
    lines: Lines,
    items: list[Item],
    images: ImageTable,
    fits: Mapping[int, Fit],
    classes: list[int],
    rows: NDArray[np.intp],
    provenance: tuple[str, ...],
) -> PoseDataset:
    schema = fits[classes[0]].schema
    image = np.array(lines.image, np.intp)[rows]
    table = lines.table()[rows]
    wh = images.wh[image].astype(float)
    points = table[:, 5:].reshape(len(rows), card.num_keypoints, card.dims)
    shape = (len(rows), schema.num_keypoints)
    columns: dict[str, Any] = {
        "xy": np.full((*shape, 2), np.nan),
        "visibility": np.zeros(shape, np.uint8),
    }
    for number in classes:
        mine = np.flatnonzero(table[:, 0] == number)
        read = _points(card, fits[number], points[mine], wh[mine], lines, items, rows[mine])
        for name, values in read.items():
            column = columns.setdefault(name, np.full((len(rows), *values.shape[1:]), np.nan))
            column[mine] = values
    others = {key: value for key, value in card.given.items() if key not in KEYS}
    predicted = bool(lines.extra) or "keypoint_score" in columns
    note = {"dims": card.dims, "other": others, "predictions": predicted}
    return PoseDataset(
        schema=schema,
        images=images,
        image=image,
        bbox=_boxes(lines, rows, table, wh),
        category=table[:, 0].astype(np.int64) + 1,
        categories={number + 1: card.classes[number] for number in classes},
        order=rows,
        meta={CARD: text_of(note)},
        provenance=provenance,
        **columns,
        **_predicted(lines, rows),
    )


def _points(
    card: Card,
    fit: Fit,
    points: NDArray[np.float64],
    wh: NDArray[np.float64],
    lines: Lines,
    items: list[Item],
    rows: NDArray[np.intp],
) -> dict[str, NDArray[Any]]:
    """Return the columns of points, in the order of the schema."""
    count = len(fit.rows)
    padding = points[:, count:]
    there = padding[..., 2] != 0 if card.dims == 3 else (padding >= 0).all(axis=-1)
    used = np.asarray(there).any(axis=1)
    if used.any():
        row = int(rows[np.flatnonzero(used)[0]])
        raise FormatError(
            f"a point beyond the {count} that the class has",
            path=items[lines.image[row]].label,
            place=f"line {lines.number[row]}",
            expected="0 0 0 there",
            fix="correct the line, or kpt_names of the card",
        )
    xy = _pixels(card, lines, rows, points[:, :count], wh)
    states, given, scores = _states(card, points[:, :count])
    place = np.array(list(fit.rows.values()), np.intp)
    shape = (len(points), fit.schema.num_keypoints)
    found: dict[str, NDArray[Any]] = {
        "xy": np.full((*shape, 2), np.nan),
        "visibility": np.zeros(shape, np.uint8),
    }
    labelled = states != Visibility.UNLABELLED
    found["xy"][:, place] = np.where(labelled[..., None], xy, np.nan)
    found["visibility"][:, place] = states
    if given.any():
        found["given_xy"] = np.full((*shape, 2), np.nan)
        found["given_xy"][:, place] = np.where(given[..., None], xy, np.nan)
    if not np.isnan(scores).all():
        found["keypoint_score"] = np.full(shape, np.nan)
        found["keypoint_score"][:, place] = scores
    return found


def _states(
    card: Card, points: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float64]]:
    """Return states, where coordinates stand under an unlabelled point, and scores.

    With two numbers a point is missing if either is negative, and its numbers mean nothing. With
    three, the third is 0, 1 or 2; a line with any other number there holds scores.
    """
    nothing = np.full(points.shape[:2], np.nan)
    if card.dims == 2:
        states = np.where((points < 0).any(axis=-1), Visibility.UNLABELLED, Visibility.LABELLED)
        return states.astype(np.uint8), np.zeros(points.shape[:2], bool), nothing
    v = points[..., 2]
    plain = (v == 0) | (v == 1) | (v == 2)
    scored = ~plain.all(axis=1, keepdims=True) & np.ones_like(plain)
    states = np.where(scored, Visibility.LABELLED, np.where(plain, v, 0)).astype(np.uint8)
    given = (states == Visibility.UNLABELLED) & (points[..., :2] != 0).any(axis=-1)
    return states, given, np.where(scored, v, nothing)


def _predicted(lines: Lines, rows: NDArray[np.intp]) -> dict[str, Any]:
    if not lines.extra:
        return {}
    found = [lines.extra.get(row, []) for row in rows.tolist()]
    columns: dict[str, Any] = {"score": np.array([f[0] if f else np.nan for f in found])}
    tracks = [
        f[1] if len(f) == 2 and f[1].is_integer() and abs(f[1]) < 2**53 else None for f in found
    ]
    if any(t is not None for t in tracks):
        whole = [MISSING_INT if t is None else int(t) for t in tracks]
        columns["track"] = np.array(whole, np.int64)
    return columns

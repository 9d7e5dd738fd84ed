"""A dataset to the columns of a wide CSV: those of the file it came from, then what else it has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, RawColumn, is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError, SchemaError
from kptdata.formats._csv_header import BOX, JSON, Role, beside, plain, point_names, roles_of
from kptdata.formats._csv_read import (
    IMAGE_KEYS,
    LAYOUT,
    OWN,
    fit_header,
    implied_states,
    is_faces,
    is_json_number,
)
from kptdata.formats._csv_text import DELIMITERS, Layout, Table, is_numeric
from kptdata.formats._inverse import inverse
from kptdata.formats._trivia import is_trivia

__all__ = ["Written", "written"]

Floats = NDArray[np.float64]

_NEWLINES = ("\n", "\r\n", "\r")
_CORNERS = ("left", "top", "right", "bottom")
_NAMES: Mapping[Role, str] = {
    Role("image", "file_name"): "image",
    Role("image", "id"): "image_id",
    Role("image", "sequence"): "video",
    Role("image", "width"): "image_width",
    Role("image", "height"): "image_height",
    **{Role("box", key): f"bbox_{key}" for key in BOX},
}
"""Names of columns that are not called as their key."""

_WORDS = {"x": "x", "y": "y", "state": "v", "point_score": "score"}
_EMPTY = Layout((), ())


@dataclass
class Written:
    """What a file will hold.

    Attributes:
        table: its columns.
        image_rows: row of the dataset's images of each image of the file.
    """

    table: Table
    image_rows: NDArray[np.intp]


@dataclass
class _Held:
    """What a dataset has for columns, and which of it a file must have."""

    cells: dict[Role, Any] = field(default_factory=dict)
    needed: list[Role] = field(default_factory=list)

    def add(self, role: Role, cells: Any, *, needed: bool) -> None:
        self.cells[role] = cells
        if needed:
            self.needed.append(role)


def written(dataset: PoseDataset, path: Path) -> Written:
    """Return the columns of a file; its rows are those of the dataset.

    Raises:
        FormatError: a point or an extra has a name that means something else in a header.
    """
    images = _Images(dataset)
    layouts = [_remembered(dataset, path), _EMPTY]
    for layout in [found for found in layouts if found is not None]:
        rows = fit_header(layout, dataset.schema, path).rows if layout.header else None
        held = _held(dataset, images, layout, rows)
        planned = _planned(held, layout)
        if planned is not None:
            break
    else:
        raise _unclear(dataset, path)
    header, roles = planned
    delimiter = "\t" if ".tsv" in path.suffixes else layout.delimiter
    final = Layout(header, roles, delimiter, layout.newline, layout.bom)
    blank: dict[bool, Any] = {True: np.full(len(dataset), np.nan), False: [""] * len(dataset)}
    cells = [held.cells.get(role, blank[is_numeric(role)]) for role in roles]
    return Written(Table(final, cells, len(dataset), path), images.rows)


def _unclear(dataset: PoseDataset, path: Path) -> FormatError:
    names = dataset.schema.names
    header = [f"{name}_{word}" for name in names for word in "xy"]
    found = set(point_names(roles_of(["image", *header])))
    odd = next((name for name in names if name not in found), names[0] if names else "")
    return FormatError(
        "the name of a point means something else in a header",
        path=path,
        place="schema",
        expected="names whose columns '<name>_x' and '<name>_y' are nothing else",
        found=repr(odd),
        fix="rename the point",
    )


def _remembered(dataset: PoseDataset, path: Path) -> Layout | None:
    """Return the layout of the file that a dataset came from, if its points still fit it."""
    try:
        noted = json.loads(dataset.meta.get(LAYOUT, b"null"))
        header = tuple(map(str, noted["header"]))
        layout = Layout(header, roles_of(header), noted["delimiter"], noted["newline"])
        bom = noted["bom"] is True
    except (ValueError, TypeError, KeyError, RecursionError):
        return None  # there is none, or a note that somebody changed
    if layout.delimiter not in DELIMITERS or layout.newline not in _NEWLINES:
        return None
    try:
        rows = fit_header(layout, dataset.schema, path).rows
    except SchemaError:
        return None
    return layout._replace(bom=bom) if len(rows) == dataset.schema.num_keypoints else None


def _planned(held: _Held, layout: Layout) -> tuple[tuple[str, ...], tuple[Role, ...]] | None:
    """Return header and roles of a file; None if a reader would take them for something else."""
    other = {"json": "extra", "extra": "json"}
    pairs = [
        (name, role)
        for name, role in zip(layout.header, layout.roles, strict=True)
        if role in held.cells or Role(other.get(role.kind, ""), role.key) not in held.cells
    ]
    there = {role for _, role in pairs}
    styles = {role.key: name for name, role in pairs if role.kind == "x"}
    pairs += [(_name(role, styles), role) for role in held.needed if role not in there]
    taken = {plain(name) for name, role in pairs if role.kind not in ("json", "extra")}
    for place, (name, role) in enumerate(pairs):
        if role.kind == "extra" and role in held.cells and plain(name) in taken:
            pairs[place] = _as_json(held, role)
    for _ in range(2):
        read = roles_of([name for name, _ in pairs])
        wrong = [i for i, (_, role) in enumerate(pairs) if read[i] != role]
        if not wrong:
            break
        for place in wrong:
            if pairs[place][1].kind == "extra":
                pairs[place] = _as_json(held, pairs[place][1])
    names = [name for name, _ in pairs]
    if wrong or len(set(filter(str.strip, names))) < len([n for n in names if n.strip()]):
        return None
    return tuple(names), tuple(role for _, role in pairs)


def _as_json(held: _Held, role: Role) -> tuple[str, Role]:
    """Call an extra so that nothing else has its name, its cells as JSON."""
    changed = Role("json", role.key)
    cells = held.cells.pop(role, None)
    if cells is not None:
        number = all(is_json_number(cell) for cell in cells if cell)
        held.cells[changed] = [
            cell if number or not cell else json.dumps(cell, ensure_ascii=False) for cell in cells
        ]
    return role.key + JSON, changed


def _name(role: Role, styles: Mapping[str, str]) -> str:
    if role.kind in _WORDS:
        return beside(styles.get(role.key, f"{role.key}_x"), _WORDS[role.kind])
    return role.key + JSON if role.kind == "json" else _NAMES.get(role, role.key)


# What a dataset has


def _held(
    dataset: PoseDataset, images: _Images, layout: Layout, rows: Mapping[str, int] | None
) -> _Held:
    held = _Held()
    images.add_to(held)
    _add_values(dataset, held)
    _add_box(dataset, layout, held)
    names = {n: k for k, n in enumerate(dataset.schema.names)} if rows is None else rows
    _add_points(dataset, layout, names, held)
    for role in layout.roles:
        if role.kind == "number":
            column = dataset.numbers.get(role.key, np.zeros(0))
            if column.shape == (len(dataset),):
                held.add(role, _finite(column), needed=False)
        elif role.kind == "place" and "center" in dataset.points:
            place = dataset.points["center"][:, 0, "xy".index(role.key)]
            held.add(role, _finite(place), needed=False)
    as_json = {role.key for role in layout.roles if role.kind == "json"}
    for key, texts in dataset.extras.items():
        if not is_trivia(key, OWN):
            cells = None if key in as_json else _plain_cells(texts)
            role = Role("json" if cells is None else "extra", key)
            held.add(role, _json_cells(texts) if cells is None else cells, needed=True)
    return held


def _finite(values: NDArray[Any]) -> Floats:
    """Return numbers, NaN for what no file of numbers holds."""
    values = np.asarray(values, np.float64)
    return np.where(np.isfinite(values), values, np.nan)


class _Images:
    """What rows say about their images. Images that say the same are one."""

    def __init__(self, dataset: PoseDataset) -> None:
        images, used = dataset.images, np.unique(dataset.image[dataset.image >= 0]).tolist()
        self.cells = {key: _image_cells(images, key) for key in (*IMAGE_KEYS, "width", "height")}
        ids = self.cells["id"]
        if not all(ids[row] for row in used):
            self.cells["id"] = ids = [""] * len(ids)
        keys = list(zip(*(self.cells[key][:-1] for key in IMAGE_KEYS), strict=True))
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        place = [first[key] if any(key) else -1 for key in keys]
        self.image = [place[row] if row >= 0 else -1 for row in dataset.image.tolist()]
        found = [row for row in dict.fromkeys(self.image) if row >= 0]
        self.rows = np.array(found, np.intp)
        bare = {(key[0], *key[2:]) for key in (keys[row] for row in found)}
        counted = [ids[row] for row in found] == [str(n) for n in range(1, len(found) + 1)]
        self._with_ids = not counted or len(bare) < len(found) or not all(map(any, bare))

    def add_to(self, held: _Held) -> None:
        found = {key: [cells[row] for row in self.image] for key, cells in self.cells.items()}
        needed = {key for key, cells in found.items() if key != "id" and any(cells)}
        if self._with_ids:
            needed.add("id")
        if not needed.intersection(IMAGE_KEYS):
            needed.add("file_name")
        for key, cells in found.items():
            held.add(Role("image", key), cells, needed=key in needed)


def _image_cells(images: ImageTable, key: str) -> list[str]:
    """Return what each image says in a column, and behind them what no image says."""
    column = images.column(key) if key in ("sequence", "frame") else getattr(images, key)
    gone = column <= 0 if key in ("width", "height") else is_missing(column)
    texts = ["" if g else str(v) for v, g in zip(column.tolist(), gone.tolist(), strict=True)]
    return [*texts, ""]


def _add_values(dataset: PoseDataset, held: _Held) -> None:
    for name in ("id", "track"):
        _add_texts(dataset, name, held)
    _add_categories(dataset, held)
    for name in ("score", "area"):
        column = _finite(dataset.column(name))
        held.add(Role("value", name), column, needed=not np.isnan(column).all())
    flags = dataset.column("iscrowd")
    cells = [("0", "1", "")[flag] for flag in flags.tolist()]
    held.add(Role("value", "iscrowd"), cells, needed=bool((flags >= 0).any()))
    for name in ("bbox_source", "area_source", "answers"):
        _add_texts(dataset, name, held)


def _add_texts(dataset: PoseDataset, name: str, held: _Held) -> None:
    column = dataset.column(name)
    gone = is_missing(column).tolist()
    cells = ["" if g else str(v) for v, g in zip(column.tolist(), gone, strict=True)]
    held.add(Role("value", name), cells, needed=any(cells))


def _add_categories(dataset: PoseDataset, held: _Held) -> None:
    numbers = dataset.column("category").tolist()
    known = dict(dataset.categories)
    names = [known.get(number, "") for number in numbers]
    used = [number for number in dict.fromkeys(numbers) if number != MISSING_INT]
    met = [known.get(number, "") for number in used]
    counted = used == list(range(1, len(used) + 1)) and all(met) and len(set(met)) == len(met)
    held.add(Role("value", "category"), names, needed=any(names))
    texts = ["" if number == MISSING_INT else str(number) for number in numbers]
    held.add(Role("value", "category_id"), texts, needed=bool(used) and not counted)


def _add_box(dataset: PoseDataset, layout: Layout, held: _Held) -> None:
    box = _finite(dataset.column("bbox"))
    needed = not np.isnan(box).all() or not dataset.schema.num_keypoints
    if Role("corner", "left") in layout.roles:
        low, size = box[:, :2], box[:, 2:]
        far = inverse(size, low + size, lambda found: found - low)
        for key, column in zip(_CORNERS, np.concatenate([low, far], axis=1).T, strict=True):
            held.add(Role("corner", key), column, needed=needed)
        return
    for axis, key in enumerate(BOX):
        held.add(Role("box", key), box[:, axis], needed=needed)


def _add_points(dataset: PoseDataset, layout: Layout, rows: Mapping[str, int], held: _Held) -> None:
    states, scores = dataset.visibility, _finite(dataset.column("keypoint_score"))
    stated = np.where(dataset.labelled[..., None], dataset.xy, dataset.column("given_xy"))
    stated[~np.isfinite(stated).all(axis=-1)] = np.nan
    implied = implied_states(stated[..., 0], stated[..., 1], faces=is_faces(layout))
    with_states = bool((implied != states).any())
    with_scores = not np.isnan(scores).all()
    for name, k in rows.items():
        held.add(Role("x", name), stated[:, k, 0], needed=True)
        held.add(Role("y", name), stated[:, k, 1], needed=True)
        held.add(Role("state", name), states[:, k].astype(np.float64), needed=with_states)
        held.add(Role("point_score", name), scores[:, k], needed=with_scores)


# Extras


def _texts_of(texts: RawColumn) -> Iterator[str]:
    return ("" if text is None else text.decode() for text in texts)


def _json_cells(texts: RawColumn) -> list[str]:
    return list(_texts_of(texts))


def _plain_cells(texts: RawColumn) -> list[str] | None:
    """Return cells that are read as these numbers, or as these texts; None if there are none."""
    cells = list(_texts_of(texts))
    present = [cell for cell in cells if cell]
    if all(map(is_json_number, present)):
        return cells
    if any(cell[:1] != '"' for cell in present):
        return None
    found = [json.loads(cell) if cell else None for cell in cells]
    said = [value for value in found if value is not None]
    if "" in said or all(map(is_json_number, said)):
        return None
    return [value or "" for value in found]

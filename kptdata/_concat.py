"""Several datasets to one: images recognised, ids kept apart, missing columns filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import COLUMNS, TEXT, RawColumn, is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import DatasetError
from kptdata.ledger import Ledger

__all__ = ["concat"]


def concat(datasets: Sequence[PoseDataset]) -> tuple[PoseDataset, Ledger]:
    """Put datasets of one schema one behind the other.

    An image with the same id and file name in two datasets is one image; the same id with another
    name is renumbered. Instance ids and category ids that clash are renumbered as well; categories
    are recognised by name. A column that one dataset lacks is missing for its rows. File-level
    texts are those of the first dataset that has them.

    Returns:
        The joined dataset, and an account: instances with a new id are ``repaired``; the notes
        count images merged and renumbered, and categories renumbered.

    Raises:
        DatasetError: no dataset is given, schemas differ (map them first), or cameras differ.
    """
    _check(datasets)
    notes: dict[str, int] = {"file-level texts that differ, of later files": _lost_texts(datasets)}
    images, rows = _joined_images([ds.images for ds in datasets], notes)
    categories, category = _joined_categories(datasets, notes)
    ids, fresh = _joined_ids(datasets)
    first = datasets[0]
    joined: dict[str, Any] = {
        "images": images,
        "image": np.concatenate(
            [_moved(ds.image, r) for ds, r in zip(datasets, rows, strict=True)]
        ),
        "xy": np.concatenate([ds.xy for ds in datasets]),
        "visibility": np.concatenate([ds.visibility for ds in datasets]),
        "order": _joined_order(datasets),
        "categories": categories,
        "meta": {k: v for ds in reversed(datasets) for k, v in ds.meta.items()},
        "space": next((ds.space for ds in datasets if ds.space is not None), None),
        "provenance": (*(line for ds in datasets for line in ds.provenance), "concat"),
    }
    for name in COLUMNS:
        if any(getattr(ds, name) is not None for ds in datasets):
            joined[name] = _joined_column([ds.column(name) for ds in datasets])
    joined |= {"id": ids, "category": category}
    for group in ("boxes", "points", "numbers"):
        joined[group] = _joined_group([getattr(ds, group) for ds in datasets], datasets)
    joined["extras"] = _joined_raws([ds.extras for ds in datasets], [len(ds) for ds in datasets])
    ledger = Ledger(sum(map(len, datasets)), repaired={"new id": fresh}, notes=notes)
    return first.replace(**joined), ledger


def _lost_texts(datasets: Sequence[PoseDataset]) -> int:
    """Count the file-level texts that an earlier dataset has otherwise."""
    held: dict[str, bytes] = {}
    lost = 0
    for dataset in datasets:
        for key, text in dataset.meta.items():
            lost += ":" not in key and held.setdefault(key, text) != text
    return lost


def _moved(image: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.where(image >= 0, rows[image], -1) if len(rows) else image


def _check(datasets: Sequence[PoseDataset]) -> None:
    if not datasets:
        raise DatasetError("concat: no dataset given")
    first = datasets[0]
    for ds in datasets[1:]:
        if ds.schema.hash() != first.schema.hash():
            raise DatasetError(
                f"concat: schemas {first.schema.name!r} and {ds.schema.name!r} differ; "
                f"map them to one schema first (kptdata.ops.map_schema)"
            )
        if ds.cameras is not first.cameras:
            raise DatasetError("concat: datasets with cameras of their own cannot be joined")
        if None not in (ds.space, first.space) and ds.space != first.space:
            raise DatasetError(f"concat: 3D spaces {first.space} and {ds.space} differ")


def _joined_images(
    tables: Sequence[ImageTable], notes: dict[str, int]
) -> tuple[ImageTable, list[NDArray[np.intp]]]:
    """Return the joined table and, per table, the new row of each old row."""
    if all(table is tables[0] for table in tables):
        return tables[0], [np.arange(len(tables[0]))] * len(tables)
    as_text = any(t.id.dtype == TEXT for t in tables)
    seen: dict[tuple[Any, str], int] = {}
    used: set[Any] = set()
    ids: list[Any] = []
    keep: list[tuple[int, int]] = []
    highest = 0 if as_text else max((int(t.id.max()) for t in tables if len(t)), default=0)
    rows: list[NDArray[np.intp]] = []
    same: list[tuple[int, int, int]] = []  # place in the result, table and row of the same image
    renumbered = 0
    for number, table in enumerate(tables):
        twin = next((n for n in range(number) if tables[n] is table), None)
        if twin is not None:
            rows.append(rows[twin])
            continue
        mine = []
        earlier = dict(seen)
        names = (str(v) for v in table.file_name)
        for row, (old, name) in enumerate(zip(table.id.tolist(), names, strict=True)):
            known = str(old) if as_text else old
            if (known, name) in earlier:
                same.append((earlier[known, name], number, row))
                mine.append(earlier[known, name])
                continue
            new = known
            if number > 0 and known in used:
                renumbered += 1
                highest += 1
                new = _free_text(known, used) if as_text else highest
            used.add(new)
            seen[known, name] = len(ids)
            mine.append(len(ids))
            ids.append(new)
            keep.append((number, row))
        rows.append(np.array(mine, dtype=np.intp))
    notes |= {"images merged": len(same), "images renumbered": renumbered}
    origin = _Rows(keep, same)
    columns, extras = _facts_of_images(tables, origin)
    notes["facts of images that differ, of later files"] = origin.differing
    id_column = np.array(ids, dtype=TEXT if as_text else np.int64)
    return ImageTable(id=id_column, extras=extras, **columns), rows


class _Rows:
    """Where the rows of joined tables come from.

    Args:
        keep: table and row of each joined row.
        same: joined row, table and row, of each row that is the same image as an earlier one.
    """

    def __init__(
        self, keep: Sequence[tuple[int, int]], same: Sequence[tuple[int, int, int]]
    ) -> None:
        table, row = np.array(keep, np.intp).reshape(-1, 2).T
        self.kept = [row[table == number] for number in range(int(table.max(initial=-1)) + 1)]
        self.place, self.table, self.row = np.array(same, np.intp).reshape(-1, 3).T
        self.differing = 0

    def joined(
        self, held: Sequence[NDArray[Any]], absent: Callable[[NDArray[Any]], Any]
    ) -> NDArray[Any]:
        """Join a column; what the first table does not state is taken from a later one.

        Facts of the same image that contradict each other are counted in `differing`.
        """
        kept = [column[rows] for column, rows in zip(held, self.kept, strict=False)]
        joined = np.concatenate(kept) if kept else held[0][:0]
        for number in np.unique(self.table).tolist():
            mine = self.table == number
            told, at = held[number][self.row[mine]], self.place[mine]
            gap = absent(joined[at]) & ~absent(told)
            joined[at[gap]] = told[gap]
            self.differing += int(np.count_nonzero(~absent(told) & (joined[at] != told)))
        return joined


def _unsized(column: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(column <= 0)


def _untaken(column: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(column < 0)


def _untold(column: NDArray[Any]) -> NDArray[np.bool_]:
    return np.fromiter((text is None for text in column), bool, len(column))


def _facts_of_images(
    tables: Sequence[ImageTable], rows: _Rows
) -> tuple[dict[str, Any], dict[str, RawColumn]]:
    """Return the joined columns and extras."""
    columns: dict[str, Any] = {
        "file_name": rows.joined([t.file_name for t in tables], is_missing),
        "width": rows.joined([t.width for t in tables], _unsized),
        "height": rows.joined([t.height for t in tables], _unsized),
    }
    for name in ("sequence", "frame", "camera"):
        if any(getattr(t, name) is not None for t in tables):
            lacking = _untaken if name == "camera" else is_missing
            columns[name] = rows.joined([t.column(name) for t in tables], lacking)
    extras = {}
    for key in dict.fromkeys(key for table in tables for key in table.extras):
        raws = [t.extras.get(key, RawColumn.absent(len(t))) for t in tables]
        held = [np.array([*raw, None], object)[:-1] for raw in raws]
        extras[key] = RawColumn(rows.joined(held, _untold))
    return columns, extras


def _free_text(wanted: str, used: set[Any]) -> str:
    """Return an id that nobody has: the text with a counter."""
    counter = 2
    while f"{wanted}_{counter}" in used:
        counter += 1
    return f"{wanted}_{counter}"


def _joined_ids(datasets: Sequence[PoseDataset]) -> tuple[NDArray[Any] | None, list[Any]]:
    """Return ids without clashes between datasets (clashes within one stay), and the new ones."""
    if all(ds.id is None for ds in datasets):
        return None, []
    as_text = any(ds.id is not None and ds.id.dtype == TEXT for ds in datasets)
    out: list[Any] = []
    fresh: list[Any] = []
    used: set[Any] = set()
    highest = max((int(ds.ids.max()) for ds in datasets if not as_text and len(ds)), default=0)
    for ds in datasets:
        mine = [str(v) if as_text else v for v in ds.ids.tolist()]
        clash = [ds.id is None or v in used for v in mine]
        for value, renumber in zip(mine, clash, strict=True):
            new = value
            if renumber and as_text:
                new = _free_text(value, used) if value in used else value
            elif renumber:
                highest += 1
                new = highest
            if new != value:
                fresh.append(new)
            used.add(new)
            out.append(new)
    return np.array(out, dtype=TEXT if as_text else np.int64), fresh


def _joined_categories(
    datasets: Sequence[PoseDataset], notes: dict[str, int]
) -> tuple[dict[int, str], NDArray[np.int64] | None]:
    """Recognise categories by name; an id that stands for another name already is renumbered."""
    names: dict[int, str] = {}
    columns = []
    renumbered = 0
    for ds in datasets:
        new_id: dict[int, int] = {}
        for old, name in ds.categories.items():
            same = [i for i, n in names.items() if n == name]
            free = old if old not in names else max(names) + 1
            new_id[old] = same[0] if same else free
            names[new_id[old]] = name
            renumbered += new_id[old] != old
        column = ds.column("category").copy()
        for old, new in new_id.items():
            column[ds.column("category") == old] = new
        columns.append(column)
    notes["categories renumbered"] = renumbered
    if all(ds.category is None for ds in datasets):
        return names, None
    return names, np.concatenate(columns)


def _joined_order(datasets: Sequence[PoseDataset]) -> NDArray[np.int64]:
    starts = np.cumsum([0, *(int(ds.order.max(initial=-1)) + 1 for ds in datasets[:-1])])
    return np.concatenate([ds.order + s for ds, s in zip(datasets, starts, strict=True)])


def _joined_column(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if any(p.dtype == TEXT for p in parts):
        parts = [_as_text(p) for p in parts]
    return np.concatenate(parts)


def _as_text(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype == TEXT:
        return column
    text = column.astype(TEXT)
    text[is_missing(column)] = ""
    return text


def _joined_group(
    groups: Sequence[Mapping[str, NDArray[Any]]], datasets: Sequence[PoseDataset]
) -> dict[str, NDArray[Any]]:
    joined = {}
    for name in dict.fromkeys(name for group in groups for name in group):
        like = next(group[name] for group in groups if name in group)
        joined[name] = np.concatenate(
            [
                group[name] if name in group else np.full((len(ds), *like.shape[1:]), np.nan)
                for group, ds in zip(groups, datasets, strict=True)
            ]
        )
    return joined


def _joined_raws(
    groups: Sequence[Mapping[str, RawColumn]], lengths: Iterable[int]
) -> dict[str, RawColumn]:
    counts = list(lengths)
    absent: Callable[[int], RawColumn] = RawColumn.absent
    return {
        key: RawColumn.joined(
            [g[key] if key in g else absent(n) for g, n in zip(groups, counts, strict=True)]
        )
        for key in dict.fromkeys(key for group in groups for key in group)
    }

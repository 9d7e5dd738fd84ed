"""Dataset to dataset: each operation returns the result and a `Ledger` that adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._concat import concat
from kptdata._map_schema import map_schema
from kptdata._merge import gather, merge
from kptdata._query import Query
from kptdata._split import split, split_all
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, OptionError
from kptdata.ledger import Ledger

__all__ = [
    "concat",
    "filter_instances",
    "filter_where",
    "gather",
    "map_schema",
    "merge",
    "select",
    "split",
    "split_all",
    "with_boxes",
    "without_empty_images",
]


def select(
    dataset: PoseDataset,
    rows: Any = None,
    *,
    ids: Any = None,
    images: Any = None,
) -> tuple[PoseDataset, Ledger]:
    """Keep chosen instances, in the order asked for, over the same images.

    Args:
        dataset: what to choose from.
        rows: mask, row numbers or slice.
        ids: ids of instances.
        images: ids of images whose instances are kept; the other images go too.

    Returns:
        The instances, and the account of those left out.

    Raises:
        OptionError: none or several ways to choose are given.
        DatasetError: an id is not in the dataset, or a row is asked for twice.
    """
    given = [way for way in (rows, ids, images) if way is not None]
    if len(given) != 1:
        raise OptionError(f"select: expected one of rows, ids, images, got {len(given)}")
    if images is not None:
        chosen = dataset.with_images(_places(dataset.images.id, images, "image id"))
        kept = np.isin(dataset.image, _places(dataset.images.id, images, "image id"))
        return chosen, _left_out(dataset, ~kept, "not in the chosen images")
    index = np.arange(len(dataset))[_places(dataset.ids, ids, "id") if rows is None else rows]
    if len(np.unique(index)) != len(index):
        raise DatasetError("select: an instance is asked for twice")
    dropped = np.ones(len(dataset), dtype=bool)
    dropped[index] = False
    return dataset[index], _left_out(dataset, dropped, "not selected")


def _places(known: NDArray[Any], wanted: Any, what: str) -> NDArray[np.intp]:
    place = {value: row for row, value in enumerate(known.tolist())}
    unknown = [value for value in list(wanted) if value not in place]
    if unknown:
        raise DatasetError(f"select: no {what} {unknown[0]!r} in the dataset")
    return np.array([place[value] for value in list(wanted)], dtype=np.intp)


def _left_out(dataset: PoseDataset, dropped: NDArray[np.bool_], rule: str) -> Ledger:
    return Ledger(len(dataset), skipped={rule: dataset.ids[dropped].tolist()})


def filter_instances(
    dataset: PoseDataset, keep: Mapping[str, NDArray[np.bool_]]
) -> tuple[PoseDataset, Ledger]:
    """Keep the instances that pass every rule; each that fails is counted under the first it fails.

    Args:
        dataset: what to filter.
        keep: rule in words -> (N,) bool, True where the instance passes.

    Raises:
        DatasetError: a mask is no (N,) bool array.
    """
    alive = np.ones(len(dataset), dtype=bool)
    skipped = {}
    for rule, mask in keep.items():
        passes = np.asarray(mask)
        if passes.shape != (len(dataset),) or passes.dtype != bool:
            raise DatasetError(
                f"filter_instances: rule {rule!r}: expected ({len(dataset)},) bool, "
                f"got {passes.shape} {passes.dtype}"
            )
        skipped[rule] = dataset.ids[alive & ~passes].tolist()
        alive &= passes
    return dataset[alive], Ledger(len(dataset), skipped=skipped)


def filter_where(
    dataset: PoseDataset, expression: str, *, others: Sequence[PoseDataset] = ()
) -> tuple[PoseDataset, Ledger]:
    """Keep the instances for which an expression over columns holds.

    ``area > 1024 and num_labelled >= 5 and category == 'person' and labelled('nose')``: see
    docs/expressions.md. A comparison with a value that is not stated is false.

    Args:
        dataset: what to filter.
        expression: parsed, never run; parts joined by ``and`` are rules of their own.
        others: datasets of the same file: a keypoint or column that only they have is missing
            here, and not unknown.

    Returns:
        The instances that pass, and an account: those left out under the first part that they
        fail; the notes count the instances for which a column that is asked is not stated.

    Raises:
        OptionError: the expression makes no sense; the message says where.
        UnknownNameError: no such column, keypoint or function; near names are listed.
    """
    rules, notes = Query(expression).rules(dataset, others)
    kept, ledger = filter_instances(dataset, rules)
    account = Ledger(ledger.total, skipped=ledger.skipped, notes=notes)
    return kept.noted(f"filter_where {expression}"), account


def with_boxes(
    dataset: PoseDataset, *, margin: float = 0.0, min_side: float = 1.0, replace: bool = False
) -> tuple[PoseDataset, Ledger]:
    """Give instances without a box the extent of their labelled points.

    Args:
        dataset: instances, some without a box.
        margin: added on each side, as a fraction of the extent's width and height.
        min_side: least width and height, pixels; a single point has no extent of its own.
        replace: also replace the boxes that are there.

    Returns:
        The dataset with `bbox` and `bbox_source` filled, and an account; the notes count the
        instances that have neither points nor a box.

    Raises:
        OptionError: `margin` is negative or `min_side` not positive.
    """
    if margin < 0 or min_side <= 0:
        raise OptionError(f"with_boxes: margin {margin} must be >= 0 and min_side {min_side} > 0")
    given = ~np.isnan(dataset.column("bbox")).any(axis=1)
    possible = dataset.labelled.any(axis=1)
    chosen = possible & (~given | replace)
    boxes = dataset.column("bbox").copy()
    boxes[chosen] = _extent(dataset.xy[chosen], margin, min_side)
    sources = dataset.column("bbox_source").copy()
    sources[chosen] = f"from_keypoints({margin:g})"
    ledger = Ledger(
        len(dataset),
        repaired={"box from keypoints": dataset.ids[chosen].tolist()},
        notes={"instances with neither points nor box": int((~possible & ~given).sum())},
    )
    boxed = dataset.replace(bbox=boxes, bbox_source=sources)
    return boxed.noted(f"with_boxes(margin={margin:g}, min_side={min_side:g})"), ledger


def _extent(xy: NDArray[np.float64], margin: float, min_side: float) -> NDArray[np.float64]:
    """(N, 4) xywh around (N, K, 2) points, NaN ignored; every row has at least one point."""
    low = np.min(xy, axis=1, where=~np.isnan(xy), initial=np.inf)
    high = np.max(xy, axis=1, where=~np.isnan(xy), initial=-np.inf)
    side = np.maximum((high - low) * (1 + 2 * margin), min_side)
    return np.concatenate([(low + high - side) / 2, side], axis=1)


def without_empty_images(
    datasets: Sequence[PoseDataset],
) -> tuple[tuple[PoseDataset, ...], int]:
    """Leave out the images on which no dataset has an instance.

    Args:
        datasets: over one table of images, such as the skeletons of one file, or over tables of
            their own.

    Returns:
        The datasets with the other images, and how many images went. Instances whose image is not
        listed stay.
    """
    used: dict[int, NDArray[np.bool_]] = {}
    for dataset in datasets:
        mine = used.setdefault(id(dataset.images), np.zeros(len(dataset.images), bool))
        mine[dataset.image[dataset.image >= 0]] = True
    found = []
    for dataset in datasets:
        mine = used[id(dataset.images)]
        place = np.append(np.cumsum(mine) - 1, -1)
        found.append(dataset.replace(images=dataset.images[mine], image=place[dataset.image]))
    return tuple(found), sum(int(np.count_nonzero(~mine)) for mine in used.values())

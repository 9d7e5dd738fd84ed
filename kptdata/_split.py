"""A dataset in parts: at random, with groups kept together, or with values shared out evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import TEXT
from kptdata._query_columns import column_names, column_of, image_column, image_column_names
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import DatasetError, OptionError, UnknownNameError
from kptdata.ledger import Ledger

__all__ = ["split", "split_all"]

_MOST_VALUES = 1000  # of a column that is shared out; more are no classes


def split(
    dataset: PoseDataset,
    parts: Mapping[str, float],
    *,
    seed: int,
    by: str | None = None,
    stratify: str | None = None,
) -> dict[str, tuple[PoseDataset, Ledger]]:
    """Divide the images at random, instances of one image (or one group) staying together.

    Args:
        dataset: what to divide.
        parts: name -> share, positive, adding up to 1: ``{"train": 0.8, "val": 0.2}``.
        seed: the same seed gives the same division.
        by: column of images (``sequence``, ``camera``) or of instances (``track``) whose equal
            values stay together; what has no value is on its own. By default each image is its own
            group, and shares are shares of groups.
        stratify: column of images or instances whose values each part gets its share of, as far
            as groups allow: the rarest value is shared out first.

    Returns:
        Name -> the part (its images and instances) and its account.

    Raises:
        OptionError: shares do not add up to 1, or `stratify` has too many values.
        UnknownNameError: no such column; near names are listed.
    """
    found = split_all([dataset], parts, seed=seed, by=by, stratify=stratify)
    return {name: (datasets[0], ledger) for name, (datasets, ledger) in found.items()}


def split_all(
    datasets: Sequence[PoseDataset],
    parts: Mapping[str, float],
    *,
    seed: int,
    by: str | None = None,
    stratify: str | None = None,
) -> dict[str, tuple[tuple[PoseDataset, ...], Ledger]]:
    """Divide datasets over the same images, such as the skeletons of one file; see `split`.

    Raises:
        DatasetError: none is given, or their tables of images differ (`gather` joins them).
    """
    shares = np.array(list(parts.values()), dtype=float)
    if not len(shares) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise OptionError(f"parts: expected positive shares that add up to 1, got {dict(parts)}")
    images = _common_images(datasets)
    groups = _groups(datasets, images, by)
    count = int(groups.max(initial=-1)) + 1
    random = np.random.default_rng(seed)
    if stratify is None:
        part_of_group = _at_random(shares, count, random)
    else:
        pairs = _pairs(datasets, images, stratify)
        part_of_group = _shared_out(shares, groups, pairs, random)
    part_of_image = part_of_group[groups]
    step = f"seed {seed}, by {by or 'image'}" + (f", stratified by {stratify}" if stratify else "")
    found = {}
    for place, name in enumerate(parts):
        mine = np.flatnonzero(part_of_image == place)
        chosen = tuple(ds.with_images(mine).noted(f"split {name} ({step})") for ds in datasets)
        found[name] = (chosen, _account(datasets, part_of_image, place))
    return found


def _common_images(datasets: Sequence[PoseDataset]) -> ImageTable:
    if not datasets:
        raise DatasetError("split: no dataset given")
    first = datasets[0].images
    for dataset in datasets[1:]:
        table = dataset.images
        if table is not first and _keys(table) != _keys(first):
            raise DatasetError("split: the datasets have different images; join them with gather")
    return first


def _keys(table: ImageTable) -> list[tuple[Any, str]]:
    return list(zip(table.id.tolist(), table.file_name.tolist(), strict=True))


def _account(
    datasets: Sequence[PoseDataset], part_of_image: NDArray[np.intp], place: int
) -> Ledger:
    skipped: dict[str, list[Any]] = {"in another part": [], "image not listed": []}
    for dataset in datasets:
        listed = dataset.image >= 0
        other = np.zeros(len(dataset), bool)
        other[listed] = part_of_image[dataset.image[listed]] != place
        skipped["in another part"] += dataset.ids[other].tolist()
        skipped["image not listed"] += dataset.ids[~listed].tolist()
    return Ledger(sum(map(len, datasets)), skipped=skipped)


class _Pairs(NamedTuple):
    """Rows of images and the number of the value that each has; an image may have several."""

    images: NDArray[np.intp]
    values: NDArray[np.intp]
    total: int


def _pairs(datasets: Sequence[PoseDataset], images: ImageTable, name: str) -> _Pairs:
    """Return the stated values of a column of images or instances."""
    rows, texts = [], []
    if name in image_column_names(images):
        value = image_column(images, name)
        stated = ~np.asarray(value.missing)
        rows.append(np.flatnonzero(stated))
        texts.append(np.asarray(value.data[stated]).astype(TEXT))
    else:
        for dataset in (d for d in datasets if name in column_names(d)):
            value = column_of(dataset, name)
            stated = ~(np.asarray(value.missing) | np.zeros(len(dataset), bool))
            stated &= dataset.image >= 0
            rows.append(dataset.image[stated])
            texts.append(np.asarray(value.data[stated]).astype(TEXT))
    if not rows:
        choices = dict.fromkeys(n for dataset in datasets for n in column_names(dataset))
        raise UnknownNameError("column", name, choices)
    found, values = np.unique(np.concatenate(texts), return_inverse=True)
    return _Pairs(np.concatenate(rows), values.astype(np.intp), len(found))


def _groups(
    datasets: Sequence[PoseDataset], images: ImageTable, by: str | None
) -> NDArray[np.intp]:
    """(M,) group number of each image: those that share a value, directly or through others."""
    if by is None:
        return np.arange(len(images))
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = _pairs(datasets, images, by)
    size = len(images) + pairs.total
    edges = (pairs.images, pairs.values + len(images))
    graph = coo_array((np.ones(len(pairs.images)), edges), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(images)]
    return np.unique(labels, return_inverse=True)[1]


def _at_random(
    shares: NDArray[np.float64], count: int, random: np.random.Generator
) -> NDArray[np.intp]:
    shuffled = random.permutation(count)
    edges = np.round(np.cumsum(shares) * count).astype(int)
    part_of_group = np.empty(count, dtype=np.intp)
    part_of_group[shuffled] = np.searchsorted(edges, np.arange(count), side="right")
    return part_of_group


def _shared_out(
    shares: NDArray[np.float64],
    groups: NDArray[np.intp],
    pairs: _Pairs,
    random: np.random.Generator,
) -> NDArray[np.intp]:
    """Give each group to the part that most lacks its rarest value.

    References:
        Sechidis, Tsoumakas, Vlahavas, "On the Stratification of Multi-Label Data", ECML 2011.
    """
    from scipy.sparse import coo_array

    if pairs.total > _MOST_VALUES:
        raise OptionError(
            f"stratify: expected a column of at most {_MOST_VALUES} values, got {pairs.total}"
        )
    count = int(groups.max(initial=-1)) + 1
    places = (groups[pairs.images], pairs.values)
    table = coo_array((np.ones(len(pairs.values)), places), shape=(count, pairs.total)).tocsr()
    sizes = np.bincount(groups, minlength=count).astype(float)
    lacking = np.outer(shares, np.asarray(table.sum(axis=0)).ravel())
    lacking_images = shares * sizes.sum()
    left = np.bincount(table.indices, minlength=pairs.total)  # groups to come that have each value
    members = table.tocsc()
    rank = np.argsort(random.permutation(count))
    part_of_group = np.full(count, -1, dtype=np.intp)

    def give(group: int, part: int) -> None:
        own = slice(table.indptr[group], table.indptr[group + 1])
        part_of_group[group] = part
        lacking[part, table.indices[own]] -= table.data[own]
        lacking_images[part] -= sizes[group]
        left[table.indices[own]] -= 1

    while (left > 0).any():
        rarest = int(np.where(left > 0, left, count + 1).argmin())
        column = members.indices[members.indptr[rarest] : members.indptr[rarest + 1]]
        waiting = column[part_of_group[column] < 0]
        for group in waiting[np.argsort(rank[waiting])].tolist():
            # A part that has all its images takes no more, however much of a value it lacks.
            full = lacking_images <= 0
            give(group, int(np.lexsort((-lacking_images, -lacking[:, rarest], full))[0]))
    rest = np.flatnonzero(part_of_group < 0)
    for group in rest[np.argsort(rank[rest])].tolist():
        give(group, int(lacking_images.argmax()))
    return part_of_group

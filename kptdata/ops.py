"""Dataset to dataset: each operation returns the result and a `Ledger` that adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import TEXT
from kptdata._concat import concat
from kptdata.dataset import PoseDataset, RawColumn
from kptdata.errors import DatasetError, OptionError, SchemaError
from kptdata.ledger import Ledger
from kptdata.schema import Schema, map_schemas
from kptdata.visibility import Visibility

__all__ = ["concat", "filter_instances", "map_schema", "select", "split", "with_boxes"]


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


def map_schema(dataset: PoseDataset, schema: Schema) -> tuple[PoseDataset, Ledger]:
    """Express the keypoints in another schema, by name.

    Points go over by canonical name, by alias, then by the target's formulas; see
    `kptdata.map_schemas`. A derived point is as visible as the least visible of its parents and
    scores as the lowest of them. Targets that nothing fills are unlabelled.

    Returns:
        The dataset in `schema`, and an account: instances that lost a labelled point are
        ``repaired``; the notes count, per keypoint, the points lost and derived.

    Raises:
        SchemaError: the schemas have no point in common.
    """
    if schema.hash() == dataset.schema.hash():
        return dataset, Ledger(len(dataset))
    plan = map_schemas(dataset.schema, schema)
    if not plan.exact and not plan.derived:
        raise SchemaError(
            f"no keypoint of {schema.name!r} can be had from {dataset.schema.name!r}",
            fix="choose a schema of the same kind of body; see kpt schema list",
        )
    xy, visibility = plan.apply(dataset.xy, dataset.visibility)
    columns: dict[str, Any] = {"schema": schema, "xy": xy, "visibility": visibility}
    if dataset.given_xy is not None:
        columns["given_xy"] = plan.take(dataset.given_xy, np.nan, axis=-2)
    if dataset.keypoint_score is not None:
        columns["keypoint_score"] = plan.lowest(dataset.keypoint_score)
    if dataset.xyz is not None:
        columns["xyz"] = plan.combine(dataset.xyz)
    columns["extras"], columns["numbers"], dropped = _without_point_columns(dataset)

    unused = [dataset.schema.index(name) for name in plan.unused]
    labelled = dataset.labelled
    notes = {f"lost {dataset.schema.names[k]}": int(labelled[:, k].sum()) for k in unused}
    for name, parents in plan.derived:
        count = int((visibility[:, schema.index(name)] != Visibility.UNLABELLED).sum())
        notes[f"derived {name} from {' + '.join(parents)}"] = count
    losers = dataset.ids[labelled[:, unused].any(axis=1)].tolist()
    ledger = Ledger(len(dataset), repaired={"lost labelled points": losers}, notes=notes | dropped)
    mapped = dataset.replace(**columns).noted(f"map_schema {dataset.schema.name} to {schema.name}")
    return mapped, ledger


def _without_point_columns(
    dataset: PoseDataset,
) -> tuple[dict[str, RawColumn], dict[str, NDArray[Any]], dict[str, int]]:
    """Drop raw texts and counts that speak of the old keypoints: on writing, raw text would win."""

    def speaks_of_points(key: str) -> bool:
        return key in {"keypoints", "num_keypoints"} or key.startswith("keypoints:")

    dropped = {
        f"dropped raw {key}": int(raw.present.sum())
        for key, raw in dataset.extras.items()
        if speaks_of_points(key)
    }
    extras = {key: raw for key, raw in dataset.extras.items() if not speaks_of_points(key)}
    numbers = {key: v for key, v in dataset.numbers.items() if not speaks_of_points(key)}
    return extras, numbers, dropped


def split(
    dataset: PoseDataset,
    parts: Mapping[str, float],
    *,
    seed: int,
    by: str | None = None,
) -> dict[str, tuple[PoseDataset, Ledger]]:
    """Divide the images at random, instances of one image (or one group) staying together.

    Args:
        dataset: what to divide.
        parts: name -> share, positive, adding up to 1: ``{"train": 0.8, "val": 0.2}``.
        seed: the same seed gives the same division.
        by: column whose equal values stay together: ``sequence``, ``camera`` (of the images),
            ``track``, ``category`` (of the instances). By default each image is its own group.

    Returns:
        Name -> the part (its images and instances) and its account.

    Raises:
        OptionError: shares do not add up to 1, or no such column.
        DatasetError: images of one group and instances of another cannot be told apart.
    """
    shares = np.array(list(parts.values()), dtype=float)
    if not len(shares) or (shares <= 0).any() or abs(shares.sum() - 1) > 1e-9:
        raise OptionError(f"parts: expected positive shares that add up to 1, got {dict(parts)}")
    groups = _image_groups(dataset, by)
    count = int(groups.max()) + 1 if len(groups) else 0
    shuffled = np.random.default_rng(seed).permutation(count)
    edges = np.round(np.cumsum(shares) * count).astype(int)
    part_of_group = np.empty(count, dtype=int)
    part_of_group[shuffled] = np.searchsorted(edges, np.arange(count), side="right")
    part_of_image = part_of_group[groups]
    out = {}
    for place, name in enumerate(parts):
        mine = np.flatnonzero(part_of_image == place)
        part = dataset.with_images(mine).noted(f"split {name} (seed {seed}, by {by or 'image'})")
        other = ~np.isin(dataset.image, mine)
        out[name] = (part, _left_out(dataset, other, "in another part"))
    return out


def _image_groups(dataset: PoseDataset, by: str | None) -> NDArray[np.intp]:
    """(M,) group number of each image."""
    if by is None:
        return np.arange(len(dataset.images))
    if by in {"sequence", "frame", "camera", "width", "height", "file_name"}:
        values = dataset.images.column(by) if by in {"sequence", "frame", "camera"} else None
        values = getattr(dataset.images, by) if values is None else values
        return np.unique(values.astype(object).astype(str), return_inverse=True)[1]
    if by in {"track", "category", "id"}:
        return _connected(dataset, dataset.column(by))
    raise OptionError(
        f"by: expected a column of images (sequence, camera, file_name) or of instances "
        f"(track, category), got {by!r}"
    )


def _connected(dataset: PoseDataset, values: NDArray[Any]) -> NDArray[np.intp]:
    """Images that share a value, directly or through others, form one group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    listed = dataset.image >= 0
    images = len(dataset.images)
    codes = np.unique(values[listed].astype(TEXT), return_inverse=True)[1] + images
    size = images + int(codes.max(initial=images - 1)) - images + 1
    edges = coo_array((np.ones(len(codes)), (dataset.image[listed], codes)), shape=(size, size))
    labels = connected_components(edges, directed=False)[1][:images]
    return np.unique(labels, return_inverse=True)[1]


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

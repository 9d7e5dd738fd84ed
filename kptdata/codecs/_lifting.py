"""What lifting codecs share: roots taken out and put back, and the layout of 2D inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kptdata._array import Array, asarray_like, check_array, namespace
from kptdata.codecs.base import DecodedKeypoints, all_finite, decoded
from kptdata.errors import OptionError

Numbers = tuple[tuple[float, ...], ...]


def root_indices(root_index: int | Sequence[int], num_keypoints: int) -> tuple[int, ...]:
    """Return the root's keypoints as a tuple; raise `OptionError` where one is none."""
    indices = (root_index,) if isinstance(root_index, int) else tuple(root_index)
    if not indices or not all(0 <= i < num_keypoints for i in indices):
        raise OptionError(
            f"root_index: expected keypoints from 0 to {num_keypoints - 1}, got {root_index}"
        )
    return indices


def take_root(target: Array, indices: tuple[int, ...]) -> Array:
    """Return the mean of the root's keypoints: (..., K, C) -> (..., C)."""
    total = target[..., indices[0], :]
    for index in indices[1:]:
        total = total + target[..., index, :]
    return total / len(indices)


def without(values: Array, index: int, axis: int) -> Array:
    """Leave out one entry of `values` along `axis`, -1 or -2."""
    xp = namespace(values)
    parts = (
        [values[..., :index], values[..., index + 1 :]]
        if axis == -1
        else [values[..., :index, :], values[..., index + 1 :, :]]
    )
    return xp.concat(parts, axis=axis)


def insert(values: Array, row: Array, index: int) -> Array:
    """Put `row` (..., C) in front of entry `index` of `values` (..., K, C)."""
    xp = namespace(values)
    rows = xp.broadcast_to(row[..., None, :], (*values.shape[:-2], 1, values.shape[-1]))
    return xp.concat([values[..., :index, :], rows, values[..., index:, :]], axis=-2)


def finite(values: Array) -> Array:
    """Put 0 in place of NaN and infinity."""
    xp = namespace(values)
    kept: Any = xp.where(xp.isfinite(values), values, 0.0)
    return kept


def with_visibility(labels: Array, labelled: Array) -> Array:
    """Append to each keypoint (..., K, D) whether it is labelled: (..., K, D + 1)."""
    xp = namespace(labels)
    return xp.concat([labels, xp.astype(labelled, labels.dtype)[..., None]], axis=-1)


def as_channels(labels: Array) -> Array:
    """Turn (..., N, K, D) into channels (..., K D, N)."""
    xp = namespace(labels)
    keypoints, axes = labels.shape[-2:]
    flat = xp.reshape(labels, (*labels.shape[:-2], keypoints * axes))
    return xp.matrix_transpose(flat)


def check_target(target: Array, visible: Array, num_keypoints: int) -> None:
    """Check `lifting_target` (..., K, 3) and `lifting_target_visible` (..., K) bool."""
    check_array("lifting_target", target, f"(..., T, {num_keypoints}, C)")
    check_array("lifting_target_visible", visible, target.shape[:-1], "bool")


def as_rows(name: str, numbers: Any, rows: int) -> Numbers | None:
    """Turn nested numbers into `rows` rows of equal length, or raise `OptionError`."""
    if numbers is None:
        return None
    flat = list(_flatten(numbers))
    if not flat or len(flat) % rows:
        raise OptionError(f"{name}: expected {rows} rows of numbers, got {len(flat)} numbers")
    length = len(flat) // rows
    return tuple(tuple(flat[i * length : (i + 1) * length]) for i in range(rows))


def _flatten(numbers: Any) -> Any:
    try:
        parts = iter(numbers)
    except TypeError:
        yield float(numbers)
        return
    for part in parts:
        yield from _flatten(part)


def restored(xyz: Array, target_root: Array | None, removed: int | None) -> DecodedKeypoints[Array]:
    """Add the root (..., N, C) to `xyz` (..., N, K, C), and put it back where it was `removed`.

    Keypoints that are not finite are NaN with score 0, all others score 1.
    """
    xp = namespace(xyz)
    if target_root is not None:
        check_array("target_root", target_root, (*xyz.shape[:-2], xyz.shape[-1]))
        root = asarray_like(target_root, xyz)
        xyz = xyz + root[..., None, :]
        if removed is not None:
            xyz = insert(xyz, root, removed)
    found = all_finite(xyz)
    return decoded(xp.where(found[..., None], xyz, float("nan")), xp.astype(found, xyz.dtype))

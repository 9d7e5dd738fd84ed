"""The only code that knows which array library it is looking at: checks, gather, blur, peaks.

Everything else is written once against the array API namespace of its input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array

from kptdata.errors import ArrayError

__all__ = [
    "Array",
    "Stamps",
    "asarray_like",
    "band_matrix",
    "blur",
    "cells",
    "check_array",
    "constant",
    "divide",
    "exp",
    "gather",
    "gather_near",
    "gaussian_kernel",
    "namespace",
    "outer",
    "patch_blur",
    "peaks",
    "slide",
    "stack_maps",
    "stamp",
]

Array = TypeVar("Array", bound=Any)

_KINDS = {
    "real": ("real floating",),
    "bool": ("bool",),
    "int": ("integral",),
    "number": ("real floating", "integral"),
    "any": ("real floating", "integral", "bool"),
}


def namespace(array: Any) -> Any:
    """Return the array API namespace of `array`, quickly where it is NumPy's own."""
    return _numpy_namespace() if type(array) is np.ndarray else array_namespace(array)


@lru_cache(maxsize=1)
def _numpy_namespace() -> Any:
    # Its import loads the corners of NumPy, for longer than NumPy itself: not for a mere check.
    from array_api_compat import numpy

    return numpy


def check_array(name: str, array: Any, shape: str | Sequence[int], kind: str = "real") -> None:
    """Refuse an array whose shape or element type is not the one asked for.

    Args:
        name: the argument's name, first word of the message.
        array: a NumPy array or torch tensor.
        shape: a tuple of sizes, or text such as ``"(..., K, 2)"``: letters match any size,
            numbers only themselves, a leading ``...`` any number of axes.
        kind: ``real`` (floating), ``bool``, ``int``, ``number`` (floating or integer) or ``any``.

    Raises:
        ArrayError: the message names the argument, what was expected and what was found.
    """
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise ArrayError(
            f"{name}: expected an array of shape {_show(shape)}, got {type(array).__name__}"
        )
    if not _fits(tuple(array.shape), shape):
        raise ArrayError(f"{name}: expected shape {_show(shape)}, got {tuple(array.shape)}")
    xp = np if type(array) is np.ndarray else array_namespace(array)
    if not _is_kind(xp, array.dtype, kind):
        raise ArrayError(f"{name}: expected {kind} elements, got {array.dtype}")


def _show(shape: str | Sequence[int]) -> str:
    return shape if isinstance(shape, str) else str(tuple(int(s) for s in shape))


@lru_cache(maxsize=256)
def _is_kind(xp: Any, dtype: Any, kind: str) -> bool:
    return any(xp.isdtype(dtype, k) for k in _KINDS[kind])


def _fits(found: tuple[int, ...], expected: str | Sequence[int]) -> bool:
    if not isinstance(expected, str):
        return found == tuple(expected)
    any_lead, axes = _parse(expected)
    if any_lead:
        found = found[max(len(found) - len(axes), 0) :]
    if len(found) != len(axes):
        return False
    return all(axis is None or axis == size for axis, size in zip(axes, found, strict=True))


@lru_cache(maxsize=256)
def _parse(shape: str) -> tuple[bool, tuple[int | None, ...]]:
    """Split ``"(..., K, 2)"`` into whether leading axes are free, and the sizes that are fixed."""
    axes = [axis.strip() for axis in shape.strip("()").split(",") if axis.strip()]
    any_lead = bool(axes) and axes[0] == "..."
    return any_lead, tuple(int(a) if a.isdigit() else None for a in axes[any_lead:])


def asarray_like(values: Any, array: Array) -> Array:
    """Turn `values`, numbers or an array, into an array of the kind, type and device of `array`."""
    if is_torch_array(values):  # torch.asarray warns about a tensor with a gradient
        moved: Any = values.to(dtype=array.dtype, device=array.device)
        return moved
    if type(array) is np.ndarray:
        made: Any = np.asarray(values, array.dtype)
        return made
    return array_namespace(array).asarray(values, dtype=array.dtype, device=device(array))


def cells(size: int, array: Array) -> Array:
    """Return 0, 1 ... ``size - 1`` in the kind, type and device of `array`."""
    made: Any
    if type(array) is np.ndarray:
        made = np.arange(size, dtype=array.dtype)
        return made
    made = namespace(array).arange(size, dtype=array.dtype, device=device(array))
    return made


def gather(array: Array, index: Array, axis: int = -1) -> Array:
    """Pick `index` along `axis`; both have the same number of axes, like ``take_along_axis``.

    The compatibility layer's own version pins the batch size under ``torch.export``.
    """
    picked: Any
    if is_torch_array(array):
        picked = array.gather(axis, index)
    elif axis == -1 and array.shape[:-1] == index.shape[:-1]:
        # A quarter of the time of take_along_axis, which builds an index for every axis.
        picked = array.reshape(-1).take(index + _row_starts(array.shape))
    else:
        picked = np.take_along_axis(array, index, axis)
    return picked


def gather_near(array: Array, index: Array) -> Array:
    """Pick `index` along the last axis, where an index beyond the row picks anything at all.

    For neighbourhoods that reach over the border and are masked afterwards.
    """
    picked: Any
    if is_torch_array(array):
        picked = array.gather(-1, index.clamp(0, array.shape[-1] - 1))
    else:
        picked = array.reshape(-1).take(index + _row_starts(array.shape), mode="clip")
    return picked


@lru_cache(maxsize=256)
def _row_starts(shape: tuple[int, ...]) -> Any:
    """Return where each row of a C-ordered array begins, with the shape (..., 1)."""
    starts = np.arange(math.prod(shape[:-1])) * shape[-1]
    starts.flags.writeable = False
    return starts.reshape(*shape[:-1], 1)


def constant(make: Callable[..., Any], like: Array, *args: Any) -> Array:
    """Return the NumPy array ``make(*args)`` in the kind, type and device of `like`.

    `make` must give the same for the same arguments: NumPy's copies are kept.
    """
    if type(like) is np.ndarray:
        return _made(make, like.dtype, args)
    return asarray_like(np.array(make(*args)), like)  # torch wants an array it may write to


@lru_cache(maxsize=256)
def _made(make: Callable[..., Any], dtype: Any, args: tuple[Any, ...]) -> Any:
    made = np.array(make(*args), dtype)
    made.flags.writeable = False
    return made


class Stamps(NamedTuple):
    """Small patches on maps that are 0 elsewhere."""

    patches: Any  # (..., n, n)
    corner: Any  # (..., 2) integer x and y of the first cell; the patch lies on the map


def stamp(stamps: Stamps, width: int, height: int) -> Any:
    """Draw patches into maps (..., H, W): nothing is computed for the rest but zeros."""
    patches, corner = stamps
    lead, side = patches.shape[:-2], patches.shape[-1]
    if is_torch_array(patches):
        reach = cells(side, corner)
        index = (corner[..., 1, None] + reach)[..., None] * width
        index = index + (corner[..., 0, None] + reach)[..., None, :]
        empty = patches.new_zeros((*lead, height * width))
        flat = (*lead, side * side)
        maps = empty.scatter_(-1, index.reshape(flat), patches.reshape(flat))
        return maps.reshape(*lead, height, width)
    drawn = np.zeros((*lead, height, width), patches.dtype)
    _put(drawn.reshape(-1, height, width), stamps)
    return drawn


def _put(maps: Any, stamps: Stamps) -> None:
    """Write NumPy patches into a view (M, H, W) of maps that are being made."""
    side = stamps.patches.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(
        maps, (side, side), axis=(1, 2), writeable=True
    )
    first = stamps.corner.reshape(-1, 2)
    flat = stamps.patches.reshape(-1, side, side)
    windows[np.arange(len(maps)), first[:, 1], first[:, 0]] = flat


def stack_maps(shape: tuple[int, ...], *maps: Any) -> Any:
    """Alternate M stacks of maps: (..., M K, H, W), each written once, in place.

    Args:
        shape: (..., K, H, W).
        maps: arrays that broadcast to `shape`, or `Stamps`.
    """
    lead, (height, width) = shape[:-2], shape[-2:]
    like = next(one for one in maps if not isinstance(one, Stamps))
    xp = namespace(like)
    whole = xp.empty((*lead, len(maps), height, width), dtype=like.dtype, device=device(like))
    for place, one in enumerate(maps):
        view = whole[..., place, :, :]
        if not isinstance(one, Stamps):
            view[...] = one
        elif is_torch_array(whole):
            view[...] = stamp(one, width, height)
        else:
            view[...] = 0
            _put(whole.reshape(-1, len(maps), height, width)[:, place], one)
    return xp.reshape(whole, (*lead[:-1], lead[-1] * len(maps), height, width))


def outer(columns: Array, rows: Array) -> Array:
    """Multiply columns (..., H) and rows (..., W) to maps (..., H, W)."""
    product: Any
    if is_torch_array(rows):
        product = columns[..., :, None] * rows[..., None, :]
    else:  # two thirds of the time of the same product by broadcasting
        product = np.einsum("...h,...w->...hw", columns, rows)
    return product


def exp(exponent: Array) -> Array:
    """Return e to the power of `exponent`, none above 0; what is below e^-80 becomes e^-80 or 0.

    torch needs seven times as long for results that underflow, so its exponents are clamped.
    """
    if is_torch_array(exponent):
        clamped: Any = exponent.clamp(min=-80.0).exp()
        return clamped
    raised: Any = np.exp(exponent)
    return raised


def divide(top: Array, bottom: Array) -> Array:
    """Divide; by zero it is infinite or NaN, without NumPy's warning."""
    if is_torch_array(top):
        return top / bottom
    with np.errstate(divide="ignore", invalid="ignore"):
        return top / bottom


def slide(table: Array, start: Array, size: int) -> Array:
    """Return the stretches ``table[s : s + size]`` for every `start`: (...) -> (..., size).

    Each is copied once, in one piece, so a row that is the same curve at another place costs no
    arithmetic. `start` must lie in ``0 ... len(table) - size``.
    """
    picked: Any
    if is_torch_array(table):
        rows = table.unfold(0, size, 1).index_select(0, start.reshape(-1))
        picked = rows.reshape(*start.shape, size)
    else:
        picked = np.lib.stride_tricks.sliding_window_view(table, size)[start]
    return picked


def peaks(rows: Array) -> tuple[Array, Array, Array]:
    """Find the highest cell of each row: its index, its value, and whether the row is flat.

    Args:
        rows: (..., S). Of equal cells the first counts; a NaN counts as the highest.

    Returns:
        Index (...), value (...), flat (...) bool: all cells are equal.
    """
    if is_torch_array(rows):
        index = _first_highest(rows)
        value = gather(rows, index[..., None])[..., 0]
        return index, value, rows.amin(-1) == value
    index = rows.argmax(-1)
    value = gather(rows, index[..., None])[..., 0]
    # A flat row has its highest cell first: only such rows need a second look.
    flat: Any = index == 0
    if flat.any():
        flat[flat] = (rows[flat] == value[flat][:, None]).all(-1)
    return index, value, flat


def _first_highest(rows: Any) -> Any:
    """Return torch's argmax along the last axis, the first of equals.

    Its argmax goes cell by cell, its maximum by whole registers: so first the block that holds the
    maximum, then the cell in that block.
    """
    size = rows.shape[-1]
    block = next((b for b in range(96, 15, -1) if size % b == 0), size)
    if block == size:
        return rows.argmax(-1)
    blocks = rows.reshape(*rows.shape[:-1], size // block, block)
    which = blocks.amax(-1).argmax(-1, keepdim=True)
    index = which[..., None].expand(*which.shape, block)
    cell = blocks.gather(-2, index)[..., 0, :].argmax(-1)
    return which[..., 0] * block + cell


@lru_cache(maxsize=64)
def gaussian_kernel(size: int) -> tuple[float, ...]:
    """Return the smoothing kernel that OpenCV takes for an odd `size` when no sigma is given.

    Up to nine taps it is a fixed table; from there sigma is ``0.3 ((size - 1) / 2 - 1) + 0.8``.
    """
    fixed = {
        1: (1,),
        3: (1, 2, 1),
        5: (1, 4, 6, 4, 1),
        7: (2, 7, 14, 18, 14, 7, 2),
        9: (4, 13, 30, 51, 60, 51, 30, 13, 4),
    }
    if size in fixed:
        taps = np.array(fixed[size], float)
    else:
        half = (size - 1) / 2
        sigma = 0.3 * (half - 1) + 0.8
        taps = np.exp(-((np.arange(size) - half) ** 2) / (2 * sigma**2))
    return tuple((taps / taps.sum()).tolist())


@lru_cache(maxsize=64)
def band_matrix(cells_: int, kernel_size: int, border: str) -> np.ndarray[Any, Any]:
    """Return the matrix (S, S) that smooths a row of S cells; beyond the border it sees zeros.

    With ``border="reflect"`` it sees the row mirrored about its last cell (OpenCV's default).
    """
    half = kernel_size // 2
    matrix = np.zeros((cells_, cells_))
    row = np.arange(cells_)
    period = max(2 * (cells_ - 1), 1)
    for offset, tap in zip(range(-half, half + 1), gaussian_kernel(kernel_size), strict=True):
        seen = row + offset
        if border == "reflect":
            folded = seen % period
            np.add.at(matrix, (row, np.minimum(folded, period - folded) % cells_), tap)
        else:
            inside = (seen >= 0) & (seen < cells_)
            matrix[row[inside], seen[inside]] += tap
    matrix.flags.writeable = False
    return matrix


def blur(maps: Array, kernel_size: int, border: str = "zero") -> Array:
    """Smooth maps (..., H, W) by the gaussian of `kernel_size`, as two matrix products.

    The matrices hold what happens at the border (`band_matrix`), so there is nothing to pad, and
    the same lines are differentiable and exportable.
    """
    height, width = maps.shape[-2:]
    across = constant(band_matrix, maps, width, kernel_size, border).T
    down = constant(band_matrix, maps, height, kernel_size, border)
    xp = namespace(maps)
    with np.errstate(invalid="ignore", over="ignore"):  # an infinite map is data, not an error
        # One product of all rows at once: NumPy would make one per map.
        rows = xp.reshape(maps, (-1, width)) @ across
        smooth: Any = down @ xp.reshape(rows, maps.shape)
        return smooth


@lru_cache(maxsize=64)
def patch_blur(radius: int, kernel_size: int, axes: int = 2) -> np.ndarray[Any, Any]:
    """Return the matrix that smooths a patch and keeps its middle.

    A patch reaches ``radius + kernel_size // 2`` cells each way, its middle `radius` cells; both
    are flattened, so that the smoothed middle of many patches is one matrix product.
    """
    half = kernel_size // 2
    inner = 2 * radius + 1
    line = np.zeros((inner + 2 * half, inner))
    for cell in range(inner):
        line[cell : cell + kernel_size, cell] = gaussian_kernel(kernel_size)
    matrix = np.kron(line, line) if axes == 2 else line
    matrix.flags.writeable = False
    return matrix

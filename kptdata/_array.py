"""The only code that knows which array library it is looking at: checks, gather, blur.

Everything else is written once against the array API namespace of its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from array_api_compat import array_namespace, device, is_torch_array

from kptdata.errors import ArrayError

__all__ = ["Array", "asarray_like", "check_array", "gather"]

Array = TypeVar("Array", bound=Any)

_KINDS = {
    "real": ("real floating",),
    "bool": ("bool",),
    "int": ("integral",),
    "number": ("real floating", "integral"),
    "any": ("real floating", "integral", "bool"),
}


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
    xp = array_namespace(array)
    if not any(xp.isdtype(array.dtype, k) for k in _KINDS[kind]):
        raise ArrayError(f"{name}: expected {kind} elements, got {array.dtype}")


def _show(shape: str | Sequence[int]) -> str:
    return shape if isinstance(shape, str) else str(tuple(int(s) for s in shape))


def _fits(found: tuple[int, ...], expected: str | Sequence[int]) -> bool:
    if not isinstance(expected, str):
        return found == tuple(expected)
    axes = [axis.strip() for axis in expected.strip("()").split(",") if axis.strip()]
    if axes and axes[0] == "...":
        axes = axes[1:]
        if len(found) < len(axes):
            return False
        found = found[len(found) - len(axes) :]
    if len(found) != len(axes):
        return False
    return all(
        not axis.isdigit() or int(axis) == size for axis, size in zip(axes, found, strict=True)
    )


def asarray_like(values: Any, array: Array) -> Array:
    """Turn `values`, numbers or an array, into an array of the kind, type and device of `array`."""
    if is_torch_array(values):  # torch.asarray warns about a tensor with a gradient
        moved: Any = values.to(dtype=array.dtype, device=array.device)
        return moved
    return array_namespace(array).asarray(values, dtype=array.dtype, device=device(array))


def gather(array: Array, index: Array, axis: int = -1) -> Array:
    """Pick `index` along `axis`; both have the same number of axes, like ``take_along_axis``.

    The compatibility layer's own version pins the batch size under ``torch.export``.
    """
    if is_torch_array(array):
        picked: Any = array.gather(axis, index)
        return picked
    import numpy as np

    taken: Any = np.take_along_axis(array, index, axis)
    return taken

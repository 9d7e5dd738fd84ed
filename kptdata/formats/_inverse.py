"""Numbers whose decoding is exact: the way into a unit that a reader will multiply out of again.

``(x / w) * w`` is often one last digit off ``x``, as both steps round. Of the neighbours of
``x / w`` one usually decodes exactly. Where none does, a text of more digits than a float64 holds
is written: any reader takes it as the nearest number, and ours multiplies it before it rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation, Overflow, localcontext

import numpy as np
from numpy.typing import NDArray

__all__ = ["exact_quotient", "inverse", "is_long", "not_tiny", "product"]

Floats = NDArray[np.float64]

_TINY = 1e-20  # pixels
_NEAR = (1, -1, 2, -2)  # units in the last place


def inverse(wanted: Floats, guess: Floats, decode: Callable[[Floats], Floats]) -> Floats:
    """Return the numbers nearest to `guess` that `decode` turns into exactly `wanted`.

    Where no number within two last digits does, the guess stands. NaN stays NaN.
    """
    best = guess.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        open_ = (decode(best) != wanted) & np.isfinite(guess)
        step = np.spacing(np.where(np.isfinite(guess), guess, 0.0))
        for count in _NEAR:
            if not open_.any():
                break
            other = guess + count * step
            hit = open_ & (decode(other) == wanted)
            best[hit] = other[hit]
            open_ &= ~hit
    return best


def not_tiny(pixels: Floats) -> Floats:
    """Return pixels, 0 for those that are so near to it that a text of them has no end."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(pixels) < _TINY, 0.0, pixels)


_LONG, _LONGEST = 24, 64  # characters; the shortest text of any float64 has at most 24
_DIGITS = 42


def is_long(token: bytes | str) -> bool:
    """Tell whether the text of a number has more digits than a float64 holds."""
    return _LONG < len(token) <= _LONGEST


def exact_quotient(terms: tuple[float, ...], size: int | Decimal) -> str:
    """Return the sum of `terms`, divided by `size`, as a text that `is_long`."""
    with localcontext() as context:
        context.prec = _DIGITS
        text = format(sum(map(Decimal, terms), Decimal(0)) / size, "f")
    return text[:_LONGEST] if "." not in text else text[:_LONGEST].ljust(_LONG + 1, "0")


def product(token: str, size: float | Decimal, minus: float = 0.0) -> float:
    """Return the number that a long text says, times `size`, less `minus`, rounded once."""
    with localcontext() as context:
        context.prec = 2 * _DIGITS
        try:
            return float(Decimal(token) * Decimal(size) - Decimal(minus))
        except (InvalidOperation, Overflow, OverflowError):
            return float(token) * float(size) - minus

"""Words beside points, each where it covers least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kptdata.viz._draw import DIM, INK, line, text, text_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kptdata.viz._draw import Picture

__all__ = ["Labels"]

_HALO = (12, 14, 18)
_TURNS = np.arange(12) * np.pi / 6
_AROUND = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)


class Labels:
    """Words on one picture, which keep clear of each other and of the points.

    Args:
        picture: what is written on.
        points: (P, 2) positions that words should not cover.
        size: of the letters, pixels.
    """

    def __init__(self, picture: Picture, points: NDArray[np.float64], size: float) -> None:
        self._picture, self._points, self._size = picture, points, size
        self._taken = np.empty((0, 4))

    def write(
        self, words: Sequence[str], at: NDArray[np.float64], reach: NDArray[np.float64]
    ) -> None:
        """Write `words` beside `at` (P, 2), at least `reach` (P,) pixels away."""
        # Far from the middle first: those have room outside, the inner ones take what is left.
        middle = at.mean(axis=0) if len(at) else 0
        for i in np.argsort(-np.linalg.norm(at - middle, axis=1), kind="stable"):
            self._write(words[i], at[i], float(reach[i]), at[i] - middle)

    def _write(
        self, word: str, at: NDArray[np.float64], reach: float, outward: NDArray[np.float64]
    ) -> None:
        half = np.array(text_size(word, self._size)) / 2 + 1.5
        best, cost = None, np.inf
        for step in (0.0, 1.2, 2.6, 4.5):
            centres = at + _AROUND * (half + reach + 1 + step * self._size * 0.7)
            for centre, way in zip(centres, _AROUND, strict=True):
                box = np.concatenate([centre - half, centre + half])
                price = self._covered(box) + 0.35 * step - 0.1 * float(way @ _unit(outward))
                if price < cost:
                    best, cost = box, price
        if best is None:
            return
        self._taken = np.vstack([self._taken, best])
        centre = (best[:2] + best[2:]) / 2
        near = np.clip(at, best[:2], best[2:])
        if np.linalg.norm(near - at) > reach + 0.6 * self._size:
            line(self._picture, near, at, DIM)
        text(self._picture, word, centre, self._size, INK, anchor="mm", halo=_HALO)

    def _covered(self, box: NDArray[np.float64]) -> float:
        height, width = self._picture.shape[:2]
        area = float(np.prod(box[2:] - box[:2]))
        both = np.minimum(box[2:], self._taken[:, 2:]) - np.maximum(box[:2], self._taken[:, :2])
        words = float(np.maximum(both, 0).prod(axis=1).sum()) / area
        points = ((self._points > box[:2]) & (self._points < box[2:])).all(axis=1).sum()
        kept = np.minimum(box[2:], (width, height)) - np.maximum(box[:2], 0)
        outside = 1 - float(np.maximum(kept, 0).prod()) / area
        return 6 * words + 0.8 * float(points) + 20 * outside


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector

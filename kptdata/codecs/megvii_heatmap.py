"""Megvii heatmaps: a smoothed cell per keypoint, 255 at its peak, decoded after smoothing again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from kptdata._array import (
    Array,
    asarray_like,
    band_matrix,
    blur,
    check_array,
    constant,
    divide,
    namespace,
)
from kptdata.codecs import _gaussian, base
from kptdata.codecs._flip import mean_of_mirrored, mirror_maps
from kptdata.codecs._peaks import Peaks, find_peaks, quarter_shift, settle
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.crop import TopDown
from kptdata.codecs.msra_heatmap import HeatmapTarget

__all__ = ["MegviiHeatmap"]


@dataclass(frozen=True)
class MegviiHeatmap(TopDown):
    """The cell that holds the keypoint, smoothed, with 255 at that cell (MSPN, RSN).

    Coordinates are divided by ``input_size / heatmap_size`` and rounded down; decoding adds half a
    cell again, except in the first two rows and columns and in the last. Several people are merged
    by maximum.

    Differences from the reference (MMPose 1.3.2), each undone by ``reference=True``: coordinates
    round down and not toward zero, so a point left of the map is outside; maps without a peak
    (nothing above 0, NaN, the same everywhere) decode to NaN with score 0.

    Gradients reach the heatmaps through `score` only.

    ``decode(encode(xy))`` is within `bound` of `xy`: half a cell of rounding and the quarter shift,
    away from the border.

    Args:
        input_size: width and height of the network input, pixels.
        heatmap_size: width and height of the maps, cells.
        kernel_size: odd width of the smoothing kernel, cells.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a size is not positive, or the kernel size not odd.

    References:
        Li et al., "Rethinking on Multi-Stage Networks" (MSPN), 2019, arXiv:1901.00148.
        Cai et al., "Learning Delicate Local Representations" (RSN), ECCV 2020, arXiv:2003.04030.
    """

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    kernel_size: int
    reference: bool = False

    score_meaning: ClassVar[str] = (
        "the highest cell divided by 255, plus a half: 1.5 on a perfect target, not a probability"
    )
    score_range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __post_init__(self) -> None:
        for name in ("input_size", "heatmap_size"):
            object.__setattr__(self, name, base.positive_sizes(name, getattr(self, name)))
        base.odd("kernel_size", self.kernel_size)

    @property
    def stride(self) -> tuple[float, float]:
        """Pixels of the network input per cell, in x and y; cell i is centred on i + 0.5."""
        (w, h), (width, height) = self.input_size, self.heatmap_size
        return w / width, h / height

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be from `xy`, pixels, and how far from the border."""
        across, down = self.stride
        # Nearer to the border the mirrored tails of the target and the zeros of decoding pull.
        return Bound((0.75 * across, 0.75 * down), (self.kernel_size + 2) * max(across, down))

    def encode(
        self, xy: Array, labelled: Array, *, weight: Array | None = None
    ) -> HeatmapTarget[Array]:
        """Turn keypoints into maps.

        Args:
            xy: (..., N, K, 2) pixels of the network input; NaN is not known.
            labelled: (..., N, K) bool.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        points = base.check_points(xy, labelled)
        xp = namespace(xy)
        whole = xp.trunc if self.reference else xp.floor
        cell = whole(points.xy / asarray_like(self.stride, xy))
        size = asarray_like(self.heatmap_size, xy)
        inside = (cell >= 0) & (cell < size)
        seen = points.known & inside[..., 0] & inside[..., 1]
        rows, columns = (
            constant(_smoothed_cells, xy, size, self.kernel_size)[place]
            for size, place in zip(self.heatmap_size, self._indices(cell, seen), strict=True)
        )
        rows = xp.where(seen[..., None], 255.0 * rows, 0.0)
        heatmaps = _gaussian.draw(_gaussian.Factors(rows, columns, None, seen), self.heatmap_size)
        return HeatmapTarget(heatmaps, base.weigh(seen, weight, xy))

    @staticmethod
    def _indices(cell: Array, seen: Array) -> tuple[Array, Array]:
        xp = namespace(cell)
        index = xp.astype(xp.where(seen[..., None], cell, 0.0), xp.int64)
        return index[..., 0], index[..., 1]

    def decode(self, heatmaps: Array) -> DecodedKeypoints[Array]:
        """Turn maps (..., K, H, W) into keypoints (..., 1, K, 2); raises `ArrayError`.

        Of equal highest cells of the smoothed map the first counts, row by row.
        """
        width, height = self.heatmap_size
        check_array("heatmaps", heatmaps, f"(..., K, {height}, {width})")
        peak = self._find(heatmaps)
        xp = namespace(heatmaps)
        # The order of summation must not decide between neighbours that are mirror images.
        shift = quarter_shift(peak, width, height, 32 * xp.finfo(heatmaps.dtype).eps)
        x, y = peak.place[..., 0], peak.place[..., 1]
        inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
        place = peak.place + xp.where(inner[..., None], shift + 0.5, 0.0)
        scored = peak._replace(value=peak.value / 255 + 0.5)
        pixels = place * asarray_like(self.stride, heatmaps)
        xy, score = settle(pixels, scored, reference=self.reference)
        return base.decoded(xy[..., None, :, :], score[..., None, :])

    def _find(self, heatmaps: Array) -> Peaks:
        """Find the peaks of the smoothed maps; `value` is as if smoothing kept the maximum."""
        smooth = blur(heatmaps, self.kernel_size)
        if self.reference:
            xp = namespace(heatmaps)
            kept = divide(xp.max(heatmaps, axis=(-2, -1)), xp.max(smooth, axis=(-2, -1)))
            return find_peaks(smooth * kept[..., None, None], reference=True)
        peak, raw = find_peaks(smooth), find_peaks(heatmaps)
        return peak._replace(value=raw.value, found=peak.found & raw.found)

    def flip_merge(
        self,
        outputs: tuple[Array],
        flipped: tuple[Array],
        swap_indices: Any,
        *,
        shift: bool = False,
    ) -> tuple[Array]:
        """Average the maps of an input with those of its mirror image.

        Args:
            outputs: the maps (..., K, H, W) of the input, as `decode` takes them.
            flipped: the maps of the mirrored input.
            swap_indices: (K,) which keypoint each is after mirroring.
            shift: move the mirrored maps one cell to the right; needless here, since cells are
                decoded by their centres. The result for a mirrored input is the mirrored result to
                one pixel.
        """
        mirrored = mirror_maps(flipped[0], swap_indices, shift=int(shift))
        return (mean_of_mirrored(outputs[0], mirrored),)

    def as_output(self, target: HeatmapTarget[Array]) -> tuple[Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return (target.heatmaps,)


@lru_cache(maxsize=16)
def _smoothed_cells(size: int, kernel_size: int) -> Any:
    """Return each cell of a row smoothed, 1 at its peak: (S, S)."""
    smoothed = band_matrix(size, kernel_size, "reflect").T
    return smoothed / smoothed.diagonal()[:, None]

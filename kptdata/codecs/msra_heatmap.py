"""MSRA heatmaps: a gaussian per keypoint, decoded by its peak; DARK when unbiased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

from kptdata._array import Array, asarray_like, check_array
from kptdata.codecs import _gaussian, base
from kptdata.codecs._dark import fall_back, plain_step
from kptdata.codecs._flip import mean_of_mirrored, mirror_maps
from kptdata.codecs._peaks import Peaks, find_peaks, quarter_shift, settle
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.crop import TopDown

__all__ = ["HeatmapTarget", "MSRAHeatmap"]


class HeatmapTarget(NamedTuple, Generic[Array]):
    """What a heatmap head is trained on."""

    heatmaps: Array  # (..., K, H, W), for combined maps (..., 3 K, H, W)
    keypoint_weights: Array  # (..., N, K) 0 where nothing of the keypoint lies on the map


@dataclass(frozen=True)
class MSRAHeatmap(TopDown):
    """One gaussian of height 1 per keypoint, about the nearest cell or, unbiased, about the point.

    Coordinates are divided by ``input_size / heatmap_size``: cell ``i`` stands for pixel
    ``i * stride``. Decoding finds the highest cell and goes a quarter of a cell toward its higher
    neighbour; unbiased it takes the step of DARK. Several people are merged by maximum.

    Differences from the reference (MMPose 1.3.2), each undone by ``reference=True``: coordinates
    round down and not toward zero, so a point left of the map is outside; a gaussian peaks at its
    keypoint when three sigma is no whole number, where the reference's is a cell off; a gaussian
    that just misses the map has weight 0; maps without a peak (nothing above 0, NaN, the same
    everywhere) decode to NaN with score 0, and not to -1 cell; a DARK step is taken only where the
    Hessian is negative definite and the step is at most one cell, else the quarter shift
    (`fallbacks` tells where), and it smooths only a patch about each peak.

    Gradients reach the heatmaps through `score` and through a DARK step; the highest cell and the
    quarter shift have none.

    ``decode(encode(xy))`` is within `bound` of `xy`: plain, half a cell of rounding and the quarter
    shift, for points whose nearest cell is on the map; unbiased, 0.1 cell for a sigma of 0.6 or
    more, where the smoothed cells about the peak are on the map.

    Args:
        input_size: width and height of the network input, pixels.
        heatmap_size: width and height of the maps, cells.
        sigma: standard deviation of the gaussians, cells.
        unbiased: gaussians about the exact point, decoded by DARK.
        blur_kernel_size: odd width in cells of DARK's smoothing, best about that of the targets.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a size or sigma is not positive, or the kernel size not odd.

    References:
        Xiao et al., "Simple Baselines", ECCV 2018, arXiv:1804.06208.
        Zhang et al., "Distribution-Aware Coordinate Representation" (DARK), CVPR 2020,
        arXiv:1910.06278.
    """

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    sigma: float
    unbiased: bool = False
    blur_kernel_size: int = 11
    reference: bool = False

    score_meaning: ClassVar[str] = (
        "the value of the highest cell: 1 on a perfect target, not a probability"
    )
    score_range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __post_init__(self) -> None:
        for name in ("input_size", "heatmap_size"):
            object.__setattr__(self, name, base.positive_sizes(name, getattr(self, name)))
        base.positive("sigma", self.sigma)
        base.odd("blur_kernel_size", self.blur_kernel_size)

    @property
    def stride(self) -> tuple[float, float]:
        """Pixels of the network input per cell, in x and y."""
        return (
            self.input_size[0] / self.heatmap_size[0],
            self.input_size[1] / self.heatmap_size[1],
        )

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be from `xy`, pixels, and how far from the border."""
        across, down = self.stride
        if not self.unbiased:
            # The last pixels are past the last cell by up to one stride less a pixel.
            return Bound((0.75 * across, 0.75 * down), max(0.0, max(across, down) / 2 - 1))
        # The smoothed cells about the peak, two each way, must not see what is beyond the border.
        reach = self.blur_kernel_size // 2 + 2.5
        return Bound((0.1 * across, 0.1 * down), reach * max(across, down))

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
        factors = self.gaussians(xy, labelled)
        heatmaps = _gaussian.draw(factors, self.heatmap_size)
        return HeatmapTarget(heatmaps, base.weigh(factors.seen, weight, xy))

    def gaussians(self, xy: Array, labelled: Array) -> _gaussian.Factors:
        """Return the rows and columns whose products are the maps; raises `ArrayError`."""
        points = base.check_points(xy, labelled)
        place = points.xy / asarray_like(self.stride, xy)
        if self.unbiased:
            factors = _gaussian.everywhere(place, self.heatmap_size, self.sigma)
        else:
            factors = _gaussian.window(
                place, self.heatmap_size, self.sigma, subcell=False, reference=self.reference
            )
        return factors.hide(points.known)

    def decode(self, heatmaps: Array) -> DecodedKeypoints[Array]:
        """Turn maps (..., K, H, W) into keypoints (..., 1, K, 2); raises `ArrayError`.

        Of equal highest cells the first counts, row by row.
        """
        peak, move, _ = self._find(heatmaps)
        place = (peak.place + move) * asarray_like(self.stride, heatmaps)
        xy, score = settle(place, peak, reference=self.reference)
        return base.decoded(xy[..., None, :, :], score[..., None, :])

    def fallbacks(self, heatmaps: Array) -> Array:
        """Tell in which of the maps (..., K, H, W) a DARK step was refused: (..., K) bool.

        There the quarter shift was taken in its place. None is refused without `unbiased` or with
        `reference`.
        """
        peak, _, refused = self._find(heatmaps)
        return refused & peak.found

    def _find(self, heatmaps: Array) -> tuple[Peaks, Array, Array]:
        width, height = self.heatmap_size
        check_array("heatmaps", heatmaps, f"(..., K, {height}, {width})")
        peak = find_peaks(heatmaps, reference=self.reference)
        if not self.unbiased:
            return peak, quarter_shift(peak, width, height), peak.index < 0
        step = plain_step(heatmaps, peak, self.blur_kernel_size, reference=self.reference)
        return peak, *fall_back(step, peak, width, height, reference=self.reference)

    def flip_merge(
        self,
        outputs: tuple[Array],
        flipped: tuple[Array],
        swap_indices: Any,
        *,
        shift: bool = True,
    ) -> tuple[Array]:
        """Average the maps of an input with those of its mirror image.

        Args:
            outputs: the maps (..., K, H, W) of the input, as `decode` takes them.
            flipped: the maps of the mirrored input.
            swap_indices: (K,) which keypoint each is after mirroring.
            shift: move the mirrored maps one cell to the right (``shift_heatmap``), which nearly
                makes up for pixels being mirrored about ``(w - 1) / 2`` and cells about
                ``(W - 1) / 2``; the result for a mirrored input is the mirrored result to one
                pixel.
        """
        mirrored = mirror_maps(flipped[0], swap_indices, shift=int(shift))
        return (mean_of_mirrored(outputs[0], mirrored),)

    def as_output(self, target: HeatmapTarget[Array]) -> tuple[Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return (target.heatmaps,)

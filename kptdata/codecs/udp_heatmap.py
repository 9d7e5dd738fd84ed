"""UDP heatmaps: gaussians, or a disc with two offset maps, on a grid that counts steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kptdata._array import (
    Array,
    asarray_like,
    blur,
    cells,
    check_array,
    constant,
    gather,
    namespace,
)
from kptdata.codecs import _gaussian, base
from kptdata.codecs._dark import fall_back, udp_step
from kptdata.codecs._flip import mean_of_mirrored, mirror_maps
from kptdata.codecs._peaks import Peaks, find_peaks, settle
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.crop import TopDown
from kptdata.codecs.msra_heatmap import HeatmapTarget

__all__ = ["UDPHeatmap"]

HEATMAP_TYPES = ("gaussian", "combined")


@dataclass(frozen=True)
class UDPHeatmap(TopDown):
    """Unbiased data processing: first and last cell stand for the first and the last pixel.

    Cell ``i`` stands for pixel ``i * (w - 1) / (W - 1)``, crops are UDP crops, and mirroring is
    exact. ``gaussian`` maps hold a gaussian about the exact point, cut off three sigma from the
    nearest cell, and are decoded by DARK. ``combined`` maps are three per keypoint: a disc, and how
    far the point is in x and in y, in disc radii; the offsets are read at the highest cell of the
    smoothed disc.

    Several people are merged by maximum; combined offsets are those of the nearest person.

    Differences from the reference (MMPose 1.3.2), each undone by ``reference=True``: decoding
    multiplies by ``w - 1`` as encoding divides by it, where the reference multiplies by ``w`` and
    is off by up to a pixel at the far border; coordinates round down and not toward zero, and
    gaussians peak at their keypoint when three sigma is no whole number; keypoints that leave
    nothing on the map have weight 0; maps without a peak (nothing above 0, NaN, the same
    everywhere) decode to NaN with score 0; a DARK step is taken only where the Hessian is negative
    definite and the step is at most one cell, else the quarter shift (`fallbacks` tells where);
    and a map with a peak below 0.05 or above 50 is refined as if it were that, where the reference
    cuts values outside 0.001 to 50 and finds no summit.

    Gradients reach the heatmaps through `score`, through a DARK step and through the offsets.

    ``decode(encode(xy))`` is within `bound` of `xy`: 0.1 cell, for gaussians where the smoothed
    cells about the peak are on the map, and with a radius of a cell or more.

    Args:
        input_size: width and height of the network input, pixels.
        heatmap_size: width and height of the maps, cells.
        heatmap_type: ``gaussian`` or ``combined``.
        sigma: standard deviation of the gaussians, cells.
        radius_factor: radius of the discs as a fraction of the longer side of the map.
        blur_kernel_size: odd width in cells of DARK's smoothing; combined maps are smoothed over
            ``2 * blur_kernel_size + 1``.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a size, sigma or radius is not positive, a side of the maps below 2, or an
            unknown `heatmap_type`.

    References:
        Huang et al., "The Devil is in the Details", CVPR 2020, arXiv:1911.07524.
    """

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    heatmap_type: str = "gaussian"
    sigma: float = 2.0
    radius_factor: float = 0.0546875
    blur_kernel_size: int = 11
    reference: bool = False

    udp: ClassVar[bool] = True
    score_meaning: ClassVar[str] = (
        "gaussian: the value of the highest cell; combined: that of the smoothed disc; not a "
        "probability"
    )
    score_range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __post_init__(self) -> None:
        for name in ("input_size", "heatmap_size"):
            object.__setattr__(self, name, base.positive_sizes(name, getattr(self, name)))
        base.at_least("heatmap_size", min(self.heatmap_size), 2)
        base.one_of("heatmap_type", self.heatmap_type, HEATMAP_TYPES)
        base.positive("sigma", self.sigma)
        base.positive("radius_factor", self.radius_factor)
        base.odd("blur_kernel_size", self.blur_kernel_size)

    @property
    def stride(self) -> tuple[float, float]:
        """Pixels of the network input per step between cells, in x and y."""
        (w, h), (width, height) = self.input_size, self.heatmap_size
        return (w - 1) / (width - 1), (h - 1) / (height - 1)

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be from `xy`, pixels, and how far from the border."""
        across, down = self.stride
        error = (0.1 * across, 0.1 * down)
        if self.heatmap_type == "combined":  # offsets are right in every cell
            return Bound(error)
        # The smoothed cells about the peak, one each way, must not see what is beyond the border.
        return Bound(error, (self.blur_kernel_size // 2 + 1.5) * max(across, down))

    @property
    def _radius(self) -> float:
        return self.radius_factor * max(self.heatmap_size)

    def encode(
        self, xy: Array, labelled: Array, *, weight: Array | None = None
    ) -> HeatmapTarget[Array]:
        """Turn keypoints into maps, (..., K, H, W) or combined (..., 3 K, H, W).

        Args:
            xy: (..., N, K, 2) pixels of the network input; NaN is not known.
            labelled: (..., N, K) bool.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        points = base.check_points(xy, labelled)
        place = points.xy / asarray_like(self.stride, xy)
        if self.heatmap_type == "combined":
            heatmaps, seen = self._combined(place, points.known)
        else:
            factors = _gaussian.window(
                place, self.heatmap_size, self.sigma, subcell=True, reference=self.reference
            ).hide(points.known)
            heatmaps, seen = _gaussian.draw(factors, self.heatmap_size), factors.seen
        return HeatmapTarget(heatmaps, base.weigh(seen, weight, xy))

    def _combined(self, place: Array, known: Array) -> tuple[Array, Array]:
        xp = namespace(place)
        if not self.reference:
            # The nearest cell decides whether any of the disc is on the map.
            limit = asarray_like(self.heatmap_size, place) - 1
            nearest = xp.minimum(xp.maximum(xp.round(place), xp.zeros_like(place)), limit)
            away = (place - nearest) / self._radius
            known = known & (away[..., 0] ** 2 + away[..., 1] ** 2 <= 1)
        return _gaussian.discs(place, self._radius, self.heatmap_size, known), known

    def decode(self, heatmaps: Array) -> DecodedKeypoints[Array]:
        """Turn maps (..., K, H, W), combined (..., 3 K, H, W), into keypoints (..., 1, K, 2).

        Of equal highest cells the first counts, row by row. Raises `ArrayError`.
        """
        self._check(heatmaps)
        if self.heatmap_type == "combined":
            peak, move = self._offsets(heatmaps)
        else:
            peak, move, _ = self._refine(heatmaps)
        (w, h), (width, height) = self.input_size, self.heatmap_size
        if not self.reference:  # the reference multiplies by the size, not by the steps
            w, h = w - 1, h - 1
        pixels = asarray_like((w / (width - 1), h / (height - 1)), heatmaps)
        xy, score = settle((peak.place + move) * pixels, peak, reference=self.reference)
        return base.decoded(xy[..., None, :, :], score[..., None, :])

    def fallbacks(self, heatmaps: Array) -> Array:
        """Tell in which of the maps a DARK step was refused: (..., K) bool.

        There the quarter shift was taken in its place. None is refused for combined maps or with
        `reference`.
        """
        self._check(heatmaps)
        if self.heatmap_type == "combined":
            return find_peaks(heatmaps[..., ::3, :, :]).index < 0
        peak, _, refused = self._refine(heatmaps)
        return refused & peak.found

    def _check(self, heatmaps: Array) -> None:
        width, height = self.heatmap_size
        check_array("heatmaps", heatmaps, f"(..., K, {height}, {width})")
        if self.heatmap_type == "combined":
            base.multiple("heatmaps", heatmaps, -3, 3)

    def _refine(self, heatmaps: Array) -> tuple[Peaks, Array, Array]:
        peak = find_peaks(heatmaps, reference=self.reference)
        step = udp_step(heatmaps, peak, self.blur_kernel_size, reference=self.reference)
        return peak, *fall_back(step, peak, *self.heatmap_size, reference=self.reference)

    def _offsets(self, heatmaps: Array) -> tuple[Peaks, Array]:
        """Find the peaks of the smoothed discs and read the offsets there."""
        xp = namespace(heatmaps)
        disc = blur(heatmaps[..., ::3, :, :], 2 * self.blur_kernel_size + 1, "reflect")
        peak = find_peaks(disc, reference=self.reference)
        keypoints, size = disc.shape[-3], disc.shape[-2] * disc.shape[-1]
        keypoint, cell = cells(keypoints, peak.index), peak.index
        if self.reference:  # its -1 reaches into the map of the keypoint before
            nowhere = peak.place[..., 0] < 0
            back = size - 1 - self.heatmap_size[0]
            keypoint = xp.where(nowhere, (keypoint - 1) % keypoints, keypoint)
            cell = xp.where(nowhere, back, cell)
        index = (3 * keypoint * size + cell)[..., None] + constant(np.array, cell, (size, 2 * size))
        whole = xp.reshape(heatmaps, (*heatmaps.shape[:-3], 3 * keypoints * size))
        offsets = gather(whole, xp.reshape(index, (*index.shape[:-2], 2 * keypoints)))
        return peak, self._radius * xp.reshape(offsets, index.shape)

    def flip_merge(
        self,
        outputs: tuple[Array],
        flipped: tuple[Array],
        swap_indices: Any,
        *,
        shift: bool = False,
    ) -> tuple[Array]:
        """Average the maps of an input with those of its mirror image.

        The result for a mirrored input is exactly the mirrored result.

        Args:
            outputs: the maps of the input, as `decode` takes them.
            flipped: the maps of the mirrored input.
            swap_indices: (K,) which keypoint each is after mirroring.
            shift: move the mirrored maps one cell to the right; needless here.
        """
        maps = flipped[0]
        if self.heatmap_type == "gaussian":
            return (
                mean_of_mirrored(outputs[0], mirror_maps(maps, swap_indices, shift=int(shift))),
            )
        xp = namespace(maps)
        grouped = xp.reshape(maps, (*maps.shape[:-3], maps.shape[-3] // 3, 3, *maps.shape[-2:]))
        sign = asarray_like((1.0, -1.0, 1.0), maps)[:, None, None]  # the x offset points back
        mirrored = mirror_maps(grouped * sign, swap_indices, shift=int(shift), axis=-4)
        return (mean_of_mirrored(outputs[0], xp.reshape(mirrored, maps.shape)),)

    def as_output(self, target: HeatmapTarget[Array]) -> tuple[Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return (target.heatmaps,)

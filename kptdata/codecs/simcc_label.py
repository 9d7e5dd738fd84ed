"""SimCC: a keypoint is one class per axis, among bins finer than pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

import numpy as np

from kptdata._array import Array, check_array, constant, exp, namespace, slide
from kptdata.codecs import base
from kptdata.codecs._flip import mean_of_mirrored, mirror_maps, swap
from kptdata.codecs._rows import Summit, find_summit, nowhere, refine_row
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.crop import TopDown
from kptdata.errors import OptionError

__all__ = ["SimCCDecoded", "SimCCLabel", "SimCCTarget"]

SMOOTHING_TYPES = ("gaussian", "standard")


class SimCCTarget(NamedTuple, Generic[Array]):
    """What a SimCC head is trained on."""

    keypoint_x_labels: Array  # (..., N, K, Wx)
    keypoint_y_labels: Array  # (..., N, K, Wy)
    keypoint_weights: Array  # (..., N, K)


class SimCCDecoded(NamedTuple, Generic[Array]):
    """Decoded keypoints with their visibility."""

    xy: Array  # (..., N, K, 2) pixels of the network input
    score: Array  # (..., N, K)
    instance_score: Array  # (..., N)
    visibility: Array  # (..., N, K) 0..1, the lower of the two axes' highest softmax


@dataclass(frozen=True)
class SimCCLabel(TopDown):
    """Rows of bins in x and in y, `simcc_split_ratio` bins per pixel; people stay apart.

    ``gaussian`` rows hold a gaussian about the bin of the keypoint, ``standard`` rows that bin
    alone, with the rest of the probability spread evenly by `label_smooth_weight`. Decoding takes
    the highest bin, and with `use_dark` the one-dimensional step of DARK.

    Differences from the reference (MMPose 1.3.2), each undone by ``reference=True``: a keypoint
    whose lower peak is not above 0, is NaN, or whose row is the same everywhere is NaN with score
    0, where the reference puts it at bin -1; a DARK step is taken only on a summit and to at most
    one bin, else a quarter of a bin toward the higher neighbour (`fallbacks` tells where), and it
    smooths only a stretch about each peak; visibility is that of the rows as they came, where the
    reference's DARK has overwritten them.

    Gradients reach the rows through `score`, through `visibility` and through a DARK step.

    ``decode(encode(xy))`` is within `bound` of `xy`: half a bin.

    Args:
        input_size: width and height of the network input, pixels.
        smoothing_type: ``gaussian`` or ``standard``.
        sigma: standard deviation of the gaussians in bins, one number or one per axis.
        simcc_split_ratio: bins per pixel.
        label_smooth_weight: probability outside the keypoint's bin, ``standard`` only.
        normalize: divide the gaussians by sigma times the square root of 2 pi.
        use_dark: refine the peak between bins.
        decode_visibility: return a `SimCCDecoded`.
        decode_beta: sharpness of the softmax that visibility is read from.
        reference: behave like the reference throughout.

    Raises:
        OptionError: an argument is out of its range.

    References:
        Li et al., "SimCC", ECCV 2022, arXiv:2107.03332. RTMPose: Jiang et al., arXiv:2303.07399.
    """

    input_size: tuple[int, int]
    smoothing_type: str = "gaussian"
    sigma: float | tuple[float, float] = 6.0
    simcc_split_ratio: float = 2.0
    label_smooth_weight: float = 0.0
    normalize: bool = True
    use_dark: bool = False
    decode_visibility: bool = False
    decode_beta: float = 150.0
    reference: bool = False

    score_meaning: ClassVar[str] = (
        "the lower of the highest values in x and in y, a logit or whatever the head puts out; not "
        "a probability"
    )
    score_range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __post_init__(self) -> None:
        sizes = base.positive_sizes("input_size", self.input_size)
        object.__setattr__(self, "input_size", sizes)
        if not isinstance(self.sigma, (int, float)):
            object.__setattr__(self, "sigma", tuple(self.sigma))
        base.one_of("smoothing_type", self.smoothing_type, SMOOTHING_TYPES)
        for sigma in self.sigmas:
            base.positive("sigma", sigma)
        base.positive("simcc_split_ratio", self.simcc_split_ratio)
        if not 0 <= self.label_smooth_weight <= 1:
            raise OptionError(
                f"label_smooth_weight: expected 0 to 1, got {self.label_smooth_weight}"
            )
        if self.smoothing_type == "gaussian" and self.label_smooth_weight:
            raise OptionError("label_smooth_weight: only for smoothing_type 'standard'; leave it 0")
        if self.use_dark:
            base.at_least("sigma (with use_dark)", min(self.sigmas), 0.5)

    @property
    def sigmas(self) -> tuple[float, float]:
        """Standard deviation in x and in y, bins."""
        if isinstance(self.sigma, tuple):
            x, y = self.sigma
            return x, y
        return self.sigma, self.sigma

    @property
    def bins(self) -> tuple[int, int]:
        """Number of bins in x and in y."""
        w, h = self.input_size
        return round(w * self.simcc_split_ratio), round(h * self.simcc_split_ratio)

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be from `xy`, pixels, and how far from the border."""
        half = 0.5 / self.simcc_split_ratio
        border = max(0.0, 1 / self.simcc_split_ratio - 1)
        if self.use_dark:  # rounding moves a summit that is symmetric by a trace
            half *= 1.01
            border = (max(self._kernels) // 2 + 3) / self.simcc_split_ratio
        return Bound((half, half), border)

    @property
    def _kernels(self) -> tuple[int, int]:
        """Odd widths of DARK's smoothing, bins: about a third of the length of twenty sigma."""
        widths = [int((sigma * 20 - 7) // 3) for sigma in self.sigmas]
        return widths[0] - (widths[0] % 2 == 0), widths[1] - (widths[1] % 2 == 0)

    def encode(
        self, xy: Array, labelled: Array, *, weight: Array | None = None
    ) -> SimCCTarget[Array]:
        """Turn keypoints into rows of bins.

        Args:
            xy: (..., N, K, 2) pixels of the network input; NaN is not known.
            labelled: (..., N, K) bool.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        points = base.check_points(xy, labelled)
        xp = namespace(xy)
        place = xp.round(points.xy * self.simcc_split_ratio)
        seen = points.known
        for axis in (0, 1):
            low, high = self.reach(axis)
            seen = seen & (place[..., axis] >= low) & (place[..., axis] <= high)
        x, y = (self._rows(place[..., axis], seen, axis) for axis in (0, 1))
        return SimCCTarget(x, y, base.weigh(seen, weight, xy))

    def reach(self, axis: int) -> tuple[int, int]:
        """Return the lowest and highest bin whose keypoint still leaves a mark on the row."""
        if self.smoothing_type == "standard":
            return 0, self.bins[axis] - 1
        radius = 3 * self.sigmas[axis]
        return math.ceil(-radius - 1), math.ceil(self.bins[axis] + radius) - 1

    def _rows(self, place: Array, seen: Array, axis: int) -> Any:
        """Copy each row out of one long curve; the last stretch is 0, for keypoints not seen."""
        xp = namespace(place)
        table = constant(_curve, place, self, axis)
        size = self.bins[axis]
        start = xp.where(seen, self.reach(axis)[1] - place, float(table.shape[0] - size))
        return slide(table, xp.astype(start, xp.int64), size)

    def decode(
        self, simcc_x: Array, simcc_y: Array
    ) -> DecodedKeypoints[Array] | SimCCDecoded[Array]:
        """Turn rows into keypoints; of equal highest bins the first counts.

        Args:
            simcc_x: (..., N, K, Wx) one value per bin.
            simcc_y: (..., N, K, Wy).

        Raises:
            ArrayError: an array has another shape or element type.
        """
        xp = namespace(simcc_x)
        x, y = self._summits(simcc_x, simcc_y)
        score = xp.where(x.value > y.value, y.value, x.value)
        xy = xp.stack([x.place, y.place], axis=-1) / self.simcc_split_ratio
        if not self.reference:
            found = x.found & y.found
            xy = xp.where(found[..., None], xy, float("nan"))
            score = xp.where(found, score, 0.0)
        decoded = base.decoded(xy, score)
        if not self.decode_visibility:
            return decoded
        return SimCCDecoded(*decoded, self._visibility(x, y))

    def fallbacks(self, simcc_x: Array, simcc_y: Array) -> Array:
        """Tell for which keypoints a DARK step was refused in x or in y: (..., N, K) bool.

        There a quarter of a bin was taken in its place. None is refused without `use_dark` or with
        `reference`.
        """
        x, y = self._summits(simcc_x, simcc_y)
        return (x.refused | y.refused) & x.found & y.found

    def _summits(self, simcc_x: Array, simcc_y: Array) -> tuple[Summit, Summit]:
        check_array("simcc_x", simcc_x, f"(..., N, K, {self.bins[0]})")
        check_array("simcc_y", simcc_y, (*simcc_x.shape[:-1], self.bins[1]))
        x, y = find_summit(simcc_x), find_summit(simcc_y)
        if self.reference:
            none = (x.value <= 0) | (y.value <= 0)
            x, y = nowhere(x, none), nowhere(y, none)
        if not self.use_dark:
            return x, y
        across, down = self._kernels
        return (
            refine_row(x, across, reference=self.reference),
            refine_row(y, down, reference=self.reference),
        )

    def _visibility(self, x: Summit, y: Summit) -> Any:
        xp = namespace(x.row)
        highest = []
        for summit, sigma in zip((x, y), self.sigmas, strict=True):
            top = xp.max(summit.row, axis=-1)
            below = (summit.row - top[..., None]) * (self.decode_beta * sigma)
            highest.append(1 / xp.sum(exp(below), axis=-1))
        lower = xp.where(highest[0] > highest[1], highest[1], highest[0])
        if self.reference:
            return lower
        return xp.where(x.found & y.found, lower, 0.0)

    def flip_merge(
        self,
        outputs: tuple[Array, Array],
        flipped: tuple[Array, Array],
        swap_indices: Any,
        *,
        shift: bool = False,
    ) -> tuple[Array, Array]:
        """Average the rows of an input with those of its mirror image.

        Args:
            outputs: rows in x and in y of the input, as `decode` takes them.
            flipped: the rows of the mirrored input.
            swap_indices: (K,) which keypoint each is after mirroring.
            shift: count that pixels are mirrored about ``(w - 1) / 2`` and bins about half of their
                number less 1, by moving the mirrored rows back by all bins of a pixel but one. The
                field does not, and the result for a mirrored input is the mirrored result to
                ``1 - 1 / simcc_split_ratio`` pixels; with it, and a whole ratio, exactly.
        """
        back = 1 - round(self.simcc_split_ratio) if shift else 0
        x = mirror_maps(flipped[0], swap_indices, shift=back, axis=-2)
        y = swap(flipped[1], swap_indices, axis=-2)
        return mean_of_mirrored(outputs[0], x), mean_of_mirrored(outputs[1], y)

    def as_output(self, target: SimCCTarget[Array]) -> tuple[Array, Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return target.keypoint_x_labels, target.keypoint_y_labels


def _curve(codec: SimCCLabel, axis: int) -> Any:
    """Return what a keypoint leaves on an axis without ends, and a row of zeros behind it."""
    size, (low, high) = codec.bins[axis], codec.reach(axis)
    away = np.arange(size + high - low) - high
    if codec.smoothing_type == "standard":
        rest = codec.label_smooth_weight / max(size - 1, 1)
        curve = np.where(away == 0, 1.0 - codec.label_smooth_weight, rest)
    else:
        sigma = codec.sigmas[axis]
        curve = np.exp(away**2 * (-0.5 / sigma**2))
        if codec.normalize:
            curve /= sigma * math.sqrt(2 * math.pi)
    return np.concatenate([curve, np.zeros(size)])

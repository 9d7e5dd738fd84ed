"""Integral regression: fractions of the input size, with a heatmap that sums to 1 beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

from kptdata._array import Array, namespace
from kptdata.codecs import _gaussian
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.crop import TopDown
from kptdata.codecs.msra_heatmap import MSRAHeatmap
from kptdata.codecs.regression_label import RegressionLabel

__all__ = ["IntegralRegressionLabel", "IntegralTarget"]


class IntegralTarget(NamedTuple, Generic[Array]):
    """What an integral regression head is trained on."""

    keypoint_labels: Array  # (..., N, K, 2) fraction of input width and height; always finite
    heatmaps: Array  # (..., K, H, W)
    keypoint_weights: Array  # (..., N, K) 1 for a labelled keypoint on the input


@dataclass(frozen=True)
class IntegralRegressionLabel(TopDown):
    """The labels of `RegressionLabel` and the heatmaps of `MSRAHeatmap`, by default as densities.

    The model integrates its own heatmaps to fractions of the input size; `decode` takes those, and
    all that is said of `RegressionLabel.decode` holds, as do its differences from the reference and
    those of `MSRAHeatmap.encode`.

    Gradients flow through all of `decode`. ``decode(encode(xy))`` is within `bound` of `xy`: the
    rounding of one division and one multiplication.

    Args:
        input_size: width and height of the network input, pixels.
        heatmap_size: width and height of the maps, cells.
        sigma: standard deviation of the gaussians, cells.
        unbiased: gaussians about the exact point.
        blur_kernel_size: taken and kept for configurations; decoding needs none.
        normalize: let each map sum to 1 (one without a keypoint stays 0).
        reference: behave like the reference throughout.

    Raises:
        OptionError: a size or sigma is not positive, or the kernel size not odd.

    References:
        Sun et al., "Integral Human Pose Regression", ECCV 2018, arXiv:1711.08229.
        Nibali et al., "Numerical Coordinate Regression" (DSNT), 2018, arXiv:1801.07372.
    """

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    sigma: float
    unbiased: bool = False
    blur_kernel_size: int = 11
    normalize: bool = True
    reference: bool = False

    score_meaning: ClassVar[str] = RegressionLabel.score_meaning
    score_range: ClassVar[tuple[float, float]] = RegressionLabel.score_range

    def __post_init__(self) -> None:
        maps = MSRAHeatmap(
            self.input_size,
            self.heatmap_size,
            self.sigma,
            self.unbiased,
            self.blur_kernel_size,
            self.reference,
        )
        object.__setattr__(self, "input_size", maps.input_size)
        object.__setattr__(self, "heatmap_size", maps.heatmap_size)
        object.__setattr__(self, "_maps", maps)
        object.__setattr__(self, "_labels", RegressionLabel(maps.input_size, self.reference))

    _maps: ClassVar[MSRAHeatmap]
    _labels: ClassVar[RegressionLabel]

    @property
    def stride(self) -> tuple[float, float]:
        """Pixels of the network input per cell, in x and y."""
        return self._maps.stride

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be from `xy` in float32, pixels."""
        return self._labels.bound

    def encode(
        self, xy: Array, labelled: Array, *, weight: Array | None = None
    ) -> IntegralTarget[Array]:
        """Turn keypoints into fractions and maps.

        Args:
            xy: (..., N, K, 2) pixels of the network input; NaN is not known.
            labelled: (..., N, K) bool.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        labels, weights = self._labels.encode(xy, labelled, weight=weight)
        return IntegralTarget(labels, self._densities(self._maps.gaussians(xy, labelled)), weights)

    def _densities(self, factors: _gaussian.Factors) -> Any:
        if not self.normalize:
            return _gaussian.draw(factors, self.heatmap_size)
        rows, columns = factors.rows, factors.columns
        xp = namespace(rows)
        if rows.shape[-3] == 1:  # the sum of a product: no need to read the map again
            total = self._nonzero(xp.sum(rows, axis=-1) * xp.sum(columns, axis=-1))
            return _gaussian.draw(factors._replace(rows=rows / total[..., None]), self.heatmap_size)
        maps = _gaussian.draw(factors, self.heatmap_size)
        return maps / self._nonzero(xp.sum(maps, axis=(-2, -1)))[..., None, None]

    @staticmethod
    def _nonzero(total: Array) -> Array:
        xp = namespace(total)
        nonzero: Any = xp.where(total > 0, total, 1.0)
        return nonzero

    def decode(self, keypoint_labels: Array, sigma: Array | None = None) -> DecodedKeypoints[Array]:
        """Turn fractions (..., N, K, 2) into keypoints, as `RegressionLabel.decode` does."""
        return self._labels.decode(keypoint_labels, sigma)

    def flip_merge(
        self,
        outputs: tuple[Array, ...],
        flipped: tuple[Array, ...],
        swap_indices: Any,
        *,
        shift: bool = True,
    ) -> tuple[Array, ...]:
        """Average fractions with those of the mirror image: `RegressionLabel.flip_merge`."""
        return self._labels.flip_merge(outputs, flipped, swap_indices, shift=shift)

    def as_output(self, target: IntegralTarget[Array]) -> tuple[Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return (target.keypoint_labels,)

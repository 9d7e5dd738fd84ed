"""Direct regression: a keypoint is its position as a fraction of the input size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

from kptdata._array import Array, asarray_like, check_array, namespace
from kptdata.codecs import base
from kptdata.codecs._flip import mean_of_mirrored, mirror_coordinates, swap
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.crop import TopDown
from kptdata.errors import ArrayError

__all__ = ["RegressionLabel", "RegressionTarget"]


class RegressionTarget(NamedTuple, Generic[Array]):
    """What a regression head is trained on."""

    keypoint_labels: Array  # (..., N, K, 2) fraction of input width and height; always finite
    keypoint_weights: Array  # (..., N, K) 1 for a labelled keypoint on the input


@dataclass(frozen=True)
class RegressionLabel(TopDown):
    """Keypoints divided by the network input size; people stay apart.

    Division is by ``(w, h)``, so the last pixel ``w - 1`` encodes to just under 1.

    By default an unknown keypoint has the label 0 and one decoded from NaN or infinity is NaN with
    score 0; ``reference=True`` does as the reference (MMPose 1.3.2) and passes them through.

    Gradients flow through all of `decode`. ``decode(encode(xy))`` is within `bound` of `xy`: the
    rounding of one division and one multiplication.

    Args:
        input_size: width and height of the network input, pixels.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a side of `input_size` is not positive.

    References:
        Targets: Toshev and Szegedy, "DeepPose", CVPR 2014, arXiv:1312.4659.
        Score from sigma: Li et al., "RLE", ICCV 2021, arXiv:2107.11291.
    """

    input_size: tuple[int, int]
    reference: bool = False

    score_meaning: ClassVar[str] = (
        "1 less the mean predicted sigma, or 1 where the model predicts no sigma"
    )
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        sizes = base.positive_sizes("input_size", self.input_size)
        object.__setattr__(self, "input_size", sizes)

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be from `xy` in float32, pixels."""
        rounding = 2.0**-24  # half a step, relative; once dividing, once multiplying
        return Bound((2 * rounding * self.input_size[0], 2 * rounding * self.input_size[1]))

    def encode(
        self, xy: Array, labelled: Array, *, weight: Array | None = None
    ) -> RegressionTarget[Array]:
        """Turn keypoints into fractions; those outside the input keep their label and weigh 0.

        Args:
            xy: (..., N, K, 2) pixels of the network input; NaN is not known.
            labelled: (..., N, K) bool.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        points = base.check_points(xy, labelled)
        (w, h), x, y = self.input_size, xy[..., 0], xy[..., 1]
        inside = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
        place = xy if self.reference else self._finite(xy)
        labels = place / asarray_like(self.input_size, xy)
        return RegressionTarget(labels, base.weigh(points.known & inside, weight, xy))

    @staticmethod
    def _finite(xy: Array) -> Array:
        xp = namespace(xy)
        finite: Any = xp.where(xp.isfinite(xy), xy, 0.0)
        return finite

    def decode(self, keypoint_labels: Array, sigma: Array | None = None) -> DecodedKeypoints[Array]:
        """Turn fractions (..., N, K, 2) into keypoints (..., N, K, 2).

        Args:
            keypoint_labels: (..., N, K, 2), or (..., N, K, 4) with sigma in the last two.
            sigma: (..., N, K, 2) predicted deviation, 0..1, where it is an array of its own.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        labels, sigma = self._split(keypoint_labels, sigma)
        xp = namespace(labels)
        xy = labels * asarray_like(self.input_size, labels)
        if sigma is None:
            score = xp.ones_like(labels[..., 0])
        else:
            check_array("sigma", sigma, labels.shape)
            score = 1 - 0.5 * (sigma[..., 0] + sigma[..., 1])
        if not self.reference:
            found = base.all_finite(labels) & xp.isfinite(score)
            xy = xp.where(found[..., None], xy, float("nan"))
            score = xp.where(found, score, 0.0)
        return base.decoded(xy, score)

    @staticmethod
    def _split(labels: Array, sigma: Array | None) -> tuple[Array, Array | None]:
        check_array("keypoint_labels", labels, "(..., N, K, D)")
        if labels.shape[-1] == 4 and sigma is None:
            return labels[..., :2], labels[..., 2:]
        if labels.shape[-1] != 2:
            raise ArrayError(
                "keypoint_labels: expected shape (..., N, K, 2), or (..., N, K, 4) with sigma, got "
                f"{tuple(labels.shape)}"
            )
        return labels, sigma

    def flip_merge(
        self,
        outputs: tuple[Array, ...],
        flipped: tuple[Array, ...],
        swap_indices: Any,
        *,
        shift: bool = True,
    ) -> tuple[Array, ...]:
        """Average the outputs of an input with those of its mirror image.

        Args:
            outputs: fractions (..., N, K, 2 or 4) of the input, then sigma if there is one.
            flipped: the same of the mirrored input.
            swap_indices: (K,) which keypoint each is after mirroring.
            shift: count that pixels are mirrored about ``(w - 1) / 2`` (``shift_coords``); with it
                the result for a mirrored input is exactly the mirrored result.
        """
        pixel = 1 / self.input_size[0] if shift else 0.0
        mirrored = mirror_coordinates(flipped[0], swap_indices, shift=pixel)
        merged = [mean_of_mirrored(outputs[0], mirrored)]
        for output, other in zip(outputs[1:], flipped[1:], strict=True):
            merged.append(mean_of_mirrored(output, swap(other, swap_indices, axis=-2)))
        return tuple(merged)

    def as_output(self, target: RegressionTarget[Array]) -> tuple[Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return (target.keypoint_labels,)

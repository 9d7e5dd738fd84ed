"""The crop rule, owned by the codec: which part of the image a network sees, and the way back.

A codec that counts pixels makes plain crops, a codec that counts the steps between pixels (UDP)
makes UDP crops, and `TopDown.to_image` refuses a crop of the other kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic

from kptdata._array import Array, check_array, namespace
from kptdata.affine import apply, invert, udp_warp_matrix, warp_matrix
from kptdata.bbox import fix_aspect_ratio, xywh2cs
from kptdata.codecs.base import DecodedKeypoints
from kptdata.errors import OptionError

__all__ = ["Crop", "TopDown"]


@dataclass(frozen=True, eq=False)
class Crop(Generic[Array]):
    """Where crops lie in their images.

    Attributes:
        matrix: (..., 2, 3) float64, image pixels to pixels of the network input.
        input_size: width and height of the network input.
        udp: whether the matrix counts the steps between pixels (True) or pixels (False).
    """

    matrix: Array
    input_size: tuple[int, int]
    udp: bool

    @cached_property
    def inverse(self) -> Array:
        """(..., 2, 3) float64, pixels of the network input to image pixels."""
        return invert(self.matrix)

    def to_input(self, xy: Array) -> Array:
        """Take image points (..., K, 2) or (..., N, K, 2) to pixels of the network input."""
        return _apply(self.matrix, xy)

    def to_image(self, xy: Array) -> Array:
        """Take points (..., K, 2) or (..., N, K, 2) of the network input to image pixels."""
        return _apply(self.inverse, xy)


def _apply(matrix: Array, xy: Array) -> Array:
    check_array("xy", xy, "(..., K, 2)")
    while matrix.ndim < xy.ndim:  # the axes between crop and keypoints: people
        matrix = matrix[..., None, :, :]
    moved = apply(matrix, namespace(xy).astype(xy, matrix.dtype))
    back: Any = namespace(xy).astype(moved, xy.dtype)
    return back


class TopDown:
    """What codecs of one crop per person have in common: the crop rule.

    Attributes:
        input_size: width and height of the network input, pixels.
        udp: whether coordinates count the steps between pixels.
        padding: how much larger than the box the crop is, unless told otherwise.
        score_meaning: what a keypoint's score is, in one sentence.
        score_range: the lowest and highest score that can be.
    """

    input_size: tuple[int, int]
    udp: ClassVar[bool] = False
    padding: ClassVar[float] = 1.25
    score_meaning: ClassVar[str]
    score_range: ClassVar[tuple[float, float]]

    def crop(
        self,
        box: Array,
        *,
        rotation: float | Array = 0.0,
        shift: Sequence[float] | Array = (0.0, 0.0),
        padding: float | None = None,
    ) -> Crop[Array]:
        """Return the crop of `box` that this codec's keypoints are pixels of.

        The box is widened or heightened to the aspect ratio of the input, enlarged by `padding`
        about its centre, shifted and turned.

        Args:
            box: (..., 4) xywh, image pixels; NaN, or no side above 0, gives a NaN matrix.
            rotation: degrees, a number or (...); a positive angle turns the picture anticlockwise.
            shift: moves the centre by this fraction of the region's width and height; (2,) or
                (..., 2).
            padding: by default the codec's own.

        Raises:
            ArrayError: `box` has another shape.
            OptionError: `padding` is not positive.
        """
        width, height = self.input_size
        xp = namespace(box)
        check_array("box", box, "(..., 4)")
        exact = xp.astype(box, xp.float64)
        center, scale = xywh2cs(exact, self.padding if padding is None else padding)
        scale = fix_aspect_ratio(scale, width / height)
        if self.udp:
            moved = center + scale * xp.asarray(shift, dtype=xp.float64)
            matrix = udp_warp_matrix(moved, scale, rotation, (width, height))
        else:
            matrix = warp_matrix(center, scale, rotation, (width, height), shift=shift)
        return Crop(matrix, (width, height), self.udp)

    def to_image(
        self, decoded: DecodedKeypoints[Array], crop: Crop[Array]
    ) -> DecodedKeypoints[Array]:
        """Take decoded keypoints to image pixels through the crop that the codec made.

        Raises:
            OptionError: the crop has another input size or the other convention.
        """
        if (crop.input_size, crop.udp) != (tuple(self.input_size), self.udp):
            raise OptionError(
                f"crop: expected one of {type(self).__name__} for the input {self.input_size}, got "
                f"one of the {'UDP' if crop.udp else 'plain'} kind for {crop.input_size}; "
                "make it with this codec's crop()"
            )
        return decoded._replace(xy=crop.to_image(decoded.xy))

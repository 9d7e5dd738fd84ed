"""ED-Pose: people as boxes and keypoints in fractions of the image; the best queries count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

from kptdata._array import Array, asarray_like, check_array, gather, namespace
from kptdata.codecs import base
from kptdata.codecs.base import Bound

__all__ = ["EDPoseDecoded", "EDPoseLabel", "EDPoseTarget"]


class EDPoseTarget(NamedTuple, Generic[Array]):
    """What an end-to-end head is trained on; all fractions of the image."""

    keypoints: Array  # (..., N, K, 2)
    area: Array  # (..., N)
    bbox: Array  # (..., N, 4) centre, width and height
    keypoints_visible: Array  # (..., N, K)
    keypoint_weights: Array  # (..., N, K)


class EDPoseDecoded(NamedTuple, Generic[Array]):
    """The best queries, best first."""

    xy: Array  # (..., S, K, 2) image pixels
    score: Array  # (..., S, K) the query's score for every keypoint
    instance_score: Array  # (..., S)
    bbox: Array  # (..., S, 4) xywh, image pixels


@dataclass(frozen=True)
class EDPoseLabel:
    """Keypoints, boxes and areas divided by the image's size; no crop, the whole image.

    Decoding ranks all queries and classes together and runs on the host: the number of people that
    come out depends on nothing but `num_select`, but their order is a sort. Unknown coordinates are
    encoded as 0 with weight 0, and queries that are not finite decode to NaN with score 0;
    ``reference=True`` does as the reference (MMPose 1.3.2) and passes them through.

    Gradients flow through the coordinates of the queries that are chosen.

    ``decode(encode(xy))`` is within `bound` of `xy`, times the larger side of the image: the
    rounding of one division and one multiplication.

    Args:
        num_select: how many queries are kept.
        num_keypoints: K.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a number is not positive.

    References:
        Yang et al., "Explicit Box Detection Unifies End-to-End Multi-Person Pose Estimation",
        ICLR 2023, arXiv:2302.01593.
    """

    num_select: int = 100
    num_keypoints: int = 17
    reference: bool = False

    score_meaning: ClassVar[str] = (
        "the class score of the query as the head gives it, the same for all its keypoints"
    )
    score_range: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))

    def __post_init__(self) -> None:
        base.positive("num_select", self.num_select)
        base.positive("num_keypoints", self.num_keypoints)

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be off in float32, times the image's larger side."""
        rounding = 2.0**-24
        return Bound((2 * rounding, 2 * rounding))

    def encode(
        self,
        xy: Array,
        labelled: Array,
        *,
        bbox: Array,
        area: Array,
        image_size: Sequence[float] | Array,
        weight: Array | None = None,
    ) -> EDPoseTarget[Array]:
        """Turn the people of an image into fractions.

        Args:
            xy: (..., N, K, 2) image pixels; NaN is not known.
            labelled: (..., N, K) bool.
            bbox: (..., N, 4) xywh, image pixels.
            area: (..., N) pixels squared.
            image_size: (2,) or (..., 2) width and height of the image.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        points = base.check_points(xy, labelled)
        check_array("bbox", bbox, (*xy.shape[:-2], 4))
        check_array("area", area, xy.shape[:-2])
        xp = namespace(xy)
        size = asarray_like(image_size, xy)[..., None, :]
        place = xy if self.reference else xp.where(xp.isfinite(xy), xy, 0.0)
        box_size = asarray_like(image_size, bbox)[..., None, :]
        half = bbox[..., 2:] / 2
        box = xp.concat([bbox[..., :2] + half, bbox[..., 2:]], axis=-1)
        box = box / xp.concat([box_size, box_size], axis=-1)
        extent = asarray_like(image_size, area)
        return EDPoseTarget(
            place / size[..., None, :],
            area / (extent[..., 0] * extent[..., 1])[..., None],
            box,
            xp.astype(labelled, xy.dtype),
            base.weigh(points.known, weight, xy),
        )

    def decode(
        self,
        pred_logits: Array,
        pred_boxes: Array,
        pred_keypoints: Array,
        *,
        image_size: Sequence[float] | Array = (1, 1),
    ) -> EDPoseDecoded[Array]:
        """Turn queries into people, best first; equal scores keep their order.

        Args:
            pred_logits: (..., Q, C) class scores.
            pred_boxes: (..., Q, 4) centre, width and height, fractions.
            pred_keypoints: (..., Q, 3 K) x and y of every keypoint as fractions, then K more values
                that are not used.
            image_size: (2,) or (..., 2) width and height; by default fractions stay fractions.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        keypoints = self.num_keypoints
        check_array("pred_logits", pred_logits, "(..., Q, C)")
        lead, queries = pred_logits.shape[:-1], pred_logits.shape[-2]
        check_array("pred_boxes", pred_boxes, (*lead, 4))
        check_array("pred_keypoints", pred_keypoints, (*lead, 3 * keypoints))
        xp = namespace(pred_logits)
        classes = pred_logits.shape[-1]
        flat = xp.reshape(pred_logits, (*lead[:-1], queries * classes))
        best = xp.argsort(flat, axis=-1, descending=True, stable=True)[..., : self.num_select]
        score = gather(flat, best)
        query = best // classes
        boxes = _pick(pred_boxes, query)
        xy = _pick(pred_keypoints[..., : 2 * keypoints], query)
        xy = xp.reshape(xy, (*xy.shape[:-1], keypoints, 2))
        size = asarray_like(image_size, pred_boxes)[..., None, :]
        wh = boxes[..., 2:] * size
        corner = boxes[..., :2] * size - wh / 2
        xy = xy * asarray_like(image_size, xy)[..., None, None, :]
        each = xp.broadcast_to(score[..., None], xy.shape[:-1])
        if not self.reference:
            found = base.all_finite(xy) & xp.isfinite(each)
            xy = xp.where(found[..., None], xy, float("nan"))
            each = xp.where(found, each, 0.0)
            score = xp.where(xp.isfinite(score), score, 0.0)
        return EDPoseDecoded(xy, each, score, xp.concat([corner, wh], axis=-1))

    def as_output(self, target: EDPoseTarget[Array]) -> tuple[Array, Array, Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        xp = namespace(target.keypoints)
        shape = (*target.keypoints.shape[:-2], 2 * self.num_keypoints)
        places = xp.reshape(target.keypoints, shape)
        sure = xp.ones_like(target.area)[..., None]
        return sure, target.bbox, xp.concat([places, target.keypoint_weights], axis=-1)


def _pick(values: Array, query: Array) -> Array:
    """Take rows of `values` (..., Q, V) by `query` (..., S): (..., S, V)."""
    xp = namespace(values)
    index = xp.broadcast_to(query[..., None], (*query.shape, values.shape[-1]))
    picked: Any = gather(values, index, -2)
    return picked

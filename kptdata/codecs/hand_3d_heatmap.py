"""Two hands in depth: a box of voxels per joint, how far apart the wrists are, and which hands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

from kptdata._array import Array, asarray_like, cells, check_array, exp, namespace, peaks
from kptdata.codecs import base
from kptdata.codecs._gaussian import merged
from kptdata.codecs.base import Bound
from kptdata.codecs.crop import TopDown
from kptdata.errors import OptionError

__all__ = ["Hand3DDecoded", "Hand3DHeatmap", "Hand3DTarget"]


class Hand3DTarget(NamedTuple, Generic[Array]):
    """What a head for interacting hands is trained on."""

    heatmaps: Array  # (..., K D, H, W)
    keypoint_weights: Array  # (..., N, K)
    root_depth: Array  # (..., 1) cells of the root heatmap
    type: Array  # as `hand_type` was given
    type_weight: Array  # as `hand_type_valid` was given
    root_depth_weight: Array  # (..., 1)


class Hand3DDecoded(NamedTuple, Generic[Array]):
    """Decoded hands."""

    xy: Array  # (..., 1, K, 3) pixels of the network input, and millimetres from the root
    score: Array  # (..., 1, K)
    instance_score: Array  # (..., 1)
    root_depth: Array  # (..., 1) millimetres between the two roots
    hand_type: Array  # (..., 2) int, 1 where a right, a left hand is there


@dataclass(frozen=True)
class Hand3DHeatmap(TopDown):
    """A gaussian per joint in a box of voxels, decoded by its highest voxel (InterHand2.6M).

    Keypoints are (x, y) in pixels of the network input and z in millimetres from the root. Several
    people are merged by maximum.

    Differences from the reference (MMPose 1.3.2), each undone by ``reference=True``: keypoints that
    are not labelled or lie further than three sigma outside leave nothing and weigh 0, where the
    reference draws them all; boxes without a peak (nothing above 0, NaN, the same everywhere)
    decode to NaN with score 0, and not to voxel -1.

    Gradients reach the heatmaps through `score` only, and the root depth through `root_depth`.

    ``decode(encode(xy))`` is within `bound` of `xy`: half a voxel, for points whose nearest voxel
    is in the box.

    Args:
        image_size: width and height of the network input, pixels.
        root_heatmap_size: cells of the root heatmap, when decoding.
        heatmap_size: width, height and depth of the boxes, voxels.
        heatmap3d_depth_bound: millimetres that the depth of a box stands for.
        heatmap_size_root: cells of the root heatmap, when encoding.
        root_depth_bound: millimetres that the root heatmap stands for.
        depth_size: depth of the boxes when decoding, voxels.
        use_different_joint_weights: refuse to encode without `weight`.
        sigma: standard deviation of the gaussians, voxels.
        joint_indices: the joints to encode; None is all.
        max_bound: height of the gaussians.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a size, bound or sigma is not positive.

    References:
        Moon et al., "InterHand2.6M", ECCV 2020, arXiv:2008.09309.
    """

    image_size: tuple[int, int] = (256, 256)
    root_heatmap_size: int = 64
    heatmap_size: tuple[int, int, int] = (64, 64, 64)
    heatmap3d_depth_bound: float = 400.0
    heatmap_size_root: int = 64
    root_depth_bound: float = 400.0
    depth_size: int = 64
    use_different_joint_weights: bool = False
    sigma: float = 2
    joint_indices: tuple[int, ...] | None = None
    max_bound: float = 1.0
    reference: bool = False

    score_meaning: ClassVar[str] = (
        "the value of the highest voxel: `max_bound` on a perfect target, not a probability"
    )
    score_range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __post_init__(self) -> None:
        sizes = base.positive_sizes("image_size", self.image_size)
        object.__setattr__(self, "image_size", sizes)
        object.__setattr__(self, "input_size", sizes)
        voxels = base.positive_sizes("heatmap_size", self.heatmap_size, 3)
        object.__setattr__(self, "heatmap_size", voxels)
        if self.joint_indices is not None:
            object.__setattr__(self, "joint_indices", tuple(self.joint_indices))
        for name in (
            "root_heatmap_size",
            "heatmap3d_depth_bound",
            "heatmap_size_root",
            "root_depth_bound",
            "depth_size",
            "sigma",
            "max_bound",
        ):
            base.positive(name, getattr(self, name))

    @property
    def stride(self) -> tuple[float, float]:
        """Pixels of the network input per voxel, in x and y."""
        (w, h), (width, height, _) = self.image_size, self.heatmap_size
        return w / width, h / height

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(xy))`` may be from `xy`, pixels and millimetres."""
        across, down = self.stride
        depth = self.heatmap3d_depth_bound / self.heatmap_size[2]
        border = max(0.0, max(across, down) / 2 - 1)
        return Bound((across / 2, down / 2, depth / 2), border)

    def encode(
        self,
        xy: Array,
        labelled: Array,
        *,
        rel_root_depth: Array,
        rel_root_valid: Array,
        hand_type: Array,
        hand_type_valid: Array,
        weight: Array | None = None,
    ) -> Hand3DTarget[Array]:
        """Turn joints into voxels.

        Args:
            xy: (..., N, K, 3) x and y in pixels of the network input, z in millimetres from the
                root; NaN is not known.
            labelled: (..., N, K) bool.
            rel_root_depth: (...) millimetres from the right root to the left.
            rel_root_valid: (...) 1 where that is known.
            hand_type: (..., N, 2) 1 where a right, a left hand is there.
            hand_type_valid: (..., N) 1 where that is known.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
            OptionError: `use_different_joint_weights` and no `weight`.
        """
        if self.use_different_joint_weights and weight is None:
            raise OptionError("weight: expected with use_different_joint_weights; give (K,)")
        xp = namespace(xy)
        if self.joint_indices is not None:
            chosen = xp.asarray(self.joint_indices, dtype=xp.int64, device=xy.device)
            xy, labelled = xp.take(xy, chosen, axis=-2), xp.take(labelled, chosen, axis=-1)
        points = base.check_points(xy, labelled, 3)
        if self.reference:  # it draws what is not labelled too
            points = points._replace(xy=xp.where(xp.isfinite(xy), xy, 0.0))
        heatmaps, seen = self._voxels(points)
        depth = (rel_root_depth / self.root_depth_bound + 0.5) * self.heatmap_size_root
        valid = rel_root_valid * ((depth >= 0) & (depth <= self.heatmap_size_root))
        return Hand3DTarget(
            heatmaps,
            base.weigh(seen, weight, xy),
            asarray_like(depth, xy)[..., None],
            hand_type,
            hand_type_valid,
            asarray_like(valid, xy)[..., None],
        )

    def _voxels(self, points: base.Points[Array]) -> tuple[Array, Array]:
        xp = namespace(points.xy)
        axes, seen = [], points.known
        for axis, size in enumerate(self.heatmap_size):
            place = points.xy[..., axis]
            if axis == 2:
                place = (place / self.heatmap3d_depth_bound + 0.5) * size
                seen = seen & (place >= 0) & (place < size)
            else:
                place = place * size / self.image_size[axis]
            curve, overlap = self._curve(place, size)
            axes.append(curve)
            if not self.reference:
                seen = seen & overlap
        x, y, z = axes
        if not self.reference:
            x = xp.where(seen[..., None], x, 0.0)
        plane = y[..., None, :, None] * x[..., None, None, :]
        boxes = merged((z * self.max_bound)[..., :, None, None] * plane, -5)
        shape = (*boxes.shape[:-4], boxes.shape[-4] * boxes.shape[-3], *boxes.shape[-2:])
        return xp.reshape(boxes, shape), seen

    def _curve(self, place: Array, size: int) -> tuple[Array, Array]:
        """Return one axis of the gaussians, (...) -> (..., S), and whether they reach the box."""
        xp = namespace(place)
        radius = 3 * self.sigma
        low = xp.round(place - radius)
        high = xp.round(place + (math.ceil(2 * radius + 1) - 1 - radius))
        overlap = (high >= 0) & (low <= size - 1)
        # The reference moves what is outside onto the border, so one cell is always written.
        low, high = (
            xp.where(e < 0, 0.0, xp.where(e > size - 1, size - 1.0, e)) for e in (low, high)
        )
        cell = cells(size, place)
        away = cell - place[..., None]
        curve = exp(away * away * (-0.5 / self.sigma**2))
        inside = (cell >= low[..., None]) & (cell <= high[..., None])
        return xp.where(inside, curve, 0.0), overlap

    def decode(self, heatmaps: Array, root_depth: Array, hand_type: Array) -> Hand3DDecoded[Array]:
        """Turn voxels into joints; of equal highest voxels the first counts.

        Args:
            heatmaps: (..., K, D, H, W).
            root_depth: (..., 1) cells of the root heatmap.
            hand_type: (..., 2) logits: right, left.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        width, height, depth = self.heatmap_size
        check_array("heatmaps", heatmaps, f"(..., K, {depth}, {height}, {width})")
        check_array("root_depth", root_depth, "(..., 1)")
        check_array("hand_type", hand_type, "(..., 2)", "number")
        xp = namespace(heatmaps)
        flat = xp.reshape(heatmaps, (*heatmaps.shape[:-3], depth * height * width))
        index, value, level = peaks(flat)
        place = (index % width, index // width % height, index // (width * height))
        score = value
        if self.reference:
            place = tuple(xp.where(value <= 0, -1, axis) for axis in place)
        x, y = (axis * step for axis, step in zip(place, self.stride, strict=False))
        z = (place[2] / self.depth_size - 0.5) * self.heatmap3d_depth_bound
        xyz = xp.stack([asarray_like(axis, heatmaps) for axis in (x, y, z)], axis=-1)
        if not self.reference:
            found = xp.isfinite(value) & (value > 0) & ~level
            xyz = xp.where(found[..., None], xyz, float("nan"))
            score = xp.where(found, value, 0.0)
        decoded = base.decoded(xyz[..., None, :, :], score[..., None, :])
        distance = (root_depth / self.root_heatmap_size - 0.5) * self.root_depth_bound
        there: Any = xp.astype(hand_type > 0, xp.int64)
        return Hand3DDecoded(*decoded, distance, there)

    def as_output(self, target: Hand3DTarget[Array]) -> tuple[Array, Array, Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        xp = namespace(target.heatmaps)
        width, height, depth = self.heatmap_size
        maps = target.heatmaps
        shape = (*maps.shape[:-3], maps.shape[-3] // depth, depth, height, width)
        return xp.reshape(maps, shape), target.root_depth, target.type

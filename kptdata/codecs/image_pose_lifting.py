"""Lifting one image's 2D keypoints to 3D, about a root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

from kptdata._array import Array, asarray_like, check_array, namespace
from kptdata.codecs import _lifting, base
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.errors import OptionError

__all__ = ["ImageLiftingTarget", "ImagePoseLifting"]


class ImageLiftingTarget(NamedTuple, Generic[Array]):
    """What a lifting network sees and is trained on."""

    keypoint_labels: Array  # (..., K D, N), or (..., N, K, D) without `reshape_keypoints`
    keypoint_labels_visible: Array  # (..., N, K)
    lifting_target_label: Array  # (..., N, K, C) about the root; K - 1 with `remove_root`
    lifting_target_weight: Array  # (..., N, K); K - 1 with `remove_root`
    trajectory_weights: Array  # (..., N, K)
    target_root: Array  # (..., N, C)


@dataclass(frozen=True)
class ImagePoseLifting:
    """3D keypoints about their root, and normalised 2D keypoints as the network's input.

    Unknown coordinates give 0, in labels with weight 0. ``reference=True`` does as the reference
    (MMPose 1.3.2): the root is rounded to float32, and NaN is passed on.

    Gradients flow through all of `decode`. ``decode(encode(...))`` with the root is within `bound`
    of the target: the rounding of taking the root off and putting it back.

    Args:
        num_keypoints: K.
        root_index: the root, or several keypoints whose mean it is.
        remove_root: leave the root out of the labels (one root only).
        save_index: tell the root's place as `target_root_index`.
        reshape_keypoints: the network's input as channels (K D, N).
        concat_vis: append to each 2D keypoint whether it is labelled.
        keypoints_mean: K rows, taken off the 2D keypoints; with `keypoints_std`.
        keypoints_std: K rows, what they are then divided by.
        target_mean: as many rows as labels, taken off the labels; with `target_std`.
        target_std: what they are then divided by.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a root that is no keypoint, a mean without its deviation, or a wrong number of
            rows.

    References:
        Martinez et al., "A simple yet effective baseline", ICCV 2017, arXiv:1705.03098.
    """

    num_keypoints: int
    root_index: int | tuple[int, ...] = 0
    remove_root: bool = False
    save_index: bool = False
    reshape_keypoints: bool = True
    concat_vis: bool = False
    keypoints_mean: _lifting.Numbers | None = None
    keypoints_std: _lifting.Numbers | None = None
    target_mean: _lifting.Numbers | None = None
    target_std: _lifting.Numbers | None = None
    reference: bool = False

    score_meaning: ClassVar[str] = "1 for every keypoint: lifting predicts no confidence"
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        base.positive("num_keypoints", self.num_keypoints)
        if not isinstance(self.root_index, int):
            object.__setattr__(self, "root_index", tuple(self.root_index))
        _lifting.root_indices(self.root_index, self.num_keypoints)
        labels = self.num_keypoints - self._removes
        for name, rows in (("keypoints", self.num_keypoints), ("target", labels)):
            mean, std = getattr(self, f"{name}_mean"), getattr(self, f"{name}_std")
            if (mean is None) != (std is None):
                raise OptionError(f"{name}_mean, {name}_std: expected both or neither")
            for part, numbers in (("mean", mean), ("std", std)):
                key = f"{name}_{part}"
                object.__setattr__(self, key, _lifting.as_rows(key, numbers, rows))

    @property
    def roots(self) -> tuple[int, ...]:
        """The keypoints whose mean is the root."""
        return _lifting.root_indices(self.root_index, self.num_keypoints)

    @property
    def _removes(self) -> bool:
        single = isinstance(self.root_index, int) or len(self.root_index) == 1
        return self.remove_root and single

    @property
    def target_root_index(self) -> int | None:
        """The place the root was taken from, with `remove_root` and `save_index`."""
        return self.roots[0] if self._removes and self.save_index else None

    @property
    def bound(self) -> Bound:
        """How far ``decode(encode(...))`` may be off in float32, times the largest coordinate."""
        rounding = 2.0**-24
        return Bound((4 * rounding,) * 3)

    def encode(
        self,
        xy: Array,
        labelled: Array,
        *,
        lifting_target: Array,
        lifting_target_visible: Array,
        weight: Array | None = None,
    ) -> ImageLiftingTarget[Array]:
        """Turn keypoints into the network's input and labels.

        Args:
            xy: (..., N, K, D) 2D keypoints; NaN is not known.
            labelled: (..., N, K) bool.
            lifting_target: (..., N, K, C) 3D keypoints.
            lifting_target_visible: (..., N, K) bool.
            weight: (K,) to (..., N, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        check_array("xy", xy, f"(..., N, {self.num_keypoints}, D)")
        check_array("labelled", labelled, xy.shape[:-1], "bool")
        _lifting.check_target(lifting_target, lifting_target_visible, self.num_keypoints)
        xp = namespace(xy)
        root = self._root(lifting_target)
        label = lifting_target - asarray_like(root, lifting_target)[..., None, :]
        known = lifting_target_visible
        if not self.reference:
            known = known & base.all_finite(label)
            label, root = _lifting.finite(label), _lifting.finite(root)
        weights = base.weigh(known, weight, xy)
        trajectory = weights
        if self._removes:
            label = _lifting.without(label, self.roots[0], -2)
            weights = _lifting.without(weights, self.roots[0], -1)
        label = self._normalised(label, self.target_mean, self.target_std)
        return ImageLiftingTarget(
            self._inputs(xy, labelled),
            xp.astype(labelled, xy.dtype),
            label,
            weights,
            trajectory,
            root,
        )

    def _root(self, target: Array) -> Array:
        if not self.reference:
            return _lifting.take_root(target, self.roots)
        xp = namespace(target)
        return _lifting.take_root(xp.astype(target, xp.float32), self.roots)

    def _inputs(self, xy: Array, labelled: Array) -> Array:
        labels = self._normalised(xy, self.keypoints_mean, self.keypoints_std)
        if not self.reference:
            labels = _lifting.finite(labels)
        if self.concat_vis:
            labels = _lifting.with_visibility(labels, labelled)
        return _lifting.as_channels(labels) if self.reshape_keypoints else labels

    @staticmethod
    def _normalised(values: Array, mean: Any, std: Any) -> Array:
        if mean is None:
            return values
        return (values - asarray_like(mean, values)) / asarray_like(std, values)

    def decode(
        self, lifting_target_label: Array, target_root: Array | None = None
    ) -> DecodedKeypoints[Array]:
        """Turn labels into 3D keypoints (..., N, K, C).

        Args:
            lifting_target_label: (..., N, K, C); K - 1 with `remove_root`.
            target_root: (..., N, C) added again; without it keypoints stay about the root.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        labels = self.num_keypoints - self._removes
        check_array("lifting_target_label", lifting_target_label, f"(..., N, {labels}, C)")
        xyz = lifting_target_label
        if self.target_mean is not None:
            xyz = xyz * asarray_like(self.target_std, xyz) + asarray_like(self.target_mean, xyz)
        return _lifting.restored(xyz, target_root, self.roots[0] if self._removes else None)

    def as_output(self, target: ImageLiftingTarget[Array]) -> tuple[Array, Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return target.lifting_target_label, target.target_root

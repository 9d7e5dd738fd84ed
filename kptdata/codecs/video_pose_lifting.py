"""Lifting the 2D keypoints of a sequence of frames to 3D, about a root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

from kptdata._array import Array, asarray_like, check_array, namespace
from kptdata.codecs import _lifting, base
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.camera import Camera

__all__ = ["VideoLiftingCameraTarget", "VideoLiftingTarget", "VideoPoseLifting"]


class VideoLiftingTarget(NamedTuple, Generic[Array]):
    """What a lifting network sees and is trained on."""

    keypoint_labels: Array  # (..., K D, T), or (..., T, K, D) without `reshape_keypoints`
    keypoints_visible: Array  # (..., T, K)
    lifting_target_label: Array  # (..., T, K, C) about the root; K - 1 with `remove_root`
    lifting_target_weight: Array  # (..., T, K); K - 1 with `remove_root`
    trajectory_weights: Array  # (..., T, K)
    target_root: Array  # (..., T, C); 0 without `zero_center`


class VideoLiftingCameraTarget(NamedTuple, Generic[Array]):
    """The same with the camera in the unit of the network's input."""

    keypoint_labels: Array
    keypoints_visible: Array
    lifting_target_label: Array
    lifting_target_weight: Array
    trajectory_weights: Array
    target_root: Array
    focal: Array  # (..., 2) in half image widths
    center: Array  # (..., 2) in half image widths from the middle of the image


@dataclass(frozen=True)
class VideoPoseLifting:
    """3D keypoints about their root; 2D keypoints in half image widths about the image's middle.

    Unknown coordinates give 0, in labels with weight 0; ``reference=True`` passes NaN on as the
    reference (MMPose 1.3.2) does.

    Gradients flow through all of `decode`. ``decode(encode(...))`` with the root is within `bound`
    of the target: the rounding of taking the root off and putting it back.

    Args:
        num_keypoints: K.
        zero_center: take the root off the labels.
        root_index: the root, or several keypoints whose mean it is.
        remove_root: leave the root out of the labels (one root, with `zero_center`).
        save_index: tell the root's place as `target_root_index`.
        reshape_keypoints: the network's input as channels (K D, T).
        concat_vis: append to each 2D keypoint whether it is labelled.
        normalize_camera: return the camera in the unit of the network's input as well.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a root that is no keypoint.

    References:
        Pavllo et al., "VideoPose3D", CVPR 2019, arXiv:1811.11742.
    """

    num_keypoints: int
    zero_center: bool = True
    root_index: int | tuple[int, ...] = 0
    remove_root: bool = False
    save_index: bool = False
    reshape_keypoints: bool = True
    concat_vis: bool = False
    normalize_camera: bool = False
    reference: bool = False

    score_meaning: ClassVar[str] = "1 for every keypoint: lifting predicts no confidence"
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        base.positive("num_keypoints", self.num_keypoints)
        if not isinstance(self.root_index, int):
            object.__setattr__(self, "root_index", tuple(self.root_index))
        _lifting.root_indices(self.root_index, self.num_keypoints)

    @property
    def roots(self) -> tuple[int, ...]:
        """The keypoints whose mean is the root."""
        return _lifting.root_indices(self.root_index, self.num_keypoints)

    @property
    def _removes(self) -> bool:
        return self.remove_root and self.zero_center and len(self.roots) == 1

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
        camera: Camera[Array],
        weight: Array | None = None,
    ) -> VideoLiftingTarget[Array] | VideoLiftingCameraTarget[Array]:
        """Turn a sequence into the network's input and labels.

        Args:
            xy: (..., T, K, D) 2D keypoints of T frames, pixels; NaN is not known.
            labelled: (..., T, K) bool.
            lifting_target: (..., T', K, C) 3D keypoints of those frames that are lifted.
            lifting_target_visible: (..., T', K) bool.
            camera: the image's size; with `normalize_camera` its focal lengths and centre too.
            weight: (K,) to (..., T', K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        check_array("xy", xy, f"(..., T, {self.num_keypoints}, D)")
        check_array("labelled", labelled, xy.shape[:-1], "bool")
        _lifting.check_target(lifting_target, lifting_target_visible, self.num_keypoints)
        xp = namespace(xy)
        root = xp.zeros_like(lifting_target[..., 0, :])
        label, known = lifting_target, lifting_target_visible
        if self.zero_center:
            root = _lifting.take_root(lifting_target, self.roots)
            label = label - root[..., None, :]
        if not self.reference:
            known = known & base.all_finite(label)
            label, root = _lifting.finite(label), _lifting.finite(root)
        weights = base.weigh(known, weight, xy)
        trajectory = weights
        if self._removes:
            label = _lifting.without(label, self.roots[0], -2)
            weights = _lifting.without(weights, self.roots[0], -1)
        target = VideoLiftingTarget(
            self._inputs(xy, labelled, camera.image_size),
            xp.astype(labelled, xy.dtype),
            label,
            weights,
            trajectory,
            root,
        )
        return self._with_camera(target, camera) if self.normalize_camera else target

    def _inputs(self, xy: Array, labelled: Array, image_size: Array) -> Array:
        half = 0.5 * asarray_like(image_size, xy)[..., None, None, :]
        labels = (xy - half) / half[..., :1]
        if not self.reference:
            labels = _lifting.finite(labels)
        if self.concat_vis:
            labels = _lifting.with_visibility(labels, labelled)
        return _lifting.as_channels(labels) if self.reshape_keypoints else labels

    @staticmethod
    def _with_camera(
        target: VideoLiftingTarget[Array], camera: Camera[Array]
    ) -> VideoLiftingCameraTarget[Array]:
        half: Any = 0.5 * asarray_like(camera.image_size, camera.focal)
        scale = half[..., :1]
        return VideoLiftingCameraTarget(
            *target, camera.focal / scale, (camera.center - half) / scale
        )

    def decode(
        self, lifting_target_label: Array, target_root: Array | None = None
    ) -> DecodedKeypoints[Array]:
        """Turn labels into 3D keypoints (..., T, K, C).

        Args:
            lifting_target_label: (..., T, K, C); K - 1 with `remove_root`.
            target_root: (..., T, C) added again; without it keypoints stay about the root.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        labels = self.num_keypoints - self._removes
        check_array("lifting_target_label", lifting_target_label, f"(..., T, {labels}, C)")
        removed = self.roots[0] if self._removes else None
        return _lifting.restored(lifting_target_label, target_root, removed)

    def as_output(
        self, target: VideoLiftingTarget[Array] | VideoLiftingCameraTarget[Array]
    ) -> tuple[Array, Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return target.lifting_target_label, target.target_root

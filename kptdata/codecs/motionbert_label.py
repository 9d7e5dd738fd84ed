"""MotionBERT: sequences of 2D keypoints, and labels in image space with scaled depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple

from kptdata._array import Array, asarray_like, check_array, namespace
from kptdata.codecs import _lifting, base
from kptdata.codecs.base import Bound, DecodedKeypoints
from kptdata.codecs.camera import Camera, camera_to_image

__all__ = ["MotionBERTLabel", "MotionBERTTarget"]

MODES = ("train", "test")


class MotionBERTTarget(NamedTuple, Generic[Array]):
    """What the network sees and is trained on, or evaluated against."""

    keypoint_labels: Array  # (..., T, K, D) in half image widths about the image's middle
    keypoint_labels_visible: Array  # (..., T, K)
    lifting_target_label: Array  # (..., T, K, 3) about the root
    lifting_target_weight: Array  # (..., T, K)
    factor: Array  # (..., T, 1) turns thousands of pixels at the root into camera space


@dataclass(frozen=True)
class MotionBERTLabel:
    """Labels are projected to the image and counted from the root.

    In ``train`` mode they are in half image widths, in ``test`` mode multiplied by `factor` to be
    back in the unit of camera space. Unknown coordinates give 0, in labels with weight 0;
    ``reference=True`` passes NaN on as the reference (MMPose 1.3.2) does.

    Gradients flow through all of `decode`. Decoding a ``train`` label with the image's size and the
    factor gives the ``test`` label to within `bound`: that is what an evaluation compares. Neither
    is the 3D pose itself, because depth differences are taken as seen from afar.

    Args:
        num_keypoints: K.
        root_index: the root.
        concat_vis: append to each 2D keypoint whether it is labelled.
        rootrel: when decoding, put the first keypoint at the middle before anything else.
        mode: ``train`` or ``test``.
        reference: behave like the reference throughout.

    Raises:
        OptionError: a root that is no keypoint, or an unknown mode.

    References:
        Zhu et al., "MotionBERT", ICCV 2023, arXiv:2210.06551.
    """

    num_keypoints: int
    root_index: int = 0
    concat_vis: bool = False
    rootrel: bool = False
    mode: str = "test"
    reference: bool = False

    score_meaning: ClassVar[str] = "1 for every keypoint: lifting predicts no confidence"
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        base.positive("num_keypoints", self.num_keypoints)
        _lifting.root_indices(self.root_index, self.num_keypoints)
        object.__setattr__(self, "mode", self.mode.lower())
        base.one_of("mode", self.mode, MODES)

    @property
    def bound(self) -> Bound:
        """How far a decoded label may be off in float32, times the largest coordinate."""
        rounding = 2.0**-24
        return Bound((16 * rounding,) * 3)

    def encode(
        self,
        xy: Array,
        labelled: Array,
        *,
        lifting_target: Array,
        lifting_target_visible: Array,
        camera: Camera[Array],
        factor: Array | None = None,
        weight: Array | None = None,
    ) -> MotionBERTTarget[Array]:
        """Turn a sequence into the network's input and labels.

        Args:
            xy: (..., T, K, D) 2D keypoints of T frames, pixels; NaN is not known.
            labelled: (..., T, K) bool.
            lifting_target: (..., T, K, 3) camera space; with unknown focal lengths taken as already
                in image space.
            lifting_target_visible: (..., T, K) bool.
            camera: the image's size, and focal lengths and centre, NaN if not known.
            factor: (..., T, 1) or (1,); by default computed from the camera, 4 where that is not
                known.
            weight: (K,) to (..., T, K), multiplies the weights.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        check_array("xy", xy, f"(..., T, {self.num_keypoints}, D)")
        check_array("labelled", labelled, xy.shape[:-1], "bool")
        _lifting.check_target(lifting_target, lifting_target_visible, self.num_keypoints)
        xp = namespace(xy)
        label, computed = self._projected(lifting_target, camera)
        root = self.root_index
        if self.mode == "train":
            size = asarray_like(camera.image_size, label)[..., None, None, :] / 1000
            label = label * (2 / size[..., :1])  # counted from the root, so no middle to take off
        label = label - label[..., root : root + 1, :]
        scale = computed[..., None] if factor is None else asarray_like(factor, label)
        if scale.ndim == 1:
            scale = scale[:, None]
        if self.mode == "test":
            label = label * scale[..., None]
        known = lifting_target_visible
        if not self.reference:
            known = known & base.all_finite(label)
            label, scale = _lifting.finite(label), _lifting.finite(scale)
        return MotionBERTTarget(
            self._inputs(xy, labelled, camera.image_size),
            xp.astype(labelled, xy.dtype),
            label,
            base.weigh(known, weight, xy),
            scale,
        )

    def _projected(self, target: Array, camera: Camera[Array]) -> tuple[Array, Array]:
        """Project labels to the image where the camera is known, and say how far it shrinks."""
        xp = namespace(target)
        camera = Camera(*(asarray_like(part, target) for part in camera))
        image, factor = camera_to_image(target, camera, self.root_index)
        known = xp.all(xp.isfinite(camera.focal) & xp.isfinite(camera.center), axis=-1)
        known = xp.broadcast_to(known[..., None], factor.shape)
        return xp.where(known[..., None, None], image, target), xp.where(known, factor, 4.0)

    def _inputs(self, xy: Array, labelled: Array, image_size: Array) -> Array:
        xp = namespace(xy)
        size = asarray_like(image_size, xy)[..., None, None, :]
        place = xy[..., :2] / size[..., :1] * 2 - size / size[..., :1]
        labels = xp.concat([place, xy[..., 2:]], axis=-1)
        if not self.reference:
            labels = _lifting.finite(labels)
        return _lifting.with_visibility(labels, labelled) if self.concat_vis else labels

    def decode(
        self,
        lifting_target_label: Array,
        *,
        image_size: Array | None = None,
        factor: Array | None = None,
    ) -> DecodedKeypoints[Array]:
        """Turn labels into keypoints about the root (..., T, K, 3), in thousandths of their unit.

        Args:
            lifting_target_label: (..., T, K, 3).
            image_size: (2,) or (..., T, 2) width and height: the labels are in half image widths.
            factor: (..., T, 1): from pixels at the root to camera space.

        Raises:
            ArrayError: an array has another shape or element type.
        """
        check_array(
            "lifting_target_label", lifting_target_label, f"(..., T, {self.num_keypoints}, 3)"
        )
        xp = namespace(lifting_target_label)
        xyz = lifting_target_label
        if self.rootrel:
            xyz = xp.concat([xp.zeros_like(xyz[..., :1, :]), xyz[..., 1:, :]], axis=-2)
        if image_size is not None:
            size = asarray_like(image_size, xyz)[..., None, :]
            width = size[..., :1]
            middle = xp.concat([size / width, xp.zeros_like(width)], axis=-1)
            xyz = (xyz + middle) * width / 2
        if factor is not None:
            check_array("factor", factor, "(..., T, 1)", "number")
            xyz = xyz * asarray_like(factor, xyz)[..., None]
        xyz = (xyz - xyz[..., self.root_index : self.root_index + 1, :]) / 1000
        return _lifting.restored(xyz, None, None)

    def as_output(self, target: MotionBERTTarget[Array]) -> tuple[Array]:
        """Return what a perfect model puts out for `target`: the arguments of `decode`."""
        return (target.lifting_target_label,)

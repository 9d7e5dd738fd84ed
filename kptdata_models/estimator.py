"""The whole model: images in pixels to losses, raw outputs or keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from kptdata.errors import OptionError
from kptdata.schema import Schema
from kptdata_models.heads.base import PoseHead

__all__ = ["MODES", "Auxiliary", "Prediction", "Preprocessor", "TopdownPoseEstimator"]

MODES = ("tensor", "loss", "predict")
CHANNEL_ORDERS = ("rgb", "bgr")


class Preprocessor(nn.Module):
    """Bytes to what the network expects, on the device that the network is on.

    Args:
        mean: taken off each channel, in the scale 0..255 and in `channel_order`.
        std: each channel is divided by it.
        channel_order: ``rgb`` or ``bgr``, what the network expects; images come as RGB.

    Raises:
        OptionError: `std` is not positive, or no such order.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        channel_order: str = "rgb",
    ) -> None:
        super().__init__()
        if channel_order not in CHANNEL_ORDERS:
            choices = " or ".join(CHANNEL_ORDERS)
            raise OptionError(f"channel_order: expected {choices}, got {channel_order!r}")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise OptionError(
                f"std: expected three positive numbers, and three for mean, got {std} and {mean}"
            )
        self.channel_order = channel_order
        # No part of a checkpoint's layout: they are arguments, and travel in the run.
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise RGB `images` (B, 3, H, W), bytes or numbers in 0..255."""
        ordered = images.flip(1) if self.channel_order == "bgr" else images
        return (ordered.to(self.mean.dtype) - self.mean) / self.std


class Auxiliary(NamedTuple):
    """A further head, for training alone."""

    head: PoseHead[Any]
    weight: float


class Prediction(NamedTuple):
    """What `predict` gives for a batch."""

    keypoints: Any  # the codec's bundle: xy (B, 1, K, 2) input pixels, score, instance_score
    outputs: tuple[Tensor, ...]  # what was decoded: heatmaps, for a heatmap head


class TopdownPoseEstimator(nn.Module):
    """Preprocessor, backbone, neck and head, under these names in a checkpoint.

    Args:
        backbone: images to a tuple of maps.
        head: maps to keypoints.
        schema: names, order and pairs of the keypoints.
        neck: maps to maps.
        auxiliary: further heads that are trained along.
        preprocessor: bytes to normalised images.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: PoseHead[Any],
        schema: Schema,
        *,
        neck: nn.Module | None = None,
        auxiliary: Iterable[Auxiliary] = (),
        preprocessor: Preprocessor | None = None,
    ) -> None:
        super().__init__()
        self.preprocessor = preprocessor or Preprocessor()
        self.backbone = backbone
        self.neck = neck
        self.head = head
        self.schema = schema
        further = list(auxiliary)
        self.auxiliary = nn.ModuleList(a.head for a in further)
        self.auxiliary_weights = tuple(float(a.weight) for a in further)
        self.swap_indices = tuple(int(i) for i in schema.swap_indices)

    @property
    def codec(self) -> Any:
        """The head's codec."""
        return self.head.codec

    def forward(
        self, images: Tensor, target: Any = None, mode: str = "tensor", *, flip_test: bool = False
    ) -> Any:
        """Run the model.

        Args:
            images: (B, 3, H, W) RGB, 0..255.
            target: what the codec encoded, batched; for the mode ``loss``.
            mode: ``tensor`` gives the head's raw output, ``loss`` named scalars whose entry
                ``loss`` is their sum, ``predict`` a `Prediction`.
            flip_test: in the mode ``predict``, average with the mirrored input.

        Raises:
            OptionError: no such mode, or a target is missing.
        """
        if mode == "tensor":
            return self.head(self.extract(images))
        if mode == "loss":
            if target is None:
                raise OptionError("target: needed in the mode 'loss', got None")
            return self.loss(images, target)
        if mode == "predict":
            return self.predict(images, flip_test=flip_test)
        raise OptionError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")

    def extract(self, images: Tensor) -> Sequence[Tensor]:
        """Return the maps that the head sees."""
        maps: Sequence[Tensor] = self.backbone(self.preprocessor(images))
        return maps if self.neck is None else self.neck(maps)

    def loss(self, images: Tensor, target: Any) -> dict[str, Tensor]:
        """Return the losses of all heads by name, and ``loss``, their weighted sum."""
        maps = self.extract(images)
        terms = dict(self.head.loss(maps, target))
        total = _sum_of_losses(terms)
        for i, (head, weight) in enumerate(
            zip(self.auxiliary, self.auxiliary_weights, strict=True)
        ):
            further = head.loss(maps, target)  # type: ignore[operator]
            total = total + weight * _sum_of_losses(further)
            terms |= {f"auxiliary{i}_{name}": value for name, value in further.items()}
        return {"loss": total} | terms

    def predict(self, images: Tensor, *, flip_test: bool = False) -> Prediction:
        """Return keypoints in input pixels, and the outputs that they were decoded from."""
        mirrored = self.extract(images.flip(-1)) if flip_test else None
        outputs = self.head.outputs(self.extract(images), mirrored, self.swap_indices)
        return Prediction(self.codec.decode(*outputs), outputs)


def _sum_of_losses(terms: Mapping[str, Tensor]) -> Tensor:
    losses = [value for name, value in terms.items() if name.startswith("loss")]
    if not losses:
        raise OptionError(f"loss: no term's name starts with 'loss', got {', '.join(terms)}")
    return torch.stack(losses).sum()

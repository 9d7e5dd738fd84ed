"""What every head offers, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from kptdata.errors import ArrayError, OptionError

__all__ = ["PoseHead", "make_loss", "one_person", "softmax_of_cells"]

Output = TypeVar("Output")


class PoseHead(nn.Module, ABC, Generic[Output]):
    """A head: feature maps in, keypoints out, trained on what its codec encodes.

    Attributes:
        codec: a frozen dataclass; it made the targets and it decodes the outputs.
        loss_module: compares outputs with targets.
        in_index: which of the maps is used; the last one unless said otherwise.
    """

    in_index: int = -1
    codec: Any
    loss_module: nn.Module

    @abstractmethod
    def forward(self, maps: Sequence[Tensor]) -> Output:
        """Return the raw outputs for feature maps, of which that at `in_index` is used."""

    @abstractmethod
    def loss(self, maps: Sequence[Tensor], target: Any) -> dict[str, Tensor]:
        """Return named scalars; those that start with ``loss`` add up, others are only logged.

        Args:
            maps: feature maps of a batch.
            target: what the codec's `encode` returned, with a batch axis in front.
        """

    @abstractmethod
    def as_decoded(self, output: Output) -> tuple[Tensor, ...]:
        """Return an output as the codec's `decode` takes it, with an axis for people."""

    def outputs(
        self,
        maps: Sequence[Tensor],
        mirrored: Sequence[Tensor] | None = None,
        swap_indices: Sequence[int] | None = None,
    ) -> tuple[Tensor, ...]:
        """Return what `codec.decode` takes; with flip test if the mirrored input is given too.

        Args:
            maps: of the input as it is.
            mirrored: of the input mirrored left to right.
            swap_indices: for each keypoint, its partner on the other side.
        """
        output = self._outputs(maps)
        if mirrored is None:
            return output
        if swap_indices is None:
            raise OptionError("swap_indices: needed for the flip test, got None")
        other = self._outputs(mirrored)
        return tuple(self.codec.flip_merge(output, other, swap_indices))

    def _outputs(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        # Half precision cannot tell neighbouring pixels apart once coordinates pass a few hundred.
        return tuple(x.float() for x in self.as_decoded(self(maps)))

    def predict(
        self,
        maps: Sequence[Tensor],
        mirrored: Sequence[Tensor] | None = None,
        swap_indices: Sequence[int] | None = None,
    ) -> Any:
        """Return keypoints: xy (B, 1, K, 2) in input pixels, score, instance_score."""
        return self.codec.decode(*self.outputs(maps, mirrored, swap_indices))


def make_loss(
    loss: nn.Module | Mapping[str, Any] | None, default: type[nn.Module], **options: Any
) -> nn.Module:
    """Return the loss module: one as given, one from a table ``{type, ...}``, or the default."""
    if isinstance(loss, nn.Module):
        return loss
    if loss is None:
        return default(**options)
    # Losses are found by name like everything else in a run file.
    from kptdata_models.losses import LOSSES

    arguments = dict(loss)
    kind = arguments.pop("type", None)
    return (default if kind is None else LOSSES.load(kind))(**arguments)


def one_person(name: str, array: Tensor, axes: int) -> Tensor:
    """Drop the instance axis of a target that a top-down head is trained on.

    Args:
        name: what the array is called, for the message.
        array: (B, 1, ...) or without the instance axis.
        axes: how many axes it has without the instance axis.

    Raises:
        ArrayError: there are several people.
    """
    if array.ndim == axes:
        return array
    if array.ndim != axes + 1 or array.shape[1] != 1:
        raise ArrayError(f"{name}: expected one person per sample, got shape {tuple(array.shape)}")
    return array[:, 0]


def softmax_of_cells(maps: Tensor) -> Tensor:
    """Return maps (B, C, H, W) that add up to 1 each, of logits of that shape."""
    return maps.flatten(2).softmax(dim=2).reshape(maps.shape)

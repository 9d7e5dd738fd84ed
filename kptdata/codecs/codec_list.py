"""Several codecs at once: targets of several levels, or heatmaps and labels side by side."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kptdata.codecs.base import Bound, Codec, DecodedKeypoints
from kptdata.codecs.crop import Crop
from kptdata.errors import OptionError

__all__ = ["CodecList", "SampleFields", "sample_fields"]


@dataclass(frozen=True)
class SampleFields:
    """What an `encode` wants to know besides keypoints, by the names of a sample's fields."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


def sample_fields(codec: Codec[Any]) -> SampleFields:
    """Read from the signature of `encode` which fields of a sample it takes."""
    if isinstance(codec, CodecList):
        parts = [sample_fields(one) for one in codec.codecs]
        required = dict.fromkeys(name for part in parts for name in part.required)
        optional = dict.fromkeys(name for part in parts for name in part.optional)
        return SampleFields(tuple(required), tuple(n for n in optional if n not in required))
    keywords = [
        spec
        for spec in inspect.signature(codec.encode).parameters.values()
        if spec.kind is spec.KEYWORD_ONLY
    ]
    return SampleFields(
        tuple(spec.name for spec in keywords if spec.default is spec.empty),
        tuple(spec.name for spec in keywords if spec.default is not spec.empty),
    )


@dataclass(frozen=True)
class CodecList:
    """One target per codec, decoded by one of them.

    Heatmaps of several sizes for a network with several stages, or heatmaps and keypoint labels for
    a network with two heads. A `weight` multiplies the weights of every target.

    Args:
        codecs: two or more codecs, of the same input size and crop rule.
        decoder: which of them decodes; by default the last.

    Raises:
        OptionError: no codec, codecs of different inputs, or a decoder that is none of them.
    """

    codecs: tuple[Any, ...]
    decoder: int = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "codecs", tuple(self.codecs))
        if not self.codecs:
            raise OptionError("codecs: expected at least one, got none")
        for codec in self.codecs:
            if not hasattr(codec, "encode"):
                raise OptionError(
                    f"codecs: expected codecs, got {codec!r}; see kptdata.codecs.build"
                )
        inputs = {_input_of(codec) for codec in self.codecs}
        if len(inputs) > 1:
            raise OptionError(
                "codecs: expected one input size and one crop rule (UDP or plain), got "
                + ", ".join(f"{size} {'UDP' if udp else 'plain'}" for size, udp in sorted(inputs))
            )
        if not -len(self.codecs) <= self.decoder < len(self.codecs):
            raise OptionError(f"decoder: expected one of {len(self.codecs)}, got {self.decoder}")

    @property
    def _decoder(self) -> Any:
        return self.codecs[self.decoder]

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of the network input, pixels."""
        size: tuple[int, int] = self._decoder.input_size
        return size

    @property
    def udp(self) -> bool:
        """Whether coordinates count the steps between pixels."""
        return bool(self._decoder.udp)

    @property
    def padding(self) -> float:
        """How much larger than the box a crop is, unless told otherwise."""
        return float(self._decoder.padding)

    @property
    def bound(self) -> Bound:
        """The bound of the codec that decodes."""
        bound: Bound = self._decoder.bound
        return bound

    @property
    def score_meaning(self) -> str:
        """What the score of the codec that decodes means."""
        return str(self._decoder.score_meaning)

    @property
    def score_range(self) -> tuple[float, float]:
        """The lowest and highest score of the codec that decodes."""
        low, high = self._decoder.score_range
        return low, high

    def encode(self, xy: Any, labelled: Any, **sample: Any) -> tuple[Any, ...]:
        """Return one target per codec; each takes those fields of `sample` that it names.

        Raises:
            OptionError: a field that no codec takes.
        """
        known = sample_fields(self)
        for name in sample:
            if name not in known.required + known.optional:
                raise OptionError(f"{name}: no codec of the list takes it")
        return tuple(
            codec.encode(xy, labelled, **_only(sample, sample_fields(codec)))
            for codec in self.codecs
        )

    def decode(self, *outputs: Any, **sample: Any) -> DecodedKeypoints[Any]:
        """Decode the outputs of the head that belongs to the decoder."""
        decoded: DecodedKeypoints[Any] = self._decoder.decode(*outputs, **sample)
        return decoded

    def flip_merge(
        self, outputs: tuple[Any, ...], flipped: tuple[Any, ...], swap_indices: Any, **shift: bool
    ) -> tuple[Any, ...]:
        """Average the outputs of the decoder's head with those of the mirror image."""
        merged: tuple[Any, ...] = self._decoder.flip_merge(outputs, flipped, swap_indices, **shift)
        return merged

    def crop(self, box: Any, **how: Any) -> Crop[Any]:
        """Return the crop that all codecs share; see `TopDown.crop`."""
        crop: Crop[Any] = self._decoder.crop(box, **how)
        return crop

    def to_image(self, decoded: DecodedKeypoints[Any], crop: Crop[Any]) -> DecodedKeypoints[Any]:
        """Take decoded keypoints to image pixels; see `TopDown.to_image`."""
        moved: DecodedKeypoints[Any] = self._decoder.to_image(decoded, crop)
        return moved

    def as_output(self, target: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what a perfect head of the decoder puts out for `target`."""
        outputs: tuple[Any, ...] = self._decoder.as_output(target[self.decoder])
        return outputs


def _input_of(codec: Any) -> tuple[tuple[int, ...], bool]:
    return tuple(getattr(codec, "input_size", ())), bool(getattr(codec, "udp", False))


def _only(sample: Mapping[str, Any], wanted: SampleFields) -> dict[str, Any]:
    names = wanted.required + wanted.optional
    return {name: value for name, value in sample.items() if name in names}

"""How samples vary, and one draw of it: the random half of the transforms, without any pixels."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kptdata.errors import OptionError, UnknownNameError
from kptdata.keypoints import mirrored_axes
from kptdata.transforms.effects import Effect, effect_from_dict, effect_to_dict
from kptdata.transforms.laws import LAWS, HalfBodyRule, Law, Ranges
from kptdata.transforms.pixels import PixelTransform, build_transform

__all__ = ["Augmentation", "Draw", "standard_augmentation"]


class Draw(NamedTuple):
    """What was drawn for one sample; its picture, points and boxes all follow from it."""

    flip: bool = False
    half_body: bool = False
    upper: bool = True  # the half that is preferred
    scale: float = 1.0
    rotation: float = 0.0  # degrees, anticlockwise
    shift: tuple[float, float] = (0.0, 0.0)  # fractions of the padded box
    direction: str = "horizontal"  # of the flip
    effects: tuple[Effect, ...] = ()  # on the crop's pixels, in this order

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        values = self._asdict()
        values["shift"] = list(self.shift)
        values["effects"] = [effect_to_dict(effect) for effect in self.effects]
        return values

    def to_json(self) -> str:
        """Return one line of JSON; `from_json` gives the same draw."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Draw:
        """Return the draw that `to_dict` described.

        Raises:
            UnknownNameError: a key or an effect is not known.
            OptionError: a value does not fit.
        """
        for key in values:
            if key not in cls._fields:
                raise UnknownNameError("key of a draw", key, cls._fields)
        made = cls(**values)
        mirrored_axes(made.direction)
        across, down = made.shift
        effects: Any = made.effects
        return made._replace(
            shift=(float(across), float(down)), effects=tuple(map(effect_from_dict, effects))
        )

    @classmethod
    def from_json(cls, text: str) -> Draw:
        """Return the draw that `to_json` wrote; raises as `from_dict` does, and for no JSON."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise OptionError(f"draw: expected JSON, {error}") from error
        return cls.from_dict(values)


@dataclass(frozen=True)
class Augmentation:
    """How much samples vary; the default does not vary them at all.

    Args:
        flip: chance of mirroring.
        half_body: chance of seeing the upper or the lower half of a body alone.
        half_body_min: least number of labelled keypoints of a body that is halved.
        scale: smallest and largest factor of the box's size.
        scale_prob: chance of changing the size; by default the law's own.
        rotation: degrees either way: the largest of the law ``mmpose``, half of the largest of
            ``hrnet``.
        rotation_prob: chance of turning; by default the law's own.
        shift: largest shift, as a fraction of the padded box, either way along both axes.
        shift_prob: chance of shifting; by default the law's own.
        law: how size, angle and shift are spread: ``mmpose``, ``hrnet`` or a dotted path.
        half_body_padding: how much larger than the half's keypoints its box is.
        flip_direction: ``horizontal``, ``vertical`` or ``diagonal``.
        pixels: changes of the crop's pixels in their order, each a table with its ``type``.
        use_schema_weights: multiply the weights of targets by those of the schema.

    Raises:
        OptionError: a chance is not in 0..1, a range is the wrong way round, or the law refuses it.
        UnknownNameError: no such law, transform or direction; near names are listed.
    """

    flip: float = 0.0
    half_body: float = 0.0
    half_body_min: int = 9
    scale: tuple[float, float] = (1.0, 1.0)
    scale_prob: float | None = None
    rotation: float = 0.0
    rotation_prob: float | None = None
    shift: float = 0.0
    shift_prob: float | None = None
    law: str = "mmpose"
    half_body_padding: float = 1.5
    flip_direction: str = "horizontal"
    pixels: tuple[Mapping[str, Any], ...] = ()
    use_schema_weights: bool = True

    def __post_init__(self) -> None:
        for name in ("flip", "half_body", "scale_prob", "rotation_prob", "shift_prob"):
            chance = getattr(self, name)
            if chance is not None and not 0 <= chance <= 1:
                raise OptionError(f"{name}: expected a chance in 0..1, got {chance}")
        object.__setattr__(self, "scale", tuple(self.scale))
        object.__setattr__(self, "pixels", tuple(self.pixels))
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise OptionError(f"scale: expected two positive factors in order, got {self.scale}")
        if not self.half_body_padding > 0:
            raise OptionError(
                f"half_body_padding: expected a positive factor, got {self.half_body_padding}"
            )
        mirrored_axes(self.flip_direction)
        self._law.check(self._ranges)
        _ = self._pixel_transforms

    def draw(self, rng: np.random.Generator) -> Draw:
        """Draw once; the random numbers used for geometry do not depend on what they are."""
        flip, half, upper, scale, rotation, shift = rng.random(6)
        law, ranges = self._law, self._ranges
        amounts = law.amounts(rng, ranges)
        effects = [transform.draw(rng) for transform in self._pixel_transforms]
        return Draw(
            flip=bool(flip < self.flip),
            half_body=bool(half < self.half_body),
            upper=bool(upper < self.half_body_rule.upper),
            scale=amounts.scale if scale < _chance(self.scale_prob, law.scale_prob) else 1.0,
            rotation=(
                amounts.rotation
                if rotation < _chance(self.rotation_prob, law.rotation_prob)
                else 0.0
            ),
            shift=(
                amounts.shift if shift < _chance(self.shift_prob, law.shift_prob) else (0.0, 0.0)
            ),
            direction=self.flip_direction,
            effects=tuple(effect for effect in effects if effect is not None),
        )

    @property
    def half_body_rule(self) -> HalfBodyRule:
        """When a half of a body can stand for it, by the law."""
        return self._law.half_body

    @property
    def _ranges(self) -> Ranges:
        return Ranges(self.scale, self.rotation, self.shift)

    @cached_property
    def _law(self) -> Law:
        return LAWS.load(self.law)()

    @cached_property
    def _pixel_transforms(self) -> tuple[PixelTransform, ...]:
        return tuple(build_transform(table) for table in self.pixels)


def standard_augmentation(law: str = "mmpose", **changes: Any) -> Augmentation:
    """Return the augmentation that recipes of the field train top-down models with.

    ``mmpose``: flip 0.5, half body 0.3, sizes 0.5 to 1.5, 80 degrees, shift 0.16. ``hrnet``: flip
    0.5, half body 0.3, sf 0.35, rf 45 degrees.

    Args:
        law: one of the two.
        changes: arguments of `Augmentation` that are to differ.

    Raises:
        UnknownNameError: there is no standard for this law, or no such argument.
        OptionError: a value does not fit.
    """
    if law not in _STANDARD:
        raise UnknownNameError("standard augmentation", law, _STANDARD)
    known = [field.name for field in dataclasses.fields(Augmentation)]
    for name in changes:
        if name not in known:
            raise UnknownNameError("argument of Augmentation", name, known)
    return dataclasses.replace(_STANDARD[law], **changes)


def _chance(given: float | None, own: float) -> float:
    return own if given is None else given


_STANDARD = {
    "mmpose": Augmentation(
        flip=0.5, half_body=0.3, scale=(0.5, 1.5), rotation=80.0, shift=0.16, law="mmpose"
    ),
    "hrnet": Augmentation(flip=0.5, half_body=0.3, scale=(0.65, 1.35), rotation=45.0, law="hrnet"),
}

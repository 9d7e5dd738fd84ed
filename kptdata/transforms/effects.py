"""What is done to the pixels of a crop: recorded effects, applied without any randomness.

An effect is a frozen record of plain values: it can be saved to JSON and done again. Pictures are
(H, W, 3) uint8 RGB; results are new arrays. A noise records its seed, not its pixels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kptdata._plugins import Table
from kptdata.errors import OptionError

__all__ = [
    "EFFECTS",
    "ApplyBlur",
    "ApplyColour",
    "ApplyHSV",
    "ApplyHoles",
    "ApplyLighting",
    "ApplyNoise",
    "Effect",
    "effect_from_dict",
    "effect_to_dict",
]

Image = NDArray[np.uint8]


class Effect(Protocol):
    """Something done to pixels; a frozen dataclass of plain values."""

    def apply(self, image: Image) -> Image:
        """Return the changed picture (H, W, 3)."""


@dataclass(frozen=True)
class ApplyColour:
    """Brightness, contrast, saturation, hue and order of channels.

    Attributes:
        brightness: added to all channels.
        contrast: all channels are multiplied by it.
        contrast_last: multiply after saturation and hue, not before.
        saturation: the saturation is multiplied by it.
        hue: added to the hue, half degrees, 0..180 being the circle.
        channels: channel of each channel of the result.
        reference: do as MMPose does, which multiplies by the contrast before and after where it is
            `contrast_last` and not at all where it is not, and wraps the hue at 256.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    contrast_last: bool = False
    saturation: float = 1.0
    hue: int = 0
    channels: tuple[int, int, int] = (0, 1, 2)
    reference: bool = False

    def apply(self, image: Image) -> Image:
        """Return the changed picture (H, W, 3)."""
        first = self.contrast_last if self.reference else not self.contrast_last
        image = _scaled(image, 1.0, self.brightness)
        image = _scaled(image, self.contrast if first else 1.0)
        image = self._toned(image)
        image = _scaled(image, self.contrast if self.contrast_last else 1.0)
        return np.ascontiguousarray(image[..., list(self.channels)])

    def _toned(self, image: Image) -> Image:
        if self.saturation == 1 and self.hue == 0:
            return image
        import cv2

        hsv: Any = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        circle = 256 if self.reference else 180
        hsv[..., 1] = _scaled(hsv[..., 1], self.saturation)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + self.hue) % circle
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


@dataclass(frozen=True)
class ApplyHSV:
    """Whole numbers added to hue, saturation and value, as in YOLOX."""

    hue: int = 0
    saturation: int = 0
    value: int = 0

    def apply(self, image: Image) -> Image:
        """Return the changed picture (H, W, 3)."""
        import cv2

        hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)).astype(np.int16)
        hsv[..., 0] = (hsv[..., 0] + self.hue) % 180
        hsv[..., 1:] = np.clip(hsv[..., 1:] + np.array([self.saturation, self.value]), 0, 255)
        return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))


@dataclass(frozen=True)
class ApplyLighting:
    """A colour added to all pixels, such as one along the main axes of natural colours."""

    rgb: tuple[float, float, float]

    def apply(self, image: Image) -> Image:
        """Return the changed picture (H, W, 3)."""
        return _rounded(image.astype(np.float32) + np.array(self.rgb, np.float32))


@dataclass(frozen=True)
class ApplyNoise:
    """Normal noise of standard deviation `sigma`, the same for the same `seed` and size."""

    sigma: float
    seed: int

    def apply(self, image: Image) -> Image:
        """Return the changed picture (H, W, 3)."""
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return _rounded(image + noise * np.float32(self.sigma))


@dataclass(frozen=True)
class ApplyBlur:
    """A blur of `kernel` pixels, odd: ``box``, ``gaussian``, ``median``, or ``motion`` at an angle.

    `angle` is that of the motion, degrees anticlockwise from the right.
    """

    kernel: int
    kind: str = "gaussian"
    angle: float = 0.0

    def __post_init__(self) -> None:
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise OptionError(f"kernel: expected a positive odd number, got {self.kernel}")

    def apply(self, image: Image) -> Image:
        """Return the changed picture (H, W, 3)."""
        import cv2

        size = (self.kernel, self.kernel)
        if self.kind == "box":
            return np.asarray(cv2.blur(image, size))
        if self.kind == "median":
            return np.asarray(cv2.medianBlur(image, self.kernel))
        if self.kind == "motion":
            return np.asarray(cv2.filter2D(image, -1, self._streak()))
        return np.asarray(cv2.GaussianBlur(image, size, 0))

    def _streak(self) -> NDArray[np.float32]:
        import cv2

        kernel = np.zeros((self.kernel, self.kernel), np.float32)
        kernel[self.kernel // 2] = 1
        middle = (self.kernel // 2, self.kernel // 2)
        turn = cv2.getRotationMatrix2D(middle, self.angle, 1.0)
        turned = np.asarray(cv2.warpAffine(kernel, turn, kernel.shape))
        return np.asarray(turned / turned.sum(), np.float32)


@dataclass(frozen=True)
class ApplyHoles:
    """Rectangles painted over.

    Attributes:
        holes: left, top, width, height of each, as fractions of the picture.
        fill: red, green, blue.
    """

    holes: tuple[tuple[float, float, float, float], ...]
    fill: tuple[int, int, int] = (0, 0, 0)

    def apply(self, image: Image) -> Image:
        """Return the changed picture (H, W, 3)."""
        image = image.copy()
        height, width = image.shape[:2]
        for left, top, across, down in self.holes:
            x, y = round(left * width), round(top * height)
            x_end, y_end = x + round(across * width), y + round(down * height)
            image[y:y_end, x:x_end] = self.fill
        return image


def effect_to_dict(effect: Any) -> dict[str, Any]:
    """Return an effect as JSON-ready values, its kind under ``type``.

    Raises:
        OptionError: it is no dataclass.
    """
    if not dataclasses.is_dataclass(effect) or isinstance(effect, type):
        raise OptionError(f"effect: expected a dataclass, got {effect!r}")
    kind = type(effect)
    path = f"{kind.__module__}:{kind.__qualname__}"
    short = next((name for name, known in _NAMES.items() if known == path), path)
    return {"type": short, **dataclasses.asdict(effect)}


def effect_from_dict(table: Mapping[str, Any]) -> Effect:
    """Return the effect that `effect_to_dict` described.

    Raises:
        UnknownNameError: no such kind.
        OptionError: its values do not fit.
    """
    values = {key: _tuples(value) for key, value in table.items() if key != "type"}
    kind: Any = EFFECTS.load(str(table.get("type")))
    try:
        made: Effect = kind(**values)
    except TypeError as error:
        raise OptionError(f"effect {table.get('type')}: {error}") from error
    return made


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _scaled(image: Image, factor: float, plus: float = 0.0) -> Image:
    """Multiply and add in float32, cut to 0..255, cut off fractions, as the field does."""
    if factor == 1 and plus == 0:
        return image
    moved = image.astype(np.float32) * np.float32(factor) + np.float32(plus)
    return np.clip(moved, 0, 255).astype(np.uint8)


def _rounded(image: NDArray[np.float32]) -> Image:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


_NAMES = {
    "blur": "kptdata.transforms.effects:ApplyBlur",
    "colour": "kptdata.transforms.effects:ApplyColour",
    "holes": "kptdata.transforms.effects:ApplyHoles",
    "hsv": "kptdata.transforms.effects:ApplyHSV",
    "lighting": "kptdata.transforms.effects:ApplyLighting",
    "noise": "kptdata.transforms.effects:ApplyNoise",
}
EFFECTS: Table[Effect] = Table("effect", _NAMES)

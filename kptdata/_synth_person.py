"""One drawn person: the camera, the colours, the shapes, and what hides what."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kptdata._synth_body import HEAD_AXES, LANDMARKS, NODES, Body, draw_body
from kptdata._synth_paint import Canvas, Field, capsules, paint, polygon

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Figure", "carries", "draw_colours", "draw_figure", "faces_camera", "paint_figure"]

_CAMERA_DISTANCE = 5.0  # body heights: mild perspective, nearer limbs look larger
_SKULL, _JAW = HEAD_AXES


@dataclass(frozen=True)
class _Part:
    """A body part that is drawn as one shape: capsules between nodes, with a radius at each end."""

    name: str
    tone: str
    girth: str
    segments: tuple[tuple[str, float, str, float], ...]
    bias: float = 0.0  # added to its depth, body heights; settles ties


def _limbs(side: str) -> list[_Part]:
    def at(name: str) -> str:
        return f"{side}_{name}"

    def one(
        name: str, girth: str, a: str, ra: float, b: str, rb: float, bias: float = 0.0
    ) -> _Part:
        return _Part(at(name), name, girth, ((at(a), ra, at(b), rb),), bias)

    fingers = [("thumb", 0.0085), ("forefinger", 0.0075), ("middle_finger", 0.0078),
               ("ring_finger", 0.0072), ("pinky_finger", 0.0062)]  # fmt: skip
    hand = [(at("hand_root"), 0.014, at(f"{f}1"), 0.011) for f, _ in fingers]
    hand += [(at(f"{f}{i}"), r, at(f"{f}{i + 1}"), 0.9 * r) for f, r in fingers for i in (1, 2, 3)]
    foot = ((at("ankle"), 0.024, at("heel"), 0.020), (at("heel"), 0.020, at("big_toe"), 0.017),
            (at("heel"), 0.020, at("small_toe"), 0.015), (at("ankle"), 0.022, at("big_toe"), 0.016),
            (at("big_toe"), 0.017, at("small_toe"), 0.015))  # fmt: skip
    return [
        one("upper_arm", "arm", "shoulder", 0.031, "elbow", 0.024),
        one("forearm", "arm", "elbow", 0.024, "wrist", 0.017, 0.004),
        _Part(at("hand"), "hand", "hand", tuple(hand), 0.006),
        one("thigh", "leg", "hip", 0.050, "knee", 0.034),
        one("shin", "leg", "knee", 0.034, "ankle", 0.022, -0.004),
        _Part(at("foot"), "foot", "", foot, 0.004),
        _Part(at("ear"), "skin", "head", ((at("ear_low"), 0.008, at("ear_high"), 0.011),), -0.004),
    ]


_PARTS = (
    *_limbs("left"),
    *_limbs("right"),
    _Part("pelvis", "thigh", "leg", (("left_hip", 0.048, "right_hip", 0.048),), -0.004),
    _Part("torso", "torso", "trunk", (), -0.002),
    _Part("neck", "skin", "head", (("thorax", 0.034, "upper_neck", 0.029),), -0.02),
    _Part("hair", "hair", "head", (("hair_top", 0.058, "hair_end", 0.040),)),
    _Part("head", "skin", "head", (("skull", _SKULL, "jaw", _JAW),), 0.012),
)
SHAPES: Mapping[str, int] = {part.name: i + 1 for i, part in enumerate(_PARTS)}
"""Number of each shape within its person; 0 is none."""

_TORSO = ("left_chest", "right_chest", "right_waist", "left_waist")
_TORSO_RADIUS = 0.056


@dataclass(frozen=True, eq=False)
class Figure:
    """A person placed in an image.

    Attributes:
        xyz: (J, 3) pixels right and down, and height above the image plane, body heights.
        zoom: (J,) pixels per body height at each node.
        facing: (3, 3) columns are the head's left, up and forward axes: right, up, to the camera.
        head_size: factor on the head's size.
        girth: factor on each kind of limb.
        colours: RGB of each kind of shape; a limb's left and right share one.
        long_hair: whether hair hangs behind the neck.
        stripes: stripes along the torso, 0 for a plain one.
    """

    xyz: NDArray[np.float64]
    zoom: NDArray[np.float64]
    facing: NDArray[np.float64]
    head_size: float
    girth: Mapping[str, float]
    colours: Mapping[str, NDArray[np.float32]]
    long_hair: bool
    stripes: float

    @property
    def xy(self) -> NDArray[np.float64]:
        """(137, 2) exact landmarks, pixels, inside the image or not."""
        return self.xyz[: len(LANDMARKS), :2]

    @property
    def extent(self) -> NDArray[np.float64]:
        """(4,) corners x1, y1, x2, y2 of the whole body, drawn or not."""
        margin = 0.03 * float(self.zoom.mean())
        return np.concatenate([self.xyz[:, :2].min(0) - margin, self.xyz[:, :2].max(0) + margin])

    @property
    def head_box(self) -> NDArray[np.float64]:
        """(4,) corners x1, y1, x2, y2 of the head's outline."""
        ends = [NODES["skull"], NODES["jaw"]]
        radii = np.array([_SKULL, _JAW])[:, None] * self.head_size * self.zoom[ends][:, None]
        at = self.xyz[ends, :2]
        return np.concatenate([(at - radii).min(0), (at + radii).max(0)])

    def moved(self, scale: float, shift: NDArray[np.float64]) -> Figure:
        """Return the figure scaled about the image's origin and then shifted, pixels."""
        xyz = self.xyz * (scale, scale, 1.0)
        xyz[:, :2] += shift
        return Figure(
            xyz,
            self.zoom * scale,
            self.facing,
            self.head_size,
            self.girth,
            self.colours,
            self.long_hair,
            self.stripes,
        )


def draw_colours(rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Draw RGB colours, 0..255, of skin, hair, eyes and clothes."""
    pale, dark = np.array([244.0, 208, 182]), np.array([92.0, 58, 40])
    skin = pale + (dark - pale) * rng.beta(1.1, 1.6) + rng.normal(0, 6, 3)
    shirt, legs, shoe, sleeve = (_cloth(rng) for _ in range(4))
    hair = _rgb(rng.uniform(0.03, 0.12), rng.uniform(0.2, 0.8), rng.uniform(0.08, 0.75))
    kind = rng.random()
    if kind < 0.25:
        upper, fore = skin, skin
    elif kind < 0.55:
        upper, fore = shirt, skin
    else:
        upper = fore = sleeve if kind < 0.75 else shirt * 0.92
    tones = {
        "skin": skin, "hand": skin, "upper_arm": upper, "forearm": fore, "torso": shirt,
        "torso_stripe": _cloth(rng), "thigh": legs, "shin": skin if rng.random() < 0.3 else legs,
        "foot": shoe, "hair": hair, "iris": _rgb(rng.uniform(0.05, 0.6), 0.5, 0.25),
    }  # fmt: skip
    return {kind: np.clip(tone, 4, 252).astype(np.float32) for kind, tone in tones.items()}


def _rgb(hue: float, saturation: float, value: float) -> NDArray[np.float64]:
    return 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _cloth(rng: np.random.Generator) -> NDArray[np.float64]:
    return _rgb(rng.random(), rng.uniform(0.05, 0.85), rng.uniform(0.2, 0.95))


def draw_figure(rng: np.random.Generator) -> Figure:
    """Draw a person one pixel tall at the origin; `Figure.moved` places it."""
    body: Body = draw_body(rng)
    camera = body.camera
    seen = body.nodes @ camera.T
    zoom = 1 / (1 - seen[:, 2] / _CAMERA_DISTANCE)
    xyz = np.stack([seen[:, 0] * zoom, -seen[:, 1] * zoom, seen[:, 2]], axis=1)
    stripes = float(rng.uniform(3, 9)) if rng.random() < 0.3 else 0.0
    colours = draw_colours(rng)
    girth = {**body.girth, "": 1.12, "hand": 1.25, "head": body.head_size}
    return Figure(
        xyz,
        zoom,
        camera @ body.head_frame,
        body.head_size,
        girth,
        colours,
        bool(rng.random() < 0.4),
        stripes,
    )


def faces_camera(figure: Figure) -> NDArray[np.float64]:
    """Tell how far each landmark's side of the head faces the camera, (137,): 1 straight, < 0 away.

    Only the face, eyes, nose and ears have a side; everything else is 1.
    """
    result = np.ones(len(LANDMARKS))
    centre = figure.xyz[NODES["head_centre"], 2]
    for name, row in NODES.items():
        if row < len(LANDMARKS) and (
            name.startswith("face-") or name == "nose" or name.endswith("_eye")
        ):
            result[row] = (figure.xyz[row, 2] - centre) / (0.05 * figure.head_size)
        elif name in ("left_ear", "right_ear"):
            result[row] = (figure.xyz[row, 2] - centre) / (0.05 * figure.head_size) + 0.35
    return result


# ---------------------------------------------------------------------------------------- painting
def paint_figure(canvas: Canvas, figure: Figure, first_owner: int) -> None:
    """Paint a person, far parts first; shape i of `SHAPES` owns its pixels as `first_owner + i`."""
    height = float(figure.zoom.mean())
    outline = max(0.6, 0.006 * height)
    parts = [p for p in _PARTS if p.name != "hair" or figure.long_hair]
    for part in sorted(parts, key=lambda p: _depth(figure, p)):
        owner = first_owner + SHAPES[part.name]
        if part.name == "torso":
            _paint_torso(canvas, figure, owner, outline)
        elif part.name == "head":
            _paint_head(canvas, figure, owner, outline)
        else:
            field = _measure(canvas, figure, part.segments, figure.girth[part.girth])
            paint(canvas, field, figure.colours[part.tone], owner=owner, outline=outline)


def _depth(figure: Figure, part: _Part) -> float:
    names = _TORSO if part.name == "torso" else [n for a, _, b, _ in part.segments for n in (a, b)]
    return float(figure.xyz[[NODES[n] for n in names], 2].mean()) + part.bias


def _measure(
    canvas: Canvas,
    figure: Figure,
    segments: tuple[tuple[str, float, str, float], ...],
    girth: float,
) -> Field | None:
    a = [NODES[s[0]] for s in segments]
    b = [NODES[s[2]] for s in segments]
    radii = np.array([(s[1], s[3]) for s in segments]) * girth
    radii = radii * np.stack([figure.zoom[a], figure.zoom[b]], axis=1)
    return capsules(canvas, figure.xyz[a, :2], figure.xyz[b, :2], np.maximum(radii, 0.45))


def _paint_torso(canvas: Canvas, figure: Figure, owner: int, outline: float) -> None:
    import cv2

    corners = figure.xyz[[NODES[n] for n in _TORSO], :2].astype(np.float32)
    hull = cv2.convexHull(corners)[:, 0].astype(np.float64)
    radius = _TORSO_RADIUS * figure.girth["trunk"] * float(figure.zoom.mean())
    spine = figure.xyz[[NODES["thorax"], NODES["pelvis"]], :2]
    plain, stripe = figure.colours["torso"], figure.colours["torso_stripe"]

    def tone(field: Field) -> NDArray[np.float32]:
        wave = np.clip(0.5 + 3 * np.sin(field.along * np.float32(6.2832 * figure.stripes)), 0, 1)
        return plain + (stripe - plain) * wave[..., None].astype(np.float32)

    paint(
        canvas,
        polygon(canvas, hull, radius, spine),
        tone if figure.stripes else plain,
        owner=owner,
        outline=outline,
    )


def _paint_head(canvas: Canvas, figure: Figure, owner: int, outline: float) -> None:
    skin, hair = figure.colours["skin"], figure.colours["hair"]
    # The scalp is the part of the surface that looks up and back, in the head's own frame.
    scalp = figure.facing @ np.array([0.0, 0.80, -0.60]) * (1, -1, 1)

    def tone(field: Field) -> NDArray[np.float32]:
        n = field.normal
        up = n[0] * np.float32(scalp[0]) + n[1] * np.float32(scalp[1]) + n[2] * np.float32(scalp[2])
        cover = np.clip((up - np.float32(0.16)) * 8, 0, 1)[..., None]
        return skin + (hair - skin) * cover

    toward = float(figure.facing[2, 2])
    if toward < 0:
        _paint_nose(canvas, figure, owner, outline)
    paint(canvas, _head(canvas, figure), tone, owner=owner, outline=outline)
    _paint_face(canvas, figure)
    if toward >= 0:
        _paint_nose(canvas, figure, owner, outline)


def _head(canvas: Canvas, figure: Figure) -> Field | None:
    return _measure(canvas, figure, (("skull", _SKULL, "jaw", _JAW),), figure.head_size)


def _paint_nose(canvas: Canvas, figure: Figure, owner: int, outline: float) -> None:
    bridge = (("face-28", 0.005, "face-30", 0.0095),)
    tone = figure.colours["skin"] * np.float32(0.86)
    paint(
        canvas,
        _measure(canvas, figure, bridge, figure.head_size),
        tone,
        owner=owner,
        outline=0.3 * outline,
    )


_MOUTH = tuple(
    (f"face-{a}", 0.003, f"face-{b}", 0.003)
    for ring in ((*range(48, 60), 48), (*range(60, 68), 60))
    for a, b in pairwise(ring)
)


def _paint_face(canvas: Canvas, figure: Figure) -> None:
    facing = faces_camera(figure)
    colours = figure.colours
    white, lips = (
        np.array([248, 246, 240], np.float32),
        colours["skin"] * np.array([0.80, 0.45, 0.45], np.float32),
    )

    def mark(
        segments: tuple[tuple[str, float, str, float], ...], tone: NDArray[np.float32]
    ) -> None:
        if min(facing[NODES[n]] for a, _, b, _ in segments for n in (a, b)) > 0.12:
            paint(canvas, _measure(canvas, figure, segments, figure.head_size), tone, flat=True)

    for first, side in ((36, "right"), (42, "left")):
        eye = (f"face-{first}", 0.0035, f"face-{first + 3}", 0.0035)
        middle = (f"face-{first + 1}", 0.0055, f"face-{first + 4}", 0.0055)
        mark((eye, middle), white)
        mark(((f"{side}_eye", 0.0058, f"{side}_eye", 0.0058),), colours["iris"])
        brow = 17 if side == "right" else 22
        mark(
            (
                (f"face-{brow}", 0.003, f"face-{brow + 2}", 0.004),
                (f"face-{brow + 2}", 0.004, f"face-{brow + 4}", 0.003),
            ),
            colours["hair"],
        )
    mark(_MOUTH, lips)


# -------------------------------------------------------------------------------------- visibility
def _bearers(name: str, side: str, rest: str) -> tuple[str, ...]:
    """Name the shapes on which a landmark lies."""
    midline = {
        "pelvis": ("pelvis", "torso", "left_thigh", "right_thigh"),
        "thorax": ("torso", "neck"),
        "upper_neck": ("neck", "head", "hair"),
        "head_top": ("head", "hair"),
        "nose": ("head",),
    }
    joints = {
        "ear": ("ear",), "shoulder": ("upper_arm",), "elbow": ("upper_arm", "forearm"),
        "wrist": ("forearm", "hand"), "hip": ("thigh",), "knee": ("thigh", "shin"),
        "ankle": ("shin", "foot"), "heel": ("foot",), "big_toe": ("foot",), "small_toe": ("foot",),
    }  # fmt: skip
    if name in midline:
        return midline[name]
    if name.startswith("face-") or rest == "eye":
        return ("head",)
    own = tuple(f"{side}_{shape}" for shape in joints.get(rest, ("hand",)))
    return (*own, "head", "hair") if rest == "ear" else own


def _carrier_table() -> NDArray[np.bool_]:
    table = np.zeros((len(LANDMARKS), len(SHAPES) + 1), bool)
    for row, name in enumerate(LANDMARKS):
        side, _, rest = name.partition("_")
        table[row, [SHAPES[shape] for shape in _bearers(name, side, rest)]] = True
    return table


_CARRIES = _carrier_table()
_TRUNK_JOINTS = {"shoulder": "thorax", "hip": "pelvis"}


def carries(figure: Figure, shapes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which landmarks lie on the shape that is on top of them.

    The torso shows the near side's shoulder and hip only; nothing shows a face from behind.

    Args:
        figure: the person.
        shapes: (137,) number in `SHAPES` of the shape on top of each landmark, 0 for none.
    """
    shown = _CARRIES[np.arange(len(LANDMARKS)), shapes] & (faces_camera(figure) > 0)
    for side in ("left", "right"):
        for joint, middle in _TRUNK_JOINTS.items():
            row = NODES[f"{side}_{joint}"]
            behind = figure.xyz[NODES[middle], 2] - figure.xyz[row, 2]
            shown[row] |= behind < 0.04 and shapes[row] in (SHAPES["torso"], SHAPES["pelvis"])
    return shown

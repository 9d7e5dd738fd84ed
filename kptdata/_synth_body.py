"""A jointed body in three dimensions: proportions, poses, and where every landmark is.

Body frame: x to the person's left, y up, z to where the person faces, unit one body height. The
landmarks are the 133 of COCO-WholeBody under their own names, then four that MPII adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["HEAD_AXES", "LANDMARKS", "NODES", "Body", "draw_body"]

_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")


def _hand_names(side: str) -> list[str]:
    return [f"{side}_hand_root"] + [f"{side}_{f}{i}" for f in _FINGERS for i in range(1, 5)]


def _landmark_names() -> tuple[str, ...]:
    paired = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    body = ["nose"] + [f"{side}_{p}" for p in paired for side in ("left", "right")]
    feet = [f"{s}_{p}" for s in ("left", "right") for p in ("big_toe", "small_toe", "heel")]
    face = [f"face-{i}" for i in range(68)]
    hands = _hand_names("left") + _hand_names("right")
    return (*body, *feet, *face, *hands, "pelvis", "thorax", "upper_neck", "head_top")


LANDMARKS = _landmark_names()
"""Names of the 137 exact landmarks, in the order of every landmark axis here."""

# Drawn shapes hang on these too, though no data set labels them.
_EXTRA = (
    "skull", "jaw", "hair_top", "hair_end", "head_centre",
    *(f"{s}_{n}" for s in ("left", "right") for n in ("chest", "waist", "ear_low", "ear_high")),
)  # fmt: skip
NODES: Mapping[str, int] = {name: i for i, name in enumerate((*LANDMARKS, *_EXTRA))}
"""Row of each landmark and of each further anchor of a drawn shape."""

SKULL_RADIUS, JAW_RADIUS = 0.056, 0.040
_SKULL, _JAW = np.array([0.0, 0.028, -0.004]), np.array([0.0, -0.030, 0.012])
HEAD_AXES = (SKULL_RADIUS, JAW_RADIUS)
"""Radii of the two spheres whose hull is the head, body heights (before `head_size`)."""

_HAND_SIZE = 1.25  # hands, like heads, are a little larger than life: small pictures show them
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Body:
    """One posed person, before the camera.

    Attributes:
        nodes: (J, 3) body frame; rows as in `NODES`.
        head_frame: (3, 3) columns are the head's left, up and forward axes in the body frame.
        head_size: factor on the head's size.
        girth: factor on the thickness of each kind of limb.
        yaw_deg: turn about the vertical; 0 faces the camera, 180 turns the back to it.
        pitch_deg: how far the camera looks down.
        roll_deg: turn in the image.
    """

    nodes: NDArray[np.float64]
    head_frame: NDArray[np.float64]
    head_size: float
    girth: Mapping[str, float]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    @property
    def camera(self) -> NDArray[np.float64]:
        """(3, 3) matrix from the body frame to image right, image up, towards the camera."""
        return _turn("z", self.roll_deg) @ _turn("x", self.pitch_deg) @ _turn("y", self.yaw_deg)


def _turn(axis: str, angle_deg: float) -> NDArray[np.float64]:
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    if axis == "x":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    if axis == "y":
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


# ------------------------------------------------------------------------------------------- poses
# Ranges in degrees: (away from the body, forward, about the limb's own axis, bend of the elbow).
_ARMS = {
    "relaxed": (0.26, ((5, 28), (-20, 25), (-40, 10), (0, 45))),
    "out": (0.24, ((55, 110), (-10, 25), (-25, 25), (0, 80))),
    "up": (0.20, ((125, 172), (-10, 20), (-30, 30), (0, 70))),
    "forward": (0.08, ((0, 35), (30, 80), (-40, 30), (0, 110))),
    "akimbo": (0.10, ((32, 58), (-25, 0), (-85, -60), (75, 115))),
    "bent": (0.10, ((5, 30), (5, 45), (-60, -10), (70, 135))),
}
# Two legs each: (outward, forward, about its own axis, bend of the knee).
_STRAIGHT = ((1, 12), (-8, 12), (0, 20), (0, 15))
_LEGS = {
    "stand": (0.22, (_STRAIGHT, _STRAIGHT)),
    "wide": (0.20, (((14, 40), (-5, 20), (0, 25), (0, 30)),) * 2),
    "walk": (
        0.22,
        (((0, 8), (15, 50), (-5, 10), (5, 50)), ((0, 8), (-30, -5), (-5, 10), (5, 60))),
    ),
    "sit": (0.06, (((3, 30), (65, 100), (-10, 20), (50, 105)),) * 2),
    "squat": (0.07, (((12, 45), (45, 100), (0, 30), (70, 135)),) * 2),
    "raise": (0.13, (_STRAIGHT, ((5, 50), (25, 100), (-10, 30), (5, 115)))),
}
_VIEWS = ((0.84, 0.0, 20.0), (0.06, 180.0, 16.0), (0.05, 65.0, 12.0), (0.05, -65.0, 12.0))


def _uniform(rng: np.random.Generator, ranges: tuple[tuple[float, float], ...]) -> list[float]:
    return [float(rng.uniform(low, high)) for low, high in ranges]


def _pick(rng: np.random.Generator, table: Mapping[str, tuple[float, object]]) -> str:
    chances = np.array([chance for chance, _ in table.values()])
    return str(list(table)[int(rng.choice(len(chances), p=chances / chances.sum()))])


def _view(rng: np.random.Generator) -> tuple[float, float, float]:
    row = int(rng.choice(len(_VIEWS), p=[v[0] for v in _VIEWS]))
    yaw = rng.normal(_VIEWS[row][1], _VIEWS[row][2])
    tumbled = rng.random() < 0.06
    roll = rng.uniform(-45, 45) if tumbled else rng.normal(0, 7)
    return float(yaw), float(rng.normal(4, 8)), float(roll)


# ------------------------------------------------------------------------------------- proportions
def _arm(frame: NDArray[np.float64], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Place a left arm in the frame of the chest, the shoulder at the origin."""
    away, forward, twist, bend = _uniform(rng, _ARMS[_pick(rng, _ARMS)][1])
    upper = frame @ _turn("z", away) @ _turn("x", -forward) @ _turn("y", twist)
    lower = upper @ _turn("x", -bend)
    hand = lower @ _turn("y", rng.uniform(-70, 50)) @ _turn("z", rng.normal(0, 18))
    down = np.array([0.0, -1.0, 0.0])
    elbow = upper @ down * 0.172
    wrist = elbow + lower @ down * 0.150
    curl = float(rng.choice([8.0, 25.0, 55.0], p=[0.5, 0.35, 0.15])) + float(rng.uniform(0, 12))
    points = {"elbow": elbow, "wrist": wrist, "hand_root": wrist}
    for name, local in _hand(curl, spread=float(rng.uniform(4, 14))).items():
        points[name] = wrist + hand @ (local * _HAND_SIZE)
    return points


def _hand(curl_deg: float, spread: float) -> dict[str, NDArray[np.float64]]:
    """Place a left hand: fingers down, thumb forward, palm inward, wrist at the origin."""
    points = {}
    for finger, name in enumerate(_FINGERS[1:]):
        across = 1.5 - finger
        at = np.array([0.0, -0.050 + 0.003 * abs(across - 0.5), 0.0115 * across])
        fan = _turn("x", -spread * across * 0.6)
        long = (0.94, 1.05, 1.0, 0.80)[finger]
        points[f"{name}1"] = at
        for joint, length in enumerate((0.026, 0.017, 0.013), start=1):
            bend = np.deg2rad(curl_deg * joint)
            at = at + fan @ np.array([-np.sin(bend), -np.cos(bend), 0.0]) * length * long
            points[f"{name}{joint + 1}"] = at
    at = np.array([-0.004, -0.012, 0.014])
    points["thumb1"] = at
    for joint, length in enumerate((0.022, 0.018, 0.015), start=1):
        bend = np.deg2rad(48 - 14 * (joint - 1))
        at = at + np.array([-0.25, -np.cos(bend), np.sin(bend)]) * length
        points[f"thumb{joint + 1}"] = at
    return points


def _leg(
    ranges: tuple[tuple[float, float], ...], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Place a left leg in the frame of the pelvis, the hip at the origin."""
    away, forward, twist, bend = _uniform(rng, ranges)
    thigh = _turn("z", away) @ _turn("x", -forward) @ _turn("y", twist)
    shin = thigh @ _turn("x", bend)
    foot = shin @ _turn("y", rng.uniform(-4, 14)) @ _turn("x", rng.uniform(-2, 24))
    down = np.array([0.0, -1.0, 0.0])
    knee = thigh @ down * 0.245
    ankle = knee + shin @ down * 0.240
    local = {
        "big_toe": (-0.014, -0.036, 0.104),
        "small_toe": (0.026, -0.036, 0.082),
        "heel": (0.0, -0.034, -0.030),
    }
    points = {name: ankle + foot @ np.array(at) for name, at in local.items()}
    return {"knee": knee, "ankle": ankle, **points}


def _face_depth(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find z of the head's surface over (x, y), head frame; the head is a row of spheres."""
    t = np.linspace(0, 1, 9)[:, None]
    centre = _SKULL + t * (_JAW - _SKULL)
    radius = SKULL_RADIUS + t * (JAW_RADIUS - SKULL_RADIUS)
    inside = np.maximum(radius**2 - x**2 - (y - centre[:, 1:2]) ** 2, 0.0)
    depth: NDArray[np.float64] = np.max(centre[:, 2:3] + np.sqrt(inside), axis=0)
    return depth


def _face() -> NDArray[np.float64]:
    """Place the 68 face landmarks in the head frame (68, 3); row 0 on the person's right."""
    angle = np.linspace(0, np.pi, 17)
    jaw = np.stack(
        [-0.049 * np.cos(angle), 0.008 - 0.072 * np.sin(angle), 0.004 + 0.03 * np.sin(angle)], 1
    )
    brow = [(-0.040, 0.031), (-0.034, 0.037), (-0.027, 0.039), (-0.019, 0.038), (-0.012, 0.035)]
    eye = [
        (-0.033, 0.018),
        (-0.027, 0.0235),
        (-0.018, 0.0235),
        (-0.011, 0.018),
        (-0.018, 0.013),
        (-0.027, 0.013),
    ]
    nose = [(0, 0.020), (0, 0.011), (0, 0.002), (0, -0.008)]
    nostrils = [
        (-0.011, -0.015),
        (-0.006, -0.0175),
        (0, -0.0185),
        (0.006, -0.0175),
        (0.011, -0.015),
    ]
    upper = [(-0.019, -0.035), (-0.012, -0.0305), (-0.006, -0.0285), (0, -0.0295)]
    lower = [(0.013, -0.0415), (0.007, -0.0445), (0, -0.0455), (-0.007, -0.0445), (-0.013, -0.0415)]
    inner = [(-0.015, -0.035), (-0.006, -0.0335), (0, -0.034), (0.006, -0.0335), (0.015, -0.035),
             (0.006, -0.0385), (0, -0.0395), (-0.006, -0.0385)]  # fmt: skip
    left_brow = [(-x, y) for x, y in reversed(brow)]
    left_eye = [(-eye[i][0], eye[i][1]) for i in (3, 2, 1, 0, 5, 4)]
    mouth = upper + [(-x, y) for x, y in reversed(upper[:3])] + lower + inner
    flat = np.array(brow + left_brow + nose + nostrils + eye + left_eye + mouth)
    depth = _face_depth(flat[:, 0], flat[:, 1])
    depth[10:14] += (0.001, 0.006, 0.011, 0.016)
    depth[14:19] += (0.003, 0.006, 0.009, 0.006, 0.003)
    return np.concatenate([jaw, np.concatenate([flat, depth[:, None]], axis=1)])


_FACE = _face()


def _head_points() -> dict[str, NDArray[np.float64]]:
    points = {f"face-{i}": _FACE[i] for i in range(68)}
    points |= {"nose": _FACE[30], "skull": _SKULL, "jaw": _JAW, "head_centre": np.zeros(3)}
    points |= {"right_eye": _FACE[36:42].mean(axis=0), "left_eye": _FACE[42:48].mean(axis=0)}
    points |= {"head_top": np.array([0.0, 0.078, -0.008])}
    points |= {
        "hair_top": np.array([0.0, 0.024, -0.022]),
        "hair_end": np.array([0.0, -0.075, -0.038]),
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        points[f"{side}_ear"] = np.array([sign * 0.053, 0.004, -0.006])
        points[f"{side}_ear_low"] = np.array([sign * 0.052, -0.008, -0.004])
        points[f"{side}_ear_high"] = np.array([sign * 0.055, 0.014, -0.008])
    return points


_HEAD = _head_points()


def _sides(
    limb: Mapping[str, NDArray[np.float64]], side: str, at: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Name a left limb's points for `side`, mirrored for the right one, moved to `at`."""
    mirror = _MIRROR if side == "right" else np.ones(3)
    return {f"{side}_{name}": at + mirror * point for name, point in limb.items()}


def _trunk(
    rng: np.random.Generator, lean: float, width: float
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Place pelvis, chest and neck; return them and the frame of the chest."""
    chest = _turn("z", rng.normal(0, 8)) @ _turn("x", lean) @ _turn("y", rng.normal(0, 10))
    thorax = chest @ np.array([0.0, 0.285, 0.0])
    points = {
        "pelvis": np.zeros(3),
        "thorax": thorax,
        "upper_neck": thorax + chest @ np.array([0, 0.048, 0.006]),
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        points[f"{side}_hip"] = np.array([sign * 0.055, -0.012, 0.0])
        points[f"{side}_waist"] = np.array([sign * 0.038, 0.015, 0.0])
        points[f"{side}_shoulder"] = thorax + chest @ np.array([sign * 0.108 * width, -0.012, 0.0])
        points[f"{side}_chest"] = thorax + chest @ np.array([sign * 0.064 * width, -0.046, 0.0])
    return points, chest


def draw_body(rng: np.random.Generator) -> Body:
    """Draw proportions, a pose and a viewpoint."""
    legs = _pick(rng, _LEGS)
    lean = float(rng.uniform(12, 40) if legs == "squat" else rng.normal(5, 8))
    points, chest = _trunk(rng, lean, float(rng.uniform(0.92, 1.1)))
    head_size = float(rng.uniform(1.25, 1.5))
    head = (
        chest
        @ _turn("x", -0.6 * lean + rng.normal(2, 9))
        @ _turn("z", rng.normal(0, 9))
        @ _turn("y", rng.normal(0, 20))
    )
    centre = points["upper_neck"] + head @ np.array([0.0, 0.048 * head_size, 0.012])
    points |= {name: centre + head @ (at * head_size) for name, at in _HEAD.items()}
    ranges = _LEGS[legs][1]
    order = rng.permutation(2)
    for row, (side, mirror) in enumerate((("left", np.eye(3)), ("right", np.diag(_MIRROR)))):
        points |= _sides(_arm(mirror @ chest @ mirror, rng), side, points[f"{side}_shoulder"])
        points |= _sides(_leg(ranges[order[row]], rng), side, points[f"{side}_hip"])
    nodes = np.array([points[name] for name in NODES])
    girth = {kind: float(rng.uniform(1.1, 1.5)) for kind in ("arm", "leg", "trunk")}
    yaw, pitch, roll = _view(rng)
    return Body(nodes, head, head_size, girth, yaw, pitch, roll)

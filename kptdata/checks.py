"""What is wrong or suspicious in a dataset: findings with rule, severity and ids.

Each rule is one function of the dataset, listed in `RULES`. Thresholds are arguments of the rule,
not of the caller: a rule that needs tuning is a bad rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import is_missing
from kptdata.dataset import PoseDataset
from kptdata.errors import UnknownNameError
from kptdata.paths import is_file, leads_out

__all__ = ["RULES", "Finding", "check"]


@dataclass(frozen=True)
class Finding:
    """One rule that something breaks.

    Attributes:
        rule: its name, stable.
        severity: ``error`` (numbers computed from this will be wrong) or ``warning``.
        message: what was found and what to do.
        ids: the instances, images or files concerned.
        of: what the ids name: ``instance``, ``image`` or ``keypoint``.
    """

    rule: str
    severity: str
    message: str
    ids: tuple[int | str, ...]
    of: str = "instance"

    def to_dict(self) -> dict[str, object]:
        """Return the finding as plain JSON-ready values."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "message": self.message,
            "of": self.of,
            "count": len(self.ids),
            "ids": list(self.ids),
        }


Rule = Callable[[PoseDataset, Path | None], Iterable[Finding]]


def check(
    dataset: PoseDataset, *, images: str | Path | None = None, rules: Iterable[str] | None = None
) -> tuple[Finding, ...]:
    """Judge a dataset by every rule, or by the named ones.

    Args:
        dataset: what to judge.
        images: folder of the images; without it files are not looked for.
        rules: names out of `RULES`; all by default.

    Raises:
        UnknownNameError: no such rule.
    """
    folder = None if images is None else Path(images)
    chosen = list(RULES if rules is None else rules)
    for name in chosen:
        if name not in RULES:
            raise UnknownNameError("rule", name, RULES)
    return tuple(finding for name in chosen for finding in RULES[name](dataset, folder))


def _instances(
    dataset: PoseDataset, mask: Any, rule: str, severity: str, message: str
) -> Iterable[Finding]:
    if mask.any():
        yield Finding(rule, severity, message, tuple(dataset.ids[mask].tolist()))


def _image_wh(dataset: PoseDataset) -> NDArray[np.float64]:
    """(N, 2) size of each instance's image, NaN where unknown."""
    wh = np.vstack([dataset.images.wh, [[0, 0]]]).astype(float)
    wh[wh <= 0] = np.nan
    return wh[dataset.image]


def _keypoint_outside(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    wh = _image_wh(dataset)[:, None]
    # Edges of the outermost pixels: a point on the border is inside.
    outside = ((dataset.xy < -0.5) | (dataset.xy > wh + 0.5)).any(axis=(1, 2))
    yield from _instances(
        dataset, outside, "keypoint-outside-image", "warning",
        "labelled keypoints lie outside the image; are coordinates in pixels of this image, "
        "or 1-based?",
    )  # fmt: skip


def _box_outside(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    box, wh = dataset.bbox_xyxy, _image_wh(dataset)
    outside = (box[:, :2] >= wh).any(axis=1) | (box[:, 2:] <= 0).any(axis=1)
    yield from _instances(
        dataset, outside, "box-outside-image", "error",
        "the box does not touch the image; is it xywh in pixels?",
    )  # fmt: skip


def _box_degenerate(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    degenerate = (dataset.column("bbox")[:, 2:] <= 0).any(axis=1)
    yield from _instances(
        dataset, degenerate, "box-degenerate", "error",
        "the box has no width or no height; a crop of it is empty (kptdata.ops.with_boxes)",
    )  # fmt: skip


def _keypoint_outside_box(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    box = dataset.bbox_xyxy[:, None]
    side = np.maximum(box[..., 2:] - box[..., :2], 1)
    beyond = (dataset.xy < box[..., :2] - side) | (dataset.xy > box[..., 2:] + side)
    yield from _instances(
        dataset, beyond.any(axis=(1, 2)), "keypoint-far-from-box", "warning",
        "labelled keypoints lie more than a box side outside their own box; is it another "
        "person's, or xyxy read as xywh?",
    )  # fmt: skip


def _duplicates(values: NDArray[Any]) -> NDArray[np.bool_]:
    _, inverse, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    return (counts[inverse] > 1) & ~is_missing(values)


def _duplicate_ids(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    if dataset.id is not None and len(dataset):
        repeated = tuple(dict.fromkeys(dataset.id[_duplicates(dataset.id)].tolist()))
        if repeated:
            message = "several instances have this id; evaluators keep only the last"
            yield Finding("duplicate-id", "error", message, repeated)


def _duplicate_image_ids(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    if len(dataset.images):
        ids = dataset.images.id
        repeated = tuple(dict.fromkeys(ids[_duplicates(ids)].tolist()))
        if repeated:
            message = "several images have this id; their instances cannot be told apart"
            yield Finding("duplicate-image-id", "error", message, repeated, "image")


def _id_zero(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    if dataset.id is not None and dataset.id.dtype.kind == "i":
        yield from _instances(
            dataset, dataset.id == 0, "id-zero", "warning",
            "pycocotools never matches the annotation with id 0; number from 1",
        )  # fmt: skip


def _unlisted_image(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    yield from _instances(
        dataset, dataset.image < 0, "image-not-listed", "error",
        "the instance names an image that the file does not list",
    )  # fmt: skip


def _missing_file(dataset: PoseDataset, folder: Path | None) -> Iterable[Finding]:
    if folder is None:
        return
    names = [str(name) for name in dataset.images.file_name]
    gone = tuple(n for n in names if leads_out(folder, n) or not is_file(folder / n))
    if gone:
        message = f"no such file in {folder}"
        yield Finding("image-missing", "error", message, gone, "image")


def _area_tiny(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    yield from _instances(
        dataset, dataset.column("area") <= 1, "area-tiny", "error",
        "area is at most 1 square pixel, so every OKS is 0; give the mask's or box's area",
    )  # fmt: skip


def _area_larger(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    area, box = dataset.column("area"), dataset.column("bbox")
    larger = area > 1.5 * box[:, 2] * box[:, 3]
    yield from _instances(
        dataset, larger & (area > 1), "area-larger-than-box", "warning",
        "area exceeds the box's by more than half; are area and box of the same instance?",
    )  # fmt: skip


def _area_missing(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    if dataset.area is not None or dataset.id is not None:
        missing = np.isnan(dataset.column("area")) & (dataset.num_labelled > 0)
        yield from _instances(
            dataset, missing, "area-missing", "warning",
            "no area; COCO evaluation needs it (kpt convert --area, kpt eval --area)",
        )  # fmt: skip


def _unlabelled(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    if dataset.schema.num_keypoints == 0:
        return
    crowd = dataset.column("iscrowd") == 1
    yield from _instances(
        dataset, (dataset.num_labelled == 0) & ~crowd, "unlabelled-instance", "warning",
        "no labelled keypoint; training skips it and evaluation ignores it",
    )  # fmt: skip


def _all_at_one_point(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    count = dataset.num_labelled
    xy, known = dataset.xy, dataset.labelled[..., None]
    low = np.min(xy, axis=1, where=known, initial=np.inf)
    high = np.max(xy, axis=1, where=known, initial=-np.inf)
    stacked = (count > 2) & (high == low).all(axis=1)
    yield from _instances(
        dataset, stacked, "keypoints-coincide", "error",
        "all labelled keypoints are at one place; is a missing point written as (0, 0) "
        "and labelled?",
    )  # fmt: skip


def _swapped_sides(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    """Pairs whose sides are switched against the rest of the body in one and the same instance.

    In one instance all pairs point the same way (left minus right) unless limbs cross. Of shoulders
    and hips, which hardly cross, one pair against the other says that its names are switched.
    """
    pairs = _trunk_pairs(dataset)
    if len(pairs) < 2:
        return
    left, right = np.array(pairs).T
    across = dataset.xy[:, left, 0] - dataset.xy[:, right, 0]
    width = np.abs(across).max(axis=1, initial=0, where=~np.isnan(across))
    # A profile view says nothing: both sides of each pair nearly coincide.
    clear = np.abs(across) > 0.5 * np.maximum(width, 1e-9)[:, None]
    both = clear.sum(axis=1) >= 2
    signs = np.where(clear, np.sign(across), np.nan)
    disagree = both & (np.nanmin(np.where(clear, signs, np.inf), axis=1) < 0)
    disagree &= np.nanmax(np.where(clear, signs, -np.inf), axis=1) > 0
    yield from _instances(
        dataset, disagree, "sides-disagree", "warning",
        "shoulders and hips point opposite ways; left and right may be swapped in one of them",
    )  # fmt: skip


def _trunk_pairs(dataset: PoseDataset) -> list[tuple[int, int]]:
    names = dataset.schema.canonical_names
    wanted = [("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")]
    return [(names.index(a), names.index(b)) for a, b in wanted if a in names and b in names]


def _pair_against_trunk(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    """A pair that points against the trunk in most instances has its names exchanged."""
    trunk = _trunk_pairs(dataset)
    if not trunk or not dataset.schema.has_swaps:
        return
    left, right = np.array(trunk).T
    across = dataset.xy[:, left, 0] - dataset.xy[:, right, 0]
    known = ~np.isnan(across)
    facing = np.sign(np.sum(across, axis=1, where=known))
    exchanged: list[str] = []
    for k, partner in enumerate(dataset.schema.swap_indices.tolist()):
        name, other = dataset.schema.canonical_names[k], dataset.schema.canonical_names[partner]
        if not name.startswith("left_") or other != "right_" + name.removeprefix("left_"):
            continue
        signs = np.sign(dataset.xy[:, k, 0] - dataset.xy[:, partner, 0]) * facing
        votes = signs[(signs == 1) | (signs == -1)]
        # Limbs cross now and then; a pair that does so in seven of ten instances is misnamed.
        if len(votes) >= 10 and (votes < 0).mean() > 0.7:
            exchanged += [dataset.schema.names[k], dataset.schema.names[partner]]
    if exchanged:
        message = "left and right of these lie against shoulders and hips; are the names exchanged?"
        yield Finding("pair-exchanged", "error", message, tuple(exchanged), "keypoint")


def _swapped_face(dataset: PoseDataset, _: Path | None) -> Iterable[Finding]:
    """Who faces the camera has the left shoulder on the picture's right, as the left eye is."""
    names = dataset.schema.canonical_names
    needed = ("nose", "left_eye", "right_eye", "left_shoulder", "right_shoulder")
    if any(name not in names for name in needed):
        return
    nose, left_eye, right_eye, left, right = (dataset.xy[:, names.index(n), 0] for n in needed)
    seen = dataset.visibility[:, [names.index(n) for n in needed[:3]]] == 2
    frontal = seen.all(axis=1) & (left_eye > nose) & (nose > right_eye)
    shoulders = left - right
    swapped = frontal & (shoulders < -2 * (left_eye - right_eye))
    yield from _instances(
        dataset, swapped, "left-right-swapped", "warning",
        "the face looks at the camera and the shoulders' sides are the other way round",
    )  # fmt: skip


RULES: dict[str, Rule] = {
    "keypoint-outside-image": _keypoint_outside,
    "box-outside-image": _box_outside,
    "box-degenerate": _box_degenerate,
    "keypoint-far-from-box": _keypoint_outside_box,
    "duplicate-id": _duplicate_ids,
    "duplicate-image-id": _duplicate_image_ids,
    "id-zero": _id_zero,
    "image-not-listed": _unlisted_image,
    "image-missing": _missing_file,
    "area-tiny": _area_tiny,
    "area-larger-than-box": _area_larger,
    "area-missing": _area_missing,
    "unlabelled-instance": _unlabelled,
    "keypoints-coincide": _all_at_one_point,
    "sides-disagree": _swapped_sides,
    "pair-exchanged": _pair_against_trunk,
    "left-right-swapped": _swapped_face,
}
"""Name -> rule; `check` runs them in this order."""

"""Boxes of a detector, in the place of annotated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata import FileError, Ledger, OptionError, PoseDataset, read
from kptdata.metrics.arrays import box_nms
from kptdata.ops import filter_instances

__all__ = ["detected_people"]


def detected_people(
    people: PoseDataset,
    boxes: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the public name
    score_threshold: float = 0.0,
    nms: float = 1.0,
) -> tuple[PoseDataset, Ledger]:
    """Return what a detector found in the images of a dataset, and an account of what was left out.

    The people have no ids: which ground truth a detection is, nobody knows.

    Args:
        people: names the images, and the categories that count.
        boxes: file of boxes with scores, such as a list of COCO results; in any readable format.
        format: of the file; sniffed if not given.
        score_threshold: boxes of a lower score are left out.
        nms: boxes whose overlap (IoU) with a better one of their category is above this are left
            out; 1 leaves none out.

    Raises:
        OptionError: a threshold makes no sense; the file has no scores, but a threshold is given.
        FileError: no box lies in an image of `people`.
        KptDataError: the file cannot be read.
    """
    for name, value in (("score_threshold", score_threshold), ("nms", nms)):
        if not 0 <= value <= 1:
            raise OptionError(f"{name}: expected 0 to 1, got {value}")
    found = read(boxes, format=format)
    place = _images_of(found, people)
    if len(found) and (place < 0).all():
        raise FileError(
            "no box lies in a listed image: neither ids nor file names agree",
            path=boxes,
            expected=f"images such as {people.images.id[:1].tolist()}",
            found=f"{found.images.id[:1].tolist()} {found.images.file_name[:1].tolist()}",
        )
    score = found.column("score")
    if len(found) and np.isnan(score).all() and (score_threshold > 0 or nms < 1):
        raise OptionError(f"boxes: {boxes} has no scores, which the thresholds need")
    score = np.where(np.isnan(score), 1.0, score)
    box = found.column("bbox")
    rules: dict[str, NDArray[Any]] = {
        "its image is not listed": place >= 0,
        "another category": _counts(found, people),
        "no box with area": np.asarray((box[:, 2:] > 0).all(axis=1)),
        f"its score is below {score_threshold:g}": score >= score_threshold,
    }
    if nms < 1:
        rules[f"it overlaps with a better one by more than {nms:g}"] = _stays(
            box,
            score,
            place,
            found.column("category"),
            np.logical_and.reduce([*rules.values()]),
            nms,
        )
    kept, ledger = filter_instances(found.replace(score=score), rules)
    rows = np.logical_and.reduce([*rules.values()])
    return kept.replace(
        images=people.images, image=place[rows], id=None, answers=None, meta={}
    ), ledger


def _images_of(found: PoseDataset, people: PoseDataset) -> NDArray[np.intp]:
    """Return the row of each box's image in `people`, by file name or by id; -1 for none."""
    keys = [
        (found.images.id.tolist(), people.images.id.tolist()),
        (found.images.file_name.tolist(), people.images.file_name.tolist()),
    ]
    by_name = all(keys[1][0]) and set(keys[1][0]) & set(keys[1][1])
    theirs, ours = keys[1] if by_name else keys[0]
    rows = {key: row for row, key in reversed(list(enumerate(ours)))}
    there = np.array([*(rows.get(key, -1) for key in theirs), -1], np.intp)
    return there[found.image]


def _counts(found: PoseDataset, people: PoseDataset) -> NDArray[np.bool_]:
    """Say which boxes are of a category of `people`; those without one count, too."""
    category = found.column("category")
    known = list(people.categories)
    stated = category >= 0
    if not known or not stated.any():
        return np.ones(len(found), bool)
    return np.asarray(~stated | np.isin(category, known))


def _stays(
    box: NDArray[np.float64],
    score: NDArray[np.float64],
    place: NDArray[np.intp],
    category: NDArray[Any],
    candidates: NDArray[np.bool_],
    threshold: float,
) -> NDArray[np.bool_]:
    rows = np.flatnonzero(candidates)
    xyxy = np.concatenate([box[rows, :2], box[rows, :2] + box[rows, 2:]], axis=1)
    # Boxes of different categories do not suppress each other: they are as good as far apart.
    group = np.unique(np.stack([place[rows], category[rows]]), axis=1, return_inverse=True)[1]
    kept = rows[box_nms(xyxy, score[rows], threshold, image=group.reshape(-1))]
    stays = ~candidates
    stays[kept] = True
    return stays

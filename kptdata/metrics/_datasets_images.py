"""Which image of the predictions is which image of the ground truth."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError

__all__ = ["ImageMatch", "match_images", "shown"]

_TENSOR = re.compile(r"tensor\((\d+).*\)")
_SHOWN = 5


def shown(values: NDArray[Any], row: Any) -> str:
    """Return one id as messages write it: 7, 'a'."""
    return repr(values[row : row + 1].tolist()[0])


class ImageMatch(NamedTuple):
    """Images of both sides, numbered in the order of the ground truth's sorted ids."""

    truth: NDArray[np.intp]  # (N,) of each ground truth; -1 where its image is not listed
    prediction: NDArray[
        np.intp
    ]  # (D,) of each prediction; -1 where the ground truth has no such image
    rows: NDArray[np.intp]  # (I,) row in the ground truth's image table of each number
    by: str  # what the images were matched by
    facts: tuple[str, ...]


def match_images(
    truth: PoseDataset, predictions: PoseDataset, *, skip_unknown: bool = False
) -> ImageMatch:
    """Match images by id, or by file name where the ids do not fit.

    Args:
        truth: ground truth.
        predictions: what is evaluated.
        skip_unknown: leave out predictions on images that the ground truth does not list.

    Raises:
        DatasetError: images do not match, or two images of the ground truth share an id.
    """
    order = _sorted_rows(truth)
    number = np.empty(len(order) + 1, dtype=np.intp)
    number[order] = np.arange(len(order))
    number[-1] = -1
    of_row, by, facts = _find(truth, predictions)
    unknown = np.append(of_row < 0, True)[predictions.image]
    if unknown.any():
        facts = (*facts, _judge_unknown(truth, predictions, unknown, skip=skip_unknown))
    image = np.append(of_row, -1)[predictions.image]
    return ImageMatch(number[truth.image], number[image], order, by, facts + _unlisted(truth))


def _sorted_rows(truth: PoseDataset) -> NDArray[np.intp]:
    ids = truth.images.id
    order = np.argsort(ids, kind="stable")
    same = ids[order][1:] == ids[order][:-1]
    if same.any():
        twice = shown(ids, order[1:][same][0])
        raise DatasetError(
            f"ground truth: image id {twice} is listed twice; expected unique ids. "
            "Fix: renumber the images"
        )
    return order


def _find(
    truth: PoseDataset, predictions: PoseDataset
) -> tuple[NDArray[np.intp], str, tuple[str, ...]]:
    """Row of the ground truth's images for each image of the predictions, -1 where none."""
    wanted = predictions.images.id
    by_id = _lookup(truth.images.id, wanted)
    facts: tuple[str, ...] = ()
    how = "id"
    if by_id is None:
        by_id, note = _lookup_across_kinds(truth.images.id, wanted)
        facts, how = (note,), "id, as numbers"
    named = predictions.images.file_name != ""
    if not named.any() and (by_id >= 0).all():
        return by_id, how, facts
    by_name = _lookup_names(truth, predictions)
    clash = named & (by_id >= 0) & (by_name >= 0) & (by_id != by_name)
    if not clash.any() and (by_id >= 0).all():
        return by_id, how, facts
    if len(by_name) and (by_name >= 0).sum() > (0 if clash.any() else (by_id >= 0).sum()):
        return by_name, "file name", (_why_by_name(truth, predictions, by_id, clash),)
    if clash.any():
        row = int(np.flatnonzero(clash)[0])
        raise DatasetError(
            f"images: id {shown(wanted, row)} is {predictions.images.file_name[row]!r} in the "
            f"predictions and {truth.images.file_name[by_id[row]]!r} in the ground truth, and so "
            f"for {int(clash.sum())} images. Fix: number the images alike"
        )
    return by_id, how, facts


def _lookup(known: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.intp] | None:
    """Row of each wanted id, -1 where none; None where one side is text and the other is not."""
    if (known.dtype.kind == "i") != (wanted.dtype.kind == "i"):
        return None if len(known) and len(wanted) else np.full(len(wanted), -1, np.intp)
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known[order], wanted)
    place = np.minimum(place, max(0, len(known) - 1))
    row = order[place] if len(known) else np.zeros(len(wanted), np.intp)
    found = known[row] == wanted if len(known) else np.zeros(len(wanted), bool)
    return np.where(found, row, -1)


def _lookup_across_kinds(known: NDArray[Any], wanted: NDArray[Any]) -> tuple[NDArray[np.intp], str]:
    """One side numbers its images, the other names them with text: compare as text."""
    texts = [str(value) for value in wanted.tolist()]
    tensors = [m for m in map(_TENSOR.fullmatch, texts) if m]
    if tensors:
        raise DatasetError(
            f"predictions: {len(tensors)} image ids are the text of a tensor, such as "
            f"{tensors[0][0]!r}; "
            f"expected a number. Fix: write int(image_id), here {tensors[0][1]}"
        )
    rows = {str(value): row for row, value in enumerate(known.tolist())}
    found = [rows.get(text, rows.get(text.lstrip("0"), -1)) for text in texts]
    side, example = ("predictions", texts[0]) if wanted.dtype.kind != "i" else ("ground truth", "")
    such = f" such as {example!r}" if example else ""
    note = f"image ids of the {side} are text{such}: compared as text"
    return np.array(
        found, dtype=np.intp
    ), f"{note}, {sum(f >= 0 for f in found)} of {len(found)} found"


def _lookup_names(truth: PoseDataset, predictions: PoseDataset) -> NDArray[np.intp]:
    """Match by file name, or its last part where that is unique; a text id may be one."""
    names = [str(name) for name in truth.images.file_name.tolist()]
    rows: dict[str, int] = {}
    for key in (_stem, _last, str):
        keys = [key(name) for name in names]
        if len(set(keys)) == len(keys):
            rows |= {k: row for row, k in enumerate(keys) if k}
    wanted = [str(name) for name in predictions.images.file_name.tolist()]
    if predictions.images.id.dtype.kind != "i":
        wanted = [
            name or str(i) for name, i in zip(wanted, predictions.images.id.tolist(), strict=True)
        ]
    found = [rows.get(name, rows.get(_last(name), -1)) if name else -1 for name in wanted]
    return np.array(found, dtype=np.intp)


def _last(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _stem(name: str) -> str:
    return PurePosixPath(_last(name)).stem


def _why_by_name(
    truth: PoseDataset, predictions: PoseDataset, by_id: NDArray[np.intp], clash: NDArray[np.bool_]
) -> str:
    if clash.any():
        row = int(np.flatnonzero(clash)[0])
        return (
            f"{int(clash.sum())} image ids mean other files in the ground truth (id "
            f"{shown(predictions.images.id, row)}: {predictions.images.file_name[row]!r} here, "
            f"{truth.images.file_name[by_id[row]]!r} there): matched by file name"
        )
    return f"{int((by_id < 0).sum())} image ids are not in the ground truth: matched by file name"


def _judge_unknown(
    truth: PoseDataset, predictions: PoseDataset, unknown: NDArray[np.bool_], *, skip: bool
) -> str:
    rows = np.unique(predictions.image[unknown])
    few = ", ".join(
        "not listed" if row < 0 else shown(predictions.images.id, row) for row in rows[:_SHOWN]
    )
    more = ", ..." if len(rows) > _SHOWN else ""
    lost = int(unknown.sum())
    what = f"{lost} predictions are on {len(rows)} images that the ground truth does not list"
    if skip and not unknown.all():
        return f"{what} (ids {few}{more}): left out"
    known = ", ".join(repr(i) for i in truth.images.id[:3].tolist())
    raise DatasetError(
        f"predictions: {what}: expected ids such as {known}, found {few}{more}. Fix: check that "
        f"both files are of the same images{_swapped(truth, predictions)}"
        + ("" if unknown.all() else "; or leave them out with --skip-unknown-images")
    )


def _swapped(truth: PoseDataset, predictions: PoseDataset) -> str:
    """Recognise an annotation's id in the place of its image's."""
    ids = _lookup(truth.ids, predictions.images.id)
    if ids is not None and len(ids) and (ids >= 0).all():
        return "; these are ids of annotations of the ground truth: are id and image_id swapped?"
    return ""


def _unlisted(truth: PoseDataset) -> tuple[str, ...]:
    lost = int((truth.image < 0).sum())
    if not lost:
        return ()
    own = _lookup(truth.images.id, truth.ids)
    hint = ""
    if lost == len(truth) and own is not None and (own >= 0).all():
        hint = "; their own ids are ids of images: are id and image_id swapped?"
    if lost == len(truth):
        raise DatasetError(
            f"ground truth: all {lost} annotations name images that the file does not list{hint}. "
            "Fix: check image_id of the annotations against id of the images"
        )
    return (f"{lost} ground truths name an image that their file does not list: left out",)

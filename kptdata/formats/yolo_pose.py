"""Ultralytics YOLO-pose: a tree of label files and a card, ``data.yaml``.

All numbers are fractions of the image's width and height, 0 at the outer edge of the first pixel as
COCO's boxes are; they are multiplied by the size and nothing is shifted. docs/formats/yolo_pose.md
says how each number is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kptdata.dataset import PoseDataset
from kptdata.errors import OptionError
from kptdata.formats._named_points import Fit
from kptdata.formats._plan import TREE_LOSSES, Plan, accounts, classes_of, plan_of
from kptdata.formats._tree import write_tree
from kptdata.formats._yolo_card import Card, fits_of, read_card
from kptdata.formats._yolo_read import datasets_of, read_lines, table_of
from kptdata.formats._yolo_tree import items_of
from kptdata.formats._yolo_write import (
    OUTSIDE,
    check_sizes,
    layout_of,
    listed_images,
    lost_flips,
    schemas_read,
    sheet_of,
    tree,
)
from kptdata.formats.base import Sniff, WriteReport, read_head, refuse_losses
from kptdata.schema import Schema

__all__ = ["FOLDER", "LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "Ultralytics YOLO-pose"
SUFFIXES = (".yaml", ".yml")
FOLDER = True
OPTIONS = ("dims", "outside", "pad", "predictions")
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "xy": "coordinates of points outside the image (--set outside=... says what becomes of them)",
    "visibility": "states of points: absent ones become unlabelled, ones labelled without a word "
    "on occlusion visible, ones outside the image unlabelled (--set outside=...); with two "
    "numbers a point only is or is not there",
    "keypoint_score": "scores of keypoints (--set predictions=true writes them)",
    "score": "scores of instances (--set predictions=true writes them)",
    "track": "tracks (--set predictions=true writes them)",
    "bbox": "boxes that are not finite, or whose centre is left of or above the image",
    "flip_idx": "mirror pairs of skeletons that differ in them: the trainer will not mirror",
}
"""What a tree cannot hold."""


def sniff(path: str | Path) -> Sniff:
    """Say whether a path is a card of a pose dataset, or a folder with one."""
    path = Path(path)
    if path.is_dir():
        cards = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    else:
        cards = [path] if path.suffix in SUFFIXES else []
    for card in cards:
        if b"\nkpt_shape:" in b"\n" + read_head(card):
            return Sniff(0.95, (f"{card.name} with the key kpt_shape",))
    return Sniff(0.0, ("no YAML file with the key kpt_shape",))


def read_all(
    path: str | Path, *, schema: Schema | None = None, images: Path | None = None
) -> tuple[PoseDataset, ...]:
    """Read a tree into one dataset per skeleton; splits are an extra of the images.

    Args:
        path: the card, or its folder.
        schema: schema of the points, where the card does not name them.
        images: another folder to look for images in, for their sizes.

    Raises:
        FileError: card, label file or image cannot be read.
        FormatError: it is not in the format, or the size of an image is not known; the message
            names file and line.
        SchemaError: the points are not named and no schema is given, or `schema` does not fit.
    """
    path = Path(path)
    card = read_card(path)
    fits = fits_of(card, schema)
    items, missing = items_of(card, images)
    lines = read_lines(card, items)
    used = np.unique(np.array(lines.image, np.intp))
    notes = [f"read {path} as yolo_pose", *(f"split {s}: no such folder" for s in missing)]
    table = table_of(items, used, card)
    return datasets_of(card, lines, items, table, fits, (*notes, *_doubts(card, fits)))


def _doubts(card: Card, fits: Mapping[int, Fit]) -> list[str]:
    """Say where ``flip_idx`` contradicts the names of the points; the names are believed."""
    for fit in fits.values():
        rows = list(fit.rows.values())
        back = {row: place for place, row in enumerate(rows)}
        swaps = fit.schema.swap_indices
        own = [back[int(swaps[row])] for row in rows if int(swaps[row]) in back]
        if card.flip is not None and fit.schema.has_swaps and own != list(card.flip[: len(rows)]):
            return [f"flip_idx is not what the pairs of {fit.schema.name} say; not used"]
    return []


def write_all(
    datasets: Sequence[PoseDataset],
    path: str | Path,
    *,
    strict: bool = False,
    dims: int | None = None,
    outside: str = OUTSIDE[0],
    pad: bool = False,
    predictions: bool | None = None,
) -> WriteReport:
    """Write a tree: ``data.yaml``, ``images.json`` (names and sizes) and ``labels/<split>/*.txt``.

    Images are not copied. An existing ``labels`` folder is replaced as a whole.

    Args:
        datasets: what to write; one or several classes, all with the same number of keypoints.
        path: the folder, or the card in it.
        strict: refuse, before the first byte, if anything would be lost.
        dims: numbers for each point: 3 (x, y, v) or 2, which cannot say what is occluded. By
            default 3, or what the data was read with.
        outside: points outside the image, for which the trainer drops the whole image:
            ``unlabel``, ``clip`` to the border or ``keep``.
        pad: fill up skeletons with fewer points than the largest.
        predictions: write scores and tracks as the trainer's own predictions have them. By default
            for data that was read so.

    Raises:
        OptionError: no such `dims` or `outside`.
        DatasetError: skeletons of different sizes without `pad`; a class name with two skeletons.
        FormatError: an image with people has no size, two images would share a label file, a name
            leads out of the folder, or something would be lost under `strict`.
        FileError: the tree cannot be written.
    """
    if dims not in (None, 2, 3):
        raise OptionError(f"dims: expected 2 or 3, got {dims!r}")
    if outside not in OUTSIDE:
        raise OptionError(f"outside: expected one of {', '.join(OUTSIDE)}, got {outside!r}")
    path = Path(path)
    root = path.parent if path.suffix in SUFFIXES else path
    layout = layout_of(datasets, path, dims=dims, predictions=predictions, pad=pad)
    plan = _planned(datasets)
    check_sizes(plan, path)
    classes = classes_of(datasets)
    images = listed_images(plan.images)
    sheets = [
        sheet_of(plan, number, dataset, classes, layout, images, outside)
        for number, dataset in enumerate(datasets)
    ]
    schemas = schemas_read(datasets, classes, layout, path)
    readings = [sheet.reading for sheet in sheets]
    lost, invented = accounts(plan, datasets, readings, schemas, "yolo_pose")
    lost += lost_flips([dataset.schema for dataset in datasets], layout)
    files = tree(plan, datasets, sheets, classes, layout, path)
    refuse_losses(path, lost, LOSSES, strict=strict)
    write_tree(root, files, whole=("labels",))
    return WriteReport(path, "yolo_pose", len(plan.owned), lost, invented, LOSSES)


def _planned(datasets: Sequence[PoseDataset]) -> Plan:
    """Leave out who has neither a box nor a point."""
    kept = []
    for dataset in datasets:
        box = dataset.column("bbox")
        boxed = np.isfinite(box).all(axis=1) & (box[:, 2:] >= 0).all(axis=1)
        kept.append(boxed | dataset.labelled.any(axis=1))
    return plan_of(datasets, kept)

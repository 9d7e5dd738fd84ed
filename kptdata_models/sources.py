"""The datasets that a run names: read, given boxes, filtered, checked against the images folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from kptdata import read
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, FileError, OptionError
from kptdata.ledger import Ledger
from kptdata.ops import filter_instances, with_boxes
from kptdata.plugins import resolve
from kptdata_models.data import usable_instances
from kptdata_models.runfile import DataSpec

__all__ = ["Source", "load_source"]


class Source(NamedTuple):
    """A dataset that can be sampled, and the account of how it came about."""

    dataset: PoseDataset
    images: Path
    ledger: Ledger
    boxed: int  # instances whose box was made from their keypoints

    def __str__(self) -> str:
        text = f"{self.ledger}, {len(self.dataset.images)} images, {self.dataset.schema.name}"
        return text + (f", {self.boxed} boxes made from keypoints" if self.boxed else "")


def load_source(spec: DataSpec, place: str) -> Source:
    """Read what a table of the run file names.

    Args:
        spec: the table.
        place: its key, for messages: ``data.train``.

    Raises:
        FileError: annotations or an image are not there.
        DatasetError: no instance can be used, or a dataset function returned something else.
    """
    images = Path(spec.images)
    if not images.is_dir():
        raise FileError("no such folder", path=images, fix=f"set {place}.images")
    dataset = _read(spec, place)
    boxed = 0
    if spec.boxes == "keypoints":
        dataset, account = with_boxes(dataset, margin=spec.box_margin)
        boxed = sum(map(len, account.repaired.values()))
    total = len(dataset)
    present = _present(dataset, images)
    if spec.missing_images == "skip":
        known = np.append(present, False)[dataset.image] | (dataset.image < 0)
        dataset, missing = filter_instances(dataset, {"its image is not in the folder": known})
    else:
        missing = Ledger(total)
    try:
        kept, ledger = usable_instances(dataset)
    except DatasetError as error:
        raise DatasetError(f"{place}: {error}{_box_hint(dataset, spec, place)}") from error
    _check_images(kept, present, images, place)
    return Source(kept, images, _joined(total, missing, ledger), boxed)


def _read(spec: DataSpec, place: str) -> PoseDataset:
    if spec.type is None:
        return read(spec.annotations, format=spec.format, schema=spec.schema)
    made = resolve(spec.type)(**spec.options)
    if not isinstance(made, PoseDataset):
        raise DatasetError(
            f"{place}.type: {spec.type} returned {type(made).__name__}, expected a PoseDataset"
        )
    return made


def _present(dataset: PoseDataset, images: Path) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(M,) whether the file of an image is there; a folder is listed once, not asked M times."""
    listed: dict[Path, set[str]] = {}
    found = []
    for name in dataset.images.file_name:
        path = images / str(name)
        if path.parent not in listed:
            folder = path.parent
            listed[folder] = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        found.append(path.name in listed[path.parent])
    return np.array(found, dtype=bool)


def _check_images(
    dataset: PoseDataset,
    present: np.ndarray[tuple[int], np.dtype[np.bool_]],
    images: Path,
    place: str,
) -> None:
    used = np.unique(dataset.image)
    absent = used[~present[used]]
    if len(absent):
        raise FileError(
            f"{len(absent)} of {len(used)} images that {place} names are not there, the first is "
            f"{dataset.images.file_name[absent[0]]}",
            path=images,
            fix=f'set {place}.images, or {place}.missing_images = "skip"',
        )


def _box_hint(dataset: PoseDataset, spec: DataSpec, place: str) -> str:
    no_box = np.isnan(dataset.column("bbox")).any(axis=1).all()
    if spec.boxes == "given" and len(dataset) and no_box:
        return f'; set {place}.boxes = "keypoints" to make boxes from the keypoints'
    return ""


def _joined(total: int, first: Ledger, second: Ledger) -> Ledger:
    if first.total != total or second.total != first.kept:
        raise OptionError("ledger: the accounts of two steps do not follow each other")
    return Ledger(total, skipped={**first.skipped, **second.skipped})

"""The datasets that a run names: read, given boxes, filtered, checked against the images folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata import read
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, FileError, OptionError
from kptdata.ledger import Ledger
from kptdata.ops import concat, filter_instances, filter_where, map_schema, with_boxes
from kptdata.paths import image_path
from kptdata.transforms import images_present, is_image_source
from kptdata_models._call import call, find
from kptdata_models.data import usable_instances
from kptdata_models.runfile import DataSpec, DataSpecs

__all__ = ["Source", "load_source", "load_training"]


class Source(NamedTuple):
    """A dataset that can be sampled, and the account of how it came about."""

    dataset: PoseDataset
    images: Path
    ledger: Ledger
    boxed: int  # instances whose box was made from their keypoints
    weights: NDArray[np.float64] | None = None  # (N,) how often each is drawn; None for equally

    def __str__(self) -> str:
        text = f"{self.ledger}, {len(self.dataset.images)} images, {self.dataset.schema.name}"
        return text + (f", {self.boxed} boxes made from keypoints" if self.boxed else "")

    def first(self, count: int) -> Source:
        """Return the first `count` instances alone."""
        weights = None if self.weights is None else self.weights[:count]
        return self._replace(dataset=self.dataset[:count], weights=weights)


def load_training(data: DataSpecs) -> tuple[Source, tuple[str, ...]]:
    """Read the training data: one file, or several mapped to the schema of the first.

    A point that a file does not have is unlabelled in its people: they teach nothing about it.

    Returns:
        All instances, and a line for the reader per file.

    Raises:
        KptDataError: as `load_source`, or files that cannot be joined.
    """
    source = load_source(data.train, "data.train")
    lines = [f"data.train: {source}"]
    if not data.more:
        return source, tuple(lines)
    parts, weights = [_at_home(source)], [np.full(len(source.dataset), data.train.weight)]
    for number, spec in enumerate(data.more):
        place = f"data.more.{number}"
        part = load_source(spec, place)
        mapped, _ = map_schema(_at_home(part), source.dataset.schema)
        usable, ledger = usable_instances(mapped)
        lines.append(f"{place}: {part}, mapped to {source.dataset.schema.name}: {ledger}")
        parts.append(usable)
        weights.append(np.full(len(usable), spec.weight))
    joined, ledger = concat(parts)
    every = np.concatenate(weights)
    equal = bool((every == every[0]).all())
    return Source(joined, source.images, ledger, 0, None if equal else every), tuple(lines)


def _at_home(source: Source) -> PoseDataset:
    """Name images by their whole path, so that files of several folders can be joined."""
    images: Any = source.dataset.images
    whole = [str((source.images / str(name)).resolve()) for name in images.file_name]
    return source.dataset.replace(images=replace(images, file_name=whole))


def load_source(spec: DataSpec, place: str) -> Source:
    """Read what a table of the run file names.

    Args:
        spec: the table.
        place: its key, for messages: ``data.train``.

    Raises:
        FileError: annotations or an image are not there, or its name leads out of the folder.
        DatasetError: no instance can be used, or a dataset function returned something else.
    """
    images = Path(spec.images)
    if not is_image_source(images):
        raise FileError("no such folder or zip archive", path=images, fix=f"set {place}.images")
    dataset = _read(spec, place)
    boxed = 0
    if spec.boxes == "keypoints":
        dataset, account = with_boxes(dataset, margin=spec.box_margin)
        boxed = sum(map(len, account.repaired.values()))
    total = len(dataset)
    filtered = Ledger(total)
    if spec.filter:
        dataset, filtered = filter_where(dataset, spec.filter)
    present = images_present(image_path(images, str(name)) for name in dataset.images.file_name)
    if spec.missing_images == "skip":
        known = np.append(present, False)[dataset.image] | (dataset.image < 0)
        dataset, missing = filter_instances(dataset, {"its image is not in the folder": known})
    else:
        missing = Ledger(len(dataset))
    try:
        kept, ledger = usable_instances(dataset)
    except DatasetError as error:
        raise DatasetError(f"{place}: {error}{_box_hint(dataset, spec, place)}") from error
    _check_images(kept, present, images, place)
    made = Source(kept, images, _joined(_joined(filtered, missing), ledger), boxed)
    return made.first(spec.first) if spec.first else made


def _read(spec: DataSpec, place: str) -> PoseDataset:
    if spec.type is None:
        return read(spec.annotations, format=spec.format, schema=spec.schema)
    made = call(find(spec.type, f"{place}.type"), f"{place}.options", spec.type, **spec.options)
    if not isinstance(made, PoseDataset):
        raise DatasetError(
            f"{place}.type: {spec.type} returned {type(made).__name__}, expected a PoseDataset"
        )
    return made


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


def _joined(first: Ledger, second: Ledger) -> Ledger:
    if second.total != first.kept:
        raise OptionError("ledger: the accounts of two steps do not follow each other")
    return Ledger(first.total, skipped={**first.skipped, **second.skipped})

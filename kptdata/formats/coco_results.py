"""COCO results: a JSON list of detections with keypoints and scores.

The third number of a keypoint is its score here, and every listed point is labelled: the evaluator
looks at x and y only. The file has no images; the table of images is made of the ids that the
results name, in their order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT, TEXT, RawColumn
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._coco_categories import Skeleton
from kptdata.formats._coco_file import load_list
from kptdata.formats._coco_groups import Group, readings
from kptdata.formats._coco_read import RESULTS_LAYOUT, id_keys, image_rows, read_annotations
from kptdata.formats._coco_rows import RowTable, refuse_duplicates
from kptdata.formats._coco_write import LOSSES as _GROUND_TRUTH_LOSSES
from kptdata.formats._coco_write import annotation_fields, joined_rows
from kptdata.formats.base import Sniff, WriteReport, atomic_write, read_head, refuse_losses
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "COCO results"
SUFFIXES = ()  # .json is ground truth; results must be asked for
OPTIONS = ("complete",)

_ABOUT_GROUND_TRUTH = (
    "visibility_absent",
    "visibility_labelled",
    "keypoint_score",
    "empty_instance",
)
LOSSES: Mapping[str, str] = MappingProxyType(
    {k: v for k, v in _GROUND_TRUTH_LOSSES.items() if k not in _ABOUT_GROUND_TRUTH}
    | {
        "visibility": "points occluded (1) or visible (2) are read back as just labelled (4)",
        "unlabelled": "points not labelled get score 0, at the origin if no place is given",
        "images": "images without results",
        "file_name": "file names of images",
        "image_size": "sizes of images",
        "image_extras": "other keys of images",
        "categories": "names of categories",
        "meta": "file-level texts",
    }
)
"""What a list of results cannot hold."""


def sniff(path: str | Path) -> Sniff:
    """Say whether a file looks like a list of results, from its first bytes."""
    head = read_head(Path(path)).strip() if Path(path).is_file() else b""
    if head[:1] != b"[":
        return Sniff(0.0, ("not a JSON list",))
    if head == b"[]":
        return Sniff(0.2, ("an empty JSON list",))
    missing = [key for key in ("image_id", "category_id", "score") if _key(key) not in head]
    if missing:
        return Sniff(0.0, (f"a JSON list without the keys {', '.join(missing)}",))
    return Sniff(0.9, ("a JSON list of objects with image_id, category_id and score",))


def _key(name: str) -> bytes:
    return f'"{name}"'.encode()


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,  # noqa: ARG001 - the contract of formats
) -> tuple[PoseDataset, ...]:
    """Read a list of results into one dataset.

    Args:
        path: the file, possibly gzipped.
        schema: schema of the points; results do not name them. Boxes alone need none.
        images: not needed here.

    Raises:
        FileError: the file cannot be read.
        FormatError: it is not in the format; the message names the entry.
        SchemaError: there are points and no schema is given, or it does not fit.
    """
    path = Path(path)
    rows, marks = load_list(path)
    group = Group(Skeleton((), {}), np.arange(len(rows)), rows)
    (reading,) = readings([group], schema, path)
    table, columns = read_annotations(rows, reading, path, scored=True)
    if table.marks != marks:
        refuse_duplicates(rows, path)
    if len(rows) and not (len(_ids_in(table)) or "image_id" in table.raw):
        raise FormatError(
            "no COCO results",
            path=path,
            expected="a list of objects with image_id",
            found=", ".join(map(repr, list(table.raw)[:6])) or "other keys",
            fix="name the format that it is in",
        )
    listed = _images_of(table)
    columns["image"] = image_rows(listed, table)
    layout = json.dumps({"schema": reading.schema.hash()}).encode()
    dataset = PoseDataset(
        **columns,
        images=listed,
        extras=table.raw,
        meta={RESULTS_LAYOUT: layout},
        provenance=(f"read {path} as coco_results",),
    )
    return (dataset,)


def _ids_in(table: RowTable) -> list[int | str]:
    wanted, texts = table.column("image_id"), table.raw.get("image_id")
    if texts is None and wanted.dtype == np.int64:
        _, first = np.unique(wanted, return_index=True)
        return [i for i in wanted[np.sort(first)].tolist() if i != MISSING_INT]
    keys = id_keys(wanted, texts)
    return [key for key in dict.fromkeys(keys) if isinstance(key, int | str)]


def _images_of(table: RowTable) -> ImageTable:
    """Return the images that results name, in the order in which they do."""
    ids = _ids_in(table)
    names = [""] * len(ids)
    if all(isinstance(i, int) for i in ids):
        return ImageTable.of(names, id=np.array(ids, dtype=np.int64))
    # 7 and "7" are two images; as text they need their own spelling beside them.
    spelled = RawColumn(str(i).encode() if isinstance(i, int) else None for i in ids)
    extras = {"id": spelled} if spelled.present.any() else {}
    return ImageTable.of(names, id=np.array(list(map(str, ids)), dtype=TEXT), extras=extras)


def write_all(
    datasets: Sequence[PoseDataset],
    path: str | Path,
    *,
    strict: bool = False,
    complete: bool | None = None,
) -> WriteReport:
    """Write predictions into one list.

    Args:
        datasets: what to write; interleaved by their `order`.
        path: where to; ``.gz`` is compressed.
        strict: refuse, before the first byte, if anything would be lost.
        complete: give score 1 and category 1 where there is none, as the evaluator needs them. By
            default for data that was not read from results.

    Raises:
        FormatError: something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    lost, invented = Counter[str](), Counter[str]()
    ready = []
    for dataset in datasets:
        wanted = RESULTS_LAYOUT not in dataset.meta if complete is None else complete
        ready.append(_completed(dataset, invented) if wanted else dataset)
        lost += _lost_around(dataset)
    tables = [annotation_fields(dataset, lost, scored=True) for dataset in ready]
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, _text(joined_rows(tables, ready)))
    return WriteReport(Path(path), "coco_results", sum(map(len, ready)), lost, invented, LOSSES)


def _text(rows: Iterator[bytes]) -> Iterator[bytes]:
    yield b"[\n"
    yield from rows
    yield b"\n]\n"


def _completed(dataset: PoseDataset, invented: Counter[str]) -> PoseDataset:
    """Give what the evaluator asks of every result."""
    columns: dict[str, NDArray[Any]] = {}
    for key, name, gap, value in (
        ("score", "score", np.isnan, 1.0),
        ("category_id", "category", lambda v: v == MISSING_INT, 1),
    ):
        values = dataset.column(name).copy()
        gone = gap(values)
        invented[key] += int(gone.sum())
        values[gone] = value
        columns[name] = values
    unscored = dataset.labelled & ~np.isfinite(dataset.column("keypoint_score"))
    invented["keypoint_score"] += int(unscored.sum())
    return dataset.replace(**columns)


def _lost_around(dataset: PoseDataset) -> Counter[str]:
    """Count what is said beside the instances."""
    images = dataset.images
    others = [texts for key, texts in images.extras.items() if key != "id"]
    return Counter(
        images=len(np.setdiff1d(np.arange(len(images)), dataset.image)),
        file_name=int((images.file_name != "").sum()),
        image_size=int((images.wh > 0).any(axis=1).sum()),
        image_extras=sum(int(texts.present.sum()) for texts in others),
        sequence=int((images.column("sequence") != "").sum()),
        frame=int((images.column("frame") != MISSING_INT).sum()),
        camera=int((images.column("camera") >= 0).sum()),
        categories=len(dataset.categories),
        meta=len(dataset.meta) - (RESULTS_LAYOUT in dataset.meta),
    )

"""MPII in the layout of the stacked-hourglass authors: one HDF5 file, one row per person.

Datasets: ``part`` (N, 16, 2), ``visible`` (N, 16), ``center`` (N, 2), ``scale`` (N,), ``imgname``.
Pixels count from 1 and (0, 0) stands for a missing point. ``center`` is MPII's objpos moved down by
15 scale, and ``scale`` is enlarged by 1.25: both are undone. docs/formats/mpii.md has the details.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset, RawColumn
from kptdata.errors import FormatError, MissingDependencyError
from kptdata.formats._account import LOSSES as _ALL_LOSSES
from kptdata.formats._account import account
from kptdata.formats._hdf5 import (
    SIGNATURE,
    Contents,
    as_json,
    from_json,
    hdf5_bytes,
    names_in,
    read_hdf5,
)
from kptdata.formats._images import sized
from kptdata.formats._mpii_box import (
    ORIGIN,
    box_columns,
    checked_schema,
    only_dataset,
    place_from_boxes,
)
from kptdata.formats._mpii_rows import by_name, listed
from kptdata.formats._trivia import is_trivia
from kptdata.formats.base import Sniff, WriteReport, atomic_write, read_head, refuse_losses
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "MPII as the stacked-hourglass authors keep it (.h5)"
SUFFIXES = (".h5", ".hdf5")
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **_ALL_LOSSES,
    "xy": "last binary digits of coordinates, and points at (0, 0) of a file that counts from 1",
    "visibility": "that it is not stated whether a point is seen: the file says that it is",
    "points": "named points other than 'objpos', or its last binary digits",
    "numbers": "named numbers that cannot be a dataset, or last binary digits of 'scale'",
    "extras": "other values of people, unless they are one text each",
    "image_extras": "other values of images",
    "meta": "file-level texts",
    "images": "images without people, and images that share their file name with another",
    "image": "people of an image that shares its file name with another",
}
"""What the layout cannot hold."""

_NAME = "mpii_h5"
_POINT_NOTES, _PLACE_NOTES = f"keypoints:{_NAME}", f"center:{_NAME}"
_OTHERS, _ATTRIBUTES = "datasets", "attributes"
_TYPED = ("part", "visible", "center", "scale", "imgname")
_COUNT = 16
_LOWERED, _ENLARGED = 15.0, 1.25
_UNKNOWN = -1.0
_HEAD_SIZE = 0.6  # of the head box's diagonal: what PCKh divides by


def sniff(path: Path) -> Sniff:
    """Say whether a file looks like the layout, from the names of its datasets."""
    path = Path(path)
    if not path.is_file() or not read_head(path, 8).startswith(SIGNATURE):
        return Sniff(0.0, ("not an HDF5 file",))
    try:
        names = names_in(path)
    except MissingDependencyError as error:
        return Sniff(0.0, (str(error),))
    if {"part", "visible", "imgname"} <= names:
        return Sniff(0.95, ("an HDF5 file with the datasets part, visible and imgname",))
    return Sniff(0.0, ("an HDF5 file without the datasets part, visible and imgname",))


def read_all(
    path: Path, *, schema: Schema | None = None, images: Path | None = None
) -> tuple[PoseDataset, ...]:
    """Read a file into one dataset, one image per distinct name.

    Args:
        path: the file.
        schema: MPII's, or another one of the same 16 names.
        images: folder of the images, for their sizes, which the file does not give.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file, or an image, cannot be read.
        FormatError: it is not in the format; the dataset and its row are named.
        SchemaError: the schema has other points.
    """
    path = Path(path)
    contents = read_hdf5(path)
    own = checked_schema(schema, path)
    return (sized(_dataset(contents, path, own).noted(f"read {path} as {_NAME}"), images),)


def _dataset(contents: Contents, path: Path, schema: Schema) -> PoseDataset:
    arrays = contents.arrays
    names = _image_names(arrays, path)
    count = len(names)
    part = _numbers(arrays, "part", (count, _COUNT, 2), path)
    seen = _numbers(arrays, "visible", (count, _COUNT), path)
    _refuse_other_flags(seen, path)
    center = _numbers(arrays, "center", (count, 2), path)
    enlarged = _numbers(arrays, "scale", (count,), path)
    labelled: NDArray[np.bool_] = np.any(part != 0, axis=-1)
    visibility = np.where(seen == 1, Visibility.VISIBLE, Visibility.OCCLUDED)
    objpos, scale = _restored(center, enlarged)
    images, image = by_name(names)
    columns: dict[str, Any] = box_columns(objpos, scale)
    more, texts, others = _others(arrays, count)
    columns["numbers"] = columns["numbers"] | more
    dataset = PoseDataset(
        schema=schema,
        images=images,
        image=image,
        xy=np.where(labelled[..., None], part - ORIGIN, np.nan),
        visibility=np.where(labelled, visibility, Visibility.UNLABELLED).astype(np.uint8),
        id=np.arange(1, count + 1),
        meta=_meta(others, contents.attributes),
        **columns,
    )
    stated = _stated(dataset)
    notes = {
        _POINT_NOTES: _differing({"part": part, "visible": seen}, stated),
        _PLACE_NOTES: _differing({"center": center, "scale": enlarged}, stated),
    }
    kept = {key: held for key, held in notes.items() if held.present.any()}
    return dataset.replace(extras=texts | kept)


def _image_names(arrays: Mapping[str, NDArray[Any]], path: Path) -> list[str]:
    """Return the file names: text, or rows of character codes as the older files have them."""
    held = arrays.get("imgname")
    if held is None:
        raise _wrong(path, "imgname", "a dataset of file names", "none")
    if held.dtype.kind == "O" and held.ndim == 1:
        return [str(name) for name in held]
    if held.dtype.kind != "O" and held.ndim == 2:
        codes = [[int(c) for c in row if 0 < c < 0x110000] for row in held.tolist()]
        return ["".join(map(chr, row)) for row in codes]
    raise _wrong(path, "imgname", "one text per person", f"{held.shape} {held.dtype}")


def _numbers(
    arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], path: Path
) -> NDArray[np.float64]:
    held = arrays.get(name)
    if held is None:
        raise _wrong(path, name, f"numbers of the shape {shape}", "no such dataset")
    if held.dtype.kind not in "biuf" or held.shape != shape:
        raise _wrong(path, name, f"numbers of the shape {shape}", f"{held.shape} {held.dtype}")
    values = held.astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise _wrong(path, f"{name}, row {row}", "finite numbers", str(values[row].tolist()))
    return values


def _refuse_other_flags(seen: NDArray[np.float64], path: Path) -> None:
    wrong = (seen != 0) & (seen != 1)
    if wrong.any():
        row, point = np.argwhere(wrong)[0].tolist()
        raise _wrong(path, f"visible, row {row}", "0 or 1", str(seen[row, point]))


def _wrong(path: Path, place: str, expected: str, found: str) -> FormatError:
    return FormatError(
        "not as the stacked-hourglass files have it",
        path=path,
        place=place,
        expected=expected,
        found=found,
        fix="name the format that the file is in",
    )


def _restored(
    center: NDArray[np.float64], enlarged: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return objpos (N, 2), counted from 0, and scale (N,) as MPII gives them."""
    known = center[:, 0] != _UNKNOWN
    scale = np.where(known, enlarged / _ENLARGED, enlarged)
    objpos = center - ORIGIN
    objpos[known, 1] -= _LOWERED * scale[known]
    return objpos, scale


def _others(
    arrays: Mapping[str, NDArray[Any]], count: int
) -> tuple[dict[str, NDArray[Any]], dict[str, RawColumn], dict[str, NDArray[Any]]]:
    """Sort the other datasets: numbers per person, one text per person, anything else."""
    numbers, texts, others = {}, {}, {}
    for name, array in arrays.items():
        if name in _TYPED:
            continue
        if array.shape[:1] != (count,) or "/" in name:
            others[name] = array
        elif array.dtype.kind != "O":
            numbers[name] = array
        elif array.ndim == 1:
            texts[name] = RawColumn.from_values(array.tolist())
        else:
            others[name] = array
    return numbers, texts, others


def _meta(
    others: Mapping[str, NDArray[Any]], attributes: Mapping[str, NDArray[Any]]
) -> dict[str, bytes]:
    held = {_OTHERS: as_json(others), _ATTRIBUTES: as_json(attributes)}
    return {key: msgspec.json.encode(value) for key, value in held.items() if value}


def _stated(kept: PoseDataset) -> dict[str, NDArray[np.float64]]:
    """Return the typed datasets that say what the columns say."""
    objpos, scale = place_from_boxes(kept)
    scale = np.where(np.isfinite(scale), scale, _UNKNOWN)
    gone = np.isnan(objpos).any(axis=1, keepdims=True)
    center = np.where(gone, _UNKNOWN, objpos + ORIGIN)
    known = center[:, 0] != _UNKNOWN
    center[known, 1] += _LOWERED * scale[known]
    seen = kept.labelled & (kept.visibility != Visibility.OCCLUDED)
    return {
        "part": np.where(kept.labelled[..., None], kept.xy + ORIGIN, 0.0),
        "visible": seen.astype(np.float64),
        "center": center,
        "scale": np.where(known, scale * _ENLARGED, scale),
    }


def _differing(
    read: Mapping[str, NDArray[np.float64]], stated: Mapping[str, NDArray[np.float64]]
) -> RawColumn:
    """Note the rows that the columns would not give back to the last digit."""
    count = len(next(iter(read.values())))
    same = np.ones(count, bool)
    for name, values in read.items():
        same &= (values == stated[name]).all(axis=tuple(range(1, values.ndim)))
    return RawColumn(
        None if same[n] else msgspec.json.encode({k: v[n].tolist() for k, v in read.items()})
        for n in range(count)
    )


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write one dataset of MPII's 16 points, people in their order.

    Coordinates keep their decimals, which the published files do not have. A place or scale that
    is missing is made from the box; ``index``, ``person`` and ``normalize`` from the images, the
    order and the head boxes.

    Raises:
        MissingDependencyError: h5py is not installed.
        DatasetError: several datasets, or other points than MPII's.
        FormatError: something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    dataset = only_dataset(tuple(datasets), path)
    plan = listed(dataset)
    contents = _contents(dataset[plan.rows], plan.names)
    read_back = _dataset(contents, path, checked_schema(None, path))
    lost, invented = account(dataset, read_back, plan.rows, plan.image_rows, own=_NAME)
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, [hdf5_bytes(contents)])
    return WriteReport(path, _NAME, len(read_back), lost, invented, LOSSES)


def _contents(kept: PoseDataset, names: Sequence[str]) -> Contents:
    arrays: dict[str, NDArray[Any]] = dict(_noted(kept, _stated(kept)))
    arrays["imgname"] = np.array(names, dtype=object)
    arrays |= _made(kept)
    for name, column in kept.numbers.items():
        if name not in _TYPED and _is_name(name):
            arrays[name] = column
    for name, texts in kept.extras.items():
        values = [] if is_trivia(name, _NAME) else _texts(texts)
        if values and name not in arrays and _is_name(name):
            arrays[name] = np.array(values, dtype=object)
    arrays |= {k: v for k, v in _held(kept, _OTHERS).items() if k not in arrays}
    return Contents(dict(sorted(arrays.items())), _held(kept, _ATTRIBUTES))


def _is_name(name: str) -> bool:
    return bool(name) and name != "." and "/" not in name and "\0" not in name


def _held(kept: PoseDataset, key: str) -> dict[str, NDArray[Any]]:
    text = kept.meta.get(key)
    return {} if text is None else from_json(msgspec.json.decode(text))


def _texts(column: RawColumn) -> list[str]:
    """Return one text per row; none unless every row has one that HDF5 can hold."""
    values = [column.parsed(row) for row in range(len(column))]
    return values if all(isinstance(v, str) and "\0" not in v for v in values) else []


def _made(kept: PoseDataset) -> dict[str, NDArray[Any]]:
    """Return what the files have beside the people: image, number in the image, head size."""
    seen: dict[int, int] = {}
    person = []
    for image in kept.image.tolist():
        person.append(seen.get(image, 0))
        seen[image] = person[-1] + 1
    made = {"index": kept.image.astype(np.float64), "person": np.array(person, np.float64)}
    if "head" in kept.boxes:
        made["normalize"] = _HEAD_SIZE * np.hypot(*kept.boxes["head"][:, 2:].T)
    return made


def _noted(
    kept: PoseDataset, stated: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Put back the numbers that were read where they still say what the columns say."""
    found = {name: values.copy() for name, values in stated.items()}
    read = {name: values.copy() for name, values in stated.items()}
    for key in (_POINT_NOTES, _PLACE_NOTES):
        texts = kept.extras.get(key, RawColumn.absent(len(kept)))
        for n in np.flatnonzero(texts.present).tolist():
            for name, values in texts.parsed(n).items():
                read[name][n] = values
    objpos, scale = place_from_boxes(kept)
    own_objpos, own_scale = _restored(read["center"], read["scale"])
    same_place = (own_objpos == objpos).all(axis=1) & (own_scale == scale)
    labelled = (read["part"] != 0).any(axis=-1)
    same_points = (labelled == kept.labelled).all(axis=1)
    same_points &= ((read["part"] == stated["part"]) | ~labelled[..., None]).all(axis=(1, 2))
    same_points &= ((read["visible"] == stated["visible"]) | ~labelled).all(axis=1)
    for name, same in (
        ("part", same_points),
        ("visible", same_points),
        ("center", same_place),
        ("scale", same_place),
    ):
        found[name][same] = read[name][same]
    return found

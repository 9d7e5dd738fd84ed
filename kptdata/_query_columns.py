"""Columns of a dataset by name, one value per instance: what an expression may speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import COLUMNS, TEXT, RawColumn, is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import DatasetError, UnknownNameError
from kptdata.visibility import Visibility

__all__ = [
    "Value",
    "blank",
    "column_names",
    "column_of",
    "image_column",
    "image_column_names",
]


@dataclass(frozen=True)
class Value:
    """A value for each instance, or one for all.

    Attributes:
        data: (N,) or a scalar: float64 or int64, text, or bool.
        missing: (N,) or a scalar, True where nothing is stated.
        kind: ``number``, ``text``, ``condition``, or ``nothing`` if no instance states a value:
            that is of whatever kind is asked for.
    """

    data: Any
    missing: Any
    kind: str

    def of_kind(self, kind: str) -> Value:
        """Return a value that is all gaps as a value of this kind; any other as it is."""
        return blank(np.size(self.missing), kind) if self.kind == "nothing" else self


def blank(count: int, kind: str) -> Value:
    """Return a column of gaps."""
    dtypes: dict[str, Any] = {"text": TEXT, "condition": bool}
    data = np.zeros(count, dtypes.get(kind, float))
    return Value(data, np.ones(count, bool), kind)


_OPTIONAL = ("sequence", "frame", "camera")
_OF_IMAGES = ("file_name", "width", "height", *_OPTIONAL)
_BOX = {"bbox_x": 0, "bbox_y": 1, "bbox_w": 2, "bbox_h": 3}
_STATES = {f"num_{state.name.lower()}": state for state in Visibility}
_OWN = tuple(name for name, column in COLUMNS.items() if not column.axes and name != "id")


def _number(data: NDArray[Any], missing: Any = None) -> Value:
    return Value(data, is_missing(data) if missing is None else missing, "number")


def _plain(data: NDArray[Any]) -> Value:
    if data.dtype == TEXT:
        return Value(data, is_missing(data), "text")
    return _number(data)


def _category(dataset: PoseDataset) -> Value:
    column = dataset.column("category")
    values, places = np.unique(column, return_inverse=True)
    names = [dataset.categories.get(v, str(v)) for v in values.tolist()]
    found = np.array(names, dtype=TEXT)[places] if names else np.zeros(0, TEXT)
    return Value(found, is_missing(column), "text")


def _num_labelled(dataset: PoseDataset) -> Value:
    return _number(dataset.num_labelled, False)


def _area_of_box(dataset: PoseDataset) -> Value:
    box = dataset.column("bbox")
    return _number(box[:, 2] * box[:, 3])


_COMPUTED: dict[str, Callable[[PoseDataset], Value]] = {
    "id": lambda dataset: _plain(dataset.ids),
    "category": _category,
    "category_id": lambda dataset: _number(dataset.column("category")),
    "num_labelled": _num_labelled,
    "bbox_area": _area_of_box,
}


def image_column(images: ImageTable, name: str) -> Value:
    """Return a column of images by name, one value per image.

    Raises:
        UnknownNameError: there is none; near names are listed.
        DatasetError: its values are of several kinds.
    """
    if name not in _OF_IMAGES and name != "image_id":
        if name not in images.extras:
            raise UnknownNameError("column of images", name, image_column_names(images))
        return _raw(images.extras[name], name)
    own = name.removeprefix("image_")
    column = images.column(own) if own in _OPTIONAL else getattr(images, own)
    value = _plain(column)
    if own in ("width", "height", "camera"):
        return Value(value.data, column < (0 if own == "camera" else 1), value.kind)
    return value


def image_column_names(images: ImageTable) -> tuple[str, ...]:
    """Return the names of all columns that hold one value per image."""
    return ("image_id", *_OF_IMAGES, *images.extras)


def _of_image(dataset: PoseDataset, name: str) -> Value:
    value = image_column(dataset.images, name)
    if not len(dataset.images):
        return blank(len(dataset), value.kind)
    return Value(
        value.data[dataset.image],
        (dataset.image < 0) | value.missing[dataset.image],
        value.kind,
    )


def _raw(raw: RawColumn, name: str) -> Value:
    """Return a column of JSON values, which must all be of one kind."""
    values = [raw.parsed(row) for row in range(len(raw))]
    missing = np.array([v is None for v in values], bool)
    kinds = {type(v) for v in values if v is not None}
    if not kinds:
        return blank(len(values), "nothing")
    if kinds == {bool}:
        return Value(np.array([v is True for v in values], bool), missing, "condition")
    if kinds <= {int, float}:
        return Value(
            np.array([np.nan if v is None else v for v in values], float), missing, "number"
        )
    if kinds == {str}:
        return Value(np.array(["" if v is None else v for v in values], TEXT), missing, "text")
    found = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise DatasetError(
        f"column {name!r} holds values of other kinds than one number, text or truth value: {found}"
    )


def _numbers(dataset: PoseDataset) -> Mapping[str, NDArray[Any]]:
    return {name: column for name, column in dataset.numbers.items() if column.ndim == 1}


def column_names(dataset: PoseDataset) -> Iterator[str]:
    """Yield the names of all columns that hold one value per instance, the first of a name wins."""
    yield from (*_COMPUTED, *_OWN, *_BOX, *_STATES, "image_id", *_OF_IMAGES)
    yield from (*_numbers(dataset), *dataset.extras, *dataset.images.extras)


def column_of(dataset: PoseDataset, name: str) -> Value:
    """Return a column by name.

    Raises:
        UnknownNameError: there is none; near names are listed.
        DatasetError: its values are of several kinds.
    """
    if name in _COMPUTED:
        return _COMPUTED[name](dataset)
    if name in _OWN:
        return _plain(dataset.column(name))
    if name in _BOX:
        return _number(dataset.column("bbox")[:, _BOX[name]])
    if name in _STATES:
        return _number((dataset.visibility == _STATES[name]).sum(axis=1), False)
    if name == "image_id" or name in _OF_IMAGES:
        return _of_image(dataset, name)
    if name in _numbers(dataset):
        return _number(_numbers(dataset)[name])
    if name in dataset.extras:
        return _raw(dataset.extras[name], name)
    if name in dataset.images.extras:
        return _of_image(dataset, name)
    raise UnknownNameError("column", name, dict.fromkeys(column_names(dataset)))

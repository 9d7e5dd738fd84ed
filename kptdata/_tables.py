"""The tables beside the instances of a dataset: its images and, for 3D data, its cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import RawColumn, as_column, missing
from kptdata.errors import DatasetError

__all__ = ["CameraTable", "ImageTable"]

_KINDS = {
    "id": "id", "file_name": "text", "width": "int", "height": "int",
    "sequence": "text", "frame": "int", "camera": "int",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ImageTable:
    """M images, one row each.

    Attributes:
        id: (M,) int64 or text, as the source numbers them.
        file_name: (M,) text, relative to the images folder.
        width: (M,) pixels, 0 where unknown.
        height: (M,) pixels, 0 where unknown.
        sequence: (M,) name of the video, "" where none; or None.
        frame: (M,) position in the video, `MISSING_INT` where none; or None.
        camera: (M,) row of the dataset's cameras, -1 where none; or None.
        extras: other keys of the source -> one JSON text per image.

    Raises:
        DatasetError: a column has another length or element type.
    """

    id: NDArray[Any]
    file_name: NDArray[Any]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    sequence: NDArray[Any] | None = None
    frame: NDArray[np.int64] | None = None
    camera: NDArray[np.int64] | None = None
    extras: Mapping[str, RawColumn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.id)
        for name, kind in _KINDS.items():
            values = getattr(self, name)
            if values is not None:
                column = as_column(f"images.{name}", values, kind, (count,))
                object.__setattr__(self, name, column)
        for key, raw in self.extras.items():
            if len(raw) != count:
                raise DatasetError(f"images.extras[{key!r}]: expected {count} rows, got {len(raw)}")
        object.__setattr__(self, "extras", MappingProxyType(dict(self.extras)))

    @classmethod
    def of(
        cls,
        file_name: Any,
        *,
        id: Any = None,  # noqa: A002 - the column's name
        width: Any = None,
        height: Any = None,
        **columns: Any,
    ) -> ImageTable:
        """Make a table from file names; ids count from 1 and sizes are unknown unless given."""
        names = list(file_name)
        count = len(names)
        return cls(
            id=np.arange(1, count + 1) if id is None else id,
            file_name=names,  # type: ignore[arg-type]
            width=np.zeros(count, np.int64) if width is None else width,
            height=np.zeros(count, np.int64) if height is None else height,
            **columns,
        )

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, rows: Any) -> ImageTable:
        """Return the table of these rows: a mask, row numbers or a slice."""
        picked: dict[str, Any] = {
            f.name: None if (value := getattr(self, f.name)) is None else value[rows]
            for f in fields(self)
            if f.name != "extras"
        }
        return ImageTable(**picked, extras={key: raw[rows] for key, raw in self.extras.items()})

    @property
    def wh(self) -> NDArray[np.int64]:
        """(M, 2) width and height, 0 where unknown."""
        return np.stack([self.width, self.height], axis=-1)

    def column(self, name: str) -> NDArray[Any]:
        """Return an optional column, all missing where it is None."""
        values = getattr(self, name)
        if values is None and name == "camera":
            return np.full(len(self), -1, dtype=np.int64)
        found: NDArray[Any] = missing(_KINDS[name], (len(self),)) if values is None else values
        return found


@dataclass(frozen=True, eq=False)
class CameraTable:
    """C cameras: ``pixel ~ K (R X + T)``.

    Attributes:
        name: (C,) text.
        intrinsics: (C, 3, 3) K, pixels.
        rotation: (C, 3, 3) R, world to camera.
        translation: (C, 3) T, in the unit of the dataset's `Space`.
        distortion: (C, D) coefficients in OpenCV's order, zeros where none.
    """

    name: NDArray[Any]
    intrinsics: NDArray[np.float64]
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    distortion: NDArray[np.float64]

    def __post_init__(self) -> None:
        count = len(self.name)
        shapes = {"intrinsics": (3, 3), "rotation": (3, 3), "translation": (3,)}
        object.__setattr__(self, "name", as_column("cameras.name", self.name, "text", (count,)))
        for key, shape in shapes.items():
            column = as_column(f"cameras.{key}", getattr(self, key), "float", (count, *shape))
            object.__setattr__(self, key, column)
        width = np.shape(self.distortion)[-1] if np.ndim(self.distortion) == 2 else 0
        column = as_column("cameras.distortion", self.distortion, "float", (count, width))
        object.__setattr__(self, "distortion", column)

    def __len__(self) -> int:
        return len(self.name)

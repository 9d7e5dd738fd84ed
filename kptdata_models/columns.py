"""What samples need of a dataset, in one file that every loading process maps into memory.

A forked process shares the arrays as they are. For one that starts anew (spawn, forkserver) the
arrays are written to a file once, and the process is told the path: nothing as long as the dataset
is ever pickled.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.schema import Schema

__all__ = ["SampleColumns"]

_ALIGNMENT = 64
_NAMES = ("image", "xy", "labelled", "bbox", "area", "names", "name_ends")


class SampleColumns:
    """Columns of N instances and the names of M images; arrays are read-only.

    Attributes:
        schema: of the keypoints.
        image: (N,) row of the image.
        xy: (N, K, 2) pixels.
        labelled: (N, K).
        bbox: (N, 4) xywh.
        area: (N,) NaN where not stated.
        names: (bytes,) the file names in UTF-8, one behind the other.
        name_ends: (M,) where each ends.
    """

    image: NDArray[np.intp]
    xy: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    bbox: NDArray[np.float64]
    area: NDArray[np.float64]
    names: NDArray[np.uint8]
    name_ends: NDArray[np.int64]

    def __init__(self, dataset: PoseDataset) -> None:
        names = [str(name).encode() for name in dataset.images.file_name]
        self.schema: Schema = dataset.schema
        self.image = dataset.image
        self.xy = dataset.xy
        self.labelled = dataset.labelled
        self.bbox = dataset.column("bbox")
        self.area = dataset.column("area")
        self.names = np.frombuffer(b"".join(names), np.uint8)
        self.name_ends = np.cumsum([len(name) for name in names], dtype=np.int64)
        self._file: tuple[str, dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.image)

    def file_name(self, row: int) -> str:
        """Return the file name of an instance's image."""
        place = int(self.image[row])
        start = int(self.name_ends[place - 1]) if place else 0
        return self.names[start : self.name_ends[place]].tobytes().decode()

    def __getstate__(self) -> dict[str, Any]:
        if self._file is None:
            self._file = self._written()
        return {"schema": self.schema, "file": self._file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.schema = state["schema"]
        self._file = state["file"]
        path, places = state["file"]
        mapped = np.memmap(path, np.uint8, mode="r") if Path(path).stat().st_size else None
        for name, (dtype, shape, start) in places.items():
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            part = b"" if mapped is None else mapped[start : start + size]
            setattr(self, name, np.frombuffer(part, dtype).reshape(shape))

    def _written(self) -> tuple[str, dict[str, Any]]:
        """Write the arrays to a file that goes when this object does."""
        number, path = tempfile.mkstemp(prefix="kptdata-", suffix=".columns")
        places: dict[str, Any] = {}
        with os.fdopen(number, "wb") as file:
            for name in _NAMES:
                array = np.ascontiguousarray(getattr(self, name))
                file.write(bytes(-file.tell() % _ALIGNMENT))
                places[name] = (array.dtype.str, array.shape, file.tell())
                file.write(array.data)
        weakref.finalize(self, Path(path).unlink, missing_ok=True)
        return path, places

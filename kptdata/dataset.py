"""One typed table for every keypoint dataset: ground truth and predictions alike.

Axes: N instances, M images, K keypoints of the schema. Coordinates are pixels in the frame of
docs/coordinates.md, float64 and never rounded; boxes are xywh, as given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kptdata import _compare
from kptdata._columns import COLUMNS, MISSING_INT, RawColumn, as_column, missing
from kptdata._tables import CameraTable, ImageTable
from kptdata.errors import DatasetError, UnknownNameError
from kptdata.schema import Schema
from kptdata.visibility import Visibility, is_labelled

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING_INT", "CameraTable", "ImageTable", "PoseDataset", "RawColumn", "Space"]


@dataclass(frozen=True)
class Space:
    """What the numbers of `PoseDataset.xyz` mean.

    Attributes:
        unit: ``mm``, ``m`` or ``unknown``.
        frame: ``camera``, ``world`` or ``root`` (relative to the root keypoint).
        axes: directions of x, y, z, such as ``right down forward``.
        root: name of the root keypoint, or None.
    """

    unit: str = "unknown"
    frame: str = "camera"
    axes: str = "right down forward"
    root: str | None = None


@dataclass(frozen=True, eq=False)
class PoseDataset:
    """Instances with keypoints, checked once at construction; arrays are read-only.

    Attributes:
        schema: names, order, pairs and sigmas of the K keypoints; K = 0 holds boxes only.
        images: the M images.
        image: (N,) row of `images`; -1 where the source names an image that it does not list.
        xy: (N, K, 2) pixels, NaN where not labelled.
        visibility: (N, K) uint8, see `Visibility`.
        given_xy: (N, K, 2) coordinates that the source states for unlabelled or absent points.
        xyz: (N, K, 3) in `space`.
        keypoint_score: (N, K).
        bbox: (N, 4) xywh as given, a NaN row where none.
        bbox_source: (N,) text: ``annotated``, ``from_keypoints(...)``, ``detected``.
        area: (N,) square pixels, NaN where none.
        area_source: (N,) text.
        iscrowd: (N,) 0, 1, or -1 where not stated.
        score: (N,) of the instance.
        track: (N,) int64 or text.
        id: (N,) int64 or text.
        category: (N,) class id, a key of `categories`.
        answers: (N,) id of the ground truth that a prediction is for.
        boxes: name -> (N, 4) xywh: ``head``, ``face``, ``left_hand``.
        points: name -> (N, P, 2) pixels: ``objpos``.
        numbers: name -> (N, ...) numeric columns, such as ``scale``.
        extras: other keys of the source -> one JSON text per instance.
        order: (N,) position in the source; it writes several datasets back interleaved.
        categories: class id -> name.
        meta: file-level JSON texts (info, licenses, categories as text).
        cameras: for 3D data.
        space: what `xyz` means.
        provenance: where the data came from and what was done to it, oldest first.

    Raises:
        DatasetError: a column's length, shape or element type is wrong, a labelled point has no
            finite coordinates, or an unlabelled one has some.
    """

    schema: Schema
    images: ImageTable
    image: NDArray[np.intp]
    xy: NDArray[np.float64]
    visibility: NDArray[np.uint8]
    given_xy: NDArray[np.float64] | None = None
    xyz: NDArray[np.float64] | None = None
    keypoint_score: NDArray[np.float64] | None = None
    bbox: NDArray[np.float64] | None = None
    bbox_source: NDArray[Any] | None = None
    area: NDArray[np.float64] | None = None
    area_source: NDArray[Any] | None = None
    iscrowd: NDArray[np.int8] | None = None
    score: NDArray[np.float64] | None = None
    track: NDArray[Any] | None = None
    id: NDArray[Any] | None = None
    category: NDArray[np.int64] | None = None
    answers: NDArray[Any] | None = None
    boxes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    points: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    numbers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    extras: Mapping[str, RawColumn] = field(default_factory=dict)
    order: NDArray[np.int64] = None  # type: ignore[assignment]  # by default 0, 1, 2, ...
    categories: Mapping[int, str] = field(default_factory=dict)
    meta: Mapping[str, bytes] = field(default_factory=dict)
    cameras: CameraTable | None = None
    space: Space | None = None
    provenance: tuple[str, ...] = ()

    # Construction

    def __post_init__(self) -> None:
        count, keypoints = len(self.image), self.schema.num_keypoints
        self._set("image", as_column("image", self.image, "int", (count,)).astype(np.intp))
        self._set("xy", as_column("xy", self.xy, "float", (count, keypoints, 2)))
        self._set("visibility", self._checked_visibility((count, keypoints)))
        order = np.arange(count) if self.order is None else self.order
        self._set("order", as_column("order", order, "int", (count,)))
        for name, column in COLUMNS.items():
            values = getattr(self, name)
            if values is not None:
                shape = (count, *(keypoints if a == "K" else int(a) for a in column.axes))
                self._set(name, as_column(name, values, column.kind, shape))
        self._set("boxes", self._checked_boxes())
        self._set("points", self._checked_points())
        self._set("numbers", self._checked_numbers())
        self._set("extras", self._checked_extras())
        for name in ("categories", "meta"):
            self._set(name, MappingProxyType(dict(getattr(self, name))))
        self._check_image_rows()
        self._check_coordinates()

    def _set(self, name: str, value: object) -> None:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(self, name, value)

    def _checked_visibility(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        states = np.asarray(self.visibility)
        if states.shape != shape:
            raise DatasetError(f"visibility: expected shape {shape}, got {states.shape}")
        if states.dtype.kind not in "iu" and states.size:
            raise DatasetError(
                f"visibility: expected states 0 to 4 as integers, got {states.dtype}"
            )
        if states.size and (states.min() < 0 or states.max() > max(Visibility)):
            raise DatasetError(
                f"visibility: expected states 0 to 4, got {states.min()} to {states.max()}"
            )
        return states.astype(np.uint8, copy=False).view()

    def _checked_boxes(self) -> Mapping[str, NDArray[np.float64]]:
        shape = (len(self), 4)
        boxes = {n: as_column(f"boxes[{n!r}]", v, "float", shape) for n, v in self.boxes.items()}
        return MappingProxyType(boxes)

    def _checked_points(self) -> Mapping[str, NDArray[np.float64]]:
        columns = {}
        for name, values in self.points.items():
            count = np.shape(values)[1] if np.ndim(values) == 3 else 1
            label = f"points[{name!r}]"
            columns[name] = as_column(label, values, "float", (len(self), count, 2))
        return MappingProxyType(columns)

    def _checked_numbers(self) -> Mapping[str, NDArray[Any]]:
        columns = {}
        for name, values in self.numbers.items():
            array = np.asarray(values)
            if array.dtype.kind not in "biuf" or array.shape[:1] != (len(self),):
                raise DatasetError(
                    f"numbers[{name!r}]: expected ({len(self)}, ...) numbers, "
                    f"got {array.shape} {array.dtype}"
                )
            columns[name] = array.view()
            columns[name].flags.writeable = False
        return MappingProxyType(columns)

    def _checked_extras(self) -> Mapping[str, RawColumn]:
        for key, raw in self.extras.items():
            if len(raw) != len(self):
                raise DatasetError(f"extras[{key!r}]: expected {len(self)} rows, got {len(raw)}")
        return MappingProxyType(dict(self.extras))

    def _check_image_rows(self) -> None:
        if len(self) and not -1 <= self.image.min() <= self.image.max() < len(self.images):
            raise DatasetError(
                f"image: expected rows -1 to {len(self.images) - 1}, "
                f"got {self.image.min()} to {self.image.max()}"
            )

    def _check_coordinates(self) -> None:
        # One axis at a time: reducing over a last axis of two takes several times longer.
        x, y = self.xy[..., 0], self.xy[..., 1]
        finite, empty = np.isfinite(x) & np.isfinite(y), np.isnan(x) & np.isnan(y)
        bad = np.where(self.labelled, ~finite, ~empty)
        if bad.any():
            row, point = np.argwhere(bad)[0]
            state = Visibility(self.visibility[row, point]).name.lower()
            raise DatasetError(
                f"xy: keypoint {self.schema.names[point]!r} of instance {self.ids[row]} is {state} "
                f"and has the coordinates {self.xy[row, point].tolist()}; labelled points are "
                f"finite, others NaN (what a file states under those belongs in given_xy)"
            )

    # Views

    def __len__(self) -> int:
        return len(self.image)

    def __iter__(self) -> Iterator[PoseDataset]:
        raise TypeError(
            "a PoseDataset is a table: use its columns, or ds[row:row + 1] for one instance"
        )

    def __repr__(self) -> str:
        return (
            f"PoseDataset({len(self)} instances, {len(self.images)} images, "
            f"schema {self.schema.name!r} with {self.schema.num_keypoints} keypoints)"
        )

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N, K) True where a point has coordinates."""
        return is_labelled(self.visibility)

    @property
    def num_labelled(self) -> NDArray[np.int64]:
        """(N,) labelled points per instance."""
        return self.labelled.sum(axis=1)

    @property
    def ids(self) -> NDArray[Any]:
        """(N,) `id`, or `order` where the source has no ids; names instances in ledgers."""
        return self.order if self.id is None else self.id

    @property
    def bbox_xyxy(self) -> NDArray[np.float64]:
        """(N, 4) box edges, NaN where none."""
        box = self.column("bbox")
        return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)

    def column(self, name: str) -> NDArray[Any]:
        """Return an optional column, all missing where it is None."""
        values: NDArray[Any] | None = getattr(self, name)
        if values is not None:
            return values
        column = COLUMNS[name]
        axes = (self.schema.num_keypoints if a == "K" else int(a) for a in column.axes)
        return missing(column.kind, (len(self), *axes))

    # Rows

    def __getitem__(self, rows: Any) -> PoseDataset:
        """Return these instances (mask, row numbers or slice), over the same images."""
        index = np.arange(len(self))[rows]
        if np.ndim(index) == 0:
            raise TypeError(f"ds[{rows}]: one row is no table; use ds[{rows}:{rows} + 1]")
        return self.replace(**self._rows(index))

    def _rows(self, index: NDArray[np.intp]) -> dict[str, Any]:
        picked: dict[str, Any] = {}
        for name in ("image", "xy", "visibility", "order", *COLUMNS):
            values = getattr(self, name)
            picked[name] = None if values is None else values[index]
        for group in ("boxes", "points", "numbers", "extras"):
            picked[group] = {name: values[index] for name, values in getattr(self, group).items()}
        return picked

    def replace(self, **columns: Any) -> PoseDataset:
        """Return a dataset with these fields replaced, checked again.

        Raises:
            UnknownNameError: no such field.
            DatasetError: the result is not a valid dataset.
        """
        known = {f.name for f in fields(self)}
        unknown = [name for name in columns if name not in known]
        if unknown:
            raise UnknownNameError("column", unknown[0], sorted(known))
        return replace(self, **columns)

    def noted(self, step: str) -> PoseDataset:
        """Return the same dataset with one more line of provenance."""
        return self.replace(provenance=(*self.provenance, step))

    def with_images(self, rows: Any) -> PoseDataset:
        """Return these images (mask, row numbers or slice) and their instances."""
        index = np.arange(len(self.images))[rows]
        place = np.full(len(self.images) + 1, -1, dtype=np.intp)
        place[index] = np.arange(len(index))
        mine = np.flatnonzero((self.image >= 0) & (place[self.image] >= 0))
        columns = self._rows(mine) | {
            "image": place[self.image[mine]],
            "images": self.images[index],
        }
        return self.replace(**columns)

    # Comparison

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PoseDataset):
            return NotImplemented
        return not self.differences(other)

    __hash__ = None  # type: ignore[assignment]

    def differences(
        self, other: PoseDataset, *, rtol: float = 0.0, atol: float = 0.0
    ) -> tuple[str, ...]:
        """Name what differs, one line per column; empty if nothing does.

        NaN equals NaN, a None column equals an all-missing one, extras and meta are compared as
        parsed JSON, provenance is ignored.
        """
        return _compare.differences(self, other, rtol=rtol, atol=atol)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per instance; a point fills ``<name>_x``, ``<name>_y``, ``<name>_v``."""
        import pandas as pd

        listed = self.image >= 0
        frame: dict[str, Any] = {"id": self.ids.tolist()}
        for name in ("id", "file_name"):
            values = np.asarray(getattr(self.images, name), dtype=object)
            column = np.full(len(self), None, dtype=object)
            column[listed] = values[self.image[listed]]
            frame["image_id" if name == "id" else name] = column
        for name, spec in COLUMNS.items():
            values = getattr(self, name)
            if values is None or name == "id" or "K" in spec.axes:
                continue
            if name == "bbox":
                frame |= {f"bbox_{axis}": values[:, i] for i, axis in enumerate("xywh")}
            else:
                frame[name] = values.tolist() if spec.kind in {"text", "id"} else values
        for k, keypoint in enumerate(self.schema.names):
            frame[f"{keypoint}_x"] = self.xy[:, k, 0]
            frame[f"{keypoint}_y"] = self.xy[:, k, 1]
            frame[f"{keypoint}_v"] = self.visibility[:, k]
            if self.keypoint_score is not None:
                frame[f"{keypoint}_score"] = self.keypoint_score[:, k]
        return pd.DataFrame(frame)

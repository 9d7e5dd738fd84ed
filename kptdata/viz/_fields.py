"""What codecs encode besides 2D points, read from a dataset's columns under the field's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kptdata.codecs import Camera, sample_fields
from kptdata.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset

__all__ = ["People", "decodes_depth", "depth", "fields_of"]

_MILLIMETRES = {"mm": 1.0, "m": 1000.0, "unknown": 1.0}


@dataclass(frozen=True, eq=False)
class People:
    """Instances of one image, and the codec that they are encoded by.

    Attributes:
        codec: the codec.
        dataset: holds the instances.
        rows: (N,) which ones, at least one.
        image_size: width and height of their image, pixels.
    """

    codec: Any
    dataset: PoseDataset
    rows: NDArray[np.intp]
    image_size: tuple[int, int]

    def lacks(self, what: str, column: str, fix: str) -> DatasetError:
        """Make the error of a dataset without a column that the codec needs."""
        return DatasetError(
            f"codec {type(self.codec).__name__} needs {what}: the dataset has no {column} "
            f"for instance {self.dataset.ids[self.rows[0]]}; {fix}"
        )


def fields_of(people: People) -> dict[str, Any]:
    """Read every field that the codec's `encode` requires, without batch axes.

    Fields that this module does not know, a plug-in's for example, are columns of
    `PoseDataset.numbers`.

    Raises:
        DatasetError: the dataset lacks a column.
    """
    names = sample_fields(people.codec).required
    return {name: _READERS.get(name, _number(name))(people) for name in names}


def decodes_depth(codec: Any) -> bool:
    """Tell whether a codec of crops wants depth as a third axis of its points."""
    return hasattr(codec, "crop") and len(codec.bound.error) == 3


def depth(people: People) -> NDArray[np.float64]:
    """Return (N, K) millimetres behind the keypoint at the top of each point's chain of parents.

    Raises:
        DatasetError: the dataset lacks `xyz`.
    """
    z = _xyz(people, "depth")[..., 2]
    schema, space = people.dataset.schema, people.dataset.space
    roots = [_root(schema, name) for name in schema.names]
    scale = 1.0 if space is None else _MILLIMETRES.get(space.unit, 1.0)
    return (z - z[:, roots]) * scale


def _root(schema: Any, name: str) -> int:
    while (parent := schema.keypoints[schema.index(name)].parent) is not None:
        name = parent
    index: int = schema.index(name)
    return index


# --------------------------------------------------------------------------------------- readers
def _bbox(people: People) -> NDArray[np.float64]:
    box = people.dataset.column("bbox")[people.rows]
    if not np.isfinite(box).all():
        raise people.lacks("bbox", "bbox", "kptdata.ops.with_boxes makes one")
    return box


def _area(people: People) -> NDArray[np.float64]:
    area = people.dataset.column("area")[people.rows]
    if not np.isfinite(area).all():
        raise people.lacks("area", "area", "add it: dataset.replace(area=...), square pixels")
    return area


def _xyz(people: People, what: str) -> NDArray[np.float64]:
    xyz = people.dataset.xyz
    if xyz is None or not np.isfinite(xyz[people.rows]).any():
        fix = "take a 3D dataset, or add the points: dataset.replace(xyz=...)"
        raise people.lacks(what, "xyz", fix)
    return xyz[people.rows]


def _lifting_target(people: People) -> NDArray[np.float64]:
    """Return 3D points, in camera space where the dataset tells how to get there."""
    xyz = _xyz(people, "lifting_target")
    space, cameras, row = people.dataset.space, people.dataset.cameras, _camera_row(people)
    if space is None or space.frame != "world" or cameras is None or row is None:
        return xyz
    moved: NDArray[np.float64] = xyz @ cameras.rotation[row].T + cameras.translation[row]
    return moved


def _lifting_target_visible(people: People) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(_xyz(people, "lifting_target")).all(axis=-1))


def _camera(people: People) -> Any:
    """Return the image's camera, unknown (NaN) for a codec that asks for the image's size alone."""
    size, row = _image_size(people), _camera_row(people)
    cameras = people.dataset.cameras
    if cameras is None or row is None:
        # `normalize_camera` is how a codec says whether it reads more than the size.
        if getattr(people.codec, "normalize_camera", True):
            fix = "add them: dataset.replace(cameras=...) and the images' column camera"
            raise people.lacks("camera", "cameras row", fix)
        return Camera(size, np.full(2, np.nan), np.full(2, np.nan))
    matrix = cameras.intrinsics[row]
    return Camera(size, matrix[[0, 1], [0, 1]], matrix[:2, 2])


def _camera_row(people: People) -> int | None:
    images = people.dataset.images
    image = people.dataset.image[people.rows[0]]
    row = int(images.column("camera")[image]) if image >= 0 else -1
    return row if row >= 0 else None


def _image_size(people: People) -> NDArray[np.float64]:
    return np.array(people.image_size, dtype=np.float64)


def _number(name: str, *, of_image: bool = False) -> Callable[[People], Any]:
    """Return the reader of a numeric column; `of_image`: one value for all people of a sample."""

    def read(people: People) -> NDArray[Any]:
        values = people.dataset.numbers.get(name)
        if values is None or not np.isfinite(values[people.rows]).all():
            column = f"numbers[{name!r}]"
            raise people.lacks(name, column, "add it: dataset.replace(numbers={...})")
        return np.asarray(values[people.rows[0]] if of_image else values[people.rows], np.float64)

    return read


_READERS: dict[str, Callable[[People], Any]] = {
    "area": _area,
    "bbox": _bbox,
    "camera": _camera,
    "image_size": _image_size,
    "lifting_target": _lifting_target,
    "lifting_target_visible": _lifting_target_visible,
    "rel_root_depth": _number("rel_root_depth", of_image=True),
    "rel_root_valid": _number("rel_root_valid", of_image=True),
}

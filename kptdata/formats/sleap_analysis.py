"""SLEAP's analysis files: for one video, a place for every track in every frame, as HDF5.

Coordinates are those of the project. docs/formats/sleap.md has the details.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import DatasetError
from kptdata.formats._collect import id_column, text_of
from kptdata.formats._cvat_tracks import MOST_FRAMES
from kptdata.formats._hdf5 import as_json
from kptdata.formats._named_points import Fit, fit_points, schema_read
from kptdata.formats._plan import TREE_LOSSES, accounts, classes_of, plan_of
from kptdata.formats._sleap_analysis import Analysis, analysis_bytes, read_analysis
from kptdata.formats._sleap_analysis_write import FILE, OTHERS, OWN, arranged
from kptdata.formats._sleap_file import names_at_root
from kptdata.formats._sleap_read import PROVENANCE
from kptdata.formats._sleap_skeleton import unique
from kptdata.formats._sleap_videos import frame_names, video_of
from kptdata.formats._sleap_write import joints_of
from kptdata.formats.base import Sniff, WriteReport, atomic_write, refuse_losses
from kptdata.schema import Schema
from kptdata.visibility import Visibility

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "SLEAP analysis file (.h5)"
SUFFIXES = (".analysis.h5",)
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "instances": "people whose image is not listed",
    "order": "place of an instance among the others: they are sorted by frame and track",
    "visibility": "states of points: those with coordinates are labelled, others are not",
    "xy": "coordinates that change in their last digits",
    "bbox": "boxes",
    "score": "scores that are not finite",
    "keypoint_score": "scores of keypoints that are not finite",
    "category": "categories other than the first",
    "track": "tracks that are twice in a frame",
    "numbers": "named numbers other than 'tracking_score'",
    "extras": "extras of instances",
    "image_extras": "extras of images",
    "image_id": "ids of images other than the number of their frame, from 1",
    "image_size": "sizes of images, where they are not all the same",
    "file_name": "file names of images: frames are numbered, and names have little room",
    "sequence": "names of videos, where there are several",
    "frame": "frames that are there twice or far too far apart, or of several videos",
    "id": "ids of instances other than their place in the file, from 1",
    "meta": "file-level texts other than provenance",
}
"""What the file cannot hold."""

_ROOT = ("tracks", "track_occupancy", "node_names")


def sniff(path: str | Path) -> Sniff:
    """Say whether a file looks like an analysis file, from the names of its datasets."""
    names, why = names_at_root(Path(path))
    if names.issuperset(_ROOT):
        return Sniff(0.95, ("an HDF5 file with tracks, track_occupancy and node_names",))
    return Sniff(0.0, (why if not names else "an HDF5 file without tracks and their occupancy",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,  # noqa: ARG001 - frames of a film are in no folder
) -> tuple[PoseDataset, ...]:
    """Read a file into one dataset, with an image for each frame of the video.

    Args:
        path: the file.
        schema: schema of the points, where another would do.
        images: not needed here.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file cannot be read.
        FormatError: it is not in the format; the dataset is named.
        SchemaError: `schema` has other points.
    """
    path = Path(path)
    analysis = read_analysis(path)
    fit = fit_points(analysis.bones.points(_title(analysis)), schema, path, "node_names")
    return (_dataset(analysis, fit).noted(f"read {path} as {OWN}"),)


def _title(analysis: Analysis) -> str:
    return analysis.bones.name or "skeleton"


def _dataset(analysis: Analysis, fit: Fit) -> PoseDataset:
    frame, track = np.nonzero(analysis.there)
    nodes = np.array(list(fit.rows.values()), np.intp)
    size = (len(frame), fit.schema.num_keypoints)
    xy, scores = np.full((*size, 2), np.nan), np.full(size, np.nan)
    xy[:, nodes] = analysis.xy[frame, track]
    scores[:, nodes] = analysis.point_scores[frame, track]
    labelled = ~np.isnan(xy).any(axis=-1)
    xy[~labelled] = np.nan
    images, image = _images(analysis, frame)
    columns: dict[str, Any] = {"id": np.arange(1, len(frame) + 1)}
    score = _finite(analysis.instance_scores[frame, track])
    if not np.isnan(score).all():
        columns["score"] = score
    if np.isfinite(scores).any():
        columns["keypoint_score"] = _finite(scores)
    tracking = _finite(analysis.tracking_scores[frame, track])
    if not np.isnan(tracking).all():
        columns["numbers"] = {"tracking_score": tracking}
    if analysis.bones.name is not None:
        columns |= {"category": np.ones(len(frame), np.int64), "categories": {1: _title(analysis)}}
    return PoseDataset(
        schema=fit.schema,
        images=images,
        image=image,
        xy=xy,
        visibility=np.where(labelled, Visibility.LABELLED, Visibility.UNLABELLED),
        meta=_meta(analysis, fit.schema),
        **columns,
        **_tracks(analysis, track),
    )


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def _tracks(analysis: Analysis, track: NDArray[np.intp]) -> dict[str, Any]:
    """Return the track of each instance: its name, or a number where several have none."""
    count = analysis.there.shape[1]
    names = analysis.track_names or ([str(n) for n in range(count)] if count > 1 else [])
    return {"track": id_column(unique(names))[track]} if names and len(track) else {}


def _images(analysis: Analysis, frame: NDArray[np.intp]) -> tuple[ImageTable, NDArray[np.intp]]:
    """Return the frames as images: all, unless they are far too many, and those of instances."""
    count = len(analysis.there)
    listed = np.arange(count) if count <= MOST_FRAMES else np.unique(frame)
    shape, sizes = analysis.backend.get("shape"), (0, 0)
    if isinstance(shape, list) and len(shape) == 4:
        width, height = (n if type(n) is int and abs(n) < 2**62 else 0 for n in shape[2:0:-1])
        sizes = (width, height)
    video = video_of(analysis.video, analysis.files, *sizes)
    numbers = listed.tolist()
    names = frame_names(video.stem, numbers)
    if video.files is not None:
        given = dict(enumerate(video.files))
        names = [given.get(n, name) for n, name in zip(numbers, names, strict=True)]
    table = ImageTable.of(
        names,
        width=np.full(len(listed), sizes[0], np.int64),
        height=np.full(len(listed), sizes[1], np.int64),
        sequence=[video.name] * len(listed) if video.name else None,
        frame=listed if video.name else None,
    )
    return table, np.searchsorted(listed, frame)


def _meta(analysis: Analysis, schema: Schema) -> dict[str, bytes]:
    note = {
        "frames": len(analysis.there),
        "tracks": analysis.track_names,
        "video": analysis.video,
        "backend": analysis.backend,
        "labels_path": analysis.labels_path,
        "video_ind": analysis.video_ind,
        "order": analysis.order,
    }
    bones = {"schema": schema.hash(), "skeletons": {_title(analysis): analysis.bones.to_value()}}
    meta = {FILE: text_of(note), f"skeletons:{OWN}": text_of(bones)}
    if analysis.provenance:
        meta[PROVENANCE] = text_of(analysis.provenance)
    others = {"arrays": analysis.others.arrays, "attributes": analysis.others.attributes}
    if any(others.values()):
        meta[OTHERS] = text_of({name: as_json(arrays) for name, arrays in others.items()})
    return meta


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write one dataset: the frames of one video, or images as if they were.

    Raises:
        MissingDependencyError: h5py is not installed.
        DatasetError: several datasets.
        FormatError: the arrays would be too large, a name that HDF5 cannot hold, or something would
            be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    if len(datasets) != 1:
        raise DatasetError(
            f"{path}: an analysis file holds one skeleton, {len(datasets)} datasets are given. "
            f"Fix: write a project (.slp), or one file each"
        )
    dataset = datasets[0]
    joint = joints_of(datasets, classes_of(datasets), path, OWN)[0]
    found = arranged(dataset, joint, path)
    reading = _dataset(found.analysis, joint.fit).with_images(found.frames)
    plan = replace(plan_of(datasets, [dataset.image >= 0]), rows=(found.rows,))
    schema = schema_read(joint.bones.points(_title(found.analysis)), path)
    lost, invented = accounts(plan, datasets, [reading], [schema], OWN)
    invented["frames between those of the images"] += found.invented
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, [analysis_bytes(found.analysis, path)])
    return WriteReport(path, OWN, len(found.rows), lost, invented, LOSSES)

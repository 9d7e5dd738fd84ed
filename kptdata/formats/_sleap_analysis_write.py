"""A dataset as the arrays of an analysis file: which frame, which track, which video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._collect import text_of
from kptdata.formats._cvat_tracks import MOST_FRAMES
from kptdata.formats._hdf5 import Contents, from_json
from kptdata.formats._sleap_analysis import Analysis
from kptdata.formats._sleap_read import PROVENANCE
from kptdata.formats._sleap_skeleton import unique
from kptdata.formats._sleap_videos import frame_names, stem_of
from kptdata.formats._sleap_write import Joint, kept_value

__all__ = ["FILE", "OTHERS", "OWN", "Arranged", "arranged"]

OWN = "sleap_analysis"
FILE = f"file:{OWN}"
"""Note: what a file says of itself and its video."""

OTHERS = "sleap_datasets"
"""File-level text: datasets that SLEAP does not write."""

_MOST_BYTES = 1 << 32
_MOST_LISTED = 60_000  # bytes of file names, that must be in an attribute


class Arranged(NamedTuple):
    """A file, and where the dataset is in it.

    Attributes:
        analysis: the file.
        rows: rows of the dataset, in the order in which they are read.
        frames: (M,) frame of each image.
        invented: frames that no image is.
    """

    analysis: Analysis
    rows: NDArray[np.intp]
    frames: NDArray[np.int64]
    invented: int


def arranged(dataset: PoseDataset, joint: Joint, path: Path) -> Arranged:
    """Lay out a dataset. Raises `FormatError`: the arrays would be too large."""
    note = kept_value([dataset], FILE, dict)
    images = dataset.images
    frames, sequence = _frames(images)
    count = int(frames.max()) + 1 if len(frames) else 0
    held = note.get("frames")
    if type(held) is int and count <= held <= MOST_FRAMES and sequence:
        count = held
    rows = np.flatnonzero(dataset.image >= 0)
    rows = rows[np.lexsort((rows, dataset.order[rows], frames[dataset.image[rows]]))]
    frame = frames[dataset.image[rows]]
    names, slot = _slots(dataset, rows, frame, note)
    rows, frame, slot = (column[np.lexsort((slot, frame))] for column in (rows, frame, slot))
    nodes = joint.bones.nodes
    shape = (count, max(len(names), 1), len(nodes))
    if int(np.prod(shape, dtype=object)) * 16 > _MOST_BYTES:
        raise FormatError(
            "the file would have a place for every track in every frame, which is too much",
            path=path,
            expected=f"at most {_MOST_BYTES >> 30} GB",
            found=f"{shape[0]} frames, {shape[1]} tracks, {shape[2]} points",
            fix="write a project (.slp), or parts of the video",
        )
    order = [joint.fit.rows[name] for name in nodes]
    analysis = Analysis(
        xy=np.full((*shape, 2), np.nan),
        there=np.zeros(shape[:2], bool),
        point_scores=np.full(shape, np.nan),
        instance_scores=np.full(shape[:2], np.nan),
        tracking_scores=np.full(shape[:2], np.nan),
        track_names=names,
        bones=joint.bones,
    )
    analysis.xy[frame, slot] = dataset.xy[rows][:, order]
    analysis.there[frame, slot] = True
    analysis.point_scores[frame, slot] = dataset.column("keypoint_score")[rows][:, order]
    analysis.instance_scores[frame, slot] = dataset.column("score")[rows]
    tracking = dataset.numbers.get("tracking_score")
    if tracking is not None and tracking.ndim == 1:
        analysis.tracking_scores[frame, slot] = tracking[rows]
    _describe(analysis, dataset, note, frames, sequence)
    return Arranged(analysis, rows, frames, count - len(images))


def _frames(images: ImageTable) -> tuple[NDArray[np.int64], str]:
    """Return the frame of each image, and the name of their video if they have one."""
    names = dict.fromkeys(images.column("sequence").tolist())
    sequence = next(iter(names)) if len(names) == 1 else ""
    frames = images.column("frame").astype(np.int64)
    usable = len(np.unique(frames)) == len(frames) and bool((frames >= 0).all())
    if sequence and usable and len(frames) and frames.max() < MOST_FRAMES:
        return frames, sequence
    return np.arange(len(images)), sequence


def _slots(
    dataset: PoseDataset, rows: NDArray[np.intp], frame: NDArray[np.int64], note: dict[str, Any]
) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of tracks, and the place among them of each instance.

    Who has no track, or has one that is in the frame already, gets one of the further tracks.
    """
    column = dataset.column("track")[rows]
    texts = np.where(is_missing(column), "", column.astype("T").astype(object)).tolist()
    held = note.get("tracks")
    names = dict.fromkeys(held) if isinstance(held, list) and _are_names(held) else {}
    names |= dict.fromkeys(text for text in texts if text)
    place = {name: number for number, name in enumerate(names)}
    slot = np.zeros(len(rows), np.intp)
    taken: set[tuple[int, int]] = set()
    further: dict[int, int] = {}
    for n, (text, at) in enumerate(zip(texts, frame.tolist(), strict=True)):
        own = place.get(text, -1)
        if own < 0 or (at, own) in taken:
            own = len(names) + further.setdefault(at, 0)
            further[at] += 1
        taken.add((at, own))
        slot[n] = own
    count = max(further.values(), default=0)
    if not names and count <= 1:
        return [], slot
    return unique([*names, *(f"track_{n}" for n in range(count))]), slot


def _are_names(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and value for value in values)


def _describe(
    analysis: Analysis,
    dataset: PoseDataset,
    note: dict[str, Any],
    frames: NDArray[np.int64],
    sequence: str,
) -> None:
    """Say what is known of the video and the file."""
    images, count = dataset.images, len(analysis.xy)
    analysis.video = sequence
    backend = note.get("backend")
    kept = note.get("video") == sequence and isinstance(backend, dict)
    analysis.backend = dict(backend) if kept and isinstance(backend, dict) else {}
    sizes = np.unique(images.wh, axis=0)
    analysis.backend.pop("filenames", None)
    if len(sizes) == 1 and (sizes != 0).any():
        width, height = sizes[0].tolist()
        shape = analysis.backend.get("shape")
        if not isinstance(shape, list) or shape[1:3] != [height, width]:
            analysis.backend["shape"] = [count, height, width, 3]
    else:
        analysis.backend.pop("shape", None)
    stem = stem_of(sequence) or "video"
    files = frame_names(stem, range(count))
    if any(files[f] != name for f, name in zip(frames.tolist(), images.file_name, strict=True)):
        for at, name in zip(frames.tolist(), images.file_name.tolist(), strict=True):
            files[at] = name
        if len(text_of(files)) + len(text_of(analysis.backend)) < _MOST_LISTED:
            analysis.backend["filenames"] = files
            analysis.files = files
    analysis.provenance = kept_value([dataset], PROVENANCE, dict)
    for name in ("labels_path", "video_ind", "order"):
        if type(note.get(name)) is type(getattr(analysis, name)):
            setattr(analysis, name, note[name])
    if analysis.order not in ("matlab", "standard"):
        analysis.order = "matlab"
    analysis.others = _others(dataset)


def _others(dataset: PoseDataset) -> Contents:
    held = kept_value([dataset], OTHERS, dict)
    try:
        return Contents(from_json(held.get("arrays", {})), from_json(held.get("attributes", {})))
    except (KeyError, TypeError, ValueError, AttributeError):
        return Contents({}, {})

"""SLEAP projects: ``.slp`` files, and packages of them with pictures, which are left out.

From layout 1.1 on coordinates are those of the project, the centre of the first pixel is (0, 0);
those of older files are moved by half a pixel. docs/formats/sleap.md has the details.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kptdata.dataset import PoseDataset
from kptdata.formats._named_points import schema_read
from kptdata.formats._plan import TREE_LOSSES, Classes, Plan, accounts, classes_of, plan_of
from kptdata.formats._sleap_file import Parts, names_at_root, read_parts, slp_bytes
from kptdata.formats._sleap_read import OWN, datasets_of
from kptdata.formats._sleap_write import Joint, joints_of, parts_of
from kptdata.formats.base import Sniff, WriteReport, atomic_write, refuse_losses
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "SLEAP project (.slp)"
SUFFIXES = (".slp",)
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "instances": "people whose image is not listed",
    "visibility": "points stated not to be in the image, that points of predictions are seen, and "
    "that nobody spoke of it for others",
    "xy": "coordinates that change in their last digits",
    "bbox": "boxes",
    "score": "digits of scores after the seventh",
    "keypoint_score": "scores of keypoints that are not finite",
    "answers": "answers to instances that are no ground truth, or that have another answer",
    "numbers": "named numbers other than 'tracking_score', and its digits after the seventh",
    "track": "names of tracks that differ only in their kind",
    "extras": "extras other than 'complete' and 'from_predicted'",
    "image_extras": "extras of images other than 'negative'",
    "image_id": "ids of images other than their place among the labelled frames, from 1",
    "id": "ids of instances other than their place in the file, from 1",
    "file_name": "file names of frames of a film",
    "sequence": "names of videos that are there twice",
    "frame": "frames before the first",
    "meta": "file-level texts other than those of SLEAP",
}
"""What the file cannot hold."""

_ROOT = ("metadata", "frames", "instances")


def sniff(path: str | Path) -> Sniff:
    """Say whether a file looks like a project, from the names at its root."""
    names, why = names_at_root(Path(path))
    if names.issuperset(_ROOT):
        return Sniff(0.95, ("an HDF5 file with metadata, frames and instances",))
    return Sniff(0.0, (why if not names else "an HDF5 file without frames and instances",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,  # noqa: ARG001 - a project states sizes itself, if anybody does
) -> tuple[PoseDataset, ...]:
    """Read a project into one dataset per skeleton; skeletons with the same points share one.

    Args:
        path: the ``.slp`` or ``.pkg.slp`` file. Pictures inside are not read, and counted.
        schema: schema of the points, where others would do.
        images: not needed here.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file cannot be read.
        FormatError: it is not in the format; table and row are named.
        SchemaError: `schema` fits no skeleton.
    """
    path = Path(path)
    return datasets_of(read_parts(path), path, schema, (f"read {path} as {OWN}",))


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write datasets into one project, with a skeleton for each class.

    Instances with a score are predictions, others are the user's. Images of a sequence that are
    named like frames of a film become a film, others a list of pictures.

    Raises:
        MissingDependencyError: h5py is not installed.
        DatasetError: a class name with two skeletons.
        FormatError: skeletons too large, or something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    plan = plan_of(datasets, [np.ones(len(dataset), bool) for dataset in datasets])
    classes = classes_of(datasets)
    joints = joints_of(datasets, classes, path)
    parts = parts_of(plan, datasets, classes, joints, path)
    readings = _readings(plan, datasets, classes, joints, parts, path)
    schemas = [
        schema_read(joints[min(classes.of(n), default=1) - 1].bones.points(title), path)
        for n, title in enumerate(_titles(datasets, classes))
    ]
    lost, invented = accounts(plan, datasets, readings, schemas, OWN)
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, [slp_bytes(parts, path)])
    return WriteReport(path, OWN, len(plan.owned), lost, invented, LOSSES)


def _titles(datasets: Sequence[PoseDataset], classes: Classes) -> list[str]:
    return [next(iter(classes.of(n).values()), d.schema.name) for n, d in enumerate(datasets)]


def _readings(
    plan: Plan,
    datasets: Sequence[PoseDataset],
    classes: Classes,
    joints: Sequence[Joint],
    parts: Parts,
    path: Path,
) -> list[PoseDataset]:
    """Return what each dataset is read as, by the reader itself."""
    hashes = [dataset.schema.hash() for dataset in datasets]
    kinds = {key: number for number, key in enumerate(dict.fromkeys(hashes))}
    owned = [
        (kinds[hashes[owner]], joint.fit)
        for owner, joint in zip(classes.owner, joints, strict=True)
    ]
    idle = len(parts.metadata["skeletons"]) - len(owned)
    owned += [(-1, joints[0].fit)] * idle
    keys = dict.fromkeys(number for number, _ in owned if number >= 0)
    found = dict(zip(keys, datasets_of(parts, path, None, (), owned), strict=True))
    readings = []
    for number, key in enumerate(hashes):
        reading = found[kinds[key]]
        mine = plan.owners[reading.order] == number
        reading = reading if mine.all() else reading[mine]
        own = np.unique(plan.places[number])
        readings.append(reading if len(own) == len(plan.images) else reading.with_images(own))
    return readings

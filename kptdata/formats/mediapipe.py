"""MediaPipe landmarks as JSON: frames with poses, hands and faces, in the shapes people dump them.

Landmarks are fractions of the picture; pixels are fractions times its size, nothing is shifted.
There is no standard file: docs/formats/mediapipe.md says which shapes are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kptdata._columns import MISSING_INT
from kptdata.dataset import ImageTable, PoseDataset, RawColumn
from kptdata.errors import FormatError, OptionError
from kptdata.formats._collect import text_of
from kptdata.formats._images import upright_size
from kptdata.formats._inverse import product
from kptdata.formats._json import decode, require_utf8
from kptdata.formats._long_numbers import decode_keeping_digits
from kptdata.formats._mediapipe_frames import Dump, Frame, dump_of
from kptdata.formats._mediapipe_read import (
    OWN,
    Group,
    columns_of,
    groups_of,
    looks_like_pixels,
)
from kptdata.formats._mediapipe_write import (
    CONTAINER,
    file_of,
    images_read,
    kind_of,
    meta_read,
    schemas_read,
    sheets_of,
)
from kptdata.formats._plan import TREE_LOSSES, accounts, plan_of
from kptdata.formats._tree import safe_name
from kptdata.formats.base import (
    Sniff,
    WriteReport,
    atomic_write,
    read_bytes,
    read_head,
    refuse_losses,
)
from kptdata.paths import is_file
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "MediaPipe landmarks JSON"
SUFFIXES = ()  # .json is COCO ground truth; this must be asked for
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **TREE_LOSSES,
    "schema": "facts of the schema beside the order of its points",
    "instances": "people whose image is not listed",
    "visibility": "whether points are occluded, visible or stated to be absent",
    "given_xy": "coordinates stated for points that are not labelled",
    "xyz": "3D points other than world landmarks: metres, of bodies and hands",
    "space": "what 3D points other than world landmarks mean",
    "keypoint_score": "scores of points that are not labelled, or not finite",
    "bbox": "boxes",
    "score": "scores of people",
    "track": "tracks",
    "category": "categories",
    "categories": "names of categories",
    "numbers": "numbers other than depth and presence of points",
    "extras": "extras of people other than 'handedness', 'hand' and 'mediapipe'",
    "images": "images",
    "image_extras": "extras of images other than 'mediapipe'",
    "image_id": "ids of images other than their place in the file, from 1",
    "image_size": "sizes of images of which only one side is known",
    "frame": "numbers of frames below 0",
    "file_name": "file names that are not written in the shortest way",
    "meta": "file-level texts with a key of the format's own",
}
"""What the file cannot hold."""

_KEYS = re.compile(
    rb'"(?:(?:pose|hand|face|left_?hand|right_?hand|multi_?hand|multi_?face)'
    rb'_?(?:world_?)?landmarks|multi_?handedness)"\s*:\s*[\[{n]',
    re.IGNORECASE,
)
_BARE = re.compile(rb'"(?:world_?)?landmarks"\s*:\s*[\[{]', re.IGNORECASE)
_POINT = re.compile(
    rb'\{\s*"x"\s*:\s*[-0-9.eE+]+\s*,\s*"y"\s*:\s*[-0-9.eE+]+\s*,\s*"z"\s*:\s*[-0-9.eE+]+'
)
_DIGITS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))
_MANY = b"0" * 24
_EMPTY = re.compile(rb'\{\s*"frames"\s*:\s*\[\s*\]')


def sniff(path: str | Path) -> Sniff:
    """Say whether a file holds MediaPipe landmarks, from its first bytes."""
    path = Path(path)
    head = read_head(path).lstrip() if is_file(path) else b""
    if head[:1] in (b"{", b"["):
        if _KEYS.search(head):
            return Sniff(0.95, ("frames with lists of landmarks",))
        if _BARE.search(head) and _POINT.search(head):
            return Sniff(0.8, ("landmarks with x, y and z",))
        if head[:1] == b"[" and _POINT.match(head.lstrip(b"[ \t\r\n")):
            return Sniff(0.6, ("a list of points with x, y and z",))
        if _EMPTY.match(head):
            return Sniff(0.6, ("an object with no frames",))
    return Sniff(0.0, ("no JSON with lists of landmarks",))


def read_all(
    path: str | Path,
    *,
    schema: Schema | None = None,
    images: Path | None = None,
    size: tuple[int, int] | None = None,
    pixels: bool | None = None,
) -> tuple[PoseDataset, ...]:
    """Read a file into one dataset each for poses, hands and faces.

    Args:
        path: the file.
        schema: of what is wanted: ``mediapipe_pose``, ``mediapipe_hand``; other landmarks are kept
            as extras of the images. By default everything.
        images: folder of the images, for the sizes that landmarks are fractions of.
        size: width and height of all images that do not state theirs.
        pixels: whether the coordinates are pixels; by default they are fractions.

    Raises:
        FileError: the file cannot be read.
        FormatError: it is not in the format, the size of an image with landmarks is not known, or
            coordinates look like pixels and `pixels` does not say so.
        SchemaError: `schema` is none of MediaPipe's, or the file holds something else.
        OptionError: `size` is no size.
    """
    path = Path(path)
    if size is not None and not _is_size(size):
        raise OptionError(f"size: expected width and height, got {size!r}")
    if not isinstance(pixels, bool | None):
        raise OptionError(f"pixels: expected true or false, got {pixels!r}")
    data = read_bytes(path)
    require_utf8(data, path)
    dump = dump_of(_decoded(data, path), path)
    groups, everyone = groups_of(dump.frames, schema, path)
    if pixels is None and dump.normalized is not None:
        pixels = not dump.normalized
    table = _images(dump, path, images, size)
    owners = np.array([met.frame for met in everyone], np.intp)
    _require_sizes(table, owners, dump.frames, path, pixels=bool(pixels))
    meta = {key: text_of(value) for key, value in dump.others.items()}
    if dump.container == "list":
        meta[CONTAINER] = b'"list"'
    return tuple(_dataset(group, table, meta, path, pixels=pixels) for group in groups)


def _is_size(size: Any) -> bool:
    pair = isinstance(size, list | tuple) and len(size) == 2
    return pair and all(type(side) is int and 0 < side < 2**31 for side in size)


def _decoded(data: bytes, path: Path) -> Any:
    """Decode JSON; numbers of many digits, which few files have, take longer."""
    if _MANY in data.translate(_DIGITS):
        return decode_keeping_digits(data, path)
    try:
        return decode(data, Any, path)
    except msgspec.ValidationError as error:
        raise FormatError(str(error), path=path) from None


def _images(
    dump: Dump, path: Path, folder: Path | None, size: tuple[int, int] | None
) -> ImageTable:
    stem = path.name.removesuffix(".gz").removesuffix(".json") or path.name
    names, sizes, videos, numbers = [], [], [], []
    for place, frame in enumerate(dump.frames):
        number, video = frame.number, frame.video
        name = _name(frame, path, inside=folder is None)
        if not name and dump.container == "one":
            name = stem
        elif not name:
            number = place if number < 0 else number
            video = video or stem
            name = f"{stem}_{number:06d}"
        names.append(name)
        videos.append(video)
        numbers.append(MISSING_INT if number < 0 else number)
        stated = frame.size if frame.size != (0, 0) else dump.size
        if stated == (0, 0) and folder is not None and is_file(folder / name):
            stated = upright_size(folder / name)
        sizes.append(size if stated == (0, 0) and size is not None else stated)
    others = [text_of(frame.others) if frame.others else None for frame in dump.frames]
    wh = np.array(sizes, np.int64).reshape(-1, 2)
    return ImageTable.of(
        names,
        width=wh[:, 0],
        height=wh[:, 1],
        sequence=videos if any(videos) else None,
        frame=numbers if any(n != MISSING_INT for n in numbers) else None,
        extras={OWN: RawColumn(others)} if any(others) else {},
    )


def _name(frame: Frame, path: Path, *, inside: bool) -> str:
    """Return the name of a picture; of one outside of the given folder its last part."""
    if not frame.name:
        return ""
    plain = frame.name.replace("\\", "/")
    place = f"{frame.place} {frame.name!r}"[:80]
    return str(safe_name(plain if inside else _inside(plain), path, place))


def _inside(name: str) -> str:
    outside = name.startswith("/") or ".." in name.split("/") or name[1:2] == ":"
    return name.rpartition("/")[2] if outside else name


def _require_sizes(
    table: ImageTable,
    owners: NDArray[np.intp],
    frames: Sequence[Frame],
    path: Path,
    *,
    pixels: bool,
) -> None:
    unknown = (table.wh[owners] <= 0).any(axis=1)
    if unknown.any() and not pixels:
        row = int(owners[int(np.argmax(unknown))])
        raise FormatError(
            "the size of the picture is not known, and landmarks are fractions of it",
            path=path,
            place=frames[row].place or None,
            expected="'width' and 'height' in the frame or beside the frames",
            found=f"neither for {table.file_name[row]}",
            fix="give the folder of pictures (images=..., --images), if frames name them, or the "
            "size (size=(640, 480), --source-set 'size=[640, 480]')",
        )


def _dataset(
    group: Group,
    table: ImageTable,
    meta: Mapping[str, bytes],
    path: Path,
    *,
    pixels: bool | None,
) -> PoseDataset:
    members = group.members
    shape = (len(members), len(group.rows), 5)
    image = np.full(shape, np.nan)
    world = np.full(shape, np.nan)
    for place, met in enumerate(members):
        image[place, group.rows] = met.image.values
        if met.world is not None:
            world[place, group.rows] = met.world.values
    owners = np.array([met.frame for met in members], np.intp)
    if pixels is None and looks_like_pixels(image[..., :2]):
        raise FormatError(
            "the coordinates look like pixels, not like fractions of the picture",
            path=path,
            expected="x and y from 0 to 1, more or less",
            found="most of them beyond 3",
            fix="say what they are (pixels=True or False, --source-set pixels=true)",
        )
    columns = columns_of(
        image,
        world if any(met.world is not None for met in members) else None,
        None if pixels else table.wh[owners],
    )
    if not pixels:
        for place, met in enumerate(members):
            for row, axis, text in met.image.long:
                size = int(table.wh[met.frame, axis])
                columns["xy"][place, group.rows[row], axis] = product(text, size)
    keys = dict.fromkeys(key for met in members for key in met.notes)
    return PoseDataset(
        schema=group.schema,
        images=table,
        image=owners,
        order=np.array(group.orders, np.int64),
        extras={
            key: RawColumn(text_of(m.notes[key]) if key in m.notes else None for m in members)
            for key in keys
        },
        meta=meta,
        provenance=(f"read {path} as {OWN}",),
        **columns,
    )


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write a file of frames.

    Raises:
        SchemaError: MediaPipe has no such points.
        FormatError: the size of an image with landmarks is not known, a file name leads out of its
            folder, or something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    kinds = [kind_of(dataset.schema, path)[0] for dataset in datasets]
    plan = plan_of(datasets, [np.ones(len(dataset), bool) for dataset in datasets])
    images = images_read(plan.images, kinds, path)
    meta = meta_read(datasets)
    sheets = sheets_of(plan, datasets, images, meta, path)
    lost, invented = accounts(
        plan, datasets, [sheet.reading for sheet in sheets], schemas_read(datasets, sheets), OWN
    )
    refuse_losses(path, lost, LOSSES, strict=strict)
    atomic_write(path, file_of(plan, sheets, images, meta))
    return WriteReport(path, OWN, len(plan.owned), lost, invented, LOSSES)

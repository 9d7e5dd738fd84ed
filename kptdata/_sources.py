"""What a name on the command line stands for: a file, a folder, a pattern, or several of them."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kptdata import ops
from kptdata.dataset import PoseDataset
from kptdata.errors import FileError, FormatError, OptionError
from kptdata.formats import FORMATS, load_format, read_all
from kptdata.ledger import Ledger
from kptdata.paths import exists, is_dir, is_file
from kptdata.schema import Schema

__all__ = ["find_files", "one_for_each", "read_each", "read_files"]

_PICTURES = frozenset(
    "avif bmp gif heic jpeg jpg mp4 avi mov png svg tif tiff webp".split()  # noqa: SIM905
)


def find_files(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the public name
) -> tuple[tuple[Path, ...], int]:
    """Return what a path or pattern stands for, in the order of names.

    A folder that is one dataset (a YOLO tree, LabelMe files) stands for itself; any other for the
    annotation files directly in it. ``*``, ``?``, ``[...]`` and ``**`` are patterns, unless a file
    has just that name.

    Args:
        path: a file, a folder or a pattern.
        format: the format of the files; by default any.

    Returns:
        The paths, and the number of files in folders that no format knows.

    Raises:
        FileError: nothing is there, or nothing fits the pattern.
        FormatError: a folder holds no annotations.
        UnknownNameError: no such format.
    """
    path = Path(path)
    if is_dir(path):
        return _in_folder(path, format)
    if exists(path) or not glob.has_magic(str(path)):
        return (path,), 0
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
    if not found:
        raise FileError("no file fits the pattern", path=path, fix="check the spelling")
    files: list[Path] = []
    foreign = 0
    for each in found:
        own, unknown = find_files(each, format=format) if is_dir(each) else ((each,), 0)
        files += own
        foreign += unknown
    return tuple(dict.fromkeys(files)), foreign


def _in_folder(folder: Path, name: str | None) -> tuple[tuple[Path, ...], int]:
    names = list(FORMATS) if name is None else [name]
    modules = [load_format(each) for each in names]

    def claimed(path: Path) -> bool:
        return any(module.sniff(path).confidence > 0 for module in modules)

    if claimed(folder):
        return (folder,), 0
    files = [
        path
        for path in sorted(folder.iterdir())
        if is_file(path)
        and not path.name.startswith(".")
        and path.suffix.lower().lstrip(".") not in _PICTURES
    ]
    known = tuple(path for path in files if claimed(path))
    if not known:
        raise FormatError(
            "no annotations are in the folder",
            path=folder,
            expected=f"files of the format {name}" if name else "files of a known format",
            found=", ".join(path.name for path in files[:3]) or "none but pictures",
            fix="name a file, a folder or a pattern such as 'labels/*.json'",
        )
    return known, len(files) - len(known)


def one_for_each(
    format: str | Sequence[str | None] | None,  # noqa: A002 - the public name
    count: int,
) -> list[str | None]:
    """Return a format for each of `count` paths. Raises `OptionError`."""
    if format is None or isinstance(format, str):
        return [format] * count
    if len(format) != count:
        raise OptionError(f"format: expected one, or one for each of {count}, got {len(format)}")
    return list(format)


Reader = Callable[[Path, str | None], tuple[PoseDataset, ...]]


def read_each(
    paths: Sequence[str | Path], formats: Sequence[str | None], reader: Reader
) -> tuple[tuple[PoseDataset, ...], Ledger]:
    """Read what each path stands for with `reader`, and join it; see `read_files`."""
    files: dict[Path, str | None] = {}
    foreign = 0
    for path, name in zip(paths, formats, strict=True):
        found, unknown = find_files(path, format=name)
        files |= dict.fromkeys(found, name)
        foreign += unknown
    read = [reader(file, name) for file, name in files.items()]
    left_out = {"files of no known format, left out": foreign}
    if len(read) == 1:
        return read[0], Ledger(sum(map(len, read[0])), notes=left_out)
    datasets, ledger = ops.gather(read)
    notes = {"files read": len(read)} | left_out | dict(ledger.notes)
    return datasets, Ledger(ledger.total, repaired=ledger.repaired, notes=notes)


def read_files(
    paths: str | Path | Sequence[str | Path],
    *,
    format: str | Sequence[str | None] | None = None,  # noqa: A002 - the public name
    schema: str | Path | Schema | None = None,
    images: str | Path | None = None,
    **options: Any,
) -> tuple[tuple[PoseDataset, ...], Ledger]:
    """Read files, folders and patterns into one dataset per skeleton, over one table of images.

    A folder that is one dataset (a YOLO tree, LabelMe files) is read as such, any other file by
    file. ``*``, ``?``, ``[...]`` and ``**`` are patterns, unless a file has just that name.

    Args:
        paths: what to read.
        format: of all files, or one for each path; sniffed, file by file, where it is not given.
        schema: of all files, where they do not say.
        images: folder of the images.
        **options: what the format's own module takes.

    Returns:
        The datasets, and an account: images that several files name are one image, ids that clash
        are renumbered; the notes count files left out because no format knows them.

    Raises:
        FileError: a file cannot be read, or nothing fits a pattern.
        FormatError: a file is not in its format, or a folder holds no annotations.
        UnknownNameError: no such format, schema or option.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)

    def reader(path: Path, name: str | None) -> tuple[PoseDataset, ...]:
        return read_all(path, format=name, schema=schema, images=images, **options)

    return read_each(listed, one_for_each(format, len(listed)), reader)

"""Bytes of pictures, from folders and from zip archives: a path may lead through an archive.

Nothing is unpacked: members are read by name, so what else an archive holds has no effect.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FileError
from kptdata.paths import is_dir, is_file

__all__ = ["images_present", "is_image_source", "read_bytes"]

_LARGEST = 1 << 30  # bytes of one picture; a member that claims more is no picture


def _archive_of(path: Path) -> tuple[Path, str] | None:
    """Return the archive that a path leads into and the member's name; None for a plain path."""
    if ".zip" not in str(path).lower():
        return None
    for parent in (path, *path.parents):
        if parent.suffix.lower() == ".zip" and is_file(parent):
            inside = path.relative_to(parent).as_posix()
            return parent, "" if inside == "." else inside
    return None


def is_image_source(path: Path) -> bool:
    """Say whether images can be read from below a path: a folder, an archive, a folder in one."""
    return is_dir(path) or _archive_of(path) is not None


def _names_in(folder: Path) -> frozenset[str]:
    """Return the names of the files in a folder, or in a folder of an archive; none if not there.

    Raises `FileError` for an archive that cannot be read.
    """
    archive = _archive_of(folder)
    if archive is None:
        return frozenset(p.name for p in folder.iterdir()) if is_dir(folder) else frozenset()
    return _members(*_identity(archive[0])).get(archive[1], frozenset())


def images_present(paths: Iterable[Path]) -> NDArray[np.bool_]:
    """Say which files are there; a folder is listed once, not asked for each of its files."""
    listed: dict[Path, frozenset[str]] = {}
    found = []
    for path in paths:
        if path.parent not in listed:
            listed[path.parent] = _names_in(path.parent)
        found.append(path.name in listed[path.parent])
    return np.array(found, dtype=bool)


def read_bytes(path: Path) -> NDArray[np.uint8]:
    """Return the bytes of a file, or of a member of an archive.

    Raises:
        FileError: it is not there, or cannot be read.
    """
    archive = _archive_of(path)
    if archive is not None:
        return _member(path, *archive)
    if not is_file(path):
        raise FileError("no such image", path=path, fix="check the folder of images")
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise FileError(f"cannot be read ({error.strerror})", path=path) from error


def _member(path: Path, archive: Path, name: str) -> NDArray[np.uint8]:
    opened = _opened(os.getpid(), *_identity(archive))
    try:
        size = opened.getinfo(name).file_size
    except KeyError:
        fix = "check the folder of images"
        raise FileError("no such image in the archive", path=path, fix=fix) from None
    if size > _LARGEST:
        raise FileError("a member of more than 1 GiB is no picture", path=path)
    try:
        return np.frombuffer(opened.read(name), np.uint8)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        # RuntimeError: a password is asked for, or (NotImplementedError) an unknown packing.
        raise FileError(f"cannot be read from the archive ({error})", path=path) from None


def _identity(archive: Path) -> tuple[str, int, int]:
    state = archive.stat()
    return str(archive.resolve()), state.st_mtime_ns, state.st_size


@lru_cache(maxsize=64)
def _opened(process: int, archive: str, *_state: int) -> zipfile.ZipFile:
    """Open an archive once in each process: forked ones would share one place in the file."""
    del process
    try:
        return zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise FileError(f"not an archive that can be read ({error})", path=archive) from None


@lru_cache(maxsize=64)
def _members(archive: str, *state: int) -> dict[str, frozenset[str]]:
    """Return the names of the files in each folder of an archive."""
    found: dict[str, set[str]] = {}
    for name in _opened(os.getpid(), archive, *state).namelist():
        folder, _, last = name.rpartition("/")
        if last:
            found.setdefault(folder, set()).add(last)
    return {folder: frozenset(names) for folder, names in found.items()}

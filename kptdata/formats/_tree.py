"""Folders of many files: names that may be used as paths, and writing all of them or none."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kptdata.dataset import ImageTable
from kptdata.errors import FileError, FormatError

__all__ = ["no_name", "refuse_unnamed", "safe_name", "write_tree"]

_DRIVE = re.compile(r"[A-Za-z]:")


def safe_name(name: str, path: Path, place: str) -> PurePosixPath:
    """Return a file name of the data as a relative path that stays inside its folder.

    Back-slashes are taken as Windows writes them.

    Raises:
        FormatError: the name is empty, absolute, leads out by ``..``, or holds a NUL.
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    unsafe = pure.is_absolute() or ".." in pure.parts or _DRIVE.match(name) or "\0" in name
    if unsafe or not pure.name:
        raise FormatError(
            "a file name that leads out of its folder" if unsafe else "no file name",
            path=path,
            place=place,
            expected="a relative name without '..'",
            found=repr(name),
            fix="rename the image in the annotations",
        )
    return pure


def no_name(path: Path, place: str) -> FormatError:
    """Return the error for an image without a file name, in a format that needs one."""
    return FormatError(
        "no file name",
        path=path,
        place=place,
        expected="the name of an image",
        found="''",
        fix="name the image in the annotations",
    )


def refuse_unnamed(images: ImageTable, path: Path) -> None:
    """Refuse to write images without a file name. Raises `FormatError`."""
    for row, name in enumerate(images.file_name.tolist()):
        if not name:
            raise no_name(path, f"image {images.id[row]}")


def write_tree(root: Path, files: Iterable[tuple[str, bytes]], whole: Collection[str] = ()) -> None:
    """Write files into a folder, which is made if need be; on any error nothing is changed.

    All files are first written to a hidden folder beside their places, then moved.

    Args:
        root: the folder.
        files: name relative to it, with ``/``, and content.
        whole: top-level folders that are replaced as a whole, so that no old file stays in them.

    Raises:
        FileError: the folder cannot be written, or one of `whole` holds files that are not ours.
    """
    if root.exists() and not root.is_dir():
        raise FileError("is a file", path=root, expected="a folder to write into")
    if not root.parent.is_dir():
        raise FileError(
            f"cannot be written: no folder {root.parent}", path=root, fix="create it first"
        )
    for name in whole:
        _refuse_foreign(root / name)
    stage = None
    try:
        stage = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
        new = stage / "new"
        new.mkdir()
        _write_all(new, files)
        if root.exists():
            _move_in(new, root, stage, whole)
        else:
            new.replace(root)
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise FileError(problem, path=root) from None
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    """Refuse to replace a folder that holds anything but label files."""
    if folder.is_dir():
        for base, _, names in os.walk(folder):
            for name in names:
                if not name.endswith((".txt", ".cache")):
                    raise FileError(
                        "would be replaced, and holds other files",
                        path=folder,
                        expected="label files (.txt) only",
                        found=str(Path(base, name).relative_to(folder)),
                        fix="write to another folder, or move that file",
                    )


def _write_all(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    made: set[str] = set()
    for name, content in files:
        above = name.rpartition("/")[0]
        if above and above not in made:
            (folder / above).mkdir(parents=True, exist_ok=True)
            made.add(above)
        with open(f"{folder}/{name}", "wb") as file:  # noqa: PTH123 - a tenth of the time of Path
            file.write(content)


def _move_in(new: Path, root: Path, stage: Path, whole: Collection[str]) -> None:
    """Move what was written into an existing folder; put everything back if that fails."""
    done: list[tuple[Path, Path | None]] = []
    try:
        for number, source in enumerate(_entries(new, whole)):
            target = root / source.relative_to(new)
            target.parent.mkdir(parents=True, exist_ok=True)
            kept = None
            if target.exists() or target.is_symlink():
                kept = stage / f"old{number}"
                target.replace(kept)
            done.append((target, kept))
            source.replace(target)
    except OSError:
        for target, kept in reversed(done):
            with suppress(OSError):
                if target.is_dir():
                    shutil.rmtree(target)
                else:
                    target.unlink(missing_ok=True)
                if kept is not None:
                    kept.replace(target)
        raise


def _entries(folder: Path, whole: Collection[str]) -> list[Path]:
    """Return what is moved: folders that are replaced as a whole, and all other files."""
    found = [folder / name for name in whole if (folder / name).is_dir()]
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return found + [path for path in files if path.relative_to(folder).parts[0] not in whole]

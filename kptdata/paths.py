"""What stands at a path, for names that come from data or from a command line.

`pathlib` raises for a name that is too long and for a folder that may not be entered. Here both are
what they are for whoever asks: not there. A name in annotations is data, and never leads out of the
folder that it is looked for in.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from kptdata.errors import FileError

__all__ = ["exists", "image_path", "is_dir", "is_file", "leads_out"]

_DRIVE = re.compile(r"[A-Za-z]:")


def exists(path: str | Path) -> bool:
    """Tell whether anything is there."""
    return os.path.exists(path)  # noqa: PTH110


def is_dir(path: str | Path) -> bool:
    """Tell whether a folder is there, itself or by a link."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: str | Path) -> bool:
    """Tell whether a regular file is there, itself or by a link.

    >>> is_file("x" * 10_000)
    False
    """
    return os.path.isfile(path)  # noqa: PTH113


def leads_out(folder: str | Path, name: str) -> bool:
    r"""Tell whether a name, as annotations state it, stands for a file outside `folder`.

    Only the name is judged: a link in the folder may lead wherever its owner wants. Back-slashes
    are taken as Windows writes them.

    >>> [leads_out("images", name) for name in ("a/b.jpg", "a/../b.jpg", "../b.jpg", "/b.jpg")]
    [False, False, True, True]
    """
    if "\0" in name or _DRIVE.match(name):
        return True
    if ".." not in name and not name.startswith(("/", "\\")):
        return False  # nearly every name, and a large dataset has a hundred thousand
    whole = os.path.abspath(folder)  # noqa: PTH100 - links are not followed here
    path = os.path.normpath(os.path.join(whole, name.replace("\\", "/")))  # noqa: PTH118
    return path != whole and not path.startswith(os.path.join(whole, ""))  # noqa: PTH118


def image_path(folder: str | Path, name: str) -> Path:
    """Return the path of an image in the folder of images.

    Raises:
        FileError: the name is absolute or leads out of the folder by ``..``.
    """
    if leads_out(folder, name):
        raise FileError(
            "an image name that leads out of the folder of images",
            path=folder,
            expected="a relative name without '..'",
            found=repr(name),
            fix="rename the image in the annotations, or name the folder that it is in (--images)",
        )
    return Path(folder) / name

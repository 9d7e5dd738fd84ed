"""What stands at a path, for names that come from data or from a command line.

`pathlib` raises for a name that is too long and for a folder that may not be entered. Here both are
what they are for whoever asks: not there.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["exists", "is_dir", "is_file"]


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

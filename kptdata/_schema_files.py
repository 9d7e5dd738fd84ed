"""Where the bundled schemas are: beside the package in a checkout, else in `kptdata_schemas`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kptdata.errors import FileError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["bundled_names", "bundled_text", "read_text", "stem_of"]

_MARK = "schema.schema.json"  # tells our folder from a stranger's that is also called `schemas`


def stem_of(name: str) -> str:
    """Return the name of the file of the schema `name`.

    >>> stem_of("Human-Art")
    'human_art'
    """
    return name.lower().replace("-", "_").replace(" ", "_")


@cache
def _folder() -> Path | Traversable:
    # The checkout comes first: its code must not read the data of another, installed version.
    sibling = Path(__file__).resolve().parent.parent / "schemas"
    if (sibling / _MARK).is_file():
        return sibling
    from importlib.resources import files

    return files("kptdata_schemas")


@cache
def bundled_names() -> tuple[str, ...]:
    """Return the file names of the bundled schemas without their ending, in alphabetical order."""
    names = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def bundled_text(stem: str) -> str:
    """Return the text of a bundled schema's file."""
    return (_folder() / f"{stem}.toml").read_text(encoding="utf-8")


def read_text(path: Path) -> str:
    """Return the text of a file. Raises `FileError` if it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileError(f"cannot be read: {reason}", path=path, fix="check the path") from error
    except UnicodeDecodeError as error:
        place, fix = f"byte {error.start}", "save the file as UTF-8"
        raise FileError("not UTF-8 text", path=path, place=place, fix=fix) from error

"""What each format of the table says about itself, as data: for ``kpt formats`` and the docs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

__all__ = ["FormatFacts", "facts_of"]

_OF_ALL_READERS = ("path", "schema", "images")


@dataclass(frozen=True)
class FormatFacts:
    """One row of the table of formats.

    Attributes:
        name: what it is called by, as in ``coco:train.json``.
        title: what it is.
        suffixes: endings of file names that tell this format when writing.
        folder: whether it is a folder of files.
        reads: whether it can be read.
        writes: whether it can be written.
        read_options: what its reader takes beside schema and images.
        write_options: what its writer takes beside strict.
        losses: what a file of it cannot hold: key of a report's ``lost`` -> sentence.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    folder: bool
    reads: bool
    writes: bool
    read_options: tuple[str, ...]
    write_options: tuple[str, ...]
    losses: Mapping[str, str]

    def to_dict(self) -> dict[str, object]:
        """Return the row as plain JSON-ready values."""
        facts = asdict(self) | {"losses": dict(self.losses)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in facts.items()}


def facts_of(name: str, module: ModuleType | Any) -> FormatFacts:
    """Return what a format's module, or a dialect in its place, says about itself."""
    reads, writes = hasattr(module, "read_all"), hasattr(module, "write_all")
    taken = inspect.signature(module.read_all).parameters if reads else ()
    return FormatFacts(
        name=name,
        title=module.TITLE,
        suffixes=tuple(module.SUFFIXES),
        folder=getattr(module, "FOLDER", False),
        reads=reads,
        writes=writes,
        read_options=tuple(option for option in taken if option not in _OF_ALL_READERS),
        write_options=tuple(module.OPTIONS),
        losses=dict(module.LOSSES),
    )

"""Every deliberate error of the project: one root, fields for facts, a sentence for the reader.

Each kind derives from `KptDataError` and from the built-in exception that a caller would expect.
The message names the place, what was expected, what was found and what to do, in that order.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "ArrayError",
    "DatasetError",
    "FileError",
    "FormatError",
    "KptDataError",
    "KptDataWarning",
    "MissingDependencyError",
    "OptionError",
    "SchemaError",
    "UnknownNameError",
]


_LISTED = 60  # choices that a message lists: all schemas, but not all ids of a file


class KptDataError(Exception):
    """Root of every error that this project raises on purpose."""


class KptDataWarning(UserWarning):
    """Root of every warning that this project emits."""


class ArrayError(KptDataError, ValueError):
    """An array has the wrong shape or element type; the message starts with the argument's name."""


class OptionError(KptDataError, ValueError):
    """A parameter has a value that makes no sense; the message starts with its name."""


class DatasetError(KptDataError, ValueError):
    """Columns of a dataset contradict each other, or an operation does not apply to it."""


class UnknownNameError(KptDataError, LookupError):
    """A name is in no table.

    Attributes:
        kind: what was looked up, such as ``codec``.
        name: the name that was not found.
        choices: the names that exist, from the table that was searched.
    """

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind, self.name, self.choices = kind, name, tuple(choices)
        lower = [choice.lower() for choice in self.choices]
        near = get_close_matches(name.lower(), lower, n=3, cutoff=0.6)
        near = near or [choice for choice in lower if len(name) > 2 and name.lower() in choice][:3]
        named = [c for n in near for c in self.choices if c.lower() == n]
        hint = f"did you mean {' or '.join(dict.fromkeys(named))}?" if named else self._listing()
        super().__init__(f"unknown {kind} {name!r}: {hint}")

    def _listing(self) -> str:
        if not self.choices:
            return "none is known"
        more = f", ... ({len(self.choices)} in all)" if len(self.choices) > _LISTED else ""
        return "choose from " + ", ".join(self.choices[:_LISTED]) + more

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.kind, self.name, self.choices)


class MissingDependencyError(KptDataError, ImportError):
    """An optional package is needed and is not installed.

    Attributes:
        package: the import name that is missing.
        extra: the extra of kptdata that installs it.
        trouble: what is wrong with it and what to do, where it is installed and does not import.
    """

    def __init__(self, package: str, extra: str, purpose: str, trouble: str = "") -> None:
        self.package, self.extra, self.purpose, self.trouble = package, extra, purpose, trouble
        what = trouble or f"is not installed: pip install 'kptdata[{extra}]'"
        super().__init__(f"{purpose} needs the package {package!r}, which {what}")

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str, str, str]]:
        return type(self), (self.package, self.extra, self.purpose, self.trouble)


class _PlacedError(KptDataError):
    """An error in a file: where, what was expected, what was found, what to do.

    Attributes:
        path: the file, or None for text that is not in a file.
        place: annotation id, line, key or byte within it.
        expected: what would have been right.
        found: what is there.
        fix: what the user can do next.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: str | Path | None = None,
        place: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.problem, self.path, self.place = problem, path, place
        self.expected, self.found, self.fix = expected, found, fix
        where = ": ".join(str(part) for part in (path, place) if part is not None)
        text = f"{where}: {problem}" if where else problem
        if expected is not None:
            text += f"; expected {expected}"
        if found is not None:
            text += f"{';' if expected is None else ','} found {found}"
        if fix is not None:
            text += f". Fix: {fix}"
        super().__init__(text)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        facts = ("path", "place", "expected", "found", "fix")
        named = {name: getattr(self, name) for name in facts}
        return _rebuild, (type(self), self.problem, named)


def _rebuild(kind: type[_PlacedError], problem: str, named: dict[str, str | None]) -> _PlacedError:
    return kind(problem, **named)


class SchemaError(_PlacedError, ValueError):
    """A keypoint schema breaks one of its rules."""


class FormatError(_PlacedError, ValueError):
    """A file does not follow its format, or cannot hold what it is asked to hold."""


class FileError(_PlacedError, OSError):
    """A file cannot be opened, read or written."""

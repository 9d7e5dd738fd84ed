"""Names to objects: one literal table per kind, entry points, near names on a miss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kptdata.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Table", "resolve"]

T = TypeVar("T")


class Table(Mapping[str, str], Generic[T]):
    """A table ``short name -> "module:attr"`` (or ``"module"``) whose objects are imported on use.

    Third parties add names through the entry-point group ``kptdata.<kind>s``; a dotted path
    (``package.module:Name`` or ``package.module.Name``) needs no registration at all. A built-in
    name cannot be replaced by an entry point.

    Args:
        kind: what the table holds, singular, as messages say it: ``codec``.
        names: the built-in names.
        group: entry-point group; by default ``kptdata.<kind>s``.
    """

    def __init__(self, kind: str, names: Mapping[str, str], group: str | None = None) -> None:
        self.kind = kind
        self.group = group or f"kptdata.{kind}s"
        self._names = dict(names)

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        # Costs more than all of kptdata, and most processes never miss a name.
        from importlib.metadata import entry_points

        return {e.name: e for e in entry_points(group=self.group) if e.name not in self._names}

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in self._installed

    def __getitem__(self, name: str) -> str:
        if name in self._names:
            return self._names[name]
        if name in self._installed:
            return self._installed[name].value
        raise UnknownNameError(self.kind, name, self)

    def __iter__(self) -> Iterator[str]:
        yield from self._names
        yield from self._installed

    def __len__(self) -> int:
        return len(self._names) + len(self._installed)

    def load(self, name: str) -> T:
        """Return the object that `name` stands for: a short name, an entry point or a dotted path.

        Raises:
            UnknownNameError: no such short name; near names are listed.
            OptionError: a dotted path whose module or attribute does not exist.
        """
        dotted = name not in self and ("." in name or ":" in name)
        found: T = resolve(name if dotted else self[name])
        return found


def resolve(path: str) -> Any:
    """Import ``package.module:attr``, ``package.module.attr`` or ``package.module``.

    Raises:
        OptionError: the module cannot be found or has no such attribute.

    >>> resolve("math:floor")(1.5)
    1
    """
    if ":" in path:
        module_name, _, attribute = path.partition(":")
    elif _is_module(path):
        return import_module(path)
    else:
        module_name, _, attribute = path.rpartition(".")
    if not _is_module(module_name):
        raise OptionError(f"{path}: no module named {module_name!r}; is its package installed?")
    found: Any = import_module(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise OptionError(f"{path}: {module_name} has no attribute {attribute!r}")
        found = getattr(found, part)
    return found


def _is_module(name: str) -> bool:
    try:
        return bool(name) and find_spec(name) is not None
    except ModuleNotFoundError as error:
        # A parent that is there and lacks a dependency of its own must say so itself.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        return False

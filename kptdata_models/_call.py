"""Calling what a run file names by dotted path, with the values that it gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from kptdata.errors import OptionError
from kptdata.plugins import resolve

__all__ = ["call", "find", "takes"]


def find(path: str, place: str) -> Any:
    """Import what a dotted path names.

    Raises:
        OptionError: there is no such thing; the message starts with the key that names it.
    """
    if not ({".", ":"} & set(path.strip(".:"))):
        raise OptionError(f"{place}: expected a dotted path, package.module:name, got {path!r}")
    try:
        return resolve(path)
    except OptionError as error:
        raise OptionError(f"{place}: {error}") from error


def call(kind: Callable[..., Any], place: str, name: str, *args: Any, **options: Any) -> Any:
    """Call something of the user's, whose own errors stay as they are.

    Args:
        kind: what is called.
        place: key that names it, for messages: ``train.optimizer``.
        name: what the run file calls it.
        *args: that it gets in any case.
        **options: what the run file says.

    Raises:
        OptionError: it cannot be called, or does not take these values.
    """
    if not callable(kind):
        raise OptionError(f"{place}: {name} cannot be called, it is a {type(kind).__name__}")
    try:
        inspect.signature(kind).bind(*args, **options)
    except TypeError as error:
        raise OptionError(f"{place}: {name} cannot be made of these values: {error}") from error
    except ValueError:  # Some built-in types do not tell what they take.
        pass
    return kind(*args, **options)


def takes(kind: Callable[..., Any], name: str) -> bool:
    """Tell whether something has a parameter of this name, or takes any."""
    try:
        parameters = inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return False
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

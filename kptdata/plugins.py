"""Plug-in tables for packages that build on this one: names to objects, near names on a miss."""

from __future__ import annotations

from kptdata._plugins import Table, resolve

__all__ = ["Table", "resolve"]

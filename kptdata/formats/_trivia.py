"""Keys that belong to one format's way of writing things, and to no other.

An extra or file-level key ``<what>:<format>`` (or ``<format>:<what>``) says how that format wrote
what the typed columns hold: order of fields, classes of numbers, last digits. It makes the way
back to the same format exact and means nothing elsewhere. ``facts:<name>`` are counts that a reader
made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kptdata.dataset import ImageTable, PoseDataset

__all__ = ["FACTS", "is_trivia", "without_trivia"]

FACTS = "facts:"


def is_trivia(key: str, *owners: str) -> bool:
    """Tell whether a key is a count of a reader, or one of these formats' own notes."""
    return ":" in key and (
        key.startswith((FACTS, *(f"{name}:" for name in owners)))
        or key.endswith(tuple(f":{name}" for name in owners))
    )


def without_trivia(dataset: PoseDataset, own: str, formats: Collection[str]) -> PoseDataset:
    """Return the dataset as the format `own` is to see it, without the notes of other `formats`."""
    others = [name for name in formats if name != own]

    def gone(keys: Mapping[str, Any]) -> set[str]:
        return {key for key in keys if is_trivia(key, *others)}

    extras, of_images, meta = gone(dataset.extras), gone(dataset.images.extras), gone(dataset.meta)
    if not extras | of_images | meta:
        return dataset
    return dataset.replace(
        extras=_without(dataset.extras, extras),
        images=_images_without(dataset.images, of_images),
        meta=_without(dataset.meta, meta),
    )


def _without(held: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: value for key, value in held.items() if key not in keys}


def _images_without(images: ImageTable, keys: set[str]) -> ImageTable:
    columns = {
        name: getattr(images, name)
        for name in ("id", "file_name", "width", "height", "sequence", "frame", "camera")
    }
    return ImageTable(**columns, extras=_without(images.extras, keys))

"""The ``images`` of a COCO file, from the tables of one or several datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import UNSET, Raw
from numpy.typing import NDArray

from kptdata._columns import is_missing
from kptdata.dataset import ImageTable
from kptdata.errors import DatasetError
from kptdata.formats._coco_fields import Fields, Getter
from kptdata.formats._coco_read import IMAGE_KINDS, id_keys

__all__ = ["Images", "link_of", "lost_links"]


class Images:
    """The images of several tables, each once.

    Raises:
        DatasetError: one id stands for different file names.
    """

    def __init__(self, tables: Sequence[ImageTable]) -> None:
        self.lost: Counter[str] = Counter()
        self._parts: list[tuple[Fields, NDArray[np.intp]]] = []
        seen: dict[Any, str] = {}
        for number, table in enumerate(tables):
            if any(table is earlier for earlier in tables[:number]):
                continue
            rows = _new_rows(table, seen) if number else np.arange(len(table))
            if len(tables) > 1:
                names = table.file_name.tolist()
                seen |= dict(zip(table.id.tolist(), names, strict=True))
            fields = self._fields(table)
            self._parts.append((fields, rows))

    def _fields(self, table: ImageTable) -> Fields:
        fields = Fields()
        for key, kind in IMAGE_KINDS.items():
            fields.column(key, kind, getattr(table, key), table.extras.get(key))
        for key, texts in table.extras.items():
            if key not in IMAGE_KINDS:
                fields.text(key, texts)
        self.lost["stale_text"] += fields.stale
        for name in ("sequence", "frame", "camera"):
            values = table.column(name)
            gone = values < 0 if name == "camera" else is_missing(values)
            self.lost[name] += int((~gone).sum())
        return fields

    def chunks(self) -> Iterator[bytes]:
        """Yield the text of the list of images."""
        first = True
        for fields, rows in self._parts:
            for text in fields.chunks(rows):
                yield text if first else b",\n" + text.removeprefix(b",\n")
                first = False


def _new_rows(table: ImageTable, seen: dict[Any, str]) -> NDArray[np.intp]:
    rows = []
    for row, (number, name) in enumerate(
        zip(table.id.tolist(), table.file_name.tolist(), strict=True)
    ):
        if number not in seen:
            rows.append(row)
        elif seen[number] != name:
            raise DatasetError(
                f"write: image {number!r} is {seen[number]!r} in one dataset and {name!r} in "
                f"another; renumber them (kptdata.ops.concat does)"
            )
    return np.array(rows, dtype=np.intp)


def link_of(images: ImageTable, image: NDArray[np.intp]) -> Getter:
    """Give the id of the image of each row, UNSET where there is none."""
    gone = is_missing(images.id).tolist()
    ids: list[Any] = [UNSET if g else i for g, i in zip(gone, images.id.tolist(), strict=True)]
    texts = images.extras.get("id")
    if texts is not None:
        ids = [i if text is None else Raw(text) for i, text in zip(ids, texts, strict=True)]
    ids.append(UNSET)  # row -1
    return lambda rows: [ids[i] for i in image[rows].tolist()]


def lost_links(images: ImageTable, image: NDArray[np.intp]) -> int:
    """Count rows whose image cannot be found again: it has no id, or not the first of its id."""
    if not len(images):
        return 0
    seen: set[Any] = {None}
    findable = np.zeros(len(images), bool)
    for row, key in enumerate(id_keys(images.id, images.extras.get("id"))):
        findable[row] = key not in seen
        seen.add(key)
    return int((~findable[image[image >= 0]]).sum())

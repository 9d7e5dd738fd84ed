"""Instances as the shapes of a CVAT file: numbers as text, and what each shape says besides."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import RawColumn
from kptdata.dataset import PoseDataset
from kptdata.formats._inverse import exact_quotient, inverse, not_tiny, product
from kptdata.formats._xml import Node, escaped, number_text, xml_of
from kptdata.visibility import Visibility, is_labelled

__all__ = [
    "FACTS",
    "Facts",
    "Points",
    "attributes_text",
    "boxed",
    "children_text",
    "corner_texts",
    "facts_of",
    "states_read",
    "user_text",
]

Floats = NDArray[np.float64]
Fact = str | int | dict[str, str] | bool | None

_INT = 2**31
_FLAGS = {
    Visibility.UNLABELLED: 'outside="1" occluded="0" labelled="0"',
    Visibility.OCCLUDED: 'outside="0" occluded="1"',
    Visibility.VISIBLE: 'outside="0" occluded="0"',
    Visibility.ABSENT: 'outside="1" occluded="0"',
    Visibility.LABELLED: 'outside="0" occluded="0"',
}


def _is_source(value: Any) -> bool:
    return isinstance(value, str) and value != "manual"


def _is_number(value: Any) -> bool:
    return type(value) is int and value != 0 and abs(value) < _INT


def _is_attributes(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(_is_text, value.values()))


def _is_text(value: Any) -> bool:
    """Tell whether a text survives; spaces alone do not."""
    return isinstance(value, str) and not value.isspace()


def _is_true(value: Any) -> bool:
    return value is True


def _is_false(value: Any) -> bool:
    return value is False


FACTS: Mapping[str, Callable[[Any], bool]] = {
    "source": _is_source,
    "z_order": _is_number,
    "group_id": _is_number,
    "attributes": _is_attributes,
    "occluded": _is_true,
    "keyframe": _is_false,
}
"""Extras that a shape can hold, and which of their values."""


class Facts:
    """What the shapes of one dataset say besides their places, by row.

    Args:
        extras: of the rows that are written.
        keys: the extras that the shapes hold.
        own: name of the format, whose notes are used.
    """

    def __init__(
        self, extras: Mapping[str, RawColumn], keys: Sequence[str], own: str, count: int
    ) -> None:
        self._values = {
            key: {row: v for row, v in _parsed(extras[key]).items() if FACTS[key](v)}
            for key in keys
            if key in extras
        }
        notes = ("skeleton", "keypoints", "box", "group", "track", "before", "after")
        self._notes = {k: _parsed(extras[f"{k}:{own}"]) for k in notes if f"{k}:{own}" in extras}
        self._count = count

    def get(self, key: str, row: int) -> Any:
        """Return a fact, None where there is none."""
        return self._values.get(key, {}).get(row)

    def drop(self, key: str, row: int) -> None:
        """Leave a fact out."""
        self._values.get(key, {}).pop(row, None)

    def put(self, key: str, row: int, value: Any) -> None:
        """State a fact; None for none."""
        if value is None:
            self.drop(key, row)
        else:
            self._values.setdefault(key, {})[row] = value

    def note(self, key: str, row: int) -> Any:
        """Return a note of the same format, None where there is none."""
        return self._notes.get(key, {}).get(row)

    def columns(self) -> dict[str, RawColumn]:
        """Return the facts as the extras that they are read as."""
        return {
            key: RawColumn.from_values(values.get(row) for row in range(self._count))
            for key, values in self._values.items()
        }


def facts_of(dataset: PoseDataset, rows: NDArray[np.intp], keys: Sequence[str], own: str) -> Facts:
    """Return the facts of the rows that are written."""
    extras = {key: raw[rows] for key, raw in dataset.extras.items()}
    return Facts(extras, keys, own, len(rows))


def _parsed(texts: RawColumn) -> dict[int, Any]:
    """Return the values that are there; equal texts are parsed once."""
    known: dict[bytes, Any] = {}
    found = {}
    for row, text in enumerate(texts):
        if text is not None:
            if text not in known:
                known[text] = json.loads(text)
            found[row] = known[text]
    return found


def states_read(states: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return states as they are read back."""
    return np.where(states == Visibility.LABELLED, Visibility.VISIBLE, states).astype(np.uint8)


def boxed(dataset: PoseDataset) -> NDArray[np.bool_]:
    """Tell which instances have a box that can be written."""
    return np.asarray(np.isfinite(dataset.column("bbox")).all(axis=1))


def corner_texts(box: Floats) -> tuple[list[str], Floats]:
    """Return the corners of (n, 4) xywh as text, and the boxes that they are read as.

    They differ only where a side is far smaller than the last digit of a corner.
    """
    box = np.concatenate([box[:, :2], not_tiny(box[:, 2:])], axis=1)
    low, size = box[:, :2], box[:, 2:]
    high = inverse(size, low + size, lambda f: f - low)
    exact = high - low == size
    read = box.copy()
    found = []
    for row, (near, far, good) in enumerate(
        zip(low.tolist(), high.tolist(), exact.tolist(), strict=True)
    ):
        texts = [number_text(value) for value in far]
        for axis in (0, 1):
            if not good[axis]:
                texts[axis] = exact_quotient((near[axis], float(size[row, axis])), 1)
                read[row, 2 + axis] = product(texts[axis], 1, near[axis])
        left, top = map(number_text, near)
        found.append(f'xtl="{left}" ytl="{top}" xbr="{texts[0]}" ybr="{texts[1]}"')
    return found, read


class Points:
    """The elements of skeletons as text.

    Args:
        dataset: what is written.
        rows: of it, in the order of the file.
        path: the file, for messages.
        indent: before each element.
    """

    def __init__(
        self, dataset: PoseDataset, rows: NDArray[np.intp], path: Path, indent: str
    ) -> None:
        self._names = [escaped(name, path) for name in dataset.schema.names]
        self._keys, self._path, self._indent = dataset.schema.names, path, indent
        states = dataset.visibility[rows]
        xy = dataset.xy[rows]
        if dataset.given_xy is not None:
            xy = np.where(is_labelled(states)[..., None], xy, dataset.given_xy[rows])
        finite = np.isfinite(xy).all(axis=-1, keepdims=True)
        self._xy, self._states = np.where(finite, xy, 0.0).tolist(), states.tolist()

    def gone(self, place: int, usual: Mapping[str, str]) -> str:
        """Return the elements of one skeleton, where it last was, as no longer there."""
        common = "".join(f' {key}="{text}"' for key, text in usual.items())
        return "".join(
            f'{self._indent}<points label="{name}"{common} outside="1" occluded="0" '
            f'points="{number_text(x)},{number_text(y)}"></points>\n'
            for name, (x, y) in zip(self._names, self._xy[place], strict=True)
        )

    def text(self, place: int, usual: Mapping[str, str], notes: Any) -> str:
        """Return the elements of one skeleton.

        Args:
            place: among the rows.
            usual: attributes of all elements, escaped.
            notes: name of a point -> what else its element says.
        """
        lines = []
        notes = notes if isinstance(notes, dict) else {}
        common = "".join(f' {key}="{text}"' for key, text in usual.items())
        for name, key, (x, y), state in zip(
            self._names, self._keys, self._xy[place], self._states[place], strict=True
        ):
            flags, more, end = _FLAGS[state], common, "</points>"
            if key in notes:
                more, flags, end = self._noted(notes[key], usual, flags)
            lines.append(
                f'{self._indent}<points label="{name}"{more} {flags} '
                f'points="{number_text(x)},{number_text(y)}">{end}\n'
            )
        return "".join(lines)

    def _noted(self, note: Any, usual: Mapping[str, str], flags: str) -> tuple[str, str, str]:
        """Return attributes, flags and end of an element with a note."""
        note = note if isinstance(note, dict) else {}
        own = {k: escaped(v, self._path) for k, v in note.get("attrib", {}).items()}
        if 'outside="1"' in flags and note.get("occluded"):
            flags = flags.replace('occluded="0"', 'occluded="1"')
        more = "".join(f' {key}="{text}"' for key, text in {**usual, **own}.items())
        inner = children_text(note.get("children", ()), self._path, self._indent + "  ")
        return more, flags, f"\n{inner}{self._indent}</points>" if inner else "</points>"


def attributes_text(attrib: Mapping[str, str], path: Path) -> str:
    """Return attributes, each with a space before it."""
    return "".join(f' {key}="{escaped(text, path)}"' for key, text in attrib.items())


def children_text(values: Any, path: Path, indent: str) -> str:
    """Return elements that were kept."""
    nodes = [Node.from_value(value) for value in values]
    return "".join(xml_of(node, path, indent) for node in nodes if node is not None)


def user_text(attributes: Mapping[str, str] | None, path: Path, indent: str) -> str:
    """Return what annotators stated, as elements."""
    return "".join(
        f'{indent}<attribute name="{escaped(name, path)}">{escaped(text, path)}</attribute>\n'
        for name, text in (attributes or {}).items()
    )

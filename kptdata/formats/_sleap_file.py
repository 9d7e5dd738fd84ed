"""The parts of a ``.slp`` file, from HDF5 to columns and JSON values and back.

Nothing here knows what the parts mean; nothing in a file is ever unpickled.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FormatError, MissingDependencyError
from kptdata.formats._hdf5 import SIGNATURE, check_dataset, names_in, opened_hdf5
from kptdata.formats._json import kind_of
from kptdata.formats.base import read_head

__all__ = [
    "FRAMES",
    "INSTANCES",
    "NEWEST",
    "POINTS",
    "PREDICTED",
    "Parts",
    "Table",
    "names_at_root",
    "read_parts",
    "slp_bytes",
    "wrong",
]

Table = Mapping[str, NDArray[Any]]
"""Name of a field -> its column."""

FRAMES = {
    "frame_id": "u8", "video": "u4", "frame_idx": "u8",
    "instance_id_start": "u8", "instance_id_end": "u8",
}  # fmt: skip
INSTANCES = {
    "instance_id": "i8", "instance_type": "u1", "frame_id": "u8", "skeleton": "u4", "track": "i4",
    "from_predicted": "i8", "score": "f4", "point_id_start": "u8", "point_id_end": "u8",
    "tracking_score": "f4",
}  # fmt: skip
POINTS = {"x": "f8", "y": "f8", "visible": "?", "complete": "?"}
PREDICTED = POINTS | {"score": "f8"}
_NEGATIVE = {"video_id": "u4", "frame_idx": "u8"}
_TABLES = {
    "frames": FRAMES, "instances": INSTANCES, "points": POINTS, "pred_points": PREDICTED,
    "negative_frames": _NEGATIVE,
}  # fmt: skip
_LATER = ("tracking_score",)  # fields that older files do not have
_REQUIRED = ("frames", "instances")
_ROWS = ("videos_json", "tracks_json", "suggestions_json")
_KNOWN = {*_TABLES, *_ROWS, "metadata", "provenance_json"}
NEWEST = 1.4
"""The lowest number of the layout that says what is written here; see docs/formats/sleap.md."""

_MOST_ATTRIBUTE = 64_000  # bytes: HDF5 ends at 64 KB


@dataclass
class Parts:
    """What a file holds.

    Attributes:
        format_id: number of the layout.
        metadata: skeletons, nodes and what else the text in the attributes says.
        videos: as they are listed.
        tracks: pairs of a frame and a name.
        suggestions: frames that were suggested for labelling.
        provenance: what programs say about the file.
        tables: frames, instances, points, pred_points, negative_frames.
        sources: number of a video whose pictures are in the file -> the video that they are from.
        embedded: number of a video -> how many of its pictures are in the file.
        others: parts that are not read -> how many rows they have.
    """

    format_id: float
    metadata: dict[str, Any]
    videos: list[dict[str, Any]]
    tracks: list[list[Any]]
    suggestions: list[dict[str, Any]]
    provenance: dict[str, Any]
    tables: dict[str, Table]
    sources: dict[int, dict[str, Any]] = field(default_factory=dict)
    embedded: dict[int, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)


def wrong(path: Path, place: str, expected: str, found: str) -> FormatError:
    """Return the error for a part that is not as SLEAP has it."""
    return FormatError(
        "not as SLEAP writes it",
        path=path,
        place=place,
        expected=expected,
        found=found,
        fix="open it in SLEAP and save it again, or export it once more",
    )


def names_at_root(path: Path) -> tuple[set[str], str]:
    """Return the names at the root of a file and, where there are none, why."""
    path = Path(path)
    if not path.is_file() or not read_head(path, 8).startswith(SIGNATURE):
        return set(), "not an HDF5 file"
    try:
        return names_in(path), "an HDF5 file that cannot be opened"
    except MissingDependencyError as error:
        return set(), str(error)


# Reading


def read_parts(path: Path) -> Parts:
    """Read a file.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file is missing, empty, damaged or cannot be opened.
        FormatError: a part is missing or is not as SLEAP has it.
    """
    with opened_hdf5(path) as (file, limit):
        reader = _Reader(file, path, limit)
        for name in ("metadata", *_REQUIRED):
            if name not in file:
                raise wrong(path, name, "a project of SLEAP", f"no {name!r} in the file")
        attributes = file["metadata"].attrs
        metadata = reader.object_of(attributes.get("json"), "metadata")
        parts = Parts(
            format_id=reader.number(attributes.get("format_id"), "metadata, format_id"),
            metadata=metadata,
            videos=reader.rows("videos_json", dict),
            tracks=reader.rows("tracks_json", list),
            suggestions=reader.rows("suggestions_json", dict),
            provenance=reader.provenance(metadata),
            tables={name: reader.table(name, fields) for name, fields in _TABLES.items()},
        )
        for name in sorted(set(file) - _KNOWN):
            number = name.removeprefix("video")
            if number != name and number.isdecimal() and len(number) < 10:
                reader.embedded(name, int(number), parts)
            elif count := reader.size(name):
                parts.others[name] = count
        return parts


class _Reader:
    """An open file, and how to say what is wrong with it."""

    def __init__(self, file: Any, path: Path, limit: int) -> None:
        self._file, self._path, self._limit = file, path, limit

    def _array(self, name: str) -> Any:
        """Return a dataset's content, or None where there is no such dataset."""
        if name not in self._file:
            return None
        item = self._file[name]
        if getattr(item, "shape", None) is None:
            raise wrong(self._path, name, "a dataset", "a group or nothing")
        check_dataset(item, name, self._path, self._limit)
        return item[()]

    def size(self, name: str) -> int:
        """Count the rows of the largest dataset in a part."""
        item = self._file[name]
        if hasattr(item, "shape"):
            return int(item.shape[0]) if item.shape else 1
        found = [0]
        item.visititems(
            lambda _, each: found.append(each.shape[0] if getattr(each, "shape", ()) else 0)
        )
        return int(max(found))

    def table(self, name: str, fields: Mapping[str, str]) -> Table:
        """Return the columns of a table; without rows where the file does not have it."""
        array = self._array(name)
        if array is None or array.size == 0:
            return {key: np.zeros(0, _kind(code)) for key, code in fields.items()}
        columns = self._columns(name, array)
        found = {}
        for key, code in fields.items():
            if key not in columns and key in _LATER:
                continue
            if key not in columns:
                raise wrong(self._path, name, f"the field {key!r}", ", ".join(columns) or "none")
            found[key] = self._column(columns[key], code, f"{name}, {key}")
        return found

    def _columns(self, name: str, array: Any) -> dict[str, Any]:
        if array.ndim == 1 and array.dtype.names:
            return {key: array[key] for key in array.dtype.names}
        listed = self._file[name].attrs.get("field_names")  # how files are written in a browser
        if array.ndim == 2 and listed is not None:
            keys = self.value(listed, name)
            if isinstance(keys, list) and len(keys) == array.shape[1]:
                return {str(key): array[:, k] for k, key in enumerate(keys)}
        raise wrong(self._path, name, "a table", f"{array.shape} {array.dtype}")

    def _column(self, values: Any, code: str, place: str) -> NDArray[Any]:
        if values.dtype.kind not in "biuf" or values.ndim != 1:
            raise wrong(self._path, place, "numbers", f"{values.dtype}")
        kind = _kind(code)
        if kind == np.int64 and values.dtype.kind == "f":
            whole = np.isfinite(values) & (np.abs(values) < 2**53)
            if not whole.all():
                row = int(np.argmin(whole))
                raise wrong(self._path, f"{place}, row {row}", "a whole number", f"{values[row]}")
        # Numbers beyond 2**63 become negative, and are out of every range.
        return values.astype(kind)

    def rows(self, name: str, kind: type) -> list[Any]:
        """Return the JSON values of a dataset of texts."""
        array = self._array(name)
        if array is None or array.size == 0:
            return []
        if array.ndim != 1:
            raise wrong(self._path, name, "one text per row", f"{array.shape} {array.dtype}")
        found = []
        for row, text in enumerate(array.tolist()):
            value = self.value(text, f"{name}, row {row}")
            if not isinstance(value, kind):
                expected = "an object" if kind is dict else "a list"
                raise wrong(self._path, f"{name}, row {row}", expected, kind_of(value))
            found.append(value)
        return found

    def value(self, text: Any, place: str) -> Any:
        """Parse a JSON text as HDF5 keeps it."""
        if isinstance(text, np.ndarray):
            text = text.tobytes() if text.dtype.kind == "S" or text.dtype == np.uint8 else None
        if not isinstance(text, str | bytes):
            raise wrong(self._path, place, "JSON text", "none")
        try:
            return json.loads(text, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise wrong(self._path, place, "JSON text", str(error)) from None

    def object_of(self, text: Any, place: str) -> dict[str, Any]:
        """Parse a JSON text that is an object."""
        value = self.value(text, place)
        if not isinstance(value, dict):
            raise wrong(self._path, place, "an object", kind_of(value))
        return value

    def number(self, value: Any, place: str) -> float:
        """Return a number, of an attribute."""
        array = np.asarray(np.nan if value is None else value)
        if array.size != 1 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise wrong(self._path, place, "the number of the layout", repr(value))
        return float(array.reshape(())[()])

    def provenance(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return what programs say about a file: of its own dataset, or with the skeletons."""
        held = self._array("provenance_json")
        if held is None:
            value = metadata.get("provenance", {})
            return value if isinstance(value, dict) else {"provenance": value}
        text = held.ravel().tolist()[0] if isinstance(held, np.ndarray) and held.size else held
        return self.object_of(text, "provenance_json")

    def embedded(self, name: str, number: int, parts: Parts) -> None:
        """Note a video whose pictures are in the file, without reading them."""
        group = self._file[name]
        if "frame_numbers" in group:
            parts.embedded[number] = self.size(f"{name}/frame_numbers")
        elif "video" in group:
            parts.embedded[number] = self.size(f"{name}/video")
        for key in ("source_video", "original_video"):
            if number not in parts.sources and key in group:
                text = group[key].attrs.get("json")
                if text is None and "json" in group[key]:
                    text = self._array(f"{name}/{key}/json")
                if text is not None:
                    parts.sources[number] = self.object_of(text, f"{name}/{key}")


def _kind(code: str) -> Any:
    if code == "?":
        return np.bool_
    return np.float64 if code.startswith("f") else np.int64


# Writing


def slp_bytes(parts: Parts, path: Path) -> bytes:
    """Return a file that holds these parts; the same parts give the same bytes.

    Raises:
        MissingDependencyError: h5py is not installed.
        FormatError: the skeletons are larger than HDF5 allows.
    """
    try:
        import h5py
    except ImportError:
        raise MissingDependencyError("h5py", "formats", "writing .slp files") from None
    metadata = parts.metadata | {"provenance": parts.provenance}
    if len(_json(metadata)) > _MOST_ATTRIBUTE:  # it is in its own dataset, too
        metadata["provenance"] = {}
    if len(_json(metadata)) > _MOST_ATTRIBUTE:
        raise FormatError(
            "the skeletons are too large for the format",
            path=path,
            expected=f"{_MOST_ATTRIBUTE} bytes as JSON",
            found=f"{len(_json(metadata))}",
            fix="write fewer skeletons to one file, or another format",
        )
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"] = parts.format_id
        group.attrs["json"] = np.bytes_(_json(metadata))
        file.create_dataset("provenance_json", data=np.bytes_(_json(parts.provenance)))
        listed: dict[str, list[Any]] = {
            "videos_json": parts.videos,
            "tracks_json": parts.tracks,
            "suggestions_json": parts.suggestions,
            "sessions_json": [],
        }
        for name, values in listed.items():
            rows = [_json(value) for value in values]
            file.create_dataset(name, data=rows, dtype=h5py.string_dtype(), shape=(len(rows),))
        for name, fields in _TABLES.items():
            if name != "negative_frames" or len(parts.tables[name]["frame_idx"]):
                file.create_dataset(name, data=_rows(parts.tables[name], fields))
    return buffer.getvalue()


def _json(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    # Of ASCII alone: a zero byte would end a text of HDF5, and no other byte needs care.
    return json.dumps(value, separators=(",", ":")).encode()


def _rows(table: Table, fields: Mapping[str, str]) -> NDArray[Any]:
    count = len(next(iter(table.values())))
    rows = np.zeros(count, np.dtype([(key, f"<{code}") for key, code in fields.items()]))
    for key in fields:
        rows[key] = table[key]
    return rows

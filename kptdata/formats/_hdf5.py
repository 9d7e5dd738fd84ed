"""HDF5 files as arrays in memory, read with care, and back."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FileError, FormatError, KptDataError, MissingDependencyError
from kptdata.formats.base import require_file

__all__ = [
    "SIGNATURE",
    "Contents",
    "as_json",
    "check_dataset",
    "contents_of",
    "from_json",
    "h5py_of",
    "hdf5_bytes",
    "names_in",
    "opened_hdf5",
    "read_hdf5",
]

SIGNATURE = b"\x89HDF\r\n\x1a\n"

_MOST_PACKED = 1100  # no filter of HDF5 unpacks to much more than deflate does, 1,032 times
_LEAST_LIMIT = 1 << 26

# What h5py raises when bytes are damaged, besides KeyError for links that lead nowhere.
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError)


class Contents(NamedTuple):
    """A file's arrays by path, and the attributes of its root. Text is in arrays of objects."""

    arrays: dict[str, NDArray[Any]]
    attributes: dict[str, NDArray[Any]]


def h5py_of() -> Any:
    """Return the library. Raises `MissingDependencyError`."""
    try:
        import h5py
    except ImportError:
        raise MissingDependencyError("h5py", "formats", "reading and writing HDF5") from None
    return h5py


def names_in(path: Path) -> set[str]:
    """Return the names at the root of a file; empty if it cannot be opened.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    h5py = h5py_of()
    try:
        with h5py.File(path, "r") as file:
            return set(file)
    except _DAMAGE:
        return set()


def read_hdf5(path: Path) -> Contents:
    """Read all datasets of a file.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file is missing, empty or cannot be opened.
        FormatError: it is damaged, or holds something other than numbers and text.
    """
    with opened_hdf5(path) as (file, limit):
        return contents_of(file, path, limit)


@contextmanager
def opened_hdf5(path: Path) -> Iterator[tuple[Any, int]]:
    """Open a file; what h5py raises inside becomes an error of this project.

    Yields:
        The open file, and how many bytes a dataset of such a file can have at most.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file is missing, empty, damaged or cannot be opened.
    """
    h5py = h5py_of()
    path = require_file(path)
    limit = max(_LEAST_LIMIT, _MOST_PACKED * path.stat().st_size)
    try:
        with h5py.File(path, "r") as file:
            yield file, limit
    except KptDataError:
        raise
    except _DAMAGE as error:
        raise FileError(
            f"no HDF5 file, or a damaged one: {_first_line(error)}",
            path=path,
            fix="copy, download or export the file again",
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def check_dataset(item: Any, name: str, path: Path, limit: int) -> None:
    """Refuse a dataset that is not there to be read, or larger than its file can make it.

    Args:
        item: the dataset.
        name: of it, for messages.
        path: of the file.
        limit: bytes that it can have at most.

    Raises:
        FormatError: it has an impossible size, its values are in other files, or it is compressed
            in a way that h5py cannot undo.
    """
    if item.external or item.is_virtual:
        raise FormatError(
            "values that are kept in another file",
            path=path,
            place=name,
            found=str(item.external[0][0]) if item.external else "a virtual dataset",
            fix="write the file again with its values inside",
        )
    size = math.prod(item.shape or ()) * item.dtype.itemsize
    if item.shape is None or size > limit:
        raise FormatError(
            "a dataset of an impossible size", path=path, place=name, found=str(item.shape)
        )
    made = item.id.get_create_plist()
    for number in range(made.get_nfilters()):
        code, _, _, title = made.get_filter(number)
        if not h5py_of().h5z.filter_avail(code):
            raise FormatError(
                "compressed in a way that h5py cannot undo",
                path=path,
                place=name,
                expected="no compression, or gzip, lzf, szip",
                found=title.decode(errors="replace") or f"filter {code}",
                fix="write the file again without that compression",
            )


def contents_of(file: Any, path: Path, limit: int) -> Contents:
    """Read all datasets of an open file, none of them larger than `limit`. Raises `FormatError`."""
    h5py = h5py_of()
    arrays: dict[str, NDArray[Any]] = {}

    def visit(name: str | bytes, item: Any) -> None:
        name = _text_of(name, path)
        if isinstance(item, h5py.Dataset):
            check_dataset(item, name, path, limit)
            arrays[name] = _array(h5py, item, item[()], path, name)

    file.visititems(visit)
    attributes = {
        _text_of(name, path): _array(h5py, None, value, path, f"attribute {name}")
        for name, value in file.attrs.items()
    }
    return Contents(arrays, attributes)


def _text_of(name: str | bytes, path: Path) -> str:
    if isinstance(name, bytes):  # how h5py gives names that are no text
        raise FormatError("a name that is not UTF-8", path=path, found=repr(name)[1:])
    return name


def _array(h5py: Any, dataset: Any, value: Any, path: Path, name: str) -> NDArray[Any]:
    """Return numbers as they are and text as Python text in an array of objects."""
    array = np.asarray(value)
    is_text = dataset is not None and h5py.check_string_dtype(dataset.dtype) is not None
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind in "SU" or is_text or isinstance(value, str):
        flat = [_decoded(v, path, name) for v in array.ravel().tolist()]
        texts = np.empty(len(flat), dtype=object)
        texts[:] = flat
        return texts.reshape(array.shape)
    raise FormatError(
        "holds values that are neither numbers nor text",
        path=path,
        place=name,
        found=str(array.dtype),
        fix="leave the dataset out of the file",
    )


def _decoded(value: Any, path: Path, name: str) -> str:
    try:
        return value if isinstance(value, str) else bytes(value).decode()
    except UnicodeDecodeError:
        raise FormatError("text that is not UTF-8", path=path, place=name) from None


def hdf5_bytes(contents: Contents) -> bytes:
    """Return a file that holds these arrays; the same arrays give the same bytes.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    h5py = h5py_of()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in contents.arrays.items():
            file.create_dataset(name, data=_stored(array))
        for name, array in contents.attributes.items():
            single = array.dtype.kind == "O" and array.ndim == 0
            file.attrs[name] = str(array[()]) if single else _stored(array)
    return buffer.getvalue()


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    """Return text as bytes of one length, which every reader of HDF5 understands."""
    if array.dtype.kind != "O":
        return array
    encoded = [str(v).encode() for v in array.ravel().tolist()]
    length = max(map(len, encoded), default=1) or 1
    return np.array(encoded, dtype=f"S{length}").reshape(array.shape)


def as_json(arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Any]]:
    """Return arrays as JSON-ready values that `from_json` takes back exactly."""
    return {
        name: {
            "dtype": array.dtype.str if array.dtype.kind != "O" else "text",
            "shape": list(array.shape),
            "values": [
                str(v) if isinstance(v, float) and not math.isfinite(v) else v
                for v in array.ravel().tolist()
            ],
        }
        for name, array in arrays.items()
    }


def from_json(held: Mapping[str, Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays that `as_json` described."""
    found = {}
    for name, one in held.items():
        kind = object if one["dtype"] == "text" else np.dtype(one["dtype"])
        array = np.empty(len(one["values"]), dtype=kind)
        array[:] = one["values"]
        found[name] = array.reshape(one["shape"])
    return found

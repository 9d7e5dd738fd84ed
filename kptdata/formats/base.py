"""What every format module shares: sniffing verdicts, reports, careful reading, atomic writing.

A format is one module with

* ``TITLE``, ``SUFFIXES``, ``LOSSES`` (loss -> sentence: what the format cannot hold), ``OPTIONS``
  (names of the writer's own keyword options), and ``FOLDER = True`` if it writes a folder,
* ``sniff(path) -> Sniff``,
* ``read_all(path, *, schema=None, images=None, **options) -> tuple[PoseDataset, ...]``,
* ``write_all(datasets, path, *, strict=False, **options) -> WriteReport``.

Reading drops nothing; a given schema that does not fit the file's points is a `SchemaError`.
Writing counts, under a key of ``LOSSES``, each value that it cannot hold.
"""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple

from kptdata.errors import FileError, FormatError
from kptdata.paths import exists, is_dir, is_file

__all__ = [
    "Sniff",
    "WriteReport",
    "atomic_write",
    "read_bytes",
    "read_head",
    "refuse_losses",
    "require_file",
]

_RATIO, _SMALL = 500, 100_000_000  # annotations pack far less well than a bomb
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Sniff(NamedTuple):
    """How sure a format is that a file is its own, from 0 (no) to 1 (certain), and why."""

    confidence: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class WriteReport:
    """What a writer did.

    Attributes:
        path: the file or folder that was written.
        format: the format's name.
        instances: how many instances were written.
        lost: key of the format's ``LOSSES`` -> number of values that the file cannot hold.
        invented: what -> number of values that the source did not state and the format requires.
        meaning: loss -> sentence, for printing.
    """

    path: Path
    format: str
    instances: int
    lost: Mapping[str, int] = field(default_factory=dict)
    invented: Mapping[str, int] = field(default_factory=dict)
    meaning: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("lost", "invented"):
            counts = {key: int(n) for key, n in getattr(self, name).items() if n}
            object.__setattr__(self, name, MappingProxyType(counts))

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.instances} instances as {self.format}"]
        lines += [f"  lost {n}: {self.meaning.get(key, key)}" for key, n in self.lost.items()]
        lines += [f"  invented {n}: {key}" for key, n in self.invented.items()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain JSON-ready values."""
        return {
            "path": str(self.path),
            "format": self.format,
            "instances": self.instances,
            "lost": dict(self.lost),
            "invented": dict(self.invented),
        }


def require_file(path: str | Path) -> Path:
    """Return `path` as a Path to a file that is there and not empty.

    Raises:
        FileError: it is missing, a folder, a pipe, a device or empty.
    """
    path = Path(path)
    if is_dir(path):
        raise FileError("is a folder", path=path, expected="a file", fix="name a file in it")
    if not exists(path):
        parent = path.parent
        fix = (
            "check the spelling, and that you may enter its folder"
            if is_dir(parent)
            else f"the folder {parent} does not exist either"
        )
        raise FileError("no such file", path=path, fix=fix)
    if not is_file(path):
        raise FileError(
            "is a pipe or a device",
            path=path,
            expected="a file, which can be read twice",
            fix="save what it gives to a file and name that",
        )
    if path.stat().st_size == 0:
        raise FileError("the file is empty", path=path, fix="export or download it again")
    return path


def _unpacked(data: bytes, path: Path) -> bytes:
    """Unpack gzip, and stop where nothing that people write packs so well."""
    most = max(_SMALL, _RATIO * len(data))
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        found = packed.read(most + 1)
    if len(found) > most:
        raise FormatError(
            "packed far too tightly for a file of annotations",
            path=path,
            expected=f"at most {most} bytes",
            found=f"more in {len(data)}",
            fix="unpack it yourself if you trust it",
        )
    return found


def read_bytes(path: str | Path, *, marked: bool = False) -> bytes:
    """Read a whole file, unpacking gzip.

    Args:
        path: the file.
        marked: whether the text may begin with a byte-order mark, as spreadsheets write it.

    Raises:
        FileError: the file is missing, a folder, empty, unreadable, or its gzip stream is damaged.
        FormatError: the text begins with a byte-order mark, or is far larger than its gzip stream.
    """
    path = require_file(path)
    try:
        data = path.read_bytes()
        if data[:2] == _GZIP:
            data = _unpacked(data, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(
            f"damaged gzip: {error}", path=path, fix="compress or download it again"
        ) from None
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", path=path) from None
    if data[:3] == _BOM and not marked:
        raise FormatError(
            "the file begins with a UTF-8 byte-order mark",
            path=path,
            place="byte 0",
            expected="plain UTF-8",
            found="EF BB BF",
            fix="save it as UTF-8 without BOM",
        )
    return data


def read_head(path: Path, size: int = 65536) -> bytes:
    """Read the first `size` bytes, unpacking gzip; empty if that cannot be done.

    A byte-order mark is left out: the format is recognised, and its reader names the mark.
    """
    with suppress(OSError, EOFError, zlib.error), path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        with gzip.open(file) if packed else file as unpacked:
            return unpacked.read(size).removeprefix(_BOM)
    return b""


def refuse_losses(
    path: str | Path, lost: Mapping[str, int], meaning: Mapping[str, str], *, strict: bool
) -> None:
    """Before the first byte: under ``strict``, any loss is an error.

    Raises:
        FormatError: something would be lost; all losses are listed with their counts.
    """
    found = {key: n for key, n in lost.items() if n}
    if strict and found:
        listed = "; ".join(f"{meaning.get(key, key)} ({n})" for key, n in found.items())
        raise FormatError(
            f"writing would lose: {listed}",
            path=path,
            fix="write without --strict or to another format",
        )


def atomic_write(path: str | Path, chunks: Iterable[bytes]) -> None:
    """Write `chunks` beside `path` and move the file into place; on any error nothing is left.

    A name that ends in ``.gz`` is compressed, without a time stamp. A link stays one: the file that
    it leads to is replaced. A pipe or a device, such as ``/dev/stdout``, is written to as it is.

    Raises:
        FileError: the folder is missing or not writable, the disk is full, or `path` is a folder.
    """
    path = Path(path)
    if is_dir(path):
        raise FileError("is a folder", path=path, expected="a file name to write")
    try:
        if exists(path) and not is_file(path):
            with path.open("wb") as file:
                _write_chunks(file, chunks, packed=path.suffix == ".gz")
        else:
            _write_and_move(path.resolve() if path.is_symlink() else path, chunks)
    except OSError as error:
        missing = not is_dir(path.parent)
        raise FileError(
            f"cannot be written: {error.strerror or error}",
            path=path,
            fix="create the folder first"
            if missing
            else "name another file, in a folder that you may write to",
        ) from None


def _write_and_move(path: Path, chunks: Iterable[bytes]) -> None:
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            _write_chunks(file, chunks, packed=path.suffix == ".gz")
        _give_usual_mode(temporary)
        Path(temporary).replace(path)
        temporary = None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _write_chunks(file: IO[bytes], chunks: Iterable[bytes], *, packed: bool) -> None:
    if packed:
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as unpacked:
            unpacked.writelines(chunks)
    else:
        file.writelines(chunks)


def _give_usual_mode(path: str) -> None:
    """Give a temporary file, made private, the mode that a newly created file has."""
    mask = os.umask(0)
    os.umask(mask)
    Path(path).chmod(0o666 & ~mask)

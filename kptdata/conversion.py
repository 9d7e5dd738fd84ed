"""From one format and schema to another, with every account that the way gives."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kptdata import ops
from kptdata._sources import find_files, one_for_each, read_each
from kptdata.dataset import PoseDataset
from kptdata.errors import FileError, KptDataError, SchemaError
from kptdata.formats import DIALECTS, WriteReport, load_format, read_all, sniff, write_all
from kptdata.formats import format_of as name_of_format
from kptdata.formats.base import refuse_losses
from kptdata.ledger import Ledger
from kptdata.paths import exists, is_dir
from kptdata.schema import Schema, load_schema

__all__ = [
    "Conversion",
    "convert",
    "format_of_sources",
    "read_sources",
    "write_parts",
    "write_steps",
]

_LOSSES = (
    "lost ",
    "file-level texts that differ",
    "facts of images that differ",
)
"""How notes of a ledger begin that count values which are not in the result."""


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Attributes:
        report: what was written, lost and invented.
        ledgers: step in words -> its account, in order.
    """

    report: WriteReport
    ledgers: Mapping[str, Ledger]

    def to_dict(self) -> dict[str, object]:
        """Return both as plain JSON-ready values."""
        steps = {title: ledger.to_dict() for title, ledger in self.ledgers.items()}
        return {"written": self.report.to_dict(), "steps": steps}


def convert(
    source: str | Path | Sequence[str | Path],
    target: str | Path,
    *,
    source_format: str | Sequence[str | None] | None = None,
    target_format: str | None = None,
    schema: str | Path | Schema | None = None,
    source_schema: str | Path | Schema | None = None,
    images: str | Path | None = None,
    strict: bool = False,
    pad: bool = False,
    source_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Conversion:
    """Read files, map their keypoints if asked to, and write them in another format.

    Args:
        source: what to read: a file, a folder or a pattern, or several of them; see `read_files`.
        target: what to write.
        source_format: by default what `source` looks like; one for each, if there are several.
        target_format: by default what the name of `target` says.
        schema: keypoint schema of the result. A file that can be read as this schema (it names
            these points, names none, or holds the parts of a whole body) is; any other is mapped:
            points that it lacks are unlabelled, points that it has beside are lost, both counted.
        source_schema: schema to read the source as, where it does not say.
        images: folder of the source's images.
        strict: refuse any loss before a byte is written, that of a mapping too.
        pad: fill up skeletons where the format gives all of them one size; without it, skeletons of
            different sizes are refused there.
        source_options: for the reader.
        **options: for the writer.

    Raises:
        FormatError: something would be lost under `strict`.
        KptDataError: what `read_files`, `map_schema` and `write_all` raise.
    """
    paths = [source] if isinstance(source, str | Path) else list(source)
    name = target_format or name_of_format(target)
    wanted = load_schema(schema) if isinstance(schema, str | Path) else schema
    datasets, ledger = read_sources(
        paths, source_format, source_schema, wanted, images, source_options or {}
    )
    steps = {"read": ledger} if len(paths) > 1 or ledger.notes or ledger.repaired else {}
    if wanted is not None:
        datasets, mappings = _mapped(datasets, wanted)
        steps |= mappings
    if pad and "pad" in getattr(load_format(name), "OPTIONS", ()):
        options["pad"] = True
    return write_steps(datasets, target, steps, target_format=name, strict=strict, **options)


def format_of_sources(paths: Sequence[str | Path], formats: Sequence[str | None]) -> str | None:
    """Return the format that all files have which paths stand for; None if they differ.

    Raises:
        FileError: nothing is there.
        FormatError: no format claims a file, or several do.
    """
    found = set()
    for path, name in zip(paths, formats, strict=True):
        found |= {name or sniff(file) for file in find_files(path, format=name)[0]}
    return found.pop() if len(found) == 1 else None


def write_steps(
    datasets: Sequence[PoseDataset],
    target: str | Path,
    steps: Mapping[str, Ledger],
    *,
    target_format: str | None = None,
    strict: bool = False,
    **options: Any,
) -> Conversion:
    """Write what several steps gave; under `strict`, what they lost is an error as well.

    Raises:
        FormatError: something was or would be lost under `strict`.
        KptDataError: what `write_all` raises.
    """
    lost = {
        f"{title}: {note} ({count})": count
        for title, ledger in steps.items()
        for note, count in ledger.notes.items()
        if note.startswith(_LOSSES)
    }
    refuse_losses(target, lost, {key: key.rpartition(" (")[0] for key in lost}, strict=strict)
    report = write_all(datasets, target, format=target_format, strict=strict, **options)
    return Conversion(report, dict(steps))


def _mapped(
    datasets: Sequence[PoseDataset], wanted: Schema
) -> tuple[tuple[PoseDataset, ...], dict[str, Ledger]]:
    mapped, steps = [], {}
    for dataset in datasets:
        result, ledger = ops.map_schema(dataset, wanted)
        mapped.append(result)
        if result is not dataset:
            steps[f"map {dataset.schema.name} to {wanted.name}"] = ledger
    return tuple(mapped), steps


def read_sources(
    paths: Sequence[str | Path],
    source_format: str | Sequence[str | None] | None,
    source_schema: str | Path | Schema | None,
    wanted: Schema | None,
    images: str | Path | None,
    options: Mapping[str, Any],
) -> tuple[tuple[PoseDataset, ...], Ledger]:
    """Read what is to be mapped to `wanted`: as that schema if it can be, else as what it is.

    Arguments and errors are those of `convert`; the account is that of `kptdata.read_files`.
    """

    def reader(path: Path, name: str | None) -> tuple[PoseDataset, ...]:
        if source_schema is not None or wanted is None:
            return read_all(path, format=name, schema=source_schema, images=images, **options)
        # A file whose points are not the wanted schema's is read as what it is, and mapped; a
        # dialect knows what that is.
        first, second = (None, wanted) if name in DIALECTS else (wanted, None)
        try:
            return read_all(path, format=name, schema=first, images=images, **options)
        except SchemaError:
            return read_all(path, format=name, schema=second, images=images, **options)

    return read_each(paths, one_for_each(source_format, len(paths)), reader)


def write_parts(
    parts: Mapping[str, tuple[Sequence[PoseDataset], Ledger]],
    folder: str | Path,
    steps: Mapping[str, Ledger],
    *,
    target_format: str,
    suffix: str | None = None,
    strict: bool = False,
    **options: Any,
) -> dict[str, Conversion]:
    """Write each part as a file, or a folder, named after it.

    Args:
        parts: name -> datasets and the account of their choice, as `ops.split_all` gives them.
        folder: where to; made if need be.
        steps: what was done before.
        target_format: of all parts.
        suffix: ending of the files' names; by default what the format has.
        strict: refuse any loss.
        **options: for the writer.

    Raises:
        FileError: the folder cannot be made. On any error, what is new is taken away again.
        KptDataError: what `write_all` raises.
    """
    folder = Path(folder)
    module = load_format(target_format)
    if suffix is None:
        suffix = "" if getattr(module, "FOLDER", False) else next(iter(module.SUFFIXES), ".json")
    made = not exists(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        fix = "create the folder above it first" if not is_dir(folder.parent) else None
        raise FileError(
            f"cannot be made: {error.strerror or error}", path=folder, fix=fix
        ) from None
    written: dict[str, Conversion] = {}
    fresh = {name: not (folder / f"{name}{suffix}").exists() for name in parts}
    try:
        for name, (datasets, ledger) in parts.items():
            written[name] = write_steps(
                datasets,
                folder / f"{name}{suffix}",
                dict(steps) | {f"split {name}": ledger},
                target_format=target_format,
                strict=strict,
                **options,
            )
    except KptDataError:
        for name in (name for name in written if fresh[name]):
            _remove(folder / f"{name}{suffix}")
        if made:
            folder.rmdir()
        raise
    return written


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()

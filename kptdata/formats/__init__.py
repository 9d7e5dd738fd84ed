"""Files to datasets and back: one table of formats, sniffing, reading, writing."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from kptdata._plugins import Table
from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, FileError, FormatError, UnknownNameError
from kptdata.formats._catalogue import FormatFacts, facts_of
from kptdata.formats._coco_dialects import DIALECTS
from kptdata.formats._trivia import without_trivia
from kptdata.formats.base import Sniff, WriteReport, require_file
from kptdata.paths import is_dir
from kptdata.schema import Schema, load_schema

__all__ = [
    "DIALECTS",
    "FORMATS",
    "FormatFacts",
    "Sniff",
    "WriteReport",
    "catalogue",
    "format_of",
    "load_format",
    "read",
    "read_all",
    "sniff",
    "write",
    "write_all",
]

FORMATS: Table[ModuleType] = Table(
    "format",
    {
        "coco": "kptdata.formats.coco",
        "coco_results": "kptdata.formats.coco_results",
        "mpii": "kptdata.formats.mpii",
        "mpii_hrnet": "kptdata.formats.mpii_hrnet",
        "mpii_h5": "kptdata.formats.mpii_h5",
        "yolo_pose": "kptdata.formats.yolo_pose",
        "cvat_images": "kptdata.formats.cvat_images",
        "cvat_video": "kptdata.formats.cvat_video",
        "label_studio": "kptdata.formats.label_studio",
        "labelme": "kptdata.formats.labelme",
        "openpose": "kptdata.formats.openpose",
        "mediapipe": "kptdata.formats.mediapipe",
        "sleap": "kptdata.formats.sleap",
        "sleap_analysis": "kptdata.formats.sleap_analysis",
        "csv": "kptdata.formats.wide_csv",
        "deeplabcut": "kptdata.formats.deeplabcut",
        "datumaro": "kptdata.formats.datumaro",
    },
)
"""Name -> module; more through the entry-point group ``kptdata.formats``."""


def catalogue(*, dialects: bool = False) -> tuple[FormatFacts, ...]:
    """Return what each format of the table says about itself: names, files, options, losses.

    Args:
        dialects: tell of the dialects of COCO instead.
    """
    return tuple(facts_of(name, load_format(name)) for name in (DIALECTS if dialects else FORMATS))


def load_format(name: str) -> Any:
    """Return what reads and writes a format: its module, or a dialect of COCO in its place.

    Raises:
        UnknownNameError: no format and no dialect is called so; near names are listed.
    """
    if name in DIALECTS:
        from kptdata.formats.coco_dialects import DialectFormat

        return DialectFormat(DIALECTS[name])
    if name not in FORMATS and not {".", ":"} & set(name):
        raise UnknownNameError("format", name, (*FORMATS, *DIALECTS))
    return FORMATS.load(name)


def sniff(path: str | Path) -> str:
    """Return the name of the format that a file is in.

    Raises:
        FileError: the file is missing or empty.
        FormatError: no format claims it, or two claim it equally; all reasons are given.
    """
    path = Path(path)
    if not is_dir(path):
        require_file(path)
    verdicts = {name: FORMATS.load(name).sniff(path) for name in FORMATS}
    ranked = sorted(verdicts.items(), key=lambda item: -item[1].confidence)
    (best, verdict), others = ranked[0], ranked[1:]
    if verdict.confidence <= 0:
        kind, fix = ("folder", "name a file in it, or") if is_dir(path) else ("file", "")
        raise FormatError(
            f"no known format claims this {kind}",
            path=path,
            found=_by_reason({name: v.reasons for name, v in ranked if v.reasons}),
            fix=f"{fix} name the format (--from)".lstrip(),
        )
    ties = [(n, v) for n, v in others if v.confidence >= verdict.confidence]
    if ties:
        claims = "; ".join(f"{n}: {', '.join(v.reasons)}" for n, v in [(best, verdict), *ties])
        raise FormatError(
            "several formats claim this",
            path=path,
            found=claims,
            fix="name one of them (--from)",
        )
    return best


def _by_reason(reasons: Mapping[str, tuple[str, ...]]) -> str:
    """Say each reason once, before the formats that gave it."""
    formats: dict[str, list[str]] = {}
    for name, given in reasons.items():
        formats.setdefault(", ".join(given), []).append(name)
    return "; ".join(f"{reason} ({', '.join(names)})" for reason, names in formats.items())


def read(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the public name
    schema: str | Path | Schema | None = None,
    images: str | Path | None = None,
    **options: Any,
) -> PoseDataset:
    """Read a file that holds one skeleton.

    Args:
        path: the annotation file.
        format: its format; sniffed if not given. A given format always wins.
        schema: the keypoint schema, by name, path or value; from the file if it names its points.
        images: folder of the images, for sizes and other facts that only they hold.
        **options: what the format's own module takes.

    Raises:
        FileError: the file cannot be read.
        FormatError: it is not in the format; several skeletons are in it (use `read_all`).
        UnknownNameError: no such format, schema or option.
    """
    found = read_all(path, format=format, schema=schema, images=images, **options)
    if len(found) != 1:
        held = ", ".join(f"{ds.schema.name} ({len(ds)} instances)" for ds in found)
        raise FormatError(
            f"the file holds {len(found)} skeletons",
            path=path,
            expected="one",
            found=held,
            fix="use kptdata.read_all, or choose one where the format can (coco: category=...)",
        )
    return found[0]


def read_all(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the public name
    schema: str | Path | Schema | None = None,
    images: str | Path | None = None,
    **options: Any,
) -> tuple[PoseDataset, ...]:
    """Read a file into one dataset per skeleton; arguments and errors as for `read`."""
    name = format or sniff(path)
    module = load_format(name)
    _check_options(f"option of the reader of {name}", options, facts_of(name, module).read_options)
    chosen = schema if schema is None or isinstance(schema, Schema) else load_schema(schema)
    folder = None if images is None else Path(images)
    if folder is not None and not is_dir(folder):
        raise FileError("no such folder of images", path=folder, fix="check --images")
    with _without_collection():
        datasets: tuple[PoseDataset, ...] = module.read_all(
            Path(path), schema=chosen, images=folder, **options
        )
    return datasets


@contextmanager
def _without_collection() -> Iterator[None]:
    """Rest the cycle collector: walking millions of new lists costs a sixth of a read."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def write(
    dataset: PoseDataset,
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the public name
    strict: bool = False,
    **options: Any,
) -> WriteReport:
    """Write one dataset; see `write_all`."""
    return write_all([dataset], path, format=format, strict=strict, **options)


def write_all(
    datasets: Sequence[PoseDataset],
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the public name
    strict: bool = False,
    **options: Any,
) -> WriteReport:
    """Write datasets into one file, interleaved by their `order`.

    Args:
        datasets: what to write; one per skeleton.
        path: where to; moved into place when complete.
        format: by default the only one with the name's suffix.
        strict: refuse, before the first byte, if anything would be lost.
        **options: what the format's own module takes.

    Returns:
        What was written, lost and invented, with counts.

    Raises:
        FormatError: something would be lost under `strict`; the suffix does not tell the format.
        FileError: the file cannot be written.
        DatasetError: there is nothing to write, or the format cannot hold such a dataset at all.
        UnknownNameError: no such format or option.
    """
    if not datasets:
        raise DatasetError("write: no dataset given")
    name = format or format_of(path)
    module = load_format(name)
    _check_options(f"option of the writer of {name}", options, module.OPTIONS)
    own = "coco" if name in DIALECTS else name
    seen = tuple(without_trivia(dataset, own, FORMATS) for dataset in datasets)
    report: WriteReport = module.write_all(seen, Path(path), strict=strict, **options)
    return report


def _check_options(kind: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for option in given:
        if option not in known:
            raise UnknownNameError(kind, option, known)


def format_of(path: str | Path) -> str:
    """Return the only format that writes files with such a name.

    Raises:
        FormatError: none does, or several do.
    """
    path = Path(path)
    suffixes = {n: [s for s in FORMATS.load(n).SUFFIXES if path.name.endswith(s)] for n in FORMATS}
    longest = max((len(s) for own in suffixes.values() for s in own), default=0)
    claims = [n for n, own in suffixes.items() if any(len(s) == longest for s in own)]
    if len(claims) == 1:
        return claims[0]
    raise FormatError(
        "the name does not tell the format",
        path=path,
        found=f"{path.suffix or 'no suffix'}: {', '.join(claims) or 'no format'} would do",
        fix=f"name the format (--to): {', '.join(FORMATS)}",
    )

"""From one format and schema to another, with every account that the way gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kptdata import ops
from kptdata.dataset import PoseDataset
from kptdata.errors import SchemaError
from kptdata.formats import FORMATS, WriteReport, read_all, write_all
from kptdata.formats import format_of as name_of_format
from kptdata.ledger import Ledger
from kptdata.schema import Schema, load_schema

__all__ = ["Conversion", "convert"]


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
    source: str | Path,
    target: str | Path,
    *,
    source_format: str | None = None,
    target_format: str | None = None,
    schema: str | Path | Schema | None = None,
    source_schema: str | Path | Schema | None = None,
    images: str | Path | None = None,
    strict: bool = False,
    **options: Any,
) -> Conversion:
    """Read a file, map its keypoints if asked to, and write it in another format.

    Args:
        source: what to read.
        target: what to write.
        source_format: by default what `source` looks like.
        target_format: by default what the name of `target` says.
        schema: keypoint schema of the result. A file that can be read as this schema (it names
            these points, names none, or holds the parts of a whole body) is; any other is mapped.
        source_schema: schema to read the source as, where it does not say.
        images: folder of the source's images.
        strict: refuse any loss before a byte is written.
        **options: for the writer, as far as it takes them.

    Raises:
        KptDataError: what `read_all`, `map_schema` and `write_all` raise.
    """
    wanted = load_schema(schema) if isinstance(schema, str | Path) else schema
    datasets = _read(source, source_format, source_schema, wanted, images)
    ledgers: dict[str, Ledger] = {}
    if wanted is not None:
        mapped = []
        for dataset in datasets:
            result, ledger = ops.map_schema(dataset, wanted)
            mapped.append(result)
            if result is not dataset:
                ledgers[f"map {dataset.schema.name} to {wanted.name}"] = ledger
        datasets = tuple(mapped)
    name = target_format or name_of_format(target)
    taken = {k: v for k, v in options.items() if k in getattr(FORMATS.load(name), "OPTIONS", ())}
    report = write_all(datasets, target, format=name, strict=strict, **taken)
    return Conversion(report, ledgers)


def _read(
    source: str | Path,
    source_format: str | None,
    source_schema: str | Path | Schema | None,
    wanted: Schema | None,
    images: str | Path | None,
) -> tuple[PoseDataset, ...]:
    if source_schema is not None or wanted is None:
        return read_all(source, format=source_format, schema=source_schema, images=images)
    try:
        return read_all(source, format=source_format, schema=wanted, images=images)
    except SchemaError:
        # The file's points are not the wanted schema's: read them as what they are, and map.
        return read_all(source, format=source_format, images=images)

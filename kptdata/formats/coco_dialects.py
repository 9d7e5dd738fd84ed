"""The dialects of COCO as formats: the same JSON, read and written by the habits of one dataset.

A dialect is given by name and never recognised: ``--from crowdpose``, ``crowdpose:val.json``,
``kptdata.read(path, format="crowdpose")``. `kptdata.formats.DIALECTS` holds what each one is, and
docs/formats/coco_dialects.md says it in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, SchemaError
from kptdata.formats import _coco_write, coco
from kptdata.formats._coco_complete import Habits
from kptdata.formats._coco_truth import read_ground_truth
from kptdata.formats._coco_write import write_ground_truth
from kptdata.formats._dialect import Dialect
from kptdata.formats._dialect_data import as_in_file, is_own, of_file
from kptdata.formats._dialect_lists import takes_fuller, widened
from kptdata.formats._dialect_points import LOSSES
from kptdata.formats.base import Sniff, WriteReport
from kptdata.schema import Schema, load_schema

__all__ = ["DialectFormat"]


class DialectFormat:
    """One dialect, with what a format's module has.

    Args:
        dialect: what sets its files apart from COCO's.
    """

    SUFFIXES: tuple[str, ...] = ()  # the names of its files are COCO's
    OPTIONS = ("complete", "area", "keep_empty")

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.TITLE = dialect.title
        own = {1: {"visibility_occluded"}, 2: {"visibility_visible"}}.get(dialect.labelled or 0, ())
        gone = {"visibility_labelled"} if dialect.labelled else set()
        self.LOSSES: Mapping[str, str] = {
            **{key: text for key, text in _coco_write.LOSSES.items() if key not in gone},
            **{key: LOSSES[key] for key in own},
        }

    def sniff(self, path: str | Path) -> Sniff:
        """Say whether a file is COCO's: nothing in it tells which dialect."""
        return coco.sniff(path)

    def read_all(
        self,
        path: str | Path,
        *,
        schema: Schema | None = None,
        images: Path | None = None,  # noqa: ARG002 - COCO states sizes itself
        category: int | str | None = None,
    ) -> tuple[PoseDataset, ...]:
        """Read a file into one dataset per skeleton.

        Args:
            path: the file, possibly gzipped.
            schema: schema of the points; by default the dialect's.
            images: not needed here.
            category: read only this category, by name or id.

        Raises:
            FileError: the file cannot be read.
            FormatError: it is not COCO's JSON; the message names the annotation.
            SchemaError: its points are not those of the dialect.
        """
        own = self.dialect
        fuller = schema if takes_fuller(schema, own) else None
        try:
            found = read_ground_truth(
                Path(path),
                schema=load_schema(own.schema) if schema is None or fuller else schema,
                category=category,
                dialect=own.name,
                misnamed=own.misnamed if schema is None else (),
            )
        except SchemaError as error:
            if schema is not None:
                raise
            raise SchemaError(
                error.problem,
                path=path,
                place=error.place,
                expected=error.expected,
                found=error.found,
                fix=f"this is no file of {own.name}: read it as coco, or name another dialect",
            ) from None
        if fuller is not None:
            found = tuple(
                widened(ds, own, fuller, Path(path)) if is_own(ds, own) else ds for ds in found
            )
        return of_file(found, own)

    def write_all(
        self,
        datasets: Sequence[PoseDataset],
        path: str | Path,
        *,
        strict: bool = False,
        complete: bool | None = None,
        area: str | None = None,
        keep_empty: bool = False,
    ) -> WriteReport:
        """Write datasets into one file as the dialect's own files are.

        Args:
            datasets: what to write; interleaved by their `order`.
            path: where to; ``.gz`` is compressed.
            strict: refuse, before the first byte, if anything would be lost.
            complete: give what the dialect's files have and the source does not say. By default
                for data that was not read from COCO or a dialect.
            area: rule for areas that are given, as for `kptdata.formats.coco.write_all`; by
                default the dialect's.
            keep_empty: when completing, also write people with neither points nor a box.

        Raises:
            OptionError: no such rule for `area`.
            FormatError: something would be lost under `strict`.
            FileError: the file cannot be written.
            DatasetError: the keypoints are not the dialect's.
        """
        own = self.dialect
        for dataset in datasets:
            if not is_own(dataset, own):
                raise DatasetError(
                    f"write: files of {own.name} hold the keypoints of {own.schema}, and these are "
                    f"of {dataset.schema.name}; map them (kptdata.ops.map_schema, --schema "
                    f"{own.schema}), or write coco"
                )
        ready, lost = as_in_file(datasets, own)
        without = own.without if area is None else own.without - {"area"}
        return write_ground_truth(
            ready,
            Path(path),
            strict=strict,
            complete=complete,
            area=area or own.area,
            keep_empty=keep_empty,
            habits=Habits(own.name, own.category, own.first_link, without, own.counted, own.nested),
            lost=lost,
            meaning=self.LOSSES,
        )

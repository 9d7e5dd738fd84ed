"""Keypoint annotations: schemas, formats, boxes, codecs, transforms, metrics and pictures.

>>> import kptdata as kd
>>> kd.load_schema("coco").num_keypoints
17
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kptdata.checks import Finding, check
from kptdata.conversion import Conversion, convert
from kptdata.dataset import CameraTable, ImageTable, PoseDataset, RawColumn, Space
from kptdata.errors import (
    ArrayError,
    DatasetError,
    FileError,
    FormatError,
    KptDataError,
    KptDataWarning,
    MissingDependencyError,
    OptionError,
    SchemaError,
    UnknownNameError,
)
from kptdata.formats import WriteReport, read, read_all, write, write_all
from kptdata.ledger import Ledger
from kptdata.schema import (
    Keypoint,
    Link,
    Normaliser,
    Schema,
    SchemaMap,
    infer_schema,
    list_schemas,
    load_schema,
    map_schemas,
)
from kptdata.summary import summarise
from kptdata.visibility import Visibility

if TYPE_CHECKING:
    from kptdata import (
        affine,
        bbox,
        checks,
        codecs,
        evaluators,
        formats,
        keypoints,
        metrics,
        ops,
        plugins,
        viz,
    )

__all__ = [
    "ArrayError",
    "CameraTable",
    "Conversion",
    "DatasetError",
    "FileError",
    "Finding",
    "FormatError",
    "ImageTable",
    "Keypoint",
    "KptDataError",
    "KptDataWarning",
    "Ledger",
    "Link",
    "MissingDependencyError",
    "Normaliser",
    "OptionError",
    "PoseDataset",
    "RawColumn",
    "Schema",
    "SchemaError",
    "SchemaMap",
    "Space",
    "UnknownNameError",
    "Visibility",
    "WriteReport",
    "affine",
    "bbox",
    "check",
    "checks",
    "codecs",
    "convert",
    "evaluators",
    "formats",
    "infer_schema",
    "keypoints",
    "list_schemas",
    "load_schema",
    "map_schemas",
    "metrics",
    "ops",
    "plugins",
    "read",
    "read_all",
    "summarise",
    "viz",
    "write",
    "write_all",
]

_SUBMODULES = frozenset(
    {
        "affine",
        "bbox",
        "checks",
        "codecs",
        "evaluators",
        "formats",
        "keypoints",
        "metrics",
        "ops",
        "plugins",
        "viz",
    }
)


def __getattr__(name: str) -> Any:
    """Import a public submodule when it is first used."""
    if name in _SUBMODULES:
        return import_module(f"kptdata.{name}")
    raise AttributeError(f"module 'kptdata' has no attribute {name!r}")

"""Keypoint annotations: schemas, formats, boxes, codecs, transforms, metrics and pictures.

Names are imported when they are first used, so that ``import kptdata`` costs next to nothing.

>>> import kptdata as kd
>>> kd.load_schema("coco").num_keypoints
17
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Both are needed by everything; here, so that a missing one shows at once.
import array_api_compat as _array_api_compat  # noqa: F401
import numpy as np  # noqa: F401

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
        synth,
        transforms,
        viz,
    )
    from kptdata._sources import read_files
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
        ImportedSchema,
        Inference,
        Keypoint,
        Link,
        Normaliser,
        Paper,
        Schema,
        SchemaMap,
        fitting_schemas,
        import_dataset_info,
        infer_schema,
        list_schemas,
        load_schema,
        map_schemas,
        validate_schema,
        validate_schemas,
    )
    from kptdata.summary import summarise
    from kptdata.visibility import Visibility

__all__ = [
    "ArrayError",
    "CameraTable",
    "Conversion",
    "DatasetError",
    "FileError",
    "Finding",
    "FormatError",
    "ImageTable",
    "ImportedSchema",
    "Inference",
    "Keypoint",
    "KptDataError",
    "KptDataWarning",
    "Ledger",
    "Link",
    "MissingDependencyError",
    "Normaliser",
    "OptionError",
    "Paper",
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
    "fitting_schemas",
    "formats",
    "import_dataset_info",
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
    "read_files",
    "summarise",
    "synth",
    "transforms",
    "validate_schema",
    "validate_schemas",
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
        "synth",
        "transforms",
        "viz",
    }
)
_HOME = {
    name: module
    for module, names in {
        "_sources": "read_files",
        "checks": "Finding check",
        "conversion": "Conversion convert",
        "dataset": "CameraTable ImageTable PoseDataset RawColumn Space",
        "errors": "ArrayError DatasetError FileError FormatError KptDataError KptDataWarning "
        "MissingDependencyError OptionError SchemaError UnknownNameError",
        "formats": "WriteReport read read_all write write_all",
        "ledger": "Ledger",
        "schema": "ImportedSchema Inference Keypoint Link Normaliser Paper Schema SchemaMap "
        "fitting_schemas import_dataset_info infer_schema list_schemas load_schema map_schemas "
        "validate_schema validate_schemas",
        "summary": "summarise",
        "visibility": "Visibility",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    """Import a public name, or a public submodule, when it is first used."""
    if name in _SUBMODULES:
        return import_module(f"kptdata.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'kptdata' has no attribute {name!r}")
    value = getattr(import_module(f"kptdata.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Checkpoints: weights with the schema, codec and run that they belong to."""

from __future__ import annotations

import pickle
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kptdata.errors import FileError, OptionError
from kptdata.schema import Schema, parse_toml
from kptdata_models.build import build_codec, build_model
from kptdata_models.estimator import TopdownPoseEstimator
from kptdata_models.runfile import Run

__all__ = ["KEY", "Checkpoint", "check_schema", "facts", "read_checkpoint", "read_facts"]

KEY = "kptdata"
"""Where a checkpoint file keeps what belongs to the weights."""
_PACKAGES = ("kptdata", "torch", "lightning", "numpy")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds for prediction.

    Attributes:
        path: the file.
        schema: of the keypoints that the model predicts.
        run: the resolved run that made it.
        weights: of the estimator; the running average where there is one.
        versions: package -> version that it was made with.
        epoch: passes that were completed.
    """

    path: Path
    schema: Schema
    run: Run
    weights: Mapping[str, Tensor]
    versions: Mapping[str, str]
    epoch: int

    def build(self) -> TopdownPoseEstimator:
        """Make the model and give it the weights."""
        # Weights to start from are part of the weights here; their file may be gone.
        model = build_model(self.run.model, build_codec(self.run.codec), self.schema)
        try:
            model.load_state_dict(dict(self.weights), strict=True)
        except RuntimeError as error:
            raise FileError(f"weights and run do not fit ({error})", path=self.path) from error
        return model.eval()


def facts(schema: Schema, run: Run) -> dict[str, Any]:
    """Return what is stored beside the weights, as plain texts."""
    return {
        "schema": schema.to_toml(),
        "codec": dict(run.codec),
        "run": run.to_toml(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def read_facts(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint file as it is.

    Raises:
        FileError: it is not there, is damaged, would have to run code, or was not made by us.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError("no such checkpoint", path=path, fix="give the path of a .ckpt file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FileError("holds objects that would have to be run", path=path) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise FileError(f"not a checkpoint ({error})", path=path) from error
    stored = content.get(KEY) if isinstance(content, Mapping) else None
    if not isinstance(stored, Mapping) or "schema" not in stored:
        raise FileError(
            "has no keypoint schema",
            path=path,
            expected="a checkpoint of kpt train",
            fix="a bare weights file goes into a run file as model.weights",
        )
    lost = [key for key in ("codec", "run", "versions") if key not in stored]
    lost += [key for key in ("state_dict",) if key not in content]
    if lost:
        raise FileError(f"lacks {', '.join(lost)}", path=path, expected="a checkpoint of kpt train")
    return dict(content)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint that `kpt train` made.

    Raises:
        FileError: the file cannot be read, or has no schema.
        SchemaError: its schema breaks a rule.
    """
    content = read_facts(path)
    stored = content[KEY]
    state = content["state_dict"] | stored.get("ema", {})
    return Checkpoint(
        path=Path(path),
        schema=parse_toml(stored["schema"]),
        run=Run.from_dict(tomllib.loads(stored["run"])),
        weights={
            name.removeprefix("model."): value
            for name, value in state.items()
            if name.startswith("model.")
        },
        versions=dict(stored["versions"]),
        epoch=int(content.get("epoch", 0)),
    )


def check_schema(expected: Schema, found: Schema, who: str) -> None:
    """Refuse data of another schema: equal names in equal order are asked for.

    Args:
        expected: of the model.
        found: of the data.
        who: what the model is called in the message.

    Raises:
        OptionError: the names differ.
    """
    if expected.names == found.names:
        return
    raise OptionError(
        f"schema: {who} predicts {expected.num_keypoints} keypoints of {expected.name!r}, the data "
        f"have {found.num_keypoints} of {found.name!r}; "
        f"map them with kpt convert --schema {expected.name}"
    )

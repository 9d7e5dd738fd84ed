"""Weights from a file into a module, with a table of what matched and what did not."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kptdata.errors import FileError, OptionError

__all__ = ["WeightMatch", "load_weights", "read_weights"]

# Where checkpoints of the field keep the parameters, in the order in which we look.
_CONTAINERS = ("state_dict", "model", "model_state_dict", "module")


@dataclass(frozen=True)
class WeightMatch:
    """Which entries of a file went into which parameters.

    Args:
        source: the file.
        matched: names that were loaded.
        missing: names that the module has and the file has not.
        unexpected: names that the file has and the module has not.
        mismatched: name -> (shape in the module, shape in the file).
    """

    source: Path
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def complete(self) -> bool:
        """Whether file and module have the same names and shapes."""
        return not (self.missing or self.unexpected or self.mismatched)

    def table(self, most: int = 8) -> str:
        """Return the match as text; of each kind of difference the first `most` names."""
        lines = [f"weights from {self.source}", f"  matched     {len(self.matched)}"]
        shapes = [
            f"{name}: module {ours}, file {theirs}"
            for name, (ours, theirs) in self.mismatched.items()
        ]
        for label, names in (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("mismatched", shapes),
        ):
            lines.append(f"  {label:<11} {len(names)}")
            lines += [f"    {name}" for name in names[:most]]
            if len(names) > most:
                lines.append(f"    and {len(names) - most} more")
        return "\n".join(lines)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or of a weights-only ``.pth``, ``.pt`` or ``.ckpt``.

    No code in the file is run.

    Raises:
        FileError: the file is not there, is no such file, or would have to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError("no such file", path=path, fix="give the path of a weights file")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FileError(
            "holds objects other than weights, which would have to be run to be read",
            path=path,
            fix="save its state dict alone, or as safetensors, where you trust the file",
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise FileError(f"not a torch weights file ({error})", path=path) from error
    return _tensors(content, path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise FileError(f"not a safetensors file ({error})", path=path) from error


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    for key in _CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    found = (
        {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not found:
        raise FileError(
            "holds no weights",
            path=path,
            expected="a mapping of names to tensors, or one under " + ", ".join(_CONTAINERS),
            found=type(content).__name__,
        )
    return found


def load_weights(
    module: nn.Module,
    path: str | Path,
    *,
    prefix: str = "",
    into: str = "",
    strict: bool = False,
) -> WeightMatch:
    """Copy the tensors of a file into `module` where name and shape agree.

    Args:
        module: changed in place.
        path: safetensors, or a weights-only torch file.
        prefix: read only names that start with it, and cut it off (``backbone.``).
        into: load into this part of the module only (``backbone``).
        strict: refuse any difference.

    Raises:
        FileError: the file cannot be read, nothing matches, or `strict` and something differs.
        OptionError: `prefix` or `into` names nothing.
    """
    tensors = read_weights(path)
    if prefix:
        kept = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        if not kept:
            first = sorted({name.split(".")[0] + "." for name in tensors})
            raise OptionError(
                f"prefix: no weight in {path} starts with {prefix!r}; "
                f"they start with {', '.join(first)}"
            )
        tensors = kept
    try:
        target = module.get_submodule(into)
    except AttributeError as error:
        parts = ", ".join(name for name, _ in module.named_children())
        raise OptionError(f"into: the module has no part {into!r}; it has {parts}") from error
    match = _match(target, tensors, Path(path))
    if not match.matched or (strict and not match.complete):
        raise FileError(
            "the weights do not fit the model" if match.matched else "no weight fits the model",
            path=path,
            fix=f"check prefix and model; the match was\n{match.table()}",
        )
    target.load_state_dict({name: tensors[name] for name in match.matched}, strict=False)
    return match


def _match(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> WeightMatch:
    ours = module.state_dict()
    shared = [name for name in ours if name in tensors]
    mismatched = {
        name: (tuple(ours[name].shape), tuple(tensors[name].shape))
        for name in shared
        if ours[name].shape != tensors[name].shape
    }
    return WeightMatch(
        source=source,
        matched=tuple(name for name in shared if name not in mismatched),
        missing=tuple(name for name in ours if name not in tensors),
        unexpected=tuple(name for name in tensors if name not in ours),
        mismatched=mismatched,
    )

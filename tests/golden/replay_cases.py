"""The cases of a golden folder, and how a case's figures are compared with the project's.

A folder is laid out like this, every part optional:

    index.json          bbox, keypoint, codecs, metrics: rows with group, name, file, params
    losses/index.json   rows with file, loss, params; an .npz without a row is a case of its own
    ap/index.json       name -> ground truth, results and the expected figures
    models/*.json       one case per file

A listed case whose file is not there belongs to the whole folder, not to this part of it: it is
left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

Backend = Literal["numpy", "torch"]
BACKENDS: tuple[Backend, ...] = ("numpy", "torch")
RTOL = 1e-5
# Rounding steps of the coarser of the two element types, at the largest magnitude of the array: all
# that is left near zero after a few operations on numbers of that magnitude.
ATOL_STEPS = 8


class FolderError(Exception):
    """The folder is no golden folder, or one of its index files cannot be read."""


class NoCounterpartError(Exception):
    """The project has nothing that this case could be replayed against."""


@dataclass(frozen=True)
class Case:
    """One recorded call of the reference.

    Attributes:
        group: the group that it belongs to, which is also its folder.
        name: its name within the group, such as ``convert0`` or ``msra/encode0``.
        root: the golden folder.
        entry: its row in the index, or for ``models`` the whole file.
        file: the file with its figures; for ``ap`` the ground truth.
    """

    group: str
    name: str
    root: Path
    entry: Mapping[str, Any]
    file: Path

    @property
    def params(self) -> Mapping[str, Any]:
        """What the reference was called with, beside the arrays."""
        return self.entry.get("params", {})

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Load the arrays whose names begin with `prefix`, under their names without it."""
        with np.load(self.file, allow_pickle=False) as data:
            return {key[len(prefix) :]: data[key] for key in data.files if key.startswith(prefix)}

    def inputs(self, backend: Backend = "numpy") -> dict[str, Any]:
        """Load the arrays ``in.*`` as arrays of the `backend`, under their bare names."""
        return {name: to_backend(array, backend) for name, array in self.arrays("in.").items()}

    def expected(self) -> dict[str, np.ndarray]:
        """Load the arrays ``out.*``, under their bare names."""
        return self.arrays("out.")

    def is_kept(self, prefixes: list[str] | None) -> bool:
        """Tell whether the name, bare or after its group, begins with one of the `prefixes`.

        Capitals do not matter: codecs are written ``MSRAHeatmap``, their cases ``msra/encode0``.
        """
        if prefixes is None:
            return True
        name = self.name.lower()
        path = f"{self.group}/{name}"
        return any(
            name.startswith(prefix) or ("/" in prefix and path.startswith(prefix))
            for prefix in map(str.lower, prefixes)
        )


def find_cases(root: Path, group: str) -> list[Case]:
    """List the cases of a `group` that are there, in the order of the index.

    Raises:
        FolderError: an index file is no JSON, or a row of it lacks a key.
    """
    finders = {"losses": _loss_cases, "ap": _ap_cases, "models": _model_cases}
    finder = finders.get(group, _indexed_cases)
    try:
        return [case for case in finder(root, group) if case.file.is_file()]
    except (KeyError, TypeError, AttributeError) as error:
        raise FolderError(f"{root}: the index of group {group} is malformed: {error!r}") from error


def is_golden_folder(root: Path) -> bool:
    """Tell whether at least one group's index is there."""
    indices = ("index.json", "losses/index.json", "ap/index.json")
    return any((root / index).is_file() for index in indices) or any(root.glob("models/*.json"))


def _indexed_cases(root: Path, group: str) -> Iterator[Case]:
    for row in _read_json(root / "index.json", []):
        if row["group"] == group:
            yield Case(group, row["name"], root, row, root / row["file"])


def _loss_cases(root: Path, group: str) -> Iterator[Case]:
    rows = {root / row["file"]: row for row in _read_json(root / "losses" / "index.json", [])}
    unlisted = {path: {} for path in sorted(root.glob("losses/*.npz")) if path not in rows}
    for path, row in (rows | unlisted).items():
        yield Case(group, path.stem, root, row, path)


def _ap_cases(root: Path, group: str) -> Iterator[Case]:
    for name, row in _read_json(root / "ap" / "index.json", {}).items():
        yield Case(group, name, root, row, root / row["gt"])


def _model_cases(root: Path, group: str) -> Iterator[Case]:
    for path in sorted(root.glob("models/*.json")):
        if path.name != "index.json":
            yield Case(group, path.stem, root, _read_json(path, {}), path)


def _read_json(path: Path, absent: Any) -> Any:
    if not path.is_file():
        return absent
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FolderError(f"{path}: cannot be read as JSON: {error}") from error


def to_backend(array: np.ndarray, backend: Backend) -> Any:
    """Turn a NumPy array into one of the `backend`, element type kept."""
    if backend == "numpy":
        return array
    import torch

    return torch.from_numpy(np.array(array))


def to_numpy(array: Any) -> np.ndarray:
    """Turn a number, a sequence, a NumPy array or a torch tensor into a NumPy array."""
    if hasattr(array, "detach"):
        array = array.detach().cpu().numpy()
    return np.asarray(array)


def differences(
    what: str,
    expected: Any,
    found: Any,
    *,
    rtol: float = RTOL,
    atol: float | np.ndarray | None = None,
    missing: float | None = None,
) -> list[str]:
    """Say how `found` differs from `expected`, by shape and by value; nothing where it does not.

    NaN equals NaN, infinity equals itself. Whole numbers and booleans are compared exactly. Element
    types need not agree: a figure may come in float64 from float32 arithmetic.

    Args:
        what: name of the figure, first word of the sentence.
        expected: the reference's figure.
        found: the project's figure, from any backend.
        rtol: relative tolerance.
        atol: absolute tolerance; by default `ATOL_STEPS` rounding steps of the coarser element type
            at the largest finite magnitude of `expected`.
        missing: a number that stands for "no value" in the reference, where the project has NaN.
    """
    expected, found = to_numpy(expected), to_numpy(found)
    if expected.shape != found.shape:
        return [f"{what}: expected shape {expected.shape}, found {found.shape}"]
    if atol is None:
        atol = _rounding(expected, found)
    if _is_exact(expected) and _is_exact(found):
        rtol, atol = 0.0, 0.0
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    if missing is not None:
        expected = np.where(expected == missing, np.nan, expected)
    close = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return []
    return [f"{what}: {_describe(expected, found, close)}"]


def _is_exact(array: np.ndarray) -> bool:
    return array.dtype.kind in "biu"


def _rounding(expected: np.ndarray, found: np.ndarray) -> float:
    steps = [np.finfo(a.dtype).eps for a in (expected, found) if a.dtype.kind == "f"]
    magnitudes = np.abs(expected[np.isfinite(expected)].astype(np.float64))
    return ATOL_STEPS * float(max(steps, default=0)) * float(magnitudes.max(initial=0))


def _describe(expected: np.ndarray, found: np.ndarray, close: np.ndarray) -> str:
    with np.errstate(invalid="ignore"):  # infinity less infinity
        off = np.where(close, -1.0, np.abs(found - expected))
    worst = np.unravel_index(np.argmax(np.where(np.isnan(off), np.inf, off)), off.shape)
    place = tuple(map(int, worst))
    return (
        f"{int((~close).sum())} of {close.size} values differ, most at {place}: "
        f"expected {expected[worst]:.9g}, found {found[worst]:.9g}"
    )

"""MPII releases made with SciPy for tests: the structs as MATLAB nests them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

NOTHING = np.zeros((0, 0))
"""MATLAB's ``[]``."""


def one(**fields: Any) -> np.ndarray:
    """A struct of one element."""
    return array([fields])


def array(rows: Sequence[dict[str, Any]], names: Sequence[str] = ()) -> np.ndarray:
    """A row of structs; a field that a row does not have is empty."""
    keys = list(dict.fromkeys([*names, *(key for row in rows for key in row)]))
    made = np.empty((1, len(rows)), [(key, object) for key in keys])
    for i, row in enumerate(rows):
        for key in keys:
            made[key][0, i] = row.get(key, NOTHING)
    return made


def cells(values: Sequence[Any]) -> np.ndarray:
    """A column of cells."""
    made = np.empty((len(values), 1), dtype=object)
    for i, value in enumerate(values):
        made[i, 0] = value
    return made


def point(number: int, x: Any, y: Any, *visible: Any) -> dict[str, Any]:
    """One element of ``annopoints.point``; no flag at all if none is given."""
    fields = {"x": x, "y": y, "id": float(number)}
    return fields | ({"is_visible": visible[0]} if visible else {})


def person(points: Sequence[dict[str, Any]] = (), **fields: Any) -> dict[str, Any]:
    """One element of ``annorect`` with a head box, a scale and a place unless told otherwise."""
    made = {"x1": 11.0, "y1": 21.0, "x2": 41.0, "y2": 61.0}
    made["annopoints"] = one(point=array(points)) if points else NOTHING
    return made | {"scale": 2.0, "objpos": one(x=101.0, y=51.0)} | fields


def image(name: str, people: Any = (), **fields: Any) -> dict[str, Any]:
    """One element of ``annolist``."""
    rect = people if isinstance(people, np.ndarray) else array(people) if people else NOTHING
    return {"image": one(name=name), "annorect": rect} | fields


def release(images: Sequence[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """The variables of a file, in the release's order of fields."""
    count = len(images)
    made = {
        "annolist": array(images),
        "img_train": np.ones((1, count)),
        "version": "12",
        "single_person": cells([NOTHING] * count),
        "act": array([{"cat_name": NOTHING, "act_name": NOTHING, "act_id": -1.0}] * count).T,
        "video_list": cells(["abc"]).T,
    }
    return {"RELEASE": one(**(made | fields))}


def save(path: Path, variables: dict[str, Any], *, packed: bool = True) -> Path:
    """Write variables with SciPy."""
    scipy.io.savemat(path, variables, do_compression=packed)
    return path


def load(path: Path) -> dict[str, Any]:
    """Read variables with SciPy, every class and shape as it is in the file."""
    found = scipy.io.loadmat(path, mat_dtype=True, chars_as_strings=False)
    return {name: value for name, value in found.items() if not name.startswith("__")}


def same(a: Any, b: Any) -> bool:
    """Tell whether two values of SciPy are equal in class, shape, order of fields and contents."""
    if type(a) is not type(b) or a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.names:
        return all(same(a[name], b[name]) for name in a.dtype.names)
    if a.dtype == object:
        return all(same(one, other) for one, other in zip(a.flat, b.flat, strict=True))
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def same_files(a: Path, b: Path) -> bool:
    """Tell whether two files hold the same variables."""
    one, other = load(a), load(b)
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)

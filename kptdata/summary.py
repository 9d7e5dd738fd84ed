"""What a dataset holds and what it lacks, as counts: the facts behind ``kpt info``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import COLUMNS, is_missing
from kptdata.dataset import PoseDataset
from kptdata.visibility import Visibility

__all__ = ["summarise"]


def summarise(dataset: PoseDataset) -> dict[str, Any]:
    """Return counts, histograms and gaps of a dataset as plain JSON-ready values.

    Keys: ``schema``, ``counts``, ``visibility`` (keypoint -> state -> count), ``categories``,
    ``box_wh``, ``image_wh``, ``area`` (quantiles, pixels), ``missing`` (column -> instances
    without a value), ``extras`` (key -> instances that have it), ``facts`` (what the reader
    counted), ``provenance``.
    """
    schema = dataset.schema
    per_image = np.bincount(dataset.image[dataset.image >= 0], minlength=len(dataset.images))
    box = dataset.column("bbox")
    wh = dataset.images.wh
    return {
        "schema": {"name": schema.name, "keypoints": schema.num_keypoints, "hash": schema.hash()},
        "counts": {
            "instances": len(dataset),
            "images": len(dataset.images),
            "images_without_instances": int((per_image == 0).sum()),
            "instances_without_keypoints": int((dataset.num_labelled == 0).sum()),
            "instances_without_listed_image": int((dataset.image < 0).sum()),
            "crowd": int((dataset.column("iscrowd") == 1).sum()),
            "labelled_keypoints": int(dataset.labelled.sum()),
            "most_instances_in_an_image": int(per_image.max(initial=0)),
        },
        "visibility": _visibility(dataset),
        "categories": _categories(dataset),
        "box_wh": {
            "width": _quantiles(box[:, 2]),
            "height": _quantiles(box[:, 3]),
        },
        "image_wh": {
            "unknown": int((wh <= 0).any(axis=1).sum()),
            "width": _quantiles(wh[wh[:, 0] > 0, 0]),
            "height": _quantiles(wh[wh[:, 1] > 0, 1]),
        },
        "area": _quantiles(dataset.column("area")),
        "missing": _missing(dataset),
        "extras": {key: int(raw.present.sum()) for key, raw in dataset.extras.items()},
        "facts": _facts(dataset),
        "provenance": list(dataset.provenance),
    }


def _visibility(dataset: PoseDataset) -> dict[str, dict[str, int]]:
    counts = np.stack([(dataset.visibility == state).sum(axis=0) for state in Visibility])
    return {
        name: {s.name.lower(): int(c) for s, c in zip(Visibility, counts[:, k], strict=True)}
        for k, name in enumerate(dataset.schema.names)
    }


def _categories(dataset: PoseDataset) -> dict[str, int]:
    ids, counts = np.unique(dataset.column("category"), return_counts=True)
    held = {
        int(i): int(n) for i, n in zip(ids, counts, strict=True) if not is_missing(ids[ids == i])[0]
    }
    names = {i: dataset.categories.get(i, str(i)) for i in {*held, *dataset.categories}}
    return {f"{i}: {name}": held.get(i, 0) for i, name in sorted(names.items())}


def _quantiles(values: NDArray[Any]) -> dict[str, float] | None:
    """Return least, quartiles and greatest of the values that are there; None if none is."""
    known = values[~np.isnan(values.astype(float))]
    if not len(known):
        return None
    names = ("min", "25%", "median", "75%", "max")
    found = np.quantile(known, [0, 0.25, 0.5, 0.75, 1])
    return dict(zip(names, map(float, found), strict=True))


def _missing(dataset: PoseDataset) -> dict[str, int]:
    gaps = {}
    for name in COLUMNS:
        values = dataset.column(name)
        gone = is_missing(values)
        gaps[name] = int(gone.all(axis=tuple(range(1, gone.ndim))).sum())
    return gaps


def _facts(dataset: PoseDataset) -> dict[str, Any]:
    """What only the file said, as its reader counted it: meta keys ``facts:<name>``."""
    import json

    return {
        key.removeprefix("facts:"): json.loads(text)
        for key, text in dataset.meta.items()
        if key.startswith("facts:")
    }

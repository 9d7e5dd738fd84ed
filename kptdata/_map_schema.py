"""The keypoints of a dataset in another schema."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset, RawColumn
from kptdata.errors import SchemaError
from kptdata.ledger import Ledger
from kptdata.schema import Schema, map_schemas
from kptdata.visibility import Visibility

__all__ = ["map_schema"]


def map_schema(dataset: PoseDataset, schema: Schema) -> tuple[PoseDataset, Ledger]:
    """Express the keypoints in another schema, by name.

    Points go over by canonical name, by alias, then by the target's formulas; see
    `kptdata.map_schemas`. A derived point is as visible as the least visible of its parents and
    scores as the lowest of them. Targets that nothing fills are unlabelled.

    Returns:
        The dataset in `schema`, and an account: instances that lost a labelled point are
        ``repaired``; the notes count, per keypoint, the points lost and derived, and the values
        left unlabelled because the source has no such point.

    Raises:
        SchemaError: the schemas have no point in common.
    """
    if schema.hash() == dataset.schema.hash():
        return dataset, Ledger(len(dataset))
    plan = map_schemas(dataset.schema, schema)
    if not plan.exact and not plan.derived:
        raise SchemaError(
            f"no keypoint of {schema.name!r} can be had from {dataset.schema.name!r}",
            fix="choose a schema of the same kind of body; see kpt schema list",
        )
    xy, visibility = plan.apply(dataset.xy, dataset.visibility)
    columns: dict[str, Any] = {"schema": schema, "xy": xy, "visibility": visibility}
    if dataset.given_xy is not None:
        columns["given_xy"] = plan.take(dataset.given_xy, np.nan, axis=-2)
    if dataset.keypoint_score is not None:
        columns["keypoint_score"] = plan.lowest(dataset.keypoint_score)
    if dataset.xyz is not None:
        columns["xyz"] = plan.combine(dataset.xyz)
    columns["extras"], columns["numbers"], dropped = _without_point_columns(dataset)
    if plan.missing:
        dropped[f"unlabelled, as {dataset.schema.name} lacks them: {', '.join(plan.missing)}"] = (
            len(plan.missing) * len(dataset)
        )

    unused = [dataset.schema.index(name) for name in plan.unused]
    labelled = dataset.labelled
    notes = {f"lost {dataset.schema.names[k]}": int(labelled[:, k].sum()) for k in unused}
    for name, parents in plan.derived:
        count = int((visibility[:, schema.index(name)] != Visibility.UNLABELLED).sum())
        notes[f"derived {name} from {' + '.join(parents)}"] = count
    losers = dataset.ids[labelled[:, unused].any(axis=1)].tolist()
    ledger = Ledger(len(dataset), repaired={"lost labelled points": losers}, notes=notes | dropped)
    mapped = dataset.replace(**columns).noted(f"map_schema {dataset.schema.name} to {schema.name}")
    return mapped, ledger


def _without_point_columns(
    dataset: PoseDataset,
) -> tuple[dict[str, RawColumn], dict[str, NDArray[Any]], dict[str, int]]:
    """Drop raw texts and counts that speak of the old keypoints: on writing, raw text would win."""

    def speaks_of_points(key: str) -> bool:
        return key in {"keypoints", "num_keypoints"} or key.startswith("keypoints:")

    dropped = {
        f"dropped raw {key}": int(raw.present.sum())
        for key, raw in dataset.extras.items()
        if speaks_of_points(key)
    }
    extras = {key: raw for key, raw in dataset.extras.items() if not speaks_of_points(key)}
    numbers = {key: v for key, v in dataset.numbers.items() if not speaks_of_points(key)}
    return extras, numbers, dropped

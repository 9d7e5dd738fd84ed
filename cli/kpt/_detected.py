"""A detector's boxes, for the commands that look into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kptdata import PoseDataset

__all__ = ["detected"]


def detected(
    named: PoseDataset, boxes: str, boxes_format: str | None, *, score_threshold: float, nms: float
) -> PoseDataset:
    """Read a detector's boxes in the images of a dataset, and tell what was left out."""
    from kpt._options import echo_ledger, parse_location
    from kptdata_models import detected_people

    file = parse_location(boxes, boxes_format)
    people, ledger = detected_people(
        named, file.path, format=file.format, score_threshold=score_threshold, nms=nms
    )
    echo_ledger(f"boxes of {file.path}", ledger)
    return people

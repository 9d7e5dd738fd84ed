"""Drawing: schemas, annotations, targets and predictions as pictures."""

from __future__ import annotations

from kptdata.viz.schema_picture import draw_schema, save_schema_picture

__all__ = ["draw_schema", "save_schema_picture"]

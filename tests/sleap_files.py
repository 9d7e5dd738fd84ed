"""Projects of SLEAP as the notes on formats describe them, typed by hand and written with h5py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

__all__ = ["EDGE", "SYMMETRY", "changed", "graph", "link", "project"]

EDGE = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [1]}]}
SYMMETRY = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [2]}]}
NAN = np.nan

FRAME = [
    ("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8"),
    ("instance_id_start", "u8"), ("instance_id_end", "u8"),
]  # fmt: skip
INSTANCE = [
    ("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"),
    ("track", "i4"), ("from_predicted", "i8"), ("score", "f4"), ("point_id_start", "u8"),
    ("point_id_end", "u8"), ("tracking_score", "f4"),
]  # fmt: skip
POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]


def link(source: int, target: int, kind: Any, **more: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "key": 0, "type": kind} | more


def graph(name: str | None, nodes: list[int], *links: Any) -> dict[str, Any]:
    return {
        "directed": True,
        "multigraph": True,
        "graph": {"name": name, "num_edges_inserted": len(links)},
        "nodes": [{"id": node} for node in nodes],
        "links": list(links),
    }


def parts() -> dict[str, Any]:
    """A film with one frame of a mouse as labelled and as predicted, and one of two flies.

    Nodes are listed for all skeletons together, and the mouse has them in another order.
    """
    film = {"type": "MediaVideo", "filename": "day1/cam.mp4", "shape": [9, 480, 640, 1]}
    films = [{"filename": "day1/cam.mp4", "backend": film}]
    mouse = graph(
        "mouse", [3, 0, 1],
        link(0, 1, SYMMETRY),
        link(3, 0, EDGE, edge_insert_idx=1),
        link(3, 1, {"py/id": 2}, edge_insert_idx=0),
        link(1, 0, {"py/id": 1}),
    )  # fmt: skip
    names = ["ear_l", "ear_r", "head", "snout"]
    return {
        "format_id": 1.2,
        "json": {
            "version": "2.0.0",
            "skeletons": [mouse, graph("fly", [2, 3])],
            "nodes": [{"name": name, "weight": 1.0} for name in names],
            "provenance": {"sleap_version": "1.3.0"},
        },
        "videos_json": films,
        "tracks_json": [[0, "A"], [4, "B"]],
        "suggestions_json": [{"video": "0", "frame_idx": 7, "group": 0}],
        "frames": np.array([(0, 0, 5, 0, 2), (1, 0, 2, 2, 4)], FRAME),
        "instances": np.array(
            [
                (0, 0, 0, 0, 1, 1, 0.0, 0, 3, 0.0),
                (1, 1, 0, 0, 1, -1, 0.75, 0, 3, 0.5),
                (2, 0, 1, 1, -1, -1, 0.0, 3, 5, 0.0),
                (3, 0, 1, 1, -1, -1, 0.0, 5, 7, 0.0),
            ],
            INSTANCE,
        ),
        "points": np.array(
            [
                (1, 2, True, True), (3, 4.5, False, False), (NAN, NAN, False, False),
                (5, 6, True, False), (7, 8, True, False),
                (9, 10, True, False), (NAN, NAN, True, False),
            ],
            POINT,
        ),
        "pred_points": np.array(
            [(1.5, 2, True, False, 0.9), (3, 4, True, False, 0.8), (0, 0, True, False, 0.1)],
            [*POINT, ("score", "f8")],
        ),
    }  # fmt: skip


def project(path: Path, **changes: Any) -> Path:
    """Write the project; `changes` replace parts of it, None leaves them out."""
    held = {key: value for key, value in (parts() | changes).items() if value is not None}
    with h5py.File(path, "w") as file:
        about = file.create_group("metadata")
        for key in ("format_id", "json"):
            if key in held:
                value = held.pop(key)
                about.attrs[key] = np.bytes_(json.dumps(value)) if key == "json" else value
        for name, value in held.items():
            if name.endswith("_json"):
                texts = [row if isinstance(row, str) else json.dumps(row) for row in value]
                file.create_dataset(
                    name, data=texts, dtype=h5py.string_dtype(), shape=(len(texts),)
                )
            else:
                file[name] = value
    return path


def changed(table: str, row: int, **fields: Any) -> dict[str, Any]:
    """Return a change of some fields in a row of a table."""
    array = parts()[table].copy()
    for name, value in fields.items():
        array[name][row] = value
    return {table: array}

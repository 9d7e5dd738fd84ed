"""Replay the group ``keypoint``: flips in an image and about a centre, and clips."""

from __future__ import annotations

from typing import Any

from replay_cases import Backend, Case, NoCounterpartError, differences

from kptdata import keypoints


def replay(case: Case, backend: Backend) -> list[str]:
    """Return what differs in one case."""
    inputs, params = case.inputs(backend), case.params
    xy, visibility = inputs["keypoints"], inputs["keypoints_visible"]
    if "center_mode" in params:
        found = _flip_about(params, xy, visibility)
    elif "direction" in params:
        found = keypoints.flip(
            xy, visibility, params["image_size"], params["flip_indices"], params["direction"]
        )
    elif "shape_wh" in params:
        found = keypoints.clip(xy, visibility, params["shape_wh"])
    else:
        raise NoCounterpartError(case.name)
    figures = {"keypoints": found.xy, "keypoints_visible": found.visibility}
    return [
        difference
        for name, figure in case.expected().items()
        for difference in differences(name, figure, figures[name])
    ]


def _flip_about(params: Any, xyz: Any, visibility: Any) -> keypoints.Keypoints[Any]:
    if params["center_mode"] == "static":
        return keypoints.flip_about_x(xyz, visibility, params["flip_indices"], params["center_x"])
    if params["center_mode"] == "root":
        center_index = params["center_index"]
        return keypoints.flip_about_point(xyz, visibility, params["flip_indices"], center_index)
    raise NoCounterpartError(params["center_mode"])

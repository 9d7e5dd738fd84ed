"""Replays the reference figures of the codecs: every codec with ``reference=True``."""

from __future__ import annotations

from typing import Any

from replay_cases import Backend, Case, NoCounterpartError, differences

from kptdata import codecs
from kptdata._array import asarray_like
from kptdata.bbox import xywh2xyxy, xyxy2xywh


def replay(case: Case, backend: Backend) -> list[str]:
    """Compare one case; see `replay_cases`."""
    found = run(case, backend)
    expected = case.expected()
    return [d for key, figure in expected.items() for d in differences(key, figure, found[key])]


def run(case: Case, backend: Backend, *, reference: bool = True) -> dict[str, Any]:
    """Return what the project gives for a case, by the names of the reference."""
    params = dict(case.params) | {"reference": reference}
    name, op = params.pop("codec"), params.pop("op")
    handler = _HANDLERS.get((name, op)) or _DEFAULT.get(op)
    if name not in codecs.CODECS or handler is None:
        raise NoCounterpartError(name)
    found: dict[str, Any] = handler(name, params, case.inputs(backend))
    return found


def _codec(name: str, params: dict[str, Any], *without: str) -> Any:
    given = {key: value for key, value in params.items() if key not in without}
    return codecs.build(name, **given)


def _encode(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    target = _codec(name, params).encode(inputs["keypoints"], inputs["keypoints_visible"] > 0.5)
    return dict(target._asdict())


def _decode(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    decoded = _codec(name, params).decode(*inputs.values())
    found = {"keypoints": decoded.xy, "scores": decoded.score}
    if hasattr(decoded, "visibility"):  # the reference returns both as its scores
        found |= {"scores.0": decoded.score, "scores.1": decoded.visibility}
    return found


def _encode_hand(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    codec = _codec(name, params)
    known = ("rel_root_depth", "rel_root_valid", "hand_type", "hand_type_valid")
    sample = {key: inputs[key] for key in known}
    if codec.use_different_joint_weights:
        sample["weight"] = inputs["dataset_keypoint_weights"]
    target = codec.encode(inputs["keypoints"], inputs["keypoints_visible"] > 0.5, **sample)
    return dict(target._asdict())


def _decode_hand(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    decoded = _codec(name, params).decode(**inputs)
    parts = (decoded.xy, decoded.score, decoded.root_depth, decoded.hand_type)
    return {f"out.{place}": part for place, part in enumerate(parts)}


def _camera(inputs: dict[str, Any]) -> codecs.Camera[Any]:
    given = {key.removeprefix("camera_param."): value for key, value in inputs.items()}
    like = given["R"]
    size = asarray_like([float(given["w"]), float(given["h"])], like)
    unknown = asarray_like([float("nan")] * 2, like)
    focal, center = (given[key].reshape(2) if key in given else unknown for key in ("f", "c"))
    return codecs.Camera(size, focal, center)


def _lifting(inputs: dict[str, Any]) -> dict[str, Any]:
    visible = inputs["lifting_target_visible"] > 0.5
    return {"lifting_target": inputs["lifting_target"], "lifting_target_visible": visible}


def _encode_lifting(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    codec = _codec(name, params)
    sample = _lifting(inputs)
    if name != "ImagePoseLifting":
        sample["camera"] = _camera(inputs)
    target = codec.encode(inputs["keypoints"], inputs["keypoints_visible"] > 0.5, **sample)
    found = dict(target._asdict())
    # What the reference repeats in every target, the codec says of itself.
    for key in ("keypoints_mean", "keypoints_std", "target_mean", "target_std"):
        numbers = getattr(codec, key, None)
        if numbers is not None:
            found[key] = [numbers]
    if codec.remove_root:
        found["target_root_removed"] = True
        found["target_root_index"] = codec.target_root_index
    if hasattr(target, "focal"):
        given = {key: value for key, value in inputs.items() if key.startswith("camera_param")}
        column = {"f": target.focal.reshape(2, 1), "c": target.center.reshape(2, 1)}
        found |= given | {f"camera_param.{key}": value for key, value in column.items()}
    return found


def _decode_lifting(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    encoded, root = inputs["encoded"], inputs.get("target_root")
    if root is not None:
        root = root.reshape(encoded.shape[0], encoded.shape[-1])
    decoded = _codec(name, params).decode(encoded, root)
    return {"keypoints": decoded.xy, "scores": decoded.score}


def _encode_motionbert(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    factor = inputs.get("factor")
    if factor is not None and float(factor.reshape(-1)[0]) == 0:  # none, as the reference takes it
        factor = None
    target = _codec(name, params).encode(
        inputs["keypoints"],
        inputs["keypoints_visible"] > 0.5,
        **_lifting(inputs),
        camera=_camera(inputs),
        factor=factor,
    )
    visible = inputs["lifting_target_visible"]
    twice = {"lifting_target": target.lifting_target_label, "lifting_target_visible": visible}
    return target._asdict() | twice


def _decode_motionbert(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    encoded, size = inputs["encoded"], None
    if "w" in inputs:
        pairs = zip(inputs["w"].reshape(-1).tolist(), inputs["h"].reshape(-1).tolist(), strict=True)
        size = asarray_like(list(pairs), encoded)
    decoded = _codec(name, params).decode(encoded, image_size=size, factor=inputs.get("factor"))
    return {"keypoints": decoded.xy, "scores": decoded.score}


def _encode_edpose(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    target = _codec(name, params, "img_shape").encode(
        inputs["keypoints"],
        inputs["keypoints_visible"] > 0.5,
        bbox=xyxy2xywh(inputs["bboxes"]),
        area=inputs["area"],
        image_size=params["img_shape"],
    )
    return dict(target._asdict())


def _decode_edpose(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    height, width = inputs.pop("input_shapes").tolist()
    decoded = _codec(name, params, "img_shape").decode(**inputs, image_size=(width, height))
    boxes = xywh2xyxy(decoded.bbox)
    return {"boxes": boxes, "keypoints": decoded.xy, "scores": decoded.score}


_DEFAULT = {"encode": _encode, "decode": _decode}
_HANDLERS: dict[tuple[str, str], Any] = {
    ("Hand3DHeatmap", "encode"): _encode_hand,
    ("Hand3DHeatmap", "decode"): _decode_hand,
    ("ImagePoseLifting", "encode"): _encode_lifting,
    ("ImagePoseLifting", "decode"): _decode_lifting,
    ("VideoPoseLifting", "encode"): _encode_lifting,
    ("VideoPoseLifting", "decode"): _decode_lifting,
    ("MotionBERTLabel", "encode"): _encode_motionbert,
    ("MotionBERTLabel", "decode"): _decode_motionbert,
    ("EDPoseLabel", "encode"): _encode_edpose,
    ("EDPoseLabel", "decode"): _decode_edpose,
}

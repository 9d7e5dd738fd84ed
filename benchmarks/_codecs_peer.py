"""MMPose's side of the codec benchmark; runs in .venv-peers and prints times as JSON.

python _codecs_peer.py ARRAYS.npz SECONDS
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import cv2
import numpy as np
from _codecs_cases import BATCH, CASES, INPUT, best, draw

warnings.simplefilter("ignore")
cv2.setNumThreads(1)
import mmpose.codecs  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


def main(path: str, seconds: float) -> None:
    """Time every case: one instance, and a loop over the batch, since MMPose has no batches."""
    times = {}
    with np.load(path) as file:
        for name, case in CASES.items():
            codec = getattr(mmpose.codecs, case.codec)(**case.params)
            drawn = draw(case.kind, BATCH)
            outputs = [file[f"{name}.{i}"] for i in range(_count(file.files, name))]
            for op in case.ops:
                calls = [
                    _call(codec, case.kind, op, {k: v[i] for k, v in drawn.items()},
                          [o[i] for o in outputs])
                    for i in range(BATCH)
                ]  # fmt: skip
                times[f"{name}, {op}, single"] = best(calls[0], seconds)
                batch = best(lambda calls=calls: [call() for call in calls], seconds)
                times[f"{name}, {op}, batch of {BATCH}"] = batch / BATCH
    print(json.dumps(times))


def _count(files: list[str], name: str) -> int:
    return sum(key.rpartition(".")[0] == name for key in files)


def _call(codec: Any, kind: str, op: str, drawn: dict[str, Any], outputs: list[Any]) -> Any:
    if op == "decode":
        first = (np.array([INPUT[1], INPUT[0]]),) if kind == "edpose" else ()
        return lambda: codec.decode(*first, *outputs)
    visible = np.ones(drawn["xy"].shape[:-1], np.float32)
    more = _encoding(kind, drawn)
    return lambda: codec.encode(keypoints=drawn["xy"], keypoints_visible=visible, **more)


def _encoding(kind: str, drawn: dict[str, Any]) -> dict[str, Any]:
    if kind == "hand":
        return {
            "dataset_keypoint_weights": np.ones(42, np.float32),
            "rel_root_depth": np.float32(20), "rel_root_valid": np.float32(1),
            "hand_type": np.array([[1, 0]]), "hand_type_valid": np.array([1]),
            "focal": np.ones(2), "principal_pt": np.ones(2),
        }  # fmt: skip
    if kind == "edpose":
        corners = drawn["bbox"].copy()
        corners[:, 2:] += corners[:, :2]
        return {"img_shape": INPUT, "area": drawn["area"], "bboxes": corners}
    if "target" not in drawn:
        return {}
    more = {
        "lifting_target": drawn["target"],
        "lifting_target_visible": np.ones(drawn["target"].shape[:-1], np.float32),
    }
    if kind != "image":
        focal, center = np.full((2, 1), 1100.0), np.full((2, 1), 500.0)
        more["camera_param"] = {"w": 1000, "h": 1000, "f": focal, "c": center}
    return more


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))

"""Keypoints to targets and model outputs to keypoints: one codec per idea, found by name.

>>> codec = build("MSRAHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2.0)
>>> codec.stride
(4.0, 4.0)
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kptdata._plugins import Table
from kptdata.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from kptdata.codecs.base import Bound, Codec, DecodedKeypoints
    from kptdata.codecs.camera import Camera
    from kptdata.codecs.codec_list import CodecList, SampleFields, sample_fields
    from kptdata.codecs.crop import Crop
    from kptdata.codecs.edpose_label import EDPoseDecoded, EDPoseLabel, EDPoseTarget
    from kptdata.codecs.hand_3d_heatmap import Hand3DDecoded, Hand3DHeatmap, Hand3DTarget
    from kptdata.codecs.image_pose_lifting import ImageLiftingTarget, ImagePoseLifting
    from kptdata.codecs.integral_regression_label import IntegralRegressionLabel, IntegralTarget
    from kptdata.codecs.megvii_heatmap import MegviiHeatmap
    from kptdata.codecs.motionbert_label import MotionBERTLabel, MotionBERTTarget
    from kptdata.codecs.msra_heatmap import HeatmapTarget, MSRAHeatmap
    from kptdata.codecs.regression_label import RegressionLabel, RegressionTarget
    from kptdata.codecs.simcc_label import SimCCDecoded, SimCCLabel, SimCCTarget
    from kptdata.codecs.udp_heatmap import UDPHeatmap
    from kptdata.codecs.video_pose_lifting import (
        VideoLiftingCameraTarget,
        VideoLiftingTarget,
        VideoPoseLifting,
    )

__all__ = [
    "CODECS",
    "Bound",
    "Camera",
    "Codec",
    "CodecList",
    "Crop",
    "DecodedKeypoints",
    "EDPoseDecoded",
    "EDPoseLabel",
    "EDPoseTarget",
    "Hand3DDecoded",
    "Hand3DHeatmap",
    "Hand3DTarget",
    "HeatmapTarget",
    "ImageLiftingTarget",
    "ImagePoseLifting",
    "IntegralRegressionLabel",
    "IntegralTarget",
    "MSRAHeatmap",
    "MegviiHeatmap",
    "MotionBERTLabel",
    "MotionBERTTarget",
    "RegressionLabel",
    "RegressionTarget",
    "SampleFields",
    "SimCCDecoded",
    "SimCCLabel",
    "SimCCTarget",
    "UDPHeatmap",
    "VideoLiftingCameraTarget",
    "VideoLiftingTarget",
    "VideoPoseLifting",
    "build",
    "from_config",
    "sample_fields",
]

_BUILT_IN = {
    "CodecList": "kptdata.codecs.codec_list:CodecList",
    "EDPoseLabel": "kptdata.codecs.edpose_label:EDPoseLabel",
    "Hand3DHeatmap": "kptdata.codecs.hand_3d_heatmap:Hand3DHeatmap",
    "ImagePoseLifting": "kptdata.codecs.image_pose_lifting:ImagePoseLifting",
    "IntegralRegressionLabel": "kptdata.codecs.integral_regression_label:IntegralRegressionLabel",
    "MSRAHeatmap": "kptdata.codecs.msra_heatmap:MSRAHeatmap",
    "MegviiHeatmap": "kptdata.codecs.megvii_heatmap:MegviiHeatmap",
    "MotionBERTLabel": "kptdata.codecs.motionbert_label:MotionBERTLabel",
    "RegressionLabel": "kptdata.codecs.regression_label:RegressionLabel",
    "SimCCLabel": "kptdata.codecs.simcc_label:SimCCLabel",
    "UDPHeatmap": "kptdata.codecs.udp_heatmap:UDPHeatmap",
    "VideoPoseLifting": "kptdata.codecs.video_pose_lifting:VideoPoseLifting",
}
_OTHERS = {
    "Bound": "kptdata.codecs.base",
    "Camera": "kptdata.codecs.camera",
    "Codec": "kptdata.codecs.base",
    "Crop": "kptdata.codecs.crop",
    "DecodedKeypoints": "kptdata.codecs.base",
    "EDPoseDecoded": "kptdata.codecs.edpose_label",
    "EDPoseTarget": "kptdata.codecs.edpose_label",
    "Hand3DDecoded": "kptdata.codecs.hand_3d_heatmap",
    "Hand3DTarget": "kptdata.codecs.hand_3d_heatmap",
    "HeatmapTarget": "kptdata.codecs.msra_heatmap",
    "ImageLiftingTarget": "kptdata.codecs.image_pose_lifting",
    "IntegralTarget": "kptdata.codecs.integral_regression_label",
    "MotionBERTTarget": "kptdata.codecs.motionbert_label",
    "RegressionTarget": "kptdata.codecs.regression_label",
    "SampleFields": "kptdata.codecs.codec_list",
    "SimCCDecoded": "kptdata.codecs.simcc_label",
    "SimCCTarget": "kptdata.codecs.simcc_label",
    "VideoLiftingCameraTarget": "kptdata.codecs.video_pose_lifting",
    "VideoLiftingTarget": "kptdata.codecs.video_pose_lifting",
    "sample_fields": "kptdata.codecs.codec_list",
}

CODECS: Table[Any] = Table("codec", _BUILT_IN)
"""Every codec by name; packages add theirs through the entry-point group ``kptdata.codecs``."""


def __getattr__(name: str) -> Any:
    if name in _BUILT_IN:
        return CODECS.load(name)
    if name in _OTHERS:
        return getattr(import_module(_OTHERS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def build(name: str, **params: Any) -> Codec[Any]:
    """Make the codec of a short name, an entry point or a dotted path.

    Args:
        name: such as ``UDPHeatmap`` or ``my_package.codecs:Mine``.
        params: its constructor arguments.

    Raises:
        UnknownNameError: no such codec, or no such argument; near names are listed.
        OptionError: an argument is missing or makes no sense.
    """
    kind = CODECS.load(name)
    known = inspect.signature(kind).parameters
    for param in params:
        if param not in known:
            raise UnknownNameError(f"parameter of {name}", param, known)
    missing = [
        param for param, spec in known.items() if spec.default is spec.empty and param not in params
    ]
    if missing:
        raise OptionError(f"{', '.join(missing)}: missing parameter of {name}; give a value")
    codec: Codec[Any] = kind(**params)
    return codec


def from_config(config: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Codec[Any]:
    """Make the codec of a run file's ``[codec]`` table, or of several ``[[codec]]`` tables.

    Args:
        config: ``{"type": name, parameter: value, ...}``, or a list of such: then a `CodecList`.

    Raises:
        UnknownNameError: no such codec, or no such argument; near names are listed.
        OptionError: ``type`` or an argument is missing, or makes no sense.
    """
    if not isinstance(config, Mapping):
        return build("CodecList", codecs=tuple(from_config(one) for one in config))
    if "type" not in config:
        raise OptionError(f"type: missing in the codec's table; choose from {', '.join(CODECS)}")
    return build(config["type"], **{key: config[key] for key in config if key != "type"})

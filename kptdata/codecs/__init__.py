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
    from kptdata.codecs.crop import Crop
    from kptdata.codecs.msra_heatmap import HeatmapTarget, MSRAHeatmap
    from kptdata.codecs.regression_label import RegressionLabel, RegressionTarget
    from kptdata.codecs.udp_heatmap import UDPHeatmap

__all__ = [
    "CODECS",
    "Bound",
    "Codec",
    "Crop",
    "DecodedKeypoints",
    "HeatmapTarget",
    "MSRAHeatmap",
    "RegressionLabel",
    "RegressionTarget",
    "UDPHeatmap",
    "build",
    "from_config",
]

_BUILT_IN = {
    "IntegralRegressionLabel": ("kptdata.codecs.integral_regression_label:IntegralRegressionLabel"),
    "MegviiHeatmap": "kptdata.codecs.megvii_heatmap:MegviiHeatmap",
    "MSRAHeatmap": "kptdata.codecs.msra_heatmap:MSRAHeatmap",
    "RegressionLabel": "kptdata.codecs.regression_label:RegressionLabel",
    "SimCCLabel": "kptdata.codecs.simcc_label:SimCCLabel",
    "UDPHeatmap": "kptdata.codecs.udp_heatmap:UDPHeatmap",
}
_BUNDLES = {
    "Bound": "kptdata.codecs.base",
    "Codec": "kptdata.codecs.base",
    "Crop": "kptdata.codecs.crop",
    "DecodedKeypoints": "kptdata.codecs.base",
    "HeatmapTarget": "kptdata.codecs.msra_heatmap",
    "RegressionTarget": "kptdata.codecs.regression_label",
}

CODECS: Table[Any] = Table("codec", _BUILT_IN)
"""Every codec by name; packages add theirs through the entry-point group ``kptdata.codecs``."""


def __getattr__(name: str) -> Any:
    if name in _BUILT_IN:
        return CODECS.load(name)
    if name in _BUNDLES:
        return getattr(import_module(_BUNDLES[name]), name)
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

"""From the tables of a run file to a model whose parts fit, before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kptdata.codecs import from_config
from kptdata.errors import KptDataError, OptionError, UnknownNameError
from kptdata.plugins import Table
from kptdata.schema import Schema
from kptdata_models.backbones import BACKBONES
from kptdata_models.estimator import Auxiliary, Preprocessor, TopdownPoseEstimator
from kptdata_models.heads import HEADS
from kptdata_models.heads.base import PoseHead
from kptdata_models.loaders import to_tensors
from kptdata_models.necks import NECKS
from kptdata_models.runfile import ModelSpec

__all__ = ["build_codec", "build_model", "construct"]


def build_codec(table: Mapping[str, Any]) -> Any:
    """Make the codec of a run; errors start with its key.

    Raises:
        UnknownNameError: no such codec or parameter.
        OptionError: a parameter is missing or makes no sense, or the codec makes no crops.
    """
    try:
        codec = from_config(table)
    except OptionError as error:
        # What a dotted path leads to is told under its own name.
        dotted = str(error).startswith(str(table.get("type")))
        raise OptionError(f"codec.{'type: ' if dotted else ''}{error}") from error
    if not hasattr(codec, "crop"):
        raise OptionError(
            f"codec.type: {table['type']} makes no crop of one person; a top-down model needs one"
        )
    return codec


def construct(table: Table[Any], config: Mapping[str, Any], place: str, **given: Any) -> Any:
    """Make the object that a table of a run file describes.

    Args:
        table: where its ``type`` is looked up.
        config: ``type`` and constructor arguments.
        place: key of the table, for messages: ``model.head``.
        **given: arguments that the run file need not name; those that the constructor does not
            take are left out, and the run file's own win.

    Raises:
        UnknownNameError: no such type or argument; near names are listed.
        OptionError: an argument is missing or makes no sense.
    """
    arguments = dict(config)
    name = arguments.pop("type", None)
    if name is None:
        raise OptionError(f"{place}.type: missing; choose from {', '.join(table)}")
    try:
        kind = table.load(name)
    except OptionError as error:
        raise OptionError(f"{place}.type: {error}") from error
    parameters = _parameters(kind)
    for key in arguments:
        if parameters is not None and key not in parameters:
            raise UnknownNameError(f"key in [{place}] of {name}", key, parameters)
    named = inspect.signature(kind).parameters
    arguments = {key: value for key, value in given.items() if key in named} | arguments
    for key, parameter in (parameters or {}).items():
        if parameter.default is parameter.empty and key not in arguments:
            raise OptionError(f"{place}.{key}: missing; {name} needs it")
    try:
        return kind(**arguments)
    except OptionError as error:
        raise OptionError(f"{place}.{error}") from error
    except TypeError as error:
        raise OptionError(f"{place}: {name} cannot be made of these values: {error}") from error


def _parameters(kind: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    """Return the named parameters, or None where anything is taken."""
    parameters = inspect.signature(kind).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return {name: p for name, p in parameters.items() if p.kind is not p.VAR_POSITIONAL}


def build_model(spec: ModelSpec, codec: Any, schema: Schema) -> TopdownPoseEstimator:
    """Make a model and check, by running it once, that its parts fit each other.

    Channels and sizes that the run file leaves out are filled in from what is measured.

    Raises:
        UnknownNameError: no such part or argument.
        OptionError: a part does not fit; the message names the key and the value to set.
    """
    backbone = construct(BACKBONES, spec.backbone, "model.backbone")
    features = _measure(backbone, spec, codec)
    neck, maps = _build_neck(spec, features)
    head = _build_head(spec.head, "model.head", codec, schema, maps)
    auxiliary = []
    for i, table in enumerate(spec.auxiliary):
        own = {key: value for key, value in table.items() if key != "weight"}
        further = _build_head(own, f"model.auxiliary.{i}", codec, schema, maps, decoded=False)
        auxiliary.append(Auxiliary(further, _weight(table, f"model.auxiliary.{i}.weight")))
    preprocessor = _make_preprocessor(spec.preprocessor)
    return TopdownPoseEstimator(
        backbone, head, schema, neck=neck, auxiliary=auxiliary, preprocessor=preprocessor
    )


def _weight(table: Mapping[str, Any], place: str) -> float:
    weight = table.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0:
        raise OptionError(f"{place}: expected a number, 0 or more, got {weight!r}")
    return float(weight)


def _make_preprocessor(table: Mapping[str, Any]) -> Preprocessor:
    known = inspect.signature(Preprocessor).parameters
    for key in table:
        if key not in known:
            raise UnknownNameError("key in [model.preprocessor]", key, known)
    try:
        return Preprocessor(**table)
    except OptionError as error:
        raise OptionError(f"model.preprocessor.{error}") from error


@contextmanager
def _trial(module: nn.Module) -> Iterator[None]:
    """Run a module within, leaving mode, gradients and statistics alone."""
    mode = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(mode)


def _measure(backbone: nn.Module, spec: ModelSpec, codec: Any) -> Sequence[Tensor]:
    width, height = codec.input_size
    name = spec.backbone["type"]
    try:
        with _trial(backbone):
            maps: Sequence[Tensor] = backbone(torch.zeros(1, 3, height, width))
    except RuntimeError as error:
        raise OptionError(
            f"codec.input_size: {name} cannot take an input of {width} x {height} ({error}); "
            f"set codec.input_size = {_next_multiple((width, height), 32)}"
        ) from error
    coarsest = maps[-1]
    if coarsest.ndim == 4:
        stride = max(ceil(height / coarsest.shape[2]), ceil(width / coarsest.shape[3]))
        if (coarsest.shape[3] * stride, coarsest.shape[2] * stride) != (width, height):
            raise OptionError(
                f"codec.input_size: {width} x {height} cannot be divided by the stride {stride} of "
                f"{name}; set codec.input_size = {_next_multiple((width, height), stride)}"
            )
    return maps


def _next_multiple(size: Sequence[int], stride: int) -> list[int]:
    return [ceil(side / stride) * stride for side in size]


def _build_neck(
    spec: ModelSpec, features: Sequence[Tensor]
) -> tuple[nn.Module | None, Sequence[Tensor]]:
    if spec.neck is None:
        return None, features
    channels = [int(x.shape[1]) for x in features]
    neck = construct(NECKS, spec.neck, "model.neck", in_channels=channels)
    found = getattr(neck, "in_channels", channels)
    if list(found) != channels:
        raise OptionError(
            f"model.neck.in_channels: the backbone gives {channels}, got {list(found)}; "
            f"set model.neck.in_channels = {channels}"
        )
    try:
        with _trial(neck):
            return neck, neck(features)
    except (RuntimeError, IndexError, ValueError) as error:
        raise OptionError(
            f"model.neck: {spec.neck['type']} cannot take the backbone's maps "
            f"{_shapes(features)} ({error})"
        ) from error


def _shapes(maps: Sequence[Tensor]) -> str:
    return ", ".join(str(tuple(x.shape[1:])) for x in maps)


def _build_head(
    table: Mapping[str, Any],
    place: str,
    codec: Any,
    schema: Schema,
    maps: Sequence[Tensor],
    *,
    decoded: bool = True,
) -> PoseHead[Any]:
    """Make a head; one that is never decoded may give what its codec does not decode."""
    index = table.get("in_index", -1)
    if not isinstance(index, int) or not -len(maps) <= index < len(maps):
        raise OptionError(
            f"{place}.in_index: expected the number of one of {len(maps)} maps, got {index!r}"
        )
    last = maps[index]
    keypoints = schema.num_keypoints
    combined = getattr(codec, "heatmap_type", None) == "combined"
    right: dict[str, Any] = {
        "in_channels": int(last.shape[1]),
        "out_channels": keypoints * 3 if combined else keypoints,
        "num_joints": keypoints,
    }
    if last.ndim == 4:
        right["in_featuremap_size"] = [int(last.shape[3]), int(last.shape[2])]
    for key, value in right.items():
        found = table.get(key, value)
        if found != value:
            raise OptionError(
                f"{place}.{key}: {_reason(key, schema)} {value}, got {found}; "
                f"set {place}.{key} = {value}"
            )
    head: PoseHead[Any] = construct(HEADS, table, place, codec=codec, **right)
    found = _outputs(head, table, place, maps)
    if decoded:
        _check_output(found, table, place, codec, keypoints)
    _check_loss(head, found, table, place, keypoints, maps)
    return head


def _reason(key: str, schema: Schema) -> str:
    if key in {"out_channels", "num_joints"}:
        return f"schema {schema.name!r} has {schema.num_keypoints} keypoints, which asks for"
    return "the features that reach the head ask for"


def _outputs(
    head: PoseHead[Any], table: Mapping[str, Any], place: str, maps: Sequence[Tensor]
) -> Sequence[Tensor]:
    try:
        with _trial(head):
            found: Sequence[Tensor] = head.as_decoded(head(maps))
    except KptDataError:
        raise
    except RuntimeError as error:
        advice = (
            'set model.neck.type = "GlobalAveragePooling"'
            if maps[-1].ndim == 4
            else "leave the pooling neck out"
        )
        raise OptionError(
            f"{place}: {table['type']} cannot take features {_shapes(maps)} ({error}); {advice}"
        ) from error
    return found


def _check_output(
    found: Sequence[Tensor], table: Mapping[str, Any], place: str, codec: Any, keypoints: int
) -> None:
    target = codec.encode(
        np.zeros((1, keypoints, 2), np.float32), np.zeros((1, keypoints), dtype=bool)
    )
    wanted = [np.shape(array) for array in codec.as_output(target)]
    _check_batches(codec, keypoints, wanted)
    shapes = [tuple(x.shape[1:]) for x in found[: len(wanted)]]
    if shapes != wanted:
        raise OptionError(
            f"{place}: {table['type']} gives {shapes}, its codec {type(codec).__name__} wants "
            f"{wanted}" + _advice(shapes, codec)
        )


def _check_loss(
    head: PoseHead[Any],
    found: Sequence[Tensor],
    table: Mapping[str, Any],
    place: str,
    keypoints: int,
    maps: Sequence[Tensor],
) -> None:
    """Compare outputs with a target once: here it costs a moment, in a first step the start-up."""
    codec = head.codec
    points = np.zeros((1, 1, keypoints, 2), np.float32)
    target = to_tensors(codec.encode(points, np.ones(points.shape[:-1], dtype=bool)))
    try:
        with _trial(head):
            head.loss(maps, target)
    except (RuntimeError, AttributeError, IndexError, TypeError, ValueError) as error:
        fields = ", ".join(getattr(target, "_fields", ()))
        shapes = [tuple(x.shape[1:]) for x in found]
        raise OptionError(
            f"{place}: the loss of {table['type']} cannot take what {type(codec).__name__} encodes "
            f"({fields}): {error}" + _advice(shapes, codec)
        ) from error


def _check_batches(codec: Any, keypoints: int, wanted: Sequence[tuple[int, ...]]) -> None:
    """Ask for two targets at once, as loaders do."""
    points = np.zeros((2, 1, keypoints, 2), np.float32)
    both = codec.encode(points, np.zeros(points.shape[:-1], dtype=bool))
    found = [np.shape(array) for array in codec.as_output(both)]
    if found != [(2, *shape) for shape in wanted]:
        raise OptionError(
            f"codec.type: {type(codec).__name__}.encode gives {found} for two samples at once and "
            f"{list(wanted)} for one; axes in front of (1, K, 2) must stay in front"
        )


def _advice(shapes: Sequence[tuple[int, ...]], codec: Any) -> str:
    if hasattr(codec, "heatmap_size") and len(shapes) == 1 and len(shapes[0]) == 3:
        _, height, width = shapes[0]
        return f"; set codec.heatmap_size = [{width}, {height}], or change the deconvolutions"
    return "; choose a codec for this head"

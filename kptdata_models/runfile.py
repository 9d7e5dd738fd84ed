"""A run: one flat TOML file that names constructor arguments; unknown keys are refused."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from kptdata.errors import FileError, OptionError, UnknownNameError
from kptdata.metrics.datasets import AREAS, parse_metric
from kptdata_models._toml import toml_text
from kptdata_models.data import Augmentation
from kptdata_models.evaluate import OWN

__all__ = ["DataSpec", "DataSpecs", "EvalSpec", "ModelSpec", "Run", "TrainSpec", "read_run"]

T = TypeVar("T")
Table = Mapping[str, Any]


def _tuple() -> Any:
    return field(default_factory=tuple)


@dataclass(frozen=True)
class DataSpec:
    """Annotations and the images they speak of: ``[data.train]``, ``[data.val]``.

    Args:
        annotations: the file; relative paths count from the run file.
        images: folder of the images, or a zip archive of them, or a folder in one: ``a.zip/train``.
        format: of the file; sniffed if not given.
        schema: name or path; from the file if it names its points.
        boxes: ``given`` uses the boxes of the file alone; ``keypoints`` gives instances without a
            box the extent of their labelled keypoints.
        box_margin: added on each side of such an extent, as a fraction of it.
        missing_images: ``error``, or ``skip`` to leave out, and count, people of images whose file
            is not in the folder.
        cache: keep decoded images in memory: faster, where they fit.
        decode: ``full``, or ``reduced`` to decode a JPEG file at 1/2, 1/4 or 1/8 of its size where
            the crop has no more pixels than that.
        on_bad_image: ``error``, or ``skip`` to take the next instance for one whose image cannot
            be read, and count it.
        max_bad_images: largest share of instances that may be skipped so; more end the training.
        weight: how often an instance of this file is drawn, beside those of other files.
        first: use this many instances alone; 0 for all.
        filter: an expression over columns that instances must meet, as for ``kpt filter``.
        type: dotted path of a function that returns the dataset; it gets `options`.
        options: arguments of that function.
    """

    annotations: str = ""
    images: str = ""
    format: str | None = None
    schema: str | None = None
    boxes: str = "given"
    box_margin: float = 0.15
    missing_images: str = "error"
    cache: bool = False
    decode: str = "full"
    on_bad_image: str = "error"
    max_bad_images: float = 0.01
    weight: float = 1.0
    first: int = 0
    filter: str = ""
    type: str | None = None
    options: Table = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of("boxes", self.boxes, ("given", "keypoints"))
        _one_of("missing_images", self.missing_images, ("error", "skip"))
        _one_of("decode", self.decode, ("full", "reduced"))
        _one_of("on_bad_image", self.on_bad_image, ("error", "skip"))
        if not self.weight > 0 or self.first < 0 or not 0 <= self.max_bad_images <= 1:
            raise OptionError(
                "weight, first, max_bad_images: expected weight > 0, first >= 0 and a share in "
                f"0..1, got {self.weight}, {self.first}, {self.max_bad_images}"
            )
        if not self.annotations and self.type is None:
            raise OptionError("annotations: expected a file, or a dataset function as type")


@dataclass(frozen=True)
class DataSpecs:
    """``[data]``: what is trained and validated on, and how training samples vary.

    Args:
        train: the training data.
        val: the validation data, if any.
        transform: how training samples vary.
        more: further training data, ``[[data.more]]``, mapped to the schema of `train`.
    """

    train: DataSpec
    val: DataSpec | None = None
    transform: Augmentation = field(default_factory=Augmentation)
    more: tuple[DataSpec, ...] = _tuple()


@dataclass(frozen=True)
class ModelSpec:
    """``[model]``: tables of constructor arguments, each with its ``type``.

    Args:
        backbone: a backbone.
        head: a head; its channels are filled in where they are left out.
        neck: a neck, if any.
        auxiliary: further heads, each with a ``weight``.
        preprocessor: mean, std, channel order.
        weights: file to start from.
        weights_prefix: of the names in that file that are read; it is cut off.
        weights_into: part of the model that they go into, such as ``backbone``.
    """

    backbone: Table
    head: Table
    neck: Table | None = None
    auxiliary: tuple[Table, ...] = _tuple()
    preprocessor: Table = field(default_factory=dict)
    weights: str | None = None
    weights_prefix: str = ""
    weights_into: str = ""


@dataclass(frozen=True)
class TrainSpec:
    """``[train]``.

    Args:
        epochs: passes over the training data.
        batch_size: samples per step and process.
        lr: learning rate.
        optimizer: a class of ``torch.optim``, or a dotted path.
        weight_decay: of the optimizer.
        schedule: ``multistep``, ``cosine`` or ``constant``.
        milestones: epochs after which `multistep` multiplies the rate by `gamma`.
        gamma: that factor.
        warmup_steps: steps over which the rate rises from nearly nothing.
        precision: ``32``, ``bf16`` or ``16`` (mixed precision).
        channels_last: keep the channels of a cell side by side in memory. Convolutions are faster
            so, most of all with `bf16`; results differ by rounding.
        clip_grad_norm: largest norm of the gradient; 0 for none.
        accumulate: batches per step of the optimizer.
        ema: decay of the running average of the weights that is evaluated and kept; 0 for none.
        workers: processes that load data.
        group_images: let people of one image follow each other, so that it is decoded once; batches
            are less mixed.
        val_every: epochs between validations.
        checkpoint_every: steps of the optimizer between checkpoints within an epoch; 0 for epochs'
            ends alone.
        log_every: steps between rows of the log.
        pictures: samples drawn each epoch, 0 for none.
        monitor: metric that the best checkpoint is chosen by: ``pck``, ``epe`` or one of
            `eval.metrics`.
        monitor_mode: ``max`` or ``min``.
        deterministic: use operations whose result does not vary, wherever there are such.
        devices: processes, or accelerators, to train with.
        accelerator: ``auto``, ``cpu``, ``gpu`` or what else Lightning knows.
        callbacks: tables of a Lightning callback's arguments, with its dotted path as ``type``.
    """

    epochs: int = 1
    batch_size: int = 32
    lr: float = 5e-4
    optimizer: str = "AdamW"
    weight_decay: float = 0.0
    schedule: str = "constant"
    milestones: tuple[int, ...] = _tuple()
    gamma: float = 0.1
    warmup_steps: int = 0
    precision: str = "32"
    channels_last: bool = False
    clip_grad_norm: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    workers: int = 0
    group_images: bool = False
    val_every: int = 1
    checkpoint_every: int = 0
    log_every: int = 1
    pictures: int = 8
    monitor: str = "pck"
    monitor_mode: str = "max"
    deterministic: bool = True
    devices: int = 1
    accelerator: str = "auto"
    callbacks: tuple[Table, ...] = _tuple()

    def __post_init__(self) -> None:
        _one_of("schedule", self.schedule, ("multistep", "cosine", "constant"))
        _one_of("precision", self.precision, ("32", "bf16", "16"))
        _one_of("monitor_mode", self.monitor_mode, ("max", "min"))
        for name in ("epochs", "batch_size", "accumulate", "val_every", "log_every", "devices"):
            _at_least(1, name, getattr(self, name))
        for name in ("warmup_steps", "workers", "checkpoint_every", "pictures"):
            _at_least(0, name, getattr(self, name))
        for name in ("lr", "weight_decay", "clip_grad_norm", "gamma"):
            _at_least(0, name, getattr(self, name))
        for milestone in self.milestones:
            _at_least(1, "milestones", milestone)
        if not 0 <= self.ema < 1:
            raise OptionError(f"ema: expected 0 or more and less than 1, got {self.ema}")


@dataclass(frozen=True)
class EvalSpec:
    """``[eval]``.

    Args:
        metrics: further metrics, as for ``kpt eval --metric``; of each the first figure is logged
            as ``val/`` and its text. ``pck`` and ``epe`` (mean pixel error) are always there.
        area: where the area of a ground truth comes from, as for ``kpt eval --area``.
        sigmas: ``uniform:<value>`` or ``borrow:<schema>``; the schema's own by default.
        threshold: of PCK, as a fraction of the longer side of the box.
        flip_test: average with the mirrored input.
        batch_size: samples per batch; that of training by default.
    """

    metrics: tuple[str, ...] = ("pck", "epe")
    area: str = "annotation"
    sigmas: str | None = None
    threshold: float = 0.05
    flip_test: bool = False
    batch_size: int | None = None

    def __post_init__(self) -> None:
        _one_of("area", self.area, tuple(AREAS))
        for metric in self.metrics:
            parse_metric(metric)
        if not 0 < self.threshold < math.inf:
            raise OptionError(f"threshold: expected more than 0, got {self.threshold}")
        _at_least(1, "batch_size", 1 if self.batch_size is None else self.batch_size)


@dataclass(frozen=True)
class Run:
    """Everything that a training run depends on."""

    data: DataSpecs
    codec: Table
    model: ModelSpec
    seed: int = 0
    train: TrainSpec = field(default_factory=TrainSpec)
    eval: EvalSpec = field(default_factory=EvalSpec)

    def __post_init__(self) -> None:
        _at_least(0, "seed", self.seed)
        known = tuple(dict.fromkeys((*OWN, *self.eval.metrics)))
        if self.data.val is not None and self.train.monitor not in known:
            raise UnknownNameError("metric in train.monitor", self.train.monitor, known)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as in a run file."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    def to_toml(self) -> str:
        """Return the text of a run file."""
        return toml_text(self.to_dict())

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], folder: Path | None = None) -> Run:
        """Check a parsed run file.

        Args:
            document: what the file says.
            folder: what relative paths in ``[data]`` and ``model.weights`` count from.

        Raises:
            UnknownNameError: a key is not known; near names are listed.
            OptionError: a value is missing or has the wrong type; the message starts with its key.
        """
        run = _parse(cls, document, "")
        return run if folder is None else _resolve_paths(run, folder)


def read_run(path: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Read a run file.

    Args:
        path: the TOML file.
        overrides: ``key.key=value``, the value as TOML; text needs no quotes.

    Raises:
        FileError: the file cannot be read, or is no TOML.
        UnknownNameError: a key is not known.
        OptionError: a value is missing or has the wrong type.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"cannot be read ({error.strerror})", path=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"is no TOML ({error})", path=path) from error
    for text in overrides:
        _override(document, text)
    return Run.from_dict(document, path.parent)


def _override(document: dict[str, Any], text: str) -> None:
    name, equals, value = text.partition("=")
    keys = [key.strip() for key in name.split(".")]
    if not equals or not all(keys):
        raise OptionError(f"--set: expected key.key=value, got {text!r}")
    table: Any = document
    for key in keys[:-1]:
        if isinstance(table, dict):
            table = table.setdefault(key, {})
        else:
            table = table[_place(table, key, name)]
        if not isinstance(table, dict | list):
            raise OptionError(f"--set: {name.strip()}: {key} is no table")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table[keys[-1] if isinstance(table, dict) else _place(table, keys[-1], name)] = parsed


def _place(found: list[Any], key: str, name: str) -> int:
    if not key.isdecimal() or int(key) >= len(found):
        raise OptionError(
            f"--set: {name.strip()}: expected the number of one of {len(found)} entries, from 0, "
            f"got {key!r}"
        )
    return int(key)


def _parse(cls: type[T], table: Any, place: str) -> T:
    where = f"[{place}]" if place else "the run file"
    if not isinstance(table, Mapping):
        raise OptionError(f"{place}: expected a table, got {table!r}")
    hints = get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise UnknownNameError(f"key in {where}", key, known)
    for name, spec in known.items():
        required = spec.default is spec.default_factory is dataclasses.MISSING
        if required and name not in table:
            raise OptionError(f"{_join(place, name)}: missing in {where}")
    values = {key: _convert(value, hints[key], _join(place, key)) for key, value in table.items()}
    try:
        return cls(**values)
    except OptionError as error:
        raise OptionError(f"{where}: {error}" if place else str(error)) from error


def _convert(value: Any, hint: Any, place: str) -> Any:
    if isinstance(hint, UnionType):
        (kind,) = (kind for kind in get_args(hint) if kind is not NoneType)
        return None if value is None else _convert(value, kind, place)
    if dataclasses.is_dataclass(hint):
        return _parse(hint, value, place)  # type: ignore[arg-type]
    origin = get_origin(hint) or hint
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise OptionError(f"{place}: expected a list, got {value!r}")
        return tuple(_convert(one, get_args(hint)[0], place) for one in value)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if not isinstance(value, Mapping):
            raise OptionError(f"{place}: expected a table, got {value!r}")
        return dict(value)
    return _scalar(value, origin, place)


def _scalar(value: Any, kind: type, place: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise OptionError(f"{place}: expected {_NAMES[kind]}, got {value!r}")
    return value


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _at_least(least: int, name: str, value: float) -> None:
    if not least <= value < math.inf:
        raise OptionError(f"{name}: expected {least} or more, got {value}")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def _resolve_paths(run: Run, folder: Path) -> Run:
    def there(text: str | None) -> str | None:
        return text and str((folder / text).resolve())

    def moved(spec: DataSpec) -> DataSpec:
        schema = spec.schema
        if schema is not None and schema.endswith(".toml"):
            schema = there(schema)
        return dataclasses.replace(
            spec,
            annotations=there(spec.annotations) or "",
            images=there(spec.images) or "",
            schema=schema,
        )

    val = run.data.val
    data = dataclasses.replace(
        run.data,
        train=moved(run.data.train),
        val=None if val is None else moved(val),
        more=tuple(map(moved, run.data.more)),
    )
    model = dataclasses.replace(run.model, weights=there(run.model.weights))
    return dataclasses.replace(run, data=data, model=model)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value

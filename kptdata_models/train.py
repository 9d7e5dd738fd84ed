"""Train a run: data, model, Lightning's trainer, and a folder that holds all that came of it."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.errors import FileError, KptDataError, OptionError
from kptdata_models._call import call, find
from kptdata_models.bad_images import BadImages
from kptdata_models.build import build_codec, build_model
from kptdata_models.checkpoint import KEY, check_schema, read_facts
from kptdata_models.data import Augmentation, TopdownDataset
from kptdata_models.evaluate import measure_more
from kptdata_models.loaders import TrainBatches, ValBatches, train_loader, val_loader
from kptdata_models.log import CsvLog
from kptdata_models.module import PoseModule
from kptdata_models.pictures import SamplePictures
from kptdata_models.runfile import Run, TrainSpec
from kptdata_models.sources import load_source, load_training
from kptdata_models.weights import load_weights

__all__ = ["Result", "fit", "prepare"]

Say = Callable[[str], None]
_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


@dataclass(frozen=True)
class Prepared:
    """All that training needs, checked to fit."""

    run: Run
    module: PoseModule
    train: TopdownDataset
    val: TopdownDataset | None
    report: tuple[str, ...]
    weights: NDArray[np.float64] | None = None  # of the training samples


@dataclass(frozen=True)
class Result:
    """What training left behind.

    Attributes:
        folder: of the run; holds ``run.toml``, ``metrics.csv``, ``samples/`` and checkpoints.
        last: the last checkpoint.
        best: the best one by ``train.monitor``; the last where nothing was validated.
        metrics: figures of the last validation.
    """

    folder: Path
    last: Path
    best: Path
    metrics: dict[str, float]


def prepare(run: Run, *, overfit: int = 0) -> Prepared:
    """Read the data and build the model; every mistake that can be found before training is.

    Args:
        run: the run.
        overfit: train and validate on this many instances alone, without augmentation.

    Raises:
        KptDataError: data cannot be read, or parts do not fit; the message says which key to set.
    """
    codec = build_codec(run.codec)
    train, told = load_training(run.data)
    val = None if run.data.val is None else load_source(run.data.val, "data.val")
    if val is not None:
        check_schema(train.dataset.schema, val.dataset.schema, "the model of data.train")
    augmentation = run.data.transform
    if overfit:
        train = train.first(overfit)
        val, augmentation = train, Augmentation()
    torch.manual_seed(run.seed)
    model = build_model(run.model, codec, train.dataset.schema)
    report = [*told, *([] if val is None else [f"data.val: {val}"])]
    if val is not None:
        _try_metrics(val.dataset, run)
    if run.model.weights is not None:
        match = load_weights(
            model, run.model.weights, prefix=run.model.weights_prefix, into=run.model.weights_into
        )
        report.append(match.table())
    if run.train.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = PoseModule(model, run, train.dataset, None if val is None else val.dataset)
    samples = TopdownDataset(
        train.dataset,
        train.images,
        codec,
        augmentation=augmentation,
        seed=run.seed,
        cache=run.data.train.cache,
        on_bad_image=run.data.train.on_bad_image,
        decode=run.data.train.decode,
    )
    plain = None
    if val is not None:
        spec = run.data.val or run.data.train
        plain = TopdownDataset(
            val.dataset,
            val.images,
            codec,
            cache=spec.cache,
            on_bad_image=spec.on_bad_image,
            decode=spec.decode,
        )
    return Prepared(run, module, samples, plain, tuple(report), train.weights)


def _try_metrics(val: PoseDataset, run: Run) -> None:
    """Measure the truth by itself: what a metric lacks is better known before training."""
    few = val[:64]
    perfect = few.replace(keypoint_score=few.labelled.astype(float), answers=few.ids)
    try:
        measure_more(few, perfect, run.eval.metrics, area=run.eval.area, sigmas=run.eval.sigmas)
    except KptDataError as error:
        raise OptionError(
            f"eval.metrics: {error}. In a run file that is [eval] area or sigmas, or other metrics"
        ) from error


def fit(
    run: Run,
    out: str | Path,
    *,
    resume: str | Path | None = None,
    overfit: int = 0,
    say: Say | None = None,
) -> Result:
    """Train.

    Args:
        run: what to train.
        out: folder of the run; must be new or empty unless it is resumed.
        resume: a checkpoint to go on from, or ``auto`` for the last one in `out`, if there is one.
        overfit: train and validate on this many instances alone.
        say: called with lines for a reader.

    Raises:
        KptDataError: something does not fit, or the loss is not finite.
    """
    folder = Path(out)
    checkpoint = _checkpoint_to_resume(folder, resume)
    prepared = prepare(run, overfit=overfit)
    if checkpoint is not None:
        _check_resumed(checkpoint, prepared)
    if _is_first_process():
        _make(folder)
        (folder / "run.toml").write_text(run.to_toml(), encoding="utf-8")
        lines = [*prepared.report, *([f"resumed from {checkpoint}"] if checkpoint else [])]
        for line in lines:
            (say or _silent)(line)
    with _quiet():
        result = _fit(prepared, folder, checkpoint, say or _silent)
    if _is_first_process():
        figures = ", ".join(f"{name} {value:.6g}" for name, value in result.metrics.items())
        (say or _silent)(f"trained {run.train.epochs} epochs{figures and ': ' + figures}")
        (say or _silent)(f"best checkpoint: {result.best}")
    return result


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot be made: {error.strerror}", path=folder, fix="name another folder (-o)"
        ) from None


def _is_first_process() -> bool:
    """Tell before Lightning can: torchrun and Lightning's own launcher both number processes."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK"))


def _silent(line: str) -> None:
    del line


class _quiet(warnings.catch_warnings):  # noqa: N801 - a context, used like a function
    """Keep Lightning's remarks about workers, intervals and devices to itself."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.filterwarnings("ignore", category=PossibleUserWarning)
        warnings.filterwarnings("ignore", module=r"(lightning|torch)\.")
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        return entered


def _fit(prepared: Prepared, folder: Path, checkpoint: Path | None, say: Say) -> Result:
    run, module = prepared.run, prepared.module
    spec = run.train
    csv = CsvLog(folder / "metrics.csv")
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=f"val/{spec.monitor}",
        mode=spec.monitor_mode,
        save_top_k=1,
        enable_version_counter=False,
    )
    callbacks: list[pl.Callback] = [_LastCheckpoint(folder / "last.ckpt", spec.checkpoint_every)]
    shown_samples = prepared.train if prepared.val is None else prepared.val
    callbacks.append(SamplePictures(shown_samples, folder / "samples", spec.pictures))
    if prepared.val is not None:
        callbacks.append(best)
    callbacks += _bad_images(prepared, say)
    callbacks += [_callback(table, i) for i, table in enumerate(spec.callbacks)]
    shown = sys.stderr.isatty()
    trainer = _trainer(
        spec,
        precision=_PRECISION[spec.precision],
        max_epochs=spec.epochs,
        accumulate_grad_batches=spec.accumulate,
        gradient_clip_val=spec.clip_grad_norm or None,
        check_val_every_n_epoch=spec.val_every,
        num_sanity_val_steps=0,
        log_every_n_steps=spec.log_every,
        logger=[csv, *_tensorboard(folder)],
        callbacks=[*callbacks, *([RichProgressBar()] if shown else [])],
        default_root_dir=folder,
        # Without validation Lightning would add a checkpoint of its own, in a place of its own.
        enable_checkpointing=any(isinstance(one, Checkpoint) for one in callbacks),
        enable_progress_bar=shown,
        enable_model_summary=False,
        use_distributed_sampler=False,
        deterministic="warn" if spec.deterministic else False,
    )
    if trainer.is_global_zero:
        csv.cut(0 if checkpoint is None else int(read_facts(checkpoint)["global_step"]))
    data = _Data(prepared, trainer)
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    last, kept = folder / "last.ckpt", folder / "best.ckpt"
    return Result(folder, last, kept if kept.exists() else last, module.figures)


def _trainer(spec: TrainSpec, **options: Any) -> pl.Trainer:
    try:
        return pl.Trainer(accelerator=spec.accelerator, **_processes(spec), **options)
    except (MisconfigurationException, ValueError) as error:
        raise OptionError(
            f"train.accelerator, train.devices: {spec.accelerator!r} with {spec.devices} cannot be "
            f"had here: {error}"
        ) from error


def _bad_images(prepared: Prepared, say: Say) -> list[pl.Callback]:
    data = prepared.run.data
    watched = [(prepared.train, "data.train", data.train), (prepared.val, "data.val", data.val)]
    return [
        BadImages(samples.dataset, place, spec.max_bad_images, say)
        for samples, place, spec in watched
        if samples is not None and spec is not None and spec.on_bad_image == "skip"
    ]


class _LastCheckpoint(pl.Callback):
    """Save after each epoch and, if asked, every so many steps."""

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.every = every
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take note of the step that is done."""
        del pl_module
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save in the middle of an epoch, but not of a step: a checkpoint holds no gradients."""
        stepped = trainer.global_step != self._step
        self._step = trainer.global_step
        if self.every and stepped and self._step % self.every == 0:
            trainer.save_checkpoint(self.path)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after validation."""
        del pl_module
        trainer.save_checkpoint(self.path)


def _processes(spec: TrainSpec) -> dict[str, Any]:
    """Take the number of processes from torchrun, if it started this one, else from the run."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if "TORCHELASTIC_RUN_ID" in os.environ and world > 1:
        return {"devices": local, "num_nodes": world // local, "strategy": "ddp"}
    return {"devices": spec.devices, "strategy": "ddp" if spec.devices > 1 else "auto"}


def _callback(table: Any, place: int) -> pl.Callback:
    arguments = dict(table)
    kind = arguments.pop("type", None)
    if kind is None:
        raise OptionError(f"train.callbacks.{place}.type: missing; give a dotted path")
    key = f"train.callbacks.{place}"
    made = call(find(kind, f"{key}.type"), key, kind, **arguments)
    if not isinstance(made, pl.Callback):
        raise OptionError(f"{key}.type: expected a Lightning callback, got {kind}")
    return made


def _tensorboard(folder: Path) -> list[Logger]:
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        return []
    from lightning.pytorch.loggers import TensorBoardLogger

    return [TensorBoardLogger(save_dir=folder, name="", version="tensorboard")]


class _Data(pl.LightningDataModule):
    """Loaders made when Lightning knows which process this is."""

    def __init__(self, prepared: Prepared, trainer: pl.Trainer) -> None:
        super().__init__()
        self.prepared = prepared
        self.trainer = trainer

    def _position(self) -> tuple[int, int]:
        loops: Any = self.trainer.fit_loop  # type: ignore[union-attr]
        return self.trainer.current_epoch, int(loops.epoch_loop.batch_progress.current.ready)  # type: ignore[union-attr]

    def train_dataloader(self) -> Any:
        """Return the loader of training batches."""
        trainer, run = self.trainer, self.prepared.run
        assert trainer is not None  # noqa: S101
        batches = TrainBatches(
            len(self.prepared.train),
            run.train.batch_size,
            seed=run.seed,
            epoch=lambda: trainer.current_epoch,
            rank=trainer.global_rank,
            world=trainer.world_size,
            weights=self.prepared.weights,
            groups=self.prepared.train.dataset.image if run.train.group_images else None,
        )
        return train_loader(
            self.prepared.train,
            batches,
            workers=run.train.workers,
            position=self._position,
            encode=trainer.strategy.root_device.type == "cpu",
        )

    def val_dataloader(self) -> Any:
        """Return the loader of validation batches, or none."""
        val, run, trainer = self.prepared.val, self.prepared.run, self.trainer
        if val is None or trainer is None:
            return []
        batches = ValBatches(
            len(val),
            run.eval.batch_size or run.train.batch_size,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )
        return val_loader(val, batches, workers=run.train.workers)


def _checkpoint_to_resume(folder: Path, resume: str | Path | None) -> Path | None:
    if resume is None:
        if _is_first_process() and folder.is_dir() and any(folder.iterdir()):
            raise FileError(
                "the folder of the run is not empty",
                path=folder,
                fix="give another --out, or --resume auto to go on with what is there",
            )
        return None
    if resume != "auto":
        return Path(resume)
    last = folder / "last.ckpt"
    return last if last.exists() else None


def _check_resumed(checkpoint: Path, prepared: Prepared) -> None:
    from kptdata.schema import parse_toml

    content = read_facts(checkpoint)
    schema = parse_toml(content[KEY]["schema"])
    check_schema(schema, prepared.module.model.schema, f"checkpoint {checkpoint}")
    own, stored = (
        {name: tuple(value.shape) for name, value in state.items()}
        for state in (prepared.module.state_dict(), content["state_dict"])
    )
    names = sorted(own.keys() | stored.keys())
    other = [name for name in names if own.get(name) != stored.get(name)]
    if other:
        raise FileError(
            f"holds another model: {len(other)} of {len(names)} weights differ, the first is "
            f"{other[0]}, {stored.get(other[0], 'missing')}",
            path=checkpoint,
            expected=str(own.get(other[0], "no such weight")),
            fix="resume with the run file it was made by, or start from its weights "
            "(model.weights) without --resume",
        )

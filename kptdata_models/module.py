"""The training step as Lightning wants it: losses, logs, averages of the weights, checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError, OptionError, UnknownNameError
from kptdata_models._call import call, find, takes
from kptdata_models.checkpoint import KEY, facts
from kptdata_models.data import Sample, Unencoded, encode_batch
from kptdata_models.estimator import TopdownPoseEstimator
from kptdata_models.evaluate import measure, measure_more
from kptdata_models.loaders import steps_per_epoch
from kptdata_models.predict import Found, answer, to_found
from kptdata_models.runfile import Run, TrainSpec

__all__ = ["PoseModule", "learning_rate_factor"]

_OPTIMIZERS = tuple(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
)


class PoseModule(pl.LightningModule):
    """An estimator in training.

    Args:
        model: the estimator.
        run: what it is trained by.
        train: instances that are trained on, to name those that go wrong.
        val: instances that are validated on.

    Attributes:
        predictions: of the last validation, for all instances, in the order of `val`.
        figures: of the last validation.
    """

    def __init__(
        self,
        model: TopdownPoseEstimator,
        run: Run,
        train: PoseDataset,
        val: PoseDataset | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.run = run
        self.train_data = train
        self.val_data = val
        self.predictions: PoseDataset | None = None
        self.figures: dict[str, float] = {}
        self.ema: dict[str, Tensor] | None = None
        self._held: dict[str, Tensor] = {}
        self._found: list[Found] = []

    # Training

    def on_train_start(self) -> None:
        """Begin the running average where there is none yet."""
        if self.run.train.ema and self.ema is None:
            self.ema = {k: v.detach().clone() for k, v in self.state_dict().items()}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Tie random layers to the batch, so that a resumed run draws what it would have drawn."""
        del batch
        place = (self.run.seed, self.trainer.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(hash(place))

    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Encode targets where the batch is, if its loader has not."""
        del dataloader_idx
        if not (self.trainer.training and isinstance(batch.target, Unencoded)):
            return batch
        weights = None
        if self.run.data.transform.use_schema_weights:
            weights = torch.as_tensor(self.model.schema.weights, dtype=torch.float32).to(
                self.device
            )
        return batch._replace(target=encode_batch(self.model.codec, batch.target, weights))

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        del batch_idx
        image = cast("Tensor", batch.image)
        terms: dict[str, Tensor] = self.model(image, batch.target, mode="loss")
        self._guard(terms, batch)
        self.log_dict(
            {f"train/{name}": value.detach() for name, value in terms.items()},
            on_step=True,
            on_epoch=False,
            batch_size=len(image),
        )
        self.log("loss", terms["loss"].detach(), prog_bar=True, logger=False)
        return terms["loss"]

    def _guard(self, terms: Mapping[str, Tensor], batch: Sample) -> None:
        if bool(torch.isfinite(terms["loss"])):
            return
        rows = cast("Tensor", batch.row).tolist()
        data = self.train_data
        named = ", ".join(
            f"{data.ids[row]} ({data.images.file_name[data.image[row]]})" for row in rows[:8]
        )
        bad = [name for name, value in terms.items() if not bool(torch.isfinite(value))]
        more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
        raise DatasetError(
            f"loss: {', '.join(bad)} is not finite at step {self.trainer.global_step}, in the "
            f"batch of instances {named}{more}; look at them with kpt check and kpt viz, or lower "
            "train.lr, or set train.clip_grad_norm"
        )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and move the running average before any callback can save it."""
        super().optimizer_step(*args, **kwargs)
        if self.ema is None:
            return
        # Early on the weights change fast, and an average over many steps would lag behind.
        step = self.trainer.global_step + 1
        decay = min(self.run.train.ema, (1 + step) / (10 + step))
        for name, value in self.state_dict().items():
            if value.dtype.is_floating_point:
                self.ema[name].lerp_(value.detach(), 1 - decay)
            else:
                self.ema[name].copy_(value)

    def configure_optimizers(self) -> Any:
        """Return the optimizer and a rate that changes with every step."""
        spec = self.run.train
        optimizer = _optimizer(spec, self.parameters())
        # Counted here: asking the trainer makes it start on the data before a checkpoint is loaded.
        batches = steps_per_epoch(len(self.train_data), spec.batch_size, self.trainer.world_size)
        per_epoch = ceil(batches / spec.accumulate)
        total = per_epoch * spec.epochs
        schedule = LambdaLR(
            optimizer, lambda step: learning_rate_factor(spec, step, total, per_epoch)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    # Validation

    def on_validation_start(self) -> None:
        """Judge the running average, with the same normalisation statistics in every process."""
        self._found = []
        self._hold()
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Keep what is found; figures need all of it."""
        del batch_idx
        image = cast("Tensor", batch.image)
        prediction = self.model(image, mode="predict", flip_test=self.run.eval.flip_test)
        row = cast("Tensor", batch.row).cpu().numpy()
        matrix = cast("Tensor", batch.matrix).cpu().numpy()
        self._found.append(to_found(prediction, self.model.codec, row, matrix))

    def on_validation_epoch_end(self) -> None:
        """Join what all processes found and log the figures."""
        if self.val_data is None:
            raise OptionError("data.val: needed to validate")
        found = self._gathered()
        unique = found.at(np.unique(found.row, return_index=True)[1])
        self.predictions = answer(self.val_data, unique, self.model.schema, "the model in training")
        truth = self.val_data[unique.row]
        spec = self.run.eval
        self.figures = measure(truth, self.predictions, threshold=spec.threshold)
        self.figures |= measure_more(
            truth, self.predictions, spec.metrics, area=spec.area, sigmas=spec.sigmas
        )
        named = {f"val/{name}": value for name, value in self.figures.items()}
        # Lightning keeps what it logs in single precision: good enough to choose the best.
        self.log_dict(named, prog_bar=True, logger=False)
        for logger in self.loggers:
            logger.log_metrics(named, max(0, self.trainer.global_step - 1))

    def _gathered(self) -> Found:
        mine = Found.join(self._found)
        if self.trainer.world_size == 1:
            return mine
        everything: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(everything, mine)
        return Found.join(everything)

    def on_validation_end(self) -> None:
        """Go on with the weights that are trained."""
        self._release()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Have the running average in the place of the weights, if there is one."""
        self._hold()
        try:
            yield
        finally:
            self._release()

    def _hold(self) -> None:
        if self.ema is not None:
            self._held = {k: v.detach().clone() for k, v in self.state_dict().items()}
            self.load_state_dict(self.ema)

    def _release(self) -> None:
        if self._held:
            self.load_state_dict(self._held)
            self._held = {}

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put schema, codec, run, versions and the running average beside the weights."""
        stored = facts(self.model.schema, self.run)
        if self.ema is not None:
            stored["ema"] = dict(self.ema)
        if self._held:
            # Saved during validation, when the average is in the place of the weights.
            checkpoint["state_dict"] = dict(self._held)
        checkpoint[KEY] = stored

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the running average back."""
        self.ema = checkpoint[KEY].get("ema")


def _optimizer(spec: TrainSpec, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    dotted = "." in spec.optimizer or ":" in spec.optimizer
    if not dotted and spec.optimizer not in _OPTIMIZERS:
        raise UnknownNameError("optimizer in train.optimizer", spec.optimizer, _OPTIMIZERS)
    kind = find(spec.optimizer if dotted else f"torch.optim.{spec.optimizer}", "train.optimizer")
    asked = spec.weight_decay or takes(kind, "weight_decay")
    decay = {"weight_decay": spec.weight_decay} if asked else {}
    made = call(kind, "train.optimizer", spec.optimizer, parameters, lr=spec.lr, **decay)
    if not isinstance(made, torch.optim.Optimizer):
        raise OptionError(f"train.optimizer: expected an optimizer, got {spec.optimizer}")
    return made


def learning_rate_factor(spec: TrainSpec, step: int, total: int, per_epoch: int) -> float:
    """Return what the learning rate is multiplied by at a step.

    Args:
        spec: schedule, milestones, gamma, warm-up.
        step: steps done.
        total: steps of the whole run.
        per_epoch: steps of an epoch.
    """
    warm = min(1.0, (step + 1) / (spec.warmup_steps + 1))
    if spec.schedule == "cosine":
        done = min(1.0, step / max(1, total))
        return float(warm * 0.5 * (1 + np.cos(np.pi * done)))
    if spec.schedule == "multistep":
        passed = sum(step >= milestone * per_epoch for milestone in spec.milestones)
        return float(warm * spec.gamma**passed)
    return float(warm)

"""The account of images that training could not read, and its end where they are many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np

from kptdata.dataset import PoseDataset
from kptdata.errors import DatasetError
from kptdata.ledger import Ledger

__all__ = ["BadImages"]


class BadImages(pl.Callback):
    """Count the instances whose image was skipped, say so after each epoch, refuse too many.

    Args:
        dataset: what is sampled.
        place: of the table that names it: ``data.train`` or ``data.val``.
        limit: largest share of its instances that may be skipped.
        say: called with lines for a reader.

    Attributes:
        rows: instances that were skipped so far.
    """

    def __init__(
        self, dataset: PoseDataset, place: str, limit: float, say: Callable[[str], None]
    ) -> None:
        self.dataset = dataset
        self.place = place
        self.limit = limit
        self.say = say
        self.rows: set[int] = set()
        self._told = 0

    @property
    def ledger(self) -> Ledger:
        """Which instances were skipped, by id."""
        ids = self.dataset.ids[sorted(self.rows)].tolist()
        return Ledger(len(self.dataset), skipped={"its image cannot be read": ids})

    def count(self, bad: Any) -> None:
        """Take note of the field `bad` of a batch.

        Raises:
            DatasetError: more instances are skipped than may be; the first image is named.
        """
        rows = np.asarray(bad).reshape(-1)
        self.rows.update(rows[rows >= 0].tolist())
        if len(self.rows) > self.limit * len(self.dataset):
            first = self.dataset.images.file_name[self.dataset.image[min(self.rows)]]
            raise DatasetError(
                f"{self.place}: {self.ledger}; the first is {first}. At most {self.limit:.3g} of "
                f"them may be skipped: mend the images, or set {self.place}.max_bad_images"
            )

    def tell(self) -> None:
        """Say what was skipped, if that is more than was said before."""
        if len(self.rows) > self._told:
            self._told = len(self.rows)
            self.say(f"{self.place}: {self.ledger}")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Count those of a training batch."""
        del trainer, pl_module, outputs
        if self.place == "data.train":
            self.count(batch.bad.cpu())

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Count those of a validation batch."""
        del trainer, pl_module, outputs
        if self.place == "data.val":
            self.count(batch.bad.cpu())

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what was skipped."""
        del trainer, pl_module
        self.tell()

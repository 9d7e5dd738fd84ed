"""Batches in an order that depends on seed and epoch alone, resumed where they stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy
from torch.utils.data import DataLoader, Sampler, default_collate

from kptdata.errors import DatasetError
from kptdata_models.data import Sample, TopdownDataset, Unencoded, encode_batch, join_points

__all__ = [
    "Collate",
    "TrainBatches",
    "TrainLoader",
    "ValBatches",
    "steps_per_epoch",
    "to_tensors",
    "train_loader",
    "val_loader",
]

Key = tuple[int, int]


class TrainBatches(Sampler[list[Key]]):
    """Batches of keys (epoch, position), shuffled anew each epoch and dealt out to processes.

    Every sample comes once, and every process gets as many batches as the others: samples that are
    too few for a step of their own, as one process would have none, join the step before.

    Args:
        count: number of samples.
        batch_size: samples per step and process.
        seed: of the order.
        epoch: returns the number of the epoch that is about to start.
        rank: number of this process.
        world: number of processes.
        weights: (count,) how often each sample is drawn. An epoch has `count` samples still; each
            comes as often as its share of the weights says, rounded up or down by chance.
        groups: (count,) image of each sample: those of one image follow each other, and stay in
            one process.

    Raises:
        DatasetError: there are fewer samples than processes.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        seed: int,
        epoch: Callable[[], int],
        rank: int = 0,
        world: int = 1,
        weights: NDArray[np.float64] | None = None,
        groups: NDArray[np.intp] | None = None,
    ) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch
        self.rank = rank
        self.world = world
        self.weights = weights
        self.groups = groups
        self.resume: Key | None = None
        if count < world:
            raise DatasetError(
                f"data.train: {count} instances for {world} processes; start fewer (train.devices)"
            )

    def __len__(self) -> int:
        return steps_per_epoch(self.count, self.batch_size, self.world)

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, first = self.epoch(), 0
        # Holds until its epoch is over, however often the batches are asked for until then.
        if self.resume is not None and self.resume[0] >= epoch:
            epoch, first = self.resume
        order = self._order(np.random.default_rng([self.seed, epoch]))
        for start, stop in pairwise(self._edges()[first:]):
            batch = self._mine(order[start:stop])
            yield [(epoch, int(position)) for position in batch]

    def _edges(self) -> list[int]:
        """Return where each step begins in the order, and the end of the last."""
        step = self.batch_size * self.world
        edges = [*range(0, self.count, step), self.count]
        if len(edges) > 2 and edges[-1] - edges[-2] < self.world:
            del edges[-2]
        return edges

    def _order(self, rng: np.random.Generator) -> NDArray[np.intp]:
        order = rng.permutation(self.count)
        if self.weights is not None:
            order = rng.permutation(_by_weight(self.weights, rng))
        if self.groups is not None and self.count:
            rank = rng.permutation(int(self.groups.max()) + 1)
            order = order[np.argsort(rank[self.groups[order]], kind="stable")]
        return order

    def _mine(self, batch: NDArray[np.intp]) -> NDArray[np.intp]:
        """Take this process's share of the samples of a step."""
        if self.groups is None or self.world == 1:
            return batch[self.rank :: self.world]
        return np.array_split(batch, self.world)[self.rank]


def steps_per_epoch(count: int, batch_size: int, world: int = 1) -> int:
    """Return how many batches each process gets of `count` samples."""
    whole, left = divmod(count, batch_size * world)
    return whole + (left >= world or (whole == 0 and left > 0))


def _by_weight(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw as many places as there are weights, evenly spaced along their running sum."""
    edges = np.cumsum(weights, dtype=np.float64)
    marks = (np.arange(len(weights)) + rng.random()) * (edges[-1] / len(weights))
    return np.minimum(np.searchsorted(edges, marks, side="right"), len(weights) - 1)


class TrainLoader(DataLoader[Sample]):
    """A loader that a checkpoint can stop and start within an epoch.

    Attributes:
        position: returns epoch and number of batches that are done.
    """

    position: Callable[[], Key]

    def state_dict(self) -> dict[str, int]:
        """Return where training stands."""
        epoch, done = self.position()
        ended = done >= len(self)
        return {"epoch": epoch + ended, "batch": 0 if ended else done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue there the next time that batches are asked for."""
        batches: Any = self.batch_sampler
        batches.resume = (state["epoch"], state["batch"])


class ValBatches(Sampler[list[int]]):
    """Whole batches dealt out to processes, each sample once.

    Batches hold the same samples however many processes there are, so that a sample's result does
    not depend on their number. A process without a batch gets the first one again: its results are
    recognised by their rows and counted once.
    """

    def __init__(self, count: int, batch_size: int, *, rank: int = 0, world: int = 1) -> None:
        starts = range(0, count, batch_size)
        batches = [list(range(s, min(s + batch_size, count))) for s in starts]
        self.batches = batches[rank::world] or batches[:1]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches


class Collate:
    """Make a batch of samples: arrays are stacked, texts listed, targets encoded all at once.

    Args:
        codec: what encodes; None leaves targets as they are.
        weights: (K,) of the schema, if they multiply those of the targets.
    """

    def __init__(self, codec: Any = None, weights: NDArray[np.float32] | None = None) -> None:
        self.codec = codec
        self.weights = weights

    def __call__(self, samples: Sequence[Sample]) -> Any:
        """Return the batch, of tensors."""
        if self.codec is None or not isinstance(samples[0].target, Unencoded):
            return default_collate(list(samples))
        points = join_points([sample.target for sample in samples])
        target = encode_batch(self.codec, points, self.weights)
        batch = default_collate([sample._replace(target=0) for sample in samples])
        return batch._replace(target=to_tensors(target))


def to_tensors(value: Any) -> Any:
    """Turn the arrays of a bundle into tensors, whatever it is nested in."""
    if isinstance(value, np.ndarray):
        return from_numpy(np.require(value, requirements="W"))
    if isinstance(value, tuple):
        parts = map(to_tensors, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value if isinstance(value, Tensor) else default_collate([value])[0]


def train_loader(
    dataset: TopdownDataset,
    batches: TrainBatches,
    *,
    workers: int,
    position: Callable[[], Key],
    encode: bool = True,
) -> TrainLoader:
    """Return a loader of training batches.

    Args:
        dataset: the samples.
        batches: their order.
        workers: processes that load them.
        position: returns epoch and number of batches that are done.
        encode: make the targets; where not, they are `Unencoded`, to be encoded on a device.
    """
    _prepare_to_fork(workers)
    collate = Collate(dataset.codec, dataset.weights) if encode else Collate()
    loader = TrainLoader(
        dataset.unencoded(), batch_sampler=batches, num_workers=workers, collate_fn=collate
    )
    loader.position = position
    return loader


def val_loader(dataset: TopdownDataset, batches: ValBatches, *, workers: int) -> DataLoader[Sample]:
    """Return a loader of validation batches; nobody asks for their targets: `Unencoded`."""
    _prepare_to_fork(workers)
    return DataLoader(
        dataset.unencoded(), batch_sampler=batches, num_workers=workers, collate_fn=Collate()
    )


def _prepare_to_fork(workers: int) -> None:
    """End OpenCV's threads: a forked worker would wait for them, and they are not there."""
    if workers:
        import cv2

        cv2.setNumThreads(0)

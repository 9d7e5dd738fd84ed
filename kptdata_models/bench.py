"""How fast a run's training data loads, and what it waits for."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from kptdata.errors import OptionError
from kptdata.transforms import Instances, Photo, place, warped
from kptdata_models.build import build_codec
from kptdata_models.data import TopdownDataset, Unencoded, encode_batch, join_points
from kptdata_models.loaders import Collate, TrainBatches, train_loader
from kptdata_models.runfile import Run
from kptdata_models.sources import load_training

__all__ = ["DataBench", "bench_data"]

_STAGES = ("decode", "draw", "place", "warp", "effects", "target", "rest")


@dataclass(frozen=True)
class DataBench:
    """What was measured.

    Attributes:
        samples: how many samples the loader gave.
        workers: processes that load; 0 for the training process itself.
        read_s: seconds to read the annotations and be ready to sample.
        first_batch_s: seconds from then to the first batch.
        samples_per_second: of the loader, first batch included.
        stage_ms: milliseconds per sample of each stage, in one process.
        memory_mb: most memory of a loading process, in 10^6 bytes, shared pages included.
        bound: what takes most of a sample's time.
    """

    samples: int
    workers: int
    read_s: float
    first_batch_s: float
    samples_per_second: float
    stage_ms: dict[str, float]
    memory_mb: float
    bound: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        total = sum(self.stage_ms.values())
        stages = [
            f"  {name:8} {ms:8.3f} ms {ms / total:6.0%}" for name, ms in self.stage_ms.items()
        ]
        return "\n".join(
            [
                f"{self.samples_per_second:.0f} samples/s with {self.workers} workers "
                f"({self.samples} samples; ready after {self.read_s:.2f} s, first batch after "
                f"{self.first_batch_s:.2f} s; at most {self.memory_mb:.0f} MB a process)",
                f"one process, {total:.3f} ms a sample:",
                *stages,
                f"bound by: {self.bound}",
            ]
        )


def bench_data(run: Run, *, samples: int = 256) -> DataBench:
    """Load training samples as training does, and time their parts in this process.

    Args:
        run: says what is loaded, how it varies, and with how many workers.
        samples: how many are loaded; images come from wherever the system keeps them.

    Raises:
        KptDataError: the data cannot be read.
    """
    if samples < 1:
        raise OptionError(f"samples: expected 1 or more, got {samples}")
    start = perf_counter()
    source, _ = load_training(run.data)
    data = TopdownDataset(
        source.dataset, source.images, build_codec(run.codec), augmentation=run.data.transform,
        seed=run.seed, cache=run.data.train.cache, on_bad_image=run.data.train.on_bad_image,
        decode=run.data.train.decode,
    )  # fmt: skip
    read_s = perf_counter() - start
    stages = _stages(data, min(samples, 128), run.train.batch_size)
    count, first, seconds = _loaded(data, run, samples, source.weights)
    who = resource.RUSAGE_CHILDREN if run.train.workers else resource.RUSAGE_SELF
    unit = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(who).ru_maxrss * unit / 1e6
    bound = max(stages, key=lambda name: stages[name])
    return DataBench(
        count, run.train.workers, read_s, first, count / seconds, stages, memory, bound
    )


def _loaded(data: TopdownDataset, run: Run, samples: int, weights: Any) -> tuple[int, float, float]:
    """Return how many samples came, and the seconds to the first batch and to the last."""
    spec = run.train
    epoch, count, first = 0, 0, 0.0
    start = perf_counter()
    while count < samples:
        batches = TrainBatches(
            len(data), spec.batch_size, seed=run.seed, epoch=partial(int, epoch),
            weights=weights, groups=data.dataset.image if spec.group_images else None,
        )  # fmt: skip
        loader = train_loader(data, batches, workers=spec.workers, position=lambda: (0, 0))
        for batch in loader:
            first = first or perf_counter() - start
            count += len(batch.row)
            if count >= samples:
                break
        epoch += 1
    return count, first, perf_counter() - start


def _stages(data: TopdownDataset, samples: int, batch_size: int) -> dict[str, float]:
    """Return milliseconds per sample of each part, over the first samples, batch by batch."""
    clock = dict.fromkeys(_STAGES, 0.0)
    collate = Collate(data.codec, data.weights)
    collate([data.unencoded()[0, 0]])  # imports and tables that are made once
    for first in range(0, samples, batch_size):
        numbers = range(first, min(first + batch_size, samples))
        keys = [(number // len(data), number % len(data)) for number in numbers]
        start = perf_counter()
        collate([data.unencoded()[key] for key in keys])
        whole = perf_counter() - start
        parts = dict.fromkeys(_STAGES, 0.0)
        points = [_timed(data, *key, parts) for key in keys]
        start = perf_counter()
        encode_batch(data.codec, join_points(points), data.weights)
        parts["target"] += perf_counter() - start
        for name, seconds in parts.items():
            clock[name] += seconds
        clock["rest"] += max(0.0, whole - sum(parts.values()))
    return {name: seconds / samples * 1000 for name, seconds in clock.items()}


def _timed(data: TopdownDataset, epoch: int, row: int, seconds: dict[str, float]) -> Unencoded:
    """Do what `TopdownDataset.sample` does, part by part, adding up the time that each takes."""

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        seconds[name] += perf_counter() - start

    dataset, augmentation = data.dataset, data.augmentation
    one = slice(row, row + 1)
    person = Instances(dataset.xy[one], dataset.labelled[one], dataset.column("bbox")[one])
    path = data.path(row)
    with stage("decode"):
        photo = Photo(path)
        if data.decode == "full":
            photo.picture(1.0)
    with stage("draw"):
        draw = augmentation.draw(np.random.default_rng([data.seed, epoch, row]))
    with stage("place"):
        geometry = place(person, draw, data.codec, dataset.schema, photo.size_wh, augmentation)
        moved = person.moved(geometry)
    with stage("decode"):
        picture = photo.picture(1.0 if data.decode == "full" else geometry.scale)
    with stage("warp"):
        crop = warped(picture.image if data.decode == "full" else photo, geometry)
    with stage("effects"):
        for effect in draw.effects:
            crop = effect.apply(crop)
    fields = {"bbox": person.bbox, "area": dataset.column("area")[one]}
    return Unencoded(moved.xy.astype(np.float32), moved.labelled, fields)

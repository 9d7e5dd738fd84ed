"""The standard top-down training pipeline beside MMPose 1.3.2's, on the same images in one run.

    python benchmarks/loader.py [--json] [--people 260] [--passes 3] [--scale 1]

Both sides decode the image, flip, choose half bodies, vary the box, crop 192x256 in one thread,
encode MSRA heatmaps and pack; MMPose in its own environment (``.venv-peers``; benchmarks/peers.txt
says what is in it), this project in this one. Ours are batches of 32 as a loader makes them, the
peer's are samples that nobody has put together yet. ``reduced`` has pictures and people twice as
large, as only then has a crop fewer pixels than the picture; MMPose decodes them whole.
``grouped`` is our order in which people of one image follow each other. These figures are the best
of the passes, milliseconds of processor time a sample.

Then a file of train2017's size (``--scale 1``), its image names pointing at a few small pictures:
the seconds until an epoch's first batch, from a loaded set (MMPose's dataset class is
ready when it has read the file), and the memory of a forked loading process, shared pages
included, after 1,000 samples and after 20,000.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from _process import alone, case, child, interpreter_of, resident_mb, table
from _train2017 import make

PEER = str(Path(__file__).with_name("_loader_peer.py"))
SIZE = (640, 480)
PEOPLE_PER_IMAGE = 2.6  # as in COCO
BATCH = 32
LIMITS = {
    "sample, full decode, mmpose / ours": (">=", 1.5),
    "sample, reduced decode, mmpose / ours": (">=", 1.8),
    "sample, grouped, mmpose / ours": (">=", 3.0),
    "worker memory, ours / mmpose": ("<=", 0.25),
    "worker memory, 20,000 / 1,000 samples": ("<=", 1.02),
    "epoch start": ("<=", 2.0),
}
"""What the project aims for."""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--people", type=int, default=260)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the large file; 0 for none")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, *arguments = options.child
        print(json.dumps(CHILDREN[name](*arguments)))
        return
    with tempfile.TemporaryDirectory() as name:
        cases = pipelines(Path(name), options.people, options.passes)
        if options.scale:
            cases |= large(Path(name), options.scale)
    print(json.dumps(cases, indent=2) if options.json else table(cases, LIMITS))


def pipelines(folder: Path, people: int, passes: int) -> dict[str, dict[str, Any]]:
    """Compare milliseconds a sample."""
    peer = interpreter_of("mmpose")
    cases = {}
    for title, factor, decode, grouped in (
        ("full decode", 1, "full", 0),
        ("reduced decode", 2, "reduced", 0),
        ("grouped", 1, "full", 1),
    ):
        data = folder / title.replace(" ", "_")
        arguments = [str(data), str(people), str(factor)]
        child(sys.executable, __file__, "draw", *arguments)
        ours = child(sys.executable, __file__, "ours", str(data), str(passes), decode, str(grouped))
        if peer is not None:
            theirs = child(peer, PEER, "pipeline", str(data), str(passes))
            named = f"sample, {title}, mmpose / ours"
            cases[named] = case(ours["ms"], theirs["ms"], "ms", ours_last=True)
        if decode == "reduced":
            cases["grey levels that reduced decoding changes"] = alone(
                round(ours["gap"], 3), "levels"
            )
    return cases


def large(folder: Path, scale: float) -> dict[str, dict[str, Any]]:
    """Compare memory and the start of an epoch at train2017's size."""
    source, images = folder / "train.json", folder / "few"
    child(sys.executable, __file__, "make", str(source), str(scale))
    child(sys.executable, __file__, "few", str(images))
    ours = child(sys.executable, __file__, "large", str(source), str(images))
    cases = {"epoch start": alone(round(ours["start_s"], 3), "s")}
    peer = interpreter_of("mmpose")
    if peer is not None:
        theirs = child(peer, PEER, "large", str(source), str(images))
        cases["epoch start, mmpose / ours"] = case(
            ours["start_s"], theirs["start_s"], "s", ours_last=True
        )
        cases["worker memory, ours / mmpose"] = case(ours["mb_1000"], theirs["mb_1000"], "MB")
    cases["worker memory, 20,000 / 1,000 samples"] = case(ours["mb_20000"], ours["mb_1000"], "MB")
    return cases


# Contestants


def _ours(data: str, passes: str, decode: str, grouped: str) -> dict[str, float]:
    """Milliseconds a sample, in batches."""
    import cv2
    import torch

    from kptdata.transforms import standard_augmentation
    from kptdata_models.data import TopdownDataset
    from kptdata_models.loaders import Collate, TrainBatches

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = _dataset(Path(data))
    augmentation = standard_augmentation("mmpose")
    plain = TopdownDataset(dataset, data, _codec(), augmentation=augmentation)
    samples = TopdownDataset(dataset, data, _codec(), augmentation=augmentation, decode=decode)
    collate, loaded = Collate(samples.codec), samples.unencoded()
    best = float("inf")
    for epoch in range(int(passes)):
        batches = list(
            TrainBatches(
                len(dataset),
                BATCH,
                seed=0,
                epoch=lambda e=epoch: e,
                groups=dataset.image if int(grouped) else None,
            )
        )
        start = process_time()
        for batch in batches:
            collate([loaded[key] for key in batch])
        best = min(best, (process_time() - start) / len(dataset) * 1000)
    gaps = [
        float(abs(samples[row].image.astype(float) - plain[row].image).mean())
        for row in range(0, len(dataset), 7)
    ]
    return {"ms": best, "gap": sum(gaps) / len(gaps)}


def _large(source: str, images: str) -> dict[str, float]:
    import cv2
    import torch

    import kptdata as kd
    from kptdata.transforms import standard_augmentation
    from kptdata_models.data import TopdownDataset, usable_instances
    from kptdata_models.loaders import TrainBatches, train_loader

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = usable_instances(kd.read(source, format="coco"))[0]
    names = sorted(path.name for path in Path(images).iterdir())
    table = dataset.images
    few = [names[row % len(names)] for row in range(len(table))]
    dataset = dataset.replace(
        images=kd.ImageTable.of(few, id=table.id, width=table.width, height=table.height)
    )
    start = perf_counter()
    samples = TopdownDataset(
        dataset, images, _codec(), augmentation=standard_augmentation("mmpose")
    )
    order = TrainBatches(len(dataset), BATCH, seed=0, epoch=lambda: 0)
    batches = iter(train_loader(samples, order, workers=1, position=lambda: (0, 0)))
    next(batches)
    found = {"start_s": perf_counter() - start}
    done = 1
    for count in (1000, 20000):
        wanted = min(count // BATCH, len(order) - 4)
        for _ in islice(batches, wanted - done):
            pass
        done = wanted
        (worker, *_) = batches._workers  # noqa: SLF001 - nobody else knows
        found[f"mb_{count}"] = resident_mb(worker.pid)
    return found


# Data


def _codec() -> Any:
    from kptdata import codecs

    return codecs.build("MSRAHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2)


def _picture(rng: Any, size: tuple[int, int]) -> Any:
    """A photograph's stand-in."""
    import cv2
    import numpy as np

    smooth = cv2.resize(rng.integers(0, 256, (60, 80, 3)).astype(np.uint8), size)
    grain = rng.normal(0, 6, (size[1], size[0], 3))
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def _draw(data: str, people: str, factor: str) -> dict[str, int]:
    """Write pictures as JPEG files, and people over them as columns."""
    import cv2
    import numpy as np

    folder, number, times = Path(data), int(people), int(factor)
    folder.mkdir()
    rng = np.random.default_rng(0)
    count = round(number / PEOPLE_PER_IMAGE)
    names = [f"{place:05d}.jpg" for place in range(count)]
    size = (SIZE[0] * times, SIZE[1] * times)
    for name in names:
        cv2.imwrite(str(folder / name), _picture(rng, size), [cv2.IMWRITE_JPEG_QUALITY, 90])
    box = rng.uniform((0, 0, 90, 120), (400, 200, 240, 280), (number, 4)) * times
    if times > 1:  # large enough to be seen at half the size
        box[:, 2:] = np.maximum(box[:, 2:], (2.2 * 192, 2.2 * 256))
    xy = box[:, None, :2] + rng.random((number, 17, 2)) * box[:, None, 2:]
    labelled = rng.random((number, 17)) < 0.75
    labelled[:, 0] = True
    image = rng.integers(0, count, number)
    np.savez(
        folder / "people.npz", image=image, name=np.array(names)[image], bbox=box, xy=xy,
        labelled=labelled,
    )  # fmt: skip
    return {"images": count}


def _dataset(folder: Path) -> Any:
    import numpy as np

    import kptdata as kd

    with np.load(folder / "people.npz") as file:
        columns = dict(file)
    names = sorted({*columns["name"].tolist()} | {p.name for p in folder.glob("*.jpg")})
    wh = _picture_size(folder / names[0])
    return kd.PoseDataset(
        schema=kd.load_schema("coco"),
        images=kd.ImageTable.of(names, width=[wh[0]] * len(names), height=[wh[1]] * len(names)),
        image=columns["image"],
        xy=np.where(columns["labelled"][..., None], columns["xy"], np.nan),
        visibility=np.where(columns["labelled"], 2, 0).astype(np.uint8),
        bbox=columns["bbox"],
    )


def _picture_size(path: Path) -> tuple[int, int]:
    from kptdata.transforms import Photo

    return Photo(path).size_wh


def _few(images: str) -> dict[str, int]:
    import cv2
    import numpy as np

    folder = Path(images)
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(20):
        cv2.imwrite(str(folder / f"{number}.jpg"), _picture(rng, (160, 120)))
    return {"images": 20}


CHILDREN: dict[str, Any] = {
    "make": make,
    "draw": _draw,
    "few": _few,
    "ours": _ours,
    "large": _large,
}


if __name__ == "__main__":
    main()

"""Pictures of a run: targets beside predictions, on what the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray

from kptdata.dataset import PoseDataset
from kptdata.ops import select
from kptdata.paths import image_path
from kptdata.schema import Schema
from kptdata.viz import draw_heatmaps, write_picture
from kptdata_models.checkpoint import check_schema
from kptdata_models.data import Sample, TopdownDataset, read_image, usable_instances
from kptdata_models.estimator import TopdownPoseEstimator
from kptdata_models.module import PoseModule
from kptdata_models.predict import Predictor

__all__ = ["SamplePictures", "draw_pose", "heatmap_pictures", "picture_of_samples"]

Pixels = NDArray[np.uint8]


class SamplePictures(pl.Callback):
    """After each epoch, a PNG of the first samples: target left, prediction right.

    Args:
        samples: drawn from its first instances.
        folder: of the pictures, ``epoch_0000.png`` and so on.
        count: how many samples.
    """

    def __init__(self, samples: TopdownDataset, folder: Path, count: int) -> None:
        self.samples = samples
        self.folder = folder
        self.count = min(count, len(samples))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw, in the first process alone."""
        if not trainer.is_global_zero or not self.count or not isinstance(pl_module, PoseModule):
            return
        samples = [self.samples[i] for i in range(self.count)]
        with pl_module.averaged():
            picture = picture_of_samples(pl_module.model, samples)
        write_picture(picture, self.folder / f"epoch_{trainer.current_epoch:04d}.png")


def picture_of_samples(model: TopdownPoseEstimator, samples: Sequence[Sample]) -> Pixels:
    """Return (H, W, 3) RGB: a row per sample, its decoded target left, its prediction right."""
    images = torch.stack([torch.as_tensor(sample.image) for sample in samples])
    device = next(model.parameters()).device
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    with torch.no_grad():
        found = model(images.to(device), mode="predict").keypoints.xy.cpu().numpy()
    for part, training in modes:
        part.training = training
    rows = []
    for sample, xy in zip(samples, found, strict=True):
        wanted = model.codec.decode(*model.codec.as_output(sample.target)).xy
        weights = np.asarray(sample.target.keypoint_weights).reshape(-1)
        truth = np.where((weights > 0)[:, None], np.asarray(wanted)[0], np.nan)
        pixels = np.asarray(sample.image).transpose(1, 2, 0)
        pair = (draw_pose(pixels, points, model.schema) for points in (truth, xy[0]))
        rows.append(np.concatenate(list(pair), axis=1))
    return np.concatenate(rows)


def heatmap_pictures(
    predictor: Predictor,
    people: PoseDataset,
    images: str | Path,
    out_dir: str | Path,
    *,
    ids: Sequence[Any] = (),
    keypoints: tuple[str, ...] = (),
    limit: int | None = 8,
) -> tuple[Path, ...]:
    """Write a PNG per instance, target maps left and predicted maps right.

    Args:
        predictor: a model with a heatmap head.
        people: instances with boxes and keypoints.
        images: folder of the images.
        out_dir: folder of the pictures.
        ids: only these instances.
        keypoints: names or patterns of the keypoints to draw; empty draws all.
        limit: the most instances; None draws all.

    Raises:
        OptionError: the model predicts keypoints of another schema, or no heatmaps.
        DatasetError: an id is not in the dataset.
        FileError: an image cannot be read.
    """
    check_schema(predictor.schema, people.schema, "the checkpoint")
    chosen = select(people, ids=list(ids))[0] if ids else people
    chosen = usable_instances(chosen)[0][:limit]
    outputs = predictor.predict_dataset(chosen, images, outputs=True).outputs or ()
    codec = predictor.model.codec
    files = []
    for row, name in enumerate(chosen.ids.tolist()):
        image = read_image(image_path(images, str(chosen.images.file_name[chosen.image[row]])))
        own = tuple(array[row] for array in outputs)
        wanted, found = (
            draw_heatmaps(
                image, chosen, row, codec, outputs=given, keypoints=keypoints, title=title
            ).picture
            for given, title in ((None, f"{name}: target"), (own, f"{name}: prediction"))
        )
        files.append(Path(out_dir) / f"{row:04d}_{name}.png")
        write_picture(np.concatenate([wanted, found], axis=1), files[-1])
    return tuple(files)


def draw_pose(image: Pixels, xy: NDArray[Any], schema: Schema) -> Pixels:
    """Return a copy of `image` (H, W, 3) RGB with links and points; NaN points are left out."""
    import cv2

    canvas = np.ascontiguousarray(image)
    canvas = canvas.copy() if canvas is image else canvas
    seen = np.isfinite(xy).all(axis=-1)
    # Positions in sixteenths of a pixel; far outside they would overflow.
    places = np.clip(np.where(seen[:, None], xy, 0), -4096, 4096)
    places = np.round(places * 16).astype(int)
    for (a, b), colour in zip(schema.link_indices, schema.link_colours, strict=True):
        if seen[a] and seen[b]:
            ends = (places[a].tolist(), places[b].tolist())
            cv2.line(canvas, *ends, colour.tolist(), 1, cv2.LINE_AA, shift=4)
    for place, colour in zip(places[seen], schema.colours[seen], strict=True):
        cv2.circle(canvas, place.tolist(), 32, colour.tolist(), -1, cv2.LINE_AA, shift=4)
    return canvas

"""Prediction: images and boxes in, a `PoseDataset` in pixels of the original images out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import ArrayError, OptionError
from kptdata.paths import image_path
from kptdata.schema import Schema
from kptdata.visibility import Visibility
from kptdata_models.checkpoint import read_checkpoint
from kptdata_models.data import read_image, warp_image
from kptdata_models.estimator import Prediction, TopdownPoseEstimator

__all__ = ["Found", "Predictions", "Predictor", "answer", "load", "to_found"]

Image = str | Path | NDArray[np.uint8]


class Found(NamedTuple):
    """What was found for n boxes, in pixels of the images."""

    row: NDArray[np.intp]  # (n,) of the dataset with the boxes
    xy: NDArray[np.float64]  # (n, K, 2)
    keypoint_score: NDArray[np.float64]  # (n, K)
    score: NDArray[np.float64]  # (n,)
    matrix: NDArray[np.float64]  # (n, 2, 3) image pixels to input pixels

    def at(self, places: NDArray[np.intp]) -> Found:
        """Return these entries, in this order."""
        return Found(*(array[places] for array in self))  # type: ignore[arg-type]

    @classmethod
    def join(cls, parts: Iterable[Found]) -> Found:
        """Return the entries of all parts; there is at least one."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    @classmethod
    def none(cls, keypoints: int) -> Found:
        """Return no entry."""
        return cls(
            np.zeros(0, np.intp),
            np.zeros((0, keypoints, 2)),
            np.zeros((0, keypoints)),
            np.zeros(0),
            np.zeros((0, 2, 3)),
        )


class Predictions(NamedTuple):
    """A dataset of predictions and, on request, the outputs that they were decoded from."""

    dataset: PoseDataset
    outputs: tuple[NDArray[Any], ...] | None  # each (N, ...): heatmaps, or one array per axis


def to_found(
    prediction: Prediction, codec: Any, row: NDArray[np.intp], matrix: NDArray[np.float64]
) -> Found:
    """Take the keypoints of a batch from input pixels to image pixels.

    Args:
        prediction: of the model.
        codec: that decoded it.
        row: (n,) of the dataset with the boxes.
        matrix: (n, 2, 3) image pixels to input pixels.
    """
    from kptdata.codecs import Crop

    bundle = prediction.keypoints
    arrays = type(bundle)(*(x.detach().cpu().double().numpy() for x in bundle))
    image = codec.to_image(arrays, Crop(matrix, tuple(codec.input_size), codec.udp))
    return Found(row, image.xy[:, 0], image.score[:, 0], image.instance_score[:, 0], matrix)


def answer(boxes: PoseDataset, found: Found, schema: Schema, source: str) -> PoseDataset:
    """Make the dataset of predictions for the instances of `boxes`.

    The number column ``crop_matrix`` (N, 2, 3) says which part of the image was seen: it takes
    image pixels to pixels of the network's input. `answers` holds the ids of the instances, and an
    instance's score is multiplied by that of its box, if it has one.

    Args:
        boxes: instances with boxes.
        found: for its rows.
        schema: of the predicted keypoints.
        source: what made them, for the provenance.
    """
    of = boxes[found.row]
    seen: NDArray[np.bool_] = np.asarray(np.isfinite(found.xy).all(axis=-1))
    visibility = np.where(seen, Visibility.LABELLED, Visibility.UNLABELLED).astype(np.uint8)
    given = of.score
    return PoseDataset(
        schema=schema,
        images=of.images,
        image=of.image,
        xy=np.where(seen[..., None], found.xy, np.nan),
        visibility=visibility,
        keypoint_score=found.keypoint_score,
        bbox=of.bbox,
        bbox_source=of.bbox_source,
        score=found.score if given is None else np.where(np.isnan(given), 1.0, given) * found.score,
        track=of.track,
        id=np.arange(1, len(of) + 1),
        category=of.category,
        categories=of.categories,
        answers=None if of.id is None else of.ids,
        numbers={"crop_matrix": found.matrix},
        provenance=(*boxes.provenance, f"predicted by {source}"),
    )


def _usable(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise OptionError(
            f"device: {str(device)!r} cannot be used here: {reason}. Fix: leave it out, or cpu"
        ) from None


class Predictor:
    """A trained model with its schema, ready for images.

    Args:
        model: the estimator.
        source: what predictions are said to come from.
        flip_test: average with the mirrored input, unless told otherwise.
        device: where it runs; an accelerator if there is one.
        batch_size: boxes per forward pass.
    """

    def __init__(
        self,
        model: TopdownPoseEstimator,
        *,
        source: str = "a model",
        flip_test: bool = False,
        device: str | torch.device | None = None,
        batch_size: int = 32,
    ) -> None:
        self.device = _usable(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval()
        self.source = source
        self.flip_test = flip_test
        self.batch_size = batch_size

    @property
    def schema(self) -> Schema:
        """The schema of the keypoints that are predicted."""
        return self.model.schema

    def predict(
        self,
        image: Image,
        boxes: NDArray[Any] | Sequence[Sequence[float]],
        *,
        scores: Sequence[float] | None = None,
    ) -> PoseDataset:
        """Predict the people of one image.

        Args:
            image: a path, or an array (H, W, 3) RGB of bytes.
            boxes: (N, 4) xywh, pixels; none gives no prediction.
            scores: (N,) of the boxes.

        Raises:
            ArrayError: the image or the boxes have another shape.
            FileError: the image cannot be read.
        """
        bbox = np.asarray(boxes, dtype=np.float64)
        bbox = bbox.reshape(-1, 4) if bbox.size == 0 else bbox
        if bbox.ndim != 2 or bbox.shape[1] != 4:
            raise ArrayError(f"boxes: expected shape (N, 4), xywh, got {bbox.shape}")
        array = read_image(image) if isinstance(image, str | Path) else _checked(image)
        name = str(image) if isinstance(image, str | Path) else ""
        count, keypoints = len(bbox), self.schema.num_keypoints
        table = ImageTable.of([name], width=[array.shape[1]], height=[array.shape[0]])
        people = PoseDataset(
            schema=self.schema,
            images=table,
            image=np.zeros(count, np.intp),
            xy=np.full((count, keypoints, 2), np.nan),
            visibility=np.zeros((count, keypoints), np.uint8),
            bbox=bbox,
            score=None if scores is None else np.asarray(scores, np.float64),
        )
        return self.predict_dataset(people, lambda _: array).dataset

    def predict_dataset(
        self,
        people: PoseDataset,
        images: str | Path | Callable[[int], NDArray[np.uint8]],
        *,
        outputs: bool = False,
        on_batch: Callable[[int], None] | None = None,
    ) -> Predictions:
        """Predict for every instance of a dataset, in its order.

        Args:
            people: instances with boxes; their schema does not matter.
            images: the folder, or a function from the row of an image to its array.
            outputs: keep what was decoded, such as heatmaps.
            on_batch: called with the number of instances done.

        Raises:
            OptionError: an instance has no box with area, or no image.
            FileError: an image cannot be read.
        """
        _check_boxes(people)
        load_image = images if callable(images) else _reader(people, Path(images))
        found: list[Found] = []
        kept: list[tuple[NDArray[Any], ...]] = []
        for rows, pixels, matrices in self._batches(people, load_image):
            prediction = self._forward(pixels)
            found.append(to_found(prediction, self.model.codec, rows, matrices))
            if outputs:
                kept.append(tuple(x.cpu().numpy() for x in prediction.outputs))
            if on_batch is not None:
                on_batch(int(rows[-1]) + 1)
        if outputs and not found:
            width, height = self.model.codec.input_size
            empty = self._forward(torch.zeros(0, 3, height, width, dtype=torch.uint8))
            kept.append(tuple(x.cpu().numpy() for x in empty.outputs))
        joined = Found.join(found) if found else Found.none(self.schema.num_keypoints)
        dataset = answer(people, joined, self.schema, self.source)
        arrays = (
            tuple(np.concatenate(part) for part in zip(*kept, strict=True)) if outputs else None
        )
        return Predictions(dataset, arrays)

    def _batches(
        self, people: PoseDataset, load_image: Callable[[int], NDArray[np.uint8]]
    ) -> Iterator[tuple[NDArray[np.intp], Tensor, NDArray[np.float64]]]:
        codec = self.model.codec
        matrices = codec.crop(people.column("bbox")).matrix
        last: tuple[int, NDArray[np.uint8]] | None = None
        for start in range(0, len(people), self.batch_size):
            rows = np.arange(start, min(start + self.batch_size, len(people)))
            crops = []
            for row in rows:
                place = int(people.image[row])
                if last is None or last[0] != place:
                    last = place, load_image(place)
                crops.append(warp_image(last[1], matrices[row], codec.input_size))
            pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
            yield rows, pixels, matrices[rows]

    @torch.no_grad()
    def _forward(self, pixels: Tensor) -> Prediction:
        flip_test = self.flip_test
        prediction: Prediction = self.model(
            pixels.to(self.device), mode="predict", flip_test=flip_test
        )
        return prediction


def load(checkpoint: str | Path, *, device: str | None = None) -> Predictor:
    """Make a predictor from a checkpoint of ``kpt train``.

    Raises:
        FileError: the file cannot be read, or has no schema.
    """
    found = read_checkpoint(checkpoint)
    return Predictor(
        found.build(),
        source=Path(checkpoint).name,
        flip_test=found.run.eval.flip_test,
        device=device,
        batch_size=found.run.eval.batch_size or found.run.train.batch_size,
    )


def _checked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ArrayError(f"image: expected (H, W, 3) bytes, RGB, got {image.shape} {image.dtype}")
    return image


def _check_boxes(people: PoseDataset) -> None:
    box = people.column("bbox")
    good = (box[:, 2:] > 0).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        raise OptionError(
            f"boxes: instance {people.ids[row]} has no box with area, got {box[row].tolist()}; "
            "give boxes, or make them with kptdata.ops.with_boxes"
        )
    if (people.image < 0).any():
        row = int(np.argmin(people.image))
        raise OptionError(f"boxes: the image of instance {people.ids[row]} is not listed")


def _reader(people: PoseDataset, folder: Path) -> Callable[[int], NDArray[np.uint8]]:
    return lambda place: read_image(image_path(folder, str(people.images.file_name[place])))

"""``kpt predict``: keypoints of people in images, by a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kptdata import PoseDataset

WHOLE_IMAGE = "whole-image"


@click.command("predict")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--boxes", metavar="FILE|whole-image",
    help="Annotations whose boxes are looked at, or the whole of each image.",
)  # fmt: skip
@click.option("--format", "boxes_format", metavar="F", help="Format of the file with boxes.")
@click.option(
    "--annotations",
    metavar="FILE",
    help="Names the images, where the boxes are a detector's that knows only ids.",
)
@click.option(
    "--box-score",
    type=float,
    default=0.0,
    metavar="S",
    help="With --annotations: leave out detected boxes of a lower score.",
)
@click.option(
    "--box-nms", type=float, default=1.0, metavar="IOU",
    help="With --annotations: leave out boxes that overlap more with a better one.",
)  # fmt: skip
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Where the predictions are written.",
)  # fmt: skip
@click.option("--to", "to_format", default="coco", show_default=True, metavar="F")
@click.option(
    "--heatmaps", type=click.Path(path_type=Path), metavar="FILE.npz",
    help="Keep what the keypoints were decoded from.",
)  # fmt: skip
@click.option("--device", metavar="D", help="cpu, cuda, ...; an accelerator if there is one.")
def command(
    checkpoint: Path,
    images: Path,
    boxes: str | None,
    boxes_format: str | None,
    annotations: str | None,
    box_score: float,
    box_nms: float,
    out: Path,
    to_format: str,
    heatmaps: Path | None,
    device: str | None,
) -> None:
    """Predict keypoints in images with a trained model.

    IMAGES is a folder or a single image.
    """
    from kpt._detected import detected
    from kpt._options import parse_location
    from kpt._progress import progress
    from kptdata import OptionError, read, write
    from kptdata_models import load

    if boxes is None:
        raise OptionError(
            "--boxes: expected a file with boxes, or whole-image; a top-down model looks at one "
            f"person at a time. Fix: --boxes FILE, or --boxes {WHOLE_IMAGE}"
        )
    folder = images if images.is_dir() else images.parent
    if boxes == WHOLE_IMAGE:
        people = whole_images(images)
    elif annotations is not None:
        place = parse_location(annotations)
        listing = read(place.path, format=place.format)
        people = detected(listing, boxes, boxes_format, score_threshold=box_score, nms=box_nms)
    else:
        people = given(boxes, boxes_format, images)
    predictor = load(checkpoint, device=device)
    with progress("predicting", len(people)) as advance:
        found = predictor.predict_dataset(
            people, folder, outputs=heatmaps is not None, on_batch=advance
        )
    write(found.dataset, out, format=to_format)
    if heatmaps is not None and found.outputs is not None:
        import numpy as np

        named: dict[str, Any] = {f"output{i}": array for i, array in enumerate(found.outputs)}
        np.savez_compressed(heatmaps, **named)
    click.echo(f"{len(found.dataset)} instances in {out}", err=True)


def given(boxes: str, boxes_format: str | None, images: Path) -> PoseDataset:
    """Read the people of a file; of a single image, those in it."""
    from kptdata import OptionError, read

    people = read(boxes, format=boxes_format)
    if images.is_dir():
        return people
    mine = [Path(str(name)).name == images.name for name in people.images.file_name]
    if not any(mine):
        raise OptionError(
            f"--boxes: {boxes} does not list {images.name}, so there are no boxes for it. "
            f"Fix: --boxes {WHOLE_IMAGE}, or a file that lists it"
        )
    return people.with_images(mine)


def whole_images(images: Path) -> PoseDataset:
    """Return one box per image: all of it."""
    import numpy as np

    from kptdata import ImageTable, OptionError, PoseDataset, Schema
    from kptdata_models import read_image

    suffixes = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
    files = sorted(images.iterdir()) if images.is_dir() else [images]
    files = [file for file in files if file.suffix.lower() in suffixes]
    if not files:
        raise OptionError(f"IMAGES: no image in {images}; expected {', '.join(sorted(suffixes))}")
    sizes = np.array([read_image(file).shape[1::-1] for file in files])
    count = len(files)
    return PoseDataset(
        schema=Schema.from_names((), name="boxes"),
        images=ImageTable.of([f.name for f in files], width=sizes[:, 0], height=sizes[:, 1]),
        image=np.arange(count),
        xy=np.zeros((count, 0, 2)),
        visibility=np.zeros((count, 0), np.uint8),
        bbox=np.concatenate([np.zeros((count, 2)), sizes], axis=1).astype(float),
    )

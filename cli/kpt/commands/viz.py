"""``kpt viz``: annotations, heatmaps and other targets as pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kptdata import PoseDataset
    from kptdata.viz import Gallery


@click.group("viz")
def command() -> None:
    """Draw annotations, heatmaps and other targets: PNG files and a page that shows them."""


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all pictures need: where from, where to, how many."""
    options = (
        click.argument("src"),
        click.option("-o", "--out", required=True, type=click.Path(path_type=Path), metavar="DIR",
                     help="Folder for the pictures and index.html."),
        click.option("--images", type=click.Path(path_type=Path), metavar="DIR",
                     help="Folder of the images; by default images/ beside SRC, or SRC's own."),
        click.option("--from", "source_format", metavar="F", help="Format of SRC."),
        click.option("--schema", metavar="S", help="Keypoint schema, if SRC does not name it."),
        click.option("--keypoints", metavar="NAMES",
                     help="Only these, by comma: names or patterns such as left_*,nose."),
        click.option("--sheet", metavar="CxR", help="Contact sheets of C columns and R rows."),
        click.option("--plain", is_flag=True, help="Draw missing images as a plain canvas."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def instance_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what pictures of single instances need: which ones, and through which codec."""
    options = (
        click.option("--codec", default="UDPHeatmap", show_default=True, metavar="C",
                     help="Name of a codec, dotted path, or TOML file with its table."),
        click.option("--set", "settings", multiple=True, metavar="K=V",
                     help="A parameter of the codec, such as sigma=3; repeatable."),
        click.option("--id", "ids", multiple=True, metavar="ID", help="Only this instance."),
        click.option("--limit", default=8, show_default=True, type=click.IntRange(min=0),
                     metavar="N", help="At most N instances; 0 for all."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@command.command("annotations")
@source_options
@click.option("--labels", type=click.Choice(["none", "names", "indices"]), default="none",
              show_default=True, help="Words beside the points.")  # fmt: skip
@click.option("--boxes/--no-boxes", default=True, show_default=True)
@click.option("--named-boxes", is_flag=True, help="Also boxes such as head or left_hand.")
@click.option("--skeleton/--no-skeleton", default=True, show_default=True)
@click.option("--image", "names", multiple=True, metavar="NAME", help="Only this image.")
@click.option("--limit", default=24, show_default=True, type=click.IntRange(min=0), metavar="N",
              help="At most N images; 0 for all.")  # fmt: skip
def annotations_command(
    src: str,
    out: Path,
    labels: str,
    boxes: bool,
    named_boxes: bool,
    skeleton: bool,
    names: tuple[str, ...],
    limit: int,
    **source: Any,
) -> None:
    """Draw boxes, skeletons and keypoints on the images.

    A filled disc is a visible point, a ring an occluded one, a diamond one whose occlusion is not
    stated, a cross coordinates stated for a point that is not labelled.
    """
    from kptdata.viz import Style, annotation_gallery

    style = Style(boxes, named_boxes, skeleton, labels, _listed(source.pop("keypoints")))
    plain, sheet = source["plain"], _grid(source["sheet"])
    for dataset, folder, where in _parts(src, out, source):
        gallery = annotation_gallery(
            dataset, where, images=folder, style=style, sheet=sheet, limit=limit or None,
            names=names, plain=plain,
        )  # fmt: skip
        click.echo(str(gallery), err=True)


@command.command("heatmaps")
@source_options
@instance_options
@click.option("--checkpoint", type=click.Path(path_type=Path), metavar="CKPT",
              help="Draw this model's maps beside the targets, with its own codec.")  # fmt: skip
def heatmaps_command(
    src: str,
    out: Path,
    codec: str,
    settings: tuple[str, ...],
    checkpoint: Path | None,
    **options: Any,
) -> None:
    """Draw instances as a heatmap codec sees them.

    The image with the crop's frame, the crop, one panel per keypoint with the highest cell, the
    decoded and the annotated point, and decoded minus annotated in pixels.
    """
    from kptdata.viz import heatmap_gallery

    if checkpoint is not None:
        _draw_predicted(src, out, checkpoint, options)
        return

    _draw_instances(src, out, codec, settings, options, heatmap_gallery)


def _draw_predicted(src: str, out: Path, checkpoint: Path, options: dict[str, Any]) -> None:
    from kptdata_models import load
    from kptdata_models.pictures import heatmap_pictures

    predictor = load(checkpoint)
    for dataset, folder, where in _parts(src, out, options):
        files = heatmap_pictures(
            predictor,
            dataset,
            folder,
            where,
            ids=[int(name) if name.isdigit() else name for name in options["ids"]],
            keypoints=_listed(options["keypoints"]),
            limit=options["limit"] or None,
        )
        click.echo(f"{len(files)} pictures in {where}", err=True)


@command.command("targets")
@source_options
@instance_options
def targets_command(
    src: str, out: Path, codec: str, settings: tuple[str, ...], **options: Any
) -> None:
    """Draw what any codec makes of instances: maps, rows of bins, fractions, lifted poses."""
    from kptdata.viz import target_gallery

    _draw_instances(src, out, codec, settings, options, target_gallery)


@command.command("augment")
@source_options
@instance_options
@click.option(
    "--transform",
    type=click.Path(path_type=Path),
    metavar="RUN.toml",
    help="Run file whose [data.transform] is drawn from.",
)
@click.option(
    "--law",
    default="mmpose",
    show_default=True,
    metavar="LAW",
    help="Without a run file: the usual training transforms by this law.",
)
@click.option("-n", "--draws", default=6, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True)
@click.option("--labels", type=click.Choice(["none", "names", "indices"]), default="none",
              show_default=True, help="Words beside the points.")  # fmt: skip
def augment_command(
    src: str,
    out: Path,
    codec: str,
    settings: tuple[str, ...],
    transform: Path | None,
    law: str,
    draws: int,
    seed: int,
    labels: str,
    **options: Any,
) -> None:
    """Draw what training sees of instances: crops with points, and each taken back to its image."""
    from functools import partial

    from kptdata.transforms import standard_augmentation
    from kptdata.viz import augment_gallery

    if transform is None:
        augmentation = standard_augmentation(law)
    else:
        from kptdata_models.runfile import read_run

        augmentation = read_run(transform).data.transform
    draw = partial(
        augment_gallery, augmentation=augmentation, draws=draws, seed=seed, labels=labels
    )
    _draw_instances(src, out, codec, settings, options, draw)


def _draw_instances(
    src: str,
    out: Path,
    codec: str,
    settings: tuple[str, ...],
    options: dict[str, Any],
    draw: Callable[..., Gallery],
) -> None:
    from kpt._codec import codec_from

    how = {
        "ids": options["ids"],
        "limit": options["limit"] or None,
        "keypoints": _listed(options["keypoints"]),
        "sheet": _grid(options["sheet"]),
        "plain": options["plain"],
    }
    for dataset, folder, where in _parts(src, out, options):
        built = codec_from(codec, settings, dataset.schema.num_keypoints)
        click.echo(str(draw(dataset, where, built, images=folder, **how)), err=True)


def _parts(src: str, out: Path, options: dict[str, Any]) -> list[tuple[PoseDataset, Path, Path]]:
    """Read SRC; several skeletons are drawn into a folder each."""
    import kptdata as kd
    from kpt._options import parse_location

    source = parse_location(src, options["source_format"])
    folder = options["images"]
    parts = kd.read_all(source.path, format=source.format, schema=options["schema"])
    if folder is None:
        beside = source.path.parent / "images"
        folder = beside if beside.is_dir() else source.path.parent
    if len(parts) == 1:
        return [(parts[0], folder, out)]
    return [(part, folder, out / part.schema.name) for part in parts]


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _grid(text: str | None) -> tuple[int, int] | None:
    from kptdata.viz.sheet import parse_grid

    return None if text is None else parse_grid(text)

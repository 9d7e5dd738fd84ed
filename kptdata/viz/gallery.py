"""Many pictures of one dataset: PNG files, contact sheets and an index page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kptdata import ops
from kptdata.errors import DatasetError, FileError, UnknownNameError
from kptdata.viz._pictures import Loaded, load_image, make_folder, write_picture
from kptdata.viz.annotations import Style, draw_annotations
from kptdata.viz.heatmaps import draw_heatmaps
from kptdata.viz.html import Page
from kptdata.viz.sheet import contact_sheets
from kptdata.viz.targets import draw_targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kptdata.dataset import PoseDataset
    from kptdata.viz._draw import Picture

__all__ = [
    "Gallery",
    "annotation_gallery",
    "heatmap_gallery",
    "instance_gallery",
    "target_gallery",
]

_BOX_MARGIN = 0.1  # of the points' extent, where an instance has no box
_PAGE = 2000  # pixels: about the longer side of a contact sheet
_CAPTION = 30  # pixels: height of the line under a picture


@dataclass(frozen=True)
class Gallery:
    """What was drawn.

    Attributes:
        files: the PNG files.
        index: the page that shows them all by itself.
        drawn: how many images or instances were drawn.
        available: how many could have been, without the limit.
        missing: names of image files that were looked for and are not there.
        resized: names of images whose file has another size than the annotations state.
        boxed: how many instances had no box and were cropped by the extent of their points.
        left_out: how many instances no picture can show: their image is not listed or, where
            instances are drawn one by one, they have no point or a box without size.
    """

    files: tuple[Path, ...]
    index: Path
    drawn: int
    available: int
    missing: tuple[str, ...]
    resized: tuple[str, ...]
    boxed: int = 0
    left_out: int = 0

    def __str__(self) -> str:
        lines = [
            f"{self.drawn} of {self.available} drawn in {_counted(len(self.files), 'picture')}, "
            f"{self.index}"
        ]
        if self.missing:
            missing = _counted(len(self.missing), "image")
            lines.append(f"  not found: {missing}, such as {self.missing[0]}")
        if self.resized:
            resized = _counted(len(self.resized), "image")
            lines.append(f"  of another size than stated: {resized}, such as {self.resized[0]}")
        if self.boxed:
            lines.append(f"  without a box, cropped by their points: {self.boxed}")
        if self.left_out:
            reasons = "no listed image, no point or no box with a size"
            lines.append(f"  left out, {reasons}: {_counted(self.left_out, 'instance')}")
        return "\n".join(lines)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


class _Named(NamedTuple):
    name: str
    picture: Picture


@dataclass
class _Source:
    """The images of a dataset, and an account of those that are not as they should be."""

    dataset: PoseDataset
    folder: Path | None
    plain: bool

    def __post_init__(self) -> None:
        self.missing: list[str] = []
        self.resized: list[str] = []

    def load(self, row: int) -> Loaded | None:
        """Return image `row`; None, and a line in the account, if it is not there."""
        loaded = load_image(self.dataset, row, self.folder, plain=self.plain)
        name = str(self.dataset.images.file_name[row])
        if (loaded is None or not loaded.real) and name not in self.missing:
            self.missing.append(name)
        if loaded is not None and loaded.real:
            stated = self.dataset.images.wh[row]
            if stated.all() and loaded.picture.shape[1::-1] != tuple(stated.tolist()):
                self.resized.append(name)
        return loaded


def annotation_gallery(
    dataset: PoseDataset,
    out_dir: str | Path,
    *,
    images: str | Path | None = None,
    style: Style | None = None,
    sheet: tuple[int, int] | None = None,
    limit: int | None = 24,
    names: Sequence[str] = (),
    plain: bool = False,
) -> Gallery:
    """Draw the annotations of the images that have any.

    Args:
        dataset: what is drawn.
        out_dir: folder for the PNG files and ``index.html``.
        images: folder of the images.
        style: see `Style`; its title is set to the image's name.
        sheet: columns and rows of contact sheets, in place of one file per image.
        limit: the most images; None draws all.
        names: only images with these file names or ids.
        plain: draw on a plain canvas where the image is missing; otherwise it is left out.

    Raises:
        FileError: none of the images is there, or a file cannot be written.
        UnknownNameError: a name fits no image, or the style names a keypoint that is not there.
    """
    rows = _image_rows(dataset, names)
    source = _Source(dataset, None if images is None else Path(images), plain)
    style = style or Style()
    if sheet is not None:
        side = _PAGE // max(sheet) - _CAPTION
        style = replace(style, sides=(side, side))

    def draw() -> Iterator[_Named]:
        for row in rows:
            loaded = source.load(int(row))
            if loaded is not None:
                name = str(dataset.images.file_name[row]) or f"image {dataset.images.id[row]}"
                people = dataset[dataset.image == row]
                shown = f"{name}: {len(people)} instance{'s' * (len(people) != 1)}"
                yield _Named(
                    name, draw_annotations(loaded.picture, people, replace(style, title=shown))
                )

    gallery = _publish(draw(), source, Path(out_dir), "Annotations", len(rows), limit, sheet)
    return gallery if names else replace(gallery, left_out=int((dataset.image < 0).sum()))


def heatmap_gallery(
    dataset: PoseDataset, out_dir: str | Path, codec: Any, **options: Any
) -> Gallery:
    """Draw instances as a heatmap codec sees them; options and errors as for `target_gallery`."""

    def draw(image: Picture, boxed: PoseDataset, row: int, **how: Any) -> Picture:
        return draw_heatmaps(image, boxed, row, codec, **how).picture

    return instance_gallery(
        dataset, out_dir, draw, f"Heatmaps of {type(codec).__name__}", **options
    )


def target_gallery(
    dataset: PoseDataset, out_dir: str | Path, codec: Any, **options: Any
) -> Gallery:
    """Draw what a codec makes of instances.

    Args:
        dataset: holds the instances; those without a box are cropped by their points.
        out_dir: folder for the PNG files and ``index.html``.
        codec: any codec.
        **options: ``images``, ``sheet``, ``limit`` and ``plain`` as for `annotation_gallery`;
            ``ids``: only these instances; ``keypoints``: names or patterns of keypoints.

    Raises:
        DatasetError: the dataset lacks a column that the codec needs.
        FileError: none of the images is there, or a file cannot be written.
        UnknownNameError: an id or a keypoint is not there.
    """

    def draw(image: Picture, boxed: PoseDataset, row: int, **how: Any) -> Picture:
        return draw_targets(image, boxed, row, codec, **how)

    return instance_gallery(dataset, out_dir, draw, f"Targets of {type(codec).__name__}", **options)


def instance_gallery(
    dataset: PoseDataset,
    out_dir: str | Path,
    draw_one: Callable[..., Picture],
    title: str,
    *,
    images: str | Path | None = None,
    sheet: tuple[int, int] | None = None,
    limit: int | None = 8,
    ids: Sequence[str] = (),
    keypoints: tuple[str, ...] = (),
    plain: bool = False,
) -> Gallery:
    """Draw instances, each by `draw_one(image, dataset, row, keypoints=..., title=...)`."""
    boxed, _ = ops.with_boxes(dataset, margin=_BOX_MARGIN)
    made = np.isnan(dataset.column("bbox")).any(axis=1)
    source = _Source(boxed, None if images is None else Path(images), plain)
    rows = _instance_rows(boxed, ids)
    used: list[int] = []

    def draw() -> Iterator[_Named]:
        for row in rows:
            loaded = source.load(int(boxed.image[row]))
            if loaded is not None:
                used.append(int(row))
                name = str(boxed.images.file_name[boxed.image[row]])
                label = f"{name}, instance {boxed.ids[row]}"
                how = {"keypoints": keypoints, "title": label}
                yield _Named(label, draw_one(loaded.picture, boxed, int(row), **how))

    gallery = _publish(draw(), source, Path(out_dir), title, len(rows), limit, sheet)
    return replace(
        gallery,
        boxed=int(made[used[: gallery.drawn]].sum()),
        left_out=0 if ids else len(boxed) - len(rows),
    )


def _image_rows(dataset: PoseDataset, names: Sequence[str]) -> NDArray[np.intp]:
    """Return the rows of the images with instances, or of those that are named."""
    if not names:
        return np.unique(dataset.image[dataset.image >= 0])
    files, ids = dataset.images.file_name.tolist(), [str(i) for i in dataset.images.id]
    rows = []
    for name in names:
        found = [
            i for i, (file, id_) in enumerate(zip(files, ids, strict=True)) if name in (file, id_)
        ]
        if not found:
            raise UnknownNameError("image", name, [*files, *ids])
        rows += found
    return np.array(rows, dtype=np.intp)


def _instance_rows(dataset: PoseDataset, ids: Sequence[str]) -> NDArray[np.intp]:
    """Return the rows of instances with points, box and image, or of those that are named."""
    usable = dataset.labelled.any(axis=1) & (dataset.image >= 0)
    usable &= (dataset.column("bbox")[:, 2:] > 0).all(axis=1)
    if not ids:
        return np.flatnonzero(usable)
    known = [str(i) for i in dataset.ids]
    for wanted in ids:
        if wanted not in known:
            raise UnknownNameError("instance", wanted, known)
        if dataset.image[known.index(wanted)] < 0:
            raise DatasetError(f"instance {wanted} names an image that the file does not list")
    return np.array([known.index(wanted) for wanted in ids], dtype=np.intp)


def _publish(
    pictures: Iterator[_Named],
    source: _Source,
    out_dir: Path,
    title: str,
    available: int,
    limit: int | None,
    sheet: tuple[int, int] | None,
) -> Gallery:
    """Write pictures one by one, and the page that shows them."""
    drawn: list[str] = []

    def counted() -> Iterator[_Named]:
        for named in pictures:
            drawn.append(named.name)
            yield named
            if limit is not None and len(drawn) >= limit:
                return

    page = Page(
        title, f"{source.dataset.schema.name}: {source.dataset.schema.num_keypoints} keypoints"
    )
    files = []
    for number, named in enumerate(_paged(counted(), sheet), start=1):
        path = out_dir / f"{number:04d}_{_plain_name(named.name)}.png"
        write_picture(named.picture, path)
        page.section(named.name).picture(named.picture)
        files.append(path)
    if available and not files:
        raise FileError(
            f"none of the {available} images is there",
            path=source.folder,
            found=f"no {source.missing[0]}" if source.missing else None,
            fix="name their folder with --images, or draw on a plain canvas with --plain",
        )
    make_folder(out_dir)
    page.save(out_dir / "index.html")
    missing, resized = tuple(source.missing), tuple(source.resized)
    return Gallery(tuple(files), out_dir / "index.html", len(drawn), available, missing, resized)


def _paged(pictures: Iterator[_Named], sheet: tuple[int, int] | None) -> Iterator[_Named]:
    if sheet is None:
        yield from pictures
        return
    pages = contact_sheets((named.picture for named in pictures), sheet, cell=_PAGE // max(sheet))
    for number, page in enumerate(pages, start=1):
        yield _Named(f"sheet {number}", page)


def _plain_name(name: str) -> str:
    """Turn an image's name into one that any file system takes."""
    stem = Path(name.partition(",")[0]).stem
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in stem)[:60] or "image"

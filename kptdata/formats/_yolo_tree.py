"""The files of a YOLO-pose tree: which label file belongs to which image, and image sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from kptdata.errors import FormatError
from kptdata.formats._images import upright_size
from kptdata.formats._json import decode
from kptdata.formats._tree import safe_name
from kptdata.formats._yolo_card import Card, inside
from kptdata.formats.base import read_bytes
from kptdata.paths import exists, is_file

__all__ = ["LISTING", "Item", "items_of"]

LISTING = "images.json"
"""Names, ids and sizes of the images of a tree that we wrote, so that it is read without them."""

_IMAGES = frozenset(
    "avif bmp dng heic heif jp2 jpeg jpg mpo pfm png tif tiff webp".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Item:
    """An image of the tree.

    Attributes:
        name: of the image, relative to the images of its split.
        split: that it is in.
        label: its label file; may not be there.
        image: its picture; None if it is not there.
        listed: what the listing says about it: id, width, height.
    """

    name: str
    split: str
    label: Path
    image: Path | None
    listed: Mapping[str, int | str]

    def size(self) -> tuple[int, int]:
        """Return width and height, (0, 0) if neither listing nor picture is there."""
        if self.listed:
            return int(self.listed["width"]), int(self.listed["height"])
        return (0, 0) if self.image is None else upright_size(self.image)


class _Listed(msgspec.Struct):
    id: int | str
    file_name: str
    width: int
    height: int
    split: str = "train"


def items_of(card: Card, images: Path | None) -> tuple[list[Item], tuple[str, ...]]:
    """Return the images of a tree, split by split, and the splits whose folder is not there.

    Raises:
        FormatError: a name leads out of the tree, or no split is there at all.
    """
    listing = _listing(card)
    found: list[Item] = []
    missing = []
    splits = dict(card.splits) | {
        entry.split: (f"images/{entry.split}",)
        for entry in listing
        if entry.split not in card.splits and safe_name(entry.split, card.path, LISTING)
    }
    for split, entries in splits.items():
        listed = [entry for entry in listing if entry.split == split]
        own = [item for e in entries for item in _of_entry(card, split, e, listed, images)]
        if not own and not any(_exists(card, entry, split) for entry in entries):
            missing.append(split)
        found += own
    if splits and len(missing) == len(splits) and not (card.root / LISTING).exists():
        raise FormatError(
            "none of the folders of the card is there",
            path=card.path,
            place=missing[0],
            expected=f"a folder in {card.root}",
            found=repr(splits[missing[0]][0]),
            fix="put the card into the folder that holds images/ and labels/",
        )
    place = {(entry.split, entry.file_name): number for number, entry in enumerate(listing)}
    found.sort(key=lambda item: place.get((item.split, item.name), len(place)))
    return found, tuple(missing)


def _listing(card: Card) -> list[_Listed]:
    path = card.root / LISTING
    if not path.is_file():
        return []
    try:
        found: list[_Listed] = decode(read_bytes(path), list[_Listed], path)
    except msgspec.ValidationError as error:
        raise FormatError(
            f"not a listing of images: {error}", path=path, fix="delete it; sizes come from images"
        ) from None
    for number, entry in enumerate(found):
        if not (0 <= entry.width < 2**31 and 0 <= entry.height < 2**31):
            raise FormatError("no size of an image", path=path, place=f"[{number}]")
        if isinstance(entry.id, int) and abs(entry.id) >= 2**62:
            raise FormatError("no id of an image", path=path, place=f"[{number}]")
    return found


def _exists(card: Card, entry: str, split: str) -> bool:
    places = inside(card, entry, split)
    return any(exists(card.root / p) or exists(card.root / _labels_of(p)) for p in places)


def _labels_of(folder: PurePosixPath) -> PurePosixPath:
    """Return the folder of labels: the last part ``images`` becomes ``labels``."""
    parts = list(folder.parts)
    for place in reversed(range(len(parts))):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return PurePosixPath(*parts)


def _of_entry(
    card: Card, split: str, entry: str, listed: list[_Listed], images: Path | None
) -> Iterator[Item]:
    places = inside(card, entry, split)
    at = next((p for p in places if exists(card.root / p)), None)
    if at is None:
        at = next((p for p in places if exists(card.root / _labels_of(p))), places[0])
    if is_file(card.root / at):
        yield from _of_list(card, split, at)
    else:
        yield from _of_folder(card, split, at, listed, images)


def _of_list(card: Card, split: str, at: PurePosixPath) -> Iterator[Item]:
    """Yield the images that a text file lists, relative to its folder or to the card's."""
    path = card.root / at
    for number, line in enumerate(read_bytes(path).decode(errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        name = safe_name(line.strip().removeprefix("./"), path, f"line {number}")
        beside = at.parent / name if exists(path.parent / name) else name
        label = card.root / _labels_of(beside).with_suffix(".txt")
        image = card.root / beside
        short = _below_images(beside, split)
        yield Item(str(short), split, label, image if is_file(image) else None, {})


def _below_images(name: PurePosixPath, split: str) -> PurePosixPath:
    """Return a name relative to the images of its split, wherever they are."""
    parts = list(name.parts)
    if "images" in parts[:-1]:
        parts = parts[len(parts) - parts[::-1].index("images") :]
        if parts[0] == split and len(parts) > 1:
            del parts[0]
    return PurePosixPath(*parts)


def _of_folder(
    card: Card, split: str, at: PurePosixPath, listed: list[_Listed], images: Path | None
) -> Iterator[Item]:
    labels = card.root / _labels_of(at)
    folders = [card.root / at, *([images / split, images] if images is not None else [])]
    pictures: dict[str, tuple[Path, str]] = {}
    if images is not None or not listed or exists(card.root / at):
        pictures = _pictures(folders)
    texts = {n.removesuffix(".txt") for n in _below(labels) if n.endswith(".txt")}
    for entry in listed:
        name = safe_name(entry.file_name, card.root / LISTING, f"image {entry.id}")
        stem = str(name.with_suffix(""))
        texts.discard(stem)
        folder, picture = pictures.pop(stem, (None, ""))
        facts = {"id": entry.id, "width": entry.width, "height": entry.height}
        where = None if folder is None else folder / picture
        yield Item(entry.file_name, split, labels / f"{stem}.txt", where, facts)
    own = {stem for stem, (folder, _) in pictures.items() if folder == folders[0]}
    for stem in sorted(texts | own):
        folder, picture = pictures.get(stem, (None, f"{stem}.jpg"))
        where = None if folder is None else folder / picture
        yield Item(picture, split, labels / f"{stem}.txt", where, {})


def _pictures(folders: list[Path]) -> dict[str, tuple[Path, str]]:
    """Return, for each name without its suffix, the picture in the first folder that has it."""
    found: dict[str, tuple[Path, str]] = {}
    for folder in folders:
        for name in sorted(_below(folder)):
            stem, dot, suffix = name.rpartition(".")
            if dot and suffix.lower() in _IMAGES:
                found.setdefault(stem, (folder, name))
    return found


def _below(folder: Path) -> Iterator[str]:
    """Yield the files below a folder, relative to it; links to folders are not followed."""
    base: Any
    for base, _, names in os.walk(folder):
        above = Path(base).relative_to(folder).as_posix()
        for name in names:
            yield name if above == "." else f"{above}/{name}"

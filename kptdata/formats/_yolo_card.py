"""The card of a YOLO-pose tree (``data.yaml``): what the columns of its label files mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kptdata.errors import FileError, FormatError, SchemaError
from kptdata.formats._named_points import Fit, Points, fit_points, unnamed_points
from kptdata.formats._tree import safe_name
from kptdata.formats._yaml import load_yaml
from kptdata.formats.base import read_bytes, require_file
from kptdata.schema import Schema

__all__ = ["KEYS", "SPLITS", "Card", "card_path", "fits_of", "read_card"]

SPLITS = ("train", "val", "validation", "test", "minival")
"""Keys of the card that name folders of images."""

KEYS = ("path", *SPLITS, "names", "nc", "kpt_shape", "flip_idx", "kpt_names", "kpt_oks_sigmas")
"""Keys that are made anew when a card is written."""

_CARDS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_MOST_POINTS = 100_000


@dataclass(frozen=True)
class Card:
    """What ``data.yaml`` says.

    Attributes:
        path: the card.
        num_keypoints: K, the same for all classes.
        dims: 2 (x, y) or 3 (x, y, v).
        classes: class number, from 0 -> name.
        point_names: class number -> names of its points; may be fewer than K, or not stated.
        flip: ``flip_idx``, or None.
        splits: name -> entries: folders or lists of images.
        given: the whole document.
    """

    path: Path
    num_keypoints: int
    dims: int
    classes: Mapping[int, str]
    point_names: Mapping[int, tuple[str, ...]]
    flip: tuple[int, ...] | None
    splits: Mapping[str, tuple[str, ...]]
    given: Mapping[str, Any]

    @property
    def root(self) -> Path:
        """Folder of the card."""
        return self.path.parent

    @property
    def width(self) -> int:
        """Numbers in a line: class, box and points."""
        return 5 + self.num_keypoints * self.dims


def card_path(path: Path) -> Path:
    """Return the card of a tree, given itself or its folder.

    Raises:
        FileError: there is none, or several and none is called ``data.yaml``.
    """
    if not path.is_dir():
        return require_file(path)
    found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    named = [card for card in found if card.name in _CARDS]
    if len(found) == 1 or named:
        return require_file((named or found)[0])
    listed = ", ".join(card.name for card in found) or "none"
    raise FileError(
        "no data.yaml in the folder",
        path=path,
        expected="one .yaml file that describes the data",
        found=listed,
        fix="name the file itself",
    )


def read_card(path: Path) -> Card:
    """Read a card, given itself or its folder.

    Raises:
        FileError: it is not there.
        FormatError: it is not the card of a pose dataset; the key is named.
    """
    path = card_path(path)
    given = load_yaml(read_bytes(path), path)
    shape: Any = given.get("kpt_shape")
    if not _is_shape(shape):
        raise FormatError(
            "no pose dataset",
            path=path,
            place="kpt_shape",
            expected="[number of points, 2 or 3]",
            found=repr(shape),
            fix="state kpt_shape: [17, 3] as it is",
        )
    classes = _classes(given, path)
    return Card(
        path=path,
        num_keypoints=shape[0],
        dims=shape[1],
        classes=classes,
        point_names=_point_names(given.get("kpt_names"), classes, shape[0], path),
        flip=_flip(given.get("flip_idx"), shape[0], path),
        splits=_splits(given, path),
        given=given,
    )


def _is_shape(shape: Any) -> bool:
    whole = isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)
    return whole and 0 <= shape[0] <= _MOST_POINTS and shape[1] in (2, 3)


def _classes(given: Mapping[str, Any], path: Path) -> dict[int, str]:
    names, count = given.get("names"), given.get("nc")
    if names is None and type(count) is int and 0 <= count <= _MOST_POINTS:
        return {number: f"class_{number}" for number in range(count)}
    if isinstance(names, list):
        names = dict(enumerate(names))
    if isinstance(names, dict):
        numbers = {_class_number(k): str(v) for k, v in names.items()}
        if None not in numbers:
            return {k: v for k, v in sorted(numbers.items()) if k is not None}
    raise FormatError(
        "no names of classes",
        path=path,
        place="names",
        expected="a list, or `number: name` from 0",
        found=type(names).__name__,
    )


def _class_number(key: Any) -> int | None:
    text = str(key)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _point_names(
    given: Any, classes: Mapping[int, str], count: int, path: Path
) -> dict[int, tuple[str, ...]]:
    if given is None:
        return {}
    table = dict.fromkeys(classes, given) if isinstance(given, list) else given
    found: dict[int, tuple[str, ...]] = {}
    for key, names in table.items() if isinstance(table, dict) else ():
        number = _class_number(key)
        listed = isinstance(names, list) and len(names) <= count
        if number is None or not listed:
            found = {}
            break
        found[number] = tuple(map(str, names))
    if table and not found:
        raise FormatError(
            "names of points that fit no class",
            path=path,
            place="kpt_names",
            expected=f"`class number: [names]`, at most {count} for each",
            found=repr(given)[:60],
        )
    return found


def _flip(given: Any, count: int, path: Path) -> tuple[int, ...] | None:
    if given is None or given == []:
        return None
    whole = isinstance(given, list) and all(type(n) is int for n in given)
    if whole and sorted(given) == list(range(count)):
        return tuple(given)
    raise FormatError(
        "no permutation of the points",
        path=path,
        place="flip_idx",
        expected=f"each of 0 to {count - 1} once" if count else "nothing",
        found=repr(given)[:60],
        fix="correct it, or take the key out",
    )


def _splits(given: Mapping[str, Any], path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key in SPLITS:
        entries = given.get(key)
        entries = [entries] if isinstance(entries, str) else entries
        if not entries:
            continue
        if not isinstance(entries, list) or not all(isinstance(e, str) for e in entries):
            raise FormatError("no folder of images", path=path, place=key, found=repr(entries)[:60])
        name, folders = "val" if key == "validation" else key, tuple(entries)
        twin = next((other for other, same in found.items() if same == folders), None)
        if twin is None or PurePosixPath(folders[0]).name == name:
            # The trainer wants both train and val: the one that is there may stand twice.
            found.pop(twin or "", None)
            found[name] = folders
    return found


def inside(card: Card, entry: str, place: str) -> list[PurePosixPath]:
    """Return where an entry may be, relative to the card's folder; all stay inside it.

    ``path`` of the card is tried if it is relative; a tree that was moved keeps an old one. A
    leading ``../`` is what one exporter writes for a folder beside the card.

    Raises:
        FormatError: the entry leads out of the folder.
    """
    name = entry.replace("\\", "/")
    own = str(card.root.resolve()).replace("\\", "/")
    if name.startswith(own + "/"):
        name = name[len(own) + 1 :]
    name = name.removeprefix("../")
    if name.rstrip("/") in ("", "."):
        return [PurePosixPath(".")]
    relative = safe_name(name, card.path, place)
    base = card.given.get("path")
    found = [relative]
    if isinstance(base, str) and base and not Path(base).is_absolute() and ".." not in base:
        found.append(PurePosixPath(base.replace("\\", "/")) / relative)
    return found


def fits_of(card: Card, schema: Schema | None) -> dict[int, Fit]:
    """Return the schema of each class.

    Raises:
        SchemaError: the points are not named and no schema is given; `schema` fits no class; or
            ``flip_idx`` is needed, as the names are no known schema's, and is its own inverse not.
    """
    fits: dict[int, Fit] = {}
    misfit: SchemaError | None = None
    known: dict[tuple[str, ...], Fit] = {}
    for number, title in card.classes.items():
        names = _names_of(card, number, schema)
        if names in known:
            fits[number] = known[names]
            continue
        points = Points(names, title=title)
        place = f"kpt_names.{number}"
        if schema is not None:
            try:
                fits[number] = known[names] = fit_points(points, schema, card.path, place)
                continue
            except SchemaError as error:
                misfit = error
        fits[number] = known[names] = _own_fit(card, points, place)
    if misfit is not None and all(fit.schema is not schema for fit in fits.values()):
        raise misfit
    return fits


def _names_of(card: Card, number: int, schema: Schema | None) -> tuple[str, ...]:
    names = card.point_names.get(number)
    if names is not None or not card.num_keypoints:
        return names or ()
    if schema is None:
        fix = "write kpt_names: {0: [...]} into the card"
        raise unnamed_points(card.num_keypoints, card.path, "kpt_names", fix)
    if schema.num_keypoints != card.num_keypoints:
        raise SchemaError(
            f"the file does not hold the keypoints of {schema.name}",
            path=card.path,
            place="kpt_shape",
            expected=f"{schema.num_keypoints} points",
            found=f"{card.num_keypoints}",
            fix="give the schema of the file and map the result",
        )
    return schema.names


def _own_fit(card: Card, points: Points, place: str) -> Fit:
    plain = fit_points(points, None, card.path, place)
    if plain.schema.has_swaps or card.flip is None:
        return plain
    flip = card.flip[: len(points.names)]
    for k, other in enumerate(flip):
        if other >= len(flip) or flip[other] != k:
            raise SchemaError(
                "mirroring twice does not give the first picture back",
                path=card.path,
                place=f"flip_idx[{k}]",
                expected="pairs: if i stands at j, j stands at i",
                found=repr(list(card.flip))[:60],
                fix="correct it, take it out, or give a schema (schema=..., --schema)",
            )
    swaps = {points.names[k]: points.names[j] for k, j in enumerate(flip) if j != k}
    if not swaps:
        return plain
    return fit_points(points._replace(swaps=swaps), None, card.path, place)

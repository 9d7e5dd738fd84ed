"""Datumaro JSON: one file for each subset, an object with categories and items.

Coordinates are pixels of the project's frame; nothing is shifted. docs/formats/datumaro.md says
what is kept where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kptdata._columns import is_missing
from kptdata.dataset import ImageTable, PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._collect import text_of
from kptdata.formats._datumaro_images import images_of
from kptdata.formats._datumaro_read import (
    OWN,
    Label,
    Person,
    columns_of,
    datasets_of,
    labels_of,
    people_of,
)
from kptdata.formats._datumaro_write import (
    LAYOUT,
    Classified,
    categories_of,
    classified,
    items_of,
    layout_of,
)
from kptdata.formats._images import sized
from kptdata.formats._json import decode, kind_of, require_utf8
from kptdata.formats._named_points import Fit, Points, schema_read
from kptdata.formats._plan import TREE_LOSSES, Plan, accounts, classes_of, plan_of
from kptdata.formats._trivia import is_trivia
from kptdata.formats.base import (
    Sniff,
    WriteReport,
    atomic_write,
    read_bytes,
    read_head,
    refuse_losses,
)
from kptdata.schema import Schema

__all__ = ["LOSSES", "OPTIONS", "SUFFIXES", "TITLE", "read_all", "sniff", "write_all"]

TITLE = "Datumaro JSON"
SUFFIXES = ()  # .json is COCO ground truth; this must be asked for
OPTIONS: tuple[str, ...] = ()
LOSSES: Mapping[str, str] = {
    **{k: v for k, v in TREE_LOSSES.items() if k not in ("score", "area", "iscrowd")},
    "schema": "facts of the schema beside the names of its points and its lines",
    "visibility": "points stated not to be in the image become unlabelled, and points without a "
    "word on occlusion visible, beside others that have one",
    "given_xy": "coordinates at the origin stated for points that are not labelled",
    "id": "ids of instances that are texts or 0",
    "track": "tracks that are texts or negative",
    "extras": "attributes with the name of a column that says something else",
    "image_extras": "values of images with the name of a column that says something else",
    "image_size": "sizes of images of which only one side is known",
}
"""What the file cannot hold."""

_TOP = ("dm_format_version", "media_type", "infos", "categories", "items")
_VERSION = re.compile(rb'^\s*\{.{0,400}?"dm_format_version"\s*:', re.DOTALL)


def sniff(path: str | Path) -> Sniff:
    """Say whether a file is Datumaro's, from its first bytes."""
    head = read_head(Path(path)) if Path(path).is_file() else b""
    if _VERSION.search(head):
        return Sniff(0.95, ("a JSON object with dm_format_version",))
    first = head.lstrip()[:1] == b"{"
    if first and re.search(rb'"categories"\s*:\s*\{', head) and re.search(rb'"items"\s*:', head):
        return Sniff(0.85, ("a JSON object with an object of categories and items",))
    return Sniff(0.0, ("no JSON object with dm_format_version",))


def read_all(
    path: str | Path, *, schema: Schema | None = None, images: Path | None = None
) -> tuple[PoseDataset, ...]:
    """Read the file of one subset into one dataset per skeleton.

    Args:
        path: the file, possibly gzipped.
        schema: schema of the points.
        images: folder of the images, for sizes that the file does not state.

    Raises:
        FileError: the file, or an image, cannot be read.
        FormatError: it is not in the format; item and annotation are named.
        SchemaError: `schema` does not fit the points, or nobody names them.
    """
    path = Path(path)
    found = _file(path)
    labels = labels_of(found["categories"], path)
    people, others = people_of(found["items"], labels, path)
    table = images_of(found["items"], others, path)
    datasets = datasets_of(people, labels, table, schema, path, _meta(found))
    return tuple(sized(dataset.noted(f"read {path} as {OWN}"), images) for dataset in datasets)


def _file(path: Path) -> dict[str, Any]:
    data = read_bytes(path)
    require_utf8(data, path)
    try:
        found = decode(data, Any, path)
    except msgspec.ValidationError as error:
        problem = f"a number that is none: {error}"
        raise FormatError(problem, path=path, fix="correct the number") from None
    wanted = {"categories": dict, "items": list}
    if not isinstance(found, dict) or any(
        not isinstance(found.get(key), kind) for key, kind in wanted.items()
    ):
        raise FormatError(
            "no Datumaro file",
            path=path,
            expected="an object with an object of 'categories' and a list of 'items'",
            found=f"the keys {', '.join(map(repr, list(found)[:6]))}"
            if isinstance(found, dict)
            else kind_of(found),
            fix="name the format that it is in",
        )
    if not isinstance(found.get("infos", {}), dict):
        raise FormatError(
            "infos that are none", path=path, place="infos", expected="an object",
            found=kind_of(found["infos"]),
        )  # fmt: skip
    return found


def _meta(found: Mapping[str, Any]) -> dict[str, bytes]:
    note = {key: value for key, value in found.items() if key not in ("infos", "items")}
    infos = {key: text_of(value) for key, value in found.get("infos", {}).items()}
    return infos | {LAYOUT: text_of(note)}


def write_all(
    datasets: Sequence[PoseDataset], path: str | Path, *, strict: bool = False
) -> WriteReport:
    """Write the file of one subset; its name is the name of the subset.

    Raises:
        DatasetError: a class name with two skeletons.
        FormatError: something would be lost under `strict`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    kept = [
        np.full(len(d), bool(d.schema.num_keypoints)) | np.isfinite(d.column("bbox")).all(axis=1)
        for d in datasets
    ]
    plan = plan_of(datasets, kept)
    note = layout_of(datasets[0])
    before = note.get("categories")
    before = before if isinstance(before, dict) else {}
    # Only points need a class: it names them.
    bare = any(
        d.schema.num_keypoints and (is_missing(d.column("category"))).any() for d in datasets
    )
    kinds = classified(datasets, classes_of(datasets, fill=bare), labels_of(before, path))
    items, people, others = _read_items(plan, datasets, kinds, path)
    infos: dict[str, Any] = {}
    for dataset in datasets:
        for key, text in dataset.meta.items():
            if not is_trivia(key, OWN):
                infos.setdefault(key, msgspec.json.decode(text))
    table = images_of(items, others, path)
    meta = {key: text_of(value) for key, value in infos.items()}
    readings = _readings(plan, datasets, kinds, people, table, meta)
    lost, invented = accounts(plan, datasets, readings, _schemas(datasets, kinds, path), OWN)
    refuse_losses(path, lost, LOSSES, strict=strict)
    head = {
        "dm_format_version": note.get("dm_format_version", "1.0"),
        "media_type": note.get("media_type", 2),
        "infos": infos,
        "categories": categories_of(kinds.labels, before),
        **{key: value for key, value in note.items() if key not in _TOP},
    }
    atomic_write(path, _text(head, items))
    return WriteReport(path, OWN, len(plan.owned), lost, invented, LOSSES)


def _text(head: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    yield encoder.encode(head)[:-1] + b',"items":['
    for number, item in enumerate(items):
        yield (b",\n" if number else b"\n") + encoder.encode(item)
    yield b"]}\n"


def _read_items(
    plan: Plan, datasets: Sequence[PoseDataset], kinds: Classified, path: Path
) -> tuple[list[dict[str, Any]], list[Person], list[list[Any]]]:
    """Return the items, and the people and other annotations that are read from them.

    Groups that several people had in the source are kept if that leaves all of them as they are.
    """
    for shared in (True, False):
        items = items_of(plan, datasets, kinds, shared=shared)
        people, others = people_of(items, kinds.labels, path)
        if not shared or _as_written(plan, datasets, people):
            break
    return items, people, others


def _as_written(plan: Plan, datasets: Sequence[PoseDataset], people: Sequence[Person]) -> bool:
    boxes = [dataset.column("bbox") for dataset in datasets]
    if len(people) != len(plan.owned):
        return False
    for person, owner, row in zip(people, plan.owners.tolist(), plan.owned.tolist(), strict=True):
        box = boxes[owner][row]
        there = bool(np.isfinite(box).all())
        if ("bbox" in person.columns) != there or (
            there and person.columns["bbox"] != box.tolist()
        ):
            return False
        if person.xy is None and datasets[owner].labelled[row].any():
            return False
    return True


def _readings(
    plan: Plan,
    datasets: Sequence[PoseDataset],
    kinds: Classified,
    people: Sequence[Person],
    table: ImageTable,
    meta: Mapping[str, bytes],
) -> list[PoseDataset]:
    """Return what each dataset is read as."""
    found = []
    for number, dataset in enumerate(datasets):
        mine = [people[row] for row in np.flatnonzero(plan.owners == number).tolist()]
        fit = Fit(dataset.schema, {name: k for k, name in enumerate(dataset.schema.names)})
        fits = dict.fromkeys((*range(len(kinds.labels)), None), fit)
        columns = columns_of(mine, fits, dataset.schema.num_keypoints)
        own = np.unique(plan.places[number])
        columns["image"] = np.searchsorted(own, columns["image"])
        names = {n + 1: kinds.labels[n].name for n in kinds.owned[number]}
        reading = PoseDataset(
            schema=dataset.schema, images=table[own], categories=names, meta=meta, **columns
        )
        found.append(reading)
    return found


def _schemas(datasets: Sequence[PoseDataset], kinds: Classified, path: Path) -> list[Schema | None]:
    found = []
    for number in range(len(datasets)):
        own = [kinds.labels[n] for n in kinds.owned[number]]
        label = own[0] if own else Label("boxes", None)
        points = Points(label.points or (), title=label.name, links=label.links)
        found.append(schema_read(points, path))
    return found

"""A task of Label Studio to regions: points and boxes in pixels, with what is said about each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kptdata.errors import FormatError
from kptdata.formats._inverse import product
from kptdata.formats._json import kind_of
from kptdata.formats._long_numbers import LongFloat
from kptdata.visibility import Visibility

__all__ = [
    "Region",
    "Task",
    "file_name_of",
    "read_task",
]

OWN = "label_studio"

_FAR = 1e12
_HASH = re.compile(r"[0-9a-f]{8}-(?=.)")
_STATES = {
    "visible": Visibility.VISIBLE,
    "occluded": Visibility.OCCLUDED,
    "hidden": Visibility.OCCLUDED,
    "invisible": Visibility.OCCLUDED,
    "not visible": Visibility.OCCLUDED,
}
_GEOMETRY = ("x", "y", "width", "height", "rotation")
_USUAL = ("id", "type", "value", "parentID", "original_width", "original_height", "score")


@dataclass(slots=True)
class Region:
    """A point or a box.

    Attributes:
        id: of the region; "" where it has none.
        is_box: whether it is a box.
        at: x, y of a point, or x, y, w, h of a box, pixels.
        label: its first label, None where it has none.
        parent: id of its parent, "" for none.
        score: NaN for none.
        state: of a point.
        note: other keys of its items, to write them back.
        facts: what its ``meta`` says, where we wrote it: class and score of a person without a box.
    """

    id: str
    is_box: bool
    at: tuple[float, ...]
    label: str | None
    parent: str
    score: float
    state: int
    note: dict[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Task:
    """A task, and the annotation of it that counts.

    Attributes:
        id: of the task, None where it has none.
        file_name: of its image.
        size: of its image, (0, 0) where no region says it.
        regions: in the order of the file.
        relations: pairs of ids.
        predicted: whether the regions are those of a prediction.
        score: of the prediction, NaN for none.
        extras: of the image.
    """

    id: int | str | None
    file_name: str
    size: tuple[int, int]
    regions: list[Region]
    relations: list[tuple[str, str]]
    predicted: bool
    score: float
    extras: dict[str, Any]


def read_task(task: Any, number: int, path: Path) -> Task:
    """Take a task apart. Raises `FormatError`."""
    place = f"task {task['id']}" if isinstance(task, dict) and "id" in task else f"tasks[{number}]"
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        flat = isinstance(task, dict) and "annotation_id" in task
        raise FormatError(
            "not a task",
            path=path,
            place=place,
            expected="an object with 'data' and 'annotations'",
            found="the flattened export (JSON_MIN)" if flat else kind_of(task),
            fix="export as JSON" if flat else "export it again",
        )
    chosen, predicted, others = _chosen(task, path, place)
    reader = _Results(path, place)
    for item in chosen.get("result", []):
        reader.item(item)
    regions = reader.regions()
    key, name = _image(task, path, place)
    extras = _extras(task, chosen, others, key)
    if reader.relations:
        extras[f"task:{OWN}"]["relations"] = reader.relations
    if reader.others:
        extras["label_studio_shapes"] = reader.others
    identity = task.get("id")
    return Task(
        id=identity if isinstance(identity, int | str) and not isinstance(identity, bool) else None,
        file_name=name,
        size=reader.size or _stated_size(task),
        regions=regions,
        relations=[(r["from_id"], r["to_id"]) for r in reader.relations],
        predicted=predicted,
        score=_score(chosen.get("score")),
        extras=extras,
    )


def _chosen(
    task: dict[str, Any], path: Path, place: str
) -> tuple[dict[str, Any], bool, dict[str, Any]]:
    """Return the annotation that counts, whether it is a prediction, and the others.

    Of several that are not cancelled the newest counts. Predictions count where nobody annotated.
    """
    lists: dict[str, list[Any]] = {}
    for key in ("annotations", "predictions"):
        found = task.get(key, [])
        if not isinstance(found, list) or not all(_is_result(a) for a in found):
            raise FormatError(
                "not a list of annotations", path=path, place=place, expected=f"a list of {key}"
            )
        lists[key] = found
    done = [a for a in lists["annotations"] if not (a.get("was_cancelled") or a.get("skipped"))]
    key = "annotations" if done or not lists["predictions"] else "predictions"
    able = done if key == "annotations" else lists["predictions"]
    if not able:
        return {}, False, lists
    newest = max(str(a.get("created_at", "")) for a in able)
    best = next(a for a in able if str(a.get("created_at", "")) == newest)
    others = {name: [a for a in held if a is not best] for name, held in lists.items()}
    return best, key == "predictions", others


def _is_result(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("result", []), list)


def _image(task: dict[str, Any], path: Path, place: str) -> tuple[str, str]:
    """Return the key of the data that holds the image, and the file name."""
    data = task["data"]
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    key = "image" if "image" in texts else next(iter(texts), None)
    if key is None:
        raise FormatError(
            "no image", path=path, place=place, expected="data.image", fix="name the image there"
        )
    return key, file_name_of(texts[key])


def file_name_of(reference: str) -> str:
    """Return the file that a reference means: what was uploaded, without the hash before it."""
    if not (reference.startswith("/") or "://" in reference):
        return reference
    parts = urlsplit(reference)
    local = parse_qs(parts.query).get("d")
    if local and "local-files" in parts.path:
        return local[0].lstrip("/")
    name = unquote(parts.path).rstrip("/").rpartition("/")[2]
    return _HASH.sub("", name, count=1) if "/upload/" in parts.path else name


def _extras(
    task: dict[str, Any], chosen: dict[str, Any], others: dict[str, Any], image: str
) -> dict[str, Any]:
    """Return what a task says besides."""
    known = ("id", "data", "annotations", "predictions", "meta")
    extras: dict[str, Any] = {}
    data = {key: value for key, value in task["data"].items() if key != image}
    if data:
        extras["data"] = data
    for key, held in others.items():
        if held:
            extras[f"other_{key}"] = held
    note: dict[str, Any] = {"image": [image, task["data"][image]]}
    for name, value in (("task", task), ("annotation", chosen)):
        rest = {k: v for k, v in value.items() if k not in (*known, "result")}
        if name == "annotation" and "id" in chosen:
            rest["id"] = chosen["id"]
        if rest:
            note[name] = rest
    meta = task.get("meta")
    rest = (
        {k: v for k, v in meta.items() if k not in ("width", "height")}
        if isinstance(meta, dict)
        else {}
    )
    if rest:
        extras["meta"] = rest
    extras[f"task:{OWN}"] = note
    return extras


def _stated_size(task: dict[str, Any]) -> tuple[int, int]:
    meta = task.get("meta")
    sizes = [meta.get(key) for key in ("width", "height")] if isinstance(meta, dict) else []
    good = len(sizes) == 2 and all(type(s) is int and 0 <= s < 2**31 for s in sizes)
    return (sizes[0], sizes[1]) if good else (0, 0)  # type: ignore[return-value]


def _score(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and abs(value) < _FAR else float("nan")


class _Results:
    """The items of an annotation; several with one id are one region."""

    def __init__(self, path: Path, place: str) -> None:
        self._path, self._place = path, place
        self._items: dict[str, list[dict[str, Any]]] = {}
        self.relations: list[dict[str, Any]] = []
        self.others: list[Any] = []
        self.size: tuple[int, int] | None = None
        self._count = 0

    def item(self, item: Any) -> None:
        """Take an item. Raises `FormatError`."""
        if not isinstance(item, dict):
            raise self._refusal("not a region", "an object", kind_of(item))
        self._count += 1
        if item.get("type") == "relation":
            if all(isinstance(item.get(key), str) for key in ("from_id", "to_id")):
                self.relations.append(item)
            else:
                self.others.append(item)
            return
        key = item.get("id")
        self._items.setdefault(key if isinstance(key, str) else f"\0{self._count}", []).append(item)

    def regions(self) -> list[Region]:
        """Return points and boxes; whatever else there is goes to `others`."""
        found = []
        for key, items in self._items.items():
            main = next((i for i in items if _shape_of(i) is not None), None)
            region = None if main is None else self._region(key, main, items)
            if region is None:
                self.others += items
            else:
                found.append(region)
        return found

    def _region(self, key: str, main: dict[str, Any], items: list[dict[str, Any]]) -> Region | None:
        is_box = _shape_of(main) == "rectangle"
        value = main["value"]
        labels = [label for item in items for label in _labels(item)]
        if not is_box and not labels:
            return None  # a point without a name
        size = self._size(main)
        names = ("x", "y", "width", "height") if is_box else ("x", "y")
        at = tuple(
            self._pixels(value.get(name), name, size[axis % 2]) for axis, name in enumerate(names)
        )
        meta = main.get("meta")
        facts = meta.get("kptdata", {}) if isinstance(meta, dict) else {}
        state, said = _state(value, at, items)
        return Region(
            id="" if key.startswith("\0") else key,
            is_box=is_box,
            at=at,
            label=labels[0] if labels else None,
            parent=str(main.get("parentID") or ""),
            score=_score(main.get("score")),
            state=state,
            note=_note(main, items, said, labels),
            facts=facts if isinstance(facts, dict) else {},
        )

    def _size(self, item: dict[str, Any]) -> tuple[int, int]:
        sizes = [item.get(key) for key in ("original_width", "original_height")]
        if not all(type(s) is int and 0 < s < 2**31 for s in sizes):
            raise self._refusal(
                "the size of the image is not stated, and all numbers are percent of it",
                "original_width and original_height",
                json.dumps(sizes)[:60],
            )
        size = (sizes[0], sizes[1])
        if self.size is None:
            self.size = size  # type: ignore[assignment]
        return size  # type: ignore[return-value]

    def _pixels(self, value: Any, name: str, size: int) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) < _FAR:
            raise self._refusal(
                f"{name} is no number", "percent of the image's size", repr(value)[:40]
            )
        if isinstance(value, LongFloat):
            return product(value.text, Decimal(size).scaleb(-2))
        return float(value) / 100 * size

    def _refusal(self, problem: str, expected: str, found: str) -> FormatError:
        return FormatError(
            problem,
            path=self._path,
            place=f"{self._place}, result {self._count}",
            expected=expected,
            found=found,
            fix="export the project again",
        )


def _shape_of(item: dict[str, Any]) -> str | None:
    """Tell whether an item has the geometry of a point or of a box."""
    value, kind = item.get("value"), item.get("type")
    if not isinstance(value, dict) or not isinstance(kind, str):
        return None
    for shape in ("keypoint", "rectangle"):
        if kind in (shape, f"{shape}labels"):
            return shape
    return None


def _labels(item: dict[str, Any]) -> Sequence[str]:
    """Return the labels that an item gives its region."""
    value, kind = item.get("value"), item.get("type")
    if not isinstance(value, dict) or not isinstance(kind, str) or not kind.endswith("labels"):
        return ()
    labels = value.get(kind)
    return [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else ()


def _state(
    value: dict[str, Any], at: tuple[float, ...], items: list[dict[str, Any]]
) -> tuple[int, dict[str, Any] | None]:
    """Return the state of a point, and the item that says it.

    Nothing in Label Studio does by itself: a choice for the region may, and ``hidden`` is what the
    import of COCO makes of v < 2; at (0, 0) of v = 0.
    """
    for item in items:
        choices = item.get("value", {}).get("choices") if item.get("type") == "choices" else None
        for choice in choices if isinstance(choices, list) else ():
            state = _STATES.get(choice.strip().lower()) if isinstance(choice, str) else None
            if state is not None:
                return state, item
    if value.get("hidden") is True:
        gone = at[:2] == (0.0, 0.0)
        return (Visibility.UNLABELLED if gone else Visibility.OCCLUDED), None
    return Visibility.LABELLED, None


def _note(
    main: dict[str, Any],
    items: list[dict[str, Any]],
    said: dict[str, Any] | None,
    labels: Sequence[str],
) -> dict[str, Any]:
    """Return what the items of a region say besides, so that they are written back."""
    note: dict[str, Any] = {"type": main["type"]}
    rest = {k: v for k, v in main.items() if k not in _USUAL}
    if isinstance(rest.get("meta"), dict):  # what we say there ourselves is known
        rest["meta"] = {k: v for k, v in rest["meta"].items() if k != "kptdata"}
        rest = {k: v for k, v in rest.items() if k != "meta" or v}
    value = {k: v for k, v in main["value"].items() if k not in ("x", "y", main["type"])}
    if _shape_of(main) == "rectangle":
        value = {k: v for k, v in value.items() if k not in ("width", "height")}
    note |= {key: held for key, held in (("item", rest), ("value", value)) if held}
    if len(labels) > 1:
        note["labels"] = list(labels[1:])
    others = [item for item in items if item is not main and item is not said]
    if others:
        note["others"] = others
    if said is not None and said.get("from_name") != "visibility":
        note["choice"] = said
    return note

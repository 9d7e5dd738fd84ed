"""Every format keeps its word: what it cannot hold is counted, and nothing else changes.

The tests run over the live table. A value is planted in a dataset, written, read back; if it comes
back changed, the report must say so.
"""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import datasets

import kptdata as kd
from kptdata import (
    CameraTable,
    FileError,
    FormatError,
    ImageTable,
    KptDataError,
    PoseDataset,
    RawColumn,
    Space,
    load_schema,
)
from kptdata.formats import FORMATS, Sniff, WriteReport
from kptdata.visibility import Visibility

NAN = np.nan
V = Visibility


class Setting(NamedTuple):
    """How a format is tested.

    A name for its files, the schema of the points they may hold, whether a "file" is a folder of
    files, and whether people in an image of unknown size are refused, as there only fractions of
    the size are written.
    """

    file: str = "data.json"
    schema: str = "coco"
    folder: bool = False
    sized: bool = False


SETTINGS = {
    "mpii": Setting("data.mat", "mpii"),
    "mpii_hrnet": Setting("data.json", "mpii"),
    "mpii_h5": Setting("data.h5", "mpii"),
    "yolo_pose": Setting("tree", folder=True, sized=True),
}
NAMES = [name for name in FORMATS if find_spec(FORMATS[name].partition(":")[0])]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each format in turn."""
    return request.param


@pytest.fixture
def module(name: str) -> ModuleType:
    """Its module."""
    return FORMATS.load(name)


@pytest.fixture
def setting(name: str) -> Setting:
    """How it is tested."""
    return SETTINGS.get(name, Setting())


def plain(schema: str, count: int = 4, **columns: Any) -> PoseDataset:
    """Return people that every format should manage: all points visible, at whole pixels."""
    chosen = load_schema(schema)
    keypoints = chosen.num_keypoints
    grid = np.arange(count * keypoints * 2, dtype=float).reshape(count, keypoints, 2)
    base = {
        "schema": chosen,
        "images": ImageTable.of(
            ["a.jpg", "b.jpg", "c.jpg"], width=[640, 640, 480], height=[480, 480, 640]
        ),
        "image": np.array([0, 0, 1, 2])[:count],
        "xy": grid + 10,
        "visibility": np.full((count, keypoints), V.VISIBLE),
        "id": np.arange(1, count + 1),
        "bbox": np.tile([1.0, 2.0, 300.0, 400.0], (count, 1)),
        "area": np.full(count, 1000.0),
        "iscrowd": np.zeros(count, np.int8),
        "score": np.full(count, 0.5),
        "category": np.ones(count, np.int64),
        "categories": {1: "person"},
    }
    return PoseDataset(**(base | columns))


def with_states(ds: PoseDataset, *states: Visibility) -> PoseDataset:
    """Give the first points of the first instance these states."""
    visibility, xy = ds.visibility.copy(), ds.xy.copy()
    for k, state in enumerate(states):
        visibility[0, k] = state
        if state in (V.UNLABELLED, V.ABSENT):
            xy[0, k] = NAN
    return ds.replace(visibility=visibility, xy=xy)


def given_under(ds: PoseDataset, state: Visibility, place: tuple[float, float]) -> PoseDataset:
    """State coordinates under a point that is not labelled."""
    given_xy = np.full_like(ds.xy, NAN)
    given_xy[0, 1] = place
    return with_states(ds, V.VISIBLE, state).replace(given_xy=given_xy)


def some(ds: PoseDataset, value: Any, blank: Any = NAN) -> list[Any]:
    """Return a column with a value in the first row only."""
    return [value] + [blank] * (len(ds) - 1)


def shifted(ds: PoseDataset) -> PoseDataset:
    """Move a point to where binary fractions do not end."""
    xy = ds.xy.copy()
    xy[0, 0] = (0.1 + 0.2, 1e5 / 3)
    return ds.replace(xy=xy)


def images(ds: PoseDataset, **columns: Any) -> PoseDataset:
    """Change the table of images."""
    table = ds.images
    base = {"id": table.id, "width": table.width, "height": table.height}
    file_name = columns.pop("file_name", table.file_name)
    return ds.replace(images=ImageTable.of(file_name, **(base | columns)))


def texts(ds: PoseDataset, *values: str | None) -> RawColumn:
    """Return a column of JSON texts, absent where there are too few."""
    given = [None if v is None else v.encode() for v in values]
    return RawColumn(given + [None] * (len(ds) - len(given)))


CAMERA = CameraTable(
    name=["left"],
    intrinsics=np.eye(3)[None],
    rotation=np.eye(3)[None],
    translation=np.zeros((1, 3)),
    distortion=np.zeros((1, 5)),
)

PLANTS: dict[str, Callable[[PoseDataset], PoseDataset]] = {
    "occluded": lambda ds: with_states(ds, V.OCCLUDED, V.OCCLUDED),
    "unlabelled": lambda ds: with_states(ds, V.UNLABELLED),
    "absent": lambda ds: with_states(ds, V.VISIBLE, V.ABSENT),
    "labelled": lambda ds: with_states(ds, V.LABELLED),
    "nothing labelled": lambda ds: with_states(ds, *[V.UNLABELLED] * ds.schema.num_keypoints),
    "fractions": shifted,
    "negative": lambda ds: ds.replace(xy=-ds.xy),
    "given under unlabelled": lambda ds: given_under(ds, V.UNLABELLED, (3.25, 4.0)),
    "given under absent": lambda ds: given_under(ds, V.ABSENT, (5.5, 6.5)),
    "given at the origin": lambda ds: given_under(ds, V.UNLABELLED, (0.0, 0.0)),
    "keypoint score": lambda ds: ds.replace(
        keypoint_score=np.linspace(0, 1, ds.visibility.size).reshape(ds.visibility.shape)
    ),
    "one keypoint score": lambda ds: ds.replace(
        keypoint_score=np.where(np.arange(ds.visibility.size) == 3, 0.25, NAN).reshape(
            ds.visibility.shape
        )
    ),
    "3D points": lambda ds: ds.replace(
        xyz=np.ones((*ds.visibility.shape, 3)), space=Space(unit="mm")
    ),
    "cameras": lambda ds: ds.replace(cameras=CAMERA),
    "no box": lambda ds: ds.replace(bbox=np.r_[np.full((1, 4), NAN), ds.bbox[1:]]),
    "no boxes": lambda ds: ds.replace(bbox=None),
    "infinite box": lambda ds: ds.replace(bbox=np.r_[[[0, 0, np.inf, 1]], ds.bbox[1:]]),
    "box of no size": lambda ds: ds.replace(bbox=np.r_[[[5.5, 6, 0, 0]], ds.bbox[1:]]),
    "source of boxes": lambda ds: ds.replace(bbox_source=some(ds, "detected", "")),
    "no area": lambda ds: ds.replace(area=some(ds, NAN, 5.0)),
    "area": lambda ds: ds.replace(area=some(ds, 1 / 3, 0.0)),
    "source of areas": lambda ds: ds.replace(area_source=some(ds, "box053", "")),
    "crowd": lambda ds: ds.replace(iscrowd=some(ds, 1, 0)),
    "crowd not stated": lambda ds: ds.replace(iscrowd=some(ds, -1, 0)),
    "score": lambda ds: ds.replace(score=some(ds, 0.75, 0.125)),
    "no score": lambda ds: ds.replace(score=None),
    "track": lambda ds: ds.replace(track=np.arange(len(ds)) * 7),
    "named track": lambda ds: ds.replace(track=some(ds, "left player", "")),
    "ids": lambda ds: ds.replace(id=np.arange(len(ds))[::-1] * 3 + 5),
    "id 0": lambda ds: ds.replace(id=np.arange(len(ds))),
    "named ids": lambda ds: ds.replace(id=[f"person {i}" for i in range(len(ds))]),
    "no ids": lambda ds: ds.replace(id=None),
    "two categories": lambda ds: ds.replace(
        category=np.arange(len(ds)) % 2 + 1, categories={1: "person", 2: "rider"}
    ),
    "no category": lambda ds: ds.replace(category=None, categories={}),
    "answers": lambda ds: ds.replace(answers=np.arange(len(ds)) + 40),
    "head boxes": lambda ds: ds.replace(boxes={"head": np.arange(len(ds) * 4.0).reshape(-1, 4)}),
    "other boxes": lambda ds: ds.replace(boxes={"torso": np.ones((len(ds), 4))}),
    "points": lambda ds: ds.replace(points={"objpos": np.full((len(ds), 1, 2), 7.5)}),
    "numbers": lambda ds: ds.replace(numbers={"scale": np.arange(len(ds)) + 0.5}),
    "whole numbers": lambda ds: ds.replace(numbers={"age": np.arange(len(ds))}),
    "extras": lambda ds: ds.replace(extras={"note": texts(ds, '{"a": [1, 2.50, null]}', '""')}),
    "extra with the name of a column": lambda ds: ds.replace(extras={"bbox": texts(ds, '"big"')}),
    "extras of images": lambda ds: images(ds, extras={"licence": RawColumn([b"3", None, b"{}"])}),
    "image without people": lambda ds: ds.replace(image=np.zeros(len(ds), int)),
    "instance without image": lambda ds: ds.replace(image=some(ds, -1, 0)),
    "unknown sizes": lambda ds: images(ds, width=[0, 0, 0], height=[0, 0, 0]),
    "folders": lambda ds: images(ds, file_name=["x/a.png", "x/ä.png", "y/a.png"]),
    "image ids": lambda ds: images(ds, id=[30, 10, 20]),
    "named images": lambda ds: images(ds, id=["z", "y", "x"]),
    "image id twice": lambda ds: images(ds, id=[7, 7, 8]),
    "videos": lambda ds: images(ds, sequence=["v", "v", ""], frame=[0, 1, kd.dataset.MISSING_INT]),
    "image cameras": lambda ds: images(ds, camera=[0, 0, -1]).replace(cameras=CAMERA),
    "file-level texts": lambda ds: ds.replace(meta={"info": b'{"year": 2017}', "more": b"[1]"}),
}


def written(module: ModuleType, ds: PoseDataset, path: Path) -> WriteReport:
    """Write one dataset."""
    report = module.write_all((ds,), path)
    assert isinstance(report, WriteReport)
    assert set(report.lost) <= set(module.LOSSES)
    return report


def content(path: Path) -> bytes:
    """Return the bytes of a file, or of all files of a folder with their names."""
    if not path.is_dir():
        return path.read_bytes()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return b"".join(str(f.relative_to(path)).encode() + f.read_bytes() for f in files)


def with_sizes(ds: PoseDataset) -> PoseDataset:
    """Give images without a size one."""
    size = np.where(ds.images.wh > 0, ds.images.wh, 100)
    return images(ds, width=size[:, 0], height=size[:, 1])


def read_back(module: ModuleType, ds: PoseDataset, path: Path) -> PoseDataset:
    """Read one dataset as the schema that was written."""
    (found,) = module.read_all(path, schema=ds.schema)
    return found


def changed(before: PoseDataset, after: PoseDataset) -> set[str]:
    """Return what is not as it was; what only the file adds beside the columns does not count."""
    names = {line.partition(":")[0] for line in before.differences(after)}
    for group in ("meta", "extras", "images.extras", "numbers"):
        held = before.images.extras if group == "images.extras" else getattr(before, group)
        names -= {
            name
            for name in names
            if name.startswith(f"{group}[") and not any(name == f"{group}[{k!r}]" for k in held)
        }
    # `order` is the place in the file: the file is in the order of the rows.
    return names - {"order"}


# What each module says about itself


def test_a_format_describes_itself(module):
    assert module.TITLE
    assert all(suffix.startswith(".") for suffix in module.SUFFIXES)
    assert all(text and isinstance(text, str) for text in module.LOSSES.values())
    taken = inspect.signature(module.write_all).parameters
    assert set(module.OPTIONS) <= set(taken)
    assert "strict" in taken
    assert {"schema", "images"} <= set(inspect.signature(module.read_all).parameters)


# What is written is what is read, or counted


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_value_is_kept_or_counted(module, setting, plant, tmp_path):
    base = plain(setting.schema)
    planted = PLANTS[plant](base)
    if setting.sized and plant == "unknown sizes":
        with pytest.raises(FormatError, match="size"):
            module.write_all((planted,), tmp_path / setting.file)
        return
    results = {}
    for title, ds in (("base", base), ("planted", planted)):
        path = tmp_path / f"{title}-{setting.file}"
        report = written(module, ds, path)
        found = read_back(module, ds, path)
        results[title] = (report, found)
    (report, found), (base_report, base_found) = results["planted"], results["base"]

    counted = {
        key
        for of, of_base in (
            (report.lost, base_report.lost),
            (report.invented, base_report.invented),
        )
        for key, n in of.items()
        if n > of_base.get(key, 0)
    }
    new = changed(planted, found) - changed(base, base_found)
    assert counted or not new, f"{new} changed, and the report says {report}"
    if changed(planted, found):
        assert report.lost or report.invented


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_dataset_is_kept_or_counted(module, setting, tmp_path, data):
    ds = data.draw(datasets(load_schema(setting.schema)))
    ds = with_sizes(ds) if setting.sized else ds
    path = tmp_path / setting.file

    report = written(module, ds, path)
    found = read_back(module, ds, path)

    assert report.instances == len(found)
    if changed(ds, found):
        assert report.lost or report.invented
    first = content(path)
    module.write_all((found,), path)
    again = read_back(module, found, path)
    module.write_all((again,), path)
    second = content(path)
    assert not changed(found, again), "what was read is not written back as it was"
    module.write_all((read_back(module, again, path),), path)
    assert content(path) == second
    assert len(first) > 0


def test_the_same_dataset_gives_the_same_bytes(module, setting, tmp_path):
    one, other = tmp_path / f"1-{setting.file}", tmp_path / f"2-{setting.file}"
    for path in (one, other):
        module.write_all((plain(setting.schema),), path)

    assert content(one) == content(other)


def test_writing_changes_no_input(module, setting, tmp_path):
    ds = plain(setting.schema)
    before = ds[:]

    module.write_all((ds,), tmp_path / setting.file)

    assert ds == before


@pytest.mark.parametrize("num_images", [0, 2])
def test_no_instances(module, setting, num_images, tmp_path):
    table = ImageTable.of([f"{i}.jpg" for i in range(num_images)])
    ds = plain(setting.schema)[:0].replace(images=table)
    path = tmp_path / setting.file

    report = written(module, ds, path)
    found = read_back(module, ds, path)

    assert len(found) == report.instances == 0
    assert len(found.images) == num_images or report.lost


def test_compressed_files_are_read(module, setting, tmp_path):
    path = tmp_path / setting.file
    module.write_all((plain(setting.schema),), path)
    if setting.folder:
        return  # each file in it is read as it is
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    try:
        found = read_back(module, plain(setting.schema), packed)
    except KptDataError:
        return  # a format that is compressed by itself may refuse it
    assert found == read_back(module, plain(setting.schema), path)


# Strictness


def test_strict_refuses_before_a_byte_is_written(module, setting, tmp_path):
    ds = PLANTS["3D points"](plain(setting.schema))
    path = tmp_path / setting.file

    with pytest.raises(FormatError, match="would lose"):
        module.write_all((ds,), path, strict=True)

    assert list(tmp_path.iterdir()) == []


# Which file is whose


def test_a_format_knows_its_own_file(name, module, setting, tmp_path):
    path = tmp_path / setting.file
    module.write_all((plain(setting.schema),), path)

    verdict = module.sniff(path)

    assert isinstance(verdict, Sniff)
    assert verdict.confidence > 0.5
    assert verdict.reasons
    others = [FORMATS.load(other).sniff(path).confidence for other in NAMES if other != name]
    assert all(confidence < verdict.confidence for confidence in others)


FOREIGN = {
    "text": b"hello\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "number": b"42",
    "object": b'{"a": 1}',
    "list": b"[[1, 2], [3, 4]]",
    "nothing but spaces": b"   \n",
    "html": b"<html><body>404</body></html>",
    "zip": b"PK\x03\x04" + bytes(40),
    "utf-16": '{"images": []}'.encode("utf-16"),
    "toml": b"[tool]\nname = 'x'\n",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused(module, setting, content, tmp_path):
    path = tmp_path / setting.file
    path.write_bytes(content)

    assert module.sniff(path).confidence == 0
    with pytest.raises(KptDataError, match=path.name):
        module.read_all(path, schema=load_schema(setting.schema))


def test_the_file_of_another_format_is_refused(name, module, tmp_path):
    for other in NAMES:
        setting = SETTINGS.get(other, Setting())
        path = tmp_path / f"{other}-{setting.file}"
        FORMATS.load(other).write_all((plain(setting.schema),), path)
        if other != name:
            with pytest.raises(KptDataError, match=path.name):
                module.read_all(path, schema=load_schema(setting.schema))


# Trouble


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "in no folder"])
def test_a_file_that_cannot_be_read(module, setting, kind, tmp_path):
    path = tmp_path / setting.file
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "in no folder":
        path = tmp_path / "nowhere" / setting.file

    with pytest.raises(FileError, match=path.name):
        module.read_all(path, schema=load_schema(setting.schema))


@pytest.mark.parametrize("kind", ["folder", "in no folder"])
def test_a_file_that_cannot_be_written(module, setting, kind, tmp_path):
    path = tmp_path / setting.file
    if kind == "folder":
        # What is in the way of a folder is a file.
        path.touch() if setting.folder else path.mkdir()
    else:
        path = tmp_path / "nowhere" / setting.file

    with pytest.raises(FileError, match=path.name):
        module.write_all((plain(setting.schema),), path)

    assert [p.name for p in tmp_path.rglob("*")] in ([], [setting.file])


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut, flip, repeat, drop or replace some bytes."""
    data = bytearray(content)
    way = rng.integers(0, 5)
    if way == 0:
        return bytes(data[: rng.integers(0, len(data))])
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(data)))
        size = int(rng.integers(1, 12))
        if way == 1:
            data[at] = int(rng.integers(0, 256))
        elif way == 2:
            data[at:at] = data[at : at + size]
        elif way == 3:
            del data[at : at + size]
        else:
            data[at : at + 1] = rng.choice([b'"', b"[", b"}", b"0", b"-", b"null", b"1e999", b","])
    return bytes(data)


def test_damaged_files_raise_nothing_but_our_errors(module, setting, tmp_path):
    rng = np.random.default_rng(3)
    ds = PLANTS["extras"](PLANTS["occluded"](plain(setting.schema)))
    path = tmp_path / setting.file
    module.write_all((ds,), path)
    files = {
        f: f.read_bytes()
        for f in sorted(path.rglob("*") if setting.folder else [path])
        if f.is_file()
    }
    messages = []
    for number in range(700):
        file = list(files)[number % len(files)]
        file.write_bytes(damaged(files[file], rng))
        try:
            module.read_all(path, schema=ds.schema)
        except KptDataError as error:
            messages.append(str(error))
        file.write_bytes(files[file])
    assert len(messages) > 100
    assert all(path.name in message for message in messages)

"""Every format keeps its word: what it cannot hold is counted, and nothing else changes.

The tests run over the live table. A value is planted in a dataset, written, read back; if it comes
back changed, the report must say so.
"""

from __future__ import annotations

import gzip
import inspect
import shutil
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from format_plants import PLANTS, plain, with_images
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import datasets

from kptdata import (
    FileError,
    FormatError,
    ImageTable,
    KptDataError,
    PoseDataset,
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
    "cvat_images": Setting("data.xml"),
    "cvat_video": Setting("data.xml"),
    "label_studio": Setting(sized=True),
    "labelme": Setting("shapes", folder=True),
    "openpose": Setting("poses", "body25", folder=True),
    "mediapipe": Setting(schema="mediapipe_pose", sized=True),
    "sleap": Setting("data.slp"),
    "sleap_analysis": Setting("data.analysis.h5"),
    "csv": Setting("data.csv"),
    "deeplabcut": Setting("data.csv"),
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
    return with_images(ds, width=size[:, 0], height=size[:, 1])


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
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_dataset_is_kept_or_counted(module, setting, tmp_path, data):
    ds = data.draw(datasets(load_schema(setting.schema)))
    ds = with_sizes(ds) if setting.sized else ds
    path = tmp_path / setting.file
    if path.is_dir():  # of the example before
        shutil.rmtree(path)

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


@pytest.mark.parametrize("size", [1e-19, 1e-20, 1e-45, 1e-192, 5e-324])
def test_what_is_next_to_nothing_is_kept_or_counted(module, setting, size, tmp_path):
    ds = plain(setting.schema)
    xy, bbox = ds.xy.copy(), ds.bbox.copy()
    xy[0, 0], bbox[0], bbox[1] = size, (5 * size, size, size, size), (1.0, size, 2.0, size)
    ds = ds.replace(xy=xy, bbox=bbox)
    path = tmp_path / setting.file

    report = written(module, ds, path)
    found = read_back(module, ds, path)
    assert not (changed(ds, found) & {"xy", "bbox"}) or report.lost

    module.write_all((found,), path)
    assert not changed(found, read_back(module, found, path))


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

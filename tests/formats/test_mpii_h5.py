"""The stacked-hourglass layout of MPII: shift and enlargement undone, every dataset back."""

from __future__ import annotations

import json
import sys

import h5py
import numpy as np
import pytest

import kptdata as kd
from kptdata import (
    DatasetError,
    FileError,
    FormatError,
    KptDataError,
    MissingDependencyError,
    PoseDataset,
    SchemaError,
    Visibility,
)
from kptdata.formats import mpii_h5

NAN = np.nan
V = Visibility


def columns(count: int = 3, **changes) -> dict:
    """The datasets of a file as the authors publish it."""
    part = np.arange(count * 32.0).reshape(count, 16, 2) + 5
    part[0, 1] = 0
    visible = np.ones((count, 16))
    visible[0, :2] = 0
    made = {
        "part": part,
        "visible": visible,
        "center": np.array([[966.0, 410.77731840074193], [-1, -1], [5, 6]])[:count],
        "scale": np.array([5.898109866728492, -1, 2.5])[:count],
        "imgname": np.array([b"a.jpg", b"b.jpg", b"a.jpg"])[:count],
        "index": np.array([6.0, 17, 6])[:count],
        "person": np.zeros(count),
        "normalize": np.arange(count) + 0.5,
        "torsoangle": np.array([0.5, NAN, 1])[:count],
    }
    return {k: v for k, v in (made | changes).items() if v is not ...}


def save(path, name="mpii", **datasets) -> object:
    with h5py.File(path, "w") as file:
        for key, value in datasets.items():
            file[key] = value
        file.attrs["name"] = name
    return path


def contents(path) -> dict:
    with h5py.File(path) as file:
        found = {key: file[key][()] for key in file if isinstance(file[key], h5py.Dataset)}
        return found | {f"@{key}": value for key, value in file.attrs.items()}


def read(path, **changes) -> PoseDataset:
    (ds,) = mpii_h5.read_all(save(path / "in.h5", **columns(**changes)))
    return ds


def test_reading(tmp_path):
    ds = read(tmp_path)

    assert ds.images.file_name.tolist() == ["a.jpg", "b.jpg"]
    assert ds.image.tolist() == [0, 1, 0]
    assert ds.xy[0, 0].tolist() == [4, 5]
    assert ds.visibility[0, :3].tolist() == [V.OCCLUDED, V.UNLABELLED, V.VISIBLE]
    scale = 5.898109866728492 / 1.25
    assert ds.numbers["scale"].tolist() == [scale, -1, 2]
    assert ds.points["objpos"][0, 0].tolist() == [965, 410.77731840074193 - 1 - 15 * scale]
    # Where the place is not known, nothing was shifted or enlarged.
    assert ds.points["objpos"][1:, 0].tolist() == [[-2, -2], [4, 6 - 1 - 30]]
    assert np.isnan(ds.bbox[1]).all()
    np.testing.assert_allclose(ds.bbox[2], [4 - 200, 5 - 200, 400, 400])
    assert ds.numbers["index"].tolist() == [6, 17, 6]
    assert json.loads(ds.meta["attributes"])["name"]["values"] == ["mpii"]


def test_every_dataset_comes_back(tmp_path):
    more = {
        "split": np.array([b"train", "grün".encode(), b""]),
        "edges": np.arange(6, dtype=np.int16).reshape(2, 3),
        "flags": np.array([True, False, True]),
        "group/inner": np.array([1.5, np.inf]),
        "empty": np.zeros((0, 4), np.float32),
    }
    source = save(tmp_path / "in.h5", **columns(), **more)
    (ds,) = mpii_h5.read_all(source)

    report = mpii_h5.write_all((ds,), tmp_path / "out.h5", strict=True)

    assert not report.lost
    assert not report.invented
    before, after = contents(source), contents(tmp_path / "out.h5")
    assert before.keys() == after.keys()
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key], err_msg=key)
        assert np.asarray(value).dtype == np.asarray(after[key]).dtype, key
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["group/inner"][()].tolist() == [1.5, np.inf]
    (again,) = mpii_h5.read_all(tmp_path / "out.h5")
    assert again == ds
    first = (tmp_path / "out.h5").read_bytes()
    mpii_h5.write_all((again,), tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == first


def test_a_changed_column_wins_over_the_note(tmp_path, rng):
    count = 200
    changes = {
        "part": np.ones((count, 16, 2)), "visible": np.ones((count, 16)),
        "center": rng.uniform(0, 2000, (count, 2)), "scale": rng.uniform(0.1, 9, count),
        "imgname": np.array([b"a.jpg"] * count), "index": ..., "person": ..., "normalize": ...,
        "torsoangle": ...,
    }  # fmt: skip
    ds = read(tmp_path, **changes)
    assert "center:mpii_h5" in ds.extras
    scale = ds.numbers["scale"] * 2

    mpii_h5.write_all((ds,), tmp_path / "same.h5")
    mpii_h5.write_all((ds.replace(numbers={"scale": scale}),), tmp_path / "out.h5")

    np.testing.assert_array_equal(contents(tmp_path / "same.h5")["center"], changes["center"])
    np.testing.assert_array_equal(contents(tmp_path / "same.h5")["scale"], changes["scale"])
    np.testing.assert_allclose(contents(tmp_path / "out.h5")["scale"], 2 * changes["scale"])


def test_names_as_character_codes(tmp_path):
    codes = np.zeros((2, 8))
    for row, name in enumerate(["a.jpg", "bc.jpg"]):
        codes[row, : len(name)] = list(name.encode())

    ds = read(tmp_path, count=2, imgname=codes)

    assert ds.images.file_name.tolist() == ["a.jpg", "bc.jpg"]


def test_visible_flags_of_missing_points_are_kept(tmp_path):
    visible = np.ones((3, 16))
    source = save(tmp_path / "in.h5", **columns(visible=visible))
    (ds,) = mpii_h5.read_all(source)
    assert ds.visibility[0, 1] == V.UNLABELLED

    mpii_h5.write_all((ds,), tmp_path / "out.h5")

    assert contents(tmp_path / "out.h5")["visible"].tolist() == visible.tolist()


def made(**changes) -> PoseDataset:
    visibility = np.full((2, 16), V.VISIBLE)
    visibility[0, :3] = V.LABELLED, V.UNLABELLED, V.OCCLUDED
    xy = np.arange(64.0).reshape(2, 16, 2) + 0.5
    xy[0, 1] = NAN
    images = kd.ImageTable.of(["a.jpg", "b.jpg"])
    base = {"schema": kd.load_schema("mpii"), "images": images, "image": [1, 1], "xy": xy}
    return PoseDataset(**(base | {"visibility": visibility} | changes))


def test_writing_people_from_elsewhere(tmp_path):
    ds = made(
        boxes={"head": [[1, 2, 30, 40], [NAN] * 4]},
        points={"objpos": [[[50.0, 60]], [[70, 80]]]},
        numbers={"scale": [1.5, 2.0]},
    )
    report = mpii_h5.write_all((ds,), tmp_path / "out.h5")
    found = contents(tmp_path / "out.h5")

    assert found["part"][0, :3].tolist() == [[1.5, 2.5], [0, 0], [5.5, 6.5]]
    assert found["visible"][0, :4].tolist() == [1, 0, 0, 1]
    assert found["center"].tolist() == [[51, 61 + 22.5], [71, 81 + 30]]
    assert found["scale"].tolist() == [1.875, 2.5]
    assert found["imgname"].tolist() == [b"b.jpg", b"b.jpg"]
    assert found["person"].tolist() == [0, 1]
    assert found["index"].tolist() == [1, 1]
    assert found["normalize"][0] == 30
    assert report.lost == {"visibility": 1, "boxes": 1, "images": 1, "image_id": 1}
    assert report.invented["normalize"] == 1
    assert report.invented["person"] == 2
    assert set(report.lost) <= set(mpii_h5.LOSSES)


def test_a_point_at_the_files_origin_is_lost_and_counted(tmp_path):
    xy = made().xy.copy()
    xy[1, 5] = -1

    report = mpii_h5.write_all((made(xy=xy),), tmp_path / "out.h5")

    assert report.lost["xy"] == 1
    with pytest.raises(FormatError, match="would lose"):
        mpii_h5.write_all((made(xy=xy),), tmp_path / "strict.h5", strict=True)
    assert not (tmp_path / "strict.h5").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": ...}, r"part: .*shape \(3, 16, 2\), found no such dataset"),
        ({"part": np.zeros((3, 17, 2))}, r"part: .*\(3, 16, 2\), found \(3, 17, 2\)"),
        ({"visible": np.full((3, 16), 2.0)}, "visible, row 0: .*0 or 1, found 2.0"),
        ({"scale": np.array([b"x"] * 3)}, "scale: .*numbers"),
        ({"scale": np.array([1, np.inf, 1])}, "scale, row 1: .*finite numbers, found inf"),
        ({"center": np.full((3, 2), NAN)}, "center, row 0"),
        ({"imgname": ...}, "imgname: .*file names"),
        ({"imgname": np.zeros(3)}, "imgname: .*one text per person"),
        ({"imgname": np.array([b"\xff"] * 3)}, "imgname: text that is not UTF-8"),
        ({"odd": np.array([(1, 2.0)], dtype=[("a", int), ("b", float)])}, "odd: holds values"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_placed(changes, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read(tmp_path, **changes)


def test_a_dataset_of_an_impossible_size(tmp_path):
    path = save(tmp_path / "in.h5", **columns())
    with h5py.File(path, "a") as file:  # nothing of it is stored
        file.create_dataset("huge", (1 << 20, 1 << 12), "f4", chunks=(1 << 10, 1 << 10))

    with pytest.raises(FormatError, match="huge: a dataset of an impossible size"):
        mpii_h5.read_all(path)


def test_schemas_and_sniffing(tmp_path):
    path = save(tmp_path / "in.h5", **columns())

    assert kd.formats.sniff(path) == "mpii_h5"
    with pytest.raises(SchemaError, match="16 points of MPII"):
        mpii_h5.read_all(path, schema=kd.load_schema("coco"))
    with pytest.raises(DatasetError, match="one dataset"):
        mpii_h5.write_all((made(), made()), path)
    other = save(tmp_path / "other.h5", part=np.zeros(3))
    assert mpii_h5.sniff(other).confidence == 0
    other.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert mpii_h5.sniff(other).confidence == 0
    with pytest.raises(FileError, match="no HDF5 file, or a damaged one"):
        mpii_h5.read_all(other)


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "in.h5", **columns())
    monkeypatch.setitem(sys.modules, "h5py", None)

    with pytest.raises(MissingDependencyError, match=r"kptdata\[formats\]"):
        mpii_h5.read_all(path)
    assert "kptdata[formats]" in mpii_h5.sniff(path).reasons[0]


def test_damaged_files_raise_nothing_else(tmp_path, rng):
    path = save(tmp_path / "in.h5", **columns())
    content = path.read_bytes()
    refused = 0
    for _ in range(800):
        data = bytearray(content)
        for _ in range(int(rng.integers(1, 6))):
            data[int(rng.integers(0, len(data)))] = int(rng.integers(0, 256))
        if rng.integers(0, 10) == 0:
            del data[int(rng.integers(0, len(data))) :]
        path.write_bytes(data)
        try:
            mpii_h5.read_all(path)
        except KptDataError:
            refused += 1
    assert refused > 100

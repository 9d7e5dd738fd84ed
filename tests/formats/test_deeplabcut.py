"""DeepLabCut: what is read from files typed by hand or written by pandas, and the traps.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats. The HDF5
files in ``tests/data/deeplabcut`` were written by pandas and PyTables.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_plants import PLANTS, plain
from PIL import Image

import kptdata as kd
from kptdata import (
    DatasetError,
    FileError,
    FormatError,
    ImageTable,
    KptDataError,
    MissingDependencyError,
    OptionError,
    PoseDataset,
    Schema,
    SchemaError,
    Visibility,
    load_schema,
)
from kptdata.formats import deeplabcut
from kptdata.formats._dlc_h5 import h5_bytes, read_h5
from kptdata.formats._dlc_sheet import read_csv
from kptdata.formats._pickled import PickleError, plain_value

DATA = Path(__file__).parents[1] / "data" / "deeplabcut"
EXAMPLE = Path(__file__).parents[3] / "shared/research/format_examples/dlc_single.csv"
NET = "DLC_resnet50_openfieldAug20shuffle1_30000"
NAN = np.nan
V = Visibility


def unpacked(name: str, folder: Path) -> Path:
    """Unpack an HDF5 file that pandas wrote."""
    path = folder / name
    path.write_bytes(gzip.decompress((DATA / f"{name}.gz").read_bytes()))
    return path


def table(*lines: str, path: Path) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def animals(count: int = 2, **columns: Any) -> PoseDataset:
    base = {
        "schema": Schema.from_names(["snout", "tail"], name="mouse"),
        "images": ImageTable.of([f"labeled-data/v/img{i:03}.png" for i in range(count)]),
        "image": np.arange(count),
        "xy": np.arange(count * 4.0).reshape(count, 2, 2) + 0.1,
        "visibility": np.full((count, 2), V.LABELLED),
    }
    return PoseDataset(**(base | columns))


# Reading


@pytest.mark.parametrize("name", ["single.csv", "single_table.h5"])
def test_labels_of_one_animal(name, tmp_path):
    ds = kd.read(DATA / name if name.endswith("csv") else unpacked(name, tmp_path))

    assert ds.schema.names == ("snout", "größe")
    np.testing.assert_array_equal(
        ds.xy, [[[21.5, 265.4], [87.1, 152.7]], [[10.2, 288.5], [NAN, NAN]]]
    )
    assert ds.visibility.tolist() == [[V.LABELLED, V.LABELLED], [V.LABELLED, V.UNLABELLED]]
    assert ds.images.file_name.tolist() == [
        "labeled-data/mouse1/img0003.png",
        "labeled-data/mouse1/img0017.png",
    ]
    assert ds.images.sequence.tolist() == ["mouse1", "mouse1"]
    assert ds.images.frame.tolist() == [3, 17]
    assert ds.meta["scorer"] == b'"anna"'
    assert ds.track is None
    assert ds.keypoint_score is None


@pytest.mark.parametrize("name", ["multi.csv", "multi_fixed.h5"])
def test_trap_38_individuals_and_the_one_called_single(name, tmp_path):
    path = DATA / name if name.endswith("csv") else unpacked(name, tmp_path)

    mice, corners = kd.read_all(path)

    # The order of the columns is the order of points; nothing is sorted.
    assert mice.schema.names == ("tail", "snout")
    np.testing.assert_array_equal(mice.xy, [[[1, 2], [3, 4]], [[5.5, 6], [7, 8.25]]])
    assert mice.track.tolist() == ["m2", "m1"]
    assert mice.image.tolist() == [0, 1]
    assert corners.schema.names == ("corner",)
    assert corners.xy.tolist() == [[[100, 200]]]
    assert corners.track.tolist() == ["single"]
    assert corners.images.sequence.tolist() == ["mouse1", "mouse2"]
    assert [mice.order.tolist(), corners.order.tolist()] == [[0, 2], [1]]


@pytest.mark.parametrize("suffix", [".csv", ".h5"])
def test_predictions_have_scores_and_frames(suffix, tmp_path):
    name = f"m3{NET}{suffix}"

    ds = kd.read(DATA / name if suffix == ".csv" else unpacked(name, tmp_path))

    assert ds.xy.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert ds.keypoint_score.tolist() == [[0.5, 0.25], [0.125, 1]]
    assert ds.images.sequence.tolist() == ["m3", "m3"]
    assert ds.images.frame.tolist() == [0, 1]
    assert ds.images.file_name.tolist() == [f"labeled-data/m3/img{i}.png" for i in (0, 1)]
    assert ds.meta["scorer"] == f'"{NET}"'.encode()


def test_the_frame_is_the_last_number_of_the_name(tmp_path):
    rows = [f"labeled-data/v2/{name}.png,1,2" for name in ("cam1_img0017", "img3-b", "img")]

    ds = kd.read(table(*HEAD, *rows, path=tmp_path / "a.csv"))

    assert ds.images.sequence.tolist() == ["v2"] * 3
    assert ds.images.frame.tolist() == [17, 3, kd.dataset.MISSING_INT]


def test_a_point_without_likelihood_has_no_score(tmp_path):
    path = table(
        "scorer,n,n,n,n,n", "bodyparts,a,a,a,b,b", "coords,x,y,likelihood,x,y", "0,1,2,0.5,3,4",
        path=tmp_path / "a.csv",
    )  # fmt: skip

    np.testing.assert_array_equal(kd.read(path).keypoint_score, [[0.5, NAN]])


def test_frames_are_named_as_they_are_taken_out(tmp_path):
    rows = [f"{frame},{frame}.5,1" for frame in range(1001)]
    path = table("scorer,n,n", "bodyparts,a,a", "coords,x,y", *rows, path=tmp_path / "vid.csv")

    names = kd.read(path).images.file_name

    assert names[7] == "labeled-data/vid/img0007.png"
    assert names[1000] == "labeled-data/vid/img1000.png"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the notes on formats are not here")
def test_the_example_of_the_notes():
    ds = kd.read(EXAMPLE)

    np.testing.assert_array_equal(
        ds.xy, [[[21.5, 265.4], [87.1, 152.7]], [[10.2, 288.5], [NAN, NAN]]]
    )
    assert ds.images.frame.tolist() == [3, 17]


def test_trap_38_an_empty_first_row_is_a_row(tmp_path):
    lines = DATA.joinpath("single.csv").read_text().splitlines()
    lines.insert(3, "labeled-data/mouse1/img0001.png,,,,")

    ds = kd.read(table(*lines, path=tmp_path / "a.csv"))

    assert len(ds.images) == 3
    assert ds.image.tolist() == [1, 2]


def test_trap_38_both_ways_to_name_rows_are_the_same_and_are_kept(tmp_path):
    lines = [
        line.replace("/", ",") if "/" in line else line.replace(",", ",,,", 1)
        for line in DATA.joinpath("single.csv").read_text().splitlines()
    ]
    parts = table(*lines, path=tmp_path / "parts.csv")

    one, other = kd.read(DATA / "single.csv"), kd.read(parts)

    assert not [d for d in one.differences(other) if not d.startswith("meta")]
    kd.write(other, tmp_path / "again.csv", format="deeplabcut")
    assert (tmp_path / "again.csv").read_bytes() == parts.read_bytes()


def test_back_slashes_are_read_and_written_back(tmp_path):
    text = DATA.joinpath("single.csv").read_text().replace("/", "\\")
    path = tmp_path / "a.csv"
    path.write_text(text)

    ds = kd.read(path)

    assert ds.images.file_name[0] == "labeled-data/mouse1/img0003.png"
    assert ds.images.sequence[0] == "mouse1"
    assert not kd.write(ds, tmp_path / "b.csv", format="deeplabcut").lost
    assert (tmp_path / "b.csv").read_text() == text


def test_half_a_point_is_kept_and_is_no_label(tmp_path):
    path = table("scorer,n,n", "bodyparts,a,a", "coords,x,y", "i.png,4.5,", path=tmp_path / "a.csv")

    ds = kd.read(path)

    assert ds.visibility.tolist() == [[V.UNLABELLED]]
    np.testing.assert_array_equal(ds.given_xy, [[[4.5, NAN]]])
    assert not kd.write(ds, tmp_path / "b.csv", format="deeplabcut").lost
    assert (tmp_path / "b.csv").read_bytes() == path.read_bytes()


def test_second_guesses_of_a_network_are_extras(tmp_path):
    coords = ["x", "y", "likelihood", "x2", "y2", "likelihood2"]
    path = table(
        ",".join(["scorer", *["n"] * 6]), ",".join(["bodyparts", *["a"] * 6]),
        ",".join(["coords", *coords]), "0,1.0,2.0,0.5,3.0,4.0,", path=tmp_path / "a.csv",
    )  # fmt: skip

    ds = kd.read(path)

    assert ds.extras["coords"].parsed(0) == {"x2": {"a": 3.0}, "y2": {"a": 4.0}}
    assert not kd.write(ds, path, format="deeplabcut").lost
    assert path.read_text().endswith("\n0,1.0,2.0,0.5,3.0,4.0,\n")


def test_a_schema_is_fitted_by_name(tmp_path):
    coco = load_schema("coco")
    ds = plain("coco")[2:]
    kd.write(ds, tmp_path / "a.csv", format="deeplabcut")

    assert kd.read(tmp_path / "a.csv").schema.hash() == coco.hash()
    mice, corners = kd.read_all(
        DATA / "multi.csv", schema=Schema.from_names(["snout", "tail"], name="s")
    )
    assert mice.schema.names == ("snout", "tail")
    assert mice.xy[0].tolist() == [[3, 4], [1, 2]]
    assert corners.schema.names == ("corner",)
    # The order of the columns is kept where the schema has another one.
    kd.write_all([mice, corners], tmp_path / "b.csv", format="deeplabcut")
    assert (tmp_path / "b.csv").read_bytes() == (DATA / "multi.csv").read_bytes()
    with pytest.raises(SchemaError, match="bodyparts"):
        kd.read_all(DATA / "multi.csv", schema="coco")


HEAD = ("scorer,n,n", "bodyparts,a,a", "coords,x,y")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((*HEAD, "i.png,1,zwei"), "line 4, a y: .*expected a number or nothing, found 'zwei'"),
        ((*HEAD, "i.png,1,1_0"), "line 4, a y"),
        ((*HEAD, "i.png,1,2", "j.png,1"), "line 5: .*expected 3 cells, found 2"),
        ((*HEAD, "i.png,1,inf"), r"row i.png, a y: .*a finite number"),
        ((*HEAD, "../i.png,1,2"), "leads out of its folder"),
        ((*HEAD, "/home/i.png,1,2"), "leads out of its folder"),
        (("scorer,n,m", *HEAD[1:]), "one scorer, found 'n', 'm'"),
        ((HEAD[0], HEAD[1], "coords,x,x"), "each column once"),
        ((HEAD[0], HEAD[1], "coords,x,z"), "coordinates in space"),
        ((HEAD[0], "bodyparts,a,b", HEAD[2]), "a: .*no column y"),
        ((HEAD[0], "bodyparts,a", HEAD[2]), "3 cells in each row, found 2 cells"),
        (("scorer", "bodyparts", "coords"), "no CSV of DeepLabCut|one scorer"),
        (("a,b", "1,2"), "header rows"),
        ((*HEAD, '"i.png'), "line 4"),
    ],
)
def test_wrong_tables_are_refused_by_place(lines, message, tmp_path):
    path = table(*lines, path=tmp_path / "a.csv")

    with pytest.raises(FormatError, match=message):
        kd.read_all(path, format="deeplabcut")


def test_large_tables_are_read_in_time(tmp_path):
    frames, points = 5_000, 20
    values = np.random.default_rng(0).uniform(0, 999, (frames, points * 3))
    columns = tuple(
        ("net", f"p{k}", coord) for k in range(points) for coord in ("x", "y", "likelihood")
    )
    sheet = kd.formats._dlc_sheet.Sheet(columns, "frames", np.arange(frames), values)
    path = tmp_path / "vidnet.csv"
    path.write_bytes(b"".join(kd.formats._dlc_sheet.csv_text(sheet)))

    ds = kd.read(path)

    assert len(ds) == frames
    assert ds.images.sequence[0] == "vid"
    np.testing.assert_array_equal(ds.xy[:, :, 0], values[:, ::3])


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_header_rows_longer_than_what_is_looked_at(rows, tmp_path):
    cells = 65_536 // (10 * rows) + 10
    people = [f"m{i:06}" for i in range(cells)]
    header = [["n" * 9] * cells, people, ["p" * 9] * cells, ["x", "y"] * (cells // 2)]
    lines = [",".join([name, *row]) for name, row in zip(HEADER, header, strict=True)]
    path = table(*lines, path=tmp_path / "a.csv")

    assert deeplabcut.sniff(path).confidence > 0.5


HEADER = ("scorer", "individuals", "bodyparts", "coords")


# HDF5


@pytest.mark.parametrize("layout", ["fixed", "table"])
def test_columns_of_several_types_are_in_several_blocks(layout, tmp_path):
    ds = kd.read(unpacked(f"blocks_{layout}.h5", tmp_path))

    np.testing.assert_array_equal(ds.xy, [[[1, 3.5], [5, 7.5]], [[NAN, NAN], [6, 8.5]]])
    np.testing.assert_array_equal(ds.given_xy[1], [[2, NAN], [NAN, NAN]])


def test_blocks_that_are_not_transposed(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = unpacked("multi_fixed.h5", tmp_path)
    mice, _ = kd.read_all(path)
    with h5py.File(path, "r+") as file:
        group = file["df_with_missing"]
        values = group["block0_values"][()]
        del group["block0_values"]
        group.create_dataset("block0_values", data=values.T)

    assert kd.read_all(path)[0] == mice


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("axis0_label1", -1, r"axis0_label1: .*expected 0 to 2, found -1"),
        ("axis0_label1", 9, "axis0_label1"),
        ("axis0_label3", 1, "each column in one block"),
        ("block0_items_label3", 1, "each column in one block"),
        ("axis1_label0", -1, "axis1_label0"),
    ],
)
def test_codes_that_name_nothing(name, value, message, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = unpacked("multi_fixed.h5", tmp_path)
    with h5py.File(path, "r+") as file:
        file[f"df_with_missing/{name}"][0] = value

    with pytest.raises(FormatError, match=message):
        kd.read_all(path, format="deeplabcut")


def test_levels_are_sorted_as_pandas_sorts_them(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    kd.write_all(kd.read_all(DATA / "multi.csv"), path, format="deeplabcut")

    with h5py.File(path) as file:
        levels = [file[f"df_with_missing/axis0_level{n}"][()].tolist() for n in range(4)]

    assert levels == [
        [b"anna"],
        [b"m1", b"m2", b"single"],
        [b"corner", b"snout", b"tail"],
        [b"x", b"y"],
    ]


def test_pickled_cells_are_not_unpickled(tmp_path):
    path = unpacked("pickled.h5", tmp_path)

    assert deeplabcut.sniff(path).confidence > 0.5
    with pytest.raises(FormatError, match=r"block0_values: .*pickled objects, which are not un"):
        kd.read(path)


def test_a_pickle_that_calls_something_is_refused_by_name(tmp_path):
    h5py = pytest.importorskip("h5py")
    path, witness = unpacked("single_table.h5", tmp_path), tmp_path / "witness"
    with h5py.File(path, "r+") as file:
        command = f"cos\nsystem\n(Vtouch {witness}\ntR.".encode()
        file["df_with_missing"].attrs["info"] = np.bytes_(command)

    with pytest.raises(FormatError, match=r"table@info: .*found the pickle word GLOBAL, which"):
        kd.read(path, format="deeplabcut")
    assert not witness.exists()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"N.", None),
        (b"I01\n.", True),
        (b"I-7\n.", -7),
        (b"L12L\n.", 12),
        (b"F1.5\n.", 1.5),
        (b"Vj\xfcrgen \\u20ac\n.", "jürgen €"),
        (b"S'a\\n'\np0\n.", "a\n"),
        (b"(lp0\n(I1\nVa\np1\ntp2\nag1\na.", [(1, "a"), "a"]),
        (b"(dp0\nI1\n(lp1\ns.", {1: []}),
        (b"(Va\nI1\nd.", {"a": 1}),
    ],
)
def test_plain_pickles(data, value):
    assert plain_value(data) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cos\nsystem\n.", "GLOBAL"),
        (b"(Vls\nios\nsystem\n.", "INST"),
        (b"Va\nPb\n.", "PERSID"),
        (b"\x80\x04K\x01.", "PROTO"),
        (b"R.", "REDUCE"),
        (b"N", "at byte 1"),
        (b"", "at byte 0"),
        (b"g0\n.", "at byte"),
        (b"NN.", "at byte"),
        (b"t.", "at byte"),
        (b"Na.", "at byte"),
        (b"(lp0\ng0\na.", "container in two places"),
        (b"((lp0\nlg0\n.", "container in two places"),
        (b"I" + b"9" * 99 + b"\n.", "too many digits"),
        (b"(" * 50 + b"t" * 50 + b".", "nested too deep"),
        (b"Sabc\n.", "quotes"),
    ],
)
def test_other_pickles_are_refused(data, message):
    with pytest.raises(PickleError, match=message):
        plain_value(data)


@pytest.mark.parametrize("name", ["single_table.h5", "multi_fixed.h5", f"m3{NET}.h5"])
def test_what_pandas_wrote_comes_back_as_pandas_would_lay_it_out(name, tmp_path):
    sheet = read_h5(unpacked(name, tmp_path))
    again = tmp_path / "again.h5"
    again.write_bytes(h5_bytes(sheet))

    found = read_h5(again)

    assert (found.columns, found.index) == (sheet.columns, sheet.index)
    assert list(found.rows) == list(sheet.rows)
    np.testing.assert_array_equal(found.values, sheet.values)
    assert h5_bytes(found) == again.read_bytes()


def test_trap_38_tables_are_chosen_by_key(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = unpacked("single_table.h5", tmp_path)
    with h5py.File(path, "r+") as file:
        file.copy("df_with_missing", "tracks")
        file["tracks/table"][0] = (b"a/b.png", [1, 2, 3, 4])

    assert kd.read(path).xy[0, 0].tolist() == [21.5, 265.4]
    assert kd.read(path, key="tracks").xy[0, 0].tolist() == [1, 2]
    with pytest.raises(FormatError, match=r"no table 'ass'.*found df_with_missing, tracks"):
        kd.read(path, format="deeplabcut", key="ass")
    with h5py.File(path, "r+") as file:
        file.move("df_with_missing", "ass")
    with pytest.raises(FormatError, match="no table 'df_with_missing'"):
        kd.read(path, format="deeplabcut")


def test_compression_that_h5py_lacks_is_named(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    kd.write(animals(), path, format="deeplabcut")
    with h5py.File(path, "r+") as file:
        values = file["df_with_missing/block0_values"][()]
        del file["df_with_missing/block0_values"]
        file["df_with_missing"].create_dataset("block0_values", data=values, compression="gzip")
        file["df_with_missing/block0_values"].attrs["transposed"] = np.uint8(1)
    assert kd.read(path) == kd.read(path)
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)

    with pytest.raises(FormatError, match=r"block0_values: compressed .*found deflate"):
        kd.read(path)


def replaced(path: Path, how: str) -> None:
    """Keep the values of a table in another file."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "r+") as file:
        group = file["df_with_missing"]
        del group["block0_values"]
        if how == "ExternalLink":
            group["block0_values"] = h5py.ExternalLink("other.h5", "/secret")
        elif how == "virtual":
            layout = h5py.VirtualLayout((2, 10), "f8")
            layout[:] = h5py.VirtualSource("other.h5", "secret", (2, 10))
            group.create_virtual_dataset("block0_values", layout)
        else:
            group.create_dataset("block0_values", (2, 10), "f8", external="secret.bin")


@pytest.mark.parametrize("how", ["ExternalLink", "virtual", "secret.bin"])
def test_values_of_other_files_are_not_read(how, tmp_path):
    path = unpacked("multi_fixed.h5", tmp_path)
    replaced(path, how)

    with pytest.raises(FormatError, match=f"block0_values: .*found .*{how}"):
        kd.read_all(path, format="deeplabcut")


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = unpacked("multi_fixed.h5", tmp_path)
    project = tmp_path / "p"
    kd.write_all(kd.read_all(DATA / "project"), project, format="deeplabcut")
    monkeypatch.setitem(sys.modules, "h5py", None)

    assert deeplabcut.sniff(path).confidence == 0
    for call in (
        lambda: deeplabcut.read_all(path),
        lambda: deeplabcut.write_all([animals()], path),
    ):
        with pytest.raises(MissingDependencyError, match=r"kptdata\[formats\]"):
            call()
    # What a project has as CSV too is read all the same, and noted.
    ds = kd.read_all(project)[0]
    assert len(ds) == 2
    assert "h5py is not installed" in " ".join(ds.provenance)


@pytest.mark.parametrize("name", ["single_table.h5", "multi_fixed.h5"])
def test_damaged_hdf5_raises_nothing_but_our_errors(name, tmp_path):
    path = unpacked(name, tmp_path)
    data, rng = path.read_bytes(), np.random.default_rng(5)
    messages = []
    used = np.flatnonzero(np.frombuffer(data, np.uint8))
    for _ in range(200):
        broken = bytearray(data)
        for at in rng.choice(used, 3):
            broken[at] = rng.integers(0, 256)
        path.write_bytes(broken[: rng.integers(1, len(data))] if rng.random() < 0.1 else broken)
        try:
            kd.read_all(path, format="deeplabcut")
        except KptDataError as error:
            messages.append(str(error))
    assert len(messages) > 25
    assert all(path.name in message for message in messages)


# Writing


@pytest.mark.parametrize("name", ["single.csv", "multi.csv", f"m3{NET}.csv"])
def test_what_was_read_is_written_back(name, tmp_path):
    report = kd.write_all(kd.read_all(DATA / name), tmp_path / name, format="deeplabcut")

    assert not report.lost
    assert not report.invented
    assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


@pytest.mark.parametrize("name", ["single.csv", "multi.csv", f"m3{NET}.csv"])
def test_csv_to_hdf5_and_back(name, tmp_path):
    as_h5 = tmp_path / f"{Path(name).stem}.h5"

    report = kd.write_all(kd.read_all(DATA / name), as_h5, format="deeplabcut", strict=True)
    kd.write_all(kd.read_all(as_h5), tmp_path / name, format="deeplabcut", strict=True)

    assert not report.lost
    assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_pandas_reads_the_csv(tmp_path):
    pd = pytest.importorskip("pandas")
    path = tmp_path / "CollectedData_bob.csv"
    kd.write_all(kd.read_all(DATA / "multi.csv"), path, format="deeplabcut")

    frame = pd.read_csv(path, header=[0, 1, 2, 3], index_col=[0, 1, 2])

    assert list(frame.columns.names) == ["scorer", "individuals", "bodyparts", "coords"]
    assert frame.index[1] == ("labeled-data", "mouse2", "img0017.png")
    assert frame["bob", "m1", "snout", "y"].tolist()[1] == 8.25
    assert frame["bob", "m2", "tail", "x"].tolist()[0] == 1


def test_trap_38_sleap_io_agrees_by_name(tmp_path):
    sleap_io = pytest.importorskip("sleap_io")
    ds = animals(3)
    folder = tmp_path / "labeled-data" / "v"
    folder.mkdir(parents=True)
    for name in ds.images.file_name.tolist():
        Image.new("L", (64, 48)).save(tmp_path / name)
    path = folder / "CollectedData_anna.csv"
    kd.write(ds, path, format="deeplabcut")

    frames = sleap_io.load_file(str(path)).labeled_frames

    assert len(frames) == 3
    for row, frame in enumerate(sorted(frames, key=lambda f: f.frame_idx)):
        (one,) = frame.instances
        for k, name in enumerate(ds.schema.names):
            assert one[name]["xy"].tolist() == ds.xy[row, k].tolist()


def test_several_without_tracks_get_names(tmp_path):
    ds = animals(3, image=[0, 0, 1])

    report = kd.write(ds, tmp_path / "a.csv", format="deeplabcut")
    found = kd.read(tmp_path / "a.csv")

    assert report.invented["track"] == 3
    assert found.track.tolist() == ["individual1", "individual2", "individual1"]
    assert found.xy.tolist() == ds.xy.tolist()


def test_tracks_are_individuals(tmp_path):
    ds = animals(4, image=[0, 0, 1, 1], track=["b", "", "a", "a"])

    report = kd.write(ds, tmp_path / "a.csv", format="deeplabcut")

    found = kd.read(tmp_path / "a.csv")
    assert found.track.tolist() == ["b", "individual1", "individual1", "a"]
    assert report.lost["track"] == 1  # of the second "a", who comes before the first now
    assert report.lost["order"] == 2
    numbers = animals(2, track=[7, 3])
    assert not kd.write(numbers, tmp_path / "b.csv", format="deeplabcut").lost.get("track")
    assert kd.read(tmp_path / "b.csv").track.tolist() == [7, 3]


def test_who_is_called_single_among_others_gets_another_name(tmp_path):
    ds = animals(4, image=[0, 0, 1, 1], track=["single", "ann", "ann", "individual1"])

    report = kd.write(ds, tmp_path / "a.csv", format="deeplabcut")

    assert report.lost["track"] == 1
    found = kd.read(tmp_path / "a.csv").track.tolist()
    assert found == ["individual1", "ann", "individual1", "ann"]
    twice = animals(2, image=[0, 0], track=["single", "single"])
    with pytest.raises(FormatError, match=r"image 1: .*'single' is there once .*found 2"):
        kd.write(twice, tmp_path / "b.csv", format="deeplabcut")


def test_states_are_lost_and_counted(tmp_path):
    ds = animals(visibility=[[V.VISIBLE, V.OCCLUDED], [V.LABELLED, V.LABELLED]])

    report = kd.write(ds, tmp_path / "a.csv", format="deeplabcut")

    assert report.lost["visibility"] == 2
    with pytest.raises(FormatError, match="would lose"):
        kd.write(ds, tmp_path / "b.csv", format="deeplabcut", strict=True)


def test_what_is_given_for_unlabelled_points_is_no_label(tmp_path):
    ds = animals(
        1,
        xy=[[[NAN, NAN], [NAN, NAN]]],
        visibility=[[V.UNLABELLED] * 2],
        given_xy=[[[4, np.inf], [5, 6]]],
        keypoint_score=[[0.5, np.inf]],
    )

    report = kd.write(ds, tmp_path / "a.csv", format="deeplabcut")

    assert (report.lost["given_xy"], report.lost["keypoint_score"]) == (2, 1)
    assert (tmp_path / "a.csv").read_text().endswith(".png,,,0.5,,,\n")


def test_the_scorer_is_asked_for_named_by_the_file_or_known(tmp_path):
    ds = kd.read(DATA / "single.csv")
    named = tmp_path / "CollectedData_bob.csv"
    kd.write(ds, named, format="deeplabcut")
    kd.write(ds, tmp_path / "a.csv", format="deeplabcut", scorer="eve")
    kd.write(animals(), tmp_path / "b.csv", format="deeplabcut")

    files = [named, tmp_path / "a.csv", tmp_path / "b.csv"]
    assert [read_csv(file).scorer for file in files] == ["bob", "eve", "kptdata"]
    kd.write(animals(meta={"scorer": b"[1]"}), tmp_path / "b.csv", format="deeplabcut")
    assert read_csv(tmp_path / "b.csv").scorer == "kptdata"
    with pytest.raises(OptionError, match="scorer: expected a name"):
        kd.write(ds, named, format="deeplabcut", scorer="a/b")


def test_rows_are_named_as_asked_for(tmp_path):
    ds = kd.read(DATA / "single.csv")
    path = tmp_path / "mouse1.csv"
    first = {}
    for index in ("path", "parts", "frames"):
        kd.write(ds, path, format="deeplabcut", index=index)
        first[index] = path.read_text().splitlines()[3].partition(",21.5")[0]

    assert first == {
        "path": "labeled-data/mouse1/img0003.png",
        "parts": "labeled-data,mouse1,img0003.png",
        "frames": "3",
    }
    with pytest.raises(OptionError, match="index: expected one of path, parts, frames"):
        kd.write(ds, path, format="deeplabcut", index="row")
    with pytest.raises(FormatError, match="cannot be named by parts"):
        kd.write(plain("coco"), path, format="deeplabcut", index="parts")
    with pytest.raises(FormatError, match="cannot be named by frames"):
        kd.write(plain("coco"), path, format="deeplabcut", index="frames")
    with pytest.raises(FormatError, match=r"image 1: .*expected one instance, found 2"):
        kd.write(plain("coco"), path, format="deeplabcut", multi=False)


def test_what_a_table_cannot_hold_is_refused(tmp_path):
    mice, corners = kd.read_all(DATA / "multi.csv")
    path = tmp_path / "a.csv"

    with pytest.raises(DatasetError, match="one skeleton, and points that are there once"):
        kd.write_all([mice, plain("coco")], path, format="deeplabcut")
    bare = Schema.from_names((), name="boxes")
    empty = animals(schema=bare, xy=np.zeros((2, 0, 2)), visibility=np.zeros((2, 0), int))
    with pytest.raises(DatasetError, match="holds points, and a dataset has none"):
        kd.write(empty, path, format="deeplabcut")
    with pytest.raises(FormatError, match="leads out of its folder"):
        kd.write(animals(1, images=ImageTable.of(["../a.png"])), path, format="deeplabcut")
    with pytest.raises(FormatError, match="NUL"):
        kd.write(animals(2, track=["a\0b", "c"]), path, format="deeplabcut")
    kd.write_all([corners, mice], path, format="deeplabcut")
    assert path.read_bytes() == (DATA / "multi.csv").read_bytes()


def kept_and_counted(ds: PoseDataset, path: Path) -> tuple[set[str], dict[str, int]]:
    """Return what is not as it was, and what the report counts; what is read is written back."""
    report = deeplabcut.write_all([ds], path)
    (found,) = deeplabcut.read_all(path, schema=ds.schema)
    assert not deeplabcut.write_all([found], path).lost
    assert deeplabcut.read_all(path, schema=ds.schema) == (found,)
    differ = {line.partition(":")[0] for line in ds.differences(found)}
    counts = {**report.lost, **{f"+{key}": n for key, n in report.invented.items()}}
    return {d for d in differ if not d.startswith("meta[") and d != "order"}, counts


@pytest.fixture(scope="module")
def unplanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a plain dataset loses, by target."""
    folder = tmp_path_factory.mktemp("plain")
    return {name: kept_and_counted(plain("coco"), folder / name) for name in ("data.h5", "project")}


@pytest.mark.parametrize("target", ["data.h5", "project"])
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_value_is_kept_or_counted(plant, target, unplanted, tmp_path):
    changes, counts = kept_and_counted(PLANTS[plant](plain("coco")), tmp_path / target)

    others, fewer = unplanted[target]
    assert any(n > fewer.get(key, 0) for key, n in counts.items()) or not changes - others


# Projects


def test_a_project(tmp_path):
    mice, corners = kd.read_all(DATA / "project")

    # What only the card says is there too: a point that nobody has labelled.
    assert mice.schema.names == ("snout", "tail", "ear")
    pairs = [(link.start, link.end) for link in mice.schema.links]
    assert pairs == [("snout", "tail"), ("tail", "ear")]
    np.testing.assert_array_equal(
        mice.xy, [[[3, 4], [1, 2], [NAN, NAN]], [[7, 8.25], [5.5, 6], [NAN, NAN]]]
    )
    assert mice.track.tolist() == ["m2", "m1"]
    assert mice.images.sequence.tolist() == ["mouse1", "mouse2"]
    assert corners.schema.names == ("corner",)
    assert len(corners) == 1
    from_card = kd.read_all(DATA / "project" / "config.yaml")
    assert [ds == other for ds, other in zip((mice, corners), from_card, strict=True)] == [1, 1]


def test_a_project_is_written_back(tmp_path):
    yaml = pytest.importorskip("yaml")

    report = kd.write_all(kd.read_all(DATA / "project"), tmp_path / "p", format="deeplabcut")

    assert not report.lost
    assert not report.invented
    cards = [yaml.safe_load((d / "p" / "config.yaml").read_text()) for d in (tmp_path,)]
    assert cards == [yaml.safe_load((DATA / "project" / "config.yaml").read_text())]
    before, after = kd.read_all(DATA / "project"), kd.read_all(tmp_path / "p")
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True]
    files = sorted(f.relative_to(tmp_path / "p").as_posix() for f in tmp_path.rglob("*.*"))
    assert files == [
        "config.yaml",
        "labeled-data/mouse1/CollectedData_anna.csv",
        "labeled-data/mouse1/CollectedData_anna.h5",
        "labeled-data/mouse2/CollectedData_anna.csv",
        "labeled-data/mouse2/CollectedData_anna.h5",
    ]


def test_predictions_become_the_labels_of_a_project(tmp_path):
    ds = kd.read(DATA / f"m3{NET}.csv")

    report = kd.write(ds, tmp_path / "p", format="deeplabcut", scorer="eve")

    assert dict(report.lost) == {"meta": 1}  # the scorer
    found = kd.read(tmp_path / "p")
    assert found.images.file_name.tolist() == ds.images.file_name.tolist()
    assert found.keypoint_score.tolist() == ds.keypoint_score.tolist()
    with pytest.raises(FormatError, match="cannot be named by frames"):
        kd.write(ds, tmp_path / "q", format="deeplabcut", index="frames")


def test_a_new_project_has_what_deeplabcut_looks_up(tmp_path):
    yaml = pytest.importorskip("yaml")
    ds = animals(2, images=ImageTable.of(["day1/a.png", "b.png"], width=[64, 0], height=[48, 0]))

    report = kd.write(ds, tmp_path / "maze", format="deeplabcut", scorer="eve")

    card = yaml.safe_load((tmp_path / "maze" / "config.yaml").read_text())
    assert (card["Task"], card["scorer"], card["multianimalproject"]) == ("maze", "eve", False)
    assert card["bodyparts"] == ["snout", "tail"]
    # Folders of labels are found by the names of videos.
    assert card["video_sets"] == {
        "videos/day1.avi": {"crop": "0, 64, 0, 48"},
        "videos/images.avi": {"crop": "0, 0, 0, 0"},
    }
    found = kd.read(tmp_path / "maze")
    assert found.images.file_name.tolist() == [
        "labeled-data/day1/a.png",
        "labeled-data/images/b.png",
    ]
    assert report.lost["file_name"] == 2
    assert found.xy.tolist() == ds.xy.tolist()


def test_sizes_are_those_of_the_images_of_the_project(tmp_path):
    shutil.copytree(DATA / "project", tmp_path / "p")
    Image.new("L", (64, 48)).save(tmp_path / "p/labeled-data/mouse1/img0003.png")

    ds = kd.read_all(tmp_path / "p")[0]

    assert ds.images.wh.tolist() == [[64, 48], [0, 0]]


def test_trap_38_hdf5_wins_and_a_different_csv_is_noted(tmp_path):
    kd.write_all(kd.read_all(DATA / "project"), tmp_path / "p", format="deeplabcut")
    assert "says other" not in " ".join(kd.read_all(tmp_path / "p")[0].provenance)
    file = tmp_path / "p/labeled-data/mouse1/CollectedData_anna.csv"
    file.write_text(file.read_text().replace("3.0,4.0", "3.5,4.0"))

    ds = kd.read_all(tmp_path / "p")[0]

    assert ds.xy[0, 0].tolist() == [3, 4]
    assert any("mouse1" in note and "says other things" in note for note in ds.provenance)


def broken(folder: Path, old: str, new: str) -> Path:
    shutil.copytree(DATA / "project", folder)
    card = folder / "config.yaml"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("scorer: anna", "scorer: bob", FileError, "'bob' .*labelled nothing.*CollectedData_anna"),
        ("scorer: anna", "scorer: ", FormatError, "scorer: .*expected a name"),
        ("multianimalproject: true", "multianimalproject: false", FormatError, "bodyparts"),
        ("- m1\n", "- [m1]\n", FormatError, "individuals: .*a list of names"),
        ("Task: maze", "Task: &a maze\nmore: *a", FormatError, "YAML alias"),
    ],
)
def test_wrong_cards_are_refused(old, new, error, message, tmp_path):
    with pytest.raises(error, match=message):
        kd.read_all(broken(tmp_path / "p", old, new))


def test_chains_with_strange_links(tmp_path):
    folder = broken(tmp_path / "p", "- - bodypart1\n  - bodypart2", "- - tail\n  - tail\n  - snout")

    links = kd.read_all(folder)[0].schema.links

    assert [(link.start, link.end) for link in links] == [("snout", "tail"), ("tail", "ear")]


def test_tables_that_contradict_the_card_are_refused(tmp_path):
    folder = tmp_path / "p"
    shutil.copytree(DATA / "project", folder)
    shutil.copy(DATA / "single.csv", folder / "labeled-data/mouse1/CollectedData_anna.csv")

    with pytest.raises(FormatError, match=r"not what config.yaml says.*expected individuals"):
        kd.read_all(folder)
    with pytest.raises(FileError, match=r"no config.yaml"):
        kd.read_all(folder / "labeled-data", format="deeplabcut")


def test_labels_that_are_there_are_not_mixed_with_others(tmp_path):
    shutil.copytree(DATA / "project", tmp_path / "p")

    with pytest.raises(FileError, match="other labels of the same scorer"):
        kd.write(animals(), tmp_path / "p", format="deeplabcut", scorer="anna")
    names = ImageTable.of(["x/y/a.png", "x_y/a.png"])
    with pytest.raises(FormatError, match="two images would share a place"):
        kd.write(animals(images=names), tmp_path / "q", format="deeplabcut")
    assert not (tmp_path / "q").exists()

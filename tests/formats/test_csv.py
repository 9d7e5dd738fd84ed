"""Wide CSV: what is read from tables typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import crowd
from hypothesis import example, given
from hypothesis import strategies as st

import kptdata as kd
from kptdata import (
    DatasetError,
    FormatError,
    ImageTable,
    KptDataError,
    PoseDataset,
    RawColumn,
    Schema,
    SchemaError,
    Visibility,
    load_schema,
)
from kptdata.formats import _csv_text, wide_csv
from kptdata.formats._csv_header import Role, roles_of

DATA = Path(__file__).parents[1] / "data" / "csv"
NAN = np.nan
V = Visibility
TWO = Schema.from_names(["nose", "tail"], name="two")


def read(path: Path, text: str | bytes, **options: Any) -> PoseDataset:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (found,) = wide_csv.read_all(path, **options)
    return found


def texts(ds: PoseDataset, key: str) -> list[bytes | None]:
    return list(ds.extras[key])


def people(**columns: Any) -> PoseDataset:
    base = {
        "schema": TWO,
        "images": ImageTable.of(["a.jpg", "b.jpg"]),
        "image": [0, 1],
        "xy": np.arange(8.0).reshape(2, 2, 2),
        "visibility": np.full((2, 2), V.LABELLED),
    }
    return PoseDataset(**(base | columns))


# Reading


def test_values_are_as_they_were_typed():
    ds = kd.read(DATA / "animals.csv")

    assert ds.schema.names == ("nose", "tail")
    assert ds.images.file_name.tolist() == ["a.jpg", "sub/b.jpg"]
    assert ds.images.wh.tolist() == [[640, 480], [333, 77]]
    assert ds.image.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(ds.xy[0], [[160.5, 80], [10, 90.25]])
    assert ds.visibility.tolist() == [[V.VISIBLE, V.OCCLUDED], [0, 0], [V.ABSENT, 0]]
    np.testing.assert_array_equal(ds.bbox, [[100, 50, 120, 300], [NAN] * 4, [0, 0, 5.5, 6]])
    np.testing.assert_array_equal(ds.score, [0.75, NAN, 1])
    assert ds.provenance == (f"read {DATA / 'animals.csv'} as csv",)


def test_trap_20_coordinates_under_a_point_that_is_not_labelled_are_kept():
    ds = kd.read(DATA / "animals.csv")

    expected = np.full((3, 2, 2), NAN)
    expected[1, 1], expected[2, 0] = (7, 10), (-3, 0.1)
    np.testing.assert_array_equal(ds.given_xy, expected)
    assert np.isnan(ds.xy[1:]).all()


def test_texts_stay_texts():
    ds = kd.read(DATA / "animals.csv")

    assert ds.id.tolist() == ["0012", "0013", "NA"]
    assert texts(ds, "species") == [b'"NA"', b'"wolf"', b'"null"']
    assert texts(ds, "note") == [b'"says \\"hi\\", twice"', None, b'"x"']


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        pytest.param(["3.50", "-2", ""], [b"3.50", b"-2", None], id="numbers-by-letter"),
        pytest.param(["1", "0012", "2"], [b'"1"', b'"0012"', b'"2"'], id="one-code-makes-codes"),
        pytest.param(["1", "NA", ""], [b'"1"', b'"NA"', None], id="one-word-makes-texts"),
        pytest.param(["True", "false", ""], [b'"True"', b'"false"', None], id="no-flags"),
        pytest.param(["+1", "1.", " 2"], [b'"+1"', b'"1."', b'" 2"'], id="not-as-JSON"),
    ],
)
def test_extra_columns_are_numbers_only_as_a_whole(cells, found, tmp_path):
    rows = "".join(f"a.jpg,1,2,{cell}\n" for cell in cells)

    ds = read(tmp_path / "t.csv", "image,nose_x,nose_y,code\n" + rows)

    assert texts(ds, "code") == found


def test_tracks_by_tabs_without_names_of_images():
    ds = kd.read(DATA / "tracks.tsv")

    assert ds.schema.names == ("nose",)
    assert ds.track.tolist() == ["A", "B", "A"]
    assert ds.images.frame.tolist() == [0, 1]
    assert ds.image.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(ds.score, [0.85, NAN, 1])
    np.testing.assert_array_equal(ds.keypoint_score, [[0.9], [0.5], [NAN]])
    np.testing.assert_array_equal(ds.xy[:, 0], [[1, 2], [3.25, 4], [NAN, NAN]])
    assert ds.visibility.tolist() == [[V.LABELLED], [V.LABELLED], [V.UNLABELLED]]


def test_semicolons_words_in_front_and_boxes_by_corners(tmp_path):
    ds = kd.read(DATA / "european.csv")

    assert ds.schema.names == ("left eye", "right eye")
    assert ds.images.file_name.tolist() == ["bild,1.png"]
    np.testing.assert_array_equal(ds.xy[0], [[10.5, 20], [30, 40]])
    np.testing.assert_array_equal(ds.bbox, [[0.1, 0.2, 0.3 - 0.1, 100 - 0.2]])
    assert texts(ds, "Datei") == [b"7"]


def test_faces_as_hrnet_keeps_them():
    """A y that is not positive says "missing"; pixels count from 0 as they are used there."""
    ds = kd.read(DATA / "faces.csv")

    assert ds.visibility.tolist() == [[V.LABELLED, V.UNLABELLED], [V.LABELLED, V.LABELLED]]
    np.testing.assert_array_equal(ds.xy[0], [[70.125, 80.5], [NAN, NAN]])
    np.testing.assert_array_equal(ds.given_xy[0, 1], [-1, -1])
    assert ds.numbers["scale"].tolist() == [1.25, 2]
    assert ds.numbers["box_size"].tolist() == [250, 400]
    assert ds.points["center"].tolist() == [[[100.5, 90]], [[50, 60]]]
    assert not ds.extras


def test_macaques_as_json_in_cells():
    ds = kd.read(DATA / "macaque.csv")

    assert ds.schema.names == ("nose", "left_eye", "tail")
    assert ds.images.file_name.tolist() == ["a.jpg", "b.jpg"]
    assert ds.image.tolist() == [0, 0]
    assert ds.visibility.tolist() == [[V.LABELLED, V.UNLABELLED, 0], [0, V.LABELLED, 0]]
    np.testing.assert_array_equal(ds.xy[0], [[10.5, 20], [NAN, NAN], [NAN, NAN]])
    assert ds.extras["segmentation"].parsed(0) == [[0, 0, 5, 0.5, 5, 5], []]
    assert texts(ds, "segments") == [b'["mac","mac"]', None]
    assert ds.bbox is None


def test_macaques_are_written_as_any_other_table(tmp_path):
    ds = kd.read(DATA / "macaque.csv")

    report = kd.write(ds, tmp_path / "t.csv")

    assert report.lost["images"] == 1  # nobody is in the second picture
    back = kd.read(tmp_path / "t.csv")
    np.testing.assert_array_equal(back.xy, ds.xy)
    assert back.extras["segmentation"].same_as(ds.extras["segmentation"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('a,"[[]]"', "line 2, row.*expected 3 cells, found 2"),
        ("a,[3],[]", "line 2, keypoints.*a JSON list"),
        ("a,[[,[]", "line 2, keypoints.*a JSON list"),
        ('a,"[[],[]]","[[]]"', "line 2, segmentation.*expected 2 people, found 1"),
        ('a,"[[{""name"": 3}]]",[]', "line 2, keypoints.*with its name"),
        ('a,"[[{""name"": ""x"", ""position"": [1]}]]",[]', r"line 2, keypoints.*\[x, y\]"),
        ('a,[[]],"[[{""segment"": 1}]]"', "line 2, segmentation.*a polygon"),
        ('a,[[]],"[[]', "not as CSV has it"),
    ],
)
def test_macaques_that_are_wrong(row, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read(tmp_path / "t.csv", f"image file name,keypoints,segmentation\n{row}\n")


@pytest.mark.parametrize("name", ["animals.csv", "tracks.tsv", "faces.csv", "european.csv"])
def test_columns_and_numbers_are_written_back(name, tmp_path):
    ds, path = kd.read(DATA / name), tmp_path / name

    report = kd.write(ds, path, strict=False)
    found = kd.read(path)

    assert found == ds
    assert not {*report.lost} - {"schema"}
    assert not report.invented
    old, new = ((f / name).read_text().splitlines() for f in (DATA, tmp_path))
    assert new[0] == old[0]
    kd.write(found, tmp_path / f"again-{name}")
    assert (tmp_path / f"again-{name}").read_bytes() == path.read_bytes()


def test_what_is_typed_plainly_comes_back_byte_for_byte(tmp_path):
    text = (
        "b_y;file_name;b_x;b_confidence;label;;Area\r\n"
        '1.5;ä.jpg;2;0.25;"two\nlines; ""x""";;7\r\n'
        "-0.0;ä.jpg;1e-7;;cat;z;\r\n"
    ).encode()
    path = tmp_path / "t.csv"

    kd.write(read(path, text), path)

    assert path.read_bytes() == text


def test_schema_by_name_whatever_the_order(tmp_path):
    coco = load_schema("coco")
    header = [f"{name}_{axis}" for name in reversed(coco.names) for axis in "yx"]
    cells = [f"{k + (0.5 if axis == 'y' else 0)}" for k in range(16, -1, -1) for axis in "yx"]

    ds = read(tmp_path / "t.csv", ",".join([*header, "file"]) + "\n" + ",".join([*cells, "f"]))

    assert ds.schema == coco
    assert ds.xy[0].tolist() == [[k, k + 0.5] for k in range(17)]


@pytest.mark.parametrize(
    "header",
    ["x0,y0,x1,y1,x2,y2", "x3,y3,x2,y2,x1,y1", "kpt_0.x,kpt_0.y,kpt_1.x,kpt_1.y,kpt_2.x,kpt_2.y"],
)
def test_points_that_only_count_go_by_their_number(header, tmp_path):
    three = Schema.from_names(["a", "b", "c"], name="three")
    text = f"image,{header}\ni.jpg,0,1,2,3,4,5\n"

    ds = read(tmp_path / "t.csv", text, schema=three)

    wanted = [[0, 1], [2, 3], [4, 5]]
    assert ds.xy[0].tolist() == (wanted[::-1] if header.startswith("x3") else wanted)
    with pytest.raises(SchemaError, match="the 17 points of coco"):
        read(tmp_path / "t.csv", text, schema=load_schema("coco"))


def test_numbers_with_a_hole_do_not_say_which_point_is_which(tmp_path):
    with pytest.raises(SchemaError, match=r"t\.csv.*keypoints of two"):
        read(tmp_path / "t.csv", "image,x0,y0,x2,y2\na,1,2,3,4\n", schema=TWO)


def test_trap_19_states_of_0_and_1(tmp_path):
    text = "image,nose_x,nose_y,nose_v,tail_x,tail_y,tail_v\na.jpg,1,2,1,0,0,0\n"

    as_coco, as_flag = (read(tmp_path / "t.csv", text, zero_one=flag) for flag in (False, True))

    assert as_coco.visibility.tolist() == [[V.OCCLUDED, V.UNLABELLED]]
    assert "zero_one" in as_coco.provenance[-1]
    assert as_flag.visibility.tolist() == [[V.LABELLED, V.UNLABELLED]]
    assert len(as_flag.provenance) == 1
    with pytest.raises(FormatError, match=r"line 2, column 'nose_v'.*0 or 1.*found 2"):
        read(tmp_path / "t.csv", text.replace("1,2,1", "1,2,2"), zero_one=True)


def test_the_origin_is_a_place(tmp_path):
    ds = read(tmp_path / "t.csv", "image,nose_x,nose_y\na.jpg,0,0\n")

    assert ds.visibility.tolist() == [[V.LABELLED]]
    assert ds.xy.tolist() == [[[0, 0]]]


def test_categories_by_name_and_number(tmp_path):
    header = "image,nose_x,nose_y,class,category_id\n"

    numbered = read(tmp_path / "t.csv", "image,nose_x,nose_y,category_id\na,1,2,7\na,1,2,\n")
    assert numbered.categories == {}
    assert numbered.category.tolist() == [7, kd.dataset.MISSING_INT]
    named = read(tmp_path / "t.csv", "image,nose_x,nose_y,class\na,1,2,cat\na,1,2,\na,1,2,dog\n")
    both = read(tmp_path / "t.csv", header + "a,1,2,dog,18\na,1,2,,3.0\na,1,2,dog,18\na,1,2,,\n")

    assert named.categories == {1: "cat", 2: "dog"}
    assert named.category.tolist() == [1, kd.dataset.MISSING_INT, 2]
    assert both.categories == {18: "dog"}
    assert both.category.tolist() == [18, 3, 18, kd.dataset.MISSING_INT]
    with pytest.raises(FormatError, match=r"line 3, column 'class'.*expected 'dog', found 'cat'"):
        read(tmp_path / "t.csv", header + "a,1,2,dog,18\na,1,2,cat,18\n")


def test_ids_of_images_keep_images_of_one_name_apart(tmp_path):
    ds = read(tmp_path / "t.csv", "image_id,image,a_x,a_y\n9,x.jpg,1,2\n7,x.jpg,3,4\n9,x.jpg,5,6\n")

    assert ds.images.id.tolist() == [9, 7]
    assert ds.image.tolist() == [0, 1, 0]


def test_a_row_without_image(tmp_path):
    ds = read(tmp_path / "t.csv", "nose_x,nose_y,image\n1,2,\n3,4,a.jpg\n")

    assert ds.image.tolist() == [-1, 0]


def test_a_table_of_boxes(tmp_path):
    ds = read(tmp_path / "t.csv", "filename,xmin,ymin,xmax,ymax,class\na.jpg,1,2,11,32,cat\n")

    assert ds.schema.num_keypoints == 0
    assert ds.bbox.tolist() == [[1, 2, 10, 30]]
    assert kd.formats.sniff(tmp_path / "t.csv") == "csv"


def test_byte_order_mark_of_spreadsheets(tmp_path):
    text = b"\xef\xbb\xbfimage;nose_x;nose_y\r\na.jpg;1;2\r\n"

    kd.write(read(tmp_path / "t.csv", text), tmp_path / "t.csv")

    assert (tmp_path / "t.csv").read_bytes() == text


def test_compressed(tmp_path):
    path = tmp_path / "t.csv.gz"
    kd.write(people(), path)

    assert gzip.decompress(path.read_bytes()).startswith(b"image,nose_x,nose_y")
    assert kd.read(path, schema=TWO) == kd.read(path, schema=TWO, format="csv")


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("x,y,w,h", ["box"] * 4),
        ("X,Y,Width,Height", ["box"] * 4),
        ("width,height", ["image"] * 2),
        ("x1,y1,x2,y2", ["corner"] * 4),
        ("x1,y1,x2,y2,x3,y3", ["x", "y"] * 3),
        ("bbox_x,bbox_y,bbox_w,bbox_h,nose_x,nose_y", ["box"] * 4 + ["x", "y"]),
        ("nose_x,tail_y", ["extra"] * 2),
        ("nose_x,nose_y,nose_v,nose_visibility,tail_v", ["x", "y", "state", "extra", "extra"]),
        ("nose:X,nose:Y,nose likelihood", ["x", "y", "point_score"]),
        ("path,image", ["image", "extra"]),
        ("a_b_x,a_b_y,x_b_x", ["x", "y", "extra"]),
        ("nose_x,nose_y,nose_z,camera:json", ["x", "y", "extra", "json"]),
    ],
)
def test_roles_of_columns(header, roles):
    assert [role.kind for role in roles_of(header.split(","))] == roles


def test_corners_keep_their_order():
    assert roles_of(["ymax", "xmin", "xmax", "ymin"]) == (
        Role("corner", "bottom"),
        Role("corner", "left"),
        Role("corner", "right"),
        Role("corner", "top"),
    )


# Numbers


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.1", 0.1),
        ("1e2", 100),
        ("+7", 7),
        (".5", 0.5),
        ("5.", 5),
        (" 3 ", 3),
        ("007", 7),
        ("179769313486231570000", 179769313486231570000.0),
        ("0.30000000000000004", 0.1 + 0.2),
        ("nan", NAN),
        ("NA", NAN),
        ("null", NAN),
        ("", NAN),
    ],
)
@pytest.mark.parametrize("others", [[], ["1.5", "2"], ["", "NA"]], ids=str)
def test_numbers(cell, value, others):
    for cells in ([cell, *others], [*others, cell]):
        values, bad = _csv_text._floats(cells)

        assert bad is None
        np.testing.assert_array_equal(values[cells.index(cell)], value)


@pytest.mark.parametrize(
    "cell",
    [
        *("1,5", "1_000", "inf", "1e999", "x", "0x10", "--1", "\u0661"),
        *("[1]", "true", '"1"', "1 2", "null,2"),
    ],
)
@pytest.mark.parametrize("others", [[], ["1.5", "2"], ["", ""]], ids=str)
def test_no_numbers(cell, others):
    assert _csv_text._floats([*others, cell])[1] == len(others)


@example([-0.0])
@example([1.0, -0.0, NAN, 10.0, 100.0, -0.0, 1e16])
@given(st.lists(st.floats(allow_infinity=False) | st.integers().map(float), min_size=1))
def test_every_number_is_written_so_that_it_is_read_again(values):
    column = np.array(values)

    found, bad = _csv_text._floats(_csv_text._number_cells(column))

    assert bad is None
    np.testing.assert_array_equal(found, column)
    assert (np.signbit(found) == np.signbit(column))[~np.isnan(column)].all()


# Refusals

HEAD = "image,nose_x,nose_y,nose_v\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "a,1,2,2\n\nb,x,2,2\n", r"line 4, column 'nose_x': no number; expected a finite"),
        (HEAD + '"a\nb",1,2,2\nb,1,2,9\n', r"line 4, column 'nose_v': no state.*found 9"),
        (HEAD + "a,1,2,0.93\n", r"no state.*'nose_score'"),
        (HEAD + "a,,,2\n", r"column 'nose_v': a labelled point without coordinates.*found 2"),
        (HEAD + "a,1,,2\n", r"column 'nose_y': half of a point.*found an empty cell"),
        (HEAD + "a,1,2,2\nb,1,2\n", r"line 3: a row .*expected 4 cells, found 3"),
        (HEAD + "a,1,2,2\nb,1,2,2,5\n", r"line 3: a row .*expected 4 cells, found 5"),
        (HEAD + 'a,1,2,2\n"b,1,2,2\n', r"line 3: not as CSV has it: unexpected end"),
        (HEAD + 'a,1,2,2\n"b"c,1,2,2\n', r"line 3: not as CSV has it: ',' expected"),
        (
            "image;a_x;a_y\nb;1,5;2\n",
            r"column 'a_x'.*found '1,5'. Fix: write decimals with a point",
        ),
        ("image,nose_x,nose_y,nose_x\na,1,2,3\n", "header: two columns of one name.*'nose_x'"),
        (",nose_x,nose_y,\na,1,2,3\n", "header: two columns of one name.*''"),
        ("image,part,x,y\na,nose,1,2\n", "header: no wide CSV.*found 'image,part,x,y'"),
        ("scorer,me,me\nbodyparts,n_x,n_y\ncoords,x,y\n", "no wide CSV"),
        ("scorer,nose_x,nose_y\n", "DeepLabCut's table"),
        ("nose_x,nose_y,nose_z,nose_ncams\n1,2,3,2\n", "3D points of several cameras"),
        ("image,frame,nose_x,nose_y\na,one,1,2\n", "column 'frame': no whole number.*'one'"),
        ("image,image_id,nose_x,nose_y\na,3,1,2\nb,,1,2\n", "line 3.*an image without id"),
        ("image,image_width,nose_x,nose_y\na,3,1,2\na,4,1,2\n", "line 3.*another size.*expected 3"),
        ("image,image_width,nose_x,nose_y\n,3,1,2\n", "another size than.*expected none"),
        ("image,image_width,nose_x,nose_y\na,-3,1,2\n", "another size than"),
        ("image,iscrowd,nose_x,nose_y\na,maybe,1,2\n", "no flag.*'maybe'"),
        ("image,category,category_id,a_x,a_y\na,cat,,1,2\n", "expected a number beside the name"),
    ],
)
def test_refusals_name_the_place(text, message, tmp_path):
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / "t.csv", text)

    assert "t.csv" in str(caught.value)


def test_text_that_is_not_utf_8(tmp_path):
    with pytest.raises(FormatError, match="byte 22: not UTF-8"):
        read(tmp_path / "t.csv", b"image,nose_x,nose_y\nM\xe4\xff,1,2\n".replace(b"M", b"Mm"))


def test_another_schema(tmp_path):
    with pytest.raises(SchemaError, match=r"header.*keypoints of coco"):
        read(tmp_path / "t.csv", HEAD, schema=load_schema("coco"))


def test_the_limit_of_cells_is_as_it_was(tmp_path):
    import csv

    before = csv.field_size_limit()
    long = "x" * (before + 1)

    ds = read(tmp_path / "t.csv", f'image,nose_x,nose_y,note\na,1,2,"{long}"\n')

    assert texts(ds, "note") == [f'"{long}"'.encode()]
    assert csv.field_size_limit() == before


# Sniffing


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("image,nose_x,nose_y\n", 0.9),
        ("nose_x,nose_y\n", 0.7),
        ("image,xmin,ymin,xmax,ymax\n", 0.6),
        ("x,y,w,h\n", 0),
        ("scorer,a_x,a_y\n", 0),
        ("scorer,me,me\nbodyparts,nose,nose\ncoords,x,y\n", 0),
        ("part,x,y\n", 0),
        ("a,b,c\n1,2,3\n", 0),
    ],
)
def test_sniff(text, confidence, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)

    assert wide_csv.sniff(path).confidence == confidence


# Writing


def test_the_table_that_is_written(tmp_path):
    ds = people(
        images=ImageTable.of(["a.jpg", "b.jpg"], width=[640, 333], height=[480, 77]),
        visibility=[[V.VISIBLE, V.OCCLUDED], [V.UNLABELLED, V.ABSENT]],
        xy=[[[1 / 3, 2], [3, -0.5]], [[NAN] * 2] * 2],
        given_xy=[[[NAN] * 2] * 2, [[NAN] * 2, [7, 8]]],
        id=[5, 6],
        bbox=[[1, 2, 3, 4.25], [NAN] * 4],
        score=[0.5, NAN],
        iscrowd=[0, -1],
        category=[1, 1],
        categories={1: "cat"},
        extras={"note": RawColumn([b'"x, y"', None]), "raw": RawColumn([b'{"a": 1}', None])},
    )

    report = kd.write(ds, tmp_path / "t.csv")

    assert (tmp_path / "t.csv").read_text() == (
        "image,image_width,image_height,id,category,score,iscrowd,bbox_x,bbox_y,bbox_w,bbox_h,"
        "nose_x,nose_y,nose_v,tail_x,tail_y,tail_v,note,raw:json\n"
        'a.jpg,640,480,5,cat,0.5,0,1,2,3,4.25,0.3333333333333333,2,2,3,-0.5,1,"x, y","{""a"": 1}"\n'
        "b.jpg,333,77,6,cat,,,,,,,,,0,7,8,3,,\n"
    )
    assert not report.lost
    assert not report.invented
    assert kd.read(tmp_path / "t.csv").replace(meta={}, schema=TWO) == ds


@pytest.mark.parametrize(
    "values",
    [
        ['"12"', None],
        ['""', '"a"'],
        ["null", None],
        ["12", '"a"'],
        ["true", "false"],
        ["[1, 2.50]", None],
        ['"1"', '"x"'],
        ["1e5", "0.10"],
        ['"a\\nb\\r\\nc"', '"\\"\\u00e4"'],
    ],
    ids=str,
)
@pytest.mark.parametrize("key", ["note", "score", "nose_v", "x:json", "", " a ", "image", "Area"])
def test_extras_come_back_whatever_they_are_called(values, key, tmp_path):
    raw = RawColumn(None if v is None else v.encode() for v in values)
    ds = people(extras={key: raw}, score=[0.5, 0.25], visibility=np.full((2, 2), V.VISIBLE))

    report = kd.write(ds, tmp_path / "t.csv", strict=True)
    found = kd.read(tmp_path / "t.csv")

    assert not report.invented
    assert found.extras[key].same_as(raw)
    assert found.score.tolist() == [0.5, 0.25]
    assert (found.visibility == V.VISIBLE).all()


def test_new_columns_stand_behind_those_of_the_file_in_its_own_style(tmp_path):
    path = tmp_path / "t.csv"
    ds = read(path, "y_nose\tx_nose\tfile\n1\t2\ta.jpg\n")

    kd.write(ds.replace(visibility=[[V.OCCLUDED]], keypoint_score=[[0.5]], id=[3]), path)

    assert (
        path.read_text() == "y_nose\tx_nose\tfile\tid\tv_nose\tscore_nose\n1\t2\ta.jpg\t3\t1\t0.5\n"
    )


def test_corners_are_written_so_that_the_box_comes_back(tmp_path):
    path = tmp_path / "t.csv"
    ds = read(path, "image,x1,y1,x2,y2\na.jpg,0,0,1,1\n")
    box = [[0.1, 1 / 3, 0.7, 100 / 7]]

    report = kd.write(ds.replace(bbox=box), path)

    assert kd.read(path).bbox.tolist() == box
    assert not report.lost


def test_rows_are_in_the_order_of_the_source(tmp_path):
    kd.write(people(order=[9, 4], id=[1, 2]), tmp_path / "t.csv")

    assert kd.read(tmp_path / "t.csv").id.tolist() == [2, 1]


def test_images_that_cannot_be_told_apart_are_counted(tmp_path):
    ds = people(images=ImageTable.of(["a.jpg", "a.jpg", "c.jpg"], id=[7, 7, 8], width=[1, 2, 0]))

    report = kd.write(ds, tmp_path / "t.csv")

    assert {"image": 1, "images": 2}.items() <= report.lost.items()
    assert len(kd.read(tmp_path / "t.csv", schema=TWO).images) == 1


def test_several_skeletons_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"t\.csv: a wide CSV holds one skeleton.*two, two"):
        kd.formats.write_all([people(), people()], tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["bbox", "x"])
def test_points_with_names_of_the_format(name, tmp_path):
    schema = Schema.from_names([name, "tail"], name="odd")
    path = tmp_path / "t.csv"
    ds = people(schema=schema, bbox=[[1, 2, 3, 4]] * 2, extras={"bbox_w": RawColumn([b"1", b"2"])})

    if name == "bbox":
        with pytest.raises(FormatError, match="'bbox'"):
            kd.write(ds, path)
        assert not path.exists()
    else:
        kd.write(ds, path)
        assert kd.read(path).replace(meta={}, schema=schema) == ds


def test_a_changed_note_of_the_layout_is_not_believed(tmp_path):
    path = tmp_path / "t.csv"
    for note in ({}, {"header": 3}, {"header": ["a"], "delimiter": "|", "newline": "\n"}, None, []):
        kd.write(people(meta={"layout:csv": json.dumps(note).encode()}), path)

        assert path.read_text().startswith("image,nose_x,nose_y,tail_x,tail_y\n")


def test_rows_of_several_chunks(tmp_path):
    count = 30_000
    rows = "".join(f"{i // 3}.jpg,{i}.5,{i},2,\n" for i in range(count))

    ds = read(tmp_path / "t.csv", "image,nose_x,nose_y,nose_v,note\n" + rows)

    assert ds.xy[:, 0].tolist() == [[i + 0.5, i] for i in range(count)]
    assert len(ds.images) == count // 3


def test_quoted_and_plain_lines_say_the_same(tmp_path):
    plain = "image,nose_x,nose_y\n" + "".join(f"{i},{i},1\n" for i in range(20_000))
    quoted = plain.replace("\n7,", '\n"7",')

    assert read(tmp_path / "a.csv", plain) == read(tmp_path / "b.csv", quoted)


def test_a_crowd_comes_back_exactly(tmp_path):
    ds = crowd(30)

    report = kd.write(ds, tmp_path / "t.csv")
    found = kd.read(tmp_path / "t.csv", schema=ds.schema)

    assert found.replace(meta=ds.meta) == ds or report.lost


def test_damaged_headers_and_rows(tmp_path):
    text = (DATA / "animals.csv").read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(1000):
        data = bytearray(text)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(0, len(data)))
            data[at : at + int(rng.integers(0, 3))] = bytes(
                rng.integers(0, 256, rng.integers(0, 3))
            )
        try:
            read(tmp_path / "t.csv", bytes(data))
        except KptDataError as error:
            messages.append(str(error))
    assert len(messages) > 250
    assert all("t.csv" in message for message in messages)

"""MPII releases with each quirk planted: read as documented, written back equal in every field."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.io
from mpii_files import (
    NOTHING,
    array,
    cells,
    image,
    load,
    one,
    person,
    point,
    release,
    same,
    same_files,
    save,
)

import kptdata as kd
from kptdata import DatasetError, FormatError, PoseDataset, RawColumn, SchemaError, Visibility
from kptdata.formats import mpii

NAN = np.nan
V = Visibility


def read(path, images, **fields) -> PoseDataset:
    """Write a release with SciPy and read it."""
    (ds,) = mpii.read_all(save(path / "in.mat", release(images, **fields)))
    return ds


def back(ds: PoseDataset, path) -> PoseDataset:
    mpii.write_all((ds,), path / "back.mat")
    (found,) = mpii.read_all(path / "back.mat")
    return found


def facts(ds: PoseDataset) -> dict[str, int]:
    return {k: n for k, n in json.loads(ds.meta["facts:is_visible"]).items() if n}


# Reading


def test_points_are_placed_by_id_and_moved_by_one(tmp_path):
    people = [person([point(6, 610.0, 187.0, 1.0), point(0, 620.5, -3.25, 0.0)])]

    ds = read(tmp_path, [image("a.jpg", people)])

    assert ds.schema.name == "mpii"
    assert ds.xy[0, 6].tolist() == [609, 186]
    assert ds.xy[0, 0].tolist() == [619.5, -4.25]
    assert ds.visibility[0, [0, 6]].tolist() == [V.OCCLUDED, V.VISIBLE]
    assert np.isnan(ds.xy[0, [i for i in range(16) if i not in (0, 6)]]).all()
    assert ds.num_labelled.tolist() == [2]
    assert ds.id.tolist() == [1]
    assert ds.categories == {1: "person"}


@pytest.mark.parametrize(
    ("flags", "state", "counted"),
    [
        ((1.0,), V.VISIBLE, "number"),
        ((0.0,), V.OCCLUDED, "number"),
        ((np.array([[True]]),), V.VISIBLE, "number"),
        ((np.array([[0]], np.uint8),), V.OCCLUDED, "number"),
        (("1",), V.VISIBLE, "text '1'"),
        (("0",), V.OCCLUDED, "text '0'"),
        ((NOTHING,), V.LABELLED, "empty"),
        (("",), V.LABELLED, "empty"),
        ((np.zeros((0, 0), np.uint8),), V.LABELLED, "empty"),
        ((), V.LABELLED, "absent"),
    ],
    ids=repr,
)
def test_visibility(flags, state, counted, tmp_path):
    ds = read(tmp_path, [image("a.jpg", [person([point(3, 5.0, 6.0, *flags)])])])

    assert ds.visibility[0, 3] == state
    assert facts(ds) == {counted: 1}


def test_small_integers_do_not_wrap(tmp_path):
    small = np.array([[0]], np.uint8)
    people = [person([point(0, small, small, 1.0)], x1=small, x2=np.array([[3]], np.uint8),
                     objpos=one(x=small, y=small), scale=np.array([[2]], np.uint8))]  # fmt: skip

    ds = read(tmp_path, [image("a.jpg", people)])

    assert ds.xy[0, 0].tolist() == [-1, -1]
    assert ds.boxes["head"].tolist() == [[-1, 20, 3, 40]]
    assert ds.points["objpos"].tolist() == [[[-1, -1]]]
    assert ds.bbox.tolist() == [[-201, -171, 400, 400]]


def test_place_scale_head_and_box(tmp_path):
    people = [
        person(),
        person(objpos=one(x=-1.0, y=7.0)),
        person(scale=-1.0, objpos=one(x=-1.0, y=-1.0)),
        person(scale=NOTHING),
        person(scale=0.0),
        person(objpos=NOTHING, x1=NOTHING, y1=NOTHING, x2=NOTHING, y2=NOTHING),
    ]

    ds = read(tmp_path, [image("a.jpg", people)])

    assert ds.boxes["head"][0].tolist() == [10, 20, 30, 40]
    assert ds.numbers["scale"].tolist()[:3] == [2, 2, -1]
    assert ds.points["objpos"][:3, 0].tolist() == [[100, 50], [-2, 6], [-2, -2]]
    # The centre is objpos + (0, 15 scale) - 1, the side 200 scale; no place, nothing lowered.
    assert ds.bbox[0].tolist() == [-100, 50 + 30 - 200, 400, 400]
    assert ds.bbox[1].tolist() == [-202, 6 - 200, 400, 400]
    assert np.isnan(ds.bbox[2:]).all()
    assert ds.bbox_source.tolist() == ["from_objpos", "from_objpos", "", "", "", ""]
    assert np.isnan(ds.boxes["head"][5]).all()
    assert np.isnan(ds.numbers["scale"][3])


def test_people_without_points_and_images_without_people(tmp_path):
    nobody = np.zeros((0, 0))
    images = [
        image("none.jpg", nobody),
        image("no field.jpg", [{"scale": 1.0, "objpos": one(x=5.0, y=6.0)}]),
        image("mixed.jpg", [person([point(0, 1.0, 2.0, 1.0)]), person(annopoints=NOTHING)]),
        image("no point.jpg", [person(annopoints=one(point=NOTHING))]),
        image("no struct.jpg", array([], ["x1", "annopoints"])),
        image("nothing known.jpg", [{"x1": NOTHING}]),
    ]

    ds = read(tmp_path, images)

    assert ds.images.file_name.tolist() == [i["image"]["name"][0, 0] for i in images]
    assert ds.images.id.tolist() == [1, 2, 3, 4, 5, 6]
    assert ds.image.tolist() == [1, 2, 2, 3, 5]
    assert ds.num_labelled.tolist() == [0, 1, 0, 0, 0]
    assert ds.images.wh.tolist() == [[0, 0]] * 6


def test_what_no_column_holds_is_kept_by_its_name(tmp_path):
    people = [
        person(part_occ1="0", head_r11=0.25, note=one(a=1.0, b="x")),
        person(part_occ1=1.0),
    ]
    images = [image("a.jpg", people, frame_sec=11.0, vidx=2.0), image("b.jpg")]
    act = array([{"cat_name": "sports", "act_name": "curling", "act_id": 1.0}, {"act_id": -1.0}]).T

    ds = read(
        tmp_path,
        images,
        act=act,
        img_train=np.array([[1.0, 0.0]]),
        single_person=cells([np.array([[1.0, 2.0]]), NOTHING]),
        made_by="hand",
    )

    parsed = {key: [raw.parsed(i) for i in range(2)] for key, raw in ds.extras.items()}
    assert parsed["part_occ1"] == ["0", 1]
    assert parsed["head_r11"] == [0.25, None]
    assert parsed["note"] == [{"a": 1, "b": "x"}, None]
    table = {key: [raw.parsed(i) for i in range(2)] for key, raw in ds.images.extras.items()}
    assert table["frame_sec"] == [11, None]
    assert table["vidx"] == [2, None]
    assert table["img_train"] == [1, 0]
    assert table["single_person"] == [[1, 2], None]
    assert table["act"] == [
        {"cat_name": "sports", "act_name": "curling", "act_id": 1},
        {"act_id": -1},
    ]
    assert json.loads(ds.meta["version"]) == "12"
    assert json.loads(ds.meta["video_list"]) == ["abc"]
    assert json.loads(ds.meta["made_by"]) == "hand"


def test_fields_beside_those_of_a_point_are_kept(tmp_path):
    points = [point(0, 1.0, 2.0, 1.0) | {"sure": 0.5}]
    people = [person(points, objpos=one(x=1.0, y=2.0, z=3.0)), person([point(1, 3.0, 4.0, 1.0)])]

    ds = read(tmp_path, [image("a.jpg", people)])

    assert ds.extras["annopoints"].parsed(0)["point"]["sure"] == 0.5
    assert ds.extras["objpos"].parsed(0) == {"x": 1, "y": 2, "z": 3}
    assert ds.extras["annopoints"][1] is None
    assert ds.points["objpos"][0, 0].tolist() == [0, 1]


def test_a_head_box_that_is_not_complete(tmp_path):
    ds = read(tmp_path, [image("a.jpg", [person(x2=NOTHING), person(y1=NAN)])])

    assert np.isnan(ds.boxes["head"]).all()
    assert ds.extras["x1"].parsed(0) == 11
    assert ds.extras["y1"][1] == b"null"


def test_other_variables_are_kept(tmp_path):
    variables = release([image("a.jpg")]) | {"more": np.array([[1, 2]], np.int16), "z": "text"}
    source = save(tmp_path / "in.mat", variables)
    (ds,) = mpii.read_all(source)

    mpii.write_all((ds,), tmp_path / "out.mat")

    assert same_files(source, tmp_path / "out.mat")


def test_a_given_schema_must_have_the_same_points(tmp_path):
    path = save(tmp_path / "in.mat", release([image("a.jpg", [person()])]))

    (ds,) = mpii.read_all(path, schema=kd.load_schema("mhp"))
    assert ds.schema.name == "mhp"
    with pytest.raises(SchemaError, match=r"in.mat: .*16 points of MPII, found 'coco'"):
        mpii.read_all(path, schema=kd.load_schema("coco"))


# There and back


def quirks() -> dict[str, object]:
    """A release with every quirk, in classes and shapes as files have them."""
    u8, u16 = (lambda v: np.array([[v]], np.uint8)), (lambda v: np.array([[v]], np.uint16))
    points = [
        point(9, 982.7591, -30.08, NOTHING),
        point(6, u16(974), u16(446), np.array([[True]])),
        point(3, u8(7), 1e-3, "0"),
        point(0, 0.1, 0.3, "1"),
    ]
    shuffled = [{k: p[k] for k in ("id", "x", "is_visible", "y")} for p in points[::-1]]
    images = [
        image("a.jpg", [person(points, part_occ1="1"), person(annopoints=NOTHING)], vidx=u8(1)),
        image("b.jpg", [person(shuffled), person([point(5, 3.0, 4.0, 0.0)], more=cells([1.0]))]),
        image("c.jpg", [{"scale": u8(3), "objpos": one(y=3.3, x=-1.0)}], vidx=NOTHING),
        image("d.jpg", np.zeros((0, 0), np.uint8)),
        image("e.jpg", array([], ["x1"])),
        image("f.jpg", array([person([{"x": 1.0, "y": 2.0, "id": u8(8)}])]).T, frame_sec=NAN),
    ]
    images[1]["image"] = one(nr=7.0, name="b.jpg")
    return release(
        images,
        img_train=np.array([[1, 1, 0, 1, 0, 1]], np.uint8),
        single_person=cells(
            [u8(1), np.array([[1.0, 2.0]]), NOTHING, NOTHING, np.zeros((1, 0)), ""]
        ),
        act=array([{"cat_name": "a", "act_id": np.array([[5]], np.int32)}, *[{}] * 5]).T,
        version="12",
        video_list=cells([]).T,
        extra=one(list=np.arange(6.0).reshape(2, 3)),
    )


@pytest.mark.parametrize("packed", [True, False])
def test_every_field_comes_back(packed, tmp_path):
    source = save(tmp_path / "in.mat", quirks(), packed=packed)
    (ds,) = mpii.read_all(source)

    report = mpii.write_all((ds,), tmp_path / "out.mat", strict=True)

    assert same_files(source, tmp_path / "out.mat")
    assert not report.lost
    assert not report.invented
    assert back(ds, tmp_path) == ds
    first = (tmp_path / "out.mat").read_bytes()
    mpii.write_all((ds,), tmp_path / "out.mat")
    assert (tmp_path / "out.mat").read_bytes() == first


def test_without_the_notes_the_columns_are_written(tmp_path):
    (ds,) = mpii.read_all(save(tmp_path / "in.mat", quirks()))
    bare = ds.replace(
        extras={k: v for k, v in ds.extras.items() if k != "annorect:mpii"},
        meta={k: v for k, v in ds.meta.items() if ":" not in k},
    )
    found = back(bare, tmp_path)

    np.testing.assert_allclose(found.xy, ds.xy, atol=1e-12)
    assert found.visibility.tolist() == ds.visibility.tolist()
    np.testing.assert_allclose(found.boxes["head"], ds.boxes["head"], atol=1e-12)
    assert found.extras["part_occ1"].parsed(0) == "1"
    assert found.extras["more"].parsed(3) == [1]


def test_a_column_that_was_changed_wins_over_the_notes(tmp_path):
    (ds,) = mpii.read_all(save(tmp_path / "in.mat", quirks()))
    xy, visibility, scale = ds.xy.copy(), ds.visibility.copy(), ds.numbers["scale"].copy()
    xy[0, 9] += 5
    visibility[2, 0] = V.LABELLED
    scale[1] = 9.5
    head = ds.boxes["head"].copy()
    head[0] = NAN
    occ = RawColumn.from_values(["0", None, None, "new", None, None])
    changed = ds.replace(
        xy=xy,
        visibility=visibility,
        numbers={"scale": scale},
        boxes={"head": head},
        extras={**ds.extras, "part_occ1": occ},
    )

    found = back(changed, tmp_path)

    for name in ("xy", "visibility"):
        np.testing.assert_array_equal(getattr(found, name), getattr(changed, name))
    np.testing.assert_array_equal(found.numbers["scale"], scale)
    np.testing.assert_array_equal(found.boxes["head"], head)
    assert found.extras["part_occ1"].same_as(occ)
    before, after = load(tmp_path / "in.mat"), load(tmp_path / "back.mat")
    rects = [v["RELEASE"]["annolist"][0, 0]["annorect"][0] for v in (before, after)]
    # What was not changed is as it was: the third image with its small integers, for one.
    assert same(rects[0][2], rects[1][2])
    assert rects[0][0].dtype.names == rects[1][0].dtype.names


def test_numbers_of_separate_people_follow_them(tmp_path):
    people = [person(scale=float(n)) for n in (1, 2, 3)]
    images = [image("a.jpg", people), image("b.jpg", people)]
    numbers = cells([np.array([[1.0, 3.0]]), np.array([[2.0]])])
    ds = read(tmp_path, images, single_person=numbers)

    found = back(ds[[1, 2, 3, 5]], tmp_path)

    assert found.numbers["scale"].tolist() == [2, 3, 1, 3]
    assert found.images.extras["single_person"].parsed(0) == 2
    assert found.images.extras["single_person"][1] is None


def test_people_go_to_their_images_in_order(tmp_path):
    ds = read(tmp_path, [image("a.jpg", [person(scale=1.0), person(scale=2.0)]),
                         image("b.jpg", [person(scale=3.0)])])  # fmt: skip
    mixed = ds[[2, 1, 0]].replace(order=[0, 1, 2])

    report = mpii.write_all((mixed,), tmp_path / "out.mat")
    (found,) = mpii.read_all(tmp_path / "out.mat")

    assert found.numbers["scale"].tolist() == [2, 1, 3]
    assert report.lost["order"] == 3
    assert report.lost["id"] == 2


# From other sources


def made(**columns) -> PoseDataset:
    """Two people of the schema mpii that come from no file."""
    schema = kd.load_schema("mpii")
    xy = np.arange(64.0).reshape(2, 16, 2)
    visibility = np.full((2, 16), V.VISIBLE)
    visibility[0, :3] = V.OCCLUDED, V.LABELLED, V.UNLABELLED
    xy[0, 2] = NAN
    images = kd.ImageTable.of(["a.jpg", "b.jpg", "c.jpg"])
    base = {"schema": schema, "images": images, "image": [0, 2], "xy": xy}
    return PoseDataset(**(base | {"visibility": visibility} | columns))


def test_a_dataset_that_was_never_in_a_release(tmp_path):
    ds = made(
        boxes={"head": [[1, 2, 3, 4], [NAN] * 4]},
        points={"objpos": [[[50.5, 60]], [[70, 80]]]},
        numbers={"scale": [1.5, 2.0]},
    )
    report = mpii.write_all((ds,), tmp_path / "out.mat", strict=True)
    (found,) = mpii.read_all(tmp_path / "out.mat")

    np.testing.assert_array_equal(found.xy, ds.xy)
    assert found.visibility.tolist() == ds.visibility.tolist()
    assert not report.lost
    assert report.invented == {
        "id": 2, "bbox": 2, "bbox_source": 2, "category": 2,
        "img_train": 3, "version": 1, "video_list": 1,
    }  # fmt: skip
    variables = scipy.io.loadmat(tmp_path / "out.mat", squeeze_me=True, struct_as_record=False)
    struct = variables["RELEASE"]
    assert struct._fieldnames == [
        "annolist", "img_train", "version", "single_person", "act", "video_list",
    ]  # fmt: skip
    rect = struct.annolist[0].annorect
    assert rect._fieldnames == ["x1", "y1", "x2", "y2", "annopoints", "scale", "objpos"]
    assert [p.id for p in rect.annopoints.point] == [0, 1, *range(3, 16)]
    assert (rect.x1, rect.y2, rect.objpos.x, struct.version) == (2, 7, 51.5, "12")
    assert struct.annolist[1].annorect.size == 0
    assert struct.img_train.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("box", "place", "square"),
    [
        ([10, 20, 100, 400], [60, 220 - 30], [-140, 20, 400, 400]),
        ([20, 10, 400, 100], [220, 60 - 30], [20, -140, 400, 400]),
    ],
    ids=["tall", "wide"],
)
def test_place_and_scale_come_from_the_box(box, place, square, tmp_path):
    ds = made(bbox=[box, [NAN] * 4], bbox_source=["annotated", ""])

    report = mpii.write_all((ds,), tmp_path / "out.mat")
    (found,) = mpii.read_all(tmp_path / "out.mat")

    assert found.numbers["scale"][0] == 2
    assert found.points["objpos"][0, 0].tolist() == place
    assert found.bbox[0].tolist() == square
    assert np.isnan(found.bbox[1]).all()
    assert report.lost == {"bbox": 1, "bbox_source": 1}
    assert report.invented["scale"] == 1
    assert report.invented["objpos"] == 1


@pytest.mark.parametrize("box", [[1, 2, 0, 0], [1, 2, np.inf, 3], [NAN, NAN, 5, 5]], ids=str)
def test_a_box_of_no_use_gives_no_place(box, tmp_path):
    mpii.write_all((made(bbox=[box, [1, 2, 200, 200]]),), tmp_path / "out.mat")
    (found,) = mpii.read_all(tmp_path / "out.mat")

    assert np.isnan(found.numbers["scale"]).tolist() == [True, False]
    assert np.isnan(found.points["objpos"]).all(axis=(1, 2)).tolist() == [True, False]


def test_losses_are_counted_and_strict_refuses(tmp_path):
    ds = made(
        score=[0.5, NAN],
        track=[1, 2],
        id=[7, 2],
        extras={"a b": RawColumn([b"1", None]), "fine": RawColumn([b"[1, 2]", b"{}"])},
        meta={"info": b'{"year": 2017}', "too large": b"1"},
    )
    report = mpii.write_all((ds,), tmp_path / "out.mat")

    assert report.lost == {"score": 1, "track": 2, "id": 1, "extras": 2, "meta": 1}
    assert set(report.lost) <= set(mpii.LOSSES)
    (found,) = mpii.read_all(tmp_path / "out.mat")
    assert found.extras["fine"].parsed(0) == [1, 2]
    assert json.loads(found.meta["info"]) == {"year": 2017}
    with pytest.raises(FormatError, match=r"would lose: .*scores of instances \(1\)"):
        mpii.write_all((ds,), tmp_path / "strict.mat", strict=True)
    assert not (tmp_path / "strict.mat").exists()


def test_people_without_a_listed_image_are_counted(tmp_path):
    report = mpii.write_all((made(image=[-1, 2]),), tmp_path / "out.mat")

    assert report.lost == {"instances": 1}
    assert report.instances == 1
    with pytest.raises(FormatError, match=r"people whose image is not listed \(1\)"):
        mpii.write_all((made(image=[-1, 2]),), tmp_path / "out.mat", strict=True)


def test_the_last_digits_that_a_file_cannot_hold_are_counted(tmp_path):
    xy = np.full((2, 16, 2), 0.1)

    report = mpii.write_all((made(xy=xy, visibility=np.full((2, 16), 2)),), tmp_path / "out.mat")

    assert report.lost == {"xy": 32}


def test_other_points_are_refused(tmp_path):
    ds = made()
    other, _ = kd.ops.map_schema(ds, kd.load_schema("coco"))

    with pytest.raises(
        DatasetError,
        match=r"17 points of 'coco', and nothing for upper_neck, head_top. Fix: map it first",
    ):
        mpii.write_all((other,), tmp_path / "out.mat")
    with pytest.raises(DatasetError, match="one dataset, 2 are given"):
        mpii.write_all((ds, ds), tmp_path / "out.mat")


def test_to_coco_and_back_leaves_no_notes(tmp_path):
    (ds,) = mpii.read_all(save(tmp_path / "in.mat", quirks()))

    kd.write(ds, tmp_path / "out.json", format="coco", keep_empty=True)
    text = (tmp_path / "out.json").read_text()

    assert ":mpii" not in text
    assert "facts:" not in text
    assert json.loads(text)["annotations"][0]["part_occ1"] == "1"


# Sizes of images


def test_sizes_come_from_headers(tmp_path):
    from PIL import Image

    upright = Image.new("RGB", (30, 20))
    exif = upright.getexif()
    exif[0x0112] = 6  # shown upright by viewers that turn it
    upright.save(tmp_path / "a.jpg", exif=exif)
    Image.new("L", (7, 9)).save(tmp_path / "b.png")
    path = save(tmp_path / "in.mat", release([image("a.jpg"), image("b.png"), image("c.jpg")]))

    ds = kd.read(path, images=tmp_path)

    assert ds.images.wh.tolist() == [[30, 20], [7, 9], [0, 0]]
    assert any("2 of 3 images" in line for line in ds.provenance)
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    with pytest.raises(kd.FileError, match=r"c.jpg: no image whose size can be read"):
        kd.read(path, images=tmp_path)


# What is wrong is placed


def bad(people, message, **fields):
    """A release whose first image is fine and whose second has these people."""
    return pytest.param(people, fields, message, id=message)


@pytest.mark.parametrize(
    ("people", "fields", "message"),
    [
        bad([person([point(16, 1.0, 2.0, 1.0)])], "id: .*whole number from 0 to 15, found 16"),
        bad([person([point(1.5, 1.0, 2.0, 1.0)])], "whole number from 0 to 15, found 1.5"),
        bad([person([point(2, 1.0, 2.0), point(2, 3.0, 4.0)])], "each id once, found 2"),
        bad([person([point(1, "a", 2.0)])], "point.x: .*a number, found the text 'a'"),
        bad([person([point(1, 1.0, NOTHING)])], "point.y: .*a finite number, found nothing"),
        bad([person([point(1, NAN, 1.0)])], "point.x: .*a finite number, found nan"),
        bad([person([point(1, 1.0, 1.0, 2.0)])], "is_visible: .*or nothing, found 2.0"),
        bad([person([point(1, 1.0, 1.0, "yes")])], "is_visible: .*found the text 'yes'"),
        bad([person([point(1, 1.0, 1.0, cells([1.0]))])], "is_visible: .*found cell of 1x1"),
        bad([person([{"x": 1.0, "id": 1.0}])], "point.y: .*a number, found nothing"),
        bad([person(scale=np.ones((1, 2)))], "scale: .*a number, found double of 1x2"),
        bad([person(x1="a")], "x1: .*a number"),
        bad([person(objpos=3.0)], "objpos: .*a struct, found 3.0"),
        bad([person(annopoints=array([{"point": 1.0}] * 2))], "a single struct"),
        bad([person(annopoints=one(point=1.0))], "annopoints.point: .*a struct, found 1.0"),
    ],
)
def test_a_wrong_person_is_placed(people, fields, message, tmp_path):
    good = image("good.jpg", [person()])

    with pytest.raises(FormatError, match=rf"in.mat: image 2 \(bad.jpg\), person 1, .*{message}"):
        read(tmp_path, [good, image("bad.jpg", people)], **fields)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"annolist": 1.0}, "MPII release; expected a variable RELEASE, found 'annolist'"),
        ({"RELEASE": 1.0}, ": not as .*expected a struct, found 1.0"),
        ({"RELEASE": one(act=1.0)}, "a struct with a field annolist"),
        ({"RELEASE": one(annolist=1.0)}, "annolist: .*expected a struct, found 1.0"),
        (release([image("a.jpg")], img_train=np.ones((1, 2))), "img_train: .*expected 1.*found 2"),
        (release([{"image": 1.0}]), "1, image: .*a struct"),
        (release([{"image": NOTHING}]), "1, image: .*a struct with a field name, found noth"),
        (release([{"image": one(name=1.0)}]), "1, image.name: .*expected text, found 1.0"),
        (release([{"annorect": NOTHING}]), "1, image"),
        (release([image("a.jpg") | {"annorect": "x"}]), "1, annorect: .*a struct"),
        (release([image("a.jpg", act=1.0)]), "'act' stands in annolist and beside it"),
    ],
    ids=repr,
)
def test_a_wrong_file_is_placed(variables, message, tmp_path):
    path = save(tmp_path / "in.mat", variables)

    with pytest.raises(FormatError, match=rf"in\.mat: .*{message}"):
        mpii.read_all(path)


def test_sniffing(tmp_path):
    path = save(tmp_path / "in.mat", release([image("a.jpg")]))
    assert kd.formats.sniff(path) == "mpii"
    assert mpii.sniff(path).reasons == ("a MATLAB 5 file with a variable RELEASE",)
    other = save(tmp_path / "other.mat", {"x": 1.0})
    assert mpii.sniff(other).reasons == ("a MATLAB 5 file without a variable RELEASE",)
    other.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    assert "save -v7" in mpii.sniff(other).reasons[0]
    with pytest.raises(FormatError, match=r"MATLAB 7.3"):
        kd.read(other, format="mpii")


def test_notes_that_somebody_changed_do_no_harm(tmp_path):
    (ds,) = mpii.read_all(save(tmp_path / "in.mat", quirks()))
    broken = RawColumn(
        [b"[]", b"3", b'{"fields": 3}', b'{"fields": {"scale": {"@x": 1}}}', None, None]
    )
    changed = ds.replace(extras={**ds.extras, "annorect:mpii": broken[: len(ds)]})

    found = back(changed, tmp_path)

    assert found.visibility.tolist() == ds.visibility.tolist()


def test_no_people_and_no_images(tmp_path):
    ds = made()[:0]
    assert len(back(ds, tmp_path)) == 0
    assert back(ds.with_images([]), tmp_path).images.file_name.tolist() == []

"""LabelMe: what is read from a file typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import crowd
from PIL import Image

import kptdata as kd
from kptdata import (
    FileError,
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
from kptdata.formats import labelme

DATA = Path(__file__).parents[1] / "data" / "labelme"
NAN = np.nan
V = Visibility
THREE = Schema.from_names(["nose", "left_eye", "right_eye"], name="three")


def shape(label: str, *points: list[float], group: Any = None, **more: Any) -> dict[str, Any]:
    kind = "point" if len(points) == 1 else "rectangle"
    base = {"label": label, "points": list(points), "group_id": group, "shape_type": kind}
    return base | {"description": "", "flags": {}, "mask": None} | more


def page(*shapes: Any, **more: Any) -> dict[str, Any]:
    base = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "a.png"}
    return base | {"imageData": None, "imageHeight": 480, "imageWidth": 640} | more


def saved(folder: Path, **pages: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in pages.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def people(count: int = 2, **columns: Any) -> PoseDataset:
    base = {
        "schema": THREE,
        "images": ImageTable.of(["a.jpg", "b.jpg"], width=[640, 333], height=[480, 77]),
        "image": np.arange(count) % 2,
        "xy": np.arange(count * 6.0).reshape(count, 3, 2) + 0.1,
        "visibility": np.full((count, 3), V.LABELLED),
        "bbox": np.tile([473.07, 395.93, 38.65, 28.67], (count, 1)),
        "category": np.ones(count, int),
        "categories": {1: "person"},
    }
    return PoseDataset(**(base | columns))


# Reading


@pytest.mark.parametrize("name", ["", "000007.json"], ids=["folder", "file"])
def test_a_file_typed_by_hand(name):
    ds = kd.read(DATA / name)

    assert ds.schema.names == ("nose", "left_eye")
    assert ds.images.file_name.tolist() == ["000007.png"]
    assert ds.images.wh.tolist() == [[640, 480]]
    assert ds.xy.tolist() == [[[160.5, 80.5], [166.5, 74.5]]]
    assert ds.visibility.tolist() == [[V.LABELLED, V.OCCLUDED]]
    assert ds.bbox.tolist() == [[100, 50, 120, 300]]
    assert ds.categories == {1: "person"}
    assert kd.read(DATA, schema=THREE).visibility.tolist() == [[4, 1, 0]]


def test_what_was_read_is_written_back(tmp_path):
    report = kd.write(kd.read(DATA), tmp_path / "out", format="labelme")

    assert not report.lost
    old, new = (json.loads((d / "000007.json").read_text()) for d in (DATA, tmp_path / "out"))
    assert new == old


def test_groups_are_people(tmp_path):
    shapes = [
        shape("nose", [1, 1], group=1), shape("nose", [9, 9], group=2),
        shape("tail", [2, 2], group=1), shape("cat", [0, 0], [5, 5], group=1),
        shape("head", [0, 0], [2, 2], group=1), shape("nose", [3, 3], group=1),
    ]  # fmt: skip

    cats, heads = kd.read_all(saved(tmp_path / "x", a=page(*shapes)))

    np.testing.assert_array_equal(
        cats.xy, [[[1, 1], [2, 2]], [[9, 9], [NAN, NAN]], [[3, 3], [NAN, NAN]]]
    )
    np.testing.assert_array_equal(cats.bbox[0], [0, 0, 5, 5])
    assert cats.category[0] == 1
    assert heads.bbox.tolist() == [[0, 0, 2, 2]]
    assert "points grouped: 4 by group_id" in cats.provenance


@pytest.mark.parametrize(
    ("shapes", "rule", "boxes"),
    [
        pytest.param(
            [shape("nose", [9, 9]), shape("cat", [0, 0], [5, 5]), shape("tail", [1, 1])],
            "2 by the only rectangle",
            [[0, 0, 5, 5]],
            id="one-rectangle",
        ),
        pytest.param(
            [
                shape("cat", [0, 0], [50, 50]), shape("cat", [0, 0], [5, 5]),
                shape("nose", [1, 1]), shape("nose", [2, 2]), shape("tail", [9, 9]),
            ],
            "3 by containment",
            [[0, 0, 50, 50], [0, 0, 5, 5]],
            id="smallest-rectangle-with-room",
        ),
        pytest.param(
            [shape("nose", [1, 1]), shape("tail", [2, 2])], "2 by image", [], id="one-person"
        ),
    ],
)  # fmt: skip
def test_without_groups(tmp_path, shapes, rule, boxes):
    ds = kd.read(saved(tmp_path / "x", a=page(*shapes)))

    assert f"points grouped: {rule}" in ds.provenance
    assert ds.column("bbox")[: len(boxes)].tolist() == boxes
    assert len(ds) == max(len(boxes), 1)


@pytest.mark.parametrize(
    "corners",
    [([5, 2], [1, 9]), ([1, 9], [5, 2]), ([1, 2], [1, 9], [5, 9], [5, 2])],
    ids=["other-diagonal", "bottom-first", "four-corners"],
)
def test_trap_37_corners_come_in_any_order(tmp_path, corners):
    box = shape("cat", *corners, group=1, shape_type="rectangle")
    folder = saved(tmp_path / "x", a=page(box, shape("nose", [2, 3], group=1)))

    ds = kd.read(folder)

    assert ds.bbox.tolist() == [[1, 2, 4, 7]]
    kd.write(ds, tmp_path / "out", format="labelme")
    back = json.loads((tmp_path / "out" / "a.json").read_text())
    assert back["shapes"][0]["points"] == [list(corner) for corner in corners]


def test_trap_37_pictures_in_the_file_are_left_out_unless_asked_for(tmp_path):
    folder = saved(tmp_path / "x", a=page(shape("nose", [1, 1]), imageData="QUJD"))

    ds = kd.read(folder)

    assert "imageData of 1 files left out" in ds.provenance
    assert b"QUJD" not in b"".join(t or b"" for raw in ds.images.extras.values() for t in raw)
    kept = kd.read(folder, image_data=True)
    kd.write(kept, tmp_path / "out", format="labelme")
    assert json.loads((tmp_path / "out" / "a.json").read_text())["imageData"] == "QUJD"


def test_trap_37_a_size_that_is_not_stated_is_that_of_the_picture_as_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = saved(tmp_path / "x", a=page(shape("nose", [1, 1]), imageHeight=None))
    Image.new("L", (30, 40)).save(folder / "a.png", exif=exif)

    assert kd.read(folder).images.wh.tolist() == [[40, 30]]
    (folder / "a.png").unlink()
    assert kd.read(folder).images.wh.tolist() == [[0, 0]]


def test_trap_36_the_dialect_with_difficult_and_scores(tmp_path):
    shapes = [
        shape("cat", [1, 2], [5, 2], [5, 9], [1, 9], group=1, shape_type="rectangle", score=0.5),
        shape("nose", [2.25, 3.75], group=1, difficult=True, score=None),
        shape("tail", [3, 3], group=1, difficult=False, attributes={"wet": "yes"}),
    ]
    folder = saved(tmp_path / "x", a=page(*shapes))

    ds = kd.read(folder)

    assert ds.visibility.tolist() == [[V.OCCLUDED, V.VISIBLE]]
    assert ds.xy[0, 0].tolist() == [2.25, 3.75]
    assert ds.score.tolist() == [0.5]
    kd.write(ds, tmp_path / "out", format="labelme")
    back = json.loads((tmp_path / "out" / "a.json").read_text())["shapes"]
    assert [s.get("difficult") for s in back] == [None, True, False]
    assert back[2]["attributes"] == {"wet": "yes"}
    assert not kd.read(tmp_path / "out").differences(ds)


@pytest.mark.parametrize(
    ("flags", "state"),
    [({}, V.LABELLED), ({"occluded": True}, V.OCCLUDED), ({"occluded": False}, V.VISIBLE)],
)
def test_states_are_flags(tmp_path, flags, state):
    flags = flags | {"blurred": True}
    folder = saved(tmp_path / "x", a=page(shape("nose", [1, 1], flags=flags)))

    ds = kd.read(folder)

    assert ds.visibility.tolist() == [[state]]
    kd.write(ds, tmp_path / "out", format="labelme")
    assert json.loads((tmp_path / "out" / "a.json").read_text())["shapes"][0]["flags"] == flags


def test_other_shapes_and_keys_come_back(tmp_path):
    polygon = {"label": "car", "points": [[0, 0], [1, 1], [2, 0]]}  # an old file: no shape_type
    box = shape("cat", [0, 0], [5, 5], group=1, description="old", flags={"crowd": True})
    old = {k: v for k, v in shape("nose", [1, 1], group=1, text="x").items() if k != "mask"}
    content = page(
        box,
        polygon,
        old,
        flags={"night": True},
        version="4.0.0",
        checked=True,
        imagePath=".\\a.png",
    )
    folder = saved(tmp_path / "x", a=content)

    ds = kd.read(folder)

    assert ds.images.file_name.tolist() == ["a.png"]
    assert json.loads(ds.images.extras["flags"][0]) == {"night": True}
    assert json.loads(ds.images.extras["labelme"][0]) == {"checked": True}
    assert json.loads(ds.extras["description"][0]) == "old"
    assert json.loads(ds.extras["flags"][0]) == {"crowd": True}
    kd.write(ds, tmp_path / "out", format="labelme")
    assert json.loads((tmp_path / "out" / "a.json").read_text()) == content


def test_folders_below_are_read(tmp_path):
    folder = saved(tmp_path / "x", b=page(shape("nose", [1, 1])))
    saved(folder / "deep", a=page(shape("nose", [2, 2])))

    ds = kd.read(folder)

    assert ds.images.file_name.tolist() == ["a.png", "deep/a.png"]
    kd.write(ds, tmp_path / "out", format="labelme")
    assert (tmp_path / "out" / "deep" / "a.json").is_file()
    assert json.loads((tmp_path / "out" / "deep" / "a.json").read_text())["imagePath"] == "a.png"
    assert not kd.read(tmp_path / "out").differences(ds)


@pytest.mark.parametrize(
    "name", ["../a.png", "/home/a.png", "C:\\pictures\\a.png", "x/../../a.png"]
)
def test_names_that_lead_out_are_refused_unless_a_folder_is_given(tmp_path, name):
    folder = saved(tmp_path / "x", a=page(shape("nose", [1, 1]), imagePath=name))

    with pytest.raises(FormatError, match="imagePath: a file name that leads out"):
        kd.read(folder)
    assert kd.read(folder, images=tmp_path).images.file_name.tolist() == ["a.png"]
    bad = people().replace(images=ImageTable.of([name, "b.jpg"]))
    with pytest.raises(FormatError, match="leads out of its folder"):
        kd.write(bad, tmp_path / "out", format="labelme")
    assert not (tmp_path / "out").exists()


def test_classes_with_other_points_give_datasets_of_their_own(tmp_path):
    shapes = [
        shape("cat", [0, 0], [5, 5], group=1), shape("nose", [1, 1], group=1),
        shape("car", [6, 6], [9, 9], group=2), shape("wheel", [7, 7], group=2),
        shape("nose", [8, 8], group=3),
    ]  # fmt: skip
    folder = saved(tmp_path / "x", a=page(*shapes))

    cat, car = kd.read_all(folder)

    assert (cat.schema.names, car.schema.names) == (("nose",), ("wheel",))
    assert len(cat) == 2  # who has no class and only points of one has its skeleton
    kd.formats.write_all((car, cat), tmp_path / "out", format="labelme")
    again = kd.read_all(tmp_path / "out")
    assert [not a.differences(b) for a, b in zip(again, (cat, car), strict=True)] == [True, True]
    with pytest.raises(SchemaError, match="expected the 1 points of other"):
        kd.read_all(folder, schema=Schema.from_names(["x"], name="other"))


def test_t7_bundled_schemas_are_known_by_their_names(tmp_path):
    coco = load_schema("coco")
    shapes = [shape(n, [coco.index(n), 1]) for n in sorted(coco.names)]

    ds = kd.read(saved(tmp_path / "x", a=page(*shapes)))

    assert ds.schema == coco
    assert ds.xy[0, :, 0].tolist() == list(range(17))


def test_labels_txt_gives_the_order_of_unknown_points(tmp_path):
    folder = saved(tmp_path / "x", a=page(shape("b", [1, 1]), shape("a", [2, 2])))
    assert kd.read(folder).schema.names == ("b", "a")

    (folder / "labels.txt").write_text("cat\na\nb\n")

    assert kd.read(folder).schema.names == ("a", "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("shapes"), "a.json: no LabelMe file"),
        (lambda p: p.update(shapes=3), "no LabelMe file"),
        (lambda p: p.update(shapes=[3]), r"shapes\[0\]: not a shape"),
        (lambda p: p["shapes"][0].update(label=3), "not a shape"),
        (lambda p: p["shapes"][0].update(points=[]), r"shapes\[0\] 'nose': a point with 0 points"),
        (lambda p: p["shapes"][0].update(points=[[1, 2], [3, 4]]), "a point with 2 points"),
        (lambda p: p["shapes"][0].update(points=[[1]]), "no point; expected"),
        (lambda p: p["shapes"][0].update(points=[[1, "a"]]), "no point; expected"),
        (lambda p: p["shapes"][0].update(points=[[1, 1e300]]), "no point; expected"),
        (lambda p: p["shapes"][0].update(shape_type="rectangle"), "a rectangle with 1 points"),
        (lambda p: p["shapes"][0].update(group_id=[1]), "no group"),
        (lambda p: p.update(imagePath=None), "no image is named"),
    ],
)
def test_damage_is_named(tmp_path, change, message):
    content = page(shape("nose", [1, 1]))
    change(content)
    with pytest.raises(FormatError, match=message):
        kd.read(saved(tmp_path / "x", a=content), format="labelme")


def test_a_folder_without_files(tmp_path):
    with pytest.raises(FileError, match="no JSON file in the folder"):
        kd.read(tmp_path, format="labelme")


def test_sniffing(tmp_path):
    assert kd.formats.sniff(DATA) == kd.formats.sniff(DATA / "000007.json") == "labelme"
    assert labelme.sniff(tmp_path).confidence == 0


# Writing


def test_a_box_is_read_as_it_was_to_the_last_bit(tmp_path):
    ds = people()

    report = kd.write(ds, tmp_path / "x", format="labelme")

    assert not report.lost
    back = kd.read(tmp_path / "x")
    assert back.bbox.tolist() == ds.bbox.tolist()
    assert back.schema.names == THREE.names
    assert (tmp_path / "x" / "labels.txt").read_text().split() == ["person", *THREE.names]


@pytest.mark.parametrize("state", V)
def test_t6_states_survive_or_are_counted(tmp_path, state):
    visibility = np.full((2, 3), V.VISIBLE)
    visibility[0, 1] = state
    xy = people().xy.copy()
    xy[0, 1] = xy[0, 1] if state in (1, 2, 4) else NAN

    report = kd.write(people(visibility=visibility, xy=xy), tmp_path / "x", format="labelme")

    back = int(kd.read(tmp_path / "x", schema=THREE).visibility[0, 1])
    assert back == (V.UNLABELLED if state == V.ABSENT else state)
    assert report.lost.get("visibility", 0) == (state == V.ABSENT)


def test_people_of_one_image_are_in_groups_of_their_own(tmp_path):
    ds = people(image=[0, 0])

    kd.write(ds, tmp_path / "x", format="labelme")

    shapes = json.loads((tmp_path / "x" / "a.json").read_text())["shapes"]
    assert [s["group_id"] for s in shapes] == [1] * 4 + [2] * 4
    assert (
        not kd.read(tmp_path / "x", schema=THREE)
        .replace(extras={}, images=ds.images)
        .differences(ds)
    )


def test_groups_stay_where_people_join(tmp_path):
    folder = saved(
        tmp_path / "x", a=page(shape("nose", [1, 1], group=5)), b=page(shape("nose", [2, 2]))
    )
    ds = kd.read(folder)
    together = ds.replace(image=[0, 0])

    kd.write(together, tmp_path / "out", format="labelme")

    shapes = json.loads((tmp_path / "out" / "a.json").read_text())["shapes"]
    assert [s["group_id"] for s in shapes] == [5, 1]


def test_people_without_a_box_lose_their_class(tmp_path):
    report = kd.write(people(bbox=None, score=[0.5, 0.5]), tmp_path / "x", format="labelme")

    assert report.lost["category"] == report.lost["score"] == 2
    assert kd.read(tmp_path / "x").categories == {}


def test_one_file(tmp_path):
    one = people(1).with_images([0])

    kd.write(one, tmp_path / "one.json", format="labelme")

    assert kd.read(tmp_path / "one.json").images.file_name.tolist() == ["a.jpg"]
    assert [p.name for p in tmp_path.iterdir()] == ["one.json"]
    with pytest.raises(FormatError, match=r"holds one image.* found 2"):
        kd.write(people(), tmp_path / "two.json", format="labelme")


def test_two_images_must_not_share_a_file(tmp_path):
    table = ImageTable.of(["a.jpg", "a.png"])
    with pytest.raises(FormatError, match=r"would share a file.*'a.jpg' and 'a.png'"):
        kd.write(people().replace(images=table), tmp_path / "x", format="labelme")


def test_pictures_in_the_folder_stay_and_other_files_are_not_mixed_in(tmp_path):
    folder = saved(tmp_path / "x")
    (folder / "a.jpg").write_text("picture")

    kd.write(people(), folder, format="labelme")
    assert (folder / "a.jpg").read_text() == "picture"
    kd.write(people(), folder, format="labelme")  # its own files are replaced

    saved(folder, mine=page())
    with pytest.raises(FileError, match=r"holds other JSON files.*mine.json"):
        kd.write(people(), folder, format="labelme")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x"]


def test_extras_are_counted(tmp_path):
    ds = people(
        extras={"flags": RawColumn([b'{"a": true}', b"3"]), "area": RawColumn([b"1", None])}
    )
    assert kd.write(ds, tmp_path / "x", format="labelme").lost["extras"] == 2


def test_many_people(tmp_path):
    ds = crowd(40)
    boxes = np.tile([0.0, 0, 200, 200], (40, 1))

    report = kd.write(ds.replace(bbox=boxes), tmp_path / "x", format="labelme")

    back = kd.read(tmp_path / "x", schema="coco")
    order = np.argsort(ds.images.file_name.astype(object)[ds.image], kind="stable")
    np.testing.assert_array_equal(back.xy, ds.xy[order])
    assert report.invented["category"] == 40


def test_a_thousand_damaged_files(tmp_path):
    rng = np.random.default_rng(19)
    folder = tmp_path / "x"
    shutil.copytree(DATA, folder)
    path = folder / "000007.json"
    content = path.read_bytes()
    refused = 0
    for _ in range(1500):
        data = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, len(data)))
            junk = rng.choice([b'"', b"[", b"}", b"0", b"-", b"null", b"1e999", b",", b"\xff"])
            data[at : at + int(rng.integers(0, 6))] = junk
        path.write_bytes(bytes(data))
        try:
            kd.read_all(folder, format="labelme")
        except KptDataError:
            refused += 1
    assert refused > 800

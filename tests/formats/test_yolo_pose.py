"""YOLO-pose trees: what is read from one typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from datasets import crowd
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import kptdata as kd
from kptdata import (
    DatasetError,
    FileError,
    FormatError,
    ImageTable,
    KptDataError,
    OptionError,
    PoseDataset,
    RawColumn,
    Schema,
    SchemaError,
    Visibility,
    load_schema,
)
from kptdata.formats import yolo_pose
from kptdata.formats._inverse import exact_quotient, inverse, product

DATA = Path(__file__).parents[1] / "data" / "yolo_pose"
NAN = np.nan
V = Visibility
NAMES = ["nose", "left_eye", "right_eye"]


def picture(path: Path, size=(640, 480), orientation: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("L", size).save(path, exif=exif)


@pytest.fixture
def tree(tmp_path) -> Path:
    """The typed tree, with the picture that its label needs."""
    root = tmp_path / "toy"
    shutil.copytree(DATA, root)
    picture(root / "images" / "train" / "000007.jpg")
    return root


def card(root: Path, **changes) -> None:
    """Change keys of the card; None takes one out."""
    path = root / "data.yaml"
    found = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump({k: v for k, v in found.items() if v is not None}))


def label(root: Path, text: str, split: str = "train", name: str = "000007") -> None:
    path = root / "labels" / split / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def people(schema: Schema, count: int = 2, **columns) -> PoseDataset:
    """People in one image of 640 x 480, all points visible."""
    shape = (count, schema.num_keypoints)
    base = {
        "schema": schema,
        "images": ImageTable.of(["a.jpg"], width=[640], height=[480]),
        "image": np.zeros(count, int),
        "xy": np.arange(np.prod(shape) * 2, dtype=float).reshape(*shape, 2) + 0.5,
        "visibility": np.full(shape, V.VISIBLE),
        "bbox": np.tile([10.0, 20, 30, 40], (count, 1)),
        "category": np.ones(count, int),
        "categories": {1: "person"},
    }
    return PoseDataset(**(base | columns))


THREE = Schema.from_names(NAMES, name="three")


# Reading


@pytest.mark.parametrize("name", ["", "data.yaml"], ids=["folder", "card"])
def test_a_tree_typed_by_hand(tree, name):
    ds = kd.read(tree / name)

    assert ds.schema.names == tuple(NAMES)
    assert ds.images.file_name.tolist() == ["000007.jpg"]
    assert ds.images.wh.tolist() == [[640, 480]]
    np.testing.assert_allclose(ds.bbox, [[100, 50, 120, 300]], atol=1e-3)
    np.testing.assert_allclose(ds.xy[0], [[160, 80], [166, 74], [NAN, NAN]], atol=1e-3)
    assert ds.visibility.tolist() == [[V.VISIBLE, V.OCCLUDED, V.UNLABELLED]]
    assert ds.category.tolist() == [1]
    assert ds.categories == {1: "person"}
    assert "split val: no such folder" in ds.provenance


def test_flip_idx_gives_the_pairs_of_an_unknown_schema(tree):
    assert kd.read(tree).schema.swap_indices.tolist() == [0, 2, 1]


def test_known_names_give_the_bundled_schema_by_name_not_by_position(tree):
    coco = load_schema("coco")
    order = list(reversed(coco.names))
    card(tree, kpt_shape=[17, 3], kpt_names={0: order}, flip_idx=None, kpt_oks_sigmas=None)
    label(tree, "0 .5 .5 .5 .5 " + " ".join(f"{k / 100} .25 2" for k in range(17)))

    ds = kd.read(tree)

    assert ds.schema == coco
    assert ds.xy[0, coco.index(order[3])].tolist() == pytest.approx([0.03 * 640, 120])
    assert ds.xy[0, 0].tolist() == pytest.approx([0.16 * 640, 120])


def test_a_given_schema_must_have_the_names(tree):
    assert kd.read(tree, schema=THREE).schema == THREE
    with pytest.raises(SchemaError, match="does not hold the keypoints of coco"):
        kd.read(tree, schema="coco")


def test_points_without_names_need_a_schema(tree):
    card(tree, kpt_names=None, flip_idx=None)

    with pytest.raises(SchemaError, match=r"does not name its 3 keypoints.*--schema"):
        kd.read(tree)
    with pytest.raises(SchemaError, match=r"kpt_shape: .*expected 17 points, found 3"):
        kd.read(tree, schema="coco")
    assert kd.read(tree, schema=THREE).schema == THREE


@pytest.mark.parametrize(
    ("v", "state"), [(0, V.UNLABELLED), (1, V.OCCLUDED), (2, V.VISIBLE)], ids=str
)
def test_trap_20_the_third_number_is_the_visibility(tree, v, state):
    label(tree, f"0 .5 .5 .2 .2  .1 .25 {v}  .2 .2 2  .3 .3 2")

    ds = kd.read(tree)

    assert ds.visibility[0, 0] == state
    if state == V.UNLABELLED:  # its coordinates are kept, and are no label
        assert np.isnan(ds.xy[0, 0]).all()
        assert ds.given_xy[0, 0].tolist() == [64, 120]
    else:
        assert ds.xy[0, 0].tolist() == [64, 120]


def test_trap_24_with_two_numbers_the_corner_is_a_point_and_negative_is_missing(tree):
    card(tree, kpt_shape=[3, 2])
    label(tree, "0 .5 .5 .2 .2  0 0  -0.005 -0.005  .5 -1")

    ds = kd.read(tree)

    assert ds.visibility.tolist() == [[V.LABELLED, V.UNLABELLED, V.UNLABELLED]]
    assert ds.xy[0, 0].tolist() == [0, 0]
    assert ds.given_xy is None


def test_trap_24_missing_is_written_so_that_the_trainer_takes_it(tmp_path):
    xy = [[[0.0, 0.0], [NAN, NAN], [NAN, NAN]]]
    ds = people(THREE, 1, visibility=[[V.VISIBLE, V.UNLABELLED, V.ABSENT]], xy=xy)

    kd.write(ds, tmp_path / "t", format="yolo_pose", dims=2)

    text = (tmp_path / "t" / "labels" / "train" / "a.txt").read_text().split()
    assert text[5:] == ["0", "0", "-0.005", "-0.005", "-0.005", "-0.005"]
    back = kd.read(tmp_path / "t")
    assert back.visibility.tolist() == [[V.LABELLED, V.UNLABELLED, V.UNLABELLED]]
    again = kd.write(back, tmp_path / "u", format="yolo_pose")
    assert not again.lost
    assert yaml.safe_load((tmp_path / "u" / "data.yaml").read_text())["kpt_shape"] == [3, 2]


def test_trap_25_a_line_of_five_is_a_person_without_points(tree):
    label(tree, "0 0.5 0.5 0.5 0.5\n")

    ds = kd.read(tree)

    assert ds.visibility.tolist() == [[V.UNLABELLED] * 3]
    assert ds.bbox.tolist() == [[160, 120, 320, 240]]


@pytest.mark.parametrize("count", [4, 6, 13, 17])
def test_trap_25_another_number_of_columns_is_named(tree, count):
    label(tree, "\n0 .5 .5 .5 .5 " + "0 " * 9 + "\n" + "0 " * count)

    with pytest.raises(FormatError, match=rf"000007.txt: line 3: .*expected 14 .*found {count}"):
        kd.read(tree)


def two_skeletons() -> tuple[PoseDataset, PoseDataset]:
    five = Schema.from_names(["a", "b", "c", "d", "e"], name="five")
    cat = people(five, 2, order=[1, 3], category=[2, 2], categories={2: "cat"})
    return people(THREE, 2, order=[0, 2]), cat.replace(images=people(THREE).images)


def test_trap_25_skeletons_of_different_sizes_are_refused_without_pad(tmp_path):
    with pytest.raises(DatasetError, match=r"three \(3\), five \(5\).*--pad"):
        kd.formats.write_all(two_skeletons(), tmp_path / "t", format="yolo_pose")
    assert list(tmp_path.iterdir()) == []


def test_per_class_skeletons_come_back(tmp_path):
    given = two_skeletons()
    kd.formats.write_all(given, tmp_path / "t", format="yolo_pose", pad=True)

    lines = (tmp_path / "t" / "labels" / "train" / "a.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "0", "1"]
    assert {len(line.split()) for line in lines} == {5 + 5 * 3}
    back = kd.read_all(tmp_path / "t")
    assert [ds.schema.names for ds in back] == [tuple(NAMES), tuple("abcde")]
    for before, after in zip(given, back, strict=True):
        np.testing.assert_array_equal(before.xy, after.xy)
        assert before.order.tolist() == after.order.tolist()
        assert before.categories == after.categories


def test_a_point_beyond_those_of_the_class_is_refused(tree):
    card(tree, kpt_names={0: NAMES[:2]}, flip_idx=None)
    label(tree, "0 .5 .5 .2 .2 .1 .1 2 .2 .2 2 .3 .3 2")

    with pytest.raises(FormatError, match=r"line 1: a point beyond the 2"):
        kd.read(tree)


def test_trap_26_flip_idx_that_is_no_mirror_is_refused(tree):
    card(tree, flip_idx=[1, 2, 0])
    with pytest.raises(SchemaError, match=r"flip_idx\[0\]: mirroring twice"):
        kd.read(tree)
    kd.read(tree, schema=THREE)  # a schema that is given is believed
    card(tree, flip_idx=[1, 2])
    with pytest.raises(FormatError, match="flip_idx: no permutation"):
        kd.read(tree)


def test_trap_26_identity_under_names_that_have_sides_is_said(tmp_path):
    kd.write(people(load_schema("coco")), tmp_path / "t", format="yolo_pose")
    card(tmp_path / "t", flip_idx=list(range(17)))

    ds = kd.read(tmp_path / "t")

    assert ds.schema.has_swaps
    assert any("flip_idx" in note for note in ds.provenance)


def test_trap_26_flip_idx_is_written_from_the_pairs(tmp_path):
    coco = load_schema("coco")
    kd.write(people(coco), tmp_path / "t", format="yolo_pose")

    found = yaml.safe_load((tmp_path / "t" / "data.yaml").read_text())

    assert found["flip_idx"] == coco.swap_indices.tolist()
    assert found["kpt_oks_sigmas"] == coco.sigmas.tolist()
    assert found["kpt_names"] == {0: list(coco.names)}
    assert {"train", "val", "names", "kpt_shape"} <= found.keys()


def test_trap_26_skeletons_that_mirror_differently_are_counted(tmp_path):
    mirrored = Schema(
        "pair",
        tuple(
            kd.Keypoint(n, swap=s)
            for n, s in (("mid", None), ("left_x", "right_x"), ("right_x", "left_x"))
        ),
    )
    other = people(mirrored, category=[2, 2], categories={2: "pair"})
    other = other.replace(images=people(THREE).images)

    report = kd.formats.write_all((people(THREE), other), tmp_path / "t", format="yolo_pose")

    assert report.lost["flip_idx"] == 2
    assert "flip_idx" not in yaml.safe_load((tmp_path / "t" / "data.yaml").read_text())


def test_trap_27_the_last_images_becomes_labels(tmp_path):
    root = tmp_path / "images" / "toy"
    for split in ("train", "valid"):
        picture(root / split / "images" / "sub" / "a.png")
        text = "0 .5 .5 .5 .5" + " .5 .5 2" * 3
        path = root / split / "labels" / "sub" / "a.txt"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    shutil.copy(DATA / "data.yaml", root)
    card(root, path=None, train="../train/images", val="valid/images")  # as one exporter has it

    ds = kd.read(root)

    assert ds.images.file_name.tolist() == ["sub/a.png", "sub/a.png"]
    assert [json.loads(t) for t in ds.images.extras["split"]] == ["train", "val"]
    kd.write(ds, tmp_path / "out", format="yolo_pose")
    assert (tmp_path / "out" / "labels" / "val" / "sub" / "a.txt").is_file()
    assert not kd.read(tmp_path / "out").differences(ds)


def test_a_list_of_images(tree):
    (tree / "train.txt").write_text("./images/train/000007.jpg\n\nimages/train/none.png\n")
    card(tree, train="train.txt")

    ds = kd.read(tree)

    assert ds.images.file_name.tolist() == ["000007.jpg", "none.png"]
    assert len(ds) == 1


@pytest.mark.parametrize("name", ["/etc/passwd.jpg", "../../x.jpg", "C:\\x.jpg", "a/../../b.jpg"])
@pytest.mark.parametrize("where", ["list", "split", "listing", "write"])
def test_names_that_lead_out_are_refused_by_name(tree, tmp_path, name, where):
    if where == "list":
        (tree / "train.txt").write_text(name)
        card(tree, train="train.txt")
    elif where == "split":
        card(tree, train=name.replace("../../x", "../../../x"))
    elif where == "listing":
        entry = {"id": 1, "file_name": name, "width": 1, "height": 1}
        (tree / "images.json").write_text(json.dumps([entry]))
    else:
        ds = people(THREE)
        table = ImageTable.of([name], width=[640], height=[480])
        with pytest.raises(FormatError, match="leads out of its folder"):
            kd.write(ds.replace(images=table), tmp_path / "out", format="yolo_pose")
        assert not (tmp_path / "out").exists()
        return
    with pytest.raises(FormatError, match="leads out of its folder"):
        kd.read(tree)


def test_t8_a_point_outside_is_read_as_it_is(tree):
    label(tree, "0 .5 .5 .2 .2 1.02 .25 2 .2 .2 2 .3 .3 2")

    ds = kd.read(tree)

    assert ds.xy[0, 0].tolist() == [1.02 * 640, 120]
    assert ds.visibility[0, 0] == V.VISIBLE


@pytest.mark.parametrize(
    ("outside", "text", "state"),
    [
        ("unlabel", ["0", "0", "0"], V.UNLABELLED),
        ("clip", ["1", "0.25", "2"], V.VISIBLE),
        ("keep", ["1.25", "0.25", "2"], V.VISIBLE),
    ],
)
def test_t8_a_point_outside_is_written_as_the_policy_says(tmp_path, outside, text, state):
    xy = people(THREE, 1).xy.copy()
    xy[0, 1] = (800, 120)
    ds = people(THREE, 1, xy=xy)

    report = kd.write(ds, tmp_path / "t", format="yolo_pose", outside=outside)

    line = (tmp_path / "t" / "labels" / "train" / "a.txt").read_text().split()
    assert line[8:11] == text
    assert kd.read(tmp_path / "t").visibility[0, 1] == state
    assert bool(report.lost.get("xy")) == (outside != "keep")
    with pytest.raises(OptionError, match="outside: expected one of unlabel, clip, keep"):
        kd.write(ds, tmp_path / "u", format="yolo_pose", outside="drop")


def test_exif_orientation_turns_the_size(tree):
    picture(tree / "images" / "train" / "000007.jpg", (480, 640), orientation=6)

    assert kd.read(tree).images.wh.tolist() == [[640, 480]]


def test_the_size_of_the_image_is_needed(tree, tmp_path):
    (tree / "images" / "train" / "000007.jpg").unlink()
    with pytest.raises(FormatError, match=r"size of the image is not known.*--images"):
        kd.read(tree)

    picture(tmp_path / "elsewhere" / "000007.png")
    ds = kd.read(tree, images=tmp_path / "elsewhere")

    assert ds.images.file_name.tolist() == ["000007.png"]


def test_background_images_are_kept(tree):
    picture(tree / "images" / "train" / "empty.png")
    picture(tree / "images" / "train" / "none.png")
    label(tree, "\n \n", name="empty")

    ds = kd.read(tree)

    assert ds.images.file_name.tolist() == ["000007.jpg", "empty.png", "none.png"]
    assert len(ds) == 1


def test_scores_of_predictions(tree, tmp_path):
    label(tree, "0 .5 .5 .2 .2 .1 .1 .9 .2 .2 .8 .3 .3 0 .75 12\n0 .5 .5 .2 .2" + " .1 .1 2" * 3)

    ds = kd.read(tree)

    np.testing.assert_array_equal(ds.keypoint_score, [[0.9, 0.8, 0.0], [NAN] * 3])
    assert ds.visibility.tolist() == [[V.LABELLED] * 3, [V.VISIBLE] * 3]
    np.testing.assert_array_equal(ds.score, [0.75, NAN])
    assert ds.track[0] == 12
    report = kd.write(ds, tmp_path / "t", format="yolo_pose")
    assert not report.lost
    assert not kd.read(tmp_path / "t", schema=ds.schema).differences(ds)
    lost = kd.write(ds, tmp_path / "u", format="yolo_pose", predictions=False).lost
    assert lost["keypoint_score"] == 3
    assert lost["score"] == lost["track"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 .5 .5 .5 .5", "line 1: an unknown class; expected 0"),
        ("0.5 .5 .5 .5 .5", "unknown class"),
        ("0 .5 .5 x .5", "line 1: not a number; found 'x'"),
        ("0 .5 nan .5 .5", "not finite"),
        ("0 .5 1e999 .5 .5", "not finite"),
        ("0 .5 1e13 .5 .5", "too large"),
        ("0 .5 .5 -.5 .5", "negative size"),
        ("0 .5 .5 \x00 .5", "not a number"),
    ],
)
def test_damaged_lines_are_named(tree, text, message):
    label(tree, text)

    with pytest.raises(FormatError, match=message):
        kd.read(tree)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kpt_shape": [3]}, "kpt_shape: no pose dataset"),
        ({"kpt_shape": [10**9, 3]}, "kpt_shape"),
        ({"kpt_shape": [3, 4]}, "kpt_shape"),
        ({"names": "person"}, "names: no names of classes"),
        ({"names": {"one": "person"}}, "names"),
        ({"kpt_names": {0: ["a", "b", "c", "d"]}}, "kpt_names"),
        ({"kpt_names": 7}, "kpt_names"),
        ({"kpt_names": {0: ["a", "a", "c"]}}, "name is there twice"),
        ({"train": 7}, "train: no folder of images"),
        ({"train": "nowhere", "val": None}, "none of the folders"),
    ],
)
def test_damaged_cards_are_named(tree, changes, message):
    card(tree, **changes)

    with pytest.raises(KptDataError, match=message):
        kd.read(tree)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: *x\n", "YAML alias"),
        ("a: [" + "[" * 100_000, "not YAML|nested"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML"),
        ("a: 2024-13-45", "none|kpt_shape"),
        ("- 1\n", "no YAML mapping"),
        ("a: b: c", "not YAML"),
        ("\x00", "not YAML"),
        ("x: 1\n" * 300_000, "too large"),
    ],
)
def test_yaml_that_is_no_card(tree, text, message):
    (tree / "data.yaml").write_text(text)

    with pytest.raises(FormatError, match=message):
        kd.read(tree, format="yolo_pose")


def test_a_folder_without_a_card(tmp_path):
    with pytest.raises(FileError, match=r"no data.yaml"):
        kd.read(tmp_path, format="yolo_pose")


def test_sniffing(tree, tmp_path):
    assert kd.formats.sniff(tree) == kd.formats.sniff(tree / "data.yaml") == "yolo_pose"
    assert yolo_pose.sniff(tmp_path).confidence == 0


# Writing


COORDINATES = st.just(0.0) | st.floats(1e-9, 1, exclude_max=True)


@settings(max_examples=100)
@given(
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    st.lists(COORDINATES, min_size=10, max_size=10),
)
def test_pixels_come_back_to_the_last_bit(tmp_path_factory, width, height, fractions):
    xy = np.array(fractions[:6]).reshape(1, 3, 2) * (width, height)
    low = np.array(fractions[6:8]) * (width, height)
    box = np.concatenate([low, np.array(fractions[8:]) * (width, height)])
    table = ImageTable.of(["a.jpg"], width=[width], height=[height])
    ds = people(THREE, 1, images=table, xy=xy, bbox=box[None])
    root = tmp_path_factory.mktemp("t") / "t"

    report = kd.write(ds, root, format="yolo_pose")

    assert not report.lost
    assert not kd.read(root, schema=THREE).replace(meta={}).differences(ds)


def test_a_quotient_that_no_float_holds_is_exact():
    wanted = np.array([124.33344973539302, NAN])
    fraction = inverse(wanted, wanted / 640, lambda f: f * 640)
    assert np.isnan(fraction[1])
    text = exact_quotient((wanted[0],), 640)
    assert product(text, 640) == wanted[0]
    assert float(text) == pytest.approx(wanted[0] / 640, rel=1e-15)


def test_a_box_is_made_of_points_where_there_is_none(tmp_path):
    ds = people(THREE, 1, bbox=None)

    report = kd.write(ds, tmp_path / "t", format="yolo_pose")

    assert report.invented["bbox"] == 1
    assert kd.read(tmp_path / "t").bbox.tolist() == [[0.5, 1.5, 4, 4]]


def test_people_with_neither_box_nor_point_are_counted(tmp_path):
    ds = people(THREE, 2, bbox=[[NAN] * 4, [1, 2, 3, 4]])
    nobody = np.full_like(ds.xy, NAN)
    ds = ds.replace(xy=nobody, visibility=np.zeros((2, 3), np.uint8))

    report = kd.write(ds, tmp_path / "t", format="yolo_pose")

    assert report.instances == 1
    assert report.lost["instances"] == 1


def test_a_centre_left_of_the_image_would_cost_the_trainer_the_image(tmp_path):
    report = kd.write(people(THREE, 1, bbox=[[-50, 2, 60, 4]]), tmp_path / "t", format="yolo_pose")

    assert report.lost["bbox"] == 1
    assert kd.read(tmp_path / "t").bbox.tolist() == [[0, 2, 10, 4]]


def test_categories_are_numbered_from_one(tmp_path):
    ds = people(THREE, 2, category=[7, 3], categories={7: "cat", 3: "person"})

    report = kd.write(ds, tmp_path / "t", format="yolo_pose")

    assert report.lost["category"] == 2
    back = kd.read(tmp_path / "t")
    assert back.categories == {1: "person", 2: "cat"}
    assert back.category.tolist() == [2, 1]


def test_one_class_with_two_skeletons_is_refused(tmp_path):
    other = people(Schema.from_names(["a", "b", "c"], name="abc"))
    with pytest.raises(DatasetError, match="'person' has two skeletons, three and abc"):
        kd.formats.write_all((people(THREE), other), tmp_path / "t", format="yolo_pose")


def test_two_images_must_not_share_a_label_file(tmp_path):
    table = ImageTable.of(["a.jpg", "a.png"], width=[9, 9], height=[9, 9])
    with pytest.raises(FormatError, match=r"share a label file.*'a.jpg' and 'a.png'"):
        kd.write(people(THREE).replace(images=table), tmp_path / "t", format="yolo_pose")


def test_splits_become_folders(tmp_path):
    table = ImageTable.of(
        ["a.jpg", "b.jpg"],
        width=[640, 640],
        height=[480, 480],
        extras={"split": RawColumn([b'"val"', b'"../x"'])},
    )
    ds = people(THREE).replace(images=table)

    report = kd.write(ds, tmp_path / "t", format="yolo_pose")

    assert sorted(p.name for p in (tmp_path / "t" / "labels").iterdir()) == ["train", "val"]
    assert report.lost["image_extras"] == 1


def test_what_the_card_says_besides_comes_back(tree, tmp_path):
    card(tree, download="https://example.org/toy.zip", channels=3)
    kd.write(kd.read(tree), tmp_path / "t", format="yolo_pose")

    found = yaml.safe_load((tmp_path / "t" / "data.yaml").read_text())

    assert found["download"] == "https://example.org/toy.zip"
    assert found["channels"] == 3
    assert "path" not in found


def test_labels_beside_images_are_replaced_as_a_whole(tree):
    ds = kd.read(tree)
    label(tree, "", name="stale")
    (tree / "notes.md").write_text("mine")

    kd.write(ds, tree, format="yolo_pose")

    assert [p.name for p in (tree / "labels").rglob("*.txt")] == ["000007.txt"]
    assert (tree / "notes.md").read_text() == "mine"
    assert (tree / "images" / "train" / "000007.jpg").is_file()
    assert sorted(p.name for p in tree.parent.iterdir()) == ["toy"]


def test_a_labels_folder_with_other_files_is_not_replaced(tree):
    ds = kd.read(tree)
    (tree / "labels" / "photo.png").write_text("")

    with pytest.raises(FileError, match=r"holds other files.*photo.png"):
        kd.write(ds, tree, format="yolo_pose")
    assert (tree / "labels" / "train" / "000007.txt").is_file()


@pytest.mark.parametrize("state", [V.UNLABELLED, V.OCCLUDED, V.VISIBLE])
def test_t6_states_survive(tmp_path, state):
    visibility = np.array([[state, V.VISIBLE, V.VISIBLE]])
    xy = people(THREE, 1).xy.copy()
    xy[0, 0] = NAN if state == V.UNLABELLED else xy[0, 0]
    ds = people(THREE, 1, xy=xy, visibility=visibility)

    assert not kd.write(ds, tmp_path / "t", format="yolo_pose").lost
    assert kd.read(tmp_path / "t").visibility.tolist() == visibility.tolist()


def test_a_thousand_damaged_trees(tmp_path):
    rng = np.random.default_rng(7)
    ds = crowd(3).replace(images=ImageTable.of(["a.png"], width=[640], height=[480]))
    root = tmp_path / "t"
    kd.write(ds, root, format="yolo_pose")
    files = {f: f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file()}
    refused = 0
    for number in range(1500):
        file = list(files)[number % len(files)]
        data = bytearray(files[file])
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, len(data)))
            data[at : at + int(rng.integers(0, 4))] = rng.bytes(int(rng.integers(0, 4)))
        file.write_bytes(bytes(data))
        try:
            kd.read_all(root, format="yolo_pose")
        except KptDataError:
            refused += 1
        file.write_bytes(files[file])
    assert refused > 500

"""OpenPose: what is read from files typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
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
    Space,
    Visibility,
    load_schema,
)
from kptdata.errors import OptionError
from kptdata.formats import openpose

DATA = Path(__file__).parents[1] / "data" / "openpose"
NAN = np.nan
V = Visibility
BODY25 = load_schema("body25")
LISTS = ("pose", "face", "hand_left", "hand_right")


def numbers(size: int, start: float = 10.0, score: float = 0.5) -> list[float]:
    """A list of points with places that tell which one is which."""
    return [n for k in range(size) for n in (start + k, start + k + 0.25, score)]


def person(**lists: Any) -> dict[str, Any]:
    """A person as version 1.3 writes it."""
    found: dict[str, Any] = {"person_id": lists.pop("person_id", [-1])}
    for dims in (2, 3):
        for part in LISTS:
            key = f"{part}_keypoints_{dims}d"
            found[key] = lists.pop(key if dims == 3 else part, [])
    return found | lists


def saved(folder: Path, *people: Any, name: str = "a", **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    page = {"version": 1.3, "people": list(people)} | more
    (folder / f"{name}_keypoints.json").write_text(json.dumps(page))
    return folder


def parsed(folder: Path) -> dict[str, Any]:
    return {
        str(file.relative_to(folder)): json.loads(file.read_bytes())
        for file in sorted(folder.rglob("*.json"))
    }


def bodies(count: int = 2, **columns: Any) -> PoseDataset:
    base = {
        "schema": BODY25,
        "images": ImageTable.of(["a.jpg", "b.jpg"]),
        "image": np.arange(count) % 2,
        "xy": np.arange(count * 50.0).reshape(count, 25, 2) + 0.1,
        "visibility": np.full((count, 25), V.LABELLED),
        "keypoint_score": np.full((count, 25), 0.5),
    }
    return PoseDataset(**(base | columns))


# Reading


def test_trap_43_a_clip_typed_by_hand():
    ds = kd.read(DATA / "clip")

    assert ds.schema == BODY25
    assert len(ds) == 2
    assert ds.images.file_name.tolist() == ["walk_000000000012", "walk_000000000013"]
    assert ds.images.sequence.tolist() == ["walk", "walk"]
    assert ds.images.frame.tolist() == [12, 13]
    assert ds.image.tolist() == [0, 0]
    assert ds.xy[0, BODY25.index("Nose")].tolist() == [310.5, 92.25]
    assert ds.keypoint_score[0, BODY25.index("Neck")] == 0.882813
    assert ds.xy[0, BODY25.index("RHeel")].tolist() == [284, 446.5]
    assert ds.num_labelled.tolist() == [23, 3]
    assert ds.given_xy is None
    assert ds.track is None
    assert ds.bbox is None


def test_trap_43_missing_is_zero_zero_zero():
    ds = kd.read(DATA / "clip")
    wrist = BODY25.index("LWrist")

    assert ds.visibility[0, wrist] == V.UNLABELLED
    assert np.isnan(ds.xy[0, wrist]).all()
    assert np.isnan(ds.keypoint_score[0, wrist])


def test_a_point_at_the_origin_with_confidence_is_a_point(tmp_path):
    pose = [0, 0, 0.5, 7, 8, 0, *[0] * 69]

    ds = kd.read(saved(tmp_path / "s", person(pose=pose)))

    assert ds.visibility[0, :3].tolist() == [V.LABELLED, V.UNLABELLED, V.UNLABELLED]
    assert ds.xy[0, 0].tolist() == [0, 0]
    assert ds.given_xy[0, 1].tolist() == [7, 8]
    assert np.isnan(ds.given_xy[0, 2]).all()


def test_18_points_and_an_old_version():
    ds = kd.read(DATA / "stills")

    assert ds.schema == load_schema("coco_openpose")
    assert ds.images.file_name.tolist() == ["bench"]
    assert ds.images.sequence is None
    assert ds.xy[0, ds.schema.index("left_ear")].tolist() == [129.75, 39.5]
    assert ds.visibility[0, ds.schema.index("right_wrist")] == V.UNLABELLED
    assert ds.images.extras["part_candidates"].parsed(0)[0]["1"] == [118, 66.5, 0.75]


def test_15_points(tmp_path):
    ds = kd.read(saved(tmp_path / "s", person(pose=numbers(15))))

    assert ds.schema == load_schema("openpose_mpi")
    assert ds.xy[0, ds.schema.index("Chest")].tolist() == [24, 24.25]


@pytest.mark.parametrize("folder", ["clip", "stills"])
def test_files_typed_by_hand_come_back(folder, tmp_path):
    report = kd.write(kd.read(DATA / folder), tmp_path / "out", format="openpose", strict=True)

    assert not report.lost
    assert not report.invented
    assert parsed(tmp_path / "out") == parsed(DATA / folder)


@pytest.mark.parametrize(
    ("size", "name"),
    [(25, "openpose_wholebody"), (18, "coco_openpose_face_hands"), (15, "openpose_mpi_face_hands")],
)
def test_face_and_hands_are_points_of_the_same_person(size, name, tmp_path):
    whole = person(
        pose=numbers(size),
        face=numbers(70, 100.0),
        hand_left=numbers(21, 200.0),
        hand_right=numbers(21, 300.0, score=0.25),
    )
    folder = saved(tmp_path / "s", whole, person(pose=numbers(size, 50.0), face=[0] * 210))

    ds = kd.read(folder)

    assert ds.schema.name == name
    assert ds.num_labelled.tolist() == [size + 112, size]
    by_name = dict(zip(ds.schema.names, ds.xy[0].tolist(), strict=True))
    assert by_name["face-69"] == [169, 169.25]
    assert by_name["left_hand_root"] == [200, 200.25]
    assert by_name["right_pinky_finger4"] == [320, 320.25]
    assert ds.keypoint_score[0, -1] == 0.25
    assert kd.read(folder, schema=ds.schema) == ds


def test_hands_without_a_face_come_back(tmp_path):
    both = person(pose=numbers(25), hand_left=numbers(21), hand_right=[0] * 63)
    folder = saved(tmp_path / "s", both)

    ds = kd.read(folder)
    report = kd.write(ds, tmp_path / "out", format="openpose", strict=True)

    assert not report.lost
    assert parsed(tmp_path / "out") == parsed(folder)


def test_a_schema_chooses_the_lists_and_the_others_are_kept(tmp_path):
    both = person(pose=numbers(25), face=numbers(70), hand_left=numbers(21))
    folder = saved(tmp_path / "s", both)

    body = kd.read(folder, schema="body25")
    face = kd.read(folder, schema="openpose_face")

    assert body.xy.shape == (1, 25, 2)
    assert set(body.extras["openpose"].parsed(0)) == {
        "face_keypoints_2d", "hand_left_keypoints_2d",
    }  # fmt: skip
    assert "face_keypoints_2d (1)" in body.provenance[1]
    assert face.schema.name == "openpose_face"
    assert face.xy[0, 69].tolist() == [79, 79.25]
    for ds in (body, face):
        kd.write(ds, tmp_path / ds.schema.name, format="openpose")
        assert parsed(tmp_path / ds.schema.name) == parsed(folder)


def test_bodies_of_two_kinds_are_two_datasets(tmp_path):
    folder = saved(tmp_path / "s", person(pose=numbers(25)), name="a")
    saved(folder, person(pose=numbers(18, 30.0)), name="b")

    found = kd.read_all(folder)

    assert [ds.schema.name for ds in found] == ["body25", "coco_openpose"]
    assert [ds.image.tolist() for ds in found] == [[0], [1]]
    kd.formats.write_all(found, tmp_path / "out", format="openpose", strict=True)
    assert parsed(tmp_path / "out") == parsed(folder)


def test_numbers_of_people_are_tracks(tmp_path):
    people = [person(person_id=[7], pose=numbers(25)), person(pose=numbers(25))]
    folder = saved(tmp_path / "s", *people)

    ds = kd.read(folder)

    assert ds.track.tolist() == [7, kd.dataset.MISSING_INT]
    kd.write(ds, tmp_path / "out", format="openpose", strict=True)
    assert parsed(tmp_path / "out") == parsed(folder)


def test_points_in_3d(tmp_path):
    deep = [0.5, -1.25, 3, 0.75, *[0] * 96]
    folder = saved(tmp_path / "s", person(pose=numbers(25), pose_keypoints_3d=deep))

    ds = kd.read(folder)

    assert ds.xyz[0, 0].tolist() == [0.5, -1.25, 3]
    assert np.isnan(ds.xyz[0, 1:]).all()
    assert ds.numbers["keypoints:xyz_score"][0, 0] == 0.75
    assert ds.space is None
    kd.write(ds, tmp_path / "out", format="openpose", strict=True)
    assert parsed(tmp_path / "out") == parsed(folder)


def test_a_second_view_and_subfolders(tmp_path):
    folder = saved(tmp_path / "s", person(pose=numbers(25)), name="f_000000000000")
    page = (folder / "f_000000000000_keypoints.json").read_bytes()
    (folder / "f_000000000000_keypoints_1.json").write_bytes(page)
    saved(folder / "more", name="x.v2")

    ds = kd.read(folder)

    names = ["f_000000000000", "f_000000000000_1", "more/x.v2"]
    assert ds.images.file_name.tolist() == names
    kd.write(ds, tmp_path / "out", format="openpose", strict=True)
    assert parsed(tmp_path / "out") == parsed(folder)


def test_trap_43_only_twelve_digits_are_a_frame(tmp_path):
    folder = saved(tmp_path / "s", name="COCO_val2014_000000000785")
    saved(folder, name="000000000785")
    saved(folder, name="IMG_20200131")

    assert kd.read(folder).images.sequence is None


def test_pictures_give_names_and_sizes(tmp_path):
    folder = saved(tmp_path / "s", person(pose=numbers(25)), name="a")
    saved(folder, name="b")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / "a.PNG")

    ds = kd.read(folder, images=tmp_path / "images")

    assert ds.images.file_name.tolist() == ["a.PNG", "b"]
    assert ds.images.wh.tolist() == [[64, 48], [0, 0]]
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / "a.jpg")
    with pytest.raises(FormatError, match=r"two pictures have one name.*a\.PNG and a\.jpg"):
        kd.read(folder, images=tmp_path / "images")


def test_lists_of_other_programs(tmp_path):
    # a canvas, null for empty, an unknown key, names of before 1.2
    odd = {"pose_keypoints": numbers(18), "face_keypoints": None, "name": "Ann"}
    folder = saved(tmp_path / "s", odd, canvas_width=512, canvas_height=768, tool={"a": 1})

    ds = kd.read(folder)

    assert ds.schema.name == "coco_openpose"
    assert ds.images.wh.tolist() == [[512, 768]]
    assert ds.extras["openpose"].parsed(0) == {"name": "Ann"}
    assert ds.images.extras["openpose"].parsed(0) == {"tool": {"a": 1}}
    kd.write(ds, tmp_path / "out", format="openpose", strict=True)
    assert parsed(tmp_path / "out") == parsed(folder)


def test_one_file_by_itself(tmp_path):
    file = tmp_path / "any.json.gz"
    file.write_bytes(gzip.compress((DATA / "stills" / "bench_keypoints.json").read_bytes()))

    assert kd.read(DATA / "stills" / "bench_keypoints.json").images.file_name.tolist() == ["bench"]
    assert kd.read(file).images.file_name.tolist() == ["any"]


@pytest.mark.parametrize("people", [[], [person()]], ids=["nobody", "nothing"])
def test_no_lists_at_all(people, tmp_path):
    ds = kd.read(saved(tmp_path / "s", *people))

    assert ds.schema == BODY25
    assert len(ds) == len(people)
    assert not ds.labelled.any()


# Pixels or fractions


@pytest.mark.parametrize(
    ("scale", "first", "wanted"),
    [(3, (0.5, 0.25), (31.5, 11.75)), (4, (0.5, -1), (47.25, 0))],
)
def test_trap_43_fractions_are_refused_until_somebody_says_so(scale, first, wanted, tmp_path):
    folder = saved(tmp_path / "s", person(pose=[*first, 0.9, *[0] * 72]))
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (64, 48)).save(images / "a.png")

    with pytest.raises(FormatError, match=rf"look like fractions.*keypoint_scale={scale}"):
        kd.read(folder)
    with pytest.raises(FormatError, match=r"size .* is not known.*--images"):
        kd.read(folder, keypoint_scale=scale)
    assert kd.read(folder, keypoint_scale=0).xy[0, 0].tolist() == list(first)
    ds = kd.read(folder, keypoint_scale=scale, images=images)
    assert ds.xy[0, 0].tolist() == list(wanted)
    assert ds.num_labelled.tolist() == [1]


@pytest.mark.parametrize("scale", [1, 2, 5, "3"])
def test_other_scales_are_not_taken(scale):
    with pytest.raises(OptionError, match=r"keypoint_scale: expected 0, 3 or 4"):
        kd.read(DATA / "clip", keypoint_scale=scale)


def test_a_file_may_say_its_scale(tmp_path):
    xy = np.full((2, 25, 2), 0.25)
    ds = bodies(xy=xy)

    report = kd.write(ds, tmp_path / "out", format="openpose")
    back = kd.read(tmp_path / "out")

    assert report.lost == {"file_name": 2}
    assert back.xy.tolist() == xy.tolist()
    assert parsed(tmp_path / "out")["a_keypoints.json"]["keypoint_scale"] == 0
    saved(tmp_path / "s", person(pose=numbers(25)), keypoint_scale=2)
    with pytest.raises(FormatError, match="fractions of is not known"):
        kd.read(tmp_path / "s")


# Refusals


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"pose_keypoints_2d": [1, 2]}, r"people\[0\]\.pose_keypoints_2d.*found 2 numbers"),
        ({"pose_keypoints_2d": [1, 2, "a"]}, r"expected numbers.*'a'"),
        ({"pose_keypoints_2d": [1, 2, True]}, r"expected numbers.*True"),
        ({"pose_keypoints_2d": {"a": 1}}, r"people\[0\]\.pose_keypoints_2d.*expected numbers"),
        ({"pose_keypoints_2d": 7}, r"people\[0\]\.pose_keypoints_2d.*expected numbers, found 7"),
        ({"face_keypoints_2d": numbers(68)}, r"expected 70 points of 3 numbers.*204"),
        ({"hand_left_keypoints_3d": numbers(21)}, r"expected 21 points of 4 numbers.*63"),
        ({"pose_keypoints_2d": [10**400, 1, 1]}, "too large"),
        ({"person_id": [1, 2]}, "no number of a person"),
        ({"person_id": "me"}, "no number of a person"),
        ({"pose_keypoints_2d": numbers(19)}, r"does not name its 19 keypoints.*coco_aic"),
    ],
)
def test_what_is_wrong_is_named(odd, message, tmp_path):
    folder = saved(tmp_path / "s", odd)

    with pytest.raises(KptDataError, match=message) as caught:
        kd.read(folder, format="openpose")

    assert "a_keypoints.json" in str(caught.value)


def test_a_given_schema_reads_lists_of_other_lengths(tmp_path):
    coco = load_schema("coco")
    folder = saved(tmp_path / "s", person(pose=numbers(17)))

    assert kd.read(folder, schema=coco).schema == coco
    with pytest.raises(SchemaError, match="17 keypoints"):
        kd.read(folder)


@pytest.mark.parametrize("name", ["jhmdb", "coco", "body25"])
def test_a_given_schema_never_renames_a_known_body(name, tmp_path):
    # 15 numbers are the MPI body, and not JHMDB's, which also has 15
    folder = saved(tmp_path / "s", person(pose=numbers(15)))

    with pytest.raises(SchemaError, match="15, as openpose_mpi has"):
        kd.read(folder, schema=name)


def test_a_folder_without_such_files_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{}")

    with pytest.raises(FileError, match=r"no file \*_keypoints\.json"):
        openpose.read_all(tmp_path)


# Writing


def test_losses_are_counted(tmp_path):
    states = np.full((2, 25), V.VISIBLE)
    states[0, :2] = V.OCCLUDED
    states[1, 3] = V.ABSENT
    xy = np.arange(100.0).reshape(2, 25, 2)
    xy[1, 3] = NAN
    score = np.full((2, 25), NAN)
    score[0, :3] = [0.5, 0.0, -1.0]
    ds = bodies(
        visibility=states,
        xy=xy,
        keypoint_score=score,
        track=["7", "red"],
        bbox=np.ones((2, 4)),
        xyz=np.full((2, 25, 3), NAN),
        space=Space(unit="m"),
        extras={"note": RawColumn([b"1", None])},
    )

    report = kd.write(ds, tmp_path / "out", format="openpose")

    assert report.lost == {
        "visibility": 50,
        "keypoint_score": 2,
        "track": 1,
        "bbox": 2,
        "space": 1,
        "extras": 1,
        "file_name": 2,
    }
    assert report.invented == {"keypoint_score": 46}
    back = kd.read(tmp_path / "out")
    assert back.num_labelled.tolist() == [25, 24]
    assert back.keypoint_score[0, :4].tolist() == [0.5, 1e-9, 1e-9, 1.0]
    assert back.track.tolist() == [7, kd.dataset.MISSING_INT]


def test_places_that_no_file_may_hold_are_counted(tmp_path):
    xy = np.full((2, 25, 2), 5.0)
    xy[0, 0] = 1e305

    report = kd.write(bodies(xy=xy), tmp_path / "out", format="openpose")

    assert report.lost == {"xy": 1, "visibility": 1, "keypoint_score": 1, "file_name": 2}
    assert kd.read(tmp_path / "out").num_labelled.tolist() == [24, 25]


def test_points_are_written_by_name(tmp_path):
    backwards = Schema("mine", tuple(reversed(BODY25.keypoints)), BODY25.links)
    plain = bodies()
    ds = bodies(schema=backwards, xy=plain.xy[:, ::-1])

    report = kd.write(ds, tmp_path / "out", format="openpose")

    assert report.lost == {"schema": 1, "file_name": 2}
    assert kd.read(tmp_path / "out").xy.tolist() == plain.xy.tolist()


def test_points_without_a_list_are_refused(tmp_path):
    ds = bodies(2, schema=load_schema("coco"), xy=np.ones((2, 17, 2)),
                visibility=np.full((2, 17), V.VISIBLE), keypoint_score=None)  # fmt: skip

    with pytest.raises(SchemaError, match=r"no list for the points of coco.*--schema body25"):
        kd.write(ds, tmp_path / "out", format="openpose")

    mapped, _ = kd.ops.map_schema(ds, BODY25)
    kd.write(mapped, tmp_path / "out", format="openpose")
    assert kd.read(tmp_path / "out").num_labelled.tolist() == [19, 19]  # neck and hip derived


def test_whole_bodies_of_coco_go_over_by_name(tmp_path):
    coco = load_schema("coco_wholebody")
    xy = np.arange(266.0).reshape(1, 133, 2) + 3
    ds = PoseDataset(
        coco, ImageTable.of(["a.jpg"]), np.zeros(1, int), xy, np.full((1, 133), V.VISIBLE)
    )

    mapped, _ = kd.ops.map_schema(ds, load_schema("openpose_wholebody"))
    kd.write(mapped, tmp_path / "out", format="openpose")
    back, _ = kd.ops.map_schema(kd.read(tmp_path / "out"), coco)

    assert back.xy.tolist() == xy.tolist()


def test_two_images_of_one_name_are_refused(tmp_path):
    ds = bodies(images=ImageTable.of(["a.jpg", "a.png"]))

    with pytest.raises(FormatError, match=r"a_keypoints\.json: two images would share a file"):
        kd.write(ds, tmp_path / "out", format="openpose")


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "C:\\a.jpg"])
def test_names_that_lead_out_are_refused(name, tmp_path):
    ds = bodies(images=ImageTable.of([name, "b.jpg"]))

    with pytest.raises(FormatError, match="leads out"):
        kd.write(ds, tmp_path / "out", format="openpose")


def test_other_files_are_not_mixed_in(tmp_path):
    folder = saved(tmp_path / "out", name="z")
    (folder / "z.png").touch()

    with pytest.raises(FileError, match=r"other files of this kind.*z_keypoints\.json"):
        kd.write(bodies(), folder, format="openpose")


def test_one_file_holds_one_image(tmp_path):
    ds = bodies()

    with pytest.raises(FormatError, match="holds one image"):
        kd.write(ds, tmp_path / "a.json", format="openpose")
    kd.write(ds.with_images([1]), tmp_path / "a.json", format="openpose")
    assert len(kd.read(tmp_path / "a.json", format="openpose")) == 1


def test_many_files_are_read_in_no_time(tmp_path):
    page = (DATA / "clip" / "walk_000000000012_keypoints.json").read_bytes()
    for number in range(2000):
        (tmp_path / f"walk_{number:012d}_keypoints.json").write_bytes(page)

    start = time.perf_counter()
    ds = kd.read(tmp_path)

    assert len(ds) == 4000
    assert time.perf_counter() - start < 10  # a tenth of that, on an idle machine

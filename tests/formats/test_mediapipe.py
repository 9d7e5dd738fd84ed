"""MediaPipe: what is read from a file typed by hand, and from the many shapes of dumps."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kptdata as kd
from kptdata import (
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
from kptdata.formats import mediapipe
from kptdata.formats._mediapipe_read import SPACE

DATA = Path(__file__).parents[1] / "data" / "mediapipe" / "tasks.json"
NAN = np.nan
V = Visibility
POSE, HAND = load_schema("mediapipe_pose"), load_schema("mediapipe_hand")
SIZED = {"width": 100, "height": 200}


def points(size: int, start: float = 0.125, **more: float) -> list[dict[str, float]]:
    """Landmarks with places that tell which one is which."""
    return [
        {"x": start + k / 1024, "y": 0.25 + k / 1024, "z": -k / 64, **more} for k in range(size)
    ]


def saved(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def poses(count: int = 2, **columns: Any) -> PoseDataset:
    base = {
        "schema": POSE,
        "images": ImageTable.of(["a.jpg", "b.jpg"], width=[640, 512], height=[480, 77]),
        "image": np.arange(count) % 2,
        "xy": np.arange(count * 66.0).reshape(count, 33, 2),
        "visibility": np.full((count, 33), V.LABELLED),
    }
    return PoseDataset(**(base | columns))


# Reading


def test_a_file_typed_by_hand():
    body, hand = kd.read_all(DATA)

    assert (body.schema, hand.schema) == (POSE, HAND)
    assert body.images.file_name.tolist() == ["clip/000000.jpg", "clip/000001.jpg"]
    assert body.images.wh.tolist() == [[640, 480], [640, 480]]
    assert body.images.extras["mediapipe"].parsed(1) == {"timestamp_ms": 40}
    assert body.meta["fps"] == b"25"
    assert len(body) == len(hand) == 1
    nose, toe = POSE.index("nose"), POSE.index("right_foot_index")
    assert body.xy[0, nose].tolist() == [320, 120]
    assert body.keypoint_score[0, nose] == 0.999
    assert body.numbers["keypoints:presence"][0, toe] == 0.0625
    assert body.numbers["keypoints:z"][0, nose] == -0.375
    assert (body.visibility == V.LABELLED).all()
    assert body.xyz is None
    assert hand.xy[0, HAND.index("pinky_tip")].tolist() == [480, 240]
    assert hand.keypoint_score is None or np.isnan(hand.keypoint_score).all()
    assert hand.extras["handedness"].parsed(0)[0]["category_name"] == "Left"


def test_places_outside_of_the_picture_stay():
    (body, _) = kd.read_all(DATA)

    assert body.xy[0, POSE.index("left_foot_index"), 1] == 495


def test_a_file_typed_by_hand_is_written_with_every_value(tmp_path):
    found = kd.read_all(DATA)
    report = kd.formats.write_all(found, tmp_path / "a.json", format="mediapipe", strict=True)
    written = json.loads((tmp_path / "a.json").read_bytes())
    typed = json.loads(DATA.read_bytes())

    assert report.instances == 2
    assert not report.lost
    assert not report.invented
    assert written["fps"] == 25
    frame = typed["frames"][0] | {"width": 640, "height": 480}
    del frame["face_landmarks"]
    assert written["frames"][0] == frame
    back = kd.read_all(tmp_path / "a.json")
    assert all(one == other.replace(meta=one.meta) for one, other in zip(found, back, strict=True))


def test_a_schema_chooses_and_the_rest_is_kept(tmp_path):
    body, hand = (kd.read(DATA, schema=schema) for schema in (POSE, HAND))

    assert (body.schema, hand.schema) == (POSE, HAND)
    assert set(body.images.extras["mediapipe"].parsed(0)) == {
        "timestamp_ms", "hand_landmarks", "handedness", "face_landmarks",
    }  # fmt: skip
    report = kd.write(body, tmp_path / "a.json", format="mediapipe", strict=True)
    assert not report.lost
    assert len(kd.read_all(tmp_path / "a.json")) == 2
    with pytest.raises(SchemaError, match="no landmarks like the points of coco"):
        kd.read(DATA, schema="coco")


BODY = points(33, visibility=0.5)
SHAPES: dict[str, Any] = {
    "frames": {"frames": [{"pose_landmarks": [BODY]}], **SIZED},
    "list of frames": [{"pose_landmarks": [BODY], **SIZED}],
    "one frame": {"pose_landmarks": [BODY], **SIZED},
    "one person, not in a list": {"pose_landmarks": BODY, **SIZED},
    "frames by number": {"0": {"pose_landmarks": BODY, **SIZED}, "1": None},
    "older messages": [{"poseLandmarks": {"landmark": BODY}, **SIZED}],
    "lists of numbers": [{"pose_landmarks": [[*p.values()] for p in BODY], **SIZED}],
    "the browser's names": [{"landmarks": [BODY], "imageWidth": 100, "imageHeight": 200}],
    "size among metadata": {"metadata": {"width": 100, "height": 200}, "landmarks": [
        {"frame": 3, "pose_landmarks": BODY}]},
    "points with numbers": [{"pose_landmarks": [{"id": k, **BODY[k]} for k in range(33)], **SIZED}],
    "points by name, in another order": [{"pose_landmarks": [
        {"name": name.upper(), **BODY[k]} for k, name in reversed(list(enumerate(POSE.names)))
    ], **SIZED}],
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shapes_of_dumps(shape, tmp_path):
    path = saved(tmp_path / "walk.json", shape)

    ds = kd.read(path)

    assert ds.schema == POSE
    assert ds.xy.shape == (1, 33, 2)
    assert ds.xy[0, 32].tolist() == [(0.125 + 1 / 32) * 100, (0.25 + 1 / 32) * 200]
    assert ds.numbers["keypoints:z"][0, 32] == -0.5
    assert (ds.keypoint_score == 0.5).all()
    out = tmp_path / "out.json"
    assert not kd.write(ds, out, format="mediapipe", strict=True).lost
    assert kd.read(out, schema=POSE) == ds


@pytest.mark.parametrize("shape", [BODY, [BODY, BODY]], ids=["one", "frames"])
def test_bare_points(shape, tmp_path):
    path = saved(tmp_path / "walk.json", shape)

    with pytest.raises(FormatError, match=r"size of the picture is not known.*size=\(640, 480"):
        kd.read(path)
    ds = kd.read(path, size=(100, 200))

    assert len(ds) == len(shape) if shape is not BODY else 1
    assert ds.xy[0, 0].tolist() == [12.5, 50]
    assert ds.images.sequence[0] == "walk"
    assert ds.images.file_name[0] == "walk_000000"


def test_names_and_numbers_of_frames(tmp_path):
    frames = {"img/b.PNG": {"pose_landmarks": BODY, **SIZED}, "7": {"pose_landmarks": [], **SIZED}}

    ds = kd.read(saved(tmp_path / "walk.json", frames))

    assert ds.images.file_name.tolist() == ["img/b.PNG", "walk_000007"]
    assert ds.images.sequence.tolist() == ["", "walk"]
    assert ds.images.frame.tolist() == [kd.dataset.MISSING_INT, 7]


def test_sizes_from_pictures(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    path = saved(tmp_path / "walk.json", [{"image_path": "a.png", "pose_landmarks": [BODY]}])

    with pytest.raises(FormatError, match=r"\[0\].*neither for a\.png.*--images"):
        kd.read(path)
    assert kd.read(path, images=tmp_path).xy[0, 0].tolist() == [8, 12]
    path = saved(tmp_path / "walk.json", [{"image": "/home/a.png", "pose_landmarks": [BODY]}])
    with pytest.raises(FormatError, match="leads out"):
        kd.read(path)
    assert kd.read(path, images=tmp_path).images.file_name.tolist() == ["a.png"]


def test_world_landmarks_are_3d_points(tmp_path):
    world = [{"x": 0.5, "y": -0.25, "z": 0.125 * k, "visibility": 0.5} for k in range(33)]
    frame = {"image": "a.jpg", **SIZED, "pose_landmarks": [BODY, BODY],
             "pose_world_landmarks": [world, None]}  # fmt: skip
    path = saved(tmp_path / "walk.json", {"frames": [frame]})

    ds = kd.read(path)

    assert ds.xyz[0, 8].tolist() == [0.5, -0.25, 1]
    assert np.isnan(ds.xyz[1]).all()
    assert ds.space == Space(unit="m", frame="root", axes="right down forward")
    assert set(ds.numbers) == {"keypoints:z"}
    report = kd.write(ds, tmp_path / "out.json", format="mediapipe", strict=True)
    assert not report.lost
    assert json.loads((tmp_path / "out.json").read_bytes()) == {"frames": [frame]}


def test_world_landmarks_with_scores_of_their_own(tmp_path):
    world = [{"x": 0.5, "y": -0.25, "z": 0.5} for _ in range(33)]  # without visibility
    frame = {"image": "a.jpg", **SIZED, "pose_landmarks": [BODY], "pose_world_landmarks": [world]}
    path = saved(tmp_path / "walk.json", {"frames": [frame]})

    ds = kd.read(path)

    assert np.isnan(ds.numbers["keypoints:world_visibility"]).all()
    kd.write(ds, tmp_path / "out.json", format="mediapipe", strict=True)
    assert json.loads((tmp_path / "out.json").read_bytes()) == {"frames": [frame]}


def test_hands_of_the_older_interface(tmp_path):
    said = {"classification": [{"index": 1, "score": 0.75, "label": "Right"}]}
    frame = {
        **SIZED,
        "multi_hand_landmarks": [{"landmark": points(21)}],
        "multi_handedness": [said],
    }

    ds = kd.read(saved(tmp_path / "walk.json", [frame]))

    assert ds.schema == HAND
    assert ds.extras["handedness"].parsed(0) == said


def test_hands_of_a_person_keep_their_side(tmp_path):
    frame = {"image": "a.jpg", **SIZED, "pose_landmarks": [BODY],
             "right_hand_landmarks": points(21),
             "left_hand_landmarks": points(21, 0.5)}  # fmt: skip
    path = saved(
        tmp_path / "walk.json", {"frames": [frame, {**frame, "left_hand_landmarks": None}]}
    )

    body, hands = kd.read_all(path)

    assert len(body) == 2
    assert [hands.extras["hand"].parsed(row) for row in range(3)] == ["right", "left", "right"]
    kd.formats.write_all((body, hands), tmp_path / "out.json", format="mediapipe", strict=True)
    written = json.loads((tmp_path / "out.json").read_bytes())["frames"]
    assert written[0] == frame
    again = kd.read_all(tmp_path / "out.json")[1]
    assert again.differences(hands) == ()


def test_hands_by_the_names_of_the_interface(tmp_path):
    names = [
        n.upper() if k < 5 else n.upper().replace("_", "_FINGER_", 1)
        for k, n in enumerate(HAND.names[:17])
    ]
    names += [n.upper() for n in HAND.names[17:]]  # PINKY_MCP
    assert names[5] == "INDEX_FINGER_MCP"
    hand = [{"name": n, **p} for n, p in zip(names, points(21), strict=True)]
    path = saved(tmp_path / "walk.json", [{"hand_landmarks": [hand[::-1]], **SIZED}])

    assert kd.read(path).xy[0, :, 0].tolist() == [(0.125 + k / 1024) * 100 for k in range(21)]


def test_two_hands_of_one_side_are_listed_and_counted(tmp_path):
    hands = poses(
        2, schema=HAND, image=[0, 0], xy=np.ones((2, 21, 2)), visibility=np.full((2, 21), 4),
        extras={"hand": RawColumn([b'"left"', b'"left"'])},
    )  # fmt: skip

    report = kd.write(hands, tmp_path / "a.json", format="mediapipe")

    assert report.lost == {"extras": 2}
    assert len(json.loads((tmp_path / "a.json").read_bytes())["frames"][0]["hand_landmarks"]) == 2


@pytest.mark.parametrize("size", [468, 478])
def test_faces_are_numbered(size, tmp_path):
    frame = {"image": "a.jpg", **SIZED, "face_landmarks": [points(size)]}
    path = saved(tmp_path / "walk.json", {"frames": [frame]})

    ds = kd.read(path)

    assert ds.schema.name == f"mediapipe_face{size}"
    assert ds.schema.names[-1] == f"mediapipe_face_{size - 1}"
    assert not ds.schema.has_swaps
    kd.write(ds, tmp_path / "out.json", format="mediapipe", strict=True)
    assert json.loads((tmp_path / "out.json").read_bytes()) == {"frames": [frame]}


def test_missing_points_and_other_keys_of_points(tmp_path):
    odd: list[Any] = [*BODY]
    odd[3], odd[4], odd[5] = None, {"x": None, "y": None}, {**odd[5], "note": "here"}
    path = saved(tmp_path / "walk.json", [{"pose_landmarks": [odd], "image": "a.jpg", **SIZED}])

    ds = kd.read(path)

    assert ds.visibility[0, 3:6].tolist() == [V.UNLABELLED, V.UNLABELLED, V.LABELLED]
    assert ds.extras["mediapipe"].parsed(0) == {"points": [[5, {"note": "here"}]]}
    kd.write(ds, tmp_path / "out.json", format="mediapipe", strict=True)
    written = json.loads((tmp_path / "out.json").read_bytes())
    odd[4] = None
    assert written == [{"image": "a.jpg", **SIZED, "pose_landmarks": [odd]}]


def test_compressed(tmp_path):
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(DATA.read_bytes()))

    assert [len(ds) for ds in kd.read_all(path)] == [1, 1]


# Fractions or pixels


def test_pixels_are_refused_until_somebody_says_so(tmp_path):
    body = [{"x": 300 + k, "y": 100 + k, "z": 0} for k in range(33)]
    path = saved(tmp_path / "walk.json", [{"pose_landmarks": [body]}])

    with pytest.raises(FormatError, match=r"look like pixels.*pixels=True"):
        kd.read(path, size=(640, 480))
    ds = kd.read(path, pixels=True)
    assert ds.xy[0, 1].tolist() == [301, 101]
    assert ds.images.wh.tolist() == [[0, 0]]


def test_a_file_may_say_that_it_holds_fractions(tmp_path):
    far = poses(1, xy=np.full((1, 33, 2), 6400.0))

    kd.write(far, tmp_path / "a.json", format="mediapipe")

    assert json.loads((tmp_path / "a.json").read_bytes())["normalized"] is True
    assert kd.read(tmp_path / "a.json").xy.tolist() == far.xy.tolist()


# Refusals


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"pose_landmarks": [BODY[:25]]}, r"pose_landmarks\[0\].*not the landmarks of a pose.*33"),
        ({"landmarks": BODY[:20]}, "neither a pose, a hand nor a face"),
        ({"pose_landmarks": 7}, r"pose_landmarks.*expected a list.*a number"),
        ({"pose_landmarks": [[*BODY[:32], {"x": 1}]]}, r"\[0\]\[32\].*expected x and y"),
        ({"pose_landmarks": [[*BODY[:32], {"x": 1, "y": "b"}]]}, r"\[32\]\.y.*no number.*'b'"),
        ({"pose_landmarks": [[*BODY[:32], {"x": 1, "y": True}]]}, r"\[32\]\.y.*True"),
        ({"pose_landmarks": [[{"name": "tail", **BODY[0]}] * 33]}, "no landmark has this name"),
        ({"pose_landmarks": [[{"id": 4, **BODY[0]}] * 33]}, "each once"),
        ({"pose_landmarks": [BODY], "poseLandmarks": [BODY]}, "listed twice"),
        ({"pose_landmarks": [BODY], "pose_world_landmarks": [BODY, BODY]}, "differ in length"),
        ({"pose_world_landmarks": [BODY]}, "metres without a place in the picture"),
        ({"hand_landmarks": [points(21)], "handedness": ["a", "b"]}, "differ in length"),
    ],
)
def test_what_is_wrong_is_named(frame, message, tmp_path):
    path = saved(tmp_path / "walk.json", [{**SIZED, **frame}])

    with pytest.raises(KptDataError, match=message) as caught:
        kd.read(path, format="mediapipe")

    assert "walk.json" in str(caught.value)


@pytest.mark.parametrize(
    "content", [{"frames": [{"a": 1}]}, {"a": {"b": 1}}, [1, 2], {"frames": 1}]
)
def test_other_json_is_refused(content, tmp_path):
    path = saved(tmp_path / "walk.json", content)

    assert mediapipe.sniff(path).confidence == 0
    with pytest.raises(FormatError, match="walk"):
        kd.read(path, format="mediapipe")


@pytest.mark.parametrize("size", [(0, 5), (5,), (-1, 2), "64", (1.5, 2)])
def test_sizes_that_are_none(size):
    with pytest.raises(OptionError, match="size: expected width and height"):
        kd.read_all(DATA, size=size)


# Writing


def test_losses_are_counted(tmp_path):
    states = np.full((2, 33), V.VISIBLE)
    states[0, 0], states[1, 1] = V.OCCLUDED, V.ABSENT
    xy = np.arange(132.0).reshape(2, 33, 2)
    xy[1, 1] = NAN
    score = np.full((2, 33), 0.5)
    score[0, 2] = np.inf
    ds = poses(visibility=states, xy=xy, keypoint_score=score, track=[7, 8],
               xyz=np.ones((2, 33, 3)), space=Space(unit="mm"),
               extras={"note": RawColumn([b"1", None])})  # fmt: skip

    report = kd.write(ds, tmp_path / "a.json", format="mediapipe")

    assert report.lost == {
        "visibility": 66, "keypoint_score": 2, "track": 2, "xyz": 66, "space": 1, "extras": 1,
    }  # fmt: skip
    assert not report.invented


def test_places_that_no_file_may_hold_are_counted(tmp_path):
    xy = np.full((2, 33, 2), 5.0)
    xy[0, 0] = 1e305, 1

    report = kd.write(poses(xy=xy), tmp_path / "a.json", format="mediapipe")

    assert report.lost == {"xy": 1, "visibility": 1}
    assert kd.read(tmp_path / "a.json").num_labelled.tolist() == [32, 33]


def test_lists_of_others_that_nobody_could_read_are_counted(tmp_path):
    extras = {"mediapipe": RawColumn([b'{"hand_landmarks": [[1]], "note": 2}', None])}
    images = ImageTable.of(["a.jpg", "b.jpg"], width=[9, 9], height=[9, 9], extras=extras)

    report = kd.write(poses(images=images), tmp_path / "a.json", format="mediapipe")

    assert report.lost == {"image_extras": 1}
    ds = kd.read(tmp_path / "a.json")
    assert ds.images.extras["mediapipe"].parsed(0) == {"note": 2}


@pytest.mark.parametrize("point", [[None, 0.25], [0.25, None]])
def test_half_a_place_is_none(point, tmp_path):
    body = [[0.5, 0.5] for _ in range(32)] + [point]
    path = saved(tmp_path / "walk.json", [{"pose_landmarks": body, **SIZED}])

    ds = kd.read(path)

    assert ds.visibility[0, 32] == V.UNLABELLED
    assert np.isnan(ds.xy[0, 32]).all()


def test_points_are_written_by_name(tmp_path):
    backwards = Schema("mine", tuple(reversed(POSE.keypoints)), POSE.links)
    plain = poses()
    ds = poses(schema=backwards, xy=plain.xy[:, ::-1], xyz=np.ones((2, 33, 3)), space=SPACE)

    report = kd.write(ds, tmp_path / "a.json", format="mediapipe")

    assert report.lost == {"schema": 1}
    back = kd.read(tmp_path / "a.json")
    assert back.schema == POSE
    assert back.xy.tolist() == plain.xy.tolist()
    assert kd.read(tmp_path / "a.json", schema=backwards) == ds


def test_points_of_other_schemas_are_refused(tmp_path):
    ds = poses(schema=load_schema("coco"), xy=np.ones((2, 17, 2)), visibility=np.full((2, 17), 4))

    with pytest.raises(SchemaError, match=r"like the points of coco.*mediapipe_pose"):
        kd.write(ds, tmp_path / "a.json", format="mediapipe")

    mapped, _ = kd.ops.map_schema(ds, POSE)
    kd.write(mapped, tmp_path / "a.json", format="mediapipe")
    assert kd.read(tmp_path / "a.json").num_labelled.tolist() == [17, 17]


def test_people_in_pictures_of_unknown_size_are_refused(tmp_path):
    ds = poses(images=ImageTable.of(["a.jpg", "b.jpg"], width=[640, 0], height=[480, 0]))

    with pytest.raises(FormatError, match=r"b\.jpg.*size of a picture.*--images"):
        kd.write(ds, tmp_path / "a.json", format="mediapipe")
    assert not (tmp_path / "a.json").exists()


def test_names_that_lead_out_are_refused(tmp_path):
    ds = poses(images=ImageTable.of(["../a.jpg", "b.jpg"], width=[1, 1], height=[1, 1]))

    with pytest.raises(FormatError, match="leads out"):
        kd.write(ds, tmp_path / "a.json", format="mediapipe")

"""Dialects of COCO: every annotation file of the samples, and facts typed by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import parsed, same_json
from format_plants import PLANTS, plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import datasets

import kptdata as kd
from kptdata import DatasetError, SchemaError, Space, UnknownNameError, load_schema
from kptdata.dataset import MISSING_INT
from kptdata.formats import DIALECTS, FORMATS, load_format
from kptdata.visibility import Visibility

V = Visibility

PLACED = {
    "300vw/anno_300vw.json": "300vw",
    "300w/test_300w.json": "300w",
    "300wlp/test_300wlp.json": "300wlp",
    "aflw/test_aflw.json": "aflw",
    "aic/test_aic.json": "aic",
    "ak/test_animalkingdom.json": "animal_kingdom",
    "animalpose/test_animalpose.json": "animalpose",
    "ap10k/test_ap10k.json": "ap10k",
    "atrw/test_atrw.json": "atrw",
    "coco-mini/person_keypoints_train2017.json": "coco",
    "coco-mini/person_keypoints_val2017.json": "coco",
    "coco/test_coco.json": "coco",
    "coco/test_coco_det_AP_H_56.json": "coco_results",
    "coco/test_coco_wholebody.json": "coco_wholebody",
    "coco/test_keypoint_partition_metric.json": "coco_wholebody",
    "cofw/test_cofw.json": "cofw",
    "crowdpose/test_crowdpose.json": "crowdpose",
    "crowdpose/test_crowdpose_det_AP_40.json": "coco_results",
    "crowdpose_val/crowdpose_val.json": "crowdpose",
    "deepfasion2/deepfasion2.json": "deepfashion2",
    "fld/test_fld.json": "deepfashion",
    "freihand/test_freihand.json": "freihand",
    "h36m/h36m_coco.json": "h36m",
    "halpe/test_halpe.json": "halpe",
    "horse10/test_horse10.json": "horse10",
    "interhand2.6m/test_interhand2.6m_data.json": "interhand2d",
    "jhmdb/test_jhmdb_sub1.json": "jhmdb",
    "lapa/test_lapa.json": "lapa",
    "macaque/test_macaque.json": "macaque",
    "mpii/test_mpii.json": "mpii_hrnet",
    "mpii/test_mpii_trb.json": "mpii_trb",
    "ochuman/test_ochuman.json": "ochuman",
    "onehand10k/test_onehand10k.json": "onehand10k",
    "panoptic/test_panoptic.json": "panoptic",
    "posetrack18/annotations/test_posetrack18_human_detections.json": "coco_results",
    "posetrack18/annotations/test_posetrack18_val.json": "posetrack18",
    "posetrack18/annotations/val/003418_mpii_test.json": "posetrack18",
    "posetrack18/annotations/val/009473_mpii_test.json": "posetrack18",
    "posetrack18/annotations/val/012834_mpii_test.json": "posetrack18",
    "wflw/test_wflw.json": "wflw",
}
"""Annotation file of the samples -> the format or dialect that it is in."""

_BODY = "panoptic_body3d/160906_band"
OTHERS = {
    "campus/calibration_campus.json": "cameras alone",
    "interhand2.6m/test_interhand2.6m_camera.json": "cameras alone, beside the list of images",
    "interhand2.6m/test_interhand2.6m_joint_3d.json": "3D joints by capture and frame, no images",
    f"{_BODY}1/calibration_160906_band1.json": "cameras alone",
    f"{_BODY}1/hdPose3d_stage1_coco19/body3DScene_00000168.json": "3D bodies of a frame, no image",
    f"{_BODY}1/hdPose3d_stage1_coco19/body3DScene_00000169.json": "3D bodies of a frame, no image",
    f"{_BODY}2/calibration_160906_band2.json": "cameras alone",
    f"{_BODY}2/hdPose3d_stage1_coco19/body3DScene_00000139.json": "3D bodies of a frame, no image",
    f"{_BODY}2/hdPose3d_stage1_coco19/body3DScene_00000140.json": "3D bodies of a frame, no image",
    "shelf/calibration_shelf.json": "cameras alone",
}
"""JSON file of the samples that holds no annotations of images -> what it holds."""

IN_DIALECTS = {path: name for path, name in PLACED.items() if name in DIALECTS}


def points(count: int, v: float = 2, start: float = 10) -> list[float]:
    """Return a list of points on a slope."""
    return [n for k in range(count) for n in (start + k, start + 2 * k, v)]


def content(*annotations: dict[str, Any], names: Any = (), **changes: Any) -> dict[str, Any]:
    """Return a file of one image; annotations get what each has."""
    base = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 30, 40]}
    return {
        "images": [{"id": 7, "file_name": "7.jpg", "width": 640, "height": 480}],
        "annotations": [base | {"id": i + 1} | a for i, a in enumerate(annotations)],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(names),
             "skeleton": []}
        ],
    } | changes  # fmt: skip


def saved(path: Path, value: Any) -> Path:
    """Write a file by hand."""
    path.write_text(json.dumps(value))
    return path


def come_back(path: Path, target: Path, dialect: str) -> kd.PoseDataset:
    """Read and write in a dialect; the file comes back and nothing is lost or made up."""
    ds = kd.read(path, format=dialect)
    report = kd.write(ds, target, format=dialect)
    assert same_json(parsed(target), parsed(path))
    assert (dict(report.lost), dict(report.invented)) == ({}, {})
    assert report.format == dialect
    return ds


# Every file of the samples


def test_every_json_of_the_samples_is_placed(shared):
    folder = shared / "samples"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}

    assert found == {*PLACED, *OTHERS}


@pytest.mark.parametrize("name", PLACED)
def test_a_sample_comes_back_in_its_dialect(name, shared, tmp_path):
    path, form = shared / "samples" / name, PLACED[name]
    target, again = tmp_path / "a.json", tmp_path / "b.json"

    ds = kd.read(path, format=form)
    report = kd.write(ds, target, format=form)

    assert same_json(parsed(target), parsed(path))
    assert (dict(report.lost), dict(report.invented)) == ({}, {})
    kd.write(kd.read(target, format=form), again, format=form)
    assert again.read_bytes() == target.read_bytes()
    if form in DIALECTS:
        own = [DIALECTS[form].schema, *DIALECTS[form].also]
        assert ds.schema.hash() in {load_schema(n).hash() for n in own}


@pytest.mark.parametrize("name", IN_DIALECTS)
def test_a_sample_of_a_dialect_looks_like_coco(name, shared):
    assert kd.formats.sniff(shared / "samples" / name) == "coco"


@pytest.mark.parametrize("name", IN_DIALECTS)
def test_a_sample_keeps_its_own_keys_as_coco(name, shared, tmp_path):
    path, target = shared / "samples" / name, tmp_path / "a.json"
    ds = kd.read(path, format=IN_DIALECTS[name])

    report = kd.write(ds, target, format="coco")

    # What COCO's v and pixels say otherwise is said, and every other key stays as it was.
    assert set(report.lost) <= {"visibility_labelled"}
    told = {"keypoints", "bbox"} if report.lost else set()
    for kind in ("images", "annotations"):
        for new, old in zip(parsed(target)[kind], parsed(path)[kind], strict=True):
            assert new.keys() == old.keys()
            assert same_json({**new, **{k: old[k] for k in told & old.keys()}}, old)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_annotation_file_is_refused(name, shared):
    with pytest.raises(kd.KptDataError, match=Path(name).name):
        kd.read(shared / "samples" / name)


# The table


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_describes_itself(name):
    dialect = DIALECTS[name]

    assert dialect.name == name
    assert name not in FORMATS
    assert dialect.title
    assert dialect.facts
    assert dialect.source[0].isdigit()
    assert dialect.labelled in (None, 1, 2)
    schema = load_schema(dialect.schema)
    assert dialect.counted is None or dialect.counted < schema.num_keypoints
    assert len(dialect.misnamed) in (0, schema.num_keypoints)


def test_a_dialect_is_never_recognised(tmp_path):
    path = saved(tmp_path / "a.json", content({"keypoints": points(14)}))

    assert kd.formats.sniff(path) == "coco"
    assert kd.formats.format_of("a.json") == "coco"
    coco = load_format("coco").sniff(path)
    assert all(load_format(name).sniff(path) == coco for name in DIALECTS)


def test_a_folder_of_sequences_is_read_in_a_dialect(shared):
    folder = shared / "samples/posetrack18/annotations/val"

    (ds,), ledger = kd.read_files([folder], format="posetrack18")

    assert len(ds) == ledger.total == 14
    assert sorted(ds.images.sequence.tolist()) == ["003418", "009473", "012834"]


def test_a_name_that_no_dialect_has():
    with pytest.raises(UnknownNameError, match=r"unknown format 'crowd_pose': .*crowdpose"):
        kd.read("a.json", format="crowd_pose")


def test_points_of_another_dialect_are_refused(tmp_path):
    path = saved(tmp_path / "a.json", content({"keypoints": points(17)}))

    with pytest.raises(SchemaError, match="no file of crowdpose: read it as coco"):
        kd.read(path, format="crowdpose")
    with pytest.raises(DatasetError, match=r"files of crowdpose hold .* --schema crowdpose"):
        kd.write(plain("mpii"), tmp_path / "b.json", format="crowdpose")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_dialect_holds_boxes_without_points(tmp_path):
    ds = plain("coco")
    boxes = kd.PoseDataset(
        schema=kd.Schema.from_names((), name="boxes"), images=ds.images, image=ds.image,
        xy=np.zeros((4, 0, 2)), visibility=np.zeros((4, 0), int), bbox=ds.bbox,
    )  # fmt: skip
    kd.write(boxes, tmp_path / "a.json", format="jhmdb")

    stated = [a["bbox"] for a in parsed(tmp_path / "a.json")["annotations"]]
    assert stated == [[2, 3, 300, 400]] * 4


# What is written is what is read, or counted


def changed(before: kd.PoseDataset, after: kd.PoseDataset) -> set[str]:
    """Return the columns that are not as they were."""
    names = {line.partition(":")[0] for line in before.differences(after)}
    held = {f"{g}[{k!r}]" for g in ("meta", "extras", "numbers") for k in getattr(before, g)}
    held |= {f"images.extras[{k!r}]" for k in before.images.extras}
    return {n for n in names if "[" not in n or n.startswith(("boxes", "points")) or n in held}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_planted_value_is_kept_or_counted(name, tmp_path):
    base, found = plain(DIALECTS[name].schema), {}
    path = tmp_path / "a.json"

    def through(ds: kd.PoseDataset) -> tuple[kd.WriteReport, set[str]]:
        report = kd.write(ds, path, format=name)
        assert set(report.lost) <= set(load_format(name).LOSSES)
        return report, changed(ds, kd.read(path, format=name)) - {"order"}

    base_report, base_changed = through(base)
    for plant, planted in PLANTS.items():
        ds = planted(base)
        report, differs = through(ds)
        counted = any(
            n > of_base.get(key, 0)
            for of, of_base in (
                (report.lost, base_report.lost),
                (report.invented, base_report.invented),
            )
            for key, n in of.items()
        )
        found[plant] = differs - base_changed
        assert counted or not found[plant], f"{plant}: {found[plant]}"


HABITS = ["jhmdb", "posetrack18", "rhd", "h36m", "300w", "interhand2d", "mpii_trb"]


@pytest.mark.parametrize("name", HABITS)
@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_dataset_is_kept_or_counted(name, tmp_path, data):
    ds = data.draw(datasets(load_schema(DIALECTS[name].schema)))
    path, again = tmp_path / "a.json", tmp_path / "b.json"

    report = kd.write(ds, path, format=name)
    found = kd.read(path, format=name)
    repeated = kd.write(found, again, format=name)

    assert report.instances == len(found)
    if changed(ds, found) - {"order"}:
        assert report.lost or report.invented
    assert not repeated.lost
    assert same_json(parsed(again), parsed(path))
    assert kd.read(again, format=name) == found


@pytest.mark.parametrize("name", DIALECTS)
def test_damaged_files_raise_nothing_but_our_errors(name, tmp_path):
    ds = plain(DIALECTS[name].schema, count=1)
    path = tmp_path / "a.json"
    kd.write(ds, path, format=name)
    rng, whole, refused = np.random.default_rng(5), path.read_bytes(), 0
    for _ in range(25):
        data = bytearray(whole)
        at = int(rng.integers(0, len(data)))
        data[at : at + 1] = rng.choice([b'"', b"[", b"}", b"-", b"null", b"1e999", b",", b""])
        path.write_bytes(data)
        try:
            kd.read(path, format=name)
        except kd.KptDataError:
            refused += 1
    assert refused > 3


# Facts, dialect by dialect


def test_t8_jhmdb_counts_from_pixel_1(tmp_path):
    names = load_schema("jhmdb").names
    value = content(
        {"keypoints": points(15), "track_id": 0, "scores": []}, {"keypoints": points(15, 2, 0.1)},
        names=names,
        images=[{"id": 7, "file_name": "v/00002.png", "width": 320, "height": 240,
                 "vid_id": "00228", "frame_id": 2280002, "nframes": 37, "is_labeled": True}],
    )  # fmt: skip
    ds = come_back(saved(tmp_path / "a.json", value), tmp_path / "b.json", "jhmdb")

    assert ds.xy[0, :2].tolist() == [[9, 9], [10, 11]]
    assert ds.bbox.tolist() == [[0, 1, 30, 40]] * 2
    assert (ds.visibility == V.LABELLED).all()
    assert (ds.images.sequence.tolist(), ds.images.frame.tolist()) == (["00228"], [2])
    assert list(ds.images.extras) == ["nframes", "is_labeled"]


def test_t8_a_coordinate_whose_last_digit_1_takes_away_comes_back(tmp_path):
    # 1 less than these has fewer binary places left, and 1 more than that is another number.
    small, left = 0.1, -1.0000000000000002
    assert (small - 1) + 1 != small
    assert (left - 1) + 1 != left
    keypoints = [*points(15)[:-3], small, left, 2]
    value = content({"keypoints": keypoints, "bbox": [small, left, 0.1, 5]})
    path, target = saved(tmp_path / "a.json", value), tmp_path / "b.json"
    ds = come_back(path, target, "jhmdb")

    assert ds.xy[0, -1].tolist() == [small - 1, left - 1]
    # Once a point has moved, what it was is gone.
    moved = ds.replace(xy=ds.xy + 5, bbox=ds.bbox + np.array([5, 0, 0, 0]))
    assert not kd.write(moved, target, format="jhmdb").lost
    (a,) = parsed(target)["annotations"]
    assert a["keypoints"][-3:-1] == [small - 1 + 5 + 1, left - 1 + 5 + 1]
    assert a["bbox"][0] == small - 1 + 5 + 1


def test_t8_jhmdb_as_coco_is_written_in_cocos_pixels(tmp_path):
    value = content({"keypoints": points(15)}, names=load_schema("jhmdb").names)
    ds = kd.read(saved(tmp_path / "a.json", value), format="jhmdb")

    report = kd.write(ds, tmp_path / "b.json", format="coco")

    (a,) = parsed(tmp_path / "b.json")["annotations"]
    assert (a["keypoints"][:3], a["bbox"]) == ([9, 9, 2], [0, 1, 30, 40])
    assert dict(report.lost) == {"visibility_labelled": 15}


def test_t10_crowdpose_counts_the_first_twelve(tmp_path):
    report = kd.write(plain("crowdpose"), tmp_path / "a.json", format="crowdpose", complete=True)

    value = parsed(tmp_path / "a.json")
    assert [a["num_keypoints"] for a in value["annotations"]] == [12] * 4
    assert dict(report.invented) == {"num_keypoints": 4, "categories": 1}


@pytest.mark.parametrize("name", ["crowdpose", "aic", "exlpose", "jhmdb", "posetrack18"])
def test_t11_t52_no_area_is_made_up_where_files_have_none(name, tmp_path):
    ds = plain(DIALECTS[name].schema).replace(area=None, iscrowd=None)

    kd.write(ds, tmp_path / "a.json", format=name)
    keys = set().union(*parsed(tmp_path / "a.json")["annotations"])
    kd.write(ds, tmp_path / "b.json", format=name, area="box")
    others = parsed(tmp_path / "b.json")["annotations"]

    assert "area" not in keys
    assert ("iscrowd" in keys) == (name not in {"aic", "jhmdb"})
    assert [a["area"] for a in others] == [120_000] * 4  # asked for


@pytest.mark.parametrize("name", ["ap10k", "atrw", "300w", "ochuman", "lapa"])
def test_t52_area_is_that_of_the_box_where_files_have_that(name, tmp_path):
    ds = plain(DIALECTS[name].schema).replace(area=None)

    report = kd.write(ds, tmp_path / "a.json", format=name)

    assert [a["area"] for a in parsed(tmp_path / "a.json")["annotations"]] == [120_000] * 4
    assert report.invented["area (box)"] == 4


def test_t13_t19_what_v_means_depends_on_the_dialect(tmp_path):
    for name, one, two in (
        ("ochuman", V.OCCLUDED, V.VISIBLE),
        ("300w", V.LABELLED, V.VISIBLE),
        ("posetrack18", V.LABELLED, V.VISIBLE),
        ("onehand10k", V.LABELLED, V.VISIBLE),
        ("cofw", V.OCCLUDED, V.VISIBLE),
        ("lapa", V.OCCLUDED, V.LABELLED),
        ("macaque", V.OCCLUDED, V.LABELLED),
    ):
        count = load_schema(DIALECTS[name].schema).num_keypoints
        keypoints = [5, 6, 1, 7, 8, 2, 0, 0, 0, *points(count)[9:]]
        path = saved(tmp_path / f"{name}.json", content({"keypoints": keypoints}))
        ds = come_back(path, tmp_path / "b.json", name)
        assert ds.visibility[0, :3].tolist() == [one, two, V.UNLABELLED], name


def test_t19_a_state_that_v_cannot_say_is_counted(tmp_path):
    occluded = PLANTS["occluded"](plain("300w"))
    report = kd.write(occluded, tmp_path / "a.json", format="300w")
    assert dict(report.lost) == {"visibility_occluded": 2}
    with pytest.raises(kd.FormatError, match="v = 1 says no more here"):
        kd.write(occluded, tmp_path / "b.json", format="300w", strict=True)
    # Every point of these is visible.
    report = kd.write(plain("lapa"), tmp_path / "a.json", format="lapa")
    assert dict(report.lost) == {"visibility_visible": 4 * 106}


def test_t20_halpe_keeps_coordinates_of_unlabelled_points_and_counts_the_body(tmp_path):
    keypoints = [*points(135), 3, 4, 0]
    value = content({"keypoints": keypoints, "num_keypoints": 17}, {"keypoints": None})
    ds = come_back(saved(tmp_path / "a.json", value), tmp_path / "b.json", "halpe")

    assert ds.given_xy[0, -1].tolist() == [3, 4]
    kd.write(ds.replace(meta={}, extras={}), tmp_path / "b.json", format="halpe")
    counts = [a["num_keypoints"] for a in parsed(tmp_path / "b.json")["annotations"]]
    assert counts == [17, 0]


def test_t17_toes_of_halpe_and_whole_bodies_go_over_by_name():
    halpe, whole = load_schema("halpe"), load_schema("coco_wholebody")
    ds, _ = kd.ops.map_schema(plain("halpe"), whole)
    for toe in ("left_small_toe", "right_big_toe"):
        at = halpe.index(toe)
        assert ds.xy[:, whole.index(toe)].tolist() == plain("halpe").xy[:, at].tolist()


def test_t15_posetrack_names_its_frames_and_has_no_ears(tmp_path, shared):
    path = shared / "samples/posetrack18/annotations/test_posetrack18_val.json"
    ds = kd.read(path, format="posetrack18")

    assert ds.images.sequence.tolist() == ["012834", "009473", "003418"]
    assert ds.images.frame.tolist() == [0, 0, 0]
    assert ds.images.extras["is_labeled"].parsed(0) is True
    assert not ds.labelled[:, [3, 4]].any()
    assert set(np.unique(ds.visibility).tolist()) == {V.UNLABELLED, V.LABELLED}
    assert ds.boxes["head"][0].tolist() == [378, 503, 44, 53]
    assert ds.track[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("image", "sequence", "frame", "left"),
    [
        ({"vid_id": "012834", "frame_id": 10128340017}, "012834", 17, []),
        ({"vid_id": "012834", "frame_id": 17}, "012834", MISSING_INT, ["frame_id"]),
        ({"vid_id": "012834", "frame_id": True}, "012834", MISSING_INT, ["frame_id"]),
        ({"vid_id": "012834", "frame_id": "10128340017"}, "012834", MISSING_INT, ["frame_id"]),
        ({"vid_id": "012834"}, "012834", MISSING_INT, []),
        ({"vid_id": "a/b", "frame_id": 3}, "a/b", MISSING_INT, ["frame_id"]),
        ({"vid_id": 12834, "frame_id": 10128340017}, "", MISSING_INT, ["vid_id", "frame_id"]),
        ({"vid_id": "", "frame_id": None}, "", MISSING_INT, ["vid_id", "frame_id"]),
        ({"frame_id": 10128340017}, "", MISSING_INT, ["frame_id"]),
    ],
    ids=str,
)
def test_a_frame_is_typed_if_its_number_says_so(image, sequence, frame, left, tmp_path):
    value = content({"keypoints": points(17, 1)})
    value["images"][0] |= image
    ds = come_back(saved(tmp_path / "a.json", value), tmp_path / "b.json", "posetrack18")

    assert ds.images.column("sequence").tolist() == [sequence]
    assert ds.images.column("frame").tolist() == [frame]
    assert list(ds.images.extras) == left


def test_videos_from_elsewhere_are_numbered_as_posetrack_does(tmp_path):
    images = kd.ImageTable.of(["a.jpg", "b.jpg", "c.jpg"], sequence=["000005", "7", "street"],
                              frame=[3, 12000, 4])  # fmt: skip
    ds = plain("posetrack18").replace(images=images)

    report = kd.write(ds, tmp_path / "a.json", format="posetrack18")

    stated = parsed(tmp_path / "a.json")["images"]
    assert [i["vid_id"] for i in stated] == ["000005", "7", "street"]
    assert [i.get("frame_id") for i in stated] == [10000050003, None, None]
    assert dict(report.lost) == {"frame": 2}


def test_t16_human_art_has_two_lists_of_points(tmp_path):
    names = load_schema("humanart21").names
    a = {"keypoints": points(17), "num_keypoints": 17, "keypoints_21": points(21),
         "num_keypoints_21": 21, "self_contact": [1.5, 2], "annotator": 3}  # fmt: skip
    path = saved(tmp_path / "a.json", content(a, {"keypoints": points(17)}, names=names))
    ds = come_back(path, tmp_path / "b.json", "humanart")

    assert ds.schema.hash() == load_schema("human_art").hash()
    assert ds.extras["keypoints_21"].parsed(0) == points(21)
    assert ds.extras["keypoints_21"].parsed(1) is None
    # With the schema of the other list, that one is read, and both are written.
    full = kd.read(path, format="humanart", schema="humanart21")
    assert full.labelled.sum(axis=1).tolist() == [21, 17]
    for form in ("humanart", "coco"):
        report = kd.write(full, tmp_path / "b.json", format=form)
        assert same_json(parsed(tmp_path / "b.json"), parsed(path))
        assert (dict(report.lost), dict(report.invented)) == ({}, {})
    kd.write(full.replace(xy=full.xy + 1), tmp_path / "b.json", format="humanart")
    first, second = parsed(tmp_path / "b.json")["annotations"]
    assert first["keypoints_21"] == [n + (i % 3 < 2) for i, n in enumerate(points(21))]
    assert first["keypoints"] == first["keypoints_21"][:51] == second["keypoints"]
    assert "keypoints_21" not in second
    # The names alone would have it refused.
    with pytest.raises(SchemaError, match="name 21 keypoints and the annotations hold 17"):
        kd.read(path)


def test_t16_lists_that_differ_both_come_back(tmp_path):
    other = [*points(17)[:-3], 7, 8, 1]
    strange = [[n, n, 2] for n in range(17)]
    value = content(
        {"keypoints": other, "keypoints_21": points(21)},
        {"keypoints": strange, "keypoints_21": points(21)},
        {"keypoints_21": points(21)},
        {"keypoints": points(17)},
        {"keypoints": points(17), "keypoints_21": [[n, n, 1] for n in range(21)]},
    )
    path, target = saved(tmp_path / "a.json", value), tmp_path / "b.json"
    ds = kd.read(path, format="humanart", schema="humanart21")

    assert ds.xy[0, 16].tolist() == [26, 42]
    for form in ("humanart", "coco"):
        assert not kd.write(ds, target, format=form).lost
        assert same_json(parsed(target), parsed(path))
    value["annotations"][4]["keypoints_21"] = [1, 2]
    with pytest.raises(kd.FormatError, match=r"annotation 5: keypoints_21: .*63 numbers"):
        kd.read(saved(path, value), format="humanart", schema="humanart21")


def test_t16_fingers_from_elsewhere_are_written_in_the_second_list(tmp_path):
    ds = PLANTS["absent"](plain("humanart21"))
    states = ds.visibility.copy()
    states[1, 20] = V.LABELLED

    report = kd.write(ds.replace(visibility=states), tmp_path / "a.json", format="humanart")

    people = parsed(tmp_path / "a.json")["annotations"]
    assert [len(a["keypoints"]) for a in people] == [51] * 4
    assert [len(a["keypoints_21"]) for a in people] == [63] * 4
    assert (report.lost["visibility_absent"], report.lost["visibility_labelled"]) == (1, 1)
    again = kd.read(tmp_path / "a.json", format="humanart", schema="humanart21")
    assert np.array_equal(again.xy, ds.xy, equal_nan=True)


def test_t18_links_count_from_0_where_the_dialect_does(tmp_path):
    firsts = {}
    for name in ("atrw", "h36m", "exlpose", "ap10k", "aic"):
        kd.write(plain(DIALECTS[name].schema), tmp_path / "a.json", format=name)
        (category,) = parsed(tmp_path / "a.json")["categories"]
        links = load_schema(DIALECTS[name].schema).link_indices
        firsts[name] = {int(n) for n in (np.array(category["skeleton"]) - links).ravel()}

    assert firsts == {"atrw": {0}, "h36m": {0}, "exlpose": {0}, "ap10k": {1}, "aic": {1}}


def test_t45_deepfashion2_keeps_each_kind_of_clothes_in_its_run(shared):
    ds = kd.read(shared / "samples/deepfasion2/deepfasion2.json", format="deepfashion2")

    used = np.flatnonzero(ds.labelled.any(axis=0))
    assert set(ds.category.tolist()) == {11}
    assert (used.min(), used.max()) == (219, 255)
    assert (ds.numbers["pair_id"][0], ds.numbers["style"][0]) == (22, 1)


def test_t48_the_scale_of_mpii_trb_is_not_taken_for_mpiis(shared):
    ds = kd.read(shared / "samples/mpii/test_mpii_trb.json", format="mpii_trb")

    assert ds.points["center"][0].tolist() == [[966, 340]]
    assert not ds.numbers
    assert ds.extras["scale"].parsed(0) == 0.1756068552
    assert ds.bbox is None


def test_t50_rhd_nests_its_points_and_goes_from_tip_to_base(tmp_path):
    nested = [[10 + k, 20.5, 1] for k in range(20)] + [[0, 0, 0]]
    cam = [[1.5 * k, -2, 400] for k in range(21)]
    value = content(
        {"keypoints": nested, "joint_cam": cam, "hand_type": "left"},
        {"keypoints": nested, "joint_cam": cam, "hand_type": "interacting"},
        {"keypoints": nested, "hand_type": "none"},
        {"keypoints": nested, "joint_cam": cam[:3]},
        {"keypoints": nested, "joint_cam": "unknown", "hand_type": None},
    )
    path, target = saved(tmp_path / "a.json", value), tmp_path / "b.json"
    ds = come_back(path, target, "rhd")

    assert ds.schema.names[:3] == ("wrist", "thumb4", "thumb3")
    assert ds.visibility[0].tolist() == [V.LABELLED] * 20 + [V.UNLABELLED]
    assert ds.space == Space(unit="mm", frame="camera")
    assert ds.xyz[0].tolist() == cam
    assert np.isnan(ds.xyz[2:]).all()
    assert ds.numbers["hand_type"].tolist() == [[0, 1], [1, 1], *[[MISSING_INT] * 2] * 3]
    # Moved points are nested again; depth stays.
    report = kd.write(ds.replace(xy=ds.xy + 1), target, format="rhd")
    first = parsed(target)["annotations"][0]
    assert (first["keypoints"][0], first["joint_cam"]) == ([11, 21.5, 1], cam)
    assert not report.lost


def test_hands_from_elsewhere_are_written_as_rhd_has_them(tmp_path):
    ds = plain("rhd2d").replace(
        numbers={"hand_type": np.array([[1, 0], [0, 1], [1, 1], [0, 0]])},
        xyz=np.arange(4 * 21 * 3.0).reshape(4, 21, 3),
        space=Space(unit="mm"),
    )
    report = kd.write(ds, tmp_path / "a.json", format="rhd")

    value = parsed(tmp_path / "a.json")
    hands = [a.get("hand_type") for a in value["annotations"]]
    assert hands == ["right", "left", "interacting", None]
    assert value["annotations"][0]["keypoints"][1] == [12, 13, 2]
    assert value["annotations"][1]["joint_cam"][0] == [63, 64, 65]
    assert value["categories"][0]["name"] == "person"  # as the data says
    assert report.lost["numbers"] == 2
    again = kd.read(tmp_path / "a.json", format="rhd")
    assert (again.xyz == ds.xyz).all()
    # Metres are not millimetres.
    report = kd.write(ds.replace(space=Space(unit="m")), tmp_path / "a.json", format="rhd")
    assert report.lost["xyz"] == ds.xyz.size
    assert report.lost["space"] == 1


def test_interhand_states_hands_and_boxes(shared):
    path = shared / "samples/interhand2.6m/test_interhand2.6m_data.json"
    ds = kd.read(path, format="interhand2d")

    assert (ds.schema.num_keypoints, ds.labelled.any()) == (21, False)
    assert ds.numbers["hand_type"].tolist() == [[1, 1], [1, 1], [0, 1], [1, 0]]
    assert ds.numbers["hand_type_valid"].tolist() == [1, 1, 1, 1]
    assert ds.images.frame[0] == 69148
    assert ds.images.extras["camera"].parsed(0) == "400026"


def test_h36m_calls_the_legs_by_the_other_side(shared, tmp_path):
    path = shared / "samples/h36m/h36m_coco.json"
    ds = kd.read(path, format="h36m")

    # In the file left hip and left shoulder are on opposite sides of every person.
    hips = ds.xyz[:, ds.schema.index("left_hip")] - ds.xyz[:, ds.schema.index("right_hip")]
    arms = (
        ds.xyz[:, ds.schema.index("left_shoulder")] - ds.xyz[:, ds.schema.index("right_shoulder")]
    )
    cosine = (hips * arms).sum(axis=1) / np.linalg.norm(hips, axis=1) / np.linalg.norm(arms, axis=1)
    assert (cosine > 0.9).all()
    assert parsed(path)["categories"][0]["keypoints"][1] == "left_hip"
    assert ds.schema.names[1] == "right_hip"
    # Names that are known to be wrong do not go on to files of COCO.
    kd.write(ds, tmp_path / "a.json", format="coco")
    (category,) = parsed(tmp_path / "a.json")["categories"]
    assert category["keypoints"] == list(ds.schema.names)
    assert (kd.read(tmp_path / "a.json", schema="h36m").xy == ds.xy).all()


def test_h36m_states_metres_in_the_world(shared):
    """The cameras beside the file project its 3D points onto its 2D points."""
    ds = kd.read(shared / "samples/h36m/h36m_coco.json", format="h36m")
    assert ds.space == Space(unit="m", frame="world", axes="floor floor up")

    import pickle  # a sample that was there before us

    cameras = pickle.loads((shared / "samples/h36m/cameras.pkl").read_bytes())
    for row, file_name in enumerate(ds.images.file_name[ds.image].tolist()):
        subject, camera = file_name.split("_")[0], file_name.split(".")[1].split("_")[0]
        found = cameras[subject, camera]
        seen = found["R"].T @ (ds.xyz[row].T - found["T"])
        pixels = (found["f"] * seen[:2] / seen[2] + found["c"]).T
        # Lens distortion, left out here, moves points by up to some pixels.
        assert np.abs(pixels - ds.xy[row]).max() < 3


def test_a_fourth_number_that_is_not_1_is_no_coordinate(tmp_path):
    flat = [n for k in range(17) for n in (k, 2, 3.5, 1)]
    value = content(
        {"keypoints": points(17, 1), "keypoints_3d": flat},
        {"keypoints": points(17, 1), "keypoints_3d": [*flat[:-1], 0.5]},
        {"keypoints": points(17, 1), "keypoints_3d": flat[:-4]},
    )
    path = saved(tmp_path / "a.json", value)
    ds = come_back(path, tmp_path / "b.json", "h36m")

    assert ds.xyz[0, 2].tolist() == [2, 2, 3.5]
    assert np.isnan(ds.xyz[1:]).all()
    # Another schema's points are not those that keypoints_3d speaks of.
    mapped, _ = kd.ops.map_schema(ds, load_schema("coco"))
    report = kd.write(mapped, tmp_path / "b.json", format="coco")
    assert "keypoints_3d" not in parsed(tmp_path / "b.json")["annotations"][0]
    assert report.lost["xyz"] > 0


def test_panoptic_errors_are_divided_by_the_head_size(shared):
    ds = kd.read(shared / "samples/panoptic/test_panoptic.json", format="panoptic")

    assert ds.numbers["head_size"].tolist()[:1] == [140.0]
    found = kd.metrics.evaluate(ds, ds.replace(answers=ds.id), metric="pckh")
    assert found.to_dict()


def test_t46_cofw_marks_hidden_points_as_coco_does(shared):
    ds = kd.read(shared / "samples/cofw/test_cofw.json", format="cofw")

    assert {V.OCCLUDED, V.VISIBLE} == set(np.unique(ds.visibility).tolist())


def test_t47_a_misspelt_is_crowd_stays_as_it_is(tmp_path):
    value = content({"keypoints": points(98, 1), "is_crowd": 0})
    ds = come_back(saved(tmp_path / "a.json", value), tmp_path / "b.json", "wflw")

    assert ds.iscrowd is None


def test_t49_t57_aflw_has_its_box_size(shared):
    ds = kd.read(shared / "samples/aflw/test_aflw.json", format="aflw")

    assert ds.numbers["box_size"].tolist()[0] == 362.0
    assert ds.numbers["scale"].tolist()[0] == 1.81
    assert ds.points["center"][0].tolist() == [[449, 321]]


def test_flags_of_a_whole_body_are_typed_if_they_are_true_or_false(shared, tmp_path):
    path = shared / "samples/coco/test_coco_wholebody.json"
    value = parsed(path)
    value["annotations"][0]["face_valid"] = 1
    value["annotations"][1]["face_valid"] = None
    del value["annotations"][2]["face_valid"]
    ds = come_back(saved(tmp_path / "a.json", value), tmp_path / "b.json", "coco_wholebody")

    assert ds.numbers["face_valid"][:3].tolist() == [-1, -1, -1]
    assert ds.numbers["lefthand_valid"][:2].tolist() == [0, 1]
    assert set(ds.boxes) == {"face", "left_hand", "right_hand"}


# Columns and their texts


def test_a_typed_key_that_changed_is_written_as_it_is_now(tmp_path):
    value = content({"keypoints": points(68, 1), "center": [10.0, 20], "scale": "big"},
                    {"keypoints": points(68, 1), "center": [5, 6, 7], "scale": 2})  # fmt: skip
    path, target = saved(tmp_path / "a.json", value), tmp_path / "b.json"
    ds = come_back(path, target, "300w")
    assert ds.points["center"][0].tolist() == [[10, 20]]
    assert math.isnan(ds.numbers["scale"][0])

    changed = ds.replace(
        points={"center": ds.points["center"] + 1}, numbers={"scale": np.array([3.5, 2])}
    )
    for form in ("300w", "coco"):
        report = kd.write(changed, target, format=form)
        first, second = parsed(target)["annotations"]
        assert (first["center"], first["scale"]) == ([11, 21], 3.5)
        assert (second["center"], second["scale"]) == ([5, 6, 7], 2)
        assert report.lost["stale_text"] == 1


def test_numbers_of_another_shape_or_type_are_counted(tmp_path):
    ds = plain("300w").replace(
        numbers={"scale": np.array([1.5, np.inf, np.nan, 2])},
        points={"center": np.array([[[1.0, 2]], [[np.nan, 3]], [[np.nan] * 2], [[5, 6]]])},
    )
    report = kd.write(ds, tmp_path / "a.json", format="300w")

    stated = parsed(tmp_path / "a.json")["annotations"]
    assert [a.get("scale") for a in stated] == [1.5, None, None, 2]
    assert [a.get("center") for a in stated] == [[1, 2], None, None, [5, 6]]
    assert (report.lost["numbers"], report.lost["points"]) == (1, 1)
    square = ds.replace(numbers={"scale": np.ones((4, 2))}, points={})
    assert kd.write(square, tmp_path / "a.json", format="300w").lost["numbers"] == 8


def test_several_datasets_share_their_images(tmp_path):
    """Two species of one file, each with its own names, and images of which one has no id."""
    value = content({"keypoints": points(17), "category_id": 1}, {"keypoints": [1, 2, 2],
                    "category_id": 2})  # fmt: skip
    value["categories"] = [
        {"id": 1, "name": "dog", "keypoints": list(load_schema("ap10k").names), "skeleton": []},
        {"id": 2, "name": "ball", "keypoints": ["middle"], "skeleton": []},
    ]
    value["images"] += [{"file_name": "no_id.jpg", "vid_id": "7"}, {"file_name": "none.jpg"}]
    path, target = saved(tmp_path / "a.json", value), tmp_path / "b.json"

    for name in ("ap10k", "coco"):
        parts = kd.read_all(path, format=name)
        report = kd.formats.write_all(parts[:1], target, format=name)
        assert len(parts) == 2
        assert len(parsed(target)["images"]) == 3
        assert not report.lost


def test_a_schema_that_is_given_wins(tmp_path):
    path = saved(tmp_path / "a.json", content({"keypoints": points(26)}))

    ds = kd.read(path, format="halpe", schema="halpe26")
    kd.write(ds, tmp_path / "b.json", format="halpe")

    assert ds.schema.hash() == load_schema("halpe26").hash()
    assert same_json(parsed(tmp_path / "b.json"), parsed(path))
    with pytest.raises(SchemaError, match="points of coco"):
        kd.read(path, format="halpe", schema="coco")

"""The published MPII files, where the optional folder is there."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from mpii_files import load, same_files

import kptdata as kd
from kptdata import PoseDataset
from kptdata.formats import mpii, mpii_h5, mpii_hrnet
from kptdata.summary import summarise


@pytest.fixture(scope="module")
def folder(shared) -> Path:
    return shared / "samples" / "mpii_pckh"


@pytest.fixture(scope="module")
def validation(folder) -> PoseDataset:
    return kd.read(folder / "mpii_val_release.mat")


@pytest.fixture(scope="module")
def hourglass(folder) -> dict[str, np.ndarray]:
    with h5py.File(folder / "valid.h5") as file:
        return {key: value[()] for key, value in file.items()}


def test_all_people_and_flags_are_counted(validation):
    assert (len(validation), len(validation.images)) == (2958, 2729)
    assert summarise(validation)["facts"]["is_visible"] == {
        "number": 35757, "text '1'": 1891, "text '0'": 730, "empty": 5862, "absent": 0,
    }  # fmt: skip


def test_another_reading_agrees_joint_by_joint(validation, hourglass):
    names = validation.images.file_name[validation.image].tolist()
    assert names == [name.decode() for name in hourglass["imgname"]]
    # The authors count from 1, cut decimals off, and write (0, 0) for a missing point.
    cut = np.where(validation.labelled[..., None], np.trunc(validation.xy + 1), 0)
    np.testing.assert_array_equal(cut, hourglass["part"])
    seen = validation.labelled & (validation.visibility != kd.Visibility.OCCLUDED)
    np.testing.assert_array_equal(seen, hourglass["visible"])
    scale, place = validation.numbers["scale"], validation.points["objpos"][:, 0] + 1
    np.testing.assert_array_equal(scale * 1.25, hourglass["scale"])
    np.testing.assert_array_equal(place[:, 1] + 15 * scale, hourglass["center"][:, 1])
    head = validation.boxes["head"]
    np.testing.assert_allclose(0.6 * np.hypot(head[:, 2], head[:, 3]), hourglass["normalize"])


def test_head_boxes_and_points_agree_with_the_arrays_that_pckh_is_computed_on(validation, folder):
    arrays = load(folder / "detections_our_format.mat")
    corners = arrays["headboxes_src"].transpose(2, 0, 1)
    head = validation.boxes["head"]
    np.testing.assert_allclose(corners[:, 0], head[:, :2] + 1, atol=1e-3)  # kept as 32 bits there
    np.testing.assert_allclose(corners[:, 1] - corners[:, 0], head[:, 2:], atol=1e-3)
    np.testing.assert_array_equal(arrays["jnt_missing"].T == 1, ~validation.labelled)


def test_the_release_comes_back_equal_in_every_field(validation, folder, tmp_path):
    report = kd.write(validation, tmp_path / "out.mat", strict=True)

    assert not report.lost
    assert not report.invented
    assert same_files(folder / "mpii_val_release.mat", tmp_path / "out.mat")
    assert kd.read(tmp_path / "out.mat") == validation


def test_the_small_release_comes_back_too(shared, tmp_path):
    source = shared / "samples/mpii/mpii_release_sample.mat"
    ds = kd.read(source, images=source.parent)

    assert (len(ds), len(ds.images)) == (8, 7)
    assert int((ds.images.width > 0).sum()) == 5
    assert ds.images.wh[0].tolist() == [1280, 720]
    kd.write(ds, tmp_path / "out.mat")
    assert same_files(source, tmp_path / "out.mat")


def test_coco_evaluates_the_result(folder, tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    kd.convert(folder / "mpii_val_release.mat", tmp_path / "val.json", target_format="coco")
    truth = COCO(str(tmp_path / "val.json"))
    people = truth.loadAnns(truth.getAnnIds())
    assert (len(people), len(truth.getImgIds())) == (2958, 2729)
    results = [
        {**{key: p[key] for key in ("image_id", "category_id", "keypoints")}, "score": 1.0}
        for p in people
        if p["num_keypoints"]
    ]
    evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
    evaluation.params.kpt_oks_sigmas = kd.load_schema("mpii").sigmas
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()

    assert evaluation.stats[0] == 1.0
    assert evaluation.stats[5] == 1.0


def test_hrnet_json(shared, tmp_path):
    source = shared / "samples/mpii/test_mpii.json"
    ds = kd.read(source)

    report = kd.write(ds, tmp_path / "out.json", format="mpii_hrnet", strict=True)

    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(source.read_text())
    assert not report.invented


def test_hrnet_json_and_release_agree(shared, validation):
    ds = kd.read(shared / "samples/mpii/test_mpii.json")
    names = validation.images.file_name[validation.image].tolist()
    for n, name in enumerate(ds.images.file_name[ds.image].tolist()):
        rows = [row for row, own in enumerate(names) if own == name]
        apart = [
            np.abs(validation.points["objpos"][r] - ds.points["objpos"][n]).max() for r in rows
        ]
        row = rows[int(np.argmin(apart))]
        np.testing.assert_allclose(validation.xy[row], ds.xy[n], atol=1e-3)
        np.testing.assert_allclose(validation.bbox[row], ds.bbox[n], atol=1e-3)


def test_h5_comes_back_equal_in_every_dataset(folder, hourglass, tmp_path):
    ds = kd.read(folder / "valid.h5")

    report = kd.write(ds, tmp_path / "out.h5", strict=True)

    assert not report.invented
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == set(hourglass)
        for key, value in hourglass.items():
            np.testing.assert_array_equal(file[key][()], value, err_msg=key)
        assert dict(file.attrs) == {"name": "mpii"}


def test_release_to_the_other_layouts(validation, tmp_path):
    report = kd.write(validation, tmp_path / "out.json", format="mpii_hrnet")
    (found,) = mpii_hrnet.read_all(tmp_path / "out.json")
    np.testing.assert_array_equal(found.xy, validation.xy)
    np.testing.assert_array_equal(found.bbox, validation.bbox)
    assert report.lost["visibility"] == 38378

    report = kd.write(validation, tmp_path / "out.h5")
    (found,) = mpii_h5.read_all(tmp_path / "out.h5")
    np.testing.assert_array_equal(found.xy, validation.xy)
    np.testing.assert_allclose(found.bbox, validation.bbox, rtol=1e-12, atol=1e-9)
    assert report.lost["visibility"] == 5862


def test_no_format_of_the_family_claims_the_older_layouts(folder):
    for name in ("detections.mat", "detections_our_format.mat"):
        assert mpii.sniff(folder / name).confidence == 0

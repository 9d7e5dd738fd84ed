"""Files of public datasets, where the optional folder is there: all come back parsed-equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from coco_files import parsed, same_json

from kptdata import SchemaError, load_schema
from kptdata.formats import coco, coco_results

SAMPLES = {
    "300vw/anno_300vw.json": "300vw",
    "300w/test_300w.json": "300w",
    "300wlp/test_300wlp.json": "300wlp",
    "aflw/test_aflw.json": "aflw",
    "aic/test_aic.json": None,
    "ak/test_animalkingdom.json": None,
    "animalpose/test_animalpose.json": None,
    "ap10k/test_ap10k.json": None,
    "atrw/test_atrw.json": None,
    "coco-mini/person_keypoints_train2017.json": None,
    "coco-mini/person_keypoints_val2017.json": None,
    "coco/test_coco.json": None,
    "coco/test_coco_wholebody.json": None,
    "coco/test_keypoint_partition_metric.json": "coco_wholebody",
    "cofw/test_cofw.json": "cofw",
    "crowdpose/test_crowdpose.json": None,
    "crowdpose_val/crowdpose_val.json": None,
    "deepfasion2/deepfasion2.json": None,
    "fld/test_fld.json": None,
    "freihand/test_freihand.json": None,
    "h36m/h36m_coco.json": None,
    "halpe/test_halpe.json": "halpe",
    "horse10/test_horse10.json": None,
    "interhand2.6m/test_interhand2.6m_data.json": None,
    "jhmdb/test_jhmdb_sub1.json": None,
    "lapa/test_lapa.json": "lapa",
    "macaque/test_macaque.json": None,
    "mpii/test_mpii_trb.json": None,
    "ochuman/test_ochuman.json": None,
    "onehand10k/test_onehand10k.json": None,
    "panoptic/test_panoptic.json": None,
    "posetrack18/annotations/test_posetrack18_val.json": None,
    "posetrack18/annotations/val/003418_mpii_test.json": None,
    "posetrack18/annotations/val/009473_mpii_test.json": None,
    "posetrack18/annotations/val/012834_mpii_test.json": None,
    "wflw/test_wflw.json": "wflw",
}
"""File -> schema to give, where the file does not name its points."""

GIVEN = {
    "aic/test_aic.json": "aic",
    "ak/test_animalkingdom.json": "animal_kingdom",
    "ap10k/test_ap10k.json": "ap10k",
    "coco/test_coco_wholebody.json": "coco_wholebody",
    "crowdpose_val/crowdpose_val.json": "crowdpose",
    "deepfasion2/deepfasion2.json": "deepfashion2",
    "freihand/test_freihand.json": "freihand",
    "ochuman/test_ochuman.json": "ochuman",
}
"""File -> the dataset's own schema, whose names are spelled otherwise."""

RESULTS = (
    "coco/test_coco_det_AP_H_56.json",
    "crowdpose/test_crowdpose_det_AP_40.json",
    "posetrack18/annotations/test_posetrack18_human_detections.json",
)


def come_back(path: Path, target: Path, schema: str | None) -> None:
    """Read, write, compare, and write again."""
    chosen = None if schema is None else load_schema(schema)
    assert coco.sniff(path).confidence > 0.5

    report = coco.write_all(coco.read_all(path, schema=chosen), target)

    assert same_json(parsed(target), parsed(path))
    assert not report.lost
    assert not report.invented
    first = target.read_bytes()
    coco.write_all(coco.read_all(target, schema=chosen), target)
    assert target.read_bytes() == first


@pytest.mark.parametrize(("name", "schema"), [*SAMPLES.items(), *GIVEN.items()])
def test_a_sample_comes_back(name, schema, shared, tmp_path):
    come_back(shared / "samples" / name, tmp_path / "a.json", schema)


@pytest.mark.parametrize("name", [name for name, schema in SAMPLES.items() if schema])
def test_a_sample_that_does_not_name_its_points(name, shared):
    with pytest.raises(SchemaError, match=rf"points: .*{SAMPLES[name]}"):
        coco.read_all(shared / "samples" / name)


def test_a_schema_with_left_and_right_the_other_way_round(shared):
    path = shared / "samples/h36m/h36m_coco.json"
    with pytest.raises(SchemaError, match="expected 'right_hip', found 'left_hip' at 1"):
        coco.read_all(path, schema=load_schema("h36m"))


@pytest.mark.parametrize("name", RESULTS)
def test_detections_come_back(name, shared, tmp_path):
    path, target = shared / "samples" / name, tmp_path / "a.json"
    assert coco_results.sniff(path).confidence > 0.5

    coco_results.write_all(coco_results.read_all(path), target)

    assert same_json(parsed(target), parsed(path))


def test_crowdpose_keeps_its_own_counts(shared):
    (ds,) = coco.read_all(shared / "samples/crowdpose_val/crowdpose_val.json")

    assert (len(ds), len(ds.images)) == (8527, 2000)
    counts = [ds.extras["num_keypoints"].parsed(row) for row in range(len(ds))]
    assert counts == ds.labelled[:, :12].sum(axis=1).tolist()
    assert [(ds.visibility == v).sum() for v in (0, 1, 2)] == [40747, 51590, 27041]
    assert ds.area is None


def test_halpe_keeps_coordinates_of_unlabelled_points(shared):
    path = shared / "samples/halpe/test_halpe.json"
    (ds,) = coco.read_all(path, schema=load_schema("halpe"))

    assert int((~ds.labelled & ~np.isnan(ds.given_xy[..., 0])).sum()) == 39

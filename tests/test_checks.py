"""Every rule on a planted defect, and silence on clean data."""

import numpy as np
import pytest
from datasets import crowd, full_pair

from kptdata import ImageTable, UnknownNameError, Visibility, check, load_schema, summarise
from kptdata.checks import RULES

V = Visibility


def clean(count=12):
    """People standing upright and facing the camera, one in an image of 200 x 200."""
    schema = load_schema("coco")
    row = {"nose": 20, "eye": 15, "ear": 16, "shoulder": 50, "elbow": 80, "wrist": 100,
           "hip": 110, "knee": 150, "ankle": 190}  # fmt: skip
    aside = {"nose": 0, "eye": 5, "ear": 10, "shoulder": 30, "elbow": 35, "wrist": 36,
             "hip": 20, "knee": 20, "ankle": 20}  # fmt: skip
    xy = np.array(
        [
            [
                100 + aside[n.split("_")[-1]] * (1 if n.startswith("left") else -1),
                row[n.split("_")[-1]],
            ]
            for n in schema.names
        ],
        dtype=float,
    )
    images = ImageTable.of(
        [f"{i}.png" for i in range(count)], width=[200] * count, height=[200] * count
    )
    return crowd(count).replace(
        images=images,
        image=np.arange(count),
        xy=np.repeat(xy[None], count, axis=0),
        visibility=np.full((count, 17), V.VISIBLE),
        bbox=np.tile([60.0, 10, 80, 185], (count, 1)),
        area=np.full(count, 9000.0),
        iscrowd=np.zeros(count),
    )


def with_xy(ds, row, point, value):
    xy = ds.xy.copy()
    xy[row, ds.schema.index(point)] = value
    return ds.replace(xy=xy)


def exchanged(ds, a, b, rows=slice(None)):
    xy = ds.xy.copy()
    i, j = ds.schema.index(a), ds.schema.index(b)
    xy[rows, i], xy[rows, j] = ds.xy[rows, j], ds.xy[rows, i]
    return ds.replace(xy=xy)


def changed(ds, name, row, value):
    column = getattr(ds, name).copy()
    column[row] = value
    return ds.replace(**{name: column})


def no_points(ds, row):
    xy, states = ds.xy.copy(), ds.visibility.copy()
    xy[row], states[row] = np.nan, V.UNLABELLED
    return ds.replace(xy=xy, visibility=states)


PLANTED = {
    "keypoint-outside-image": (lambda d: with_xy(d, 3, "nose", (-2, 20)), (4,)),
    "box-outside-image": (lambda d: changed(d, "bbox", 2, (300, 0, 10, 10)), (3,)),
    "box-degenerate": (lambda d: changed(d, "bbox", 2, (60, 10, 0, 185)), (3,)),
    "keypoint-far-from-box": (lambda d: changed(d, "bbox", 5, (0, 0, 20, 20)), (6,)),
    "duplicate-id": (lambda d: changed(d, "id", 1, 1), (1,)),
    "duplicate-image-id": (
        lambda d: d.replace(images=ImageTable.of(d.images.file_name, id=[1, 1, *range(3, 13)])),
        (1,),
    ),
    "id-zero": (lambda d: changed(d, "id", 0, 0), (0,)),
    "image-not-listed": (lambda d: changed(d, "image", 7, -1), (8,)),
    "area-tiny": (lambda d: changed(d, "area", 4, 1), (5,)),
    "area-larger-than-box": (lambda d: changed(d, "area", 4, 90000), (5,)),
    "area-missing": (lambda d: changed(d, "area", 4, np.nan), (5,)),
    "unlabelled-instance": (lambda d: no_points(d, 9), (10,)),
    "keypoints-coincide": (lambda d: d.replace(xy=np.where(np.arange(12)[:, None, None] == 6,
                                                           70.0, d.xy)), (7,)),
    "sides-disagree": (lambda d: exchanged(d, "left_hip", "right_hip", 2), (3,)),
    "pair-exchanged": (lambda d: exchanged(d, "left_knee", "right_knee"),
                       ("left_knee", "right_knee")),
    "left-right-swapped": (lambda d: exchanged(
        exchanged(d, "left_hip", "right_hip", 2), "left_shoulder", "right_shoulder", 2), (3,)),
}  # fmt: skip


def test_clean_data_has_no_findings():
    assert check(clean()) == ()


@pytest.mark.parametrize("rule", PLANTED)
def test_planted_defect_is_found_with_its_ids(rule):
    plant, ids = PLANTED[rule]

    findings = {f.rule: f for f in check(plant(clean()))}

    assert findings[rule].ids == ids
    assert findings[rule].severity in {"error", "warning"}
    assert findings[rule].to_dict()["count"] == len(ids)


def test_every_rule_has_a_planted_defect():
    assert set(RULES) == {*PLANTED, "image-missing"}


def test_missing_files(tmp_path):
    ds = clean(2)
    (tmp_path / "0.png").write_bytes(b"x")

    (finding,) = check(ds, images=tmp_path)

    assert (finding.rule, finding.of, finding.ids) == ("image-missing", "image", ("1.png",))


def test_chosen_rules_only():
    broken = changed(changed(clean(), "id", 0, 0), "area", 0, 0)

    assert [f.rule for f in check(broken, rules=["id-zero"])] == ["id-zero"]
    with pytest.raises(UnknownNameError, match="did you mean id-zero"):
        check(broken, rules=["id-zeros"])


@pytest.mark.parametrize(
    "ds", [clean()[:0], full_pair(), crowd(9)], ids=["empty", "full", "random"]
)
def test_any_dataset_can_be_checked_and_summarised(ds):
    check(ds)
    summary = summarise(ds)
    assert summary["counts"]["instances"] == len(ds)


def test_summary_counts():
    summary = summarise(full_pair())

    assert summary["counts"]["crowd"] == 1
    assert summary["visibility"]["nose"] == {
        "unlabelled": 1, "occluded": 0, "visible": 1, "absent": 0, "labelled": 0,
    }  # fmt: skip
    assert summary["image_wh"]["unknown"] == 1
    assert summary["image_wh"]["width"]["max"] == 640
    assert summary["missing"]["bbox"] == 1
    assert summary["categories"] == {"1: person": 2}
    assert summary["extras"] == {"note": 1}
    assert summary["area"]["median"] == 106

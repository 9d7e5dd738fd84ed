"""COCO ground truth: what is read, and that every key comes back."""

from __future__ import annotations

import gc
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import NAMES, annotation, ground_truth, parsed, same_json, save, wholebody

import kptdata as kd
from kptdata import FormatError, SchemaError, load_schema
from kptdata.formats import coco
from kptdata.visibility import Visibility

NAN = np.nan
DATA = Path(__file__).parents[1] / "data" / "coco"


def round_trip(content: Any, folder: Path, **options: Any) -> tuple[Any, Any]:
    """Return what was given and what is read and written of it; twice written is the same bytes."""
    source, target, again = (folder / f"{n}.json" for n in ("source", "target", "again"))
    save(content, source)
    report = coco.write_all(coco.read_all(source, **options), target)
    assert not report.lost
    assert not report.invented
    coco.write_all(coco.read_all(target, **options), again)
    assert again.read_bytes() == target.read_bytes()
    return parsed(source), parsed(target)


# Values


def test_values():
    (ds,) = coco.read_all(DATA / "three_points.json")

    assert ds.schema.names == ("nose", "left_eye", "right_eye")
    assert ds.id.tolist() == [101, 102]
    assert ds.image.tolist() == [0, 1]
    assert ds.images.id.tolist() == [7, 3]
    assert ds.images.file_name.tolist() == ["000007.jpg", "sub/000003.jpg"]
    assert ds.images.wh.tolist() == [[640, 480], [100, 90]]
    assert ds.images.extras["crowdIndex"].parsed(0) == 0.35
    assert ds.visibility.tolist() == [[2, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(ds.xy[0], [[160, 80.25], [166, 74], [NAN, NAN]])
    assert np.isnan(ds.xy[1]).all()
    np.testing.assert_array_equal(ds.given_xy[1], [[NAN, NAN], [5, 6], [NAN, NAN]])
    assert ds.bbox.tolist() == [[100, 50, 120, 300], [0, 0, 20, 10]]
    assert ds.area.tolist() == [19080.5, 200]
    assert ds.iscrowd.tolist() == [0, 1]
    assert ds.category.tolist() == [1, 1]
    assert dict(ds.categories) == {1: "person"}
    assert ds.extras["num_keypoints"].parsed(0) == 2
    assert ds.extras["segmentation"].parsed(1)["counts"] == [0, 200, 8800]
    assert ds.meta["licenses"] == b"[]"


def test_what_is_not_stated_is_missing(tmp_path):
    bare = {"id": 5, "image_id": 7, "category_id": 1, "keypoints": [0] * 51}
    (ds,) = coco.read_all(save(ground_truth(bare), tmp_path / "a.json"))

    for name in ("bbox", "area", "iscrowd", "score", "track", "given_xy", "keypoint_score"):
        assert getattr(ds, name) is None
    assert not ds.labelled.any()
    assert not ds.boxes
    assert not ds.numbers


@pytest.mark.parametrize(
    ("v", "state", "score", "given"),
    [
        (0, Visibility.UNLABELLED, NAN, True),
        (1, Visibility.OCCLUDED, NAN, False),
        (2, Visibility.VISIBLE, NAN, False),
        (2.0, Visibility.VISIBLE, NAN, False),
        (0.75, Visibility.LABELLED, 0.75, False),
        (1.5, Visibility.LABELLED, 1.5, False),
        (3, Visibility.LABELLED, 3, False),
        (-1, Visibility.UNLABELLED, NAN, True),
    ],
)
def test_visibility(v, state, score, given, tmp_path):
    content = ground_truth(annotation(keypoints=[3, 4, v] + [0, 0, 0] * 16))
    (ds,) = coco.read_all(save(content, tmp_path / "a.json"))

    assert ds.visibility[0, 0] == state
    np.testing.assert_array_equal(ds.column("keypoint_score")[0, 0], score)
    np.testing.assert_array_equal(ds.column("given_xy")[0, 0], [3, 4] if given else [NAN, NAN])
    np.testing.assert_array_equal(ds.xy[0, 0], [NAN, NAN] if given else [3, 4])
    assert (ds.given_xy is not None) == given


def test_named_boxes(tmp_path):
    content = ground_truth(annotation(bbox_head=[1, 2, 3, 4], track_id=6, score=0.5))
    (ds,) = coco.read_all(save(content, tmp_path / "a.json"))

    assert ds.boxes["head"].tolist() == [[1, 2, 3, 4]]
    assert ds.track.tolist() == [6]
    assert ds.score.tolist() == [0.5]


# Every key comes back

ANNOTATIONS: dict[str, list[dict[str, Any]]] = {
    "as usual": [annotation(1), annotation(2, image_id=9)],
    "no points labelled": [annotation(keypoints=[0] * 51, num_keypoints=0)],
    "coordinates under v = 0": [annotation(keypoints=[3, 4.5, 0] * 17)],
    "coordinates -1 under v = 0": [annotation(keypoints=[-1, -1, 0] * 17)],
    "fractional v": [annotation(keypoints=[3, 4.5, 0.25, 1, 2, 0.0] + [5, 6, 2] * 15)],
    "v of other scales": [annotation(keypoints=[3, 4, 3, 1, 2, -1] + [5, 6, 2] * 15)],
    "v of another scale at first": [annotation(keypoints=[1, 4, 3] + [2, 6, 2] * 16)],
    "many digits": [annotation(keypoints=[0.1 + 0.2, 1e5 / 3, 2] * 17, area=1 / 3)],
    "huge numbers": [annotation(keypoints=[2**60 + 1, 1e300, 2] * 17, area=2**53 + 1)],
    "the least numbers that are not exact": [annotation(keypoints=[2**53 + 1, 2, 2] * 17)],
    "whole numbers with a point": [annotation(bbox=[1.0, 2.0, 3.0, 4.0], area=7.0, id=1.0)],
    "minus zero": [annotation(bbox=[-0.0, 0, 1, 1])],
    "nested points": [annotation(keypoints=[[1, 2, 2]] * 17)],
    "nested pairs": [annotation(keypoints=[[1, 2]] * 17)],
    "pairs": [annotation(keypoints=[1, 2.5] * 17)],
    "no list of points": [annotation(1, keypoints=...), annotation(2)],
    "empty list of points": [annotation(1, keypoints=[]), annotation(2)],
    "null points": [annotation(1, keypoints=None), annotation(2)],
    "number for points": [annotation(1, keypoints=0), annotation(2)],
    "wrong count": [annotation(num_keypoints=3), annotation(2, num_keypoints=...)],
    "area 0, 1, missing": [annotation(n, area=a) for n, a in enumerate((0, 1, ..., None, "5"), 1)],
    "boxes": [
        annotation(n, bbox=b)
        for n, b in enumerate(
            (
                [0, 0, 0, 0],
                [-1.5, 2, 3, 4],
                ...,
                None,
                [],
                [1, 2, 3],
                [[1, 2], [3, 4]],
                "x",
                [None] * 4,
            )
        )
    ],
    "crowds": [
        annotation(n, iscrowd=c) for n, c in enumerate((0, 1, True, False, 2, ..., None, "1"), 1)
    ],
    "RLE": [
        annotation(1, iscrowd=1, segmentation={"size": [480, 640], "counts": "Q1d0o?"}),
        annotation(2, iscrowd=1, segmentation={"size": [2, 2], "counts": [1, 2, 1]}),
    ],
    "odd polygons": [
        annotation(n, segmentation=s) for n, s in enumerate(([], [[]], [[1, 2]], None, ...), 1)
    ],
    "id 0": [annotation(0), annotation(1)],
    "ids out of order, twice": [annotation(9), annotation(3), annotation(9)],
    "text ids": [annotation(id="a"), annotation(id='ä\t"')],
    "ids of both kinds": [annotation(id="7"), annotation(id=7), annotation(id=""), annotation()],
    "odd ids": [annotation(id=i) for i in (None, ..., 2**70, True, 1.5, [1])],
    "other category": [annotation(category_id=5), annotation(2, category_id=...)],
    "text category": [annotation(category_id="person")],
    "unlisted image": [annotation(image_id=8), annotation(2, image_id="7"), annotation(3)],
    "no image": [annotation(image_id=...), annotation(2, image_id=None)],
    "tracks": [annotation(1, track_id=3), annotation(2, track_id="p"), annotation(3)],
    "scores": [annotation(1, score=0.5), annotation(2, score=...), annotation(3, score="high")],
    "captions": [annotation(caption="zwei Männer 🏃"), annotation(2, caption="")],
    "keys of any name": [annotation(**{"": 1, "a b": 2, "class": 3, "ü": 4, 'q"': 5, "f0": 6})],
    "key in one only": [
        annotation(1),
        annotation(2, extra={"id": 1, "id2": [None]}),
        annotation(3),
    ],
    "head boxes": [
        annotation(1, bbox_head=[1, 2, 3, 4]),
        annotation(2),
        annotation(3, bbox_head=[]),
    ],
    "part boxes without parts": [annotation(face_box=[0, 0, 0, 0], face_valid=False)],
    "no annotation": [],
}


@pytest.mark.parametrize("case", ANNOTATIONS)
def test_annotations_come_back(case, tmp_path):
    content = ground_truth(annotations=ANNOTATIONS[case])

    before, after = round_trip(content, tmp_path)

    assert same_json(before, after)


FILES: dict[str, dict[str, Any]] = {
    "no info": ground_truth(info=..., licenses=...),
    "odd info": ground_truth(info=None, licenses={"a": [1]}),
    "other keys": ground_truth(type="instances", video_list=[{"a": 1}], **{"": 0}),
    "only images": ground_truth(annotations=..., categories=...),
    "only annotations": ground_truth(images=...),
    "no images": ground_truth(images=[]),
    "links from 0": ground_truth(
        categories=[{"id": 1, "name": "p", "keypoints": NAMES, "skeleton": [[0, 1], [15, 16]]}]
    ),
    "links out of range": ground_truth(
        categories=[{"id": 1, "name": "p", "keypoints": NAMES, "skeleton": [[16, 40], "x"]}]
    ),
    "more about categories": ground_truth(
        categories=[{"id": 1, "name": "p", "keypoints": NAMES, "flip_pairs": [[1, 2]], "x": None}]
    ),
    "unknown points": ground_truth(
        annotation(keypoints=[1, 2, 2] * 2),
        categories=[{"id": 1, "name": "door", "keypoints": ["hinge", "handle"]}],
    ),
    "images": ground_truth(
        images=[
            {"id": 7, "file_name": "ä.jpg", "width": 0, "height": -1, "crowdIndex": 0.125},
            {"id": 7, "filename": "b.jpg"},
            {"id": "7", "file_name": "", "width": "640", "height": 480.0},
            {"id": 10128340000, "vid_id": "000001", "is_labeled": True, "ignore": [[1], [2]]},
            {"file_name": None},
            {},
        ]
    ),
    "text image ids": ground_truth(
        annotation(image_id="x"),
        images=[{"id": "x", "file_name": "x.jpg"}, {"id": "y", "file_name": "y.jpg"}],
    ),
    "dummy category": ground_truth(
        categories=[
            {"id": 0, "name": "all", "supercategory": "none"},
            *ground_truth()["categories"],
        ]
    ),
    "odd categories": ground_truth(
        categories=[*ground_truth()["categories"], 3, {}, {"id": "x", "keypoints": NAMES}]
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_come_back(case, tmp_path):
    before, after = round_trip(FILES[case], tmp_path)

    assert same_json(before, after)


def test_a_key_that_comes_late(tmp_path):
    rows = [{"id": n, "image_id": 7, "category_id": 1, "area": n} for n in range(1, 50_001)]
    rows.append(rows[0] | {"id": 50_001, "late": [1, {"a": "b"}]})

    before, after = round_trip(ground_truth(annotations=rows), tmp_path)

    assert before == after


def test_spacing_and_escapes_do_not_matter(tmp_path):
    text = json.dumps(ground_truth(annotation(note='a"b\\u00e4')), indent=3, sort_keys=True)

    before, after = round_trip(text.replace("image_id", "image\\u005fid"), tmp_path)

    assert same_json(before, after)


def test_compressed(tmp_path):
    source, target = save(ground_truth(), tmp_path / "a.json"), tmp_path / "b.json.gz"

    kd.write(kd.read(source, format="coco"), target, format="coco")

    assert target.read_bytes()[:2] == b"\x1f\x8b"
    assert json.loads(gzip.decompress(target.read_bytes())) == parsed(source)
    assert kd.read(target, format="coco") == kd.read(source, format="coco")


# Whole bodies


def test_whole_body_is_joined_and_taken_apart(tmp_path):
    schema = load_schema("coco_wholebody")
    content = ground_truth(wholebody(1), wholebody(2))
    (ds,) = coco.read_all(save(content, tmp_path / "a.json"), schema=schema)

    assert ds.schema is schema
    assert ds.xy[0, 17].tolist() == [100.25, 100]  # first of the feet
    assert ds.xy[0, 23].tolist() == [200.25, 200]  # first of the face
    assert ds.num_labelled.tolist() == [17 + 6 + 68 + 21] * 2
    assert not ds.labelled[:, 91:112].any()  # the left hand
    assert ds.boxes["face"][0].tolist() == [200.5, 130, 70, 71]
    assert not ds.numbers
    before, after = round_trip(content, tmp_path, schema=schema)
    assert same_json(before, after)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([wholebody(1, foot_kpts=...), wholebody(2)], id="a part left out"),
        pytest.param([wholebody(1, face_kpts=[]), wholebody(2)], id="an empty part"),
        pytest.param([annotation(1), wholebody(2)], id="body only"),
        pytest.param([wholebody(1, face_kpts=[1.5, 2, 0.5] * 68)], id="scores in a part"),
        pytest.param([annotation(1, keypoints=[1, 2, 1] * 133)], id="133 in one list"),
        pytest.param(
            [annotation(1, keypoints=[1, 2, 0] * 133), annotation(2, keypoints=...)], id="one, none"
        ),
    ],
)
def test_whole_bodies_come_back(rows, tmp_path):
    before, after = round_trip(
        ground_truth(annotations=rows), tmp_path, schema=load_schema("coco_wholebody")
    )

    assert same_json(before, after)


def test_whole_body_read_as_a_body_keeps_its_parts(tmp_path):
    (ds,) = coco.read_all(save(ground_truth(wholebody()), tmp_path / "a.json"))

    assert ds.schema.name == "coco"
    assert ds.extras["face_kpts"].parsed(0)[:3] == [200.25, 200, 1]


def test_a_body_without_parts_is_no_whole_body(tmp_path):
    with pytest.raises(SchemaError, match="17 points"):
        coco.read_all(
            save(ground_truth(), tmp_path / "a.json"), schema=load_schema("coco_wholebody")
        )


# Several categories

DOG = {"id": 2, "name": "dog", "keypoints": ["snout", "tail"], "skeleton": [[1, 2]]}
CAR = {"id": 3, "name": "car"}


def two_skeletons() -> dict[str, Any]:
    """Return people, dogs and cars, interleaved."""
    rows = [
        annotation(1),
        annotation(2, category_id=2, keypoints=[1, 2, 2, 3, 4, 1]),
        annotation(3, category_id=3, keypoints=...),
        annotation(4),
        annotation(5, category_id=2, keypoints=[5, 6, 2, 7, 8, 1]),
    ]
    categories = [*ground_truth()["categories"], DOG, CAR]
    return ground_truth(annotations=rows, categories=categories)


def test_several_skeletons(tmp_path):
    path = save(two_skeletons(), tmp_path / "a.json")

    people, dogs, cars = coco.read_all(path)

    assert people.schema.name == "coco"
    assert dogs.schema.names == ("snout", "tail")
    assert cars.schema.num_keypoints == 0
    assert [ds.id.tolist() for ds in (people, dogs, cars)] == [[1, 4], [2, 5], [3]]
    assert [ds.order.tolist() for ds in (people, dogs, cars)] == [[0, 3], [1, 4], [2]]
    assert dict(dogs.categories) == {2: "dog"}
    with pytest.raises(FormatError, match=r"3 skeletons.*coco \(2.*dog \(2.*read_all"):
        kd.read(path, format="coco")
    before, after = round_trip(two_skeletons(), tmp_path)
    assert same_json(before, after)


@pytest.mark.parametrize("category", [2, "dog", "2"])
def test_one_category_is_chosen(category, tmp_path):
    path = save(two_skeletons(), tmp_path / "a.json")

    ds = kd.read(path, format="coco", category=category)

    assert ds.id.tolist() == [2, 5]
    assert dict(ds.categories) == {2: "dog"}
    with pytest.raises(FormatError, match=r"'person' \(1\), 'dog' \(2\).*'cat'"):
        kd.read(path, format="coco", category="cat")


def test_categories_that_share_a_skeleton_are_one_dataset(tmp_path):
    categories = [{"id": i, "name": n, "keypoints": NAMES} for i, n in ((4, "a"), (2, "b"))]
    content = ground_truth(
        annotation(1, category_id=2), annotation(2, category_id=4), categories=categories
    )

    ds = kd.read(save(content, tmp_path / "a.json"), format="coco")

    assert ds.category.tolist() == [2, 4]
    assert dict(ds.categories) == {4: "a", 2: "b"}


def test_a_given_schema_is_for_the_skeleton_that_it_fits(tmp_path):
    path = save(two_skeletons(), tmp_path / "a.json")

    datasets = coco.read_all(path, schema=load_schema("macaque"))  # its names are COCO's

    assert [ds.schema.name for ds in datasets] == ["macaque", "dog", "boxes"]


def test_unknown_category_beside_several_skeletons(tmp_path):
    content = two_skeletons()
    content["annotations"][3]["category_id"] = 8
    with pytest.raises(FormatError, match=r"annotation 4: .*category_id 1 or 2 or 3, found 8"):
        coco.read_all(save(content, tmp_path / "a.json"))


# Sniffing


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ('{"images": []}', True),
        ('  {"info": {}, "annotations" : [', True),
        ('{"categories": [], "items": []}', False),
        ("[]", False),
        ('{"a": {"image": []}}', False),
        ('{"items": [{"id": "a", "annotations": []}]}', False),
        ('{"a": [{"b}": "]"}], "c": "\\"{", "annotations": [1]}', True),
    ],
)
def test_sniff(text, sure, tmp_path):
    assert (coco.sniff(save(text, tmp_path / "a.json")).confidence > 0.5) is sure


def test_reading_leaves_the_collector_as_it_was(tmp_path):
    path = save(ground_truth(), tmp_path / "a.json")
    coco.read_all(path)
    assert gc.isenabled()
    gc.disable()
    try:
        coco.read_all(path)
        assert not gc.isenabled()
    finally:
        gc.enable()

"""COCO files with something wrong in them: one clear message that names the place."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from coco_files import annotation, ground_truth, save

import kptdata as kd
from kptdata import FileError, FormatError, KptDataError
from kptdata.formats import coco


def points(*, number: int, keypoints: Any) -> dict[str, Any]:
    """Return a file of 2,000 annotations of which one has other points."""
    rows = [annotation(n) for n in range(1, 2001)]
    rows[number - 1]["keypoints"] = keypoints
    return ground_truth(annotations=rows)


TEXT = json.dumps(ground_truth())

CASES: dict[str, tuple[Any, str]] = {
    "too few points": (
        points(number=1500, keypoints=[1, 2, 2] * 16),
        r"annotation 1500: keypoints: wrong number of points; expected 51 numbers \(17 points\), "
        r"found 48 numbers\. Fix",
    ),
    "too many points": (points(number=3, keypoints=[1] * 54), r"annotation 3: .*found 54 numbers"),
    "not a multiple": (points(number=2000, keypoints=[1] * 50), r"annotation 2000: .*found 50"),
    "text among points": (
        points(number=7, keypoints=[1, "2", 2] * 17),
        r"annotation 7: keypoints: not a list of points; expected a list of 51 numbers, "
        r"found text at 1",
    ),
    "null among points": (points(number=7, keypoints=[None] * 51), r"annotation 7: .*null at 0"),
    "true among points": (
        points(number=7, keypoints=[True] * 51),
        r"annotation 7: .*true or false",
    ),
    "text for points": (points(number=9, keypoints="none"), r"annotation 9: .*found text"),
    "object for points": (points(number=9, keypoints={"a": 1}), r"annotation 9: .*found an object"),
    "an annotation without id": (
        ground_truth(annotation(1), annotation(id=..., keypoints=[1])),
        r"annotations\[1\]: keypoints: wrong number",
    ),
    "number for an annotation": (
        ground_truth(annotations=[annotation(), 5]),
        r"annotations\[1\]: not a JSON object.*found '5'",
    ),
    "list for an image": (ground_truth(images=[[1]]), r"images\[0\]: not a JSON object"),
    "object for annotations": (
        ground_truth(annotations={"a": 1}),
        r"annotations: not a list; expected a list of objects, found '\{\"a\": 1\}'",
    ),
    "null for images": (ground_truth(images=None), r"images: not a list.*'null'"),
    "a key twice": (
        TEXT.replace('"area": 2932.5', '"area": 1, "area": 2', 1),
        r"annotation 1: the key 'area' stands there twice; expected each key once",
    ),
    "a key twice, escaped": (
        TEXT.replace('"area": 2932.5', '"area": 1, "are\\u0061": 2', 1),
        r"annotation 1: the key 'area' stands there twice",
    ),
    "a list twice": (
        TEXT[:-1] + ', "annotations": []}',
        r"top level: the key 'annotations' stands there twice",
    ),
    "NaN": (
        TEXT.replace("2932.5", "NaN", 1),
        rf"byte {TEXT.index('2932.5')}: NaN is no JSON number; expected a finite number, null",
    ),
    "Infinity": (TEXT.replace("10.5", "-Infinity", 1), r"byte \d+: -?Infinity is no JSON number"),
    "a comma too many": (TEXT.replace("]}", "],}"), r"byte \d+ \(line 1\): not JSON: .*found '"),
    "a missing bracket": (TEXT.replace("[[1.5", "[1.5", 1), r"byte \d+ \(line 1\): not JSON: "),
    "cut": (TEXT[:500], r"byte 500: the JSON text ends too early"),
    "cut in a text": (TEXT[:30], r"byte 30: the JSON text ends too early"),
    "more behind": (TEXT + "\n\n{}", r"byte \d+ \(line 3\): not JSON: trailing"),
    "byte-order mark": (b"\xef\xbb\xbf" + TEXT.encode(), r"byte 0: .*byte-order mark"),
    "not UTF-8": (
        TEXT.replace("made for", "für").encode("latin-1"),
        r"byte \d+: not UTF-8 text, found|byte \d+: not UTF-8 text; found",
    ),
    "UTF-16": (TEXT.encode("utf-16"), r"a\.json: "),
    "too deep": ('{"images": [], "a": ' + "[" * 100_000, r"a\.json: nested too deep"),
    "a list": ("[1, 2]", r"no COCO file; expected an object.*found a list.*coco_results"),
    "another object": ('{"shapes": [], "version": 1}', r"no COCO file.*found 'shapes', 'version'"),
    "an empty object": ("{}", r"found an empty object"),
    "broken gzip": (b"\x1f\x8b" + bytes(20), r"a\.json: damaged gzip"),
    "text for an image list": ('{"images": "x", "annotations": []}', r"images: not a list"),
}


@pytest.mark.parametrize("case", CASES)
def test_message(case, tmp_path):
    content, message = CASES[case]
    path = save(content, tmp_path / "a.json")

    with pytest.raises((FormatError, FileError), match=message) as caught:
        coco.read_all(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_wrong_part_of_a_whole_body(tmp_path):
    rows = [annotation(n, foot_kpts=[1, 2, 2] * (6 if n < 5 else 7)) for n in range(1, 6)]
    path = save(ground_truth(annotations=rows), tmp_path / "a.json")

    with pytest.raises(FormatError, match=r"annotation 5: foot_kpts: .*18 numbers.*found 21"):
        coco.read_all(path, schema=kd.load_schema("coco_wholebody"))


def damaged_values(rng: np.random.Generator, value: Any) -> Any:
    """Replace one value somewhere in a document by another kind of value."""
    odd = [None, True, "x", "", -1, 0.5, 1e308, 10**30, [], {}, [[]], [1, 2], {"id": 1}]
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = sorted(value)[rng.integers(len(value))]
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: damaged_values(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(len(value)))
        return [*value[:at], damaged_values(rng, value[at]), *value[at + 1 :]]
    return odd[rng.integers(len(odd))]


def test_wrong_kinds_of_values_anywhere(tmp_path):
    rng = np.random.default_rng(11)
    path, target = tmp_path / "a.json", tmp_path / "b.json"
    content = ground_truth(annotation(1, track_id=2), annotation(2, image_id=9))
    read = 0
    for _ in range(600):
        changed = damaged_values(rng, content)
        save(changed, path)
        try:
            datasets = coco.read_all(path)
        except KptDataError as error:
            assert path.name in str(error)  # noqa: PT017 - the message of those that are refused
            continue
        read += 1
        report = coco.write_all(datasets, target)
        assert not report.lost
        assert not report.invented
        assert json.loads(target.read_bytes()) == changed
    assert read > 200


def test_damaged_text(tmp_path):
    rng = np.random.default_rng(12)
    path = tmp_path / "a.json"
    content = json.dumps(ground_truth()).encode()
    for _ in range(1500):
        data = bytearray(content)
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        if rng.random() < 0.2:
            data = data[: int(rng.integers(len(data)))]
        path.write_bytes(bytes(data))
        try:
            datasets = coco.read_all(path)
        except KptDataError as error:
            assert path.name in str(error)  # noqa: PT017 - the message of those that are refused
            continue
        assert isinstance(json.loads(bytes(data)), dict)
        for ds in datasets:
            assert all(json.loads(t) is not ... for raw in ds.extras.values() for t in raw if t)

"""Notes of one format stay with that format, counts of readers with nobody."""

from __future__ import annotations

import numpy as np
import pytest

import kptdata as kd
from kptdata import ImageTable, PoseDataset, RawColumn
from kptdata.formats import FORMATS
from kptdata.formats._trivia import is_trivia, without_trivia


def noted() -> PoseDataset:
    texts = RawColumn([b"1"])
    keys = ("annorect:mpii", "center:mpii_h5", "note", "a:b", "mpii")
    return PoseDataset(
        schema=kd.load_schema("mpii"),
        images=ImageTable.of(["a.jpg"], extras={"annolist:mpii": texts, "licence": texts}),
        image=[0],
        xy=np.full((1, 16, 2), np.nan),
        visibility=np.zeros((1, 16), np.uint8),
        extras=dict.fromkeys(keys, texts),
        meta={"coco:layout": b"1", "facts:is_visible": b"{}", "info": b"1"},
    )


@pytest.mark.parametrize(
    ("own", "extras", "images", "meta"),
    [
        ("mpii", {"annorect:mpii"}, {"annolist:mpii"}, set()),
        ("mpii_h5", {"center:mpii_h5"}, set(), set()),
        ("coco", set(), set(), {"coco:layout"}),
        ("my.package.format", set(), set(), set()),
    ],
)
def test_a_format_sees_its_own_notes_only(own, extras, images, meta):
    seen = without_trivia(noted(), own, FORMATS)

    assert set(seen.extras) == extras | {"note", "a:b", "mpii"}
    assert set(seen.images.extras) == images | {"licence"}
    assert set(seen.meta) == meta | {"info"}


def test_a_dataset_without_notes_is_not_touched():
    bare = noted().replace(extras={}, meta={}, images=ImageTable.of(["a.jpg"]))

    assert without_trivia(bare, "coco", FORMATS) is bare


def test_keys():
    assert is_trivia("facts:x")
    assert is_trivia("keypoints:mpii", "mpii")
    assert is_trivia("coco:layout", "coco")
    assert not is_trivia("keypoints:mpii", "coco")
    assert not is_trivia("mpii", "mpii")

"""`PoseDataset`: checked once, closed under indexing, compared in words."""

import numpy as np
import pytest
from datasets import crowd, full_pair, person_pair
from hypothesis import given
from hypothesis import strategies as st

from kptdata import DatasetError, ImageTable, PoseDataset, RawColumn, UnknownNameError, Visibility
from kptdata._columns import COLUMNS, MISSING_INT

NAN = np.nan


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        pytest.param({"xy": np.zeros((2, 4, 2))}, r"xy: expected shape \(2, 3, 2\), got", id="k"),
        pytest.param({"bbox": np.zeros((3, 4))}, r"bbox: expected shape \(2, 4\)", id="n"),
        pytest.param({"bbox": [["a"] * 4] * 2}, "bbox: expected float values", id="type"),
        pytest.param({"image": [0, 2]}, "image: expected rows -1 to 1, got 0 to 2", id="image"),
        pytest.param({"visibility": np.full((2, 3), 5)}, "states 0 to 4, got 5", id="state"),
        pytest.param({"visibility": np.full((2, 3), 1.0)}, "as integers, got float64", id="float"),
        pytest.param(
            {"visibility": np.full((2, 3), 2)}, "'nose' of instance 1 is visible", id="nan"
        ),
        pytest.param({"visibility": np.zeros((2, 3), int)}, "is unlabelled and has", id="hidden"),
        pytest.param({"boxes": {"head": np.zeros((2, 3))}}, r"boxes\['head'\]", id="box"),
        pytest.param({"points": {"p": np.zeros((2, 2))}}, r"points\['p'\]", id="point"),
        pytest.param({"numbers": {"n": ["a", "b"]}}, r"numbers\['n'\]", id="number"),
        pytest.param({"extras": {"e": RawColumn([b"1"])}}, r"extras\['e'\]: expected 2", id="raw"),
        pytest.param({"id": [1, 2, 3]}, r"id: expected shape \(2,\)", id="id"),
    ],
)
def test_wrong_column_is_named(columns, message):
    with pytest.raises(DatasetError, match=message):
        person_pair(**columns)


def test_infinite_coordinates_are_refused():
    xy = person_pair().xy.copy()
    xy[0, 0, 0] = np.inf
    with pytest.raises(DatasetError, match="'nose' of instance 0 is visible"):
        person_pair(xy=xy)


def test_arrays_are_read_only_and_the_input_stays_writable():
    xy = person_pair().xy.copy()
    ds = person_pair(xy=xy)

    assert not any(getattr(ds, n).flags.writeable for n in ("xy", "visibility", "image", "order"))
    assert xy.flags.writeable


def test_labelled_states():
    ds = person_pair()

    assert ds.labelled.tolist() == [[True, True, True], [False, False, True]]
    assert ds.num_labelled.tolist() == [3, 1]


def test_missing_columns_are_filled_on_demand():
    ds = person_pair()

    assert np.isnan(ds.column("bbox")).all()
    assert ds.column("bbox").shape == (2, 4)
    assert ds.column("keypoint_score").shape == (2, 3)
    assert ds.column("iscrowd").tolist() == [-1, -1]
    assert ds.column("track").tolist() == [MISSING_INT] * 2
    assert ds.column("bbox_source").tolist() == ["", ""]
    assert ds.ids.tolist() == [0, 1]


def test_bbox_xyxy():
    np.testing.assert_array_equal(full_pair().bbox_xyxy, [[0, 0, 10, 20], [NAN] * 4])


@given(st.data())
def test_indexing_is_closed(data):
    ds = full_pair() if data.draw(st.booleans()) else crowd(data.draw(st.integers(0, 7)))
    n = len(ds)
    rows = data.draw(
        st.one_of(
            st.lists(st.booleans(), min_size=n, max_size=n).map(lambda m: np.array(m, dtype=bool)),
            st.lists(st.integers(-n, n - 1), max_size=9).map(lambda r: np.array(r, dtype=int))
            if n
            else st.just(np.array([], dtype=int)),
            st.slices(n),
        )
    )

    part = ds[rows]

    index = np.arange(n)[rows]
    assert len(part) == len(index)
    np.testing.assert_array_equal(part.xy, ds.xy[index])
    for name in COLUMNS:
        np.testing.assert_array_equal(part.column(name), ds.column(name)[index])
    for group in ("boxes", "points", "numbers"):
        for name, values in getattr(ds, group).items():
            np.testing.assert_array_equal(getattr(part, group)[name], values[index])
    assert [part.extras[k][i] for k in part.extras for i in range(len(part))] == [
        ds.extras[k][int(i)] for k in ds.extras for i in index
    ]


def test_one_row_needs_a_slice():
    with pytest.raises(TypeError, match="use ds"):
        person_pair()[0]
    assert len(person_pair()[0:1]) == 1


def test_no_instances_and_no_keypoints():
    empty = person_pair()[[False, False]]

    assert (len(empty), empty.xy.shape) == (0, (0, 3, 2))
    assert empty == empty[:0]
    assert len(empty.to_pandas()) == 0


def test_with_images_renumbers_rows_and_drops_unlisted():
    ds = crowd(7).replace(image=[0, 0, 1, 1, 2, 2, -1])

    part = ds.with_images([2, 1])

    assert part.images.file_name.tolist() == ["2.png", "1.png"]
    assert part.id.tolist() == [3, 4, 5, 6]
    assert part.image.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("name", [*COLUMNS, "boxes", "points", "numbers", "extras"])
def test_equality_sees_every_column(name):
    ds = full_pair()
    value = {} if name in {"boxes", "points", "numbers", "extras"} else None

    assert ds == full_pair()
    assert ds.differences(ds.replace(**{name: value}))[0].startswith(name)


def test_equality_rules():
    ds = full_pair()

    assert ds == ds.noted("provenance does not count")
    assert person_pair() == person_pair(bbox=np.full((2, 4), NAN))
    assert ds == ds.replace(meta={"info": b'{ "year":2017 }'})
    assert ds != ds.replace(meta={"info": b'{"year": 2018}'})
    assert ds != ds[:1]
    moved = ds.replace(bbox=ds.bbox + 1e-7)
    assert ds != moved
    assert not ds.differences(moved, atol=1e-6)
    assert "bbox: 4 values differ, first at (0, 0)" in ds.differences(moved)[0]


def test_with_images_keeps_the_people_of_the_first_image_too():
    ds = person_pair(id=[4, 5])

    assert ds.with_images([True, False]).id.tolist() == [4]
    assert ds.with_images([1, 0]).id.tolist() == [4, 5]
    assert ds.with_images([1, 0]).image.tolist() == [1, 0]


def test_states_of_another_shape_are_refused():
    with pytest.raises(DatasetError, match=r"visibility: expected shape \(2, 3\), got \(2, 2\)"):
        person_pair(visibility=np.full((2, 2), 2))


def test_to_pandas_has_the_scores_of_points():
    frame = person_pair(keypoint_score=[[0.1, 0.2, 0.3], [np.nan, np.nan, 0.9]]).to_pandas()

    assert frame["right_eye_score"].tolist() == [0.3, 0.9]
    assert "right_eye_score" not in person_pair().to_pandas()


def test_replace_refuses_unknown_columns():
    with pytest.raises(UnknownNameError, match="unknown column 'bbx': did you mean bbox"):
        person_pair().replace(bbx=None)


def test_to_pandas():
    frame = full_pair().to_pandas()

    assert frame["file_name"].tolist() == ["a.png", "b.png"]
    assert frame["image_id"].tolist() == [10, 20]
    assert frame.loc[0, ["bbox_x", "bbox_y", "bbox_w", "bbox_h"]].tolist() == [0, 0, 10, 20]
    assert frame["right_eye_x"].tolist() == [5, 7]
    assert frame["nose_v"].tolist() == [Visibility.VISIBLE, Visibility.UNLABELLED]


def test_text_ids():
    ds = person_pair(id=["a", "b"], track=["t", ""])

    assert ds.ids.tolist() == ["a", "b"]
    assert ds[1:].ids.tolist() == ["b"]


def test_image_table_checks_lengths():
    with pytest.raises(DatasetError, match=r"images.width: expected shape \(2,\), got \(1,\)"):
        ImageTable.of(["a", "b"], width=[1])


def test_iterating_a_table_is_refused():
    with pytest.raises(TypeError, match="is a table"):
        iter(person_pair())


def test_dataset_is_a_value_type():
    assert PoseDataset.__hash__ is None

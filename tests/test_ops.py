"""Operations: what they return, and accounts that add up."""

import numpy as np
import pytest
from datasets import crowd, full_pair, person_pair
from hypothesis import given
from hypothesis import strategies as st

from kptdata import (
    DatasetError,
    ImageTable,
    OptionError,
    RawColumn,
    Schema,
    SchemaError,
    UnknownNameError,
    Visibility,
    load_schema,
    ops,
)
from kptdata._columns import MISSING_INT

V = Visibility


def accounted(ledger, before, after):
    """The ledger's sums, checked against what went in and what came out."""
    skipped = [i for ids in ledger.skipped.values() for i in ids]
    repaired = [i for ids in ledger.repaired.values() for i in ids]
    assert ledger.total == len(before)
    assert ledger.kept == len(after)
    assert len(set(skipped)) == len(skipped)
    assert not set(skipped) & set(repaired)
    assert sorted([*skipped, *after.ids.tolist()]) == sorted(before.ids.tolist())


class TestSelect:
    def test_by_ids_in_the_order_asked_for(self):
        part, ledger = ops.select(crowd(5), ids=[4, 2])

        assert part.id.tolist() == [4, 2]
        assert dict(ledger.skipped) == {"not selected": (1, 3, 5)}

    def test_by_images_drops_the_others(self):
        ds = crowd(7)
        part, ledger = ops.select(ds, images=[3, 1])

        assert part.images.id.tolist() == [3, 1]
        assert part.id.tolist() == [1, 2, 3, 7]
        accounted(ledger, ds, part)

    @pytest.mark.parametrize("how", [{}, {"rows": [0], "ids": [1]}])
    def test_one_way_to_choose(self, how):
        with pytest.raises(OptionError, match="expected one of rows, ids, images"):
            ops.select(crowd(2), **how)

    def test_unknown_id(self):
        with pytest.raises(DatasetError, match="no id 9 in the dataset"):
            ops.select(crowd(2), ids=[9])


@given(st.data())
def test_filter_counts_each_instance_once(data):
    ds = crowd(data.draw(st.integers(0, 12)))
    masks = st.lists(st.booleans(), min_size=len(ds), max_size=len(ds))
    rules = {name: np.array(data.draw(masks), dtype=bool) for name in ("a", "b", "c")}

    kept, ledger = ops.filter_instances(ds, rules)

    accounted(ledger, ds, kept)
    passing = np.logical_and.reduce([np.ones(len(ds), bool), *rules.values()])
    assert kept.id.tolist() == ds.id[passing].tolist()


def test_filter_refuses_a_mask_of_another_length():
    with pytest.raises(DatasetError, match=r"rule 'r': expected \(3,\) bool, got \(2,\)"):
        ops.filter_instances(crowd(3), {"r": np.array([True, False])})


class TestMapSchema:
    def test_mpii_to_coco(self):
        mpii = crowd(20, schema="mpii")
        coco = load_schema("coco")

        mapped, ledger = ops.map_schema(mpii, coco)

        assert mapped.schema is coco
        place, source = coco.index("left_knee"), mpii.schema.index("left_knee")
        np.testing.assert_array_equal(mapped.xy[:, place], mpii.xy[:, source])
        np.testing.assert_array_equal(mapped.visibility[:, place], mpii.visibility[:, source])
        assert (mapped.visibility[:, coco.index("nose")] == V.UNLABELLED).all()
        pelvis = mpii.labelled[:, mpii.schema.index("pelvis")]
        assert ledger.notes["lost pelvis"] == pelvis.sum()
        lost = [mpii.schema.index(n) for n in ("pelvis", "thorax", "upper_neck", "head_top")]
        losers = mpii.id[mpii.labelled[:, lost].any(axis=1)]
        assert ledger.repaired["lost labelled points"] == tuple(losers.tolist())

    def test_raw_text_of_points_does_not_survive(self):
        raw = {"keypoints": RawColumn([b"[1]", None]), "note": RawColumn([b"1", None])}
        ds = crowd(2, schema="mpii").replace(extras=raw, numbers={"num_keypoints": [3, 4]})

        mapped, ledger = ops.map_schema(ds, load_schema("coco"))

        assert set(mapped.extras) == {"note"}
        assert not mapped.numbers
        assert ledger.notes["dropped raw keypoints"] == 1

    def test_nothing_in_common_is_refused(self):
        with pytest.raises(SchemaError, match="no keypoint of 'fly' can be had from 'coco'"):
            ops.map_schema(crowd(2), load_schema("fly"))

    def test_scores_and_3d_points_go_along(self):
        coco, h36m = load_schema("coco"), load_schema("h36m")
        ds = crowd(4, schema="coco")
        score = np.random.default_rng(0).uniform(0, 1, ds.visibility.shape)
        ds = ds.replace(keypoint_score=score, xyz=np.ones((4, 17, 3)))

        mapped, _ = ops.map_schema(ds, h36m)

        hips = [coco.index("left_hip"), coco.index("right_hip")]
        np.testing.assert_array_equal(
            mapped.keypoint_score[:, h36m.index("root")], score[:, hips].min(axis=1)
        )
        np.testing.assert_array_equal(mapped.xyz[:, h36m.index("root")], 1)

    def test_same_schema_is_the_same_dataset(self):
        ds = crowd(3)
        mapped, ledger = ops.map_schema(ds, load_schema("coco"))
        assert mapped is ds
        assert ledger.untouched == 3


class TestConcat:
    def test_same_image_is_one_and_missing_columns_are_missing(self):
        a, b = full_pair(), person_pair(id=[300, 400])

        both, ledger = ops.concat([a, b])

        assert both.images.id.tolist() == [10, 20]
        assert both.image.tolist() == [0, 1, 0, 1]
        assert both.id.tolist() == [100, 200, 300, 400]
        assert ledger.notes == {"images merged": 2}
        assert np.isnan(both.bbox[1:]).all()
        assert both.track.tolist() == [3, 4, MISSING_INT, MISSING_INT]
        assert both.iscrowd.tolist() == [0, 1, -1, -1]
        assert np.isnan(both.numbers["scale"][2:]).all()
        assert both.order.tolist() == [1, 0, 2, 3]
        assert both[:2] == a.replace(images=both.images, meta=both.meta)

    def test_clashing_ids_are_renumbered_and_counted(self):
        a = person_pair(id=[1, 2])
        other = ImageTable.of(["c.png", "b.png"], id=[10, 20])
        b = person_pair(id=[2, 3], images=other)

        both, ledger = ops.concat([a, b])

        assert both.images.id.tolist() == [10, 20, 21]
        assert both.images.file_name.tolist() == ["a.png", "b.png", "c.png"]
        assert both.id.tolist() == [1, 2, 4, 3]
        assert ledger.repaired == {"new id": (4,)}
        assert ledger.notes == {"images merged": 1, "images renumbered": 1}

    def test_categories_are_recognised_by_name(self):
        a = person_pair(id=[1, 2], category=[1, 1], categories={1: "person"})
        b = person_pair(id=[3, 4], category=[1, 2], categories={1: "dog", 2: "person"})

        both, _ = ops.concat([a, b])

        names = [both.categories[c] for c in both.category.tolist()]
        assert names == ["person", "person", "dog", "person"]

    def test_text_and_number_ids_become_text(self):
        both, _ = ops.concat([person_pair(id=[1, 2]), person_pair(id=["1", "x"])])
        assert both.id.tolist() == ["1", "2", "1_2", "x"]

    def test_schemas_must_be_equal(self):
        with pytest.raises(DatasetError, match="'coco' and 'mpii' differ; map them"):
            ops.concat([crowd(1), crowd(1, schema="mpii")])

    def test_nothing(self):
        with pytest.raises(DatasetError, match="no dataset given"):
            ops.concat([])


class TestSplit:
    @given(st.integers(0, 40), st.integers(0, 5))
    def test_parts_are_disjoint_and_complete(self, count, seed):
        ds = crowd(count)
        parts = ops.split(ds, {"train": 0.5, "val": 0.3, "test": 0.2}, seed=seed)

        names = [n for part, _ in parts.values() for n in part.images.file_name.tolist()]
        assert sorted(names) == sorted(ds.images.file_name.tolist())
        ids = [i for part, _ in parts.values() for i in part.id.tolist()]
        assert sorted(ids) == ds.id.tolist()
        for part, ledger in parts.values():
            accounted(ledger, ds, part)

    def test_seed_decides(self):
        ds = crowd(60)
        halves = {"a": 0.5, "b": 0.5}
        first = ops.split(ds, halves, seed=1)["a"][0]

        assert first == ops.split(ds, halves, seed=1)["a"][0]
        assert first != ops.split(ds, halves, seed=2)["a"][0]
        assert len(first.images) == 10

    def test_groups_stay_together(self):
        ds = crowd(60)
        ds = ds.replace(track=np.arange(60) // 6)
        parts = ops.split(ds, {"a": 0.5, "b": 0.5}, seed=0, by="track")

        tracks = [set(part.track.tolist()) for part, _ in parts.values()]
        assert not tracks[0] & tracks[1]
        assert len(tracks[0]) == 5

    def test_sequence_of_images(self):
        ds = crowd(12)
        images = ImageTable.of(ds.images.file_name, sequence=["v", "v", "w", "w"])
        parts = ops.split(ds.replace(images=images), {"a": 0.5, "b": 0.5}, seed=3, by="sequence")

        assert [set(p.images.sequence.tolist()) for p, _ in parts.values()] in (
            [{"v"}, {"w"}],
            [{"w"}, {"v"}],
        )

    @pytest.mark.parametrize("parts", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
    def test_shares_must_add_up(self, parts):
        with pytest.raises(OptionError, match="shares that add up to 1"):
            ops.split(crowd(3), parts, seed=0)

    def test_unknown_column(self):
        for way in ("by", "stratify"):
            with pytest.raises(
                UnknownNameError, match="unknown column 'trakc': did you mean track"
            ):
                ops.split(crowd(3), {"a": 1.0}, seed=0, **{way: "trakc"})

    def test_what_has_no_value_is_a_group_of_its_own(self):
        images = ImageTable.of([f"{i}.png" for i in range(20)], sequence=["v"] * 4 + [""] * 16)
        ds = crowd(60).replace(images=images)

        parts = ops.split(ds, {"a": 0.5, "b": 0.5}, seed=3, by="sequence")

        sizes = sorted(len(part.images) for part, _ in parts.values())
        assert sum(sizes) == 20
        assert sizes[0] >= 8
        together = [set(part.images.id.tolist()) & {1, 2, 3, 4} for part, _ in parts.values()]
        assert sorted(map(len, together)) == [0, 4]

    def test_an_instance_without_a_listed_image_is_in_no_part(self):
        ds = crowd(6).replace(image=[0, 0, 0, 1, 1, -1])
        parts = ops.split(ds, {"a": 0.5, "b": 0.5}, seed=0)

        for part, ledger in parts.values():
            assert ledger.skipped["image not listed"] == (6,)
            accounted(ledger, ds, part)

    @pytest.mark.parametrize("seed", range(4))
    def test_each_part_gets_its_share_of_every_value(self, seed):
        # 100 images with 3 people each; the rare class is in 10 of the images only.
        rare = np.arange(300) // 3 % 10 == 0
        ds = crowd(300).replace(category=np.where(rare, 2, 1), categories={1: "person", 2: "dog"})
        parts = ops.split(ds, {"a": 0.7, "b": 0.2, "c": 0.1}, seed=seed, stratify="category")

        assert [len(part.images) for part, _ in parts.values()] == [70, 20, 10]
        dogs = [int((part.category == 2).sum()) for part, _ in parts.values()]
        assert dogs == [21, 6, 3]
        again = ops.split(ds, {"a": 0.7, "b": 0.2, "c": 0.1}, seed=seed, stratify="category")
        assert all(parts[name][0] == again[name][0] for name in parts)

    def test_seed_decides_who_is_in_a_stratum(self):
        ds = crowd(60).replace(category=np.ones(60, int), categories={1: "person"})
        halves = {"a": 0.5, "b": 0.5}
        found = [ops.split(ds, halves, seed=s, stratify="category")["a"][0] for s in (1, 2)]
        assert found[0] != found[1]

    def test_strata_of_groups(self):
        # 20 videos of 5 images each; at night in 4 of them.
        videos = [f"v{i // 5}" for i in range(100)]
        light = RawColumn([b'"night"' if i // 5 % 5 == 0 else b'"day"' for i in range(100)])
        images = ImageTable.of(
            [f"{i}.png" for i in range(100)], sequence=videos, extras={"light": light}
        )
        ds = crowd(300).replace(images=images)

        parts = ops.split(ds, {"a": 0.5, "b": 0.5}, seed=1, by="sequence", stratify="light")

        (a, _), (b, _) = parts.values()
        assert not set(a.images.sequence.tolist()) & set(b.images.sequence.tolist())
        nights = [list(part.images.extras["light"]).count(b'"night"') for part in (a, b)]
        assert nights == [10, 10]
        assert len(a.images) == len(b.images) == 50

    def test_too_many_values_are_no_strata(self):
        with pytest.raises(OptionError, match="at most 1000 values, got 1200"):
            ops.split(crowd(1200), {"a": 1.0}, seed=0, stratify="id")

    def test_skeletons_of_a_file_are_divided_alike(self):
        a, b = crowd(30), crowd(30, schema="mpii")
        parts = ops.split_all([a, b], {"a": 0.5, "b": 0.5}, seed=0)

        for (one, other), ledger in parts.values():
            assert one.images.file_name.tolist() == other.images.file_name.tolist()
            assert ledger.total == 60
        with pytest.raises(DatasetError, match="different images"):
            ops.split_all([a, crowd(3)], {"a": 1.0}, seed=0)


class TestWithBoxes:
    def test_extent_margin_and_source(self):
        schema = Schema.from_names(["a", "b"], name="two")
        ds = person_pair(
            schema=schema,
            xy=[[[10, 20], [30, 60]], [[np.nan] * 2] * 2],
            visibility=np.array([[V.VISIBLE, V.LABELLED], [V.UNLABELLED, V.ABSENT]]),
            id=[1, 2],
        )

        boxed, ledger = ops.with_boxes(ds, margin=0.5)

        np.testing.assert_array_equal(boxed.bbox, [[0, 0, 40, 80], [np.nan] * 4])
        assert boxed.bbox_source.tolist() == ["from_keypoints(0.5)", ""]
        assert ledger.repaired == {"box from keypoints": (1,)}
        assert ledger.notes == {"instances with neither points nor box": 1}
        assert "with_boxes(margin=0.5" in boxed.provenance[-1]

    def test_given_boxes_stay_unless_asked(self):
        ds = full_pair()
        boxed, _ = ops.with_boxes(ds)
        np.testing.assert_array_equal(boxed.bbox[0], ds.bbox[0])
        np.testing.assert_array_equal(boxed.bbox[1], [6.5, 7.5, 1, 1])

        replaced, _ = ops.with_boxes(ds, replace=True)
        np.testing.assert_array_equal(replaced.bbox[0], [1, 2, 4, 4])

    def test_refusals(self):
        with pytest.raises(OptionError, match="margin -1"):
            ops.with_boxes(full_pair(), margin=-1)


@pytest.mark.parametrize(
    "operation",
    [
        lambda ds: ops.select(ds, rows=[1]),
        lambda ds: ops.filter_instances(ds, {"r": np.array([True, False])}),
        lambda ds: ops.concat([ds, ds]),
        lambda ds: ops.split(ds, {"a": 1.0}, seed=0),
        ops.with_boxes,
    ],
)
def test_operations_do_not_touch_their_input(operation):
    ds = full_pair()
    operation(ds)
    assert ds == full_pair()

"""`merge` and `gather`: points by name, unlabelled is not occluded, accounts that add up."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import crowd, person_pair
from format_plants import plain, with_images
from hypothesis import given
from hypothesis import strategies as st

from kptdata import (
    DatasetError,
    ImageTable,
    Keypoint,
    Link,
    OptionError,
    RawColumn,
    Schema,
    SchemaError,
    Visibility,
    list_schemas,
    load_schema,
    map_schemas,
    ops,
)

V = Visibility


def schema(name, *points, links=()):
    """Make a schema of points such as ``left_eye``, which swap sides by their names."""
    made = []
    for point in points:
        side, _, rest = point.partition("_")
        other = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side)
        made.append(Keypoint(point, swap=other if other in points else None))
    return Schema(name, tuple(made), tuple(Link(*link) for link in links))


FACE = schema("face", "nose", "left_eye", "right_eye", links=[("nose", "left_eye")])
BEAK = schema("beak", "right_eye", "beak", "nose", "left_eye", links=[("nose", "beak")])


def one(of, *states, **columns):
    """One instance, with x of each point its place among the points, and these states."""
    xy = np.stack([np.arange(len(states)), np.zeros(len(states))], axis=-1).astype(float)[None]
    visibility = np.array([states], np.uint8)
    xy[~np.isin(visibility, (1, 2, 4))] = np.nan
    base = {"schema": of, "images": ImageTable.of(["a.jpg"]), "image": [0], "xy": xy}
    return ops.select(person_pair(), [0])[0].replace(
        **(base | {"visibility": visibility} | columns)
    )


class TestUnion:
    def test_points_go_by_name_and_what_is_lacking_is_unlabelled_not_occluded(self):
        a = one(FACE, V.VISIBLE, V.OCCLUDED, V.ABSENT)
        b = one(BEAK, V.OCCLUDED, V.LABELLED, V.UNLABELLED, V.VISIBLE)

        both, ledger = ops.merge([a, b])

        assert both.schema.names == ("nose", "left_eye", "right_eye", "beak")
        assert both.visibility.tolist() == [
            [V.VISIBLE, V.OCCLUDED, V.ABSENT, V.UNLABELLED],
            [V.UNLABELLED, V.VISIBLE, V.OCCLUDED, V.LABELLED],
        ]
        assert both.xy[1, :, 0].tolist()[1:] == [3, 0, 1]
        assert ledger.notes["unlabelled, as face lacks them: beak"] == 1
        assert ledger.total == ledger.kept == 2

    def test_pairs_links_and_parents_follow_their_points(self):
        joined = ops.merge([one(FACE, 2, 2, 2), one(BEAK, 2, 2, 2, 2)])[0].schema

        assert joined.names[joined.swap_indices[1]] == "right_eye"
        assert [(a.start, a.end) for a in joined.links] == [("nose", "left_eye"), ("nose", "beak")]
        assert joined.title == "points and face, beak"

    def test_coco_and_mpii(self):
        coco, mpii = crowd(3), crowd(4, schema="mpii")

        both, ledger = ops.merge([coco, mpii])

        assert both.schema.num_keypoints == 21
        assert both.schema.names[:17] == coco.schema.names
        assert both.schema.names[17:] == ("pelvis", "thorax", "upper_neck", "head_top")
        assert both.schema.sigmas is not None
        assert set((both.schema.sigma_source or "").split(", ")) >= {"borrowed:coco"}
        knee = mpii.schema.index("left_knee")
        row = both.schema.index("left_knee")
        np.testing.assert_array_equal(both.visibility[3:, row], mpii.visibility[:, knee])
        np.testing.assert_array_equal(both.xy[3:, row], mpii.xy[:, knee])
        assert (both.visibility[:3, 17:] == V.UNLABELLED).all()
        # Nothing is computed that nobody stated, although COCO's shoulders would give a thorax.
        assert not any(note.startswith(("derived", "lost")) for note in ledger.notes)
        assert ledger.repaired == {"new id": (5, 6, 7)} or len(ledger.repaired["new id"]) == 3

    @given(st.lists(st.sampled_from(list_schemas()), min_size=1, max_size=3))
    def test_any_schemas_have_a_union_that_holds_all_their_points(self, names):
        schemas = [load_schema(name) for name in names]
        datasets = [crowd(2, schema=name) for name in names]

        both, _ = ops.merge(datasets)

        for own in schemas:
            plan = map_schemas(own, both.schema)
            assert not plan.unused
        assert both.num_labelled.sum() == sum(int(ds.num_labelled.sum()) for ds in datasets)

    def test_a_name_that_means_another_point_is_not_merged(self):
        a = Schema("a", (Keypoint("top", "head_top"),))
        b = Schema("b", (Keypoint("top", "tail_top"),))

        both, _ = ops.merge([one(a, V.VISIBLE), one(b, V.OCCLUDED)])

        assert both.schema.names == ("top", "tail_top")
        assert both.visibility.tolist() == [[2, 0], [0, 1]]


class TestIntersection:
    def test_points_that_all_have(self):
        a, b = one(FACE, V.VISIBLE, V.OCCLUDED, V.VISIBLE), one(BEAK, 1, 2, 0, 2)

        both, ledger = ops.merge([b, a], points="intersection")

        assert both.schema.names == ("right_eye", "nose", "left_eye")
        assert both.visibility.tolist() == [[1, 0, 2], [2, 2, 1]]
        assert ledger.notes["lost beak"] == 1
        (losers,) = ledger.repaired.values()
        assert len(losers) == 1

    def test_nothing_in_common(self):
        a, b = one(schema("a", "x1y"), 2), one(schema("b", "y1x"), 2)
        with pytest.raises(SchemaError, match="a, b have no point in common"):
            ops.merge([a, b], points="intersection")

    @given(st.lists(st.sampled_from(list_schemas()), min_size=1, max_size=3))
    def test_any_schemas(self, names):
        datasets = [crowd(2, schema=name) for name in names]
        try:
            both, ledger = ops.merge(datasets, points="intersection")
        except SchemaError as error:
            assert "no point in common" in str(error)  # noqa: PT017 - not every pair shares points
            return
        for name in names:
            assert not map_schemas(load_schema(name), both.schema).missing
        assert ledger.kept == len(both)


def test_a_given_schema_uses_its_formulas():
    both, ledger = ops.merge([crowd(3), crowd(3, schema="mpii")], schema=load_schema("h36m"))

    assert both.schema.name == "h36m"
    assert any(note.startswith("derived root from") for note in ledger.notes)


def test_one_schema_stays_what_it_is():
    both, _ = ops.merge([crowd(3), crowd(2, seed=1)])
    assert both.schema is load_schema("coco")


@pytest.mark.parametrize("points", ["unoin", ""])
def test_wrong_points(points):
    with pytest.raises(OptionError, match="expected one of union, intersection"):
        ops.merge([crowd(1)], points=points)


def test_nothing_to_merge():
    with pytest.raises(DatasetError, match="no dataset given"):
        ops.merge([])
    with pytest.raises(DatasetError, match="no dataset given"):
        ops.gather([])


def test_each_instance_is_in_one_place_of_the_account():
    a = crowd(4)
    b = crowd(4, schema="mpii", seed=1)

    both, ledger = ops.merge([a, b], schema=load_schema("coco"))

    lost = [b.schema.index(n) for n in ("pelvis", "thorax", "upper_neck", "head_top")]
    losers = b.labelled[:, lost].any(axis=1)
    assert len(ledger.repaired["lost labelled points, new id"]) == losers.sum()
    assert len(ledger.repaired.get("new id", ())) == (~losers).sum()
    assert ledger.untouched == 4
    assert len(set(both.id.tolist())) == 8


class TestImages:
    def test_facts_that_only_a_later_file_states_are_taken(self):
        a = person_pair(id=[1, 2])  # b.png has no size there
        images = ImageTable.of(
            ["a.png", "b.png"],
            id=[10, 20],
            width=[640, 320],
            height=[481, 240],
            extras={"licence": RawColumn([b"1", b"2"])},
        )
        b = person_pair(id=[3, 4], images=images)

        both, ledger = ops.concat([a, b])

        assert both.images.width.tolist() == [640, 320]
        assert both.images.height.tolist() == [480, 240]
        assert list(both.images.extras["licence"]) == [b"1", b"2"]
        assert ledger.notes["facts of images that differ, of later files"] == 1

    def test_file_level_texts_that_differ_are_counted(self):
        a = person_pair(id=[1, 2], meta={"info": b"1", "same": b"[]"})
        b = person_pair(id=[3, 4], meta={"info": b"2", "same": b"[]", "new": b"3"})

        both, ledger = ops.concat([a, b])

        assert dict(both.meta) == {"info": b"1", "same": b"[]", "new": b"3"}
        assert ledger.notes["file-level texts that differ, of later files"] == 1


class TestGather:
    def files(self):
        person = plain("coco").replace(order=[0, 2, 4, 6])
        hand = plain("coco_wholebody_hand").replace(
            images=person.images, order=[1, 3, 5, 7], id=[11, 12, 13, 14],
            category=np.full(4, 2), categories={2: "hand"},
        )  # fmt: skip
        other = with_images(plain("coco"), file_name=["x.jpg", "b.jpg", "y.jpg"])
        return [[person, hand], [other]]

    def test_one_dataset_for_each_schema_over_the_same_images(self):
        (person, hand), ledger = ops.gather(self.files())

        assert (person.schema.name, len(person)) == ("coco", 8)
        assert (hand.schema.name, len(hand)) == ("coco_wholebody_hand", 4)
        assert person.images is hand.images
        assert person.images.file_name.tolist() == ["a.jpg", "b.jpg", "c.jpg", "x.jpg", "y.jpg"]
        assert len(set(person.images.id.tolist())) == 5
        ids = [*person.id.tolist(), *hand.id.tolist()]
        assert len(set(ids)) == 12
        assert ledger.total == ledger.kept == 12
        assert len(ledger.repaired["new id"]) == 4
        assert ledger.notes == {"images merged": 1, "images renumbered": 2}

    def test_skeletons_of_a_file_stay_interleaved(self):
        (person, hand), _ = ops.gather(self.files())

        assert person.order.tolist() == [0, 2, 4, 6, 8, 9, 10, 11]
        assert hand.order.tolist() == [1, 3, 5, 7]

    def test_one_file_comes_back_as_it_is(self):
        (file, _) = self.files()
        found, ledger = ops.gather([file])

        assert [part == own for part, own in zip(found, file, strict=True)] == [True, True]
        assert not ledger.repaired
        assert not ledger.notes

    def test_texts_of_files_that_do_not_differ_in_one_skeleton_are_kept(self):
        a = plain("coco").replace(meta={"info": b"1"})
        b = plain("mpii").replace(meta={"info": b"2"}, category=np.full(4, 2),
                                  categories={2: "other"})  # fmt: skip
        c = plain("coco").replace(meta={"info": b"3"})

        found, ledger = ops.gather([[a], [b], [c]])

        assert [dict(ds.meta) for ds in found] == [{"info": b"1"}, {"info": b"2"}]
        assert ledger.notes["file-level texts that differ, of later files"] == 1

    def test_categories_go_by_name(self):
        a = plain("coco").replace(categories={1: "person"})
        b = plain("mpii").replace(categories={1: "worker"})

        (first, second), ledger = ops.gather([[a], [b]])

        assert dict(first.categories) == {1: "person"}
        assert list(second.categories.values()) == ["worker"]
        assert not set(first.category.tolist()) & set(second.category.tolist())
        assert ledger.notes["categories renumbered"] == 1

"""Mapping one schema to another: the field's index tables point by point, then the rules."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from kptdata.errors import ArrayError
from kptdata.schema import Keypoint, Schema, list_schemas, load_schema, map_schemas
from kptdata.visibility import Visibility

DATA = Path(__file__).parent / "data"
POSETRACK15 = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    *("head_bottom", "nose", "head_top"),
)

# Cells of the index table that we leave on purpose: the table puts every neck in one row and says
# that its row mixes definitions. OpenPose's neck is the middle of the shoulders by construction, so
# MPII's upper neck, which is at the level of the jaw, is not taken for it, nor it for MPII's.
OTHER_NECK = {
    ("mpii", "body25"): "derived",
    ("mpii", "coco_openpose"): "derived",
    ("body25", "mpii"): "missing",
    ("coco_openpose", "mpii"): "missing",
}


def load(name: str) -> Schema:
    """Return a bundled schema, or PoseTrack's 15 points: its 17 without the unlabelled ears."""
    if name != "posetrack15":
        return load_schema(name)
    base = load_schema("posetrack18")
    points = [base.keypoints[base.index(n)] for n in POSETRACK15]
    return Schema(name, tuple(replace(p, swap=None, parent=None, sigma=None) for p in points))


def table() -> list[dict[str, str]]:
    with (DATA / "joint_table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


TABLE = table()
COLUMNS = [column for column in TABLE[0] if column != "joint"]
ROWS = json.loads((DATA / "joint_permutations.json").read_text())


def how(mapping, target_name: str) -> str:
    if target_name in dict(mapping.exact):
        return "exact"
    return "missing" if target_name in mapping.missing else "derived"


@pytest.mark.parametrize(("source", "target"), list(permutations(COLUMNS, 2)))
def test_every_cell_of_the_index_table(source, target):
    mapping = map_schemas(load(source), load(target))
    exact = dict(mapping.exact)
    for row in TABLE:
        if not row[target]:
            continue
        name = mapping.target.names[int(row[target])]
        if row["joint"] == "neck" and (source, target) in OTHER_NECK:
            assert how(mapping, name) == OTHER_NECK[source, target]
        elif row[source]:
            assert exact[name] == mapping.source.names[int(row[source])], row["joint"]
        else:
            assert name not in exact, row["joint"]


@pytest.mark.parametrize("pair", ROWS)
def test_published_permutations(pair):
    source, target = (load(name) for name in pair.split(" -> "))
    mapping = map_schemas(source, target)
    exact, derived = dict(mapping.exact), dict(mapping.derived)
    for name, wanted in zip(target.names, ROWS[pair], strict=True):
        if wanted == -1:
            # PoseTrack lists ears that it never labels; the table leaves them out, names do not.
            unlabelled_ears = pair == "posetrack18 -> coco" and name.endswith("_ear")
            assert name in (exact if unlabelled_ears else mapping.missing)
        elif isinstance(wanted, int):
            assert exact[name] == source.names[wanted]
        else:
            parents = {source.names[int(row)] for row in wanted.split("+")}
            assert set(derived[name]) == parents


def test_wholebody_of_halpe_and_coco_share_face_and_hands():
    mapping = map_schemas(load_schema("halpe"), load_schema("coco_wholebody"))
    rows = {mapping.target.index(t): mapping.source.index(s) for t, s in mapping.exact}
    assert {row: rows[row] for row in range(17)} == {row: row for row in range(17)}
    assert [rows[row] for row in range(17, 23)] == [20, 22, 24, 21, 23, 25]
    assert [rows[23 + i] for i in range(68)] == [26 + i for i in range(68)]
    assert [rows[91 + i] for i in range(21)] == [94 + i for i in range(21)]
    assert [rows[112 + i] for i in range(21)] == [115 + i for i in range(21)]


def test_faces_of_300w_are_the_68_of_the_whole_body():
    mapping = map_schemas(load_schema("coco_wholebody"), load_schema("300w"))
    assert [mapping.source.index(name) for _, name in mapping.exact] == list(range(23, 91))


def test_positional_names_never_match():
    wflw, lapa = load_schema("wflw"), load_schema("lapa")
    assert set(wflw.names) <= set(lapa.names)  # by the files' own names all 98 would match
    assert map_schemas(wflw, lapa).exact == ()
    assert map_schemas(lapa, wflw).exact == ()
    assert len(map_schemas(lapa, wflw).missing) == 98


@pytest.mark.parametrize("target", ["aflw", "cofw", "300w", "lapa"])
def test_positional_schemas_of_other_schemes_do_not_match_wflw(target):
    assert map_schemas(load_schema("wflw"), load_schema(target)).exact == ()


@pytest.mark.parametrize("name", list_schemas())
def test_identity(name):
    schema = load_schema(name)
    mapping = map_schemas(schema, schema)
    assert mapping.exact == tuple((n, n) for n in schema.names)
    assert (mapping.derived, mapping.missing, mapping.unused) == ((), (), ())
    assert mapping.is_identity


@pytest.mark.parametrize(
    ("source", "name", "weights"),
    [
        (
            "coco",
            "spine",
            {"left_hip": 0.25, "right_hip": 0.25, "left_shoulder": 0.25, "right_shoulder": 0.25},
        ),
        ("coco", "neck_base", {"nose": 1}),
        ("posetrack18", "neck_base", {"nose": 1}),
        ("aic", "neck_base", {"neck": 3 / 4, "head_top": 1 / 4}),
        ("crowdpose", "neck_base", {"neck": 3 / 4, "top_head": 1 / 4}),
        ("coco", "head", {"left_eye": 0.5, "right_eye": 0.5}),
        ("posetrack18", "head", {"head_bottom": 0.5, "head_top": 0.5}),
        ("aic", "head", {"neck": 5 / 12, "head_top": 7 / 12}),
        ("crowdpose", "head", {"neck": 5 / 12, "top_head": 7 / 12}),
    ],
)
def test_approximations_of_h36m(source, name, weights):
    mapping = map_schemas(load_schema(source), load_schema("h36m"))
    row = [derived.name for derived in mapping.derived].index(name)
    found = dict(zip(mapping.derived[row].parents, mapping.weights[row], strict=True))
    assert found == pytest.approx(weights)


@pytest.mark.parametrize("source", ["mpii", "lsp", "aic", "crowdpose", "h36m"])
def test_faces_are_not_made_up(source):
    missing = map_schemas(load_schema(source), load_schema("coco")).missing
    assert missing == ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


def three(**points) -> Schema:
    keypoints = tuple(Keypoint(name, **keys) for name, keys in points.items())
    return Schema("three", keypoints)


def test_canonical_name_goes_before_alias():
    source = three(a={"canonical": "neck"}, b={"canonical": "upper_neck"})
    target = three(x={"canonical": "upper_neck", "aliases": ("neck",)})
    assert map_schemas(source, target).exact == (("x", "b"),)


@pytest.mark.parametrize("side", ["source", "target"])
def test_alias_of_either_side(side):
    plain, other = (
        three(a={"canonical": "neck"}),
        three(b={"canonical": "top", "aliases": ("neck",)}),
    )
    source, target = (other, plain) if side == "source" else (plain, other)
    assert len(map_schemas(source, target).exact) == 1


def test_aliases_alone_do_not_match():
    one, other = three(a={"aliases": ("neck",)}), three(b={"aliases": ("neck",)})
    assert map_schemas(one, other).missing == ("b",)


def test_a_source_point_goes_to_one_target_point():
    source = three(a={"canonical": "thorax", "aliases": ("neck",)})
    target = three(x={"canonical": "thorax"}, y={"canonical": "neck"})
    mapping = map_schemas(source, target)
    assert mapping.exact == (("x", "a"),)
    assert mapping.missing == ("y",)


def test_formula_needs_every_parent():
    source = Schema.from_names(["left_hip"])
    assert "pelvis" in map_schemas(source, load_schema("mpii")).missing


def test_unused_points_are_listed():
    mapping = map_schemas(load_schema("coco"), load_schema("mpii"))
    assert mapping.unused == ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


MPII = map_schemas(load_schema("coco"), load_schema("mpii"))
PELVIS = MPII.target.index("pelvis")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lead", [(), (0,), (3,), (2, 4)], ids=str)
@pytest.mark.parametrize("axes", [2, 3])
def test_apply_moves_points_and_averages_parents(lead, dtype, axes):
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 500, (*lead, 17, axes)).astype(dtype)
    before = xy.copy()
    moved, states = MPII.apply(xy, np.full((*lead, 17), Visibility.VISIBLE, np.uint8))
    assert moved.shape == (*lead, 16, axes)
    assert moved.dtype == dtype
    assert states.dtype == np.uint8
    np.testing.assert_array_equal(moved[..., 0, :], xy[..., 16, :])
    np.testing.assert_allclose(
        moved[..., PELVIS, :], (xy[..., 11, :] + xy[..., 12, :]) / 2, rtol=2 * np.finfo(dtype).eps
    )
    assert np.isnan(moved[..., 8:10, :]).all()
    assert (states[..., 8:10] == Visibility.UNLABELLED).all()
    np.testing.assert_array_equal(xy, before)


V = Visibility


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        (V.VISIBLE, V.VISIBLE, V.VISIBLE),
        (V.VISIBLE, V.LABELLED, V.LABELLED),
        (V.VISIBLE, V.OCCLUDED, V.OCCLUDED),
        (V.LABELLED, V.OCCLUDED, V.OCCLUDED),
        (V.LABELLED, V.LABELLED, V.LABELLED),
        (V.VISIBLE, V.UNLABELLED, V.UNLABELLED),
        (V.OCCLUDED, V.ABSENT, V.UNLABELLED),
        (V.ABSENT, V.ABSENT, V.UNLABELLED),
    ],
)
def test_derived_points_are_as_visible_as_their_least_visible_parent(left, right, wanted):
    visibility = np.full(17, V.VISIBLE, np.uint8)
    visibility[[11, 12]] = left, right
    for states in (
        visibility,
        np.where(np.arange(17) == 11, right, np.where(np.arange(17) == 12, left, visibility)),
    ):
        moved, mapped = MPII.apply(np.ones((17, 2)), states.astype(np.uint8))
        assert mapped[PELVIS] == wanted
        assert np.isnan(moved[PELVIS]).all() == (wanted == V.UNLABELLED)


def test_exact_points_keep_their_state():
    visibility = np.arange(17, dtype=np.uint8) % 5
    _, mapped = MPII.apply(np.ones((17, 2)), visibility)
    for target, source in MPII.exact:
        assert mapped[MPII.target.index(target)] == visibility[MPII.source.index(source)]


def test_take_and_lowest():
    scores = np.linspace(0, 1, 17)
    taken = MPII.take(scores, -1.0)
    assert taken[0] == scores[16]
    assert taken[PELVIS] == -1
    lowest = MPII.lowest(scores)
    assert lowest[PELVIS] == scores[11]
    assert np.isnan(lowest[9])
    names = MPII.take(np.array(MPII.source.names), "")
    assert names[0] == "right_ankle"


def test_wrong_number_of_points_is_named():
    with pytest.raises(
        ArrayError, match=r"expected 17 points of schema 'coco' along axis -2.*16, 2"
    ):
        MPII.apply(np.zeros((16, 2)), np.zeros(17, np.uint8))
    with pytest.raises(ArrayError, match="along axis -1"):
        MPII.take(np.zeros((17, 2)), 0.0)


def test_to_dict_is_json():
    data = json.loads(json.dumps(MPII.to_dict()))
    assert data["derived"]["pelvis"] == {"left_hip": 0.5, "right_hip": 0.5}
    assert data["missing"] == ["upper_neck", "head_top"]

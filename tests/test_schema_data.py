"""The bundled schemas: complete, consistent, and as published but for the listed mends."""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kptdata.schema import (
    Schema,
    infer_schema,
    list_schemas,
    load_schema,
    map_schemas,
    validate_schema,
    validate_schemas,
)

ROOT = Path(__file__).parent.parent
PUBLISHED: dict[str, Any] = json.loads((ROOT / "tests/golden/metainfo.json").read_text("utf-8"))
DOCS = (ROOT / "docs/schemas.md").read_text("utf-8")
OPENPOSE = ("body25", "openpose_face", "openpose_mpi", "openpose_wholebody")
ADDED = (*OPENPOSE, "lsp", "mediapipe_hand", "mediapipe_pose")  # not among the published sets
EVERY = pytest.mark.parametrize("stem", list_schemas())
FACES_68 = ("300vw", "300w", "300wlp", "coco_wholebody_face")
WHOLE_BODIES = ("coco_wholebody", "coco_wholebody_openpose", "h3wb", "halpe", "ubody2d")
NONE = "-"  # how the docs write an absent value


def stem_of(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def docs_table(heading: str) -> list[tuple[str, ...]]:
    """The rows of the first table under a heading of docs/schemas.md, without back-quotes."""
    section = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [
        tuple(cell.strip().replace("`", "") for cell in line.split("|")[1:-1]) for line in lines
    ]


# --- the set as a whole


def test_published_and_added_sets_are_all_there():
    assert set(list_schemas()) == {*map(stem_of, PUBLISHED), *ADDED}
    assert len(PUBLISHED) == 55
    assert sorted(load_schema(stem).name for stem in list_schemas()) == sorted([*PUBLISHED, *ADDED])


def test_no_findings():
    assert validate_schemas() == ()


@EVERY
def test_file_is_valid_and_complete(stem):
    schema = load_schema(stem)

    assert validate_schema(stem) == ()
    assert f"{schema.num_keypoints} points" in schema.title
    assert schema.licence
    assert schema.paper is not None
    assert all((schema.paper.author, schema.paper.title, schema.paper.container))
    assert schema.paper.year
    assert schema.paper.homepage.startswith("http")
    assert schema.normalisers["bbox_max"].box == "bbox"


def test_docs_list_every_schema():
    rows = {row[0]: row[1:] for row in docs_table("All schemas")}

    assert rows == {
        stem: (
            str(schema.num_keypoints),
            _preferred(schema),
            schema.sigma_source or "none",
            schema.licence,
        )
        for stem, schema in ((stem, load_schema(stem)) for stem in list_schemas())
    }


def _equal_names() -> list[list[str]]:
    by_names = sorted(list_schemas(), key=lambda stem: load_schema(stem).names)
    groups = [list(same) for _, same in groupby(by_names, key=lambda stem: load_schema(stem).names)]
    return [group for group in groups if len(group) > 1]


def _preferred(schema: Schema) -> str:
    same = next((g for g in _equal_names() if stem_of(schema.name) in g), [])
    chosen = [stem for stem in same if load_schema(stem).preferred]
    others = ", ".join(stem for stem in same if stem not in chosen)
    return f"of {others}" if schema.preferred else f"no: {chosen[0]}" if same else ""


# --- equal names


def test_groups_of_equal_names():
    assert sorted(map(sorted, _equal_names())) == [
        ["300vw", "300w", "300wlp"],
        ["campus", "shelf"],
        ["coco", "human_art", "macaque", "ochuman"],
        ["coco_aic", "humanart"],
        ["coco_wholebody", "h3wb", "ubody2d"],
        ["coco_wholebody_hand", "freihand", "onehand10k", "panoptic_hand2d"],
        ["mhp", "mpii"],
    ]


@pytest.mark.parametrize("group", _equal_names(), ids=lambda group: group[0])
def test_one_of_equal_names_is_preferred_and_inferred(group):
    preferred = [stem for stem in group if load_schema(stem).preferred]

    inferred = infer_schema(load_schema(group[0]).names)

    assert len(preferred) == 1
    assert inferred.schema == load_schema(preferred[0])
    assert len({load_schema(stem).canonical_names for stem in group}) == 1


def test_no_lone_schema_is_preferred():
    grouped = {stem for group in _equal_names() for stem in group}
    assert not [s for s in list_schemas() if load_schema(s).preferred and s not in grouped]


# --- against the published facts


def _text(value: Any) -> str:
    return NONE if value in ("", None) else str(value)


def _colour(rgb: list[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _published_facts(facts: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(field, point) -> value of one published set, written as the schema files write them."""
    papers = facts["paper"] if isinstance(facts["paper"], list) else [facts["paper"]]
    found = {("name", ""): facts["dataset_name"]}
    found |= {("paper", key): _plain(text) for key, text in papers[0].items()}
    found |= {("second paper", str(row)): p["title"] for row, p in enumerate(papers[1:], 2)}
    found |= {("stats_info", key): _text(v) for key, v in facts.get("stats_info", {}).items()}
    names = [name for name, *_ in facts["keypoints"]]
    for row, (name, rgb, part, swap) in enumerate(facts["keypoints"]):
        found[("place", name)] = str(row)
        found[("colour", name)] = _colour(rgb)
        found[("part", name)] = _text(part)
        found[("swap", name)] = _text(swap)
    found |= _per_point("weight", names, facts["weights"])
    found |= _per_point("sigma", names, facts["sigmas"])
    links = {f"{start} - {end}": _colour(rgb) for start, end, rgb in facts["links"]}
    return found | {("link", link): colour for link, colour in links.items()}


def _plain(text: str) -> str:
    return text.replace("{\\'a}", "á").strip()  # the source escapes as BibTeX does


def _per_point(field: str, names: list[str], values: list[float]) -> dict[tuple[str, str], str]:
    padded = [*values, *[None] * (len(names) - len(values))]
    return {(field, n): _text(v) for n, v in zip(names, padded, strict=True)}


def _own_facts(schema: Schema) -> dict[tuple[str, str], str]:
    """The same facts of one of our schemas."""
    assert schema.paper is not None
    found = {("name", ""): schema.name}
    for key in ("author", "title", "container", "year", "homepage"):
        found[("paper", key)] = str(getattr(schema.paper, key))
    for row, point in enumerate(schema.keypoints):
        found[("place", point.name)] = str(row)
        found[("colour", point.name)] = point.colour
        found[("part", point.name)] = _text(point.part)
        found[("swap", point.name)] = _text(point.swap)
        found[("weight", point.name)] = _text(point.weight)
        found[("sigma", point.name)] = _text(point.sigma)
    return found | {("link", f"{x.start} - {x.end}"): x.colour for x in schema.links}


def test_exactly_the_listed_entries_differ_from_the_published_ones():
    differing = set()
    for key, facts in PUBLISHED.items():
        theirs, ours = _published_facts(facts), _own_facts(load_schema(key))
        for field, point in theirs.keys() | ours.keys():
            was, now = theirs.get((field, point), NONE), ours.get((field, point), NONE)
            if was != now:
                differing.add((stem_of(key), field, point, was, now))

    listed = [row[:5] for row in docs_table("Mended entries")]

    assert len(listed) == len(set(listed))
    assert differing == set(listed)
    assert all(len(row) == 6 and row[5] for row in docs_table("Mended entries"))


@pytest.mark.parametrize("key", PUBLISHED)
def test_links_keep_their_order(key):
    theirs = [f"{start} - {end}" for start, end, _ in PUBLISHED[key]["links"]]
    ours = [f"{link.start} - {link.end}" for link in load_schema(key).links]

    assert [link for link in ours if link in theirs] == theirs


def test_published_file_equals_the_optional_original():
    original = ROOT.parent / "shared/reference/metainfo.json"
    if not original.is_file():
        assert len(PUBLISHED) == 55  # the committed copy stands alone
        return
    for key, facts in json.loads(original.read_text("utf-8")).items():
        points = facts["keypoint_info"].values()
        copied = PUBLISHED[key]
        assert copied["keypoints"] == [
            [p["name"], p["color"], p["type"], p["swap"]] for p in points
        ]
        assert copied["links"] == [
            [*v["link"], v["color"]] for v in facts["skeleton_info"].values()
        ]
        assert copied["weights"] == facts["joint_weights"]
        assert copied["sigmas"] == facts["sigmas"]
        assert copied["paper"] == facts["paper_info"]


# --- sides


def _mirrored(canonical: str) -> str:
    """The canonical name of the other side."""
    exchange = {"left": "right", "right": "left", "l": "r", "r": "l"}
    insect = canonical.startswith(("fly_", "locust_", "zebra_"))
    words = [
        exchange.get(word, word) if len(word) > 1 or insect else word
        for word in canonical.split("_")
    ]
    return "_".join(words)


@EVERY
def test_swaps_are_an_involution_that_exchanges_left_and_right(stem):
    schema = load_schema(stem)
    swap = schema.swap_indices

    np.testing.assert_array_equal(swap[swap], np.arange(schema.num_keypoints))
    for row, point in enumerate(schema.keypoints):
        partner = schema.keypoints[swap[row]]
        assert point.part == partner.part
        assert point.group == _mirrored(partner.group)
        if not re.search(r"\d", point.canonical) or "finger" in point.canonical:
            assert partner.canonical == _mirrored(point.canonical)


@EVERY
def test_mirrored_links_and_parents_are_links_and_parents(stem):
    schema = load_schema(stem)
    swap = schema.swap_indices
    links = {frozenset(link) for link in schema.link_indices.tolist()}

    assert {frozenset(swap[list(link)].tolist()) for link in links} == links
    for row, parent in enumerate(schema.parent_indices.tolist()):
        mirrored = schema.parent_indices[swap[row]]
        assert mirrored == (swap[parent] if parent >= 0 else -1)


def test_right_is_orange_and_left_is_green():
    coco = load_schema("coco")
    assert coco.colours[coco.index("right_wrist")].tolist() == [255, 128, 0]
    assert coco.colours[coco.index("left_wrist")].tolist() == [0, 255, 0]


# --- names and mapping


@EVERY
def test_canonical_names_are_identifiers_and_unique(stem):
    names = load_schema(stem).canonical_names

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_positional_names_never_match_across_schemes():
    wflw, lapa = load_schema("wflw"), load_schema("lapa")
    assert len(set(wflw.names) & set(lapa.names)) == 98  # by the source's names all 98 would map
    for other in ("lapa", "aflw", "cofw", "300w", "coco_wholebody"):
        for source, target in ((wflw, load_schema(other)), (load_schema(other), wflw)):
            mapped = map_schemas(source, target)
            assert (mapped.exact, mapped.derived) == ((), ())


@pytest.mark.parametrize("stem", [*FACES_68, *WHOLE_BODIES])
def test_68_face_points_are_one_scheme(stem):
    schema = load_schema(stem)
    faces = [n for n in schema.canonical_names if n.startswith("ibug68_")]

    mapped = map_schemas(load_schema("300w"), schema)

    assert faces == [f"ibug68_{row}" for row in range(68)]
    assert mapped.unused == ()
    assert [source for _, source in mapped.exact] == [f"kpt-{row}" for row in range(68)]


ANIMALS = ("animal_kingdom", "animalpose", "ap10k", "atrw", "fly", "horse10", "locust", "zebra")


@pytest.mark.parametrize("stem", ANIMALS)
def test_animals_do_not_map_onto_people(stem):
    people = [s for s in list_schemas() if s not in ANIMALS]
    for other in people:
        mapped = map_schemas(load_schema(stem), load_schema(other))
        assert (mapped.exact, mapped.derived) == ((), ()), other


def test_macaques_map_onto_people_on_purpose():
    assert map_schemas(load_schema("macaque"), load_schema("coco")).is_identity


@pytest.mark.parametrize(
    ("source", "target", "same"),
    [
        ("ap10k", "animalpose", 8),  # eyes, nose, tail base, paws
        ("ap10k", "atrw", 12),
        ("animal_kingdom", "zebra", 2),
        ("rhd2d", "freihand", 21),
        ("mediapipe_hand", "coco_wholebody_hand", 21),
        ("interhand3d", "coco_wholebody", 42),
        ("halpe", "coco_wholebody", 133),
        ("ubody3d", "coco_wholebody", 63),
        ("deepfashion_lower", "deepfashion_full", 4),
        ("openpose_wholebody", "coco_wholebody", 133),
        ("openpose_wholebody", "openpose_face", 70),
        ("openpose_wholebody", "body25", 25),
        ("openpose_mpi", "mpii", 14),
    ],
)
def test_points_in_common(source, target, same):
    assert len(map_schemas(load_schema(source), load_schema(target)).exact) == same


# --- sigmas and weights


@EVERY
def test_sigmas_have_the_source_that_they_state(stem):
    schema = load_schema(stem)
    if schema.sigmas is None:
        assert schema.sigma_source is None
        return
    sources = (schema.sigma_source or "").split(", ")
    uniform = {float(s.removeprefix("uniform:")) for s in sources if s.startswith("uniform:")}
    lenders = [s.removeprefix("borrowed:") for s in sources if s.startswith("borrowed:")]
    kept = {(row[0], row[1]) for row in docs_table("Sigmas that fit no source")}
    for point in schema.keypoints:
        if sources != ["measured"] and (stem, point.name) not in kept:
            assert point.sigma in uniform or _lends(lenders, point.canonical, point.sigma), (
                point.name
            )


def _lends(lenders: list[str], canonical: str, sigma: float | None) -> bool:
    for lender in map(load_schema, lenders):
        by_name = {point.canonical: point.sigma for point in lender.keypoints}
        if by_name.get(canonical) == sigma:
            return True
        if canonical not in by_name and sigma in by_name.values():
            return True  # the value of a like point under another name
    return False


def test_sigmas_of_a_published_set_are_neither_added_nor_dropped():
    for key, facts in PUBLISHED.items():
        assert (load_schema(key).sigmas is None) == (not facts["sigmas"]), key
    assert all(load_schema(stem).sigmas is None for stem in ADDED)


def test_openpose_orders_carry_cocos_sigmas_by_name():
    coco = {point.name: point.sigma for point in load_schema("coco").keypoints}
    for stem in ("coco_openpose", "coco_wholebody_openpose"):
        ours = {point.name: point.sigma for point in load_schema(stem).keypoints}
        assert {name: ours[name] for name in coco} == coco


@pytest.mark.parametrize(
    ("field", "lopsided"),
    [
        ("weight", {"ap10k", "crowdpose", "exlpose"}),
        (
            "sigma",
            {"animalpose", "aic", "atrw", *WHOLE_BODIES[:3], "coco_wholebody_face", "ubody2d"},
        ),
    ],
)
def test_only_the_listed_sets_treat_left_and_right_differently(field, lopsided):
    found = {
        stem
        for stem in list_schemas()
        for point, partner in _pairs(load_schema(stem))
        if getattr(point, field) != getattr(partner, field)
    }
    assert found == lopsided


def _pairs(schema: Schema) -> list[tuple[Any, Any]]:
    rows = schema.swap_indices
    return [(point, schema.keypoints[rows[i]]) for i, point in enumerate(schema.keypoints)]


# --- trees, groups, normalisers, layouts


@EVERY
def test_every_skeleton_is_one_tree(stem):
    schema = load_schema(stem)
    roots = [p for p in schema.keypoints if p.parent is None and p.group not in ("face", "clothes")]
    trees = {"fly": 7, "locust": 9, "interhand3d": 2}  # legs and feelers stand alone; two hands

    has_skeleton = any(p.group not in ("face", "clothes") for p in schema.keypoints)
    assert len(roots) == (trees.get(stem, 1) if has_skeleton else 0)


def test_groups_of_a_whole_body():
    schema = load_schema("coco_wholebody")
    ranges = {
        "body": (0, 17),
        "foot": (17, 23),
        "face": (23, 91),
        "left_hand": (91, 112),
        "right_hand": (112, 133),
    }
    for group, (first, end) in ranges.items():
        assert schema.group_indices(group).tolist() == list(range(first, end))


@pytest.mark.parametrize(
    ("stem", "normaliser", "points"),
    [
        ("300w", "interocular", [36, 45]),
        ("coco_wholebody_face", "interocular", [36, 45]),
        ("cofw", "interocular", [8, 9]),
        ("wflw", "interocular", [60, 72]),
        ("lapa", "interocular", [66, 79]),
        ("horse10", "nose_eye", [0, 1]),
        ("jhmdb", "torso", [4, 5]),
        ("coco", "torso", [11, 6]),
    ],
)
def test_normalisers_use_the_points_of_the_benchmarks(stem, normaliser, points):
    schema = load_schema(stem)
    assert [schema.index(name) for name in schema.normalisers[normaliser].points] == points


def test_head_size_of_mpii():
    head = load_schema("mpii").normalisers["head"]
    assert (head.box, head.of, head.factor) == ("head", "diagonal", 0.6)


@EVERY
def test_layout_is_complete_and_symmetric_where_seen_from_front_or_above(stem):
    schema = load_schema(stem)
    at = [point.at for point in schema.keypoints]
    if stem == "deepfashion2":
        assert at == [None] * 294
        return
    xy = np.array(at, float)
    seen_from_the_side = stem in ("animal_kingdom", "animalpose", "ap10k", "atrw")
    if schema.has_swaps and not seen_from_the_side:
        mirrored = xy[schema.swap_indices] * [-1, 1] + [1, 0]
        np.testing.assert_allclose(xy, mirrored, atol=1.1e-3)
    assert len(np.unique(xy, axis=0)) == len(xy)


# --- the page


def test_example_of_the_docs_is_a_valid_schema(tmp_path):
    example = DOCS.split("```toml\n")[1].split("```")[0]
    path = tmp_path / "arm.toml"
    path.write_text(example, "utf-8")

    schema = load_schema(path)

    assert schema.names == ("Neck", "LElbow", "LWrist", "RElbow", "RWrist")
    mapped = map_schemas(load_schema("coco"), schema)
    assert [name for name, _ in mapped.derived] == ["Neck"]
    assert mapped.missing == ()

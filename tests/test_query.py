"""`filter_where`: what an expression means, what it may not say, and that its account adds up."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from datasets import crowd, full_pair, person_pair
from format_plants import plain, with_images
from hypothesis import given
from hypothesis import strategies as st

import kptdata as kd
from kptdata import KptDataError, OptionError, RawColumn, UnknownNameError, ops
from kptdata.dataset import MISSING_INT

NAN = np.nan


def rows(ds, expression, **more):
    """Numbers of the rows that pass; their instances are told by `order`."""
    kept, ledger = ops.filter_where(ds.replace(order=np.arange(len(ds))), expression, **more)
    assert ledger.total == len(ds)
    assert ledger.kept == len(kept)
    return kept.order.tolist()


def people():
    """Four people: sizes, names, gaps, and a text of the source."""
    ds = plain("coco")
    images = ["train/a.jpg", "train/b.jpg", "val/c.jpg"]
    ds = with_images(ds, file_name=images, width=[640, 0, 480], height=[480, 480, 640])
    return ds.replace(
        area=[100.0, NAN, 2000.0, 1024.0],
        category=[1, 2, 1, MISSING_INT],
        categories={1: "person", 2: "dog"},
        track=["a", "", "b", "a"],
        image=[0, 0, 1, -1],
        numbers={"scale": [0.5, 1.5, 2.5, NAN], "pair": np.ones((4, 2))},
        extras={
            "mood": RawColumn([b'"calm"', None, b'"angry"', b'"calm"']),
            "sure": RawColumn([b"true", b"false", None, b"true"]),
            "mixed": RawColumn([b"1", b'"one"', None, None]),
            "a key:with signs": RawColumn([b"1", b"2.5", None, b"3"]),
        },
    )


@pytest.mark.parametrize(
    ("expression", "passing"),
    [
        ("area > 1024", [2]),
        ("area >= 1024", [2, 3]),
        ("1000 < area <= 1024", [3]),
        ("area != 100", [2, 3]),  # what is not stated is not compared
        ("not area > 1024", [0, 1, 3]),
        ("missing(area)", [1]),
        ("not missing(area)", [0, 2, 3]),
        ("area / 2 == 50", [0]),
        ("area - 2 * 10 + 1 == 81", [0]),
        ("area % 1000 == 24", [3]),
        ("-area < -1500", [2]),
        ("abs(area - 1000) < 30", [3]),
        ("area / 0 > 1", [0, 2, 3]),
        ("(area - 100) / 0 > 1", [2, 3]),  # 0 / 0 has no value
        ("category == 'person'", [0, 2]),
        ('category != "person"', [1]),
        ("category in ['person', 'cat']", [0, 2]),
        ("category not in ('person', 'cat')", [1]),
        ("category_id == 2", [1]),
        ("id in [1, 4]", [0, 3]),
        ("id < 10000000000000000000000000000", [0, 1, 2, 3]),
        ("area < 1" + "0" * 400, [0, 2, 3]),
        ("track == 'a' or track == 'b'", [0, 2, 3]),
        ("width >= 640", [0, 1]),
        ("height == 480", [0, 1, 2]),
        ("missing(width)", [2, 3]),
        ("like(file_name, 'train/*')", [0, 1, 2]),
        ("like(file_name, 'train/[ab].jpg') and not like(mood, 'an*')", [0, 1]),
        ("file_name < 'train/b'", [0, 1]),
        ("image_id == 2", [2]),
        ("bbox_w == 300 and bbox_x == 1 and bbox_area == 120000", [0, 1, 2, 3]),
        ("scale > 1", [1, 2]),
        ("mood == 'calm'", [0, 3]),
        ("sure", [0, 3]),
        ("not sure", [1, 2]),
        ("sure == False", [1]),
        ("column('a key:with signs') > 2", [1, 3]),
        ("True", [0, 1, 2, 3]),
        ("1 > 2", []),
        ("num_labelled == 17 and num_visible == 17 and num_occluded == 0", [0, 1, 2, 3]),
        ("  area > 1024\n", [2]),
    ],
)
def test_what_an_expression_means(expression, passing):
    assert rows(people(), expression) == passing


@pytest.mark.parametrize(
    ("expression", "passing"),
    [
        ("visible('nose')", [0]),
        ("labelled('nose')", [0]),
        ("occluded('left_eye')", [0]),
        ("labelled('right_eye')", [0, 1]),
        ("unlabelled('nose')", [1]),
        ("absent('left_eye')", [1]),
        ("num_absent == 1 and num_unlabelled == 1", [1]),
        ("x('right_eye') == 5 and y('right_eye') == 6", [0]),
        ("x('nose') < 100", [0]),
        ("keypoint_score('right_eye') > 0.5", [1]),
        ("missing(keypoint_score('nose'))", [1]),
    ],
)
def test_states_and_places_of_a_keypoint(expression, passing):
    assert rows(full_pair(), expression) == passing


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("area", r"column 1: 'area' is a number, no condition"),
        ("category > 3", r"'category > 3' compares a text with a number"),
        ("category_id == 'person'", r"compares a number with a text"),
        ("area > 'x' or sure", r"compares a number with a text"),
        ("sure and (area or sure)", r"column 11: 'area' is a number, expected a condition"),
        ("sure + 1 > 2", r"column 1: 'sure' is a condition, expected a number"),
        ("mood in 'calm'", r"column 9: \"'calm'\" is no list"),
        ("mood in [1]", r"'1' is a number, expected a text"),
        ("area ** 9 > 1", r"'area \*\* 9' is not allowed; allowed are columns, numbers"),
        ("~area > 1", r"'~area' is not allowed"),
        ("area is 1", r"is not allowed"),
        ("area > None", r"'None' is no number, text or truth value"),
        ("area > 1j", r"'1j' is no number"),
        ("area > b'1'", r"is no number"),
        ("area >", r"invalid syntax"),
        ("", r"invalid syntax"),
        ("area > 1; area", r"invalid syntax"),
        ("area = 1", r"invalid syntax"),
        ("area > \0", r"cannot be parsed|null"),
        ("labelled(nose)", r"column 10: 'nose' is no text in quotes"),
        ("labelled()", r"expected 1 argument"),
        ("labelled('nose', 'nose')", r"expected 1 argument"),
        ("like(mood)", r"expected 2 arguments"),
        ("labelled(name='nose')", r"expected 1 argument"),
        ("(" * 70 + "area > 1" + ")" * 70 + " or " + "-" * 100 + "area > 1", r"nested more than"),
        ("area > 1 or " * 2000 + "sure", r"at most 10000 characters"),
    ],
)
def test_nonsense_is_refused_with_its_place(expression, message):
    with pytest.raises(OptionError, match=message):
        ops.filter_where(people(), expression)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "().__class__",
        "area.real > 1",
        "id[0] == 1",
        "[i for i in (1, 2)] == 1",
        "(lambda: True)()",
        "f'{area}' == '1'",
        "(area := 1) > 0",
        "sure if area > 1 else sure",
        "{'a': 1} == 1",
        "{1} == 1",
        "labelled(*['nose'])",
        "yes(1)",
    ],
)
def test_nothing_is_run(expression):
    with pytest.raises(KptDataError):
        ops.filter_where(people(), expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("arae > 1", "unknown column 'arae': did you mean area"),
        ("labeled('nose')", "unknown function 'labeled': did you mean labelled"),
        ("labelled('nsoe')", "unknown keypoint of coco 'nsoe': did you mean nose"),
        ("pair > 1", "unknown column 'pair'"),
    ],
)
def test_an_unknown_name_says_what_is_near(expression, message):
    with pytest.raises(UnknownNameError, match=message):
        ops.filter_where(people(), expression)


def test_a_column_of_mixed_values_is_refused():
    with pytest.raises(kd.DatasetError, match=r"'mixed' holds values of other kinds .*int, str"):
        ops.filter_where(people(), "mixed == 1")


def test_each_part_is_a_rule_and_gaps_are_counted():
    _, ledger = ops.filter_where(people(), "area > 50 and category == 'person' and width >= 640")

    assert dict(ledger.skipped) == {
        "area > 50": (2,),
        "category == 'person'": (4,),
        "width >= 640": (3,),
    }
    assert dict(ledger.notes) == {
        "area not stated": 1,
        "category not stated": 1,
        "width not stated": 2,
    }


def test_what_only_another_skeleton_of_the_file_has_is_missing():
    ds, other = crowd(3), people()

    assert rows(ds, "labelled('nose') or scale > 1 or sure or mood == 'x'", others=[other])
    assert rows(person_pair(), "not labelled('left_knee')", others=[ds]) == [0, 1]
    assert rows(person_pair(), "missing(x('left_knee'))", others=[ds]) == [0, 1]
    with pytest.raises(UnknownNameError):
        rows(ds, "scale > 1")


def test_no_instances():
    for expression in ("area > 1", "mood == 'calm'", "like(category, 'p*')", "x('nose') > 1"):
        assert rows(people()[:0], expression) == []


def test_no_images():
    ds = people()[:0].with_images([]).replace()
    assert rows(ds, "width > 1") == []


@given(st.text(max_size=60))
def test_any_text_gives_an_answer_or_our_error(text):
    with suppress(KptDataError):
        ops.filter_where(people(), text)


_WORDS = (
    "area id category mood sure 1 2.5 'calm' ( ) [ ] , and or not in == < > + - * / labelled "
    "'nose' missing like abs column True None"
)


@given(st.lists(st.sampled_from(_WORDS.split()), max_size=14))
def test_any_words_give_an_answer_or_our_error(words):
    with suppress(KptDataError):
        ops.filter_where(people(), " ".join(words))

"""``kpt formats``: the live table, as words and as data."""

from __future__ import annotations

import pytest

from kptdata.formats import DIALECTS, FORMATS, FormatFacts, catalogue, load_format


def test_every_format_is_listed_once(kpt):
    status, out, err = kpt("formats")

    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:] if line[0] != " "] == list(FORMATS)


def test_matrix_names_each_loss_of_each_format(kpt):
    status, out, _ = kpt("formats", "--matrix")

    assert status == 0
    plain = "".join(out.split())
    for name in FORMATS:
        assert name + "yesyes" + ",".join(FORMATS.load(name).LOSSES) in plain


def test_json_is_the_table(kpt):
    rows = kpt("formats", "--matrix", "--json").data

    assert [row["name"] for row in rows] == list(FORMATS)
    for row in rows:
        module = FORMATS.load(row["name"])
        assert row["losses"] == dict(module.LOSSES)
        assert row["suffixes"] == list(module.SUFFIXES)
        assert row["write_options"] == list(module.OPTIONS)


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_in_words(kpt, name):
    status, out, _ = kpt("formats", name)

    assert status == 0
    assert out.startswith(f"{name}: {FORMATS.load(name).TITLE}\n")
    for key, sentence in FORMATS.load(name).LOSSES.items():
        assert f"    {key}: {sentence}\n" in out


def test_an_unknown_format_says_what_is_near(fails):
    assert "unknown format 'coca': did you mean coco" in fails("formats", "coca")


def test_options_of_a_reader_leave_out_what_all_take():
    facts = {fact.name: fact for fact in catalogue()}

    assert isinstance(facts["coco"], FormatFacts)
    assert facts["coco"].read_options == ("category",)
    assert facts["mpii"].read_options == ()


def test_dialects_of_coco_are_listed_apart(kpt):
    status, out, err = kpt("formats", "--dialects")

    assert (status, err) == (0, "")
    listed = [line.split() for line in out.splitlines()[1:-1] if line[0] != " "]
    assert [(words[0], words[-1]) for words in listed] == [
        (name, dialect.schema) for name, dialect in DIALECTS.items()
    ]
    rows = kpt("formats", "--dialects", "--json").data
    assert [row["name"] for row in rows] == list(DIALECTS)


@pytest.mark.parametrize("name", ["crowdpose", "300w"])
def test_one_dialect_in_words(kpt, name):
    status, out, _ = kpt("formats", name)

    assert status == 0
    assert out.startswith(f"{name}: {DIALECTS[name].title}\n")
    assert f"  a dialect of COCO with the points of {DIALECTS[name].schema}\n" in out
    assert DIALECTS[name].facts in out
    for key, sentence in load_format(name).LOSSES.items():
        assert f"    {key}: {sentence}\n" in out

"""Run files: unknown keys, wrong types, overrides, paths, and the text of the resolved run."""

from __future__ import annotations

import tomllib

import pytest

from kptdata.errors import FileError, OptionError, UnknownNameError
from kptdata_models._toml import toml_text
from kptdata_models.runfile import Run, read_run

TEXT = """
seed = 3
[data.train]
annotations = "train.json"
images = "../images"
schema = "coco"
[codec]
type = "MSRAHeatmap"
input_size = [192, 256]
heatmap_size = [48, 64]
sigma = 2.0
[model.backbone]
type = "HRNet"
stages = [{ num_modules = 1, num_blocks = [1], num_channels = [8] }]
[model.head]
type = "HeatmapHead"
[[model.auxiliary]]
type = "HeatmapHead"
weight = 0.4
[train]
lr = 1
milestones = [170, 200]
[[train.callbacks]]
type = "mine:Callback"
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "run.toml").write_text(TEXT)
    return tmp_path / "run.toml"


def test_values_defaults_and_relative_paths(path):
    run = read_run(path)
    assert run.seed == 3
    assert run.train.lr == 1.0
    assert run.train.milestones == (170, 200)
    assert run.data.val is None
    assert run.data.train.annotations == str(path.parent / "train.json")
    assert run.data.train.images == str(path.parents[1] / "images")
    assert run.data.train.schema == "coco"
    assert run.model.auxiliary[0]["weight"] == 0.4


def test_the_resolved_text_reads_back_as_the_same_run(path):
    run = read_run(path)
    assert Run.from_dict(tomllib.loads(run.to_toml())) == Run.from_dict(run.to_dict())


def test_overrides_are_toml_values_or_plain_text(path):
    run = read_run(
        path,
        [
            "codec.sigma=3",
            "codec.type=UDPHeatmap",
            "train.milestones=[1, 2]",
            "model.auxiliary.0.weight=0.1",
            "eval.flip_test=true",
        ],
    )
    assert run.codec["sigma"] == 3
    assert run.codec["type"] == "UDPHeatmap"
    assert run.train.milestones == (1, 2)
    assert run.model.auxiliary[0]["weight"] == 0.1
    assert run.eval.flip_test


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("train.epoch=3", UnknownNameError, r"key in \[train\] 'epoch': did you mean epochs"),
        ("sed=3", UnknownNameError, r"key in the run file 'sed': did you mean seed"),
        ("data.transform.flp=1", UnknownNameError, r"\[data.transform\] 'flp': did you mean flip"),
        ("train.epochs=1.5", OptionError, "train.epochs: expected a whole number, got 1.5"),
        ("train.epochs=true", OptionError, "train.epochs: expected a whole number, got True"),
        ("train.lr=fast", OptionError, "train.lr: expected a number, got 'fast'"),
        ("train.epochs=0", OptionError, r"\[train\]: epochs: expected 1 or more"),
        ("train.schedule=linear", OptionError, "schedule: expected one of multistep, cosine"),
        ("train.milestones=3", OptionError, "train.milestones: expected a list"),
        ("data.transform.flip=7", OptionError, r"\[data.transform\]: flip: expected a chance"),
        ("data.train.boxes=none", OptionError, r"boxes: expected one of given, keypoints"),
        ("model=3", OptionError, "model: expected a table"),
        ("codec=3", OptionError, "codec: expected a table"),
        ("train.lr", OptionError, "--set: expected key.key=value"),
        ("seed.a=3", OptionError, "--set: seed.a: seed is no table"),
        (
            "model.auxiliary.x.weight=3",
            OptionError,
            "--set: .*number of one of .*, from 0, got 'x'",
        ),
        (
            "model.auxiliary.9.weight=3",
            OptionError,
            "--set: .*number of one of .*, from 0, got '9'",
        ),
    ],
)
def test_mistakes_are_named(path, override, error, message):
    with pytest.raises(error, match=message):
        read_run(path, [override])


def test_missing_keys_are_named(path):
    path.write_text(TEXT.replace("[codec]", "[eval]\n[ignored]").replace("[ignored]", "[codecs]"))
    with pytest.raises(UnknownNameError, match="'codecs': did you mean codec"):
        read_run(path)
    path.write_text("[data.train]\nannotations = 'a.json'\n[codec]\ntype = 'MSRAHeatmap'")
    with pytest.raises(OptionError, match="model: missing in the run file"):
        read_run(path)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.toml"):
        read_run(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(FileError, match="is no TOML"):
        read_run(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": {"b": {"c": 1}}},
        {"a": {}, "quoted key": 'say "so"\n'},
        {"numbers": [1, 2.5, -1e-9], "mixed": [[1], ["x"]], "truth": True},
        {"tables": [{"a": 1, "deep": {"b": [1]}}, {"c": "é"}]},
    ],
    ids=str,
)
def test_text_of_plain_values_reads_back(document):
    assert tomllib.loads(toml_text(document)) == document

"""`kpt viz augment`: draws as pictures, with names that follow flips and points that come back."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from kptdata import codecs
from kptdata.synth import synth
from kptdata.transforms import Augmentation, PlainCrop
from kptdata.viz import augment_gallery, draw_augmented
from kptdata.viz._pictures import read_picture


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return synth(2, tmp_path_factory.mktemp("series"), seed=3, size=(96, 96))


def picture(series, **options):
    image = read_picture(series.images / str(series.dataset.images.file_name[0]))
    codec = codecs.build("SimCCLabel", input_size=(48, 64))
    return draw_augmented(image, series.dataset, 0, codec, **options)


def test_a_column_per_draw_and_the_same_each_time(series):
    augmentation = Augmentation(flip=0.5, rotation=30)
    two = picture(series, augmentation=augmentation, draws=2)
    three = picture(series, augmentation=augmentation, draws=3)
    assert three.shape[1] > two.shape[1]
    np.testing.assert_array_equal(two, picture(series, augmentation=augmentation, draws=2))
    assert (two != picture(series, augmentation=augmentation, draws=2, seed=1)).any()


def test_names_and_crop_rules_without_a_codec(series, tmp_path):
    named = picture(series, augmentation=Augmentation(), draws=1, labels="names")
    assert named.shape[0] > 1500
    gallery = augment_gallery(
        series.dataset, tmp_path, PlainCrop((48, 64)), augmentation=Augmentation(), draws=1,
        images=series.images, limit=1,
    )  # fmt: skip
    assert gallery.drawn == 1


def test_the_command(series, tmp_path):
    from kpt.commands.viz import command

    annotations = series.images.parent / "annotations.json"
    done = CliRunner().invoke(
        command,
        ["augment", str(annotations), "-o", str(tmp_path), "--limit", "1", "-n", "2",
         "--law", "hrnet", "--sheet", "1x1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 of" in done.stderr
    assert (tmp_path / "index.html").exists()


def test_a_run_file_says_what_is_drawn(series, tmp_path):
    from kpt.commands.viz import command

    annotations = series.images.parent / "annotations.json"
    (tmp_path / "run.toml").write_text(
        f'[data.train]\nannotations = "{annotations}"\nimages = "{series.images}"\n'
        '[data.transform]\nflip = 1.0\n[codec]\ntype = "MSRAHeatmap"\ninput_size = [48, 64]\n'
        'heatmap_size = [12, 16]\nsigma = 1\n[model]\nbackbone = {type = "ResNet"}\n'
        'head = {type = "HeatmapHead"}\n'
    )
    done = CliRunner().invoke(
        command,
        ["augment", str(annotations), "-o", str(tmp_path / "out"), "--limit", "1", "-n", "1",
         "--transform", str(tmp_path / "run.toml"), "--codec", str(tmp_path / "run.toml")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "out").glob("*.png"))) == 1

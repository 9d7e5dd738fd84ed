"""Galleries and pages: files, an index that stands alone, an account of what is missing."""

from __future__ import annotations

import re

import numpy as np
import pytest
from click.testing import CliRunner

import kptdata as kd
from kptdata.codecs import build
from kptdata.synth import synth
from kptdata.viz import Page, annotation_gallery, heatmap_gallery, target_gallery
from kptdata.viz._pictures import read_picture


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return synth(6, tmp_path_factory.mktemp("series"), seed=3, size=(96, 96))


def codec():
    return build("UDPHeatmap", input_size=(48, 64), heatmap_size=(12, 16))


def test_one_file_per_image_and_a_page_that_stands_alone(tmp_path, series):
    gallery = annotation_gallery(series.dataset, tmp_path, images=series.images)

    assert gallery.drawn == gallery.available == len(gallery.files) == 6
    assert gallery.missing == gallery.resized == ()
    for file in gallery.files:
        assert read_picture(file).shape[2] == 3
    page = gallery.index.read_text()
    assert page.count('src="data:image/jpeg;base64,') == 6
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_sheets_and_limits(tmp_path, series):
    gallery = annotation_gallery(
        series.dataset, tmp_path, images=series.images, sheet=(2, 2), limit=5
    )
    assert (gallery.drawn, gallery.available, len(gallery.files)) == (5, 6, 2)
    assert "5 of 6 drawn in 2 pictures" in str(gallery)


def test_the_same_bytes_twice(tmp_path, series):
    for name in ("a", "b"):
        heatmap_gallery(series.dataset, tmp_path / name, codec(), images=series.images, limit=1)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_missing_images_are_counted_and_drawn_only_when_asked(tmp_path, series):
    names = series.dataset.images.file_name.tolist()
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / names[0]).write_bytes((series.images / names[0]).read_bytes())

    gallery = annotation_gallery(series.dataset, tmp_path / "a", images=folder)
    assert gallery.drawn == 1
    assert gallery.missing == tuple(names[1:])
    assert "not found: 5 images, such as" in str(gallery)

    plain = annotation_gallery(series.dataset, tmp_path / "b", images=folder, plain=True)
    assert plain.drawn == 6
    assert plain.missing == tuple(names[1:])

    with pytest.raises(kd.FileError, match="none of the 6 images is there"):
        annotation_gallery(series.dataset, tmp_path / "c", images=tmp_path)


def test_other_sizes_are_told(tmp_path, series):
    images = series.dataset.images
    wrong = kd.ImageTable.of(images.file_name, width=images.width + 1, height=images.height)
    gallery = annotation_gallery(
        series.dataset.replace(images=wrong), tmp_path, images=series.images
    )
    assert len(gallery.resized) == 6


def test_images_and_instances_by_name(tmp_path, series):
    name = str(series.dataset.images.file_name[2])
    one = annotation_gallery(series.dataset, tmp_path / "a", images=series.images, names=[name])
    assert one.drawn == 1
    two = target_gallery(
        series.dataset, tmp_path / "b", codec(), images=series.images, ids=["2", "1"]
    )
    assert two.drawn == 2
    with pytest.raises(kd.UnknownNameError, match="unknown image"):
        annotation_gallery(series.dataset, tmp_path / "c", images=series.images, names=["x.jpg"])
    with pytest.raises(kd.UnknownNameError, match="unknown instance"):
        target_gallery(series.dataset, tmp_path / "c", codec(), images=series.images, ids=["999"])


def test_instances_without_a_box_are_cropped_by_their_points(tmp_path, series):
    unboxed = series.dataset.replace(bbox=np.full((len(series.dataset), 4), np.nan))
    gallery = heatmap_gallery(unboxed, tmp_path, codec(), images=series.images, limit=2)
    assert gallery.boxed == 2


def test_instances_that_no_picture_can_show_are_counted(tmp_path, series):
    ds = series.dataset
    box, image = ds.bbox.copy(), ds.image.copy()
    image[0], box[1, 2] = -1, 0
    bare = ds.replace(bbox=box, image=image)

    people = heatmap_gallery(bare, tmp_path / "a", codec(), images=series.images, limit=1)
    pictures = annotation_gallery(bare, tmp_path / "b", images=series.images)

    assert (people.left_out, people.available) == (2, len(ds) - 2)
    assert pictures.left_out == 1
    assert "left out, no listed image, no point or no box with a size: 2 inst" in str(people)
    with pytest.raises(kd.DatasetError, match="names an image that the file does not list"):
        heatmap_gallery(bare, tmp_path, codec(), images=series.images, ids=[str(ds.ids[0])])


@pytest.mark.parametrize("rows", [slice(0, 0), slice(None)], ids=["nothing to draw", "all"])
def test_an_output_that_is_a_file(tmp_path, series, rows):
    (tmp_path / "out").touch()

    with pytest.raises(kd.FileError, match=r"out: cannot be made: .* Fix: name another folder"):
        annotation_gallery(series.dataset[rows], tmp_path / "out", images=series.images)


def test_text_on_a_page_is_text():
    page = Page("a < b", "& more")
    page.section("<s>").text("<b>").command("kpt x > y").output("<o>").table(["<h>"], [["<c>"]])
    html = page.html()
    for tag in ("<s>", "<b>", "<o>", "<h>", "<c>"):
        assert tag not in html
    assert "a &lt; b" in html


# --------------------------------------------------------------------------------------- commands
def run(*arguments):
    from kpt.main import group

    return CliRunner().invoke(group, [str(a) for a in arguments])


def test_commands(tmp_path, series):
    source = ("--from", "coco", "--schema", "coco", "--sheet", "2x2")
    for name, more in {
        "annotations": ("--labels", "names", "--keypoints", "left_*,nose"),
        "heatmaps": (
            "--set",
            "input_size=[48, 64]",
            "--set",
            "heatmap_size=[12, 16]",
            "--limit",
            "2",
        ),
        "targets": ("--codec", "SimCCLabel", "--set", "input_size=[48, 64]", "--limit", "1"),
    }.items():
        out = tmp_path / name
        result = run("viz", name, series.annotations, "-o", out, *source, *more)
        assert result.exit_code == 0, result.output
        assert (out / "index.html").exists()
        assert "drawn in" in result.output


def test_a_codec_from_a_file(tmp_path, series):
    file = tmp_path / "run.toml"
    file.write_text(
        '[codec]\ntype = "MSRAHeatmap"\n'
        "input_size = [48, 64]\nheatmap_size = [12, 16]\nsigma = 1.0\n"
    )
    result = run("viz", "heatmaps", series.annotations, "-o", tmp_path, "--from", "coco",
                 "--codec", file, "--set", "sigma=2", "--limit", "1")  # fmt: skip
    assert result.exit_code == 0, result.output


def test_several_codecs_from_a_file(tmp_path, series):
    file = tmp_path / "run.toml"
    one = '[[codec]]\ntype = "MSRAHeatmap"\ninput_size = [48, 64]\nsigma = 1.0\n'
    file.write_text(f"{one}heatmap_size = [12, 16]\n{one}heatmap_size = [24, 32]\n")
    given = ("viz", "targets", series.annotations, "-o", tmp_path, "--from", "coco", "--limit", "1",
             "--codec", file)  # fmt: skip

    result = run(*given)
    assert result.exit_code == 0, result.output

    result = run(*given, "--set", "sigma=2")
    assert "sigma=2 is for one codec" in str(result.exception)
    file.write_text("codec = 3\n")
    assert "expected a table [codec] or [[codec]]" in str(run(*given).exception)


@pytest.mark.parametrize(
    "codec",
    ["MSRAHeatmap", "UDPHeatmap", "MegviiHeatmap", "SimCCLabel", "RegressionLabel",
     "IntegralRegressionLabel", "EDPoseLabel"],
)  # fmt: skip
def test_a_codec_is_drawn_by_its_name_alone(tmp_path, series, codec):
    result = run("viz", "targets", series.annotations, "-o", tmp_path, "--from", "coco",
                 "--codec", codec, "--limit", "1")  # fmt: skip
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("codec", ["ImagePoseLifting", "VideoPoseLifting", "MotionBERTLabel"])
def test_a_lifting_codec_takes_the_number_of_keypoints_from_the_schema(tmp_path, series, codec):
    """The dataset has no 3D points: that is what is said, and not a parameter that is missing."""
    result = run("viz", "targets", series.annotations, "-o", tmp_path, "--from", "coco",
                 "--codec", codec)  # fmt: skip
    assert f"codec {codec} needs" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--codec", "UDPHeatmpa"], "did you mean UDPHeatmap"),
        (["--set", "sigma"], "expected key=value"),
        (["--set", "sgima=2"], "did you mean sigma"),
        (["--codec", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["--codec", "RegressionLabel"], "has no heatmaps"),
        (["--sheet", "4"], "COLUMNSxROWS"),
        (["--keypoints", "left_nose"], "unknown keypoint 'left_nose'"),
    ],
)
def test_wrong_options_are_told_in_one_sentence(tmp_path, series, arguments, message):
    result = run(
        "viz", "heatmaps", series.annotations, "-o", tmp_path, "--from", "coco", *arguments
    )
    assert result.exit_code == 1
    assert isinstance(result.exception, kd.KptDataError)
    assert message in str(result.exception)

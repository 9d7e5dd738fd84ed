"""Heatmaps and targets as pictures: the PNG shows the peak where the mark is."""

from __future__ import annotations

import numpy as np
import pytest

import kptdata as kd
from kptdata._synth_layout import as_dataset, record
from kptdata.codecs import CODECS, build
from kptdata.synth import draw_scene
from kptdata.viz import draw_bundle, draw_heatmaps, draw_targets
from kptdata.viz._draw import BLUE
from kptdata.viz._encoded import encode_instance
from kptdata.viz._pictures import read_picture, write_picture

HEATMAPS = {
    "MSRAHeatmap": {},
    "UDPHeatmap": {},
    "MegviiHeatmap": {"kernel_size": 11},
    "IntegralRegressionLabel": {},
}

OF_POINTS = {"RegressionLabel": {}, "SimCCLabel": {"sigma": 3.0}}


def make(name, **params):
    usual = {"input_size": (96, 128), "heatmap_size": (24, 32)}
    if name not in ("MegviiHeatmap",):
        usual["sigma"] = 2.0
    return build(name, **(usual | HEATMAPS.get(name, {}) | params))


@pytest.fixture(scope="module")
def scene():
    return draw_scene(11, 2)


@pytest.fixture(scope="module")
def people(scene):
    return as_dataset(record(scene, 0), 1, (256, 256), "coco")


def region(picture, panel):
    return picture[panel.top : panel.top + panel.height, panel.left : panel.left + panel.width]


def middle_of(mask, panel):
    rows, columns = np.nonzero(mask)
    return columns.mean() + panel.left, rows.mean() + panel.top


@pytest.mark.parametrize("name", HEATMAPS)
def test_the_peak_in_the_png_is_where_its_mark_is(tmp_path, scene, people, name):
    codec = make(name)
    marked = draw_heatmaps(scene.image, people, 0, codec)
    bare = draw_heatmaps(scene.image, people, 0, codec, marks=False)
    for drawn, file in ((marked, "marked.png"), (bare, "bare.png")):
        write_picture(drawn.picture, tmp_path / file)
    with_marks, without = read_picture(tmp_path / "marked.png"), read_picture(tmp_path / "bare.png")

    compared = 0
    for panel in marked.panels:
        if not np.isfinite(panel.peak).all():
            continue
        heat = region(without, panel).astype(int).sum(axis=-1)
        brightest = middle_of(heat >= heat.max() - 2, panel)
        mark = middle_of((region(with_marks, panel) == BLUE).all(axis=-1), panel)
        assert np.hypot(*np.subtract(brightest, mark)) <= 1, panel.name
        assert np.hypot(*np.subtract(mark, panel.peak)) <= 0.75, panel.name
        compared += 1
    assert compared >= 8


def test_the_annotated_mark_is_where_the_point_is(scene, people):
    codec = make("MSRAHeatmap")
    drawn = draw_heatmaps(scene.image, people, 0, codec, keypoints=("left_*",))
    assert [p.name for p in drawn.panels] == [
        n for n in people.schema.names if n.startswith("left")
    ]
    encoded = encode_instance(scene.image, people, 0, codec)
    for panel in drawn.panels:
        x, y = encoded.xy[people.schema.index(panel.name)]
        if np.isfinite(x):
            scale = panel.width / 96
            expected = ((x + 0.5) * scale - 0.5 + panel.left, (y + 0.5) * scale - 0.5 + panel.top)
            assert np.hypot(*np.subtract(panel.annotated, expected)) <= 0.5


def test_a_models_maps_are_drawn_in_place_of_the_target(scene, people):
    codec = make("UDPHeatmap")
    maps = np.zeros((17, 32, 24))
    maps[:, 10, 6] = 0.7
    drawn = draw_heatmaps(scene.image, people, 0, codec, outputs=(maps,))
    for panel in drawn.panels:
        x = (6 * 95 / 23 + 0.5) * panel.width / 96 - 0.5 + panel.left
        assert panel.peak[0] == pytest.approx(x, abs=0.5)


def test_maps_without_a_peak_are_drawn_without_one(scene, people):
    codec = make("MSRAHeatmap")
    for value in (0.0, np.nan):
        drawn = draw_heatmaps(
            scene.image, people, 0, codec, outputs=(np.full((17, 32, 24), value),)
        )
        assert not np.isfinite([p.peak for p in drawn.panels]).any()


def test_combined_maps_have_three_panels_each(scene, people):
    drawn = draw_heatmaps(scene.image, people, 0, make("UDPHeatmap", heatmap_type="combined"))
    assert len(drawn.panels) == 3 * 17


@pytest.mark.parametrize("name", ["300w", "halpe"])
@pytest.mark.parametrize("side", [64, 6000])
def test_many_points_on_tiny_and_huge_images(name, side):
    schema = kd.load_schema(name)
    xy = np.random.default_rng(0).uniform(0.2 * side, 0.8 * side, (1, schema.num_keypoints, 2))
    ds = kd.PoseDataset(
        schema=schema,
        images=kd.ImageTable.of(["a"]),
        image=np.zeros(1, np.intp),
        xy=xy,
        visibility=np.full((1, schema.num_keypoints), 2, np.uint8),
        bbox=np.array([[0.2, 0.2, 0.6, 0.6]]) * side,
    )
    image = np.full((side, side, 3), 60, np.uint8)
    drawn = draw_heatmaps(image, ds, 0, make("UDPHeatmap"))
    assert len(drawn.panels) == schema.num_keypoints
    assert drawn.picture.shape[1] < 1500
    assert all(p.top + p.height < drawn.picture.shape[0] for p in drawn.panels)


@pytest.mark.parametrize("name", [n for n in CODECS if n in HEATMAPS or n in OF_POINTS])
def test_every_codec_of_points_alone_has_a_picture_of_its_targets(scene, people, name):
    codec = make(name) if name in HEATMAPS else build(name, input_size=(96, 128), **OF_POINTS[name])
    picture = draw_targets(scene.image, people, 0, codec)
    assert picture.shape[2] == 3
    assert picture.std() > 5


def test_a_list_of_codecs_is_drawn_one_below_the_other(scene, people):
    one = make("MSRAHeatmap")
    alone = draw_targets(scene.image, people, 0, one)
    both = build("CodecList", codecs=(one, build("RegressionLabel", input_size=(96, 128))))
    picture = draw_targets(scene.image, people, 0, both)
    assert (picture[: alone.shape[0], : alone.shape[1]] == alone).all()
    assert picture.shape[0] > alone.shape[0] + 300


def test_any_bundle_is_drawn_field_by_field():
    codec = make("MSRAHeatmap")
    target = codec.encode(np.full((1, 30, 2), 40.0), np.ones((1, 30), bool))
    assert draw_bundle(target).shape[2] == 3


def test_refusals(scene, people):
    with pytest.raises(kd.OptionError, match="RegressionLabel has no heatmaps"):
        draw_heatmaps(scene.image, people, 0, build("RegressionLabel", input_size=(96, 128)))
    unboxed = people.replace(bbox=np.full((len(people), 4), np.nan))
    with pytest.raises(kd.DatasetError, match="no box to crop by"):
        draw_heatmaps(scene.image, unboxed, 0, make("MSRAHeatmap"))

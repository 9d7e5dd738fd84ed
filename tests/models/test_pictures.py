"""Pictures of a model: one row per sample, target beside prediction."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from kpt.commands.viz import command

from kptdata import Schema, read
from kptdata.errors import OptionError
from kptdata_models import load
from kptdata_models.pictures import draw_pose, heatmap_pictures
from kptdata_models.train import fit

SCHEMA = Schema.from_names(("a", "b"), name="pair")


def test_points_without_coordinates_are_left_out():
    image = np.zeros((20, 20, 3), np.uint8)
    xy = np.array([[5.0, 5.0], [np.nan, np.nan]])
    drawn = draw_pose(image, xy, SCHEMA)
    assert drawn[5, 5].any()
    assert not drawn[12:, 12:].any()
    assert not image.any()
    assert not draw_pose(image, np.full((2, 2), np.nan), SCHEMA).any()
    draw_pose(image, np.full((2, 2), 1e12), SCHEMA)


def test_predicted_maps_stand_beside_the_targets(run, people, tmp_path):
    checkpoint = fit(run, tmp_path / "run").last
    source = people / "val"
    words = ["heatmaps", str(source / "annotations.json"), "--from", "coco", "-o"]
    done = CliRunner().invoke(
        command, [*words, str(tmp_path / "maps"), "--checkpoint", str(checkpoint), "--limit", "2"]
    )
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "maps").glob("*.png"))) == 2

    other = read(source / "annotations.json", format="coco")
    other = other.replace(schema=Schema.from_names(other.schema.names[::-1], name="reversed"))
    with pytest.raises(OptionError, match=r"predicts 17 keypoints of 'coco'.*'reversed'"):
        heatmap_pictures(load(checkpoint), other, source / "images", tmp_path / "no")

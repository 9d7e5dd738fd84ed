"""A published method's predictions for the 2,958 MPII validation people: the published table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import loadmat

import kptdata as kd

# Percentages that the method's authors and the benchmark's own evaluation give for this file.
PUBLISHED = {
    "PCKh@0.5 head": 95.600,
    "PCKh@0.5 shoulder": 92.714,
    "PCKh@0.5 elbow": 83.365,
    "PCKh@0.5 wrist": 76.736,
    "PCKh@0.5 hip": 81.928,
    "PCKh@0.5 knee": 73.363,
    "PCKh@0.5 ankle": 65.446,
    "PCKh@0.5 mean": 82.337,
    "PCKh@0.1 mean": 28.975,
    "HRNet Mean@0.1 (0.11)": 33.138,
}


@pytest.fixture(scope="module")
def detections(shared):
    """Ground truth and predictions, in the order of MPII's 16 joints."""
    raw = loadmat(shared / "samples" / "mpii_pckh" / "detections_our_format.mat")
    xy, found = (np.moveaxis(raw[key], -1, 0) for key in ("pos_gt_src", "pos_pred_src"))
    labelled = raw["jnt_missing"].T == 0
    low, high = raw["headboxes_src"].astype(float)
    count = len(xy)
    table = {
        "schema": kd.load_schema("mpii"),
        "images": kd.ImageTable.of([f"{i}.jpg" for i in range(count)]),
        "image": np.arange(count),
    }
    truth = kd.PoseDataset(
        **table,
        xy=np.where(labelled[..., None], xy, np.nan),
        visibility=np.where(labelled, kd.Visibility.LABELLED, kd.Visibility.UNLABELLED),
        boxes={"head": np.concatenate([low, high - low]).T},
        id=np.arange(count),
    )
    states = np.full(labelled.shape, kd.Visibility.LABELLED)
    return truth, kd.PoseDataset(**table, xy=found, visibility=states, answers=truth.id)


def test_published_table(detections):
    found = kd.metrics.evaluate(*detections, "pckh")

    assert {name: round(found[name], 3) for name in PUBLISHED} == PUBLISHED


def test_every_joint_was_labelled_or_left_out(detections):
    truth, _ = detections
    found = kd.metrics.evaluate(*detections, "epe")

    assert found.results[0].facts[0].startswith(f"{int(truth.labelled.sum())} points compared, 0 ")

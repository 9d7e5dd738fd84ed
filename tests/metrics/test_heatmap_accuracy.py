"""Training accuracies from heatmaps and SimCC vectors, on both backends."""

from __future__ import annotations

import numpy as np
import pytest

from kptdata.errors import ArrayError
from kptdata.metrics.arrays import heatmap_accuracy, simcc_accuracy


def peak_at(x, y, shape=(10, 20)):
    maps = np.zeros(shape, np.float32)
    maps[y, x] = 1.0
    return maps


TARGET = np.stack([peak_at(5, 5), peak_at(5, 5), peak_at(5, 5)])[None]
LABELLED = np.array([[True, True, False]])


def test_heatmap_accuracy(asarray):
    """A cell of 20 columns is 0.05 of the width, a cell of 10 rows 0.1 of the height."""
    output = np.stack([peak_at(6, 5), peak_at(5, 6), peak_at(5, 5)])[None]

    found = heatmap_accuracy(asarray(output), asarray(TARGET), asarray(LABELLED), 0.075)

    np.testing.assert_array_equal(found.per_keypoint, [1.0, 0.0, np.nan])
    assert float(found.mean) == 0.5
    assert int(found.count) == 2


def test_reference_swaps_width_and_height(asarray):
    output = np.stack([peak_at(6, 5), peak_at(5, 6), peak_at(5, 5)])[None]

    found = heatmap_accuracy(
        asarray(output), asarray(TARGET), asarray(LABELLED), 0.075, reference=True
    )

    np.testing.assert_array_equal(found.per_keypoint, [0.0, 1.0, np.nan])


def test_a_map_without_a_peak_is_wrong(asarray):
    found = heatmap_accuracy(asarray(-TARGET), asarray(TARGET), asarray(LABELLED))

    assert float(found.mean) == 0.0


def test_nothing_labelled(asarray):
    found = heatmap_accuracy(asarray(TARGET), asarray(TARGET), asarray(np.zeros((1, 3), bool)))

    assert float(found.mean) == 0.0
    assert int(found.count) == 0
    assert np.isnan(np.asarray(found.per_keypoint)).all()


def test_simcc_accuracy(asarray):
    """Two bins per pixel: bin 8 of x is pixel 4."""
    x, y = np.zeros((1, 2, 40), np.float32), np.zeros((1, 2, 20), np.float32)
    x[0, :, 8], y[0, 0, 6], y[0, 1, 16] = 1.0, 1.0, 1.0
    target = np.array([[[4.0, 3.0], [4.0, 3.0]]], np.float32)

    found = simcc_accuracy(
        asarray(x), asarray(y), asarray(target), asarray(np.ones((1, 2), bool)), 2.0
    )

    np.testing.assert_array_equal(found.per_keypoint, [1.0, 0.0])
    assert float(found.mean) == 0.5


def test_shapes_are_checked(asarray):
    with pytest.raises(ArrayError, match=r"labelled: expected shape \(1, 3\)"):
        heatmap_accuracy(asarray(TARGET), asarray(TARGET), asarray(np.ones((1, 2), bool)))

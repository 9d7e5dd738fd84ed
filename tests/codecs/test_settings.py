"""Settings of codecs, which may come from a file or a command line, are checked before use."""

from __future__ import annotations

import pytest

from kptdata import codecs
from kptdata.errors import OptionError

SIZES = {"input_size": (192, 256), "heatmap_size": (48, 64)}


@pytest.mark.parametrize("sigma", ["a", None, -1, 0, float("nan"), True, [2.0]], ids=str)
def test_a_number_is_asked_for(sigma):
    with pytest.raises(OptionError, match="sigma: expected a positive number, got "):
        codecs.build("UDPHeatmap", **SIZES, sigma=sigma)


@pytest.mark.parametrize(
    "size", [5, "big", (192,), (192, 0), (192, -1), (192, 0.5), (192, float("inf")), ("a", "b")],
    ids=str,
)  # fmt: skip
def test_sizes_are_asked_for(size):
    with pytest.raises(OptionError, match="input_size: expected 2 positive whole numbers, got "):
        codecs.build("MSRAHeatmap", **(SIZES | {"input_size": size}), sigma=2.0)


@pytest.mark.parametrize("kernel", ["a", None, 4, 0, -3, 2.5, float("nan")], ids=str)
def test_odd_numbers_are_asked_for(kernel):
    with pytest.raises(OptionError, match="kernel_size: expected a positive odd number, got "):
        codecs.build("MegviiHeatmap", **SIZES, kernel_size=kernel)


def test_whole_numbers_may_be_written_as_fractions():
    codec = codecs.build("MSRAHeatmap", input_size=[192.0, 256.0], heatmap_size=(48, 64), sigma=2)

    assert codec.input_size == (192, 256)

"""Each random law against its formula, with fixed seeds."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from kptdata import load_schema
from kptdata.errors import OptionError, UnknownNameError
from kptdata.transforms import (
    LAWS,
    Augmentation,
    Draw,
    Instances,
    Ranges,
    region_of,
    standard_augmentation,
)

COUNT = 20_000
COCO = load_schema("coco")
ALWAYS = {"scale_prob": 1.0, "rotation_prob": 1.0, "shift_prob": 1.0}


def amounts(law, ranges):
    rng, made = np.random.default_rng(5), LAWS.load(law)()
    return [made.amounts(rng, ranges) for _ in range(COUNT)]


def draws(augmentation, count=COUNT):
    rng = np.random.default_rng(6)
    return [augmentation.draw(rng) for _ in range(count)]


def fits(values, distribution):
    """Whether a sample may come from a distribution: Kolmogorov and Smirnov's test."""
    return stats.kstest(values, distribution.cdf).pvalue > 0.001


def share(values):
    return float(np.mean(values))


def near(found, chance, count=COUNT):
    """Within four standard deviations of a binomial share."""
    return abs(found - chance) < 4 * np.sqrt(chance * (1 - chance) / count) + 1e-12


def test_mmpose_is_the_truncated_normal():
    drawn = amounts("mmpose", Ranges(scale=(0.5, 1.5), rotation=80, shift=0.16))
    cut = stats.truncnorm(-1, 1)
    assert fits([(d.scale - 1.0) / 0.5 for d in drawn], cut)
    assert fits([d.rotation / 80 for d in drawn], cut)
    assert fits([d.shift[0] / 0.16 for d in drawn], cut)
    assert fits([d.shift[1] / 0.16 for d in drawn], cut)
    table = np.array([(d.scale, d.rotation, *d.shift) for d in drawn])
    assert np.abs(np.corrcoef(table.T) - np.eye(4)).max() < 0.03


def test_hrnet_is_the_clipped_normal():
    sf, rf = 0.35, 45.0
    drawn = amounts("hrnet", Ranges(scale=(1 - sf, 1 + sf), rotation=rf))
    scale = np.array([d.scale for d in drawn])
    rotation = np.array([d.rotation for d in drawn])
    normal = NormalDist()
    for value, chance in [(1 - sf, normal.cdf(-1)), (1 + sf, 1 - normal.cdf(1))]:
        assert near(share(np.isclose(scale, value)), chance)
    inside = np.abs(scale - 1) < sf * (1 - 1e-9)
    assert fits((scale[inside] - 1) / sf, stats.truncnorm(-1, 1))
    for value, chance in [(-2 * rf, normal.cdf(-2)), (2 * rf, 1 - normal.cdf(2))]:
        assert near(share(rotation == value), chance)
    inside = np.abs(rotation) < 2 * rf
    assert fits(rotation[inside] / rf, stats.truncnorm(-2, 2))
    assert all(d.shift == (0, 0) for d in drawn)


@pytest.mark.parametrize(
    ("law", "turned", "shifted", "upper"),
    [("mmpose", 0.6, 0.3, 0.7), ("hrnet", 0.6, 0.0, NormalDist().cdf(0.5))],
)
def test_the_standard_chances(law, turned, shifted, upper):
    drawn = draws(standard_augmentation(law))
    assert near(share([d.flip for d in drawn]), 0.5)
    assert near(share([d.half_body for d in drawn]), 0.3)
    assert near(share([d.upper for d in drawn]), upper)
    assert near(share([d.rotation != 0 for d in drawn]), turned)
    assert near(share([d.shift != (0, 0) for d in drawn]), shifted)
    assert near(share([d.scale != 1 for d in drawn]), 1.0)


@pytest.mark.parametrize("law", LAWS)
def test_a_draw_uses_as_many_random_numbers_whatever_they_are(law):
    for seed in range(50):
        states = []
        for chance in (0.0, 0.5, 1.0):
            rng = np.random.default_rng(seed)
            Augmentation(
                flip=chance, half_body=chance, rotation=30, rotation_prob=chance, law=law
            ).draw(rng)
            states.append(rng.bit_generator.state["state"])
        assert states[0] == states[1] == states[2]


@pytest.mark.parametrize(
    ("law", "options", "message"),
    [
        ("hrnet", {"shift": 0.1}, "shift: the law 'hrnet' does not shift"),
        ("hrnet", {"scale": (0.5, 1.3)}, "scale: the law 'hrnet' expects 1 - sf and 1 \\+ sf"),
    ],
)
def test_a_law_refuses_what_it_has_no_formula_for(law, options, message):
    with pytest.raises(OptionError, match=message):
        Augmentation(law=law, **options)


def test_near_names():
    with pytest.raises(UnknownNameError, match="did you mean hrnet"):
        Augmentation(law="hrnt")
    with pytest.raises(UnknownNameError, match="standard augmentation 'rtm'"):
        standard_augmentation("rtm")
    with pytest.raises(UnknownNameError, match="did you mean rotation"):
        standard_augmentation("mmpose", rotaton=3)
    with pytest.raises(UnknownNameError, match="did you mean vertical"):
        Augmentation(flip_direction="vertica")


class Fixed:
    """A law of one's own."""

    half_body = LAWS.load("mmpose")().half_body
    scale_prob = rotation_prob = shift_prob = 1.0

    def check(self, ranges):
        """Accept all."""

    def amounts(self, rng, ranges):
        """Always the same."""
        from kptdata.transforms import Amounts

        return Amounts(1.1, 7.0, (0.1, 0.2))


def test_a_law_of_ones_own(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "my_laws", sys.modules[__name__])
    sys.modules["my_laws"].__spec__ = sys.modules[__name__].__spec__
    draw = Augmentation(law="my_laws:Fixed").draw(np.random.default_rng(0))
    assert draw == Draw(scale=1.1, rotation=7.0, shift=(0.1, 0.2), upper=draw.upper)


# Half of a body


def body(upper, lower):
    """One person with so many labelled points of each half."""
    labelled = np.zeros((1, 17), bool)
    labelled[0, COCO.upper_body[:upper]] = True
    labelled[0, COCO.lower_body[:lower]] = True
    xy = np.random.default_rng(upper * 20 + lower).uniform(0, 100, (1, 17, 2))
    xy[~labelled] = np.nan
    return Instances(xy, labelled, np.array([[0.0, 0, 100, 100]]))


@pytest.mark.parametrize(
    ("law", "upper", "lower", "preferred", "chosen"),
    [
        ("mmpose", 5, 5, "upper", "upper"),
        ("mmpose", 5, 5, "lower", "lower"),
        ("mmpose", 4, 4, "upper", "whole"),  # 8 points: too few in all
        ("mmpose", 10, 2, "lower", "upper"),
        ("mmpose", 2, 6, "upper", "whole"),  # 8 again
        ("hrnet", 5, 4, "upper", "upper"),
        ("hrnet", 4, 4, "upper", "whole"),  # more than 8 points, says the recipe
        ("hrnet", 10, 2, "lower", "upper"),  # more than 2 in the part
        ("hrnet", 3, 6, "upper", "upper"),
    ],
)
def test_which_half_stands_for_the_body(law, upper, lower, preferred, chosen):
    person = body(upper, lower)
    augmentation = Augmentation(law=law)
    draw = Draw(half_body=True, upper=preferred == "upper")
    region = region_of(person, draw, COCO, 1.25, augmentation)
    halves = {"upper": COCO.upper_body, "lower": COCO.lower_body}
    if chosen == "whole":
        np.testing.assert_allclose(region.scale, [125, 125])
    else:
        half = halves[chosen]
        points = person.xy[0, half[person.labelled[0, half]]]
        np.testing.assert_allclose(region.center, points.mean(axis=0))
        np.testing.assert_allclose(region.scale, np.ptp(points, axis=0) * 1.5)


@pytest.mark.parametrize(("upper", "chosen"), [(2, "lower"), (3, "upper")])
def test_hrnet_wants_more_than_two_points_of_a_half(upper, chosen):
    person = body(upper, 6)
    augmentation = Augmentation(law="hrnet", half_body_min=8)
    region = region_of(person, Draw(half_body=True), COCO, 1.25, augmentation)
    half = COCO.upper_body if chosen == "upper" else COCO.lower_body
    np.testing.assert_allclose(
        region.center, person.xy[0, half[person.labelled[0, half]]].mean(axis=0)
    )


def test_points_in_one_place_do_not_make_a_box():
    person = body(10, 0)
    person.xy[person.labelled] = 50.0
    region = region_of(person, Draw(half_body=True), COCO)
    np.testing.assert_allclose(region.scale, [125, 125])


def test_a_shift_counts_the_padded_box_and_not_its_resize():
    region = region_of(body(5, 5), Draw(shift=(0.1, -0.2), scale=0.5), COCO, 1.25)
    np.testing.assert_allclose(region.center, [50 + 12.5, 50 - 25])
    np.testing.assert_allclose(region.scale, [62.5, 62.5])

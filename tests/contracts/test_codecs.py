"""Every codec keeps the contract: over the live table, and over one that a package brings along."""

from __future__ import annotations

import dataclasses
import math
import pickle
import sys
from typing import Any

import numpy as np
import pytest
import torch
from codec_cases import arrays_of, case_id, cases, encode, make, over_arrays, plain, sample

from kptdata import codecs
from kptdata.errors import ArrayError, OptionError, UnknownNameError

PLUGIN = """
from dataclasses import dataclass
from kptdata.codecs.regression_label import RegressionLabel

@dataclass(frozen=True)
class HalfLabel(RegressionLabel):
    '''A codec of somebody else.'''
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Install a package that brings a codec along, for the time of this module."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "half_codec.py").write_text(PLUGIN)
    info = folder / "half_codec-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: half-codec\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[kptdata.codecs]\nHalfLabel = half_codec:HalfLabel\n")
    sys.path.insert(0, str(folder))
    vars(codecs.CODECS).pop("_installed", None)
    yield "HalfLabel"
    sys.path.remove(str(folder))
    vars(codecs.CODECS).pop("_installed", None)
    sys.modules.pop("half_codec", None)


each_codec = pytest.mark.parametrize(
    ("name", "changes"), [*cases(), ("HalfLabel", {})], ids=case_id
)
pytestmark = pytest.mark.usefixtures("package")


def to_torch(value: Any) -> Any:
    return over_arrays(lambda array: torch.from_numpy(np.array(array)), value)


def same(found: Any, expected: Any, **tolerance: float) -> None:
    for (name, a), (_, b) in zip(arrays_of(found), arrays_of(expected), strict=True):
        np.testing.assert_allclose(
            plain(a), plain(b), err_msg=name, **({"rtol": 1e-5, "atol": 1e-6} | tolerance)
        )


def test_the_plugin_is_in_the_live_table(package):
    assert package in codecs.CODECS
    assert type(codecs.build(package, input_size=(4, 4))).__module__ == "half_codec"


@each_codec
@pytest.mark.parametrize("keypoints", [1, 17, 133])
@pytest.mark.parametrize("lead", [(), (3,), (2, 1)], ids=str)
def test_shapes_dtypes_and_finite_targets(name, changes, keypoints, lead, asarray, rng):
    codec = make(name, keypoints, **changes)
    drawn = sample(codec, rng, lead=lead, keypoints=keypoints)
    drawn.xy[..., 0, :] = math.nan

    target = encode(codec, over_arrays(asarray, drawn))
    decoded = codec.decode(*codec.as_output(target))

    for field, array in arrays_of(target):
        assert type(array) is type(asarray(drawn.xy)), field
        assert array.shape[: len(lead)] == lead, field
        assert np.isfinite(plain(array)).all(), field
        if not field.endswith(("type", "type_weight")):
            assert array.dtype == asarray(drawn.xy).dtype, field
        if "weight" in field:
            assert ((array >= 0) & (array <= 1)).all(), field
    assert decoded.xy.shape[:-3] == lead
    assert decoded.xy.shape[-2] == keypoints
    assert decoded.score.shape == decoded.xy.shape[:-1]
    assert decoded.instance_score.shape == decoded.score.shape[:-1]
    assert {a.dtype for a in decoded[:3]} == {asarray(drawn.xy).dtype}


@each_codec
def test_float64_stays_float64(name, changes, rng):
    codec = make(name, 5, **changes)
    target = encode(codec, sample(codec, rng, keypoints=5, dtype="float64"))

    decoded = codec.decode(*codec.as_output(target))

    assert {str(a.dtype) for a in decoded[:3]} == {"float64"}


@each_codec
@pytest.mark.parametrize("people", [1, 3])
def test_a_batch_is_the_loop_over_it(name, changes, people, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, lead=(4,), people=people, keypoints=5)

    whole = encode(codec, drawn)
    decoded = codec.decode(*codec.as_output(whole))

    for i in range(4):
        one = encode(codec, over_arrays(lambda array, i=i: array[i], drawn))
        same(over_arrays(lambda array, i=i: array[i], whole), one)
        same(over_arrays(lambda array, i=i: array[i], decoded), codec.decode(*codec.as_output(one)))


@each_codec
@pytest.mark.parametrize("people", [1, 3])
def test_torch_gives_what_numpy_gives(name, changes, people, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, lead=(4,), people=people, keypoints=5)

    target = encode(codec, drawn)
    outputs = codec.as_output(target)

    same(encode(codec, to_torch(drawn)), target)
    same(codec.decode(*to_torch(outputs)), codec.decode(*outputs), atol=1e-4)


@each_codec
def test_torch_gives_what_numpy_gives_of_noisy_outputs(name, changes, rng):
    """Maps with a peak, as a network puts them out: 1e-4 pixels."""
    codec = make(name, 5, **changes)
    outputs = codec.as_output(encode(codec, sample(codec, rng, lead=(40,), keypoints=5)))
    noisy = over_arrays(
        lambda array: (array + rng.normal(0, 0.02, array.shape) * np.abs(array).max()).astype(
            "float32"
        ),
        outputs,
    )

    found, expected = codec.decode(*to_torch(noisy)), codec.decode(*noisy)

    same(found, expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "changes"),
    [case for case in cases() if hasattr(codecs.CODECS.load(case[0]), "crop")],
    ids=case_id,
)
@pytest.mark.parametrize("place", [-1e4, 1e4, -1e30, 1e30])
def test_everything_outside_weighs_nothing(name, changes, place, asarray, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, lead=(2,), keypoints=5)
    drawn.xy[..., :2] = place
    drawn.labelled[...] = True

    with np.errstate(over="ignore"):  # float32 squares 1e30 to infinity, which is far enough
        target = encode(codec, over_arrays(asarray, drawn))

    for field, array in arrays_of(target):
        assert np.isfinite(plain(array)).all(), field
        if field.endswith(("keypoint_weights", "heatmaps", "x_labels", "y_labels")):
            assert not plain(array).any(), field


@each_codec
def test_nothing_given_is_changed(name, changes, asarray, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, keypoints=5)
    before = over_arrays(np.copy, drawn)
    given = over_arrays(asarray, drawn)

    target = encode(codec, given)
    outputs = codec.as_output(target)
    copies = over_arrays(lambda array: plain(array).copy(), outputs)
    codec.decode(*outputs)

    same(given, before, rtol=0, atol=0)
    same(outputs, copies, rtol=0, atol=0)


@each_codec
def test_nobody_gives_zeros(name, changes, asarray, rng):
    codec = make(name, 5, **changes)
    drawn = over_arrays(asarray, sample(codec, rng, lead=(2,), people=0, keypoints=5))

    target = encode(codec, drawn)
    decoded = codec.decode(*codec.as_output(target))

    depth = {"root_depth", "root_depth_weight", "focal", "center"}  # of the image, not of people
    for field, array in arrays_of(target):
        if field not in depth:
            assert not plain(array).any(), field
    assert not plain(decoded.score).any()


@each_codec
def test_an_empty_batch(name, changes, asarray, rng):
    codec = make(name, 5, **changes)
    drawn = over_arrays(asarray, sample(codec, rng, lead=(0,), keypoints=5))

    decoded = codec.decode(*codec.as_output(encode(codec, drawn)))

    assert decoded.xy.shape[0] == 0


@each_codec
def test_padding_people_leave_no_mark(name, changes, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, people=2, keypoints=5)
    drawn.labelled[1] = False
    drawn.xy[1] = math.nan
    for field in ("lifting_target_visible",):
        if field in drawn.fields:
            drawn.fields[field][1] = False

    target = encode(codec, drawn)

    for field, array in arrays_of(target):
        if "weight" in field and array.shape[:2] == (2, 5):
            assert not array[1].any(), field
    heatmaps = getattr(target, "heatmaps", None)
    if heatmaps is not None:
        drawn = drawn._replace(xy=drawn.xy[:1], labelled=drawn.labelled[:1])
        alone = encode(codec, drawn._replace(fields=over_arrays(_first_person, drawn.fields)))
        np.testing.assert_allclose(heatmaps, alone.heatmaps, rtol=1e-5)


def _first_person(array: Any) -> Any:
    return array[:1] if array.ndim else array


@each_codec
def test_weight_multiplies_the_weights(name, changes, asarray, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, lead=(2,), keypoints=5)
    weight = np.arange(5.0, dtype="float32")

    unweighted = encode(codec, drawn)
    weighted = encode(codec, over_arrays(asarray, drawn), weight=asarray(weight))

    seen = 0
    for (field, a), (_, b) in zip(arrays_of(weighted), arrays_of(unweighted), strict=True):
        if field.endswith(("keypoint_weights", "lifting_target_weight", "trajectory_weights")):
            kept = weight[-b.shape[-1] :] if b.shape[-1] == 5 else np.delete(weight, codec.roots[0])
            np.testing.assert_allclose(plain(a), b * kept, err_msg=field)
            seen += 1
    assert seen


@each_codec
def test_decoding_is_within_the_bound(name, changes, rng):
    codec = make(name, 17, **changes)
    drawn = sample(codec, rng, lead=(6,), keypoints=17)
    drawn.labelled[...] = True
    for field in ("lifting_target_visible",):
        if field in drawn.fields:
            drawn.fields[field][...] = True

    decoded = codec.decode(*codec.as_output(encode(codec, drawn)))

    if name == "MotionBERTLabel":  # decodes to what an evaluation compares: see its own test
        return
    truth = drawn.fields.get("lifting_target", drawn.xy)
    error = np.array(codec.bound.error[: truth.shape[-1]])
    unit = np.abs(truth).max() if "lifting_target" in drawn.fields else 1
    if name == "EDPoseLabel":
        truth, unit = drawn.xy / [640, 480], 1
    assert (np.abs(decoded.xy - truth) <= error * unit + 1e-6).all()


@each_codec
def test_integers_in_place_of_labelled_are_refused(name, changes, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, keypoints=5)

    with pytest.raises(ArrayError, match=r"labelled: expected bool .*int64"):
        encode(codec, drawn._replace(labelled=np.full(drawn.labelled.shape, 2)))


@each_codec
def test_wrong_shapes_are_named(name, changes, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, keypoints=5)

    with pytest.raises(ArrayError, match=r"xy: expected"):
        encode(codec, drawn._replace(xy=drawn.xy[..., None]))
    with pytest.raises(ArrayError, match=r"labelled: expected"):
        encode(codec, drawn._replace(labelled=drawn.labelled[..., :-1]))
    with pytest.raises(ArrayError, match=r"weight: expected"):
        encode(codec, drawn, weight=np.ones(4))


@each_codec
def test_a_missing_field_is_refused(name, changes, rng):
    codec = make(name, 5, **changes)
    drawn = sample(codec, rng, keypoints=5)

    for field in codecs.sample_fields(codec).required:
        fields = {key: value for key, value in drawn.fields.items() if key != field}
        with pytest.raises(TypeError, match=field):
            codec.encode(drawn.xy, drawn.labelled, **fields)


@each_codec
def test_outputs_without_a_meaning_decode_to_nan_and_zero(name, changes, asarray, rng):
    codec = make(name, 5, **changes)
    outputs = codec.as_output(encode(codec, sample(codec, rng, keypoints=5)))

    decoded = codec.decode(*over_arrays(lambda array: asarray(array * math.nan), outputs))

    start = int(changes.get("rootrel", False))  # puts the first keypoint at 0 by definition
    assert np.isnan(plain(decoded.xy)[..., start:, :]).all()
    assert not plain(decoded.score)[..., start:].any()
    assert start or not plain(decoded.instance_score).any()


@each_codec
def test_scores_are_in_their_range(name, changes, rng):
    codec = make(name, 5, **changes)
    outputs = codec.as_output(encode(codec, sample(codec, rng, lead=(3,), keypoints=5)))

    noisy = over_arrays(
        lambda array: (array + rng.normal(0, 0.1, array.shape)).astype("float32"), outputs
    )
    low, high = codec.score_range

    for score in (codec.decode(*outputs).score, codec.decode(*noisy).score):
        assert (low <= score).all()
        assert (score <= high).all()
    assert len(codec.score_meaning) > 20


@each_codec
def test_a_codec_is_a_value(name, changes):
    codec = make(name, 5, **changes)
    params = {f.name: getattr(codec, f.name) for f in dataclasses.fields(codec)}

    assert codecs.build(name, **params) == codec
    assert hash(codecs.build(name, **params)) == hash(codec)
    if name != "HalfLabel":
        assert pickle.loads(pickle.dumps(codec)) == codec
    with pytest.raises(dataclasses.FrozenInstanceError):
        codec.reference = True


@each_codec
def test_an_unknown_parameter_is_refused_with_a_near_name(name, changes):
    codec = make(name, 5, **changes)
    known = dataclasses.fields(codec)[0].name

    with pytest.raises(UnknownNameError, match=f"did you mean {known}"):
        codecs.build(name, **{known + "s": 1})
    with pytest.raises((OptionError, UnknownNameError)):
        codecs.from_config({"type": name, "no_such_thing": 1})


@pytest.mark.parametrize(
    ("name", "changes"),
    [case for case in cases() if hasattr(codecs.CODECS.load(case[0]), "flip_merge")],
    ids=case_id,
)
def test_flip_merge_keeps_shapes_and_dtypes(name, changes, rng):
    codec = make(name, 5, **changes)
    outputs = codec.as_output(encode(codec, sample(codec, rng, lead=(2,), keypoints=5)))

    merged = codec.flip_merge(outputs, outputs, np.arange(5))

    assert [a.shape for a in merged] == [a.shape for a in outputs]
    assert [a.dtype for a in merged] == [a.dtype for a in outputs]

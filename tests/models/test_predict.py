"""Checkpoints and prediction: what comes back, in which pixels, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kptdata import Visibility, read
from kptdata.errors import ArrayError, FileError, KptDataError, OptionError
from kptdata_models import load
from kptdata_models.checkpoint import KEY, read_checkpoint
from kptdata_models.data import read_image
from kptdata_models.evaluate import mean_pose, measure
from kptdata_models.runfile import Run
from kptdata_models.train import fit
from kptdata_models.weights import read_weights

from .conftest import document


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory):
    """Give a folder with a run whose heatmaps have peaks everywhere."""
    plan = document(people)
    plan["model"]["head"]["softmax"] = True
    plan["train"] |= {"epochs": 1, "ema": 0.5}
    return fit(Run.from_dict(plan), tmp_path_factory.mktemp("run") / "out")


@pytest.fixture(scope="module")
def predictor(trained):
    return load(trained.last, device="cpu")


@pytest.fixture
def val(people):
    return read(people / "val" / "annotations.json", format="coco")


def test_a_checkpoint_knows_schema_codec_run_and_versions(trained):
    found = read_checkpoint(trained.last)
    assert found.schema.name == "coco"
    assert found.run.codec["type"] == "MSRAHeatmap"
    assert found.versions["torch"] == torch.__version__.split("+")[0] or found.versions["torch"]
    assert set(found.versions) == {"kptdata", "torch", "lightning", "numpy"}


def test_the_running_average_is_what_predicts(trained):
    content = torch.load(trained.last, weights_only=True)
    name = "model.head.final_layer.bias"
    weights = read_checkpoint(trained.last).weights["head.final_layer.bias"]
    torch.testing.assert_close(weights, content[KEY]["ema"][name])
    assert (weights != content["state_dict"][name]).any()


def test_validation_figures_are_those_of_the_checkpoint(trained, predictor, val, people):
    found = predictor.predict_dataset(val, people / "val" / "images").dataset
    assert measure(val, found) == pytest.approx(trained.metrics, rel=1e-5)


def test_predictions_answer_instances_in_image_pixels(predictor, val, people):
    found = predictor.predict_dataset(val, people / "val" / "images", outputs=True)
    dataset = found.dataset

    assert len(dataset) == len(val)
    assert dataset.schema.names == val.schema.names
    np.testing.assert_array_equal(dataset.answers, val.ids)
    np.testing.assert_array_equal(dataset.image, val.image)
    assert set(np.unique(dataset.visibility)) == {Visibility.LABELLED}
    assert found.outputs[0].shape == (len(val), 17, 16, 16)
    assert dataset.provenance[-1] == "predicted by last.ckpt"
    # The crop that is recorded takes every point to where its heatmap has the peak.
    matrix = dataset.numbers["crop_matrix"]
    inside = dataset.xy @ matrix[:, :, :2].transpose(0, 2, 1) + matrix[:, None, :, 2]
    maps = found.outputs[0]
    peak = maps.reshape(*maps.shape[:2], -1).argmax(-1)
    cells = np.stack([peak % 16, peak // 16], axis=-1) * 4.0
    assert np.abs(inside - cells).max() <= 1 + 1e-6


def test_one_image_by_path_or_by_pixels(predictor, val, people):
    path = people / "val" / "images" / str(val.images.file_name[0])
    boxes = val.bbox[val.image == 0]
    by_path = predictor.predict(path, boxes)
    by_pixels = predictor.predict(read_image(path), boxes.tolist(), scores=[0.5] * len(boxes))
    np.testing.assert_array_equal(by_path.xy, by_pixels.xy)
    np.testing.assert_allclose(by_path.score * 0.5, by_pixels.score)
    assert by_path.images.width[0] == 128


def test_no_box_gives_no_prediction(predictor, val, people):
    path = people / "val" / "images" / str(val.images.file_name[0])
    assert len(predictor.predict(path, [])) == 0
    assert len(predictor.predict(path, np.zeros((0, 4)))) == 0
    found = predictor.predict_dataset(val[:0], people / "val" / "images", outputs=True)
    assert len(found.dataset) == 0
    assert [maps.shape for maps in found.outputs] == [(0, 17, 16, 16)]


def test_the_batch_does_not_matter(predictor, val, people):
    whole = predictor.predict_dataset(val, people / "val" / "images").dataset
    single = predictor.predict_dataset(val[1:2], people / "val" / "images").dataset
    np.testing.assert_allclose(single.xy[0], whole.xy[1], atol=1e-4)


def test_flip_test_of_a_mirrored_image_is_the_mirrored_prediction(predictor, val, people):
    """Flip testing makes left and right agree: to one pixel of the input, as the codec says."""
    path = people / "val" / "images" / str(val.images.file_name[0])
    image, box = read_image(path), val.bbox[val.image == 0][:1]
    mirrored_box = box.copy()
    mirrored_box[:, 0] = image.shape[1] - 1 - box[:, 0] - box[:, 2]
    predictor.flip_test = True
    try:
        plain = predictor.predict(image, box)
        mirrored = predictor.predict(np.ascontiguousarray(image[:, ::-1]), mirrored_box)
    finally:
        predictor.flip_test = False
    back = mirrored.xy[0][val.schema.swap_indices]
    back[:, 0] = image.shape[1] - 1 - back[:, 0]
    pixel = 1 / plain.numbers["crop_matrix"][0, 0, 0]
    assert np.median(np.abs(back - plain.xy[0])) <= 4 * pixel


@pytest.mark.parametrize(
    ("image", "boxes", "error", "message"),
    [
        (np.zeros((8, 8), np.uint8), [[0, 0, 4, 4]], ArrayError, "image: expected"),
        (np.zeros((8, 8, 3)), [[0, 0, 4, 4]], ArrayError, "image: .* float64"),
        (np.zeros((8, 8, 3), np.uint8), [[0, 0, 4]], ArrayError, "boxes: expected shape"),
        (np.zeros((8, 8, 3), np.uint8), [[0, 0, 0, 4]], OptionError, "no box with area"),
        ("nowhere.png", [[0, 0, 4, 4]], FileError, "no such image"),
    ],
)
def test_wrong_images_and_boxes_are_refused(predictor, image, boxes, error, message):
    with pytest.raises(error, match=message):
        predictor.predict(image, boxes)


def test_a_checkpoint_without_a_schema_is_refused(trained, tmp_path):
    content = torch.load(trained.last, weights_only=True)
    del content[KEY]["schema"]
    torch.save(content, tmp_path / "bare.ckpt")
    with pytest.raises(FileError, match=r"bare.ckpt: has no keypoint schema"):
        load(tmp_path / "bare.ckpt")
    torch.save(content["state_dict"], tmp_path / "weights.ckpt")
    with pytest.raises(FileError, match="has no keypoint schema"):
        load(tmp_path / "weights.ckpt")


@pytest.mark.parametrize("key", ["codec", "run", "versions"])
def test_a_checkpoint_that_lacks_a_fact_is_refused(trained, tmp_path, key):
    content = torch.load(trained.last, weights_only=True)
    del content[KEY][key]
    torch.save(content, tmp_path / "part.ckpt")
    with pytest.raises(FileError, match=f"part.ckpt: lacks {key}"):
        load(tmp_path / "part.ckpt")


class Payload:
    def __reduce__(self):
        return print, ("run",)


def test_a_checkpoint_that_pickles_code_is_refused(trained, tmp_path, capsys):
    content = torch.load(trained.last, weights_only=True) | {"extra": Payload()}
    torch.save(content, tmp_path / "trap.ckpt")
    for reader in (load, read_checkpoint, read_weights):
        with pytest.raises(FileError, match=r"trap\.ckpt: holds objects"):
            reader(tmp_path / "trap.ckpt")
    assert not capsys.readouterr().out


def test_damaged_and_missing_checkpoints_are_named(trained, tmp_path):
    (tmp_path / "half.ckpt").write_bytes(trained.last.read_bytes()[:5000])
    for name in ("half.ckpt", "none.ckpt"):
        with pytest.raises(KptDataError, match=name):
            load(tmp_path / name)


def test_mean_pose_is_the_mean_in_fractions_of_the_box(val):
    pose = mean_pose(val[:1], val[:2])
    seen = val.labelled[0]
    np.testing.assert_allclose(pose[0][seen], val.xy[0][seen])
    box = val.bbox
    moved = (val.xy[0] - box[0, :2]) / box[0, 2:] * box[1, 2:] + box[1, :2]
    np.testing.assert_allclose(pose[1][seen], moved[seen])


@pytest.mark.parametrize("device", ["tpu9", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(trained, device):
    with pytest.raises(OptionError, match=f"device: '{device}' cannot be used here: .* cpu$"):
        load(trained.last, device=device)

"""Weight files: formats, prefix, match table, refusals."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kptdata.errors import FileError, OptionError
from kptdata_models.backbones import ResNet
from kptdata_models.weights import load_weights, read_weights


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.ModuleDict({"backbone": ResNet(18, base_channels=4, stem_channels=4)})


def copies(model):
    return {name: torch.full_like(value, 2) for name, value in model.state_dict().items()}


def write(path, tensors):
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors, "meta": {"epoch": 3}}, path)
    return path


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_everything_matches(tmp_path, model, name):
    path = write(tmp_path / name, copies(model))

    match = load_weights(model, path, strict=True)

    assert match.complete
    assert len(match.matched) == len(model.state_dict())
    assert (model["backbone"].conv1.weight == 2).all()


def test_a_plain_state_dict_is_read(tmp_path, model):
    torch.save(copies(model), tmp_path / "w.pth")
    assert read_weights(tmp_path / "w.pth").keys() == model.state_dict().keys()


def test_prefix_is_cut_and_a_part_is_filled(tmp_path, model):
    tensors = {f"module.{name}": value for name, value in copies(model).items()}
    path = write(tmp_path / "w.pth", tensors)

    match = load_weights(model, path, prefix="module.backbone.", into="backbone", strict=True)

    assert match.complete
    assert "conv1.weight" in match.matched


def test_the_table_names_what_differs(tmp_path, model):
    tensors = copies(model)
    del tensors["backbone.bn1.weight"]
    tensors["backbone.conv1.weight"] = torch.zeros(64, 3, 7, 7)
    tensors["backbone.fc.weight"] = torch.zeros(3)
    path = write(tmp_path / "w.safetensors", tensors)

    match = load_weights(model, path)

    assert match.missing == ("backbone.bn1.weight",)
    assert match.unexpected == ("backbone.fc.weight",)
    assert match.mismatched == {"backbone.conv1.weight": ((4, 3, 7, 7), (64, 3, 7, 7))}
    assert "module (4, 3, 7, 7), file (64, 3, 7, 7)" in match.table()
    assert (model["backbone"].conv1.weight != 2).any()
    assert (model["backbone"].bn1.bias == 2).all()
    with pytest.raises(FileError, match="the weights do not fit the model"):
        load_weights(model, path, strict=True)


def test_a_long_table_is_cut(tmp_path, model):
    path = write(tmp_path / "w.pth", {"backbone.bn1.weight": torch.ones(4)})
    table = load_weights(model, path).table(most=2)
    assert f"and {len(model.state_dict()) - 3} more" in table


def test_nothing_that_matches_is_an_error(tmp_path, model):
    path = write(tmp_path / "w.pth", {"other": torch.ones(1)})
    with pytest.raises(FileError, match="no weight fits the model"):
        load_weights(model, path)


def test_wrong_prefix_lists_what_is_there(tmp_path, model):
    path = write(tmp_path / "w.pth", copies(model))
    with pytest.raises(OptionError, match=r"prefix: .*'encoder\.'; they start with backbone\."):
        load_weights(model, path, prefix="encoder.")
    with pytest.raises(OptionError, match="no part 'neck'; it has backbone"):
        load_weights(model, path, into="neck")


class Payload:
    def __reduce__(self):
        return print, ("run",)


def test_no_code_in_the_file_is_run(tmp_path, capsys):
    torch.save({"state_dict": {"w": torch.ones(1)}, "extra": Payload()}, tmp_path / "w.pth")
    with pytest.raises(FileError, match="holds objects other than weights"):
        read_weights(tmp_path / "w.pth")
    assert not capsys.readouterr().out


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_broken_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(FileError, match=name):
        read_weights(tmp_path / name)


def test_a_missing_file_and_an_empty_mapping(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_weights(tmp_path / "none.pth")
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(FileError, match="holds no weights"):
        read_weights(tmp_path / "w.pth")

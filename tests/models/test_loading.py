"""Loading: the same samples however they are loaded, sampling, several files, bad images."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from kptdata import codecs, read
from kptdata.errors import DatasetError, FileError, OptionError, UnknownNameError
from kptdata_models.bad_images import BadImages
from kptdata_models.data import Augmentation, TopdownDataset
from kptdata_models.loaders import Collate, TrainBatches, TrainLoader, train_loader
from kptdata_models.runfile import Run
from kptdata_models.sources import load_training

CODEC = codecs.build("MSRAHeatmap", input_size=(32, 48), heatmap_size=(8, 12), sigma=1.0)
BATCH, EPOCHS = 25, 5
VARIED = Augmentation(
    flip=0.5, half_body=0.3, scale=(0.6, 1.4), rotation=40, shift=0.1,
    pixels=tuple({"type": t} for t in ("PhotometricDistortion", "CoarseDropout", "GaussianNoise")),
)  # fmt: skip


def hundred(people: Path, **options) -> TopdownDataset:
    """A hundred instances, each with a sample per epoch: 500 in five epochs."""
    dataset = read(people / "train" / "annotations.json")
    rows = np.resize(np.arange(len(dataset)), 100)
    many = dataset[rows].replace(id=np.arange(100))
    return TopdownDataset(
        many, people / "train" / "images", CODEC, augmentation=VARIED, seed=3, **options
    )


def digest(dataset, *, workers=0, context=None, start=0, count=500):
    """SHA-256 of `count` samples from number `start`, in the order of training."""
    found, seen = hashlib.sha256(), 0
    order = []
    for epoch in range(start // 100, (start + count + 99) // 100):
        batches = TrainBatches(100, BATCH, seed=1, epoch=lambda epoch=epoch: epoch)
        batches.resume = (epoch, (start % 100) // BATCH) if not order else None
        order += list(batches)
    loader = TrainLoader(
        dataset.unencoded(),
        batch_sampler=order[: count // BATCH],
        num_workers=workers,
        multiprocessing_context=context,
        collate_fn=Collate(dataset.codec),
    )
    for batch in loader:
        found.update(batch.image.numpy().tobytes())
        found.update(batch.target.heatmaps.numpy().tobytes())
        found.update(batch.target.keypoint_weights.numpy().tobytes())
        found.update(batch.matrix.numpy().tobytes())
        seen += len(batch.row)
    assert seen == count
    return found.hexdigest()


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")  # of a small machine
def test_500_samples_are_the_same_however_they_are_loaded(people):
    samples = hundred(people, cache=True)
    expected = digest(samples)
    assert expected != digest(hundred(people, cache=True), start=100, count=400)
    for workers, context in [(1, "fork"), (4, "fork"), (1, "spawn")]:
        assert digest(samples, workers=workers, context=context) == expected


def test_resuming_at_250_gives_the_other_250(people):
    samples = hundred(people, cache=True)
    expected = digest(samples, start=250, count=250)
    assert digest(samples, workers=1, start=250, count=250) == expected


@pytest.mark.parametrize(
    "codec",
    [
        CODEC,
        codecs.build("UDPHeatmap", input_size=(32, 48), heatmap_size=(8, 12), sigma=1.0),
        codecs.build("SimCCLabel", input_size=(32, 48)),
        codecs.build("RegressionLabel", input_size=(32, 48)),
        codecs.build(
            "CodecList",
            codecs=[
                codecs.build("MSRAHeatmap", input_size=(32, 48), heatmap_size=wh, sigma=1.0)
                for wh in ((8, 12), (16, 24))
            ],
        ),
    ],
    ids=lambda codec: type(codec).__name__,
)
def test_targets_of_a_batch_are_those_of_its_samples(people, codec):
    from kptdata_models.data import encode_batch, join_points

    data = hundred(people)
    data = TopdownDataset(
        data.dataset, data.images, codec,
        augmentation=Augmentation(flip=0.5, rotation=40, use_schema_weights=True),
    )  # fmt: skip
    keys = [(1, row) for row in range(20)]
    batches = TrainBatches(100, 20, seed=0, epoch=lambda: 1)
    batches._order = lambda rng: np.arange(100)
    loader = train_loader(data, batches, workers=0, position=lambda: (0, 0))
    batch = next(iter(loader))
    alone = torch.utils.data.default_collate([data[key].target for key in keys])
    points = join_points([data.unencoded()[key].target for key in keys])
    tensors = points._replace(
        xy=torch.from_numpy(points.xy),
        labelled=torch.from_numpy(points.labelled),
        fields={name: torch.from_numpy(array) for name, array in points.fields.items()},
    )
    on_device = encode_batch(codec, tensors, torch.from_numpy(data.weights))
    one, other, third = (
        torch.utils._pytree.tree_leaves(t) for t in (batch.target, alone, on_device)
    )
    assert len(one) == len(other) == len(third) >= 2
    for mine, theirs, there in zip(one, other, third, strict=True):
        assert torch.equal(mine, theirs)
        torch.testing.assert_close(mine, there, rtol=1e-5, atol=1e-6)


def test_a_batch_lists_texts_and_keeps_bundles():
    from kptdata.transforms import Meta

    batch = Collate()([Meta(row, f"{row}.jpg", "{}") for row in (3, 4)])
    assert type(batch) is Meta
    assert batch.row.tolist() == [3, 4]
    assert list(batch.file_name) == ["3.jpg", "4.jpg"]


def batches(epoch, **options):
    return list(TrainBatches(100, BATCH, seed=1, epoch=lambda: epoch, **options))


def rows_of(epoch, **options):
    return [row for batch in batches(epoch, **options) for _, row in batch]


def test_weights_say_how_often_a_sample_comes():
    weights = np.array([1.0] * 50 + [3.0] * 50)
    counts = Counter(rows_of(0, weights=weights))
    assert sum(counts.values()) == 100
    assert sum(counts[row] for row in range(50, 100)) in {75, 76}
    assert {counts[row] for row in range(50, 100)} <= {1, 2}
    assert {counts[row] for row in range(50)} <= {0, 1}
    assert batches(1, weights=weights) != batches(0, weights=weights)


def test_equal_weights_are_an_epoch_of_all():
    assert sorted(rows_of(0, weights=np.ones(100))) == list(range(100))


@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("batch_size", [1, 2, 7])
@pytest.mark.parametrize("grouped", [False, True])
def test_processes_share_an_epoch_without_a_sample_twice(world, batch_size, grouped):
    for count in range(world, 40):
        groups = np.arange(count) // 3 if grouped else None
        ranks = [
            TrainBatches(
                count, batch_size, seed=2, epoch=lambda: 0, rank=rank, world=world, groups=groups
            )
            for rank in range(world)
        ]
        held = [list(batches) for batches in ranks]
        rows = sorted(row for batches in held for batch in batches for _, row in batch)
        assert rows == list(range(count))
        assert {len(batches) for batches in held} == {len(batches) for batches in ranks}
        assert len({len(batches) for batches in held}) == 1
        sizes = [len(batch) for batches in held for batch in batches]
        assert min(sizes) >= 1
        assert max(sizes) <= batch_size + 1


def test_fewer_samples_than_processes_are_refused():
    with pytest.raises(DatasetError, match="2 instances for 3 processes"):
        TrainBatches(2, 4, seed=0, epoch=lambda: 0, world=3)


@pytest.mark.parametrize("world", [1, 2])
def test_people_of_one_image_follow_each_other(world):
    image = np.random.default_rng(0).integers(0, 30, 100)
    seen = []
    for rank in range(world):
        rows = rows_of(0, groups=image, rank=rank, world=world)
        changes = np.count_nonzero(np.diff(image[rows])) + 1
        assert changes <= len(np.unique(image)) + 100 // BATCH
        seen += rows
    assert sorted(seen) == list(range(100))


def test_a_grouped_epoch_decodes_an_image_once(people, monkeypatch):
    import kptdata_models.data as module

    samples, paths = hundred(people), []
    real = module.read_image
    monkeypatch.setattr(module, "read_image", lambda path: paths.append(path) or real(path))
    for batch in batches(0, groups=samples.dataset.image):
        for key in batch:
            assert samples[key].row == key[1]
    assert len(paths) == len(set(paths)) == len(np.unique(samples.dataset.image))


def test_nothing_as_long_as_the_dataset_is_pickled(people):
    import pickle

    samples = hundred(people, cache=True)
    _ = samples[0]
    many = TopdownDataset(samples.dataset[np.resize(np.arange(100), 20_000)], samples.images, CODEC)
    text = pickle.dumps(many)
    assert len(text) < len(pickle.dumps(samples)) + 1000 < 20_000
    again = pickle.loads(text)
    assert len(again) == 20_000
    assert not again._columns.xy.flags.writeable
    np.testing.assert_array_equal(again[19_999].image, many[19_999].image)
    assert again.path(7) == many.path(7)
    files = [Path(one._columns._file[0]) for one in (many, samples)]
    assert all(file.exists() for file in files)
    del samples, many
    assert not any(file.exists() for file in files)


# Several files


def other_schema(people: Path, folder: Path) -> Path:
    """The validation people with MPII's points, of other names and another order."""
    from kptdata import load_schema, ops, write

    mapped, _ = ops.map_schema(read(people / "val" / "annotations.json"), load_schema("mpii"))
    path = folder / "mpii_points.json"
    write(mapped, path, format="coco")
    return path


def test_several_files_become_one(people, plan, tmp_path):
    plan["data"]["train"]["weight"] = 2.0
    plan["data"]["more"] = [
        {
            "annotations": str(other_schema(people, tmp_path)), "format": "coco",
            "images": str(people / "val" / "images"), "weight": 0.5,
        }
    ]  # fmt: skip
    run = Run.from_dict(plan)
    assert Run.from_dict(run.to_dict()) == run
    source, lines = load_training(run.data)
    dataset = source.dataset
    own = len(read(people / "train" / "annotations.json"))
    assert dataset.schema.name == "coco"
    assert len(dataset) > own
    assert source.weights.tolist() == [2.0] * own + [0.5] * (len(dataset) - own)
    assert "data.more.0" in lines[1]
    assert "mapped to coco" in lines[1]
    # Unlabelled is not occluded: MPII has no eyes.
    eye = dataset.schema.index("left_eye")
    assert (dataset.visibility[own:, eye] == 0).all()
    wrist = dataset.schema.index("left_wrist")
    assert (dataset.visibility[own:, wrist] > 0).any()
    samples = TopdownDataset(dataset, source.images, CODEC)
    assert samples.path(len(dataset) - 1).parent == people / "val" / "images"
    for row in (0, own, len(dataset) - 1):
        assert samples[row].row == row


def test_the_first_instances_alone(plan):
    plan["data"]["train"]["first"] = 3
    source, _ = load_training(Run.from_dict(plan).data)
    assert len(source.dataset) == 3


def test_a_filter_leaves_out_and_counts(plan):
    everyone, _ = load_training(Run.from_dict(plan).data)
    plan["data"]["train"]["filter"] = "area > 1000"
    source, lines = load_training(Run.from_dict(plan).data)
    large = int((everyone.dataset.area > 1000).sum())
    assert 0 < large < len(everyone.dataset)
    assert len(source.dataset) == large
    assert (source.dataset.area > 1000).all()
    assert source.ledger.total == everyone.ledger.total
    assert "area > 1000" in lines[0]
    plan["data"]["train"]["filter"] = "aera > 1000"
    with pytest.raises(UnknownNameError, match="area"):
        load_training(Run.from_dict(plan).data)


@pytest.mark.parametrize(
    ("key", "value"), [("weight", 0), ("first", -1), ("max_bad_images", 2), ("on_bad_image", "no")]
)
def test_settings_that_make_no_sense(plan, key, value):
    plan["data"]["train"][key] = value
    with pytest.raises(OptionError, match=key):
        Run.from_dict(plan)


# Where images come from


@pytest.fixture
def zipped(people, tmp_path):
    """The images of the training people in an archive, in a folder of it."""
    import zipfile

    with zipfile.ZipFile(tmp_path / "people.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((people / "train" / "images").iterdir()):
            archive.write(file, f"train/{file.name}")
    return tmp_path / "people.zip"


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_an_archive_is_as_good_as_a_folder(people, zipped, context):
    samples = hundred(people)
    packed = TopdownDataset(samples.dataset, zipped / "train", CODEC, augmentation=VARIED, seed=3)
    expected = digest(samples, count=100)
    assert digest(packed, count=100) == expected
    # Forked workers must not share a place in the file that was opened before.
    assert digest(packed, count=100, workers=2, context=context) == expected


def test_training_reads_from_an_archive(people, zipped, plan):
    plan["data"]["train"]["images"] = str(zipped / "train")
    source, _ = load_training(Run.from_dict(plan).data)
    assert len(source.dataset)
    plan["data"]["train"]["images"] = str(zipped)
    with pytest.raises(FileError, match=r"6 of 6 images that data.train names are not there"):
        load_training(Run.from_dict(plan).data)
    plan["data"]["train"]["images"] = str(zipped.with_name("other.zip"))
    with pytest.raises(FileError, match=r"other.zip: no such folder or zip archive"):
        load_training(Run.from_dict(plan).data)


def test_archives_that_cannot_be_read(zipped, tmp_path):
    from kptdata.transforms import read_image

    with pytest.raises(FileError, match=r"nothing\.jpg: no such image in the archive"):
        read_image(zipped / "train" / "nothing.jpg")
    data = zipped.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(FileError, match=r"cut\.zip: not an archive that can be read"):
        read_image(tmp_path / "cut.zip" / "train" / "000000000001.jpg")
    damaged = bytearray(data)
    damaged[60:400] = bytes(340)
    (tmp_path / "bad.zip").write_bytes(damaged)
    with pytest.raises(FileError, match=r"000000000001\.jpg: cannot be read from the archive"):
        read_image(tmp_path / "bad.zip" / "train" / "000000000001.jpg")


# Decoding no finer than the crop needs


def test_reduced_decoding_depends_on_the_sample_alone(people):
    plain, reduced = hundred(people), hundred(people, decode="reduced")
    kept = hundred(people, decode="reduced", cache=True)
    gaps = []
    for key in [(0, row) for row in range(20)] + [(1, 3), (0, 3), (0, 0)]:
        one = reduced[key]
        np.testing.assert_array_equal(one.image, kept[key].image)
        np.testing.assert_array_equal(one.matrix, plain[key].matrix)
        for mine, other in zip(one.target, plain[key].target, strict=True):
            np.testing.assert_array_equal(mine, other)
        gaps.append(np.abs(one.image.astype(float) - plain[key].image).mean())
    assert max(gaps) > 0
    with pytest.raises(OptionError, match="decode: expected full or reduced, got 'fast'"):
        hundred(people, decode="fast")


# Bad images


@pytest.fixture
def damaged(people, tmp_path):
    """The training people with the file of one image cut off."""
    import shutil

    shutil.copytree(people / "train", tmp_path / "train")
    samples = hundred(tmp_path)
    path = samples.path(0)
    path.write_bytes(path.read_bytes()[:40])
    return tmp_path, path


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_is_named_from_a_worker_too(damaged, workers):
    folder, path = damaged
    loader = torch.utils.data.DataLoader(hundred(folder), batch_size=4, num_workers=workers)
    with pytest.raises(FileError, match=path.name):
        list(loader)


def test_a_skipped_image_gives_its_place_to_the_next(damaged):
    folder, path = damaged
    samples = hundred(folder, on_bad_image="skip")
    bad = np.flatnonzero([samples.path(row) == path for row in range(100)])
    assert len(bad)
    for row in range(100):
        sample = samples[0, row]
        if row in bad:
            assert sample.bad == row
            assert samples.path(sample.row) != path
        else:
            assert (sample.row, sample.bad) == (row, -1)
    again = hundred(folder, on_bad_image="skip")
    np.testing.assert_array_equal(samples[1, bad[0]].image, again[1, bad[0]].image)


def test_no_image_at_all_is_an_error(damaged):
    folder, _ = damaged
    for path in (folder / "train" / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(FileError, match="no image of the dataset can be read"):
        _ = hundred(folder, on_bad_image="skip")[0]


def test_on_bad_image_is_error_or_skip(people):
    with pytest.raises(OptionError, match="on_bad_image: expected error or skip, got 'ignore'"):
        hundred(people, on_bad_image="ignore")


def test_skips_are_told_and_too_many_end_the_training(people):
    samples, lines = hundred(people), []
    account = BadImages(samples.dataset, "data.train", 0.02, lines.append)
    account.count(torch.tensor([-1, 5, -1, 7]))
    account.count(torch.tensor([5, -1]))
    account.tell()
    account.tell()
    assert lines == ["data.train: 100 in, 98 kept, 2 skipped (its image cannot be read: 2)"]
    assert account.ledger.to_dict()["skipped"] == {"its image cannot be read": [5, 7]}
    with pytest.raises(DatasetError, match=r"3 skipped .*the first is .*max_bad_images"):
        account.count(torch.tensor([9]))


def test_training_skips_and_says_so(damaged, plan, tmp_path):
    from kptdata_models.train import fit

    folder, _ = damaged
    plan["data"]["train"] |= {
        "annotations": str(folder / "train" / "annotations.json"),
        "images": str(folder / "train" / "images"),
        "on_bad_image": "skip",
        "max_bad_images": 0.9,
    }
    plan["train"] |= {"epochs": 1, "pictures": 0, "group_images": True}
    lines = []
    fit(Run.from_dict(plan), tmp_path / "out", say=lines.append)
    assert any("skipped (its image cannot be read" in line for line in lines)
    assert json.dumps(lines)

"""SLEAP's analysis files: axes, frames and tracks, and what sleap-io makes of them.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import kptdata as kd
from kptdata import (
    DatasetError,
    FormatError,
    ImageTable,
    MissingDependencyError,
    PoseDataset,
    RawColumn,
    Schema,
    SchemaError,
    Visibility,
)
from kptdata.formats import sleap_analysis

NAN = np.nan
V = Visibility
FRAMES, TRACKS, NODES = 4, 3, 2


def values() -> dict[str, Any]:
    """Three tracks over four frames: (frame, track, node, axis) is told by the number's digits."""
    f, t, k, a = np.indices((FRAMES, TRACKS, NODES, 2))
    xy = 1000.0 * f + 100 * t + 10 * k + a
    xy[1, 0] = xy[2, 2, 1] = NAN
    xy[3, 1:] = NAN
    there = ~np.isnan(xy).all(axis=(2, 3))
    f, t, k = np.indices((FRAMES, TRACKS, NODES))
    scores = (100 * f + 10 * t + k) / 1000.0
    return {"xy": xy, "there": there, "scores": scores}


def columns(order: str = "matlab", **changes: Any) -> dict[str, Any]:
    """The datasets as SLEAP itself writes them, or in another order of axes."""
    axes = {"matlab": (1, 3, 2, 0), "standard": (0, 1, 2, 3), "untransposed": (0, 2, 3, 1)}[order]
    held = values()
    three = [a for a in axes if a != 3]
    two = [a for a in axes if a < 2]
    made = {
        "tracks": held["xy"].transpose(axes),
        "track_occupancy": held["there"].astype(np.uint8),  # frames first, whatever the others have
        "point_scores": held["scores"].transpose(three),
        "instance_scores": held["scores"][..., 0].transpose(two),
        "tracking_scores": np.zeros((FRAMES, TRACKS)).transpose(two),
        "track_names": np.array([b"a", b"b", b"c"]),
        "node_names": np.array([b"nose", b"tail"]),
        "edge_names": np.array([[b"nose", b"tail"]]),
        "edge_inds": np.array([[0, 1]]),
        "labels_path": "x.slp",
        "video_path": "day1/cam.mp4",
        "video_ind": 0,
        "provenance": "{}",
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def saved(path: Path, order: str = "matlab", attributes: Any = (), **changes: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in columns(order, **changes).items():
            file[name] = value
        for name, value in dict(attributes).items():
            file.attrs[name] = value
    return path


def people(**changes: Any) -> PoseDataset:
    frames = [3, 5]
    base = {
        "schema": Schema.from_names(["nose", "tail"], name="mouse", links=[("nose", "tail")]),
        "images": ImageTable.of(
            [f"cam/{f:06d}.png" for f in frames], width=[64, 64], height=[48, 48],
            sequence=["cam.mp4"] * 2, frame=frames, id=[4, 6],
        ),
        "image": [0, 1, 1],
        "xy": np.arange(12.0).reshape(3, 2, 2),
        "visibility": np.full((3, 2), V.LABELLED),
        "track": ["left", "left", "right"],
        "id": [1, 2, 3],
        "category": [1, 1, 1],
        "categories": {1: "mouse"},
    }  # fmt: skip
    return PoseDataset(**(base | changes))


# Reading


@pytest.mark.parametrize(
    ("order", "attributes"),
    [
        pytest.param("matlab", {}, id="as SLEAP writes them"),
        pytest.param("standard", {}, id="found by their sizes"),
        pytest.param("untransposed", {"transpose": False}, id="said to be as they are"),
    ],
)
def test_trap_40_axes(tmp_path, order, attributes):
    ds = kd.read(saved(tmp_path / "a.h5", order, attributes))

    held = values()
    frame, track = np.nonzero(held["there"])
    np.testing.assert_array_equal(ds.xy, held["xy"][frame, track])
    np.testing.assert_array_equal(ds.keypoint_score, held["scores"][frame, track])
    np.testing.assert_array_equal(ds.score, held["scores"][frame, track, 0])
    assert ds.track.tolist() == np.array(["a", "b", "c"])[track].tolist()
    assert ds.images.frame[ds.image].tolist() == frame.tolist()
    assert ds.visibility[0].tolist() == [V.LABELLED, V.LABELLED]
    assert len(ds.images) == FRAMES
    assert ds.images.file_name[0] == "cam/000000.png"
    assert ds.images.sequence.tolist() == ["day1/cam.mp4"] * FRAMES
    assert [(link.start, link.end) for link in ds.schema.links] == [("nose", "tail")]


def test_trap_40_each_dataset_may_state_its_axes(tmp_path):
    held = values()
    path = saved(
        tmp_path / "a.h5",
        tracks=held["xy"].transpose(3, 2, 1, 0),
        point_scores=held["scores"].transpose(2, 1, 0),
        instance_scores=held["scores"][..., 0].T,
        tracking_scores=None,
        track_occupancy=held["there"].T,
    )
    with h5py.File(path, "a") as file:
        file["tracks"].attrs["dims"] = json.dumps(["xy", "node", "track", "frame"])
        file["track_occupancy"].attrs["dims"] = json.dumps(["track", "frame"])

    ds = kd.read(path)

    other = kd.read(saved(tmp_path / "b.h5", tracking_scores=None))
    assert ds.replace(meta={}) == other.replace(meta={})


def test_trap_40_two_tracks_of_two_nodes_are_as_sleap_writes_them(tmp_path):
    xy = np.arange(16.0).reshape(2, 2, 2, 2)  # track, axis, node, frame
    scores = np.zeros((2, 2, 2))
    path = saved(
        tmp_path / "a.h5", tracks=xy, point_scores=scores, instance_scores=scores[0],
        tracking_scores=None, track_occupancy=np.ones((2, 2)), track_names=np.array([b"a", b"b"]),
    )  # fmt: skip

    ds = kd.read(path)

    assert ds.xy[0].tolist() == [[xy[0, 0, 0, 0], xy[0, 1, 0, 0]], [xy[0, 0, 1, 0], xy[0, 1, 1, 0]]]


def test_one_animal_without_a_track(tmp_path):
    held = values()
    path = saved(
        tmp_path / "a.h5",
        tracks=held["xy"][:, :1].transpose(1, 3, 2, 0),
        track_occupancy=held["there"][:, :1],
        track_names=np.zeros(0),
        edge_names=np.zeros(0),
        edge_inds=np.zeros(0),
        point_scores=None,
        instance_scores=None,
        tracking_scores=None,
    )

    ds = kd.read(path)

    assert ds.track is None
    assert ds.score is None
    assert len(ds) == 3
    assert not kd.write(ds, tmp_path / "b.analysis.h5").lost
    assert kd.read(tmp_path / "b.analysis.h5") == ds


def test_an_animal_without_a_point_is_there_if_the_file_says_so(tmp_path):
    occupied = np.ones((FRAMES, TRACKS))

    ds = kd.read(saved(tmp_path / "a.h5", track_occupancy=occupied))

    assert len(ds) == FRAMES * TRACKS
    assert ds.num_labelled.min() == 0


def test_what_sleap_io_states_in_attributes(tmp_path):
    shape = {"shape": [FRAMES, 48, 64, 1]}
    attributes = {
        "skeleton_name": "mouse",
        "skeleton_symmetries": json.dumps([["tail", "nose"]]),
        "video_backend_metadata": json.dumps(shape),
    }

    ds = kd.read(saved(tmp_path / "a.h5", attributes=attributes))

    assert ds.schema.name == "mouse"
    assert ds.schema.swap_indices.tolist() == [1, 0]
    assert ds.images.wh.tolist() == [[64, 48]] * FRAMES
    assert ds.categories == {1: "mouse"}


def test_a_given_schema(tmp_path):
    path = saved(tmp_path / "a.h5")
    ours = Schema.from_names(["tail", "nose"], name="ours")

    ds = kd.read(path, schema=ours)

    assert ds.xy[0].tolist() == [[10, 11], [0, 1]]
    with pytest.raises(SchemaError, match="does not hold the keypoints of coco"):
        kd.read(path, schema="coco")


def test_hdf5_files_are_told_apart_by_what_is_in_them(tmp_path):
    saved(tmp_path / "a.h5")
    count = 2
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["part"], file["visible"] = np.ones((count, 16, 2)), np.ones((count, 16))
        file["center"], file["scale"] = np.ones((count, 2)), np.ones(count)
        file["imgname"] = np.array([b"a.jpg", b"b.jpg"])

    assert kd.formats.sniff(tmp_path / "a.h5") == "sleap_analysis"
    assert kd.formats.sniff(tmp_path / "b.h5") == "mpii_h5"


def test_the_longest_suffix_tells_the_format():
    assert kd.formats.format_of("x.analysis.h5") == "sleap_analysis"
    assert "sleap_analysis" not in kd.formats.format_of("x.slp")


# Writing


@pytest.mark.parametrize("order", ["matlab", "standard"])
def test_what_was_read_is_written_back(tmp_path, order):
    ds = kd.read(saved(tmp_path / "a.h5", order, more=np.arange(3), tracking_scores=None))

    report = kd.write(ds, tmp_path / "b.analysis.h5")

    assert not report.lost
    assert not report.invented
    assert kd.read(tmp_path / "b.analysis.h5") == ds
    with h5py.File(tmp_path / "a.h5") as old, h5py.File(tmp_path / "b.analysis.h5") as new:
        np.testing.assert_array_equal(new["tracks"], old["tracks"])
        np.testing.assert_array_equal(new["edge_names"], old["edge_names"])
        np.testing.assert_array_equal(new["more"], old["more"])
        assert new["labels_path"][()] == old["labels_path"][()]
        assert json.loads(new["tracks"].attrs["dims"])[0] == (
            "track" if order == "matlab" else "frame"
        )


def test_frames_between_are_counted(tmp_path):
    report = kd.write(people(), tmp_path / "a.analysis.h5")

    assert not report.lost
    assert dict(report.invented) == {"frames between those of the images": 4}
    found = kd.read(tmp_path / "a.analysis.h5")
    assert found.images.frame[found.image].tolist() == [3, 5, 5]
    assert found.track.tolist() == ["left", "left", "right"]


def test_people_without_a_track_get_one(tmp_path):
    report = kd.write(people(track=None), tmp_path / "a.analysis.h5")

    assert report.invented["track"] == 3
    assert kd.read(tmp_path / "a.analysis.h5").track.tolist() == ["track_0", "track_0", "track_1"]


def test_a_track_that_is_twice_in_a_frame(tmp_path):
    report = kd.write(people(track=["left", "right", "right"]), tmp_path / "a.analysis.h5")

    assert dict(report.lost) == {"track": 1}
    assert kd.read(tmp_path / "a.analysis.h5").track.tolist() == ["left", "right", "track_0"]


def test_pictures_keep_their_names_while_there_is_room(tmp_path):
    images = ImageTable.of([f"x/{n}.png" for n in range(2)])
    few = kd.write(people(images=images), tmp_path / "a.analysis.h5")
    assert "file_name" not in few.lost
    assert kd.read(tmp_path / "a.analysis.h5").images.file_name.tolist() == ["x/0.png", "x/1.png"]

    images = ImageTable.of([f"x/{'long' * 20}{n}.png" for n in range(2000)])
    assert kd.write(people(images=images), tmp_path / "b.analysis.h5").lost["file_name"] == 2000


def test_losses_are_counted(tmp_path):
    ds = people(
        visibility=[[V.VISIBLE, V.ABSENT], [V.LABELLED, V.OCCLUDED], [V.LABELLED] * 2],
        xy=[[[0, 1], [NAN, NAN]], [[2, 3], [4, 5]], [[6, 7], [8, 9]]],
        bbox=np.ones((3, 4)),
        score=[1 / 3, 0.5, NAN],
        extras={"note": RawColumn([b"1", None, None])},
        image=[0, 1, -1],
    )

    report = kd.write(ds, tmp_path / "a.analysis.h5")

    assert dict(report.lost) == {"instances": 1, "visibility": 3, "bbox": 2, "extras": 1}
    with pytest.raises(FormatError, match="would lose"):
        kd.write(ds, tmp_path / "b.analysis.h5", strict=True)


def test_several_skeletons_or_videos(tmp_path):
    with pytest.raises(DatasetError, match="holds one skeleton, 2 datasets"):
        kd.formats.write_all([people(), people()], tmp_path / "a.analysis.h5")
    images = ImageTable.of(["a/0.png", "b/0.png"], sequence=["a", "b"], frame=[7, 7])

    report = kd.write(people(images=images), tmp_path / "a.analysis.h5")

    assert report.lost["sequence"] == report.lost["frame"] == 2


def test_too_large_an_array_is_refused(tmp_path):
    count = 30_000
    ds = PoseDataset(
        schema=kd.load_schema("coco"),
        images=ImageTable.of([f"{n}.jpg" for n in range(count)]),
        image=np.arange(count),
        xy=np.ones((count, 17, 2)),
        visibility=np.full((count, 17), V.LABELLED),
        track=np.arange(count),
    )

    with pytest.raises(FormatError, match="30000 frames, 30000 tracks, 17 points"):
        kd.write(ds, tmp_path / "a.analysis.h5")


def test_a_zero_byte_in_a_name(tmp_path):
    ds = people(track=["a\0b", "left", "right"])

    with pytest.raises(FormatError, match="zero byte"):
        kd.write(ds, tmp_path / "a.analysis.h5")


# Held against sleap-io


def seen_by_sleap_io(path: Path) -> Any:
    """Return what sleap-io finds, as plain values."""
    import sleap_io

    labels = sleap_io.load_analysis_h5(str(path))
    skeleton = labels.skeleton
    found = [
        [
            frame.frame_idx, each.numpy().tolist(), each.points["score"].tolist(), each.score,
            each.track and each.track.name, each.tracking_score,
        ]
        for frame in labels.labeled_frames
        for each in frame.instances
    ]  # fmt: skip
    symmetries = [sorted(names) for names in skeleton.symmetry_names]
    return [found, skeleton.name, skeleton.node_names, skeleton.edge_names, symmetries,
            labels.video.filename, labels.video.backend_metadata]  # fmt: skip


@pytest.mark.parametrize("preset", ["matlab", "standard"])
@pytest.mark.parametrize("num_tracks", [0, 1, 2])
def test_sleap_io_sees_the_same_in_what_is_written(tmp_path, preset, num_tracks):
    import sleap_io as sio

    rng = np.random.default_rng(3)
    mouse = sio.Skeleton(
        ["nose", "ear_l", "ear_r"], edges=[("nose", "ear_l")], symmetries=[("ear_l", "ear_r")],
        name="mouse",
    )  # fmt: skip
    shape = {"type": "MediaVideo", "shape": (9, 48, 64, 1), "grayscale": True}
    video = sio.Video("day1/cam.mp4", backend_metadata=shape, open_backend=False)
    tracks = [sio.Track(name) for name in ("one", "two")[:num_tracks]]
    frames = []
    for index in (2, 3, 7):
        each = []
        for animal in range(1 if num_tracks == 1 else 2):
            xy = rng.uniform(0, 60, (3, 2))
            xy[rng.integers(3)] = NAN
            scores = {"point_scores": rng.random(3), "score": rng.random(), "tracking_score": 0.25}
            track = tracks[animal] if tracks else None
            each.append(sio.PredictedInstance.from_numpy(xy, skeleton=mouse, track=track, **scores))
        frames.append(sio.LabeledFrame(video, index, instances=each))
    labels = sio.Labels(frames, provenance={"by": "hand"})
    sio.save_analysis_h5(labels, str(tmp_path / "a.h5"), preset=preset)

    ds = kd.read(tmp_path / "a.h5")
    report = kd.write(ds, tmp_path / "b.analysis.h5")

    assert not report.lost
    assert not report.invented
    before, after = map(seen_by_sleap_io, (tmp_path / "a.h5", tmp_path / "b.analysis.h5"))
    assert repr(after) == repr(before)
    np.testing.assert_array_equal(ds.xy.tolist(), [seen[1] for seen in before[0]])
    assert ds.images.frame[ds.image].tolist() == [seen[0] for seen in before[0]]


# Bad files


BAD = {
    "no tracks": {"tracks": None},
    "three axes": {"tracks": np.zeros((2, 2, 2))},
    "no axis of two": {"tracks": np.zeros((TRACKS, 3, NODES, FRAMES))},
    "names of other tracks": {"track_names": np.array([b"a"])},
    "names of other nodes": {"node_names": np.array([b"a"])},
    "names that are numbers": {"node_names": np.arange(2)},
    "a node twice": {"node_names": np.array([b"a", b"a"])},
    "scores of another shape": {"point_scores": np.zeros((1, 2, 3))},
    "occupancy of another shape": {"track_occupancy": np.zeros((FRAMES, 9))},
    "places that are infinite": {"tracks": np.full((TRACKS, 2, NODES, FRAMES), np.inf)},
    "edges of other nodes": {"edge_names": np.array([[b"nose", b"wing"]])},
    "edges to nowhere": {"edge_names": None, "edge_inds": np.array([[0, 9]])},
    "provenance that is no JSON": {"provenance": "{"},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_bad_files_are_refused(tmp_path, changes):
    path = saved(tmp_path / "a.h5", **changes)

    with pytest.raises((FormatError, SchemaError), match=r"a\.h5"):
        sleap_analysis.read_all(path)


@pytest.mark.parametrize("dims", ["{", '["xy", "node", "frame", "frame"]', "3"])
def test_axes_that_are_not_those_of_the_format(tmp_path, dims):
    path = saved(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["tracks"].attrs["dims"] = dims

    with pytest.raises(FormatError, match="tracks, dims"):
        sleap_analysis.read_all(path)


def test_without_h5py(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.h5")
    ds = people()
    monkeypatch.setitem(sys.modules, "h5py", None)

    assert sleap_analysis.sniff(path).confidence == 0
    with pytest.raises(MissingDependencyError, match="formats"):
        sleap_analysis.read_all(path)
    with pytest.raises(MissingDependencyError, match="formats"):
        sleap_analysis.write_all([ds], tmp_path / "b.h5")

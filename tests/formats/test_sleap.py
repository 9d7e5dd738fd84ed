"""SLEAP projects: what is read from files typed by hand, what sleap-io reads, and the traps.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sleap_files import EDGE, INSTANCE, SYMMETRY, changed, graph, link, parts, project

import kptdata as kd
from kptdata import (
    DatasetError,
    FileError,
    FormatError,
    ImageTable,
    KptDataError,
    MissingDependencyError,
    PoseDataset,
    RawColumn,
    Schema,
    SchemaError,
    Visibility,
    load_schema,
)
from kptdata.dataset import MISSING_INT as NONE
from kptdata.formats import sleap

NAN = np.nan
V = Visibility


def people(**columns: Any) -> PoseDataset:
    base = {
        "schema": Schema.from_names(["nose", "tail"], name="mouse", links=[("nose", "tail")]),
        "images": ImageTable.of(["x/a.png", "x/b.png"], width=[64, 64], height=[48, 48]),
        "image": [0, 1, 1],
        "xy": np.arange(12.0).reshape(3, 2, 2),
        "visibility": np.full((3, 2), V.VISIBLE),
        "id": [1, 2, 3],
    }
    return PoseDataset(**(base | columns))


# Reading


def test_a_project_typed_by_hand(tmp_path):
    mice, flies = kd.read_all(project(tmp_path / "a.slp"))

    assert mice.schema.name == "mouse"
    assert mice.schema.names == ("snout", "ear_l", "ear_r")
    assert mice.schema.swap_indices.tolist() == [0, 2, 1]
    assert [(k.start, k.end) for k in mice.schema.links] == [("snout", "ear_r"), ("snout", "ear_l")]
    np.testing.assert_array_equal(
        mice.xy, [[[1, 2], [3, 4.5], [NAN, NAN]], [[1.5, 2], [3, 4], [0, 0]]]
    )
    assert mice.visibility.tolist() == [[V.VISIBLE, V.OCCLUDED, V.UNLABELLED], [V.LABELLED] * 3]
    np.testing.assert_array_equal(mice.keypoint_score, [[NAN, NAN, NAN], [0.9, 0.8, 0.1]])
    np.testing.assert_array_equal(mice.score, [NAN, 0.75])
    np.testing.assert_array_equal(mice.numbers["tracking_score"], [0, 0.5])
    assert mice.track.tolist() == ["B", "B"]
    assert mice.answers.tolist() == [NONE, 1]
    assert mice.extras["complete"].parsed(0) == ["snout"]
    assert mice.images.file_name.tolist() == ["cam/000005.png", "cam/000002.png"]
    assert mice.images.sequence.tolist() == ["day1/cam.mp4"] * 2
    assert mice.images.frame.tolist() == [5, 2]
    assert mice.images.wh.tolist() == [[640, 480]] * 2
    assert json.loads(mice.meta["sleap_provenance"]) == {"sleap_version": "1.3.0"}
    assert flies.schema.names == ("head", "snout")
    assert flies.image.tolist() == [1, 1]
    assert flies.categories == {2: "fly"}
    assert flies.visibility.tolist() == [[2, 2], [2, 0]]


def test_trap_39_pixels_before_layout_1_1_count_from_the_corner(tmp_path):
    mice, _ = kd.read_all(project(tmp_path / "a.slp", format_id=1.0))

    np.testing.assert_array_equal(mice.xy[0], [[0.5, 1.5], [2.5, 4], [NAN, NAN]])
    np.testing.assert_array_equal(mice.xy[1], [[1, 1.5], [2.5, 3.5], [-0.5, -0.5]])


def test_trap_39_nodes_are_numbered_over_all_skeletons(tmp_path):
    nodes = [{"name": name, "weight": 1.0} for name in ("b", "c", "a")]
    metadata = {"skeletons": [graph("one", [2, 0, 1], link(0, 1, EDGE))], "nodes": nodes}
    instances = parts()["instances"][:1]
    frames = parts()["frames"][:1].copy()
    frames["instance_id_end"] = 1
    instances["from_predicted"] = -1

    ds = kd.read(project(tmp_path / "a.slp", json=metadata, instances=instances, frames=frames))

    assert ds.schema.names == ("a", "b", "c")
    assert [(k.start, k.end) for k in ds.schema.links] == [("b", "c")]


@pytest.mark.parametrize(
    "links",
    [
        pytest.param([[(0, 1, EDGE), (1, 2, SYMMETRY)], [(0, 1, EDGE)]], id="in each skeleton"),
        pytest.param(
            [[(0, 1, EDGE), (1, 2, SYMMETRY)], [(0, 1, {"py/id": 1}), (1, 2, {"py/id": 2})]],
            id="through the file",
        ),
        pytest.param([[(1, 2, SYMMETRY), (0, 1, EDGE), (0, 2, {"py/id": 2})]], id="symmetry first"),
        pytest.param([[(0, 1, {"py/id": 1}), (1, 2, {"py/id": 2})]], id="spelled nowhere"),
    ],
)
def test_kinds_of_links_are_referred_to_by_number(tmp_path, links):
    nodes = [{"name": name} for name in "abc"]
    graphs = [graph("s", [0, 1, 2], *(link(*each) for each in mine)) for mine in links]
    metadata = {"skeletons": graphs, "nodes": nodes}
    changes = changed("instances", slice(None), skeleton=0, from_predicted=-1)
    changes["instances"]["point_id_end"] = changes["instances"]["point_id_start"] + 3
    changes["instances"]["skeleton"] = len(links) - 1
    changes["points"] = np.zeros(20, parts()["points"].dtype)

    ds = kd.read(project(tmp_path / "a.slp", json=metadata, **changes))

    assert ("a", "b") in [(k.start, k.end) for k in ds.schema.links]
    swapped = ds.schema.swap_indices.tolist() == [0, 2, 1]
    assert swapped == (len(links[-1]) > 1)


def test_later_layouts_hold_a_graph_in_a_graph(tmp_path):
    metadata = parts()["json"]
    metadata["skeletons"] = [{"nx_graph": g, "description": ""} for g in metadata["skeletons"]]

    mice, _ = kd.read_all(project(tmp_path / "a.slp", json=metadata))

    assert mice.schema.names == ("snout", "ear_l", "ear_r")


def test_older_files_lack_fields_and_parts(tmp_path):
    old = parts()["instances"][[name for name, _ in INSTANCE[:-1]]]
    path = project(tmp_path / "a.slp", instances=old, suggestions_json=None)

    mice, _ = kd.read_all(path)

    assert not mice.numbers
    assert mice.score.tolist()[1] == 0.75


def test_a_bundled_schema_has_its_own_order(tmp_path):
    coco = load_schema("coco")
    order = np.random.default_rng(0).permutation(17)
    nodes = [{"name": coco.names[k]} for k in order]
    metadata = {"skeletons": [graph("person", list(range(17)))], "nodes": nodes}
    points = np.zeros(17, parts()["points"].dtype)
    points["x"], points["visible"] = order, True
    instances = parts()["instances"][:1]
    instances["point_id_end"], instances["from_predicted"] = 17, -1
    frames = parts()["frames"][:1]
    frames["instance_id_end"] = 1
    path = project(
        tmp_path / "a.slp", json=metadata, points=points, instances=instances, frames=frames
    )

    ds = kd.read(path)

    assert ds.schema.name == "coco"
    assert ds.xy[0, :, 0].tolist() == list(range(17))
    kd.write(ds, tmp_path / "b.slp")
    with h5py.File(tmp_path / "b.slp") as file:  # in the order that it had
        assert file["points"]["x"].tolist() == order.tolist()
        assert [n["name"] for n in json.loads(file["metadata"].attrs["json"])["nodes"]] == [
            coco.names[k] for k in order
        ]


def test_skeletons_without_instances_are_kept_aside(tmp_path):
    frames = parts()["frames"][:1]
    path = project(tmp_path / "a.slp", instances=parts()["instances"][:2], frames=frames)

    ds = kd.read(path)

    assert [each["name"] for each in json.loads(ds.meta["sleap_skeletons"])] == ["fly"]
    assert not kd.write(ds, tmp_path / "b.slp").lost
    assert kd.read(tmp_path / "b.slp") == ds


def test_skeletons_with_the_same_points_are_classes_of_one_dataset(tmp_path):
    ds = people(category=[1, 2, 1], categories={1: "mouse", 2: "rat"})

    report = kd.write(ds, tmp_path / "a.slp")
    found = kd.read(tmp_path / "a.slp")

    assert not report.lost
    assert found.category.tolist() == [1, 2, 1]
    assert found.categories == {1: "mouse", 2: "rat"}


def test_a_given_schema(tmp_path):
    path = project(tmp_path / "a.slp")
    ours = Schema.from_names(["ear_r", "snout", "ear_l"], name="ours")

    mice, flies = kd.read_all(path, schema=ours)

    np.testing.assert_array_equal(mice.xy[0], [[NAN, NAN], [1, 2], [3, 4.5]])
    assert flies.schema.name == "fly"
    with pytest.raises(SchemaError, match="does not hold the keypoints of coco"):
        kd.read_all(path, schema="coco")


def test_links_that_no_column_can_say_are_kept(tmp_path):
    changes = changed("instances", 2, from_predicted=1)  # made from the same prediction as another
    path = project(tmp_path / "a.slp", **changes)

    parts_ = kd.read_all(path)

    assert parts_[1].extras["from_predicted"].parsed(0) == 2
    assert not kd.write_all(parts_, tmp_path / "b.slp").lost
    with h5py.File(
        tmp_path / "b.slp"
    ) as file:  # the predicted mouse now is the second in its frame
        assert file["instances"]["from_predicted"].tolist() == [1, -1, 1, -1]


def test_instances_of_no_frame_have_no_image(tmp_path):
    frames = parts()["frames"].copy()
    frames["instance_id_end"][1] = 3

    _, flies = kd.read_all(project(tmp_path / "a.slp", frames=frames))

    assert flies.image.tolist() == [1, -1]


def test_frames_marked_as_empty(tmp_path):
    marks = np.array([(0, 2)], [("video_id", "u4"), ("frame_idx", "u8")])

    mice, _ = kd.read_all(project(tmp_path / "a.slp", negative_frames=marks))

    assert mice.images.extras["negative"].parsed(1) is True
    kd.write(mice, tmp_path / "b.slp")
    with h5py.File(tmp_path / "b.slp") as file:
        assert file["negative_frames"][()].tolist() == [(0, 2)]


def test_other_parts_are_left_out_and_counted(tmp_path):
    mice, _ = kd.read_all(project(tmp_path / "a.slp", rois=np.zeros(3)))

    assert "rois, left out: 3" in mice.provenance
    assert json.loads(mice.meta["facts:sleap"]) == {"rois, left out": 3}


def test_tables_of_a_browser(tmp_path):
    path = project(tmp_path / "a.slp", frames=None)
    with h5py.File(path, "a") as file:
        file["frames"] = np.array([[0, 0, 5, 0, 2], [1, 0, 2, 2, 4]], float)
        names = ["frame_id", "video", "frame_idx", "instance_id_start", "instance_id_end"]
        file["frames"].attrs["field_names"] = json.dumps(names)

    mice, _ = kd.read_all(path)

    assert mice == kd.read_all(project(tmp_path / "b.slp"))[0]


# Videos


def test_a_list_of_pictures(tmp_path):
    names = [f"x/{letter}.png" for letter in "abcdefgh"]
    backend = {"type": "ImageVideo", "filename": "x/a.png", "filenames": names}
    videos = [{"filename": names, "backend": backend}]

    mice, _ = kd.read_all(project(tmp_path / "a.slp", videos_json=videos))

    assert mice.images.file_name.tolist() == ["x/f.png", "x/c.png"]
    assert mice.images.sequence.tolist() == ["x", "x"]
    assert mice.images.wh.tolist() == [[0, 0]] * 2


def test_two_films_of_one_name(tmp_path):
    backend = {"filename": "day2\\cam.mp4", "grayscale": True}
    videos = [*parts()["videos_json"], {"backend": backend}]
    path = project(tmp_path / "a.slp", videos_json=videos, **changed("frames", 1, video=1))

    mice, _ = kd.read_all(path)

    assert mice.images.file_name.tolist() == ["cam/000005.png", "cam#2/000002.png"]
    assert mice.images.sequence.tolist() == ["day1/cam.mp4", "day2\\cam.mp4"]
    assert not kd.write(mice, tmp_path / "b.slp").lost


def test_pictures_in_the_file_are_left_out(tmp_path):
    """A package: frames call the video by the number of the dataset with its pictures."""
    backend = {"filename": ".", "dataset": "video15/video", "shape": [1, 8, 9, 1]}
    videos = [*parts()["videos_json"], {"filename": ".", "backend": backend}]
    path = project(tmp_path / "a.pkg.slp", videos_json=videos, **changed("frames", 1, video=15))
    source = {"filename": "raw.mp4", "backend": {"filename": "raw.mp4"}}
    with h5py.File(path, "a") as file:
        file["video15/video"] = np.zeros((1, 90), np.int8)
        file["video15/frame_numbers"] = [2]
        file.create_group("video15/source_video").attrs["json"] = json.dumps(source)

    mice, _ = kd.read_all(path)

    assert mice.images.sequence.tolist() == ["day1/cam.mp4", "raw.mp4"]
    assert mice.images.wh.tolist() == [[640, 480], [9, 8]]
    assert "pictures inside the file, left out: 1" in mice.provenance
    kd.write(mice, tmp_path / "b.slp")
    with h5py.File(tmp_path / "b.slp") as file:
        assert file["frames"]["video"].tolist() == [0, 1]
        assert json.loads(file["videos_json"][1])["backend"]["filename"] == "raw.mp4"


@pytest.mark.parametrize(
    ("names", "sequence", "frames", "kind"),
    [
        pytest.param("x/a.png x/b.png", ["", ""], None, "ImageVideo", id="loose"),
        pytest.param("v/000003.png v/000007.png", ["v.mp4"] * 2, [3, 7], "MediaVideo", id="film"),
        pytest.param("v/000003.png v/000003.png", ["v.mp4"] * 2, [3, 3], "ImageVideo", id="twice"),
        pytest.param("a.png b.png", ["w", "w"], [3, 7], "ImageVideo", id="pictures of a video"),
        pytest.param("a.png b.png", ["w", "w"], [3, NONE], "ImageVideo", id="one has no number"),
        pytest.param("a.png b.png", ["w", ""], [3, NONE], "ImageVideo", id="one is loose"),
    ],
)
def test_images_come_back_as_they_are(tmp_path, names, sequence, frames, kind):
    names = names.split()
    images = ImageTable.of(names, width=[5, 5], height=[6, 6], sequence=sequence, frame=frames)

    report = kd.write(people(images=images), tmp_path / "a.slp")

    assert not report.lost
    found = kd.read(tmp_path / "a.slp").images
    assert found.file_name.tolist() == names
    assert found.column("sequence").tolist() == sequence
    assert found.column("frame").tolist() == (frames or [NONE] * 2)
    with h5py.File(tmp_path / "a.slp") as file:
        assert json.loads(file["videos_json"][0])["backend"]["type"] == kind


def test_sizes_of_pictures_are_kept(tmp_path):
    images = ImageTable.of(["a.png", "b.png", "c.png"], width=[5, 7, 0], height=[6, 8, 0])

    assert not kd.write(people(images=images), tmp_path / "a.slp").lost
    assert kd.read(tmp_path / "a.slp").images.wh.tolist() == [[5, 6], [7, 8], [0, 0]]


# Writing


def test_what_was_read_is_written_back(tmp_path):
    before = kd.read_all(project(tmp_path / "a.slp"))

    report = kd.write_all(before, tmp_path / "b.slp")

    assert not report.lost
    assert not report.invented
    assert list(kd.read_all(tmp_path / "b.slp")) == list(before)
    with h5py.File(tmp_path / "a.slp") as old, h5py.File(tmp_path / "b.slp") as new:
        for name in ("frames", "videos_json", "tracks_json", "suggestions_json"):
            assert (
                [json.loads(v) for v in new[name]] == [json.loads(v) for v in old[name]]
                if (name.endswith("json"))
                else new[name][()].tolist() == old[name][()].tolist()
            )
        for name in ("x", "y", "complete"):
            np.testing.assert_array_equal(new["points"][name], old["points"][name])
        for name in old["instances"].dtype.names[:-1]:
            np.testing.assert_array_equal(new["instances"][name], old["instances"][name])


def test_losses_are_counted(tmp_path):
    ds = people(
        score=[1 / 3, 0.5, NAN],
        bbox=np.ones((3, 4)),
        area=[1.0, 2, 3],
        visibility=[[V.VISIBLE, V.ABSENT], [V.LABELLED, V.OCCLUDED], [V.LABELLED, V.VISIBLE]],
        xy=[[[0, 1], [NAN, NAN]], [[2, 3], [4, 5]], [[6, 7], [8, 9]]],
        extras={"note": RawColumn([b"1", None, None])},
    )

    report = kd.write(ds, tmp_path / "a.slp")

    lost = dict(report.lost)
    assert lost == {"visibility": 3, "bbox": 3, "area": 3, "score": 1, "extras": 1}
    with pytest.raises(FormatError, match="would lose"):
        kd.write(ds, tmp_path / "b.slp", strict=True)


def test_one_name_for_two_skeletons(tmp_path):
    other = Schema.from_names(["wing"], name="other")
    ds = people(category=[1] * 3, categories={1: "a"})
    fly = ds.replace(schema=other, xy=ds.xy[:, :1], visibility=ds.visibility[:, :1])

    with pytest.raises(DatasetError, match="'a' has two skeletons"):
        kd.write_all([ds, fly], tmp_path / "a.slp")


def test_two_datasets_of_one_class(tmp_path):
    ds = people()

    kd.write_all([ds[:1], ds[1:]], tmp_path / "a.slp")

    assert kd.read(tmp_path / "a.slp").xy.tolist() == ds.xy.tolist()


def test_the_same_bytes_in_any_process(tmp_path):
    path = project(tmp_path / "a.slp")
    program = (
        "import sys, kptdata as kd\nkd.formats.write_all(kd.read_all(sys.argv[1]), sys.argv[2])\n"
    )
    for seed in "12":
        subprocess.run(
            [sys.executable, "-c", program, path, tmp_path / f"{seed}.slp"],
            check=True,
            env={"PYTHONHASHSEED": seed},
        )

    assert (tmp_path / "1.slp").read_bytes() == (tmp_path / "2.slp").read_bytes()


def test_skeletons_that_are_too_large(tmp_path):
    schema = Schema.from_names([f"point number {k} of many" for k in range(1500)], name="huge")
    states = np.full((3, 1500), V.VISIBLE)
    ds = people(schema=schema, xy=np.zeros((3, 1500, 2)), visibility=states)

    with pytest.raises(FormatError, match="skeletons are too large"):
        kd.write(ds, tmp_path / "a.slp")


# Held against sleap-io


def seen_by_sleap_io(path: Path) -> list[Any]:
    """Return everything that sleap-io finds about instances, as plain values."""
    import sleap_io

    labels = sleap_io.load_slp(str(path), open_videos=False)
    found = []
    for frame in labels.labeled_frames:
        for each in frame.instances:
            points = each.points
            made = None if each.from_predicted is None else each.from_predicted.numpy().tolist()
            found.append(
                [
                    frame.video.filename, frame.frame_idx, type(each).__name__,
                    each.skeleton.name, each.skeleton.node_names, each.skeleton.edge_names,
                    sorted(sorted(names) for names in each.skeleton.symmetry_names),
                    points["xy"].tolist(), points["visible"].tolist(), points["complete"].tolist(),
                    points["score"].tolist() if "score" in points.dtype.names else None,
                    each.track and each.track.name, getattr(each, "score", None), made,
                ]
            )  # fmt: skip
    others = [[s.video.filename, s.frame_idx] for s in labels.suggestions]
    tracks = [track.name for track in labels.tracks]
    return [found, others, tracks, [f.is_negative for f in labels.labeled_frames]]


def made_by_sleap_io(path: Path) -> Path:
    import sleap_io as sio

    rng = np.random.default_rng(5)
    mouse = sio.Skeleton(
        ["nose", "ear_l", "ear_r", "tail"],
        edges=[("nose", "ear_l"), ("nose", "ear_r"), ("nose", "tail")],
        symmetries=[("ear_l", "ear_r")],
        name="mouse",
    )
    fly = sio.Skeleton(["head", "tail"], edges=[("head", "tail")], name="fly")
    shape = {"type": "MediaVideo", "shape": (20, 48, 64, 1), "grayscale": True}
    films = [
        sio.Video(f"{name}.mp4", backend_metadata=dict(shape), open_backend=False) for name in "uv"
    ]
    tracks = [sio.Track("one"), sio.Track("two")]
    frames = []
    for number in range(12):
        skeleton = (mouse, fly)[number % 3 == 2]
        xy = rng.uniform(-5, 70, (len(skeleton.nodes), 2))
        xy[rng.random(len(xy)) < 0.2] = NAN
        scores = rng.random(len(xy))
        predicted = sio.PredictedInstance.from_numpy(
            xy, skeleton=skeleton, point_scores=scores, score=0.5, track=tracks[number % 2],
            tracking_score=0.25,
        )  # fmt: skip
        user = sio.Instance.from_numpy(xy + 0.1, skeleton=skeleton, track=tracks[number % 2])
        user.points["visible"][0] &= number % 2 == 0
        user.points["complete"][-1] = True
        if number % 4 == 0:
            user.from_predicted = predicted
        film = films[number % 2]
        frames.append(sio.LabeledFrame(film, 19 - number, instances=[user, predicted]))
    frames.append(sio.LabeledFrame(films[0], 0, is_negative=True))
    labels = sio.Labels(frames, provenance={"by": "hand"})
    labels.suggestions.append(sio.SuggestionFrame(films[1], 3))
    labels.save(str(path), verbose=False)
    return path


def test_sleap_io_sees_the_same_in_what_is_written(tmp_path):
    path = made_by_sleap_io(tmp_path / "a.slp")

    found = kd.read_all(path)
    report = kd.write_all(found, tmp_path / "b.slp")

    assert not report.lost
    assert not report.invented
    before, after = map(seen_by_sleap_io, (path, tmp_path / "b.slp"))
    assert repr(after) == repr(before)  # NaN equals NaN there
    assert len(before[0]) == 24


def test_the_columns_are_what_sleap_io_sees(tmp_path):
    path = made_by_sleap_io(tmp_path / "a.slp")

    people_ = {row: (ds, n) for ds in kd.read_all(path) for n, row in enumerate(ds.order.tolist())}

    for place, seen in enumerate(seen_by_sleap_io(path)[0]):
        ds, n = people_[place]
        film, frame, kind, _, names, _, _, xy, visible, _, scores, track, score, _ = seen
        image = ds.images[[ds.image[n]]]
        assert (image.sequence[0], image.frame[0]) == (film, frame)
        assert list(ds.schema.names) == names
        np.testing.assert_array_equal(ds.xy[n], xy)
        hidden = ~np.array(visible) & np.isfinite(xy).all(axis=1)
        assert (ds.visibility[n] == V.OCCLUDED).tolist() == hidden.tolist()
        assert ds.track[n] == track
        assert np.isnan(ds.score[n]) if kind == "Instance" else ds.score[n] == score
        if scores is not None:
            np.testing.assert_array_equal(ds.keypoint_score[n], scores)


# Bad files


CASES = {
    "no frames": {"frames": None},
    "no instances": {"instances": None},
    "no number of the layout": {"format_id": None},
    "layout in words": {"format_id": "new"},
    "no skeletons": {"json": None},
    "skeletons are no list": {"json": {"skeletons": 3, "nodes": []}},
    "nodes without names": {"json": {"skeletons": [], "nodes": [{"weight": 1}]}},
    "a node that is not there": {"json": {"skeletons": [graph("s", [7])], "nodes": []}},
    "a link that is neither": {
        "json": {
            "skeletons": [graph("s", [0], link(0, 0, {"py/object": "os.system"}))],
            "nodes": [{"name": "a"}],
        }
    },
    "a link to another skeleton": {
        "json": {
            "skeletons": [graph("s", [0], link(0, 1, EDGE))],
            "nodes": [{"name": "a"}, {"name": "b"}],
        }
    },
    "an instance of another kind": changed("instances", 1, instance_type=9),
    "a skeleton that is not there": changed("instances", 1, skeleton=2),
    "a track that is not there": changed("instances", 1, track=2),
    "points behind the end": changed("instances", 0, point_id_end=99),
    "too few points": changed("instances", 0, point_id_end=2),
    "points that end before they begin": changed("instances", 3, point_id_end=2),
    "points that end nowhere": changed("instances", 0, point_id_end=2**64 - 1),
    "instances behind the end": changed("frames", 1, instance_id_end=9),
    "an instance in two frames": changed("frames", 1, instance_id_start=1),
    "a video that is not there": changed("frames", 1, video=4),
    "a frame that is no number": changed("frames", 1, frame_idx=2**64 - 1),
    "a place that is infinite": changed("points", 0, x=np.inf),
    "no text": {"videos_json": ["{"]},
    "text of another kind": {"videos_json": ["[]"]},
    "a video without a name": {"videos_json": [{"backend": {}}]},
    "pictures nowhere": {"videos_json": [{"filename": ".", "backend": {"filename": "."}}]},
    "columns without names": {"frames": np.zeros((2, 5))},
    "columns of text": {
        "points": np.array(
            [(b"a", 1.0, True, True)],
            [("x", "S1"), ("y", "f8"), ("visible", "?"), ("complete", "?")],
        )
    },
    "a column that is missing": {"points": np.zeros(7, [("x", "f8")])},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_bad_files_are_refused(tmp_path, changes):
    path = project(tmp_path / "a.slp", **changes)

    with pytest.raises((FormatError, SchemaError), match=r"a\.slp") as caught:
        kd.read_all(path, format="sleap")

    assert "expected" in str(caught.value)


def test_nothing_is_unpickled(tmp_path):
    """A reduced object in the skeletons is text, whatever it names."""
    evil = {"py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": [str(tmp_path / "made")]}]}
    metadata = {"skeletons": [graph("s", [0], link(0, 0, evil))], "nodes": [{"name": "a"}]}

    with pytest.raises(FormatError, match="edges or symmetries"):
        kd.read_all(project(tmp_path / "a.slp", json=metadata))

    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["frames", "instances", "points", "videos_json"])
def test_groups_in_place_of_tables(tmp_path, name):
    path = project(tmp_path / "a.slp", **{name: None})
    with h5py.File(path, "a") as file:
        file.create_group(name)

    with pytest.raises(KptDataError, match=r"a\.slp"):
        kd.read_all(path, format="sleap")


def test_a_damaged_file(tmp_path):
    path = project(tmp_path / "a.slp")
    path.write_bytes(path.read_bytes()[:3000])

    with pytest.raises(FileError, match="no HDF5 file, or a damaged one"):
        sleap.read_all(path)


def test_without_h5py(tmp_path, monkeypatch):
    path = project(tmp_path / "a.slp")
    ds = people()
    monkeypatch.setitem(sys.modules, "h5py", None)

    assert sleap.sniff(path).confidence == 0
    with pytest.raises(MissingDependencyError, match="formats"):
        sleap.read_all(path)
    with pytest.raises(MissingDependencyError, match="formats"):
        sleap.write_all([ds], tmp_path / "b.slp")

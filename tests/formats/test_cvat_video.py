"""CVAT for video: what is read from a file typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import kptdata as kd
from kptdata import (
    FormatError,
    ImageTable,
    KptDataError,
    PoseDataset,
    RawColumn,
    Schema,
    Visibility,
)
from kptdata.formats import cvat_video

TOY = Path(__file__).parents[1] / "data" / "cvat_video" / "toy.xml"
NAN = np.nan
V = Visibility
TWO = Schema.from_names(["a", "b"], name="two")

HEAD = """<annotations><version>1.1</version><meta><task><name>film</name><size>5</size>
<mode>interpolation</mode><start_frame>10</start_frame><stop_frame>22</stop_frame>
<frame_filter>step=3</frame_filter><labels>{}</labels>
<original_size><width>640</width><height>480</height></original_size></task></meta>"""


def label(name: str, kind: str, parent: str = "") -> str:
    below = f"<parent>{parent}</parent>" if parent else ""
    return f"<label><name>{name}</name><type>{kind}</type>{below}</label>"


LABELS = (
    label("cat", "skeleton") + label("a", "points", "cat") + label("b", "points", "cat")
    + label("cat_box", "rectangle")
)  # fmt: skip


def film(tmp_path: Path, *tracks: str, labels: str = LABELS) -> Path:
    path = tmp_path / "film.xml"
    path.write_text(HEAD.format(labels) + "".join(tracks) + "</annotations>")
    return path


def pose(frame: int, *points: str, key: int = 1, outside: int = 0) -> str:
    inner = "".join(
        f'<points label="{n}" keyframe="{key}" outside="{outside}" occluded="0" points="{at}"/>'
        for n, at in zip("ab", points, strict=True)
    )
    return f'<skeleton frame="{frame}" keyframe="{key}" z_order="0">{inner}</skeleton>'


def box(frame: int, outside: int = 0) -> str:
    return (
        f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" z_order="0" '
        f'xtl="1" ytl="2" xbr="4" ybr="6"/>'
    )


def track(*shapes: str, number: int = 0, name: str = "cat", more: str = "") -> str:
    return f'<track id="{number}" label="{name}" source="manual"{more}>{"".join(shapes)}</track>'


def cats(**columns) -> PoseDataset:
    """Two cats in frames 0 to 4 of one video; the second is gone in frame 2."""
    image = np.array([0, 1, 2, 3, 4, 0, 1, 3, 4])
    base = {
        "schema": TWO,
        "images": ImageTable.of(
            [f"frame_{k:06d}.PNG" for k in range(5)],
            id=np.arange(5),
            width=[640] * 5,
            height=[480] * 5,
            sequence=["film"] * 5,
            frame=np.arange(5),
        ),
        "image": image,
        "xy": np.arange(36.0).reshape(9, 2, 2) + 1,
        "visibility": np.full((9, 2), V.VISIBLE),
        "track": [7] * 5 + [9] * 4,
        "category": np.ones(9, int),
        "categories": {1: "cat"},
    }
    return PoseDataset(**(base | columns))


# Reading


def test_a_file_typed_by_hand():
    ds = kd.read(TOY)

    assert ds.schema.names == ("nose", "tail")
    assert ds.images.frame.tolist() == [0, 1, 2]
    assert ds.images.sequence.tolist() == ["toy"] * 3
    assert ds.images.file_name[2] == "frame_000002.PNG"
    assert ds.images.wh.tolist() == [[640, 480]] * 3
    assert ds.xy.tolist() == [[[10, 20], [30, 40]], [[11, 20], [31, 40]]]
    assert ds.image.tolist() == [0, 1]
    assert ds.track.tolist() == [0, 0]


def test_trap_31_interpolated_frames_are_read_and_marked():
    ds = kd.read(TOY)

    assert [ds.extras["keyframe"][row] for row in (0, 1)] == [None, b"false"]


def tags(path: Path) -> list[object]:
    def node(element: ET.Element) -> list[object]:
        text, attrib = (element.text or "").strip(), dict(element.attrib)
        if "points" in attrib:
            attrib["points"] = [float(n) for n in attrib["points"].replace(";", ",").split(",")]
        return [element.tag, attrib, text, [node(child) for child in element]]

    return node(ET.parse(path).getroot())


def test_what_was_read_is_written_back(tmp_path):
    report = kd.write(kd.read(TOY), tmp_path / "a.xml", format="cvat_video")

    assert not report.lost
    assert tags(tmp_path / "a.xml") == tags(TOY)


def test_trap_28_a_track_that_is_outside_is_not_there(tmp_path):
    path = film(
        tmp_path,
        track(
            pose(10, "1,1", "2,2", outside=1),
            pose(13, "3,3", "4,4"),
            pose(16, "5,5", "6,6", outside=1),
            pose(22, "7,7", "8,8"),
        ),
        track(pose(13, "1,1", "2,2", outside=1), number=1),
    )

    ds = kd.read(path)

    assert ds.images.frame.tolist() == [10, 13, 16, 19, 22]
    assert ds.image.tolist() == [1, 4]
    assert ds.track.tolist() == [0, 0]
    kd.write(ds, tmp_path / "back.xml", format="cvat_video")
    assert tags(tmp_path / "back.xml") == tags(path)


def test_trap_28_a_point_that_is_outside_is_absent(tmp_path):
    shape = pose(10, "1,1", "2,2").replace('outside="0"', 'outside="1"', 1)

    ds = kd.read(film(tmp_path, track(shape)))

    assert ds.visibility.tolist() == [[V.ABSENT, V.VISIBLE]]
    assert ds.given_xy[0, 0].tolist() == [1, 1]


def test_trap_30_the_nested_layout_of_2022(tmp_path):
    def joint(name, *shapes):
        inner = "".join(
            f'<points frame="{f}" keyframe="1" outside="{o}" occluded="{c}" points="{at}" '
            'z_order="0"/>'
            for f, o, c, at in shapes
        )
        return f'<track id="5" label="{name}" source="manual">{inner}</track>'

    old = (
        '<skeleton frame="10" keyframe="1" outside="0" occluded="0" z_order="0" '
        'points="1,1;2,2"/><skeleton frame="13" keyframe="0" outside="0" points=""/>'
        '<skeleton frame="16" keyframe="1" outside="1" points=""/>'
    )
    nested = joint("b", (10, 0, 1, "2,2"), (13, 1, 0, "2,3"), (16, 1, 0, "2,2"))
    nested += joint("a", (10, 0, 0, "1,1"), (13, 0, 0, "1,2"), (16, 1, 0, "9,9"))

    ds = kd.read(film(tmp_path, track(old, nested)))

    assert ds.visibility.tolist() == [[V.VISIBLE, V.OCCLUDED], [V.VISIBLE, V.ABSENT]]
    np.testing.assert_array_equal(ds.xy, [[[1, 1], [2, 2]], [[1, 2], [NAN, NAN]]])
    assert ds.images.frame[ds.image].tolist() == [10, 13]
    kd.write(ds, tmp_path / "back.xml", format="cvat_video")  # in today's layout
    assert not kd.read(tmp_path / "back.xml").replace(meta=ds.meta).differences(ds)
    assert not ET.parse(tmp_path / "back.xml").findall("track/track")


def test_t7_points_belong_to_names(tmp_path):
    shape = pose(10, "1,1", "2,2")
    first, second = shape.index("<points"), shape.rindex("<points")
    swapped = shape[:first] + shape[second:-11] + shape[first:second] + "</skeleton>"

    ds = kd.read(film(tmp_path, track(swapped)))

    assert ds.xy.tolist() == [[[1, 1], [2, 2]]]


def test_boxes_of_a_group_belong_to_the_person(tmp_path):
    poses = [pose(f, "1,1", "2,2") for f in (10, 13, 16, 19, 22)]
    path = film(
        tmp_path,
        track(*poses, more=' group_id="4"'),
        track(box(13), box(16, outside=1), number=1, name="cat_box", more=' group_id="4"'),
    )

    ds = kd.read(path)

    np.testing.assert_array_equal(ds.bbox[1], [1, 2, 3, 4])
    assert np.isnan(ds.bbox[[0, 2, 3, 4]]).all()
    assert "group_id" not in ds.extras
    kd.write(ds, tmp_path / "back.xml", format="cvat_video")
    again = kd.read(tmp_path / "back.xml")
    assert not again.replace(meta=ds.meta).differences(ds)
    tracks = ET.parse(tmp_path / "back.xml").findall("track")
    assert [t.attrib["group_id"] for t in tracks] == ["4", "4"]
    assert [b.attrib["outside"] for b in tracks[1]] == ["0", "1"]


@pytest.mark.parametrize(
    "more", ["", ' group_id="4"'], ids=["no group", "there where the person is not"]
)
def test_other_boxes_are_instances_of_their_own(tmp_path, more):
    path = film(
        tmp_path,
        track(pose(10, "1,1", "2,2"), more=more),
        track(box(10), box(13), number=1, name="cat_box", more=more),
    )

    people, boxes = kd.read_all(path)

    assert (len(people), len(boxes)) == (1, 2)
    assert boxes.track.tolist() == [1, 1]
    assert boxes.categories == {2: "cat_box"}
    kd.formats.write_all((people, boxes), tmp_path / "back.xml", format="cvat_video")
    again = kd.read_all(tmp_path / "back.xml")
    assert not again[0].replace(meta=people.meta).differences(people)
    # A group of one person and one box would tie them, so the box leaves it.
    left = boxes.replace(extras={k: v for k, v in boxes.extras.items() if k != "group_id"})
    assert not again[1].replace(meta=boxes.meta).differences(left)


def test_single_points_by_the_name_of_their_joint(tmp_path):
    def joint(name, number, group):
        shape = '<points frame="10" keyframe="1" outside="0" occluded="1" points="1,2"/>'
        end = '<points frame="13" keyframe="1" outside="1" occluded="1" points="1,2"/>'
        return track(shape, end, number=number, name=name, more=f' group_id="{group}"')

    labels = label("nose", "points") + label("tail", "points")
    path = film(
        tmp_path, joint("nose", 0, 1), joint("nose", 1, 2), joint("tail", 2, 1), labels=labels
    )

    ds = kd.read(path)

    assert ds.schema.names == ("nose", "tail")
    assert ds.visibility.tolist() == [[1, 1], [1, 0]]


def test_other_tracks_come_back_and_are_kept_by_other_formats(tmp_path):
    polygon = '<polygon frame="10" keyframe="1" outside="0" occluded="0" points="1,1;2,2;3,1"/>'
    path = film(tmp_path, track(pose(10, "1,1", "2,2")), track(polygon, number=1, name="car"))

    ds = kd.read(path)

    report = kd.write(ds, tmp_path / "back.xml", format="cvat_video", strict=True)
    assert not report.lost
    assert [c.tag for t in ET.parse(tmp_path / "back.xml").findall("track") for c in t] == [
        "skeleton",
        "polygon",
    ]
    kd.write(ds, tmp_path / "a.json", format="coco")
    assert "cvat_tracks" in json.loads((tmp_path / "a.json").read_text())


def test_several_videos_in_one_project(tmp_path):
    table = ImageTable.of(
        ["frame_000000.PNG", "frame_000001.PNG", "frame_000000.PNG"],
        id=[0, 1, 2],
        width=[640, 640, 320],
        height=[480, 480, 240],
        sequence=["one", "one", "two"],
        frame=[0, 1, 0],
    )
    ds = cats()[:3].replace(images=table, image=[0, 1, 2], track=[3, 3, 4])

    report = kd.write(ds, tmp_path / "a.xml", format="cvat_video")

    assert not report.lost
    back = kd.read(tmp_path / "a.xml", schema=TWO)
    assert not back.replace(meta={}).differences(ds.replace(extras=back.extras))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('frame="1" key', 'frame="0" key', "track 0: a frame is there twice; found frame 0"),
        ('frame="1" key', 'frame="-1" key', "before the first"),
        ('frame="1" key', 'frame="x" key', "frame: no whole number"),
        ('frame="1" key', "key", "frame: no whole number"),
        ('"11.00,20.00"', '"11.00"', "track 0, frame 1, point 'nose'.*no coordinates"),
        ('label="tail" keyframe="0"', 'label="knee" keyframe="0"', "track 0, frame 1: a point"),
        ('keyframe="0" outside="0"', 'keyframe="0" outside="x"', "outside: neither 0 nor 1"),
        ("<stop_frame>2<", "<stop_frame>two<", "stop_frame: no whole number"),
        ("<width>640<", "<width>wide<", "width: no whole number"),
        ("<track ", "<image/><track ", "read it as cvat_images"),
    ],
)
def test_damage_is_named(tmp_path, old, new, message):
    text = TOY.read_text()
    assert old in text
    path = tmp_path / "a.xml"
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(FormatError, match=message):
        kd.read(path, format="cvat_video")


def test_a_video_that_says_it_has_a_billion_frames_costs_nothing(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(TOY.read_text().replace("<stop_frame>2<", "<stop_frame>999999999<"))

    assert kd.read(path).images.frame.tolist() == [0, 1]


def test_sniffing(tmp_path):
    assert kd.formats.sniff(TOY) == "cvat_video"
    assert cvat_video.sniff(tmp_path).confidence == 0
    empty = film(tmp_path)
    assert kd.formats.sniff(empty) == "cvat_video"
    assert len(kd.read(empty).images) == 5


# Writing


def test_tracks_end_where_people_are_not_in_the_next_frame(tmp_path):
    ds = cats()

    report = kd.write(ds, tmp_path / "a.xml", format="cvat_video")

    assert not report.lost
    first, second = ET.parse(tmp_path / "a.xml").findall("track")
    assert (first.attrib["id"], second.attrib["id"]) == ("7", "9")
    assert [s.attrib["frame"] for s in first] == ["0", "1", "2", "3", "4"]
    assert [s.attrib["frame"] for s in second] == ["0", "1", "2", "3", "4"]
    assert {p.attrib["outside"] for p in second[2]} == {"1"}
    assert all(s.attrib["keyframe"] == "1" for s in second)
    back = kd.read(tmp_path / "a.xml", schema=TWO)
    assert not back.replace(meta={}, extras={}).differences(ds)


def test_a_gap_without_a_mark_stays_one(tmp_path):
    path = film(tmp_path, track(pose(10, "1,1", "2,2"), pose(19, "3,3", "4,4")))
    ds = kd.read(path)

    kd.write(ds, tmp_path / "back.xml", format="cvat_video")
    assert tags(tmp_path / "back.xml") == tags(path)

    kd.write(ds[:1], tmp_path / "part.xml", format="cvat_video")  # it is gone after all
    (only,) = ET.parse(tmp_path / "part.xml").findall("track")
    assert [s.attrib["frame"] for s in only] == ["10", "13"]


def test_people_without_a_track_get_one_each(tmp_path):
    report = kd.write(cats(track=None), tmp_path / "a.xml", format="cvat_video")

    assert report.invented["track"] == 9
    assert len(set(kd.read(tmp_path / "a.xml").track.tolist())) == 9


def test_a_track_twice_in_a_frame_is_two(tmp_path):
    report = kd.write(cats(track=[7] * 9), tmp_path / "a.xml", format="cvat_video")

    assert report.lost["track"] == 4


def test_frames_between_are_counted(tmp_path):
    table = cats().images
    sparse = ImageTable.of(
        table.file_name,
        id=table.id,
        width=table.width,
        height=table.height,
        sequence=table.sequence,
        frame=[0, 4, 6, 10, 20],
    )

    report = kd.write(cats(images=sparse), tmp_path / "a.xml", format="cvat_video")

    assert report.invented["frames between those of the images"] == 6
    back = kd.read(tmp_path / "a.xml")
    assert back.images.frame.tolist() == list(range(0, 21, 2))
    assert back.images.frame[back.image].tolist() == [0, 4, 6, 10, 20, 0, 4, 10, 20]


def test_images_that_are_no_frames_are_numbered(tmp_path):
    bare = ImageTable.of([f"{k}.jpg" for k in range(5)])

    report = kd.write(cats(images=bare), tmp_path / "a.xml", format="cvat_video")

    assert report.lost["file_name"] == 5
    assert kd.read(tmp_path / "a.xml").images.frame.tolist() == [0, 1, 2, 3, 4]


def test_a_person_whose_points_all_are_absent_ends_its_track(tmp_path):
    visibility = np.full((9, 2), V.VISIBLE)
    visibility[3] = V.ABSENT
    xy = cats().xy.copy()
    xy[3] = NAN

    report = kd.write(cats(visibility=visibility, xy=xy), tmp_path / "a.xml", format="cvat_video")

    assert report.lost["instances"] == 1
    assert len(kd.read(tmp_path / "a.xml")) == 8


def test_a_person_whose_points_all_are_unlabelled_is_kept(tmp_path):
    visibility = np.full((9, 2), V.VISIBLE)
    visibility[3] = V.UNLABELLED
    xy = cats().xy.copy()
    xy[3] = NAN
    ds = cats(visibility=visibility, xy=xy)

    assert not kd.write(ds, tmp_path / "a.xml", format="cvat_video").lost
    assert kd.read(tmp_path / "a.xml").visibility.tolist() == visibility.tolist()


def test_facts_of_a_track_are_those_of_its_first_frame(tmp_path):
    source = RawColumn([b'"auto"', *[None] * 7, b'"file"'])

    report = kd.write(cats(extras={"source": source}), tmp_path / "a.xml", format="cvat_video")

    assert report.lost["extras"] == 1
    found = kd.read(tmp_path / "a.xml").extras["source"]
    assert [found[row] for row in range(9)] == [b'"auto"'] * 5 + [None] * 4


@pytest.mark.parametrize("state", V)
def test_t6_states_survive_or_are_counted(tmp_path, state):
    visibility = np.full((9, 2), V.VISIBLE)
    visibility[0, 0] = state
    xy = cats().xy.copy()
    xy[0, 0] = xy[0, 0] if state in (1, 2, 4) else NAN

    report = kd.write(cats(visibility=visibility, xy=xy), tmp_path / "a.xml", format="cvat_video")

    back = int(kd.read(tmp_path / "a.xml").visibility[0, 0])
    assert back == (V.VISIBLE if state == V.LABELLED else state)
    assert report.lost.get("visibility", 0) == (state == V.LABELLED)


def test_a_thousand_damaged_files(tmp_path):
    rng = np.random.default_rng(13)
    content = TOY.read_bytes()
    path = tmp_path / "a.xml"
    refused = 0
    for _ in range(1500):
        data = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, len(data)))
            junk = rng.choice([b"<", b">", b'"', b"&", b"/", b"0", b"-", b"x", b"\xff", b"9"])
            data[at : at + int(rng.integers(0, 6))] = junk
        path.write_bytes(bytes(data))
        try:
            kd.read_all(path, format="cvat_video")
        except KptDataError:
            refused += 1
    assert refused > 600

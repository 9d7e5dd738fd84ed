"""CVAT for images: what is read from a file typed by hand, and the traps of the format.

Numbers behind ``trap`` are those of the list of traps in the project's notes on formats.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from datasets import crowd

import kptdata as kd
from kptdata import (
    DatasetError,
    FileError,
    FormatError,
    ImageTable,
    KptDataError,
    PoseDataset,
    RawColumn,
    Schema,
    SchemaError,
    Visibility,
    load_schema,
)
from kptdata.formats import cvat_images

TOY = Path(__file__).parents[1] / "data" / "cvat_images" / "toy.xml"
NAN = np.nan
V = Visibility
THREE = ("nose", "left_eye", "right_eye")


def changed(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    """Copy the typed file with these replacements, each of which must happen."""
    text = TOY.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "changed.xml"
    path.write_text(text)
    return path


def document(tmp_path: Path, shapes: str, labels: str = "", image: str = "") -> Path:
    path = tmp_path / "made.xml"
    path.write_text(
        "<annotations><version>1.1</version><meta><task><labels>"
        f"{labels}</labels></task></meta>"
        f'<image id="3" name="a.jpg" width="640" height="480"{image}>{shapes}</image></annotations>'
    )
    return path


def label(name: str, kind: str, parent: str = "", svg: str = "") -> str:
    below = f"<parent>{parent}</parent>" if parent else ""
    drawing = f"<svg>{svg}</svg>" if svg else ""
    return f"<label><name>{name}</name><type>{kind}</type>{below}{drawing}</label>"


def canonical(path: Path) -> list[object]:
    """Return a file as nested lists: attributes as a set, numbers as numbers, images' shapes so."""

    def value(text: str) -> object:
        parts = re.split(r"[,;]", text)
        try:
            return tuple(map(float, parts))
        except ValueError:
            return text.strip()

    def node(element: ET.Element) -> list[object]:
        attrib = {key: value(text) for key, text in element.attrib.items()}
        return [element.tag, attrib, (element.text or "").strip(), [node(c) for c in element]]

    return node(ET.parse(path).getroot())


# Reading


def test_a_file_typed_by_hand():
    ds = kd.read(TOY)

    assert ds.schema.names == THREE
    assert [(link.start, link.end) for link in ds.schema.links] == [("nose", "left_eye")]
    assert ds.images.file_name.tolist() == ["000007.jpg"]
    assert ds.images.id.tolist() == [0]
    assert ds.images.wh.tolist() == [[640, 480]]
    np.testing.assert_array_equal(ds.xy[0], [[160.5, 80.5], [166.5, 74.5], [NAN, NAN]])
    assert ds.bbox.tolist() == [[100, 50, 120, 300]]
    assert ds.categories == {1: "person"}


def test_what_was_read_is_written_back(tmp_path):
    path = tmp_path / "back.xml"

    report = kd.write(kd.read(TOY), path, format="cvat_images")

    assert not report.lost
    assert canonical(path) == canonical(TOY)
    kd.write(kd.read(path), tmp_path / "again.xml", format="cvat_images")
    assert (tmp_path / "again.xml").read_bytes() == path.read_bytes()


def test_trap_28_outside_points_have_coordinates_and_are_no_labels(tmp_path):
    ds = kd.read(TOY)
    assert ds.visibility.tolist() == [[V.VISIBLE, V.OCCLUDED, V.ABSENT]]
    assert ds.given_xy[0, 2].tolist() == [154, 74]

    both = changed(tmp_path, ('outside="1" occluded="0"', 'outside="1" occluded="1"'))
    ds = kd.read(both)

    assert ds.visibility[0, 2] == V.ABSENT  # outside wins
    kd.write(ds, tmp_path / "back.xml", format="cvat_images")
    assert canonical(tmp_path / "back.xml") == canonical(both)


def skeleton(**points: str) -> str:
    inner = "".join(
        f'<points label="{name}" outside="0" occluded="0" points="{at}"/>'
        for name, at in points.items()
    )
    return f'<skeleton label="person" z_order="0">{inner}</skeleton>'


def circles(*names: str) -> str:
    return "".join(
        f'&lt;circle data-type="element node" data-node-id="{k}" data-label-name="{n}"/&gt;'
        for k, n in enumerate(names, 1)
    )


def test_trap_29_order_and_lines_stand_in_the_drawing(tmp_path):
    line = '&lt;line data-type="edge" data-node-from="3" data-node-to="1"/&gt;'
    labels = label("person", "skeleton", svg=line + circles("c", "a", "b")) + "".join(
        label(n, "points", "person") for n in "abc"
    )
    ds = kd.read(document(tmp_path, skeleton(a="1,2", b="3,4", c="5,6"), labels))

    assert ds.schema.names == ("c", "a", "b")
    assert ds.xy[0].tolist() == [[5, 6], [1, 2], [3, 4]]
    assert [(link.start, link.end) for link in ds.schema.links] == [("b", "c")]


def test_t7_points_belong_to_names_whatever_their_order(tmp_path):
    coco = load_schema("coco")
    names = list(np.random.default_rng(1).permutation(coco.names))
    labels = label("person", "skeleton", svg=circles(*names)) + "".join(
        label(n, "points", "person") for n in reversed(names)
    )
    shuffled = {n: f"{coco.index(n)},1" for n in sorted(names)}

    ds = kd.read(document(tmp_path, skeleton(**shuffled), labels))

    assert ds.schema == coco
    assert ds.xy[0, :, 0].tolist() == list(range(17))


def test_t7_a_missing_element_is_unlabelled(tmp_path):
    labels = label("person", "skeleton", svg=circles("a", "b"))

    ds = kd.read(document(tmp_path, skeleton(b="3,4"), labels))

    assert ds.visibility.tolist() == [[V.UNLABELLED, V.VISIBLE]]


def test_t7_two_skeletons_with_points_of_the_same_name(tmp_path):
    labels = (
        label("cat", "skeleton", svg=circles("nose", "tail"))
        + label("person", "skeleton", svg=circles("hand", "nose"))
        + label("nose", "points", "cat")
        + label("tail", "points", "cat")
        + label("nose", "points", "person")
        + label("hand", "points", "person")
    )
    cat = skeleton(nose="1,1", tail="2,2").replace("person", "cat")
    path = document(tmp_path, skeleton(nose="3,3", hand="4,4") + cat, labels)

    cat, person = kd.read_all(path)

    assert (person.schema.names, cat.schema.names) == (("hand", "nose"), ("nose", "tail"))
    assert (person.categories, cat.categories) == ({2: "person"}, {1: "cat"})
    assert (person.order.tolist(), cat.order.tolist()) == ([0], [1])
    kd.formats.write_all((person, cat), tmp_path / "back.xml", format="cvat_images")
    again = kd.read_all(tmp_path / "back.xml")
    assert not again[0].differences(cat)
    assert not again[1].differences(person)
    shapes = ET.parse(tmp_path / "back.xml").findall("image/skeleton")
    assert [shape.attrib["label"] for shape in shapes] == ["person", "cat"]


def test_skeletons_with_the_same_points_share_a_dataset(tmp_path):
    labels = "".join(label(n, "skeleton", svg=circles("a", "b")) for n in ("man", "person"))
    man = skeleton(a="1,1", b="2,2").replace("person", "man")

    ds = kd.read(document(tmp_path, skeleton(a="3,3", b="4,4") + man, labels))

    assert ds.categories == {1: "man", 2: "person"}
    assert ds.category.tolist() == [2, 1]


def test_trap_32_more_than_two_digits_are_kept(tmp_path):
    path = tmp_path / "a.xml"
    schema = Schema.from_names(["a", "b"], name="ab")
    table = ImageTable.of(["a.jpg"], width=[640], height=[480])
    ds = PoseDataset(
        schema=schema,
        images=table,
        image=[0],
        xy=[[[0.1 + 0.2, 1e-9], [100.25, 7]]],
        visibility=[[2, 1]],
        bbox=[[473.07, 395.93, 38.65, 28.67]],
    )

    report = kd.write(ds, path, format="cvat_images")

    assert 'points="0.30000000000000004,1e-09"' in path.read_text()
    assert 'points="100.25,7.00"' in path.read_text()
    assert "bbox" not in report.lost
    assert kd.read(path).bbox.tolist() == ds.bbox.tolist()


@pytest.mark.parametrize("state", V)
def test_t6_states_survive_or_are_counted(tmp_path, state):
    xy = np.array([[[1.0, 2], [3, 4]]])
    xy[0, 0] = xy[0, 0] if state in (1, 2, 4) else NAN
    ds = PoseDataset(
        schema=Schema.from_names(["a", "b"], name="ab"),
        images=ImageTable.of(["a.jpg"]),
        image=[0],
        xy=xy,
        visibility=[[state, V.VISIBLE]],
    )

    report = kd.write(ds, tmp_path / "a.xml", format="cvat_images")

    back = int(kd.read(tmp_path / "a.xml").visibility[0, 0])
    assert back == (V.VISIBLE if state == V.LABELLED else state)
    assert report.lost.get("visibility", 0) == (state == V.LABELLED)


def test_boxes_belong_to_people_by_group(tmp_path):
    box = '<box label="b" occluded="1" xtl="1" ytl="2" xbr="4" ybr="6" z_order="2"{}/>'
    labels = label("person", "skeleton", svg=circles("a", "b")) + label("b", "rectangle")
    one = skeleton(a="1,1", b="2,2")
    tied = one.replace("z_order", 'group_id="5" z_order')
    pair = box.format(' group_id="5"')

    together = kd.read(document(tmp_path, tied + pair, labels))
    assert together.bbox.tolist() == [[1, 2, 3, 4]]
    assert "group_id" not in together.extras

    apart = kd.read_all(document(tmp_path, one + box.format(""), labels))
    assert [ds.schema.num_keypoints for ds in apart] == [2, 0]
    assert apart[1].bbox.tolist() == [[1, 2, 3, 4]]
    assert apart[1].categories == {2: "b"}
    assert apart[1].extras["occluded"][0] == b"true"

    two = (
        tied + tied.replace('"5"', '"6"') + pair.replace('"5"', '"6"').replace('"4"', '"9"') + pair
    )
    both = kd.read(document(tmp_path, two, labels))
    assert both.bbox.tolist() == [[1, 2, 3, 4], [1, 2, 8, 4]]

    several = kd.read_all(document(tmp_path, tied + tied + pair, labels))
    assert len(several[0]) == 2
    assert [json.loads(t) for t in several[0].extras["group_id"]] == [5, 5]
    for parts in (apart, several, (together,), (both,)):
        kd.formats.write_all(parts, tmp_path / "back.xml", format="cvat_images")
        again = kd.read_all(tmp_path / "back.xml")
        assert [not a.differences(b) for a, b in zip(again, parts, strict=True)] == [True] * len(
            parts
        )


def test_a_loose_box_does_not_become_a_persons(tmp_path):
    labels = label("person", "skeleton", svg=circles("a", "b")) + label("b", "rectangle")
    shape = skeleton(a="1,1", b="2,2").replace("z_order", 'group_id="5" z_order')
    box = (
        '<box label="b" xtl="1" ytl="2" xbr="4" ybr="6" group_id="5"/><tag label="t" group_id="5"/>'
    )
    people, boxes = kd.read_all(document(tmp_path, shape + box, labels))
    bare = ImageTable.of(["a.jpg"], id=[3], width=[640], height=[480])

    report = kd.formats.write_all(
        (people.replace(images=bare), boxes.replace(images=bare)),
        tmp_path / "b.xml",
        format="cvat_images",
    )

    assert report.lost["extras"] == 1
    assert np.isnan(kd.read_all(tmp_path / "b.xml")[0].column("bbox")).all()


def test_points_without_a_skeleton_by_the_name_of_their_joint(tmp_path):
    def point(name, at, group, occluded=0):
        return f'<points label="{name}" occluded="{occluded}" points="{at}" group_id="{group}"/>'

    shapes = (
        point("nose", "1,1", 1)
        + point("nose", "5,5", 2)
        + point("tail", "2,2", 1, occluded=1)
        + '<box label="b" xtl="1" ytl="2" xbr="4" ybr="6" group_id="2"/>'
        + point("nose", "9,9", 1)
    )
    labels = label("nose", "points") + label("tail", "points") + label("b", "rectangle")

    ds = kd.read(document(tmp_path, shapes, labels))

    assert ds.schema.names == ("nose", "tail")
    np.testing.assert_array_equal(
        ds.xy, [[[1, 1], [2, 2]], [[9, 9], [NAN, NAN]], [[5, 5], [NAN, NAN]]]
    )
    assert ds.visibility.tolist() == [[2, 1], [2, 0], [2, 0]]
    np.testing.assert_array_equal(ds.bbox[2], [1, 2, 3, 4])
    assert np.isnan(ds.bbox[:2]).all()


def test_points_with_places_and_no_names_need_a_schema(tmp_path):
    shapes = '<points label="face" occluded="1" points="1,2;3,4;5,6"/>'
    path = document(tmp_path, shapes, label("face", "points"))

    with pytest.raises(SchemaError, match=r"label 'face'.* does not name its 3 keypoints"):
        kd.read(path)
    ds = kd.read(path, schema=Schema.from_names(THREE, name="three"))

    assert ds.xy.tolist() == [[[1, 2], [3, 4], [5, 6]]]
    assert ds.visibility.tolist() == [[V.OCCLUDED] * 3]
    uneven = document(tmp_path, shapes + '<points label="face" points="1,2;3,4"/>')
    with pytest.raises(FormatError, match=r"number differs from shape to shape.* 2 and 3"):
        kd.read(uneven)


def test_other_shapes_attributes_and_subsets_come_back(tmp_path):
    shapes = (
        '<tag label="night" source="manual"></tag>'
        '<skeleton label="person" source="auto" z_order="4" rotation="3.5">'
        '<points label="a" source="manual" outside="0" occluded="0" points="1.00,1.00">'
        '<attribute name="quality">a &lt; b</attribute></points>'
        '<points label="b" source="auto" outside="1" occluded="0" points="2.00,2.00"></points>'
        '<attribute name="age">adult</attribute></skeleton>'
        '<polygon label="car" points="1,1;2,2;3,1" z_order="1"><attribute name="x">y</attribute>'
        "</polygon>"
    )
    labels = (
        label("person", "skeleton", svg=circles("a", "b"))
        + label("a", "points", "person")
        + label("b", "points", "person")
        + label("car", "polygon")
    )
    path = document(tmp_path, shapes, labels, ' subset="Validation" task_id="8"')

    ds = kd.read(path)

    assert json.loads(ds.images.extras["split"][0]) == "Validation"
    assert json.loads(ds.extras["attributes"][0]) == {"age": "adult"}
    assert json.loads(ds.extras["source"][0]) == "auto"
    assert json.loads(ds.extras["z_order"][0]) == 4
    kd.write(ds, tmp_path / "back.xml", format="cvat_images")
    assert canonical(tmp_path / "back.xml") == canonical(path)
    # Facts are kept by other formats; how they were written is not.
    kd.write(ds, tmp_path / "coco.json", format="coco")
    found = json.loads((tmp_path / "coco.json").read_text())
    assert found["annotations"][0]["attributes"] == {"age": "adult"}
    assert not [key for key in found["annotations"][0] if ":" in key]


def test_a_schema_decides_what_the_points_are(tmp_path):
    assert kd.read(TOY, schema=Schema.from_names(THREE, name="mine")).schema.name == "mine"
    with pytest.raises(SchemaError, match="expected the 17 points of coco"):
        kd.read(TOY, schema="coco")


def test_an_archive_is_read_in_place(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/000007.jpg", b"")
        archive.writestr("annotations.xml", TOY.read_bytes())

    assert kd.read(path) == kd.read(TOY)
    packed = tmp_path / "export.xml.gz"
    packed.write_bytes(gzip.compress(TOY.read_bytes()))
    assert kd.read(packed, format="cvat_images") == kd.read(TOY)


def test_archives_that_are_refused(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../annotations.xml", TOY.read_bytes())
    with pytest.raises(FormatError, match="no annotations in the archive"):
        kd.read(path, format="cvat_images")
    link = zipfile.ZipInfo("annotations.xml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FormatError, match="a link in the archive"):
        kd.read(path, format="cvat_images")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations.xml", b" " * 120_000_000)
    with pytest.raises(FormatError, match="packed far too tightly"):
        kd.read(path, format="cvat_images")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(KptDataError, match=r"export\.zip"):
        kd.read(path, format="cvat_images")


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><annotations>&i;</annotations>"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(BOMB, "document type or entity", id="billion-laughs"),
        pytest.param(
            '<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotations/>',
            "document type or entity",
            id="external",
        ),
        pytest.param("<annotations>&x;</annotations>", "undefined entity", id="entity"),
        pytest.param("<annotations>" + "<a>" * 50, "nested too deep", id="deep"),
        pytest.param("<html/>", "expected <annotations>, found <html>", id="root"),
        pytest.param("<annotations><image>", "not XML: no element found", id="cut"),
        pytest.param('<?xml version="1.0" encoding="no"?><annotations/>', "encoding", id="code"),
        pytest.param("<annotations><track/></annotations>", "cvat_video", id="video"),
    ],
)
def test_xml_that_is_refused(tmp_path, text, message):
    path = tmp_path / "a.xml"
    path.write_text(text)

    with pytest.raises(FormatError, match=message):
        kd.read(path, format="cvat_images")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"160.50,80.50"', '"160.50"', "image '000007.jpg', shape 2 <skeleton>, point 'nose'"),
        ('"160.50,80.50"', '"160.50,80.50;1,2"', "several coordinates"),
        ('"160.50,80.50"', '"nan,80.50"', "no coordinates"),
        ('"160.50,80.50"', '"1e99,80.50"', "no coordinates"),
        ('points label="nose"', 'points label="knee"', "point that the skeleton does not have"),
        ('points label="nose"', 'points label="left_eye"', "point is there twice"),
        ('points label="nose" source="manual" outside="0"', 'points outside="0"', "does not have"),
        ('outside="0" occluded="1"', 'outside="0" occluded="2"', "occluded: neither 0 nor 1"),
        ('xtl="100.00"', 'xtl="x"', "no corners of a box"),
        ('z_order="0" group_id="1">\n', 'z_order="0.5" group_id="1">\n', "z_order: no whole"),
        ('group_id="1"', 'group_id="one"', "group_id: no whole number"),
        ('width="640"', 'width="640px"', "width: no whole number"),
        ('id="0" name', 'id="99999999999" name', "id: no whole number"),
        ("000007.jpg", "", "no file name"),
        ('data-label-name="nose"', 'data-label-name="left_eye"', "there twice"),
        ('data-label-name="nose"', 'data-label-name="knee"', "other points than its sublabels"),
        ("&lt;line", "&lt;&lt;line", "label 'person': not XML"),
        ("<name>person_box</name>", "<name>person</name>", "two labels have one name"),
    ],
)
def test_damage_is_named(tmp_path, old, new, message):
    with pytest.raises(FormatError, match=message):
        kd.read(changed(tmp_path, (old, new)))


def test_sniffing(tmp_path):
    assert kd.formats.sniff(TOY) == "cvat_images"
    assert cvat_images.sniff(tmp_path).confidence == 0
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("annotations.xml", TOY.read_bytes())
    assert kd.formats.sniff(tmp_path / "a.zip") == "cvat_images"


# Writing


def test_what_cvat_needs_is_made(tmp_path):
    coco = load_schema("coco")
    ds = crowd(3)
    report = kd.write(ds, tmp_path / "a.xml", format="cvat_images")

    labels = ET.parse(tmp_path / "a.xml").findall("meta/task/labels/label")

    assert labels[0].findtext("name") == "person"
    assert [n.findtext("name") for n in labels[1:]] == list(coco.names)
    assert {n.findtext("parent") for n in labels[1:]} == {"person"}
    svg = ET.fromstring(f"<x>{labels[0].findtext('svg')}</x>")
    assert [c.attrib["data-label-name"] for c in svg.findall("circle")] == list(coco.names)
    edges = [(e.attrib["data-node-from"], e.attrib["data-node-to"]) for e in svg.findall("line")]
    assert edges == [(str(a + 1), str(b + 1)) for a, b in coco.link_indices.tolist()]
    assert kd.read(tmp_path / "a.xml").schema == coco
    assert report.invented["category"] == 3


def test_a_mapped_dataset_gets_new_labels_and_keeps_the_others(tmp_path):
    mine = Schema.from_names(["nose", "neck"], name="mine")
    mapped, _ = kd.ops.map_schema(kd.read(TOY), mine)

    kd.write(mapped, tmp_path / "a.xml", format="cvat_images")

    labels = ET.parse(tmp_path / "a.xml").findall("meta/task/labels/label")
    assert [n.findtext("name") for n in labels] == ["person", "nose", "neck", "person_box"]
    assert ET.parse(tmp_path / "a.xml").findtext("meta/task/name") == "toy"
    assert kd.read(tmp_path / "a.xml").schema.names == ("nose", "neck")


def test_one_label_with_two_skeletons_is_refused(tmp_path):
    other = Schema.from_names(["x"], name="x")
    ds = crowd(3)
    second = PoseDataset(
        schema=other,
        images=ds.images,
        image=[0],
        xy=[[[1, 1]]],
        visibility=[[2]],
        category=[1],
        categories={1: "person"},
    )
    with pytest.raises(DatasetError, match="two skeletons"):
        kd.formats.write_all((ds, second), tmp_path / "a.xml", format="cvat_images")


def test_a_name_that_xml_cannot_hold_is_refused(tmp_path):
    ds = crowd(1).replace(images=ImageTable.of(["a\x01.jpg"]))
    with pytest.raises(FormatError, match="character that XML cannot hold"):
        kd.write(ds, tmp_path / "a.xml", format="cvat_images")
    assert list(tmp_path.iterdir()) == []


def test_awkward_texts_survive(tmp_path):
    ds = crowd(1).replace(
        images=ImageTable.of(['ä "b" <c> & d\t\n.jpg']),
        extras={"attributes": RawColumn([b'{"a\\"": "x\\r\\n y", "b": ""}'])},
    )

    report = kd.write(ds, tmp_path / "a.xml", format="cvat_images")

    back = kd.read(tmp_path / "a.xml")
    assert "extras" not in report.lost
    assert back.images.file_name.tolist() == ds.images.file_name.tolist()
    assert json.loads(back.extras["attributes"][0]) == {'a"': "x\r\n y", "b": ""}


def test_values_that_a_shape_cannot_hold_are_counted(tmp_path):
    ds = crowd(2).replace(
        extras={
            "z_order": RawColumn([b"3", b'"high"']),
            "attributes": RawColumn([b'{"a": 1}', b'{"a": "1"}']),
            "area": RawColumn([b"1", None]),
        }
    )

    report = kd.write(ds, tmp_path / "a.xml", format="cvat_images")

    assert report.lost["extras"] == 3


def test_a_thousand_damaged_files(tmp_path):
    rng = np.random.default_rng(11)
    content = TOY.read_bytes()
    path = tmp_path / "a.xml"
    refused = 0
    for _ in range(1500):
        data = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, len(data)))
            junk = rng.choice([b"<", b">", b'"', b"&", b"/", b"0", b"-", b"x", b"\xff", b"\0"])
            data[at : at + int(rng.integers(0, 6))] = junk
        path.write_bytes(bytes(data))
        try:
            kd.read_all(path, format="cvat_images")
        except KptDataError:
            refused += 1
    assert refused > 800


def test_an_unreadable_stream_is_a_file_error():
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("gone")

    from kptdata.formats._xml import children_of_root

    with pytest.raises(FileError, match="gone"):
        list(children_of_root(Broken(), TOY, "annotations"))

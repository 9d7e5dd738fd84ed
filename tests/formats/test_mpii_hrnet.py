"""HRNet's JSON of MPII: counted from 1, annotated instead of seen, JSON-equal on the way back."""

from __future__ import annotations

import json

import numpy as np
import pytest

import kptdata as kd
from kptdata import DatasetError, FormatError, KptDataError, PoseDataset, SchemaError, Visibility
from kptdata.formats import mpii_hrnet

NAN = np.nan
V = Visibility


def joints(**places) -> tuple[list, list]:
    """Joints and joints_vis: missing but for those given by number."""
    xy, vis = [[-1.0, -1.0] for _ in range(16)], [0] * 16
    for key, place in places.items():
        xy[int(key[1:])], vis[int(key[1:])] = list(place), 1
    return xy, vis


def person(image="a.jpg", center=(594.0, 257.0), scale=3.021, points=None, **more) -> dict:
    xy, vis = joints(_0=(620, 394), _8=(637.02, 189.82)) if points is None else points
    made = {"image": image, "center": list(center), "scale": scale}
    return made | {"joints": xy, "joints_vis": vis} | more


def save(path, people) -> object:
    path.write_text(json.dumps(people))
    return path


def read(path, people) -> PoseDataset:
    (ds,) = mpii_hrnet.read_all(save(path / "in.json", people))
    return ds


def test_reading(tmp_path):
    ds = read(tmp_path, [person(), person("b.jpg"), person("a.jpg", scale=1.0)])

    assert ds.images.file_name.tolist() == ["a.jpg", "b.jpg"]
    assert ds.image.tolist() == [0, 1, 0]
    assert ds.id.tolist() == [1, 2, 3]
    assert ds.xy[0, 0].tolist() == [619, 393]
    assert ds.xy[0, 8].tolist() == [636.02, 188.82]
    # joints_vis 1 means annotated: nothing is known about occlusion.
    assert ds.visibility[0].tolist() == [V.LABELLED, *[0] * 7, V.LABELLED, *[0] * 7]
    assert ds.given_xy is None
    assert ds.points["objpos"][0, 0].tolist() == [593, 256]
    assert ds.numbers["scale"].tolist() == [3.021, 3.021, 1.0]
    side = 200 * 3.021
    np.testing.assert_allclose(
        ds.bbox[0], [593 - side / 2, 256 + 15 * 3.021 - side / 2, side, side], rtol=1e-15
    )


def test_places_of_points_that_are_not_annotated_are_kept(tmp_path):
    xy, vis = joints(_0=(5, 6))
    xy[1], xy[2] = [0.0, 0.0], [7.5, 8.0]

    ds = read(tmp_path, [person(points=(xy, vis))])

    assert ds.given_xy[0, :4].tolist()[1:3] == [[-1, -1], [6.5, 7]]
    assert np.isnan(ds.given_xy[0, [0, 3]]).all()


PEOPLE = [
    person(),
    person("ä/b.jpg", (0.1, 0.7), 1e-3, joints(_3=(0.1, -30.08), _4=(1 / 3, 0.3))),
    person(center=(-1.0, -1.0), scale=-1.0, points=joints()),
    {"image": "test.jpg", "center": [5.0, 6.0], "scale": 2},
    person(points=([[0.0, 0.0]] * 16, [0] * 16)),
    person(points=([[-2, -2]] * 16, [1] * 8 + [0] * 8)),
    person(note={"x": [1, None]}, annorect_id=3, sure=True),
]


def test_the_same_json_comes_back(tmp_path):
    source = save(tmp_path / "in.json", PEOPLE)
    (ds,) = mpii_hrnet.read_all(source)

    report = mpii_hrnet.write_all((ds,), tmp_path / "out.json", strict=True)

    assert json.loads((tmp_path / "out.json").read_text()) == PEOPLE
    assert not report.lost
    assert not report.invented
    (again,) = mpii_hrnet.read_all(tmp_path / "out.json")
    assert again == ds
    first = (tmp_path / "out.json").read_bytes()
    mpii_hrnet.write_all((again,), tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == first


def test_a_changed_point_wins_over_the_note(tmp_path):
    ds = read(tmp_path, [person(points=joints(_3=(0.1, -30.08)))])
    assert "keypoints:mpii_hrnet" in ds.extras
    xy = ds.xy.copy()
    xy[0, 3] += 1

    mpii_hrnet.write_all((ds.replace(xy=xy),), tmp_path / "out.json")
    (found,) = mpii_hrnet.read_all(tmp_path / "out.json")

    np.testing.assert_allclose(found.xy[0, 3], [0.1, -30.08], atol=1e-12)


def test_losses(tmp_path):
    schema = kd.load_schema("mpii")
    visibility = np.full((3, 16), V.VISIBLE)
    visibility[1] = V.OCCLUDED
    visibility[2] = V.LABELLED
    ds = PoseDataset(
        schema=schema,
        images=kd.ImageTable.of(["a.jpg", "b.jpg", "a.jpg"], width=[5, 5, 5]),
        image=[0, 0, 2],
        xy=np.arange(96.0).reshape(3, 16, 2),
        visibility=visibility,
        boxes={"head": [[1, 2, 3, 4], [NAN] * 4, [NAN] * 4]},
        bbox=[[0, 0, 100, 200]] * 3,
        numbers={"scale": [1.0, NAN, NAN]},
        points={"objpos": np.full((3, 1, 2), 9.0)},
        extras={"scale": kd.RawColumn([b"1", None, None])},
    )
    report = mpii_hrnet.write_all((ds,), tmp_path / "out.json")

    assert report.lost == {
        "visibility": 32, "boxes": 1, "bbox": 3, "images": 2, "image": 1, "extras": 1,
        "image_size": 1,
    }  # fmt: skip
    assert set(report.lost) <= set(mpii_hrnet.LOSSES)
    assert report.invented == {"id": 3, "category": 3, "bbox_source": 3, "scale": 2}
    with pytest.raises(FormatError, match=r"seen or occluded.*\(32\)"):
        mpii_hrnet.write_all((ds,), tmp_path / "out.json", strict=True)


def test_people_keep_their_order_over_images(tmp_path):
    names = ["b.jpg", "a.jpg", "b.jpg"]
    ds = read(tmp_path, [person(name, scale=float(n)) for n, name in enumerate(names)])

    mpii_hrnet.write_all((ds,), tmp_path / "out.json")

    assert [p["image"] for p in json.loads((tmp_path / "out.json").read_text())] == names


def changed(**fields) -> list:
    return [person(), {k: v for k, v in (person() | fields).items() if v is not ...}]


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (changed(image=3), r"person \[1\], image: .*a file name, found 3"),
        (changed(image=...), r"person \[1\], image: .*the key, found none"),
        (changed(center=[1, 2, 3]), r"\[1\], center: .*two numbers, found \[1, 2, 3\]"),
        (changed(center=...), r"center: .*the key"),
        (changed(scale="x"), r"scale: .*a number"),
        (changed(joints=[[1, 2]]), r"joints: .*16 pairs of numbers, found 1"),
        (changed(joints=...), r"joints and joints_vis, or neither"),
        (changed(joints=[[1, 2, 3]] * 16), r"joints: .*16 pairs"),
        (changed(joints_vis=[2] * 16), r"joints_vis: .*0 or 1"),
        (changed(joints_vis=[1] * 15), r"joints_vis: .*found 15"),
        (changed(joints=[[None, 1]] * 16), r"joints: .*16 pairs"),
        ([3], r"person \[0\]: no person; expected an object, found a number"),
        ({"a": 1}, "no HRNet-style file; expected a list of people, found an object"),
    ],
    ids=str,
)
def test_what_is_wrong_is_placed(people, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read(tmp_path, people)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"image": "a", "image": "b", "center": [1, 2], "scale": 1}]', "each key once"),
        ('[{"image": "a", "center": [NaN, 2], "scale": 1}]', "NaN is no JSON number"),
        ('[{"image": "a", "center": [1e999, 2], "scale": 1}]', "center|out of range"),
        ('[{"image": "a", ', "ends too early"),
        ("[[" * 3000, "."),
    ],
)
def test_wrong_text(text, message, tmp_path):
    path = tmp_path / "in.json"
    path.write_text(text)

    with pytest.raises(FormatError, match=message):
        mpii_hrnet.read_all(path)


def test_schemas(tmp_path):
    path = save(tmp_path / "in.json", [person()])

    with pytest.raises(SchemaError, match="16 points of MPII"):
        mpii_hrnet.read_all(path, schema=kd.load_schema("coco"))
    (ds,) = mpii_hrnet.read_all(path)
    with pytest.raises(DatasetError, match="map it first"):
        mpii_hrnet.write_all((kd.ops.map_schema(ds, kd.load_schema("coco"))[0],), path)


def test_sniffing(tmp_path):
    path = save(tmp_path / "in.json", [person()])
    assert kd.formats.sniff(path) == "mpii_hrnet"
    for other in ([{"image_id": 1, "keypoints": [], "score": 1}], [{"image": "a"}], [1], {}, []):
        assert mpii_hrnet.sniff(save(path, other)).confidence == 0


def test_damaged_files_raise_nothing_else(tmp_path, rng):
    content = bytearray(json.dumps(PEOPLE).encode())
    path = tmp_path / "in.json"
    refused = 0
    for _ in range(2000):
        data = bytearray(content)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(0, len(data)))
            junk = (b"", b'"', b"[", b"}", b"-", b"null", b"1e999", b"\xff", b'"joints":')
            data[at : at + int(rng.integers(1, 8))] = junk[int(rng.integers(0, len(junk)))]
        path.write_bytes(data)
        try:
            mpii_hrnet.read_all(path)
        except KptDataError:
            refused += 1
    assert refused > 1000

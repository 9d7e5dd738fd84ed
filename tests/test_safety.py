"""Files from strangers: names, archives, documents and pickles that want more than to be read.

Everything runs over the live table of formats. A name that leads out of its folder is kept where it
is only text, and refused where a file would be opened or written by it.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from contracts.test_formats import NAMES, SETTINGS, Setting
from format_plants import plain, with_images

import kptdata as kd
from kptdata import FileError, FormatError, KptDataError, load_schema
from kptdata.formats import FORMATS
from kptdata.paths import image_path, leads_out

each_format = pytest.mark.parametrize("name", NAMES)

SECRET = (33, 44)  # size of a picture outside the folder: whoever reads it has been there
LEADING_OUT = ["../secret.png", "/etc/secret.png", "C:\\secret.png", "a/../../secret.png"]


def setting(name: str) -> Setting:
    return SETTINGS.get(name, Setting())


def read(name: str, path: Path, **more: object) -> kd.PoseDataset:
    (found,) = kd.read_all(path, format=name, schema=setting(name).schema, **more)
    return found


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture
def place(tmp_path):
    """A folder to work in, with a picture beside it that is nobody's business."""
    from PIL import Image

    Image.new("RGB", SECRET).save(tmp_path / "secret.png")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "images").mkdir()
    return tmp_path / "work"


def out_of(place: Path, name: str) -> str:
    """Return a name that leads to the secret, from the folder of images too."""
    if name.startswith("/"):
        return str(place.parent / "secret.png")
    return name.replace("../secret", "../../secret") if name.startswith("../") else name


# Names of images


@pytest.mark.parametrize("bad", LEADING_OUT)
@each_format
def test_a_name_that_leads_out_writes_and_opens_nothing_there(name, bad, place):
    bad = out_of(place, bad)
    ds = with_images(plain(setting(name).schema), file_name=[bad, "b.jpg", "c.jpg"])
    target = place / setting(name).file
    before = files_below(place.parent)
    try:
        FORMATS.load(name).write_all((ds,), target)
    except KptDataError as error:
        assert "leads out" in str(error)  # noqa: PT017 - the other way is to write the name as data
        assert files_below(place.parent) == before
        return

    written = files_below(place.parent) - before
    assert all(file.startswith(f"work/{target.name}") for file in written)
    found = read(name, target)
    assert len(found) == len(ds)
    assert SECRET not in [tuple(wh) for wh in found.images.wh.tolist()]
    try:
        sized = read(name, target, images=place / "images")
    except FileError as error:
        assert "leads out of the folder of images" in str(error)  # noqa: PT017 - as above
        return
    assert SECRET not in [tuple(wh) for wh in sized.images.wh.tolist()]


@pytest.mark.parametrize("bad", LEADING_OUT)
@pytest.mark.parametrize("name", ["csv", "mpii", "mpii_hrnet"])
def test_the_name_is_kept_and_refused_where_it_would_be_opened(name, bad, place):
    bad = out_of(place, bad)
    ds = with_images(plain(setting(name).schema), file_name=[bad, "b.jpg", "c.jpg"])
    path = place / setting(name).file
    kd.write(ds, path, format=name)

    assert bad in read(name, path).images.file_name.tolist()
    with pytest.raises(FileError, match="leads out of the folder of images") as refused:
        read(name, path, images=place / "images")
    assert repr(bad) in str(refused.value)


@pytest.mark.parametrize("name", ["coco", "cvat_images", "label_studio", "csv", "sleap"])
def test_names_are_kept_where_they_are_only_text(name, place):
    ds = with_images(plain("coco"), file_name=["x/../../y.jpg", "b.jpg", "c.jpg"])
    path = place / setting(name).file

    report = kd.write(ds, path, format=name)

    kept = read(name, path).images.file_name.tolist() == ds.images.file_name.tolist()
    assert kept or report.lost["file_name"]


@pytest.mark.parametrize("bad", LEADING_OUT)
def test_pictures_are_not_drawn_on(bad, place):
    from kptdata.viz import annotation_gallery

    ds = with_images(plain("coco"), file_name=[out_of(place, bad), "b.jpg", "c.jpg"])
    with pytest.raises(FileError, match="leads out"):
        annotation_gallery(ds, place / "drawn", images=place / "images")
    assert not (place / "drawn").exists() or not files_below(place / "drawn")


@pytest.mark.parametrize("bad", LEADING_OUT)
def test_check_calls_them_missing(bad, place):
    bad = out_of(place, bad)
    ds = with_images(plain("coco"), file_name=[bad, "b.jpg", "c.jpg"])
    (finding,) = kd.check(ds, images=place / "images", rules=["image-missing"])
    assert bad in finding.ids


@pytest.mark.parametrize("bad", LEADING_OUT)
def test_nobody_trains_on_them(bad, place):
    pytest.importorskip("torch")
    from kptdata_models.runfile import DataSpec
    from kptdata_models.sources import load_source

    ds = with_images(plain("coco"), file_name=[out_of(place, bad), "b.jpg", "c.jpg"])
    kd.write(ds, place / "x.json")
    spec = DataSpec(annotations=str(place / "x.json"), images=str(place / "images"))
    with pytest.raises(FileError, match="leads out"):
        load_source(spec, "data.train")


def test_what_leads_out():
    inside = ["a.jpg", "a/b.jpg", "a/../b.jpg", "..a.jpg", "a..jpg", "./a.jpg", "", "a\\b.jpg"]
    outside = ["..", "../a.jpg", "a/../../b.jpg", "/a.jpg", "C:\\a.jpg", "c:a.jpg", "..\\a.jpg"]

    assert [name for name in inside if leads_out("images", name)] == []
    assert [name for name in outside if not leads_out("images", name)] == []
    assert leads_out("images", "a\0.jpg")
    assert not leads_out("/data/images", "/data/images/a.jpg")
    assert leads_out("/data/images", "/data/images2/a.jpg")
    with pytest.raises(FileError, match="images: an image name that leads out"):
        image_path("images", "../a.jpg")


def test_a_link_of_the_owner_is_followed(place):
    """Only names are judged: many keep their pictures elsewhere and link them."""
    (place / "images" / "b.png").symlink_to(place.parent / "secret.png")
    ds = with_images(plain("mpii"), file_name=["b.png", "c.jpg", "d.jpg"])
    kd.write(ds, place / "x.json", format="mpii_hrnet")
    found = read("mpii_hrnet", place / "x.json", images=place / "images")
    assert tuple(found.images.wh[0].tolist()) == SECRET


# Documents that grow or reach out


LAUGHS = "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(12)
)
DOCUMENTS = {
    "laughs": f"<?xml version='1.0'?><!DOCTYPE annotations [{LAUGHS}]><annotations>"
    "<version>1.1</version><meta><task><name>&l11;</name></task></meta></annotations>",
    "quadratic": f"<?xml version='1.0'?><!DOCTYPE annotations [<!ENTITY a '{'a' * 9000}'>]>"
    f"<annotations><version>1.1</version><meta><task>{'&a;' * 9000}</task></meta></annotations>",
    "reaches out": "<?xml version='1.0'?><!DOCTYPE annotations [<!ENTITY x SYSTEM "
    "'file:///etc/passwd'>]><annotations><version>1.1</version><meta><task><name>&x;</name></task>"
    "</meta></annotations>",
    "foreign DTD": "<?xml version='1.0'?><!DOCTYPE annotations SYSTEM 'http://localhost/x.dtd'>"
    "<annotations><version>1.1</version><meta><task/></meta></annotations>",
}


@pytest.mark.parametrize("document", DOCUMENTS)
@each_format
def test_xml_entities_are_refused(name, document, tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text(DOCUMENTS[document])
    with pytest.raises(KptDataError, match=r"annotations\.xml") as refused:
        read(name, path)
    if name.startswith("cvat"):
        assert "document type or entity" in str(refused.value)
        assert "DOCTYPE" in str(refused.value)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"annotations":['])
@each_format
def test_json_without_end_is_refused(name, opening, tmp_path):
    path = tmp_path / "deep.json"
    path.write_text(opening * 100_000)
    with pytest.raises(KptDataError, match=r"deep\.json"):
        read(name, path)


YAMLS = {
    "call": "kpt_shape: [17, 3]\nnames: !!python/object/apply:os.mkdir [made]\n",
    "object": "kpt_shape: !!python/name:os.system ''\nnames: [person]\n",
    "aliases": "kpt_shape: [17, 3]\na0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    + "names: *a9\n",
}


@pytest.mark.parametrize("text", YAMLS)
def test_yaml_makes_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.yaml").write_text(YAMLS[text])
    with pytest.raises(KptDataError, match=r"data\.yaml"):
        read("yolo_pose", tmp_path / "data.yaml")
    assert not (tmp_path / "made").exists()


@each_format
def test_a_gzip_bomb_is_not_unpacked(name, tmp_path):
    path = tmp_path / "bomb.json.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(150):
            file.write(b" " * 1_000_000)
    with pytest.raises(KptDataError, match="bomb"):
        read(name, path)


def test_a_gzip_bomb_says_what_it_is(tmp_path):
    path = tmp_path / "bomb.json.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(150):
            file.write(b" " * 1_000_000)
    with pytest.raises(FormatError, match="packed far too tightly"):
        kd.read(path, format="coco", schema="coco")


# Archives


def link_in_zip(path: Path) -> None:
    info = zipfile.ZipInfo("annotations.xml")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")


def slipping_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../annotations.xml", "/annotations.xml", "..\\annotations.xml"):
            archive.writestr(name, "<annotations/>")


def tight_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations.xml", b" " * 150_000_000)


def link_in_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("annotations.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        slip = tarfile.TarInfo("../slipped.json")
        slip.size = 2
        archive.addfile(slip, io.BytesIO(b"{}"))


ARCHIVES = {
    "link in zip": (link_in_zip, "a link in the archive"),
    "zip that slips": (slipping_zip, "no annotations in the archive"),
    "zip bomb": (tight_zip, "packed far too tightly"),
    "link in tar": (link_in_tar, ""),
}


@pytest.mark.parametrize("kind", ARCHIVES)
@each_format
def test_archives_are_never_unpacked(name, kind, tmp_path):
    make, message = ARCHIVES[kind]
    path = tmp_path / "work" / ("export.tar" if "tar" in kind else "export.zip")
    path.parent.mkdir()
    make(path)
    with pytest.raises(KptDataError, match=r"export\.(zip|tar)") as refused:
        read(name, path)
    if name.startswith("cvat"):
        assert message in str(refused.value)
    assert files_below(tmp_path) == {f"work/{path.name}"}


# Pickles


class Payload:
    """What unpickles by making a folder."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.made),)


def npy(path: Path, made: Path) -> None:
    np.save(path, np.array([Payload(made)], object), allow_pickle=True)


def npz(path: Path, made: Path) -> None:
    np.savez(path, annotations=np.array([Payload(made)], object))


def plain_pickle(path: Path, made: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(made)))


def h5_attributes(path: Path, made: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        for key in ("pandas_type", "axis0_variety", "values_cols", "non_index_axes", "info"):
            group.attrs[key] = np.void(pickle.dumps(Payload(made)))
        group.create_dataset("table", data=np.zeros((1, 3)))
        group["table"].attrs["values_block_0_kind"] = np.void(pickle.dumps(Payload(made)))


def h5_cells(path: Path, made: Path) -> None:
    import h5py

    text = np.frombuffer(pickle.dumps(Payload(made)), np.uint8)
    with h5py.File(path, "w") as file:
        for key in ("part", "center", "imgname", "block0_values", "tracks", "instances"):
            kind = h5py.vlen_dtype(np.uint8)
            cells = file.create_dataset(key, (1,), dtype=kind)
            cells[0] = text
            cells.attrs["PSEUDOATOM"] = "object"


PICKLES = {
    "labels.npy": npy,
    "labels.npz": npz,
    "labels.pkl": plain_pickle,
    "attributes.h5": h5_attributes,
    "cells.h5": h5_cells,
}


@pytest.mark.parametrize("file", PICKLES)
@each_format
def test_pickles_are_not_unpickled(name, file, tmp_path):
    pytest.importorskip("h5py")
    path, made = tmp_path / file, tmp_path / "made"
    PICKLES[file](path, made)
    with pytest.raises(KptDataError, match=file.replace(".", r"\.")):
        read(name, path)
    with pytest.raises(KptDataError, match=file.replace(".", r"\.")):
        kd.read(path)
    assert not made.exists()


@pytest.mark.parametrize("payload", ["labels.npy", "labels.npz"])
def test_the_payload_would_work(payload, tmp_path):
    made = tmp_path / "made"
    PICKLES[payload](tmp_path / payload, made)
    found = np.load(tmp_path / payload, allow_pickle=True)
    if payload.endswith("z"):
        found["annotations"]
    assert made.exists()


def test_a_name_in_json_stays_a_name(tmp_path):
    """Texts that look like code of some kind come back as they are."""
    texts = ["$(touch made)", "{{7*7}}", "'; DROP TABLE x; --", "%n%s", "\u202egnp.a"]
    ds = plain("coco").replace(categories={1: texts[0]})
    ds = with_images(ds, file_name=texts[1:4])
    kd.write(ds, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text())["categories"][0]["name"] == texts[0]
    found = kd.read(tmp_path / "x.json")
    assert found.images.file_name.tolist() == texts[1:4]
    assert load_schema("coco").hash() == found.schema.hash()

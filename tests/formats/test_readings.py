"""What a writer says that its file will be read as is what it is read as.

The accounts of these writers compare a dataset with the reading that they expect; so the reading
itself is held against the file.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import datasets

import kptdata as kd
from kptdata import ImageTable, PoseDataset, RawColumn, Schema, load_schema

THREE = Schema.from_names(["nose", "left_eye", "right_eye"], name="three")
FORMATS = {
    "yolo_pose": "tree",
    "cvat_images": "a.xml",
    "cvat_video": "a.xml",
    "label_studio": "a.json",
    "labelme": "shapes",
    "openpose": "poses",
    "mediapipe": "a.json",
}
SCHEMAS = {"openpose": load_schema("body25"), "mediapipe": load_schema("mediapipe_pose")}
FRACTIONS = ("yolo_pose", "label_studio", "mediapipe")  # these need the sizes of images


def in_images(ds: PoseDataset) -> PoseDataset:
    """Give images a size, and bring most points into them."""
    width = ds.images.width * 50 + 7
    table = ImageTable.of(
        ds.images.file_name,
        id=ds.images.id[::-1] * 3,
        width=width,
        height=width + 13,
        sequence=["v"] * len(width),
        frame=np.arange(len(width)) * 2,
        extras={"split": RawColumn([b'"val"'] + [None] * (len(width) - 1))},
    )
    columns = {"xy": np.abs(ds.xy) % 300}
    if ds.given_xy is not None:
        columns["given_xy"] = np.abs(ds.given_xy) % 300
    return ds.replace(images=table, **columns)


def said(found: PoseDataset) -> PoseDataset:
    """Leave out what only says how the file was written."""
    return found.replace(
        meta={},
        extras={key: raw for key, raw in found.extras.items() if ":" not in key},
        images=ImageTable.of(
            found.images.file_name,
            id=found.images.id,
            width=found.images.width,
            height=found.images.height,
            sequence=found.images.sequence,
            frame=found.images.frame,
            extras={k: raw for k, raw in found.images.extras.items() if ":" not in k},
        ),
        order=np.argsort(np.argsort(found.order)),
    )


@pytest.mark.parametrize("name", FORMATS)
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_file_is_read_as_its_writer_says(name, tmp_path, monkeypatch, data):
    schema = SCHEMAS.get(name, THREE)
    ds = data.draw(datasets(schema))
    if name in FRACTIONS or data.draw(st.booleans()):
        ds = in_images(ds)
    module = importlib.import_module(f"kptdata.formats.{name}")
    expected: list[PoseDataset] = []
    original = module.accounts

    def spy(plan, given, readings, *rest):
        expected.extend(readings)
        return original(plan, given, readings, *rest)

    path: Path = tmp_path / FORMATS[name]
    if path.is_dir():  # of the example before
        shutil.rmtree(path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "accounts", spy)
        kd.write(ds, path, format=name)

    found = kd.read(path, format=name, schema=schema)

    assert said(found).differences(said(expected[0])) == ()

"""Thousands of damaged releases: nothing but our own errors comes out, and the process lives."""

from __future__ import annotations

import copy
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from mpii_files import NOTHING, image, person, point, release, save

from kptdata import KptDataError
from kptdata.formats import mpii
from kptdata.formats._mat import read_mat
from kptdata.formats._mat_write import mat_bytes

WORDS = (0, 1, 2, 8, 14, 15, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 20)


def sample(path) -> bytes:
    """An uncompressed release with a bit of everything."""
    flags = [1.0, "0", "1", NOTHING]
    points = [point(i, float(i), 2.5 * i, flag) for i, flag in enumerate(flags)]
    people = [
        person(points, part_occ1="1"),
        person(annopoints=NOTHING, scale=np.array([[3]], np.uint8)),
    ]
    source = save(path / "source.mat", release([image("a.jpg", people), image("b.jpg")]))
    packed = b"".join(mat_bytes(read_mat(source)))
    return packed[:128] + zlib.decompress(packed[136:])


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 2, 5, 20]))):
        at, way = int(rng.integers(0, len(data))), int(rng.integers(0, 6))
        if way == 0:
            data[at] = int(rng.integers(0, 256))
        elif way == 1:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif way == 2:
            at -= at % 4
            data[at : at + 4] = struct.pack("<I", WORDS[int(rng.integers(0, len(WORDS)))])
        elif way == 3:
            start = int(rng.integers(0, len(data)))
            data[at : at + 64] = data[start : start + 64]
        elif way == 4:
            del data[at : at + int(rng.choice([1, 4, 8, 64]))]
        else:
            data[at:at] = bytes(int(rng.choice([1, 4, 8])))
    return bytes(data[: int(rng.integers(1, len(data)))] if rng.random() < 0.1 else data)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_damaged_bytes(packed, tmp_path, rng):
    resource = pytest.importorskip("resource")
    content = sample(tmp_path)
    if packed:
        stream = zlib.compress(content[128:])
        content = content[:128] + struct.pack("<2I", 15, len(stream)) + stream
    path = tmp_path / "in.mat"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    messages = []
    for _ in range(2500):
        path.write_bytes(damage(content, rng))
        try:
            mpii.read_all(path)
        except KptDataError as error:
            messages.append(str(error))
    assert len(messages) > 1500
    assert all("in.mat" in message for message in messages)
    # A damaged size must not make anybody take gigabytes.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 1 << 18  # KiB


VALUES: list[Any] = [
    [], 1.0, 0.0, -3.5, "1", "0", "text", {"@uint8": 3}, {"@logical": True}, {"@double": "nan"},
    {"@double": [1.0, 2.0], "@shape": [1, 2]}, {"@double": [], "@shape": [1, 0]},
    {"@uint8": [], "@shape": [0, 0]}, {"a": 1.0}, {"@cell": [], "@shape": [0, 0]},
    {"@cell": [1.0, "x"], "@shape": [2, 1]}, {"@char": "", "@shape": [0, 0]},
    {"@char": "abcd", "@shape": [2, 2]}, {"@struct": {"x": []}, "@shape": [0, 0]},
    {"@struct": {"x": [1.0, 2.0], "id": [0.0, 1.0], "y": [1.0, 1.0]}, "@shape": [1, 2]},
    {"point": []}, {"x": 1.0, "y": 2.0}, {"x": 1.0, "y": 2.0, "z": 3.0}, {"@int64": 2**60},
    {"@single": 0.5}, 1e300, {"@double": [1.0] * 8, "@shape": [2, 2, 2]},
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value that may hold another value: what holds it, and its key there."""
    if isinstance(value, list):
        for i, held in enumerate(value):
            yield value, i
            yield from places(held)
    elif isinstance(value, dict):
        for key, held in value.items():
            if key == "@struct":
                for column in held.values():
                    yield from places(column)
            elif key == "@cell":
                yield from places(held)
            elif not key.startswith("@"):
                yield value, key
                yield from places(held)


def test_wrong_values(tmp_path, rng):
    sample(tmp_path)
    release_value = read_mat(tmp_path / "source.mat")
    path, again = tmp_path / "in.mat", tmp_path / "out.mat"
    refused = held = 0
    for _ in range(600):
        value = copy.deepcopy(release_value)
        for _ in range(int(rng.integers(1, 4))):
            found = list(places(value))
            holder, key = found[int(rng.integers(0, len(found)))]
            if rng.random() < 0.15 and isinstance(holder, dict) and len(holder) > 1:
                del holder[key]
            elif rng.random() < 0.15 and isinstance(holder, dict):
                holder["more"] = copy.deepcopy(VALUES[int(rng.integers(0, len(VALUES)))])
            else:
                holder[key] = copy.deepcopy(VALUES[int(rng.integers(0, len(VALUES)))])
        path.write_bytes(b"".join(mat_bytes(value)))
        try:
            (ds,) = mpii.read_all(path)
        except KptDataError:
            refused += 1
            continue
        # What can be read at all goes back without a loss.
        mpii.write_all((ds,), again, strict=True)
        assert mpii.read_all(again) == (ds,)
        held += 1
    assert refused > 100
    assert held > 100

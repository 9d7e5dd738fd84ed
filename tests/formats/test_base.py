"""Files as all formats read and write them: whole or not at all, and nothing but files replaced."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest

from kptdata import paths
from kptdata.errors import FileError
from kptdata.formats.base import atomic_write, read_bytes, require_file

CHUNKS = [b"one, ", b"two"]


def test_chunks_become_one_file(tmp_path):
    atomic_write(tmp_path / "a.txt", CHUNKS)

    assert (tmp_path / "a.txt").read_bytes() == b"one, two"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_in_gz_is_compressed_without_a_clock(tmp_path):
    for name in ("a.gz", "b.gz"):
        atomic_write(tmp_path / name, CHUNKS)

    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"one, two"
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def chunks():
        yield b"new"
        raise FileError("trouble")

    with pytest.raises(FileError, match="trouble"):
        atomic_write(path, chunks())

    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("there", [True, False], ids=["target there", "target not there yet"])
def test_a_link_stays_a_link(tmp_path, there):
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    if there:
        real.write_bytes(b"old")

    atomic_write(link, CHUNKS)

    assert link.is_symlink()
    assert real.read_bytes() == b"one, two"


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()

    atomic_write(pipe, CHUNKS)
    reader.join()

    assert received == [b"one, two"]
    assert pipe.is_fifo()


def test_a_device_stays_a_device():
    """Moving a finished file to its place would replace the device for all of the machine."""
    atomic_write(os.devnull, CHUNKS)

    assert Path(os.devnull).is_char_device()


def test_a_full_device_is_one_message():
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("no /dev/full here")

    with pytest.raises(FileError, match=r"/dev/full: cannot be written: No space left .*Fix: "):
        atomic_write(full, [b"x" * 100_000])


@pytest.mark.parametrize("read", [require_file, read_bytes])
def test_pipes_and_devices_are_not_read(read, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for path in (pipe, Path(os.devnull)):
        with pytest.raises(FileError, match=r"is a pipe or a device; .* Fix: save what it gives"):
            read(path)


def test_a_usual_mode(tmp_path):
    atomic_write(tmp_path / "a.txt", CHUNKS)
    (tmp_path / "b.txt").touch()

    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"], ids=["too long", "with a NUL"])
def test_names_that_no_file_can_have(name):
    """`Path.is_file` raises for the one and answers for the other; both are plainly not there."""
    path = Path(name)

    assert not any(look(path) for look in (paths.exists, paths.is_file, paths.is_dir))
    with pytest.raises(FileError, match="no such file"):
        require_file(path)


def test_a_name_that_is_too_long_to_write(tmp_path):
    with pytest.raises(FileError, match="cannot be written: File name too long"):
        atomic_write(tmp_path / ("x" * 300), CHUNKS)

    assert list(tmp_path.iterdir()) == []

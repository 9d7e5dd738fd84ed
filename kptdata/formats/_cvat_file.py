"""What both formats of CVAT share: the file around the shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from kptdata.dataset import PoseDataset
from kptdata.errors import FormatError
from kptdata.formats._named_points import Points, schema_read
from kptdata.formats._xml import Node, opened, xml_of
from kptdata.formats.base import read_head
from kptdata.schema import Schema

__all__ = ["MEMBER", "ROOT", "document", "head_of", "schema_of"]

ROOT = "annotations"
MEMBER = "annotations.xml"


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file, or of the annotations in an archive; empty if neither."""
    if not path.is_file():
        return b""
    head = read_head(path)
    if head[:2] != b"PK":
        return head
    try:
        with opened(path, MEMBER) as file:
            return file.read(65536)
    except (FormatError, OSError):
        return b""


def schema_of(dataset: PoseDataset, categories: Mapping[int, str], path: Path) -> Schema | None:
    """Return the schema that a dataset is read with if nobody names one."""
    schema = dataset.schema
    links = tuple((link.start, link.end) for link in schema.links)
    title = next(iter(categories.values()), "custom")
    return schema_read(Points(schema.names, title=title, links=links), path)


def document(meta: Node, texts: Iterator[str], path: Path) -> Iterator[bytes]:
    """Yield a file: its head, what it describes, and the shapes."""
    yield b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
    yield xml_of(meta, path, "  ").encode()
    for text in texts:
        yield text.encode()
    yield b"</annotations>\n"

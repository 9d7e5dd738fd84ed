"""XML without entities, read element by element; texts and attributes as they are."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from kptdata.errors import FileError, FormatError, MissingDependencyError
from kptdata.formats.base import require_file

__all__ = ["Node", "children_of_root", "escaped", "fragment", "number_text", "opened", "xml_of"]

_CHUNK = 1 << 16
_DEEPEST = 32
_RATIO, _SMALL = 500, 100_000_000  # a picture of text packs far less well than a bomb
_ESCAPES = {
    ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;",
    ord("\n"): "&#10;", ord("\r"): "&#13;", ord("\t"): "&#9;",
}  # fmt: skip


@dataclass(slots=True)
class Node:
    """An element: its name, attributes, text before the first child, and children."""

    tag: str
    attrib: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def find(self, *tags: str) -> Node | None:
        """Return the first child of a child ... with these names."""
        node: Node | None = self
        for tag in tags:
            node = next((c for c in node.children if c.tag == tag), None) if node else None
        return node

    def said(self, tag: str) -> str:
        """Return the text of the first child with this name, stripped; "" if there is none."""
        found = self.find(tag)
        return "" if found is None else found.text.strip()

    def to_value(self) -> list[Any]:
        """Return the element as JSON can hold it."""
        return [self.tag, self.attrib, self.text, [child.to_value() for child in self.children]]

    @classmethod
    def from_value(cls, value: Any, depth: int = 0) -> Node | None:
        """Return the element that `to_value` wrote; None for anything else."""
        if not isinstance(value, list) or len(value) != 4 or depth > _DEEPEST:
            return None
        tag, attrib, text, children = value
        if not isinstance(tag, str) or not isinstance(text, str) or not isinstance(attrib, dict):
            return None
        nodes = [cls.from_value(child, depth + 1) for child in children]
        if None in nodes or not all(isinstance(v, str) for v in attrib.values()):
            return None
        return cls(tag, attrib, text, [node for node in nodes if node is not None])


class _Builder:
    """What the parser calls; finished children of the root gather in `done`."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.done: list[Node] = []
        self._open: list[Node] = []

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        node = Node(tag, attrib)
        if self.root is None:
            self.root = node
        elif len(self._open) > 1:
            self._open[-1].children.append(node)
        if len(self._open) > _DEEPEST:
            raise FormatError("elements nested too deep")
        self._open.append(node)

    def end(self, _: str) -> None:
        node = self._open.pop()
        if len(self._open) == 1:
            self.done.append(node)

    def data(self, text: str) -> None:
        if not text.isspace():
            node = self._open[-1]
            if not node.children:
                node.text += text

    def close(self) -> None:
        """Nothing is left to do."""


def _new_parser() -> tuple[Any, _Builder]:
    try:
        from defusedxml.ElementTree import DefusedXMLParser
    except ImportError:
        raise MissingDependencyError("defusedxml", "formats", "reading CVAT files") from None
    builder = _Builder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    # Its refusals stay; elements go straight to us, in a fifth of the time.
    expat = parser.parser
    expat.ordered_attributes = False
    expat.StartElementHandler, expat.EndElementHandler = builder.start, builder.end
    expat.CharacterDataHandler = builder.data
    return parser, builder


def children_of_root(file: IO[bytes], path: Path, root: str) -> Iterator[Node]:
    """Yield the children of the root, each complete, in memory one after the other.

    Args:
        file: the text.
        path: its name, for messages.
        root: what the root must be called.

    Raises:
        FormatError: it is no XML, declares a document type or entities, is nested too deep, or
            has another root; the line is named.
        FileError: the file cannot be read.
        MissingDependencyError: defusedxml is not installed.
    """
    parser, builder = _new_parser()
    with _refusals(path):
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                break
            parser.feed(chunk)
            if builder.root is not None and builder.root.tag != root:
                raise FormatError(
                    "another kind of XML",
                    path=path,
                    expected=f"<{root}>",
                    found=f"<{builder.root.tag[:40]}>",
                )
            yield from builder.done
            builder.done.clear()
        parser.close()
        yield from builder.done


def fragment(text: str, path: Path, place: str) -> list[Node]:
    """Return the elements of a text that has no single root. Raises `FormatError`."""
    try:
        return list(children_of_root(io.BytesIO(f"<x>{text}</x>".encode()), path, "x"))
    except FormatError as error:
        raise FormatError(error.problem, path=path, place=place, fix="correct that text") from None


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException

    try:
        yield
    except DefusedXmlException as error:
        raise FormatError(
            f"a document type or entity ({type(error).__name__}), which can grow without end",
            path=path,
            expected="plain elements",
            fix="take the <!DOCTYPE> and <!ENTITY> out",
        ) from None
    except ParseError as error:
        line = getattr(error, "position", (0, 0))[0]
        problem = str(error).partition(": line")[0]
        raise FormatError(
            f"not XML: {problem}",
            path=path,
            place=f"line {line}",
            fix="export or download the file again",
        ) from None
    except FormatError as error:
        if error.path is not None:
            raise
        raise FormatError(error.problem, path=path) from None
    except (LookupError, ValueError, UnicodeError) as error:  # an encoding that is none
        raise FormatError(f"not XML: {error}", path=path) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise FileError(f"cannot be read: {error}", path=path) from None


@contextmanager
def opened(path: Path, member: str) -> Iterator[IO[bytes]]:
    """Open a file, or one member of a zip archive, which is read in place and never unpacked.

    Raises:
        FileError: it cannot be opened, or is empty.
        FormatError: the archive lacks the member, which would be a link, encrypted or far larger
            than what it is packed in.
    """
    require_file(path)
    if not zipfile.is_zipfile(path):
        try:
            raw = path.open("rb")
        except OSError as error:
            raise FileError(f"cannot be read: {error.strerror or error}", path=path) from None
        with raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        return
    try:
        with zipfile.ZipFile(path) as archive:
            info = _checked_member(archive, member, path)
            with archive.open(info) as packed:
                yield packed
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileError(f"damaged archive: {error}", path=path) from None


def _checked_member(archive: zipfile.ZipFile, member: str, path: Path) -> zipfile.ZipInfo:
    infos = [info for info in archive.infolist() if info.filename == member]
    if not infos:
        names = ", ".join(archive.namelist()[:3]) or "nothing"
        raise FormatError("no annotations in the archive", path=path, expected=member, found=names)
    info = infos[0]
    kind = (info.external_attr >> 16) & 0o170000
    if kind == 0o120000:
        raise FormatError("a link in the archive", path=path, place=member, expected="a file")
    if info.file_size > max(_SMALL, _RATIO * info.compress_size):
        raise FormatError(
            "packed far too tightly for a file of annotations",
            path=path,
            place=member,
            found=f"{info.file_size} bytes in {info.compress_size}",
        )
    return info


def escaped(text: str, path: Path) -> str:
    """Return text for an attribute or element. Raises `FormatError` where XML cannot hold it."""
    if text.isalnum():
        return text
    for character in text:
        code = ord(character)
        if (code < 32 and character not in "\n\r\t") or code in (0xFFFE, 0xFFFF):
            raise FormatError(
                "a character that XML cannot hold",
                path=path,
                found=repr(text[:40]),
                fix="rename what has it",
            )
    return text.translate(_ESCAPES)


def number_text(value: float) -> str:
    """Return a number with two digits behind the point if that is all, with as many as needed."""
    short = f"{value:.2f}"
    return short if float(short) == value else repr(value)


def xml_of(node: Node, path: Path, indent: str = "") -> str:
    """Return an element as text, one line for each child."""
    attributes = "".join(f' {key}="{escaped(v, path)}"' for key, v in node.attrib.items())
    opening = f"{indent}<{node.tag}{attributes}>"
    if not node.children:
        return f"{opening}{escaped(node.text, path)}</{node.tag}>\n"
    inner = "".join(xml_of(child, path, indent + "  ") for child in node.children)
    text = escaped(node.text, path) if node.text.strip() else ""
    return f"{opening}{text}\n{inner}{indent}</{node.tag}>\n"

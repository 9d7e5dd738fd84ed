"""An analysis file of SLEAP as arrays with one order of axes, and back to HDF5."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptdata.errors import FormatError, MissingDependencyError
from kptdata.formats._hdf5 import Contents, contents_of, opened_hdf5
from kptdata.formats._sleap_file import wrong
from kptdata.formats._sleap_skeleton import Bones, paired

__all__ = ["Analysis", "analysis_bytes", "read_analysis"]

_AXES = ("frame", "track", "node", "xy")
_ORDERS = {
    "matlab": ("track", "xy", "node", "frame"),
    "standard": _AXES,
    "untransposed": ("frame", "node", "xy", "track"),
}
"""Orders of the axes of ``tracks``; the first is SLEAP's own."""

_SCORES = {"point_scores": _AXES[:3], "instance_scores": _AXES[:2], "tracking_scores": _AXES[:2]}
_TEXTS = ("track_names", "node_names", "edge_names")
_SINGLE = ("labels_path", "video_path", "video_ind", "provenance")
_KNOWN = {"tracks", "track_occupancy", *_SCORES, *_TEXTS, "edge_inds", *_SINGLE}
_ATTRIBUTES = (
    "preset", "format", "sleap_io_version", "skeleton_name", "skeleton_symmetries",
    "video_backend_metadata", "transpose",
)  # fmt: skip
_MOST_ATTRIBUTE = 64_000  # bytes: HDF5 ends at 64 KB


@dataclass
class Analysis:
    """What a file says. F frames, T tracks, K nodes.

    Attributes:
        xy: (F, T, K, 2), NaN where there is no point.
        there: (F, T) whether an animal is there.
        point_scores: (F, T, K), NaN where there is none.
        instance_scores: (F, T).
        tracking_scores: (F, T).
        track_names: of the T tracks, or none.
        bones: the skeleton.
        video: path of the video, "" where not stated.
        files: names of its frames, where it is a list of pictures.
        backend: what else is said of the video, its shape among it.
        provenance: what programs say about the file.
        labels_path: of the project, "" where not stated.
        video_ind: number of the video in its project.
        order: of the axes: ``matlab`` or ``standard``.
        others: other datasets and attributes.
    """

    xy: NDArray[np.float64]
    there: NDArray[np.bool_]
    point_scores: NDArray[np.float64]
    instance_scores: NDArray[np.float64]
    tracking_scores: NDArray[np.float64]
    track_names: list[str]
    bones: Bones
    video: str = ""
    files: list[str] | None = None
    backend: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    labels_path: str = ""
    video_ind: int = 0
    order: str = "matlab"
    others: Contents = field(default_factory=lambda: Contents({}, {}))


# Reading


def read_analysis(path: Path) -> Analysis:
    """Read a file.

    Raises:
        MissingDependencyError: h5py is not installed.
        FileError: the file is missing, empty, damaged or cannot be opened.
        FormatError: a part is missing, or has another shape than its axes say.
    """
    with opened_hdf5(path) as (file, limit):
        contents = contents_of(file, path, limit)
        dims = {name: file[name].attrs.get("dims") for name in contents.arrays}
    reader = _Reader(contents, dims, path)
    names = {name: reader.texts(name) for name in ("track_names", "node_names")}
    order, axes = reader.order(len(names["node_names"]), len(names["track_names"]))
    xy = reader.array("tracks", axes, _AXES)
    tracks, nodes = xy.shape[1:3]
    if nodes != len(names["node_names"]):
        raise wrong(path, "tracks", f"{len(names['node_names'])} nodes", f"shape {xy.shape}")
    sizes = dict(zip(_AXES, xy.shape, strict=True))
    scores = {
        name: reader.sized(name, axes, own, sizes) if name in contents.arrays
        else np.full([sizes[axis] for axis in own], np.nan)
        for name, own in _SCORES.items()
    }  # fmt: skip
    there = np.asarray(np.isfinite(xy).all(axis=-1).any(axis=-1), bool)
    if "track_occupancy" in contents.arrays:
        two = _AXES[:2] if order == "matlab" else tuple(a for a in axes if a in _AXES[:2])
        there |= np.nan_to_num(reader.sized("track_occupancy", two, _AXES[:2], sizes)) != 0
    if len(names["track_names"]) not in (0, tracks):
        found = f"{len(names['track_names'])} names"
        raise wrong(path, "track_names", f"a name for each of {tracks} tracks", found)
    video, files = reader.video()
    return Analysis(
        xy, there, **scores,
        track_names=names["track_names"],
        bones=reader.bones(names["node_names"]),
        video=video,
        files=files,
        backend=reader.value("video_backend_metadata", dict),
        provenance=reader.value("provenance", dict),
        labels_path=reader.single("labels_path", ""),
        video_ind=reader.single("video_ind", 0),
        order="matlab" if order == "matlab" else "standard",
        others=Contents(
            {n: a for n, a in contents.arrays.items() if n not in _KNOWN},
            {n: a for n, a in contents.attributes.items() if n not in _ATTRIBUTES},
        ),
    )  # fmt: skip


class _Reader:
    """The arrays of a file, and how to say what is wrong with them."""

    def __init__(self, contents: Contents, dims: Mapping[str, Any], path: Path) -> None:
        self._arrays, self._attributes = contents
        self._dims, self._path = dims, path

    def texts(self, name: str) -> list[str]:
        """Return a list of names; empty where there is none."""
        array = self._arrays.get(name)
        if array is None or array.size == 0:
            return []
        if array.dtype.kind != "O" or array.ndim != 1:
            raise wrong(self._path, name, "a list of names", f"{array.shape} {array.dtype}")
        return [str(each) for each in array.tolist()]

    def _stated(self, name: str, axes: Sequence[str]) -> tuple[str, ...] | None:
        """Return the axes that a dataset itself states, if it does."""
        text = self._dims.get(name)
        if text is None:
            return None
        try:
            found = json.loads(text) if isinstance(text, str | bytes) else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or sorted(map(str, found)) != sorted(axes):
            raise wrong(self._path, f"{name}, dims", ", ".join(axes), f"{text!r:.60}")
        return tuple(found)

    def order(self, nodes: int, tracks: int) -> tuple[str, tuple[str, ...]]:
        """Return name and axes of the order that ``tracks`` has: stated, or found by its shape."""
        array = self._arrays.get("tracks")
        if array is None or array.dtype.kind not in "biuf" or array.ndim != 4:
            found = "none" if array is None else f"{array.shape} {array.dtype}"
            raise wrong(self._path, "tracks", "an array of four axes", found)
        stated = self._stated("tracks", _AXES)
        if stated is not None:
            return ("matlab" if stated == _ORDERS["matlab"] else "standard"), stated
        orders = dict(_ORDERS)
        said = self._attributes.get("transpose")
        if said is not None and said.size == 1 and not said.ravel()[0]:
            orders = {"untransposed": _ORDERS["untransposed"]}
        wanted = {"node": nodes, "xy": 2} | ({"track": tracks} if tracks else {})
        for name, axes in orders.items():
            shape = dict(zip(axes, array.shape, strict=True))
            if all(shape[axis] == size for axis, size in wanted.items()):
                return name, axes
        raise wrong(
            self._path, "tracks", f"axes of {nodes} nodes, 2 coordinates, {tracks or 'any'} tracks",
            f"shape {array.shape}",
        )  # fmt: skip

    def array(self, name: str, axes: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float64]:
        """Return numbers with their axes in the wanted order."""
        values = self._arrays[name]
        if values.dtype.kind not in "biuf" or values.ndim != len(axes):
            raise wrong(self._path, name, f"an array of {len(axes)} axes", f"{values.shape}")
        order = [axes.index(axis) for axis in wanted]
        moved: NDArray[np.float64] = values.transpose(order).astype(np.float64)
        if name == "tracks" and moved.shape[-1] != 2:
            raise wrong(self._path, name, "two coordinates", f"shape {values.shape}")
        if name == "tracks" and np.isinf(moved).any():
            raise wrong(self._path, name, "points at finite places, or NaN", "infinity")
        return moved

    def sized(
        self, name: str, axes: Sequence[str], wanted: Sequence[str], sizes: Mapping[str, int]
    ) -> NDArray[np.float64]:
        """Return an array with fewer axes than ``tracks``, of the same sizes."""
        own = self._stated(name, wanted) or tuple(axis for axis in axes if axis in wanted)
        found = self.array(name, own, wanted)
        expected = tuple(sizes[axis] for axis in wanted)
        if found.shape != expected:
            raise wrong(
                self._path, name, f"{', '.join(wanted)} of sizes {expected}", f"{found.shape}"
            )
        return found

    def single(self, name: str, default: Any) -> Any:
        """Return the only value of a dataset, if it is of the kind of `default`."""
        array = self._arrays.get(name)
        value = array.ravel().tolist()[0] if array is not None and array.size == 1 else default
        return value if type(value) is type(default) else default

    def value(self, name: str, kind: type) -> Any:
        """Return a JSON value that a dataset or an attribute holds; an empty one for none."""
        array = self._arrays.get(name, self._attributes.get(name))
        if array is None or array.dtype.kind != "O" or array.size != 1:
            return kind()
        try:
            found = json.loads(array.ravel().tolist()[0] or "null", parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise wrong(self._path, name, "JSON text", str(error)) from None
        return found if isinstance(found, kind) else kind()

    def video(self) -> tuple[str, list[str] | None]:
        """Return path of the video, and its pictures where it is a list of them."""
        array = self._arrays.get("video_path")
        listed = self.value("video_backend_metadata", dict).get("filenames")
        files = [str(each) for each in listed] if isinstance(listed, list) else None
        if array is not None and array.dtype.kind == "O" and array.ndim == 1:
            files = [str(each) for each in array.tolist()]
            return "/".join(files[0].split("/")[:-1]) or "pictures", files
        return self.single("video_path", ""), files

    def bones(self, nodes: Sequence[str]) -> Bones:
        """Return the skeleton."""
        named, inds = (_pairs(self._arrays.get(name)) for name in ("edge_names", "edge_inds"))
        edges: list[tuple[str, str]] = []
        if named is not None and named.dtype.kind == "O":
            edges = [(str(a), str(b)) for a, b in named.tolist()]
        elif inds is not None and inds.size:
            edges = self._edges(inds, nodes)
        pairs = self.value("skeleton_symmetries", list)
        symmetries = [tuple(map(str, p)) for p in pairs if isinstance(p, list) and len(p) == 2]
        strange = {name for pair in [*edges, *symmetries] for name in pair} - set(nodes)
        if strange:
            raise wrong(self._path, "edge_names", "names of nodes", repr(min(strange)))
        name = self._attributes.get("skeleton_name")
        text = str(name.ravel().tolist()[0]) if name is not None and name.size == 1 else ""
        return Bones(text or None, tuple(nodes), tuple(edges), tuple((a, b) for a, b in symmetries))

    def _edges(self, inds: NDArray[Any], nodes: Sequence[str]) -> list[tuple[str, str]]:
        if inds.dtype.kind not in "iu" or inds.min() < 0 or inds.max() >= len(nodes):
            raise wrong(self._path, "edge_inds", f"pairs of {len(nodes)} nodes", f"{inds.shape}")
        return [(nodes[a], nodes[b]) for a, b in inds.tolist()]


def _pairs(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return an array of pairs with one pair per row; None for anything else."""
    if array is None or array.ndim != 2 or 2 not in array.shape:
        return None
    return array if array.shape[1] == 2 else array.T


# Writing


def analysis_bytes(analysis: Analysis, path: Path) -> bytes:
    """Return a file; the same analysis gives the same bytes.

    Raises:
        MissingDependencyError: h5py is not installed.
        FormatError: a text with a zero byte, or too large a skeleton.
    """
    try:
        import h5py
    except ImportError:
        raise MissingDependencyError("h5py", "formats", "writing analysis files") from None
    axes = _ORDERS[analysis.order]
    # Of SLEAP's own arrays this one alone has the frames first.
    two = _AXES[:2] if analysis.order == "matlab" else [a for a in axes if a in _AXES[:2]]
    names = {name: k for k, name in enumerate(analysis.bones.nodes)}
    edges = analysis.bones.edges
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _put(file, "tracks", analysis.xy, _AXES, axes)
        occupied = analysis.there.astype(np.uint8)
        _put(file, "track_occupancy", occupied, _AXES[:2], two)
        for name, own in _SCORES.items():
            _put(file, name, getattr(analysis, name), own, [a for a in axes if a in own])
        file["track_names"] = _texts(analysis.track_names, path)
        file["node_names"] = _texts(analysis.bones.nodes, path)
        flat = _texts([name for edge in edges for name in edge], path)
        file["edge_names"] = flat.reshape(-1, 2)
        inds = [[names[a], names[b]] for a, b in edges]
        file["edge_inds"] = np.array(inds, np.int64).reshape(-1, 2)
        file["video_ind"] = analysis.video_ind
        texts = {
            "labels_path": analysis.labels_path,
            "video_path": analysis.video,
            "provenance": json.dumps(analysis.provenance),
        }
        for name, text in texts.items():
            file[name] = _text(text, path)
        attributes = {
            "preset": analysis.order,
            "format": "analysis",
            "skeleton_name": analysis.bones.name or "",
            "skeleton_symmetries": json.dumps(list(paired(analysis.bones.symmetries))[::2]),
            "video_backend_metadata": json.dumps(analysis.backend),
        }
        for name, text in attributes.items():
            file.attrs[name] = _attribute(name, text, path)
        for name, array in analysis.others.arrays.items():
            if name.strip("./") and name.split("/")[0] not in file:
                file[name] = _stored(array, path)
        for name, array in analysis.others.attributes.items():
            if name not in _ATTRIBUTES:
                file.attrs[name] = _stored(array, path)
    return buffer.getvalue()


def _put(
    file: Any, name: str, array: NDArray[Any], axes: Sequence[str], wanted: Sequence[str]
) -> None:
    moved = np.ascontiguousarray(array.transpose([axes.index(axis) for axis in wanted]))
    packed = {"compression": "gzip", "compression_opts": 4} if moved.size else {}
    file.create_dataset(name, data=moved, **packed).attrs["dims"] = json.dumps(list(wanted))


def _text(text: str, path: Path) -> str:
    if "\0" in text:
        raise FormatError(
            "a text that HDF5 cannot hold",
            path=path,
            found=f"{text!r:.60}",
            fix="take the zero byte out of the name",
        )
    return text


def _texts(names: Sequence[str], path: Path) -> NDArray[np.bytes_]:
    encoded = [_text(name, path).encode() for name in names]
    return np.array(encoded, dtype=f"S{max(map(len, encoded), default=1) or 1}")


def _attribute(name: str, text: str, path: Path) -> str:
    if len(text.encode()) > _MOST_ATTRIBUTE:
        raise FormatError(
            f"{name} is too large for the format",
            path=path,
            expected=f"{_MOST_ATTRIBUTE} bytes",
            found=f"{len(text.encode())}",
            fix="write a project (.slp)",
        )
    return _text(text, path)


def _stored(array: NDArray[Any], path: Path) -> Any:
    if array.dtype.kind != "O":
        return array
    flat = _texts([str(each) for each in array.ravel().tolist()], path)
    return str(array[()]) if array.ndim == 0 else flat.reshape(array.shape)

"""Skeletons of SLEAP: the text of the pickled graphs that a ``.slp`` file holds, read as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kptdata.formats._named_points import Points
from kptdata.formats._sleap_file import wrong

__all__ = ["Bones", "bones_of", "described", "paired", "unique", "written"]

_EDGE, _SYMMETRY = 1, 2
_TYPE = "sleap.skeleton.EdgeType"


class Bones(NamedTuple):
    """A skeleton.

    Attributes:
        name: as the file has it, or None.
        nodes: names, in the order of the points of instances.
        edges: pairs of names, in the order of their making.
        symmetries: pairs of names.
        weights: of the nodes that have another one than 1.
    """

    name: str | None
    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...] = ()
    symmetries: tuple[tuple[str, str], ...] = ()
    weights: Mapping[str, float] = {}

    def points(self, title: str) -> Points:
        """Return the points as schemas are found for them."""
        links = dict.fromkeys((a, b) for a, b in self.edges if a != b)
        return Points(
            self.nodes, title=title, links=tuple(links), swaps=dict(paired(self.symmetries))
        )

    def to_value(self) -> dict[str, Any]:
        """Return the skeleton as a JSON value that `described` takes back."""
        value = {
            "name": self.name,
            "nodes": list(self.nodes),
            "edges": [list(edge) for edge in self.edges],
            "symmetries": [list(pair) for pair in self.symmetries],
        }
        return value | ({"weights": dict(self.weights)} if self.weights else {})


def described(value: Any) -> Bones | None:
    """Return the skeleton that `Bones.to_value` described; None for anything else."""
    if not isinstance(value, dict) or not _names(value.get("nodes")):
        return None
    name, weights = value.get("name"), value.get("weights", {})
    pairs = [value.get(key, []) for key in ("edges", "symmetries")]
    known = set(value["nodes"])
    for listed in pairs:
        if not isinstance(listed, list) or not all(
            _names(pair) and len(pair) == 2 and set(pair) <= known for pair in listed
        ):
            return None
    numbers = isinstance(weights, dict) and all(type(w) in (int, float) for w in weights.values())
    if not numbers or not isinstance(name, str | None):
        return None
    edges, symmetries = (tuple((a, b) for a, b in listed) for listed in pairs)
    return Bones(name, tuple(value["nodes"]), edges, symmetries, weights)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def paired(symmetries: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Yield who takes whose place, each point at most once and both ways."""
    taken: set[str] = set()
    for a, b in symmetries:
        if a != b and not {a, b} & taken:
            taken |= {a, b}
            yield a, b
            yield b, a


def unique(names: Iterable[str]) -> list[str]:
    """Return names of which none is there twice: later ones get a number."""
    found: dict[str, None] = {}
    for name in names:
        number, own = 2, name
        while own in found:
            own = f"{name}#{number}"
            number += 1
        found[own] = None
    return list(found)


# Reading


def bones_of(metadata: Mapping[str, Any], path: Path) -> list[Bones]:
    """Return the skeletons of a file. Raises `FormatError`."""
    listed = metadata.get("skeletons")
    if not isinstance(listed, list):
        raise wrong(path, "metadata", "a list of skeletons", f"{listed!r:.40}")
    nodes = _nodes(metadata.get("nodes"), path)
    graphs = []
    for number, skeleton in enumerate(listed):
        graph = skeleton.get("nx_graph", skeleton) if isinstance(skeleton, dict) else None
        if not isinstance(graph, dict):
            raise wrong(path, f"skeleton {number}", "an object", f"{skeleton!r:.40}")
        graphs.append(graph)
    kinds = _kinds(graphs, path)
    return [
        _bones(graph, nodes, kinds[number], path, f"skeleton {number}")
        for number, graph in enumerate(graphs)
    ]


def _nodes(value: Any, path: Path) -> list[tuple[str, float]]:
    found = []
    for node in value if isinstance(value, list) else [None]:
        name = node.get("name") if isinstance(node, dict) else None
        if not isinstance(name, str):
            raise wrong(path, "metadata, nodes", "nodes with names", f"{node!r:.40}")
        weight = node.get("weight", 1.0) if isinstance(node, dict) else 1.0
        found.append((name, weight if type(weight) in (int, float) else 1.0))
    return found


def _bones(
    graph: Mapping[str, Any],
    nodes: Sequence[tuple[str, float]],
    kinds: Sequence[int],
    path: Path,
    place: str,
) -> Bones:
    own = [_number(node, "id", len(nodes), path, place) for node in _list(graph, "nodes")]
    names = tuple(nodes[number][0] for number in own)
    edges: list[tuple[int, tuple[str, str]]] = []
    symmetries: list[tuple[str, str]] = []
    for link, kind in zip(_list(graph, "links"), kinds, strict=True):
        ends = [_number(link, key, len(nodes), path, place) for key in ("source", "target")]
        if not set(ends) <= set(own):
            raise wrong(path, place, "links between its own nodes", f"nodes {ends}")
        pair = (nodes[ends[0]][0], nodes[ends[1]][0])
        if kind == _EDGE:
            made = link.get("edge_insert_idx")
            edges.append((made if type(made) is int else len(edges), pair))
        elif pair not in symmetries and pair[::-1] not in symmetries:
            symmetries.append(pair)
    edges.sort(key=lambda edge: edge[0])
    about = graph.get("graph")
    name = about.get("name") if isinstance(about, dict) else None
    return Bones(
        name if isinstance(name, str) else None,
        names,
        tuple(pair for _, pair in edges),
        tuple(symmetries),
        {nodes[number][0]: nodes[number][1] for number in own if nodes[number][1] != 1},
    )


def _list(graph: Mapping[str, Any], key: str) -> list[Any]:
    value = graph.get(key)
    return value if isinstance(value, list) else []


def _number(value: Any, key: str, count: int, path: Path, place: str) -> int:
    number = value.get(key) if isinstance(value, dict) else None
    if type(number) is not int or not 0 <= number < count:
        raise wrong(path, place, f"{key}: a number below {count}", f"{number!r:.40}")
    return number


def _kinds(graphs: Sequence[Mapping[str, Any]], path: Path) -> list[list[int]]:
    """Say of every link whether it is an edge or a symmetry.

    The first link of a kind spells it out, and later ones refer to it by number. Numbers count
    in each skeleton anew, or through all of them: then no kind is spelled out twice.
    """
    spelled = [
        [_spelled(link) for link in _list(graph, "links") if _spelled(link)] for graph in graphs
    ]
    flat = [kind for kinds in spelled for kind in kinds]
    through = len(set(flat)) == len(flat)
    known: list[int] = []
    found = []
    for number, graph in enumerate(graphs):
        known = known if through else []
        kinds = []
        for link in _list(graph, "links"):
            kind = _spelled(link)
            if kind:
                known.append(kind)
            kinds.append(kind or _referred(link, known, path, f"skeleton {number}"))
        found.append(kinds)
    return found


def _spelled(link: Any) -> int:
    """Return the kind that a link spells out, 0 if it does not."""
    kind = link.get("type") if isinstance(link, dict) else None
    reduced = kind.get("py/reduce") if isinstance(kind, dict) else None
    if isinstance(reduced, list):
        for part in reduced:
            held = part.get("py/tuple") if isinstance(part, dict) else None
            if isinstance(held, list) and held and held[0] in (_EDGE, _SYMMETRY):
                return int(held[0])
    return 0


def _referred(link: Any, known: Sequence[int], path: Path, place: str) -> int:
    kind = link.get("type") if isinstance(link, dict) else None
    number = kind.get("py/id") if isinstance(kind, dict) else kind
    if type(number) is int and 0 < number <= len(known):
        return known[number - 1]
    if number in (_EDGE, _SYMMETRY):
        return int(number)
    raise wrong(path, place, "links that are edges or symmetries", f"{kind!r:.60}")


# Writing


def written(skeletons: Sequence[Bones]) -> dict[str, Any]:
    """Return the metadata that describes skeletons."""
    nodes: list[dict[str, Any]] = []
    graphs = []
    for bones in skeletons:
        numbers = {name: len(nodes) + k for k, name in enumerate(bones.nodes)}
        nodes += [{"name": name, "weight": bones.weights.get(name, 1.0)} for name in bones.nodes]
        links = []
        for kind, pairs in ((_EDGE, bones.edges), (_SYMMETRY, bones.symmetries)):
            for k, (start, end) in enumerate(pairs):
                link: dict[str, Any] = {"edge_insert_idx": k} if kind == _EDGE else {}
                link |= {"key": 0, "source": numbers[start], "target": numbers[end]}
                # A kind is spelled out once. Its number is that of its first link; where there
                # are no edges, a symmetry is the first, and only spelling it out is understood.
                first = k == 0 or (kind == _SYMMETRY and not bones.edges)
                links.append(link | {"type": _spelling(kind) if first else {"py/id": kind}})
        graphs.append(
            {
                "directed": True,
                "graph": {"name": bones.name, "num_edges_inserted": len(bones.edges)},
                "links": links,
                "multigraph": True,
                "nodes": [{"id": number} for number in numbers.values()],
            }
        )
    return {"version": "2.0.0", "skeletons": graphs, "nodes": nodes}


def _spelling(kind: int) -> dict[str, Any]:
    return {"py/reduce": [{"py/type": _TYPE}, {"py/tuple": [kind]}]}

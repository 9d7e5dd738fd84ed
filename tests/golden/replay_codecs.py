"""Replays the reference figures of the codecs: every codec with ``reference=True``."""

from __future__ import annotations

from typing import Any

from replay_cases import Backend, Case, NoCounterpartError, differences

from kptdata import codecs


def replay(case: Case, backend: Backend) -> list[str]:
    """Compare one case; see `replay_cases`."""
    params = dict(case.params)
    name, op = params.pop("codec"), params.pop("op")
    handler = _HANDLERS.get((name, op)) or _DEFAULT.get(op)
    if name not in codecs.CODECS or handler is None:
        raise NoCounterpartError(name)
    found = handler(name, params, case.inputs(backend))
    expected = case.expected()
    return [d for key, figure in expected.items() for d in differences(key, figure, found[key])]


def _codec(name: str, params: dict[str, Any]) -> Any:
    return codecs.build(name, **params, reference=True)


def _encode(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    target = _codec(name, params).encode(inputs["keypoints"], inputs["keypoints_visible"] > 0.5)
    return dict(target._asdict())


def _decode(name: str, params: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    decoded = _codec(name, params).decode(*inputs.values())
    found = {"keypoints": decoded.xy, "scores": decoded.score}
    if hasattr(decoded, "visibility"):  # the reference returns both as its scores
        found |= {"scores.0": decoded.score, "scores.1": decoded.visibility}
    return found


_DEFAULT = {"encode": _encode, "decode": _decode}
_HANDLERS: dict[tuple[str, str], Any] = {}

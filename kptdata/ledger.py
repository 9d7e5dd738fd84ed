"""The account that every operation gives: what was kept, repaired, skipped, and by which rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from kptdata.errors import DatasetError

__all__ = ["Ledger"]

Id = int | str


@dataclass(frozen=True)
class Ledger:
    """Counts of what happened to each instance, with ids, adding up to the input.

    Each instance that went in is in exactly one place: untouched, under one rule of `repaired`
    (kept, but changed) or under one rule of `skipped`. `added` counts instances that were not in
    the input. `notes` counts single values (not instances) that were changed or invented.

    Attributes:
        total: number of instances that went in.
        repaired: rule -> ids of instances that were kept with a change.
        skipped: rule -> ids of instances that were left out.
        added: rule -> ids of instances that were not in the input.
        notes: sentence -> number of values that it applies to.

    Raises:
        DatasetError: more instances are accounted for than went in.

    >>> str(Ledger(total=3, skipped={"no keypoints": (7,)}))
    '3 in, 2 kept, 1 skipped (no keypoints: 1)'
    """

    total: int
    repaired: Mapping[str, Sequence[Id]] = field(default_factory=dict)
    skipped: Mapping[str, Sequence[Id]] = field(default_factory=dict)
    added: Mapping[str, Sequence[Id]] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("repaired", "skipped", "added"):
            rules = {rule: tuple(ids) for rule, ids in getattr(self, name).items() if len(ids)}
            object.__setattr__(self, name, MappingProxyType(rules))
        notes = {note: int(count) for note, count in self.notes.items() if count}
        object.__setattr__(self, "notes", MappingProxyType(notes))
        touched = self._count(self.repaired) + self._count(self.skipped)
        if touched > self.total:
            raise DatasetError(
                f"ledger: {touched} instances are accounted for, {self.total} went in"
            )

    @staticmethod
    def _count(rules: Mapping[str, Sequence[Id]]) -> int:
        return sum(map(len, rules.values()))

    @property
    def kept(self) -> int:
        """Number of instances of the input that came out, changed or not."""
        return self.total - self._count(self.skipped)

    @property
    def untouched(self) -> int:
        """Number of instances of the input that came out as they went in."""
        return self.kept - self._count(self.repaired)

    def __str__(self) -> str:
        parts = [f"{self.total} in", f"{self.kept} kept"]
        for name in ("repaired", "skipped", "added"):
            rules: Mapping[str, Sequence[Id]] = getattr(self, name)
            if rules:
                detail = ", ".join(f"{rule}: {len(ids)}" for rule, ids in rules.items())
                parts.append(f"{self._count(rules)} {name} ({detail})")
        parts += [f"{note}: {count}" for note, count in self.notes.items()]
        return ", ".join(parts)

    def to_dict(self) -> dict[str, object]:
        """Return the account as plain JSON-ready values."""
        return {
            "total": self.total,
            "kept": self.kept,
            "repaired": {rule: list(ids) for rule, ids in self.repaired.items()},
            "skipped": {rule: list(ids) for rule, ids in self.skipped.items()},
            "added": {rule: list(ids) for rule, ids in self.added.items()},
            "notes": dict(self.notes),
        }

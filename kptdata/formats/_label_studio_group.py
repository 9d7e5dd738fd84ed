"""Which points and boxes of a Label Studio task are one person: four conventions, tried in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from kptdata.formats._label_studio_regions import Region, Task

__all__ = ["Group", "group_regions"]


class Group(NamedTuple):
    """A person: its box or None, and its points."""

    box: Region | None
    points: list[Region]


def group_regions(task: Task) -> tuple[list[Group], Counter[str]]:
    """Return the people of a task, in the order of the file, and how many points each rule placed.

    1. ``parentID``: the parent is a box, or a point of the same person.
    2. Relations, in either direction, between a point and a box or another point; a relation of a
       region with itself or of two boxes says nothing.
    3. Order: points are followed by their box; only if the boxes confirm it.
    4. The smallest box around the point that has no point of that name yet.
    5. The only person of the image.
    """
    grouping = _Grouping(task.regions)
    grouping.by_parent()
    grouping.by_relation(task.relations)
    grouping.by_order()
    grouping.by_containment()
    grouping.by_image()
    return grouping.groups(), grouping.counts


class _Grouping:
    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = regions
        self._places = {r.id: place for place, r in enumerate(regions) if r.id}
        self._root: dict[int, int] = {}  # place of a point -> of the box or point it belongs to
        self.counts: Counter[str] = Counter()

    def _tie(self, point: int, root: int, rule: str) -> None:
        self._root[point] = root
        self.counts[rule] += 1

    def _loose(self) -> list[int]:
        return [
            place
            for place, region in enumerate(self._regions)
            if not region.is_box and place not in self._root
        ]

    def by_parent(self) -> None:
        for place in self._loose():
            if self._regions[place].facts:  # the first point of a person without a box, by us
                self._root[place] = place
        for place in self._loose():
            parent = self._places.get(self._regions[place].parent)
            seen = {place}
            while parent is not None and parent not in seen:
                seen.add(parent)
                above = self._places.get(self._regions[parent].parent)
                if self._regions[parent].is_box or above is None:
                    break
                parent = above
            if parent is not None and parent != place:
                self._tie(place, parent, "parentID")
        for root in {r for r in self._root.values() if not self._regions[r].is_box}:
            self._root.setdefault(root, root)

    def by_relation(self, relations: Sequence[tuple[str, str]]) -> None:
        loose = set(self._loose())
        near: dict[int, list[int]] = {}
        for pair in relations:
            ends = [self._places.get(end) for end in pair]
            a, b = ends
            if a is None or b is None or a == b:
                continue
            if not (self._regions[a].is_box and self._regions[b].is_box):
                near.setdefault(a, []).append(b)
                near.setdefault(b, []).append(a)
        for place in sorted(loose):
            if place in near and place not in self._root:
                self._tie_component(place, near, loose)

    def _tie_component(self, start: int, near: dict[int, list[int]], loose: set[int]) -> None:
        """Tie all points that relations join, to the first box among them."""
        component, todo = [start], [start]
        root: int | None = None
        while todo:
            for other in near.get(todo.pop(0), ()):
                if self._regions[other].is_box:
                    root = other if root is None else root
                elif other in self._root:
                    root = self._root[other] if root is None else root
                elif other not in component:
                    component.append(other)
                    todo.append(other)
        for place in component:
            if place in loose:
                self._tie(place, start if root is None else root, "relation")

    def by_order(self) -> None:
        """Tie runs of points to the box behind each, if all of them lie in it."""
        runs: list[tuple[list[int], int]] = []
        run: list[int] = []
        loose = set(self._loose())
        for place, region in enumerate(self._regions):
            if region.is_box:
                runs += [(run, place)] if run else []
                run = []
            elif place in loose:
                run.append(place)
        good = not run and len(runs) > 1 and all(self._confirmed(*each) for each in runs)
        for points, box in runs if good else ():
            for place in points:
                self._tie(place, box, "order")

    def _confirmed(self, points: list[int], box: int) -> bool:
        names = [self._regions[place].label for place in points]
        inside = all(_contains(self._regions[box], self._regions[place]) for place in points)
        return inside and len(set(names)) == len(names)

    def by_containment(self) -> None:
        boxes = [place for place, region in enumerate(self._regions) if region.is_box]
        if not boxes:
            return
        boxes.sort(key=lambda place: self._regions[place].at[2] * self._regions[place].at[3])
        taken = {(root, self._regions[p].label) for p, root in self._root.items()}
        for place in self._loose():
            region = self._regions[place]
            for box in boxes:
                if _contains(self._regions[box], region) and (box, region.label) not in taken:
                    taken.add((box, region.label))
                    self._tie(place, box, "containment")
                    break

    def by_image(self) -> None:
        """Tie the rest to the only box, or to each other; a second point of a name is a new one."""
        boxes = [place for place, region in enumerate(self._regions) if region.is_box]
        taken = {(root, self._regions[p].label) for p, root in self._root.items()}
        roots = boxes if len(boxes) == 1 else []
        for place in self._loose():
            label = self._regions[place].label
            root = next((r for r in roots if (r, label) not in taken), None)
            if root is None:
                root = place
                roots = [*roots, place]
            taken.add((root, label))
            self._tie(place, root, "image")

    def groups(self) -> list[Group]:
        members: dict[int, list[int]] = {}
        first: dict[int, int] = {}
        for place, region in enumerate(self._regions):
            root = place if region.is_box else self._root[place]
            first.setdefault(root, place)
            members.setdefault(root, [])
            if not region.is_box:
                members[root].append(place)
        found = []
        for root in sorted(members, key=lambda r: first[r]):
            points = [self._regions[place] for place in members[root]]
            head = self._regions[root]
            found += _without_twins(head if head.is_box else None, points)
        return found


def _contains(box: Region, point: Region) -> bool:
    x, y, w, h = box.at
    return x <= point.at[0] <= x + w and y <= point.at[1] <= y + h


def _without_twins(box: Region | None, points: list[Region]) -> list[Group]:
    """Put second points of one name into people of their own."""
    people: list[list[Region]] = [[]]
    for point in points:
        for person in people:
            if all(other.label != point.label for other in person):
                person.append(point)
                break
        else:
            people.append([point])
    return [Group(box if place == 0 else None, person) for place, person in enumerate(people)]

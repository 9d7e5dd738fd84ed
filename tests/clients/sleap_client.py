"""sleap-io loads our projects and analysis files, and agrees with the points beside them exactly.

python tests/clients/sleap_client.py DATA_DIR
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import sleap_io
from _facts import Person, compare


def main(folder: Path) -> None:
    """Load each file, and stop with the first difference."""
    own = folder / "sleap"
    labels = sleap_io.load_slp(str(own / "people.slp"), open_videos=False)
    said = compare(people_of(labels), folder, tolerance=0.0)
    print(f"people.slp: {said}")  # noqa: T201
    film = sleap_io.load_slp(str(own / "film.slp"), open_videos=False)
    print(f"film.slp: {same(film, own / 'film.json')}")  # noqa: T201
    if film.videos[0].filename != "videos/film.mp4":
        raise SystemExit(f"film.slp: the video is {film.videos[0].filename}")
    tracks = sleap_io.load_analysis_h5(str(own / "tracks.analysis.h5"))
    print(f"tracks.analysis.h5: {same(tracks, own / 'tracks.json')}")  # noqa: T201
    links(film, labels)


def people_of(labels: sleap_io.Labels) -> list[Person]:
    """Return the people of a project of pictures."""
    return [
        Person(
            frame.video.filename[frame.frame_idx],
            {
                str(point["name"]): (*point["xy"].tolist(), 2 if point["visible"] else 1)
                for point in person.points
                if point["xy"][0] == point["xy"][0]
            },
        )
        for frame in labels.labeled_frames
        for person in frame.instances
    ]


def same(labels: sleap_io.Labels, path: Path) -> str:
    """Compare instances with the entries of a file: frame, track, scores, links and points."""
    wanted = json.loads(path.read_text("utf-8"))
    found = [
        fact(frame.frame_idx, person)
        for frame in labels.labeled_frames
        for person in frame.instances
    ]
    for ours, theirs in zip(sorted(wanted, key=_place), sorted(found, key=_place), strict=True):
        if ours != theirs:
            raise SystemExit(f"{path}:\nwritten: {ours}\nloaded: {theirs}")
    points = sum(len(each["points"]) for each in wanted)
    return f"{len(wanted)} people, {points} points agree in every digit"


def fact(frame: int, person: Any) -> dict[str, Any]:
    """Return what is compared of an instance."""
    predicted = isinstance(person, sleap_io.PredictedInstance)
    made = person.from_predicted
    return {
        "frame": frame,
        "track": None if person.track is None else person.track.name,
        "score": float(person.score) if predicted else None,
        "corrects": None if made is None else float(made.score),
        "points": {
            str(point["name"]): [
                *point["xy"].tolist(),
                bool(point["visible"]),
                float(point["score"]) if predicted else None,
            ]
            for point in person.points
            if point["xy"][0] == point["xy"][0]
        },
    }


def links(*projects: sleap_io.Labels) -> None:
    """Stop if edges and symmetric points are not those of people."""
    for labels in projects:
        (skeleton,) = labels.skeletons
        pairs = {frozenset(names) for names in skeleton.symmetry_names}
        sides = {
            frozenset((name, name.replace("left", "right")))
            for name in skeleton.node_names
            if name.startswith("left")
        }
        if pairs != sides or not skeleton.edge_names:
            raise SystemExit(f"symmetries {pairs}, edges {skeleton.edge_names}")


def _place(entry: dict[str, Any]) -> str:
    return json.dumps([entry["frame"], entry["score"] is None, entry["points"]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

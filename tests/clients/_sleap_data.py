"""SLEAP's files for its client: the drawn people, and a film of tracked and corrected ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import kptdata as kd

__all__ = ["write"]

_TRACKS = ("left", "right", "")


def write(dataset: kd.PoseDataset, _images: Path, folder: Path) -> None:
    """Write ``sleap/people.slp``, and a film as project and analysis file beside its points."""
    own = folder / "sleap"
    own.mkdir()
    kd.write(dataset, own / "people.slp", format="sleap")
    film = filmed(dataset)
    (own / "film.json").write_text(json.dumps(facts(film), indent=1), "utf-8")
    kd.write(film, own / "film.slp", format="sleap")
    tracked = film[np.flatnonzero(np.isfinite(film.score) & (film.track != ""))]
    (own / "tracks.json").write_text(json.dumps(facts(tracked), indent=1), "utf-8")
    kd.write(tracked, own / "tracks.analysis.h5", format="sleap_analysis")


def filmed(dataset: kd.PoseDataset) -> kd.PoseDataset:
    """Make predictions of people, one of a film's frames for each picture, and correct some."""
    count = len(dataset)
    frames = np.arange(len(dataset.images)) * 3 + 2
    images = kd.ImageTable.of(
        [f"film/{frame:06d}.png" for frame in frames],
        width=dataset.images.width,
        height=dataset.images.height,
        sequence=["videos/film.mp4"] * len(frames),
        frame=frames,
    )
    places = np.array([np.sum(dataset.image[:n] == i) for n, i in enumerate(dataset.image)])
    predicted = dataset.replace(
        images=images,
        id=np.arange(count),
        score=np.arange(count) / 64,
        keypoint_score=np.random.default_rng(1).random(dataset.visibility.shape),
        visibility=np.where(dataset.labelled, kd.Visibility.LABELLED, kd.Visibility.UNLABELLED),
        track=np.array([_TRACKS[min(n, 2)] for n in places.tolist()], dtype="T"),
    )
    corrected = dataset[::4].replace(images=images, id=np.arange(count, count + len(dataset[::4])))
    answers = np.full(count, kd.dataset.MISSING_INT)
    answers[::4] = corrected.id
    joined, _ = kd.ops.concat([predicted.replace(answers=answers), corrected])
    return joined


def facts(dataset: kd.PoseDataset) -> list[dict[str, Any]]:
    """Return one entry a person, from the columns of the dataset."""
    names, answered = dataset.schema.names, dataset.column("answers").tolist()
    scores, tracks = dataset.column("score"), dataset.column("track").astype("T")
    found = []
    for row in range(len(dataset)):
        predicted = bool(np.isfinite(scores[row]))
        hidden = dataset.visibility[row] == kd.Visibility.OCCLUDED
        found.append(
            {
                "frame": int(dataset.images.frame[dataset.image[row]]),
                "track": str(tracks[row]) if tracks[row] else None,
                "score": float(scores[row]) if predicted else None,
                "corrects": float(scores[answered.index(dataset.ids[row])])
                if dataset.ids[row] in answered
                else None,
                "points": {
                    names[k]: [
                        *dataset.xy[row, k].tolist(),
                        not hidden[k],
                        float(dataset.keypoint_score[row, k]) if predicted else None,
                    ]
                    for k in np.flatnonzero(dataset.labelled[row]).tolist()
                },
            }
        )
    return found

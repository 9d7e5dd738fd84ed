"""Drawn people: annotations are what the picture shows; the same seed gives the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import kptdata as kd
from kptdata._synth_layout import as_dataset, record
from kptdata.errors import FileError, OptionError, UnknownNameError
from kptdata.synth import LANDMARKS, LAYOUTS, Hidden, draw_scene, synth

SIZE = (160, 120)


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(7, index, SIZE) for index in range(60)]


@pytest.fixture(scope="module")
def people(scenes):
    return [person for scene in scenes for person in scene.people]


def test_a_scene_depends_on_seed_and_index_alone(scenes):
    again = draw_scene(7, 3, SIZE)

    assert (again.image == scenes[3].image).all()
    assert (again.people[0].xy == scenes[3].people[0].xy).all()
    assert (draw_scene(8, 3, SIZE).image != scenes[3].image).any()
    assert (scenes[4].image != scenes[3].image).any()


def test_every_size_is_drawn():
    for size in ((16, 16), (33, 200), (640, 480)):
        scene = draw_scene(0, 0, size)
        assert scene.image.shape == (size[1], size[0], 3)
        assert scene.image.dtype == np.uint8
        assert scene.people


def test_crowds_have_one_to_four_people_and_overlap(scenes):
    counts = {len(scene.people) for scene in scenes}
    assert counts == {1, 2, 3, 4}

    def overlap(a, b):
        low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
        return (high > low).all()

    touching = [
        overlap(a.bbox, b.bbox)
        for scene in scenes
        for i, a in enumerate(scene.people)
        for b in scene.people[:i]
    ]
    assert np.mean(touching) > 0.2


def test_masks_are_disjoint(scenes):
    for scene in scenes:
        assert sum(p.mask.astype(int) for p in scene.people).max() <= 1


def test_shown_points_lie_on_the_mask_and_hidden_ones_do_not_hide_in_vain(people):
    for person in people:
        at = np.rint(person.xy).astype(int)
        inside = person.hidden != Hidden.OUTSIDE
        on_mask = np.zeros(len(LANDMARKS), bool)
        on_mask[inside] = person.mask[at[inside, 1], at[inside, 0]]
        assert on_mask[person.hidden == Hidden.SHOWN].all()
        others = (person.hidden == Hidden.BY_PERSON) | (person.hidden == Hidden.BY_OCCLUDER)
        assert not on_mask[others].any()


def test_outside_means_outside(people):
    last = np.array(SIZE) - 1
    for person in people:
        inside = ((person.xy >= 0) & (person.xy <= last)).all(axis=1)
        assert (inside == (person.hidden != Hidden.OUTSIDE)).all()
        assert inside.any()


def test_boxes_are_tight_and_areas_are_sums(people):
    for person in people:
        rows, columns = np.nonzero(person.mask)
        x, y, w, h = person.bbox
        assert (x, y) == (columns.min(), rows.min())
        assert (x + w, y + h) == (columns.max() + 1, rows.max() + 1)
        assert person.area == person.mask.sum()


def test_the_whole_body_reaches_at_least_as_far_as_what_shows(people):
    for person in people:
        body = person.extent[2:].max()
        assert person.bbox[2:].max() <= 1.1 * body + 2


def test_every_kind_of_hiding_occurs_and_occluders_are_common():
    people = [p for i in range(150) for p in draw_scene(1, i, (96, 96)).people]
    occluded = [(p.hidden[:17] == Hidden.BY_OCCLUDER).any() for p in people]
    cut = [(p.hidden[:17] == Hidden.OUTSIDE).any() for p in people]

    assert np.mean(occluded) >= 0.25
    assert np.mean(cut) > 0.05
    found = {int(h) for p in people for h in np.unique(p.hidden)}
    assert found == {int(h) for h in Hidden}


def test_left_and_right_share_one_colour():
    """Seen from the front, the two upper arms, forearms, thighs and shins have one hue each."""
    pairs = [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")]
    compared = 0
    for index in range(60):
        scene = draw_scene(3, index)
        for person in scene.people:
            for start, end in pairs:
                tones = [
                    _middle_colour(scene, person, side, start, end) for side in ("left", "right")
                ]
                if all(tone is not None for tone in tones):
                    a, b = (tone / np.linalg.norm(tone) for tone in tones)
                    assert a @ b > 0.97
                    compared += 1
    assert compared > 40


def _middle_colour(scene, person, side, start, end):
    """Mean colour around the middle of a bone, if both its ends and its middle show."""
    rows = [LANDMARKS.index(f"{side}_{joint}") for joint in (start, end)]
    if (person.hidden[rows] != Hidden.SHOWN).any() or np.ptp(person.xy[rows], axis=0).max() < 20:
        return None
    x, y = np.rint(person.xy[rows].mean(axis=0)).astype(int)
    inside = person.mask[y - 1 : y + 2, x - 1 : x + 2]
    if not inside.all() or _crossed(person, rows):
        return None
    return scene.image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0)


def _crossed(person, rows):
    """Tell whether another joint or bone of the person is near the middle of this one."""
    middle = person.xy[rows].mean(axis=0)
    body = [i for i in range(23) if i not in rows] + [LANDMARKS.index("thorax")]
    bones = [
        (5, 7),
        (7, 9),
        (6, 8),
        (8, 10),
        (11, 13),
        (13, 15),
        (12, 14),
        (14, 16),
        (5, 12),
        (6, 11),
    ]
    far = np.linalg.norm(person.xy[rows[0]] - person.xy[rows[1]])
    dots = [person.xy[i] for i in body]
    dots += [
        person.xy[a] + t * (person.xy[b] - person.xy[a])
        for a, b in bones if {a, b} != set(rows) for t in np.linspace(0, 1, 7)
    ]  # fmt: skip
    return min(np.linalg.norm(dot - middle) for dot in dots) < 0.45 * far


def test_side_is_a_matter_of_the_body():
    """From the front the left shoulder is on the viewer's right; seen from behind it is not."""
    left, right = LANDMARKS.index("left_shoulder"), LANDMARKS.index("right_shoulder")
    nose = LANDMARKS.index("nose")
    fronts, backs = [], []
    for index in range(120):
        for person in draw_scene(2, index, (64, 64)).people:
            seen = person.hidden[nose]
            side = person.xy[left, 0] > person.xy[right, 0]
            if seen == Hidden.SHOWN:
                fronts.append(side)
            elif seen == Hidden.BY_SELF:
                backs.append(side)
    assert np.mean(fronts) > 0.9
    assert np.mean(backs) < 0.5
    assert len(fronts) > 3 * len(backs) > 0


def test_poses_vary_beyond_a_mean_pose():
    """The best constant pose is within 5% of the longer box side for less than 3 points in 10."""
    people = [p for i in range(150) for p in draw_scene(4, i, (96, 96)).people]
    rows = np.arange(17)
    boxes = np.array([p.bbox for p in people])
    centre, side = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:].max(axis=1)
    xy = (np.array([p.xy[rows] for p in people]) - centre[:, None]) / side[:, None, None]
    labelled = np.array([p.hidden[rows] for p in people]) != Hidden.OUTSIDE
    mean = (xy * labelled[..., None]).sum(0) / labelled.sum(0)[:, None]
    near = np.linalg.norm(xy - mean, axis=-1) < 0.05
    assert near[labelled].mean() < 0.3


# ------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_seed_gives_the_same_bytes(tmp_path, layout):
    for name in ("a", "b"):
        synth(4, tmp_path / name, layout=layout, seed=5, size=(64, 48))
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_longer_series_begins_with_a_shorter_one(tmp_path):
    short = synth(2, tmp_path / "short", size=(64, 48))
    long = synth(4, tmp_path / "long", size=(64, 48))
    for image in short.images.iterdir():
        assert image.read_bytes() == (long.images / image.name).read_bytes()
    assert (long.dataset.xy[: len(short.dataset)] == short.dataset.xy)[short.dataset.labelled].all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_written_and_read_back(tmp_path, layout):
    series = synth(6, tmp_path, layout=layout, seed=2, size=(96, 80))
    plan = LAYOUTS[layout]
    found = kd.read(series.annotations, schema=plan.schema, images=series.images)

    assert found.schema.name == plan.schema
    assert len(found) == len(series.dataset) >= 6
    assert found.images.file_name.tolist() == series.dataset.images.file_name.tolist()
    assert found.visibility.tolist() == series.dataset.visibility.tolist()
    np.testing.assert_allclose(found.xy, series.dataset.xy, rtol=0, atol=1e-9)
    assert found.images.wh.tolist() == [[96, 80]] * 6


def test_coco_masks_boxes_and_areas_agree(tmp_path):
    series = synth(5, tmp_path, size=(96, 80))
    for annotation in json.loads(series.annotations.read_text())["annotations"]:
        runs = annotation["segmentation"]
        counts = runs["counts"]
        flat = np.repeat(np.arange(len(counts)) % 2, counts)
        mask = flat.reshape(runs["size"][::-1]).T
        assert mask.shape == (80, 96)
        assert mask.sum() == annotation["area"]
        rows, columns = np.nonzero(mask)
        x, y, w, h = annotation["bbox"]
        assert (columns.min(), rows.min()) == (x, y)
        assert (columns.max() + 1, rows.max() + 1) == (x + w, y + h)


def test_mpii_place_scale_and_head():
    scenes = [draw_scene(0, i, SIZE) for i in range(10)]
    people = [p for s in scenes for p in s.people]
    dataset = as_dataset([d for i, s in enumerate(scenes) for d in record(s, i)], 10, SIZE, "mpii")

    side = 200 * dataset.numbers["scale"]
    assert side == pytest.approx([p.extent[2:].max() for p in people])
    centre = dataset.points["objpos"][:, 0] + np.stack([0 * side, 15 * dataset.numbers["scale"]], 1)
    assert centre == pytest.approx(np.array([p.extent[:2] + p.extent[2:] / 2 for p in people]))
    head = dataset.boxes["head"]
    top = dataset.xy[:, dataset.schema.index("head_top")]
    seen = dataset.labelled[:, dataset.schema.index("head_top")]
    assert ((top >= head[:, :2] - 0.5) & (top <= head[:, :2] + head[:, 2:] + 0.5))[seen].all()


def test_whole_body_parts_have_boxes():
    scenes = [draw_scene(0, i) for i in range(10)]
    drawn = [d for i, s in enumerate(scenes) for d in record(s, i)]
    dataset = as_dataset(drawn, 10, (256, 256), "coco-wholebody")
    groups = np.array([k.group for k in dataset.schema.keypoints])

    assert set(dataset.boxes) == {"face", "left_hand", "right_hand"}
    for part, box in dataset.boxes.items():
        xy = dataset.xy[:, groups == part]
        inside = (xy >= box[:, None, :2]) & (xy <= (box[:, :2] + box[:, 2:])[:, None])
        assert inside[dataset.labelled[:, groups == part]].all()


def test_no_images_are_a_valid_series(tmp_path):
    assert len(synth(0, tmp_path).dataset) == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layout": "cocoo"}, UnknownNameError, "did you mean coco"),
        ({"n": -1}, OptionError, "n: expected 0 or more, got -1"),
        ({"seed": -2}, OptionError, "seed: expected 0 or more, got -2"),
        ({"size": (8, 64)}, OptionError, "size: expected two sides of at least 16"),
    ],
)
def test_refusals(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        synth(**{"n": 1, "out_dir": tmp_path, **options})


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FileError, match="cannot be made"):
        synth(1, tmp_path / "out")

# ruff: noqa: C408 (such files are written with dict)
"""Values under names, joined lists, a table looked up: data written the long way round."""

import os  # an import is not followed

colors = dict(body=[10, 20, 30], wing=[40, 50, 60])
head_sigmas = [0.02]
count = -3
unreadable = os.environ

dataset_info = dict(
    dataset_name="moth-2",
    paper_info=[
        dict(author="First", title="Moths", container="Night", year=1999, homepage=""),
        dict(author="Second", title="More moths", container="Night", year=2001, homepage=""),
    ],
    keypoint_info={
        1: dict(name="wing L", id=1, color=colors["wing"], type="", swap="wing R"),
        0: dict(name="head", id=0, color=colors["body"], type="", swap=""),
        2: dict(name="wing R", id=2, color=colors["wing"], type="", swap="wing L"),
    },
    skeleton_info={},
    joint_weights=[1.0] * 3,
    sigmas=head_sigmas + [0.03] * 2,
)

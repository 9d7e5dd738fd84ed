# ruff: noqa: C408 (such files are written with dict)
# A pair that one side states, one with itself, one with a stranger, and a triangle.
dataset_info = dict(
    dataset_name="pairs",
    keypoint_info={
        0: dict(name="left_ear", id=0, color=[0, 0, 0], type="", swap="right_ear"),
        1: dict(name="right_ear", id=1, color=[0, 0, 0], type="", swap=""),
        2: dict(name="nose", id=2, color=[0, 0, 0], type="", swap="nose"),
        3: dict(name="tail", id=3, color=[0, 0, 0], type="", swap="tale"),
        4: dict(name="p", id=4, color=[0, 0, 0], type="", swap="q"),
        5: dict(name="q", id=5, color=[0, 0, 0], type="", swap="r"),
        6: dict(name="r", id=6, color=[0, 0, 0], type="", swap="q"),
    },
    skeleton_info={
        0: dict(link=("nose", "tail"), id=0, color=[1, 2, 3]),
        1: dict(link=("nose", "tale"), id=1, color=[1, 2, 3]),
        2: dict(link=("nose", "nose"), id=2, color=[1, 2, 3]),
        3: dict(link=("nose",), id=3, color=[1, 2, 3]),
    },
    joint_weights=[1.0] * 7,
    sigmas=[],
)

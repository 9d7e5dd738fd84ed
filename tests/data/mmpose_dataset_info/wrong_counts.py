# ruff: noqa: C408 (such files are written with dict)
# One weight and one sigma too few.
dataset_info = dict(
    dataset_name="counts",
    keypoint_info={
        0: dict(name="a", id=0, color=[0, 0, 0], type="", swap=""),
        1: dict(name="b", id=1, color=[0, 0, 0], type="", swap=""),
        2: dict(name="c", id=2, color=[0, 0, 0], type="", swap=""),
    },
    skeleton_info={0: dict(link=("a", "b"), id=0, color=[0, 0, 0])},
    joint_weights=[1.0, 1.0],
    sigmas=[0.1, 0.1],
)

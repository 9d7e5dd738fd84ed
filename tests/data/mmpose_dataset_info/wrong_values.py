# ruff: noqa: C408 (such files are written with dict)
# Ids that differ from the keys, colours and parts that are none, a zero sigma, a negative weight.
dataset_info = dict(
    dataset_name="values",
    paper_info=dict(author="A", title="T", container="C", year="in press", homepage=""),
    keypoint_info={
        0: dict(name="kpt-0", id=0, color=[0, 0, 256], type="", swap=""),
        1: dict(name="kpt-1", id=3, color="red", type="middle", swap=""),
        2: dict(name="kpt-2", id=2, color=[0, 0.5, 1], type="upper", swap=""),
    },
    skeleton_info={},
    joint_weights=[1.0, -1.0, 1.0],
    sigmas=[0.1, 0.0, 0.1],
    lower_body_ids=[0],
)

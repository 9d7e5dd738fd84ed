# ruff: noqa: C408 (such files are written with dict)
# A small animal, without defects: every key that such a file may have.
dataset_info = dict(
    dataset_name="lizard",
    paper_info=dict(
        author="Doe, Jane and Roe, Richard",
        title="Lizards in the wild",
        container="Journal of Invented Data",
        year="2021",
        homepage="https://example.org/lizard",
    ),
    keypoint_info={
        0: dict(name="snout", id=0, color=[255, 128, 0], type="upper", swap=""),
        1: dict(name="left_foot", id=1, color=[0, 255, 0], type="lower", swap="right_foot"),
        2: dict(name="right_foot", id=2, color=[255, 128, 0], type="lower", swap="left_foot"),
        3: dict(name="tail", id=3, color=[51, 153, 255], type="", swap=""),
    },
    skeleton_info={
        0: dict(link=("snout", "tail"), id=0, color=[51, 153, 255]),
        1: dict(link=("left_foot", "tail"), id=1, color=[0, 255, 0]),
        2: dict(link=("right_foot", "tail"), id=2, color=[255, 128, 0]),
    },
    joint_weights=[1.0, 1.2, 1.2, 1.5],
    sigmas=[0.05] * 4,
)

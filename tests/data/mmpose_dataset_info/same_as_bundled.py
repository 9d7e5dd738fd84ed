# ruff: noqa: C408 (such files are written with dict)
# The points of a bundled schema under its name: canonical names come from there.
dataset_info = dict(
    dataset_name="deepfashion_lower",
    paper_info=dict(),
    keypoint_info={
        0: dict(name="left waistline", id=0, color=[1, 1, 1], type="", swap="right waistline"),
        1: dict(name="right waistline", id=1, color=[1, 1, 1], type="", swap="left waistline"),
        2: dict(name="left hem", id=2, color=[1, 1, 1], type="", swap="right hem"),
        3: dict(name="right hem", id=3, color=[1, 1, 1], type="", swap="left hem"),
    },
    skeleton_info={},
    joint_weights=[1.0] * 4,
    sigmas=[0.01, 0.02, 0.03, 0.04],
)

"""The dialects of COCO, as data: what each dataset's own JSON files state, and how.

A dialect is COCO's JSON with habits of its own: a schema that the file may not name, what its ``v``
means, keys of its own that are typed columns here, and what its writers leave out. One row says all
of that, and `kptdata.formats.coco_dialects` reads and writes by it.
"""

from __future__ import annotations

from collections.abc import Mapping

from kptdata.dataset import Space
from kptdata.formats._dialect import (
    Choice,
    Coordinates,
    Dialect,
    Flag,
    FrameNumber,
    Numeric,
    Pair,
    VideoFrame,
)

__all__ = ["DIALECTS"]

_CENTRE_SCALE = (Pair("center"), Numeric("scale"))
_HAND_TYPE = Choice("hand_type", {"right": (1, 0), "left": (0, 1), "interacting": (1, 1)})
_FACE = ("face", "person")
_HAND = ("hand", "hand")
_NO_COUNT = frozenset({"num_keypoints"})
_NO_AREA = "no areas: evaluation takes 0.53 of the box"
_FACE_SIDE = "scale is the side of the face box / 200"
_BOX_AREA = "area is that of the box"

_H36M_FILE = (
    "root (pelvis)", "left_hip", "left_knee", "left_foot", "right_hip", "right_knee", "right_foot",
    "spine", "thorax", "neck_base", "head", "left_shoulder", "left_elbow", "left_wrist",
    "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip

_ROWS = (
    Dialect(
        "coco_wholebody",
        "COCO-WholeBody, people with 133 points",
        "coco_wholebody",
        "1.3",
        fields=tuple(Flag(f"{part}_valid") for part in ("face", "lefthand", "righthand", "foot")),
        area="box053",
        facts="points in five lists (keypoints, foot_kpts, face_kpts, lefthand_kpts, "
        "righthand_kpts) or all in one; num_keypoints counts the body; a part that is not valid "
        "is to be ignored whatever its points say; categories name the body only",
    ),
    Dialect(
        "crowdpose",
        "CrowdPose, crowded people with 14 points",
        "crowdpose",
        "1.4",
        area="none",
        without=frozenset({"area", "segmentation"}),
        counted=12,
        facts="num_keypoints counts the first 12 points; crowdIndex of an image is kept in its "
        f"extras; skeleton is COCO's and wrong; {_NO_AREA}",
    ),
    Dialect(
        "aic",
        "AI Challenger, people with 14 points",
        "aic",
        "1.5",
        area="none",
        without=frozenset({"area", "iscrowd", "segmentation"}),
        facts=f"the converted files, whose v is COCO's; url of an image is kept; {_NO_AREA}",
    ),
    Dialect(
        "halpe",
        "Halpe-FullBody, people with 136 points",
        "halpe",
        "1.6",
        also=("halpe26",),
        area="box053",
        counted=17,
        facts="names no points; unlabelled points keep coordinates; num_keypoints counts COCO's "
        "17; toes are left and right in turn",
    ),
    Dialect(
        "humanart",
        "Human-Art, drawn and sculpted people with 17 points",
        "human_art",
        "1.7",
        area="box053",
        fuller=("humanart21", "keypoints_21"),
        facts="two lists of points: keypoints are read, and keypoints_21, with fingers and toes, "
        "stay in extras; with the schema humanart21 it is the other way round; self_contact and "
        "annotator are kept",
    ),
    Dialect(
        "jhmdb",
        "J-HMDB, people in videos with 15 points",
        "jhmdb",
        "1.8",
        labelled=2,
        origin=1,
        fields=(VideoFrame(""),),
        area="none",
        without=frozenset({"area", "iscrowd", "num_keypoints"}),
        facts="points and boxes count from pixel 1; all points are given, hidden or not: v says "
        f"nothing; {_NO_AREA}",
    ),
    Dialect(
        "ochuman",
        "OCHuman, people in each other's way with 17 points",
        "ochuman",
        "1.9",
        facts=f"self-occluded points are v = 2, those behind others v = 1; {_BOX_AREA}, masks are "
        "run-length codes",
    ),
    Dialect(
        "exlpose",
        "ExLPose, people in the dark with 14 points",
        "exlpose",
        "1.10",
        first_link=0,
        area="none",
        without=frozenset({"area"}),
        facts="CrowdPose's order; links count from 0; crowdIndex of an image is 0",
    ),
    Dialect(
        "mhp",
        "MHP, several people with 16 points",
        "mhp",
        "1.10",
        facts="MPII's points; face_box is a box of its own",
    ),
    Dialect(
        "mpii_trb",
        "MPII-TRB, people with 14 joints and 26 points of their outline",
        "mpii_trb",
        "1.10",
        fields=(Pair("center"),),
        area="none",
        without=frozenset({"area", "bbox", "num_keypoints"}),
        facts="no boxes and no areas; scale is the inverse of MPII's and stays in extras, as does "
        "num_joints",
    ),
    Dialect(
        "ap10k",
        "AP-10K, 54 kinds of animals with 17 points",
        "ap10k",
        "1.11",
        category=("animal", "animal"),
        facts=f"one category per species, all with the same points; {_BOX_AREA}; background and "
        "license of an image are kept",
    ),
    Dialect(
        "animalpose",
        "Animal-Pose, five kinds of animals with 20 points",
        "animalpose",
        "9.12",
        category=("animal", "animal"),
        facts="the converted files, whose boxes are xywh (the original's are corners); "
        f"{_BOX_AREA}",
    ),
    Dialect(
        "macaque",
        "MacaquePose, macaques with 17 points",
        "macaque",
        "9.13",
        labelled=2,
        category=("macaque", "animal"),
        area="box053",
        facts="the source gives a place or none: v = 2 says nothing on occlusion; area is that of "
        "the outline",
    ),
    Dialect(
        "horse10",
        "Horse-10, horses with 22 points",
        "horse10",
        "1.11",
        category=("horse", "animal"),
        facts=f"near and far side instead of left and right: no pairs to flip; {_BOX_AREA}",
    ),
    Dialect(
        "animal_kingdom",
        "Animal Kingdom, animals with 23 points",
        "animal_kingdom",
        "1.11",
        labelled=1,
        fields=_CENTRE_SCALE,
        category=("Animal", "AK_Animal"),
        first_link=0,
        facts="unlabelled points are (-1, -1); links count from 0; scale is the longer side of the "
        f"box / 200, a little enlarged; {_BOX_AREA}",
    ),
    Dialect(
        "atrw",
        "ATRW, tigers with 15 points",
        "atrw",
        "1.11",
        category=("tiger", "animal"),
        first_link=0,
        facts=f"links count from 0; {_BOX_AREA}",
    ),
    Dialect(
        "posetrack18",
        "PoseTrack18, people in videos with 17 points",
        "posetrack18",
        "1.12",
        labelled=1,
        fields=(VideoFrame("1"),),
        area="none",
        without=frozenset({"area"}),
        facts="v is 0 or 1, occlusion is not recorded; the ears are never labelled; skeleton is "
        "COCO's and wrong; is_labeled, nframes and the regions to ignore are kept in the extras of "
        "an image: a frame that is not labelled is no frame without people",
    ),
    Dialect(
        "300w",
        "300-W, faces with 68 points",
        "300w",
        "9.2",
        labelled=1,
        fields=_CENTRE_SCALE,
        category=_FACE,
        facts=f"names no points; v is always 1; {_FACE_SIDE}; {_BOX_AREA}",
    ),
    Dialect(
        "300vw",
        "300-VW, faces in videos with 68 points",
        "300vw",
        "9.2",
        labelled=1,
        fields=_CENTRE_SCALE,
        area="none",
        without=frozenset({"bbox"}),
        facts=f"names no points; v is always 1; no boxes; {_FACE_SIDE}; annotation ids begin with "
        "0, which pycocotools never matches",
    ),
    Dialect(
        "300wlp",
        "300W-LP, faces turned in 3D with 68 points",
        "300wlp",
        "9.2",
        labelled=2,
        category=_FACE,
        facts=f"names no points; v is always 2 and says nothing; {_BOX_AREA}",
    ),
    Dialect(
        "wflw",
        "WFLW, faces with 98 points",
        "wflw",
        "9.4",
        labelled=1,
        fields=_CENTRE_SCALE,
        category=_FACE,
        facts=f"names no points; v is always 1; {_FACE_SIDE}; some writers misspell iscrowd as "
        f"is_crowd, which stays in extras; {_BOX_AREA}",
    ),
    Dialect(
        "aflw",
        "AFLW, faces with 19 points",
        "aflw",
        "9.5",
        labelled=1,
        fields=(*_CENTRE_SCALE, Numeric("box_size")),
        category=_FACE,
        facts="names no points; v is always 1; box_size, the side of the face box, is what errors "
        f"are divided by; {_BOX_AREA}",
    ),
    Dialect(
        "cofw",
        "COFW, faces with 29 points, hidden ones marked",
        "cofw",
        "9.6",
        category=_FACE,
        facts=f"names no points; v = 1 is occluded as in COCO; {_BOX_AREA}",
    ),
    Dialect(
        "lapa",
        "LaPa, faces with 106 points",
        "lapa",
        "9.7",
        labelled=2,
        category=_FACE,
        facts=f"names no points; v is always 2 and says nothing; {_BOX_AREA}, which is the extent "
        "of the points",
    ),
    Dialect(
        "freihand",
        "FreiHAND, right hands with 21 points",
        "freihand",
        "9.8",
        labelled=1,
        category=_HAND,
        without=_NO_COUNT,
        facts=f"v is always 1; {_BOX_AREA}; models are fed the whole image, not the box",
    ),
    Dialect(
        "interhand2d",
        "InterHand2.6M, hands with 21 points: the list of images and boxes",
        "interhand2d",
        "9.9",
        fields=(_HAND_TYPE, Numeric("hand_type_valid", whole=True), FrameNumber("frame_idx")),
        category=_HAND,
        area="none",
        without=frozenset({"area", "iscrowd", "num_keypoints"}),
        facts="boxes and the side of the hand; the points are in two other files (3D joints in mm, "
        "cameras), so none is labelled here; joint_valid stays in extras",
    ),
    Dialect(
        "onehand10k",
        "OneHand10K, hands with 21 points",
        "onehand10k",
        "9.10",
        labelled=1,
        category=_HAND,
        without=_NO_COUNT,
        facts=f"v is 0 or 1; {_BOX_AREA}",
    ),
    Dialect(
        "rhd",
        "RHD, rendered hands with 21 points",
        "rhd2d",
        "9.10",
        labelled=1,
        fields=(_HAND_TYPE, Coordinates("joint_cam", 3, nested=True, space=Space(unit="mm"))),
        nested=True,
        category=_HAND,
        without=_NO_COUNT,
        facts="each point is a list of its own; within a finger from the tip to the base; "
        "cam_param of an image is kept in its extras",
    ),
    Dialect(
        "panoptic",
        "CMU Panoptic hands with 21 points",
        "panoptic_hand2d",
        "9.10",
        labelled=1,
        fields=(Pair("center"), Numeric("head_size")),
        category=_HAND,
        without=_NO_COUNT,
        facts=f"v is always 1; errors are divided by head_size; {_BOX_AREA}",
    ),
    Dialect(
        "deepfashion2",
        "DeepFashion2, clothes with 294 points in 13 kinds",
        "deepfashion2",
        "9.14",
        fields=(Numeric("style", whole=True), Numeric("pair_id", whole=True)),
        category=("clothes", "clothes"),
        facts=f"a kind of clothes uses its own run of the points, all others are 0; {_BOX_AREA}",
    ),
    Dialect(
        "deepfashion",
        "DeepFashion landmarks of clothes for the whole body, 8 points",
        "deepfashion_full",
        "9.14",
        also=("deepfashion_upper", "deepfashion_lower"),
        category=("fashion", "person"),
        facts="one file per kind: for the upper (6 points) and the lower body (4) give the schema "
        f"deepfashion_upper or deepfashion_lower; {_BOX_AREA}",
    ),
    Dialect(
        "h36m",
        "Human3.6M, people with 17 points in 2D and 3D",
        "h36m",
        "9.11",
        labelled=1,
        fields=(
            Coordinates(
                "keypoints_3d",
                4,
                nested=False,
                space=Space(unit="m", frame="world", axes="floor floor up"),
            ),
        ),
        misnamed=_H36M_FILE,
        first_link=0,
        facts="the file calls the right leg left and the left one right, though not the arms: its "
        "points are taken by position; keypoints_3d are metres in the world, its z upwards; links "
        f"count from 0; {_BOX_AREA}",
    ),
)

DIALECTS: Mapping[str, Dialect] = {row.name: row for row in _ROWS}
"""Name -> dialect."""

"""Keypoint annotations: schemas, formats, boxes, codecs, transforms, metrics and pictures.

>>> import kptdata as kd
>>> kd.load_schema("coco").num_keypoints
17
"""

"""Faces: where they are in the pictures, how they look, and which belong to one person.

`sort` is the published online tracker; `link` turns the detections of a whole recording into
one track per person.
"""

from emodiss.arguments import explain
from emodiss.faces.association import iou, sort
from emodiss.faces.boxes import FaceBoxes, FaceSeries, Growing, clip, rows_of
from emodiss.faces.linking import link
from emodiss.faces.pictures import (
    appearance,
    colour_histogram,
    crop,
    face_patch,
    likeness,
    mouth_box,
    mouth_patch,
    square_patch,
)
from emodiss.faces.records import Detections, FaceTrack, LinkCounts, Tracks

__all__ = [
    "Detections",
    "FaceBoxes",
    "FaceSeries",
    "FaceTrack",
    "Growing",
    "LinkCounts",
    "Tracks",
    "appearance",
    "clip",
    "colour_histogram",
    "crop",
    "face_patch",
    "iou",
    "likeness",
    "link",
    "mouth_box",
    "mouth_patch",
    "rows_of",
    "sort",
    "square_patch",
]

explain(__name__)

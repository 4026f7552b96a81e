"""Tracks: which faces of successive frames are the same face.

`sort` is the published online tracker; `link` turns the detections of a whole recording into
one track per person.
"""

from emodiss.tracks.association import iou, sort, sort_with_matches
from emodiss.tracks.linking import FaceTrack, Fragment, LinkCounts, link, link_with_counts

__all__ = [
    "FaceTrack",
    "Fragment",
    "LinkCounts",
    "iou",
    "link",
    "link_with_counts",
    "sort",
    "sort_with_matches",
]

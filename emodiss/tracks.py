"""The tracker by its older name: `emodiss.tracks.sort` is `emodiss.faces.sort`."""

from emodiss.faces import FaceTrack, iou, link, sort

__all__ = ["FaceTrack", "iou", "link", "sort"]

"""Another name of `emodiss.models.segmentation.diarizer`, for those who import it from here."""

from emodiss.models.segmentation.diarizer import SegmentationDiarizer as SegmentationDiarizer

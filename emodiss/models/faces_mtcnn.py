"""Another name of `emodiss.models.mtcnn.detector`, for those who import it from here."""

from emodiss.models.mtcnn.detector import MtcnnDetector as MtcnnDetector

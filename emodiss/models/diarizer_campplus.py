"""Another name of `emodiss.models.campplus.diarizer`, for those who import it from here."""

from emodiss.models.campplus.diarizer import CampplusDiarizer as CampplusDiarizer

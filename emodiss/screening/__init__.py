"""Filters of screenplays and their pictures: quality, safety, and what they leave."""

from emodiss.arguments import explain
from emodiss.screening.filters import FILTERS, PRINTED, directions_text, screened
from emodiss.screening.limits import AS_PRINTED, Limits, limits_of
from emodiss.screening.records import LEVELS, PictureMeasures, Record, Verdict

__all__ = [
    "AS_PRINTED",
    "FILTERS",
    "LEVELS",
    "PRINTED",
    "Limits",
    "PictureMeasures",
    "Record",
    "Verdict",
    "directions_text",
    "limits_of",
    "screened",
]

explain(__name__)

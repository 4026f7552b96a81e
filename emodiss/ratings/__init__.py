"""Ratings: what raters said about interventions, and the blind studies that ask them.

`table` declares the long table and reads it; `study` draws windows, crosses them with models and
conditions and deals them out blind; `simulation` makes tables whose truth is known.
"""

from emodiss.ratings.simulation import Simulated, simulate
from emodiss.ratings.study import Study, build_study, merge, write_study
from emodiss.ratings.table import (
    COLUMNS,
    CRITERIA,
    LIKERT,
    QUESTIONS,
    Column,
    Problem,
    RatingScale,
    RatingsError,
    background,
    check,
    item_means,
    notes,
    read,
    usable,
    wide,
    write,
)

__all__ = [
    "COLUMNS",
    "CRITERIA",
    "LIKERT",
    "QUESTIONS",
    "Column",
    "Problem",
    "RatingScale",
    "RatingsError",
    "Simulated",
    "Study",
    "background",
    "build_study",
    "check",
    "item_means",
    "merge",
    "notes",
    "read",
    "simulate",
    "usable",
    "wide",
    "write",
    "write_study",
]

"""Ratings: what raters said about interventions, and the blind studies that ask them.

`schema` declares the long table, `table` reads and checks it, `views` read it out; `windows` are
drawn for a `study`, which crosses them with models and conditions and deals them out blind as
`sheets`; `simulation` makes tables whose truth is known.
"""

from emodiss.ratings.schema import (
    COLUMNS,
    CRITERIA,
    LIKERT,
    RatingScale,
    RatingsError,
)
from emodiss.ratings.sheets import merge, write_study
from emodiss.ratings.simulation import Simulated, simulate
from emodiss.ratings.study import Study, build_study
from emodiss.ratings.table import check, read, write
from emodiss.ratings.views import QUESTIONS, background, item_means, notes, usable, wide

__all__ = [
    "COLUMNS",
    "CRITERIA",
    "LIKERT",
    "QUESTIONS",
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

"""Ratings: what raters said about interventions, and the blind studies that ask them.

`schema` declares the long table, `table` reads and checks it, `views` read it out; `windows` are
drawn for a `study`, which crosses them with models and conditions and deals them out blind as
`sheets`, and `handout` reads them back with the `instrument`; `pairs` puts two dialogues side by
side; `simulation` makes tables whose truth is known.
"""

from emodiss.arguments import explain
from emodiss.ratings.handout import Handout, open_study
from emodiss.ratings.instrument import Instrument, read_instrument
from emodiss.ratings.pairs import (
    COMPARISONS,
    PairStudy,
    build_pairs,
    check_pairs,
    merge_pairs,
    pair_form,
    read_pairs,
)
from emodiss.ratings.schema import COLUMNS, CRITERIA, LIKERT, RatingScale, RatingsError
from emodiss.ratings.sheets import merge, write_pairs, write_study
from emodiss.ratings.simulation import Simulated, simulate
from emodiss.ratings.study import Study, build_study
from emodiss.ratings.table import check, read, write
from emodiss.ratings.views import QUESTIONS, background, item_means, notes, shown_once, usable, wide

__all__ = [
    "COLUMNS",
    "COMPARISONS",
    "CRITERIA",
    "LIKERT",
    "QUESTIONS",
    "Handout",
    "Instrument",
    "PairStudy",
    "RatingScale",
    "RatingsError",
    "Simulated",
    "Study",
    "background",
    "build_pairs",
    "build_study",
    "check",
    "check_pairs",
    "item_means",
    "merge",
    "merge_pairs",
    "notes",
    "open_study",
    "pair_form",
    "read",
    "read_instrument",
    "read_pairs",
    "shown_once",
    "simulate",
    "usable",
    "wide",
    "write",
    "write_pairs",
    "write_study",
]

explain(__name__)

"""A corpus: its numbers, who takes turns how often, and which of its videos are fit for use."""

from __future__ import annotations

from emodiss.arguments import explain
from emodiss.corpus.curation import curate, overlap, read_overrules, waterfall
from emodiss.corpus.duplicates import find_duplicates
from emodiss.corpus.licences import count_licences, licences
from emodiss.corpus.quality import AudioQuality, measure
from emodiss.corpus.tables import table1, table2, table4, vocabulary
from emodiss.corpus.turns import turn_counts

__all__ = [
    "AudioQuality",
    "count_licences",
    "curate",
    "find_duplicates",
    "licences",
    "measure",
    "overlap",
    "read_overrules",
    "table1",
    "table2",
    "table4",
    "turn_counts",
    "vocabulary",
    "waterfall",
]

explain(__name__)

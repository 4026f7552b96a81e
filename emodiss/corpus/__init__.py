"""A corpus: its numbers, who takes turns how often, and which of its videos are fit for use."""

from __future__ import annotations

from emodiss.corpus.tables import table1, table2, table4, vocabulary
from emodiss.corpus.turns import turn_counts

__all__ = ["table1", "table2", "table4", "turn_counts", "vocabulary"]

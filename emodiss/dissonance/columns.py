"""Columns of an utterance table as arrays, whatever holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import ArgumentError
from emodiss.tabular import table_of

NEEDED = (
    *("video_id", "speaker", "start", "role", "sentiment"),
    *("speech_valence", "speech_arousal", "speech_valence_raw", "speech_arousal_raw"),
    *("face_valence", "face_arousal", "face_valence_raw", "face_arousal_raw"),
    *("face_valence_se", "face_arousal_se", "face_coverage", "speech_status", "face_status"),
)
"""All that a rule may look at."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Columns of n utterances.

    Commands make it from lists (`Run.lists`) and do without pandas, whose import takes longer than
    all that they do.
    """

    values: Mapping[str, Any]
    n: int

    @classmethod
    def of(cls, given: object) -> Self:
        """Take a table, a run or a session, or columns that were laid out before."""
        if isinstance(given, cls):
            return given
        table = table_of(given)
        return cls(table, len(table))

    @classmethod
    def of_lists(cls, lists: Mapping[str, Sequence[Any]]) -> Self:
        """Take lists of one length; what is missing in them is None or NaN."""
        return cls(lists, max(map(len, lists.values()), default=0))

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def where(self, name: str, value: str) -> Self:
        """Return the utterances that have a value in a column."""
        own = [place for place, found in enumerate(self.values[name]) if found == value]
        lists = {name: [column[i] for i in own] for name, column in self.values.items()}
        return type(self)(lists, len(own))

    def numbers(self, name: str, *, needed: bool = True) -> NDArray[np.float64]:
        """Return a column as numbers, (n,); all NaN where the table may do without it and does."""
        if name not in self:
            if not needed:
                return np.full(self.n, np.nan)
            raise ArgumentError(
                f"The table lacks the column '{name}', which this rule compares.",
                next_step="Give the utterance table of a run: run.utterances.",
            )
        column = self.values[name]
        if hasattr(column, "to_numpy"):
            return column.to_numpy(np.float64, na_value=np.nan)
        return np.array(column, np.float64)

    def texts(self, name: str) -> list[str | None]:
        """Return a column as texts; None where one is missing."""
        column = self.values[name]
        if hasattr(column, "isna"):
            column = column.astype(object).where(column.notna(), None)
        return [None if value is None or value != value else str(value) for value in column]

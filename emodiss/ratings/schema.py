"""What a rating is: its scale, the columns of the long table, and what is wrong with one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from emodiss.errors import EmodissError

CRITERIA = ("applicability", "empathy", "comprehensiveness")
"""The paper's three criteria (Haydarov et al. 2025, section 5)."""


class RatingsError(EmodissError, ValueError):
    """A ratings table or a study cannot be used as it is; every problem is listed."""

    code = "ratings"


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The values a rater may give.

    Parameters
    ----------
    low, high
        First and last point of the scale, both allowed.
    step
        Distance between points; 0 allows every number in between.
    """

    low: float = 1.0
    high: float = 5.0
    step: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high or self.step < 0:
            raise RatingsError(
                f"A rating scale from {self.low:g} to {self.high:g} in steps of {self.step:g} "
                "does not exist; low < high and step >= 0 were expected."
            )

    def holds(self, value: float) -> bool:
        """Tell whether a value lies on the scale."""
        if not (self.low <= value <= self.high):
            return False
        if self.step == 0:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def points(self) -> tuple[float, ...]:
        """List the points of a stepped scale, lowest first; empty for a continuous one."""
        if self.step == 0:
            return ()
        n = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(self.low + self.step * k for k in range(n))

    def __str__(self) -> str:
        how = f" in steps of {self.step:g}" if self.step else ""
        return f"a number from {self.low:g} to {self.high:g}{how}"


LIKERT = RatingScale(1.0, 5.0, 1.0)
"""The paper's scale: 1 = poor, 5 = exceptional."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the declared schema.

    Parameters
    ----------
    name
        Name in the table and in CSV files.
    kind
        `text`, `number`, `count` (whole number, 0 or more) or `time` (ISO 8601).
    required
        Whether the column must exist and hold something in every row.
    meaning
        One line for the data dictionary.
    """

    name: str
    kind: Literal["text", "number", "count", "time"]
    required: bool
    meaning: str


COLUMNS = (
    Column("study", "text", False, "name of the study"),
    Column("rater", "text", True, "code of the rater"),
    Column("rater_group", "text", False, "group the rater belongs to; one group per rater"),
    Column("item", "text", True, "code of what was rated: one response to one window"),
    Column("video", "text", True, "id of the video the item comes from; the sampling cluster"),
    Column("model", "text", True, "chat model that wrote the response"),
    Column("condition", "text", True, "prompt condition: base, discrete, continuous, ..."),
    Column("criterion", "text", True, "what was rated: applicability, empathy, ..."),
    Column("value", "number", False, "the rating; empty means not rated"),
    Column("position", "count", False, "place of the item in this rater's order, from 1"),
    Column("repeat", "count", False, "0 for the first presentation, 1 for the second, ..."),
    Column("seconds", "number", False, "time spent on the item, in seconds"),
    Column("saved_at", "time", False, "when the rating was saved, ISO 8601"),
    Column("comment", "text", False, "what the rater added in words"),
)
"""Schema of the long table. Reader, checks and data dictionary all come from here."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a table.

    Parameters
    ----------
    line
        Line in the file, the header being line 1; for a table in memory, row number + 2.
    column
        Name of the column.
    value
        What stands there.
    expected
        What should.
    """

    line: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        return self.said_of(f"line {self.line}")

    def said_of(self, place: str) -> str:
        """Say what is wrong at a place that is called otherwise."""
        return f"{place}, {self.column}: '{self.value}' (expected {self.expected})"

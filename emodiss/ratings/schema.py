"""What a rating is: its scale, the columns of the long table, and what is wrong with one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emodiss.errors import EmodissError
from emodiss.registry import CRITERIA as CRITERIA
from emodiss.tabular import Column


class RatingsError(EmodissError, ValueError):
    """A ratings table or a study cannot be used as it is; every problem is listed."""

    code = "ratings"


MOST_POINTS = 10_000
"""Of a scale; more are no points that anybody tells apart."""


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
        stated = (self.low, self.high, self.step)
        if (
            not all(map(math.isfinite, stated))
            or not self.low < self.high
            or self.step < 0
            or (self.step and not (self.high - self.low) / self.step < MOST_POINTS)
        ):
            raise RatingsError(
                f"A rating scale from {self.low:g} to {self.high:g} in steps of {self.step:g} "
                "does not exist; low < high and step >= 0 were expected, and at most "
                f"{MOST_POINTS} points."
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


COLUMNS = (
    Column("study", "text", "name of the study"),
    Column("rater", "text", "code of the rater", required=True),
    Column("rater_group", "text", "group the rater belongs to; one group per rater"),
    Column("item", "text", "code of what was rated: one response to one window", required=True),
    Column("video", "text", "id of the item's video; the sampling cluster", required=True),
    Column("model", "text", "chat model that wrote the response", required=True),
    Column("condition", "text", "prompt condition: base, discrete, continuous, ...", required=True),
    Column("criterion", "text", "what was rated: applicability, empathy, ...", required=True),
    Column("value", "number", "the rating; empty means not rated"),
    Column("position", "count", "place of the item in this rater's order, from 1", 0),
    Column("repeat", "count", "0 for the first presentation, 1 for the second, ...", 0),
    Column("seconds", "number", "time spent on the item, in seconds", 0.0),
    Column("saved_at", "time", "when the rating was saved, ISO 8601"),
    Column("comment", "text", "what the rater added in words"),
)
"""Schema of the long table. Reader, checks and data dictionary all come from here."""

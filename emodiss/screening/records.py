"""What a filter says of one dialogue."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of one dialogue or one picture.

    Parameters
    ----------
    keep
        Whether it may stay; None if it was not measured, which rejects nothing and is counted.
    score
        What was measured; NaN where nothing was, or where the filter has no number.
    reason
        Why it goes, or why nothing was measured; empty if it stays.
    """

    keep: bool | None
    score: float = math.nan
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: a score that is not finite is None."""
        return {**asdict(self), "score": self.score if math.isfinite(self.score) else None}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Verdict:
        """Read back what `to_dict` wrote; TypeError or KeyError if it is no verdict."""
        score = math.nan if record["score"] is None else float(record["score"])
        return cls(record["keep"], score, record["reason"])


def unmeasured(reason: str) -> Verdict:
    """Say that nothing was measured, and why."""
    return Verdict(None, math.nan, reason)

"""What was measured of a dialogue and its pictures, and what a filter says of it.

A measure is NaN or None where nothing was measured; no filter takes that for a fault.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from emodiss.screenplays.records import Screenplay

LEVELS = (
    "casual",
    "possibly_needs_caution",
    "probably_needs_caution",
    "needs_caution",
    "needs_intervention",
)
"""Levels of safety of ProsocialDialog (Kim et al. 2022, EMNLP), the safest first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of one dialogue or one picture.

    Parameters
    ----------
    keep
        Whether it may stay; None if it was not measured, which rejects nothing and is counted.
    score
        What was measured, the worst of all lines; NaN where nothing was, or there is no number.
    reason
        Why it goes, or what was not measured.
    lines
        Lines that are at fault, or whose pictures are.
    """

    keep: bool | None
    score: float = math.nan
    reason: str = ""
    lines: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: a score that is not finite is None."""
        score = self.score if math.isfinite(self.score) else None
        return {**asdict(self), "score": score, "lines": list(self.lines)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Verdict:
        """Read back what `to_dict` wrote; TypeError or KeyError if it is no verdict."""
        score = math.nan if record["score"] is None else float(record["score"])
        return cls(record["keep"], score, record["reason"], tuple(record["lines"]))


@dataclass(frozen=True, slots=True)
class PictureMeasures:
    """What was measured of the picture of one line.

    Parameters
    ----------
    face_found
        Whether a face is in it; False for a file that cannot be read. None: nobody looked.
    image_text
        Cosine of picture and directions by an image-text model, in [-1, 1].
    identity
        Cosine of the face to that of the reference by a face embedder, in [-1, 1].
    gender, age
        As a model of faces predicts them; age in years.
    nsfw, normal
        Scores of a classifier for unsuitable and for normal pictures, in [0, 1].
    """

    face_found: bool | None = None
    image_text: float = math.nan
    identity: float = math.nan
    gender: str | None = None
    age: float = math.nan
    nsfw: float = math.nan
    normal: float = math.nan


@dataclass(frozen=True, slots=True)
class Record:
    """A dialogue with all that was measured of it; what filters look at.

    Parameters
    ----------
    pictures
        By the line that a picture belongs to, never by its place among the files; a line of the
        client that has no picture is not in it.
    safety
        Level of each line that was classified, one of `LEVELS`; None where there is no answer.
    alliance
        Mean of the items of the Working Alliance Inventory, 1 to 5.
    tags
        Parts of speech of the words of each line; None if nobody tagged them.
    """

    play: Screenplay
    pictures: Mapping[int, PictureMeasures] = field(default_factory=dict)
    safety: Mapping[int, str | None] = field(default_factory=dict)
    alliance: float = math.nan
    tags: Mapping[int, Sequence[str]] | None = None

    @property
    def id(self) -> str:
        """Of the case."""
        return self.play.case.id

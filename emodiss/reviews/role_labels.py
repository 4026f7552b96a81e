"""What a language model said of the role of a voice, and whether the talk still bears it out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from emodiss.manifest import Role
from emodiss.transcript import Utterance

MIN_QUOTED_WORDS = 3
"""A shorter quotation occurs by chance."""


@dataclass(frozen=True, slots=True)
class RoleLabel:
    """What a language model makes of one voice.

    Parameters
    ----------
    role
        None where it abstains, or is not believed.
    confidence
        In [0, 1], as the model stated it; NaN when it stated none.
    quotes
        Words of this voice that the model rests on and that were found in the transcript.
    reason
        Why there is no role: `abstained`, `unparsable`, `not_answered`, `unsupported` (no
        quotation holds), `too_unsure`, `two_therapists`; empty otherwise.
    """

    speaker: str
    role: Role | None
    confidence: float
    quotes: tuple[str, ...] = ()
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a missing confidence is None."""
        unknown = math.isnan(self.confidence)
        return {**asdict(self), "confidence": None if unknown else self.confidence}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> RoleLabel:
        """Read back what `to_dict` wrote.

        Raises
        ------
        KeyError, TypeError
            If it is no such record.
        """
        stated = record["confidence"]
        return cls(
            record["speaker"],
            record["role"],
            math.nan if stated is None else float(stated),
            tuple(record["quotes"]),
            record["reason"],
        )


def holds(label: RoleLabel, utterances: Iterable[Utterance]) -> bool:
    """Whether a label still rests on words that its voice says."""
    return bool(label.quotes) and all(
        occurs(quote, label.speaker, utterances) for quote in label.quotes
    )


_EDGE = re.compile(r"^[^\w]+|[^\w]+$")


def words(text: str) -> list[str]:
    """Words of a text without case and punctuation at their edges."""
    plain = text.casefold().replace("\u2019", "'")
    return [word for part in plain.split() if (word := _EDGE.sub("", part))]


def occurs(quote: str, speaker: str, utterances: Iterable[Utterance]) -> bool:
    """Whether a voice says these words in a row, punctuation and case aside."""
    sought = words(quote)
    if not sought:
        return False
    for u in utterances:
        if u.speaker != speaker:
            continue
        said = words(u.text)
        if len(sought) < MIN_QUOTED_WORDS and len(sought) < len(said):
            continue
        n = len(sought)
        if any(said[i : i + n] == sought for i in range(len(said) - n + 1)):
            return True
    return False

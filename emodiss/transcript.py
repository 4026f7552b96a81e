"""Transcripts: words, speaker turns and utterances; readers, and the join of words and turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Timing = Literal["aligned", "interpolated", "given", "detected"]
"""How times were obtained: by forced alignment, by interpolation between neighbours, stated in a
transcript that was given, or detected as voice activity."""


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word.

    Parameters
    ----------
    text
        As written, punctuation included.
    start, end
        Seconds from media start; NaN when the source gave none.
    speaker
        Label of the voice, or None when unknown.
    timing
        How the times were obtained.
    score
        Alignment or recognition confidence in [0, 1]; NaN when the source gave none.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    timing: Timing = "aligned"
    score: float = float("nan")


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of one voice, from a diarizer; turns of different voices may overlap.

    Parameters
    ----------
    start, end
        Seconds from media start, half-open.
    speaker
        Label of the voice.
    """

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker says in one go: the unit of analysis.

    Parameters
    ----------
    start, end
        Seconds from media start, half-open.
    speaker
        Label of the voice.
    text
        What is said; empty when nobody transcribed it.
    words
        Word times where they are known.
    overlap_s
        Seconds during which somebody else speaks too.
    timing
        How start and end were obtained.
    flags
        Short names of what a reader should know: `backchannel`, `nearest_speaker`, ...
    """

    start: float
    end: float
    speaker: str
    text: str = ""
    words: tuple[Word, ...] = ()
    overlap_s: float = 0.0
    timing: Timing = "given"
    flags: tuple[str, ...] = ()

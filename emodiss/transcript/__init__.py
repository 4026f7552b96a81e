"""Transcripts: words, speaker turns and utterances; readers, and the join of words and turns.

`read` takes a transcript that somebody gives (STM, WebVTT, SRT, CSV, WhisperX JSON, YouTube
json3); `join` makes one from recognised words and diarized turns, `tell_apart` gives voices to
one that names none; `cut` shortens what is too long; `with_overlap` measures how much of each
utterance somebody else talks over.
"""

from __future__ import annotations

from emodiss.transcript.cutting import LONGEST_S, cut
from emodiss.transcript.join import join, tell_apart, with_overlap
from emodiss.transcript.readers import (
    FORMATS,
    SPEAKER_DEFAULT,
    error_of,
    read,
    read_annomi,
    read_report,
)
from emodiss.transcript.records import (
    Problem,
    Recognition,
    Timing,
    Transcript,
    Turn,
    Utterance,
    Word,
    Wording,
)

__all__ = [
    "FORMATS",
    "LONGEST_S",
    "SPEAKER_DEFAULT",
    "Problem",
    "Recognition",
    "Timing",
    "Transcript",
    "Turn",
    "Utterance",
    "Word",
    "Wording",
    "cut",
    "error_of",
    "join",
    "read",
    "read_annomi",
    "read_report",
    "tell_apart",
    "with_overlap",
]

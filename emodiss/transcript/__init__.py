"""Transcripts: words, speaker turns and utterances; readers, and the join of words and turns.

`read` takes a transcript that somebody gives (STM, WebVTT, SRT, CSV, WhisperX JSON, YouTube
json3); `join` makes one from recognised words and diarized turns, `tell_apart` gives voices to
one that names none; `cut` shortens what is too long; `with_overlap` measures how much of each
utterance somebody else talks over.
"""

from __future__ import annotations

from emodiss.arguments import explain
from emodiss.transcript.cutting import cut
from emodiss.transcript.join import join, tell_apart, with_overlap
from emodiss.transcript.readers import FORMATS, SPEAKER_DEFAULT, read, read_annomi, read_report
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
    "join",
    "read",
    "read_annomi",
    "read_report",
    "tell_apart",
    "with_overlap",
]

explain(__name__)

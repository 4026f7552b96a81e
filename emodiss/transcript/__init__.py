"""Transcripts: words, speaker turns and utterances; readers, and the join of words and turns.

`read` takes a transcript that somebody gives (STM, WebVTT, SRT, CSV, WhisperX JSON, YouTube
json3); `join` makes one from recognised words and diarized turns; `with_overlap` measures how
much of each utterance somebody else talks over.
"""

from __future__ import annotations

from emodiss.transcript.join import join, with_overlap
from emodiss.transcript.readers import FORMATS, read, read_annomi, read_report
from emodiss.transcript.records import Problem, Timing, Turn, Utterance, Word

__all__ = [
    "FORMATS",
    "Problem",
    "Timing",
    "Turn",
    "Utterance",
    "Word",
    "join",
    "read",
    "read_annomi",
    "read_report",
    "with_overlap",
]

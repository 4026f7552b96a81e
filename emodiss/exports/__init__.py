"""Exports: the utterances of a session in the formats of other programs, and corrected files back.

RTTM for scoring diarization, WebVTT for players, TextGrid for Praat, EAF for ELAN. Values that
are missing in the table are missing in the file: no annotation stands where nothing was measured.
`read_back` takes a WebVTT or EAF file that a person corrected and says what was changed.
"""

from __future__ import annotations

from emodiss.exports.corrections import Change, read_back
from emodiss.exports.formats import FORMATS, suffix_of, write
from emodiss.exports.items import ExportError, Item, items

__all__ = [
    "FORMATS",
    "Change",
    "ExportError",
    "Item",
    "items",
    "read_back",
    "suffix_of",
    "write",
]

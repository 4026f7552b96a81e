"""Exports: utterances in the formats of other programs, and corrected files back.

Of a video: RTTM for scoring diarization, WebVTT for players, TextGrid for Praat, EAF for ELAN. Of
a whole run: a Hugging Face dataset, an audformat index, a methods paragraph, the addresses.
Values that are missing in the table are missing in the file: no annotation stands where nothing
was measured.
`read_back` takes a WebVTT or EAF file that a person corrected and says what was changed.
"""

from __future__ import annotations

from emodiss.arguments import explain
from emodiss.exports.corrections import Change, read_back
from emodiss.exports.items import COLUMNS, ExportError, Item, items
from emodiss.exports.registry import write, write_run
from emodiss.registry import FORMATS, Format

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Change",
    "ExportError",
    "Format",
    "Item",
    "items",
    "read_back",
    "write",
    "write_run",
]

explain(__name__)

"""The utterance table: the product. One row per utterance, one declared schema.

Validation, the data dictionary and the README's table are all made from `SCHEMA`. Beside it stand
face frames, a summary of each face, and windows of the voice.

Tables and their schemas are imported when they are asked for: stages that measure need no pandas,
which would take 75 MB of each worker.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from emodiss.arguments import explain, explaining
from emodiss.utterances.listeners import (
    ListenerMeasures,
    join_listeners,
    measure_listeners,
    measure_listeners_piece,
)
from emodiss.utterances.looks import PARTS
from emodiss.utterances.measures import (
    FaceMeasures,
    SpeechMeasures,
    join_faces,
    measure_faces,
    measure_faces_piece,
    measure_speech,
)
from emodiss.utterances.windows import VoiceWindows, measure_windows, windows_of

if TYPE_CHECKING:
    from emodiss.utterances.schema import (
        FACE_SUMMARY_SCHEMA,
        FRAME_SCHEMA,
        SCHEMA,
        WINDOW_SCHEMA,
        Column,
        TableError,
        conform,
        validate,
    )
    from emodiss.utterances.table import (
        face_summary,
        frame_table,
        tabulate,
        window_table,
        word_table,
    )

_TABLES = ("face_summary", "frame_table", "tabulate", "window_table", "word_table")

__all__ = [
    "FACE_SUMMARY_SCHEMA",
    "FRAME_SCHEMA",
    "PARTS",
    "SCHEMA",
    "WINDOW_SCHEMA",
    "Column",
    "FaceMeasures",
    "ListenerMeasures",
    "SpeechMeasures",
    "TableError",
    "VoiceWindows",
    "conform",
    "face_summary",
    "frame_table",
    "join_faces",
    "join_listeners",
    "measure_faces",
    "measure_faces_piece",
    "measure_listeners",
    "measure_listeners_piece",
    "measure_speech",
    "measure_windows",
    "tabulate",
    "validate",
    "window_table",
    "windows_of",
    "word_table",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'emodiss.utterances' has no attribute '{name}'")
    module = "table" if name in _TABLES else "schema"
    found = getattr(importlib.import_module(f"emodiss.utterances.{module}"), name)
    return explaining(found, __name__) if inspect.isfunction(found) else found


explain(__name__)

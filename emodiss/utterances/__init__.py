"""The utterance table: the product. One row per utterance, one declared schema.

Validation, the data dictionary and the README's table are all made from `SCHEMA`. Beside it stand
face frames, a summary of each face, and windows of the voice.
"""

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
from emodiss.utterances.table import face_summary, frame_table, tabulate, window_table, word_table
from emodiss.utterances.windows import VoiceWindows, measure_windows, windows_of

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

"""The utterance table: the product. One row per utterance, one declared schema.

Validation, the data dictionary and the README's table are all made from `SCHEMA`.
"""

from emodiss.utterances.measures import (
    FaceMeasures,
    SpeechMeasures,
    measure_faces,
    measure_speech,
)
from emodiss.utterances.schema import (
    FACE_STATUSES,
    FRAME_SCHEMA,
    SCHEMA,
    SPEECH_STATUSES,
    Column,
    TableError,
    conform,
    validate,
)
from emodiss.utterances.table import frame_table, tabulate, word_table

__all__ = [
    "FACE_STATUSES",
    "FRAME_SCHEMA",
    "SCHEMA",
    "SPEECH_STATUSES",
    "Column",
    "FaceMeasures",
    "SpeechMeasures",
    "TableError",
    "conform",
    "frame_table",
    "measure_faces",
    "measure_speech",
    "tabulate",
    "validate",
    "word_table",
]

"""The seams to trained models: one small protocol per task, one file per model.

The protocols stand beside the stages that use them, and can all be had from here.

A protocol is one method and an identity. `identity` is readable without loading weights,
because a run that finds everything cached must not load a model to learn its name. Heavy
libraries are imported inside the adapters only. `catalog` is the one registry.
"""

from emodiss.affect import FaceAffectModel, SpeechAffectModel
from emodiss.faces.protocols import ActiveSpeaker, FaceDetector
from emodiss.transcript.protocols import Aligner, Diarizer, Transcriber

__all__ = [
    "ActiveSpeaker",
    "Aligner",
    "Diarizer",
    "FaceAffectModel",
    "FaceDetector",
    "SpeechAffectModel",
    "Transcriber",
]

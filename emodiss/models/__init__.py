"""The seams to trained models: one small protocol per task, one file per model.

The protocols stand beside the stages that use them, and can all be had from here.

Adapters give raw values; `emodiss.affect` brings them to the house scale. What a model is (name,
weights, options) stands on its card in `catalog`, so that nothing is loaded to learn it. Heavy
libraries are imported inside the adapters only.
"""

from emodiss.affect import FaceAffectModel, SpeechAffectModel
from emodiss.faces.drawn import FaceSynthesizer
from emodiss.faces.protocols import ActiveSpeaker, FaceDetector, FaceTracker
from emodiss.transcript.protocols import Aligner, Diarizer, Transcriber

__all__ = [
    "ActiveSpeaker",
    "Aligner",
    "Diarizer",
    "FaceAffectModel",
    "FaceDetector",
    "FaceSynthesizer",
    "FaceTracker",
    "SpeechAffectModel",
    "Transcriber",
]

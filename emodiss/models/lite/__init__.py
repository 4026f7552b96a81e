"""The embedded models, trained by emodiss and shipped with it."""

from __future__ import annotations

from emodiss.affect import StatedError
from emodiss.models.card import Card
from emodiss.models.weight_files import WeightFile

CARDS = (
    Card(
        name="ser-lite",
        task="speech_affect",
        loader="emodiss.models.lite.speech:LiteSpeech",
        place="shipped",
        package="onnxruntime",
        source="trained by emodiss on EMO-DB and RAVDESS; scripts/train_lite_speech.py",
        revision="1",
        licence="CC BY-NC-SA 4.0 (research; RAVDESS is non-commercial)",
        noncommercial=True,
        size_mb=0.8,
        scale="signed",
        error=StatedError(
            valence=0.748,
            arousal=0.496,
            source="own, on the corpus that was not trained on (EMO-DB and RAVDESS in turn, 1,975 "
            "clips, category norms); scripts/train_lite_speech.py",
        ),
        files=(WeightFile("ser_lite.onnx"),),
        what="arousal from voice; valence and dominance are experimental",
    ),
    Card(
        name="fer-lite",
        task="face_affect",
        loader="emodiss.models.lite.face:LiteFace",
        place="shipped",
        package="onnxruntime",
        source="trained by emodiss on FER+ and AffectNet-C25; scripts/train_lite_face.py",
        revision="1",
        licence="research use (training images were scraped from the web)",
        noncommercial=True,
        size_mb=3.2,
        scale="signed",
        error=StatedError(
            valence=0.182,
            arousal=0.279,
            source="own, FER+ PrivateTest (3,073 images, votes mapped to valence and arousal) and "
            "the map's own error in quadrature; scripts/lite_face_figures.py",
        ),
        files=(WeightFile("fer_lite.onnx"),),
        what="eight expressions; valence and arousal derived from them",
    ),
)

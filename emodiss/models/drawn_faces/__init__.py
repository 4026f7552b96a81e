"""Faces drawn from a picture of a person and a description of an expression."""

from __future__ import annotations

from emodiss.models import mtcnn
from emodiss.models.card import Card

_DETECTOR = next(card for card in mtcnn.CARDS if card.name == "mtcnn")

CARDS = (
    Card(
        name="warp",
        task="face_synthesizer",
        loader="emodiss.models.drawn_faces.warp:WarpedFaces",
        place="package",
        package="facenet_pytorch",
        packaged=mtcnn.WEIGHTS,
        source="MTCNN inside facenet-pytorch finds the face; the warping has no weights",
        revision="2.5.3",
        licence="MIT",
        noncommercial=False,
        size_mb=2.0,
        what="moves mouth, brows, lids, gaze and head of one photograph by words of the "
        "description; for demos and tests",
        options=lambda _settings, _folder: {"detector": _DETECTOR.identity},
        distributions=("torch", "facenet-pytorch", "opencv-python-headless"),
        cite=("zhang2016",),
    ),
)

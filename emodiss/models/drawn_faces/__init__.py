"""Faces drawn from a picture of a person and a description of an expression."""

from __future__ import annotations

from pydantic import Field

from emodiss.models import mtcnn
from emodiss.models.card import Card
from emodiss.settings import Group

_DETECTOR = next(card for card in mtcnn.CARDS if card.name == "mtcnn")


class Command(Group):
    """The program that draws."""

    program: str = Field(default="", description="command line of the program")
    timeout_s: float = Field(default=600.0, gt=0, description="longest wait for one picture, s")
    photomaker: bool = Field(default=True, description="PhotoMaker's trigger word in the prompt")


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
    Card(
        name="command",
        task="face_synthesizer",
        loader="emodiss.models.drawn_faces.command:CommandFaces",
        place="package",
        package="cv2",
        source="a program of yours: --set options.command.program=...",
        revision="local",
        licence="that of the program you give",
        noncommercial=False,
        size_mb=0.0,
        what="a program that reads JSON lines and writes PNG files, such as PhotoMaker in an "
        "environment of its own",
        own_options=Command,
    ),
)

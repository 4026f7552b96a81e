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


class Diffusion(Group):
    """The weights that draw, and how; steps are those of the released code with PhotoMaker."""

    model: str = Field(default="", description="folder of an SDXL pipeline, safetensors")
    adapter: str = Field(default="", description="folder of the IP-Adapter and image_encoder")
    weights: str = Field(
        default="ip-adapter-plus-face_sdxl_vit-h.safetensors", description="the IP-Adapter's file"
    )
    steps: int = Field(default=50, ge=1, description="steps of the DDIM sampler")
    scale: float = Field(default=0.6, ge=0, le=1, description="weight of the reference")
    guidance: float = Field(default=5.0, ge=1, description="weight of the words")
    size: int = Field(default=1024, ge=64, multiple_of=8, description="side that is drawn, pixels")


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
    Card(
        name="diffusers",
        task="face_synthesizer",
        loader="emodiss.models.drawn_faces.diffusers:DiffusersFaces",
        place="package",
        package="diffusers",
        source="folders of yours: --set options.diffusers.model=... and options.diffusers.adapter",
        revision="local",
        licence="that of the models you give",
        noncommercial=False,
        size_mb=0.0,
        what="SDXL with an IP-Adapter for faces; never run on real weights",
        extra="faces-synthesis",
        own_options=Diffusion,
        distributions=("diffusers", "torch", "transformers"),
    ),
)

"""Models that look at drawn faces: does the text fit, is it the same person, is it suitable.

None comes with weights: a folder or a repository is named in `options`.
"""

from __future__ import annotations

from pydantic import Field

from emodiss.models.card import Card
from emodiss.settings import Group


class Weights(Group):
    """Where the weights lie."""

    model: str = Field(
        default="", description="folder with safetensors, or repository (then with its revision)"
    )
    revision: str | None = Field(
        default=None, description="commit of a repository, 40 hexadecimal digits"
    )


class Onnx(Group):
    """Where the network lies."""

    file: str = Field(default="", description="ONNX file: (n, 3, 112, 112) aligned faces in")


def _of_transformers(name: str, task: str, loader: str, what: str, cite: tuple[str, ...]) -> Card:
    return Card(
        name=name,
        task=task,  # pyright: ignore[reportArgumentType]
        loader=f"emodiss.models.picture_checks.transformers:{loader}",
        place="package",
        package="transformers",
        source=f"a folder or repository of yours: --set options.{name}.model=...",
        revision="local",
        licence="that of the model you give",
        noncommercial=False,
        size_mb=0.0,
        what=what,
        extra="llm-local",
        own_options=Weights,
        distributions=("torch", "transformers"),
        cite=cite,
    )


CARDS = (
    _of_transformers(
        "clip",
        "image_text",
        "Clip",
        "CLIP: how well a text fits a picture; the paper's is openai/clip-vit-base-patch32",
        (),
    ),
    _of_transformers(
        "nsfw",
        "nsfw",
        "Nsfw",
        "tells unsuitable pictures; the paper's is Falconsai/nsfw_image_detection",
        (),
    ),
    Card(
        name="arcface",
        task="face_embedder",
        loader="emodiss.models.picture_checks.arcface:ArcFace",
        place="package",
        package="onnxruntime",
        source="an ONNX file of yours: --set options.arcface.file=...",
        revision="local",
        licence="that of the network you give; InsightFace's are for research alone",
        noncommercial=True,
        size_mb=0.0,
        what="faces as vectors by a network of the ArcFace kind, aligned to 112 x 112",
        own_options=Onnx,
        distributions=("onnxruntime", "facenet-pytorch"),
    ),
)

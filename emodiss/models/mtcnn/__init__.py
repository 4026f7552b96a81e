"""MTCNN: boxes and landmarks of faces (Zhang et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from emodiss.errors import SettingsError
from emodiss.models.card import Card
from emodiss.settings import Settings

WEIGHTS: Final = ("data/pnet.pt", "data/rnet.pt", "data/onet.pt")
"""Files of the three networks inside facenet-pytorch, in the order of the cascade."""


def _options(settings: Settings, _folder: Path) -> dict[str, Any]:
    least = settings.faces.min_face
    size = {"min_face_size": least} if least >= 1 else {"min_face_share": least}
    return {**size, "half_size": settings.faces.half_size}


def _reference_options(settings: Settings, folder: Path) -> dict[str, Any]:
    options = _options(settings, folder)
    if options.pop("half_size"):
        raise SettingsError(
            "The model 'mtcnn-reference' runs facenet-pytorch as it is and cannot halve frames.",
            next_step="Use models.faces=mtcnn, or faces.half_size=false.",
        )
    return options


def _card(
    name: str,
    loader: str,
    what: str,
    options: Callable[[Settings, Path], dict[str, Any]],
    *runtimes: str,
) -> Card:
    return Card(
        name=name,
        task="faces",
        loader=f"emodiss.models.mtcnn.{loader}",
        place="package",
        package="facenet_pytorch",
        packaged=WEIGHTS,
        source="weights inside facenet-pytorch (Zhang et al. 2016)",
        revision="2.5.3",
        licence="MIT",
        noncommercial=False,
        size_mb=2.0,
        what=what,
        options=options,
        distributions=("torch", "facenet-pytorch", *runtimes),
        cite=("zhang2016",),
    )


CARDS = (
    _card(
        "mtcnn",
        "detector:MtcnnDetector",
        "MTCNN face boxes and landmarks, vectorised cascade",
        _options,
    ),
    _card(
        "mtcnn-onnx",
        "detector:OnnxMtcnn",
        "the same in ONNX Runtime on the CPU, with half a gigabyte less in memory",
        _options,
        "onnxruntime",
    ),
    _card(
        "mtcnn-reference",
        "reference:ReferenceMtcnn",
        "MTCNN as facenet-pytorch runs it; slower, for comparison",
        _reference_options,
    ),
)
